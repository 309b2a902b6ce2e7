//! XML1, the visit: Encounter, Conditions, measurements, what comes next, and what kind of record it is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use common::{MOH, R4, SETS, bare, digits, out, visit, with, with_row};
use serde_json::{Value, json};

#[test]
fn the_visit_type_decides_the_class_by_table() {
    let class =
        |code: Value| out(&with(visit(), json!({"MA_LOAI_KCB": code})), R4).get("Encounter/visit")["class"].clone();
    for code in ["01", "02", "05", "07", "08", "10"] {
        assert_eq!(class(json!(code))["code"], "AMB", "{code}");
    }
    for code in ["03", "04", "06", "09"] {
        assert_eq!(class(json!(code))["code"], "IMP", "{code}");
    }
    for unknown in [json!("16"), json!("1"), Value::Null] {
        assert_eq!(
            class(unknown)["system"],
            "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
        );
    }
    let new_code = out(&with(visit(), json!({"MA_LOAI_KCB": "16"})), R4);
    assert!(new_code.warned("QD3176-CODE XML1/MA_LOAI_KCB"));
    assert_eq!(
        new_code.get("Encounter/visit")["type"][0]["coding"][0]["code"],
        "16",
        "the code itself is kept"
    );
}

#[test]
fn a_visit_is_finished_once_it_has_an_end() {
    let open = out(&with(visit(), json!({"NGAY_RA": null})), R4);
    assert_eq!(open.get("Encounter/visit")["status"], "in-progress");
    assert_eq!(open.get("MedicationRequest/XML2-1")["status"], "active");
    assert_eq!(open.mapped.visit.ended, None);
    let done = out(&visit(), R4);
    assert_eq!(done.get("Encounter/visit")["status"], "finished");
    assert_eq!(
        done.get("Encounter/visit")["period"],
        json!({"start": "2026-03-01T07:30:00+07:00", "end": "2026-03-06T10:30:00+07:00"})
    );
    assert_eq!(done.get("MedicationRequest/XML2-1")["status"], "completed");
    assert_eq!(done.mapped.visit.ended.as_deref(), Some("2026-03-06T10:30:00+07:00"));
}

#[test]
fn an_end_before_the_start_is_left_out_and_said() {
    let out = out(&with(visit(), json!({"NGAY_RA": "202602010000"})), R4);
    assert_eq!(
        out.get("Encounter/visit")["period"],
        json!({"start": "2026-03-01T07:30:00+07:00"})
    );
    assert!(out.warned("QD3176-PERIOD XML1/NGAY_RA"));
}

#[test]
fn the_encounter_keeps_where_from_where_to_and_why() {
    let out = out(&visit(), MOH);
    let encounter = out.get("Encounter/visit");
    let facility = "http://fhir.ehealth.gov.vn/core/sid/provider-code";
    let stay = &encounter["hospitalization"];
    assert_eq!(stay["preAdmissionIdentifier"]["value"], "CT-2026-77");
    assert_eq!(
        stay["origin"],
        json!({"type": "Organization", "identifier": {"system": facility, "value": "79022"}})
    );
    assert_eq!(stay["destination"]["identifier"]["value"], "79033");
    assert_eq!(
        stay["admitSource"],
        json!({"coding": [{"code": "1"}], "text": "Viêm phổi cần điều trị nội trú"})
    );
    assert_eq!(stay["dischargeDisposition"]["coding"][0]["code"], "1");
    assert_eq!(encounter["reasonCode"], json!([{"text": "Ho, sốt 3 ngày"}]));
    assert_eq!(
        encounter["type"][1]["coding"][0]["code"], "1.11",
        "a text, not a number"
    );
    assert_eq!(encounter["serviceType"]["text"], "K01; K05");
    assert_eq!(
        (
            digits(&encounter["length"]["value"]).as_str(),
            encounter["length"]["code"].as_str()
        ),
        ("6", Some("d"))
    );
    assert_eq!(
        encounter["classHistory"][0]["period"]["start"],
        "2026-03-01T09:15:00+07:00"
    );
    assert_eq!(encounter["identifier"][0]["value"], "79999_202603_000123");
    assert_eq!(encounter["identifier"][1]["value"], "HS-2026-0456");
    assert_eq!(encounter["serviceProvider"]["reference"], "urn:key:Organization|79999");
}

#[test]
fn there_is_exactly_one_main_diagnosis_and_no_rank() {
    for set in SETS {
        let out = out(&visit(), set);
        let diagnoses = out.get("Encounter/visit")["diagnosis"].as_array().unwrap().clone();
        let roles: Vec<_> = diagnoses
            .iter()
            .map(|one| one["use"]["coding"][0]["code"].as_str().unwrap())
            .collect();
        assert_eq!(roles, ["CC", "CM", "CM", "CM", "AD", "DD"]);
        assert!(diagnoses.iter().all(|one| one.get("rank").is_none()));
        assert_eq!(diagnoses[0]["use"]["text"], "Chief complaint");
        assert!(
            diagnoses[1]["use"].get("text").is_none(),
            "the pattern of CM has no text"
        );
    }
}

#[test]
fn diagnoses_keep_their_codes_whole() {
    let out = out(&visit(), MOH);
    let main = out.get("Condition/main");
    assert_eq!(
        main["code"]["coding"],
        json!([
            {"system": "http://hl7.org/fhir/sid/icd-10", "code": "J18.9"},
            {"system": "http://fhir.hl7.org.vn/core/CodeSystem/vn-yhct-disease-cs", "code": "U50.071"},
        ])
    );
    assert_eq!(out.get("Condition/other-1")["code"]["coding"][0]["code"], "I10");
    assert_eq!(out.get("Condition/other-2")["code"]["coding"][0]["code"], "E11.9");
    assert_eq!(out.get("Condition/other-3")["code"]["coding"][0]["code"], "U51.012");
    assert_eq!(
        out.get("Condition/admission")["code"],
        json!({"text": "Theo dõi viêm phổi"})
    );
    assert_eq!(out.count("Condition"), 6, "the second I10 says nothing new");
    assert_eq!(
        main["category"],
        json!([{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "encounter-diagnosis", "display": "Encounter Diagnosis"}]}])
    );
    assert!(main.get("recordedDate").is_none());
}

