//! "Look at this path": notify events as hints, a regular rescan as the truth, because shares never send events.
//!
//! One watcher per source. It lists the folder, tells what has settled, and is told when that is dealt with; a file that
//! could not be taken in comes up again at the next look. A folder that does not answer holds the one thread that asks it,
//! and nothing else: nobody asks a second time beside it, and once it answers all goes on by itself.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use notify::{EventKind, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use vhr_core::config::{After, Source};
use vhr_core::outage::Kind;
use vhr_core::said;
use vhr_core::settle::{self, Look, Settling, Verdict};
use vhr_core::time::Timestamp;

use crate::{clock, intake};

/// A look that takes longer is told as trouble.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// After a hint, so long is waited for its neighbours: a file being written sends many.
const HINTS: Duration = Duration::from_millis(100);
/// And so many times as long as a look took: however many hints come, most of the time nobody looks.
const REST: u32 = 4;
/// A single pass waits at most so long for files that are still being written.
const PASS: Duration = Duration::from_secs(120);

/// A file that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// As it was seen.
    pub look: Look,
}

/// What a watcher has seen so far, for the status.
#[derive(Debug, Default)]
pub struct Sight {
    seen: u64,
    folder: Option<String>,
    silent: Option<String>,
    unretired: Option<String>,
    /// Looks that failed since somebody asked.
    missed: u64,
    /// What is wrong with the folder at the moment.
    pub trouble: Option<String>,
}

/// What a single pass came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Pass {
    /// What is complete, older first.
    pub found: Vec<Found>,
    /// Dealt with before, and still there although it should have gone.
    pub left: Vec<Found>,
    /// Something is there that is not complete yet.
    pub growing: bool,
}

/// Watches one source.
#[derive(Debug)]
pub struct Watcher {
    source: Source,
    list: List,
    settling: Settling,
    started: Instant,
    hint: Arc<Notify>,
    following: Option<Following>,
    sight: Arc<Mutex<Sight>>,
    /// What is in the folder: thousands of files may stay there for years, and are not asked about at each look.
    files: HashMap<PathBuf, Known>,
    looks: u64,
    took: Duration,
}

/// How a folder is listed. Tests have others.
#[derive(Clone, Copy, Debug)]
struct List(fn(&Source) -> io::Result<Listed>);

#[derive(Debug)]
struct Known {
    look: Look,
    done: bool,
    seen_at: u64,
}

/// Events of the folder that was there when they were asked for.
#[derive(Debug)]
struct Following {
    _events: notify::RecommendedWatcher,
    folder: FolderId,
    /// The folder was moved or removed: nothing more will come.
    ended: Arc<AtomicBool>,
}

/// One look at the folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Round {
    /// What is complete, and not known as done.
    pub found: Vec<Found>,
    /// Done, and still there although it should have gone.
    pub left: Vec<Found>,
    /// When to look again for what is not.
    pub again: Option<Duration>,
}

/// Waits for a look, however long it takes. While it takes too long the status says so.
///
/// # Errors
/// When the look panicked.
pub async fn patiently<T>(
    sight: &Mutex<Sight>,
    folder: &Path,
    patience: Duration,
    mut looked: JoinHandle<T>,
) -> Result<T, JoinError> {
    let began = Instant::now();
    loop {
        let in_time = tokio::time::timeout(patience, &mut looked).await;
        let mut sight = sight.lock().expect("nothing panics while holding it");
        match in_time {
            Ok(looked) => {
                sight.change(|sight| sight.silent = None);
                return looked;
            }
            Err(_) => sight.change(|sight| {
                sight.silent = Some(silent(folder, began.elapsed()));
                sight.missed += 1;
            }),
        }
    }
}

/// Does work that needs a folder, until the folder is told not to answer: then it is given up.
pub async fn unless_silent<T>(sight: &Mutex<Sight>, work: impl Future<Output = T>) -> Option<T> {
    let hangs = async {
        while sight.lock().expect("nothing panics while holding it").silent.is_none() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = hangs => None,
    }
}

fn silent(folder: &Path, since: Duration) -> String {
    let (folder, seconds) = (folder.display(), since.as_secs());
    said!(
        "thư mục {folder} không trả lời đã {seconds} giây: kiểm tra máy chủ chia sẻ và đường mạng; khi nó trả lời, chương trình tự làm tiếp",
        "the folder {folder} has not answered for {seconds} s: check the file server and the network; once it answers all goes on by itself"
    )
    .to_string()
}

impl Watcher {
    /// For the source as configured.
    pub fn new(source: Source) -> Self {
        Self {
            settling: Settling::new(source.settle),
            source,
            list: List(list),
            started: Instant::now(),
            hint: Arc::new(Notify::new()),
            following: None,
            sight: Arc::default(),
            files: HashMap::new(),
            looks: 0,
            took: Duration::ZERO,
        }
    }

    /// What it sees, for the status.
    pub fn sight(&self) -> Arc<Mutex<Sight>> {
        Arc::clone(&self.sight)
    }

