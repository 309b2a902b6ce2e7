//! The replayer itself: what is lost is lost, and what was synced is not.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::log::Op;
use super::{Disk, Model, Trace};

const CREATE: u64 = 0o100;
const CREATE_TRUNCATE: u64 = 0o1100;

fn trace(ops: Vec<Op>) -> Trace {
    let mut all = vec![
        Op::Start,
        Op::MakeFolder { path: "/s".into() },
        open(1, 0, "/s"),
        Op::Sync { handle: 1 },
    ];
    all.extend(ops);
    Trace::of((1..).zip(all), "/s")
}

fn open(handle: u64, flags: u64, path: &str) -> Op {
    Op::Open {
        handle,
        flags,
        path: path.into(),
    }
}

fn write(handle: u64, at: u64, bytes: impl Into<Vec<u8>>) -> Op {
    Op::Write {
        handle,
        at,
        bytes: bytes.into(),
    }
}

fn rename(from: &str, to: &str) -> Op {
    Op::Rename {
        from: from.into(),
        to: to.into(),
    }
}

/// The files at the end of it all, under this model.
fn left(trace: &Trace, model: Model, seed: u64) -> BTreeMap<String, Vec<u8>> {
    let disk = Disk::after(trace, trace.events.len(), model, &mut Rng::with_seed(seed));
    let files = disk.files().into_iter();
    files
        .filter(|(path, _)| !path.is_empty())
        .map(|(path, bytes)| (path, bytes.to_vec()))
        .collect()
}

fn files<const N: usize>(files: [(&str, &[u8]); N]) -> BTreeMap<String, Vec<u8>> {
    let files = files.into_iter();
    files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect()
}

#[test]
fn what_was_not_synced_is_lost_and_what_was_is_not() {
    let mut ops = vec![open(2, CREATE, "/s/a"), write(2, 0, "one")];
    assert_eq!(left(&trace(ops.clone()), Model::None, 0), files([]));
    ops.push(Op::Sync { handle: 2 });
    ops.push(write(2, 3, "two"));
    assert_eq!(left(&trace(ops.clone()), Model::None, 0), files([("a", b"one")]));
    ops.push(Op::SyncRange);
    assert_eq!(left(&trace(ops.clone()), Model::None, 0), files([("a", b"one")]));
    assert_eq!(left(&trace(ops), Model::All, 0), files([("a", b"onetwo")]));
}

#[test]
fn a_file_of_which_only_the_name_survives_is_empty() {
    let ops = vec![open(2, CREATE, "/s/a"), write(2, 0, "one"), rename("/s/a", "/s/b")];
    assert_eq!(left(&trace(ops), Model::Names, 0), files([("b", b"")]));
}

#[test]
fn a_rename_is_lost_until_its_folder_is_synced() {
    let mut ops = vec![
        open(2, CREATE, "/s/a"),
        write(2, 0, "x"),
        Op::Sync { handle: 2 },
        rename("/s/a", "/s/b"),
    ];
    assert_eq!(left(&trace(ops.clone()), Model::None, 0), files([("a", b"x")]));
    ops.push(Op::Sync { handle: 1 });
    assert_eq!(left(&trace(ops), Model::None, 0), files([("b", b"x")]));
}

#[test]
fn a_rename_over_an_older_file_with_data_that_was_not_synced_leaves_an_empty_file() {
    let ops = vec![
        open(2, CREATE, "/s/a"),
        write(2, 0, "old"),
        Op::Sync { handle: 2 },
        open(3, CREATE, "/s/new"),
        write(3, 0, "new"),
        rename("/s/new", "/s/a"),
        Op::Sync { handle: 1 },
    ];
    assert_eq!(left(&trace(ops), Model::None, 0), files([("a", b"")]));
}

#[test]
fn syncing_the_data_of_one_file_does_not_bring_the_name_of_another_to_disk_but_syncing_all_of_it_does() {
    let ops = |last| {
        vec![
            open(2, CREATE, "/s/journal"),
            Op::Allocate {
                handle: 2,
                mode: 0,
                at: 0,
                length: 8,
            },
            Op::Sync { handle: 2 },
            open(3, CREATE, "/s/other"),
            write(2, 0, "entry"),
            last,
        ]
    };
    let journal: (&str, &[u8]) = ("journal", b"entry\0\0\0");
    let data = trace(ops(Op::SyncData { handle: 2 }));
    assert_eq!(left(&data, Model::None, 0), files([journal]));
    let all = trace(ops(Op::Sync { handle: 2 }));
    assert_eq!(left(&all, Model::None, 0), files([journal, ("other", b"")]));
}

#[test]
fn a_longer_file_is_found_after_its_data_was_synced() {
    let ops = vec![
        open(2, CREATE, "/s/a"),
        write(2, 0, "one"),
        Op::SyncData { handle: 2 },
        write(2, 3, "two"),
        Op::SyncData { handle: 2 },
    ];
    assert_eq!(left(&trace(ops), Model::None, 0), files([("a", b"onetwo")]));
}

