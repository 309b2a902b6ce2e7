//! Credentials: where they come from, and a type that is never printed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use vhr_core::config::SecretSource;

use crate::spool::{self, write_synced};

#[cfg(windows)]
mod dpapi;

/// A secret is a line; a larger file is a mistake.
const MAX: u64 = 64 * 1024;

/// A credential. Its Debug says `[hidden]`, and it has no Display.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Why a secret is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("could not read the secret from {path}")]
    File {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is too large.
    #[error("{path} is too large for a secret (more than {MAX} bytes)")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The variable is not set.
    #[error("the environment variable {0} is not set, or is not UTF-8")]
    Env(String),
    /// No credentials folder.
    #[error(
        "credential {0:?} is not there: the service manager gave no credentials (CREDENTIALS_DIRECTORY is not set; \
         in the systemd unit: LoadCredential={0}:/path)"
    )]
    NoCredentials(String),
    /// Nothing in it.
    #[error("the secret from {0} is empty")]
    Empty(String),
    /// DPAPI did not open or seal it.
    #[error(
        "DPAPI không mở hoặc không niêm phong được {path}: tệp chỉ mở được trên chính máy Windows đã tạo ra nó \
         (DPAPI did not open or seal it: it opens only on the Windows machine that made it)"
    )]
    Dpapi {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// DPAPI elsewhere than on Windows.
    #[error(
        "{0}: {{ dpapi = … }} chỉ có trên Windows; hãy dùng {{ credential = … }} hoặc {{ file = … }} \
         (dpapi is there on Windows only: use a credential or a file)"
    )]
    NotWindows(PathBuf),
    /// It cannot be written.
    #[error("the secret could not be written")]
    Write(#[source] spool::Error),
}

/// Reads a secret from where the configuration says; a line end behind it is not part of it.
///
/// # Errors
/// When it is absent, unreadable, empty, or too large.
pub fn read(source: &SecretSource) -> Result<Secret, Error> {
    let (text, place) = match source {
        SecretSource::File(path) => (read_file(path)?, path.display().to_string()),
        SecretSource::Env(name) => (std::env::var(name).map_err(|_| Error::Env(name.clone()))?, name.clone()),
        SecretSource::Credential(name) => {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| Error::NoCredentials(name.clone()))?;
            (read_file(&Path::new(&folder).join(name))?, name.clone())
        }
        SecretSource::Dpapi(path) if cfg!(not(windows)) => return Err(Error::NotWindows(path.clone())),
        SecretSource::Dpapi(path) => (
            text(path, unprotect(path, &read_bytes(path)?)?)?,
            path.display().to_string(),
        ),
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Error::Empty(place));
    }
    Ok(Secret::new(text))
}

/// Writes a secret to where a file is to hold it, for our account only. Nothing else can be written to.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(place: &SecretSource, secret: &Secret) -> Result<(), Error> {
    let (path, bytes) = match place {
        SecretSource::File(path) => (path, format!("{}\n", secret.reveal()).into_bytes()),
        SecretSource::Dpapi(path) => (path, protect(path, secret.reveal().as_bytes())?),
        SecretSource::Credential(name) | SecretSource::Env(name) => {
            let path = PathBuf::from(name);
            let source = io::ErrorKind::Unsupported.into();
            return Err(Error::File { path, source });
        }
    };
    write_synced(path, &bytes).map_err(Error::Write)
}

fn read_file(path: &Path) -> Result<String, Error> {
    text(path, read_bytes(path)?)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(failed)?
        .take(MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX {
        return Err(Error::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|_| Error::File {
        path: path.to_owned(),
        // The bytes are not repeated: they may be most of a secret.
        source: io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"),
    })
}

#[cfg(windows)]
fn protect(path: &Path, plain: &[u8]) -> Result<Vec<u8>, Error> {
    let path = path.to_owned();
    dpapi::protect(plain).map_err(|source| Error::Dpapi { path, source })
}

#[cfg(windows)]
fn unprotect(path: &Path, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let path = path.to_owned();
    dpapi::unprotect(sealed).map_err(|source| Error::Dpapi { path, source })
}

#[cfg(not(windows))]
fn protect(path: &Path, _: &[u8]) -> Result<Vec<u8>, Error> {
    Err(Error::NotWindows(path.to_owned()))
}

#[cfg(not(windows))]
fn unprotect(path: &Path, _: &[u8]) -> Result<Vec<u8>, Error> {
    Err(Error::NotWindows(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Secret::new("open sesame")), "[hidden]");
    }

    #[test]
    fn the_line_end_behind_a_secret_is_not_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "open sesame \r\n").unwrap();
        assert_eq!(read(&SecretSource::File(path)).unwrap().reveal(), "open sesame ");
    }

    #[cfg(not(windows))]
    #[test]
    fn elsewhere_than_on_windows_dpapi_is_refused_by_name() {
        let place = SecretSource::Dpapi("/var/lib/vhr-agent/storage.key".into());
        for refused in [read(&place).map(|_| ()), write(&place, &Secret::new("k"))] {
            assert!(matches!(refused, Err(Error::NotWindows(_))), "{refused:?}");
        }
    }

    #[test]
    fn what_is_not_text_is_refused_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, b"open \xff sesame").unwrap();
        let told = crate::report::chain(&read(&SecretSource::File(path)).unwrap_err());
        assert!(told.contains("UTF-8") && !told.contains("sesame"), "{told}");
    }

    #[test]
    fn an_empty_secret_is_a_mistake_and_not_a_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(read(&SecretSource::File(path)), Err(Error::Empty(_))));
    }
}
