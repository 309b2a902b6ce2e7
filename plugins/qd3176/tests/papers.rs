//! The papers of a visit (XML7 to XML14), the family they name, and the check-in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use common::{MOH, Out, R4, SETS, bare, check_in, digits, mapped, out, outcome, papers, with, with_row};
use serde_json::{Value, json};
use vhr_plugin_sdk::{Claim, Outcome};

/// The words of a paper.
fn page(out: &Out, key: &str) -> String {
    let data = out.get(&format!("DocumentReference/{key}"))["content"][0]["attachment"]["data"]
        .as_str()
        .unwrap();
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut held, mut bytes) = (0u32, 0, Vec::new());
    for letter in data.trim_end_matches('=').bytes() {
        bits = bits << 6 | u32::try_from(letters.iter().position(|known| *known == letter).unwrap()).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xFF).unwrap());
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_discharge_paper_is_a_document_with_its_numbers_and_signers() {
    let out = out(&papers(), R4);
    let paper = out.get("DocumentReference/XML7-1");
    assert_eq!(
        (&paper["status"], &paper["docStatus"]),
        (&json!("current"), &json!("final"))
    );
    assert_eq!(paper["type"]["text"], "Giấy ra viện");
    assert_eq!(paper["author"][0]["display"], "TRẦN VĂN LIỄU");
    assert_eq!(
        paper["author"][0]["identifier"],
        json!({"value": "7900000002"}),
        "of no known system"
    );
    assert_eq!(paper["authenticator"]["identifier"]["value"], "7900000001");
    assert_eq!(paper["content"][0]["attachment"]["creation"], "2026-04-05");
    assert_eq!(
        paper["context"]["period"],
        json!({"start": "2026-04-02T06:15:00+07:00", "end": "2026-04-05T10:00:00+07:00"})
    );
    assert_eq!(paper["context"]["practiceSetting"]["coding"], json!([{"code": "K27"}]));
    let archived = &out.get("Encounter/visit")["identifier"][2];
    assert_eq!(archived["system"], "http://fhir.ehealth.gov.vn/core/sid/ArchiveNumber");
    assert_eq!(archived["value"], "LT-2026-0789");
}

#[test]
fn the_words_of_a_paper_are_a_page_that_no_value_breaks() {
    let out = out(&papers(), MOH);
    let page = page(&out, "XML7-1");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
    assert!(page.contains("<dt>Chẩn đoán khi ra</dt><dd>Đẻ thường &lt;con so&gt; &amp; lao phổi</dd>"));
    assert!(page.contains("<dd>05/04/2026 10:00</dd>") && !page.contains("MA_LK") && !page.contains("79999_"));
}

#[test]
fn a_leave_is_its_days_and_its_period() {
    let out = out(&papers(), R4);
    for (key, from, to, days) in [
        ("XML7-1-NGHI", "2026-04-06", "2026-04-15", "10"),
        ("XML10-1-NGHI", "2026-03-01", "2026-03-30", "30"),
        ("XML11-1-NGHI", "2026-04-16", "2026-04-30", "15"),
    ] {
        let leave = out.get(&format!("Observation/{key}"));
        assert_eq!(leave["valuePeriod"], json!({"start": from, "end": to}));
        assert_eq!(digits(&leave["component"][0]["valueQuantity"]["value"]), days);
    }
    let backwards = common::out(&with_row(papers(), "XML10", 0, json!({"DEN_NGAY": "20260228"})), R4);
    assert_eq!(backwards.issues(), ["QD3176-PERIOD XML10[1]/DEN_NGAY"]);
    assert_eq!(
        backwards.get("Observation/XML10-1-NGHI")["valuePeriod"],
        json!({"start": "2026-03-01"})
    );
}

#[test]
fn no_leave_and_no_ended_pregnancy_make_nothing() {
    let fields = json!({"SO_NGAY_NGHI": "0", "NGOAITRU_TUNGAY": null, "NGOAITRU_DENNGAY": null, "TUOI_THAI": "0"});
    let out = out(&with_row(papers(), "XML7", 0, fields), R4);
    assert!(!out.has("Observation/XML7-1-NGHI") && !out.has("Observation/XML7-1-DINH_CHI_THAI"));
}

