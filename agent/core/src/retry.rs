//! What an attempt came to, and when to try again.
//!
//! Whether to retry is decided where the answer is read (an [`Outcome`]); here it is only turned into a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::Code;
use crate::delivery::{ReasonKind, Receipt};
use crate::spread;
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
    /// Refused for what it is; another try would be refused too. The text is the endpoint's, the number too where it gave one.
    Refused(Option<Code>, String),
    /// Refused for its size: another try would be refused too.
    TooLarge(Option<Code>, String),
    /// Not sent, for what the record is: not signed as the endpoint wants it, or without a Bundle. The text says what to do.
    Withheld(ReasonKind, String),
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
        now.plus(spread::second_half(full, self.seed ^ u64::from(attempt)))
    }
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
}
