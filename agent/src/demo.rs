//! The story on this machine: invented exports ([`exports`]), two receivers on loopback over TLS ([`receivers`]), and the
//! real agent between them: the real plugin in the sandbox, the real queue on disk, the real endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use tokio::sync::watch;
use vhr_core::config;
use vhr_core::control::{Reply, Request};
use vhr_core::id::EndpointId;

use crate::cli::output::{print, print_json, table};
use crate::demo::exports::{ExportFile, Fate};
use crate::demo::receivers::{Ca, Fhir, FhirOptions, Gateway, GatewayOptions, start_fhir, start_gateway};
use crate::pipeline::{self, Agent};
use crate::plugin::build;
use crate::report::{Exit, Failure};
use crate::{cli, desk};

pub mod exports;
pub mod receivers;

const USERNAME: &str = "79999_BV";
const PASSWORD: &str = "mật khẩu chạy thử";
/// Deliveries on their way at once, to each of the two.
const IN_FLIGHT: u32 = 8;

/// Of `demo`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Bao nhiêu lượt khám / how many visits
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    visits: u32,
    /// Cả mười sáu bảng, không chỉ XML1 đến XML5 / all sixteen tables, not only XML1 to XML5
    #[arg(long)]
    all_tables: bool,
    /// Giữ lại mọi thứ trong thư mục này / keep everything in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Cho máy đọc / for programs
    #[arg(long)]
    json: bool,
}

/// Runs the demonstration.
///
/// # Errors
/// When it cannot be set up on this machine.
pub fn run(options: &Options) -> Result<Exit, Failure> {
    let temporary = tempfile::Builder::new().prefix("vhr-demo-").tempdir();
    let temporary = temporary.map_err(|e| Failure::environment("could not make a temporary folder", e))?;
    let dir = match &options.keep {
        Some(dir) if dir.join("state").exists() => {
            return Err(Failure::usage(format!(
                "{} đã có một lần chạy thử (holds an earlier demo); chọn thư mục khác",
                dir.display()
            )));
        }
        Some(dir) => std::path::absolute(dir).map_err(|e| Failure::environment("could not use the folder", e))?,
        None => temporary.path().to_owned(),
    };
    cli::runtime()?.block_on(story(options, &dir))
}

async fn story(options: &Options, dir: &Path) -> Result<Exit, Failure> {
    let began = Instant::now();
    say("1. Plugin quốc gia vn.qd3176, biên dịch sang WebAssembly (the national plugin, compiled to WebAssembly)");
    let plugins = dir.join("plugins");
    install_plugin(&plugins)?;

    let made = exports::Options {
        visits: options.visits as usize,
        all_tables: options.all_tables,
        ..exports::Options::demo()
    };
    let files: Vec<ExportFile> = exports::generate(&made).collect();
    let visits: usize = files.iter().map(|file| file.visits.len()).sum();
    say(&format!(
        "2. {} tệp HIS xuất, {visits} lượt khám, đều bịa (invented exports and visits); vài tệp cố ý hỏng (some broken on purpose)",
        files.len()
    ));
    write_exports(&dir.join("exports"), &files).map_err(|e| Failure::environment("could not write the exports", e))?;

    let failed = |e| Failure::environment("could not start the receivers", e);
    let ca = Ca::new().map_err(failed)?;
    let account = GatewayOptions {
        username: USERNAME.into(),
        password: PASSWORD.into(),
        ..GatewayOptions::default()
    };
    let gateway = start_gateway(Some(&ca), account).await.map_err(failed)?;
    let fhir = start_fhir(Some(&ca), FhirOptions::default()).await.map_err(failed)?;
    say(&format!(
        "3. Cổng BHXH giả lập (gateway stand-in) {}, VHR giả lập (FHIR stand-in) {}",
        gateway.url(),
        fhir.url()
    ));

    let config = configure(dir, &ca, &gateway.url(), &fhir.url())?;
    let agent = pipeline::build(config).map_err(|e| Failure::environment("could not start the agent", e))?;
    say("4. Nhận, chuyển đổi, gửi (take in, map, deliver)");
    let (_never, stop) = watch::channel(false);
    let progress = tokio::spawn(show_progress(Arc::clone(&agent)));
    let done = pipeline::once(&agent, true, stop).await;
    progress.abort();
    done.map_err(|e| Failure::environment("the agent had to stop", e))?;

    let outcome = Outcome::gather(&agent, &files, &gateway, &fhir, began.elapsed()).await;
    if options.json {
        print_json(&outcome.json(dir, options.keep.is_some()))?;
    } else {
        print(&outcome.screen(dir, options.keep.is_some()))?;
    }
    gateway.stop().await;
    fhir.stop().await;
    Ok(if outcome.all_delivered() {
        Exit::Well
    } else {
        Exit::Data
    })
}

