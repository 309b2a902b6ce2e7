//! Damage on the disk: every file of the state folder, every kind of damage, one at a time.
//!
//! The folder holds visits that were delivered, some before the last snapshot and some after it, one that waits for a person, a
//! file that was set aside, and visits that wait, some for both receivers and some for one. Each case begins with a copy of that
//! folder and with receivers that have never heard of anything: whatever arrives is what was sent from this folder on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;

use super::{Tally, Wrong};
use crate::harness::{Wish, World, eventually, files_below, plain, whole_keys};

/// A window that does not come by itself.
const NEVER: &str = "schedule = \"0 0 0 1 1 *\"";
/// Text that is not ours.
const FOREIGN: &[u8] = b"ghi ch\xc3\xba c\xe1\xbb\xa7a ai \xc4\x91\xc3\xb3 (somebody's note)\n";
const ENDPOINTS: [&str; 2] = ["vhr", "insurance"];

/// How much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// So many cases, chosen by the seed, at least one of each kind of damage on each kind of file; none: all.
    pub(crate) cases: Option<usize>,
    /// Of the places that are hit.
    pub(crate) seed: u64,
    /// Only where the case's name has this in it.
    pub(crate) only: Option<&'static str>,
}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// One bit, in this third of what is written in it.
    Flip(usize),
    Half,
    Empty,
    Zeros,
    Missing,
    Folder,
    Foreign,
    /// Nothing was there; somebody puts a file there.
    ExtraFile,
    /// Nothing was there; somebody puts a folder there, with a file in it.
    ExtraFolder,
}

const KINDS: [Kind; 9] = [
    Kind::Flip(0),
    Kind::Flip(1),
    Kind::Flip(2),
    Kind::Half,
    Kind::Empty,
    Kind::Zeros,
    Kind::Missing,
    Kind::Folder,
    Kind::Foreign,
];

/// What somebody may put where nothing of ours is.
const EXTRA: [&str; 14] = [
    "notes.txt",
    "journal/00000009",
    "journal/99999999",
    "journal/notes.txt",
    "snapshots/00000009",
    "snapshots/99999999",
    "snapshots/notes.txt",
    "spool/in/notes.txt",
    "spool/in/0000000000000000000000000000000000000000000000000000000000000000",
    "spool/out/notes.txt",
    "spool/out/0000000000000000000000000000000000000000000000000000000000000000",
    "spool/tmp/0",
    "index/notes.txt",
    "quarantine/notes.txt",
];

/// One damage.
#[derive(Debug, Clone)]
struct Case {
    /// Below the state folder.
    file: PathBuf,
    kind: Kind,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.file.display(), self.kind)
    }
}

/// The state folder before any damage, and what is known of it.
struct Template {
    world: World,
    /// Visits that wait, by endpoint.
    waiting: BTreeMap<&'static str, BTreeSet<String>>,
    /// Delivered since the last snapshot.
    since: BTreeSet<String>,
    receipts: BTreeSet<Row>,
    /// The journal's file behind the last snapshot.
    last: PathBuf,
    /// The snapshot before the newest.
    older: PathBuf,
}

/// Of a receipt: endpoint, visit, reference, record.
type Row = [String; 4];

/// Damages and judges.
pub(crate) fn run(size: Size) -> Tally {
    let template = Template::make();
    let cases = cases(&template, size);
    let tally = Mutex::new(Tally::of("damage: every file, every kind"));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let found = judge(&template, case, size.seed);
                    let mut tally = tally.lock().expect("no judge panics here");
                    tally.cuts += 1;
                    for (wrong, what) in found {
                        tally.found(wrong, &format!("{case}: {what}"));
                    }
                }
            });
        }
    });
    tally.into_inner().expect("no judge panics here")
}

fn wish(fhir: Option<&str>, gateway: &str) -> Wish {
    Wish {
        fhir: fhir.map(str::to_owned),
        gateway: Some(gateway.into()),
        ..Wish::default()
    }
}

