//! The report as a workbook: a sheet for each table, the definitions on one of their own.
//!
//! The few parts that a workbook needs, put into a ZIP file as they are. A library for it was weighed: `rust_xlsxwriter` adds 1.2 MB to the
//! program even when built small, of which 0.1 MB would be left for `zip` alone; a ZIP without packing is two small tables. Numbers are
//! numbers and text is text (`inlineStr`): nothing in it can be taken for a formula, and the reader's own Windows chooses the commas.

use std::fmt::Write as _;

use super::html::escaped;
use super::sheets::{Cell, Report, Sheet};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";
/// The looks of a cell, by their place in `styles.xml`.
const PLAIN: u8 = 0;
const BOLD: u8 = 1;
const PERCENT: u8 = 2;
const POINTS: u8 = 3;
const WRAPPED: u8 = 4;

/// The file.
pub(super) fn workbook(report: &Report) -> Vec<u8> {
    let mut sheets: Vec<(String, String)> = report
        .sheets
        .iter()
        .map(|sheet| (sheet.title.vi.clone(), table(sheet, report)))
        .collect();
    sheets.push(("Cách tính".into(), definitions(report)));
    let (mut types, mut names, mut links) = (String::new(), String::new(), String::new());
    for (nth, (name, _)) in (1..).zip(&sheets) {
        // Writing to a String cannot fail.
        let _ = write!(
            types,
            "<Override PartName=\"/xl/worksheets/sheet{nth}.xml\" ContentType=\"{TYPE}.worksheet+xml\"/>"
        );
        let _ = write!(
            names,
            "<sheet name=\"{}\" sheetId=\"{nth}\" r:id=\"r{nth}\"/>",
            sheet_name(name)
        );
        let _ = write!(
            links,
            "<Relationship Id=\"r{nth}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{nth}.xml\"/>"
        );
    }
    let mut zip = Zip::default();
    zip.add(
        "[Content_Types].xml",
        &format!(
            "{HEAD}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
             <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
             <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
             <Override PartName=\"/xl/workbook.xml\" ContentType=\"{TYPE}.sheet.main+xml\"/>\
             <Override PartName=\"/xl/styles.xml\" ContentType=\"{TYPE}.styles+xml\"/>{types}</Types>"
        ),
    );
    zip.add(
        "_rels/.rels",
        &format!(
            "{HEAD}<Relationships xmlns=\"{RELATIONS}\"><Relationship Id=\"r1\" Type=\"{OFFICE}/officeDocument\" \
             Target=\"xl/workbook.xml\"/></Relationships>"
        ),
    );
    zip.add(
        "xl/workbook.xml",
        &format!("{HEAD}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets>{names}</sheets></workbook>"),
    );
    zip.add(
        "xl/_rels/workbook.xml.rels",
        &format!(
            "{HEAD}<Relationships xmlns=\"{RELATIONS}\">{links}<Relationship Id=\"styles\" Type=\"{OFFICE}/styles\" \
             Target=\"styles.xml\"/></Relationships>"
        ),
    );
    zip.add("xl/styles.xml", &styles());
    for (nth, (_, xml)) in (1..).zip(&sheets) {
        zip.add(&format!("xl/worksheets/sheet{nth}.xml"), xml);
    }
    zip.finish()
}

fn table(sheet: &Sheet, report: &Report) -> String {
    let mut rows = Rows::default();
    if report.sheets.first().is_some_and(|first| first.key == sheet.key) {
        rows.add(&[Cell::Text(report.title.to_string())], BOLD);
        for note in &report.notes {
            rows.add(&[Cell::Text(note.to_string())], PLAIN);
        }
        rows.add(&[], PLAIN);
    }
    let head: Vec<Cell> = sheet.head.iter().cloned().map(Cell::Text).collect();
    rows.add(&head, BOLD);
    sheet.rows.iter().for_each(|row| rows.add(row, PLAIN));
    let last = if sheet.key == "rules" { 90 } else { 22 };
    rows.sheet(&[(1, 34), (2, 22), (3, 22), (4, 22), (5, last)])
}

