//! What the tables of one record say.

use super::*;

fn view(tables: &[String]) -> serde_json::Value {
    serde_json::from_str(&open_one(&hoso(tables)).unwrap().view_json()).unwrap()
}

/// The rows of one table given as a document.
fn rows(document: &str) -> serde_json::Value {
    view(&[table("XML1", document)])["XML1"].take()
}

fn table_code(document: &str) -> &'static str {
    code(&hoso(&[table("XML1", document)]))
}

#[test]
fn flat_tables_are_one_row_and_lists_a_row_per_element() {
    let view = view(&[table("XML1", &summary("A")), table("XML2", &drugs("A"))]);
    let expected = serde_json::json!({
        "XML1": [{"MA_LK": "A", "HO_TEN": SECRET}],
        "XML2": [{"MA_LK": "A", "STT": "1"}, {"MA_LK": "A", "STT": "2"}],
    });
    assert_eq!(view, expected);
}

#[test]
fn rows_are_found_by_structure_whatever_their_names() {
    assert_eq!(
        rows("<X><Y><A>1</A></Y><Y><A>2</A></Y></X>"),
        serde_json::json!([{"A": "1"}, {"A": "2"}])
    );
    assert_eq!(
        rows("<X><L><M><Y><A>1</A></Y></M></L></X>"),
        serde_json::json!([{"A": "1"}])
    );
    assert_eq!(rows("<X><A>1</A><B/></X>"), serde_json::json!([{"A": "1"}]));
    for empty in [
        "<X/>",
        "<X></X>",
        "<X><L/></X>",
        "<X><L><Y/></L></X>",
        "<X><L><Y><A/></Y></L></X>",
    ] {
        assert_eq!(rows(empty), serde_json::json!([]), "{empty}");
    }
}

#[test]
fn strays_beside_a_list_and_signatures_are_ignored() {
    let row = "<Y><A>1</A></Y>";
    let signature =
        "<Signature><SignedInfo><Reference><DigestValue>x</DigestValue></Reference></SignedInfo></Signature>";
    for document in [
        format!("<X><MA_LK>A</MA_LK><L><STT>9</STT>{row}</L><GHI_CHU>x</GHI_CHU></X>"),
        format!("<X><L>{row}</L><CHUKYDONVI>MIIB</CHUKYDONVI></X>"),
        format!("<X><L>{row}</L><CHUKYDONVI>{signature}</CHUKYDONVI></X>"),
        format!("<X><A>1</A><CHUKYDONVI>{signature}</CHUKYDONVI></X>"),
        format!("<X><CHUKYDONVI/><A>1</A>{signature}</X>"),
    ] {
        assert_eq!(rows(&document), serde_json::json!([{"A": "1"}]), "{document}");
    }
}

#[test]
fn a_field_torn_open_by_markup_is_told_and_not_lost() {
    assert_eq!(
        table_code("<X><A>1</A><B>2</B><C>3</C><D><b>x</b></D></X>"),
        "FRAME-NESTED"
    );
    assert_eq!(
        table_code("<X><D><b>x</b></D><A>1</A><B>2</B><C>3</C></X>"),
        "FRAME-NESTED"
    );
    assert_eq!(table_code("<X><A>1</A><D>so <b>x</b></D></X>"), "FRAME-STRAY");
    assert_eq!(table_code("<X><A>1</A> lạc <B>2</B></X>"), "FRAME-STRAY");
    assert_eq!(table_code("<X>lạc</X>"), "FRAME-STRAY");
}

#[test]
fn values_are_trimmed_composed_and_have_plain_line_ends() {
    let document = "<X><A>\r\n  mot\r\nhai\rba  </A><B>Nguye\u{302}\u{303}n</B><C> \t\u{A0}</C></X>";
    assert_eq!(
        rows(document),
        serde_json::json!([{"A": "mot\nhai\nba", "B": "Nguyễn"}])
    );
}

