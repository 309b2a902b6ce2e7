//! Power cuts, simulated: the recorded history is cut at syncs and after each word, and the real program started on what
//! survives.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fastrand::Rng;

use super::judge::{View, consistent};
use super::recording::{Recording, Told, wish};
use super::told::is_short_of;
use super::{Tally, Wrong};
use crate::harness::World;
use crate::replay::{Disk, Event, Model};

const MODELS: [Model; 4] = [Model::None, Model::Names, Model::Prefix, Model::Pages];

/// How much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Visits in the recorded history.
    pub(crate) visits: usize,
    /// States under each model.
    pub(crate) states: usize,
    /// More of them, the first start broken off: the earliest cuts there are, one by one, each worked to its end.
    pub(crate) first_starts: usize,
    /// Each so manieth of the others also does all its work to the end.
    pub(crate) to_the_end: usize,
    /// Of cuts and of what survives.
    pub(crate) seed: u64,
}

/// Records, cuts, starts, asks: a row for each model.
pub(crate) fn run(size: Size) -> Vec<Tally> {
    if !cfg!(target_os = "linux") {
        let why = Some("recording needs Linux".to_owned());
        eprintln!("simulated power cuts: not possible here, recording needs Linux");
        return vec![Tally {
            not_possible: why,
            ..Tally::of("power cut, simulated")
        }];
    }
    let recording = Recording::make(size.seed, size.visits);
    let Moments {
        said,
        syncs,
        first,
        open,
    } = Moments::of(&recording);
    let told = recording.told(recording.trace.events.len());
    eprintln!(
        "recorded: {} events, cuts at {} syncs ({} of them before the first word) and after {} words, {} with a delivery open; {} files accepted, {} deliveries said to have arrived",
        recording.trace.events.len(),
        syncs.len(),
        first.len(),
        said.len(),
        open.len(),
        told.accepted.len(),
        told.delivered.len()
    );
    // Else there was nothing to lose.
    assert!(
        !open.is_empty() && told.accepted.len() == size.visits && told.delivered.len() >= size.visits * 2 - 2,
        "the recording tells too little"
    );
    let world = World::with(wish());
    let mut rng = Rng::with_seed(size.seed);
    MODELS
        .map(|model| {
            let mut tally = Tally::of(format!("power cut, simulated: {}", in_words(model)));
            for nth in 0..size.states {
                let to_the_end = nth % size.to_the_end == size.to_the_end - 1;
                let from = match (to_the_end, rng.u8(0..4)) {
                    // Where something might be sent twice: it shows in doing it.
                    (true, 0 | 1) => &open,
                    (_, 0 | 2) => &said,
                    _ => &syncs,
                };
                let cut = from[rng.usize(0..from.len())];
                let chance = rng.u64(..);
                state(&recording, &world, cut, model, chance, to_the_end, &mut tally);
            }
            for nth in 0..size.first_starts {
                let cut = first[nth % first.len()];
                state(&recording, &world, cut, model, rng.u64(..), true, &mut tally);
            }
            tally
        })
        .into()
}

fn in_words(model: Model) -> &'static str {
    match model {
        Model::None => "nothing unsynced survives",
        Model::Names => "of the unsynced only names survive",
        Model::Prefix => "a torn beginning survives",
        Model::Pages => "any pages and names survive",
        Model::All => "all survives",
    }
}

/// Cuts of several kinds. Half of all are right after something was said.
struct Moments {
    /// After a word.
    said: Vec<usize>,
    /// Before and after a sync.
    syncs: Vec<usize>,
    /// Of these, those before anything was said.
    first: Vec<usize>,
    /// Any at which the gateway has taken something that nobody had been told of.
    open: Vec<usize>,
}

impl Moments {
    fn of(recording: &Recording) -> Self {
        let (mut said, mut syncs, mut first, mut open) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for cut in recording.trace.cuts() {
            let after_a_word = matches!(recording.trace.events[..cut].last(), Some(Event::Said(_)));
            if after_a_word { &mut said } else { &mut syncs }.push(cut);
            if said.is_empty() {
                first.push(cut);
            }
            let told = recording.told(cut);
            let by_gateway = |short: &&String| short.ends_with("@insurance");
            if told.at_gateway.len() > told.delivered.iter().filter(by_gateway).count() {
                open.push(cut);
            }
        }
        Self {
            said,
            syncs,
            first,
            open,
        }
    }
}

/// One state: made, started, asked. Where something is found, the state is kept: the next recording has other cuts.
fn state(
    recording: &Recording,
    world: &World,
    cut: usize,
    model: Model,
    chance: u64,
    to_the_end: bool,
    tally: &mut Tally,
) {
    tally.cuts += 1;
    let disk = Disk::after(&recording.trace, cut, model, &mut Rng::with_seed(chance));
    let mut sound = true;
    let mut found = |wrong, what: String| {
        sound = false;
        tally.found(wrong, &format!("cut {cut}, {model:?}, chance {chance}: {what}"));
    };
    // Where it works on: another world, whose receivers have seen nothing yet.
    let fresh = to_the_end.then(|| World::with(wish()));
    let in_doubt = judged(
        recording,
        &disk,
        cut,
        fresh.as_ref().unwrap_or(world),
        to_the_end,
        &mut found,
    );
    if !sound {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("found-{model:?}-{cut}-{chance}"));
        // That of an earlier run, perhaps.
        let _ = fs::remove_dir_all(&kept);
        disk.make(&kept).expect("a new folder under target");
        eprintln!("  as it was found: {}", kept.display());
    }
    tally.in_doubt += in_doubt;
}

