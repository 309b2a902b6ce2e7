use quick_xml::Reader;
use quick_xml::events::Event;

use super::*;

fn number(text: &str) -> Option<Number> {
    Some(text.parse().unwrap())
}

/// A row with something in each of its fields.
fn full<T: TableRow>() -> T {
    let mut row = T::default();
    for (at, field) in T::ABOUT.fields.iter().enumerate() {
        let text = match field.kind {
            Kind::Text if field.size.is_none_or(|size| size > 8) => "Ă<&>\r\n đ",
            Kind::Text => "1",
            Kind::Number if field.size.is_some_and(|size| size < 4) => "7",
            Kind::Number => "7.10",
            Kind::Date => "20260301",
            Kind::DateTime => "202603010830",
        };
        row.set(at, text).unwrap();
    }
    row
}

/// Elements of a document with their depth, and their text where they have any.
fn elements(xml: &str) -> Vec<(usize, String, String)> {
    let mut reader = Reader::from_str(xml);
    let (mut depth, mut found) = (0, Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                found.push((
                    depth,
                    String::from_utf8(start.name().0.to_vec()).unwrap(),
                    String::new(),
                ));
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            Event::Text(text) if depth > 0 => found.last_mut().unwrap().2 += &text.decode().unwrap(),
            Event::GeneralRef(name) => {
                let text = match name.decode().unwrap().as_ref() {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "#13" => "\r",
                    other => panic!("{other}"),
                };
                found.last_mut().unwrap().2 += text;
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

/// Writes two rows (one where a table has no more), and reads them from the document.
fn comes_back<T: TableRow + PartialEq + std::fmt::Debug>() {
    let about = T::ABOUT;
    let rows: Vec<T> = (0..if about.rows.is_some() { 2 } else { 1 }).map(|_| full()).collect();
    let (mut written, mut faults) = (Vec::new(), Vec::new());
    write::write(&rows, &mut written, &mut faults);
    assert_eq!(faults, [], "{}", about.name);
    let elements = elements(&written[0].xml);
    let depth = if about.rows.is_some() { 3 } else { 1 };
    let names: Vec<&str> = elements
        .iter()
        .filter(|(at, ..)| *at < depth)
        .map(|(_, name, _)| &**name)
        .collect();
    match about.rows {
        None => assert_eq!(names, [about.root]),
        Some((list, row)) => assert_eq!(names, [about.root, list, row, row]),
    }
    let fields: Vec<(&str, &str)> = elements
        .iter()
        .filter(|(at, ..)| *at == depth)
        .map(|(_, name, text)| (&**name, &**text))
        .collect();
    let read: Vec<T> = fields
        .chunks(about.fields.len())
        .enumerate()
        .map(|(at, fields)| T::read(&Row::of(fields.iter().copied()), at + 1, &mut faults))
        .collect();
    assert_eq!(faults, [], "{}", about.name);
    assert_eq!(read, rows);
}

#[test]
fn there_are_sixteen_tables_with_479_fields() {
    assert_eq!(TABLES.map(|about| about.name).last(), Some(&"XML15"));
    assert_eq!(TABLES.iter().map(|about| about.fields.len()).sum::<usize>(), 479);
    let (first, quantity) = (
        TABLES[1].fields[0],
        TABLES[2].fields.iter().find(|field| field.name == "SO_LUONG"),
    );
    assert_eq!(
        (first.name, first.vi, first.size, first.need),
        ("MA_LK", "Mã liên kết đợt điều trị", Some(100), Need::Yes)
    );
    assert_eq!(quantity.unwrap().kind, Kind::Number);
}

#[test]
fn whatever_is_written_is_read_back_from_every_table() {
    comes_back::<Xml0>();
    comes_back::<Xml1>();
    comes_back::<Xml2>();
    comes_back::<Xml3>();
    comes_back::<Xml4>();
    comes_back::<Xml5>();
    comes_back::<Xml6>();
    comes_back::<Xml7>();
    comes_back::<Xml8>();
    comes_back::<Xml9>();
    comes_back::<Xml10>();
    comes_back::<Xml11>();
    comes_back::<Xml12>();
    comes_back::<Xml13>();
    comes_back::<Xml14>();
    comes_back::<Xml15>();
}

#[test]
fn a_field_that_is_empty_is_written_as_an_empty_element() {
    let mut row = full::<Xml10>();
    row.du_phong = None;
    let tables = Tables {
        xml10: vec![row],
        ..Tables::default()
    };
    let written = tables.write().unwrap();
    assert_eq!(written.len(), 1);
    assert!(written[0].xml.contains("<DU_PHONG></DU_PHONG>"));
}

#[test]
fn what_a_gateway_would_not_take_is_told_all_at_once_and_nothing_is_written() {
    let mut drug = full::<Xml2>();
    drug.ma_lk = None;
    drug.don_vi_tinh = Some("x".repeat(300));
    drug.lieu_dung = Some("1 viên\u{7}".into());
    let tables = Tables {
        xml1: vec![full(), full()],
        xml2: vec![full(), drug],
        ..Tables::default()
    };
    let faults = tables.write().unwrap_err();
    let told: Vec<(&str, Wrong)> = faults.iter().map(|fault| (&*fault.path, fault.wrong)).collect();
    let size = Xml2::ABOUT
        .fields
        .iter()
        .find(|field| field.name == "DON_VI_TINH")
        .unwrap()
        .size
        .unwrap();
    assert_eq!(
        told,
        [
            ("XML1[2]/", Wrong::ManyRows),
            ("XML2[2]/MA_LK", Wrong::Missing),
            ("XML2[2]/DON_VI_TINH", Wrong::TooLong(size)),
            ("XML2[2]/LIEU_DUNG", Wrong::Unwritable),
        ]
    );
    assert!(
        faults.iter().all(|fault| !fault.to_string().contains("viên")),
        "values stay out of it"
    );
}

#[test]
fn names_of_older_decisions_are_read_as_those_of_now() {
    let visit = Visit::parse(
        r#"{"XML13":[{"MA_LK":"L1","MA_NOI_DI":"79001","MA_NOI_DEN":"79002","PP_DIEU_TRI":"mổ","TEN_DICH_VU":"siêu âm","TEN_THUOC":"thuốc"}]}"#,
    );
    let (tables, faults) = Tables::read(&visit.unwrap());
    assert_eq!(faults, []);
    let referral = &tables.xml13[0];
    assert_eq!(referral.ma_cskcb_di.as_deref(), Some("79001"));
    assert_eq!(referral.ma_cskcb_den.as_deref(), Some("79002"));
    assert_eq!(referral.pp_dieutri.as_deref(), Some("mổ; siêu âm; thuốc"));
}

#[test]
fn what_does_not_fit_is_told_and_the_rest_is_read() {
    let json = r#"{"XML2":[{"MA_LK":"L1"},{"MA_LK":"L1","SO_LUONG":"hai","NGAY_YL":"202613010000","DON_GIA":"1.50","MOI":"1"}],"XML99":[{}]}"#;
    let (tables, faults) = Tables::read(&Visit::parse(json).unwrap());
    assert_eq!(tables.xml2.len(), 2);
    assert_eq!(tables.xml2[1].so_luong, None);
    assert_eq!(tables.xml2[1].don_gia, number("1.50"));
    let told: Vec<(&str, Wrong)> = faults.iter().map(|fault| (&*fault.path, fault.wrong)).collect();
    assert_eq!(
        told,
        [
            ("XML2[2]/SO_LUONG", Wrong::NotOfTheKind(Kind::Number)),
            ("XML2[2]/NGAY_YL", Wrong::NotOfTheKind(Kind::DateTime)),
            ("XML2[2]/MOI", Wrong::NotOfTheTable),
            ("XML99[1]/", Wrong::NotOfTheTable),
        ]
    );
}

#[test]
fn a_birth_of_which_little_is_known_is_a_date_of_the_tables() {
    for known in ["195000000000", "195003000000", "195003010000", "20260301"] {
        assert!(known.parse::<DateTime>().is_ok(), "{known}");
    }
    for unknown in ["", "1950", "19501301", "195013010000", "2026-03-01", "202603012460"] {
        assert!(unknown.parse::<DateTime>().is_err(), "{unknown}");
    }
}

#[test]
fn filled_tables_are_a_record_like_one_of_an_export() {
    let tables = Tables {
        xml2: vec![
            Xml2 {
                ma_lk: Some("L1".into()),
                so_luong: number("2"),
                ten_thuoc: Some(String::new()),
                ..Xml2::default()
            },
            Xml2::default(),
        ],
        ..Tables::default()
    };
    let visit = tables.to_visit();
    assert_eq!(
        visit
            .tables()
            .map(|(name, rows)| (name, rows.len()))
            .collect::<Vec<_>>(),
        [("XML2", 2)]
    );
    let fields: Vec<(&str, &str)> = visit.table("XML2")[0].fields().collect();
    assert_eq!(fields, [("MA_LK", "L1"), ("SO_LUONG", "2")]);
}
