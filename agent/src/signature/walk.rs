//! The document as its canonical form sees it, node by node: names with their namespaces, values with references resolved.
//!
//! Stricter than the cutter of records: what is not well-formed to the letter, or could be read in two ways, is a fault. No
//! DTD, no entity but the five of XML. Memory is one node (at most [`NODE`] bytes) and the namespaces in scope.

use std::io::{self, BufRead, BufReader, Read};

use encoding_rs_io::DecodeReaderBytesBuilder;
use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

use super::Fault;
use super::scope::{Attribute, Element, Scope};
use crate::frame::{self, Bad};

/// More than a claim file that can be sent.
const FILE: u64 = crate::spool::MAX_CLAIM;
/// One text, tag or comment.
const NODE: u64 = 40 * 1024 * 1024;
const DEPTH: usize = 64;
const ATTRIBUTES: usize = 64;
/// The value of an attribute.
const VALUE: usize = 64 * 1024;

/// Why it went no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// The bytes could not be read.
    Read(io::Error),
    /// They are not what they should be.
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What stands next in the document.
pub(super) enum Node<'a> {
    Start(Element<'a>),
    /// With its name as written.
    End(&'a str),
    Text(&'a str),
    Instruction {
        target: &'a str,
        data: &'a str,
    },
    Comment(&'a str),
}

/// Shows every node to `visit`, in order.
pub(super) fn walk(input: impl Read, visit: &mut dyn FnMut(Node<'_>, &Scope) -> Result<(), Fault>) -> Result<(), Stop> {
    // A byte-order mark tells UTF-16; all else has to be UTF-8.
    let decoder = DecodeReaderBytesBuilder::new()
        .utf8_passthru(true)
        .strip_bom(true)
        .build(input);
    let mut reader = Reader::from_reader(Metered {
        inner: BufReader::with_capacity(64 * 1024, decoder),
        file: FILE,
        node: NODE,
        exceeded: false,
    });
    reader.config_mut().check_comments = true;
    let mut walker = Walker::default();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        reader.get_mut().node = NODE;
        let event = match reader.read_event_into(&mut buffer) {
            Ok(Event::Eof) => return walker.end().map_err(Stop::Fault),
            Ok(event) => event,
            Err(_) if reader.get_ref().exceeded => return Err(Fault::TooLarge.into()),
            Err(quick_xml::Error::Io(e)) => return Err(Stop::Read(io::Error::new(e.kind(), e))),
            Err(_) => return Err(Fault::Form("not well-formed").into()),
        };
        walker.event(event, visit)?;
    }
}

#[derive(Default)]
struct Walker {
    scope: Scope,
    elements: u32,
    /// Something came before.
    begun: bool,
    rooted: bool,
    /// The declaration names characters that we do not know how to read.
    foreign: bool,
    attributes: Vec<Attribute>,
}

impl Walker {
    fn event(
        &mut self,
        event: Event<'_>,
        visit: &mut dyn FnMut(Node<'_>, &Scope) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let begun = std::mem::replace(&mut self.begun, true);
        let within = self.scope.depth > 0;
        match event {
            Event::Start(start) => self.start(&start, visit).map(drop),
            Event::Empty(start) => {
                self.start(&start, visit)?;
                self.leave(start.name().as_ref(), visit)
            }
            Event::End(end) => self.leave(end.name().as_ref(), visit),
            Event::Text(text) => {
                let text = self.characters(&text)?;
                match (within, text.trim_ascii().is_empty()) {
                    (true, _) if text.contains("]]>") => Err(Fault::Form("]]> in a text")),
                    (true, _) => visit(Node::Text(&lines(text)), &self.scope),
                    (false, true) => Ok(()),
                    (false, false) => Err(Fault::Form("text outside the root")),
                }
            }
            Event::CData(text) if within => {
                let text = self.characters(&text)?;
                visit(Node::Text(&lines(text)), &self.scope)
            }
            Event::GeneralRef(reference) if within => {
                let c = resolve(&reference)?;
                visit(Node::Text(c.encode_utf8(&mut [0; 4])), &self.scope)
            }
            Event::CData(_) | Event::GeneralRef(_) => Err(Fault::Form("text outside the root")),
            Event::Comment(comment) => {
                let comment = self.characters(&comment)?;
                // The signature does not see comments, and a scanner of bytes might take for markup what stands in one.
                if comment.contains('<') {
                    return Err(Fault::Form("a comment that holds markup"));
                }
                visit(Node::Comment(&lines(comment)), &self.scope)
            }
            Event::PI(instruction) => {
                let content = self.characters(&instruction)?;
                let (target, data) = content
                    .split_once(|c: char| c.is_ascii_whitespace())
                    .unwrap_or((content, ""));
                if !is_name(target) || target.eq_ignore_ascii_case("xml") || data.contains('<') {
                    return Err(Fault::Form("a processing instruction that holds markup or has no name"));
                }
                let data = lines(data.trim_ascii_start());
                visit(Node::Instruction { target, data: &data }, &self.scope)
            }
            Event::Decl(declaration) => {
                if begun {
                    return Err(Fault::Form("an XML declaration that is not at the start"));
                }
                let label = declaration.encoding().and_then(Result::ok);
                let known = [&b"utf-8"[..], b"utf8", b"utf-16", b"us-ascii"];
                self.foreign = label.is_some_and(|label| !known.iter().any(|known| known.eq_ignore_ascii_case(&label)));
                Ok(())
            }
            Event::DocType(_) => Err(Fault::Doctype),
            Event::Eof => Ok(()),
        }
    }

    fn start(
        &mut self,
        start: &BytesStart<'_>,
        visit: &mut dyn FnMut(Node<'_>, &Scope) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.scope.depth == 0 && std::mem::replace(&mut self.rooted, true) {
            return Err(Fault::Form("two roots"));
        }
        let name = start.name();
        let name = self.characters(name.as_ref())?;
        let (prefix, local) = parts(name)?;
        if self.scope.depth >= DEPTH {
            return Err(Fault::TooLarge);
        }
        self.scope.enter();
        self.attributes.clear();
        // Nearly no tag has any.
        if start.len() > name.len() {
            self.attributes(start)?;
        }
        let number = self.elements;
        self.elements = number.checked_add(1).ok_or(Fault::TooLarge)?;
        let space = self.scope.space(prefix);
        if space.is_empty() && !prefix.is_empty() {
            return Err(Fault::Form("a prefix without a namespace"));
        }
        let element = Element {
            number,
            name,
            prefix,
            local,
            space,
            attributes: &self.attributes,
        };
        visit(Node::Start(element), &self.scope)
    }

    fn leave(
        &mut self,
        name: &[u8],
        visit: &mut dyn FnMut(Node<'_>, &Scope) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        visit(Node::End(self.characters(name)?), &self.scope)?;
        self.scope.leave();
        Ok(())
    }

    /// Takes the attributes of a start tag: declarations into the scope, the others sorted.
    fn attributes(&mut self, start: &BytesStart<'_>) -> Result<(), Fault> {
        let mut seen = 0;
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| Fault::Form("an attribute that does not read"))?;
            seen += 1;
            if seen > ATTRIBUTES {
                return Err(Fault::TooLarge);
            }
            let name = self.characters(attribute.key.as_ref())?;
            if attribute.value.len() > VALUE {
                return Err(Fault::TooLarge);
            }
            let value = value(self.characters(&attribute.value)?)?;
            let (prefix, local) = parts(name)?;
            let declares = match (prefix, local) {
                ("", "xmlns") => Some(""),
                ("xmlns", prefix) => Some(prefix),
                _ => None,
            };
            match declares {
                Some(prefix) => self.scope.declare(prefix, value)?,
                None => self.attributes.push(Attribute {
                    space: String::new(),
                    local: local.to_owned(),
                    name: name.to_owned(),
                    value,
                }),
            }
        }
        self.scope.settle(&mut self.attributes)?;
        self.attributes.sort_unstable();
        let same = |pair: &[Attribute]| (&pair[0].space, &pair[0].local) == (&pair[1].space, &pair[1].local);
        if self.attributes.windows(2).any(same) {
            return Err(Fault::Form("an attribute that is there twice"));
        }
        Ok(())
    }

    /// Bytes as text, if they are text that XML allows.
    fn characters<'a>(&self, bytes: &'a [u8]) -> Result<&'a str, Fault> {
        let control = |b: u8| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r');
        // Without an early exit the compiler checks many bytes at once.
        let (mut bad, mut wide) = (false, false);
        for &b in bytes {
            bad |= control(b);
            wide |= b >= 0x80;
        }
        if bad || (wide && self.foreign) {
            return Err(Fault::Characters);
        }
        std::str::from_utf8(bytes).map_err(|_| Fault::Characters)
    }

    fn end(&self) -> Result<(), Fault> {
        if self.rooted && self.scope.depth == 0 {
            Ok(())
        } else {
            Err(Fault::Form("cut short"))
        }
    }
}

/// Line ends as XML hands them over.
fn lines(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n").into()
    } else {
        text.into()
    }
}

