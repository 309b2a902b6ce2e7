//! Two visits whose claims say the same (`vhr_core::twin`): one of them goes, and the other waits for a person.
//!
//! What stays true: a claim is held only for one of another visit that went to the same endpoint, may have gone, or waits for
//! it, and never where its own visit went there saying the same: that one then takes its own place. Where the other is superseded
//! later on, by a version that says otherwise, what was held for it stays held: a person looks at it anyway.

use std::collections::{HashMap, HashSet};

use vhr_core::delivery::{Reason, ReasonKind, State};
use vhr_core::id::{DeliveryId, EndpointId, ExportId, RecordId};
use vhr_core::said;
use vhr_core::time::Timestamp;
use vhr_core::twin::{self, near};

use super::rows::Short;
use super::{Error, Queue};
use crate::spool::RecordRow;

/// A claim that says the same as a new one.
#[derive(Debug)]
struct Same {
    visit: [u8; 16],
    stands: Stands,
    record: RecordId,
    export: ExportId,
    seq: u32,
}

/// Where a claim stands, as far as it matters to its twins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// It is there, may be there, or goes there without anybody's doing.
    Goes,
    /// It waits for a person, for another reason than this.
    Held,
}

impl Stands {
    /// None: nothing of it is there or will be, as far as anybody knows.
    fn of(state: &Short) -> Option<Self> {
        match state {
            Short::Waiting { .. } | Short::Sending { .. } | Short::Delivered { .. } => Some(Self::Goes),
            Short::Superseded { .. } => None,
            Short::Parked { kind, .. } => match kind {
                ReasonKind::InDoubt | ReasonKind::KeepsFailing => Some(Self::Goes),
                ReasonKind::Rules | ReasonKind::Unsigned | ReasonKind::SignedSeveral | ReasonKind::Damaged => {
                    Some(Self::Held)
                }
                // Two that are held each for the other would leave none to go. And no claim waits for a Bundle.
                ReasonKind::Twice
                | ReasonKind::Refused
                | ReasonKind::TooLarge
                | ReasonKind::Dropped
                | ReasonKind::NoBundle => None,
            },
        }
    }
}

/// What the export that is being accepted brings about at one endpoint: no index has it yet.
#[derive(Debug)]
pub(super) struct Begun<'r> {
    export: ExportId,
    /// What begins to go there, by what it says.
    claims: HashMap<[u8; 16], Vec<(&'r RecordRow, Stands)>>,
    superseded: HashSet<RecordId>,
}

impl<'r> Begun<'r> {
    pub(super) fn of(export: ExportId) -> Self {
        Self {
            export,
            claims: HashMap::new(),
            superseded: HashSet::new(),
        }
    }

    /// A record begins to go there, in this state.
    pub(super) fn begins(&mut self, row: &'r RecordRow, state: &State) {
        if let Some(twin) = &row.twin
            && let Some(stands) = Stands::of(&Short::from(state))
        {
            self.claims.entry(twin.same).or_default().push((row, stands));
        }
    }

    /// These will not go there any more.
    pub(super) fn supersedes(&mut self, older: &[DeliveryId]) {
        self.superseded.extend(older.iter().map(|id| id.record));
    }
}

impl Queue {
    /// In which state the claim of a record begins at an endpoint: as decided, or held, where another visit's says the same.
    pub(super) fn first_of_twins(
        &self,
        endpoint: &EndpointId,
        row: &RecordRow,
        begun: &Begun<'_>,
        first: &State,
        now: Timestamp,
    ) -> Result<State, Error> {
        let (State::Waiting { .. }
        | State::Parked(Reason {
            kind: ReasonKind::Rules,
            ..
        })) = first
        else {
            // It cannot go anyway; corrected or signed, it is looked at again.
            return Ok(first.clone());
        };
        let same = self.saying_the_same(endpoint, row, begun)?;
        let own = |same: &&Same| same.visit == row.visit;
        if same.iter().filter(own).any(|own| own.stands == Stands::Goes) {
            return Ok(first.clone());
        }
        let other = same.iter().find(|same| !own(same));
        Ok(other.map_or_else(|| first.clone(), |other| held(first, other, now)))
    }

