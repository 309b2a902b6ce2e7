//! What the Claim says beyond its lines and its total, as supporting information.
//!
//! R4 has no element for most of what the tables say of paying for a row. It stands here, and lines name it by number: what
//! many rows share (a scope, a level, a share of nothing) is there once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use vhr_plugin_sdk::{Array, Decimal, Moment};

use crate::fhir::{logical, measured, national_body, quantity, wording};
use crate::source::{Draft, Line, Source};

const CURRENCY: &str = "urn:iso:std:iso:4217";

/// What is to be known of a row beside its price and its total, which lines have elements for.
const KNOWN: [(&str, Kind); 19] = [
    ("DON_GIA_BH", Kind::Amount),
    ("THANH_TIEN_BH", Kind::Amount),
    ("T_TRANTT", Kind::Amount),
    ("T_NGUONKHAC_NSNN", Kind::Amount),
    ("T_NGUONKHAC_VTNN", Kind::Amount),
    ("T_NGUONKHAC_VTTN", Kind::Amount),
    ("T_NGUONKHAC_CL", Kind::Amount),
    ("T_NGUONKHAC", Kind::Amount),
    ("T_BNTT", Kind::Amount),
    ("T_BNCCT", Kind::Amount),
    ("T_BHTT", Kind::Amount),
    ("TYLE_TT_BH", Kind::Percent),
    ("MUC_HUONG", Kind::Percent),
    ("PHAM_VI", Kind::Code),
    ("MA_PTTT", Kind::Code),
    ("VET_THUONG_TP", Kind::Code),
    ("TT_THAU", Kind::Code),
    ("GOI_VTYT", Kind::Code),
    ("TAI_SU_DUNG", Kind::Code),
];

#[derive(Clone, Copy)]
enum Kind {
    Amount,
    Percent,
    Code,
}

/// The supporting information of a Claim, each fact once.
#[derive(Default)]
pub(crate) struct Facts<'a> {
    facts: Vec<(&'static str, &'static str, Fact<'a>)>,
    /// By the place of the field in [`KNOWN`] and its text.
    places: BTreeMap<(usize, &'a str), usize>,
}

#[derive(Clone, Copy)]
pub(crate) enum Fact<'a> {
    Amount(Decimal<'a>),
    Percent(Decimal<'a>),
    /// A code of the field's own list.
    Code(&'a str),
    Day(Moment),
    /// Somebody known by a number.
    Person(&'a str),
}

impl<'a> Facts<'a> {
    /// Adds a fact, if there is one; its number.
    pub(crate) fn tell(&mut self, field: &'static str, meaning: &'static str, fact: Option<Fact<'a>>) -> Option<usize> {
        self.facts.push((field, meaning, fact?));
        Some(self.facts.len())
    }

    /// The number of a fact of a row's field, which is added unless it is there; none where it is no number.
    fn number_of(&mut self, draft: &mut Draft<'a>, line: Line<'a>, place: usize, text: &'a str) -> Option<usize> {
        if let Some(number) = self.places.get(&(place, text)) {
            return Some(*number);
        }
        let (field, kind) = KNOWN[place];
        let fact = match kind {
            Kind::Amount => draft.decimal(line, field).map(Fact::Amount),
            Kind::Percent => draft.decimal(line, field).map(Fact::Percent),
            Kind::Code => Some(Fact::Code(text)),
        };
        let number = self.tell(field, line.name_of(field), fact)?;
        self.places.insert((place, text), number);
        Some(number)
    }

    /// What is to be known of a row: the numbers of the facts as a JSON list, nothing if there are none.
    pub(crate) fn of_row(&mut self, draft: &mut Draft<'a>, line: Line<'a>) -> String {
        // Most of these fields are not there: the row is gone through once instead of being asked for each. In whatever order
        // they stood, they are told in one.
        let mut texts = [None; KNOWN.len()];
        for (name, text) in line.fields() {
            if let Some(place) = KNOWN.iter().position(|(field, _)| *field == name) {
                texts[place] = texts[place].or(Some(text));
            }
        }
        let mut numbers = String::with_capacity(64);
        for (place, text) in texts.into_iter().enumerate() {
            if let Some(number) = text.and_then(|text| self.number_of(draft, line, place, text)) {
                numbers.push(if numbers.is_empty() { '[' } else { ',' });
                let written = write!(numbers, "{number}");
                debug_assert!(written.is_ok(), "a String takes all");
            }
        }
        if !numbers.is_empty() {
            numbers.push(']');
        }
        numbers
    }

    pub(crate) fn write(&self, a: &mut Array<'_>, source: &Source<'_>) {
        for (at, (field, meaning, fact)) in self.facts.iter().enumerate() {
            a.object(|o| {
                o.count("sequence", at + 1);
                wording(o, "category", meaning);
                match fact {
                    Fact::Code(code) => o.object("code", |o| national_body(o, source, field, meaning, code)),
                    _ => wording(o, "code", field),
                }
                match fact {
                    Fact::Amount(amount) => measured(o, "valueQuantity", *amount, "VND", CURRENCY, "VND"),
                    Fact::Percent(percent) => quantity(o, "valueQuantity", Some(*percent), Some("%")),
                    Fact::Day(day) => o.text("timingDate", day.as_str()),
                    Fact::Person(number) => logical(o, "valueReference", "Practitioner", None, Some(number)),
                    Fact::Code(_) => {}
                }
            });
        }
    }
}
