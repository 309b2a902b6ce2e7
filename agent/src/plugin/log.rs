//! What a plugin writes for people: bounded, and harmless to print.
//!
//! What stays true: at most [`LINES`] lines a batch and [`LINE_BYTES`] bytes a line are kept, and no control character
//! survives. A line may hold patient data, so it stays at the site: nothing here passes it on to the agent's own log.

use tracing::Level;

/// Lines kept of one batch.
pub(super) const LINES: usize = 200;
/// Bytes kept of one line.
pub(super) const LINE_BYTES: usize = 4096;

/// One line a plugin wrote with `host.log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters, by the plugin's own word; an unknown word counts as information.
    pub level: Level,
    /// The message and its fields, printable: control characters are shown as `\u{…}`, never acted upon.
    pub text: String,
}

/// The lines of one batch so far.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: Vec<LogLine>,
    dropped: usize,
}

impl Log {
    pub(super) fn add(&mut self, level: &str, message: &str, fields: &[(String, String)]) {
        if self.lines.len() >= LINES {
            self.dropped += 1;
            return;
        }
        let fields = fields
            .iter()
            .flat_map(|(key, value)| [" ", key.as_str(), "=", value.as_str()]);
        let text = visible(std::iter::once(message).chain(fields), LINE_BYTES);
        let level = match level {
            "error" => Level::ERROR,
            "warn" | "warning" => Level::WARN,
            "debug" => Level::DEBUG,
            "trace" => Level::TRACE,
            _ => Level::INFO,
        };
        self.lines.push(LogLine { level, text });
    }

    pub(super) fn append(&mut self, mut other: Log) {
        let room = LINES.saturating_sub(self.lines.len());
        self.dropped += other.dropped + other.lines.len().saturating_sub(room);
        other.lines.truncate(room);
        self.lines.append(&mut other.lines);
    }

    /// The lines kept and, where some were dropped, a last one of ours which says how many.
    pub(super) fn into_lines(mut self) -> Vec<LogLine> {
        if self.dropped > 0 {
            let dropped = self.dropped;
            self.lines.push(LogLine {
                level: Level::WARN,
                text: format!("đã bỏ {dropped} dòng nhật ký của plugin ({dropped} more lines of the plugin dropped)"),
            });
        }
        self.lines
    }
}

/// The texts one after the other, with everything that could steer a terminal or hide text made visible, cut at `limit`
/// bytes (plus the ellipsis which says so).
pub(super) fn visible<'a>(texts: impl IntoIterator<Item = &'a str>, limit: usize) -> String {
    let mut shown = String::new();
    for c in texts.into_iter().flat_map(str::chars) {
        if shown.len() >= limit {
            shown.push('…');
            break;
        }
        if c.is_control() || steers_text(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Line separators and the marks that turn the direction of text.
fn steers_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_newlines_and_direction_marks_are_shown_not_acted_upon() {
        let mut log = Log::default();
        let fields = [("table".to_owned(), "XML1\nfake".to_owned())];
        log.add("warn", "\u{1b}[2Jgone \u{202e}dab", &fields);
        assert_eq!(
            log.into_lines(),
            [LogLine {
                level: Level::WARN,
                text: r"\u{1b}[2Jgone \u{202e}dab table=XML1\u{a}fake".to_owned(),
            }]
        );
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let text = visible(["ồ".repeat(LINE_BYTES).as_str()], LINE_BYTES);
        assert!(text.ends_with("ồ…") && text.len() < LINE_BYTES + 10, "{}", text.len());
    }

    #[test]
    fn lines_beyond_the_limit_are_counted_not_kept() {
        let mut first = Log::default();
        (0..150).for_each(|n| first.add("info", &n.to_string(), &[]));
        let mut second = Log::default();
        (0..210).for_each(|n| second.add("what", &n.to_string(), &[]));
        first.append(second);
        let lines = first.into_lines();
        assert_eq!(lines.len(), LINES + 1);
        assert_eq!(lines[LINES - 1].text, "49");
        assert!(lines[LINES].text.contains("160 more lines"), "{}", lines[LINES].text);
    }
}
