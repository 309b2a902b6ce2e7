//! XML1 to Patient: who the person is, by every number the source has, and no more than it has. What XML1 lacks is taken
//! from the tables that say it under the same name, and from the person's papers.

use vhr_plugin_sdk::{Array, Object, Scope, list, put, resource};

use crate::codes;
use crate::fhir::{concept, identifier, identifier_body, known_body};
use crate::person::{self, Issued, Place};
use crate::profile::{ConceptExtension, ConceptForm};
use crate::source::{Draft, Line, Source};
use crate::{assessment, birth, certificates};

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    let head = source.head;
    let profile = source.profile;
    let number = source.told("MA_BN").get("MA_BN");
    if number.is_none() && !source.is_assessment() {
        draft.missing(
            head,
            "MA_BN",
            "Thiếu mã người bệnh",
            "no patient code; the patient is kept with this visit only",
        );
    }
    let born = source.told("NGAY_SINH");
    if born.get("NGAY_SINH").is_none() {
        draft.missing(head, "NGAY_SINH", "Thiếu ngày sinh", "no date of birth");
    }
    let birth = person::birth(draft, born, "NGAY_SINH");
    let deceased = head
        .get("KET_QUA_DTRI")
        .is_some_and(|code| codes::result(code, source.day().as_str()).is_some_and(|(_, deceased)| deceased));
    let name = source.told("HO_TEN").get("HO_TEN");
    if name.is_none() {
        draft.missing(head, "HO_TEN", "Thiếu họ tên người bệnh", "no patient name");
    }
    let gender = person::gender(source, draft, source.told("GIOI_TINH"), "GIOI_TINH");

    let json = resource("Patient", |o| {
        o.array("extension", |a| extensions(source, a));
        o.array("identifier", |a| {
            let nationality = source.told("MA_QUOCTICH").get("MA_QUOCTICH");
            let issued = assessment::citizen_id(source, draft);
            let issued = |number: &str| match issued {
                Some((of, issued)) if of == number => issued,
                _ => Issued::default(),
            };
            person::numbers(
                source,
                draft,
                a,
                (source.told("SO_CCCD"), "SO_CCCD"),
                nationality,
                issued,
            );
            let card = source.told("MA_THE_BHYT").get("MA_THE_BHYT");
            identifier(a, &profile.identifiers.insurance_card, list(card).next());
            let insured = certificates::social_insurance(source).or_else(|| assessment::social_insurance(source));
            identifier(a, &profile.identifiers.social_insurance, insured);
            if let Some(code) = number {
                a.object(|o| {
                    identifier_body(o, &profile.identifiers.patient, code);
                    o.reference("assigner", "Organization", source.facility);
                });
            }
            let medical = certificates::medical_code(source).filter(|code| Some(*code) != number);
            a.object(|o| {
                if let Some(code) = medical {
                    o.object("type", |o| o.text("text", "Mã y tế"));
                    o.text("value", code);
                    o.reference("assigner", "Organization", source.facility);
                }
            });
        });
        person::patient_name(o, source, name, None);
        o.array("telecom", |a| {
            if let Some(phone) = head.get("DIEN_THOAI").or_else(|| assessment::phone(source)) {
                a.object(|o| {
                    o.text("system", "phone");
                    o.text("value", phone);
                });
            }
        });
        o.maybe("gender", gender);
        person::write_birth(o, source, birth);
        if deceased {
            o.flag("deceasedBoolean", true);
        }
        o.array("address", |a| {
            let place = place(source.told("DIA_CHI"), source);
            a.object(|o| person::address(o, source, &place));
        });
        o.array("contact", |a| {
            for employer in certificates::employers(source) {
                a.object(|o| {
                    o.array("relationship", |a| {
                        const CONTACT: &str = "http://terminology.hl7.org/CodeSystem/v2-0131";
                        a.object(|o| known_body(o, CONTACT, "E", "Employer"));
                    });
                    o.object("organization", |o| o.text("display", employer));
                });
            }
        });
        o.reference("managingOrganization", "Organization", source.facility);
        o.array("link", |a| {
            for related in birth::as_mother(source) {
                a.object(|o| {
                    o.reference("other", "RelatedPerson", &related);
                    o.text("type", "seealso");
                });
            }
        });
    });
    let scope = if number.is_some() {
        Scope::Facility
    } else {
        Scope::Visit
    };
    put(&mut draft.resources, "Patient", source.patient.to_owned(), scope, json);
}

/// The address in words, and its levels: each from wherever it is told.
fn place<'a>(line: Line<'a>, source: &Source<'a>) -> Place<'a> {
    let level = |field| source.told(field).get(field);
    Place {
        text: line.get("DIA_CHI"),
        levels: [level("MATINH_CU_TRU"), level("MAHUYEN_CU_TRU"), level("MAXA_CU_TRU")],
    }
}

fn extensions(source: &Source<'_>, a: &mut Array<'_>) {
    let profile = source.profile;
    let systems = &profile.code_systems;
    let told = |field| source.told(field).get(field);
    if let (Some(extension), Some(code)) = (&profile.extensions.nationality, told("MA_QUOCTICH")) {
        match codes::country(code, source.day().as_str()) {
            Some(iso) => concept_extension(a, extension, systems.country.as_deref(), iso),
            None => concept_extension(a, extension, systems.nationality.as_deref(), code),
        }
    }
    if let (Some(extension), Some(code)) = (&profile.extensions.ethnic_group, told("MA_DANTOC")) {
        let mut padded = [b'0', 0];
        let code = two_digits(code, &mut padded);
        concept_extension(a, extension, systems.ethnic_group.as_deref(), code);
    }
    if let (Some(extension), Some(code)) = (&profile.extensions.occupation, told("MA_NGHE_NGHIEP")) {
        concept_extension(a, extension, systems.occupation.as_deref(), code);
    }
}

/// The codes of ethnic groups have two digits.
pub(crate) fn two_digits<'t>(code: &'t str, padded: &'t mut [u8; 2]) -> &'t str {
    match code.as_bytes() {
        [digit] if digit.is_ascii_digit() => {
            padded[1] = *digit;
            std::str::from_utf8(padded).unwrap_or(code)
        }
        _ => code,
    }
}

fn concept_extension(a: &mut Array<'_>, extension: &ConceptExtension, system: Option<&str>, code: &str) {
    let value = |o: &mut Object<'_>| match extension.form {
        ConceptForm::Coding => concept(o, "valueCodeableConcept", system, Some(code), None),
        ConceptForm::Text => o.object("valueCodeableConcept", |o| o.text("text", code)),
    };
    a.object(|o| {
        o.text("url", &extension.url);
        match &extension.inner {
            None => value(o),
            Some(inner) => o.array("extension", |a| {
                a.object(|o| {
                    o.text("url", inner);
                    value(o);
                });
            }),
        }
    });
}
