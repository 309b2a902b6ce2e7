//! What a record says otherwise than the version of its visit before it, for `queue show`.
//!
//! Which version that is, the journal tells; what both say is read from the copies of their exports, here and not in the
//! service: values go to this console and nowhere else. Text that was spoiled is compared as what it says.

use std::collections::{BTreeMap, HashMap};

use vhr_core::control::{Before, Item};
use vhr_core::diff::{self, Difference, Tables, What};
use vhr_core::id::{EndpointId, ExportId, RecordId};
use vhr_core::said;
use vhr_core::say::Said;
use vhr_core::time::Timestamp;

use super::super::output::plain;
use crate::digest::Keyed;
use crate::frame::{self, FileFault, Limits, Opened};
use crate::journal::{Accepted, Entry, Standing};
use crate::report;
use crate::spool::{self, RecordRow, Spool};

/// So many differences are told of one record.
const MOST: usize = 200;

/// The versions of the visits that are shown.
#[derive(Debug)]
pub(super) struct Versions {
    wanted: HashMap<[u8; 16], BTreeMap<RecordId, Version>>,
}

/// One of them.
#[derive(Debug)]
struct Version {
    order: u64,
    at: Timestamp,
    export: ExportId,
    seq: u32,
    endpoints: Vec<EndpointId>,
}

impl Versions {
    /// Of these, before the journal is read.
    pub(super) fn of(items: &[Item], keyed: &Keyed) -> Self {
        let keys = items.iter().filter_map(|item| item.key.split_once('/'));
        let visits = keys.map(|(facility, visit)| (keyed.visit(facility, visit), BTreeMap::new()));
        Self {
            wanted: visits.collect(),
        }
    }

    /// Takes what an entry of the journal tells of them.
    pub(super) fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::Accepted(accepted) => self.accepted(accepted),
            Entry::Standing(standing) => self.standing(standing),
            Entry::Moved { rows, .. } => {
                for (was, row) in rows.iter().filter(|(was, row)| *was != row.record) {
                    // Made anew by another plugin it is another record, of the same version of the visit.
                    if let Some(versions) = self.wanted.get_mut(&row.visit)
                        && let Some(version) = versions.remove(was)
                    {
                        versions.insert(row.record, version);
                    }
                }
            }
            _ => {}
        }
    }

    fn accepted(&mut self, accepted: &Accepted) {
        for (order, row) in (accepted.order..).zip(&accepted.records) {
            let firsts = accepted.deliveries.iter().filter(|first| first.seqs.contains(&row.seq));
            let endpoints = || firsts.map(|first| first.endpoint.clone()).collect();
            self.put(row, order, accepted.at, accepted.export, endpoints);
        }
    }

    fn standing(&mut self, standing: &Standing) {
        for stood in &standing.records {
            let endpoints = || stood.deliveries.iter().map(|(endpoint, _)| endpoint.clone()).collect();
            self.put(
                &stood.row,
                stood.order,
                standing.accepted_at,
                standing.export,
                endpoints,
            );
        }
    }

    fn put(
        &mut self,
        row: &RecordRow,
        order: u64,
        at: Timestamp,
        export: ExportId,
        endpoints: impl FnOnce() -> Vec<EndpointId>,
    ) {
        if let Some(versions) = self.wanted.get_mut(&row.visit) {
            let version = Version {
                order,
                at,
                export,
                seq: row.seq,
                endpoints: endpoints(),
            };
            versions.insert(row.record, version);
        }
    }

    /// Adds to each delivery what its record says otherwise than the one before it at the same endpoint.
    pub(super) fn compare(&self, spool: &Spool, keyed: &Keyed, items: &mut [Item]) {
        let mut compared: HashMap<(RecordId, RecordId), Before> = HashMap::new();
        for item in items {
            let of_visit = item.key.split_once('/');
            let versions = of_visit.and_then(|(facility, visit)| self.wanted.get(&keyed.visit(facility, visit)));
            let Some((versions, (record, endpoint))) = versions.zip(item.id.split_once('@')) else {
                continue;
            };
            let mut all = versions.iter();
            let Some((record, version)) = all.find(|(known, _)| known.to_string() == record) else {
                continue;
            };
            let earlier = versions.iter().filter(|(_, other)| {
                other.order < version.order && other.endpoints.iter().any(|known| known.as_str() == endpoint)
            });
            let Some((before, old)) = earlier.max_by_key(|(_, other)| other.order) else {
                continue;
            };
            let told = compared.entry((*before, *record));
            item.before = Some(told.or_insert_with(|| told_of(spool, *before, old, version)).clone());
        }
    }
}

