//! Writes FHIR JSON straight into text: no tree in between.
//!
//! What stays true: the text is well-formed whatever the values hold, and nothing empty is ever written. An object or
//! array that got no content disappears together with its name, so mapping code needs no "is there anything?" questions.

use crate::{Decimal, Moment};

/// Writes one FHIR resource and returns its text.
pub fn resource(resource_type: &str, write: impl FnOnce(&mut Object<'_>)) -> String {
    let mut out = String::with_capacity(768);
    out.push('{');
    let mut object = Object {
        out: &mut out,
        empty: true,
    };
    object.text("resourceType", resource_type);
    write(&mut object);
    out.push('}');
    out
}

/// A JSON object being written.
#[derive(Debug)]
pub struct Object<'w> {
    out: &'w mut String,
    empty: bool,
}

/// A JSON array being written.
#[derive(Debug)]
pub struct Array<'w> {
    out: &'w mut String,
    empty: bool,
}

impl Object<'_> {
    /// `"name": "value"`, unless the value is empty.
    #[inline]
    pub fn text(&mut self, name: &'static str, value: &str) {
        if !value.is_empty() {
            self.name(name);
            quote(self.out, value);
        }
    }

    /// As [`Object::text`], for a value that may be missing.
    #[inline]
    pub fn maybe(&mut self, name: &'static str, value: Option<&str>) {
        self.text(name, value.unwrap_or_default());
    }

    /// A date or time, if there is one.
    #[inline]
    pub fn moment(&mut self, name: &'static str, moment: Option<Moment>) {
        if let Some(moment) = moment {
            self.text(name, moment.as_str());
        }
    }

    /// A number, digit by digit as it came.
    pub fn decimal(&mut self, name: &'static str, value: Decimal<'_>) {
        self.name(name);
        self.out.push_str(value.sign());
        self.out.push_str(value.digits());
    }

    /// A whole number of our own, such as a sequence.
    pub fn count(&mut self, name: &'static str, value: usize) {
        self.name(name);
        push_count(self.out, value);
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &'static str, value: bool) {
        self.name(name);
        self.out.push_str(if value { "true" } else { "false" });
    }

    /// JSON that is known to be well-formed, such as a fixed coding of a profile set. Empty text writes nothing.
    pub fn raw(&mut self, name: &'static str, json: &str) {
        if !json.is_empty() {
            self.name(name);
            self.out.push_str(json);
        }
    }

    /// A reference to another resource of the same record.
    pub fn reference(&mut self, name: &'static str, resource_type: &str, key: &str) {
        self.name(name);
        reference_into(self.out, resource_type, key);
    }

    /// An object, if anything gets written into it.
    #[inline]
    pub fn object(&mut self, name: &'static str, write: impl FnOnce(&mut Object<'_>)) {
        let mark = self.out.len();
        let was_empty = self.empty;
        self.name(name);
        if !object_in(self.out, write) {
            self.out.truncate(mark);
            self.empty = was_empty;
        }
    }

    /// An array, if anything gets written into it.
    #[inline]
    pub fn array(&mut self, name: &'static str, write: impl FnOnce(&mut Array<'_>)) {
        let mark = self.out.len();
        let was_empty = self.empty;
        self.name(name);
        self.out.push('[');
        let mut array = Array {
            out: self.out,
            empty: true,
        };
        write(&mut array);
        if array.empty {
            self.out.truncate(mark);
            self.empty = was_empty;
        } else {
            self.out.push(']');
        }
    }

    fn name(&mut self, name: &'static str) {
        // Names are FHIR's own and written in the code, so they hold nothing to escape.
        // Each a push of known length: the sandbox leaves itself to copy any other.
        if self.empty {
            self.out.push('"');
        } else {
            self.out.push_str(",\"");
        }
        self.empty = false;
        self.out.push_str(name);
        self.out.push_str("\":");
    }
}

impl Array<'_> {
    /// An element that is an object, if anything gets written into it.
    #[inline]
    pub fn object(&mut self, write: impl FnOnce(&mut Object<'_>)) {
        let mark = self.out.len();
        let was_empty = self.empty;
        comma(self.out, &mut self.empty);
        if !object_in(self.out, write) {
            self.out.truncate(mark);
            self.empty = was_empty;
        }
    }

    /// An element that is a reference to another resource of the same record.
    pub fn reference(&mut self, resource_type: &str, key: &str) {
        comma(self.out, &mut self.empty);
        reference_into(self.out, resource_type, key);
    }

    /// An element that is text, unless it is empty.
    pub fn text(&mut self, value: &str) {
        if !value.is_empty() {
            comma(self.out, &mut self.empty);
            quote(self.out, value);
        }
    }

    /// An element that is known to be well-formed JSON; empty text writes nothing.
    pub fn raw(&mut self, json: &str) {
        if !json.is_empty() {
            comma(self.out, &mut self.empty);
            self.out.push_str(json);
        }
    }
}

