use super::*;

const DAY: &str = "2026-11-02";
const DAY_BEFORE: &str = "2026-11-01";

fn book() -> Book {
    Book::new(Period::read(DAY, DAY).unwrap())
}

fn ward(code: &str) -> Department {
    Department::Code(code.to_owned())
}

fn remark(severity: &'static str, code: &'static str) -> Remark<'static> {
    Remark {
        severity,
        code,
        text: "",
    }
}

fn share(part: u64, of: u64) -> Share {
    Share { part, of }
}

#[test]
fn a_share_is_never_rounded_up_to_all_and_a_share_of_nothing_is_none() {
    assert_eq!(share(1999, 2000).permille(), Some(999));
    assert_eq!(share(2, 3).permille(), Some(666));
    assert_eq!(share(5, 5).permille(), Some(1000));
    assert_eq!(share(0, 0).permille(), None);
    assert_eq!(share(3, 4).since(share(9, 10)), Some(-150));
    assert_eq!(share(3, 4).since(share(0, 0)), None);
}

#[test]
fn the_figures_of_a_period_are_the_sum_of_its_days_and_the_period_before_stands_apart() {
    let mut book = Book::new(Period::read("2026-11-02", "2026-11-03").unwrap());
    let file = |seen, accepted| Figures {
        files: 1,
        seen,
        accepted,
        set_aside: seen - accepted,
        ..Figures::default()
    };
    book.file("2026-11-02", &file(4, 3));
    book.file("2026-11-03", &file(6, 6));
    book.file("2026-11-01", &file(2, 1));
    book.file("2026-10-31", &file(8, 8));
    // Neither of the period nor of the one before.
    book.file("2026-10-30", &file(100, 100));
    book.file("2026-11-04", &file(100, 100));
    assert_eq!(book.days["2026-11-02"], file(4, 3));
    let sum = book.sum();
    assert_eq!((sum.files, sum.seen, sum.complete()), (2, 10, share(9, 10)));
    assert_eq!(book.before.complete(), share(9, 10));
    assert_eq!(sum.complete().since(book.before.complete()), Some(0));
}

#[test]
fn a_record_is_clean_without_warnings_and_errors_and_a_rule_counts_once_a_record() {
    let mut book = book();
    book.record(DAY, &ward("K01"), [remark("information", "TEXT")].into_iter());
    let twice = [remark("warning", "A"), remark("warning", "A"), remark("error", "B")];
    book.record(DAY, &ward("K01"), twice.into_iter());
    book.record(DAY, &ward("K02"), [remark("warning", "B")].into_iter());
    book.record(DAY_BEFORE, &ward("K02"), [remark("warning", "C")].into_iter());
    assert_eq!(book.sum().clean(), share(1, 3));
    assert_eq!(book.before.clean(), share(0, 1));
    let broken = book.most_broken(10);
    let told: Vec<_> = broken
        .iter()
        .map(|(code, rule)| (*code, rule.records, rule.is_error))
        .collect();
    assert_eq!(told, [("B", 2, true), ("A", 1, false)]);
    let first = &book.departments[&ward("K01")];
    assert_eq!((first.accepted, first.clean), (2, 1));
}

#[test]
fn of_many_rules_the_ten_most_broken_are_told_the_most_first() {
    let mut book = book();
    let codes = [
        "R00", "R01", "R02", "R03", "R04", "R05", "R06", "R07", "R08", "R09", "R10", "R11",
    ];
    for (nth, code) in codes.into_iter().enumerate() {
        for _ in 0..=nth / 2 {
            book.record(DAY, &Department::Unnamed, [remark("warning", code)].into_iter());
        }
    }
    let told: Vec<_> = book
        .most_broken(10)
        .into_iter()
        .map(|(code, rule)| (code, rule.records))
        .collect();
    assert_eq!(told[..3], [("R10", 6), ("R11", 6), ("R08", 5)]);
    assert_eq!(told.len(), 10);
    assert_eq!(told[9], ("R03", 2));
}

