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
use segment::{Frames, Passed};
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
        })
    }

    /// Where the next entry will lie: all that was answered lies before it.
    pub fn end(&self) -> Position {
        Position::from_bits(self.end.load(Ordering::SeqCst))
    }

    /// Appends entries in one go, contiguous and in order.
    ///
    /// # Errors
    /// When they could not be written or synced, now or earlier.
    pub async fn append(&self, entries: &[Entry], sync: Sync) -> Result<Vec<Position>, Error> {
        #[cfg(test)]
        if self.full.load(Ordering::SeqCst) {
            return Err(Error::Full);
        }
        let (done, answer) = oneshot::channel();
        let gone = || Error::Poisoned("its writer has ended".into());
        let entries = entries.iter().map(segment::pack).collect();
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
        let (frames, failure) = match Frames::open(&folder, &keys, Position { segment, offset }) {
            Ok(frames) => (Some(frames), None),
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
        failure.into_iter().chain(read)
    }))
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { act, path, source }
}

#[cfg(test)]
mod tests {
    use vhr_core::id::ExportId;
    use vhr_core::time::Timestamp;

    use super::*;

    fn keys() -> Keys {
        Keys::generate(Timestamp::from_millis(1))
    }

    fn open(state: &Path, keys: &Keys) -> Journal {
        Journal::open(state, keys.clone(), Position::default()).unwrap()
    }

    fn retired(n: u8) -> Entry {
        Entry::Retired {
            export: ExportId::from_bytes([n; 32]),
            at: Timestamp::from_millis(n.into()),
        }
    }

    fn read(state: &Path, keys: &Keys) -> Vec<Result<Entry, Position>> {
        entries(&state.join("journal"), keys, Position::default())
            .unwrap()
            .map(|read| match read {
                Ok(placed) => Ok(placed.entry),
                Err(Error::Damaged(at)) => Err(at),
                Err(e) => panic!("{e}"),
            })
            .collect()
    }

    fn all(numbers: &[u8]) -> Vec<Result<Entry, Position>> {
        numbers.iter().map(|n| Ok(retired(*n))).collect()
    }

    fn file(state: &Path) -> PathBuf {
        segment::path(&state.join("journal"), 1)
    }

    #[tokio::test]
    async fn what_was_appended_is_read_back_in_order_after_reopening() {
        let (state, keys) = (tempfile::tempdir().unwrap(), keys());
        for n in 0..3 {
            let journal = open(state.path(), &keys);
            journal
                .append(&[retired(2 * n), retired(2 * n + 1)], Sync::Now)
                .await
                .unwrap();
        }
        assert_eq!(read(state.path(), &keys), all(&[0, 1, 2, 3, 4, 5]));
    }

    #[tokio::test]
    async fn an_entry_is_found_again_at_the_place_it_was_given() {
        let (state, keys) = (tempfile::tempdir().unwrap(), keys());
        let journal = open(state.path(), &keys);
        let entries: Vec<Entry> = (0..5).map(retired).collect();
        let places = journal.append(&entries, Sync::Now).await.unwrap();
        assert_eq!(journal.read(places[3]).unwrap(), retired(3));
        assert!(journal.end() > places[4]);
    }

