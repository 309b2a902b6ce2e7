//! demo
use crate::report::{Exit, Failure};
pub mod exports;
pub mod receivers;
/// o
#[derive(Debug, clap::Args)]
pub struct Options {}
/// r
pub fn run(_: &Options) -> Result<Exit, Failure> {
    Ok(Exit::Well)
}
