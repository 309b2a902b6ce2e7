//! Waiting for something to come true: never for a time.

use std::time::{Duration, Instant};

/// Far longer than anything here takes on a slow machine; reached only when something is wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// Waits until the condition holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "it never came true: {what}");
        std::thread::sleep(Duration::from_millis(15));
    }
}
