//! What is not mapped at all, and how it says so.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use common::{R4, bare, context, outcome, visit, with, with_row};
use serde_json::{Value, json};
use vhr_plugin_sdk::{Outcome, Payload, Record, record};

fn refusal(visit: &Value) -> (String, String) {
    match outcome(visit, R4) {
        Outcome::Rejected(issues) => {
            let [issue] = issues.as_slice() else {
                panic!("one issue expected: {issues:?}")
            };
            assert_eq!(issue.severity, "error");
            (issue.code.clone(), issue.source_path.clone())
        }
        other => panic!("rejection expected: {other:?}"),
    }
}

fn is(code: &str, path: &str) -> (String, String) {
    (code.into(), path.into())
}

#[test]
fn a_record_needs_exactly_one_row_in_xml1() {
    assert_eq!(refusal(&json!({})), is("QD3176-NO-XML1", "XML1"));
    assert_eq!(refusal(&json!({"XML1": []})), is("QD3176-NO-XML1", "XML1"));
    assert_eq!(
        refusal(&json!({"XML1": [{"MA_LK": "L1"}, {"MA_LK": "L1"}]})),
        is("QD3176-MANY-XML1", "XML1")
    );
}

#[test]
fn an_assessment_by_itself_is_named_by_the_number_of_its_minutes() {
    let minutes = |row: Value| json!({"XML12": [row]});
    let nameless = minutes(json!({"HO_TEN": "TRẦN VĂN THỬ"}));
    assert_eq!(refusal(&nameless), is("QD3176-MISSING", "XML12/SO_BIEN_BAN"));
    let two = json!({"XML12": [{"SO_BIEN_BAN": "1"}, {"SO_BIEN_BAN": "2"}]});
    assert_eq!(refusal(&two), is("QD3176-MANY-XML1", "XML1"));
}

#[test]
fn a_visit_without_a_key_is_refused() {
    assert_eq!(
        refusal(&with(visit(), json!({"MA_LK": null}))),
        is("QD3176-MISSING", "XML1/MA_LK")
    );
}

#[test]
fn tables_of_two_visits_are_not_mixed() {
    let mixed = with_row(visit(), "XML3", 1, json!({"MA_LK": "another"}));
    assert_eq!(refusal(&mixed), is("QD3176-LINK", "XML3[2]/MA_LK"));
    let mut other_table = visit();
    other_table["XML7"] = json!([{"MA_LK": "another"}]);
    assert_eq!(refusal(&other_table), is("QD3176-LINK", "XML7[1]/MA_LK"));
    let silent = with_row(visit(), "XML3", 1, json!({"MA_LK": null}));
    assert!(
        matches!(outcome(&silent, R4), Outcome::Mapped(_)),
        "a row without a key belongs to its record"
    );
}

#[test]
fn without_any_facility_code_nothing_is_mapped() {
    let mut homeless = context(R4);
    homeless.facility.clear();
    let batch = [record(1, "HOSO[1]", bare().to_string())];
    let answer = vhr_plugin_qd3176::map_batch(&homeless, &batch).unwrap().remove(0);
    let Outcome::Rejected(issues) = answer.outcome else {
        panic!("rejection expected")
    };
    assert_eq!(issues[0].source_path, "XML1/MA_CSKCB");
}

#[test]
fn a_payload_of_another_shape_is_refused_and_its_neighbours_go_on() {
    let broken = |payload| Record {
        seq: 2,
        locator: "HOSO[2]".into(),
        payload,
        ext: Vec::new(),
    };
    let batch = [
        record(1, "HOSO[1]", bare().to_string()),
        broken(Payload::Json("{\"XML1\":[{\"HO_TEN\":\"TRẦN VĂN BÍ MẬT\"".into())),
        broken(Payload::Text("<XML/>".into())),
        record(3, "HOSO[3]", bare().to_string()),
    ];
    let answers = vhr_plugin_qd3176::map_batch(&context(R4), &batch).unwrap();
    assert!(matches!(answers[0].outcome, Outcome::Mapped(_)) && matches!(answers[3].outcome, Outcome::Mapped(_)));
    for (answer, code) in [(&answers[1], "QD3176-UNREADABLE"), (&answers[2], "QD3176-VIEW")] {
        let Outcome::Rejected(issues) = &answer.outcome else {
            panic!("rejection expected")
        };
        assert_eq!(issues[0].code, code);
        assert!(!issues[0].message.contains("BÍ MẬT"));
    }
}

#[test]
fn a_profile_set_that_does_not_load_stops_the_batch_before_it_starts() {
    assert_eq!(
        vhr_plugin_qd3176::map_batch(&context("{}"), &[]).unwrap_err().code,
        "config"
    );
}

#[test]
fn no_message_repeats_a_value_of_the_record() {
    let secret = "BÍ MẬT 123";
    let mut fields: Vec<String> = visit()["XML1"][0].as_object().unwrap().keys().cloned().collect();
    fields.retain(|field| field != "MA_LK");
    let changes: serde_json::Map<_, _> = fields.into_iter().map(|field| (field, secret.into())).collect();
    let mapped = common::mapped(&with(visit(), changes.into()), R4);
    assert!(mapped.issues.len() >= 10, "{}", mapped.issues.len());
    for issue in mapped.issues {
        assert!(
            !issue.message.contains("BÍ MẬT") && !issue.source_path.contains("BÍ MẬT"),
            "{issue:?}"
        );
        assert!(issue.message.ends_with(')') && issue.code.starts_with("QD3176-"));
    }
}
