//! What two versions of one visit say differently: table, row, field, before and now.
//!
//! A row that says the same in both versions is paired first, whatever its number; then rows are known by what they are of (the
//! drug, the service) and by their `STT`, and only rows without one by their place. What is left was added or taken out.
//! Values are patient data: what comes out of here is for the console of the site, never for a log.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::rules;

/// The fields that tell what a row is of, as far as its table has them.
const OF: [&str; 4] = ["MA_THUOC", "MA_DICH_VU", "MA_VAT_TU", "MA_CHI_SO"];
/// So many characters of a value are shown.
const SHOWN: usize = 160;
/// Of these, so many from before the first that differs, where a value is longer.
const BEFORE: usize = 24;

/// One row: its fields that hold something.
type Row<'a> = Vec<(&'a str, &'a str)>;
type Key<'a> = Vec<&'a str>;

/// The tables of one version.
#[derive(Debug, Default)]
pub struct Tables<'a> {
    /// By number, then by name.
    tables: BTreeMap<(usize, &'a str), Vec<Row<'a>>>,
}

impl<'a> Tables<'a> {
    /// Adds a row at the end of a table.
    pub fn row(&mut self, table: &'a str, fields: impl IntoIterator<Item = (&'a str, &'a str)>) {
        // XML2 stands before XML10.
        let rows = self.tables.entry((table.len(), table)).or_default();
        rows.push(fields.into_iter().collect());
    }
}

/// What became of a field or a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A field says something else, or holds something in one of the versions only.
    Changed,
    /// The row is new.
    RowAdded,
    /// The row is gone.
    RowRemoved,
}

/// One difference. Patient data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What became of it.
    pub what: What,
    /// `XML2`.
    pub table: String,
    /// `STT 3`, or `#3` for the third of those without one; of a row that is in both, as it is now.
    pub row: String,
    /// Which field; none for a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What it is called in Vietnamese, where it is a field of the national tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it said; of a row that is gone, what it was of. None: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// What it says now; of a new row, what it is of. None: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// The first so many differences, by table and row, and how many there are behind them.
pub fn differences(old: &Tables<'_>, new: &Tables<'_>, most: usize) -> (Vec<Difference>, usize) {
    let mut found = Found {
        kept: Vec::new(),
        most,
        more: 0,
    };
    let mut names: Vec<_> = old.tables.keys().chain(new.tables.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let before = old.tables.get(&name).map_or(&[][..], Vec::as_slice);
        let now = new.tables.get(&name).map_or(&[][..], Vec::as_slice);
        found.table(name.1, before, now);
    }
    (found.kept, found.more)
}

struct Found {
    kept: Vec<Difference>,
    most: usize,
    more: usize,
}

impl Found {
    fn table(&mut self, table: &str, old: &[Row<'_>], new: &[Row<'_>]) {
        let of_new = pairs(old, new);
        let mut gone = vec![true; old.len()];
        for (at, row) in new.iter().enumerate() {
            let label = label(row, at);
            match of_new[at] {
                Some(before) => {
                    gone[before] = false;
                    self.fields(table, &label, &old[before], row);
                }
                None => self.put(|| difference(What::RowAdded, table, &label, None, of(row))),
            }
        }
        for (at, row) in old.iter().enumerate().filter(|(at, _)| gone[*at]) {
            self.put(|| difference(What::RowRemoved, table, &label(row, at), of(row), None));
        }
    }

    fn fields(&mut self, table: &str, row: &str, old: &Row<'_>, new: &Row<'_>) {
        let gone = old.iter().filter(|(name, _)| get(new, name).is_none());
        for name in new.iter().chain(gone).map(|(name, _)| *name) {
            let (before, now) = (get(old, name), get(new, name));
            if before != now {
                self.put(|| {
                    let (before, now) = shown(before, now);
                    Difference {
                        field: Some(name.to_owned()),
                        name: rules::field_name(table, name).map(str::to_owned),
                        ..difference(What::Changed, table, row, before, now)
                    }
                });
            }
        }
    }

    fn put(&mut self, difference: impl FnOnce() -> Difference) {
        if self.kept.len() < self.most {
            self.kept.push(difference());
        } else {
            self.more += 1;
        }
    }
}

fn difference(what: What, table: &str, row: &str, old: Option<String>, new: Option<String>) -> Difference {
    Difference {
        what,
        table: table.to_owned(),
        row: row.to_owned(),
        field: None,
        name: None,
        old,
        new,
    }
}

