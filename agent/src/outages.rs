//! What is out of reach, seen by the agent itself and written down as it begins and ends: `outages` reads it back.
//!
//! What stays true: each outage is in the journal twice, at its begin and at its end; what has not ended, and when the agent was
//! last alive, is in `<state>/alive`, so that neither a stop nor a power cut makes two of one. No words of any endpoint, and
//! nothing of any visit, are in either.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch as signal};
use vhr_core::config::Config;
use vhr_core::id::EndpointId;
use vhr_core::outage::{Kind, Open, Outage, What, silence};
use vhr_core::time::Timestamp;

use crate::pipeline::Agent;
use crate::queue::{self, Queue};
use crate::spool::write_synced;
use crate::{clock, report};

/// How often the agent says that it is alive.
const SIGN: Duration = Duration::from_secs(30);
/// How often the folders are asked how they are.
const LOOK: Duration = Duration::from_secs(5);

/// What was out of reach, and is.
#[derive(Debug)]
pub struct Outages {
    path: PathBuf,
    site: String,
    queue: Arc<Queue>,
    started: Instant,
    told: Mutex<Told>,
    /// One writes at a time, so that a begin comes before its end.
    writing: tokio::sync::Mutex<()>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Told {
    open: Open,
    unwritten: Vec<Outage>,
    /// The last sign of life of the run before; none when it has been judged.
    before: Option<Sign>,
}

/// What is kept in `<state>/alive`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sign {
    /// When the service was alive for certain; none where it never ran.
    pub at: Option<Timestamp>,
    /// It stopped in order.
    pub stopped: bool,
    /// What had not ended.
    pub open: Open,
}

impl Outages {
    /// Goes on with what the run before left open.
    pub fn resume(config: &Config, queue: Arc<Queue>, now: Timestamp) -> Self {
        let path = path(&config.storage.dir);
        let mut before = read(&config.storage.dir);
        let watched = |what: What, name: &str| match what {
            What::Endpoint => config.line(name).is_some(),
            What::Source => config.sources.iter().any(|source| source.name == name),
            What::Agent | What::Disk => true,
        };
        let mut open = std::mem::take(&mut before.open);
        let unwritten = open.forget(watched, before.at.unwrap_or(now));
        Self {
            path,
            site: config.site.facility.clone(),
            queue,
            started: Instant::now(),
            told: Mutex::new(Told {
                open,
                unwritten,
                before: Some(before),
            }),
            writing: tokio::sync::Mutex::default(),
            news: Notify::new(),
        }
    }

    /// So many attempts at it failed.
    pub fn failed(&self, what: What, name: &str, kind: Kind, attempts: u64) {
        let mut told = self.lock();
        let news = told.open.failed(what, name, kind, attempts, clock::now());
        if !news.is_empty() {
            told.unwritten.extend(news);
            self.news.notify_one();
        }
    }

    /// It gave a good answer.
    pub fn answered(&self, what: What, name: &str) {
        let waiting = || match what {
            What::Endpoint => Some(self.waiting(&EndpointId::new(name))),
            What::Disk => Some(self.waiting_everywhere()),
            What::Source | What::Agent => None,
        };
        if self.lock().open.answered(what, name, waiting, clock::now()) {
            self.news.notify_one();
        }
    }

    /// Taking in is paused because the disk is full, or goes on.
    pub fn intake_paused(&self, paused: bool) {
        if paused {
            self.failed(What::Disk, "intake", Kind::DiskFull, 1);
        } else {
            self.answered(What::Disk, "intake");
        }
    }

    /// Since when it is out of reach, if it is.
    pub fn since(&self, what: What, name: &str) -> Option<Timestamp> {
        self.lock().open.since(what, name)
    }

