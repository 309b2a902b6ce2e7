//! Rotation, a new storage key with the power cut at each step, and recovery.

use std::time::Duration;

use super::*;
use crate::seal;

const OTHER: &str = "another key, of somebody's own making 5d1f";

/// A folder with a key of our own making.
pub(in crate::state) fn storage(dir: PathBuf) -> Storage {
    Storage {
        key: SecretSource::File(dir.join("storage.key")),
        dir,
        keep: Duration::from_secs(1),
        receipts: Duration::from_secs(1),
        escrow: Vec::new(),
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn begun(folder: &Path) -> (Storage, Keys) {
    let storage = storage(folder.join("state"));
    let keys = prepare(&storage, at(1)).unwrap();
    (storage, keys)
}

/// As the hospital gives it: a file outside, without a copy.
fn theirs(folder: &Path, text: &str) -> SecretSource {
    let path = folder.join(format!("given-{}", text.len()));
    fs::write(&path, text).unwrap();
    SecretSource::File(path)
}

/// Both copies of the keyring and both of the key are whole, and nothing else is left of it.
fn all_is_whole(storage: &Storage) {
    let key = fs::read_to_string(storage.dir.join("storage.key")).unwrap();
    assert_eq!(fs::read_to_string(storage.dir.join("storage.key.copy")).unwrap(), key);
    assert!(!storage.dir.join("storage.key.new").exists());
    let opened = Keys::read(&storage.dir, &[Secret::new(key.trim())]).unwrap().unwrap();
    assert!(opened.whole);
}

#[test]
fn a_power_cut_between_any_two_steps_of_a_new_key_loses_nothing() {
    let steps = [
        "storage.key.new",
        "keyring",
        "keyring.copy",
        "storage.key",
        "storage.key.copy",
    ];
    for given in [None, Some(Secret::new(OTHER))] {
        for (nth, step) in steps.iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let (storage, keys) = begun(folder.path());
            let old = fs::read(storage.dir.join("storage.key")).unwrap();
            // A folder in the place of what is written first stops it exactly there.
            let block = storage.dir.join(format!("{step}.tmp"));
            fs::create_dir(&block).unwrap();
            rewrap(&storage, given.clone(), at(2)).unwrap_err();
            fs::remove_dir(&block).unwrap();
            // Somebody who only reads finds the keys as well, and mends nothing.
            let before = fs::read(storage.dir.join("keyring")).unwrap();
            assert_eq!(super::super::open_keys(&storage).unwrap().list(), keys.list(), "{step}");
            assert_eq!(fs::read(storage.dir.join("keyring")).unwrap(), before);

            assert_eq!(prepare(&storage, at(3)).unwrap().list(), keys.list(), "{step}");
            all_is_whole(&storage);
            let went_forward = fs::read(storage.dir.join("storage.key")).unwrap() != old;
            assert_eq!(went_forward, nth >= 2, "{step}");
        }
    }
}

#[test]
fn a_power_cut_before_the_announced_key_was_removed_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, keys) = begun(folder.path());
    rewrap(&storage, None, at(2)).unwrap();
    let key = storage.dir.join("storage.key");
    fs::copy(&key, storage.dir.join("storage.key.new")).unwrap();
    assert_eq!(prepare(&storage, at(3)).unwrap().list(), keys.list());
    all_is_whole(&storage);
}

#[test]
fn after_a_new_key_the_old_one_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, keys) = begun(folder.path());
    let old = fs::read_to_string(storage.dir.join("storage.key")).unwrap();
    rewrap(&storage, None, at(2)).unwrap();
    all_is_whole(&storage);
    assert!(Keys::read(&storage.dir, &[Secret::new(old.trim())]).is_err());
    assert_eq!(prepare(&storage, at(3)).unwrap().list(), keys.list());
}

