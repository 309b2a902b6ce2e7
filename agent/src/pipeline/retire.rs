//! The source file of an accepted export goes: archived or deleted, as configured.
//!
//! What stays true: it goes only after the export was accepted, and only while it is still the file that was accepted. What
//! cannot go is told, stays accepted, and is tried again at each look.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use vhr_core::config::Source;
use vhr_core::id::ExportId;
use vhr_core::time::Timestamp;

use super::{Agent, StepError};
use crate::watch::{Found, PATIENCE, patiently};
use crate::{clock, intake, report};

/// Retires files that were accepted at an earlier look and could not go then: no right to, a share that was gone. The first
/// that still cannot go stands for all.
pub(super) async fn retire_left(agent: &Arc<Agent>, source: &Source, left: &[Found]) -> Result<(), StepError> {
    for found in left {
        let Some((_, _, export)) = agent.queue.seen(&agent.path_digest(&found.path))? else {
            continue;
        };
        let whole = agent
            .queue
            .counts(export)?
            .is_some_and(|counts| counts.files_set_aside == 0);
        if whole && !agent.retire(source, found, export, clock::now()).await? {
            return Ok(());
        }
    }
    agent.set_unretired(&source.name, None);
    Ok(())
}

impl Agent {
    /// Archives or deletes an accepted file, as configured. Says whether it need not be tried again; if not, that is told.
    pub(super) async fn retire(
        self: &Arc<Self>,
        source: &Source,
        found: &Found,
        export: ExportId,
        now: Timestamp,
    ) -> Result<bool, StepError> {
        let (of, what) = (source.clone(), found.clone());
        let retiring = spawn_blocking(move || intake::retire(&of, &what.path, what.look));
        let retired = patiently(&self.sight(&source.name), &source.path, PATIENCE, retiring).await;
        match retired.map_err(|_| StepError::Panic)? {
            Ok(true) => {
                self.queue.retired(export, now).await?;
                // Another file may come under this name.
                self.queue.forget_path(&self.path_digest(&found.path))?;
            }
            Ok(false) => {}
            Err(e) => {
                let why = report::chain(&e);
                if self.set_unretired(&source.name, Some(intake::unretired(source, &why))) {
                    tracing::warn!(source = source.name, why, "accepted, but still in the folder");
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Says whether that is news.
    fn set_unretired(&self, source: &str, why: Option<String>) -> bool {
        let sights = self.sights.lock().expect("nothing panics while holding it");
        let sight = sights
            .get(source)
            .map(|sight| sight.lock().expect("nothing panics while holding it"));
        sight.is_some_and(|mut sight| sight.set_unretired(why))
    }
}
