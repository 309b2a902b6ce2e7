//! Dates as Vietnamese hospital systems write them, to FHIR dates: only what is known, nothing invented.
//!
//! `yyyyMMdd` and `yyyyMMddHHmm` are read; `00` for a day, or for day and month, means unknown and shortens the date.
//! Local time is UTC+7 all year. An impossible date is an error of the caller's record, never a guess.

use std::fmt;

/// Room for the longest form, `2026-03-01T08:30:00+07:00`.
const LONGEST: usize = 25;

/// A FHIR `date`, `dateTime` or `instant`, ready to write. No allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    text: [u8; LONGEST],
    len: u8,
}

/// The field holds no date of the known forms, or one the calendar does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadDate;

/// Two moments of different precision of which neither is surely the earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

impl Moment {
    /// A calendar date: `yyyyMMdd`, or the date part of `yyyyMMddHHmm`.
    pub fn date(text: &str) -> Result<Self, BadDate> {
        let (date, _) = Self::read(text)?;
        Ok(date)
    }

    /// A point in time: `yyyyMMddHHmm` keeps its time, `yyyyMMdd` stays a date.
    pub fn date_time(text: &str) -> Result<Self, BadDate> {
        match Self::read(text)? {
            (date, None) => Ok(date),
            (date, Some(time)) if date.is_full() => Ok(date.at(time)),
            (date, Some([0, 0])) => Ok(date),
            _ => Err(BadDate),
        }
    }

    /// A birth: the date, and the moment as well when hour and minute are known (`0000` means they are not).
    pub fn birth(text: &str) -> Result<(Self, Option<Self>), BadDate> {
        let (date, time) = Self::read(text)?;
        let known = time.filter(|time| *time != [0, 0] && date.is_full());
        Ok((date, known.map(|time| date.at(time))))
    }

    /// As FHIR writes it.
    #[inline]
    pub fn as_str(&self) -> &str {
        let text = self.text.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }

    /// The date part.
    pub fn day(self) -> Self {
        Self {
            len: self.len.min(10),
            ..self
        }
    }

    /// Year, month and day are known.
    pub fn is_full(&self) -> bool {
        self.len >= 10
    }

    /// Hour and minute are known too, as an `instant` needs.
    pub fn is_instant(&self) -> bool {
        usize::from(self.len) == LONGEST
    }

    /// Whether `self` is not after `other`; [`Ambiguous`] when their precisions do not allow to say.
    pub fn not_after(&self, other: &Self) -> Result<bool, Ambiguous> {
        let (a, b) = (self.as_str(), other.as_str());
        let common = a.len().min(b.len());
        match a.as_bytes()[..common].cmp(&b.as_bytes()[..common]) {
            std::cmp::Ordering::Less => Ok(true),
            std::cmp::Ordering::Greater => Ok(false),
            std::cmp::Ordering::Equal if a.len() == b.len() => Ok(true),
            std::cmp::Ordering::Equal => Err(Ambiguous),
        }
    }

    /// The calendar part, and hour and minute where twelve digits stand.
    fn read(text: &str) -> Result<(Self, Option<[u32; 2]>), BadDate> {
        let digits = text.as_bytes();
        if !matches!(digits.len(), 8 | 12) || !digits.iter().all(u8::is_ascii_digit) {
            return Err(BadDate);
        }
        let number = |from: usize, to: usize| {
            digits[from..to]
                .iter()
                .fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'))
        };
        let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
        let len = match (year, month, day) {
            (0, _, _) => return Err(BadDate),
            (_, 0, 0) => 4,
            (_, 1..=12, 0) => 7,
            (_, 1..=12, 1..) if day <= days_in(year, month) => 10,
            _ => return Err(BadDate),
        };
        let mut text = [0; LONGEST];
        text[..4].copy_from_slice(&digits[..4]);
        text[4] = b'-';
        text[5..7].copy_from_slice(&digits[4..6]);
        text[7] = b'-';
        text[8..10].copy_from_slice(&digits[6..8]);
        let time = match digits.len() {
            12 => match (number(8, 10), number(10, 12)) {
                (hour @ 0..=23, minute @ 0..=59) => Some([hour, minute]),
                _ => return Err(BadDate),
            },
            _ => None,
        };
        Ok((Self { text, len }, time))
    }

    fn at(mut self, [hour, minute]: [u32; 2]) -> Self {
        let two = |number: u32| [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        self.text[10] = b'T';
        self.text[11..13].copy_from_slice(&two(hour));
        self.text[13] = b':';
        self.text[14..16].copy_from_slice(&two(minute));
        self.text[16..].copy_from_slice(b":00+07:00");
        self.len = LONGEST as u8;
        self
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_keep_only_the_known_precision() {
        for (text, fhir) in [
            ("20260301", "2026-03-01"),
            ("19500000", "1950"),
            ("19500200", "1950-02"),
            ("195000000000", "1950"),
            ("20260301", "2026-03-01"),
            ("202603010830", "2026-03-01"),
        ] {
            assert_eq!(Moment::date(text).unwrap().as_str(), fhir);
        }
    }

    #[test]
    fn twelve_digits_are_a_moment_at_plus_seven() {
        assert_eq!(
            Moment::date_time("202603010830").unwrap().as_str(),
            "2026-03-01T08:30:00+07:00"
        );
        assert_eq!(
            Moment::date_time("202603010000").unwrap().as_str(),
            "2026-03-01T00:00:00+07:00"
        );
        assert_eq!(Moment::date_time("20260301").unwrap().as_str(), "2026-03-01");
        assert_eq!(Moment::date_time("202600000000").unwrap().as_str(), "2026");
        assert!(Moment::date_time("202603010830").unwrap().is_instant());
        assert!(!Moment::date_time("20260301").unwrap().is_instant());
    }

    #[test]
    fn a_birth_at_0000_has_no_known_time() {
        let birth =
            |text| Moment::birth(text).map(|(date, time)| (date.to_string(), time.map(|time| time.to_string())));
        assert_eq!(birth("195000000000"), Ok(("1950".into(), None)));
        assert_eq!(birth("200001010000"), Ok(("2000-01-01".into(), None)));
        assert_eq!(
            birth("202611200715"),
            Ok(("2026-11-20".into(), Some("2026-11-20T07:15:00+07:00".into())))
        );
    }

    #[test]
    fn impossible_dates_are_errors() {
        for bad in [
            "",
            "2026",
            "2026-03-01",
            "20260230",
            "20250229",
            "19000229",
            "20261301",
            "20260132",
            "20260015",
            "00000101",
            "202603012400",
            "202603010860",
            "2026030108",
            "ab260301",
            "202600000830",
            "２０２６0301",
        ] {
            assert_eq!(Moment::date_time(bad), Err(BadDate), "{bad}");
        }
        assert!(Moment::date("20240229").is_ok() && Moment::date("20000229").is_ok());
    }

    #[test]
    fn order_is_told_only_where_it_is_certain() {
        let moment = |text| Moment::date_time(text).unwrap();
        assert_eq!(moment("202603010830").not_after(&moment("202603010830")), Ok(true));
        assert_eq!(moment("202603010831").not_after(&moment("202603010830")), Ok(false));
        assert_eq!(moment("20260228").not_after(&moment("202603010830")), Ok(true));
        assert_eq!(moment("20260301").not_after(&moment("202603010830")), Err(Ambiguous));
    }
}
