//! Sick endpoints: each fault ends where it should, is told with what to do, and costs the other endpoint nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use vhr_agent::demo::receivers::{Answer, FhirOptions};

use crate::harness::{Wish, World, eventually, one_visit, plain, whole_keys};

/// The row of an endpoint in the status: `vhr` is the first, `insurance` the second.
fn endpoint(world: &World, nth: usize) -> serde_json::Value {
    world.run(&["status", "--json"]).json()["endpoints"][nth].clone()
}

#[test]
fn an_endpoint_that_drips_does_not_slow_the_other() {
    let world = World::with(Wish {
        fhir: Some("timeout = \"2s\"".into()),
        ..Wish::default()
    });
    world.fhir.script(vec![Answer::Drip(Duration::from_secs(1)); 64]);
    let service = world.service();
    world.drop_all(&plain(301, 8));
    eventually("all are at the gateway", || world.gateway.accepted_count() == 8);
    eventually("its receipts are written", || world.receipts().len() == 8);
    eventually("the trouble is told", || {
        endpoint(&world, 0)["trouble"]
            .as_str()
            .is_some_and(|text| text.contains("trong thời hạn"))
    });
    assert_eq!(endpoint(&world, 1)["trouble"], serde_json::Value::Null);
    service.kill();
}

#[test]
fn what_is_begun_with_an_endpoint_not_heard_of_yet_is_one_delivery() {
    let world = World::with(Wish {
        gateway: Some("in_flight = 16".into()),
        ..Wish::default()
    });
    world.gateway.script(vec![Answer::Stall(Duration::from_secs(600)); 16]);
    let service = world.service();
    world.drop_all(&plain(302, 8));
    eventually("all are at the FHIR server", || endpoint(&world, 0)["delivered"] == 8);
    eventually("one is on its way to the gateway", || {
        endpoint(&world, 1)["sending"] == 1
    });
    assert_eq!(endpoint(&world, 1)["waiting"], 7);
    service.kill();
}

#[test]
fn a_service_that_is_stopped_waits_for_no_answer_for_long_and_what_was_on_its_way_is_in_doubt() {
    let world = World::with(Wish {
        fhir: Some("timeout = \"1h\"".into()),
        gateway: Some("timeout = \"1h\"".into()),
        ..Wish::default()
    });
    let never = || [Answer::StallAfterCommit(Duration::from_secs(3600))];
    world.fhir.script(never());
    world.gateway.script(never());
    let files = plain(312, 2);
    world.drop_all(&files);
    let service = world.service();
    eventually("one is on its way to each", || {
        (world.fhir.transactions(), world.gateway.accepted_count()) == (1, 1)
    });
    service.terminate().with(0);
    assert_eq!(
        (world.fhir.transactions(), world.gateway.accepted_count()),
        (1, 1),
        "nothing is begun while it stops"
    );
    // `in_doubt`: sent again to the FHIR server, where it is the same once more; asked of a person for the gateway.
    world.run(&["run", "--once", "--now"]).with(65);
    let parked = world.listed("parked");
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(parked[0]["detail"]["kind"], "in-doubt");
    assert!(parked[0]["id"].as_str().unwrap().ends_with("insurance"), "{parked:?}");
    assert_eq!(world.fhir.transactions(), 3);
    let keys = whole_keys(&files);
    let encounters = world.encounters();
    assert_eq!(encounters.keys().cloned().collect::<Vec<_>>(), keys);
    assert!(encounters.values().all(|one| one.len() == 1), "{encounters:?}");
    assert_eq!(world.claims(), [(keys[0].clone(), 1), (keys[1].clone(), 1)]);
}

#[test]
fn an_account_that_is_not_let_in_is_not_locked_by_us_and_the_other_endpoint_goes_on() {
    let world = World::new();
    std::fs::write(world.path("gateway-password"), "sai rồi").unwrap();
    let service = world.service();
    world.drop_all(&plain(303, 12));
    eventually("all are at the FHIR server", || world.encounters().len() == 12);
    eventually("the line is given up for a while", || {
        endpoint(&world, 1)["breaker"] == "open"
    });
    let gateway = endpoint(&world, 1);
    let told = gateway["trouble"].as_str().unwrap();
    assert!(told.contains("kiểm tra username và password"), "{told}");
    assert_eq!((&gateway["parked"], &gateway["waiting"]), (&0.into(), &12.into()));
    assert_eq!(endpoint(&world, 0)["breaker"], "closed");
    assert!(world.gateway.refused()["401"] <= 2, "{:?}", world.gateway.refused());
    service.terminate().with(0);
}

