//! Single values: decimal numbers, characters. Nothing here allocates.

use std::cmp::Ordering;

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
            mantissa: product(self.mantissa, other.mantissa)?,
            scale: self.scale + other.scale,
        })
    }

    #[inline]
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

    #[inline]
    fn at(self, scale: u32) -> Option<i128> {
        match scale - self.scale {
            0 => Some(self.mantissa),
            more => product(self.mantissa, *TENS.get(more as usize)?),
        }
    }
}

/// Powers of ten, all that fit.
const TENS: [i128; 39] = {
    let mut tens = [1; 39];
    let mut at = 1;
    while at < tens.len() {
        tens[at] = tens[at - 1] * 10;
        at += 1;
    }
    tens
};

/// Nearly all fit the quicker arithmetic.
#[inline]
fn product(one: i128, other: i128) -> Option<i128> {
    match (i64::try_from(one), i64::try_from(other)) {
        (Ok(one), Ok(other)) => Some(i128::from(one) * i128::from(other)),
        _ => one.checked_mul(other),
    }
}

/// What a value is made of, as its bytes tell in one pass: most values are plain, and need no look at each character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Made {
    /// Digits alone, and no more than a number may have.
    Digits,
    /// Nothing that [`Chars::Readable`] or [`Chars::Line`] would mind.
    Plain,
    /// Perhaps something they would.
    Other,
}

impl Made {
    /// In their order.
    pub(super) const ALL: [Self; 3] = [Self::Digits, Self::Plain, Self::Other];

    #[inline]
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let word = u64::from_le_bytes;
        if let Some(last) = bytes.last_chunk::<8>() {
            let (words, rest) = bytes.as_chunks::<8>();
            let all = words.iter().map(|bytes| Self::of_word(word(*bytes)));
            let least = if bytes.len() > DIGITS {
                Self::Plain
            } else {
                Self::Digits
            };
            let behind = if rest.is_empty() {
                least
            } else {
                Self::of_word(word(*last))
            };
            return all.fold(least.max(behind), Self::max);
        }
        if let (Some(&[a, b, c, d]), Some(&[e, f, g, h])) = (bytes.first_chunk(), bytes.last_chunk()) {
            return Self::of_word(word([a, b, c, d, e, f, g, h]));
        }
        // At most three.
        let at = |place: usize| bytes.get(place).copied().unwrap_or(b'0');
        Self::of_word(word([at(0), at(1), at(2), b'0', b'0', b'0', b'0', b'0']))
    }

    /// Of eight bytes at once.
    #[inline]
    fn of_word(word: u64) -> Self {
        const ONES: u64 = 0x0101_0101_0101_0101;
        let each = |byte: u8| ONES * u64::from(byte);
        let any_zero = |word: u64| word.wrapping_sub(ONES) & !word & each(0x80) != 0;
        let tens = word.wrapping_add(each(6));
        if (word & each(0xF0)) | ((tens & each(0xF0)) >> 4) == each(0x33) {
            return Self::Digits;
        }
        let odd = if word & each(0x80) == 0 {
            // Control characters: one more, or a blank less, and the first bit is set.
            (word.wrapping_add(ONES) | word.wrapping_sub(each(b' '))) & each(0x80) != 0
        } else {
            // And the first bytes of what is hidden, private or lost, and of much that is none of it: it is looked at more
            // closely.
            any_zero(word & each(0xE0))
                || any_zero(word ^ each(0x7F))
                || any_zero((word | each(0x20)) ^ each(0xE2))
                || any_zero((word | each(0x01)) ^ each(0xEF))
        };
        if odd { Self::Other } else { Self::Plain }
    }
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
    // What names are written with here, before the long table of all letters.
    matches!(c, 'a'..='z' | 'A'..='Z' | 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ɏ' | '\u{1E00}'..='\u{1EFF}')
        || c.is_alphabetic()
        || matches!(c, ' ' | '\'' | '’' | '-' | '.' | ',' | '(' | ')' | '/')
        // Accents that stand behind their letter.
        || matches!(c, '\u{0300}'..='\u{036F}')
}

/// The entries of a list: parts between `;`, without blanks around them.
pub(super) fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim)
}

/// How many there are.
pub(super) fn entry_count(text: &str) -> usize {
    text.bytes().filter(|b| *b == b';').count() + 1
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
    fn what_is_plain_is_readable_and_on_one_line_at_each_place_of_it() {
        use Chars::{Line, Readable};
        let odd = (0..=0xFFFF).filter_map(char::from_u32);
        for c in odd.chain(['\u{1F600}', '\u{F0000}', '\u{10FFFF}']) {
            for around in ["", "1", "12", "123", "12345", "123456789", "1234567890123456"] {
                for text in [
                    format!("{around}{c}"),
                    format!("{c}{around}"),
                    format!("{around}{c}{around}"),
                ] {
                    let made = Made::of(&text);
                    let fits = Readable.fits(&text) && Line.fits(&text);
                    assert!(fits || made == Made::Other, "{text:?}");
                    let digits = c.is_ascii_digit() && text.len() <= DIGITS;
                    assert_eq!(made == Made::Digits, digits, "{text:?}");
                }
            }
        }
        assert_eq!(Made::of("Nguyễn Thị Ẩn, xã Đắk Ơ"), Made::Plain);
    }

    #[test]
    fn a_name_is_of_letters_and_what_stands_between_them() {
        let between = " '’-.,()/";
        for c in (0..=0xFFFF).filter_map(char::from_u32) {
            let fits = c.is_alphabetic() || between.contains(c) || ('\u{300}'..='\u{36F}').contains(&c);
            assert_eq!(in_a_name(c), fits, "{c:?}");
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
