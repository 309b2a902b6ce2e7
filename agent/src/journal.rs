//! The append-only, synced record of what happened. Receipts live here.
//!
//! What stays true: an entry is one frame, whole or absent; a frame that was answered as synced is on disk; nothing written
//! is ever changed. Writing needs no new room on the disk: files are made with room in reserve. After a failed write or sync
//! the journal takes nothing more: the agent starts over from what is on disk.
//!
//! ```text
//! journal/00000001     head, then frames, then zeros in reserve (see segment.rs)
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::keys::Keys;
use crate::spool::sync_folder;

mod entry;
mod segment;
mod writer;

pub use entry::{Accepted, Counts, Entry, First, Standing, Stood};
use segment::{Frames, Head, Passed};
use writer::Writer;

/// A place in the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Number of the file.
    pub segment: u32,
    /// Byte in it.
    pub offset: u32,
}

impl Position {
    fn to_bits(self) -> u64 {
        u64::from(self.segment) << 32 | u64::from(self.offset)
    }

    fn from_bits(bits: u64) -> Self {
        Self {
            segment: (bits >> 32) as u32,
            offset: bits as u32,
        }
    }

    /// How many bytes lie between an earlier place and this one, roughly: files are taken to be full.
    pub fn beyond(self, earlier: Self) -> u64 {
        let files = u64::from(self.segment.saturating_sub(earlier.segment));
        (files * u64::from(writer::SEGMENT) + u64::from(self.offset)).saturating_sub(earlier.offset.into())
    }
}

/// An entry and where it lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// Where it begins.
    pub at: Position,
    /// Where the next one may begin.
    pub end: Position,
    /// What it says.
    pub entry: Entry,
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
    #[error("the journal takes nothing more since a write failed; it is opened anew: {0}")]
    Poisoned(String),
    /// The disk is full and the reserve used up. Nothing was written; it may be tried again.
    #[error("ổ đĩa đầy: nhật ký không còn chỗ ghi (the disk is full: the journal has no room left)")]
    Full,
    /// It could not be read back.
    #[error(
        "mục quá lớn, nhật ký không ghi được: hãy xuất tệp này thành nhiều tệp nhỏ hơn (an entry of more than {} bytes cannot \
         be written: export the file in smaller parts)",
        segment::MAX_ENTRY
    )]
    TooLarge,
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
    /// Serialised, one each.
    entries: Vec<Vec<u8>>,
    sync: Sync,
    done: oneshot::Sender<Result<Vec<Position>, Error>>,
}

/// The journal, open for appending. Many callers share each sync.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
    keys: Keys,
    appends: mpsc::Sender<Append>,
    end: Arc<AtomicU64>,
    /// As if the disk were full.
    #[cfg(test)]
    pub(crate) full: Arc<std::sync::atomic::AtomicBool>,
    #[cfg(test)]
    syncs: Arc<tests::Syncs>,
}

