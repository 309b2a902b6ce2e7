//! How an export stands, whole: one entry that takes the place of all that the journal told of it before. With it an export's
//! files are let go, and older files of the journal.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use vhr_core::delivery::{Receipt, State};
use vhr_core::id::{DeliveryId, EndpointId, ExportId, RecordId};
use vhr_core::record::VisitKey;
use vhr_core::time::Timestamp;

use super::history::{self, Ended, ExportRow};
use super::live::{LiveDelivery, LiveExport, LiveRecord};
use super::rows::Short;
use super::{Error, Queue};
use crate::journal::{Entry, Position, Standing, Stood, Sync};
use crate::spool::RecordRow;

impl Queue {
    /// Exports whose deliveries all ended before this time, the longest first, but for those of which something waits for a
    /// person.
    ///
    /// # Errors
    /// When the index fails.
    pub fn resting(&self, since: Timestamp) -> Result<Vec<ExportId>, Error> {
        let mut long: Vec<(Timestamp, ExportId)> = {
            let resting = self.lock_resting();
            let long = resting.iter().filter(|(_, began)| **began <= since);
            long.map(|(export, began)| (*began, *export)).collect()
        };
        long.sort_unstable();
        let mut found = Vec::with_capacity(long.len());
        for (_, export) in long {
            if self
                .history
                .export(export)?
                .is_some_and(|row| !row.waits_for_a_person())
            {
                found.push(export);
            }
        }
        Ok(found)
    }

    /// Whether the files of an export were let go.
    ///
    /// # Errors
    /// When the index fails.
    pub fn is_released(&self, export: ExportId) -> Result<bool, Error> {
        Ok(self.history.export(export)?.is_some_and(|row| row.released.is_some()))
    }

    /// Writes down how an export stands, receipts and all, so that its copy and its batch may go. Says whether they may: an
    /// export of which something is still to be sent is left as it is. `keys`: whose visits its records are, by their places in
    /// it: a record that was delivered before its batch was made anew may be in no batch any more, and was of the same visit.
    ///
    /// # Errors
    /// When it could not be written down; then nothing may go.
    pub async fn let_go(&self, export: ExportId, keys: &HashMap<u32, VisitKey>, now: Timestamp) -> Result<bool, Error> {
        // Nobody has it sent once more meanwhile.
        let _one_at_a_time = self.steps.lock().await;
        if self.came_back.load(Ordering::SeqCst) && !self.only_one_snapshot().await? {
            return Ok(false);
        }
        let _alone = self.changes.write().await;
        if !self.lock_resting().contains_key(&export) {
            return Ok(false);
        }
        let Some(mut standing) = self.standing(export)? else {
            return Ok(false);
        };
        for stood in &mut standing.records {
            stood.key = keys.get(&stood.row.seq).cloned();
            stood.row.shares.clear();
        }
        standing.released = Some(now);
        self.append(vec![Entry::Standing(standing)], Sync::Now).await?;
        Ok(true)
    }

    /// How an export stands, with all words. None where it is not known.
    pub(super) fn standing(&self, export: ExportId) -> Result<Option<Standing>, Error> {
        let Some(row) = self.history.export(export)? else {
            return Ok(None);
        };
        let known = self.journal.read(row.position);
        // What was let go has one last entry, and nothing else.
        if row.released.is_some() {
            return Ok(match known {
                Ok(Entry::Standing(standing)) if standing.export == export => Some(standing),
                _ => None,
            });
        }
        let mut earlier: BTreeMap<RecordId, Vec<(EndpointId, Receipt)>> = BTreeMap::new();
        let rows: Vec<RecordRow> = match known {
            Ok(Entry::Accepted(accepted)) if accepted.export == export => accepted.records,
            Ok(Entry::Standing(standing)) if standing.export == export => {
                let told = standing.records.into_iter();
                told.map(|stood| {
                    earlier.insert(stood.row.record, stood.earlier);
                    stood.row
                })
                .collect()
            }
            // Its entry does not read: what has ended is looked for.
            _ => {
                let ended = self.history.all_ended(b"").filter(|ended| match ended {
                    Ok(ended) => ended.export == export,
                    Err(_) => true,
                });
                ended.map(|ended| Ok(ended?.row)).collect::<Result<_, Error>>()?
            }
        };
        let mut ids: BTreeMap<RecordId, ()> = rows.iter().map(|row| (row.record, ())).collect();
        ids.extend(self.live_rows(export).into_iter().map(|row| (row.record, ())));
        ids.extend(row.moved.iter().map(|record| (*record, ())));
        let mut records = Vec::with_capacity(ids.len());
        for record in ids.into_keys() {
            let told = earlier.remove(&record).unwrap_or_default();
            records.push(self.stood(export, record, told)?.ok_or(history::Error::Lost)?);
        }
        records.sort_by_key(|stood| stood.order);
        let closed = row.closed.iter().map(|(seq, at)| (*seq, self.closed_for(*at, *seq)));
        Ok(Some(Standing {
            export,
            accepted_at: row.at,
            closed: closed.collect(),
            source: row.source,
            plugin: row.plugin,
            counts: row.counts,
            records,
            rests_since: self.lock_resting().get(&export).copied(),
            released: None,
        }))
    }

