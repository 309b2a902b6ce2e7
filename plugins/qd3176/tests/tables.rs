//! XML2..XML5 and the Claim: drugs, services, results, progress, money.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use common::{MOH, R4, SETS, bare, digits, out, visit, with, with_row};
use serde_json::{Value, json};

#[test]
fn a_drug_is_a_request_with_its_words_kept() {
    let out = out(&visit(), R4);
    let drug = out.get("MedicationRequest/XML2-1");
    let concept = &drug["medicationCodeableConcept"];
    assert_eq!(
        (&concept["coding"][0]["code"], &concept["text"]),
        (&json!("40.677"), &json!("Paracetamol Ví Dụ 500mg"))
    );
    let dosage = &drug["dosageInstruction"][0];
    assert_eq!(dosage["text"], "1 viên/lần * 3 lần/ngày * 5 ngày");
    assert_eq!(
        (&dosage["patientInstruction"], &dosage["route"]),
        (&json!("Uống sau ăn"), &json!({"coding": [{"code": "1.01"}]}))
    );
    let quantity = &drug["dispenseRequest"]["quantity"];
    assert_eq!(
        (digits(&quantity["value"]).as_str(), &quantity["unit"]),
        ("15.000", &json!("Viên"))
    );
    assert_eq!(drug["requester"]["reference"], "urn:key:Practitioner|0002222/HCM-CCHN");
    assert_eq!(drug["authoredOn"], "2026-03-01T08:00:00+07:00");
    assert!(drug.get("performer").is_none());
}

#[test]
fn the_ministry_wants_a_requester_and_a_performer() {
    let without = with_row(visit(), "XML2", 0, json!({"MA_BAC_SI": null}));
    let ministry = out(&without, MOH);
    let drug = ministry.get("MedicationRequest/XML2-1");
    assert_eq!(drug["performer"]["reference"], "urn:key:Organization|79999");
    assert_eq!(drug["requester"]["extension"][0]["valueCode"], "unknown");
    assert!(ministry.warned("QD3176-MISSING XML2[1]/MA_BAC_SI"));
    assert!(
        out(&without, R4)
            .get("MedicationRequest/XML2-1")
            .get("requester")
            .is_none()
    );
}

#[test]
fn a_bad_value_costs_its_field_and_nothing_else() {
    let bad = json!({"NGAY_YL": "202602300800", "SO_LUONG": "1,5"});
    let out = out(&with_row(visit(), "XML2", 1, bad), R4);
    let drug = out.get("MedicationRequest/XML2-2");
    assert!(drug.get("authoredOn").is_none() && drug.get("dispenseRequest").is_none());
    assert_eq!(drug["medicationCodeableConcept"]["text"], "Ceftriaxon Ví Dụ");
    assert_eq!(
        out.issues(),
        ["QD3176-DATE XML2[2]/NGAY_YL", "QD3176-NUMBER XML2[2]/SO_LUONG"]
    );
}

#[test]
fn the_cost_group_decides_what_a_service_becomes() {
    let out = out(&visit(), R4);
    for row in 1..=3 {
        assert!(out.has(&format!("ServiceRequest/XML3-{row}")));
    }
    assert!(out.has("Procedure/XML3-4") && !out.has("ServiceRequest/XML3-4"));
    for row in 5..=7 {
        for kind in ["ServiceRequest", "Procedure"] {
            assert!(
                !out.has(&format!("{kind}/XML3-{row}")),
                "supplies, beds and exams are lines of the claim only"
            );
        }
    }
    let unknown = common::out(&with_row(visit(), "XML3", 3, json!({"MA_NHOM": "19"})), R4);
    assert!(unknown.has("ServiceRequest/XML3-4") && unknown.warned("QD3176-CODE XML3[4]/MA_NHOM"));
    let supply = common::out(&with_row(visit(), "XML3", 3, json!({"MA_VAT_TU": "N01"})), R4);
    assert!(!supply.has("Procedure/XML3-4"), "a supply code makes the row a supply");
}

