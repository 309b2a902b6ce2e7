//! The number by which a receiver refuses: it may be counted and shown to anybody, for nothing personal fits into it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// By whose numbers, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Code {
    /// `maKetQua` of the insurance gateway.
    MaKetQua(u16),
    /// The status of an HTTP answer, or of an entry of a FHIR transaction's.
    Http(u16),
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaKetQua(code) => write!(f, "maKetQua {code}"),
            Self::Http(status) => write!(f, "HTTP {status}"),
        }
    }
}
