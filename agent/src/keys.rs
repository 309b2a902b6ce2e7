//! The keys of a state folder. The storage key (a file, a credential, a variable) opens the keyring; the keyring holds the
//! master keys that files are sealed under, and the key of the digests in the index.
//!
//! What stays true: a new storage key, or a new master key, rewrites the keyring and nothing else; what was sealed before
//! stays readable. A folder with sealed files in it is never given new keys because the old ones were not found. The keyring
//! lies there twice, and so does a storage key of our own making: one damaged copy is written anew from the other.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;
use serde::{Deserialize, Serialize};
use vhr_core::time::Timestamp;

use crate::digest::Keyed;
use crate::secret::Secret;
use crate::spool::{sync_folder, write_synced};

pub mod escrow;

const MAGIC: &[u8; 4] = b"VHRK";
/// Where the keyring lies in the state folder, twice.
pub const NAMES: [&str; 2] = ["keyring", "keyring.copy"];
/// A keyring is a few hundred bytes for each master key.
const MAX: u64 = 1024 * 1024;

/// Which master key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Why the keys are not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither copy of the keyring opens.
    #[error(
        "khóa lưu trữ không mở được {0}: hãy đặt lại đúng khóa cũ ([storage] key), hoặc khôi phục từ bản gửi giữ \
         (the storage key does not open the keyring: put the right key back, or restore it from the escrow)"
    )]
    WrongKey(PathBuf),
    /// Sealed files and no keyring.
    #[error(
        "{0} có dữ liệu đã niêm phong nhưng không còn keyring: hãy khôi phục keyring từ bản sao lưu hoặc bản gửi giữ \
         (there are sealed files but no keyring: restore it from a backup or the escrow)"
    )]
    Gone(PathBuf),
    /// It cannot be written.
    #[error("the keyring could not be written")]
    Write(#[source] crate::spool::Error),
}

/// The opened keyring.
#[derive(Clone)]
pub struct Keys(Arc<Ring>);

/// A keyring as it was found.
#[derive(Debug)]
pub struct Opened {
    /// What is in it.
    pub keys: Keys,
    /// The place among the secrets of the one that opened it.
    pub which: usize,
    /// Whether both copies say the same under that secret.
    pub whole: bool,
}

#[derive(Serialize, Deserialize)]
struct Ring {
    /// Of the digests in the index; never changes, or every visit would look new.
    digests: Hex,
    /// Newest last.
    masters: Vec<Master>,
}

#[derive(Serialize, Deserialize)]
struct Master {
    id: Hex,
    key: Hex,
    made_at: Timestamp,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} [hidden])", self.0.masters.len())
    }
}

impl Keys {
    /// Keys that nobody had before.
    pub fn generate(now: Timestamp) -> Self {
        Self(Arc::new(Ring {
            digests: Hex(random::<32>().to_vec()),
            masters: vec![Master::generate(now)],
        }))
    }

    /// Reads the keyring of a state folder with the first of `secrets` that opens it, and changes nothing. None where there
    /// is no keyring, and nothing sealed either.
    ///
    /// # Errors
    /// When there is a keyring and it does not open, or sealed files and none.
    pub fn read(dir: &Path, secrets: &[Secret]) -> Result<Option<Opened>, Error> {
        let copies = NAMES.map(|name| read(&dir.join(name)));
        let open = |copy: &Option<Vec<u8>>| {
            let bytes = copy.as_deref()?;
            let with = |(which, secret)| unwrap(bytes, secret).map(|keys| (keys, which));
            secrets.iter().enumerate().find_map(with)
        };
        let opened = [open(&copies[0]), open(&copies[1])];
        let whole = match &opened {
            [Some((one, by)), Some((other, with))] => secrets[*by] == secrets[*with] && one.list() == other.list(),
            _ => false,
        };
        // Where writing both was cut short, the one with the newer master key is the one that files may be sealed under.
        let newest = opened
            .into_iter()
            .flatten()
            .rev()
            .max_by_key(|(keys, _)| keys.0.masters.len());
        if let Some((keys, which)) = newest {
            return Ok(Some(Opened { keys, which, whole }));
        }
        if copies.iter().any(Option::is_some) {
            return Err(Error::WrongKey(dir.join(NAMES[0])));
        }
        let sealed = ["spool/in", "spool/out", "journal", "snapshots"];
        if sealed.iter().any(|name| has_files(&dir.join(name))) {
            return Err(Error::Gone(dir.to_owned()));
        }
        Ok(None)
    }

