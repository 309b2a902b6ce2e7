//! Endpoints that misbehave, and what is delivered all the same.

use std::time::Duration;

use vhr_agent::demo::exports::Oddity;
use vhr_agent::demo::receivers::{Answer, Ca, ClientCredentials, FhirOptions};
use vhr_agent::digest::sha256_hex;

use crate::harness::{Wish, World, eventually, odd, one_visit, plain, whole_keys};

/// Once a year, at midnight of New Year.
const FAR_AWAY: &str = r#"schedule = "0 0 0 1 1 *""#;

fn only_fhir(more: &str) -> Wish {
    Wish {
        fhir: Some(more.to_owned()),
        gateway: None,
        ..Wish::default()
    }
}

fn only_gateway(more: &str) -> Wish {
    Wish {
        fhir: None,
        gateway: Some(more.to_owned()),
        ..Wish::default()
    }
}

/// An address where nobody listens.
fn dead() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn outside_its_window_nothing_is_sent_unless_a_person_says_now() {
    let world = World::with(Wish {
        fhir: Some(FAR_AWAY.into()),
        ..Wish::default()
    });
    let file = one_visit(201);
    world.drop_in("a.xml", &file.bytes);
    world.once().with(75);
    assert_eq!((world.fhir.transactions(), world.gateway.accepted_count()), (0, 1));
    let status = world.run(&["status", "--json"]).with(3).json();
    assert!(status["endpoints"][0]["next_window"].is_string());
    world.once().with(75);
    assert_eq!(world.fhir.transactions(), 0);
    world.run(&["run", "--once", "--now"]).with(0);
    world.all_arrived_once(&whole_keys(&[file]));
}

#[test]
fn a_changed_schedule_counts_for_what_waits_already() {
    let world = World::with(only_fhir(FAR_AWAY));
    world.drop_in("a.xml", &one_visit(202).bytes);
    world.once().with(75);
    world.configure(&only_fhir(""));
    world.once().with(0);
    assert_eq!(world.fhir.transactions(), 1);
}

#[test]
fn after_a_lost_reply_the_fhir_server_gets_it_again_and_still_has_one_encounter() {
    let world = World::with(only_fhir("timeout = \"1s\""));
    world.fhir.script([
        Answer::DropAfterCommit,
        Answer::CutAfterCommit,
        Answer::StallAfterCommit(Duration::from_secs(5)),
    ]);
    let files = plain(203, 3);
    world.drop_all(&files);
    world.once().with(0);
    let encounters = world.encounters();
    assert_eq!(encounters.len(), 3);
    assert!(
        encounters.values().all(|versions| versions.len() == 1),
        "{encounters:?}"
    );
    assert_eq!(world.fhir.transactions(), 6, "each lost reply costs one more");
    assert_eq!(world.receipts().len(), 3);
}

#[test]
fn after_a_lost_reply_the_gateway_gets_nothing_until_a_person_has_looked() {
    let world = World::with(only_gateway("in_doubt = \"ask\""));
    world.gateway.script([Answer::DropAfterCommit, Answer::CutAfterCommit]);
    world.drop_all(&plain(204, 2));
    world.once().with(65);
    world.once().with(65);
    assert_eq!(
        world.claims().iter().map(|(_, times)| *times).collect::<Vec<_>>(),
        [1, 1]
    );
    assert_eq!(world.receipts().len(), 0, "nothing is claimed to have arrived");
    let parked = world.listed("parked");
    assert_eq!(parked.len(), 2);
    for item in &parked {
        assert_eq!(item["detail"]["kind"], "in-doubt", "{item}");
        let text = item["text"].as_str().unwrap();
        assert!(
            text.contains("queue resolve") && !text.contains("queue retry"),
            "{item}"
        );
    }

    // A person finds one there and drops it, and asks for the other again.
    let id = |nth: usize| parked[nth]["id"].as_str().unwrap().to_owned();
    world
        .run(&["queue", "drop", &id(0), "--reason", "có trên cổng"])
        .with(0);
    world.run(&["queue", "retry", &id(1)]).with(0);
    world.once().with(0);
    let mut times: Vec<_> = world.claims().iter().map(|(_, times)| *times).collect();
    times.sort_unstable();
    assert_eq!(times, [1, 2]);
    assert_eq!(world.receipts().len(), 1);
    assert!(
        world
            .run(&["queue", "show", &id(0)])
            .with(0)
            .out
            .contains("có trên cổng")
    );
    // What has arrived is not asked for again.
    world.run(&["queue", "retry", &id(1)]).with(1);
}

