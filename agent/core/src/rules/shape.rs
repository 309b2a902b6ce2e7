//! Forms of codes: `AA9XX9999999999` for a letter, a digit or either at each place, in a straight line and without going back.

/// What may stand at one place.
#[derive(Debug, PartialEq)]
enum Place {
    /// `A`: a capital letter.
    Letter,
    /// `9`: a digit.
    Digit,
    /// `X`: either.
    Either,
    /// `[1-5]`, `[HTCK]`: one of these.
    Of(Vec<(char, char)>),
    /// Itself.
    Just(char),
}

/// One form.
#[derive(Debug, PartialEq)]
pub(super) struct Shape {
    places: Vec<Place>,
    /// The bytes of a value of this form, where all have as many: most values of others are told by that alone.
    length: Option<usize>,
}

impl Place {
    fn length(&self) -> Option<usize> {
        match self {
            Self::Letter | Self::Digit | Self::Either => Some(1),
            Self::Just(c) => Some(c.len_utf8()),
            Self::Of(of) => {
                let length = of.first()?.0.len_utf8();
                let alike = |(from, to): &(char, char)| (from.len_utf8(), to.len_utf8()) == (length, length);
                of.iter().all(alike).then_some(length)
            }
        }
    }
}

impl Shape {
    /// Reads a form; none where a bracket is not closed or empty.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut places = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            places.push(match c {
                'A' => Place::Letter,
                '9' => Place::Digit,
                'X' => Place::Either,
                '[' => {
                    let mut of: Vec<(char, char)> = Vec::new();
                    loop {
                        match rest.next()? {
                            ']' => break,
                            '-' if !of.is_empty() => {
                                // At the end, before the bracket, it is itself.
                                match rest.next()? {
                                    ']' => {
                                        of.push(('-', '-'));
                                        break;
                                    }
                                    to => of.last_mut()?.1 = to,
                                }
                            }
                            c => of.push((c, c)),
                        }
                    }
                    Place::Of(of)
                }
                c => Place::Just(c),
            });
        }
        let sound = |place: &Place| !matches!(place, Place::Of(of) if of.is_empty());
        (!places.is_empty() && places.iter().all(sound)).then(|| Self {
            length: places.iter().map(Place::length).sum(),
            places,
        })
    }

    /// Whether the value has this form.
    pub(super) fn fits(&self, value: &str) -> bool {
        if self.length.is_some_and(|length| length != value.len()) {
            return false;
        }
        let mut chars = value.chars();
        let fit = self.places.iter().all(|place| {
            chars.next().is_some_and(|c| match place {
                Place::Letter => c.is_ascii_uppercase(),
                Place::Digit => c.is_ascii_digit(),
                Place::Either => c.is_ascii_uppercase() || c.is_ascii_digit(),
                Place::Of(of) => of.iter().any(|(from, to)| (*from..=*to).contains(&c)),
                Place::Just(just) => c == *just,
            })
        });
        fit && chars.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_fits_place_by_place_and_in_length() {
        for (shape, yes, no) in [
            ("A99.9", "I10.9", "i10.9"),
            ("AA[1-5]XX", "DN4A9", "DN6A9"),
            ("[HTCK]999", "H012", "B012"),
            ("[ABO][+-]", "O-", "O"),
            ("VC.9", "VC.1", "VC11"),
            ("99", "12", "123"),
            ("A99*", "G01*", "G011"),
            ("A99†", "G01†", "G01*"),
            ("[a-ỹ]9", "đ1", "đ12"),
            ("[a-ỹ]9", "a1", "đđ"),
            ("[†‡]9", "‡1", "a12"),
        ] {
            let shape = Shape::parse(shape).unwrap();
            assert!(shape.fits(yes), "{shape:?} {yes}");
            assert!(!shape.fits(no), "{shape:?} {no}");
        }
        for bad in ["", "[", "[]", "[1-", "9[a"] {
            assert_eq!(Shape::parse(bad), None, "{bad}");
        }
    }
}
