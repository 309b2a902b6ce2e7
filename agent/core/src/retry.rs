//! What an attempt came to, when to try again, and when to leave a sick endpoint alone.
//!
//! Whether to retry is decided where the answer is read (an [`Outcome`]); here it is only turned into a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::delivery::Receipt;
use crate::time::Timestamp;

/// How one attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint has it, with proof.
    Accepted(Receipt),
    /// Certainly not taken in; worth another try.
    TryAgain {
        /// The endpoint's own wish (Retry-After).
        after: Option<Duration>,
        /// What went wrong.
        failure: Failure,
    },
    /// Refused for what it is; another try would be refused too. The text is the endpoint's.
    Refused(String),
    /// Sent, and no answer seen: taken in or not, nobody here knows.
    Unclear(Failure),
}

/// Why an attempt did not end in a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of trouble.
    pub kind: FailureKind,
    /// When.
    pub at: Timestamp,
    /// What was seen, in words.
    pub text: String,
}

/// The kinds of trouble on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// No connection: name, network, refused, TLS.
    NoConnection,
    /// The answer did not come, or not whole.
    NoAnswer,
    /// The endpoint says that it is ill or busy (5xx, 429).
    Busy,
    /// Our account was not let in (401, 403).
    NotLetIn,
    /// An answer that is not of the interface: a proxy's page, a wrong address.
    NotTheInterface,
    /// The agent stopped while it was on its way.
    Stopped,
    /// Something on our side (a file, a credential).
    OurSide,
}

/// How long to wait after a failed attempt, and when a delivery that fails alone is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The wait after the first failed attempt.
    pub first: Duration,
    /// The longest wait of our own choosing.
    pub longest: Duration,
    /// The longest wish of an endpoint that is honoured.
    pub longest_wish: Duration,
    /// After so many attempts a delivery is parked if others pass meanwhile.
    pub give_up_after: u32,
    /// Spreads the waits of different deliveries; the same seed gives the same wait.
    pub seed: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            longest: Duration::from_secs(15 * 60),
            longest_wish: Duration::from_secs(24 * 3600),
            give_up_after: 12,
            seed: 0,
        }
    }
}

impl RetryPolicy {
    /// The time of the next attempt after attempt `attempt` (from 1) failed at `now`: the endpoint's wish, or a wait that
    /// doubles each time, spread over its second half so that a whole queue does not return at once.
    pub fn next(&self, attempt: u32, wish: Option<Duration>, now: Timestamp) -> Timestamp {
        if let Some(wish) = wish {
            return now.plus(wish.min(self.longest_wish));
        }
        let full = self
            .first
            .saturating_mul(1 << attempt.saturating_sub(1).min(20))
            .min(self.longest);
        let spread = u64::try_from(full.as_millis() / 2).unwrap_or(u64::MAX).max(1);
        let jitter = mix(self.seed ^ u64::from(attempt)) % spread;
        now.plus(full / 2 + Duration::from_millis(jitter))
    }
}

/// Leaves an endpoint alone that fails for everybody, and tries it with one delivery now and then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    in_a_row: u32,
    opened: u32,
    open_until: Option<Timestamp>,
    probing: bool,
}

/// What the breaker allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// As many as the settings say.
    All,
    /// One, to see whether the endpoint is back.
    One,
    /// None before this time.
    NoneBefore(Timestamp),
}

impl Breaker {
    /// So many failures in a row open it.
    const LIMIT: u32 = 5;
    const FIRST: Duration = Duration::from_secs(15);
    const LONGEST: Duration = Duration::from_secs(5 * 60);

    /// A breaker that lets everything through.
    pub fn closed() -> Self {
        Self {
            in_a_row: 0,
            opened: 0,
            open_until: None,
            probing: false,
        }
    }

