//! The whole agent under load, and at rest: 10,000 visits in one file through the real program to both receivers over TLS.
//!
//! `cargo bench -p vhr-e2e --bench once [-- VISITS]`. One run is one figure, so this is a table and not criterion. The
//! receivers run in this process, on the same cores. Memory and processor time are what Linux says of the agent.

use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Runtime;
use vhr_agent::demo::exports;
use vhr_agent::demo::receivers::{Ca, Fhir, FhirOptions, Gateway, GatewayOptions, start_fhir, start_gateway};
use vhr_agent::plugin::build;

const VISITS: u64 = 10_000;
/// How often we look at the agent.
const LOOK: Duration = Duration::from_millis(20);
const SETTLE: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_secs(30);
/// Length of what `/proc/<pid>/stat` counts in.
const TICK: f64 = 0.01;

fn main() {
    let visits = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(VISITS);
    let agent = program();
    let site = Site::new();
    println!("program                    {:7.1} MB  (under 30)", size(&agent));

    site.write(visits);
    println!(
        "file of {visits} visits      {:7.1} MB",
        size(&site.dir.path().join("exports/export.xml"))
    );
    let began = Instant::now();
    let mut running = site.start(&agent, &["--once", "--now"]);
    let (mut peak, mut ticks, mut first) = (0, 0, None);
    let ended = loop {
        if let Some(ended) = running.try_wait().expect("our own child") {
            break ended;
        }
        peak = status(&running, "VmHWM:").unwrap_or(peak);
        ticks = self::ticks(&running).unwrap_or(ticks);
        if first.is_none() && site.fhir.transactions() + site.gateway.accepted_count() as u64 > 0 {
            first = Some(began.elapsed());
        }
        sleep(LOOK);
    };
    let all = began.elapsed();
    site.check(visits, ended);
    let first = first.unwrap_or(all);
    println!("run --once --now           {:7.1} s", all.as_secs_f64());
    println!("  until the first delivery {:7.1} s", first.as_secs_f64());
    println!("  deliveries               {:7.1} s", (all - first).as_secs_f64());
    println!("  processor, agent         {:7.1} s", ticks as f64 * TICK);
    println!(
        "visits/s, both endpoints   {:7.0}    (at least 500)",
        visits as f64 / all.as_secs_f64()
    );
    println!(
        "peak memory                {:7.1} MB  (under 200)",
        peak as f64 / 1024.0
    );

    let mut idle = site.start(&agent, &[]);
    sleep(SETTLE);
    let before = self::ticks(&idle).expect("it is running");
    sleep(REST);
    let memory = status(&idle, "VmRSS:").expect("it is running");
    let ticks = self::ticks(&idle).expect("it is running") - before;
    idle.kill().and_then(|()| idle.wait()).expect("our own child");
    println!(
        "idle, the same state       {:7.1} MB  (under 60)",
        memory as f64 / 1024.0
    );
    println!(
        "  processor in {} s        {:7.2} s",
        REST.as_secs(),
        ticks as f64 * TICK
    );
    println!(
        "state folder               {:7.1} MB",
        size(&site.dir.path().join("state"))
    );
}

/// A folder, two receivers, and a configuration that knows both.
struct Site {
    dir: tempfile::TempDir,
    gateway: Gateway,
    fhir: Fhir,
    _receivers: Runtime,
}

impl Site {
    fn new() -> Self {
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
        let config = format!(
            r#"
site     = {{ facility = "79999", name = "Bệnh viện Ví Dụ" }}
storage  = {{ dir = "{root}/state" }}
plugins  = {{ dir = "{root}/plugins" }}
source   = [{{ name = "his", path = "{root}/exports", plugin = "vn.qd3176" }}]

[[endpoint]]
name      = "vhr"
kind      = "fhir"
url       = "{}"
schedule  = "0 0 20 * * *"
profile   = "moh-ehealth-1.0"
in_flight = 16
tls       = {{ ca = "{root}/ca.pem" }}

[[endpoint]]
name      = "insurance"
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
    fn write(&self, visits: u64) {
        let file = fs::File::create(self.dir.path().join("exports/export.xml")).expect("our own folder");
        let mut out = BufWriter::new(file);
        exports::write_one_file(&mut out, 3176, visits).expect("room on the disk");
        let file = out.into_inner().expect("room on the disk");
        file.set_modified(SystemTime::now() - Duration::from_secs(300))
            .expect("our own file");
    }

    fn start(&self, agent: &Path, options: &[&str]) -> Child {
        Command::new(agent)
            .arg("run")
            .args(options)
            .arg("--config")
            .arg(self.dir.path().join("agent.toml"))
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .spawn()
            .expect("the agent was just built")
    }

    /// Every visit is at each receiver once; else the figures would be of something else.
    fn check(&self, visits: u64, ended: ExitStatus) {
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
fn program() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "-p", "vhr-agent", "--bin", "vhr-agent"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.is_ok_and(|status| status.success()), "the agent does not build");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp");
    target.join("release").join("vhr-agent")
}

/// In MB.
fn size(path: &Path) -> f64 {
    let about = fs::metadata(path).expect("it is there");
    if about.is_dir() {
        let inside = fs::read_dir(path).expect("a folder").flatten();
        return inside.map(|entry| size(&entry.path())).sum();
    }
    about.len() as f64 / 1e6
}

/// A line of `/proc/<pid>/status`, in KiB.
fn status(child: &Child, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time so far.
fn ticks(child: &Child) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    // After the name, which may hold blanks: the third field is the state, the 14th and 15th are the times.
    let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}
