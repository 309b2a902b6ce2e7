//! A patient is received at noon: the gateway is told at once, by a path of its own, whatever the schedule of claims.

use std::fs;

use vhr_agent::demo::receivers::Answer;
use vhr_agent::digest::sha256_hex;

use crate::harness::{Service, Wish, World, eventually, one_visit, plain};

const FAR_AWAY: &str = r#"schedule = "0 0 0 1 1 *""#;

/// The document of a check-in of this visit.
fn check_in(key: &str, order: &str) -> String {
    let fields = [
        ("MA_LK", key),
        ("STT", "1"),
        ("MA_BN", "BN0001"),
        ("HO_TEN", "Nguyễn Thị Mẫu"),
        ("NGAY_SINH", "199503150000"),
        ("GIOI_TINH", "2"),
        ("MA_DOITUONG_KCB", "1.1"),
        ("NGAY_VAO", "202609100800"),
        ("MA_LOAI_KCB", "01"),
        ("MA_CSKCB", "79999"),
        ("MA_DICH_VU", "02.1896"),
        ("TEN_DICH_VU", "Khám Nội"),
        ("NGAY_YL", order),
    ];
    let fields = fields.map(|(name, value)| format!("<{name}>{value}</{name}>")).concat();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<CHI_TIEU_TRANG_THAI_KCB><DSACH_TRANG_THAI_KCB><TRANG_THAI_KCB>{fields}\
         </TRANG_THAI_KCB></DSACH_TRANG_THAI_KCB><CHUKYDONVI></CHUKYDONVI></CHI_TIEU_TRANG_THAI_KCB>\n"
    )
}

/// The same in the envelope of claims, as XML within XML.
fn wrapped(document: &str) -> String {
    let (_, table) = document.split_once('\n').unwrap();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<GIAMDINHHS><THONGTINDONVI><MACSKCB>79999</MACSKCB></THONGTINDONVI><THONGTINHOSO>\
         <NGAYLAP>20260910</NGAYLAP><SOLUONGHOSO>1</SOLUONGHOSO><DANHSACHHOSO><HOSO><FILEHOSO><LOAIHOSO>XML0</LOAIHOSO>\
         <NOIDUNGFILE>{table}</NOIDUNGFILE></FILEHOSO></HOSO></DANHSACHHOSO></THONGTINHOSO><CHUKYDONVI></CHUKYDONVI></GIAMDINHHS>"
    )
}

/// A gateway that gets its claims once a year, and nobody else.
fn nightly(more: &str) -> World {
    World::with(Wish {
        fhir: None,
        gateway: Some(format!("{FAR_AWAY}\n{more}")),
        ..Wish::default()
    })
}

/// What the gateway has taken: whose, and whether it was a check-in.
fn taken(world: &World) -> Vec<(String, bool)> {
    let accepted = world.gateway.accepted().into_iter();
    accepted.map(|one| (one.key, one.check_in)).collect()
}

fn restarted(service: Service, world: &World) -> Service {
    service.kill();
    world.service()
}

