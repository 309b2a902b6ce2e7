//! The state folder: made at the first start, for the service's account only, with the storage key in it (`state/key.rs`).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use vhr_core::config::Storage;
use vhr_core::time::Timestamp;

use crate::keys::escrow::{self, Recipients};
use crate::keys::{self, KeyId, Keys, Opened};
use crate::secret::{self, Secret};
use crate::spool;

pub mod key;

use key::StorageKey;

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("could not {act} {}", .path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process works in it.
    #[error("the state folder {} is in use by another vhr-agent (process {pid})", .dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The other process, as it wrote itself down.
        pid: String,
    },
    /// The storage key is not there.
    #[error(
        "không đọc được khóa lưu trữ: hãy đặt lại đúng khóa cũ ([storage] key), hoặc khôi phục từ bản gửi giữ bằng \
         `vhr-agent key recover` (the storage key cannot be read: put it back, or restore it from the escrow)"
    )]
    Key(#[source] secret::Error),
    /// It cannot be written.
    #[error("the storage key cannot be written")]
    WriteKey(#[source] secret::Error),
    /// It does not open the keyring.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// The escrow: a recipient that is none.
    #[error("[storage] escrow")]
    Escrow(#[from] escrow::Error),
    /// There is no keyring yet.
    #[error("{} chưa có keyring: dịch vụ chưa chạy lần nào (there is no keyring yet: the service never ran)", .0.display())]
    NothingYet(PathBuf),
    /// Only a key of our own making is made anew by itself.
    #[error(
        "khóa lưu trữ do nơi khác cấp: hãy cho biết khóa mới bằng --new file:… | env:… | credential:… (the storage key is not \
         of our own making: say where the new one is)"
    )]
    NotOurs,
    /// A new key that anybody could guess.
    #[error(
        "khóa mới quá ngắn, cần ít nhất {} ký tự ngẫu nhiên, ví dụ từ `openssl rand -hex 32` (the new key is too short: at \
         least {} random characters)",
        key::SHORTEST,
        key::SHORTEST
    )]
    TooShort,
    /// The new key is the old one.
    #[error("khóa mới chính là khóa cũ (the new storage key is the old one)")]
    SameKey,
    /// Nothing is lost.
    #[error(
        "keyring hiện có vẫn mở được, không cần khôi phục; vẫn muốn thay thì thêm --force (the present keyring opens: nothing \
         is lost; --force replaces it all the same)"
    )]
    StillOpens,
    /// The escrow is too old for what is there.
    #[error(
        "bản gửi giữ thiếu khóa {0}, có dữ liệu đã niêm phong bằng khóa này: hãy tìm bản mới hơn; --force bỏ qua và mất phần \
         đó (the escrow is older than the master key {0} that files are sealed under: find a newer one; --force goes on \
         without those files)"
    )]
    OlderEscrow(KeyId),
}

/// Held as long as a process works in a state folder. Spool, journal and index are only opened by whoever holds it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Takes the state folder for this process.
///
/// # Errors
/// When another process has it; its number is told.
pub fn lock(dir: &Path) -> Result<Lock, Error> {
    let path = dir.join("lock");
    let failed = |source| Error::Io {
        act: "open the lock",
        path: path.clone(),
        source,
    };
    if foreign(&path, false) {
        let aside = dir.join(format!("lock.{}", crate::clock::now().millis()));
        fs::rename(&path, aside).map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // On Windows a locked file cannot be read: then the number is not known.
            let _ = (&mut file).take(20).read_to_string(&mut pid);
            return Err(Error::InUse {
                dir: dir.to_owned(),
                pid: pid.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(e)) => return Err(failed(e)),
    }
    // For whoever comes second. On a full disk it may not be possible.
    let _ = file
        .rewind()
        .and_then(|()| writeln!(file, "{:<10}", std::process::id()));
    Ok(Lock { _file: file })
}

/// Sees to it that nothing else lies where our folders are to be: it is set aside.
///
/// # Errors
/// When it cannot be moved.
pub fn own_folders(dir: &Path, now: Timestamp) -> Result<(), Error> {
    let failed = |path: PathBuf| {
        move |source| Error::Io {
            act: "set aside",
            path,
            source,
        }
    };
    let quarantine = dir.join("quarantine");
    if foreign(&quarantine, true) {
        let aside = dir.join(format!("quarantine.{}", now.millis()));
        fs::rename(&quarantine, aside).map_err(failed(quarantine))?;
    }
    let folders = ["spool", "spool/in", "spool/out", "spool/tmp", "journal", "snapshots"];
    let files = [
        "ballast",
        "status.json",
        "status.json.tmp",
        "control.sock",
        "alive",
        "alive.tmp",
        "escrow.json",
        "escrow.json.tmp",
        "keyring.age",
        "keyring.age.tmp",
        // A storage key of another name is the configuration's affair.
        "storage.key",
        "storage.key.tmp",
        "storage.key.copy",
        "storage.key.copy.tmp",
        "storage.key.new",
        "storage.key.new.tmp",
        "keyring",
        "keyring.tmp",
        "keyring.copy",
        "keyring.copy.tmp",
    ];
    let folders = folders.into_iter().map(|name| (name, true));
    for (name, folder) in folders.chain(files.into_iter().map(|name| (name, false))) {
        let path = dir.join(name);
        if foreign(&path, folder) {
            let why = if folder { "it is no folder" } else { "it is a folder" };
            spool::quarantine(dir, &path, "foreign", why, now)
                .map_err(|e| failed(path)(io::Error::other(crate::report::chain(&e))))?;
        }
    }
    own_snapshots(dir, now);
    Ok(())
}

/// The same for what lies among the snapshots; one that was being written when the agent was stopped is removed.
fn own_snapshots(dir: &Path, now: Timestamp) {
    for entry in fs::read_dir(dir.join("snapshots")).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let (number, end) = name
            .to_str()
            .and_then(|name| name.split_at_checked(8))
            .unwrap_or_default();
        let ours = number.bytes().all(|byte| byte.is_ascii_digit()) && matches!(end, "" | ".tmp") && !number.is_empty();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if ours && is_file && end == ".tmp" {
            // Overwritten, if ever one of this number is written.
            let _ = fs::remove_file(&path);
        } else if !(ours && is_file)
            && let Err(e) = spool::quarantine(dir, &path, "foreign", "it is no snapshot", now)
        {
            tracing::warn!(why = crate::report::chain(&e), "it stays among the snapshots");
        }
    }
}

