//! The rows of a pack, read: each for one table and one field, and all that is wrong with them.
//!
//! A row with several tables or fields is one rule for each of them; its id has `{table}` and `{field}` in it.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use super::condition;
use super::csv::{self, Line};
use super::date::Date;
use super::kind::{self, Check, CodeFiles, Dated};
use super::pack::File;
use super::tables::{ALL, number};
use super::{Day, LARGEST, NEWEST, Problem, Severity};
use crate::said;
use crate::say::Said;

const COLUMNS: [&str; 12] = [
    "id", "severity", "from", "to", "table", "field", "kind", "with", "when", "vi", "en", "source",
];

/// A row, read for one table and one field.
pub(super) struct Spec<'t> {
    pub(super) file: &'t str,
    pub(super) line: usize,
    /// Names its fields.
    pub(super) explicit: bool,
    pub(super) severity: Option<Severity>,
    pub(super) from: Day,
    pub(super) to: Day,
    pub(super) table: u8,
    pub(super) field: Option<u16>,
    pub(super) check: Arc<Check>,
    pub(super) when: Arc<[condition::Clause]>,
    pub(super) words: u32,
}

/// What was read so far.
#[derive(Default)]
pub(super) struct Reader {
    problems: RefCell<Vec<Problem>>,
    codes: CodeFiles,
    words: RefCell<Vec<Said>>,
}

impl Reader {
    /// All problems, and what the rules say.
    pub(super) fn end(self) -> (Vec<Problem>, Vec<Said>) {
        (self.problems.into_inner(), self.words.into_inner())
    }

    /// Notes a problem.
    pub(super) fn report(&self, file: &str, line: usize, key: &str, what: Said, hint: Said) {
        self.problems.borrow_mut().push(Problem {
            file: file.to_owned(),
            line,
            key: key.to_owned(),
            what,
            hint,
        });
    }

    /// The lines below the header, each with as many cells as it.
    fn lines(&self, file: &File<'_>, columns: &[&str]) -> Vec<(Vec<String>, Line)> {
        let wrong = |line: usize, what: Said, hint: Said| self.report(file.name, line, "", what, hint);
        if file.text.len() > LARGEST {
            wrong(
                0,
                said!("tệp lớn hơn 1 MiB", "the file is larger than 1 MiB"),
                said!("xem có chọn nhầm tệp không", "check whether this is the right file"),
            );
            return Vec::new();
        }
        let mut lines = csv::lines(file.text).filter_map(|line| match line {
            Ok(line) => Some(line),
            Err((number, csv::Bad::Quote)) => {
                wrong(
                    number,
                    said!("dấu ngoặc kép không đóng", "a quote is not closed"),
                    said!(
                        "ô có dấu phẩy đặt trong \"…\", dấu \" bên trong viết hai lần",
                        "a cell with a comma goes in \"…\", a \" inside is doubled"
                    ),
                );
                None
            }
        });
        let Some(header) = lines.next() else { return Vec::new() };
        let header_line = header.number;
        let header = header.cells;
        let missing: Vec<&str> = columns
            .iter()
            .filter(|column| !header.iter().any(|name| name == *column))
            .copied()
            .collect();
        if !missing.is_empty() {
            let (missing, columns) = (missing.join(", "), columns.join(","));
            wrong(
                header_line,
                said!("thiếu cột {missing}", "columns are missing: {missing}"),
                said!("dòng đầu là: {columns}", "the first line is: {columns}"),
            );
            return Vec::new();
        }
        let mut rows = Vec::new();
        for line in lines {
            if line.cells.len() == header.len() {
                let of = |column: &&str| {
                    header
                        .iter()
                        .position(|name| name == column)
                        .map(|at| line.cells[at].clone())
                };
                rows.push((columns.iter().filter_map(of).collect(), line));
            } else {
                let (has, wanted) = (line.cells.len(), header.len());
                wrong(
                    line.number,
                    said!(
                        "dòng có {has} ô, dòng đầu có {wanted}",
                        "{has} cells, where the first line has {wanted}"
                    ),
                    said!("ô có dấu phẩy đặt trong ngoặc kép", "put a cell with a comma in quotes"),
                );
            }
        }
        rows
    }

