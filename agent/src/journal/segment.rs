//! One file of the journal: how frames lie in it, and how they are read.
//!
//! ```text
//! head:    "VHRJ" version flags(3)  master key's id (8)  number of the file  file before it  its end  crc32
//! frame:   "VHRj"  length  crc32  synced  nonce (12)  sealed payload
//! payload: 0 and JSON, or 1 and zstd of JSON
//! ```
//! `synced` is up to where the file was on disk for certain when the frame was written: a stretch that does not read and
//! lies before the `synced` of a later frame is damage; else it is what an interrupted write left, and is overwritten with
//! "VHR-torn" at the next start, so that later frames prove nothing of it. The crc32 covers all that follows it. What reads is
//! bound to its file and its place. A file that is no longer written to was on disk up to the end that the next one's head
//! tells: what does not read before that is damage, whatever it is, and behind it are zeros in reserve.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Entry, Error, Position, failed};
use crate::keys::{KeyId, Keys};
use crate::seal::{FileKey, TAG};

pub(super) const HEAD: u32 = 32;
const MAGIC: &[u8; 4] = b"VHRJ";
const VERSION: u8 = 4;
/// Flag: of what is known to have been in the journal before this file, the end was lost.
const LOST: u8 = 1;
const MARK: &[u8; 4] = b"VHRj";
/// What an interrupted write left is overwritten with this, again and again.
const TORN: &[u8; 8] = b"VHR-torn";
/// Mark, length, crc32, synced.
const FIXED: usize = 16;
const NONCE: usize = 12;
/// No frame is larger; a larger length is damage.
const MAX_SEALED: u32 = 256 * MIB;
/// No entry is larger unpacked.
pub(super) const MAX_ENTRY: usize = 1024 * MIB as usize;
/// Tests see the limits.
const MIB: u32 = if cfg!(test) { 4 * 1024 } else { 1024 * 1024 };
/// The numbers that a file can have.
pub(super) const LARGEST: u32 = 99_999_999;
/// Smaller entries are not worth packing.
const PACK_FROM: usize = 512;

pub(super) fn path(folder: &Path, segment: u32) -> PathBuf {
    folder.join(format!("{segment:08}"))
}

/// The number that a name stands for, if it is the name of a file of the journal.
pub(super) fn number(name: &OsStr) -> Option<u32> {
    let name = name.to_str()?;
    let ours = name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|number| ours && *number > 0)
}

/// The numbers of the files in the folder, in order. What else lies there is passed over.
pub(super) fn list(folder: &Path) -> Result<Vec<u32>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let entry = entry.map_err(failed("list", folder))?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        found.extend(number(&entry.file_name()).filter(|_| is_file));
    }
    found.sort_unstable();
    Ok(found)
}

/// What the beginning of a file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The master key that its frames are sealed under.
    pub(super) key: KeyId,
    /// The file that was written before this one, and where it ended, on disk.
    pub(super) before: Position,
    /// More than that was known to be there.
    pub(super) lost: bool,
}

impl Head {
    pub(super) fn to_bytes(self, segment: u32) -> [u8; HEAD as usize] {
        let mut bytes = [0; HEAD as usize];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = VERSION;
        bytes[5] = if self.lost { LOST } else { 0 };
        bytes[8..16].copy_from_slice(&self.key.0);
        for (nth, word) in [segment, self.before.segment, self.before.offset]
            .into_iter()
            .enumerate()
        {
            bytes[16 + 4 * nth..20 + 4 * nth].copy_from_slice(&word.to_le_bytes());
        }
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// None where it is not the head of this file.
    fn from_bytes(bytes: &[u8; HEAD as usize], segment: u32) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let ours = bytes.starts_with(MAGIC) && bytes[4] == VERSION && word(16) == segment;
        (ours && word(28) == crc32fast::hash(&bytes[..28])).then(|| Self {
            key: KeyId(bytes[8..16].try_into().expect("eight bytes")),
            before: Position {
                segment: word(20),
                offset: word(24),
            },
            lost: bytes[5] & LOST != 0,
        })
    }

    /// Of the file with this number, where it reads.
    pub(super) fn read(folder: &Path, segment: u32) -> Option<Self> {
        let mut bytes = [0; HEAD as usize];
        File::open(path(folder, segment)).ok()?.read_exact(&mut bytes).ok()?;
        Self::from_bytes(&bytes, segment)
    }
}