fn told_of(spool: &Spool, record: RecordId, old: &Version, new: &Version) -> Before {
    let mut before = Before {
        record: record.to_string(),
        accepted_at: old.at.to_rfc3339(),
        differences: Vec::new(),
        more: 0,
        note: None,
    };
    let read = |version: &Version| opened(spool, version.export, version.seq);
    let (new, old) = match read(new).and_then(|new| Ok((new, read(old)?))) {
        Ok(both) => both,
        Err(why) => {
            before.note = Some(why);
            return before;
        }
    };
    (before.differences, before.more) = diff::differences(&tables(&old), &tables(&new), MOST);
    before.note = if !old.passes_on_the_same(&new) {
        Some(said!(
            "còn khác ở bảng không có trong QĐ 3176, chỉ được chuyển tiếp",
            "they differ, too, in a table that QĐ 3176 does not have, and that is only passed on"
        ))
    } else if before.differences.is_empty() && old.written != new.written {
        Some(said!(
            "nội dung như nhau, chỉ khác bảng mã chữ: một trong hai bản bị lỗi phông (TCVN3, VNI…)",
            "all says the same, only its letters are written otherwise: one of the two was spoiled (TCVN3, VNI…)"
        ))
    } else if before.differences.is_empty() {
        Some(said!("nội dung các bảng như nhau", "all tables say the same"))
    } else {
        None
    };
    before
}

/// The tables of a record, from the copy of its export; or why there are none.
fn opened(spool: &Spool, export: ExportId, seq: u32) -> Result<Opened, Said> {
    let limits = Limits::default();
    let bytes = match spool.export(export) {
        Ok((_, bytes)) => bytes,
        Err(spool::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(said!(
                "không so được: bản sao của tệp {short} không còn giữ (quá hạn [storage] keep); xem tệp gốc ở HIS",
                "not compared: the copy of export {short} is not kept any more ([storage] keep); see the file in the HIS",
                short = export.short()
            ));
        }
        Err(e) => return Err(unread(export, &report::chain(&e))),
    };
    for cut in frame::records(bytes, &limits) {
        match cut {
            Ok(cut) if cut.seq == seq => {
                return frame::open(&cut, &limits).map_err(|fault| unread(export, fault.code));
            }
            Ok(_) => {}
            Err(FileFault::Read(e)) => return Err(unread(export, &e.to_string())),
            Err(FileFault::Refused(fault)) => return Err(unread(export, fault.code)),
        }
    }
    Err(unread(export, "HOSO"))
}

fn unread(export: ExportId, why: &str) -> Said {
    said!(
        "không so được: bản sao của tệp {short} không đọc được ({why})",
        "not compared: the copy of export {short} does not read ({why})",
        short = export.short()
    )
}

fn tables(opened: &Opened) -> Tables<'_> {
    let mut tables = Tables::default();
    for table in opened.tables() {
        for row in opened.rows(table) {
            tables.row(table, row.fields());
        }
    }
    tables
}

/// All of it, for people.
pub(super) fn lines(before: &Before) -> String {
    let short: String = before.record.chars().take(10).collect();
    let mut text = format!("  khác bản trước (differs from) {short}  {}\n", before.accepted_at);
    for difference in &before.differences {
        text += &format!("    {}\n", plain(&line(difference)));
    }
    if before.more > 0 {
        let more = before.more;
        text += &format!("    … còn {more} chỗ khác nữa (and {more} more)\n");
    }
    if let Some(note) = &before.note {
        text += &format!("    {note}\n");
    }
    text
}

fn line(difference: &Difference) -> String {
    let Difference {
        what,
        table,
        row,
        field,
        name,
        old,
        new,
    } = difference;
    let shown = |value: &Option<String>| value.as_deref().map_or("∅".to_owned(), |value| format!("“{value}”"));
    let of = |value: &Option<String>| value.as_deref().map(|value| format!(": {value}")).unwrap_or_default();
    match what {
        What::Changed => {
            let name = name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
            let field = field.as_deref().unwrap_or_default();
            format!("{table} {row} {field}{name}: {} → {}", shown(old), shown(new))
        }
        What::RowAdded => format!("{table} {row} dòng mới (new row){}", of(new)),
        What::RowRemoved => format!("{table} {row} không còn dòng này (row taken out){}", of(old)),
    }
}