    /// Reads a list of codes.
    pub(super) fn codes(&mut self, file: &File<'_>) {
        let name = file.name.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = name.strip_suffix(".csv").unwrap_or(name).to_owned();
        let mut dated = Dated::new();
        // Where there is a column `to`.
        let header = csv::lines(file.text).find_map(Result::ok);
        let until = header.and_then(|header| header.cells.iter().position(|name| name == "to"));
        for (cells, line) in self.lines(file, &["code", "from"]) {
            let to = until.and_then(|at| line.cells.get(at)).map_or("", String::as_str);
            let to = self.date(file.name, line.number, "to", to, NEWEST);
            let from = self.date(file.name, line.number, "from", &cells[1], 0);
            if let (Some(from), Some(to)) = (from, to) {
                dated.entry(cells[0].as_str().into()).or_default().push((from, to));
            }
        }
        self.codes.insert(name, Arc::new(dated));
    }

    /// `2026-07-01`; nothing: that day.
    fn date(&self, file: &str, line: usize, key: &str, text: &str, otherwise: Day) -> Option<Day> {
        if text.is_empty() {
            return Some(otherwise);
        }
        let digits: String = text.split('-').collect();
        let day = Date::parse(&digits).and_then(Date::day);
        let day = day.filter(|_| digits.len() == 8 && text.len() == 10);
        if day.is_none() {
            self.report(
                file,
                line,
                key,
                said!("không phải ngày", "not a day"),
                said!("viết như 2026-07-01", "write it like 2026-07-01"),
            );
        }
        day
    }

