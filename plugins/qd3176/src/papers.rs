//! The papers that a visit leaves behind (XML7 to XML14), as DocumentReferences: the numbers and signers of the paper as
//! elements, and all of its fields in words as a page of HTML. What a paper says of the person or the visit and no other
//! table does is written by the files of its subject.
//!
//! The agent sends a DocumentReference and not a Composition: a request is conditional on an identifier of the agent's own,
//! and a Composition has room for one only.

use vhr_plugin_sdk::tables::Kind;
use vhr_plugin_sdk::{Array, Moment, Object, resource};

use crate::fhir::{coding, organization, period};
use crate::source::{Draft, ENCOUNTER, Line, Source};

/// What is where in a paper. Fields that its table does not have are never there.
#[derive(Default)]
pub(crate) struct Paper<'p> {
    /// The fields of its numbers.
    pub(crate) numbers: &'p [&'static str],
    /// The field of the day it was made on.
    pub(crate) made: &'p str,
    /// The fields of the code and the name of whoever wrote it.
    pub(crate) author: (&'p str, &'p str),
    /// The code of the author is a licence number, as those of doctors in the tables are.
    pub(crate) licensed: bool,
    /// The Patient it is about, where it is not the one of the visit.
    pub(crate) subject: Option<&'p str>,
    /// Numbers of others that it names: what they are of, what kind of number, the number.
    pub(crate) related: &'p [(&'static str, &'static str, Option<&'p str>)],
}

/// Writes the DocumentReference of a row.
pub(crate) fn put<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>, paper: &Paper<'_>) {
    let about = line.about();
    let made = draft.date_time(line, paper.made);
    let (start, end) = stay(draft, line);
    let licence = line.get(paper.author.0).filter(|_| paper.licensed);
    let licence = licence.map(|licence| draft.practitioner(licence));
    let json = resource("DocumentReference", |o| {
        o.array("identifier", |a| {
            for field in paper.numbers {
                number(a, line.name_of(field), line.get(field));
            }
        });
        o.text("status", "current");
        o.text("docStatus", "final");
        if let Some(kind) = source.profile.fixed.papers.get(about.name) {
            o.raw("type", kind.json());
        }
        o.reference("subject", "Patient", paper.subject.unwrap_or(source.patient));
        o.array("author", |a| match licence {
            Some(licence) => a.reference("Practitioner", licence),
            None => a.object(|o| practitioner_body(o, line.get(paper.author.0), line.get(paper.author.1))),
        });
        o.object("authenticator", |o| practitioner_body(o, line.get("MA_TTDV"), None));
        organization(o, "custodian", source, line.get("MA_CSKCB"));
        o.array("content", |a| {
            a.object(|o| {
                o.object("attachment", |o| {
                    o.text("contentType", "text/html");
                    o.text("language", "vi");
                    o.text("data", &base64(page(line).as_bytes()));
                    o.text("title", about.vi);
                    o.moment("creation", made);
                });
            });
        });
        o.object("context", |o| {
            o.array("encounter", |a| a.reference("Encounter", ENCOUNTER));
            period(o, "period", start, end);
            o.object("practiceSetting", |o| {
                o.array("coding", |a| coding(a, None, line.get("MA_KHOA_RV")));
            });
            o.array("related", |a| {
                for (kind, meaning, value) in paper.related {
                    if let Some(value) = value {
                        a.object(|o| {
                            o.text("type", kind);
                            o.object("identifier", |o| {
                                o.object("type", |o| o.text("text", meaning));
                                o.text("value", value);
                            });
                        });
                    }
                }
            });
        });
    });
    draft.put("DocumentReference", line.key(), json);
}

/// The stay that the paper speaks of; the lists that a referral may have are in its words only.
fn stay<'a>(draft: &mut Draft<'a>, line: Line<'a>) -> (Option<Moment>, Option<Moment>) {
    let mut moment = |field| match line.get(field)?.contains(';') {
        true => None,
        false => draft.date_time(line, field),
    };
    let (start, end) = (moment("NGAY_VAO"), moment("NGAY_RA"));
    (start, draft.ordered(line, "NGAY_RA", start, end))
}

