//! One visit's tables as the rules see them: the values that are there, each with its field.

use super::date::Date;
use std::ops::Range;

use super::tables::{ALL, Field, number};
use super::{Day, NEWEST};

/// So many fields ahead a name is looked for before all are searched: tables come in the official order, with gaps.
const AHEAD: usize = 12;
/// Few visits have more values.
const USUAL: usize = 1024;
/// So many unknown fields are remembered per table.
const UNKNOWN: usize = 8;

/// The tables of one visit. An empty text is a field that is not there.
#[derive(Debug)]
pub struct Visit<'a> {
    /// The values that are there: row by row, in each by their fields. A row has few of them, and there may be very many rows.
    cells: Vec<(u16, &'a str)>,
    tables: Vec<Of<'a>>,
}

/// What there is of one table.
#[derive(Debug, Default)]
struct Of<'a> {
    /// Where the cells of each row are.
    rows: Vec<Range<usize>>,
    /// Row from 1, and the name of a field that the table does not have.
    unknown: Vec<(u32, &'a str)>,
}

/// The rows of one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'v, 'a> {
    cells: &'v [(u16, &'a str)],
    of: &'v Of<'a>,
}

impl<'a> Visit<'a> {
    /// Without any rows yet.
    pub fn new() -> Self {
        Self {
            cells: Vec::with_capacity(USUAL),
            tables: ALL.iter().map(|_| Of::default()).collect(),
        }
    }

    /// Adds a row of a table. Of a field that comes twice the first stays; a table that is not known is passed over.
    pub fn row(&mut self, table: &str, fields: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let Some(number) = number(table) else { return };
        let known = &ALL[usize::from(number)];
        let of = &mut self.tables[usize::from(number)];
        let first = self.cells.len();
        // The field that is to come next, and the first behind all that came.
        let (mut next, mut behind) = (0, 0);
        for (name, value) in fields {
            let is_it = |field: &Field| field.name == name;
            let ahead = || known.fields[next..].iter().take(AHEAD).position(is_it);
            let place = match is_it(&known.fields[next]).then_some(0).or_else(ahead) {
                Some(ahead) => next + ahead,
                None => match known.field(name) {
                    Some(place) => usize::from(place),
                    None => {
                        if of.unknown.len() < UNKNOWN {
                            let row = u32::try_from(of.rows.len() + 1).unwrap_or(u32::MAX);
                            of.unknown.push((row, name));
                        }
                        continue;
                    }
                },
            };
            next = (place + 1).min(known.fields.len() - 1);
            if value.is_empty() {
                continue;
            }
            let field = place as u16;
            if field >= behind {
                self.cells.push((field, value));
                behind = field + 1;
            } else if let Err(at) = self.cells[first..].binary_search_by_key(&field, |(known, _)| *known) {
                self.cells.insert(first + at, (field, value));
            }
        }
        of.rows.push(first..self.cells.len());
    }

    /// The day that decides which rules hold: of discharge, else of arrival, else the newest rules.
    pub fn day(&self) -> Day {
        let xml1 = &ALL[1];
        let day = |name: &str| Date::parse(self.rows(1).get(0, xml1.field(name)?))?.day();
        day("NGAY_RA").or_else(|| day("NGAY_VAO")).unwrap_or(NEWEST)
    }

    pub(super) fn rows(&self, table: u8) -> Rows<'_, 'a> {
        Rows {
            cells: &self.cells,
            of: &self.tables[usize::from(table)],
        }
    }
}

impl Default for Visit<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'v, 'a> Rows<'v, 'a> {
    /// How many there are.
    pub(super) fn count(self) -> usize {
        self.of.rows.len()
    }

    /// The values of a row that are there, by their fields; none of a row that is not there.
    pub(super) fn row(self, row: usize) -> &'v [(u16, &'a str)] {
        self.of.rows.get(row).map_or(&[], |row| &self.cells[row.clone()])
    }

    pub(super) fn get(self, row: usize, field: u16) -> &'a str {
        let cells = self.row(row);
        let found = cells.binary_search_by_key(&field, |(known, _)| *known);
        found.map_or("", |at| cells[at].1)
    }

    /// Row from 1, and the name of a field that the table does not have.
    pub(super) fn unknown(self) -> &'v [(u32, &'a str)] {
        &self.of.unknown
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
            [
                ("MA_NOI_DEN", "79002"),
                ("MA_LK", ""),
                ("MA_LK", "1"),
                ("MA_LK", "2"),
                ("MOI", "?"),
            ],
        );
        let (rows, table) = (visit.rows(13), &ALL[13]);
        assert_eq!(rows.get(0, table.field("MA_CSKCB_DEN").unwrap()), "79002");
        assert_eq!(rows.get(0, table.field("MA_LK").unwrap()), "1");
        assert_eq!(rows.unknown(), [(1, "MOI")]);
        assert_eq!((rows.count(), visit.rows(2).count()), (1, 0));
    }

    #[test]
    fn only_what_is_there_is_held() {
        const ROWS: usize = 10_000;
        let mut visit = Visit::new();
        for _ in 0..ROWS {
            visit.row("XML3", [("MA_LK", "1"), ("STT", "2"), ("MA_KHOA", "")]);
            visit.row("XML4", []);
        }
        assert_eq!(visit.cells.len(), 2 * ROWS);
        assert!(visit.cells.capacity() <= 4 * ROWS, "{}", visit.cells.capacity());
        assert_eq!((visit.rows(3).count(), visit.rows(4).count()), (ROWS, ROWS));
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
