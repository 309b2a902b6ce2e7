//! Two thousand invented visits over all sixteen tables, in every oddity: a real FHIR server that checks what it is sent
//! takes each of them, and finds every resource in them to be what the Ministry's profiles ask for.
//!
//! Takes minutes, so only where `VHR_HFS` names the server, as `.ci/run` does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Once;
use std::thread;

use serde_json::Value;
use vhr_agent::demo::exports::{Oddity, Options, generate};

use super::hfs::Hfs;
use crate::harness::World;

/// Together two thousand. The server is asked about the profiles beside the longer part, once the shorter one is done.
const IN_PLAIN_R4: usize = 800;
const IN_THE_NATIONAL_PROFILE: usize = 1_200;

/// The Ministry's profile of a resource that is clearly meant to be one.
const PROFILES: [(&str, &str); 10] = [
    ("Condition", "vn-core-condition-encounter-diagnosis"),
    ("DiagnosticReport", "vn-core-diagnostic-report"),
    ("Encounter", "vn-core-encounter"),
    ("MedicationRequest", "vn-core-medication-request"),
    ("Observation", "vn-core-obervation-result-base"),
    ("Organization", "vn-core-provider"),
    ("Patient", "vn-core-patient"),
    ("Practitioner", "vn-core-practitioner"),
    ("Procedure", "vn-core-procedure"),
    ("ServiceRequest", "vn-core-service-request"),
];

#[test]
fn a_real_fhir_server_takes_the_whole_corpus_in_plain_r4() {
    every_visit_is_taken("r4", 603, IN_PLAIN_R4);
}

#[test]
fn a_real_fhir_server_takes_the_whole_corpus_in_the_national_profile() {
    every_visit_is_taken("moh-ehealth-1.0", 604, IN_THE_NATIONAL_PROFILE);
}

#[test]
fn what_is_sent_in_the_national_profile_passes_the_ministrys_definitions() {
    let Some(server) = asked_for().then(Hfs::asked_only).flatten() else {
        return;
    };
    for definition in definitions() {
        let id = definition["id"].as_str().unwrap();
        let put = server.ask("PUT", &format!("/StructureDefinition/{id}"), &definition.to_string());
        assert!(matches!(put, Some((200 | 201, _))), "{id}: {put:?}");
    }
    // Each once: those of the house come with every visit.
    let mut resources: BTreeMap<String, Value> = BTreeMap::new();
    for mut bundle in mapped("moh-ehealth-1.0", 604, IN_THE_NATIONAL_PROFILE) {
        for entry in bundle["entry"].as_array_mut().unwrap() {
            let resource = entry["resource"].take();
            resources.insert(resource.to_string(), resource);
        }
    }
    assert!(resources.len() > 20_000, "{}", resources.len());
    let asked: Vec<_> = resources
        .iter()
        .flat_map(|(text, resource)| profiles(resource).map(move |profile| (text, resource, profile)))
        .collect();
    let (one, other) = asked.split_at(asked.len() / 2);
    let failed = thread::scope(|both| {
        let one = both.spawn(|| failures(&server, one));
        let mut failed = failures(&server, other);
        failed.extend(one.join().unwrap());
        failed
    });
    assert!(failed.is_empty(), "{failed:#?}");
    let kinds: BTreeSet<&str> = resources.values().map(kind).collect();
    // Every kind of resource that the plugin makes.
    assert_eq!(kinds.len(), 18, "{kinds:?}");
    assert!(PROFILES.iter().all(|(kind, _)| kinds.contains(*kind)), "{kinds:?}");
}

const CORE: &str = "http://fhir.ehealth.gov.vn/core/StructureDefinition/";

/// What the server finds wrong with resources, each asked about by a profile.
fn failures(server: &Hfs, asked: &[(&String, &Value, String)]) -> BTreeSet<(String, String, String)> {
    let mut failed = BTreeSet::new();
    for (text, resource, profile) in asked {
        let kind = kind(resource);
        let answer = server.ask("POST", &format!("/{kind}/$validate{profile}"), text);
        let (_, outcome) = answer.unwrap_or_else(|| panic!("no answer about a {kind}"));
        assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
        for issue in outcome["issue"].as_array().unwrap() {
            let is_error = issue["severity"] == "error" || issue["severity"] == "fatal";
            if is_error && !is_absent_with_a_reason(issue, resource) {
                failed.insert((kind.to_owned(), profile.clone(), said(issue)));
            }
        }
    }
    failed
}

fn kind(resource: &Value) -> &str {
    resource["resourceType"].as_str().unwrap()
}

fn every_visit_is_taken(profile: &str, seed: u64, visits: usize) {
    let Some(server) = asked_for().then(Hfs::start).flatten() else {
        return;
    };
    let bundles = mapped(profile, seed, visits);
    let refused: Vec<_> = bundles
        .iter()
        .filter_map(|bundle| match server.ask("POST", "/", &bundle.to_string()) {
            Some((200, _)) => None,
            other => Some(format!("{other:?}")),
        })
        .collect();
    assert!(refused.is_empty(), "{} of {visits}: {}", refused.len(), refused[0]);
    assert_eq!(server.count("/Encounter?_summary=count"), visits as u64);
}

