//! What is being mapped, and what has been made of it so far.
//!
//! [`Source`] never changes while a record is mapped; [`Draft`] only grows. A value that cannot be read becomes one
//! warning with the path of its field, and is left out; the warning never repeats the value.

use std::fmt::Write as _;

use vhr_plugin_sdk::{Decimal, FhirResource, Issues, Moment, Row, Scope, Visit, put};

use crate::profile::{Profile, Settings};

/// One visit, ready to be mapped.
pub(crate) struct Source<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) settings: &'a Settings,
    pub(crate) visit: &'a Visit<'a>,
    /// The one row of XML1.
    pub(crate) head: Line<'a>,
    /// `MA_LK`.
    pub(crate) link: &'a str,
    /// The code of the facility.
    pub(crate) facility: &'a str,
    /// The facility is the site's own one, of which the settings speak.
    pub(crate) at_home: bool,
    /// The key of the Patient.
    pub(crate) patient: &'a str,
    pub(crate) admitted: Option<Moment>,
    pub(crate) discharged: Option<Moment>,
}

/// The key of the one Encounter of a visit.
pub(crate) const ENCOUNTER: &str = "visit";

impl<'a> Source<'a> {
    /// The rows of a table with their keys.
    pub(crate) fn lines(&self, table: &'static str) -> impl Iterator<Item = Line<'a>> + use<'a> {
        let rows = self.visit.table(table);
        let by_number = !has_own_numbers(rows);
        rows.iter().enumerate().map(move |(index, row)| Line {
            table,
            number: index + 1,
            by_number,
            row,
        })
    }

    /// The day whose code tables apply: the last day of care that is known.
    pub(crate) fn day(&self) -> Moment {
        // Far in the future stands for "not known": the newest line of each table then counts.
        let newest = || Moment::date("99991231").expect("a date of the calendar");
        self.discharged.or(self.admitted).map_or_else(newest, Moment::day)
    }
}

/// `STT` names the rows of a table only when every row has one and no two share it.
fn has_own_numbers(rows: &[Row<'_>]) -> bool {
    let mut numbers: Vec<_> = rows.iter().filter_map(|row| row.get("STT")).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.len() == rows.len()
}

/// A row and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    table: &'static str,
    /// From 1.
    number: usize,
    by_number: bool,
    row: &'a Row<'a>,
}

impl<'a> Line<'a> {
    pub(crate) fn head(row: &'a Row<'a>) -> Self {
        Self {
            table: "XML1",
            number: 0,
            by_number: true,
            row,
        }
    }

    pub(crate) fn get(&self, field: &str) -> Option<&'a str> {
        self.row.get(field)
    }

    /// `XML2-<STT>`, or the row's number where `STT` does not name one row.
    pub(crate) fn key(&self) -> String {
        let mut key = String::with_capacity(12);
        key.push_str(self.table);
        key.push('-');
        match self.get("STT").filter(|_| !self.by_number) {
            Some(own) => key.push_str(own),
            None => drop(write!(key, "{}", self.number)),
        }
        key
    }

    /// `XML1/NGAY_RA`, `XML2[3]/NGAY_YL`.
    pub(crate) fn path(&self, field: &str) -> String {
        match self.number {
            0 => format!("{}/{field}", self.table),
            number => format!("{}[{number}]/{field}", self.table),
        }
    }
}

/// What a visit has become so far.
#[derive(Default)]
pub(crate) struct Draft<'a> {
    pub(crate) resources: Vec<FhirResource>,
    pub(crate) issues: Issues,
    /// Licence codes of everybody who is referred to.
    pub(crate) people: Vec<&'a str>,
}

impl<'a> Draft<'a> {
    /// A resource that belongs to this visit only.
    pub(crate) fn put(&mut self, resource_type: &str, key: String, json: String) {
        put(&mut self.resources, resource_type, key, Scope::Visit, json);
    }

    /// The key of a practitioner, who then gets a resource as well.
    pub(crate) fn practitioner(&mut self, licence: &'a str) -> &'a str {
        if !self.people.contains(&licence) {
            self.people.push(licence);
        }
        licence
    }

    pub(crate) fn date_time(&mut self, line: Line<'a>, field: &str) -> Option<Moment> {
        let moment = Moment::date_time(line.get(field)?).ok();
        if moment.is_none() {
            self.bad_date(line, field);
        }
        moment
    }

    pub(crate) fn decimal(&mut self, line: Line<'a>, field: &str) -> Option<Decimal<'a>> {
        let text = line.get(field)?;
        let number = Decimal::parse(text);
        if number.is_none() {
            self.issues.warning(
                "QD3176-NUMBER",
                &line.path(field),
                "Giá trị không phải là số; bỏ qua trường này",
                "not a plain decimal number; the field is left out",
            );
        }
        number
    }

    /// Leaves the end out when it does not surely follow the start, as FHIR demands of a period.
    pub(crate) fn ordered(
        &mut self,
        line: Line<'a>,
        field: &str,
        start: Option<Moment>,
        end: Option<Moment>,
    ) -> Option<Moment> {
        match (start, end) {
            (Some(start), Some(end)) if start.not_after(&end) != Ok(true) => {
                self.issues.warning(
                    "QD3176-PERIOD",
                    &line.path(field),
                    "Thời điểm kết thúc không sau thời điểm bắt đầu; bỏ qua thời điểm kết thúc",
                    "the end does not follow the start; the end is left out",
                );
                None
            }
            _ => end,
        }
    }

    pub(crate) fn bad_date(&mut self, line: Line<'a>, field: &str) {
        self.issues.warning(
            "QD3176-DATE",
            &line.path(field),
            "Ngày giờ không hợp lệ; bỏ qua trường này",
            "not a possible date; the field is left out",
        );
    }

    pub(crate) fn missing(&mut self, line: Line<'a>, field: &str, vietnamese: &str, english: &str) {
        self.issues
            .warning("QD3176-MISSING", &line.path(field), vietnamese, english);
    }

    pub(crate) fn unknown_code(&mut self, line: Line<'a>, field: &str) {
        self.issues.warning(
            "QD3176-CODE",
            &line.path(field),
            "Mã không có trong danh mục đang áp dụng",
            "a code that the code table in force does not list",
        );
    }
}
