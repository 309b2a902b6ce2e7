//! Real folders, and one that does not answer.

use std::fs;

use vhr_core::config::After;

use super::*;

fn source(folder: &Path, done_marker: Option<&str>) -> Source {
    Source {
        name: "his".into(),
        path: folder.to_owned(),
        include: vec!["*.xml".into()],
        plugin: "vn.qd3176".into(),
        settle: Duration::from_secs(2),
        done_marker: done_marker.map(str::to_owned),
        rescan: Duration::from_secs(30),
        after: After::Leave,
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn names(round: &Round) -> Vec<&str> {
    round
        .found
        .iter()
        .map(|found| found.path.file_name().unwrap().to_str().unwrap())
        .collect()
}

#[test]
fn a_file_comes_up_once_it_has_settled_and_not_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::new(source(folder.path(), None));
    fs::write(folder.path().join("a.xml"), "1").unwrap();
    assert_eq!(
        watcher.round_at(at(0), |_, _| false).again,
        Some(Duration::from_secs(2))
    );
    fs::write(folder.path().join("a.xml"), "12").unwrap();
    assert!(names(&watcher.round_at(at(2000), |_, _| false)).is_empty());
    assert_eq!(names(&watcher.round_at(at(4000), |_, _| false)), ["a.xml"]);
}

#[test]
fn a_file_renamed_into_place_comes_up_under_its_new_name_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::new(source(folder.path(), None));
    fs::write(folder.path().join("a.xml.tmp"), "1").unwrap();
    assert_eq!(
        watcher.round_at(at(0), |_, _| false),
        Round {
            found: vec![],
            left: vec![],
            again: None
        }
    );
    fs::rename(folder.path().join("a.xml.tmp"), folder.path().join("a.xml")).unwrap();
    watcher.round_at(at(1000), |_, _| false);
    assert_eq!(names(&watcher.round_at(at(3000), |_, _| false)), ["a.xml"]);
}

#[test]
fn what_was_dealt_with_does_not_come_up_again_and_what_was_not_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::new(source(folder.path(), None));
    fs::write(folder.path().join("a.xml"), "1").unwrap();
    watcher.round_at(at(0), |_, _| false);
    assert_eq!(names(&watcher.round_at(at(2000), |_, _| false)), ["a.xml"]);
    assert_eq!(
        names(&watcher.round_at(at(3000), |_, _| false)),
        ["a.xml"],
        "it could not be taken in"
    );
    assert!(names(&watcher.round_at(at(4000), |_, _| true)).is_empty());
    let mut asked = 0;
    watcher.round_at(at(5000), |_, _| {
        asked += 1;
        true
    });
    assert_eq!(asked, 0, "what is done is not asked for at every look");
    fs::write(folder.path().join("a.xml"), "longer").unwrap();
    watcher.round_at(at(6000), |_, _| false);
    assert_eq!(
        names(&watcher.round_at(at(8000), |_, _| false)),
        ["a.xml"],
        "other content is another file"
    );
}

#[test]
fn with_a_done_marker_a_file_waits_for_it_however_long_it_has_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::new(source(folder.path(), Some(".done")));
    fs::write(folder.path().join("a.xml"), "1").unwrap();
    watcher.round_at(at(0), |_, _| false);
    assert!(names(&watcher.round_at(at(100_000), |_, _| false)).is_empty());
    fs::write(folder.path().join("a.xml.done"), "").unwrap();
    assert_eq!(names(&watcher.round_at(at(100_001), |_, _| false)), ["a.xml"]);
}

#[test]
fn a_folder_that_is_not_there_is_told_and_watched_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::new(source(&folder.path().join("later"), None));
    watcher.round_at(at(0), |_, _| false);
    assert!(watcher.lock().trouble.is_some());
    fs::create_dir(folder.path().join("later")).unwrap();
    fs::write(folder.path().join("later/a.xml"), "1").unwrap();
    watcher.round_at(at(1000), |_, _| false);
    assert!(watcher.lock().trouble.is_none());
    assert_eq!(names(&watcher.round_at(at(3000), |_, _| false)), ["a.xml"]);
}

#[tokio::test]
async fn an_event_cuts_the_wait_short() {
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::new(source(folder.path(), None));
    let round = watcher.round(|_, _| false);
    fs::write(folder.path().join("a.xml"), "1").unwrap();
    // Without the event this would be the rescan, 30 s.
    tokio::time::timeout(Duration::from_secs(20), watcher.wait(&round))
        .await
        .unwrap();
}

