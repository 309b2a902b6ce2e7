//! What is written down is read back, whatever lies beside it and whatever became of it.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Waker};

use vhr_core::id::ExportId;
use vhr_core::time::Timestamp;

use super::*;

/// The writer's syncs are counted here, made to wait, and made to fail.
#[derive(Debug, Default)]
pub(super) struct Syncs {
    made: AtomicU64,
    wait: Mutex<()>,
    fail: AtomicBool,
}

impl Syncs {
    pub(super) fn one(&self) -> io::Result<()> {
        self.made.fetch_add(1, Ordering::SeqCst);
        drop(self.wait.lock().unwrap());
        if self.fail.load(Ordering::SeqCst) {
            return Err(io::Error::other("as if the disk had failed"));
        }
        Ok(())
    }
}

fn keys() -> Keys {
    Keys::generate(Timestamp::from_millis(1))
}

fn open(state: &Path, keys: &Keys) -> Journal {
    Journal::open(state, keys.clone(), Position::default()).unwrap()
}

fn retired(n: u8) -> Entry {
    Entry::Retired {
        export: ExportId::from_bytes([n; 32]),
        at: Timestamp::from_millis(n.into()),
    }
}

fn read(state: &Path, keys: &Keys) -> Vec<Result<Entry, Position>> {
    entries(&state.join("journal"), keys, Position::default())
        .unwrap()
        .map(|read| match read {
            Ok(placed) => Ok(placed.entry),
            Err(Error::Damaged(at)) => Err(at),
            Err(e) => panic!("{e}"),
        })
        .collect()
}

fn all(numbers: &[u8]) -> Vec<Result<Entry, Position>> {
    numbers.iter().map(|n| Ok(retired(*n))).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// So many files, each begun because the one before it was full; all entries, and how many are in the first.
async fn several(state: &Path, keys: &Keys, files: u32) -> Vec<Entry> {
    let journal = open(state, keys);
    let mut entries = Vec::new();
    while journal.end().segment < files {
        entries.push(retired(entries.len() as u8));
        journal.append(&entries[entries.len() - 1..], Sync::Now).await.unwrap();
    }
    entries
}

fn file(state: &Path) -> PathBuf {
    segment::path(&state.join("journal"), 1)
}

#[tokio::test]
async fn what_was_appended_is_read_back_in_order_after_reopening() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    for n in 0..3 {
        let journal = open(state.path(), &keys);
        journal
            .append(&[retired(2 * n), retired(2 * n + 1)], Sync::Now)
            .await
            .unwrap();
    }
    assert_eq!(read(state.path(), &keys), all(&[0, 1, 2, 3, 4, 5]));
}

#[tokio::test]
async fn an_entry_is_found_again_at_the_place_it_was_given() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    let entries: Vec<Entry> = (0..5).map(retired).collect();
    let places = journal.append(&entries, Sync::Now).await.unwrap();
    assert_eq!(journal.read(places[3]).unwrap(), retired(3));
    assert!(journal.end() > places[4]);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_more_is_written_and_opening_anew_gives_all_that_was_answered() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    journal.append(&[retired(1), retired(2)], Sync::Now).await.unwrap();
    let answered = journal.end();
    journal.syncs.fail.store(true, Ordering::SeqCst);
    let refused = journal.append(&[retired(3)], Sync::Now).await;
    assert!(matches!(refused, Err(Error::Poisoned(_))), "{refused:?}");
    // What is on the disk now is not known: that a later sync goes well proves nothing.
    journal.syncs.fail.store(false, Ordering::SeqCst);
    let before = fs::read(file(state.path())).unwrap();
    for (n, sync) in [(4, Sync::Later), (5, Sync::Now), (6, Sync::Now)] {
        let refused = journal.append(&[retired(n)], sync).await;
        assert!(matches!(refused, Err(Error::Poisoned(_))), "{refused:?}");
    }
    assert_eq!(journal.end(), answered);
    assert!(fs::read(file(state.path())).unwrap() == before, "the file is unchanged");
    assert_eq!(names(&state.path().join("journal")), ["00000001"]);
    drop(journal);
    let journal = open(state.path(), &keys);
    journal.append(&[retired(9)], Sync::Now).await.unwrap();
    // Of what was refused, the one that was being written may be there, and no other.
    let mut told = read(state.path(), &keys);
    told.retain(|read| *read != Ok(retired(3)));
    assert_eq!(told, all(&[1, 2, 9]));
}

