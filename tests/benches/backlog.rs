//! A month's backlog: how fast visits are accepted, what they take on the disk, how soon the agent is ready over them, how
//! fast it rebuilds and drains, and whether its memory stays flat.
//!
//! ```text
//! cargo bench -p vhr-e2e --bench backlog [-- VISITS]          accept, start, rebuild, drain (100,000 unless told)
//! cargo bench -p vhr-e2e --bench backlog -- soak [VISITS]     in and out and let go, for as long as that takes (1,000,000)
//! ```
//! One run is one figure, so this is a table and not criterion. The receivers run in this process, on the same cores.

#![allow(dead_code, reason = "not every bench needs all of the hospital")]

mod site;

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use site::{Site, TICK, Wish, program, size, status, ticks};

/// Visits in a file.
const IN_A_FILE: u64 = 50;
/// A window that does not come while we look.
const NEVER: &str = "0 0 0 1 1 *";
/// Visits that are exported and not sent, in the soak.
const AHEAD: u64 = 5_000;
const LOOK: Duration = Duration::from_millis(10);

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let visits = numbers.first().copied();
    if std::env::args().any(|argument| argument == "soak") {
        soak(visits.unwrap_or(1_000_000));
    } else {
        backlog(visits.unwrap_or(100_000));
    }
}

fn backlog(visits: u64) {
    let agent = program();
    let site = Site::new(Wish {
        storage: "",
        source: ", after = \"delete\"",
        schedule: NEVER,
        insurance: NEVER,
    });
    let folder = site.dir.path().to_owned();
    for file in 0..visits / IN_A_FILE {
        site.write(&format!("{file:06}.xml"), file, IN_A_FILE);
    }
    let exports = size(&folder.join("exports"));
    line("visits, in files of 50", visits as f64, "");
    line("  as exported, bytes a visit", exports * 1e6 / visits as f64, "");

    let accepted = run(&site, &agent, &["--once"]);
    line("accepted, visits/s", visits as f64 / accepted.seconds, "at least 4,000");
    line("  processor, s", accepted.processor, "");
    line("  peak memory, MB", accepted.peak, "");
    line("  written, bytes a visit", accepted.written * 1e6 / visits as f64, "");
    let state = folder.join("state");
    line(
        "  on the disk, bytes a visit",
        size(&state.join("spool")) * 1e6 / visits as f64,
        "",
    );
    line(
        "  journal, bytes a visit",
        size(&state.join("journal")) * 1e6 / visits as f64,
        "",
    );
    line(
        "  write amplification",
        accepted.written / exports,
        "written / exported",
    );

    let ready = start(&site, &agent);
    line("start, ready after s", ready.seconds, "under 5");
    line("  memory, MB", ready.peak, "under 100");
    fs::remove_dir_all(state.join("index")).expect("it is there");
    let rebuilt = start(&site, &agent);
    line("start without index, ready after s", rebuilt.seconds, "under 30");

    let drained = run(&site, &agent, &["--once", "--now"]);
    assert_eq!(site.gateway.times_taken().len() as u64, visits);
    assert!(site.gateway.times_taken().values().all(|times| *times == 1));
    assert_eq!(encounters(&site), visits);
    line(
        "drained, visits/s to each of two",
        visits as f64 / drained.seconds,
        "at least 500",
    );
    line("  processor, s", drained.processor, "");
    line("  peak memory, MB", drained.peak, "");
    line(
        "  written, bytes a delivery",
        drained.written * 1e6 / (2 * visits) as f64,
        "",
    );
    line(
        "  journal, bytes a visit",
        size(&state.join("journal")) * 1e6 / visits as f64,
        "",
    );
    line(
        "  index, bytes a visit",
        size(&state.join("index")) * 1e6 / visits as f64,
        "",
    );
}

