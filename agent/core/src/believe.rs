//! Times that a wrong clock left behind, and how a clock that is put right shows itself.
//!
//! A machine that wakes up in 2035 and is put right by the network would keep what it was to try again until 2035. No wait of ours
//! is longer than the rules allow: what lies further ahead was written under another clock, and is brought back.

use std::time::Duration;

use crate::delivery::State;
use crate::retry::RetryPolicy;
use crate::time::Timestamp;

/// The state that is to be instead, where a delivery waits for longer than the rules allow. `window` is the endpoint's next
/// one from now on.
pub fn brought_back(state: &State, policy: &RetryPolicy, window: Timestamp, now: Timestamp) -> Option<State> {
    let State::Waiting {
        attempt,
        not_before,
        last,
    } = state
    else {
        return None;
    };
    let (latest, instead) = match attempt {
        0 => (window.max(now), window),
        _ => (now.plus(policy.longest_wish), now),
    };
    (*not_before > latest).then(|| State::Waiting {
        attempt: *attempt,
        not_before: instead,
        last: last.clone(),
    })
}

/// Holds the wall clock against one that only goes forward.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    wall: Timestamp,
    steady: Duration,
}

impl Clocks {
    /// The network keeps a clock right by less than this.
    const SLACK: Duration = Duration::from_secs(60);

    /// As they stand.
    pub fn new(wall: Timestamp, steady: Duration) -> Self {
        Self { wall, steady }
    }

    /// As they stand now. Says whether the wall clock was put back since the last time.
    pub fn put_back(&mut self, wall: Timestamp, steady: Duration) -> bool {
        let should = self.wall.plus(steady.saturating_sub(self.steady));
        *self = Self { wall, steady };
        should.since(wall) > Self::SLACK
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::{Failure, FailureKind};

    const HOUR: Duration = Duration::from_secs(3600);

    fn noon() -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000)
    }

    fn waiting(attempt: u32, not_before: Timestamp) -> State {
        let last = (attempt > 0).then(|| Failure {
            kind: FailureKind::NoConnection,
            at: not_before,
            text: "refused".into(),
        });
        State::Waiting {
            attempt,
            not_before,
            last,
        }
    }

    fn instead(state: &State) -> Option<Timestamp> {
        match brought_back(state, &RetryPolicy::default(), noon().plus(HOUR), noon())? {
            State::Waiting { not_before, .. } => Some(not_before),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_waits_longer_than_the_rules_allow_is_brought_back_and_nothing_else_is() {
        let years = noon().plus(HOUR * 24 * 365 * 9);
        let day = noon().plus(HOUR * 24);
        assert_eq!(instead(&waiting(3, years)), Some(noon()));
        assert_eq!(instead(&waiting(3, day)), None, "an endpoint may ask for a day");
        assert_eq!(instead(&waiting(0, years)), Some(noon().plus(HOUR)));
        assert_eq!(
            instead(&waiting(0, day)),
            Some(noon().plus(HOUR)),
            "the window is in an hour"
        );
        for not_before in [noon().plus(HOUR), noon(), noon().minus(HOUR)] {
            assert_eq!(instead(&waiting(0, not_before)), None);
        }
        let sending = State::Sending {
            attempt: 1,
            since: years,
        };
        assert_eq!(instead(&sending), None);
    }

    #[test]
    fn attempts_and_what_was_seen_are_kept() {
        let years = noon().plus(HOUR * 24 * 365);
        let Some(State::Waiting { attempt, last, .. }) =
            brought_back(&waiting(3, years), &RetryPolicy::default(), noon(), noon())
        else {
            panic!("not brought back")
        };
        assert_eq!((attempt, last.is_some()), (3, true));
    }

    #[test]
    fn a_clock_put_back_is_noticed_and_one_that_drifts_or_jumps_ahead_is_not() {
        let mut clocks = Clocks::new(noon(), Duration::ZERO);
        let mut steady = Duration::ZERO;
        let mut look = |wall: Timestamp| {
            steady += HOUR;
            clocks.put_back(wall, steady)
        };
        assert!(!look(noon().plus(HOUR)));
        assert!(!look(noon().plus(HOUR * 2).minus(Duration::from_secs(50))));
        assert!(!look(noon().plus(HOUR * 24 * 365)));
        assert!(look(noon().plus(HOUR * 4)));
        assert!(!look(noon().plus(HOUR * 5)), "it is told once");
    }
}
