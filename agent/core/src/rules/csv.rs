//! Tables of text: CSV as a spreadsheet writes it, with `#` lines for people, and with the number of each line kept.

/// One line of such a table.
#[derive(Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    pub(super) cells: Vec<String>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// A cell that begins with a quote and does not end with one.
    Quote,
}

/// The lines that hold something, the header first.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Result<Line, (usize, Bad)>> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let numbered = (1..).zip(text.lines());
    let told = numbered.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    told.map(|(number, line)| match cells(line) {
        Some(cells) => Ok(Line { number, cells }),
        None => Err((number, Bad::Quote)),
    })
}

fn cells(line: &str) -> Option<Vec<String>> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let cell;
        (cell, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_cell(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        cells.push(cell);
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some(cells),
        }
    }
}

/// Up to its closing quote; two of them stand for one. Behind it the next comma, or the end.
fn quoted_cell(text: &str) -> Option<(String, &str)> {
    let mut cell = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        cell.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                cell.push('"');
                rest = after;
            }
            None => {
                let behind = after.trim_start();
                return (behind.is_empty() || behind.starts_with(',')).then_some((cell, behind));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Vec<String>)> {
        lines(text)
            .map(|line| line.map(|line| (line.number, line.cells)).unwrap())
            .collect()
    }

    #[test]
    fn cells_come_out_of_quotes_and_lines_keep_their_numbers() {
        let text = "\u{FEFF}# why\na,b\n\n\"x, \"\"y\"\"\",\r\n,\"\" , z ";
        let cells = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            read(text),
            [
                (2, cells(&["a", "b"])),
                (4, cells(&["x, \"y\"", ""])),
                (5, cells(&["", "", "z"]))
            ]
        );
    }

    #[test]
    fn a_quote_that_is_not_closed_is_told_with_its_line() {
        for text in ["a\n\"b,c", "a\n\"b\"c,d"] {
            assert_eq!(lines(text).nth(1).unwrap().unwrap_err(), (2, Bad::Quote), "{text}");
        }
    }
}
