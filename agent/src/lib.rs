//! VHR Agent.
pub mod journal;
pub mod queue;
pub mod report;
pub mod spool;
