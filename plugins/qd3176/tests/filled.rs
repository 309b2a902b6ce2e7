//! Tables that another plugin filled become the same resources as an export of them, and a claim of their documents.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use common::{SETS, context, mapped, visit};
use serde_json::Value;
use vhr_plugin_qd3176::{Plugin, map_tables};
use vhr_plugin_sdk::tables::{TableRow, Tables, Wrong};
use vhr_plugin_sdk::{Claim, Outcome, Row, Visit};

fn filled() -> Tables {
    let json = visit().to_string();
    let (tables, faults) = Tables::read(&Visit::parse(&json).unwrap());
    assert_eq!(faults, []);
    tables
}

/// With something in whatever has to be there.
fn complete() -> Tables {
    let mut tables = filled();
    for fault in tables.write().err().into_iter().flatten() {
        assert_eq!(fault.wrong, Wrong::Missing, "{fault}");
        let (table, field) = fault.path.split_once('/').unwrap();
        let (table, row) = table.trim_end_matches(']').split_once('[').unwrap();
        let row = row.parse::<usize>().unwrap() - 1;
        match table {
            "XML2" => fill(&mut tables.xml2[row], field),
            "XML3" => fill(&mut tables.xml3[row], field),
            "XML4" => fill(&mut tables.xml4[row], field),
            other => panic!("{other}"),
        }
    }
    tables
}

fn fill<T: TableRow>(row: &mut T, field: &str) {
    let at = T::ABOUT.fields.iter().position(|known| known.name == field).unwrap();
    row.set(at, "1").unwrap();
}

/// The tables as an export of them is read.
fn export(tables: &Tables) -> Value {
    let visit = tables.to_visit();
    let tables = visit.tables().map(|(name, rows)| {
        let row = |row: &Row| Value::Object(row.fields().map(|(name, text)| (name.into(), text.into())).collect());
        (name.to_owned(), Value::Array(rows.iter().map(row).collect()))
    });
    Value::Object(tables.collect())
}

#[test]
fn filled_tables_become_what_an_export_of_them_becomes() {
    for profile in SETS {
        let plugin = Plugin::open(&context(profile)).unwrap();
        let tables = complete();
        let Outcome::Mapped(from_tables) = map_tables(&plugin, &tables) else {
            panic!("not mapped")
        };
        let from_export = mapped(&export(&tables), profile);
        let texts = |mapped: &vhr_plugin_sdk::Mapped| -> Vec<String> {
            mapped.resources.iter().map(|resource| resource.json.clone()).collect()
        };
        assert_eq!(texts(&from_tables), texts(&from_export));
        let Claim::Tables(documents) = from_tables.claim else {
            panic!("no claim of tables")
        };
        let names: Vec<&str> = documents.iter().map(|table| &*table.name).collect();
        assert_eq!(names, ["XML1", "XML2", "XML3", "XML4", "XML5"]);
        assert!(documents[0].xml.contains("<MA_LK>"));
    }
}

#[test]
fn what_a_gateway_would_not_take_refuses_the_visit() {
    let plugin = Plugin::open(&context(SETS[0])).unwrap();
    let mut tables = complete();
    tables.xml2[0].ten_thuoc = None;
    let Outcome::Rejected(issues) = map_tables(&plugin, &tables) else {
        panic!("not refused")
    };
    assert_eq!(
        (&*issues[0].code, &*issues[0].source_path),
        ("QD3176-TABLES", "XML2[1]/TEN_THUOC")
    );
}
