//! The FHIR server's promises: all or nothing, exactly one of each, and a name for what is wrong.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::super::*;
use super::{FORM, escaped, exchange, post, send};

const FHIR_JSON: (&str, &str) = ("Content-Type", "application/fhir+json");
const VISIT: &str = "http://fhir.ehealth.gov.vn/core/sid/VisitNumber";
const PATIENT: &str = "http://fhir.ehealth.gov.vn/core/sid/national_id";
const PATIENT_URL: &str = "urn:uuid:00000000-0000-5000-8000-000000000001";

/// A visit as the agent sends it: a patient made once, an encounter written by its number.
fn bundle(visit: &str) -> Value {
    json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {
            "fullUrl": PATIENT_URL,
            "resource": {"resourceType": "Patient", "identifier": [{"system": PATIENT, "value": "999099000001"}]},
            "request": {
                "method": "POST", "url": "Patient",
                "ifNoneExist": format!("identifier={}", escaped(&format!("{PATIENT}|999099000001"))),
            },
        },
        {
            "fullUrl": "urn:uuid:00000000-0000-5000-8000-000000000002",
            "resource": {
                "resourceType": "Encounter",
                "identifier": [{"system": VISIT, "value": visit}],
                "status": "finished",
                "class": {"code": "AMB"},
                "subject": {"reference": PATIENT_URL},
            },
            "request": {"method": "PUT", "url": format!("Encounter?identifier={VISIT}|{visit}")},
        },
    ]})
}

async fn transact(fhir: &Fhir, bundle: &Value) -> (u16, Value) {
    let (status, body) = send(&fhir.url(), post("/", &[FHIR_JSON], &bundle.to_string()), None)
        .await
        .unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

async fn get(fhir: &Fhir, path: &str) -> (u16, Value) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let (status, body) = send(&fhir.url(), request, None).await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn a_visit_sent_twice_is_one_patient_and_one_encounter_in_its_second_version() {
    let fhir = start_fhir(
        None,
        FhirOptions {
            keep: true,
            ..FhirOptions::default()
        },
    )
    .await
    .unwrap();
    let (status, answer) = transact(&fhir, &bundle("V1")).await;
    assert_eq!(status, 200);
    assert_eq!(answer["type"], "transaction-response");
    for entry in answer["entry"].as_array().unwrap() {
        assert_eq!(entry["response"]["status"], "201 Created");
        assert_eq!(entry["response"]["etag"], "W/\"1\"");
    }
    assert_eq!(answer["entry"][1]["response"]["location"], "Encounter/2/_history/1");
    let (_, again) = transact(&fhir, &bundle("V1")).await;
    assert_eq!(again["entry"][0]["response"]["status"], "200 OK");
    assert_eq!(again["entry"][0]["response"]["location"], "Patient/1/_history/1");
    assert_eq!(again["entry"][1]["response"]["location"], "Encounter/2/_history/2");
    transact(&fhir, &bundle("V2")).await;
    assert_eq!(
        fhir.resources(),
        BTreeMap::from([("Encounter".to_owned(), 2), ("Patient".to_owned(), 1)])
    );
    assert_eq!(
        fhir.encounters(),
        BTreeMap::from([("V1".to_owned(), vec![2]), ("V2".to_owned(), vec![1])])
    );
    assert_eq!(fhir.transactions(), 3);
    let (_, found) = get(
        &fhir,
        &format!("/Encounter?identifier={}", escaped(&format!("{VISIT}|V1"))),
    )
    .await;
    assert_eq!(
        (&found["total"], &found["entry"][0]["resource"]["subject"]["reference"]),
        (&json!(1), &json!("Patient/1"))
    );
    assert_eq!(get(&fhir, "/Patient/1").await.1["meta"]["versionId"], "1");
    assert_eq!(get(&fhir, "/Patient/9").await.0, 404);
    assert_eq!(get(&fhir, "/metadata").await.1["fhirVersion"], "4.0.1");
}

#[tokio::test]
async fn one_bad_entry_leaves_nothing_of_its_bundle_and_is_named() {
    let fhir = start_fhir(None, FhirOptions::default()).await.unwrap();
    let mut cases: Vec<(Value, &str)> = Vec::new();
    let mut case = |at: &str, change: &dyn Fn(&mut Value), named: &'static str| {
        let mut bad = bundle("V1");
        change(bad.pointer_mut(at).unwrap());
        cases.push((bad, named));
    };
    case(
        "/entry/1/resource/status",
        &|value| *value = json!("done"),
        "Bundle.entry[1].resource.status",
    );
    case(
        "/entry/1/resource",
        &|value| drop(value.as_object_mut().unwrap().remove("class")),
        "Bundle.entry[1].resource.class",
    );
    let subject = "/entry/1/resource/subject/reference";
    let named = "Bundle.entry[1].resource.subject.reference";
    case(
        subject,
        &|value| *value = json!("urn:uuid:00000000-0000-5000-8000-000000000009"),
        named,
    );
    case(subject, &|value| *value = json!("Patient/77"), named);
    case(
        subject,
        &|value| *value = json!("urn:uuid:00000000-0000-5000-8000-000000000002"),
        named,
    );
    case(
        "/entry/0/request/url",
        &|value| *value = json!("Patience"),
        "Bundle.entry[0].request.url",
    );
    case(
        "/entry/0/request/method",
        &|value| *value = json!("DELETE"),
        "Bundle.entry[0].request",
    );
    case(
        "/entry/1/fullUrl",
        &|value| *value = json!(PATIENT_URL),
        "Bundle.entry[1].fullUrl",
    );
    case(
        "/entry/1/resource/identifier/0/value",
        &|value| *value = json!("V9"),
        "Bundle.entry[1].resource.identifier",
    );
    case(
        "/entry",
        &|value| value[1] = json!("nonsense"),
        "Bundle.entry[1].request.url",
    );
    case(
        "/entry",
        &|value| {
            value[0] = {
                let twin = value[1].clone();
                json!({"resource": twin["resource"], "request": twin["request"]})
            }
        },
        "Bundle.entry[1].request",
    );
    for (bad, named) in &cases {
        let (status, outcome) = transact(&fhir, bad).await;
        assert_eq!(
            (status, &outcome["issue"][0]["expression"][0]),
            (422, &json!(named)),
            "{outcome}"
        );
        assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().starts_with(named));
        assert!(
            fhir.resources().values().all(|count| *count == 0),
            "{named}: nothing may be left"
        );
    }
    assert_eq!((fhir.transactions(), fhir.refused()[&422]), (0, cases.len() as u64));
    fhir.refuse(["V1".to_owned()]);
    assert_eq!(transact(&fhir, &bundle("V1")).await.0, 422);
    assert_eq!(transact(&fhir, &bundle("V2")).await.0, 200);
}

