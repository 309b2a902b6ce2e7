//! The primitive types of R4: how their values are written (<https://hl7.org/fhir/R4/datatypes.html>).

use chrono::NaiveDate;

use crate::tree::{Kind, Node};

/// A primitive type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Primitive {
    Base64Binary,
    Boolean,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Uuid,
    Xhtml,
}

impl Primitive {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "base64Binary" => Self::Base64Binary,
            "boolean" => Self::Boolean,
            "code" => Self::Code,
            "date" => Self::Date,
            "dateTime" => Self::DateTime,
            "decimal" => Self::Decimal,
            "id" => Self::Id,
            "instant" => Self::Instant,
            "integer" => Self::Integer,
            "oid" => Self::Oid,
            "positiveInt" => Self::PositiveInt,
            "string" | "markdown" => Self::String,
            "time" => Self::Time,
            "unsignedInt" => Self::UnsignedInt,
            "uri" | "url" | "canonical" => Self::Uri,
            "uuid" => Self::Uuid,
            "xhtml" => Self::Xhtml,
            _ => return None,
        })
    }

    /// Whether this is a value of the type.
    pub(super) fn takes(self, node: Node<'_>) -> bool {
        match node.kind() {
            Kind::Bool(_) => self == Self::Boolean,
            Kind::Number(number) => self.takes_number(number.as_str()),
            Kind::Text(text) => self.takes_text(text),
            _ => false,
        }
    }

    fn takes_number(self, number: &str) -> bool {
        let least = match self {
            Self::Decimal => return true,
            Self::Integer => i32::MIN,
            Self::UnsignedInt => 0,
            Self::PositiveInt => 1,
            _ => return false,
        };
        number.parse::<i32>().is_ok_and(|number| number >= least)
    }

    fn takes_text(self, text: &str) -> bool {
        match self {
            Self::String => has_words(text),
            Self::Code => is_code(text),
            Self::Id => {
                (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
            }
            Self::Uri => !text.is_empty() && !text.contains(char::is_whitespace),
            Self::Oid => text
                .strip_prefix("urn:oid:")
                .is_some_and(|oid| !oid.is_empty() && oid.bytes().all(|b| b.is_ascii_digit() || b == b'.')),
            Self::Uuid => text
                .strip_prefix("urn:uuid:")
                .is_some_and(|uuid| uuid.len() == 36 && uuid::Uuid::try_parse(uuid).is_ok()),
            Self::Base64Binary => is_base64(text),
            Self::Date => is_date(text),
            Self::DateTime => is_date_time(text, 4),
            Self::Instant => is_date_time(text, 19),
            Self::Time => is_time(text),
            Self::Xhtml => text.starts_with("<div") && text.ends_with("</div>"),
            Self::Boolean | Self::Decimal | Self::Integer | Self::UnsignedInt | Self::PositiveInt => false,
        }
    }
}

/// Some text that is no blank; of control characters only those of lines and tabs.
fn has_words(text: &str) -> bool {
    // No early end, so that many bytes are looked at at once.
    let odd = |odd: bool, byte: u8| odd | (byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n'));
    text.contains(|c: char| !c.is_whitespace()) && !text.bytes().fold(false, odd)
}

/// No blank at its ends, and no two in a row.
fn is_code(text: &str) -> bool {
    !text.is_empty() && text.split(' ').all(|part| !part.is_empty()) && !text.contains(['\t', '\r', '\n'])
}

fn is_base64(text: &str) -> bool {
    let bytes = text.as_bytes();
    let pad = bytes.iter().rev().take_while(|&&b| b == b'=').count();
    pad <= 2
        && !bytes.is_empty()
        && bytes.len().is_multiple_of(4)
        && bytes[..bytes.len() - pad]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+/".contains(b))
}

/// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, and a day that there is.
fn is_date(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        let all = digits.bytes().all(|b| b.is_ascii_digit());
        all.then(|| digits.parse::<u32>().ok())?
    };
    let dashed = |at: usize| text.as_bytes().get(at) == Some(&b'-');
    let (month, day) = match text.len() {
        4 => (Some(1), Some(1)),
        7 if dashed(4) => (number(5..7), Some(1)),
        10 if dashed(4) && dashed(7) => (number(5..7), number(8..10)),
        _ => return false,
    };
    matches!((number(0..4), month, day), (Some(year @ 1..), Some(month), Some(day))
        if NaiveDate::from_ymd_opt(year.cast_signed(), month, day).is_some())
}

/// A date, or a date with a time and a zone; not shorter than `least`.
fn is_date_time(text: &str, least: usize) -> bool {
    if text.len() < least || !text.is_ascii() {
        return false;
    }
    let Some((date, rest)) = text.split_once('T') else {
        return is_date(text);
    };
    let Some(zone) = rest.find(['Z', '+', '-']) else {
        return false;
    };
    let (time, zone) = rest.split_at(zone);
    date.len() == 10 && is_date(date) && is_time(time) && is_zone(zone)
}

