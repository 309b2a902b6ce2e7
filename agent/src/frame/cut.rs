//! The outer layer: finds where each `HOSO` begins and ends, byte by byte, and takes the few facts of the header.
//!
//! It never asks whether the XML is well-formed. A `HOSO` ends at its end tag, or, damaged, where the next one or the
//! end of the list begins; a comment or CDATA section hides tags only if it is really closed (see [`Cutter::section`]).

use std::{
    borrow::Cow,
    io::{self, Read},
};

use memchr::{memchr, memchr2, memmem};

use super::{
    Limits, Survey,
    fault::{Bad, Fault, FileFault},
    mark::{CDATA, MARK, Mark, Name, SECTIONS, TAG, ends_damaged, mark, namespaces, tag_end},
    strict,
    window::Window,
};

/// More than this around the records is not looked at as a whole: then it is not in the gateway's form.
const AROUND: usize = 64 * 1024;

/// One record as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its number in the file, from 1.
    pub seq: u32,
    /// Where it stands, for people: `HOSO[3] line 120`.
    pub locator: String,
    /// The line it starts on.
    pub line: u64,
    /// The `HOSO` element as UTF-8, otherwise verbatim. With a fault: what could be kept of it.
    pub hoso: Vec<u8>,
    /// Why it has to be set aside without looking into it.
    pub fault: Option<Fault>,
}

/// The records of one file; see [`super::records`].
pub struct Records<R> {
    cutter: Option<Cutter<R>>,
    fault: Option<FileFault>,
}

impl<R: Read> Records<R> {
    pub(super) fn new(input: R, limits: &Limits) -> Self {
        match Cutter::new(input, limits) {
            Ok(cutter) => Self {
                cutter: Some(cutter),
                fault: None,
            },
            Err(fault) => Self {
                cutter: None,
                fault: Some(fault),
            },
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.cutter.as_ref().map_or(0, |cutter| cutter.window.capacity())
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = Result<Cut, FileFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(fault) = self.fault.take() {
            return Some(Err(fault));
        }
        let next = self.cutter.as_mut()?.next().map(|found| found.map(Found::into_cut));
        if !matches!(next, Ok(Some(_))) {
            self.cutter = None;
        }
        next.transpose()
    }
}

pub(super) struct Cutter<R> {
    window: Window<R>,
    limit: usize,
    seen: Survey,
    rooted: bool,
    in_seal: bool,
    /// What stands around the records; an empty element for each of them.
    around: Vec<u8>,
    /// What was kept is a record that was given out.
    given: bool,
    /// Per kind of section: before this position of the stream none is closed.
    dead: [u64; 2],
}

/// A record still in the window.
struct Found<'a> {
    seq: u32,
    line: u64,
    bytes: Cow<'a, [u8]>,
    fault: Option<Fault>,
}

impl Found<'_> {
    fn into_cut(self) -> Cut {
        let Self {
            seq,
            line,
            bytes,
            fault,
        } = self;
        Cut {
            seq,
            locator: format!("HOSO[{seq}] line {line}"),
            line,
            hoso: bytes.into_owned(),
            fault,
        }
    }
}

/// How a record ended.
enum End {
    Closed,
    NextBegins,
    File,
    /// With whether its end tag was passed.
    TooLarge(bool),
}

impl<R: Read> Cutter<R> {
    pub(super) fn new(input: R, limits: &Limits) -> Result<Self, FileFault> {
        let limit = limits.record_bytes;
        let window = Window::new(input, limit)?;
        let facts = window.facts();
        let seen = Survey {
            bom: facts.bom,
            utf8: facts.says_utf8(),
            ..Survey::default()
        };
        Ok(Self {
            window,
            limit,
            seen,
            rooted: false,
            in_seal: false,
            around: Vec::new(),
            given: false,
            dead: [0; 2],
        })
    }

    pub(super) fn survey(mut self) -> Result<Survey, FileFault> {
        while self.next()?.is_some() {}
        self.leave();
        self.seen.in_form = self.around.len() <= AROUND && strict::in_form(&self.around);
        Ok(self.seen)
    }

