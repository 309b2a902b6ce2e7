//! The append-only, synced record of what happened. Receipts live here.
//!
//! What stays true: an entry is one frame, whole or absent; a frame that was answered as synced is on disk; nothing written
//! is ever changed. After a failed write or sync the journal takes nothing more: the agent stops and starts over from what
//! is on disk.
//!
//! ```text
//! journal/00000001     head, then frames:  "VHRj"  length  crc32(payload)  payload (JSON, one Entry)
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use vhr_core::delivery::State;
use vhr_core::id::{DeliveryId, EndpointId, ExportId, PluginRef, RecordId};
use vhr_core::time::Timestamp;

use crate::spool::sync_folder;

const MAGIC: &[u8; 8] = b"VHRJ\x01\0\0\0";
const MARK: &[u8; 4] = b"VHRj";
const FRAME: usize = 12;
/// A new file is begun at this size.
const SEGMENT: u64 = 64 * 1024 * 1024;
/// No entry is larger; a larger length is damage.
const MAX_PAYLOAD: u32 = 256 * 1024 * 1024;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Entry {
    /// An export was taken in: its copy and its batch are on disk. From here on it will be delivered.
    Accepted(Accepted),
    /// A delivery took a step.
    Step {
        /// Which.
        delivery: DeliveryId,
        /// When.
        at: Timestamp,
        /// Where it stands now.
        state: State,
    },
    /// A person has dealt with records of an export that were set aside or refused.
    Closed {
        /// Which export.
        export: ExportId,
        /// Which records, by their place in it; 0 is the file as a whole.
        seqs: Vec<u32>,
        /// When.
        at: Timestamp,
        /// In the person's words.
        reason: String,
    },
    /// The source file of an export was archived or deleted, as configured.
    Retired {
        /// Which export.
        export: ExportId,
        /// When.
        at: Timestamp,
    },
}

/// What is decided when an export is accepted, in one frame: all of it holds, or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// Which export.
    pub export: ExportId,
    /// When.
    pub at: Timestamp,
    /// By which `[[source]]`.
    pub source: String,
    /// Mapped by what; absent when the file could not be read at all.
    pub plugin: Option<PluginRef>,
    /// How many records were found, mapped, refused, set aside.
    pub counts: Counts,
    /// The first state of each delivery that is made of it.
    pub deliveries: Vec<First>,
    /// Older versions of the same visits that had not left yet.
    pub superseded: Vec<(DeliveryId, RecordId)>,
}

/// Records in = mapped + refused + set aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records in the file.
    pub found: u32,
    /// Mapped, those known already included.
    pub mapped: u32,
    /// Refused by the plugin.
    pub refused: u32,
    /// Unreadable; for a file that could not be read at all, 0 found and 1 file.
    pub set_aside: u32,
    /// Of the mapped, those whose visit is known with exactly this content: nothing is sent for them.
    pub known: u32,
    /// 1 when the file as a whole was set aside.
    pub files_set_aside: u32,
}

/// The deliveries of one endpoint that begin in one state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct First {
    /// Where to.
    pub endpoint: EndpointId,
    /// Which records, by their place in the export.
    pub seqs: Vec<u32>,
    /// Waiting for a window, or parked from the start.
    pub state: State,
}

/// A place in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Number of the file.
    pub segment: u32,
    /// Byte in it.
    pub offset: u64,
}

/// Why the journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("could not {act} the journal file {path}")]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder could not be synced.
    #[error(transparent)]
    Folder(#[from] crate::spool::Error),
    /// An earlier write failed; what is on disk is only known after a new start.
    #[error("the journal takes nothing more since a write failed; restart the agent: {0}")]
    Poisoned(String),
    /// The frame at this place does not read.
    #[error("the journal is damaged at {0:?}")]
    Damaged(Position),
}

/// Whether an append is on disk before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// On disk.
    Now,
    /// With the next one that is synced.
    Later,
}

struct Append {
    entries: Vec<Entry>,
    sync: Sync,
    done: oneshot::Sender<Result<Vec<Position>, String>>,
}

