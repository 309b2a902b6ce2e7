//! The national code tables that decide how a row is mapped, as dated data from `configs/codes`.
//!
//! A code that a table does not list is unknown: callers say so and never guess.

use std::sync::LazyLock;

/// The lines of a table, cut into columns once: a visit asks for every row it has.
type Table = LazyLock<Vec<[&'static str; 5]>>;

static GROUPS: Table = LazyLock::new(|| lines(include_str!("../../../configs/codes/ma-nhom.csv")));
static VISIT_TYPES: Table = LazyLock::new(|| lines(include_str!("../../../configs/codes/ma-loai-kcb.csv")));
static RESULTS: Table = LazyLock::new(|| lines(include_str!("../../../configs/codes/ket-qua-dtri.csv")));
static NATIONALITIES: Table = LazyLock::new(|| lines(include_str!("../../../configs/codes/ma-quoctich.csv")));
static MEANINGS: Table = LazyLock::new(|| lines(include_str!("../../../configs/codes/y-nghia-ma.csv")));
static ARV: Table = LazyLock::new(|| lines(include_str!("../../../configs/codes/thuoc-arv.csv")));

static CLASSES: Table = LazyLock::new(|| lines(include_str!("../../../configs/codes/lop-ho-so.csv")));

/// What kind of row a cost group makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Lab,
    Imaging,
    Function,
    Procedure,
    /// A service of which the group does not say more.
    Service,
    /// Supplies, beds, exams, transport, blood, drugs: a line of the claim and nothing else.
    ClaimOnly,
}

/// The kind and the Vietnamese name of a cost group on a day.
pub(crate) fn group(code: &str, day: &str) -> Option<(Kind, &'static str)> {
    let code = code.trim_start_matches('0');
    let [_, kind, name, ..] = find(&GROUPS, code, day)?;
    let kind = match kind {
        "lab" => Kind::Lab,
        "imaging" => Kind::Imaging,
        "function" => Kind::Function,
        "procedure" => Kind::Procedure,
        "service" => Kind::Service,
        _ => Kind::ClaimOnly,
    };
    Some((kind, name))
}

/// The encounter class of a visit type: code and display of v3-ActCode.
pub(crate) fn class(visit_type: &str, day: &str) -> Option<(&'static str, &'static str)> {
    match find(&VISIT_TYPES, visit_type, day)?[1] {
        "AMB" => Some(("AMB", "ambulatory")),
        "IMP" => Some(("IMP", "inpatient encounter")),
        _ => None,
    }
}

/// What a treatment result says: the clinical status of the main diagnosis if it says one, and whether the patient died.
pub(crate) fn result(code: &str, day: &str) -> Option<(Option<&'static str>, bool)> {
    let [_, status, deceased, ..] = find(&RESULTS, code, day)?;
    Some((Some(status).filter(|status| !status.is_empty()), deceased == "yes"))
}

/// ISO 3166-1 alpha-2 of a national country code.
pub(crate) fn country(code: &str, day: &str) -> Option<&'static str> {
    find(&NATIONALITIES, code, day).map(|[_, iso, ..]| iso)
}

/// What a code of a field's own list says in words.
pub(crate) fn meaning(field: &str, code: &str, day: &str) -> Option<&'static str> {
    let lines = MEANINGS
        .iter()
        .filter(|columns| columns[0] == field && columns[1] == code);
    newest(lines, day).map(|[_, _, name, ..]| name)
}

/// Substances of antiretroviral drugs, and whether one alone tells of HIV.
pub(crate) fn antiretrovirals() -> impl Iterator<Item = (&'static str, bool)> {
    ARV.iter().map(|[substance, alone, ..]| (*substance, *alone == "yes"))
}

/// From which code of a disease to which one a record is of a class.
pub(crate) fn classes() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    CLASSES.iter().map(|[first, last, class, ..]| (*first, *last, *class))
}

/// The newest line of a table for a code that was in force on a day (ISO date; empty: any day).
fn find(table: &Table, code: &str, day: &str) -> Option<[&'static str; 5]> {
    newest(table.iter().filter(|columns| columns[0] == code), day)
}

