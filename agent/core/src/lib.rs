//! What VHR Agent decides, without clock, disk or network.
//!
//! Every function here takes what it needs to know, the time included, and returns a value. The crate's dependency list is
//! the rule "no I/O". In reading order:
//!
//! - [`id`], [`time`], [`record`], [`bundle`]: what a visit becomes;
//! - [`delivery`], [`retry`]: what becomes of it on its way.

pub mod bundle;
pub mod delivery;
pub mod id;
pub mod record;
pub mod retry;
pub mod time;
