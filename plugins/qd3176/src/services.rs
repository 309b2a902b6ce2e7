//! XML3 to ServiceRequests and Procedures. The cost group of a row decides which; supplies, beds, exams, transport, blood
//! and drugs are lines of the claim and nothing else.

use vhr_plugin_sdk::{Moment, Object, list, resource};

use crate::codes::{self, Kind};
use crate::condition::{Diagnosis, other_traditional, write_reasons};
use crate::fhir::{ABSENT, coding, concept, concept_body, known_body, notes, period};
use crate::source::{Draft, ENCOUNTER, Line, Source};

/// A service as its results need to know it.
pub(crate) struct Service<'a> {
    pub(crate) code: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    /// `NGAY_KQ` as it stands.
    pub(crate) resulted: Option<&'a str>,
    /// The device it was done with, if it was one.
    pub(crate) device: Option<&'a str>,
    pub(crate) kind: Kind,
    pub(crate) key: String,
}

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>, diagnoses: &[Diagnosis<'_>]) -> Vec<Service<'a>> {
    let day = source.day();
    let mut services = Vec::new();
    for line in source.lines("XML3") {
        let (code, name) = (line.get("MA_DICH_VU"), line.get("TEN_DICH_VU"));
        if line.get("MA_VAT_TU").is_some() || code.or(name).is_none() {
            continue;
        }
        let group = line.get("MA_NHOM").and_then(|group| codes::group(group, day.as_str()));
        if group.is_none() {
            draft.unknown_code(line, "MA_NHOM");
        }
        let (kind, group) = group.map_or((Kind::Service, None), |(kind, name)| (kind, Some(name)));
        match kind {
            Kind::ClaimOnly => continue,
            Kind::Procedure => procedure(source, draft, diagnoses, line),
            Kind::Lab | Kind::Imaging | Kind::Function | Kind::Service => {
                request(source, draft, diagnoses, line, group);
            }
        }
        let mut devices = list(line.get("MA_MAY"));
        let device = devices.next().filter(|_| devices.next().is_none());
        services.push(Service {
            code,
            name,
            resulted: line.get("NGAY_KQ"),
            device,
            kind,
            key: line.key(),
        });
    }
    services
}

fn request<'a>(
    source: &Source<'a>,
    draft: &mut Draft<'a>,
    diagnoses: &[Diagnosis<'_>],
    line: Line<'a>,
    group: Option<&str>,
) {
    let systems = &source.profile.code_systems;
    let ended = line.get("NGAY_KQ").is_some() || source.head.get("NGAY_RA").is_some();
    let ordered = draft.date_time(line, "NGAY_YL");
    let done = draft.date_time(line, "NGAY_TH_YL");
    let requester = list(line.get("MA_BAC_SI"))
        .next()
        .map(|licence| draft.practitioner(licence));
    let performers: Vec<_> = list(line.get("NGUOI_THUC_HIEN"))
        .map(|licence| draft.practitioner(licence))
        .collect();
    let json = resource("ServiceRequest", |o| {
        o.text("status", if ended { "completed" } else { "active" });
        o.text("intent", "order");
        o.array("category", |a| a.object(|o| o.maybe("text", group)));
        concept(
            o,
            "code",
            systems.service.as_deref(),
            line.get("MA_DICH_VU"),
            line.get("TEN_DICH_VU"),
        );
        o.reference("subject", "Patient", source.patient);
        o.reference("encounter", "Encounter", ENCOUNTER);
        o.moment("occurrenceDateTime", done);
        o.moment("authoredOn", ordered);
        if let Some(licence) = requester {
            o.reference("requester", "Practitioner", licence);
        }
        o.array("performer", |a| {
            for licence in performers {
                a.reference("Practitioner", licence);
            }
        });
        write_reasons(o, source, diagnoses, &[line.get("MA_BENH")], line.get("MA_BENH_YHCT"));
        body_site(o, source, line);
        write_notes(o, diagnoses, line);
    });
    draft.put("ServiceRequest", line.key(), json);
}

fn procedure<'a>(source: &Source<'a>, draft: &mut Draft<'a>, diagnoses: &[Diagnosis<'_>], line: Line<'a>) {
    let systems = &source.profile.code_systems;
    let start = draft.date_time(line, "NGAY_TH_YL");
    let end = draft.date_time(line, "NGAY_KQ");
    let end = draft.ordered(line, "NGAY_KQ", start, end);
    let performers: Vec<_> = list(line.get("NGUOI_THUC_HIEN"))
        .map(|licence| draft.practitioner(licence))
        .collect();
    let json = resource("Procedure", |o| {
        o.text("status", "completed");
        o.object("code", |o| {
            let code = line.get("MA_DICH_VU");
            o.array("coding", |a| {
                coding(a, systems.service.as_deref(), code);
                for international in list(line.get("MA_PTTT_QT")) {
                    coding(a, systems.icd9cm.as_deref(), Some(international));
                }
            });
            o.maybe("text", line.get("TEN_DICH_VU").or(code));
        });
        o.reference("subject", "Patient", source.patient);
        o.reference("encounter", "Encounter", ENCOUNTER);
        performed(o, start, end, source.profile.requires.performed);
        o.array("performer", |a| {
            for licence in performers {
                a.object(|o| o.reference("actor", "Practitioner", licence));
            }
        });
        write_reasons(o, source, diagnoses, &[line.get("MA_BENH")], line.get("MA_BENH_YHCT"));
        body_site(o, source, line);
        write_notes(o, diagnoses, line);
        o.array("usedReference", |a| {
            for device in list(line.get("MA_MAY")) {
                a.object(|o| {
                    o.text("type", "Device");
                    o.object("identifier", |o| o.text("value", device));
                });
            }
        });
    });
    draft.put("Procedure", line.key(), json);
}

