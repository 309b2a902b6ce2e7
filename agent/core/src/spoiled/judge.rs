//! Evidence for each encoding from the values of one column, in constant memory.
//!
//! Only words with letters beyond ASCII tell anything, and each word once, so that one name in a hundred rows is no more
//! proof than in one. A word counts for an encoding when it is no Vietnamese as it stands and would be, read in that encoding.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::{
    Encoding, Spoiled,
    legacy::{self, is_quote},
    mojibake,
    syllable::{is_usual, legal},
};

/// So many different words are enough.
const WORDS: usize = 256;
/// No word of any encoding is longer; what is, is no word.
const WORD_BYTES: usize = 160;
/// What it takes to believe an encoding: two plain words, or one that could hardly be anything else.
const ENOUGH: i64 = 3;
/// By how much more likely the others are than VISCII, which has not been met in hospitals.
const HANDICAP: [i64; legacy::ALL.len()] = [0, 0, 0, 2];
/// By how much an encoding has to be better than another that explains as many words.
const CLEAR: i64 = 2;
/// And where other words of the column are good Vietnamese.
const ENOUGH_AMONG_GOOD: i64 = 4;

/// Looks at the values of one column one after the other.
#[derive(Debug)]
pub struct Judge {
    seen: [u64; WORDS],
    words: usize,
    legacy: [Tally; legacy::ALL.len()],
    folded: Tally,
    decomposed: bool,
    /// What a decoder wrote.
    scratch: String,
}

/// What speaks for an encoding and what against it.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    /// Words that become Vietnamese, by how telling they are.
    weight: u32,
    /// How many these are.
    gains: u32,
    /// How many of these are long or usual, or have more for their accent than a sign that may stand between two units.
    sure: u32,
    /// Vietnamese before and after, but another word.
    swaps: u32,
    /// The same, but it is the word there that is a usual one.
    usual: u32,
    /// Vietnamese only as they stand.
    good: u32,
    /// No Vietnamese either way.
    bad: u32,
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            seen: [0; WORDS],
            words: 0,
            legacy: Default::default(),
            folded: Tally::default(),
            decomposed: false,
            scratch: String::new(),
        }
    }
}

impl Judge {
    /// Takes one more value into account.
    pub fn look(&mut self, value: &str) {
        if value.is_ascii() {
            return;
        }
        self.decomposed = self.decomposed || !is_nfc(value);
        for word in words(value).filter(|word| !is_plain(word) && word.len() <= WORD_BYTES) {
            if self.words == WORDS {
                return;
            }
            if self.is_new(word) {
                self.weigh(word);
            }
        }
    }

    /// What the column is spoiled by, if that is clear.
    pub fn verdict(&self) -> Option<Spoiled> {
        if self.folded.gains > self.folded.bad {
            return Some(Spoiled::of(Encoding::Mojibake, false));
        }
        let score = |at: &usize| self.legacy[*at].score() - HANDICAP[*at];
        let best = (0..legacy::ALL.len()).rev().max_by_key(score).filter(|best| {
            let tally = &self.legacy[*best];
            let rival =
                |at: usize| at != *best && self.legacy[at].gains >= tally.gains && score(&at) + CLEAR > score(best);
            tally.convinces(HANDICAP[*best]) && !(0..legacy::ALL.len()).any(rival)
        });
        match best {
            Some(at) => Some(Spoiled::of(legacy::ALL[at].into(), self.legacy[at].is_pure())),
            None => self.decomposed.then(|| Spoiled::of(Encoding::Decomposed, false)),
        }
    }

    /// What the column is spoiled by, where another one of the same record is known to be: then less of a proof will do.
    pub fn verdict_beside(&self, other: Spoiled) -> Option<Spoiled> {
        let own = self.verdict();
        let Some(at) = legacy::ALL
            .iter()
            .position(|legacy| Encoding::from(*legacy) == other.encoding)
        else {
            return own;
        };
        let tally = &self.legacy[at];
        let pure = other.pure && tally.is_pure();
        let fits = tally.gains > tally.bad || pure && tally.bad == 0 && tally.swaps > 0;
        match own {
            Some(own) if own.encoding != Encoding::Decomposed => Some(own),
            _ if fits => Some(Spoiled::of(other.encoding, pure)),
            own => own,
        }
    }

