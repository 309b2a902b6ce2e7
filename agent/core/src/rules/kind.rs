//! The kinds of rules: what stands in the columns `kind` and `with`, read for one field of one table.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::amount::Amount;
use super::condition::{Ref, reference};
use super::date::DateForm;
use super::shape::Shape;
use super::tables::{ALL, Field};
use super::value::{Chars, Decimal, Made, entries};
use super::{Day, tables};
use crate::said;
use crate::say::Said;

/// What a rule asks.
#[derive(Debug)]
pub(super) enum Check {
    /// Something stands there.
    Need,
    /// Nothing stands there.
    Empty,
    /// So many characters at most.
    Size(usize),
    /// Of these characters.
    Chars(Chars),
    /// A plain decimal number.
    Number(Range, Many),
    /// A date in one of these forms.
    Date(Vec<DateForm>, Many),
    /// One of these codes.
    Code(Codes, Many),
    /// Of one of these forms.
    Shape(Vec<Shape>, Many),
    /// A list of at least and at most so many.
    Count(usize, usize),
    /// A list as long as those lists.
    Aligned(Vec<Ref>),
    /// A date not before (not after) that one, give or take so many days.
    Order {
        not_before: bool,
        other: Ref,
        days: i64,
        /// One entry of a list is enough.
        any: bool,
    },
    /// What stands in that field too, if anything does.
    Same(Ref),
    /// An amount: exactly that, or at most that, give or take.
    Amount {
        exact: bool,
        amount: Amount,
        within: Decimal,
    },
    /// A number of days: those from one date to another, both counted, or at most those.
    Days { from: Ref, to: Ref, exact: bool },
    /// A date of birth less than so many days before that date tells the minute.
    Newborn { before: Ref, days: i64 },
    /// A citizen number of twelve digits tells this sex and this year of birth.
    Citizen { sex: Ref, born: Ref },
    /// Counts 1, 2, 3 over the rows of its table.
    Running,
    /// No two rows say the same in these fields.
    Unique(Vec<u16>),
    /// The table has no fields but its own.
    Known,
    /// The table is there.
    Required,
    /// The table is not there.
    Forbidden,
    /// The table has one row at most.
    One,
}

/// One value, or a list of them between `;`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Many {
    One,
    List,
}

/// What a number must be like.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Range {
    pub(super) decimals: Option<u32>,
    pub(super) min: Option<Decimal>,
    pub(super) max: Option<Decimal>,
}

/// A code, and from when until when it is in force.
pub(super) type Dated = BTreeMap<Box<str>, Vec<(Day, Day)>>;

#[derive(Debug)]
pub(super) enum Codes {
    /// As they stand in the rule.
    These(Vec<Box<str>>),
    /// Of a file of codes.
    Dated(std::sync::Arc<Dated>),
}

/// The lists of codes there are, by name.
pub(super) type CodeFiles = BTreeMap<String, std::sync::Arc<Dated>>;

impl Check {
    /// Whether it looks at the value of its field, where there is one.
    pub(super) fn is_of_a_value(&self) -> bool {
        !matches!(self, Self::Need) && !self.is_of_a_table()
    }

    /// Whether it looks at its table as a whole.
    pub(super) fn is_of_a_table(&self) -> bool {
        matches!(
            self,
            Self::Running | Self::Unique(_) | Self::Known | Self::Required | Self::Forbidden | Self::One
        )
    }

    /// Whether every value that is made of that, and not too long, is as it must be.
    pub(super) fn is_kept_by(&self, made: Made) -> bool {
        match self {
            Self::Size(_) => true,
            Self::Chars(Chars::Readable | Chars::Line) => made <= Made::Plain,
            Self::Number(range, _) => {
                made == Made::Digits && range.max.is_none() && range.min.is_none_or(|min| min.mantissa <= 0)
            }
            _ => false,
        }
    }