/// Builds the plugin from the sources where they are; else takes the one beside the program.
fn install_plugin(into: &Path) -> Result<(), Failure> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/qd3176");
    if sources.join("plugin.toml").exists() {
        let built =
            build::build(&sources, Some(into)).map_err(|e| Failure::environment("could not build the plugin", e))?;
        say(&format!(
            "   {} {} sha256 {}…",
            built.manifest.id,
            built.manifest.version,
            &built.sha256[..12]
        ));
        return Ok(());
    }
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("plugins")));
    let installed = [beside, Some("/usr/lib/vhr-agent/plugins".into())];
    for folder in installed.into_iter().flatten() {
        if let Ok(Some(file)) = pipeline::newest_plugin(&folder, "vn.qd3176") {
            let copy = || {
                fs::create_dir_all(into)?;
                fs::copy(&file, into.join("vn.qd3176.wasm"))
            };
            copy().map_err(|e| Failure::environment("could not copy the plugin", e))?;
            return Ok(());
        }
    }
    Err(Failure::usage("không thấy plugin vn.qd3176 (the plugin is not there)")
        .hint("chạy trong thư mục mã nguồn, hoặc đặt plugin cạnh chương trình (run it in the source folder, or put the plugin beside the program)"))
}

/// As a HIS does: each file under another name first, then renamed into place. Dated some minutes ago: they are complete.
fn write_exports(folder: &Path, files: &[ExportFile]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let earlier = SystemTime::now() - Duration::from_secs(300);
    for file in files {
        let temporary = folder.join(format!("{}.part", file.name));
        let mut out = fs::File::create(&temporary)?;
        out.write_all(&file.bytes)?;
        out.set_modified(earlier)?;
        fs::rename(temporary, folder.join(&file.name))?;
    }
    Ok(())
}

/// Writes a configuration as a site would, and reads it as `run` would.
fn configure(dir: &Path, ca: &Ca, gateway: &str, fhir: &str) -> Result<config::Config, Failure> {
    let at = |name: &str| dir.join(name).display().to_string().replace('\\', "/");
    let text = format!(
        r#"[site]
facility = "79999"
name     = "Bệnh viện Ví Dụ (chạy thử)"

[storage]
dir = "{state}"

[plugins]
dir = "{plugins}"

[[source]]
name   = "his"
path   = "{exports}"
plugin = "vn.qd3176"

[[endpoint]]
name      = "vhr"
kind      = "fhir"
url       = "{fhir}"
schedule  = "0 0 20 * * *"
profile   = "moh-ehealth-1.0"
in_flight = {IN_FLIGHT}
tls       = {{ ca = "{ca}" }}

[[endpoint]]
name      = "insurance"
kind      = "bhxh"
url       = "{gateway}"
username  = "{USERNAME}"
password  = {{ file = "{password}" }}
in_flight = {IN_FLIGHT}
tls       = {{ ca = "{ca}" }}
"#,
        state = at("state"),
        plugins = at("plugins"),
        exports = at("exports"),
        ca = at("ca.pem"),
        password = at("gateway-password"),
    );
    let write = || {
        fs::write(dir.join("ca.pem"), ca.pem())?;
        fs::write(dir.join("gateway-password"), PASSWORD)?;
        fs::write(dir.join("vhr-agent.toml"), &text)
    };
    write().map_err(|e| Failure::environment("could not write the demonstration's configuration", e))?;
    config::parse(&text, "vhr-agent.toml").map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::configuration(lines.join("\n"))
    })
}

/// What was made of it all.
struct Outcome {
    files: usize,
    visits: usize,
    expected: usize,
    endpoints: Vec<Delivered>,
    /// Why, and how many.
    aside: BTreeMap<String, usize>,
    elapsed: Duration,
}

struct Delivered {
    name: &'static str,
    receipts: u64,
    /// Visits that the receiver's own ledger holds exactly once.
    once: usize,
    /// Visits that it holds more often: must be none.
    twice: usize,
    parked: u64,
    waiting: u64,
}

