//! What XML1 measures of the body: weight, blood group, and the weight of children born during the visit.

use vhr_plugin_sdk::{Decimal, Moment, Object, list, resource};

use crate::birth;
use crate::fhir::{ABSENT, UCUM, concept, known, known_body, measured, wording};
use crate::patient::two_digits;
use crate::profile::Profile;
use crate::source::{Draft, ENCOUNTER, Source};

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const LOINC: &str = "http://loinc.org";

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    let head = source.head;
    // A vital sign needs a day; and a weight of nothing is a form left empty.
    let measured_at = source.admitted.filter(Moment::is_full);
    if let Some(weight) = draft
        .decimal(head, "CAN_NANG")
        .filter(|_| !is_zero(head.get("CAN_NANG")))
        && let Some(moment) = measured_at
    {
        let json = resource("Observation", |o| {
            body(o, source, ("vital-signs", "Vital Signs"), ("29463-7", "Body weight"));
            o.text("effectiveDateTime", moment.as_str());
            measured(o, "valueQuantity", weight, "kg", UCUM, "kg");
        });
        draft.put("Observation", "CAN_NANG".to_owned(), json);
    }
    let mut child = 0;
    for text in list(head.get("CAN_NANG_CON")).filter(|text| !is_zero(Some(text))) {
        child += 1;
        let Some(weight) = Decimal::parse(text) else {
            draft.issues.warning(
                "QD3176-NUMBER",
                &head.path("CAN_NANG_CON"),
                "Giá trị không phải là số; bỏ qua giá trị này",
                "not a plain decimal number; the value is left out",
            );
            continue;
        };
        let json = resource("Observation", |o| {
            body(o, source, ("exam", "Exam"), ("8339-4", "Birth weight Measured"));
            // The record is the mother's; the weight is her child's.
            o.array("focus", |a| match birth::child(source, child, text) {
                Some(key) => a.reference("Patient", &key),
                None => a.object(|o| o.text("display", &format!("Con thứ {child} của người bệnh"))),
            });
            measured(o, "valueQuantity", weight, "g", UCUM, "g");
        });
        draft.put("Observation", format!("CAN_NANG_CON-{child}"), json);
    }
    social(source, draft);
    if let Some(group) = head.get("NHOM_MAU") {
        let json = resource("Observation", |o| {
            body(
                o,
                source,
                ("laboratory", "Laboratory"),
                ("882-1", "ABO and Rh group [Type] in Blood"),
            );
            unknown_time(o, source);
            o.object("valueCodeableConcept", |o| o.text("text", group));
        });
        draft.put("Observation", "NHOM_MAU".to_owned(), json);
    }
}

/// What some sets have an extension of the Patient for.
fn social<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    let Profile {
        extensions,
        code_systems,
        ..
    } = source.profile;
    let told = |field| source.told(field).get(field);
    let mut padded = [b'0', 0];
    let ethnic_group = told("MA_DANTOC").filter(|_| extensions.ethnic_group.is_none());
    let ethnic_group = ethnic_group.map(|code| two_digits(code, &mut padded));
    let occupation = told("MA_NGHE_NGHIEP").filter(|_| extensions.occupation.is_none());
    let facts = [
        (
            "MA_DANTOC",
            "Dân tộc",
            code_systems.ethnic_group.as_deref(),
            ethnic_group,
        ),
        (
            "MA_NGHE_NGHIEP",
            "Nghề nghiệp",
            code_systems.occupation.as_deref(),
            occupation,
        ),
    ];
    for (key, about, system, code) in facts {
        if let Some(code) = code {
            let json = resource("Observation", |o| {
                o.text("status", "final");
                o.array("category", |a| {
                    a.object(|o| known_body(o, CATEGORY, "social-history", "Social History"))
                });
                wording(o, "code", about);
                o.reference("subject", "Patient", source.patient);
                o.reference("encounter", "Encounter", ENCOUNTER);
                unknown_time(o, source);
                concept(o, "valueCodeableConcept", system, Some(code), None);
            });
            draft.put("Observation", key.to_owned(), json);
        }
    }
}

fn body(o: &mut Object<'_>, source: &Source<'_>, category: (&str, &str), code: (&str, &str)) {
    o.text("status", "final");
    o.array("category", |a| {
        a.object(|o| known_body(o, CATEGORY, category.0, category.1))
    });
    known(o, "code", LOINC, code.0, code.1);
    o.reference("subject", "Patient", source.patient);
    o.reference("encounter", "Encounter", ENCOUNTER);
}

/// The table does not say when; where the set demands a time, that is what is said.
fn unknown_time(o: &mut Object<'_>, source: &Source<'_>) {
    if source.profile.requires.effective {
        o.raw("_effectiveDateTime", ABSENT);
    }
}

fn is_zero(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.bytes().all(|byte| matches!(byte, b'0' | b'.')))
}