fn soak(visits: u64) {
    let agent = program();
    let site = Site::new(Wish {
        storage: ", keep = \"0s\"",
        source: ", after = \"delete\", rescan = \"1s\", settle = \"100ms\"",
        schedule: "immediate",
        insurance: "immediate",
    });
    let mut running = site.start(&agent, &[]);
    let began = Instant::now();
    let files = visits / IN_A_FILE;
    println!("visits in  visits out  seconds   RSS MB  spool MB  journal MB  index MB");
    let (mut written, mut told) = (0, 0);
    loop {
        assert!(running.try_wait().expect("our own child").is_none(), "it ended");
        let out = site.gateway.times_taken().len() as u64;
        // As a HIS does: no more than is sent.
        while written < files && written * IN_A_FILE < out + AHEAD {
            site.write(&format!("{written:06}.xml"), written, IN_A_FILE);
            written += 1;
        }
        if out >= told + visits / 20 || out == visits {
            told = out;
            let state = site.dir.path().join("state");
            let megabytes = |name: &str| size(&state.join(name));
            println!(
                "{:9}  {out:10}  {:7.0}  {:7.1}  {:8.1}  {:10.1}  {:8.1}",
                written * IN_A_FILE,
                began.elapsed().as_secs_f64(),
                status(&running, "VmRSS:").unwrap_or(0) as f64 / 1024.0,
                megabytes("spool"),
                megabytes("journal"),
                megabytes("index"),
            );
        }
        if out == visits && encounters(&site) == visits {
            break;
        }
        sleep(Duration::from_millis(500));
    }
    running.kill().and_then(|()| running.wait()).expect("our own child");
    assert!(site.gateway.times_taken().values().all(|times| *times == 1));
}

/// Visits at the FHIR server. (An Encounter has other identifiers too: `MA_LK` begins with the facility.)
fn encounters(site: &Site) -> u64 {
    let all = site.fhir.encounters();
    all.keys().filter(|identifier| identifier.starts_with("79999_")).count() as u64
}

fn line(what: &str, figure: f64, wanted: &str) {
    let wanted = if wanted.is_empty() {
        String::new()
    } else {
        format!("({wanted})")
    };
    println!("{what:36} {figure:12.1}  {wanted}");
}

/// What a run took.
#[derive(Debug, Default)]
struct Took {
    seconds: f64,
    processor: f64,
    /// MB.
    peak: f64,
    /// To the disk, MB.
    written: f64,
}

impl Took {
    fn look(&mut self, child: &Child) {
        self.processor = ticks(child).map_or(self.processor, |ticks| ticks as f64 * TICK);
        self.peak = status(child, "VmHWM:").map_or(self.peak, |kib| kib as f64 / 1024.0);
        let io = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap_or_default();
        let written = io
            .lines()
            .find_map(|line| line.strip_prefix("write_bytes:")?.trim().parse().ok());
        self.written = written.map_or(self.written, |bytes: f64| bytes / 1e6);
    }
}

/// A run to its end.
fn run(site: &Site, agent: &Path, options: &[&str]) -> Took {
    let mut took = Took::default();
    let began = Instant::now();
    let mut child = site.start(agent, options);
    while child.try_wait().expect("our own child").is_none() {
        took.look(&child);
        sleep(LOOK);
    }
    took.seconds = began.elapsed().as_secs_f64();
    took
}

/// A start of the service: until it answers, and what it takes then.
fn start(site: &Site, agent: &Path) -> Took {
    let mut took = Took::default();
    let began = Instant::now();
    let mut child = site.start(agent, &[]);
    let config = site.dir.path().join("agent.toml");
    loop {
        let asked = Command::new(agent)
            .args(["status", "--json", "--config"])
            .arg(&config)
            .output()
            .expect("the agent was just built");
        if String::from_utf8_lossy(&asked.stdout).contains("\"running\": true") {
            break;
        }
        assert!(child.try_wait().expect("our own child").is_none(), "it ended");
        sleep(LOOK);
    }
    took.seconds = began.elapsed().as_secs_f64();
    sleep(Duration::from_secs(3));
    took.look(&child);
    took.peak = status(&child, "VmRSS:").map_or(0.0, |kib| kib as f64 / 1024.0);
    let id = child.id().to_string();
    Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .expect("kill is there");
    child.wait().expect("our own child");
    took
}
