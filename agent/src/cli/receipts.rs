//! `receipts`: proof of what was sent, with the endpoint's reference. Read from the journal, whether the service runs or not.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use vhr_core::delivery::State;
use vhr_core::id::{ExportId, RecordId};
use vhr_core::time::Timestamp;

use super::output::print;
use super::{ConfigOption, run::read_config};
use crate::journal::{self, Entry, Position};
use crate::report::{Exit, Failure};
use crate::spool::Spool;
use crate::state;

/// Of `receipts`.
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
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = read_config(&options.config.config)?;
    for day in [&options.from, &options.to].into_iter().flatten() {
        if Timestamp::parse_rfc3339(&format!("{day}T00:00:00Z")).is_none() {
            return Err(Failure::usage(format!(
                "{day:?} không phải là ngày yyyy-MM-dd (is not a day)"
            )));
        }
    }
    let failed = |e| Failure::environment("the journal cannot be read", e);
    let folder = config.storage.dir.join("journal");
    let keys = state::open_keys(&config.storage).map_err(|e| Failure::environment("the journal cannot be read", e))?;
    let spool = Spool::existing(&config.storage.dir, keys.clone());
    let mut places: HashMap<RecordId, (ExportId, u64, u32)> = HashMap::new();
    let mut text = String::from(
        "\u{feff}time,endpoint,facility,MA_LK,standing,reference,sent_sha256,answer_sha256,note,record,export\n",
    );
    for placed in journal::entries(&folder, &keys, Position::default()).map_err(failed)? {
        let entry = match placed {
            Ok(placed) => placed.entry,
            // A damaged stretch hides no other receipt; `status` and `queue verify` tell of it.
            Err(journal::Error::Damaged(_)) => continue,
            Err(e) => return Err(failed(e)),
        };
        match entry {
            Entry::Accepted(accepted) => {
                // The key of a visit stands in the sealed record only.
                let rows = accepted.records.into_iter();
                places.extend(rows.map(|row| (row.record, (accepted.export, row.offset, row.length))));
            }
            Entry::Moved { export, rows, .. } => {
                let rows = rows.into_iter().map(|(_, row)| row);
                places.extend(rows.map(|row| (row.record, (export, row.offset, row.length))));
            }
            Entry::Step {
                delivery,
                state: State::Delivered(receipt),
                ..
            } => {
                let time = receipt.at.in_zone(config.site.timezone);
                let day = &time[..10];
                if options.from.as_deref().is_some_and(|from| day < from)
                    || options.to.as_deref().is_some_and(|to| day > to)
                {
                    continue;
                }
                let place = places.get(&delivery.record).copied();
                let key = place
                    .map(|place| key_of(&spool, place, delivery.record))
                    .unwrap_or_default();
                let export = place.map(|(export, ..)| export.to_string()).unwrap_or_default();
                let standing = serde_json::to_value(receipt.standing).unwrap_or_default();
                let cells = [
                    time.as_str(),
                    delivery.endpoint.as_str(),
                    &key.0,
                    &key.1,
                    standing.as_str().unwrap_or_default(),
                    receipt.reference.as_deref().unwrap_or_default(),
                    &receipt.sent_sha256,
                    &receipt.answer_sha256,
                    receipt.note.as_deref().unwrap_or_default(),
                    &delivery.record.to_string(),
                    &export,
                ];
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{}", cells.map(cell).join(","));
            }
            _ => {}
        }
    }
    match &options.csv {
        None => print(text.trim_start_matches('\u{feff}'))?,
        Some(path) => std::fs::write(path, text)
            .map_err(|e| Failure::environment(&format!("could not write {}", path.display()), e))?,
    }
    Ok(Exit::Well)
}

/// Facility and `MA_LK` of a record; empty where the spool no longer tells.
fn key_of(spool: &Spool, (export, offset, length): (ExportId, u64, u32), record: RecordId) -> (String, String) {
    let head = spool
        .batch(export)
        .and_then(|mut batch| batch.record(record, offset, length));
    head.map(|record| (record.head.key.facility, record.head.key.visit))
        .unwrap_or_default()
}

/// A CSV cell: quoted where needed, and never taken for a formula by a spreadsheet.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_needed_and_never_a_formula() {
        assert_eq!(cell("a"), "a");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
    }
}
