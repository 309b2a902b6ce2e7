//! The one thread that writes the journal: takes what is waiting, writes it in one go, syncs once, answers all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use super::segment::{self, Frames, Head, Passed};
use super::{Append, Error, Position, Sync, failed};
use crate::keys::Keys;
use crate::seal::FileKey;
use crate::spool::{self, disk_full, sync_folder};
use crate::{clock, disk};

/// Tests see many files.
const SCALE: u32 = if cfg!(test) { 512 } else { 1024 * 1024 };
/// A new file is begun at this size.
pub(super) const SEGMENT: u32 = 16 * SCALE;
/// Room is made in steps of this size, with zeros that are on the disk: what is written into it later needs no new room.
const STEP: u32 = 4 * SCALE;
/// When less than this is left, the next step is made. It is enough for thousands of receipts on a full disk.
const LEFT: u32 = 2 * SCALE;
/// A file that is being made ends so.
const BEING_MADE: &str = "new";

pub(super) struct Writer {
    state: PathBuf,
    folder: PathBuf,
    keys: Keys,
    key: FileKey,
    file: File,
    segment: u32,
    /// Where the next frame goes.
    end: u32,
    /// Up to where it is on disk for certain.
    synced: u32,
    /// Up to where there is room.
    room: u32,
    /// The end of all files together, for others to see.
    told: Arc<AtomicU64>,
    #[cfg(test)]
    pub(super) syncs: Arc<super::tests::Syncs>,
}

impl Writer {
    /// Opens the newest file behind its last whole frame, or the first.
    pub(super) fn open(state: &Path, keys: Keys, known: Position) -> Result<Self, Error> {
        let folder = state.join("journal");
        let told = Arc::default();
        let Tidied { newest, taken } = tidy(state, &keys)?;
        let next = taken.max(known.segment) + 1;
        let Some(segment) = newest else {
            return Self::begin(state, keys, next, known, known > Position::default(), told);
        };
        let (end, torn) = read_through(&folder, &keys, segment)?;
        let here = Position { segment, offset: end };
        let path = segment::path(&folder, segment);
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let mut file = match opened {
            Err(e) if segment::does_not_read(&e) => None,
            opened => Some(opened.map_err(failed("open", &path))?),
        };
        if let Some(file) = &mut file {
            match write_again(file, end) {
                // No worse than it was; and a start on a full disk has to succeed.
                Err(e) if disk_full(&e) => {}
                written => written.map_err(failed("write again", &path))?,
            }
            // What lies between whole frames: later ones, and the next file, prove nothing of it.
            let between = torn.into_iter().filter(|(_, to)| *to <= end);
            between
                .into_iter()
                .try_for_each(|(from, to)| segment::tell_torn(file, from, to))
                .map_err(failed("clear the end of", &path))?;
        }
        let size = file.as_ref().and_then(|file| file.metadata().ok());
        let size = size.map_or(0, |metadata| u32::try_from(metadata.len()).unwrap_or(u32::MAX));
        // A file is made with its reserve: it was cut off, or it was finished and the one after it is gone.
        let cut_off = size < STEP || size <= end;
        let lost = known > here || cut_off;
        // A file of an older master key, or with a damaged head, is left as it is; so is one of which the end is lost.
        let head = Head::read(&folder, segment);
        let whole = head.is_some_and(|head| head.key == keys.newest());
        let mut file = match file {
            Some(file) if whole && !lost && taken == segment => file,
            file => {
                // The next head tells that all up to here is on disk.
                let synced = file.as_ref().is_some_and(|file| file.sync_all().is_ok());
                let before = match (lost, synced) {
                    (true, _) if known.segment > segment => known,
                    (_, true) => here,
                    (_, false) => Position { segment, offset: 0 },
                };
                let next = Self::begin(state, keys, next, before, lost, told)?;
                if head.is_some()
                    && synced
                    && !lost
                    && let Some(file) = file
                {
                    let _ = file.set_len(end.into());
                }
                return Ok(next);
            }
        };
        // Behind the last whole frame.
        clear(&mut file, end).map_err(failed("clear the end of", &path))?;
        let key = Self::key(&keys, segment);
        Ok(Self {
            state: state.to_owned(),
            folder,
            keys,
            key,
            file,
            segment,
            end,
            synced: end,
            room: size,
            told,
            #[cfg(test)]
            syncs: Arc::default(),
        }
        .tell())
    }

