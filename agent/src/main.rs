//! VHR Agent, the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    vhr_agent::cli::run()
}
