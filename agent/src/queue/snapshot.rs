//! How the queue stood at one place of the journal, so that a start has little to read. Nothing that counts is only here: a
//! snapshot that does not read is set aside, and the one before it, or the journal from its beginning, takes its place.
//!
//! ```text
//! snapshots/00000007   head of a sealed file, then a sealed stream of zstd of:  length postcard(Top)  (length postcard(Row))…
//! ```

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vhr_core::id::{EndpointId, ExportId};
use vhr_core::time::Timestamp;

use super::live::{Live, LiveDelivery, LiveExport, LiveRecord};
use super::tally::Tallies;
use crate::disk;
use crate::journal::Position;
use crate::keys::Keys;
use crate::seal;
use crate::spool::{self, RecordRow, sync_folder};

const MAGIC: [u8; 4] = *b"VHRS";
const VERSION: u16 = 4;
/// So many are kept: the newest and the one before it.
const KEPT: usize = 2;
/// No row is larger; a larger length is damage.
const MAX_ROW: u32 = 512 * 1024 * 1024;

/// What is known of the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Top {
    /// All entries before this place are in it, and none behind it.
    pub(super) end: Position,
    /// The next record's place in the order of acceptance.
    pub(super) order: u64,
    pub(super) tallies: Tallies,
    /// How many rows the history had, in each of its trees.
    pub(super) history: [u64; 4],
    /// The exports whose deliveries have all ended, and since when.
    pub(super) resting: Vec<(ExportId, Timestamp)>,
    endpoints: Vec<EndpointId>,
    records: u64,
}

#[derive(Serialize, Deserialize)]
enum Row {
    /// The export of the records that follow.
    Export(LiveExport),
    Record(u64, RecordRow, Vec<LiveDelivery>),
}

/// A snapshot as it will be written: made while nothing changes, written afterwards.
pub(super) struct Made {
    packed: Vec<u8>,
    /// Unpacked.
    size: u64,
}

/// Takes the picture. It is packed at once: of a month's backlog it is many times as large.
///
/// # Errors
/// When it cannot be packed.
pub(super) fn make(mut top: Top, live: &Live) -> io::Result<Made> {
    top.endpoints = live.endpoints().to_vec();
    top.records = live.len() as u64;
    let mut packed = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
    let mut size = put(&mut packed, &top)?;
    let mut export: Option<ExportId> = None;
    for (order, record) in live.iter() {
        if export != Some(record.export.id) {
            export = Some(record.export.id);
            size += put(&mut packed, &Row::Export((*record.export).clone()))?;
        }
        let row = Row::Record(order, record.row.clone(), record.deliveries.clone());
        size += put(&mut packed, &row)?;
    }
    Ok(Made {
        packed: packed.finish()?,
        size,
    })
}

impl Top {
    pub(super) fn new(end: Position, order: u64, tallies: Tallies, history: [u64; 4]) -> Self {
        Self {
            end,
            order,
            tallies,
            history,
            resting: Vec::new(),
            endpoints: Vec::new(),
            records: 0,
        }
    }
}

