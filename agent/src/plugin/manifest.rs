//! `plugin.toml`: who made a plugin, what it reads and what it asks for.
//!
//! It travels inside the component as the custom section [`SECTION`], so it can be read without running anything. What
//! stays true: a [`Manifest`] is complete and in bounds; a mistake is reported together with all the others, by line.

use std::fmt;

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::limits::Limits;

/// The custom section of the component that holds the text of `plugin.toml`.
pub const SECTION: &str = "vhr:manifest";

/// A longer manifest is refused unread.
const MAX_BYTES: usize = 256 << 10;

/// What `plugin.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// `vn.<vendor>.<product>`: dotted, lower case, at least two parts. Also the first half of the file's name.
    pub id: String,
    /// `x.y.z`.
    pub version: String,
    /// The contract it is written for; "1" is the only one so far.
    pub contract: String,
    /// Who to ask about it.
    pub vendor: String,
    /// SPDX expression or a sentence.
    pub licence: String,
    /// The exports it understands.
    pub accepts: Accepts,
    /// What it asks for; within the ceilings of [`Limits`].
    pub limits: Asked,
    /// JSON Schema of the site's settings for this plugin.
    pub config_schema: Option<String>,
    /// Folders of golden samples, relative to the manifest.
    pub golden: Vec<String>,
}

/// `[accepts]`: the exports a plugin understands, and how it wants to see a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepts {
    /// How a file is cut into records.
    pub format: Format,
    /// Character set of the files, by its usual label. Default "utf-8".
    pub encoding: String,
    /// What a record is in a file of this format, such as the name of an XML element.
    pub record: Option<String>,
    /// The form in which a record is handed over.
    pub view: View,
}

/// `[limits]`, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Memory of one instance, in MiB.
    pub memory_mb: u64,
    /// Fuel for one record, before its size is counted.
    pub fuel_per_record: u64,
}

/// Kinds of export the agent can cut into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Format {
    Qd3176,
    Xml,
    Csv,
    Json,
    Ndjson,
    Hl7v2,
    Text,
}

/// The form in which a record is handed to the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum View {
    Json,
    Text,
    Bytes,
}

/// Everything wrong with a `plugin.toml`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin.toml có lỗi (plugin.toml has mistakes):{}", .0.iter().map(|p| format!("\n  {p}")).collect::<String>())]
pub struct Error(pub Vec<Problem>);

/// One thing wrong with a `plugin.toml`.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// The key, dotted.
    pub key: String,
    /// What is wrong and what would be right.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dòng/line {}: {}: {}", self.line, self.key, self.text)
    }
}

impl Manifest {
    /// Reads the text of a `plugin.toml`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let only = |line, text: &str| {
            Error(vec![Problem {
                line,
                key: "plugin.toml".to_owned(),
                text: text.to_owned(),
            }])
        };
        if text.len() > MAX_BYTES {
            return Err(only(1, "dài quá 256 KiB (longer than 256 KiB)"));
        }
        let table = DeTable::parse(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            only(line_of(text, start), error.message())
        })?;
        let mut problems = Vec::new();
        let manifest = read(&mut Section::new(text, "", table.into_inner(), 1), &mut problems);
        match manifest {
            Some(manifest) if problems.is_empty() => Ok(manifest),
            _ => {
                problems.sort_by_key(|problem: &Problem| problem.line);
                Err(Error(problems))
            }
        }
    }
}

