//! The report as one page that needs nothing else: no script, no link, nothing fetched. It prints on A4.

use std::fmt::Write as _;

use vhr_core::say::Said;

use super::plain::shown;
use super::sheets::{Cell, Report, Sheet};

const STYLE: &str = "body{font:14px/1.4 sans-serif;margin:2em;color:#111}h1{font-size:1.4em}h2{font-size:1.1em;margin:1.6em 0 .4em}\
    i{color:#555}table{border-collapse:collapse}th,td{border:1px solid #bbb;padding:.2em .5em;text-align:left;vertical-align:top}\
    th{background:#eee}td.n{text-align:right;white-space:nowrap}li{margin:.4em 0}@media print{body{margin:0;font-size:10px}}";

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"vi\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{}</h1>\n",
        escaped(&report.title.vi),
        both(&report.title)
    );
    for note in &report.notes {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "<p>{}</p>", both(note));
    }
    report.sheets.iter().for_each(|sheet| table(&mut page, sheet));
    page.push_str("<h2>Cách tính <i>(how it is counted)</i></h2>\n<ul>\n");
    for definition in &report.definitions {
        let _ = writeln!(page, "<li>{}</li>", both(definition));
    }
    page.push_str("</ul>\n</body>\n</html>\n");
    page
}

fn table(page: &mut String, sheet: &Sheet) {
    let _ = writeln!(
        page,
        "<h2>{}</h2>\n<table id=\"{}\">\n<tr>",
        both(&sheet.title),
        sheet.key
    );
    for label in &sheet.head {
        let _ = write!(page, "<th>{}</th>", escaped(label));
    }
    page.push_str("</tr>\n");
    for row in &sheet.rows {
        page.push_str("<tr>");
        for cell in row {
            let class = if matches!(cell, Cell::Text(_)) {
                ""
            } else {
                " class=\"n\""
            };
            let _ = write!(page, "<td{class}>{}</td>", escaped(&shown(cell)));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

fn both(said: &Said) -> String {
    format!("{} <i>({})</i>", escaped(&said.vi), escaped(&said.en))
}

/// Text that stays text, in HTML as in XML, between tags and in quotes. What XML cannot hold at all becomes a question mark.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(' '),
            '\u{FFFE}' | '\u{FFFF}' => safe.push('?'),
            c if c.is_control() => safe.push('?'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::sheets::tests::one_sheet;
    use super::*;

    #[test]
    fn whatever_stands_in_a_cell_stays_text_and_the_page_fetches_nothing() {
        let cell = Cell::Text("<script src=\"http://x\">'&\u{1}".into());
        let page = page(&one_sheet(vec![cell, Cell::Count(7)]));
        assert!(
            page.contains("<td>&lt;script src=&quot;http://x&quot;&gt;&#39;&amp;?</td><td class=\"n\">7</td>"),
            "{page}"
        );
        assert!(page.contains("<th>cột &lt;a&gt;</th>"), "{page}");
        for forbidden in ["<script", "<link", "src=\"", "href=", "url(", "@import"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }
}
