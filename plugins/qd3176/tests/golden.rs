//! Whole visits, as they come out under each profile set, byte for byte.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use common::{MOH, R4, check_in, mapped, papers, visit};
use serde_json::{Value, json};

/// After a wanted change: `VHR_WRITE_GOLDEN=1 cargo test -p vhr-plugin-qd3176 --test golden`, then read the difference.
fn compare(visit: &Value, file: &str, profile: &str) {
    let mapped = mapped(visit, profile);
    let resources: Vec<Value> = mapped
        .resources
        .iter()
        .map(|resource| {
            let ext: serde_json::Map<_, _> = resource
                .ext
                .iter()
                .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
                .collect();
            let body: Value = serde_json::from_str(&resource.json).unwrap();
            json!({"type": resource.resource_type, "key": resource.key, "ext": ext, "resource": body})
        })
        .collect();
    let issues: Vec<_> = mapped
        .issues
        .iter()
        .map(|issue| format!("{} {}", issue.code, issue.source_path))
        .collect();
    let made = json!({
        "visit": {"facility": mapped.visit.facility, "key": mapped.visit.key, "ended": mapped.visit.ended, "classes": mapped.visit.classes},
        "resources": resources,
        "issues": issues,
    });
    let path = format!("{}/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("VHR_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{made:#}\n")).unwrap();
    }
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    for (made, golden) in made["resources"]
        .as_array()
        .unwrap()
        .iter()
        .zip(golden["resources"].as_array().unwrap())
    {
        assert_eq!(made, golden, "{} {}", made["type"], made["key"]);
    }
    assert_eq!(made, golden);
}

#[test]
fn the_visit_comes_out_as_recorded_for_the_ministry() {
    compare(&visit(), "visit.moh-ehealth-1.0.json", MOH);
    compare(&papers(), "papers.moh-ehealth-1.0.json", MOH);
    compare(&check_in(), "checkin.moh-ehealth-1.0.json", MOH);
}

#[test]
fn the_visit_comes_out_as_recorded_for_plain_r4() {
    compare(&visit(), "visit.r4.json", R4);
    compare(&papers(), "papers.r4.json", R4);
    compare(&check_in(), "checkin.r4.json", R4);
}
