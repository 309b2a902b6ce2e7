//! Cuts a QĐ 3176 export into records (one `HOSO`, one visit each) and gives their tables as decoded text.
//!
//! Two layers. The outer one is a byte scanner that knows nothing but where a `HOSO` begins and ends, so that a broken
//! record never takes its neighbours with it; the inner one is a strict XML reader that sees one `HOSO` at a time.
//! What stays true:
//!
//! - The file is never held: memory is one record (at most [`Limits::record_bytes`]) plus buffers.
//! - Every `HOSO` comes out exactly once, in file order, as [`Opened`] tables or as a [`RecordFault`] saying why not.
//! - The bytes decide what the characters are; a declaration is believed only where the bytes are not valid UTF-8.
//! - No DTD and no entity but the five of XML is ever expanded. No message repeats a value from the file.

mod cut;
mod envelope;
mod fault;
mod files;
mod mark;
mod open;
mod rows;
mod spoiled;
mod strict;
mod text;
mod window;

#[cfg(test)]
mod tests;

use std::io::Read;

pub use cut::{Cut, Records};
pub use envelope::{check_in, envelope, envelope_of_tables};
pub use fault::{Fault, FileFault, RecordFault};
pub use open::{Opened, open};
pub use rows::Row;
pub use spoiled::Repair;
pub(crate) use {fault::Bad, rows::resolve};

/// How much of anything is read before it counts as damage.
#[derive(Debug, Clone)]
pub struct Limits {
    /// One `HOSO`, as UTF-8.
    pub record_bytes: usize,
    /// One table's own XML document.
    pub table_bytes: usize,
    /// Elements inside each other in one table.
    pub depth: usize,
    /// Fields that hold something, over all rows of all tables of one record.
    pub fields: usize,
    /// The text of one field.
    pub value_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            record_bytes: 32 * MIB,
            table_bytes: 24 * MIB,
            depth: 16,
            fields: 2_000_000,
            value_bytes: 4 * MIB,
        }
    }
}

/// What kind of file an export is, learned without looking into its tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many [`Cut`]s [`records`] gives for this file, those to be set aside included.
    pub records: u32,
    /// `SOLUONGHOSO`, where it is a number.
    pub declared: Option<u32>,
    /// `MACSKCB`.
    pub facility: Option<String>,
    /// `NGAYLAP`.
    pub made_on: Option<String>,
    /// `CHUKYDONVI` holds anything but blanks, or a `Signature` stands outside the records: such bytes go out unchanged.
    pub signed: bool,
    /// A `Signature` stands within a record.
    pub signature_within: bool,
    /// What stands around the records is well-formed to the letter, in one piece, with names as the gateway has them.
    pub in_form: bool,
    /// The bytes are UTF-8 and the declaration does not say otherwise.
    pub utf8: bool,
    /// The file starts with a byte-order mark.
    pub bom: bool,
    /// The end tag of the root was there. Without it the file was cut short, though perhaps between two records.
    pub complete: bool,
    /// The file is the document of a check-in (XML0) by itself, and its one record.
    pub check_in: bool,
    /// The `xmlns` attributes of the root, each with a blank before it, so that a record cut out of it still means the same.
    pub namespaces: String,
}

/// First pass, cheap: what kind of file is this?
///
/// # Errors
///
/// [`FileFault`] when no record can be had from this file at all, or when reading it failed.
pub fn survey(input: impl Read, limits: &Limits) -> Result<Survey, FileFault> {
    cut::Cutter::new(input, limits)?.survey()
}

/// Second pass: the records, in file order. Ends after the first error.
pub fn records<R: Read>(input: R, limits: &Limits) -> Records<R> {
    Records::new(input, limits)
}