#[test]
fn cdata_references_and_comments_make_one_text() {
    let document = "<X><A>&lt;1&amp;<![CDATA[<2&3>]]>&#x1EC7;<!-- x -->&#10;&quot;&apos;&gt;</A></X>";
    assert_eq!(rows(document), serde_json::json!([{"A": "<1&<2&3>ệ\n\"'>"}]));
}

#[test]
fn no_entity_is_expanded_and_no_doctype_accepted() {
    assert_eq!(table_code("<X><A>&nbsp;</A></X>"), "FRAME-ENTITY");
    assert_eq!(table_code("<X><A>&#xD800;</A></X>"), "FRAME-ENTITY");
    assert_eq!(table_code("<X><A>&#1;</A></X>"), "FRAME-CONTROL");
    assert_eq!(
        table_code("<!DOCTYPE X [<!ENTITY e 'x'>]><X><A>&e;</A></X>"),
        "FRAME-DTD"
    );
    assert_eq!(code(&hoso(&[raw("XML1", "<![CDATA[<!DOCTYPE X><X/>]]>")])), "FRAME-DTD");
    assert_eq!(table_code("<X><A>K & H</A></X>"), "FRAME-XML");
}

#[test]
fn of_a_doubled_field_the_first_that_holds_something_stays() {
    let document = "<X><A/><B>1</B><A>2</A><A>3</A><B> </B></X>";
    assert_eq!(rows(document), serde_json::json!([{"B": "1", "A": "2"}]));
    assert_eq!(
        open_one(&hoso(&[table("XML1", document)])).unwrap().view_json(),
        r#"{"XML1":[{"B":"1","A":"2"}]}"#
    );
}

#[test]
fn a_doubled_field_that_says_something_else_is_told_once_for_its_table() {
    let doubled = |document: &str| {
        open_one(&hoso(&[raw("XML1", "<X><A>1</A></X>"), raw("xml2", document)]))
            .unwrap()
            .doubled
    };
    let row = "<Y><A/><B>1</B><A>2</A><A>3</A><B>4</B><C>5</C><C>5</C></Y>";
    assert_eq!(doubled(&format!("<X>{row}{row}</X>")), ["XML2/A", "XML2/B"]);
    // The same in two rows is not doubled.
    assert!(doubled("<X><Y><A>1</A></Y><Y><A>2</A></Y></X>").is_empty());
    let many: String = (0..200).map(|n| format!("<F{n}>1</F{n}><F{n}>2</F{n}>")).collect();
    assert_eq!(doubled(&format!("<X><Y>{many}</Y></X>")).len(), 20);
}

#[test]
fn content_may_come_in_many_forms_and_says_the_same() {
    let document = summary("A");
    let (_, root) = document.split_once('\n').unwrap();
    let encoded = b64(&document);
    let wrapped: String = encoded
        .as_bytes()
        .chunks(20)
        .map(|part| String::from_utf8_lossy(part) + "\r\n\t")
        .collect();
    let mut full_buffer = document.clone().into_bytes();
    full_buffer.resize(1024, 0);
    let forms = [
        (encoded.clone(), true),
        (wrapped, false),
        (b64(format!("\u{FEFF}{document}")), true),
        (b64(document.replace('\n', "\r\n  ")), true),
        (b64(root), true),
        (format!("\u{FEFF}{encoded}"), false),
        (format!("<![CDATA[\n{encoded}\n]]>"), false),
        (b64(document.replace("utf-8", "utf-16")), false),
        (
            b64(wide(&document.replace("utf-8", "utf-16"), true, u16::to_le_bytes)),
            false,
        ),
        (b64(wide(&document, false, u16::to_le_bytes)), false),
        (b64(wide(&document, false, u16::to_be_bytes)), false),
        (b64(full_buffer), false),
        (
            b64([wide(&document, true, u16::to_le_bytes), vec![0; 9]].concat()),
            false,
        ),
        (root.to_owned(), false),
        (document.clone(), false),
        (format!("<![CDATA[{document}]]>"), false),
        (document.replace('<', "&lt;").replace('>', "&gt;"), false),
    ];
    let expected = open_one(&hoso(&[raw("XML1", &forms[0].0)])).unwrap();
    for (content, in_form) in forms {
        let opened = open_one(&hoso(&[raw("XML1", &content)])).unwrap();
        assert_eq!(opened.view_json(), expected.view_json(), "{content}");
        assert_eq!(opened.digest(), expected.digest(), "{content}");
        assert_eq!(opened.in_form, in_form, "{content}");
    }
}

