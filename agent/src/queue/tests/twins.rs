//! Two visits whose claims say the same: the gateway would refuse the second.

use super::*;

/// A visit of an export: its number, what it says beside the claim's key, the number of that key, and the amounts.
type Claim = (u8, u8, u8, u64);

fn insurance() -> EndpointId {
    EndpointId::new("insurance")
}

fn id(record: RecordId) -> DeliveryId {
    DeliveryId {
        record,
        endpoint: insurance(),
    }
}

impl World {
    /// Accepts an export for the gateway, as decided, and for the endpoint `vhr`.
    async fn accept_as(&self, export: u8, claims: &[Claim], first: impl Fn() -> Begin) -> Vec<RecordId> {
        let visits: Vec<(u8, u8)> = claims.iter().map(|(visit, content, ..)| (*visit, *content)).collect();
        let mut index = self.write_batch(export, &visits);
        for (row, (_, _, same, amount)) in index.mapped.iter_mut().zip(claims) {
            row.twin = Some(TwinKey {
                same: [*same; 16],
                amounts: [*amount; 3],
            });
        }
        let destinations = [(vhr(), Begin::In(State::new(at(0)))), (insurance(), first())];
        let destinations = destinations.map(|(endpoint, first)| Destination {
            as_written: endpoint == insurance(),
            endpoint,
            first: vec![first; claims.len()],
        });
        let export = ExportId::from_bytes([export; 32]);
        let accepted = self.queue.accept(export, "his", None, &index, &destinations, at(0));
        accepted.await.unwrap();
        index.mapped.iter().map(|row| row.record).collect()
    }

    async fn claims(&self, export: u8, claims: &[Claim]) -> Vec<RecordId> {
        self.accept_as(export, claims, || Begin::Once(State::new(at(0)))).await
    }

    async fn claim(&self, export: u8, claim: Claim) -> RecordId {
        self.claims(export, &[claim]).await[0]
    }

    fn claim_state(&self, record: RecordId) -> State {
        let row = self.queue.delivery(&id(record)).unwrap().unwrap();
        self.queue.full_state(&id(record), &row)
    }

    /// Why a claim is held for its twin, if it is.
    fn held(&self, record: RecordId) -> Option<String> {
        match self.claim_state(record) {
            State::Parked(reason) if reason.kind == ReasonKind::Twice => Some(reason.text),
            _ => None,
        }
    }

    /// Sends all that may go, and has it end like this.
    async fn settle_all(&self, endpoint: &EndpointId, end: &State) -> usize {
        let taken = self.queue.choose(endpoint, at(1), None, 99, |_| true).await.unwrap();
        for taken in &taken {
            self.queue.start(taken, Sync::Now, at(1)).await.unwrap();
            self.queue.settle(&taken.id, end.clone(), at(2)).await.unwrap();
        }
        taken.len()
    }

    /// All that may go arrives.
    async fn arrive(&self) -> usize {
        let end = State::Delivered(receipt());
        self.settle_all(&vhr(), &end).await;
        self.settle_all(&insurance(), &end).await
    }

    async fn ask(&self, record: RecordId, next: impl FnOnce(&State) -> State) {
        let id = id(record);
        let asked = self.queue.ask(&id, None, at(3), |state| Ok(next(state)));
        asked.await.unwrap();
    }
}

#[tokio::test]
async fn the_second_claim_that_says_the_same_waits_for_a_person_who_may_send_it_all_the_same() {
    // In one file, and in two.
    for together in [true, false] {
        let world = World::new();
        let (one, other) = ((1, 1, 7, 10_000), (2, 2, 7, 10_200));
        let records = match together {
            true => world.claims(1, &[one, other]).await,
            false => vec![world.claim(1, one).await, world.claim(2, other).await],
        };
        let why = world.held(records[1]).unwrap();
        let export = ExportId::from_bytes([1; 32]).short();
        for told in [
            "61",
            "queue drop",
            "queue retry",
            &records[0].short(),
            &format!("{export}#1"),
        ] {
            assert!(why.contains(told), "{told}: {why}");
        }
        assert_eq!(world.arrive().await, 1);
        assert_eq!(world.queue.tally(&vhr()).delivered, 2, "FHIR has both");
        assert_eq!(world.claim_state(records[0]).name(), "delivered");
        world.ask(records[1], |state| state.retry(at(0)).unwrap()).await;
        assert_eq!(world.arrive().await, 1);
        assert_eq!(world.claim_state(records[1]).name(), "delivered");
    }
}