#[test]
fn a_service_request_names_order_reason_and_people() {
    let out = out(&visit(), R4);
    let lab = out.get("ServiceRequest/XML3-1");
    assert_eq!(lab["category"], json!([{"text": "Xét nghiệm"}]));
    assert_eq!((&lab["status"], &lab["intent"]), (&json!("completed"), &json!("order")));
    assert_eq!(lab["reasonReference"], json!([{"reference": "urn:key:Condition|main"}]));
    assert_eq!(
        lab["reasonCode"][0]["coding"][0]["code"], "R50.9",
        "no Condition has it, so it stays a code"
    );
    assert_eq!(
        lab["performer"],
        json!([{"reference": "urn:key:Practitioner|0003333/HCM-CCHN"}])
    );
    assert_eq!(lab["occurrenceDateTime"], "2026-03-01T08:00:00+07:00");
    assert_eq!(
        out.get("ServiceRequest/XML3-2")["bodySite"],
        json!([{"coding": [{"code": "12"}]}])
    );
}

#[test]
fn a_procedure_tells_when_by_whom_and_with_what() {
    let procedure = |changes: Value, set| {
        out(&with_row(visit(), "XML3", 3, changes), set)
            .get("Procedure/XML3-4")
            .clone()
    };
    let full = procedure(json!({}), R4);
    assert_eq!(
        full["performedPeriod"],
        json!({"start": "2026-03-02T08:30:00+07:00", "end": "2026-03-02T09:15:00+07:00"})
    );
    assert_eq!(
        full["code"]["coding"][1],
        json!({"system": "http://hl7.org/fhir/sid/icd-9-cm", "code": "34.91"})
    );
    assert_eq!(full["performer"].as_array().unwrap().len(), 2);
    assert_eq!(full["usedReference"][0]["identifier"]["value"], "MO.1.79999.0002");
    assert_eq!(full["reasonReference"][0]["reference"], "urn:key:Condition|main");
    assert_eq!(
        procedure(json!({"NGAY_KQ": null}), R4)["performedDateTime"],
        "2026-03-02T08:30:00+07:00"
    );
    let never = json!({"NGAY_KQ": null, "NGAY_TH_YL": null});
    assert_eq!(
        procedure(never.clone(), MOH)["_performedDateTime"]["extension"][0]["valueCode"],
        "unknown"
    );
    assert!(procedure(never, R4).get("_performedDateTime").is_none());
    let backwards = procedure(json!({"NGAY_KQ": "202603020700"}), R4);
    assert_eq!(backwards["performedDateTime"], "2026-03-02T08:30:00+07:00");
}

#[test]
fn results_are_numbers_only_where_they_are_numbers() {
    let value = |result: &str, unit: Value| {
        let changed = with_row(visit(), "XML4", 0, json!({"GIA_TRI": result, "DON_VI_DO": unit}));
        out(&changed, R4).get("Observation/XML4-1").clone()
    };
    let plain = value("012.40", json!("G/L"));
    assert_eq!(
        digits(&plain["valueQuantity"]["value"]),
        "12.40",
        "digits kept, JSON's zeros obeyed"
    );
    assert_eq!(plain["valueQuantity"]["unit"], "G/L");
    for (text, comparator, number) in [
        ("<0.1", "<", "0.1"),
        (">=5", ">=", "5"),
        ("≤ 7.0", "<=", "7.0"),
        ("> 9", ">", "9"),
    ] {
        let quantity = value(text, json!("g"))["valueQuantity"].clone();
        assert_eq!(
            (quantity["comparator"].as_str(), digits(&quantity["value"]).as_str()),
            (Some(comparator), number)
        );
    }
    for (text, unit) in [
        ("Âm tính", json!("g")),
        ("5.0", Value::Null),
        ("1,5", json!("g")),
        ("1-2", json!("g")),
        ("<", json!("g")),
    ] {
        assert_eq!(value(text, unit)["valueString"], text);
    }
}

