//! The lines of the Claim: one for each row of XML2 and XML3, and what is to be known of them.
//!
//! R4 has no element for most of what the tables say of paying for a row. It is supporting information of the Claim, which
//! lines name by number: what many rows share (a scope, a level, a share of nothing) stands there once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use vhr_plugin_sdk::{Array, Decimal, Moment, Object, list};

use crate::codes;
use crate::fhir::{
    ABSENT, coding, concept, concept_body, logical, measured, money, national_body, period, quantity, wording,
};
use crate::source::{Draft, ENCOUNTER, Line, Source};

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

/// Every row of XML2 and XML3.
pub(crate) fn write_all<'a>(a: &mut Array<'_>, source: &Source<'a>, draft: &mut Draft<'a>, facts: &mut Facts<'a>) {
    let lines = source.lines("XML2").map(drug).chain(source.lines("XML3").map(service));
    for (index, item) in lines.enumerate() {
        a.object(|o| write_item(o, source, draft, facts, index + 1, item));
    }
}

/// A row as a line of the claim.
struct Item<'a> {
    line: Line<'a>,
    what: What,
    code: Option<&'a str>,
    name: Option<&'a str>,
    price: &'static str,
}

enum What {
    Drug,
    Service,
    Supply,
}

fn drug(line: Line<'_>) -> Item<'_> {
    Item {
        line,
        what: What::Drug,
        code: line.get("MA_THUOC"),
        name: line.get("TEN_THUOC"),
        price: "DON_GIA",
    }
}

fn service(line: Line<'_>) -> Item<'_> {
    let price = "DON_GIA_BV";
    match line.get("MA_VAT_TU") {
        Some(code) => Item {
            line,
            what: What::Supply,
            code: Some(code),
            name: line.get("TEN_VAT_TU"),
            price,
        },
        None => {
            let name = line.get("TEN_DICH_VU").or(line.get("TEN_VAT_TU"));
            Item {
                line,
                what: What::Service,
                code: line.get("MA_DICH_VU"),
                name,
                price,
            }
        }
    }
}

fn write_item<'a>(
    o: &mut Object<'_>,
    source: &Source<'a>,
    draft: &mut Draft<'a>,
    facts: &mut Facts<'a>,
    sequence: usize,
    item: Item<'a>,
) {
    let Item {
        line,
        what,
        code,
        name,
        price,
    } = item;
    let systems = &source.profile.code_systems;
    let system = match what {
        What::Drug => &systems.drug,
        What::Service => &systems.service,
        What::Supply => &systems.supply,
    };
    o.count("sequence", sequence);
    o.raw("informationSequence", &information(draft, facts, line));
    if let Some(group) = line.get("MA_NHOM") {
        let name = codes::group(group, source.day().as_str()).map(|(_, name)| name);
        o.object("category", |o| {
            concept_body(o, systems.cost_group.as_deref(), Some(group), name)
        });
    }
    match code.or(name) {
        Some(_) => concept(o, "productOrService", system.as_deref(), code, name),
        None => {
            draft.missing(
                line,
                "MA_DICH_VU",
                "Dòng chi phí không có mã và tên",
                "a cost line with neither code nor name",
            );
            o.raw("productOrService", ABSENT);
        }
    }
    o.array("modifier", |a| {
        if let Some(fuel) = line.get("MA_XANG_DAU") {
            a.object(|o| national_body(o, source, "MA_XANG_DAU", "Mã xăng dầu vận chuyển", fuel));
        }
    });
    o.array("programCode", |a| {
        if let Some(payer) = line.get("NGUON_CTRA") {
            a.object(|o| national_body(o, source, "NGUON_CTRA", "Nguồn chi trả", payer));
        }
    });
    served(o, draft, line);
    o.object("locationCodeableConcept", |o| {
        o.array("coding", |a| {
            list(line.get("MA_KHOA")).for_each(|code| coding(a, None, Some(code)))
        });
    });
    let amount = line.get("SO_LUONG").and_then(Decimal::parse);
    quantity(o, "quantity", amount, line.get("DON_VI_TINH"));
    money(o, "unitPrice", draft.decimal(line, price));
    if let Some(ratio) = draft.decimal(line, "TYLE_TT_DV").and(line.get("TYLE_TT_DV")) {
        let factor = hundredth(ratio);
        match Decimal::parse(&factor) {
            Some(factor) => o.decimal("factor", factor),
            None => draft.bad_number(line, "TYLE_TT_DV"),
        }
    }
    money(o, "net", draft.decimal(line, "THANH_TIEN_BV"));
    o.array("udi", |a| {
        if let Some(product) = line.get("MA_HIEU_SP") {
            a.object(|o| {
                o.text("type", "Device");
                o.object("identifier", |o| o.text("value", product));
            });
        }
    });
    o.array("encounter", |a| a.reference("Encounter", ENCOUNTER));
}

/// What is to be known of a row: the numbers of the facts as a JSON list, nothing if there are none.
fn information<'a>(draft: &mut Draft<'a>, facts: &mut Facts<'a>, line: Line<'a>) -> String {
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
        if let Some(number) = text.and_then(|text| facts.number_of(draft, line, place, text)) {
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

/// When it was done; where nothing says so, when it was ordered. Rows that were mapped before have already been told about
/// a bad time; quiet here, but for drugs, whose time stands nowhere else.
fn served<'a>(o: &mut Object<'_>, draft: &mut Draft<'a>, line: Line<'a>) {
    let done = match line.is_of("XML2") {
        true => draft.date_time(line, "NGAY_TH_YL"),
        false => line.moment("NGAY_TH_YL"),
    };
    match done {
        Some(start) => {
            let end = line.moment("NGAY_KQ").filter(|end| start.not_after(end) == Ok(true));
            period(o, "servicedPeriod", Some(start), end.or(Some(start)));
        }
        None => o.moment("servicedDate", line.moment("NGAY_YL").map(Moment::day)),
    }
}

/// A percentage as the number to multiply with: `80` is `0.80`. Of what is below zero, no number.
fn hundredth(percent: &str) -> String {
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, ""));
    if percent.starts_with('-') {
        return String::new();
    }
    let padded = format!("{whole:0>3}");
    let (front, back) = padded.split_at(padded.len() - 2);
    [front, ".", back, fraction].concat()
}

#[cfg(test)]
mod tests {
    use super::hundredth;

    #[test]
    fn a_percentage_becomes_a_factor_digit_by_digit() {
        for (percent, factor) in [
            ("80", "0.80"),
            ("100", "1.00"),
            ("5", "0.05"),
            ("0", "0.00"),
            ("33.5", "0.335"),
            ("-500", ""),
        ] {
            assert_eq!(hundredth(percent), factor);
        }
    }
}
