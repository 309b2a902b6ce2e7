//! Resources of one visit -> one FHIR transaction Bundle: ids, references, conditional requests, canonical bytes.
//!
//! What stays true: the same resources give the same bytes; every reference inside the Bundle resolves; a Bundle sent
//! twice leaves one of everything, because each request is conditional on an identifier.
//! (FHIR R4, <https://hl7.org/fhir/R4/http.html#transaction>.)

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

pub(crate) use canonical::KEY_URL;
use canonical::{Own, write};

use crate::tree::{Node, Tree};

mod canonical;
#[cfg(test)]
mod plain;

/// The system of identifiers that are UUIDs, by FHIR.
const UUID_SYSTEM: &str = "urn:ietf:rfc:3986";
/// Resources of one visit that a plugin may return; more is a plugin gone wild.
const MAX_RESOURCES: usize = 20_000;

/// For whom a resource is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// For this visit only.
    Visit,
    /// For all visits at this facility with the same type and key (a patient).
    Facility,
    /// For everybody who knows this identifier, `system|value` (an organization, a practitioner). Created if absent, never changed.
    Shared {
        /// `system|value`.
        identifier: String,
    },
}

/// One resource as a plugin gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// FHIR resource type.
    pub kind: String,
    /// Unique for its type within the visit; references name it.
    pub key: String,
    /// For whom it is the same.
    pub scope: Scope,
    /// The resource as JSON.
    pub json: String,
}

/// The Bundle of one visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Canonical JSON: no blanks, keys sorted, numbers as written.
    pub json: String,
    /// What it shares with other visits' Bundles.
    pub shares: BTreeSet<Share>,
}

/// A resource that Bundles of several visits write under the same condition: two of them are not sent at the same time,
/// because receivers may then make two of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// The condition of the request.
    pub condition: String,
    /// Changed by each Bundle (a patient), or only made when it is not there yet (an organization).
    pub changes: bool,
}

/// Why resources do not make a Bundle. Texts hold no values of the visit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not one resource.
    #[error("the plugin gave no resource")]
    Empty,
    /// Far too many.
    #[error("the plugin gave {0} resources; at most {MAX_RESOURCES} are taken")]
    TooMany(usize),
    /// The JSON does not parse.
    #[error("{kind} {place}: not JSON ({why})")]
    NotJson {
        /// Type as the plugin names it.
        kind: String,
        /// Which resource of the list, from 1.
        place: usize,
        /// The parser's words: position only.
        why: String,
    },
    /// `resourceType` is missing or another one.
    #[error("{kind} {place}: resourceType in the JSON is not {kind}")]
    WrongType {
        /// Type as the plugin names it.
        kind: String,
        /// Which resource of the list, from 1.
        place: usize,
    },
    /// A type that cannot be sent conditionally.
    #[error("{kind} {place}: resources of this type are not taken in a visit")]
    NotTaken {
        /// Type as the plugin names it.
        kind: String,
        /// Which resource of the list, from 1.
        place: usize,
    },
    /// The agent gives ids.
    #[error("{kind} {place}: has an id of its own; the agent gives ids")]
    OwnId {
        /// Type as the plugin names it.
        kind: String,
        /// Which resource of the list, from 1.
        place: usize,
    },
    /// Two resources under one key.
    #[error("{kind} {place}: the key is used twice")]
    KeyTwice {
        /// Type as the plugin names it.
        kind: String,
        /// Which resource of the list, from 1.
        place: usize,
    },
    /// A reference to nothing.
    #[error("{kind} {place}: refers to a {to} that is not among the visit's resources")]
    Dangling {
        /// Type as the plugin names it.
        kind: String,
        /// Which resource of the list, from 1.
        place: usize,
        /// The type referred to.
        to: String,
    },
}

/// Types with a repeating `identifier`, by which a request can be conditional.
pub(crate) const TAKEN: &[&str] = &[
    "AllergyIntolerance",
    "Appointment",
    "CarePlan",
    "CareTeam",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "EpisodeOfCare",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Goal",
    "Immunization",
    "Location",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "RelatedPerson",
    "ServiceRequest",
    "Specimen",
];

