//! `report`: how a day or a period went, as figures for the office. Works whether the service runs or not.
//!
//! What is counted belongs to the day (in the site's time zone) on which its file was accepted, and stands as it is now. The
//! definitions are in the report itself ([`definitions`]): seen = found in files; accepted = mapped; complete = accepted of seen, and
//! for each endpoint arrived of due; clean = without warning and error; live = arrived within 24 hours of the visit's end; trend =
//! the same by day, and against as many days before. No name, card number or `MA_LK` stands in it, only codes and counts.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use vhr_core::figures::{LONGEST, Period};

use super::output::print_bytes;
use super::{ConfigOption, run::read_config};
use crate::report::{Exit, Failure};
use crate::{clock, state};

mod definitions;
mod gather;
mod html;
mod plain;
mod sheets;
mod xlsx;

/// Of `report`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigOption,
    /// Từ ngày, yyyy-MM-dd; không ghi: bằng --to / from this day on; by default the day of --to
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Đến hết ngày, yyyy-MM-dd; không ghi: hôm nay / up to and with this day; by default today
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Dạng / in which form
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Ghi ra tệp / into a file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// In which form a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Bảng chữ trên màn hình / for the console
    Text,
    /// Một tệp CSV / one CSV file
    Csv,
    /// Bảng tính Excel / a workbook
    Xlsx,
    /// Một trang web không cần mạng / one page that needs nothing else
    Html,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = read_config(&options.config.config)?;
    let now = clock::now().in_zone(config.site.timezone);
    let to = options.to.as_deref().unwrap_or(&now[..10]);
    let from = options.from.as_deref().unwrap_or(to);
    let period = Period::read(from, to).ok_or_else(|| {
        Failure::usage(format!(
            "từ {from:?} đến {to:?}: phải là hai ngày yyyy-MM-dd, ngày trước rồi ngày sau, nhiều nhất {LONGEST} ngày \
             (two days, the earlier first, at most {LONGEST} days)"
        ))
    })?;
    let to_terminal = options.out.is_none() && io::stdout().is_terminal();
    if to_terminal && options.format == Format::Xlsx {
        return Err(Failure::usage(
            "hãy ghi ra tệp: --out bao-cao.xlsx (write it into a file)",
        ));
    }
    let keys = state::open_keys(&config.storage).map_err(|e| Failure::environment("the journal cannot be read", e))?;
    let gathered =
        gather::gather(&config, keys, period).map_err(|e| Failure::environment("the journal cannot be read", e))?;
    let report = sheets::report(&config.site, &now, &gathered);
    let bytes = match options.format {
        Format::Text => plain::text(&report).into_bytes(),
        Format::Csv => plain::csv(&report, !to_terminal).into_bytes(),
        Format::Html => html::page(&report).into_bytes(),
        Format::Xlsx => xlsx::workbook(&report),
    };
    match &options.out {
        None => print_bytes(&bytes)?,
        Some(path) => std::fs::write(path, bytes)
            .map_err(|e| Failure::environment(&format!("could not write {}", path.display()), e))?,
    }
    Ok(Exit::Well)
}
