//! The loop of one endpoint, against a receiver that answers when it is told to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use vhr_core::record::Head;

use super::*;
use crate::journal::Entry;
use crate::keys::Keys;
use crate::queue::{Begin, Destination};
use crate::spool::{Index, RecordRow, Written};

const DONE: &str =
    r#"{"resourceType":"Bundle","entry":[{"response":{"status":"201 Created","location":"Encounter/1"}}]}"#;

/// A receiver that reads each request and answers as many as it was allowed to.
struct Receiver {
    url: String,
    came: Arc<AtomicUsize>,
    may_answer: Arc<Semaphore>,
}

impl Receiver {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (came, may_answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let receiver = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            came: Arc::clone(&came),
            may_answer: Arc::clone(&may_answer),
        };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (came, may_answer) = (Arc::clone(&came), Arc::clone(&may_answer));
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    while !bytes.ends_with(br#""end":true}"#) {
                        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "cut off");
                    }
                    came.fetch_add(1, Ordering::SeqCst);
                    may_answer.acquire().await.unwrap().forget();
                    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/fhir+json\r\n";
                    let said = format!("{head}Content-Length: {}\r\n\r\n{DONE}", DONE.len());
                    stream.write_all(said.as_bytes()).await.unwrap();
                });
            }
        });
        receiver
    }
}

struct World {
    _folder: tempfile::TempDir,
    receiver: Receiver,
    queue: Arc<Queue>,
    outages: Arc<Outages>,
    courier: Arc<Courier>,
    id: DeliveryId,
    stop: watch::Sender<bool>,
}

impl World {
    /// One record waits for the receiver.
    async fn new(more: &str) -> Self {
        Self::of(&format!("kind = \"fhir\"\n{more}")).await
    }

    /// The same for a receiver of this kind.
    async fn of(kind: &str) -> Self {
        Self::with(kind, crate::invented::head()).await
    }

    /// The same for a record with such a head.
    async fn with(kind: &str, head: Head) -> Self {
        let receiver = Receiver::open().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        let kind = kind.replace("FOLDER", &folder.path().display().to_string());
        let text = format!(
            "[site]\nfacility = \"79999\"\nname = \"Bệnh viện Ví Dụ\"\n[storage]\ndir = \"{}\"\n\
             [[source]]\nname = \"his\"\npath = \"/srv/his\"\nplugin = \"vn.qd3176\"\n\
             [[endpoint]]\nname = \"there\"\nurl = \"{}\"\n{kind}\n",
            folder.path().display(),
            receiver.url
        );
        let config = config::parse(&text, "test.toml").unwrap_or_else(|problems| panic!("{problems:#?}"));
        let keys = Keys::generate(clock::now());
        let spool = Spool::open(folder.path(), keys.clone()).unwrap();
        let queue = Arc::new(Queue::open(folder.path(), keys, clock::now()).unwrap());
        let endpoint = &config.endpoints[0];
        let id = accept(&queue, &spool, &EndpointId::new(&endpoint.name), head).await;
        let outages = Arc::new(Outages::resume(&config, Arc::clone(&queue), clock::now()));
        let wire = Wire::new(endpoint).unwrap();
        let courier = Courier::new(endpoint, wire, Arc::clone(&queue), spool, Arc::clone(&outages));
        Self {
            _folder: folder,
            receiver,
            queue,
            outages,
            courier: Arc::new(courier),
            id,
            stop: watch::channel(false).0,
        }
    }

    fn run(&self) -> tokio::task::JoinHandle<Result<(), queue::Error>> {
        tokio::spawn(Arc::clone(&self.courier).run(Until::Stopped, self.stop.subscribe()))
    }

    fn state(&self) -> State {
        let row = self.queue.delivery(&self.id).unwrap().unwrap();
        self.queue.full_state(&self.id, &row)
    }

    fn trouble(&self) -> String {
        self.courier.pulse().trouble.unwrap_or_default()
    }

    fn came(&self) -> usize {
        self.receiver.came.load(Ordering::SeqCst)
    }
}

async fn accept(queue: &Queue, spool: &Spool, endpoint: &EndpointId, head: Head) -> DeliveryId {
    let export = ExportId::from_bytes([1; 32]);
    let bundles = BTreeMap::from([(
        "r4".to_owned(),
        r#"{"entry":[{"fullUrl":"urn:uuid:1"}],"end":true}"#.to_owned(),
    )]);
    let head = Head {
        export,
        content: "01".into(),
        claim: ClaimForm::None,
        ..head
    };
    let record = Record {
        head,
        bundles,
        envelope: None,
    };
    let (record, body) = record.seal();
    let mut writer = spool.new_batch(export).unwrap();
    let (offset, length) = writer.add(&body).unwrap();
    let row = RecordRow {
        record,
        seq: 1,
        offset,
        length,
        size: u32::try_from(body.len()).unwrap(),
        visit: [1; 16],
        content: [1; 16],
        written: Written::default(),
        signed: false,
        shares: vec![],
        twin: None,
    };
    let index = Index {
        found: 1,
        mapped: vec![row],
        ..Index::default()
    };
    writer.finish(&index).unwrap();
    let destination = Destination {
        endpoint: endpoint.clone(),
        as_written: false,
        first: vec![Begin::In(State::new(clock::now()))],
    };
    queue
        .accept(export, "his", None, &index, &[destination], clock::now())
        .await
        .unwrap();
    DeliveryId {
        record,
        endpoint: endpoint.clone(),
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let come_true = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), come_true).await;
    waited.unwrap_or_else(|_| panic!("it never came true: {what}"));
}

