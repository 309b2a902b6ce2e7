//! The queue: what is due, what state each delivery is in, what was seen before.
//!
//! What stays true: a step is first written to the journal, then to the index; so the index may lag behind and is brought up
//! to date from the journal at each start, and it can be deleted at any time. One delivery takes one step at a time.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use tokio::sync::Notify;
use vhr_core::delivery::{InDoubt, ReasonKind, State};
use vhr_core::id::{DeliveryId, EndpointId, ExportId, PluginRef, RecordId};
use vhr_core::retry::{Failure, FailureKind, Outcome, RetryPolicy};
use vhr_core::time::Timestamp;

use crate::journal::{self, Accepted, Counts, Entry, First, Journal, Sync};
use crate::spool::{self, RecordRow, Spool};

mod apply;
mod index;
mod look;
mod rows;
mod tally;

use apply::Marks;
use index::Index;
pub use index::{DeliveryRow, ExportRow, RecordPlace};
use tally::Tallies;
pub use tally::{SourceCounts, SourceTally, Tally};

/// How many waiting deliveries are looked at to find the next that may go.
const LOOK_AHEAD: usize = 512;

/// Why the queue could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The index.
    #[error("the queue's index could not be used")]
    Index(#[from] index::Error),
    /// The journal.
    #[error("the step could not be written down")]
    Journal(#[from] journal::Error),
    /// The spool.
    #[error("the queue could not read the spool")]
    Spool(#[from] spool::Error),
    /// No such delivery.
    #[error("there is no delivery {0}")]
    Unknown(DeliveryId),
    /// The step is not possible from where it stands.
    #[error("delivery {0} did not take the step")]
    Step(DeliveryId, #[source] vhr_core::delivery::IllegalStep),
    /// A newer version of the visit goes to that endpoint, or has gone.
    #[error("delivery {0} is of an older version of its visit; a newer one goes there, or has gone")]
    Newer(DeliveryId),
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
    index: Index,
    journal: Journal,
    spool: Spool,
    /// Held while a step is chosen and written: accept, take, and what people ask for.
    steps: tokio::sync::Mutex<()>,
    /// Being sent now; nobody else may touch them.
    busy: Mutex<HashSet<DeliveryId>>,
    tallies: Mutex<Tallies>,
    marks: Mutex<Marks>,
    order: AtomicU64,
    rebuilt: Option<Timestamp>,
    /// Rings when something may have come due.
    pub wake: Notify,
}

impl Queue {
    /// Opens the queue of the state folder; brings the index up to date with the journal, or builds it anew.
    ///
    /// # Errors
    /// When the journal or the spool cannot be read, or another process has the queue open.
    pub fn open(state: &Path, journal: Journal, spool: Spool, now: Timestamp) -> Result<Self, Error> {
        let (index, empty) = Index::open(state, now)?;
        let mut queue = Self {
            index,
            journal,
            spool,
            steps: tokio::sync::Mutex::new(()),
            busy: Mutex::default(),
            tallies: Mutex::default(),
            marks: Mutex::default(),
            order: AtomicU64::new(0),
            rebuilt: None,
            wake: Notify::new(),
        };
        queue.count()?;
        queue.catch_up(empty)?;
        // An empty index over an empty journal is a first start, not a rebuilding.
        if empty && queue.lock_marks().applied.is_some() {
            queue.rebuilt = Some(now);
        }
        Ok(queue)
    }

    /// When the index was built anew at this start.
    pub fn rebuilt(&self) -> Option<Timestamp> {
        self.rebuilt
    }

    /// What was in an export with this content, if it was accepted before.
    ///
    /// # Errors
    /// When the index fails.
    pub fn counts(&self, export: ExportId) -> Result<Option<Counts>, Error> {
        Ok(self.index.export(export)?.map(|row| row.counts))
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
                superseded.extend(
                    self.overtaken(&destination.endpoint, &row.visit)?
                        .map(|id| (id, row.record)),
                );
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
        let accepted = Accepted {
            export,
            at: now,
            source: source.to_owned(),
            plugin,
            counts,
            deliveries,
            superseded,
        };
        let ticket = self.begin();
        let positions = self
            .journal
            .append(vec![Entry::Accepted(accepted.clone())], Sync::Now)
            .await?;
        self.apply_accepted(positions[0], &accepted, &batch.mapped)?;
        self.end(ticket, positions[0])?;
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
        let Some(latest) = self
            .index
            .latest(endpoint, &row.visit)?
            .filter(|l| same(l.content, l.signed))
        else {
            return Ok(false);
        };
        let id = DeliveryId {
            record: latest.record,
            endpoint: endpoint.clone(),
        };
        Ok(self.index.delivery(&id)?.is_some_and(|row| match row.state {
            State::Waiting { .. } | State::Sending { .. } | State::Delivered(_) => true,
            State::Parked(reason) => reason.kind == ReasonKind::InDoubt,
            State::Superseded { .. } => false,
        }))
    }

    /// Deliveries of older versions that a newer one takes the place of: all but what is on its way.
    fn overtaken(&self, endpoint: &EndpointId, visit: &[u8; 16]) -> Result<impl Iterator<Item = DeliveryId>, Error> {
        let mut overtaken = Vec::new();
        for record in self.index.open_for(endpoint, visit) {
            let id = DeliveryId {
                record: record?,
                endpoint: endpoint.clone(),
            };
            let sending = self
                .index
                .delivery(&id)?
                .is_none_or(|row| matches!(row.state, State::Sending { .. }));
            if !sending && !self.lock_busy().contains(&id) {
                overtaken.push(id);
            }
        }
        Ok(overtaken.into_iter())
    }

    /// Of a visit's versions that are waiting or on their way to an endpoint, the oldest.
    fn oldest_moving(&self, endpoint: &EndpointId, visit: &[u8; 16]) -> Result<Option<RecordId>, Error> {
        for record in self.index.open_for(endpoint, visit) {
            let record = record?;
            let row = self.index.delivery(&DeliveryId {
                record,
                endpoint: endpoint.clone(),
            })?;
            if row.is_some_and(|row| matches!(row.state, State::Waiting { .. } | State::Sending { .. })) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The newest version of the delivery's visit at its endpoint, where that is another record.
    fn newer(&self, id: &DeliveryId) -> Result<Option<RecordId>, Error> {
        let Some(row) = self.index.delivery(id)? else {
            return Ok(None);
        };
        let latest = self.index.latest(&id.endpoint, &row.visit)?;
        Ok(latest.map(|latest| latest.record).filter(|newest| *newest != id.record))
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
        let mut taken = Vec::new();
        for item in self.index.due(endpoint).take(LOOK_AHEAD) {
            let (not_before, record) = item?;
            if (not_before > now && at_once.is_none()) || taken.len() >= want {
                break;
            }
            let id = DeliveryId {
                record,
                endpoint: endpoint.clone(),
            };
            let (Some(row), Some(place)) = (self.index.delivery(&id)?, self.index.record(record)?) else {
                continue;
            };
            let State::Waiting { last, .. } = &row.state else {
                continue;
            };
            let tried_since = at_once.is_some_and(|began| last.as_ref().is_some_and(|last| last.at >= began));
            // A newer version never overtakes an older one that is still on its way.
            let oldest = self.oldest_moving(endpoint, &row.visit)?;
            if (not_before > now && tried_since)
                || oldest != Some(record)
                || self.lock_busy().contains(&id)
                || !may_go(&place)
            {
                continue;
            }
            let state = row.state.start(now).map_err(|e| Error::Step(id.clone(), e))?;
            self.lock_busy().insert(id.clone());
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

    /// Writes down how an attempt ended. Synced when this returns.
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
        self.lock_busy().remove(id);
        written
    }

    /// A person's step (retry, drop) on a delivery that nobody else is working on.
    ///
    /// # Errors
    /// When there is no such delivery, it is on its way, or the step is not possible.
    pub async fn ask(
        &self,
        id: &DeliveryId,
        now: Timestamp,
        next: impl FnOnce(&State) -> Result<State, vhr_core::delivery::IllegalStep>,
    ) -> Result<State, Error> {
        let _one_at_a_time = self.steps.lock().await;
        if self.lock_busy().contains(id) {
            return Err(Error::Busy(id.clone()));
        }
        let row = self.index.delivery(id)?.ok_or_else(|| Error::Unknown(id.clone()))?;
        let state = next(&row.state).map_err(|e| Error::Step(id.clone(), e))?;
        if matches!(state, State::Waiting { .. }) && self.newer(id)?.is_some() {
            return Err(Error::Newer(id.clone()));
        }
        self.write_step(id, &state, Sync::Now, now).await?;
        self.wake.notify_waiters();
        Ok(state)
    }

    /// Writes down that a person has dealt with records of an export that were set aside or refused.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn close(&self, export: ExportId, seqs: Vec<u32>, reason: String, now: Timestamp) -> Result<(), Error> {
        let _one_at_a_time = self.steps.lock().await;
        let ticket = self.begin();
        let entry = Entry::Closed {
            export,
            seqs: seqs.clone(),
            at: now,
            reason,
        };
        let positions = self.journal.append(vec![entry], Sync::Now).await?;
        self.apply_closed(positions[0], export, &seqs)?;
        self.end(ticket, positions[0])
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
        let mut recovered = 0;
        for record in self.index.open_at(endpoint) {
            let id = DeliveryId {
                record: record?,
                endpoint: endpoint.clone(),
            };
            let Some(row) = self.index.delivery(&id)? else { continue };
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
            self.write_step(&id, &state, Sync::Now, now).await?;
            recovered += 1;
        }
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
        if self.index.text(&name)?.as_deref() == Some(schedule) {
            return Ok(0);
        }
        let mut moved = 0;
        for record in self.index.open_at(endpoint) {
            let id = DeliveryId {
                record: record?,
                endpoint: endpoint.clone(),
            };
            let Some(row) = self.index.delivery(&id)? else { continue };
            let State::Waiting {
                attempt: 0, not_before, ..
            } = row.state
            else {
                continue;
            };
            let wanted = window(row.accepted_at);
            if wanted != not_before {
                self.write_step(&id, &State::new(wanted), Sync::Now, now).await?;
                moved += 1;
            }
        }
        self.index.set_text(&name, schedule)?;
        Ok(moved)
    }

    /// Size, time and export last seen under a path (by its keyed digest).
    ///
    /// # Errors
    /// When the index fails.
    pub fn seen(&self, path: &[u8; 16]) -> Result<Option<(u64, i64, ExportId)>, Error> {
        Ok(self.index.seen(path)?)
    }

    /// Remembers what was seen under a path.
    ///
    /// # Errors
    /// When the index fails.
    pub fn set_seen(&self, path: &[u8; 16], seen: (u64, i64, ExportId)) -> Result<(), Error> {
        Ok(self.index.set_seen(path, seen)?)
    }

    /// Writes down that the source file of an export was archived or deleted.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn retired(&self, export: ExportId, now: Timestamp) -> Result<(), Error> {
        self.journal
            .append(vec![Entry::Retired { export, at: now }], Sync::Later)
            .await?;
        Ok(())
    }

    /// Lets the index reach the disk, so that the next start has little to catch up with.
    ///
    /// # Errors
    /// When the index fails.
    pub fn flush(&self) -> Result<(), Error> {
        Ok(self.index.flush()?)
    }

    async fn write_step(&self, id: &DeliveryId, state: &State, sync: Sync, now: Timestamp) -> Result<(), Error> {
        let ticket = self.begin();
        let positions = self.journal.append(vec![step(id, now, state)], sync).await?;
        self.apply_step(positions[0], id, state)?;
        self.end(ticket, positions[0])
    }

    fn lock_busy(&self) -> std::sync::MutexGuard<'_, HashSet<DeliveryId>> {
        self.busy.lock().expect("nothing panics while holding it")
    }

    fn lock_tallies(&self) -> std::sync::MutexGuard<'_, Tallies> {
        self.tallies.lock().expect("nothing panics while holding it")
    }

    fn lock_marks(&self) -> std::sync::MutexGuard<'_, Marks> {
        self.marks.lock().expect("nothing panics while holding it")
    }
}

fn step(id: &DeliveryId, at: Timestamp, state: &State) -> Entry {
    Entry::Step {
        delivery: id.clone(),
        at,
        state: state.clone(),
    }
}

#[cfg(test)]
mod tests;
