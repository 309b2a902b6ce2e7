//! XML5 to ClinicalImpressions: what the doctor noted, when, and what was said at consultations and operations.

use vhr_plugin_sdk::{list, resource};

use crate::source::{Draft, ENCOUNTER, Source};

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    for line in source.lines("XML5") {
        let date = draft.date_time(line, "THOI_DIEM_DBLS");
        let mut people = list(line.get("NGUOI_THUC_HIEN"));
        let assessor = people.next().map(|licence| draft.practitioner(licence));
        let others: Vec<_> = people.collect();
        let notes = [
            ("Hội chẩn", line.get("HOI_CHAN")),
            ("Phẫu thuật", line.get("PHAU_THUAT")),
            ("Giai đoạn bệnh", line.get("GIAI_DOAN_BENH")),
        ];
        if line.get("DIEN_BIEN_LS").is_none() && notes.iter().all(|(_, text)| text.is_none()) {
            draft.missing(
                line,
                "DIEN_BIEN_LS",
                "Diễn biến không có nội dung",
                "a progress note without content; left out",
            );
            continue;
        }
        let json = resource("ClinicalImpression", |o| {
            o.text("status", "completed");
            o.reference("subject", "Patient", source.patient);
            o.reference("encounter", "Encounter", ENCOUNTER);
            o.moment("date", date);
            if let Some(licence) = assessor {
                o.reference("assessor", "Practitioner", licence);
            }
            o.maybe("summary", line.get("DIEN_BIEN_LS"));
            o.array("note", |a| {
                for (meaning, text) in notes {
                    if let Some(text) = text {
                        a.object(|o| o.text("text", &[meaning, ": ", text].concat()));
                    }
                }
                // FHIR names one assessor; the others are kept by their codes.
                if !others.is_empty() {
                    a.object(|o| o.text("text", &["Người thực hiện khác: ", &others.join("; ")].concat()));
                }
            });
        });
        draft.put("ClinicalImpression", line.key(), json);
    }
}
