//! XML4 to Observations and DiagnosticReports: one Observation per index, one report per service and time of result.

use vhr_plugin_sdk::{Decimal, Moment, Object, list, resource};

use crate::codes::Kind;
use crate::fhir::{ABSENT, concept, known_body, logical};
use crate::services::{Service, observation_category, report_category};
use crate::source::{Draft, ENCOUNTER, Line, Source};

/// The rows of one service with one time of result.
struct Report<'a> {
    first: Line<'a>,
    service: Option<usize>,
    resulted: Option<Moment>,
    results: Vec<String>,
    conclusion: Vec<&'a str>,
    readers: Vec<&'a str>,
}

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>, services: &[Service<'a>]) {
    let mut reports: Vec<Report<'a>> = Vec::new();
    for line in source.lines("XML4") {
        let (code, resulted) = (line.get("MA_DICH_VU"), line.get("NGAY_KQ"));
        let same =
            |report: &Report<'_>| report.first.get("MA_DICH_VU") == code && report.first.get("NGAY_KQ") == resulted;
        let at = match reports.iter().rposition(same) {
            Some(at) => at,
            None => {
                reports.push(Report {
                    first: line,
                    service: service(services, code, resulted),
                    resulted: draft.date_time(line, "NGAY_KQ"),
                    results: Vec::new(),
                    conclusion: Vec::new(),
                    readers: Vec::new(),
                });
                reports.len() - 1
            }
        };
        let report = &mut reports[at];
        let readers: Vec<_> = list(line.get("MA_BS_DOC_KQ"))
            .map(|licence| draft.practitioner(licence))
            .collect();
        if line.get("MA_CHI_SO").or(line.get("TEN_CHI_SO")).is_some() {
            let service = report.service.and_then(|at| services.get(at));
            observation(source, draft, line, service, report.resulted, &readers);
            report.results.push(line.key());
        } else {
            // Without an index there is no Observation: what the reader saw belongs to the report.
            once(&mut report.conclusion, line.get("GIA_TRI"));
            once(&mut report.conclusion, line.get("MO_TA"));
        }
        once(&mut report.conclusion, line.get("KET_LUAN"));
        for reader in readers {
            once(&mut report.readers, Some(reader));
        }
    }
    for report in &reports {
        let service = report.service.and_then(|at| services.get(at));
        // A lone index that belongs to no service and concludes nothing needs no report around it.
        if report.first.get("MA_DICH_VU").is_some() || !report.conclusion.is_empty() {
            write_report(source, draft, report, service);
        }
    }
}

fn once<'a>(list: &mut Vec<&'a str>, text: Option<&'a str>) {
    if let Some(text) = text.filter(|text| !list.contains(text)) {
        list.push(text);
    }
}

/// The service of this code that was resulted at this time, else the first of this code.
fn service(services: &[Service<'_>], code: Option<&str>, resulted: Option<&str>) -> Option<usize> {
    code?;
    let same_code = |service: &Service<'_>| service.code == code;
    services
        .iter()
        .position(|service| same_code(service) && resulted.is_some() && service.resulted == resulted)
        .or_else(|| services.iter().position(same_code))
}

fn observation<'a>(
    source: &Source<'a>,
    draft: &mut Draft<'a>,
    line: Line<'a>,
    service: Option<&Service<'_>>,
    resulted: Option<Moment>,
    readers: &[&str],
) {
    let system = source.profile.code_systems.test_index.as_deref();
    let json = resource("Observation", |o| {
        origin(o, service, true);
        o.text("status", "final");
        o.array("category", |a| {
            if let Some((code, display)) = service.and_then(|service| observation_category(service.kind)) {
                a.object(|o| {
                    known_body(
                        o,
                        "http://terminology.hl7.org/CodeSystem/observation-category",
                        code,
                        display,
                    );
                });
            }
        });
        concept(o, "code", system, line.get("MA_CHI_SO"), line.get("TEN_CHI_SO"));
        o.reference("subject", "Patient", source.patient);
        o.reference("encounter", "Encounter", ENCOUNTER);
        times(o, resulted, source.profile.requires.effective);
        o.array("performer", |a| {
            for reader in readers {
                a.reference("Practitioner", reader);
            }
            if readers.is_empty() {
                a.reference("Organization", source.facility);
            }
        });
        let (value, seen) = (line.get("GIA_TRI"), line.get("MO_TA"));
        match (value, seen) {
            (Some(value), _) => write_value(o, value, line.get("DON_VI_DO")),
            // An image has no value but what the reader saw.
            (None, Some(seen)) => o.text("valueString", seen),
            (None, None) => absent_value(o),
        }
        let device = line.get("MA_MAY").or(service.and_then(|service| service.device));
        logical(o, "device", "Device", None, device);
        o.array("note", |a| {
            if value.is_some() {
                a.object(|o| o.maybe("text", seen));
            }
        });
    });
    draft.put("Observation", line.key(), json);
}

