//! The Bundle made the plain way, over serde_json's `Value`: what [`super::build`] must give byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Bundle, Fault, MAX_RESOURCES, Resource, Scope, Share, TAKEN, UUID_SYSTEM, query_value, shown};

fn build(facility: &str, visit: &str, resources: Vec<Resource>) -> Result<Bundle, Vec<Fault>> {
    if resources.is_empty() {
        return Err(vec![Fault::Empty]);
    }
    if resources.len() > MAX_RESOURCES {
        return Err(vec![Fault::TooMany(resources.len())]);
    }
    let mut faults = Vec::new();
    let mut full_urls = BTreeMap::new();
    for (at, resource) in resources.iter().enumerate() {
        let uuid = uuid_of(facility, visit, resource);
        if full_urls
            .insert(key_url(&resource.kind, &resource.key), format!("urn:uuid:{uuid}"))
            .is_some()
        {
            faults.push(Fault::KeyTwice {
                kind: shown(&resource.kind).to_owned(),
                place: at + 1,
            });
        }
    }
    let mut shares = BTreeSet::new();
    let mut bundle = String::with_capacity(resources.iter().map(|resource| resource.json.len() + 400).sum());
    bundle.push_str("{\"entry\":");
    for (at, resource) in resources.into_iter().enumerate() {
        bundle.push(if at == 0 { '[' } else { ',' });
        match entry(&resource, at + 1, &full_urls, &mut shares) {
            Ok(entry) => entry.write(&mut bundle),
            Err(found) => faults.extend(found),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let uuid = name_uuid(&[facility, visit, "Bundle"]);
    let identifier = json!({"system": UUID_SYSTEM, "value": format!("urn:uuid:{uuid}")});
    bundle.push_str("],\"identifier\":");
    write_json(&mut bundle, &identifier);
    bundle.push_str(",\"resourceType\":\"Bundle\",\"type\":\"transaction\"}");
    Ok(Bundle { json: bundle, shares })
}

struct Entry {
    full_url: String,
    request: Value,
    resource: Map<String, Value>,
}

impl Entry {
    fn write(&self, bundle: &mut String) {
        bundle.push_str("{\"fullUrl\":");
        write_json(bundle, &self.full_url);
        bundle.push_str(",\"request\":");
        write_json(bundle, &self.request);
        bundle.push_str(",\"resource\":");
        write_json(bundle, &self.resource);
        bundle.push('}');
    }
}

fn write_json(out: &mut String, value: &impl Serialize) {
    out.push_str(&serde_json::to_string(value).expect("JSON just read, or text: all its keys are strings"));
}

fn key_url(kind: &str, key: &str) -> String {
    format!("urn:key:{kind}|{key}")
}

fn uuid_of(facility: &str, visit: &str, resource: &Resource) -> Uuid {
    match &resource.scope {
        Scope::Visit => name_uuid(&[facility, visit, &resource.kind, &resource.key]),
        Scope::Facility => name_uuid(&[facility, &resource.kind, &resource.key]),
        Scope::Shared { identifier } => name_uuid(&[&resource.kind, identifier]),
    }
}

fn name_uuid(parts: &[&str]) -> Uuid {
    Uuid::new_v5(
        &Uuid::NAMESPACE_OID,
        format!("vhr\u{1f}{}", parts.join("\u{1f}")).as_bytes(),
    )
}

fn entry(
    resource: &Resource,
    place: usize,
    full_urls: &BTreeMap<String, String>,
    shares: &mut BTreeSet<Share>,
) -> Result<Entry, Vec<Fault>> {
    let kind = &resource.kind;
    let fault = |make: fn(String, usize) -> Fault| vec![make(shown(kind).to_owned(), place)];
    if !TAKEN.contains(&kind.as_str()) {
        return Err(fault(|kind, place| Fault::NotTaken { kind, place }));
    }
    let mut content: Map<String, Value> = serde_json::from_str(&resource.json).map_err(|e| {
        let why = format!("line {}, column {}", e.line(), e.column());
        vec![Fault::NotJson {
            kind: shown(kind).to_owned(),
            place,
            why,
        }]
    })?;
    if content.get("resourceType").and_then(Value::as_str) != Some(kind) {
        return Err(fault(|kind, place| Fault::WrongType { kind, place }));
    }
    if content.contains_key("id") {
        return Err(fault(|kind, place| Fault::OwnId { kind, place }));
    }
    let mut dangling = Vec::new();
    for value in content.values_mut() {
        resolve(value, full_urls, &mut dangling);
    }
    if !dangling.is_empty() {
        return Err(dangling
            .into_iter()
            .map(|to| Fault::Dangling {
                kind: shown(kind).to_owned(),
                place,
                to,
            })
            .collect());
    }
    let full_url = full_urls[&key_url(kind, &resource.key)].clone();
    let request = match &resource.scope {
        Scope::Shared { identifier } => {
            let condition = format!("identifier={}", query_value(identifier));
            shares.insert(Share {
                condition: format!("{kind}?{condition}"),
                changes: false,
            });
            json!({"method": "POST", "url": kind, "ifNoneExist": condition})
        }
        scope => {
            let identifiers = content.entry("identifier").or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = identifiers {
                list.push(json!({"system": UUID_SYSTEM, "value": full_url}));
            }
            let url = format!("{kind}?identifier={UUID_SYSTEM}|{full_url}");
            if *scope == Scope::Facility {
                shares.insert(Share {
                    condition: url.clone(),
                    changes: true,
                });
            }
            json!({"method": "PUT", "url": url})
        }
    };
    Ok(Entry {
        full_url,
        request,
        resource: content,
    })
}

/// Turns `urn:key:` references into the fullUrls of this Bundle.
fn resolve(value: &mut Value, full_urls: &BTreeMap<String, String>, dangling: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(to) if name == "reference" && to.starts_with("urn:key:") => {
                        match full_urls.get(to.as_str()) {
                            Some(url) => to.clone_from(url),
                            None => {
                                let kind = to["urn:key:".len()..].split('|').next().unwrap_or_default();
                                dangling.push(shown(kind).to_owned());
                            }
                        }
                    }
                    other => resolve(other, full_urls, dangling),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, full_urls, dangling)),
        _ => {}
    }
}