#[test]
fn a_legacy_declaration_inside_a_table_is_used_for_bytes_that_are_no_utf8() {
    let document = b"<?xml version='1.0' encoding='windows-1252'?><X><A>Andr\xE9</A></X>";
    assert_eq!(
        view(&[raw("XML1", &b64(document))]),
        serde_json::json!({"XML1": [{"A": "André"}]})
    );
    assert_eq!(
        code(&hoso(&[raw("XML1", &b64(b"<X><A>Andr\xE9</A></X>"))])),
        "FRAME-TABLE-TEXT"
    );
}

#[test]
fn a_fault_names_table_and_lines_but_no_value() {
    let document = format!("<X>\n<A>{SECRET}</A>\n<B>{SECRET}</C></X>");
    let file = file(&[
        visit("A"),
        hoso(&[table("XML1", &summary("B")), table("xml4", &document)]),
    ]);
    let fault = open(&cuts(file.as_bytes())[1], &Limits::default()).unwrap_err();
    assert_eq!(
        (fault.code, fault.table.as_deref(), fault.line),
        ("FRAME-XML", Some("XML4"), Some(12))
    );
    assert!(fault.vi.contains("Dòng 3") && fault.en.contains("Line 3"), "{fault}");
    assert!(!fault.to_string().contains(SECRET));

    let inline = format!("<X>\n<A>{SECRET}</A>\n<B>&{SECRET};</B></X>");
    let fault = open_one(&hoso(&[raw("XML5", &inline)])).unwrap_err();
    assert_eq!(
        (fault.code, fault.table.as_deref(), fault.line),
        ("FRAME-ENTITY", Some("XML5"), Some(9))
    );
    assert!(!fault.to_string().contains(SECRET));
}

#[test]
fn broken_base64_sets_aside_the_record_with_the_line_it_starts_on() {
    for content in ["QUJ*", "Q", "PFg-", "tự do"] {
        let fault = open_one(&hoso(&[
            table("XML1", &summary("A")),
            raw("XML3", &format!("\n\n{content}")),
        ]))
        .unwrap_err();
        assert_eq!(
            (fault.code, fault.table.as_deref(), fault.line),
            ("FRAME-BASE64", Some("XML3"), Some(10))
        );
    }
}

#[test]
fn malformed_tables_and_records_are_told() {
    for document in [
        "<X><A>1</X>",
        "<X><A>1</A>",
        "<X/><X/>",
        "<X/><Y></Y>",
        "</X>",
        "<X></Y>",
        "<X><1A/></X>",
        "<X><A a=1/></X>",
        "<X><A a='1' a='2'>1</A></X>",
        "<X><A a='<'/></X>",
        "<X><A a='&x;'/></X>",
        "<X><!-- a -- b --></X>",
    ] {
        assert_eq!(table_code(document), "FRAME-XML", "{document}");
    }
    let many: String = (0..1_000_000).map(|n| format!(" a{n}=''")).collect();
    assert_eq!(table_code(&format!("<X><A{many}/></X>")), "FRAME-XML");
    assert_eq!(table_code("không phải XML"), "FRAME-STRAY");
    assert_eq!(table_code("<X><A>1\u{B}</A></X>"), "FRAME-CONTROL");
    assert_eq!(code(&hoso(&[raw("XML1", "<X>\0</X>")])), "FRAME-CONTROL");
    assert_eq!(code(&hoso(&[raw("XML1", "QUJD<X/>")])), "FRAME-STRAY");
    assert_eq!(code(&hoso(&[raw("XML1", "<X/><Y/>")])), "FRAME-XML");
    assert_eq!(code(&hoso(&[raw(" ", &b64(summary("A")))])), "FRAME-LOAIHOSO");
    assert_eq!(
        code("<HOSO><FILEHOSO><NOIDUNGFILE/></FILEHOSO></HOSO>"),
        "FRAME-LOAIHOSO"
    );
    assert_eq!(code("<HOSO><GHI_CHU>x</GHI_CHU></HOSO>"), "FRAME-NO-TABLE");
    assert_eq!(code(&visit("A").replace("</HOSO>", "lạc</HOSO>")), "FRAME-STRAY");
    assert_eq!(code(&visit("A").replacen("</FILEHOSO>", "", 1)), "FRAME-XML");
    // The border between two tables was lost: taking the first only would lose the second.
    let joined = visit("A").replacen("</FILEHOSO>\n<FILEHOSO>", "", 1);
    assert_eq!(code(&joined), "FRAME-DOUBLED");
    assert_eq!(
        code(&joined.replacen("<LOAIHOSO>XML2</LOAIHOSO>", "", 1)),
        "FRAME-DOUBLED"
    );
}

