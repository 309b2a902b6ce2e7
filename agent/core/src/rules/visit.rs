//! One visit's tables as the rules see them: the values that are there, each with its field.

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
    /// Row by row, in each by their fields: a row has few of them, and a table may have very many rows.
    cells: Vec<(u16, &'a str)>,
    /// Where the cells of each row end.
    ends: Vec<usize>,
    /// Row from 1, and the name of a field that the table does not have.
    pub(super) unknown: Vec<(u32, &'a str)>,
}

impl<'a> Visit<'a> {
    /// Without any rows yet.
    pub fn new() -> Self {
        Self {
            tables: ALL.iter().map(|_| Rows::default()).collect(),
        }
    }

    /// Adds a row of a table. Of a field that comes twice the first stays; a table that is not known is passed over.
    pub fn row(&mut self, table: &str, fields: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let Some(number) = number(table) else { return };
        let known = &ALL[usize::from(number)];
        let rows = &mut self.tables[usize::from(number)];
        let first = rows.cells.len();
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
                            let row = u32::try_from(rows.ends.len() + 1).unwrap_or(u32::MAX);
                            rows.unknown.push((row, name));
                        }
                        continue;
                    }
                },
            };
            next = (place + 1).min(known.fields.len() - 1);
            if !value.is_empty() {
                rows.put(first, place as u16, value);
            }
        }
        rows.ends.push(rows.cells.len());
    }

    /// The day that decides which rules hold: of discharge, else of arrival, else the newest rules.
    pub fn day(&self) -> Day {
        let xml1 = &ALL[1];
        let day = |name: &str| Date::parse(self.tables[1].get(0, xml1.field(name)?))?.day();
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
    /// Adds a value to the row whose cells begin there, unless it has one of that field.
    fn put(&mut self, first: usize, field: u16, value: &'a str) {
        let row = &self.cells[first..];
        if row.last().is_none_or(|(last, _)| *last < field) {
            self.cells.push((field, value));
        } else if let Err(at) = row.binary_search_by_key(&field, |(known, _)| *known) {
            self.cells.insert(first + at, (field, value));
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The values of a row that are there, by their fields; none of a row that is not there.
    pub(super) fn row(&self, row: usize) -> &[(u16, &'a str)] {
        let Some(end) = self.ends.get(row) else { return &[] };
        let first = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.cells[first..*end]
    }

    pub(super) fn get(&self, row: usize, field: u16) -> &'a str {
        let cells = self.row(row);
        let found = cells.binary_search_by_key(&field, |(known, _)| *known);
        found.map_or("", |at| cells[at].1)
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
        assert_eq!(rows.unknown, [(1, "MOI")]);
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
        let (rows, others) = (visit.rows(3), visit.rows(4));
        assert!(rows.cells.capacity() <= 4 * ROWS, "{}", rows.cells.capacity());
        assert_eq!((rows.cells.len(), others.cells.len()), (2 * ROWS, 0));
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
