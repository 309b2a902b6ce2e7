//! `receipts`: proof of what was sent, with the endpoint's reference. Read from the journal, whether the service runs or not.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use vhr_core::config::Site;
use vhr_core::delivery::{Receipt, State};
use vhr_core::id::{DeliveryId, ExportId, RecordId};
use vhr_core::record::VisitKey;
use vhr_core::time::Timestamp;

use super::output::print;
use super::{ConfigOption, run::read_config};
use crate::journal::{self, Entry, Position, Standing};
use crate::keys::Keys;
use crate::report::{Exit, Failure};
use crate::spool::{RecordRow, Spool};
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
    check_days([&options.from, &options.to])?;
    let unread = |e| Failure::environment("the journal cannot be read", e);
    let keys = state::open_keys(&config.storage).map_err(|e| Failure::environment("the journal cannot be read", e))?;
    let folder = config.storage.dir.join("journal");
    let mut receipts = Receipts {
        wanted: Wanted {
            site: config.site.clone(),
            from: options.from.clone(),
            to: options.to.clone(),
        },
        spool: Spool::existing(&config.storage.dir, keys.clone()),
        places: HashMap::new(),
        released: HashSet::new(),
        told: HashSet::new(),
        rows: Vec::new(),
    };
    for entry in entries(&folder, &keys).map_err(unread)? {
        if let Entry::Standing(Standing {
            released: Some(_),
            records,
            ..
        }) = entry.map_err(unread)?
        {
            receipts.released.extend(records.iter().map(|stood| stood.row.record));
        }
    }
    for entry in entries(&folder, &keys).map_err(unread)? {
        receipts.read(entry.map_err(unread)?);
    }
    receipts.rows.sort_by_key(|(at, _)| *at);
    let rows = receipts.rows.into_iter().map(|(_, row)| row + "\n");
    let text = format!("\u{feff}{HEAD}\n{}", rows.collect::<String>());
    match &options.csv {
        None => print(text.trim_start_matches('\u{feff}'))?,
        Some(path) => std::fs::write(path, text)
            .map_err(|e| Failure::environment(&format!("could not write {}", path.display()), e))?,
    }
    Ok(Exit::Well)
}

const HEAD: &str = "time,endpoint,facility,MA_LK,standing,reference,sent_sha256,answer_sha256,note,record,export";

/// What the journal tells. A damaged stretch hides no other receipt; `status` and `queue verify` tell of it.
fn entries(
    folder: &Path,
    keys: &Keys,
) -> Result<impl Iterator<Item = Result<Entry, journal::Error>> + use<>, journal::Error> {
    let all = journal::entries(folder, keys, Position::default())?;
    Ok(all.filter_map(|placed| match placed {
        Ok(placed) => Some(Ok(placed.entry)),
        Err(journal::Error::Damaged(_)) => None,
        Err(e) => Some(Err(e)),
    }))
}

/// Which days are asked for.
struct Wanted {
    site: Site,
    from: Option<String>,
    to: Option<String>,
}

impl Wanted {
    /// The receipt's time as shown, where it is asked for.
    fn time(&self, receipt: &Receipt) -> Option<String> {
        let time = receipt.at.in_zone(self.site.timezone);
        let day = &time[..10];
        let wanted =
            self.from.as_deref().is_none_or(|from| day >= from) && self.to.as_deref().is_none_or(|to| day <= to);
        wanted.then_some(time)
    }
}

/// Where a record lies: its export, its place in that, and where its frame is, and how long, in the batch.
type Place = (ExportId, u32, u64, u32);

/// Receipts as they are read from the journal.
struct Receipts {
    wanted: Wanted,
    spool: Spool,
    places: HashMap<RecordId, Place>,
    /// Records that were let go: one later entry tells all their receipts.
    released: HashSet<RecordId>,
    /// What was told of the others: how they stand may be told more than once.
    told: HashSet<(DeliveryId, Timestamp)>,
    rows: Vec<(Timestamp, String)>,
}

