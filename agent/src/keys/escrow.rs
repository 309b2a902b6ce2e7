//! The escrow: the keyring encrypted for somebody who keeps the other half of a key offline (`age`, X25519), so that a state
//! folder can still be read when its storage key or its keyring is lost.
//!
//! What stays true: what is kept is all that is needed to read the folder, and opens with the standard tool too
//! (`age -d -i identity.txt`). The plain text is JSON:
//!
//! ```text
//! { "what": "vhr-agent keyring", "version": 1, "written_at": milliseconds since 1970,
//!   "keyring": { "digests": hex, "masters": [ { "id": hex, "key": hex, "made_at": … }, … ] } }
//! ```
//!
//! Beside the keyring lies `escrow.json`: when and for whom one was written, and which master keys are in it. Nothing in it is secret.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, EncryptError, Encryptor};
use serde::{Deserialize, Serialize};
use vhr_core::time::Timestamp;

use super::{Keys, Ring, put_aside};
use crate::digest::sha256_hex;
use crate::spool::{self, write_synced};

/// Where the agent keeps one by itself, in the state folder.
pub const KEPT: &str = "keyring.age";
/// Where it is noted what was written.
const NOTES: &str = "escrow.json";
const WHAT: &str = "vhr-agent keyring";
const VERSION: u32 = 1;
/// An escrow is a few kilobytes, and so is a file of identities.
pub const LARGEST: u64 = 1024 * 1024;
/// The notes of so many files are kept.
const NOTED: usize = 16;

