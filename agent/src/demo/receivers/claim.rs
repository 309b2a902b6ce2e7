//! What the insurance gateway looks at in a file: base64 and XML to the letter, one visit, one facility.
//!
//! It checks the wrapping, never the medicine; the real gateway does that hours later, on its portal.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use quick_xml::Reader;
use quick_xml::events::Event;

/// Why a file is not taken, as the gateway says it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) text: String,
}

/// The `MA_LK` of a record file from this facility.
pub(super) fn record_file(file: &[u8], facility: &str) -> Result<String, Refusal> {
    let mut seen = Outer::default();
    let root = read(&decoded(file)?, |node| match node {
        Node::Start("HOSO") => seen.records += 1,
        Node::Leaf("MACSKCB", text) => seen.facility = Some(text.trim().to_owned()),
        Node::Leaf("SOLUONGHOSO", text) => seen.count = Some(text.trim().to_owned()),
        Node::Leaf("LOAIHOSO", text) => seen.names.push(text.trim().to_owned()),
        Node::Leaf("NOIDUNGFILE", text) => seen.contents.push(text.trim().to_owned()),
        _ => {}
    })?;
    if root != "GIAMDINHHS" {
        return refuse(FORMAT, "Thẻ gốc không phải GIAMDINHHS");
    }
    if seen.facility.as_deref() != Some(facility) {
        return refuse(PARAMETER, "MACSKCB trong tệp khác maCSKCB");
    }
    if seen.records != 1 || seen.count.as_deref() != Some("1") {
        return refuse(PARAMETER, format!("Mỗi tệp một hồ sơ: có {} HOSO", seen.records));
    }
    if seen.names.len() != seen.contents.len() {
        return refuse(FORMAT, "FILEHOSO thiếu LOAIHOSO hoặc NOIDUNGFILE không phải base64");
    }
    let mut keys = Vec::new();
    for (name, content) in seen.names.iter().zip(&seen.contents) {
        let Ok(table) = BASE64.decode(content) else {
            return refuse(FORMAT, format!("NOIDUNGFILE của {name} không phải base64"));
        };
        let in_table = |refusal: Refusal| Refusal {
            text: format!("{name}: {}", refusal.text),
            ..refusal
        };
        read(&decoded(&table).map_err(in_table)?, |node| {
            if let Node::Leaf("MA_LK", text) = node {
                keys.push((name == "XML1", text.trim().to_owned()));
            }
        })
        .map_err(in_table)?;
    }
    match keys.iter().find(|(summary, key)| *summary && !key.is_empty()) {
        None => refuse(PARAMETER, "Thiếu XML1 hoặc MA_LK"),
        Some((_, key)) if keys.iter().any(|(_, other)| other != key) => {
            refuse(PARAMETER, "MA_LK của các bảng không giống nhau")
        }
        Some((_, key)) => Ok(key.clone()),
    }
}

/// What no check-in may lack (QĐ 3176, XML0).
const NEEDED: [&str; 10] = [
    "MA_LK",
    "STT",
    "MA_BN",
    "HO_TEN",
    "NGAY_SINH",
    "GIOI_TINH",
    "MA_DOITUONG_KCB",
    "NGAY_VAO",
    "MA_LOAI_KCB",
    "NGAY_YL",
];

/// The `MA_LK` of a check-in document of this facility: one row, and all in it that must be.
pub(super) fn check_in(file: &[u8], facility: &str) -> Result<String, Refusal> {
    let (mut lists, mut rows, mut fields) = (0, 0, Vec::new());
    let root = read(&decoded(file)?, |node| match node {
        Node::Start("DSACH_TRANG_THAI_KCB") => lists += 1,
        Node::Start("TRANG_THAI_KCB") => rows += 1,
        Node::Leaf(name, text) => fields.push((name.to_owned(), text.trim().to_owned())),
        Node::Start(_) => {}
    })?;
    if root != "CHI_TIEU_TRANG_THAI_KCB" {
        return refuse(FORMAT, "Thẻ gốc không phải CHI_TIEU_TRANG_THAI_KCB");
    }
    if (lists, rows) != (1, 1) {
        return refuse(
            PARAMETER,
            format!("Mỗi tệp check-in một dòng TRANG_THAI_KCB: có {rows}"),
        );
    }
    let field = |wanted: &str| {
        let mut values = fields
            .iter()
            .filter(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none()).unwrap_or_default()
    };
    if let Some(missing) = NEEDED.iter().find(|name| field(name).is_empty()) {
        return refuse(PARAMETER, format!("Thiếu {missing}"));
    }
    if field("MA_CSKCB") != facility {
        return refuse(PARAMETER, "MA_CSKCB trong tệp khác maCSKCB");
    }
    Ok(field("MA_LK").to_owned())
}

pub(super) fn refuse<T>(code: &'static str, text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        code,
        text: text.into(),
    })
}