/// JSON: every way to write a string, a number and a key that a reader may take differently, and sometimes a wrong one.
fn json() -> impl Strategy<Value = String> {
    let other = [
        "null",
        "true",
        "false",
        "{}",
        "[]",
        " [ ] ",
        "\t{\n}",
        r#"{"$serde_json::private::Number":"1E5"}"#,
        r#"{"$serde_json::private::Number":"2.50" , "a":1}"#,
        r#"{"a":1,"$serde_json::private::Number":"2.50"}"#,
        r#"{"$serde_json::private::RawValue":"[ 1 ]"}"#,
    ];
    let wrong = [
        "nul",
        "01",
        "-",
        "1.",
        ".5",
        "+1",
        "1e",
        "NaN",
        "",
        "\"\n\"",
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\x""#,
        r#"{"a"}"#,
        "[1,]",
        r#"{"$serde_json::private::Number":"1x"}"#,
        r#"{"$serde_json::private::Number":1}"#,
    ];
    let leaf = prop_oneof![
        40 => string(),
        20 => number(),
        10 => prop::sample::select(other.to_vec()).prop_map(str::to_owned),
        1 => prop::sample::select(wrong.to_vec()).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(" ,")));
        let members = prop::collection::vec((key(), inner), 0..6).prop_map(|members| {
            let members: Vec<_> = members.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{{}}}", members.join(",\n"))
        });
        prop_oneof![2 => members, 1 => list]
    })
}

fn key() -> impl Strategy<Value = String> {
    let known = [
        "a",
        "b",
        r"\u0061",
        "",
        r"z\n",
        "á",
        r"\u00e1",
        "😀",
        r"\ud83d\ude00",
        "\u{fffd}",
        "reference",
        r"refer\u0065nce",
        "reference",
        "identifier",
        "type",
        "resourceTypes",
    ];
    let special = [
        "id",
        r"i\u0064",
        "resourceType",
        "$serde_json::private::Number",
        "$serde_json::private::RawValue",
    ];
    let quoted = |key: &str| format!("\"{key}\"");
    prop_oneof![
        30 => prop::sample::select(known.to_vec()).prop_map(quoted),
        1 => prop::sample::select(special.to_vec()).prop_map(quoted),
        3 => string(),
    ]
}

fn number() -> impl Strategy<Value = String> {
    let known = [
        "0",
        "-0",
        "0.0",
        "-0.0",
        "1.50",
        "1e5",
        "1E5",
        "1e-05",
        "1.0E+400",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
    ];
    prop_oneof![
        2 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => r"-?[1-9][0-9]{0,40}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?",
    ]
}

fn string() -> impl Strategy<Value = String> {
    let known = [
        "urn:key:Patient|p",
        "urn:key:Patient|p",
        r"urn:k\u0065y:Patient|p",
        "urn:uuid:x",
        "1.50",
        "1E5",
        "1x",
        "Patient",
        "Encounter",
        r#"Khám \"bệnh\""#,
        r"\/\b\f\n\r\t\\",
        "\\u0000\\u001F\\u007f\u{7f}",
        r"\ud83d\ude00",
        "\u{2028}",
    ];
    let dangling = [
        "urn:key:Patient|none",
        r"urn:key:None\n|x",
        r"urn:k\u0065y:",
        r"urn:key:Encounter|\u0070|",
    ];
    let quoted = |text: &str| format!("\"{text}\"");
    prop_oneof![
        40 => prop::sample::select(known.to_vec()).prop_map(quoted),
        10 => any::<String>().prop_map(|text| Value::from(text).to_string()),
        2 => prop::sample::select(dangling.to_vec()).prop_map(quoted),
    ]
}

