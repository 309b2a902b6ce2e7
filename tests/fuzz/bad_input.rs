//! Each of the sixteen tables, wrong in each way there is: nothing panics, the neighbours go on, what is wrong is told by name, and
//! what stood there is still there.

use std::fmt::Write;

use vhr_agent::check::{self, Checked};
use vhr_agent::frame::{self, Limits, Opened, RecordFault};
use vhr_core::rules::Rules;
use vhr_plugin_sdk::Visit;
use vhr_plugin_sdk::tables::{About, Field, Kind, Need, TABLES, Tables, Wrong};

/// Fields and their text, as they stand in a row.
type Row = Vec<(&'static str, String)>;

const GOOD: &str = include_str!("../../configs/rules/cases/good.csv");

/// The first row of the table in the good visits.
fn good(about: &About) -> Row {
    let cells = GOOD.lines().map(|line| line.splitn(5, ',').collect::<Vec<_>>());
    let of = cells.filter(|cells| cells.len() == 5 && cells[1] == about.name && matches!(cells[2], "" | "1"));
    let text = |cell: &str| cell.trim_matches('"').to_owned();
    let row: Row = of
        .map(|cells| {
            let field = about.fields.iter().find(|field| field.name == cells[3]);
            (field.expect("a field of the table").name, text(cells[4]))
        })
        .filter(|(_, text)| !text.is_empty())
        .collect();
    assert!(row.len() > 5, "{}", about.name);
    row
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A document of the table; where it has one row, several stand as if it had more.
fn document(about: &About, rows: &[Row]) -> String {
    let (list, element) = about.rows.unwrap_or(("DSACH", "DONG"));
    let single = about.rows.is_none() && rows.len() == 1;
    let mut xml = format!("<{}>", about.root);
    if !single {
        write!(xml, "<{list}>").unwrap();
    }
    for row in rows {
        if !single {
            write!(xml, "<{element}>").unwrap();
        }
        for (name, text) in row {
            write!(xml, "<{name}>{}</{name}>", escaped(text)).unwrap();
        }
        if !single {
            write!(xml, "</{element}>").unwrap();
        }
    }
    if !single {
        write!(xml, "</{list}>").unwrap();
    }
    write!(xml, "</{}>", about.root).unwrap();
    xml
}

fn record(name: &str, document: &str) -> String {
    format!("<HOSO><FILEHOSO><LOAIHOSO>{name}</LOAIHOSO><NOIDUNGFILE>{document}</NOIDUNGFILE></FILEHOSO></HOSO>")
}

/// What becomes of a document of the table between two good records, which are as they would be without it.
fn opened(about: &About, broken: &str) -> Result<Opened, RecordFault> {
    let limits = Limits::default();
    let fine = record(about.name, &document(about, &[good(about)]));
    let file = format!(
        "<GIAMDINHHS><THONGTINHOSO><DANHSACHHOSO>{fine}{}{fine}</DANHSACHHOSO></THONGTINHOSO></GIAMDINHHS>",
        record(about.name, broken)
    );
    assert_eq!(frame::survey(file.as_bytes(), &limits).unwrap().records, 3);
    let cuts: Vec<_> = frame::records(file.as_bytes(), &limits).map(Result::unwrap).collect();
    let mut all: Vec<_> = cuts.iter().map(|cut| frame::open(cut, &limits)).collect();
    let after = all.pop().unwrap().expect("the record after it is read");
    let found = all.pop().unwrap();
    let before = all.pop().unwrap().expect("the record before it is read");
    assert_eq!(
        (before.digest(), before.view_json()),
        (after.digest(), after.view_json())
    );
    found
}

fn fine(about: &About, rows: &[Row]) -> Opened {
    opened(about, &document(about, rows)).unwrap_or_else(|fault| panic!("{}: {fault}", about.name))
}

fn told(rules: &Rules, opened: &Opened) -> Vec<String> {
    let Checked { issues, .. } = check::check(rules, opened);
    issues.into_iter().map(|issue| issue.code).collect()
}

fn read(opened: &Opened) -> (Tables, Vec<vhr_plugin_sdk::tables::Fault>) {
    Tables::read(&Visit::parse(&opened.view_json()).unwrap())
}

fn of_kind(about: &About, row: &Row, is: impl Fn(&Field) -> bool) -> Option<(usize, Field)> {
    let known = |name: &str| about.fields.iter().find(|field| field.name == name).copied();
    row.iter()
        .enumerate()
        .find_map(|(at, (name, _))| known(name).filter(|field| is(field)).map(|field| (at, field)))
}

#[test]
fn a_missing_field_is_told_by_its_rule() {
    let rules = Rules::national();
    for about in &TABLES {
        let mut row = good(about);
        let (at, field) = of_kind(about, &row, |field| field.need == Need::Yes && field.name != "MA_LK").unwrap();
        row.remove(at);
        let opened = fine(about, &[row]);
        let rule = format!("{}-{}-NEED", about.name, field.name);
        assert!(
            told(&rules, &opened).contains(&rule),
            "{rule}: {:?}",
            told(&rules, &opened)
        );
    }
}

#[test]
fn of_a_doubled_field_the_first_stays_and_the_other_is_told() {
    for about in &TABLES {
        let row = good(about);
        let (at, _) = of_kind(about, &row, |field| field.kind == Kind::Text && field.name != "MA_LK").unwrap();
        let mut doubled = row.clone();
        doubled.insert(at + 1, (row[at].0, "khác".to_owned()));
        let (once, twice) = (fine(about, std::slice::from_ref(&row)), fine(about, &[doubled]));
        assert_eq!(twice.view_json(), once.view_json());
        assert_eq!(twice.doubled, [format!("{}/{}", about.name, row[at].0)]);
        // What says the same again says nothing.
        let mut same = row.clone();
        same.push(row[at].clone());
        assert!(once.doubled.is_empty() && fine(about, &[same]).doubled.is_empty());
    }
}

#[test]
fn fields_in_any_order_say_the_same() {
    let rules = Rules::national();
    for about in &TABLES {
        let row = good(about);
        let turned: Row = row.iter().rev().cloned().collect();
        let (right, turned) = (fine(about, &[row]), fine(about, &[turned]));
        assert_eq!(turned.digest(), right.digest(), "{}", about.name);
        assert_eq!(read(&turned), read(&right));
        assert_eq!(told(&rules, &turned), told(&rules, &right));
    }
}

#[test]
fn a_value_that_is_too_long_is_told_by_its_rule_and_kept() {
    let rules = Rules::national();
    for about in &TABLES {
        let mut row = good(about);
        let (at, field) = of_kind(about, &row, |field| field.kind == Kind::Text && field.size.is_some()).unwrap();
        let long = "Đ".repeat(usize::from(field.size.unwrap()) + 1);
        row[at].1.clone_from(&long);
        let opened = fine(about, &[row]);
        let rule = format!("{}-{}-SIZE", about.name, field.name);
        assert!(
            told(&rules, &opened).contains(&rule),
            "{rule}: {:?}",
            told(&rules, &opened)
        );
        assert_eq!(opened.rows(about.name).next().unwrap().get(field.name), Some(&*long));
        let faults = read(&opened).0.write().unwrap_err();
        assert!(
            faults
                .iter()
                .any(|fault| matches!(fault.wrong, Wrong::TooLong(_)) && fault.path.ends_with(field.name))
        );
    }
}

#[test]
fn a_value_of_the_wrong_type_is_told_by_its_rule_and_by_the_reader() {
    let rules = Rules::national();
    for about in &TABLES {
        for (kind, ends) in [
            (Kind::Number, &["-NUMBER", "-CODE"][..]),
            (Kind::Date, &["-DATE"]),
            (Kind::DateTime, &["-DATE"]),
        ] {
            let mut row = good(about);
            let Some((at, field)) = of_kind(about, &row, |field| field.kind == kind) else {
                continue;
            };
            row[at].1 = "hai".to_owned();
            let opened = fine(about, &[row]);
            let told = told(&rules, &opened);
            let rule = format!("{}-{}", about.name, field.name);
            assert!(
                ends.iter().any(|end| told.contains(&format!("{rule}{end}"))),
                "{rule}: {told:?}"
            );
            assert_eq!(opened.rows(about.name).next().unwrap().get(field.name), Some("hai"));
            let faults = read(&opened).1;
            assert!(
                faults
                    .iter()
                    .any(|fault| fault.wrong == Wrong::NotOfTheKind(kind) && fault.path.ends_with(field.name))
            );
        }
    }
}

#[test]
fn control_characters_set_only_their_own_record_aside() {
    let rules = Rules::national();
    for about in &TABLES {
        let mut row = good(about);
        let (at, field) = of_kind(about, &row, |field| field.kind == Kind::Text && field.size.is_some()).unwrap();
        for control in ['\0', '\u{1}', '\u{8}', '\u{B}', '\u{1F}'] {
            row[at].1 = format!("A{control}B");
            let fault = opened(about, &document(about, &[row.clone()])).unwrap_err();
            assert_eq!(fault.code, "FRAME-CONTROL", "{} {control:?}", about.name);
        }
        // Those that XML has are kept, and told.
        row[at].1 = "A\tB".to_owned();
        let opened = fine(about, &[row]);
        let told = told(&rules, &opened);
        assert!(
            told.contains(&format!("{}-LINE", about.name)),
            "{}: {told:?}",
            about.name
        );
        assert_eq!(opened.rows(about.name).next().unwrap().get(field.name), Some("A\tB"));
    }
}

#[test]
fn a_megabyte_in_one_field_of_any_table_is_kept_whole() {
    let rules = Rules::national();
    for about in &TABLES {
        let mut row = good(about);
        let (at, field) = of_kind(about, &row, |field| field.kind == Kind::Text && field.size.is_some()).unwrap();
        row[at].1 = "A".repeat(1024 * 1024);
        let opened = fine(about, &[row]);
        let kept = opened.rows(about.name).next().unwrap().get(field.name).unwrap();
        assert_eq!(kept.len(), 1024 * 1024);
        assert!(told(&rules, &opened).contains(&format!("{}-{}-SIZE", about.name, field.name)));
    }
    let about = &TABLES[1];
    let mut row = good(about);
    row[3].1 = "A".repeat(Limits::default().value_bytes + 1);
    let fault = opened(about, &document(about, &[row])).unwrap_err();
    assert_eq!((fault.code, fault.table.as_deref()), ("FRAME-VALUE", Some("XML1")));
}

#[test]
fn a_hundred_thousand_rows_of_any_table_are_read_and_checked() {
    const ROWS: usize = 100_000;
    let rules = Rules::national();
    for about in &TABLES {
        let (list, element) = about.rows.unwrap_or(("DSACH", "DONG"));
        let (root, field) = (about.root, about.fields[0].name);
        let rows = format!("<{element}><{field}>LK1</{field}></{element}>").repeat(ROWS);
        let document = format!("<{root}><{list}>{rows}</{list}></{root}>");
        let opened = opened(about, &document).unwrap_or_else(|fault| panic!("{}: {fault}", about.name));
        assert_eq!(opened.rows(about.name).count(), ROWS);
        assert_eq!(opened.rows(about.name).last().unwrap().get(field), Some("LK1"));
        let checked = check::check(&rules, &opened);
        assert!(
            (1..=101).contains(&checked.issues.len()),
            "{}: {}",
            about.name,
            checked.issues.len()
        );
    }
}