#[tokio::test]
async fn another_amount_or_another_key_is_another_visit_and_elsewhere_nobody_asks() {
    let world = World::new();
    world.claim(1, (1, 1, 7, 10_000)).await;
    let others = world
        .claims(2, &[(2, 1, 7, 10_201), (3, 1, 7, 9_799), (4, 1, 8, 10_000)])
        .await;
    assert!(others.iter().all(|other| world.held(*other).is_none()));
    // It went to another endpoint only, or is not asked for.
    world.accept_as(3, &[(5, 1, 9, 0)], || Begin::Excluded).await;
    assert_eq!(world.held(world.claim(4, (6, 1, 9, 0)).await), None);
    let off = world
        .accept_as(5, &[(7, 1, 9, 0)], || Begin::In(State::new(at(0))))
        .await;
    assert_eq!(world.held(off[0]), None);
    assert!(world.held(world.claim(6, (8, 1, 9, 0)).await).is_some());
}

#[tokio::test]
async fn a_newer_version_is_no_twin_of_its_own_visit_nor_is_one_of_a_visit_that_a_person_let_go() {
    let world = World::new();
    world.claim(1, (1, 1, 7, 0)).await;
    let newer = world.claim(2, (1, 2, 7, 0)).await;
    assert_eq!(world.claim_state(newer), State::new(at(0)));
    world.arrive().await;
    assert_eq!(world.claim_state(world.claim(3, (1, 3, 7, 0)).await), State::new(at(0)));
    world.arrive().await;
    // A person says that visit 2 is another one: neither of them is held any more, waiting or sent.
    let other = world.claim(4, (2, 1, 7, 0)).await;
    assert!(world.held(other).is_some());
    world.ask(other, |state| state.retry(at(3)).unwrap()).await;
    let newer = [(2, 2, 7, 0), (1, 4, 7, 0)];
    for record in world.claims(5, &newer).await {
        assert_eq!(world.held(record), None);
    }
    assert_eq!(world.arrive().await, 2);
    for record in world.claims(6, &[(2, 3, 7, 0), (1, 5, 7, 0)]).await {
        assert_eq!(world.held(record), None);
    }
    // Two that were exchanged and wait, put right in one file: neither is held for what the other takes the place of.
    let world = World::new();
    world.claims(1, &[(1, 1, 7, 0), (2, 1, 8, 0)]).await;
    let right = world.claims(2, &[(1, 2, 9, 0), (2, 2, 7, 0)]).await;
    assert_eq!(world.held(right[1]), None);
    // Corrected into what the other says, it is held again.
    let world = World::new();
    world.claims(1, &[(1, 1, 7, 0), (2, 1, 8, 0)]).await;
    world.arrive().await;
    assert!(world.held(world.claim(2, (2, 2, 7, 0)).await).is_some());
}

