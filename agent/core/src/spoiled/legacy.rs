//! The four encodings of before Unicode: what their bytes mean and how a letter is written in them.
//!
//! Sources: TCVN 5712:1993 (VN3, known as ABC), RFC 1456 (VISCII), Microsoft's code page 1258, and the VNI scheme for
//! Windows, where a vowel is an ASCII letter and a second byte for all that stands above and below it. The bytes come as
//! the characters that software took them for: Latin-1 or windows-1252.

use super::letters::{Code, SMALL, code, letter, parts, vowel};

/// An encoding of one or two bytes per letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Legacy {
    Tcvn3,
    Vni,
    Windows1258,
    Viscii,
}

/// All of them, the most usual first.
pub(super) const ALL: [Legacy; 4] = [Legacy::Tcvn3, Legacy::Vni, Legacy::Windows1258, Legacy::Viscii];

/// What windows-1252 has for 0x80 to 0x9F; five of these bytes it leaves undefined, and most software passes them on.
pub(super) const CP1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', //
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

/// Small letters in the order of their numbers: vowel by vowel without a tone, then grave, hook, tilde, acute, dot; đ last.
const TCVN3: [u8; SMALL as usize] = [
    0x61, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, // a
    0xA8, 0xBB, 0xBC, 0xBD, 0xBE, 0xC6, // ă
    0xA9, 0xC7, 0xC8, 0xC9, 0xCA, 0xCB, // â
    0x65, 0xCC, 0xCE, 0xCF, 0xD0, 0xD1, // e
    0xAA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, // ê
    0x69, 0xD7, 0xD8, 0xDC, 0xDD, 0xDE, // i
    0x6F, 0xDF, 0xE1, 0xE2, 0xE3, 0xE4, // o
    0xAB, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, // ô
    0xAC, 0xEA, 0xEB, 0xEC, 0xED, 0xEE, // ơ
    0x75, 0xEF, 0xF1, 0xF2, 0xF3, 0xF4, // u
    0xAD, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, // ư
    0x79, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, // y
    0xAE, // đ
];
/// The only capitals TCVN3 has: all others are small letters shown in a font of capitals.
const TCVN3_CAPITALS: [(u8, char); 7] = [
    (0xA1, 'Ă'),
    (0xA2, 'Â'),
    (0xA3, 'Ê'),
    (0xA4, 'Ô'),
    (0xA5, 'Ơ'),
    (0xA6, 'Ư'),
    (0xA7, 'Đ'),
];
const VISCII: [u8; 2 * SMALL as usize] = [
    0x61, 0xE0, 0xE4, 0xE3, 0xE1, 0xD5, // a
    0xE5, 0xA2, 0xC6, 0xC7, 0xA1, 0xA3, // ă
    0xE2, 0xA5, 0xA6, 0xE7, 0xA4, 0xA7, // â
    0x65, 0xE8, 0xEB, 0xA8, 0xE9, 0xA9, // e
    0xEA, 0xAB, 0xAC, 0xAD, 0xAA, 0xAE, // ê
    0x69, 0xEC, 0xEF, 0xEE, 0xED, 0xB8, // i
    0x6F, 0xF2, 0xF6, 0xF5, 0xF3, 0xF7, // o
    0xF4, 0xB0, 0xB1, 0xB2, 0xAF, 0xB5, // ô
    0xBD, 0xB6, 0xB7, 0xDE, 0xBE, 0xFE, // ơ
    0x75, 0xF9, 0xFC, 0xFB, 0xFA, 0xF8, // u
    0xDF, 0xD7, 0xD8, 0xE6, 0xD1, 0xF1, // ư
    0x79, 0xCF, 0xD6, 0xDB, 0xFD, 0xDC, // y
    0xF0, // đ
    0x41, 0xC0, 0xC4, 0xC3, 0xC1, 0x80, // A
    0xC5, 0x82, 0x02, 0x05, 0x81, 0x83, // Ă
    0xC2, 0x85, 0x86, 0x06, 0x84, 0x87, // Â
    0x45, 0xC8, 0xCB, 0x88, 0xC9, 0x89, // E
    0xCA, 0x8B, 0x8C, 0x8D, 0x8A, 0x8E, // Ê
    0x49, 0xCC, 0x9B, 0xCE, 0xCD, 0x98, // I
    0x4F, 0xD2, 0x99, 0xA0, 0xD3, 0x9A, // O
    0xD4, 0x90, 0x91, 0x92, 0x8F, 0x93, // Ô
    0xB4, 0x96, 0x97, 0xB3, 0x95, 0x94, // Ơ
    0x55, 0xD9, 0x9C, 0x9D, 0xDA, 0x9E, // U
    0xBF, 0xBB, 0xBC, 0xFF, 0xBA, 0xB9, // Ư
    0x59, 0x9F, 0x14, 0x19, 0xDD, 0x1E, // Y
    0xD0, // Đ
];
/// Second bytes of VNI, by tone: on a, e, o, u, y, ơ and ư; with a circumflex; with a breve.
const VNI_TONES: [u8; 6] = [0, 0xF8, 0xFB, 0xF5, 0xF9, 0xEF];
const VNI_CIRCUMFLEX: [u8; 6] = [0xE2, 0xE0, 0xE5, 0xE3, 0xE1, 0xE4];
const VNI_BREVE: [u8; 6] = [0xEA, 0xE8, 0xFA, 0xFC, 0xE9, 0xEB];
/// What VNI writes with one byte of its own. The capital of each byte from 0xE0 on is 0x20 lower.
const VNI_SINGLE: [(u8, char); 9] = [
    (0xEC, 'ì'),
    (0xE6, 'ỉ'),
    (0xF3, 'ĩ'),
    (0xED, 'í'),
    (0xF2, 'ị'),
    (0xEE, 'ỵ'),
    (0xF4, 'ơ'),
    (0xF6, 'ư'),
    (0xF1, 'đ'),
];
/// Where windows-1258 has letters that windows-1252 has not, and its tone marks by tone. A mark follows its letter.
const CP1258_LETTERS: [(u8, char); 8] = [
    (0xC3, 'Ă'),
    (0xE3, 'ă'),
    (0xD0, 'Đ'),
    (0xF0, 'đ'),
    (0xD5, 'Ơ'),
    (0xF5, 'ơ'),
    (0xDD, 'Ư'),
    (0xFD, 'ư'),
];
const CP1258_TONES: [u8; 6] = [0, 0xCC, 0xD2, 0xDE, 0xEC, 0xF2];

