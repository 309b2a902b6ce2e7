//! Exports in encodings of before Unicode, or read through a wrong one.

use vhr_core::{record::Issue, spoiled::Encoding};

use super::*;

const FIELDS: [(&str, &str); 4] = [
    ("HO_TEN", "Nguyễn Văn Hưởng Bà"),
    ("DIA_CHI", "Số 5 đường Trần Phú, phường Bến Nghé"),
    ("CHAN_DOAN_VAO", "Viêm phổi thuỳ dưới phải; tăng huyết áp"),
    ("GHI_CHU", "Sơn"),
];
const NOTES: [&str; 2] = ["Ngày uống 2 lần, mỗi lần 1 viên", "Tiêm tĩnh mạch chậm, 5 ml"];

/// A visit whose text went through `spoil`.
fn spoiled(spoil: impl Fn(&str) -> String) -> String {
    let fields = FIELDS.map(|(name, value)| format!("<{name}>{}</{name}>", spoil(value)));
    let row = |note: &&str| {
        format!(
            "<CT><MA_LK>A</MA_LK><TEN_THUOC>Panadol</TEN_THUOC><LIEU_DUNG>{}</LIEU_DUNG></CT>",
            spoil(note)
        )
    };
    hoso(&[
        table("XML1", &format!("<T><MA_LK>A</MA_LK>{}</T>", fields.concat())),
        table(
            "XML2",
            &format!("<L><D>{}</D></L>", NOTES.iter().map(row).collect::<String>()),
        ),
    ])
}

fn latin1(encoding: Encoding, text: &str) -> String {
    encoding.encode(text).unwrap().into_iter().map(char::from).collect()
}

fn mojibake(text: &str) -> String {
    String::from_utf8(Encoding::Mojibake.encode(text).unwrap()).unwrap()
}

fn repairs(opened: &Opened) -> Vec<(&'static str, &str, Encoding, u32)> {
    let of = |repair: &'_ Repair| (repair.table, repair.encoding, repair.values);
    let list = opened.repairs.iter().map(|repair| (of(repair), repair.field.as_str()));
    list.map(|((table, encoding, values), field)| (table, field, encoding, values))
        .collect()
}

/// The values of the first row of XML1.
fn values(opened: &Opened) -> Vec<String> {
    let row = opened.rows("XML1").next().unwrap();
    row.fields().map(|(_, value)| value.to_owned()).collect()
}

#[test]
fn a_spoiled_export_says_the_same_as_a_clean_one_and_is_the_same_version() {
    let clean = open_one(&spoiled(str::to_owned)).unwrap();
    assert!(clean.repairs.is_empty() && clean.written.is_none());
    let legacy = [Encoding::Tcvn3, Encoding::Vni, Encoding::Windows1258, Encoding::Viscii];
    let ways = legacy
        .map(|encoding| (encoding, spoiled(|text| latin1(encoding, text))))
        .into_iter()
        .chain([
            (Encoding::Mojibake, spoiled(mojibake)),
            (Encoding::Mojibake, spoiled(|text| mojibake(&mojibake(&mojibake(text))))),
            (
                Encoding::Decomposed,
                spoiled(|text| String::from_utf8(Encoding::Decomposed.encode(text).unwrap()).unwrap()),
            ),
        ]);
    for (encoding, record) in ways {
        let opened = open_one(&record).unwrap();
        assert_eq!(opened.view_json(), clean.view_json());
        assert_eq!(opened.digest(), clean.digest());
        // The claim keeps what was written, and says something else.
        let written = opened.written.inspect(|written| assert_ne!(*written, clean.digest()));
        assert_eq!(written.is_some(), encoding != Encoding::Decomposed, "{encoding:?}");
        assert_eq!(written, open_one(&record).unwrap().written);
        let expected = [
            ("XML1", "CHAN_DOAN_VAO", encoding, 1),
            ("XML1", "DIA_CHI", encoding, 1),
            ("XML1", "GHI_CHU", encoding, 1),
            ("XML1", "HO_TEN", encoding, 1),
            ("XML2", "LIEU_DUNG", encoding, 2),
        ];
        assert_eq!(repairs(&opened), expected);
    }
}

#[test]
fn the_claim_keeps_the_bytes_that_came() {
    let record = spoiled(|text| latin1(Encoding::Tcvn3, text));
    let cut = cuts(file(std::slice::from_ref(&record)).as_bytes()).remove(0);
    let opened = open(&cut, &Limits::default()).unwrap();
    assert!(opened.in_form && !opened.repairs.is_empty());
    let envelope = envelope(&Survey::default(), &cut, &opened);
    let content = record.split("NOIDUNGFILE>").nth(1).unwrap().trim_end_matches("</");
    assert!(memchr::memmem::find(&envelope, content.as_bytes()).is_some());
}

