//! The WebAssembly host: a plugin's file is checked and compiled once, then maps batches of records inside limits.
//!
//! What stays true: every record gets exactly one answer, in order, whatever the plugin does; a plugin reaches no clock,
//! file or network; and the answer for a record does not depend on the records beside it, see [`Plugin::map`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;
use std::{fs, io};

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, OptLevel, Strategy, WasmFeatures};

pub mod build;
mod fault;
mod limits;
mod lint;
mod log;
mod manifest;
mod session;
#[cfg(test)]
mod tests;
mod v1;

use fault::{Fault, Kind};
use log::Log;
use session::{Attempt, Failed, State};

pub use limits::Limits;
pub use lint::{Error as LintError, Inspection, inspect};
pub use log::LogLine;
pub use manifest::{Accepts, Asked, Error as ManifestError, Format, Manifest, Problem, SECTION, View};
pub use v1::{
    Answer, Claim, Context, FhirResource, Issue, Kv, Mapped as MappedRecord, Outcome, Payload, SourceRecord, Table,
    Visit,
};

/// One step of the clock behind [`Limits::deadline`].
const TICK: Duration = Duration::from_millis(10);

/// Compiles plugins. Cheap to make: all share the one engine of the process.
pub struct Host {
    engine: Engine,
    linker: Linker<State>,
}

/// A plugin, compiled and ready. Clones share the code.
#[derive(Clone)]
pub struct Plugin {
    code: v1::MapperPre<State>,
    about: Arc<Inspection>,
    limits: Limits,
}

/// What became of a batch.
#[derive(Debug)]
pub struct Mapped {
    /// One for each record, in order.
    pub answers: Vec<Answer>,
    /// Fuel of all attempts together, repeated ones included.
    pub fuel_used: u64,
    /// What the plugin wrote for people. May hold patient data: it stays at the site.
    pub logs: Vec<LogLine>,
}

/// Why a plugin cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("không khởi động được máy WebAssembly (the WebAssembly engine does not start)")]
    Engine(#[source] wasmtime::Error),
    #[error("không đọc được tệp plugin {} (cannot read the plugin file)", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Lint(#[from] LintError),
    #[error("không dịch được plugin ra mã máy (the plugin does not compile to machine code)")]
    Compile(#[source] wasmtime::Error),
    #[error(
        "trình dịch hỏng khi dịch plugin này; hãy báo cho người làm agent \
         (the compiler crashed on this plugin; please report it to the makers of the agent)"
    )]
    CompilerCrashed,
    #[error(
        "plugin không khớp giao ước vhr:mapper@1; hãy biên dịch lại với wit/v1/mapper.wit \
         (the plugin does not fit the contract vhr:mapper@1; build it again with wit/v1/mapper.wit)"
    )]
    Contract(#[source] wasmtime::Error),
}

impl Host {
    /// Starts the engine, if this process has not done so yet.
    pub fn new() -> Result<Self, Error> {
        let engine = the_engine().map_err(Error::Engine)?;
        let mut linker = Linker::new(&engine);
        v1::link(&mut linker).map_err(Error::Engine)?;
        Ok(Self { engine, linker })
    }

    /// Checks and compiles the plugin in this file.
    pub fn load_file(&self, path: &Path) -> Result<Plugin, Error> {
        let read = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        // Before the file is in memory, for it may be of any size.
        let size = fs::metadata(path).map_err(read)?.len();
        if size > lint::MAX_BYTES {
            return Err(LintError::TooLarge { size }.into());
        }
        self.load(fs::read(path).map_err(read)?)
    }

    /// Checks and compiles a plugin. Runs none of it.
    pub fn load(&self, bytes: Vec<u8>) -> Result<Plugin, Error> {
        let about = inspect(&bytes)?;
        let compile = || self.compile(&bytes);
        let component = catch_unwind(AssertUnwindSafe(compile))
            .map_err(|_| Error::CompilerCrashed)?
            .map_err(Error::Compile)?;
        let code = self
            .linker
            .instantiate_pre(&component)
            .and_then(v1::MapperPre::new)
            .map_err(Error::Contract)?;
        let limits = Limits::of(&about.manifest);
        Ok(Plugin {
            code,
            about: Arc::new(about),
            limits,
        })
    }

    /// Translates a component into machine code, by an engine of its own: a compiler keeps what it worked with, tens of megabytes,
    /// for as long as its engine lives, and a service idles for months.
    fn compile(&self, component: &[u8]) -> wasmtime::Result<Component> {
        let compiled = Engine::new(&config())?.precompile_component(component)?;
        #[expect(
            unsafe_code,
            reason = "machine code is taken on trust, and this is what our own compiler made a line above"
        )]
        // SAFETY: the bytes are those that `precompile_component` of this version of the engine, with this configuration, has just
        // given back; nothing else can have written to them (`Component::deserialize`).
        unsafe {
            Component::deserialize(&self.engine, compiled)
        }
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plugin({} {})", self.about.manifest.id, self.about.manifest.version)
    }
}