#[cfg(test)]
mod tests {
    use vhr_core::delivery::State;

    use super::*;
    use crate::journal::{Counts, First, Stood};
    use crate::keys::Keys;
    use crate::spool::Written;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000 + ms)
    }

    fn id(record: u8) -> RecordId {
        RecordId::from_bytes([record; 16])
    }

    fn row(record: u8, visit: [u8; 16]) -> RecordRow {
        RecordRow {
            record: id(record),
            seq: 1,
            offset: 0,
            length: 0,
            size: 0,
            visit,
            content: [record; 16],
            written: Written::default(),
            signed: false,
            shares: vec![],
            twin: None,
        }
    }

    fn accepted(record: u8, order: u64, endpoint: &str, visit: [u8; 16]) -> Entry {
        Entry::Accepted(Accepted {
            export: ExportId::from_bytes([record; 32]),
            at: at(0),
            source: "his".into(),
            plugin: None,
            counts: Counts::default(),
            deliveries: vec![First {
                endpoint: EndpointId::new(endpoint),
                seqs: vec![1],
                state: State::new(at(0)),
            }],
            records: vec![row(record, visit)],
            order,
            superseded: vec![],
        })
    }

    fn standing(record: u8, order: u64, visit: [u8; 16]) -> Entry {
        Entry::Standing(Standing {
            export: ExportId::from_bytes([record; 32]),
            accepted_at: at(0),
            source: "his".into(),
            plugin: None,
            counts: Counts::default(),
            closed: vec![],
            records: vec![Stood {
                order,
                row: row(record, visit),
                key: None,
                deliveries: vec![(EndpointId::new("vhr"), State::new(at(0)))],
                earlier: vec![],
            }],
            rests_since: None,
            released: None,
        })
    }

    fn item(record: u8, endpoint: &str) -> Item {
        Item {
            id: format!("{}@{endpoint}", id(record)),
            file: String::new(),
            locator: String::new(),
            key: "79999/LK1".into(),
            accepted_at: String::new(),
            state: "waiting".into(),
            detail: None,
            text: String::new(),
            history: Vec::new(),
            before: None,
        }
    }

    /// Which record each of these is compared with, after these entries.
    fn before(entries: &[Entry], keyed: &Keyed, mut items: Vec<Item>) -> Vec<Option<String>> {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::existing(folder.path(), Keys::generate(at(0)));
        let mut versions = Versions::of(&items, keyed);
        entries.iter().for_each(|entry| versions.note(entry));
        versions.compare(&spool, keyed, &mut items);
        let told = items.into_iter().map(|item| {
            let before = item.before?;
            assert!(before.note.unwrap().en.contains("not kept"), "there are no copies");
            Some(before.record)
        });
        told.collect()
    }

    #[test]
    fn the_version_before_is_the_newest_older_one_of_the_visit_at_the_same_endpoint() {
        let keyed = Keys::generate(at(0)).keyed();
        let (visit, other) = (keyed.visit("79999", "LK1"), keyed.visit("79999", "LK2"));
        let entries = [
            // Told out of order, as after a compaction.
            accepted(4, 9, "vhr", visit),
            accepted(3, 8, "insurance", visit),
            standing(2, 5, visit),
            accepted(1, 2, "vhr", visit),
            accepted(5, 7, "vhr", other),
        ];
        let asked = || vec![item(4, "vhr"), item(2, "vhr"), item(1, "vhr"), item(3, "insurance")];
        let name = |record: u8| Some(id(record).to_string());
        assert_eq!(before(&entries, &keyed, asked()), [name(2), name(1), None, None]);

        // Made anew by a newer plugin, it is still the same version.
        let moved = Entry::Moved {
            export: ExportId::from_bytes([2; 32]),
            at: at(1),
            rows: vec![(id(2), row(9, visit))],
            order: 20,
        };
        let entries: Vec<Entry> = entries.into_iter().chain([moved]).collect();
        let asked = vec![item(4, "vhr"), item(9, "vhr")];
        assert_eq!(before(&entries, &keyed, asked), [name(9), name(1)]);
    }
}
