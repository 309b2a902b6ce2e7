//! When what was out of reach: one outage is listed as one, whatever became of the agent meanwhile.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use vhr_agent::demo::receivers::Answer;
use vhr_core::time::Timestamp;

use crate::harness::{Wish, World, eventually, plain};

fn outages(world: &World) -> Vec<Value> {
    let listed = world.run(&["outages", "--json"]).with(0).json();
    listed.as_array().cloned().expect("a list")
}

fn only_fhir(url: Option<&str>) -> Wish {
    Wish {
        fhir_url: url.map(str::to_owned),
        gateway: None,
        ..Wish::default()
    }
}

/// Nobody listens there.
const NOWHERE: Option<&str> = Some("https://khong-co-that.invalid");

fn unreachable_since(world: &World) -> Option<String> {
    let status = world.run(&["status", "--json"]).json();
    status["endpoints"][0]["unreachable_since"].as_str().map(str::to_owned)
}

fn time(value: &Value) -> Timestamp {
    Timestamp::parse_rfc3339(value.as_str().expect("a time")).expect("a time")
}

#[test]
fn a_receiver_that_is_down_for_a_while_is_one_outage_with_begin_end_and_what_waited() {
    let world = World::with(only_fhir(None));
    world.fhir.script(vec![Answer::DropBeforeReading; 2]);
    let service = world.service();
    world.drop_all(&plain(701, 1));
    eventually("it is told", || unreachable_since(&world).is_some());
    let begun = outages(&world);
    assert_eq!((begun.len(), &begun[0]["to"]), (1, &Value::Null));
    eventually("it arrives", || world.receipts().len() == 1);
    assert_eq!(unreachable_since(&world), None);
    eventually("its end is told", || outages(&world)[0]["to"].is_string());
    let listed = outages(&world);
    assert_eq!(listed.len(), 1, "{listed:?}");
    let outage = &listed[0];
    assert_eq!((&outage["what"], &outage["name"]), (&"endpoint".into(), &"vhr".into()));
    assert_eq!((&outage["attempts"], &outage["waiting"]), (&2.into(), &1.into()));
    assert!(time(&outage["from"]) < time(&outage["to"]));
    assert!(outage["vi"].as_str().is_some_and(|vi| !vi.is_empty()));
    // The same, when the service does not run; and for a spreadsheet.
    service.terminate().with(0);
    assert_eq!(outages(&world), listed);
    let file = world.path("su-co.csv");
    world.run(&["outages", "--csv", &file.display().to_string()]).with(0);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("\u{feff}từ (from),"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains(",nơi nhận (endpoint),vhr,"), "{text}");
    let none = world.run(&["outages", "--json", "--to", "2020-01-01"]).with(0);
    assert_eq!(none.json(), Value::Array(vec![]));
    world.run(&["outages", "--from", "01/01/2026"]).with(2);
}

#[test]
fn an_outage_goes_on_over_a_restart_and_over_single_passes() {
    let world = World::with(only_fhir(NOWHERE));
    world.drop_all(&plain(702, 1));
    let service = world.service();
    eventually("it is told", || unreachable_since(&world).is_some());
    let from = unreachable_since(&world).unwrap();
    service.terminate().with(0);
    assert_eq!(outages(&world)[0]["to"], Value::Null);
    world.run(&["run", "--once", "--now"]).with(75);
    let service = world.service();
    assert_eq!(unreachable_since(&world), Some(from.clone()));
    service.terminate().with(0);
    world.configure(&only_fhir(None));
    world.run(&["run", "--once", "--now"]).with(0);
    let listed = outages(&world);
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["from"], Value::String(from));
    assert!(
        listed[0]["to"].is_string() && listed[0]["attempts"].as_u64() > Some(1),
        "{listed:?}"
    );
}

#[test]
fn a_power_cut_is_the_agents_own_outage_and_makes_no_second_one_of_what_was_out_of_reach() {
    let world = World::with(only_fhir(NOWHERE));
    world.drop_all(&plain(703, 1));
    let service = world.service();
    eventually("it is told", || !outages(&world).is_empty());
    service.kill();
    // As if the machine had been off for an hour.
    let alive = world.path("state").join("alive");
    let text = fs::read_to_string(&alive).unwrap();
    let mut sign: Value = serde_json::from_str(&text).unwrap();
    let last = Timestamp::from_millis(sign["at"].as_i64().unwrap()).minus(Duration::from_secs(3600));
    sign["at"] = last.millis().into();
    fs::write(&alive, sign.to_string()).unwrap();
    let service = world.service();
    let own = || outages(&world).into_iter().find(|outage| outage["what"] == "agent");
    eventually("it tells of its own", || own().is_some());
    let own = own().unwrap();
    assert_eq!((&own["kinds"][0], &own["waiting"]), (&"cut".into(), &1.into()));
    assert_eq!(time(&own["from"]), last);
    assert!((3600..3700).contains(&own["seconds"].as_u64().unwrap()), "{own}");
    service.kill();
    world.configure(&only_fhir(None));
    world.run(&["run", "--once", "--now"]).with(0);
    let listed = outages(&world);
    assert_eq!(listed.len(), 2, "{listed:?}");
    let endpoint = listed.iter().find(|outage| outage["what"] == "endpoint").unwrap();
    assert!(endpoint["to"].is_string(), "{endpoint}");
}

#[test]
fn a_folder_that_is_not_there_is_an_outage_of_its_source() {
    let world = World::new();
    let service = world.service();
    let (here, away) = (world.exports(), world.path("away"));
    fs::rename(&here, &away).unwrap();
    let ended = |wanted: bool| outages(&world).iter().any(|outage| outage["to"].is_string() == wanted);
    eventually("it is written down", || ended(false));
    fs::rename(&away, &here).unwrap();
    eventually("its end, too", || ended(true));
    let listed = outages(&world);
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(
        (&listed[0]["what"], &listed[0]["name"]),
        (&"source".into(), &"his".into())
    );
    service.terminate().with(0);
}
