//! A resource as a tree that borrows from its text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// An object that begins with this key is to serde_json a number.
const NUMBER: &str = "$serde_json::private::Number";

/// A value of JSON.
#[derive(Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    /// As written.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    /// Members in their order.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    pub(super) fn read(json: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The member `name` of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Node<'a>> {
        let Self::Object(members) = self else { return None };
        members.iter().rfind(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list, or the one value that stands without one.
    pub(super) fn items(&self) -> &[Node<'a>] {
        match self {
            Self::List(items) => items,
            one => std::slice::from_ref(one),
        }
    }

    /// Whether it is this value, no more and no less.
    pub(super) fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Object(members), Value::Object(wanted)) => members.len() == wanted.len() && self.holds(value),
            (Self::List(items), Value::Array(wanted)) => {
                items.len() == wanted.len() && items.iter().zip(wanted).all(|(item, wanted)| item.is(wanted))
            }
            _ => self.holds(value),
        }
    }

    /// Whether it has all of this value, by the rules of a `pattern[x]`: more members and more items may be there.
    pub(super) fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Object(_), Value::Object(wanted)) => wanted
                .iter()
                .all(|(name, wanted)| self.get(name).is_some_and(|member| member.holds(wanted))),
            (Self::List(items), Value::Array(wanted)) => {
                wanted.iter().all(|wanted| items.iter().any(|item| item.holds(wanted)))
            }
            (Self::Text(text), Value::String(wanted)) => text == wanted,
            (Self::Number(number), Value::Number(wanted)) => *number == wanted.to_string(),
            (Self::Bool(it), Value::Bool(wanted)) => it == wanted,
            (Self::Null, Value::Null) => true,
            _ => false,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number(Cow::Owned(value.to_string())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(Cow::Owned(value.to_string())))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Node<'de>, S::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut fields: M) -> Result<Node<'de>, M::Error> {
        let mut members = Vec::new();
        while let Some(key) = fields.next_key::<Node<'de>>()? {
            let Node::Text(key) = key else {
                return Err(M::Error::custom("a key is a text"));
            };
            if members.is_empty() && key == NUMBER {
                let number: Node<'de> = fields.next_value()?;
                return Ok(match number {
                    Node::Text(number) => Node::Number(number),
                    other => other,
                });
            }
            members.push((key, fields.next_value()?));
        }
        Ok(Node::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tree_borrows_texts_without_escapes_and_keeps_numbers_as_written() {
        let tree = Node::read(r#"{"a":"x","b":"\u0061","n":[1,-2,1.50],"t":true,"z":null}"#).unwrap();
        assert!(matches!(tree.get("a"), Some(Node::Text(Cow::Borrowed("x")))));
        assert_eq!(tree.get("b").unwrap().text(), Some("a"));
        let numbers = tree.get("n").unwrap().items();
        assert!(matches!(&numbers[2], Node::Number(number) if number == "1.50"));
        assert!(matches!(&numbers[1], Node::Number(number) if number == "-2"));
        assert!(Node::read("{\"a\":1} x").is_err());
    }

    #[test]
    fn a_fixed_value_allows_nothing_more_and_a_pattern_does() {
        let tree = Node::read(r#"{"coding":[{"code":"NI","system":"s"},{"code":"X"}],"text":"t"}"#).unwrap();
        assert!(tree.holds(&json!({"coding": [{"code": "NI"}]})));
        assert!(!tree.holds(&json!({"coding": [{"code": "NO"}]})));
        assert!(!tree.is(&json!({"coding": [{"code": "NI", "system": "s"}, {"code": "X"}]})));
        assert!(tree.is(&json!({"text": "t", "coding": [{"system": "s", "code": "NI"}, {"code": "X"}]})));
    }
}
