//! Keys by hand: rotated, replaced, given into escrow, lost, and back again; with the real program and its real state.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use age::x25519::Identity;

use crate::harness::{Wish, World, files_below, one_visit, plain, whole_keys};

/// A storage key of somebody else's making, and another one.
const GIVEN: &str = "0123456789 of somebody else's own making";
const OTHER: &str = "9876543210 of somebody else's own making";

/// A person with an identity file offline: the recipient, and the file.
fn keeper(world: &World) -> (String, String) {
    let identity = Identity::generate();
    let path = world.path("identity.txt");
    let text = format!("# made for a test\n{}\n", identity.to_string().expose_secret());
    fs::write(&path, text).unwrap();
    (identity.to_public().to_string(), path.display().to_string())
}

/// A state folder with deliveries behind it; the receipts.
fn used(world: &World) -> Vec<Vec<String>> {
    world.drop_all(&plain(501, 3));
    world.once().with(0);
    let receipts = world.receipts();
    assert_eq!(receipts.len(), 6);
    receipts
}

/// Everything is there as before, and goes on.
fn goes_on(world: &World, receipts: &[Vec<String>], seed: u64) {
    assert_eq!(world.receipts(), receipts);
    world.run(&["status"]).with(3);
    world.drop_in(&format!("new-{seed}.xml"), &one_visit(seed).bytes);
    world.once().with(0);
    assert_eq!(world.receipts().len(), receipts.len() + 2);
    assert!(!world.path("state").join("quarantine").exists(), "all was readable");
}

fn remove(folder: &Path, names: &[&str]) {
    for name in names {
        fs::remove_file(folder.join(name)).unwrap();
    }
}

#[test]
fn a_folder_whose_keys_are_lost_reads_again_after_a_recovery() {
    for (nth, lost) in [
        &["storage.key", "storage.key.copy"][..],
        &["keyring", "keyring.copy"],
        &["storage.key", "storage.key.copy", "keyring", "keyring.copy"],
    ]
    .iter()
    .enumerate()
    {
        let world = World::new();
        let receipts = used(&world);
        let (recipient, identity) = keeper(&world);
        let escrow = world.path("escrow.age").display().to_string();
        world
            .run(&["key", "escrow", "--to", &recipient, "--out", &escrow])
            .with(0);
        let again = world
            .run(&["key", "escrow", "--to", &recipient, "--out", &escrow])
            .with(1);
        assert!(again.err.contains("không bị ghi đè"), "{}", again.err);
        let recover = ["key", "recover", "--from", &escrow, "--identity", &identity];
        world.run(&recover).with(2);

        remove(&world.path("state"), lost);
        world.run(&["run", "--once"]).with(1);
        world.run(&["key", "ls"]).with(1);
        world.run(&recover).with(0);
        goes_on(&world, &receipts, 510 + nth as u64);
    }
}

#[test]
fn a_backup_with_the_kept_escrow_and_the_offline_identity_is_enough() {
    let world = World::new();
    let (recipient, identity) = keeper(&world);
    let config = fs::read_to_string(world.config()).unwrap();
    let line = format!("[storage]\nescrow = [\"{recipient}\"]\n");
    fs::write(world.config(), config.replace("[storage]\n", &line)).unwrap();
    let receipts = used(&world);
    world.run(&["key", "rotate"]).with(0);
    let state = world.path("state");
    remove(&state, &["storage.key", "storage.key.copy", "keyring", "keyring.copy"]);
    let kept = state.join("keyring.age").display().to_string();
    world
        .run(&["key", "recover", "--from", &kept, "--identity", &identity])
        .with(0);
    goes_on(&world, &receipts, 520);
    let listed = world.run(&["key", "ls"]).with(0);
    assert!(
        listed.out.contains(&recipient) && listed.out.contains("đủ (complete)"),
        "{}",
        listed.out
    );
}

#[test]
fn after_a_rotation_and_a_new_storage_key_all_is_there_and_goes_on() {
    let world = World::new();
    let receipts = used(&world);
    world.run(&["key", "rotate"]).with(0);
    world.run(&["key", "rewrap"]).with(0);
    fs::write(world.path("given"), "0123456789 of somebody's own making\n").unwrap();
    let place = format!("file:{}", world.path("given").display());
    world.run(&["key", "rewrap", "--new", &place]).with(0);
    goes_on(&world, &receipts, 530);
    let listed = world.run(&["key", "ls"]).with(0);
    assert_eq!(listed.out.matches("chỉ để đọc").count(), 1, "{}", listed.out);
}