fn asked_for() -> bool {
    static SAID: Once = Once::new();
    let asked_for = std::env::var_os("VHR_HFS").is_some();
    if !asked_for {
        SAID.call_once(|| {
            let _ = writeln!(
                std::io::stderr(),
                "peers: the corpus is skipped: VHR_HFS names no server"
            );
        });
    }
    asked_for
}

/// The bundles of the corpus, as the real binary makes them of its files.
fn mapped(profile: &str, seed: u64, visits: usize) -> Vec<Value> {
    let options = Options {
        oddities: Oddity::ALL.to_vec(),
        ..Options::all_tables(seed, visits)
    };
    let world = World::new();
    let mut records = 0;
    let files = generate(&options).map(|file| {
        records += file.visits.len();
        let path = world.exports().join(&file.name);
        fs::write(&path, &file.bytes).unwrap();
        path.display().to_string()
    });
    let files: Vec<String> = files.collect();
    assert!(records >= visits, "one comes in two versions");
    let mut bundles = Vec::new();
    for some in files.chunks(400) {
        let mut arguments = vec!["map", "--plugin", "vn.qd3176", "--profile", profile, "--json"];
        arguments.extend(some.iter().map(String::as_str));
        let done = world.run(&arguments).with(0);
        let lines = done
            .out
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        bundles.extend(lines.map(|mut line| line["bundle"].take()));
    }
    assert_eq!(bundles.len(), records);
    bundles
}

/// The Ministry's definitions and those they rest on. The server takes a choice such as `value[x]` that a differential names
/// without types for one that has none, where it has those of R4: they are written out for it.
fn definitions() -> Vec<Value> {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let r4 = fs::read_to_string(configs.join("fhir/r4.csv")).unwrap();
    let types: HashMap<&str, &str> = r4
        .lines()
        .filter_map(|line| {
            let columns: Vec<&str> = line.split(',').collect();
            Some((*columns.first()?, *columns.get(3)?))
        })
        .collect();
    let text = fs::read(configs.join("profiles/moh-ehealth-1.0.definitions.json")).unwrap();
    let mut definitions: Vec<Value> = serde_json::from_slice(&text).unwrap();
    definitions.retain(|definition| definition["resourceType"] == "StructureDefinition");
    for definition in &mut definitions {
        let elements = definition["differential"]["element"].as_array_mut();
        for element in elements.into_iter().flatten() {
            let path = element["path"].as_str().unwrap();
            if let Some(types) = types.get(path)
                && path.ends_with("[x]")
                && element["type"].is_null()
            {
                let names = types.split('|').map(|name| name.split('(').next().unwrap());
                element["type"] = names.map(|name| serde_json::json!({"code": name})).collect();
            }
        }
    }
    definitions
}

/// By what a resource is asked about: the profile it is clearly meant to keep, those it claims, or else R4 alone.
fn profiles(resource: &Value) -> impl Iterator<Item = String> + use<> {
    let claimed = resource["meta"]["profile"].as_array().into_iter().flatten();
    let claimed = claimed.map(|url| url.as_str().unwrap().to_owned());
    let mut urls: BTreeSet<String> = claimed.collect();
    urls.extend(meant(resource).map(|name| format!("{CORE}{name}")));
    let alone = urls.is_empty().then(String::new);
    urls.into_iter().map(|url| format!("?profile={url}")).chain(alone)
}

/// Results of tests are meant to be the Ministry's results; of other observations its guide has no general profile.
fn meant(resource: &Value) -> Option<&'static str> {
    let of_tests = ["laboratory", "imaging"];
    let kind = kind(resource);
    if kind == "Observation"
        && !of_tests
            .iter()
            .any(|code| resource["category"][0]["coding"][0]["code"] == *code)
    {
        return None;
    }
    PROFILES.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
}

/// An element that is required stands there with the extension that says why it has no value. By FHIR that is an element;
/// the server asks for a value.
fn is_absent_with_a_reason(issue: &Value, resource: &Value) -> bool {
    let text = said(issue);
    let Some(path) = issue["expression"][0]
        .as_str()
        .filter(|_| text.contains(" is required"))
    else {
        return false;
    };
    let mut steps: Vec<&str> = path.split('.').skip(1).collect();
    let Some(last) = steps.pop() else { return false };
    let parent = steps.iter().try_fold(resource, |at, step| match step.split_once('[') {
        Some((name, index)) => at.get(name)?.get(index.trim_end_matches(']').parse::<usize>().ok()?),
        None => at.get(step),
    });
    let told = parent.and_then(Value::as_object).into_iter().flatten();
    told.filter(|(name, _)| name.strip_prefix('_').is_some_and(|name| name.starts_with(last)))
        .any(|(_, element)| {
            let reason = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
            element["extension"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["url"] == reason))
        })
}

/// Without numbers: what is wrong, not where in a list.
fn said(issue: &Value) -> String {
    let words = issue["details"]["text"].as_str().or(issue["diagnostics"].as_str());
    let at = issue["expression"][0].as_str().unwrap_or_default();
    let text = format!("{} ({at})", words.unwrap_or("no words"));
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}