#[test]
fn a_key_of_somebody_else_s_is_never_made_by_us_and_a_cut_leaves_old_or_new() {
    for step in ["keyring", "keyring.copy"] {
        for then in [0, 1] {
            let folder = tempfile::tempdir().unwrap();
            let mut storage = storage(folder.path().join("state"));
            let places = [theirs(folder.path(), "the first"), theirs(folder.path(), OTHER)];
            storage.key = places[0].clone();
            let keys = prepare(&storage, at(1)).unwrap();
            assert!(matches!(rewrap(&storage, None, at(2)), Err(Error::NotOurs)));
            assert!(matches!(
                rewrap(&storage, Some(Secret::new("short")), at(2)),
                Err(Error::TooShort)
            ));
            let block = storage.dir.join(format!("{step}.tmp"));
            fs::create_dir(&block).unwrap();
            rewrap(&storage, Some(Secret::new(OTHER)), at(2)).unwrap_err();
            fs::remove_dir(&block).unwrap();
            // Whatever the configuration says by now.
            storage.key = places[then].clone();
            if step == "keyring" && then == 1 {
                assert!(prepare(&storage, at(3)).is_err(), "nothing was written yet");
            } else {
                assert_eq!(prepare(&storage, at(3)).unwrap().list(), keys.list());
                let secret = secret::read(&storage.key).unwrap();
                assert!(Keys::read(&storage.dir, &[secret]).unwrap().unwrap().whole);
            }
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "no copies of theirs");
        }
    }
}

#[test]
fn a_rotation_adds_a_master_key_and_a_cut_one_holds_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, keys) = begun(folder.path());
    let block = storage.dir.join("keyring.copy.tmp");
    fs::create_dir(&block).unwrap();
    rotate(&storage, at(2)).unwrap_err();
    fs::remove_dir(&block).unwrap();
    let rotated = prepare(&storage, at(3)).unwrap();
    assert_eq!(rotated.list().len(), 2);
    assert_eq!(rotated.list()[0], keys.list()[0]);
    // The copy that was not written yet is no longer behind.
    fs::remove_file(storage.dir.join("keyring")).unwrap();
    assert_eq!(prepare(&storage, at(4)).unwrap().list(), rotated.list());
    assert_eq!(rotate(&storage, at(5)).unwrap().list().len(), 3);
    all_is_whole(&storage);
}

#[test]
fn where_nothing_is_yet_nothing_is_rotated_and_nothing_made() {
    let folder = tempfile::tempdir().unwrap();
    let storage = storage(folder.path().join("state"));
    assert!(matches!(rotate(&storage, at(1)), Err(Error::NothingYet(_))));
    assert!(matches!(rewrap(&storage, None, at(1)), Err(Error::NothingYet(_))));
    assert!(!storage.dir.exists());
}

#[test]
fn what_is_lost_comes_back_from_the_escrow_and_what_was_there_is_only_set_aside() {
    let lost: [&[&str]; 4] = [
        &["storage.key", "storage.key.copy"],
        &["keyring", "keyring.copy"],
        &["storage.key", "storage.key.copy", "keyring", "keyring.copy"],
        &[],
    ];
    for gone in lost {
        let folder = tempfile::tempdir().unwrap();
        let (storage, keys) = begun(folder.path());
        fs::create_dir_all(storage.dir.join("spool/in")).unwrap();
        let head = seal::Head::new(*b"VHRX", 1, &keys).to_bytes();
        fs::write(storage.dir.join("spool/in/aa"), head).unwrap();
        for name in gone {
            fs::remove_file(storage.dir.join(name)).unwrap();
        }
        if gone.is_empty() {
            // Both copies of the key were damaged so that they still read.
            for name in ["storage.key", "storage.key.copy"] {
                fs::write(storage.dir.join(name), "0000\n").unwrap();
            }
        }
        prepare(&storage, at(2)).unwrap_err();
        let done = recover(&storage, &keys, false, at(3)).unwrap();
        assert!(done.new_key);
        assert!(done.set_aside.iter().all(|path| path.exists()));
        assert_eq!(prepare(&storage, at(4)).unwrap().list(), keys.list(), "{gone:?}");
        all_is_whole(&storage);
        assert!(matches!(recover(&storage, &keys, false, at(5)), Err(Error::StillOpens)));
    }
}

