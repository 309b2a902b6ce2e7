//! One table's document: its elements, in lines.

use quick_xml::escape::partial_escape;
use vhr_core::spoiled::Encoding;

use super::calendar::Minute;
use super::visit::{Course, Money};

/// How a hospital's system writes its tables; none of it changes what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    /// Free text in CDATA sections rather than with escapes.
    pub(super) cdata: bool,
    pub(super) crlf: bool,
    /// Free text as a system of before Unicode writes it, or one that reads it wrongly, so many times over.
    pub(super) spoiled: Option<(Encoding, usize)>,
}

/// One document being written.
pub(super) struct Table<'a> {
    out: String,
    lists: &'a [&'a str],
    style: Style,
    always_decimals: bool,
}

impl<'a> Table<'a> {
    pub(super) fn open(style: Style, lists: &'a [&'a str], course: &Course) -> Self {
        let out = String::with_capacity(6 * 1024);
        let mut table = Self {
            out,
            lists,
            style,
            always_decimals: course.always_decimals,
        };
        table.line(r#"<?xml version="1.0" encoding="utf-8"?>"#);
        for list in lists {
            table.line(&format!("<{list}>"));
        }
        table
    }

    pub(super) fn close(mut self) -> String {
        for list in self.lists.iter().rev() {
            self.line(&format!("</{list}>"));
        }
        self.out
    }

    /// The two fields every row begins with.
    pub(super) fn row(&mut self, name: &str, course: &Course, nth: usize) {
        self.begin(name);
        self.put("MA_LK", &course.key);
        self.put("STT", &(nth + 1).to_string());
    }

    /// A row of a table whose rows are not counted.
    pub(super) fn begin(&mut self, name: &str) {
        self.line(&format!("<{name}>"));
    }

    pub(super) fn end_row(&mut self, name: &str) {
        self.line(&format!("</{name}>"));
    }

    pub(super) fn put(&mut self, name: &str, value: &str) {
        self.element(name, &partial_escape(value));
    }

    /// A field a person typed.
    pub(super) fn free(&mut self, name: &str, value: &str) {
        let spoiled = self
            .style
            .spoiled
            .map(|(encoding, times)| (0..times).fold(value.to_owned(), |text, _| spoil(encoding, &text)));
        let value = spoiled.as_deref().unwrap_or(value);
        if self.style.cdata && !value.is_empty() {
            self.element(name, &format!("<![CDATA[{value}]]>"));
        } else {
            self.put(name, value);
        }
    }

    pub(super) fn money(&mut self, name: &str, hundredths: i64) {
        let decimals = self.always_decimals || hundredths % 100 != 0;
        let whole = hundredths / 100;
        self.element(
            name,
            &if decimals {
                format!("{whole}.{:02}", hundredths % 100)
            } else {
                whole.to_string()
            },
        );
    }

    pub(super) fn scope(&mut self, money: Money) {
        self.put("PHAM_VI", if money.covered_ratio > 0 { "1" } else { "2" });
    }

    pub(super) fn other_sources(&mut self) {
        for name in [
            "T_NGUONKHAC_NSNN",
            "T_NGUONKHAC_VTNN",
            "T_NGUONKHAC_VTTN",
            "T_NGUONKHAC_CL",
            "T_NGUONKHAC",
        ] {
            self.money(name, 0);
        }
    }

    pub(super) fn paid_by(&mut self, money: Money) {
        self.money("T_BNTT", money.patient);
        self.money("T_BNCCT", money.copay);
        self.money("T_BHTT", money.fund);
    }

    fn element(&mut self, name: &str, content: &str) {
        for part in ["<", name, ">", content, "</", name] {
            self.out.push_str(part);
        }
        self.line(">");
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push_str(if self.style.crlf { "\r\n" } else { "\n" });
    }
}

pub(super) fn at(minute: Option<Minute>) -> String {
    minute.map(Minute::compact).unwrap_or_default()
}

/// A unit price: up to two decimals, none written that are zero.
pub(super) fn price(hundredths: i64) -> String {
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => whole.to_string(),
        (whole, part) if part % 10 == 0 => format!("{whole}.{}", part / 10),
        (whole, part) => format!("{whole}.{part:02}"),
    }
}

/// What a reader takes for Latin-1, where the bytes are no UTF-8.
fn spoil(encoding: Encoding, text: &str) -> String {
    let bytes = encoding.encode(text).unwrap_or_else(|| text.as_bytes().to_vec());
    match encoding {
        Encoding::Mojibake | Encoding::Decomposed => String::from_utf8_lossy(&bytes).into_owned(),
        // Letters that VISCII has in place of controls, which no XML may hold.
        _ if bytes.iter().any(|byte| *byte < b' ') => text.to_owned(),
        _ => bytes.into_iter().map(char::from).collect(),
    }
}
