//! The sixteen national tables (QĐ 130 / 4750 / 3176) as types: the check-in `XML0` and `XML1` to `XML15`.
//!
//! A plugin fills [`Tables`] and gets the documents of the claim from [`Tables::write`]; from a record of an export it gets
//! them by [`Tables::read`], under the names of older decisions too. Each field has its [`Field`]: what it is called, how long
//! it may be, whether it is needed. The types are made from `configs/tables/*.csv` when this crate is built.
//!
//! What stays true: nothing is invented and nothing is dropped in silence. What does not fit a field's type is a [`Fault`]
//! when it is read, and what a gateway would not take is one when it is written; faults name fields, never values.

mod value;
mod write;

use std::borrow::Cow;

pub use value::{BadValue, Date, DateTime, Number};

use crate::visit::{Row, Visit};

/// Text of a table.
type Text = String;

/// Whether a field has to be there. Public lists of checks say so, not law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Always.
    Yes,
    /// Never.
    No,
    /// With another field's value.
    Depends,
    /// Nothing public says.
    Unknown,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text, codes and lists with `;` among them.
    Text,
    /// A plain decimal.
    Number,
    /// `yyyyMMdd`.
    Date,
    /// `yyyyMMddHHmm`.
    DateTime,
}

/// What is known of a field of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its element, such as `MA_LK`.
    pub name: &'static str,
    /// In Vietnamese.
    pub vi: &'static str,
    /// In English.
    pub en: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Characters at most; none: not limited.
    pub size: Option<u16>,
    /// Whether it has to be there.
    pub need: Need,
    /// The decisions that have it: `130 4750 3176`.
    pub versions: &'static str,
}

/// What is known of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// `XML1`.
    pub name: &'static str,
    /// In Vietnamese.
    pub vi: &'static str,
    /// In English.
    pub en: &'static str,
    /// The root element of its document.
    pub root: &'static str,
    /// The elements of the list and of a row in it; none: the fields of the one row stand in the root.
    pub rows: Option<(&'static str, &'static str)>,
    /// Its fields, in the order in which they are written.
    pub fields: &'static [Field],
    /// Names of older decisions, and the field that each is read as.
    pub old_names: &'static [(&'static str, &'static str)],
}

/// A row of one of the tables.
pub trait TableRow: Default {
    /// What is known of the table.
    const ABOUT: About;

    /// The text of a field, by its place in [`About::fields`]; none where it is empty.
    fn text(&self, field: usize) -> Option<&str>;

    /// Sets a field from its text.
    ///
    /// # Errors
    /// When the text is not of the field's kind; the field stays as it was.
    fn set(&mut self, field: usize, text: &str) -> Result<(), BadValue>;

    /// Reads a row. What does not fit is told, what the table does not have as well.
    fn read(row: &Row<'_>, place: usize, faults: &mut Vec<Fault>) -> Self {
        let (mut read, about) = (Self::default(), Self::ABOUT);
        let mut fault = |field: &str, what| faults.push(Fault::new(about.name, place, field, what));
        for (name, text) in row.fields() {
            let old = about.old_names.iter().find(|(old, _)| *old == name);
            let known = old.map_or(name, |(_, field)| field);
            let Some(at) = about.fields.iter().position(|field| field.name == known) else {
                fault(name, Wrong::NotOfTheTable);
                continue;
            };
            // Several old ones are one field now.
            let before = read.text(at).filter(|_| old.is_some());
            let text: Cow<'_, str> = before.map_or(text.into(), |before| format!("{before}; {text}").into());
            if read.set(at, &text).is_err() {
                fault(name, Wrong::NotOfTheKind(about.fields[at].kind));
            }
        }
        read
    }
}

/// Where the tables are not as they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `XML2[3]/SO_LUONG`; rows count from 1.
    pub path: String,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// The table has no such field.
    NotOfTheTable,
    /// It holds something of another kind.
    NotOfTheKind(Kind),
    /// It has to be there.
    Missing,
    /// It has more characters than this.
    TooLong(u16),
    /// It holds characters that XML cannot.
    Unwritable,
    /// The table has one row only.
    ManyRows,
}

impl Fault {
    fn new(table: &str, place: usize, field: &str, wrong: Wrong) -> Self {
        let path = format!("{table}[{place}]/{field}");
        Self { path, wrong }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = &self.path;
        match self.wrong {
            Wrong::NotOfTheTable => write!(f, "{path}: bảng không có trường này (the table has no such field)"),
            Wrong::NotOfTheKind(Kind::Number) => {
                write!(f, "{path}: phải là số, dấu thập phân là dấu chấm (not a number)")
            }
            Wrong::NotOfTheKind(Kind::Date) => write!(f, "{path}: phải là ngày yyyyMMdd (not a date)"),
            Wrong::NotOfTheKind(_) => write!(f, "{path}: phải là thời điểm yyyyMMddHHmm (not a point in time)"),
            Wrong::Missing => write!(f, "{path}: thiếu, trường này bắt buộc (it has to be there)"),
            Wrong::TooLong(size) => write!(f, "{path}: dài hơn {size} ký tự (longer than that many characters)"),
            Wrong::Unwritable => write!(
                f,
                "{path}: có ký tự mà XML không ghi được (holds characters that XML cannot)"
            ),
            Wrong::ManyRows => write!(f, "{path}: bảng chỉ có một dòng (the table has one row only)"),
        }
    }
}

