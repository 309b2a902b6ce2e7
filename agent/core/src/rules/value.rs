//! Single values: dates in the forms of the tables, decimal numbers, characters. Nothing here allocates.

use std::cmp::Ordering;

use super::Day;

/// Digits before and behind the point together: what fits the arithmetic, and more than any field may hold.
const DIGITS: usize = 24;
/// So many of them fit 64 bits.
const FRONT: usize = 19;

/// A plain decimal number: `mantissa / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) mantissa: i128,
    pub(super) scale: u32,
}

impl Decimal {
    pub(super) const ZERO: Self = Self { mantissa: 0, scale: 0 };
    pub(super) const ONE: Self = Self { mantissa: 1, scale: 0 };

    /// `12`, `-0.5`: digits, at most one point with digits on both sides, a full stop and no comma.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.len() > DIGITS || digits.starts_with('.') || digits.ends_with('.') || digits.is_empty() {
            return None;
        }
        // Nearly all fit the quicker arithmetic.
        let (front, back) = digits.split_at_checked(FRONT).unwrap_or((digits, ""));
        let (mut short, mut scale, mut point) = (0u64, 0, false);
        let mut digit = |byte: u8| match byte {
            b'0'..=b'9' => {
                scale += u32::from(point);
                Some(Some(byte - b'0'))
            }
            b'.' if !point => {
                point = true;
                Some(None)
            }
            _ => None,
        };
        for byte in front.bytes() {
            if let Some(digit) = digit(byte)? {
                short = short * 10 + u64::from(digit);
            }
        }
        let mut mantissa = i128::from(short);
        for byte in back.bytes() {
            if let Some(digit) = digit(byte)? {
                mantissa = mantissa * 10 + i128::from(digit);
            }
        }
        let mantissa = if digits.len() < text.len() { -mantissa } else { mantissa };
        Some(Self { mantissa, scale })
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        Some(Self {
            mantissa: self.mantissa.checked_mul(other.mantissa)?,
            scale: self.scale + other.scale,
        })
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let mantissa = self.at(scale)?.checked_add(other.at(scale)?)?;
        Some(Self { mantissa, scale })
    }

    pub(super) fn minus(self, other: Self) -> Option<Self> {
        self.plus(Self {
            mantissa: -other.mantissa,
            ..other
        })
    }

    /// A hundredth of it.
    pub(super) fn percent(self) -> Self {
        Self {
            scale: self.scale + 2,
            ..self
        }
    }

    pub(super) fn size(self) -> Self {
        Self {
            mantissa: self.mantissa.abs(),
            ..self
        }
    }

    /// None: too far apart to be compared.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        let scale = self.scale.max(other.scale);
        Some(self.at(scale)?.cmp(&other.at(scale)?))
    }

    fn at(self, scale: u32) -> Option<i128> {
        let factor = 10i128.checked_pow(scale - self.scale)?;
        self.mantissa.checked_mul(factor)
    }
}

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

impl DateForm {
    pub(super) fn fits(self, text: &str) -> bool {
        let Some(parts) = Parts::of(text) else { return false };
        match self {
            Self::Day => text.len() == 8 && parts.whole(),
            Self::Minute => text.len() == 12 && parts.whole(),
            Self::Birth => text.len() == 12 && (parts.whole() || parts.partly_known()),
            Self::Any => parts.whole() || parts.partly_known(),
        }
    }
}

/// A date in digits, taken apart.
struct Parts {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
}

impl Parts {
    fn of(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if !matches!(bytes.len(), 8 | 12 | 14) || !bytes.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |from: usize, to: usize| {
            let digits = bytes.get(from..to).unwrap_or_default();
            digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
        };
        Some(Self {
            year: number(0, 4),
            month: number(4, 6),
            day: number(6, 8),
            hour: number(8, 10),
            minute: number(10, 12),
        })
    }

    fn year_and_time(&self) -> bool {
        (1850..=2199).contains(&self.year) && self.hour < 24 && self.minute < 60
    }

    fn whole(&self) -> bool {
        self.year_and_time()
            && (1..=12).contains(&self.month)
            && (1..=days_of(self.year, self.month)).contains(&self.day)
    }

    /// The year alone, or year and month.
    fn partly_known(&self) -> bool {
        self.year_and_time() && self.day == 0 && self.month <= 12
    }
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day of a date, where it is whole.
pub(super) fn day(text: &str) -> Option<Day> {
    let parts = Parts::of(text)?;
    parts
        .whole()
        .then_some(parts.year * 10_000 + parts.month * 100 + parts.day)
}

/// Of two dates what is known of both, compared; none where one of them is no date.
pub(super) fn compare_dates(one: &str, other: &str) -> Option<Ordering> {
    let (one, other) = (known(one)?, known(other)?);
    let common = one.len().min(other.len());
    Some(one[..common].cmp(&other[..common]))
}

/// The digits that say something: without a month, the year; without a day, the month.
fn known(text: &str) -> Option<&[u8]> {
    let parts = Parts::of(text)?;
    let length = match (parts.whole(), parts.month) {
        (true, _) => text.len().min(12),
        (false, 0) => 4,
        (false, _) => 6,
    };
    (parts.whole() || parts.partly_known()).then_some(&text.as_bytes()[..length])
}

/// Days since some day long ago; for the days between two dates.
pub(super) fn day_number(text: &str) -> Option<i64> {
    let day = i64::from(day(text)?);
    let (year, month, day) = (day / 10_000, day / 100 % 100, day % 100);
    // Years begin in March here, so that the leap day is the last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    Some(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day)
}

/// Which characters a value may be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chars {
    /// Anything that can be read: nothing lost (U+FFFD), no control and private characters, none without width.
    Readable,
    /// On one line.
    Line,
    /// Letters, blanks and what stands in names.
    Name,
}