static FROM_TCVN3: [Code; 256] = from_tcvn3();
static FROM_VISCII: [Code; 256] = invert(&VISCII);
static FROM_CP1258: [Code; 256] = from_cp1258();
static FROM_VNI: [Code; 256] = from_vni();

impl Legacy {
    /// What a word says in this encoding, put at the end of `out`. `false` where it cannot be in it; `out` is then spoilt.
    pub(super) fn decode(self, word: &str, out: &mut String) -> bool {
        match self {
            Self::Tcvn3 => one_by_one(word, &FROM_TCVN3, out),
            Self::Viscii => one_by_one(word, &FROM_VISCII, out),
            Self::Windows1258 => marked(word, &FROM_CP1258, out, |before, byte| {
                let tone = position(&CP1258_TONES, byte)?;
                let (base, 0) = parts(before)? else { return None };
                Some(vowel(base, tone, before > SMALL))
            }),
            Self::Vni => marked(word, &FROM_VNI, out, |before, byte| {
                // The mark of a capital is a capital too, but not everybody types it so.
                let mark = byte | 0x20;
                let (base, 0) = parts(before)? else { return None };
                let put = |base, tone| Some(vowel(base, tone, before > SMALL));
                match (
                    base,
                    position(&VNI_TONES, mark),
                    position(&VNI_CIRCUMFLEX, mark),
                    position(&VNI_BREVE, mark),
                ) {
                    (0 | 3 | 6 | 8 | 9 | 10 | 11, Some(tone), _, _) => put(base, tone),
                    (0, _, _, Some(tone)) => put(1, tone),
                    (0, _, Some(tone), _) => put(2, tone),
                    (3, _, Some(tone), _) => put(4, tone),
                    (6, _, Some(tone), _) => put(7, tone),
                    _ => None,
                }
            }),
        }
    }

