//! The storage key of a state folder: where it is read, made, replaced, and put back when it is lost.
//!
//! What stays true: whatever instant the power goes, a key that is still there opens at least one copy of the keyring, and
//! the next start mends the rest. So a new key lies beside the old one (`.new`) before the first copy of the keyring is
//! sealed under it, and goes last; and nothing is mended but by whoever holds the folder's lock.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use vhr_core::config::{SecretSource, Storage};
use vhr_core::time::Timestamp;

use super::{Error, make_private, open_mended, prepare};
use crate::keys::{self, KeyId, Keys, put_aside};
use crate::secret::{self, Secret};

/// A storage key given by hand has at least so many characters.
pub const SHORTEST: usize = 32;

/// From now on new files are sealed under a new master key; what was sealed before stays as it is. For whoever holds the lock.
///
/// # Errors
/// When the keys do not open, or the keyring cannot be written.
pub fn rotate(storage: &Storage, now: Timestamp) -> Result<Keys, Error> {
    let (keys, secret) = there(storage, now)?;
    keys.rotated(now).write(&storage.dir, &secret)?;
    // Brings the escrow up to date, too.
    prepare(storage, now)
}

/// Puts a new storage key in place of the old one: this one, or where the old one is of our own making, a fresh one. For
/// whoever holds the lock.
///
/// # Errors
/// When the old one does not open the keyring, the new one will not do, or something cannot be written. Then the old one
/// holds, or the next start goes on with the new one.
pub fn rewrap(storage: &Storage, new: Option<Secret>, now: Timestamp) -> Result<(), Error> {
    let (keys, old) = there(storage, now)?;
    let key = StorageKey::of(storage);
    let new = match new {
        Some(new) if new.reveal().len() < SHORTEST => return Err(Error::TooShort),
        Some(new) if new == old => return Err(Error::SameKey),
        Some(new) => new,
        None if key.is_ours() => fresh(),
        None => return Err(Error::NotOurs),
    };
    key.announce(&new)?;
    keys.write(&storage.dir, &new)?;
    key.settle(&new)
}

/// What a recovery did.
#[derive(Debug)]
pub struct Recovered {
    /// Whether the storage key was made anew.
    pub new_key: bool,
    /// What was there before, and lies beside it under another name now.
    pub set_aside: Vec<PathBuf>,
}

/// Puts a keyring from the escrow in place of the one that is lost or does not open. For whoever holds the lock.
///
/// # Errors
/// When the present one opens, or files are sealed under a key that the escrow does not have, unless `force`d; and when
/// there is no storage key to seal it under.
pub fn recover(storage: &Storage, keys: &Keys, force: bool, now: Timestamp) -> Result<Recovered, Error> {
    let key = StorageKey::of(storage);
    if !force {
        let secrets = key.candidates().unwrap_or_default();
        if let Ok(Some(_)) = Keys::read(&storage.dir, &secrets) {
            return Err(Error::StillOpens);
        }
        let mut needed = needed(&storage.dir).into_iter();
        if let Some(id) = needed.find(|id| keys.master(*id).is_none()) {
            return Err(Error::OlderEscrow(id));
        }
    }
    make_private(&storage.dir)?;
    let new_key = key.is_ours() || key.is_absent();
    // A key of somebody else's has to be there before anything is touched.
    let secret = if new_key { fresh() } else { key.read()? };
    let mut set_aside = Vec::new();
    let old = keys::NAMES.map(|name| storage.dir.join(name)).into_iter();
    for path in old.chain(if new_key { key.files() } else { Vec::new() }) {
        let failed = |source| Error::Io {
            act: "set aside",
            path: path.clone(),
            source,
        };
        set_aside.extend(put_aside(&path, now).map_err(failed)?);
    }
    if new_key {
        key.write(&secret)?;
    }
    keys.write(&storage.dir, &secret)?;
    Ok(Recovered { new_key, set_aside })
}

/// Where the storage key of a state folder lies.
#[derive(Debug)]
pub struct StorageKey<'a> {
    place: &'a SecretSource,
    /// In the state folder nobody but us puts one.
    inside: bool,
}

impl<'a> StorageKey<'a> {
    /// That of this folder.
    pub fn of(storage: &'a Storage) -> Self {
        let place = &storage.key;
        let inside = path_of(place).is_some_and(|path| path.starts_with(&storage.dir));
        Self { place, inside }
    }

    /// Whether it is to be a file and is not there: then it is made.
    pub fn is_absent(&self) -> bool {
        let files = self.files();
        !files.is_empty() && !files.iter().any(|path| path.exists())
    }

    /// Whether we made it ourselves: then it has a copy, and may be replaced by us.
    pub fn is_ours(&self) -> bool {
        self.files()
            .iter()
            .enumerate()
            .any(|(nth, path)| path.exists() && (nth > 0 || self.inside))
    }

