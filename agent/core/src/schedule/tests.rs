//! Days on which clocks change, and the windows of many sites.

use chrono_tz::{America, Asia, Australia, Europe, Pacific};
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn cron(text: &str, zone: Tz) -> Schedule {
    Schedule::parse(text, zone).unwrap()
}

#[test]
fn immediate_opens_at_the_very_instant() {
    let schedule = cron("immediate", Asia::Ho_Chi_Minh);
    assert_eq!(
        schedule.next_window(Timestamp::from_millis(1_234)),
        Timestamp::from_millis(1_234)
    );
    assert_eq!(schedule.next_after(Timestamp::from_millis(1_234)), None);
}

#[test]
fn a_nightly_window_opens_on_the_clocks_of_the_site() {
    let schedule = cron("0 0 20 * * *", Asia::Ho_Chi_Minh);
    let tonight = at("2026-08-01T13:00:00Z");
    assert_eq!(schedule.next_window(at("2026-08-01T09:12:33.123Z")), tonight);
    assert_eq!(schedule.next_window(tonight), tonight);
    assert_eq!(
        schedule.next_window(at("2026-08-01T13:00:00.001Z")),
        at("2026-08-02T13:00:00Z")
    );
}

#[test]
fn the_window_shown_as_next_lies_after_now() {
    let schedule = cron("0 0 20 * * *", Asia::Ho_Chi_Minh);
    assert_eq!(
        schedule.next_after(at("2026-08-01T12:59:59.999Z")),
        Some(at("2026-08-01T13:00:00Z"))
    );
    assert_eq!(
        schedule.next_after(at("2026-08-01T13:00:00Z")),
        Some(at("2026-08-02T13:00:00Z"))
    );
}

#[test]
fn a_time_the_clocks_jump_over_opens_when_they_have_jumped() {
    // Berlin, 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC.
    let schedule = cron("0 30 2 * * *", Europe::Berlin);
    let jump = at("2026-03-29T01:00:00Z");
    assert_eq!(schedule.next_window(at("2026-03-28T12:00:00Z")), jump);
    assert_eq!(schedule.next_window(jump), jump);
    assert_eq!(
        schedule.next_window(at("2026-03-29T01:00:00.001Z")),
        at("2026-03-30T00:30:00Z")
    );
}

#[test]
fn a_day_the_calendar_jumps_over_opens_at_its_end() {
    // Samoa skipped 30 December 2011 to change sides of the date line.
    let schedule = cron("0 0 20 30 12 *", Pacific::Apia);
    assert_eq!(
        schedule.next_window(at("2011-12-01T00:00:00Z")),
        at("2011-12-30T10:00:00Z")
    );
}

#[test]
fn a_time_the_clocks_show_twice_opens_twice() {
    // Chicago, 1 November 2026: 02:00 becomes 01:00 at 07:00 UTC.
    let schedule = cron("0 30 1 * * *", America::Chicago);
    assert_eq!(
        schedule.next_window(at("2026-11-01T00:00:00-05:00")),
        at("2026-11-01T01:30:00-05:00")
    );
    assert_eq!(
        schedule.next_window(at("2026-11-01T01:30:01-05:00")),
        at("2026-11-01T01:30:00-06:00")
    );
    assert_eq!(
        schedule.next_window(at("2026-11-01T01:45:00-06:00")),
        at("2026-11-02T01:30:00-06:00")
    );
}

#[test]
fn vietnam_putting_its_clocks_back_in_1975_loses_no_window() {
    // Ho Chi Minh City, 13 June 1975: 00:00 (+08) became 23:00 (+07) of the day before, at 16:00 UTC on the 12th.
    let schedule = cron("0 30 23 * * *", Asia::Ho_Chi_Minh);
    assert_eq!(
        schedule.next_window(at("1975-06-12T15:30:01Z")),
        at("1975-06-12T16:30:00Z")
    );
}

#[test]
fn weekdays_go_by_name_and_are_not_a_day_off() {
    let schedule = cron("0 0 6 * * MON-FRI", Asia::Ho_Chi_Minh);
    // 1 August 2026 is a Saturday.
    assert_eq!(
        schedule.next_window(at("2026-08-01T00:00:00+07:00")),
        at("2026-08-03T06:00:00+07:00")
    );
    let refused = Schedule::parse("0 0 6 * * 1-5", Asia::Ho_Chi_Minh).unwrap_err();
    assert!(refused.vi.contains("MON"), "{refused}");
}

#[test]
fn each_site_opens_a_little_later_by_a_time_of_its_own() {
    let nightly = || cron("0 0 20 * * *", Asia::Ho_Chi_Minh);
    let ten_minutes = Duration::from_secs(600);
    let opens = |seed| {
        nightly()
            .spread(ten_minutes, seed)
            .next_window(at("2026-08-01T12:00:00Z"))
    };
    let eight = at("2026-08-01T13:00:00Z");
    let mut times: Vec<_> = (0..200).map(opens).collect();
    assert!(times.iter().all(|time| (eight..eight.plus(ten_minutes)).contains(time)));
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 100, "{}", times.len());
    // The same each night; and what comes while others have begun still goes with this night's window.
    assert_eq!(nightly().spread(ten_minutes, 7).next_window(eight), opens(7));
    assert_eq!(
        nightly()
            .spread(ten_minutes, 7)
            .next_window(opens(7).plus(Duration::from_millis(1))),
        opens(7).plus(Duration::from_secs(86_400))
    );
    assert_eq!(nightly().spread(ten_minutes, 7).next_after(eight), Some(opens(7)));
    assert_eq!(nightly().spread(Duration::ZERO, 7), nightly());
    // A changed spread is another schedule: what waits is moved.
    assert_ne!(nightly().spread(ten_minutes, 7).to_string(), nightly().to_string());
}

