//! XML1 to Patient: who the person is, by every number the source has, and no more than it has.

use vhr_plugin_sdk::{Array, Moment, Object, Scope, list, put, resource};

use crate::codes;
use crate::fhir::{ABSENT, coding, concept, identifier, identifier_body, is_code};
use crate::profile::{ConceptExtension, ConceptForm};
use crate::source::{Draft, Source};

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    let head = source.head;
    let profile = source.profile;
    let known_patient = head.get("MA_BN").is_some();
    if !known_patient {
        draft.missing(
            head,
            "MA_BN",
            "Thiếu mã người bệnh",
            "no patient code; the patient is kept with this visit only",
        );
    }
    let birth = birth(source, draft);
    let deceased = head
        .get("KET_QUA_DTRI")
        .is_some_and(|code| codes::result(code, source.day().as_str()).is_some_and(|(_, deceased)| deceased));
    if head.get("HO_TEN").is_none() {
        draft.missing(head, "HO_TEN", "Thiếu họ tên người bệnh", "no patient name");
    }
    let gender = gender(source, draft);

    let json = resource("Patient", |o| {
        o.array("extension", |a| extensions(source, a));
        o.array("identifier", |a| {
            numbers(source, draft, a);
            identifier(
                a,
                &profile.identifiers.insurance_card,
                list(head.get("MA_THE_BHYT")).next(),
            );
            if let Some(code) = head.get("MA_BN") {
                a.object(|o| {
                    identifier_body(o, &profile.identifiers.patient, code);
                    o.reference("assigner", "Organization", source.facility);
                });
            }
        });
        let requires = &profile.requires;
        let full_name = head.get("HO_TEN");
        if full_name.is_some() || requires.patient_name {
            o.array("name", |a| {
                a.object(|o| {
                    match full_name {
                        Some(name) => o.text("text", name),
                        None => o.raw("_text", ABSENT),
                    }
                    if requires.patient_name_parts {
                        o.raw("_family", ABSENT);
                    }
                });
            });
        }
        o.array("telecom", |a| {
            if let Some(phone) = head.get("DIEN_THOAI") {
                a.object(|o| {
                    o.text("system", "phone");
                    o.text("value", phone);
                });
            }
        });
        o.maybe("gender", gender);
        match birth {
            Some((date, moment)) => {
                o.text("birthDate", date.as_str());
                if let (Some(moment), Some(extension)) = (moment, &profile.extensions.birth_time) {
                    o.object("_birthDate", |o| {
                        o.array("extension", |a| {
                            a.object(|o| {
                                o.text("url", &extension.url);
                                o.text("valueDateTime", moment.as_str());
                            });
                        });
                    });
                }
            }
            None if profile.requires.patient_birth_date => o.raw("_birthDate", ABSENT),
            None => {}
        }
        if deceased {
            o.flag("deceasedBoolean", true);
        }
        o.array("address", |a| a.object(|o| address(source, o)));
        o.reference("managingOrganization", "Organization", source.facility);
    });
    let scope = if known_patient { Scope::Facility } else { Scope::Visit };
    put(&mut draft.resources, "Patient", source.patient.to_owned(), scope, json);
}

fn birth<'a>(source: &Source<'a>, draft: &mut Draft<'a>) -> Option<(Moment, Option<Moment>)> {
    let head = source.head;
    let Some(text) = head.get("NGAY_SINH") else {
        draft.missing(head, "NGAY_SINH", "Thiếu ngày sinh", "no date of birth");
        return None;
    };
    let birth = Moment::birth(text).ok();
    if birth.is_none() {
        draft.bad_date(head, "NGAY_SINH");
    }
    birth
}

fn gender<'a>(source: &Source<'a>, draft: &mut Draft<'a>) -> Option<&'static str> {
    let nothing = source.profile.requires.patient_gender.then_some("unknown");
    match source.head.get("GIOI_TINH") {
        Some("1") => Some("male"),
        Some("2") => Some("female"),
        Some("3") => Some("unknown"),
        Some(_) => {
            draft.unknown_code(source.head, "GIOI_TINH");
            nothing
        }
        None => nothing,
    }
}