impl Made {
    /// Writes it, and removes those that are older than the one before. Gives its size, unpacked.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(self, state: &Path, keys: &Keys) -> io::Result<u64> {
        let folder = state.join("snapshots");
        fs::create_dir_all(&folder)?;
        let numbers = list(&folder);
        let number = numbers.last().map_or(1, |last| last + 1);
        let path = folder.join(format!("{number:08}"));
        let temporary = folder.join("tmp");
        let written = self.write_to(&temporary, keys).or_else(|e| match e {
            e if spool::disk_full(&e) && disk::release_ballast(state) => self.write_to(&temporary, keys),
            e => Err(e),
        });
        if written.is_err() {
            // Half of one only takes room; what cannot be removed is overwritten the next time.
            let _ = fs::remove_file(&temporary);
        }
        written?;
        fs::rename(&temporary, &path)?;
        sync_folder(&folder).map_err(io::Error::other)?;
        for old in numbers.iter().rev().skip(KEPT - 1) {
            fs::remove_file(folder.join(format!("{old:08}")))?;
        }
        Ok(self.size)
    }

    fn write_to(&self, path: &Path, keys: &Keys) -> io::Result<()> {
        let mut file = File::create(path)?;
        let head = seal::Head::new(MAGIC, VERSION, keys);
        file.write_all(&head.to_bytes())?;
        let key = head.key(keys, "snapshot").map_err(io::Error::other)?;
        let mut file = seal::Writer::new(io::BufWriter::new(file), key);
        file.write_all(&self.packed)?;
        let file = file.finish()?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// Removes all but so many of the newest: what the others rely on is to be let go.
///
/// # Errors
/// When one cannot be removed.
pub(super) fn only_newest(state: &Path, kept: usize) -> io::Result<()> {
    let folder = state.join("snapshots");
    for old in list(&folder).iter().rev().skip(kept) {
        fs::remove_file(folder.join(format!("{old:08}")))?;
    }
    sync_folder(&folder).map_err(io::Error::other)
}

/// The newest snapshot that reads. One that does not is set aside; one of an older version is not needed any more, and goes.
pub(super) fn load(state: &Path, keys: &Keys, now: Timestamp) -> (Option<(Top, Live)>, Vec<String>) {
    let folder = state.join("snapshots");
    let mut damaged = Vec::new();
    for number in list(&folder).into_iter().rev() {
        let path = folder.join(format!("{number:08}"));
        match read(&path, keys) {
            Ok(snapshot) => return (Some(snapshot), damaged),
            Err(e) if is_older(&e) => {
                tracing::info!(
                    number,
                    "a snapshot of an older version: the queue is made from the journal"
                );
                if let Err(e) = fs::remove_file(&path) {
                    tracing::warn!(why = %e, "a snapshot of an older version stays where it is");
                }
            }
            Err(e) => {
                let why = format!("snapshot {number}: {e}");
                if let Err(e) = spool::quarantine(state, &path, "snapshot", &why, now) {
                    tracing::warn!(
                        why = crate::report::chain(&e),
                        "a snapshot that does not read stays where it is"
                    );
                }
                damaged.push(why);
            }
        }
    }
    (None, damaged)
}

fn is_older(error: &io::Error) -> bool {
    let head = error.get_ref().and_then(|e| e.downcast_ref());
    matches!(head, Some(seal::HeadError::Version { found: 1..VERSION, .. }))
}

fn read(path: &Path, keys: &Keys) -> io::Result<(Top, Live)> {
    let mut file = BufReader::with_capacity(256 * 1024, File::open(path)?);
    let mut head = [0; seal::HEAD];
    file.read_exact(&mut head)?;
    let head = seal::Head::read(&head, MAGIC, VERSION).map_err(io::Error::other)?;
    let key = head.key(keys, "snapshot").map_err(io::Error::other)?;
    let sealed = BufReader::with_capacity(64 * 1024, seal::Reader::new(file, key));
    let mut rows = BufReader::with_capacity(256 * 1024, zstd::stream::read::Decoder::with_buffer(sealed)?);
    let mut buffer = Vec::new();
    let top: Top = get(&mut rows, &mut buffer)?;
    let mut live = Live::with_endpoints(top.endpoints.clone());
    let mut exports: HashMap<ExportId, Arc<LiveExport>> = HashMap::new();
    let mut export = None;
    let mut left = top.records;
    while left > 0 {
        match get(&mut rows, &mut buffer)? {
            Row::Export(read) => export = Some(Arc::clone(exports.entry(read.id).or_insert_with(|| Arc::new(read)))),
            Row::Record(order, row, deliveries) => {
                let export = export
                    .clone()
                    .ok_or_else(|| io::Error::other("a record before its export"))?;
                live.insert(
                    order,
                    LiveRecord {
                        export,
                        row,
                        deliveries,
                    },
                );
                left -= 1;
            }
        }
    }
    // To its very end: only there it is known that nothing was cut off or changed.
    io::copy(&mut rows, &mut io::sink())?;
    Ok((top, live))
}

fn list(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| PathBuf::from(entry.file_name()));
    let mut numbers: Vec<u32> = names
        .filter_map(|name| name.to_str().filter(|name| name.len() == 8)?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

fn put<T: Serialize>(to: &mut impl Write, value: &T) -> io::Result<u64> {
    let bytes = postcard::to_allocvec(value).expect("plain values serialise");
    to.write_all(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes())?;
    to.write_all(&bytes)?;
    Ok(4 + bytes.len() as u64)
}

fn get<T: DeserializeOwned>(from: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_ROW {
        return Err(io::Error::other(format!("a row claims to be {length} bytes long")));
    }
    buffer.resize(length as usize, 0);
    from.read_exact(buffer)?;
    postcard::from_bytes(buffer).map_err(io::Error::other)
}
