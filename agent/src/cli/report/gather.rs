//! What is counted, from where: the journal tells files, counts and deliveries; the sealed batches tell departments, remarks and
//! the ends of visits, as long as they are kept.
//!
//! What stays true: one record of a batch is in memory at a time, and of each delivery of the two periods its bare state; nothing
//! but codes, counts and the words of rules gets from a record into the figures.

use std::collections::{HashMap, HashSet};

use vhr_core::config::Config;
use vhr_core::figures::{Book, By, Department, Figures, Period, Remark, Stand};
use vhr_core::id::{EndpointId, ExportId, RecordId};
use vhr_core::record::Issue;
use vhr_core::time::Timestamp;

use crate::check;
use crate::journal::{self, Counts, Entry, Position};
use crate::keys::Keys;
use crate::spool::batch::SetAside;
use crate::spool::{Index, Spool};

/// A code is no longer than this, or it is none.
const LONGEST_CODE: usize = 64;
/// Remarks of the agent itself that are no rules. Their words hold no values.
const OURS: [&str; 5] = [
    "FHIR-STRUCTURE",
    "FHIR-PROFILE",
    "SIGN-BROKEN",
    "SIGN-NONE",
    "SIGN-EXPIRES",
];

/// What was counted, and what has to be said about it.
pub(super) struct Gathered {
    pub(super) book: Book,
    /// The first day that the journal tells of.
    pub(super) known_since: Option<String>,
    /// Stretches of the journal that do not read.
    pub(super) damaged: u64,
}

/// Counts all that belongs to a period and to the one before it.
pub(super) fn gather(config: &Config, keys: Keys, period: Period) -> Result<Gathered, journal::Error> {
    let mut told = Told {
        first: period.before().first(),
        last: period.last(),
        config,
        known_since: None,
        exports: Vec::new(),
        places: HashMap::new(),
        endpoints: Vec::new(),
        deliveries: HashMap::new(),
    };
    let mut damaged = 0;
    let folder = config.storage.dir.join("journal");
    for placed in journal::entries(&folder, &keys, Position::default())? {
        match placed {
            Ok(placed) => told.entry(placed.entry),
            Err(journal::Error::Damaged(_)) => damaged += 1,
            Err(e) => return Err(e),
        }
    }
    let mut counting = Counting {
        book: Book::new(period),
        words: check::rules(&config.rules)
            .map(|rules| rules.ids().map(str::to_owned).collect())
            .unwrap_or_default(),
        spool: Spool::existing(&config.storage.dir, keys),
    };
    let known_since = told.known_since.map(|at| told.day(at));
    counting.all(told);
    Ok(Gathered {
        book: counting.book,
        known_since,
        damaged,
    })
}

/// What the journal tells of the two periods.
struct Told<'a> {
    first: String,
    last: String,
    config: &'a Config,
    known_since: Option<Timestamp>,
    exports: Vec<Export>,
    /// Of an export, in `exports`.
    places: HashMap<ExportId, u32>,
    endpoints: Vec<EndpointId>,
    deliveries: Deliveries,
}

/// By record: its export, and where its deliveries stand, by endpoint.
type Deliveries = HashMap<RecordId, (u32, Vec<(u16, Stand)>)>;

struct Export {
    id: ExportId,
    day: String,
    counts: Counts,
}

