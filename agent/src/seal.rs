//! Sealing: everything with patient data lies encrypted on the disk, each file under a key of its own, bound to its place.
//!
//! What stays true: what opens is what was sealed, whole, in this place; a changed, cut, or moved byte does not open. The
//! cipher is ChaCha20-Poly1305 (RFC 8439, of `ring`: fast without special instructions, on the small machines of communes
//! too); the key of a file is derived from a master key, a salt and the place (HKDF-SHA256, RFC 5869).
//!
//! ```text
//! a sealed file:  magic  version  flags  master key's id (8)  salt (32), then what the file makes of its key:
//!   a stream:     chunks of 64 KiB, each with its tag; number and "this is the last" in the nonce
//!   frames:       each sealed alone, under a nonce that the file uses once
//! ```

use std::io::{self, BufRead, Read, Write};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;

use crate::keys::{KeyId, Keys};

/// What sealing adds to a piece, in bytes.
pub const TAG: usize = 16;
/// Magic, version, flags, key id, salt.
pub const HEAD: usize = 4 + 2 + 2 + 8 + 32;
/// Plain bytes in a chunk of a stream.
const CHUNK: usize = 64 * 1024;

/// The beginning of a sealed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    magic: [u8; 4],
    version: u16,
    key: KeyId,
    salt: [u8; 32],
}

/// Why the beginning of a sealed file does not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Other bytes.
    #[error("it is not a file of this agent")]
    Foreign,
    /// Another version.
    #[error("it is of version {found}, and this agent reads version {known}")]
    Version {
        /// The file's.
        found: u16,
        /// Ours.
        known: u16,
    },
    /// Sealed under a key that is not in the keyring.
    #[error("it was sealed under the key {0}, which is not in the keyring")]
    Key(KeyId),
}

impl Head {
    /// For a new file of this kind, under the newest master key.
    pub fn new(magic: [u8; 4], version: u16, keys: &Keys) -> Self {
        Self {
            magic,
            version,
            key: keys.newest(),
            salt: crate::keys::random(),
        }
    }

    /// As it is written.
    pub fn to_bytes(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..4].copy_from_slice(&self.magic);
        bytes[4..6].copy_from_slice(&self.version.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.key.0);
        bytes[16..].copy_from_slice(&self.salt);
        bytes
    }

    /// From the first bytes of a file of this kind.
    ///
    /// # Errors
    /// When they are not those of such a file.
    pub fn read(bytes: &[u8; HEAD], magic: [u8; 4], version: u16) -> Result<Self, HeadError> {
        if bytes[..4] != magic {
            return Err(HeadError::Foreign);
        }
        let found = u16::from_le_bytes([bytes[4], bytes[5]]);
        if found != version {
            return Err(HeadError::Version { found, known: version });
        }
        let part = |from: usize| &bytes[from..];
        let mut head = Self {
            magic,
            version,
            key: KeyId([0; 8]),
            salt: [0; 32],
        };
        head.key.0.copy_from_slice(&part(8)[..8]);
        head.salt.copy_from_slice(part(16));
        Ok(head)
    }

    /// The key of the file with this beginning, at this place.
    ///
    /// # Errors
    /// When its master key is not in the keyring.
    pub fn key(&self, keys: &Keys, place: &str) -> Result<FileKey, HeadError> {
        let master = keys.master(self.key).ok_or(HeadError::Key(self.key))?;
        Ok(FileKey::derive(master, &self.salt, place))
    }
}

/// The key of one file.
pub struct FileKey(LessSafeKey);

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey([hidden])")
    }
}

impl FileKey {
    /// The key for this salt and place.
    pub(crate) fn derive(master: &[u8], salt: &[u8], place: &str) -> Self {
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(master);
        let info = [b"vhr-agent file\0", place.as_bytes()];
        let key = derived
            .expand(&info, &CHACHA20_POLY1305)
            .map(UnboundKey::from)
            .expect("32 bytes can be derived");
        Self(LessSafeKey::new(key))
    }

