//! The journal replayed into a plain map, by a way that has nothing in common with the queue's.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use vhr_core::delivery::{ReasonKind, State};
use vhr_core::id::{DeliveryId, EndpointId, ExportId, RecordId};

use crate::journal::{Entry, Position, Standing};

/// What the journal tells, replayed: where each delivery stands, and which exports there are.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) endpoints: Vec<EndpointId>,
    pub(super) deliveries: HashMap<(RecordId, u16), Told>,
    /// Those whose files are kept.
    pub(super) exports: BTreeSet<ExportId>,
    /// Those that were let go, and how many of their deliveries ended how.
    released: BTreeSet<ExportId>,
    pub(super) gone: BTreeMap<EndpointId, BTreeMap<&'static str, u64>>,
    /// Steps of deliveries that no export told of.
    pub(super) untold: BTreeSet<DeliveryId>,
    pub(super) damaged: bool,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) position: Position,
    pub(super) state: &'static str,
    pub(super) is_final: bool,
    /// It stays where its record is made anew and comes out otherwise.
    stays: bool,
    /// The queue knows it too.
    pub(super) seen: bool,
}

impl Replay {
    /// What one entry says.
    pub(super) fn tell(&mut self, at: Position, entry: &Entry) {
        match entry {
            Entry::Accepted(accepted) => {
                self.exports.insert(accepted.export);
                let records: HashMap<u32, RecordId> =
                    accepted.records.iter().map(|row| (row.seq, row.record)).collect();
                for first in &accepted.deliveries {
                    for record in first.seqs.iter().filter_map(|seq| records.get(seq)) {
                        self.stands(*record, &first.endpoint, at, &first.state);
                    }
                }
                for (id, by) in &accepted.superseded {
                    self.step(at, id, &State::Superseded { by: *by });
                }
            }
            Entry::Step { delivery, state, .. } => self.step(at, delivery, state),
            Entry::Moved { at: when, rows, .. } => {
                for (old, row) in rows.iter().filter(|(old, row)| *old != row.record) {
                    for endpoint in self.endpoints.clone() {
                        let id = DeliveryId { record: *old, endpoint };
                        let Some(told) = self.get(&id).filter(|told| !told.is_final).copied() else {
                            continue;
                        };
                        self.stands(row.record, &id.endpoint, at, &State::new(*when));
                        if told.stays
                            && let Some(place) = self.place(&id.endpoint)
                        {
                            self.deliveries.insert((row.record, place), told);
                        }
                        self.step(at, &id, &State::Superseded { by: row.record });
                    }
                }
            }
            Entry::Standing(standing) => {
                for stood in &standing.records {
                    for (endpoint, state) in &stood.deliveries {
                        self.stands(stood.row.record, endpoint, at, state);
                    }
                }
                self.exports.insert(standing.export);
                if standing.released.is_some() {
                    self.release(standing);
                }
            }
            Entry::Closed { .. } | Entry::Retired { .. } | Entry::Outage(_) => {}
        }
    }

    fn release(&mut self, standing: &Standing) {
        self.exports.remove(&standing.export);
        let first = self.released.insert(standing.export);
        for stood in &standing.records {
            for (endpoint, state) in &stood.deliveries {
                let place = self.place(endpoint).unwrap_or_default();
                self.deliveries.remove(&(stood.row.record, place));
                // Carried on from an old file of the journal, it is told again.
                let states = self.gone.entry(endpoint.clone()).or_default();
                *states.entry(name(state)).or_default() += u64::from(first);
            }
        }
    }

    fn step(&mut self, at: Position, id: &DeliveryId, state: &State) {
        if self.get(id).is_some() {
            self.stands(id.record, &id.endpoint, at, state);
        } else {
            self.untold.insert(id.clone());
        }
    }

    pub(super) fn stands(&mut self, record: RecordId, endpoint: &EndpointId, position: Position, state: &State) {
        let place = self.place(endpoint).unwrap_or_else(|| {
            self.endpoints.push(endpoint.clone());
            self.endpoints.len() as u16 - 1
        });
        let told = Told {
            position,
            state: name(state),
            is_final: state.is_final(),
            stays: state.stays_when_made_anew(),
            seen: false,
        };
        self.deliveries.insert((record, place), told);
        if !self.untold.is_empty() {
            self.untold.remove(&DeliveryId {
                record,
                endpoint: endpoint.clone(),
            });
        }
    }

    pub(super) fn get(&self, id: &DeliveryId) -> Option<&Told> {
        self.deliveries.get(&(id.record, self.place(&id.endpoint)?))
    }

    pub(super) fn place(&self, endpoint: &EndpointId) -> Option<u16> {
        let place = self.endpoints.iter().position(|known| known == endpoint);
        place.map(|place| place as u16)
    }
}

/// A state's name; what a person gave up is not what waits for one.
pub(super) fn name(state: &State) -> &'static str {
    match state {
        State::Parked(reason) if reason.kind == ReasonKind::Dropped => "dropped",
        other => other.name(),
    }
}
