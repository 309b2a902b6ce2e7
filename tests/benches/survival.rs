//! The big run of the survival harness, one command: `cargo bench -p vhr-e2e --bench survival`.
//!
//! Prints one markdown table and ends with 1 when a number that must be 0 is not. `KILLS`, `STATES`, `FIRST`, `CUTS`, `DAMAGES` and `SEED` in the
//! environment make it larger, smaller or another one. What it found is told on stderr, with the round it was found in.

#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    reason = "the fake world is that of the tests, and not all of it is needed here"
)]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../replay/mod.rs"]
mod replay;
#[path = "../survival/mod.rs"]
mod survival;

use std::process::ExitCode;

use survival::{Tally, damage, ext4, kill, power};

fn main() -> ExitCode {
    let seed = number("SEED", 3176);
    let kills = number("KILLS", 240) as usize;
    let mut rows = Vec::new();
    for (nth, source) in [r#"after = "delete""#, r#"after = "archive""#].into_iter().enumerate() {
        rows.push(kill::run(kill::Size {
            kills: kills / 2,
            look_every: 10,
            seed: seed + nth as u64,
            source,
        }));
    }
    rows.extend(power::run(power::Size {
        visits: 24,
        states: number("STATES", 250) as usize,
        first_starts: number("FIRST", 31) as usize,
        to_the_end: 10,
        seed,
    }));
    rows.push(ext4::run(ext4::Size {
        cuts: number("CUTS", 20) as usize,
        seed,
    }));
    let cases = number("DAMAGES", u64::MAX);
    rows.push(damage::run(damage::Size {
        cases: (cases < u64::MAX).then_some(cases as usize),
        seed,
        only: None,
    }));
    println!("{}", Tally::HEAD);
    for row in &rows {
        println!("{row}");
    }
    ExitCode::from(u8::from(!rows.iter().all(Tally::is_clean)))
}

/// From the environment.
fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}