impl Journal {
    /// Opens the journal of the state folder; what an interrupted write left behind the last whole frame is overwritten. Where
    /// it ends before `known`, its end was lost: then it goes on in a new file, so that no place is used twice.
    ///
    /// # Errors
    /// When the folder or the newest file cannot be opened.
    pub fn open(state: &Path, keys: Keys, known: Position) -> Result<Self, Error> {
        let folder = state.join("journal");
        fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
        sync_folder(state)?;
        let writer = Writer::open(state, keys.clone(), known)?;
        let end = writer.end();
        #[cfg(test)]
        let syncs = Arc::clone(&writer.syncs);
        let (appends, queue) = mpsc::channel();
        thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer.run(&queue))
            .map_err(failed("start the writer of", &folder))?;
        Ok(Self {
            folder,
            keys,
            appends,
            end,
            #[cfg(test)]
            full: Arc::default(),
            #[cfg(test)]
            syncs,
        })
    }

    /// Where the next entry will lie: all that was answered lies before it.
    pub fn end(&self) -> Position {
        Position::from_bits(self.end.load(Ordering::SeqCst))
    }

    /// Appends entries in one go, contiguous and in order.
    ///
    /// # Errors
    /// When they could not be written or synced, now or earlier; when one is too large, nothing is written.
    pub async fn append(&self, entries: &[Entry], sync: Sync) -> Result<Vec<Position>, Error> {
        #[cfg(test)]
        if self.full.load(Ordering::SeqCst) {
            return Err(Error::Full);
        }
        let (done, answer) = oneshot::channel();
        let gone = || Error::Poisoned("its writer has ended".into());
        let entries = entries.iter().map(segment::pack).collect::<Result<_, _>>()?;
        self.appends.send(Append { entries, sync, done }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// The numbers of the files that are no longer written to, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn finished(&self) -> Result<Vec<u32>, Error> {
        let newest = self.end().segment;
        let mut segments = segment::list(&self.folder)?;
        segments.retain(|segment| *segment < newest);
        Ok(segments)
    }

    /// All entries of one file, in order; damage as with [`Journal::entries`].
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn entries_of(&self, segment: u32) -> Result<impl Iterator<Item = Result<Placed, Error>> + use<>, Error> {
        let all = self.entries(Position { segment, offset: 0 })?;
        Ok(all.take_while(move |placed| match placed {
            Ok(placed) => placed.at.segment == segment,
            Err(Error::Damaged(at)) => at.segment == segment,
            Err(_) => true,
        }))
    }

    /// Removes a file of which nothing is needed any more. Gives the bytes that came free.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, segment: u32) -> Result<u64, Error> {
        let path = segment::path(&self.folder, segment);
        let size = fs::metadata(&path).map_err(failed("read", &path))?.len();
        fs::remove_file(&path).map_err(failed("remove", &path))?;
        sync_folder(&self.folder)?;
        Ok(size)
    }

    /// What the files take on the disk, bytes.
    pub fn size(&self) -> u64 {
        let files = segment::list(&self.folder).unwrap_or_default().into_iter();
        let sizes = files.filter_map(|segment| fs::metadata(segment::path(&self.folder, segment)).ok());
        sizes.map(|metadata| metadata.len()).sum()
    }

    /// All entries from `from` on, in order. A damaged stretch is passed over and told as an error item.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn entries(&self, from: Position) -> Result<impl Iterator<Item = Result<Placed, Error>> + use<>, Error> {
        entries(&self.folder, &self.keys, from)
    }

    /// The entry at `position`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, position: Position) -> Result<Entry, Error> {
        let first = Frames::open(&self.folder, &self.keys, position)?.next();
        match first {
            Some(Passed::Frame(frame)) if frame.at == position.offset => {
                segment::unpack(&frame.payload).ok_or(Error::Damaged(position))
            }
            Some(Passed::Failed(e)) => Err(e),
            _ => Err(Error::Damaged(position)),
        }
    }
}

/// All entries of the journal in `folder` from `from` on. Needs no open journal, so that the command line can read receipts
/// while the service runs.
///
/// # Errors
/// When the folder cannot be listed.
pub fn entries(
    folder: &Path,
    keys: &Keys,
    from: Position,
) -> Result<impl Iterator<Item = Result<Placed, Error>> + use<>, Error> {
    let (folder, keys) = (folder.to_owned(), keys.clone());
    let later = segment::list(&folder)?.into_iter();
    let later = later.filter(move |segment| *segment >= from.segment);
    Ok(later.flat_map(move |segment| {
        let offset = if segment == from.segment { from.offset } else { 0 };
        let lost = Head::read(&folder, segment).filter(|head| head.lost && segment > from.segment);
        let lost = lost.map(|head| Err(Error::Damaged(head.before)));
        let (frames, failure) = match Frames::open(&folder, &keys, Position { segment, offset }) {
            Ok(frames) => (Some(frames), None),
            // Let go since the folder was listed.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => (None, None),
            Err(Error::Io { source, .. }) if segment::does_not_read(&source) => {
                (None, Some(Err(Error::Damaged(Position { segment, offset }))))
            }
            Err(e) => (None, Some(Err(e))),
        };
        let read = frames.into_iter().flatten().filter_map(move |passed| match passed {
            Passed::Frame(frame) => {
                let at = |offset| Position { segment, offset };
                let entry = segment::unpack(&frame.payload).ok_or(Error::Damaged(at(frame.at)));
                Some(entry.map(|entry| Placed {
                    at: at(frame.at),
                    end: at(frame.end),
                    entry,
                }))
            }
            // What was never answered as synced may be missing: an interrupted write, not damage.
            Passed::Torn(..) => None,
            Passed::Damage(offset) => Some(Err(Error::Damaged(Position { segment, offset }))),
            Passed::Failed(e) => Some(Err(e)),
        });
        lost.into_iter().chain(failure).chain(read)
    }))
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { act, path, source }
}

#[cfg(test)]
mod tests;
