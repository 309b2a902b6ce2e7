//! Fsynced files: the exports as received, and the sealed batches made of them.
//!
//! What stays true: a file under its final name is whole and on disk. Everything is written under a temporary name, synced,
//! renamed, and its folder synced; leftovers of an interrupted write are removed at the next start. A failed sync is never
//! tried again on the same file: the file is given up and the caller starts over. Everything is sealed (`seal.rs`). What does
//! not read is moved to `quarantine/`, never deleted.
//!
//! ```text
//! spool/in/<export>    the export: a sealed stream of its head and of zstd of the bytes as received
//! spool/out/<export>   the sealed batch (see batch.rs)
//! spool/tmp/           being written; removed at start
//! quarantine/          what did not read, and beside each a note that says why
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vhr_core::id::ExportId;
use vhr_core::time::Timestamp;

use crate::keys::Keys;
use crate::seal;

pub mod batch;
mod quarantine;

pub use batch::{Batch, BatchWriter, Index, RecordRow, Written};
pub(crate) use quarantine::{forget_derived, quarantine, quarantined};

const MAGIC: [u8; 4] = *b"VHRX";
const VERSION: u16 = 2;
/// A head is a name and two words; more is not ours.
const MAX_HEAD: u32 = 64 * 1024;
/// The largest claim file that is read into memory to be sent (the gateway takes 100 MB at most).
pub const MAX_CLAIM: u64 = 128 * 1024 * 1024;

/// What went wrong with a file of ours.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("could not {act} {path}")]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The source could not be read to its end.
    #[error("could not read the export while copying it")]
    Source(#[source] io::Error),
    /// The content is not what was written.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not add up.
        what: String,
    },
    /// Larger than can be sent.
    #[error("{path} holds more than {MAX_CLAIM} bytes; a claim file of that size cannot be sent")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    /// Whether the system stood in the way, and not what lies on the disk: then another try may do.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Source(source) => {
                source.raw_os_error().is_some() && source.kind() != io::ErrorKind::NotFound
            }
            Self::Damaged { .. } | Self::TooLarge { .. } => false,
        }
    }

    /// Whether the disk is full, or what the account may use of it.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if disk_full(source))
    }
}

/// Whether an error of the system says that there is no room left.
pub(crate) fn disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What is known of an export when it is received. The name may hold a patient's name: it stays in here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHead {
    /// File name as the HIS gave it.
    pub name: String,
    /// The `[[source]]` it came by.
    pub source: String,
    /// When it was received.
    pub received_at: Timestamp,
}

/// The two kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Exports as received.
    In,
    /// Sealed batches.
    Out,
}

