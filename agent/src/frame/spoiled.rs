//! A record's text that came in an encoding of before Unicode, or through a wrong one, read as what it says.
//!
//! The values of one field over all rows of a table are judged together, and a column that is clear speaks for those that
//! are not. Names of codes, numbers and dates are left alone. Only what plugins see changes: the envelope is made from the
//! record's own bytes. A record without a suspicious value, known from when it was read, costs nothing here.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use unicode_normalization::UnicodeNormalization;
use vhr_core::{
    record::Issue,
    spoiled::{Encoding, Judge, Spoiled, is_clean},
};

use super::rows::Store;

/// A column that was spoiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// `XML1`.
    pub table: &'static str,
    /// `HO_TEN`.
    pub field: String,
    /// By what.
    pub encoding: Encoding,
    /// How many of its values say something else now.
    pub values: u32,
}

impl From<&Repair> for Issue {
    fn from(repair: &Repair) -> Self {
        let (name, values) = (repair.encoding.name(), repair.values);
        // Marks apart are the same text by Unicode's own rules; of all else the HIS should know.
        let severity = match repair.encoding {
            Encoding::Decomposed => "information",
            _ => "warning",
        };
        Self {
            severity: severity.into(),
            code: format!("TEXT-{}", repair.encoding.code()),
            source: format!("{}/{}", repair.table, repair.field),
            message: format!(
                "{values} giá trị viết theo {name} đã được đọc lại đúng tiếng Việt cho FHIR; tệp gửi cổng giữ nguyên, cần sửa ở HIS / \
                 {values} values written in {name} were read as what they say for FHIR; the claim keeps them as they came: mend the HIS"
            ),
        }
    }
}

/// No table has a tenth of this many fields; what stands in further ones stays as it is.
const COLUMNS: usize = 256;

/// What is known of values that may be spoiled, by their field's number, ascending.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Not clean at the first look.
    odd: Vec<u32>,
    /// Had its marks apart.
    apart: Vec<u32>,
    /// Ends in what is a blank, or was a byte of a letter.
    open: Vec<u32>,
}

impl Doubts {
    /// Adds a value to the text of all, with `\n` line ends and in NFC, and notes what is to be said about it.
    pub(super) fn push(&mut self, field: usize, value: &str, text: &mut String) {
        let lines;
        let value = if value.contains('\r') {
            lines = value.replace("\r\n", "\n").replace('\r', "\n");
            &lines
        } else {
            value
        };
        if value.is_ascii() || is_clean(value) {
            text.push_str(value);
            return;
        }
        let number = field as u32; // below the limit of fields
        let from = text.len();
        text.extend(value.nfc());
        self.odd.push(number);
        if text[from..] != *value {
            self.apart.push(number);
        }
        if value.ends_with(is_open_end) {
            self.open.push(number);
        }
    }

    /// Whether there is any.
    pub(super) fn any(&self) -> bool {
        !self.odd.is_empty()
    }

    /// Forgets the fields from this one on.
    pub(super) fn truncate(&mut self, fields: usize) {
        for list in [&mut self.odd, &mut self.apart, &mut self.open] {
            while list.last().is_some_and(|last| *last as usize >= fields) {
                list.pop();
            }
        }
    }
}

/// A value without the blanks around it, but for those at its end that are the second half of a letter in UTF-8 ("à" as
/// "Ã" and a no-break space) or a letter of VISCII, should it be spoiled.
pub(super) fn trimmed(value: &str) -> &str {
    let bare = value.trim();
    if bare.len() == value.len() || bare.is_ascii() {
        return bare;
    }
    value
        .trim_start()
        .trim_end_matches(|c: char| c.is_whitespace() && !is_open_end(c))
}

fn is_open_end(c: char) -> bool {
    matches!(c, '\u{A0}' | '\u{85}')
}

type Column<'a> = (usize, &'a str);

