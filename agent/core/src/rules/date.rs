//! Dates in the forms of the tables.

use std::cmp::Ordering;

use super::Day;
use super::value::{Made, entries};

/// How a date is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateForm {
    /// `yyyyMMdd`.
    Day,
    /// `yyyyMMddHHmm`.
    Minute,
    /// Twelve digits; what is not known of month, day and time is zeros.
    Birth,
    /// Eight or twelve digits, or what some systems write beside: but a date of the calendar.
    Any,
}

/// A date of the calendar, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    /// Of twelve digits; what is not written is zeros.
    at: u64,
    /// So many of them say something: without a month 4, without a day 6, without a time 8.
    known: u8,
    /// So many were written.
    written: u8,
}

impl Date {
    /// 8, 12 or 14 digits: a whole date, or the year alone, or year and month.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if !matches!(text.len(), 8 | 12 | 14) || Made::of(text) != Made::Digits {
            return None;
        }
        let (date, behind) = text.as_bytes().split_first_chunk()?;
        let date = eight_digits(*date);
        let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
        let time = behind
            .iter()
            .take(4)
            .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        if !(1850..=2199).contains(&year) || month > 12 || time / 100 > 23 || time % 100 > 59 {
            return None;
        }
        let known = match (month, day) {
            (0, 0) => 4,
            (_, 0) => 6,
            (0, _) => return None,
            _ if day > days_of(year, month) => return None,
            _ if behind.is_empty() => 8,
            _ => 12,
        };
        Some(Self {
            at: u64::from(date) * 10_000 + u64::from(time),
            known,
            written: text.len() as u8,
        })
    }

    /// Each entry of a list.
    pub(super) fn list(text: &str) -> impl Iterator<Item = Option<Self>> {
        entries(text).map(Self::parse)
    }

    pub(super) fn has(self, form: DateForm) -> bool {
        match form {
            DateForm::Day => self.written == 8 && self.known >= 8,
            DateForm::Minute => self.written == 12 && self.known >= 8,
            DateForm::Birth => self.written == 12,
            DateForm::Any => true,
        }
    }

    /// Where it is whole.
    pub(super) fn day(self) -> Option<Day> {
        let day = Day::try_from(self.at / 10_000).ok();
        day.filter(|_| self.known >= 8)
    }

    /// What is known of both, compared.
    pub(super) fn compare(self, other: Self) -> Ordering {
        let unit = match self.known.min(other.known) {
            4 => 100_000_000,
            6 => 1_000_000,
            8 => 10_000,
            _ => 1,
        };
        (self.at / unit).cmp(&(other.at / unit))
    }

    /// Days since some day long ago, where it is whole; for the days between two dates.
    pub(super) fn day_number(self) -> Option<i64> {
        let day = i64::from(self.day()?);
        let (year, month, day) = (day / 10_000, day / 100 % 100, day % 100);
        // Years begin in March here, so that the leap day is the last.
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        Some(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day)
    }
}

/// Pairs of digits, then of those, then the two halves.
fn eight_digits(digits: [u8; 8]) -> u32 {
    let ones = u64::from_le_bytes(digits) & 0x0F0F_0F0F_0F0F_0F0F;
    let tens = (ones.wrapping_mul(10 * 256 + 1) >> 8) & 0x00FF_00FF_00FF_00FF;
    let hundreds = (tens.wrapping_mul(100 * 65_536 + 1) >> 16) & 0x0000_FFFF_0000_FFFF;
    (hundreds.wrapping_mul((10_000 << 32) + 1) >> 32) as u32
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_takes_its_own_dates() {
        use DateForm::{Any, Birth, Day, Minute};
        for (text, forms) in [
            ("20260228", &[Day, Any][..]),
            ("20240229", &[Day, Any]),
            ("20260229", &[]),
            ("202601012359", &[Minute, Birth, Any]),
            ("202601012400", &[]),
            ("202601012360", &[]),
            ("20260101235959", &[Any]),
            ("195000000000", &[Birth, Any]),
            ("195005000000", &[Birth, Any]),
            ("195000010000", &[]),
            ("195013000000", &[]),
            ("195000002400", &[]),
            ("19500000", &[Any]),
            ("2026-01-01", &[]),
            ("00010101", &[]),
            ("", &[]),
        ] {
            for form in [Day, Minute, Birth, Any] {
                let has = Date::parse(text).is_some_and(|date| date.has(form));
                assert_eq!(has, forms.contains(&form), "{text} {form:?}");
            }
        }
    }

    #[test]
    fn dates_are_compared_as_far_as_both_are_known() {
        use Ordering::{Equal, Greater, Less};
        for (one, other, expected) in [
            ("20260101", "202601010800", Equal),
            ("202601010759", "202601010800", Less),
            ("20260101080059", "202601010800", Equal),
            ("195000000000", "195006010000", Equal),
            ("195100000000", "195006010000", Greater),
            ("195006000000", "195006010000", Equal),
        ] {
            let (one, other) = (Date::parse(one).unwrap(), Date::parse(other).unwrap());
            assert_eq!(one.compare(other), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn days_are_counted_over_months_and_leap_years() {
        let number = |text| Date::parse(text).unwrap().day_number().unwrap();
        for (from, to, days) in [
            ("20260228", "20260301", 1),
            ("20240228", "20240301", 2),
            ("20251231", "20260101", 1),
            ("20250101", "20260101", 365),
        ] {
            assert_eq!(number(to) - number(from), days, "{from} {to}");
        }
        assert_eq!(Date::parse("20260200").unwrap().day_number(), None);
    }
}
