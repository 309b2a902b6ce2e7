//! From the journal to the index: the same for what happens now and for what is read at start.
//!
//! What stays true: applying an entry twice, in order, changes nothing; so it is enough to know a place in the journal before
//! which everything is applied for certain, and to apply the rest again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use vhr_core::delivery::State;
use vhr_core::id::{DeliveryId, ExportId};

use super::index::{DeliveryRow, ExportRow, Latest, RecordPlace};
use super::{Error, Queue};
use crate::journal::{self, Accepted, Entry, Position};
use crate::spool::RecordRow;

/// Finds up to where the journal is applied for certain, while steps are written side by side.
#[derive(Debug, Default)]
pub(super) struct Marks {
    next: u64,
    /// For each step under way: what was applied when it began; its own entry lies behind that.
    under_way: BTreeMap<u64, Option<Position>>,
    pub(super) applied: Option<Position>,
}

impl Queue {
    pub(super) fn catch_up(&self, from_scratch: bool) -> Result<(), Error> {
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
                Entry::Closed { export, seqs, .. } => self.apply_closed(position, *export, seqs)?,
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

    pub(super) fn apply_accepted(
        &self,
        position: Position,
        accepted: &Accepted,
        rows: &[RecordRow],
    ) -> Result<(), Error> {
        let known = self.index.export(accepted.export)?;
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
                    state: first.state.clone(),
                    order: old
                        .as_ref()
                        .map_or_else(|| self.order.fetch_add(1, Ordering::Relaxed), |old| old.order),
                    accepted_at: accepted.at,
                    visit: row.visit,
                    position,
                };
                self.put(&id, old.as_ref(), &new)?;
                let latest = Latest {
                    record: row.record,
                    content: row.content,
                    signed: row.signed,
                };
                self.index.put_latest(&first.endpoint, &row.visit, &latest)?;
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
            closed: known.as_ref().map(|row| row.closed.clone()).unwrap_or_default(),
        };
        self.index.put_export(accepted.export, &row)?;
        if known.is_none() {
            self.count_export(&row);
        }
        Ok(())
    }

    pub(super) fn apply_closed(&self, position: Position, export: ExportId, seqs: &[u32]) -> Result<(), Error> {
        let Some(mut row) = self.index.export(export)? else {
            return Ok(());
        };
        let before = row.closed.len();
        row.closed.extend(seqs.iter().map(|seq| (*seq, position)));
        self.index.put_export(export, &row)?;
        let mut tallies = self.lock_tallies();
        tallies.sources.entry(row.source).or_default().counts.closed += (row.closed.len() - before) as u64;
        Ok(())
    }

    pub(super) fn apply_step(&self, position: Position, id: &DeliveryId, state: &State) -> Result<(), Error> {
        let Some(old) = self.index.delivery(id)? else {
            return Ok(());
        };
        let new = DeliveryRow {
            state: state.clone(),
            position,
            ..old.clone()
        };
        self.put(id, Some(&old), &new)
    }

    fn put(&self, id: &DeliveryId, old: Option<&DeliveryRow>, new: &DeliveryRow) -> Result<(), Error> {
        self.index.put_delivery(id, old, new)?;
        let mut tallies = self.lock_tallies();
        let tally = tallies.endpoints.entry(id.endpoint.clone()).or_default();
        if let Some(old) = old {
            let place = tally.of(&old.state);
            *place = place.saturating_sub(1);
        }
        *tally.of(&new.state) += 1;
        Ok(())
    }

    pub(super) fn count(&mut self) -> Result<(), Error> {
        let mut order = 0;
        for item in self.index.deliveries() {
            let (id, row) = item?;
            order = order.max(row.order + 1);
            *self
                .lock_tallies()
                .endpoints
                .entry(id.endpoint)
                .or_default()
                .of(&row.state) += 1;
        }
        self.order = AtomicU64::new(order);
        for item in self.index.exports() {
            self.count_export(&item?.1);
        }
        Ok(())
    }

    fn count_export(&self, row: &ExportRow) {
        let mut tallies = self.lock_tallies();
        let tally = tallies.sources.entry(row.source.clone()).or_default();
        tally.accepted += 1;
        tally.last = tally.last.max(Some(row.at));
        let (sum, counts) = (&mut tally.counts, &row.counts);
        sum.found += u64::from(counts.found);
        sum.mapped += u64::from(counts.mapped);
        sum.refused += u64::from(counts.refused);
        sum.set_aside += u64::from(counts.set_aside);
        sum.known += u64::from(counts.known);
        sum.files_set_aside += u64::from(counts.files_set_aside);
        sum.closed += row.closed.len() as u64;
    }

    pub(super) fn begin(&self) -> u64 {
        let mut marks = self.lock_marks();
        let ticket = marks.next;
        marks.next += 1;
        let applied = marks.applied;
        marks.under_way.insert(ticket, applied);
        ticket
    }

    pub(super) fn end(&self, ticket: u64, position: Position) -> Result<(), Error> {
        let certain = {
            let mut marks = self.lock_marks();
            marks.under_way.remove(&ticket);
            marks.applied = marks.applied.max(Some(position));
            marks.under_way.values().min().copied().unwrap_or(marks.applied)
        };
        Ok(certain.map_or(Ok(()), |certain| self.index.set_applied(certain))?)
    }
}
