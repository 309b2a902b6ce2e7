//! Where records begin and end, and what the header says.

use super::*;

#[test]
fn every_hoso_comes_out_once_in_file_order_with_its_place() {
    let file = file(&visits(&["A", "B", "C"]));
    let cuts = cuts(file.as_bytes());
    assert_eq!(keys(file.as_bytes()), ["A", "B", "C"]);
    let lines: Vec<u64> = cuts.iter().map(|cut| cut.line).collect();
    assert_eq!(lines, [6, 10, 14]);
    assert_eq!(cuts[2].locator, "HOSO[3] line 14");
    assert_eq!(cuts[1].hoso, visit("B").trim_end().as_bytes(), "verbatim, tag to tag");
}

#[test]
fn the_survey_learns_what_the_header_says() {
    let found = survey(file(&visits(&["A", "B"])).as_bytes(), &Limits::default()).unwrap();
    let expected = Survey {
        records: 2,
        declared: Some(3),
        facility: Some("79999".to_owned()),
        made_on: Some("20260105".to_owned()),
        utf8: true,
        in_form: true,
        complete: true,
        ..Survey::default()
    };
    assert_eq!(found, expected);
}

#[test]
fn header_values_in_cdata_or_missing_do_no_harm() {
    let file = format!(
        "<GIAMDINHHS><MACSKCB> <![CDATA[ 01001 ]]></MACSKCB><NGAYLAP/><SOLUONGHOSO>hai</SOLUONGHOSO>{}</GIAMDINHHS>",
        visit("A")
    );
    let found = survey(file.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(
        (found.facility.as_deref(), found.made_on, found.declared),
        (Some("01001"), None, None)
    );
}

#[test]
fn a_file_is_in_form_if_a_strict_parser_takes_what_is_around_its_records() {
    let whole = file(&visits(&["A"]));
    let replaced = |from: &str, to: &str| whole.replacen(from, to, 1);
    let edges = [
        (whole.clone(), true),
        (format!("\u{FEFF}{whole}\r\n"), true),
        (format!("{whole}<!-- hết --><?xong?>"), true),
        (
            replaced("<GIAMDINHHS>", "<GIAMDINHHS xmlns:xsi='urn:xsi' xsi:x='1'>"),
            true,
        ),
        (replaced("<DANHSACHHOSO>", "<DANHSACHHOSO>&amp;"), true),
        (format!("\n{whole}"), false),
        (format!("{whole}\0\0"), false),
        (format!("{whole}rác"), false),
        (replaced("</THONGTINDONVI>", ""), false),
        (replaced("<GIAMDINHHS>", "<GIAMDINHHS xmlns='urn:x'>"), false),
        (replaced("<GIAMDINHHS>", "<GIAMDINHHS a=1>"), false),
        (replaced("<GIAMDINHHS>", "<GIAMDINHHS a='x & y'>"), false),
        (replaced("<DANHSACHHOSO>", "<DANHSACHHOSO>]]>"), false),
        (replaced("<GIAMDINHHS>", "<GIAMDINHHS a='1' a='2'>"), false),
        (replaced("<DANHSACHHOSO>", "<DANHSACHHOSO> & "), false),
        (replaced("<DANHSACHHOSO>", "<DANHSACHHOSO><1/>"), false),
        (replaced("<DANHSACHHOSO>", "<DANHSACHHOSO><!-- a -- b -->"), false),
        (
            whole
                .replace("CHUKYDONVI>", "n:CHUKYDONVI>")
                .replace("<GIAMDINHHS>", "<GIAMDINHHS xmlns:n='urn:n'>"),
            false,
        ),
    ];
    for (file, in_form) in edges {
        let found = survey(file.as_bytes(), &Limits::default()).unwrap();
        assert_eq!((found.records, found.in_form), (1, in_form), "{file}");
    }
}

#[test]
fn a_file_is_signed_if_its_seal_holds_anything_but_blanks() {
    let seals = [
        ("<CHUKYDONVI></CHUKYDONVI>", false),
        ("<CHUKYDONVI/>", false),
        ("<CHUKYDONVI> \r\n\t<!-- none --></CHUKYDONVI>", false),
        ("<CHUKYDONVI><![CDATA[ ]]></CHUKYDONVI>", false),
        ("", false),
        ("<CHUKYDONVI>MIIB</CHUKYDONVI>", true),
        ("<CHUKYDONVI><![CDATA[MIIB]]></CHUKYDONVI>", true),
        ("<CHUKYDONVI>\n<Signature><SignedInfo/></Signature></CHUKYDONVI>", true),
        ("<ds:Signature xmlns:ds='urn:x'/>", true),
    ];
    for (seal, signed) in seals {
        let file = file(&visits(&["A"])).replace("<CHUKYDONVI></CHUKYDONVI>", seal);
        assert_eq!(
            survey(file.as_bytes(), &Limits::default()).unwrap().signed,
            signed,
            "{seal}"
        );
    }
}

#[test]
fn a_hoso_without_end_tag_is_set_aside_and_the_next_begins() {
    let broken = visit("B").replace("</HOSO>", "");
    let file = file(&[visit("A"), broken, visit("C")]);
    assert_eq!(keys(file.as_bytes()), ["A", "FRAME-NO-END", "C"]);
}

#[test]
fn the_last_hoso_without_end_tag_hides_no_signature() {
    let file = file(&[visit("A"), visit("B").replace("</HOSO>", "")]).replace("<CHUKYDONVI>", "<CHUKYDONVI>MIIB");
    assert_eq!(keys(file.as_bytes()), ["A", "FRAME-NO-END"]);
    assert!(survey(file.as_bytes(), &Limits::default()).unwrap().signed);
}

#[test]
fn a_file_that_ends_inside_a_hoso_sets_aside_only_that_one() {
    let file = file(&visits(&["A", "B", "C"]));
    let cut = &file[..file.rfind("</HOSO>").unwrap() - 40];
    assert_eq!(keys(cut.as_bytes()), ["A", "B", "FRAME-CUT-SHORT"]);
    assert!(!survey(cut.as_bytes(), &Limits::default()).unwrap().complete);
}

#[test]
fn tables_outside_any_hoso_are_one_record_to_be_set_aside() {
    let headless = visit("B").replace("<HOSO>", "");
    let file = file(&[visit("A"), headless, visit("C")]);
    assert_eq!(keys(file.as_bytes()), ["A", "FRAME-NO-START", "C"]);
}

#[test]
fn an_empty_hoso_is_set_aside_and_counted() {
    let file = file(&[visit("A"), "<HOSO/>".to_owned(), "<HOSO></HOSO>".to_owned(), visit("C")]);
    assert_eq!(keys(file.as_bytes()), ["A", "FRAME-NO-TABLE", "FRAME-NO-TABLE", "C"]);
    assert_eq!(survey(file.as_bytes(), &Limits::default()).unwrap().records, 4);
}

#[test]
fn an_unclosed_section_swallows_no_neighbour() {
    let with = |key: &str, text: &str| visit(key).replace("</HOSO>", &format!("{text}</HOSO>"));
    for (opening, closed) in [("<!-- x", "<!-- x -->"), ("<![CDATA[ ", "<!-- - -->")] {
        let file = file(&[
            with("A", closed),
            with("B", opening),
            with("C", closed),
            with("D", opening),
            visit("E"),
        ]);
        assert_eq!(
            keys(file.as_bytes()),
            ["A", "FRAME-XML", "C", "FRAME-XML", "E"],
            "{opening}"
        );
    }
    let inline = |name: &str| format!("<TONG_HOP><MA_LK>{name}</MA_LK></TONG_HOP>");
    let records = [
        hoso(&[raw("XML1", &inline("<![CDATA[A]]>"))]),
        hoso(&[raw("XML1", &inline("<![CDATA[B"))]),
        hoso(&[raw("XML1", &inline("<![CDATA[C]]>"))]),
    ];
    assert_eq!(keys(file(&records).as_bytes()), ["A", "FRAME-XML", "C"]);
}

#[test]
fn a_closed_section_may_quote_records() {
    let quoted = "<![CDATA[</HOSO><HOSO>]]>";
    let record = hoso(&[raw(
        "XML1",
        &format!("<T><MA_LK>A</MA_LK><GHI_CHU>{quoted}</GHI_CHU></T>"),
    )]);
    let outside = format!("<!-- {} -->", visit("X"));
    let file = file(&[record, outside, visit("B")]);
    assert_eq!(keys(file.as_bytes()), ["A", "B"]);
}

#[test]
fn a_million_unclosed_sections_take_one_walk() {
    // A walk to the end for each of them would not finish while anyone waits.
    for opening in ["<!--", "<![CDATA["] {
        let file = file(&[format!("<HOSO>{}</HOSO>", opening.repeat(1_000_000)), visit("B")]);
        assert_eq!(keys(file.as_bytes()), ["FRAME-XML", "B"]);
    }
}

#[test]
fn a_hoso_over_the_limit_is_passed_over_and_counted_once() {
    let limits = Limits {
        record_bytes: 2_000,
        ..Limits::default()
    };
    let large = hoso(&[raw("XML1", &"QUJD".repeat(100_000))]);
    let endless = large.replace("</HOSO>", "");
    // Over the limit by the last byte of its end tag.
    let bare = hoso(&[raw("XML1", "")]).trim_end().len();
    let just = hoso(&[raw("XML1", &"Q".repeat(2_001 - bare))]);
    let file = file(&[visit("A"), large, visit("B"), endless, visit("C"), just, visit("D")]);
    let cuts: Vec<Cut> = records(file.as_bytes(), &limits).map(|cut| cut.unwrap()).collect();
    let found: Vec<_> = cuts.iter().map(|cut| key(open(cut, &limits))).collect();
    assert_eq!(
        found,
        [
            "A",
            "FRAME-TOO-LARGE",
            "B",
            "FRAME-TOO-LARGE",
            "C",
            "FRAME-TOO-LARGE",
            "D"
        ]
    );
    assert!(cuts[1].hoso.is_empty());
    assert_eq!(survey(file.as_bytes(), &limits).unwrap().records, 7);
}

#[test]
fn what_is_no_record_file_is_refused_with_a_reason_in_both_languages() {
    let files: [(&[u8], &str); 13] = [
        (b"", "FRAME-EMPTY"),
        (b" \r\n\t", "FRAME-EMPTY"),
        (b"\xEF\xBB\xBF", "FRAME-EMPTY"),
        (b"<?xml version='1.0'?>", "FRAME-EMPTY"),
        (&[0; 5000], "FRAME-NOT-XML"),
        (b"PK\x03\x04 zip", "FRAME-NOT-XML"),
        (b"MA_LK,HO_TEN\n1,2", "FRAME-NOT-XML"),
        (b"< >", "FRAME-NOT-XML"),
        (b"</GIAMDINHHS>", "FRAME-NOT-XML"),
        (b"<TRANG_THAI_KCB/>", "FRAME-ROOT"),
        (b"<HOSO></HOSO>", "FRAME-ROOT"),
        (b"<GIAMDINHHS><MACSKCB>1</MACSKCB></GIAMDINHHS>", "FRAME-NO-HOSO"),
        (b"<GIAMDINHHS", "FRAME-NO-HOSO"),
    ];
    for (bytes, code) in files {
        let fault = refused(bytes);
        assert_eq!(fault.code, code);
        assert!(!fault.vi.is_empty() && !fault.en.is_empty() && fault.vi != fault.en);
        let all: Vec<_> = records(bytes, &Limits::default()).collect();
        assert!(
            matches!(&all[..], [Err(FileFault::Refused(same))] if *same == fault),
            "{code}: one error, then nothing"
        );
    }
}

#[test]
fn a_doctype_refuses_the_whole_file_with_its_line() {
    let file = file(&visits(&["A"]));
    let before = file.replace("<GIAMDINHHS>", "<!DOCTYPE x [<!ENTITY a 'b'>]>\n<GIAMDINHHS>");
    let within = file.replace("<DANHSACHHOSO>", "<!doctype x>");
    for (file, line) in [(before, 2), (within, 5)] {
        let fault = refused(file.as_bytes());
        assert_eq!((fault.code, fault.line), ("FRAME-DTD", Some(line)));
    }
}

#[test]
fn a_doctype_inside_a_record_sets_aside_only_that_record() {
    let broken = visit("B").replace("<HOSO>", "<HOSO><!DOCTYPE x>");
    assert_eq!(
        keys(file(&[visit("A"), broken, visit("C")]).as_bytes()),
        ["A", "FRAME-DTD", "C"]
    );
}

#[test]
fn two_files_glued_together_are_refused() {
    let one = file(&visits(&["A"]));
    assert_eq!(refused(format!("{one}{one}").as_bytes()).code, "FRAME-TWO-ROOTS");
    let cut = &one[..one.find("</HOSO>").unwrap()];
    assert_eq!(refused(format!("{cut}{one}").as_bytes()).code, "FRAME-TWO-ROOTS");
}

#[test]
fn a_namespace_prefix_is_tolerated() {
    let file = file(&visits(&["A", "B"]))
        .replace("</", "</n:")
        .replace('<', "<n:")
        .replace("<n:/", "</")
        .replace("<n:?", "<?");
    let file = file.replace("<n:GIAMDINHHS>", "<n:GIAMDINHHS xmlns:n=\"urn:a>b\">");
    assert_eq!(keys(file.as_bytes()), ["A", "B"]);
    assert_eq!(
        survey(file.as_bytes(), &Limits::default()).unwrap().facility.as_deref(),
        Some("79999")
    );
}

#[test]
fn one_byte_at_a_time_gives_the_same_records() {
    let unclosed = visit("B").replace("</HOSO>", "<!-- <![CDATA[</HOSO>");
    let text = file(&[visit("A"), unclosed, visit("C").replace("</HOSO>", ""), visit("D")]);
    for bytes in [
        text.clone().into_bytes(),
        wide(&text, true, u16::to_le_bytes),
        wide(&text, false, u16::to_be_bytes),
    ] {
        assert_eq!(cuts(Drops(&bytes, false)), cuts(&bytes[..]));
        let limits = Limits::default();
        assert_eq!(
            survey(Drops(&bytes, false), &limits).unwrap(),
            survey(&bytes[..], &limits).unwrap()
        );
    }
}

#[test]
fn a_failing_disk_is_no_broken_file() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("share went away"))
        }
    }
    assert!(matches!(survey(Fails, &Limits::default()), Err(FileFault::Read(_))));
    let file = file(&visits(&["A", "B"]));
    let half = file.as_bytes()[..file.len() / 2].chain(Fails);
    let found: Vec<_> = records(half, &Limits::default()).collect();
    assert!(matches!(found.last(), Some(Err(FileFault::Read(_)))));
}

