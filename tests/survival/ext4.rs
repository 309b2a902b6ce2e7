//! Power cuts on a real ext4 on a loop device: shut down at once, without writing its journal, while the program works on it.
//!
//! Needs root, loop devices and `mkfs.ext4`; where these are not there, it says so, and the row says so.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fastrand::Rng;
use vhr_agent::demo::exports::ExportFile;

use super::kill::{FILES, Moment};
use super::{Judge, Tally, Wrong, tools};
use crate::harness::{Wish, World, plain};

/// Of the image; it takes as much as is written to it.
const IMAGE: u64 = 1 << 30;
/// How often unmounting is tried: the process that was just killed may not be gone yet.
const TRIES: u32 = 100;

/// How much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// So many cuts.
    pub(crate) cuts: usize,
    /// Of the moments.
    pub(crate) seed: u64,
}

/// Cuts, mounts again, starts, asks.
pub(crate) fn run(size: Size) -> Tally {
    let name = "power cut, real ext4";
    let world = World::with(Wish {
        state: "disk/state",
        source: r#"after = "delete""#,
        ..Wish::default()
    });
    let disk = match Disk::new(&world.path("disk.img"), &world.path("disk"), IMAGE) {
        Ok(disk) => disk,
        Err(why) => {
            eprintln!("power cuts on a real ext4: not possible here: {why}");
            return Tally {
                not_possible: Some(why),
                ..Tally::of(name)
            };
        }
    };
    let mut judge = Judge::new(name);
    let mut rng = Rng::with_seed(size.seed);
    let files = plain(size.seed, size.cuts * FILES);
    let mut next = files.iter();
    for cut in 0..size.cuts {
        let few: Vec<ExportFile> = next.by_ref().take(FILES).cloned().collect();
        judge.drop_in(&world, &few);
        let moment = Moment::any(&mut rng);
        let mut service = world.start_telling(&["run"]);
        moment.wait_for(few.len(), &world, &mut service, &mut rng);
        let by_itself = !service.is_running();
        // What was told before the cut holds; what is told after it may not.
        judge.said(&service.log());
        disk.cut();
        let done = service.kill();
        judge.tally.cuts += 1;
        if by_itself {
            let what = format!("cut {cut}: it had ended by itself with {:?}: {}", done.code, done.err);
            judge.tally.found(Wrong::WouldNotStart, &what);
        }
        disk.again();
        judge.look(&world, &format!("after cut {cut} ({moment:?})"));
    }
    judge.end(&world);
    judge.tally
}

/// A mounted image; unmounted when dropped.
pub(crate) struct Disk {
    image: PathBuf,
    mounted: PathBuf,
}

impl Disk {
    /// Makes one of this size, bytes; why not, where that is not possible here.
    pub(crate) fn new(image: &Path, mounted: &Path, size: u64) -> Result<Self, String> {
        if !cfg!(target_os = "linux") {
            return Err("this is not Linux".into());
        }
        let made = File::create(image).and_then(|file| file.set_len(size));
        made.and_then(|()| fs::create_dir(mounted)).map_err(|e| e.to_string())?;
        run_it(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(image))?;
        let disk = Self {
            image: image.to_owned(),
            mounted: mounted.to_owned(),
        };
        disk.mount()?;
        Ok(disk)
    }

    /// Mounts it, as after a start of the machine.
    pub(crate) fn mount(&self) -> Result<(), String> {
        run_it(
            Command::new("mount")
                .args(["-o", "loop"])
                .arg(&self.image)
                .arg(&self.mounted),
        )
    }

    /// From here on nothing more reaches the disk.
    pub(crate) fn cut(&self) {
        run_it(Command::new(tools::cut_power()).arg(&self.mounted)).expect("the image can be shut down");
    }

    /// Unmounts what is left, and mounts it as after a start of the machine.
    fn again(&self) {
        self.unmount().expect("it can be unmounted");
        self.mount().expect("it mounts again, as ext4 promises");
    }

    /// Unmounts it, where nobody has a file of it open.
    pub(crate) fn try_unmount(&self) -> Result<(), String> {
        run_it(Command::new("umount").arg(&self.mounted))
    }

    fn unmount(&self) -> Result<(), String> {
        let mut last = Ok(());
        for _ in 0..TRIES {
            last = self.try_unmount();
            if last.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        last
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A disk that was never mounted, or a test that failed half way: nothing more can be done about it.
        let _ = self.try_unmount();
    }
}

pub(crate) fn run_it(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().display().to_string();
    let done = command.output().map_err(|e| format!("{name}: {e}"))?;
    if done.status.success() {
        Ok(())
    } else {
        Err(format!("{name}: {}", String::from_utf8_lossy(&done.stderr).trim()))
    }
}
