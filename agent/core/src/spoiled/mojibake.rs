//! UTF-8 that was read as windows-1252, up to three times over, and back.

use super::{
    legacy::{CP1252, byte},
    letters::is_accented,
};

/// More often than that has not been seen.
pub(super) const ROUNDS: usize = 3;

/// The text with every sequence of UTF-8 bytes in it read as what it is, as often as it takes; `None` where there is none.
pub(super) fn unfold(text: &str) -> Option<String> {
    let mut folded = once(text)?;
    for _ in 1..ROUNDS {
        match once(&folded) {
            Some(further) => folded = further,
            None => break,
        }
    }
    Some(folded)
}

/// What the text becomes when its UTF-8 bytes are read as windows-1252 once.
pub(super) fn fold(text: &str) -> String {
    let wide = |b: u8| match b {
        0x80..0xA0 => CP1252[usize::from(b - 0x80)],
        _ => char::from(b),
    };
    text.bytes().map(wide).collect()
}

fn once(text: &str) -> Option<String> {
    let mut out: Option<String> = None;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let next = at + c.len_utf8();
        match sequence(&text[at..], c) {
            Some((meant, length)) => {
                out.get_or_insert_with(|| text[..at].to_owned()).push(meant);
                at += length;
            }
            None => {
                if let Some(out) = &mut out {
                    out.push(c);
                }
                at = next;
            }
        }
    }
    out
}

/// The character whose UTF-8 bytes stand at the beginning of the text, which begins with `first`, and how much they take up.
fn sequence(text: &str, first: char) -> Option<(char, usize)> {
    if first.is_ascii() {
        return None;
    }
    let lead = byte(first)?;
    let count = match lead {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let mut bytes = [lead, 0, 0, 0];
    let mut length = first.len_utf8();
    for slot in &mut bytes[1..count] {
        let c = text[length..].chars().next()?;
        *slot = byte(c).filter(|b| matches!(b, 0x80..0xC0))?;
        length += c.len_utf8();
    }
    let meant = std::str::from_utf8(&bytes[..count]).ok()?.chars().next()?;
    is_welcome(meant).then_some((meant, length))
}

/// What may stand in the text of a Vietnamese hospital, or in a further round of the same mishap.
fn is_welcome(c: char) -> bool {
    is_accented(c)
        || matches!(u32::from(c),
            0xA0..0x100                                 // Latin-1
            | 0x300..0x32A                              // marks
            | 0x391..0x3CA                              // Greek
            | 0x2000..0x20D0 | 0x2100..0x2300 | 0xFEFF  // punctuation, superscripts, ™, arrows, ≥
        )
        || CP1252.contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_look_as_they_do_in_the_field() {
        assert_eq!(fold("Nguyễn Văn Hưởng"), "Nguyá»…n VÄƒn HÆ°á»Ÿng");
        assert_eq!(fold("Đỗ"), "Ä\u{90}á»—");
        assert_eq!(unfold("TrÃ¡ÂºÂ§n ThÃ¡Â»â€¹ BÃƒÂ¬nh").as_deref(), Some("Trần Thị Bình"));
    }

    #[test]
    fn what_is_no_sequence_stays_beside_one_that_is() {
        assert_eq!(unfold("Ã Ä“ °C Â±2 Ã¡o").as_deref(), Some("Ã Ä“ °C ±2 áo"));
        assert_eq!(unfold("Côte d’Ivoire – Müller, µg/m², “Đặng”, 37°C ± 0,5 ≥"), None);
    }
}