/// A number with a unit is a quantity, digit by digit; everything else stays the text it is.
fn write_value(o: &mut Object<'_>, value: &str, unit: Option<&str>) {
    let (comparator, number) = comparator(value);
    match (Decimal::parse(number), unit) {
        (Some(number), Some(unit)) => o.object("valueQuantity", |o| {
            o.decimal("value", number);
            o.maybe("comparator", comparator);
            o.text("unit", unit);
        }),
        _ => o.text("valueString", value),
    }
}

fn comparator(value: &str) -> (Option<&'static str>, &str) {
    for (sign, code) in [
        ("<=", "<="),
        (">=", ">="),
        ("≤", "<="),
        ("≥", ">="),
        ("<", "<"),
        (">", ">"),
    ] {
        if let Some(rest) = value.strip_prefix(sign) {
            return (Some(code), rest.trim_start());
        }
    }
    (None, value)
}

fn absent_value(o: &mut Object<'_>) {
    o.object("dataAbsentReason", |o| {
        known_body(
            o,
            "http://terminology.hl7.org/CodeSystem/data-absent-reason",
            "unknown",
            "Unknown",
        );
    });
}

fn write_report<'a>(source: &Source<'a>, draft: &mut Draft<'a>, report: &Report<'a>, service: Option<&Service<'_>>) {
    let code = report.first.get("MA_DICH_VU");
    let name = service.and_then(|service| service.name).or(match code {
        Some(_) => None,
        None => report.first.get("TEN_CHI_SO"),
    });
    let json = resource("DiagnosticReport", |o| {
        origin(o, service, false);
        o.text("status", "final");
        report_category(o, service.map(|service| service.kind));
        match code.or(name) {
            Some(_) => concept(o, "code", source.profile.code_systems.service.as_deref(), code, name),
            None => o.raw("code", ABSENT),
        }
        o.reference("subject", "Patient", source.patient);
        o.reference("encounter", "Encounter", ENCOUNTER);
        times(o, report.resulted, source.profile.requires.effective);
        o.array("resultsInterpreter", |a| {
            for reader in &report.readers {
                a.reference("Practitioner", reader);
            }
        });
        o.array("result", |a| {
            for key in &report.results {
                a.reference("Observation", key);
            }
        });
        o.text("conclusion", &report.conclusion.join("\n"));
    });
    draft.put("DiagnosticReport", report.first.key(), json);
}

/// What a result came from: the request it answers, or the procedure it is part of.
fn origin(o: &mut Object<'_>, service: Option<&Service<'_>>, is_observation: bool) {
    match service {
        Some(service) if service.kind != Kind::Procedure => {
            o.array("basedOn", |a| a.reference("ServiceRequest", &service.key));
        }
        Some(service) if is_observation => o.array("partOf", |a| a.reference("Procedure", &service.key)),
        _ => {}
    }
}

fn times(o: &mut Object<'_>, resulted: Option<Moment>, required: bool) {
    match resulted {
        Some(moment) => o.text("effectiveDateTime", moment.as_str()),
        None if required => o.raw("_effectiveDateTime", ABSENT),
        None => {}
    }
    o.moment("issued", resulted.filter(Moment::is_instant));
}