#[test]
fn an_ended_pregnancy_has_its_time_cause_and_weeks() {
    let fields = json!({
        "MA_DINH_CHI_THAI": "1", "NGUYENNHAN_DINHCHI": "Thai lưu", "THOIGIAN_DINHCHI": "202604030900", "TUOI_THAI": "22",
    });
    let out = out(&with_row(papers(), "XML7", 0, fields), R4);
    let ended = out.get("Observation/XML7-1-DINH_CHI_THAI");
    assert_eq!(ended["valueBoolean"], true);
    assert_eq!(ended["effectiveDateTime"], "2026-04-03T09:00:00+07:00");
    assert_eq!(ended["component"][0]["valueString"], "Thai lưu");
    let weeks = &ended["component"][1]["valueQuantity"];
    assert_eq!((digits(&weeks["value"]).as_str(), &weeks["code"]), ("22", &json!("wk")));
}

#[test]
fn the_person_gets_what_only_papers_say() {
    let out = out(&papers(), R4);
    let person = out.get("Patient/BN0005678");
    assert_eq!(person["contact"][0]["organization"]["display"], "Công ty May Ví Dụ");
    assert_eq!(
        person["contact"].as_array().unwrap().len(),
        1,
        "three papers name one employer"
    );
    let citizen = &person["identifier"][0];
    assert_eq!(citizen["period"], json!({"start": "2021-08-01"}));
    assert_eq!(citizen["assigner"]["display"], "Cục Cảnh sát Ví Dụ");
    assert_eq!(person["identifier"][2]["value"], "7900000456");
    assert_eq!(person["telecom"][0]["value"], "0900000456");
    assert_eq!(
        person["link"][0]["other"]["reference"],
        "urn:key:RelatedPerson|XML9-1-NND"
    );
}

#[test]
fn a_childs_paper_tells_of_its_parents_and_not_of_its_own_work() {
    let fields = json!({"HO_TEN_CHA": "PHẠM VĂN TRE", "HO_TEN_ME": "LÊ THỊ SEN", "DON_VI": "Công ty Gỗ Ví Dụ"});
    let visit = with_row(papers(), "XML11", 0, fields);
    let visit = with_row(
        visit,
        "XML7",
        0,
        json!({"HO_TEN_CHA": "Phạm Văn  Tre", "MA_CHA": "7911111111"}),
    );
    let visit = with_row(visit, "XML12", 0, json!({"MA_BHXH": null}));
    let out = out(&visit, R4);
    let father = out.get("RelatedPerson/HO_TEN_CHA-1");
    assert_eq!(father["identifier"][0]["value"], "7911111111");
    assert_eq!(father["relationship"][0]["coding"][0]["code"], "FTH");
    assert!(out.has("RelatedPerson/HO_TEN_ME-1") && !out.has("RelatedPerson/HO_TEN_CHA-2"));
    let related = &out.get("DocumentReference/XML11-1")["context"]["related"][0];
    assert_eq!(
        (&related["type"], &related["identifier"]["value"]),
        (&json!("RelatedPerson"), &json!("7900000456"))
    );
    let person = out.get("Patient/BN0005678").to_string();
    assert!(!person.contains("7900000456") && !person.contains("Công ty Gỗ"));
}

#[test]
fn a_child_is_a_patient_of_its_own_with_its_family() {
    for profile in SETS {
        let out = out(&papers(), profile);
        let child = out.get("Patient/XML9-1");
        assert_eq!(
            (&child["name"][0]["use"], &child["name"][0]["text"]),
            (&json!("temp"), &json!("PHẠM LÊ BÚP"))
        );
        assert_eq!(
            (&child["birthDate"], &child["gender"]),
            (&json!("2026-04-02"), &json!("female"))
        );
        assert_eq!(
            child["_birthDate"]["extension"][0]["valueDateTime"],
            "2026-04-02T08:05:00+07:00"
        );
        assert_eq!(child["multipleBirthBoolean"], false);
        assert_eq!(child["identifier"][0]["value"], "TE1790000000456");
        assert_eq!(child["extension"][0]["valueAddress"]["text"], "Bệnh viện Ví Dụ");
        let mother = out.get("RelatedPerson/XML9-1-NND");
        assert_eq!(mother["relationship"][0]["coding"][0]["code"], "MTH");
        assert_eq!(
            (&mother["birthDate"], &mother["patient"]["reference"]),
            (&json!("1990-03-15"), &json!("urn:key:Patient|XML9-1"))
        );
        assert_eq!(out.get("RelatedPerson/XML9-1-CHA")["name"][0]["text"], "PHẠM VĂN TRE");
        let weight = out.get("Observation/XML9-1-CAN_NANG");
        assert_eq!(weight["subject"]["reference"], "urn:key:Patient|XML9-1");
        let birth = out.get("Observation/XML9-1-LAN_SINH");
        assert_eq!(birth["subject"]["reference"], "urn:key:Patient|BN0005678");
        assert_eq!(birth["focus"][0]["reference"], "urn:key:Patient|XML9-1");
        let own = out.get("Observation/CAN_NANG_CON-1");
        assert_eq!(
            own["focus"][0]["reference"], "urn:key:Patient|XML9-1",
            "the weight of XML1 is this child's"
        );
    }
}