#[test]
fn what_an_endpoint_asks_for_holds_back_all_that_goes_there() {
    let world = World::new();
    let wish = Answer::Status(429, vec![("Retry-After".into(), "3600".into())], String::new());
    world.fhir.script([wish]);
    world.drop_all(&plain(304, 4));
    world.once().with(75);
    assert_eq!((world.fhir.transactions(), world.gateway.accepted_count()), (0, 4));
    let told = world
        .listed("waiting")
        .iter()
        .filter(|item| item["text"].as_str().unwrap().contains("HTTP 429"))
        .count();
    assert_eq!(told, 1, "the others were not even tried");
}

#[test]
fn what_is_too_large_for_an_endpoint_is_parked_with_what_to_do() {
    let world = World::with(Wish {
        fhir_options: FhirOptions {
            max_body: 3000,
            ..FhirOptions::default()
        },
        ..Wish::default()
    });
    world.drop_all(&plain(305, 2));
    world.once().with(65);
    let parked = world.listed("parked");
    assert_eq!((parked.len(), world.gateway.accepted_count()), (2, 2));
    for item in parked {
        assert_eq!(item["detail"]["kind"], "too-large", "{item}");
        assert!(item["text"].as_str().unwrap().contains("mỗi hồ sơ một tệp"), "{item}");
    }
}

#[test]
fn an_error_page_of_whatever_stands_before_the_gateway_leaves_doubt() {
    let world = World::with(Wish {
        fhir: None,
        ..Wish::default()
    });
    let page = |status| {
        let html = vec![("Content-Type".into(), "text/html".into())];
        Answer::Status(status, html, "<html><body>Bad Gateway</body></html>".into())
    };
    world.gateway.script([page(502), page(504), page(500)]);
    world.drop_all(&plain(306, 3));
    world.once().with(65);
    let parked = world.listed("parked");
    assert_eq!(parked.len(), 3);
    assert!(
        parked.iter().all(|item| item["detail"]["kind"] == "in-doubt"),
        "{parked:?}"
    );
}

#[test]
fn what_fails_alone_is_parked_also_where_one_goes_at_a_time() {
    let world = World::with(Wish {
        fhir: Some("in_flight = 1".into()),
        gateway: None,
        ..Wish::default()
    });
    let files = plain(307, 16);
    world.fhir.fail(whole_keys(&files[..1]));
    for (nth, file) in files.iter().enumerate() {
        world.drop_in(&format!("{nth}.xml"), &file.bytes);
        if world.run(&["run", "--once", "--now"]).code == Some(65) {
            break;
        }
    }
    let parked = world.listed("parked");
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0]["detail"]["kind"], "keeps-failing");
    assert!(
        parked[0]["text"].as_str().unwrap().contains("queue retry"),
        "{}",
        parked[0]
    );
}