impl Part {
    fn folder(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// The spool folder.
#[derive(Debug, Clone)]
pub struct Spool {
    state: PathBuf,
    root: PathBuf,
    keys: Keys,
    /// Numbers temporary names: two files with one content may be written side by side.
    next: Arc<AtomicU64>,
    folders: Arc<[Folder; 2]>,
    /// Counts what was set aside: an open file may be one of them.
    set_aside: Arc<AtomicU64>,
}

/// A copy under its temporary name, synced, whose id is known: kept under its final name only if it is new.
#[derive(Debug)]
pub struct Received {
    /// The digest of the bytes.
    pub export: ExportId,
    /// Size as received, bytes.
    pub size: u64,
    temporary: PathBuf,
    spool: Spool,
}

impl Spool {
    /// Opens, and creates where absent, the spool under the state folder. Removes what an interrupted write left.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn open(state: &Path, keys: Keys) -> Result<Self, Error> {
        let spool = Self::existing(state, keys);
        for folder in ["in", "out", "tmp"] {
            let path = spool.root.join(folder);
            fs::create_dir_all(&path).map_err(io_error("create", &path))?;
        }
        let tmp = spool.root.join("tmp");
        for entry in fs::read_dir(&tmp).map_err(io_error("list", &tmp))?.flatten() {
            let path = entry.path();
            let removed = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            if let Err(e) = removed {
                tracing::warn!(path = %path.display(), why = %e, "a leftover could not be removed");
            }
        }
        sync_folder(&spool.root)?;
        sync_folder(state)?;
        Ok(spool)
    }

    /// The spool under a state folder, for reading only, whether or not a service runs.
    pub fn existing(state: &Path, keys: Keys) -> Self {
        let root = state.join("spool");
        Self {
            folders: Arc::new([Part::In, Part::Out].map(|part| Folder::new(root.join(part.folder())))),
            state: state.to_owned(),
            root,
            keys,
            next: Arc::default(),
            set_aside: Arc::default(),
        }
    }

    /// How many files were set aside so far: whoever keeps one open opens it anew when this changes.
    pub fn generation(&self) -> u64 {
        self.set_aside.load(Ordering::SeqCst)
    }

    /// Copies an export as it is read, in constant memory, and syncs the copy. Not yet under its name: see [`Received::keep`].
    ///
    /// # Errors
    /// [`Error::Source`] when the source fails; others when our side does.
    pub fn receive(&self, head: &ExportHead, mut source: impl Read) -> Result<Received, Error> {
        let temporary = self.temporary();
        let mut unread = SourceReader {
            source: &mut source,
            digest: Sha256::new(),
            size: 0,
            failed: None,
        };
        // The place is part of the seal, and the id is only known at the end: the place is the folder alone.
        let copied = self.write_export(head, &mut unread, &temporary);
        let copied = match unread.failed.take() {
            Some(e) => Err(Error::Source(e)),
            None => copied,
        };
        if copied.is_err() {
            // The half-written copy is worthless; if it cannot be removed now, the next start removes it.
            let _ = fs::remove_file(&temporary);
        }
        copied?;
        Ok(Received {
            export: ExportId::from_bytes(unread.digest.finalize().into()),
            size: unread.size,
            temporary,
            spool: self.clone(),
        })
    }

    fn write_export(&self, head: &ExportHead, source: &mut impl Read, path: &Path) -> Result<(), Error> {
        let file = create(path)?;
        let write = || {
            let sealed = seal::Head::new(MAGIC, VERSION, &self.keys);
            let mut file = io::BufWriter::with_capacity(256 * 1024, file);
            file.write_all(&sealed.to_bytes())?;
            let key = sealed.key(&self.keys, Part::In.folder()).map_err(io::Error::other)?;
            let mut file = seal::Writer::new(file, key);
            let head = serde_json::to_vec(head).expect("a head has no keys but strings");
            file.write_all(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes())?;
            file.write_all(&head)?;
            let mut packed = zstd::stream::write::Encoder::new(file, 1)?;
            io::copy(source, &mut packed)?;
            let file = packed.finish()?.finish()?;
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
        };
        write().map_err(io_error("write", path))
    }

    /// The head of a received export, and a reader of its bytes.
    ///
    /// # Errors
    /// When it is absent or damaged.
    pub fn export(&self, export: ExportId) -> Result<(ExportHead, impl Read + use<>), Error> {
        let path = self.path(Part::In, export);
        let mut file = BufReader::with_capacity(64 * 1024, File::open(&path).map_err(io_error("open", &path))?);
        let key = read_head(&mut file, MAGIC, VERSION, &path, &self.keys, Part::In.folder())?;
        let mut file = BufReader::with_capacity(64 * 1024, seal::Reader::new(file, key));
        let head = export_head(&mut file).map_err(|e| damaged(&path, format!("its head does not read ({e})")))?;
        let bytes = zstd::stream::read::Decoder::with_buffer(file).map_err(io_error("unpack", &path))?;
        Ok((head, bytes))
    }

    /// The bytes of an export, whole, exactly as received.
    ///
    /// # Errors
    /// When it is absent, damaged, or larger than [`MAX_CLAIM`].
    pub fn export_bytes(&self, export: ExportId) -> Result<Vec<u8>, Error> {
        let path = self.path(Part::In, export);
        let (_, reader) = self.export(export)?;
        let mut bytes = Vec::new();
        reader
            .take(MAX_CLAIM + 1)
            .read_to_end(&mut bytes)
            .map_err(io_error("unpack", &path))?;
        if bytes.len() as u64 > MAX_CLAIM {
            return Err(Error::TooLarge { path });
        }
        if ExportId::from_bytes(Sha256::digest(&bytes).into()) != export {
            return Err(damaged(&path, "its bytes do not have the digest of its name".into()));
        }
        Ok(bytes)
    }

    /// Reads an export to its end, and says whether it is whole.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_export(&self, export: ExportId) -> Result<ExportHead, Error> {
        let path = self.path(Part::In, export);
        let (head, mut reader) = self.export(export)?;
        let mut digest = Sha256::new();
        io::copy(&mut reader, &mut digest).map_err(io_error("unpack", &path))?;
        if ExportId::from_bytes(digest.finalize().into()) != export {
            return Err(damaged(&path, "its bytes do not have the digest of its name".into()));
        }
        Ok(head)
    }

