//! What others may see of the queue. Nothing here changes it.

use vhr_core::delivery::State;
use vhr_core::id::{DeliveryId, EndpointId, ExportId, RecordId};
use vhr_core::time::Timestamp;

use super::index::{DeliveryRow, ExportRow, RecordPlace};
use super::rows::Short;
use super::tally::{SourceTally, Tally};
use super::{Error, Queue};
use crate::journal::{Entry, First, Position};

impl Queue {
    /// When the first waiting delivery of an endpoint comes due.
    ///
    /// # Errors
    /// When the index fails.
    pub fn next_due(&self, endpoint: &EndpointId) -> Result<Option<Timestamp>, Error> {
        Ok(self.index.due(endpoint).next().transpose()?.map(|(when, _)| when))
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
                let same = |first: &&First| {
                    first.endpoint == id.endpoint && Short::from(&first.state) == Short::from(&row.state)
                };
                accepted
                    .deliveries
                    .iter()
                    .find(same)
                    .map_or_else(|| row.state.clone(), |first| first.state.clone())
            }
            _ => row.state.clone(),
        }
    }

    /// Why a person closed something that was set aside, from the journal.
    pub fn closed_for(&self, position: Position) -> String {
        match self.journal.read(position) {
            Ok(Entry::Closed { reason, .. }) => reason,
            _ => String::new(),
        }
    }
}
