//! One visit's file, written for the gateway.

use super::*;

/// Splits a file and reads every part again.
fn split(file: &str) -> Vec<(Opened, Opened, Vec<u8>)> {
    let limits = Limits::default();
    let survey = survey(file.as_bytes(), &limits).unwrap();
    let parts = cuts(file.as_bytes()).into_iter().map(|cut| {
        let opened = open(&cut, &limits).unwrap();
        let bytes = envelope(&survey, &cut, &opened);
        let again = cuts(&bytes[..]);
        assert_eq!(again.len(), 1);
        (opened, open(&again[0], &limits).unwrap(), bytes)
    });
    parts.collect()
}

#[test]
fn a_split_file_says_for_each_visit_what_the_whole_said() {
    let file = file(&visits(&["A", "B", "C"]));
    let parts = split(&file);
    assert_eq!(parts.len(), 3);
    for ((before, after, bytes), key) in parts.iter().zip(["A", "B", "C"]) {
        assert_eq!(before.digest(), after.digest());
        assert!(after.in_form);
        let text = String::from_utf8(bytes.clone()).unwrap();
        for table in [table("XML1", &summary(key)), table("XML2", &drugs(key))] {
            assert!(text.contains(table.trim_end()), "copied byte for byte");
        }
        let found = survey(&bytes[..], &Limits::default()).unwrap();
        let expected = Survey {
            records: 1,
            declared: Some(1),
            facility: Some("79999".to_owned()),
            made_on: Some("20260105".to_owned()),
            utf8: true,
            in_form: true,
            complete: true,
            ..Survey::default()
        };
        assert_eq!(found, expected, "unsigned, one record, UTF-8");
    }
}

#[test]
fn a_record_in_another_form_is_written_as_base64_of_complete_documents() {
    let inline = "<TONG_HOP><MA_LK>A</MA_LK><HO_TEN>  Đỗ &amp; Vũ\t</HO_TEN></TONG_HOP>";
    let wide = b64(wide(&drugs("A"), true, u16::to_be_bytes));
    let named_wrong = format!("<?xml version=\"1.0\" encoding=\"utf-16\"?>{}", drugs("A"));
    let forms = [
        raw("XML1", inline),
        raw("XML1", &format!("<![CDATA[{inline}]]>")),
        raw("XML1", &inline.replace('&', "&amp;").replace('<', "&lt;")),
        raw("XML2", &wide),
        table("XML2", &named_wrong),
        raw("XML2", &format!("<![CDATA[{}]]>", b64(drugs("A")))),
        raw("XML2", &format!("\u{FEFF}{}", b64(drugs("A")))),
        raw("XML2", b64(drugs("A") + " ").trim_end_matches('=')),
        raw("XML16", "<LA><GI>1</GI></LA>"),
    ];
    for form in forms {
        let file = file(&[hoso(&[
            table("XML3", &drugs("A")),
            form.clone(),
            table("XML4", &drugs("B")),
        ])]);
        let (before, after, bytes) = split(&file).remove(0);
        assert!(!before.in_form && after.in_form, "{form}");
        assert_eq!(before.view_json(), after.view_json());
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.contains(table("XML3", &drugs("A")).trim_end()),
            "a table in form stays as it is"
        );
        let contents = text.split("<NOIDUNGFILE>").nth(2).unwrap().split_once('<').unwrap().0;
        let document = String::from_utf8(STANDARD.decode(contents).unwrap()).unwrap();
        let root = document
            .strip_prefix("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n")
            .unwrap();
        assert!(
            [inline, &drugs("A"), "<LA><GI>1</GI></LA>"].contains(&root),
            "verbatim: {root}"
        );
    }
}

#[test]
fn whatever_names_and_blanks_were_around_the_tables_the_envelope_has_the_gateways() {
    let odd = [
        visit("A").replace("XML1", " xml1 "),
        visit("A").replace("<HOSO>", "<HOSO xmlns='urn:x'>"),
        visit("A").replace("<HOSO>", "<HOSO><?xml version='1.0'?>"),
        visit("A")
            .replace("</", "</n:")
            .replace("<", "<n:")
            .replace("<n:/n:", "</n:")
            .replace("<n:HOSO>", "<n:HOSO xmlns:n='urn:n'>"),
        hoso(&[
            raw("XML1", &b64(format!("\n{}", summary("A")))),
            table("XML2", &drugs("A")),
        ]),
    ];
    for odd in odd {
        let (before, after, bytes) = split(&file(std::slice::from_ref(&odd))).remove(0);
        assert!(!before.in_form && after.in_form, "{odd}");
        assert_eq!(before.digest(), after.digest(), "{odd}");
        assert!(survey(&bytes[..], &Limits::default()).unwrap().in_form, "{odd}");
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO>"), "{text}");
    }
}

#[test]
fn a_table_without_a_document_is_left_out() {
    let file = file(&[hoso(&[
        table("XML1", &summary("A")),
        raw("XML4", " "),
        raw("XML5", "<![CDATA[]]>"),
    ])]);
    let (before, after, bytes) = split(&file).remove(0);
    assert!(!before.in_form && after.in_form);
    assert_eq!(before.digest(), after.digest());
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("XML1") && !text.contains("XML4") && !text.contains("XML5"));
}

#[test]
fn prefixes_borrowed_from_the_root_come_along() {
    let inline = "<TONG_HOP><MA_LK>A</MA_LK><NGAY_RA xsi:nil=\"true\"/></TONG_HOP>";
    let file = file(&[hoso(&[raw("XML1", inline)])]);
    let file = file.replace(
        "<GIAMDINHHS>",
        "<GIAMDINHHS Id='x' xmlns:xsi='urn:xsi' xmlns:xsd=\"urn:xsd\">",
    );
    let (_, after, bytes) = split(&file).remove(0);
    let text = String::from_utf8(bytes).unwrap();
    let contents = text.split("<NOIDUNGFILE>").nth(1).unwrap().split_once('<').unwrap().0;
    let document = String::from_utf8(STANDARD.decode(contents).unwrap()).unwrap();
    assert!(
        document.contains("<TONG_HOP xmlns:xsi=\"urn:xsi\"><MA_LK>"),
        "{document}"
    );
    assert_eq!(key(Ok(after)), "A");

    let own = file.replace("<TONG_HOP>", "<TONG_HOP xmlns:xsi='urn:own'>");
    let (_, _, bytes) = split(&own).remove(0);
    let text = String::from_utf8(bytes).unwrap();
    let contents = text.split("<NOIDUNGFILE>").nth(1).unwrap().split_once('<').unwrap().0;
    let document = String::from_utf8(STANDARD.decode(contents).unwrap()).unwrap();
    assert_eq!(document.matches("xmlns:xsi").count(), 1, "{document}");
}

#[test]
fn unknown_tables_stay_in_the_envelope() {
    let file = file(&[hoso(&[
        table("XML1", &summary("A")),
        table("XML18", "<X/>"),
        raw("GHI CHÚ", "tự do"),
    ])]);
    let (before, after, bytes) = split(&file).remove(0);
    assert_eq!(before.unknown, ["XML18", "?"]);
    assert_eq!(after.unknown, before.unknown);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("<LOAIHOSO>XML18</LOAIHOSO>") && text.contains("tự do"));
}

#[test]
fn header_values_are_escaped() {
    let file = file(&visits(&["A"])).replace("79999", "<![CDATA[7<9]]>");
    let (_, _, bytes) = split(&file).remove(0);
    assert!(String::from_utf8(bytes).unwrap().contains("<MACSKCB>7&lt;9</MACSKCB>"));
}
