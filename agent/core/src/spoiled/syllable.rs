//! What a Vietnamese word can look like: onset, rhyme, and a tone on the vowel where it belongs.

use std::{collections::HashSet, sync::LazyLock};

use super::{
    legacy::is_quote,
    letters::{SMALL, code, letter, parts},
};

/// "nghiêng"
const LONGEST: usize = 7;
const ONSETS: [&str; 28] = [
    "", "b", "c", "ch", "d", "D", "g", "gh", "gi", "h", "k", "kh", "l", "m", "n", "ng", "ngh", "nh", "p", "ph", "qu",
    "r", "s", "t", "th", "tr", "v", "x",
];
/// Here and below A is ă, B is â, E is ê, O is ô, P is ơ, U is ư, D is đ. In ASCII order, for the search.
const RHYMES: [&str; 161] = [
    "Ac", "Ak", "Am", "An", "Ang", "Ap", "At", "Bc", "Bm", "Bn", "Bng", "Bp", "Bt", "Bu", "By", "E", "Ech", "Ek", "Em",
    "En", "Enh", "Ep", "Et", "Eu", "O", "Oc", "Oi", "Ok", "Om", "On", "Ong", "Op", "Ot", "P", "Pi", "Pm", "Pn", "Pp",
    "Pt", "U", "UPc", "UPi", "UPm", "UPn", "UPng", "UPp", "UPt", "UPu", "Ua", "Uc", "Ui", "Un", "Ung", "Ut", "Uu", "a",
    "ac", "ach", "ai", "ak", "am", "an", "ang", "anh", "ao", "ap", "at", "au", "ay", "e", "ec", "ek", "em", "en",
    "eng", "eo", "ep", "et", "i", "iEc", "iEm", "iEn", "iEng", "iEp", "iEt", "iEu", "ia", "ich", "im", "in", "inh",
    "ip", "it", "iu", "o", "oAc", "oAm", "oAn", "oAng", "oAt", "oa", "oac", "oach", "oai", "oam", "oan", "oang",
    "oanh", "oao", "oap", "oat", "oay", "oc", "oe", "oen", "oeo", "oet", "oi", "ok", "om", "on", "ong", "oong", "op",
    "ot", "u", "uBn", "uBng", "uBt", "uBy", "uE", "uEch", "uEnh", "uO", "uOc", "uOi", "uOm", "uOn", "uOng", "uOt",
    "uP", "ua", "uc", "ui", "uk", "um", "un", "ung", "up", "ut", "uy", "uyEn", "uyEt", "uya", "uych", "uyn", "uynh",
    "uyp", "uyt", "uyu", "y",
];
/// Rhymes that stand alone or after "qu" only.
const RHYMES_OF_Y: [&str; 8] = ["yEm", "yEn", "yEng", "yEt", "yEu", "ych", "ynh", "yt"];

/// Whether a word is a syllable that Vietnamese has a place for. Quotes around it do not count.
pub(super) fn legal(word: &str) -> bool {
    let mut plain = [0_u8; LONGEST];
    let mut length = 0;
    let mut toned: Option<(usize, u8)> = None;
    for c in word.trim_matches(is_quote).chars() {
        if length == LONGEST {
            return false;
        }
        let (byte, tone) = match code(c) {
            0 if c.is_ascii_alphabetic() => (c.to_ascii_lowercase() as u8, 0),
            0 => return false,
            code => match parts(code) {
                None => (b'D', 0),
                Some((base, tone)) => (b"aABeEioOPuUy"[usize::from(base)], tone),
            },
        };
        if tone != 0 && toned.replace((length, tone)).is_some() {
            return false;
        }
        plain[length] = byte;
        length += 1;
    }
    let plain = &plain[..length];
    (0..=plain.len().min(3)).any(|split| {
        let (onset, rhyme) = plain.split_at(split);
        let toned = match toned {
            None => None,
            Some((at, _)) if at < split => return false,
            Some((at, tone)) => Some((at - split, tone)),
        };
        sounds(onset, rhyme) && tone_fits(rhyme, toned)
    })
}

