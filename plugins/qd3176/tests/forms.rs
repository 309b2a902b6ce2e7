//! XML6 to XML15, whatever is wrong with a row: a bad value, a field that is not there, a row that stands there twice. It
//! costs what it costs and nothing else.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use std::collections::BTreeSet;

use common::{Out, R4, SETS, check_in, out, papers, with_row};
use serde_json::{Value, json};
use vhr_plugin_sdk::tables::{About, Kind, TABLES};

/// What is made of one field and goes with it.
const ALONE: [&str; 8] = [
    "MedicationRequest/XML6-1-CTX",
    "MedicationRequest/XML15-1-CTX",
    "MedicationRequest/XML15-1-ARV-BD",
    "Observation/XML8-1-SINH_CON",
    "Observation/XML9-1-TINH_TRANG",
    "Observation/XML9-1-CAN_NANG",
    "Observation/XML15-1-HIV",
    "RelatedPerson/XML9-1-CHA",
];

fn forms() -> impl Iterator<Item = &'static About> {
    const FORMS: &[About] = &TABLES;
    FORMS.iter().filter(|about| about.name[3..].parse::<u8>().unwrap() >= 6)
}

fn keys(out: &Out) -> BTreeSet<String> {
    // An episode is known by its start.
    out.resources
        .keys()
        .filter(|key| !key.starts_with("EpisodeOfCare/LAO"))
        .cloned()
        .collect()
}

/// The golden visit with a value put into each field of a kind, one after the other.
fn spoil(kinds: &[Kind], bad: &str, check: impl Fn(&str, &str, &Out)) {
    let before = keys(&out(&papers(), R4));
    for about in forms() {
        for field in about
            .fields
            .iter()
            .filter(|field| kinds.contains(&field.kind) && field.name != "STT")
        {
            let spoiled = out(&with_row(papers(), about.name, 0, json!({ field.name: bad })), R4);
            let after = keys(&spoiled);
            let mut lost = before.difference(&after).filter(|key| !ALONE.contains(&key.as_str()));
            assert_eq!(lost.next(), None, "{}/{}", about.name, field.name);
            check(about.name, field.name, &spoiled);
        }
    }
}

#[test]
fn a_bad_date_is_told_once_and_loses_nothing_else() {
    spoil(&[Kind::Date, Kind::DateTime], "20260230", |table, field, out| {
        let told = format!("QD3176-DATE {table}[1]/{field}");
        let issues = out.issues();
        // XML1 has said when the person was born; days within words of a paper are shown as they stand.
        let quiet = field == "NGAY_SINH" || field == "NGAY_VAO_NOI_TRU" && matches!(table, "XML13" | "XML14");
        let expected = if quiet { vec![] } else { vec![told] };
        assert_eq!(issues, expected, "{table}/{field}");
    });
}

#[test]
fn a_bad_number_is_told_or_kept_as_a_code_and_loses_nothing_else() {
    spoil(&[Kind::Number], "1,5", |table, field, out| {
        let path = format!("{table}[1]/{field}");
        for issue in out.issues() {
            assert!(
                issue == format!("QD3176-NUMBER {path}") || issue == format!("QD3176-CODE {path}"),
                "{issue}"
            );
        }
    });
    let number = |table: &str, field: &str| out(&with_row(papers(), table, 0, json!({ field: "1,5" })), R4).issues();
    for (table, field) in [
        ("XML6", "SO_NGAY_CAP_THUOC_ARV"),
        ("XML6", "LAN_XN_PCR"),
        ("XML7", "SO_NGAY_NGHI"),
        ("XML8", "SO_CONCHET"),
        ("XML9", "CAN_NANG_CON"),
        ("XML9", "SO_CON"),
        ("XML10", "SO_NGAY"),
        ("XML11", "TUOI_THAI"),
        ("XML12", "TYLE_TTCT_MOI"),
    ] {
        assert_eq!(number(table, field), [format!("QD3176-NUMBER {table}[1]/{field}")]);
    }
}

