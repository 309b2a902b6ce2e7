//! What was: sled =0.34.7, small values, no patient data. Everything here can be rebuilt from the journal.
//!
//! sled is opened guarded and never trusted: what was written since it was last known to be on the disk is written again from
//! the journal at each start, and when it does not open in time it is moved to `quarantine/` and built anew. Where not even
//! that is possible (a full disk), it is kept in memory until the next start.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vhr_core::id::{EndpointId, ExportId, PluginRef, RecordId};
use vhr_core::time::Timestamp;

use super::rows::Short;
use crate::journal::{Counts, Position};
use crate::spool::{self, RecordRow, Written};

mod twins;

/// Changed when the layout of the trees changes: an index of another version is built anew.
const VERSION: &str = "8";
/// A database that takes longer to open hangs. A test waits for one that does.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 6 } else { 20 });
/// One that is locked for longer is locked by somebody else.
const LOCKED: Duration = Duration::from_secs(3);

/// What is known of an accepted export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportRow {
    /// By which `[[source]]`.
    pub source: String,
    /// When it was accepted.
    pub at: Timestamp,
    /// What it was mapped by.
    pub plugin: Option<PluginRef>,
    /// What was in it.
    pub counts: Counts,
    /// Of what was set aside or refused, what a person has dealt with: its place, and the journal entry that says why.
    pub closed: BTreeMap<u32, Position>,
    /// The entry of the journal that tells its records: its acceptance, or how it stood later.
    pub position: Position,
    /// When its copy and its batch were let go.
    pub released: Option<Timestamp>,
    /// Records that its batch held when it was made anew, and not at first.
    pub moved: Vec<RecordId>,
}

impl Error {
    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Sled(sled::Error::Io(e)) if spool::disk_full(e))
    }
}

impl ExportRow {
    /// Whether something of it was set aside or refused and nobody has dealt with it.
    pub fn waits_for_a_person(&self) -> bool {
        let aside = self.counts.set_aside + self.counts.refused + self.counts.files_set_aside;
        aside as usize > self.closed.len()
    }
}

/// A record whose deliveries have all ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) export: ExportId,
    pub(super) at: Timestamp,
    pub(super) order: u64,
    pub(super) row: RecordRow,
    /// Every end that each of them came to: more than one where a person had it sent once more.
    pub(super) deliveries: Vec<(EndpointId, Short, Position)>,
}

impl Ended {
    /// The last end of each delivery, of those written down before a place of the journal.
    pub(super) fn standing(&self, before: Option<Position>) -> Vec<(EndpointId, Short, Position)> {
        let mut last: Vec<(EndpointId, Short, Position)> = Vec::new();
        let told = self.deliveries.iter();
        for end in told.filter(|(_, _, position)| before.is_none_or(|before| *position < before)) {
            match last.iter_mut().find(|known| known.0 == end.0) {
                Some(known) if known.2 > end.2 => {}
                Some(known) => *known = end.clone(),
                None => last.push(end.clone()),
            }
        }
        last
    }
}

/// The newest version of a visit that ended at an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Newest {
    pub(super) endpoint: EndpointId,
    pub(super) order: u64,
    pub(super) record: RecordId,
    /// Keyed digest of its content.
    pub(super) content: [u8; 16],
    /// How the text of that was written.
    pub(super) written: Written,
    /// Whether it came signed.
    pub(super) signed: bool,
    /// Whether it arrived.
    pub(super) delivered: bool,
}

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// sled's word.
    #[error("the index failed")]
    Sled(#[from] sled::Error),
    /// Something that was written is not there any more.
    #[error("the index has lost rows")]
    Lost,
    /// A value that does not read.
    #[error("a value in the index does not read")]
    Value(#[from] postcard::Error),
}

/// How the index was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opened {
    /// As it was left.
    AsLeft,
    /// There was none.
    New,
    /// It was set aside, for this reason, and is empty now.
    SetAside(String),
    /// It is kept in memory, for this reason.
    InMemory(String),
}

/// How far the index on the disk is relied upon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// As it was left.
    #[default]
    AsLeft,
    /// Not at all, for this reason: it is set aside and built anew.
    Not(String),
    /// It is not even written anew, for this reason, but kept in memory until the next start.
    Memory(String),
}

/// The trees.
#[derive(Debug)]
pub(super) struct History {
    db: Option<sled::Db>,
    exports: Tree,
    visits: Tree,
    ended: Tree,
    twins: Tree,
    seen: Tree,
    meta: Tree,
    /// How many rows there are of exports, visits, ended records and twins. Counting them takes long.
    counts: [AtomicU64; 4],
}

