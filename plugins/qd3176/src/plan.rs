//! What happens next, from XML1: dates to come back, and the treatment in words.

use vhr_plugin_sdk::{Moment, list, resource};

use crate::fhir::wording;
use crate::source::{Draft, ENCOUNTER, Source};

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    let head = source.head;
    for (index, text) in list(head.get("NGAY_TAI_KHAM")).enumerate() {
        let Ok(moment) = Moment::date_time(text) else {
            draft.bad_date(head, "NGAY_TAI_KHAM");
            continue;
        };
        let json = resource("ServiceRequest", |o| {
            o.text("status", "active");
            o.text("intent", "plan");
            wording(o, "code", "Tái khám");
            o.reference("subject", "Patient", source.patient);
            o.reference("encounter", "Encounter", ENCOUNTER);
            o.text("occurrenceDateTime", moment.as_str());
        });
        draft.put("ServiceRequest", format!("TAI_KHAM-{}", index + 1), json);
    }
    let (treatment, advice) = (head.get("PP_DIEU_TRI"), head.get("GHI_CHU"));
    if treatment.or(advice).is_some() {
        let json = resource("CarePlan", |o| {
            o.text(
                "status",
                if head.get("NGAY_RA").is_some() {
                    "completed"
                } else {
                    "active"
                },
            );
            o.text("intent", "plan");
            o.maybe("description", treatment);
            o.reference("subject", "Patient", source.patient);
            o.reference("encounter", "Encounter", ENCOUNTER);
            o.array("note", |a| a.object(|o| o.maybe("text", advice)));
        });
        draft.put("CarePlan", "PP_DIEU_TRI".to_owned(), json);
    }
}
