//! A table's document, strictly: every field of the table in its order, empty ones as empty elements, nothing a gateway refuses.

use std::fmt::Write;

use super::{Fault, Field, Need, TableRow, Wrong};
use crate::Table;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";

/// Adds the table's document where it has rows, and what is wrong with them.
pub(super) fn write<T: TableRow>(rows: &[T], written: &mut Vec<Table>, faults: &mut Vec<Fault>) {
    let about = T::ABOUT;
    if rows.is_empty() {
        return;
    }
    if about.rows.is_none() && rows.len() > 1 {
        faults.push(Fault::new(about.name, 2, "", Wrong::ManyRows));
    }
    let mut xml = String::with_capacity(DECLARATION.len() + rows.len() * about.fields.len() * 32);
    xml.push_str(DECLARATION);
    open(&mut xml, about.root);
    if let Some((list, _)) = about.rows {
        open(&mut xml, list);
    }
    for (at, row) in rows.iter().enumerate() {
        if let Some((_, element)) = about.rows {
            open(&mut xml, element);
        }
        for (place, field) in about.fields.iter().enumerate() {
            let text = row.text(place).unwrap_or_default();
            if let Some(wrong) = wrong(field, text) {
                faults.push(Fault::new(about.name, at + 1, field.name, wrong));
            }
            open(&mut xml, field.name);
            escape(&mut xml, text);
            close(&mut xml, field.name);
        }
        if let Some((_, element)) = about.rows {
            close(&mut xml, element);
        }
    }
    if let Some((list, _)) = about.rows {
        close(&mut xml, list);
    }
    close(&mut xml, about.root);
    written.push(Table {
        name: about.name.to_owned(),
        xml,
        ext: Vec::new(),
    });
}

fn wrong(field: &Field, text: &str) -> Option<Wrong> {
    if text.is_empty() {
        return (field.need == Need::Yes).then_some(Wrong::Missing);
    }
    if let Some(size) = field.size.filter(|size| text.chars().count() > usize::from(*size)) {
        return Some(Wrong::TooLong(size));
    }
    let unwritable = |c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    text.contains(unwritable).then_some(Wrong::Unwritable)
}

fn open(xml: &mut String, element: &str) {
    write!(xml, "<{element}>").expect("a string takes it");
}

fn close(xml: &mut String, element: &str) {
    write!(xml, "</{element}>").expect("a string takes it");
}

fn escape(xml: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            // A reader would make a line feed of it.
            '\r' => xml.push_str("&#13;"),
            c => xml.push(c),
        }
    }
}