#[tokio::test]
async fn those_who_append_at_the_same_time_share_a_sync() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    let entries: Vec<_> = (0..200).map(|n| [retired(n)]).collect();
    let mut appends: Vec<_> = entries
        .iter()
        .map(|entry| Box::pin(journal.append(entry, Sync::Now)))
        .collect();
    let wait = journal.syncs.wait.lock().unwrap();
    for append in &mut appends {
        let answer = append.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(answer.is_pending(), "answered before it is synced");
    }
    drop(wait);
    for append in appends {
        append.await.unwrap();
    }
    // One for those who had come when it began, one for those who came meanwhile.
    let made = journal.syncs.made.load(Ordering::SeqCst);
    assert!((1..=2).contains(&made), "{made}");
    assert_eq!(
        read(state.path(), &keys),
        (0..200).map(|n| Ok(retired(n))).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_torn_last_frame_is_no_damage_and_writing_goes_on_behind_the_last_whole_one() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    journal.append(&[retired(1)], Sync::Now).await.unwrap();
    let whole = journal.end().offset as usize;
    journal.append(&[retired(2)], Sync::Later).await.unwrap();
    let end = journal.end().offset as usize;
    drop(journal);
    let bytes = fs::read(file(state.path())).unwrap();
    for cut in whole..end {
        let mut torn = bytes.clone();
        torn[cut..].fill(0);
        fs::write(file(state.path()), torn).unwrap();
        let journal = open(state.path(), &keys);
        journal.append(&[retired(9)], Sync::Now).await.unwrap();
        drop(journal);
        assert_eq!(read(state.path(), &keys), all(&[1, 9]), "cut at {cut}");
    }
}

#[tokio::test]
async fn a_file_cut_anywhere_is_read_as_far_as_it_goes_and_goes_on() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    let places = journal.append(&[retired(1), retired(2)], Sync::Now).await.unwrap();
    drop(journal);
    let bytes = fs::read(file(state.path())).unwrap();
    for cut in [0, 3, 16, 20, places[1].offset as usize, places[1].offset as usize + 7] {
        fs::write(file(state.path()), &bytes[..cut]).unwrap();
        let journal = open(state.path(), &keys);
        journal.append(&[retired(9)], Sync::Now).await.unwrap();
        drop(journal);
        let told: Vec<_> = read(state.path(), &keys).into_iter().flatten().collect();
        assert_eq!(told.last(), Some(&retired(9)), "cut at {cut}");
        assert_eq!(
            told.len(),
            if cut < places[1].offset as usize { 1 } else { 2 },
            "cut at {cut}"
        );
        let second = segment::path(&state.path().join("journal"), 2);
        if second.exists() {
            fs::remove_file(second).unwrap();
        }
    }
}

#[tokio::test]
async fn a_damaged_frame_is_passed_over_and_told_and_the_rest_is_read() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    let mut places = Vec::new();
    for n in 0..5 {
        places.extend(journal.append(&[retired(n)], Sync::Now).await.unwrap());
    }
    drop(journal);
    let path = file(state.path());
    let whole = fs::read(&path).unwrap();
    for byte in places[2].offset..places[3].offset {
        let mut bytes = whole.clone();
        bytes[byte as usize] ^= 0x11;
        fs::write(&path, bytes).unwrap();
        let mut wanted = all(&[0, 1, 9, 3, 4]);
        wanted[2] = Err(places[2]);
        assert_eq!(read(state.path(), &keys), wanted, "byte {byte}");
    }
    // A damaged head harms nothing.
    let mut bytes = whole;
    bytes[..16].fill(0xff);
    fs::write(&path, bytes).unwrap();
    assert_eq!(read(state.path(), &keys), all(&[0, 1, 2, 3, 4]));
}

