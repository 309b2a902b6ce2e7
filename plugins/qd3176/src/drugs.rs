//! XML2 to MedicationRequests: what was ordered, how it is to be taken, by whom.

use vhr_plugin_sdk::{list, resource};

use crate::fhir::{ABSENT, concept, quantity};
use crate::source::{Draft, ENCOUNTER, Source};

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    let systems = &source.profile.code_systems;
    let requires = &source.profile.requires;
    let status = if source.head.get("NGAY_RA").is_some() {
        "completed"
    } else {
        "active"
    };
    for line in source.lines("XML2") {
        let (code, name) = (line.get("MA_THUOC"), line.get("TEN_THUOC"));
        if code.or(name).is_none() {
            draft.missing(
                line,
                "MA_THUOC",
                "Thiếu mã và tên thuốc",
                "neither drug code nor name; kept in the claim only",
            );
            continue;
        }
        let ordered = draft.date_time(line, "NGAY_YL");
        let amount = draft.decimal(line, "SO_LUONG");
        let requester = list(line.get("MA_BAC_SI"))
            .next()
            .map(|licence| draft.practitioner(licence));
        if requester.is_none() && requires.requester {
            draft.missing(line, "MA_BAC_SI", "Thiếu bác sĩ chỉ định", "no prescriber");
        }
        let text = match (name, line.get("HAM_LUONG")) {
            (Some(name), Some(strength)) => Some([name, " ", strength].concat()),
            (name, _) => name.map(str::to_owned),
        };
        let json = resource("MedicationRequest", |o| {
            o.text("status", status);
            o.text("intent", "order");
            concept(
                o,
                "medicationCodeableConcept",
                systems.drug.as_deref(),
                code,
                text.as_deref(),
            );
            o.reference("subject", "Patient", source.patient);
            o.reference("encounter", "Encounter", ENCOUNTER);
            o.moment("authoredOn", ordered);
            match requester {
                Some(licence) => o.reference("requester", "Practitioner", licence),
                None if requires.requester => o.raw("requester", ABSENT),
                None => {}
            }
            if requires.performer {
                o.reference("performer", "Organization", source.facility);
            }
            o.array("dosageInstruction", |a| {
                a.object(|o| {
                    o.maybe("text", line.get("LIEU_DUNG"));
                    o.maybe("patientInstruction", line.get("CACH_DUNG"));
                    concept(o, "route", systems.route.as_deref(), line.get("DUONG_DUNG"), None);
                });
            });
            o.object("dispenseRequest", |o| {
                quantity(o, "quantity", amount, line.get("DON_VI_TINH"))
            });
        });
        draft.put("MedicationRequest", line.key(), json);
    }
}
