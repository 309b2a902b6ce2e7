//! What has ended: let go, compacted, and still told the same.

use super::*;

#[tokio::test]
async fn what_was_let_go_is_still_known_and_its_receipt_is_in_the_journal() {
    let world = World::new();
    world.accept(1, &[(1, 1), (2, 1)]).await;
    for taken in world.take(2).await {
        world.deliver(&taken).await;
    }
    let export = ExportId::from_bytes([1; 32]);
    assert!(world.queue.resting(at(1)).unwrap().is_empty());
    assert_eq!(world.queue.resting(at(2)).unwrap(), [export]);
    let key = VisitKey {
        facility: "79999".into(),
        visit: "LK1".into(),
    };
    let keys = HashMap::from([(1, key.clone())]);
    assert!(world.queue.let_go(export, &keys, at(3)).await.unwrap());
    assert!(states(&world.queue).is_empty());
    assert!(world.queue.resting(at(100)).unwrap().is_empty());
    let world = world.reopen_after(|state| std::fs::remove_dir_all(state.join("index")).unwrap());
    assert_eq!(world.queue.tally(&vhr()).delivered, 2);
    world.accept(2, &[(1, 1), (2, 2)]).await;
    assert_eq!(world.queue.tally(&vhr()).waiting, 1);
    let entries = world.queue.journal.entries(Position::default()).unwrap();
    let standing = entries.filter_map(|placed| match placed.unwrap().entry {
        Entry::Standing(standing) => Some(standing),
        _ => None,
    });
    let records = standing.last().unwrap().records;
    assert_eq!(records[0].key, Some(key));
    assert_eq!(records[0].deliveries, [(vhr(), State::Delivered(receipt()))]);
}

#[tokio::test]
async fn a_receipt_of_a_record_that_was_made_otherwise_since_tells_whose_it_is() {
    let world = World::new();
    let delivered = world.accept(1, &[(1, 1), (2, 1)]).await[0];
    let taken = world.take(1).await.remove(0);
    world.deliver(&taken).await;
    let export = ExportId::from_bytes([1; 32]);
    let anew = world
        .write_batch(1, &[(1, 1), (2, 1)])
        .mapped
        .into_iter()
        .map(|row| RecordRow {
            record: RecordId::of(&row.seq.to_le_bytes()),
            ..row
        });
    world
        .queue
        .moved(export, &anew.collect::<Vec<_>>(), at(2))
        .await
        .unwrap();
    let taken = world.take(1).await.remove(0);
    world.deliver(&taken).await;
    let key = |visit: &str| VisitKey {
        facility: "79999".into(),
        visit: visit.into(),
    };
    let keys = HashMap::from([(1, key("LK1")), (2, key("LK2"))]);
    assert!(world.queue.let_go(export, &keys, at(3)).await.unwrap());
    let standing = world.queue.standing(export).unwrap().unwrap();
    let told = standing
        .records
        .iter()
        .map(|stood| (stood.row.record, stood.key.clone()));
    let told: HashMap<RecordId, Option<VisitKey>> = told.collect();
    assert_eq!(told[&delivered], Some(key("LK1")));
    assert_eq!(told[&taken.id.record], Some(key("LK2")));
}

#[tokio::test]
async fn an_export_of_which_something_waits_is_not_let_go() {
    let world = World::new();
    world.accept(1, &[(1, 1), (2, 1)]).await;
    let taken = world.take(1).await.remove(0);
    world.deliver(&taken).await;
    let export = ExportId::from_bytes([1; 32]);
    assert!(world.queue.resting(at(100)).unwrap().is_empty());
    assert!(!world.queue.let_go(export, &HashMap::new(), at(3)).await.unwrap());
    assert_eq!(states(&world.queue).len(), 2);
}

#[tokio::test]
async fn the_journal_shrinks_and_tells_the_same() {
    let world = World::new();
    let first = world.accept(200, &[(200, 1)]).await[0];
    for n in 0..60 {
        world.accept(n, &[(n, 1)]).await;
    }
    for taken in world.take(61).await {
        if taken.id.record == first {
            let state = State::park(ReasonKind::InDoubt, "did it arrive?".into(), at(3));
            world.queue.settle(&taken.id, state, at(3)).await.unwrap();
        } else {
            world.deliver(&taken).await;
        }
    }
    let files = |world: &World| world.queue.journal.finished().unwrap().len();
    let before = files(&world);
    assert!(before > 1, "{before}");
    assert_eq!(
        world.queue.compact(YEARS, at(4)).await.unwrap(),
        None,
        "all of it is needed"
    );
    for export in world.queue.resting(at(100)).unwrap() {
        world.queue.let_go(export, &HashMap::new(), at(4)).await.unwrap();
    }
    let all_before = all(&world.queue);
    let later = at(4).plus(std::time::Duration::from_secs(25 * 3600));
    let mut freed = 0;
    while let Some(bytes) = world.queue.compact(YEARS, later).await.unwrap() {
        freed += bytes;
    }
    assert!(freed > 0 && files(&world) <= before, "{freed} {}", files(&world));
    assert_eq!(all(&world.queue), all_before);
    let world = world.reopen_after(|state| {
        std::fs::remove_dir_all(state.join("index")).unwrap();
        std::fs::remove_dir_all(state.join("snapshots")).unwrap();
    });
    assert_eq!(all(&world.queue), all_before);
    assert!(matches!(world.state(first), State::Parked(reason) if reason.text == "did it arrive?"));
    // Receipts are kept for years, and not for ever.
    let much_later = at(4).plus(2 * YEARS);
    while world.queue.compact(YEARS, much_later).await.unwrap().is_some() {}
    let known = world.queue.exports().count();
    assert!(known < 30, "{known}");
    assert!(matches!(world.state(first), State::Parked(_)));
}
