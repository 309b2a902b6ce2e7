//! A delivery, its states, and every legal step between them.
//!
//! What stays true: a delivery ends Delivered with a receipt, Superseded, or Parked with a reason; nothing disappears.
//! Steps take the state they start from and give the next one, or say that they do not apply.

use serde::{Deserialize, Serialize};

use crate::answer::Code;
use crate::id::RecordId;
use crate::retry::{Failure, Outcome, RetryPolicy};
use crate::time::Timestamp;

/// Where a delivery stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Not sent yet, or to be sent again.
    Waiting {
        /// How many attempts were made so far.
        attempt: u32,
        /// Not sent before this time: the window, or the end of a back-off.
        not_before: Timestamp,
        /// Why the last attempt did not do it.
        last: Option<Failure>,
    },
    /// On its way. Found so at start-up, it means that we stopped mid-flight.
    Sending {
        /// Number of this attempt, from 1.
        attempt: u32,
        /// When it began.
        since: Timestamp,
    },
    /// Arrived, with proof.
    Delivered(Receipt),
    /// A newer version of the same visit took its place before it left.
    Superseded {
        /// The newer version.
        by: RecordId,
    },
    /// A person decides: retry or drop.
    Parked(Reason),
}

/// What the endpoint said it did with what it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Checked and stored.
    Accepted,
    /// Taken in; its checks run later and are not told here (the insurance gateway).
    Received,
    /// No answer was seen: a person looked it up at the receiver and found it there.
    Told,
}

/// Proof of delivery. Written once, in the journal, and never edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When the answer was read.
    pub at: Timestamp,
    /// Accepted, or only received.
    pub standing: Standing,
    /// The endpoint's own reference: `maGiaoDich`, or the FHIR location of the Encounter; as a person gave it for
    /// [`Standing::Told`].
    pub reference: Option<String>,
    /// SHA-256 of the bytes sent (for the gateway: of the file, before base64), hex.
    pub sent_sha256: String,
    /// SHA-256 of the answer's body, hex; empty where no answer was seen.
    pub answer_sha256: String,
    /// What was done to the export's bytes before sending, when they did not leave as received.
    pub note: Option<String>,
}

/// Why a delivery waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The kind of trouble.
    pub kind: ReasonKind,
    /// Since when.
    pub at: Timestamp,
    /// The endpoint's words, or ours, for the person who decides.
    pub text: String,
    /// The number by which the endpoint refused it; none where it gave none, or an older version wrote this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// The kinds of trouble that only a person can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonKind {
    /// The endpoint refused it and would refuse it again.
    Refused,
    /// Sent, no answer seen; sending again might make two of it.
    InDoubt,
    /// Came signed in a file of several visits; splitting would break the signature.
    SignedSeveral,
    /// Fails again and again while others go through.
    KeepsFailing,
    /// The file is larger than can be sent.
    TooLarge,
    /// Its sealed bytes cannot be read any more.
    Damaged,
    /// A person dropped it, for the reason in the text.
    Dropped,
    /// The rules before sending say that the gateway would refuse it, or that its data is wrong.
    Rules,
    /// Only what is signed goes there, and its file is not, or its signature does not hold.
    Unsigned,
    /// What the plugin made of it is no FHIR, so there is no Bundle to send.
    NoBundle,
    /// The claim of another visit says the same, and went there or will: the gateway would refuse it (its code 61).
    Twice,
}

impl ReasonKind {
    /// Whether somebody still has to look at it.
    pub fn needs_a_person(self) -> bool {
        self != Self::Dropped
    }

    /// Whether it stays where the record is made anew and comes out otherwise. Only what could not be read is well then; all else
    /// is for the person whom it waits for.
    pub fn stays_when_made_anew(self) -> bool {
        self != Self::Damaged
    }
}

/// What to do when a request was sent and no answer was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InDoubt {
    /// Send again with the same key: harmless where requests are conditional.
    Resend,
    /// Park it and ask a person.
    Ask,
}

/// The step asked for does not lead on from this state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a delivery that is {state} cannot {step}")]
pub struct IllegalStep {
    /// The state's name.
    pub state: &'static str,
    /// What was asked.
    pub step: &'static str,
}

impl State {
    /// A delivery that was just accepted.
    pub fn new(not_before: Timestamp) -> Self {
        Self::Waiting {
            attempt: 0,
            not_before,
            last: None,
        }
    }

