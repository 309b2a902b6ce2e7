use std::collections::BTreeMap;

use vhr_core::delivery::{Reason, ReasonKind, Receipt, Standing};
use vhr_core::id::RecordId;
use vhr_core::record::{ClaimForm, Head, Record, VisitKey};

use super::*;
use crate::invented;
use crate::spool::batch::TwinKey;
use crate::spool::{self, Spool, Written};

mod ended;
mod hand;
mod hit;
mod lines;
mod model;
mod rebuilt;
mod twins;
mod written;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000 + ms)
}

fn vhr() -> EndpointId {
    EndpointId::new("vhr")
}

fn receipt() -> Receipt {
    Receipt {
        at: at(9),
        standing: Standing::Accepted,
        reference: Some("Encounter/1".into()),
        sent_sha256: "a".into(),
        answer_sha256: "b".into(),
        note: None,
    }
}

struct World {
    folder: tempfile::TempDir,
    keys: Keys,
    spool: Spool,
    queue: Queue,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::generate(at(0));
        Self {
            spool: Spool::open(folder.path(), keys.clone()).unwrap(),
            queue: Queue::open(folder.path(), keys.clone(), at(5)).unwrap(),
            folder,
            keys,
        }
    }

    /// Stops without further ado, does something to the state folder, and starts again.
    fn reopen_after(self, act: impl FnOnce(&std::path::Path)) -> Self {
        self.reopen_with(act, Trust::AsLeft)
    }

    /// The same, with no more trust in the index than this.
    fn reopen_with(self, act: impl FnOnce(&std::path::Path), trust: Trust) -> Self {
        let Self {
            folder,
            keys,
            spool,
            queue,
        } = self;
        drop(queue);
        act(folder.path());
        let queue = Queue::open_trusting(folder.path(), keys.clone(), trust, at(5)).unwrap();
        Self {
            folder,
            keys,
            spool,
            queue,
        }
    }

    fn reopen(self) -> Self {
        self.reopen_after(|_| ())
    }

    /// The batch of an export holding these visits, each with a content.
    fn write_batch(&self, export: u8, visits: &[(u8, u8)]) -> spool::Index {
        let export = ExportId::from_bytes([export; 32]);
        let mut writer = self.spool.new_batch(export).unwrap();
        let mut index = spool::Index {
            found: visits.len() as u32,
            ..Default::default()
        };
        for (seq, (visit, content)) in (1..).zip(visits) {
            let (record, body) = record(export, seq, *visit, *content).seal();
            let (offset, length) = writer.add(&body).unwrap();
            let row = RecordRow {
                record,
                seq,
                offset,
                length,
                size: u32::try_from(body.len()).unwrap(),
                visit: [*visit; 16],
                content: [*content; 16],
                written: Written::default(),
                signed: false,
                shares: vec![],
                // Visits 1 and 2, 3 and 4 … say the same.
                twin: Some(TwinKey {
                    same: [visit.div_ceil(2); 16],
                    amounts: [u64::from(*content) * 1_000; 3],
                }),
            };
            index.mapped.push(row);
        }
        writer.finish(&index).unwrap();
        index
    }

    /// Accepts one export holding these visits, each with a content, for the endpoint `vhr`.
    async fn try_accept(&self, export: u8, visits: &[(u8, u8)]) -> Result<Vec<RecordId>, Error> {
        self.try_accept_as(export, visits, Begin::In).await
    }

    async fn try_accept_as(
        &self,
        export: u8,
        visits: &[(u8, u8)],
        first: impl Fn(State) -> Begin,
    ) -> Result<Vec<RecordId>, Error> {
        let index = self.write_batch(export, visits);
        let first = vec![first(State::new(at(0))); visits.len()];
        let destinations = [Destination {
            endpoint: vhr(),
            as_written: false,
            first,
        }];
        let export = ExportId::from_bytes([export; 32]);
        self.queue
            .accept(export, "his", None, &index, &destinations, at(0))
            .await?;
        Ok(index.mapped.iter().map(|row| row.record).collect())
    }

    async fn accept(&self, export: u8, visits: &[(u8, u8)]) -> Vec<RecordId> {
        self.try_accept(export, visits).await.unwrap()
    }

    async fn take(&self, want: usize) -> Vec<Taken> {
        let taken = self.queue.choose(&vhr(), at(1), None, want, |_| true).await.unwrap();
        for taken in &taken {
            self.queue.start(taken, Sync::Later, at(1)).await.unwrap();
        }
        taken
    }

    async fn deliver(&self, taken: &Taken) {
        self.queue
            .settle(&taken.id, State::Delivered(receipt()), at(2))
            .await
            .unwrap();
    }

    fn state(&self, record: RecordId) -> State {
        let id = DeliveryId {
            record,
            endpoint: vhr(),
        };
        let row = self.queue.delivery(&id).unwrap().unwrap();
        self.queue.full_state(&id, &row)
    }
}