#[test]
fn a_result_knows_its_service_its_time_and_its_reader() {
    let out = out(&visit(), R4);
    let blood = out.get("Observation/XML4-1");
    assert_eq!(
        blood["basedOn"],
        json!([{"reference": "urn:key:ServiceRequest|XML3-1"}])
    );
    assert_eq!(blood["category"][0]["coding"][0]["code"], "laboratory");
    assert_eq!(
        (&blood["effectiveDateTime"], &blood["issued"]),
        (&json!("2026-03-01T08:45:00+07:00"), &json!("2026-03-01T08:45:00+07:00"))
    );
    assert_eq!(
        blood["performer"],
        json!([{"reference": "urn:key:Practitioner|0003333/HCM-CCHN"}])
    );
    assert_eq!(blood["code"], json!({"coding": [{"code": "HH001"}], "text": "WBC"}));
    let image = out.get("Observation/XML4-4");
    assert_eq!(
        (&image["category"][0]["coding"][0]["code"], &image["valueString"]),
        (&json!("imaging"), &json!("Đám mờ đáy phổi phải"))
    );
    assert_eq!(image["device"]["identifier"]["value"], "XQ.1.79999.0001");
    let fluid = out.get("Observation/XML4-6");
    assert_eq!(fluid["partOf"], json!([{"reference": "urn:key:Procedure|XML3-4"}]));
    assert_eq!(fluid["performer"], json!([{"reference": "urn:key:Organization|79999"}]));
    assert_eq!(out.get("Observation/XML4-2")["note"], json!([{"text": "Mẫu đông"}]));
}

#[test]
fn one_report_per_service_and_time_of_result() {
    let out = out(&visit(), R4);
    assert_eq!(out.count("DiagnosticReport"), 4);
    let blood = out.get("DiagnosticReport/XML4-1");
    assert_eq!(blood["result"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&blood["conclusion"], &blood["category"][0]["coding"][0]["code"]),
        (&json!("Bạch cầu tăng"), &json!("LAB"))
    );
    assert_eq!(blood["code"]["text"], "Tổng phân tích tế bào máu ngoại vi");
    assert_eq!(
        blood["resultsInterpreter"],
        json!([{"reference": "urn:key:Practitioner|0003333/HCM-CCHN"}])
    );
    let trace = out.get("DiagnosticReport/XML4-5");
    assert_eq!(trace["conclusion"], "Nhịp xoang 98 lần/phút\nBình thường");
    assert!(
        trace.get("result").is_none() && !out.has("Observation/XML4-5"),
        "without an index, no Observation"
    );
    let later = with_row(visit(), "XML4", 2, json!({"NGAY_KQ": "202603020845"}));
    assert_eq!(common::out(&later, R4).count("DiagnosticReport"), 5);
}

#[test]
fn a_result_of_only_a_day_is_not_an_instant() {
    let by_day = with_row(visit(), "XML4", 0, json!({"NGAY_KQ": "20260301"}));
    let blood = out(&by_day, R4).get("Observation/XML4-1").clone();
    assert_eq!(blood["effectiveDateTime"], "2026-03-01");
    assert!(blood.get("issued").is_none());
    let never = with_row(visit(), "XML4", 0, json!({"NGAY_KQ": null, "GIA_TRI": null}));
    let blood = out(&never, MOH).get("Observation/XML4-1").clone();
    assert_eq!(blood["_effectiveDateTime"]["extension"][0]["valueCode"], "unknown");
    assert_eq!(blood["dataAbsentReason"]["coding"][0]["code"], "unknown");
}

#[test]
fn progress_notes_keep_consultation_operation_and_stage() {
    let out = out(&visit(), R4);
    let first = out.get("ClinicalImpression/XML5-1");
    assert_eq!(
        (&first["status"], &first["date"]),
        (&json!("completed"), &json!("2026-03-01T09:30:00+07:00"))
    );
    assert_eq!(
        (&first["summary"], &first["assessor"]["reference"]),
        (
            &json!("Sốt 38,5 độ, ho đàm"),
            &json!("urn:key:Practitioner|0002222/HCM-CCHN")
        )
    );
    assert_eq!(
        first["note"],
        json!([{"text": "Giai đoạn bệnh: Toàn phát"}, {"text": "Người thực hiện khác: 0003333/HCM-CCHN"}])
    );
    assert_eq!(
        out.get("ClinicalImpression/XML5-2")["note"][0]["text"],
        "Hội chẩn: Tiếp tục kháng sinh"
    );
    let mut hollow = visit();
    hollow["XML5"] = json!([{"STT": "1", "THOI_DIEM_DBLS": "202603010930"}]);
    let out = common::out(&hollow, R4);
    assert_eq!(
        (
            out.count("ClinicalImpression"),
            out.warned("QD3176-MISSING XML5[1]/DIEN_BIEN_LS")
        ),
        (0, true)
    );
}

