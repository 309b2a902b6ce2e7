//! The steps, one by one and at random.

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
        Outcome::Refused(Some(Code::MaKetQua(205)), "unknown site code".into()),
        InDoubt::Resend,
    );
    let State::Parked(reason) = state else {
        panic!("{state:?}")
    };
    assert_eq!(
        (reason.kind, reason.text.as_str()),
        (ReasonKind::Refused, "unknown site code")
    );
    assert_eq!(
        serde_json::to_value(reason.code).unwrap(),
        serde_json::json!({"maKetQua": 205})
    );
    // What older versions wrote down has no number.
    let older = serde_json::json!({"state": "parked", "kind": "refused", "at": noon(), "text": "no"});
    assert_eq!(
        serde_json::from_value::<State>(older).unwrap(),
        State::park(ReasonKind::Refused, "no".into(), noon())
    );
}

#[test]
fn what_is_too_large_for_an_endpoint_is_not_tried_again() {
    let state = after(
        &sending(1),
        Outcome::TooLarge(Some(Code::Http(413)), "HTTP 413".into()),
        InDoubt::Resend,
    );
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
            Outcome::Withheld(ReasonKind::Unsigned, "sign it".into()),
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

const ALL_KINDS: [ReasonKind; 11] = [
    ReasonKind::Refused,
    ReasonKind::InDoubt,
    ReasonKind::SignedSeveral,
    ReasonKind::KeepsFailing,
    ReasonKind::TooLarge,
    ReasonKind::Damaged,
    ReasonKind::Dropped,
    ReasonKind::Rules,
    ReasonKind::Unsigned,
    ReasonKind::NoBundle,
    ReasonKind::Twice,
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
                Act::Refuse => end(Outcome::Refused(Some(Code::Http(422)), "no".into())),
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
