//! A resource as a tree that borrows from its text.
//!
//! All values stand in one list, each in front of what is within it: a tree of lists of its own would cost more than all checks.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// An object that begins with this key is to serde_json a number.
const NUMBER: &str = "$serde_json::private::Number";

/// The values of a resource.
#[derive(Debug)]
pub(super) struct Tree<'a>(Vec<Entry<'a>>);

#[derive(Debug)]
struct Entry<'a> {
    /// Empty for the items of a list.
    key: Cow<'a, str>,
    kind: Kind<'a>,
    /// Behind everything within.
    end: usize,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kind<'a> {
    Null,
    Bool(bool),
    /// As written.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    List,
    Object,
}

/// A value of JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'t> {
    entries: &'t [Entry<'t>],
    at: usize,
}

impl<'a> Tree<'a> {
    pub(super) fn read(json: &'a str) -> Result<Self, serde_json::Error> {
        let mut entries = Vec::with_capacity(json.len() / 24);
        let mut reader = serde_json::Deserializer::from_str(json);
        Reader {
            entries: &mut entries,
            key: Cow::Borrowed(""),
        }
        .deserialize(&mut reader)?;
        reader.end()?;
        Ok(Self(entries))
    }

    pub(super) fn root(&self) -> Node<'_> {
        Node {
            entries: &self.0,
            at: 0,
        }
    }
}

impl<'t> Node<'t> {
    pub(super) fn kind(self) -> &'t Kind<'t> {
        &self.entries[self.at].kind
    }

    /// The name of a member.
    pub(super) fn key(self) -> &'t str {
        &self.entries[self.at].key
    }

    /// What is directly within an object or a list.
    pub(super) fn within(self) -> impl Iterator<Item = Node<'t>> + Clone {
        let Self { entries, at } = self;
        let end = entries[at].end;
        let mut next = at + 1;
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let at = next;
                next = entries[at].end;
                Node { entries, at }
            })
        })
    }

    pub(super) fn is_empty(self) -> bool {
        self.entries[self.at].end == self.at + 1
    }

    pub(super) fn is_list(self) -> bool {
        *self.kind() == Kind::List
    }

    /// The member `name` of an object.
    pub(super) fn get(self, name: &str) -> Option<Node<'t>> {
        let is_object = *self.kind() == Kind::Object;
        self.within().filter(|node| is_object && node.key() == name).last()
    }

    pub(super) fn text(self) -> Option<&'t str> {
        match self.kind() {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list, or the one value that stands without one.
    pub(super) fn items(self) -> impl Iterator<Item = Node<'t>> + Clone {
        let is_list = self.is_list();
        let items = is_list.then(|| self.within());
        items.into_iter().flatten().chain((!is_list).then_some(self))
    }

    /// Whether it is this value, no more and no less.
    pub(super) fn is(self, value: &Value) -> bool {
        match (self.kind(), value) {
            (Kind::Object, Value::Object(wanted)) => self.within().count() == wanted.len() && self.holds(value),
            (Kind::List, Value::Array(wanted)) => {
                self.within().count() == wanted.len() && self.within().zip(wanted).all(|(item, wanted)| item.is(wanted))
            }
            _ => self.holds(value),
        }
    }

    /// Whether it has all of this value, by the rules of a `pattern[x]`: more members and more items may be there.
    pub(super) fn holds(self, value: &Value) -> bool {
        match (self.kind(), value) {
            (Kind::Object, Value::Object(wanted)) => wanted
                .iter()
                .all(|(name, wanted)| self.get(name).is_some_and(|member| member.holds(wanted))),
            (Kind::List, Value::Array(wanted)) => {
                wanted.iter().all(|wanted| self.within().any(|item| item.holds(wanted)))
            }
            (Kind::Text(text), Value::String(wanted)) => text == wanted,
            (Kind::Number(number), Value::Number(wanted)) => *number == wanted.to_string(),
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

impl<'a> Reader<'_, 'a> {
    fn put<E>(self, kind: Kind<'a>) -> Result<(), E> {
        let end = self.entries.len() + 1;
        self.entries.push(Entry {
            key: self.key,
            kind,
            end,
        });
        Ok(())
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
        self.put(Kind::Number(Cow::Owned(value.to_string())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.put(Kind::Number(Cow::Owned(value.to_string())))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.put(Kind::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<(), E> {
        self.put(Kind::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut items: S) -> Result<(), S::Error> {
        let Self { entries, key } = self;
        let at = entries.len();
        let kind = Kind::List;
        entries.push(Entry { key, kind, end: at });
        loop {
            let item = Reader {
                entries: &mut *entries,
                key: Cow::Borrowed(""),
            };
            if items.next_element_seed(item)?.is_none() {
                break;
            }
        }
        entries[at].end = entries.len();
        Ok(())
    }

    fn visit_map<M: MapAccess<'a>>(self, mut fields: M) -> Result<(), M::Error> {
        let Self { entries, key } = self;
        let mut next: Option<Text<'a>> = fields.next_key()?;
        if next.as_ref().is_some_and(|Text(key)| key == NUMBER) {
            let Text(number) = fields.next_value()?;
            return Reader { entries, key }.put(Kind::Number(number));
        }
        let at = entries.len();
        let kind = Kind::Object;
        entries.push(Entry { key, kind, end: at });
        while let Some(Text(key)) = next {
            fields.next_value_seed(Reader {
                entries: &mut *entries,
                key,
            })?;
            next = fields.next_key()?;
        }
        entries[at].end = entries.len();
        Ok(())
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
        let number = |text: &'static str| Kind::Number(Cow::Borrowed(text));
        assert_eq!(numbers, [&number("1"), &number("-2"), &number("1.50")]);
        assert_eq!(root.within().map(|node| node.key()).collect::<String>(), "abntz");
        assert!(Tree::read("{\"a\":1} x").is_err());
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
