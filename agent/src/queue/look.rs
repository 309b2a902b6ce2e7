//! What others may see of the queue. Nothing here changes it.

use std::collections::{BTreeMap, HashMap};

use vhr_core::delivery::State;
use vhr_core::id::{DeliveryId, EndpointId, ExportId, RecordId};
use vhr_core::time::Timestamp;

use super::history::{Ended, ExportRow};
use super::rows::Short;
use super::tally::{SourceTally, Tally};
use super::{DeliveryRow, Error, Queue, RecordPlace};
use crate::journal::{self, Entry, Placed, Position};
use crate::spool::RecordRow;

impl Queue {
    /// When the first waiting delivery of an endpoint comes due.
    pub fn next_due(&self, endpoint: &EndpointId) -> Option<Timestamp> {
        self.lock_live().due(endpoint).next().map(|(when, ..)| when)
    }

    /// How many deliveries of an endpoint stand where.
    pub fn tally(&self, endpoint: &EndpointId) -> Tally {
        self.lock_tallies().endpoints.get(endpoint).copied().unwrap_or_default()
    }

    /// Endpoints that have deliveries, configured or not.
    pub fn endpoints(&self) -> Vec<EndpointId> {
        self.lock_tallies().endpoints.keys().cloned().collect()
    }

    /// What came of a source.
    pub fn source_tally(&self, source: &str) -> SourceTally {
        self.lock_tallies().sources.get(source).copied().unwrap_or_default()
    }

    /// When the oldest waiting delivery of an endpoint was accepted.
    pub fn oldest_waiting(&self, endpoint: &EndpointId) -> Option<Timestamp> {
        let live = self.lock_live();
        live.due(endpoint).map(|(_, _, record)| record.export.at).min()
    }

