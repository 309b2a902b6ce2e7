//! XML0, the check-in, while there is no XML1 yet: what is ordered first. The person, the card and the visit are written as
//! of XML1, which says the same under the same names.

use vhr_plugin_sdk::resource;

use crate::fhir::{ABSENT, concept};
use crate::source::{CHECK_IN, Draft, ENCOUNTER, Source};

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    let systems = &source.profile.code_systems;
    let requires = &source.profile.requires;
    for line in source.lines(CHECK_IN) {
        let ordered = draft.date_time(line, "NGAY_YL");
        let (drug, drug_name) = (line.get("MA_THUOC"), line.get("TEN_THUOC"));
        if drug.or(drug_name).is_some() {
            let json = resource("MedicationRequest", |o| {
                o.text("status", "active");
                o.text("intent", "order");
                concept(o, "medicationCodeableConcept", systems.drug.as_deref(), drug, drug_name);
                o.reference("subject", "Patient", source.patient);
                o.reference("encounter", "Encounter", ENCOUNTER);
                o.moment("authoredOn", ordered);
                if requires.requester {
                    o.raw("requester", ABSENT);
                }
                if requires.performer {
                    o.reference("performer", "Organization", source.facility);
                }
            });
            draft.put("MedicationRequest", line.key(), json);
        }
        let (service, service_name) = (line.get("MA_DICH_VU"), line.get("TEN_DICH_VU"));
        if service.or(service_name).is_some() {
            let json = resource("ServiceRequest", |o| {
                o.text("status", "active");
                o.text("intent", "order");
                concept(o, "code", systems.service.as_deref(), service, service_name);
                o.reference("subject", "Patient", source.patient);
                o.reference("encounter", "Encounter", ENCOUNTER);
                o.moment("authoredOn", ordered);
            });
            draft.put("ServiceRequest", line.key(), json);
        }
    }
}
