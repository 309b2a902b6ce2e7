//! Keys by hand: rotated, replaced, given into escrow, lost, and back again; with the real program and its real state.

use std::fs;
use std::path::Path;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;

use crate::harness::{World, one_visit, plain};

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