    /// Looks through the folder; waits for it as long as it takes. `done` says whether a file, as it looks now, was dealt
    /// with before.
    pub fn round(&mut self, done: impl FnMut(&Path, Look) -> bool) -> Round {
        let began = Instant::now();
        self.follow();
        let listed = (self.list.0)(&self.source);
        self.took = began.elapsed();
        self.judge(listed, self.now(), done)
    }

    /// Our own clock, which only goes forward, whatever is done to the system's.
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    #[cfg(test)]
    fn round_at(&mut self, now: Timestamp, done: impl FnMut(&Path, Look) -> bool) -> Round {
        self.follow();
        self.judge((self.list.0)(&self.source), now, done)
    }

    fn judge(
        &mut self,
        listed: io::Result<Listed>,
        now: Timestamp,
        mut done: impl FnMut(&Path, Look) -> bool,
    ) -> Round {
        let mut round = Round {
            found: Vec::new(),
            left: Vec::new(),
            again: None,
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(e) => {
                self.following = None;
                let told = unlisted(&self.source.path, &e);
                self.lock().change(|sight| {
                    sight.folder = Some(told);
                    sight.missed += 1;
                });
                return round;
            }
        };
        self.looks += 1;
        let mut new = 0;
        for (path, look) in listed.exports {
            let known = self.files.get_mut(&path);
            new += u64::from(known.is_none());
            let was_done = known.is_some_and(|known| {
                known.seen_at = self.looks;
                known.done && known.look == look
            });
            let is_done = was_done || done(&path, look);
            if !was_done {
                let seen_at = self.looks;
                self.files.insert(
                    path.clone(),
                    Known {
                        look,
                        done: is_done,
                        seen_at,
                    },
                );
            }
            if is_done {
                if self.source.after != After::Leave {
                    round.left.push(Found { path, look });
                }
                continue;
            }
            let verdict = if let Some(marker) = &self.source.done_marker {
                let mut name = path.file_name().unwrap_or_default().to_owned();
                name.push(marker);
                settle::observe_marked(Some(look), listed.names.contains(&name), now.plus(self.source.rescan))
            } else {
                self.settling.observe(&path, Some(look), now)
            };
            match verdict {
                Verdict::Settled | Verdict::Empty => round.found.push(Found { path, look }),
                Verdict::Growing { look_again_at } => {
                    let wait = look_again_at.since(now);
                    round.again = Some(round.again.map_or(wait, |again| again.min(wait)));
                }
                Verdict::Gone => {}
            }
        }
        self.settling.forget_unseen();
        self.files.retain(|_, known| known.seen_at == self.looks);
        self.lock().change(|sight| {
            sight.seen += new;
            sight.folder = None;
        });
        older_first(&mut round.found);
        round
    }

    /// For a single pass: what has settled by the files' own clocks, and then, with a little patience, what settles while
    /// one watches. Ends when nothing grows any more, or when the folder does not answer.
    pub async fn pass(&mut self, mut done: impl FnMut(&Path, Look) -> bool) -> Pass {
        let mut found: BTreeMap<PathBuf, Look> = BTreeMap::new();
        let (first, second) = (self.list_in_time().await, self.list_in_time().await);
        if self.source.done_marker.is_none() {
            let second: HashMap<PathBuf, Look> = second
                .map(|listed| listed.exports)
                .unwrap_or_default()
                .into_iter()
                .collect();
            for (path, before) in first.map(|listed| listed.exports).unwrap_or_default() {
                let Some(now) = second.get(&path) else { continue };
                let verdict = settle::observe_once(before, *now, clock::now(), self.source.settle);
                if !done(&path, *now) && matches!(verdict, Verdict::Settled | Verdict::Empty) {
                    found.insert(path, *now);
                }
            }
        }
        let end = Instant::now() + PASS.min(self.source.settle * 20);
        let (left, growing) = loop {
            let listed = self.list_in_time().await;
            let round = self.judge(listed, self.now(), |path, look| {
                found.get(path) == Some(&look) || done(path, look)
            });
            found.extend(round.found.into_iter().map(|file| (file.path, file.look)));
            match round.again {
                Some(again) if self.source.done_marker.is_none() && Instant::now() + again < end => {
                    tokio::time::sleep(again).await;
                }
                again => break (round.left, again.is_some()),
            }
        };
        let left = left
            .into_iter()
            .filter(|left| !found.contains_key(&left.path))
            .collect();
        let mut found: Vec<Found> = found.into_iter().map(|(path, look)| Found { path, look }).collect();
        older_first(&mut found);
        Pass { found, left, growing }
    }