/// The journal, open for appending. Many callers share each sync.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
    appends: mpsc::Sender<Append>,
}

impl Journal {
    /// Opens the journal of the state folder; a frame torn by an interrupted write is cut off.
    ///
    /// # Errors
    /// When the folder or the newest file cannot be opened.
    pub fn open(state: &Path) -> Result<Self, Error> {
        let folder = state.join("journal");
        fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
        sync_folder(state)?;
        let last = segments(&folder)?.pop().unwrap_or(1);
        let path = segment_path(&folder, last);
        let mut end = MAGIC.len() as u64;
        if path.exists() {
            for frame in Frames::open(
                &folder,
                Position {
                    segment: last,
                    offset: 0,
                },
            )? {
                end = frame?.end;
            }
        }
        let writer = Writer::open(folder.clone(), last, end)?;
        let (appends, queue) = mpsc::channel();
        thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer.run(&queue))
            .map_err(failed("start the writer of", &path))?;
        Ok(Self { folder, appends })
    }

    /// Appends entries in one go, contiguous and in order.
    ///
    /// # Errors
    /// When they could not be written or synced, now or earlier.
    pub async fn append(&self, entries: Vec<Entry>, sync: Sync) -> Result<Vec<Position>, Error> {
        let (done, answer) = oneshot::channel();
        let gone = || Error::Poisoned("its writer has ended".into());
        self.appends.send(Append { entries, sync, done }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?.map_err(Error::Poisoned)
    }

    /// All entries from `from` on, in order. A damaged stretch is passed over and told as an error item.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn entries(
        &self,
        from: Position,
    ) -> Result<impl Iterator<Item = Result<(Position, Position, Entry), Error>> + use<>, Error> {
        entries(&self.folder, from)
    }

    /// The entry at `position`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, position: Position) -> Result<Entry, Error> {
        entries(&self.folder, position)?
            .next()
            .unwrap_or(Err(Error::Damaged(position)))
            .and_then(|(at, _, entry)| {
                if at == position {
                    Ok(entry)
                } else {
                    Err(Error::Damaged(position))
                }
            })
    }
}

/// All entries of the journal in `folder` from `from` on: where each begins, where it ends, and what it is. Needs no open
/// journal, so that the command line can read receipts while the service runs.
///
/// # Errors
/// When the folder cannot be listed.
pub fn entries(
    folder: &Path,
    from: Position,
) -> Result<impl Iterator<Item = Result<(Position, Position, Entry), Error>> + use<>, Error> {
    let folder = folder.to_owned();
    let later = segments(&folder)?
        .into_iter()
        .filter(move |segment| *segment >= from.segment);
    Ok(later.flat_map(move |segment| {
        let offset = if segment == from.segment { from.offset } else { 0 };
        let start = Position { segment, offset };
        let (frames, failure) = match Frames::open(&folder, start) {
            Ok(frames) => (Some(frames), None),
            Err(e) => (None, Some(Err(e))),
        };
        failure
            .into_iter()
            .chain(frames.into_iter().flatten().map(move |frame| {
                let frame = frame?;
                let at = Position {
                    segment,
                    offset: frame.start,
                };
                let entry = serde_json::from_slice(&frame.payload).map_err(|_| Error::Damaged(at))?;
                Ok((
                    at,
                    Position {
                        segment,
                        offset: frame.end,
                    },
                    entry,
                ))
            }))
    }))
}

struct Writer {
    folder: PathBuf,
    file: File,
    segment: u32,
    end: u64,
}

