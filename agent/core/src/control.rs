//! What the command line asks the service, and what it answers: one line of JSON each way.

use serde::{Deserialize, Serialize};

use crate::delivery::State;
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
    /// To [`Request::Retry`] and [`Request::Drop`]: one line for each id.
    Done {
        /// What became of each.
        results: Vec<Done>,
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
