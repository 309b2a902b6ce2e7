//! Write a VHR Agent mapping plugin: one pure function from a record of an export to FHIR R4 resources.
//!
//! ```
//! use vhr_plugin_sdk::{Context, Issues, Outcome, Record};
//!
//! vhr_plugin_sdk::plugin!(map);
//!
//! fn map(_context: &Context, record: &Record) -> Outcome {
//!     Outcome::Skipped(Issues::issue("information", "EXAMPLE", &record.locator, "bỏ qua", "left out"))
//! }
//! # fn main() {}
//! ```
//!
//! A plugin whose source is no claim file fills [`tables::Tables`] instead: from them come the documents of the claim and, by
//! the national plugin, the resources.
//!
//! The function sees values and returns values: no clock, no file, no network. Everything else here serves it: [`Visit`]
//! and [`Row`] read a record, [`Moment`] and [`Decimal`] read its dates and numbers without inventing anything,
//! [`Object`] writes resources, [`Issues`] collects what a person should know. The same function runs natively, for tests
//! and measurements, through the `map_batch` that the macro adds to the plugin's crate.
//!
//! What stays true: a plugin built on this crate imports nothing but the contract (`vhr:mapper`), and the same record
//! with the same context gives the same bytes.

mod bindings;
mod date;
mod decimal;
mod host;
mod issue;
mod json;
mod list;
mod plugin;
pub mod tables;
mod visit;

pub use bindings::vhr::mapper::types::{
    Answer, Claim, Context, Failure, FhirResource, Issue, Mapped, Outcome, Payload, SourceRecord as Record, Table,
    Visit as VisitInfo,
};
pub use date::{Ambiguous, BadDate, Moment};
pub use decimal::Decimal;
pub use host::{Concept, log, translate};
pub use issue::Issues;
pub use json::{Array, Object, resource};
pub use list::{aligned, list};
pub use plugin::{Config, Scope, context, map_all, put, record};
pub use visit::{Row, Unreadable, Visit};

/// The worked example of `plugins/README.md`, so that it keeps compiling.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

/// What the [`plugin!`] macro needs; not for use by hand.
#[doc(hidden)]
pub mod glue {
    pub use crate::bindings::*;
}
