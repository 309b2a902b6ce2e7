//! The document of a check-in by itself: a file of one record without an envelope.

use super::*;

fn check_in(name: &str, seal: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<CHI_TIEU_TRANG_THAI_KCB>\n<DSACH_TRANG_THAI_KCB><TRANG_THAI_KCB><MA_LK>A</MA_LK>\
         <HO_TEN>{name}</HO_TEN></TRANG_THAI_KCB></DSACH_TRANG_THAI_KCB>\n<CHUKYDONVI>{seal}</CHUKYDONVI></CHI_TIEU_TRANG_THAI_KCB>\n"
    )
}

fn view(bytes: &[u8]) -> Result<String, &'static str> {
    let cuts = cuts(bytes);
    assert_eq!(cuts.len(), 1);
    let opened = open(&cuts[0], &Limits::default());
    opened.map(|opened| opened.view_json()).map_err(|fault| fault.code)
}

#[test]
fn a_check_in_by_itself_is_one_record_in_any_encoding_that_counts() {
    let said = r#"{"XML0":[{"MA_LK":"A","HO_TEN":"Trần Thị Bí Mật"}]}"#;
    let text = check_in(SECRET, "");
    assert_eq!(view(text.as_bytes()).unwrap(), said);
    let seen = survey(text.as_bytes(), &Limits::default()).unwrap();
    assert!(seen.check_in && seen.complete && seen.utf8 && !seen.signed);
    assert_eq!(seen.records, 1);
    assert_eq!(cuts(text.as_bytes())[0].line, 2);
    let utf16: Vec<u8> = [0xFEFF]
        .into_iter()
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(view(&utf16).unwrap(), said);
    assert!(!survey(&utf16[..], &Limits::default()).unwrap().utf8);
    // The same in the envelope of claims says the same.
    let wrapped = open_one(&hoso(&[table("XML0", &text)])).unwrap();
    let alone = open(&cuts(text.as_bytes())[0], &Limits::default()).unwrap();
    assert_eq!(alone.digest(), wrapped.digest());
    assert!(
        !survey(file(&visits(&["A"])).as_bytes(), &Limits::default())
            .unwrap()
            .check_in
    );
}

#[test]
fn what_is_signed_of_it_is_told() {
    let signed = |text: &str| survey(text.as_bytes(), &Limits::default()).unwrap().signed;
    assert!(signed(&check_in("B", "MIIB")) && signed(&check_in("B", "<Signature/>")));
    assert!(
        !signed(&check_in("B", " \n"))
            && !signed(&check_in("B", "").replace("<CHUKYDONVI></CHUKYDONVI>", "<CHUKYDONVI/>"))
    );
}

#[test]
fn a_check_in_that_is_damaged_is_set_aside_as_one_record() {
    let text = check_in("B", "");
    let half = &text[..text.find("</HO_TEN>").unwrap()];
    assert!(view(half.as_bytes()).is_err());
    assert!(!survey(half.as_bytes(), &Limits::default()).unwrap().complete);
    assert!(view(format!("{text}<X/>").as_bytes()).is_err());
    assert!(view(format!("{text}x").as_bytes()).is_err());
    let limits = Limits {
        record_bytes: 100,
        ..Limits::default()
    };
    let large = check_in(&"B".repeat(700_000), "");
    let all: Vec<_> = records(large.as_bytes(), &limits).map(|cut| cut.unwrap()).collect();
    assert_eq!(all.len(), 1);
    assert_eq!(open(&all[0], &limits).unwrap_err().code, "FRAME-TOO-LARGE");
    let not_utf8 = [text.as_bytes(), b"\xFF"].concat();
    assert_eq!(view(&not_utf8).unwrap_err(), "FRAME-TEXT");
}
