//! Does all that is kept say the same? Journal, copies, batches, and what the queue knows are read and compared; nothing is
//! changed.
//!
//! What stays true: the journal is replayed here by a way of its own (`verify/replay.rs`), so that a fault in the queue's does not
//! hide itself. While the service goes on, only what it had written down when the look began is compared.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::{JoinError, spawn_blocking};
use vhr_core::control::{Finding, Reply, Verified};
use vhr_core::id::{DeliveryId, EndpointId, ExportId, RecordId};
use vhr_core::said;
use vhr_core::say::Said;

use crate::desk::Desk;
use crate::journal::{self, Placed, Position};
use crate::queue::{DeliveryRow, Queue, Tally};
use crate::report;
use crate::spool::{self, Part, Spool};

mod replay;

use replay::{Replay, name};

/// Of one kind, so many findings are told one by one.
const TOLD_AT_MOST: u64 = 100;
/// A copy that nobody knows and that is younger than this may just be being taken in.
const BEING_TAKEN_IN: Duration = Duration::from_secs(600);
/// It reads everything there is: one at a time, and nothing is let go meanwhile.
pub static ALONE: Mutex<()> = Mutex::const_new(());

/// Looks at everything, beside whatever else goes on.
pub async fn answer(desk: &Desk<'_>) -> Reply {
    let alone = ALONE.lock().await;
    match look(desk.queue, desk.spool, &desk.config.storage.dir, desk.running, alone).await {
        Ok(verified) => Reply::Verified { verified },
        Err(e) => Reply::Failed { why: report::chain(&e) },
    }
}

/// Goes on to its end even when nobody waits for it any more: `alone` is held as long.
async fn look(
    queue: &Arc<Queue>,
    spool: &Spool,
    state: &Path,
    running: bool,
    alone: impl Send + 'static,
) -> Result<Verified, JoinError> {
    let (end, tallies) = queue.mark().await;
    let (queue, spool, state) = (Arc::clone(queue), spool.clone(), state.to_owned());
    let looked = spawn_blocking(move || {
        let _alone = alone;
        let mut look = Look::default();
        let replay = look.journal(&queue, end);
        look.deliveries(&queue, &replay, &tallies);
        look.exports(&queue, &spool, &replay.exports);
        look.unknown(&queue, &spool, &replay.exports, running);
        look.damage(&queue);
        look.quarantine(&state);
        look.done()
    });
    looked.await
}

/// What was looked at so far, and what was found.
#[derive(Debug, Default)]
struct Look {
    end: Position,
    verified: Verified,
    found: BTreeMap<&'static str, u64>,
}

impl Look {
    fn journal(&mut self, queue: &Queue, end: Position) -> Replay {
        self.end = end;
        let mut replay = Replay::default();
        let entries = match queue.told() {
            Ok(entries) => entries,
            Err(e) => {
                replay.damaged = true;
                self.unreadable(&e);
                return replay;
            }
        };
        for placed in entries {
            match placed {
                Ok(Placed { at, .. }) if at >= end => break,
                Ok(Placed { at, entry, .. }) => {
                    self.verified.entries += 1;
                    replay.tell(at, &entry);
                }
                Err(journal::Error::Damaged(at)) if at >= end => break,
                Err(e) => {
                    replay.damaged = true;
                    self.unreadable(&e);
                }
            }
        }
        for id in &replay.untold {
            let said = said!(
                "nhật ký có bước của lượt gửi này nhưng không có tệp của nó: xuất lại hồ sơ từ HIS",
                "the journal tells a step of this delivery and not of its export: export the visit again from the HIS"
            );
            self.find("untold", &id.short(), said);
        }
        replay
    }

    fn unreadable(&mut self, error: &journal::Error) {
        let place = match error {
            journal::Error::Damaged(at) => format!("journal/{:08}:{}", at.segment, at.offset),
            _ => "journal".to_owned(),
        };
        let why = report::chain(error);
        let said = said!(
            "một đoạn nhật ký không đọc được: kiểm tra ổ đĩa, giữ nguyên các tệp, báo hỗ trợ; đừng `queue rebuild` ({why})",
            "a stretch of the journal does not read: check the disk, keep the files, tell support; do not `queue rebuild` ({why})"
        );
        self.find("journal", &place, said);
    }