fn rows(world: &World) -> Result<BTreeSet<Row>, String> {
    let done = world.run(&["receipts"]);
    if done.code != Some(0) {
        return Err(format!("`receipts` ended with {:?}: {}", done.code, done.err));
    }
    let lines = done.out.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    Ok(lines
        .map(|cells| [cells[1], cells[3], cells[5], cells[9]].map(str::to_owned))
        .collect())
}

/// The visits of which a person is asked whether they were sent.
fn in_doubt(world: &World) -> BTreeSet<String> {
    let parked = world.listed("parked").into_iter();
    let asked = parked.filter(|row| row["detail"]["kind"] == "in-doubt");
    asked
        .filter_map(|row| Some(row["key"].as_str()?.rsplit('/').next()?.to_owned()))
        .collect()
}

impl Template {
    fn make() -> Self {
        let world = World::with(wish(Some(""), ""));
        let files = plain(7001, 12);
        let keys = whole_keys(&files);
        world.gateway.refuse([keys[0].clone()]);
        world.drop_all(&files[..3]);
        world.drop_in("hong.xml", b"<GIAMDINHHS><THONGTINDONVI>");
        world.once().with(65);
        // Each new key begins a new file of the journal.
        world.run(&["key", "rotate"]).with(0);
        world.configure(&wish(Some(NEVER), NEVER));
        world.drop_all(&files[3..6]);
        world.once().with(75);
        world.run(&["key", "rotate"]).with(0);
        // What waits goes as soon as its endpoint has no schedule.
        for (wish, files, receipts, waiting) in [
            (wish(Some(NEVER), ""), &files[6..8], 10, 5),
            (wish(None, ""), &files[8..10], 12, 5),
            (wish(Some(NEVER), NEVER), &files[10..], 12, 9),
        ] {
            world.configure(&wish);
            let service = world.service();
            world.drop_all(files);
            eventually("they have arrived, or wait", || {
                world.receipts().len() == receipts && world.listed("waiting").len() == waiting
            });
            service.kill();
        }
        let within = |folder: &str| {
            let entries = fs::read_dir(world.path("state").join(folder)).unwrap().flatten();
            let mut files: Vec<PathBuf> = entries.map(|entry| Path::new(folder).join(entry.file_name())).collect();
            files.sort();
            files
        };
        let (journal, snapshots) = (within("journal"), within("snapshots"));
        assert_eq!((journal.len(), snapshots.len()), (3, 2));
        let template = Self {
            waiting: BTreeMap::from([
                ("vhr", keys[3..8].iter().chain(&keys[10..]).cloned().collect()),
                ("insurance", keys[10..].iter().cloned().collect()),
            ]),
            since: keys[3..10].iter().cloned().collect(),
            receipts: rows(&world).expect("they read"),
            last: journal[2].clone(),
            older: snapshots[0].clone(),
            world,
        };
        assert_eq!(template.receipts.len(), 12);
        template
    }

    fn state(&self) -> PathBuf {
        self.world.path("state")
    }

    /// What is of no use is not looked for, and what was missing and was made anew leaves nothing to tell.
    fn must_be_told(&self, case: &Case) -> bool {
        let is_in = |folder: &str| case.file.starts_with(folder);
        let harmless = match case.kind {
            // The head of a journal's file says nothing that its frames need.
            Kind::Flip(0) => is_in("journal"),
            // The last write before a kill: an interrupted one may leave the same.
            Kind::Flip(2) => case.file == self.last,
            // The one before it took its place; a copy was made anew from its source file, a batch from the copy.
            Kind::Missing => is_in("snapshots") || is_in("spool"),
            _ => false,
        };
        let older = case.file == self.older;
        ["journal", "snapshots", "spool/in", "spool/out"].into_iter().any(is_in) && !older && !harmless
    }

