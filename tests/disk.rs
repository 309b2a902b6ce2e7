//! The disk under the state folder: what was kept long enough goes, and a full disk stops neither sending nor starting.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::harness::{Wish, World, eventually, files_below, plain, whole_keys};
use crate::survival::Judge;
use crate::survival::ext4::{Disk, run_it};

/// A window that does not come by itself.
const NEVER: &str = "schedule = \"0 0 0 1 1 *\"";
/// Small enough to be filled in a moment.
const SMALL: u64 = 96 << 20;

fn spooled(world: &World) -> usize {
    let spool = world.path("state").join("spool");
    files_below(&spool).into_iter().filter(|path| path.is_file()).count()
}

#[test]
fn what_was_kept_long_enough_goes_and_its_receipts_stay_and_nothing_is_sent_again() {
    let world = World::with(Wish {
        storage: "keep = \"0s\"",
        ..Wish::default()
    });
    let files = plain(601, 5);
    let keys = whole_keys(&files);
    world.gateway.refuse([keys[0].clone()]);
    world.drop_all(&files);
    world.once().with(65);
    assert_eq!(spooled(&world), 2, "of the one that waits for a person");
    let all_receipts = || {
        let mut receipts = world.receipts();
        receipts.sort();
        receipts
    };
    let receipts = all_receipts();
    assert_eq!(receipts.len(), 9);
    let told = |receipts: &[Vec<String>], key: &str| receipts.iter().filter(|row| row[3] == key).count();
    for key in &keys {
        assert_eq!(told(&receipts, key), if *key == keys[0] { 1 } else { 2 }, "{key}");
    }

    // A person gives the last one up: then it goes too.
    let parked = world.listed("parked");
    let id = parked[0]["id"].as_str().unwrap();
    world.run(&["queue", "drop", id, "--reason", "entered by hand"]).with(0);
    world.once().with(0);
    assert_eq!(spooled(&world), 0);
    assert_eq!(all_receipts(), receipts);
    let status = world.run(&["status", "--json"]).with(3).json();
    assert_eq!(status["storage"]["used_bytes"], 0);
    assert_eq!(status["endpoints"][0]["delivered"], 5);

    // The files still lie there, and nothing tells where they were seen but the journal.
    fs::remove_dir_all(world.path("state").join("index")).unwrap();
    world.once().with(0);
    assert_eq!((world.fhir.transactions(), world.gateway.accepted_count()), (5, 4));
    assert_eq!(all_receipts(), receipts);
    assert_eq!(spooled(&world), 0);
}

/// Writes until there is no room left.
fn fill(path: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    for size in [1 << 20, 4096, 512, 1] {
        while file.write_all(&vec![7; size]).and_then(|()| file.sync_data()).is_ok() {}
    }
}

#[test]
fn on_a_full_disk_it_starts_and_sends_what_it_has_and_leaves_the_rest_in_its_folder() {
    let world = World::with(Wish {
        state: "disk/state",
        fhir: Some(NEVER.into()),
        gateway: Some(NEVER.into()),
        source: r#"after = "delete""#,
        ..Wish::default()
    });
    let disk = match Disk::new(&world.path("disk.img"), &world.path("disk"), SMALL) {
        Ok(disk) => disk,
        // Needs root and loop devices.
        Err(why) => return eprintln!("a full disk: NOT TRIED, it is not possible here: {why}"),
    };
    let files = plain(602, 12);
    let (first, second) = files.split_at(6);
    world.drop_all(first);
    world.once().with(75);
    assert_eq!(world.listed("waiting").len(), 12);

    let filler = world.path("disk/filler");
    fill(&filler);
    world.drop_all(second);
    let service = world.service();
    eventually("that nothing more is taken in is told", || {
        let status = world.run(&["status", "--json"]).json();
        status["running"] == true && status["storage"]["input_paused"].is_string()
    });
    service.terminate().with(0);
    let left = || fs::read_dir(world.exports()).unwrap().count();
    assert_eq!(left(), second.len());

    fill(&filler);
    world.run(&["run", "--once", "--now"]).with(75);
    world.all_arrived_once(&whole_keys(first));
    assert_eq!(left(), second.len());

    fs::remove_file(&filler).unwrap();
    world.run(&["run", "--once", "--now"]).with(0);
    world.all_arrived_once(&whole_keys(&files));
    assert_eq!(left(), 0);
    assert_eq!(world.receipts().len(), 2 * files.len());
    drop(disk);
}

/// A folder that can only be read, for as long as this lives.
struct ReadOnly<'a>(&'a Path);

