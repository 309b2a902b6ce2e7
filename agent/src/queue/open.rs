//! How the queue is opened, and how it is left so that the next start has little to read.

use std::panic;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, RwLock};
use vhr_core::time::Timestamp;

use super::apply::Start;
use super::history::Trust;
use super::{Damage, Error, Queue, SNAPSHOT_EVERY, snapshot};
use crate::journal::{Journal, Position};
use crate::keys::Keys;

impl Queue {
    /// Opens the queue of the state folder and the journal it lives by. Memory and index are brought up to date with the
    /// journal, or built anew.
    ///
    /// # Errors
    /// When the journal cannot be used.
    pub fn open(state: &Path, keys: Keys, now: Timestamp) -> Result<Self, Error> {
        Self::open_trusting(state, keys, Trust::AsLeft, now)
    }

    /// The same, where the index is relied upon no further than this. An index that fails, or panics, over what it finds is set
    /// aside; one that cannot be written is kept in memory.
    ///
    /// # Errors
    /// When the journal cannot be used.
    pub fn open_trusting(state: &Path, keys: Keys, mut trust: Trust, now: Timestamp) -> Result<Self, Error> {
        let mut snapshots = Vec::new();
        loop {
            let opening = || Self::try_open(state, &keys, &trust, &mut snapshots, now);
            // sled panics over some of what a power cut leaves.
            let failed = match panic::catch_unwind(panic::AssertUnwindSafe(opening)) {
                Ok(Err(Error::Index(e))) => crate::report::chain(&e),
                Ok(opened) => return opened,
                Err(panicked) if matches!(trust, Trust::Memory(_)) => panic::resume_unwind(panicked),
                Err(_) => "it panicked".to_owned(),
            };
            tracing::warn!(why = failed, "the index failed");
            trust = match trust {
                Trust::AsLeft => Trust::Not(failed),
                Trust::Not(_) | Trust::Memory(_) => Trust::Memory(failed),
            };
        }
    }

    fn try_open(
        state: &Path,
        keys: &Keys,
        trust: &Trust,
        snapshots: &mut Vec<String>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let (snapshot, damaged) = snapshot::load(state, keys, now);
        snapshots.extend(damaged);
        // The place counts in any case: the journal goes on behind it.
        let known = snapshot.as_ref().map_or_else(Position::default, |(top, _)| top.end);
        let journal = Journal::open(state, keys.clone(), known)?;
        let start = Start::prepare(state, snapshot, trust, now)?;
        let mut queue = Self {
            state: state.to_owned(),
            keys: keys.clone(),
            history: start.history,
            live: Mutex::new(start.live),
            tallies: Mutex::new(start.tallies),
            order: AtomicU64::new(start.order),
            steps: tokio::sync::Mutex::new(()),
            changes: RwLock::new(()),
            unapplied: AtomicU64::new(0),
            snapshot: Mutex::new((known, 0)),
            came_back: AtomicBool::new(true),
            resting: Mutex::new(start.resting),
            busy: Mutex::default(),
            unknown: Mutex::default(),
            lost: Mutex::default(),
            looked: Mutex::default(),
            damage: Mutex::new(Damage {
                snapshots: snapshots.clone(),
                ..start.damage
            }),
            rebuilt: None,
            asked: Mutex::default(),
            hurt: Mutex::default(),
            hurt_bell: Notify::new(),
            wake: Notify::new(),
            journal,
        };
        let read = queue.catch_up(start.from.unwrap_or_default(), start.ahead)?;
        // An empty index over an empty journal is a first start, not a rebuilding.
        if start.from.is_none() && read > 0 {
            queue.rebuilt = Some(now);
        }
        Ok(queue)
    }

    /// Takes a snapshot where the journal has grown since the last one, so that the next start has little to catch up with.
    ///
    /// # Errors
    /// When it cannot be written; everything is in the journal all the same.
    pub async fn snapshot(&self, at_stop: bool) -> Result<(), Error> {
        let (last, size) = *self.snapshot.lock().expect("nothing panics while holding it");
        let every = if at_stop { 1 } else { SNAPSHOT_EVERY.max(2 * size) };
        if self.journal.end().beyond(last) < every {
            return Ok(());
        }
        self.snapshot_now().await.map(drop)
    }

    /// Takes a snapshot; says whether that was possible.
    pub(super) async fn snapshot_now(&self) -> Result<bool, Error> {
        let alone = self.changes.write().await;
        if self.unapplied.load(Ordering::SeqCst) > 0 {
            return Ok(false);
        }
        let end = self.journal.end();
        let mut top = snapshot::Top::new(
            end,
            self.order.load(Ordering::Relaxed),
            self.lock_tallies().clone(),
            self.history.counts(),
        );
        top.resting = self
            .lock_resting()
            .iter()
            .map(|(export, since)| (*export, *since))
            .collect();
        let made = snapshot::make(top, &self.lock_live()).map_err(Error::Snapshot)?;
        drop(alone);
        // First what it relies on, then the snapshot itself.
        self.history.sync(&self.state)?;
        let size = made.write(&self.state, &self.keys).map_err(Error::Snapshot)?;
        *self.snapshot.lock().expect("nothing panics while holding it") = (end, size);
        Ok(true)
    }
}