impl Plugin {
    /// Its `plugin.toml`.
    pub fn manifest(&self) -> &Manifest {
        &self.about.manifest
    }

    /// SHA-256 of its file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.about.sha256
    }

    /// What it may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The same plugin under the limits of this site.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Runs the records through fresh instances; always one answer per record, in order. Records need distinct `seq`.
    ///
    /// Blocks for as long as it takes: call it on a thread of its own, with the usual 2 MiB of stack or more.
    ///
    /// The answers do not depend on where a batch begins and ends, for any plugin that keeps nothing from one record to
    /// the next: each record has its own fuel, and it is blamed for a failure only as the first record of a fresh
    /// instance. Until then a failed batch is cut before the record it failed at and both parts are tried again. A
    /// record thus refused gets [`Outcome::Rejected`] with a `PLUGIN-…` code; the others get what they would have got.
    pub fn map(&self, context: &Context, records: &[SourceRecord]) -> Mapped {
        let mut answers = Vec::with_capacity(records.len());
        let mut fuel_used = 0;
        let mut log = Log::default();
        let mut to_do = vec![records];
        while let Some(batch) = to_do.pop() {
            if batch.is_empty() {
                continue;
            }
            let attempt = self.attempt(context, batch);
            fuel_used += attempt.fuel_used;
            let blamed = match attempt.result {
                Ok(mapped) => {
                    answers.extend(mapped);
                    log.append(attempt.log);
                    continue;
                }
                // Nothing of any record had been seen: so it would be for each of them.
                Err(Failed { at: None, fault }) => (batch, fault),
                Err(Failed { at: Some(0), fault }) => {
                    to_do.push(&batch[1..]);
                    (&batch[..1], fault)
                }
                Err(Failed { at: Some(at), .. }) => {
                    to_do.push(&batch[at..]);
                    to_do.push(&batch[..at]);
                    continue; // and its log lines with it: they come again
                }
            };
            let (records, fault) = blamed;
            tracing::warn!(
                plugin = self.manifest().id,
                code = fault.kind.code(),
                records = records.len(),
                "plugin failed"
            );
            log.append(attempt.log);
            answers.extend(records.iter().map(|record| Answer {
                seq: record.seq,
                outcome: Outcome::Rejected(vec![fault.issue(record)]),
            }));
        }
        Mapped {
            answers,
            fuel_used,
            logs: log.into_lines(),
        }
    }

    fn attempt(&self, context: &Context, batch: &[SourceRecord]) -> Attempt {
        let _running = Running::begin();
        let run = || session::run(&self.code, &self.limits, context, batch);
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
            let fault = Fault::new(Kind::Trap, "the engine panicked");
            let result = Err(Failed {
                at: Some(batch.len() / 2),
                fault,
            });
            Attempt {
                result,
                fuel_used: 0,
                log: Log::default(),
            }
        })
    }
}

/// The one engine of this process that runs anything: types of two engines can be mistaken for each other (GHSA-hgjw-h833-99q9).
fn the_engine() -> wasmtime::Result<Engine> {
    static ENGINE: Mutex<Option<Engine>> = Mutex::new(None);
    let mut engine = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(engine) = &*engine {
        return Ok(engine.clone());
    }
    Ok(engine.insert(Engine::new(&config())?).clone())
}

/// Same plugin + same record = same answer, on every machine; and as little of the engine in use as plugins need.
fn config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .parallel_compilation(false)
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(512 << 10)
        .memory_init_cow(true)
        .concurrency_support(false)
        .wasm_features(WasmFeatures::THREADS | WasmFeatures::EXCEPTIONS, false)
        .wasm_memory64(false)
        .wasm_gc(false)
        .wasm_stack_switching(false)
        .wasm_wide_arithmetic(false)
        .wasm_relaxed_simd(false)
        // Not without it: the engine panics on components made of several (QuickJS).
        .wasm_multi_memory(true);
    config
}

/// While one of these lives, the clock behind the deadlines ticks. It rests otherwise, for a service is mostly idle.
struct Running;

static RUNNING: AtomicUsize = AtomicUsize::new(0);

static CLOCK: LazyLock<Option<Thread>> = LazyLock::new(|| {
    let engine = the_engine().ok()?;
    let tick = move || loop {
        if RUNNING.load(Ordering::SeqCst) == 0 {
            thread::park();
        } else {
            thread::sleep(TICK);
            engine.increment_epoch();
        }
    };
    let clock = thread::Builder::new()
        .name("plugin-clock".to_owned())
        .spawn(tick)
        .ok()?;
    Some(clock.thread().clone())
});

impl Running {
    fn begin() -> Self {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        // Without a clock there is still the fuel.
        if let Some(clock) = &*CLOCK {
            clock.unpark();
        }
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}