    /// Begins the sealed batch of an export.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn new_batch(&self, export: ExportId) -> Result<BatchWriter, Error> {
        BatchWriter::create(self, export, self.temporary())
    }

    /// Opens the sealed batch of an export.
    ///
    /// # Errors
    /// When it is absent or damaged.
    pub fn batch(&self, export: ExportId) -> Result<Batch, Error> {
        Batch::open(self.path(Part::Out, export), export, &self.keys)
    }

    /// Whether a file of this export is there.
    pub fn has(&self, part: Part, export: ExportId) -> bool {
        self.path(part, export).exists()
    }

    /// The exports of which there is a file, and the names of what does not belong there.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn list(&self, part: Part) -> Result<(Vec<ExportId>, Vec<PathBuf>), Error> {
        let folder = self.root.join(part.folder());
        let (mut exports, mut foreign) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))? {
            let entry = entry.map_err(io_error("list", &folder))?;
            let name = entry.file_name();
            let id = name
                .to_str()
                .filter(|name| name.len() == 64)
                .and_then(|name| name.parse().ok());
            match id.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) {
                Some(export) => exports.push(export),
                None => foreign.push(entry.path()),
            }
        }
        Ok((exports, foreign))
    }

    /// Bytes of an export's files on the disk.
    pub fn size(&self, export: ExportId) -> u64 {
        let size = |part| fs::metadata(self.path(part, export)).map_or(0, |metadata| metadata.len());
        size(Part::In) + size(Part::Out)
    }

    /// How long ago a file of this export was written.
    pub fn age(&self, part: Part, export: ExportId) -> Option<Duration> {
        let written = fs::metadata(self.path(part, export)).and_then(|metadata| metadata.modified());
        written.ok()?.elapsed().ok()
    }

    /// Moves a file that does not read out of the way.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn set_aside(&self, part: Part, export: ExportId, why: &str, now: Timestamp) -> Result<(), Error> {
        let moved = quarantine(&self.state, &self.path(part, export), part.folder(), why, now);
        self.set_aside.fetch_add(1, Ordering::SeqCst);
        moved
    }

    /// Removes the files of an export for good: its deliveries ended, and it was kept as long as it is to be kept.
    ///
    /// # Errors
    /// When one is there and cannot be removed.
    pub fn remove(&self, export: ExportId) -> Result<(), Error> {
        for part in [Part::Out, Part::In] {
            let path = self.path(part, export);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", &path)(e)),
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, part: Part, export: ExportId) -> PathBuf {
        self.root.join(part.folder()).join(export.to_string())
    }

    fn temporary(&self) -> PathBuf {
        self.root
            .join("tmp")
            .join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Gives a synced file its final name, for good. Files that come side by side share the folder's sync.
    fn put(&self, temporary: &Path, part: Part, export: ExportId) -> Result<(), Error> {
        let target = self.path(part, export);
        fs::rename(temporary, &target).map_err(io_error("rename into place", &target))?;
        self.folders[part as usize].sync()
    }

    /// Bytes used by exports and batches.
    pub fn used_bytes(&self) -> u64 {
        ["in", "out"]
            .iter()
            .filter_map(|folder| fs::read_dir(self.root.join(folder)).ok())
            .flatten()
            .filter_map(|entry| entry.ok()?.metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    }
}

impl Received {
    /// Gives the copy its final name, for good.
    ///
    /// # Errors
    /// When it cannot be renamed or the folder not synced.
    pub fn keep(self) -> Result<ExportId, Error> {
        self.spool.put(&self.temporary, Part::In, self.export)?;
        Ok(self.export)
    }

    /// Forgets the copy: this content is known already.
    pub fn discard(self) {
        // What stays behind is removed at the next start.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Counts and digests what is read of the source, and keeps its error apart from those of our own side.
struct SourceReader<'a, R> {
    source: &'a mut R,
    digest: Sha256,
    size: u64,
    failed: Option<io::Error>,
}

impl<R: Read> Read for SourceReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.source.read(buffer) {
            Ok(read) => {
                self.digest.update(&buffer[..read]);
                self.size += read as u64;
                Ok(read)
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            Err(e) => {
                self.failed = Some(e);
                Err(io::Error::other("the source failed"))
            }
        }
    }
}

/// A folder whose names are made durable; callers side by side share each sync.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    asked: AtomicU64,
    done: Mutex<u64>,
}

impl Folder {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            asked: AtomicU64::new(0),
            done: Mutex::new(0),
        }
    }

    fn sync(&self) -> Result<(), Error> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = self.done.lock().expect("nothing panics while holding it");
        if *done >= mine {
            return Ok(());
        }
        let covers = self.asked.load(Ordering::SeqCst);
        sync_folder(&self.path)?;
        *done = covers;
        Ok(())
    }
}