#[test]
fn a_folder_brings_to_disk_no_later_change_elsewhere() {
    let ops = vec![
        Op::MakeFolder { path: "/s/in".into() },
        open(2, 0, "/s/in"),
        open(3, CREATE, "/s/in/a"),
        open(4, CREATE, "/s/later"),
        Op::Sync { handle: 2 },
    ];
    assert_eq!(left(&trace(ops), Model::None, 0), files([("in/", b""), ("in/a", b"")]));
}

#[test]
fn a_torn_beginning_ends_at_a_sector_and_after_it_comes_nothing() {
    let ops = vec![
        open(2, CREATE, "/s/a"),
        Op::Sync { handle: 2 },
        write(2, 0, [b'1'; 700]),
        write(2, 700, [b'2'; 1000]),
        write(2, 1700, [b'3'; 700]),
    ];
    let trace = trace(ops);
    let whole = &left(&trace, Model::All, 0)["a"];
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let torn = &left(&trace, Model::Prefix, seed)["a"];
        assert!(whole.starts_with(torn));
        // Whole writes, or torn at a sector.
        assert!(
            [700, 1700, 2400].contains(&torn.len()) || torn.len().is_multiple_of(512),
            "{}",
            torn.len()
        );
        lengths.insert(torn.len());
    }
    assert!(
        lengths.contains(&0) && lengths.contains(&2400) && lengths.contains(&1024),
        "{lengths:?}"
    );
}

#[test]
fn pages_survive_each_for_itself_and_leave_holes() {
    let ops = vec![
        open(2, CREATE, "/s/a"),
        Op::Sync { handle: 2 },
        write(2, 0, [b'1'; 4096]),
        write(2, 4096, [b'2'; 100]),
    ];
    let trace = trace(ops);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let file = left(&trace, Model::Pages, seed).remove("a").unwrap();
        seen.insert((file.len(), file.first().copied()));
    }
    let all = [(0, None), (4096, Some(b'1')), (4196, Some(0)), (4196, Some(b'1'))];
    assert_eq!(seen, all.into());
}

#[test]
fn of_renames_any_may_survive_or_the_first_ones() {
    let ops = vec![
        open(2, CREATE, "/s/a"),
        open(3, CREATE, "/s/b"),
        Op::Sync { handle: 2 },
        rename("/s/a", "/s/A"),
        rename("/s/b", "/s/B"),
    ];
    let trace = trace(ops);
    let names = |model, seed| left(&trace, model, seed).into_keys().collect::<String>();
    let seen = |model| (0..50).map(|seed| names(model, seed)).collect::<Vec<_>>();
    let (any, first) = (seen(Model::Pages), seen(Model::Prefix));
    for possible in ["ab", "Ab", "Ba", "AB"] {
        assert!(any.contains(&possible.to_owned()), "{possible}");
        // The second without the first is out of order.
        assert_eq!(first.contains(&possible.to_owned()), possible != "Ba", "{possible}");
    }
}

#[test]
fn a_file_that_is_cut_short_and_written_anew_is_old_or_empty_until_it_is_synced() {
    let ops = vec![
        open(2, CREATE, "/s/a"),
        write(2, 0, "old words"),
        Op::Sync { handle: 2 },
        open(3, CREATE_TRUNCATE, "/s/a"),
        write(3, 0, "new"),
    ];
    assert_eq!(left(&trace(ops.clone()), Model::None, 0), files([("a", b"old words")]));
    let mut other_synced = ops.clone();
    other_synced.extend([open(4, CREATE, "/s/b"), Op::Sync { handle: 4 }]);
    assert_eq!(
        left(&trace(other_synced), Model::None, 0),
        files([("a", b""), ("b", b"")])
    );
    let mut synced = ops;
    synced.push(Op::Sync { handle: 3 });
    assert_eq!(left(&trace(synced), Model::None, 0), files([("a", b"new")]));
}

#[test]
fn what_is_written_under_a_name_that_is_gone_since_stays_with_the_file() {
    let ops = vec![
        open(2, CREATE, "/s/tmp"),
        rename("/s/tmp", "/s/kept"),
        write(2, 0, "after"),
        open(3, CREATE, "/s/tmp"),
        Op::Remove { path: "/s/tmp".into() },
        Op::Start,
        // Another process: its handle 2 is another file.
        open(2, CREATE, "/s/other"),
        write(2, 0, "x"),
    ];
    assert_eq!(
        left(&trace(ops), Model::All, 0),
        files([("kept", b"after"), ("other", b"x")])
    );
}

#[test]
fn what_happens_to_files_elsewhere_is_told_and_changes_nothing_here() {
    let trace = trace(vec![Op::Remove {
        path: "/exports/a".into(),
    }]);
    assert!(trace.events.contains(&super::Event::Retired {
        path: "/exports/a".into()
    }));
    assert_eq!(left(&trace, Model::All, 0), files([]));
}
