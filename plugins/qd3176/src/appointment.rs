//! XML14, the paper with the day to come back: an Appointment, and the paper.
//!
//! FHIR wants the minute of an appointment that is booked. The paper has the day only, so it is one that is proposed.

use vhr_plugin_sdk::{list, resource};

use crate::condition::{Diagnosis, write_reasons};
use crate::papers::{self, Paper};
use crate::source::{Draft, Source};

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>, diagnoses: &[Diagnosis<'_>]) {
    for line in source.lines("XML14") {
        let day = draft.date_time(line, "NGAY_HEN_KL");
        if line.get("NGAY_HEN_KL").is_none() {
            draft.missing(line, "NGAY_HEN_KL", "Thiếu ngày hẹn khám lại", "no day to come back");
        }
        let doctor = list(line.get("MA_BAC_SI"))
            .next()
            .map(|licence| draft.practitioner(licence));
        let json = resource("Appointment", |o| {
            o.array("identifier", |a| {
                papers::number(a, line.name_of("SO_GIAYHEN_KL"), line.get("SO_GIAYHEN_KL"))
            });
            o.text("status", "proposed");
            o.raw("appointmentType", source.profile.fixed.follow_up.json());
            let codes = [line.get("MA_BENH_CHINH"), line.get("MA_BENH_KT")];
            write_reasons(o, source, diagnoses, &codes, line.get("MA_BENH_YHCT"));
            o.maybe("description", line.get("CHAN_DOAN_RV"));
            o.array("supportingInformation", |a| {
                a.reference("DocumentReference", &line.key())
            });
            // Its reader tells of a bad one.
            o.moment("created", line.moment("NGAY_CT"));
            o.array("participant", |a| {
                a.object(|o| {
                    o.reference("actor", "Patient", source.patient);
                    o.text("status", "needs-action");
                });
                if let Some(licence) = doctor {
                    a.object(|o| {
                        o.reference("actor", "Practitioner", licence);
                        o.text("status", "needs-action");
                    });
                }
            });
            o.array("requestedPeriod", |a| {
                a.object(|o| {
                    o.moment("start", day);
                    o.moment("end", day);
                });
            });
        });
        draft.put("Appointment", line.key(), json);
        let paper = Paper {
            numbers: &["SO_GIAYHEN_KL"],
            made: "NGAY_CT",
            author: ("MA_BAC_SI", ""),
            licensed: true,
            ..Paper::default()
        };
        papers::put(source, draft, line, &paper);
    }
}
