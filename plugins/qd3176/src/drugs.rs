//! XML2 to MedicationRequests: what was ordered, how it is to be taken, by whom.

use vhr_plugin_sdk::{Array, list, resource};

use crate::codes::Kind;
use crate::fhir::{ABSENT, concept, logical, notes, quantity};
use crate::papers;
use crate::services::Service;
use crate::source::{Draft, ENCOUNTER, Line, Source};

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>, services: &[Service<'_>]) {
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
        let described = line.get("SO_DANG_KY").or(line.get("DANG_BAO_CHE")).is_some();
        let used_in = || list(line.get("MA_DICH_VU")).map(|code| (code, used_in(services, code)));
        let json = resource("MedicationRequest", |o| {
            if described {
                o.array("contained", |a| product(a, line, name.or(code)));
            }
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
            o.array("supportingInformation", |a| {
                if described {
                    a.object(|o| o.text("reference", "#drug"));
                }
                for service in used_in().filter_map(|(_, service)| service) {
                    let procedure = service.kind == Kind::Procedure;
                    a.reference(if procedure { "Procedure" } else { "ServiceRequest" }, &service.key);
                }
            });
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
                quantity(o, "quantity", amount, line.get("DON_VI_TINH"));
                // The code of a facility, or one with something behind it.
                let lender = line.get("MA_CSKCB_THUOC");
                let facility = Some(source.profile.identifiers.facility.system.as_str());
                let system = facility.filter(|_| lender.is_some_and(|code| code.len() == 5));
                logical(o, "performer", "Organization", system, lender);
            });
            let elsewhere: Vec<_> = used_in()
                .filter(|(_, service)| service.is_none())
                .map(|(code, _)| code)
                .collect();
            let elsewhere = elsewhere.join("; ");
            let processed = ("Mã phương pháp chế biến vị thuốc", line.get("MA_PP_CHEBIEN"));
            notes(o, &[processed, ("Mã dịch vụ kỹ thuật có dùng thuốc", Some(&elsewhere))]);
        });
        draft.put("MedicationRequest", line.key(), json);
    }
}

/// What is said of the product beyond its code and name.
fn product(a: &mut Array<'_>, line: Line<'_>, name: Option<&str>) {
    a.object(|o| {
        o.text("resourceType", "Medication");
        o.text("id", "drug");
        o.array("identifier", |a| {
            papers::number(a, "Số đăng ký lưu hành", line.get("SO_DANG_KY"));
        });
        o.object("code", |o| o.maybe("text", name));
        o.object("form", |o| o.maybe("text", line.get("DANG_BAO_CHE")));
    });
}

/// The service of the visit that has this code.
fn used_in<'s, 'a>(services: &'s [Service<'a>], code: &str) -> Option<&'s Service<'a>> {
    services.iter().find(|service| service.code == Some(code))
}
