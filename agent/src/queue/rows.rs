//! A delivery's state without words: what the queue decides by, short enough for memory and index. Words and receipts are in
//! the journal.

use serde::{Deserialize, Serialize};
use vhr_core::delivery::{Reason, ReasonKind, Receipt, Standing, State};
use vhr_core::id::RecordId;
use vhr_core::retry::{Failure, FailureKind};
use vhr_core::time::Timestamp;

/// A [`State`] without words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

impl Short {
    /// See [`State::is_final`].
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Delivered { .. } | Self::Superseded { .. } => true,
            Self::Parked { kind, .. } => !kind.needs_a_person(),
            Self::Waiting { .. } | Self::Sending { .. } => false,
        }
    }

    /// See [`State::stays_when_made_anew`].
    pub(super) fn stays_when_made_anew(&self) -> bool {
        match self {
            Self::Parked { kind, .. } => kind.stays_when_made_anew(),
            _ => true,
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
                code: None,
            }),
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
            State::park(ReasonKind::Dropped, words.clone(), at),
        ];
        for state in states {
            let short = Short::from(&state);
            assert_eq!(short.is_final(), state.is_final());
            let bytes = postcard::to_allocvec(&short).unwrap();
            assert!(bytes.len() < 32, "{} bytes", bytes.len());
            let back = State::from(postcard::from_bytes::<Short>(&bytes).unwrap());
            assert_eq!(Short::from(&back), short);
            assert_eq!(back.name(), state.name());
            assert!(!format!("{back:?}").contains(&words));
        }
    }
}
