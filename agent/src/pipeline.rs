//! THE STORY: watch -> intake -> map -> queue -> deliver, and how they start and stop.
//!
//! [`take_in`] is the life of one export file. The delivery half is one loop per endpoint (`deliver.rs`); the two halves meet
//! only in the queue.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch as signal};
use tokio::task::{JoinSet, spawn_blocking};
use vhr_core::config::{self, Config, Source};
use vhr_core::id::{EndpointId, ExportId};
use vhr_core::settle::Look;
use vhr_core::time::Timestamp;
use vhr_core::twin;

use crate::deliver::{Courier, Until};
use crate::desk::Desk;
use crate::digest::Keyed;
use crate::endpoint;
use crate::map::{self, Mapper, profiles};
use crate::outages::Outages;
use crate::plugin::{self, Plugin};
use crate::queue::{self, Destination, Queue, Trust};
use crate::spool::{self, Index, Part, Spool};
use crate::watch::{Found, PATIENCE, Sight, Watcher, patiently, unless_silent};
use crate::{check, clock, control, intake, memory, report, signature, state};

mod begin;
mod build;
mod mend;
mod retire;
mod scrub;
mod side;
#[cfg(test)]
mod tests;
mod upkeep;

use begin::begin;
use side::{Turn, take_in_all};

pub use build::{Store, build, build_trusting, load_plugins, newest_plugin};

/// When stopping, a file that is being taken in is given this long.
const STOPPING: Duration = Duration::from_secs(20);
/// A claim that takes longer is told as trouble: a large file over a slow line takes minutes.
const CLAIM: Duration = Duration::from_secs(10 * 60);

