//! XML1, the person: Patient, Organization, Practitioner, Coverage.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use common::{MOH, R4, SETS, bare, out, visit, with};
use serde_json::{Value, json};

const SID: &str = "http://fhir.ehealth.gov.vn/core/sid/";

fn identifiers(patient: &Value) -> Vec<(&str, &str)> {
    let all = patient["identifier"].as_array().unwrap();
    all.iter()
        .map(|one| (one["system"].as_str().unwrap(), one["value"].as_str().unwrap()))
        .collect()
}

fn extension<'a>(patient: &'a Value, url: &str) -> &'a Value {
    let all = patient["extension"].as_array().unwrap();
    all.iter()
        .find(|one| one["url"].as_str().unwrap().ends_with(url))
        .unwrap_or(&Value::Null)
}

#[test]
fn a_personal_number_is_known_by_its_shape_and_the_first_of_each_counts() {
    let numbers = "079185000123; 012345678;C1234567;099999999999;LA123";
    let out = out(&with(visit(), json!({"SO_CCCD": numbers})), MOH);
    let patient = out.get("Patient/BN0001234");
    let systems = identifiers(patient);
    assert_eq!(
        systems,
        [
            (&*format!("{SID}national_id"), "079185000123"),
            (&*format!("{SID}citizen_id"), "012345678"),
            (&*format!("{SID}passport_number"), "C1234567"),
            (&*format!("{SID}insurance_number"), "DN4797912345678"),
            (&*format!("{SID}patient-internal-id"), "BN0001234"),
        ]
    );
    assert_eq!(
        out.issues(),
        ["QD3176-ID-SHAPE XML1/SO_CCCD"],
        "LA123 is left out, and said to be"
    );
}

#[test]
fn a_foreigners_number_is_a_passport_whatever_its_shape_and_never_an_old_vietnamese_one() {
    for number in ["123456789", "AB1234567X"] {
        let out = out(&with(visit(), json!({"SO_CCCD": number, "MA_QUOCTICH": "840"})), MOH);
        let systems = identifiers(out.get("Patient/BN0001234"));
        assert_eq!(systems[0], (&*format!("{SID}passport_number"), number));
    }
}

#[test]
fn identifier_types_are_to_the_letter_those_of_the_ministry() {
    let out = out(&visit(), MOH);
    let patient = out.get("Patient/BN0001234");
    let own = &patient["identifier"].as_array().unwrap()[2];
    let v2 = "http://terminology.hl7.org/CodeSystem/v2-0203";
    assert_eq!(
        own["type"],
        json!({"coding": [{"system": v2, "code": "PI", "display": "Patient internal identifier"}]})
    );
    assert_eq!(own["use"], "secondary");
    assert_eq!(own["assigner"]["reference"], "urn:key:Organization|79999");
    assert_eq!(
        out.get("Organization/79999")["identifier"][0]["type"],
        json!({"coding": [{"system": v2, "code": "PRN", "display": "Provider number"}], "text": "Provider number"})
    );
}

#[test]
fn a_birth_is_as_exact_as_the_source_and_no_more() {
    for (text, date, moment) in [
        ("198507120000", json!("1985-07-12"), Value::Null),
        ("195000000000", json!("1950"), Value::Null),
        ("19500000", json!("1950"), Value::Null),
        ("19500300", json!("1950-03"), Value::Null),
        ("202602270715", json!("2026-02-27"), json!("2026-02-27T07:15:00+07:00")),
    ] {
        let out = out(&with(visit(), json!({"NGAY_SINH": text})), R4);
        let patient = out.get("Patient/BN0001234");
        assert_eq!(patient["birthDate"], date);
        assert_eq!(patient["_birthDate"]["extension"][0]["valueDateTime"], moment);
    }
}

#[test]
fn an_impossible_birth_date_is_left_out_and_said() {
    let impossible = with(visit(), json!({"NGAY_SINH": "198502300000"}));
    let plain = out(&impossible, R4);
    assert!(plain.get("Patient/BN0001234").get("birthDate").is_none());
    assert_eq!(plain.issues(), ["QD3176-DATE XML1/NGAY_SINH"]);
    let ministry = out(&impossible, MOH);
    let absent = &ministry.get("Patient/BN0001234")["_birthDate"]["extension"][0];
    assert_eq!(absent["valueCode"], "unknown", "demanded there, so named as absent");
}

