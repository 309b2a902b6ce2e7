//! VHR Agent: watches the folders a hospital system exports to, maps each visit to FHIR in a sandboxed plugin, and delivers
//! it to the insurance gateway and the VHR endpoint with proof of receipt.
//!
//! Modules in the order of the story:
//!
//! - [`pipeline`]: all of it in one place; read it first;
//! - [`watch`], [`intake`]: from a folder to a file of our own;
//! - [`frame`], [`signature`], [`check`], [`map`], [`plugin`]: from a file to records;
//! - [`spool`], [`journal`], [`queue`]: what is kept, and what is known of it;
//! - [`deliver`], [`endpoint`]: from the queue to a receipt;
//! - [`control`], [`desk`], [`status`], [`verify`], [`content`]: what people are told, and what they may do;
//! - [`cli`], [`demo`], [`report`], [`logging`]: how it is used;
//! - [`state`], [`keys`], [`seal`], [`secret`], [`digest`], [`disk`], [`clock`], [`memory`]: what the others stand on.

pub mod check;
pub mod cli;
pub mod clock;
pub mod content;
pub mod control;
pub mod deliver;
pub mod demo;
pub mod desk;
pub mod digest;
pub mod disk;
pub mod endpoint;
pub mod frame;
pub mod intake;
#[cfg(test)]
mod invented;
pub mod journal;
pub mod keys;
pub mod logging;
pub mod map;
pub mod memory;
pub mod outages;
pub mod pipeline;
pub mod plugin;
pub mod queue;
pub mod report;
pub mod seal;
pub mod secret;
pub mod signature;
pub mod spool;
pub mod state;
pub mod status;
pub mod verify;
pub mod watch;