    /// The same for whoever holds the folder's lock: makes a keyring where nothing is sealed yet, and a copy that is missing,
    /// damaged, or behind the other is written anew. Where that cannot be done (a full disk), one copy is enough until the
    /// next start.
    ///
    /// # Errors
    /// As [`Keys::read`], and when new ones cannot be written.
    pub fn open(dir: &Path, secrets: &[Secret], now: Timestamp) -> Result<Opened, Error> {
        let Some(mut opened) = Self::read(dir, secrets)? else {
            let keys = Self::generate(now);
            keys.write(dir, &secrets[0])?;
            return Ok(Opened {
                keys,
                which: 0,
                whole: true,
            });
        };
        if !opened.whole {
            tracing::warn!("a copy of the keyring was missing, damaged or older than the other; it is written anew");
            match opened.keys.write(dir, &secrets[opened.which]) {
                Ok(()) => opened.whole = true,
                Err(e) => tracing::warn!(
                    why = crate::report::chain(&e),
                    "the keyring was not written anew; it is tried again at the next start"
                ),
            }
        }
        Ok(opened)
    }

    /// Writes both copies, one after the other, so that one is whole at any time.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(&self, dir: &Path, secret: &Secret) -> Result<(), Error> {
        let text = serde_json::to_vec(&*self.0).expect("a keyring has no keys but strings");
        let nonce: [u8; 12] = random();
        let mut sealed = text;
        storage_key(secret)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(MAGIC), &mut sealed)
            .expect("a keyring is small");
        let bytes = [&MAGIC[..], &nonce, &sealed].concat();
        for name in NAMES {
            write_synced(&dir.join(name), &bytes).map_err(Error::Write)?;
        }
        Ok(())
    }

    /// With a new master key: from now on files are sealed under it.
    #[must_use]
    pub fn rotated(&self, now: Timestamp) -> Self {
        let masters = self.0.masters.iter().map(Master::copy);
        Self(Arc::new(Ring {
            digests: Hex(self.0.digests.0.clone()),
            masters: masters.chain([Master::generate(now)]).collect(),
        }))
    }

    /// The ids of the master keys and when they were made, newest last.
    pub fn list(&self) -> Vec<(KeyId, Timestamp)> {
        let listed = self.0.masters.iter().map(|master| (master.id(), master.made_at));
        listed.collect()
    }

    /// Makes the digests of the index.
    pub fn keyed(&self) -> Keyed {
        Keyed::new(&self.0.digests.0)
    }

    /// Under which master key new files are sealed.
    pub(crate) fn newest(&self) -> KeyId {
        self.0.masters.last().map_or(KeyId([0; 8]), Master::id)
    }

    pub(crate) fn master(&self, id: KeyId) -> Option<&[u8]> {
        let found = self.0.masters.iter().find(|master| master.id() == id);
        found.map(|master| &master.key.0[..])
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::from_ring(serde_json::from_str(text).ok()?)
    }

    fn from_ring(ring: Ring) -> Option<Self> {
        let well = |master: &Master| master.id.0.len() == 8 && master.key.0.len() == 32;
        (!ring.masters.is_empty() && ring.masters.iter().all(well)).then(|| Self(Arc::new(ring)))
    }
}

impl Master {
    fn generate(now: Timestamp) -> Self {
        Self {
            id: Hex(random::<8>().to_vec()),
            key: Hex(random::<32>().to_vec()),
            made_at: now,
        }
    }

    fn copy(&self) -> Self {
        Self {
            id: Hex(self.id.0.clone()),
            key: Hex(self.key.0.clone()),
            made_at: self.made_at,
        }
    }

    fn id(&self) -> KeyId {
        let mut id = [0; 8];
        id.copy_from_slice(&self.id.0[..8]);
        KeyId(id)
    }
}

/// Bytes from the system's source of randomness.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    bytes
}

/// Gives a file another name in the same folder, durably; says which, or none where there is no such file. A person may still
/// find what opens it.
pub(crate) fn put_aside(path: &Path, now: Timestamp) -> io::Result<Option<PathBuf>> {
    if !path.exists() {
        return Ok(None);
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".old-{}", now.millis()));
    let aside = PathBuf::from(aside);
    fs::rename(path, &aside)?;
    path.parent().map_or(Ok(()), sync_folder).map_err(io::Error::other)?;
    Ok(Some(aside))
}

/// Any text can be a storage key: the key proper is derived from it.
fn storage_key(secret: &Secret) -> LessSafeKey {
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, b"").extract(secret.reveal().as_bytes());
    let key = derived.expand(&[b"vhr-agent keyring"], &CHACHA20_POLY1305);
    LessSafeKey::new(key.map(UnboundKey::from).expect("32 bytes can be derived"))
}

fn unwrap(bytes: &[u8], secret: &Secret) -> Option<Keys> {
    let (head, sealed) = bytes.split_at_checked(16)?;
    let nonce: [u8; 12] = head.strip_prefix(MAGIC)?.try_into().ok()?;
    let mut sealed = sealed.to_vec();
    let text = storage_key(secret)
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(MAGIC), &mut sealed)
        .ok()?;
    Keys::from_text(std::str::from_utf8(text).ok()?)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let metadata = fs::metadata(path).ok()?;
    (metadata.is_file() && metadata.len() <= MAX).then(|| fs::read(path).ok())?
}

