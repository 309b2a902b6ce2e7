//! What holds for every record: references resolve, keys are unique, nothing empty is written.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use std::collections::BTreeSet;

use common::{SETS, bare, check_in, context, mapped, papers, visit, with};
use serde_json::{Value, json};
use vhr_plugin_sdk::{Outcome, record};

/// Walks everything that came out.
fn walk(value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                visit(name, inner);
                walk(inner, visit);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

fn check(visit: &Value, profile: &str) {
    let mapped = mapped(visit, profile);
    let mut keys = BTreeSet::new();
    for resource in &mapped.resources {
        let name = format!("urn:key:{}|{}", resource.resource_type, resource.key);
        assert!(keys.insert(name.clone()), "{name} twice");
    }
    for resource in &mapped.resources {
        let body: Value = serde_json::from_str(&resource.json).unwrap();
        assert!(body.get("meta").is_none() && body.get("id").is_none());
        walk(&body, &mut |name, inner| {
            if name == "reference" {
                let target = inner.as_str().unwrap();
                let inside = |id: &str| {
                    body["contained"]
                        .as_array()
                        .is_some_and(|all| all.iter().any(|one| one["id"] == id))
                };
                let resolves = target.strip_prefix('#').map_or(keys.contains(target), inside);
                assert!(resolves, "{} refers to {target}", resource.key);
            }
            let empty = match inner {
                Value::String(text) => text.trim().is_empty(),
                Value::Array(items) => items.is_empty(),
                Value::Object(fields) => fields.is_empty(),
                Value::Null => true,
                _ => false,
            };
            assert!(!empty, "empty {name} in {} {}", resource.resource_type, resource.key);
            if name == "code"
                && let Value::String(code) = inner
            {
                assert!(!code.contains("  ") && code.trim() == code);
            }
        });
    }
}

/// A small fixed generator: the same visits on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

const ODD: [&str; 12] = [
    "",
    ";",
    " ; ;",
    "0",
    "-1",
    "20260230",
    "202602300000",
    "a  b",
    "\"|\\\n",
    "1;1;1",
    "Việt\tNam",
    "999999999999999999999999",
];

#[test]
fn references_resolve_and_keys_are_unique_whatever_the_fields_hold() {
    let mut dice = Dice(3176);
    for round in 0..600 {
        let mut visit = [visit, papers, check_in][round % 3]();
        let tables: Vec<String> = visit.as_object().unwrap().keys().cloned().collect();
        for table in &tables {
            let rows = visit[table].as_array_mut().unwrap();
            if !matches!(&**table, "XML0" | "XML1") && dice.roll(6) == 0 {
                rows.truncate(dice.roll(3));
            }
            if table != "XML1" && !rows.is_empty() && dice.roll(4) == 0 {
                let copy = rows[dice.roll(rows.len())].clone();
                rows.push(copy);
            }
            for row in rows.iter_mut() {
                let row = row.as_object_mut().unwrap();
                let fields: Vec<String> = row.keys().filter(|field| *field != "MA_LK").cloned().collect();
                for field in fields {
                    match dice.roll(8) {
                        0 => drop(row.remove(&field)),
                        1 => drop(row.insert(field, ODD[dice.roll(ODD.len())].trim().into())),
                        _ => {}
                    }
                }
            }
        }
        for profile in SETS {
            check(&visit, profile);
        }
    }
}

#[test]
fn the_smallest_visit_holds_together_under_both_sets() {
    for profile in SETS {
        check(&bare(), profile);
        check(&with(bare(), json!({"MA_THE_BHYT": "DN4797912345678"})), profile);
    }
}

#[test]
fn rows_that_share_a_number_are_told_apart_by_their_place() {
    let mut visit = visit();
    for row in visit["XML2"].as_array_mut().unwrap() {
        row["STT"] = json!("1");
    }
    let keys = |visit: &Value| -> Vec<String> {
        let mapped = mapped(visit, common::R4);
        let drugs = mapped
            .resources
            .into_iter()
            .filter(|resource| resource.resource_type == "MedicationRequest");
        drugs.map(|resource| resource.key).collect()
    };
    assert_eq!(keys(&visit), ["XML2-1", "XML2-2"]);
    visit["XML2"][0]["STT"] = json!("8");
    assert_eq!(keys(&visit), ["XML2-8", "XML2-1"], "numbers of their own stay");
    visit["XML2"][0].as_object_mut().unwrap().remove("STT");
    assert_eq!(keys(&visit), ["XML2-1", "XML2-2"], "one without a number: all by place");
}

#[test]
fn the_same_record_gives_the_same_bytes() {
    for profile in SETS {
        assert_eq!(mapped(&visit(), profile), mapped(&visit(), profile));
    }
}

/// The record with the fields of each row from last to first.
fn turned(visit: &Value) -> String {
    let rows = |rows: &Value| {
        let row = |row: &Value| {
            let fields = row.as_object().unwrap().iter().rev();
            let fields: Vec<_> = fields.map(|(name, value)| format!("{}:{value}", json!(name))).collect();
            format!("{{{}}}", fields.join(","))
        };
        rows.as_array().unwrap().iter().map(row).collect::<Vec<_>>().join(",")
    };
    let tables = visit.as_object().unwrap().iter().rev();
    let tables: Vec<_> = tables
        .map(|(name, all)| format!("{}:[{}]", json!(name), rows(all)))
        .collect();
    format!("{{{}}}", tables.join(","))
}

#[test]
fn the_order_of_fields_and_tables_changes_nothing() {
    for visit in [visit(), papers(), check_in()] {
        for profile in SETS {
            let batch = [record(1, "HOSO[1]", turned(&visit))];
            let answers = vhr_plugin_qd3176::map_batch(&context(profile), &batch).unwrap();
            let Outcome::Mapped(other) = &answers[0].outcome else {
                panic!("not mapped")
            };
            assert_eq!(*other, mapped(&visit, profile));
        }
    }
}
