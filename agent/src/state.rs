//! The state folder: made at the first start, for the service's account only, with the storage key in it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use vhr_core::config::{SecretSource, Storage};

use crate::secret::{self, Secret};

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
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(failed)?;
    Ok(Lock { _file: file })
}

/// Makes the folder where absent, and gives the storage key: made at the first start where it is to be a file.
///
/// # Errors
/// When the folder cannot be made, or there is no key.
pub fn prepare(storage: &Storage) -> Result<Secret, Error> {
    make_private(&storage.dir)?;
    if let SecretSource::File(path) = &storage.key
        && !path.exists()
    {
        make_key(path)?;
    }
    secret::read(&storage.key).map_err(Error::Key)
}

fn make_private(dir: &Path) -> Result<(), Error> {
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
    let failed = |source| Error::Io {
        act: "make the storage key",
        path: path.to_owned(),
        source,
    };
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|e| failed(io::Error::other(e)))?;
    let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut file = options.open(path)?;
        writeln!(file, "{text}")?;
        file.sync_all()
    };
    write().map_err(failed)?;
    path.parent().map_or(Ok(()), |folder| {
        crate::spool::sync_folder(folder).map_err(|e| failed(io::Error::other(e)))
    })
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
        }
    }

    #[test]
    fn the_key_is_made_at_the_first_start_and_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let storage = storage(folder.path().join("state"));
        let key = prepare(&storage).unwrap();
        assert_eq!(key.reveal().len(), 64);
        assert_eq!(prepare(&storage).unwrap(), key);
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

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_folder_or_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let storage = storage(folder.path().join("state"));
        prepare(&storage).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
        assert_eq!((mode(&storage.dir), mode(&storage.dir.join("storage.key"))), (0, 0));
    }
}