#[test]
fn a_cut_recovery_is_done_again() {
    for step in ["storage.key", "storage.key.copy", "keyring", "keyring.copy"] {
        let folder = tempfile::tempdir().unwrap();
        let (storage, keys) = begun(folder.path());
        fs::create_dir_all(storage.dir.join("journal")).unwrap();
        fs::write(storage.dir.join("journal/00000001"), "sealed").unwrap();
        for name in ["keyring", "keyring.copy"] {
            fs::remove_file(storage.dir.join(name)).unwrap();
        }
        let block = storage.dir.join(format!("{step}.tmp"));
        fs::create_dir(&block).unwrap();
        recover(&storage, &keys, false, at(2)).unwrap_err();
        fs::remove_dir(&block).unwrap();
        if prepare(&storage, at(3)).is_err() {
            recover(&storage, &keys, false, at(4)).unwrap();
        }
        assert_eq!(prepare(&storage, at(5)).unwrap().list(), keys.list(), "{step}");
        all_is_whole(&storage);
    }
}

#[test]
fn an_escrow_older_than_what_is_sealed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, keys) = begun(folder.path());
    let rotated = rotate(&storage, at(2)).unwrap();
    fs::create_dir_all(storage.dir.join("spool/out")).unwrap();
    let head = seal::Head::new(*b"VHRB", 1, &rotated).to_bytes();
    fs::write(storage.dir.join("spool/out/aa"), head).unwrap();
    fs::remove_file(storage.dir.join("keyring")).unwrap();
    fs::remove_file(storage.dir.join("keyring.copy")).unwrap();
    assert!(matches!(recover(&storage, &keys, false, at(3)), Err(Error::OlderEscrow(id)) if id == rotated.newest()));
    recover(&storage, &keys, true, at(3)).unwrap();
    assert_eq!(prepare(&storage, at(4)).unwrap().list(), keys.list());
}

#[test]
fn a_key_of_somebody_else_s_has_to_be_there_before_anything_is_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let mut storage = storage(folder.path().join("state"));
    storage.key = theirs(folder.path(), OTHER);
    let keys = prepare(&storage, at(1)).unwrap();
    fs::remove_file(storage.dir.join("keyring.copy")).unwrap();
    fs::write(storage.dir.join("keyring"), "damaged").unwrap();
    let mut elsewhere = storage.clone();
    elsewhere.key = SecretSource::Env("VHR_NO_SUCH_VARIABLE".into());
    assert!(matches!(recover(&elsewhere, &keys, false, at(2)), Err(Error::Key(_))));
    assert_eq!(fs::read(storage.dir.join("keyring")).unwrap(), b"damaged");
    let done = recover(&storage, &keys, false, at(3)).unwrap();
    assert!(!done.new_key);
    assert_eq!(prepare(&storage, at(4)).unwrap().list(), keys.list());
}

#[test]
fn the_escrow_in_the_folder_follows_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    let mut storage = storage(folder.path().join("state"));
    let identity = age::x25519::Identity::generate();
    storage.escrow = vec![identity.to_public().to_string()];
    let text = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
    prepare(&storage, at(1)).unwrap();
    let kept = || fs::read(storage.dir.join(keys::escrow::KEPT)).unwrap();
    let first = kept();
    prepare(&storage, at(2)).unwrap();
    assert_eq!(kept(), first);
    let rotated = rotate(&storage, at(3)).unwrap();
    assert_eq!(keys::escrow::open(&kept(), &text).unwrap().list(), rotated.list());
    storage.escrow = vec![format!("age1{}", "q".repeat(58))];
    assert!(matches!(prepare(&storage, at(4)), Err(Error::Escrow(_))));
}