#[tokio::test]
async fn damage_beside_frames_of_the_same_write_is_told_once_a_later_write_proves_it_was_there() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    let together: Vec<Entry> = (0..4).map(retired).collect();
    let places = journal.append(&together, Sync::Now).await.unwrap();
    journal.append(&[retired(4)], Sync::Now).await.unwrap();
    drop(journal);
    let path = file(state.path());
    let mut bytes = fs::read(&path).unwrap();
    for byte in &mut bytes[places[1].offset as usize..places[2].offset as usize] {
        *byte = 0;
    }
    fs::write(&path, bytes).unwrap();
    let mut wanted = all(&[0, 9, 2, 3, 4]);
    wanted[1] = Err(places[1]);
    assert_eq!(read(state.path(), &keys), wanted);
}

#[tokio::test]
async fn what_was_torn_between_whole_frames_stays_torn_whatever_is_written_later() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    journal.append(&[retired(1)], Sync::Now).await.unwrap();
    let together: Vec<Entry> = (2..5).map(retired).collect();
    let places = journal.append(&together, Sync::Later).await.unwrap();
    drop(journal);
    let path = file(state.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[places[1].offset as usize..places[2].offset as usize - 5].fill(0xab);
    fs::write(&path, bytes).unwrap();
    for n in [6, 7, 8] {
        let journal = open(state.path(), &keys);
        journal.append(&[retired(n)], Sync::Now).await.unwrap();
    }
    assert_eq!(read(state.path(), &keys), all(&[1, 2, 4, 6, 7, 8]));
}

#[tokio::test]
async fn a_frame_in_another_place_is_not_taken_for_an_entry() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    let places = journal
        .append(&[retired(1), retired(2), retired(3)], Sync::Now)
        .await
        .unwrap();
    drop(journal);
    let path = file(state.path());
    let mut bytes = fs::read(&path).unwrap();
    let [first, second, third] = [0, 1, 2].map(|n: usize| places[n].offset as usize);
    let frame = bytes[first..second].to_vec();
    bytes[second..third].copy_from_slice(&frame);
    fs::write(&path, bytes).unwrap();
    let told: Vec<_> = read(state.path(), &keys).into_iter().flatten().collect();
    assert_eq!(told, [retired(1), retired(3)]);
}

#[tokio::test]
async fn where_its_known_end_was_lost_it_goes_on_in_a_new_file() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    journal.append(&[retired(1)], Sync::Now).await.unwrap();
    let lost = Position {
        segment: 1,
        offset: journal.end().offset + 1,
    };
    drop(journal);
    let journal = Journal::open(state.path(), keys.clone(), lost).unwrap();
    let places = journal.append(&[retired(2)], Sync::Now).await.unwrap();
    assert_eq!(places[0].segment, 2);
    let mut wanted = all(&[1, 9, 2]);
    wanted[1] = Err(Position {
        segment: 1,
        offset: lost.offset - 1,
    });
    assert_eq!(read(state.path(), &keys), wanted, "what was lost is told");
    // Also to one who begins where the end was known to be.
    let from = entries(&state.path().join("journal"), &keys, lost).unwrap();
    let told: Vec<_> = from.map(|read| read.is_ok()).collect();
    assert_eq!(told, [false, true]);
}

#[tokio::test]
async fn what_is_not_ours_in_the_folder_changes_nothing() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    journal.append(&[retired(1)], Sync::Now).await.unwrap();
    drop(journal);
    let folder = state.path().join("journal");
    fs::create_dir(folder.join("00000007")).unwrap();
    fs::write(folder.join("notes.txt"), "x").unwrap();
    fs::write(folder.join("00000003"), "not a journal").unwrap();
    // Of ours, and in another place.
    fs::copy(folder.join("00000001"), folder.join("99999999")).unwrap();
    let journal = open(state.path(), &keys);
    journal.append(&[retired(2)], Sync::Now).await.unwrap();
    drop(journal);
    assert_eq!(read(state.path(), &keys), all(&[1, 2]));
    assert_eq!(names(&folder), ["00000001"]);
    let mut aside = names(&state.path().join("quarantine"));
    aside.retain(|name| !name.ends_with(".why.txt"));
    let begin = [
        "journal-00000003-",
        "journal-00000007-",
        "journal-99999999-",
        "journal-notes.txt-",
    ];
    assert!(
        aside.iter().zip(begin).all(|(name, begin)| name.starts_with(begin)),
        "{aside:?}"
    );
}