/// Whether a word, small or capital, is among the most usual ones.
pub(super) fn is_usual(word: &str) -> bool {
    static USUAL: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("usual.txt").split_whitespace().collect());
    let small = |c: char| match code(c) {
        0 => c.to_ascii_lowercase(),
        code => letter((code - 1) % SMALL + 1),
    };
    let word: String = word.trim_matches(is_quote).chars().map(small).collect();
    USUAL.contains(word.as_str())
}

fn sounds(onset: &[u8], rhyme: &[u8]) -> bool {
    let (Ok(onset), Ok(rhyme), Some(first)) = (std::str::from_utf8(onset), std::str::from_utf8(rhyme), rhyme.first())
    else {
        return false;
    };
    let front = matches!(first, b'e' | b'E' | b'i' | b'y');
    let spelling = match onset {
        "gh" | "ngh" => front,
        "c" | "ng" => !front,
        // "Bắc Kạn", "Đắk", "gì", "giếng"
        "k" => front || matches!(first, b'a' | b'A' | b'o'),
        "g" => !front || *first == b'i',
        "qu" => !matches!(first, b'u' | b'U' | b'o'),
        _ => true,
    };
    let alone = matches!(onset, "" | "qu");
    spelling
        && ONSETS.contains(&onset)
        && (RHYMES.binary_search(&rhyme).is_ok() || alone && RHYMES_OF_Y.contains(&rhyme))
}

/// Whether the tone stands where it belongs, and is one that the end of the syllable allows.
fn tone_fits(rhyme: &[u8], toned: Option<(usize, u8)>) -> bool {
    let vowels = rhyme.iter().take_while(|b| b"aABeEioOPuUy".contains(b)).count();
    let end = &rhyme[vowels..];
    let Some((at, tone)) = toned else {
        // "Đăk" is written without.
        return !matches!(end, b"c" | b"ch" | b"p" | b"t");
    };
    if matches!(end, b"c" | b"ch" | b"p" | b"t" | b"k") && !matches!(tone, 4 | 5) {
        return false;
    }
    let hatted = rhyme[..vowels].iter().rposition(u8::is_ascii_uppercase);
    match (hatted, vowels, end.is_empty()) {
        (Some(hatted), ..) => at == hatted,
        (None, 1, _) => at == 0,
        // "hoà" and "hòa", "thuý" and "thúy": both are taught.
        (None, 2, true) if matches!(rhyme, b"oa" | b"oe" | b"uy") => at < 2,
        (None, 2, true) => at == 0,
        (None, 2, false) => at == 1,
        _ => at == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rhymes_and_onsets_are_in_order() {
        assert!(RHYMES.is_sorted_by(|a, b| a < b));
        assert!(ONSETS.contains(&"ngh"));
    }

    #[test]
    fn words_of_every_shape_are_legal() {
        let words = "nghiêng giếng gì già quý quỳnh quốc Quyên khuỷu thuở ngoằn ngoèo hoà hòa thuý Thúy ưu yêu yến ỉa \
                     ĐẶNG nguyễn Huỳnh khoẻ xoong Đắk Đăk Kạn ượt tuýp uyên boong ngoáy khuya hươu rượu muối giữa";
        for word in words.split_whitespace() {
            assert!(legal(word), "{word}");
        }
    }

    #[test]
    fn other_words_are_not() {
        let words =
            "Müller Côte René José Cụte Mỹller đac đàp cáà ngê kủ cê trầnn nguỵễn áê ơư Bđ Hànội gẻo wá fí aĩ cuạ";
        for word in words.split_whitespace() {
            assert!(!legal(word), "{word}");
        }
        assert!(!legal("") && !legal("“”"));
    }

    #[test]
    fn the_usual_words_are_legal_and_small() {
        for word in include_str!("usual.txt").split_whitespace() {
            assert!(legal(word) && is_usual(word) && !word.is_ascii(), "{word}");
        }
        assert!(is_usual("NGUYỄN") && !is_usual("lọc"));
    }
}