    fn tell(self) -> Self {
        let at = Position {
            segment: self.segment,
            offset: self.end,
        };
        self.told.store(at.to_bits(), Ordering::SeqCst);
        self
    }

    /// Where the journal ends, as it goes on.
    pub(super) fn end(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.told)
    }

    /// Begins a new file, with this number or the next that is free, after the one that ended at `before`. Under its name it
    /// is whole; what lies there stays.
    fn begin(
        state: &Path,
        keys: Keys,
        from: u32,
        before: Position,
        lost: bool,
        told: Arc<AtomicU64>,
    ) -> Result<Self, Error> {
        let folder = state.join("journal");
        let free = |segment: &u32| fs::symlink_metadata(segment::path(&folder, *segment)).is_err();
        let segment = (from..=segment::LARGEST).find(free);
        let segment =
            segment.ok_or_else(|| failed("find a number for", &folder)(io::ErrorKind::AlreadyExists.into()))?;
        let path = segment::path(&folder, segment);
        let temporary = path.with_extension(BEING_MADE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)
            .map_err(failed("create", &temporary))?;
        let head = Head {
            key: keys.newest(),
            before,
            lost,
        };
        let begun = file
            .write_all(&head.to_bytes(segment))
            .and_then(|()| fill(&mut file, segment::HEAD, STEP))
            .or_else(|e| match e {
                // Better a file without reserve than none.
                e if disk_full(&e) && disk::release_ballast(state) => fill(&mut file, segment::HEAD, STEP),
                e => Err(e),
            })
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, &path));
        if let Err(e) = begun {
            // It is of no use to anybody; left behind, it is removed at the next start.
            let _ = fs::remove_file(&temporary);
            return Err(failed("begin", &path)(e));
        }
        sync_folder(&folder)?;
        Ok(Self {
            state: state.to_owned(),
            folder,
            key: Self::key(&keys, segment),
            keys,
            file,
            segment,
            end: segment::HEAD,
            synced: segment::HEAD,
            room: STEP,
            told,
            #[cfg(test)]
            syncs: Arc::default(),
        }
        .tell())
    }

    fn key(keys: &Keys, segment: u32) -> FileKey {
        segment::key(keys, keys.newest(), segment).expect("the newest key is in the keyring")
    }

    pub(super) fn run(mut self, queue: &mpsc::Receiver<Append>) {
        let mut poisoned: Option<String> = None;
        while let Ok(first) = queue.recv() {
            let batch: Vec<Append> = std::iter::once(first).chain(queue.try_iter()).collect();
            let (callers, written): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|append| (append.done, (append.entries, append.sync)))
                .unzip();
            let answers = match &poisoned {
                Some(why) => Err(Error::Poisoned(why.clone())),
                None => self.write(written),
            };
            match answers {
                Ok(answers) => {
                    for (caller, positions) in callers.into_iter().zip(answers) {
                        // A caller that no longer waits has nothing to be told.
                        let _ = caller.send(Ok(positions));
                    }
                    self.make_room();
                }
                Err(e) => {
                    let full = matches!(e, Error::Full);
                    let why = crate::report::chain(&e);
                    for caller in callers {
                        let _ = caller.send(Err(if full {
                            Error::Full
                        } else {
                            Error::Poisoned(why.clone())
                        }));
                    }
                    if !full {
                        poisoned.get_or_insert(why);
                    }
                }
            }
        }
    }

    fn write(&mut self, batch: Vec<(Vec<Vec<u8>>, Sync)>) -> Result<Vec<Vec<Position>>, Error> {
        let size: usize = batch
            .iter()
            .flat_map(|(entries, _)| entries)
            .map(|payload| segment::frame_size(payload))
            .sum();
        let size = u32::try_from(size).map_err(|_| Error::Full)?;
        if self.end >= SEGMENT {
            self.roll();
        }
        self.reserve(size)?;
        let mut bytes = Vec::with_capacity(size as usize);
        let mut positions = Vec::with_capacity(batch.len());
        let mut sync = false;
        for (entries, wish) in batch {
            sync |= wish == Sync::Now;
            let mut places = Vec::with_capacity(entries.len());
            for payload in entries {
                let at = Position {
                    segment: self.segment,
                    offset: self.end + bytes.len() as u32,
                };
                segment::put_frame(&mut bytes, &self.key, at, self.synced, payload);
                places.push(at);
            }
            positions.push(places);
        }
        let path = segment::path(&self.folder, self.segment);
        self.file
            .seek(SeekFrom::Start(self.end.into()))
            .and_then(|_| self.file.write_all(&bytes))
            .map_err(failed("write", &path))?;
        if sync {
            #[cfg(test)]
            self.syncs.one().map_err(failed("sync", &path))?;
            self.file.sync_data().map_err(failed("sync", &path))?;
        }
        self.end += size;
        self.synced = if sync { self.end } else { self.synced };
        let end = Position {
            segment: self.segment,
            offset: self.end,
        };
        self.told.store(end.to_bits(), Ordering::SeqCst);
        Ok(positions)
    }

    /// Sees to it that `size` bytes fit.
    fn reserve(&mut self, size: u32) -> Result<(), Error> {
        let needed = self.end.checked_add(size).ok_or(Error::Full)?;
        if needed <= self.room {
            return Ok(());
        }
        let path = segment::path(&self.folder, self.segment);
        let room = needed.checked_add(STEP).ok_or(Error::Full)?;
        let made = fill(&mut self.file, self.room, room).or_else(|e| match e {
            e if disk_full(&e) && disk::release_ballast(&self.state) => fill(&mut self.file, self.room, room),
            e => Err(e),
        });
        match made.and_then(|()| self.file.sync_all()) {
            Ok(()) => {
                self.room = room;
                Ok(())
            }
            Err(e) if disk_full(&e) => Err(Error::Full),
            Err(e) => Err(failed("make room in", &path)(e)),
        }
    }

    /// Makes room before it is needed. That it cannot be made is no failure yet.
    fn make_room(&mut self) {
        if self.room - self.end.min(self.room) < LEFT
            && self.end < SEGMENT
            && fill(&mut self.file, self.room, self.room.saturating_add(STEP))
                .and_then(|()| self.file.sync_all())
                .is_ok()
        {
            self.room = self.room.saturating_add(STEP);
            self.synced = self.end;
        }
    }

    /// Goes on in a new file. Where none can be made, in the old one.
    fn roll(&mut self) {
        if self.file.sync_all().is_err() {
            return;
        }
        let before = Position {
            segment: self.segment,
            offset: self.end,
        };
        let (state, keys) = (self.state.clone(), self.keys.clone());
        match Self::begin(&state, keys, self.segment + 1, before, false, Arc::clone(&self.told)) {
            Ok(next) => {
                let finished = std::mem::replace(self, next);
                #[cfg(test)]
                self.syncs.clone_from(&finished.syncs);
                // What is left of its reserve; left there, it costs room and nothing else.
                let _ = finished.file.set_len(finished.end.into());
            }
            Err(e) => tracing::warn!(
                why = crate::report::chain(&e),
                "no new journal file can be made; the old one goes on"
            ),
        }
    }
}

