//! The process is ended with SIGKILL at random moments, start-up included; the same state folder is carried over.

use std::time::{Duration, Instant};

use fastrand::Rng;
use vhr_agent::demo::exports::ExportFile;

use super::{Judge, Tally, Wrong};
use crate::harness::{Service, Wish, World, plain};

/// No moment is waited for longer than this: then the kill comes at another.
const PATIENCE: Duration = Duration::from_secs(20);
/// New files per round, at most.
const FILES: usize = 4;

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
enum Moment {
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
        let moment = match rng.u8(0..8) {
            0 | 1 => Moment::Starting,
            2 | 3 => Moment::TakingIn,
            4..7 => Moment::Delivering,
            _ => Moment::Any,
        };
        let before = arrived(&world);
        let mut service = world.start(&["run"]);
        // Each new visit goes to two: no more can be waited for.
        let some = rng.u64(1..=2 * few.len() as u64);
        wait_for(moment, some, &world, &mut service, &mut rng);
        let by_itself = !service.is_running();
        if kill % size.look_every == 0 {
            judge.told(&world);
        }
        let done = service.kill();
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

/// Waits for the moment: an event outside of the process, and some milliseconds on top.
fn wait_for(moment: Moment, some: u64, world: &World, service: &mut Service, rng: &mut Rng) {
    let (left, arrived_before) = (Judge::left(world), arrived(world));
    let end = Instant::now() + PATIENCE;
    let mut until = |come: &mut dyn FnMut() -> bool| {
        while !come() && service.is_running() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    match moment {
        Moment::Starting => return std::thread::sleep(Duration::from_millis(rng.u64(0..100))),
        Moment::TakingIn => until(&mut || Judge::left(world) < left),
        Moment::Delivering => until(&mut || arrived(world) >= arrived_before + some),
        Moment::Any => return std::thread::sleep(Duration::from_millis(rng.u64(0..1500))),
    }
    std::thread::sleep(Duration::from_millis(rng.u64(0..60)));
}
