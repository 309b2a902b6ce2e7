//! XML6 and XML15: HIV care and tuberculosis, and which visits the law protects more.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use common::{MOH, R4, bare, digits, mapped, out, papers, visit, with, with_row};
use serde_json::{Value, json};

#[test]
fn hiv_care_is_an_episode_of_the_person_and_not_of_the_visit() {
    let out = out(&papers(), R4);
    let episode = out.get("EpisodeOfCare/HIV-BN0005678");
    assert_eq!(episode["status"], "active");
    assert_eq!(episode["patient"]["reference"], "urn:key:Patient|BN0005678");
    assert_eq!(
        episode["managingOrganization"]["reference"],
        "urn:key:Organization|79999"
    );
    let scope = |key: &str| {
        let found = out
            .mapped
            .resources
            .iter()
            .find(|resource| resource.key == key)
            .unwrap();
        found.ext.clone()
    };
    assert_eq!(scope("HIV-BN0005678"), [("scope".to_owned(), "facility".to_owned())]);
    let episodes = out.get("Encounter/visit")["episodeOfCare"].as_array().unwrap().len();
    assert_eq!(
        (episodes, out.count("EpisodeOfCare")),
        (2, 2),
        "tables 6 and 15 tell of one tuberculosis"
    );
}

#[test]
fn a_regimen_is_a_plan_with_its_time_and_the_days_of_supply() {
    let out = out(&papers(), MOH);
    let now = out.get("MedicationRequest/XML6-1-ARV");
    assert_eq!((&now["intent"], &now["status"]), (&json!("plan"), &json!("active")));
    assert_eq!(
        now["medicationCodeableConcept"]["coding"],
        json!([{"code": "TDF+3TC+DTG"}])
    );
    assert_eq!(
        now["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"],
        json!({"start": "2025-01-15"})
    );
    assert_eq!(digits(&now["dispenseRequest"]["expectedSupplyDuration"]["value"]), "30");
    assert_eq!(now["requester"]["extension"][0]["valueCode"], "unknown");
    let first = out.get("MedicationRequest/XML6-1-ARV-BD");
    assert_eq!(first["requester"]["identifier"]["value"], "79055");
    assert_eq!(
        out.get("MedicationRequest/XML6-1-CTX")["medicationCodeableConcept"],
        json!({"text": "Cotrimoxazole"})
    );
}

#[test]
fn what_has_not_ended_by_the_end_of_the_visit_is_active() {
    let ends = |day: &str| {
        let changed = with_row(papers(), "XML15", 0, json!({"NGAYKT_DTRI_LAO": day}));
        let out = out(&changed, R4);
        let episode = out.get("EpisodeOfCare/LAO-BN0005678-2026-01-01").clone();
        (
            episode["status"].clone(),
            out.get("MedicationRequest/XML15-1-LAO")["status"].clone(),
        )
    };
    assert_eq!(ends("20260701"), (json!("active"), json!("active")));
    assert_eq!(ends("20260405"), (json!("finished"), json!("completed")));
    assert_eq!(
        ends("20251201"),
        (json!("active"), json!("active")),
        "an end before the start is none"
    );
}

#[test]
fn tests_keep_their_days_and_their_bands() {
    let out = out(&papers(), R4);
    let load = out.get("Observation/XML6-1-TAI_LUONG_VR");
    assert_eq!(load["effectiveDateTime"], "2026-04-01");
    assert_eq!(load["valueCodeableConcept"]["coding"][0]["code"], "1");
    assert_eq!(load["component"][1]["valueDateTime"], "2026-04-04");
    let pcr = out.get("Observation/XML6-1-PCR");
    assert_eq!(
        pcr["valueCodeableConcept"],
        json!({"coding": [{"code": "0"}], "text": "Âm tính"})
    );
    let confirmed = out.get("Observation/XML6-1-HIV");
    assert_eq!(confirmed["code"]["coding"][0]["code"], "55277-8");
    assert_eq!(confirmed["performer"][0]["identifier"]["value"], "79044");
}

#[test]
fn without_a_day_of_confirmation_nobody_is_said_to_have_hiv() {
    let out = out(&with_row(papers(), "XML6", 0, json!({"NGAYKD_HIV": null})), R4);
    let asked = out.get("Observation/XML6-1-HIV");
    assert!(asked.get("valueCodeableConcept").is_none() && asked.get("effectiveDateTime").is_none());
    assert_eq!(asked["performer"][0]["identifier"]["value"], "79044");
}

