//! Where damaged and foreign files go: never deleted, but for what was derived and made anew since.

use std::fs;
use std::path::Path;

use vhr_core::time::Timestamp;

use super::{Error, io_error, sync_folder};

/// Moves a file or folder that does not read out of the way, with a note that says why.
///
/// # Errors
/// When it cannot be moved.
pub(crate) fn quarantine(state: &Path, path: &Path, kind: &str, why: &str, now: Timestamp) -> Result<(), Error> {
    let folder = state.join("quarantine");
    fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A foreign name may hold anything; ours are digests and numbers.
    let ours = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    let name = if ours { name.into_owned() } else { "foreign".to_owned() };
    let mut target = format!("{kind}-{name}-{}", now.millis());
    while folder.join(&target).exists() {
        target.push('+');
    }
    fs::rename(path, folder.join(&target)).map_err(io_error("move to quarantine", path))?;
    let note = folder.join(target + ".why.txt");
    // The note is for people; that it cannot be written changes nothing.
    let _ = fs::write(note, format!("{}\n{why}\n", now.to_rfc3339()));
    tracing::warn!(kind, why, "set aside in quarantine");
    path.parent().map_or(Ok(()), sync_folder)
}

/// Removes from the quarantine what was derived (indexes, snapshots) and set aside before this time: it was made anew.
pub(crate) fn forget_derived(state: &Path, before: Timestamp) {
    let entries = fs::read_dir(state.join("quarantine")).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let derived = name.starts_with("index-") || name.starts_with("snapshot-");
        let digits = name
            .trim_end_matches(".why.txt")
            .trim_end_matches('+')
            .rsplit('-')
            .next();
        let since = digits
            .and_then(|digits| digits.parse().ok())
            .map(Timestamp::from_millis);
        if derived && since.is_some_and(|since| since < before) {
            // What cannot be removed now is tried again the next time.
            let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
        }
    }
}

/// How many things lie in the quarantine.
pub(crate) fn quarantined(state: &Path) -> u64 {
    let entries = fs::read_dir(state.join("quarantine")).into_iter().flatten().flatten();
    let notes = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".why.txt");
    entries.filter(|entry| !notes(&entry.file_name())).count() as u64
}