#[test]
fn every_limit_sets_aside_and_says_which() {
    let loose = Limits::default();
    let record = |document: &str| hoso(&[table("XML1", document)]);
    let code = |document: &str, limits: &Limits| {
        open_with(&record(document), limits)
            .map(|_| "fine")
            .unwrap_or_else(|f| f.code)
    };
    let deep = |n: usize| format!("{}{}", "<X>".repeat(n), "</X>".repeat(n));
    assert_eq!(code(&deep(16), &loose), "fine");
    assert_eq!(code(&deep(17), &loose), "FRAME-DEPTH");
    assert_eq!(
        open_one(&hoso(&[raw("XML1", &deep(100_000))])).unwrap_err().code,
        "FRAME-DEPTH"
    );
    assert_eq!(super::code(&hoso(&[raw("XML16", &deep(33))])), "FRAME-DEPTH");
    let many = |n: usize| (0..n).map(|i| format!("<F{i}>1</F{i}>")).collect::<String>();
    assert_eq!(code(&format!("<X>{}</X>", many(1024)), &loose), "fine");
    assert_eq!(code(&format!("<X>{}</X>", many(1025)), &loose), "FRAME-FIELDS");
    let rows = format!("<X>{}</X>", "<Y><A>1</A></Y>".repeat(11));
    assert_eq!(
        code(
            &rows,
            &Limits {
                fields: 11,
                ..loose.clone()
            }
        ),
        "fine"
    );
    assert_eq!(
        code(
            &rows,
            &Limits {
                fields: 10,
                ..loose.clone()
            }
        ),
        "FRAME-FIELDS"
    );
    let long = "<X><A>12345678901</A></X>";
    assert_eq!(
        code(
            long,
            &Limits {
                value_bytes: 11,
                ..loose.clone()
            }
        ),
        "fine"
    );
    assert_eq!(
        code(
            long,
            &Limits {
                value_bytes: 10,
                ..loose.clone()
            }
        ),
        "FRAME-VALUE"
    );
    assert_eq!(
        code(
            long,
            &Limits {
                table_bytes: long.len(),
                ..loose.clone()
            }
        ),
        "fine"
    );
    assert_eq!(
        code(
            long,
            &Limits {
                table_bytes: long.len() - 1,
                ..loose
            }
        ),
        "FRAME-TABLE-SIZE"
    );
}

#[test]
fn unknown_tables_are_reported_and_stop_nothing() {
    let opened = open_one(&hoso(&[
        raw("XML16", "!! không base64 !!"),
        table("XML1", &summary("A")),
        table("XML17", "<X>"),
        raw(SECRET, "<X/>"),
    ]));
    let opened = opened.unwrap();
    assert_eq!(opened.unknown, ["XML16", "XML17", "?"]);
    assert_eq!(opened.tables().collect::<Vec<_>>(), ["XML1"]);
    assert_eq!(key(Ok(opened)), "A");
}

