//! Any record as the sixteen tables, and any rows of them.
//!
//! What was read reads the same again; what can be written comes back from the file that is made of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vhr_agent::frame::{self, Limits};
use vhr_plugin_sdk::Visit;
use vhr_plugin_sdk::tables::{Kind, Need, TABLES, Tables};

use crate::bytes::Bytes;

/// Names, and what stands in fields.
pub const WORDS: &[&str] = &[
    "{\"XML1\":[{\"",
    "\":\"",
    "\"}]}",
    "MA_LK",
    "XML15",
    "MA_NOI_DEN",
    "20260301",
    "202603010830",
    "1.50",
    "-0.5",
    "&<>",
    "\r",
    "\u{B}",
    "e\u{301}",
];

/// Records of every kind, and choices.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = crate::invented::views().into_iter().map(String::into_bytes).collect();
    seeds.sort_by_key(Vec::len);
    seeds.truncate(60);
    for table in 0..16 {
        seeds.push([&[table, 2][..], &b"\x03Nguy\xC3\xAAn\n\x051\n\x0720260301\n"[..]].concat());
    }
    seeds
}

/// A record's JSON, or choices of fields.
pub fn run(bytes: &[u8]) {
    if bytes.first() == Some(&b'{') {
        if let Some(visit) = std::str::from_utf8(bytes).ok().and_then(|text| Visit::parse(text).ok()) {
            read(&visit);
        }
        return;
    }
    let json = rows(&mut Bytes::new(bytes)).to_string();
    let visit = Visit::parse(&json).expect("an object of tables of rows of text");
    let tables = read(&visit);
    if let Ok(written) = tables.write() {
        comes_back(&tables, &written);
    }
}

fn read(visit: &Visit<'_>) -> Tables {
    let (tables, faults) = Tables::read(visit);
    for fault in &faults {
        assert!(!fault.to_string().is_empty() && !fault.path.is_empty());
    }
    let (again, faults) = Tables::read(&tables.to_visit());
    assert_eq!(faults, [], "what was taken is taken again");
    assert_eq!(again, tables);
    tables
}

/// Rows of one table, each with all that it needs and what the bytes want it to have.
fn rows(bytes: &mut Bytes<'_>) -> Value {
    let about = &TABLES[bytes.below(16)];
    let count = if about.rows.is_some() { 1 + bytes.below(8) } else { 1 };
    let mut rows = vec![BTreeMap::new(); count];
    for (at, row) in rows.iter_mut().enumerate() {
        for field in about.fields.iter().filter(|field| field.need == Need::Yes || at == 0) {
            let text = match field.kind {
                Kind::Text | Kind::Number => "1",
                Kind::Date => "20260301",
                Kind::DateTime => "202603010830",
            };
            row.insert(field.name, text.to_owned());
        }
    }
    while !bytes.is_empty() {
        let row = bytes.below(count);
        let field = about.fields[bytes.below(about.fields.len())].name;
        let text = bytes.line();
        if !text.is_empty() {
            rows[row].insert(field, text);
        }
    }
    json!({ about.name: rows })
}

fn comes_back(tables: &Tables, written: &[vhr_plugin_sdk::Table]) {
    let limits = Limits::default();
    let documents: Vec<(&str, &str)> = written.iter().map(|table| (&*table.name, &*table.xml)).collect();
    let file = frame::envelope_of_tables("79999", None, &documents);
    let cut = frame::records(&file[..], &limits)
        .next()
        .expect("one record")
        .expect("it reads");
    let opened = frame::open(&cut, &limits).expect("what was written opens");
    assert!(opened.in_form);
    // What looks spoiled is repaired, and blanks at the ends, line ends and marks apart are put right: one round, then all stays.
    let view = opened.view_json();
    let (read, _) = Tables::read(&Visit::parse(&view).expect("a view is a record"));
    let as_read = |visit: &Visit<'_>| visit.tables().map(|(_, rows)| rows.len()).sum::<usize>();
    assert_eq!(as_read(&read.to_visit()), as_read(&tables.to_visit()), "no row is lost");
    if opened.repairs.is_empty() && view == plain(tables) {
        assert_eq!(&read, tables);
    }
}

/// The tables as a view, as if nothing had to be put right.
fn plain(tables: &Tables) -> String {
    let visit = tables.to_visit();
    let mut json = String::from("{");
    for (name, rows) in visit.tables() {
        let rows: Vec<String> = rows
            .iter()
            .map(|row| {
                let fields: Vec<String> = row
                    .fields()
                    .map(|(name, text)| format!("\"{name}\":{}", Value::from(text)))
                    .collect();
                format!("{{{}}}", fields.join(","))
            })
            .collect();
        json += &format!("\"{name}\":[{}]", rows.join(","));
    }
    json + "}"
}
