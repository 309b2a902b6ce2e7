//! The process is ended at any moment, again and again: nothing is lost, and nothing arrives twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use fastrand::Rng;

use crate::harness::{World, eventually, plain, whole_keys};

const VISITS: usize = 60;
const KILLS: usize = 12;

#[test]
fn however_often_it_is_killed_every_visit_arrives_once_or_waits_in_doubt() {
    let world = World::new();
    let files = plain(501, VISITS);
    let keys: BTreeSet<String> = whole_keys(&files).into_iter().collect();
    let mut rng = Rng::with_seed(3176);
    let mut files_left = files.iter();
    let mut killed_in_the_middle = 0;
    for round in 0..KILLS {
        for file in files_left.by_ref().take(VISITS / KILLS) {
            world.drop_in(&file.name, &file.bytes);
        }
        let before = world.gateway.accepted_count() as u64 + world.fhir.transactions();
        let service = world.service();
        // A moment counted in what has arrived, and some milliseconds on top: the machine may be slow.
        let more = if round % 4 == 3 {
            0
        } else {
            rng.u64(1..(VISITS / KILLS) as u64)
        };
        eventually("some of it arrives", || {
            world.gateway.accepted_count() as u64 + world.fhir.transactions() >= before + more
        });
        std::thread::sleep(Duration::from_millis(rng.u64(0..80)));
        service.kill();
        let now = world.gateway.accepted_count() as u64 + world.fhir.transactions();
        killed_in_the_middle += usize::from(now > before);
    }
    assert!(
        killed_in_the_middle > KILLS / 2,
        "the kills came too early to say anything"
    );
    world.run(&["run", "--once", "--now"]);
    let done = world.run(&["run", "--once", "--now"]);
    assert!(matches!(done.code, Some(0 | 65)), "{done:?}");

    // FHIR: conditional requests make sending again harmless.
    let encounters = world.encounters();
    assert_eq!(encounters.keys().cloned().collect::<BTreeSet<_>>(), keys);
    assert!(
        encounters.values().all(|versions| versions.len() == 1),
        "{encounters:?}"
    );
    assert_eq!(world.fhir.resources()["Encounter"], VISITS);
    // The gateway: once, or in doubt; never twice, never forgotten.
    let claims: BTreeMap<String, usize> = world.claims().into_iter().collect();
    assert!(claims.values().all(|times| *times == 1), "{claims:?}");
    let parked: BTreeSet<String> = world
        .listed("parked")
        .iter()
        .map(|item| {
            assert_eq!(item["detail"]["kind"], "in-doubt", "{item}");
            assert!(item["id"].as_str().unwrap().ends_with("@insurance"), "{item}");
            item["key"].as_str().unwrap().trim_start_matches("79999/").to_owned()
        })
        .collect();
    eprintln!(
        "killed {killed_in_the_middle} times in the middle, {} in doubt at the gateway",
        parked.len()
    );
    assert_eq!(done.code, Some(if parked.is_empty() { 0 } else { 65 }));
    // Each has its receipt, or is one of those in doubt.
    let mut receipts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in world.receipts() {
        *receipts.entry((row[1].clone(), row[3].clone())).or_default() += 1;
    }
    for key in &keys {
        assert_eq!(receipts.get(&("vhr".into(), key.clone())), Some(&1), "{key}");
        let receipt = receipts.get(&("insurance".into(), key.clone()));
        match parked.contains(key) {
            true => assert_eq!(receipt, None, "{key} is in doubt and has a receipt"),
            false => {
                assert_eq!(receipt, Some(&1), "{key}");
                assert_eq!(claims.get(key), Some(&1), "{key}");
            }
        }
    }
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
