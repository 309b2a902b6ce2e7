//! The good visits of `configs/rules/cases/good.csv`, and how a case changes them.

use std::collections::BTreeMap;

use super::*;
use crate::rules::tables::ALL;

const GOOD: &str = include_str!("../../../../../configs/rules/cases/good.csv");
/// The day by which they are checked unless a case says otherwise: that of their discharge.
pub(super) const DAY: Day = 20_260_915;

/// A visit that can be changed: table, row, field.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft(BTreeMap<(String, u32), Vec<(String, String)>>);

/// `claim`, `check-in`, `board`.
pub(super) fn good(visit: &str) -> Draft {
    let mut draft = Draft::default();
    for cells in rows(GOOD).filter(|cells| cells[0] == visit) {
        draft.set(&cells[1], cells[2].parse().unwrap_or(1), &cells[3], &cells[4]);
    }
    draft
}

/// The good visit that has this table.
pub(super) fn good_with(table: &str) -> Draft {
    good(match table {
        "XML0" => "check-in",
        "XML12" => "board",
        _ => "claim",
    })
}

/// The lines of a file of cases below its header.
pub(super) fn rows(text: &'static str) -> impl Iterator<Item = Vec<String>> {
    csv::lines(text).map(|line| line.unwrap().cells).skip(1)
}

impl Draft {
    pub(super) fn set(&mut self, table: &str, row: u32, field: &str, value: &str) {
        let fields = self.0.entry((table.to_owned(), row)).or_default();
        match fields.iter_mut().find(|(known, _)| known == field) {
            Some((_, held)) => value.clone_into(held),
            None => fields.push((field.to_owned(), value.to_owned())),
        }
    }

    pub(super) fn get(&self, table: &str, row: u32, field: &str) -> &str {
        let fields = self.0.get(&(table.to_owned(), row)).map_or(&[][..], Vec::as_slice);
        fields
            .iter()
            .find(|(known, _)| known == field)
            .map_or("", |(_, value)| value)
    }

    /// The rows of a table in which a field holds something.
    pub(super) fn rows_with(&self, table: &str, field: &str) -> Vec<u32> {
        let rows = self.0.keys().filter(|(of, _)| of == table).map(|(_, row)| *row);
        rows.filter(|row| !self.get(table, *row, field).is_empty()).collect()
    }

    /// `XML2[1].SO_LUONG=x | XML13= | XML2[3]=XML2[1]`: sets a field, takes a table or a row out, copies a row.
    pub(super) fn change(mut self, changes: &str) -> Self {
        for change in changes.split(" | ").filter(|change| !change.trim().is_empty()) {
            let (place, value) = change
                .trim()
                .split_once('=')
                .unwrap_or_else(|| panic!("{change}: no `=`"));
            let (row, field) = place
                .split_once('.')
                .map_or((place, None), |(row, field)| (row, Some(field)));
            let (table, number) = split(row);
            match field {
                Some(field) => self.set(table, number.unwrap_or(1), field, value),
                None if value.is_empty() => self
                    .0
                    .retain(|(of, at), _| of != table || number.is_some_and(|n| n != *at)),
                None => {
                    let (from, of) = split(value);
                    let copied = self.0[&(from.to_owned(), of.unwrap_or(1))].clone();
                    self.0.insert((table.to_owned(), number.unwrap_or(1)), copied);
                }
            }
        }
        self
    }

    pub(super) fn visit(&self) -> Visit<'_> {
        let mut visit = Visit::new();
        for ((table, _), fields) in &self.0 {
            let held = fields.iter().filter(|(_, value)| !value.is_empty());
            visit.row(table, held.map(|(field, value)| (field.as_str(), value.as_str())));
        }
        visit
    }

    pub(super) fn findings(&self, rules: &Rules, day: Day) -> Vec<Finding> {
        check(rules, &self.visit(), day)
    }
}

/// `XML2[1]`.
fn split(row: &str) -> (&str, Option<u32>) {
    match row.split_once('[') {
        Some((table, number)) => (table, number.strip_suffix(']').map(|number| number.parse().unwrap())),
        None => (row, None),
    }
}

#[test]
fn whole_visits_over_all_tables_break_no_rule() {
    let rules = Rules::national();
    for visit in ["claim", "check-in", "board"] {
        let good = good(visit);
        for day in [DAY, NEWEST] {
            let found: Vec<String> = good
                .findings(&rules, day)
                .iter()
                .map(|found| format!("{} {}: {}", found.rule, found.place(), found.said))
                .collect();
            assert!(found.is_empty(), "{visit}:\n{}", found.join("\n"));
        }
        assert!(visit != "claim" || good.visit().day() == DAY);
    }
}

#[test]
fn every_field_of_every_table_holds_something_in_them() {
    for table in ALL.iter() {
        let good = good_with(&table.name);
        for field in &table.fields {
            assert!(
                !good.rows_with(&table.name, &field.name).is_empty(),
                "{} {}",
                table.name,
                field.name
            );
        }
    }
}
