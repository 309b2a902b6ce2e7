//! One visit exported under two `MA_LK`: the gateway gets it once, and a person is told before it says no.

use std::fs;

use vhr_agent::demo::exports::Oddity;

use crate::harness::{World, odd};

/// A visit with a card, and what it is called.
fn visit() -> (String, String) {
    let file = odd(841, Oddity::Inline);
    let key = file.visits[0].key.clone().unwrap();
    let text = String::from_utf8(file.bytes).unwrap();
    assert!(!text.contains("<MA_THE_BHYT></MA_THE_BHYT>") && text.contains("<MA_THE_BHYT>"));
    (key, text)
}

#[test]
fn a_visit_under_two_numbers_is_one_claim_and_two_encounters_until_a_person_says_otherwise() {
    let world = World::new();
    let (key, text) = visit();
    let again = |number: u32| format!("{key}-{number}");
    let exported = |number: u32| text.replace(&key, &again(number));
    world.drop_in("a.xml", text.as_bytes());
    world.once().with(0);
    world.drop_in("b.xml", exported(2).as_bytes());
    world.once().with(65);
    assert_eq!(world.claims(), [(key.clone(), 1)]);
    assert_eq!(world.encounters().len(), 2, "VHR is told of both");

    let parked = world.listed("parked");
    let [held] = parked.as_slice() else {
        panic!("one is held")
    };
    let told = |name: &str| held[name].as_str().unwrap();
    assert_eq!(told("key"), format!("79999/{}", again(2)));
    let why = told("text");
    let ls = world.run(&["queue", "ls"]).with(0).out;
    for word in ["Mã 61: trùng hồ sơ", "`queue drop`", "`queue retry`"] {
        assert!(why.contains(word) && ls.contains(word), "{word}: {ls}");
    }
    assert!(why.contains("Code 61") && why.contains("[CLAIM-TWICE]"), "{why}");
    // The record that it names is the one that arrived.
    let named = why.split_once("hồ sơ ").unwrap().1.split_once('.').unwrap().0;
    let shown = world.run(&["queue", "show", named, "--json"]).with(0).json();
    assert_eq!(shown[0]["key"], format!("79999/{key}"));
    for secret in ["<MA_THE_BHYT>", "<HO_TEN>"] {
        let value = text.split_once(secret).unwrap().1.split_once('<').unwrap().0;
        assert!(!why.contains(value), "{why}");
    }
    let report = world.run(&["report", "--format", "csv"]).with(0).out;
    assert!(report.contains("twice"), "{report}");

    // It is known without the index too.
    fs::remove_dir_all(world.path("state/index")).unwrap();
    world.drop_in("c.xml", exported(3).as_bytes());
    world.once().with(65);
    assert_eq!(world.listed("parked").len(), 2);
    assert_eq!(world.claims(), [(key.clone(), 1)]);

    world.run(&["queue", "retry", told("id")]).with(0);
    world.once().with(65);
    assert_eq!(world.claims(), [(key.clone(), 1), (again(2), 1)]);
    let third = world.listed("parked").remove(0);
    let third = third["id"].as_str().unwrap();
    world.run(&["queue", "drop", third, "--reason", "xuất hai lần"]).with(0);
    world.once().with(0);
    world.run(&["queue", "verify"]).with(0);
}