fn definitions(report: &Report) -> String {
    let mut rows = Rows::default();
    let label = |text: &str| Cell::Text(text.to_owned());
    rows.add(&[label("Cách tính"), label("How it is counted")], BOLD);
    for definition in &report.definitions {
        rows.add(&[label(&definition.vi), label(&definition.en)], WRAPPED);
    }
    rows.sheet(&[(1, 80), (2, 80)])
}

/// The rows of a sheet so far.
#[derive(Default)]
struct Rows {
    xml: String,
    count: usize,
}

impl Rows {
    fn add(&mut self, cells: &[Cell], look: u8) {
        self.count += 1;
        let _ = write!(self.xml, "<row r=\"{}\">", self.count);
        for cell in cells {
            let _ = match cell {
                Cell::Text(text) => write!(
                    self.xml,
                    "<c s=\"{look}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{}</t></is></c>",
                    escaped(text)
                ),
                Cell::Count(count) => write!(self.xml, "<c s=\"{look}\"><v>{count}</v></c>"),
                Cell::Change(change) => write!(self.xml, "<c s=\"{look}\"><v>{change}</v></c>"),
                Cell::Share(share) => match share.permille() {
                    Some(permille) => write!(self.xml, "<c s=\"{PERCENT}\"><v>{}</v></c>", thousandths(permille)),
                    None => write!(self.xml, "<c s=\"{PERCENT}\"/>"),
                },
                Cell::Points(Some(tenths)) => {
                    let sign = if *tenths < 0 { "-" } else { "" };
                    let (whole, rest) = (tenths.abs() / 10, tenths.abs() % 10);
                    write!(self.xml, "<c s=\"{POINTS}\"><v>{sign}{whole}.{rest}</v></c>")
                }
                Cell::Points(None) => write!(self.xml, "<c s=\"{POINTS}\"/>"),
            };
        }
        self.xml.push_str("</row>");
    }

    fn sheet(self, widths: &[(u8, u8)]) -> String {
        let mut columns = String::new();
        for (nth, width) in widths {
            let _ = write!(
                columns,
                "<col min=\"{nth}\" max=\"{nth}\" width=\"{width}\" customWidth=\"1\"/>"
            );
        }
        format!(
            "{HEAD}<worksheet xmlns=\"{MAIN}\"><cols>{columns}</cols><sheetData>{}</sheetData></worksheet>",
            self.xml
        )
    }
}

fn thousandths(permille: u64) -> String {
    format!("{}.{:03}", permille / 1000, permille % 1000)
}

/// At most 31 characters, and none of those that Excel keeps for itself.
fn sheet_name(name: &str) -> String {
    let allowed = name.chars().filter(|c| !"[]:*?/\\'".contains(*c));
    escaped(&allowed.take(31).collect::<String>())
}

fn styles() -> String {
    let look = |number: u8, font: u8, more: &str| {
        format!("<xf numFmtId=\"{number}\" fontId=\"{font}\" fillId=\"0\" borderId=\"0\" xfId=\"0\"{more}")
    };
    let number = " applyNumberFormat=\"1\"/>";
    let looks = [
        look(0, 0, "/>"),
        look(0, 1, " applyFont=\"1\"/>"),
        look(164, 0, number),
        look(165, 0, number),
        look(
            0,
            0,
            " applyAlignment=\"1\"><alignment vertical=\"top\" wrapText=\"1\"/></xf>",
        ),
    ];
    format!(
        "{HEAD}<styleSheet xmlns=\"{MAIN}\"><numFmts count=\"2\"><numFmt numFmtId=\"164\" formatCode=\"0.0%\"/>\
         <numFmt numFmtId=\"165\" formatCode=\"+0.0;-0.0;0.0\"/></numFmts>\
         <fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font><font><b/><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts>\
         <fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills>\
         <borders count=\"1\"><border/></borders><cellStyleXfs count=\"1\"><xf/></cellStyleXfs>\
         <cellXfs count=\"{}\">{}</cellXfs></styleSheet>",
        looks.len(),
        looks.concat()
    )
}

