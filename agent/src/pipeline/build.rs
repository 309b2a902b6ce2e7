//! How everything is put together before anything runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use vhr_core::config::{self, Config};
use vhr_core::time::Timestamp;

use super::{Agent, Error};
use crate::deliver::Courier;
use crate::endpoint::Wire;
use crate::keys::Keys;
use crate::map::{self, Mapper, profiles};
use crate::outages::Outages;
use crate::plugin::{self, Plugin};
use crate::queue::{Queue, Trust};
use crate::signature::Signatures;
use crate::spool::Spool;
use crate::{check, clock, frame, memory, state};

/// Puts everything together. Nothing runs yet.
///
/// # Errors
/// When something that the configuration needs is not there or of no use.
pub fn build(config: Config) -> Result<Arc<Agent>, Error> {
    build_trusting(config, Trust::AsLeft)
}

/// The same, where the queue's index is relied upon no further than this.
///
/// # Errors
/// When something that the configuration needs is not there or of no use.
pub fn build_trusting(config: Config, trust: Trust) -> Result<Arc<Agent>, Error> {
    let now = clock::now();
    let plugins = load_plugins(&config)?;
    let facility_name = Some(config.site.name.as_str()).filter(|name| !name.is_empty());
    let mut sets = BTreeMap::new();
    for name in config
        .profiles()
        .into_iter()
        .chain(config.profiles().is_empty().then_some("r4"))
    {
        sets.insert(
            name.to_owned(),
            profiles::read(name, facility_name, config.plugins.dir.as_deref())?,
        );
    }
    let rules = check::rules(&config.rules)?;
    let signatures = Signatures::new(&config)?;
    let mut wires = Vec::new();
    for endpoint in &config.endpoints {
        let wire = Wire::new(endpoint)?;
        let check_ins = wire.check_ins();
        wires.extend([Some(wire), check_ins].into_iter().flatten());
    }
    let Store {
        queue,
        spool,
        keys,
        lock,
    } = Store::open_trusting(&config.storage, trust, now)?;
    let keyed = keys.keyed();
    let outages = Arc::new(Outages::resume(&config, Arc::clone(&queue), now));
    let lines = config.lines();
    let couriers = lines.iter().zip(wires).map(|(endpoint, wire)| {
        let (queue, outages) = (Arc::clone(&queue), Arc::clone(&outages));
        Arc::new(Courier::new(endpoint, wire, queue, spool.clone(), outages))
    });
    // Compiling plugins and catching up with the journal took more than what comes now.
    memory::give_back();
    Ok(Arc::new(Agent {
        since: now,
        _lock: lock,
        couriers: couriers.collect(),
        queue,
        spool,
        plugins,
        outages,
        sights: Mutex::default(),
        paused: Mutex::default(),
        broken: Mutex::default(),
        pressed: Notify::new(),
        mapper: Mapper {
            facility: config.site.facility.clone(),
            profiles: sets,
            keyed: keyed.clone(),
            limits: frame::Limits::default(),
            rules: Arc::new(rules),
            signatures,
        },
        keyed,
        config,
    }))
}

/// What is kept in a state folder, opened by the one process that holds its lock; also by the command line when no service
/// runs.
#[derive(Debug)]
pub struct Store {
    /// The queue.
    pub queue: Arc<Queue>,
    /// The spool.
    pub spool: Spool,
    /// The keys.
    pub keys: Keys,
    /// Held as long as the others are used.
    pub lock: state::Lock,
}

impl Store {
    /// Opens it.
    ///
    /// # Errors
    /// When another process has it open, or it cannot be used.
    pub fn open(storage: &config::Storage, now: Timestamp) -> Result<Self, Error> {
        Self::open_trusting(storage, Trust::AsLeft, now)
    }

    /// The same, where the queue's index is relied upon no further than this.
    ///
    /// # Errors
    /// When another process has it open, or it cannot be used.
    pub fn open_trusting(storage: &config::Storage, trust: Trust, now: Timestamp) -> Result<Self, Error> {
        let dir = &storage.dir;
        state::make_private(dir)?;
        let lock = state::lock(dir)?;
        state::own_folders(dir, now)?;
        let keys = state::prepare(storage, now)?;
        let spool = Spool::open(dir, keys.clone())?;
        let queue = Queue::open_trusting(dir, keys.clone(), trust, now)?;
        Ok(Self {
            queue: Arc::new(queue),
            spool,
            keys,
            lock,
        })
    }
}

/// Every plugin that a source names, from the plugin folder: of several versions the newest.
///
/// # Errors
/// When one is missing or cannot be used.
pub fn load_plugins(config: &Config) -> Result<BTreeMap<String, Plugin>, Error> {
    let mut plugins = BTreeMap::new();
    for source in &config.sources {
        if plugins.contains_key(&source.plugin) {
            continue;
        }
        let path = match &config.plugins.dir {
            Some(dir) => newest_plugin(dir, &source.plugin)?,
            None => None,
        };
        let path = path.ok_or_else(|| Error::NoPlugin {
            source_name: source.name.clone(),
            id: source.plugin.clone(),
            dir: config.plugins.dir.clone(),
        })?;
        let plugin = plugin::Host::new().and_then(|host| host.load_file(&path));
        let plugin = plugin.map_err(|source| Error::Plugin { path, source })?;
        map::can_feed(&plugin).map_err(Error::Feed)?;
        plugins.insert(source.plugin.clone(), plugin);
    }
    Ok(plugins)
}

/// The file of the newest version of a plugin in a folder.
///
/// # Errors
/// When the folder cannot be listed.
pub fn newest_plugin(dir: &Path, id: &str) -> Result<Option<PathBuf>, Error> {
    let mut newest: Option<(Vec<u64>, PathBuf)> = None;
    for path in plugin_files(dir)? {
        let Some(about) = std::fs::read(&path).ok().and_then(|bytes| plugin::inspect(&bytes).ok()) else {
            tracing::warn!(file = %path.display(), "not a plugin of this agent; passed over");
            continue;
        };
        let parts = about.manifest.version.split(['.', '-', '+']);
        let version: Vec<u64> = parts.map_while(|part| part.parse().ok()).collect();
        if about.manifest.id == id && newest.as_ref().is_none_or(|(newest, _)| *newest < version) {
            newest = Some((version, path));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

fn plugin_files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Plugins {
        path: dir.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
