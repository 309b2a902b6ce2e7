//! The whole way: a HIS drops files into the folder of a running service, and they arrive.

use std::fs::{self, File};
use std::io::Write;

use vhr_agent::demo::exports::Oddity;

use crate::harness::{World, eventually, odd, one_visit, plain, whole_keys};

#[test]
fn exports_dropped_into_the_folder_of_a_running_service_arrive_at_both_endpoints_once() {
    let world = World::new();
    let service = world.service();
    let files = plain(11, 5);
    world.drop_all(&files);
    // A HIS that writes in place, slowly.
    let slow = odd(12, Oddity::ManyRecords);
    let mut out = File::create(world.exports().join("slow.xml")).unwrap();
    for part in slow.bytes.chunks(slow.bytes.len() / 4 + 1) {
        out.write_all(part).unwrap();
        out.flush().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    drop(out);
    let keys = whole_keys(&[files, vec![slow]].concat());
    assert_eq!(keys.len(), 8);
    eventually("all eight are at both", || {
        world.encounters().len() == 8 && world.gateway.accepted_count() == 8
    });
    world.all_arrived_once(&keys);

    // While it runs, people ask it and not the files.
    eventually("the receipts are written", || world.receipts().len() == 16);
    let status = world.run(&["status", "--json"]).with(0).json();
    assert_eq!(status["running"], true);
    assert_eq!(status["sources"][0]["accepted"], 6);
    assert_eq!(status["sources"][0]["records"], 8);
    assert_eq!(status["endpoints"][0]["delivered"], 8);
    assert_eq!(status["endpoints"][1]["delivered"], 8);
    assert!(world.run(&["status"]).with(0).out.contains("79999"));
    assert_eq!(world.listed("delivered").len(), 16);
    assert_eq!(
        world.run(&["queue", "ls", "--json"]).with(0).json(),
        serde_json::json!([])
    );
    for row in world.receipts() {
        assert!(keys.contains(&row[3]), "{row:?}");
        assert!(!row[5].is_empty(), "a receipt has the endpoint's reference: {row:?}");
    }

    let done = service.terminate().with(0);
    assert_eq!(done.out, "", "stdout is for data");
    // What it knew last is still told, and said to be old.
    let status = world.run(&["status", "--json"]).with(3).json();
    assert_eq!(status["running"], false);
    assert_eq!(status["endpoints"][0]["delivered"], 8);
}

#[test]
fn what_was_dropped_while_the_service_was_down_is_found_at_its_start_and_nothing_is_sent_twice() {
    let world = World::new();
    let first = plain(21, 2);
    world.drop_all(&first);
    world.once().with(0);
    world.drop_in("later.xml", &one_visit(22).bytes);
    let service = world.service();
    eventually("the third is at both", || {
        world.encounters().len() == 3 && world.gateway.accepted_count() == 3
    });
    service.terminate().with(0);
    world.once().with(0);
    world.all_arrived_once(&whole_keys(&[first, vec![one_visit(22)]].concat()));
}

#[test]
fn a_second_service_on_the_same_state_is_told_that_one_runs() {
    let world = World::new();
    let service = world.service();
    let second = world.run(&["run"]).with(1);
    assert!(second.err.contains("dịch vụ đang chạy"), "{}", second.err);
    // The first is none the worse for it.
    fs::write(world.exports().join("a.xml"), one_visit(31).bytes).unwrap();
    eventually("it is at both", || {
        world.encounters().len() == 1 && world.gateway.accepted_count() == 1
    });
    eventually("it still answers", || world.run(&["status"]).code == Some(0));
    service.terminate().with(0);
}
