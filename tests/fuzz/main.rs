//! `vhr-fuzz seeds DIR` writes what each fuzzer starts from; `vhr-fuzz slow DIR` looks among what they found for input that takes
//! longer than in proportion to its length.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use vhr_fuzz::{TARGETS, Target, stretched};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["seeds", dir] => seeds(Path::new(dir)).map(|()| true),
        ["slow", dir] => slow(Path::new(dir)),
        _ => Err(io::Error::other("vhr-fuzz seeds DIR | slow DIR")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

/// `DIR/<target>/seeds/…` and `DIR/<target>/words`, a dictionary of libFuzzer's.
fn seeds(dir: &Path) -> io::Result<()> {
    for target in TARGETS {
        let folder = dir.join(target.name).join("seeds");
        fs::create_dir_all(&folder)?;
        for (at, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("{at:04}")), seed)?;
        }
        let escaped = |word: &&str| {
            let bytes = word.bytes().map(|b| format!("\\x{b:02x}"));
            format!("\"{}\"\n", bytes.collect::<String>())
        };
        let words: String = target.words.iter().map(escaped).collect();
        fs::write(dir.join(target.name).join("words"), words)?;
    }
    Ok(())
}

/// For so long, inputs of each target are looked at.
const LOOKED: Duration = Duration::from_secs(8);
/// Each with so many stretches of it repeated.
const STRETCHES: usize = 3;
/// To so many bytes, and to eight times that.
const LENGTH: usize = 24 * 1024;
const TIMES: usize = 8;
/// Eight times the length may take up to so many times as long: caches are left behind, and a table grows.
const RATIO: u32 = 32;
/// What takes less is not looked at.
const NOTHING: Duration = Duration::from_millis(20);

fn slow(dir: &Path) -> io::Result<bool> {
    let mut well = true;
    for target in TARGETS {
        let mut rng = fastrand::Rng::with_seed(3176);
        let mut inputs = Vec::new();
        for folder in ["seeds", "found"] {
            let Ok(files) = fs::read_dir(dir.join(target.name).join(folder)) else {
                continue;
            };
            for file in files {
                inputs.push(fs::read(file?.path())?);
            }
        }
        inputs.retain(|input| !input.is_empty());
        rng.shuffle(&mut inputs);
        let mut worst = (0, Duration::ZERO);
        let (began, mut looked) = (Instant::now(), 0);
        for input in inputs.iter().take_while(|_| began.elapsed() < LOOKED) {
            looked += 1;
            for _ in 0..STRETCHES {
                let begin = rng.usize(..input.len());
                let end = (begin + 1 + rng.usize(..64)).min(input.len());
                let (ratio, took) = ratio(target, input, begin, end);
                worst = worst.max((ratio, took));
                if ratio > RATIO {
                    well = false;
                    let text = String::from_utf8_lossy(&input[begin..end]).into_owned();
                    println!(
                        "{}: {TIMES} times as long takes {ratio} times as long ({took:?}): {text:?} repeated",
                        target.name
                    );
                }
            }
        }
        println!(
            "{}: {} inputs, at most {} times for {TIMES} times the length",
            target.name, looked, worst.0
        );
    }
    Ok(well)
}

/// How many times as long the longer one takes, and how long that is.
fn ratio(target: &Target, input: &[u8], begin: usize, end: usize) -> (u32, Duration) {
    let times = LENGTH.div_ceil(end - begin);
    let short = stretched(input, begin, end, times);
    let long = stretched(input, begin, end, times * TIMES);
    let mut least = (u32::MAX, Duration::ZERO);
    // What is noise differs from time to time.
    for _ in 0..4 {
        let took = time(target, &long);
        if took < NOTHING {
            return (0, took);
        }
        let ratio = took.as_nanos() / time(target, &short).as_nanos().max(1);
        least = least.min((u32::try_from(ratio).unwrap_or(u32::MAX), took));
        if least.0 <= RATIO {
            break;
        }
    }
    least
}

fn time(target: &Target, input: &[u8]) -> Duration {
    let began = Instant::now();
    (target.run)(input);
    began.elapsed()
}
