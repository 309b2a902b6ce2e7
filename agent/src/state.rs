//! The state folder: made at the first start, for the service's account only, with the storage key in it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
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
    /// The storage key is not there.
    #[error("the storage key cannot be read")]
    Key(#[source] secret::Error),
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
