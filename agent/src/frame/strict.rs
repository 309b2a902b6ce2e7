//! What a strict XML parser at the other end would say: stricter than we are ourselves where nothing depends on it.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::rows::{control, resolve};

/// No element of these files has more attributes.
const ATTRIBUTES: usize = 64;

/// Whether a start tag has a name and attributes as XML wants them.
pub(super) fn sound(start: &BytesStart<'_>) -> bool {
    let name = start.name();
    let name = name.as_ref();
    let begins = |b: u8| b.is_ascii_alphabetic() || b == b'_' || b == b':' || b >= 0x80;
    let goes_on = |b: &u8| begins(*b) || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    name.first().is_some_and(|b| begins(*b))
        && name.iter().all(goes_on)
        && (!may_have_attributes(start) || attributes_are_sound(start))
}

/// Nearly no tag has any: then there is nothing behind the name.
fn may_have_attributes(start: &BytesStart<'_>) -> bool {
    start.len() > start.name().as_ref().len()
}

/// Few enough to compare each with all before it, with values as XML wants them.
fn attributes_are_sound(start: &BytesStart<'_>) -> bool {
    let value_is = |value: &[u8]| {
        let text = std::str::from_utf8(value).ok();
        !value.contains(&b'<') && text.is_some_and(|text| quick_xml::escape::unescape(text).is_ok())
    };
    let mut attributes = start.attributes();
    let few = attributes
        .by_ref()
        .take(ATTRIBUTES)
        .all(|a| a.is_ok_and(|a| value_is(&a.value)));
    few && attributes.next().is_none()
}

/// Whether the bytes are one well-formed document whose names have no prefix and no default namespace, as the gateway's are.
pub(super) fn in_form(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    control(bytes).is_none() && walk(text).unwrap_or(false)
}

/// None where the parser itself gives up.
fn walk(text: &str) -> Option<bool> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let (mut depth, mut rooted) = (0_usize, false);
    loop {
        let from = reader.buffer_position();
        let event = reader.read_event().ok()?;
        let opens = matches!(event, Event::Start(_));
        let fine = match event {
            Event::Start(start) | Event::Empty(start) => {
                let fine = plain(&start) && (depth > 0 || !rooted);
                (depth, rooted) = (depth + usize::from(opens), true);
                fine
            }
            Event::End(_) => {
                depth -= 1; // the reader lets no end tag pass that has no start
                true
            }
            Event::Text(text) => {
                (depth > 0 || text.trim_ascii().is_empty()) && memchr::memmem::find(&text, b"]]>").is_none()
            }
            Event::CData(_) => depth > 0,
            Event::GeneralRef(reference) => depth > 0 && resolve(&reference).is_ok(),
            Event::Decl(_) => from == 0,
            Event::DocType(_) => false,
            Event::Comment(_) | Event::PI(_) => true,
            Event::Eof => return Some(rooted && depth == 0),
        };
        if !fine {
            return Some(false);
        }
    }
}

/// A sound start tag without prefix and without a default namespace.
pub(super) fn plain(start: &BytesStart<'_>) -> bool {
    sound(start)
        && start.name().prefix().is_none()
        && (!may_have_attributes(start)
            || start
                .attributes()
                .all(|a| a.is_ok_and(|a| a.key.as_ref() != b"xmlns" || a.value.is_empty())))
}
