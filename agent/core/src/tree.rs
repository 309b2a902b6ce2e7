//! A resource as a tree that borrows from its text: read once, checked, and written into its Bundle.
//!
//! All values stand in one list, each in front of what is within it: a tree of lists of its own would cost more than all checks.
//! What stays true: what is taken is what serde_json takes as an object, with the numbers as it keeps them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

pub(crate) use name::Name;

mod name;

/// An object that begins with this key is to serde_json a number.
const NUMBER: &str = "$serde_json::private::Number";

/// So many bytes of JSON a value takes, as resources are.
const BYTES: usize = 16;

/// A resource, or any other object of JSON.
#[derive(Debug)]
pub struct Tree<'a>(Vec<Entry<'a>>);

#[derive(Debug)]
struct Entry<'a> {
    /// Empty for the items of a list.
    key: Cow<'a, str>,
    /// Of the key; where that stands beside a primitive (`_birthDate`), of what is behind its first character.
    name: Name,
    beside: bool,
    kind: Kind<'a>,
    /// Behind everything within. Four bytes less here are an eighth of all.
    end: u32,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Kind<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List,
    Object,
}

/// A value of JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'t> {
    entries: &'t [Entry<'t>],
    at: usize,
}

impl<'a> Tree<'a> {
    /// Reads the text of an object.
    ///
    /// # Errors
    /// When it is no JSON, or no object.
    pub fn read(json: &'a str) -> Result<Self, serde_json::Error> {
        let mut entries = Vec::with_capacity(json.len() / BYTES);
        let mut reader = serde_json::Deserializer::from_str(json);
        Whole(&mut entries).deserialize(&mut reader)?;
        reader.end()?;
        Ok(Self(entries))
    }

    pub(crate) fn root(&self) -> Node<'_> {
        Node {
            entries: &self.0,
            at: 0,
        }
    }
}

impl<'t> Node<'t> {
    pub(crate) fn kind(self) -> &'t Kind<'t> {
        &self.entries[self.at].kind
    }

    /// The name of a member, as written.
    pub(crate) fn key(self) -> &'t str {
        &self.entries[self.at].key
    }

    /// Whether the key has nothing to escape.
    pub(crate) fn has_plain_key(self) -> bool {
        matches!(self.entries[self.at].key, Cow::Borrowed(_))
    }

    /// The name of a member, and whether it is what stands beside that.
    pub(crate) fn name(self) -> (Name, bool) {
        let entry = &self.entries[self.at];
        (entry.name, entry.beside)
    }

    /// How two members of an object are ordered by their keys.
    pub(crate) fn by_key(self, other: Self) -> Ordering {
        match (self.name(), other.name()) {
            ((Name::OTHER, _) | (_, true), _) | (_, (Name::OTHER, _) | (_, true)) => self.key().cmp(other.key()),
            ((one, false), (other, false)) => one.cmp(&other),
        }
    }

    /// What is directly within an object or a list.
    pub(crate) fn within(self) -> impl Iterator<Item = Node<'t>> + Clone {
        let Self { entries, at } = self;
        let end = entries[at].end as usize;
        let mut next = at + 1;
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let at = next;
                next = entries[at].end as usize;
                Node { entries, at }
            })
        })
    }

    pub(crate) fn is_empty(self) -> bool {
        self.entries[self.at].end as usize == self.at + 1
    }

    pub(crate) fn is_list(self) -> bool {
        *self.kind() == Kind::List
    }

    /// The member `name` of an object.
    pub(crate) fn get(self, name: &str) -> Option<Node<'t>> {
        let is_object = *self.kind() == Kind::Object;
        self.within().filter(|node| is_object && node.key() == name).last()
    }

    /// Whether an object has the member `name` itself, not only what stands beside it.
    pub(crate) fn has(self, name: Name) -> bool {
        self.within().any(|node| node.name() == (name, false))
    }

    pub(crate) fn text(self) -> Option<&'t str> {
        match self.kind() {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list, or the one value that stands without one.
    pub(crate) fn items(self) -> impl Iterator<Item = Node<'t>> + Clone {
        let is_list = self.is_list();
        let items = is_list.then(|| self.within());
        items.into_iter().flatten().chain((!is_list).then_some(self))
    }

    /// Whether it is this value, no more and no less.
    pub(crate) fn is(self, value: &Value) -> bool {
        match (self.kind(), value) {
            (Kind::Object, Value::Object(wanted)) => self.within().count() == wanted.len() && self.holds(value),
            (Kind::List, Value::Array(wanted)) => {
                self.within().count() == wanted.len() && self.within().zip(wanted).all(|(item, wanted)| item.is(wanted))
            }
            _ => self.holds(value),
        }
    }

    /// Whether it has all of this value, by the rules of a `pattern[x]`: more members and more items may be there.
    pub(crate) fn holds(self, value: &Value) -> bool {
        match (self.kind(), value) {
            (Kind::Object, Value::Object(wanted)) => wanted
                .iter()
                .all(|(name, wanted)| self.get(name).is_some_and(|member| member.holds(wanted))),
            (Kind::List, Value::Array(wanted)) => {
                wanted.iter().all(|wanted| self.within().any(|item| item.holds(wanted)))
            }
            (Kind::Text(text), Value::String(wanted)) => text == wanted,
            (Kind::Number(number), Value::Number(wanted)) => number == wanted,
            (Kind::Bool(it), Value::Bool(wanted)) => it == wanted,
            (Kind::Null, Value::Null) => true,
            _ => false,
        }
    }
}

