//! Exports, and how a HIS puts them into the folder. All people in them are invented.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use vhr_agent::demo::exports::{ExportFile, Fate, Oddity, Options, generate};

/// So many textbook files of one visit each.
pub(crate) fn plain(seed: u64, visits: usize) -> Vec<ExportFile> {
    generate(&Options::plain(seed, visits)).collect()
}

/// One textbook file of one visit.
pub(crate) fn one_visit(seed: u64) -> ExportFile {
    plain(seed, 1).remove(0)
}

/// One odd file. With the same seed its first visit is that of [`one_visit`], in another wrapping.
pub(crate) fn odd(seed: u64, oddity: Oddity) -> ExportFile {
    let visits = match oddity {
        Oddity::ManyRecords | Oddity::Hiv => 3,
        Oddity::WrongCount | Oddity::SignedMany => 2,
        _ => 1,
    };
    let options = Options {
        oddities: vec![oddity],
        ..Options::plain(seed, visits)
    };
    generate(&options).next().expect("there is room for one odd file")
}

/// The same file with one text replaced; for files whose tables are not in base64.
#[track_caller]
pub(crate) fn changed(file: &ExportFile, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(file.bytes.clone()).expect("the file is UTF-8");
    assert!(text.contains(from), "{from:?} is not in the file");
    text.replacen(from, to, 1).into_bytes()
}

/// The visits that must arrive, of all these files; each once, in however many versions.
pub(crate) fn whole_keys(files: &[ExportFile]) -> Vec<String> {
    let visits = files.iter().flat_map(|file| &file.visits);
    let whole = visits.filter(|visit| visit.fate == Fate::Ok);
    let mut keys: Vec<String> = whole.filter_map(|visit| visit.key.clone()).collect();
    keys.dedup();
    keys
}

/// As a careful HIS does it: under another name first, then renamed. Dated some minutes ago, so that one look is enough.
pub(crate) fn drop_in(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let (part, path) = (folder.join(format!("{name}.part")), folder.join(name));
    fs::write(&part, bytes).expect("the export folder can be written");
    age(&part);
    fs::rename(&part, &path).expect("the export can be renamed");
    path
}

/// As if it had been written some minutes ago.
pub(crate) fn age(path: &Path) {
    let earlier = SystemTime::now() - Duration::from_secs(600);
    let file = File::options().append(true).open(path).expect("the file is there");
    file.set_modified(earlier).expect("its time can be set");
}
