use proptest::prelude::*;

use super::*;

const VHR: &str = "vhr";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000 + seconds * 1000)
}

fn fail(open: &mut Open, kind: Kind, seconds: i64) -> Vec<Outage> {
    open.failed(What::Endpoint, VHR, kind, 1, at(seconds))
}

fn well(open: &mut Open, seconds: i64) {
    open.answered(What::Endpoint, VHR, || Some(7), at(seconds));
}

#[test]
fn an_outage_goes_from_the_first_failed_attempt_to_the_first_good_answer_and_is_told_twice() {
    let mut open = Open::default();
    let begun = fail(&mut open, Kind::NoConnection, 10);
    assert_eq!((begun.len(), begun[0].from, begun[0].to), (1, at(10), None));
    for seconds in 11..500 {
        assert_eq!(fail(&mut open, Kind::NoAnswer, seconds), []);
        assert_eq!(open.ended(at(seconds)), []);
    }
    assert_eq!(open.since(What::Endpoint, VHR), Some(at(10)));
    well(&mut open, 600);
    assert_eq!(open.since(What::Endpoint, VHR), None);
    well(&mut open, 700);
    assert_eq!(open.ended(at(800)), [], "it may fail again");
    let ended = open.ended(at(900));
    assert_eq!(
        ended,
        [Outage {
            to: Some(at(600)),
            kinds: vec![Kind::NoConnection, Kind::NoAnswer],
            attempts: 490,
            waiting: Some(7),
            ..begun[0].clone()
        }]
    );
    assert_eq!(open, Open::default());
}

#[test]
fn a_line_that_comes_and_goes_is_one_outage() {
    let mut open = Open::default();
    assert_eq!(fail(&mut open, Kind::Busy, 0).len(), 1);
    for minute in 1..100 {
        well(&mut open, minute * 60);
        assert_eq!(fail(&mut open, Kind::Busy, minute * 60 + 30), []);
        assert_eq!(open.ended(at(minute * 60 + 30)), []);
    }
    well(&mut open, 10_000);
    // Nobody asked in between: the next one that fails ends the one before.
    let told = fail(&mut open, Kind::Busy, 20_000);
    assert_eq!(
        (told[0].from, told[0].to, told[0].attempts),
        (at(0), Some(at(10_000)), 100)
    );
    assert_eq!((told[1].from, told[1].to, told.len()), (at(20_000), None, 2));
}

#[test]
fn a_good_answer_of_one_ends_no_outage_of_another() {
    let mut open = Open::default();
    fail(&mut open, Kind::NoConnection, 0);
    open.failed(What::Source, VHR, Kind::Folder, 1, at(1));
    assert!(!open.answered(What::Endpoint, "insurance", || None, at(2)));
    assert!(open.answered(What::Source, VHR, || None, at(3)));
    assert_eq!(open.since(What::Endpoint, VHR), Some(at(0)));
    assert_eq!(open.since(What::Source, VHR), None);
}

#[test]
fn a_clock_that_is_put_back_neither_keeps_an_outage_open_for_years_nor_turns_it_round() {
    let mut open = Open::default();
    fail(&mut open, Kind::Busy, 900_000_000);
    well(&mut open, 900_000_001);
    fail(&mut open, Kind::Busy, 0);
    well(&mut open, 60);
    let ended = open.ended(at(-1000));
    assert_eq!((ended[0].from, ended[0].to), (at(0), Some(at(60))));
}

#[test]
fn what_is_no_longer_configured_ends_when_it_was_last_seen() {
    let mut open = Open::default();
    fail(&mut open, Kind::Busy, 0);
    assert_eq!(open.forget(|_, name| name == VHR, at(5)), []);
    let gone = open.forget(|_, name| name == "insurance", at(5));
    assert_eq!(gone[0].to, Some(at(5)));
    assert_eq!(open, Open::default());
}

#[test]
fn only_a_silence_longer_than_between_two_signs_of_life_is_the_agents_outage() {
    assert_eq!(silence("a", at(0), false, at(59), 0), None);
    assert_eq!(silence("a", at(0), false, at(-59), 0), None, "the clock was put back");
    assert_eq!(
        silence("a", at(0), false, at(300_000_000), 0),
        None,
        "the clock was wrong"
    );
    let cut = silence("a", at(0), false, at(3600), 12).unwrap();
    assert_eq!((cut.from, cut.to, cut.waiting), (at(0), Some(at(3600)), Some(12)));
    assert_eq!(cut.kinds, [Kind::Cut]);
    assert_eq!(silence("a", at(0), true, at(3600), 0).unwrap().kinds, [Kind::Stopped]);
}