/// Makes each row type, what is known of its table, and [`Tables`] of all of them.
macro_rules! tables {
    ($(
        #[doc = $about:literal]
        $type:ident $member:ident $name:literal $root:literal ($rows:expr) $vi:literal $en:literal [$($old:expr),*] {
            $(
                #[doc = $doc:literal]
                $at:literal $field:ident: $kind:ident = $element:literal $field_vi:literal $field_en:literal ($size:expr) $need:ident $versions:literal,
            )*
        }
    )*) => {
        $(
            #[doc = $about]
            #[derive(Debug, Clone, Default, PartialEq, Eq)]
            pub struct $type {
                $(
                    #[doc = $doc]
                    pub $field: Option<$kind>,
                )*
            }

            impl TableRow for $type {
                const ABOUT: About = About {
                    name: $name,
                    vi: $vi,
                    en: $en,
                    root: $root,
                    rows: $rows,
                    fields: &[$(
                        Field {
                            name: $element,
                            vi: $field_vi,
                            en: $field_en,
                            kind: Kind::$kind,
                            size: $size,
                            need: Need::$need,
                            versions: $versions,
                        },
                    )*],
                    old_names: &[$($old),*],
                };

                fn text(&self, field: usize) -> Option<&str> {
                    let text = match field {
                        $($at => self.$field.as_ref().map(Value::text),)*
                        _ => None,
                    };
                    text.filter(|text| !text.is_empty())
                }

                fn set(&mut self, field: usize, text: &str) -> Result<(), BadValue> {
                    match field {
                        $($at => self.$field = Some(Value::of(text)?),)*
                        _ => return Err(BadValue),
                    }
                    Ok(())
                }
            }
        )*

        /// All tables of one visit.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Tables {
            $(
                #[doc = $about]
                pub $member: Vec<$type>,
            )*
        }

        impl Tables {
            /// Reads the tables of a record, and tells what does not fit. Tables of other names are told as well.
            pub fn read(visit: &Visit<'_>) -> (Self, Vec<Fault>) {
                let (mut read, mut faults) = (Self::default(), Vec::new());
                for (name, rows) in visit.tables() {
                    match name {
                        $($name => read.$member = read_rows(rows, &mut faults),)*
                        other => faults.push(Fault::new(other, 1, "", Wrong::NotOfTheTable)),
                    }
                }
                (read, faults)
            }

            /// The tables as a record has them, to be mapped like one.
            pub fn to_visit(&self) -> Visit<'_> {
                let tables = [$((<$type as TableRow>::ABOUT.name, rows_of(&self.$member)),)*];
                Visit::of(tables.into_iter().filter(|(_, rows)| !rows.is_empty()))
            }

            /// The documents of the tables that have rows, as a claim is made of them.
            ///
            /// # Errors
            /// All that a gateway would not take.
            pub fn write(&self) -> Result<Vec<crate::Table>, Vec<Fault>> {
                let (mut written, mut faults) = (Vec::new(), Vec::new());
                $(write::write(&self.$member, &mut written, &mut faults);)*
                if faults.is_empty() { Ok(written) } else { Err(faults) }
            }
        }

        /// All sixteen, in their order.
        pub const TABLES: [About; 16] = [$(<$type as TableRow>::ABOUT,)*];
    };
}

/// A field's value: text of its kind.
trait Value: Sized {
    fn of(text: &str) -> Result<Self, BadValue>;
    fn text(&self) -> &str;
}

impl Value for Text {
    fn of(text: &str) -> Result<Self, BadValue> {
        Ok(text.to_owned())
    }

    fn text(&self) -> &str {
        self
    }
}

fn read_rows<T: TableRow>(rows: &[Row<'_>], faults: &mut Vec<Fault>) -> Vec<T> {
    let rows = rows.iter().enumerate();
    rows.map(|(at, row)| T::read(row, at + 1, faults)).collect()
}

fn rows_of<T: TableRow>(rows: &[T]) -> Vec<Row<'_>> {
    let fields = |row| {
        let fields = T::ABOUT.fields.iter().enumerate();
        fields.filter_map(move |(at, field)| Some((field.name, T::text(row, at)?)))
    };
    rows.iter().map(|row| Row::of(fields(row))).collect()
}

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

#[cfg(test)]
mod tests;
