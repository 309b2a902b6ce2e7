//! What every test here starts from: an invented visit, the two profile sets, and a way to look at what came out.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by several test files, each using its own part"
)]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vhr_plugin_sdk::{Context, Mapped, Outcome, record};

pub const MOH: &str = include_str!("../../../../configs/profiles/moh-ehealth-1.0.json");
pub const R4: &str = include_str!("../../../../configs/profiles/r4.json");
pub const SETS: [&str; 2] = [MOH, R4];

/// One stay of an invented patient with something in every field that matters.
pub fn visit() -> Value {
    serde_json::from_str(include_str!("../../golden/visit.json")).unwrap()
}

/// A stay of another invented patient with a row in each of the tables XML6 to XML15.
pub fn papers() -> Value {
    serde_json::from_str(include_str!("../../golden/papers.json")).unwrap()
}

/// A check-in of a third one.
pub fn check_in() -> Value {
    serde_json::from_str(include_str!("../../golden/checkin.json")).unwrap()
}

/// The smallest visit that can be mapped.
pub fn bare() -> Value {
    json!({"XML1": [{"MA_LK": "L1"}]})
}

pub fn context(profile: &str) -> Context {
    Context {
        config_json: format!(r#"{{"profile":{profile},"settings":{{"facility_name":"Bệnh viện Ví Dụ"}}}}"#),
        received_at: "2026-03-07T00:00:00Z".into(),
        facility: "79999".into(),
        profile: "test".into(),
        ext: Vec::new(),
    }
}

pub fn outcome(visit: &Value, profile: &str) -> Outcome {
    let batch = [record(1, "HOSO[1]", visit.to_string())];
    vhr_plugin_qd3176::map_batch(&context(profile), &batch)
        .unwrap()
        .remove(0)
        .outcome
}

pub fn mapped(visit: &Value, profile: &str) -> Mapped {
    match outcome(visit, profile) {
        Outcome::Mapped(mapped) => mapped,
        Outcome::Rejected(issues) => panic!("rejected: {issues:?}"),
        Outcome::Skipped(issue) => panic!("skipped: {issue:?}"),
    }
}

/// What came out, by `Type/key`.
pub struct Out {
    pub resources: BTreeMap<String, Value>,
    pub mapped: Mapped,
}

pub fn out(visit: &Value, profile: &str) -> Out {
    let mapped = mapped(visit, profile);
    let resources = mapped
        .resources
        .iter()
        .map(|resource| {
            let value: Value = serde_json::from_str(&resource.json).expect("well-formed JSON");
            assert_eq!(value["resourceType"], resource.resource_type.as_str());
            (format!("{}/{}", resource.resource_type, resource.key), value)
        })
        .collect();
    Out { resources, mapped }
}

impl Out {
    /// `out["Patient/BN1"]` that says what there is when there is no such thing.
    pub fn get(&self, name: &str) -> &Value {
        self.resources
            .get(name)
            .unwrap_or_else(|| panic!("{name} not in {:?}", self.resources.keys().collect::<Vec<_>>()))
    }

    pub fn has(&self, name: &str) -> bool {
        self.resources.contains_key(name)
    }

    pub fn count(&self, resource_type: &str) -> usize {
        self.mapped
            .resources
            .iter()
            .filter(|resource| resource.resource_type == resource_type)
            .count()
    }

    /// `CODE path` of every issue.
    pub fn issues(&self) -> Vec<String> {
        self.mapped
            .issues
            .iter()
            .map(|issue| format!("{} {}", issue.code, issue.source_path))
            .collect()
    }

    pub fn warned(&self, issue: &str) -> bool {
        self.issues().iter().any(|known| known == issue)
    }
}

/// The visit with fields of XML1 changed; `Value::Null` takes a field away.
pub fn with(mut visit: Value, changes: Value) -> Value {
    change(&mut visit["XML1"][0], changes);
    visit
}

/// The visit with fields of one row of a table changed.
pub fn with_row(mut visit: Value, table: &str, row: usize, changes: Value) -> Value {
    change(&mut visit[table][row], changes);
    visit
}

fn change(row: &mut Value, changes: Value) {
    let row = row.as_object_mut().unwrap();
    for (field, value) in changes.as_object().unwrap() {
        if value.is_null() {
            row.remove(field);
        } else {
            row.insert(field.clone(), value.clone());
        }
    }
}

/// A number as it stands in the JSON, digit by digit.
pub fn digits(value: &Value) -> String {
    assert!(value.is_number(), "{value} is not a number");
    value.to_string()
}