#[test]
fn no_treatment_is_no_episode() {
    let none = json!({
        "MA_LK": "L1", "LOAI_DTRI_LAO": "0", "PHANLOAI_LAO_VITRI": "1",
    });
    let out = out(&json!({"XML1": bare()["XML1"], "XML15": [none]}), R4);
    assert_eq!((out.count("EpisodeOfCare"), out.count("MedicationRequest")), (0, 0));
    let texts: Vec<&Value> = out.get("Observation/XML15-1-LAO")["component"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| &part["valueCodeableConcept"]["text"])
        .collect();
    assert_eq!(texts, [&json!("Lao phổi"), &json!("Không điều trị lao")]);
}

fn is_protected(visit: &Value) -> bool {
    mapped(visit, R4).visit.classes == ["hiv"]
}

fn with_table(table: &str, row: Value) -> Value {
    let mut visit = bare();
    let mut row = row;
    row["MA_LK"] = json!("L1");
    visit[table] = json!([row]);
    visit
}

#[test]
fn whatever_tells_of_hiv_protects_the_visit() {
    assert!(!is_protected(&visit()) && !is_protected(&bare()));
    for (table, row) in [
        ("XML0", json!({"TEN_THUOC": "Dolutegravir 50mg"})),
        ("XML0", json!({"TEN_DICH_VU": "HIV đo tải lượng hệ thống tự động"})),
        ("XML6", json!({})),
        ("XML15", json!({"NGAYKD_HIV": "20240101"})),
        ("XML15", json!({"BDDT_ARV": "?"})),
        ("XML15", json!({"PHANLOAI_LAO_HIV": "2"})),
        ("XML15", json!({"NGAY_BAT_DAU_DT_CTX": "20240101"})),
        ("XML13", json!({"MA_BENH_KT": "A15.0; b20"})),
        ("XML14", json!({"MA_BENH_YHCT": "U63.121;B20"})),
        ("XML14", json!({"MA_BENH_CHINH": "Z21"})),
        ("XML7", json!({"CHAN_DOAN_RV": "Lao phổi/HIV"})),
        ("XML11", json!({"CHAN_DOAN_RV": "nhiễm hiv"})),
        ("XML2", json!({"TEN_THUOC": "DOLUTEGRAVIR 50"})),
        ("XML2", json!({"TEN_THUOC": "TDF/3TC", "NGUON_CTRA": "1"})),
        ("XML2", json!({"TEN_THUOC": "Tenofovir + Lamivudine"})),
        ("XML2", json!({"TEN_THUOC": "Tenofovir", "NGUON_CTRA": "3"})),
        ("XML3", json!({"MA_BENH": "Z21"})),
        ("XML3", json!({"TEN_DICH_VU": "HIV khẳng định"})),
        ("XML4", json!({"TEN_CHI_SO": "HIV Ab", "GIA_TRI": "Dương tính"})),
        ("XML4", json!({"TEN_CHI_SO": "HIV Ag/Ab", "GIA_TRI": "12.5"})),
        (
            "XML4",
            json!({"TEN_CHI_SO": "Tải lượng HIV", "KET_LUAN": "Không phát hiện"}),
        ),
        (
            "XML4",
            json!({"TEN_CHI_SO": "Kết luận chung", "MO_TA": "Phù hợp nhiễm HIV"}),
        ),
        ("XML5", json!({"DIEN_BIEN_LS": "BN HIV đang điều trị"})),
        ("XML8", json!({"TOMTAT_KQ": "HIV (+)"})),
        ("XML12", json!({"KET_QUA_KHAM": "Nhiễm HIV giai đoạn II"})),
        (
            "XML13",
            json!({"HUONG_DIEU_TRI": "Chuyển phòng khám ngoại trú HIV/AIDS"}),
        ),
    ] {
        assert!(is_protected(&with_table(table, row.clone())), "{table} {row}");
    }
    assert!(is_protected(&with(
        bare(),
        json!({"CHAN_DOAN_VAO": "AIDS giai đoạn cuối"})
    )));
}

