//! Walks a parsed TOML document and collects problems instead of stopping at the first.
//!
//! A reading function returns `None` where it has reported a problem, and everything else is read on. A [`Table`]
//! remembers which keys it was asked for; at its [`Table::end`] whatever else stands in it is a problem.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use crate::said;
use crate::say::Said;

/// The text that is read, and the problems found in it so far.
pub(super) struct Document<'t> {
    file: &'t str,
    line_starts: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
}

impl<'t> Document<'t> {
    pub(super) fn new(text: &'t str, file: &'t str) -> Document<'t> {
        let after_breaks = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at + 1);
        Document {
            file,
            line_starts: std::iter::once(0).chain(after_breaks).collect(),
            problems: RefCell::default(),
        }
    }

    /// Notes a problem at this place in the text.
    pub(super) fn report(&self, offset: usize, key: &str, what: Said, hint: Said) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let problem = Problem {
            file: self.file.to_owned(),
            line,
            key: key.to_owned(),
            what,
            hint,
        };
        self.problems.borrow_mut().push(problem);
    }

    /// All problems, by line.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
    }
}

/// One value, and where it stands.
pub(super) struct Value<'d> {
    document: &'d Document<'d>,
    value: &'d DeValue<'d>,
    offset: usize,
    key: String,
}

impl<'d> Value<'d> {
    fn new(document: &'d Document<'d>, spanned: &'d Spanned<DeValue<'d>>, key: String) -> Value<'d> {
        Value {
            document,
            value: spanned.get_ref(),
            offset: spanned.span().start,
            key,
        }
    }

    /// Reports this value as wrong. Always `None`, to be returned.
    pub(super) fn wrong<T>(&self, what: Said, hint: Said) -> Option<T> {
        self.document.report(self.offset, &self.key, what, hint);
        None
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn text(&self) -> Option<&'d str> {
        match self.value {
            DeValue::String(text) => Some(text),
            _ => self.wrong(
                said!("ở đây cần một chuỗi chữ", "text is expected here"),
                said!(
                    r#"đặt giá trị trong ngoặc kép: "…""#,
                    r#"put the value in double quotes: "…""#
                ),
            ),
        }
    }

    pub(super) fn whole_number(&self) -> Option<i64> {
        let number = self
            .value
            .as_integer()
            .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        number.or_else(|| {
            self.wrong(
                said!("ở đây cần một số nguyên", "a whole number is expected here"),
                said!("ghi số, không có ngoặc kép: 4", "write digits without quotes: 4"),
            )
        })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*choice);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.wrong(
            said!("giá trị này không dùng được", "this value is not known"),
            one_of(text, &words),
        )
    }

    /// Every item of a list read by itself; `None` if one of them is wrong.
    pub(super) fn list<T>(&self, read: impl FnMut(&Value<'d>) -> Option<T>) -> Option<Vec<T>> {
        let read_all: Vec<Option<T>> = self.items()?.iter().map(read).collect();
        read_all.into_iter().collect()
    }

    fn items(&self) -> Option<Vec<Value<'d>>> {
        let Some(array) = self.value.as_array() else {
            return self.wrong(
                said!("ở đây cần một danh sách", "a list is expected here"),
                said!(r#"đặt trong ngoặc vuông: ["…"]"#, r#"put it in square brackets: ["…"]"#),
            );
        };
        let item = |(at, item)| Value::new(self.document, item, format!("{}[{}]", self.key, at + 1));
        Some(array.iter().enumerate().map(item).collect())
    }

    pub(super) fn table(&self) -> Option<Table<'d>> {
        let Some(entries) = self.value.as_table() else {
            return self.wrong(
                said!("ở đây cần một bảng", "a table is expected here"),
                said!(
                    "ghi trong ngoặc nhọn: {{ khóa = \"…\" }}",
                    "write it in braces: {{ key = \"…\" }}"
                ),
            );
        };
        let Value { document, offset, .. } = *self;
        Some(Table {
            document,
            entries,
            offset,
            path: self.key.clone(),
            asked: Vec::new(),
            explained: Vec::new(),
        })
    }
}

/// A table, and which of its keys are known.
pub(super) struct Table<'d> {
    document: &'d Document<'d>,
    entries: &'d DeTable<'d>,
    offset: usize,
    path: String,
    asked: Vec<&'static str>,
    explained: Vec<&'static str>,
}