#[tokio::test]
async fn what_went_or_may_go_holds_its_twin_and_what_does_not_go_holds_nothing() {
    let park = |kind| State::park(kind, String::new(), at(2));
    let ends = [
        (State::Delivered(receipt()), true),
        (park(ReasonKind::InDoubt), true),
        (park(ReasonKind::KeepsFailing), true),
        (park(ReasonKind::Damaged), true),
        (park(ReasonKind::Unsigned), true),
        (park(ReasonKind::Refused), false),
        (park(ReasonKind::TooLarge), false),
        (park(ReasonKind::Dropped), false),
    ];
    for (end, holds) in ends {
        let world = World::new();
        world.claim(1, (1, 1, 7, 0)).await;
        world.settle_all(&insurance(), &end).await;
        let second = world.claim(2, (2, 1, 7, 0)).await;
        assert_eq!(world.held(second).is_some(), holds, "{end:?}");
    }
    let world = World::new();
    world.claim(1, (1, 1, 7, 0)).await;
    let taken = world
        .queue
        .choose(&insurance(), at(1), None, 1, |_| true)
        .await
        .unwrap()
        .remove(0);
    world.queue.start(&taken, Sync::Now, at(1)).await.unwrap();
    assert!(
        world.held(world.claim(2, (2, 1, 7, 0)).await).is_some(),
        "it is on its way"
    );
    // Sent once more, it counts where it stands then.
    let world = World::new();
    let first = world.claim(1, (1, 1, 7, 0)).await;
    world.arrive().await;
    world.ask(first, |state| state.resend(at(0)).unwrap()).await;
    world.settle_all(&insurance(), &park(ReasonKind::Refused)).await;
    assert_eq!(world.held(world.claim(2, (2, 1, 7, 0)).await), None);
    // What was superseded by something else, and what such a version took the place of at the gateway.
    for sent in [false, true] {
        let world = World::new();
        world.claim(1, (1, 1, 7, 0)).await;
        if sent {
            world.arrive().await;
        }
        world.claim(2, (1, 2, 8, 0)).await;
        world.arrive().await;
        assert_eq!(world.held(world.claim(3, (2, 1, 7, 0)).await), None, "{sent}");
    }
}

#[tokio::test]
async fn of_twins_one_always_goes_also_when_the_first_was_refused_and_comes_corrected() {
    let world = World::new();
    world.claim(1, (1, 1, 7, 0)).await;
    let second = world.claim(2, (2, 1, 7, 0)).await;
    world
        .settle_all(&insurance(), &State::park(ReasonKind::Refused, "no".into(), at(2)))
        .await;
    let corrected = world.claim(3, (1, 2, 7, 0)).await;
    assert!(world.held(second).is_some() && world.held(corrected).is_none());
    assert_eq!(world.arrive().await, 1);
    // The second one, corrected, is held as before.
    assert!(world.held(world.claim(4, (2, 2, 7, 0)).await).is_some());
}

#[tokio::test]
async fn what_the_rules_hold_back_anyway_is_held_for_both_and_holds_its_twin() {
    let world = World::new();
    let broken = || Begin::Once(State::park(ReasonKind::Rules, "[XML1-X] wrong".into(), at(0)));
    let records = world.accept_as(1, &[(1, 1, 7, 0), (2, 1, 7, 0)], broken).await;
    assert!(matches!(world.claim_state(records[0]), State::Parked(reason) if reason.kind == ReasonKind::Rules));
    let why = world.held(records[1]).unwrap();
    assert!(
        why.contains(&records[0].short()) && why.starts_with("[XML1-X] wrong "),
        "{why}"
    );
    // A newer version that could not go anyway says so.
    let unsigned = || Begin::Once(State::park(ReasonKind::Unsigned, "sign it".into(), at(0)));
    let unsigned = world.accept_as(2, &[(3, 1, 7, 0)], unsigned).await[0];
    assert!(matches!(world.claim_state(unsigned), State::Parked(reason) if reason.text == "sign it"));
}

