//! Claim a file: copy it into the spool, be sure that it did not change meanwhile, and, once it is accepted, retire it.
//!
//! What stays true: a source file is only read until it is accepted. It is retired (archived, deleted) only while it is still
//! the file that was accepted.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use vhr_core::config::{After, Source};
use vhr_core::said;
use vhr_core::settle::Look;
use vhr_core::time::Timestamp;

use crate::spool::{self, ExportHead, Received, Spool};

/// Where archived files go, inside the watched folder. It is not watched itself.
const ARCHIVE: &str = "archive";

/// Why a file could not be claimed or retired.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source file cannot be read now: not allowed, locked, the share is gone.
    #[error("the export cannot be read now")]
    Source(#[source] io::Error),
    /// Our own side failed.
    #[error("the export could not be copied into the spool")]
    Spool(#[source] spool::Error),
    /// It could not be archived or deleted.
    #[error("the accepted export could not be {act}")]
    Retire {
        /// What was tried.
        act: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// What a path shows at this moment: an ordinary file's size and time; none when there is no such file. Links are not
/// followed: they may lead out of the folder.
///
/// # Errors
/// When the folder does not answer.
pub fn look(path: &Path) -> io::Result<Option<Look>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(look_of(&metadata)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Copies a settled file into the spool. None when it is gone, or is not any more what was seen: then it is not settled.
///
/// # Errors
/// When the file cannot be read, or the copy not written.
pub fn claim(
    spool: &Spool,
    source: &Source,
    path: &Path,
    seen: Look,
    now: Timestamp,
) -> Result<Option<Received>, Error> {
    if look(path).map_err(Error::Source)? != Some(seen) {
        return Ok(None);
    }
    let Some(file) = open_as_seen(path, seen).map_err(Error::Source)? else {
        return Ok(None);
    };
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let head = ExportHead {
        name,
        source: source.name.clone(),
        received_at: now,
    };
    let received = match spool.receive(&head, file) {
        Ok(received) => received,
        Err(spool::Error::Source(e)) => return Err(Error::Source(e)),
        Err(e) => return Err(Error::Spool(e)),
    };
    // Written on while we read: what was copied is neither the old nor the new file.
    if look(path).map_err(Error::Source)? != Some(seen) || received.size != seen.size {
        received.discard();
        return Ok(None);
    }
    Ok(Some(received))
}

/// Opens the very file that was seen: whatever was put in its place since, a link that leads elsewhere or a pipe without an
/// end, is not read.
fn open_as_seen(path: &Path, seen: Look) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    // FILE_FLAG_OPEN_REPARSE_POINT: the link itself, which is not a file.
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, 0x0020_0000);
    match options.open(path) {
        Ok(file) => Ok((look_of(&file.metadata()?) == Some(seen)).then_some(file)),
        // Gone, a link now, or a socket: the next look says.
        Err(e) if e.kind() == io::ErrorKind::NotFound || look(path)? != Some(seen) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Archives or deletes an accepted file, as configured; its done marker with it. Says whether anything was done.
///
/// # Errors
/// When it could not be moved or deleted: it is accepted all the same.
pub fn retire(source: &Source, path: &Path, seen: Look) -> Result<bool, Error> {
    if source.after == After::Leave || !matches!(look(path), Ok(Some(now)) if now == seen) {
        return Ok(false);
    }
    retire_one(source.after, path)?;
    if let Some(marker) = &source.done_marker {
        let mut marker_path = path.as_os_str().to_owned();
        marker_path.push(marker);
        let marker_path = PathBuf::from(marker_path);
        if marker_path.exists() {
            retire_one(source.after, &marker_path)?;
        }
    }
    Ok(true)
}

/// What the status says of a source whose accepted files stay where they are.
pub fn unretired(source: &Source, why: &str) -> String {
    let (vi, en) = match source.after {
        After::Delete => ("xóa", "deleted"),
        After::Archive | After::Leave => ("chuyển vào thư mục archive", "moved to the archive folder"),
    };
    said!(
        "tệp đã nhận nhưng không {vi} được: cho tài khoản của dịch vụ quyền ghi vào thư mục nguồn, hoặc đặt after = \"leave\"; khi được, chương trình tự làm [{why}]",
        "accepted files cannot be {en}: let the service's account write to the folder, or set after = \"leave\"; done by itself once it can be"
    )
    .to_string()
}

fn retire_one(after: After, path: &Path) -> Result<(), Error> {
    match after {
        After::Leave => Ok(()),
        After::Delete => fs::remove_file(path).map_err(|source| Error::Retire { act: "deleted", source }),
        After::Archive => archive(path).map_err(|source| Error::Retire {
            act: "moved to the archive folder",
            source,
        }),
    }
}

/// Moves a file into the archive folder beside it, under a name that is free there.
fn archive(path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let archive = folder.join(ARCHIVE);
    fs::create_dir_all(&archive)?;
    let mut target = archive.join(name);
    let mut copy = 1;
    while target.symlink_metadata().is_ok() {
        copy += 1;
        let mut numbered = name.to_owned();
        numbered.push(format!(".{copy}"));
        target = archive.join(numbered);
    }
    match fs::rename(path, &target) {
        // No room for a number behind a name of full length: a folder of its own then.
        Err(e) if e.kind() == io::ErrorKind::InvalidFilename && copy > 1 => {
            let own = (2..)
                .map(|copy| archive.join(copy.to_string()))
                .find(|own| own.join(name).symlink_metadata().is_err());
            let own = own.unwrap_or(archive);
            fs::create_dir_all(&own)?;
            fs::rename(path, own.join(name))
        }
        moved => moved,
    }
}

/// An ordinary file's size and time; none for anything else.
pub(crate) fn look_of(metadata: &Metadata) -> Option<Look> {
    if !metadata.is_file() {
        return None;
    }
    let modified = metadata
        .modified()
        .ok()
        .map_or(0, |time| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        });
    Some(Look {
        size: metadata.len(),
        modified: Timestamp::from_millis(modified),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct World {
        _folder: tempfile::TempDir,
        spool: Spool,
        source: Source,
        path: PathBuf,
    }

    fn world(after: After) -> World {
        let folder = tempfile::tempdir().unwrap();
        let exports = folder.path().join("exports");
        fs::create_dir(&exports).unwrap();
        let path = exports.join("a.xml");
        fs::write(&path, b"<a/>").unwrap();
        let source = Source {
            name: "his".into(),
            path: exports,
            include: vec!["*.xml".into()],
            plugin: "vn.qd3176".into(),
            settle: Duration::from_secs(2),
            done_marker: None,
            rescan: Duration::from_secs(30),
            after,
        };
        World {
            spool: Spool::open(folder.path(), crate::keys::Keys::generate(Timestamp::from_millis(1))).unwrap(),
            _folder: folder,
            source,
            path,
        }
    }

    fn claimed(world: &World, seen: Look) -> Option<Received> {
        claim(
            &world.spool,
            &world.source,
            &world.path,
            seen,
            Timestamp::from_millis(1),
        )
        .unwrap()
    }

    #[test]
    fn a_file_that_changed_since_it_was_seen_is_not_claimed() {
        let world = world(After::Leave);
        let seen = look(&world.path).unwrap().unwrap();
        fs::write(&world.path, b"<a>longer</a>").unwrap();
        assert!(claimed(&world, seen).is_none());
        fs::remove_file(&world.path).unwrap();
        assert!(claimed(&world, seen).is_none());
    }

    #[test]
    fn claiming_leaves_the_source_as_it_was() {
        let world = world(After::Delete);
        let seen = look(&world.path).unwrap().unwrap();
        let received = claimed(&world, seen).unwrap();
        assert_eq!(received.size, 4);
        assert_eq!(look(&world.path).unwrap(), Some(seen));
    }

    #[test]
    fn a_retired_file_is_left_deleted_or_archived_as_configured() {
        for (after, stays, archived) in [
            (After::Leave, true, 0),
            (After::Delete, false, 0),
            (After::Archive, false, 1),
        ] {
            let world = world(after);
            let seen = look(&world.path).unwrap().unwrap();
            retire(&world.source, &world.path, seen).unwrap();
            assert_eq!(world.path.exists(), stays);
            let archive = fs::read_dir(world.source.path.join(ARCHIVE)).map_or(0, Iterator::count);
            assert_eq!(archive, archived, "{after:?}");
        }
    }

    #[test]
    fn a_name_that_is_taken_in_the_archive_takes_nothing_away_there() {
        let world = world(After::Archive);
        for content in ["<a>1</a>", "<a>2</a>", "<a>3</a>"] {
            fs::write(&world.path, content).unwrap();
            let seen = look(&world.path).unwrap().unwrap();
            retire(&world.source, &world.path, seen).unwrap();
        }
        assert_eq!(fs::read_dir(world.source.path.join(ARCHIVE)).unwrap().count(), 3);
    }

    #[test]
    fn a_file_that_was_replaced_after_it_was_accepted_is_not_retired() {
        let world = world(After::Delete);
        let seen = look(&world.path).unwrap().unwrap();
        fs::write(&world.path, b"<a>newer</a>").unwrap();
        assert!(!retire(&world.source, &world.path, seen).unwrap());
        assert!(world.path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_put_in_the_place_of_a_file_between_look_and_open_is_not_read() {
        let world = world(After::Leave);
        let seen = look(&world.path).unwrap().unwrap();
        assert!(open_as_seen(&world.path, seen).unwrap().is_some());
        // A link to the very same bytes, of the same size and time.
        let outside = world.source.path.parent().unwrap().join("outside");
        fs::rename(&world.path, &outside).unwrap();
        assert!(open_as_seen(&world.path, seen).unwrap().is_none());
        std::os::unix::fs::symlink(&outside, &world.path).unwrap();
        assert!(open_as_seen(&world.path, seen).unwrap().is_none());
        fs::remove_file(&world.path).unwrap();
        // A pipe would be waited for.
        let made = std::process::Command::new("mkfifo").arg(&world.path).status();
        assert!(made.unwrap().success());
        assert!(open_as_seen(&world.path, seen).unwrap().is_none());
        fs::remove_file(&world.path).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(&world.path).unwrap();
        assert!(open_as_seen(&world.path, seen).unwrap().is_none());
        assert!(claimed(&world, seen).is_none());
    }

    #[test]
    fn names_of_full_length_find_room_in_the_archive_too() {
        let mut world = world(After::Archive);
        world.path = world.source.path.join(format!("{}.xml", "a".repeat(251)));
        for content in ["<a>1</a>", "<a>2</a>", "<a>3</a>"] {
            fs::write(&world.path, content).unwrap();
            let seen = look(&world.path).unwrap().unwrap();
            assert!(retire(&world.source, &world.path, seen).unwrap());
        }
        let archive = world.source.path.join(ARCHIVE);
        for folder in [archive.clone(), archive.join("2"), archive.join("3")] {
            assert!(
                folder.join(world.path.file_name().unwrap()).exists(),
                "{}",
                folder.display()
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_a_file_to_take_in() {
        let world = world(After::Leave);
        let link = world.source.path.join("b.xml");
        std::os::unix::fs::symlink(&world.path, &link).unwrap();
        assert_eq!(look(&link).unwrap(), None);
    }
}