    /// The bytes of a text in this encoding; `None` where it has no place for a character. In TCVN3 a capital with a tone is
    /// written as its small letter.
    pub(super) fn encode(self, text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(text.len());
        for c in text.chars() {
            match code(c) {
                _ if c.is_ascii() => bytes.push(c as u8),
                // What a font of this encoding shows for other bytes is no letter of it.
                0 => bytes.push(byte(c).filter(|b| self.leaves(*b))?),
                code => self.put(code, &mut bytes),
            }
        }
        Some(bytes)
    }

    fn put(self, number: Code, bytes: &mut Vec<u8>) {
        let (small, capital) = ((number - 1) % SMALL + 1, number > SMALL);
        let c = letter(number);
        match self {
            Self::Viscii => bytes.push(VISCII[usize::from(number - 1)]),
            Self::Tcvn3 => {
                let own = TCVN3_CAPITALS.iter().find(|(_, known)| *known == c);
                bytes.push(own.map_or(TCVN3[usize::from(small - 1)], |(byte, _)| *byte));
            }
            Self::Vni => {
                let lower = if capital { 0x20 } else { 0 };
                if let Some((byte, _)) = VNI_SINGLE.iter().find(|(_, known)| code(*known) == small) {
                    bytes.push(byte - lower);
                } else if let Some((base, tone)) = parts(number) {
                    let (under, marks) = match base {
                        1 => (0, &VNI_BREVE),
                        2 => (0, &VNI_CIRCUMFLEX),
                        4 => (3, &VNI_CIRCUMFLEX),
                        7 => (6, &VNI_CIRCUMFLEX),
                        _ => (base, &VNI_TONES),
                    };
                    if under != base || tone != 0 {
                        self.put_plain(vowel(under, 0, capital), bytes);
                        bytes.push(marks[usize::from(tone)] - lower);
                    } else {
                        bytes.push(c as u8);
                    }
                }
            }
            Self::Windows1258 => {
                let whole = FROM_CP1258.iter().position(|known| *known == number);
                match (whole, parts(number)) {
                    (Some(byte), _) => bytes.push(byte as u8), // a position among 256
                    (None, Some((base, tone))) => {
                        self.put_plain(vowel(base, 0, capital), bytes);
                        bytes.push(CP1258_TONES[usize::from(tone)]);
                    }
                    (None, None) => {}
                }
            }
        }
    }

    /// A vowel without a tone, which is ASCII or a byte of its own.
    fn put_plain(self, code: Code, bytes: &mut Vec<u8>) {
        let c = letter(code);
        if c.is_ascii() {
            bytes.push(c as u8);
        } else {
            self.put(code, bytes);
        }
    }

    /// Bytes that mean here what they mean in windows-1252.
    fn leaves(self, byte: u8) -> bool {
        match self {
            Self::Tcvn3 => FROM_TCVN3[usize::from(byte)] == 0,
            Self::Viscii => false,
            Self::Windows1258 => FROM_CP1258[usize::from(byte)] == 0 && !CP1258_TONES.contains(&byte),
            Self::Vni => byte < 0xC0,
        }
    }
}

