//! A delivery, its states, and every legal step between them.
//!
//! What stays true: a delivery ends Delivered with a receipt, Superseded, or Parked with a reason; nothing disappears.
//! Steps take the state they start from and give the next one, or say that they do not apply.

use serde::{Deserialize, Serialize};

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
}

impl ReasonKind {
    /// Whether somebody still has to look at it.
    pub fn needs_a_person(self) -> bool {
        self != Self::Dropped
    }

    /// Whether the trouble is in the record itself, and comes again with it.
    pub fn is_of_the_record(self) -> bool {
        matches!(self, Self::Rules | Self::SignedSeveral)
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
            Outcome::Refused(text) => Self::park(ReasonKind::Refused, text, now),
            Outcome::TooLarge(text) => Self::park(ReasonKind::TooLarge, text, now),
            Outcome::Withheld(text) => Self::park(ReasonKind::Unsigned, text, now),
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
        Self::Parked(Reason { kind, at: now, text })
    }

    fn illegal(&self, step: &'static str) -> IllegalStep {
        IllegalStep {
            state: self.name(),
            step,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::retry::FailureKind;

    fn noon() -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000)
    }

    fn sending(attempt: u32) -> State {
        State::Sending { attempt, since: noon() }
    }

    fn failure() -> Failure {
        Failure {
            kind: FailureKind::NoConnection,
            at: noon(),
            text: "connection refused".into(),
        }
    }

    fn receipt() -> Receipt {
        Receipt {
            at: noon(),
            standing: Standing::Received,
            reference: Some("GD1".into()),
            sent_sha256: "aa".into(),
            answer_sha256: "bb".into(),
            note: None,
        }
    }

    fn after(state: &State, outcome: Outcome, in_doubt: InDoubt) -> State {
        state
            .after_attempt(outcome, in_doubt, &RetryPolicy::default(), false, noon())
            .unwrap()
    }

    #[test]
    fn a_refused_delivery_waits_for_a_person() {
        let state = after(
            &sending(1),
            Outcome::Refused("unknown site code".into()),
            InDoubt::Resend,
        );
        assert!(
            matches!(state, State::Parked(Reason { kind: ReasonKind::Refused, ref text, .. }) if text == "unknown site code")
        );
    }

    #[test]
    fn what_is_too_large_for_an_endpoint_is_not_tried_again() {
        let state = after(&sending(1), Outcome::TooLarge("HTTP 413".into()), InDoubt::Resend);
        let State::Parked(reason) = state else {
            panic!("{state:?}")
        };
        assert_eq!(reason.kind, ReasonKind::TooLarge);
    }

    #[test]
    fn doubt_is_resent_where_harmless_and_asked_where_not() {
        let again = after(&sending(1), Outcome::Unclear(failure()), InDoubt::Resend);
        assert!(matches!(again, State::Waiting { attempt: 1, .. }));
        let asked = after(&sending(1), Outcome::Unclear(failure()), InDoubt::Ask);
        assert!(matches!(
            asked,
            State::Parked(Reason {
                kind: ReasonKind::InDoubt,
                ..
            })
        ));
    }

    #[test]
    fn a_delivery_that_fails_alone_is_parked_and_one_that_fails_with_all_others_never_is() {
        let last = RetryPolicy::default().give_up_after;
        let outcome = || Outcome::TryAgain {
            after: None,
            failure: failure(),
        };
        let policy = RetryPolicy::default();
        let alone = sending(last)
            .after_attempt(outcome(), InDoubt::Resend, &policy, true, noon())
            .unwrap();
        assert!(matches!(
            alone,
            State::Parked(Reason {
                kind: ReasonKind::KeepsFailing,
                ..
            })
        ));
        let with_all = sending(last * 100)
            .after_attempt(outcome(), InDoubt::Resend, &policy, false, noon())
            .unwrap();
        assert!(matches!(with_all, State::Waiting { .. }));
    }

    #[test]
    fn a_retried_delivery_starts_afresh() {
        let parked = State::park(ReasonKind::Refused, "no".into(), noon());
        assert_eq!(parked.retry(noon()).unwrap(), State::new(noon()));
    }

    #[test]
    fn what_is_on_its_way_is_neither_superseded_nor_dropped() {
        let by = RecordId::of(b"newer");
        assert!(sending(1).supersede(by).is_err());
        assert!(sending(1).drop_for("why".into(), noon()).is_err());
        assert!(State::Delivered(receipt()).retry(noon()).is_err());
    }

    #[test]
    fn what_is_withheld_waits_for_a_person_and_goes_once_it_may() {
        let parked = sending(1)
            .after_attempt(
                Outcome::Withheld("sign it".into()),
                InDoubt::Ask,
                &RetryPolicy::default(),
                false,
                noon(),
            )
            .unwrap();
        assert!(
            matches!(&parked, State::Parked(reason) if reason.kind == ReasonKind::Unsigned && reason.text == "sign it")
        );
        assert!(ReasonKind::Unsigned.needs_a_person());
        assert!(matches!(parked.retry(noon()), Ok(State::Waiting { attempt: 0, .. })));
    }

