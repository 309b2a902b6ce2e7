//! One misbehaving plugin, many modes: a record's text says how to misbehave on it.
//!
//! Never installed. It stands for what a careless or hostile vendor might send, so that the sandbox has something to
//! hold. What cannot be said in Rust (code that runs before `open`, say) stands in the host's tests as WebAssembly text.
#![allow(
    missing_docs,
    unsafe_code,
    reason = "generated code; and a guest may do what it likes to itself"
)]

use std::sync::Mutex;

use exports::vhr::mapper::transform::{Answer, Context, Failure, Guest, SourceRecord};
use vhr::mapper::types::{Claim, FhirResource, Mapped, Outcome, Payload, Visit};
use vhr::mapper::{host, terminology};

wit_bindgen::generate!({ path: "../../wit/v1", world: "mapper" });

struct Hostile;
export!(Hostile);

/// Answers kept for `finish`.
static LATE: Mutex<Vec<Answer>> = Mutex::new(Vec::new());
/// Memory never given back.
static HOARD: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

impl Guest for Hostile {
    fn open(context: Context) -> Result<(), Failure> {
        match context.config_json.as_str() {
            "open: fail" => Err(failure()),
            "open: loop" => spin(),
            _ => Ok(()),
        }
    }

    fn map_batch(batch: Vec<SourceRecord>) -> Result<Vec<Answer>, Failure> {
        let mut answers = Vec::new();
        for record in batch {
            map(record, &mut answers)?;
        }
        Ok(answers)
    }

    fn finish() -> Result<Vec<Answer>, Failure> {
        Ok(std::mem::take(&mut *LATE.lock().expect("one thread")))
    }
}

fn map(record: SourceRecord, answers: &mut Vec<Answer>) -> Result<(), Failure> {
    let Payload::Text(mode) = &record.payload else {
        return Err(failure());
    };
    let seq = record.seq;
    let late = |answer| LATE.lock().expect("one thread").push(answer);
    match mode.as_str() {
        "loop" => spin(),
        "recurse" => drop(recurse(seq)),
        "panic" => panic!("on purpose"),
        "fail" => return Err(failure()),
        "grow" => loop {
            HOARD.lock().expect("one thread").push(Vec::with_capacity(1 << 20));
        },
        "hoard" => HOARD.lock().expect("one thread").push(Vec::with_capacity(20 << 20)),
        "flood" => (0..500).for_each(|n| host::log("info", &format!("\u{1b}[31mline {n}"), &[])),
        "log for ever" => loop {
            host::log("info", "", &[]);
        },
        "log much" => host::log("info", &"x".repeat(100_000), &[]),
        "translate for ever" => loop {
            terminology::translate("", &[]);
        },
        "translate" => {
            let known = terminology::translate("sex", &["1".to_owned(), "2".to_owned()]);
            host::log("debug", &format!("{known:?}"), &[("seq".to_owned(), seq.to_string())]);
        }
        "missing" => return Ok(()),
        "twice" => answers.push(answer(seq, "1".to_owned())),
        "foreign" => {
            answers.push(answer(seq + 1000, mode.clone()));
            return Ok(());
        }
        "late" => {
            late(answer(seq, mode.clone()));
            return Ok(());
        }
        "late and twice" => late(answer(seq, mode.clone())),
        "late, before the others" => {
            LATE.lock().expect("one thread").insert(0, answer(seq, mode.clone()));
            return Ok(());
        }
        "huge" => {
            answers.push(answer(seq, "x".repeat(40 << 20)));
            return Ok(());
        }
        "not UTF-8" => {
            let text = unsafe { String::from_utf8_unchecked(vec![b'a', 0xff]) };
            answers.push(answer(seq, text));
            return Ok(());
        }
        _ => {}
    }
    answers.push(answer(seq, mode.clone()));
    Ok(())
}

fn answer(seq: u32, json: String) -> Answer {
    let resource = FhirResource {
        resource_type: "Basic".to_owned(),
        key: seq.to_string(),
        json,
        ext: Vec::new(),
    };
    let visit = Visit {
        facility: "79999".to_owned(),
        key: seq.to_string(),
        ended: None,
        classes: Vec::new(),
        ext: Vec::new(),
    };
    let mapped = Mapped {
        visit,
        resources: vec![resource],
        claim: Claim::None,
        issues: Vec::new(),
        ext: Vec::new(),
    };
    Answer {
        seq,
        outcome: Outcome::Mapped(mapped),
    }
}

fn failure() -> Failure {
    Failure {
        code: "NO-TABLE".to_owned(),
        message: "\u{1b}[2Jthe table is missing".to_owned(),
    }
}

fn spin() -> ! {
    loop {
        std::hint::black_box(0);
    }
}

fn recurse(n: u32) -> u32 {
    if n == u32::MAX {
        0
    } else {
        std::hint::black_box(recurse(std::hint::black_box(n.wrapping_mul(2)))) + 1
    }
}
