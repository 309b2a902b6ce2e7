//! How many stand where: kept in memory, counted at start.

use std::collections::BTreeMap;

use vhr_core::delivery::State;
use vhr_core::id::EndpointId;
use vhr_core::time::Timestamp;

/// All tallies.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub(super) endpoints: BTreeMap<EndpointId, Tally>,
    pub(super) sources: BTreeMap<String, SourceTally>,
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
    /// What was set aside or refused and a person has dealt with.
    pub closed: u64,
}

impl Tally {
    pub(super) fn of(&mut self, state: &State) -> &mut u64 {
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