/// Repeats one piece of text until enough was given.
struct Endless {
    parts: [Vec<u8>; 3],
    repeats: usize,
    part: usize,
    at: usize,
    given: usize,
}

impl Endless {
    fn new(before: &str, repeated: &str, repeats: usize, after: &str) -> Self {
        let parts = [before, repeated, after].map(|part| part.as_bytes().to_vec());
        Self {
            parts,
            repeats,
            part: 0,
            at: 0,
            given: 0,
        }
    }
}

impl Read for Endless {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let Some(part) = self.parts.get(self.part) else {
            return Ok(0);
        };
        let n = buf.len().min(part.len() - self.at);
        buf[..n].copy_from_slice(&part[self.at..self.at + n]);
        self.at += n;
        self.given += n;
        if self.at == part.len() {
            self.at = 0;
            match self.part {
                1 if self.repeats > 1 => self.repeats -= 1,
                _ => self.part += 1,
            }
        }
        Ok(n)
    }
}

#[test]
fn a_file_of_any_size_needs_one_record_and_buffers() {
    const MIB: usize = 1024 * 1024;
    let limits = Limits {
        record_bytes: 2 * MIB,
        ..Limits::default()
    };
    let large = hoso(&[raw("XML1", &"QUJD".repeat(MIB / 4))]);
    let huge = "QUJDREVG".repeat(MIB / 8);
    let inputs = [
        (Endless::new(HEAD, &large, 110, FOOT), 110),
        // One record that never ends, by itself and behind an opened section.
        (
            Endless::new(&format!("{HEAD}<HOSO>"), &huge, 110, &format!("{}{FOOT}", visit("B"))),
            2,
        ),
        (
            Endless::new(
                &format!("{HEAD}<HOSO><![CDATA["),
                &huge,
                110,
                &format!("{}{FOOT}", visit("B")),
            ),
            2,
        ),
        (
            Endless::new(&format!("{HEAD}<!-- "), &huge, 110, &format!("{}{FOOT}", visit("B"))),
            1,
        ),
    ];
    for (mut input, expected) in inputs {
        let mut records = records(&mut input, &limits);
        let (mut count, mut most) = (0, 0);
        while let Some(cut) = records.next() {
            assert!(cut.unwrap().hoso.len() <= limits.record_bytes);
            most = most.max(records.capacity());
            count += 1;
        }
        drop(records);
        assert_eq!(count, expected);
        assert!(input.given > 110 * MIB);
        assert!((MIB / 4..=limits.record_bytes + MIB / 4).contains(&most), "{most}");
    }
}