/// What the gateway says under HTTP 200 when it failed, before it stored the claim or after.
fn failed_inside(dice: &mut fastrand::Rng) -> Answer {
    let headers = vec![("Content-Type".into(), "application/json".into())];
    let body = format!(r#"{{"maKetQua":"{}"}}"#, if dice.bool() { 500 } else { 408 });
    if dice.bool() {
        Answer::StatusAfterCommit(200, headers, body)
    } else {
        Answer::Status(200, headers, body)
    }
}

/// Faults in an order that the seed decides. What is certain to come to nothing and what leaves doubt, mixed.
fn faults(dice: &mut fastrand::Rng, count: usize) -> Vec<Answer> {
    let page = |status| {
        Answer::Status(
            status,
            vec![("Content-Type".into(), "text/html".into())],
            "<html/>".into(),
        )
    };
    let fault = |kind| match kind {
        0 => Answer::DropBeforeReading,
        1 => Answer::DropAfterCommit,
        2 => Answer::CutAfterCommit,
        3 => Answer::StallAfterCommit(Duration::from_millis(1500)),
        4 => Answer::Status(503, vec![("Retry-After".into(), "1".into())], String::new()),
        5 => Answer::Status(500, vec![], "lỗi".into()),
        6 => page(502),
        7 => Answer::Html,
        8 => Answer::Status(
            302,
            vec![("Location".into(), "https://example.org/login".into())],
            String::new(),
        ),
        9 => Answer::Status(429, vec![], String::new()),
        _ => Answer::Normal,
    };
    (0..count).map(|_| fault(dice.u8(0..16))).collect()
}

#[test]
fn whatever_faults_come_in_whatever_order_each_visit_arrives_once_and_every_receipt_is_true() {
    for seed in [1, 2] {
        let world = World::with(Wish {
            fhir: Some("timeout = \"1s\"".into()),
            gateway: Some("timeout = \"1s\"".into()),
            ..Wish::default()
        });
        let mut dice = fastrand::Rng::with_seed(seed);
        let files = plain(400 + seed, 12);
        let keys: BTreeSet<String> = whole_keys(&files).into_iter().collect();
        world.drop_all(&files);
        world.fhir.script(faults(&mut dice, 24));
        let mut at_the_gateway = faults(&mut dice, 12);
        at_the_gateway.extend((0..4).map(|_| failed_inside(&mut dice)));
        dice.shuffle(&mut at_the_gateway);
        world.gateway.script(at_the_gateway);
        world.gateway.script_tokens(faults(&mut dice, 4));
        let mut found_there = BTreeSet::new();
        for round in 0.. {
            assert!(round < 40, "seed {seed}: it never ends: {:?}", world.listed("waiting"));
            let code = world.run(&["run", "--once", "--now"]).code;
            assert!(matches!(code, Some(0 | 65 | 75)), "seed {seed}: {code:?}");
            // A person looks up at the gateway what is in doubt, and says what is so.
            let parked = world.listed("parked").into_iter();
            for item in parked.filter(|item| item["detail"]["kind"] != "dropped") {
                assert_eq!(item["detail"]["kind"], "in-doubt", "seed {seed}: {item}");
                let (id, key) = (
                    item["id"].as_str().unwrap(),
                    item["key"].as_str().unwrap().replace("79999/", ""),
                );
                if world.claims().iter().any(|(there, _)| *there == key) {
                    world.run(&["queue", "drop", id, "--reason", "có trên cổng"]).with(0);
                    found_there.insert(key);
                } else {
                    world.run(&["queue", "retry", id]).with(0);
                }
            }
            if code == Some(0) {
                break;
            }
        }
        let encounters = world.encounters();
        assert_eq!(encounters.keys().cloned().collect::<BTreeSet<_>>(), keys, "seed {seed}");
        assert!(
            encounters.values().all(|versions| versions.len() == 1),
            "seed {seed}: {encounters:?}"
        );
        let claims: BTreeMap<String, usize> = world.claims().into_iter().collect();
        assert!(claims.values().all(|times| *times == 1), "seed {seed}: {claims:?}");
        assert_eq!(claims.keys().cloned().collect::<BTreeSet<_>>(), keys, "seed {seed}");
        // Each claim at the gateway has its receipt, or a person has seen it there; and no receipt is of anything else.
        let mut transactions: BTreeMap<String, String> = world
            .gateway
            .accepted()
            .into_iter()
            .map(|claim| (claim.transaction, claim.key))
            .collect();
        let receipts = world.receipts();
        for receipt in receipts.iter().filter(|row| row[1] == "insurance") {
            assert!(transactions.remove(&receipt[5]).is_some(), "seed {seed}: {receipt:?}");
        }
        assert_eq!(
            transactions.into_values().collect::<BTreeSet<_>>(),
            found_there,
            "seed {seed}"
        );
        assert_eq!(
            receipts.iter().filter(|row| row[1] == "vhr").count(),
            keys.len(),
            "seed {seed}"
        );
    }
}

#[test]
fn after_days_without_a_line_all_goes_when_it_is_back() {
    let wish = |url: Option<&str>| Wish {
        fhir: None,
        gateway_url: url.map(str::to_owned),
        ..Wish::default()
    };
    let world = World::with(wish(Some("https://khong-co-that.invalid")));
    for day in 0..3 {
        world.drop_in(&format!("{day}.xml"), &one_visit(310 + day).bytes);
        world.run(&["run", "--once", "--now"]).with(75);
    }
    assert_eq!((world.listed("waiting").len(), world.listed("parked").len()), (3, 0));
    assert!(
        world.listed("waiting")[0]["text"]
            .as_str()
            .unwrap()
            .contains("kiểm tra")
    );
    world.configure(&wish(None));
    world.run(&["run", "--once", "--now"]).with(0);
    assert_eq!(world.claims().len(), 3);
    assert_eq!(world.receipts().len(), 3);
}
