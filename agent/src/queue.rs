//! The queue: what is due, what state each delivery is in, what was seen before.
//!
//! What stays true: a step is first written to the journal, then applied: to memory while it is live (`live.rs`), to the index
//! when it has ended (`history.rs`). Both are made from the journal at each start, from the newest snapshot on, and can be
//! deleted at any time. One delivery takes one step at a time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, RwLock};
use vhr_core::delivery::{InDoubt, State};
use vhr_core::id::{DeliveryId, EndpointId, ExportId};
use vhr_core::retry::{Failure, FailureKind, Outcome, RetryPolicy};
use vhr_core::time::Timestamp;

use crate::journal::{self, Counts, Entry, Journal, Position, Sync};
use crate::keys::Keys;
use crate::spool::RecordRow;

mod accept;
mod apply;
mod aside;
mod compact;
mod history;
mod live;
mod look;
mod mend;
mod open;
mod rows;
mod snapshot;
mod standing;
mod tally;
mod twins;

use history::History;
pub use history::{ExportRow, Trust};
use live::Live;
use rows::Short;
use tally::Tallies;
pub use tally::{SourceCounts, SourceTally, Tally};

/// How many waiting deliveries are looked at to find the next that may go.
const LOOK_AHEAD: usize = 512;
/// A snapshot is taken when the journal has grown by this many bytes, or by twice the snapshot where that is more.
const SNAPSHOT_EVERY: u64 = 8 * 1024 * 1024;

/// What is known of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRow {
    /// Where it stands; texts and receipts are in the journal at `position`, not here.
    pub state: State,
    /// Accept order over the whole agent.
    pub order: u64,
    /// When its export was accepted.
    pub accepted_at: Timestamp,
    /// Keyed digest of the visit.
    pub visit: [u8; 16],
    /// The journal entry that made this state.
    pub position: Position,
}

/// Where a record lies.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordPlace {
    /// In which batch.
    pub export: ExportId,
    /// Where in it.
    pub row: RecordRow,
}

/// What was found damaged at this start, and mended or set aside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// Why the index was built anew.
    pub index: Option<String>,
    /// The index is kept in memory until the next start.
    pub in_memory: bool,
    /// Snapshots that did not read.
    pub snapshots: Vec<String>,
    /// Stretches of the journal that do not read.
    pub journal: u64,
}

