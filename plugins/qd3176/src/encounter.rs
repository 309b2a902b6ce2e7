//! XML1 to Encounter: when, where, in what class, and with which diagnoses.

use vhr_plugin_sdk::{Array, Object, list, resource};

use crate::condition::Diagnosis;
use crate::fhir::{UCUM, concept, concept_body, identifier, known_body, logical, measured, period, wording};
use crate::source::{Draft, ENCOUNTER, Source};
use crate::{certificates, codes, referral};

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const NULL_FLAVOR: &str = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor";

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>, diagnoses: &[Diagnosis<'_>]) {
    let head = source.head;
    let profile = source.profile;
    let systems = &profile.code_systems;
    if head.get("NGAY_VAO").is_none() && !source.is_assessment() {
        draft.missing(head, "NGAY_VAO", "Thiếu ngày vào", "no start of the visit");
    }
    let start = source.admitted;
    let end = draft.ordered(head, "NGAY_RA", start, source.discharged);
    let is_over = head.get("NGAY_RA").is_some() || source.is_assessment();
    let ward_start = draft.date_time(head, "NGAY_VAO_NOI_TRU");
    let days = draft.decimal(head, "SO_NGAY_DTRI");
    let class = class(source, draft);

    let json = resource("Encounter", |o| {
        o.array("identifier", |a| {
            identifier(a, &profile.identifiers.visit, Some(source.link));
            identifier(a, &profile.identifiers.medical_record, head.get("MA_HSBA"));
            identifier(a, &profile.identifiers.archive, certificates::archive_number(source));
        });
        o.text(
            "status",
            match (is_over, source.is_check_in(), head.get("NGAY_YL")) {
                (true, ..) => "finished",
                (false, true, None) => "arrived",
                _ => "in-progress",
            },
        );
        o.object("class", |o| class_body(o, class));
        o.array("classHistory", |a| {
            if ward_start.is_some() {
                a.object(|o| {
                    o.object("class", |o| class_body(o, (ACT_CODE, "IMP", "inpatient encounter")));
                    period(o, "period", ward_start, None);
                });
            }
        });
        o.array("type", |a| {
            a.object(|o| concept_body(o, systems.visit_type.as_deref(), head.get("MA_LOAI_KCB"), None));
            a.object(|o| concept_body(o, systems.entitlement.as_deref(), head.get("MA_DOITUONG_KCB"), None));
        });
        let departments = list(head.get("MA_KHOA")).collect::<Vec<_>>().join("; ");
        wording(o, "serviceType", &departments);
        o.reference("subject", "Patient", source.patient);
        o.array("episodeOfCare", |a| {
            for episode in &draft.episodes {
                a.reference("EpisodeOfCare", episode);
            }
        });
        o.array("participant", |a| a.object(|o| escort(o, source)));
        period(o, "period", start, end);
        if let Some(days) = days {
            measured(o, "length", days, "ngày", UCUM, "d");
        }
        o.array("reasonCode", |a| a.object(|o| o.maybe("text", head.get("LY_DO_VV"))));
        o.array("diagnosis", |a| {
            for diagnosis in diagnoses {
                a.object(|o| {
                    o.reference("condition", "Condition", &diagnosis.key);
                    o.raw("use", diagnosis.role.concept(&profile.fixed).json());
                });
            }
        });
        o.object("hospitalization", |o| {
            let facility = Some(profile.identifiers.facility.system.as_str());
            o.object("preAdmissionIdentifier", |o| {
                o.maybe("value", head.get("GIAY_CHUYEN_TUYEN"))
            });
            logical(o, "origin", "Organization", facility, head.get("MA_NOI_DI"));
            concept(
                o,
                "admitSource",
                systems.admission_reason.as_deref(),
                head.get("MA_LY_DO_VNT"),
                head.get("LY_DO_VNT"),
            );
            logical(o, "destination", "Organization", facility, head.get("MA_NOI_DEN"));
            concept(
                o,
                "dischargeDisposition",
                systems.discharge.as_deref(),
                head.get("MA_LOAI_RV"),
                None,
            );
        });
        o.array("location", |a| beds(a, source));
        o.reference("serviceProvider", "Organization", source.facility);
    });
    draft.put("Encounter", ENCOUNTER.to_owned(), json);
}

/// Who goes along to another facility.
fn escort(o: &mut Object<'_>, source: &Source<'_>) {
    const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
    if let Some(line) = referral::escort(source) {
        o.array("type", |a| {
            a.object(|o| {
                known_body(o, PARTICIPATION, "ESC", "escort");
                o.maybe("text", line.get("CHUCDANH_NGUOI_HT"));
            });
        });
        o.object("individual", |o| o.maybe("display", line.get("HOTEN_NGUOI_HT")));
    }
}

/// The beds that the services name, each once.
fn beds(a: &mut Array<'_>, source: &Source<'_>) {
    const PHYSICAL: &str = "http://terminology.hl7.org/CodeSystem/location-physical-type";
    let mut known = Vec::new();
    for line in source.lines("XML3") {
        for bed in list(line.get("MA_GIUONG")) {
            if known.contains(&bed) {
                continue;
            }
            known.push(bed);
            a.object(|o| {
                logical(o, "location", "Location", None, Some(bed));
                o.object("physicalType", |o| known_body(o, PHYSICAL, "bd", "Bed"));
            });
        }
    }
}

/// FHIR demands a class. Where the table knows none, the class is honestly unknown; the national code stays in `type`.
fn class<'a>(source: &Source<'a>, draft: &mut Draft<'a>) -> (&'static str, &'static str, &'static str) {
    let unknown = (NULL_FLAVOR, "UNK", "unknown");
    if source.is_assessment() {
        return (ACT_CODE, "AMB", "ambulatory");
    }
    let Some(code) = source.head.get("MA_LOAI_KCB") else {
        draft.missing(
            source.head,
            "MA_LOAI_KCB",
            "Thiếu mã loại khám chữa bệnh",
            "no visit type",
        );
        return unknown;
    };
    match codes::class(code, source.day().as_str()) {
        Some((code, display)) => (ACT_CODE, code, display),
        None => {
            draft.unknown_code(source.head, "MA_LOAI_KCB");
            unknown
        }
    }
}

fn class_body(o: &mut Object<'_>, (system, code, display): (&str, &str, &str)) {
    o.text("system", system);
    o.text("code", code);
    o.text("display", display);
}