/// `hh:mm:ss`, with a fraction or without.
fn is_time(text: &str) -> bool {
    let (time, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let below = |at: usize, end: u8| match time.as_bytes()[at..at + 2] {
        [ten, one] => ten.is_ascii_digit() && one.is_ascii_digit() && (ten - b'0') * 10 + (one - b'0') < end,
        _ => false,
    };
    let is_colon = |at: usize| time.as_bytes()[at] == b':';
    !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && time.len() == 8
        && is_colon(2)
        && is_colon(5)
        && below(0, 24)
        && below(3, 60)
        && below(6, 61)
}

fn is_zone(text: &str) -> bool {
    text == "Z"
        || text.len() == 6
            && text.starts_with(['+', '-'])
            && text.as_bytes()[3] == b':'
            && text.bytes().skip(1).filter(u8::is_ascii_digit).count() == 4
            && text[4..] < *"60"
            && text[1..] <= *"14:00"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn check(kind: &str, good: &[&str], bad: &[&str]) {
        let kind = Primitive::of(kind).unwrap();
        for (values, expected) in [(good, true), (bad, false)] {
            for value in values {
                let json = format!("{{\"value\":{value}}}");
                let tree = Tree::read(&json).unwrap();
                let value = tree.root().get("value").unwrap();
                assert_eq!(kind.takes(value), expected, "{kind:?} {json}");
            }
        }
    }

    #[test]
    fn dates_are_days_that_there_are_and_times_have_a_zone() {
        check(
            "date",
            &[r#""2026""#, r#""2026-02""#, r#""2024-02-29""#],
            &[
                r#""2026-02-30""#,
                r#""2025-02-29""#,
                r#""20260101""#,
                r#""0000-01-01""#,
                r#""2026-1-1""#,
                "2026",
                r#""2026-01-01T00:00:00Z""#,
                r#""+026-01-01""#,
                r#""2026-+1""#,
            ],
        );
        check(
            "dateTime",
            &[
                r#""2026""#,
                r#""2026-01-01T07:30:00+07:00""#,
                r#""2026-01-01T07:30:00.125Z""#,
            ],
            &[
                r#""2026-01-01T07:30:00""#,
                r#""2026-01-01T07:30+07:00""#,
                r#""2026-01-01T24:30:00Z""#,
                r#""2026-01T07:30:00Z""#,
                r#""2026-01-01T07:30:00+15:00""#,
                r#""2026-01-01 07:30:00Z""#,
                r#""""#,
            ],
        );
        check(
            "instant",
            &[r#""2026-01-01T07:30:00Z""#],
            &[r#""2026-01-01""#, r#""2026""#],
        );
        check(
            "time",
            &[r#""07:30:00""#, r#""07:30:00.5""#],
            &[r#""7:30:00""#, r#""07:30""#, r#""07:30:00.""#],
        );
    }

    #[test]
    fn texts_have_words_codes_no_odd_blanks_and_addresses_none() {
        check(
            "string",
            &[r#""a b""#, r#"" á\n""#],
            &[r#""""#, r#"" \t""#, r#""a\u0001""#, "1", "true"],
        );
        check(
            "code",
            &[r#""a b""#, r#""00""#],
            &[r#""a  b""#, r#"" a""#, r#""a ""#, r#""""#, r#""a\nb""#],
        );
        check("uri", &[r#""urn:x""#], &[r#""a b""#, r#""""#]);
        check("id", &[r#""a-1.B""#], &[r#""a_b""#, r#""""#]);
        check("oid", &[r#""urn:oid:1.2""#], &[r#""1.2""#]);
        check(
            "uuid",
            &[r#""urn:uuid:c757873d-ec9a-4326-a141-556f43239520""#],
            &[r#""c757873d-ec9a-4326-a141-556f43239520""#],
        );
        check(
            "base64Binary",
            &[r#""YWI=""#],
            &[r#""YWI""#, r#""Y=I=""#, r#""""#, r#""YW I=""#],
        );
        check("xhtml", &[r#""<div>a</div>""#], &[r#""a""#]);
    }

    #[test]
    fn numbers_and_truths_are_not_texts() {
        check("boolean", &["true"], &[r#""true""#, "1"]);
        check("decimal", &["1", "-1.50", "1e400"], &[r#""1""#]);
        check("integer", &["-1", "2147483647"], &["1.0", "2147483648", r#""1""#]);
        check("unsignedInt", &["0"], &["-1"]);
        check("positiveInt", &["1"], &["0"]);
    }
}