#[test]
fn a_check_in_arrives_at_once_and_once_and_the_claim_of_its_visit_in_its_night() {
    let world = nightly("");
    let claim = one_visit(821);
    let key = claim.visits[0].key.clone().unwrap();
    let document = check_in(&key, "202609100805");
    let service = world.service();
    world.drop_in("checkin.xml", document.as_bytes());
    eventually("the check-in arrives", || world.gateway.accepted_count() == 1);
    let first = world.gateway.accepted().remove(0);
    assert_eq!(
        (first.key.as_str(), first.check_in, first.standard),
        (key.as_str(), true, "3176")
    );
    assert_eq!(first.sha256, sha256_hex(document.as_bytes()), "byte for byte");

    world.drop_in("claim.xml", &claim.bytes);
    eventually("the claim waits", || world.listed("waiting").len() == 1);
    assert!(
        world.listed("waiting")[0]["id"]
            .as_str()
            .unwrap()
            .ends_with("@insurance")
    );
    eventually("the check-in has its receipt", || world.listed("delivered").len() == 1);
    assert!(
        world.listed("delivered")[0]["id"]
            .as_str()
            .unwrap()
            .ends_with("@insurance.check-in")
    );

    // Over a restart, and in another wrapping, it is not sent again.
    let service = restarted(service, &world);
    world.drop_in("again.xml", wrapped(&document).as_bytes());
    let known = || world.run(&["status", "--json"]).with(0).json()["sources"][0]["known"] == 1;
    eventually("it is known", known);
    let status = world.run(&["status", "--json"]).json();
    let line = |name: &str| {
        let all = status["endpoints"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(line("insurance")["waiting"], 1);
    assert_eq!(
        (
            &line("insurance.check-in")["delivered"],
            &line("insurance.check-in")["next_window"]
        ),
        (&1.into(), &().into())
    );
    service.terminate().with(0);
    assert_eq!(taken(&world), [(key.clone(), true)]);

    world.run(&["run", "--once", "--now"]).with(0);
    assert_eq!(taken(&world), [(key.clone(), true), (key, false)]);
    assert!(world.listed("superseded").is_empty());
    assert_eq!(world.receipts().len(), 2);
    world.once().with(0);
    assert_eq!(world.gateway.accepted_count(), 2);
    world.run(&["queue", "verify"]).with(0);
}

#[test]
fn a_check_in_has_a_line_of_its_own_for_what_goes_wrong_and_for_its_corrections() {
    let world = nightly("in_doubt = \"resend\"");
    let claim = one_visit(822);
    let key = claim.visits[0].key.clone().unwrap();
    world.drop_in("claim.xml", &claim.bytes);
    world.once().with(75);
    world.gateway.script([Answer::Status(503, vec![], String::new())]);
    world.drop_in("checkin.xml", wrapped(&check_in(&key, "202609100805")).as_bytes());
    world.once();
    eventually("it is tried again", || {
        world.once();
        world.gateway.accepted_count() == 1
    });
    // Corrected, it goes at once too; the claim still waits, and has lost nothing.
    world.drop_in("corrected.xml", check_in(&key, "202609100830").as_bytes());
    world.once().with(75);
    assert_eq!(taken(&world), [(key.clone(), true), (key.clone(), true)]);
    let waiting = world.listed("waiting");
    assert_eq!(waiting.len(), 1);
    let shown = world
        .run(&["queue", "show", waiting[0]["id"].as_str().unwrap(), "--json"])
        .with(0)
        .json();
    assert!(
        shown[0].get("before").is_none(),
        "a check-in is no version of a claim: {shown}"
    );
    let corrected = world.listed("delivered");
    let newest = corrected.iter().find(|item| item["file"] == "corrected.xml").unwrap();
    let shown = world
        .run(&["queue", "show", newest["id"].as_str().unwrap(), "--json"])
        .with(0)
        .json();
    assert_eq!(shown[0]["before"]["differences"][0]["field"], "NGAY_YL");
    assert_eq!(shown[0]["before"]["differences"].as_array().unwrap().len(), 1);

    // By its key the claim is meant; the check-in by its line.
    world.run(&["run", "--once", "--now"]).with(0);
    world.run(&["queue", "resend", &key, "--reason", "x", "--yes"]).with(0);
    world.once().with(0);
    let line = [
        "queue",
        "resend",
        &key,
        "--endpoint",
        "insurance.check-in",
        "--reason",
        "x",
        "--yes",
    ];
    world.run(&line).with(0);
    world.once().with(0);
    let kinds: Vec<bool> = taken(&world).into_iter().map(|(_, check_in)| check_in).collect();
    assert_eq!(kinds, [true, true, false, false, true]);
}

#[test]
fn the_path_of_check_ins_is_configured_where_the_gateway_has_another() {
    let world = nightly("check_in_path = \"/api/qd130/checkInKcbQd4750\"");
    world.drop_in("checkin.xml", check_in("79999_X1", "202609100805").as_bytes());
    world.once().with(0);
    assert_eq!(world.gateway.accepted()[0].standard, "4750");
    let config = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), config.replace("checkInKcbQd4750", "noSuchFunction")).unwrap();
    world.drop_in("other.xml", check_in("79999_X2", "202609100805").as_bytes());
    world.once();
    assert_eq!(world.gateway.accepted_count(), 1);
}

#[test]
fn claims_that_fail_hold_back_no_check_in() {
    let world = World::with(Wish {
        fhir: None,
        gateway: Some("in_flight = 1".into()),
        ..Wish::default()
    });
    // So many in a row leave the line of claims alone.
    world
        .gateway
        .script(vec![Answer::Status(503, vec![], String::new()); 5]);
    world.drop_all(&plain(823, 6));
    let _service = world.service();
    let breaker = |name: &str| {
        let status = world.run(&["status", "--json"]).json();
        let all = status["endpoints"].as_array().unwrap().clone();
        let found = all.into_iter().find(|one| one["name"] == name);
        found.map(|one| one["breaker"].as_str().unwrap().to_owned())
    };
    eventually("the line of claims is left alone", || {
        breaker("insurance").as_deref() != Some("closed")
    });
    assert_eq!(world.gateway.accepted_count(), 0);
    world.drop_in("checkin.xml", check_in("79999_X3", "202609100805").as_bytes());
    eventually("the check-in arrives", || world.gateway.accepted_count() > 0);
    assert_eq!(taken(&world)[0], ("79999_X3".to_owned(), true));
    assert_eq!(breaker("insurance.check-in").as_deref(), Some("closed"));
}

#[test]
fn elsewhere_a_claim_follows_its_check_in_and_a_late_check_in_changes_nothing() {
    let world = World::with(Wish {
        gateway: None,
        ..Wish::default()
    });
    let claim = one_visit(824);
    let key = claim.visits[0].key.clone().unwrap();
    world.drop_in("checkin.xml", check_in(&key, "202609100805").as_bytes());
    world.once().with(0);
    assert_eq!(world.encounters()[&key], [1]);
    world.drop_in("claim.xml", &claim.bytes);
    world.once().with(0);
    assert_eq!(world.encounters()[&key], [2]);
    world.drop_in("late.xml", check_in(&key, "202609100830").as_bytes());
    world.once().with(0);
    assert_eq!(world.encounters()[&key], [2], "the visit has ended there");
    assert_eq!(world.fhir.transactions(), 2);
}