    /// Deliveries that are wanted, up to a limit: what has not ended first, in the order of acceptance. With `ended`, also those
    /// of records that have come to their end everywhere.
    ///
    /// # Errors
    /// When the index fails.
    pub fn deliveries(
        &self,
        ended: bool,
        limit: usize,
        wanted: impl Fn(&DeliveryId, &DeliveryRow) -> bool,
    ) -> Result<Vec<(DeliveryId, DeliveryRow)>, Error> {
        let live = self.lock_live();
        let mut found: Vec<_> = live
            .deliveries()
            .filter(|(id, row)| wanted(id, row))
            .take(limit)
            .collect();
        drop(live);
        let ended = ended.then(|| self.history.all_ended(b""));
        for item in ended.into_iter().flatten() {
            if found.len() >= limit {
                break;
            }
            let item = item?;
            // What is sent once more is not among the ended now.
            if self.lock_live().order(item.row.record).is_none() {
                found.extend(rows(&item).filter(|(id, row)| wanted(id, row)));
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Deliveries whose record's id begins with these hex digits (an odd one at the end counts too).
    ///
    /// # Errors
    /// When the index fails.
    pub fn deliveries_of(&self, begin: &str) -> Result<Vec<(DeliveryId, DeliveryRow)>, Error> {
        let begins = |id: &DeliveryId| id.record.to_string().starts_with(begin);
        let mut found: Vec<_> = self.lock_live().deliveries().filter(|(id, _)| begins(id)).collect();
        let pairs = begin.as_bytes().chunks_exact(2).map_while(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        });
        let bytes: Vec<u8> = pairs.collect();
        if bytes.len() * 2 + 1 >= begin.len() {
            for item in self.history.all_ended(&bytes) {
                let item = item?;
                if self.lock_live().order(item.row.record).is_none() {
                    found.extend(rows(&item).filter(|(id, _)| begins(id)));
                }
            }
        }
        Ok(found)
    }

    /// The newest version of a visit at each endpoint that had one of it.
    ///
    /// # Errors
    /// When the index fails.
    pub fn deliveries_of_visit(&self, facility: &str, visit: &str) -> Result<Vec<(DeliveryId, DeliveryRow)>, Error> {
        let visit = self.keys.keyed().visit(facility, visit);
        let mut found = Vec::new();
        for endpoint in self.endpoints() {
            let Some((_, record)) = self.newest(&endpoint, &visit)? else {
                continue;
            };
            let id = DeliveryId { record, endpoint };
            found.extend(self.delivery(&id)?.map(|row| (id, row)));
        }
        Ok(found)
    }

    /// What has not come to its end at an endpoint, and is wanted: there may be a month of the others.
    pub(super) fn open_at(
        &self,
        endpoint: &EndpointId,
        is_wanted: impl Fn(&DeliveryRow) -> bool,
    ) -> Vec<(DeliveryId, DeliveryRow)> {
        let live = self.lock_live();
        let here = live
            .deliveries()
            .filter(|(id, row)| id.endpoint == *endpoint && !row.state.is_final() && is_wanted(row));
        here.collect()
    }

    /// Where the records of an export lie of which a delivery has not ended.
    pub fn live_rows(&self, export: ExportId) -> Vec<RecordRow> {
        let live = self.lock_live();
        let here = live.iter().filter(|(_, record)| record.export.id == export);
        here.map(|(_, record)| record.row.clone()).collect()
    }

    /// Deliveries of an export, of records of which one has not ended.
    pub(super) fn live_of(&self, export: ExportId) -> Vec<(DeliveryId, DeliveryRow)> {
        let live = self.lock_live();
        let of_export = |id: &DeliveryId| live.record(id.record).is_some_and(|record| record.export.id == export);
        live.deliveries().filter(|(id, _)| of_export(id)).collect()
    }

    /// All accepted exports, for lists.
    pub fn exports(&self) -> impl Iterator<Item = Result<(ExportId, ExportRow), Error>> + use<> {
        self.history.exports().map(|item| Ok(item?))
    }

    /// Where a record lies.
    ///
    /// # Errors
    /// When the index fails.
    pub fn place(&self, record: RecordId) -> Result<Option<RecordPlace>, Error> {
        if let Some(record) = self.lock_live().record(record) {
            return Ok(Some(record.place()));
        }
        Ok(self.history.ended(record)?.map(|ended| RecordPlace {
            export: ended.export,
            row: ended.row,
        }))
    }

    /// One delivery's row.
    ///
    /// # Errors
    /// When the index fails.
    pub fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryRow>, Error> {
        if let Some(row) = self.lock_live().delivery(id) {
            return Ok(Some(row));
        }
        let ended = self.history.ended(id.record)?;
        Ok(ended.and_then(|ended| rows(&ended).find(|(other, _)| other == id).map(|(_, row)| row)))
    }

    /// Up to where the journal tells what is known now, and how many deliveries stand where then.
    pub async fn mark(&self) -> (Position, BTreeMap<EndpointId, Tally>) {
        let _all_is_applied = self.changes.write().await;
        (self.journal.end(), self.lock_tallies().endpoints.clone())
    }

    /// All that the journal tells, from its beginning.
    ///
    /// # Errors
    /// When its folder cannot be listed.
    pub fn told(&self) -> Result<impl Iterator<Item = Result<Placed, journal::Error>> + use<>, journal::Error> {
        self.journal.entries(Position::default())
    }

    /// Records of which a delivery has not ended, by export.
    pub fn live_records(&self) -> HashMap<ExportId, Vec<RecordId>> {
        let mut found: HashMap<ExportId, Vec<RecordId>> = HashMap::new();
        for (_, record) in self.lock_live().iter() {
            found.entry(record.export.id).or_default().push(record.row.record);
        }
        found
    }

    /// A state with its texts, from the journal; as known without it where the journal does not tell.
    pub fn full_state(&self, id: &DeliveryId, row: &DeliveryRow) -> State {
        match self.journal.read(row.position) {
            Ok(Entry::Step { delivery, state, .. }) if delivery == *id => state,
            Ok(Entry::Accepted(accepted)) => {
                // Several records may begin in the same state for reasons of their own.
                let seq = accepted.records.iter().find(|known| known.record == id.record);
                let seq = seq.map(|known| known.seq);
                let first = accepted.deliveries.iter().find(|first| {
                    first.endpoint == id.endpoint
                        && Short::from(&first.state) == Short::from(&row.state)
                        && seq.is_none_or(|seq| first.seqs.contains(&seq))
                });
                first.map_or_else(|| row.state.clone(), |first| first.state.clone())
            }
            Ok(Entry::Standing(standing)) => {
                let mut stood = standing.records.into_iter();
                let stood = stood.find(|stood| stood.row.record == id.record);
                let mut deliveries = stood.into_iter().flat_map(|stood| stood.deliveries);
                let found = deliveries.find(|(endpoint, _)| *endpoint == id.endpoint);
                found.map_or_else(|| row.state.clone(), |(_, state)| state)
            }
            _ => row.state.clone(),
        }
    }

    /// Why a person closed something that was set aside, by its place in the export, from the journal.
    pub fn closed_for(&self, position: Position, seq: u32) -> String {
        match self.journal.read(position) {
            Ok(Entry::Closed { reason, .. }) => reason,
            Ok(Entry::Standing(standing)) => {
                let mut closed = standing.closed.into_iter();
                closed
                    .find(|(other, _)| *other == seq)
                    .map(|(_, reason)| reason)
                    .unwrap_or_default()
            }
            _ => String::new(),
        }
    }

    /// What the files of the journal take on the disk, bytes.
    pub fn journal_bytes(&self) -> u64 {
        self.journal.size()
    }
}

pub(super) fn rows(ended: &Ended) -> impl Iterator<Item = (DeliveryId, DeliveryRow)> + use<> {
    let (record, order, accepted_at, visit) = (ended.row.record, ended.order, ended.at, ended.row.visit);
    ended
        .standing(None)
        .into_iter()
        .map(move |(endpoint, state, position)| {
            let row = DeliveryRow {
                state: State::from(state),
                order,
                accepted_at,
                visit,
                position,
            };
            (DeliveryId { record, endpoint }, row)
        })
}
