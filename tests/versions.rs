//! A visit that comes again: what the newer version says otherwise, and to whom that is told.

use std::fs;

use serde_json::Value;
use vhr_agent::demo::exports::Oddity;

use crate::harness::{Wish, World, files_below, odd};

const FAR_AWAY: &str = r#"schedule = "0 0 0 1 1 *""#;
const CORRECTED: &str = "Đã sửa hướng điều trị";

/// One visit before it was paid, and after: the day of payment is there, and the treatment was corrected.
fn versions(seed: u64) -> (Vec<u8>, Vec<u8>) {
    let file = odd(seed, Oddity::Inline);
    let text = String::from_utf8(file.bytes.clone()).unwrap();
    let (before, rest) = text.split_once("<NGAY_TTOAN>").unwrap();
    let (_, after) = rest.split_once("</NGAY_TTOAN>").unwrap();
    let unpaid = format!("{before}<NGAY_TTOAN></NGAY_TTOAN>{after}");
    let paid = format!("{before}<NGAY_TTOAN>202609301500</NGAY_TTOAN>{after}");
    let (before, rest) = paid.split_once("<PP_DIEU_TRI>").unwrap();
    let (_, after) = rest.split_once("</PP_DIEU_TRI>").unwrap();
    let corrected = format!("{before}<PP_DIEU_TRI>{CORRECTED}</PP_DIEU_TRI>{after}");
    // Written with its marks apart it says the same.
    assert!(corrected.contains("Uống thuốc"));
    let spoiled = corrected.replace("Uống thuốc", "Uo\u{302}\u{301}ng thuo\u{302}\u{301}c");
    (unpaid.into_bytes(), spoiled.into_bytes())
}

fn fields(shown: &Value) -> Vec<&str> {
    let differences = shown["before"]["differences"].as_array().unwrap();
    differences.iter().map(|one| one["field"].as_str().unwrap()).collect()
}

fn record(item: &Value) -> &str {
    item["id"].as_str().unwrap().split_once('@').unwrap().0
}

#[test]
fn what_a_newer_version_says_otherwise_is_shown_field_by_field_and_nowhere_else() {
    let world = World::with(Wish {
        gateway: Some(FAR_AWAY.into()),
        ..Wish::default()
    });
    let (unpaid, paid) = versions(811);
    world.drop_in("a.xml", &unpaid);
    world.once().with(75);
    let first = world.listed("waiting").remove(0);
    let alone = world.run(&["queue", "show", record(&first), "--json"]).with(0).json();
    assert!(
        alone
            .as_array()
            .unwrap()
            .iter()
            .all(|item| item.get("before").is_none())
    );
    world.drop_in("b.xml", &paid);
    world.once().with(75);
    assert_eq!(world.listed("superseded").len(), 1);
    let second = world.listed("waiting").remove(0);
    let ask = ["queue", "show", record(&second), "--json"];
    let check = |shown: Value| {
        assert_eq!(shown.as_array().unwrap().len(), 2, "one for each receiver");
        for item in shown.as_array().unwrap() {
            assert_eq!(item["before"]["record"], record(&first), "{item}");
            let mut told = fields(item);
            told.sort_unstable();
            assert_eq!(told, ["NGAY_TTOAN", "PP_DIEU_TRI"]);
            let one = |field: &str| {
                let all = item["before"]["differences"].as_array().unwrap();
                all.iter().find(|one| one["field"] == field).unwrap().clone()
            };
            let paid = one("NGAY_TTOAN");
            assert_eq!((&paid["table"], &paid["row"]), (&"XML1".into(), &"STT 1".into()));
            assert_eq!((paid.get("old"), &paid["new"]), (None, &"202609301500".into()));
            assert!(paid["name"].as_str().unwrap().contains("thanh toán"), "{paid}");
            assert_eq!(one("PP_DIEU_TRI")["new"], CORRECTED);
            assert_eq!(item["before"]["more"], 0);
        }
    };
    check(world.run(&ask).with(0).json());
    let text = world.run(&["queue", "show", record(&second)]).with(0).out;
    assert!(text.contains("differs from") && text.contains(CORRECTED), "{text}");

    let service = world.service();
    check(world.run(&ask).with(0).json());
    let done = service.terminate().with(0);
    let status = world.run(&["status", "--json"]).out;
    assert!(!done.err.contains(CORRECTED) && !status.contains(CORRECTED));

    // The copy of the older one is let go.
    let mut copies = files_below(&world.path("state").join("spool/in"));
    copies.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    fs::remove_file(&copies[0]).unwrap();
    let shown = world.run(&ask).with(0).json();
    let note = shown[0]["before"]["note"]["en"].as_str().unwrap();
    assert!(note.contains("not kept") && fields(&shown[0]).is_empty(), "{shown}");
}