#[test]
fn an_error_of_the_gateway_after_which_it_may_have_it_is_in_doubt_too() {
    let world = World::with(only_gateway(""));
    world
        .gateway
        .script([Answer::Status(500, vec![], "Internal Server Error".into())]);
    world.drop_in("a.xml", &one_visit(205).bytes);
    world.once().with(65);
    assert_eq!(world.listed("parked")[0]["detail"]["kind"], "in-doubt");
}

#[test]
fn with_resend_the_gateway_gets_it_again_by_itself() {
    let world = World::with(only_gateway("in_doubt = \"resend\""));
    world.gateway.script([Answer::DropAfterCommit]);
    world.drop_in("a.xml", &one_visit(206).bytes);
    world.once().with(0);
    assert_eq!(world.claims()[0].1, 2);
    assert_eq!(world.receipts().len(), 1);
}

#[test]
fn an_endpoint_that_is_busy_is_asked_again_after_the_time_it_wishes() {
    let world = World::new();
    let wish = |seconds: &str| Answer::Status(429, vec![("Retry-After".into(), seconds.into())], String::new());
    world.fhir.script([wish("1")]);
    world.gateway.script([wish("3600")]);
    world.drop_in("a.xml", &one_visit(207).bytes);
    let before = vhr_agent::clock::now();
    world.once().with(75);
    assert_eq!((world.fhir.transactions(), world.gateway.accepted_count()), (1, 0));
    let waiting = world.listed("waiting");
    let until = waiting[0]["detail"]["not_before"].as_i64().expect("milliseconds");
    assert!(until >= before.millis() + 3_600_000, "{waiting:?}");
    // Not before its time, unless a person says now.
    world.once().with(75);
    assert_eq!(world.gateway.accepted_count(), 0);
    world.run(&["run", "--once", "--now"]).with(0);
    world.all_arrived_once(&whole_keys(&[one_visit(207)]));
}

#[test]
fn an_endpoint_that_was_ill_for_a_while_gets_everything_afterwards_once() {
    let world = World::new();
    let ill = || Answer::Status(503, vec![], "Service Unavailable".into());
    world.fhir.script([ill(), ill()]);
    world.gateway.script([ill(), ill()]);
    world.gateway.script_tokens([ill()]);
    let files = plain(208, 2);
    world.drop_all(&files);
    world.once().with(0);
    world.all_arrived_once(&whole_keys(&files));
}

#[test]
fn a_token_that_the_other_side_forgot_is_renewed_once_and_nobody_notices() {
    let world = World::new();
    let service = world.service();
    world.drop_in("a.xml", &one_visit(209).bytes);
    eventually("the first arrives", || world.gateway.accepted_count() == 1);
    world.gateway.invalidate_tokens();
    world.drop_in("b.xml", &one_visit(210).bytes);
    eventually("the second arrives", || {
        world.gateway.accepted_count() == 2 && world.encounters().len() == 2
    });
    eventually("with receipts", || world.receipts().len() == 4);
    assert_eq!(world.gateway.tokens_issued(), 2);
    assert_eq!(world.gateway.refused().values().sum::<u64>(), 1);
    service.terminate().with(0);
    world.all_arrived_once(&whole_keys(&[one_visit(209), one_visit(210)]));
}

#[test]
fn a_fhir_server_with_oauth2_gives_a_token_and_after_a_restart_another() {
    let credentials = ClientCredentials {
        id: "bv-79999".into(),
        secret: "bí mật của khách".into(),
    };
    let mut wish = only_fhir("");
    wish.fhir_options = FhirOptions {
        auth: Some(credentials.clone()),
        keep: true,
        ..FhirOptions::default()
    };
    let world = World::with(wish);
    std::fs::write(world.path("client-secret"), &credentials.secret).unwrap();
    let auth = format!(
        "auth = {{ kind = \"oauth2-client\", token_url = \"{}/token\", client_id = \"{}\", client_secret = {{ file = \"{}\" }} }}",
        world.fhir.url(),
        credentials.id,
        world.path("client-secret").display(),
    );
    world.configure(&only_fhir(&auth));
    let service = world.service();
    world.drop_all(&plain(211, 2));
    eventually("two arrive", || world.encounters().len() == 2);
    assert_eq!(world.fhir.tokens_issued(), 1);
    world.fhir.invalidate_tokens();
    world.drop_in("later.xml", &one_visit(212).bytes);
    eventually("the third arrives", || world.encounters().len() == 3);
    assert_eq!(world.fhir.tokens_issued(), 2);
    service.terminate().with(0);
    assert_eq!(world.receipts().len(), 3);
}

