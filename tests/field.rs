//! Folders as they are in the field: rights that are missing, names of any kind, clocks that are wrong, thousands at once.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use crate::harness::{Wish, World, age, eventually, one_visit, plain, whole_keys};

fn source(world: &World) -> serde_json::Value {
    world.run(&["status", "--json"]).json()["sources"][0].clone()
}

#[test]
fn what_cannot_be_archived_is_accepted_once_told_and_archived_when_it_can_be() {
    let world = World::with(Wish {
        source: r#"after = "archive""#,
        ..Wish::default()
    });
    // Where the archive should be, there is a file.
    let archive = world.exports().join("archive");
    fs::write(&archive, "in the way").unwrap();
    let files = plain(501, 3);
    let service = world.service();
    world.drop_all(&files);
    eventually("all arrive", || {
        world.gateway.accepted_count() == 3 && world.encounters().len() == 3
    });
    let told = || source(&world)["trouble"].as_str().map(str::to_owned);
    eventually("what to do is told", || {
        told().is_some_and(|told| told.contains("quyền ghi"))
    });
    assert_eq!(world.run(&["status"]).code, Some(1));
    service.terminate().with(0);
    let log = world.start(&["run", "--once"]).finish().with(75).err;
    assert!(!log.contains("accepted export="), "it is accepted once only: {log}");

    let service = world.service();
    fs::remove_file(&archive).unwrap();
    eventually("all are in the archive", || {
        archive.read_dir().is_ok_and(|files| files.count() == 3)
    });
    eventually("nothing is wrong any more", || told().is_none());
    let log = service.terminate().with(0).err;
    assert!(!log.contains("was not taken in"), "{log}");
    world.all_arrived_once(&whole_keys(&files));
    assert_eq!(source(&world)["accepted"], 3);
}

#[cfg(unix)]
#[test]
fn names_of_any_kind_are_taken_in_and_what_is_no_file_is_passed_over() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    let folder = world.exports();
    let names: [&[u8]; 4] = [
        b"H\xf4 s\xac.xml",
        b"two\nlines.xml",
        b"\x1b[2J.xml",
        &[&[b'a'; 251][..], b".xml"].concat(),
    ];
    let files = plain(502, names.len());
    for (name, file) in names.iter().zip(&files) {
        let path = folder.join(OsStr::from_bytes(name));
        fs::write(&path, &file.bytes).unwrap();
        age(&path);
    }
    // A second name of the same file, and a link to one outside.
    fs::hard_link(folder.join(OsStr::from_bytes(names[0])), folder.join("again.xml")).unwrap();
    let outside = world.path("outside.xml");
    fs::write(&outside, one_visit(503).bytes).unwrap();
    age(&outside);
    std::os::unix::fs::symlink(&outside, folder.join("link.xml")).unwrap();
    fs::create_dir(folder.join("folder.xml")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(folder.join("pipe.xml"))
        .status();
    assert!(made.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket.xml")).unwrap();
    world.once().with(0);
    world.all_arrived_once(&whole_keys(&files));
    assert_eq!(source(&world)["accepted"], 4);
    let shown = world.run(&["queue", "ls", "--state", "delivered"]).with(0).out;
    assert!(
        !shown.contains('\u{1b}') && shown.contains("two\\nlines.xml"),
        "{shown}"
    );
}

#[test]
fn files_dated_by_a_clock_that_is_wrong_are_taken_in_all_the_same() {
    let world = World::new();
    let files = plain(504, 2);
    let times = [
        SystemTime::now() + Duration::from_secs(9 * 365 * 86_400),
        SystemTime::UNIX_EPOCH + Duration::from_secs(1),
    ];
    for (nth, (file, time)) in files.iter().zip(times).enumerate() {
        let path = world.drop_in(&format!("{nth}.xml"), &file.bytes);
        File::options()
            .append(true)
            .open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    world.once().with(0);
    world.all_arrived_once(&whole_keys(&files));
}

#[test]
fn a_folder_that_goes_and_comes_again_is_told_and_gone_on_with() {
    let world = World::new();
    let service = world.service();
    world.drop_in("a.xml", &one_visit(505).bytes);
    eventually("the first arrives", || world.encounters().len() == 1);
    fs::rename(world.exports(), world.path("away")).unwrap();
    eventually("it is told", || {
        source(&world)["trouble"]
            .as_str()
            .is_some_and(|told| told.contains("kiểm tra đường dẫn"))
    });
    fs::create_dir(world.exports()).unwrap();
    world.drop_in("b.xml", &one_visit(506).bytes);
    eventually("the second arrives", || world.encounters().len() == 2);
    eventually("nothing is wrong any more", || source(&world)["trouble"].is_null());
    service.terminate().with(0);
}

#[test]
fn ten_thousand_files_at_once_are_all_taken_in() {
    let world = World::new();
    let service = world.service();
    let file = one_visit(507);
    let first = world.drop_in("first.xml", &file.bytes);
    for nth in 0..10_000 {
        fs::hard_link(&first, world.exports().join(format!("{nth}.xml"))).unwrap();
    }
    eventually("all were seen", || source(&world)["seen"] == 10_001);
    eventually("it arrives", || {
        world.gateway.accepted_count() == 1 && world.encounters().len() == 1
    });
    // After them: nothing of it was lost on the way.
    world.drop_in("last.xml", &one_visit(508).bytes);
    eventually("the last one arrives", || world.encounters().len() == 2);
    service.terminate().with(0);
    assert_eq!(source(&world)["accepted"], 2);
}