    /// The state's name, as shown and as written in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Sending { .. } => "sending",
            Self::Delivered(_) => "delivered",
            Self::Superseded { .. } => "superseded",
            Self::Parked(_) => "parked",
        }
    }

    /// Whether it has come to its end without anybody's further doing.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Delivered(_)
                | Self::Superseded { .. }
                | Self::Parked(Reason {
                    kind: ReasonKind::Dropped,
                    ..
                })
        )
    }

    /// Whether it stays where its record is made anew and comes out otherwise. What waits keeps its time, and what was on its way at a
    /// stop may have arrived, and is still to be dealt with as such.
    pub fn stays_when_made_anew(&self) -> bool {
        match self {
            Self::Parked(reason) => reason.kind.stays_when_made_anew(),
            _ => true,
        }
    }

    /// An attempt begins.
    pub fn start(&self, now: Timestamp) -> Result<Self, IllegalStep> {
        match self {
            Self::Waiting { attempt, .. } => Ok(Self::Sending {
                attempt: attempt.saturating_add(1),
                since: now,
            }),
            other => Err(other.illegal("be sent")),
        }
    }

    /// What becomes of a delivery once we know how the attempt went. Same input, same answer.
    ///
    /// `others_pass`: the endpoint took another delivery since this attempt began, so the trouble is not the endpoint's.
    pub fn after_attempt(
        &self,
        outcome: Outcome,
        in_doubt: InDoubt,
        policy: &RetryPolicy,
        others_pass: bool,
        now: Timestamp,
    ) -> Result<Self, IllegalStep> {
        let Self::Sending { attempt, .. } = *self else {
            return Err(self.illegal("end an attempt"));
        };
        Ok(match outcome {
            Outcome::Accepted(receipt) => Self::Delivered(receipt),
            Outcome::Refused(code, text) => Self::refused(ReasonKind::Refused, code, text, now),
            Outcome::TooLarge(code, text) => Self::refused(ReasonKind::TooLarge, code, text, now),
            Outcome::Withheld(kind, text) => Self::park(kind, text, now),
            Outcome::TryAgain { after, failure } => {
                if others_pass && attempt >= policy.give_up_after {
                    Self::park(ReasonKind::KeepsFailing, failure.text, now)
                } else {
                    Self::Waiting {
                        attempt,
                        not_before: policy.next(attempt, after, now),
                        last: Some(failure),
                    }
                }
            }
            Outcome::Unclear(failure) => match in_doubt {
                InDoubt::Resend if others_pass && attempt >= policy.give_up_after => {
                    Self::park(ReasonKind::KeepsFailing, failure.text, now)
                }
                InDoubt::Resend => Self::Waiting {
                    attempt,
                    not_before: policy.next(attempt, None, now),
                    last: Some(failure),
                },
                InDoubt::Ask => Self::park(ReasonKind::InDoubt, failure.text, now),
            },
        })
    }

    /// A newer version of the visit arrived before this one left.
    pub fn supersede(&self, by: RecordId) -> Result<Self, IllegalStep> {
        match self {
            Self::Waiting { .. } | Self::Parked(_) => Ok(Self::Superseded { by }),
            other => Err(other.illegal("be superseded")),
        }
    }

    /// A person asks for another try, from now on, with all attempts ahead of it.
    pub fn retry(&self, now: Timestamp) -> Result<Self, IllegalStep> {
        match self {
            Self::Waiting { last, .. } => Ok(Self::Waiting {
                attempt: 0,
                not_before: now,
                last: last.clone(),
            }),
            Self::Parked(_) => Ok(Self::Waiting {
                attempt: 0,
                not_before: now,
                last: None,
            }),
            other => Err(other.illegal("be retried")),
        }
    }

    /// A person looked it up at the receiver and found it there.
    pub fn found(&self, receipt: Receipt) -> Result<Self, IllegalStep> {
        self.may_have_arrived("be called delivered")?;
        Ok(Self::Delivered(receipt))
    }

    /// A person looked it up at the receiver and it is not there: it is sent as if for the first time.
    pub fn not_found(&self, now: Timestamp) -> Result<Self, IllegalStep> {
        self.may_have_arrived("be called not delivered")?;
        Ok(Self::new(now))
    }

    /// A person has what was delivered sent once more: the receiver lost it, or asks for it.
    pub fn resend(&self, now: Timestamp) -> Result<Self, IllegalStep> {
        match self {
            Self::Delivered(_) => Ok(Self::new(now)),
            other => Err(other.illegal("be sent once more")),
        }
    }

    /// What keeps failing may have been answered with silence too.
    fn may_have_arrived(&self, step: &'static str) -> Result<(), IllegalStep> {
        match self {
            Self::Parked(Reason {
                kind: ReasonKind::InDoubt | ReasonKind::KeepsFailing,
                ..
            }) => Ok(()),
            other => Err(other.illegal(step)),
        }
    }

    /// A person gives it up, and says why.
    pub fn drop_for(&self, why: String, now: Timestamp) -> Result<Self, IllegalStep> {
        match self {
            Self::Waiting { .. } | Self::Parked(_) => Ok(Self::park(ReasonKind::Dropped, why, now)),
            other => Err(other.illegal("be dropped")),
        }
    }

    /// The parked state for this reason.
    pub fn park(kind: ReasonKind, text: String, now: Timestamp) -> Self {
        Self::refused(kind, None, text, now)
    }

    /// The same for what an endpoint refused by a number.
    fn refused(kind: ReasonKind, code: Option<Code>, text: String, now: Timestamp) -> Self {
        Self::Parked(Reason {
            kind,
            at: now,
            text,
            code,
        })
    }

    fn illegal(&self, step: &'static str) -> IllegalStep {
        IllegalStep {
            state: self.name(),
            step,
        }
    }
}

#[cfg(test)]
mod tests;