#[test]
fn every_delivery_is_counted_once_and_what_was_superseded_is_not_due() {
    let mut book = book();
    let parked = [
        ReasonKind::Refused,
        ReasonKind::Rules,
        ReasonKind::Twice,
        ReasonKind::Unsigned,
        ReasonKind::SignedSeveral,
        ReasonKind::NoBundle,
        ReasonKind::InDoubt,
        ReasonKind::KeepsFailing,
        ReasonKind::TooLarge,
        ReasonKind::Damaged,
        ReasonKind::Dropped,
    ];
    let others = [
        Stand::Open,
        Stand::Superseded,
        Stand::Delivered(Timestamp::from_millis(1)),
    ];
    for stand in others.into_iter().chain(parked.map(|kind| Stand::Parked(kind, None))) {
        book.delivery(DAY, "vhr", &ward("K01"), stand, None);
    }
    let sent = book.sum().endpoints["vhr"];
    let counted = (
        sent.delivered,
        sent.open,
        sent.refused,
        sent.held,
        sent.stuck,
        sent.dropped,
        sent.superseded,
    );
    assert_eq!(counted, (1, 1, 1, 5, 4, 1, 1));
    assert_eq!(sent.arrived(), share(1, 13));
    assert_eq!(book.departments[&ward("K01")].endpoints["vhr"], sent);
    assert_eq!(book.reasons.values().sum::<u64>(), 11);
    let rules = book.reasons.keys().find(|reason| reason.code == "rules").unwrap();
    assert_eq!((rules.by, rules.endpoint.as_str()), (By::Us, "vhr"));
    // What a kind is called here is what the journal calls it.
    for kind in parked {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind_code(kind));
    }
}

#[test]
fn what_a_receiver_refused_is_told_by_the_number_it_gave() {
    let mut book = book();
    let refused = |code| Stand::Parked(ReasonKind::Refused, code);
    for code in [
        Some(Code::MaKetQua(205)),
        Some(Code::MaKetQua(701)),
        Some(Code::MaKetQua(205)),
        None,
    ] {
        book.delivery(DAY, "insurance", &ward("K01"), refused(code), None);
    }
    let told: Vec<_> = book
        .reasons
        .iter()
        .map(|(reason, records)| (reason.answer, *records))
        .collect();
    assert_eq!(
        told,
        [
            (None, 1),
            (Some(Code::MaKetQua(205)), 2),
            (Some(Code::MaKetQua(701)), 1)
        ]
    );
    assert!(
        book.reasons
            .keys()
            .all(|reason| (reason.by, &*reason.code) == (By::Receiver, "refused"))
    );
}

#[test]
fn live_is_what_arrived_within_a_day_of_its_end_and_what_has_no_end_is_not_judged() {
    let mut book = book();
    let ended = Timestamp::from_millis(1_000_000);
    let in_time = Stand::Delivered(ended.plus(LIVE));
    let late = Stand::Delivered(ended.plus(LIVE + Duration::from_millis(1)));
    for (stand, ended) in [
        (in_time, Some(ended)),
        (late, Some(ended)),
        (Stand::Open, Some(ended)),
        (Stand::Superseded, Some(ended)),
        (in_time, None),
    ] {
        book.delivery(DAY, "vhr", &Department::Unnamed, stand, ended);
    }
    assert_eq!(book.sum().endpoints["vhr"].live(), share(1, 3));
}

#[test]
fn what_is_not_kept_any_more_is_neither_clean_nor_unclean() {
    let mut book = book();
    let counts = Figures {
        seen: 5,
        accepted: 4,
        refused: 1,
        ..Figures::default()
    };
    book.file(DAY, &counts);
    book.record(DAY, &ward("K01"), std::iter::empty());
    book.forgotten(DAY, 3);
    book.aside(DAY, By::Mapping, "", &Department::Forgotten, 1);
    let sum = book.sum();
    assert_eq!((sum.clean(), sum.forgotten()), (share(1, 1), 3));
    let forgotten = &book.departments[&Department::Forgotten];
    assert_eq!((forgotten.accepted, forgotten.aside, forgotten.looked_at), (3, 1, 0));
}
