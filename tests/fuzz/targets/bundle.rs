//! Any resources of one visit: no Bundle, or one that is JSON, canonical, the same each time, and refers to nothing that is not there.

use serde_json::Value;
use vhr_core::bundle::{self, Resource, Scope};

/// What stands in resources.
pub const WORDS: &[&str] = &[
    "Patient|1|v|",
    "Organization|1|http://a|b|",
    "\n",
    "urn:key:Patient|1",
    "\"reference\":",
    "\"identifier\":[",
    "\"resourceType\":\"Patient\"",
    "\"id\":",
    "\"meta\":",
    "\\u00e9",
    "1e400",
    "1.50",
    "\"\":",
    "[[[[",
];

/// A visit's resources, all and one by one.
pub fn seeds() -> Vec<Vec<u8>> {
    let lines: Vec<String> = crate::invented::resources()
        .into_iter()
        .map(|(kind, key, json)| format!("{kind}\t{key}\t\t{json}\n"))
        .collect();
    let mut seeds: Vec<Vec<u8>> = lines.iter().map(|line| line.clone().into_bytes()).collect();
    seeds.extend(lines.chunks(8).map(|lines| lines.concat().into_bytes()));
    seeds
}

/// Each line one resource: type, key, whose it is, JSON.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let resources: Vec<Resource> = text.lines().filter_map(resource).collect();
    let count = resources.len();
    let build = || bundle::build("79999", "LK1", &resources, |_| None);
    let Ok(built) = build() else {
        return;
    };
    assert_eq!(build().as_ref(), Ok(&built), "the same again");
    let read: Value = serde_json::from_str(&built.json).expect("a Bundle is JSON");
    let entries = read["entry"].as_array().expect("a Bundle has entries");
    assert_eq!(entries.len(), count);
    for entry in entries {
        assert!(
            entry["fullUrl"].is_string() && entry["request"]["method"].is_string() && entry["resource"].is_object()
        );
        dangles(&entry["resource"]);
    }
}

fn dangles(value: &Value) {
    match value {
        Value::Object(members) => {
            let reference = members.get("reference").and_then(Value::as_str);
            assert!(
                !reference.is_some_and(|to| to.starts_with("urn:key:")),
                "a reference was left"
            );
            members.values().for_each(dangles);
        }
        Value::Array(items) => items.iter().for_each(dangles),
        _ => {}
    }
}

fn resource(line: &str) -> Option<Resource> {
    let mut cells = line.splitn(4, '\t');
    let (kind, key, scope) = (cells.next()?, cells.next()?, cells.next()?);
    Some(Resource {
        kind: kind.to_owned(),
        key: key.to_owned(),
        scope: match scope {
            "" => Scope::Visit,
            "f" => Scope::Facility,
            identifier => Scope::Shared {
                identifier: identifier.to_owned(),
            },
        },
        json: cells.next()?.to_owned(),
    })
}
