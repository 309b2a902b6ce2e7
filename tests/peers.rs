//! A FHIR server that nobody here wrote takes what we send: the real helios-hfs, checking everything it can check.
//!
//! It is not part of this repository; where it is not installed these tests say so and pass. `.ci/run` installs it.

use std::fs;
use std::path::Path;

use serde_json::Value;
use vhr_agent::demo::exports::{Oddity, Options, generate};

use crate::harness::{Wish, World, one_visit, whole_keys};

mod corpus;
mod hfs;

use hfs::Hfs;

fn at(server: &Hfs, profile: &str) -> Wish {
    Wish {
        fhir: Some(format!("profile = \"{profile}\"")),
        fhir_url: Some(server.url()),
        gateway: None,
        ..Wish::default()
    }
}

/// The identifier system of visits in a profile set.
fn visit_system(profile: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../configs/profiles/{profile}.json"));
    let set: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    set["identifiers"]["visit"]["system"].as_str().unwrap().to_owned()
}

/// Enough for every oddity.
const VISITS: usize = 40;

fn everything_is_taken_and_sending_it_again_changes_no_count(profile: &str) {
    let Some(server) = Hfs::start() else { return };
    let world = World::with(at(&server, profile));
    let files: Vec<_> = generate(&Options {
        oddities: Oddity::ALL.to_vec(),
        ..Options::plain(601, VISITS)
    })
    .collect();
    let keys = whole_keys(&files);
    assert_eq!(keys.len(), VISITS);
    world.drop_all(&files);
    world.once().with(0);
    assert_eq!(world.receipts().len(), VISITS);
    let kinds = [
        "Patient",
        "Organization",
        "Practitioner",
        "Condition",
        "Observation",
        "Procedure",
    ];
    let counts = || kinds.map(|kind| server.count(&format!("/{kind}?_summary=count")));
    let before = counts();
    assert!(
        before[0] > 0 && before[0] < VISITS as u64,
        "people who came twice are one Patient: {before:?}"
    );

    // As after a disk was lost: all of it again, from a machine that remembers nothing.
    fs::remove_dir_all(world.path("state")).unwrap();
    world.once().with(0);
    let system = visit_system(profile).replace(':', "%3A").replace('/', "%2F");
    for key in &keys {
        assert_eq!(
            server.count(&format!("/Encounter?identifier={system}%7C{key}")),
            1,
            "{key}"
        );
    }
    assert_eq!(server.count("/Encounter?_summary=count"), VISITS as u64);
    assert_eq!(counts(), before);
}

#[test]
fn a_real_fhir_server_takes_every_visit_in_plain_r4_and_sending_again_makes_no_second() {
    everything_is_taken_and_sending_it_again_changes_no_count("r4");
}

#[test]
fn a_real_fhir_server_takes_every_visit_in_the_national_profile_and_sending_again_makes_no_second() {
    everything_is_taken_and_sending_it_again_changes_no_count("moh-ehealth-1.0");
}

#[test]
fn what_a_real_fhir_server_refuses_is_parked_with_its_own_words() {
    let Some(server) = Hfs::start() else { return };
    let world = World::with(at(&server, "bad"));
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/profiles");
    let mut set: Value = serde_json::from_slice(&fs::read(profiles.join("r4.json")).unwrap()).unwrap();
    set["name"] = "bad".into();
    // What the agent itself does not check: an invariant of R4.
    let backwards = serde_json::json!([{"url": "urn:x", "valuePeriod": {"start": "2026-02-01", "end": "2026-01-01"}}]);
    set["fixed"]["organization_type"]["extension"] = backwards;
    fs::create_dir(world.path("plugins").join("profiles")).unwrap();
    fs::write(world.path("plugins").join("profiles/bad.json"), set.to_string()).unwrap();
    world.drop_in("a.xml", &one_visit(602).bytes);
    world.once().with(65);
    let parked = world.listed("parked");
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0]["detail"]["kind"], "refused");
    let words = parked[0]["detail"]["text"].as_str().unwrap();
    assert!(
        words.contains("per-1") || words.contains("Organization.type"),
        "{words}"
    );
    assert_eq!(server.count("/Encounter?_summary=count"), 0);
    assert_eq!(
        server.count("/Patient?_summary=count"),
        0,
        "what came with it is not there either"
    );
}