/// `SO_CCCD` says what it is by its shape and the nationality; the first of each shape counts.
fn numbers<'a>(source: &Source<'a>, draft: &mut Draft<'a>, a: &mut Array<'_>) {
    let kinds = &source.profile.identifiers;
    // A foreigner's number of nine digits is no old Vietnamese one: passports have many shapes.
    let foreign = source
        .head
        .get("MA_QUOCTICH")
        .is_some_and(|code| !matches!(code, "000" | "VN"));
    let mut taken = [false; 3];
    for number in list(source.head.get("SO_CCCD")) {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (slot, kind) = match number.as_bytes() {
            [_, ..] if number.len() == 12 && digits(number) => (0, &kinds.citizen_id),
            [_, ..] if foreign && number.len() <= 20 && number.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                (2, &kinds.passport)
            }
            [_, ..] if number.len() == 9 && digits(number) => (1, &kinds.old_citizen_id),
            [letter, ..] if letter.is_ascii_alphabetic() && matches!(number.len(), 8 | 9) && digits(&number[1..]) => {
                (2, &kinds.passport)
            }
            _ => {
                draft.issues.warning(
                    "QD3176-ID-SHAPE",
                    &source.head.path("SO_CCCD"),
                    "Số giấy tờ không đúng dạng CCCD, CMND hay hộ chiếu; bỏ qua",
                    "not the shape of a citizen id or passport; left out",
                );
                continue;
            }
        };
        if !std::mem::replace(&mut taken[slot], true) {
            identifier(a, kind, Some(number));
        }
    }
}

fn extensions(source: &Source<'_>, a: &mut Array<'_>) {
    let head = source.head;
    let profile = source.profile;
    let systems = &profile.code_systems;
    if let (Some(extension), Some(code)) = (&profile.extensions.nationality, head.get("MA_QUOCTICH")) {
        match codes::country(code, source.day().as_str()) {
            Some(iso) => concept_extension(a, extension, systems.country.as_deref(), iso),
            None => concept_extension(a, extension, systems.nationality.as_deref(), code),
        }
    }
    if let (Some(extension), Some(code)) = (&profile.extensions.ethnic_group, head.get("MA_DANTOC")) {
        let mut padded = [b'0', 0];
        let code = match code.as_bytes() {
            [digit] if digit.is_ascii_digit() => {
                padded[1] = *digit;
                std::str::from_utf8(&padded).unwrap_or(code)
            }
            _ => code,
        };
        concept_extension(a, extension, systems.ethnic_group.as_deref(), code);
    }
    if let (Some(extension), Some(code)) = (&profile.extensions.occupation, head.get("MA_NGHE_NGHIEP")) {
        concept_extension(a, extension, systems.occupation.as_deref(), code);
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

fn address(source: &Source<'_>, o: &mut Object<'_>) {
    let head = source.head;
    let text = head.get("DIA_CHI");
    if text.is_none() && source.profile.requires.address_text {
        return;
    }
    if let Some(extension) = &source.profile.extensions.address {
        let levels = [
            (&extension.province, head.get("MATINH_CU_TRU")),
            (&extension.district, head.get("MAHUYEN_CU_TRU")),
            (&extension.ward, head.get("MAXA_CU_TRU")),
        ];
        let system = source.profile.code_systems.administrative_area.as_deref();
        if levels.iter().any(|(_, code)| code.is_some_and(is_code)) {
            o.array("extension", |a| {
                a.object(|o| {
                    o.array("extension", |a| {
                        for (url, code) in levels {
                            if let Some(code) = code.filter(|code| is_code(code)) {
                                a.object(|o| {
                                    o.text("url", url);
                                    o.object("valueCodeableConcept", |o| {
                                        o.array("coding", |a| coding(a, system, Some(code)));
                                    });
                                });
                            }
                        }
                    });
                    o.text("url", &extension.url);
                });
            });
        }
    }
    o.maybe("text", text);
}