#[tokio::test]
async fn a_search_that_finds_two_is_a_failed_precondition() {
    let fhir = start_fhir(None, FhirOptions::default()).await.unwrap();
    let mut twice = bundle("V0");
    let said = twice["entry"][1]["resource"]["identifier"][0].clone();
    twice["entry"][1]["resource"]["identifier"] = json!([said, said]);
    for _ in 0..2 {
        assert_eq!(
            transact(&fhir, &twice).await.0,
            200,
            "one resource that says its identifier twice"
        );
    }
    let mut plain = bundle("V1");
    plain["entry"][1]["request"] = json!({"method": "POST", "url": "Encounter"});
    for _ in 0..2 {
        assert_eq!(transact(&fhir, &plain).await.0, 200);
    }
    let (status, outcome) = transact(&fhir, &bundle("V1")).await;
    assert_eq!(
        (status, &outcome["issue"][0]["expression"][0]),
        (412, &json!("Bundle.entry[1].request"))
    );
    assert_eq!(fhir.encounters()["V1"], [1, 1]);
}

#[tokio::test]
async fn a_client_chosen_id_is_made_once_and_then_updated() {
    let fhir = start_fhir(None, FhirOptions::default()).await.unwrap();
    let mut named = bundle("V1");
    named["entry"][1]["request"] = json!({"method": "PUT", "url": "Encounter/visit-1"});
    assert_eq!(
        transact(&fhir, &named).await.0,
        422,
        "the resource does not carry the id"
    );
    named["entry"][1]["resource"]["id"] = json!("visit-1");
    let location = |answer: &Value| answer["entry"][1]["response"]["location"].clone();
    assert_eq!(
        location(&transact(&fhir, &named).await.1),
        "Encounter/visit-1/_history/1"
    );
    assert_eq!(
        location(&transact(&fhir, &named).await.1),
        "Encounter/visit-1/_history/2"
    );
    // The identifier index follows the update.
    named["entry"][1]["resource"]["identifier"][0]["value"] = json!("V2");
    transact(&fhir, &named).await;
    assert_eq!(fhir.encounters(), BTreeMap::from([("V2".to_owned(), vec![3])]));
    assert!(fhir.find("Encounter", &format!("{VISIT}|V1")).is_empty());
    assert_eq!(fhir.find("Encounter", &format!("{VISIT}|V2"))[0]["id"], "visit-1");
}