/// An attribute's value: references resolved, blanks as they stand made spaces.
fn value(raw: &str) -> Result<String, Fault> {
    if raw.contains('<') {
        return Err(Fault::Form("markup in an attribute"));
    }
    let raw = raw.replace("\r\n", " ").replace(['\t', '\n', '\r'], " ");
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw.as_str();
    while let Some((before, after)) = rest.split_once('&') {
        let (name, behind) = after.split_once(';').ok_or(Fault::Entity)?;
        value.push_str(before);
        value.push(resolve(&BytesRef::new(name))?);
        rest = behind;
    }
    value.push_str(rest);
    Ok(value)
}

/// The character a reference stands for, as the records are read.
fn resolve(reference: &BytesRef<'_>) -> Result<char, Fault> {
    frame::resolve(reference).map_err(|bad| match bad {
        Bad::Control => Fault::Characters,
        _ => Fault::Entity,
    })
}

/// Prefix and local part of a name.
fn parts(name: &str) -> Result<(&str, &str), Fault> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    if is_name(local) && (prefix.is_empty() != name.contains(':')) && (prefix.is_empty() || is_name(prefix)) {
        Ok((prefix, local))
    } else {
        Err(Fault::Form("a name that is none"))
    }
}

fn is_name(name: &str) -> bool {
    let begins = |b: u8| b.is_ascii_alphabetic() || b == b'_' || b >= 0x80;
    let goes_on = |b: u8| begins(b) || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    name.bytes().next().is_some_and(begins) && name.bytes().all(goes_on)
}

/// A reader that gives no more than was allowed.
struct Metered<R> {
    inner: BufReader<R>,
    file: u64,
    node: u64,
    exceeded: bool,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: Read> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = usize::try_from(self.file.min(self.node)).unwrap_or(usize::MAX);
        let ahead = self.inner.fill_buf()?;
        if left == 0 && !ahead.is_empty() {
            self.exceeded = true;
            return Err(io::Error::other("larger than allowed"));
        }
        Ok(&ahead[..ahead.len().min(left)])
    }

    fn consume(&mut self, by: usize) {
        self.file = self.file.saturating_sub(by as u64);
        self.node = self.node.saturating_sub(by as u64);
        self.inner.consume(by);
    }
}
