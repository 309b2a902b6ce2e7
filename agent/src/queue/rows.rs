//! How the index writes its many small values: short, for sled keeps what was read of them in memory.
//!
//! Only what the queue decides by is kept; words and receipts are in the journal.

use serde::{Deserialize, Serialize};
use vhr_core::delivery::{Reason, ReasonKind, Receipt, Standing, State};
use vhr_core::id::{ExportId, RecordId};
use vhr_core::retry::{Failure, FailureKind};
use vhr_core::time::Timestamp;

use super::index::{DeliveryRow, Latest, RecordPlace};
use crate::journal::Position;
use crate::spool::RecordRow;

/// A [`DeliveryRow`] as it is written.
#[derive(Serialize, Deserialize)]
pub(super) struct Delivery {
    state: Short,
    order: u64,
    accepted_at: i64,
    visit: [u8; 16],
    position: Position,
}

/// A [`State`] without words.
#[derive(Serialize, Deserialize)]
enum Short {
    Waiting {
        attempt: u32,
        not_before: i64,
        last: Option<(FailureKind, i64)>,
    },
    Sending {
        attempt: u32,
        since: i64,
    },
    Delivered {
        at: i64,
        standing: Standing,
    },
    Superseded {
        by: [u8; 16],
    },
    Parked {
        kind: ReasonKind,
        at: i64,
    },
}

impl From<&DeliveryRow> for Delivery {
    fn from(row: &DeliveryRow) -> Self {
        Self {
            state: Short::from(&row.state),
            order: row.order,
            accepted_at: row.accepted_at.millis(),
            visit: row.visit,
            position: row.position,
        }
    }
}

impl From<Delivery> for DeliveryRow {
    fn from(row: Delivery) -> Self {
        Self {
            state: row.state.into(),
            order: row.order,
            accepted_at: Timestamp::from_millis(row.accepted_at),
            visit: row.visit,
            position: row.position,
        }
    }
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
                not_before: not_before.millis(),
                last: last.as_ref().map(|failure| (failure.kind, failure.at.millis())),
            },
            State::Sending { attempt, since } => Self::Sending {
                attempt: *attempt,
                since: since.millis(),
            },
            State::Delivered(receipt) => Self::Delivered {
                at: receipt.at.millis(),
                standing: receipt.standing,
            },
            State::Superseded { by } => Self::Superseded { by: *by.as_bytes() },
            State::Parked(reason) => Self::Parked {
                kind: reason.kind,
                at: reason.at.millis(),
            },
        }
    }
}

impl From<Short> for State {
    fn from(state: Short) -> Self {
        let time = Timestamp::from_millis;
        match state {
            Short::Waiting {
                attempt,
                not_before,
                last,
            } => Self::Waiting {
                attempt,
                not_before: time(not_before),
                last: last.map(|(kind, at)| Failure {
                    kind,
                    at: time(at),
                    text: String::new(),
                }),
            },
            Short::Sending { attempt, since } => Self::Sending {
                attempt,
                since: time(since),
            },
            Short::Delivered { at, standing } => Self::Delivered(Receipt {
                at: time(at),
                standing,
                reference: None,
                sent_sha256: String::new(),
                answer_sha256: String::new(),
                note: None,
            }),
            Short::Superseded { by } => Self::Superseded {
                by: RecordId::from_bytes(by),
            },
            Short::Parked { kind, at } => Self::Parked(Reason {
                kind,
                at: time(at),
                text: String::new(),
            }),
        }
    }
}

/// A [`RecordPlace`] as it is written.
#[derive(Serialize, Deserialize)]
pub(super) struct Place {
    export: [u8; 32],
    record: [u8; 16],
    seq: u32,
    offset: u64,
    length: u32,
    visit: [u8; 16],
    content: [u8; 16],
    signed: bool,
    shares: Vec<u64>,
}

impl From<&RecordPlace> for Place {
    fn from(place: &RecordPlace) -> Self {
        let row = &place.row;
        Self {
            export: *place.export.as_bytes(),
            record: *row.record.as_bytes(),
            seq: row.seq,
            offset: row.offset,
            length: row.length,
            visit: row.visit,
            content: row.content,
            signed: row.signed,
            shares: row.shares.clone(),
        }
    }
}

impl From<Place> for RecordPlace {
    fn from(place: Place) -> Self {
        Self {
            export: ExportId::from_bytes(place.export),
            row: RecordRow {
                record: RecordId::from_bytes(place.record),
                seq: place.seq,
                offset: place.offset,
                length: place.length,
                visit: place.visit,
                content: place.content,
                signed: place.signed,
                shares: place.shares,
            },
        }
    }
}

/// A [`Latest`] as it is written: record, content, signed.
pub(super) type Newest = ([u8; 16], [u8; 16], bool);

impl From<&Latest> for Newest {
    fn from(latest: &Latest) -> Self {
        (*latest.record.as_bytes(), latest.content, latest.signed)
    }
}

impl From<Newest> for Latest {
    fn from((record, content, signed): Newest) -> Self {
        Self {
            record: RecordId::from_bytes(record),
            content,
            signed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let bytes = postcard::to_allocvec(&Delivery::from(&row)).unwrap();
            assert!(bytes.len() < 64, "{} bytes", bytes.len());
            let back = DeliveryRow::from(postcard::from_bytes::<Delivery>(&bytes).unwrap());
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
                visit: [6; 16],
                content: [7; 16],
                signed: true,
                shares: vec![u64::MAX, 1],
            },
        };
        let bytes = postcard::to_allocvec(&Place::from(&place)).unwrap();
        assert_eq!(RecordPlace::from(postcard::from_bytes::<Place>(&bytes).unwrap()), place);
        let latest = Latest {
            record: RecordId::from_bytes([8; 16]),
            content: [9; 16],
            signed: true,
        };
        let bytes = postcard::to_allocvec(&Newest::from(&latest)).unwrap();
        assert_eq!(Latest::from(postcard::from_bytes::<Newest>(&bytes).unwrap()), latest);
    }
}
