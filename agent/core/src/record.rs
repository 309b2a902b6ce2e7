//! One visit as mapped, and how it is sealed: the bytes that every attempt will send, fixed once and for all.
//!
//! A sealed record is a sequence of parts: a JSON head, then the FHIR Bundle of each profile and, where the export's own
//! bytes cannot be sent, the claim file. The [`RecordId`] is a digest of these bytes, so the same export mapped by the
//! same plugin gives the same ids.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{ExportId, PluginRef, RecordId};
use crate::say::Said;

mod plain;
mod signed;

pub use signed::{Certificate, Signature};

/// Facility and `MA_LK`: what makes a visit one and the same over all its versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VisitKey {
    /// `MACSKCB`, 5 characters.
    pub facility: String,
    /// `MA_LK`.
    pub visit: String,
}

/// How the visit goes to a gateway that takes claim files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "kebab-case")]
pub enum ClaimForm {
    /// The export itself, byte for byte.
    AsReceived,
    /// A file of our making around this visit's own tables, for the reason given.
    Envelope {
        /// Shown in the receipt.
        why: String,
    },
    /// The export is signed and holds several visits: its bytes may not change, and the gateway takes one at a time.
    SignedSeveral,
    /// No claim: the record holds the check-in table (XML0) alone, which has a path of its own at the gateway.
    CheckIn {
        /// What was done where the document is not the export itself, byte for byte. Shown in the receipt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The plugin says that this visit is no claim.
    None,
}

/// A remark on a record, from the plugin or from our own checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// `error`, `warning` or `information`.
    pub severity: String,
    /// For programs, such as `QD3176-MISSING`.
    pub code: String,
    /// Where in the export: table, row and field.
    pub source: String,
    /// For people, Vietnamese first.
    pub message: String,
}

/// The head of a sealed record: all but the bulky parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The file it came from.
    pub export: ExportId,
    /// Its place in that file, from 1.
    pub seq: u32,
    /// The same for people: `HOSO[3] line 120`.
    pub locator: String,
    /// Whose visit at which facility.
    pub key: VisitKey,
    /// When the visit ended, as the plugin gives it (RFC 3339), if it did.
    pub ended: Option<String>,
    /// Classes of the record by which endpoints may exclude it (`hiv`, …).
    pub classes: Vec<String>,
    /// Digest of the visit's content, whatever file and wrapping it came in, hex.
    pub content: String,
    /// The same of the text as it was written, where it was spoiled and is read otherwise; hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
    /// The plugin that mapped it.
    pub plugin: PluginRef,
    /// Whether the file it came in was signed.
    pub signed: bool,
    /// How that signature stands, where there is one that was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// The form in which its claim is sent.
    pub claim: ClaimForm,
    /// Remarks.
    pub issues: Vec<Issue>,
    /// Why its claim is held back by the rules before sending, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Said>,
    /// Why no Bundle of a profile set could be made, by the set's name: what the plugin made is no FHIR. The claim goes all the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub no_bundle: BTreeMap<String, Said>,
    /// The code of the department that closed it, for counting; none where the file does not say, or nobody asked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
}

/// One visit as mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// All but the bulky parts.
    pub head: Head,
    /// The transaction Bundle for each profile set that an endpoint asks for, canonical JSON.
    pub bundles: BTreeMap<String, String>,
    /// The claim file, where the form is [`ClaimForm::Envelope`], or the document of a [`ClaimForm::CheckIn`] that is not the
    /// export itself.
    pub envelope: Option<Vec<u8>>,
}

/// A sealed record whose bytes do not read as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The parts do not add up.
    #[error("the parts of the sealed record do not add up at byte {0}")]
    Parts(usize),
    /// The head is not what it should be.
    #[error("the head of the sealed record does not read: {0}")]
    Head(String),
}

impl Record {
    /// The sealed form and its id.
    pub fn seal(&self) -> (RecordId, Vec<u8>) {
        let head = serde_json::to_vec(&self.head).expect("a head has no keys but strings");
        let size: usize = head.len() + self.bundles.values().map(String::len).sum::<usize>();
        let mut body = Vec::with_capacity(size + self.envelope.as_ref().map_or(0, Vec::len) + 256);
        put_part(&mut body, "head", &head);
        for (profile, bundle) in &self.bundles {
            put_part(&mut body, &format!("bundle:{profile}"), bundle.as_bytes());
        }
        if let Some(envelope) = &self.envelope {
            put_part(&mut body, "claim", &plain::pack(envelope));
        }
        (RecordId::of(&body), body)
    }