/// Whether a file may be one of the journal, as far as its beginning tells: also one that a later version wrote.
pub(super) fn may_be_ours(bytes: &[u8], segment: u32) -> bool {
    let head = bytes.first_chunk().and_then(|head| Head::from_bytes(head, segment));
    let later = bytes.starts_with(MAGIC) && bytes.get(4).is_some_and(|version| *version > VERSION);
    head.is_some() || later
}

/// The key of a file: nothing in the file is needed for it, so a damaged head harms no frame.
pub(super) fn key(keys: &Keys, master: KeyId, segment: u32) -> Option<FileKey> {
    let place = format!("journal/{segment:08}");
    Some(FileKey::derive(keys.master(master)?, b"vhr-agent journal", &place))
}

/// An entry as it is sealed.
///
/// # Errors
/// When it is too large to be read back.
pub(super) fn pack(entry: &Entry) -> Result<Vec<u8>, Error> {
    let text = serde_json::to_vec(entry).expect("an entry has no keys but strings");
    if text.len() > MAX_ENTRY {
        return Err(Error::TooLarge);
    }
    let packed = (text.len() >= PACK_FROM)
        .then(|| zstd::bulk::compress(&text, 1).ok())
        .flatten();
    let (kind, bytes) = packed.as_ref().map_or((0, &text), |packed| (1, packed));
    let mut payload = Vec::with_capacity(1 + bytes.len() + TAG);
    payload.push(kind);
    payload.extend_from_slice(bytes);
    if payload.len() + NONCE + TAG > MAX_SEALED as usize {
        return Err(Error::TooLarge);
    }
    Ok(payload)
}

/// The entry of a payload.
pub(super) fn unpack(payload: &[u8]) -> Option<Entry> {
    match payload.split_first()? {
        (0, text) => serde_json::from_slice(text).ok(),
        (1, packed) => {
            let size = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
            let size = usize::try_from(size).ok().filter(|size| *size <= MAX_ENTRY)?;
            serde_json::from_slice(&zstd::bulk::decompress(packed, size).ok()?).ok()
        }
        _ => None,
    }
}

/// Adds the frame of a packed entry that is to lie at `at`.
pub(super) fn put_frame(to: &mut Vec<u8>, key: &FileKey, at: Position, synced: u32, mut payload: Vec<u8>) {
    let nonce: [u8; NONCE] = crate::keys::random();
    key.seal(nonce, &place(at), &mut payload);
    let length = u32::try_from(NONCE + payload.len()).unwrap_or(u32::MAX);
    let mut crc = crc32fast::Hasher::new();
    for part in [&synced.to_le_bytes()[..], &nonce, &payload] {
        crc.update(part);
    }
    to.extend_from_slice(MARK);
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(&crc.finalize().to_le_bytes());
    to.extend_from_slice(&synced.to_le_bytes());
    to.extend_from_slice(&nonce);
    to.extend_from_slice(&payload);
}

/// The bytes that a frame of this payload takes.
pub(super) fn frame_size(payload: &[u8]) -> usize {
    FIXED + NONCE + payload.len() + TAG
}

fn place(at: Position) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&at.segment.to_be_bytes());
    bytes[4..].copy_from_slice(&at.offset.to_be_bytes());
    bytes
}

/// A whole frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) at: u32,
    pub(super) end: u32,
    synced: u32,
    pub(super) payload: Vec<u8>,
}

/// What was passed on the way through a file.
#[derive(Debug)]
pub(super) enum Passed {
    Frame(Frame),
    /// Bytes that an interrupted write left, from here to there: nothing of it was ever answered as synced.
    Torn(u32, u32),
    /// Bytes that were on disk and do not read any more, from here.
    Damage(u32),
    /// The file could not be read any further.
    Failed(Error),
}

/// The whole frames of one file. Bytes that are no frame are passed over up to the next that is.
pub(super) struct Frames {
    file: BufReader<File>,
    path: PathBuf,
    segment: u32,
    keys: Vec<FileKey>,
    at: u32,
    size: u32,
    /// A frame found behind bytes that do not read: it comes after they are told.
    next: Option<Frame>,
    /// Up to where an older file was on disk, as far as the next one tells.
    until: Option<u32>,
    is_newest: bool,
}

