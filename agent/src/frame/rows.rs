//! One table's XML document as rows of fields, found by structure and not by a list of element names.
//!
//! An element whose children hold only text is a row and its children are the fields; an element with rows inside is a
//! list, and text beside the rows is ignored. All text of a record lies in one buffer; a field is two ranges into it.
//! Values come out trimmed, with `\n` line ends, in NFC; an empty field is left out; of a doubled one the first stays.

use std::{collections::BTreeSet, ops::Range};

use memchr::memrchr;
use quick_xml::{
    Reader,
    events::{BytesRef, Event},
};

use super::{
    Limits,
    fault::Bad,
    spoiled::{self, Doubts},
    strict,
};

/// No table has a tenth of this many fields in a row.
const ROW_FIELDS: usize = 1024;
/// That many fields with text beside a list are no strays: a field was torn open, and ignoring the rest would lose data.
const STRAYS: u32 = 3;

/// So many names of doubled fields are remembered for one document.
const DOUBLED: usize = 20;

/// What was read, for all tables of a record.
#[derive(Debug, Default)]
pub(super) struct Store {
    text: String,
    fields: Vec<Field>,
    rows: Vec<Range<u32>>,
    /// Which values may be spoiled, until that is settled.
    pub(super) doubts: Doubts,
    /// Names of fields that stood twice in a row and said something else the second time, since this was last taken.
    pub(super) doubled: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    name: (u32, u32),
    value: (u32, u32),
}

/// One row of a table: its fields that hold something, in source order.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    store: &'a Store,
    fields: &'a [Field],
}

impl<'a> Row<'a> {
    /// Field names and values.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let text = &self.store.text;
        let slice = move |(from, to): (u32, u32)| &text[from as usize..to as usize];
        self.fields
            .iter()
            .map(move |field| (slice(field.name), slice(field.value)))
    }

    /// The value of a field, if it has one.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// An element being read.
#[derive(Default)]
struct Level {
    first_field: usize,
    /// Children that hold text.
    leaves: u32,
    has_children: bool,
    is_list: bool,
    /// Which names may have been seen: one bit for a hash of each.
    names: [u64; 4],
}