#[test]
fn words_of_hiv_protect_the_visit_wherever_people_write_about_the_illness() {
    for (table, fields) in [
        ("XML0", "LY_DO_VNT"),
        (
            "XML1",
            "LY_DO_VV LY_DO_VNT CHAN_DOAN_VAO CHAN_DOAN_RV PP_DIEU_TRI GHI_CHU",
        ),
        ("XML5", "DIEN_BIEN_LS GIAI_DOAN_BENH HOI_CHAN PHAU_THUAT"),
        ("XML7", "CHAN_DOAN_RV PP_DIEUTRI GHI_CHU NGUYENNHAN_DINHCHI"),
        (
            "XML8",
            "CHAN_DOAN_VAO CHAN_DOAN_RV QT_BENHLY TOMTAT_KQ PP_DIEUTRI GHI_CHU",
        ),
        ("XML9", "TINH_TRANG_CON GHI_CHU"),
        ("XML10", "CHAN_DOAN_RV"),
        ("XML11", "CHAN_DOAN_RV PP_DIEUTRI NGUYENNHAN_DINHCHI"),
        ("XML12", "KET_QUA_KHAM DE_NGHI DUOC_XACDINH"),
        (
            "XML13",
            "DAU_HIEU_LS CHAN_DOAN_RV QT_BENHLY TOMTAT_KQ PP_DIEUTRI TINH_TRANG_CT HUONG_DIEU_TRI",
        ),
        ("XML14", "CHAN_DOAN_RV"),
    ] {
        for field in fields.split(' ') {
            let of = |words: &str| match table {
                "XML1" => with(bare(), json!({field: words})),
                _ => with_table(table, json!({field: words})),
            };
            assert!(is_protected(&of("Mẹ nhiễm HIV")), "{table} {field}");
            assert!(!is_protected(&of("Mẹ khoẻ")), "{table} {field}");
        }
    }
}

#[test]
fn every_code_of_hiv_as_the_main_disease_protects_the_visit() {
    for code in ["B20", "B21", "B22", "B23", "B24", "Z21"] {
        let visit = with(bare(), json!({"MA_BENH_CHINH": code}));
        assert!(is_protected(&visit), "{code}");
    }
}

#[test]
fn every_antiretroviral_drug_protects_the_visit() {
    let table = include_str!("../../../configs/codes/thuoc-arv.csv");
    let rows = table.lines().filter(|line| !line.starts_with('#')).skip(1);
    let mut met = 0;
    for row in rows {
        let mut cells = row.split(',');
        let (substance, alone) = (cells.next().unwrap(), cells.next().unwrap());
        let given = |source: &str| {
            let row = json!({"TEN_THUOC": format!("{substance} 300mg"), "NGUON_CTRA": source});
            is_protected(&with_table("XML2", row))
        };
        assert_eq!(given("1"), alone == "yes", "{substance}");
        assert!(given("3"), "{substance} that a programme pays for");
        met += 1;
    }
    assert!(met >= 23, "{met}");
}

#[test]
fn what_treats_other_diseases_too_does_not_protect_alone() {
    for (table, row) in [
        ("XML2", json!({"TEN_THUOC": "Tenofovir", "NGUON_CTRA": "1"})),
        ("XML2", json!({"TEN_THUOC": "Amoxicillin", "NGUON_CTRA": "3"})),
        ("XML0", json!({"TEN_THUOC": "Tenofovir"})),
        ("XML0", json!({"TEN_DICH_VU": "HIV Ab test nhanh"})),
        ("XML15", json!({"PHANLOAI_LAO_VITRI": "1"})),
        ("XML7", json!({"CHAN_DOAN_RV": "Chiva"})),
        ("XML3", json!({"TEN_DICH_VU": "HIV Ab test nhanh"})),
        ("XML4", json!({"TEN_CHI_SO": "HIV Ab", "GIA_TRI": "Âm tính"})),
        (
            "XML4",
            json!({"TEN_CHI_SO": "HIV Ab", "GIA_TRI": "0.08", "KET_LUAN": "Không phản ứng"}),
        ),
        ("XML4", json!({"TEN_CHI_SO": "HIV Ab"})),
        ("XML8", json!({"TOMTAT_KQ": "HIV, HBsAg: âm tính"})),
    ] {
        assert!(!is_protected(&with_table(table, row.clone())), "{table} {row}");
    }
    let mut twice = with_table("XML2", json!({"TEN_THUOC": "Tenofovir"}));
    let again = twice["XML2"][0].clone();
    twice["XML2"].as_array_mut().unwrap().push(again);
    assert!(!is_protected(&twice), "the same drug twice is one");
}

#[test]
fn other_classes_are_told_by_codes_and_an_ended_pregnancy_by_its_field() {
    let classes = |visit: Value| mapped(&visit, R4).visit.classes;
    let coded = |codes: &str| classes(with(bare(), json!({"MA_BENH_CHINH": codes})));
    assert_eq!(coded("F20.0"), ["mental"]);
    assert_eq!(coded("B20.1;A53.9"), ["hiv", "sti"]);
    assert_eq!(coded("J18.9"), [""; 0]);
    let ended = |code: &str| classes(with_table("XML7", json!({"MA_DINH_CHI_THAI": code})));
    assert_eq!((ended("1"), ended("0")), (vec!["abortion".to_owned()], vec![]));
}
