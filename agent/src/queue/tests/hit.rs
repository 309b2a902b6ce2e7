//! What was hit on the disk: the index and the journal behind a snapshot.

use std::path::Path;

use super::*;

fn newest(folder: &Path) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder).unwrap().flatten();
    files.map(|file| file.path()).max().unwrap()
}

#[tokio::test]
async fn an_export_whose_entry_behind_the_snapshot_is_hit_is_not_known_any_more_and_is_taken_in_again() {
    // The last entry of all, and one in the middle.
    for more in [false, true] {
        let world = World::new();
        world.accept(1, &[(1, 1)]).await;
        world.queue.snapshot(true).await.unwrap();
        let begin = world.queue.journal.end().offset as usize;
        world.accept(2, &[(2, 1)]).await;
        let end = world.queue.journal.end().offset as usize;
        if more {
            world.accept(3, &[(3, 1)]).await;
        }
        let world = world.reopen_after(|state| {
            let path = newest(&state.join("journal"));
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[usize::midpoint(begin, end)] ^= 1;
            std::fs::write(path, bytes).unwrap();
        });
        let hit = ExportId::from_bytes([2; 32]);
        assert_eq!(world.queue.counts(hit).unwrap(), None, "{more}");
        assert!(world.queue.rebuilt().is_none());
        world.accept(2, &[(2, 1)]).await;
        assert_eq!(world.queue.tally(&vhr()).waiting, if more { 3 } else { 2 });
    }
}

#[tokio::test]
async fn an_index_hit_anywhere_inside_is_set_aside_at_the_start_or_read_as_it_was() {
    let whole = World::new();
    for n in 0..40 {
        whole.accept(n, &[(n, 1), (100 + n, 2)]).await;
    }
    for taken in whole.take(70).await {
        whole.deliver(&taken).await;
    }
    whole.queue.snapshot(true).await.unwrap();
    let before = all(&whole.queue);
    let mut world = whole.reopen();
    let mut hits = 0;
    for nth in 0..24 {
        world = world.reopen_after(|state| {
            let path = state.join("index/db");
            let mut bytes = std::fs::read(&path).unwrap();
            let place = bytes.len() * nth / 24;
            let end = bytes.len().min(place + 64);
            bytes[place..end].fill(0x5a);
            std::fs::write(path, bytes).unwrap();
        });
        // Whoever comes upon it later has everything opened anew without it.
        let mut told = world.queue.exports();
        let fails = told.any(|row| row.is_err()) || world.queue.deliveries(true, 1000, |_, _| true).is_err();
        if fails {
            world = world.reopen_with(|_| (), Trust::Not("it failed".into()));
        }
        hits += usize::from(world.queue.damage().index.is_some());
        assert!(all(&world.queue) == before, "hit {nth}: {:?}", world.queue.damage());
    }
    assert!(hits > 0);
}

#[tokio::test]
async fn a_snapshot_of_an_older_version_is_no_damage_and_nothing_is_lost_with_it() {
    let world = World::new();
    world.accept(1, &[(1, 1), (2, 1)]).await;
    let taken = world.take(1).await.remove(0);
    world.deliver(&taken).await;
    world.queue.snapshot(true).await.unwrap();
    let before = all(&world.queue);
    let set_version = |state: &Path, version: u8| {
        let path = newest(&state.join("snapshots"));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4] = version;
        std::fs::write(path, bytes).unwrap();
    };
    let world = world.reopen_after(|state| set_version(state, 1));
    assert!(all(&world.queue) == before);
    assert_eq!(world.queue.damage(), Damage::default());
    assert!(!world.folder.path().join("snapshots/00000001").exists());
    // What no version ever wrote is damage.
    world.queue.snapshot(true).await.unwrap();
    let world = world.reopen_after(|state| set_version(state, 200));
    assert!(all(&world.queue) == before);
    assert_eq!(world.queue.damage().snapshots.len(), 1);
}

#[tokio::test]
async fn a_crash_after_an_orderly_stop_has_the_rows_of_the_index_counted() {
    let world = World::new();
    world.accept(1, &[(1, 1)]).await;
    let taken = world.take(1).await.remove(0);
    world.deliver(&taken).await;
    world.queue.snapshot(true).await.unwrap();
    world.accept(2, &[(2, 1)]).await;
    world.queue.history.remove_newest(&[1; 16], taken.id.record).unwrap();
    let world = world.reopen();
    assert_eq!(world.queue.damage().index.as_deref(), Some("the index has lost rows"));
    world.accept(3, &[(1, 1)]).await;
    assert_eq!(
        world.queue.tally(&vhr()).waiting,
        1,
        "what was delivered is known again"
    );
}

#[tokio::test]
async fn a_receipt_is_told_once_however_often_its_export_was_carried_on() {
    let world = World::new();
    world.accept(1, &[(1, 1), (2, 1)]).await;
    let taken = world.take(1).await.remove(0);
    world.deliver(&taken).await;
    let export = ExportId::from_bytes([1; 32]);
    for _ in 0..2 {
        let standing = world.queue.standing(export).unwrap().unwrap();
        let alone = world.queue.changes.write().await;
        world
            .queue
            .append(vec![Entry::Standing(standing)], Sync::Now)
            .await
            .unwrap();
        drop(alone);
    }
    let taken = world.take(1).await.remove(0);
    world.deliver(&taken).await;
    let standing = world.queue.standing(export).unwrap().unwrap();
    for stood in &standing.records {
        assert_eq!(stood.deliveries, [(vhr(), State::Delivered(receipt()))]);
        assert_eq!(stood.earlier, []);
    }
    assert_eq!(standing.records.len(), 2);
}

