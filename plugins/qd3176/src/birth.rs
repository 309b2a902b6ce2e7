//! XML9, the birth certificate: the child as a Patient of its own, its mother or whoever takes care of it and its father
//! as RelatedPersons, and what is said of the birth.

use vhr_plugin_sdk::{Moment, Scope, put, resource};

use crate::family::relationship;
use crate::fhir::{identifier, plain_extension};
use crate::finding::{Finding, Performer, Value};
use crate::papers::{self, Paper};
use crate::person::{self, Issued, Place};
use crate::source::{Draft, Line, Source, same_name};

const TABLE: &str = "XML9";

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    for line in source.lines(TABLE) {
        let child = line.key();
        patient(source, draft, line, &child);
        caregiver(source, draft, line, &child);
        father(draft, line, &child);
        found(source, draft, line, &child);
        let paper = Paper {
            numbers: &["SO", "QUYEN_SO"],
            made: "NGAY_CT",
            author: ("", "NGUOI_GHI_PHIEU"),
            subject: Some(&child),
            ..Paper::default()
        };
        papers::put(source, draft, line, &paper);
    }
}

fn patient<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>, child: &str) {
    let birth = person::birth(draft, line, "NGAY_SINH_CON");
    let gender = person::gender(source, draft, line, "GIOI_TINH_CON");
    // What is wrong with the number is told where it is written.
    let several = line
        .get("SO_CON")
        .and_then(|text| text.parse::<u32>().ok())
        .map(|children| children > 1);
    let json = resource("Patient", |o| {
        o.array("extension", |a| {
            if let Some(place) = line.get("NOI_SINH_CON") {
                plain_extension(a, source.profile.extensions.birth_place.as_ref(), |o| {
                    o.object("valueAddress", |o| o.text("text", place));
                });
            }
        });
        o.array("identifier", |a| {
            identifier(a, &source.profile.identifiers.temporary_card, line.get("MA_THE_TAM"));
        });
        // The name that is planned, until the child is registered.
        person::patient_name(o, source, line.get("HO_TEN_CON"), Some("temp"));
        o.maybe("gender", gender);
        person::write_birth(o, source, birth);
        if let Some(several) = several {
            o.flag("multipleBirthBoolean", several);
        }
        o.reference("managingOrganization", "Organization", source.facility);
    });
    put(&mut draft.resources, "Patient", child.to_owned(), Scope::Visit, json);
}

/// The mother, or whoever takes care of the child. It is surely the mother where she is the patient of the visit.
fn caregiver<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>, child: &str) {
    let born = person::birth(draft, line, "NGAYSINH_NND");
    let issued = Issued {
        day: draft.date_time(line, "NGAYCAP_CCCD_NND"),
        by: line.get("NOICAP_CCCD_NND"),
    };
    let kinds = &source.profile.identifiers;
    let json = resource("RelatedPerson", |o| {
        o.array("identifier", |a| {
            let number = (line, "SO_CCCD_NND");
            person::numbers(source, draft, a, number, line.get("MA_QUOCTICH"), |_| issued);
            identifier(a, &kinds.insurance_card, line.get("MA_THE_NND"));
            identifier(a, &kinds.social_insurance, line.get("MA_BHXH_NND"));
        });
        o.reference("patient", "Patient", child);
        match is_mother(source, line) {
            true => relationship(o, "MTH", "mother"),
            false => o.array("relationship", |a| {
                a.object(|o| o.text("text", "Mẹ hoặc người nuôi dưỡng"))
            }),
        }
        o.array("name", |a| a.object(|o| o.maybe("text", line.get("HO_TEN_NND"))));
        o.moment("birthDate", born.map(|(day, _)| day));
        o.array("address", |a| {
            let place = Place {
                text: line.get("NOI_CU_TRU_NND"),
                levels: [
                    line.get("MATINH_CU_TRU"),
                    line.get("MAHUYEN_CU_TRU"),
                    line.get("MAXA_CU_TRU"),
                ],
            };
            a.object(|o| person::address(o, source, &place));
        });
    });
    draft.put("RelatedPerson", caregiver_key(line), json);
}

fn father<'a>(draft: &mut Draft<'a>, line: Line<'a>, child: &str) {
    let Some(name) = line.get("HO_TEN_CHA") else {
        return;
    };
    let json = resource("RelatedPerson", |o| {
        o.reference("patient", "Patient", child);
        relationship(o, "FTH", "father");
        o.array("name", |a| a.object(|o| o.text("text", name)));
    });
    draft.put("RelatedPerson", [child, "-CHA"].concat(), json);
}

/// What the certificate says of the child, and of the mother and her births.
fn found<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>, child: &str) {
    let when = line.moment("NGAY_SINH_CON").filter(Moment::is_full);
    let weight = draft.decimal(line, "CAN_NANG_CON");
    Finding::new(line, "CAN_NANG", "Cân nặng khi sinh")
        .loinc("8339-4", "Birth weight Measured")
        .category("exam", "Exam")
        .subject(child)
        .when(when)
        .value(weight.map(|weight| Value::Measured(weight, "g", "g")))
        .put(source, draft);
    Finding::new(line, "TINH_TRANG", "Tình trạng con")
        .category("exam", "Exam")
        .subject(child)
        .when(when)
        .value(line.get("TINH_TRANG_CON").map(Value::Text))
        .put(source, draft);
    let attendant = line.get("NGUOI_DO_DE").map(|name| Performer::Named(name.to_owned()));
    Finding::new(line, "LAN_SINH", "Lần sinh")
        .focus(child)
        .when(when)
        .performer(attendant)
        .number(draft, "SO_CON")
        .number(draft, "LAN_SINH")
        .number(draft, "SO_CON_SONG")
        .flag(draft, "SINHCON_PHAUTHUAT")
        .flag(draft, "SINHCON_DUOI32TUAN")
        .put(source, draft);
}

/// The RelatedPersons that the patient of the visit is to the children born in it.
pub(crate) fn as_mother<'a>(source: &Source<'a>) -> impl Iterator<Item = String> {
    let lines = source.lines(TABLE).filter(|line| is_mother(source, *line));
    lines.map(caregiver_key)
}

/// The child at a place in the list of XML1, if the certificate at that place has its weight.
pub(crate) fn child(source: &Source<'_>, place: usize, weight: &str) -> Option<String> {
    let line = source.lines(TABLE).nth(place.checked_sub(1)?)?;
    (line.get("CAN_NANG_CON") == Some(weight)).then(|| line.key())
}

fn is_mother(source: &Source<'_>, line: Line<'_>) -> bool {
    let patient = source.told("HO_TEN").get("HO_TEN").zip(line.get("HO_TEN_NND"));
    patient.is_some_and(|(patient, named)| same_name(patient, named))
}

fn caregiver_key(line: Line<'_>) -> String {
    [&line.key(), "-NND"].concat()
}