fn export_head(from: &mut impl BufRead) -> io::Result<ExportHead> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_HEAD {
        return Err(io::Error::other(format!("it claims to be {length} bytes long")));
    }
    let mut head = vec![0; length as usize];
    from.read_exact(&mut head)?;
    Ok(serde_json::from_slice(&head)?)
}

/// Reads the beginning of a sealed file, and gives its key.
fn read_head(
    from: &mut impl Read,
    magic: [u8; 4],
    version: u16,
    path: &Path,
    keys: &Keys,
    place: &str,
) -> Result<seal::FileKey, Error> {
    let mut bytes = [0; seal::HEAD];
    from.read_exact(&mut bytes)
        .map_err(|e| damaged(path, format!("it is cut off in its head ({e})")))?;
    seal::Head::read(&bytes, magic, version)
        .and_then(|head| head.key(keys, place))
        .map_err(|e| damaged(path, e.to_string()))
}

/// A new file, for our account only.
fn create(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(io_error("create", path))
}

/// Writes a small file so that either the old or the new content is there, whole, whatever happens.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let mut file = create(&temporary)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(io_error("write", &temporary))?;
    drop(file);
    fs::rename(&temporary, path).map_err(io_error("rename into place", path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes a folder's names durable. Windows has no such call: there the rename itself is written through.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        File::open(path)
            .and_then(|folder| folder.sync_all())
            .map_err(io_error("sync", path))
    } else {
        Ok(())
    }
}

fn io_error(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| {
        if source.raw_os_error().is_none() {
            return Error::Damaged {
                path,
                what: format!("could not {act} it: {source}"),
            };
        }
        Error::Io { act, path, source }
    }
}

fn damaged(path: &Path, what: String) -> Error {
    Error::Damaged {
        path: path.to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests;