/// Why the queue could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The index.
    #[error("the queue's index could not be used")]
    Index(#[from] history::Error),
    /// The journal.
    #[error("the step could not be written down")]
    Journal(#[from] journal::Error),
    /// A snapshot.
    #[error("a snapshot of the queue could not be written")]
    Snapshot(#[source] std::io::Error),
    /// No such delivery.
    #[error("there is no delivery {0}")]
    Unknown(DeliveryId),
    /// The step is not possible from where it stands.
    #[error("delivery {0} did not take the step")]
    Step(DeliveryId, #[source] vhr_core::delivery::IllegalStep),
    /// A newer version of the visit goes to that endpoint, or has gone.
    #[error("delivery {0} is of an older version of its visit; a newer one goes there, or has gone")]
    Newer(DeliveryId),
    /// A bug of ours: a step panicked.
    #[error("a step ended in a panic; please report it")]
    Panic,
    /// It is being sent at this moment.
    #[error("delivery {0} is being sent at this moment; try again when it is done")]
    Busy(DeliveryId),
}

/// A delivery that is about to be sent.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Which.
    pub id: DeliveryId,
    /// Its record.
    pub place: RecordPlace,
    /// Sending.
    pub state: State,
}

/// Where a batch is to go, decided per record by the caller of [`Queue::accept`].
#[derive(Debug, Clone)]
pub struct Destination {
    /// Where to.
    pub endpoint: EndpointId,
    /// What goes there is the text as it was written (a claim), and not as it is read: so versions of a visit are compared.
    pub as_written: bool,
    /// How each record's delivery begins.
    pub first: Vec<Begin>,
}

/// How a record's delivery to an endpoint begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Begin {
    /// In this state.
    In(State),
    /// The same, but only where nothing of the visit is known.
    IfNew(State),
    /// The same, but only once: where the claim of another visit says the same, it waits for a person.
    Once(State),
    /// Not at all: it may not go there. Older versions of the visit have no more to say all the same.
    Excluded,
    /// Not at all: it goes by another line, and is no version of what goes by this one.
    OfAnotherLine,
}

impl Begin {
    /// The state in which it begins, if it does.
    pub fn state(&mut self) -> Option<&mut State> {
        match self {
            Self::In(state) | Self::IfNew(state) | Self::Once(state) => Some(state),
            Self::Excluded | Self::OfAnotherLine => None,
        }
    }
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    state: PathBuf,
    keys: Keys,
    journal: Journal,
    history: History,
    live: Mutex<Live>,
    tallies: Mutex<Tallies>,
    order: AtomicU64,
    /// Held while a step is chosen and written: accept, take, and what people ask for.
    steps: tokio::sync::Mutex<()>,
    /// Shared by each step from its entry until it is applied; taken alone for a snapshot, which then has all or nothing of it.
    changes: RwLock<()>,
    /// Entries written and not applied: whoever waited for one was stopped in between. Then no snapshot has all.
    unapplied: AtomicU64,
    /// Up to where the newest snapshot goes, and its size.
    snapshot: Mutex<(Position, u64)>,
    /// A record may have come back from the index since a snapshot that is still kept: from there on its row is needed once more.
    came_back: AtomicBool,
    /// Exports whose deliveries have all ended, and since when; not those that were let go.
    resting: Mutex<HashMap<ExportId, Timestamp>>,
    /// Being sent now; nobody else may touch them.
    busy: Mutex<HashSet<DeliveryId>>,
    /// Steps of deliveries whose export the journal did not tell of.
    unknown: Mutex<HashMap<DeliveryId, (State, Position)>>,
    /// Exports that were accepted once, and the journal does not tell any more what became of them.
    lost: Mutex<HashSet<ExportId>>,
    /// Files of the journal of which not enough could go.
    looked: Mutex<compact::Looked>,
    damage: Mutex<Damage>,
    rebuilt: Option<Timestamp>,
    /// Endpoints that a person wants tried.
    asked: Mutex<BTreeSet<EndpointId>>,
    /// Exports of which something did not read.
    hurt: Mutex<BTreeSet<ExportId>>,
    /// Rings when there is one more of them.
    pub hurt_bell: Notify,
    /// Rings when something may have come due.
    pub wake: Notify,
}

impl Queue {
    /// When memory and index were built anew at this start, from the whole journal.
    pub fn rebuilt(&self) -> Option<Timestamp> {
        self.rebuilt
    }

    /// What was found damaged at this start.
    pub fn damage(&self) -> Damage {
        self.lock_damage().clone()
    }

    /// What was in an export with this content, if it was accepted before.
    ///
    /// # Errors
    /// When the index fails.
    pub fn counts(&self, export: ExportId) -> Result<Option<Counts>, Error> {
        Ok(self.history.export(export)?.map(|row| row.counts))
    }

    /// Chooses up to `want` deliveries that may be sent now; nobody else touches them until they are settled. With
    /// `at_once`, also those whose window has not come, unless they were tried since that time. `may_go` is asked for each
    /// in turn and has reserved what it said yes to.
    ///
    /// # Errors
    /// When the index fails.
    pub async fn choose(
        &self,
        endpoint: &EndpointId,
        now: Timestamp,
        at_once: Option<Timestamp>,
        want: usize,
        mut may_go: impl FnMut(&RecordPlace) -> bool,
    ) -> Result<Vec<Taken>, Error> {
        let _one_at_a_time = self.steps.lock().await;
        let (live, mut busy) = (self.lock_live(), self.lock_busy());
        let mut taken = Vec::new();
        for (not_before, order, record) in live.due(endpoint).take(LOOK_AHEAD) {
            if (not_before > now && at_once.is_none()) || taken.len() >= want {
                break;
            }
            let id = DeliveryId {
                record: record.row.record,
                endpoint: endpoint.clone(),
            };
            let of_visit = || live.of_visit(endpoint, &record.row.visit);
            let Some((_, _, state)) = of_visit().find(|(other, ..)| *other == order) else {
                continue;
            };
            let last = match state {
                Short::Waiting { last, .. } => last,
                _ => continue,
            };
            let tried_since = at_once.is_some_and(|began| last.is_some_and(|(_, at)| at >= began));
            // A newer version never overtakes an older one that is still on its way.
            let moving = |state: &Short| matches!(state, Short::Waiting { .. } | Short::Sending { .. });
            let oldest = of_visit().find(|(_, _, state)| moving(state)).map(|(order, ..)| order);
            let place = record.place();
            if (not_before > now && tried_since) || oldest != Some(order) || busy.contains(&id) || !may_go(&place) {
                continue;
            }
            let state = State::from(state.clone())
                .start(now)
                .map_err(|e| Error::Step(id.clone(), e))?;
            busy.insert(id.clone());
            taken.push(Taken { id, place, state });
        }
        Ok(taken)
    }

    /// Writes down that a chosen delivery is about to be sent.
    ///
    /// # Errors
    /// When it could not be written down; then it must not be sent.
    pub async fn start(&self, taken: &Taken, sync: Sync, now: Timestamp) -> Result<(), Error> {
        self.write_step(&taken.id, &taken.state, sync, now).await
    }

    /// Writes down how an attempt ended. Synced when this returns. On a full disk it may be tried again; nobody else touches
    /// the delivery meanwhile.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn settle(&self, id: &DeliveryId, state: State, now: Timestamp) -> Result<(), Error> {
        // A newer version came while this one was on its way: what has not arrived need not be tried again.
        let state = match self.newer(id) {
            Ok(Some(by)) if !state.is_final() => State::Superseded { by },
            _ => state,
        };
        let written = self.write_step(id, &state, Sync::Now, now).await;
        if !written.as_ref().is_err_and(Error::is_full) {
            self.lock_busy().remove(id);
        }
        written
    }

    /// A person's step (retry, drop, resend …) on a delivery that nobody else is working on, and why, where the state that
    /// it leads to does not tell.
    ///
    /// # Errors
    /// When there is no such delivery, it is on its way, or the step is not possible.
    pub async fn ask(
        &self,
        id: &DeliveryId,
        reason: Option<&str>,
        now: Timestamp,
        next: impl FnOnce(&State) -> Result<State, vhr_core::delivery::IllegalStep>,
    ) -> Result<State, Error> {
        let _one_at_a_time = self.steps.lock().await;
        if self.lock_busy().contains(id) {
            return Err(Error::Busy(id.clone()));
        }
        let row = self.delivery(id)?.ok_or_else(|| Error::Unknown(id.clone()))?;
        let state = next(&row.state).map_err(|e| Error::Step(id.clone(), e))?;
        if matches!(state, State::Waiting { .. }) && self.newer(id)?.is_some() {
            return Err(Error::Newer(id.clone()));
        }
        let entry = Entry::Step {
            delivery: id.clone(),
            at: now,
            state: state.clone(),
            reason: reason.map(str::to_owned),
        };
        self.write(vec![entry], Sync::Now).await?;
        if matches!(state, State::Waiting { .. }) {
            let mut asked = self.asked.lock().expect("nothing panics while holding it");
            asked.insert(id.endpoint.clone());
        }
        self.wake.notify_waiters();
        Ok(state)
    }

    /// Writes down that a person has dealt with records of an export that were set aside or refused.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn close(&self, export: ExportId, seqs: Vec<u32>, reason: String, now: Timestamp) -> Result<(), Error> {
        let _one_at_a_time = self.steps.lock().await;
        let entry = Entry::Closed {
            export,
            seqs,
            at: now,
            reason,
        };
        self.write(vec![entry], Sync::Now).await
    }

    /// What was on its way when the agent stopped: its outcome is unclear. Asked once per endpoint at start.
    ///
    /// # Errors
    /// When the index or the journal fails.
    pub async fn recover(
        &self,
        endpoint: &EndpointId,
        in_doubt: InDoubt,
        policy: &RetryPolicy,
        now: Timestamp,
    ) -> Result<usize, Error> {
        let mut entries = Vec::new();
        for (id, row) in self.open_at(endpoint, |row| matches!(row.state, State::Sending { .. })) {
            let text = "the agent stopped while it was being sent".to_owned();
            let outcome = Outcome::Unclear(Failure {
                kind: FailureKind::Stopped,
                at: now,
                text,
            });
            let state = row
                .state
                .after_attempt(outcome, in_doubt, policy, false, now)
                .map_err(|e| Error::Step(id.clone(), e))?;
            entries.push(step(&id, now, &state));
        }
        let recovered = entries.len();
        self.write(entries, Sync::Now).await?;
        Ok(recovered)
    }

    /// Moves what was never tried to the windows of the endpoint's present schedule, when that was changed.
    ///
    /// # Errors
    /// When the index or the journal fails.
    pub async fn reschedule(
        &self,
        endpoint: &EndpointId,
        schedule: &str,
        window: impl Fn(Timestamp) -> Timestamp,
        now: Timestamp,
    ) -> Result<usize, Error> {
        let name = format!("schedule:{endpoint}");
        if self.history.text(&name)?.as_deref() == Some(schedule) {
            return Ok(0);
        }
        let mut entries = Vec::new();
        let moves = |row: &DeliveryRow| {
            let wanted = window(row.accepted_at);
            let State::Waiting {
                attempt, not_before, ..
            } = row.state
            else {
                return None;
            };
            (attempt == 0 && wanted != not_before).then_some(wanted)
        };
        for (id, row) in self.open_at(endpoint, |row| moves(row).is_some()) {
            entries.extend(moves(&row).map(|wanted| step(&id, now, &State::new(wanted))));
        }
        let moved = entries.len();
        self.write(entries, Sync::Now).await?;
        self.history.set_text(&name, schedule)?;
        Ok(moved)
    }

    /// Size, time and export last seen under a path (by its keyed digest).
    ///
    /// # Errors
    /// When the index fails.
    pub fn seen(&self, path: &[u8; 16]) -> Result<Option<(u64, i64, ExportId)>, Error> {
        Ok(self.history.seen(path)?)
    }

    /// Remembers what was seen under a path.
    ///
    /// # Errors
    /// When the index fails.
    pub fn set_seen(&self, path: &[u8; 16], seen: (u64, i64, ExportId)) -> Result<(), Error> {
        Ok(self.history.set_seen(path, seen)?)
    }

    /// Forgets what was seen under a path: nothing is there any more.
    ///
    /// # Errors
    /// When the index fails.
    pub fn forget_path(&self, path: &[u8; 16]) -> Result<(), Error> {
        Ok(self.history.forget_path(path)?)
    }

    /// Writes down that the source file of an export was archived or deleted.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn retired(&self, export: ExportId, now: Timestamp) -> Result<(), Error> {
        self.write(vec![Entry::Retired { export, at: now }], Sync::Later).await
    }

    /// Forgets under which paths an export was seen: its files are looked at again.
    ///
    /// # Errors
    /// When the index fails.
    pub fn forget_seen(&self, export: ExportId) -> Result<(), Error> {
        Ok(self.history.forget_seen(export)?)
    }

    async fn write_step(&self, id: &DeliveryId, state: &State, sync: Sync, now: Timestamp) -> Result<(), Error> {
        self.write(vec![step(id, now, state)], sync).await
    }

    /// Writes entries down, together, and applies them.
    async fn write(&self, entries: Vec<Entry>, sync: Sync) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let _no_snapshot = self.changes.read().await;
        self.append(entries, sync).await
    }

    /// The same for one who holds `changes` already.
    async fn append(&self, entries: Vec<Entry>, sync: Sync) -> Result<(), Error> {
        self.unapplied.fetch_add(1, Ordering::SeqCst);
        let positions = self.journal.append(&entries, sync).await;
        // Then nothing was written, and nothing is behind.
        if let Err(journal::Error::Full | journal::Error::TooLarge) = positions {
            self.unapplied.fetch_sub(1, Ordering::SeqCst);
        }
        for (position, entry) in positions?.into_iter().zip(&entries) {
            self.apply(position, entry)?;
        }
        self.unapplied.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }

    fn lock_live(&self) -> std::sync::MutexGuard<'_, Live> {
        self.live.lock().expect("nothing panics while holding it")
    }

    fn lock_busy(&self) -> std::sync::MutexGuard<'_, HashSet<DeliveryId>> {
        self.busy.lock().expect("nothing panics while holding it")
    }

    fn lock_unknown(&self) -> std::sync::MutexGuard<'_, HashMap<DeliveryId, (State, Position)>> {
        self.unknown.lock().expect("nothing panics while holding it")
    }

    fn lock_looked(&self) -> std::sync::MutexGuard<'_, compact::Looked> {
        self.looked.lock().expect("nothing panics while holding it")
    }

    fn lock_lost(&self) -> std::sync::MutexGuard<'_, HashSet<ExportId>> {
        self.lost.lock().expect("nothing panics while holding it")
    }

    fn lock_resting(&self) -> std::sync::MutexGuard<'_, HashMap<ExportId, Timestamp>> {
        self.resting.lock().expect("nothing panics while holding it")
    }

    fn lock_tallies(&self) -> std::sync::MutexGuard<'_, Tallies> {
        self.tallies.lock().expect("nothing panics while holding it")
    }

    fn lock_damage(&self) -> std::sync::MutexGuard<'_, Damage> {
        self.damage.lock().expect("nothing panics while holding it")
    }
}

fn step(id: &DeliveryId, at: Timestamp, state: &State) -> Entry {
    Entry::Step {
        delivery: id.clone(),
        at,
        state: state.clone(),
        reason: None,
    }
}

#[cfg(test)]
mod tests;