#[test]
fn with_a_wrong_account_everything_waits_and_nothing_is_parked() {
    let world = World::with(only_gateway(""));
    std::fs::write(world.path("gateway-password"), "sai rồi").unwrap();
    world.drop_in("a.xml", &one_visit(213).bytes);
    let done = world.once().with(75);
    assert_eq!(world.gateway.accepted_count(), 0);
    assert_eq!(world.listed("parked").len(), 0);
    assert!(!done.err.contains("sai rồi"), "{}", done.err);
    let waiting = world.listed("waiting");
    assert_eq!(waiting[0]["detail"]["last"]["kind"], "not-let-in", "{waiting:?}");
}

#[test]
fn a_refused_visit_is_parked_with_the_endpoints_words_while_others_go_on() {
    let world = World::new();
    let files = plain(214, 4);
    let keys = whole_keys(&files);
    world.gateway.refuse([keys[0].clone()]);
    world.fhir.refuse([keys[1].clone()]);
    world.drop_all(&files);
    world.once().with(65);
    assert_eq!((world.encounters().len(), world.gateway.accepted_count()), (3, 3));
    let parked = world.listed("parked");
    assert_eq!(parked.len(), 2);
    for (key, endpoint, words) in [(&keys[0], "@insurance", "701"), (&keys[1], "@vhr", "422")] {
        let item = parked
            .iter()
            .find(|item| item["id"].as_str().unwrap().ends_with(endpoint))
            .unwrap();
        assert_eq!(item["detail"]["kind"], "refused");
        assert!(item["key"].as_str().unwrap().ends_with(key.as_str()), "{item}");
        assert!(item["text"].as_str().unwrap().contains(words), "{item}");
    }
    assert_eq!(world.receipts().len(), 6);
}

#[test]
fn a_dead_endpoint_does_not_slow_the_other() {
    let world = World::with(Wish {
        fhir_url: Some(dead()),
        ..Wish::default()
    });
    let mut service = world.service();
    world.drop_all(&plain(215, 8));
    eventually("all are at the gateway", || world.gateway.accepted_count() == 8);
    eventually("its receipts are written", || world.receipts().len() == 8);
    eventually("the trouble is told", || {
        let status = world.run(&["status", "--json"]);
        status.json()["endpoints"][0]["trouble"].is_string()
    });
    eventually("the line is given up for a while, and a person is told", || {
        world.run(&["status"]).code == Some(1)
    });
    assert!(service.is_running());
    service.terminate().with(0);
    world.once().with(75);
    assert_eq!(world.gateway.accepted_count(), 8);
}

#[test]
fn a_silent_endpoint_does_not_slow_the_other() {
    let world = World::new();
    world.fhir.script(vec![Answer::Stall(Duration::from_secs(600)); 64]);
    let service = world.service();
    world.drop_all(&plain(216, 8));
    eventually("all are at the gateway", || world.gateway.accepted_count() == 8);
    eventually("its receipts are written", || world.receipts().len() == 8);
    assert_eq!(world.fhir.transactions(), 0);
    service.kill();
}

#[test]
fn the_login_page_of_a_network_is_no_receipt() {
    let world = World::new();
    world.fhir.script([Answer::Html]);
    world.gateway.script([Answer::Html]);
    world.drop_in("a.xml", &one_visit(217).bytes);
    world.once().with(0);
    world.all_arrived_once(&whole_keys(&[one_visit(217)]));
    assert_eq!(world.receipts().len(), 2);
}

#[test]
fn a_server_whose_certificate_nobody_vouches_for_gets_nothing() {
    let world = World::new();
    std::fs::write(world.path("ca.pem"), Ca::new().unwrap().pem()).unwrap();
    world.drop_in("a.xml", &one_visit(218).bytes);
    world.once().with(75);
    assert_eq!((world.fhir.transactions(), world.gateway.tokens_issued()), (0, 0));
    for item in world.listed("waiting") {
        assert_eq!(item["detail"]["last"]["kind"], "no-connection", "{item}");
    }
}

#[test]
fn a_file_of_one_visit_reaches_the_gateway_byte_for_byte() {
    let world = World::with(only_gateway(""));
    let files = [one_visit(219), odd(220, Oddity::Signed), odd(221, Oddity::Crlf)];
    for (nth, file) in files.iter().enumerate() {
        world.drop_in(&format!("{nth}.xml"), &file.bytes);
    }
    world.once().with(0);
    let (taken, receipts) = (world.gateway.accepted(), world.receipts());
    for file in &files {
        let digest = sha256_hex(&file.bytes);
        assert!(
            taken.iter().any(|accepted| accepted.sha256 == digest),
            "{:?}",
            file.kind
        );
        let receipt = receipts
            .iter()
            .find(|row| row[6] == digest)
            .expect("its receipt names the bytes sent");
        let transaction = &taken
            .iter()
            .find(|accepted| accepted.sha256 == digest)
            .unwrap()
            .transaction;
        assert_eq!(&receipt[5], transaction);
        assert_eq!(receipt[8], "", "nothing was done to it");
    }
}

