//! The log: one record per operation, written with one call. Also which descriptors are of interest.
//!
//! ```text
//! length u32   kind u8   then the fields:  numbers as u64, texts and data with their length before them (u32)
//! ```

use std::ffi::CStr;
use std::os::raw::{c_char, c_int};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// More descriptors than these are not followed.
const MOST: usize = 1 << 16;

/// Handle of each descriptor; 0: of no interest. Looked at without the lock, so that all else stays quick.
static HANDLES: [AtomicU32; MOST] = [const { AtomicU32::new(0) }; MOST];
static LOG: OnceLock<Option<Recorder>> = OnceLock::new();

/// Where to, and what of.
pub(crate) struct Recorder {
    roots: Vec<Vec<u8>>,
    file: c_int,
    state: Mutex<State>,
}

/// What changes.
#[derive(Default)]
pub(crate) struct State {
    handles: u32,
}

/// The recorder of this process, if it is to be recorded.
pub(crate) fn recorder() -> Option<&'static Recorder> {
    LOG.get_or_init(|| {
        let roots = variable(c"VHR_RECORD_ROOTS")?;
        let roots = roots.split(|byte| *byte == b':').map(<[u8]>::to_vec).collect();
        let mut path = variable(c"VHR_RECORD_LOG")?;
        path.push(0);
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        // SAFETY: the path ends with a zero byte and lives during the call.
        let file = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0o600) };
        let file = c_int::try_from(file).ok().filter(|file| *file >= 0)?;
        let recorder = Recorder {
            roots,
            file,
            state: Mutex::default(),
        };
        recorder.lock().write(file, b'S', &[]);
        Some(recorder)
    })
    .as_ref()
}

/// From the environment. Not by `std::env`: we may be called before the process has set itself up.
fn variable(name: &CStr) -> Option<Vec<u8>> {
    // SAFETY: getenv gives null or a text that ends with a zero byte; nobody changes the environment of the recorded process.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    // SAFETY: as above.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }.to_bytes().to_vec())
}

/// A field of a record.
pub(crate) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl Recorder {
    /// Held around the operation and its record.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self, state: &mut State, kind: u8, fields: &[Field<'_>]) {
        state.write(self.file, kind, fields);
    }

    /// The path as one from the root, if it is below one of the folders.
    ///
    /// # Safety
    /// The path is null or ends with a zero byte.
    pub(crate) unsafe fn path(&self, folder: c_int, path: *const c_char) -> Option<Vec<u8>> {
        if path.is_null() {
            return None;
        }
        // SAFETY: as promised.
        let given = unsafe { CStr::from_ptr(path) }.to_bytes();
        let whole = if given.first() == Some(&b'/') {
            given.to_vec()
        } else {
            let mut whole = if folder == libc::AT_FDCWD {
                link(b"/proc/self/cwd\0")
            } else {
                link(format!("/proc/self/fd/{folder}\0").as_bytes())
            }?;
            whole.push(b'/');
            whole.extend_from_slice(given);
            whole
        };
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in whole.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        let mut clean = Vec::with_capacity(whole.len());
        for part in parts {
            clean.push(b'/');
            clean.extend_from_slice(part);
        }
        let below = |root: &Vec<u8>| {
            clean.starts_with(root) && (clean.len() == root.len() || clean.get(root.len()) == Some(&b'/'))
        };
        self.roots.iter().any(below).then_some(clean)
    }
}

impl State {
    /// A new handle for a descriptor: from now on it is of interest.
    pub(crate) fn follow(&mut self, descriptor: c_int) -> Option<u64> {
        self.handles += 1;
        slot(descriptor)?.store(self.handles, Ordering::SeqCst);
        Some(self.handles.into())
    }

    fn write(&mut self, file: c_int, kind: u8, fields: &[Field<'_>]) {
        let mut record = vec![0, 0, 0, 0, kind];
        for field in fields {
            match field {
                Field::Number(number) => record.extend_from_slice(&number.to_le_bytes()),
                Field::Bytes(bytes) => {
                    record.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                    record.extend_from_slice(bytes);
                }
            }
        }
        let length = (record.len() - 4) as u32;
        record[..4].copy_from_slice(&length.to_le_bytes());
        // SAFETY: the buffer lives during the call. A short write shows when the log is read.
        unsafe { libc::syscall(libc::SYS_write, file, record.as_ptr(), record.len()) };
    }
}

/// The handle of a descriptor that is of interest.
pub(crate) fn handle(descriptor: c_int) -> Option<u64> {
    slot(descriptor)
        .map(|slot| slot.load(Ordering::SeqCst))
        .filter(|handle| *handle > 0)
        .map(u64::from)
}

/// The other descriptor is the same open file.
pub(crate) fn same(from: c_int, to: c_int) {
    if let (Some(from), Some(to)) = (slot(from), slot(to)) {
        to.store(from.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

/// It is closed.
pub(crate) fn forget(descriptor: c_int) {
    if let Some(slot) = slot(descriptor) {
        slot.store(0, Ordering::SeqCst);
    }
}

fn slot(descriptor: c_int) -> Option<&'static AtomicU32> {
    HANDLES.get(usize::try_from(descriptor).ok()?)
}

fn link(path: &[u8]) -> Option<Vec<u8>> {
    let mut target = vec![0; 4096];
    // SAFETY: the path ends with a zero byte, the buffer is as long as is said.
    let length = unsafe {
        libc::syscall(
            libc::SYS_readlinkat,
            libc::AT_FDCWD,
            path.as_ptr(),
            target.as_mut_ptr(),
            target.len(),
        )
    };
    target.truncate(usize::try_from(length).ok()?);
    Some(target)
}
