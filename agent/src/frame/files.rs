//! The `FILEHOSO` elements of one `HOSO`: what each table is called and what stands in it, not yet decoded.

use std::{borrow::Cow, ops::Range};

use quick_xml::{Reader, events::Event};

use super::{
    Limits,
    fault::Bad,
    rows::{is_signature, resolve},
    strict,
};

/// What a `HOSO` holds.
pub(super) struct Files<'a> {
    pub(super) files: Vec<File<'a>>,
    /// The names of its elements are as the gateway has them.
    pub(super) plain: bool,
    /// There is a signature in it.
    pub(super) signed: bool,
}

/// A `FILEHOSO`.
pub(super) struct File<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) content: Content<'a>,
}

/// What stands between two tags.
#[derive(Default)]
pub(super) struct Content<'a> {
    pub(super) range: Range<usize>,
    pub(super) text: Cow<'a, str>,
    /// Only text as it stands: no CDATA, references or elements.
    pub(super) plain: bool,
    /// The element that stands there instead of text.
    pub(super) root: Option<Range<usize>>,
}

/// The tables of a `HOSO` as they stand. An error comes with its offset.
pub(super) fn files<'a>(hoso: &'a str, limits: &Limits) -> Result<Files<'a>, (Bad, usize)> {
    let mut reader = Reader::from_str(hoso);
    reader.config_mut().check_comments = true;
    let mut files: Vec<File<'a>> = Vec::new();
    let (mut plain, mut signed) = (true, false);
    let (mut name, mut body, mut depth) = (None, None, 0_usize);
    loop {
        let from = reader.buffer_position() as usize;
        match reader.read_event() {
            Ok(Event::Start(start) | Event::Empty(start)) if !strict::sound(&start) => return Err((Bad::Xml, from)),
            Ok(Event::Start(start)) => {
                plain &= strict::plain(&start);
                let seal = is_signature(start.local_name().as_ref());
                match (depth, start.local_name().as_ref()) {
                    (0, b"HOSO") | (1, b"FILEHOSO") => depth += 1,
                    (2, b"LOAIHOSO") if name.is_none() => name = Some(content(&mut reader, hoso, limits)?.text),
                    (2, b"NOIDUNGFILE") if body.is_none() => body = Some(content(&mut reader, hoso, limits)?),
                    (2, b"LOAIHOSO" | b"NOIDUNGFILE") => return Err((Bad::Doubled, from)),
                    (1 | 2, _) => {
                        let held = content(&mut reader, hoso, limits)?;
                        signed |= seal && (held.root.is_some() || !held.text.trim().is_empty());
                    }
                    _ => return Err((Bad::Xml, from)),
                }
            }
            Ok(Event::Empty(empty)) => {
                plain &= strict::plain(&empty);
                if depth == 2 && empty.local_name().as_ref() == b"NOIDUNGFILE" {
                    body.get_or_insert_default();
                }
            }
            Ok(Event::End(_)) => {
                depth -= 1; // the reader lets no end tag pass that has no start
                if depth == 1 {
                    let content = body.take().unwrap_or_default();
                    match name.take().filter(|name| !name.trim().is_empty()) {
                        Some(name) => files.push(File { name, content }),
                        None => return Err((Bad::TableName, from)),
                    }
                }
            }
            Ok(Event::Text(text)) if !text.trim_ascii().is_empty() => {
                return Err((Bad::Stray, from));
            }
            Ok(Event::CData(_) | Event::GeneralRef(_)) => return Err((Bad::Stray, from)),
            Ok(Event::Decl(_)) => plain = false,
            Ok(Event::DocType(_)) => return Err((Bad::Dtd, from)),
            Ok(Event::Eof) if depth == 0 && !files.is_empty() => return Ok(Files { files, plain, signed }),
            Ok(Event::Eof) => return Err((if depth == 0 { Bad::NoTable } else { Bad::Xml }, from)),
            Ok(_) => {}
            Err(_) => return Err((Bad::Xml, reader.error_position() as usize)),
        }
    }
}

/// Reads what stands between the start tag just read and its end tag.
fn content<'a>(reader: &mut Reader<&'a [u8]>, hoso: &'a str, limits: &Limits) -> Result<Content<'a>, (Bad, usize)> {
    let start = reader.buffer_position() as usize;
    let mut content = Content {
        plain: true,
        ..Content::default()
    };
    let mut root_start = None;
    let mut depth = 0_usize;
    loop {
        let from = reader.buffer_position() as usize;
        let event = reader.read_event();
        let to = reader.buffer_position() as usize;
        match event {
            Ok(Event::Start(_)) if depth >= limits.depth.saturating_mul(2) => {
                return Err((Bad::Depth, from));
            }
            Ok(Event::Start(start) | Event::Empty(start)) if !strict::sound(&start) => return Err((Bad::Xml, from)),
            Ok(Event::Start(_) | Event::Empty(_)) if depth == 0 && root_start.is_some() => {
                return Err((Bad::Xml, from));
            }
            Ok(Event::Start(_)) => {
                root_start.get_or_insert(from);
                depth += 1;
            }
            Ok(Event::Empty(_)) => {
                if depth == 0 {
                    root_start = Some(from);
                    content.root = Some(from..to);
                }
            }
            Ok(Event::End(_)) if depth == 0 => {
                if content.root.is_some() && !content.text.trim().is_empty() {
                    return Err((Bad::Stray, start));
                }
                content.range = start..from;
                return Ok(content);
            }
            Ok(Event::End(_)) => {
                depth -= 1;
                if depth == 0 {
                    content.root = root_start.map(|root| root..to);
                }
            }
            Ok(Event::Text(_)) if depth == 0 => {
                let text = hoso.get(from..to).unwrap_or_default();
                if content.text.is_empty() {
                    content.text = Cow::Borrowed(text);
                } else {
                    content.text.to_mut().push_str(text);
                }
            }
            Ok(Event::CData(_)) if depth == 0 => {
                content.plain = false;
                let text = hoso
                    .get(from + "<![CDATA[".len()..to.saturating_sub("]]>".len()))
                    .unwrap_or_default();
                content.text.to_mut().push_str(text);
            }
            Ok(Event::GeneralRef(reference)) if depth == 0 => {
                content.plain = false;
                content
                    .text
                    .to_mut()
                    .push(resolve(&reference).map_err(|bad| (bad, from))?);
            }
            Ok(Event::DocType(_)) => return Err((Bad::Dtd, from)),
            Ok(Event::Eof) => return Err((Bad::Xml, from)),
            Ok(Event::Text(_) | Event::CData(_) | Event::GeneralRef(_)) => {}
            Ok(Event::Comment(_) | Event::PI(_) | Event::Decl(_)) => content.plain = false,
            Err(_) => return Err((Bad::Xml, reader.error_position() as usize)),
        }
    }
}