fn record(export: ExportId, seq: u32, visit: u8, content: u8) -> Record {
    Record {
        head: Head {
            export,
            seq,
            key: VisitKey {
                visit: format!("LK{visit}"),
                ..invented::head().key
            },
            content: format!("{content:02x}"),
            claim: ClaimForm::None,
            ..invented::head()
        },
        bundles: BTreeMap::new(),
        envelope: None,
    }
}

#[tokio::test]
async fn what_is_accepted_is_taken_in_order_and_delivered_once() {
    let world = World::new();
    let records = world.accept(1, &[(1, 1), (2, 1), (3, 1)]).await;
    let taken = world.take(2).await;
    assert_eq!(
        taken.iter().map(|taken| taken.id.record).collect::<Vec<_>>(),
        records[..2]
    );
    for taken in &taken {
        world.deliver(taken).await;
    }
    assert_eq!(world.take(9).await.len(), 1);
    assert_eq!(
        world.queue.tally(&vhr()),
        Tally {
            delivered: 2,
            sending: 1,
            ..Tally::default()
        }
    );
}

#[tokio::test]
async fn the_same_visit_with_the_same_content_in_another_file_is_known_and_not_sent_again() {
    let world = World::new();
    world.accept(1, &[(1, 1)]).await;
    world.accept(2, &[(1, 1), (2, 1)]).await;
    assert_eq!(world.queue.tally(&vhr()).waiting, 2);
    assert_eq!(world.queue.source_tally("his").counts.known, 1);
}

#[tokio::test]
async fn a_newer_version_takes_the_place_of_one_that_has_not_left() {
    let world = World::new();
    let old = world.accept(1, &[(1, 1)]).await[0];
    let new = world.accept(2, &[(1, 2)]).await[0];
    assert_eq!(world.state(old), State::Superseded { by: new });
    assert_eq!(
        world
            .take(9)
            .await
            .iter()
            .map(|taken| taken.id.record)
            .collect::<Vec<_>>(),
        [new]
    );
}

#[tokio::test]
async fn what_was_refused_and_comes_again_is_sent_again_and_takes_the_place_of_the_refused() {
    let world = World::new();
    let refused = world.accept(1, &[(1, 1)]).await[0];
    let taken = world.take(1).await.remove(0);
    let no = State::park(ReasonKind::Refused, "no".into(), at(2));
    world.queue.settle(&taken.id, no, at(2)).await.unwrap();
    let again = world.accept(2, &[(1, 1)]).await[0];
    assert_eq!(world.state(refused), State::Superseded { by: again });
    assert_eq!(world.take(9).await.len(), 1);
}

#[tokio::test]
async fn an_older_version_is_not_sent_over_a_newer_one_even_when_a_person_asks() {
    let world = World::new();
    let old = world.accept(1, &[(1, 1)]).await[0];
    let taken = world.take(1).await.remove(0);
    let new = world.accept(2, &[(1, 2)]).await[0];
    let no = State::park(ReasonKind::Refused, "no".into(), at(2));
    world.queue.settle(&taken.id, no, at(2)).await.unwrap();
    assert_eq!(world.state(old), State::Superseded { by: new });
    let newer = world.take(1).await.remove(0);
    world.deliver(&newer).await;
    let asked = world
        .queue
        .ask(&taken.id, None, at(3), |state| state.retry(at(3)))
        .await;
    assert!(asked.is_err(), "{asked:?}");
}