impl<'a> ReadOnly<'a> {
    fn new(folder: &'a Path) -> Result<Self, String> {
        let mount = |arguments: &[&str]| run_it(Command::new("mount").args(arguments).arg(folder));
        mount(&["--bind", &folder.display().to_string()])?;
        let read_only = Self(folder);
        mount(&["-o", "remount,bind,ro"])?;
        Ok(read_only)
    }
}

impl Drop for ReadOnly<'_> {
    fn drop(&mut self) {
        run_it(Command::new("umount").arg(self.0)).expect("nobody has a file of it open");
    }
}

#[test]
fn files_in_a_folder_that_can_only_be_read_are_sent_once_and_told_and_go_when_they_can() {
    for after in [r#"after = "archive""#, r#"after = "delete""#] {
        let world = World::with(Wish {
            source: after,
            ..Wish::default()
        });
        let files = plain(605, 3);
        world.drop_all(&files);
        let exports = world.exports();
        let read_only = match ReadOnly::new(&exports) {
            Ok(read_only) => read_only,
            // Needs root.
            Err(why) => return eprintln!("a folder that can only be read: NOT TRIED, it is not possible here: {why}"),
        };
        for _ in 0..2 {
            world.once().with(75);
            world.all_arrived_once(&whole_keys(&files));
            let told = world.run(&["status"]).out;
            assert!(told.contains("quyền ghi vào thư mục nguồn"), "{told}");
        }
        let here = || {
            fs::read_dir(&exports)
                .unwrap()
                .flatten()
                .filter(|entry| entry.path().is_file())
        };
        assert_eq!(here().count(), 3);
        drop(read_only);
        world.once().with(0);
        world.all_arrived_once(&whole_keys(&files));
        assert_eq!(here().count(), 0, "{after}");
    }
}

/// As a disk array or a cable does: in the middle of sending nothing can be written any more, and later the disk is there again.
#[test]
fn a_disk_that_goes_away_in_the_middle_and_comes_back_needs_nobody_to_start_the_service() {
    let world = World::with(Wish {
        state: "disk/state",
        source: r#"after = "delete""#,
        ..Wish::default()
    });
    let disk = match Disk::new(&world.path("disk.img"), &world.path("disk"), 1 << 30) {
        Ok(disk) => disk,
        // Needs root and loop devices.
        Err(why) => return eprintln!("a disk that goes away: NOT TRIED, it is not possible here: {why}"),
    };
    let mut judge = Judge::new("a disk that goes away");
    // So many that it is in the middle of them however late we look.
    let files = plain(604, 300);
    judge.drop_in(&world, &files);
    let mut service = world.start_telling(&["run"]);
    eventually("it sends", || world.gateway.accepted_count() > 2);
    judge.said(&service.log());
    disk.cut();
    eventually("it has let go of the disk", || disk.try_unmount().is_ok());
    assert!(service.is_running());
    disk.mount().expect("it mounts again, as ext4 promises");
    eventually("it works again, by itself", || {
        let asked = world.run(&["status", "--json"]);
        // 1: a person is asked of what was being sent.
        if !matches!(asked.code, Some(0 | 1)) {
            return false;
        }
        let status = asked.json();
        let waiting = |at: usize| status["endpoints"][at]["waiting"] == 0 && status["endpoints"][at]["sending"] == 0;
        waiting(0) && waiting(1) && fs::read_dir(world.exports()).unwrap().count() == 0
    });
    service.terminate().with(0);
    judge.look(&world, "when the disk was back");
    judge.end(&world);
    assert!(judge.tally.is_clean(), "{}", judge.tally);
}

#[test]
fn whatever_lies_where_its_own_folders_are_to_be_it_starts_and_loses_nothing() {
    let world = World::with(Wish {
        fhir: Some(NEVER.into()),
        gateway: Some(NEVER.into()),
        ..Wish::default()
    });
    let files = plain(603, 3);
    world.drop_all(&files);
    world.once().with(75);
    let state = world.path("state");
    for name in ["index", "snapshots", "spool/tmp"] {
        fs::remove_dir_all(state.join(name)).unwrap();
        fs::write(state.join(name), "no folder").unwrap();
    }
    fs::remove_file(state.join("status.json")).unwrap();
    for name in ["status.json", "status.json.tmp", "control.sock", "ballast", "lock.d"] {
        fs::create_dir(state.join(name)).unwrap();
    }
    fs::write(state.join("quarantine"), "no folder").unwrap();
    world.run(&["run", "--once", "--now"]).with(0);
    world.all_arrived_once(&whole_keys(&files));
    let service = world.service();
    world.run(&["status", "--json"]).with(0);
    service.terminate().with(0);
}
