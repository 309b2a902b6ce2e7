//! How much an endpoint is trusted with: all that the settings allow, one to see whether it is back, or nothing for now.
//!
//! A sick endpoint is left alone (the breaker) and tried with one delivery now and then, at times of this site's own. Once
//! it is back it gets one delivery at a time, then two, and so on (the ramp): thousands of sites may come back with it, each
//! with days of work. What it asks for itself (Retry-After) is honoured for all deliveries alike.

use std::time::Duration;

use crate::retry::{Failure, FailureKind};
use crate::spread;
use crate::time::Timestamp;

/// The way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    most: usize,
    seed: u64,
    /// How many may be on their way at once.
    at_once: usize,
    /// Answers since that number last changed.
    answers: usize,
    /// Weighted: what shows that every delivery would fail alike counts more.
    failures: u32,
    /// How often in a row it was found sick.
    opened: u32,
    open_until: Option<Timestamp>,
    /// What the endpoint itself asked for.
    held_until: Option<Timestamp>,
    probing: bool,
}

/// What may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// So many at once.
    UpTo(usize),
    /// One, to see whether the endpoint is back.
    One,
    /// None before this time.
    NoneBefore(Timestamp),
}

impl Line {
    /// So many failures in a row open the breaker.
    const LIMIT: u32 = 5;
    const FIRST: Duration = Duration::from_secs(15);
    const LONGEST: Duration = Duration::from_secs(5 * 60);
    /// Where our account is not let in, each try is one more wrong password: many in a row lock an account.
    const FIRST_SHUT_OUT: Duration = Duration::from_secs(60);
    const LONGEST_SHUT_OUT: Duration = Duration::from_secs(30 * 60);
    const SHUT_OUT_COUNTS: u32 = 3;
    /// A longer wish holds back the delivery it answered; others ask again after this, one at a time.
    const LONGEST_HOLD: Duration = Duration::from_secs(60 * 60);

    /// For up to `most` deliveries at once. The seed is the site's own, so that sites do not move in step.
    pub fn new(most: usize, seed: u64) -> Self {
        Self {
            most: most.max(1),
            seed,
            at_once: 1,
            answers: 0,
            failures: 0,
            opened: 0,
            open_until: None,
            held_until: None,
            probing: false,
        }
    }

    /// What may be sent now.
    pub fn allows(&self, now: Timestamp) -> Allowed {
        let ahead = |until: &Option<Timestamp>, longest: Duration| {
            // Further away than any wait of ours: the clock was put back.
            until.filter(|until| now < *until && until.since(now) <= longest)
        };
        if let Some(until) = ahead(&self.held_until, Self::LONGEST_HOLD) {
            return Allowed::NoneBefore(until);
        }
        if self.open_until.is_none() {
            return Allowed::UpTo(self.at_once);
        }
        match ahead(&self.open_until, Self::LONGEST_SHUT_OUT) {
            Some(until) => Allowed::NoneBefore(until),
            None if self.probing => Allowed::NoneBefore(now.plus(Self::FIRST)),
            None => Allowed::One,
        }
    }

    /// The one delivery that tries a sick endpoint is on its way.
    pub fn probe_started(&mut self) {
        self.probing = self.open_until.is_some();
    }

    /// An attempt ended that says nothing about the endpoint; if it was the probe, another one may go.
    pub fn not_told(&mut self) {
        self.probing = false;
    }

    /// The endpoint answered as one of its kind does, whatever it said.
    pub fn answered(&mut self) {
        if self.open_until.is_some() {
            self.slow_down();
        }
        (self.failures, self.opened, self.probing) = (0, 0, false);
        (self.open_until, self.held_until) = (None, None);
        self.answers += 1;
        if self.answers >= self.at_once && self.at_once < self.most {
            (self.at_once, self.answers) = (self.at_once + 1, 0);
        }
    }

    /// The endpoint failed in a way that every delivery would meet; `wish` is how long it asks to be left alone.
    pub fn failed(&mut self, failure: &Failure, wish: Option<Duration>, now: Timestamp) {
        (self.at_once, self.answers) = ((self.at_once / 2).max(1), 0);
        if let Some(wish) = wish {
            self.held_until = Some(now.plus(wish.min(Self::LONGEST_HOLD)));
            self.slow_down();
        }
        let shut_out = failure.kind == FailureKind::NotLetIn;
        let counts = if shut_out { Self::SHUT_OUT_COUNTS } else { 1 };
        self.failures = self.failures.saturating_add(counts);
        if self.probing || (self.open_until.is_none() && self.failures >= Self::LIMIT) {
            let (first, longest) = if shut_out {
                (Self::FIRST_SHUT_OUT, Self::LONGEST_SHUT_OUT)
            } else {
                (Self::FIRST, Self::LONGEST)
            };
            let wait = first.saturating_mul(1 << self.opened.min(10)).min(longest);
            let wait = spread::second_half(wait, self.seed ^ u64::from(self.opened));
            self.open_until = Some(now.plus(wait));
            self.opened = self.opened.saturating_add(1);
            self.probing = false;
        }
    }