#[test]
fn a_signed_file_of_several_visits_is_parked_for_the_gateway_and_delivered_to_the_fhir_server() {
    let world = World::new();
    let file = odd(222, Oddity::SignedMany);
    let path = world.drop_in("signed.xml", &file.bytes);
    world.once().with(65);
    assert_eq!((world.encounters().len(), world.gateway.accepted_count()), (2, 0));
    let parked = world.listed("parked");
    assert_eq!(parked.len(), 2);
    for item in &parked {
        assert_eq!(item["detail"]["kind"], "signed-several");
        assert!(item["id"].as_str().unwrap().ends_with("@insurance"));
    }
    assert_eq!(std::fs::read(path).unwrap(), file.bytes);
}

#[test]
fn a_gateway_that_takes_only_signed_claims_gets_those_whose_signature_holds_byte_for_byte() {
    let world = World::with(Wish {
        gateway: Some("signed = \"only\"".to_owned()),
        // The signed file is about its signature and holds next to nothing else.
        storage: "[rules]\noff = [\"XML*\"]",
        ..Wish::default()
    });
    let signed = include_bytes!("../agent/src/signature/vectors/valid.xml");
    let broken = String::from_utf8_lossy(signed).replace("PE1BX0xLPkxLMTwv", "PE1BX0xLPkxLMjwv");
    world.drop_in("signed.xml", signed);
    world.drop_in("changed.xml", broken.as_bytes());
    world.drop_in("unsigned.xml", &one_visit(231).bytes);
    world.once().with(65);
    let accepted = world.gateway.accepted();
    assert_eq!(accepted.iter().map(|claim| &*claim.key).collect::<Vec<_>>(), ["LK1"]);
    assert_eq!(accepted[0].sha256, sha256_hex(signed));
    let parked = world.listed("parked");
    assert_eq!(parked.len(), 2, "{parked:?}");
    assert!(
        parked.iter().all(|item| item["detail"]["kind"] == "unsigned"),
        "{parked:?}"
    );
    assert_eq!(
        world.fhir.resources()["Encounter"],
        3,
        "the FHIR server asks for no signature"
    );
}

#[test]
fn an_unsigned_file_of_several_visits_is_split_and_every_receipt_says_so() {
    let world = World::new();
    let files = [odd(223, Oddity::ManyRecords), odd(224, Oddity::WrongCount)];
    for (nth, file) in files.iter().enumerate() {
        world.drop_in(&format!("{nth}.xml"), &file.bytes);
    }
    world.once().with(0);
    world.all_arrived_once(&whole_keys(&files));
    let receipts = world.receipts();
    let claims: Vec<_> = receipts.iter().filter(|row| row[1] == "insurance").collect();
    assert_eq!(claims.len(), 5);
    assert!(claims.iter().all(|row| row[8].contains("split")), "{claims:?}");
}

#[test]
fn every_oddity_and_every_breakage_costs_no_more_than_what_it_breaks() {
    use vhr_agent::demo::exports::{Options, generate};
    let world = World::new();
    let files: Vec<_> = generate(&Options {
        seed: 225,
        visits: 30,
        ..Options::demo()
    })
    .collect();
    world.drop_all(&files);
    world.once().with(65);
    let mut keys = whole_keys(&files);
    keys.sort();
    assert_eq!(world.encounters().keys().cloned().collect::<Vec<_>>(), keys);
    let parked: Vec<_> = world.listed("parked");
    assert_eq!(world.claims().len() + parked.len(), keys.len());
    assert!(parked.iter().all(|item| item["detail"]["kind"] == "signed-several"));
    // Nothing disappears: what was found is mapped, refused or set aside.
    let status = world.run(&["status", "--json"]).with(3).json();
    let source = &status["sources"][0];
    let broken: usize = files.iter().map(|file| file.visits.len()).sum::<usize>() - keys.len();
    assert_eq!(source["records"], keys.len());
    let aside = world.listed("set-aside").len() + world.listed("refused").len();
    assert_eq!(
        aside,
        broken + 2,
        "each broken visit, the empty file, and that a file has no end"
    );
}