/// None only where a problem was noted; every key is looked at either way.
fn read(top: &mut Section<'_>, problems: &mut Vec<Problem>) -> Option<Manifest> {
    let id = top.required("id", problems, plugin_id);
    let version = top.required("version", problems, plugin_version);
    let contract = top.required("contract", problems, |text| {
        (text == "1")
            .then(|| text.to_owned())
            .ok_or("agent này chỉ hiểu \"1\" (this agent speaks \"1\" only)")
    });
    let vendor = top.required("vendor", problems, some_text);
    let licence = top.required("licence", problems, some_text);
    let golden = top.texts("golden", problems);

    let mut accepts = top.section("accepts", problems);
    let format = accepts.required("format", problems, |text| {
        Ok(match text {
            "qd3176" => Format::Qd3176,
            "xml" => Format::Xml,
            "csv" => Format::Csv,
            "json" => Format::Json,
            "ndjson" => Format::Ndjson,
            "hl7v2" => Format::Hl7v2,
            "text" => Format::Text,
            _ => return Err("một trong/one of: qd3176, xml, csv, json, ndjson, hl7v2, text"),
        })
    });
    let encoding = accepts.optional("encoding", problems, |text| {
        let label = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_:.".contains(&b));
        (label && (1..=40).contains(&text.len()))
            .then(|| text.to_ascii_lowercase())
            .ok_or("tên bảng mã, như \"utf-8\" (the label of a character set, such as \"utf-8\")")
    });
    let record = accepts.optional("record", problems, some_text);
    let view = accepts.optional("view", problems, |text| {
        Ok(match text {
            "json" => View::Json,
            "text" => View::Text,
            "bytes" => View::Bytes,
            _ => return Err("một trong/one of: json, text, bytes"),
        })
    });
    accepts.nothing_else(problems);

    let mut limits = top.section_or_empty("limits", problems);
    let memory_mb = limits.number("memory_mb", 1..=Limits::MEMORY_MB_CEILING, problems);
    let fuel_per_record = limits.number("fuel_per_record", 1..=Limits::FUEL_PER_RECORD_CEILING, problems);
    limits.nothing_else(problems);

    let mut config = top.section_or_empty("config", problems);
    let config_schema = config.optional("schema", problems, |text| {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text)
            .map(|_| text.to_owned())
            .map_err(|_| "một JSON Schema (a JSON Schema: one JSON object)")
    });
    config.nothing_else(problems);
    top.nothing_else(problems);

    Some(Manifest {
        id: id?,
        version: version?,
        contract: contract?,
        vendor: vendor?,
        licence: licence?,
        accepts: Accepts {
            format: format?,
            encoding: encoding.unwrap_or_else(|| "utf-8".to_owned()),
            record,
            view: view.unwrap_or(View::Json),
        },
        limits: Asked {
            memory_mb: memory_mb.unwrap_or(Limits::MEMORY_MB),
            fuel_per_record: fuel_per_record.unwrap_or(Limits::FUEL_PER_RECORD),
        },
        config_schema,
        golden,
    })
}

fn plugin_id(text: &str) -> Result<String, &'static str> {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    (text.len() <= 100 && text.split('.').count() >= 2 && text.split('.').all(part))
        .then(|| text.to_owned())
        .ok_or("chữ thường, ngăn bằng dấu chấm (dotted, lower case): vn.<vendor>.<product>")
}

fn plugin_version(text: &str) -> Result<String, &'static str> {
    let number = |part: &str| {
        (1..=9).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    (text.split('.').count() == 3 && text.split('.').all(number))
        .then(|| text.to_owned())
        .ok_or("ba số, như \"1.2.0\" (three numbers, such as \"1.2.0\")")
}

fn some_text(text: &str) -> Result<String, &'static str> {
    let fine = (1..=500).contains(&text.trim().len()) && !text.chars().any(char::is_control);
    fine.then(|| text.trim().to_owned())
        .ok_or("một dòng chữ không trống (one line of text, not empty)")
}

/// A table of the file, emptied key by key; what is left at the end nobody knows.
struct Section<'t> {
    text: &'t str,
    name: &'static str,
    table: DeTable<'t>,
    line: usize,
}

impl<'t> Section<'t> {
    fn new(text: &'t str, name: &'static str, table: DeTable<'t>, line: usize) -> Self {
        Self {
            text,
            name,
            table,
            line,
        }
    }

    fn section(&mut self, name: &'static str, problems: &mut Vec<Problem>) -> Section<'t> {
        if !self.table.contains_key(name) {
            problems.push(self.problem(self.line, name, "thiếu (missing)"));
        }
        self.section_or_empty(name, problems)
    }

    fn section_or_empty(&mut self, name: &'static str, problems: &mut Vec<Problem>) -> Section<'t> {
        let mut section = Section::new(self.text, name, DeTable::new(), self.line);
        let Some(value) = self.table.remove(name) else {
            return section;
        };
        section.line = line_of(self.text, value.span().start);
        match value.into_inner() {
            DeValue::Table(table) => section.table = table,
            _ => problems.push(self.problem(section.line, name, "phải là một bảng (must be a table)")),
        }
        section
    }

    fn required<T>(
        &mut self,
        key: &str,
        problems: &mut Vec<Problem>,
        check: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            problems.push(self.problem(self.line, key, "thiếu (missing)"));
        }
        self.optional(key, problems, check)
    }

    fn optional<T>(
        &mut self,
        key: &str,
        problems: &mut Vec<Problem>,
        check: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let value = self.table.remove(key)?;
        let checked = match value.get_ref().as_str() {
            Some(text) => check(text),
            None => Err("phải là chữ trong ngoặc kép (must be text in quotes)"),
        };
        self.note(checked, &value, key, problems)
    }

    fn number(&mut self, key: &str, range: std::ops::RangeInclusive<u64>, problems: &mut Vec<Problem>) -> Option<u64> {
        let value = self.table.remove(key)?;
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|n| u64::from_str_radix(n.as_str(), n.radix()).ok())
            .filter(|n| range.contains(n));
        let text = format!("số từ {} đến {} (a number in this range)", range.start(), range.end());
        self.note(number.ok_or(text.as_str()), &value, key, problems)
    }

