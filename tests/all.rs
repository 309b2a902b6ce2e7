//! The real binary in a fake world: folders, receivers with a script of answers, and a person at the command line.
//!
//! Here is asked whether it is wired. Whether a rule is right is asked beside the rule.

#![allow(
    clippy::unwrap_used,
    reason = "all of this is tests, also what stands between the test functions"
)]

mod harness;

mod checkin;
mod cli;
mod crash;
mod damage;
mod delivery;
mod desk;
mod disk;
mod faults;
mod field;
mod intake;
mod keys;
mod outages;
mod peers;
mod replay;
mod report;
mod secrecy;
mod story;
mod survival;
mod twice;
mod versions;
