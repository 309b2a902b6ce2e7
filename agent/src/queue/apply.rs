//! From the journal to memory and index: the same for what happens now and for what is read at start.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use vhr_core::delivery::State;
use vhr_core::id::{DeliveryId, EndpointId, ExportId, RecordId};
use vhr_core::time::Timestamp;

use super::history::{Ended, ExportRow, History, Newest, Opened, Trust};
use super::live::{Live, LiveDelivery, LiveExport, LiveRecord};
use super::rows::Short;
use super::snapshot;
use super::tally::Tallies;
use super::{Damage, Error, Queue};
use crate::journal::{self, Accepted, Entry, Placed, Position};
use crate::spool::RecordRow;

/// What a queue is opened with.
pub(super) struct Start {
    pub(super) live: Live,
    pub(super) tallies: Tallies,
    pub(super) order: u64,
    pub(super) resting: HashMap<ExportId, Timestamp>,
    pub(super) history: History,
    pub(super) damage: Damage,
    /// From where on the journal has to be read; none: all of it.
    pub(super) from: Option<Position>,
    /// Exports that the index knows from behind the snapshot: the journal has to tell them.
    pub(super) ahead: HashSet<ExportId>,
}

impl Start {
    /// The newest snapshot, and the index where it can be relied upon. Both are derived: where they do not do, they are built
    /// anew from the journal.
    pub(super) fn prepare(
        state: &Path,
        snapshot: Option<(snapshot::Top, Live)>,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let (history, opened) = History::open(state, trust, now);
        let mut start = Self {
            live: Live::default(),
            tallies: Tallies::default(),
            order: 0,
            resting: HashMap::new(),
            history,
            damage: Damage::default(),
            from: None,
            ahead: HashSet::new(),
        };
        match (opened, snapshot) {
            (Opened::AsLeft, Some((top, live))) => {
                // What the index was known to hold, is it still there? sled drops what lies behind a place that was hit.
                let counts = start.history.count()?;
                if [0, 1, 3].iter().any(|tree| counts[*tree] < top.history[*tree]) {
                    let why = "the index has lost rows";
                    tracing::warn!(why, "the index is built anew");
                    start.damage.index = Some(why.to_owned());
                    start.history.clear()?;
                    return Ok(start);
                }
                start.ahead = start.history.exports_from(top.end)?;
                start.from = Some(top.end);
                start.resting = top.resting.into_iter().collect();
                (start.live, start.tallies, start.order) = (live, top.tallies, top.order);
            }
            (Opened::AsLeft | Opened::New, _) => start.history.clear()?,
            (Opened::SetAside(why), _) => start.damage.index = Some(why),
            (Opened::InMemory(why), _) => {
                start.damage.in_memory = true;
                start.damage.index = Some(why);
            }
        }
        Ok(start)
    }
}