impl History {
    /// Opens the index of the state folder, as far as it is relied upon.
    pub(super) fn open(state: &Path, trust: &Trust, now: Timestamp) -> (Self, Opened) {
        let path = state.join("index");
        let existed = path.exists();
        if let Trust::Memory(why) = trust {
            return (Self::in_memory(), Opened::InMemory(why.clone()));
        }
        let opened = match trust {
            Trust::Not(why) => Err(why.clone()),
            _ => open_in_time(&path),
        };
        let mut why = match opened {
            Ok(history) => {
                let version = history.text("version");
                if matches!(version.as_ref().map(Option::as_deref), Ok(Some(VERSION))) {
                    return (history, Opened::AsLeft);
                }
                if !existed && history.set_text("version", VERSION).is_ok() {
                    return (history, Opened::New);
                }
                match version {
                    Ok(Some(other)) => format!("it is of version {other}"),
                    Ok(None) => "it is empty".to_owned(),
                    Err(e) => crate::report::chain(&e),
                }
            }
            Err(why) => why,
        };
        tracing::warn!(why, "the index is set aside and built anew");
        if existed && let Err(e) = spool::quarantine(state, &path, "index", &why, now) {
            // Out of the way in any case: it holds nothing that is not elsewhere.
            if let Err(again) = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path)) {
                why = format!("{why}; {}; {again}", crate::report::chain(&e));
                return (Self::in_memory(), Opened::InMemory(why));
            }
        }
        let fresh = open_in_time(&path).and_then(|history| {
            let set = history.set_text("version", VERSION);
            set.map(|()| history).map_err(|e| crate::report::chain(&e))
        });
        match fresh {
            Ok(history) => (history, Opened::SetAside(why)),
            Err(e) => (Self::in_memory(), Opened::InMemory(format!("{why}; {e}"))),
        }
    }

    fn try_open(path: &Path) -> Result<Self, sled::Error> {
        let db = sled::Config::new()
            .path(path)
            .cache_capacity(8 * 1024 * 1024)
            .flush_every_ms(Some(500))
            .open()?;
        let tree = |name: &str| Ok::<_, sled::Error>(Tree::Sled(db.open_tree(name)?));
        Ok(Self {
            exports: tree("exports")?,
            visits: tree("visits")?,
            ended: tree("ended")?,
            twins: tree("twins")?,
            seen: tree("seen")?,
            meta: tree("meta")?,
            db: Some(db),
            counts: Default::default(),
        })
    }

    fn in_memory() -> Self {
        let tree = || Tree::Memory(Arc::default());
        Self {
            db: None,
            exports: tree(),
            visits: tree(),
            ended: tree(),
            twins: tree(),
            seen: tree(),
            meta: tree(),
            counts: Default::default(),
        }
    }

    /// Brings what was written so far onto the disk, for certain: sled itself only hands it to the system.
    pub(super) fn sync(&self, state: &Path) -> Result<(), Error> {
        let Some(db) = &self.db else { return Ok(()) };
        db.flush()?;
        let folder = state.join("index");
        // Windows syncs only what is open for writing, and no folder.
        let sync = |path: &Path| match path.is_dir() {
            true => Ok(()),
            false => File::options()
                .read(true)
                .write(true)
                .open(path)
                .and_then(|file| file.sync_all()),
        };
        let files = fs::read_dir(&folder).map_err(sled::Error::Io)?.flatten();
        for entry in files {
            // A snapshot file may be replaced at this moment.
            match sync(&entry.path()) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(sled::Error::Io(e).into()),
                _ => {}
            }
        }
        spool::sync_folder(&folder).map_err(|e| Error::Sled(sled::Error::Unsupported(crate::report::chain(&e))))
    }

    // --- single values ---

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        let value = self.meta.get(name.as_bytes())?;
        Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
    }

    pub(super) fn set_text(&self, name: &str, value: &str) -> Result<(), Error> {
        self.meta.insert(name.as_bytes(), value.as_bytes().to_vec()).map(drop)
    }

    /// What was last seen under a path (its keyed digest): size, time, export.
    pub(super) fn seen(&self, path: &[u8; 16]) -> Result<Option<(u64, i64, ExportId)>, Error> {
        self.seen.read(path)
    }

    pub(super) fn set_seen(&self, path: &[u8; 16], seen: (u64, i64, ExportId)) -> Result<(), Error> {
        self.seen.put(path, &seen).map(drop)
    }

    /// Forgets what was seen under a path: nothing is there any more.
    pub(super) fn forget_path(&self, path: &[u8; 16]) -> Result<(), Error> {
        self.seen.remove(path).map(drop)
    }

    /// Forgets under which paths an export was seen: its files are looked at again.
    pub(super) fn forget_seen(&self, export: ExportId) -> Result<(), Error> {
        for item in self.seen.iter(b"") {
            let (key, value) = item?;
            let seen: (u64, i64, ExportId) = postcard::from_bytes(&value)?;
            if seen.2 == export {
                self.seen.remove(&key)?;
            }
        }
        Ok(())
    }

    // --- exports, visits, ended records ---

    pub(super) fn export(&self, export: ExportId) -> Result<Option<ExportRow>, Error> {
        self.exports.read(export.as_bytes())
    }

    pub(super) fn put_export(&self, export: ExportId, row: &ExportRow) -> Result<(), Error> {
        let new = self.exports.put(export.as_bytes(), row)?;
        self.more(0, new);
        Ok(())
    }

    pub(super) fn remove_export(&self, export: ExportId) -> Result<(), Error> {
        let there = self.exports.remove(export.as_bytes())?;
        self.less(0, there);
        Ok(())
    }

    pub(super) fn exports(&self) -> impl Iterator<Item = Result<(ExportId, ExportRow), Error>> + use<> {
        self.exports.iter(b"").map(|item| {
            let (key, value) = item?;
            let mut id = [0; 32];
            id.copy_from_slice(&key[..32]);
            Ok((ExportId::from_bytes(id), postcard::from_bytes(&value)?))
        })
    }

    /// Exports that were written down at a place of the journal or behind it.
    pub(super) fn exports_from(&self, place: Position) -> Result<HashSet<ExportId>, Error> {
        let mut found = HashSet::new();
        for item in self.exports() {
            let (export, row) = item?;
            if row.position >= place {
                found.insert(export);
            }
        }
        Ok(found)
    }

    /// How many exports, visits, ended records and twins there are.
    pub(super) fn counts(&self) -> [u64; 4] {
        [0, 1, 2, 3].map(|which: usize| self.counts[which].load(Ordering::Relaxed))
    }

    /// Counts them one by one.
    pub(super) fn count(&self) -> Result<[u64; 4], Error> {
        let trees = [&self.exports, &self.visits, &self.ended, &self.twins];
        let mut counts = [0; 4];
        for (count, tree) in counts.iter_mut().zip(trees) {
            *count = tree.count()?;
        }
        self.set_counts(counts);
        Ok(counts)
    }

    /// They are known.
    pub(super) fn set_counts(&self, counts: [u64; 4]) {
        for (kept, count) in self.counts.iter().zip(counts) {
            kept.store(count, Ordering::Relaxed);
        }
    }

    fn more(&self, which: usize, new: bool) {
        self.counts[which].fetch_add(new.into(), Ordering::Relaxed);
    }

    fn less(&self, which: usize, gone: bool) {
        self.counts[which].fetch_sub(gone.into(), Ordering::Relaxed);
    }

    /// The newest version of a visit that ended at an endpoint.
    pub(super) fn newest(&self, endpoint: &EndpointId, visit: &[u8; 16]) -> Result<Option<Newest>, Error> {
        let all: Option<Vec<Newest>> = self.visits.read(visit)?;
        Ok(all.into_iter().flatten().find(|newest| newest.endpoint == *endpoint))
    }

    /// Remembers a version of a visit where it is the newest.
    pub(super) fn put_newest(&self, visit: &[u8; 16], ended: impl Iterator<Item = Newest>) -> Result<(), Error> {
        let mut all: Vec<Newest> = self.visits.read(visit)?.unwrap_or_default();
        for newest in ended {
            match all.iter_mut().find(|known| known.endpoint == newest.endpoint) {
                Some(known) if known.order > newest.order => {}
                Some(known) => *known = newest,
                None => all.push(newest),
            }
        }
        let new = self.visits.put(visit, &all)?;
        self.more(1, new);
        Ok(())
    }

    /// Forgets a version of a visit, where it is still the newest.
    pub(super) fn remove_newest(&self, visit: &[u8; 16], record: RecordId) -> Result<(), Error> {
        let Some(mut all) = self.visits.read::<Vec<Newest>>(visit)? else {
            return Ok(());
        };
        all.retain(|newest| newest.record != record);
        if all.is_empty() {
            let there = self.visits.remove(visit)?;
            self.less(1, there);
            return Ok(());
        }
        self.visits.put(visit, &all).map(drop)
    }

    pub(super) fn ended(&self, record: RecordId) -> Result<Option<Ended>, Error> {
        self.ended.read(record.as_bytes())
    }

    /// Remembers a record that has ended, beside the ends it came to before.
    pub(super) fn put_ended(&self, mut ended: Ended) -> Result<(), Error> {
        let before = self.ended(ended.row.record)?.into_iter();
        for end in before.flat_map(|before| before.deliveries) {
            if !ended.deliveries.iter().any(|new| (&new.0, new.2) == (&end.0, end.2)) {
                ended.deliveries.push(end);
            }
        }
        let new = self.ended.put(ended.row.record.as_bytes(), &ended)?;
        self.more(2, new);
        Ok(())
    }

    pub(super) fn remove_ended(&self, record: RecordId) -> Result<(), Error> {
        let there = self.ended.remove(record.as_bytes())?;
        self.less(2, there);
        Ok(())
    }

    /// Ended records whose id begins so.
    pub(super) fn all_ended(&self, begin: &[u8]) -> impl Iterator<Item = Result<Ended, Error>> + use<> {
        self.ended.iter(begin).map(|item| Ok(postcard::from_bytes(&item?.1)?))
    }

    /// Begins anew.
    pub(super) fn clear(&self) -> Result<(), Error> {
        for tree in [
            &self.exports,
            &self.visits,
            &self.ended,
            &self.twins,
            &self.seen,
            &self.meta,
        ] {
            tree.clear()?;
        }
        self.set_counts([0; 4]);
        self.set_text("version", VERSION)
    }
}