/// Why the agent cannot start, or has to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state folder.
    #[error(transparent)]
    State(#[from] state::Error),
    /// The spool.
    #[error("the spool cannot be used")]
    Spool(#[from] spool::Error),
    /// The queue.
    #[error("the queue cannot be used")]
    Queue(#[from] queue::Error),
    /// A plugin.
    #[error("plugin {} cannot be used", .path.display())]
    Plugin {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: plugin::Error,
    },
    /// A plugin for another kind of export.
    #[error(transparent)]
    Feed(map::Error),
    /// A plugin that the configuration names is not there.
    #[error("source {source_name}: plugin {id} is not in {}", .dir.as_ref().map_or("[plugins] dir (not configured)".into(), |dir| dir.display().to_string()))]
    NoPlugin {
        /// Which source.
        source_name: String,
        /// The plugin's id.
        id: String,
        /// Where it was looked for.
        dir: Option<PathBuf>,
    },
    /// The plugin folder cannot be listed.
    #[error("the plugin folder {} cannot be listed", .path.display())]
    Plugins {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A bug of ours: a part of the service panicked.
    #[error("a part of the service ended in a panic; please report it")]
    Panic,
    /// A profile set.
    #[error(transparent)]
    Profile(#[from] profiles::Error),
    /// The rules before sending.
    #[error(transparent)]
    Rules(#[from] check::Error),
    /// An endpoint.
    #[error(transparent)]
    Endpoint(#[from] endpoint::Error),
    /// The issuers of signing certificates.
    #[error(transparent)]
    Signature(#[from] signature::Error),
}

/// Why one file was not taken in this time. It comes up again.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Claiming or retiring it.
    #[error(transparent)]
    Intake(#[from] intake::Error),
    /// Its copy.
    #[error("the copy could not be kept")]
    Spool(#[from] spool::Error),
    /// Mapping it.
    #[error("the export could not be mapped")]
    Map(#[from] map::Error),
    /// Accepting it.
    #[error("the export could not be accepted")]
    Queue(#[from] queue::Error),
    /// No plugin is left to map with.
    #[error("no plugin is configured any more that could map it")]
    NoPlugin,
    /// A bug of ours: a step panicked.
    #[error("a step ended in a panic; please report it")]
    Panic,
}

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenIn {
    /// It changed, or went, while we looked.
    NotYet,
    /// This content was accepted before.
    Known,
    /// Accepted.
    Accepted,
}

/// All that is put together at start.
#[derive(Debug)]
pub struct Agent {
    /// What the site wants.
    pub config: Config,
    /// Since when it runs.
    pub since: Timestamp,
    /// The queue.
    pub queue: Arc<Queue>,
    /// The spool.
    pub spool: Spool,
    /// One per endpoint.
    pub couriers: Vec<Arc<Courier>>,
    /// The plugins in use, by id.
    pub plugins: BTreeMap<String, Plugin>,
    /// What is out of reach, and was.
    pub outages: Arc<Outages>,
    /// What each watcher sees, by source.
    pub sights: Mutex<BTreeMap<String, Arc<Mutex<Sight>>>>,
    /// What found no room on the disk, bytes, while nothing is taken in.
    paused: Mutex<Option<u64>>,
    /// Why nothing more can be written down, if so: everything is to be opened anew.
    broken: Mutex<Option<queue::Error>>,
    /// Rings when there is no room for what is to be taken in.
    pressed: Notify,
    mapper: Mapper,
    keyed: Keyed,
    _lock: state::Lock,
}

/// From a settled file in the watched folder to deliveries waiting in the queue.
///
/// # Errors
/// When something of ours failed, or the file cannot be read now; it is tried again at a later look.
pub async fn take_in(agent: &Arc<Agent>, source: &Source, found: &Found, mut turn: Turn) -> Result<TakenIn, StepError> {
    let now = clock::now();
    let Some(received) = agent.claim(source, found, now).await? else {
        return Ok(TakenIn::NotYet);
    };
    let export = received.export;
    let known = agent.queue.counts(export)?;
    let counts = match known {
        Some(counts) => {
            agent.restore_copy(received, now).await?;
            counts
        }
        None => {
            received.keep()?;
            let plugin = agent.plugins[&source.plugin].clone();
            // Records, refusals and what was set aside, all counted; and where each record goes.
            let (batch, mut destinations) = agent.map(export, plugin.clone(), now).await?;
            if agent.queue.may_have_been_sent(export, false) {
                mend::leave_doubt(agent, &mut destinations, now);
            }
            let plugin = Some(map::plugin_ref(&plugin));
            turn.comes().await;
            agent
                .queue
                .accept(export, &source.name, plugin, &batch, &destinations, now)
                .await? // synced before it returns
        }
    };
    agent.queue.set_seen(
        &agent.path_digest(&found.path),
        (found.look.size, found.look.modified.millis(), export),
    )?;
    // Only now may the source file go. What could not be read at all stays where a person finds it.
    if counts.files_set_aside == 0 {
        agent.retire(source, found, export, now).await?;
    }
    if known.is_some() {
        return Ok(TakenIn::Known);
    }
    tracing::info!(export = export.short(), source = source.name, ?counts, "accepted");
    Ok(TakenIn::Accepted)
}

impl Error {
    /// Whether it may be well again when everything is opened anew: the journal or the index could not be written any more.
    pub fn may_pass_anew(&self) -> bool {
        matches!(self, Self::Queue(_) | Self::Panic)
    }

    /// How far the index may be relied upon after this.
    pub fn trust_after(&self) -> Trust {
        let why = report::chain(self);
        match self {
            Self::Queue(queue::Error::Index(e)) if e.is_full() => Trust::Memory(why),
            Self::Queue(queue::Error::Index(_)) | Self::Panic => Trust::Not(why),
            _ => Trust::AsLeft,
        }
    }
}

impl Agent {
    /// What people may ask about while the service runs.
    pub fn desk(&self) -> Desk<'_> {
        Desk {
            queue: &self.queue,
            spool: &self.spool,
            config: &self.config,
            running: true,
        }
    }

    async fn claim(
        self: &Arc<Self>,
        source: &Source,
        found: &Found,
        now: Timestamp,
    ) -> Result<Option<spool::Received>, StepError> {
        let sight = self.sight(&source.name);
        let folder = source.path.clone();
        let (agent, source, found) = (Arc::clone(self), source.clone(), found.clone());
        let claiming = spawn_blocking(move || intake::claim(&agent.spool, &source, &found.path, found.look, now));
        let claimed = patiently(&sight, &folder, CLAIM, claiming).await;
        Ok(claimed.map_err(|_| StepError::Panic)??)
    }

    /// Maps a received export, and says where each of its records goes and in which state its delivery begins.
    async fn map(
        self: &Arc<Self>,
        export: ExportId,
        plugin: Plugin,
        now: Timestamp,
    ) -> Result<(Index, Vec<Destination>), StepError> {
        let agent = Arc::clone(self);
        let mapped = spawn_blocking(move || {
            let endpoints = agent.config.lines();
            let once = !agent.config.rules.off.iter().any(|off| twin::is_meant(off));
            let mut first = vec![Vec::new(); endpoints.len()];
            let index = agent.mapper.run(&agent.spool, export, &plugin, |head| {
                for (endpoint, first) in endpoints.iter().zip(&mut first) {
                    first.push(begin(endpoint, head, once, now));
                }
            })?;
            let destination = |(endpoint, first): (&config::Endpoint, _)| Destination {
                endpoint: EndpointId::new(&endpoint.name),
                as_written: matches!(endpoint.kind, config::Kind::Bhxh { .. }),
                first,
            };
            Ok::<_, map::Error>((index, endpoints.iter().zip(first).map(destination).collect()))
        });
        Ok(mapped.await.map_err(|_| StepError::Panic)??)
    }

    /// Records and files that were set aside or refused, ever.
    fn set_aside_so_far(&self) -> u64 {
        let counts = self
            .config
            .sources
            .iter()
            .map(|source| self.queue.source_tally(&source.name).counts);
        counts
            .map(|counts| counts.set_aside + counts.refused + counts.files_set_aside)
            .sum()
    }

    /// The copy of a file that was accepted before: not needed, unless ours was damaged.
    async fn restore_copy(&self, received: spool::Received, now: Timestamp) -> Result<(), StepError> {
        let export = received.export;
        if self.spool.has(Part::In, export) || self.queue.is_released(export)? {
            received.discard();
            return Ok(());
        }
        received.keep()?;
        let mended = self.queue.mended(export, now).await?;
        tracing::info!(
            export = export.short(),
            mended,
            "the damaged copy was made anew from the source file"
        );
        Ok(())
    }

    fn path_digest(&self, path: &Path) -> [u8; 16] {
        self.keyed.digest("path", &[path.as_os_str().as_encoded_bytes()])
    }

    /// Whether a file, as it looks now, was dealt with before.
    fn done(&self, path: &Path, look: Look) -> bool {
        let seen = self.queue.seen(&self.path_digest(path)).ok().flatten();
        seen.is_some_and(|(size, modified, _)| size == look.size && modified == look.modified.millis())
    }
}

/// The service: everything runs until told to stop, or until something of ours cannot go on.
///
/// # Errors
/// When the queue can no longer be written.
pub async fn run(agent: Arc<Agent>, stop: signal::Receiver<bool>) -> Result<(), Error> {
    let (halt, halted) = signal::channel(false);
    let mut tasks: JoinSet<Result<(), Error>> = JoinSet::new();
    prepare(&agent).await?;
    tasks.spawn(control::serve(Arc::clone(&agent), halted.clone()));
    for courier in &agent.couriers {
        let courier = Arc::clone(courier).run(Until::Stopped, halted.clone());
        tasks.spawn(async { Ok(courier.await?) });
    }
    for source in agent.config.sources.clone() {
        tasks.spawn(watch(Arc::clone(&agent), source, halted.clone()));
    }
    tasks.spawn(mend::mending(Arc::clone(&agent), halted.clone()));
    tasks.spawn(scrub::scrubbing(Arc::clone(&agent), halted.clone()));
    let outages = Outages::keep(Arc::clone(&agent), halted.clone());
    tasks.spawn(async { Ok(outages.await?) });
    tasks.spawn(upkeep::upkeep(Arc::clone(&agent), halted));
    tracing::info!(site = agent.config.site.facility, "running");
    let mut stop = stop;
    let mut first_end = Ok(());
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => tracing::info!("stopping"),
        Some(ended) = tasks.join_next() => first_end = ended.unwrap_or(Err(Error::Panic)),
    }
    // Nobody is left to tell when all tasks have ended by themselves.
    let _ = halt.send(true);
    while let Some(ended) = tasks.join_next().await {
        if first_end.is_ok() {
            first_end = ended.unwrap_or(Err(Error::Panic));
        }
    }
    agent.outages.stop().await?;
    upkeep::last_snapshot(&agent).await;
    first_end
}

/// What `run --once` left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Deliveries still to be sent, and files that could not be taken in.
    pub waiting: u64,
    /// Deliveries parked; records and files set aside or refused in this run.
    pub for_a_person: u64,
}

/// One pass: takes in all that is there, delivers all that is due, and stops.
///
/// # Errors
/// When the queue can no longer be written.
pub async fn once(agent: &Arc<Agent>, at_once: bool, stop: signal::Receiver<bool>) -> Result<Left, Error> {
    prepare(agent).await?;
    scrub::Scrub::new().round(agent).await;
    let before = agent.set_aside_so_far();
    let mut left;
    loop {
        left = Left {
            waiting: take_in_what_is_there(agent, &stop).await,
            for_a_person: 0,
        };
        agent.is_whole()?;
        deliver_what_is_due(agent, at_once, &stop).await?;
        let paused = agent.is_paused();
        upkeep::tidy(agent, false).await;
        // Where that made room on a full disk, what was left in its folder is taken in now.
        if !paused || agent.is_paused() || *stop.borrow() {
            break;
        }
    }
    for endpoint in agent.queue.endpoints() {
        let tally = agent.queue.tally(&endpoint);
        left.waiting += tally.waiting + tally.sending;
        left.for_a_person += tally.parked;
    }
    left.for_a_person += agent.set_aside_so_far() - before;
    agent.outages.end_of_pass().await?;
    upkeep::last_snapshot(agent).await;
    control::write_snapshot(agent, false);
    Ok(left)
}

/// Takes in what the sources show at one look; says how much of it is not dealt with.
async fn take_in_what_is_there(agent: &Arc<Agent>, stop: &signal::Receiver<bool>) -> u64 {
    let mut waiting = 0;
    for source in agent.config.sources.clone() {
        let mut watcher = agent.watcher(&source);
        let pass = watcher.pass(|path, look| agent.done(path, look)).await;
        // What cannot go now is tried again at the next pass.
        let retiring = retire::retire_left(agent, &source, &pass.left);
        let _ = unless_silent(&watcher.sight(), retiring).await;
        let taking_in = take_in_all(agent, &source, pass.found, stop);
        // What a share that hangs does not let go of waits for the next pass.
        waiting += unless_silent(&watcher.sight(), taking_in).await.unwrap_or(1);
        waiting += u64::from(pass.growing || agent.trouble(&source.name).is_some());
    }
    agent.look_at_sources();
    waiting
}

/// Delivers until nothing is due any more.
async fn deliver_what_is_due(agent: &Arc<Agent>, at_once: bool, stop: &signal::Receiver<bool>) -> Result<(), Error> {
    let mut mended = HashMap::new();
    loop {
        let mut tasks = JoinSet::new();
        for courier in &agent.couriers {
            tasks.spawn(Arc::clone(courier).run(Until::Idle { at_once }, stop.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap_or(Err(queue::Error::Panic))?;
        }
        // What was damaged and could be made anew is still to be sent.
        if mend::mend_all(agent, &mut mended).await == 0 || *stop.borrow() {
            return Ok(());
        }
    }
}

/// What has to be put in order before anything is sent.
async fn prepare(agent: &Arc<Agent>) -> Result<(), Error> {
    mend::orphans(agent).await?;
    for endpoint in agent.config.lines() {
        let (id, schedule) = (EndpointId::new(&endpoint.name), endpoint.schedule.clone());
        let moved = agent
            .queue
            .reschedule(&id, &schedule.to_string(), |at| schedule.next_window(at), clock::now())
            .await;
        match moved {
            Ok(0) => {}
            Ok(moved) => tracing::info!(endpoint = %id, moved, "moved to the windows of the changed schedule"),
            // Sending makes room: what waits for the old windows comes by them, or at the next start by the new ones.
            Err(e) if e.is_full() => {
                tracing::warn!(endpoint = %id, why = report::chain(&e), "not moved to the new windows")
            }
            Err(e) => return Err(e.into()),
        }
    }
    memory::give_back();
    Ok(())
}

/// Watches one source for as long as the service runs.
async fn watch(agent: Arc<Agent>, source: Source, mut stop: signal::Receiver<bool>) -> Result<(), Error> {
    let mut watcher = agent.watcher(&source);
    let sight = watcher.sight();
    loop {
        let looker = Arc::clone(&agent);
        // A share that hangs holds this thread, and nothing else.
        let looked = spawn_blocking(move || {
            let round = watcher.round(|path, look| looker.done(path, look));
            (watcher, round)
        });
        let (back, round) = tokio::select! {
            looked = patiently(&sight, &source.path, PATIENCE, looked) => match looked {
                Ok(looked) => looked,
                Err(_) => return Ok(()),
            },
            _ = stop.changed() => return Ok(()),
        };
        watcher = back;
        let taking_in = async {
            if let Err(e) = retire::retire_left(&agent, &source, &round.left).await {
                tracing::warn!(
                    source = source.name,
                    why = report::chain(&e),
                    "what is left could not be retired"
                );
            }
            take_in_all(&agent, &source, round.found.clone(), &stop).await;
        };
        let mut told = stop.clone();
        tokio::select! {
            () = taking_in => {}
            // What a share that hangs has not let go by then is taken in after the next start.
            () = async { drop(told.wait_for(|stop| *stop).await); tokio::time::sleep(STOPPING).await } => return Ok(()),
        }
        agent.is_whole()?;
        if !round.found.is_empty() {
            memory::give_back();
        }
        tokio::select! {
            () = watcher.wait(&round) => {}
            _ = stop.changed() => return Ok(()),
        }
    }
}

impl Agent {
    /// After an error of the queue's everything is to be opened anew, but for a full disk.
    fn doubt(&self, error: StepError) {
        if let StepError::Queue(e) = error
            && !e.is_full()
            && !matches!(e, queue::Error::Snapshot(_))
        {
            *self.broken.lock().expect("nothing panics while holding it") = Some(e);
        }
    }

    /// Whether what is taken in can still be written down.
    fn is_whole(&self) -> Result<(), queue::Error> {
        let broken = self.broken.lock().expect("nothing panics while holding it").take();
        broken.map_or(Ok(()), Err)
    }

    fn watcher(&self, source: &Source) -> Watcher {
        let watcher = Watcher::new(source.clone());
        self.sights
            .lock()
            .expect("nothing panics while holding it")
            .insert(source.name.clone(), watcher.sight());
        watcher
    }

    fn sight(&self, source: &str) -> Arc<Mutex<Sight>> {
        let mut sights = self.sights.lock().expect("nothing panics while holding it");
        Arc::clone(sights.entry(source.to_owned()).or_default())
    }

    /// What is wrong with a source's folder at the moment.
    pub fn trouble(&self, source: &str) -> Option<String> {
        let sights = self.sights.lock().expect("nothing panics while holding it");
        sights
            .get(source)?
            .lock()
            .expect("nothing panics while holding it")
            .trouble
            .clone()
    }

    /// How many different exports of a source were seen since the start.
    pub fn seen(&self, source: &str) -> u64 {
        let sights = self.sights.lock().expect("nothing panics while holding it");
        sights
            .get(source)
            .map_or(0, |sight| sight.lock().expect("nothing panics while holding it").seen())
    }
}
