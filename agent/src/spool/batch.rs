//! The sealed batch: the records mapped from one export, one frame each, each sealed alone, and an index at the end.
//!
//! ```text
//! "VHRB" head of a sealed file       one frame per record:  length  sealed zstd(body)
//! sealed index (zstd of JSON)        trailer:  offset and length of the index, "BRHV"
//! ```
//! What stays true: a batch without its trailer was never accepted; a damaged frame is noticed and harms no other.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use vhr_core::id::{ExportId, RecordId};
use vhr_core::record::Record;
use vhr_core::twin::Amounts;

use super::{Error, Part, Spool, create, damaged, io_error, read_head};
use crate::keys::Keys;
use crate::seal::{self, FileKey, TAG, numbered};

const MAGIC: [u8; 4] = *b"VHRB";
const END: &[u8; 4] = b"BRHV";
const VERSION: u16 = 3;
const TRAILER: u64 = 8 + 8 + 4;
/// Before the sealed bytes of a frame: their length.
const LENGTH: usize = 4;
/// Far above what limits on records allow; a larger length is damage.
const MAX_BODY: usize = 512 * 1024 * 1024;
const MAX_INDEX: u64 = 1024 * 1024 * 1024;

/// Where one record lies in its batch, and what the queue must know of it without opening it. No patient data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRow {
    /// Its id.
    pub record: RecordId,
    /// Its place in the export, from 1.
    pub seq: u32,
    /// Where its frame begins.
    pub offset: u64,
    /// Length of the frame, bytes.
    pub length: u32,
    /// Bytes of the record itself, unpacked.
    #[serde(default)]
    pub size: u32,
    /// Keyed digest of facility and `MA_LK`.
    pub visit: [u8; 16],
    /// Keyed digest of the visit's content.
    pub content: [u8; 16],
    /// How the text of that content was written.
    #[serde(default)]
    pub written: Written,
    /// Whether the file it came in was signed.
    pub signed: bool,
    /// Keyed digests of what its Bundle shares with others.
    pub shares: Vec<u64>,
    /// By what its claim is told from one that says the same of another visit.
    #[serde(default)]
    pub twin: Option<TwinKey>,
}

/// What is kept of a [`vhr_core::twin::Twin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwinKey {
    /// Keyed digest of what has to be the same.
    pub same: [u8; 16],
    /// The amounts, to each of which something was added: a number of its own for each `same`, which without the site's key
    /// nobody knows. What they are stays hidden; how far they are apart from those of a twin can be told.
    pub amounts: Amounts,
}

/// How the text of a record was written, beside what it is read as: claims leave as they were written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Written {
    /// An older version did not tell.
    #[default]
    Untold,
    /// As it is read.
    AsRead,
    /// In spoiled letters, this being their keyed digest.
    Spoiled([u8; 16]),
}

impl Written {
    /// Whether two records that are read as the same were written alike, as far as is known.
    pub fn agrees(self, other: Self) -> bool {
        self == other || [self, other].contains(&Self::Untold)
    }
}

/// A record or a whole file that could not be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// Place in the export, from 1; 0 for the file as a whole.
    pub seq: u32,
    /// Where: `HOSO[3] line 120`.
    pub locator: String,
    /// For programs: `FRAME-BASE64`, `QD3176-MISSING`.
    pub code: String,
    /// For people.
    pub vi: String,
    /// The same in English.
    pub en: String,
    /// The code of the department that closed the visit, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
}

/// What became of every record of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Records found in the file.
    pub found: u32,
    /// Mapped.
    pub mapped: Vec<RecordRow>,
    /// Refused by the plugin: the visit's data does not allow a mapping.
    pub refused: Vec<SetAside>,
    /// Could not be read.
    pub set_aside: Vec<SetAside>,
    /// The whole file could not be read.
    pub file: Option<SetAside>,
}

/// Writes a batch.
#[expect(missing_debug_implementations, reason = "the packer has none")]
pub struct BatchWriter {
    /// One for all records: making one takes as long as packing a small record.
    packer: zstd::bulk::Compressor<'static>,
    file: BufWriter<File>,
    key: FileKey,
    temporary: PathBuf,
    export: ExportId,
    spool: Spool,
    at: u64,
}

