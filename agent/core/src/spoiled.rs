//! Vietnamese text that came in an encoding of before Unicode, or through a wrong one, read as what it says.
//!
//! Uses nothing else of this crate. The text comes as Rust strings, because something read its bytes as Latin-1,
//! windows-1252 or UTF-8 before. All values of one column are judged together ([`Judge`], [`detect`]); then each value is
//! repaired ([`Spoiled::repair`]). What stays true: ASCII is never touched, nor is a word that is good Vietnamese as it
//! stands, unless the whole column is in another encoding and has no other good word; a word that makes no sense in the
//! encoding found stays as it is.
//!
//! **Capitals in TCVN3.** It has seven (Ă Â Ê Ô Ơ Ư Đ); all others are small letters that a font of capitals shows as
//! such, and the font is lost. A word whose other letters are capitals, two at least, was one of capitals; so was every word
//! of a value without any small letter. Where all words of a value, three at least, begin with a capital otherwise, a word
//! that begins with a small letter with a tone gets its capital. All else stays small: nothing tells.

mod clean;
mod judge;
mod legacy;
mod letters;
mod mojibake;
mod syllable;

#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use clean::is_clean;
pub use judge::Judge;
use judge::{composed, is_of_word, is_plain, is_symbol, is_unit, words};
use legacy::Legacy;
use letters::{SMALL, code, letter, parts};
use syllable::legal;

/// What happened to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// TCVN 5712:1993 VN3, known as ABC.
    Tcvn3,
    /// VNI for Windows.
    Vni,
    /// Code page 1258.
    Windows1258,
    /// RFC 1456.
    Viscii,
    /// UTF-8 read as windows-1252, once to three times over.
    Mojibake,
    /// Unicode with its marks apart.
    Decomposed,
}

impl Encoding {
    /// For programs: `TCVN3`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Tcvn3 => "TCVN3",
            Self::Vni => "VNI",
            Self::Windows1258 => "CP1258",
            Self::Viscii => "VISCII",
            Self::Mojibake => "MOJIBAKE",
            Self::Decomposed => "NFD",
        }
    }

    /// For people, as it is known in Vietnam and elsewhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcvn3 => "TCVN3 (ABC)",
            Self::Vni => "VNI-Windows",
            Self::Windows1258 => "Windows-1258",
            Self::Viscii => "VISCII",
            Self::Mojibake => "UTF-8 → Windows-1252",
            Self::Decomposed => "Unicode NFD",
        }
    }

    /// The bytes of a text in this encoding, as a HIS would have written them; `None` where a character has no place in it.
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        match (self.legacy(), self) {
            (Some(legacy), _) => legacy.encode(text),
            (None, Self::Mojibake) => Some(mojibake::fold(text).into_bytes()),
            (None, _) => Some(
                unicode_normalization::UnicodeNormalization::nfd(text)
                    .collect::<String>()
                    .into_bytes(),
            ),
        }
    }

    fn legacy(self) -> Option<Legacy> {
        match self {
            Self::Tcvn3 => Some(Legacy::Tcvn3),
            Self::Vni => Some(Legacy::Vni),
            Self::Windows1258 => Some(Legacy::Windows1258),
            Self::Viscii => Some(Legacy::Viscii),
            Self::Mojibake | Self::Decomposed => None,
        }
    }
}

impl From<Legacy> for Encoding {
    fn from(legacy: Legacy) -> Self {
        match legacy {
            Legacy::Tcvn3 => Self::Tcvn3,
            Legacy::Vni => Self::Vni,
            Legacy::Windows1258 => Self::Windows1258,
            Legacy::Viscii => Self::Viscii,
        }
    }
}

/// How the values of one column are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoiled {
    encoding: Encoding,
    /// No word of the column is good Vietnamese in another way.
    pure: bool,
}

/// What the values of one column are spoiled by, if that is clear.
pub fn detect<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Spoiled> {
    let mut judge = Judge::default();
    for value in values {
        judge.look(value);
    }
    judge.verdict()
}

impl Spoiled {
    fn of(encoding: Encoding, pure: bool) -> Self {
        Self { encoding, pure }
    }

    /// What happened to the column.
    pub fn encoding(self) -> Encoding {
        self.encoding
    }