#[test]
fn the_claim_holds_every_line_and_every_total() {
    for set in SETS {
        let out = out(&visit(), set);
        let claim = out.get("Claim/claim");
        let items = claim["item"].as_array().unwrap();
        assert_eq!(items.len(), 9, "two drugs and seven services");
        let sequences: Vec<_> = items.iter().map(|item| digits(&item["sequence"])).collect();
        assert_eq!(sequences, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert_eq!(digits(&items[0]["unitPrice"]["value"]), "350.000");
        assert_eq!(
            (digits(&items[0]["net"]["value"]).as_str(), &items[0]["net"]["currency"]),
            ("5250.00", &json!("VND"))
        );
        assert_eq!(
            (&items[0]["servicedDate"], &items[0]["category"]["text"]),
            (&json!("2026-03-01"), &json!("Thuốc trong danh mục BHYT"))
        );
        let supply = &items[6]["productOrService"];
        assert_eq!(
            supply,
            &json!({"coding": [{"code": "N03.01.010"}], "text": "Bơm tiêm 5 ml"})
        );
        assert_eq!(digits(&items[7]["quantity"]["value"]), "5.5");
        assert_eq!(digits(&claim["total"]["value"]), "1630000.50");
        assert_eq!(
            (&claim["created"], &claim["use"]),
            (&json!("2026-03-06T11:00:00+07:00"), &json!("claim"))
        );
        assert_eq!(claim["insurance"][0]["focal"], true);
        assert_eq!(claim["insurance"][1]["focal"], false);
        assert_eq!(claim["diagnosis"].as_array().unwrap().len(), 4);
        assert_eq!(
            claim["procedure"][0]["procedureCodeableConcept"]["coding"][0]["code"],
            "87.44"
        );
        let information = claim["supportingInfo"].as_array().unwrap();
        let named = |field: &str| information.iter().find(|one| one["code"]["text"] == field).unwrap();
        assert_eq!(digits(&named("T_THUOC")["valueQuantity"]["value"]), "125000.50");
        assert_eq!(
            named("T_BHTT")["category"]["text"],
            "Đề nghị quỹ bảo hiểm y tế thanh toán"
        );
        assert_eq!(named("NAM_QT, THANG_QT")["timingDate"], "2026-03");
        assert_eq!(named("NGAY_MIEN_CCT")["timingDate"], "2026-02-15");
        assert_eq!(named("NAM_NAM_LIEN_TUC")["timingDate"], "2027-01-01");
    }
}

#[test]
fn without_a_card_or_a_settlement_there_is_no_claim() {
    let uninsured = out(&with(visit(), json!({"MA_THE_BHYT": null})), R4);
    assert_eq!((uninsured.count("Claim"), uninsured.count("Coverage")), (0, 0));
    let unsettled = out(&with(visit(), json!({"NGAY_TTOAN": null})), R4);
    assert_eq!((unsettled.count("Claim"), unsettled.count("Coverage")), (0, 2));
    assert_eq!(unsettled.issues(), ["QD3176-UNSETTLED XML1/NGAY_TTOAN"]);
    assert_eq!(unsettled.mapped.issues[0].severity, "information");
}

#[test]
fn a_line_without_a_name_still_counts() {
    let mut nameless = with(bare(), json!({"MA_THE_BHYT": "X", "NGAY_TTOAN": "202603061100"}));
    nameless["XML3"] = json!([{"THANH_TIEN_BV": "10"}]);
    let out = out(&nameless, R4);
    let item = &out.get("Claim/claim")["item"][0];
    assert_eq!(item["productOrService"]["extension"][0]["valueCode"], "unknown");
    assert_eq!(digits(&item["net"]["value"]), "10");
}