impl BatchWriter {
    pub(super) fn create(spool: &Spool, export: ExportId, temporary: PathBuf) -> Result<Self, Error> {
        let head = seal::Head::new(MAGIC, VERSION, &spool.keys);
        let key = head.key(&spool.keys, &place(export));
        let key = key.map_err(|e| damaged(&temporary, e.to_string()))?;
        let mut file = BufWriter::with_capacity(256 * 1024, create(&temporary)?);
        file.write_all(&head.to_bytes())
            .map_err(io_error("write", &temporary))?;
        let packer = zstd::bulk::Compressor::new(1).map_err(io_error("make a packer for", &temporary))?;
        Ok(Self {
            packer,
            file,
            key,
            temporary,
            export,
            spool: spool.clone(),
            at: seal::HEAD as u64,
        })
    }

    /// Adds a record's bytes; gives the place and length of its frame.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, body: &[u8]) -> Result<(u64, u32), Error> {
        let packed = self
            .packer
            .compress(body)
            .map_err(io_error("pack into", &self.temporary))?;
        let sealed = self.piece(packed, false);
        let length =
            u32::try_from(sealed.len() + LENGTH).map_err(|_| damaged(&self.temporary, "a record of 4 GiB".into()))?;
        let write = |file: &mut BufWriter<File>| {
            file.write_all(&(length - LENGTH as u32).to_le_bytes())?;
            file.write_all(&sealed)
        };
        write(&mut self.file).map_err(io_error("write", &self.temporary))?;
        let offset = self.at;
        self.at += u64::from(length);
        Ok((offset, length))
    }

    /// Writes the index, syncs, and gives the batch its name. From here on it counts.
    ///
    /// # Errors
    /// When it cannot be written or synced.
    pub fn finish(mut self, index: &Index) -> Result<(), Error> {
        let text = serde_json::to_vec(index).expect("an index has no keys but strings");
        let packed = self
            .packer
            .compress(&text)
            .map_err(io_error("pack into", &self.temporary))?;
        let sealed = self.piece(packed, true);
        let write = |file: &mut BufWriter<File>| {
            file.write_all(&sealed)?;
            file.write_all(&self.at.to_le_bytes())?;
            file.write_all(&(sealed.len() as u64).to_le_bytes())?;
            file.write_all(END)?;
            file.flush()
        };
        write(&mut self.file).map_err(io_error("write", &self.temporary))?;
        self.file
            .get_ref()
            .sync_all()
            .map_err(io_error("sync", &self.temporary))?;
        self.spool.put(&self.temporary, Part::Out, self.export)
    }

    /// Seals what is to lie at the present place.
    fn piece(&self, mut bytes: Vec<u8>, last: bool) -> Vec<u8> {
        self.key.seal(numbered(self.at, last), b"", &mut bytes);
        bytes
    }
}

/// A batch to read from.
#[derive(Debug)]
pub struct Batch {
    file: File,
    key: FileKey,
    path: PathBuf,
}

impl Batch {
    pub(super) fn open(path: PathBuf, export: ExportId, keys: &Keys) -> Result<Self, Error> {
        let mut file = File::open(&path).map_err(io_error("open", &path))?;
        let key = read_head(&mut file, MAGIC, VERSION, &path, keys, &place(export))?;
        Ok(Self { file, key, path })
    }

    /// What became of every record of the export.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn index(&mut self) -> Result<Index, Error> {
        let size = self.file.seek(SeekFrom::End(0)).map_err(io_error("read", &self.path))?;
        let start = size
            .checked_sub(TRAILER)
            .ok_or_else(|| damaged(&self.path, "it has no end".into()))?;
        let mut trailer = [0; TRAILER as usize];
        self.read_at(start, &mut trailer)?;
        let number = |at: usize| u64::from_le_bytes(trailer[at..at + 8].try_into().expect("eight bytes"));
        let (offset, length) = (number(0), number(8));
        if &trailer[16..] != END || offset.checked_add(length) != Some(start) || length > MAX_INDEX {
            return Err(damaged(&self.path, "its end does not add up".into()));
        }
        let mut sealed = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.read_at(offset, &mut sealed)?;
        let text = self.opened(sealed, offset, true, "its index")?;
        serde_json::from_slice(&text).map_err(|e| damaged(&self.path, format!("its index does not read ({e})")))
    }

    /// The record whose frame lies at `offset` and is `length` bytes long.
    ///
    /// # Errors
    /// When the frame is damaged or is not that record.
    pub fn record(&mut self, record: RecordId, offset: u64, length: u32) -> Result<Record, Error> {
        if (length as usize) < LENGTH + TAG || length as usize > MAX_BODY {
            return Err(damaged(&self.path, format!("a frame of {length} bytes")));
        }
        let mut frame = vec![0; length as usize - LENGTH];
        self.read_at(offset + LENGTH as u64, &mut frame)?;
        let what = || format!("record {}", record.short());
        let body = self.opened(frame, offset, false, &what())?;
        if RecordId::of(&body) != record {
            return Err(damaged(&self.path, format!("{} does not have its digest", what())));
        }
        Record::unseal(&body).map_err(|e| damaged(&self.path, format!("{}: {e}", what())))
    }

    fn opened(&self, mut sealed: Vec<u8>, offset: u64, last: bool, what: &str) -> Result<Vec<u8>, Error> {
        let opened = self.key.open(numbered(offset, last), b"", &mut sealed);
        let unpacked = opened.and_then(|()| unpack(&sealed).ok());
        unpacked.ok_or_else(|| {
            damaged(
                &self.path,
                format!("{what} does not open: it was changed, cut or moved"),
            )
        })
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.read_exact(buffer))
            .map_err(io_error("read", &self.path))
    }
}

