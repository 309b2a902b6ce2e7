//! What was damaged on the disk is set aside, exactly what was hit, and made anew where that can be done: a batch from the
//! copy of its export, a copy from the source file where that is still there, an entry of the journal from the copy.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch as signal;
use tokio::task::spawn_blocking;
use vhr_core::delivery::{InDoubt, ReasonKind, State};
use vhr_core::id::ExportId;
use vhr_core::said;
use vhr_core::time::Timestamp;

use super::{Agent, Error, StepError};
use crate::queue::{Begin, Destination};
use crate::spool::{self, Index, Part, RecordRow};
use crate::{clock, map, report};

/// An export that is damaged again and again is mended so many times in one run.
const MENDED_AT_MOST: u32 = 3;

/// What became of a damaged export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mended {
    /// All of it reads again.
    Whole,
    /// The copy of the source file is lost. It is made anew when the same file is seen again.
    NoCopy,
}

/// Mends what did not read, as it is told.
pub(super) async fn mending(agent: Arc<Agent>, mut stop: signal::Receiver<bool>) -> Result<(), Error> {
    let mut tried = HashMap::new();
    loop {
        tokio::select! {
            () = agent.queue.hurt_bell.notified() => {}
            _ = stop.changed() => return Ok(()),
        }
        mend_all(&agent, &mut tried).await;
    }
}

/// Mends the exports of which something did not read; says how many deliveries go on. A disk that damages whatever is written
/// to it is not written to for ever.
pub(super) async fn mend_all(agent: &Arc<Agent>, tried: &mut HashMap<ExportId, u32>) -> usize {
    let mut go_on = 0;
    for export in agent.queue.take_hurt() {
        let times = tried.entry(export).or_default();
        *times += 1;
        if *times > MENDED_AT_MOST {
            continue;
        }
        let now = clock::now();
        let mended = match mend(agent, export, now).await {
            Ok(Mended::Whole) => agent.queue.mended(export, now).await.map_err(StepError::Queue),
            Ok(Mended::NoCopy) => Ok(0),
            Err(e) => Err(e),
        };
        match mended {
            Ok(mended) => go_on += mended,
            Err(e) => tracing::warn!(
                export = export.short(),
                why = report::chain(&e),
                "a damaged export was not mended"
            ),
        }
    }
    go_on
}

/// At start: sets aside what does not belong into the spool, and takes in again every copy that the journal does not know.
///
/// # Errors
/// When the spool cannot be listed.
pub(super) async fn orphans(agent: &Arc<Agent>) -> Result<(), Error> {
    let now = clock::now();
    let (copies, mut foreign) = agent.spool.list(Part::In)?;
    let (batches, also_foreign) = agent.spool.list(Part::Out)?;
    foreign.extend(also_foreign);
    for path in foreign {
        set_foreign_aside(agent, &path, now);
    }
    for export in batches {
        // Without entry and without copy nobody knows what it was of.
        if agent.queue.counts(export)?.is_none() && !agent.spool.has(Part::In, export) {
            let why = "neither the journal nor a copy of the export tells what this batch is of";
            told(agent.spool.set_aside(Part::Out, export, why, now));
        }
    }
    for export in copies {
        if agent.queue.counts(export)?.is_some() {
            // Let go, and stopped before its files were gone.
            if agent.queue.is_released(export)? {
                agent.spool.remove(export)?;
            }
            continue;
        }
        match take_in_again(agent, export, now).await {
            Ok(true) => tracing::warn!(
                export = export.short(),
                "a copy the journal did not know was taken in again"
            ),
            Ok(false) => {}
            Err(e) => tracing::warn!(
                export = export.short(),
                why = report::chain(&e),
                "a copy the journal does not know was not taken in; it is tried again at the next start"
            ),
        }
    }
    Ok(())
}

/// A copy whose entry is missing: of an interrupted acceptance, or the entry was damaged.
async fn take_in_again(agent: &Arc<Agent>, export: ExportId, now: Timestamp) -> Result<bool, StepError> {
    let spool = agent.spool.clone();
    let checked = spawn_blocking(move || spool.check_export(export)).await;
    let head = match checked.map_err(|_| StepError::Panic)? {
        Ok(head) => head,
        Err(e) if e.may_pass() => return Err(e.into()),
        Err(e) => {
            told(agent.spool.set_aside(Part::In, export, &report::chain(&e), now));
            return Ok(false);
        }
    };
    let Some(source) = agent.config.sources.iter().find(|source| source.name == head.source) else {
        let why = format!("its source {} is not configured any more", head.source);
        told(agent.spool.set_aside(Part::In, export, &why, now));
        return Ok(false);
    };
    let plugin = agent.plugins[&source.plugin].clone();
    let (batch, mut destinations) = agent.map(export, plugin.clone(), now).await?;
    if agent.queue.may_have_been_sent(export, true) {
        leave_doubt(agent, &mut destinations, now);
    }
    let plugin = Some(map::plugin_ref(&plugin));
    agent
        .queue
        .accept(export, &source.name, plugin, &batch, &destinations, now)
        .await?;
    Ok(true)
}

