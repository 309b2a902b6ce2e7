//! One visit's tables as the rules see them: each value at the place of its field.

use super::date::Date;
use super::tables::{ALL, number};
use super::{Day, NEWEST};

/// So many fields ahead a name is looked for before all are searched: tables come in the official order, with gaps.
const AHEAD: usize = 12;
/// So many unknown fields are remembered per table.
const UNKNOWN: usize = 8;

/// The tables of one visit. An empty text is a field that is not there.
#[derive(Debug)]
pub struct Visit<'a> {
    tables: Vec<Rows<'a>>,
}

/// The rows of one table.
#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
    cells: Vec<&'a str>,
    width: usize,
    pub(super) count: usize,
    /// Row from 1, and the name of a field that the table does not have.
    pub(super) unknown: Vec<(u32, &'a str)>,
}

impl<'a> Visit<'a> {
    /// Without any rows yet.
    pub fn new() -> Self {
        let rows = |table: &super::tables::Table| Rows {
            width: table.fields.len(),
            ..Rows::default()
        };
        Self {
            tables: ALL.iter().map(rows).collect(),
        }
    }

    /// Adds a row of a table. Of a field that comes twice the first stays; a table that is not known is passed over.
    pub fn row(&mut self, table: &str, fields: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let Some(number) = number(table) else { return };
        let known = &ALL[usize::from(number)];
        let rows = &mut self.tables[usize::from(number)];
        let first = rows.cells.len();
        rows.count += 1;
        rows.cells.resize(first + rows.width, "");
        let mut next = 0;
        for (name, value) in fields {
            let ahead = known.fields[next..]
                .iter()
                .take(AHEAD)
                .position(|field| field.name == name);
            let place = match ahead {
                Some(ahead) => next + ahead,
                None => match known.field(name) {
                    Some(place) => usize::from(place),
                    None => {
                        if rows.unknown.len() < UNKNOWN {
                            let row = u32::try_from(rows.count).unwrap_or(u32::MAX);
                            rows.unknown.push((row, name));
                        }
                        continue;
                    }
                },
            };
            next = (place + 1).min(known.fields.len() - 1);
            let cell = &mut rows.cells[first + place];
            if cell.is_empty() {
                *cell = value;
            }
        }
    }

    /// The day that decides which rules hold: of discharge, else of arrival, else the newest rules.
    pub fn day(&self) -> Day {
        let xml1 = &ALL[1];
        let day = |name: &str| {
            let place = usize::from(xml1.field(name)?);
            Date::parse(self.tables[1].cells.get(place)?)?.day()
        };
        day("NGAY_RA").or_else(|| day("NGAY_VAO")).unwrap_or(NEWEST)
    }

    pub(super) fn rows(&self, table: u8) -> &Rows<'a> {
        &self.tables[usize::from(table)]
    }
}

impl Default for Visit<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Rows<'a> {
    pub(super) fn row(&self, row: usize) -> &[&'a str] {
        &self.cells[row * self.width..(row + 1) * self.width]
    }

    pub(super) fn get(&self, row: usize, field: u16) -> &'a str {
        self.cells
            .get(row * self.width + usize::from(field))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_find_their_places_in_any_order_and_under_old_names() {
        let mut visit = Visit::new();
        visit.row(
            "XML13",
            [("MA_NOI_DEN", "79002"), ("MA_LK", "1"), ("MA_LK", "2"), ("MOI", "?")],
        );
        let (rows, table) = (visit.rows(13), &ALL[13]);
        assert_eq!(rows.get(0, table.field("MA_CSKCB_DEN").unwrap()), "79002");
        assert_eq!(rows.get(0, table.field("MA_LK").unwrap()), "1");
        assert_eq!(rows.unknown, [(1, "MOI")]);
        assert_eq!((rows.count, visit.rows(2).count), (1, 0));
    }

    #[test]
    fn the_day_is_that_of_discharge_then_that_of_arrival_then_the_newest() {
        let day = |fields: &[(&'static str, &'static str)]| {
            let mut visit = Visit::new();
            visit.row("XML1", fields.iter().copied());
            visit.day()
        };
        assert_eq!(
            day(&[("NGAY_VAO", "202601050700"), ("NGAY_RA", "202601070900")]),
            20_260_107
        );
        assert_eq!(day(&[("NGAY_VAO", "202601050700"), ("NGAY_RA", "2026")]), 20_260_105);
        assert_eq!(day(&[("MA_LK", "1")]), NEWEST);
        assert_eq!(Visit::new().day(), NEWEST);
    }
}
