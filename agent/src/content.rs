//! What of a record goes to an endpoint: for people who look at it, not for sending.

use vhr_core::config::{self, Kind};
use vhr_core::id::ExportId;
use vhr_core::record::{ClaimForm, Record};

use crate::spool::{self, Spool};

/// The bytes that would be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A transaction Bundle, canonical JSON.
    Bundle(String),
    /// A claim file, and what was done to it where it is not the export itself.
    Claim(Vec<u8>, Option<String>),
    /// The record holds nothing for that endpoint.
    Nothing,
}

impl Content {
    /// Of a record that was read, for an endpoint.
    ///
    /// # Errors
    /// When the copy of its export, which it needs, does not read.
    pub fn of(
        spool: &Spool,
        export: ExportId,
        mut record: Record,
        endpoint: &config::Endpoint,
    ) -> Result<Self, spool::Error> {
        Ok(match (&endpoint.kind, record.head.claim) {
            (Kind::Fhir { profile, .. }, _) => record.bundles.remove(profile).map_or(Self::Nothing, Self::Bundle),
            (Kind::Bhxh { .. }, ClaimForm::AsReceived) => Self::Claim(spool.export_bytes(export)?, None),
            (Kind::Bhxh { .. }, ClaimForm::Envelope { why }) => record
                .envelope
                .map_or(Self::Nothing, |envelope| Self::Claim(envelope, Some(why))),
            (Kind::Bhxh { .. }, ClaimForm::CheckIn { why: None }) => Self::Claim(spool.export_bytes(export)?, None),
            (Kind::Bhxh { .. }, ClaimForm::CheckIn { why }) => record
                .envelope
                .map_or(Self::Nothing, |document| Self::Claim(document, why)),
            (Kind::Bhxh { .. }, ClaimForm::SignedSeveral | ClaimForm::None) => Self::Nothing,
        })
    }

    /// As bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bundle(text) => Some(text.as_bytes()),
            Self::Claim(bytes, _) => Some(bytes),
            Self::Nothing => None,
        }
    }
}
