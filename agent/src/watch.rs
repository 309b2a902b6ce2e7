//! "Look at this path": notify events as hints, a regular rescan as the truth, because shares never send events.
//!
//! One watcher per source. It lists the folder, tells what has settled, and is told when that is dealt with; a file that
//! could not be taken in comes up again at the next look.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use vhr_core::config::Source;
use vhr_core::settle::{self, Look, Settling, Verdict};
use vhr_core::time::Timestamp;

use crate::{clock, intake};

/// After a hint, so long is waited for its neighbours: a file being written sends many.
const HINTS: Duration = Duration::from_millis(100);
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
    seen: HashSet<PathBuf>,
    /// Why the folder could not be listed at the last look.
    pub trouble: Option<String>,
}

/// What a single pass came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Pass {
    /// What is complete, older first.
    pub found: Vec<Found>,
    /// Something is there that is not complete yet.
    pub growing: bool,
}

/// Watches one source.
#[derive(Debug)]
pub struct Watcher {
    source: Source,
    settling: Settling,
    started: Instant,
    hint: Arc<Notify>,
    events: Option<notify::RecommendedWatcher>,
    sight: Arc<Mutex<Sight>>,
    /// What `done` said yes to at the last look: thousands of files may stay in a folder for years.
    done_before: HashMap<PathBuf, Look>,
}

/// One look at the folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Round {
    /// What is complete, and not known as done.
    pub found: Vec<Found>,
    /// When to look again for what is not.
    pub again: Option<Duration>,
}

impl Watcher {
    /// For the source as configured.
    pub fn new(source: Source) -> Self {
        Self {
            settling: Settling::new(source.settle),
            source,
            started: Instant::now(),
            hint: Arc::new(Notify::new()),
            events: None,
            sight: Arc::default(),
            done_before: HashMap::new(),
        }
    }

    /// What it sees, for the status.
    pub fn sight(&self) -> Arc<Mutex<Sight>> {
        Arc::clone(&self.sight)
    }

