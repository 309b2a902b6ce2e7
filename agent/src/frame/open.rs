//! The inner layer: one `HOSO`, strictly read, to its tables as decoded text.
//!
//! A table's content may be base64 (wrapped or not, in CDATA or not), XML standing inline, or XML as text. All come out
//! the same; [`Opened::digest`] sees no difference between them either. The first thing wrong sets the record aside.

use std::{borrow::Cow, ops::Range};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use sha2::{Digest, Sha256};
use vhr_core::spoiled::Encoding;

use super::{
    Limits,
    cut::Cut,
    fault::{Bad, RecordFault},
    files::{File, Files, files},
    rows::{Row, Store, control},
    spoiled::{self, Repair},
    text,
};

/// The tables there are; XML0 is the check-in.
const NAMES: [&str; 16] = [
    "XML0", "XML1", "XML2", "XML3", "XML4", "XML5", "XML6", "XML7", "XML8", "XML9", "XML10", "XML11", "XML12", "XML13",
    "XML14", "XML15",
];
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One record's tables.
#[derive(Debug)]
pub struct Opened {
    store: Store,
    /// Number of the table and its rows, in file order.
    tables: Vec<(usize, Range<u32>)>,
    /// Every `NOIDUNGFILE` is plain base64 of a UTF-8 XML document.
    pub in_form: bool,
    /// There is a signature in the record, beside its tables.
    pub signed: bool,
    /// Names of tables nobody knows: not mapped, kept in the envelope. Damaged names show as `?`.
    pub unknown: Vec<String>,
    /// The columns whose text was spoiled and now says what was meant.
    pub repairs: Vec<Repair>,
    /// What [`Opened::digest`] was of the text as it was written; none: nothing in it was spoiled.
    pub written: Option<[u8; 32]>,
    /// Fields that stood twice in one row and said something else the second time, as `XML2/SO_LUONG`. The first is what
    /// plugins see; both leave with the claim.
    pub doubled: Vec<String>,
    unknown_digests: Vec<[u8; 32]>,
    /// For the envelope: the name of each `FILEHOSO` and what it holds.
    pub(super) held: Vec<(String, Held)>,
}

/// What a `FILEHOSO` held, so that it can be written in the gateway's form.
#[derive(Debug)]
pub(super) enum Held {
    /// It is in that form already and stands here in the `HOSO`.
    AsIs(Range<usize>),
    /// A root element that stands here in the `HOSO`.
    Inline(Range<usize>),
    /// A root element that was text or other bytes.
    Text(String),
    /// It was the right base64, but wrapped in lines.
    Unwrapped(String),
}

/// One record's tables, or why it has to be set aside.
///
/// # Errors
///
/// The cut's own fault, or the first thing wrong within the record.
pub fn open(cut: &Cut, limits: &Limits) -> Result<Opened, RecordFault> {
    if let Some(fault) = &cut.fault {
        return Err(fault.clone());
    }
    let outer = |bad: Bad, at: usize| bad.in_table(None, line_at(cut, at), None);
    let hoso = std::str::from_utf8(&cut.hoso).map_err(|e| outer(Bad::Text, e.valid_up_to()))?;
    if let Some(at) = control(&cut.hoso) {
        return Err(outer(Bad::Control, at));
    }
    let Files { files, plain, signed } = files(hoso, limits).map_err(|(bad, at)| outer(bad, at))?;
    let mut opened = Opened {
        store: Store::with_capacity(hoso.len() * 3 / 4),
        tables: Vec::with_capacity(files.len()),
        in_form: plain,
        signed,
        unknown: Vec::new(),
        repairs: Vec::new(),
        written: None,
        doubled: Vec::new(),
        unknown_digests: Vec::new(),
        held: Vec::with_capacity(files.len()),
    };
    let mut scratch = Scratch::default();
    for file in &files {
        opened.take(hoso, file, &mut scratch, limits).map_err(|bad| {
            let at = file.content.range.start;
            let at = at + hoso[at..].find(|c: char| !c.is_whitespace()).unwrap_or(0);
            let table = table_number(&file.name).map_or_else(|| shown(&file.name), |number| NAMES[number].to_owned());
            match bad {
                Wrong::Inline(bad, at) => bad.in_table(Some(table), line_at(cut, at), None),
                Wrong::Content(bad, inner) => bad.in_table(Some(table), line_at(cut, at), inner),
            }
        })?;
    }
    let written = opened.store.doubts.any().then(|| opened.digest());
    opened.repairs = spoiled::repair(&mut opened.store, &opened.tables, &NAMES);
    // Marks apart are the same text by Unicode's own rules.
    let is_spoiled = |repair: &Repair| repair.encoding != Encoding::Decomposed;
    opened.written = written.filter(|_| opened.repairs.iter().any(is_spoiled));
    Ok(opened)
}

