//! The national mapping plugin: one visit in the sixteen tables of QĐ 130 / 4750 / 3176 to FHIR R4.
//!
//! Plugins for other formats use this crate as a library (without its feature `plugin`): they fill the tables, and
//! [`map_tables`] makes the resources and the claim of them.
//!
//! [`map`] is the whole story of a record: who it is about, then one file per subject. What stays true: nothing is
//! invented, what the tables lack is absent; every reference inside a record resolves and every key is unique per type;
//! the insurance claim leaves as the file's own bytes; messages name fields, never values.

mod appointment;
mod assessment;
mod birth;
mod certificates;
mod checkin;
mod claim;
mod claim_facts;
mod claim_item;
mod classes;
mod codes;
mod condition;
mod coverage;
mod drugs;
mod encounter;
mod family;
mod fhir;
mod finding;
mod hiv;
mod measurements;
mod papers;
mod patient;
mod people;
mod person;
mod plan;
mod profile;
mod progress;
mod referral;
mod results;
mod services;
mod source;
mod treatment;
mod tuberculosis;

pub use profile::{Profile, Settings};

use vhr_plugin_sdk::tables::{Fault, Tables};
use vhr_plugin_sdk::{
    Claim, Config, Context, Failure, Issue, Issues, Mapped, Outcome, Payload, Record, Visit, VisitInfo,
};

use source::{ASSESSMENT, CHECK_IN, Draft, Line, Source};

#[cfg(feature = "plugin")]
vhr_plugin_sdk::plugin!(Plugin, Plugin::open, map);

/// What stays the same for a whole batch.
#[derive(Debug)]
pub struct Plugin {
    profile: Profile,
    settings: Settings,
    facility: String,
}

impl Plugin {
    /// Reads the profile set and the site's settings.
    pub fn open(context: &Context) -> Result<Self, Failure> {
        let Config { profile, settings } = Config::read(context)?;
        Ok(Self {
            profile,
            settings: settings.unwrap_or_default(),
            facility: context.facility.clone(),
        })
    }
}

/// Maps one visit.
pub fn map(plugin: &Plugin, record: &Record) -> Outcome {
    let Payload::Json(json) = &record.payload else {
        return refuse(
            "QD3176-VIEW",
            "",
            "Plugin cần dạng xem json",
            "this plugin needs view json",
        );
    };
    let visit = match Visit::parse(json) {
        Ok(visit) => visit,
        Err(cause) => {
            let english = cause.to_string();
            return refuse("QD3176-UNREADABLE", "", "Không đọc được các bảng của hồ sơ", &english);
        }
    };
    map_record(plugin, &visit)
}

/// Maps a visit whose tables another plugin filled: the resources as of an export, and a claim built of the tables. What a
/// gateway would not take of them refuses the visit.
pub fn map_tables(plugin: &Plugin, tables: &Tables) -> Outcome {
    let claim = match tables.write() {
        Ok(documents) => documents,
        Err(faults) => {
            let issue = |fault: Fault| Issue {
                severity: "error".to_owned(),
                code: "QD3176-TABLES".to_owned(),
                message: fault.to_string(),
                source_path: fault.path,
                target_path: None,
                ext: Vec::new(),
            };
            return Outcome::Rejected(faults.into_iter().map(issue).collect());
        }
    };
    match map_record(plugin, &tables.to_visit()) {
        Outcome::Mapped(mapped) => Outcome::Mapped(Mapped {
            claim: Claim::Tables(claim),
            ..mapped
        }),
        other => other,
    }
}

fn map_record(plugin: &Plugin, visit: &Visit<'_>) -> Outcome {
    match identify(plugin, visit) {
        Ok((source, draft)) => map_visit(&source, draft),
        Err(issues) => Outcome::Rejected(issues),
    }
}

