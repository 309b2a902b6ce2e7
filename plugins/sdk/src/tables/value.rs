//! What a field of a table may hold: its text, checked once, so that not a digit changes on the way.

use std::fmt;
use std::str::FromStr;

use super::Value;
use crate::date::Moment;
use crate::decimal::Decimal;

/// The text is not of the field's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadValue;

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is not of the field's kind")
    }
}

impl std::error::Error for BadValue {}

/// A plain decimal with a full stop, as its digits stand: `1.50` stays `1.50`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

/// A day, `yyyyMMdd`; what is not known of it is `00`. An appointment or an exemption may have its time as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Date(String);

/// A point in time, `yyyyMMddHHmm`; a birth of which little is known is `yyyy00000000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateTime(String);

impl Number {
    /// As FHIR writes it.
    pub fn decimal(&self) -> Option<Decimal<'_>> {
        Decimal::parse(&self.0)
    }
}

impl Date {
    /// As FHIR writes it.
    pub fn moment(&self) -> Option<Moment> {
        Moment::date(&self.0).ok()
    }
}

impl DateTime {
    /// As FHIR writes it.
    pub fn moment(&self) -> Option<Moment> {
        Moment::date_time(&self.0).ok()
    }
}

macro_rules! value {
    ($type:ident, $check:expr) => {
        impl Value for $type {
            fn of(text: &str) -> Result<Self, BadValue> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(BadValue)
                }
            }

            fn text(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = BadValue;

            fn from_str(text: &str) -> Result<Self, BadValue> {
                Value::of(text)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

value!(Number, |text| Decimal::parse(text).is_some());
// Old exports fill days and points in time alike; which of the two a field wants is a rule's affair.
value!(Date, |text| Moment::date_time(text).is_ok());
value!(DateTime, |text| Moment::date_time(text).is_ok()
    || Moment::birth(text).is_ok());

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self(number.to_string())
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}
