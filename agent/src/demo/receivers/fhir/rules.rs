//! The part of FHIR R4 validity that a mapping gets wrong in practice: known types, required elements, status codes,
//! no empty values. Not a validator: profiles, bindings and invariants are for a real server to check.

use serde_json::Value;

/// What is wrong with a resource, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// A path from the resource, `status` or `code.coding[0]`; empty for the resource itself.
    pub(super) at: String,
    pub(super) text: String,
}

/// A reference found in a resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) at: String,
    pub(super) to: String,
    /// The type that the element it stands in asks for.
    pub(super) wanted: Option<&'static str>,
}

/// The type's name, if this server knows it.
pub(super) fn known_type(name: &str) -> Option<&'static str> {
    TYPES.iter().copied().find(|known| *known == name)
}

/// Checks one resource and lists what it refers to.
pub(super) fn check(kind: &'static str, resource: &Value) -> Result<Vec<Reference>, Fault> {
    for required in REQUIRED
        .iter()
        .filter(|(of, _)| *of == kind)
        .flat_map(|(_, elements)| *elements)
    {
        let present = match required.strip_suffix("[x]") {
            Some(choice) => resource
                .as_object()
                .is_some_and(|all| all.keys().filter(|name| name.starts_with(choice)).count() == 1),
            None => resource.get(required).is_some(),
        };
        if !present {
            return fault(
                *required,
                format!("{kind}.{required} is required exactly once and missing or repeated"),
            );
        }
    }
    if let Some((_, codes)) = STATUS.iter().find(|(of, _)| *of == kind) {
        let status = resource.get("status").and_then(Value::as_str).unwrap_or_default();
        if !codes.contains(&status) {
            return fault("status", format!("{kind}.status is not one of {}", codes.join(", ")));
        }
    }
    if resource.get("meta").is_some_and(|meta| !meta.is_object()) {
        return fault("meta", "is not an object".to_owned());
    }
    let mut references = Vec::new();
    let mut path = String::new();
    walk(resource, &mut path, "", &mut references)?;
    let contained = |id: &str| {
        let inside = resource.get("contained").and_then(Value::as_array);
        inside.is_some_and(|all| all.iter().any(|one| one.get("id").and_then(Value::as_str) == Some(id)))
    };
    for reference in &references {
        if let Some(id) = reference.to.strip_prefix('#')
            && !contained(id)
        {
            return fault(
                &reference.at,
                "refers to a contained resource that is not there".to_owned(),
            );
        }
    }
    references.retain(|reference| !reference.to.starts_with('#'));
    Ok(references)
}