    /// What the queue knows against what the journal told.
    fn deliveries(&mut self, queue: &Queue, replay: &Replay, tallies: &BTreeMap<EndpointId, Tally>) {
        let told = RefCell::new(replay.deliveries.clone());
        let differ: RefCell<Vec<(DeliveryId, &'static str, &'static str)>> = RefCell::default();
        let compare = |id: &DeliveryId, row: &DeliveryRow| {
            let mut told = told.borrow_mut();
            let place = replay.place(&id.endpoint);
            let told = place.and_then(|place| told.get_mut(&(id.record, place)));
            let known = name(&row.state);
            let (same, says) = told.map_or((false, "-"), |told| {
                told.seen = true;
                ((told.position, told.state) == (row.position, known), told.state)
            });
            // What took a step since the look began is not compared.
            if row.position < self.end && !same {
                differ.borrow_mut().push((id.clone(), known, says));
            }
            false
        };
        if let Err(e) = queue.deliveries(true, usize::MAX, compare) {
            let why = report::chain(&e);
            self.find("index", "index", to_rebuild(replay.damaged, &why));
            return;
        }
        let told = told.into_inner();
        self.verified.deliveries = told.len() as u64;
        for (id, known, says) in differ.into_inner() {
            let why = format!("queue: {known}, journal: {says}");
            self.find("state", &id.short(), to_rebuild(replay.damaged, &why));
        }
        for ((record, place), told) in told.iter().filter(|(_, told)| !told.seen) {
            let id = DeliveryId {
                record: *record,
                endpoint: replay.endpoints[usize::from(*place)].clone(),
            };
            // It may have been on its way between memory and index.
            if !matches!(queue.delivery(&id), Ok(Some(_))) {
                let why = format!("queue: -, journal: {}", told.state);
                self.find("state", &id.short(), to_rebuild(replay.damaged, &why));
            }
        }
        self.tallies(replay, tallies);
    }

    fn tallies(&mut self, replay: &Replay, tallies: &BTreeMap<EndpointId, Tally>) {
        let mut counted: BTreeMap<&EndpointId, BTreeMap<&str, u64>> = BTreeMap::new();
        for ((_, place), told) in &replay.deliveries {
            let states = counted.entry(&replay.endpoints[usize::from(*place)]).or_default();
            *states.entry(told.state).or_default() += 1;
        }
        for (endpoint, gone) in &replay.gone {
            let states = counted.entry(endpoint).or_default();
            gone.iter()
                .for_each(|(state, count)| *states.entry(state).or_default() += count);
        }
        let none = Tally::default();
        for endpoint in tallies.keys().chain(replay.endpoints.iter()).collect::<BTreeSet<_>>() {
            let tally = tallies.get(endpoint).unwrap_or(&none);
            let count = |state: &str| counted.get(endpoint).and_then(|states| states.get(state)).copied();
            for (state, known) in [
                ("waiting", tally.waiting),
                ("sending", tally.sending),
                ("delivered", tally.delivered),
                ("parked", tally.parked),
                ("dropped", tally.dropped),
                ("superseded", tally.superseded),
            ] {
                let told = count(state).unwrap_or(0);
                if known != told {
                    let why = format!("{state}: {known} in the queue, {told} in the journal");
                    self.find("count", endpoint.as_str(), to_rebuild(replay.damaged, &why));
                }
            }
        }
    }

    /// Every accepted export has its copy and its batch, and every frame of that reads.
    fn exports(&mut self, queue: &Queue, spool: &Spool, exports: &BTreeSet<ExportId>) {
        let live = queue.live_records();
        for export in exports {
            self.verified.exports += 1;
            if let Err(e) = spool.check_export(*export) {
                let why = report::chain(&e);
                let said = said!(
                    "bản sao không đọc được: để tệp gốc lại thư mục HIS thì nó được làm lại ({why})",
                    "the copy of the export does not read: put the file into the HIS folder again and it is made anew ({why})"
                );
                self.find("copy", &export.short(), said);
            }
            let open = live.get(export).map_or(&[][..], Vec::as_slice);
            self.batch(queue, spool, *export, open);
        }
    }

    fn batch(&mut self, queue: &Queue, spool: &Spool, export: ExportId, open: &[RecordId]) {
        let read = spool.batch(export).and_then(|mut batch| Ok((batch.index()?, batch)));
        let (index, mut batch) = match read {
            Ok(read) => read,
            Err(e) => return self.find("batch", &export.short(), remade(&e)),
        };
        let mut read = BTreeSet::new();
        for row in &index.mapped {
            match batch.record(row.record, row.offset, row.length) {
                Ok(_) => drop(read.insert((row.record, row.offset))),
                Err(e) => self.find("record", &row.record.short(), remade(&e)),
            }
        }
        self.verified.records += read.len() as u64;
        // Where the queue looks for it is what counts for sending it.
        for record in open {
            let Ok(Some(place)) = queue.place(*record) else {
                continue;
            };
            let row = place.row;
            if place.export == export
                && !read.contains(&(*record, row.offset))
                && !index.mapped.iter().any(|other| other.record == *record)
                && let Err(e) = batch.record(*record, row.offset, row.length)
            {
                self.find("record", &record.short(), remade(&e));
            }
        }
    }