/// Starts the program on what is left, and asks it. Gives how many are in doubt at the end.
fn judged(
    recording: &Recording,
    disk: &Disk,
    cut: usize,
    world: &World,
    to_the_end: bool,
    found: &mut impl FnMut(Wrong, String),
) -> usize {
    let (told, folder) = (recording.told(cut), world.path("state"));
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("our own folder");
    }
    disk.make(&folder).expect("our own folder");
    // Before its first sync there is nothing: as if it had never run.
    let before = if folder.exists() {
        View::of(world)
    } else {
        Ok(View::default())
    };
    let before = match before {
        Ok(view) => view,
        Err(why) => {
            found(Wrong::WouldNotStart, why);
            return 0;
        }
    };
    ask(recording, &told, &before, found);
    if to_the_end {
        finish(recording, &told, &before, world, found)
    } else {
        0
    }
}

/// What was accepted is there under the same id, what was confirmed has its receipt and does not wait.
fn ask(recording: &Recording, told: &Told, view: &View, found: &mut impl FnMut(Wrong, String)) {
    for name in &told.accepted {
        let key = recording.key(name);
        for endpoint in ["vhr", "insurance"] {
            let was = recording.end.delivery(&key, endpoint).map(|(id, _)| id);
            match view.delivery(&key, endpoint) {
                // The same id, and a copy of the file that still reads.
                Some((id, delivery)) if Some(id) == was && delivery.file == *name => {}
                is => {
                    let what = format!("{name}, {key} for {endpoint}: {is:?}, and was {was:?}");
                    found(Wrong::AcceptedLost, what);
                }
            }
        }
    }
    for short in &told.delivered {
        let mut ids = recording.end.receipts.keys();
        let id = ids.find(|id| is_short_of(short, id)).expect("it was delivered");
        if view.receipts.get(id) != recording.end.receipts.get(id) {
            found(Wrong::ReceiptsLost, format!("{id}: {:?}", view.receipts.get(id)));
        }
        if let Some(delivery) = view.deliveries.get(id)
            && delivery.state != "delivered"
        {
            found(Wrong::SentAgain, format!("{id} has arrived and is {}", delivery.state));
        }
    }
    // What the gateway has taken is never sent there again without a person's word.
    for key in &told.at_gateway {
        let is = view.delivery(key, "insurance");
        if is.is_none_or(|(_, delivery)| delivery.state == "waiting") {
            found(
                Wrong::SentAgain,
                format!("{key} is at the gateway and would be sent again: {is:?}"),
            );
        }
    }
    consistent(view, found);
}

/// All its work, to the end: everything arrives that had not, once; and nothing that had.
fn finish(
    recording: &Recording,
    told: &Told,
    before: &View,
    world: &World,
    found: &mut impl FnMut(Wrong, String),
) -> usize {
    for name in &told.present {
        world.drop_in(name, &recording.files[name].bytes);
    }
    let mut done = world.run(&["run", "--once", "--now"]);
    if done.code == Some(75) {
        // Something was to be tried again a little later.
        done = world.run(&["run", "--once", "--now"]);
    }
    if !matches!(done.code, Some(0 | 65)) {
        found(
            Wrong::WouldNotStart,
            format!("it ended with {:?}: {}", done.code, done.err),
        );
        return 0;
    }
    let after = match View::of(world) {
        Ok(view) => view,
        Err(why) => {
            found(Wrong::WouldNotStart, why);
            return 0;
        }
    };
    consistent(&after, found);
    let all: BTreeSet<String> = told
        .present
        .union(&told.accepted)
        .map(|name| recording.key(name))
        .collect();
    // At the FHIR server: exactly what had no receipt.
    let expected: BTreeSet<String> = all.difference(&before.confirmed("vhr")).cloned().collect();
    let encounters = world.encounters();
    let arrived: BTreeSet<String> = encounters.keys().cloned().collect();
    for key in expected.difference(&arrived) {
        found(Wrong::AcceptedLost, format!("{key} never arrived at the FHIR server"));
    }
    for key in arrived.difference(&expected) {
        found(
            Wrong::SentAgain,
            format!("{key} was confirmed and went to the FHIR server again"),
        );
    }
    for (key, versions) in encounters.iter().filter(|(_, versions)| **versions != [1]) {
        found(Wrong::SentAgain, format!("{key} is there in versions {versions:?}"));
    }
    // At the gateway: at most once, all runs together.
    let confirmed = before.confirmed("insurance");
    for (key, times) in world.claims() {
        if times > 1 || confirmed.contains(&key) || told.at_gateway.contains(&key) {
            found(
                Wrong::SentAgain,
                format!("{key} is at the gateway {times} times, and was before"),
            );
        }
    }
    let (doubtful, fhir, gateway) = (after.in_doubt(), after.confirmed("vhr"), after.confirmed("insurance"));
    for key in &all {
        if !fhir.contains(key) {
            found(
                Wrong::AcceptedLost,
                format!("{key} has no receipt of the FHIR server at the end"),
            );
        }
        if doubtful.contains(key) == gateway.contains(key) {
            let what = format!(
                "{key}: receipt of the gateway {}, and in doubt the same",
                gateway.contains(key)
            );
            found(Wrong::AcceptedLost, what);
        }
    }
    doubtful.len()
}