    /// Reads a file of rules.
    pub(super) fn rules<'t>(&self, file: &File<'t>) -> Vec<(String, Spec<'t>)> {
        let mut specs = Vec::new();
        for (cells, line) in self.lines(file, &COLUMNS) {
            let cells = <[String; 12]>::try_from(cells).expect("there is a cell for each column");
            specs.extend(self.row(file.name, line.number, &cells));
        }
        specs
    }

    fn row<'t>(&self, file: &'t str, line: usize, cells: &[String; 12]) -> Vec<(String, Spec<'t>)> {
        let [id, severity, from, to, tables, field, kind, with, when, vi, en, _source] = cells;
        let wrong = |key: &str, what: Said, hint: Said| self.report(file, line, key, what, hint);
        let before = self.problems.borrow().len();
        let severity = match severity.as_str() {
            "block" => Some(Severity::Block),
            "warn" => Some(Severity::Warn),
            "off" => None,
            _ => {
                wrong(
                    "severity",
                    said!("không có mức này", "there is no such severity"),
                    said!("block | warn | off", "block | warn | off"),
                );
                None
            }
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.{}".contains(c);
        if id.is_empty() || !id.chars().all(plain) {
            wrong(
                "id",
                said!("mã quy tắc không dùng được", "not an id"),
                said!(
                    "chữ, số, `-`, `_`, `.`, {{table}}, {{field}}",
                    "letters, digits, `-`, `_`, `.`, {{table}}, {{field}}"
                ),
            );
        }
        if vi.is_empty() || en.is_empty() {
            wrong(
                "vi",
                said!("thiếu lời báo", "the message is missing"),
                said!(
                    "ghi cột `vi` và `en`: sai gì, làm gì",
                    "fill `vi` and `en`: what is wrong, what to do"
                ),
            );
        }
        let from = self.date(file, line, "from", from, 0);
        let to = self.date(file, line, "to", to, NEWEST);
        if from > to {
            wrong(
                "to",
                said!("ngày `to` trước ngày `from`", "`to` is before `from`"),
                said!("đổi lại", "put it right"),
            );
        }
        let (Some(from), Some(to)) = (from, to) else {
            return Vec::new();
        };
        let words = u32::try_from(self.words.borrow().len()).expect("each row of a file is below LARGEST");
        self.words.borrow_mut().push(Said {
            vi: vi.clone(),
            en: en.clone(),
        });
        let places = self.places(file, line, tables, field);
        let mut specs: Vec<(String, Spec<'_>)> = Vec::new();
        for Place { table, field, explicit } in places {
            let known = &ALL[usize::from(table)];
            let own = field.map(|field| &known.fields[usize::from(field)]);
            // What was read for a table is the same for its other fields, but for the sizes of those.
            let before = specs.last().map(|(_, spec)| spec).filter(|spec| spec.table == table);
            let check = match before.filter(|_| kind != "size") {
                Some(spec) => Ok(Arc::clone(&spec.check)),
                None => Check::parse(kind, with, table, own, &self.codes).map(Arc::new),
            };
            let when = match before {
                Some(spec) => Ok(Arc::clone(&spec.when)),
                None => condition::parse(when, table).map(Arc::from),
            };
            let check = match check {
                Ok(check) => check,
                Err(what) => {
                    wrong(
                        "kind",
                        what,
                        said!(
                            "các loại quy tắc: configs/rules/README.md",
                            "the kinds of rules: configs/rules/README.md"
                        ),
                    );
                    break;
                }
            };
            let when = match when {
                Ok(when) => when,
                Err(clause) => {
                    wrong(
                        "when",
                        said!("không hiểu điều kiện `{clause}`", "`{clause}` is no condition"),
                        said!(
                            "viết như: MA_NHOM in 10 11 & XML13 absent",
                            "write it like: MA_NHOM in 10 11 & XML13 absent"
                        ),
                    );
                    break;
                }
            };
            let id = id
                .replace("{table}", &known.name)
                .replace("{field}", own.map_or("", |own| &own.name));
            specs.push((
                id,
                Spec {
                    file,
                    line,
                    explicit,
                    severity,
                    from,
                    to,
                    table,
                    field,
                    check,
                    when,
                    words,
                },
            ));
        }
        if self.problems.borrow().len() > before {
            Vec::new()
        } else {
            specs
        }
    }

    /// What the columns `table` and `field` mean.
    fn places(&self, file: &str, line: usize, tables: &str, field: &str) -> Vec<Place> {
        let wrong = |key: &str, what: Said| {
            self.report(
                file,
                line,
                key,
                what,
                said!(
                    "tên như trong configs/tables/fields.csv, cách nhau một dấu trống",
                    "names as in configs/tables/fields.csv, with blanks between them"
                ),
            );
        };
        let twice = |key: &str, word: &str| wrong(key, said!("`{word}` ghi hai lần", "`{word}` is named twice"));
        let any = tables == "*";
        let numbers: Vec<u8> = if any {
            (0u8..).zip(ALL.iter()).map(|(number, _)| number).collect()
        } else {
            let known = words(tables, |word| twice("table", word))
                .into_iter()
                .map(|name| (number(name), name));
            known
                .filter_map(|(number, name)| {
                    if number.is_none() {
                        wrong("table", said!("không có bảng `{name}`", "there is no table `{name}`"));
                    }
                    number
                })
                .collect()
        };
        if numbers.is_empty() && tables.trim().is_empty() {
            wrong("table", said!("thiếu tên bảng", "the table is missing"));
        }
        if field.is_empty() {
            return numbers
                .into_iter()
                .map(|table| Place {
                    table,
                    field: None,
                    explicit: !any,
                })
                .collect();
        }
        let mut places = Vec::new();
        // Each name, and whether a table has it.
        let mut names: Vec<(&str, bool)> = words(field, |word| twice("field", word))
            .into_iter()
            .map(|name| (name, false))
            .collect();
        for table in numbers {
            if let Some(fields) = kind::fields(field, table) {
                names.clear();
                places.extend(fields.into_iter().map(|field| Place {
                    table,
                    field: Some(field),
                    explicit: false,
                }));
                continue;
            }
            for (name, used) in &mut names {
                if let Some(place) = ALL[usize::from(table)].field(name) {
                    *used = true;
                    places.push(Place {
                        table,
                        field: Some(place),
                        explicit: true,
                    });
                }
            }
        }
        for (name, _) in names.into_iter().filter(|(_, used)| !used) {
            wrong(
                "field",
                said!(
                    "không bảng nào ở đây có trường `{name}`",
                    "no table here has a field `{name}`"
                ),
            );
        }
        places
    }
}

/// The words of a cell, each once: rules for what is named many times would take its square. The first that comes twice is told.
fn words(cell: &str, told: impl FnOnce(&str)) -> Vec<&str> {
    let (mut words, mut known, mut twice) = (Vec::new(), HashSet::new(), None);
    for word in cell.split_whitespace() {
        if known.insert(word) {
            words.push(word);
        } else {
            twice = twice.or(Some(word));
        }
    }
    twice.map(told);
    words
}

/// One table and one field that a row means.
struct Place {
    table: u8,
    field: Option<u16>,
    explicit: bool,
}
