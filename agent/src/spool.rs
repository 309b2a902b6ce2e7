//! Fsynced files: the exports as received, and the sealed batches made of them.
//!
//! What stays true: a file under its final name is whole and on disk. Everything is written under a temporary name, synced,
//! renamed, and its folder synced; leftovers of an interrupted write are removed at the next start. A failed sync is never
//! tried again on the same file: the file is given up and the caller starts over.
//!
//! ```text
//! spool/in/<export>    the export: head, then zstd of the bytes as received
//! spool/out/<export>   the sealed batch (see batch.rs)
//! spool/tmp/           being written; removed at start
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vhr_core::id::ExportId;
use vhr_core::time::Timestamp;

pub mod batch;

pub use batch::{Batch, BatchWriter, Index, RecordRow};

const MAGIC: &[u8; 4] = b"VHRX";
const VERSION: u16 = 1;
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

/// The spool folder.
#[derive(Debug, Clone)]
pub struct Spool {
    root: PathBuf,
    /// Numbers temporary names: two files with one content may be written side by side.
    next: Arc<AtomicU64>,
}

/// A copy under its temporary name, synced, whose id is known: kept under its final name only if it is new.
#[derive(Debug)]
pub struct Received {
    /// The digest of the bytes.
    pub export: ExportId,
    /// Size as received, bytes.
    pub size: u64,
    temporary: PathBuf,
    target: PathBuf,
}

impl Spool {
    /// Opens, and creates where absent, the spool under the state folder. Removes what an interrupted write left.
    ///
    /// # Errors
    /// When the folders cannot be made or cleaned.
    pub fn open(state: &Path) -> Result<Self, Error> {
        let spool = Self::existing(state);
        for folder in ["in", "out", "tmp"] {
            let path = spool.root.join(folder);
            fs::create_dir_all(&path).map_err(io_error("create", &path))?;
        }
        let tmp = spool.root.join("tmp");
        for entry in fs::read_dir(&tmp).map_err(io_error("list", &tmp))? {
            let path = entry.map_err(io_error("list", &tmp))?.path();
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
        sync_folder(&spool.root)?;
        sync_folder(state)?;
        Ok(spool)
    }

    /// The spool under a state folder, for reading only, whether or not a service runs.
    pub fn existing(state: &Path) -> Self {
        Self {
            root: state.join("spool"),
            next: Arc::default(),
        }
    }

    /// Copies an export as it is read, in constant memory, and syncs the copy. Not yet under its name: see [`Received::keep`].
    ///
    /// # Errors
    /// [`Error::Source`] when the source fails; others when our side does.
    pub fn receive(&self, head: &ExportHead, mut source: impl Read) -> Result<Received, Error> {
        let temporary = self.temporary();
        let file = create(&temporary)?;
        let copied = write_export(file, head, &mut source, &temporary);
        if copied.is_err() {
            // The half-written copy is worthless; if it cannot be removed now, the next start removes it.
            let _ = fs::remove_file(&temporary);
        }
        let (export, size) = copied?;
        Ok(Received {
            export,
            size,
            target: self.root.join("in").join(export.to_string()),
            temporary,
        })
    }

    /// The head of a received export, and a reader of its bytes.
    ///
    /// # Errors
    /// When it is absent or damaged.
    pub fn export(&self, export: ExportId) -> Result<(ExportHead, impl Read + use<>), Error> {
        let path = self.root.join("in").join(export.to_string());
        let mut file = BufReader::new(File::open(&path).map_err(io_error("open", &path))?);
        let head = read_head(&mut file, MAGIC, VERSION, &path)?;
        let head =
            serde_json::from_slice(&head).map_err(|e| damaged(&path, format!("its head does not read ({e})")))?;
        let bytes = zstd::stream::read::Decoder::with_buffer(file).map_err(io_error("unpack", &path))?;
        Ok((head, bytes))
    }

    /// The bytes of an export, whole, exactly as received.
    ///
    /// # Errors
    /// When it is absent, damaged, or larger than [`MAX_CLAIM`].
    pub fn export_bytes(&self, export: ExportId) -> Result<Vec<u8>, Error> {
        let path = self.root.join("in").join(export.to_string());
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

    /// Begins the sealed batch of an export.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn new_batch(&self, export: ExportId) -> Result<BatchWriter, Error> {
        BatchWriter::create(self.temporary(), self.root.join("out").join(export.to_string()))
    }

    /// Opens the sealed batch of an export.
    ///
    /// # Errors
    /// When it is absent or damaged.
    pub fn batch(&self, export: ExportId) -> Result<Batch, Error> {
        Batch::open(self.root.join("out").join(export.to_string()))
    }

    fn temporary(&self) -> PathBuf {
        self.root
            .join("tmp")
            .join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
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
        rename_synced(&self.temporary, &self.target)?;
        Ok(self.export)
    }

    /// Forgets the copy: this content is known already.
    pub fn discard(self) {
        // What stays behind is removed at the next start.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn write_export(
    mut file: File,
    head: &ExportHead,
    source: &mut impl Read,
    path: &Path,
) -> Result<(ExportId, u64), Error> {
    let head = serde_json::to_vec(head).expect("a head has no keys but strings");
    write_head(&mut file, MAGIC, VERSION, &head).map_err(io_error("write", path))?;
    let mut packed = zstd::stream::write::Encoder::new(&mut file, 1).map_err(io_error("write", path))?;
    let mut digest = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Error::Source(e)),
        };
        digest.update(&buffer[..read]);
        packed.write_all(&buffer[..read]).map_err(io_error("write", path))?;
        size += read as u64;
    }
    packed.finish().map_err(io_error("write", path))?;
    file.sync_all().map_err(io_error("sync", path))?;
    Ok((ExportId::from_bytes(digest.finalize().into()), size))
}