#[test]
fn the_treatment_result_speaks_of_the_main_disease_only() {
    let status = |code: &str, key: &str| {
        let out = out(&with(visit(), json!({"KET_QUA_DTRI": code})), R4);
        out.get(&format!("Condition/{key}"))["clinicalStatus"]["coding"][0]["code"].clone()
    };
    assert_eq!(
        (status("1", "main"), status("1", "other-1")),
        (json!("resolved"), json!("active"))
    );
    assert_eq!(status("2", "main"), "active");
    assert!(out(&with(visit(), json!({"KET_QUA_DTRI": "77"})), R4).warned("QD3176-CODE XML1/KET_QUA_DTRI"));
}

#[test]
fn weights_and_blood_group_are_observations() {
    let out = out(&visit(), R4);
    let weight = out.get("Observation/CAN_NANG");
    assert_eq!(
        (
            digits(&weight["valueQuantity"]["value"]).as_str(),
            &weight["valueQuantity"]["code"]
        ),
        ("52.50", &json!("kg"))
    );
    assert_eq!(weight["category"][0]["coding"][0]["code"], "vital-signs");
    assert_eq!(weight["effectiveDateTime"], "2026-03-01T07:30:00+07:00");
    let child = out.get("Observation/CAN_NANG_CON-2");
    assert_eq!(
        (
            digits(&child["valueQuantity"]["value"]).as_str(),
            &child["valueQuantity"]["code"]
        ),
        ("2900", &json!("g"))
    );
    assert_eq!(
        child["focus"][0]["display"], "Con thứ 2 của người bệnh",
        "the weight is not the mother's"
    );
    let blood = out.get("Observation/NHOM_MAU");
    assert_eq!(
        (
            &blood["code"]["coding"][0]["code"],
            &blood["valueCodeableConcept"]["text"]
        ),
        (&json!("882-1"), &json!("O+"))
    );
}

#[test]
fn a_weight_without_a_time_or_of_nothing_is_no_vital_sign() {
    for changes in [
        json!({"CAN_NANG": "0.00"}),
        json!({"NGAY_VAO": null}),
        json!({"CAN_NANG": "năm mươi"}),
    ] {
        assert!(!out(&with(visit(), changes), R4).has("Observation/CAN_NANG"));
    }
}

#[test]
fn dates_to_come_back_are_plans() {
    let out = out(
        &with(visit(), json!({"NGAY_TAI_KHAM": "20260320;20260231;20260420"})),
        R4,
    );
    let second = out.get("ServiceRequest/TAI_KHAM-3");
    assert_eq!(
        (&second["intent"], &second["occurrenceDateTime"]),
        (&json!("plan"), &json!("2026-04-20"))
    );
    assert_eq!(second["code"], json!({"text": "Tái khám"}));
    assert!(!out.has("ServiceRequest/TAI_KHAM-2") && out.warned("QD3176-DATE XML1/NGAY_TAI_KHAM"));
}

#[test]
fn treatment_and_advice_in_words_are_kept() {
    let out = out(&visit(), R4);
    let plan = out.get("CarePlan/PP_DIEU_TRI");
    assert_eq!(
        (&plan["description"], &plan["note"][0]["text"]),
        (&json!("Kháng sinh, hạ sốt"), &json!("Uống thuốc theo đơn"))
    );
}

#[test]
fn records_about_hiv_are_classed_so() {
    let classes = |visit: &Value| out(visit, R4).mapped.visit.classes;
    assert!(classes(&visit()).is_empty());
    assert!(classes(&with(visit(), json!({"MA_BENH_CHINH": "B25.1"}))).is_empty());
    for changes in [
        json!({"MA_BENH_CHINH": "B20"}),
        json!({"MA_BENH_CHINH": "b24"}),
        json!({"MA_BENH_KT": "I10; B23.8"}),
        json!({"MA_BENH_KT": "Z21"}),
        json!({"MA_BENH_KT": "K29,B20"}),
        json!({"MA_BENH_KT": "B 20"}),
        json!({"MA_BENH_KT": "O98.7"}),
        json!({"MA_BENH_KT": "R75"}),
        json!({"MA_BENH_YHCT": "U63.121; B20"}),
    ] {
        assert_eq!(classes(&with(visit(), changes.clone())), ["hiv"], "{changes}");
    }
    assert_eq!(
        classes(&with_row(visit(), "XML3", 0, json!({"MA_BENH": "B20"}))),
        ["hiv"]
    );
    let mut table = bare();
    table["XML6"] = json!([{"MA_LK": "L1"}]);
    assert_eq!(classes(&table), ["hiv"]);
}

#[test]
fn missing_parts_are_warnings_not_refusals() {
    let out = out(&bare(), MOH);
    for field in [
        "MA_BN",
        "HO_TEN",
        "NGAY_SINH",
        "NGAY_VAO",
        "MA_BENH_CHINH",
        "MA_LOAI_KCB",
    ] {
        assert!(out.warned(&format!("QD3176-MISSING XML1/{field}")), "{field}");
    }
    assert!(out.mapped.issues.iter().all(|issue| issue.severity == "warning"));
}