/// Opens sled on a thread of its own: it may panic, and it may hang.
fn open_in_time(path: &Path) -> Result<History, String> {
    let (tell, told) = mpsc::channel();
    let owned = path.to_owned();
    let opening = thread::Builder::new().name("index".into()).spawn(move || {
        // A database that this process has just closed is let go by a thread of sled's, a moment later.
        let end = std::time::Instant::now() + LOCKED;
        let opened = loop {
            match History::try_open(&owned) {
                Err(e) if is_locked(&e) && std::time::Instant::now() < end => thread::sleep(Duration::from_millis(20)),
                opened => break opened,
            }
        };
        // Nobody may wait any more: then what was opened is closed again.
        let _ = tell.send(opened);
    });
    let opening = opening.map_err(|e| e.to_string())?;
    match told.recv_timeout(PATIENCE) {
        Ok(opened) => opened.map_err(|e| crate::report::chain(&e)),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("it did not open within {} s", PATIENCE.as_secs())),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let _ = opening.join();
            Err("it panicked".to_owned())
        }
    }
}

/// sled reports a taken lock as an I/O error of kind Other or WouldBlock, with this text.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(e)
        if e.kind() == std::io::ErrorKind::WouldBlock || e.to_string().contains("could not acquire lock"))
}

type Pair = (Vec<u8>, Vec<u8>);

