//! A window sliding over the stream: what was kept, where we are, what was read ahead.
//!
//! The buffer grows with what is kept and never beyond the given cap plus one chunk; everything before `keep` is let go.

use std::io::{self, ErrorKind, Read};

use super::text::{Facts, Text};

const CHUNK: usize = 64 * 1024;

pub(super) struct Window<R> {
    text: Text<R>,
    buf: Vec<u8>,
    keep: usize,
    at: usize,
    filled: usize,
    ended: bool,
    /// Bytes of the stream before `buf[0]`.
    gone: u64,
    line: u64,
    counted: usize,
    cap: usize,
}

impl<R: Read> Window<R> {
    pub(super) fn new(input: R, cap: usize) -> io::Result<Self> {
        let text = Text::new(input)?;
        let buf = vec![0; 4 * CHUNK];
        Ok(Self {
            text,
            buf,
            keep: 0,
            at: 0,
            filled: 0,
            ended: false,
            gone: 0,
            line: 1,
            counted: 0,
            cap,
        })
    }

    pub(super) fn facts(&self) -> Facts {
        self.text.facts()
    }

    /// What lies ahead and is already here.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buf[self.at..self.filled]
    }

    /// What was passed since the last [`Self::release`].
    pub(super) fn kept(&self) -> &[u8] {
        &self.buf[self.keep..self.at]
    }

    pub(super) fn advance(&mut self, by: usize) {
        self.at = (self.at + by).min(self.filled);
    }

    pub(super) fn release(&mut self) {
        self.keep = self.at;
    }

    /// Where we are in the decoded stream.
    pub(super) fn position(&self) -> u64 {
        self.gone + self.at as u64
    }

    /// The line we are on, from 1.
    pub(super) fn line(&mut self) -> u64 {
        self.count(self.at);
        self.line
    }

    /// Reads until `wanted` bytes lie ahead, or the stream ends.
    pub(super) fn ensure(&mut self, wanted: usize) -> io::Result<()> {
        while self.filled - self.at < wanted && self.more()? {}
        Ok(())
    }

    /// Reads on; false at the end of the stream. Slices taken before stay where they are relative to `at`.
    pub(super) fn more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.buf.len() - self.filled < CHUNK {
            self.make_room();
        }
        loop {
            match self.text.read(&mut self.buf[self.filled..]) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(false);
                }
                Ok(n) => {
                    self.filled += n;
                    return Ok(true);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn make_room(&mut self) {
        if self.counted < self.keep {
            self.count(self.keep);
        }
        self.buf.copy_within(self.keep..self.filled, 0);
        self.gone += self.keep as u64;
        self.at -= self.keep;
        self.filled -= self.keep;
        self.counted -= self.keep;
        self.keep = 0;
        if self.buf.len() - self.filled < CHUNK {
            let doubled = (self.buf.len() * 2).min(self.cap.saturating_add(CHUNK));
            let wanted = doubled.max(self.filled + CHUNK);
            // A plain resize may double what it was asked for.
            self.buf.reserve_exact(wanted - self.buf.len());
            self.buf.resize(wanted, 0);
        }
    }

    fn count(&mut self, to: usize) {
        if let Some(passed) = self.buf.get(self.counted..to) {
            self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
            self.counted = to;
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buf.capacity()
    }
}
