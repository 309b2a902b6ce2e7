//! What the command line asks the service, and what it answers: one line of JSON each way.

use serde::{Deserialize, Serialize};

use crate::delivery::State;
use crate::diff::Difference;
use crate::id::{DeliveryId, ExportId};
use crate::say::Said;
use crate::status::Status;

/// A question or a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// How are things?
    Status,
    /// Deliveries, newest last; and what was set aside or refused.
    List {
        /// Only those in this state (`waiting`, `parked`, …, or `set-aside`); none: all that is not finished.
        state: Option<String>,
        /// Only those to this endpoint.
        endpoint: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// All about one record: an id, or the beginning of one, with or without `@endpoint`.
    Show {
        /// As typed.
        id: String,
    },
    /// Try these again, from now on.
    Retry {
        /// As typed.
        ids: Vec<String>,
    },
    /// Give these up.
    Drop {
        /// As typed.
        ids: Vec<String>,
        /// Why.
        reason: String,
    },
    /// A person looked these up at the receiver: what was in doubt is so no longer.
    Resolve {
        /// As typed.
        id: String,
        /// The receiver's reference where it is there; none: it is not there.
        sent: Option<String>,
    },
    /// Send once more what was delivered.
    Resend {
        /// `MA_LK`, `facility/MA_LK`, or an id as elsewhere.
        key: String,
        /// Only to this endpoint.
        endpoint: Option<String>,
        /// Why.
        reason: String,
        /// The person knows that a gateway may count it twice.
        sure: bool,
    },
    /// What has not arrived, in the order of acceptance, and where its bytes lie.
    Undelivered {
        /// Only those in this state (`waiting`, `sending`, `parked`).
        state: Option<String>,
        /// Only those to this endpoint.
        endpoint: Option<String>,
        /// Only those behind this place.
        after: Option<u64>,
        /// At most so many, and a few more of the last record.
        limit: usize,
    },
    /// Does all that is kept say the same? Takes as long as reading it.
    Verify,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status {
        /// The snapshot.
        status: Box<Status>,
    },
    /// To [`Request::List`] and [`Request::Show`].
    Items {
        /// What was found.
        items: Vec<Item>,
        /// There were more than the limit.
        more: bool,
    },
    /// To [`Request::Retry`], [`Request::Drop`], [`Request::Resolve`] and [`Request::Resend`]: one line for each delivery.
    Done {
        /// What became of each.
        results: Vec<Done>,
    },
    /// To [`Request::Resend`]: not before the person says that it may be counted twice.
    Unsure {
        /// What has to be known first.
        warning: String,
    },
    /// To [`Request::Undelivered`].
    Undelivered {
        /// One each.
        deliveries: Vec<Undelivered>,
        /// There are more behind the last.
        more: bool,
    },
    /// To [`Request::Verify`].
    Verified {
        /// What was looked at, and what was found.
        verified: Verified,
    },
    /// It could not be answered.
    Failed {
        /// Why.
        why: String,
    },
}

/// A delivery, or something set aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// `<record>@<endpoint>`, or `<export>#<place>` for what was set aside.
    pub id: String,
    /// Which file it came from, by the name the HIS gave it. For the person at this machine only.
    pub file: String,
    /// Where in it.
    pub locator: String,
    /// Facility and `MA_LK`, where known. For the person at this machine only.
    pub key: String,
    /// When its export was accepted, RFC 3339.
    pub accepted_at: String,
    /// Where it stands: a delivery's state, `set-aside` or `refused`.
    pub state: String,
    /// The state with all that belongs to it (deliveries only).
    pub detail: Option<State>,
    /// Why, and what to do, for people.
    pub text: String,
    /// The steps it took, as far as they are known (deliveries only, when one is shown).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Past>,
    /// What its record says otherwise than the version of the visit before it (deliveries only, when one is shown). The
    /// command line adds it: values do not go through the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

/// The version of a visit that went to the endpoint before this one, and what this one says otherwise. For the person at
/// this machine only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Its record.
    pub record: String,
    /// When its export was accepted, RFC 3339.
    pub accepted_at: String,
    /// By table and row.
    pub differences: Vec<Difference>,
    /// So many more there are.
    pub more: usize,
    /// Why they are not told, or what is to be said of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Said>,
}

/// A step that a delivery took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// When, RFC 3339.
    pub at: String,
    /// Where it stood then.
    pub state: State,
    /// Why a person asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A delivery that has not arrived, and where its bytes lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// Which.
    pub id: DeliveryId,
    /// Its place in the order of acceptance: of its record, so that deliveries of one have the same.
    pub order: u64,
    /// When its export was accepted, RFC 3339.
    pub accepted_at: String,
    /// Where it stands.
    pub state: String,
    /// Why, and what to do, for people.
    pub text: String,
    /// In which batch.
    pub export: ExportId,
    /// Where in it its frame begins.
    pub offset: u64,
    /// How long that is.
    pub length: u32,
}

/// What a look at all that is kept came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Entries of the journal that read.
    pub entries: u64,
    /// Exports that were accepted.
    pub exports: u64,
    /// Records whose frames read.
    pub records: u64,
    /// Deliveries that journal and queue know.
    pub deliveries: u64,
    /// Files in quarantine.
    pub quarantined: u64,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Whether nothing was found that somebody has to see to.
    pub fn is_well(&self) -> bool {
        self.findings.iter().all(|finding| finding.mended)
    }
}

/// One thing that is not as it should be. No patient data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// For programs: `journal`, `copy`, `batch`, `record`, `unknown`, `state`, `quarantine`, …
    pub code: String,
    /// Where: a file, an id, a place in the journal.
    pub place: String,
    /// What, and what to do.
    pub said: Said,
    /// It was made good already; nobody has to do anything.
    pub mended: bool,
}

/// What became of one id in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The id, in full where it was found.
    pub id: String,
    /// Where it stands now, if the step was taken.
    pub state: Option<String>,
    /// Why not, otherwise.
    pub why: Option<String>,
}