#[tokio::test]
async fn what_waited_unsigned_is_not_sent_any_more_where_only_signed_is_taken() {
    let account = "username = \"79999_BV\"\npassword = { file = \"FOLDER/secret\" }";
    let world = World::of(&format!("kind = \"bhxh\"\nsigned = \"only\"\n{account}")).await;
    let running = world.run();
    until("parked", || matches!(world.state(), State::Parked(_))).await;
    let State::Parked(reason) = world.state() else {
        unreachable!()
    };
    assert_eq!(reason.kind, ReasonKind::Unsigned);
    assert!(
        reason.text.contains("tệp chưa ký") && reason.text.contains("signed"),
        "{}",
        reason.text
    );
    assert_eq!((world.came(), world.trouble()), (0, String::new()));
    world.stop.send(true).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_has_no_bundle_is_not_sent_whoever_asks_and_says_nothing_of_the_receiver() {
    let head = Head {
        no_bundle: [("r4".to_owned(), said!("plugin tạo sai", "made wrong"))].into(),
        ..crate::invented::head()
    };
    let world = World::with("kind = \"fhir\"", head).await;
    let running = world.run();
    until("parked", || matches!(world.state(), State::Parked(_))).await;
    let State::Parked(reason) = world.state() else {
        unreachable!()
    };
    assert_eq!(
        (reason.kind, reason.text.as_str()),
        (ReasonKind::NoBundle, "plugin tạo sai (made wrong)")
    );
    assert_eq!((world.came(), world.trouble()), (0, String::new()));
    world.stop.send(true).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_sent_it_is_told_and_all_goes_on_when_there_is_room() {
    let world = World::new("").await;
    world.queue.set_full(true);
    world.receiver.may_answer.add_permits(1);
    let running = world.run();
    until("it is told", || world.trouble().contains("ổ đĩa đầy")).await;
    assert_eq!((world.came(), world.state().name()), (0, "waiting"));
    assert!(!running.is_finished());
    assert!(world.outages.since(What::Disk, "journal").is_some());
    world.queue.set_full(false);
    until("it arrives", || world.state().name() == "delivered").await;
    assert_eq!((world.came(), world.trouble().as_str()), (1, ""));
    assert_eq!(world.outages.since(What::Disk, "journal"), None);
    world.stop.send(true).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_down_is_kept_until_it_can_and_nothing_is_sent_again() {
    let world = World::new("").await;
    let running = world.run();
    until("it is on its way", || world.came() == 1).await;
    world.queue.set_full(true);
    world.receiver.may_answer.add_permits(9);
    until("it is told", || world.trouble().contains("ổ đĩa đầy")).await;
    assert_eq!(world.state().name(), "sending");
    world.queue.set_full(false);
    until("the receipt is there", || world.state().name() == "delivered").await;
    assert_eq!(world.came(), 1);
    world.stop.send(true).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_attempt_that_panics_leaves_doubt_and_neither_a_hole_in_the_queue_nor_a_sick_line() {
    for (in_doubt, state) in [("resend", "waiting"), ("ask", "parked")] {
        let world = World::new(&format!("in_doubt = \"{in_doubt}\"")).await;
        world.receiver.may_answer.add_permits(1);
        // The next to read a record panics.
        let courier = Arc::clone(&world.courier);
        let poisoned = std::thread::spawn(move || {
            let _open = courier.open_batch.lock();
            panic!("as a bug would");
        });
        poisoned.join().unwrap_err();
        let running = world.run();
        until("it is judged", || world.trouble().contains("báo cho nhóm phát triển")).await;
        until("it is written down", || world.state().name() == state).await;
        world.courier.open_batch.clear_poison();
        world
            .queue
            .ask(&world.id, None, clock::now(), |state| state.retry(clock::now()))
            .await
            .unwrap();
        until("it arrives", || world.state().name() == "delivered").await;
        assert_eq!(world.outages.since(What::Endpoint, "there"), None);
        world.stop.send(true).unwrap();
        running.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn while_the_receiver_is_out_of_reach_that_is_known_and_a_person_may_have_it_tried_at_once() {
    let world = World::new("").await;
    world.receiver.may_answer.add_permits(1);
    // Found sick: for minutes nothing goes there by itself.
    let failure = Failure {
        kind: FailureKind::NotLetIn,
        at: clock::now(),
        text: "no".into(),
    };
    let taken = Taken {
        id: world.id.clone(),
        place: world.queue.place(world.id.record).unwrap().unwrap(),
        state: world.state(),
    };
    for _ in 0..2 {
        let outcome = Ok(again(FailureKind::NotLetIn, None, failure.text.clone()));
        world.courier.release(&taken, &outcome, &mut Shared::default());
    }
    assert!(world.outages.since(What::Endpoint, "there").is_some());
    let running = world.run();
    let open = || world.courier.pulse().line.name(clock::now()) == "open";
    assert!(open());
    world
        .queue
        .ask(&world.id, None, clock::now(), |state| state.retry(clock::now()))
        .await
        .unwrap();
    until("it arrives", || world.state().name() == "delivered").await;
    assert!(!open());
    assert_eq!(world.outages.since(What::Endpoint, "there"), None);
    world.stop.send(true).unwrap();
    running.await.unwrap().unwrap();
    world.outages.stop().await.unwrap();
    let told = world.queue.told_entries();
    let outages: Vec<_> = told.iter().filter(|entry| matches!(entry, Entry::Outage(_))).collect();
    assert_eq!(
        outages.len(),
        1,
        "its begin; it has not been well for long: {outages:?}"
    );
}