fn newest<'t>(lines: impl Iterator<Item = &'t [&'static str; 5]>, day: &str) -> Option<[&'static str; 5]> {
    lines
        .filter(|columns| day.is_empty() || from(columns) <= day)
        .max_by_key(|columns| from(columns))
        .copied()
}

fn lines(text: &'static str) -> Vec<[&'static str; 5]> {
    text.lines().filter_map(columns).collect()
}

/// Every table ends with `from` and `sure`; the results table has one column more in front of them.
fn from(columns: &[&'static str; 5]) -> &'static str {
    columns[3]
}

/// Code, two columns of meaning, `from`, `sure`; a column in between is for people only.
fn columns(line: &'static str) -> Option<[&'static str; 5]> {
    let mut front = line.split(',');
    let mut back = line.rsplit(',');
    let (code, first, second) = (front.next()?, front.next()?, front.next()?);
    let (sure, from) = (back.next()?, back.next()?);
    let is_header = !from.starts_with(|c: char| c.is_ascii_digit());
    (!is_header).then_some([code, first, second, from, sure])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_groups_decide_the_kind_of_a_row() {
        let kind = |code| group(code, "2026-03-01").map(|(kind, _)| kind);
        assert_eq!(kind("1"), Some(Kind::Lab));
        assert_eq!(kind("02"), Some(Kind::Imaging));
        assert_eq!(kind("3"), Some(Kind::Function));
        assert_eq!(kind("18"), Some(Kind::Procedure));
        assert_eq!(kind("9"), Some(Kind::Service));
        assert_eq!(kind("15"), Some(Kind::ClaimOnly));
        assert_eq!(
            (kind("19"), kind(""), kind("code"), group("code", "")),
            (None, None, None, None)
        );
        assert_eq!(group("1", "2026-03-01").unwrap().1, "Xét nghiệm");
    }

    #[test]
    fn a_code_counts_from_its_day_on() {
        assert_eq!(class("01", "2026-03-01"), Some(("AMB", "ambulatory")));
        assert_eq!(class("01", ""), Some(("AMB", "ambulatory")));
        assert_eq!(class("01", "2020-01-01"), None);
        assert_eq!(
            (class("1", ""), class("16", "")),
            (None, None),
            "codes are text, 1 is not 01"
        );
    }

    #[test]
    fn results_tell_status_and_death_apart() {
        assert_eq!(result("1", ""), Some((Some("resolved"), false)));
        assert_eq!(result("5", ""), Some((None, true)));
        assert_eq!(result("7", ""), Some((None, false)));
        assert_eq!(result("8", ""), Some((None, true)));
        assert_eq!(result("9", ""), None);
    }

    #[test]
    fn vietnam_is_the_only_country_code_known_for_sure() {
        assert_eq!((country("000", ""), country("111", "")), (Some("VN"), None));
    }

    #[test]
    fn a_meaning_belongs_to_its_field() {
        assert_eq!(
            meaning("LOAI_DTRI_LAO", "3", "2026-03-01"),
            Some("Điều trị lao kháng thuốc")
        );
        assert_eq!(
            (meaning("LOAI_DTRI_LAO", "9", ""), meaning("KET_QUA", "3", "")),
            (None, None)
        );
        assert_eq!(meaning("MA_LYDO_CT", "1", "2020-01-01"), None);
    }

    #[test]
    fn every_line_of_every_table_has_its_columns() {
        for table in [
            include_str!("../../../configs/codes/ma-nhom.csv"),
            include_str!("../../../configs/codes/ma-loai-kcb.csv"),
            include_str!("../../../configs/codes/ket-qua-dtri.csv"),
            include_str!("../../../configs/codes/ma-quoctich.csv"),
            include_str!("../../../configs/codes/y-nghia-ma.csv"),
            include_str!("../../../configs/codes/thuoc-arv.csv"),
        ] {
            let mut lines = table.lines().filter(|line| !line.starts_with('#'));
            let columns = lines.next().unwrap().split(',').count();
            for line in lines {
                assert_eq!(line.split(',').count(), columns, "{line}");
                let [_, _, _, from, sure] = super::columns(line).unwrap();
                assert!(from.len() == 10 && matches!(sure, "yes" | "no"), "{line}");
            }
        }
    }
}
