//! The state folder: made at the first start, for the service's account only, with the storage key in it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use vhr_core::config::{SecretSource, Storage};
use vhr_core::time::Timestamp;

use crate::keys::{self, Keys};
use crate::secret::{self, Secret};
use crate::spool::{self, write_synced};

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
    #[error("the storage key cannot be read")]
    Key(#[source] secret::Error),
    /// It does not open the keyring.
    #[error(transparent)]
    Keys(#[from] keys::Error),
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
    let files = ["ballast", "status.json", "status.json.tmp", "control.sock"];
    let all = folders
        .map(|name| (name, true))
        .into_iter()
        .chain(files.map(|name| (name, false)));
    for (name, folder) in all {
        let path = dir.join(name);
        if foreign(&path, folder) {
            let why = if folder { "it is no folder" } else { "it is a folder" };
            spool::quarantine(dir, &path, "foreign", why, now)
                .map_err(|e| failed(path)(io::Error::other(crate::report::chain(&e))))?;
        }
    }
    Ok(())
}

/// Whether something lies there that is not what it is to be.
fn foreign(path: &Path, folder: bool) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_dir() != folder)
}

/// Makes the folder where absent, and opens its keys; the storage key is made at the first start where it is to be a file.
///
/// # Errors
/// When the folder cannot be made, or the keys are not there.
pub fn prepare(storage: &Storage, now: Timestamp) -> Result<Keys, Error> {
    make_private(&storage.dir)?;
    if let SecretSource::File(path) = &storage.key
        && !path.exists()
        && !copy_of(path).exists()
        && keys::NAMES.iter().all(|name| !storage.dir.join(name).exists())
    {
        make_key(path)?;
    }
    open_keys(storage, now)
}

/// The keys of a state folder that is there.
///
/// # Errors
/// When the storage key cannot be read, or does not open them.
pub fn open_keys(storage: &Storage, now: Timestamp) -> Result<Keys, Error> {
    let mut secrets = vec![secret::read(&storage.key)];
    if let SecretSource::File(path) = &storage.key {
        secrets.push(secret::read(&SecretSource::File(copy_of(path))));
    }
    let (read, unread): (Vec<_>, Vec<_>) = secrets.into_iter().partition(Result::is_ok);
    let read: Vec<Secret> = read.into_iter().flatten().collect();
    if read.is_empty() {
        return Err(Error::Key(
            unread.into_iter().find_map(Result::err).expect("one was asked for"),
        ));
    }
    let (keys, which) = Keys::open(&storage.dir, &read, now)?;
    // What was of our own making has a copy: the damaged one of the two is written anew.
    if let SecretSource::File(path) = &storage.key
        && copy_of(path).exists()
        && read.iter().filter(|secret| **secret == read[which]).count() < 2
    {
        tracing::warn!("a copy of the storage key was damaged; it is written anew");
        write_key(path, read[which].reveal())?;
    }
    Ok(keys)
}

/// Where the copy of a storage key of our own making lies.
fn copy_of(path: &Path) -> PathBuf {
    let mut copy = path.as_os_str().to_owned();
    copy.push(".copy");
    copy.into()
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

fn make_key(path: &Path) -> Result<(), Error> {
    let key: [u8; 32] = keys::random();
    let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    write_key(path, &text)
}

/// Writes the key and its copy, for our account only.
fn write_key(path: &Path, text: &str) -> Result<(), Error> {
    for path in [path, &copy_of(path)] {
        let failed = |source| Error::Io {
            act: "write the storage key",
            path: path.to_owned(),
            source,
        };
        write_synced(path, format!("{text}\n").as_bytes()).map_err(|e| failed(io::Error::other(e)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn storage(dir: PathBuf) -> Storage {
        Storage {
            key: SecretSource::File(dir.join("storage.key")),
            dir,
            keep: Duration::from_secs(1),
            receipts: Duration::from_secs(1),
        }
    }

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