#[test]
fn gender_is_never_guessed() {
    let gender = |code: Value, set| {
        let out = out(&with(visit(), json!({"GIOI_TINH": code})), set);
        (out.get("Patient/BN0001234")["gender"].clone(), out.issues().len())
    };
    assert_eq!(gender(json!("1"), R4), (json!("male"), 0));
    assert_eq!(gender(json!("2"), R4), (json!("female"), 0));
    assert_eq!(gender(json!("3"), R4), (json!("unknown"), 0));
    assert_eq!(gender(json!("9"), R4), (Value::Null, 1));
    assert_eq!(gender(Value::Null, R4), (Value::Null, 0));
    assert_eq!(gender(Value::Null, MOH), (json!("unknown"), 0));
}

#[test]
fn race_carries_the_ethnic_group_and_nobody_gets_a_religion() {
    let ministry = out(&with(visit(), json!({"MA_DANTOC": "2"})), MOH);
    let patient = ministry.get("Patient/BN0001234");
    let coding = &extension(patient, "extension-race")["valueCodeableConcept"]["coding"][0];
    assert_eq!(coding["code"], "02", "two digits");
    assert_eq!(
        coding["system"],
        "http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-race"
    );
    assert!(extension(patient, "extension-ethic").is_null());
    assert_eq!(
        extension(patient, "extension-occupation")["valueCodeableConcept"],
        json!({"text": "23411"})
    );
}

#[test]
fn nationality_is_iso_where_the_table_is_sure() {
    let of = |set, code| {
        let out = out(&with(visit(), json!({"MA_QUOCTICH": code})), set);
        out.get("Patient/BN0001234")["extension"][0].clone()
    };
    let vietnam = json!({"coding": [{"system": "urn:iso:std:iso:3166", "code": "VN"}]});
    assert_eq!(of(MOH, "000")["valueCodeableConcept"], vietnam);
    let citizenship = of(R4, "000");
    assert_eq!(
        citizenship["url"],
        "http://hl7.org/fhir/StructureDefinition/patient-citizenship"
    );
    assert_eq!(
        citizenship["extension"],
        json!([{"url": "code", "valueCodeableConcept": vietnam}])
    );
    assert_eq!(
        of(MOH, "186")["valueCodeableConcept"],
        json!({"coding": [{"code": "186"}]})
    );
}

#[test]
fn plain_r4_carries_nothing_of_the_ministry_but_systems() {
    let plain = out(&visit(), R4);
    for (name, resource) in &plain.resources {
        let text = resource.to_string();
        assert!(!text.contains("fhir.ehealth.gov.vn/core/StructureDefinition"), "{name}");
    }
    assert_eq!(
        plain.get("Patient/BN0001234")["address"],
        json!([{"text": "12 đường Hoa Sữa, phường Bến Thành", "city": "26740", "state": "79"}])
    );
}