#[tokio::test]
async fn a_newer_version_never_overtakes_an_older_one_on_its_way() {
    let world = World::new();
    world.accept(1, &[(1, 1)]).await;
    let older = world.take(1).await.remove(0);
    world.accept(2, &[(1, 2)]).await;
    assert!(world.take(9).await.is_empty());
    world.deliver(&older).await;
    assert_eq!(world.take(9).await.len(), 1);
}

#[tokio::test]
async fn a_delivery_under_way_at_a_stop_is_in_doubt_at_the_next_start() {
    let world = World::new();
    let record = world.accept(1, &[(1, 1)]).await[0];
    world.take(1).await;
    let world = world.reopen();
    world
        .queue
        .recover(&vhr(), InDoubt::Ask, &RetryPolicy::default(), at(6))
        .await
        .unwrap();
    assert!(matches!(
        world.state(record),
        State::Parked(Reason {
            kind: ReasonKind::InDoubt,
            ..
        })
    ));
}

#[tokio::test]
async fn an_endpoints_words_are_in_the_journal_and_nowhere_in_the_clear() {
    let world = World::new();
    let record = world.accept(1, &[(1, 1)]).await[0];
    let taken = world.take(1).await.remove(0);
    let words = State::park(ReasonKind::Refused, "Nguyễn Văn An unknown".into(), at(2));
    world.queue.settle(&taken.id, words.clone(), at(2)).await.unwrap();
    let folder = world.folder.path();
    world.queue.snapshot(true).await.unwrap();
    assert_eq!(world.state(record), words);
    let mut looked = 0;
    for below in ["index", "journal", "snapshots"] {
        for file in std::fs::read_dir(folder.join(below)).unwrap().flatten() {
            let Ok(bytes) = std::fs::read(file.path()) else {
                continue;
            };
            looked += 1;
            let found = memchr::memmem::find(&bytes, "Nguyễn Văn".as_bytes());
            assert!(found.is_none(), "{:?}", file.path());
        }
    }
    assert!(looked >= 3);
}

#[tokio::test]
async fn an_index_that_does_not_open_is_set_aside_and_built_anew() {
    let world = World::new();
    world.accept(1, &[(1, 1), (2, 1)]).await;
    let taken = world.take(1).await.remove(0);
    world.deliver(&taken).await;
    let world = world.reopen_after(|state| {
        std::fs::remove_dir_all(state.join("index")).unwrap();
        // A folder where sled's file should be: it cannot open that, whatever it thinks of bytes.
        std::fs::create_dir_all(state.join("index/db")).unwrap();
    });
    assert_eq!(
        world.queue.tally(&vhr()),
        Tally {
            delivered: 1,
            waiting: 1,
            ..Tally::default()
        }
    );
    assert!(world.queue.rebuilt().is_some());
    assert!(world.queue.damage().index.is_some());
    // The index itself, and a note that says why.
    let quarantine = world.folder.path().join("quarantine");
    assert_eq!(std::fs::read_dir(quarantine).unwrap().count(), 2);
}

#[tokio::test]
async fn what_waits_for_a_window_goes_at_once_only_when_asked_and_not_again_after_it_failed() {
    let world = World::new();
    world.accept(1, &[(1, 1)]).await;
    let early = at(-1000);
    let endpoint = vhr();
    let choose = |at_once| world.queue.choose(&endpoint, early, at_once, 9, |_| true);
    assert!(choose(None).await.unwrap().is_empty());
    let taken = choose(Some(early)).await.unwrap().remove(0);
    world.queue.start(&taken, Sync::Now, early).await.unwrap();
    let failure = Failure {
        kind: FailureKind::Busy,
        at: early,
        text: "busy".into(),
    };
    let waiting = State::Waiting {
        attempt: 1,
        not_before: at(0),
        last: Some(failure),
    };
    world.queue.settle(&taken.id, waiting, early).await.unwrap();
    assert!(choose(Some(early)).await.unwrap().is_empty());
    assert_eq!(choose(Some(at(-999))).await.unwrap().len(), 1);
}

