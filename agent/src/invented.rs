//! What tests begin with: each changes what it is about.

use std::collections::BTreeMap;

use vhr_core::id::{ExportId, PluginRef};
use vhr_core::record::{ClaimForm, Head, VisitKey};

/// The head of an unsigned record without remarks.
pub(crate) fn head() -> Head {
    Head {
        export: ExportId::from_bytes([7; 32]),
        seq: 1,
        locator: "HOSO[1] line 1".into(),
        key: VisitKey {
            facility: "79999".into(),
            visit: "LK1".into(),
        },
        ended: None,
        classes: vec![],
        content: "ab".into(),
        written: None,
        plugin: PluginRef {
            id: "vn.qd3176".into(),
            version: "0.1.0".into(),
            sha256: "cd".into(),
        },
        signed: false,
        signature: None,
        claim: ClaimForm::AsReceived,
        issues: vec![],
        held: None,
        no_bundle: BTreeMap::new(),
        department: None,
    }
}