/// Repairs the values of all tables, each the number of the table and its rows. `names` are those of the tables.
pub(super) fn repair(store: &mut Store, tables: &[(usize, Range<u32>)], names: &[&'static str]) -> Vec<Repair> {
    let doubts = std::mem::take(&mut store.doubts);
    if !doubts.any() {
        return Vec::new();
    }
    let columns = columns(store, tables);
    let verdicts = verdicts(store, &columns, &doubts);
    let mut repairs: BTreeMap<(usize, String), (Encoding, u32)> = BTreeMap::new();
    let mut note = |(table, field): Column<'_>, encoding| {
        let entry = repairs.entry((table, field.to_owned())).or_insert((encoding, 0));
        entry.1 += u32::from(entry.0 == encoding);
    };
    let mut read = Vec::new();
    for (number, column) in &columns {
        if let Some(spoiled) = verdicts.get(column) {
            let value = store.value(*number);
            let meant = spoiled.repair(value);
            if meant != value {
                note(*column, spoiled.encoding());
                read.push((*number, meant.trim().to_owned()));
            }
        }
    }
    for (number, column) in &columns {
        if doubts.apart.binary_search(number).is_ok() {
            note(*column, Encoding::Decomposed);
        }
    }
    for number in doubts.open {
        store.trim(number);
    }
    for (number, meant) in read {
        store.replace(number, &meant);
    }
    let repair = |((table, field), (encoding, values))| Repair {
        table: names[table],
        field,
        encoding,
        values,
    };
    repairs.into_iter().map(repair).collect()
}

/// Every value beyond ASCII, with its column.
fn columns<'a>(store: &'a Store, tables: &[(usize, Range<u32>)]) -> Vec<(u32, Column<'a>)> {
    let mut columns = Vec::new();
    for (table, rows) in tables {
        let fields = store.numbers(rows).filter(|number| !store.value(*number).is_ascii());
        columns.extend(fields.map(|number| (number, (*table, store.name(number)))));
    }
    columns
}

fn verdicts<'a>(store: &Store, columns: &[(u32, Column<'a>)], doubts: &Doubts) -> BTreeMap<Column<'a>, Spoiled> {
    let odd = columns
        .iter()
        .filter(|(number, _)| doubts.odd.binary_search(number).is_ok());
    let odd: BTreeSet<Column<'_>> = odd.map(|(_, column)| *column).collect();
    let first = Judges::of(store, columns.iter().filter(|(_, column)| odd.contains(column)));
    if first.whole.verdict().is_none() && first.columns.values().all(|judge| judge.verdict().is_none()) {
        return BTreeMap::new();
    }
    // Something is spoiled: now the columns count that look good by themselves.
    let all = Judges::of(store, columns);
    let whole = all.whole.verdict();
    let verdict = |judge: &Judge| match whole {
        Some(whole) => judge.verdict_beside(whole),
        None => judge.verdict(),
    };
    let found = all
        .columns
        .iter()
        .filter_map(|(column, judge)| Some((*column, verdict(judge)?)));
    found.collect()
}

/// One judge for each column, and one for all of them.
#[derive(Default)]
struct Judges<'a> {
    columns: BTreeMap<Column<'a>, Judge>,
    whole: Judge,
}

impl<'a> Judges<'a> {
    fn of<'b>(store: &Store, values: impl IntoIterator<Item = &'b (u32, Column<'a>)>) -> Self
    where
        'a: 'b,
    {
        let mut judges = Self::default();
        for (number, column) in values {
            if is_code(column.1) || judges.columns.len() == COLUMNS && !judges.columns.contains_key(column) {
                continue;
            }
            let value = store.value(*number);
            judges.columns.entry(*column).or_default().look(value);
            judges.whole.look(value);
        }
        judges
    }
}

/// Codes, numbers of papers and dates: what they say is compared, not read.
fn is_code(field: &str) -> bool {
    ["MA_", "SO_", "NGAY_"].iter().any(|start| field.starts_with(start))
}
