//! `status`: one screen. Works with the service down, and says how old what it tells is.

use vhr_core::config::Config;
use vhr_core::control::{Reply, Request};
use vhr_core::status::Status;
use vhr_core::time::Timestamp;

use super::output::{print, print_json, table};
use super::{ConfigOption, run::read_config, runtime};
use crate::report::{Exit, Failure};
use crate::{clock, control};

/// Of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigOption,
    /// Cho máy đọc / for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = read_config(&options.config.config)?;
    let dir = &config.storage.dir;
    let asked = runtime()?.block_on(control::ask(dir, &Request::Status));
    let status = match asked.map_err(|e| Failure::environment("the service does not answer", e))? {
        Some(Reply::Status { status }) => *status,
        Some(_) => {
            return Err(Failure::not_running(
                "the service gave another answer than asked for: is it of this version?",
            ));
        }
        None => snapshot(&config)?,
    };
    if options.json {
        print_json(&status)?;
    } else {
        print(&screen(&config, &status))?;
    }
    Ok(match status.running {
        false => Exit::NotRunning,
        true if status.needs_a_person() => Exit::NeedsAPerson,
        true => Exit::Well,
    })
}

/// What the service wrote down last.
fn snapshot(config: &Config) -> Result<Status, Failure> {
    let path = control::snapshot_path(&config.storage.dir);
    let text = std::fs::read(&path).map_err(|e| {
        Failure::not_running(format!(
            "dịch vụ không chạy và chưa từng chạy (the service does not run and never did): {e}"
        ))
    })?;
    let mut status: Status = serde_json::from_slice(&text)
        .map_err(|e| Failure::not_running(format!("the last status {} does not read: {e}", path.display())))?;
    status.running = false;
    Ok(status)
}

fn screen(config: &Config, status: &Status) -> String {
    let at = Timestamp::parse_rfc3339(&status.at).unwrap_or(clock::now());
    let when =
        |text: &str| Timestamp::parse_rfc3339(text).map_or_else(String::new, |time| time.in_zone(config.site.timezone));
    let head = if status.running {
        format!("đang chạy từ (running since) {}", when(&status.since))
    } else {
        let age = clock::now().since(at).as_secs() / 60;
        format!("KHÔNG CHẠY — số liệu cũ {age} phút (NOT RUNNING — as of {age} minutes ago)")
    };
    let sources = status.sources.iter().map(|source| {
        vec![
            source.name.clone(),
            source.accepted.to_string(),
            source.records.to_string(),
            source.refused.to_string(),
            source.set_aside.to_string(),
            source.last_accepted.as_deref().map(when).unwrap_or_default(),
            source.trouble.clone().unwrap_or_default(),
        ]
    });
    let endpoints = status.endpoints.iter().map(|endpoint| {
        vec![
            endpoint.name.clone(),
            endpoint.delivered.to_string(),
            (endpoint.waiting + endpoint.sending).to_string(),
            endpoint.parked.to_string(),
            endpoint
                .next_window
                .as_deref()
                .map_or_else(|| "ngay (at once)".into(), when),
            if endpoint.breaker == "closed" {
                "tốt (well)".into()
            } else {
                endpoint.breaker.clone()
            },
            match (&endpoint.unreachable_since, &endpoint.trouble) {
                (Some(since), trouble) => {
                    format!("từ (since) {}: {}", when(since), trouble.as_deref().unwrap_or_default())
                }
                (None, trouble) => trouble.clone().unwrap_or_default(),
            },
        ]
    });
    let mut text = format!("VHR Agent {} — {} — {head}\n\n", status.version, status.site);
    text += &table(
        &[
            "nguồn (source)",
            "tệp (files)",
            "hồ sơ (records)",
            "từ chối (refused)",
            "để riêng (set aside)",
            "lần cuối (last)",
            "",
        ],
        &sources.collect::<Vec<_>>(),
    );
    text += "\n";
    text += &table(
        &[
            "nơi nhận (endpoint)",
            "đã gửi (delivered)",
            "chờ (waiting)",
            "cần người (parked)",
            "giờ gửi (next)",
            "đường (line)",
            "",
        ],
        &endpoints.collect::<Vec<_>>(),
    );
    if let Some(rebuilt) = &status.storage.index_rebuilt {
        text += &format!("\nchỉ mục được dựng lại lúc (index rebuilt) {}\n", when(rebuilt));
    }
    for line in status.storage.input_paused.iter().chain(&status.storage.damage) {
        text += &format!("\n{line}\n");
    }
    if status.storage.quarantined > 0 {
        let (n, dir) = (status.storage.quarantined, config.storage.dir.join("quarantine"));
        text += &format!(
            "\n{n} tệp hỏng để riêng ở (damaged files, set aside in) {}\n",
            dir.display()
        );
    }
    if status.needs_a_person() {
        text += "\nCần người xem: `vhr-agent queue ls` (needs a person)\n";
    }
    text
}