/// Makes the transaction Bundle of the visit `visit` (`MA_LK`) at `facility`. Each resource is read once, one after the other, and
/// `profile` asked which one it is to claim in its `meta`, of which it has none of its own then.
///
/// # Errors
/// All faults found, in the order of the resources.
pub fn build<'p>(
    facility: &str,
    visit: &str,
    resources: &[Resource],
    mut profile: impl FnMut(&Tree<'_>) -> Option<&'p str>,
) -> Result<Bundle, Vec<Fault>> {
    if resources.is_empty() {
        return Err(vec![Fault::Empty]);
    }
    if resources.len() > MAX_RESOURCES {
        return Err(vec![Fault::TooMany(resources.len())]);
    }
    let mut faults = Vec::new();
    let uuids: Vec<Uuid> = resources
        .iter()
        .map(|resource| uuid_of(facility, visit, resource))
        .collect();
    let mut links = HashMap::with_capacity(resources.len());
    for (at, (resource, uuid)) in resources.iter().zip(&uuids).enumerate() {
        let key_url = format!("{KEY_URL}{}|{}", resource.kind, resource.key);
        if links.insert(key_url, *uuid).is_some() {
            faults.push(Fault::KeyTwice {
                kind: shown(&resource.kind).to_owned(),
                place: at + 1,
            });
        }
    }
    let mut making = Making {
        json: String::with_capacity(resources.iter().map(|resource| resource.json.len() + 500).sum()),
        links,
        shares: BTreeSet::new(),
    };
    making.json.push_str("{\"entry\":");
    let mut buffer = Uuid::encode_buffer();
    for (at, (resource, uuid)) in resources.iter().zip(&uuids).enumerate() {
        making.json.push(if at == 0 { '[' } else { ',' });
        let full_url = &*uuid.urn().encode_lower(&mut buffer);
        let tree = Tree::read(&resource.json);
        let claimed = tree.as_ref().ok().and_then(&mut profile);
        if let Err(found) = making.entry(resource, tree, claimed, at + 1, full_url) {
            faults.extend(found);
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let Making { mut json, shares, .. } = making;
    let uuid = name_uuid(&[facility, visit, "Bundle"]);
    json.push_str("],\"identifier\":");
    write(&mut json, &own_identifier(uuid.urn().encode_lower(&mut buffer)));
    json.push_str(",\"resourceType\":\"Bundle\",\"type\":\"transaction\"}");
    Ok(Bundle { json, shares })
}

/// A Bundle in the making.
struct Making {
    json: String,
    /// What references are to be, by how they name resources.
    links: HashMap<String, Uuid>,
    shares: BTreeSet<Share>,
}

fn uuid_of(facility: &str, visit: &str, resource: &Resource) -> Uuid {
    match &resource.scope {
        Scope::Visit => name_uuid(&[facility, visit, &resource.kind, &resource.key]),
        Scope::Facility => name_uuid(&[facility, &resource.kind, &resource.key]),
        Scope::Shared { identifier } => name_uuid(&[&resource.kind, identifier]),
    }
}

/// UUIDv5 over the parts. The separator keeps `a|bc` and `ab|c` apart.
fn name_uuid(parts: &[&str]) -> Uuid {
    let mut name = String::with_capacity(120);
    name.push_str("vhr");
    for part in parts {
        name.push('\u{1f}');
        name.push_str(part);
    }
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

impl Making {
    /// After a fault, what is written is no Bundle any more, but the next resources are still looked at.
    fn entry(
        &mut self,
        resource: &Resource,
        tree: Result<Tree<'_>, serde_json::Error>,
        profile: Option<&str>,
        place: usize,
        full_url: &str,
    ) -> Result<(), Vec<Fault>> {
        let kind = &resource.kind;
        let fault = |make: fn(String, usize) -> Fault| vec![make(shown(kind).to_owned(), place)];
        if !TAKEN.contains(&kind.as_str()) {
            return Err(fault(|kind, place| Fault::NotTaken { kind, place }));
        }
        self.request(resource, full_url);
        let tree = tree.map_err(|e| {
            let why = format!("line {}, column {}", e.line(), e.column());
            vec![Fault::NotJson {
                kind: kind.clone(),
                place,
                why,
            }]
        })?;
        let root = tree.root();
        if root.get("resourceType").and_then(Node::text) != Some(kind) {
            return Err(fault(|kind, place| Fault::WrongType { kind, place }));
        }
        if root.get("id").is_some() {
            return Err(fault(|kind, place| Fault::OwnId { kind, place }));
        }
        let is_shared = matches!(resource.scope, Scope::Shared { .. });
        let own = Own {
            identifier: (!is_shared).then(|| own_identifier(full_url)),
            profile,
        };
        let dangling = canonical::resource(&mut self.json, &self.links, root, own);
        if !dangling.is_empty() {
            let fault = |to: String| Fault::Dangling {
                kind: kind.clone(),
                place,
                to,
            };
            return Err(dangling.into_iter().map(fault).collect());
        }
        self.json.push('}');
        Ok(())
    }

    /// What of an entry comes before its resource. Nothing here needs escapes: types and UUIDs are plain, and a query escapes
    /// more than JSON does.
    fn request(&mut self, resource: &Resource, full_url: &str) {
        let kind = &resource.kind;
        write(&mut self.json, &["{\"fullUrl\":\"", full_url, "\",\"request\":"]);
        if let Scope::Shared { identifier } = &resource.scope {
            let value = query_value(identifier);
            write(
                &mut self.json,
                &[
                    "{\"ifNoneExist\":\"identifier=",
                    &value,
                    "\",\"method\":\"POST\",\"url\":\"",
                    kind,
                ],
            );
            self.shares.insert(Share {
                condition: format!("{kind}?identifier={value}"),
                changes: false,
            });
        } else {
            let condition = ["?identifier=", UUID_SYSTEM, "|", full_url];
            write(&mut self.json, &["{\"method\":\"PUT\",\"url\":\"", kind]);
            write(&mut self.json, &condition);
            if resource.scope == Scope::Facility {
                self.shares.insert(Share {
                    condition: kind.clone() + &condition.concat(),
                    changes: true,
                });
            }
        }
        self.json.push_str("\"},\"resource\":");
    }
}

/// A name as a plugin wrote it, where it can be one: else it could be a value, of any length, and is not told.
pub(crate) fn shown(name: &str) -> &str {
    let is_name = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    if is_name { name } else { "?" }
}

/// The identifier that a request is conditional on.
fn own_identifier(full_url: &str) -> [&str; 5] {
    ["{\"system\":\"", UUID_SYSTEM, "\",\"value\":\"", full_url, "\"}"]
}

/// A value inside a query: everything that would end or split it is escaped; `|` stays as FHIR writes it.
fn query_value(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'|' => {
                out.push(char::from(byte))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn build(facility: &str, visit: &str, resources: Vec<Resource>) -> Result<Bundle, Vec<Fault>> {
        super::build(facility, visit, &resources, |_| None)
    }

    fn resource(kind: &str, key: &str, json: &str) -> Resource {
        Resource {
            kind: kind.into(),
            key: key.into(),
            scope: Scope::Visit,
            json: json.into(),
        }
    }

    fn visit() -> Vec<Resource> {
        vec![
            Resource {
                kind: "Organization".into(),
                key: "79999".into(),
                scope: Scope::Shared {
                    identifier: "http://example.org/sid|79 999".into(),
                },
                json: r#"{"resourceType":"Organization","identifier":[{"value":"79 999"}]}"#.into(),
            },
            Resource {
                kind: "Patient".into(),
                key: "BN1".into(),
                scope: Scope::Facility,
                json: r#"{"resourceType":"Patient","managingOrganization":{"reference":"urn:key:Organization|79999"}}"#
                    .into(),
            },
            resource(
                "Encounter",
                "visit",
                r#"{"resourceType":"Encounter","subject":{"reference":"urn:key:Patient|BN1"},"length":{"value":1.50}}"#,
            ),
        ]
    }

    fn built() -> Value {
        serde_json::from_str(&build("79999", "LK1", visit()).unwrap().json).unwrap()
    }

    #[test]
    fn references_inside_the_bundle_resolve_to_its_own_full_urls() {
        let bundle = built();
        assert_eq!(
            bundle["entry"][2]["resource"]["subject"]["reference"],
            bundle["entry"][1]["fullUrl"]
        );
        assert_eq!(
            bundle["entry"][1]["resource"]["managingOrganization"]["reference"],
            bundle["entry"][0]["fullUrl"]
        );
    }

    #[test]
    fn every_request_is_conditional() {
        let bundle = built();
        assert_eq!(
            bundle["entry"][0]["request"]["ifNoneExist"],
            "identifier=http://example.org/sid|79%20999"
        );
        let patient = bundle["entry"][1]["request"]["url"].as_str().unwrap();
        assert!(
            patient.starts_with("Patient?identifier=urn:ietf:rfc:3986|urn:uuid:"),
            "{patient}"
        );
        let uuid = patient.split('|').nth(1).unwrap();
        assert_eq!(bundle["entry"][1]["resource"]["identifier"][0]["value"], uuid);
    }

    #[test]
    fn a_patient_is_the_same_in_all_visits_and_an_encounter_in_one() {
        let url = |visit_key: &str, entry: usize| {
            let bundle: Value = serde_json::from_str(&build("79999", visit_key, visit()).unwrap().json).unwrap();
            bundle["entry"][entry]["fullUrl"].clone()
        };
        assert_eq!(url("LK1", 1), url("LK2", 1));
        assert_ne!(url("LK1", 2), url("LK2", 2));
    }

    #[test]
    fn the_same_resources_give_the_same_bytes_however_they_were_written() {
        let mut spaced = visit();
        spaced[2].json = r#" { "length" : { "value" : 1.50 }, "subject":{"reference":"urn:key:Patient|BN1"}, "resourceType":"Encounter" } "#.into();
        assert_eq!(
            build("79999", "LK1", spaced).unwrap(),
            build("79999", "LK1", visit()).unwrap()
        );
    }

    #[test]
    fn a_decimal_keeps_the_digits_it_came_with() {
        assert!(build("79999", "LK1", visit()).unwrap().json.contains(r#""value":1.50"#));
    }

    #[test]
    fn a_profile_is_claimed_at_its_place_and_the_agents_identifier_is_the_last_of_a_list() {
        let written = |json: &str| {
            let given = [resource("Encounter", "a", json)];
            let built = super::build("79999", "LK1", &given, |_| Some("http://p")).unwrap();
            let bundle: Value = serde_json::from_str(&built.json).unwrap();
            bundle["entry"][0]["resource"].to_string()
        };
        let (first, last) = (
            r#"{"class":{},"identifier":["#,
            r#"],"meta":{"profile":["http://p"]},"resourceType":"Encounter"}"#,
        );
        let alone = written(r#"{"resourceType":"Encounter","class":{}}"#);
        assert!(alone.starts_with(first) && alone.ends_with(last), "{alone}");
        let beside = written(r#"{"resourceType":"Encounter","identifier":[{"value":"1"}],"class":{}}"#);
        assert!(
            beside.starts_with(&format!("{first}{{\"value\":\"1\"}},{{\"system\"")),
            "{beside}"
        );
        assert!(beside.ends_with(last), "{beside}");
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let faults = build(
            "79999",
            "LK1",
            vec![
                resource("Encounter", "a", "{"),
                resource("Encounter", "a", r#"{"resourceType":"Patient"}"#),
                resource("Encounter", "b", r#"{"resourceType":"Encounter","id":"x"}"#),
                resource(
                    "Encounter",
                    "c",
                    r#"{"resourceType":"Encounter","subject":{"reference":"urn:key:Patient|none"}}"#,
                ),
                resource("Bundle", "d", r#"{"resourceType":"Bundle"}"#),
            ],
        )
        .unwrap_err();
        assert!(matches!(faults[0], Fault::KeyTwice { place: 2, .. }), "{faults:?}");
        assert!(matches!(faults[1], Fault::NotJson { place: 1, .. }), "{faults:?}");
        assert!(matches!(faults[2], Fault::WrongType { place: 2, .. }), "{faults:?}");
        assert!(matches!(faults[3], Fault::OwnId { place: 3, .. }), "{faults:?}");
        assert!(
            matches!(&faults[4], Fault::Dangling { place: 4, to, .. } if to == "Patient"),
            "{faults:?}"
        );
        assert!(matches!(faults[5], Fault::NotTaken { place: 5, .. }), "{faults:?}");
    }

    #[test]
    fn what_a_plugin_calls_by_no_name_is_not_repeated() {
        let refers = r#"{"resourceType":"Encounter","subject":{"reference":"urn:key:079185000123"}}"#;
        let given = vec![
            resource("Encounter", "a", refers),
            resource("Nguyễn Văn Thử", "b", "{}"),
        ];
        let faults = build("79999", "LK1", given).unwrap_err();
        assert!(
            matches!(&faults[0], Fault::Dangling { to, .. } if to == "?"),
            "{faults:?}"
        );
        assert!(
            matches!(&faults[1], Fault::NotTaken { kind, .. } if kind == "?"),
            "{faults:?}"
        );
    }

    #[test]
    fn json_nested_without_end_is_a_fault_and_not_a_crash() {
        let deep = format!(r#"{{"resourceType":"Encounter","a":{}}}"#, "[".repeat(100_000));
        assert!(matches!(
            build("79999", "LK1", vec![resource("Encounter", "a", &deep)]).unwrap_err()[0],
            Fault::NotJson { .. }
        ));
    }

    proptest! {
        #[test]
        fn a_query_value_never_splits_the_query(text in ".*") {
            let escaped = query_value(&text);
            prop_assert!(!escaped.contains(['&', '#', '+', ' ', '=', '?']) && escaped.is_ascii());
        }
    }
}