    /// What lies in the spool and the journal does not tell of.
    fn unknown(&mut self, queue: &Queue, spool: &Spool, exports: &BTreeSet<ExportId>, running: bool) {
        for part in [Part::In, Part::Out] {
            let (files, foreign) = match spool.list(part) {
                Ok(listed) => listed,
                Err(e) => {
                    let why = report::chain(&e);
                    let said = said!("thư mục không đọc được ({why})", "the folder cannot be listed ({why})");
                    self.find("spool", "spool", said);
                    continue;
                }
            };
            for export in files {
                let known = exports.contains(&export) || matches!(queue.counts(export), Ok(Some(_)));
                let young = spool.age(part, export).is_some_and(|age| age < BEING_TAKEN_IN);
                let expected = known || (running && young);
                if !expected {
                    let said = said!(
                        "nhật ký không biết tệp này: lần khởi động sau sẽ nhận lại hoặc để riêng",
                        "the journal does not know this file: the next start takes it in again or sets it aside"
                    );
                    self.find("unknown", &export.short(), said);
                }
            }
            // A foreign name may hold anything: it is not repeated.
            if !foreign.is_empty() {
                let (count, folder) = (foreign.len(), if part == Part::In { "spool/in" } else { "spool/out" });
                let said = said!(
                    "{count} tệp không phải của vhr-agent: lần khởi động sau sẽ để riêng",
                    "{count} files that are not of this agent: the next start sets them aside"
                );
                self.find("foreign", folder, said);
            }
        }
    }

    /// What this start found and made good.
    fn damage(&mut self, queue: &Queue) {
        let damage = queue.damage();
        if let Some(why) = damage.index {
            let said = said!(
                "chỉ mục hỏng, đã dựng lại từ nhật ký lúc khởi động ({why})",
                "the index was damaged and was built anew from the journal at this start ({why})"
            );
            self.mended("index", "index", said);
        }
        if damage.in_memory {
            let said = said!(
                "chỉ mục đang giữ trong bộ nhớ: kiểm tra chỗ trống trên ổ đĩa rồi khởi động lại",
                "the index is kept in memory: see that the disk has room, then start again"
            );
            self.find("index", "index", said);
        }
        for why in damage.snapshots {
            let said = said!(
                "bản chụp hỏng, đã thay bằng bản trước hoặc nhật ký ({why})",
                "it did not read; the one before it or the journal took its place ({why})"
            );
            self.mended("snapshot", "snapshots", said);
        }
    }

    fn quarantine(&mut self, state: &Path) {
        let folder = state.join("quarantine");
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.ends_with(".why.txt"))
            .collect();
        names.sort();
        for name in names {
            self.verified.quarantined += 1;
            let note = fs::read_to_string(folder.join(format!("{name}.why.txt"))).unwrap_or_default();
            let why = note.lines().nth(1).unwrap_or("?").to_owned();
            // What is made from the journal holds nothing of its own.
            if name.starts_with("index-") || name.starts_with("snapshot") {
                let said = said!("để riêng, đã dựng lại ({why})", "set aside and built anew ({why})");
                self.mended("quarantine", &name, said);
            } else {
                let said = said!(
                    "để riêng: xem lý do, xong thì chuyển tệp ra khỏi thư mục quarantine ({why})",
                    "set aside: see why, and move it out of the quarantine folder when that is settled ({why})"
                );
                self.find("quarantine", &name, said);
            }
        }
    }

    fn find(&mut self, code: &'static str, place: &str, said: Said) {
        self.tell(code, place, said, false);
    }

    fn mended(&mut self, code: &'static str, place: &str, said: Said) {
        self.tell(code, place, said, true);
    }

    fn tell(&mut self, code: &'static str, place: &str, said: Said, mended: bool) {
        let found = self.found.entry(code).or_default();
        *found += 1;
        if *found <= TOLD_AT_MOST {
            self.verified.findings.push(Finding {
                code: code.to_owned(),
                place: place.to_owned(),
                said,
                mended,
            });
        }
    }

    fn done(mut self) -> Verified {
        for (code, found) in std::mem::take(&mut self.found) {
            if let Some(more @ 1..) = found.checked_sub(TOLD_AT_MOST) {
                let said = said!("còn {more} mục như vậy", "{more} more of these");
                self.find(code, "…", said);
            }
        }
        self.verified
    }
}

fn to_rebuild(damaged: bool, why: &str) -> Said {
    if damaged {
        return said!(
            "hàng đợi và nhật ký không khớp, vì nhật ký hỏng: đừng `queue rebuild`, báo hỗ trợ ({why})",
            "queue and journal differ because the journal is damaged: do not `queue rebuild`, tell support ({why})"
        );
    }
    said!(
        "hàng đợi và nhật ký không khớp: dừng dịch vụ rồi `queue rebuild` ({why})",
        "queue and journal differ: stop the service, then `queue rebuild` ({why})"
    )
}

fn remade(error: &spool::Error) -> Said {
    let why = report::chain(error);
    said!(
        "dữ liệu lưu không đọc được: khi gửi đến nó, dịch vụ làm lại từ bản sao ({why})",
        "what is stored does not read: when it comes to be sent, the service makes it anew from the copy ({why})"
    )
}

#[cfg(test)]
mod tests;