/// For each row as it is now, which it was before.
fn pairs(old: &[Row<'_>], new: &[Row<'_>]) -> Vec<Option<usize>> {
    let mut pairs = Pairs {
        free: vec![true; old.len()],
        of_new: vec![None; new.len()],
        old,
        new,
    };
    pairs.alike(|row| hash(row, &[]), |a, b| same(a, b, &[]));
    pairs.alike(|row| hash(row, &["STT"]), |a, b| same(a, b, &["STT"]));
    // Of a drug given every day there are many rows: those with the number of old first.
    pairs.by(|row| Some([codes(row)?, vec![get(row, "STT")?]].concat()));
    pairs.by(codes);
    pairs.by(|row| Some(vec![get(row, "STT")?]));
    pairs.by_place();
    pairs.of_new
}

struct Pairs<'r, 'a> {
    free: Vec<bool>,
    of_new: Vec<Option<usize>>,
    old: &'r [Row<'a>],
    new: &'r [Row<'a>],
}

impl<'a> Pairs<'_, 'a> {
    /// Pairs rows that are the same in what is compared.
    fn alike(&mut self, hash: impl Fn(&Row<'a>) -> u64, same: impl Fn(&Row<'a>, &Row<'a>) -> bool) {
        let mut waiting: HashMap<u64, VecDeque<usize>> = HashMap::new();
        for at in self.left_of_old() {
            waiting.entry(hash(&self.old[at])).or_default().push_back(at);
        }
        for at in self.left_of_new() {
            let row = &self.new[at];
            let Some(alike) = waiting.get_mut(&hash(row)) else {
                continue;
            };
            if alike.front().is_some_and(|before| same(&self.old[*before], row)) {
                self.put(at, alike.pop_front());
            }
        }
    }

    /// Pairs rows of which this says the same.
    fn by(&mut self, key: impl Fn(&Row<'a>) -> Option<Key<'a>>) {
        let mut waiting: HashMap<Key<'a>, VecDeque<usize>> = HashMap::new();
        for at in self.left_of_old() {
            if let Some(key) = key(&self.old[at]) {
                waiting.entry(key).or_default().push_back(at);
            }
        }
        for at in self.left_of_new() {
            let before = key(&self.new[at]).and_then(|key| waiting.get_mut(&key)?.pop_front());
            self.put(at, before);
        }
    }

    /// Pairs what is left and has no number, in its order.
    fn by_place(&mut self) {
        let numbered = |row: &Row<'_>| get(row, "STT").is_some();
        let mut before = self.left_of_old().into_iter();
        for at in self.left_of_new() {
            let Some(other) = before.next() else { return };
            if !numbered(&self.old[other]) || !numbered(&self.new[at]) {
                self.put(at, Some(other));
            }
        }
    }

    fn put(&mut self, now: usize, before: Option<usize>) {
        if let Some(before) = before {
            self.free[before] = false;
            self.of_new[now] = Some(before);
        }
    }

    fn left_of_old(&self) -> Vec<usize> {
        (0..self.old.len()).filter(|at| self.free[*at]).collect()
    }

    fn left_of_new(&self) -> Vec<usize> {
        (0..self.new.len()).filter(|at| self.of_new[*at].is_none()).collect()
    }
}

fn get<'a>(row: &Row<'a>, name: &str) -> Option<&'a str> {
    row.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// What a row is of, where its table has such fields.
fn codes<'a>(row: &Row<'a>) -> Option<Key<'a>> {
    let codes: Key<'_> = OF.iter().map(|name| get(row, name).unwrap_or_default()).collect();
    codes.iter().any(|code| !code.is_empty()).then_some(codes)
}

/// The same in words.
fn of(row: &Row<'_>) -> Option<String> {
    let told = OF.iter().filter_map(|name| Some(format!("{name} {}", get(row, name)?)));
    let text = told.collect::<Vec<_>>().join(", ");
    shown(Some(&text).filter(|text| !text.is_empty()).map(String::as_str), None).0
}

fn label(row: &Row<'_>, at: usize) -> String {
    match get(row, "STT") {
        Some(number) => format!("STT {}", number.chars().take(10).collect::<String>()),
        None => format!("#{}", at + 1),
    }
}

