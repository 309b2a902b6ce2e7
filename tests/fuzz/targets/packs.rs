//! Any pack of rules and any list of codes: read, or every mistake told with its line; what reads can be run.

use vhr_core::rules::{self, File, NEWEST, Pack, Rules, Visit};

/// What stands in rules.
pub const WORDS: &[&str] = &[
    ",",
    "\n",
    "\"",
    "#",
    "block",
    "warn",
    "off",
    "XML1",
    "*",
    "{table}",
    "{field}",
    "{name}",
    "{size}",
    "need",
    "empty",
    "size",
    "chars",
    "number",
    "date",
    "code",
    "file ma-nhom",
    "shape",
    "count",
    "aligned",
    "not-before",
    "not-after",
    "same",
    "equal",
    "at-most",
    "days",
    "newborn",
    "citizen",
    "running",
    "unique",
    "known",
    "table",
    "list ",
    "min=1",
    "max=12",
    "decimals=2",
    "XML1.MA_LK",
    " +366d",
    " within 1",
    "sum(",
    " where ",
    ")",
    " in ",
    " & ",
    " | ",
    "age >= 14",
    " present",
    " absent",
    "2026-07-01",
    "%",
    " * ",
];

/// Behind this a list of codes stands.
const CODES: char = '\u{1}';

/// The packs that come with the agent, and rows of each.
pub fn seeds() -> Vec<Vec<u8>> {
    let shipped = rules::shipped();
    let mut seeds: Vec<Vec<u8>> = shipped.rules.iter().map(|file| file.text.as_bytes().to_vec()).collect();
    let codes = shipped
        .codes
        .iter()
        .map(|file| format!("id{CODES}{}", file.text).into_bytes());
    seeds.extend(codes);
    for file in &shipped.rules {
        let mut lines = file.text.lines().filter(|line| !line.starts_with('#'));
        let header = lines.next().unwrap_or_default();
        seeds.extend(lines.map(|line| format!("{header}\n{line}\n").into_bytes()));
    }
    seeds
}

/// A file of rules, perhaps with a list of codes.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (rules, codes) = text.split_once(CODES).unwrap_or((text, ""));
    let file = |name, text| vec![File { name, text }];
    let own = Pack {
        rules: file("own.csv", rules),
        codes: if codes.is_empty() {
            Vec::new()
        } else {
            file("ma-nhom.csv", codes)
        },
    };
    match Rules::read(std::slice::from_ref(&own)) {
        Ok(mut read) => {
            let mut visit = Visit::new();
            for table in ["XML1", "XML2", "XML3"] {
                for n in ["1", "2"] {
                    visit.row(
                        table,
                        [
                            ("MA_LK", "LK1"),
                            ("STT", n),
                            ("NGAY_RA", "202609150800"),
                            ("SO_LUONG", "1.5"),
                        ],
                    );
                }
            }
            for found in rules::check(&read, &visit, NEWEST) {
                assert!(!found.place().is_empty());
            }
            let ids: Vec<String> = read.ids().map(str::to_owned).collect();
            assert!(read.switch_off(&ids).is_empty(), "every id is known");
            assert_eq!(rules::check(&read, &visit, NEWEST), [], "all is off");
        }
        Err(problems) => {
            assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.to_string().is_empty()))
        }
    }
}
