//! Reads a record's tables: `{"XML1":[{"MA_LK":"…"}],"XML2":[{…},{…}]}`.
//!
//! Text without escapes is borrowed from the payload, so reading costs one pass and few allocations. Values are never
//! empty: the agent leaves empty fields out, and so does this reader.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// All tables of one record, by name.
#[derive(Debug)]
pub struct Visit<'a> {
    tables: Vec<(Cow<'a, str>, Vec<Row<'a>>)>,
}

impl<'a> Visit<'a> {
    /// Reads the payload of a record with view `json`.
    pub fn parse(json: &'a str) -> Result<Self, Unreadable> {
        serde_json::from_str(json).map_err(|cause| Unreadable {
            line: cause.line(),
            column: cause.column(),
        })
    }

    /// The same of rows that are at hand.
    pub(crate) fn of(tables: impl Iterator<Item = (&'a str, Vec<Row<'a>>)>) -> Self {
        let tables = tables.map(|(name, rows)| (name.into(), rows));
        Self {
            tables: tables.collect(),
        }
    }

    /// The rows of a table; none when the record does not have it.
    pub fn table(&self, name: &str) -> &[Row<'a>] {
        self.tables
            .iter()
            .find(|(known, _)| known == name)
            .map_or(&[], |(_, rows)| rows)
    }

    /// Every table with its rows, in the order they stood.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &[Row<'a>])> {
        self.tables.iter().map(|(name, rows)| (name.as_ref(), rows.as_slice()))
    }
}

/// One row: field names and their text.
#[derive(Debug)]
pub struct Row<'a> {
    fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Where the last answer stood. Mappers ask in the order of the table, so the next answer is usually next to it.
    next: Cell<usize>,
}

impl<'a> Row<'a> {
    /// A row of fields that are at hand, none of them empty.
    pub(crate) fn of(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self {
            fields: fields.map(|(name, text)| (name.into(), text.into())).collect(),
            next: Cell::new(0),
        }
    }

    /// The text of a field; `None` when it is absent or empty.
    #[inline]
    pub fn get(&self, field: &str) -> Option<&str> {
        let start = self.next.get().min(self.fields.len());
        let (before, after) = self.fields.split_at(start);
        let found = after
            .iter()
            .position(|(name, _)| name == field)
            .map(|at| start + at)
            .or_else(|| before.iter().position(|(name, _)| name == field))?;
        self.next.set(found + 1);
        self.fields.get(found).map(|(_, value)| value.as_ref())
    }

    /// Every field of the row in the order they stood.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

/// The payload is not an object of tables of rows of text. Says where, never what stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Line of the payload, from 1.
    pub line: usize,
    /// Column of that line, from 1.
    pub column: usize,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not an object of tables of rows of text at line {} column {}",
            self.line, self.column
        )
    }
}

impl std::error::Error for Unreadable {}

/// Text that is borrowed where the JSON allows it.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Row<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Row<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row: an object of text")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(40);
                while let Some((Text(name), Text(value))) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    if !value.is_empty() {
                        fields.push((name, value));
                    }
                }
                Ok(Row {
                    fields,
                    next: Cell::new(0),
                })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Visit<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tables;
        impl<'de> Visitor<'de> for Tables {
            type Value = Visit<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tables")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut tables = Vec::with_capacity(8);
                while let Some((Text(name), rows)) = map.next_entry::<Text<'de>, Vec<Row<'de>>>()? {
                    tables.push((name, rows));
                }
                Ok(Visit { tables })
            }
        }
        deserializer.deserialize_map(Tables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_borrowed_and_escaped_text_is_decoded() {
        let visit = Visit::parse(r#"{"XML1":[{"MA_LK":"L1","LY_DO_VV":"ho \"khan\"","GHI_CHU":""}]}"#).unwrap();
        let row = &visit.table("XML1")[0];
        assert!(matches!(row.fields[0].1, Cow::Borrowed("L1")));
        assert_eq!(row.get("LY_DO_VV"), Some("ho \"khan\""));
        assert_eq!(row.get("GHI_CHU"), None, "an empty field is an absent one");
    }

    #[test]
    fn fields_are_found_in_any_order_of_asking() {
        let visit = Visit::parse(r#"{"T":[{"A":"1","B":"2","C":"3"}]}"#).unwrap();
        let row = &visit.table("T")[0];
        for (field, value) in [("C", "3"), ("A", "1"), ("B", "2"), ("A", "1"), ("C", "3")] {
            assert_eq!(row.get(field), Some(value));
        }
        assert_eq!(row.get("D"), None);
        assert!(visit.table("missing").is_empty());
        assert_eq!(
            visit
                .tables()
                .map(|(name, rows)| (name, rows.len()))
                .collect::<Vec<_>>(),
            [("T", 1)]
        );
    }

    #[test]
    fn what_is_not_a_table_of_text_is_refused_without_repeating_it() {
        for bad in [
            "",
            "[]",
            r#"{"XML1":{}}"#,
            r#"{"XML1":[{"SECRET":1}]}"#,
            r#"{"XML1":["SECRET"]}"#,
        ] {
            let message = Visit::parse(bad).unwrap_err().to_string();
            assert!(!message.contains("SECRET"), "{message}");
        }
    }
}