impl Writer {
    fn open(folder: PathBuf, segment: u32, end: u64) -> Result<Self, Error> {
        let path = segment_path(&folder, segment);
        let fresh = !path.exists() || end <= MAGIC.len() as u64;
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed("open", &path))?;
        let start = |file: &mut File| {
            file.set_len(if fresh { 0 } else { end })?;
            file.seek(SeekFrom::End(0))?;
            if fresh {
                file.write_all(MAGIC)?;
            }
            file.sync_all()
        };
        start(&mut file).map_err(failed("prepare", &path))?;
        sync_folder(&folder)?;
        Ok(Self {
            folder,
            file,
            segment,
            end: end.max(MAGIC.len() as u64),
        })
    }

    /// Takes what is waiting, writes it in one go, syncs once, answers all.
    fn run(mut self, queue: &mpsc::Receiver<Append>) {
        let mut poisoned: Option<String> = None;
        while let Ok(first) = queue.recv() {
            let batch: Vec<Append> = std::iter::once(first).chain(queue.try_iter()).collect();
            let mut answers = Vec::with_capacity(batch.len());
            if poisoned.is_none() {
                match self.write(&batch) {
                    Ok(positions) => answers = positions,
                    Err(e) => poisoned = Some(crate::report::chain(&e)),
                }
            }
            let mut answers = answers.into_iter();
            for append in batch {
                let answer = match (&poisoned, answers.next()) {
                    (None, Some(positions)) => Ok(positions),
                    (why, _) => Err(why.clone().unwrap_or_default()),
                };
                // A caller that no longer waits has nothing to be told.
                let _ = append.done.send(answer);
            }
        }
    }

    fn write(&mut self, batch: &[Append]) -> Result<Vec<Vec<Position>>, Error> {
        if self.end >= SEGMENT {
            *self = Self::open(self.folder.clone(), self.segment + 1, 0)?;
        }
        let mut bytes = Vec::new();
        let mut positions = Vec::with_capacity(batch.len());
        for append in batch {
            let mut places = Vec::with_capacity(append.entries.len());
            for entry in &append.entries {
                places.push(Position {
                    segment: self.segment,
                    offset: self.end + bytes.len() as u64,
                });
                let payload = serde_json::to_vec(entry).expect("an entry has no keys but strings");
                bytes.extend_from_slice(MARK);
                bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
                bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
                bytes.extend_from_slice(&payload);
            }
            positions.push(places);
        }
        let path = segment_path(&self.folder, self.segment);
        self.file.write_all(&bytes).map_err(failed("write", &path))?;
        if batch.iter().any(|append| append.sync == Sync::Now) {
            self.file.sync_data().map_err(failed("sync", &path))?;
        }
        self.end += bytes.len() as u64;
        Ok(positions)
    }
}

struct Frame {
    start: u64,
    end: u64,
    payload: Vec<u8>,
}

/// The whole frames of one file. Bytes that are no frame are passed over up to the next that is.
struct Frames {
    file: io::BufReader<File>,
    path: PathBuf,
    segment: u32,
    at: u64,
    size: u64,
}

impl Frames {
    fn open(folder: &Path, from: Position) -> Result<Self, Error> {
        let path = segment_path(folder, from.segment);
        let file = File::open(&path).map_err(failed("open", &path))?;
        let size = file.metadata().map_err(failed("read", &path))?.len();
        let mut file = io::BufReader::with_capacity(256 * 1024, file);
        let at = from.offset.max(MAGIC.len() as u64);
        file.seek(SeekFrom::Start(at)).map_err(failed("read", &path))?;
        Ok(Self {
            file,
            path,
            segment: from.segment,
            at,
            size,
        })
    }

    fn frame(&mut self) -> Result<Option<Frame>, io::Error> {
        let mut head = [0; FRAME];
        if self.size.saturating_sub(self.at) < FRAME as u64 {
            return Ok(None);
        }
        self.file.read_exact(&mut head)?;
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let crc = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        let end = self.at + FRAME as u64 + u64::from(length);
        if &head[..4] != MARK || length > MAX_PAYLOAD || end > self.size {
            return Ok(None);
        }
        let mut payload = vec![0; length as usize];
        self.file.read_exact(&mut payload)?;
        let whole = crc32fast::hash(&payload) == crc;
        Ok(whole.then_some(Frame {
            start: self.at,
            end,
            payload,
        }))
    }