    /// What may be sent now.
    pub fn allows(&self, now: Timestamp) -> Allowed {
        match self.open_until {
            None => Allowed::All,
            Some(until) if now < until => Allowed::NoneBefore(until),
            Some(until) if self.probing => Allowed::NoneBefore(until.plus(Self::FIRST)),
            Some(_) => Allowed::One,
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
        *self = Self::closed();
    }

    /// The endpoint failed in a way that every delivery would meet.
    pub fn failed(&mut self, now: Timestamp) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.probing || (self.open_until.is_none() && self.in_a_row >= Self::LIMIT) {
            let wait = Self::FIRST.saturating_mul(1 << self.opened.min(10)).min(Self::LONGEST);
            self.open_until = Some(now.plus(wait));
            self.opened = self.opened.saturating_add(1);
            self.probing = false;
        }
    }

    /// `closed`, `open` or `half-open`, as the status shows it.
    pub fn name(&self, now: Timestamp) -> &'static str {
        match self.open_until {
            None => "closed",
            Some(until) if now < until => "open",
            Some(_) => "half-open",
        }
    }
}

/// Scatters a number over all 64 bits (the finalizer of SplitMix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noon() -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000)
    }

    proptest! {
        #[test]
        fn waits_grow_stay_within_bounds_and_repeat_for_the_same_seed(attempt in 1u32..200, seed in any::<u64>()) {
            let policy = RetryPolicy { seed, ..RetryPolicy::default() };
            let wait = policy.next(attempt, None, noon()).since(noon());
            prop_assert!(wait >= policy.first / 2);
            prop_assert!(wait <= policy.longest);
            prop_assert_eq!(policy.next(attempt, None, noon()), policy.next(attempt, None, noon()));
            if attempt > 12 {
                prop_assert!(wait >= policy.longest / 2);
            }
        }

        #[test]
        fn a_probe_that_tells_nothing_is_followed_by_another(failures in 5u32..50) {
            let mut breaker = Breaker::closed();
            let mut now = noon();
            for _ in 0..failures {
                breaker.failed(now);
            }
            now = now.plus(Breaker::LONGEST);
            prop_assert_eq!(breaker.allows(now), Allowed::One);
            breaker.probe_started();
            prop_assert_ne!(breaker.allows(now), Allowed::One);
            breaker.not_told();
            prop_assert_eq!(breaker.allows(now), Allowed::One);
        }

        #[test]
        fn a_breaker_always_lets_a_probe_through_in_the_end(failures in 0u32..200) {
            let mut breaker = Breaker::closed();
            let mut now = noon();
            for _ in 0..failures {
                match breaker.allows(now) {
                    Allowed::All => {}
                    Allowed::One => breaker.probe_started(),
                    Allowed::NoneBefore(later) => {
                        prop_assert!(later.since(now) <= Breaker::LONGEST + Breaker::FIRST);
                        now = later;
                        prop_assert_eq!(breaker.allows(now), Allowed::One);
                        breaker.probe_started();
                    }
                }
                breaker.failed(now);
            }
        }
    }

    #[test]
    fn the_endpoints_own_wish_is_honoured_up_to_a_day() {
        let policy = RetryPolicy::default();
        assert_eq!(
            policy.next(1, Some(Duration::from_secs(120)), noon()),
            noon().plus(Duration::from_secs(120))
        );
        assert_eq!(
            policy.next(1, Some(Duration::from_secs(u64::MAX / 2000)), noon()),
            noon().plus(Duration::from_secs(86_400))
        );
    }

    #[test]
    fn five_failures_in_a_row_open_the_breaker_and_one_answer_closes_it() {
        let mut breaker = Breaker::closed();
        for _ in 0..4 {
            breaker.failed(noon());
        }
        assert_eq!(breaker.allows(noon()), Allowed::All);
        breaker.failed(noon());
        let Allowed::NoneBefore(until) = breaker.allows(noon()) else {
            panic!("still closed")
        };
        assert_eq!(breaker.allows(until), Allowed::One);
        breaker.probe_started();
        assert!(
            matches!(breaker.allows(until), Allowed::NoneBefore(_)),
            "a second probe beside the first"
        );
        breaker.answered();
        assert_eq!(breaker.allows(until), Allowed::All);
    }
}
