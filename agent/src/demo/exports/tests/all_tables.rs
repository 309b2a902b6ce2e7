//! All sixteen tables and the oddities that need more than another wrapping, held against the national rules and the mapping.

use std::collections::BTreeMap;

use vhr_core::rules::Rules;
use vhr_core::spoiled::Encoding;

use super::*;
use crate::check::check;
use crate::frame::{self, Limits, Opened};

const FIELDS: &str = include_str!("../../../../../configs/tables/fields.csv");
const MAPPING: &str = include_str!("../../../../../plugins/qd3176/mapping.csv");

/// The tables and their fields in the official order.
fn official() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut tables: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in FIELDS.lines().skip(1) {
        let columns: Vec<&str> = line.splitn(4, ',').collect();
        tables.entry(columns[0]).or_default().push(columns[2]);
    }
    tables
}

/// The innermost elements row by row: a row ends where its first field comes again.
fn rows_of(table: &Table) -> Vec<Row> {
    let mut reader = Reader::from_str(&table.xml);
    let (mut rows, mut name, mut text): (Vec<Row>, String, String) = (Vec::new(), String::new(), String::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                name = String::from_utf8(start.name().as_ref().to_vec()).unwrap();
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.decode().unwrap()),
            Event::GeneralRef(part) => text.push_str(&part.decode().unwrap()),
            Event::End(end) if end.name().as_ref() == name.as_bytes() => {
                let first = rows.last().is_none_or(|row| row[0].0 == name);
                if first {
                    rows.push(Vec::new());
                }
                rows.last_mut().unwrap().push((name.clone(), text.trim().to_owned()));
            }
            Event::Eof => return rows,
            _ => {}
        }
    }
}

fn opened_by_the_agent(file: &ExportFile) -> Vec<Opened> {
    let cuts = frame::records(&file.bytes[..], &Limits::default()).map(Result::unwrap);
    cuts.map(|cut| frame::open(&cut, &Limits::default()).unwrap()).collect()
}

/// The ids of the rules that the files break, blocking ones apart.
fn told(files: impl Iterator<Item = ExportFile>) -> (BTreeSet<String>, BTreeSet<String>) {
    let rules = Rules::national();
    let (mut held, mut told) = (BTreeSet::new(), BTreeSet::new());
    for record in files.flat_map(|file| opened_by_the_agent(&file)) {
        for issue in check(&rules, &record).issues {
            let set = if issue.severity == "error" {
                &mut held
            } else {
                &mut told
            };
            set.insert(issue.code);
        }
    }
    (held, told)
}

#[test]
fn all_sixteen_tables_appear_with_all_fields_in_the_official_order() {
    let official = official();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for visit in many_of_all_tables(21, 300) {
        for table in &visit.tables {
            *seen.entry(table.name).or_default() += 1;
            for row in rows_of(table) {
                let names: Vec<_> = row.iter().map(|(field, _)| field.as_str()).collect();
                assert_eq!(names, official[table.name], "{}", table.name);
            }
        }
    }
    assert_eq!(seen.len(), 16, "{seen:?}");
    assert!(seen.values().all(|count| *count >= 5), "{seen:?}");
}

#[test]
fn no_rule_is_broken_by_visits_of_all_tables_but_what_small_systems_lack() {
    let (held, told) = told(generate(&Options::all_tables(5, 300)));
    assert_eq!(held, BTreeSet::new());
    assert_eq!(
        told.iter().map(String::as_str).collect::<Vec<_>>(),
        ["XML3-MA_MAY-NEED"]
    );
}

#[test]
fn every_field_that_is_mapped_is_filled_by_some_visit_of_300() {
    let mut filled: HashSet<(&str, String)> = HashSet::new();
    for visit in many_of_all_tables(5, 300) {
        for table in &visit.tables {
            let rows = rows_of(table).into_iter().flatten();
            filled.extend(
                rows.filter(|(_, text)| !text.is_empty())
                    .map(|(name, _)| (table.name, name)),
            );
        }
    }
    let mapped = MAPPING.lines().skip(1).filter(|line| !line.contains(",not mapped,"));
    let fields: Vec<Vec<&str>> = mapped.map(|line| line.splitn(3, ',').collect()).collect();
    assert!(fields.len() >= 441, "{}", fields.len());
    let empty: Vec<_> = fields
        .iter()
        .filter(|field| !filled.contains(&(field[0], field[1].to_owned())))
        .collect();
    assert!(empty.is_empty(), "{} never filled: {empty:?}", empty.len());
}