#[test]
fn a_field_that_is_not_there_takes_only_its_own_with_it() {
    for about in forms() {
        let full = out(&papers(), R4);
        for field in about
            .fields
            .iter()
            .filter(|field| papers()[about.name][0].get(field.name).is_some())
        {
            let without = out(&with_row(papers(), about.name, 0, json!({ field.name: null })), R4);
            let lost: Vec<_> = keys(&full).difference(&keys(&without)).cloned().collect();
            assert!(
                lost.len() <= 1 && lost.iter().all(|key| ALONE.contains(&key.as_str())),
                "{}/{}: {lost:?}",
                about.name,
                field.name
            );
            let told = without.issues();
            let wanted = (about.name, field.name) == ("XML14", "NGAY_HEN_KL");
            assert_eq!(
                told.len(),
                usize::from(wanted),
                "{}/{}: {told:?}",
                about.name,
                field.name
            );
        }
    }
}

#[test]
fn a_row_that_stands_there_twice_comes_out_twice() {
    for about in forms() {
        let mut doubled = papers();
        let row = doubled[about.name][0].clone();
        doubled[about.name].as_array_mut().unwrap().push(row);
        for profile in SETS {
            let (once, twice) = (out(&papers(), profile), out(&doubled, profile));
            let of_rows = |out: &Out, row: usize| {
                let name = format!("/{}-{row}", about.name);
                out.resources.keys().filter(|key| key.contains(&name)).count()
            };
            assert_eq!(of_rows(&twice, 1), of_rows(&once, 1), "{}", about.name);
            assert_eq!(of_rows(&twice, 2), of_rows(&once, 1), "{}", about.name);
            assert!(of_rows(&once, 1) > 0, "{}", about.name);
            assert_eq!(twice.issues(), once.issues());
        }
    }
}

#[test]
fn a_table_without_anything_in_its_row_disturbs_nobody() {
    for about in forms() {
        let mut empty = papers();
        let link = empty["XML1"][0]["MA_LK"].clone();
        empty[about.name] = json!([{ "MA_LK": link }]);
        let out = out(&empty, R4);
        assert!(out.has("Claim/claim") && out.has("Encounter/visit"), "{}", about.name);
        let told = out.issues();
        assert!(
            told.iter().all(|issue| issue == "QD3176-MISSING XML14[1]/NGAY_HEN_KL"),
            "{told:?}"
        );
    }
}

#[test]
fn nothing_of_a_paper_is_told_by_an_issue() {
    let mut visit = papers();
    for about in forms() {
        for field in about.fields.iter().filter(|field| field.name != "MA_LK") {
            visit[about.name][0][field.name] = json!("BÍ MẬT 1,5");
        }
    }
    let mapped = common::mapped(&visit, R4);
    assert!(!mapped.issues.is_empty());
    for issue in mapped.issues {
        assert!(!issue.message.contains("BÍ MẬT") && !issue.source_path.contains("BÍ MẬT"));
    }
}

#[test]
fn a_check_in_takes_its_bad_values_as_lightly() {
    let bad = json!({"NGAY_VAO": "20260230", "NGAY_YL": "x", "GT_THE_TU": "?", "GIOI_TINH": "7", "MA_LOAI_KCB": "77"});
    let out = out(&with_row(check_in(), "XML0", 0, bad), R4);
    assert_eq!(
        out.issues(),
        [
            "QD3176-DATE XML0/NGAY_VAO",
            "QD3176-CODE XML0/GIOI_TINH",
            "QD3176-DATE XML0/GT_THE_TU",
            "QD3176-CODE XML0/MA_LOAI_KCB",
            "QD3176-DATE XML0[1]/NGAY_YL",
        ]
    );
    assert_eq!(out.get("Coverage/BHYT-1")["period"], json!({"end": "2026-12-31"}));
    assert_eq!(
        out.get("ServiceRequest/XML0-1")["code"]["text"],
        Value::from("Khám nội")
    );
}
