//! What a person has done: looked up at the receiver, sent once more.

use super::*;

/// A person has it sent once more.
async fn resend(world: &World, id: &DeliveryId, when: i64) -> Result<State, Error> {
    let asked = world.queue.ask(id, Some("bên nhận làm mất"), at(when), |state| {
        state.resend(at(when))
    });
    asked.await
}

#[tokio::test]
async fn what_was_delivered_and_is_sent_once_more_is_due_again_and_counted_once_over_any_start() {
    for snapshots in [[false, false], [true, false], [false, true], [true, true]] {
        let world = World::new();
        let record = world.accept(1, &[(1, 1)]).await[0];
        let first = world.take(1).await.remove(0);
        world.deliver(&first).await;
        if snapshots[0] {
            world.queue.snapshot(true).await.unwrap();
        }
        resend(&world, &first.id, 1).await.unwrap();
        if snapshots[1] {
            world.queue.snapshot(true).await.unwrap();
        }
        let world = world.reopen();
        assert_eq!(world.state(record), State::new(at(1)), "{snapshots:?}");
        let waiting = Tally {
            waiting: 1,
            ..Tally::default()
        };
        assert_eq!(world.queue.tally(&vhr()), waiting, "{snapshots:?}");
        assert_eq!(world.queue.deliveries(true, 9, |_, _| true).unwrap().len(), 1);
        assert_eq!(world.queue.deliveries_of(&record.to_string()).unwrap().len(), 1);
        // Twice, over a start each: the index has its row already.
        let world = world.reopen();
        let again = world.take(9).await.remove(0);
        assert_eq!(again.id, first.id);
        world.deliver(&again).await;
        let world = world.reopen();
        let delivered = Tally {
            delivered: 1,
            ..Tally::default()
        };
        assert_eq!(world.queue.tally(&vhr()), delivered, "{snapshots:?}");
        assert!(world.take(9).await.is_empty());
    }
}

#[tokio::test]
async fn ends_that_came_after_a_snapshot_are_not_taken_for_those_before_it() {
    let world = World::new();
    let other = EndpointId::new("insurance");
    let export = ExportId::from_bytes([1; 32]);
    let row = RecordRow {
        record: RecordId::from_bytes([1; 16]),
        seq: 1,
        offset: 0,
        length: 0,
        size: 0,
        visit: [1; 16],
        content: [1; 16],
        written: Written::default(),
        signed: false,
        shares: vec![],
        twin: None,
    };
    let index = spool::Index {
        found: 1,
        mapped: vec![row],
        ..Default::default()
    };
    let destinations = [vhr(), other.clone()].map(|endpoint| Destination {
        endpoint,
        as_written: false,
        first: vec![Begin::In(State::new(at(0)))],
    });
    let accepted = world.queue.accept(export, "his", None, &index, &destinations, at(0));
    accepted.await.unwrap();
    let deliver = async |endpoint: &EndpointId| {
        let taken = world
            .queue
            .choose(endpoint, at(1), None, 9, |_| true)
            .await
            .unwrap()
            .remove(0);
        world.queue.start(&taken, Sync::Now, at(1)).await.unwrap();
        world.deliver(&taken).await;
        taken.id
    };
    let ids = [deliver(&vhr()).await, deliver(&other).await];
    world.queue.snapshot(true).await.unwrap();
    for id in &ids {
        resend(&world, id, 1).await.unwrap();
    }
    deliver(&vhr()).await;
    let dropped = world
        .queue
        .ask(&ids[1], None, at(3), |state| state.drop_for("no".into(), at(3)));
    dropped.await.unwrap();
    let told = |world: &World| {
        (
            states(&world.queue),
            [vhr(), other.clone()].map(|e| world.queue.tally(&e)),
        )
    };
    let before = told(&world);
    let world = world.reopen();
    assert_eq!(told(&world), before);
    assert_eq!((before.1[0].delivered, before.1[1].dropped), (1, 1));
}

#[tokio::test]
async fn only_the_newest_version_is_sent_once_more_and_a_newer_one_takes_its_place() {
    let world = World::new();
    world.accept(1, &[(1, 1)]).await;
    let old = world.take(1).await.remove(0);
    world.deliver(&old).await;
    world.accept(2, &[(1, 2)]).await;
    assert!(matches!(resend(&world, &old.id, 3).await, Err(Error::Newer(_))));
    let new = world.take(1).await.remove(0);
    world.deliver(&new).await;
    assert!(matches!(resend(&world, &old.id, 3).await, Err(Error::Newer(_))));
    resend(&world, &new.id, 1).await.unwrap();
    assert!(matches!(resend(&world, &new.id, 1).await, Err(Error::Step(..))));
    // The same content is known as long as it is being sent once more, and not when it was refused this time.
    world.accept(3, &[(1, 2)]).await;
    let again = world.take(9).await.remove(0);
    assert_eq!(again.id, new.id);
    let no = State::park(ReasonKind::Refused, "no".into(), at(2));
    world.queue.settle(&again.id, no, at(2)).await.unwrap();
    let comes = world.accept(4, &[(1, 2)]).await[0];
    assert_eq!(world.state(new.id.record), State::Superseded { by: comes });
    assert_eq!(world.take(9).await.remove(0).id.record, comes);
}

#[tokio::test]
async fn what_a_person_looked_up_holds_over_a_start() {
    let world = World::new();
    let records = world.accept(1, &[(1, 1), (2, 1)]).await;
    for taken in world.take(2).await {
        let doubt = State::park(ReasonKind::InDoubt, "no answer".into(), at(2));
        world.queue.settle(&taken.id, doubt, at(2)).await.unwrap();
    }
    let told = Receipt {
        standing: Standing::Told,
        ..receipt()
    };
    let ids = [0, 1].map(|nth: usize| DeliveryId {
        record: records[nth],
        endpoint: vhr(),
    });
    let found = world.queue.ask(&ids[0], None, at(3), |state| state.found(told.clone()));
    found.await.unwrap();
    let not_found = world.queue.ask(&ids[1], None, at(1), |state| state.not_found(at(1)));
    not_found.await.unwrap();
    let world = world.reopen();
    assert_eq!(world.state(records[0]), State::Delivered(told));
    assert_eq!(world.take(9).await.remove(0).id, ids[1]);
}

#[tokio::test]
async fn a_visit_is_found_by_its_key_at_each_endpoint_in_its_newest_version() {
    let world = World::new();
    let visit = world.keys.keyed().visit("79999", "LK1");
    let export = ExportId::from_bytes([7; 32]);
    let row = |content: u8, seq: u32| RecordRow {
        record: RecordId::from_bytes([content; 16]),
        seq,
        offset: 0,
        length: 0,
        size: 0,
        visit,
        content: [content; 16],
        written: Written::default(),
        signed: false,
        shares: vec![],
        twin: None,
    };
    let index = spool::Index {
        found: 2,
        mapped: vec![row(1, 1), row(2, 2)],
        ..Default::default()
    };
    let first = vec![Begin::In(State::new(at(0))); 2];
    let destinations = [Destination {
        endpoint: vhr(),
        as_written: false,
        first,
    }];
    let accepted = world.queue.accept(export, "his", None, &index, &destinations, at(0));
    accepted.await.unwrap();
    let found = world.queue.deliveries_of_visit("79999", "LK1").unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0.record, RecordId::from_bytes([2; 16]));
    assert!(world.queue.deliveries_of_visit("79999", "LK2").unwrap().is_empty());
}
