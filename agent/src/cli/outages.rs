//! `outages`: when what was out of reach, as evidence for late sending. Read from the journal, whether the service runs or not.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use vhr_core::config::Config;
use vhr_core::delivery::State;
use vhr_core::outage::{Book, Outage};
use vhr_core::say::Said;
use vhr_core::time::Timestamp;

use super::output::{plain, print, print_json, table};
use super::receipts::{cell, check_days};
use super::{ConfigOption, run::read_config};
use crate::journal::{self, Entry, Position};
use crate::report::{Exit, Failure};
use crate::{clock, outages, state};

/// Of `outages`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigOption,
    /// Từ ngày, yyyy-MM-dd / from this day on
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Đến hết ngày, yyyy-MM-dd / up to and with this day
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Ghi ra tệp CSV / into a CSV file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Cho máy đọc / for programs
    #[arg(long, conflicts_with = "csv")]
    json: bool,
}

const HEAD: [&str; 8] = [
    "từ (from)",
    "đến (to)",
    "thời gian (duration)",
    "loại (what)",
    "tên (name)",
    "biểu hiện (how it showed)",
    "số lần thử hỏng (failed attempts)",
    "hồ sơ chờ lúc hết (waiting at the end)",
];

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = read_config(&options.config.config)?;
    check_days([&options.from, &options.to])?;
    let now = clock::now();
    let mut list = read(&config)?;
    let day = |at: Timestamp| at.in_zone(config.site.timezone)[..10].to_owned();
    list.retain(|outage| {
        let (from, to) = (day(outage.from), day(outage.to.unwrap_or(now)));
        options.from.as_ref().is_none_or(|wanted| *wanted <= to)
            && options.to.as_ref().is_none_or(|wanted| from <= *wanted)
    });
    if options.json {
        let items: Vec<Value> = list.iter().map(|outage| item(outage, now)).collect();
        print_json(&items)?;
        return Ok(Exit::Well);
    }
    let rows: Vec<Vec<String>> = list.iter().map(|outage| row(&config, outage, now)).collect();
    match &options.csv {
        None => print(&table(&HEAD, &rows))?,
        Some(path) => {
            let mut text = format!("\u{feff}{}\n", HEAD.map(cell).join(","));
            for row in rows {
                let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{}", cells.join(","));
            }
            std::fs::write(path, text)
                .map_err(|e| Failure::environment(&format!("could not write {}", path.display()), e))?;
        }
    }
    Ok(Exit::Well)
}

/// All that the journal tells, and what the agent said last of what has not ended.
fn read(config: &Config) -> Result<Vec<Outage>, Failure> {
    let failed = |e| Failure::environment("the journal cannot be read", e);
    let folder = config.storage.dir.join("journal");
    let keys = state::open_keys(&config.storage).map_err(|e| Failure::environment("the journal cannot be read", e))?;
    let mut book = Book::default();
    for placed in journal::entries(&folder, &keys, Position::default()).map_err(failed)? {
        match placed.map(|placed| placed.entry) {
            Ok(Entry::Outage(outage)) => book.told(outage),
            Ok(Entry::Step {
                delivery,
                state: State::Delivered(receipt),
                ..
            }) => book.arrived(delivery.endpoint.as_str(), receipt.at),
            Ok(_) => {}
            // A damaged stretch hides no other entry; `status` and `queue verify` tell of it.
            Err(journal::Error::Damaged(_)) => {}
            Err(e) => return Err(failed(e)),
        }
    }
    Ok(book.list(Some(&outages::read(&config.storage.dir).open)))
}

fn row(config: &Config, outage: &Outage, now: Timestamp) -> Vec<String> {
    let when = |at: Timestamp| at.in_zone(config.site.timezone);
    let attempts = match outage.attempts {
        0 => String::new(),
        some => some.to_string(),
    };
    vec![
        when(outage.from),
        outage.to.map_or_else(|| "đang tiếp diễn (still)".into(), when),
        length(outage.length(now)),
        outage.what.said().to_string(),
        plain(&outage.name),
        how(outage).to_string(),
        attempts,
        outage.waiting.map(|waiting| waiting.to_string()).unwrap_or_default(),
    ]
}

fn item(outage: &Outage, now: Timestamp) -> Value {
    let how = how(outage);
    json!({
        "from": outage.from.to_rfc3339(),
        "to": outage.to.map(Timestamp::to_rfc3339),
        "seconds": outage.length(now).as_secs(),
        "what": outage.what,
        "name": outage.name,
        "kinds": outage.kinds,
        "vi": how.vi,
        "en": how.en,
        "attempts": outage.attempts,
        "waiting": outage.waiting,
    })
}

fn how(outage: &Outage) -> Said {
    let said: Vec<Said> = outage.kinds.iter().map(|kind| kind.said()).collect();
    let join = |text: fn(&Said) -> &str| said.iter().map(text).collect::<Vec<_>>().join("; ");
    Said {
        vi: join(|said| &said.vi),
        en: join(|said| &said.en),
    }
}

/// Hours, minutes and seconds, as a spreadsheet reads them.
fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_in_hours_minutes_and_seconds() {
        for (seconds, written) in [(0, "0:00:00"), (3723, "1:02:03"), (90_000, "25:00:00")] {
            assert_eq!(length(Duration::from_secs(seconds)), written);
        }
    }
}
