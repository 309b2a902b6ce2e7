//! What must hold for any input whatsoever, one module for each door that input from outside comes through.
//!
//! Each target has `run`, which takes any bytes and panics where something does not hold, and `seeds`, from which a fuzzer starts.
//! `tests/fuzz/run` runs the fuzzers (libFuzzer) for a while each, then measures whether what they found takes longer than it
//! should. `cargo test` tries every target on its seeds and on a few thousand changed ones, the same each time.
//! What stays true: no target reads a clock or a random source; the same bytes do the same.

#[cfg(test)]
mod bad_input;
#[path = "targets/bundle.rs"]
pub mod bundle;
pub mod bytes;
#[path = "targets/frame.rs"]
pub mod frame;
pub mod invented;
#[path = "targets/packs.rs"]
pub mod packs;
#[path = "targets/rules.rs"]
pub mod rules;
#[path = "targets/signature.rs"]
pub mod signature;
#[path = "targets/spoiled.rs"]
pub mod spoiled;
#[path = "targets/structure.rs"]
pub mod structure;
#[path = "targets/tables.rs"]
pub mod tables;

/// One door.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As its binary is called.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub run: fn(&[u8]),
    /// From which a fuzzer starts.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that stand in its input.
    pub words: &'static [&'static str],
}

macro_rules! targets {
    ($($name:ident)*) => {
        /// All of them.
        pub const TARGETS: &[Target] = &[$(Target {
            name: stringify!($name),
            run: $name::run,
            seeds: $name::seeds,
            words: $name::WORDS,
        }),*];
    };
}
targets!(frame tables spoiled rules packs structure bundle signature);

/// An input with a stretch of it repeated: `before`, so many times what stands from there to `end`, and the rest.
pub fn stretched(input: &[u8], begin: usize, end: usize, times: usize) -> Vec<u8> {
    [&input[..begin], &input[begin..end].repeat(times), &input[end..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(input: &[u8], rng: &mut fastrand::Rng, words: &[&str]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..rng.usize(1..8) {
            let at = rng.usize(..=bytes.len());
            let end = bytes.len().min(at + rng.usize(1..40));
            match rng.u8(..6) {
                0 => bytes.insert(at, rng.u8(..)),
                1 => _ = bytes.drain(at..end),
                2 if at < end => bytes = stretched(&bytes, at, end, rng.usize(2..20)),
                3 if at < bytes.len() => bytes[at] = rng.u8(..),
                4 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
                _ => {
                    let word = rng.choice(words).map_or(&[][..], |word| word.as_bytes());
                    _ = bytes.splice(at..at, word.iter().copied());
                }
            }
        }
        bytes
    }

    fn holds(name: &str) {
        let target = TARGETS.iter().find(|target| target.name == name).unwrap();
        let seeds = (target.seeds)();
        assert!(seeds.len() >= 3 && seeds.iter().all(|seed| seed.len() < 256 * 1024));
        let mut rng = fastrand::Rng::with_seed(3176);
        for seed in &seeds {
            (target.run)(seed);
        }
        for _ in 0..300 {
            let seed = rng.choice(&seeds).unwrap();
            (target.run)(&changed(seed, &mut rng, target.words));
        }
    }

    macro_rules! holds {
        ($($test:ident $name:literal)*) => {
            $(#[test]
            fn $test() {
                holds($name);
            })*
        };
    }
    holds! {
        whatever_is_framed_holds "frame"
        whatever_is_read_as_tables_holds "tables"
        whatever_is_repaired_holds "spoiled"
        whatever_is_checked_holds "rules"
        whatever_is_read_as_rules_holds "packs"
        whatever_is_checked_as_fhir_holds "structure"
        whatever_becomes_a_bundle_holds "bundle"
        whatever_is_signed_holds "signature"
    }
}