#[test]
fn somebody_else_who_takes_care_is_not_called_the_mother() {
    let visit = with_row(
        papers(),
        "XML9",
        0,
        json!({"HO_TEN_NND": "ĐINH THỊ CAM", "CAN_NANG_CON": "3300"}),
    );
    let out = out(&visit, R4);
    let caregiver = out.get("RelatedPerson/XML9-1-NND");
    assert_eq!(caregiver["relationship"], json!([{"text": "Mẹ hoặc người nuôi dưỡng"}]));
    assert!(out.get("Patient/BN0005678").get("link").is_none());
    assert!(
        out.get("Observation/CAN_NANG_CON-1")["focus"][0]
            .get("reference")
            .is_none()
    );
}

#[test]
fn an_assessment_of_somebody_else_is_left_out() {
    let out = out(&with_row(papers(), "XML12", 0, json!({"HO_TEN": "NGƯỜI KHÁC"})), R4);
    assert_eq!(out.issues(), ["QD3176-PERSON XML12[1]/HO_TEN"]);
    assert!(!out.has("DocumentReference/XML12-1") && !out.has("Observation/XML12-1-GIAM_DINH"));
    let person = out.get("Patient/BN0005678");
    assert!(person.get("telecom").is_none() && person["identifier"][0].get("period").is_none());
}

#[test]
fn an_assessment_is_what_was_found_and_who_asked() {
    let out = out(&papers(), R4);
    let found = out.get("Observation/XML12-1-GIAM_DINH");
    assert_eq!(found["basedOn"][0]["reference"], "urn:key:ServiceRequest|XML12-1");
    assert_eq!(
        (&found["effectiveDateTime"], &found["valueString"]),
        (&json!("2026-03-10"), &json!("Bụi phổi nhẹ"))
    );
    let asked = out.get("ServiceRequest/XML12-1");
    assert_eq!(asked["requester"]["display"], "Công ty May Ví Dụ");
}

#[test]
fn a_referral_goes_to_the_facility_that_takes_over() {
    let out = out(&papers(), R4);
    let referral = out.get("ServiceRequest/XML13-1");
    assert_eq!(referral["code"]["coding"][0]["code"], "3457005");
    assert_eq!(referral["performer"][0]["identifier"]["value"], "79066");
    assert_eq!(
        referral["requester"]["reference"],
        "urn:key:Practitioner|0005555/HCM-CCHN"
    );
    assert_eq!(referral["orderDetail"][0]["text"], "Đủ điều kiện chuyển theo quy định");
    assert_eq!(referral["reasonReference"][0]["reference"], "urn:key:Condition|other-1");
    assert!(referral.get("reasonCode").is_none());
    assert_eq!(referral["supportingInfo"][2]["identifier"]["value"], "79022");
    let escort = &out.get("Encounter/visit")["participant"][0];
    assert_eq!(escort["individual"]["display"], "ĐỖ THỊ HUỆ");
    assert_eq!(
        (&escort["type"][0]["coding"][0]["code"], &escort["type"][0]["text"]),
        (&json!("ESC"), &json!("Điều dưỡng"))
    );
    let nobody = common::out(
        &with_row(papers(), "XML13", 0, json!({"MA_BAC_SI": null, "MA_CSKCB": "79888"})),
        R4,
    );
    let requester = &nobody.get("ServiceRequest/XML13-1")["requester"];
    assert_eq!(requester["identifier"]["value"], "79888");
}

#[test]
fn a_day_to_come_back_is_proposed_and_not_booked() {
    let out = out(&papers(), R4);
    let appointment = out.get("Appointment/XML14-1");
    assert_eq!(appointment["status"], "proposed");
    assert!(appointment.get("start").is_none());
    assert_eq!(
        appointment["requestedPeriod"],
        json!([{"start": "2026-04-19", "end": "2026-04-19"}])
    );
    assert_eq!(appointment["participant"].as_array().unwrap().len(), 2);
}

