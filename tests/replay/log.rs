//! Reads the recorder's log; and adds what the test itself did, between runs.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// One record. Paths are from the root; handles are those of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// A process began: its handles are new.
    Start,
    Open {
        handle: u64,
        flags: u64,
        path: String,
    },
    Write {
        handle: u64,
        at: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        handle: u64,
        length: u64,
    },
    Allocate {
        handle: u64,
        mode: u64,
        at: u64,
        length: u64,
    },
    Sync {
        handle: u64,
    },
    SyncData {
        handle: u64,
    },
    /// Not a promise of anything.
    SyncRange,
    Rename {
        from: String,
        to: String,
    },
    Link {
        from: String,
        to: String,
    },
    Remove {
        path: String,
    },
    MakeFolder {
        path: String,
    },
    /// Said on stderr.
    Said(String),
    /// Done by the test.
    Note(String),
}

/// All of it: each record, and where it ends in the file.
pub(crate) fn read(log: &[u8]) -> Vec<(u64, Op)> {
    let mut ops = Vec::new();
    let mut rest = log;
    while !rest.is_empty() {
        let mut fields = Fields(rest);
        let length = fields.word() as usize;
        let mut record = Fields(&rest[4..4 + length]);
        rest = &rest[4 + length..];
        ops.push(((log.len() - rest.len()) as u64, record.op()));
        assert!(record.0.is_empty(), "a record is longer than its fields");
    }
    ops
}

/// Adds what the test did, where the next process goes on.
pub(crate) fn note(log: &Path, text: &str) -> io::Result<()> {
    let mut record = vec![b'n'];
    record.extend_from_slice(&(text.len() as u32).to_le_bytes());
    record.extend_from_slice(text.as_bytes());
    let mut whole = (record.len() as u32).to_le_bytes().to_vec();
    whole.append(&mut record);
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)?
        .write_all(&whole)
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn op(&mut self) -> Op {
        let kind = self.take(1)[0];
        match kind {
            b'S' => Op::Start,
            b'o' => Op::Open {
                handle: self.number(),
                flags: self.number(),
                path: self.text(),
            },
            b'w' => Op::Write {
                handle: self.number(),
                at: self.number(),
                bytes: self.bytes().to_vec(),
            },
            b't' => Op::Truncate {
                handle: self.number(),
                length: self.number(),
            },
            b'a' => Op::Allocate {
                handle: self.number(),
                mode: self.number(),
                at: self.number(),
                length: self.number(),
            },
            b'f' => Op::Sync { handle: self.number() },
            b'd' => Op::SyncData { handle: self.number() },
            b'g' => {
                self.number();
                Op::SyncRange
            }
            b'r' => Op::Rename {
                from: self.text(),
                to: self.text(),
            },
            b'l' => Op::Link {
                from: self.text(),
                to: self.text(),
            },
            b'u' => Op::Remove { path: self.text() },
            b'm' => Op::MakeFolder { path: self.text() },
            b'e' => Op::Said(self.text()),
            b'n' => Op::Note(self.text()),
            other => panic!("no record of kind {other} is known"),
        }
    }

    fn take(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().expect("eight bytes"))
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().expect("four bytes"))
    }

    fn bytes(&mut self) -> &[u8] {
        let count = self.word() as usize;
        self.take(count)
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}