    /// Looks through the folder. `done` says whether a file, as it looks now, was dealt with before.
    pub fn round(&mut self, done: impl FnMut(&Path, Look) -> bool) -> Round {
        // Our own clock, which only goes forward, whatever is done to the system's.
        let now = Timestamp::from_millis(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX));
        self.round_at(now, done)
    }

    fn round_at(&mut self, now: Timestamp, mut done: impl FnMut(&Path, Look) -> bool) -> Round {
        self.follow();
        let mut round = Round {
            found: Vec::new(),
            again: None,
        };
        let listed = match list(&self.source) {
            Ok(listed) => listed,
            Err(e) => {
                self.lock().trouble = Some(e.to_string());
                return round;
            }
        };
        self.lock().trouble = None;
        for (path, found) in &listed.exports {
            if self.done_before.get(path) == Some(found) {
                continue;
            }
            self.lock().seen.insert(path.clone());
            if done(path, *found) {
                self.done_before.insert(path.clone(), *found);
                continue;
            }
            let verdict = if let Some(marker) = &self.source.done_marker {
                let mut name = path.file_name().unwrap_or_default().to_owned();
                name.push(marker);
                settle::observe_marked(Some(*found), listed.names.contains(&name), now.plus(self.source.rescan))
            } else {
                self.settling.observe(path, Some(*found), now)
            };
            match verdict {
                Verdict::Settled | Verdict::Empty => round.found.push(Found {
                    path: path.clone(),
                    look: *found,
                }),
                Verdict::Growing { look_again_at } => {
                    let wait = look_again_at.since(now);
                    round.again = Some(round.again.map_or(wait, |again| again.min(wait)));
                }
                Verdict::Gone => {}
            }
        }
        self.settling.forget_unseen();
        self.done_before.retain(|path, _| listed.exports.contains_key(path));
        older_first(&mut round.found);
        round
    }

    /// For a single pass: what has settled by the files' own clocks, and then, with a little patience, what settles while
    /// one watches. Ends when nothing grows any more.
    pub async fn pass(&mut self, mut done: impl FnMut(&Path, Look) -> bool) -> Pass {
        let first = list(&self.source).map(|listed| listed.exports).unwrap_or_default();
        let mut found: BTreeMap<PathBuf, Look> = BTreeMap::new();
        if self.source.done_marker.is_none() {
            for (path, before) in first {
                let Ok(Some(now)) = intake::look(&path) else { continue };
                let verdict = settle::observe_once(before, now, clock::now(), self.source.settle);
                if !done(&path, now) && matches!(verdict, Verdict::Settled | Verdict::Empty) {
                    found.insert(path, now);
                }
            }
        }
        let end = Instant::now() + PASS.min(self.source.settle * 20);
        let growing = loop {
            let round = self.round(|path, look| found.get(path) == Some(&look) || done(path, look));
            found.extend(round.found.into_iter().map(|file| (file.path, file.look)));
            match round.again {
                Some(again) if self.source.done_marker.is_none() && Instant::now() + again < end => {
                    tokio::time::sleep(again).await;
                }
                again => break again.is_some(),
            }
        };
        let mut found: Vec<Found> = found.into_iter().map(|(path, look)| Found { path, look }).collect();
        older_first(&mut found);
        Pass { found, growing }
    }

    /// Waits until it is time to look again: a hint, the end of a settling, or the next rescan.
    pub async fn wait(&self, round: &Round) {
        let longest = round
            .again
            .map_or(self.source.rescan, |again| again.min(self.source.rescan));
        if tokio::time::timeout(longest, self.hint.notified()).await.is_ok() {
            tokio::time::sleep(HINTS.min(longest)).await;
        }
    }

    /// Asks the system for events. Where that fails (a share, a folder not there yet) the rescan does alone; tried again at
    /// each look.
    fn follow(&mut self) {
        if self.events.is_some() {
            return;
        }
        let hint = Arc::clone(&self.hint);
        // Whatever the event says, even an error or a lost one: look.
        let watcher = notify::recommended_watcher(move |_event| hint.notify_one());
        self.events = watcher
            .and_then(|mut watcher| {
                watcher.watch(&self.source.path, RecursiveMode::NonRecursive)?;
                Ok(watcher)
            })
            .ok();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sight> {
        self.sight.lock().expect("nothing panics while holding it")
    }
}

impl Sight {
    /// How many different exports were seen since the start.
    pub fn seen(&self) -> u64 {
        self.seen.len() as u64
    }
}

struct Listed {
    exports: BTreeMap<PathBuf, Look>,
    names: HashSet<std::ffi::OsString>,
}

fn list(source: &Source) -> io::Result<Listed> {
    let mut listed = Listed {
        exports: BTreeMap::new(),
        names: HashSet::new(),
    };
    for entry in std::fs::read_dir(&source.path)? {
        let entry = entry?;
        let name = entry.file_name();
        if source.includes(&name.to_string_lossy())
            // One file that cannot be looked at does not hide the others; it comes up again at the next look.
            && let Ok(Some(look)) = intake::look(&entry.path())
        {
            listed.exports.insert(entry.path(), look);
        }
        listed.names.insert(name);
    }
    Ok(listed)
}