    /// Looks for the next whole frame after a place that is none.
    fn resync(&mut self) -> Result<Option<Frame>, io::Error> {
        let mut window = Vec::new();
        let mut at = self.at + 1;
        while at < self.size {
            self.file.seek(SeekFrom::Start(at))?;
            window.clear();
            (&mut self.file).take(256 * 1024).read_to_end(&mut window)?;
            for found in memchr::memmem::find_iter(&window, MARK) {
                self.at = at + found as u64;
                self.file.seek(SeekFrom::Start(self.at))?;
                if let Some(frame) = self.frame()? {
                    return Ok(Some(frame));
                }
            }
            at += (window.len() as u64).saturating_sub(3).max(1);
        }
        self.at = self.size;
        Ok(None)
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.size {
            return None;
        }
        let found = match self.frame() {
            Ok(None) => {
                let bad = self.at;
                let next = self.resync();
                if matches!(next, Ok(Some(_))) {
                    tracing::warn!(
                        segment = self.segment,
                        offset = bad,
                        "journal: passed over damaged bytes"
                    );
                }
                next
            }
            frame => frame,
        };
        match found {
            Ok(Some(frame)) => {
                self.at = frame.end;
                Some(Ok(frame))
            }
            Ok(None) => None,
            Err(e) => {
                self.at = self.size;
                Some(Err(failed("read", &self.path)(e)))
            }
        }
    }
}

fn segment_path(folder: &Path, segment: u32) -> PathBuf {
    folder.join(format!("{segment:08}"))
}

fn segments(folder: &Path) -> Result<Vec<u32>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let name = entry.map_err(failed("list", folder))?.file_name();
        found.extend(
            name.to_str()
                .filter(|name| name.len() == 8)
                .and_then(|name| name.parse::<u32>().ok()),
        );
    }
    found.sort_unstable();
    Ok(found)
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { act, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retired(n: u8) -> Entry {
        Entry::Retired {
            export: ExportId::from_bytes([n; 32]),
            at: Timestamp::from_millis(n.into()),
        }
    }

    fn all(folder: &Path) -> Vec<Entry> {
        let start = Position { segment: 0, offset: 0 };
        entries(&folder.join("journal"), start)
            .unwrap()
            .map(|entry| entry.unwrap().2)
            .collect()
    }

    #[tokio::test]
    async fn what_was_appended_is_read_back_in_order_after_reopening() {
        let state = tempfile::tempdir().unwrap();
        for n in 0..3 {
            let journal = Journal::open(state.path()).unwrap();
            journal
                .append(vec![retired(2 * n), retired(2 * n + 1)], Sync::Now)
                .await
                .unwrap();
        }
        assert_eq!(all(state.path()), (0..6).map(retired).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn an_entry_is_found_again_at_the_place_it_was_given() {
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::open(state.path()).unwrap();
        let places = journal.append((0..5).map(retired).collect(), Sync::Now).await.unwrap();
        assert_eq!(journal.read(places[3]).unwrap(), retired(3));
    }

    #[tokio::test]
    async fn a_torn_last_frame_is_cut_off_and_writing_goes_on_behind_the_last_whole_one() {
        let state = tempfile::tempdir().unwrap();
        let path = segment_path(&state.path().join("journal"), 1);
        let journal = Journal::open(state.path()).unwrap();
        journal.append(vec![retired(1)], Sync::Now).await.unwrap();
        let whole = fs::read(&path).unwrap().len();
        journal.append(vec![retired(2)], Sync::Now).await.unwrap();
        drop(journal);
        let bytes = fs::read(&path).unwrap();
        for cut in whole..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let journal = Journal::open(state.path()).unwrap();
            journal.append(vec![retired(9)], Sync::Now).await.unwrap();
            drop(journal);
            assert_eq!(all(state.path()), [retired(1), retired(9)], "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn a_damaged_frame_is_passed_over_and_the_rest_is_read() {
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::open(state.path()).unwrap();
        let places = journal.append((0..5).map(retired).collect(), Sync::Now).await.unwrap();
        drop(journal);
        let path = segment_path(&state.path().join("journal"), 1);
        let mut bytes = fs::read(&path).unwrap();
        bytes[usize::try_from(places[2].offset).unwrap() + FRAME + 4] ^= 0xff;
        fs::write(&path, bytes).unwrap();
        assert_eq!(all(state.path()), [retired(0), retired(1), retired(3), retired(4)]);
    }
}