impl Outcome {
    async fn gather(agent: &Agent, files: &[ExportFile], gateway: &Gateway, fhir: &Fhir, elapsed: Duration) -> Self {
        let whole = |file: &ExportFile| -> Vec<String> {
            let whole = file.visits.iter().filter(|visit| visit.fate == Fate::Ok);
            whole.filter_map(|visit| visit.key.clone()).collect()
        };
        let expected: BTreeSet<String> = files.iter().flat_map(whole).collect();
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        for accepted in gateway.accepted() {
            *taken.entry(accepted.key).or_default() += 1;
        }
        let encounters = fhir.encounters();
        let delivered = |name, holds: &dyn Fn(&String) -> usize| {
            let tally = agent.queue.tally(&EndpointId::new(name));
            Delivered {
                name,
                receipts: tally.delivered,
                once: expected.iter().filter(|key| holds(key) == 1).count(),
                twice: expected.iter().filter(|key| holds(key) > 1).count(),
                parked: tally.parked,
                waiting: tally.waiting + tally.sending,
            }
        };
        let endpoints = vec![
            delivered("vhr", &|key| encounters.get(key).map_or(0, Vec::len)),
            delivered("insurance", &|key| taken.get(key).copied().unwrap_or(0)),
        ];
        let mut aside = BTreeMap::new();
        for state in ["set-aside", "refused", "parked"] {
            let request = Request::List {
                state: Some(state.into()),
                endpoint: None,
                limit: 10_000,
            };
            if let Reply::Items { items, .. } = desk::answer(&agent.desk(), request).await {
                for item in items {
                    let why = item
                        .text
                        .split(" / ")
                        .next()
                        .unwrap_or_default()
                        .chars()
                        .take(110)
                        .collect::<String>();
                    *aside.entry(format!("{state}: {why}")).or_default() += 1;
                }
            }
        }
        let visits = files.iter().map(|file| file.visits.len()).sum();
        Self {
            files: files.len(),
            visits,
            expected: expected.len(),
            endpoints,
            aside,
            elapsed,
        }
    }

    /// Every whole visit has arrived once wherever it may go: what is parked waits for a person, as it should.
    fn all_delivered(&self) -> bool {
        self.endpoints.iter().all(|endpoint| {
            let parked = usize::try_from(endpoint.parked).unwrap_or(usize::MAX);
            endpoint.waiting == 0 && endpoint.twice == 0 && endpoint.once + parked == self.expected
        })
    }

    fn json(&self, dir: &Path, kept: bool) -> serde_json::Value {
        let endpoints = self.endpoints.iter().map(|endpoint| {
            json!({
                "name": endpoint.name, "delivered": endpoint.receipts, "once": endpoint.once, "twice": endpoint.twice,
                "parked": endpoint.parked, "waiting": endpoint.waiting,
            })
        });
        json!({
            "files": self.files, "visits": self.visits, "expected": self.expected, "set_aside": self.aside,
            "endpoints": endpoints.collect::<Vec<_>>(), "seconds": self.elapsed.as_secs_f64(),
            "all_delivered": self.all_delivered(), "dir": kept.then(|| dir.display().to_string()),
        })
    }

    fn screen(&self, dir: &Path, kept: bool) -> String {
        let rows = self.endpoints.iter().map(|endpoint| {
            let name = if endpoint.name == "vhr" {
                "VHR (FHIR)"
            } else {
                "Cổng BHXH (insurance)"
            };
            vec![
                name.to_owned(),
                format!("{}/{}", endpoint.once, self.expected),
                endpoint.twice.to_string(),
                endpoint.receipts.to_string(),
                endpoint.parked.to_string(),
            ]
        });
        let mut text = format!(
            "\nTệp (files) {}    Lượt khám (visits) {}    Đọc được, phải gửi (whole, to be delivered) {}\n\n",
            self.files, self.visits, self.expected
        );
        text += &table(
            &[
                "nơi nhận (receiver)",
                "đã nhận một lần (there once)",
                "hai lần (twice)",
                "biên nhận (receipts)",
                "cần người (parked)",
            ],
            &rows.collect::<Vec<_>>(),
        );
        text += "\nĐể riêng và vì sao (set aside, and why):\n";
        for (why, count) in &self.aside {
            text += &format!("  {count} × {why}\n");
        }
        text += &format!("\n{:.1} giây (seconds). ", self.elapsed.as_secs_f64());
        text += &if kept {
            let config = dir.join("vhr-agent.toml");
            format!(
                "Biên nhận (receipts):\n  vhr-agent receipts --config {0}\n  vhr-agent queue ls --config {0}\n",
                config.display()
            )
        } else {
            "Giữ lại để xem biên nhận (to keep and look at the receipts): demo --keep DIR\n".to_owned()
        };
        text
    }
}

/// On a terminal, one line that is written over; elsewhere nothing.
async fn show_progress(agent: Arc<Agent>) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    loop {
        let source = agent.queue.source_tally("his");
        let of = |name: &str| agent.queue.tally(&EndpointId::new(name)).delivered;
        eprint!(
            "\r   tệp (files) {:5}  hồ sơ (records) {:6}  VHR {:6}  BHXH {:6}  ",
            source.accepted,
            source.counts.mapped,
            of("vhr"),
            of("insurance")
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn say(text: &str) {
    eprintln!("{text}");
}