/// What the journal would hold of these.
fn book(told: impl IntoIterator<Item = Outage>) -> Book {
    let mut book = Book::default();
    told.into_iter().for_each(|outage| book.told(outage));
    book
}

fn outage(from: i64, to: Option<i64>) -> Outage {
    Outage {
        what: What::Endpoint,
        name: VHR.into(),
        from: at(from),
        to: to.map(at),
        kinds: vec![Kind::Busy],
        attempts: 1,
        waiting: None,
    }
}

#[test]
fn begin_and_end_are_listed_as_one_and_what_goes_on_as_the_agent_knows_it_last() {
    let told = [outage(0, None), outage(0, Some(60)), outage(1000, None)];
    let known = Open(vec![Outage {
        attempts: 9,
        ..outage(1000, None)
    }]);
    let list = book(told.clone()).list(Some(&known));
    assert_eq!(list[0], told[1]);
    assert_eq!((list.len(), list[1].attempts, list[1].to), (2, 9, None));
    assert_eq!(book(told).list(None)[1].to, None);
}

#[test]
fn an_end_that_got_lost_is_the_first_receipt_after_it_or_the_next_begin() {
    let mut book = book([outage(0, None)]);
    book.arrived("insurance", at(20));
    book.arrived(VHR, at(30));
    book.arrived(VHR, at(40));
    book.told(outage(5000, None));
    book.told(outage(9000, None));
    book.arrived(VHR, at(9500));
    // Between the second and the third nothing arrived: one outage.
    let list = book.list(Some(&Open::default()));
    let spans: Vec<_> = list.iter().map(|outage| (outage.from, outage.to)).collect();
    assert_eq!(spans, [(at(0), Some(at(30))), (at(5000), Some(at(9500)))]);
}

#[test]
fn short_starts_between_two_silences_are_listed_as_one() {
    let silence = |from, to| silence("agent", at(from), false, at(to), 3).unwrap();
    let list = book([silence(0, 100), silence(130, 400), silence(5000, 6000)]).list(None);
    assert_eq!(list.len(), 2);
    assert_eq!((list[0].from, list[0].to), (at(0), Some(at(400))));
}

#[test]
fn every_kind_is_said_in_both_languages() {
    for kind in [
        Kind::NoConnection,
        Kind::NoAnswer,
        Kind::Busy,
        Kind::NotLetIn,
        Kind::NotTheInterface,
        Kind::Folder,
        Kind::FolderSilent,
        Kind::Stopped,
        Kind::Cut,
        Kind::DiskFull,
    ] {
        let said = kind.said();
        assert!(!said.vi.is_empty() && !said.en.is_empty() && said.vi != said.en);
    }
}

proptest! {
    /// Whatever happens, and wherever the agent is killed: what is listed is in order, does not overlap, and every attempt that
    /// failed lies in one of them.
    #[test]
    fn whatever_happens_each_failed_attempt_lies_in_one_outage_and_they_do_not_overlap(
        events in prop::collection::vec((0..400i64, any::<bool>(), any::<bool>()), 1..200),
    ) {
        let (mut open, mut book, mut now, mut failed) = (Open::default(), Book::default(), 0, Vec::new());
        for (wait, fails, restart) in events {
            now += wait + 1;
            let told = if fails {
                failed.push(now);
                fail(&mut open, Kind::Busy, now)
            } else {
                well(&mut open, now);
                open.ended(at(now))
            };
            told.into_iter().for_each(|outage| book.told(outage));
            if restart {
                let text = serde_json::to_string(&open).unwrap();
                open = serde_json::from_str(&text).unwrap();
            }
        }
        let list = book.list(Some(&open));
        for pair in list.windows(2) {
            prop_assert!(pair[0].to.unwrap() < pair[1].from);
        }
        for time in &failed {
            let within = |outage: &&Outage| outage.from <= at(*time) && outage.to.is_none_or(|to| at(*time) < to);
            prop_assert_eq!(list.iter().filter(within).count(), 1);
        }
        prop_assert_eq!(list.iter().map(|outage| outage.attempts).sum::<u64>(), failed.len() as u64);
    }
}
