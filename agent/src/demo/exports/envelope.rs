//! The record file `GIAMDINHHS`: tables in base64 inside XML, in the ways hospital systems really write it.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Visit;
use super::calendar::Day;

/// How the file is written; the default is what the gateway's own texts show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shape {
    /// What stands in `SOLUONGHOSO`, where it is not the number of records.
    pub(super) count: Option<usize>,
    /// Tables as nested XML instead of base64.
    pub(super) inline: bool,
    /// A byte-order mark before the file and, inside the base64, before every table but the first.
    pub(super) bom: bool,
    pub(super) crlf: bool,
    /// Base64 in lines of 76 characters.
    pub(super) wrapped: bool,
    pub(super) utf16: bool,
    /// What `CHUKYDONVI` holds: nothing, or something that looks like a signature.
    pub(super) signed: bool,
}

/// A whole file.
pub(super) fn file(shape: Shape, facility: &str, made: Day, visits: &[Visit]) -> Vec<u8> {
    let mut bytes = Vec::new();
    head(&mut bytes, shape, facility, made, visits.len())
        .and_then(|()| visits.iter().try_for_each(|visit| record(&mut bytes, shape, visit)))
        .and_then(|()| foot(&mut bytes, shape))
        .expect("writing into memory does not fail");
    if shape.utf16 { utf16_le(&bytes) } else { bytes }
}

pub(super) fn head(out: &mut impl Write, shape: Shape, facility: &str, made: Day, visits: usize) -> io::Result<()> {
    let end = shape.line_end();
    let bom = if shape.bom { "\u{feff}" } else { "" };
    let encoding = if shape.utf16 { "utf-16" } else { "utf-8" };
    let count = shape.count.unwrap_or(visits);
    write!(out, "{bom}<?xml version=\"1.0\" encoding=\"{encoding}\"?>{end}")?;
    write!(
        out,
        "<GIAMDINHHS xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">{end}"
    )?;
    write!(
        out,
        "<THONGTINDONVI>{end}<MACSKCB>{facility}</MACSKCB>{end}</THONGTINDONVI>{end}<THONGTINHOSO>{end}"
    )?;
    write!(
        out,
        "<NGAYLAP>{}</NGAYLAP>{end}<SOLUONGHOSO>{count}</SOLUONGHOSO>{end}<DANHSACHHOSO>{end}",
        made.compact()
    )
}

pub(super) fn record(out: &mut impl Write, shape: Shape, visit: &Visit) -> io::Result<()> {
    let end = shape.line_end();
    write!(out, "<HOSO>{end}")?;
    for (nth, table) in visit.tables.iter().enumerate() {
        write!(
            out,
            "<FILEHOSO>{end}<LOAIHOSO>{}</LOAIHOSO>{end}<NOIDUNGFILE>",
            table.name
        )?;
        if shape.inline {
            // Nested XML cannot carry the table's own declaration.
            out.write_all(
                table
                    .xml
                    .split_once("?>")
                    .map_or(table.xml.as_str(), |(_, rest)| rest.trim())
                    .as_bytes(),
            )?;
        } else {
            let inner_bom = if shape.bom && nth > 0 { "\u{feff}" } else { "" };
            content(out, shape, &BASE64.encode(format!("{inner_bom}{}", table.xml)))?;
        }
        write!(out, "</NOIDUNGFILE>{end}</FILEHOSO>{end}")?;
    }
    write!(out, "</HOSO>{end}")
}

pub(super) fn foot(out: &mut impl Write, shape: Shape) -> io::Result<()> {
    let end = shape.line_end();
    let signature = if shape.signed { LOOKS_SIGNED } else { "" };
    write!(
        out,
        "</DANHSACHHOSO>{end}</THONGTINHOSO>{end}<CHUKYDONVI>{signature}</CHUKYDONVI>{end}</GIAMDINHHS>{end}"
    )
}

impl Shape {
    fn line_end(self) -> &'static str {
        if self.crlf { "\r\n" } else { "\n" }
    }
}

fn content(out: &mut impl Write, shape: Shape, encoded: &str) -> io::Result<()> {
    if !shape.wrapped {
        return out.write_all(encoded.as_bytes());
    }
    for line in encoded.as_bytes().chunks(76) {
        out.write_all(shape.line_end().as_bytes())?;
        out.write_all(line)?;
    }
    out.write_all(shape.line_end().as_bytes())
}

fn utf16_le(utf8: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(utf8);
    let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

/// The right elements in the right place, around values that verify nothing: enough to be treated as signed.
const LOOKS_SIGNED: &str = concat!(
    r#"<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>"#,
    r#"<CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>"#,
    r#"<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><Reference URI=""><Transforms>"#,
    r#"<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/></Transforms>"#,
    r#"<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>"#,
    r#"<DigestValue>S2jDtG5nIHBo4bqjaSBjaOG7ryBrw70gdGjhuq10IQ==</DigestValue></Reference></SignedInfo>"#,
    r#"<SignatureValue>S2jDtG5nIHBo4bqjaSBjaOG7ryBrw70gdGjhuq10IQ==</SignatureValue>"#,
    r#"<KeyInfo><X509Data><X509Certificate>S2jDtG5nIHBo4bqjaQ==</X509Certificate></X509Data></KeyInfo></Signature>"#,
);
