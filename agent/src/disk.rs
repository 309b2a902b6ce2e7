//! What the disk under the state folder has left, and what to do when it is little.
//!
//! What stays true: on a full disk nothing that was accepted is lost and sending goes on. Three things see to it: input pauses
//! while there is still some room (the watermark), the journal has room in reserve, and a file of ballast is given up when
//! even that runs out.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Below this share of the disk, or this many bytes where that is less, no more is taken in.
const PAUSE_SHARE: u64 = 20;
const PAUSE_BELOW: u64 = 512 * 1024 * 1024;
/// Given up when the disk is full, so that what is under way can be written down.
const BALLAST: u64 = 32 * 1024 * 1024;

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Free for us, bytes.
    pub free: u64,
    /// The whole disk, bytes.
    pub total: u64,
}

impl Room {
    /// On the disk of this folder; none when it cannot be told.
    pub fn of(dir: &Path) -> Option<Self> {
        Some(Self {
            free: fs4::available_space(dir).ok()?,
            total: fs4::total_space(dir).ok()?,
        })
    }

    /// Below this many free bytes nothing more is taken in.
    pub fn watermark(self) -> u64 {
        (self.total / PAUSE_SHARE).min(PAUSE_BELOW)
    }

    /// Whether a file of this size can be taken in: its copy and what is made of it take its size again, at most.
    pub fn fits(self, size: u64) -> bool {
        self.free >= self.watermark().saturating_add(size.saturating_mul(2))
    }

    /// Whether input pauses. It goes on when there is a quarter more than the watermark, so that it does not flutter.
    pub fn pauses(self, paused: bool) -> bool {
        let mark = self.watermark();
        self.free < if paused { mark + mark / 4 } else { mark }
    }
}

fn ballast(state: &Path) -> PathBuf {
    state.join("ballast")
}

/// Gives up the ballast; says whether there was any.
pub fn release_ballast(state: &Path) -> bool {
    let path = ballast(state);
    let held = fs::metadata(&path).is_ok_and(|metadata| metadata.len() > 0);
    held && fs::remove_file(&path).is_ok()
}

/// Makes the ballast where it is missing and there is plenty of room. That it cannot be made is no failure: it is tried again.
pub fn keep_ballast(state: &Path) {
    let path = ballast(state);
    let plenty = Room::of(state).is_some_and(|room| room.free > room.watermark() + 4 * BALLAST);
    if !plenty || fs::metadata(&path).is_ok_and(|metadata| metadata.len() == BALLAST) {
        return;
    }
    let write = || -> io::Result<()> {
        let mut file = File::create(&path)?;
        let mut random = fastrand::Rng::new();
        // Bytes that no file system packs away.
        let mut block = vec![0; 1024 * 1024];
        for _ in 0..BALLAST / block.len() as u64 {
            random.fill(&mut block);
            file.write_all(&block)?;
        }
        file.sync_all()
    };
    if let Err(e) = write() {
        let _ = fs::remove_file(&path);
        tracing::debug!(why = %e, "no ballast could be made");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1024 * 1024 * 1024;

    fn room(free: u64, total: u64) -> Room {
        Room { free, total }
    }

    #[test]
    fn input_pauses_at_a_twentieth_of_a_small_disk_and_at_half_a_gigabyte_of_a_large_one() {
        assert!(room(GB / 21, GB).pauses(false));
        assert!(!room(GB / 19, GB).pauses(false));
        assert!(room(GB / 3, 1000 * GB).pauses(false));
        assert!(!room(GB, 1000 * GB).pauses(false));
    }

    #[test]
    fn once_paused_it_goes_on_only_with_some_room_more() {
        let just_above = room(GB / 20 + 1, GB);
        assert!(!just_above.pauses(false));
        assert!(just_above.pauses(true));
        assert!(!room(GB / 10, GB).pauses(true));
    }

    #[test]
    fn ballast_is_made_once_and_given_up_once() {
        let state = tempfile::tempdir().unwrap();
        keep_ballast(state.path());
        keep_ballast(state.path());
        assert_eq!(fs::metadata(ballast(state.path())).unwrap().len(), BALLAST);
        assert!(release_ballast(state.path()));
        assert!(!release_ballast(state.path()));
    }
}