    fn told() -> Receipt {
        Receipt {
            standing: Standing::Told,
            reference: Some("GD7".into()),
            ..receipt()
        }
    }

    const ALL_KINDS: [ReasonKind; 9] = [
        ReasonKind::Refused,
        ReasonKind::InDoubt,
        ReasonKind::SignedSeveral,
        ReasonKind::KeepsFailing,
        ReasonKind::TooLarge,
        ReasonKind::Damaged,
        ReasonKind::Dropped,
        ReasonKind::Rules,
        ReasonKind::Unsigned,
    ];

    #[test]
    fn what_a_person_looked_up_is_delivered_with_a_receipt_that_says_so_or_waits_afresh() {
        for kind in ALL_KINDS {
            let parked = State::park(kind, "no answer".into(), noon());
            let (found, not_found) = (parked.found(told()), parked.not_found(noon()));
            if matches!(kind, ReasonKind::InDoubt | ReasonKind::KeepsFailing) {
                assert_eq!(found.unwrap(), State::Delivered(told()));
                assert_eq!(not_found.unwrap(), State::new(noon()));
            } else {
                assert!(found.is_err() && not_found.is_err(), "{kind:?}");
            }
        }
        for state in [State::new(noon()), sending(1), State::Delivered(receipt())] {
            assert!(
                state.found(told()).is_err() && state.not_found(noon()).is_err(),
                "{state:?}"
            );
        }
    }

    #[test]
    fn only_what_was_delivered_is_sent_once_more() {
        assert_eq!(State::Delivered(receipt()).resend(noon()).unwrap(), State::new(noon()));
        let by = RecordId::of(b"newer");
        for state in [State::new(noon()), sending(1), State::Superseded { by }] {
            assert!(state.resend(noon()).is_err(), "{state:?}");
        }
        for kind in ALL_KINDS {
            assert!(State::park(kind, String::new(), noon()).resend(noon()).is_err());
        }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Start,
        Accept,
        Refuse,
        TryAgain(Option<u64>),
        Unclear,
        Supersede,
        Retry,
        Drop,
        Found,
        NotFound,
        Resend,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            Just(Act::Start),
            Just(Act::Start),
            Just(Act::Accept),
            Just(Act::Refuse),
            proptest::option::of(0..u64::MAX).prop_map(Act::TryAgain),
            Just(Act::Unclear),
            Just(Act::Supersede),
            Just(Act::Retry),
            Just(Act::Drop),
            Just(Act::Found),
            Just(Act::NotFound),
            Just(Act::Resend),
        ]
    }

    proptest! {
        /// Invariant 4: a delivery ends Delivered with a receipt, Superseded, or Parked with a reason; nothing disappears.
        #[test]
        fn a_delivery_ends_delivered_superseded_or_parked_and_nothing_leaves_an_end_but_a_person(
            acts in proptest::collection::vec(act(), 0..60), ask in any::<bool>(), others in any::<bool>(),
        ) {
            let in_doubt = if ask { InDoubt::Ask } else { InDoubt::Resend };
            let policy = RetryPolicy::default();
            let mut state = State::new(noon());
            for act in acts {
                let before = state.clone();
                let end = |outcome| before.after_attempt(outcome, in_doubt, &policy, others, noon());
                let next = match act.clone() {
                    Act::Start => before.start(noon()),
                    Act::Accept => end(Outcome::Accepted(receipt())),
                    Act::Refuse => end(Outcome::Refused("no".into())),
                    Act::TryAgain(after) => end(Outcome::TryAgain { after: after.map(Duration::from_millis), failure: failure() }),
                    Act::Unclear => end(Outcome::Unclear(failure())),
                    Act::Supersede => before.supersede(RecordId::of(b"newer")),
                    Act::Retry => before.retry(noon()),
                    Act::Drop => before.drop_for("asked to".into(), noon()),
                    Act::Found => before.found(told()),
                    Act::NotFound => before.not_found(noon()),
                    Act::Resend => before.resend(noon()),
                };
                if let Ok(next) = next {
                    // What was superseded stays so for ever; what was delivered too, unless a person has it sent once more.
                    prop_assert!(!matches!(before, State::Superseded { .. }), "{before:?} -> {next:?}");
                    if matches!(before, State::Delivered(_)) {
                        prop_assert!(matches!(act, Act::Resend));
                        prop_assert_eq!(&next, &State::new(noon()));
                    }
                    // Only an attempt under way can bring a receipt, or a person who looked it up where that is in doubt.
                    if let State::Delivered(receipt) = &next {
                        let was_sending = matches!(before, State::Sending { .. });
                        prop_assert!(was_sending || (matches!(act, Act::Found) && receipt.standing == Standing::Told));
                    }
                    if let State::Waiting { not_before, .. } = next {
                        prop_assert!(not_before >= noon());
                    }
                    let text = serde_json::to_string(&next).unwrap();
                    prop_assert_eq!(&serde_json::from_str::<State>(&text).unwrap(), &next);
                    state = next;
                }
            }
        }
    }
}