#[test]
fn people_of_all_tables_are_as_invented_as_the_others_and_the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| {
        generate(&Options::all_tables(seed, 60))
            .map(|file| file.bytes)
            .collect::<Vec<_>>()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
    for visit in many_of_all_tables(22, 300) {
        for (name, value) in visit.tables.iter().flat_map(rows_of).flatten() {
            let invented = match name.as_str() {
                "SO_CCCD" | "SO_CCCD_NND" => value.starts_with("999"),
                "MA_BHXH" | "MA_BHXH_NND" | "MA_CHA" | "MA_ME" => value.starts_with("9999"),
                "MA_THE_TAM" | "MA_THE_NND" => value[3.min(value.len())..].starts_with("799999"),
                _ => true,
            };
            assert!(invented || value.is_empty(), "{name} {value}");
        }
    }
}

#[test]
fn spoiled_text_is_read_as_that_of_the_same_visit_unspoiled() {
    let clean = generate(&Options::plain(7, 1)).next().unwrap();
    let clean = &opened_by_the_agent(&clean)[0];
    let values = |record: &Opened, table: &str, names: &[&str]| -> Vec<String> {
        let rows = record.rows(table);
        let fields = rows.flat_map(|row| {
            row.fields()
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .collect::<Vec<_>>()
        });
        fields
            .filter(|(name, _)| names.contains(&name.as_str()))
            .map(|(_, value)| value)
            .collect()
    };
    for (oddity, encoding) in [
        (Oddity::Tcvn3, Encoding::Tcvn3),
        (Oddity::Vni, Encoding::Vni),
        (Oddity::Viscii, Encoding::Viscii),
        (Oddity::Windows1258, Encoding::Windows1258),
        (Oddity::Mojibake, Encoding::Mojibake),
        (Oddity::MojibakeTwice, Encoding::Mojibake),
        (Oddity::MojibakeThrice, Encoding::Mojibake),
        (Oddity::Decomposed, Encoding::Decomposed),
    ] {
        let record = &opened_by_the_agent(&odd(oddity))[0];
        assert!(
            record.repairs.iter().any(|repair| repair.encoding == encoding),
            "{oddity:?}"
        );
        for (table, names) in [
            (
                "XML1",
                &["HO_TEN", "DIA_CHI", "LY_DO_VV", "CHAN_DOAN_VAO", "PP_DIEU_TRI"][..],
            ),
            ("XML5", &["DIEN_BIEN_LS"]),
        ] {
            assert_eq!(values(record, table, names), values(clean, table, names), "{oddity:?}");
        }
    }
}

#[test]
fn people_with_hiv_tell_of_it_each_in_another_way() {
    let file = odd(Oddity::Hiv);
    let (_, records) = opened(&file.bytes);
    let record = |nth: usize| -> Vec<(String, Vec<Row>)> {
        let tables = records[nth].iter();
        tables
            .map(|(name, content)| (name.clone(), rows(&decoded(content).unwrap()).unwrap()))
            .collect()
    };
    let tells = |tables: &[(String, Vec<Row>)]| {
        let (_, summary) = &tables[0];
        let drugs = tables
            .iter()
            .filter(|(name, _)| name == "XML2")
            .flat_map(|(_, rows)| rows);
        [
            get(&summary[0], "MA_BENH_CHINH").starts_with("B20"),
            tables.iter().any(|(name, _)| name == "XML6"),
            get(&summary[0], "MA_BENH_KT").contains("Z21"),
            drugs
                .into_iter()
                .any(|row| get(row, "TEN_THUOC").contains("Dolutegravir")),
        ]
    };
    assert_eq!(tells(&record(0)), [true, true, false, true]);
    assert_eq!(tells(&record(1)), [false, false, true, false]);
    assert_eq!(tells(&record(2)), [false, false, false, true]);
}

#[test]
fn wrong_sums_hold_a_claim_back_and_no_other_oddity_does() {
    for oddity in Oddity::ALL {
        let (held, _) = told(std::iter::once(odd(oddity)));
        let sums = [
            "XML1-T_BHTT-TOTAL",
            "XML1-T_TONGCHI_BH-TOTAL",
            "XML1-T_TONGCHI_BV-TOTAL",
        ];
        let expected: Vec<&str> = if oddity == Oddity::WrongSum {
            sums.to_vec()
        } else {
            Vec::new()
        };
        assert_eq!(
            held.iter().map(String::as_str).collect::<Vec<_>>(),
            expected,
            "{oddity:?}"
        );
    }
}
