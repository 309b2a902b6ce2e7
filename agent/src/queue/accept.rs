//! An export is accepted: which deliveries are made of it, and what they take the place of.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

use vhr_core::delivery::{ReasonKind, State};
use vhr_core::id::{DeliveryId, EndpointId, ExportId, PluginRef, RecordId};
use vhr_core::time::Timestamp;

use super::rows::Short;
use super::twins::Begun;
use super::{Begin, Destination, Error, Queue, step};
use crate::journal::{Accepted, Counts, Entry, First, Sync};
use crate::spool::{self, RecordRow, Written};

impl Queue {
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
        // Known is what has somewhere to go, and is known wherever that is.
        let goes = |nth: usize| {
            let mut firsts = destinations.iter().filter_map(|destination| destination.first.get(nth));
            firsts.any(|first| *first != Begin::OfAnotherLine)
        };
        let mut known: Vec<bool> = (0..batch.mapped.len()).map(goes).collect();
        for destination in destinations {
            let mut firsts: Vec<First> = Vec::new();
            // The newest version of a visit so far, and whether it goes there.
            let mut within: BTreeMap<[u8; 16], (&RecordRow, bool)> = BTreeMap::new();
            let mut begun = Begun::of(export);
            for ((row, first), known) in batch.mapped.iter().zip(&destination.first).zip(&mut known) {
                if *first == Begin::OfAnotherLine {
                    continue;
                }
                let only_if_new = matches!(first, Begin::IfNew(_));
                if only_if_new && (within.contains_key(&row.visit) || self.has_version(&destination.endpoint, row)?) {
                    continue;
                }
                if self.is_known(destination, row, within.get(&row.visit).map(|(row, _)| *row))? {
                    continue;
                }
                *known = false;
                // What is there of older versions has no more to say, even where the new one does not go.
                let mut overtaken = self.overtaken(&destination.endpoint, &row.visit);
                if let Some((older, true)) = within.get(&row.visit) {
                    overtaken.push(DeliveryId {
                        record: older.record,
                        endpoint: destination.endpoint.clone(),
                    });
                }
                begun.supersedes(&overtaken);
                superseded.extend(overtaken.into_iter().map(|id| (id, row.record)));
                let state = match first {
                    Begin::In(state) | Begin::IfNew(state) => Some(state.clone()),
                    Begin::Once(state) => {
                        let first = self.first_of_twins(&destination.endpoint, row, &begun, state, now)?;
                        begun.begins(row, &first);
                        Some(first)
                    }
                    Begin::Excluded | Begin::OfAnotherLine => None,
                };
                within.insert(row.visit, (row, state.is_some()));
                let Some(state) = state else { continue };
                // A month that was exported again under new numbers has as many reasons as visits.
                let is_alone = matches!(&state, State::Parked(reason) if reason.kind == ReasonKind::Twice);
                let known = if is_alone {
                    None
                } else {
                    firsts.iter_mut().find(|first| first.state == state)
                };
                match known {
                    Some(first) => first.seqs.push(row.seq),
                    None => firsts.push(First {
                        endpoint: destination.endpoint.clone(),
                        seqs: vec![row.seq],
                        state,
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

    /// Whether anything of a record's visit went to an endpoint before, or waits for it.
    fn has_version(&self, endpoint: &EndpointId, row: &RecordRow) -> Result<bool, Error> {
        Ok(self.newest(endpoint, &row.visit)?.is_some())
    }

    /// Whether an endpoint has this version of a visit, or will have it without anybody's doing, or may have it: the same
    /// content, written alike where that is what goes there, and not unsigned where this one is signed. What was refused there is
    /// not known: it comes again because somebody put it right.
    fn is_known(&self, there: &Destination, row: &RecordRow, within: Option<&RecordRow>) -> Result<bool, Error> {
        let endpoint = &there.endpoint;
        let same = |content: [u8; 16], written: Written, signed: bool| {
            content == row.content && (!there.as_written || written.agrees(row.written)) && (signed || !row.signed)
        };
        if let Some(before) = within {
            return Ok(same(before.content, before.written, before.signed));
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
                    (
                        order,
                        stands && same(record.row.content, record.row.written, record.row.signed),
                    )
                })
        };
        let ended = self.history.newest(endpoint, &row.visit)?;
        let ended = ended.map(|newest| {
            (
                newest.order,
                newest.delivered && same(newest.content, newest.written, newest.signed),
            )
        });
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
    pub(super) fn newer(&self, id: &DeliveryId) -> Result<Option<RecordId>, Error> {
        let Some(row) = self.delivery(id)? else {
            return Ok(None);
        };
        let newest = self.newest(&id.endpoint, &row.visit)?;
        Ok(newest.filter(|(order, _)| *order > row.order).map(|(_, record)| record))
    }

    /// The newest version of a visit at an endpoint, and its place in the order of acceptance.
    pub(super) fn newest(&self, endpoint: &EndpointId, visit: &[u8; 16]) -> Result<Option<(u64, RecordId)>, Error> {
        let live = {
            let live = self.lock_live();
            let newest = live.of_visit(endpoint, visit).next_back();
            newest.map(|(order, record, _)| (order, record.row.record))
        };
        let ended = self.history.newest(endpoint, visit)?;
        Ok(live.max(ended.map(|newest| (newest.order, newest.record))))
    }
}
