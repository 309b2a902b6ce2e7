//! The process is ended, or the power cut, at any moment, again and again: nothing is lost, and nothing arrives twice.

use std::fs;

use crate::harness::{World, plain, whole_keys};
use crate::survival::{Tally, ext4, kill, power};

#[test]
fn however_often_it_is_killed_every_visit_arrives_once_or_waits_in_doubt() {
    let tally = kill::run(kill::Size {
        kills: 20,
        look_every: 10,
        seed: 3176,
        source: r#"after = "delete""#,
    });
    assert!(tally.is_clean(), "{}\n{tally}", Tally::HEAD);
}

#[test]
fn whatever_a_power_cut_leaves_it_starts_and_nothing_that_was_told_is_lost() {
    for tally in power::run(power::Size {
        visits: 8,
        states: 8,
        first_starts: 4,
        to_the_end: 4,
        seed: 3176,
    }) {
        assert!(tally.is_clean(), "{}\n{tally}", Tally::HEAD);
    }
}

#[test]
fn after_a_power_cut_on_a_real_ext4_nothing_that_was_told_is_lost() {
    let tally = ext4::run(ext4::Size { cuts: 2, seed: 3176 });
    assert!(tally.is_clean(), "{}\n{tally}", Tally::HEAD);
}

#[test]
fn an_index_that_is_gone_is_rebuilt_and_nothing_is_lost_or_sent_again() {
    let world = World::new();
    let files = plain(502, 6);
    let keys = whole_keys(&files);
    world.gateway.refuse([keys[0].clone()]);
    world.drop_all(&files);
    world.once().with(65);
    let (receipts, parked) = (world.receipts(), world.listed("parked"));
    fs::remove_dir_all(world.path("state").join("index")).unwrap();
    world.once().with(65);
    assert_eq!(world.receipts(), receipts);
    assert_eq!(world.listed("parked"), parked);
    assert_eq!((world.fhir.transactions(), world.gateway.accepted_count()), (6, 5));
    let status = world.run(&["status", "--json"]).with(3).json();
    assert_eq!(status["sources"][0]["accepted"], 6);

    // So is one that is damaged.
    for path in crate::harness::files_below(&world.path("state").join("index")) {
        if path.is_file() {
            fs::write(&path, b"not an index any more").unwrap();
        }
    }
    let service = world.service();
    let status = world.run(&["status", "--json"]).with(1).json();
    assert!(status["storage"]["index_rebuilt"].is_string(), "{}", status["storage"]);
    service.terminate().with(0);
    world.once().with(65);
    assert_eq!(world.listed("parked"), parked);
    assert_eq!((world.fhir.transactions(), world.gateway.accepted_count()), (6, 5));
}

#[test]
fn an_index_that_is_gone_before_anything_was_sent_loses_no_delivery() {
    let world = World::with(crate::harness::Wish {
        fhir: Some("schedule = \"0 0 0 1 1 *\"".into()),
        gateway: Some("schedule = \"0 0 0 1 1 *\"".into()),
        source: r#"after = "delete""#,
        ..crate::harness::Wish::default()
    });
    let files = plain(503, 4);
    world.drop_all(&files);
    world.once().with(75);
    fs::remove_dir_all(world.path("state").join("index")).unwrap();
    world.run(&["run", "--once", "--now"]).with(0);
    world.all_arrived_once(&whole_keys(&files));
}

#[test]
fn a_batch_or_a_copy_that_was_damaged_is_set_aside_and_made_anew_and_all_arrives_once() {
    for hit in ["out", "in"] {
        let world = World::with(crate::harness::Wish {
            fhir: Some("schedule = \"0 0 0 1 1 *\"".into()),
            gateway: Some("schedule = \"0 0 0 1 1 *\"".into()),
            ..crate::harness::Wish::default()
        });
        let files = plain(504, 4);
        world.drop_all(&files);
        world.once().with(75);
        let spool = world.path("state").join("spool").join(hit);
        let mut damaged: Vec<_> = fs::read_dir(&spool)
            .unwrap()
            .flatten()
            .map(|file| file.path())
            .collect();
        damaged.sort();
        let bytes = fs::read(&damaged[0]).unwrap();
        fs::write(&damaged[0], vec![0; bytes.len()]).unwrap();
        fs::write(spool.join("what is this"), "foreign").unwrap();
        world.run(&["run", "--once", "--now"]);
        // The source files are still there: a copy is made anew from them at the next look.
        world.run(&["run", "--once", "--now"]).with(0);
        world.all_arrived_once(&whole_keys(&files));
        let aside = fs::read_dir(world.path("state").join("quarantine")).unwrap().count();
        assert_eq!(aside, 4, "what was hit, what is foreign, and a note for each");
    }
}