    /// Whether this word was not seen before; remembers it.
    fn is_new(&mut self, word: &str) -> bool {
        // FNV-1a; 0 marks a free place.
        let hash = word.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, b| {
            (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01B3)
        }) | 1;
        let mut at = (hash >> 32) as usize % WORDS;
        while self.seen[at] != 0 {
            if self.seen[at] == hash {
                return false;
            }
            at = (at + 1) % WORDS;
        }
        self.seen[at] = hash;
        self.words += 1;
        true
    }

    fn weigh(&mut self, word: &str) {
        let was = legal(word);
        if !was && let Some(meant) = mojibake::unfold(word) {
            let clean =
                legal(&meant) || !meant.contains(|c| matches!(c, '\u{80}'..='\u{9F}' | 'Ã' | 'Ä' | 'Æ' | 'º' | '»'));
            self.folded.gains += u32::from(clean);
            self.folded.bad += u32::from(!clean);
            return;
        }
        if word.chars().nth(1).is_none() || is_unit(word) {
            return;
        }
        let symbols_only = !word.contains(|c: char| !c.is_ascii() && !is_symbol(c));
        for (tally, legacy) in self.legacy.iter_mut().zip(legacy::ALL) {
            self.scratch.clear();
            let now = legacy.decode(word, &mut self.scratch) && legal(&self.scratch);
            match (was, now) {
                (false, true) => {
                    let usual = is_usual(&self.scratch);
                    let long = self.scratch.chars().nth(3).is_some();
                    tally.gains += 1;
                    tally.sure += u32::from(usual || long || !symbols_only);
                    tally.weight += if is_odd(word) { 2 } else { 1 } + u32::from(long) + u32::from(usual);
                }
                (true, true) if self.scratch == word => {}
                (true, true) if is_usual(word) && !is_usual(&self.scratch) => tally.usual += 1,
                (true, true) => tally.swaps += 1,
                (true, false) => tally.good += 1,
                (false, false) => tally.bad += u32::from(!symbols_only),
            }
        }
    }
}

impl Tally {
    fn score(&self) -> i64 {
        i64::from(self.weight) - 2 * i64::from(self.bad + self.good + self.usual)
    }

    /// Nothing says that some of the words are written otherwise. One in eight may look good by chance.
    fn is_pure(&self) -> bool {
        self.good == 0 && self.usual * 8 <= self.gains
    }

    fn convinces(&self, handicap: i64) -> bool {
        let enough = if self.good + self.usual == 0 {
            ENOUGH
        } else {
            ENOUGH_AMONG_GOOD
        };
        i64::from(self.weight) >= enough + handicap && (self.sure > 0 || self.gains > 2) && self.gains >= 2 * self.bad
    }
}

/// The words of a text: what stands between ASCII characters that are no letters. Every encoding leaves those alone, so the
/// words are the same before and after. (VISCII has letters in place of six controls.)
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_of_word(c)).filter(|word| !word.is_empty())
}

pub(super) fn is_of_word(c: char) -> bool {
    !c.is_ascii()
        || c.is_ascii_alphabetic()
        || matches!(c, '\u{2}' | '\u{5}' | '\u{6}' | '\u{14}' | '\u{19}' | '\u{1E}')
}

/// Letters of ASCII and nothing else.
pub(super) fn is_plain(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_alphabetic())
}

/// A sign that is no letter, or is a letter only by name.
pub(super) fn is_symbol(c: char) -> bool {
    !c.is_alphabetic() && !c.is_control() || matches!(c, 'µ' | 'ª' | 'º')
}

/// "µg" and the like. "µm" would be a word in TCVN3, and is none.
pub(super) fn is_unit(word: &str) -> bool {
    const OF: [&str; 16] = [
        "", "g", "l", "m", "s", "u", "v", "a", "w", "mol", "kat", "ci", "eq", "gr", "iu", "gam",
    ];
    let rest = word.strip_prefix(['µ', 'μ']);
    rest.is_some_and(|rest| OF.iter().any(|unit| unit.eq_ignore_ascii_case(rest))) || matches!(word, "ºC" | "ºF")
}

/// What nobody writes in a word of any language: a control, a sign beside a letter, a capital with an accent after a small
/// letter, or a vowel after another that no spelling of Vietnamese has, nor one of a neighbour.
fn is_odd(word: &str) -> bool {
    const BEFORE: [(&str, &str); 4] = [
        ("ae", "ùøûõâáàåãä"),
        ("AEae", "ÙØÛÕÂÁÀÅÃÄ"),
        ("ouyôö", "ùøûõ"),
        ("OUYÔÖouyôö", "ÙØÛÕ"),
    ];
    let is_sign = |c: char| is_symbol(c) && !is_quote(c);
    let mut before = ' ';
    word.chars().any(|c| {
        let last = std::mem::replace(&mut before, c);
        matches!(c, '\u{80}'..='\u{9F}')
            || is_sign(c) && last.is_alphabetic() && !matches!(c, '®' | '™' | '°' | '²' | '³')
            || is_sign(last) && c.is_alphabetic()
            || c.is_uppercase() && !c.is_ascii() && last.is_lowercase()
            || BEFORE
                .iter()
                .any(|(vowels, marks)| vowels.contains(last) && marks.contains(c))
    })
}

/// In NFC, whatever it was.
pub(super) fn composed(text: &str) -> Option<String> {
    (!is_nfc(text)).then(|| text.nfc().collect())
}
