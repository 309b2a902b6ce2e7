//! The letters of Vietnamese by number: twelve vowels with six tones each, and đ, small and capital.
//!
//! Of these 146, twelve are plain ASCII; the other 134 are what an encoding has to find a place for.

/// A letter's number: 1 to 73 small, 74 to 146 capital, 0 for anything else.
pub(super) type Code = u8;

/// How many small letters there are.
pub(super) const SMALL: Code = 73;
/// đ, after the vowels.
pub(super) const D: Code = SMALL;

/// Each vowel without a tone, then with grave, hook, tilde, acute, dot.
const VOWELS: [[char; 6]; 12] = [
    ['a', 'à', 'ả', 'ã', 'á', 'ạ'],
    ['ă', 'ằ', 'ẳ', 'ẵ', 'ắ', 'ặ'],
    ['â', 'ầ', 'ẩ', 'ẫ', 'ấ', 'ậ'],
    ['e', 'è', 'ẻ', 'ẽ', 'é', 'ẹ'],
    ['ê', 'ề', 'ể', 'ễ', 'ế', 'ệ'],
    ['i', 'ì', 'ỉ', 'ĩ', 'í', 'ị'],
    ['o', 'ò', 'ỏ', 'õ', 'ó', 'ọ'],
    ['ô', 'ồ', 'ổ', 'ỗ', 'ố', 'ộ'],
    ['ơ', 'ờ', 'ở', 'ỡ', 'ớ', 'ợ'],
    ['u', 'ù', 'ủ', 'ũ', 'ú', 'ụ'],
    ['ư', 'ừ', 'ử', 'ữ', 'ứ', 'ự'],
    ['y', 'ỳ', 'ỷ', 'ỹ', 'ý', 'ỵ'],
];
const CAPITALS: [[char; 6]; 12] = [
    ['A', 'À', 'Ả', 'Ã', 'Á', 'Ạ'],
    ['Ă', 'Ằ', 'Ẳ', 'Ẵ', 'Ắ', 'Ặ'],
    ['Â', 'Ầ', 'Ẩ', 'Ẫ', 'Ấ', 'Ậ'],
    ['E', 'È', 'Ẻ', 'Ẽ', 'É', 'Ẹ'],
    ['Ê', 'Ề', 'Ể', 'Ễ', 'Ế', 'Ệ'],
    ['I', 'Ì', 'Ỉ', 'Ĩ', 'Í', 'Ị'],
    ['O', 'Ò', 'Ỏ', 'Õ', 'Ó', 'Ọ'],
    ['Ô', 'Ồ', 'Ổ', 'Ỗ', 'Ố', 'Ộ'],
    ['Ơ', 'Ờ', 'Ở', 'Ỡ', 'Ớ', 'Ợ'],
    ['U', 'Ù', 'Ủ', 'Ũ', 'Ú', 'Ụ'],
    ['Ư', 'Ừ', 'Ử', 'Ữ', 'Ứ', 'Ự'],
    ['Y', 'Ỳ', 'Ỷ', 'Ỹ', 'Ý', 'Ỵ'],
];

const LOW_END: usize = 0x1B1;
const HIGH: usize = 0x1EA0;
const HIGH_END: usize = 0x1EFA;
static LOW_CODES: [Code; LOW_END] = codes(0);
static HIGH_CODES: [Code; HIGH_END - HIGH] = codes(HIGH);

/// The number of a letter, plain vowels included.
#[inline]
pub(super) fn code(c: char) -> Code {
    let c = c as usize;
    match c {
        ..LOW_END => LOW_CODES[c],
        HIGH..HIGH_END => HIGH_CODES[c - HIGH],
        _ => 0,
    }
}

/// The letter of a number from 1 to 146.
pub(super) const fn letter(code: Code) -> char {
    let small = (code - 1) % SMALL;
    match (capital(code), small == D - 1) {
        (false, true) => 'đ',
        (true, true) => 'Đ',
        (false, false) => VOWELS[small as usize / 6][small as usize % 6],
        (true, false) => CAPITALS[small as usize / 6][small as usize % 6],
    }
}

/// A vowel of the twelve (0 to 11) with a tone (0 to 5).
pub(super) const fn vowel(base: u8, tone: u8, capital: bool) -> Code {
    base * 6 + tone + 1 + if capital { SMALL } else { 0 }
}

/// Which vowel with which tone a number stands for; `None` for đ.
pub(super) const fn parts(code: Code) -> Option<(u8, u8)> {
    let small = (code - 1) % SMALL;
    if small == D - 1 {
        return None;
    }
    Some((small / 6, small % 6))
}

pub(super) const fn capital(code: Code) -> bool {
    code > SMALL
}

/// A letter that ASCII does not have.
pub(super) fn is_accented(c: char) -> bool {
    !c.is_ascii() && code(c) != 0
}

const fn codes<const N: usize>(from: usize) -> [Code; N] {
    let mut table = [0; N];
    let mut code = 1;
    while code <= 2 * SMALL {
        let at = letter(code) as usize;
        if at >= from && at - from < N {
            table[at - from] = code;
        }
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_134_letters_beyond_ascii_each_with_its_number_and_its_capital() {
        let letters: Vec<char> = (1..=2 * SMALL).map(letter).collect();
        assert_eq!(letters.iter().filter(|c| is_accented(**c)).count(), 134);
        for small in 1..=SMALL {
            assert_eq!(code(letter(small)), small);
            assert_eq!(code(letter(small + SMALL)), small + SMALL);
            assert!(letter(small).to_uppercase().eq([letter(small + SMALL)]));
        }
        assert!(
            ['b', 'ä', 'µ', '≥', '\u{1EFA}', '\u{301}']
                .iter()
                .all(|c| code(*c) == 0)
        );
    }
}
