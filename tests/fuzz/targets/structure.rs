//! Any JSON as a resource: what the check lets through makes a Bundle, and what is claimed for it holds.

use std::sync::LazyLock;

use serde_json::Value;
use vhr_core::bundle::{self, Fault, Resource, Scope};
use vhr_core::structure::{Structure, Wrong};
use vhr_core::tree::Tree;

/// What stands in resources.
pub const WORDS: &[&str] = &[
    "{\"resourceType\":\"Patient\"",
    "\"meta\":{\"profile\":[",
    "\"extension\":[",
    "\"url\":\"",
    "\"value[x]\"",
    "\"valueString\":\"",
    "null",
    "true",
    "-1.50e2",
    "\"_birthDate\":",
    "\"contained\":[",
    "\"reference\":\"urn:key:Patient|1\"",
    "\"id\":\"",
    "\"2026-02-30\"",
    "\\u0000",
    "\\ud800",
    "[[",
    "\"$serde_json::private::Number\":",
];

static PLAIN: LazyLock<Structure> = LazyLock::new(Structure::r4);
static NATIONAL: LazyLock<Structure> = LazyLock::new(|| {
    let claims = include_str!("../../../configs/profiles/moh-ehealth-1.0.claims.json");
    let definitions = include_str!("../../../configs/profiles/moh-ehealth-1.0.definitions.json");
    let claims = serde_json::from_str(claims).expect("shipped");
    Structure::read(definitions, claims).expect("shipped")
});

/// The resources of a visit.
pub fn seeds() -> Vec<Vec<u8>> {
    crate::invented::resources()
        .into_iter()
        .map(|(_, _, json)| json.into_bytes())
        .collect()
}

/// The text of one resource.
pub fn run(bytes: &[u8]) {
    let Ok(json) = std::str::from_utf8(bytes) else { return };
    for structure in [&*PLAIN, &*NATIONAL] {
        let Ok(tree) = Tree::read(json) else {
            assert!(
                bundle::build("79999", "LK", &[resource("Patient", json)], |_| None).is_err(),
                "what is no JSON makes no Bundle"
            );
            return;
        };
        let checked = structure.check(&tree);
        for found in checked
            .faults
            .iter()
            .chain(checked.missed.iter().flat_map(|(_, found)| found))
        {
            // What is of no type that is sent has no name of its own.
            assert!(found.wrong == Wrong::NotTaken || !found.anywhere().is_empty());
            assert!(!found.wrong.said().vi.is_empty());
        }
        if !checked.faults.is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(json).expect("it was read");
        let kind = value["resourceType"].as_str().expect("a resource has its type");
        match bundle::build("79999", "LK", &[resource(kind, json)], |_| checked.claim) {
            Ok(built) => {
                let built: Value = serde_json::from_str(&built.json).expect("a Bundle is JSON");
                let mut written = built["entry"][0]["resource"].clone();
                // The agent's own, which stands behind those that the plugin gave.
                written.as_object_mut().expect("a resource").remove("identifier");
                let again = written.to_string();
                let again = structure.check(&Tree::read(&again).expect("a Bundle is JSON"));
                assert_eq!(again.faults, [], "what was claimed holds");
            }
            // What it refers to is told of a visit, not of a resource.
            Err(faults) => assert!(
                faults.iter().all(|fault| matches!(fault, Fault::Dangling { .. })),
                "{faults:?}"
            ),
        }
    }
}

fn resource(kind: &str, json: &str) -> Resource {
    Resource {
        kind: kind.to_owned(),
        key: "1".to_owned(),
        scope: Scope::Visit,
        json: json.to_owned(),
    }
}