/// Whether something lies there that is not what it is to be.
fn foreign(path: &Path, folder: bool) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_dir() != folder)
}

/// Makes the folder where absent, and opens its keys; the storage key is made at the first start where it is to be a file.
/// What a power cut or damage left is mended, and the escrow is brought up to date. Only for whoever holds the folder's lock.
///
/// # Errors
/// When the folder cannot be made, or the keys are not there.
pub fn prepare(storage: &Storage, now: Timestamp) -> Result<Keys, Error> {
    Ok(open_mended(storage, now)?.0)
}

/// The same, with the secret that opened them.
fn open_mended(storage: &Storage, now: Timestamp) -> Result<(Keys, Secret), Error> {
    let recipients = (!storage.escrow.is_empty())
        .then(|| Recipients::parse(&storage.escrow))
        .transpose()?;
    make_private(&storage.dir)?;
    let key = StorageKey::of(storage);
    if key.is_absent() && keys::NAMES.iter().all(|name| !storage.dir.join(name).exists()) {
        key.make()?;
    }
    let mut secrets = key.candidates()?;
    let Opened { keys, which, whole } = Keys::open(&storage.dir, &secrets, now)?;
    let secret = secrets.swap_remove(which);
    // Last, and only once both copies open: until now each of the candidates may have been the only one that opens a copy.
    if whole && let Err(e) = key.mend(&secret) {
        tracing::warn!(
            why = crate::report::chain(&e),
            "the storage key or its copy was not mended; it is tried again at the next start"
        );
    }
    if let Some(recipients) = recipients {
        keep_escrow(storage, &keys, &recipients, now);
    }
    Ok((keys, secret))
}

/// The keys of a state folder that is there; changes nothing, and so needs no lock.
///
/// # Errors
/// When the storage key cannot be read, or does not open them.
pub fn open_keys(storage: &Storage) -> Result<Keys, Error> {
    let secrets = StorageKey::of(storage).candidates()?;
    let opened = Keys::read(&storage.dir, &secrets)?;
    opened
        .map(|opened| opened.keys)
        .ok_or_else(|| Error::NothingYet(storage.dir.clone()))
}

/// The work goes on without it; `key ls` tells how old it is.
fn keep_escrow(storage: &Storage, keys: &Keys, recipients: &Recipients, now: Timestamp) {
    match escrow::keep(&storage.dir, keys, recipients, now) {
        Ok(true) => tracing::info!("the escrow of the keyring was written"),
        Ok(false) => {}
        Err(e) => tracing::warn!(
            error = crate::report::chain(&e),
            "the escrow of the keyring could not be written"
        ),
    }
}