#[tokio::test]
async fn what_lies_where_its_first_or_next_file_is_to_be_stops_nothing() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let folder = state.path().join("journal");
    fs::create_dir_all(folder.join("00000001")).unwrap();
    fs::create_dir_all(folder.join("00000002.new")).unwrap();
    let journal = open(state.path(), &keys);
    let places = journal.append(&[retired(1)], Sync::Now).await.unwrap();
    assert_eq!(places[0].segment, 2, "no number is given twice");
    // While it runs.
    fs::create_dir(folder.join("00000003")).unwrap();
    fs::write(folder.join("00000004"), "foreign").unwrap();
    let mut last = places[0];
    while last.segment == 2 {
        last = journal.append(&[retired(2)], Sync::Now).await.unwrap()[0];
    }
    assert_eq!(last.segment, 5);
    assert_eq!(fs::read(folder.join("00000004")).unwrap(), b"foreign");
}

#[tokio::test]
async fn a_name_that_no_file_can_follow_is_set_aside_and_nothing_written_later_is_lost() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let folder = state.path().join("journal");
    for n in 0..3 {
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("99999999"), "foreign").unwrap();
        let journal = open(state.path(), &keys);
        journal.append(&[retired(n)], Sync::Now).await.unwrap();
    }
    assert_eq!(read(state.path(), &keys), all(&[0, 1, 2]));
    assert_eq!(names(&folder), ["00000001"]);
}

#[tokio::test]
async fn a_file_of_which_nothing_reads_is_set_aside_and_its_number_not_given_again() {
    for damage in [&b""[..], b"VHRJ", &[0; 9000]] {
        let (state, keys) = (tempfile::tempdir().unwrap(), keys());
        let journal = open(state.path(), &keys);
        journal.append(&[retired(1)], Sync::Now).await.unwrap();
        drop(journal);
        fs::write(file(state.path()), damage).unwrap();
        let journal = open(state.path(), &keys);
        journal.append(&[retired(2)], Sync::Now).await.unwrap();
        assert_eq!(names(&state.path().join("journal")), ["00000002"]);
        assert_eq!(read(state.path(), &keys), all(&[2]));
    }
}

#[tokio::test]
async fn an_older_file_that_ends_before_its_end_is_told_and_zeros_behind_its_end_are_not() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let wanted: Vec<_> = several(state.path(), &keys, 3).await.into_iter().map(Ok).collect();
    assert_eq!(read(state.path(), &keys), wanted);
    let path = file(state.path());
    let whole = fs::read(&path).unwrap();
    let longer = [&whole[..], &[0; 5000]].concat();
    fs::write(&path, &longer).unwrap();
    assert_eq!(read(state.path(), &keys), wanted);

    let frames: Vec<Position> = entries(&state.path().join("journal"), &keys, Position::default())
        .unwrap()
        .map(|placed| placed.unwrap().at)
        .collect();
    let in_first = frames.iter().filter(|at| at.segment == 1).count();
    for nth in [0, 1, in_first - 1] {
        let offset = frames[nth].offset as usize;
        for cut in [offset, offset + 1, offset + 20] {
            let zeroed = [&longer[..cut], &vec![0; longer.len() - cut]].concat();
            for damaged in [&whole[..cut], &zeroed] {
                fs::write(&path, damaged).unwrap();
                let mut expected = wanted.clone();
                expected.splice(nth..in_first, [Err(frames[nth])]);
                assert!(read(state.path(), &keys) == expected, "cut at {cut}");
            }
        }
    }
}

