//! Whatever is damaged in the state folder: exactly that is set aside, what can be made anew is, and the rest flows.

use std::fs;

use crate::harness::{World, one_visit};
use crate::survival::{Tally, damage};

/// All of it with `DAMAGE=all`; with another text the cases that have it in their names.
#[test]
fn whatever_is_damaged_it_starts_and_nothing_is_lost_and_nothing_is_sent_again() {
    let wanted: Option<&'static str> = std::env::var("DAMAGE").ok().map(|text| &*text.leak());
    let tally = damage::run(damage::Size {
        cases: wanted.is_none().then_some(36),
        seed: 3176,
        only: wanted.filter(|only| *only != "all"),
    });
    assert!(tally.is_clean(), "{}\n{tally}", Tally::HEAD);
}

#[test]
fn without_any_copy_of_its_key_it_says_so_and_touches_nothing() {
    let world = World::new();
    world.drop_in("a.xml", &one_visit(7002).bytes);
    world.once().with(0);
    let state = world.path("state");
    for name in ["storage.key", "storage.key.copy"] {
        fs::remove_file(state.join(name)).unwrap();
    }
    let before = fs::read(state.join("keyring")).unwrap();
    for _ in 0..2 {
        let refused = world.once().with(1);
        assert!(refused.err.contains("storage.key"), "{}", refused.err);
        assert!(refused.err.contains("key recover"), "{}", refused.err);
    }
    assert!(!state.join("storage.key").exists());
    assert_eq!(fs::read(state.join("keyring")).unwrap(), before);
    assert_eq!((world.fhir.transactions(), world.gateway.accepted_count()), (1, 1));
}
