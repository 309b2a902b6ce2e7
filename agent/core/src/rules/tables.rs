//! The national tables and their fields (`configs/tables`), as rules name them.

use std::sync::LazyLock;

use super::csv;

/// Of `fields.csv`.
const FIELDS: &str = include_str!("../../../../configs/tables/fields.csv");
const TABLES: &str = include_str!("../../../../configs/tables/tables.csv");
const OLD_NAMES: &str = include_str!("../../../../configs/tables/old-names.csv");

/// XML0 to XML15, by number.
pub(super) static ALL: LazyLock<Vec<Table>> = LazyLock::new(read);

#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    /// Names, old ones with them, and the place of the field; sorted.
    names: Vec<(String, u16)>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) form: Form,
    /// Characters at most.
    pub(super) size: Option<u32>,
    /// `yes`, `no`, `cond`, `unknown`.
    pub(super) need: String,
    pub(super) name_vi: String,
    pub(super) name_en: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    String,
    Text,
    Number,
    Date,
    DateTime,
}

impl Table {
    /// The place of a field, by its name now or under an older decision.
    pub(super) fn field(&self, name: &str) -> Option<u16> {
        let at = self.names.binary_search_by(|(known, _)| known.as_str().cmp(name));
        at.ok().map(|at| self.names[at].1)
    }
}

/// The number of a table.
pub(super) fn number(name: &str) -> Option<u8> {
    let at = ALL.iter().position(|table| table.name == name)?;
    u8::try_from(at).ok()
}

/// What a field of a national table is called in Vietnamese, by its name now or under an older decision.
pub fn field_name(table: &str, field: &str) -> Option<&'static str> {
    let table = &ALL[usize::from(number(table)?)];
    Some(&table.fields[usize::from(table.field(field)?)].name_vi)
}

fn read() -> Vec<Table> {
    let mut tables: Vec<Table> = rows(TABLES)
        .map(|cells| Table {
            name: cells[0].clone(),
            fields: Vec::new(),
            names: Vec::new(),
        })
        .collect();
    for cells in rows(FIELDS) {
        let [table, _, name, form, size, need, _, name_vi, name_en] =
            <[String; 9]>::try_from(cells).expect("fields.csv has nine columns");
        let form = match form.as_str() {
            "text" => Form::Text,
            "number" => Form::Number,
            "date" => Form::Date,
            "datetime" => Form::DateTime,
            _ => Form::String,
        };
        let field = Field {
            name,
            form,
            size: size.parse().ok(),
            need,
            name_vi,
            name_en,
        };
        of(&mut tables, &table).fields.push(field);
    }
    for table in &mut tables {
        let names = (0u16..).zip(&table.fields).map(|(at, field)| (field.name.clone(), at));
        table.names = names.collect();
    }
    for cells in rows(OLD_NAMES) {
        let table = of(&mut tables, &cells[0]);
        let now = table.fields.iter().position(|field| field.name == cells[2]);
        let now = u16::try_from(now.expect("an old name is of a field")).expect("a table has few fields");
        table.names.push((cells[1].clone(), now));
    }
    tables.iter_mut().for_each(|table| table.names.sort());
    tables
}

fn of<'t>(tables: &'t mut [Table], name: &str) -> &'t mut Table {
    let table = tables.iter_mut().find(|table| table.name == name);
    table.expect("tables.csv has every table that a field is of")
}

/// What stands below the header of a shipped file.
fn rows(text: &'static str) -> impl Iterator<Item = Vec<String>> {
    let lines = csv::lines(text).map(|line| line.expect("a shipped file reads").cells);
    lines.skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tables_and_fields_are_there() {
        assert_eq!(ALL.len(), 16);
        assert_eq!(ALL.iter().map(|table| table.fields.len()).sum::<usize>(), 479);
        let xml13 = &ALL[number("XML13").unwrap() as usize];
        assert_eq!(xml13.field("MA_NOI_DEN"), xml13.field("MA_CSKCB_DEN"));
        assert_eq!(xml13.fields[xml13.field("HO_TEN").unwrap() as usize].size, Some(255));
        assert_eq!(xml13.field("HO_TENS"), None);
    }
}