/// Reads a value, and all within it, to the end of the list.
struct Reader<'v, 'a> {
    entries: &'v mut Vec<Entry<'a>>,
    key: Cow<'a, str>,
}

fn place(at: usize) -> u32 {
    u32::try_from(at).expect("a resource is far smaller: what a plugin may answer is limited")
}

impl<'v, 'a> Reader<'v, 'a> {
    fn item(entries: &'v mut Vec<Entry<'a>>) -> Self {
        let key = Cow::Borrowed("");
        Self { entries, key }
    }

    /// Puts the value down, and gives back the list and the value's place in it.
    fn begin(self, kind: Kind<'a>) -> (&'v mut Vec<Entry<'a>>, usize) {
        let Self { entries, key } = self;
        let (name, beside) = match key.strip_prefix('_') {
            Some(name) => (Name::of(name), true),
            None if key.is_empty() => (Name::OTHER, false),
            None => (Name::of(&key), false),
        };
        let at = entries.len();
        entries.push(Entry {
            key,
            name,
            beside,
            kind,
            end: place(at + 1),
        });
        (entries, at)
    }

    fn put<E>(self, kind: Kind<'a>) -> Result<(), E> {
        self.begin(kind);
        Ok(())
    }
}

/// Reads the members of an object, of which the key of the first was read already.
fn members<'a, M: MapAccess<'a>>(
    entries: &mut Vec<Entry<'a>>,
    at: usize,
    mut next: Option<Text<'a>>,
    mut fields: M,
) -> Result<(), M::Error> {
    while let Some(Text(key)) = next {
        fields.next_value_seed(Reader {
            entries: &mut *entries,
            key,
        })?;
        next = fields.next_key()?;
    }
    entries[at].end = place(entries.len());
    Ok(())
}

/// Reads the object that is all of a text.
struct Whole<'v, 'a>(&'v mut Vec<Entry<'a>>);

impl<'a> DeserializeSeed<'a> for Whole<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Whole<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut fields: M) -> Result<(), M::Error> {
        let (entries, at) = Reader::item(self.0).begin(Kind::Object);
        let first = fields.next_key()?;
        members(entries, at, first, fields)
    }
}

impl<'a> DeserializeSeed<'a> for Reader<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Reader<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.put(Kind::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.put(Kind::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.put(Kind::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.put(Kind::Number(value.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.put(Kind::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<(), E> {
        self.put(Kind::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut items: S) -> Result<(), S::Error> {
        let (entries, at) = self.begin(Kind::List);
        while items.next_element_seed(Reader::item(entries))?.is_some() {}
        entries[at].end = place(entries.len());
        Ok(())
    }

    fn visit_map<M: MapAccess<'a>>(self, mut fields: M) -> Result<(), M::Error> {
        let first: Option<Text<'a>> = fields.next_key()?;
        if first.as_ref().is_some_and(|Text(key)| key == NUMBER) {
            let Text(number) = fields.next_value()?;
            let number: Number = number.parse().map_err(M::Error::custom)?;
            return self.put(Kind::Number(number));
        }
        let (entries, at) = self.begin(Kind::Object);
        members(entries, at, first, fields)
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tree_borrows_texts_without_escapes_and_keeps_numbers_as_written() {
        let json = r#"{"a":"x","b":"\u0061","n":[1,-2,1.50],"t":true,"z":null}"#;
        let tree = Tree::read(json).unwrap();
        let root = tree.root();
        assert!(matches!(root.get("a").unwrap().kind(), Kind::Text(Cow::Borrowed("x"))));
        assert_eq!(root.get("b").unwrap().text(), Some("a"));
        let numbers: Vec<_> = root.get("n").unwrap().items().map(|node| node.kind()).collect();
        let number = |text: &'static str| Kind::Number(text.parse().unwrap());
        assert_eq!(numbers, [&number("1"), &number("-2"), &number("1.50")]);
        assert_eq!(root.within().map(|node| node.key()).collect::<String>(), "abntz");
        for bad in [
            "{\"a\":1} x",
            "[]",
            "1",
            "{\"n\":{\"$serde_json::private::Number\":\"x\"}}",
        ] {
            assert!(Tree::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_fixed_value_allows_nothing_more_and_a_pattern_does() {
        let tree = Tree::read(r#"{"coding":[{"code":"NI","system":"s"},{"code":"X"}],"text":"t"}"#).unwrap();
        let tree = tree.root();
        assert!(tree.holds(&json!({"coding": [{"code": "NI"}]})));
        assert!(!tree.holds(&json!({"coding": [{"code": "NO"}]})));
        assert!(!tree.is(&json!({"coding": [{"code": "NI", "system": "s"}, {"code": "X"}]})));
        assert!(tree.is(&json!({"text": "t", "coding": [{"system": "s", "code": "NI"}, {"code": "X"}]})));
    }
}
