//! Numbers as they stand: checked, never recomputed, so that not a digit changes on the way.

/// A plain decimal, ready to write as a JSON number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal<'a> {
    sign: &'static str,
    digits: &'a str,
}

impl<'a> Decimal<'a> {
    /// Reads `-?\d+(\.\d+)?`. Leading zeros go, as JSON wants; trailing ones stay, they say how exact the number is.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (sign, unsigned) = match text.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", text),
        };
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (unsigned, None),
        };
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !fraction.is_none_or(all_digits) {
            return None;
        }
        let zeros = whole
            .bytes()
            .take_while(|byte| *byte == b'0')
            .count()
            .min(whole.len() - 1);
        Some(Self {
            sign,
            digits: &unsigned[zeros..],
        })
    }

    /// The sign as JSON writes it.
    pub(crate) fn sign(&self) -> &'static str {
        self.sign
    }

    /// The digits as JSON writes them.
    pub(crate) fn digits(&self) -> &'a str {
        self.digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept_and_leading_zeros_dropped() {
        let text = |input| Decimal::parse(input).map(|decimal| format!("{}{}", decimal.sign(), decimal.digits()));
        for (input, output) in [
            ("1.50", "1.50"),
            ("007.10", "7.10"),
            ("0.1", "0.1"),
            ("000", "0"),
            ("-00.5", "-0.5"),
            ("123456789012345678.123", "123456789012345678.123"),
        ] {
            assert_eq!(text(input).as_deref(), Some(output));
        }
    }

    #[test]
    fn anything_else_is_not_a_decimal() {
        for bad in ["", "-", ".5", "5.", "1,5", "1e3", "+1", "1.2.3", " 1", "NaN", "١"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }
}