/// What was exported later is the newer version.
fn older_first(found: &mut [Found]) {
    found.sort_by(|a, b| (a.look.modified, &a.path).cmp(&(b.look.modified, &b.path)));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use vhr_core::config::After;

    use super::*;

    fn source(folder: &Path, done_marker: Option<&str>) -> Source {
        Source {
            name: "his".into(),
            path: folder.to_owned(),
            include: vec!["*.xml".into()],
            plugin: "vn.qd3176".into(),
            settle: Duration::from_secs(2),
            done_marker: done_marker.map(str::to_owned),
            rescan: Duration::from_secs(30),
            after: After::Leave,
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn names(round: &Round) -> Vec<&str> {
        round
            .found
            .iter()
            .map(|found| found.path.file_name().unwrap().to_str().unwrap())
            .collect()
    }

    #[test]
    fn a_file_comes_up_once_it_has_settled_and_not_while_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(source(folder.path(), None));
        fs::write(folder.path().join("a.xml"), "1").unwrap();
        assert_eq!(
            watcher.round_at(at(0), |_, _| false).again,
            Some(Duration::from_secs(2))
        );
        fs::write(folder.path().join("a.xml"), "12").unwrap();
        assert!(names(&watcher.round_at(at(2000), |_, _| false)).is_empty());
        assert_eq!(names(&watcher.round_at(at(4000), |_, _| false)), ["a.xml"]);
    }

    #[test]
    fn a_file_renamed_into_place_comes_up_under_its_new_name_only() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(source(folder.path(), None));
        fs::write(folder.path().join("a.xml.tmp"), "1").unwrap();
        assert_eq!(
            watcher.round_at(at(0), |_, _| false),
            Round {
                found: vec![],
                again: None
            }
        );
        fs::rename(folder.path().join("a.xml.tmp"), folder.path().join("a.xml")).unwrap();
        watcher.round_at(at(1000), |_, _| false);
        assert_eq!(names(&watcher.round_at(at(3000), |_, _| false)), ["a.xml"]);
    }

    #[test]
    fn what_was_dealt_with_does_not_come_up_again_and_what_was_not_does() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(source(folder.path(), None));
        fs::write(folder.path().join("a.xml"), "1").unwrap();
        watcher.round_at(at(0), |_, _| false);
        assert_eq!(names(&watcher.round_at(at(2000), |_, _| false)), ["a.xml"]);
        assert_eq!(
            names(&watcher.round_at(at(3000), |_, _| false)),
            ["a.xml"],
            "it could not be taken in"
        );
        assert!(names(&watcher.round_at(at(4000), |_, _| true)).is_empty());
        let mut asked = 0;
        watcher.round_at(at(5000), |_, _| {
            asked += 1;
            true
        });
        assert_eq!(asked, 0, "what is done is not asked for at every look");
        fs::write(folder.path().join("a.xml"), "longer").unwrap();
        watcher.round_at(at(6000), |_, _| false);
        assert_eq!(
            names(&watcher.round_at(at(8000), |_, _| false)),
            ["a.xml"],
            "other content is another file"
        );
    }

    #[test]
    fn with_a_done_marker_a_file_waits_for_it_however_long_it_has_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(source(folder.path(), Some(".done")));
        fs::write(folder.path().join("a.xml"), "1").unwrap();
        watcher.round_at(at(0), |_, _| false);
        assert!(names(&watcher.round_at(at(100_000), |_, _| false)).is_empty());
        fs::write(folder.path().join("a.xml.done"), "").unwrap();
        assert_eq!(names(&watcher.round_at(at(100_001), |_, _| false)), ["a.xml"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_and_watched_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(source(&folder.path().join("later"), None));
        watcher.round_at(at(0), |_, _| false);
        assert!(watcher.lock().trouble.is_some());
        fs::create_dir(folder.path().join("later")).unwrap();
        fs::write(folder.path().join("later/a.xml"), "1").unwrap();
        watcher.round_at(at(1000), |_, _| false);
        assert!(watcher.lock().trouble.is_none());
        assert_eq!(names(&watcher.round_at(at(3000), |_, _| false)), ["a.xml"]);
    }

    #[tokio::test]
    async fn an_event_cuts_the_wait_short() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(source(folder.path(), None));
        let round = watcher.round(|_, _| false);
        fs::write(folder.path().join("a.xml"), "1").unwrap();
        // Without the event this would be the rescan, 30 s.
        tokio::time::timeout(Duration::from_secs(20), watcher.wait(&round))
            .await
            .unwrap();
    }
}