/// What lies in the folder of the journal, once what does not belong there is set aside.
struct Tidied {
    newest: Option<u32>,
    /// No number up to this one is given again: what lay there may have been known by its place.
    taken: u32,
}

/// Sets aside what is no file of the journal: other names, folders, and what neither begins like one nor has a frame that
/// reads. What a start was making when it was stopped is removed.
fn tidy(state: &Path, keys: &Keys) -> Result<Tidied, Error> {
    let folder = state.join("journal");
    let mut entries: Vec<_> = fs::read_dir(&folder)
        .and_then(Iterator::collect)
        .map_err(failed("list", &folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut tidied = Tidied { newest: None, taken: 0 };
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let number = segment::number(&name);
        let being_made = path.extension().is_some_and(|end| end == BEING_MADE)
            && path.file_stem().and_then(segment::number).is_some();
        if is_file && being_made && fs::remove_file(&path).is_ok() {
            continue;
        }
        let foreign = match number {
            None => Some("it has not the name of a journal file"),
            Some(_) if !is_file => Some("it is no file"),
            Some(number) if !reads(&folder, keys, number)? => Some("nothing of it reads as a journal file"),
            Some(_) => None,
        };
        if let Some(why) = foreign
            && let Err(e) = spool::quarantine(state, &path, "journal", why, clock::now())
        {
            tracing::warn!(why = crate::report::chain(&e), "it stays in the folder of the journal");
        }
        match number {
            Some(number) if foreign.is_none() => {
                (tidied.newest, tidied.taken) = (Some(number), number);
            }
            // Ours are numbered one by one: a name far from them is none of ours.
            Some(number) if number <= tidied.taken + 1 => tidied.taken = tidied.taken.max(number),
            _ => {}
        }
    }
    Ok(tidied)
}

/// Whether it begins as a file of the journal, or a frame in it reads. What cannot be opened now may be one.
fn reads(folder: &Path, keys: &Keys, segment: u32) -> Result<bool, Error> {
    let mut head = [0; segment::HEAD as usize];
    let read = File::open(segment::path(folder, segment)).and_then(|mut file| file.read_exact(&mut head));
    match read {
        Ok(()) if segment::may_be_ours(&head, segment) => return Ok(true),
        Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => return Ok(true),
        _ => {}
    }
    let start = Position { segment, offset: 0 };
    let mut passed = Frames::open(folder, keys, start)?;
    Ok(passed.any(|passed| matches!(passed, Passed::Frame(_) | Passed::Failed(_))))
}

/// The end of the last whole frame, and what was torn.
fn read_through(folder: &Path, keys: &Keys, segment: u32) -> Result<(u32, Vec<(u32, u32)>), Error> {
    let (mut end, mut torn) = (segment::HEAD, Vec::new());
    let frames = match Frames::open(folder, keys, Position { segment, offset: 0 }) {
        Err(Error::Io { source, .. }) if segment::does_not_read(&source) => return Ok((end, torn)),
        frames => frames?,
    };
    for passed in frames {
        match passed {
            Passed::Frame(frame) => end = frame.end,
            Passed::Failed(e) => return Err(e),
            Passed::Torn(from, to) => torn.push((from, to)),
            Passed::Damage(_) => {}
        }
    }
    Ok((end, torn))
}

/// Writes zeros from one place to another.
fn fill(file: &mut File, from: u32, to: u32) -> io::Result<()> {
    file.seek(SeekFrom::Start(from.into()))?;
    io::copy(&mut io::repeat(0).take(u64::from(to.saturating_sub(from))), file)?;
    Ok(())
}

/// Writes what is there once more, unchanged. After a sync that failed the system may hold pages that it takes for written though the
/// disk never had them: read back they look whole, and no later sync brings them there unless they are written anew.
fn write_again(file: &mut File, end: u32) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut at = 0;
    while at < u64::from(end) {
        file.seek(SeekFrom::Start(at))?;
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&buffer[..read])?;
        at += read as u64;
    }
    Ok(())
}

/// Overwrites with zeros what an interrupted write left behind the last whole frame: later it must not be taken for ours.
fn clear(file: &mut File, from: u32) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut at = u64::from(from);
    loop {
        file.seek(SeekFrom::Start(at))?;
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return file.sync_all();
        }
        if buffer[..read].iter().any(|byte| *byte != 0) {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&vec![0; read])?;
        }
        at += read as u64;
    }
}