    /// Reads `kind` and `with` for a field (none: for the table).
    pub(super) fn parse(
        kind: &str,
        with: &str,
        table: u8,
        field: Option<&Field>,
        codes: &CodeFiles,
    ) -> Result<Self, Said> {
        let (first, words) = many(with);
        let of_field = |name: &str| {
            reference(name, table).ok_or_else(|| said!("không có trường `{name}`", "there is no field `{name}`"))
        };
        let check = match (kind, words.as_slice()) {
            ("need", []) => Self::Need,
            ("empty", []) => Self::Empty,
            ("size", ["table"]) => {
                let size = field.and_then(|field| field.size).ok_or_else(no_size)?;
                Self::Size(size as usize)
            }
            ("size", [size]) => Self::Size(size.parse().map_err(|_| wrong("size", "255 | table"))?),
            ("chars", ["readable"]) => Self::Chars(Chars::Readable),
            ("chars", ["line"]) => Self::Chars(Chars::Line),
            ("chars", ["name"]) => Self::Chars(Chars::Name),
            ("number", words) => Self::Number(range(words)?, first),
            ("date", words) if !words.is_empty() => Self::Date(forms(words)?, first),
            ("code", ["file", name]) => {
                let list = codes
                    .get(*name)
                    .ok_or_else(|| said!("không có danh mục mã `{name}`", "there is no list of codes `{name}`"))?;
                Self::Code(Codes::Dated(std::sync::Arc::clone(list)), first)
            }
            ("code", words) if !words.is_empty() => {
                let words = words.iter().map(|word| Box::from(*word)).collect();
                Self::Code(Codes::These(words), first)
            }
            ("shape", words) if !words.is_empty() => {
                let shapes: Option<Vec<Shape>> = words.iter().map(|word| Shape::parse(word)).collect();
                Self::Shape(shapes.ok_or_else(|| wrong("shape", "A99 A99.9 AA[1-5]"))?, first)
            }
            ("count", [min, max]) => {
                let bound = |text: &str, key: &str| {
                    let number = text.strip_prefix(key).and_then(|number| number.parse().ok());
                    number.ok_or_else(|| wrong("count", "min=0 max=12"))
                };
                Self::Count(bound(min, "min=")?, bound(max, "max=")?)
            }
            ("aligned", words) if !words.is_empty() => {
                Self::Aligned(words.iter().map(|name| of_field(name)).collect::<Result<_, _>>()?)
            }
            ("not-before" | "not-after", [other, rest @ ..]) => {
                let (days, any) = match rest {
                    [] => (0, false),
                    ["any"] => (0, true),
                    [days] => (day_count(days)?, false),
                    _ => return Err(wrong(kind, "NGAY_RA | NGAY_RA any | XML1.NGAY_RA +30d")),
                };
                Self::Order {
                    not_before: kind == "not-before",
                    other: of_field(other)?,
                    days,
                    any,
                }
            }
            ("same", [other]) => Self::Same(of_field(other)?),
            ("equal" | "at-most", _) => {
                let (text, within) = with.split_once(" within ").unwrap_or((with, "0"));
                let amount = Amount::parse(text, table)
                    .map_err(|term| said!("không hiểu số hạng `{term}`", "`{term}` is no amount"))?;
                Self::Amount {
                    exact: kind == "equal",
                    amount,
                    within: Decimal::parse(within.trim()).ok_or_else(|| wrong(kind, "SO_LUONG * DON_GIA within 1"))?,
                }
            }
            ("days", [from, to, how @ ("exact" | "most")]) => Self::Days {
                from: of_field(from)?,
                to: of_field(to)?,
                exact: *how == "exact",
            },
            ("newborn", [before, days]) => Self::Newborn {
                before: of_field(before)?,
                days: day_count(days)?,
            },
            ("citizen", [sex, born]) => Self::Citizen {
                sex: of_field(sex)?,
                born: of_field(born)?,
            },
            ("running", []) => Self::Running,
            ("unique", words) if !words.is_empty() => {
                let places = words.iter().map(|name| of_field(name).map(|field| field.field));
                Self::Unique(places.collect::<Result<_, _>>()?)
            }
            ("known", []) => Self::Known,
            ("table", ["required"]) => Self::Required,
            ("table", ["forbidden"]) => Self::Forbidden,
            ("table", ["one"]) => Self::One,
            _ => {
                return Err(said!(
                    "không có loại quy tắc như vậy, hoặc cột `with` không hợp với nó: `{kind}`",
                    "there is no such kind of rule, or `with` does not go with it: `{kind}`"
                ));
            }
        };
        let unique = matches!(check, Self::Unique(_));
        match (check.is_of_a_table() && !matches!(check, Self::Running), field) {
            (true, Some(_)) if !unique => Err(said!(
                "loại quy tắc này nói về cả bảng: để trống cột `field`",
                "this kind of rule is about a table: leave `field` empty"
            )),
            (false, None) => Err(said!(
                "loại quy tắc này nói về một trường: ghi tên trường vào cột `field`",
                "this kind of rule is about a field: name it in `field`"
            )),
            _ => Ok(check),
        }
    }
}

