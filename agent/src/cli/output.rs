//! What goes to stdout, and how tables are laid out.

use std::io::{self, Write};

use crate::report::Failure;

/// Writes to stdout. A reader that has gone away (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// The same for what is no text.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::environment("could not write to stdout", e)),
        _ => Ok(()),
    }
}

/// One line of JSON, or several when it is for people to read.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::environment("could not write JSON", e))?;
    print(&format!("{text}\n"))
}

/// On one line and without commands to the terminal: names of files may hold anything.
pub(crate) fn plain(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() {
            c.escape_default().collect()
        } else {
            c.to_string()
        }
    };
    text.chars().map(shown).collect()
}

/// A table with its columns aligned, by characters.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| {
            let blanks = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(blanks))
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    [line(&head), line(&rule)]
        .into_iter()
        .chain(rows.iter().map(|row| line(row)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_commands_to_the_terminal_is_shown_and_not_obeyed() {
        let text = table(&["tệp"], &[vec!["a\n\u{1b}[2J.xml".into()]]);
        assert_eq!(text.lines().nth(2), Some("a\\n\\u{1b}[2J.xml"));
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn columns_are_aligned_by_letters_and_not_by_bytes() {
        let text = table(
            &["nơi", "n"],
            &[vec!["Huế".into(), "1".into()], vec!["Ho".into(), "2".into()]],
        );
        assert_eq!(text, "nơi  n\n---  -\nHuế  1\nHo   2\n");
    }
}