    /// A hospital of its own with a copy of the folder, and the same exports.
    fn copy(&self, hit: &Path) -> World {
        let world = World::with(wish(Some(""), ""));
        let exports = |world: &World| world.exports().display().to_string();
        let config = fs::read_to_string(world.config()).unwrap();
        let shared = config.replace(&exports(&world), &exports(&self.world));
        assert_ne!(config, shared);
        fs::write(world.config(), shared).unwrap();
        let to = world.path("state");
        fs::create_dir(&to).unwrap();
        for path in files_below(&self.state()).into_iter().rev() {
            let below = path.strip_prefix(self.state()).expect("it is below");
            let there = to.join(below);
            if path.is_dir() {
                fs::create_dir_all(there).unwrap();
            } else if below == Path::new("control.sock") {
                drop(UnixListener::bind(there).unwrap());
            } else if below == Path::new("ballast") && hit != below {
                // It is large, and never written to once it is whole.
                fs::hard_link(path, there).unwrap();
            } else {
                fs::create_dir_all(there.parent().expect("it is below")).unwrap();
                fs::copy(path, there).unwrap();
            }
        }
        world
    }
}

/// The files that are alike in what they are for.
fn class(file: &Path) -> String {
    let first = file.components().next().expect("a name").as_os_str().to_string_lossy();
    match first.as_ref() {
        "journal" | "snapshots" => file.display().to_string(),
        "spool" => file.parent().expect("it is in a folder").display().to_string(),
        "index" => first.into_owned(),
        name => name.to_owned(),
    }
}

fn cases(template: &Template, size: Size) -> Vec<Case> {
    let state = template.state();
    let mut cases = Vec::new();
    for path in files_below(&state).into_iter().filter(|path| !path.is_dir()) {
        let file = path.strip_prefix(&state).expect("it is below").to_owned();
        let kinds = KINDS.into_iter();
        // Nothing is written in a socket.
        let kinds = kinds.filter(|kind| file != Path::new("control.sock") || *kind >= Kind::Missing);
        cases.extend(kinds.map(|kind| Case {
            file: file.clone(),
            kind,
        }));
    }
    for file in EXTRA {
        cases.extend([Kind::ExtraFile, Kind::ExtraFolder].map(|kind| Case {
            file: file.into(),
            kind,
        }));
    }
    cases.retain(|case| size.only.is_none_or(|only| case.to_string().contains(only)));
    cases.sort_by_key(|case| (case.file.clone(), case.kind));
    let Some(few) = size.cases else { return cases };
    Rng::with_seed(size.seed).shuffle(&mut cases);
    // First one of each sort.
    let mut sorts = BTreeSet::new();
    let (mut chosen, rest): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(|case| {
        sorts.insert((
            class(&case.file),
            std::mem::discriminant(&case.kind).eq(&std::mem::discriminant(&Kind::Flip(0))),
        ))
    });
    chosen.extend(rest);
    chosen.truncate(few);
    chosen
}

/// Does it.
fn damage(state: &Path, case: &Case, seed: u64) {
    let path = state.join(&case.file);
    let bytes = fs::read(&path).unwrap_or_default();
    // Room in reserve holds nothing.
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    match case.kind {
        Kind::Flip(third) => {
            let mut bytes = bytes;
            let name: u64 = case.file.display().to_string().bytes().map(u64::from).sum();
            let mut rng = Rng::with_seed(seed ^ name);
            let (from, to) = (written * third / 3, (written * (third + 1) / 3).max(1));
            if let Some(byte) = bytes.get_mut(rng.usize(from.min(to - 1)..to)) {
                *byte ^= 1 << rng.u8(0..8);
            }
            fs::write(&path, bytes).unwrap();
        }
        Kind::Half => fs::write(&path, &bytes[..written / 2]).unwrap(),
        Kind::Empty => fs::write(&path, b"").unwrap(),
        Kind::Zeros => fs::write(&path, vec![0; bytes.len()]).unwrap(),
        Kind::Missing => fs::remove_file(&path).unwrap(),
        Kind::Foreign => {
            fs::remove_file(&path).unwrap();
            fs::write(&path, FOREIGN).unwrap();
        }
        Kind::Folder | Kind::ExtraFolder => {
            let _ = fs::remove_file(&path);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("notes.txt"), FOREIGN).unwrap();
        }
        Kind::ExtraFile => {
            fs::create_dir_all(path.parent().expect("it is below")).unwrap();
            fs::write(&path, FOREIGN).unwrap();
        }
    }
}