/// A tree of sled's, or the same in memory.
#[derive(Debug, Clone)]
enum Tree {
    Sled(sled::Tree),
    Memory(Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>),
}

impl Tree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(match self {
            Self::Sled(tree) => tree.get(key)?.map(|value| value.to_vec()),
            Self::Memory(map) => lock(map).get(key).cloned(),
        })
    }

    /// Says whether the key is new.
    fn insert(&self, key: &[u8], value: Vec<u8>) -> Result<bool, Error> {
        Ok(match self {
            Self::Sled(tree) => tree.insert(key, value)?.is_none(),
            Self::Memory(map) => lock(map).insert(key.to_vec(), value).is_none(),
        })
    }

    /// Says whether it was there.
    fn remove(&self, key: &[u8]) -> Result<bool, Error> {
        Ok(match self {
            Self::Sled(tree) => tree.remove(key)?.is_some(),
            Self::Memory(map) => lock(map).remove(key).is_some(),
        })
    }

    fn clear(&self) -> Result<(), Error> {
        match self {
            Self::Sled(tree) => tree.clear()?,
            Self::Memory(map) => lock(map).clear(),
        }
        Ok(())
    }

    fn count(&self) -> Result<u64, Error> {
        let mut count = 0;
        match self {
            Self::Sled(tree) => {
                for key in tree.iter().keys() {
                    key?;
                    count += 1;
                }
            }
            Self::Memory(map) => count = lock(map).len() as u64,
        }
        Ok(count)
    }

    fn iter(&self, prefix: &[u8]) -> Box<dyn Iterator<Item = Result<Pair, Error>> + Send> {
        match self {
            Self::Sled(tree) => Box::new(tree.scan_prefix(prefix).map(|item| {
                let (key, value) = item?;
                Ok((key.to_vec(), value.to_vec()))
            })),
            Self::Memory(map) => {
                let map = lock(map);
                let from = map.range(prefix.to_vec()..);
                let found = from.take_while(|(key, _)| key.starts_with(prefix));
                let found: Vec<Pair> = found.map(|(key, value)| (key.clone(), value.clone())).collect();
                Box::new(found.into_iter().map(Ok))
            }
        }
    }

    fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        Ok(self.get(key)?.map(|value| postcard::from_bytes(&value)).transpose()?)
    }

    fn put<T: Serialize>(&self, key: &[u8], value: &T) -> Result<bool, Error> {
        self.insert(key, postcard::to_allocvec(value)?)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while holding it")
}