impl<'d> Table<'d> {
    pub(super) fn root(document: &'d Document<'d>, entries: &'d DeTable<'d>) -> Table<'d> {
        Table {
            document,
            entries,
            offset: 0,
            path: String::new(),
            asked: Vec::new(),
            explained: Vec::new(),
        }
    }

    /// Reads a key if it is there.
    pub(super) fn optional<T>(&mut self, key: &'static str, read: impl FnOnce(&Value<'d>) -> Option<T>) -> Option<T> {
        self.asked.push(key);
        let value = self.entries.get(key)?;
        read(&Value::new(self.document, value, self.path_of(key)))
    }

    /// Reads a key that must be there; `example` shows how it is written.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&Value<'d>) -> Option<T>,
    ) -> Option<T> {
        if !self.has(key) {
            self.wrong_at(
                self.offset,
                key,
                said!("thiếu khóa này", "this key is missing"),
                said!("thêm, ví dụ: {example}", "add it, for example: {example}"),
            );
        }
        self.optional(key, read)
    }

    /// Reads `[key]`, which must be there.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(Table<'d>) -> Option<T>) -> Option<T> {
        let header = format!("[{key}]");
        self.required(key, &header, |value| read(value.table()?))
    }

    /// Reads all `[[key]]`, of which there must be at least one.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Vec<Value<'d>>) -> Option<T>,
    ) -> Option<T> {
        let header = format!("[[{key}]]");
        self.required(key, &header, |value| {
            if value.is_table() {
                return value.wrong(
                    said!(
                        "mục này có thể lặp lại nên cần ngoặc vuông kép",
                        "this section needs double brackets"
                    ),
                    said!("ghi {header}", "write {header}"),
                );
            }
            let values = value.items()?;
            if values.is_empty() {
                return value.wrong(
                    said!("cần ít nhất một mục {header}", "at least one {header} is needed"),
                    said!("thêm mục {header}", "add a {header} section"),
                );
            }
            read(values)
        })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Says of any of these keys why it does not belong here, instead of that it is unknown.
    pub(super) fn refuse(&mut self, keys: &[&'static str], what: &Said, hint: &Said) {
        for key in keys {
            if let Some((name, _)) = self.entries.get_key_value(*key) {
                self.wrong_at(name.span().start, key, what.clone(), hint.clone());
            }
        }
        self.explained.extend(keys);
    }

    /// Leaves these keys alone: what they mean depends on something that could not be read.
    pub(super) fn pass_over(&mut self, keys: &[&'static str]) {
        self.explained.extend(keys);
    }

    /// Reports the table as a whole.
    pub(super) fn wrong<T>(&self, what: Said, hint: Said) -> Option<T> {
        self.document.report(self.offset, &self.path, what, hint);
        None
    }

    /// Whatever was never asked for is a problem.
    pub(super) fn end(self) {
        for name in self.entries.keys() {
            let key = name.get_ref().as_ref();
            if self.asked.contains(&key) || self.explained.contains(&key) {
                continue;
            }
            let what = if self.path.is_empty() {
                said!(
                    "phiên bản này không biết mục này",
                    "this version does not know this section"
                )
            } else {
                said!("không có khóa này ở đây", "there is no such key here")
            };
            self.wrong_at(name.span().start, key, what, one_of(key, &self.asked));
        }
    }

    fn wrong_at(&self, offset: usize, key: &str, what: Said, hint: Said) {
        self.document.report(offset, &self.path_of(key), what, hint);
    }

    fn path_of(&self, key: &str) -> String {
        let printable = |c: char| if c.is_control() { '?' } else { c };
        let key: String = key.chars().take(40).map(printable).collect();
        if self.path.is_empty() {
            key
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// The word that was probably meant, or all that are known.
fn one_of(given: &str, known: &[&str]) -> Said {
    let distances = known.iter().map(|word| (edits(given, word), *word));
    match distances.min() {
        Some((edits, word)) if edits <= 2 && edits < word.len() => {
            said!("có phải ý bạn là `{word}`?", "did you mean `{word}`?")
        }
        _ => {
            let known = known.join(", ");
            said!("ở đây dùng được: {known}", "known here: {known}")
        }
    }
}

/// How many characters have to be put in, left out or replaced to make one word of the other (more than 2 is just far).
fn edits(one: &str, other: &str) -> usize {
    if one.len().abs_diff(other.len()) > 4 {
        return usize::MAX;
    }
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, c) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, d) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(c != *d);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("fhir", "fhir"), 0);
        assert_eq!(edits("fihr", "fhir"), 2);
        assert_eq!(edits("scheduel", "schedule"), 2);
        assert_eq!(edits("", "ask"), 3);
        assert_eq!(edits("tên", "ten"), 1);
        assert_eq!(edits("a much longer word", "ask"), usize::MAX);
    }

    #[test]
    fn a_near_word_is_proposed_and_a_far_one_gets_the_list() {
        assert_eq!(one_of("achive", &["leave", "archive"]).en, "did you mean `archive`?");
        assert_eq!(one_of("move", &["leave", "archive"]).en, "known here: leave, archive");
        assert_eq!(one_of("x", &["vi", "en"]).en, "known here: vi, en");
    }

    #[test]
    fn lines_are_counted_from_one_to_the_end_of_the_text() {
        let document = Document::new("a\nb\r\n\nc", "f");
        for (offset, line) in [(0, 1), (1, 1), (2, 2), (5, 3), (6, 4), (700, 4)] {
            document.report(offset, "", said!("", ""), said!("", ""));
            assert_eq!(document.problems.borrow().last().unwrap().line, line, "at {offset}");
        }
    }
}
