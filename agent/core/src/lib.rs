//! What VHR Agent decides, without clock, disk or network.
//!
//! Every function here takes what it needs to know, the time included, and returns a value. The crate's dependency list is
//! the rule "no I/O". In reading order:
//!
//! - [`config`], [`say`], [`time`]: what a site wants, said to people in their language;
//! - [`settle`]: when a watched file is complete;
//! - [`spoiled`]: what its text says, where it came in the wrong encoding;
//! - [`id`], [`record`], [`bundle`]: what a visit becomes;
//! - [`tree`], [`structure`]: whether its resources are FHIR R4, and the profiles they keep;
//! - [`rules`], [`twin`]: what is wrong with it before it is sent;
//! - [`diff`]: what a newer version of it says differently;
//! - [`delivery`], [`answer`], [`retry`], [`line`], [`schedule`], [`spread`], [`believe`]: what becomes of it on its way;
//! - [`status`], [`control`], [`outage`], [`figures`]: what is told about it.

pub mod answer;
pub mod believe;
pub mod bundle;
pub mod config;
pub mod control;
pub mod delivery;
pub mod diff;
pub mod figures;
pub mod id;
pub mod line;
pub mod outage;
mod r4;
pub mod record;
pub mod retry;
pub mod rules;
pub mod say;
pub mod schedule;
pub mod settle;
pub mod spoiled;
pub mod spread;
pub mod status;
pub mod structure;
pub mod time;
pub mod tree;
pub mod twin;
