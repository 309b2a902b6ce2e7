//! Set-up of the log: to stderr, for the person on duty. `VHR_LOG` chooses what (`info` by default).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts the log; quietly does nothing when one runs already (in tests).
pub fn start(default: &str) {
    let filter = EnvFilter::try_from_env("VHR_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    // Err only says that a log was started before.
    let _ = log.with_target(false).try_init();
}