#[tokio::test]
async fn lost_events_and_errors_have_the_folder_looked_at_and_only_its_own_end_ends_them() {
    use notify::event::{Flag, ModifyKind, RemoveKind, RenameMode};
    let folder = Path::new("/exports");
    let event = |kind: EventKind, path: &str| Ok(notify::Event::new(kind).add_path(path.into()));
    let from = EventKind::Modify(ModifyKind::Name(RenameMode::From));
    for (said, ends) in [
        // As inotify's queue overflows.
        (Ok(notify::Event::new(EventKind::Other).set_flag(Flag::Rescan)), false),
        (Err(notify::Error::generic("the buffer is full")), false),
        (
            Err(notify::Error::io(std::io::ErrorKind::PermissionDenied.into())),
            false,
        ),
        (event(EventKind::Remove(RemoveKind::File), "/exports/a.xml"), false),
        (event(EventKind::Remove(RemoveKind::Folder), "/exports"), true),
        (event(from, "/exports"), true),
    ] {
        let (ended, hint) = (AtomicBool::new(false), Notify::new());
        let words = format!("{said:?}");
        hear(said, folder, &ended, &hint);
        assert_eq!(ended.load(Ordering::Relaxed), ends, "{words}");
        let hinted = tokio::time::timeout(Duration::ZERO, hint.notified()).await;
        assert!(hinted.is_ok(), "{words}");
    }
}

#[test]
fn ten_thousand_files_at_once_all_come_up_and_are_asked_about_once() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..10_000 {
        fs::write(folder.path().join(format!("{n}.xml")), "1").unwrap();
    }
    let mut watcher = Watcher::new(source(folder.path(), None));
    watcher.round_at(at(0), |_, _| false);
    assert_eq!(watcher.round_at(at(2000), |_, _| false).found.len(), 10_000);
    watcher.round_at(at(3000), |_, _| true);
    let mut asked = 0;
    let round = watcher.round_at(at(4000), |_, _| {
        asked += 1;
        true
    });
    assert_eq!((asked, round.found.len(), watcher.lock().seen()), (0, 0, 10_000));
}

#[test]
fn what_has_gone_is_not_remembered_and_what_comes_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::new(source(folder.path(), None));
    for n in 0..50 {
        let path = folder.path().join(format!("{n}.xml"));
        fs::write(&path, "1").unwrap();
        watcher.round_at(at(n), |_, _| false);
        watcher.round_at(at(n), |_, _| false);
        fs::remove_file(path).unwrap();
    }
    watcher.round_at(at(100), |_, _| false);
    assert_eq!((watcher.files.len(), watcher.settling.remembered()), (0, 0));
    assert_eq!(watcher.lock().seen(), 50);
}

#[test]
fn what_should_have_gone_and_is_still_there_is_told_at_each_look() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.xml"), "1").unwrap();
    for (after, left) in [(After::Leave, 0), (After::Delete, 1), (After::Archive, 1)] {
        let mut watcher = Watcher::new(Source {
            after,
            ..source(folder.path(), None)
        });
        for _ in 0..3 {
            assert_eq!(watcher.round_at(at(0), |_, _| true).left.len(), left, "{after:?}");
        }
    }
}

/// Waits for a look after an event, far shorter than the rescan.
async fn hinted(watcher: &Watcher, round: &Round) {
    tokio::time::timeout(Duration::from_secs(20), watcher.wait(round))
        .await
        .expect("an event cuts the wait short");
}

#[tokio::test]
async fn a_folder_made_anew_is_followed_anew() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("export");
    fs::create_dir(&folder).unwrap();
    let mut watcher = Watcher::new(source(&folder, None));
    watcher.round(|_, _| false);
    for way in 0..3 {
        match way {
            // Replaced between two looks.
            0 => {
                fs::rename(&folder, parent.path().join("old")).unwrap();
                fs::create_dir(&folder).unwrap();
            }
            // Deleted and made anew: it may have the same number again.
            1 => {
                fs::remove_dir(&folder).unwrap();
                fs::create_dir(&folder).unwrap();
            }
            // Away for a while.
            _ => {
                fs::remove_dir(&folder).unwrap();
                watcher.round(|_, _| false);
                assert!(watcher.lock().trouble.as_ref().unwrap().contains("kiểm tra đường dẫn"));
                fs::create_dir(&folder).unwrap();
            }
        }
        let round = watcher.round(|_, _| false);
        // What the change itself brought is over.
        while tokio::time::timeout(Duration::from_millis(300), watcher.hint.notified())
            .await
            .is_ok()
        {}
        let round = Round { again: None, ..round };
        let path = folder.join("a.xml");
        fs::write(&path, "1").unwrap();
        hinted(&watcher, &round).await;
        fs::remove_file(path).unwrap();
    }
}

/// Lets the looks of the next test go.
static ANSWER: Mutex<Option<std::sync::mpsc::Receiver<()>>> = Mutex::new(None);