#[test]
fn a_schedule_that_never_comes_is_refused() {
    let refused = Schedule::parse("0 0 0 30 2 *", Asia::Ho_Chi_Minh).unwrap_err();
    assert_eq!(refused.en, "this schedule never comes");
    assert!(Schedule::parse("0 0 0 29 2 *", Asia::Ho_Chi_Minh).is_ok());
}

#[test]
fn what_is_not_six_fields_is_refused() {
    for wrong in [
        "",
        "20:00",
        "0 20 * * *",
        "0 0 20 * * * 2027",
        "@daily",
        "Immediate",
        "0 0 25 * * *",
        "*/0 * * * * *",
    ] {
        assert!(Schedule::parse(wrong, Asia::Ho_Chi_Minh).is_err(), "{wrong:?}");
    }
    let refused = Schedule::parse("0 20 * * *", Asia::Ho_Chi_Minh).unwrap_err();
    assert_eq!(refused.en, "a schedule has 6 fields, here are 5");
}

#[test]
fn a_schedule_is_shown_as_it_was_written() {
    assert_eq!(cron("0 0  20 * * *", Asia::Ho_Chi_Minh).to_string(), "0 0 20 * * *");
    assert_eq!(cron("immediate", Asia::Ho_Chi_Minh).to_string(), "immediate");
}

#[test]
fn outside_the_years_cron_knows_nothing_panics() {
    let schedule = cron("0 0 20 * * *", Asia::Ho_Chi_Minh);
    assert_eq!(schedule.next_window(Timestamp::MIN), at("1970-01-01T20:00:00+08:00"));
    let western = cron("0 0 20 * * *", America::Chicago);
    assert_eq!(western.next_window(Timestamp::MIN), at("1970-01-01T20:00:00-06:00"));
    assert_eq!(schedule.next_window(Timestamp::MAX), Timestamp::MAX);
    assert_eq!(schedule.next_after(Timestamp::MAX), None);
    assert_eq!(schedule.next_window(at("2101-01-01T00:00:00Z")), Timestamp::MAX);
}

/// Zones with ordinary changes, one with half an hour, one that skipped a day, one without any today.
fn zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(vec![
        Asia::Ho_Chi_Minh,
        Europe::Berlin,
        America::Chicago,
        Australia::Lord_Howe,
        Pacific::Apia,
    ])
}

fn expression() -> impl Strategy<Value = String> {
    let minute = prop_oneof![Just("*/7".to_owned()), (0..60u32).prop_map(|m| m.to_string())];
    let hour = prop_oneof![
        Just("*".to_owned()),
        Just("1-3".to_owned()),
        (0..24u32).prop_map(|h| h.to_string())
    ];
    (minute, hour).prop_map(|(minute, hour)| format!("0 {minute} {hour} * * *"))
}

/// Mostly near a change of the clocks of one of the zones.
fn instant() -> impl Strategy<Value = Timestamp> {
    let change = prop::sample::select(vec![
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-11-01T07:00:00Z",
        "2026-04-04T15:00:00Z",
        "2026-10-03T15:30:00Z",
        "2011-12-30T10:00:00Z",
        "1975-06-12T16:00:00Z",
    ]);
    (change, -8_000_000..8_000_000_i64).prop_map(|(change, by)| Timestamp::from_millis(at(change).millis() + by))
}

/// The definition, minute by minute: the clocks show a matching time, or have just jumped over one.
fn found_by_walking(schedule: &Schedule, from: Timestamp) -> Timestamp {
    let Schedule::Cron(Windows { cron, zone, .. }) = schedule else {
        panic!("only cron expressions have windows")
    };
    let shown = |minute: i64| zone.from_utc_datetime(&Timestamp::from_millis(minute * 60_000).utc().naive_utc());
    let is_window = |minute: i64| {
        let mut time = shown(minute - 1).naive_local() + TimeDelta::minutes(1);
        let now = shown(minute).naive_local();
        let mut jumped_over = false;
        while time < now {
            jumped_over |= cron.includes(time.and_utc());
            time += TimeDelta::minutes(1);
        }
        jumped_over || cron.includes(now.and_utc())
    };
    let first = (from.millis() + 59_999).div_euclid(60_000);
    let minute = (first..first + 4 * 1440).find(|minute| is_window(*minute)).unwrap();
    Timestamp::from_millis(minute * 60_000)
}

proptest! {
    #[test]
    fn the_next_window_is_the_one_found_by_walking(zone in zone(), text in expression(), from in instant()) {
        let schedule = cron(&text, zone);
        prop_assert_eq!(schedule.next_window(from), found_by_walking(&schedule, from), "{} {}", text, zone);
    }

    #[test]
    fn the_next_window_is_not_before_and_is_its_own_next(zone in zone(), text in expression(), from in any::<i64>(), near in instant()) {
        let schedule = cron(&text, zone).spread(Duration::from_secs(900), 3);
        for from in [Timestamp::from_millis(from), near] {
            let window = schedule.next_window(from);
            prop_assert!(window >= from);
            prop_assert_eq!(schedule.next_window(window), window);
        }
    }

    #[test]
    fn what_is_accepted_later_does_not_leave_earlier(zone in zone(), text in expression(), from in instant(), by in 0..200_000_000_i64) {
        let schedule = cron(&text, zone);
        prop_assert!(schedule.next_window(from) <= schedule.next_window(Timestamp::from_millis(from.millis() + by)));
    }

    #[test]
    fn reading_a_schedule_never_panics(text in "\\PC*", fields in "[0-9*/,?A-Z-]{1,5}( [0-9*/,?A-Z-]{1,5}){5}") {
        let _ = (Schedule::parse(&text, Europe::Berlin), Schedule::parse(&fields, Europe::Berlin));
    }
}