    /// For as long as the service runs: asks the folders, says that it is alive, writes down what began and ended.
    ///
    /// # Errors
    /// When the queue can no longer be written.
    pub async fn keep(agent: Arc<Agent>, mut stop: signal::Receiver<bool>) -> Result<(), queue::Error> {
        let outages = &agent.outages;
        let mut said: Option<Instant> = None;
        loop {
            agent.look_at_sources();
            outages.judge_silence();
            let news = outages.write().await?;
            if news || said.is_none_or(|at| at.elapsed() >= SIGN) {
                outages.sign(Some(clock::now()), false);
                said = Some(Instant::now());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = outages.news.notified() => said = None,
                _ = stop.changed() => return Ok(()),
            }
        }
    }

    /// The service stops in order: nothing is watched from now on.
    ///
    /// # Errors
    /// When the queue can no longer be written.
    pub async fn stop(&self) -> Result<(), queue::Error> {
        self.write().await?;
        self.sign(Some(clock::now()), true);
        Ok(())
    }

    /// A single pass ends: when the service was alive last stays as it was.
    ///
    /// # Errors
    /// When the queue can no longer be written.
    pub async fn end_of_pass(&self) -> Result<(), queue::Error> {
        self.write().await?;
        let before = self.lock().before.clone().unwrap_or_default();
        self.sign(before.at, before.stopped);
        Ok(())
    }

    /// The agent's own silence before this start. A clock that stands before the last sign of life is waited for: it is wrong, and
    /// may be put right.
    fn judge_silence(&self) {
        let mut told = self.lock();
        let started = clock::now().minus(self.started.elapsed());
        let Some(Sign { at, stopped, .. }) = told.before else {
            return;
        };
        if at.is_some_and(|at| started < at) {
            return;
        }
        let silence = at.and_then(|at| silence(&self.site, at, stopped, started, self.waiting_everywhere()));
        told.unwritten.extend(silence);
        told.before = None;
    }

    /// Writes down what began and ended, and says whether there was any. On a full disk it is kept for later.
    async fn write(&self) -> Result<bool, queue::Error> {
        let _one_at_a_time = self.writing.lock().await;
        let news = {
            let mut told = self.lock();
            let ended = told.open.ended(clock::now());
            told.unwritten.extend(ended);
            std::mem::take(&mut told.unwritten)
        };
        if news.is_empty() {
            return Ok(false);
        }
        match self.queue.outages(news.clone()).await {
            Err(e) if e.is_full() => {
                self.lock().unwritten.splice(0..0, news);
                Ok(false)
            }
            written => written.map(|()| true),
        }
    }

    /// What goes wrong here must not stop anything: the next one comes soon.
    fn sign(&self, at: Option<Timestamp>, stopped: bool) {
        let open = self.lock().open.clone();
        let text = serde_json::to_vec(&Sign { at, stopped, open }).unwrap_or_default();
        if let Err(e) = write_synced(&self.path, &text) {
            tracing::debug!(why = report::chain(&e), "the sign of life could not be written down");
        }
    }

    fn waiting(&self, endpoint: &EndpointId) -> u64 {
        let tally = self.queue.tally(endpoint);
        tally.waiting + tally.sending
    }

    fn waiting_everywhere(&self) -> u64 {
        let endpoints = self.queue.endpoints();
        endpoints.iter().map(|endpoint| self.waiting(endpoint)).sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().expect("nothing panics while holding it")
    }
}

impl Agent {
    /// Asks what each watcher has seen of its folder since it was last asked.
    pub fn look_at_sources(&self) {
        let sights = self.sights.lock().expect("nothing panics while holding it");
        for (source, sight) in sights.iter() {
            let (out_of_reach, missed) = sight.lock().expect("nothing panics while holding it").take_missed();
            match out_of_reach {
                Some(kind) => self.outages.failed(What::Source, source, kind, missed),
                None => self.outages.answered(What::Source, source),
            }
        }
    }
}