#[test]
fn address_codes_need_an_address_in_words() {
    let ministry = out(&with(visit(), json!({"MAHUYEN_CU_TRU": "760"})), MOH);
    let address = &ministry.get("Patient/BN0001234")["address"][0];
    let levels = address["extension"][0]["extension"].as_array().unwrap();
    let levels: Vec<_> = levels
        .iter()
        .map(|level| {
            (
                level["url"].as_str().unwrap(),
                level["valueCodeableConcept"]["coding"][0]["code"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(levels, [("state", "79"), ("district", "760"), ("ward", "26740")]);
    let wordless = out(&with(visit(), json!({"DIA_CHI": null})), MOH);
    assert!(wordless.get("Patient/BN0001234").get("address").is_none());
}

#[test]
fn the_dead_are_marked_so() {
    for (code, dead) in [("1", None), ("5", Some(true)), ("8", Some(true)), ("7", None)] {
        let out = out(&with(visit(), json!({"KET_QUA_DTRI": code})), R4);
        assert_eq!(
            out.get("Patient/BN0001234")
                .get("deceasedBoolean")
                .and_then(Value::as_bool),
            dead
        );
    }
}

#[test]
fn a_patient_without_a_code_stays_with_the_visit() {
    for set in SETS {
        let out = out(&with(visit(), json!({"MA_BN": null})), set);
        let patient = out
            .mapped
            .resources
            .iter()
            .find(|resource| resource.resource_type == "Patient")
            .unwrap();
        assert!(patient.ext.is_empty() && patient.key == "79999_202603_000123");
        assert!(out.warned("QD3176-MISSING XML1/MA_BN"));
    }
}

#[test]
fn names_are_kept_whole_and_missing_ones_named_as_absent() {
    let ministry = out(&visit(), MOH);
    let name = &ministry.get("Patient/BN0001234")["name"][0];
    assert_eq!(name["text"], "NGUYỄN THỊ HOA MAI");
    assert!(name.get("family").is_none() && name.get("given").is_none());
    assert_eq!(name["_family"]["extension"][0]["valueCode"], "unknown");
    let doctor = &ministry.get("Practitioner/0002222/HCM-CCHN")["name"][0];
    assert_eq!(
        (
            doctor["use"].as_str(),
            doctor["_text"]["extension"][0]["valueCode"].as_str()
        ),
        (Some("official"), Some("unknown"))
    );
    assert!(out(&bare(), R4).get("Patient/L1").get("name").is_none());
    assert!(
        out(&visit(), R4)
            .get("Practitioner/0002222/HCM-CCHN")
            .get("name")
            .is_none()
    );
}

#[test]
fn the_settings_name_only_the_own_facility() {
    let home = out(&visit(), MOH);
    assert_eq!(home.get("Organization/79999")["name"], "Bệnh viện Ví Dụ");
    let away = out(&with(visit(), json!({"MA_CSKCB": "79111"})), MOH);
    assert!(away.get("Organization/79111").get("name").is_none());
    assert!(away.warned("QD3176-FACILITY XML1/MA_CSKCB"));
    assert_eq!(
        out(&bare(), R4).mapped.visit.facility,
        "79999",
        "the site's own code stands in"
    );
}

#[test]
fn cards_are_read_place_by_place() {
    let out = out(&visit(), R4);
    assert_eq!(out.count("Coverage"), 2);
    let (first, second) = (out.get("Coverage/BHYT-1"), out.get("Coverage/BHYT-2"));
    assert_eq!(first["period"], json!({"start": "2026-01-01", "end": "2026-12-31"}));
    assert_eq!(
        second["period"],
        json!({"start": "2026-02-01"}),
        "the empty place is nobody else's"
    );
    assert_eq!(
        (&first["class"][0]["value"], &second["class"][0]["value"]),
        (&json!("79011"), &json!("79012"))
    );
    assert_eq!(
        (&first["subscriberId"], &first["class"][1]["value"]),
        (&json!("DN4797912345678"), &json!("K1"))
    );
    assert_eq!(first["payor"][0]["display"], "Bảo hiểm xã hội Việt Nam");
}

#[test]
fn a_card_that_ends_before_it_starts_keeps_its_start() {
    let wrong = json!({"MA_THE_BHYT": "A", "MA_DKBD": "1;2", "GT_THE_TU": "20260601", "GT_THE_DEN": "20260101"});
    let out = out(&with(visit(), wrong), R4);
    assert_eq!(out.get("Coverage/BHYT-1")["period"], json!({"start": "2026-06-01"}));
    assert!(out.warned("QD3176-PERIOD XML1/GT_THE_DEN") && out.warned("QD3176-CARD-LISTS XML1/MA_DKBD"));
}

#[test]
fn a_third_profile_set_needs_no_code() {
    let third = MOH
        .replace("http://fhir.ehealth.gov.vn/core/sid/national_id", "urn:third:citizen")
        .replace(
            "StructureDefinition/extension-race",
            "StructureDefinition/third-ethnicity",
        );
    let out = out(&visit(), &third);
    let patient = out.get("Patient/BN0001234");
    assert_eq!(identifiers(patient)[0], ("urn:third:citizen", "079185000123"));
    assert!(!extension(patient, "third-ethnicity").is_null());
}