/// Whatever the order of the fields.
fn hash(row: &Row<'_>, without: &[&str]) -> u64 {
    let compared = row.iter().filter(|(name, _)| !without.contains(name));
    compared.fold(0, |sum, field| {
        let mut hasher = DefaultHasher::new();
        field.hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

fn same(a: &Row<'_>, b: &Row<'_>, without: &[&str]) -> bool {
    let said = |row: &Row<'_>| row.iter().filter(|(name, _)| !without.contains(name)).count();
    let all_in = |row: &Row<'_>, other: &Row<'_>| {
        let mut compared = row.iter().filter(|(name, _)| !without.contains(name));
        compared.all(|(name, value)| get(other, name) == Some(value))
    };
    said(a) == said(b) && all_in(a, b)
}

/// Both values, of long ones the part where they begin to differ.
fn shown(old: Option<&str>, new: Option<&str>) -> (Option<String>, Option<String>) {
    let alike = match (old, new) {
        (Some(old), Some(new)) => old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count(),
        _ => 0,
    };
    let from = alike.saturating_sub(BEFORE);
    let cut = |text: &str| {
        // Most values are short: those are shown whole.
        if text.chars().nth(SHOWN).is_none() {
            return text.to_owned();
        }
        let mut rest = text.chars().skip(from);
        let part: String = rest.by_ref().take(SHOWN).collect();
        let begin = if from > 0 { "…" } else { "" };
        let end = if rest.next().is_some() { "…" } else { "" };
        format!("{begin}{part}{end}")
    };
    (old.map(cut), new.map(cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `STT=1 MA_THUOC=A` and so on: one row each.
    fn tables<'a>(rows: &[(&'a str, &'a str)]) -> Tables<'a> {
        let mut tables = Tables::default();
        for (table, fields) in rows {
            let fields = fields.split_whitespace().filter_map(|field| field.split_once('='));
            tables.row(table, fields);
        }
        tables
    }

    fn told(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
        let (found, more) = differences(&tables(old), &tables(new), 50);
        assert_eq!(more, 0);
        let nothing = || "-".to_owned();
        found
            .into_iter()
            .map(|d| {
                let (old, new) = (d.old.unwrap_or_else(nothing), d.new.unwrap_or_else(nothing));
                match d.field {
                    Some(field) => format!("{} {} {field}: {old} > {new}", d.table, d.row),
                    None => format!("{} {} {:?}: {old} > {new}", d.table, d.row, d.what),
                }
            })
            .collect()
    }

    fn of_xml2(rows: &[String]) -> Vec<(&str, &str)> {
        rows.iter().map(|row| ("XML2", row.as_str())).collect()
    }

    #[test]
    fn a_corrected_a_new_and_an_emptied_field_are_told_each_with_its_name() {
        let old = [
            ("XML1", "MA_LK=1 STT=1 T_BHTT=10 GHI_CHU=x"),
            ("XML2", "STT=1 SO_LUONG=2"),
        ];
        let new = [
            ("XML2", "STT=1 SO_LUONG=2"),
            ("XML1", "NGAY_TTOAN=202603010900 STT=1 MA_LK=1 T_BHTT=11"),
        ];
        assert_eq!(
            told(&old, &new),
            [
                "XML1 STT 1 NGAY_TTOAN: - > 202603010900",
                "XML1 STT 1 T_BHTT: 10 > 11",
                "XML1 STT 1 GHI_CHU: x > -"
            ]
        );
        let (found, _) = differences(&tables(&old), &tables(&new), 50);
        assert_eq!(found[0].name.as_deref(), rules::field_name("XML1", "NGAY_TTOAN"));
        assert!(found[0].name.is_some() && rules::field_name("XML1", "NOT_A_FIELD").is_none());
        assert_eq!(
            rules::field_name("XML13", "MA_NOI_DEN"),
            rules::field_name("XML13", "MA_CSKCB_DEN")
        );
    }

    #[test]
    fn the_same_in_another_order_is_no_difference() {
        let old = [("XML2", "STT=1 MA_THUOC=A"), ("XML2", "STT=2 MA_THUOC=B")];
        let new = [("XML2", "MA_THUOC=B STT=2"), ("XML2", "STT=1 MA_THUOC=A")];
        assert_eq!(told(&old, &new), Vec::<String>::new());
    }

    #[test]
    fn a_row_taken_out_of_the_middle_moves_the_numbers_and_nothing_else() {
        let old = [
            ("XML2", "STT=1 MA_THUOC=A"),
            ("XML2", "STT=2 MA_THUOC=B"),
            ("XML2", "STT=3 MA_THUOC=C SO_LUONG=1"),
        ];
        let new = [("XML2", "STT=1 MA_THUOC=A"), ("XML2", "STT=2 MA_THUOC=C SO_LUONG=2")];
        assert_eq!(
            told(&old, &new),
            [
                "XML2 STT 2 STT: 3 > 2",
                "XML2 STT 2 SO_LUONG: 1 > 2",
                "XML2 STT 2 RowRemoved: MA_THUOC B > -"
            ]
        );
    }

    #[test]
    fn of_many_rows_of_one_drug_the_one_with_the_number_changed() {
        let row = |stt, count| format!("STT={stt} MA_THUOC=A SO_LUONG={count} NGAY_YL=2026030{stt}");
        let old: Vec<String> = (1..=4).map(|stt| row(stt, 1)).collect();
        let mut new = old.clone();
        new[2] = row(3, 5);
        new.remove(1);
        let (old, new) = (of_xml2(&old), of_xml2(&new));
        assert_eq!(
            told(&old, &new),
            ["XML2 STT 3 SO_LUONG: 1 > 5", "XML2 STT 2 RowRemoved: MA_THUOC A > -"]
        );
    }

    #[test]
    fn rows_that_say_the_same_belong_together_whatever_their_numbers() {
        let old = [("XML5", "STT=1 X=a"), ("XML5", "STT=2 X=b"), ("XML5", "STT=3 X=c")];
        let new = [("XML5", "STT=1 X=a"), ("XML5", "STT=2 X=c")];
        assert_eq!(
            told(&old, &new),
            ["XML5 STT 2 STT: 3 > 2", "XML5 STT 2 RowRemoved: - > -"]
        );
        let old = [("XML5", "STT=1 X=a"), ("XML5", "STT=2 X=a")];
        let new = [("XML5", "STT=2 X=a"), ("XML5", "STT=1 X=a")];
        assert_eq!(told(&old, &new), Vec::<String>::new());
    }

    #[test]
    fn a_corrected_code_is_a_change_of_its_row_and_a_further_row_is_added() {
        let old = [("XML3", "STT=1 MA_DICH_VU=A"), ("XML3", "STT=2 MA_DICH_VU=B")];
        let new = [
            ("XML3", "STT=1 MA_DICH_VU=A"),
            ("XML3", "STT=2 MA_DICH_VU=C"),
            ("XML3", "STT=3 MA_VAT_TU=D"),
            ("XML4", "GIA_TRI=7"),
        ];
        assert_eq!(
            told(&old, &new),
            [
                "XML3 STT 2 MA_DICH_VU: B > C",
                "XML3 STT 3 RowAdded: - > MA_VAT_TU D",
                "XML4 #1 RowAdded: - > -"
            ]
        );
    }

    #[test]
    fn rows_without_a_number_are_compared_by_their_place() {
        let old = [("XML6", "MA_LK=1 DIA_CHI=x"), ("XML6", "MA_LK=1 DIA_CHI=y")];
        let new = [("XML6", "MA_LK=1 DIA_CHI=z"), ("XML6", "MA_LK=1 DIA_CHI=y")];
        assert_eq!(told(&old, &new), ["XML6 #1 DIA_CHI: x > z"]);
    }

    #[test]
    fn no_more_than_asked_for_is_kept_and_the_rest_is_counted() {
        let old: Vec<String> = (0..100).map(|n| format!("STT={n} DON_GIA=1")).collect();
        let new: Vec<String> = (0..100).map(|n| format!("STT={n} DON_GIA=2")).collect();
        let (mut before, mut now) = (Tables::default(), Tables::default());
        for (row, other) in old.iter().zip(&new) {
            before.row("XML2", row.split(' ').filter_map(|field| field.split_once('=')));
            now.row("XML2", other.split(' ').filter_map(|field| field.split_once('=')));
        }
        let (found, more) = differences(&before, &now, 30);
        assert_eq!((found.len(), more), (30, 70));
    }

    #[test]
    fn of_a_long_value_the_part_is_shown_where_it_differs() {
        let (long, changed) = (
            format!("{}cũ{}", "a".repeat(500), "b".repeat(500)),
            "a".repeat(500) + "mới",
        );
        let (old, new) = shown(Some(&long), Some(&changed));
        let (old, new) = (old.unwrap(), new.unwrap());
        assert!(
            old.starts_with("…a") && old.contains("cũ") && old.ends_with('…'),
            "{old}"
        );
        assert!(new.ends_with("mới"), "{new}");
        assert!(old.chars().count() <= SHOWN + 2);
        let (old, new) = shown(Some("ngắn"), None);
        assert_eq!((old.as_deref(), new), (Some("ngắn"), None));
    }
}