/// Where sending twice does harm, a person is asked first.
pub(super) fn leave_doubt(agent: &Agent, destinations: &mut [Destination], now: Timestamp) {
    for (endpoint, destination) in agent.config.lines().iter().zip(destinations) {
        if endpoint.in_doubt == InDoubt::Resend {
            continue;
        }
        for first in destination.first.iter_mut().filter_map(Begin::state) {
            if let State::Waiting { .. } = first {
                let text = said!(
                    "nhật ký hỏng, không còn biết hồ sơ này đã gửi hay chưa",
                    "the journal is damaged and does not tell any more whether this was sent"
                );
                *first = State::park(ReasonKind::InDoubt, text.to_string(), now);
            }
        }
    }
}

/// Whether all that is on the disk of an export reads, or cannot be read only now.
///
/// # Errors
/// When something panics on it.
pub(super) async fn reads(agent: &Arc<Agent>, export: ExportId) -> Result<bool, StepError> {
    let (copy, batch) = look(agent, export, Vec::new()).await?;
    let hurt = |part: Result<(), spool::Error>| part.is_err_and(|e| !e.may_pass());
    Ok(!hurt(copy) && !hurt(batch))
}

/// Reads the copy and the batch of an export, each to its end, and the batch where its rows say that it lies.
async fn look(
    agent: &Arc<Agent>,
    export: ExportId,
    rows: Vec<RecordRow>,
) -> Result<(Result<(), spool::Error>, Result<(), spool::Error>), StepError> {
    let spool = agent.spool.clone();
    let looked = spawn_blocking(move || {
        let copy = spool.check_export(export).map(drop);
        let batch = spool.batch(export).and_then(|mut batch| {
            let all = batch.index()?.mapped;
            all.iter()
                .chain(&rows)
                .try_for_each(|row| batch.record(row.record, row.offset, row.length).map(drop))
        });
        (copy, batch)
    });
    looked.await.map_err(|_| StepError::Panic)
}

/// Looks at what is on the disk of an export of which something did not read, and mends it.
///
/// # Errors
/// When the system stands in the way; it may be tried again.
pub(super) async fn mend(agent: &Arc<Agent>, export: ExportId, now: Timestamp) -> Result<Mended, StepError> {
    let (copy, batch) = look(agent, export, agent.queue.live_rows(export)).await?;
    let has_copy = copy.is_ok();
    if let Err(e) = copy {
        set_part_aside(agent, Part::In, export, e, now)?;
        // The file itself may still be there: it is looked at again, and its copy made anew.
        agent.queue.forget_seen(export)?;
    }
    if let Err(e) = batch {
        set_part_aside(agent, Part::Out, export, e, now)?;
        if !has_copy {
            return Ok(Mended::NoCopy);
        }
        let index = map_again(agent, export, now).await?;
        agent.queue.moved(export, &index.mapped, now).await?;
    }
    Ok(if has_copy { Mended::Whole } else { Mended::NoCopy })
}

async fn map_again(agent: &Arc<Agent>, export: ExportId, now: Timestamp) -> Result<Index, StepError> {
    let (head, _) = agent.spool.export(export)?;
    let source = agent.config.sources.iter().find(|source| source.name == head.source);
    // A source that is not configured any more leaves its plugin behind if another uses it.
    let plugin = source
        .and_then(|source| agent.plugins.get(&source.plugin))
        .or_else(|| agent.plugins.values().next());
    let plugin = plugin.ok_or(StepError::NoPlugin)?.clone();
    Ok(agent.map(export, plugin, now).await?.0)
}

/// What only could not be read now is left where it is.
fn set_part_aside(
    agent: &Agent,
    part: Part,
    export: ExportId,
    why: spool::Error,
    now: Timestamp,
) -> Result<(), StepError> {
    if why.may_pass() {
        return Err(why.into());
    }
    if agent.spool.has(part, export) {
        told(agent.spool.set_aside(part, export, &report::chain(&why), now));
    }
    Ok(())
}

fn set_foreign_aside(agent: &Agent, path: &Path, now: Timestamp) {
    let state = &agent.config.storage.dir;
    told(spool::quarantine(
        state,
        path,
        "foreign",
        "it is not a file of this agent",
        now,
    ));
}

/// What cannot be moved stays: it harms nobody there.
fn told(moved: Result<(), spool::Error>) {
    if let Err(e) = moved {
        tracing::warn!(why = report::chain(&e), "could not be set aside");
    }
}
