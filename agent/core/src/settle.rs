//! When a file in a watched folder is complete: nobody who writes it says so, it has to be seen.
//!
//! A file has settled once two looks, far enough apart on *our* clock, have found the same size and time. The file's own
//! time is only compared with itself: the clock of a share may be minutes off. Clocks jumping back delay, they never
//! settle a file early. Whoever looks is told when to look again; memory holds only what the last rescan still saw.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::time::Timestamp;

/// What one look at a file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, by the clock of where it lies.
    pub modified: Timestamp,
}

/// What is known of a file after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not complete, as far as one can see; not worth looking at before this.
    Growing {
        /// When it will have settled if nothing changes.
        look_again_at: Timestamp,
    },
    /// Complete.
    Settled,
    /// Nothing was ever written into it: to be set aside.
    Empty,
    /// There is no such file (any more).
    Gone,
}

/// Remembers how long the files of one watched folder have not changed.
#[derive(Debug)]
pub struct Settling {
    settle: Duration,
    files: HashMap<PathBuf, Unchanged>,
}

#[derive(Debug)]
struct Unchanged {
    look: Look,
    since: Timestamp,
    seen_since_rescan: bool,
}

impl Settling {
    /// For files that count as complete once unchanged for this long.
    pub fn new(settle: Duration) -> Settling {
        Settling {
            settle,
            files: HashMap::new(),
        }
    }

    /// Told what was found at `path` just now (nothing: the file is not there), says whether it is complete.
    /// `now` is our own clock, the one that only goes forward.
    pub fn observe(&mut self, path: &Path, found: Option<Look>, now: Timestamp) -> Verdict {
        let Some(look) = found else {
            self.files.remove(path);
            return Verdict::Gone;
        };
        let quiet = quiet(look, self.settle);
        match self.files.get_mut(path) {
            Some(file) if file.look == look && file.since <= now => {
                file.seen_since_rescan = true;
                if now.since(file.since) >= quiet {
                    return complete(look);
                }
                Verdict::Growing {
                    look_again_at: file.since.plus(quiet),
                }
            }
            _ => {
                self.files.insert(
                    path.to_owned(),
                    Unchanged {
                        look,
                        since: now,
                        seen_since_rescan: true,
                    },
                );
                Verdict::Growing {
                    look_again_at: now.plus(quiet),
                }
            }
        }
    }

    /// At the end of a rescan: forgets the files it did not come across.
    pub fn forget_unseen(&mut self) {
        self.files.retain(|_, file| std::mem::take(&mut file.seen_since_rescan));
    }

    /// Forgets a file that has been dealt with.
    pub fn forget(&mut self, path: &Path) {
        self.files.remove(path);
    }

    /// How many files are remembered.
    pub fn remembered(&self) -> usize {
        self.files.len()
    }
}

/// For a single pass that cannot wait: complete where two reads agree and the file's own clock says it was last written
/// long enough ago. A file that by its clock was written in the future is never complete here; watch it with [`Settling`].
pub fn observe_once(first: Look, second: Look, now: Timestamp, settle: Duration) -> Verdict {
    let quiet = quiet(second, settle);
    if first != second {
        return Verdict::Growing {
            look_again_at: now.plus(quiet),
        };
    }
    if second.modified <= now && now.since(second.modified) >= quiet {
        return complete(second);
    }
    Verdict::Growing {
        look_again_at: second.modified.min(now).plus(quiet),
    }
}

/// Where whoever writes says when a file is complete: it is so once its marker lies beside it. Until then there is
/// nothing to wait for but the marker's own arrival, at the latest found by the rescan at `next_rescan`.
pub fn observe_marked(found: Option<Look>, marker_is_there: bool, next_rescan: Timestamp) -> Verdict {
    match found {
        None => Verdict::Gone,
        Some(look) if marker_is_there => complete(look),
        Some(_) => Verdict::Growing {
            look_again_at: next_rescan,
        },
    }
}

fn complete(look: Look) -> Verdict {
    if look.size == 0 {
        Verdict::Empty
    } else {
        Verdict::Settled
    }
}