fn has_files(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// Bytes that are written in hex and never shown.
struct Hex(Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let text: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        to.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = text.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        });
        let bytes = bytes.collect::<Option<Vec<u8>>>();
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("not hex"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000)
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    fn same(a: &Keys, b: &Keys) -> bool {
        serde_json::to_string(&*a.0).unwrap() == serde_json::to_string(&*b.0).unwrap()
    }

    #[test]
    fn the_keyring_is_made_once_and_opens_with_its_storage_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let Opened { keys, .. } = Keys::open(dir.path(), &[secret("k")], now()).unwrap();
        let Opened { keys: again, which, .. } = Keys::open(dir.path(), &[secret("wrong"), secret("k")], now()).unwrap();
        assert!(same(&keys, &again));
        assert_eq!(which, 1);
        assert!(matches!(
            Keys::open(dir.path(), &[secret("l")], now()),
            Err(Error::WrongKey(_))
        ));
        let bytes = fs::read(dir.path().join(NAMES[0])).unwrap();
        assert!(memchr::memmem::find(&bytes, b"masters").is_none());
    }

    #[test]
    fn a_damaged_or_missing_copy_is_written_anew_from_the_other() {
        for name in NAMES {
            for damage in [&b"VHRK not any more"[..], b"", &[0; 400]] {
                let dir = tempfile::tempdir().unwrap();
                let Opened { keys, .. } = Keys::open(dir.path(), &[secret("k")], now()).unwrap();
                fs::write(dir.path().join(name), damage).unwrap();
                let Opened { keys: again, .. } = Keys::open(dir.path(), &[secret("k")], now()).unwrap();
                assert!(same(&keys, &again));
                for name in NAMES {
                    let bytes = fs::read(dir.path().join(name)).unwrap();
                    assert!(unwrap(&bytes, &secret("k")).is_some_and(|read| same(&read, &keys)));
                }
            }
        }
    }

    #[test]
    fn of_two_copies_the_one_with_the_newer_master_key_is_right() {
        for older in NAMES {
            let dir = tempfile::tempdir().unwrap();
            let Opened { keys, .. } = Keys::open(dir.path(), &[secret("k")], now()).unwrap();
            let before = fs::read(dir.path().join(older)).unwrap();
            let rotated = keys.rotated(now());
            rotated.write(dir.path(), &secret("k")).unwrap();
            fs::write(dir.path().join(older), before).unwrap();
            let Opened { keys: again, .. } = Keys::open(dir.path(), &[secret("k")], now()).unwrap();
            assert!(same(&again, &rotated), "{older}");
            for name in NAMES {
                let bytes = fs::read(dir.path().join(name)).unwrap();
                assert!(unwrap(&bytes, &secret("k")).is_some_and(|read| same(&read, &rotated)));
            }
        }
    }

    #[test]
    fn a_copy_that_cannot_be_written_anew_stops_nothing() {
        for name in NAMES {
            let dir = tempfile::tempdir().unwrap();
            let Opened { keys, .. } = Keys::open(dir.path(), &[secret("k")], now()).unwrap();
            fs::remove_file(dir.path().join(name)).unwrap();
            fs::create_dir(dir.path().join(name)).unwrap();
            let again = Keys::open(dir.path(), &[secret("k")], now()).unwrap();
            assert!(same(&again.keys, &keys) && !again.whole, "{name}");
        }
    }

    #[test]
    fn reading_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Keys::read(dir.path(), &[secret("k")]).unwrap().is_none());
        assert!(!dir.path().join(NAMES[0]).exists());
        Keys::open(dir.path(), &[secret("k")], now()).unwrap();
        fs::remove_file(dir.path().join(NAMES[1])).unwrap();
        assert!(!Keys::read(dir.path(), &[secret("k")]).unwrap().unwrap().whole);
        assert!(!dir.path().join(NAMES[1]).exists());
    }

    #[test]
    fn sealed_files_without_a_keyring_are_not_given_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("spool/in")).unwrap();
        fs::write(dir.path().join("spool/in/aa"), "sealed").unwrap();
        assert!(matches!(
            Keys::open(dir.path(), &[secret("k")], now()),
            Err(Error::Gone(_))
        ));
        assert!(!dir.path().join(NAMES[0]).exists());
    }

    #[test]
    fn after_a_rotation_the_old_key_still_opens_and_the_new_one_seals() {
        let old = Keys::generate(now());
        let new = old.rotated(now());
        assert_ne!(old.newest(), new.newest());
        assert_eq!(new.master(old.newest()), old.master(old.newest()));
        assert!(old.master(new.newest()).is_none());
        let digest = |keys: &Keys| keys.keyed().digest("visit", &[b"a"]);
        assert_eq!(digest(&old), digest(&new));
    }
}
