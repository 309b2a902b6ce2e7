//! How many stand where: kept in memory, counted at start.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vhr_core::id::EndpointId;
use vhr_core::time::Timestamp;

use super::rows::Short;
use crate::journal::{Counts, Standing};

/// All tallies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tallies {
    pub(super) endpoints: BTreeMap<EndpointId, Tally>,
    pub(super) sources: BTreeMap<String, SourceTally>,
}

/// How many deliveries of an endpoint stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTally {
    /// Files accepted.
    pub accepted: u64,
    /// The sums over them.
    pub counts: SourceCounts,
    /// The newest.
    pub last: Option<Timestamp>,
}

/// Sums of [`Counts`] over the files of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of Counts")]
pub struct SourceCounts {
    pub found: u64,
    pub mapped: u64,
    pub refused: u64,
    pub set_aside: u64,
    pub known: u64,
    pub files_set_aside: u64,
    /// What was set aside or refused and a person has dealt with.
    pub closed: u64,
}

impl Tallies {
    /// A delivery stands there now, and no longer where it stood.
    pub(super) fn step(&mut self, endpoint: &EndpointId, old: Option<&Short>, new: &Short) {
        let tally = self.endpoints.entry(endpoint.clone()).or_default();
        if let Some(old) = old {
            let place = tally.of(old);
            *place = place.saturating_sub(1);
        }
        *tally.of(new) += 1;
    }

    /// An export was accepted.
    pub(super) fn export(&mut self, source: &str, at: Timestamp, counts: &Counts) {
        let tally = self.sources.entry(source.to_owned()).or_default();
        tally.accepted += 1;
        tally.last = tally.last.max(Some(at));
        let sum = &mut tally.counts;
        sum.found += u64::from(counts.found);
        sum.mapped += u64::from(counts.mapped);
        sum.refused += u64::from(counts.refused);
        sum.set_aside += u64::from(counts.set_aside);
        sum.known += u64::from(counts.known);
        sum.files_set_aside += u64::from(counts.files_set_aside);
    }

    /// An export is forgotten, with how its deliveries ended.
    pub(super) fn forget(&mut self, standing: &Standing) {
        let ends = standing.records.iter().flat_map(|stood| &stood.deliveries);
        for (endpoint, state) in ends {
            let place = self
                .endpoints
                .entry(endpoint.clone())
                .or_default()
                .of(&Short::from(state));
            *place = place.saturating_sub(1);
        }
        let tally = self.sources.entry(standing.source.clone()).or_default();
        tally.accepted = tally.accepted.saturating_sub(1);
        let (sum, counts) = (&mut tally.counts, &standing.counts);
        for (sum, count) in [
            (&mut sum.found, counts.found),
            (&mut sum.mapped, counts.mapped),
            (&mut sum.refused, counts.refused),
            (&mut sum.set_aside, counts.set_aside),
            (&mut sum.known, counts.known),
            (&mut sum.files_set_aside, counts.files_set_aside),
            (
                &mut sum.closed,
                u32::try_from(standing.closed.len()).unwrap_or(u32::MAX),
            ),
        ] {
            *sum = sum.saturating_sub(count.into());
        }
    }

    /// So many things that were set aside or refused have been dealt with.
    pub(super) fn closed(&mut self, source: &str, more: u64) {
        self.sources.entry(source.to_owned()).or_default().counts.closed += more;
    }
}

impl Tally {
    fn of(&mut self, state: &Short) -> &mut u64 {
        match state {
            Short::Waiting { .. } => &mut self.waiting,
            Short::Sending { .. } => &mut self.sending,
            Short::Delivered { .. } => &mut self.delivered,
            Short::Superseded { .. } => &mut self.superseded,
            Short::Parked { kind, .. } if kind.needs_a_person() => &mut self.parked,
            Short::Parked { .. } => &mut self.dropped,
        }
    }
}
