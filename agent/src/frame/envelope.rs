//! One visit's file in the form the gateway takes, when a file of several has to be split or was not in that form.
//!
//! A table that already is in form is copied byte for byte. Never used on a signed file: those go out as they came.

use std::{borrow::Cow, ops::Range};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Survey,
    cut::Cut,
    open::{Held, Opened},
};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";

/// One visit's file: unsigned, one record, UTF-8, every table as base64 of a complete XML document.
pub fn envelope(survey: &Survey, cut: &Cut, opened: &Opened) -> Vec<u8> {
    let mut files = Vec::with_capacity(cut.hoso.len());
    for (name, content) in &opened.held {
        let at = |range: &Range<usize>| &cut.hoso[range.clone()];
        let content = match content {
            Held::AsIs(range) => at(range).into(),
            Held::Unwrapped(base64) => base64.as_bytes().into(),
            Held::Inline(root) => Cow::from(STANDARD.encode(document(at(root), survey)).into_bytes()),
            Held::Text(root) => STANDARD.encode(document(root.as_bytes(), survey)).into_bytes().into(),
        };
        put_file(&mut files, name, &content);
    }
    around(survey, &files)
}

/// The document of a record's check-in by itself, as its own path at the gateway takes it; none where there is not just one.
/// Where it stood in base64 it leaves byte for byte.
pub fn check_in(survey: &Survey, cut: &Cut, opened: &Opened) -> Option<Vec<u8>> {
    let mut all = opened.held.iter().filter(|(name, _)| name == "XML0");
    let ((_, content), None) = (all.next()?, all.next()) else {
        return None;
    };
    let at = |range: &Range<usize>| &cut.hoso[range.clone()];
    match content {
        Held::AsIs(range) => STANDARD.decode(at(range).trim_ascii()).ok(),
        Held::Unwrapped(base64) => STANDARD.decode(base64).ok(),
        Held::Inline(root) => Some(document(at(root), survey)),
        Held::Text(root) => Some(document(root.as_bytes(), survey)),
    }
}

fn put_file(files: &mut Vec<u8>, name: &str, content: &[u8]) {
    files.extend_from_slice(b"<FILEHOSO><LOAIHOSO>");
    files.extend_from_slice(escaped(Some(name)).as_bytes());
    files.extend_from_slice(b"</LOAIHOSO><NOIDUNGFILE>");
    files.extend_from_slice(content);
    files.extend_from_slice(b"</NOIDUNGFILE></FILEHOSO>");
}

fn around(survey: &Survey, files: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(files.len() + 1024);
    let mut push = |text: &[u8]| file.extend_from_slice(text);
    push(DECLARATION.as_bytes());
    push(b"<GIAMDINHHS><THONGTINDONVI><MACSKCB>");
    push(escaped(survey.facility.as_deref()).as_bytes());
    push(b"</MACSKCB></THONGTINDONVI><THONGTINHOSO><NGAYLAP>");
    push(escaped(survey.made_on.as_deref()).as_bytes());
    push(b"</NGAYLAP><SOLUONGHOSO>1</SOLUONGHOSO><DANHSACHHOSO><HOSO>");
    push(files);
    push(b"</HOSO></DANHSACHHOSO></THONGTINHOSO><CHUKYDONVI></CHUKYDONVI></GIAMDINHHS>");
    file
}

/// One visit's file around tables that a plugin built: name and XML of each.
pub fn envelope_of_tables(facility: &str, made_on: Option<&str>, tables: &[(&str, &str)]) -> Vec<u8> {
    let survey = Survey {
        facility: Some(facility.to_owned()),
        made_on: made_on.map(str::to_owned),
        ..Survey::default()
    };
    let mut files = Vec::new();
    for (name, xml) in tables {
        put_file(&mut files, name, STANDARD.encode(xml).as_bytes());
    }
    around(&survey, &files)
}

/// A complete document around a table's root element. Prefixes the element borrowed from the file's root come along.
fn document(root: &[u8], survey: &Survey) -> Vec<u8> {
    let borrowed: String = survey
        .namespaces
        .split_inclusive(char::is_whitespace)
        .map(str::trim)
        .filter(|attribute| {
            let declared = attribute.split_once('=').map_or("", |(name, _)| name);
            let prefix = declared.strip_prefix("xmlns:").map(|prefix| format!("{prefix}:"));
            prefix.is_some_and(|prefix| has(root, &prefix)) && !has(root, declared)
        })
        .fold(String::new(), |all, attribute| format!("{all} {attribute}"));
    let name = root
        .iter()
        .position(|&b| b.is_ascii_whitespace() || b == b'>' || b == b'/')
        .unwrap_or(root.len());
    [
        DECLARATION.as_bytes(),
        &root[..name],
        borrowed.as_bytes(),
        &root[name..],
    ]
    .concat()
}

fn has(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

fn escaped(value: Option<&str>) -> String {
    let value = value.unwrap_or_default();
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
