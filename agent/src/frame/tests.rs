//! Both layers together on invented exports. One file per question: where records end, what they say, what damage does.

mod checkins;
mod cutting;
mod damage;
mod encodings;
mod envelopes;
mod opening;
mod spoiled;

use std::io::Read;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;

/// A value that must never show up in a message.
const SECRET: &str = "Trần Thị Bí Mật";

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<GIAMDINHHS>\n<THONGTINDONVI><MACSKCB>79999</MACSKCB>\
    </THONGTINDONVI>\n<THONGTINHOSO><NGAYLAP>20260105</NGAYLAP><SOLUONGHOSO>3</SOLUONGHOSO>\n<DANHSACHHOSO>\n";
const FOOT: &str = "</DANHSACHHOSO></THONGTINHOSO>\n<CHUKYDONVI></CHUKYDONVI></GIAMDINHHS>";

fn file(records: &[String]) -> String {
    format!("{HEAD}{}{FOOT}", records.concat())
}

fn hoso(tables: &[String]) -> String {
    format!("<HOSO>\n{}</HOSO>\n", tables.concat())
}

/// A `FILEHOSO` whose content stands as given.
fn raw(name: &str, content: &str) -> String {
    format!("<FILEHOSO><LOAIHOSO>{name}</LOAIHOSO><NOIDUNGFILE>{content}</NOIDUNGFILE></FILEHOSO>\n")
}

fn table(name: &str, document: &str) -> String {
    raw(name, &b64(document))
}

fn b64(document: impl AsRef<[u8]>) -> String {
    STANDARD.encode(document)
}

fn summary(key: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<TONG_HOP><MA_LK>{key}</MA_LK><HO_TEN>{SECRET}</HO_TEN></TONG_HOP>"
    )
}

fn drugs(key: &str) -> String {
    let row = |n| format!("<CHI_TIET_THUOC><MA_LK>{key}</MA_LK><STT>{n}</STT><GHI_CHU/></CHI_TIET_THUOC>\n");
    let rows = [row(1), row(2)].concat();
    format!("<CHITIEU_CHITIET_THUOC><DSACH_CHI_TIET_THUOC>\n{rows}</DSACH_CHI_TIET_THUOC></CHITIEU_CHITIET_THUOC>")
}

fn visit(key: &str) -> String {
    hoso(&[table("XML1", &summary(key)), table("XML2", &drugs(key))])
}

fn visits(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| visit(key)).collect()
}

fn cuts(input: impl Read) -> Vec<Cut> {
    records(input, &Limits::default()).map(|cut| cut.unwrap()).collect()
}

fn open_one(record: &str) -> Result<Opened, RecordFault> {
    open_with(record, &Limits::default())
}

fn open_with(record: &str, limits: &Limits) -> Result<Opened, RecordFault> {
    let mut cuts = cuts(file(&[record.to_owned()]).as_bytes());
    assert_eq!(cuts.len(), 1);
    open(&cuts.remove(0), limits)
}

fn code(record: &str) -> &'static str {
    open_one(record).map(|opened| opened.view_json()).unwrap_err().code
}

/// `MA_LK` of each record, or the code of its fault.
fn keys(input: impl Read) -> Vec<String> {
    let limits = Limits::default();
    cuts(input).iter().map(|cut| key(open(cut, &limits))).collect()
}

fn key(opened: Result<Opened, RecordFault>) -> String {
    match opened {
        Ok(opened) => opened
            .rows("XML1")
            .find_map(|row| row.get("MA_LK").map(str::to_owned))
            .unwrap_or_default(),
        Err(fault) => fault.code.to_owned(),
    }
}

fn refused(input: impl Read) -> Fault {
    match survey(input, &Limits::default()) {
        Err(FileFault::Refused(fault)) => fault,
        other => panic!("should have been refused: {other:?}"),
    }
}

fn wide(text: &str, bom: bool, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let bom = bom.then_some('\u{FEFF}');
    bom.into_iter()
        .chain(text.chars())
        .collect::<String>()
        .encode_utf16()
        .flat_map(to_bytes)
        .collect()
}

/// Gives one byte per call, and is interrupted between.
struct Drops<'a>(&'a [u8], bool);

impl Read for Drops<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let n = buf.len().min(1);
        self.0.read(&mut buf[..n])
    }
}