fn object_in(out: &mut String, write: impl FnOnce(&mut Object<'_>)) -> bool {
    out.push('{');
    let mut object = Object { out, empty: true };
    write(&mut object);
    let written = !object.empty;
    out.push('}');
    written
}

#[inline]
fn comma(out: &mut String, empty: &mut bool) {
    if !*empty {
        out.push(',');
    }
    *empty = false;
}

/// `{"reference":"urn:key:<Type>|<key>"}`.
fn reference_into(out: &mut String, resource_type: &str, key: &str) {
    out.push_str("{\"reference\":\"urn:key:");
    out.push_str(resource_type);
    out.push('|');
    escape(out, key);
    out.push_str("\"}");
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    escape(out, text);
    out.push('"');
}

/// Copies the stretches that need no escape as they are; usually that is all of the text.
fn escape(out: &mut String, text: &str) {
    if is_plain(text.as_bytes()) {
        out.push_str(text);
        return;
    }
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            // FHIR allows no other control character in text, however it is escaped.
            _ => out.push(' '),
        }
    }
    out.push_str(&text[from..]);
}

/// No quote, backslash or control character. Eight bytes at a time, because this sees every value ever written.
fn is_plain(text: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let (words, rest) = text.as_chunks::<8>();
    let words_are_plain = words.iter().all(|word| {
        let word = u64::from_le_bytes(*word);
        let below = |limit: u64, word: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
        let quote = below(1, word ^ (ONES * 0x22));
        let backslash = below(1, word ^ (ONES * 0x5C));
        below(0x20, word) | quote | backslash == 0
    });
    words_are_plain && rest.iter().all(|byte| *byte >= 0x20 && *byte != b'"' && *byte != b'\\')
}

fn push_count(out: &mut String, value: usize) {
    if value >= 10 {
        push_count(out, value / 10);
    }
    out.push(char::from(b'0' + (value % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_empty_is_ever_written() {
        let json = resource("Patient", |o| {
            o.text("id", "");
            o.maybe("language", None);
            o.moment("birthDate", None);
            o.raw("type", "");
            o.object("a", |o| o.object("b", |_| {}));
            o.array("c", |a| {
                a.object(|_| {});
                a.text("");
                a.raw("");
            });
            o.array("name", |a| {
                a.object(|_| {});
                a.object(|o| o.text("text", "Trần Văn Bình"));
            });
            o.count("n", 1204);
        });
        assert_eq!(
            json,
            r#"{"resourceType":"Patient","name":[{"text":"Trần Văn Bình"}],"n":1204}"#
        );
    }

    #[test]
    fn any_text_survives_a_json_reader() {
        let odd = "a\"b\\c\nd\te\r/ đường ‘x’ \u{2028} 🙂";
        let json = resource("Basic", |o| {
            o.text("key", odd);
            o.flag("f", false);
            o.decimal("d", Decimal::parse("-00.50").unwrap());
            o.reference("subject", "Patient", odd);
            o.array("a", |a| {
                a.text(odd);
                a.raw("{\"x\":1}");
            });
        });
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["key"], odd);
        assert_eq!(value["a"][0], odd);
        assert_eq!(value["subject"]["reference"], format!("urn:key:Patient|{odd}"));
        assert!(json.contains(r#""d":-0.50"#) && json.contains(r#""f":false"#));
    }

    #[test]
    fn one_odd_byte_is_found_at_any_place() {
        for at in 0..40 {
            for odd in ["\"", "\\", "\n", "\u{1f}"] {
                let text = format!(
                    "{}{odd}{}",
                    "ờ".repeat(at / 2) + &"x".repeat(at % 2),
                    "đ".repeat(20 - at / 2)
                );
                let value: serde_json::Value = serde_json::from_str(&resource("X", |o| o.text("t", &text))).unwrap();
                assert_eq!(value["t"], text.replace('\u{1f}', " "));
            }
        }
    }

    #[test]
    fn control_characters_that_fhir_forbids_become_spaces() {
        assert!(resource("Basic", |o| o.text("t", "a\u{1}b")).contains(r#""t":"a b""#));
    }
}