    fn texts(&mut self, key: &str, problems: &mut Vec<Problem>) -> Vec<String> {
        let Some(value) = self.table.remove(key) else {
            return Vec::new();
        };
        let texts = value.get_ref().as_array().and_then(|items| {
            items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect()
        });
        let texts = texts.ok_or("phải là danh sách chữ (must be a list of texts)");
        self.note(texts, &value, key, problems).unwrap_or_default()
    }

    fn nothing_else(&self, problems: &mut Vec<Problem>) {
        for key in self.table.keys() {
            let line = line_of(self.text, key.span().start);
            problems.push(self.problem(line, key.get_ref(), "khóa không biết (unknown key)"));
        }
    }

    fn note<T>(
        &self,
        checked: Result<T, &str>,
        value: &Spanned<DeValue<'_>>,
        key: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        checked
            .map_err(|text| {
                problems.push(self.problem(line_of(self.text, value.span().start), key, text));
            })
            .ok()
    }

    fn problem(&self, line: usize, key: &str, text: &str) -> Problem {
        let dot = if self.name.is_empty() { "" } else { "." };
        Problem {
            line,
            key: format!("{}{dot}{key}", self.name),
            text: text.to_owned(),
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"
id = "vn.vi-du.his"
version = "1.20.3"
contract = "1"
vendor = "Công ty Ví Dụ"
licence = "Apache-2.0"
golden = ["golden/01"]

[accepts]
format = "csv"
encoding = "Windows-1258"
record = "row"
view = "text"

[limits]
memory_mb = 128
fuel_per_record = 50_000_000

[config]
schema = '{"type": "object"}'
"#;

    const SHORT: &str =
        "id = 'vn.a'\nversion = '0.0.1'\ncontract = '1'\nvendor = 'A'\nlicence = 'MIT'\naccepts.format = 'qd3176'\n";

    #[test]
    fn a_full_manifest_is_read_whole() {
        let manifest = Manifest::parse(FULL).unwrap();
        assert_eq!(
            serde_json::to_value(&manifest).unwrap(),
            serde_json::json!({
                "id": "vn.vi-du.his", "version": "1.20.3", "contract": "1", "vendor": "Công ty Ví Dụ",
                "licence": "Apache-2.0", "golden": ["golden/01"], "config_schema": "{\"type\": \"object\"}",
                "accepts": {"format": "csv", "encoding": "windows-1258", "record": "row", "view": "text"},
                "limits": {"memory_mb": 128, "fuel_per_record": 50_000_000},
            })
        );
    }

    #[test]
    fn what_is_not_asked_for_has_a_default() {
        let manifest = Manifest::parse(SHORT).unwrap();
        assert_eq!(manifest.accepts.encoding, "utf-8");
        assert_eq!(manifest.accepts.view, View::Json);
        assert_eq!(manifest.limits.memory_mb, Limits::MEMORY_MB);
        assert_eq!(manifest.limits.fuel_per_record, Limits::FUEL_PER_RECORD);
        assert_eq!(manifest.config_schema, None);
    }

    #[test]
    fn all_mistakes_are_reported_at_once_each_with_its_line() {
        let text = "id = 'VN.X'\nversion = '1.02.0'\ncontract = 2\nlicence = ' '\nlicense = 'MIT'\ngolden = [1]\n\
                    [accepts]\nformat = 'xls'\nview = 'xml'\nencoding = 'không'\nsniff = true\n\
                    [limits]\nmemory_mb = 513\nfuel_per_record = -1\n[config]\nschema = '[]'\n";
        let Error(problems) = Manifest::parse(text).unwrap_err();
        let found: Vec<_> = problems.iter().map(|p| (p.line, p.key.as_str())).collect();
        assert_eq!(
            found,
            [
                (1, "id"),
                (1, "vendor"),
                (2, "version"),
                (3, "contract"),
                (4, "licence"),
                (5, "license"),
                (6, "golden"),
                (8, "accepts.format"),
                (9, "accepts.view"),
                (10, "accepts.encoding"),
                (11, "accepts.sniff"),
                (13, "limits.memory_mb"),
                (14, "limits.fuel_per_record"),
                (16, "config.schema"),
            ]
        );
    }

    #[test]
    fn an_id_cannot_lead_out_of_a_folder() {
        for id in ["vn", "vn.", ".vn", "vn..x", "vn/x", "vn.x/..", "vn.\\x", "vn.1x", ""] {
            let text = SHORT.replace("'vn.a'", &format!("'{id}'"));
            let Error(problems) = Manifest::parse(&text).unwrap_err();
            assert_eq!(problems[0].key, "id", "{id}");
        }
    }

    #[test]
    fn what_is_no_toml_is_one_problem_with_its_line() {
        let Error(problems) = Manifest::parse("id = 'a'\nversion 1\n").unwrap_err();
        assert_eq!((problems.len(), problems[0].line), (1, 2), "{problems:?}");
    }
}