#[tokio::test]
async fn what_waits_for_a_person_or_for_its_time_stays_so_when_its_record_is_made_otherwise() {
    let world = World::new();
    let held = State::park(ReasonKind::Rules, "[XML1-TABLE]".into(), at(0));
    let other = State::park(ReasonKind::NoBundle, "[FHIR-STRUCTURE]".into(), at(0));
    let doubt = State::park(ReasonKind::InDoubt, "did it arrive?".into(), at(0));
    let window = State::new(at(900));
    let refused = State::park(ReasonKind::Refused, "no".into(), at(0));
    let again = State::Waiting {
        attempt: 3,
        not_before: at(700),
        last: None,
    };
    let damaged = State::park(ReasonKind::Damaged, "it does not read".into(), at(0));
    let index = world.write_batch(1, &[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1)]);
    let destinations = [Destination {
        endpoint: vhr(),
        as_written: false,
        first: [&held, &other, &doubt, &window, &refused, &again, &damaged]
            .map(|state| Begin::In(state.clone()))
            .to_vec(),
    }];
    let export = ExportId::from_bytes([1; 32]);
    world
        .queue
        .accept(export, "his", None, &index, &destinations, at(0))
        .await
        .unwrap();
    let rows = &index.mapped;
    let anew = [1, 2, 3, 4, 5, 6, 7].map(|nth: u8| RecordId::of(&[nth]));
    let moved: Vec<RecordRow> = rows
        .iter()
        .zip(anew)
        .map(|(row, record)| RecordRow { record, ..row.clone() })
        .collect();
    world.queue.moved(export, &moved, at(1)).await.unwrap();
    let world = world.reopen();
    // What could not be read is due at once.
    let well = State::new(at(1));
    assert_eq!(
        anew.map(|record| world.state(record)),
        [held, other, doubt, window, refused, again, well]
    );
    assert_eq!(world.state(rows[0].record), State::Superseded { by: anew[0] });
    let tally = world.queue.tally(&vhr());
    assert_eq!((tally.parked, tally.waiting), (4, 3));
}

#[tokio::test]
async fn what_is_on_its_way_while_its_record_is_made_otherwise_is_in_doubt_and_never_begun_anew() {
    let world = World::new();
    let old = world.accept(1, &[(1, 1)]).await[0];
    let export = ExportId::from_bytes([1; 32]);
    let taken = world.take(1).await.remove(0);
    world.queue.start(&taken, Sync::Now, at(1)).await.unwrap();
    let mut row = world.queue.live_rows(export).remove(0);
    row.record = RecordId::of(b"another");
    // Its answer is still to come, and counts.
    world.queue.moved(export, &[row.clone()], at(2)).await.unwrap();
    assert_eq!(world.state(old), taken.state);
    // After a stop there is none to come: what is known of it now is known of the other record.
    let world = world.reopen();
    world.queue.moved(export, &[row.clone()], at(3)).await.unwrap();
    let world = world.reopen();
    assert_eq!(world.take(1).await.len(), 0);
    assert_eq!(world.state(old), State::Superseded { by: row.record });
    world
        .queue
        .recover(&vhr(), InDoubt::Ask, &RetryPolicy::default(), at(4))
        .await
        .unwrap();
    assert!(
        matches!(world.state(row.record), State::Parked(reason) if reason.kind == ReasonKind::InDoubt),
        "{:?}",
        world.state(row.record)
    );
}

#[tokio::test]
async fn a_record_made_otherwise_from_a_damaged_batch_is_told_with_its_export() {
    let world = World::new();
    let old = world.accept(1, &[(1, 1)]).await[0];
    let export = ExportId::from_bytes([1; 32]);
    // Another plugin makes another record of the same visit.
    let mut row = world.queue.live_rows(export).remove(0);
    row.record = RecordId::of(b"another");
    world.queue.moved(export, &[row.clone()], at(1)).await.unwrap();
    let taken = world.take(1).await.remove(0);
    assert_eq!(taken.id.record, row.record);
    world.deliver(&taken).await;
    let standing = world.queue.standing(export).unwrap().unwrap();
    let records: Vec<RecordId> = standing.records.iter().map(|stood| stood.row.record).collect();
    assert_eq!(records, [old, row.record]);
    assert_eq!(standing.records[1].deliveries, [(vhr(), State::Delivered(receipt()))]);
}

/// After this was done to the state folder, it knows the same as before, and tells why the index was built anew.
async fn is_built_anew_and_told_after(act: impl FnOnce(&Path), why: &str) {
    let world = World::new();
    world.accept(1, &[(1, 1), (2, 1), (3, 1)]).await;
    let taken = world.take(2).await;
    world.deliver(&taken[0]).await;
    let no = State::park(ReasonKind::Refused, "no".into(), at(2));
    world.queue.settle(&taken[1].id, no, at(2)).await.unwrap();
    let before = all(&world.queue);
    let world = world.reopen_after(act);
    assert!(all(&world.queue) == before);
    assert_eq!(world.queue.rebuilt(), Some(at(5)));
    let told = world.queue.damage().index.unwrap_or_default();
    assert!(told.contains(why), "{told}");
}

#[tokio::test]
async fn an_index_that_somebody_else_holds_is_built_anew_and_told() {
    let mut held = None;
    let hold = |state: &Path| {
        // Who has just closed it lets go of it a moment later.
        while held.is_none() {
            held = sled::open(state.join("index")).ok();
        }
    };
    is_built_anew_and_told_after(hold, "could not acquire lock").await;
    assert!(held.is_some(), "until the end");
}

#[cfg(unix)]
#[tokio::test]
async fn an_index_that_never_opens_is_built_anew_and_told() {
    let hang = |state: &Path| {
        // Whoever opens it waits for one who writes.
        let path = state.join("index/conf");
        std::fs::remove_file(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    };
    is_built_anew_and_told_after(hang, "it did not open within").await;
}
