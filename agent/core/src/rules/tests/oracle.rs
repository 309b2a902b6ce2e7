//! The rules that follow from `configs/tables/fields.csv`, against what the file says, read by other means than the engine's.

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveDateTime};

use super::cases::{self, Seen};
use super::good::{DAY, rows};
use super::*;

const FIELDS: &str = include_str!("../../../../../configs/tables/fields.csv");

/// What is wrong with a value, by the ends of the ids.
fn expected(form: &str, size: Option<usize>, need: &str, value: &str) -> BTreeSet<&'static str> {
    let mut wrong = BTreeSet::new();
    let mut add = |is: bool, what: &'static str| {
        if is {
            wrong.insert(what);
        }
    };
    if value.is_empty() {
        add(need == "yes", "NEED");
        return wrong;
    }
    let is_date = matches!(form, "date" | "datetime");
    add(
        !is_date && size.is_some_and(|size| value.chars().count() > size),
        "SIZE",
    );
    add(form == "number" && !value.chars().all(|c| c.is_ascii_digit()), "NUMBER");
    add(form == "date" && !(value.len() == 8 && day_of(value)), "DATE");
    add(form == "datetime" && !(value.len() == 12 && minute_of(value)), "DATE");
    add(is_date && !some_date(value), "CALENDAR");
    add(value.contains(['\u{FFFD}', '\u{200B}']), "CHARS");
    add(form != "text" && value.contains('\n'), "LINE");
    wrong
}

fn day_of(value: &str) -> bool {
    NaiveDate::parse_from_str(value, "%Y%m%d").is_ok()
}

fn minute_of(value: &str) -> bool {
    NaiveDateTime::parse_from_str(value, "%Y%m%d%H%M").is_ok()
}

fn some_date(value: &str) -> bool {
    if !matches!(value.len(), 8 | 12 | 14) || !value.is_ascii() {
        return false;
    }
    let (date, time) = value.split_at(8);
    let date = match (&date[4..6], &date[6..]) {
        ("00", "00") => format!("{}0101", &date[..4]),
        (_, "00") => format!("{}01", &date[..6]),
        _ => date.to_owned(),
    };
    let time = if time.is_empty() { "0000" } else { &time[..4] };
    day_of(&date) && minute_of(&format!("{date}{time}"))
}

fn candidates(size: Option<usize>) -> Vec<String> {
    let fixed = [
        "",
        "a",
        "1",
        "12",
        "1.5",
        "1,5",
        "-1",
        "1e3",
        "20260228",
        "20260229",
        "20240229",
        "20261301",
        "202602281530",
        "202602282530",
        "202602281560",
        "20260228153045",
        "195000000000",
        "19500500",
        "195000010000",
        "2026-02-28",
        "a\nb",
        "a\u{FFFD}b",
        "a\u{200B}b",
        "Tên",
    ];
    let size = size.unwrap_or(30).min(3000);
    let sized = ["x", "é", "7"]
        .into_iter()
        .flat_map(|c| [c.repeat(size), c.repeat(size + 1)]);
    fixed
        .into_iter()
        .map(ToOwned::to_owned)
        .chain(sized.filter(|text| text.len() <= 24 || !text.starts_with('7')))
        .collect()
}

/// Compares every field, and tells where the two differ.
pub(super) fn run(rules: &Rules, seen: &mut Seen) -> Vec<String> {
    const ENDS: [&str; 7] = ["NEED", "SIZE", "NUMBER", "DATE", "CALENDAR", "CHARS", "LINE"];
    let own_cases = cases::ids();
    let mut wrong = Vec::new();
    for cells in rows(FIELDS) {
        let (table, field, form, size, need) = (&cells[0], &cells[2], &cells[3], cells[4].parse().ok(), &cells[5]);
        let id = |end: &str| match end {
            "CHARS" | "LINE" => format!("{table}-{end}"),
            _ => format!("{table}-{field}-{end}"),
        };
        let ends = ENDS.iter().filter(|end| !own_cases.contains(&id(end)));
        let ends: Vec<&str> = ends
            .copied()
            .filter(|end| rules.by_id.contains_key(id(end).as_str()))
            .collect();
        for value in candidates(size) {
            let mut visit = Visit::new();
            // A row that has another field too, so that it is one.
            let other = if field == "DU_PHONG" { "HO_TEN" } else { "DU_PHONG" };
            visit.row(table, [(field.as_str(), value.as_str()), (other, "A")]);
            let findings = check(rules, &visit, DAY);
            let expected = expected(form, size, need, &value);
            for end in &ends {
                let id = id(end);
                let broken = findings.iter().any(|found| found.rule == id && found.field == field);
                if broken != expected.contains(end) {
                    wrong.push(format!("{id}: {value:?} broken: {broken}"));
                }
                let places = &rules.by_id[id.as_str()];
                if broken { &mut seen.broken } else { &mut seen.kept }.extend(places);
            }
            for end in expected {
                if !rules.by_id.contains_key(id(end).as_str()) {
                    wrong.push(format!("{} is missing", id(end)));
                }
            }
        }
        let mut visit = Visit::new();
        visit.row(table, [(field.as_str(), "1"), ("MOI_THEM", "1")]);
        let told = check(rules, &visit, DAY)
            .iter()
            .any(|found| found.rule == format!("{table}-UNKNOWN"));
        if !told {
            wrong.push(format!("{table}-UNKNOWN"));
        }
        seen.broken.extend(
            rules
                .by_id
                .get(format!("{table}-UNKNOWN").as_str())
                .into_iter()
                .flatten(),
        );
        seen.kept.extend(
            rules
                .by_id
                .get(format!("{table}-UNKNOWN").as_str())
                .into_iter()
                .flatten(),
        );
    }
    wrong
}