impl Store {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            fields: Vec::with_capacity(bytes / 24),
            rows: Vec::new(),
            doubts: Doubts::default(),
            doubled: BTreeSet::new(),
        }
    }

    pub(super) fn rows(&self, range: &Range<u32>) -> impl Iterator<Item = Row<'_>> {
        let rows = &self.rows[range.start as usize..range.end as usize];
        rows.iter().map(|row| Row {
            store: self,
            fields: &self.fields[row.start as usize..row.end as usize],
        })
    }

    /// The numbers of the fields of these rows.
    pub(super) fn numbers(&self, rows: &Range<u32>) -> impl Iterator<Item = u32> {
        self.rows[rows.start as usize..rows.end as usize]
            .iter()
            .cloned()
            .flatten()
    }

    pub(super) fn name(&self, field: u32) -> &str {
        let (from, to) = self.fields[field as usize].name;
        &self.text[from as usize..to as usize]
    }

    pub(super) fn value(&self, field: u32) -> &str {
        let (from, to) = self.fields[field as usize].value;
        &self.text[from as usize..to as usize]
    }

    /// Gives a field another value, if there is room for it.
    pub(super) fn replace(&mut self, field: u32, value: &str) {
        let from = self.text.len();
        if let (Ok(from), Ok(to)) = (u32::try_from(from), u32::try_from(from + value.len())) {
            self.text.push_str(value);
            self.fields[field as usize].value = (from, to);
        }
    }

    /// Takes the blanks off the end of a field's value.
    pub(super) fn trim(&mut self, field: u32) {
        let length = self.value(field).trim_end().len() as u32; // no longer than it was
        let (from, to) = &mut self.fields[field as usize].value;
        *to = *from + length;
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.text.len() + self.fields.len() * 6
    }

    pub(super) fn row_count(&self) -> u32 {
        self.rows.len() as u32 // each row has a field, and fields are limited below u32 by the text they lie in
    }

    /// Adds the rows of one document. Gives the range of its root element, or what is wrong and at which byte.
    pub(super) fn read(&mut self, doc: &str, limits: &Limits) -> Result<Range<usize>, (Bad, usize)> {
        let mut reader = Reader::from_str(doc);
        reader.config_mut().check_comments = true;
        let mut levels: Vec<Level> = Vec::with_capacity(limits.depth.min(64));
        let mut value = String::new();
        let mut root: Option<Range<usize>> = None;
        loop {
            let from = reader.buffer_position() as usize;
            let event = reader.read_event();
            let to = reader.buffer_position() as usize;
            let fail = |bad: Bad| (bad, from);
            match event {
                Ok(Event::Text(_)) => {
                    let piece = doc.get(from..to).unwrap_or_default();
                    push_text(&mut value, levels.last(), piece, limits).map_err(fail)?;
                }
                Ok(Event::CData(_)) => {
                    let piece = doc.get(from + "<![CDATA[".len()..to.saturating_sub("]]>".len()));
                    push_text(&mut value, levels.last(), piece.unwrap_or_default(), limits).map_err(fail)?;
                }
                Ok(Event::GeneralRef(reference)) => {
                    let c = resolve(&reference).map_err(fail)?;
                    push_text(&mut value, levels.last(), c.encode_utf8(&mut [0; 4]), limits).map_err(fail)?;
                }
                Ok(Event::Start(start) | Event::Empty(start)) if !strict::sound(&start) => return Err(fail(Bad::Xml)),
                Ok(Event::Start(start)) => {
                    if levels.is_empty() && root.is_some() {
                        return Err(fail(Bad::Xml));
                    }
                    no_text(&mut value).map_err(fail)?;
                    if levels.len() >= limits.depth {
                        return Err(fail(Bad::Depth));
                    }
                    if !levels.is_empty() && is_signature(start.local_name().as_ref()) {
                        pass_element(&mut reader, limits.depth).map_err(fail)?;
                        continue;
                    }
                    self.enter_child(&mut levels);
                    levels.push(Level {
                        first_field: self.fields.len(),
                        ..Level::default()
                    });
                    root.get_or_insert(from..from);
                }
                Ok(Event::Empty(start)) => {
                    if levels.is_empty() && root.is_some() {
                        return Err(fail(Bad::Xml));
                    }
                    no_text(&mut value).map_err(fail)?;
                    if !is_signature(start.local_name().as_ref()) {
                        self.enter_child(&mut levels);
                    }
                    root.get_or_insert(from..to);
                }
                Ok(Event::End(_)) => {
                    let level = levels.pop().ok_or((Bad::Xml, from))?;
                    if level.is_list {
                        if level.leaves >= STRAYS {
                            return Err(fail(Bad::Nested));
                        }
                    } else if level.has_children {
                        self.end_row(level.first_field).map_err(fail)?;
                    } else if let Some(parent) = levels.last_mut() {
                        let name = doc
                            .get(from + 2..to.saturating_sub(1))
                            .unwrap_or_default()
                            .trim_ascii_end();
                        let name = memrchr(b':', name.as_bytes()).map_or(name, |colon| &name[colon + 1..]);
                        self.end_field(parent, name, spoiled::trimmed(&value), limits)
                            .map_err(fail)?;
                    } else if !value.trim().is_empty() {
                        return Err(fail(Bad::Stray));
                    }
                    value.clear();
                    if levels.is_empty()
                        && let Some(root) = &mut root
                    {
                        root.end = to;
                    }
                }
                Ok(Event::DocType(_)) => return Err(fail(Bad::Dtd)),
                Ok(Event::Eof) => break,
                Ok(Event::Comment(_) | Event::PI(_) | Event::Decl(_)) => {}
                Err(_) => return Err((Bad::Xml, reader.error_position() as usize)),
            }
        }
        match root {
            Some(root) if levels.is_empty() => Ok(root),
            _ => Err((Bad::Xml, doc.len())),
        }
    }

    /// An element begins inside the innermost one: that one is no field, so the one around it is a list.
    fn enter_child(&mut self, levels: &mut [Level]) {
        if let [.., around, inner] = levels
            && !inner.has_children
            && !around.is_list
        {
            around.is_list = true;
            self.fields.truncate(around.first_field);
            self.doubts.truncate(around.first_field);
            inner.first_field = around.first_field;
        }
        if let Some(inner) = levels.last_mut() {
            inner.has_children = true;
        }
    }

    fn end_field(&mut self, parent: &mut Level, name: &str, value: &str, limits: &Limits) -> Result<(), Bad> {
        if value.is_empty() {
            return Ok(());
        }
        if value.len() > limits.value_bytes {
            return Err(Bad::Value);
        }
        parent.leaves = parent.leaves.saturating_add(1);
        if parent.is_list {
            return Ok(());
        }
        let hash = name
            .bytes()
            .fold(name.len() as u8, |hash, b| hash.wrapping_mul(31).wrapping_add(b));
        let (word, bit) = (&mut parent.names[usize::from(hash >> 6)], 1 << (hash & 63));
        let row = Row {
            store: self,
            fields: &self.fields[parent.first_field..],
        };
        if *word & bit != 0
            && let Some(first) = row.get(name)
        {
            if first != value && self.doubled.len() < DOUBLED {
                self.doubled.insert(name.to_owned());
            }
            return Ok(());
        }
        *word |= bit;
        if row.fields.len() >= ROW_FIELDS || self.fields.len() >= limits.fields {
            return Err(Bad::Fields);
        }
        let start = self.text.len();
        self.text.push_str(name);
        let middle = self.text.len();
        self.doubts.push(self.fields.len(), value, &mut self.text);
        let at = |offset: usize| u32::try_from(offset).map_err(|_| Bad::TooLarge);
        let (start, middle, end) = (at(start)?, at(middle)?, at(self.text.len())?);
        self.fields.push(Field {
            name: (start, middle),
            value: (middle, end),
        });
        Ok(())
    }

    fn end_row(&mut self, first_field: usize) -> Result<(), Bad> {
        if self.fields.len() > first_field {
            let at = |index: usize| u32::try_from(index).map_err(|_| Bad::Fields);
            self.rows.push(at(first_field)?..at(self.fields.len())?);
        }
        Ok(())
    }
}

