//! What the agent does for itself: looks after the room on the disk, lets go of what was kept long enough, writes down how
//! things are.
//!
//! What stays true: only what has come to its end is let go, and only after the journal tells its receipts. What cannot be done
//! now is tried again, and stops nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch as signal;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use vhr_core::id::ExportId;
use vhr_core::record::VisitKey;
use vhr_core::time::Timestamp;

use super::{Agent, Error, StepError, mend};
use crate::disk::{self, Room};
use crate::{clock, control, report, spool, verify};

/// How often the disk is looked at, and the status written down for when the service does not run.
const LOOK: Duration = Duration::from_secs(30);
/// How often what was kept long enough is let go.
const TIDY: Duration = Duration::from_secs(10 * 60);
/// Not in the first moments, when there is most to do.
const FIRST_TIDY: Duration = Duration::from_secs(60);
/// With the disk full, what has ended is let go before its time, so many exports between two looks at the disk.
const AT_ONCE: usize = 50;

/// A clock that shows less is wrong: this was written later. Milliseconds since 1970.
const EARLIEST: i64 = 1_790_000_000_000;
/// The clock is believed when it went with the machine's own for so long.
const STEADY: Duration = Duration::from_secs(24 * 60 * 60);
/// Within this much.
const DRIFT: Duration = Duration::from_secs(60 * 60);

/// When the service began, by the machine's own clock and by the one that people set.
#[derive(Debug, Clone, Copy)]
struct Began {
    at: Instant,
    by_the_clock: Timestamp,
}

impl Began {
    fn is_steady(self, now: Timestamp) -> bool {
        let (real, shown) = (self.at.elapsed(), now.since(self.by_the_clock));
        real >= STEADY && shown.abs_diff(real) < DRIFT
    }
}

/// Goes on until the service stops.
pub(super) async fn upkeep(agent: Arc<Agent>, mut stop: signal::Receiver<bool>) -> Result<(), Error> {
    let mut next_tidy = Instant::now() + FIRST_TIDY;
    let began = Began {
        at: Instant::now(),
        by_the_clock: clock::now(),
    };
    loop {
        disk::keep_ballast(&agent.config.storage.dir);
        let room = agent.has_room_again();
        control::write_snapshot(&agent, true);
        if let Err(e) = agent.queue.snapshot(false).await {
            tracing::warn!(why = report::chain(&e), "no snapshot of the queue could be taken");
        }
        let look = Instant::now() + LOOK;
        tokio::select! {
            () = sleep_until(look.min(next_tidy)) => {}
            // Once for each look: letting go takes the disk too.
            () = agent.pressed.notified(), if room => next_tidy = Instant::now(),
            _ = stop.changed() => break,
        }
        if Instant::now() >= next_tidy || agent.is_paused() {
            let tidying = Arc::clone(&agent);
            // Not cut off in the middle of a step when the service stops.
            let tidying = tokio::spawn(async move { tidy(&tidying, began.is_steady(clock::now())).await });
            tokio::select! {
                _ = tidying => {}
                _ = stop.changed() => break,
            }
            next_tidy = Instant::now() + TIDY;
        }
    }
    control::write_snapshot(&agent, false);
    Ok(())
}

/// Lets go of what was kept long enough, and of old files of the journal; when the disk is full, of what has ended before its
/// time, the oldest first.
///
/// `steady`: the clock was right for long; only then are receipts forgotten whose time is over.
pub(super) async fn tidy(agent: &Arc<Agent>, steady: bool) {
    if let Err(e) = try_tidy(agent, steady).await {
        tracing::warn!(why = report::chain(&e), "what was kept long enough could not be let go");
        agent.doubt(e);
    }
}

