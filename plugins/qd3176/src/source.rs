//! What is being mapped, and what has been made of it so far.
//!
//! [`Source`] never changes while a record is mapped; [`Draft`] only grows. A value that cannot be read becomes one
//! warning with the path of its field, and is left out; the warning never repeats the value.

use std::fmt::Write as _;

use vhr_plugin_sdk::tables::{About, TABLES};
use vhr_plugin_sdk::{Decimal, FhirResource, Issues, Moment, Row, Scope, Visit, put};

use crate::profile::{Profile, Settings};

/// One visit, ready to be mapped.
pub(crate) struct Source<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) settings: &'a Settings,
    pub(crate) visit: &'a Visit<'a>,
    /// The one row of XML1; at check-in the first one of XML0; of an assessment by itself that of XML12.
    pub(crate) head: Line<'a>,
    /// `MA_LK`; of an assessment by itself the number of its minutes.
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

/// The table of the check-in, which comes before there is an XML1.
pub(crate) const CHECK_IN: &str = "XML0";

/// The table of a medical assessment board, which stands alone where there is no visit.
pub(crate) const ASSESSMENT: &str = "XML12";

/// The tables beside XML1 that say the same of the person, under the same names.
const PERSONAL: [&str; 5] = [CHECK_IN, "XML6", "XML13", "XML14", "XML15"];

/// The line that holds a field of the person: the head of the visit, else the first row of another table that has it.
pub(crate) fn told<'a>(visit: &'a Visit<'a>, head: Line<'a>, field: &str) -> Line<'a> {
    let others = || PERSONAL.into_iter().flat_map(|table| lines(visit, table));
    match head.get(field) {
        Some(_) => head,
        None => others().find(|line| line.get(field).is_some()).unwrap_or(head),
    }
}

/// Whether two names are one, but for blanks and case.
pub(crate) fn same_name(one: &str, other: &str) -> bool {
    let plain = |name: &str| -> String {
        let letters = name.split_whitespace().flat_map(str::chars);
        letters.flat_map(char::to_lowercase).collect()
    };
    plain(one) == plain(other)
}

fn lines<'a>(visit: &'a Visit<'a>, table: &'static str) -> impl Iterator<Item = Line<'a>> + use<'a> {
    let rows = visit.table(table);
    let by_number = !has_own_numbers(rows);
    rows.iter().enumerate().map(move |(index, row)| Line {
        table,
        number: index + 1,
        by_number,
        row,
    })
}

impl<'a> Source<'a> {
    /// The rows of a table with their keys.
    pub(crate) fn lines(&self, table: &'static str) -> impl Iterator<Item = Line<'a>> + use<'a> {
        lines(self.visit, table)
    }

    /// The line to ask for a field of the person.
    pub(crate) fn told(&self, field: &str) -> Line<'a> {
        told(self.visit, self.head, field)
    }

    /// Something that ends on this day has ended as far as the visit tells.
    pub(crate) fn is_over(&self, end: Option<Moment>) -> bool {
        end.is_some_and(|end| end.not_after(&self.day()) == Ok(true))
    }

    /// There is no XML1 yet.
    pub(crate) fn is_check_in(&self) -> bool {
        self.head.table == CHECK_IN
    }

    /// There is no visit: a board met, and wrote its minutes.
    pub(crate) fn is_assessment(&self) -> bool {
        self.head.table == ASSESSMENT
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
    pub(crate) fn head(table: &'static str, row: &'a Row<'a>) -> Self {
        Self {
            table,
            number: 0,
            by_number: true,
            row,
        }
    }

    pub(crate) fn get(&self, field: &str) -> Option<&'a str> {
        self.row.get(field)
    }

    /// Every field that is there.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.row.fields()
    }

    /// A date that is told of elsewhere if it is none.
    pub(crate) fn moment(&self, field: &str) -> Option<Moment> {
        Moment::date_time(self.get(field)?).ok()
    }

    pub(crate) fn is_of(&self, table: &str) -> bool {
        self.table == table
    }

    /// What is known of its table.
    pub(crate) fn about(&self) -> &'static About {
        let known = TABLES.iter().find(|about| about.name == self.table);
        known.expect("lines are made of the national tables only")
    }

    /// The Vietnamese name of a field.
    pub(crate) fn name_of(&self, field: &'static str) -> &'static str {
        let known = self.about().fields.iter().find(|known| known.name == field);
        known.map_or(field, |known| known.vi)
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
    /// The keys of the episodes that the visit belongs to.
    pub(crate) episodes: Vec<String>,
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
            self.bad_number(line, field);
        }
        number
    }

    pub(crate) fn bad_number(&mut self, line: Line<'a>, field: &str) {
        self.issues.warning(
            "QD3176-NUMBER",
            &line.path(field),
            "Giá trị không phải là số; bỏ qua trường này",
            "not a plain decimal number; the field is left out",
        );
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