impl Queue {
    /// Reads what the journal tells beyond what is known. `ahead`: exports that the index knows already; one that the journal
    /// does not tell any more is forgotten there, so that its copy is taken in again.
    pub(super) fn catch_up(&self, from: Position, mut ahead: HashSet<ExportId>) -> Result<u64, Error> {
        let mut read = 0;
        for placed in self.journal.entries(from)? {
            let Placed { at, entry, .. } = match placed {
                Ok(placed) => placed,
                Err(e @ journal::Error::Damaged(_)) => {
                    tracing::warn!(why = crate::report::chain(&e), "a stretch of the journal does not read");
                    self.lock_damage().journal += 1;
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            read += 1;
            match &entry {
                Entry::Accepted(accepted) => drop(ahead.remove(&accepted.export)),
                Entry::Standing(standing) => drop(ahead.remove(&standing.export)),
                Entry::Step { delivery, state, .. }
                    if self.lock_live().delivery(delivery).is_none()
                        && self.history.ended(delivery.record)?.is_none() =>
                {
                    self.lock_unknown().insert(delivery.clone(), (state.clone(), at));
                }
                _ => {}
            }
            self.apply(at, &entry)?;
        }
        for export in ahead {
            tracing::warn!(
                export = export.short(),
                "the journal does not tell it any more; it is taken in again"
            );
            self.history.remove_export(export)?;
            self.history.forget_seen(export)?;
            self.lock_lost().insert(export);
        }
        Ok(read)
    }

    /// One entry.
    pub(super) fn apply(&self, position: Position, entry: &Entry) -> Result<(), Error> {
        match entry {
            Entry::Accepted(accepted) => self.apply_accepted(position, accepted),
            Entry::Step {
                delivery, state, at, ..
            } => self.apply_step(position, delivery, state, *at),
            Entry::Standing(standing) => self.apply_standing(position, standing),
            Entry::Closed { export, seqs, .. } => self.apply_closed(position, *export, seqs),
            Entry::Moved { at, rows, order, .. } => {
                self.order.fetch_max(order + rows.len() as u64, Ordering::Relaxed);
                let mut rows = (*order..).zip(rows);
                rows.try_for_each(|(order, (old, row))| self.apply_moved(position, *old, row, order, *at))
            }
            Entry::Retired { .. } | Entry::Outage(_) => Ok(()),
        }
    }

    fn apply_accepted(&self, position: Position, accepted: &Accepted) -> Result<(), Error> {
        let last = accepted.order + accepted.records.len() as u64;
        self.order.fetch_max(last, Ordering::Relaxed);
        {
            let mut live = self.lock_live();
            let mut tallies = self.lock_tallies();
            let export = Arc::new(LiveExport {
                id: accepted.export,
                at: accepted.at,
            });
            let mut records: HashMap<u32, Vec<LiveDelivery>> = HashMap::new();
            for first in &accepted.deliveries {
                let endpoint = live.endpoint(&first.endpoint);
                for seq in &first.seqs {
                    let state = Short::from(&first.state);
                    tallies.step(&first.endpoint, None, &state);
                    records.entry(*seq).or_default().push(LiveDelivery {
                        endpoint,
                        state,
                        position,
                    });
                }
            }
            for (order, row) in (accepted.order..).zip(&accepted.records) {
                let Some(deliveries) = records.remove(&row.seq) else {
                    continue;
                };
                // The same record from another file: one of them is enough, and the first knows more.
                if live.order(row.record).is_some() {
                    continue;
                }
                let record = LiveRecord {
                    export: Arc::clone(&export),
                    row: row.clone(),
                    deliveries,
                };
                live.insert(order, record);
            }
            let mut resting = self.lock_resting();
            if live.has_export(accepted.export) {
                resting.remove(&accepted.export);
            } else {
                resting.insert(accepted.export, accepted.at);
            }
            tallies.export(&accepted.source, accepted.at, &accepted.counts);
        }
        let row = ExportRow {
            source: accepted.source.clone(),
            at: accepted.at,
            plugin: accepted.plugin.clone(),
            counts: accepted.counts,
            closed: std::collections::BTreeMap::new(),
            position,
            released: None,
            moved: Vec::new(),
        };
        self.history.put_export(accepted.export, &row)?;
        for (id, by) in &accepted.superseded {
            self.apply_step(position, id, &State::Superseded { by: *by }, accepted.at)?;
        }
        Ok(())
    }

    fn apply_moved(
        &self,
        position: Position,
        old: RecordId,
        row: &RecordRow,
        order: u64,
        at: Timestamp,
    ) -> Result<(), Error> {
        let superseded = {
            let mut live = self.lock_live();
            if old == row.record {
                live.moved(row);
                return Ok(());
            }
            let Some(record) = live.record(old) else { return Ok(()) };
            let export = Arc::clone(&record.export);
            let id = export.id;
            let open = record.deliveries.iter().filter(|delivery| !delivery.state.is_final());
            let first = |old: &LiveDelivery| {
                if old.state.stays_when_made_anew() {
                    return old.clone();
                }
                LiveDelivery {
                    endpoint: old.endpoint,
                    state: Short::from(&State::new(at)),
                    position,
                }
            };
            let deliveries: Vec<LiveDelivery> = open.map(first).collect();
            let names = deliveries.iter().map(|delivery| live.name(delivery.endpoint).clone());
            let names: Vec<EndpointId> = names.collect();
            for (endpoint, delivery) in names.iter().zip(&deliveries) {
                self.lock_tallies().step(endpoint, None, &delivery.state);
            }
            let record = LiveRecord {
                export,
                row: row.clone(),
                deliveries,
            };
            live.insert(order, record);
            (id, names)
        };
        let (export, superseded) = superseded;
        if let Some(mut known) = self.history.export(export)?
            && !known.moved.contains(&row.record)
        {
            known.moved.push(row.record);
            self.history.put_export(export, &known)?;
        }
        for endpoint in superseded {
            let id = DeliveryId { record: old, endpoint };
            self.apply_step(position, &id, &State::Superseded { by: row.record }, at)?;
        }
        Ok(())
    }

    fn apply_closed(&self, position: Position, export: ExportId, seqs: &[u32]) -> Result<(), Error> {
        let Some(mut row) = self.history.export(export)? else {
            return Ok(());
        };
        let before = row.closed.len();
        row.closed.extend(seqs.iter().map(|seq| (*seq, position)));
        self.history.put_export(export, &row)?;
        // Read again after a stop, it may be in the index and not yet in the sums.
        let more = if before == row.closed.len() {
            seqs.len()
        } else {
            row.closed.len() - before
        };
        self.lock_tallies().closed(&row.source, more as u64);
        Ok(())
    }

    fn apply_step(&self, position: Position, id: &DeliveryId, state: &State, at: Timestamp) -> Result<(), Error> {
        let short = Short::from(state);
        if !short.is_final() {
            self.bring_back(position, id.record)?;
        }
        let ended = {
            let mut live = self.lock_live();
            let Some(stepped) = live.step(id, short.clone(), position) else {
                return Ok(());
            };
            self.lock_tallies().step(&id.endpoint, Some(&stepped.old), &short);
            stepped.ended.map(|(order, record)| {
                if !live.has_export(record.export.id) {
                    self.lock_resting().insert(record.export.id, at);
                }
                ended(&live, order, *record)
            })
        };
        ended.map_or(Ok(()), |ended| self.put_ended(ended))
    }

    /// A person has something sent once more: its record is in memory again, as it stood at that place of the journal. Its row
    /// in the index stays: read again from an earlier snapshot, this is done again.
    fn bring_back(&self, position: Position, record: RecordId) -> Result<(), Error> {
        if self.lock_live().order(record).is_some() {
            return Ok(());
        }
        let Some(ended) = self.history.ended(record)? else {
            return Ok(());
        };
        let mut live = self.lock_live();
        let sibling = live.iter().find(|(_, other)| other.export.id == ended.export);
        let export = sibling.map(|(_, other)| Arc::clone(&other.export));
        let deliveries = ended.standing(Some(position)).into_iter();
        let record = LiveRecord {
            export: export.unwrap_or_else(|| {
                Arc::new(LiveExport {
                    id: ended.export,
                    at: ended.at,
                })
            }),
            deliveries: deliveries
                .map(|(endpoint, state, position)| LiveDelivery {
                    endpoint: live.endpoint(&endpoint),
                    state,
                    position,
                })
                .collect(),
            row: ended.row,
        };
        live.insert(ended.order, record);
        self.lock_resting().remove(&ended.export);
        self.came_back.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// A record came to its end at all its endpoints: it moves from memory to the index.
    pub(super) fn put_ended(&self, ended: Ended) -> Result<(), Error> {
        self.put_newest(&ended)?;
        Ok(self.history.put_ended(ended)?)
    }

    /// Remembers which version of its visit it is, and what it said.
    pub(super) fn put_newest(&self, ended: &Ended) -> Result<(), Error> {
        let newest = ended.deliveries.iter().map(|(endpoint, state, _)| Newest {
            endpoint: endpoint.clone(),
            order: ended.order,
            record: ended.row.record,
            content: ended.row.content,
            written: ended.row.written,
            signed: ended.row.signed,
            delivered: matches!(state, Short::Delivered { .. }),
        });
        self.history.put_newest(&ended.row.visit, newest)?;
        Ok(self.history.put_claimed(ended)?)
    }

    /// What the journal told of a delivery before its export was known: its export's entry was damaged.
    pub(super) fn told_before(&self, record: RecordId) -> Vec<(DeliveryId, State)> {
        let unknown = self.lock_unknown();
        let found = unknown.iter().filter(|(id, _)| id.record == record);
        found.map(|(id, (state, _))| (id.clone(), state.clone())).collect()
    }
}

fn ended(live: &Live, order: u64, record: LiveRecord) -> Ended {
    let deliveries = record.deliveries.iter();
    Ended {
        export: record.export.id,
        at: record.export.at,
        order,
        deliveries: deliveries
            .map(|delivery| {
                (
                    live.name(delivery.endpoint).clone(),
                    delivery.state.clone(),
                    delivery.position,
                )
            })
            .collect(),
        row: record.row,
    }
}