    /// The value as it was meant; borrowed where nothing changed.
    pub fn repair(self, value: &str) -> Cow<'_, str> {
        if value.is_ascii() {
            return Cow::Borrowed(value);
        }
        let read = match (self.encoding.legacy(), self.encoding) {
            (Some(legacy), _) => self.decode(legacy, value),
            (None, Encoding::Mojibake) => mojibake::unfold(value),
            (None, _) => None,
        };
        match (composed(read.as_deref().unwrap_or(value)), read) {
            (Some(text), _) | (None, Some(text)) => Cow::Owned(text),
            (None, None) => Cow::Borrowed(value),
        }
    }

    fn decode(self, legacy: Legacy, value: &str) -> Option<String> {
        let case = (legacy == Legacy::Tcvn3).then(|| Case::of(value));
        let mut out = String::with_capacity(value.len() * 2);
        let mut word = String::new();
        let mut rest = value;
        while !rest.is_empty() {
            let end = rest.find(is_of_word).unwrap_or(rest.len());
            let (between, from) = rest.split_at(end);
            out.push_str(between);
            let end = from.find(|c| !is_of_word(c)).unwrap_or(from.len());
            let (read, after) = from.split_at(end);
            rest = after;
            word.clear();
            if self.applies(legacy, read, &mut word) {
                match &case {
                    Some(case) => case.put(read, &word, &mut out),
                    None => out.push_str(&word),
                }
            } else {
                out.push_str(read);
            }
        }
        (out != value).then_some(out)
    }

    /// Whether a word is to be read in that encoding. `meant` is then what it says.
    fn applies(self, legacy: Legacy, word: &str, meant: &mut String) -> bool {
        if is_plain(word) || is_unit(word) || !legacy.decode(word, meant) {
            return false;
        }
        // "LÝ" is "Lý" in TCVN3, and only its capitals are to be found.
        if meant == word && legacy != Legacy::Tcvn3 {
            return false;
        }
        if word.chars().nth(1).is_none() {
            // No sign stands for a word, but the one that is Ô in TCVN3 and nothing in any text.
            return self.pure && (!word.contains(is_symbol) || word == "¤") && legal(meant);
        }
        match (legal(word), legal(meant)) {
            (false, true) => true,
            (true, true) => self.pure,
            (true, false) => false,
            // Two words written as one, or a slip of the pen.
            (false, false) => self.pure && word.contains(|c: char| !c.is_ascii() && !is_symbol(c)),
        }
    }
}

/// Which words of a TCVN3 value were capitals.
struct Case {
    /// No small letter in the whole value.
    capitals: bool,
    /// Every word that can tell begins with a capital, and two can.
    titles: bool,
}

impl Case {
    fn of(value: &str) -> Self {
        let (mut small, mut large) = (0, 0);
        let (mut titles, mut others) = (0, 0);
        for word in words(value) {
            let (of_small, of_large) = ascii_cases(word);
            small += of_small;
            large += of_large;
            match word.chars().next() {
                Some(c) if c.is_ascii_uppercase() || is_capital_of_tcvn3(c) => titles += 1,
                Some(c) if c.is_ascii() => others += 1,
                _ => {}
            }
        }
        Self {
            capitals: small == 0 && large >= 2,
            titles: titles >= 2 && others == 0,
        }
    }

    /// Puts a word that was `read` and says `meant`, with the capitals it had.
    fn put(&self, read: &str, meant: &str, out: &mut String) {
        let (small, large) = ascii_cases(read);
        let all = self.capitals || small == 0 && large >= 2;
        for (at, c) in meant.chars().enumerate() {
            let raised = match code(c) {
                small @ 1..=SMALL if all => letter(small + SMALL),
                small @ 1..SMALL if at == 0 && self.titles && parts(small).is_some_and(|(_, tone)| tone != 0) => {
                    letter(small + SMALL)
                }
                _ => c,
            };
            out.push(raised);
        }
    }
}

fn ascii_cases(word: &str) -> (usize, usize) {
    let count = |of: fn(&u8) -> bool| word.bytes().filter(of).count();
    (
        count(u8::is_ascii_lowercase),
        count(u8::is_ascii_uppercase) + word.chars().filter(|c| is_capital_of_tcvn3(*c)).count(),
    )
}

fn is_capital_of_tcvn3(c: char) -> bool {
    matches!(c, '\u{A1}'..='\u{A7}')
}
