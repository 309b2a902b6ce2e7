//! The first look at a value, cheap enough for every one of them.

use super::letters::{Code, SMALL, capital, code, letter, parts};

// What a character is to the one that follows it.
const SMALL_LETTER: u8 = 1;
const A_OR_E: u8 = 2;
const O: u8 = 4;
const U_OR_Y: u8 = 8;
const LETTER: u8 = 16;

static ASCII: [u8; 0x80] = ascii();
/// For the letters by number: what they are to the next, and what may not stand before them.
static AFTER: [u8; 2 * SMALL as usize + 1] = after();
static NOT_BEFORE: [u8; 2 * SMALL as usize + 1] = not_before();

/// Nothing in this text can be spoiled: it is ASCII, letters of Vietnamese where they may stand in a word, and signs that no
/// encoding uses for letters where they stand; and it is in NFC.
pub fn is_clean(text: &str) -> bool {
    let mut last = 0;
    for c in text.chars() {
        if let Some(of_ascii) = ASCII.get(c as usize) {
            last = *of_ascii;
            continue;
        }
        let code = usize::from(code(c));
        if last & NOT_BEFORE[code] != 0 || code == 0 && !is_sign(c, last) {
            return false;
        }
        last = AFTER[code];
    }
    true
}

/// Signs that are no letter where they stand and have no other form in Unicode.
#[cold]
fn is_sign(c: char, last: u8) -> bool {
    match c {
        '²' | '³' | '°' | '±' => true,
        'µ' | '×' | '÷' | '·' | '½' | '¼' | '¾' => last & LETTER == 0,
        '\u{2072}' | '\u{2073}' | '\u{208F}' => false,
        '‐'..='‧' | '‰'..='›' | '⁰'..='ₜ' | '₫' | '€' | '™' | '≈' | '≠' | '≤' | '≥' | 'α'..='ω' | 'Ω' | '→' => {
            true
        }
        _ => false,
    }
}

const fn of_vowel(small: u8) -> u8 {
    match small {
        b'a' | b'e' => A_OR_E,
        b'o' => O,
        b'u' | b'y' => U_OR_Y,
        _ => 0,
    }
}

const fn ascii() -> [u8; 0x80] {
    let mut table = [0; 0x80];
    let mut c = 0;
    while c < 0x80 {
        let small = if (c as u8).is_ascii_lowercase() {
            SMALL_LETTER
        } else {
            0
        };
        if (c as u8).is_ascii_alphabetic() {
            table[c] = small | LETTER | of_vowel((c as u8).to_ascii_lowercase());
        }
        c += 1;
    }
    table
}

const fn after() -> [u8; 2 * SMALL as usize + 1] {
    let mut table = [0; 2 * SMALL as usize + 1];
    let mut code: Code = 1;
    while code <= 2 * SMALL {
        let small = if capital(code) { 0 } else { SMALL_LETTER };
        // VNI puts marks on "ô" as it does on u.
        let marked = if matches!(letter(code), 'ô' | 'Ô') { U_OR_Y } else { 0 };
        table[code as usize] = small | LETTER | marked;
        code += 1;
    }
    table
}

/// No spelling has an accent after a or e, nor these after o, u, y; and no word a capital after a small letter.
const fn not_before() -> [u8; 2 * SMALL as usize + 1] {
    let mut table = [0; 2 * SMALL as usize + 1];
    let mut code: Code = 1;
    while code <= 2 * SMALL {
        let vowel = match parts(code) {
            None => 0,
            Some(_) => match letter((code - 1) % SMALL + 1) {
                'ù' | 'õ' => A_OR_E | O | U_OR_Y,
                'â' => A_OR_E | O,
                _ => A_OR_E,
            },
        };
        let case = if capital(code) { SMALL_LETTER } else { 0 };
        table[code as usize] = vowel | case;
        code += 1;
    }
    table
}