#[tokio::test]
async fn a_twin_is_known_after_restarts_with_whatever_is_lost_and_after_its_export_was_let_go() {
    for let_go in [false, true] {
        let mut world = World::new();
        let first = world.claim(1, (1, 1, 7, 0)).await;
        world.arrive().await;
        world.queue.snapshot(true).await.unwrap();
        if let_go {
            let export = ExportId::from_bytes([1; 32]);
            assert!(world.queue.let_go(export, &HashMap::new(), at(3)).await.unwrap());
        }
        for (n, lost) in (2..).zip([&[][..], &["index"], &["snapshots"], &["index", "snapshots"]]) {
            world = world.reopen_after(|state| {
                for folder in lost {
                    std::fs::remove_dir_all(state.join(folder)).unwrap();
                }
            });
            let why = world.held(world.claim(n, (n, 1, 7, 0)).await);
            assert!(why.is_some_and(|why| why.contains(&first.short())), "{let_go} {lost:?}");
            world.queue.snapshot(true).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_held_claim_stays_held_over_a_restart_and_when_its_record_is_made_otherwise() {
    let world = World::new();
    let second = world.claims(1, &[(1, 1, 7, 0), (2, 1, 7, 0)]).await[1];
    let why = world.held(second);
    let mut row = world.queue.live_rows(ExportId::from_bytes([1; 32])).remove(1);
    row.record = RecordId::of(b"another");
    let export = ExportId::from_bytes([1; 32]);
    world.queue.moved(export, &[row.clone()], at(1)).await.unwrap();
    let world = world.reopen_after(|state| std::fs::remove_dir_all(state.join("index")).unwrap());
    assert_eq!(world.held(row.record), why);
    // What a batch made anew tells of an old record is known from then on.
    row.twin = Some(TwinKey {
        same: [9; 16],
        amounts: [0; 3],
    });
    world.queue.moved(export, &[row.clone()], at(1)).await.unwrap();
    world.ask(row.record, |state| state.retry(at(3)).unwrap()).await;
    assert!(world.held(world.claim(2, (3, 1, 9, 0)).await).is_some());
    assert!(
        world.held(world.claim(3, (4, 1, 7, 0)).await).is_some(),
        "visit 1 waits"
    );
}

#[tokio::test]
async fn the_index_that_lost_what_a_claim_said_is_built_anew() {
    let world = World::new();
    world.claim(1, (1, 1, 7, 0)).await;
    world.arrive().await;
    world.queue.snapshot(true).await.unwrap();
    let row = world
        .queue
        .place(world.claim(2, (2, 1, 8, 0)).await)
        .unwrap()
        .unwrap()
        .row;
    let said = world.queue.history.claimed(&[7; 16]).next().unwrap().unwrap();
    let lost = RecordRow {
        record: said.record,
        twin: row.twin.map(|twin| TwinKey { same: [7; 16], ..twin }),
        ..row
    };
    world.queue.history.remove_claimed(&lost).unwrap();
    let world = world.reopen();
    assert_eq!(world.queue.damage().index.as_deref(), Some("the index has lost rows"));
    assert!(world.held(world.claim(3, (3, 1, 7, 0)).await).is_some());
}

#[tokio::test]
async fn what_a_later_version_in_the_same_file_takes_the_place_of_holds_no_twin() {
    let world = World::new();
    let [older, newer, other] = world.claims(1, &[(1, 1, 7, 0), (1, 2, 8, 0), (2, 1, 7, 0)]).await[..] else {
        panic!("three records");
    };
    assert_eq!(world.claim_state(older), State::Superseded { by: newer });
    assert_eq!((world.held(newer), world.held(other)), (None, None));
    // And the later version holds one as ever.
    let [_, _, twin] = world.claims(2, &[(3, 1, 9, 0), (3, 2, 10, 0), (4, 1, 10, 0)]).await[..] else {
        panic!("three records");
    };
    assert!(world.held(twin).is_some());
}

#[tokio::test]
async fn what_a_claim_said_is_told_by_its_exports_last_entry_and_forgotten_with_its_receipt() {
    let world = World::new();
    world.claim(0, (200, 1, 7, 0)).await;
    for n in 1..60 {
        world.claim(n, (n, 1, 100 + n, 0)).await;
    }
    world.arrive().await;
    for export in world.queue.resting(at(100)).unwrap() {
        assert!(world.queue.let_go(export, &HashMap::new(), at(4)).await.unwrap());
    }
    // Nothing but the last entry of its export tells of it.
    let day = std::time::Duration::from_secs(25 * 3600);
    while world.queue.compact(YEARS, at(4).plus(day)).await.unwrap().is_some() {}
    let world = world.reopen_after(|state| {
        std::fs::remove_dir_all(state.join("index")).unwrap();
        std::fs::remove_dir_all(state.join("snapshots")).unwrap();
    });
    assert!(world.held(world.claim(201, (201, 1, 7, 0)).await).is_some());
    while world
        .queue
        .compact(YEARS, at(4).plus(2 * YEARS))
        .await
        .unwrap()
        .is_some()
    {}
    assert_eq!(world.held(world.claim(202, (202, 1, 7, 0)).await), None);
    assert_eq!(world.queue.history.claimed(&[7; 16]).count(), 0);
}
