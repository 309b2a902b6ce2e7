//! The names of things: one type each, so that an export is never taken for a record.
//!
//! Ids are digests of content: the same export gives the same ids, run after run. None holds patient data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}")]
pub struct NotAnId {
    what: &'static str,
    text: String,
}

macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The id with exactly these bytes.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The bytes, for keys in the index.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// The first ten hex digits: what people see and type.
            pub fn short(&self) -> String {
                self.to_string()[..10].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                hex(text).map(Self).ok_or_else(|| NotAnId { what: $what, text: text.to_owned() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                // Text where people may read it; the index keeps bytes.
                if to.is_human_readable() {
                    to.collect_str(self)
                } else {
                    self.0.serialize(to)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if from.is_human_readable() {
                    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
                } else {
                    Deserialize::deserialize(from).map(Self)
                }
            }
        }
    };
}

digest_id! {
    /// An export file: the SHA-256 of its bytes as received.
    ExportId, 32, "an export id (64 hex digits)"
}

digest_id! {
    /// One version of one visit: the start of the SHA-256 of its sealed form.
    RecordId, 16, "a record id (32 hex digits)"
}

impl RecordId {
    /// The id of a record whose sealed form is `body`.
    pub fn of(body: &[u8]) -> Self {
        let digest = Sha256::digest(body);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

/// An endpoint, by the name it has in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndpointId(String);

impl EndpointId {
    /// The endpoint called `name` in the configuration.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One record version to one endpoint. Written `<record>@<endpoint>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeliveryId {
    /// What is delivered.
    pub record: RecordId,
    /// Where to.
    pub endpoint: EndpointId,
}

impl DeliveryId {
    /// The key that every attempt of this delivery carries, so that a receiver can tell a repeat from a new one.
    pub fn idempotency_key(&self) -> uuid::Uuid {
        uuid::Uuid::new_v5(
            &uuid::Uuid::NAMESPACE_OID,
            format!("vhr-agent delivery {self}").as_bytes(),
        )
    }

    /// The form people see: ten digits of the record, and the endpoint.
    pub fn short(&self) -> String {
        format!("{}@{}", self.record.short(), self.endpoint)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.record, self.endpoint)
    }
}

/// Exactly the plugin that mapped a record: its name, its version, and the digest of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PluginRef {
    /// `vn.<vendor>.<product>`, from the manifest.
    pub id: String,
    /// Semantic version, from the manifest.
    pub version: String,
    /// SHA-256 of the component, in hex.
    pub sha256: String,
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = (pair[0] as char).to_digit(16)?;
        let low = (pair[1] as char).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_wrote() {
        let id = RecordId::of(b"a visit");
        assert_eq!(id.to_string().parse::<RecordId>().unwrap(), id);
        assert_eq!(
            serde_json::from_str::<RecordId>(&serde_json::to_string(&id).unwrap()).unwrap(),
            id
        );
    }

    #[test]
    fn a_text_that_is_no_id_is_refused() {
        for text in ["", "zz", "00", &"g".repeat(32), &"é".repeat(16)] {
            assert!(text.parse::<RecordId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_attempt_of_a_delivery_carries_the_same_idempotency_key() {
        let delivery = |endpoint| DeliveryId {
            record: RecordId::of(b"a visit"),
            endpoint: EndpointId::new(endpoint),
        };
        assert_eq!(delivery("vhr").idempotency_key(), delivery("vhr").idempotency_key());
        assert_ne!(
            delivery("vhr").idempotency_key(),
            delivery("insurance").idempotency_key()
        );
    }
}