    /// Lists the folder on a thread of its own, and gives up when that takes too long.
    async fn list_in_time(&self) -> io::Result<Listed> {
        let (List(list), source) = (self.list, self.source.clone());
        match tokio::time::timeout(PATIENCE, spawn_blocking(move || list(&source))).await {
            Ok(Ok(listed)) => listed,
            Ok(Err(e)) => Err(io::Error::other(e)),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                silent(&self.source.path, PATIENCE),
            )),
        }
    }

    /// Waits until it is time to look again: a hint, the end of a settling, or the next rescan.
    pub async fn wait(&self, round: &Round) {
        let longest = round
            .again
            .map_or(self.source.rescan, |again| again.min(self.source.rescan));
        if tokio::time::timeout(longest, self.hint.notified()).await.is_ok() {
            tokio::time::sleep(HINTS.max(self.took * REST).min(longest)).await;
        }
    }

    /// Asks the system for events. Where that fails (a share, a folder not there yet) the rescan does alone; tried again at
    /// each look, and when another folder has taken the place of the one that was followed.
    fn follow(&mut self) {
        let there = fs::metadata(&self.source.path).ok().map(|folder| folder_id(&folder));
        let good = |following: &Following| Some(following.folder) == there && !following.ended.load(Ordering::Relaxed);
        if self.following.as_ref().is_some_and(good) {
            return;
        }
        self.following = None;
        let Some(folder) = there else { return };
        let (hint, ended) = (Arc::clone(&self.hint), Arc::new(AtomicBool::new(false)));
        let (path, end) = (self.source.path.clone(), Arc::clone(&ended));
        let watcher = notify::recommended_watcher(move |event| hear(event, &path, &end, &hint));
        let watching = watcher.and_then(|mut events| {
            events.watch(&self.source.path, RecursiveMode::NonRecursive)?;
            Ok(events)
        });
        self.following = watching.ok().map(|events| Following {
            _events: events,
            folder,
            ended,
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sight> {
        self.sight.lock().expect("nothing panics while holding it")
    }
}

/// Takes what the system says of a followed folder. Whatever it is, even an error or that events were lost: it is to be looked at.
/// `ended`: the folder itself has gone, or has another name.
fn hear(event: notify::Result<notify::Event>, folder: &Path, ended: &AtomicBool, hint: &Notify) {
    let itself = |event: notify::Event| {
        let gone = matches!(
            event.kind,
            EventKind::Remove(_) | EventKind::Modify(notify::event::ModifyKind::Name(_))
        );
        gone && event.paths.iter().any(|path| path == folder)
    };
    if event.is_ok_and(itself) {
        ended.store(true, Ordering::Relaxed);
    }
    hint.notify_one();
}

impl Sight {
    /// How many exports came up since the start.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// An accepted file could not be archived or deleted; none: all could. Says whether that is news.
    pub fn set_unretired(&mut self, why: Option<String>) -> bool {
        let news = self.unretired != why;
        self.change(|sight| sight.unretired = why);
        news
    }

    /// How the folder is out of reach, if it is, and how many looks failed since this was last asked.
    pub fn take_missed(&mut self) -> (Option<Kind>, u64) {
        let silent = self.silent.as_ref().map(|_| Kind::FolderSilent);
        let kind = silent.or(self.folder.as_ref().map(|_| Kind::Folder));
        (kind, std::mem::take(&mut self.missed))
    }

    fn change(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        let troubles = [&self.silent, &self.folder, &self.unretired];
        self.trouble = troubles.into_iter().flatten().next().cloned();
    }
}

#[derive(Debug, Default)]
struct Listed {
    exports: Vec<(PathBuf, Look)>,
    /// All names, where done markers are looked for.
    names: HashSet<OsString>,
}

fn list(source: &Source) -> io::Result<Listed> {
    let mut listed = Listed::default();
    for entry in fs::read_dir(&source.path)? {
        let entry = entry?;
        let name = entry.file_name();
        if source.includes(&name.to_string_lossy())
            // One file that cannot be looked at does not hide the others; it comes up again at the next look.
            && let Ok(metadata) = entry.metadata()
            && let Some(look) = intake::look_of(&metadata)
        {
            listed.exports.push((entry.path(), look));
        }
        if source.done_marker.is_some() {
            listed.names.insert(name);
        }
    }
    Ok(listed)
}

fn unlisted(folder: &Path, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::TimedOut && error.get_ref().is_some() {
        return error.to_string();
    }
    let folder = folder.display();
    said!(
        "không xem được thư mục {folder}: kiểm tra đường dẫn, quyền của dịch vụ, máy chủ chia sẻ [{error}]",
        "the folder {folder} cannot be looked through: check the path, the service's rights, the file server"
    )
    .to_string()
}

/// What tells a folder from another one under the same name.
type FolderId = (u64, u64, Option<SystemTime>);

#[cfg(unix)]
fn folder_id(folder: &Metadata) -> FolderId {
    use std::os::unix::fs::MetadataExt;
    (folder.dev(), folder.ino(), folder.created().ok())
}

#[cfg(not(unix))]
fn folder_id(folder: &Metadata) -> FolderId {
    (0, 0, folder.created().ok())
}

/// What was exported later is the newer version.
fn older_first(found: &mut [Found]) {
    found.sort_by(|a, b| (a.look.modified, &a.path).cmp(&(b.look.modified, &b.path)));
}

#[cfg(test)]
mod tests;