/// A number that only its meaning tells from others.
pub(crate) fn number(a: &mut Array<'_>, meaning: &str, value: Option<&str>) {
    if let Some(value) = value {
        a.object(|o| {
            o.object("type", |o| o.text("text", meaning));
            o.text("value", value);
        });
    }
}

/// Somebody whose code may be a licence or another number: the paper does not say, so there is no system.
fn practitioner_body(o: &mut Object<'_>, code: Option<&str>, name: Option<&str>) {
    if code.or(name).is_some() {
        o.text("type", "Practitioner");
        o.object("identifier", |o| o.maybe("value", code));
        o.maybe("display", name);
    }
}

/// All fields of the row in words.
fn page(line: Line<'_>) -> String {
    let about = line.about();
    let mut out = String::with_capacity(2048);
    out.push_str("<!DOCTYPE html><html lang=\"vi\"><head><meta charset=\"utf-8\"/><title>");
    escape(&mut out, about.vi);
    out.push_str("</title></head><body><h1>");
    escape(&mut out, about.vi);
    out.push_str("</h1><dl>");
    let shown = about
        .fields
        .iter()
        .filter(|field| !matches!(field.name, "MA_LK" | "DU_PHONG"));
    for field in shown {
        if let Some(text) = line.get(field.name) {
            out.push_str("<dt>");
            escape(&mut out, field.vi);
            out.push_str("</dt><dd>");
            match field.kind {
                Kind::Date | Kind::DateTime => day(&mut out, text, field.name.starts_with("NGAY_SINH")),
                Kind::Text | Kind::Number => escape(&mut out, text),
            }
            out.push_str("</dd>");
        }
    }
    out.push_str("</dl></body></html>");
    out
}

/// `15/03/2026 08:30`, as people in Vietnam write it; what is no full date stays as it stands. Of a birth, midnight is not known.
fn day(out: &mut String, text: &str, birth: bool) {
    let moment = match birth {
        true => Moment::birth(text).map(|(day, moment)| moment.unwrap_or(day)),
        false => Moment::date_time(text),
    };
    match moment {
        Ok(moment) if moment.is_full() => {
            let (date, time) = (moment.day(), moment.as_str().get(11..16));
            let parts: [&str; 3] = [&date.as_str()[8..], &date.as_str()[5..7], &date.as_str()[..4]];
            out.push_str(&parts.join("/"));
            if let Some(time) = time {
                out.push(' ');
                out.push_str(time);
            }
        }
        _ => escape(out, text),
    }
}

/// Copies the stretches that need no escape as they are.
fn escape(out: &mut String, text: &str) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'\n' => "<br/>",
            // HTML has no place for the others.
            0..0x20 | 0x7F => " ",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(escaped);
        from = at + 1;
    }
    out.push_str(&text[from..]);
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |three: [u8; 3]| {
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        [18, 12, 6, 0].map(|shift| LETTERS[(bits >> shift & 63) as usize])
    };
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    let (threes, rest) = bytes.as_chunks::<3>();
    for three in threes {
        out.extend_from_slice(&four(*three));
    }
    if !rest.is_empty() {
        let mut last = [0; 3];
        last[..rest.len()].copy_from_slice(rest);
        out.extend_from_slice(&four(last)[..=rest.len()]);
        out.resize(out.len().next_multiple_of(4), b'=');
    }
    String::from_utf8(out).expect("letters of ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_one_of_the_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xFF, 0xFE, 0xFD]), "//79");
    }

    #[test]
    fn a_value_cannot_break_out_of_the_page() {
        let mut out = String::new();
        escape(&mut out, "a<script>&\n\u{1}b");
        assert_eq!(out, "a&lt;script&gt;&amp;<br/> b");
    }

    #[test]
    fn a_page_writes_days_as_people_do() {
        let shown = |text| {
            let mut out = String::new();
            day(&mut out, text, text.ends_with("0000"));
            out
        };
        assert_eq!(shown("202603010830"), "01/03/2026 08:30");
        assert_eq!(shown("202603010000"), "01/03/2026");
        assert_eq!(
            (shown("20260301").as_str(), shown("20260230").as_str()),
            ("01/03/2026", "20260230")
        );
        assert_eq!(shown("1950<000"), "1950&lt;000");
    }
}