/// Whether `with` begins with `list`, and its other words.
fn many(with: &str) -> (Many, Vec<&str>) {
    let words: Vec<&str> = with.split_whitespace().collect();
    match words.split_first() {
        Some((&"list", rest)) => (Many::List, rest.to_vec()),
        _ => (Many::One, words),
    }
}

fn range(words: &[&str]) -> Result<Range, Said> {
    let mut range = Range::default();
    for word in words {
        let known = match word.split_once('=') {
            Some(("decimals", number)) => number.parse().map(|n| range.decimals = Some(n)).is_ok(),
            Some(("min", number)) => Decimal::parse(number).map(|n| range.min = Some(n)).is_some(),
            Some(("max", number)) => Decimal::parse(number).map(|n| range.max = Some(n)).is_some(),
            _ => false,
        };
        if !known {
            return Err(wrong("number", "decimals=2 min=0 max=100"));
        }
    }
    Ok(range)
}

fn forms(words: &[&str]) -> Result<Vec<DateForm>, Said> {
    let form = |word: &&str| match *word {
        "day" => Ok(DateForm::Day),
        "minute" => Ok(DateForm::Minute),
        "birth" => Ok(DateForm::Birth),
        "any" => Ok(DateForm::Any),
        _ => Err(wrong("date", "day minute birth any")),
    };
    words.iter().map(form).collect()
}

/// `+30d`, `-1d`, `28d`.
fn day_count(text: &str) -> Result<i64, Said> {
    let number = text.strip_suffix('d').and_then(|number| number.parse().ok());
    number.ok_or_else(|| wrong("days", "+30d"))
}

fn no_size() -> Said {
    said!(
        "bảng trường không cho độ dài của trường này",
        "the table of fields has no size for this field"
    )
}

fn wrong(kind: &str, example: &str) -> Said {
    said!(
        "cột `with` của loại `{kind}` viết như: {example}",
        "`with` of the kind `{kind}` is written like: {example}"
    )
}

impl Range {
    pub(super) fn holds(&self, number: Decimal) -> bool {
        self.decimals.is_none_or(|most| number.scale <= most)
            && self.min.is_none_or(|min| number.compare(min) != Some(Ordering::Less))
            && self
                .max
                .is_none_or(|max| number.compare(max) != Some(Ordering::Greater))
    }
}

impl Codes {
    pub(super) fn holds(&self, code: &str, day: Day) -> bool {
        match self {
            Self::These(codes) => codes.iter().any(|known| **known == *code),
            Self::Dated(codes) => codes
                .get(code)
                .is_some_and(|times| times.iter().any(|(from, to)| (*from..=*to).contains(&day))),
        }
    }
}

impl Many {
    /// Whether each entry is as it must be; an empty entry of a list is none.
    pub(super) fn all(self, value: &str, mut fits: impl FnMut(&str) -> bool) -> bool {
        match self {
            Self::One => fits(value),
            // One entry, without anything around it.
            Self::List if !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b';') => fits(value),
            Self::List => entries(value).all(|entry| !entry.is_empty() && fits(entry)),
        }
    }
}

/// A table's number from its name, and all fields that the column `field` means; none: the table as a whole.
pub(super) fn fields(column: &str, table: u8) -> Option<Vec<u16>> {
    let all = &ALL[usize::from(table)].fields;
    let those = |of: &dyn Fn(&Field) -> bool| {
        let those = (0u16..).zip(all).filter(|(_, field)| of(field)).map(|(at, _)| at);
        Some(those.collect())
    };
    use tables::Form;
    match column {
        "*" => those(&|_| true),
        "sized" => those(&|field| field.size.is_some() && !matches!(field.form, Form::Date | Form::DateTime)),
        "line" => those(&|field| field.form != Form::Text),
        "number" => those(&|field| field.form == Form::Number),
        "date" => those(&|field| field.form == Form::Date),
        "datetime" => those(&|field| field.form == Form::DateTime),
        "needed" => those(&|field| field.need == "yes"),
        _ => None,
    }
}