#[tokio::test]
async fn a_folder_that_does_not_answer_is_told_and_goes_on_by_itself_when_it_does() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.xml"), "1").unwrap();
    let (answers, wait) = std::sync::mpsc::channel();
    *ANSWER.lock().unwrap() = Some(wait);
    let mut watcher = Watcher::new(source(folder.path(), None));
    watcher.list = List(|source| {
        ANSWER.lock().unwrap().as_ref().unwrap().recv().unwrap();
        list(source)
    });
    let sight = watcher.sight();
    let looked = spawn_blocking(move || {
        let round = watcher.round(|_, _| false);
        (watcher, round)
    });
    let path = folder.path().to_owned();
    let waiting = tokio::spawn({
        let sight = Arc::clone(&sight);
        async move {
            patiently(&sight, &path, Duration::from_millis(20), looked)
                .await
                .unwrap()
        }
    });
    let trouble = || sight.lock().unwrap().trouble.clone();
    while trouble().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(trouble().unwrap().contains("không trả lời"), "{:?}", trouble());
    assert!(!waiting.is_finished(), "it still waits for that same look");
    answers.send(()).unwrap();
    let (_, round) = waiting.await.unwrap();
    assert_eq!((round.again, trouble()), (Some(Duration::from_secs(2)), None));
}

#[tokio::test]
async fn what_needs_a_folder_that_does_not_answer_is_given_up_and_what_needs_another_is_not() {
    let sight = Mutex::new(Sight::default());
    assert_eq!(unless_silent(&sight, async { 1 }).await, Some(1));
    sight
        .lock()
        .unwrap()
        .change(|sight| sight.folder = Some("not there".into()));
    assert_eq!(
        unless_silent(&sight, async { tokio::task::yield_now().await }).await,
        Some(())
    );
    sight
        .lock()
        .unwrap()
        .change(|sight| sight.silent = Some("silent".into()));
    assert_eq!(unless_silent(&sight, std::future::pending::<()>()).await, None);
}

#[test]
fn how_a_folder_is_out_of_reach_and_how_often_is_told_to_whom_asks() {
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::new(source(&folder.path().join("gone"), None));
    let missed = |watcher: &Watcher| watcher.sight().lock().unwrap().take_missed();
    assert_eq!(missed(&watcher), (None, 0));
    for _ in 0..3 {
        watcher.round_at(at(0), |_, _| false);
    }
    assert_eq!(missed(&watcher), (Some(Kind::Folder), 3));
    assert_eq!(
        missed(&watcher),
        (Some(Kind::Folder), 0),
        "still, and nobody looked since"
    );
    fs::create_dir(folder.path().join("gone")).unwrap();
    watcher.round_at(at(1), |_, _| false);
    assert_eq!(missed(&watcher), (None, 0));
    watcher
        .sight()
        .lock()
        .unwrap()
        .set_unretired(Some("no right to archive".into()));
    assert_eq!(missed(&watcher), (None, 0), "it is in reach all the same");
}

#[test]
fn the_folders_own_trouble_comes_before_that_of_a_file() {
    let mut sight = Sight::default();
    sight.set_unretired(Some("not moved".into()));
    sight.change(|sight| sight.folder = Some("not there".into()));
    assert_eq!(sight.trouble.as_deref(), Some("not there"));
    sight.change(|sight| sight.folder = None);
    assert_eq!(sight.trouble.as_deref(), Some("not moved"));
    sight.set_unretired(None);
    assert_eq!(sight.trouble, None);
}

#[cfg(unix)]
#[test]
fn whatever_is_not_a_file_is_passed_over_whatever_its_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let at_path = |name: &str| folder.path().join(name);
    fs::create_dir(at_path("folder.xml")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(at_path("pipe.xml")).status();
    assert!(made.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(at_path("socket.xml")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", at_path("link.xml")).unwrap();
    let odd = [&b"\xff\xfe.xml"[..], b"new\nline.xml", &[b'a'; 251]].map(|name| {
        let mut name = name.to_vec();
        if !name.ends_with(b".xml") {
            name.extend(b".xml");
        }
        folder.path().join(OsStr::from_bytes(&name))
    });
    for path in &odd {
        fs::write(path, "1").unwrap();
    }
    let mut watcher = Watcher::new(source(folder.path(), None));
    watcher.round_at(at(0), |_, _| false);
    let mut found: Vec<_> = watcher
        .round_at(at(2000), |_, _| false)
        .found
        .into_iter()
        .map(|found| found.path)
        .collect();
    found.sort();
    let mut odd = odd.to_vec();
    odd.sort();
    assert_eq!(found, odd);
}

#[tokio::test]
async fn in_one_pass_a_file_from_the_future_or_the_past_settles_by_being_watched() {
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::new(Source {
        settle: Duration::from_millis(50),
        ..source(folder.path(), None)
    });
    for (name, time) in [
        ("future.xml", SystemTime::now() + Duration::from_secs(9 * 365 * 86_400)),
        ("past.xml", SystemTime::UNIX_EPOCH - Duration::from_secs(86_400)),
    ] {
        let file = fs::File::create(folder.path().join(name)).unwrap();
        std::io::Write::write_all(&mut &file, b"1").unwrap();
        file.set_modified(time).unwrap();
    }
    let pass = watcher.pass(|_, _| false).await;
    assert_eq!((pass.found.len(), pass.growing), (2, false));
}
