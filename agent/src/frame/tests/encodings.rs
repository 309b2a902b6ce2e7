//! Which characters the bytes of the file mean.

use super::*;

#[test]
fn bytes_that_are_no_utf8_set_aside_only_their_record() {
    let mut bytes = file(&visits(&["A", "B", "C"])).into_bytes();
    let at = memchr::memmem::find_iter(&bytes, b"</LOAIHOSO>").nth(3).unwrap();
    bytes[at - 1] = 0xFF;
    assert_eq!(keys(&bytes[..]), ["A", "FRAME-TEXT", "C"]);
    assert_eq!(cuts(&bytes[..])[1].fault.as_ref().unwrap().line, Some(12));
    assert!(!survey(&bytes[..], &Limits::default()).unwrap().utf8);
}

#[test]
fn a_declared_single_byte_label_is_used_only_where_bytes_are_no_utf8() {
    let inline = |name: &str| hoso(&[raw("XML1", &format!("<T><MA_LK>A</MA_LK><HO_TEN>{name}</HO_TEN></T>"))]);
    // "ệ" is no single letter there: e with circumflex, then a combining dot below.
    let file = file(&[inline("Li\u{1EC7}u"), inline("LI?U")]).replace("utf-8", "windows-1258");
    let at = file.find("LI?U").unwrap();
    let bytes = [&file.as_bytes()[..at], b"Li\xEA\xF2u", &file.as_bytes()[at + 4..]].concat();
    let limits = Limits::default();
    let names: Vec<_> = cuts(&bytes[..])
        .iter()
        .map(|cut| {
            open(cut, &limits)
                .unwrap()
                .rows("XML1")
                .next()
                .unwrap()
                .get("HO_TEN")
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(names, ["Li\u{1EC7}u", "Li\u{1EC7}u"]);
    assert!(!survey(&bytes[..], &limits).unwrap().utf8);
}

#[test]
fn utf16_is_read_with_and_without_a_byte_order_mark() {
    let text = file(&[
        visit("A"),
        hoso(&[raw("XML1", "<T><MA_LK>B</MA_LK><HO_TEN>Đặng</HO_TEN></T>")]),
    ]);
    let limits = Limits::default();
    let expected: Vec<String> = cuts(text.as_bytes())
        .iter()
        .map(|cut| open(cut, &limits).unwrap().view_json())
        .collect();
    for bom in [true, false] {
        for to_bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes = wide(&text, bom, to_bytes);
            let found: Vec<_> = cuts(&bytes[..])
                .iter()
                .map(|cut| open(cut, &limits).unwrap().view_json())
                .collect();
            assert_eq!(found, expected);
            let survey = survey(&bytes[..], &limits).unwrap();
            assert_eq!((survey.bom, survey.utf8, survey.records), (bom, false, 2));
        }
    }
}

#[test]
fn broken_utf16_sets_aside_only_its_record() {
    let record = |key: &str| {
        hoso(&[raw(
            "XML1",
            &format!("<T><MA_LK>{key}</MA_LK><HO_TEN>\u{2603}</HO_TEN></T>"),
        )])
    };
    let mut units: Vec<u16> = file(&[record("A"), record("B"), record("C")]).encode_utf16().collect();
    let second = units
        .iter()
        .enumerate()
        .filter(|(_, unit)| **unit == 0x2603)
        .nth(1)
        .unwrap()
        .0;
    units[second] = 0xD800;
    let bytes: Vec<u8> = units.into_iter().flat_map(u16::to_le_bytes).collect();
    assert_eq!(keys(&bytes[..]), ["A", "FRAME-TEXT", "C"]);
}

#[test]
fn a_utf8_byte_order_mark_is_seen_and_left_out() {
    let file = format!("\u{FEFF}{}", file(&visits(&["A"])));
    let survey = survey(file.as_bytes(), &Limits::default()).unwrap();
    assert!(survey.bom && survey.utf8);
    assert_eq!(keys(file.as_bytes()), ["A"]);
}

#[test]
fn a_declaration_that_says_other_than_its_bytes_is_reported_not_believed() {
    let file = file(&visits(&["A"])).replacen("utf-8", "utf-16", 1);
    assert!(!survey(file.as_bytes(), &Limits::default()).unwrap().utf8);
    assert_eq!(keys(file.as_bytes()), ["A"]);
}
