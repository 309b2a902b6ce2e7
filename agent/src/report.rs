//! The last stop for errors: kind, chain, hint, exit code.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::process::ExitCode;

/// How the program ends. The numbers are a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All well.
    Well,
    /// It did what it could, and somebody has to look (`status`).
    NeedsAPerson,
    /// Something failed on this machine.
    Failed,
    /// The service does not run (`status`).
    NotRunning,
    /// Wrong arguments.
    Usage,
    /// The data: something is parked, refused or set aside.
    Data,
    /// Something still waits.
    Waiting,
    /// The configuration.
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Well => 0,
            Exit::NeedsAPerson | Exit::Failed => 1,
            Exit::NotRunning => 3,
            Exit::Usage => 2,
            Exit::Data => 65,
            Exit::Waiting => 75,
            Exit::Configuration => 78,
        })
    }
}

/// An error on its way out: what kind, what happened, what to do.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    text: String,
    hint: Option<String>,
}

impl Failure {
    /// The configuration, or something it names, is not right.
    pub fn configuration(text: impl Into<String>) -> Self {
        Self {
            exit: Exit::Configuration,
            text: text.into(),
            hint: None,
        }
    }

    /// The configuration names something that is of no use.
    pub fn configured(error: impl StdError) -> Self {
        Self::configuration(chain(&error))
    }

    /// What was asked for makes no sense.
    pub fn usage(text: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            text: text.into(),
            hint: None,
        }
    }

    /// The data given is not right.
    pub fn data(error: impl StdError) -> Self {
        Self {
            exit: Exit::Data,
            text: chain(&error),
            hint: None,
        }
    }

    /// This machine did not let us.
    pub fn environment(act: &str, error: impl StdError) -> Self {
        Self {
            exit: Exit::Failed,
            text: format!("{act}: {}", chain(&error)),
            hint: None,
        }
    }

    /// The service should run for this, and does not, or the other way round.
    pub fn not_running(text: impl Into<String>) -> Self {
        Self {
            exit: Exit::NotRunning,
            text: text.into(),
            hint: None,
        }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// Tells a failure on stderr, once.
pub fn tell(failure: &Failure) -> ExitCode {
    eprintln!("lỗi (error): {}", failure.text);
    if let Some(hint) = &failure.hint {
        eprintln!("  → {hint}");
    }
    failure.exit.into()
}

/// An error and its causes in one line, each saying its own part.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        // A library that repeats its cause is not repeated by us.
        if !text.ends_with(&part) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {part}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not read the export")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("the share is gone: code 5")]
    struct Middle(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("code 5")]
    struct Inner;

    #[test]
    fn each_cause_is_said_once() {
        assert_eq!(
            chain(&Outer(Middle(Inner))),
            "could not read the export: the share is gone: code 5"
        );
    }
}