impl Opened {
    /// The rows of a table (`XML1`), over all of its occurrences.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = Row<'_>> {
        let number = table_number(table);
        self.tables
            .iter()
            .filter(move |(n, _)| Some(*n) == number)
            .flat_map(|(_, rows)| self.store.rows(rows))
    }

    /// The known tables that are there, by number, each once.
    pub fn tables(&self) -> impl Iterator<Item = &'static str> {
        NAMES
            .iter()
            .enumerate()
            .filter(|(n, _)| self.tables.iter().any(|(known, _)| known == n))
            .map(|(_, name)| *name)
    }

    /// What a plugin sees: `{"XML1":[{"MA_LK":"…"}],"XML2":[…]}`, tables by number.
    pub fn view_json(&self) -> String {
        let mut json = String::with_capacity(self.store.text_bytes() + 64);
        json.push('{');
        for name in self.tables() {
            json.push_str(if json.len() > 1 { ",\"" } else { "\"" });
            json.push_str(name);
            json.push_str("\":[");
            let mut row_before = "";
            for row in self.rows(name) {
                json.push_str(row_before);
                row_before = ",";
                let mut before = "{\"";
                for (field, value) in row.fields() {
                    json.push_str(before);
                    before = ",\"";
                    // XML allows nothing in a name that JSON would escape, and only sound names come this far.
                    json.push_str(field);
                    json.push_str("\":\"");
                    push_json(&mut json, value);
                    json.push('"');
                }
                json.push('}');
            }
            json.push(']');
        }
        json.push('}');
        json
    }

    /// SHA-256 over what the record says, whatever its envelope form, table and field order, blanks and encoding. A spoiled
    /// export and a clean one of the same visit say the same.
    pub fn digest(&self) -> [u8; 32] {
        let mut bytes = Vec::with_capacity(self.store.text_bytes());
        let length = |bytes: &mut Vec<u8>, n: usize| bytes.extend_from_slice(&(n as u64).to_le_bytes());
        for name in self.tables() {
            for row in self.rows(name) {
                let mut fields: Vec<_> = row.fields().collect();
                fields.sort_unstable();
                length(&mut bytes, name.len());
                bytes.extend_from_slice(name.as_bytes());
                length(&mut bytes, fields.len());
                for text in fields.into_iter().flat_map(|(field, value)| [field, value]) {
                    length(&mut bytes, text.len());
                    bytes.extend_from_slice(text.as_bytes());
                }
            }
        }
        let mut unknown = self.unknown_digests.clone();
        unknown.sort_unstable();
        Sha256::new()
            .chain_update(bytes)
            .chain_update(unknown.concat())
            .finalize()
            .into()
    }

    /// Whether the tables that nobody knows are the same in both.
    pub fn passes_on_the_same(&self, other: &Self) -> bool {
        let sorted = |opened: &Self| {
            let mut digests = opened.unknown_digests.clone();
            digests.sort_unstable();
            digests
        };
        sorted(self) == sorted(other)
    }

    /// Adds one `FILEHOSO`.
    fn take(&mut self, hoso: &str, file: &File<'_>, scratch: &mut Scratch, limits: &Limits) -> Result<(), Wrong> {
        let Some(number) = table_number(&file.name) else {
            let content = self.take_unknown(hoso, file, scratch, limits);
            self.put(file, file.name.trim(), content);
            return Ok(());
        };
        let before = self.store.row_count();
        let content = match &file.content.root {
            None if bare(&file.content.text).is_empty() => {
                // A table without a document says nothing, and a strict gateway refuses it: the envelope goes without.
                self.in_form = false;
                self.tables.push((number, before..before));
                return Ok(());
            }
            Some(root) => {
                let read = self.store.read(&hoso[root.clone()], limits);
                read.map_err(|(bad, at)| Wrong::Inline(bad, root.start + at))?;
                Held::Inline(root.clone())
            }
            None => self.take_text(file, scratch, limits)?,
        };
        let doubled = std::mem::take(&mut self.store.doubled);
        let places = doubled.iter().map(|field| format!("{}/{field}", NAMES[number]));
        self.doubled.extend(places);
        self.tables.push((number, before..self.store.row_count()));
        self.put(file, NAMES[number], content);
        Ok(())
    }

    /// Remembers for the envelope what a `FILEHOSO` of that name holds.
    fn put(&mut self, file: &File<'_>, name: &str, content: Held) {
        self.in_form &= file.name == name && matches!(content, Held::AsIs(_));
        self.held.push((name.to_owned(), content));
    }

    /// Adds a known table whose content is text: base64 or XML.
    fn take_text(&mut self, file: &File<'_>, scratch: &mut Scratch, limits: &Limits) -> Result<Held, Wrong> {
        let content = &file.content;
        let text = bare(&content.text);
        let mut in_form = content.plain && text.len() == content.text.trim().len();
        let mut wrapped = false;
        let document = if text.starts_with('<') {
            in_form = false;
            Cow::Borrowed(text)
        } else {
            let decoded = scratch.base64(text, limits).map_err(|bad| Wrong::Content(bad, None))?;
            let document = text::document(decoded.bytes).map_err(|_| Wrong::Content(Bad::TableText, None))?;
            in_form &= decoded.padded && document.plain;
            wrapped = decoded.wrapped;
            document.text
        };
        let document = document.trim_start_matches('\u{FEFF}');
        // A blank before the XML declaration is one too many.
        in_form &= document.starts_with('<');
        let wrong = |bad: Bad, at: usize| {
            let line = document.as_bytes().get(..at).map_or(0, count_lines) + 1;
            Wrong::Content(bad, Some(line))
        };
        if document.len() > limits.table_bytes {
            return Err(Wrong::Content(Bad::TableSize, None));
        }
        if let Some(at) = control(document.as_bytes()) {
            return Err(wrong(Bad::Control, at));
        }
        let root = self.store.read(document, limits).map_err(|(bad, at)| wrong(bad, at))?;
        Ok(match (in_form, wrapped) {
            (false, _) => Held::Text(document[root].to_owned()),
            // A strict decoder refuses that. The document itself stays as it is.
            (true, true) => Held::Unwrapped(text.split_ascii_whitespace().collect()),
            (true, false) => Held::AsIs(content.range.clone()),
        })
    }

    /// Remembers a table nobody knows. What it holds is not looked into, so nothing in it can be wrong.
    fn take_unknown(&mut self, hoso: &str, file: &File<'_>, scratch: &mut Scratch, limits: &Limits) -> Held {
        let content = &file.content;
        let text = bare(&content.text);
        // However it was wrapped, it says the same.
        let bytes = match &content.root {
            Some(root) => Cow::Borrowed(&hoso.as_bytes()[root.clone()]),
            None => {
                let decoded = scratch.base64(text, limits).map(|decoded| decoded.bytes);
                let document = decoded.ok().and_then(|bytes| text::document(bytes).ok());
                self.in_form &= content.plain && document.as_ref().is_some_and(|document| document.plain);
                match document {
                    Some(document) => Cow::Owned(without_declaration(&document.text).as_bytes().to_owned()),
                    None => Cow::Borrowed(decoded.unwrap_or(text.as_bytes())),
                }
            }
        };
        let digest = Sha256::new()
            .chain_update(file.name.trim())
            .chain_update([0])
            .chain_update(bytes)
            .finalize();
        self.unknown_digests.push(digest.into());
        self.unknown.push(shown(&file.name));
        match &content.root {
            Some(root) => Held::Inline(root.clone()),
            None => Held::AsIs(content.range.clone()),
        }
    }
}

