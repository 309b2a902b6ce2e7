//! `mapping.csv` says of every field of the national tables where in FHIR it is, or why nowhere. Here each line is put to
//! the proof under each profile set: a visit with a marked value in the field has the value's image at that place, and the
//! same visit without the field has not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use std::collections::BTreeMap;

use common::{SETS, mapped};
use serde_json::{Value, json};
use vhr_plugin_sdk::tables::{Kind, TABLES};

/// What was mapped when this was last looked at. More is better; less is a field that got lost.
const MAPPED: usize = 441;

/// A line of the file.
#[derive(Debug)]
struct Line {
    table: String,
    field: String,
    /// Paths of elements, one of which each set must have; none: not mapped.
    places: Vec<String>,
    /// How a value becomes its image: `copy`, `words` (among others in a text), `list` (each of several), `code` (by a
    /// table), `date`, `date-time`, `number`, `flag`, `reference` (the key of a resource), `page` (in the words of a paper).
    transform: String,
    /// `value=image`, where it is not any value of the kind.
    example: String,
    /// Fields that have to be there too: `FIELD=value` of the same row, `TABLE/FIELD=value` of another one, empty: not there.
    with: String,
    why: String,
}

fn lines() -> Vec<Line> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/mapping.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("table,field,fhir,transform,example,with,why"));
    lines.map(line).collect()
}

fn line(text: &str) -> Line {
    // The last column alone may stand in quotes, for its commas.
    let mut columns: Vec<String> = text
        .splitn(7, ',')
        .map(|column| column.trim_matches('"').to_owned())
        .collect();
    assert_eq!(columns.len(), 7, "{text}");
    let mut next = || columns.remove(0);
    let (table, field, fhir) = (next(), next(), next());
    let places = match &*fhir {
        "not mapped" => Vec::new(),
        fhir => fhir.split(" | ").map(str::to_owned).collect(),
    };
    Line {
        table,
        field,
        places,
        transform: next(),
        example: next(),
        with: next(),
        why: next(),
    }
}

impl Line {
    /// A value of the field and the images that have to be found of it.
    fn mark(&self) -> (String, Vec<String>) {
        if !self.example.is_empty() {
            let (value, image) = self.example.split_once('=').unwrap_or((&self.example, &self.example));
            return (value.to_owned(), vec![image.to_owned()]);
        }
        let mark = |value: &str, images: &[&str]| {
            let images = images.iter().map(|image| (*image).to_owned());
            (value.to_owned(), images.collect())
        };
        match (&*self.transform, self.kind()) {
            ("copy" | "words" | "reference", _) => mark("Q7X", &["Q7X"]),
            ("list", _) => mark("Q7X;Q8X", &["Q7X", "Q8X"]),
            ("date", _) => mark("20310417", &["2031-04-17"]),
            ("date-time", _) => mark("203104170941", &["2031-04-17T09:41:00+07:00"]),
            ("number", _) => mark("7373", &["7373"]),
            ("flag", _) => mark("1", &["true"]),
            ("page", Kind::Date) => mark("20310417", &["17/04/2031"]),
            ("page", Kind::DateTime) => mark("203104170941", &["17/04/2031 09:41"]),
            ("page", _) => mark("Q7X<&", &["Q7X&lt;&amp;"]),
            (other, _) => panic!("{}/{}: {other} needs an example", self.table, self.field),
        }
    }

    fn kind(&self) -> Kind {
        let about = TABLES.iter().find(|about| about.name == self.table).unwrap();
        about.fields.iter().find(|field| field.name == self.field).unwrap().kind
    }

    /// The smallest visit that can show the field: with it, or without.
    fn visit(&self, value: Option<&str>) -> Value {
        let mut visit = base(&self.table);
        if self.table != "XML1" && visit.get("XML1").is_some() {
            // What XML1 says of the person comes first.
            visit["XML1"][0].as_object_mut().unwrap().remove(&self.field);
        }
        let row = visit[&*self.table][0].as_object_mut().unwrap();
        row.remove(&self.field);
        let mut pairs = self.with.split(' ').filter(|pair| !pair.is_empty()).peekable();
        let mut others = Vec::new();
        while let Some(pair) = pairs.next() {
            let (field, mut wanted) = pair
                .split_once('=')
                .map(|(field, wanted)| (field, wanted.to_owned()))
                .unwrap();
            while let Some(more) = pairs.next_if(|more| !more.contains('=')) {
                wanted = format!("{wanted} {more}");
            }
            match field.split_once('/') {
                Some((table, field)) => others.push((table.to_owned(), field.to_owned(), wanted)),
                None => drop(row.insert(field.to_owned(), wanted.into())),
            }
        }
        if let Some(value) = value {
            row.insert(self.field.clone(), value.into());
        }
        for (table, field, wanted) in others {
            visit[&*table][0][&*field] = wanted.into();
        }
        visit
    }

    /// Whether what came out has the image at one of the places.
    fn is_found(&self, visit: &Value, profile: &str, image: &str) -> bool {
        let resources = mapped(visit, profile).resources;
        let bodies: Vec<Value> = resources
            .iter()
            .map(|resource| serde_json::from_str(&resource.json).unwrap())
            .collect();
        self.places.iter().any(|place| {
            let (kind, path) = place.split_once('.').unwrap();
            let mut leaves = Vec::new();
            for body in bodies.iter().filter(|body| body["resourceType"] == kind) {
                walk(body, &path.split('.').collect::<Vec<_>>(), &mut leaves);
            }
            leaves.iter().any(|leaf| match &*self.transform {
                "words" => leaf.contains(image),
                "reference" => leaf.ends_with(&format!("|{image}")),
                "page" => decoded(leaf).contains(image),
                _ => leaf == image,
            })
        })
    }
}

