//! What has not come to its end, in memory: few enough for it, and nothing of it has to be trusted to a database. It is made
//! from the journal (and the newest snapshot) at each start.
//!
//! What stays true: a record is here as long as one of its deliveries has not ended; the orders (what is due, what there is of
//! a visit) tell the same as the records.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vhr_core::delivery::State;
use vhr_core::id::{DeliveryId, EndpointId, ExportId, RecordId};
use vhr_core::time::Timestamp;

use super::rows::Short;
use super::{DeliveryRow, RecordPlace};
use crate::journal::Position;
use crate::spool::RecordRow;

/// An export that has records here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LiveExport {
    pub(super) id: ExportId,
    pub(super) at: Timestamp,
}

/// A record of which a delivery has not ended.
#[derive(Debug)]
pub(super) struct LiveRecord {
    pub(super) export: Arc<LiveExport>,
    pub(super) row: RecordRow,
    pub(super) deliveries: Vec<LiveDelivery>,
}

/// One delivery of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LiveDelivery {
    /// Place in [`Live::endpoints`].
    pub(super) endpoint: u16,
    pub(super) state: Short,
    pub(super) position: Position,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Live {
    endpoints: Vec<EndpointId>,
    /// In the order in which they were accepted.
    records: BTreeMap<u64, Box<LiveRecord>>,
    orders: HashMap<RecordId, u64>,
    due: BTreeSet<(u16, Timestamp, u64)>,
    visits: BTreeSet<([u8; 16], u64)>,
    /// By what claims say.
    twins: BTreeSet<([u8; 16], u64)>,
    /// How many records of an export are here.
    exports: HashMap<ExportId, u32>,
}

impl Live {
    /// With this table of endpoints.
    pub(super) fn with_endpoints(endpoints: Vec<EndpointId>) -> Self {
        Self {
            endpoints,
            ..Self::default()
        }
    }

    pub(super) fn endpoints(&self) -> &[EndpointId] {
        &self.endpoints
    }

    /// Adds a record with its first deliveries.
    pub(super) fn insert(&mut self, order: u64, record: LiveRecord) {
        for delivery in &record.deliveries {
            if let Some(due) = due(delivery, order) {
                self.due.insert(due);
            }
        }
        *self.exports.entry(record.export.id).or_default() += 1;
        self.orders.insert(record.row.record, order);
        self.visits.insert((record.row.visit, order));
        self.twins.extend(twin(&record.row, order));
        self.records.insert(order, Box::new(record));
    }

    /// The place of an endpoint in the table, made where it is new.
    pub(super) fn endpoint(&mut self, id: &EndpointId) -> u16 {
        self.find(id).unwrap_or_else(|| {
            self.endpoints.push(id.clone());
            self.endpoints.len() as u16 - 1
        })
    }

    pub(super) fn name(&self, endpoint: u16) -> &EndpointId {
        &self.endpoints[usize::from(endpoint)]
    }

    fn find(&self, id: &EndpointId) -> Option<u16> {
        self.endpoints
            .iter()
            .position(|known| known == id)
            .map(|place| place as u16)
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// All records, in the order in which they were accepted.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &LiveRecord)> {
        self.records.iter().map(|(order, record)| (*order, &**record))
    }

    pub(super) fn order(&self, record: RecordId) -> Option<u64> {
        self.orders.get(&record).copied()
    }

    pub(super) fn record(&self, record: RecordId) -> Option<&LiveRecord> {
        self.records.get(self.orders.get(&record)?).map(|record| &**record)
    }

    /// What is known of a delivery.
    pub(super) fn delivery(&self, id: &DeliveryId) -> Option<DeliveryRow> {
        let order = self.order(id.record)?;
        let endpoint = self.find(&id.endpoint)?;
        let record = self.records.get(&order)?;
        let delivery = record
            .deliveries
            .iter()
            .find(|delivery| delivery.endpoint == endpoint)?;
        Some(row(order, record, delivery))
    }

    /// A delivery stands elsewhere now. None when it is not here; the record, taken out, when that was its last.
    pub(super) fn step(&mut self, id: &DeliveryId, state: Short, position: Position) -> Option<Stepped> {
        let order = self.order(id.record)?;
        let endpoint = self.find(&id.endpoint)?;
        let record = self.records.get_mut(&order)?;
        let delivery = record
            .deliveries
            .iter_mut()
            .find(|delivery| delivery.endpoint == endpoint)?;
        if let Some(due) = due(delivery, order) {
            self.due.remove(&due);
        }
        let old = std::mem::replace(&mut delivery.state, state);
        delivery.position = position;
        if let Some(due) = due(delivery, order) {
            self.due.insert(due);
        }
        let ended = record.deliveries.iter().all(|delivery| delivery.state.is_final());
        let ended = ended
            .then(|| self.remove(order))
            .flatten()
            .map(|record| (order, record));
        Some(Stepped { old, ended })
    }

