//! Any rows under the national rules: bounded findings that name places and never a value.

use std::sync::LazyLock;

use vhr_core::rules::{self, NEWEST, Rules, Visit};
use vhr_plugin_sdk::tables::TABLES;

use crate::bytes::Bytes;

/// What stands in fields.
pub const WORDS: &[&str] = &[
    "\n",
    "0",
    "1",
    "1.5",
    "-1",
    "999999999999999999999999",
    "20260301",
    "202603010830",
    "00000000",
    "20260230",
    ";",
    "A00.1",
    "000",
];

/// Stands in no text of ours.
const MARK: char = '\u{E000}';

static RULES: LazyLock<Rules> = LazyLock::new(Rules::national);

/// Choices: of a table, how its rows are to be, and fields.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = (0..16)
        .map(|table| [&[table, 4, 0, 1][..], &b"LK1\n\x01\x0220260301\n\x02\x03;;1;2\n"[..]].concat())
        .collect();
    // Whole visits, one choice for each field.
    let good = include_str!("../../../configs/rules/cases/good.csv");
    for visit in ["claim,", "check-in,", "board,"] {
        let mut seed = Vec::new();
        for line in good.lines().filter_map(|line| line.strip_prefix(visit)) {
            let cells: Vec<&str> = line.splitn(4, ',').collect();
            let Some(table) = TABLES.iter().position(|about| about.name == cells[0]) else {
                continue;
            };
            let Some(field) = TABLES[table].fields.iter().position(|field| field.name == cells[2]) else {
                continue;
            };
            let row = cells[1].parse().unwrap_or(1u8) - 1;
            seed.extend([table as u8, row, field as u8]);
            seed.extend_from_slice(cells[3].as_bytes());
            seed.push(b'\n');
        }
        seeds.push(seed);
    }
    seeds
}

/// Choices of table, row and field, each with its text.
pub fn run(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let mut rows: Vec<Vec<Vec<(&str, String)>>> = vec![Vec::new(); 16];
    while !bytes.is_empty() {
        let (table, row) = (bytes.below(17), usize::from(bytes.byte()));
        let field = bytes.byte();
        let text = bytes.line().replace(char::REPLACEMENT_CHARACTER, &MARK.to_string());
        // A last table stands for names that are not known.
        let (table, name) = match TABLES.get(table) {
            Some(about) => (table, about.fields[usize::from(field) % about.fields.len()].name),
            None => (usize::from(field) % 16, "KHONG_CO"),
        };
        let of = &mut rows[table];
        // A large number is a row of its own, so that any of them can be made.
        let row = if row < 64 { row } else { of.len() };
        if of.len() <= row {
            of.resize(row + 1, Vec::new());
        }
        of[row].push((name, text));
    }
    let mut visit = Visit::new();
    for (about, rows) in TABLES.iter().zip(&rows) {
        for row in rows {
            visit.row(about.name, row.iter().map(|(name, text)| (*name, &**text)));
        }
    }
    for day in [visit.day(), NEWEST, 20_240_101] {
        let findings = rules::check(&RULES, &visit, day);
        // The last one says how many more there are.
        assert!(findings.len() <= 101);
        for found in &findings {
            assert!(!found.said.vi.is_empty() && !found.said.en.is_empty() && !found.place().is_empty());
            assert!(
                !found.said.vi.contains(MARK) && !found.said.en.contains(MARK),
                "{}",
                found.rule
            );
            let table = TABLES
                .iter()
                .position(|about| about.name == found.table)
                .expect("a table there is");
            assert!(found.row as usize <= rows[table].len(), "{}", found.place());
        }
        assert_eq!(rules::check(&RULES, &visit, day), findings, "the same again");
        rules::held(&findings);
    }
}
