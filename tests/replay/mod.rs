//! What a disk holds after the power was cut at some point of a recorded history.
//!
//! A history is read from the recorder's log (`log.rs`), told in terms of files rather than names (`trace.rs`), and cut: what
//! was synced survives, of the rest as much as a model says (`cut.rs`). Modelled after ext4 with ordered data, on the strict
//! side: `fsync` of a file commits its data and every earlier change of names and sizes; `fdatasync` commits its data, and
//! names and sizes only as far as needed to find them; `fsync` of a folder commits the changes of names up to the last in it;
//! `sync_file_range` commits nothing.

mod cut;
mod log;
#[cfg(test)]
mod tests;
mod trace;

pub(crate) use cut::{Disk, Model};
pub(crate) use log::note;
pub(crate) use trace::{Event, Trace};
