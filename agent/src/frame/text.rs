//! Which characters the bytes mean: for the file as a stream, for a record or a table as a slice.
//!
//! The bytes decide. A byte-order mark or the NULs between ASCII letters give UTF-16 away; everything else is taken as
//! UTF-8. Only bytes that cannot be UTF-8 are read with a declared single-byte label such as windows-1258.

use std::{
    borrow::Cow,
    io::{self, Chain, Cursor, ErrorKind, Read},
};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use memchr::memmem;

/// Enough for any XML declaration.
const PREFIX: usize = 1024;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The file as a stream of UTF-8, without its byte-order mark. Where the source is not UTF-16, bytes pass unchecked.
pub(super) struct Text<R> {
    reader: DecodeReaderBytes<Chain<Cursor<Vec<u8>>, R>, Vec<u8>>,
    facts: Facts,
}

/// What the first bytes of a file or table say about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) bom: bool,
    wide: Option<&'static Encoding>,
    label: Option<&'static Encoding>,
}

impl<R: Read> Text<R> {
    pub(super) fn new(mut input: R) -> io::Result<Self> {
        let mut prefix = vec![0; PREFIX];
        let mut filled = 0;
        while filled < PREFIX {
            match input.read(&mut prefix[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        prefix.truncate(filled);
        let facts = Facts::of(&prefix);
        let reader = DecodeReaderBytesBuilder::new()
            .encoding(facts.wide)
            .utf8_passthru(true)
            .strip_bom(true)
            .build(Cursor::new(prefix).chain(input));
        Ok(Self { reader, facts })
    }

    pub(super) fn facts(&self) -> Facts {
        self.facts
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buf)
    }
}

impl Facts {
    fn of(prefix: &[u8]) -> Self {
        let wide = match *prefix {
            [0xFF, 0xFE, ..] => Some((UTF_16LE, true)),
            [0xFE, 0xFF, ..] => Some((UTF_16BE, true)),
            [a, 0, b, 0, ..] if a != 0 && b != 0 => Some((UTF_16LE, false)),
            [0, a, 0, b, ..] if a != 0 && b != 0 => Some((UTF_16BE, false)),
            _ => None,
        };
        match wide {
            Some((encoding, bom)) => Self {
                bom,
                wide: Some(encoding),
                label: None,
            },
            None => Self {
                bom: prefix.starts_with(BOM),
                wide: None,
                label: declared(prefix),
            },
        }
    }

    /// UTF-8 by its bytes and not called anything else by its declaration.
    pub(super) fn says_utf8(&self) -> bool {
        self.wide.is_none() && self.label.is_none_or(|label| label == UTF_8)
    }

    /// One record of the stream as UTF-8; `Err` is the offset of the first byte that makes no sense.
    pub(super) fn record<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, usize> {
        if self.wide.is_some() {
            // The stream decoder puts U+FFFD where UTF-16 was broken; here that can only mean damage.
            return memmem::find(bytes, "\u{FFFD}".as_bytes()).map_or(Ok(Cow::Borrowed(bytes)), Err);
        }
        self.narrow(bytes).map(|text| match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }

    fn narrow<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, str>, usize> {
        let bad = match std::str::from_utf8(bytes) {
            Ok(text) => return Ok(Cow::Borrowed(text)),
            Err(e) => e.valid_up_to(),
        };
        let legacy = self.label.filter(|label| label.is_single_byte()).ok_or(bad)?;
        legacy
            .decode_without_bom_handling_and_without_replacement(bytes)
            .ok_or(bad)
    }
}

/// A table's own document.
pub(super) struct Document<'a> {
    pub(super) text: Cow<'a, str>,
    /// Its bytes were UTF-8 and said nothing else, so they can go out as they are.
    pub(super) plain: bool,
}

/// Decodes a table's document; `Err` is the offset of the first byte that makes no sense.
pub(super) fn document(bytes: &[u8]) -> Result<Document<'_>, usize> {
    // Some writers hand over their whole buffer, unused end included.
    let used = bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    let facts = Facts::of(&bytes[..bytes.len().min(PREFIX)]);
    if let Some(wide) = facts.wide {
        let even = (used + used % 2).min(bytes.len());
        let body = if facts.bom { &bytes[2..even] } else { &bytes[..even] };
        let text = wide
            .decode_without_bom_handling_and_without_replacement(body)
            .ok_or(0_usize)?;
        return Ok(Document { text, plain: false });
    }
    let body = &bytes[if facts.bom { BOM.len() } else { 0 }..used];
    let text = facts.narrow(body)?;
    let plain = matches!(text, Cow::Borrowed(_)) && facts.says_utf8() && used == bytes.len();
    Ok(Document { text, plain })
}

/// The encoding named in an XML declaration, where it is one we know.
fn declared(prefix: &[u8]) -> Option<&'static Encoding> {
    let prefix = prefix.strip_prefix(BOM).unwrap_or(prefix).trim_ascii_start();
    let declaration = prefix.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..memmem::find(declaration, b"?>")?];
    let after = &declaration[memmem::find(declaration, b"encoding")? + b"encoding".len()..];
    let after = after.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (&quote, label) = after.split_first()?;
    let label = &label[..memchr::memchr(quote, label)?];
    Encoding::for_label(label)
}
