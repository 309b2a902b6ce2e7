//! VHR Agent.
pub mod journal;
pub mod report;
pub mod spool;