/// Why there is no escrow, or why it does not open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an X25519 recipient.
    #[error(
        "{0} không phải khóa công khai của age, hãy chép lại nguyên dòng age1… (is not a recipient of age: copy the whole \
         age1… again): {1}"
    )]
    Recipient(String, &'static str),
    /// Nobody to encrypt for.
    #[error(
        "chưa có người giữ: hãy thêm --to age1… hoặc [storage] escrow (nobody to keep it: give --to, or set it in [storage])"
    )]
    Nobody,
    /// The library did not encrypt.
    #[error("the escrow could not be encrypted")]
    Encrypt(#[source] EncryptError),
    /// It went wrong while it was written to memory.
    #[error("the escrow could not be made")]
    Made(#[source] std::io::Error),
    /// It cannot be written.
    #[error("the escrow could not be written")]
    Write(#[source] spool::Error),
    /// The one before cannot be set aside.
    #[error("the escrow that lies there could not be set aside")]
    Aside(#[source] std::io::Error),
    /// No identity in the file.
    #[error(
        "tệp không có khóa bí mật AGE-SECRET-KEY-1…; nếu tệp có mật khẩu, hãy giải mã nó bằng `age -d` trước (there is no \
         AGE-SECRET-KEY-1… in the identity file; one with a passphrase has to be decrypted with `age -d` first)"
    )]
    NoIdentity,
    /// Another identity, or not such a file.
    #[error("bản gửi giữ không mở được bằng khóa này (the escrow does not open with this identity)")]
    Decrypt(#[source] DecryptError),
    /// It broke off, or was changed.
    #[error("bản gửi giữ bị hỏng (the escrow is damaged)")]
    Damaged(#[source] std::io::Error),
    /// Something else was in it.
    #[error(
        "tệp này không phải keyring của vhr-agent (what was in it is not a keyring of vhr-agent, version {VERSION})"
    )]
    NotAKeyring,
}

/// Whom an escrow is for.
#[derive(Debug)]
pub struct Recipients(Vec<Recipient>);

/// One escrow that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The file, as it was named.
    pub file: String,
    /// When.
    pub at: Timestamp,
    /// For whom.
    pub recipients: Vec<String>,
    /// The ids of the master keys in it.
    pub masters: Vec<String>,
    /// Of the file.
    pub sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Escrowed<R> {
    what: String,
    version: u32,
    written_at: Timestamp,
    keyring: R,
}

impl Recipients {
    /// From their texts, each `age1…`; the same twice counts once.
    ///
    /// # Errors
    /// When one is none, or there are none.
    pub fn parse(texts: &[String]) -> Result<Self, Error> {
        let mut texts: Vec<&str> = texts.iter().map(|text| text.trim()).collect();
        texts.sort_unstable();
        texts.dedup();
        // The beginning tells which: somebody may have given the secret half.
        let begins = |text: &str| text.chars().take(8).chain(['…']).collect();
        let read = |text: &str| text.parse().map_err(|why| Error::Recipient(begins(text), why));
        let recipients = texts.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if recipients.is_empty() {
            return Err(Error::Nobody);
        }
        Ok(Self(recipients))
    }

    fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

/// The keyring for these recipients, armored.
///
/// # Errors
/// When the library refuses.
pub fn seal(keys: &Keys, recipients: &Recipients, now: Timestamp) -> Result<Vec<u8>, Error> {
    let escrowed = Escrowed {
        what: WHAT.to_owned(),
        version: VERSION,
        written_at: now,
        keyring: &*keys.0,
    };
    let plain = serde_json::to_vec_pretty(&escrowed).expect("a keyring has no keys but strings");
    let to = recipients.0.iter().map(|recipient| recipient as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(to).map_err(Error::Encrypt)?;
    let armored = || {
        let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?)?;
        writer.write_all(&plain)?;
        writer.finish()?.finish()
    };
    armored().map_err(Error::Made)
}

/// The keyring out of an escrow, with one of the identities in a file as `age-keygen` writes it.
///
/// # Errors
/// When no identity is for it, or it is damaged, or something else.
pub fn open(bytes: &[u8], identities: &str) -> Result<Keys, Error> {
    let lines = identities.lines().map(str::trim);
    let identities: Vec<Identity> = lines.filter_map(|line| line.parse().ok()).collect();
    if identities.is_empty() {
        return Err(Error::NoIdentity);
    }
    let decryptor = Decryptor::new(ArmoredReader::new(bytes)).map_err(Error::Decrypt)?;
    let with = identities.iter().map(|identity| identity as &dyn age::Identity);
    let reader = decryptor.decrypt(with).map_err(Error::Decrypt)?;
    let mut plain = Vec::new();
    reader.take(LARGEST).read_to_end(&mut plain).map_err(Error::Damaged)?;
    let escrowed: Escrowed<Ring> = serde_json::from_slice(&plain).map_err(|_| Error::NotAKeyring)?;
    if escrowed.what != WHAT || escrowed.version != VERSION {
        return Err(Error::NotAKeyring);
    }
    Keys::from_ring(escrowed.keyring).ok_or(Error::NotAKeyring)
}

/// Keeps the escrow of a state folder up to date: it is written only where the master keys or the recipients are others
/// than those of the one that lies there. Says whether it was written.
///
/// # Errors
/// When it cannot be written.
pub fn keep(dir: &Path, keys: &Keys, recipients: &Recipients, now: Timestamp) -> Result<bool, Error> {
    let path = dir.join(KEPT);
    let there = fs::read(&path).ok();
    let noted = written(dir).into_iter().find(|note| {
        let same = |bytes| note.sha256 == sha256_hex(bytes);
        note.file == KEPT && there.as_deref().is_some_and(same)
    });
    if noted
        .as_ref()
        .is_some_and(|note| note.recipients == recipients.texts() && note.masters == ids(keys))
    {
        return Ok(false);
    }
    let bytes = seal(keys, recipients, now)?;
    // What may hold a key that the keyring does not have (any more) is the last that remembers it.
    if there.is_some() && !noted.is_some_and(|note| note.masters.iter().all(|id| ids(keys).contains(id))) {
        put_aside(&path, now).map_err(Error::Aside)?;
    }
    write_synced(&path, &bytes).map_err(Error::Write)?;
    note(dir, KEPT, &bytes, keys, recipients, now)?;
    Ok(true)
}

/// Notes that an escrow was written to this file.
///
/// # Errors
/// When the note cannot be written.
pub fn note(
    dir: &Path,
    file: &str,
    bytes: &[u8],
    keys: &Keys,
    recipients: &Recipients,
    now: Timestamp,
) -> Result<(), Error> {
    let mut notes = written(dir);
    notes.retain(|note| note.file != file);
    notes.push(Written {
        file: file.to_owned(),
        at: now,
        recipients: recipients.texts(),
        masters: ids(keys),
        sha256: sha256_hex(bytes),
    });
    let superfluous = notes.len().saturating_sub(NOTED);
    let text = serde_json::to_vec_pretty(&notes[superfluous..]).expect("the notes are plain text");
    write_synced(&dir.join(NOTES), &text).map_err(Error::Write)
}

/// What was noted of the escrows of a state folder, the last one last; notes that do not read are none.
pub fn written(dir: &Path) -> Vec<Written> {
    let path = dir.join(NOTES);
    let small = fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= LARGEST);
    let text = small.then(|| fs::read(&path).ok()).flatten();
    text.and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

impl Written {
    /// Whether all master keys of the keyring are in it.
    pub fn has_all_of(&self, keys: &Keys) -> bool {
        ids(keys).iter().all(|id| self.masters.contains(id))
    }
}

fn ids(keys: &Keys) -> Vec<String> {
    keys.list().iter().map(|(id, _)| id.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000)
    }

    fn identity() -> (String, String) {
        let identity = Identity::generate();
        let text = format!(
            "# created: today\n# public key: {}\n{}\n",
            identity.to_public(),
            identity.to_string().expose_secret()
        );
        (identity.to_public().to_string(), text)
    }

    #[test]
    fn each_recipient_opens_it_and_nobody_else_does() {
        let (one, other, stranger) = (identity(), identity(), identity());
        let keys = Keys::generate(now()).rotated(now());
        let recipients = Recipients::parse(&[one.0.clone(), other.0, one.0]).unwrap();
        let bytes = seal(&keys, &recipients, now()).unwrap();
        assert!(bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n"));
        for (_, text) in [&(String::new(), one.1), &(String::new(), other.1)] {
            let again = open(&bytes, text).unwrap();
            assert_eq!(again.list(), keys.list());
            assert_eq!(again.master(keys.newest()), keys.master(keys.newest()));
            assert_eq!(
                again.keyed().digest("visit", &[b"a"]),
                keys.keyed().digest("visit", &[b"a"])
            );
        }
        assert!(matches!(open(&bytes, &stranger.1), Err(Error::Decrypt(_))));
        assert!(matches!(open(&bytes, "# nothing\n"), Err(Error::NoIdentity)));
    }

    #[test]
    fn an_escrow_that_was_cut_or_is_something_else_does_not_open() {
        let (recipient, text) = identity();
        let recipients = Recipients::parse(&[recipient]).unwrap();
        let bytes = seal(&Keys::generate(now()), &recipients, now()).unwrap();
        for cut in [0, 10, bytes.len() / 2, bytes.len() - 40] {
            assert!(open(&bytes[..cut], &text).is_err(), "{cut}");
        }
        let other = age::encrypt(&recipients.0[0], b"{\"what\":\"something\"}").unwrap();
        assert!(matches!(open(&other, &text), Err(Error::NotAKeyring)));
    }

    #[test]
    fn a_mistyped_recipient_is_refused_by_its_checksum() {
        let (mut recipient, _) = identity();
        let last = recipient.pop().unwrap();
        recipient.push(if last == 'q' { 'p' } else { 'q' });
        assert!(matches!(Recipients::parse(&[recipient]), Err(Error::Recipient(..))));
        let refused = Recipients::parse(&["AGE-SECRET-KEY-1QQQQ".to_owned()]).unwrap_err();
        assert!(!refused.to_string().contains("1QQQQ"), "{refused}");
        assert!(matches!(Recipients::parse(&[]), Err(Error::Nobody)));
    }

    #[test]
    fn the_kept_escrow_is_written_only_when_keys_recipients_or_the_file_changed() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (identity(), identity());
        let keys = Keys::generate(now());
        let to = |texts: &[&String]| {
            Recipients::parse(&texts.iter().map(|text| (*text).clone()).collect::<Vec<_>>()).unwrap()
        };
        let keep = |keys: &Keys, recipients| keep(dir.path(), keys, &recipients, now()).unwrap();
        assert!(keep(&keys, to(&[&one.0])));
        assert!(!keep(&keys, to(&[&one.0])));
        assert!(keep(&keys, to(&[&one.0, &other.0])));
        assert!(!keep(&keys, to(&[&other.0, &one.0])), "the order says nothing");
        let rotated = keys.rotated(now());
        assert!(!written(dir.path())[0].has_all_of(&rotated));
        assert!(keep(&rotated, to(&[&one.0, &other.0])));
        assert!(written(dir.path())[0].has_all_of(&rotated));
        fs::write(dir.path().join(KEPT), "damaged").unwrap();
        assert!(keep(&rotated, to(&[&one.0, &other.0])));
        fs::write(dir.path().join(NOTES), "damaged").unwrap();
        assert!(keep(&rotated, to(&[&one.0, &other.0])));
        let bytes = fs::read(dir.path().join(KEPT)).unwrap();
        assert_eq!(open(&bytes, &other.1).unwrap().list(), rotated.list());
    }

    #[test]
    fn an_escrow_that_knows_a_key_more_than_the_keyring_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let (recipient, text) = identity();
        let recipients = Recipients::parse(&[recipient]).unwrap();
        let old = Keys::generate(now());
        let new = old.rotated(now());
        keep(dir.path(), &new, &recipients, now()).unwrap();
        keep(dir.path(), &old, &recipients, now()).unwrap();
        let aside = dir.path().join(format!("{KEPT}.old-{}", now().millis()));
        let masters = |path: &Path| open(&fs::read(path).unwrap(), &text).unwrap().list();
        assert_eq!(masters(&aside), new.list());
        assert_eq!(masters(&dir.path().join(KEPT)), old.list());
    }
}
