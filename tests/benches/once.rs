//! The whole agent under load, and at rest: 10,000 visits in one file through the real program to both receivers over TLS.
//!
//! `cargo bench -p vhr-e2e --bench once [-- VISITS]`. One run is one figure, so this is a table and not criterion. The
//! receivers run in this process, on the same cores. Memory and processor time are what Linux says of the agent.

#![allow(dead_code, reason = "not every bench needs all of the hospital")]

mod site;

use std::thread::sleep;
use std::time::{Duration, Instant};

use site::{Site, TICK, Wish, program, size, status, ticks};

const VISITS: u64 = 10_000;
/// How often we look at the agent.
const LOOK: Duration = Duration::from_millis(20);
const SETTLE: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_secs(30);

fn main() {
    let visits = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(VISITS);
    let agent = program();
    let site = Site::new(Wish {
        storage: "",
        source: "",
        schedule: "0 0 20 * * *",
        insurance: "immediate",
    });
    println!("program                    {:7.1} MB  (under 30)", size(&agent));

    site.write("export.xml", 3176, visits);
    println!(
        "file of {visits} visits      {:7.1} MB",
        size(&site.dir.path().join("exports/export.xml"))
    );
    let began = Instant::now();
    let mut running = site.start(&agent, &["--once", "--now"]);
    let (mut peak, mut ticks_used, mut first) = (0, 0, None);
    let ended = loop {
        if let Some(ended) = running.try_wait().expect("our own child") {
            break ended;
        }
        peak = status(&running, "VmHWM:").unwrap_or(peak);
        ticks_used = ticks(&running).unwrap_or(ticks_used);
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
    println!("  processor, agent         {:7.1} s", ticks_used as f64 * TICK);
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
    let before = ticks(&idle).expect("it is running");
    sleep(REST);
    let memory = status(&idle, "VmRSS:").expect("it is running");
    let used = ticks(&idle).expect("it is running") - before;
    idle.kill().and_then(|()| idle.wait()).expect("our own child");
    println!(
        "idle, the same state       {:7.1} MB  (under 60)",
        memory as f64 / 1024.0
    );
    println!(
        "  processor in {} s        {:7.2} s",
        REST.as_secs(),
        used as f64 * TICK
    );
    println!(
        "state folder               {:7.1} MB",
        size(&site.dir.path().join("state"))
    );
}
