//! The row at hand: each value at the place of its field, and read as a date or a number once, whatever asks for it.

use std::cell::OnceCell;

use super::condition::{Here, Ref};
use super::date::Date;
use super::value::Decimal;

/// A value; an empty text is a field that is not there.
#[derive(Debug, Clone, Default)]
pub(super) struct Value<'a> {
    pub(super) text: &'a str,
    date: OnceCell<Option<Date>>,
    number: OnceCell<Option<Decimal>>,
}

impl<'a> Value<'a> {
    /// Puts another text in its place.
    pub(super) fn set(&mut self, text: &'a str) {
        self.text = text;
        self.date = OnceCell::new();
        self.number = OnceCell::new();
    }

    pub(super) fn date(&self) -> Option<Date> {
        *self.date.get_or_init(|| Date::parse(self.text))
    }

    pub(super) fn number(&self) -> Option<Decimal> {
        *self.number.get_or_init(|| Decimal::parse(self.text))
    }
}

/// A row, and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'v, 'a> {
    pub(super) here: Here<'v, 'a>,
    /// One for each field of the table.
    pub(super) values: &'v [Value<'a>],
}

impl<'v, 'a> Line<'v, 'a> {
    /// The value of a field of this row, or of the first row of another table.
    pub(super) fn value(&self, field: Ref) -> &'v Value<'a> {
        let values = if field.table == self.here.table {
            self.values
        } else {
            self.here.asked.first_row(self.here.visit, field.table)
        };
        &values[usize::from(field.field)]
    }
}
