//! What a HIS does to its folder, and what the agent makes of it.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, SystemTime};

use vhr_agent::demo::exports::{ExportFile, Oddity};

use crate::harness::{Wish, World, age, changed, eventually, odd, one_visit, plain, whole_keys};

/// Where the visits' identifiers live on the FHIR side.
const VISIT: &str = "http://fhir.ehealth.gov.vn/core/sid/VisitNumber";

fn after(what: &'static str) -> World {
    World::with(Wish {
        source: what,
        ..Wish::default()
    })
}

/// The first visit's `MA_LK`.
fn key(file: &ExportFile) -> String {
    whole_keys(std::slice::from_ref(file)).remove(0)
}

#[test]
fn the_same_content_is_taken_in_once_whatever_its_name() {
    let world = World::new();
    let file = one_visit(101);
    world.drop_in("a.xml", &file.bytes);
    world.once().with(0);
    world.drop_in("b.xml", &file.bytes);
    world.once().with(0);
    fs::remove_file(world.exports().join("a.xml")).unwrap();
    world.drop_in("a.xml", &file.bytes);
    world.once().with(0);
    world.all_arrived_once(&whole_keys(&[file]));
    let status = world.run(&["status", "--json"]).with(3).json();
    assert_eq!(status["sources"][0]["accepted"], 1);
    assert_eq!(world.listed("delivered").len(), 2);
}

