//! Files are taken in side by side and accepted in their order.

use std::sync::Arc;

use tokio::sync::{oneshot, watch as signal};
use tokio::task::{JoinError, JoinSet};
use vhr_core::config::Source;

use super::{Agent, TakenIn, take_in};
use crate::report;
use crate::watch::Found;

/// Files of one source taken in side by side: enough to hide the waiting for the disk, whose syncs they share.
const SIDE_BY_SIDE: usize = 8;
/// They are together no larger than this, bytes, unless a single one is.
const TOGETHER: u64 = 16 * 1024 * 1024;
/// Takes in files, a few side by side, and has them accepted in their order: of two versions of a visit the later is the
/// newer. Says how many are not dealt with.
pub(super) async fn take_in_all(
    agent: &Arc<Agent>,
    source: &Source,
    files: Vec<Found>,
    stop: &signal::Receiver<bool>,
) -> u64 {
    let mut steps = JoinSet::new();
    let (mut undone, mut together) = (0, 0);
    let mut before = None;
    for found in files {
        if *stop.borrow() {
            break;
        }
        // It stays where it is, and comes up again at the next look.
        if !agent.has_room(found.look.size) {
            undone += 1;
            continue;
        }
        let size = found.look.size;
        while steps.len() >= SIDE_BY_SIDE || (!steps.is_empty() && together + size > TOGETHER) {
            let (done, size) = ended(steps.join_next().await);
            undone += u64::from(!done);
            together -= size;
        }
        together += size;
        let (done, next) = oneshot::channel();
        let turn = Turn {
            before: before.replace(next),
            _done: done,
        };
        let (agent, source) = (Arc::clone(agent), source.clone());
        // A panic is a bug of ours; the others go on.
        let step = tokio::spawn(async move { step(&agent, &source, &found, turn).await });
        steps.spawn(async move { (step.await.unwrap_or(false), size) });
    }
    while !steps.is_empty() {
        undone += u64::from(!ended(steps.join_next().await).0);
    }
    undone
}

/// Whether a file was dealt with, and its size.
fn ended(step: Option<Result<(bool, u64), JoinError>>) -> (bool, u64) {
    step.and_then(Result::ok).unwrap_or_default()
}

/// A place in the order in which files are accepted.
#[derive(Debug)]
pub struct Turn {
    before: Option<oneshot::Receiver<()>>,
    /// Dropped when the file is dealt with, however it ended: then it is the next one's turn.
    _done: oneshot::Sender<()>,
}

impl Turn {
    /// Waits until all before it are dealt with.
    pub(super) async fn comes(&mut self) {
        if let Some(before) = self.before.take() {
            // Nothing is ever sent: that the other end is gone is the message.
            let _ = before.await;
        }
    }
}

/// Takes in one file; one bad file never stops the others. Says whether it is dealt with.
async fn step(agent: &Arc<Agent>, source: &Source, found: &Found, turn: Turn) -> bool {
    match take_in(agent, source, found, turn).await {
        Ok(TakenIn::NotYet) => false,
        Ok(TakenIn::Known | TakenIn::Accepted) => true,
        Err(e) => {
            // The name may hold a patient's: the size has to do.
            tracing::warn!(
                source = source.name,
                bytes = found.look.size,
                why = report::chain(&e),
                "a file was not taken in; it is tried again"
            );
            agent.doubt(e);
            false
        }
    }
}