impl Frames {
    pub(super) fn open(folder: &Path, keys: &Keys, from: Position) -> Result<Self, Error> {
        let path = path(folder, from.segment);
        let mut file = File::open(&path).map_err(failed("open", &path))?;
        let size = file.metadata().map_err(failed("read", &path))?.len();
        let mut head = [0; HEAD as usize];
        // A file too short for a head holds no frame either.
        let _ = file.read_exact(&mut head);
        let named = KeyId(head[8..16].try_into().expect("eight bytes"));
        let all = std::iter::once(named).chain(keys.list().into_iter().map(|(id, _)| id).filter(|id| *id != named));
        let keys = all.filter_map(|id| key(keys, id, from.segment)).collect();
        let at = from.offset.max(HEAD);
        let mut file = BufReader::with_capacity(256 * 1024, file);
        file.seek(SeekFrom::Start(at.into())).map_err(failed("read", &path))?;
        let later = list(folder)?.into_iter().find(|segment| *segment > from.segment);
        let told = later
            .and_then(|later| Head::read(folder, later))
            .map(|head| head.before);
        Ok(Self {
            file,
            until: told.filter(|end| end.segment == from.segment).map(|end| end.offset),
            is_newest: later.is_none(),
            path,
            segment: from.segment,
            keys,
            at,
            size: u32::try_from(size).unwrap_or(u32::MAX),
            next: None,
        })
    }

    /// The frame that begins where we are.
    fn frame(&mut self) -> io::Result<Option<Frame>> {
        let mut fixed = [0; FIXED];
        if (self.size.saturating_sub(self.at) as usize) < FIXED {
            return Ok(None);
        }
        self.file.read_exact(&mut fixed)?;
        let number = |at: usize| u32::from_le_bytes(fixed[at..at + 4].try_into().expect("four bytes"));
        let (length, crc, synced) = (number(4), number(8), number(12));
        let end = u64::from(self.at) + FIXED as u64 + u64::from(length);
        if &fixed[..4] != MARK || !((NONCE + TAG) as u32..=MAX_SEALED).contains(&length) || end > u64::from(self.size) {
            return Ok(None);
        }
        let mut sealed = vec![0; length as usize];
        self.file.read_exact(&mut sealed)?;
        let mut found = crc32fast::Hasher::new();
        found.update(&fixed[12..]);
        found.update(&sealed);
        if found.finalize() != crc {
            return Ok(None);
        }
        let at = Position {
            segment: self.segment,
            offset: self.at,
        };
        let nonce: [u8; NONCE] = sealed[..NONCE].try_into().expect("twelve bytes");
        let opened = self.keys.iter().enumerate().find_map(|(which, key)| {
            let mut payload = sealed[NONCE..].to_vec();
            key.open(nonce, &place(at), &mut payload).map(|()| (which, payload))
        });
        let Some((which, payload)) = opened else {
            return Ok(None);
        };
        self.keys.swap(0, which);
        Ok(Some(Frame {
            at: self.at,
            end: u32::try_from(end).unwrap_or(u32::MAX),
            synced,
            payload,
        }))
    }

    /// Looks for the next whole frame after a place that is none.
    fn resync(&mut self) -> io::Result<Option<Frame>> {
        let mut window = Vec::new();
        let mut at = self.at + 1;
        while at < self.size {
            self.file.seek(SeekFrom::Start(at.into()))?;
            window.clear();
            (&mut self.file).take(256 * 1024).read_to_end(&mut window)?;
            for found in memchr::memmem::find_iter(&window, MARK) {
                self.at = at + found as u32;
                self.file.seek(SeekFrom::Start(self.at.into()))?;
                if let Some(frame) = self.frame()? {
                    return Ok(Some(frame));
                }
            }
            at += (window.len() as u32).saturating_sub(3).max(1);
        }
        self.at = self.size;
        Ok(None)
    }