    /// Every claim that says the same and stands at an endpoint: those of the export that is being accepted, then the newest.
    fn saying_the_same(&self, endpoint: &EndpointId, row: &RecordRow, begun: &Begun<'_>) -> Result<Vec<Same>, Error> {
        let Some(twin) = &row.twin else { return Ok(Vec::new()) };
        let is_near = |other: &RecordRow| other.twin.is_some_and(|other| near(other.amounts, twin.amounts));
        // Of its own visit, what it takes the place of is what it goes for.
        let is_over = |other: &RecordRow| other.visit != row.visit && begun.superseded.contains(&other.record);
        let here = begun.claims.get(&twin.same).into_iter().flatten();
        let mut found: Vec<Same> = here
            .filter(|(other, _)| is_near(other) && !is_over(other))
            .map(|(other, stands)| same(other, begun.export, *stands))
            .collect();
        let mut known = Vec::new();
        {
            let live = self.lock_live();
            for (order, record, state) in live.saying(endpoint, &twin.same).rev() {
                if let Some(stands) = Stands::of(state).filter(|_| !is_over(&record.row) && is_near(&record.row)) {
                    known.push((order, same(&record.row, record.export.id, stands)));
                }
            }
        }
        for claimed in self.history.claimed(&twin.same) {
            let claimed = claimed?;
            // What is sent once more is live: where it stands there counts.
            let is_live = self.lock_live().order(claimed.record).is_some();
            if !is_live && claimed.at.contains(endpoint) && near(claimed.amounts, twin.amounts) {
                known.push((
                    claimed.order,
                    Same {
                        visit: claimed.visit,
                        stands: Stands::Goes,
                        record: claimed.record,
                        export: claimed.export,
                        seq: claimed.seq,
                    },
                ));
            }
        }
        known.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
        for (order, same) in known {
            if !self.was_replaced(endpoint, &same.visit, order)? {
                found.push(same);
            }
        }
        Ok(found)
    }

    /// Whether the newest version of a visit arrived at an endpoint, and took the place there of the one of this order.
    fn was_replaced(&self, endpoint: &EndpointId, visit: &[u8; 16], order: u64) -> Result<bool, Error> {
        let arrived = |state: &Short| matches!(state, Short::Delivered { .. });
        let live = {
            let live = self.lock_live();
            let newest = live.of_visit(endpoint, visit).next_back();
            newest.map(|(order, _, state)| (order, arrived(state)))
        };
        let ended = self.history.newest(endpoint, visit)?;
        let ended = ended.map(|newest| (newest.order, newest.delivered));
        // What is sent once more is in both: where it stands now counts.
        let newest = ended.into_iter().chain(live).max_by_key(|(order, _)| *order);
        Ok(newest.is_some_and(|(newest, arrived)| newest > order && arrived))
    }
}

fn same(row: &RecordRow, export: ExportId, stands: Stands) -> Same {
    Same {
        visit: row.visit,
        stands,
        record: row.record,
        export,
        seq: row.seq,
    }
}

/// Held for what else holds it, and for its twin. What to do comes first: lists show no more of it.
fn held(first: &State, other: &Same, now: Timestamp) -> State {
    let (rule, record, export, seq) = (twin::RULE, other.record.short(), other.export.short(), other.seq);
    let why = said!(
        "Mã 61: trùng hồ sơ {record}. Một lượt khám, hai MA_LK: `queue drop`; hai lượt thật: `queue retry`. [{rule}] Cùng thẻ, tên, giờ vào \
         ra, bệnh, kỳ và số tiền với {export}#{seq}, đã gửi hoặc đang chờ.",
        "Code 61: repeats record {record}. One visit under two MA_LK: `queue drop` this one; really two: `queue retry`. [{rule}] Same card, \
         name, times, disease, period and amounts as {export}#{seq}, which went or waits."
    );
    // What breaks a rule is wrong whosever twin it is: told first, lest it be sent as it stands.
    let text = match first {
        State::Parked(also) => format!("{} {why}", also.text),
        _ => why.to_string(),
    };
    State::park(ReasonKind::Twice, text, now)
}