/// An empty file is most often one just created: it is given far longer before it is taken for finished.
fn quiet(look: Look, settle: Duration) -> Duration {
    if look.size > 0 {
        return settle;
    }
    settle.saturating_mul(10).max(Duration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTLE: Duration = Duration::from_secs(2);

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn look(size: u64, modified: i64) -> Look {
        Look {
            size,
            modified: second(modified),
        }
    }

    fn growing_until(seconds: i64) -> Verdict {
        Verdict::Growing {
            look_again_at: second(seconds),
        }
    }

    fn file() -> &'static Path {
        Path::new("/srv/his/export/79999_1.xml")
    }

    #[test]
    fn a_file_unchanged_for_long_enough_has_settled() {
        let mut settling = Settling::new(SETTLE);
        assert_eq!(
            settling.observe(file(), Some(look(10, 99)), second(100)),
            growing_until(102)
        );
        assert_eq!(
            settling.observe(file(), Some(look(10, 99)), second(101)),
            growing_until(102)
        );
        assert_eq!(
            settling.observe(file(), Some(look(10, 99)), second(102)),
            Verdict::Settled
        );
        assert_eq!(
            settling.observe(file(), Some(look(10, 99)), second(103)),
            Verdict::Settled
        );
    }

    #[test]
    fn a_changed_size_or_time_starts_the_wait_again() {
        let mut settling = Settling::new(SETTLE);
        settling.observe(file(), Some(look(10, 99)), second(100));
        assert_eq!(
            settling.observe(file(), Some(look(11, 99)), second(102)),
            growing_until(104)
        );
        assert_eq!(
            settling.observe(file(), Some(look(11, 103)), second(104)),
            growing_until(106)
        );
        assert_eq!(
            settling.observe(file(), Some(look(11, 103)), second(106)),
            Verdict::Settled
        );
    }

    #[test]
    fn an_old_file_is_looked_at_twice_because_the_share_may_have_another_clock() {
        let mut settling = Settling::new(SETTLE);
        assert_eq!(
            settling.observe(file(), Some(look(10, -90_000)), second(100)),
            growing_until(102)
        );
        assert_eq!(
            settling.observe(file(), Some(look(10, -90_000)), second(102)),
            Verdict::Settled
        );
    }

    #[test]
    fn a_file_from_the_future_settles_like_any_other() {
        let mut settling = Settling::new(SETTLE);
        settling.observe(file(), Some(look(10, 90_000)), second(100));
        assert_eq!(
            settling.observe(file(), Some(look(10, 90_000)), second(102)),
            Verdict::Settled
        );
    }

    #[test]
    fn a_vanished_file_is_forgotten() {
        let mut settling = Settling::new(SETTLE);
        settling.observe(file(), Some(look(10, 99)), second(100));
        assert_eq!(settling.observe(file(), None, second(101)), Verdict::Gone);
        assert_eq!(settling.remembered(), 0);
        assert_eq!(
            settling.observe(file(), Some(look(10, 99)), second(102)),
            growing_until(104)
        );
    }

    #[test]
    fn an_empty_file_is_given_ten_times_as_long_and_at_least_a_minute() {
        let mut settling = Settling::new(SETTLE);
        assert_eq!(
            settling.observe(file(), Some(look(0, 99)), second(100)),
            growing_until(160)
        );
        assert_eq!(
            settling.observe(file(), Some(look(0, 99)), second(159)),
            growing_until(160)
        );
        assert_eq!(settling.observe(file(), Some(look(0, 99)), second(160)), Verdict::Empty);

        let mut patient = Settling::new(Duration::from_secs(30));
        assert_eq!(
            patient.observe(file(), Some(look(0, 99)), second(100)),
            growing_until(400)
        );
    }

    #[test]
    fn a_clock_going_back_only_delays() {
        let mut settling = Settling::new(SETTLE);
        settling.observe(file(), Some(look(10, 99)), second(100));
        assert_eq!(
            settling.observe(file(), Some(look(10, 99)), second(50)),
            growing_until(52)
        );
        assert_eq!(
            settling.observe(file(), Some(look(10, 99)), second(51)),
            growing_until(52)
        );
        assert_eq!(
            settling.observe(file(), Some(look(10, 99)), second(52)),
            Verdict::Settled
        );
    }

    #[test]
    fn what_a_rescan_does_not_come_across_is_forgotten() {
        let mut settling = Settling::new(SETTLE);
        let other = Path::new("/srv/his/export/79999_2.xml");
        settling.observe(file(), Some(look(10, 99)), second(100));
        settling.observe(other, Some(look(10, 99)), second(100));
        settling.forget_unseen();
        settling.observe(other, Some(look(10, 99)), second(101));
        settling.forget_unseen();
        assert_eq!(settling.remembered(), 1);
        assert_eq!(
            settling.observe(other, Some(look(10, 99)), second(102)),
            Verdict::Settled
        );
        settling.forget(other);
        assert_eq!(settling.remembered(), 0);
    }

    #[test]
    fn in_a_single_pass_the_file_s_own_clock_and_two_equal_reads_are_enough() {
        let old = look(10, 98);
        assert_eq!(observe_once(old, old, second(100), SETTLE), Verdict::Settled);
        assert_eq!(observe_once(old, look(11, 98), second(100), SETTLE), growing_until(102));
        assert_eq!(
            observe_once(look(10, 99), look(10, 99), second(100), SETTLE),
            growing_until(101)
        );
        assert_eq!(
            observe_once(look(0, 40), look(0, 40), second(100), SETTLE),
            Verdict::Empty
        );
        assert_eq!(
            observe_once(look(0, 98), look(0, 98), second(100), SETTLE),
            growing_until(158)
        );
    }

    #[test]
    fn in_a_single_pass_a_file_from_the_future_is_not_complete() {
        let future = look(10, 9_000);
        assert_eq!(observe_once(future, future, second(100), SETTLE), growing_until(102));
        assert_eq!(
            observe_once(future, future, second(100), Duration::ZERO),
            growing_until(100)
        );
    }

    #[test]
    fn where_markers_are_used_only_the_marker_counts() {
        assert_eq!(
            observe_marked(Some(look(10, 0)), false, second(130)),
            growing_until(130)
        );
        assert_eq!(observe_marked(Some(look(10, 0)), true, second(130)), Verdict::Settled);
        assert_eq!(observe_marked(Some(look(0, 0)), true, second(130)), Verdict::Empty);
        assert_eq!(observe_marked(None, true, second(130)), Verdict::Gone);
    }

    proptest! {
        #[test]
        fn a_file_that_keeps_changing_never_settles(nows in prop::collection::vec(any::<i64>(), 1..50), settle in 0..10_000_u64) {
            let mut settling = Settling::new(Duration::from_millis(settle));
            for (size, now) in nows.into_iter().enumerate() {
                let verdict = settling.observe(file(), Some(look(size as u64, 0)), Timestamp::from_millis(now));
                let is_growing = matches!(verdict, Verdict::Growing { .. });
                prop_assert!(is_growing, "{:?}", verdict);
            }
        }

        #[test]
        fn a_file_that_stops_changing_settles_exactly_when_it_was_said_to(
            writes in prop::collection::vec((1..1_000_000_u64, 0..5_000_i64), 1..20),
            settle in 1..10_000_u64,
        ) {
            let mut settling = Settling::new(Duration::from_millis(settle));
            let mut now = 0;
            let mut again = Timestamp::MIN;
            let mut last = look(1, 0);
            for (size, pause) in writes {
                now += pause;
                // The time of the file changes with each write, so that each is a change.
                last = look(size, last.modified.millis() / 1000 + 1);
                let verdict = settling.observe(file(), Some(last), Timestamp::from_millis(now));
                let Verdict::Growing { look_again_at } = verdict else { panic!("settled while written: {verdict:?}") };
                again = look_again_at;
            }
            let just_before = Timestamp::from_millis(again.millis() - 1);
            prop_assert_eq!(settling.observe(file(), Some(last), just_before), Verdict::Growing { look_again_at: again });
            prop_assert_eq!(settling.observe(file(), Some(last), again), Verdict::Settled);
        }

        #[test]
        fn no_file_settles_before_two_looks_a_settle_apart(
            looks in prop::collection::vec((0..3_u64, 0..2_i64, 0..200_i64), 1..60),
            settle in 1..100_u64,
        ) {
            let settle = Duration::from_millis(settle);
            let mut settling = Settling::new(settle);
            let mut seen: Vec<(Look, Timestamp)> = Vec::new();
            for (size, modified, now) in looks {
                let (found, now) = (look(size, modified), Timestamp::from_millis(now));
                if settling.observe(file(), Some(found), now) == Verdict::Settled {
                    let same = seen.iter().rev().take_while(|(earlier, _)| *earlier == found);
                    let apart = same.map(|(_, at)| now.since(*at)).max();
                    prop_assert!(apart >= Some(settle), "{:?} {:?}", found, seen);
                }
                seen.push((found, now));
            }
        }
    }
}