    /// A person says that it is well again: one may try it now, unless the endpoint itself asked for time.
    pub fn try_now(&mut self) {
        self.open_until = self.open_until.map(|_| Timestamp::MIN);
    }

    /// `closed`, `open` or `half-open`, as the status shows it.
    pub fn name(&self, now: Timestamp) -> &'static str {
        match self.open_until {
            None => "closed",
            Some(until) if now < until => "open",
            Some(_) => "half-open",
        }
    }

    fn slow_down(&mut self) {
        (self.at_once, self.answers) = (1, 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noon() -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000)
    }

    fn failure(kind: FailureKind) -> Failure {
        Failure {
            kind,
            at: noon(),
            text: String::new(),
        }
    }

    fn fail(line: &mut Line, now: Timestamp) {
        line.failed(&failure(FailureKind::NoAnswer), None, now);
    }

    /// A line that was found sick, and when it may be tried.
    fn sick(seed: u64) -> (Line, Timestamp) {
        let mut line = Line::new(8, seed);
        for _ in 0..Line::LIMIT {
            fail(&mut line, noon());
        }
        let Allowed::NoneBefore(until) = line.allows(noon()) else {
            panic!("still closed")
        };
        (line, until)
    }

    #[test]
    fn five_failures_in_a_row_open_the_breaker_and_one_answer_closes_it() {
        let mut line = Line::new(4, 1);
        for _ in 0..4 {
            fail(&mut line, noon());
        }
        assert_eq!(line.allows(noon()), Allowed::UpTo(1));
        line.answered();
        for _ in 0..4 {
            fail(&mut line, noon());
        }
        assert_ne!(line.name(noon()), "open", "not in a row");
        let (mut line, until) = sick(1);
        assert_eq!(line.allows(until), Allowed::One);
        line.probe_started();
        assert!(
            matches!(line.allows(until), Allowed::NoneBefore(later) if later > until),
            "a second probe beside the first"
        );
        line.answered();
        assert_eq!(line.allows(until), Allowed::UpTo(2));
    }

    #[test]
    fn what_comes_back_is_given_one_then_two_and_so_on() {
        let mut line = Line::new(4, 1);
        let mut given = Vec::new();
        for _ in 0..12 {
            let Allowed::UpTo(at_once) = line.allows(noon()) else {
                panic!("open")
            };
            given.push(at_once);
            line.answered();
        }
        assert_eq!(given, [1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4]);
        fail(&mut line, noon());
        assert_eq!(line.allows(noon()), Allowed::UpTo(2), "a failure halves it");
    }

    #[test]
    fn after_an_outage_it_begins_again_at_one_however_many_there_were_before() {
        let mut line = Line::new(64, 1);
        for _ in 0..5000 {
            line.answered();
        }
        assert_eq!(line.allows(noon()), Allowed::UpTo(64));
        for _ in 0..2 {
            line.failed(&failure(FailureKind::NotLetIn), None, noon());
        }
        assert_eq!(line.name(noon()), "open");
        // What was on its way before may still come back well.
        line.answered();
        assert_eq!(line.allows(noon()), Allowed::UpTo(2));
    }

    #[test]
    fn an_account_that_is_not_let_in_is_tried_twice_and_then_rarely() {
        let mut line = Line::new(4, 1);
        let refused = failure(FailureKind::NotLetIn);
        line.failed(&refused, None, noon());
        assert_ne!(line.name(noon()), "open", "one may be one record's own");
        line.failed(&refused, None, noon());
        let (mut now, mut tries) = (noon(), 0);
        while now.since(noon()) < Duration::from_secs(24 * 3600) {
            match line.allows(now) {
                Allowed::NoneBefore(until) => now = until,
                _ => {
                    tries += 1;
                    line.probe_started();
                    line.failed(&refused, None, now);
                }
            }
        }
        assert!((40..110).contains(&tries), "{tries} tries in a day");
    }

    #[test]
    fn what_the_endpoint_asks_for_counts_for_all_deliveries_and_no_longer_than_an_hour() {
        for (wish, held) in [(30, 30), (1_000_000, 3600)] {
            let mut line = Line::new(4, 1);
            (0..20).for_each(|_| line.answered());
            line.failed(&failure(FailureKind::Busy), Some(Duration::from_secs(wish)), noon());
            let until = noon().plus(Duration::from_secs(held));
            assert_eq!(line.allows(noon()), Allowed::NoneBefore(until));
            assert_eq!(line.allows(until), Allowed::UpTo(1));
            assert_eq!(line.name(noon()), "closed", "it is well, and said so itself");
        }
    }

    #[test]
    fn a_clock_that_is_put_back_does_not_close_the_line_for_years() {
        let (line, _) = sick(1);
        let before = noon().minus(Duration::from_secs(9 * 365 * 86_400));
        assert_eq!(line.allows(before), Allowed::One);
    }

    #[test]
    fn a_person_may_have_it_tried_at_once_by_one() {
        let (mut line, _) = sick(1);
        line.try_now();
        assert_eq!(line.allows(noon()), Allowed::One);
        line.probe_started();
        line.try_now();
        assert_ne!(line.allows(noon()), Allowed::One, "one is on its way already");
        fail(&mut line, noon());
        assert_eq!(line.name(noon()), "open");
        let mut line = Line::new(4, 1);
        line.try_now();
        assert_eq!(line.allows(noon()), Allowed::UpTo(1));
        line.failed(&failure(FailureKind::Busy), Some(Duration::from_secs(60)), noon());
        line.try_now();
        assert_ne!(line.allows(noon()), Allowed::One, "the endpoint asked for time");
    }

    #[test]
    fn sites_do_not_probe_in_step() {
        let mut times: Vec<i64> = (0..1000)
            .map(|site| sick(spread::seed(&[&format!("{site:05}"), "vhr"])).1.millis())
            .collect();
        times.sort_unstable();
        assert!(times[999] - times[0] > 7000, "{}", times[999] - times[0]);
        times.dedup();
        assert!(times.len() > 900, "{} different times", times.len());
    }

    proptest! {
        #[test]
        fn a_probe_that_tells_nothing_is_followed_by_another(failures in 5u32..50) {
            let mut line = Line::new(4, 1);
            let mut now = noon();
            for _ in 0..failures {
                fail(&mut line, now);
            }
            now = now.plus(Line::LONGEST);
            prop_assert_eq!(line.allows(now), Allowed::One);
            line.probe_started();
            prop_assert_ne!(line.allows(now), Allowed::One);
            line.not_told();
            prop_assert_eq!(line.allows(now), Allowed::One);
        }

        #[test]
        fn a_breaker_always_lets_a_probe_through_in_the_end(
            failures in prop::collection::vec((0..3u8, prop::option::of(any::<u32>())), 0..200), seed in any::<u64>(),
        ) {
            let mut line = Line::new(4, seed);
            let mut now = noon();
            for (kind, wish) in failures {
                for _ in 0..3 {
                    match line.allows(now) {
                        Allowed::UpTo(at_once) => prop_assert!((1..=4).contains(&at_once)),
                        Allowed::One => {}
                        Allowed::NoneBefore(later) => {
                            prop_assert!(later > now && later.since(now) <= Line::LONGEST_HOLD);
                            now = later;
                        }
                    }
                }
                prop_assert!(!matches!(line.allows(now), Allowed::NoneBefore(_)));
                line.probe_started();
                let kind = [FailureKind::NoConnection, FailureKind::NotLetIn, FailureKind::Busy][usize::from(kind)];
                line.failed(&failure(kind), wish.map(|wish| Duration::from_secs(wish.into())), now);
            }
        }

        #[test]
        fn it_never_gives_more_than_the_settings_and_never_nothing_while_it_is_closed(
            most in 1..64usize, well in prop::collection::vec(any::<bool>(), 0..300),
        ) {
            let mut line = Line::new(most, 1);
            let mut before = 1;
            for well in well {
                if well { line.answered() } else { fail(&mut line, noon()) }
                match line.allows(noon()) {
                    Allowed::UpTo(at_once) => {
                        prop_assert!((1..=most).contains(&at_once));
                        prop_assert!(at_once <= before + 1, "{} after {}", at_once, before);
                        prop_assert!(well || at_once <= (before / 2).max(1));
                        before = at_once;
                    }
                    _ => before = 1,
                }
            }
        }
    }
}