#[test]
fn an_empty_content_is_a_table_without_rows() {
    let missing = "<FILEHOSO><LOAIHOSO>XML6</LOAIHOSO></FILEHOSO>".to_owned();
    let view = view(&[
        table("XML1", &summary("A")),
        raw("XML4", ""),
        raw("XML5", " \n"),
        missing,
    ]);
    assert_eq!(view["XML4"], serde_json::json!([]));
    assert_eq!(view["XML5"], serde_json::json!([]));
    assert_eq!(view["XML6"], serde_json::json!([]));
}

#[test]
fn tables_of_one_name_are_joined_and_come_by_number() {
    let part = |n| format!("<X><Y><STT>{n}</STT></Y></X>");
    let record = hoso(&[
        table("XML10", &part(1)),
        table("XML2", &part(1)),
        table("xml2", &part(2)),
    ]);
    let view = open_one(&record).unwrap().view_json();
    assert_eq!(view, r#"{"XML2":[{"STT":"1"},{"STT":"2"}],"XML10":[{"STT":"1"}]}"#);
}

#[test]
fn the_view_is_json_whatever_a_value_holds() {
    let document = "<X><A>\"q\" \\ \t&#9;\n/ \u{2028} 😀</A><B>x</B></X>";
    assert_eq!(
        rows(document),
        serde_json::json!([{"A": "\"q\" \\ \t\t\n/ \u{2028} 😀", "B": "x"}])
    );
}

#[test]
fn the_digest_changes_with_content_only() {
    let digest = |tables: &[String]| open_one(&hoso(tables)).unwrap().digest();
    let base = digest(&[table("XML1", &summary("A")), table("XML2", &drugs("A"))]);
    let same = [
        digest(&[table("XML2", &drugs("A")), table("XML1", &summary("A"))]),
        digest(&[
            table("XML1", &summary("A")),
            table("XML2", &drugs("A").replace('\n', "\r\n ")),
            raw("XML4", ""),
        ]),
        digest(&[
            table("XML1", &summary("A")),
            table("XML2", &drugs("A").replace("<GHI_CHU/>", "")),
        ]),
        digest(&[
            table(
                "XML1",
                &format!("<TONG_HOP><HO_TEN>{SECRET}</HO_TEN><MA_LK>A</MA_LK></TONG_HOP>"),
            ),
            table("XML2", &drugs("A")),
        ]),
    ];
    assert!(same.iter().all(|other| *other == base));
    let unknown =
        |first: &str, then: &str| digest(&[table("XML1", &summary("A")), table(first, "<X/>"), table(then, "<X/>")]);
    assert_eq!(unknown("XML16", "XML17"), unknown("XML17", "XML16"));
    let wrapped = |unknown: String| digest(&[table("XML1", &summary("A")), unknown]);
    assert_eq!(
        wrapped(raw("XML16", "<X><A>1</A></X>")),
        wrapped(table("XML16", "\u{feff}<?xml version=\"1.0\"?>\n<X><A>1</A></X>\n"))
    );
    let other = [
        digest(&[table("XML1", &summary("B")), table("XML2", &drugs("A"))]),
        digest(&[table("XML1", &summary("A")), table("XML3", &drugs("A"))]),
        digest(&[table("XML1", &summary("A"))]),
        digest(&[
            table("XML1", &summary("A")),
            table("XML2", &drugs("A").replace("STT", "STU")),
        ]),
        digest(&[
            table("XML1", &summary("A")),
            table("XML2", &drugs("A")),
            raw("XML16", "QUJD"),
        ]),
        digest(&[
            table("XML1", &summary("A")),
            table("XML2", &drugs("A")),
            raw("XML16", "QUJE"),
        ]),
    ];
    for (i, one) in other.iter().enumerate() {
        assert!(*one != base && !other[i + 1..].contains(one), "{i}");
    }
}

#[test]
fn rows_are_read_by_field_name() {
    let opened = open_one(&visit("A")).unwrap();
    let numbers: Vec<_> = opened.rows("xml2").filter_map(|row| row.get("STT")).collect();
    assert_eq!(numbers, ["1", "2"]);
    assert_eq!(opened.rows("XML2").next().unwrap().get("GHI_CHU"), None);
    assert_eq!(opened.rows("XML3").count() + opened.rows("?").count(), 0);
}
