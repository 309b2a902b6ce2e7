//! A recorded history of the real program: first start, taking in, delivering, refusals, doubt, a stop, another start.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use vhr_agent::demo::exports::ExportFile;
use vhr_agent::demo::receivers::Answer;

use super::judge::View;
use super::told::{Promises, short};
use super::tools;
use crate::harness::{Service, TELLING, Wish, World, eventually, files_below, plain, whole_keys};
use crate::replay::{Disk, Event, Model, Trace, note};

/// How the recorded hospital, and those that its states are put into, differ from the usual.
pub(crate) fn wish() -> Wish {
    Wish {
        source: r#"after = "delete""#,
        ..Wish::default()
    }
}

/// What was recorded.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) trace: Trace,
    /// Every file by its name.
    pub(crate) files: BTreeMap<String, ExportFile>,
    /// How it stood at the end.
    pub(crate) end: View,
    /// Where the log was when a visit was seen in the gateway's ledger: it was there before.
    taken: BTreeMap<String, u64>,
    exports: String,
}

/// What had happened, for everybody to see, when the power was cut.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// In the source folder, put there and not retired.
    pub(crate) present: BTreeSet<String>,
    /// Files accepted: retired, or said to be.
    pub(crate) accepted: BTreeSet<String>,
    /// Deliveries said to have arrived, in the short form.
    pub(crate) delivered: BTreeSet<String>,
    /// Visits in the gateway's ledger, for certain.
    pub(crate) at_gateway: BTreeSet<String>,
}

impl Recording {
    /// Runs the program under the recorder with so many visits.
    pub(crate) fn make(seed: u64, visits: usize) -> Self {
        let world = World::with(wish());
        let log = world.path("recorded.log");
        let files = plain(seed, visits);
        let mut parts = files.chunks(visits.div_ceil(4));
        let recorded = Recorded {
            world: &world,
            log: &log,
            over: AtomicBool::new(false),
            taken: Mutex::default(),
        };
        std::thread::scope(|scope| {
            scope.spawn(|| recorded.watch_ledger());
            recorded.drop_in(parts.next().unwrap_or_default());
            recorded.start(&["run", "--once", "--now"]).finish().with(0);
            recorded.drop_in(parts.next().unwrap_or_default());
            world.gateway.script([Answer::Normal, Answer::DropAfterCommit]);
            let unavailable = Answer::Status(503, vec![("Retry-After".into(), "1".into())], String::new());
            world.fhir.script([Answer::Normal, unavailable]);
            let service = recorded.start(&["run"]).running();
            recorded.drop_in(parts.next().unwrap_or_default());
            eventually("all so far are there", || {
                let there = (world.encounters().len(), world.gateway.accepted_count());
                there == (visits.div_ceil(4) * 3, visits.div_ceil(4) * 3)
            });
            eventually("all are retired", || super::Judge::left(&world) == 0);
            service.terminate().with(0);
            recorded.drop_in(parts.next().unwrap_or_default());
            // 65: one is parked in doubt.
            recorded.start(&["run", "--once", "--now"]).finish().with(65);
            recorded.over.store(true, Ordering::SeqCst);
        });
        let root = world.path("state").display().to_string();
        let trace = Trace::read(&fs::read(&log).expect("it was recorded"), &root);
        same_as_real(&trace, Path::new(&root));
        let taken = recorded.taken.into_inner().unwrap_or_else(PoisonError::into_inner);
        Self {
            trace,
            files: files.into_iter().map(|file| (file.name.clone(), file)).collect(),
            end: View::of(&world).expect("it is well"),
            taken,
            exports: format!("{}/", world.exports().display()),
        }
    }

    /// What everybody could know at this cut.
    pub(crate) fn told(&self, cut: usize) -> Told {
        let (mut told, mut promises) = (Told::default(), Promises::default());
        for event in &self.trace.events[..cut] {
            match event {
                Event::Note(name) => {
                    told.present.insert(name.clone());
                }
                Event::Retired { path } => {
                    if let Some(name) = path.strip_prefix(&self.exports)
                        && told.present.remove(name)
                    {
                        told.accepted.insert(name.to_owned());
                    }
                }
                Event::Said(text) => promises.said(text),
                _ => {}
            }
        }
        told.delivered = promises.delivered;
        let said = |file: &&ExportFile| promises.accepted.contains(&short(&file.bytes));
        let files = self.files.values().filter(said);
        told.accepted.extend(files.map(|file| file.name.clone()));
        let at = cut.checked_sub(1).map_or(0, |last| self.trace.ends[last]);
        let taken = self.taken.iter().filter(|(_, seen)| **seen <= at);
        told.at_gateway = taken.map(|(key, _)| key.clone()).collect();
        told
    }

    /// The visit in a file.
    pub(crate) fn key(&self, name: &str) -> String {
        whole_keys(std::slice::from_ref(&self.files[name])).remove(0)
    }
}

/// The world while it is recorded.
struct Recorded<'a> {
    world: &'a World,
    log: &'a PathBuf,
    over: AtomicBool,
    taken: Mutex<BTreeMap<String, u64>>,
}

impl Recorded<'_> {
    fn start(&self, arguments: &[&str]) -> Service {
        let roots = [self.world.path("state"), self.world.exports()].map(|path| path.display().to_string());
        self.world.start_in(
            &[
                ("VHR_LOG", OsStr::new(TELLING)),
                ("LD_PRELOAD", tools::recorder().as_os_str()),
                ("VHR_RECORD_ROOTS", OsStr::new(&roots.join(":"))),
                ("VHR_RECORD_LOG", self.log.as_os_str()),
            ],
            arguments,
        )
    }

    fn drop_in(&self, files: &[ExportFile]) {
        for file in files {
            // Noted first: a file that is retired was there.
            note(self.log, &file.name).expect("the log can be written");
            self.world.drop_in(&file.name, &file.bytes);
        }
    }

    /// First the ledger, then where the log is: so what is in the ledger was there before the log came so far.
    fn watch_ledger(&self) {
        while !self.over.load(Ordering::SeqCst) {
            let ledger = self.world.gateway.accepted();
            let at = fs::metadata(self.log).map_or(0, |about| about.len());
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            for accepted in ledger {
                taken.entry(accepted.key).or_insert(at);
            }
            drop(taken);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The recorder saw everything, and we understood it: played to its end, the log gives the real folder, byte for byte.
fn same_as_real(trace: &Trace, root: &Path) {
    let disk = Disk::after(trace, trace.events.len(), Model::All, &mut Rng::with_seed(0));
    let ours = disk.files();
    let mut real = BTreeMap::from([(String::new(), Vec::new())]);
    for path in files_below(root) {
        let name = path.strip_prefix(root).expect("it is below").display().to_string();
        if path.is_dir() {
            real.insert(format!("{name}/"), Vec::new());
        } else {
            real.insert(name, fs::read(&path).expect("it can be read"));
        }
    }
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        real.keys().collect::<Vec<_>>(),
        "the replayed folder holds other files than the real one"
    );
    for (name, bytes) in &real {
        assert!(
            ours[name.as_str()] == bytes.as_slice(),
            "{name} is not what was replayed"
        );
    }
}
