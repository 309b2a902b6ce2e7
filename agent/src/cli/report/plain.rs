//! The report for the console, and as CSV.
//!
//! CSV is UTF-8 with a byte-order mark, by which alone Excel knows the letters, and comma-separated like every CSV of ours. Numbers are
//! whole, percents too: `96.3` is a number for one Windows and a date or text for one set to Vietnamese, `96,3` the other way round. The
//! counts behind each share stand beside it; who wants decimals takes xlsx. Each row begins with the key of its sheet.

use std::fmt::Write as _;

use vhr_core::say::Said;

use super::sheets::{Cell, Report, Sheet};
use crate::cli::output::table;
use crate::cli::receipts;

/// For the console.
pub(super) fn text(report: &Report) -> String {
    let mut text = format!("{}\n", report.title);
    for note in &report.notes {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{note}");
    }
    for sheet in &report.sheets {
        let head: Vec<&str> = sheet.head.iter().map(String::as_str).collect();
        let rows: Vec<Vec<String>> = sheet.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let _ = write!(text, "\n{}\n{}", sheet.title, table(&head, &rows));
    }
    let _ = writeln!(text, "\nCách tính (how it is counted)");
    for definition in &report.definitions {
        let _ = writeln!(text, "- {}\n  {}", definition.vi, definition.en);
    }
    text
}

/// As CSV; `mark`: with a byte-order mark.
pub(super) fn csv(report: &Report, mark: bool) -> String {
    let words = |key: &str, said: &Said| vec![key.to_owned(), receipts::cell(&said.to_string())];
    let mut all = vec![words("title", &report.title)];
    all.extend(report.notes.iter().map(|note| words("note", note)));
    for sheet in &report.sheets {
        all.push(words("sheet", &sheet.title));
        all.extend(lines(sheet));
    }
    all.extend(
        report
            .definitions
            .iter()
            .map(|definition| words("definition", definition)),
    );
    let mut text = String::from(if mark { "\u{feff}" } else { "" });
    for cells in all {
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

fn lines(sheet: &Sheet) -> impl Iterator<Item = Vec<String>> {
    let head: Vec<String> = sheet.head.iter().map(|label| receipts::cell(label)).collect();
    let rows = sheet.rows.iter().map(|row| row.iter().map(csv_cell).collect());
    let all = std::iter::once(head).chain(rows);
    all.map(|cells: Vec<String>| std::iter::once(sheet.key.to_owned()).chain(cells).collect())
}

fn csv_cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => receipts::cell(text),
        Cell::Count(count) => count.to_string(),
        Cell::Change(change) => change.to_string(),
        Cell::Share(share) => share
            .permille()
            .map_or_else(String::new, |permille| format!("{}%", permille / 10)),
        Cell::Points(points) => points.map_or_else(String::new, |tenths| (tenths / 10).to_string()),
    }
}

/// As people read it, with the decimal comma of Vietnam; nothing of nothing is a dash.
pub(super) fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Count(count) => count.to_string(),
        Cell::Change(change) => format!("{change:+}"),
        Cell::Share(share) => share.permille().map_or_else(
            || "–".to_owned(),
            |permille| format!("{},{} %", permille / 10, permille % 10),
        ),
        Cell::Points(None) => "–".to_owned(),
        Cell::Points(Some(tenths)) => {
            let sign = if *tenths < 0 { '-' } else { '+' };
            format!("{sign}{},{}", tenths.abs() / 10, tenths.abs() % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use vhr_core::figures::Share;

    use super::super::sheets::tests::one_sheet;
    use super::*;

    #[test]
    fn numbers_in_csv_are_whole_and_text_is_never_a_formula() {
        let report = one_sheet(vec![
            Cell::Text("=HYPERLINK(\"x\")".into()),
            Cell::Text("\t=1".into()),
            Cell::Count(1234),
            Cell::Change(-3),
            Cell::Share(Share { part: 1999, of: 2000 }),
            Cell::Points(Some(-15)),
            Cell::Share(Share::default()),
        ]);
        let text = csv(&report, true);
        assert!(text.starts_with("\u{feff}title,"), "{text}");
        let row = text.lines().find(|line| line.starts_with("totals,\"")).unwrap();
        assert_eq!(row, "totals,\"'=HYPERLINK(\"\"x\"\")\",'\t=1,1234,-3,99%,-1,");
        assert!(csv(&report, false).starts_with("title,"));
    }

    #[test]
    fn people_read_a_decimal_comma_and_a_dash_for_nothing() {
        for (cell, words) in [
            (Cell::Share(Share { part: 963, of: 1000 }), "96,3 %"),
            (Cell::Share(Share::default()), "–"),
            (Cell::Points(Some(-5)), "-0,5"),
            (Cell::Points(Some(12)), "+1,2"),
            (Cell::Points(None), "–"),
            (Cell::Change(3), "+3"),
        ] {
            assert_eq!(shown(&cell), words);
        }
    }
}
