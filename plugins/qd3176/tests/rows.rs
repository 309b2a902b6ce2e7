//! What a row of XML2 or XML3 says beyond its code and price: of paying for it, of the product, of where it was used.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use common::{R4, digits, out, papers, visit, with, with_row};
use serde_json::{Value, json};

/// The supporting information that a line names, by field.
fn told<'a>(claim: &'a Value, item: usize, field: &str) -> Vec<&'a Value> {
    let facts = claim["supportingInfo"].as_array().unwrap();
    let named = claim["item"][item]["informationSequence"].as_array().unwrap();
    let named = named
        .iter()
        .map(|number| &facts[usize::try_from(number.as_u64().unwrap()).unwrap() - 1]);
    named
        .filter(|fact| fact["code"]["text"] == field || fact["category"]["text"] == field)
        .collect()
}

#[test]
fn a_line_names_what_is_to_be_known_of_paying_for_it() {
    let out = out(&papers(), R4);
    let claim = out.get("Claim/claim");
    let facts = claim["supportingInfo"].as_array().unwrap();
    for (at, fact) in facts.iter().enumerate() {
        assert_eq!(fact["sequence"], at + 1);
    }
    assert_eq!(digits(&told(claim, 0, "T_BHTT")[0]["valueQuantity"]["value"]), "84000");
    assert_eq!(digits(&told(claim, 1, "T_BHTT")[0]["valueQuantity"]["value"]), "636000");
    assert_eq!(
        told(claim, 0, "Phạm vi thanh toán")[0]["code"]["coding"][0]["code"],
        "1"
    );
    assert_eq!(told(claim, 0, "Thông tin thầu").len(), 1);
    assert!(told(claim, 1, "Thông tin thầu").is_empty());
}

#[test]
fn what_lines_share_stands_in_the_claim_once() {
    let out = out(&papers(), R4);
    let claim = out.get("Claim/claim");
    for field in ["MUC_HUONG", "TYLE_TT_BH", "T_BNTT"] {
        let (drug, service) = (told(claim, 0, field), told(claim, 1, field));
        assert_eq!(drug.len(), 1, "{field}");
        assert_eq!(drug[0]["sequence"], service[0]["sequence"], "{field}");
    }
}

#[test]
fn a_line_has_its_factor_its_payer_its_place_and_its_time() {
    let out = out(&papers(), R4);
    let items = &out.get("Claim/claim")["item"];
    assert_eq!(digits(&items[1]["factor"]), "1.00");
    assert_eq!(items[0]["programCode"][0]["text"], "Bảo hiểm y tế");
    assert_eq!(items[0]["locationCodeableConcept"]["coding"], json!([{"code": "K27"}]));
    let time = |from: &str, to: &str| json!({"start": from, "end": to});
    assert_eq!(
        items[0]["servicedPeriod"],
        time("2026-04-03T08:30:00+07:00", "2026-04-03T08:30:00+07:00")
    );
    assert_eq!(
        items[1]["servicedPeriod"],
        time("2026-04-02T07:30:00+07:00", "2026-04-02T08:10:00+07:00")
    );
    let ordered = common::out(&visit(), R4);
    assert_eq!(ordered.get("Claim/claim")["item"][0]["servicedDate"], "2026-03-01");
}

#[test]
fn an_accident_has_its_kind_and_no_day_that_nobody_knows() {
    let claim = |kind: &str| {
        out(&with(papers(), json!({"MA_TAI_NAN": kind})), R4)
            .get("Claim/claim")
            .clone()
    };
    let accident = claim("8")["supportingInfo"][0].clone();
    assert_eq!(accident["code"]["coding"][0]["code"], "8");
    assert_eq!(accident["category"]["text"], "Mã tai nạn, thương tích");
    assert_eq!(claim("8")["accident"], Value::Null);
    assert!(!claim("0").to_string().contains("tai nạn"));
}

#[test]
fn a_bad_amount_or_ratio_is_told_once_and_left_out() {
    let bad = json!({"T_BHTT": "1.5e3", "TYLE_TT_DV": "-5", "MUC_HUONG": "x"});
    let out = out(&with_row(papers(), "XML3", 0, bad), R4);
    assert_eq!(
        out.issues(),
        [
            "QD3176-NUMBER XML3[1]/T_BHTT",
            "QD3176-NUMBER XML3[1]/MUC_HUONG",
            "QD3176-NUMBER XML3[1]/TYLE_TT_DV"
        ]
    );
    let claim = out.get("Claim/claim");
    assert!(told(claim, 1, "T_BHTT").is_empty() && claim["item"][1].get("factor").is_none());
    assert_eq!(told(claim, 1, "T_BNCCT").len(), 1);
}

#[test]
fn a_product_has_its_form_and_number_beside_the_order() {
    let out = out(&papers(), R4);
    let drug = out.get("MedicationRequest/XML2-1");
    let product = &drug["contained"][0];
    assert_eq!(
        (&product["resourceType"], &product["form"]["text"]),
        (&json!("Medication"), &json!("Viên nén bao phim"))
    );
    assert_eq!(product["identifier"][0]["value"], "VD-11111-21");
    let named = &drug["supportingInformation"];
    assert_eq!(named[0]["reference"], "#drug");
    assert_eq!(
        named[1]["reference"], "urn:key:Procedure|XML3-1",
        "the service it was used for"
    );
    assert_eq!(drug["dispenseRequest"]["performer"]["identifier"]["value"], "79022");
    let plain = json!({"DANG_BAO_CHE": null, "SO_DANG_KY": null, "MA_DICH_VU": "99.9", "MA_CSKCB_THUOC": "79022.A1"});
    let out = common::out(&with_row(papers(), "XML2", 0, plain), R4);
    let drug = out.get("MedicationRequest/XML2-1");
    assert!(drug.get("contained").is_none() && drug.get("supportingInformation").is_none());
    assert_eq!(
        drug["note"],
        json!([{"text": "Mã dịch vụ kỹ thuật có dùng thuốc: 99.9"}])
    );
    assert_eq!(
        drug["dispenseRequest"]["performer"]["identifier"],
        json!({"value": "79022.A1"})
    );
}

#[test]
fn beds_of_the_visit_are_its_places_each_once() {
    let visit = with_row(papers(), "XML3", 0, json!({"MA_GIUONG": "H012;H013;H012"}));
    let out = out(&visit, R4);
    let places = out.get("Encounter/visit")["location"].as_array().unwrap().clone();
    let beds: Vec<_> = places
        .iter()
        .map(|place| place["location"]["identifier"]["value"].clone())
        .collect();
    assert_eq!(beds, ["H012", "H013"]);
    assert_eq!(places[0]["physicalType"]["coding"][0]["code"], "bd");
}

#[test]
fn a_traditional_diagnosis_is_a_reason_where_the_visit_has_it_and_else_a_note() {
    let reason = |codes: &str| {
        let out = out(&with_row(papers(), "XML3", 0, json!({"MA_BENH_YHCT": codes})), R4);
        let procedure = out.get("Procedure/XML3-1");
        (procedure["reasonReference"].clone(), procedure["note"].clone())
    };
    let (main, notes) = reason("U61.011");
    assert_eq!(
        main,
        json!([{"reference": "urn:key:Condition|main"}]),
        "once, though two codes name it"
    );
    assert_eq!(notes, json!([{"text": "Mã phương pháp vô cảm: 4"}]));
    assert_eq!(reason("U99").1[1]["text"], "Mã bệnh y học cổ truyền: U99");
}
