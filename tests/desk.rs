//! What a person can do with the queue from the command line, with the service and without.

use std::fs;

use serde_json::Value;
use vhr_agent::demo::exports::Oddity;
use vhr_agent::demo::receivers::Answer;
use vhr_agent::digest::sha256_hex;

use crate::harness::{Done, Service, Wish, World, changed, eventually, files_below, odd, one_visit, plain, whole_keys};

/// Once a year, at midnight of New Year.
const FAR_AWAY: &str = r#"schedule = "0 0 0 1 1 *""#;

/// The service, or none: then one pass has to be asked for.
struct Hospital {
    world: World,
    service: Option<Service>,
}

impl Hospital {
    fn both(world: impl Fn() -> World) -> [Self; 2] {
        let with = world();
        let service = Some(with.service());
        let without = world();
        [
            Self { world: with, service },
            Self {
                world: without,
                service: None,
            },
        ]
    }

    /// Lets everything go that may go.
    fn goes_on(&self, code: i32) {
        if self.service.is_none() {
            self.world.once().with(code);
        }
    }

    fn queue(&self, arguments: &[&str]) -> Done {
        let mut all = vec!["queue"];
        all.extend(arguments);
        self.world.run(&all)
    }

    fn listed(&self, state: &str, count: usize) -> Vec<Value> {
        eventually("they are listed", || self.world.listed(state).len() == count);
        self.world.listed(state)
    }
}

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name].as_str().unwrap()
}

#[test]
fn what_was_looked_up_at_the_gateway_is_delivered_or_sent_once_more() {
    let world = || {
        World::with(Wish {
            fhir: None,
            gateway: Some("in_doubt = \"ask\"".into()),
            ..Wish::default()
        })
    };
    for hospital in Hospital::both(world) {
        let world = &hospital.world;
        world.gateway.script([Answer::DropAfterCommit, Answer::CutAfterCommit]);
        let files = plain(601, 2);
        world.drop_all(&files);
        hospital.goes_on(65);
        let parked = hospital.listed("parked", 2);
        let ids = [0, 1].map(|nth: usize| text(&parked[nth], "id"));
        hospital.queue(&["resolve", ids[0]]).with(2);
        hospital
            .queue(&["resolve", ids[0], "--sent", "A", "--not-sent"])
            .with(2);
        hospital.queue(&["resolve", ids[0], "--sent", " "]).with(2);

        hospital.queue(&["resolve", ids[0], "--sent", "GD-77"]).with(0);
        let receipts = world.receipts();
        assert_eq!(receipts.len(), 1);
        assert_eq!((receipts[0][4].as_str(), receipts[0][5].as_str()), ("told", "GD-77"));
        let digests: Vec<String> = files.iter().map(|file| sha256_hex(&file.bytes)).collect();
        assert!(digests.contains(&receipts[0][6]), "{receipts:?}");
        assert!(receipts[0][8].contains("a person looked it up"), "{receipts:?}");
        // It has a receipt: there is nothing more to say of it.
        let again = hospital.queue(&["resolve", ids[0], "--not-sent"]).with(1);
        assert!(
            again.out.contains("biên nhận") && again.out.contains("receipt"),
            "{}",
            again.out
        );

        let (short, _) = ids[1].split_at(10);
        hospital.queue(&["resolve", short, "--not-sent"]).with(0);
        hospital.goes_on(0);
        hospital.listed("delivered", 2);
        let mut times: Vec<_> = world.claims().iter().map(|(_, times)| *times).collect();
        times.sort_unstable();
        assert_eq!(times, [1, 2]);
        hospital.queue(&["verify"]).with(0);
    }
}

