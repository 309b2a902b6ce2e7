//! A hospital for the benches: a folder, two receivers over TLS on loopback in this process, and the program as it is shipped.

use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use tokio::runtime::Runtime;
use vhr_agent::demo::exports;
use vhr_agent::demo::receivers::{Ca, Fhir, FhirOptions, Gateway, GatewayOptions, start_fhir, start_gateway};
use vhr_agent::plugin::build;

/// Length of what `/proc/<pid>/stat` counts in.
pub(crate) const TICK: f64 = 0.01;

/// More lines of the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// Of the state folder, each with a comma before it.
    pub(crate) storage: &'a str,
    /// Of the source, likewise.
    pub(crate) source: &'a str,
    /// When the FHIR endpoint is sent to.
    pub(crate) schedule: &'a str,
    /// When the gateway is.
    pub(crate) insurance: &'a str,
}

/// A folder, two receivers, and a configuration that knows both.
pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) gateway: Gateway,
    pub(crate) fhir: Fhir,
    _receivers: Runtime,
}

impl Site {
    /// With these lines for the state folder, the source and each endpoint.
    pub(crate) fn new(wish: Wish<'_>) -> Self {
        // Not in /tmp, which may be memory: what is synced has to reach a disk.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder under target");
        let receivers = Runtime::new().expect("threads");
        let ca = Ca::new().expect("a certificate");
        let options = GatewayOptions::default();
        let (username, password) = (options.username.clone(), options.password.clone());
        let gateway = receivers.block_on(start_gateway(Some(&ca), options)).expect("a port");
        let fhir = receivers
            .block_on(start_fhir(Some(&ca), FhirOptions::default()))
            .expect("a port");
        let root = dir.path().display();
        let Wish {
            storage,
            source,
            schedule,
            insurance,
        } = wish;
        let config = format!(
            r#"
site     = {{ facility = "79999", name = "Bệnh viện Ví Dụ" }}
storage  = {{ dir = "{root}/state"{storage} }}
plugins  = {{ dir = "{root}/plugins" }}
source   = [{{ name = "his", path = "{root}/exports", plugin = "vn.qd3176"{source} }}]

[[endpoint]]
name      = "vhr"
kind      = "fhir"
url       = "{}"
schedule  = "{schedule}"
profile   = "moh-ehealth-1.0"
in_flight = 16
tls       = {{ ca = "{root}/ca.pem" }}

[[endpoint]]
name      = "insurance"
schedule  = "{insurance}"
kind      = "bhxh"
url       = "{}"
username  = "{username}"
password  = {{ file = "{root}/password" }}
in_flight = 16
tls       = {{ ca = "{root}/ca.pem" }}
"#,
            fhir.url(),
            gateway.url()
        );
        let put = |name: &str, content: &str| fs::write(dir.path().join(name), content).expect("our own folder");
        put("agent.toml", &config);
        put("ca.pem", ca.pem());
        put("password", &password);
        fs::create_dir(dir.path().join("exports")).expect("our own folder");
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/qd3176");
        build::build(sources.as_ref(), Some(&dir.path().join("plugins"))).expect("the plugin builds");
        Self {
            dir,
            gateway,
            fhir,
            _receivers: receivers,
        }
    }

    /// One file of so many visits, as if it had been there for a while.
    pub(crate) fn write(&self, name: &str, seed: u64, visits: u64) {
        let path = self.dir.path().join(name);
        let file = fs::File::create(&path).expect("our own folder");
        let mut out = BufWriter::new(file);
        exports::write_one_file(&mut out, seed, visits).expect("room on the disk");
        let file = out.into_inner().expect("room on the disk");
        file.set_modified(SystemTime::now() - Duration::from_secs(300))
            .expect("our own file");
        // Whole at once, as a HIS should do it.
        fs::rename(&path, self.dir.path().join("exports").join(name)).expect("our own folder");
    }

    pub(crate) fn start(&self, agent: &Path, options: &[&str]) -> Child {
        Command::new(agent)
            .arg("run")
            .args(options)
            .arg("--config")
            .arg(self.dir.path().join("agent.toml"))
            .env("VHR_LOG", "warn")
            .stdin(Stdio::null())
            .spawn()
            .expect("the agent was just built")
    }

    /// Every visit is at each receiver once; else the figures would be of something else.
    pub(crate) fn check(&self, visits: u64, ended: ExitStatus) {
        assert!(ended.success(), "the agent ended with {ended}");
        let (taken, encounters) = (self.gateway.times_taken(), self.fhir.encounters());
        assert_eq!(taken.len() as u64, visits);
        for ((_, key), times) in taken {
            assert_eq!(
                (times, encounters.get(&key).map(Vec::len)),
                (1, Some(1)),
                "a visit is not there once"
            );
        }
    }
}

/// The program as it is shipped, built if need be: a bench is not told where it is.
pub(crate) fn program() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "-p", "vhr-agent", "--bin", "vhr-agent"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.is_ok_and(|status| status.success()), "the agent does not build");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp");
    target.join("release").join("vhr-agent")
}

/// In MB.
pub(crate) fn size(path: &Path) -> f64 {
    let about = fs::metadata(path).expect("it is there");
    if about.is_dir() {
        let inside = fs::read_dir(path).expect("a folder").flatten();
        return inside.map(|entry| size(&entry.path())).sum();
    }
    about.len() as f64 / 1e6
}

/// A line of `/proc/<pid>/status`, in KiB.
pub(crate) fn status(child: &Child, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time so far.
pub(crate) fn ticks(child: &Child) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    // After the name, which may hold blanks: the third field is the state, the 14th and 15th are the times.
    let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}