#[tokio::test]
async fn what_is_not_a_transaction_is_told_so_with_an_outcome() {
    let fhir = start_fhir(
        None,
        FhirOptions {
            max_body: 2_000,
            ..FhirOptions::default()
        },
    )
    .await
    .unwrap();
    let ask = async |content_type: &str, body: &str| {
        let request = post("/", &[("Content-Type", content_type)], body);
        let (status, body) = send(&fhir.url(), request, None).await.unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&body).unwrap()["resourceType"],
            "OperationOutcome"
        );
        status
    };
    assert_eq!(ask("application/fhir+json", "{").await, 400);
    assert_eq!(ask("application/fhir+json", "[]").await, 400);
    assert_eq!(
        ask(
            "application/fhir+json",
            r#"{"resourceType":"Bundle","type":"batch","entry":[]}"#
        )
        .await,
        400
    );
    assert_eq!(ask("text/xml", "<x/>").await, 415);
    assert_eq!(ask("application/fhir+json", &"x".repeat(3_000)).await, 413);
    assert_eq!(get(&fhir, "/Patient?name=x").await.0, 400);
}

#[tokio::test]
async fn with_credentials_set_a_bearer_token_is_needed_and_can_be_taken_away() {
    let auth = Some(ClientCredentials {
        id: "benh-vien".to_owned(),
        secret: "bi mat".to_owned(),
    });
    let fhir = start_fhir(
        None,
        FhirOptions {
            auth,
            ..FhirOptions::default()
        },
    )
    .await
    .unwrap();
    assert_eq!(transact(&fhir, &bundle("V1")).await.0, 401);
    let wrong = "grant_type=client_credentials&client_id=benh-vien&client_secret=x";
    assert_eq!(
        send(&fhir.url(), post("/token", &[FORM], wrong), None).await.unwrap().0,
        401
    );
    let form = "grant_type=client_credentials&client_id=benh-vien&client_secret=bi+mat";
    let basic = format!("Basic {}", BASE64.encode("benh-vien:bi mat"));
    let mut bearer = String::new();
    for request in [
        post("/token", &[FORM], form),
        post(
            "/token",
            &[FORM, ("Authorization", &basic)],
            "grant_type=client_credentials",
        ),
    ] {
        let (status, body) = send(&fhir.url(), request, None).await.unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &answer["expires_in"]), (200, &json!(300)));
        bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    }
    let request = post("/", &[FHIR_JSON, ("Authorization", &bearer)], &bundle("V1").to_string());
    assert_eq!(send(&fhir.url(), request.clone(), None).await.unwrap().0, 200);
    fhir.invalidate_tokens();
    assert_eq!(send(&fhir.url(), request, None).await.unwrap().0, 401);
    assert_eq!((fhir.transactions(), fhir.tokens_issued()), (1, 2));
}

#[tokio::test]
async fn one_connection_carries_many_requests_and_a_lost_answer_makes_no_second_encounter() {
    let fhir = start_fhir(None, FhirOptions::default()).await.unwrap();
    let body = bundle("V1").to_string();
    let keep = post("/", &[FHIR_JSON], &body).replace("Connection: close\r\n", "");
    let last = post("/", &[FHIR_JSON], &body);
    let stream = TcpStream::connect(fhir.url().split_once("://").unwrap().1)
        .await
        .unwrap();
    let answers = String::from_utf8(exchange(stream, &format!("{keep}{keep}{last}")).await).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3);
    fhir.script([Answer::DropAfterCommit]);
    assert_eq!(send(&fhir.url(), last.clone(), None).await, None);
    assert_eq!(send(&fhir.url(), last, None).await.unwrap().0, 200);
    assert_eq!(fhir.encounters(), BTreeMap::from([("V1".to_owned(), vec![5])]));
}
