//! The journal made smaller: a file of which little is needed any more is let go, after what is needed was written down again.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

use vhr_core::delivery::State;
use vhr_core::id::{ExportId, RecordId};
use vhr_core::time::Timestamp;

use super::{Error, Queue, snapshot};
use crate::journal::{self, Entry, Placed, Position, Sync};
use crate::spool::disk_full;

/// A file is let go when no more than one byte in so many of it is still needed.
const NEEDED: u64 = 2;
/// A file of which more is needed is looked at again after this time.
const AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// What was found when a file of the journal was last looked at: when, and that not enough of it could go.
pub(super) type Looked = HashMap<u32, Timestamp>;

/// What a file of the journal holds.
#[derive(Debug, Default)]
struct Held {
    bytes: u64,
    needed_bytes: u64,
    /// Exports of which it tells something that is told nowhere later.
    exports: BTreeSet<ExportId>,
    /// Entries that are of no export.
    entries: Vec<Entry>,
    expired: Vec<ExportId>,
    damaged: bool,
}

impl Queue {
    /// Lets go of the oldest file of the journal of which little is needed any more; receipts are needed for as long as
    /// `receipts` says. Gives the bytes that came free; none: there is no such file.
    ///
    /// # Errors
    /// When what is needed could not be written again; then the file stays.
    pub async fn compact(&self, receipts: Duration, now: Timestamp) -> Result<Option<u64>, Error> {
        for segment in self.journal.finished()? {
            let looked = self.lock_looked().get(&segment).copied();
            if looked.is_some_and(|at| at <= now && at.plus(AGAIN) > now) {
                continue;
            }
            let held = self.held(segment, receipts, now)?;
            // What does not read may be what somebody could still read one day.
            if held.damaged || held.needed_bytes * NEEDED > held.bytes {
                self.lock_looked().insert(segment, now);
                continue;
            }
            return self.remove_file(segment, held).await;
        }
        Ok(None)
    }

    fn held(&self, segment: u32, receipts: Duration, now: Timestamp) -> Result<Held, Error> {
        let expired = |released: Option<Timestamp>| released.is_some_and(|at| at.plus(receipts) <= now);
        let mut held = Held::default();
        for placed in self.journal.entries_of(segment)? {
            let Placed { at, end, entry } = match placed {
                Ok(placed) => placed,
                Err(journal::Error::Damaged(_)) => {
                    held.damaged = true;
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            let size = u64::from(end.offset - at.offset);
            held.bytes += size;
            let mut needed = BTreeSet::new();
            match &entry {
                Entry::Accepted(accepted) => {
                    needed.extend(self.told_last(accepted.export, at)?);
                    for (id, _) in &accepted.superseded {
                        needed.extend(self.needed_of(id.record, at)?);
                    }
                }
                Entry::Step { delivery, state, .. } => {
                    // Of an export whose own entry was lost: nothing else tells of it.
                    held.damaged |= self.lock_unknown().contains_key(delivery) && matches!(state, State::Delivered(_));
                    needed.extend(self.needed_of(delivery.record, at)?);
                }
                Entry::Moved { export, .. } | Entry::Closed { export, .. } => {
                    needed.extend(self.told_last(*export, at)?);
                }
                Entry::Standing(standing) if expired(standing.released) => {
                    if self.told_last(standing.export, at)?.is_some() {
                        held.expired.push(standing.export);
                    }
                }
                Entry::Standing(standing) => needed.extend(self.told_last(standing.export, at)?),
                // The end of an outage tells its begin, too.
                Entry::Outage(outage) => {
                    if outage.to.is_some_and(|to| to.plus(receipts) > now) {
                        held.needed_bytes += size;
                        held.entries.push(entry);
                    }
                    continue;
                }
                Entry::Retired { .. } => {}
            }
            if !needed.is_empty() {
                held.needed_bytes += size;
                held.exports.extend(needed);
            }
        }
        Ok(held)
    }

    /// The export, where no later entry tells it whole.
    fn told_last(&self, export: ExportId, at: Position) -> Result<Option<ExportId>, Error> {
        let row = self.history.export(export)?;
        Ok(row.filter(|row| row.position <= at).map(|_| export))
    }

    /// The same by a record; what is not known of was let go.
    fn needed_of(&self, record: RecordId, at: Position) -> Result<Option<ExportId>, Error> {
        match self.place(record)? {
            Some(place) => self.told_last(place.export, at),
            None => Ok(None),
        }
    }

    /// Writes down again what is needed of a file, and removes it. What has expired is forgotten.
    async fn remove_file(&self, segment: u32, held: Held) -> Result<Option<u64>, Error> {
        for export in held.exports {
            let _alone = self.changes.write().await;
            if let Some(standing) = self.standing(export)? {
                self.append(vec![Entry::Standing(standing)], Sync::Now).await?;
            }
        }
        self.write(held.entries, Sync::Now).await?;
        for export in held.expired {
            self.forget(export)?;
        }
        if !self.only_one_snapshot().await? {
            return Ok(None);
        }
        let freed = self.journal.remove(segment)?;
        self.lock_looked().remove(&segment);
        tracing::info!(segment, freed, "a file of the journal was let go");
        Ok(Some(freed))
    }

    /// Sees to it that no start goes on from before now. Says whether that was possible.
    pub(super) async fn only_one_snapshot(&self) -> Result<bool, Error> {
        self.came_back.store(false, Ordering::SeqCst);
        let kept = match self.snapshot_now().await {
            Ok(true) => 1,
            // A start can do without, and there is no room for one.
            Err(Error::Snapshot(e)) if disk_full(&e) => 0,
            other => {
                self.came_back.store(true, Ordering::SeqCst);
                return other;
            }
        };
        snapshot::only_newest(&self.state, kept).map_err(Error::Snapshot)?;
        Ok(true)
    }

    /// The receipts of an export were kept long enough.
    fn forget(&self, export: ExportId) -> Result<(), Error> {
        if let Some(standing) = self.standing(export)? {
            for stood in &standing.records {
                self.history.remove_newest(&stood.row.visit, stood.row.record)?;
                self.history.remove_claimed(&stood.row)?;
            }
            self.lock_tallies().forget(&standing);
        }
        Ok(self.history.remove_export(export)?)
    }
}