fn performed(o: &mut Object<'_>, start: Option<Moment>, end: Option<Moment>, required: bool) {
    match (start, end) {
        (_, Some(_)) => period(o, "performedPeriod", start, end),
        (Some(start), None) => o.text("performedDateTime", start.as_str()),
        (None, None) if required => o.raw("_performedDateTime", ABSENT),
        (None, None) => {}
    }
}

fn write_notes(o: &mut Object<'_>, diagnoses: &[Diagnosis<'_>], line: Line<'_>) {
    let other = other_traditional(diagnoses, line.get("MA_BENH_YHCT"));
    let anaesthesia = ("Mã phương pháp vô cảm", line.get("PP_VO_CAM"));
    notes(o, &[anaesthesia, ("Mã bệnh y học cổ truyền", Some(&other))]);
}

fn body_site(o: &mut Object<'_>, source: &Source<'_>, line: Line<'_>) {
    if let Some(site) = line.get("VI_TRI_TH_DVKT") {
        let system = source.profile.code_systems.body_site.as_deref();
        o.array("bodySite", |a| a.object(|o| concept_body(o, system, Some(site), None)));
    }
}

/// The category of what a service finds, as Observations name it.
pub(crate) fn observation_category(kind: Kind) -> Option<(&'static str, &'static str)> {
    match kind {
        Kind::Lab => Some(("laboratory", "Laboratory")),
        Kind::Imaging => Some(("imaging", "Imaging")),
        Kind::Function | Kind::Procedure => Some(("procedure", "Procedure")),
        Kind::Service | Kind::ClaimOnly => None,
    }
}

/// The category of a service's report.
pub(crate) fn report_category(o: &mut Object<'_>, kind: Option<Kind>) {
    const SECTION: &str = "http://terminology.hl7.org/CodeSystem/v2-0074";
    let section = match kind {
        Some(Kind::Lab) => Some(("LAB", "Laboratory")),
        Some(Kind::Imaging) => Some(("IMG", "Diagnostic Imaging")),
        _ => None,
    };
    o.array("category", |a| {
        a.object(|o| match section {
            Some((code, display)) => known_body(o, SECTION, code, display),
            None => o.text("text", "Cận lâm sàng"),
        });
    });
}
