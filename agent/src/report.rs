//! The last stop for errors: kind, chain, hint, exit code.

use std::error::Error as StdError;
use std::fmt::Write as _;

/// An error and its causes in one line, each saying its own part.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
