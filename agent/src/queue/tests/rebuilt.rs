//! An index that is made anew says what the one that lived through everything said.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Accept(u8, u8),
    Take(usize),
    Deliver,
    Refuse,
    Doubt,
    Found,
    Resend,
    Retry,
    Drop,
    Snapshot,
    Release,
    Compact,
    Reopen,
    LoseIndex,
    LoseSnapshots,
    BreakSnapshot,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Invariant 2: nothing that matters lives only in memory, and nothing that cannot be rebuilt lives only in sled.
    #[test]
    fn whatever_happens_the_rebuilt_index_says_the_same_as_the_one_that_lived_through_it(
        acts in proptest::collection::vec(
            prop_oneof![
                (0u8..4, 0u8..3).prop_map(|(visit, content)| Act::Accept(visit, content)),
                (1usize..4).prop_map(Act::Take),
                Just(Act::Deliver),
                Just(Act::Refuse),
                Just(Act::Doubt),
                Just(Act::Found),
                Just(Act::Resend),
                Just(Act::Retry),
                Just(Act::Drop),
                Just(Act::Snapshot),
                Just(Act::Release),
                Just(Act::Compact),
                Just(Act::Reopen),
                Just(Act::LoseIndex),
                Just(Act::LoseSnapshots),
                Just(Act::BreakSnapshot),
            ],
            1..25,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            let mut on_their_way: Vec<Taken> = Vec::new();
            let mut released = 0;
            for (n, act) in (1u8..).zip(acts) {
                match act {
                    Act::Accept(visit, content) => drop(world.accept(n, &[(visit, content)]).await),
                    Act::Take(want) => on_their_way.extend(world.take(want).await),
                    Act::Deliver => if let Some(taken) = on_their_way.pop() { world.deliver(&taken).await },
                    Act::Refuse => if let Some(taken) = on_their_way.pop() {
                        let state = State::park(ReasonKind::Refused, "no".into(), at(3));
                        world.queue.settle(&taken.id, state, at(3)).await.unwrap();
                    },
                    Act::Doubt => if let Some(taken) = on_their_way.pop() {
                        let state = State::park(ReasonKind::InDoubt, "no answer".into(), at(3));
                        world.queue.settle(&taken.id, state, at(3)).await.unwrap();
                    },
                    Act::Found | Act::Resend | Act::Retry | Act::Drop => for id in states(&world.queue).into_keys() {
                        // Most of them say no, each for its reason.
                        let _ = world.queue.ask(&id, Some("asked to"), at(0), |state| match act {
                            Act::Found => state.found(receipt()),
                            Act::Resend => state.resend(at(0)),
                            Act::Retry => state.retry(at(0)),
                            _ => state.drop_for("asked to".into(), at(0)),
                        }).await;
                    },
                    Act::Snapshot => world.queue.snapshot(true).await.unwrap(),
                    Act::Release => {
                        for export in world.queue.resting(at(100)).unwrap() {
                            let before = states(&world.queue).len();
                            assert!(world.queue.let_go(export, &HashMap::new(), at(5)).await.unwrap());
                            released += before - states(&world.queue).len();
                        }
                    }
                    Act::Compact => {
                        let before = all(&world.queue);
                        while world.queue.compact(YEARS, at(6)).await.unwrap().is_some() {}
                        assert_eq!(all(&world.queue), before);
                    }
                    Act::Reopen | Act::LoseIndex | Act::LoseSnapshots | Act::BreakSnapshot => {
                        let before = all(&world.queue);
                        world = world.reopen_after(|state| match act {
                            Act::LoseIndex => std::fs::remove_dir_all(state.join("index")).unwrap(),
                            Act::LoseSnapshots => drop(std::fs::remove_dir_all(state.join("snapshots"))),
                            Act::BreakSnapshot => break_newest(&state.join("snapshots")),
                            _ => {}
                        });
                        assert_eq!(all(&world.queue), before);
                        world.queue.recover(&vhr(), InDoubt::Resend, &RetryPolicy { first: std::time::Duration::ZERO, ..RetryPolicy::default() }, at(0)).await.unwrap();
                        on_their_way.clear();
                    }
                }
                let tally = world.queue.tally(&vhr());
                let sum = tally.waiting + tally.sending + tally.delivered + tally.parked + tally.dropped + tally.superseded;
                assert_eq!(sum as usize, states(&world.queue).len() + released);
            }
        });
    }
}