#[tokio::test]
async fn a_newest_file_that_was_cut_off_is_told_and_so_is_one_that_is_gone() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let wanted: Vec<_> = several(state.path(), &keys, 3).await.into_iter().map(Ok).collect();
    let journal = open(state.path(), &keys);
    let at = journal.append(&[retired(1)], Sync::Now).await.unwrap()[0];
    drop(journal);
    let path = segment::path(&state.path().join("journal"), 3);
    let whole = fs::read(&path).unwrap();
    let first = Position {
        segment: 3,
        offset: segment::HEAD,
    };
    for cut in [at.offset as usize + 7, at.offset as usize, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        open(state.path(), &keys);
        let told = read(state.path(), &keys);
        let lost = told.iter().filter(|read| read.is_err()).count();
        assert_eq!(
            (lost, told.last().unwrap().is_err()),
            (1, true),
            "cut at {cut}: {:?}",
            told.last()
        );
        fs::remove_file(segment::path(&state.path().join("journal"), 4)).unwrap();
    }
    fs::remove_file(&path).unwrap();
    open(state.path(), &keys);
    let told = read(state.path(), &keys);
    let before = wanted.len() - 1;
    assert_eq!(told[..before], wanted[..before]);
    assert!(
        matches!(told[before..], [Err(at)] if at < first),
        "{:?}",
        &told[before..]
    );
}

#[tokio::test]
async fn what_was_torn_in_a_file_that_is_not_gone_on_with_stays_torn() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    let together: Vec<Entry> = (1..5).map(retired).collect();
    let places = journal.append(&together, Sync::Later).await.unwrap();
    drop(journal);
    let path = file(state.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[places[1].offset as usize..places[2].offset as usize].fill(0xab);
    fs::write(&path, bytes).unwrap();
    let rotated = keys.rotated(Timestamp::from_millis(2));
    let journal = open(state.path(), &rotated);
    let next = journal.append(&[retired(7)], Sync::Now).await.unwrap();
    assert_eq!(next[0].segment, 2, "under the new key");
    assert_eq!(read(state.path(), &rotated), all(&[1, 3, 4, 7]));
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_does_not_open_is_damage_and_one_that_is_gone_is_none() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    several(state.path(), &keys, 3).await;
    let folder = state.path().join("journal");
    let first = Position { segment: 1, offset: 0 };
    let (gone, unread) = (file(state.path()), segment::path(&folder, 2));
    let reading = entries(&folder, &keys, first).unwrap();
    fs::remove_file(&gone).unwrap();
    // Listed as a file and none when it comes to it: root may read whatever is one.
    fs::remove_file(&unread).unwrap();
    fs::create_dir(&unread).unwrap();
    let told: Vec<_> = reading
        .filter(|read| !read.as_ref().is_ok_and(|placed| placed.at.segment == 3))
        .collect();
    assert!(
        matches!(told[..], [Err(Error::Damaged(Position { segment: 2, .. }))]),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_entry_that_could_not_be_read_back_is_refused_and_the_next_is_taken() {
    let (state, keys) = (tempfile::tempdir().unwrap(), keys());
    let journal = open(state.path(), &keys);
    let closed = |size: usize| Entry::Closed {
        export: ExportId::from_bytes([1; 32]),
        seqs: vec![],
        at: Timestamp::from_millis(1),
        reason: "x".repeat(size),
    };
    let small = closed(0);
    let rest = serde_json::to_vec(&small).unwrap().len();
    let largest = closed(segment::MAX_ENTRY - rest);
    journal.append(std::slice::from_ref(&largest), Sync::Now).await.unwrap();
    let refused = journal
        .append(&[small.clone(), closed(segment::MAX_ENTRY - rest + 1)], Sync::Now)
        .await;
    assert!(matches!(refused, Err(Error::TooLarge)), "{refused:?}");
    journal.append(std::slice::from_ref(&small), Sync::Now).await.unwrap();
    assert!(read(state.path(), &keys) == [Ok(largest), Ok(small)]);
}