/// A document from its root to its end.
fn without_declaration(document: &str) -> &str {
    let document = document.trim();
    let behind = document.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
    behind.map_or(document, |(_, root)| root.trim_start())
}

/// What went wrong with a table, and where.
enum Wrong {
    /// At this byte of the `HOSO`.
    Inline(Bad, usize),
    /// Somewhere in the content, perhaps on this line of it.
    Content(Bad, Option<u64>),
}

/// Buffers reused from table to table.
#[derive(Default)]
struct Scratch {
    compact: Vec<u8>,
    decoded: Vec<u8>,
}

/// What base64 held, and how it was written.
struct Decoded<'a> {
    bytes: &'a [u8],
    /// The padding was there as it should.
    padded: bool,
    /// There were blanks in it, or it stood in lines.
    wrapped: bool,
}

impl Scratch {
    fn base64(&mut self, text: &str, limits: &Limits) -> Result<Decoded<'_>, Bad> {
        let blank = |b: u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
        let mut bytes = text.as_bytes();
        // Without an early exit the compiler checks many bytes at once.
        let wrapped = bytes.iter().fold(false, |any, &b| any | blank(b));
        if wrapped {
            self.compact.clear();
            self.compact.extend(bytes.iter().filter(|b| !blank(**b)));
            bytes = &self.compact;
        }
        if bytes.len() / 4 * 3 > limits.table_bytes.saturating_add(2) {
            return Err(Bad::TableSize);
        }
        self.decoded.clear();
        BASE64.decode_vec(bytes, &mut self.decoded).map_err(|_| Bad::Base64)?;
        Ok(Decoded {
            padded: bytes.len().is_multiple_of(4),
            bytes: &self.decoded,
            wrapped,
        })
    }
}

fn table_number(name: &str) -> Option<usize> {
    let name = name.trim();
    NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))
}

/// Text without the blanks and the byte-order mark around it.
fn bare(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}')
        .trim_end()
}

/// A table's name for people. What is no plain short name may be a value that slipped in, and is not shown.
fn shown(name: &str) -> String {
    let name = name.trim();
    let plain = name.len() <= 16 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain && name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.to_owned()
    } else {
        "?".to_owned()
    }
}

fn line_at(cut: &Cut, at: usize) -> u64 {
    cut.line + cut.hoso.get(..at).map_or(0, count_lines)
}

fn count_lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

fn push_json(json: &mut String, text: &str) {
    let special = |b: u8| b < b' ' || b == b'"' || b == b'\\';
    if !text.bytes().fold(false, |any, b| any | special(b)) {
        json.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\t' => json.push_str("\\t"),
            c if c < ' ' => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
}