/// Nothing in FHIR may be empty; nulls only hold places in lists.
fn walk(value: &Value, path: &mut String, element: &str, references: &mut Vec<Reference>) -> Result<(), Fault> {
    let length = path.len();
    match value {
        Value::Null => return fault(path.as_str(), "is null".to_owned()),
        Value::String(text) if text.trim().is_empty() => {
            return fault(path.as_str(), "is an empty string".to_owned());
        }
        Value::Array(items) if items.is_empty() => {
            return fault(path.as_str(), "is an empty list".to_owned());
        }
        Value::Object(fields) if fields.is_empty() => {
            return fault(path.as_str(), "is an empty object".to_owned());
        }
        Value::Array(items) => {
            for (nth, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
                path.push_str(&format!("[{nth}]"));
                walk(item, path, element, references)?;
                path.truncate(length);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                if name == "reference" {
                    let Some(to) = field.as_str() else {
                        return fault(path.as_str(), "is not a string".to_owned());
                    };
                    let wanted = WANTED.iter().find(|(of, _)| *of == element).map(|(_, kind)| *kind);
                    references.push(Reference {
                        at: path.clone(),
                        to: to.to_owned(),
                        wanted,
                    });
                }
                walk(field, path, name, references)?;
                path.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

fn fault<T>(at: impl Into<String>, text: String) -> Result<T, Fault> {
    Err(Fault { at: at.into(), text })
}

const TYPES: &[&str] = &[
    "AllergyIntolerance",
    "Appointment",
    "CarePlan",
    "Claim",
    "ClinicalImpression",
    "Composition",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "EpisodeOfCare",
    "Immunization",
    "Location",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "RelatedPerson",
    "ServiceRequest",
    "Specimen",
];

const REQUIRED: &[(&str, &[&str])] = &[
    (
        "Claim",
        &[
            "status",
            "type",
            "use",
            "patient",
            "created",
            "provider",
            "priority",
            "insurance",
        ],
    ),
    ("ClinicalImpression", &["status", "subject"]),
    ("Composition", &["status", "type", "date", "author", "title"]),
    ("Condition", &["subject"]),
    ("Coverage", &["status", "beneficiary", "payor"]),
    ("DiagnosticReport", &["status", "code"]),
    ("Encounter", &["status", "class"]),
    ("MedicationRequest", &["status", "intent", "medication[x]", "subject"]),
    ("Observation", &["status", "code"]),
    ("Procedure", &["status", "subject"]),
    ("ServiceRequest", &["status", "intent", "subject"]),
];

const STATUS: &[(&str, &[&str])] = &[
    ("Claim", &["active", "cancelled", "draft", "entered-in-error"]),
    ("ClinicalImpression", &["in-progress", "completed", "entered-in-error"]),
    ("Coverage", &["active", "cancelled", "draft", "entered-in-error"]),
    (
        "DiagnosticReport",
        &[
            "registered",
            "partial",
            "preliminary",
            "final",
            "amended",
            "corrected",
            "appended",
            "cancelled",
            "entered-in-error",
            "unknown",
        ],
    ),
    (
        "Encounter",
        &[
            "planned",
            "arrived",
            "triaged",
            "in-progress",
            "onleave",
            "finished",
            "cancelled",
            "entered-in-error",
            "unknown",
        ],
    ),
    (
        "MedicationRequest",
        &[
            "active",
            "on-hold",
            "cancelled",
            "completed",
            "entered-in-error",
            "stopped",
            "draft",
            "unknown",
        ],
    ),
    (
        "Observation",
        &[
            "registered",
            "preliminary",
            "final",
            "amended",
            "corrected",
            "cancelled",
            "entered-in-error",
            "unknown",
        ],
    ),
    (
        "Procedure",
        &[
            "preparation",
            "in-progress",
            "not-done",
            "on-hold",
            "stopped",
            "completed",
            "entered-in-error",
            "unknown",
        ],
    ),
    (
        "ServiceRequest",
        &[
            "draft",
            "active",
            "on-hold",
            "revoked",
            "completed",
            "entered-in-error",
            "unknown",
        ],
    ),
];

/// Elements that name one type wherever they stand in a claim visit.
const WANTED: &[(&str, &str)] = &[
    ("subject", "Patient"),
    ("patient", "Patient"),
    ("beneficiary", "Patient"),
    ("encounter", "Encounter"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn required_elements_and_status_codes_are_asked_for() {
        let encounter = json!({"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}});
        assert_eq!(check("Encounter", &encounter), Ok(Vec::new()));
        let at = |kind, resource: Value| check(kind, &resource).map_err(|fault| fault.at);
        assert_eq!(at("Encounter", json!({"status": "finished"})), Err("class".to_owned()));
        assert_eq!(
            at("Encounter", json!({"status": "done", "class": {"code": "AMB"}})),
            Err("status".to_owned())
        );
        let order = json!({"status": "completed", "intent": "order", "subject": {"reference": "Patient/1"}});
        assert_eq!(at("MedicationRequest", order), Err("medication[x]".to_owned()));
    }

    #[test]
    fn empty_values_are_named_by_their_path() {
        let at = |resource: Value| check("Patient", &resource).map_err(|fault| fault.at);
        assert_eq!(
            at(json!({"name": [{"text": "x"}, {"text": " "}]})),
            Err("name[1].text".to_owned())
        );
        assert_eq!(at(json!({"name": []})), Err("name".to_owned()));
        assert_eq!(at(json!({"maritalStatus": {}})), Err("maritalStatus".to_owned()));
        assert_eq!(at(json!({"birthDate": null})), Err("birthDate".to_owned()));
        assert_eq!(
            at(json!({"name": [{"given": ["x", "y"], "_given": [null, {"id": "1"}]}]})),
            Ok(Vec::new())
        );
    }

    #[test]
    fn references_are_listed_with_the_type_their_element_wants() {
        let condition = json!({
            "subject": {"reference": "urn:uuid:1"},
            "asserter": {"reference": "#a"},
            "contained": [{"resourceType": "Practitioner", "id": "a"}],
        });
        let wanted = Reference {
            at: "subject.reference".into(),
            to: "urn:uuid:1".into(),
            wanted: Some("Patient"),
        };
        assert_eq!(check("Condition", &condition), Ok(vec![wanted]));
        let dangling = json!({"subject": {"reference": "#b"}});
        assert_eq!(
            check("Condition", &dangling).map_err(|fault| fault.at),
            Err("subject.reference".to_owned())
        );
    }
}