#[test]
fn what_was_delivered_is_sent_once_more_for_a_reason_and_not_by_mistake_to_the_gateway() {
    for hospital in Hospital::both(World::new) {
        let world = &hospital.world;
        let file = one_visit(602);
        world.drop_in("a.xml", &file.bytes);
        hospital.goes_on(0);
        let delivered = hospital.listed("delivered", 2);
        let key = text(&delivered[0], "key").to_owned();
        let (_, visit) = key.split_once('/').unwrap();

        let no = hospital.queue(&["resend", &key, "--reason", "mất"]).with(2);
        assert!(no.err.contains("hai lần") && no.err.contains("twice"), "{}", no.err);
        hospital.queue(&["resend", &key]).with(2);
        hospital
            .queue(&["resend", &key, "--reason", "x", "--endpoint", "nobody"])
            .with(2);
        hospital.queue(&["resend", "79999/nobody", "--reason", "x"]).with(1);
        assert_eq!((world.fhir.transactions(), world.gateway.accepted_count()), (1, 1));

        let fhir = ["resend", &key, "--endpoint", "vhr", "--reason", "máy chủ mất dữ liệu"];
        hospital.queue(&fhir).with(0);
        hospital.goes_on(0);
        eventually("the Bundle arrives again", || world.fhir.transactions() == 2);
        hospital.listed("delivered", 2);
        let claim = [
            "resend",
            visit,
            "--endpoint",
            "insurance",
            "--yes",
            "--reason",
            "cổng yêu cầu",
        ];
        let told = hospital.queue(&claim).with(0);
        assert!(told.err.contains("twice"), "{}", told.err);
        hospital.goes_on(0);
        eventually("the claim arrives again", || world.gateway.accepted_count() == 2);
        hospital.listed("delivered", 2);
        assert_eq!(world.encounters().len(), 1, "it is still one Encounter");
        assert_eq!(world.receipts().len(), 4, "each arrival has its receipt");
        let (record, _) = text(&delivered[0], "id").split_once('@').unwrap();
        let shown = hospital.queue(&["show", record]).with(0).out;
        assert!(
            shown.contains("máy chủ mất dữ liệu") && shown.contains("cổng yêu cầu"),
            "{shown}"
        );
        hospital.queue(&["verify"]).with(0);

        // Only where there still is something to send.
        for path in files_below(&world.path("state").join("spool/in")) {
            fs::remove_file(path).unwrap();
        }
        let gone = hospital.queue(&fhir).with(1);
        assert!(gone.out.contains("keep") && gone.out.contains("HIS"), "{}", gone.out);
        let found = hospital.queue(&["verify", "--json"]).with(1).json();
        assert_eq!(found["findings"][0]["code"], "copy", "{found}");
        assert_eq!(found["deliveries"], 2);
        let said = hospital.queue(&["verify"]).with(1).out;
        assert!(said.starts_with("! copy"), "{said}");
    }
}

#[test]
fn only_the_newest_version_of_a_visit_is_sent_once_more() {
    let world = World::with(Wish {
        gateway: None,
        ..Wish::default()
    });
    let older = odd(603, Oddity::Inline);
    world.drop_in("older.xml", &older.bytes);
    world.once().with(0);
    let old = world.listed("delivered").remove(0);
    let newer = changed(&older, "<PP_DIEU_TRI>", "<PP_DIEU_TRI>Đã sửa: ");
    world.drop_in("newer.xml", &newer);
    world.once().with(0);
    assert_eq!(world.fhir.transactions(), 2);
    let no = world
        .run(&["queue", "resend", text(&old, "id"), "--reason", "x"])
        .with(1);
    assert!(
        no.out.contains("bản mới hơn") && no.out.contains("newest"),
        "{}",
        no.out
    );
    world
        .run(&["queue", "resend", text(&old, "key"), "--reason", "x"])
        .with(0);
    world.once().with(0);
    assert_eq!(world.fhir.transactions(), 3);
    assert_eq!(world.listed("delivered").len(), 2);
}

#[test]
fn the_queue_is_rebuilt_by_hand_only_when_no_service_runs_and_says_the_same_afterwards() {
    let world = World::new();
    let files = plain(604, 4);
    let keys = whole_keys(&files);
    world.gateway.refuse([keys[0].clone()]);
    world.drop_all(&files);
    let service = world.service();
    eventually("seven arrive", || world.listed("delivered").len() == 7);
    let no = world.run(&["queue", "rebuild"]).with(2);
    assert!(
        no.err.contains("đang chạy") && no.err.contains("stop the service"),
        "{}",
        no.err
    );
    service.terminate().with(0);
    let (receipts, parked, delivered) = (world.receipts(), world.listed("parked"), world.listed("delivered"));
    let done = world.run(&["queue", "rebuild"]).with(0);
    let told = |state: &str| {
        let line = done
            .out
            .lines()
            .find(|line| line.starts_with("insurance") && line.contains(state));
        let mut cells = line.unwrap_or_default().split_whitespace().skip(2);
        (cells.next().map(str::to_owned), cells.next().map(str::to_owned))
    };
    assert_eq!(told("delivered"), (Some("3".into()), Some("3".into())), "{}", done.out);
    assert_eq!(told("parked"), (Some("1".into()), Some("1".into())), "{}", done.out);
    assert_eq!(world.receipts(), receipts);
    assert_eq!((world.listed("parked"), world.listed("delivered")), (parked, delivered));
    world.once().with(65);
    assert_eq!((world.fhir.transactions(), world.gateway.accepted_count()), (4, 3));
    let status = world.run(&["status", "--json"]).with(3).json();
    assert_eq!(status["storage"]["index_rebuilt"], Value::Null, "once is enough");
}