    /// The record sealed as `body`.
    ///
    /// # Errors
    /// When the bytes are not a sealed record.
    pub fn unseal(body: &[u8]) -> Result<Self, Unreadable> {
        let mut head = None;
        let mut bundles = BTreeMap::new();
        let mut envelope = None;
        let mut at = 0;
        while at < body.len() {
            let (name, part, next) = take_part(body, at).ok_or(Unreadable::Parts(at))?;
            match name.split_once(':') {
                None if name == "head" => {
                    head = Some(serde_json::from_slice(part).map_err(|e| Unreadable::Head(e.to_string()))?);
                }
                None if name == "claim" => envelope = Some(plain::unpack(part).ok_or(Unreadable::Parts(at))?),
                Some(("bundle", profile)) => {
                    let text = std::str::from_utf8(part).map_err(|_| Unreadable::Parts(at))?;
                    bundles.insert(profile.to_owned(), text.to_owned());
                }
                _ => return Err(Unreadable::Parts(at)),
            }
            at = next;
        }
        let head = head.ok_or_else(|| Unreadable::Head("there is none".into()))?;
        Ok(Self {
            head,
            bundles,
            envelope,
        })
    }
}

fn put_part(body: &mut Vec<u8>, name: &str, part: &[u8]) {
    for piece in [name.as_bytes(), part] {
        let length = u32::try_from(piece.len()).expect("a part is far below 4 GiB: records are limited when framed");
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(piece);
    }
}

fn take_part(body: &[u8], at: usize) -> Option<(&str, &[u8], usize)> {
    let (name, at) = take_piece(body, at)?;
    let (part, at) = take_piece(body, at)?;
    Some((std::str::from_utf8(name).ok()?, part, at))
}

fn take_piece(body: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let length = body.get(at..at.checked_add(4)?)?;
    let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
    let end = at.checked_add(4)?.checked_add(length)?;
    Some((body.get(at + 4..end)?, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> Record {
        Record {
            head: Head {
                export: ExportId::from_bytes([7; 32]),
                seq: 2,
                locator: "HOSO[2] line 40".into(),
                key: VisitKey {
                    facility: "79999".into(),
                    visit: "LK1".into(),
                },
                ended: None,
                classes: vec!["hiv".into()],
                content: "ab".into(),
                written: None,
                plugin: PluginRef {
                    id: "vn.qd3176".into(),
                    version: "0.1.0".into(),
                    sha256: "cd".into(),
                },
                signed: false,
                signature: None,
                claim: ClaimForm::Envelope { why: "split".into() },
                issues: vec![],
                held: None,
                no_bundle: BTreeMap::new(),
                department: Some("K01".into()),
            },
            bundles: BTreeMap::from([
                ("r4".into(), "{}".into()),
                ("moh-ehealth-1.0".into(), "{\"a\":1.50}".into()),
            ]),
            envelope: Some(b"<GIAMDINHHS/>".to_vec()),
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_sealed_and_has_the_same_id_each_time() {
        let (id, body) = record().seal();
        assert_eq!(Record::unseal(&body).unwrap(), record());
        assert_eq!(record().seal().0, id);
    }

    #[test]
    fn what_older_heads_have_not_is_not_written_where_there_is_nothing_to_tell() {
        let head = serde_json::to_value(record().head).unwrap();
        assert!(
            head.get("no_bundle").is_none() && head.get("written").is_none(),
            "{head}"
        );
        let mut without = record();
        without.head.no_bundle = [("r4".into(), crate::said!("sai", "wrong"))].into();
        assert_eq!(Record::unseal(&without.seal().1).unwrap(), without);
    }

    #[test]
    fn another_byte_is_another_record() {
        let mut other = record();
        other.bundles.insert("r4".into(), "{ }".into());
        assert_ne!(other.seal().0, record().seal().0);
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_record_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..400) {
            prop_assert!(Record::unseal(&bytes).is_err());
            let (_, body) = record().seal();
            if cut < body.len() {
                let read = Record::unseal(&body[..cut]);
                prop_assert!(read.is_err() || read.unwrap() != record());
            }
        }
    }
}
