//! JSON objects written out canonically while they are read: no blanks, keys sorted, of a key given twice the last, numbers
//! as serde_json keeps them, references resolved.
//!
//! What stays true: what is taken and what comes out is what serde_json's `Value` takes and gives (the tests compare the
//! two). There is no tree, it would cost more than all the rest: each value is written at once, and the members of an object
//! change places when all are there, if they must.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{self, Write};
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use uuid::Uuid;

/// How references name resources before they have ids: `urn:key:<Type>|<key>`.
pub(crate) const KEY_URL: &str = "urn:key:";
/// An object that begins with this key is to serde_json a number; so it hands over those that fit no integer.
const NUMBER: &str = "$serde_json::private::Number";

/// Canonical JSON in the making.
pub(super) struct Canonical<'a> {
    /// All so far; each member of an open object ends with a comma.
    pub(super) text: String,
    links: &'a HashMap<String, Uuid>,
    /// Members of the objects not closed yet, those of the innermost last.
    members: Vec<Member<'a>>,
    /// The types of the references that resolve to nothing, in the order of the text.
    dangling: Vec<String>,
    /// For moving members about.
    spare: String,
}

/// A member of an open object: its place in the text without the comma, and among the dangling references.
struct Member<'a> {
    key: Cow<'a, str>,
    text: Range<usize>,
    dangling: Range<usize>,
}

impl<'a> Canonical<'a> {
    pub(super) fn new(links: &'a HashMap<String, Uuid>, capacity: usize) -> Self {
        Self {
            text: String::with_capacity(capacity),
            links,
            members: Vec::new(),
            dangling: Vec::new(),
            spare: String::new(),
        }
    }

    /// Writes the object `json` and leaves it open. Its own members are no references: FHIR has those inside of fields.
    pub(super) fn open(&mut self, json: &'a str) -> Result<(), serde_json::Error> {
        self.members.clear();
        self.dangling.clear();
        let mut reader = serde_json::Deserializer::from_str(json);
        Object(self).deserialize(&mut reader)?;
        reader.end()
    }

    /// The value of `key`, which has nothing to escape, in the open object as written.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.place(key).map(|place| &self.text[place])
    }

    /// Types of the references in the open object that resolve to nothing.
    pub(super) fn dangling(&mut self) -> &[String] {
        if !self.dangling.is_empty() {
            self.sort(0);
        }
        &self.dangling
    }

    /// Appends an item, given in pieces and canonical, to the list `key` of the open object. What is no list stays.
    pub(super) fn append(&mut self, key: &'static str, item: &[&str]) {
        let list = self.place(key);
        let text = list.clone().map_or("[]", |list| &self.text[list]);
        if !text.starts_with('[') {
            return;
        }
        let items = list.filter(|_| text != "[]");
        // Given again, it takes the place of what was given before.
        self.begin_member(Cow::Borrowed(key));
        match items {
            Some(list) => {
                self.text.extend_from_within(list.start..list.end - 1);
                self.text.push(',');
            }
            None => self.text.push('['),
        }
        self.write(item);
        self.text.push(']');
        self.end_member();
    }

    /// Closes the open object.
    pub(super) fn close(&mut self) {
        self.end_object(0);
    }

    /// Writes pieces of JSON as they are.
    pub(super) fn write(&mut self, pieces: &[&str]) {
        pieces.iter().for_each(|piece| self.text.push_str(piece));
    }

    fn place(&self, key: &str) -> Option<Range<usize>> {
        let member = self.members.iter().rfind(|member| member.key == key)?;
        Some(member.text.start + key.len() + 3..member.text.end)
    }

    fn begin_member(&mut self, key: Cow<'a, str>) {
        let start = self.text.len();
        self.string(&key, matches!(key, Cow::Borrowed(_)));
        self.text.push(':');
        self.members.push(Member {
            key,
            text: start..start,
            dangling: self.dangling.len()..self.dangling.len(),
        });
    }

    fn end_member(&mut self) {
        let member = self.members.last_mut().expect("a member that ends has begun");
        member.text.end = self.text.len();
        member.dangling.end = self.dangling.len();
        self.text.push(',');
    }

    /// Ends the innermost object, whose members start at `first`.
    fn end_object(&mut self, first: usize) {
        if !self.members[first..].is_sorted_by(|a, b| a.key < b.key) {
            self.sort(first);
        }
        self.members.truncate(first);
        self.end_list('}');
    }

    fn end_list(&mut self, end: char) {
        if self.text.ends_with(',') {
            self.text.pop();
        }
        self.text.push(end);
    }

    /// Puts the members from `first` on in the order of their keys; those given again later lose what they had.
    fn sort(&mut self, first: usize) {
        let members = &mut self.members[first..];
        let Some(Member { text, dangling, .. }) = members.first() else {
            return;
        };
        let (start, dangling_start) = (text.start, dangling.start);
        let dangling = self.dangling.split_off(dangling_start);
        members.sort_by(|a, b| a.key.cmp(&b.key));
        for at in 0..members.len() {
            let given_again = members.get(at + 1).is_some_and(|next| next.key == members[at].key);
            let member = &mut members[at];
            let moved = (start + self.spare.len(), self.dangling.len());
            if !given_again {
                self.spare.push_str(&self.text[member.text.clone()]);
                let own = member.dangling.start - dangling_start..member.dangling.end - dangling_start;
                self.dangling.extend_from_slice(&dangling[own]);
            }
            member.text = moved.0..start + self.spare.len();
            member.dangling = moved.1..self.dangling.len();
            if !given_again {
                self.spare.push(',');
            }
        }
        self.text.truncate(start);
        self.text.push_str(&self.spare);
        self.spare.clear();
    }

    /// A string; one that is `plain` has nothing to escape.
    fn string(&mut self, text: &str, plain: bool) {
        if plain {
            self.write(&["\"", text, "\""]);
        } else {
            self.text
                .push_str(&serde_json::to_string(text).expect("a text is JSON"));
        }
    }

    fn reference(&mut self, to: &str) {
        match self.links.get(to) {
            Some(uuid) => self.string(uuid.urn().encode_lower(&mut Uuid::encode_buffer()), true),
            None => {
                let kind = to[KEY_URL.len()..].split('|').next().unwrap_or_default();
                self.dangling.push(kind.to_owned());
            }
        }
    }
}

