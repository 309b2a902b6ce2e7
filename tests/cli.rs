//! What people and scripts may rely on: exit codes, what goes to stdout, and the shapes of what is told.

use std::fs;

use serde_json::Value;
use vhr_agent::demo::exports::{Options, generate};

use crate::harness::{Service, Wish, World, build_plugin, one_visit, plain, whole_keys};

/// Without any configuration.
fn vhr_agent(arguments: &[&str]) -> crate::harness::Done {
    Service::start(arguments, &std::env::temp_dir()).finish()
}

#[test]
fn wrong_arguments_end_with_2_and_help_with_0() {
    assert_eq!(vhr_agent(&["dance"]).with(2).out, "");
    assert_eq!(vhr_agent(&["run", "--now"]).with(2).out, "");
    assert_eq!(vhr_agent(&[]).with(2).out, "");
    assert!(vhr_agent(&["--help"]).with(0).out.contains("receipts"));
    assert!(
        vhr_agent(&["--version"])
            .with(0)
            .out
            .contains(env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_configuration_that_is_not_there_ends_with_78() {
    for verb in ["run", "check", "status", "receipts"] {
        let done = vhr_agent(&[verb, "--config", "/nonexistent/vhr-agent.toml"]).with(78);
        assert_eq!(done.out, "");
        assert!(done.err.contains("/nonexistent/vhr-agent.toml"), "{}", done.err);
    }
}

#[test]
fn check_says_well_where_all_is_well_and_makes_nothing() {
    let world = World::new();
    let done = world.run(&["check"]).with(0);
    assert!(done.out.contains("79999"), "{}", done.out);
    assert!(!world.path("state").exists());
}

#[test]
fn check_reports_every_mistake_of_the_file_at_once_with_its_line() {
    let world = World::new();
    let text = r#"[site]
facility = "7999"
name = "x"
[storage]
dir = "relative/path"
[[source]]
name = "his"
path = "/srv/his"
plugin = "vn.qd3176"
settel = "2s"
[[endpoint]]
name = "vhr"
kind = "fhir"
url = "http://vhr.example.vn/fhir"
schedule = "every day"
[[endpoint]]
name = "insurance"
kind = "bhxh"
url = "https://egw.example.vn"
username = "u"
password = "hunter2-in-the-clear"
"#;
    fs::write(world.config(), text).unwrap();
    for verb in ["check", "run"] {
        let done = world.run(&[verb]).with(78);
        for line in [2, 5, 10, 14, 15, 21] {
            assert!(
                done.err.contains(&format!(":{line}:")),
                "line {line} is missing: {}",
                done.err
            );
        }
        assert!(done.err.contains("vhr-agent.toml"));
        assert!(
            !done.err.contains("hunter2"),
            "a secret must not be repeated: {}",
            done.err
        );
        assert_eq!(done.out, "");
    }
}

#[test]
fn check_reports_everything_around_the_file_at_once() {
    let world = World::new();
    fs::remove_file(world.path("plugins").join("vn.qd3176.wasm")).unwrap();
    fs::remove_file(world.path("gateway-password")).unwrap();
    fs::remove_dir(world.exports()).unwrap();
    let done = world.run(&["check"]).with(78);
    for word in ["vn.qd3176", "gateway-password", "exports"] {
        assert!(done.err.contains(word), "{word} is missing: {}", done.err);
    }
}

#[test]
fn check_reports_a_file_of_authorities_that_holds_none() {
    let world = World::new();
    fs::write(world.path("ca.pem"), "no certificate").unwrap();
    let done = world.run(&["check"]).with(78);
    assert!(done.err.contains("ca.pem"), "{}", done.err);
}

#[test]
fn map_writes_one_line_of_json_per_record_and_twice_the_same_bytes() {
    let world = World::new();
    let files: Vec<_> = generate(&Options {
        seed: 301,
        visits: 20,
        ..Options::demo()
    })
    .collect();
    world.drop_all(&files);
    let plugin = build_plugin().display().to_string();
    let paths: Vec<String> = files
        .iter()
        .map(|file| world.exports().join(&file.name).display().to_string())
        .collect();
    let mut arguments = vec![
        "map",
        "--plugin",
        &plugin,
        "--facility",
        "79999",
        "--profile",
        "moh-ehealth-1.0",
        "--json",
    ];
    arguments.extend(paths.iter().map(String::as_str));
    let first = vhr_agent(&arguments).with(65);
    let again = vhr_agent(&arguments).with(65);
    assert!(first.out == again.out, "two runs differ");

    let mut mapped = Vec::new();
    for line in first.out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        for key in ["file", "locator", "key", "outcome", "bundle", "claim", "issues"] {
            assert!(keys.contains(&key), "{key} is missing: {keys:?}");
        }
        if line["outcome"] == "mapped" {
            assert_eq!(line["bundle"]["resourceType"], "Bundle");
            assert_eq!(line["bundle"]["type"], "transaction");
            mapped.push(line["key"].as_str().unwrap().to_owned());
        } else {
            assert!(line["bundle"].is_null());
            assert!(!line["issues"].as_array().unwrap().is_empty());
        }
    }
    assert_eq!(mapped, whole_keys(&files));
    assert!(!world.path("state").exists(), "a dry run keeps nothing");
    assert_eq!(world.fhir.transactions(), 0);
}

#[test]
fn map_of_whole_files_ends_with_0_and_takes_the_plugin_by_its_id() {
    let world = World::new();
    let path = world.drop_in("a.xml", &one_visit(302).bytes).display().to_string();
    let done = world.run(&["map", "--plugin", "vn.qd3176", &path]).with(0);
    assert!(
        done.out.contains("mapped") && done.out.contains("Encounter 1"),
        "{}",
        done.out
    );
    world.run(&["map", "--plugin", "vn.nobody", &path]).with(2);
    world
        .run(&["map", "--plugin", "vn.qd3176", "--profile", "none", &path])
        .with(78);
}

#[test]
fn a_third_profile_set_is_three_files_and_claims_its_profile_where_that_is_kept() {
    let world = World::new();
    let path = world.drop_in("a.xml", &one_visit(303).bytes).display().to_string();
    let sets = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/profiles/r4.json");
    let mut set: Value = serde_json::from_slice(&fs::read(sets).unwrap()).unwrap();
    set["name"] = "third".into();
    set["identifiers"]["patient"]["system"] = "urn:third:patient-number".into();
    let folder = world.path("plugins").join("profiles");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("third.json"), set.to_string()).unwrap();
    fs::write(folder.join("third.claims.json"), r#"{"Patient":["urn:third:patient"]}"#).unwrap();
    let mapped_where_needed = |element: &str| {
        let definitions = serde_json::json!([{
            "url": "urn:third:patient",
            "type": "Patient",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
            "differential": {"element": [{"id": format!("Patient.{element}"), "min": 1}]},
        }]);
        fs::write(folder.join("third.definitions.json"), definitions.to_string()).unwrap();
        let done = world.run(&["map", "--plugin", "vn.qd3176", "--profile", "third", "--json", &path]);
        let line: Value = serde_json::from_str(done.with(0).out.trim()).unwrap();
        let entries = line["bundle"]["entry"].as_array().unwrap();
        let patient = entries
            .iter()
            .map(|entry| entry["resource"].clone())
            .find(|resource| resource["resourceType"] == "Patient");
        let issues = line["issues"].as_array().unwrap();
        let missed = issues.iter().any(|issue| issue["code"] == "FHIR-PROFILE");
        (patient.unwrap(), missed)
    };
    let (patient, missed) = mapped_where_needed("birthDate");
    assert_eq!(patient["meta"]["profile"], serde_json::json!(["urn:third:patient"]));
    let identifiers = patient["identifier"].as_array().unwrap();
    assert!(
        identifiers
            .iter()
            .any(|one| one["system"] == "urn:third:patient-number"),
        "{identifiers:?}"
    );
    assert!(!missed);
    // Nothing of a visit tells of it.
    let (patient, missed) = mapped_where_needed("multipleBirth[x]");
    assert!(patient.get("meta").is_none() && missed, "{patient}");
}

#[test]
fn plugin_inspect_tells_what_it_is_without_running_it() {
    let done = vhr_agent(&["plugin", "inspect", &build_plugin().display().to_string()]).with(0);
    for word in ["vn.qd3176", "contract", "sha256", "vhr:mapper/transform@1.0.0"] {
        assert!(done.out.contains(word), "{word} is missing: {}", done.out);
    }
    assert!(
        !done.out.contains("wasi"),
        "it asks for nothing of the system: {}",
        done.out
    );
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.wasm");
    fs::write(&junk, b"\0asm junk").unwrap();
    vhr_agent(&["plugin", "inspect", &junk.display().to_string()]).with(65);
}

#[test]
fn a_plugin_of_no_use_stops_the_start_and_says_which() {
    let world = World::new();
    fs::remove_file(world.path("plugins").join("vn.qd3176.wasm")).unwrap();
    fs::write(world.path("plugins").join("vn.qd3176.wasm"), b"\0asm junk").unwrap();
    let done = world.once().with(78);
    assert!(done.err.contains("vn.qd3176"), "{}", done.err);
}

#[test]
fn status_tells_since_when_the_service_runs() {
    let world = World::new();
    let service = world.service();
    let since = || world.run(&["status", "--json"]).with(0).json();
    let (first, second) = (since(), since());
    assert_eq!(first["since"], second["since"]);
    assert_ne!(first["at"], second["at"]);
    assert_ne!(first["since"], first["at"]);
    drop(service);
}

#[test]
fn status_before_the_first_start_ends_with_3() {
    let world = World::new();
    let done = world.run(&["status"]).with(3);
    assert_eq!(done.out, "");
    world.run(&["queue", "ls"]).with(3);
}

#[test]
fn status_json_has_the_keys_of_schema_1() {
    let world = World::new();
    world.drop_all(&plain(303, 1));
    world.once().with(0);
    let status = world.run(&["status", "--json"]).with(3).json();
    let has = |value: &Value, keys: &[&str]| {
        for key in keys {
            assert!(value.get(key).is_some(), "{key} is missing: {value}");
        }
    };
    assert_eq!(status["schema"], 1);
    has(
        &status,
        &[
            "version",
            "running",
            "since",
            "site",
            "sources",
            "endpoints",
            "plugins",
            "storage",
        ],
    );
    has(
        &status["sources"][0],
        &[
            "name",
            "seen",
            "accepted",
            "set_aside",
            "records",
            "refused",
            "last_accepted",
        ],
    );
    has(
        &status["endpoints"][0],
        &[
            "name",
            "kind",
            "waiting",
            "sending",
            "delivered",
            "parked",
            "superseded",
            "oldest_waiting_s",
            "next_window",
            "breaker",
        ],
    );
    has(&status["plugins"][0], &["id", "version", "sha256"]);
    has(&status["storage"], &["free_bytes", "used_bytes", "index_rebuilt"]);
    assert_eq!(status["plugins"][0]["id"], "vn.qd3176");
    assert_eq!(status["storage"]["index_rebuilt"], Value::Null);
}

#[test]
fn receipts_go_into_a_csv_file_that_a_spreadsheet_opens() {
    let world = World::new();
    world.drop_all(&plain(304, 2));
    world.once().with(0);
    let csv = world.path("receipts.csv");
    let done = world.run(&["receipts", "--csv", &csv.display().to_string()]).with(0);
    assert_eq!(done.out, "");
    let text = fs::read_to_string(csv).unwrap();
    assert!(text.starts_with('\u{feff}'), "Excel needs the mark to read Vietnamese");
    assert_eq!(text.lines().count(), 5);
    assert_eq!(
        world
            .run(&["receipts", "--to", "2020-01-01"])
            .with(0)
            .out
            .lines()
            .count(),
        1
    );
    assert_eq!(
        world
            .run(&["receipts", "--from", "2020-01-01"])
            .with(0)
            .out
            .lines()
            .count(),
        5
    );
    world.run(&["receipts", "--from", "yesterday"]).with(2);
}

#[test]
fn the_queue_says_no_to_what_it_cannot_do() {
    let world = World::with(Wish {
        fhir: Some("schedule = \"0 0 0 1 1 *\"".into()),
        gateway: None,
        ..Wish::default()
    });
    world.drop_all(&plain(305, 1));
    world.once().with(75);
    world.run(&["queue", "show", "000000000000"]).with(2);
    world.run(&["queue", "retry", "000000000000"]).with(1);
    world.run(&["queue", "drop", "000000000000"]).with(2);
    let id = world.listed("waiting")[0]["id"].as_str().unwrap().to_owned();
    let (short, _) = id.split_at(10);
    assert!(world.run(&["queue", "show", short]).with(0).out.contains(&id));
    world.run(&["queue", "retry", short]).with(0);
    world.once().with(0);
    assert_eq!(
        world.fhir.transactions(),
        1,
        "a person's retry does not wait for the window"
    );
}
