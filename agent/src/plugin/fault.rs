//! Why a plugin did not answer for a record, in a form that can stand in place of the answer.
//!
//! What stays true: the same misbehaviour gets the same code wherever in a batch it happens. Only `PLUGIN-DEADLINE`
//! depends on the machine; fuel runs out long before it in any plugin that merely computes too much.

use wasmtime::Trap;

use super::log::visible;
use super::v1::{Failure, Issue, SourceRecord};

/// A failed call into a plugin.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Trap,
    Fuel,
    Deadline,
    Memory,
    Failure,
    Protocol,
}

impl Fault {
    /// What the engine's error means. `denied`: the plugin had asked for more memory than it may have.
    pub(super) fn of(error: &wasmtime::Error, denied: bool) -> Self {
        let detail = error.root_cause().to_string();
        let kind = match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Kind::Fuel,
            Some(Trap::Interrupt) => Kind::Deadline,
            // A guest that is refused memory usually aborts; the trap is only how that looks from here.
            _ if denied => Kind::Memory,
            Some(_) => Kind::Trap,
            // The engine keeps these two to itself: one for too many instances, memories or tables, one for an answer
            // of more than `session::ANSWER_BYTES`.
            None if detail.contains("resource limit exceeded") => Kind::Memory,
            None if detail.contains("fuel allocated for hostcalls") => Kind::Memory,
            None => Kind::Protocol,
        };
        Self::new(kind, &detail)
    }

    /// The plugin itself said that it could not go on.
    pub(super) fn reported(failure: &Failure) -> Self {
        Self::new(Kind::Failure, &format!("{}: {}", failure.code, failure.message))
    }

    pub(super) fn new(kind: Kind, detail: &str) -> Self {
        Self {
            kind,
            detail: visible([detail], 1000),
        }
    }

    /// The issue which takes the place of an answer for this record.
    pub(super) fn issue(&self, record: &SourceRecord) -> Issue {
        let (vi, en) = self.kind.said();
        Issue {
            severity: "error".to_owned(),
            code: self.kind.code().to_owned(),
            source_path: record.locator.clone(),
            target_path: None,
            message: format!("{vi} ({en}): {}", self.detail),
            ext: Vec::new(),
        }
    }
}

impl Kind {
    pub(super) fn code(self) -> &'static str {
        match self {
            Kind::Trap => "PLUGIN-TRAP",
            Kind::Fuel => "PLUGIN-FUEL",
            Kind::Deadline => "PLUGIN-DEADLINE",
            Kind::Memory => "PLUGIN-MEMORY",
            Kind::Failure => "PLUGIN-FAILURE",
            Kind::Protocol => "PLUGIN-PROTOCOL",
        }
    }

    fn said(self) -> (&'static str, &'static str) {
        match self {
            Kind::Trap => (
                "plugin dừng đột ngột khi xử lý hồ sơ này",
                "the plugin crashed on this record",
            ),
            Kind::Fuel => (
                "plugin dùng quá số bước tính cho phép đối với một hồ sơ",
                "the plugin used more computing steps than one record may take",
            ),
            Kind::Deadline => (
                "plugin chạy quá thời hạn cho một hồ sơ",
                "the plugin ran longer than one record may take",
            ),
            Kind::Memory => (
                "plugin đòi nhiều bộ nhớ hơn mức cho phép",
                "the plugin asked for more memory than it may have",
            ),
            Kind::Failure => (
                "plugin báo không xử lý được hồ sơ này",
                "the plugin reported that it cannot map this record",
            ),
            Kind::Protocol => ("plugin trả lời sai giao ước", "the plugin's answer breaks the contract"),
        }
    }
}