/// Reads an object and leaves it open.
struct Object<'w, 'a>(&'w mut Canonical<'a>);

impl<'a> DeserializeSeed<'a> for Object<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut fields: M) -> Result<(), M::Error> {
        self.0.text.push('{');
        while let Some(Text(key)) = fields.next_key()? {
            self.0.begin_member(key);
            fields.next_value_seed(Field::new(self.0))?;
            self.0.end_member();
        }
        Ok(())
    }
}

/// Reads and writes a value. Where it `refers` and is a text, it may be a reference.
struct Field<'w, 'a> {
    to: &'w mut Canonical<'a>,
    refers: bool,
}

impl<'a> DeserializeSeed<'a> for Field<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'w, 'a> Field<'w, 'a> {
    fn new(to: &'w mut Canonical<'a>) -> Self {
        Self { to, refers: false }
    }

    fn string<E>(self, text: &str, plain: bool) -> Result<(), E> {
        if self.refers && text.starts_with(KEY_URL) {
            self.to.reference(text);
        } else {
            self.to.string(text, plain);
        }
        Ok(())
    }

    fn plain<E>(self, value: impl fmt::Display) -> Result<(), E> {
        write!(self.to.text, "{value}").expect("a String takes all");
        Ok(())
    }
}

impl<'a> Visitor<'a> for Field<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.plain("null")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.plain(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.plain(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.plain(value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.string(text, false)
    }

    /// A text can be borrowed only where it stands without escapes: it needs none going out either.
    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<(), E> {
        self.string(text, true)
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut items: S) -> Result<(), S::Error> {
        self.to.text.push('[');
        while items.next_element_seed(Field::new(self.to))?.is_some() {
            self.to.text.push(',');
        }
        self.to.end_list(']');
        Ok(())
    }

    fn visit_map<M: MapAccess<'a>>(self, mut fields: M) -> Result<(), M::Error> {
        let mut next: Option<Text<'a>> = fields.next_key()?;
        if next.as_ref().is_some_and(|Text(key)| key == NUMBER) {
            let Text(number) = fields.next_value()?;
            return self.plain(number.parse::<Number>().map_err(M::Error::custom)?);
        }
        let first = self.to.members.len();
        self.to.text.push('{');
        while let Some(Text(key)) = next {
            let refers = key == "reference";
            self.to.begin_member(key);
            fields.next_value_seed(Field { to: self.to, refers })?;
            self.to.end_member();
            next = fields.next_key()?;
        }
        self.to.end_object(first);
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
