//! The queue: what is due, what state each delivery is in, what was seen before.
//!
//! What stays true: a step is first written to the journal, then applied: to memory while it is live (`live.rs`), to the index
//! when it has ended (`history.rs`). Both are made from the journal at each start, from the newest snapshot on, and can be
//! deleted at any time. One delivery takes one step at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, RwLock};
use vhr_core::delivery::{InDoubt, ReasonKind, State};
use vhr_core::id::{DeliveryId, EndpointId, ExportId, PluginRef, RecordId};
use vhr_core::retry::{Failure, FailureKind, Outcome, RetryPolicy};
use vhr_core::time::Timestamp;

use crate::journal::{self, Accepted, Counts, Entry, First, Journal, Position, Sync};
use crate::keys::Keys;
use crate::spool::{self, RecordRow};

mod apply;
mod aside;
mod compact;
mod history;
mod live;
mod look;
mod rows;
mod snapshot;
mod standing;
mod tally;

use apply::Start;
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
    /// The state in which each record's delivery begins; none: this record does not go there.
    pub first: Vec<Option<State>>,
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

    /// Accepts an export whose copy and batch are on disk: writes down every delivery that is made of it. Older versions of
    /// the same visits that have not left are superseded. When this returns, the export is accepted.
    ///
    /// # Errors
    /// When it could not be written down; then it is not accepted.
    pub async fn accept(
        &self,
        export: ExportId,
        source: &str,
        plugin: Option<PluginRef>,
        batch: &spool::Index,
        destinations: &[Destination],
        now: Timestamp,
    ) -> Result<Counts, Error> {
        let _one_at_a_time = self.steps.lock().await;
        // Two files with one content may be taken in side by side: the second finds it done.
        if let Some(counts) = self.counts(export)? {
            return Ok(counts);
        }
        let (mut deliveries, mut superseded) = (Vec::new(), Vec::new());
        let mut known = vec![!destinations.is_empty(); batch.mapped.len()];
        for destination in destinations {
            let mut firsts: Vec<First> = Vec::new();
            let mut within = BTreeMap::new();
            for ((row, first), known) in batch.mapped.iter().zip(&destination.first).zip(&mut known) {
                if self.is_known(&destination.endpoint, row, within.get(&row.visit).copied())? {
                    continue;
                }
                *known = false;
                within.insert(row.visit, row);
                // What is there of older versions has no more to say, even where the new one does not go.
                let overtaken = self.overtaken(&destination.endpoint, &row.visit).into_iter();
                superseded.extend(overtaken.map(|id| (id, row.record)));
                let Some(state) = first else { continue };
                match firsts.iter_mut().find(|first| first.state == *state) {
                    Some(first) => first.seqs.push(row.seq),
                    None => firsts.push(First {
                        endpoint: destination.endpoint.clone(),
                        seqs: vec![row.seq],
                        state: state.clone(),
                    }),
                }
            }
            deliveries.append(&mut firsts);
        }
        superseded.sort();
        superseded.dedup_by(|a, b| a.0 == b.0);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let counts = Counts {
            found: batch.found,
            mapped: count(batch.mapped.len()),
            refused: count(batch.refused.len()),
            set_aside: count(batch.set_aside.len()),
            known: count(known.iter().filter(|known| **known).count()),
            files_set_aside: u32::from(batch.file.is_some()),
        };
        let sent: HashSet<u32> = deliveries.iter().flat_map(|first| first.seqs.iter().copied()).collect();
        let records = batch.mapped.iter().filter(|row| sent.contains(&row.seq)).cloned();
        let accepted = Accepted {
            export,
            at: now,
            source: source.to_owned(),
            plugin,
            counts,
            deliveries,
            records: records.collect(),
            order: self.order.load(Ordering::Relaxed),
            superseded,
        };
        let told: Vec<Entry> = accepted
            .records
            .iter()
            .flat_map(|row| self.told_before(row.record))
            .map(|(id, state)| step(&id, now, &state))
            .collect();
        self.write(
            vec![Entry::Accepted(accepted)].into_iter().chain(told).collect(),
            Sync::Now,
        )
        .await?;
        self.wake.notify_waiters();
        Ok(counts)
    }

    /// Whether an endpoint has this version of a visit, or will have it without anybody's doing, or may have it: the same
    /// content, and not unsigned where this one is signed. What was refused there is not known: it comes again because
    /// somebody put it right.
    fn is_known(&self, endpoint: &EndpointId, row: &RecordRow, within: Option<&RecordRow>) -> Result<bool, Error> {
        let same = |content: [u8; 16], signed: bool| content == row.content && (signed || !row.signed);
        if let Some(before) = within {
            return Ok(same(before.content, before.signed));
        }
        let live = {
            let live = self.lock_live();
            live.of_visit(endpoint, &row.visit)
                .next_back()
                .map(|(order, record, state)| {
                    let stands = match state {
                        Short::Waiting { .. } | Short::Sending { .. } | Short::Delivered { .. } => true,
                        Short::Parked { kind, .. } => *kind == ReasonKind::InDoubt,
                        Short::Superseded { .. } => false,
                    };
                    (order, stands && same(record.row.content, record.row.signed))
                })
        };
        let ended = self.history.newest(endpoint, &row.visit)?;
        let ended = ended.map(|newest| (newest.order, newest.delivered && same(newest.content, newest.signed)));
        // What is sent once more is in both: where it stands now counts.
        let newest = ended.into_iter().chain(live).max_by_key(|(order, _)| *order);
        Ok(newest.is_some_and(|(_, known)| known))
    }

    /// Deliveries of older versions that a newer one takes the place of: all but what is on its way.
    fn overtaken(&self, endpoint: &EndpointId, visit: &[u8; 16]) -> Vec<DeliveryId> {
        let (live, busy) = (self.lock_live(), self.lock_busy());
        live.of_visit(endpoint, visit)
            .filter(|(_, _, state)| !state.is_final() && !matches!(state, Short::Sending { .. }))
            .map(|(_, record, _)| DeliveryId {
                record: record.row.record,
                endpoint: endpoint.clone(),
            })
            .filter(|id| !busy.contains(id))
            .collect()
    }

    /// The newest version of the delivery's visit at its endpoint, where that is another record.
    fn newer(&self, id: &DeliveryId) -> Result<Option<RecordId>, Error> {
        let Some(row) = self.delivery(id)? else {
            return Ok(None);
        };
        let newest = self.newest(&id.endpoint, &row.visit)?;
        Ok(newest.filter(|(order, _)| *order > row.order).map(|(_, record)| record))
    }

    /// The newest version of a visit at an endpoint, and its place in the order of acceptance.
    fn newest(&self, endpoint: &EndpointId, visit: &[u8; 16]) -> Result<Option<(u64, RecordId)>, Error> {
        let live = {
            let live = self.lock_live();
            let newest = live.of_visit(endpoint, visit).next_back();
            newest.map(|(order, record, _)| (order, record.row.record))
        };
        let ended = self.history.newest(endpoint, visit)?;
        Ok(live.max(ended.map(|newest| (newest.order, newest.record))))
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
        for (id, row) in self.open_at(endpoint) {
            if !matches!(row.state, State::Sending { .. }) {
                continue;
            }
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
        for (id, row) in self.open_at(endpoint) {
            let State::Waiting {
                attempt: 0, not_before, ..
            } = row.state
            else {
                continue;
            };
            let wanted = window(row.accepted_at);
            if wanted != not_before {
                entries.push(step(&id, now, &State::new(wanted)));
            }
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

    /// Something of an export did not read: it is to be mended.
    pub fn hurt(&self, export: ExportId) {
        self.hurt
            .lock()
            .expect("nothing panics while holding it")
            .insert(export);
        self.hurt_bell.notify_one();
    }

    /// What is to be mended.
    pub fn take_hurt(&self) -> BTreeSet<ExportId> {
        std::mem::take(&mut self.hurt.lock().expect("nothing panics while holding it"))
    }

    /// The batch of an export was made anew. What was parked because it did not read is sent again; a record that the plugin
    /// makes otherwise now takes the place of the one it was.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn moved(&self, export: ExportId, rows: &[RecordRow], now: Timestamp) -> Result<(), Error> {
        let _one_at_a_time = self.steps.lock().await;
        let by_seq: HashMap<u32, &RecordRow> = rows.iter().map(|row| (row.seq, row)).collect();
        let mut moved = Vec::new();
        for old in self.live_rows(export) {
            if let Some(new) = by_seq.get(&old.seq) {
                moved.push((old.record, (*new).clone()));
            }
        }
        let entry = Entry::Moved {
            export,
            at: now,
            rows: moved,
            order: self.order.load(Ordering::Relaxed),
        };
        self.write(vec![entry], Sync::Now).await
    }

    /// Deliveries of an export that were parked because something did not read may be tried again.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn mended(&self, export: ExportId, now: Timestamp) -> Result<usize, Error> {
        let _one_at_a_time = self.steps.lock().await;
        let mut entries = Vec::new();
        for (id, row) in self.live_of(export) {
            if matches!(&row.state, State::Parked(reason) if reason.kind == ReasonKind::Damaged)
                && self.newer(&id)?.is_none()
            {
                entries.push(step(&id, now, &State::new(now)));
            }
        }
        let mended = entries.len();
        self.write(entries, Sync::Now).await?;
        self.wake.notify_waiters();
        Ok(mended)
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
    async fn snapshot_now(&self) -> Result<bool, Error> {
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
        let made = snapshot::make(top, &self.lock_live());
        drop(alone);
        // First what it relies on, then the snapshot itself.
        self.history.sync(&self.state)?;
        let size = made.write(&self.state, &self.keys).map_err(Error::Snapshot)?;
        *self.snapshot.lock().expect("nothing panics while holding it") = (end, size);
        Ok(true)
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
        // On a full disk nothing was written, and it may be tried again.
        if let Err(journal::Error::Full) = positions {
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