#[test]
fn a_file_that_is_being_written_is_not_read_half() {
    let world = World::with(Wish {
        settle: r#"settle = "400ms""#,
        ..Wish::default()
    });
    let service = world.service();
    let file = odd(102, Oddity::ManyRecords);
    let mut out = File::create(world.exports().join("slow.xml")).unwrap();
    for part in file.bytes.chunks(file.bytes.len() / 12 + 1) {
        out.write_all(part).unwrap();
        out.flush().unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(out);
    eventually("all three are at both", || {
        world.encounters().len() == 3 && world.gateway.accepted_count() == 3
    });
    service.terminate();
    world.all_arrived_once(&whole_keys(&[file]));
    let status = world.run(&["status", "--json"]).with(3).json();
    assert_eq!(status["sources"][0]["accepted"], 1, "half of it was taken in too");
}

#[test]
fn a_file_that_vanishes_before_it_has_settled_is_nobodys_trouble() {
    let world = World::with(Wish {
        settle: r#"settle = "1500ms""#,
        ..Wish::default()
    });
    let service = world.service();
    let gone = world.exports().join("gone.xml");
    fs::write(&gone, one_visit(103).bytes).unwrap();
    fs::write(world.exports().join("stays.xml"), one_visit(104).bytes).unwrap();
    eventually("both were seen", || {
        world.run(&["status", "--json"]).json()["sources"][0]["seen"] == 2
    });
    fs::remove_file(gone).unwrap();
    eventually("the one that stays arrives", || world.gateway.accepted_count() == 1);
    eventually("at both", || world.encounters().len() == 1);
    eventually("all is well", || world.run(&["status"]).code == Some(0));
    service.terminate().with(0);
    world.all_arrived_once(&whole_keys(&[one_visit(104)]));
}

#[test]
fn an_empty_file_is_set_aside_and_stays_where_it_is() {
    let world = after(r#"after = "delete""#);
    let path = world.drop_in("empty.xml", b"");
    world.once().with(65);
    assert!(path.exists());
    let aside = world.listed("set-aside");
    assert_eq!(aside.len(), 1);
    assert_eq!(aside[0]["file"], "empty.xml");
    // The same nothing is neither counted nor told again at each run.
    world.once().with(0);
    assert_eq!(world.listed("set-aside").len(), 1);
}

#[test]
fn what_was_set_aside_is_closed_by_a_person_and_stays_so() {
    let world = World::with(Wish::default());
    world.drop_in("empty.xml", b"");
    world.once().with(65);
    let id = world.listed("set-aside")[0]["id"].as_str().unwrap().to_owned();
    let service = world.start(&["run"]);
    eventually("somebody has to look", || world.run(&["status"]).code == Some(1));
    world.run(&["queue", "retry", &id]).with(1);
    world.run(&["queue", "drop", &id, "--reason", "xuất lại rồi"]).with(0);
    eventually("nobody has to look", || world.run(&["status"]).code == Some(0));
    world.run(&["queue", "drop", &id, "--reason", "lần nữa"]).with(1);
    service.terminate().with(0);

    // The journal remembers it, and for what reason.
    fs::remove_dir_all(world.path("state").join("index")).unwrap();
    let closed = world.listed("closed");
    assert_eq!(closed.len(), 1);
    assert!(
        closed[0]["text"]
            .as_str()
            .unwrap()
            .starts_with("xuất lại rồi (FRAME-EMPTY")
    );
    assert!(world.listed("set-aside").is_empty());
}

#[test]
fn accepted_files_are_archived_beside_the_others_under_names_of_their_own() {
    let world = after(r#"after = "archive""#);
    world.drop_in("a.xml", &one_visit(105).bytes);
    world.once().with(0);
    world.drop_in("a.xml", &one_visit(106).bytes);
    world.once().with(0);
    let archive = world.exports().join("archive");
    assert_eq!(fs::read(archive.join("a.xml")).unwrap(), one_visit(105).bytes);
    assert_eq!(fs::read(archive.join("a.xml.2")).unwrap(), one_visit(106).bytes);
    assert!(!world.exports().join("a.xml").exists());
    world.all_arrived_once(&whole_keys(&[one_visit(105), one_visit(106)]));
}

#[test]
fn a_file_is_deleted_once_accepted_even_when_nobody_takes_it_yet() {
    let world = World::with(Wish {
        source: r#"after = "delete""#,
        fhir_url: Some("http://127.0.0.1:9/fhir".into()),
        gateway: None,
        ..Wish::default()
    });
    let path = world.drop_in("a.xml", &one_visit(107).bytes);
    world.once().with(75);
    assert!(!path.exists(), "it is kept in the spool now");
    // And from there it goes on its way.
    world.configure(&Wish {
        gateway: None,
        ..Wish::default()
    });
    world.run(&["run", "--once", "--now"]).with(0);
    assert_eq!(world.encounters()[&key(&one_visit(107))], [1]);
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_accepted_is_neither_archived_nor_deleted() {
    let world = after(r#"after = "delete""#);
    // The disk refuses: the spool is to lie on another one, which is not there.
    fs::create_dir(world.path("state")).unwrap();
    std::os::unix::fs::symlink(world.path("gone"), world.path("state").join("spool")).unwrap();
    let path = world.drop_in("a.xml", &one_visit(108).bytes);
    world.once().with(1);
    assert!(path.exists());
    fs::remove_file(world.path("state").join("spool")).unwrap();
    world.once().with(0);
    assert!(!path.exists());
    world.all_arrived_once(&whole_keys(&[one_visit(108)]));
}

#[test]
fn a_file_set_aside_whole_stays_and_a_file_of_which_one_visit_is_set_aside_goes() {
    let world = after(r#"after = "delete""#);
    let whole = world.drop_in("junk.xml", b"<?xml version=\"1.0\"?><KHAC><A/></KHAC>");
    let page = world.drop_in("page.xml", b"<html><body>502 Bad Gateway</body></html>");
    let good = world.drop_in("good.xml", &one_visit(109).bytes);
    world.once().with(65);
    assert!(whole.exists() && page.exists());
    assert!(!good.exists());
    assert_eq!(world.listed("set-aside").len(), 2);
    world.all_arrived_once(&whole_keys(&[one_visit(109)]));
}

#[test]
fn with_a_done_marker_a_file_waits_for_it_however_old_it_is() {
    let world = World::with(Wish {
        settle: r#"done_marker = ".done""#,
        source: r#"after = "archive""#,
        ..Wish::default()
    });
    let path = world.drop_in("a.xml", &one_visit(110).bytes);
    world.once().with(75);
    assert_eq!(world.gateway.accepted_count(), 0);
    fs::write(world.exports().join("a.xml.done"), "").unwrap();
    world.once().with(0);
    world.all_arrived_once(&whole_keys(&[one_visit(110)]));
    assert!(
        !path.exists() && !world.exports().join("a.xml.done").exists(),
        "both are archived"
    );
}

#[test]
fn the_same_visit_in_another_wrapping_is_not_sent_twice() {
    let world = World::new();
    let plain = one_visit(111);
    world.drop_in("plain.xml", &plain.bytes);
    world.once().with(0);
    for (name, oddity) in [
        ("inline.xml", Oddity::Inline),
        ("wrapped.xml", Oddity::WrappedBase64),
        ("utf16.xml", Oddity::Utf16),
        ("bom.xml", Oddity::ByteOrderMark),
        ("crlf.xml", Oddity::Crlf),
        ("cdata.xml", Oddity::Cdata),
    ] {
        let other = odd(111, oddity);
        assert_eq!(
            whole_keys(std::slice::from_ref(&other)),
            whole_keys(std::slice::from_ref(&plain))
        );
        assert_ne!(other.bytes, plain.bytes);
        world.drop_in(name, &other.bytes);
    }
    world.once().with(0);
    world.all_arrived_once(&whole_keys(&[plain]));
    let status = world.run(&["status", "--json"]).with(3).json();
    assert_eq!(status["sources"][0]["known"], 6);
}

#[test]
fn a_newer_version_of_a_visit_follows_the_older_and_there_is_one_encounter_of_version_two() {
    let world = World::new();
    let older = odd(112, Oddity::Inline);
    world.drop_in("older.xml", &older.bytes);
    world.once().with(0);
    let newer = changed(&older, "<PP_DIEU_TRI>", "<PP_DIEU_TRI>Đã sửa: ");
    world.drop_in("newer.xml", &newer);
    world.once().with(0);
    let key = key(&older);
    assert_eq!(world.encounters()[&key], [2]);
    assert_eq!(world.fhir.find("Encounter", &format!("{VISIT}|{key}")).len(), 1);
    assert_eq!(world.claims(), [(key, 2)], "the gateway is told of the correction");
}

#[test]
fn a_newer_version_takes_the_place_of_one_that_has_not_left() {
    let world = World::with(Wish {
        fhir: Some("schedule = \"0 0 0 1 1 *\"".into()),
        gateway: None,
        ..Wish::default()
    });
    let older = odd(113, Oddity::Inline);
    world.drop_in("older.xml", &older.bytes);
    world.once().with(75);
    world.drop_in("newer.xml", &changed(&older, "<PP_DIEU_TRI>", "<PP_DIEU_TRI>Đã sửa: "));
    world.once().with(75);
    assert_eq!(world.listed("superseded").len(), 1);
    world.run(&["run", "--once", "--now"]).with(0);
    assert_eq!(world.encounters()[&key(&older)], [1]);
    assert_eq!(world.fhir.transactions(), 1);
}

#[test]
fn one_bad_file_never_stops_the_others() {
    let world = World::new();
    world.drop_in("a_junk.xml", &[0xff, 0xfe, 0x00, 0x3c]);
    world.drop_in("b_deep.xml", "<A>".repeat(200_000).as_bytes());
    let good = plain(114, 3);
    world.drop_all(&good);
    world.once().with(65);
    world.all_arrived_once(&whole_keys(&good));
}

#[test]
fn one_pass_waits_a_little_for_a_file_just_written_and_takes_it_whole() {
    let world = World::new();
    let path = world.exports().join("fresh.xml");
    fs::write(&path, one_visit(115).bytes).unwrap();
    File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .set_modified(SystemTime::now())
        .unwrap();
    world.once().with(0);
    world.all_arrived_once(&whole_keys(&[one_visit(115)]));
}

#[test]
fn what_is_not_an_export_by_its_name_is_left_alone() {
    let world = World::new();
    for name in ["note.txt", "a.xml.part", "a.xml.tmp"] {
        let path = world.exports().join(name);
        fs::write(&path, one_visit(116).bytes).unwrap();
        age(&path);
    }
    fs::create_dir(world.exports().join("folder.xml")).unwrap();
    world.once().with(0);
    assert_eq!(world.gateway.accepted_count(), 0);
    let status = world.run(&["status", "--json"]).with(3).json();
    assert_eq!(status["sources"][0]["seen"], 0);
}

#[test]
fn a_file_without_an_end_is_used_told_and_never_retired() {
    let world = after(r#"after = "delete""#);
    let file = odd(131, Oddity::ManyRecords);
    let end = file.bytes.windows(7).position(|bytes| bytes == b"</HOSO>").unwrap() + 7;
    world.drop_in("a.xml", &file.bytes[..end]);
    world.once().with(65);
    assert_eq!(world.encounters().len(), 1);
    assert!(world.exports().join("a.xml").exists(), "the rest of it may still come");
    // The rest comes: what arrived is not sent again.
    world.drop_in("a.xml", &file.bytes);
    world.once().with(0);
    world.all_arrived_once(&whole_keys(&[file]));
    assert!(!world.exports().join("a.xml").exists());
}

#[test]
fn of_two_versions_found_together_the_later_file_is_the_newer_whatever_their_names() {
    let world = World::new();
    let older = odd(132, Oddity::Inline);
    let newer = changed(&older, "<PP_DIEU_TRI>", "<PP_DIEU_TRI>Đã sửa: ");
    world.drop_in("a.xml", &newer);
    world.drop_in("z.xml", &older.bytes);
    let written = SystemTime::now() - Duration::from_secs(7200);
    let early = File::options()
        .append(true)
        .open(world.exports().join("z.xml"))
        .unwrap();
    early.set_modified(written).unwrap();
    world.once().with(0);
    assert_eq!(world.listed("superseded").len(), 2);
    let service = world
        .run(&["queue", "ls", "--state", "superseded", "--json"])
        .with(0)
        .json();
    assert_eq!(service[0]["file"], "z.xml");
}

#[test]
fn what_is_no_fhir_is_kept_and_waits_for_somebody_with_the_element_named_where_all_endpoints_are_fhir() {
    let world = World::with(Wish {
        fhir: Some("profile = \"bad\"".to_owned()),
        gateway: None,
        ..Wish::default()
    });
    let r4 = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/profiles/r4.json");
    let mut set: serde_json::Value = serde_json::from_slice(&fs::read(r4).unwrap()).unwrap();
    set["identifiers"]["visit"]["use"] = "not-a-use".into();
    let profiles = world.path("plugins").join("profiles");
    fs::create_dir(&profiles).unwrap();
    fs::write(profiles.join("bad.json"), set.to_string()).unwrap();
    let file = world.drop_in("a.xml", &one_visit(118).bytes).display().to_string();
    let dry = ["map", "--plugin", "vn.qd3176", "--profile", "bad", "--json", &file];
    let dry = world.run(&dry).with(65).json();
    assert_eq!(
        (&dry["outcome"], &dry["bundle"]),
        (&"no-bundle".into(), &serde_json::Value::Null)
    );
    assert!(dry["issues"].to_string().contains("FHIR-STRUCTURE"), "{dry}");
    world.once().with(65);
    assert!(world.listed("refused").is_empty());
    let parked = world.listed("parked");
    assert_eq!(parked.len(), 1);
    let told = parked[0].to_string();
    assert!(
        told.contains("FHIR-STRUCTURE") && told.contains("Encounter.identifier[0].use"),
        "{told}"
    );
    assert_eq!(parked[0]["detail"]["kind"], "no-bundle");
    assert!(world.encounters().is_empty());
    let id = parked[0]["id"].as_str().unwrap();
    let retried = world.run(&["queue", "retry", id]);
    assert!(
        retried.out.contains("báo bên làm plugin"),
        "{} {}",
        retried.out,
        retried.err
    );
    world.once().with(65);
    assert_eq!(world.listed("parked").len(), 1);
    let report = world.run(&["report", "--format", "csv"]).with(0).out;
    let row = report
        .lines()
        .find(|row| row.contains(",no-bundle,vhr,"))
        .unwrap_or_else(|| panic!("{report}"));
    assert!(row.starts_with("reasons,") && row.contains(",1"), "{row}");
}