    /// Walks between the records until one begins.
    fn next(&mut self) -> Result<Option<Found<'_>>, FileFault> {
        loop {
            self.leave();
            let Some(text) = memchr(b'<', self.window.rest()) else {
                self.text(self.window.rest().len())?;
                if self.window.more()? {
                    continue;
                }
                return self.end();
            };
            self.text(text)?;
            self.leave();
            self.window.ensure(MARK)?;
            match mark(self.window.rest()) {
                Mark::Doctype => return Err(self.refuse(Bad::FileDtd)),
                Mark::Instruction => _ = self.pass_tag()?,
                Mark::Section(kind) => self.pass_section(kind)?,
                Mark::Junk | Mark::Close(_) if !self.rooted => return Err(self.refuse(Bad::NotXml)),
                Mark::Junk => self.window.advance(1),
                Mark::Open(name) => {
                    if name == Name::Hoso && self.rooted {
                        return self.record(None, false).map(Some);
                    }
                    if name == Name::CheckIn && !self.rooted {
                        return self.check_in().map(Some);
                    }
                    if name == Name::File && self.rooted {
                        return self.record(Some(Bad::NoStart), false).map(Some);
                    }
                    self.header(name)?;
                }
                // What it closes was damaged beyond recognition, but it was there.
                Mark::Close(Name::Hoso) => return self.record(Some(Bad::NoStart), true).map(Some),
                Mark::Close(name) => {
                    self.in_seal = false;
                    self.seen.complete |= name == Name::Root;
                    self.pass_tag()?;
                }
            }
        }
    }

    /// Leaves behind what was passed, and remembers it if it stood around the records.
    fn leave(&mut self) {
        let passed: &[u8] = if std::mem::take(&mut self.given) {
            b"<HOSO/>"
        } else {
            self.window.kept()
        };
        if self.around.len() <= AROUND {
            self.around.extend_from_slice(passed);
        }
        self.window.release();
    }

    /// Takes one record, whole or damaged, and stands behind it. `ended`: only its end tag is left.
    fn record(&mut self, fault: Option<Bad>, ended: bool) -> Result<Found<'_>, FileFault> {
        self.seen.records = self.seen.records.saturating_add(1);
        self.given = true;
        let (seq, line) = (self.seen.records, self.window.line());
        let empty = self.pass_tag()? && fault.is_none();
        let end = if empty || ended { End::Closed } else { self.body()? };
        let bad = match end {
            End::Closed => fault,
            End::NextBegins => Some(fault.unwrap_or(Bad::NoEnd)),
            End::File => Some(Bad::CutShort),
            End::TooLarge(passed) => {
                if !passed {
                    self.skip_body()?;
                }
                self.window.release();
                Some(Bad::TooLarge)
            }
        };
        let facts = self.window.facts();
        let kept = self.window.kept();
        let text = facts.record(kept);
        self.seen.utf8 &= matches!(text, Ok(Cow::Borrowed(_)));
        let (bytes, fault) = match (text, bad) {
            (Ok(bytes), bad) => (bytes, bad.map(|bad| bad.fault(Some(line)))),
            (Err(_), Some(bad)) => (kept.into(), Some(bad.fault(Some(line)))),
            (Err(at), None) => (kept.into(), Some(Bad::Text.fault(Some(line + lines(&kept[..at]))))),
        };
        Ok(Found {
            seq,
            line,
            bytes,
            fault,
        })
    }

    /// Takes the rest of a file that is a check-in by itself: its one record, given out in the form of the others.
    fn check_in(&mut self) -> Result<Found<'_>, FileFault> {
        self.rooted = true;
        self.given = true;
        (self.seen.records, self.seen.check_in) = (1, true);
        let line = self.window.line();
        let mut large = false;
        loop {
            self.window.advance(self.window.rest().len());
            if self.window.kept().len() > self.limit {
                large = true;
                self.window.release();
            }
            if !self.window.more()? {
                break;
            }
        }
        let (facts, kept) = (self.window.facts(), self.window.kept());
        let tags = || memchr::memchr_iter(b'<', kept).map(|at| (at, mark(&kept[at..])));
        let ended = tags().any(|(_, mark)| mark == Mark::Close(Name::CheckIn));
        self.seen.complete |= ended || large;
        self.seen.signed |= tags().any(|(at, mark)| match mark {
            Mark::Open(Name::Signature) => true,
            Mark::Open(Name::Seal) => seals(&kept[at..]),
            _ => false,
        });
        let text = facts.record(kept);
        self.seen.utf8 &= matches!(text, Ok(Cow::Borrowed(_)));
        let bad = match (large, ended) {
            (true, _) => Some(Bad::TooLarge),
            (false, false) => Some(Bad::CutShort),
            (false, true) => None,
        };
        let (bytes, fault) = match text {
            Ok(document) => (as_record(&document), bad.map(|bad| bad.fault(Some(line)))),
            Err(at) => (Vec::new(), Some(Bad::Text.fault(Some(line + lines(&kept[..at]))))),
        };
        Ok(Found {
            seq: 1,
            line,
            bytes: bytes.into(),
            fault,
        })
    }

    /// Walks to the end of a record whose start tag was passed; what was walked over stays kept.
    fn body(&mut self) -> io::Result<End> {
        loop {
            let Some(text) = memchr(b'<', self.window.rest()) else {
                self.window.advance(self.window.rest().len());
                if self.window.kept().len() > self.limit {
                    return Ok(End::TooLarge(false));
                }
                if self.window.more()? {
                    continue;
                }
                return Ok(End::File);
            };
            self.window.advance(text);
            self.window.ensure(MARK)?;
            match mark(self.window.rest()) {
                Mark::Close(Name::Hoso) => {
                    self.pass_tag()?;
                    let whole = self.window.kept().ends_with(b">");
                    let fits = self.window.kept().len() <= self.limit;
                    return Ok(match (whole, fits) {
                        (true, true) => End::Closed,
                        (true, false) => End::TooLarge(true),
                        (false, _) => End::NextBegins,
                    });
                }
                mark if ends_damaged(mark) => return Ok(End::NextBegins),
                Mark::Section(kind) => match self.section(kind)? {
                    Some(length) => self.window.advance(length),
                    None => self.window.advance(SECTIONS[kind].0.len()),
                },
                Mark::Open(Name::Signature) => {
                    self.seen.signature_within = true;
                    self.window.advance(1);
                }
                _ => self.window.advance(1),
            }
            if self.window.kept().len() > self.limit {
                return Ok(End::TooLarge(false));
            }
        }
    }

    /// Like [`Self::body`] for a record that is too large, keeping nothing. Stands where it can be told to have ended.
    fn skip_body(&mut self) -> io::Result<()> {
        loop {
            self.window.release();
            let Some(text) = memchr(b'<', self.window.rest()) else {
                self.window.advance(self.window.rest().len());
                if self.window.more()? {
                    continue;
                }
                return Ok(());
            };
            self.window.advance(text);
            self.window.ensure(MARK)?;
            match mark(self.window.rest()) {
                Mark::Close(Name::Hoso) => return self.pass_tag().map(drop),
                mark if ends_damaged(mark) => return Ok(()),
                _ => self.window.advance(1),
            }
        }
    }

    /// The length of the comment or CDATA section we stand on, or `None` if it has to be read as plain text.
    ///
    /// A section whose closing mark was lost would run into the neighbours until *their* section closes. It is told from
    /// one that merely quotes a `HOSO` by this: past the start of another record, the next mark of its kind opens.
    fn section(&mut self, kind: usize) -> io::Result<Option<usize>> {
        let (open, close) = SECTIONS[kind];
        let start = self.window.position();
        if start < self.dead[kind] {
            return Ok(None);
        }
        let mut at = open.len();
        let mut past_record = false;
        loop {
            let Some(step) = memchr2(b'<', close[0], self.window.rest().get(at..).unwrap_or_default()) else {
                at = self.window.rest().len();
                if self.window.kept().len() + at > self.limit || !self.window.more()? {
                    break;
                }
                continue;
            };
            at += step;
            self.window.ensure(at + MARK)?;
            let ahead = &self.window.rest()[at..];
            if ahead.starts_with(close) {
                return Ok(Some(at + close.len()));
            }
            if past_record && ahead.starts_with(open) || self.window.kept().len() + at > self.limit {
                break;
            }
            past_record |= mark(ahead) == Mark::Open(Name::Hoso);
            at += 1;
        }
        self.dead[kind] = start + at as u64;
        Ok(None)
    }

    /// A section between records.
    fn pass_section(&mut self, kind: usize) -> Result<(), FileFault> {
        if kind == CDATA && !self.rooted {
            return Err(self.refuse(Bad::NotXml));
        }
        let (open, close) = SECTIONS[kind];
        let Some(length) = self.section(kind)? else {
            self.window.advance(open.len());
            return Ok(());
        };
        if kind == CDATA && self.in_seal {
            self.seen.signed |= !self.window.rest()[open.len()..length - close.len()]
                .trim_ascii()
                .is_empty();
        }
        self.window.advance(length);
        Ok(())
    }

    /// Passes text between tags.
    fn text(&mut self, length: usize) -> Result<(), FileFault> {
        if (self.in_seal || !self.rooted) && !self.window.rest()[..length].trim_ascii().is_empty() {
            if !self.rooted {
                return Err(self.refuse(Bad::NotXml));
            }
            self.seen.signed = true;
        }
        self.window.advance(length);
        Ok(())
    }

    /// Passes a start tag outside the records and takes what it says about the file.
    fn header(&mut self, name: Name) -> Result<(), FileFault> {
        match (self.rooted, name) {
            (false, Name::Root) => {}
            (false, _) => return Err(self.refuse(Bad::Root)),
            (true, Name::Root) => return Err(self.refuse(Bad::TwoRoots)),
            (true, _) => self.seen.signed |= self.in_seal || name == Name::Signature,
        }
        self.rooted = true;
        let empty = self.pass_tag()?;
        let value = if empty { None } else { self.value()? };
        let seen = &mut self.seen;
        match name {
            Name::Root => seen.namespaces = namespaces(self.window.kept()),
            Name::Facility => seen.facility = seen.facility.take().or(value),
            Name::MadeOn => seen.made_on = seen.made_on.take().or(value),
            Name::Count => seen.declared = seen.declared.or(value.and_then(|value| value.parse().ok())),
            Name::Seal => self.in_seal = !empty,
            _ => {}
        }
        Ok(())
    }

    /// The short text ahead.
    fn value(&mut self) -> io::Result<Option<String>> {
        self.window.ensure(TAG)?;
        let rest = self.window.rest();
        let rest = rest[..rest.len().min(TAG)].trim_ascii_start();
        let (text, end): (_, &[u8]) = match rest.strip_prefix(SECTIONS[CDATA].0) {
            Some(text) => (text, SECTIONS[CDATA].1),
            None => (rest, b"<"),
        };
        let text = memmem::find(text, end)
            .and_then(|end| std::str::from_utf8(&text[..end]).ok())
            .map(str::trim);
        Ok(text
            .filter(|text| !text.is_empty() && text.len() <= 64 && !text.contains('&'))
            .map(str::to_owned))
    }

    /// Passes the tag we stand on; true if it is an empty element.
    fn pass_tag(&mut self) -> io::Result<bool> {
        if tag_end(self.window.rest()).is_none() {
            self.window.ensure(TAG)?;
        }
        let rest = self.window.rest();
        let length = tag_end(rest).unwrap_or(rest.len().min(TAG));
        let empty = rest[..length].ends_with(b"/>");
        self.window.advance(length);
        Ok(empty)
    }

    fn end(&mut self) -> Result<Option<Found<'_>>, FileFault> {
        match (self.rooted, self.seen.records) {
            (false, _) => Err(self.refuse(Bad::Empty)),
            (true, 0) => Err(self.refuse(Bad::NoRecord)),
            _ => Ok(None),
        }
    }

    fn refuse(&mut self, bad: Bad) -> FileFault {
        FileFault::Refused(bad.fault(Some(self.window.line())))
    }
}

/// Whether a seal that begins here holds anything.
fn seals(bytes: &[u8]) -> bool {
    let Some(end) = tag_end(bytes).filter(|end| !bytes[..*end].ends_with(b"/>")) else {
        return false;
    };
    let held = &bytes[end..];
    let text = memchr(b'<', held).unwrap_or(held.len());
    !held[..text].trim_ascii().is_empty() || mark(&held[text..]) != Mark::Close(Name::Seal)
}

/// A check-in as the tables of a record stand.
fn as_record(document: &[u8]) -> Vec<u8> {
    let before = b"<HOSO><FILEHOSO><LOAIHOSO>XML0</LOAIHOSO><NOIDUNGFILE>";
    let after = b"</NOIDUNGFILE></FILEHOSO></HOSO>";
    [&before[..], document.trim_ascii_end(), after].concat()
}

fn lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