/// What the run before said last of itself; nothing where it does not read, but for the time of the file.
pub fn read(state: &Path) -> Sign {
    let path = path(state);
    let text = std::fs::read(&path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_else(|_| {
        let written = std::fs::metadata(&path).and_then(|file| file.modified()).ok();
        let since_1970 = written.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        Sign {
            at: since_1970.map(|since| Timestamp::from_millis(0).plus(since)),
            ..Sign::default()
        }
    })
}

fn path(state: &Path) -> PathBuf {
    state.join("alive")
}

#[cfg(test)]
mod tests {
    use vhr_core::config;

    use super::*;
    use crate::journal::Entry;
    use crate::keys::Keys;

    fn outages(state: &Path, keys: &Keys) -> (Arc<Queue>, Outages) {
        let text = format!(
            "[site]\nfacility = \"79999\"\nname = \"Bệnh viện Ví Dụ\"\n[storage]\ndir = \"{}\"\n\
             [[source]]\nname = \"his\"\npath = \"/srv/his\"\nplugin = \"vn.qd3176\"\n\
             [[endpoint]]\nname = \"vhr\"\nkind = \"fhir\"\nurl = \"https://example.org\"\n",
            state.display()
        );
        let config = config::parse(&text, "test.toml").unwrap_or_else(|problems| panic!("{problems:#?}"));
        let queue = Arc::new(Queue::open(state, keys.clone(), clock::now()).unwrap());
        let outages = Outages::resume(&config, Arc::clone(&queue), clock::now());
        (queue, outages)
    }

    fn told(queue: &Queue) -> Vec<Outage> {
        let entries = queue.told_entries().into_iter();
        let outages = entries.filter_map(|entry| match entry {
            Entry::Outage(outage) => Some(outage),
            _ => None,
        });
        outages.collect()
    }

    #[tokio::test]
    async fn what_cannot_be_written_down_on_a_full_disk_is_written_down_later_in_its_order() {
        let state = tempfile::tempdir().unwrap();
        let (queue, outages) = outages(state.path(), &Keys::generate(clock::now()));
        queue.set_full(true);
        outages.intake_paused(true);
        assert!(!outages.write().await.unwrap());
        outages.failed(What::Endpoint, "vhr", Kind::NoConnection, 1);
        assert!(!outages.write().await.unwrap());
        queue.set_full(false);
        outages.intake_paused(false);
        assert!(outages.write().await.unwrap());
        let told = told(&queue);
        assert_eq!(
            (told[0].what, told[1].what, told.len()),
            (What::Disk, What::Endpoint, 2)
        );
        assert_eq!((told[0].kinds.clone(), told[0].to), (vec![Kind::DiskFull], None));
        assert_eq!(outages.since(What::Disk, "intake"), None);
    }

    #[tokio::test]
    async fn what_was_open_at_a_stop_goes_on_and_what_is_not_configured_any_more_ends() {
        let state = tempfile::tempdir().unwrap();
        let keys = Keys::generate(clock::now());
        let (queue, before) = outages(state.path(), &keys);
        before.failed(What::Endpoint, "vhr", Kind::NoConnection, 1);
        before.failed(What::Endpoint, "gone", Kind::NoConnection, 1);
        before.stop().await.unwrap();
        let stopped = read(state.path());
        assert!(stopped.stopped);
        drop((queue, before));
        let (queue, after) = outages(state.path(), &keys);
        assert!(after.since(What::Endpoint, "vhr").is_some());
        after.end_of_pass().await.unwrap();
        let told = told(&queue);
        assert_eq!(told.len(), 3, "two begins, one end: {told:?}");
        assert_eq!((told[2].name.as_str(), told[2].to), ("gone", stopped.at));
        assert_eq!(
            read(state.path()).at,
            stopped.at,
            "a single pass is no sign of life of the service"
        );
    }

    #[test]
    fn a_sign_of_life_that_does_not_read_tells_its_time_all_the_same() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(read(state.path()).at, None, "it never ran");
        std::fs::write(path(state.path()), "").unwrap();
        let sign = read(state.path());
        let now = clock::now();
        assert!(sign.at.is_some_and(|at| now.since(at) < Duration::from_secs(600)));
        assert!(!sign.stopped);
    }
}
