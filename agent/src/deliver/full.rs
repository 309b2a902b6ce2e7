//! Waiting for room on a full disk.

use std::time::{Duration, Instant};

/// The disk is full: nothing is begun until it was waited for a while, each time longer.
#[derive(Debug, Default)]
pub(super) struct Full {
    times: u32,
    until: Option<Instant>,
}

impl Full {
    const LONGEST: Duration = Duration::from_secs(30);

    /// It was full once more. Says whether that is news.
    pub(super) fn again(&mut self, now: Instant) -> bool {
        if self.lasts(now) {
            return false;
        }
        self.times += 1;
        self.until = Some(now + self.nap());
        self.times == 1
    }

    pub(super) fn nap(&self) -> Duration {
        let doubled = Duration::from_secs(1).saturating_mul(1 << self.times.saturating_sub(1).min(10));
        doubled.min(Self::LONGEST)
    }

    pub(super) fn lasts(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Something was written. Says whether that is news.
    pub(super) fn over(&mut self) -> bool {
        std::mem::take(self).times > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_waited_for_longer_each_time_up_to_half_a_minute_and_told_once() {
        let (mut full, mut now) = (Full::default(), Instant::now());
        assert!(!full.lasts(now));
        let mut naps = Vec::new();
        for time in 0..8 {
            assert_eq!(full.again(now), time == 0);
            assert!(
                !full.again(now),
                "those beside it that met the same are no further time"
            );
            naps.push(full.nap().as_secs());
            assert!(full.lasts(now));
            now += full.nap();
            assert!(!full.lasts(now));
        }
        assert_eq!(naps, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert!(full.over() && !full.over());
    }
}