    /// Seals `piece` in place; it grows by [`TAG`]. A nonce must never be used twice under one key.
    pub fn seal(&self, nonce: [u8; 12], bound_to: &[u8], piece: &mut Vec<u8>) {
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), piece)
            .expect("a piece is far below the cipher's limit of 256 GiB");
    }

    /// Opens `piece` in place, and cuts off its tag. None when it is not what was sealed.
    #[must_use]
    pub fn open(&self, nonce: [u8; 12], bound_to: &[u8], piece: &mut Vec<u8>) -> Option<()> {
        let plain = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), piece)
            .ok()?
            .len();
        piece.truncate(plain);
        Some(())
    }
}

/// The nonce of a piece by its number.
pub fn numbered(number: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    nonce[11] = last.into();
    nonce
}

/// Seals a stream as it is written.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    key: FileKey,
    chunk: Vec<u8>,
    number: u64,
}

impl<W: Write> Writer<W> {
    /// Writes sealed chunks to `to`.
    pub fn new(to: W, key: FileKey) -> Self {
        Self {
            to,
            key,
            chunk: Vec::with_capacity(CHUNK + TAG),
            number: 0,
        }
    }

    /// Seals what is left. Without this the stream has no end, and does not open.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.chunk_out(true)?;
        Ok(self.to)
    }

    fn chunk_out(&mut self, last: bool) -> io::Result<()> {
        self.key.seal(numbered(self.number, last), b"", &mut self.chunk);
        self.number += 1;
        self.to.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits for the next byte: only then is it known not to be the last.
        if self.chunk.len() == CHUNK && !bytes.is_empty() {
            self.chunk_out(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Opens a sealed stream as it is read.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    key: FileKey,
    chunk: Vec<u8>,
    at: usize,
    number: u64,
    ended: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads sealed chunks from `from`.
    pub fn new(from: R, key: FileKey) -> Self {
        Self {
            from,
            key,
            chunk: Vec::with_capacity(CHUNK + TAG),
            at: 0,
            number: 0,
            ended: false,
        }
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        self.chunk.clear();
        self.at = 0;
        (&mut self.from)
            .take((CHUNK + TAG) as u64)
            .read_to_end(&mut self.chunk)?;
        let last = self.from.fill_buf()?.is_empty();
        self.key
            .open(numbered(self.number, last), b"", &mut self.chunk)
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "chunk {} of the sealed file does not open: it was changed, cut or moved",
                        self.number
                    ),
                )
            })?;
        self.number += 1;
        self.ended = last;
        Ok(())
    }
}

impl<R: BufRead> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() && !self.ended {
            self.next_chunk()?;
        }
        let taken = buffer.len().min(self.chunk.len() - self.at);
        buffer[..taken].copy_from_slice(&self.chunk[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(place: &str) -> FileKey {
        FileKey::derive(&[7; 32], &[9; 32], place)
    }

    fn sealed(plain: &[u8], place: &str) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), key(place));
        writer.write_all(plain).unwrap();
        writer.finish().unwrap()
    }

    fn opened(sealed: &[u8], place: &str) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        Reader::new(sealed, key(place)).read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn a_stream_of_any_length_comes_back_and_does_not_show_what_is_in_it() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let plain = vec![b'x'; length];
            let sealed = sealed(&plain, "in/a");
            assert_eq!(sealed.len(), length + TAG * length.div_ceil(CHUNK).max(1));
            assert!(length < 8 || memchr::memmem::find(&sealed, b"xxxxxxxx").is_none());
            assert!(opened(&sealed, "in/a").unwrap() == plain);
        }
    }

    #[test]
    fn a_stream_in_another_place_does_not_open() {
        assert!(opened(&sealed(b"a", "in/a"), "in/b").is_err());
    }

    #[test]
    fn chunks_that_changed_places_do_not_open() {
        let mut bytes = sealed(&vec![b'x'; 3 * CHUNK], "in/a");
        let (first, rest) = bytes.split_at_mut(CHUNK + TAG);
        first.swap_with_slice(&mut rest[..CHUNK + TAG]);
        assert!(opened(&bytes, "in/a").is_err());
    }

    proptest! {
        #[test]
        fn a_stream_that_was_cut_or_changed_anywhere_does_not_open(at in 0usize..(CHUNK + 500), bit in 0u8..8) {
            let whole = sealed(&vec![b'x'; CHUNK + 468], "in/a");
            prop_assert!(opened(&whole[..at.min(whole.len() - 1)], "in/a").is_err());
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            prop_assert!(opened(&changed, "in/a").is_err());
        }
    }
}
