//! The queue: what is due, what state each delivery is in, what was seen before.
//!
//! What stays true: a step is first written to the journal, then to the index; so the index may lag behind and is brought up
//! to date from the journal at each start, and it can be deleted at any time. One delivery takes one step at a time.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;
use vhr_core::delivery::{InDoubt, Reason, State};
use vhr_core::id::{DeliveryId, EndpointId, ExportId, PluginRef, RecordId};
use vhr_core::retry::{Failure, FailureKind, Outcome, RetryPolicy};
use vhr_core::time::Timestamp;

use crate::journal::{self, Accepted, Counts, Entry, First, Journal, Position, Sync};
use crate::spool::{self, RecordRow, Spool};

mod index;

pub use index::{DeliveryRow, ExportRow, RecordPlace};
use index::{Index, VisitRow};

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
    /// It is being sent at this moment.
    #[error("delivery {0} is being sent at this moment; try again when it is done")]
    Busy(DeliveryId),
}

/// How many deliveries of an endpoint stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// To be sent.
    pub waiting: u64,
    /// On their way.
    pub sending: u64,
    /// Arrived.
    pub delivered: u64,
    /// Waiting for a person.
    pub parked: u64,
    /// Given up by a person.
    pub dropped: u64,
    /// Overtaken by a newer version.
    pub superseded: u64,
}

/// What came of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceTally {
    /// Files accepted.
    pub accepted: u64,
    /// The sums over them.
    pub counts: SourceCounts,
    /// The newest.
    pub last: Option<Timestamp>,
}

/// Sums of [`Counts`] over the files of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of Counts")]
pub struct SourceCounts {
    pub found: u64,
    pub mapped: u64,
    pub refused: u64,
    pub set_aside: u64,
    pub known: u64,
    pub files_set_aside: u64,
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
    tallies: Mutex<(BTreeMap<EndpointId, Tally>, BTreeMap<String, SourceTally>)>,
    marks: Mutex<Marks>,
    order: AtomicU64,
    rebuilt: Option<Timestamp>,
    /// Rings when something may have come due.
    pub wake: Notify,
}

/// Finds up to where the journal is applied for certain, while steps are written side by side.
#[derive(Debug, Default)]
struct Marks {
    next: u64,
    /// For each step under way: what was applied when it began; its own entry lies behind that.
    under_way: BTreeMap<u64, Option<Position>>,
    applied: Option<Position>,
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