/// A parameter of the call, or what must agree with one, is wrong.
pub(super) const PARAMETER: &str = "205";
/// The file itself is wrong.
pub(super) const FORMAT: &str = "123";

#[derive(Default)]
struct Outer {
    records: usize,
    facility: Option<String>,
    count: Option<String>,
    names: Vec<String>,
    contents: Vec<String>,
}

enum Node<'a> {
    Start(&'a str),
    /// An element without elements inside, with its text.
    Leaf(&'a str, &'a str),
}

/// Walks a well-formed document without DTD and gives the name of its root.
fn read(xml: &str, mut on: impl FnMut(Node)) -> Result<String, Refusal> {
    if xml
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{80}'..='\u{9f}'))
    {
        return refuse(FORMAT, "XML chứa ký tự không hợp lệ");
    }
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_comments = true;
    let (mut root, mut open, mut text) = (None, Vec::<String>::new(), String::new());
    // The innermost element, while nothing but text was in it.
    let mut leaf = false;
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(_) => return malformed(&reader),
        };
        match event {
            Event::Start(start) => {
                if start.attributes().any(|attribute| attribute.is_err()) || (open.is_empty() && root.is_some()) {
                    return malformed(&reader);
                }
                let name = String::from_utf8_lossy(start.name().as_ref()).into_owned();
                on(Node::Start(&name));
                root.get_or_insert_with(|| name.clone());
                open.push(name);
                text.clear();
                leaf = true;
            }
            Event::Empty(empty) => {
                if empty.attributes().any(|attribute| attribute.is_err()) || (open.is_empty() && root.is_some()) {
                    return malformed(&reader);
                }
                let name = String::from_utf8_lossy(empty.name().as_ref()).into_owned();
                on(Node::Start(&name));
                on(Node::Leaf(&name, ""));
                root.get_or_insert(name);
                leaf = false;
            }
            Event::End(_) => {
                let Some(name) = open.pop() else {
                    return malformed(&reader);
                };
                if leaf {
                    on(Node::Leaf(&name, &text));
                }
                leaf = false;
            }
            Event::Text(part) => {
                let part = part.decode().unwrap_or_default();
                if open.is_empty() && !part.trim().is_empty() {
                    return malformed(&reader);
                }
                text.push_str(&part);
            }
            Event::CData(part) if !open.is_empty() => text.push_str(&part.decode().unwrap_or_default()),
            Event::GeneralRef(part) if !open.is_empty() => {
                let name = part.decode().unwrap_or_default();
                match part.resolve_char_ref() {
                    Ok(Some(character)) => text.push(character),
                    Ok(None) => match quick_xml::escape::resolve_predefined_entity(&name) {
                        Some(known) => text.push_str(known),
                        None => return malformed(&reader),
                    },
                    Err(_) => return malformed(&reader),
                }
            }
            Event::CData(_) | Event::GeneralRef(_) => return malformed(&reader),
            Event::DocType(_) => return refuse(FORMAT, "XML không được khai báo DTD"),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => match root {
                Some(root) if open.is_empty() => return Ok(root),
                _ => return malformed(&reader),
            },
        }
    }
}

fn malformed<T>(reader: &Reader<&[u8]>) -> Result<T, Refusal> {
    refuse(
        FORMAT,
        format!("XML không đúng cấu trúc ở byte {}", reader.buffer_position()),
    )
}

