//! Classes of records that the law protects more: an endpoint can be kept from receiving them.
//!
//! HIV is told by table 6, what table 15 says of it, antiretroviral drugs, codes and diagnoses anywhere one can stand, and words and
//! results that do not say it is absent. The other classes are told by codes alone (`configs/codes/lop-ho-so.csv`), and an ended
//! pregnancy by its own field. In doubt about how something is written, it counts: what leaves cannot be called back.

use std::collections::BTreeSet;

use crate::codes;
use crate::source::{CHECK_IN, Line, Source};

const HIV: &str = "hiv";
/// Fields of diseases by code.
const CODES: [&str; 4] = ["MA_BENH_CHINH", "MA_BENH_KT", "MA_BENH", "MA_BENH_YHCT"];
/// Where people write about the illness, by table.
const WORDS: &[(&str, &[&str])] = &[
    ("XML0", &["LY_DO_VNT"]),
    (
        "XML1",
        &[
            "LY_DO_VV",
            "LY_DO_VNT",
            "CHAN_DOAN_VAO",
            "CHAN_DOAN_RV",
            "PP_DIEU_TRI",
            "GHI_CHU",
        ],
    ),
    ("XML5", &["DIEN_BIEN_LS", "GIAI_DOAN_BENH", "HOI_CHAN", "PHAU_THUAT"]),
    ("XML7", &["CHAN_DOAN_RV", "PP_DIEUTRI", "GHI_CHU", "NGUYENNHAN_DINHCHI"]),
    (
        "XML8",
        &[
            "CHAN_DOAN_VAO",
            "CHAN_DOAN_RV",
            "QT_BENHLY",
            "TOMTAT_KQ",
            "PP_DIEUTRI",
            "GHI_CHU",
        ],
    ),
    ("XML9", &["TINH_TRANG_CON", "GHI_CHU"]),
    ("XML10", &["CHAN_DOAN_RV"]),
    ("XML11", &["CHAN_DOAN_RV", "PP_DIEUTRI", "NGUYENNHAN_DINHCHI"]),
    ("XML12", &["KET_QUA_KHAM", "DE_NGHI", "DUOC_XACDINH"]),
    (
        "XML13",
        &[
            "DAU_HIEU_LS",
            "CHAN_DOAN_RV",
            "QT_BENHLY",
            "TOMTAT_KQ",
            "PP_DIEUTRI",
            "TINH_TRANG_CT",
            "HUONG_DIEU_TRI",
        ],
    ),
    ("XML14", &["CHAN_DOAN_RV"]),
];
/// How far behind a name its result stands, in bytes.
const NEAR: usize = 40;

/// The classes of a record, in order.
pub(crate) fn of(source: &Source<'_>) -> Vec<String> {
    let mut classes = BTreeSet::new();
    for table in ["XML1", "XML3", "XML13", "XML14"] {
        for line in source.lines(table) {
            for codes in CODES.iter().filter_map(|field| line.get(field)) {
                by_codes(codes, &mut classes);
            }
        }
    }
    if ["XML7", "XML11"].iter().any(|table| {
        source
            .lines(table)
            .any(|line| line.get("MA_DINH_CHI_THAI") == Some("1"))
    }) {
        classes.insert("abortion");
    }
    if !classes.contains(HIV) && tells_of_hiv(source) {
        classes.insert(HIV);
    }
    classes.into_iter().map(str::to_owned).collect()
}

fn by_codes(codes: &str, classes: &mut BTreeSet<&'static str>) {
    for code in codes.split([';', ',', '/', '|']) {
        let mut plain = [0; 4];
        let letters = code.bytes().filter(u8::is_ascii_alphanumeric);
        for (place, letter) in plain.iter_mut().zip(letters) {
            *place = letter.to_ascii_uppercase();
        }
        classes.extend(codes::classes().filter_map(|(first, last, class)| {
            let begins = &plain[..first.len().min(plain.len())];
            (first.as_bytes() <= begins && begins <= last.as_bytes()).then_some(class)
        }));
    }
}

fn tells_of_hiv(source: &Source<'_>) -> bool {
    const TUBERCULOSIS: [&str; 4] = ["PHANLOAI_LAO_HIV", "NGAYKD_HIV", "BDDT_ARV", "NGAY_BAT_DAU_DT_CTX"];
    !source.visit.table("XML6").is_empty()
        || source
            .lines("XML15")
            .any(|line| TUBERCULOSIS.iter().any(|field| line.get(field).is_some()))
        || WORDS.iter().any(|(table, fields)| {
            let told = |line: Line<'_>| fields.iter().any(|field| line.get(field).is_some_and(says_hiv));
            source.lines(table).any(told)
        })
        || ordered(source, "XML3").any(|line| is_for_the_infected(line.get("TEN_DICH_VU")))
        || source.lines("XML4").any(is_result)
        || is_treated(source)
}

/// The lines of a table of drugs or services, and the check-in, which names the first of them.
fn ordered<'a>(source: &Source<'a>, table: &'static str) -> impl Iterator<Item = Line<'a>> + use<'a> {
    source.lines(CHECK_IN).chain(source.lines(table))
}

