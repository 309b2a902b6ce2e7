//! What a form says beyond the tables of the visit, as Observations: one for each subject of the form, with a component
//! for each field that was filled. A form that says nothing of a subject makes none.

use vhr_plugin_sdk::{Decimal, Moment, Object, list, resource};

use crate::fhir::{ABSENT, UCUM, known, known_body, measured, national_body, period, quantity, wording};
use crate::source::{Draft, ENCOUNTER, Line, Source};

/// An Observation in the making.
pub(crate) struct Finding<'a> {
    line: Line<'a>,
    key: String,
    about: &'static str,
    loinc: Option<(&'static str, &'static str)>,
    category: Option<(&'static str, &'static str)>,
    when: Option<Moment>,
    /// The Patient, where it is not the one of the visit.
    subject: Option<String>,
    /// The Patient it is about, where the subject is somebody else.
    focus: Option<String>,
    based_on: Option<String>,
    performers: Vec<Performer<'a>>,
    value: Option<Value<'a>>,
    parts: Vec<(&'static str, Value<'a>)>,
}

/// Who found it.
pub(crate) enum Performer<'a> {
    /// A facility known by its code.
    Facility(&'a str),
    /// Somebody of whom the form has the name only, and perhaps what he is.
    Named(String),
}

/// A value as the form has it.
pub(crate) enum Value<'a> {
    /// A code of the list of a field.
    Code(&'static str, &'a str),
    Text(&'a str),
    /// A concept that has words only.
    Words(&'static str),
    Number(Decimal<'a>),
    /// A number, the unit in words and by UCUM.
    Measured(Decimal<'a>, &'static str, &'static str),
    At(Moment),
    During(Option<Moment>, Option<Moment>),
    Flag(bool),
}

impl<'a> Finding<'a> {
    /// About one subject of a row; `part` names it among the subjects of the row.
    pub(crate) fn new(line: Line<'a>, part: &str, about: &'static str) -> Self {
        Self {
            line,
            key: [&line.key(), "-", part].concat(),
            about,
            loinc: None,
            category: None,
            when: None,
            subject: None,
            focus: None,
            based_on: None,
            performers: Vec::new(),
            value: None,
            parts: Vec::new(),
        }
    }

    pub(crate) fn loinc(mut self, code: &'static str, display: &'static str) -> Self {
        self.loinc = Some((code, display));
        self
    }

    pub(crate) fn category(mut self, code: &'static str, display: &'static str) -> Self {
        self.category = Some((code, display));
        self
    }

    pub(crate) fn when(mut self, moment: Option<Moment>) -> Self {
        self.when = moment;
        self
    }

    pub(crate) fn subject(mut self, patient: &str) -> Self {
        self.subject = Some(patient.to_owned());
        self
    }

    pub(crate) fn focus(mut self, patient: &str) -> Self {
        self.focus = Some(patient.to_owned());
        self
    }

    pub(crate) fn based_on(mut self, request: Option<String>) -> Self {
        self.based_on = request;
        self
    }

    pub(crate) fn performer(mut self, performer: Option<Performer<'a>>) -> Self {
        self.performers.extend(performer);
        self
    }

    pub(crate) fn value(mut self, value: Option<Value<'a>>) -> Self {
        self.value = value;
        self
    }

    /// A component with words of its own.
    pub(crate) fn part(mut self, about: &'static str, value: Option<Value<'a>>) -> Self {
        self.parts.extend(value.map(|value| (about, value)));
        self
    }

    /// A component of the field's codes, one for each.
    pub(crate) fn codes(mut self, field: &'static str) -> Self {
        let about = self.line.name_of(field);
        let codes = list(self.line.get(field)).map(|code| (about, Value::Code(field, code)));
        self.parts.extend(codes);
        self
    }

    /// A component of the field's text.
    pub(crate) fn text(self, field: &'static str) -> Self {
        let (about, text) = (self.line.name_of(field), self.line.get(field));
        self.part(about, text.map(Value::Text))
    }

    /// A component of the field's date.
    pub(crate) fn date(self, draft: &mut Draft<'a>, field: &'static str) -> Self {
        let (about, moment) = (self.line.name_of(field), draft.date_time(self.line, field));
        self.part(about, moment.map(Value::At))
    }

    /// A component of the field's number.
    pub(crate) fn number(self, draft: &mut Draft<'a>, field: &'static str) -> Self {
        let (about, number) = (self.line.name_of(field), draft.decimal(self.line, field));
        self.part(about, number.map(Value::Number))
    }

    /// A component of the field's number with its unit.
    pub(crate) fn measured(
        self,
        draft: &mut Draft<'a>,
        field: &'static str,
        unit: &'static str,
        ucum: &'static str,
    ) -> Self {
        let (about, number) = (self.line.name_of(field), draft.decimal(self.line, field));
        self.part(about, number.map(|number| Value::Measured(number, unit, ucum)))
    }

    /// A component of a field that says yes by `1` and no by `0`.
    pub(crate) fn flag(self, draft: &mut Draft<'a>, field: &'static str) -> Self {
        let (about, flag) = (self.line.name_of(field), flag(draft, self.line, field));
        self.part(about, flag.map(Value::Flag))
    }

    /// Writes it, if the form said anything.
    pub(crate) fn put(self, source: &Source<'a>, draft: &mut Draft<'a>) {
        if self.value.is_none() && self.parts.is_empty() && self.performers.is_empty() {
            return;
        }
        let json = resource("Observation", |o| self.write(o, source));
        draft.put("Observation", self.key, json);
    }

    fn write(&self, o: &mut Object<'_>, source: &Source<'_>) {
        o.array("basedOn", |a| {
            if let Some(request) = &self.based_on {
                a.reference("ServiceRequest", request);
            }
        });
        o.text("status", "final");
        o.array("category", |a| {
            if let Some((code, display)) = self.category {
                const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
                a.object(|o| known_body(o, CATEGORY, code, display));
            }
        });
        match self.loinc {
            Some((code, display)) => known(o, "code", "http://loinc.org", code, display),
            None => wording(o, "code", self.about),
        }
        o.reference("subject", "Patient", self.subject.as_deref().unwrap_or(source.patient));
        o.array("focus", |a| {
            if let Some(patient) = &self.focus {
                a.reference("Patient", patient);
            }
        });
        o.reference("encounter", "Encounter", ENCOUNTER);
        match self.when {
            Some(moment) => o.text("effectiveDateTime", moment.as_str()),
            None if source.profile.requires.effective => o.raw("_effectiveDateTime", ABSENT),
            None => {}
        }
        o.array("performer", |a| {
            for performer in &self.performers {
                match performer {
                    Performer::Facility(code) if *code == source.facility => a.reference("Organization", code),
                    Performer::Facility(code) => a.object(|o| {
                        o.text("type", "Organization");
                        o.object("identifier", |o| {
                            o.text("system", &source.profile.identifiers.facility.system);
                            o.text("value", code);
                        });
                    }),
                    Performer::Named(name) => a.object(|o| {
                        o.text("type", "Practitioner");
                        o.text("display", name);
                    }),
                }
            }
        });
        if let Some(value) = &self.value {
            write_value(o, source, self.about, value);
        }
        o.array("component", |a| {
            for (about, value) in &self.parts {
                a.object(|o| {
                    wording(o, "code", about);
                    write_value(o, source, about, value);
                });
            }
        });
    }
}

/// `1` is yes and `0` is no; anything else is told and left out.
pub(crate) fn flag<'a>(draft: &mut Draft<'a>, line: Line<'a>, field: &str) -> Option<bool> {
    match line.get(field)? {
        "1" => Some(true),
        "0" => Some(false),
        _ => {
            draft.unknown_code(line, field);
            None
        }
    }
}

fn write_value(o: &mut Object<'_>, source: &Source<'_>, about: &str, value: &Value<'_>) {
    match value {
        Value::Code(field, code) => o.object("valueCodeableConcept", |o| national_body(o, source, field, about, code)),
        Value::Text(text) => o.text("valueString", text),
        Value::Words(words) => wording(o, "valueCodeableConcept", words),
        Value::Number(number) => quantity(o, "valueQuantity", Some(*number), None),
        Value::Measured(number, unit, ucum) => measured(o, "valueQuantity", *number, unit, UCUM, ucum),
        Value::At(moment) => o.text("valueDateTime", moment.as_str()),
        Value::During(start, end) => period(o, "valuePeriod", *start, *end),
        Value::Flag(flag) => o.flag("valueBoolean", *flag),
    }
}