fn resource() -> impl Strategy<Value = Resource> {
    let kind = prop_oneof![15 => Just("Patient"), 15 => Just("Encounter"), 1 => Just("Bundle"), 1 => Just("Patient|p")];
    let scope = prop_oneof![
        2 => Just(Scope::Visit),
        1 => Just(Scope::Facility),
        1 => "[ a|&\"\\\\é]{0,6}".prop_map(|identifier| Scope::Shared { identifier }),
    ];
    let member = prop_oneof![
        8 => (key(), json()).prop_map(|(key, value)| format!("{key} :{value}")),
        1 => json().prop_map(|value| format!("\"identifier\":[{value}]")),
    ];
    let damage = prop_oneof![
        12 => Just(None),
        1 => any::<(prop::sample::Index, Option<char>)>().prop_map(Some)
    ];
    let members = prop::collection::vec(member, 0..6);
    (kind, "[q-z]", scope, members, 0..20usize, damage).prop_map(|(kind, key, scope, mut members, typed, damage)| {
        if typed > 0 {
            members.insert(typed % (members.len() + 1), format!("\"resourceType\":\"{kind}\""));
        }
        let mut json = format!(" {{{}}} ", members.join(" , "));
        if let Some((at, put)) = damage {
            let (at, _) = json.char_indices().nth(at.index(json.chars().count())).unwrap();
            match put {
                Some(put) => json.insert(at, put),
                None => json.truncate(at),
            }
        }
        Resource {
            kind: kind.into(),
            key,
            scope,
            json,
        }
    })
}

fn patient(json: String) -> Resource {
    Resource {
        kind: "Patient".into(),
        key: "p".into(),
        scope: Scope::Visit,
        json,
    }
}

fn same(resources: Vec<Resource>) {
    let plain = build("79999", "LK1", resources.clone());
    assert_eq!(built(&resources), plain);
}

fn built(resources: &[Resource]) -> Result<Bundle, Vec<Fault>> {
    super::build("79999", "LK1", resources, |_| None)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_bundle_and_its_faults_are_those_of_the_plain_way(mut resources in prop::collection::vec(resource(), 0..3), alone in json()) {
        same(vec![patient(alone)]);
        resources.insert(0, patient(r#"{"resourceType":"Patient"}"#.into()));
        same(resources);
    }
}

#[test]
fn a_whole_visit_is_written_as_the_plain_way_does() {
    let golden = include_str!("../../../../plugins/qd3176/golden/visit.r4.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let resources = golden["resources"].as_array().unwrap().iter().map(|resource| Resource {
        kind: text(&resource["type"]),
        key: text(&resource["key"]),
        scope: Scope::Visit,
        json: resource["resource"].to_string(),
    });
    let resources: Vec<_> = resources.collect();
    assert!(build("79999", "LK1", resources.clone()).is_ok());
    same(resources);
}

#[test]
fn references_to_nothing_are_told_in_the_order_of_the_keys_and_once_per_key() {
    let to = |kind: &str| format!(r#"{{"reference":"urn:key:{kind}|x"}}"#);
    let inner = format!(r#"{{"c":[{}],"b":{},"b":{}}}"#, to("C"), to("B"), to("D"));
    let json = format!(
        r#"{{"z":{},"resourceType":"Patient","a":{inner},"y":{},"y":{}}}"#,
        to("Z"),
        to("Y"),
        to("X")
    );
    let faults = built(&[patient(json.clone())]).unwrap_err();
    let told: Vec<_> = faults
        .iter()
        .map(|fault| matches!(fault, Fault::Dangling { to, .. } if "DCXZ".contains(to)))
        .collect();
    assert_eq!(told, [true; 4]);
    same(vec![patient(json)]);
}

#[test]
fn a_reference_to_nothing_counts_no_more_when_its_key_is_given_again() {
    let json = r#"{"resourceType":"Patient","a":{"reference":"urn:key:None|x"},"a":{"c":1,"b":2}}"#;
    assert!(built(&[patient(json.into())]).is_ok());
    same(vec![patient(json.into())]);
}

#[test]
fn the_limit_of_depth_is_that_of_the_plain_way() {
    for depth in 120..135 {
        for (open, close) in [("[", "]"), ("{\"b\":", "}"), ("[{\"b\":1,\"a\":", "}]")] {
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            same(vec![patient(format!(
                r#"{{"resourceType":"Patient","a":{open}1{close}}}"#
            ))]);
        }
    }
}