/// A ZIP file whose parts are stored as they are. Its times are those of 1980: the same report is the same bytes.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Zip {
    fn add(&mut self, name: &str, content: &str) {
        /// A report is far below 4 GiB: what it counts is limited by days, departments and reasons.
        fn size(length: usize) -> [u8; 4] {
            u32::try_from(length)
                .expect("a part of a report is far below 4 GiB")
                .to_le_bytes()
        }
        let start = size(self.bytes.len());
        let name_size = u16::try_from(name.len()).expect("the names are ours").to_le_bytes();
        let mut facts = Vec::with_capacity(26);
        // Version 2.0, names in UTF-8, stored; 1 January 1980.
        facts.extend([20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0]);
        facts.extend(crc32fast::hash(content.as_bytes()).to_le_bytes());
        facts.extend(size(content.len()));
        facts.extend(size(content.len()));
        facts.extend(name_size);
        facts.extend([0, 0]);
        self.bytes.extend(*b"PK\x03\x04");
        self.bytes.extend(&facts);
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(content.as_bytes());
        self.directory.extend(*b"PK\x01\x02\x14\x00");
        self.directory.extend(&facts);
        self.directory.extend([0; 10]);
        self.directory.extend(start);
        self.directory.extend(name.as_bytes());
        self.count += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let (start, length) = (self.bytes.len() as u32, self.directory.len() as u32); // each part was below 4 GiB
        self.bytes.append(&mut self.directory);
        self.bytes.extend(*b"PK\x05\x06\0\0\0\0");
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(start.to_le_bytes());
        self.bytes.extend([0, 0]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vhr_core::figures::Share;

    use super::super::sheets::tests::one_sheet;
    use super::*;

    fn number(bytes: &[u8], at: usize, length: usize) -> usize {
        bytes[at..at + length]
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    }

    /// Reads it as a ZIP reader does: from its end to the directory, from there to each part.
    fn parts(bytes: &[u8]) -> BTreeMap<String, String> {
        let end = bytes.len() - 22;
        assert_eq!(&bytes[end..end + 4], b"PK\x05\x06");
        let mut at = number(bytes, end + 16, 4);
        assert_eq!(at + number(bytes, end + 12, 4), end);
        let mut parts = BTreeMap::new();
        for _ in 0..number(bytes, end + 10, 2) {
            assert_eq!(&bytes[at..at + 4], b"PK\x01\x02");
            let (size, name_size) = (number(bytes, at + 24, 4), number(bytes, at + 28, 2));
            let name = &bytes[at + 46..at + 46 + name_size];
            let part = number(bytes, at + 42, 4);
            assert_eq!(&bytes[part..part + 4], b"PK\x03\x04");
            assert_eq!(&bytes[part + 4..part + 30], &bytes[at + 6..at + 32]);
            let content = &bytes[part + 30 + name_size..part + 30 + name_size + size];
            assert_eq!(number(bytes, at + 16, 4), crc32fast::hash(content) as usize);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            parts.insert(text(name), text(content));
            at += 46 + name_size;
        }
        assert_eq!(at, end);
        parts
    }

    #[test]
    fn a_workbook_opens_again_with_its_text_as_text_and_its_numbers_as_numbers() {
        let report = one_sheet(vec![
            Cell::Text("=1+1 <&\u{1}".into()),
            Cell::Count(12),
            Cell::Change(-2),
            Cell::Share(Share { part: 1999, of: 2000 }),
            Cell::Points(Some(-7)),
            Cell::Points(None),
        ]);
        let parts = parts(&workbook(&report));
        assert_eq!(parts.len(), 7);
        for (name, xml) in &parts {
            let mut reader = quick_xml::Reader::from_str(xml);
            reader.config_mut().check_end_names = true;
            while !matches!(
                reader.read_event().unwrap_or_else(|e| panic!("{name}: {e}")),
                quick_xml::events::Event::Eof
            ) {}
        }
        let sheet = &parts["xl/worksheets/sheet1.xml"];
        let row = "<c s=\"0\" t=\"inlineStr\"><is><t xml:space=\"preserve\">=1+1 &lt;&amp;?</t></is></c><c s=\"0\"><v>12</v></c>\
                   <c s=\"0\"><v>-2</v></c><c s=\"2\"><v>0.999</v></c><c s=\"3\"><v>-0.7</v></c><c s=\"3\"/></row>";
        assert!(sheet.contains(row), "{sheet}");
        assert!(!sheet.contains("<f>"));
        assert!(parts["xl/workbook.xml"].contains("name=\"Tổng hợp\""));
        assert!(parts["xl/worksheets/sheet2.xml"].contains("Đủ &amp; sạch"));
    }
}
