//! How the index writes a delivery's state: short, for sled keeps what was read of its values in memory.
//!
//! Only what the queue decides by is kept; words and receipts are in the journal.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vhr_core::delivery::{Reason, ReasonKind, Receipt, Standing, State};
use vhr_core::id::RecordId;
use vhr_core::retry::{Failure, FailureKind};
use vhr_core::time::Timestamp;

/// A [`State`] without words.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Short {
    Waiting {
        attempt: u32,
        not_before: Timestamp,
        last: Option<(FailureKind, Timestamp)>,
    },
    Sending {
        attempt: u32,
        since: Timestamp,
    },
    Delivered {
        at: Timestamp,
        standing: Standing,
    },
    Superseded {
        by: RecordId,
    },
    Parked {
        kind: ReasonKind,
        at: Timestamp,
    },
}

/// For `#[serde(with)]`.
pub(super) fn serialize<S: Serializer>(state: &State, to: S) -> Result<S::Ok, S::Error> {
    Short::from(state).serialize(to)
}

/// For `#[serde(with)]`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<State, D::Error> {
    Short::deserialize(from).map(State::from)
}

impl From<&State> for Short {
    fn from(state: &State) -> Self {
        match state {
            State::Waiting {
                attempt,
                not_before,
                last,
            } => Self::Waiting {
                attempt: *attempt,
                not_before: *not_before,
                last: last.as_ref().map(|failure| (failure.kind, failure.at)),
            },
            State::Sending { attempt, since } => Self::Sending {
                attempt: *attempt,
                since: *since,
            },
            State::Delivered(receipt) => Self::Delivered {
                at: receipt.at,
                standing: receipt.standing,
            },
            State::Superseded { by } => Self::Superseded { by: *by },
            State::Parked(reason) => Self::Parked {
                kind: reason.kind,
                at: reason.at,
            },
        }
    }
}

impl From<Short> for State {
    fn from(state: Short) -> Self {
        match state {
            Short::Waiting {
                attempt,
                not_before,
                last,
            } => Self::Waiting {
                attempt,
                not_before,
                last: last.map(|(kind, at)| Failure {
                    kind,
                    at,
                    text: String::new(),
                }),
            },
            Short::Sending { attempt, since } => Self::Sending { attempt, since },
            Short::Delivered { at, standing } => Self::Delivered(Receipt {
                at,
                standing,
                reference: None,
                sent_sha256: String::new(),
                answer_sha256: String::new(),
                note: None,
            }),
            Short::Superseded { by } => Self::Superseded { by },
            Short::Parked { kind, at } => Self::Parked(Reason {
                kind,
                at,
                text: String::new(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use vhr_core::id::ExportId;

    use super::super::index::{DeliveryRow, Latest, RecordPlace};
    use super::*;
    use crate::journal::Position;
    use crate::spool::RecordRow;

    #[test]
    fn every_state_comes_back_without_its_words() {
        let at = Timestamp::from_millis(1_767_600_000_000);
        let words = "Nguyễn Văn Bịa".to_owned();
        let failure = Failure {
            kind: FailureKind::Busy,
            at,
            text: words.clone(),
        };
        let receipt = Receipt {
            at,
            standing: Standing::Received,
            reference: Some(words.clone()),
            sent_sha256: words.clone(),
            answer_sha256: words.clone(),
            note: Some(words.clone()),
        };
        let states = [
            State::new(at),
            State::Waiting {
                attempt: 3,
                not_before: at,
                last: Some(failure),
            },
            State::Sending { attempt: 1, since: at },
            State::Delivered(receipt),
            State::Superseded {
                by: RecordId::from_bytes([9; 16]),
            },
            State::park(ReasonKind::TooLarge, words.clone(), at),
        ];
        for state in states {
            let row = DeliveryRow {
                state,
                order: 7,
                accepted_at: at,
                visit: [5; 16],
                position: Position { segment: 1, offset: 2 },
            };
            let bytes = postcard::to_allocvec(&row).unwrap();
            assert!(bytes.len() < 64, "{} bytes", bytes.len());
            let back: DeliveryRow = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(Short::from(&back.state), Short::from(&row.state));
            assert_eq!(back.state.name(), row.state.name());
            assert_eq!((back.order, back.accepted_at, back.visit), (7, at, [5; 16]));
            assert!(!format!("{back:?}").contains(&words));
        }
    }

    #[test]
    fn places_and_newest_versions_come_back_whole() {
        let place = RecordPlace {
            export: ExportId::from_bytes([1; 32]),
            row: RecordRow {
                record: RecordId::from_bytes([2; 16]),
                seq: 3,
                offset: 4,
                length: 5,
                size: 6,
                visit: [6; 16],
                content: [7; 16],
                signed: true,
                shares: vec![u64::MAX, 1],
            },
        };
        let bytes = postcard::to_allocvec(&place).unwrap();
        assert!(bytes.len() < 160, "{} bytes", bytes.len());
        assert_eq!(postcard::from_bytes::<RecordPlace>(&bytes).unwrap(), place);
        let latest = Latest {
            record: RecordId::from_bytes([8; 16]),
            content: [9; 16],
            signed: true,
        };
        let bytes = postcard::to_allocvec(&latest).unwrap();
        assert_eq!(postcard::from_bytes::<Latest>(&bytes).unwrap(), latest);
    }
}