#[test]
fn a_check_in_is_a_visit_in_progress_with_its_first_order() {
    for profile in SETS {
        let out = out(&check_in(), profile);
        assert_eq!(out.mapped.claim, Claim::AsReceived);
        assert_eq!(
            (&*out.mapped.visit.key, &out.mapped.visit.ended),
            ("79999_202605_000789", &None)
        );
        assert_eq!(out.issues(), [""; 0]);
        let visit = out.get("Encounter/visit");
        assert_eq!(
            (&visit["status"], &visit["class"]["code"]),
            (&json!("in-progress"), &json!("AMB"))
        );
        assert!(out.has("Coverage/BHYT-1") && out.has("Patient/BN0009012") && !out.has("Claim/claim"));
        assert_eq!(
            out.get("ServiceRequest/XML0-1")["authoredOn"],
            "2026-05-04T07:12:00+07:00"
        );
    }
    let waiting = out(&with_row(check_in(), "XML0", 0, json!({"NGAY_YL": null})), R4);
    assert_eq!(waiting.get("Encounter/visit")["status"], "arrived");
    let drug = json!({"MA_DICH_VU": null, "TEN_DICH_VU": null, "MA_THUOC": "40.1", "TEN_THUOC": "Thuốc Ví Dụ"});
    let drug = out(&with_row(check_in(), "XML0", 0, drug), MOH);
    assert_eq!(
        drug.get("MedicationRequest/XML0-1")["medicationCodeableConcept"]["text"],
        "Thuốc Ví Dụ"
    );
    assert!(!drug.has("ServiceRequest/XML0-1"));
}

#[test]
fn with_an_xml1_the_check_in_only_fills_what_it_lacks() {
    let mut visit = with(bare(), json!({"HO_TEN": "NGƯỜI VÍ DỤ", "SO_CCCD": null}));
    visit["XML0"] = json!([{"MA_LK": "L1", "HO_TEN": "TÊN KHÁC", "SO_CCCD": "079185000123", "MA_DICH_VU": "D1"}]);
    let found = out(&visit, R4);
    let person = found.get("Patient/L1");
    assert_eq!(person["name"][0]["text"], "NGƯỜI VÍ DỤ");
    assert_eq!(person["identifier"][0]["value"], "079185000123");
    assert_eq!(found.count("ServiceRequest"), 0, "XML3 has the orders");
    visit["XML0"][0]["MA_LK"] = json!("L2");
    let Outcome::Rejected(issues) = outcome(&visit, R4) else {
        panic!("the check-in of another visit")
    };
    assert_eq!(issues[0].code, "QD3176-LINK");
}

#[test]
fn a_card_and_what_belongs_to_it_come_from_one_table() {
    let mut visit = bare();
    visit["XML14"] =
        json!([{"MA_LK": "L1", "NGAY_HEN_KL": "20260501", "MA_THE_BHYT": "DN1", "GT_THE_DEN": "20261231"}]);
    visit["XML1"][0]["GT_THE_TU"] = json!("20250101");
    let out = out(&visit, R4);
    assert_eq!(out.get("Coverage/BHYT-1")["period"], json!({"end": "2026-12-31"}));
    assert_eq!(out.get("Patient/L1")["identifier"][0]["value"], Value::from("DN1"));
}

#[test]
fn an_assessment_by_itself_is_mapped_under_the_number_of_its_minutes() {
    let row = json!({
        "SO_BIEN_BAN": "12/BB-GĐYK", "NGAY_HOP": "20260915", "HO_TEN": "TRẦN VĂN THỬ", "NGAY_SINH": "19700101",
        "SO_CCCD": "079070000001", "DIA_CHI": "1 Đường Thử", "KET_QUA_KHAM": "Ổn định", "TYLE_TTCT_MOI": "21",
        "NGUOI_CHU_TRI": "BS Thử", "MA_BHXH": "7900000001", "DIEN_THOAI": "0900000001", "NGAY_CHUNG_TU": "20260916",
    });
    let alone = json!({"XML12": [row]});
    let visit = mapped(&alone, R4).visit;
    assert_eq!((&*visit.key, &*visit.facility), ("12/BB-GĐYK", "79999"));
    assert!(visit.ended.unwrap().starts_with("2026-09-15"));
    let out = out(&alone, R4);
    assert_eq!(out.issues(), [""; 0]);
    assert_eq!(
        (out.count("Patient"), out.count("Encounter"), out.count("Claim")),
        (1, 1, 0)
    );
    let encounter = out.get("Encounter/visit");
    assert_eq!(
        (&encounter["status"], &encounter["class"]["code"]),
        (&json!("finished"), &json!("AMB"))
    );
    let patient = out.get("Patient/12/BB-GĐYK");
    assert_eq!(patient["name"][0]["text"], "TRẦN VĂN THỬ");
    assert_eq!(patient["telecom"][0]["value"], "0900000001");
    assert!(out.has("Observation/XML12-1-GIAM_DINH") && out.has("DocumentReference/XML12-1"));
}