fn place(export: ExportId) -> String {
    format!("out/{export}")
}

/// A frame says how large its content is. Without that, room for the largest would have to be made each time.
fn unpack(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let told = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
    let size = told.and_then(|size| usize::try_from(size).ok()).unwrap_or(MAX_BODY);
    zstd::bulk::decompress(packed, size.min(MAX_BODY))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use vhr_core::id::ExportId;
    use vhr_core::record::{Head, VisitKey};

    use super::super::Spool;
    use super::*;
    use crate::invented;

    fn record(seq: u32) -> Record {
        Record {
            head: Head {
                export: ExportId::from_bytes([1; 32]),
                seq,
                key: VisitKey {
                    visit: format!("LK{seq}"),
                    ..invented::head().key
                },
                ..invented::head()
            },
            bundles: BTreeMap::from([("r4".into(), "{}".repeat(500))]),
            envelope: None,
        }
    }

    fn write(spool: &Spool) -> Vec<(RecordId, u64, u32)> {
        let mut batch = spool.new_batch(ExportId::from_bytes([1; 32])).unwrap();
        let frames = (1..=3)
            .map(|seq| {
                let (id, body) = record(seq).seal();
                let (offset, length) = batch.add(&body).unwrap();
                (id, offset, length)
            })
            .collect();
        batch
            .finish(&Index {
                found: 3,
                ..Index::default()
            })
            .unwrap();
        frames
    }

    #[test]
    fn each_record_comes_back_and_the_index_with_it() {
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::open(
            state.path(),
            crate::keys::Keys::generate(vhr_core::time::Timestamp::from_millis(1)),
        )
        .unwrap();
        let frames = write(&spool);
        let mut batch = spool.batch(ExportId::from_bytes([1; 32])).unwrap();
        assert_eq!(batch.index().unwrap().found, 3);
        for (seq, (id, offset, length)) in (1..).zip(frames) {
            assert_eq!(batch.record(id, offset, length).unwrap(), record(seq));
        }
    }

    #[test]
    fn a_damaged_frame_harms_no_other() {
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::open(
            state.path(),
            crate::keys::Keys::generate(vhr_core::time::Timestamp::from_millis(1)),
        )
        .unwrap();
        let frames = write(&spool);
        let path = state
            .path()
            .join("spool/out")
            .join(ExportId::from_bytes([1; 32]).to_string());
        let mut bytes = fs::read(&path).unwrap();
        bytes[usize::try_from(frames[1].1).unwrap() + 40] ^= 1;
        fs::write(&path, bytes).unwrap();
        let mut batch = spool.batch(ExportId::from_bytes([1; 32])).unwrap();
        let read = frames
            .iter()
            .map(|(id, offset, length)| batch.record(*id, *offset, *length).is_ok());
        assert_eq!(read.collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn a_batch_cut_anywhere_is_never_taken_for_a_whole_one() {
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::open(
            state.path(),
            crate::keys::Keys::generate(vhr_core::time::Timestamp::from_millis(1)),
        )
        .unwrap();
        write(&spool);
        let path = state
            .path()
            .join("spool/out")
            .join(ExportId::from_bytes([1; 32]).to_string());
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let read = spool
                .batch(ExportId::from_bytes([1; 32]))
                .and_then(|mut batch| batch.index());
            assert!(read.is_err(), "cut at {cut}");
        }
    }
}
