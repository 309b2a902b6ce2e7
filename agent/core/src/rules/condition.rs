//! Which field a rule speaks of besides its own, and under which conditions it holds.
//!
//! Clauses joined by ` & ` must all be true, of those joined by ` | ` within one of these any; a clause about a value that is
//! not there is true only for `absent`.

use std::cmp::Ordering;
use std::rc::Rc;

use super::asked::Asked;
use super::date::Date;
use super::tables::{ALL, number};
use super::value::{Decimal, entries};
use super::visit::Visit;

/// A field of the same row, or of another table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ref {
    pub(super) table: u8,
    pub(super) field: u16,
}

/// Where a rule is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here<'v, 'a> {
    pub(super) visit: &'v Visit<'a>,
    pub(super) asked: &'v Asked<'a>,
    pub(super) table: u8,
    /// From 0.
    pub(super) row: usize,
}

impl<'a> Here<'_, 'a> {
    /// The value of a field of this row, or of the first row of another table.
    pub(super) fn get(&self, field: Ref) -> &'a str {
        let row = if field.table == self.table { self.row } else { 0 };
        self.visit.rows(field.table).get(row, field.field)
    }

    /// The entries of such a value, as dates.
    pub(super) fn dates(&self, field: Ref) -> Rc<[Option<Date>]> {
        let list = self.get(field);
        if field.table == self.table {
            Date::list(list).collect()
        } else {
            self.asked.dates(field, list)
        }
    }
}

/// `XML2 present | T_BHTT > 0`.
#[derive(Debug, PartialEq)]
pub(super) struct Clause(Vec<Simple>);

/// `MA_NHOM in 10 11`.
#[derive(Debug, PartialEq)]
pub(super) struct Simple {
    of: Of,
    is: Is,
}

#[derive(Debug, PartialEq)]
enum Of {
    Field(Ref),
    /// Of another table with many rows: true where it is for one of them.
    Some(Ref),
    Table(u8),
    /// Whole years at the arrival.
    Age,
}

#[derive(Debug, PartialEq)]
enum Is {
    Present,
    Absent,
    In(Vec<Box<str>>),
    NotIn(Vec<Box<str>>),
    Starts(Vec<Box<str>>),
    NotStarts(Vec<Box<str>>),
    Than(Ordering, bool, Decimal),
}

/// Reads a reference as it stands in a rule of this table: `NGAY_RA` or `XML1.NGAY_RA`.
pub(super) fn reference(text: &str, own: u8) -> Option<Ref> {
    let (table, field) = match text.split_once('.') {
        Some((table, field)) => (number(table)?, field),
        None => (own, text),
    };
    let place = ALL[usize::from(table)].field(field)?;
    Some(Ref { table, field: place })
}

/// Tables of which a visit has one row.
fn single(table: u8) -> bool {
    matches!(table, 1 | 7 | 8 | 10 | 11 | 13 | 14)
}

/// Reads the conditions of a rule of this table; the clause that is none is given back.
pub(super) fn parse(text: &str, own: u8) -> Result<Vec<Clause>, String> {
    let clauses = text.split('&').map(str::trim).filter(|clause| !clause.is_empty());
    let clause = |text: &str| {
        let any: Option<Vec<Simple>> = text.split('|').map(|text| simple(text, own)).collect();
        any.map(Clause).ok_or_else(|| text.to_owned())
    };
    clauses.map(clause).collect()
}

fn simple(text: &str, own: u8) -> Option<Simple> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (subject, rest) = words.split_first()?;
    let of = match number(subject) {
        Some(table) => Of::Table(table),
        None if *subject == "age" => Of::Age,
        None => {
            let field = reference(subject, own)?;
            if field.table == own || single(field.table) {
                Of::Field(field)
            } else {
                Of::Some(field)
            }
        }
    };
    let list = |values: &[&str]| -> Option<Vec<Box<str>>> {
        (!values.is_empty()).then(|| values.iter().map(|value| Box::from(*value)).collect())
    };
    let than = |ordering, or_equal, number: &str| Some(Is::Than(ordering, or_equal, Decimal::parse(number)?));
    let is = match rest {
        ["present"] => Is::Present,
        ["absent"] => Is::Absent,
        ["in", values @ ..] => Is::In(list(values)?),
        ["not", "in", values @ ..] => Is::NotIn(list(values)?),
        ["starts", values @ ..] => Is::Starts(list(values)?),
        ["not", "starts", values @ ..] => Is::NotStarts(list(values)?),
        [">", number] => than(Ordering::Greater, false, number)?,
        [">=", number] => than(Ordering::Greater, true, number)?,
        ["<", number] => than(Ordering::Less, false, number)?,
        ["<=", number] => than(Ordering::Less, true, number)?,
        ["=", number] => than(Ordering::Equal, true, number)?,
        _ => return None,
    };
    let sound = match of {
        Of::Table(_) => matches!(is, Is::Present | Is::Absent),
        Of::Age => matches!(is, Is::Than(..)),
        Of::Field(_) | Of::Some(_) => true,
    };
    sound.then_some(Simple { of, is })
}

