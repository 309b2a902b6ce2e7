//! The process is ended with SIGKILL at random moments, start-up included; the same state folder is carried over.

use std::time::{Duration, Instant};

use fastrand::Rng;
use vhr_agent::demo::exports::ExportFile;

use super::{Judge, Tally, Wrong};
use crate::harness::{Service, Wish, World, plain};

/// No moment is waited for longer than this: then the kill comes at another.
const PATIENCE: Duration = Duration::from_secs(20);
/// New files per round, at most.
pub(super) const FILES: usize = 4;

/// How much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// So many kills.
    pub(crate) kills: usize,
    /// Everything is asked after so many.
    pub(crate) look_every: usize,
    /// Of the moments.
    pub(crate) seed: u64,
    /// What becomes of source files.
    pub(crate) source: &'static str,
}

/// Where in its life the process is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before it has said anything.
    Starting,
    /// While files are being taken in.
    TakingIn,
    /// While deliveries are on their way.
    Delivering,
    /// Any.
    Any,
}

/// Kills it, asks it, and lets it end its work.
pub(crate) fn run(size: Size) -> Tally {
    let world = World::with(Wish {
        source: size.source,
        ..Wish::default()
    });
    let files = plain(size.seed, size.kills * FILES);
    let mut judge = Judge::new(&format!("SIGKILL at random moments ({})", size.source));
    let mut rng = Rng::with_seed(size.seed);
    let mut next = files.iter();
    let mut in_the_middle = 0;
    for kill in 0..size.kills {
        let few: Vec<ExportFile> = next.by_ref().take(rng.usize(1..=FILES)).cloned().collect();
        judge.drop_in(&world, &few);
        let moment = Moment::any(&mut rng);
        let before = arrived(&world);
        let mut service = world.start_telling(&["run"]);
        moment.wait_for(few.len(), &world, &mut service, &mut rng);
        let by_itself = !service.is_running();
        if kill % size.look_every == 0 {
            judge.told(&world);
        }
        let done = service.kill();
        judge.said(&done.err);
        judge.tally.cuts += 1;
        in_the_middle += usize::from(arrived(&world) > before);
        if by_itself {
            let what = format!("kill {kill}: it had ended by itself with {:?}: {}", done.code, done.err);
            judge.tally.found(Wrong::WouldNotStart, &what);
        }
        if kill % size.look_every == size.look_every - 1 {
            judge.look(&world, &format!("after kill {kill} ({moment:?})"));
        }
    }
    judge.end(&world);
    eprintln!(
        "{} kills, {in_the_middle} of them after something had arrived in the round",
        size.kills
    );
    // Else the kills came too early to say anything.
    assert!(
        in_the_middle > size.kills / 4,
        "only {in_the_middle} kills came after a delivery"
    );
    judge.tally
}

fn arrived(world: &World) -> u64 {
    world.gateway.accepted_count() as u64 + world.fhir.transactions()
}

impl Moment {
    pub(super) fn any(rng: &mut Rng) -> Self {
        match rng.u8(0..8) {
            0 | 1 => Self::Starting,
            2 | 3 => Self::TakingIn,
            4..7 => Self::Delivering,
            _ => Self::Any,
        }
    }

    /// Waits for it: an event outside of the process, and some milliseconds on top. So many files are new.
    pub(super) fn wait_for(self, new: usize, world: &World, service: &mut Service, rng: &mut Rng) {
        let (left, before) = (Judge::left(world), arrived(world));
        // Each new visit goes to two: no more can be waited for.
        let some = rng.u64(1..=2 * new as u64);
        let end = Instant::now() + PATIENCE;
        let mut until = |come: &mut dyn FnMut() -> bool| {
            while !come() && service.is_running() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        match self {
            Self::Starting => return std::thread::sleep(Duration::from_millis(rng.u64(0..100))),
            Self::TakingIn => until(&mut || Judge::left(world) < left),
            Self::Delivering => until(&mut || arrived(world) >= before + some),
            Self::Any => return std::thread::sleep(Duration::from_millis(rng.u64(0..1500))),
        }
        std::thread::sleep(Duration::from_millis(rng.u64(0..60)));
    }
}