const YEARS: std::time::Duration = std::time::Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// All that a queue knows, but for the places in the journal.
fn all(queue: &Queue) -> impl PartialEq + std::fmt::Debug + use<> {
    let exports = queue.exports().map(|row| {
        let (export, row) = row.unwrap();
        let closed: Vec<u32> = row.closed.keys().copied().collect();
        (export, (row.at, row.counts, closed, row.released))
    });
    let exports: BTreeMap<_, _> = exports.collect();
    let mut newest = BTreeMap::new();
    for visit in 0..4 {
        newest.insert(visit, queue.history.newest(&vhr(), &[visit; 16]).unwrap());
    }
    let claimed = (0..4).flat_map(|same| queue.history.claimed(&[same; 16]));
    let mut claimed: Vec<_> = claimed.map(Result::unwrap).collect();
    // Of what is sent once more, it counts where it stands now.
    claimed.retain(|claimed| queue.lock_live().order(claimed.record).is_none());
    let resting: BTreeMap<_, _> = queue.lock_resting().clone().into_iter().collect();
    (
        states(queue),
        queue.tally(&vhr()),
        queue.source_tally("his"),
        exports,
        newest,
        claimed,
        resting,
    )
}

fn states(queue: &Queue) -> BTreeMap<DeliveryId, (State, u64)> {
    let all = queue.deliveries(true, usize::MAX, |_, _| true).unwrap();
    all.into_iter().map(|(id, row)| (id, (row.state, row.order))).collect()
}

