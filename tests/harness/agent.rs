//! The real binary: run to its end, or as a service.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::wait::{DEADLINE, eventually};

/// The program under test: the product's own `main`.
pub(crate) fn exe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_vhr-agent-under-test"))
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its exit code; none after a signal.
    pub(crate) code: Option<i32>,
    /// What it wrote to stdout.
    pub(crate) out: String,
    /// What it wrote to stderr.
    pub(crate) err: String,
}

impl Done {
    /// Ended with this code.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// Its stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

/// A process with both its outputs being read; killed when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Service {
    /// Starts it with nothing of this process's environment.
    pub(crate) fn start(arguments: &[&str], temporary: &Path) -> Self {
        Self::start_logging("info", arguments, temporary)
    }

    /// Starts it with another choice of what to log.
    pub(crate) fn start_logging(log: &str, arguments: &[&str], temporary: &Path) -> Self {
        Self::start_in(&[("VHR_LOG", OsStr::new(log))], arguments, temporary)
    }

    /// Starts it with this in its environment.
    pub(crate) fn start_in(environment: &[(&str, &OsStr)], arguments: &[&str], temporary: &Path) -> Self {
        let mut command = Command::new(exe());
        command
            .env_clear()
            .env("TMPDIR", temporary)
            .envs(environment.iter().copied())
            .args(arguments);
        // Windows needs these to open a socket at all.
        for name in ["SystemRoot", "TEMP"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (out, err) = (Arc::default(), Arc::default());
        let readers = vec![
            read(child.stdout.take().expect("it is piped"), Arc::clone(&out)),
            read(child.stderr.take().expect("it is piped"), Arc::clone(&err)),
        ];
        Self {
            child,
            out,
            err,
            readers,
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Done {
        let end = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                break status;
            }
            assert!(Instant::now() < end, "it never ended: {}", self.log());
            thread::sleep(std::time::Duration::from_millis(5));
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("reading does not panic");
        }
        Done {
            code: status.code(),
            out: text(&self.out),
            err: text(&self.err),
        }
    }

    /// Asks it to stop, as the system does, and waits for its end.
    #[cfg(unix)]
    #[track_caller]
    pub(crate) fn terminate(self) -> Done {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(asked.expect("kill is there").success());
        self.finish()
    }

    /// Ends it at once, as a power cut does to the process.
    pub(crate) fn kill(mut self) -> Done {
        // Err only says that it has ended already.
        let _ = self.child.kill();
        self.finish()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        text(&self.err)
    }

    /// Whether it is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it says that it runs.
    #[track_caller]
    pub(crate) fn running(mut self) -> Self {
        eventually("the service says that it runs", || {
            assert!(self.is_running(), "it ended at once: {}", self.log());
            self.log().contains("running")
        });
        self
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The national plugin, made by the program itself from its sources, once per test process.
pub(crate) fn build_plugin() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
        // This one needs the compiler, and so the environment.
        let built = Command::new(exe())
            .args(["plugin", "build"])
            .arg(root.join("plugins/qd3176"))
            .arg("--out")
            .arg(folder)
            .output()
            .expect("the program starts");
        let out = String::from_utf8_lossy(&built.stdout);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        PathBuf::from(out.trim())
    })
}

fn read(mut from: impl Read + Send + 'static, into: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            into.lock()
                .expect("nobody panics here")
                .extend_from_slice(&buffer[..count]);
        }
    })
}

fn text(bytes: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.lock().expect("nobody panics here")).into_owned()
}