    /// Its place in the spool is another now.
    pub(super) fn moved(&mut self, row: &RecordRow) {
        if let Some(order) = self.orders.get(&row.record)
            && let Some(record) = self.records.get_mut(order)
        {
            // Made anew by a newer version of ours, it may be known by more than before.
            twin(&record.row, *order).map(|was| self.twins.remove(&was));
            self.twins.extend(twin(row, *order));
            record.row = row.clone();
        }
    }

    /// Whether there is something here of an export.
    pub(super) fn has_export(&self, export: ExportId) -> bool {
        self.exports.contains_key(&export)
    }

    /// Takes a record out.
    pub(super) fn take(&mut self, record: RecordId) -> Option<Box<LiveRecord>> {
        self.remove(self.order(record)?)
    }

    fn remove(&mut self, order: u64) -> Option<Box<LiveRecord>> {
        let record = self.records.remove(&order)?;
        if let Some(left) = self.exports.get_mut(&record.export.id) {
            *left -= 1;
            if *left == 0 {
                self.exports.remove(&record.export.id);
            }
        }
        for delivery in &record.deliveries {
            if let Some(due) = due(delivery, order) {
                self.due.remove(&due);
            }
        }
        self.orders.remove(&record.row.record);
        self.visits.remove(&(record.row.visit, order));
        twin(&record.row, order).map(|twin| self.twins.remove(&twin));
        Some(record)
    }

    /// Deliveries waiting for an endpoint in the order in which they come due.
    pub(super) fn due(&self, endpoint: &EndpointId) -> impl Iterator<Item = (Timestamp, u64, &LiveRecord)> {
        let place = self.find(endpoint);
        let range = place.map(|place| (place, Timestamp::from_millis(i64::MIN), 0)..=(place, Timestamp::MAX, u64::MAX));
        let range = range.into_iter().flat_map(|range| self.due.range(range));
        range.filter_map(|(_, when, order)| Some((*when, *order, &**self.records.get(order)?)))
    }

    /// What there is of a visit for an endpoint, oldest first: its order, its record, where it stands.
    pub(super) fn of_visit(
        &self,
        endpoint: &EndpointId,
        visit: &[u8; 16],
    ) -> impl DoubleEndedIterator<Item = (u64, &LiveRecord, &Short)> {
        self.known_by(&self.visits, endpoint, visit)
    }

    /// The same of what says the same, whatever visit it is of.
    pub(super) fn saying(
        &self,
        endpoint: &EndpointId,
        same: &[u8; 16],
    ) -> impl DoubleEndedIterator<Item = (u64, &LiveRecord, &Short)> {
        self.known_by(&self.twins, endpoint, same)
    }

    fn known_by<'l>(
        &'l self,
        by: &'l BTreeSet<([u8; 16], u64)>,
        endpoint: &EndpointId,
        digest: &[u8; 16],
    ) -> impl DoubleEndedIterator<Item = (u64, &'l LiveRecord, &'l Short)> + use<'l> {
        let place = self.find(endpoint);
        by.range((*digest, 0)..=(*digest, u64::MAX))
            .filter_map(move |(_, order)| {
                let record = self.records.get(order)?;
                let delivery = record
                    .deliveries
                    .iter()
                    .find(|delivery| Some(delivery.endpoint) == place)?;
                Some((*order, &**record, &delivery.state))
            })
    }

    /// Every delivery that is here, in the order of acceptance.
    pub(super) fn deliveries(&self) -> impl Iterator<Item = (DeliveryId, DeliveryRow)> {
        self.iter().flat_map(move |(order, record)| {
            record.deliveries.iter().map(move |delivery| {
                let id = DeliveryId {
                    record: record.row.record,
                    endpoint: self.name(delivery.endpoint).clone(),
                };
                (id, row(order, record, delivery))
            })
        })
    }
}

/// What a step led to.
#[derive(Debug)]
pub(super) struct Stepped {
    pub(super) old: Short,
    pub(super) ended: Option<(u64, Box<LiveRecord>)>,
}

impl LiveRecord {
    /// Where its frame lies.
    pub(super) fn place(&self) -> RecordPlace {
        RecordPlace {
            export: self.export.id,
            row: self.row.clone(),
        }
    }
}

fn row(order: u64, record: &LiveRecord, delivery: &LiveDelivery) -> DeliveryRow {
    DeliveryRow {
        state: State::from(delivery.state.clone()),
        order,
        accepted_at: record.export.at,
        visit: record.row.visit,
        position: delivery.position,
    }
}

fn twin(row: &RecordRow, order: u64) -> Option<([u8; 16], u64)> {
    row.twin.as_ref().map(|twin| (twin.same, order))
}

fn due(delivery: &LiveDelivery, order: u64) -> Option<(u16, Timestamp, u64)> {
    match delivery.state {
        Short::Waiting { not_before, .. } => Some((delivery.endpoint, not_before, order)),
        _ => None,
    }
}