    /// How the deliveries of a record stand. Of what was delivered before a person had it sent once more, `earlier` is known.
    fn stood(
        &self,
        export: ExportId,
        record: RecordId,
        mut earlier: Vec<(EndpointId, Receipt)>,
    ) -> Result<Option<Stood>, Error> {
        let live = {
            let live = self.lock_live();
            live.record(record).map(|found| {
                let order = live.order(record).unwrap_or_default();
                let deliveries = found.deliveries.iter();
                let deliveries = deliveries
                    .map(|delivery| {
                        let endpoint = live.name(delivery.endpoint).clone();
                        (endpoint, delivery.state.clone(), delivery.position)
                    })
                    .collect();
                Ended {
                    export: found.export.id,
                    at: found.export.at,
                    order,
                    row: found.row.clone(),
                    deliveries,
                }
            })
        };
        let past = self.history.ended(record)?;
        let Some(found) = live.or_else(|| past.clone()) else {
            return Ok(None);
        };
        let standing = found.standing(None);
        for end in past.into_iter().flat_map(|past| past.deliveries) {
            // The same end may be known from two places: each time it was carried on.
            if standing
                .iter()
                .any(|(endpoint, state, _)| (endpoint, state) == (&end.0, &end.1))
            {
                continue;
            }
            let mut at_end = found.clone();
            at_end.deliveries = vec![end];
            for (id, row) in super::look::rows(&at_end) {
                let State::Delivered(receipt) = self.full_state(&id, &row) else {
                    continue;
                };
                let is_told =
                    |(endpoint, known): &(EndpointId, Receipt)| (endpoint, known.at) == (&id.endpoint, receipt.at);
                if !earlier.iter().any(is_told) {
                    earlier.push((id.endpoint, receipt));
                }
            }
        }
        let deliveries = super::look::rows(&found).map(|(id, row)| {
            let state = self.full_state(&id, &row);
            (id.endpoint, state)
        });
        Ok((found.export == export).then(|| Stood {
            order: found.order,
            key: None,
            deliveries: deliveries.collect(),
            earlier,
            row: found.row.clone(),
        }))
    }

    /// Takes the place of all that is known of the export.
    pub(super) fn apply_standing(&self, position: Position, standing: &Standing) -> Result<(), Error> {
        let known = self.history.export(standing.export)?;
        // What was let go was counted when it was; its rows are gone since.
        let counted = known.as_ref().is_some_and(|row| row.released.is_some());
        if known.is_none() {
            let mut tallies = self.lock_tallies();
            tallies.export(&standing.source, standing.accepted_at, &standing.counts);
            tallies.closed(&standing.source, standing.closed.len() as u64);
        }
        let row = ExportRow {
            source: standing.source.clone(),
            at: standing.accepted_at,
            plugin: standing.plugin.clone(),
            counts: standing.counts,
            closed: standing.closed.iter().map(|(seq, _)| (*seq, position)).collect(),
            position,
            released: standing.released,
            moved: Vec::new(),
        };
        for stood in &standing.records {
            self.order.fetch_max(stood.order + 1, Ordering::Relaxed);
            if !counted {
                self.count_again(stood)?;
            }
            self.apply_stood(position, standing, stood)?;
        }
        self.history.put_export(standing.export, &row)?;
        let mut resting = self.lock_resting();
        match (standing.released, standing.rests_since) {
            (None, Some(since)) => resting.insert(standing.export, since),
            _ => resting.remove(&standing.export),
        };
        let mut unknown = self.lock_unknown();
        for stood in standing
            .records
            .iter()
            .filter(|_| !unknown.is_empty())
            .collect::<Vec<_>>()
        {
            for (endpoint, _) in &stood.deliveries {
                unknown.remove(&DeliveryId {
                    record: stood.row.record,
                    endpoint: endpoint.clone(),
                });
            }
        }
        Ok(())
    }

    /// Counts deliveries where they stand now, and no longer where they were known to stand.
    fn count_again(&self, stood: &Stood) -> Result<(), Error> {
        for (endpoint, state) in &stood.deliveries {
            let id = DeliveryId {
                record: stood.row.record,
                endpoint: endpoint.clone(),
            };
            let old = self.delivery(&id)?.map(|row| Short::from(&row.state));
            self.lock_tallies().step(endpoint, old.as_ref(), &Short::from(state));
        }
        Ok(())
    }

    fn apply_stood(&self, position: Position, standing: &Standing, stood: &Stood) -> Result<(), Error> {
        let states = stood
            .deliveries
            .iter()
            .map(|(endpoint, state)| (endpoint, Short::from(state)));
        let states: Vec<(&EndpointId, Short)> = states.collect();
        let ended = states.iter().all(|(_, state)| state.is_final());
        {
            let mut live = self.lock_live();
            live.take(stood.row.record);
            if !ended {
                let deliveries = states.iter().map(|(endpoint, state)| LiveDelivery {
                    endpoint: live.endpoint(endpoint),
                    state: state.clone(),
                    position,
                });
                let record = LiveRecord {
                    deliveries: deliveries.collect(),
                    export: Arc::new(LiveExport {
                        id: standing.export,
                        at: standing.accepted_at,
                    }),
                    row: stood.row.clone(),
                };
                live.insert(stood.order, record);
                return Ok(());
            }
        }
        let ended = Ended {
            export: standing.export,
            at: standing.accepted_at,
            order: stood.order,
            row: stood.row.clone(),
            deliveries: states
                .into_iter()
                .map(|(endpoint, state)| (endpoint.clone(), state, position))
                .collect(),
        };
        if standing.released.is_some() {
            self.history.remove_ended(stood.row.record)?;
            return self.put_newest(&ended);
        }
        self.put_ended(ended)
    }
}