/// The bytes decide about the encoding, not the declaration.
fn decoded(bytes: &[u8]) -> Result<String, Refusal> {
    let utf16 = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..]
            .chunks_exact(2)
            .map(|pair| unit([pair[0], pair[1]]))
            .collect();
        bytes
            .len()
            .is_multiple_of(2)
            .then(|| String::from_utf16(&units).ok())
            .flatten()
    };
    let text = match bytes {
        [0xFF, 0xFE, ..] => utf16(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => utf16(u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        plain => String::from_utf8(plain.to_vec()).ok(),
    };
    text.map_or_else(|| refuse(FORMAT, "Tệp không phải UTF-8 hoặc UTF-16"), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inner: &str) -> String {
        let table = BASE64.encode(inner);
        format!(
            "<GIAMDINHHS><THONGTINDONVI><MACSKCB>79999</MACSKCB></THONGTINDONVI><THONGTINHOSO><SOLUONGHOSO>1</SOLUONGHOSO>\
             <DANHSACHHOSO><HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>{table}</NOIDUNGFILE></FILEHOSO></HOSO>\
             </DANHSACHHOSO></THONGTINHOSO><CHUKYDONVI/></GIAMDINHHS>"
        )
    }

    const SUMMARY: &str = "<TONG_HOP><MA_LK>A&amp;B</MA_LK><HO_TEN><![CDATA[Trần <Thử>]]></HO_TEN></TONG_HOP>";

    fn code(file: &str) -> &'static str {
        record_file(file.as_bytes(), "79999").map_or_else(|refusal| refusal.code, |_| "200")
    }

    #[test]
    fn a_well_formed_file_with_one_visit_is_taken_in_any_unicode_encoding() {
        let good = file(SUMMARY);
        assert_eq!(record_file(good.as_bytes(), "79999").as_deref(), Ok("A&B"));
        assert_eq!(
            record_file(format!("\u{feff}{good}").as_bytes(), "79999").as_deref(),
            Ok("A&B")
        );
        let utf16: Vec<u8> = [0xFEFF]
            .into_iter()
            .chain(good.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(record_file(&utf16, "79999").as_deref(), Ok("A&B"));
    }

    #[test]
    fn what_is_not_one_visit_of_the_caller_is_a_wrong_parameter() {
        let good = file(SUMMARY);
        assert_eq!(
            record_file(good.as_bytes(), "01001").map_err(|refusal| refusal.code),
            Err("205")
        );
        assert_eq!(code(&good.replace("<SOLUONGHOSO>1", "<SOLUONGHOSO>2")), "205");
        let record = &good[good.find("<HOSO>").unwrap()..good.find("</DANHSACHHOSO>").unwrap()];
        assert_eq!(code(&good.replace(record, &format!("{record}{record}"))), "205");
        assert_eq!(code(&file("<TONG_HOP><MA_LK> </MA_LK></TONG_HOP>")), "205");
        assert_eq!(
            code(&file("<TONG_HOP><MA_LK>1</MA_LK><X><MA_LK>2</MA_LK></X></TONG_HOP>")),
            "205"
        );
        assert_eq!(code(&good.replace("XML1", "XML2")), "205");
    }

    #[test]
    fn whatever_is_not_xml_in_base64_in_xml_is_a_wrong_format() {
        let good = file(SUMMARY);
        let wrapped = good.replacen("<NOIDUNGFILE>PFRP", "<NOIDUNGFILE>PF\nRP", 1);
        assert_ne!(good, wrapped);
        let inline = good.replacen("<NOIDUNGFILE>", "<NOIDUNGFILE><TONG_HOP/>", 1);
        for bad in [
            wrapped,
            inline,
            good.replace("<CHUKYDONVI/>", "").replace("</GIAMDINHHS>", ""),
            good.replace("</GIAMDINHHS>", "</GIAMDINHHS><X/>"),
            good.replace("</GIAMDINHHS>", "</GIAMDINHHS>x"),
            good.replace("79999", "&ten;"),
            good.replace("<CHUKYDONVI/>", "<CHUKYDONVI a='1' a='2'/>"),
            good.replace("79999", "\u{1}79999"),
            format!("<!DOCTYPE GIAMDINHHS>{good}"),
            good.replace("GIAMDINHHS", "HOSOKHAC"),
            file("<TONG_HOP><MA_LK>1</TONG_HOP>"),
            file("<!DOCTYPE TONG_HOP [<!ENTITY a \"b\">]><TONG_HOP><MA_LK>1</MA_LK></TONG_HOP>"),
            file(""),
            String::new(),
        ] {
            assert_eq!(code(&bad), "123", "{bad}");
        }
        assert_eq!(
            record_file(b"\xFF\xFE<", "79999").map_err(|refusal| refusal.code),
            Err("123")
        );
    }

    #[test]
    fn a_check_in_is_one_row_of_the_caller_with_all_it_must_have() {
        let fields: String = NEEDED.iter().map(|name| format!("<{name}>7</{name}>")).collect();
        let row = format!("<TRANG_THAI_KCB>{fields}<MA_CSKCB>79999</MA_CSKCB></TRANG_THAI_KCB>");
        let good = format!(
            "<CHI_TIEU_TRANG_THAI_KCB><DSACH_TRANG_THAI_KCB>{row}</DSACH_TRANG_THAI_KCB><CHUKYDONVI/></CHI_TIEU_TRANG_THAI_KCB>"
        );
        let code = |file: &str| check_in(file.as_bytes(), "79999").map_err(|refusal| refusal.code);
        assert_eq!(code(&good).as_deref(), Ok("7"));
        assert_eq!(code(&good.replace("CHI_TIEU_TRANG_THAI_KCB", "TONG_HOP")), Err("123"));
        assert_eq!(code(&good.replace("</DSACH_TRANG_THAI_KCB>", "")), Err("123"));
        assert_eq!(code(&good.replace(&row, &row.repeat(2))), Err("205"));
        assert_eq!(code(&good.replace("<MA_CSKCB>79999", "<MA_CSKCB>01001")), Err("205"));
        assert_eq!(code(&good.replace("DSACH_TRANG_THAI_KCB", "X")), Err("205"));
        for name in NEEDED {
            assert_eq!(
                code(&good.replace(&format!("<{name}>7<"), &format!("<{name}> <"))),
                Err("205"),
                "{name}"
            );
        }
    }
}