/// Makes the state folder where absent, for our account only.
///
/// # Errors
/// When it cannot be made.
pub fn make_private(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    let failed = |source| Error::Io {
        act: "create the state folder",
        path: dir.to_owned(),
        source,
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::key::tests::storage;
    use super::*;

    #[test]
    fn the_key_is_made_at_the_first_start_and_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let storage = storage(folder.path().join("state"));
        let now = Timestamp::from_millis(1);
        let keys = prepare(&storage, now).unwrap();
        let key = fs::read_to_string(storage.dir.join("storage.key")).unwrap();
        assert_eq!(key.trim().len(), 64);
        assert_eq!(prepare(&storage, now).unwrap().list(), keys.list());
        assert_eq!(fs::read_to_string(storage.dir.join("storage.key")).unwrap(), key);
    }

    #[test]
    fn a_folder_in_use_is_refused_with_the_number_of_the_process_that_uses_it() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        let refused = lock(folder.path()).unwrap_err();
        assert!(
            matches!(refused, Error::InUse { ref pid, .. } if *pid == std::process::id().to_string()),
            "{refused}"
        );
        drop(held);
        lock(folder.path()).unwrap();
    }

    #[test]
    fn a_damaged_storage_key_of_our_own_making_is_written_anew_from_its_copy() {
        for name in ["storage.key", "storage.key.copy"] {
            for damage in [
                "",
                "00",
                "0000000000000000000000000000000000000000000000000000000000000000\n",
            ] {
                let folder = tempfile::tempdir().unwrap();
                let storage = storage(folder.path().join("state"));
                let keys = prepare(&storage, Timestamp::from_millis(1)).unwrap();
                let key = fs::read(storage.dir.join(name)).unwrap();
                fs::write(storage.dir.join(name), damage).unwrap();
                assert_eq!(
                    prepare(&storage, Timestamp::from_millis(2)).unwrap().list(),
                    keys.list()
                );
                assert_eq!(fs::read(storage.dir.join(name)).unwrap(), key, "{name} {damage:?}");
            }
        }
    }

    #[test]
    fn a_folder_in_the_place_of_a_key_or_of_what_it_is_written_through_stops_nothing() {
        let names = ["storage.key", "storage.key.copy", "keyring", "keyring.copy"];
        for (nth, name) in names.iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let storage = storage(folder.path().join("state"));
            let keys = prepare(&storage, Timestamp::from_millis(1)).unwrap();
            // The one is a folder; the other needs mending, and what it is written through is a folder.
            fs::remove_file(storage.dir.join(name)).unwrap();
            fs::create_dir(storage.dir.join(name)).unwrap();
            fs::create_dir(storage.dir.join(format!("{name}.tmp"))).unwrap();
            let without = prepare(&storage, Timestamp::from_millis(2)).unwrap();
            assert_eq!(without.list(), keys.list(), "{name}: nothing is mended, and it opens");
            own_folders(&storage.dir, Timestamp::from_millis(3)).unwrap();
            prepare(&storage, Timestamp::from_millis(3)).unwrap();
            // The mended one alone is enough.
            fs::remove_file(storage.dir.join(names[nth ^ 1])).unwrap();
            let mended = prepare(&storage, Timestamp::from_millis(4)).unwrap();
            assert_eq!(mended.list(), keys.list(), "{name}");
        }
    }

    #[test]
    fn what_is_no_snapshot_is_set_aside_and_snapshots_stay() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = folder.path().join("snapshots");
        fs::create_dir(&snapshots).unwrap();
        for name in [
            "00000001",
            "00000002",
            "00000003.tmp",
            "notes.txt",
            "+0000004",
            "00000005é",
        ] {
            fs::write(snapshots.join(name), name).unwrap();
        }
        for name in ["00000006", "00000003.tmp.d", "00000007.tmp"] {
            fs::create_dir(snapshots.join(name)).unwrap();
        }
        own_folders(folder.path(), Timestamp::from_millis(1)).unwrap();
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(&snapshots), ["00000001", "00000002"]);
        let notes = |name: &String| name.ends_with(".why.txt");
        let aside = names(&folder.path().join("quarantine"));
        assert_eq!(aside.iter().filter(|name| !notes(name)).count(), 6);
    }

    #[test]
    fn a_storage_key_that_is_gone_is_not_made_anew_over_a_keyring() {
        let folder = tempfile::tempdir().unwrap();
        let storage = storage(folder.path().join("state"));
        prepare(&storage, Timestamp::from_millis(1)).unwrap();
        for name in ["storage.key", "storage.key.copy"] {
            fs::remove_file(storage.dir.join(name)).unwrap();
        }
        assert!(matches!(
            prepare(&storage, Timestamp::from_millis(2)),
            Err(Error::Key(_))
        ));
        assert!(!storage.dir.join("storage.key").exists());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_folder_or_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let storage = storage(folder.path().join("state"));
        prepare(&storage, Timestamp::from_millis(1)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
        assert_eq!((mode(&storage.dir), mode(&storage.dir.join("storage.key"))), (0, 0));
    }
}
