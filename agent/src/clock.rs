//! The one place that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use vhr_core::time::Timestamp;

/// Now.
pub fn now() -> Timestamp {
    let ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        // A clock before 1970 is a flat battery; everything counts as then until it is set.
        Err(_) => 0,
    };
    Timestamp::from_millis(ms)
}
