//! Credentials: where they come from, and a type that is never printed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use vhr_core::config::SecretSource;

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
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Error::Empty(place));
    }
    Ok(Secret::new(text))
}

fn read_file(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    File::open(path)
        .map_err(failed)?
        .take(MAX + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX {
        return Err(Error::TooLarge { path: path.to_owned() });
    }
    Ok(text)
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

    #[test]
    fn an_empty_secret_is_a_mistake_and_not_a_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(read(&SecretSource::File(path)), Err(Error::Empty(_))));
    }
}
