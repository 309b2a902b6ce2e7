use std::path::PathBuf;

use vhr_core::delivery::{ReasonKind, Receipt, Standing, State};
use vhr_core::record::{ClaimForm, Head, Record, VisitKey};
use vhr_core::time::Timestamp;

use super::*;
use crate::invented;
use crate::journal::Sync;
use crate::keys::Keys;
use crate::queue::{Begin, Destination};
use crate::spool::{ExportHead, Index, RecordRow, Written};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000 + ms)
}

fn vhr() -> EndpointId {
    EndpointId::new("vhr")
}

/// A state folder with one export of three visits: one delivered, one parked, one waiting.
struct World {
    folder: tempfile::TempDir,
    queue: Arc<Queue>,
    spool: Spool,
    export: ExportId,
    records: Vec<RecordRow>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        let keys = Keys::generate(at(0));
        let spool = Spool::open(state, keys.clone()).unwrap();
        let queue = Arc::new(Queue::open(state, keys.clone(), at(0)).unwrap());
        let mut world = Self {
            export: receive(&spool, "three visits"),
            records: Vec::new(),
            folder,
            queue,
            spool,
        };
        world.accept().await;
        world
    }

    async fn accept(&mut self) {
        let mut writer = self.spool.new_batch(self.export).unwrap();
        for seq in 1..=3 {
            let (record, body) = record(self.export, seq).seal();
            let (offset, length) = writer.add(&body).unwrap();
            self.records.push(RecordRow {
                record,
                seq,
                offset,
                length,
                size: 1,
                visit: [seq as u8; 16],
                content: [1; 16],
                written: Written::default(),
                signed: false,
                shares: vec![],
                twin: None,
            });
        }
        let index = Index {
            found: 3,
            mapped: self.records.clone(),
            ..Index::default()
        };
        writer.finish(&index).unwrap();
        let destinations = [Destination {
            endpoint: vhr(),
            as_written: false,
            first: vec![Begin::In(State::new(at(0))); 3],
        }];
        let accepted = self
            .queue
            .accept(self.export, "his", None, &index, &destinations, at(0));
        accepted.await.unwrap();
        let ends = [
            State::Delivered(Receipt {
                at: at(2),
                standing: Standing::Accepted,
                reference: None,
                sent_sha256: String::new(),
                answer_sha256: String::new(),
                note: None,
            }),
            State::park(ReasonKind::Refused, "no".into(), at(2)),
        ];
        let taken = self.queue.choose(&vhr(), at(1), None, 2, |_| true).await.unwrap();
        for (taken, end) in taken.iter().zip(ends) {
            self.queue.start(taken, Sync::Now, at(1)).await.unwrap();
            self.queue.settle(&taken.id, end, at(2)).await.unwrap();
        }
    }

    async fn look(&self, running: bool) -> Verified {
        look(&self.queue, &self.spool, self.folder.path(), running, ())
            .await
            .unwrap()
    }

    async fn found(&self) -> Vec<String> {
        let found = self.look(false).await.findings.into_iter();
        found.map(|finding| finding.code).collect()
    }

    fn state(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    fn file(&self, part: &str) -> PathBuf {
        self.state().join("spool").join(part).join(self.export.to_string())
    }
}

fn receive(spool: &Spool, bytes: &str) -> ExportId {
    let head = ExportHead {
        name: "a.xml".into(),
        source: "his".into(),
        received_at: at(0),
    };
    spool.receive(&head, bytes.as_bytes()).unwrap().keep().unwrap()
}

fn record(export: ExportId, seq: u32) -> Record {
    Record {
        head: Head {
            export,
            seq,
            key: VisitKey {
                visit: format!("LK{seq}"),
                ..invented::head().key
            },
            claim: ClaimForm::None,
            ..invented::head()
        },
        bundles: BTreeMap::from([("r4".into(), format!("{{\"seq\":{seq}}}").repeat(200))]),
        envelope: None,
    }
}