/// The byte that a character of Latin-1 or windows-1252 stands for.
pub(super) fn byte(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ ..0x100 => Some(code as u8), // below 256
        0x152.. => CP1252.iter().position(|known| *known == c).map(|at| at as u8 | 0x80),
        _ => None,
    }
}

/// Punctuation of windows-1252 that may stand around a word of any of the encodings but VISCII.
pub(super) fn is_quote(c: char) -> bool {
    matches!(c, '\u{A0}' | '‘' | '’' | '“' | '”' | '–' | '—' | '…' | '•' | '′' | '″')
}

fn one_by_one(word: &str, table: &[Code; 256], out: &mut String) -> bool {
    word.chars().all(|c| {
        let meant = byte(c).map_or(0, |byte| table[usize::from(byte)]);
        let known = match meant {
            0 if c.is_ascii() || is_quote(c) => c,
            0 => return false,
            code => letter(code),
        };
        out.push(known);
        true
    })
}

/// Like [`one_by_one`], for encodings where `join` puts a mark on the letter before it.
fn marked(word: &str, table: &[Code; 256], out: &mut String, join: impl Fn(Code, u8) -> Option<Code>) -> bool {
    let mut before = 0;
    word.chars().all(|c| {
        let byte = byte(c).unwrap_or(0);
        if !c.is_ascii()
            && before != 0
            && let Some(joined) = join(before, byte)
        {
            out.pop();
            out.push(letter(joined));
            before = 0;
            return true;
        }
        before = table[usize::from(byte)];
        match before {
            0 if c.is_ascii() || is_quote(c) => out.push(c),
            0 => return false,
            code => out.push(letter(code)),
        }
        true
    })
}

/// Where a byte stands among the marks of the six tones. 0 is where an encoding needs no mark, and is never found.
fn position(marks: &[u8; 6], byte: u8) -> Option<u8> {
    let at = marks.iter().position(|mark| *mark == byte && byte != 0)?;
    Some(at as u8) // one of six
}

const fn code_of(c: char) -> Code {
    let mut code = 1;
    while letter(code) as u32 != c as u32 {
        code += 1;
    }
    code
}

const fn invert<const N: usize>(bytes: &[u8; N]) -> [Code; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < N {
        table[bytes[at] as usize] = at as Code + 1;
        at += 1;
    }
    table
}

const fn with<const N: usize>(mut table: [Code; 256], letters: &[(u8, char); N]) -> [Code; 256] {
    let mut at = 0;
    while at < N {
        table[letters[at].0 as usize] = code_of(letters[at].1);
        at += 1;
    }
    table
}

/// The vowels of ASCII, both cases.
const fn plain_vowels(mut table: [Code; 256]) -> [Code; 256] {
    let mut code = 1;
    while code <= 2 * SMALL {
        let c = letter(code) as usize;
        if c < 0x80 {
            table[c] = code;
        }
        code += 1;
    }
    table
}

const fn from_tcvn3() -> [Code; 256] {
    plain_vowels(with(invert(&TCVN3), &TCVN3_CAPITALS))
}

/// The letters of Latin-1 stay, but where windows-1258 has something else.
const fn from_cp1258() -> [Code; 256] {
    let mut table = plain_vowels([0; 256]);
    let mut code = 1;
    while code <= 2 * SMALL {
        let c = letter(code) as usize;
        if c >= 0xC0 && c < 0x100 {
            table[c] = code;
        }
        code += 1;
    }
    let mut tone = 1;
    while tone < 6 {
        table[CP1258_TONES[tone] as usize] = 0;
        tone += 1;
    }
    with(table, &CP1258_LETTERS)
}

const fn from_vni() -> [Code; 256] {
    let mut table = with(plain_vowels([0; 256]), &VNI_SINGLE);
    let mut at = 0;
    while at < VNI_SINGLE.len() {
        table[VNI_SINGLE[at].0 as usize - 0x20] = code_of(VNI_SINGLE[at].1) + SMALL;
        at += 1;
    }
    table
}