/// Whose visit this is. Without that, or with two answers, nothing may be mapped.
fn identify<'a>(plugin: &'a Plugin, visit: &'a Visit<'a>) -> Result<(Source<'a>, Draft<'a>), Vec<Issue>> {
    let error = |code, path: &str, vietnamese, english| vec![Issues::issue("error", code, path, vietnamese, english)];
    let (head, key) = match (visit.table("XML1"), visit.table(CHECK_IN), visit.table(ASSESSMENT)) {
        ([row], ..) => (Line::head("XML1", row), "MA_LK"),
        ([], [row, ..], _) => (Line::head(CHECK_IN, row), "MA_LK"),
        // A board's minutes stand alone: their number is what names them.
        ([], [], [row]) => (Line::head(ASSESSMENT, row), "SO_BIEN_BAN"),
        ([], [], []) => {
            return Err(error(
                "QD3176-NO-XML1",
                "XML1",
                "Hồ sơ không có bảng XML1",
                "the record has no table XML1",
            ));
        }
        _ => {
            return Err(error(
                "QD3176-MANY-XML1",
                "XML1",
                "Hồ sơ có nhiều dòng XML1",
                "the record has several rows in XML1",
            ));
        }
    };
    let Some(link) = head.get(key) else {
        return Err(error(
            "QD3176-MISSING",
            &head.path(key),
            "Thiếu mã định danh lượt khám",
            "the visit has no key",
        ));
    };
    for (table, rows) in visit.tables() {
        if let Some(at) = rows
            .iter()
            .position(|row| row.get("MA_LK").is_some_and(|other| other != link))
        {
            let path = format!("{table}[{}]/MA_LK", at + 1);
            return Err(error(
                "QD3176-LINK",
                &path,
                "MA_LK khác nhau giữa các dòng của hồ sơ",
                "the key differs from the one of the visit",
            ));
        }
    }
    let home = Some(plugin.facility.as_str()).filter(|facility| !facility.is_empty());
    let Some(facility) = head.get("MA_CSKCB").or(home) else {
        return Err(error(
            "QD3176-MISSING",
            &head.path("MA_CSKCB"),
            "Thiếu mã cơ sở khám chữa bệnh",
            "no facility code",
        ));
    };
    let mut draft = Draft::default();
    let at_home = home == Some(facility);
    if home.is_some() && !at_home {
        draft.issues.warning(
            "QD3176-FACILITY",
            &head.path("MA_CSKCB"),
            "Mã cơ sở khác với mã cơ sở của đơn vị",
            "the facility code is not the one of this site",
        );
    }
    let (admitted, discharged) = match head.is_of(ASSESSMENT) {
        true => ("NGAY_HOP", "NGAY_HOP"),
        false => ("NGAY_VAO", "NGAY_RA"),
    };
    let source = Source {
        profile: &plugin.profile,
        settings: &plugin.settings,
        visit,
        head,
        link,
        facility,
        at_home,
        patient: source::told(visit, head, "MA_BN").get("MA_BN").unwrap_or(link),
        admitted: draft.date_time(head, admitted),
        discharged: draft.date_time(head, discharged),
    };
    Ok((source, draft))
}

fn map_visit<'a>(source: &Source<'a>, mut draft: Draft<'a>) -> Outcome {
    let draft_ref = &mut draft;
    people::facility(source, draft_ref);
    patient::map(source, draft_ref);
    let coverages = coverage::map(source, draft_ref);
    let diagnoses = condition::map(source, draft_ref);
    tuberculosis::map(source, draft_ref);
    hiv::map(source, draft_ref);
    encounter::map(source, draft_ref, &diagnoses);
    measurements::map(source, draft_ref);
    let services = services::map(source, draft_ref, &diagnoses);
    drugs::map(source, draft_ref, &services);
    if source.is_check_in() {
        checkin::map(source, draft_ref);
    }
    results::map(source, draft_ref, &services);
    progress::map(source, draft_ref);
    plan::map(source, draft_ref);
    family::map(source, draft_ref);
    certificates::map(source, draft_ref);
    birth::map(source, draft_ref);
    assessment::map(source, draft_ref);
    referral::map(source, draft_ref, &diagnoses);
    appointment::map(source, draft_ref, &diagnoses);
    if source.head.is_of("XML1") {
        claim::map(source, draft_ref, &coverages, &diagnoses);
    }
    people::practitioners(source, draft_ref);

    let classes = classes::of(source);
    Outcome::Mapped(Mapped {
        visit: VisitInfo {
            facility: source.facility.to_owned(),
            key: source.link.to_owned(),
            ended: source.discharged.map(|moment| moment.as_str().to_owned()),
            classes,
            ext: Vec::new(),
        },
        resources: draft.resources,
        claim: Claim::AsReceived,
        issues: draft.issues.into_vec(),
        ext: Vec::new(),
    })
}

fn refuse(code: &str, path: &str, vietnamese: &str, english: &str) -> Outcome {
    Outcome::Rejected(vec![Issues::issue("error", code, path, vietnamese, english)])
}
