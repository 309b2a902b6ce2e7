//! Makes the types of the national tables from `configs/tables`: one line for each field, put into words by `tables.rs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    table: String,
    root: String,
    list: String,
    row: String,
    name_vi: String,
    name_en: String,
}

#[derive(Deserialize)]
struct Field {
    table: String,
    field: String,
    #[serde(rename = "type")]
    kind: String,
    size: Option<u16>,
    need: String,
    versions: String,
    name_vi: String,
    name_en: String,
}

#[derive(Deserialize)]
struct OldName {
    table: String,
    old: String,
    field: String,
}

fn main() {
    let folder = Path::new("../../configs/tables");
    let tables: Vec<Table> = read(&folder.join("tables.csv"));
    let mut fields: BTreeMap<String, Vec<Field>> = BTreeMap::new();
    for field in read::<Field>(&folder.join("fields.csv")) {
        fields.entry(field.table.clone()).or_default().push(field);
    }
    let old: Vec<OldName> = read(&folder.join("old-names.csv"));
    let mut code = String::from("tables! {\n");
    for table in &tables {
        let fields = fields.remove(&table.table).expect("a table has fields");
        let old = old.iter().filter(|old| old.table == table.table);
        write_table(&mut code, table, &fields, &old.collect::<Vec<_>>());
    }
    code.push_str("}\n");
    assert!(fields.is_empty(), "fields of tables that are not in tables.csv");
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(PathBuf::from(out).join("tables.rs"), code).expect("cargo's folder can be written");
}

fn write_table(code: &mut String, table: &Table, fields: &[Field], old: &[&OldName]) {
    let Table {
        table: name,
        root,
        list,
        row,
        name_vi,
        name_en,
    } = table;
    let old: Vec<String> = old
        .iter()
        .map(|old| format!("({:?}, {:?})", old.old, old.field))
        .collect();
    let rows = match row.is_empty() {
        true => "None".to_owned(),
        false => format!("Some(({list:?}, {row:?}))"),
    };
    let (kind, member) = (name.replace("XML", "Xml"), name.to_lowercase());
    writeln!(
        code,
        "    #[doc = {:?}]\n    {kind} {member} {name:?} {root:?} ({rows}) {name_vi:?} {name_en:?} [{}] {{",
        format!("{name}: {name_vi} ({name_en})."),
        old.join(", "),
    )
    .expect("a string takes it");
    for (at, field) in fields.iter().enumerate() {
        let type_ = match field.kind.as_str() {
            "string" | "text" => "Text",
            "number" => "Number",
            "date" => "Date",
            "datetime" => "DateTime",
            other => panic!("{}.{}: type {other:?}", field.table, field.field),
        };
        let need = match field.need.as_str() {
            "yes" => "Yes",
            "no" => "No",
            "cond" => "Depends",
            "unknown" => "Unknown",
            other => panic!("{}.{}: need {other:?}", field.table, field.field),
        };
        let size = field
            .size
            .map_or("no limit".to_owned(), |size| format!("at most {size} characters"));
        let about = format!(
            "`{}`: {}. {}; {size}; in QĐ {}.",
            field.field,
            field.name_vi,
            field.name_en,
            field.versions.replace(' ', ", ")
        );
        writeln!(
            code,
            "        #[doc = {about:?}]\n        {at} {}: {type_} = {:?} {:?} {:?} ({:?}) {need} {:?},",
            field.field.to_lowercase(),
            field.field,
            field.name_vi,
            field.name_en,
            field.size,
            field.versions,
        )
        .expect("a string takes it");
    }
    code.push_str("    }\n");
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Vec<T> {
    println!("cargo::rerun-if-changed={}", path.display());
    let mut reader = csv::Reader::from_path(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let rows = reader.deserialize().collect::<Result<_, _>>();
    rows.unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