impl Chars {
    pub(super) fn fits(self, text: &str) -> bool {
        // Nearly every value is right: no early exit, so that many bytes are checked at once.
        let any = |odd: fn(u8) -> bool| text.bytes().fold(false, |any, b| any | odd(b));
        match self {
            Self::Readable => {
                !any(|b| !(b' '..0x7F).contains(&b)) || text.chars().all(|c| readable(c) || matches!(c, '\n' | '\t'))
            }
            Self::Line => !any(|b| matches!(b, b'\n' | b'\t')),
            Self::Name => text.chars().all(in_a_name),
        }
    }
}

fn readable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{FFFD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{E000}'..='\u{F8FF}')
}

fn in_a_name(c: char) -> bool {
    c.is_alphabetic()
        || matches!(c, ' ' | '\'' | '’' | '-' | '.' | ',' | '(' | ')' | '/')
        // Accents that stand behind their letter.
        || matches!(c, '\u{0300}'..='\u{036F}')
}

/// The entries of a list: parts between `;`, without blanks around them.
pub(super) fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_digits_and_one_point() {
        for (text, mantissa, scale) in [
            ("12", 12, 0),
            ("-0.50", -50, 2),
            ("000", 0, 0),
            ("1234567890.123", 1_234_567_890_123, 3),
        ] {
            assert_eq!(Decimal::parse(text), Some(Decimal { mantissa, scale }), "{text}");
        }
        for text in [
            "",
            "-",
            "1,5",
            "1.",
            ".5",
            "1.2.3",
            "1e3",
            "+1",
            " 1",
            "1 000",
            "١",
            "1234567890123456789012345",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_add_multiply_and_compare_exactly() {
        let d = |text: &str| Decimal::parse(text).unwrap();
        assert_eq!(
            d("0.1").plus(d("0.2")).unwrap().compare(d("0.3")),
            Some(Ordering::Equal)
        );
        assert_eq!(d("1.5").times(d("2")).unwrap().compare(d("3")), Some(Ordering::Equal));
        assert_eq!(d("80").percent().compare(d("0.8")), Some(Ordering::Equal));
        assert_eq!(
            d("1").minus(d("2.5")).unwrap().size().compare(d("1.5")),
            Some(Ordering::Equal)
        );
        let large = d("999999999999999999999999");
        assert_eq!(large.times(large).and_then(|product| product.times(large)), None);
    }

    #[test]
    fn each_form_takes_its_own_dates() {
        use DateForm::{Any, Birth, Day, Minute};
        for (text, forms) in [
            ("20260228", &[Day, Any][..]),
            ("20240229", &[Day, Any]),
            ("20260229", &[]),
            ("202601012359", &[Minute, Birth, Any]),
            ("202601012400", &[]),
            ("20260101235959", &[Any]),
            ("195000000000", &[Birth, Any]),
            ("195005000000", &[Birth, Any]),
            ("195000010000", &[]),
            ("195013000000", &[]),
            ("19500000", &[Any]),
            ("2026-01-01", &[]),
            ("00010101", &[]),
            ("", &[]),
        ] {
            for form in [Day, Minute, Birth, Any] {
                assert_eq!(form.fits(text), forms.contains(&form), "{text} {form:?}");
            }
        }
    }

    #[test]
    fn dates_are_compared_as_far_as_both_are_known() {
        use Ordering::{Equal, Greater, Less};
        for (one, other, expected) in [
            ("20260101", "202601010800", Some(Equal)),
            ("202601010759", "202601010800", Some(Less)),
            ("195000000000", "195006010000", Some(Equal)),
            ("195100000000", "195006010000", Some(Greater)),
            ("x", "20260101", None),
        ] {
            assert_eq!(compare_dates(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn days_are_counted_over_months_and_leap_years() {
        for (from, to, days) in [
            ("20260228", "20260301", 1),
            ("20240228", "20240301", 2),
            ("20251231", "20260101", 1),
            ("20250101", "20260101", 365),
        ] {
            assert_eq!(day_number(to).unwrap() - day_number(from).unwrap(), days, "{from} {to}");
        }
    }

    #[test]
    fn lost_and_hidden_characters_are_seen() {
        use Chars::{Line, Name, Readable};
        for (text, fits) in [
            ("Nguyễn Văn Thử", &[Readable, Line, Name][..]),
            ("Nguy\u{FFFD}n", &[Line]),
            ("a\u{200B}b", &[Line]),
            ("a\nb", &[Readable]),
            ("O'Hara-Lê (Jr.)", &[Readable, Line, Name]),
            ("Nguy?n", &[Readable, Line]),
            ("x\u{0085}", &[Line]),
        ] {
            for chars in [Readable, Line, Name] {
                assert_eq!(chars.fits(text), fits.contains(&chars), "{text:?} {chars:?}");
            }
        }
    }
}