impl Clause {
    pub(super) fn holds<'r>(&'r self, here: &Here<'_, 'r>) -> bool {
        self.0.iter().any(|simple| simple.holds(here))
    }
}

impl Simple {
    fn holds<'r>(&'r self, here: &Here<'_, 'r>) -> bool {
        match &self.of {
            Of::Table(table) => (here.visit.rows(*table).count() > 0) == (self.is == Is::Present),
            Of::Age => age(here).is_some_and(|age| self.is.than(age)),
            // A list may be long.
            Of::Field(field) if field.table != here.table && self.is.of_entries() => {
                here.asked.conditions.of(self, || self.is.of(here.get(*field)))
            }
            Of::Field(field) => self.is.of(here.get(*field)),
            Of::Some(field) => here.asked.conditions.of(self, || {
                let rows = here.visit.rows(field.table);
                (0..rows.count()).any(|row| self.is.of(rows.get(row, field.field)))
            }),
        }
    }
}

impl Is {
    fn of(&self, value: &str) -> bool {
        match self {
            Self::Present => !value.is_empty(),
            Self::Absent => value.is_empty(),
            _ if value.is_empty() => false,
            Self::In(list) => list.iter().any(|one| **one == *value),
            Self::NotIn(list) => list.iter().all(|one| **one != *value),
            Self::Starts(list) => starts(value, list),
            Self::NotStarts(list) => !starts(value, list),
            Self::Than(..) => Decimal::parse(value).is_some_and(|value| self.than(value)),
        }
    }

    fn of_entries(&self) -> bool {
        matches!(self, Self::Starts(_) | Self::NotStarts(_))
    }

    fn than(&self, value: Decimal) -> bool {
        match self {
            Self::Than(ordering, or_equal, number) => value
                .compare(*number)
                .is_some_and(|found| found == *ordering || (*or_equal && found == Ordering::Equal)),
            _ => false,
        }
    }
}

/// One entry of a list is enough.
fn starts(value: &str, list: &[Box<str>]) -> bool {
    entries(value).any(|entry| list.iter().any(|start| entry.starts_with(&**start)))
}

/// Of the patient of XML1, where both dates are whole.
fn age(here: &Here<'_, '_>) -> Option<Decimal> {
    let day = |name: &str| Date::parse(here.get(reference(name, 1)?))?.day_number();
    let days = day("XML1.NGAY_VAO")? - day("XML1.NGAY_SINH")?;
    Some(Decimal {
        mantissa: i128::from(days * 100 / 36525),
        scale: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit() -> Visit<'static> {
        let mut visit = Visit::new();
        visit.row(
            "XML1",
            [
                ("MA_LK", "1"),
                ("NGAY_SINH", "200001010000"),
                ("NGAY_VAO", "202601050700"),
                ("MA_THE_BHYT", "QN1;DN4"),
                ("T_BHTT", "10.5"),
            ],
        );
        visit.row("XML3", [("MA_NHOM", "13")]);
        visit.row("XML3", [("MA_NHOM", "10")]);
        visit
    }

    #[test]
    fn conditions_speak_of_this_row_of_other_tables_and_of_the_age() {
        let visit = visit();
        let holds_at = |text: &str, table: u8, row: usize| {
            let clauses = parse(text, table).unwrap();
            let asked = Asked::default();
            let here = Here {
                visit: &visit,
                asked: &asked,
                table,
                row,
            };
            clauses.iter().all(|clause| clause.holds(&here))
        };
        for (text, holds) in [
            ("", true),
            ("MA_NHOM in 10 11", true),
            ("MA_NHOM not in 10 11", false),
            ("MA_NHOM = 10 & XML1 present", true),
            ("MA_NHOM > 10", false),
            ("MA_NHOM >= 10", true),
            ("MA_VAT_TU absent", true),
            ("MA_VAT_TU not in 1", false),
            ("XML1.T_BHTT > 0", true),
            ("XML1.MA_THE_BHYT starts DN", true),
            ("XML1.MA_THE_BHYT not starts CA CY", true),
            ("XML13 present", false),
            ("XML13 absent", true),
            ("XML13 present | MA_NHOM in 10", true),
            ("XML13 present | MA_NHOM in 11", false),
            ("age >= 14", true),
            ("age < 26", false),
        ] {
            assert_eq!(holds_at(text, 3, 1), holds, "{text}");
        }
        assert!(holds_at("XML3.MA_NHOM in 13", 4, 0));
        assert!(holds_at("XML3.MA_NHOM in 10", 4, 0));
        assert!(!holds_at("XML3.MA_NHOM in 11", 4, 0));
    }

    #[test]
    fn a_clause_that_says_nothing_is_given_back() {
        for bad in [
            "MA_NHOM",
            "MA_NHOM in",
            "NHOM in 1",
            "XML99 present",
            "XML1 in 1",
            "age present",
            "MA_NHOM > x",
        ] {
            assert_eq!(parse(&format!("MA_NHOM present & {bad}"), 3), Err(bad.to_owned()));
        }
    }
}
