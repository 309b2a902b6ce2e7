//! Reads through what is kept, a little at a time, so that damage shows while the copy or the source file can still mend it,
//! and not on the day somebody asks for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch as signal;
use tokio::task::spawn_blocking;
use vhr_core::id::ExportId;

use super::{Agent, Error, StepError, mend};
use crate::report;
use crate::spool::Part;

/// Between two rounds: a spool of 10 GB is read through in two and a half days.
const PAUSE: Duration = Duration::from_secs(10 * 60);

/// So much of the spool is read in one round, bytes.
const A_ROUND: u64 = 32 << 20;

/// Goes on until the service stops.
pub(super) async fn scrubbing(agent: Arc<Agent>, mut stop: signal::Receiver<bool>) -> Result<(), Error> {
    let mut scrub = Scrub::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stop.changed() => return Ok(()),
        }
        tokio::select! {
            () = scrub.round(&agent) => {}
            _ = stop.changed() => return Ok(()),
        }
    }
}

/// How far it has come.
#[derive(Debug)]
pub(super) struct Scrub {
    after: ExportId,
}

impl Scrub {
    /// Begins anywhere: whoever only ever makes one round has seen everything after some.
    pub(super) fn new() -> Self {
        Self {
            after: ExportId::from_bytes(std::array::from_fn(|_| fastrand::u8(..))),
        }
    }

    /// One round. What does not read is told to the queue, which has it mended.
    pub(super) async fn round(&mut self, agent: &Arc<Agent>) {
        if let Err(e) = self.try_round(agent).await {
            tracing::warn!(why = report::chain(&e), "what is kept could not be read through");
        }
    }

    async fn try_round(&mut self, agent: &Arc<Agent>) -> Result<(), StepError> {
        let spool = agent.spool.clone();
        let copies = spawn_blocking(move || spool.list(Part::In)).await;
        let (mut all, _) = copies.map_err(|_| StepError::Panic)??;
        all.sort_unstable();
        let next = all.partition_point(|export| *export <= self.after);
        all.rotate_left(next);
        let mut read = 0;
        for export in all {
            if read >= A_ROUND {
                break;
            }
            self.after = export;
            read += agent.spool.size(export);
            let known = agent.queue.counts(export)?.is_some() && !agent.queue.is_released(export)?;
            if known && !mend::reads(agent, export).await? {
                agent.queue.hurt(export);
            }
        }
        Ok(())
    }
}