    /// Whether the visit is known with exactly this content as its newest version.
    ///
    /// # Errors
    /// When the index fails.
    pub fn knows_content(&self, row: &RecordRow) -> Result<bool, Error> {
        Ok(self
            .index
            .visit(&row.visit)?
            .is_some_and(|known| known.content == row.content))
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
        let mut newest: BTreeMap<[u8; 16], [u8; 16]> = BTreeMap::new();
        let mut fresh = Vec::with_capacity(batch.mapped.len());
        for row in &batch.mapped {
            let known = match newest.get(&row.visit) {
                Some(content) => *content == row.content,
                None => self.knows_content(row)?,
            };
            newest.insert(row.visit, row.content);
            fresh.push(!known);
        }
        let (mut deliveries, mut superseded) = (Vec::new(), Vec::new());
        for destination in destinations {
            let mut firsts: Vec<First> = Vec::new();
            for ((row, first), fresh) in batch.mapped.iter().zip(&destination.first).zip(&fresh) {
                let (Some(state), true) = (first, fresh) else { continue };
                for older in self.index.open_for(&destination.endpoint, &row.visit) {
                    let id = DeliveryId {
                        record: older?,
                        endpoint: destination.endpoint.clone(),
                    };
                    let waiting = self
                        .index
                        .delivery(&id)?
                        .is_some_and(|row| matches!(row.state, State::Waiting { .. }));
                    if waiting && !self.lock_busy().contains(&id) {
                        superseded.push((id, row.record));
                    }
                }
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
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let counts = Counts {
            found: batch.found,
            mapped: count(batch.mapped.len()),
            refused: count(batch.refused.len()),
            set_aside: count(batch.set_aside.len()),
            known: count(fresh.iter().filter(|fresh| !**fresh).count()),
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
            let oldest = self.index.open_for(endpoint, &row.visit).next().transpose()?;
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
        self.write_step(id, &state, Sync::Now, now).await?;
        self.wake.notify_waiters();
        Ok(state)
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

    /// When the first waiting delivery of an endpoint comes due.
    ///
    /// # Errors
    /// When the index fails.
    pub fn next_due(&self, endpoint: &EndpointId) -> Result<Option<Timestamp>, Error> {
        Ok(self.index.due(endpoint).next().transpose()?.map(|(when, _)| when))
    }

    /// How many deliveries of an endpoint stand where.
    pub fn tally(&self, endpoint: &EndpointId) -> Tally {
        self.lock_tallies().0.get(endpoint).copied().unwrap_or_default()
    }

    /// Endpoints that have deliveries, configured or not.
    pub fn endpoints(&self) -> Vec<EndpointId> {
        self.lock_tallies().0.keys().cloned().collect()
    }

    /// What came of a source.
    pub fn source_tally(&self, source: &str) -> SourceTally {
        self.lock_tallies().1.get(source).copied().unwrap_or_default()
    }

    /// When the oldest waiting delivery of an endpoint was accepted, among the first that come due.
    ///
    /// # Errors
    /// When the index fails.
    pub fn oldest_waiting(&self, endpoint: &EndpointId) -> Result<Option<Timestamp>, Error> {
        let mut oldest = None;
        for item in self.index.due(endpoint).take(10_000) {
            let id = DeliveryId {
                record: item?.1,
                endpoint: endpoint.clone(),
            };
            let accepted = self.index.delivery(&id)?.map(|row| row.accepted_at);
            oldest = [oldest, accepted].into_iter().flatten().min();
        }
        Ok(oldest)
    }

    /// All deliveries, for lists.
    pub fn deliveries(&self) -> impl Iterator<Item = Result<(DeliveryId, DeliveryRow), Error>> + use<> {
        self.index.deliveries().map(|item| Ok(item?))
    }

    /// All accepted exports, for lists.
    pub fn exports(&self) -> impl Iterator<Item = Result<(ExportId, ExportRow), Error>> + use<> {
        self.index.exports().map(|item| Ok(item?))
    }

    /// Where a record lies.
    ///
    /// # Errors
    /// When the index fails.
    pub fn place(&self, record: RecordId) -> Result<Option<RecordPlace>, Error> {
        Ok(self.index.record(record)?)
    }

    /// One delivery's row.
    ///
    /// # Errors
    /// When the index fails.
    pub fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryRow>, Error> {
        Ok(self.index.delivery(id)?)
    }

    /// A state with its texts, from the journal; as in the index where the journal does not tell.
    pub fn full_state(&self, id: &DeliveryId, row: &DeliveryRow) -> State {
        match self.journal.read(row.position) {
            Ok(Entry::Step { delivery, state, .. }) if delivery == *id => state,
            Ok(Entry::Accepted(accepted)) => {
                let same = |first: &&First| first.endpoint == id.endpoint && bare(&first.state) == row.state;
                accepted
                    .deliveries
                    .iter()
                    .find(same)
                    .map_or_else(|| row.state.clone(), |first| first.state.clone())
            }
            _ => row.state.clone(),
        }
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

    // --- from the journal to the index: the same for what happens now and for what is read at start ---

    fn catch_up(&self, from_scratch: bool) -> Result<(), Error> {
        let start = Position { segment: 0, offset: 0 };
        let from = if from_scratch {
            start
        } else {
            self.index.applied()?.unwrap_or(start)
        };
        for entry in self.journal.entries(from)? {
            let (position, _, entry) = match entry {
                Ok(read) => read,
                Err(e @ journal::Error::Damaged(_)) => {
                    tracing::warn!(why = crate::report::chain(&e), "an entry of the journal does not read");
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            match &entry {
                Entry::Accepted(accepted) => {
                    match self.spool.batch(accepted.export).and_then(|mut batch| batch.index()) {
                        Ok(batch) => self.apply_accepted(position, accepted, &batch.mapped)?,
                        Err(e) => tracing::error!(
                            export = accepted.export.short(),
                            why = crate::report::chain(&e),
                            "the batch of an accepted export does not read"
                        ),
                    }
                }
                Entry::Step { delivery, state, .. } => self.apply_step(position, delivery, state)?,
                Entry::Retired { .. } => {}
            }
            self.lock_marks().applied = Some(position);
        }
        let applied = self.lock_marks().applied;
        if let Some(applied) = applied {
            self.index.set_applied(applied)?;
        }
        Ok(())
    }

    fn apply_accepted(&self, position: Position, accepted: &Accepted, rows: &[RecordRow]) -> Result<(), Error> {
        let known = self.index.export(accepted.export)?.is_some();
        for row in rows {
            self.index.put_visit(&row.visit, &VisitRow { content: row.content })?;
        }
        let by_seq: BTreeMap<u32, &RecordRow> = rows.iter().map(|row| (row.seq, row)).collect();
        for first in &accepted.deliveries {
            for row in first.seqs.iter().filter_map(|seq| by_seq.get(seq)) {
                self.index.put_record(&RecordPlace {
                    export: accepted.export,
                    row: (*row).clone(),
                })?;
                let id = DeliveryId {
                    record: row.record,
                    endpoint: first.endpoint.clone(),
                };
                let old = self.index.delivery(&id)?;
                let new = DeliveryRow {
                    state: bare(&first.state),
                    order: old
                        .as_ref()
                        .map_or_else(|| self.order.fetch_add(1, Ordering::Relaxed), |old| old.order),
                    accepted_at: accepted.at,
                    visit: row.visit,
                    position,
                };
                self.put(&id, old.as_ref(), &new)?;
            }
        }
        for (id, by) in &accepted.superseded {
            self.apply_step(position, id, &State::Superseded { by: *by })?;
        }
        let row = ExportRow {
            source: accepted.source.clone(),
            at: accepted.at,
            plugin: accepted.plugin.clone(),
            counts: accepted.counts,
        };
        self.index.put_export(accepted.export, &row)?;
        if !known {
            self.count_export(&row);
        }
        Ok(())
    }

    fn apply_step(&self, position: Position, id: &DeliveryId, state: &State) -> Result<(), Error> {
        let Some(old) = self.index.delivery(id)? else {
            return Ok(());
        };
        let new = DeliveryRow {
            state: bare(state),
            position,
            ..old.clone()
        };
        self.put(id, Some(&old), &new)
    }

    fn put(&self, id: &DeliveryId, old: Option<&DeliveryRow>, new: &DeliveryRow) -> Result<(), Error> {
        self.index.put_delivery(id, old, new)?;
        let mut tallies = self.lock_tallies();
        let tally = tallies.0.entry(id.endpoint.clone()).or_default();
        if let Some(old) = old {
            let place = tally.of(&old.state);
            *place = place.saturating_sub(1);
        }
        *tally.of(&new.state) += 1;
        Ok(())
    }

    fn count(&mut self) -> Result<(), Error> {
        let mut order = 0;
        for item in self.index.deliveries() {
            let (id, row) = item?;
            order = order.max(row.order + 1);
            *self.lock_tallies().0.entry(id.endpoint).or_default().of(&row.state) += 1;
        }
        self.order = AtomicU64::new(order);
        for item in self.index.exports() {
            self.count_export(&item?.1);
        }
        Ok(())
    }

    fn count_export(&self, row: &ExportRow) {
        let mut tallies = self.lock_tallies();
        let tally = tallies.1.entry(row.source.clone()).or_default();
        tally.accepted += 1;
        tally.last = tally.last.max(Some(row.at));
        let (sum, counts) = (&mut tally.counts, &row.counts);
        sum.found += u64::from(counts.found);
        sum.mapped += u64::from(counts.mapped);
        sum.refused += u64::from(counts.refused);
        sum.set_aside += u64::from(counts.set_aside);
        sum.known += u64::from(counts.known);
        sum.files_set_aside += u64::from(counts.files_set_aside);
    }

    fn begin(&self) -> u64 {
        let mut marks = self.lock_marks();
        let ticket = marks.next;
        marks.next += 1;
        let applied = marks.applied;
        marks.under_way.insert(ticket, applied);
        ticket
    }

    fn end(&self, ticket: u64, position: Position) -> Result<(), Error> {
        let certain = {
            let mut marks = self.lock_marks();
            marks.under_way.remove(&ticket);
            marks.applied = marks.applied.max(Some(position));
            marks.under_way.values().min().copied().unwrap_or(marks.applied)
        };
        Ok(certain.map_or(Ok(()), |certain| self.index.set_applied(certain))?)
    }

    fn lock_busy(&self) -> std::sync::MutexGuard<'_, HashSet<DeliveryId>> {
        self.busy.lock().expect("nothing panics while holding it")
    }

    fn lock_tallies(&self) -> std::sync::MutexGuard<'_, (BTreeMap<EndpointId, Tally>, BTreeMap<String, SourceTally>)> {
        self.tallies.lock().expect("nothing panics while holding it")
    }

    fn lock_marks(&self) -> std::sync::MutexGuard<'_, Marks> {
        self.marks.lock().expect("nothing panics while holding it")
    }
}

impl Tally {
    fn of(&mut self, state: &State) -> &mut u64 {
        match state {
            State::Waiting { .. } => &mut self.waiting,
            State::Sending { .. } => &mut self.sending,
            State::Delivered(_) => &mut self.delivered,
            State::Superseded { .. } => &mut self.superseded,
            State::Parked(reason) if reason.kind.needs_a_person() => &mut self.parked,
            State::Parked(_) => &mut self.dropped,
        }
    }
}

fn step(id: &DeliveryId, at: Timestamp, state: &State) -> Entry {
    Entry::Step {
        delivery: id.clone(),
        at,
        state: state.clone(),
    }
}

/// A state without its texts, which may hold an endpoint's words about a patient: those stay in the journal.
fn bare(state: &State) -> State {
    match state {
        State::Waiting {
            attempt,
            not_before,
            last,
        } => State::Waiting {
            attempt: *attempt,
            not_before: *not_before,
            last: last.as_ref().map(|failure| Failure {
                text: String::new(),
                ..failure.clone()
            }),
        },
        State::Parked(reason) => State::Parked(Reason {
            text: String::new(),
            ..reason.clone()
        }),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
