//! The tables against words encoded by hand and against other decoders, and what repair must never do.

use proptest::prelude::*;

use super::{
    legacy::ALL,
    letters::is_accented,
    measure::{Dice, WAYS, latin1},
    *,
};

const LEGACY: [Encoding; 4] = [Encoding::Tcvn3, Encoding::Vni, Encoding::Windows1258, Encoding::Viscii];

fn letters() -> impl Iterator<Item = char> {
    (1..=2 * SMALL).map(letter).filter(|c| is_accented(*c))
}

/// Bytes as the characters Latin-1 makes of them.
fn wide(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

fn read(encoding: Encoding, text: &str) -> String {
    Spoiled::of(encoding, true).repair(text).into_owned()
}

#[test]
fn known_words_in_tcvn3() {
    // From the standard's table: ễ D4, ă A8, ư AD, ở EB; Đ A7, ặ C6; ọ E4; ỳ FA; ử F6; ữ F7.
    let words: [(&[u8], &str); 5] = [
        (b"Nguy\xD4n V\xA8n H\xAD\xEBng", "Nguyễn Văn Hưởng"),
        (b"\xA7\xC6ng Th\xDE Ng\xE4c", "Đặng Thị Ngọc"),
        (b"Hu\xFAnh V\xA8n Ch\xF7", "Huỳnh Văn Chữ"),
        (b"NGUY\xD4N TH\xDE B\xD7NH", "NGUYỄN THỊ BÌNH"),
        (
            b"vi\xAAm d\xB9 d\xB5y, ti\xB3n l\xAD\xEEng",
            "viêm dạ dày, ti\u{B3}n lượng",
        ),
    ];
    for (bytes, text) in words {
        assert_eq!(read(Encoding::Tcvn3, &wide(bytes)), text);
    }
}

#[test]
fn known_words_in_vni() {
    let words: [(&[u8], &str); 5] = [
        (b"Nguye\xE3n Va\xEAn H\xF6\xF4\xFBng", "Nguyễn Văn Hưởng"),
        (b"\xD1a\xEBng Th\xF2 Ngo\xEFc", "Đặng Thị Ngọc"),
        (b"Hu\xE5nh", "Huånh"),
        (b"NGUYE\xC3N TH\xD2 B\xCCNH", "NGUYỄN THỊ BÌNH"),
        (b"k\xE6 n\xEDm m\xEE l\xF3nh A\xD9nh A\xF9nh", "kỉ ním mỵ lĩnh Ánh Ánh"),
    ];
    for (bytes, text) in words {
        assert_eq!(read(Encoding::Vni, &wide(bytes)), text);
    }
}

#[test]
fn known_words_in_viscii_and_windows_1258() {
    assert_eq!(
        read(Encoding::Viscii, &wide(b"Nguy\xADn V\xE5n H\xDF\xB7ng")),
        "Nguyễn Văn Hưởng"
    );
    assert_eq!(
        read(Encoding::Viscii, &wide(b"\xD0\xA3ng Th\xB8 Ng\xF7c, H\x99I PH\x02NG")),
        "Đặng Thị Ngọc, HỎI PHẲNG"
    );
    assert_eq!(
        read(Encoding::Windows1258, &wide(b"Nguy\xEA\xDEn V\xE3n H\xFD\xF5\xD2ng")),
        "Nguyễn Văn Hưởng"
    );
    assert_eq!(
        read(
            Encoding::Windows1258,
            &wide(b"\xD0\xE3\xF2ng Thi\xF2 Ngo\xF2c \xC2\xEC")
        ),
        "Đặng Thị Ngọc Ấ"
    );
}

/// The upper half of each table as its source prints it, byte by byte, · where it has no letter.
#[test]
fn the_tables_are_those_of_their_sources() {
    let printed = [
        (
            Legacy::Tcvn3,
            0xA0,
            "·ĂÂÊÔƠƯĐăâêôơưđ······àảãáạ·ằẳẵắ·······ặầẩẫấậè·ẻẽéẹềểễếệìỉ···ĩíịò·ỏõóọồổỗốộờởỡớợù·ủũúụừửữứựỳỷỹýỵ·",
        ),
        (
            Legacy::Viscii,
            0x80,
            "ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲÕắằặấầẩậẽẹếềểễệốồổỗỠƠộờởịỰỨỪỬơớƯÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳĐứÒÓÔạỷừửÙÚỹỵÝỡưàáâãảăữẫèéêẻìíĩỉđựòóôõỏọụùúũủýợỮ",
        ),
    ];
    for (legacy, from, row) in printed {
        assert_eq!(row.chars().count(), 0x100 - from);
        for (byte, expected) in (from as u8..=0xFF).zip(row.chars()) {
            let mut meant = String::new();
            let known =
                legacy.decode(&char::from(byte).to_string(), &mut meant) && byte != 0xA0 || legacy == Legacy::Viscii;
            assert_eq!(
                known.then_some(meant.as_str()),
                Some(expected.to_string()).filter(|c| c != "·").as_deref(),
                "{byte:x}"
            );
        }
    }
}

#[test]
fn every_letter_comes_back_from_every_encoding() {
    for (legacy, encoding) in
        ALL.into_iter()
            .zip([Encoding::Tcvn3, Encoding::Vni, Encoding::Windows1258, Encoding::Viscii])
    {
        assert_eq!(Encoding::from(legacy), encoding);
        let mut seen = std::collections::HashSet::new();
        for c in letters() {
            let spoiled = latin1(encoding, &c.to_string());
            let mut meant = String::new();
            assert!(legacy.decode(&spoiled, &mut meant), "{c} {spoiled}");
            let lossy = legacy == Legacy::Tcvn3 && !"ĂÂÊÔƠƯĐ".contains(c);
            let expected = if lossy {
                c.to_lowercase().to_string()
            } else {
                c.to_string()
            };
            assert_eq!(meant, expected);
            assert!(seen.insert(spoiled) || lossy, "{c}");
        }
    }
    for c in letters() {
        let mut folded = c.to_string();
        for _ in 0..3 {
            folded = mojibake::fold(&folded);
            assert_eq!(mojibake::unfold(&folded), Some(c.to_string()));
        }
        let apart = String::from_utf8(Encoding::Decomposed.encode(&c.to_string()).unwrap()).unwrap();
        assert_eq!(
            read(Encoding::Decomposed, &apart),
            if c == 'đ' || c == 'Đ' { apart } else { c.to_string() }
        );
    }
}

#[test]
fn a_capital_of_tcvn3_comes_back_among_capitals() {
    for c in letters().filter(|c| c.is_uppercase()) {
        let text = match c {
            'Đ' => "NAM ĐANG".to_owned(),
            'Ý' | 'Ỳ' | 'Ỷ' | 'Ỹ' | 'Ỵ' => format!("TH{c}"),
            'Ư' | 'Ừ' | 'Ử' | 'Ữ' | 'Ứ' | 'Ự' => format!("TH{c}NG"),
            _ => format!("TH{c}M"),
        };
        assert_eq!(read(Encoding::Tcvn3, &latin1(Encoding::Tcvn3, &text)), text);
    }
    let name = |text: &str| read(Encoding::Tcvn3, &latin1(Encoding::Tcvn3, text));
    assert_eq!(name("LÊ THỊ ÁI"), "LÊ THỊ ÁI");
    assert_eq!(name("Lê Thị Ái"), "Lê Thị Ái");
    assert_eq!(name("Trần Ổn ở xã Ấm"), "Trần ổn ở xã ấm");
}

#[test]
fn our_tables_are_those_of_encoding_rs() {
    for byte in 0x80..=0xFF_u8 {
        let theirs = encoding_rs::WINDOWS_1252
            .decode_without_bom_handling(&[byte])
            .0
            .into_owned();
        assert_eq!(legacy::byte(theirs.chars().next().unwrap()), Some(byte));
    }
    for c in letters() {
        let bytes = Encoding::Windows1258.encode(&c.to_string()).unwrap();
        let theirs = encoding_rs::WINDOWS_1258
            .decode_without_bom_handling(&bytes)
            .0
            .into_owned();
        assert_eq!(composed(&theirs).unwrap_or(theirs), c.to_string());
    }
}

#[test]
fn software_that_took_the_bytes_for_latin_1_or_for_windows_1252_makes_no_difference() {
    let bytes = Encoding::Viscii
        .encode("BỆNH VIỆN TỈNH CỘNG ĐỒNG, Nguyễn Thị Hạnh")
        .unwrap();
    let (as_1252, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&bytes);
    for spoiled in [wide(&bytes), as_1252.into_owned()] {
        let found = detect([spoiled.as_str()]).unwrap();
        assert_eq!(found.encoding(), Encoding::Viscii);
        assert_eq!(found.repair(&spoiled), "BỆNH VIỆN TỈNH CỘNG ĐỒNG, Nguyễn Thị Hạnh");
    }
}

#[test]
fn signs_and_units_stay_in_a_column_of_tcvn3() {
    let column = [
        "Nguy\u{D4}n V\u{A8}n H\u{B9}nh",
        "thu\u{E8}c 5 µm, 3×10 cm², ±2 °C, ≥ 5·",
        "Panadol® 500 “vi\u{AA}n”",
    ];
    let found = detect(column).unwrap();
    let read: Vec<_> = column.map(|value| found.repair(value)).into();
    assert_eq!(
        read,
        [
            "Nguyễn Văn Hạnh",
            "thuốc 5 µm, 3×10 cm², ±2 °C, ≥ 5·",
            "Panadol® 500 “viên”"
        ]
    );
}

#[test]
fn a_column_half_in_unicode_keeps_its_good_words() {
    let column = ["Nguyễn Công Sôn", "Đỗ Văn Công", "NguyÔn V¨n H¹nh", "TrÇn ThÞ B×nh"];
    let found = detect(column).unwrap();
    let read: Vec<_> = column.map(|value| found.repair(value)).into();
    assert_eq!(
        read,
        ["Nguyễn Công Sôn", "Đỗ Văn Công", "Nguyễn Văn Hạnh", "Trần Thị Bình"]
    );
}

#[test]
fn what_one_column_leaves_open_another_one_settles() {
    let mut names = Judge::default();
    names.look("S\u{F4}n"); // Sơn in VNI, and a word of good Vietnamese
    assert_eq!(names.verdict(), None);
    let illness = detect(["Vie\u{E2}m pho\u{E5}i, ta\u{EA}ng huye\u{E1}t a\u{F9}p"]).unwrap();
    let found = names.verdict_beside(illness).unwrap();
    assert_eq!(found.repair("S\u{F4}n"), "Sơn");
    let mut good = Judge::default();
    good.look("Nguyễn Hồng Sôn");
    assert_eq!(good.verdict_beside(illness), None);
}

#[test]
fn a_few_words_that_fit_are_no_proof() {
    // "Hạnh" and "Văn", and "Nãm" and "Kãm", in TCVN3.
    assert_eq!(detect(["Müller Köhler Böhm Jörg Größe", "H\u{B9}nh V\u{A8}n"]), None);
    assert_eq!(detect(["N·m", "K·m"]), None);
}

#[test]
fn the_first_look_passes_good_text_and_stops_spoiled_columns() {
    for good in [
        "Nguyễn Thị Hoà, 12/5 đường Ỷ Lan",
        "BMI 22 kg/m², 37,5°C ± 0,5 ≥ 5 µg",
        "“quý” – 3 × 10",
        "khuỷu, thuở, ngoằn ngoèo",
    ] {
        assert!(is_clean(good), "{good}");
        assert_eq!(detect([good]), None);
    }
    for odd in [
        "®au",
        "Traàn",
        "TuÊn",
        "soâng",
        "tuù",
        "\u{E1}\u{BB}",
        "e\u{302}",
        "B¶o",
    ] {
        assert!(!is_clean(odd), "{odd}");
    }
    let mut dice = Dice(3);
    for round in 0..200 {
        let column: Vec<String> = (0..20).map(|_| dice.value(round % 4)).collect();
        assert!(column.iter().all(|text| is_clean(text)), "{column:?}");
        for (name, spoil, _) in WAYS {
            assert!(!column.iter().all(|text| is_clean(&spoil(text))), "{name} {column:?}");
        }
    }
}

#[test]
fn a_megabyte_in_one_field_takes_one_pass() {
    let started = std::time::Instant::now();
    for piece in [
        "Nguy\u{D4}n ",
        "\u{C3}",
        "a\u{300}",
        "\u{E1}\u{BB}",
        "\u{B5}\u{B6}",
        "Ã¡ÂºÂ§",
    ] {
        let value = piece.repeat((1 << 20) / piece.len());
        if let Some(found) = detect([value.as_str()]) {
            assert!(found.repair(&value).len() < 2 * value.len());
        }
        Spoiled::of(Encoding::Vni, true).repair(&value);
    }
    // A second each would already be a hundred times what it takes; quadratic would be hours.
    assert!(started.elapsed().as_secs() < 60);
}

proptest! {
    #[test]
    fn ascii_is_never_touched(text in "[ -~\n]{0,60}", at in 0usize..4) {
        prop_assert!(matches!(Spoiled::of(LEGACY[at], true).repair(&text), Cow::Borrowed(_)));
        prop_assert!(is_clean(&text));
        prop_assert_eq!(detect([text.as_str()]), None);
    }

    #[test]
    fn no_text_makes_it_panic_and_a_second_repair_changes_nothing_of_a_good_one(text in "\\PC{0,40}", marks in "[a-zA-Z\u{80}-\u{17F}‘-”\u{300}-\u{304} ]{0,40}") {
        for text in [text, marks] {
            if let Some(found) = detect([text.as_str()]) {
                let _ = found.repair(&text);
            }
            for encoding in [Encoding::Tcvn3, Encoding::Vni, Encoding::Windows1258, Encoding::Viscii, Encoding::Mojibake, Encoding::Decomposed] {
                for pure in [true, false] {
                    let _ = Spoiled::of(encoding, pure).repair(&text);
                }
            }
        }
    }

    #[test]
    fn good_sentences_are_never_touched(seed in any::<u64>(), kind in 0usize..4) {
        let mut dice = Dice(seed);
        let column: Vec<String> = (0..4).map(|_| dice.value(kind)).collect();
        prop_assert_eq!(detect(column.iter().map(String::as_str)), None);
    }

    #[test]
    fn names_of_other_languages_are_never_touched(words in proptest::collection::vec("[A-Z][a-z]{1,4}[äöüßéèëçñåøæšžčřł][a-z]{1,5}", 2..4)) {
        let text = words.join(" ");
        let read = detect([text.as_str()]).map(|found| found.repair(&text).into_owned());
        prop_assert!(read.is_none_or(|read| read == text), "{}", text);
    }
}

#[test]
fn a_name_of_one_word_that_would_be_vietnamese_is_taken_as_that_and_not_beside_another_that_would_not() {
    let read = |text: &str| detect([text]).map(|found| found.repair(text).into_owned());
    assert_eq!(read("Khäc").as_deref(), Some("Khọc"));
    assert_eq!(read("Khäc Müller"), None);
}