/// Changes a byte in the middle of the newest file of a folder.
fn break_newest(folder: &std::path::Path) {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let Some(path) = files.map(|file| file.path()).max() else {
        return;
    };
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn what_a_clock_in_the_future_put_off_for_years_is_due_again_under_the_right_one() {
    let world = World::new();
    let records = world.accept(1, &[(1, 1), (2, 2), (3, 3)]).await;
    let year = 365 * 86_400_000;
    let taken = world.take(2).await;
    let policy = RetryPolicy::default();
    // The box woke up nine years ahead: one failed then, one is on its way, one waits for a window of then.
    let then = at(9 * year);
    let failure = Failure {
        kind: FailureKind::NoConnection,
        at: then,
        text: "no route".into(),
    };
    let failed = Outcome::TryAgain { after: None, failure };
    let state = taken[0]
        .state
        .after_attempt(failed, InDoubt::Resend, &policy, false, then)
        .unwrap();
    world.queue.settle(&taken[0].id, state, then).await.unwrap();
    let window = |at: Timestamp| at.plus(std::time::Duration::from_secs(3600));
    world
        .queue
        .reschedule(&vhr(), "in an hour", |_| window(then), then)
        .await
        .unwrap();
    let none = world.queue.choose(&vhr(), at(year), None, 9, |_| true).await.unwrap();
    assert!(none.is_empty(), "nothing is due for years");

    let now = at(1000);
    assert_eq!(world.queue.reclock(&vhr(), &policy, window(now), now).await.unwrap(), 2);
    assert_eq!(world.queue.reclock(&vhr(), &policy, window(now), now).await.unwrap(), 0);
    let world = world.reopen();
    let waits = |record| match world.state(record) {
        State::Waiting {
            attempt,
            not_before,
            last,
        } => (attempt, not_before, last.map(|last| last.text)),
        other => panic!("{other:?}"),
    };
    assert_eq!(waits(taken[0].id.record), (1, now, Some("no route".into())));
    let third = *records
        .iter()
        .find(|record| taken.iter().all(|taken| taken.id.record != **record))
        .unwrap();
    assert_eq!(waits(third), (0, window(now), None));
    assert_eq!(
        world.state(taken[1].id.record).name(),
        "sending",
        "for recover to judge"
    );
    let due = world.queue.choose(&vhr(), now, None, 9, |_| true).await.unwrap();
    assert_eq!(due.len(), 1);
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_forgotten_and_all_goes_on_when_there_is_room() {
    let world = World::new();
    let records = world.accept(1, &[(1, 1), (2, 2)]).await;
    let on_its_way = world.take(1).await.remove(0);
    world.queue.set_full(true);
    // A second one cannot begin: it is let go, and waits as before.
    let second = world
        .queue
        .choose(&vhr(), at(1), None, 1, |_| true)
        .await
        .unwrap()
        .remove(0);
    let refused = world.queue.start(&second, Sync::Now, at(1)).await;
    assert!(refused.is_err_and(|e| e.is_full()));
    world.queue.release(&second.id);
    // The answer to the first is known, and cannot be written down yet.
    let delivered = State::Delivered(receipt());
    let settled = world.queue.settle(&on_its_way.id, delivered.clone(), at(2)).await;
    assert!(settled.is_err_and(|e| e.is_full()));
    let others = world.queue.choose(&vhr(), at(3), None, 9, |_| true).await.unwrap();
    assert_eq!(
        others.len(),
        1,
        "the one that was let go, not the one whose answer is known"
    );
    assert_eq!(others[0].id, second.id);
    let asked = world
        .queue
        .ask(&on_its_way.id, None, at(3), |state| state.retry(at(3)))
        .await;
    assert!(matches!(asked, Err(Error::Busy(_))), "{asked:?}");
    world.queue.set_full(false);
    world.queue.settle(&on_its_way.id, delivered, at(2)).await.unwrap();
    assert_eq!(world.state(on_its_way.id.record).name(), "delivered");
    // What could not be written does not keep snapshots from being taken.
    world.queue.snapshot(true).await.unwrap();
    assert_eq!(world.queue.snapshot.lock().unwrap().0, world.queue.journal.end());
    assert!(records.contains(&second.id.record));
}

#[tokio::test]
async fn a_persons_retry_asks_for_the_endpoint_to_be_tried_and_a_drop_does_not() {
    let world = World::new();
    let records = world.accept(1, &[(1, 1), (2, 2)]).await;
    let id = |nth: usize| DeliveryId {
        record: records[nth],
        endpoint: vhr(),
    };
    world
        .queue
        .ask(&id(0), None, at(3), |state| state.drop_for("no".into(), at(3)))
        .await
        .unwrap();
    assert!(!world.queue.take_asked(&vhr()));
    world
        .queue
        .ask(&id(1), None, at(3), |state| state.retry(at(3)))
        .await
        .unwrap();
    assert!(world.queue.take_asked(&vhr()));
    assert!(!world.queue.take_asked(&vhr()), "it is told once");
}

#[tokio::test]
async fn of_versions_of_a_visit_in_one_file_the_last_goes_and_the_others_are_superseded() {
    let world = World::new();
    let [first, other, second, third] = world.accept(1, &[(1, 1), (2, 1), (1, 2), (1, 3)]).await[..] else {
        panic!("four records");
    };
    let world = world.reopen();
    assert_eq!(world.state(first), State::Superseded { by: second });
    assert_eq!(world.state(second), State::Superseded { by: third });
    let taken: Vec<RecordId> = world.take(9).await.iter().map(|taken| taken.id.record).collect();
    assert_eq!(taken, [other, third]);
    let tally = world.queue.tally(&vhr());
    assert_eq!((tally.superseded, tally.sending, tally.waiting), (2, 2, 0));
}

#[tokio::test]
async fn an_outage_is_written_down_and_read_back() {
    let world = World::new();
    let outage = vhr_core::outage::Outage {
        what: vhr_core::outage::What::Endpoint,
        name: "vhr".into(),
        from: at(1),
        to: None,
        kinds: vec![vhr_core::outage::Kind::NoConnection],
        attempts: 1,
        waiting: None,
    };
    world.queue.outages(vec![outage.clone()]).await.unwrap();
    let world = world.reopen();
    assert_eq!(world.queue.told_entries(), [Entry::Outage(outage)]);
}