/// Magic, version, flags (none yet; room for sealing), length, head.
fn write_head(to: &mut impl Write, magic: &[u8; 4], version: u16, head: &[u8]) -> io::Result<()> {
    to.write_all(magic)?;
    to.write_all(&version.to_le_bytes())?;
    to.write_all(&0u16.to_le_bytes())?;
    to.write_all(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes())?;
    to.write_all(head)
}

fn read_head(from: &mut impl Read, magic: &[u8; 4], version: u16, path: &Path) -> Result<Vec<u8>, Error> {
    let mut fixed = [0; 12];
    from.read_exact(&mut fixed)
        .map_err(|e| damaged(path, format!("it is cut off in its head ({e})")))?;
    if &fixed[..4] != magic {
        return Err(damaged(path, "it is not a file of this agent".into()));
    }
    let found = u16::from_le_bytes([fixed[4], fixed[5]]);
    if found != version {
        return Err(damaged(
            path,
            format!("it is of version {found}, and this agent reads version {version}"),
        ));
    }
    let length = u32::from_le_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
    if length > MAX_HEAD {
        return Err(damaged(path, format!("its head claims to be {length} bytes long")));
    }
    let mut head = vec![0; length as usize];
    from.read_exact(&mut head)
        .map_err(|e| damaged(path, format!("it is cut off in its head ({e})")))?;
    Ok(head)
}

fn create(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(io_error("create", path))
}

/// Renames a synced file into place and syncs the folder, so that the name survives a power cut too.
fn rename_synced(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(io_error("rename into place", to))?;
    to.parent().map_or(Ok(()), sync_folder)
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
    move |source| Error::Io { act, path, source }
}

fn damaged(path: &Path, what: String) -> Error {
    Error::Damaged {
        path: path.to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> ExportHead {
        ExportHead {
            name: "BN Nguyễn.xml".into(),
            source: "his".into(),
            received_at: Timestamp::from_millis(1),
        }
    }

    fn received(spool: &Spool, bytes: &[u8]) -> ExportId {
        spool.receive(&head(), bytes).unwrap().keep().unwrap()
    }

    #[test]
    fn an_export_comes_back_byte_for_byte_under_the_digest_of_its_bytes() {
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::open(state.path()).unwrap();
        let export = received(&spool, b"<a>\r\n</a>");
        assert_eq!(spool.export_bytes(export).unwrap(), b"<a>\r\n</a>");
        assert_eq!(spool.export(export).unwrap().0, head());
    }

    #[test]
    fn what_the_system_refuses_may_pass_and_what_lies_on_the_disk_does_not() {
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::open(state.path()).unwrap();
        let missing = spool.export_bytes(ExportId::from_bytes([1; 32])).unwrap_err();
        assert!(!missing.may_pass(), "{missing}");
        let huge = spool.receive(&head(), io::repeat(b' ').take(MAX_CLAIM + 1)).unwrap();
        let huge = spool.export_bytes(huge.keep().unwrap()).unwrap_err();
        assert!(matches!(huge, Error::TooLarge { .. }) && !huge.may_pass(), "{huge}");
        let too_many_open = io_error("open", Path::new("in"))(io::Error::from_raw_os_error(24));
        assert!(too_many_open.may_pass());
    }

    #[test]
    fn no_file_name_tells_the_exports_name() {
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::open(state.path()).unwrap();
        received(&spool, b"x");
        for entry in fs::read_dir(state.path().join("spool/in")).unwrap() {
            assert!(
                entry
                    .unwrap()
                    .file_name()
                    .to_str()
                    .unwrap()
                    .chars()
                    .all(|c| c.is_ascii_hexdigit())
            );
        }
    }

    #[test]
    fn a_source_that_fails_half_way_leaves_nothing() {
        struct Half(bool);
        impl Read for Half {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::Error::other("the share is gone"));
                }
                buffer[..3].copy_from_slice(b"abc");
                Ok(3)
            }
        }
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::open(state.path()).unwrap();
        assert!(matches!(spool.receive(&head(), Half(false)), Err(Error::Source(_))));
        for folder in ["in", "tmp"] {
            assert_eq!(
                fs::read_dir(state.path().join("spool").join(folder)).unwrap().count(),
                0,
                "{folder}"
            );
        }
    }

    #[test]
    fn leftovers_of_an_interrupted_write_are_removed_at_the_next_start() {
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::open(state.path()).unwrap();
        drop(spool.receive(&head(), &b"cut"[..]).unwrap());
        assert_eq!(fs::read_dir(state.path().join("spool/tmp")).unwrap().count(), 1);
        Spool::open(state.path()).unwrap();
        assert_eq!(fs::read_dir(state.path().join("spool/tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::open(state.path()).unwrap();
        let export = received(&spool, &[b'x'; 1000]);
        let path = state.path().join("spool/in").join(export.to_string());
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 0x55;
        fs::write(&path, bytes).unwrap();
        assert!(spool.export_bytes(export).is_err());
    }
}