    /// All that may be the storage key: itself, its copy, and the one that was to take its place.
    ///
    /// # Errors
    /// Why the first does not read, when none does.
    pub(super) fn candidates(&self) -> Result<Vec<Secret>, Error> {
        let all = [self.beside(""), self.beside(".copy"), self.beside(".new")];
        let (read, unread): (Vec<_>, Vec<_>) = all.iter().flatten().map(secret::read).partition(Result::is_ok);
        let read: Vec<Secret> = read.into_iter().flatten().collect();
        match unread.into_iter().find_map(Result::err) {
            Some(why) if read.is_empty() => Err(Error::Key(why)),
            _ => Ok(read),
        }
    }

    pub(super) fn make(&self) -> Result<(), Error> {
        self.write(&fresh())
    }

    /// Once this secret opens both copies of the keyring: it is in all places, and no other is left.
    pub(super) fn mend(&self, right: &Secret) -> Result<(), Error> {
        if !self.is_ours() {
            return Ok(());
        }
        let is_right = |place: SecretSource| secret::read(&place).is_ok_and(|read| read == *right);
        let places = [self.beside(""), self.beside(".copy")];
        if !places.into_iter().flatten().all(is_right) {
            tracing::warn!("the storage key or its copy was missing, damaged or another; both are written anew");
            return self.settle(right);
        }
        self.remove_new()
    }

    /// The key and its copy, where they are ours; then none is left that was to take their place.
    fn settle(&self, secret: &Secret) -> Result<(), Error> {
        if self.is_ours() {
            self.write(secret)?;
        }
        self.remove_new()
    }

    fn remove_new(&self) -> Result<(), Error> {
        let Some(path) = self.files().pop().filter(|path| path.exists()) else {
            return Ok(());
        };
        let failed = |source| Error::Io {
            act: "remove",
            path: path.clone(),
            source,
        };
        fs::remove_file(&path).map_err(failed)
    }

    /// Lays a key of our own making beside the old one, before anything is sealed under it.
    fn announce(&self, new: &Secret) -> Result<(), Error> {
        match self.beside(".new").filter(|_| self.is_ours()) {
            Some(place) => secret::write(&place, new).map_err(Error::WriteKey),
            None => Ok(()),
        }
    }

    fn read(&self) -> Result<Secret, Error> {
        secret::read(self.place).map_err(Error::Key)
    }

    /// The key, then its copy.
    fn write(&self, secret: &Secret) -> Result<(), Error> {
        let places = [self.beside(""), self.beside(".copy")];
        let mut places = places.iter().flatten();
        places.try_for_each(|place| secret::write(place, secret).map_err(Error::WriteKey))
    }

    /// The files of a key that is one.
    fn files(&self) -> Vec<PathBuf> {
        // The new one last.
        let all = ["", ".copy", ".new"].map(|end| self.beside(end));
        let paths = all.iter().flatten().filter_map(path_of);
        paths.map(Path::to_owned).collect()
    }

    /// The same kind of place with this behind its name; a credential and a variable have nothing beside them.
    fn beside(&self, end: &str) -> Option<SecretSource> {
        let longer = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        match self.place {
            SecretSource::File(path) => Some(SecretSource::File(longer(path))),
            SecretSource::Dpapi(path) => Some(SecretSource::Dpapi(longer(path))),
            place if end.is_empty() => Some(place.clone()),
            SecretSource::Credential(_) | SecretSource::Env(_) => None,
        }
    }
}

fn path_of(place: &SecretSource) -> Option<&Path> {
    match place {
        SecretSource::File(path) | SecretSource::Dpapi(path) => Some(path),
        SecretSource::Credential(_) | SecretSource::Env(_) => None,
    }
}

/// The keys of a folder that has some: nothing is made here.
fn there(storage: &Storage, now: Timestamp) -> Result<(Keys, Secret), Error> {
    if keys::NAMES.iter().all(|name| !storage.dir.join(name).exists()) {
        return Err(Error::NothingYet(storage.dir.clone()));
    }
    open_mended(storage, now)
}

/// A key that nobody had before.
fn fresh() -> Secret {
    let key: [u8; 32] = keys::random();
    Secret::new(key.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The master keys that the files of a state folder say they are sealed under.
fn needed(dir: &Path) -> BTreeSet<KeyId> {
    let mut needed = BTreeSet::new();
    for folder in ["journal", "snapshots", "spool/in", "spool/out"] {
        for entry in fs::read_dir(dir.join(folder)).into_iter().flatten().flatten() {
            let mut head = [0; 16];
            let read = File::open(entry.path()).and_then(|mut file| file.read_exact(&mut head));
            // All our sealed files begin with a magic, a version and the key's id; what does not read says nothing.
            if read.is_ok() && head.starts_with(b"VHR") {
                let mut id = [0; 8];
                id.copy_from_slice(&head[8..]);
                needed.insert(KeyId(id));
            }
        }
    }
    needed
}

#[cfg(test)]
pub(super) mod tests;