/// Adds text where a field may hold it; elsewhere only blanks may stand.
fn push_text(value: &mut String, level: Option<&Level>, piece: &str, limits: &Limits) -> Result<(), Bad> {
    if level.is_none_or(|level| level.has_children) {
        return if piece.trim().is_empty() {
            Ok(())
        } else {
            Err(Bad::Stray)
        };
    }
    if value.len() + piece.len() > limits.value_bytes.saturating_mul(2) {
        return Err(Bad::Value);
    }
    value.push_str(piece);
    Ok(())
}

/// The text before a start tag has to be blank.
fn no_text(value: &mut String) -> Result<(), Bad> {
    if !value.trim().is_empty() {
        return Err(Bad::Stray);
    }
    value.clear();
    Ok(())
}

/// Elements that sign and are never data, wherever they stand.
pub(super) fn is_signature(local_name: &[u8]) -> bool {
    matches!(local_name, b"CHUKYDONVI" | b"Signature")
}

fn pass_element(reader: &mut Reader<&[u8]>, depth: usize) -> Result<(), Bad> {
    let mut open = 1;
    while open > 0 {
        match reader.read_event() {
            Ok(Event::Start(_)) if open >= depth.saturating_mul(2) => return Err(Bad::Depth),
            Ok(Event::Start(_)) => open += 1,
            Ok(Event::End(_)) => open -= 1,
            Ok(Event::DocType(_)) => return Err(Bad::Dtd),
            Ok(Event::Eof) | Err(_) => return Err(Bad::Xml),
            Ok(_) => {}
        }
    }
    Ok(())
}

/// The character a reference stands for: one of the five names, or a number that XML allows.
pub(crate) fn resolve(reference: &BytesRef<'_>) -> Result<char, Bad> {
    if reference.is_char_ref() {
        let c = reference.resolve_char_ref().ok().flatten().ok_or(Bad::Entity)?;
        return match c {
            '\t' | '\n' | '\r' => Ok(c),
            '\0'..' ' | '\u{FFFE}' | '\u{FFFF}' => Err(Bad::Control),
            _ => Ok(c),
        };
    }
    match &**reference {
        b"amp" => Ok('&'),
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"quot" => Ok('"'),
        b"apos" => Ok('\''),
        _ => Err(Bad::Entity),
    }
}

/// Where a control character stands that XML 1.0 has no place for.
pub(super) fn control(bytes: &[u8]) -> Option<usize> {
    let bad = |b: u8| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r');
    // Without an early exit the compiler checks many bytes at once; nearly always there is none to find.
    let any = bytes.iter().fold(false, |any, &b| any | bad(b));
    any.then(|| bytes.iter().position(|&b| bad(b))).flatten()
}