#[test]
fn a_queue_whose_journal_is_damaged_is_not_rebuilt_by_the_way() {
    let world = World::new();
    world.drop_all(&plain(605, 2));
    world.once().with(0);
    let path = world.path("state").join("journal/00000001");
    let mut bytes = fs::read(&path).unwrap();
    let marks: Vec<usize> = (0..bytes.len() - 4)
        .filter(|at| &bytes[*at..*at + 4] == b"VHRj")
        .collect();
    // One that was on the disk when the next was written, else it might be what an interrupted write left.
    let synced = |at: usize| u32::from_le_bytes(bytes[at + 12..at + 16].try_into().unwrap()) as usize;
    let pair = marks.windows(2).find(|pair| synced(pair[1]) > pair[0]).unwrap();
    let place = pair[0] + 30;
    bytes[place] ^= 1;
    fs::write(&path, bytes).unwrap();
    let no = world.run(&["queue", "rebuild"]).with(2);
    assert!(no.err.contains("--anyway"), "{}", no.err);
    assert!(world.path("state").join("index").exists() && !world.path("state").join("quarantine").exists());
    let found = world.run(&["queue", "verify"]).with(1).out;
    assert!(found.contains("! journal journal/00000001:"), "{found}");
    // What was sent is not sent again for that.
    world.once();
    assert_eq!((world.fhir.transactions(), world.gateway.accepted_count()), (2, 2));
}

#[test]
fn what_has_not_arrived_is_written_into_a_file_for_its_owner_only() {
    let world = || {
        World::with(Wish {
            fhir: Some(FAR_AWAY.into()),
            ..Wish::default()
        })
    };
    for hospital in Hospital::both(world) {
        let world = &hospital.world;
        let files = plain(606, 3);
        let keys = whole_keys(&files);
        world.gateway.refuse([keys[0].clone()]);
        world.drop_all(&files);
        hospital.goes_on(75);
        hospital.listed("delivered", 2);
        hospital.listed("parked", 1);
        let path = world.path("out.ndjson");
        let file = path.display().to_string();
        let done = hospital.queue(&["export", &file]).with(0);
        assert!(
            done.err.contains("dữ liệu người bệnh") && done.err.contains("in the clear"),
            "{}",
            done.err
        );
        assert_eq!(done.out, "");
        let lines: Vec<Value> = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 4);
        for line in &lines {
            let keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
            for key in ["id", "endpoint", "state", "key", "file", "accepted_at", "why"] {
                assert!(keys.contains(&key), "{key} is missing: {line}");
            }
            match text(line, "endpoint") {
                "vhr" => {
                    assert_eq!(line["bundle"]["type"], "transaction");
                    assert_eq!(line["state"], "waiting");
                }
                _ => {
                    let name = text(line, "file");
                    let sent = files.iter().find(|file| file.name == name).unwrap();
                    assert_eq!(unpacked(text(line, "claim_base64")), sent.bytes, "{name}");
                    assert_eq!(line["state"], "parked");
                    assert!(text(line, "why").contains("701"), "{line}");
                }
            }
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let before = fs::read(&path).unwrap();
        let no = hospital.queue(&["export", &file]).with(2);
        assert!(no.err.contains("không ghi đè"), "{}", no.err);
        assert!(fs::read(&path).unwrap() == before);
        let some = world.path("some.ndjson").display().to_string();
        hospital.queue(&["export", &some, "--state", "parked"]).with(0);
        assert_eq!(fs::read_to_string(&some).unwrap().lines().count(), 1);
        fs::remove_file(&some).unwrap();
        hospital.queue(&["export", &some, "--endpoint", "insurance"]).with(0);
        assert_eq!(fs::read_to_string(&some).unwrap().lines().count(), 1);
        hospital.queue(&["export", &some, "--state", "delivered"]).with(2);
    }
}

#[test]
fn verifying_beside_a_busy_service_finds_nothing() {
    let world = World::new();
    let service = world.service();
    world.drop_all(&plain(607, 40));
    let mut looks = 0;
    while world.fhir.transactions() < 40 || world.gateway.accepted_count() < 40 {
        let looked = world.run(&["queue", "verify"]);
        assert!(looked.code == Some(0), "{}{}", looked.out, looked.err);
        looks += 1;
    }
    eventually("all have receipts", || world.listed("delivered").len() == 80);
    let last = world.run(&["queue", "verify", "--json"]).with(0).json();
    assert_eq!(
        (last["exports"].as_u64(), last["deliveries"].as_u64()),
        (Some(40), Some(80))
    );
    assert!(looks > 0);
    service.terminate().with(0);
}

/// Bytes in base64.
fn unpacked(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').bytes();
    let values = digits.map(|digit| DIGITS.iter().position(|known| *known == digit).unwrap() as u32);
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0, 0);
    for value in values {
        (held, bits) = (held << 6 | value, bits + 6);
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    bytes
}
