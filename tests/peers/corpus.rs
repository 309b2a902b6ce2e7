//! Two thousand invented visits over all sixteen tables, in every oddity: a real FHIR server that checks what it is sent
//! takes each of them, and finds every kind of resource in them to be what the Ministry's profiles ask for.
//!
//! Takes minutes, so only where `VHR_HFS` names the server, as `.ci/run` does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Once;

use serde_json::Value;
use vhr_agent::demo::exports::{Oddity, Options, generate};

use super::hfs::Hfs;
use crate::harness::World;

/// Together two thousand. The server is asked about the profiles beside the longer part, once the shorter one is done.
const IN_PLAIN_R4: usize = 800;
const IN_THE_NATIONAL_PROFILE: usize = 1_200;
/// Of every so many visits each resource is validated; of all others those that look like none before.
const EVERY: usize = 10;

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
    let (mut seen, mut kinds, mut asked) = (BTreeSet::new(), BTreeSet::new(), 0);
    let mut failed: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for (nth, bundle) in mapped("moh-ehealth-1.0", 604, IN_THE_NATIONAL_PROFILE)
        .iter()
        .enumerate()
    {
        for entry in bundle["entry"].as_array().unwrap() {
            let resource = &entry["resource"];
            let kind = resource["resourceType"].as_str().unwrap();
            if !seen.insert(shape(resource)) && nth % EVERY != 0 {
                continue;
            }
            kinds.insert(kind.to_owned());
            asked += 1;
            let profile = profile(resource).map_or(String::new(), |name| format!("?profile={CORE}{name}"));
            let answer = server.ask("POST", &format!("/{kind}/$validate{profile}"), &resource.to_string());
            let (_, outcome) = answer.unwrap_or_else(|| panic!("no answer about a {kind}"));
            assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
            for issue in outcome["issue"].as_array().unwrap() {
                let is_error = issue["severity"] == "error" || issue["severity"] == "fatal";
                if is_error && !is_absent_with_a_reason(issue, resource) {
                    let key = (kind.to_owned(), profile.clone(), said(issue));
                    *failed.entry(key).or_default() += 1;
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(asked > 2_000, "{asked}");
    // Every kind of resource that the plugin makes.
    assert_eq!(kinds.len(), 18, "{kinds:?}");
    assert!(PROFILES.iter().all(|(kind, _)| kinds.contains(*kind)), "{kinds:?}");
}

const CORE: &str = "http://fhir.ehealth.gov.vn/core/StructureDefinition/";

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
    let files = generate(&options).map(|file| {
        let path = world.exports().join(&file.name);
        fs::write(&path, &file.bytes).unwrap();
        path.display().to_string()
    });
    let files: Vec<String> = files.collect();
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
    assert_eq!(bundles.len(), visits);
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

/// Results of tests are meant to be the Ministry's results; of other observations its guide has no general profile.
fn profile(resource: &Value) -> Option<&'static str> {
    let of_tests = ["laboratory", "imaging"];
    let kind = resource["resourceType"].as_str()?;
    if kind == "Observation"
        && !of_tests
            .iter()
            .any(|code| resource["category"][0]["coding"][0]["code"] == *code)
    {
        return None;
    }
    PROFILES.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
}

/// What a resource looks like: its elements, and the codes that stand for the plugin's own choices.
fn shape(value: &Value) -> String {
    let own = [
        "resourceType",
        "system",
        "url",
        "status",
        "use",
        "intent",
        "type",
        "unit",
    ];
    match value {
        Value::Object(fields) => {
            let field = |(name, inner): (&String, &Value)| match inner {
                Value::String(text) if own.contains(&name.as_str()) => format!("{name}={text}"),
                inner => format!("{name}:{}", shape(inner)),
            };
            let fields: BTreeSet<String> = fields.iter().map(field).collect();
            format!("{{{}}}", fields.into_iter().collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            let items: BTreeSet<String> = items.iter().map(shape).collect();
            format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
        }
        Value::String(_) => "s".to_owned(),
        Value::Number(_) => "n".to_owned(),
        Value::Bool(_) => "b".to_owned(),
        Value::Null => "null".to_owned(),
    }
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