/// One case, from the damage to the last question.
fn judge(template: &Template, case: &Case, seed: u64) -> Vec<(Wrong, String)> {
    let world = template.copy(&case.file);
    damage(&world.path("state"), case, seed);
    let mut found = Vec::new();
    let mut run = || {
        let done = world.run(&["run", "--once", "--now"]);
        if !matches!(done.code, Some(0 | 65 | 75)) {
            found.push((
                Wrong::WouldNotStart,
                format!("it ended with {:?}: {}", done.code, done.err),
            ));
        }
        done.code
    };
    // A copy is made anew when its source file is seen again: then it is sent at the next pass.
    run();
    if run() == Some(75) {
        found.push((Wrong::AcceptedLost, "something still waits after two passes".into()));
    }
    let receipts = rows(&world).unwrap_or_else(|why| {
        found.push((Wrong::ReceiptsLost, why));
        BTreeSet::new()
    });
    let in_journal = case.file.starts_with("journal") && case.kind < Kind::ExtraFile;
    // Whose visit it was of is told by the batch, and where that lies by the journal.
    let nameless = in_journal;
    let told = |row: &Row| {
        let same =
            |other: &Row| (0..4).all(|nth| row[nth] == other[nth] || (nth == 1 && nameless && other[1].is_empty()));
        receipts.iter().any(same)
    };
    for row in template.receipts.iter().filter(|row| !in_journal && !told(row)) {
        found.push((Wrong::ReceiptsLost, format!("{row:?}")));
    }
    let arrived = |endpoint: &str| -> BTreeMap<String, usize> {
        match endpoint {
            "vhr" => {
                let all = world.encounters().into_iter();
                all.map(|(key, versions)| (key, versions.iter().sum::<u32>() as usize))
                    .collect()
            }
            _ => world.claims().into_iter().collect(),
        }
    };
    // What the journal's last file told is not known any more: where sending twice does harm, a person is asked.
    let may_ask = case.file == template.last && in_journal;
    let asked = if may_ask { in_doubt(&world) } else { BTreeSet::new() };
    for endpoint in ENDPOINTS {
        let arrived = arrived(endpoint);
        let waited = &template.waiting[endpoint];
        let is_asked = |key: &String| endpoint == "insurance" && asked.contains(key);
        for key in waited {
            match arrived.get(key) {
                Some(1) => {}
                None if is_asked(key) => continue,
                None => found.push((Wrong::AcceptedLost, format!("{key} did not arrive at {endpoint}"))),
                Some(times) => found.push((Wrong::SentAgain, format!("{key} arrived {times} times at {endpoint}"))),
            }
            let named = |row: &&Row| row[1] == *key || (nameless && row[1].is_empty());
            if !receipts.iter().filter(named).any(|row| row[0] == endpoint) {
                found.push((Wrong::ReceiptsLost, format!("{key} has no receipt of {endpoint}")));
            }
        }
        for key in arrived.keys().filter(|key| !waited.contains(*key)) {
            // Nothing else knew of it for certain, and there it does no harm.
            let only_there = may_ask && endpoint == "vhr" && template.since.contains(key);
            if !only_there {
                found.push((Wrong::SentAgain, format!("{key} went to {endpoint} again")));
            }
        }
    }
    let done = world.run(&["queue", "verify", "--json"]);
    match done.code {
        Some(0 | 1) if !done.out.is_empty() => {
            let told = done.json()["findings"].as_array().map_or(0, Vec::len);
            if told == 0 && template.must_be_told(case) {
                found.push((Wrong::NotTold, "`queue verify` finds nothing".into()));
            }
        }
        code => found.push((
            Wrong::WouldNotStart,
            format!("`queue verify` ended with {code:?}: {}", done.err),
        )),
    }
    found
}