#[test]
fn bytes_under_a_declared_label_come_to_the_same_as_their_characters_in_utf8() {
    let text = |label: &str| {
        format!("<?xml version=\"1.0\" encoding=\"{label}\"?><T><MA_LK>A</MA_LK><HO_TEN>Trần Thị Hồng</HO_TEN></T>")
    };
    let bytes = Encoding::Tcvn3.encode(&text("windows-1252")).unwrap();
    let narrow = open_one(&hoso(&[raw("XML1", &b64(bytes))])).unwrap();
    let wide = open_one(&hoso(&[table("XML1", &latin1(Encoding::Tcvn3, &text("utf-8")))])).unwrap();
    assert_eq!(narrow.rows("XML1").next().unwrap().get("HO_TEN"), Some("Trần Thị Hồng"));
    assert_eq!((narrow.digest(), narrow.repairs), (wide.digest(), wide.repairs));
}

#[test]
fn good_text_signs_and_codes_stay_as_they_are() {
    let row = "<HO_TEN>Nguyễn Công Sơn</HO_TEN><MA_BN>NguyÔn V¨n H¹nh</MA_BN><DON_VI_DO>µg/m²·h</DON_VI_DO>\
        <TEN_BS>Loïc Müller, François\u{A0}</TEN_BS><KET_QUA>3×10 ±0,5 °C ≥ 5 «N·m» 10⁹/L ½ Panadol®</KET_QUA>";
    let opened = open_one(&hoso(&[table("XML1", &format!("<T>{row}</T>"))])).unwrap();
    let read = values(&opened);
    let expected = [
        "Nguyễn Công Sơn",
        "NguyÔn V¨n H¹nh",
        "µg/m²·h",
        "Loïc Müller, François",
        "3×10 ±0,5 °C ≥ 5 «N·m» 10⁹/L ½ Panadol®",
    ];
    assert_eq!(read, expected);
    assert!(opened.repairs.is_empty());
}

#[test]
fn columns_of_their_own_encodings_are_each_read_in_it() {
    let name = latin1(Encoding::Vni, "Đặng Thị Tuyết Hồng");
    let note = mojibake("Tái khám sau một tuần, uống đủ nước");
    let row = format!("<HO_TEN>{name}</HO_TEN><GHI_CHU>{note}</GHI_CHU><DIA_CHI>Hà Nội, phường Ô Chợ Dừa</DIA_CHI>");
    let opened = open_one(&hoso(&[table("XML1", &format!("<T>{row}</T>"))])).unwrap();
    let read = values(&opened);
    assert_eq!(
        read,
        [
            "Đặng Thị Tuyết Hồng",
            "Tái khám sau một tuần, uống đủ nước",
            "Hà Nội, phường Ô Chợ Dừa"
        ]
    );
    assert_eq!(
        repairs(&opened),
        [
            ("XML1", "GHI_CHU", Encoding::Mojibake, 1),
            ("XML1", "HO_TEN", Encoding::Vni, 1)
        ]
    );
}

#[test]
fn each_column_that_was_spoiled_is_told_without_a_value() {
    let opened = open_one(&spoiled(|text| latin1(Encoding::Tcvn3, text))).unwrap();
    let told: Vec<Issue> = opened.repairs.iter().map(Issue::from).collect();
    assert_eq!(told[4].source, "XML2/LIEU_DUNG");
    assert_eq!(
        (told[4].severity.as_str(), told[4].code.as_str()),
        ("warning", "TEXT-TCVN3")
    );
    assert!(told[4].message.starts_with("2 giá trị viết theo TCVN3 (ABC)"));
    let words = FIELDS
        .iter()
        .flat_map(|(_, value)| value.split_whitespace())
        .filter(|word| word.len() > 3);
    assert!(
        words
            .into_iter()
            .all(|word| told.iter().all(|issue| !issue.message.contains(word)))
    );
}

#[test]
fn fields_beside_a_list_leave_nothing_behind() {
    let stray = "<X>Tie\u{302}m</X><Y>Pho\u{302}\u{309}i</Y>";
    let row = "<R><HO_TEN>Trần Thị Bình</HO_TEN><DIA_CHI>Hà Nội</DIA_CHI></R>";
    let opened = open_one(&hoso(&[table("XML2", &format!("<T>{stray}<D>{row}</D></T>"))])).unwrap();
    assert_eq!(opened.rows("XML2").count(), 1);
    assert!(opened.repairs.is_empty());
}