#[test]
fn while_the_service_runs_nothing_is_changed_and_its_process_is_named() {
    let world = World::new();
    let service = world.service();
    let state = world.path("state");
    let before = fs::read(state.join("keyring")).unwrap();
    let pid = fs::read_to_string(state.join("lock")).unwrap();
    for verb in [&["key", "rotate"][..], &["key", "rewrap"]] {
        let refused = world.run(verb).with(1);
        assert!(
            refused.err.contains(pid.trim()) && refused.err.contains("dừng dịch vụ"),
            "{}",
            refused.err
        );
    }
    world.run(&["key", "ls"]).with(0);
    assert_eq!(fs::read(state.join("keyring")).unwrap(), before);
    service.kill();
}

/// Every file of the state folder and what is in it, but for the lock: each process writes its number into that.
fn held(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files_below(&world.path("state")).into_iter();
    files
        .filter(|path| path.is_file() && !path.ends_with("lock"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// A storage key that somebody else keeps in this variable: the first start goes by `given`, as does the next one; with any
/// other `without` nothing starts, nothing changes, and it is told what to do.
fn is_needed_at_every_start(
    seed: u64,
    (name, place): (&str, &'static str),
    given: &str,
    without: [(Option<&str>, &str); 3],
) {
    let world = World::with(Wish {
        storage: place,
        ..Wish::default()
    });
    for (folder, key) in [("given", Some(GIVEN)), ("other", Some(OTHER)), ("none", None)] {
        fs::create_dir(world.path(folder)).unwrap();
        if let Some(key) = key {
            fs::write(world.path(folder).join("storage-key"), format!("{key}\n")).unwrap();
        }
    }
    let once = |value: Option<&str>| {
        let value = value.map(|value| match name {
            "CREDENTIALS_DIRECTORY" => world.path(value).into_os_string(),
            _ => value.into(),
        });
        let environment: Vec<_> = value.iter().map(|value| (name, value.as_os_str())).collect();
        world.start_in(&environment, &["run", "--once"]).finish()
    };
    let exports = plain(seed, 2);
    let (first, second) = exports.split_at(1);
    world.drop_all(first);
    once(None).with(1);
    assert!(held(&world).is_empty(), "{:?}", held(&world).keys());
    once(Some(given)).with(0);
    world.all_arrived_once(&whole_keys(first));

    let before = held(&world);
    world.drop_all(second);
    for (value, told) in without {
        let refused = once(value).with(1);
        assert!(
            refused.err.contains("hãy đặt lại đúng khóa cũ") && refused.err.contains(told),
            "{}",
            refused.err
        );
        assert!(
            !refused.err.contains(GIVEN) && !refused.err.contains(OTHER),
            "{}",
            refused.err
        );
        assert!(held(&world) == before, "{value:?} changed something");
    }
    once(Some(given)).with(0);
    world.all_arrived_once(&whole_keys(&exports));
    let state = world.path("state");
    assert!(!state.join("storage.key").exists() && !state.join("quarantine").exists());
}

#[test]
fn a_storage_key_in_the_environment_is_needed_at_every_start() {
    is_needed_at_every_start(
        540,
        ("VHR_KEY", r#"key = { env = "VHR_KEY" }"#),
        GIVEN,
        [
            (None, "VHR_KEY is not set"),
            (Some(""), "VHR_KEY is empty"),
            (Some(OTHER), "does not open the keyring"),
        ],
    );
}

#[test]
fn a_storage_key_from_the_service_manager_is_needed_at_every_start() {
    is_needed_at_every_start(
        550,
        ("CREDENTIALS_DIRECTORY", r#"key = { credential = "storage-key" }"#),
        "given",
        [
            (None, "LoadCredential=storage-key:"),
            (Some("none"), "storage-key"),
            (Some("other"), "does not open the keyring"),
        ],
    );
}

#[test]
fn a_mistyped_recipient_is_told_by_check_and_stops_the_start() {
    let world = World::new();
    let config = fs::read_to_string(world.config()).unwrap();
    let line = format!("[storage]\nescrow = [\"age1{}\"]\n", "q".repeat(58));
    fs::write(world.config(), config.replace("[storage]\n", &line)).unwrap();
    for verb in [&["check"][..], &["run", "--once"]] {
        let refused = world.run(verb).with(78);
        assert!(refused.err.contains("[storage] escrow"), "{}", refused.err);
    }
    assert!(!world.path("state").join("keyring").exists());
}