impl Receipts {
    fn read(&mut self, entry: Entry) {
        match entry {
            Entry::Accepted(accepted) => self.lie(accepted.export, accepted.records.iter()),
            Entry::Moved { export, rows, .. } => self.lie(export, rows.iter().map(|(_, row)| row)),
            Entry::Step {
                delivery,
                state: State::Delivered(receipt),
                ..
            } if !self.released.contains(&delivery.record) => self.delivered(&delivery, &receipt, None),
            Entry::Standing(standing) => {
                for stood in &standing.records {
                    // The same export may be told more than once: each time it is carried on.
                    let last = self.released.contains(&stood.row.record);
                    if last != standing.released.is_some() {
                        continue;
                    }
                    self.released.remove(&stood.row.record);
                    self.lie(standing.export, std::iter::once(&stood.row));
                    let last = stood.deliveries.iter().filter_map(|(endpoint, state)| match state {
                        State::Delivered(receipt) => Some((endpoint, receipt)),
                        _ => None,
                    });
                    let earlier = stood.earlier.iter().map(|(endpoint, receipt)| (endpoint, receipt));
                    for (endpoint, receipt) in last.chain(earlier) {
                        let id = DeliveryId {
                            record: stood.row.record,
                            endpoint: endpoint.clone(),
                        };
                        self.delivered(&id, receipt, stood.key.clone());
                    }
                }
            }
            _ => {}
        }
    }

    /// The key of a visit stands in the sealed record as long as that is kept.
    fn lie<'a>(&mut self, export: ExportId, rows: impl Iterator<Item = &'a RecordRow>) {
        for row in rows.filter(|row| !self.released.contains(&row.record)) {
            self.places
                .insert(row.record, (export, row.seq, row.offset, row.length));
        }
    }

    fn delivered(&mut self, delivery: &DeliveryId, receipt: &Receipt, key: Option<VisitKey>) {
        let Some(time) = self.wanted.time(receipt) else {
            return;
        };
        if !self.told.insert((delivery.clone(), receipt.at)) {
            return;
        }
        let place = self.places.get(&delivery.record).copied();
        let key = key.or_else(|| self.key_of(place?, delivery.record));
        let (facility, visit) = key.map(|key| (key.facility, key.visit)).unwrap_or_default();
        let export = place.map(|(export, ..)| export.to_string()).unwrap_or_default();
        let standing = serde_json::to_value(receipt.standing).unwrap_or_default();
        let cells = [
            time.as_str(),
            delivery.endpoint.as_str(),
            &facility,
            &visit,
            standing.as_str().unwrap_or_default(),
            receipt.reference.as_deref().unwrap_or_default(),
            &receipt.sent_sha256,
            &receipt.answer_sha256,
            receipt.note.as_deref().unwrap_or_default(),
            &delivery.record.to_string(),
            &export,
        ];
        self.rows.push((receipt.at, cells.map(cell).join(",")));
    }

    /// Facility and `MA_LK` of a record, where the spool still tells.
    fn key_of(&self, (export, seq, offset, length): Place, record: RecordId) -> Option<VisitKey> {
        let mut batch = self.spool.batch(export).ok()?;
        let read = batch.record(record, offset, length).ok().or_else(|| {
            // It was made anew since: it may lie otherwise, or another record of the same visit be in its place.
            let row = batch.index().ok()?.mapped.into_iter().find(|row| row.seq == seq)?;
            batch.record(row.record, row.offset, row.length).ok()
        });
        Some(read?.head.key)
    }
}

pub(super) fn check_days(days: [&Option<String>; 2]) -> Result<(), Failure> {
    let wrong = |day: &&String| Timestamp::parse_rfc3339(&format!("{day}T00:00:00Z")).is_none();
    match days.into_iter().flatten().find(wrong) {
        Some(day) => Err(Failure::usage(format!(
            "{day:?} không phải là ngày yyyy-MM-dd (is not a day)"
        ))),
        None => Ok(()),
    }
}

/// A CSV cell: quoted where needed, and never taken for a formula by a spreadsheet.
pub(super) fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
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
