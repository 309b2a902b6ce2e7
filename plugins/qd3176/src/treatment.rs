//! What HIV care (XML6) and the treatment of tuberculosis (XML15) are made of: an episode, and regimens with the time in
//! which they are followed.

use vhr_plugin_sdk::{Decimal, Moment, Object, Scope, put, resource};

use crate::fhir::{ABSENT, UCUM, measured, national_body, organization, period, wording};
use crate::source::{Draft, ENCOUNTER, Line, Source};

/// A course of drugs that a table names without being a prescription.
pub(crate) struct Regimen<'a> {
    pub(crate) key: String,
    /// The field of its code and what it is in words; without a code the words are all.
    pub(crate) what: (&'static str, &'static str, Option<&'a str>),
    /// The line of therapy: its field and its code.
    pub(crate) step: Option<(&'static str, &'a str)>,
    /// Why it was chosen: the field and the code.
    pub(crate) reason: Option<(&'static str, &'a str)>,
    pub(crate) start: Option<Moment>,
    pub(crate) end: Option<Moment>,
    /// The facility that began it; none: not known.
    pub(crate) begun_at: Option<&'a str>,
    /// For how many days drugs were given.
    pub(crate) days: Option<Decimal<'a>>,
}

impl<'a> Regimen<'a> {
    pub(crate) fn new(line: Line<'a>, part: &str, field: &'static str, words: &'static str) -> Self {
        Self {
            key: [&line.key(), "-", part].concat(),
            what: (field, words, line.get(field)),
            step: None,
            reason: None,
            start: None,
            end: None,
            begun_at: None,
            days: None,
        }
    }

    /// Writes it, if the table said anything of it.
    pub(crate) fn put(self, source: &Source<'a>, draft: &mut Draft<'a>) {
        let Self { start, end, days, .. } = self;
        if self.what.2.is_none() && start.is_none() && days.is_none() && self.step.is_none() && self.begun_at.is_none()
        {
            return;
        }
        let requires = &source.profile.requires;
        let json = resource("MedicationRequest", |o| {
            o.text("status", if source.is_over(end) { "completed" } else { "active" });
            // A course that is followed; the drugs themselves are ordered in XML2.
            o.text("intent", "plan");
            o.array("category", |a| {
                if let Some((field, code)) = self.step {
                    a.object(|o| national_body(o, source, field, "Bậc phác đồ", code));
                }
            });
            let (field, words, code) = self.what;
            match code {
                Some(code) => o.object("medicationCodeableConcept", |o| {
                    national_body(o, source, field, words, code)
                }),
                None => wording(o, "medicationCodeableConcept", words),
            }
            o.reference("subject", "Patient", source.patient);
            o.reference("encounter", "Encounter", ENCOUNTER);
            match self.begun_at {
                Some(facility) => organization(o, "requester", source, Some(facility)),
                None if requires.requester => o.raw("requester", ABSENT),
                None => {}
            }
            if requires.performer {
                o.reference("performer", "Organization", source.facility);
            }
            o.array("reasonCode", |a| {
                if let Some((field, code)) = self.reason {
                    a.object(|o| national_body(o, source, field, "Lý do chuyển phác đồ", code));
                }
            });
            o.array("dosageInstruction", |a| a.object(|o| followed(o, start, end)));
            if let Some(days) = days {
                o.object("dispenseRequest", |o| {
                    measured(o, "expectedSupplyDuration", days, "ngày", UCUM, "d");
                });
            }
        });
        draft.put("MedicationRequest", self.key, json);
    }
}

fn followed(o: &mut Object<'_>, start: Option<Moment>, end: Option<Moment>) {
    o.object("timing", |o| {
        o.object("repeat", |o| period(o, "boundsPeriod", start, end));
    });
}

/// An episode of care at a facility: the same one for all visits that belong to it.
pub(crate) struct Episode<'a> {
    pub(crate) key: String,
    pub(crate) about: &'static str,
    pub(crate) start: Option<Moment>,
    pub(crate) end: Option<Moment>,
    /// The facility that is in charge.
    pub(crate) at: Option<&'a str>,
}

impl<'a> Episode<'a> {
    pub(crate) fn put(self, source: &Source<'a>, draft: &mut Draft<'a>) {
        // Two tables, or two rows, may tell of one.
        if draft.episodes.contains(&self.key) {
            return;
        }
        let json = resource("EpisodeOfCare", |o| {
            o.text("status", if source.is_over(self.end) { "finished" } else { "active" });
            o.array("type", |a| {
                a.object(|o| o.text("text", self.about));
            });
            o.reference("patient", "Patient", source.patient);
            organization(o, "managingOrganization", source, self.at);
            period(o, "period", self.start, self.end);
        });
        draft.episodes.push(self.key.clone());
        put(&mut draft.resources, "EpisodeOfCare", self.key, Scope::Facility, json);
    }
}