/// A service that only people with HIV are given: a test to confirm, the viral load.
fn is_for_the_infected(service: Option<&str>) -> bool {
    service.is_some_and(|name| {
        let lower = name.to_lowercase();
        mentions(name).next().is_some()
            && ["tải lượng", "khẳng định", "kháng thuốc", "viral load"]
                .iter()
                .any(|of| lower.contains(of))
    })
}

/// A result about HIV that does not say it is absent.
fn is_result(line: Line<'_>) -> bool {
    let is_named = line
        .get("TEN_CHI_SO")
        .is_some_and(|name| mentions(name).next().is_some());
    let results = ["GIA_TRI", "MO_TA", "KET_LUAN"].map(|field| line.get(field));
    let mut told = results.into_iter().flatten().peekable();
    if is_named {
        is_for_the_infected(line.get("TEN_CHI_SO")) && told.peek().is_some()
            || told.peek().is_some() && !told.any(says_absent)
    } else {
        told.any(says_hiv)
    }
}

/// Whether a text names HIV or AIDS without saying close behind that it is absent.
fn says_hiv(words: &str) -> bool {
    mentions(words).any(|behind| {
        let mut end = behind.len().min(NEAR);
        while !behind.is_char_boundary(end) {
            end -= 1;
        }
        !says_absent(&behind[..end])
    })
}

fn says_absent(words: &str) -> bool {
    let lower = words.to_lowercase();
    lower.trim() == "-"
        || [
            "âm tính",
            "âm tinh",
            "am tinh",
            "(-)",
            "neg",
            "không phản ứng",
            "nonreactive",
            "non-reactive",
            "không phát hiện",
        ]
        .iter()
        .any(|absent| lower.contains(absent))
}

/// What follows each time HIV or AIDS is named.
fn mentions(words: &str) -> impl Iterator<Item = &str> {
    ["HIV", "AIDS"].iter().flat_map(move |name| {
        let behind = beginnings(words, name).map(|at| &words[at + name.len()..]);
        behind.filter(|behind| !behind.chars().next().is_some_and(char::is_alphanumeric))
    })
}

/// A drug that tells of HIV by itself, two that do together, or one that a project or a programme pays for.
fn is_treated(source: &Source<'_>) -> bool {
    let mut met: Option<&str> = None;
    for line in ordered(source, "XML2") {
        for text in [line.get("TEN_THUOC"), line.get("HAM_LUONG")].into_iter().flatten() {
            let named = |(substance, _): &(&str, bool)| beginnings(text, substance).next().is_some();
            for (substance, alone) in codes::antiretrovirals().filter(named) {
                let given = matches!(line.get("NGUON_CTRA"), Some("2" | "3" | "4"));
                if alone || given || met.is_some_and(|known| known != substance) {
                    return true;
                }
                met = Some(substance);
            }
        }
    }
    false
}

/// Where a word begins like this, in capitals or not. Every drug of every visit passes here once for each substance.
fn beginnings<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = usize> + 't {
    let (text, name) = (text.as_bytes(), name.as_bytes());
    let first = name.first().map_or(0, |letter| letter | 0x20);
    let starts = text
        .iter()
        .enumerate()
        .filter(move |(_, letter)| **letter | 0x20 == first);
    starts.map(|(at, _)| at).filter(move |at| {
        let there = text.get(*at..at + name.len());
        there.is_some_and(|there| there.eq_ignore_ascii_case(name)) && !ends_in_letter(&text[..*at])
    })
}

fn ends_in_letter(text: &[u8]) -> bool {
    text.last()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_codes(codes: &str) -> Vec<&'static str> {
        let mut classes = BTreeSet::new();
        by_codes(codes, &mut classes);
        classes.into_iter().collect()
    }

    #[test]
    fn codes_are_known_however_they_are_written() {
        assert_eq!(of_codes("J18.9; b 20.1"), ["hiv"]);
        assert_eq!(of_codes("J18.9;A15.0"), [""; 0]);
        assert_eq!(of_codes("o98.7"), ["hiv"]);
        assert_eq!(of_codes("O98,7"), [""; 0]);
        assert_eq!(of_codes("B24"), ["hiv"]);
        assert_eq!(of_codes("B25"), [""; 0]);
        assert_eq!(
            of_codes("F11.2;A53;F32.1;O04.9;T74.2"),
            ["abortion", "abuse", "mental", "sti", "substance"]
        );
    }

    #[test]
    fn words_tell_of_hiv_unless_they_say_it_is_absent() {
        for told in [
            "Lao phổi/hiv(+)",
            "AIDS",
            "đã hiv",
            "HIV dương tính",
            "HIV âm tính năm 2020, nay hiv (+)",
        ] {
            assert!(says_hiv(told), "{told}");
        }
        for not in [
            "Chiva; naids",
            "HIVậ",
            "XN HIV: âm tính",
            "HIV, HBsAg (-)",
            "anti-HIV Negative",
        ] {
            assert!(!says_hiv(not), "{not}");
        }
        assert!(is_for_the_infected(Some("HIV đo tải lượng hệ thống tự động")));
        assert!(!is_for_the_infected(Some("HIV Ab test nhanh")) && !is_for_the_infected(Some("HBV đo tải lượng")));
    }
}