    /// Whether there is nothing but the reserve of zeros from here on.
    fn only_zeros(&mut self) -> io::Result<bool> {
        self.file.seek(SeekFrom::Start(self.at.into()))?;
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(true),
                read if buffer[..read].iter().any(|byte| *byte != 0) => return Ok(false),
                _ => {}
            }
        }
    }

    fn pass(&mut self) -> io::Result<Option<Passed>> {
        if let Some(frame) = self.next.take() {
            return Ok(Some(Passed::Frame(frame)));
        }
        let bad = self.at;
        if bad < self.size
            && let Some(frame) = self.frame()?
        {
            return Ok(Some(Passed::Frame(frame)));
        }
        if bad >= self.size || self.only_zeros()? {
            self.at = self.size;
            let cut_off = self.until.take().is_some_and(|until| bad < until);
            return Ok(cut_off.then_some(Passed::Damage(bad)));
        }
        self.at = bad;
        self.next = self.resync()?;
        let next = self.next.as_ref().map(|next| (next.at, next.end, next.synced));
        let (to, after, synced) = next.unwrap_or((self.size, self.size, 0));
        let proven = match self.until {
            Some(until) => bad < until,
            // Older files were synced to their end.
            None => synced > bad || (next.is_none() && !self.is_newest) || self.is_proven(bad, after)?,
        };
        let torn = !proven || self.is_told_torn(bad, to)?;
        if next.is_none() {
            self.until = None;
        }
        self.at = to;
        self.file.seek(SeekFrom::Start(after.into()))?;
        Ok(Some(if torn {
            Passed::Torn(bad, to)
        } else {
            Passed::Damage(bad)
        }))
    }

    /// Whether a frame behind `from` tells that this place was on disk.
    fn is_proven(&mut self, place: u32, from: u32) -> io::Result<bool> {
        self.at = from;
        self.file.seek(SeekFrom::Start(from.into()))?;
        while self.at < self.size {
            let later = match self.frame()? {
                Some(frame) => Some(frame),
                None => self.resync()?,
            };
            match later {
                Some(frame) if frame.synced > place => return Ok(true),
                Some(frame) => self.at = frame.end,
                None => break,
            }
            self.file.seek(SeekFrom::Start(self.at.into()))?;
        }
        Ok(false)
    }

    /// Whether an earlier start has found what lies there torn.
    fn is_told_torn(&mut self, from: u32, to: u32) -> io::Result<bool> {
        self.file.seek(SeekFrom::Start(from.into()))?;
        let mut stretch = (&mut self.file).take(u64::from(to - from));
        let mut buffer = [0; 4096];
        let mut nth = 0;
        loop {
            let read = stretch.read(&mut buffer)?;
            if read == 0 {
                // What was torn was a frame at least.
                return Ok(nth >= FIXED);
            }
            if buffer[..read].iter().any(|byte| {
                let same = *byte == TORN[nth % TORN.len()];
                nth += 1;
                !same
            }) {
                return Ok(false);
            }
        }
    }
}

/// Overwrites what an interrupted write left.
pub(super) fn tell_torn(file: &mut File, from: u32, to: u32) -> io::Result<()> {
    file.seek(SeekFrom::Start(from.into()))?;
    let bytes: Vec<u8> = TORN.iter().copied().cycle().take((to - from) as usize).collect();
    file.write_all(&bytes)
}

impl Iterator for Frames {
    type Item = Passed;

    fn next(&mut self) -> Option<Passed> {
        match self.pass() {
            Ok(passed) => {
                if let Some(Passed::Frame(frame)) = &passed {
                    self.at = frame.end;
                }
                passed
            }
            Err(e) => {
                let bad = std::mem::replace(&mut self.at, self.size);
                (self.next, self.until) = (None, None);
                Some(if does_not_read(&e) {
                    Passed::Damage(bad)
                } else {
                    Passed::Failed(failed("read", &self.path)(e))
                })
            }
        }
    }
}

/// Whether a file, or a part of it, is lost: the disk does not give it. That too many files are open passes.
pub(super) fn does_not_read(error: &io::Error) -> bool {
    // EIO; on Windows a bad sum, and a device that fails.
    let of_the_disk: &[i32] = if cfg!(windows) { &[23, 1117] } else { &[5] };
    error.raw_os_error().is_some_and(|code| of_the_disk.contains(&code))
        || matches!(
            error.kind(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::UnexpectedEof | io::ErrorKind::IsADirectory
        )
}