/// A visit with one row in the table, as empty as it may be.
fn base(table: &str) -> Value {
    if table == "XML0" {
        return json!({"XML0": [{"MA_LK": "L1", "DIA_CHI": "Phố Ví Dụ", "MA_THE_BHYT": "DN4797900000001"}]});
    }
    let head = json!({
        "MA_LK": "L1", "HO_TEN": "NGƯỜI VÍ DỤ", "DIA_CHI": "Phố Ví Dụ", "MA_THE_BHYT": "DN4797900000001",
        "NGAY_VAO": "202603010730", "MA_LOAI_KCB": "01", "NGAY_TTOAN": "202603061100", "NAM_QT": "2026", "THANG_QT": "3",
    });
    let row = match table {
        "XML1" => return json!({"XML1": [head]}),
        "XML2" => json!({"MA_LK": "L1", "MA_THUOC": "T1"}),
        "XML3" => json!({"MA_LK": "L1", "MA_DICH_VU": "D1", "MA_NHOM": "18"}),
        "XML4" => json!({"MA_LK": "L1", "MA_CHI_SO": "C1", "MA_DICH_VU": "D1"}),
        "XML12" => json!({}),
        _ => json!({"MA_LK": "L1"}),
    };
    json!({"XML1": [head], table: [row]})
}

/// The texts of everything at a path; lists are looked through.
fn walk(value: &Value, path: &[&str], leaves: &mut Vec<String>) {
    match (value, path) {
        (Value::Array(items), _) => items.iter().for_each(|item| walk(item, path, leaves)),
        (Value::Object(fields), [first, rest @ ..]) => {
            if let Some(inner) = fields.get(*first) {
                walk(inner, rest, leaves);
            }
        }
        (Value::String(text), []) => leaves.push(text.clone()),
        (Value::Number(_) | Value::Bool(_), []) => leaves.push(value.to_string()),
        _ => {}
    }
}

fn decoded(base64: &str) -> String {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is no letter of base64"),
    };
    let (mut bits, mut held, mut bytes) = (0u32, 0, Vec::new());
    for letter in base64.trim_end_matches('=').bytes() {
        bits = bits << 6 | u32::from(value(letter));
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xFF) as u8);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_field_has_a_line_and_every_line_a_field() {
    let known: Vec<(String, String)> = TABLES
        .iter()
        .flat_map(|about| {
            about
                .fields
                .iter()
                .map(|field| (about.name.to_owned(), field.name.to_owned()))
        })
        .collect();
    let listed: Vec<_> = lines().into_iter().map(|line| (line.table, line.field)).collect();
    assert_eq!(known.len(), 479);
    assert_eq!(listed, known, "in the order of configs/tables/fields.csv");
    for line in lines() {
        assert_ne!(
            line.places.is_empty(),
            line.why.is_empty(),
            "{line:?}: a place or a reason"
        );
    }
}

#[test]
fn every_mapped_field_is_found_at_its_place_and_only_with_it() {
    let mut wrong = Vec::new();
    for line in lines().iter().filter(|line| !line.places.is_empty()) {
        let (value, images) = line.mark();
        let (with, without) = (line.visit(Some(&value)), line.visit(None));
        for (set, profile) in SETS.into_iter().enumerate() {
            for image in &images {
                if !line.is_found(&with, profile, image) {
                    wrong.push(format!("{}/{} set {set}: not found", line.table, line.field));
                }
                // Whose visit it is cannot be left out.
                if (&*line.field != "MA_LK") && line.is_found(&without, profile, image) {
                    wrong.push(format!(
                        "{}/{} set {set}: found without the field",
                        line.table, line.field
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `cargo test -p vhr-plugin-qd3176 --test mapping share -- --nocapture`
#[test]
fn the_share_of_mapped_fields_does_not_fall() {
    let mut tables: BTreeMap<usize, [usize; 3]> = BTreeMap::new();
    for line in lines() {
        let counts = tables.entry(line.table[3..].parse().unwrap()).or_default();
        let kind = match (&*line.transform, line.places.is_empty()) {
            (_, true) => 2,
            ("page", _) => 1,
            _ => 0,
        };
        counts[kind] += 1;
    }
    let mut all = [0; 3];
    println!("table  elements  paper  not mapped");
    for (table, counts) in &tables {
        println!("XML{table:<3} {:8} {:6} {:11}", counts[0], counts[1], counts[2]);
        all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
    }
    let [elements, paper, none] = all;
    let mapped = elements + paper;
    println!("all    {elements:8} {paper:6} {none:11}");
    println!(
        "{mapped} of {} fields are mapped: {}.{} %",
        mapped + none,
        mapped * 100 / (mapped + none),
        mapped * 1000 / (mapped + none) % 10
    );
    assert!(mapped >= MAPPED, "{mapped} fields are mapped, {MAPPED} were");
}

#[test]
fn a_path_is_walked_through_lists_and_to_its_end() {
    let body = serde_json::from_str(r#"{"a": [{"b": "1"}, {"b": 2.50}], "c": {"b": "3"}}"#).unwrap();
    let at = |path: &[&str]| {
        let mut leaves = Vec::new();
        walk(&body, path, &mut leaves);
        leaves
    };
    assert_eq!(at(&["a", "b"]), ["1", "2.50"]);
    assert!(at(&["a"]).is_empty() && at(&["b"]).is_empty());
    assert_eq!(decoded("R2nhuqV5"), "Giấy");
}