impl Told<'_> {
    fn entry(&mut self, entry: Entry) {
        match entry {
            Entry::Accepted(accepted) => {
                if let Some(export) = self.export(accepted.export, accepted.at, accepted.counts) {
                    let records: HashMap<u32, RecordId> =
                        accepted.records.iter().map(|row| (row.seq, row.record)).collect();
                    for first in &accepted.deliveries {
                        for record in first.seqs.iter().filter_map(|seq| records.get(seq)) {
                            self.stands(export, *record, &first.endpoint, Stand::of(&first.state));
                        }
                    }
                }
                for (delivery, _) in &accepted.superseded {
                    self.step(delivery.record, &delivery.endpoint, Stand::Superseded);
                }
            }
            Entry::Step { delivery, state, .. } => self.step(delivery.record, &delivery.endpoint, Stand::of(&state)),
            Entry::Moved { rows, .. } => {
                for (old, row) in rows.iter().filter(|(old, row)| *old != row.record) {
                    self.moved(*old, row.record);
                }
            }
            Entry::Standing(standing) => {
                if let Some(export) = self.export(standing.export, standing.accepted_at, standing.counts) {
                    for stood in &standing.records {
                        for (endpoint, state) in &stood.deliveries {
                            let earlier = stood.earlier.iter().filter(|(known, _)| known == endpoint);
                            let first = earlier.map(|(_, receipt)| receipt.at).min();
                            let stand = first.map_or_else(|| Stand::of(state), Stand::Delivered);
                            self.stands(export, stood.row.record, endpoint, stand);
                        }
                    }
                }
            }
            Entry::Closed { .. } | Entry::Retired { .. } | Entry::Outage(_) => {}
        }
    }

    fn day(&self, at: Timestamp) -> String {
        at.in_zone(self.config.site.timezone)[..10].to_owned()
    }

    /// The place of an export that is counted. It may be told more than once; the last time holds.
    fn export(&mut self, id: ExportId, at: Timestamp, counts: Counts) -> Option<u32> {
        self.known_since = Some(self.known_since.map_or(at, |before| before.min(at)));
        let day = self.day(at);
        if day < self.first || day > self.last {
            return None;
        }
        let next = u32::try_from(self.exports.len()).ok()?;
        let place = *self.places.entry(id).or_insert(next);
        let export = Export { id, day, counts };
        match self.exports.get_mut(place as usize) {
            Some(known) => *known = export,
            None => self.exports.push(export),
        }
        Some(place)
    }

    fn stands(&mut self, export: u32, record: RecordId, endpoint: &EndpointId, stand: Stand) {
        let endpoint = self.endpoint(endpoint);
        let (_, deliveries) = self.deliveries.entry(record).or_insert((export, Vec::new()));
        match deliveries.iter_mut().find(|(known, _)| *known == endpoint) {
            // What a person has sent once more was delivered all the same.
            Some((_, Stand::Delivered(_))) => {}
            Some((_, known)) => *known = stand,
            None => deliveries.push((endpoint, stand)),
        }
    }

    /// Of what does not belong to the periods, or is told as a whole later, nothing is known here.
    fn step(&mut self, record: RecordId, endpoint: &EndpointId, stand: Stand) {
        if let Some((export, _)) = self.deliveries.get(&record) {
            self.stands(*export, record, endpoint, stand);
        }
    }

    /// A record that was made anew takes the place of what had not come to its end.
    fn moved(&mut self, old: RecordId, new: RecordId) {
        let Some((export, deliveries)) = self.deliveries.get_mut(&old) else {
            return;
        };
        let export = *export;
        let open = deliveries.extract_if(.., |(_, stand)| match stand {
            Stand::Open => true,
            Stand::Parked(kind, _) => kind.needs_a_person(),
            Stand::Delivered(_) | Stand::Superseded => false,
        });
        let moved = open.map(|(endpoint, stand)| match stand {
            Stand::Parked(kind, _) if kind.stays_when_made_anew() => (endpoint, stand),
            _ => (endpoint, Stand::Open),
        });
        let moved = moved.collect();
        self.deliveries.insert(new, (export, moved));
    }

    fn endpoint(&mut self, endpoint: &EndpointId) -> u16 {
        let known = self.endpoints.iter().position(|known| known == endpoint);
        let place = known.unwrap_or_else(|| {
            self.endpoints.push(endpoint.clone());
            self.endpoints.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }
}

/// Counts what was told.
struct Counting {
    book: Book,
    /// The rules whose words may be shown; none where they do not read.
    words: HashSet<String>,
    spool: Spool,
}

impl Counting {
    fn all(&mut self, mut told: Told<'_>) {
        for export in &told.exports {
            let counts = &export.counts;
            let figures = Figures {
                files: 1,
                files_set_aside: counts.files_set_aside.into(),
                seen: counts.found.into(),
                accepted: counts.mapped.into(),
                known: counts.known.into(),
                refused: counts.refused.into(),
                set_aside: counts.set_aside.into(),
                ..Figures::default()
            };
            self.book.file(&export.day, &figures);
            let read = self.records(export, &mut told.deliveries, &told.endpoints);
            self.book
                .forgotten(&export.day, u64::from(counts.mapped).saturating_sub(read));
        }
        // What is left are deliveries of records that are not kept any more, or do not read.
        for (export, deliveries) in told.deliveries.into_values() {
            let day = &told.exports[export as usize].day;
            for (endpoint, stand) in deliveries {
                let endpoint = told.endpoints[usize::from(endpoint)].as_str();
                self.book.delivery(day, endpoint, &Department::Forgotten, stand, None);
            }
        }
    }

    /// Counts what the batch of an export tells, and takes out the deliveries of its records. Gives how many of these read.
    fn records(&mut self, export: &Export, deliveries: &mut Deliveries, endpoints: &[EndpointId]) -> u64 {
        let day = &export.day;
        let opened = self
            .spool
            .batch(export.id)
            .and_then(|mut batch| Ok((batch.index()?, batch)));
        let Ok((index, mut batch)) = opened else {
            for (by, records) in [
                (By::Mapping, export.counts.refused),
                (By::SetAside, export.counts.set_aside),
            ] {
                self.book.aside(day, by, "", &Department::Forgotten, records.into());
            }
            return 0;
        };
        self.asides(day, &index);
        let mut read = 0;
        for row in &index.mapped {
            let Ok(record) = batch.record(row.record, row.offset, row.length) else {
                continue;
            };
            read += 1;
            let head = record.head;
            let department = department(head.department.as_deref());
            let remarks = head.issues.iter().map(|issue| remark(&self.words, issue));
            self.book.record(day, &department, remarks);
            let ended = head.ended.as_deref().and_then(Timestamp::parse_rfc3339);
            for (endpoint, stand) in deliveries.remove(&row.record).map(|(_, all)| all).unwrap_or_default() {
                let endpoint = endpoints[usize::from(endpoint)].as_str();
                self.book.delivery(day, endpoint, &department, stand, ended);
            }
        }
        read
    }

    fn asides(&mut self, day: &str, index: &Index) {
        let mut count = |by: By, aside: &SetAside| {
            let department = department(aside.department.as_deref());
            self.book.aside(day, by, code(&aside.code), &department, 1);
        };
        index.refused.iter().for_each(|aside| count(By::Mapping, aside));
        index.set_aside.iter().for_each(|aside| count(By::SetAside, aside));
    }
}

/// A remark as far as it may be counted and shown. A plugin's words may hold anything.
fn remark<'a>(words: &HashSet<String>, issue: &'a Issue) -> Remark<'a> {
    let ours = OURS.contains(&issue.code.as_str()) || issue.code.starts_with("TEXT-") || words.contains(&issue.code);
    Remark {
        severity: &issue.severity,
        code: code(&issue.code),
        text: if ours { &issue.message } else { "" },
    }
}

/// A code as it may be shown.
fn code(code: &str) -> &str {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let short = (1..=LONGEST_CODE).contains(&code.len());
    if short && code.bytes().all(plain) { code } else { "?" }
}

fn department(code: Option<&str>) -> Department {
    code.map_or(Department::Unnamed, |code| Department::Code(code.to_owned()))
}