    #[tokio::test]
    async fn a_torn_last_frame_is_no_damage_and_writing_goes_on_behind_the_last_whole_one() {
        let (state, keys) = (tempfile::tempdir().unwrap(), keys());
        let journal = open(state.path(), &keys);
        journal.append(&[retired(1)], Sync::Now).await.unwrap();
        let whole = journal.end().offset as usize;
        journal.append(&[retired(2)], Sync::Later).await.unwrap();
        let end = journal.end().offset as usize;
        drop(journal);
        let bytes = fs::read(file(state.path())).unwrap();
        for cut in whole..end {
            let mut torn = bytes.clone();
            torn[cut..].fill(0);
            fs::write(file(state.path()), torn).unwrap();
            let journal = open(state.path(), &keys);
            journal.append(&[retired(9)], Sync::Now).await.unwrap();
            drop(journal);
            assert_eq!(read(state.path(), &keys), all(&[1, 9]), "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn a_file_cut_anywhere_is_read_as_far_as_it_goes_and_goes_on() {
        let (state, keys) = (tempfile::tempdir().unwrap(), keys());
        let journal = open(state.path(), &keys);
        let places = journal.append(&[retired(1), retired(2)], Sync::Now).await.unwrap();
        drop(journal);
        let bytes = fs::read(file(state.path())).unwrap();
        for cut in [0, 3, 16, 20, places[1].offset as usize, places[1].offset as usize + 7] {
            fs::write(file(state.path()), &bytes[..cut]).unwrap();
            let journal = open(state.path(), &keys);
            journal.append(&[retired(9)], Sync::Now).await.unwrap();
            drop(journal);
            let told: Vec<_> = read(state.path(), &keys).into_iter().flatten().collect();
            assert_eq!(told.last(), Some(&retired(9)), "cut at {cut}");
            assert_eq!(
                told.len(),
                if cut < places[1].offset as usize { 1 } else { 2 },
                "cut at {cut}"
            );
            let second = segment::path(&state.path().join("journal"), 2);
            if second.exists() {
                fs::remove_file(second).unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_damaged_frame_is_passed_over_and_told_and_the_rest_is_read() {
        let (state, keys) = (tempfile::tempdir().unwrap(), keys());
        let journal = open(state.path(), &keys);
        let mut places = Vec::new();
        for n in 0..5 {
            places.extend(journal.append(&[retired(n)], Sync::Now).await.unwrap());
        }
        drop(journal);
        let path = file(state.path());
        let whole = fs::read(&path).unwrap();
        for byte in places[2].offset..places[3].offset {
            let mut bytes = whole.clone();
            bytes[byte as usize] ^= 0x11;
            fs::write(&path, bytes).unwrap();
            let mut wanted = all(&[0, 1, 9, 3, 4]);
            wanted[2] = Err(places[2]);
            assert_eq!(read(state.path(), &keys), wanted, "byte {byte}");
        }
        // A damaged head harms nothing.
        let mut bytes = whole;
        bytes[..16].fill(0xff);
        fs::write(&path, bytes).unwrap();
        assert_eq!(read(state.path(), &keys), all(&[0, 1, 2, 3, 4]));
    }

    #[tokio::test]
    async fn damage_beside_frames_of_the_same_write_is_told_once_a_later_write_proves_it_was_there() {
        let (state, keys) = (tempfile::tempdir().unwrap(), keys());
        let journal = open(state.path(), &keys);
        let together: Vec<Entry> = (0..4).map(retired).collect();
        let places = journal.append(&together, Sync::Now).await.unwrap();
        journal.append(&[retired(4)], Sync::Now).await.unwrap();
        drop(journal);
        let path = file(state.path());
        let mut bytes = fs::read(&path).unwrap();
        for byte in &mut bytes[places[1].offset as usize..places[2].offset as usize] {
            *byte = 0;
        }
        fs::write(&path, bytes).unwrap();
        let mut wanted = all(&[0, 9, 2, 3, 4]);
        wanted[1] = Err(places[1]);
        assert_eq!(read(state.path(), &keys), wanted);
    }

    #[tokio::test]
    async fn what_was_torn_between_whole_frames_stays_torn_whatever_is_written_later() {
        let (state, keys) = (tempfile::tempdir().unwrap(), keys());
        let journal = open(state.path(), &keys);
        journal.append(&[retired(1)], Sync::Now).await.unwrap();
        let together: Vec<Entry> = (2..5).map(retired).collect();
        let places = journal.append(&together, Sync::Later).await.unwrap();
        drop(journal);
        let path = file(state.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes[places[1].offset as usize..places[2].offset as usize - 5].fill(0xab);
        fs::write(&path, bytes).unwrap();
        for n in [6, 7, 8] {
            let journal = open(state.path(), &keys);
            journal.append(&[retired(n)], Sync::Now).await.unwrap();
        }
        assert_eq!(read(state.path(), &keys), all(&[1, 2, 4, 6, 7, 8]));
    }

    #[tokio::test]
    async fn a_frame_in_another_place_is_not_taken_for_an_entry() {
        let (state, keys) = (tempfile::tempdir().unwrap(), keys());
        let journal = open(state.path(), &keys);
        let places = journal
            .append(&[retired(1), retired(2), retired(3)], Sync::Now)
            .await
            .unwrap();
        drop(journal);
        let path = file(state.path());
        let mut bytes = fs::read(&path).unwrap();
        let [first, second, third] = [0, 1, 2].map(|n: usize| places[n].offset as usize);
        let frame = bytes[first..second].to_vec();
        bytes[second..third].copy_from_slice(&frame);
        fs::write(&path, bytes).unwrap();
        let told: Vec<_> = read(state.path(), &keys).into_iter().flatten().collect();
        assert_eq!(told, [retired(1), retired(3)]);
    }

    #[tokio::test]
    async fn where_its_known_end_was_lost_it_goes_on_in_a_new_file() {
        let (state, keys) = (tempfile::tempdir().unwrap(), keys());
        let journal = open(state.path(), &keys);
        journal.append(&[retired(1)], Sync::Now).await.unwrap();
        let lost = Position {
            segment: 1,
            offset: journal.end().offset + 1,
        };
        drop(journal);
        let journal = Journal::open(state.path(), keys.clone(), lost).unwrap();
        let places = journal.append(&[retired(2)], Sync::Now).await.unwrap();
        assert_eq!(places[0].segment, 2);
        assert_eq!(read(state.path(), &keys), all(&[1, 2]));
    }

    #[tokio::test]
    async fn what_is_not_ours_in_the_folder_changes_nothing() {
        let (state, keys) = (tempfile::tempdir().unwrap(), keys());
        let journal = open(state.path(), &keys);
        journal.append(&[retired(1)], Sync::Now).await.unwrap();
        drop(journal);
        let folder = state.path().join("journal");
        fs::create_dir(folder.join("00000007")).unwrap();
        fs::write(folder.join("notes.txt"), "x").unwrap();
        fs::write(folder.join("00000003"), "not a journal").unwrap();
        let journal = open(state.path(), &keys);
        journal.append(&[retired(2)], Sync::Now).await.unwrap();
        let told: Vec<_> = read(state.path(), &keys).into_iter().flatten().collect();
        assert_eq!(told, [retired(1), retired(2)]);
    }
}