/// Changes a byte of a file.
fn break_at(path: &Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn where_all_is_well_nothing_is_found_and_everything_was_looked_at() {
    let world = World::new().await;
    for running in [false, true] {
        let verified = world.look(running).await;
        assert!(verified.findings.is_empty(), "{verified:?}");
        let Verified {
            entries,
            exports,
            records,
            deliveries,
            ..
        } = verified;
        assert_eq!((entries, exports, records, deliveries), (5, 1, 3, 3));
    }
}

#[tokio::test]
async fn what_is_sent_once_more_and_what_was_dropped_is_where_the_journal_says() {
    let world = World::new().await;
    let ids = [0, 1].map(|nth: usize| DeliveryId {
        record: world.records[nth].record,
        endpoint: vhr(),
    });
    let resent = world
        .queue
        .ask(&ids[0], Some("lost"), at(3), |state| state.resend(at(3)));
    resent.await.unwrap();
    let dropped = world
        .queue
        .ask(&ids[1], None, at(3), |state| state.drop_for("no".into(), at(3)));
    dropped.await.unwrap();
    assert_eq!(world.look(true).await.findings, []);
    let dropped = world.queue.tally(&vhr());
    assert_eq!((dropped.waiting, dropped.dropped, dropped.delivered), (2, 1, 0));
}

#[tokio::test]
async fn a_record_that_was_made_anew_stands_where_the_journal_says_also_when_it_was_on_its_way() {
    let world = World::new().await;
    let taken = world.queue.choose(&vhr(), at(3), None, 1, |_| true).await.unwrap();
    world.queue.start(&taken[0], Sync::Now, at(3)).await.unwrap();
    world.queue.release(&taken[0].id);
    let anew: Vec<RecordRow> = world
        .records
        .iter()
        .map(|row| RecordRow {
            record: RecordId::of(&row.seq.to_le_bytes()),
            ..row.clone()
        })
        .collect();
    world.queue.moved(world.export, &anew, at(4)).await.unwrap();
    let now = world.queue.tally(&vhr());
    assert_eq!((now.sending, now.parked, now.delivered, now.superseded), (1, 1, 1, 2));
    let found: Vec<_> = world
        .look(true)
        .await
        .findings
        .into_iter()
        .map(|finding| finding.code)
        .collect();
    assert!(
        !found.iter().any(|code| ["state", "count"].contains(&code.as_str())),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_damaged_stretch_of_the_journal_is_found_with_its_place() {
    let world = World::new().await;
    let places: Vec<Position> = world.queue.told().unwrap().flatten().map(|placed| placed.at).collect();
    let file = world.state().join("journal/00000001");
    break_at(&file, places[2].offset as usize + 20);
    let verified = world.look(false).await;
    let finding = &verified.findings[0];
    assert_eq!(finding.code, "journal");
    assert_eq!(finding.place, format!("journal/00000001:{}", places[2].offset));
    // What the queue knows from it is not lost by rebuilding, then.
    assert!(verified.findings.iter().any(|finding| finding.code == "state"));
    assert!(
        verified
            .findings
            .iter()
            .all(|finding| !finding.said.en.contains("then `queue rebuild`"))
    );
}

#[tokio::test]
async fn a_copy_that_is_gone_or_changed_is_found() {
    let world = World::new().await;
    let whole = fs::read(world.file("in")).unwrap();
    break_at(&world.file("in"), whole.len() - 20);
    assert_eq!(world.found().await, ["copy"]);
    fs::write(world.file("in"), whole).unwrap();
    assert!(world.found().await.is_empty());
    fs::remove_file(world.file("in")).unwrap();
    assert_eq!(world.found().await, ["copy"]);
}

#[tokio::test]
async fn a_batch_that_is_gone_and_each_frame_that_does_not_read_are_found() {
    let world = World::new().await;
    let whole = fs::read(world.file("out")).unwrap();
    for nth in [0, 2] {
        break_at(&world.file("out"), world.records[nth].offset as usize + 30);
    }
    let verified = world.look(false).await;
    let places: Vec<&str> = verified.findings.iter().map(|finding| finding.place.as_str()).collect();
    let short = |nth: usize| world.records[nth].record.short();
    assert_eq!(places, [short(0), short(2)]);
    assert_eq!(verified.records, 1);
    fs::write(world.file("out"), whole).unwrap();
    fs::remove_file(world.file("out")).unwrap();
    assert_eq!(world.found().await, ["batch"]);
}

#[tokio::test]
async fn a_file_that_nobody_knows_is_found_unless_it_may_just_be_coming_in() {
    let world = World::new().await;
    receive(&world.spool, "another");
    fs::write(world.state().join("spool/out/notes.txt"), "x").unwrap();
    assert_eq!(world.found().await, ["unknown", "foreign"]);
    let running = world.look(true).await;
    assert_eq!(running.findings.len(), 1, "{running:?}");
}

#[tokio::test]
async fn what_lies_in_quarantine_is_told_with_its_reason_and_what_is_derived_needs_nobody() {
    let world = World::new().await;
    let state = world.state();
    let set_aside = |name: &str, kind: &str, why: &str| {
        let path = state.join(name);
        fs::write(&path, "x").unwrap();
        spool::quarantine(&state, &path, kind, why, at(5)).unwrap();
    };
    set_aside("old", "index", "it panicked");
    let verified = world.look(false).await;
    assert!(verified.is_well() && verified.quarantined == 1, "{verified:?}");
    set_aside("other", "in", "it is cut off");
    let verified = world.look(false).await;
    assert!(!verified.is_well());
    assert!(verified.findings[0].said.vi.contains("it is cut off"), "{verified:?}");
}

#[tokio::test]
async fn a_queue_that_says_something_else_than_the_journal_is_found() {
    let world = World::new().await;
    let (_, tallies) = world.queue.mark().await;
    let mut look = Look::default();
    let end = world.queue.mark().await.0;
    let whole = look.journal(&world.queue, end);
    let look_at = |replay: &Replay, tallies: &BTreeMap<EndpointId, Tally>| {
        let mut look = Look { end, ..Look::default() };
        look.deliveries(&world.queue, replay, tallies);
        let found = look.verified.findings.into_iter();
        found.map(|finding| (finding.code, finding.place)).collect::<Vec<_>>()
    };
    assert_eq!(look_at(&whole, &tallies), []);
    let replay = |act: &dyn Fn(&mut Replay)| {
        let mut replay = Look::default().journal(&world.queue, end);
        act(&mut replay);
        replay
    };
    let key = |nth: usize| (world.records[nth].record, 0);
    let short = |nth: usize| format!("{}@vhr", world.records[nth].record.short());
    // Told of one more, of one less, of another state, of the same state at another time.
    let more = replay(&|replay| replay.stands(RecordId::of(b"x"), &vhr(), end, &State::new(at(0))));
    let found = look_at(&more, &tallies);
    assert_eq!(found[0].0, "state");
    assert_eq!(found[1], ("count".into(), "vhr".into()));
    let less = replay(&|replay| assert!(replay.deliveries.remove(&key(0)).is_some()));
    assert_eq!(look_at(&less, &tallies)[0], ("state".into(), short(0)));
    let other = replay(&|replay| replay.deliveries.get_mut(&key(1)).unwrap().state = "waiting");
    assert_eq!(look_at(&other, &tallies)[0], ("state".into(), short(1)));
    let earlier = replay(&|replay| replay.deliveries.get_mut(&key(2)).unwrap().position = Position::default());
    assert_eq!(look_at(&earlier, &tallies), [("state".into(), short(2))]);
    let mut wrong = tallies;
    wrong.get_mut(&vhr()).unwrap().parked = 7;
    assert_eq!(look_at(&whole, &wrong), [("count".into(), "vhr".into())]);
}