async fn try_tidy(agent: &Arc<Agent>, steady: bool) -> Result<(), StepError> {
    let _alone = verify::ALONE.lock().await;
    let (now, storage) = (clock::now(), &agent.config.storage);
    if now < Timestamp::from_millis(EARLIEST) {
        return Ok(());
    }
    let mut gone = 0;
    for export in agent.queue.resting(now.minus(storage.keep))? {
        gone += usize::from(let_go(agent, export, now).await?);
    }
    if agent.is_paused() {
        let early = agent.queue.resting(now)?;
        for some in early.chunks(AT_ONCE) {
            if agent.has_room_again() {
                break;
            }
            for export in some {
                gone += usize::from(let_go(agent, *export, now).await?);
            }
        }
    }
    spool::forget_derived(&storage.dir, now.minus(storage.keep));
    let receipts = if steady { storage.receipts } else { Duration::MAX };
    while agent.queue.compact(receipts, now).await?.is_some() {}
    if gone > 0 {
        tracing::info!(exports = gone, "let go, their receipts are kept");
    }
    Ok(())
}

/// Lets go of the copy and the batch of an export that has ended.
async fn let_go(agent: &Arc<Agent>, export: ExportId, now: Timestamp) -> Result<bool, StepError> {
    // The receipts are to tell whose they are, and the batch does.
    let (mut keys, whole) = keys_of(agent, export).await?;
    if !whole {
        match mend::mend(agent, export, now).await {
            Ok(_) => keys = keys_of(agent, export).await?.0,
            Err(e) => {
                tracing::warn!(
                    export = export.short(),
                    why = report::chain(&e),
                    "a damaged export was not mended"
                );
            }
        }
    }
    let released = agent.queue.let_go(export, &keys, now).await?;
    if released {
        agent.spool.remove(export)?;
    }
    Ok(released)
}

/// Whose visits the records of a batch are, by their places in the export, and whether all of it read.
async fn keys_of(agent: &Agent, export: ExportId) -> Result<(HashMap<u32, VisitKey>, bool), StepError> {
    let spool = agent.spool.clone();
    let read = spawn_blocking(move || {
        let mut keys = HashMap::new();
        let Ok((mut batch, index)) = spool.batch(export).and_then(|mut batch| {
            let index = batch.index()?;
            Ok((batch, index))
        }) else {
            return (keys, false);
        };
        let mut whole = true;
        for row in &index.mapped {
            match batch.record(row.record, row.offset, row.length) {
                Ok(record) => drop(keys.insert(row.seq, record.head.key)),
                Err(_) => whole = false,
            }
        }
        (keys, whole)
    });
    read.await.map_err(|_| StepError::Panic)
}

/// How the queue stands at the end, so that the next start has nothing to catch up with. It can do without.
pub(super) async fn last_snapshot(agent: &Agent) {
    if let Err(e) = agent.queue.snapshot(true).await {
        tracing::warn!(why = report::chain(&e), "no last snapshot of the queue could be taken");
    }
}

impl Agent {
    /// Whether there is room on the disk to take in a file of this size.
    pub(super) fn has_room(&self, size: u64) -> bool {
        let Some(room) = Room::of(&self.config.storage.dir) else {
            return true;
        };
        let mut paused = self.paused.lock().expect("nothing panics while holding it");
        let fits = !room.pauses(paused.is_some()) && room.fits(size);
        if fits != paused.is_none() {
            self.outages.intake_paused(!fits);
            if fits {
                tracing::info!(free = room.free, "there is room again: taking in goes on");
            } else {
                tracing::warn!(
                    free = room.free,
                    "the disk is full: nothing more is taken in, sending goes on"
                );
            }
        }
        *paused = (!fits).then_some(size);
        if !fits {
            self.pressed.notify_one();
        }
        fits
    }

    /// Whether there is room for what found none the last time.
    fn has_room_again(&self) -> bool {
        let wanted = *self.paused.lock().expect("nothing panics while holding it");
        self.has_room(wanted.unwrap_or(0))
    }

    /// Whether nothing is taken in because the disk is full.
    pub fn is_paused(&self) -> bool {
        self.paused.lock().expect("nothing panics while holding it").is_some()
    }
}
