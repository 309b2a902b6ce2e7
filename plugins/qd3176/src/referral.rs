//! XML13, the referral: a ServiceRequest to the facility that takes the patient over, and the paper.

use vhr_plugin_sdk::{Array, list, resource};

use crate::condition::{Diagnosis, other_traditional, write_reasons};
use crate::fhir::{national_body, notes, organization};
use crate::papers::{self, Paper};
use crate::source::{Draft, ENCOUNTER, Line, Source};

const TABLE: &str = "XML13";
const NUMBERS: [&str; 3] = ["GIAY_CHUYEN_TUYEN", "SO_CHUYENTUYEN", "SO_HOSO"];

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>, diagnoses: &[Diagnosis<'_>]) {
    for line in source.lines(TABLE) {
        let licence = list(line.get("MA_BAC_SI")).next();
        let requester = licence.map(|licence| draft.practitioner(licence));
        let json = resource("ServiceRequest", |o| {
            o.array("identifier", |a| {
                for field in NUMBERS {
                    papers::number(a, line.name_of(field), line.get(field));
                }
            });
            o.text("status", "active");
            o.text("intent", "order");
            o.raw("code", source.profile.fixed.referral.json());
            o.array("orderDetail", |a| {
                if let Some(code) = line.get("MA_LYDO_CT") {
                    a.object(|o| national_body(o, source, "MA_LYDO_CT", "Lý do chuyển", code));
                }
                a.object(|o| o.maybe("text", line.get("PHUONGTIEN_VC")));
            });
            o.reference("subject", "Patient", source.patient);
            o.reference("encounter", "Encounter", ENCOUNTER);
            match requester {
                Some(licence) => o.reference("requester", "Practitioner", licence),
                None => organization(o, "requester", source, line.get("MA_CSKCB")),
            }
            let facility = |a: &mut Array<'_>, code: &str| {
                a.object(|o| {
                    o.text("type", "Organization");
                    o.object("identifier", |o| {
                        o.text("system", &source.profile.identifiers.facility.system);
                        o.text("value", code);
                    });
                });
            };
            o.array("performer", |a| {
                line.get("MA_CSKCB_DEN").into_iter().for_each(|code| facility(a, code))
            });
            let codes = [line.get("MA_BENH_CHINH"), line.get("MA_BENH_KT")];
            write_reasons(o, source, diagnoses, &codes, line.get("MA_BENH_YHCT"));
            o.array("supportingInfo", |a| {
                a.reference("DocumentReference", &line.key());
                list(line.get("MA_CSKCB_DI")).for_each(|code| facility(a, code));
            });
            let other = other_traditional(diagnoses, line.get("MA_BENH_YHCT"));
            let note = |field| (line.name_of(field), line.get(field));
            let traditional = (line.name_of("MA_BENH_YHCT"), Some(other.as_str()));
            notes(o, &[note("TINH_TRANG_CT"), note("HUONG_DIEU_TRI"), traditional]);
        });
        draft.put("ServiceRequest", line.key(), json);
        let paper = Paper {
            numbers: &NUMBERS,
            author: ("MA_BAC_SI", ""),
            licensed: true,
            ..Paper::default()
        };
        papers::put(source, draft, line, &paper);
    }
}

/// Who goes along with the patient, and what he is.
pub(crate) fn escort<'a>(source: &Source<'a>) -> Option<Line<'a>> {
    let mut lines = source.lines(TABLE);
    lines.find(|line| line.get("HOTEN_NGUOI_HT").or(line.get("CHUCDANH_NGUOI_HT")).is_some())
}
