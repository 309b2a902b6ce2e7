//! One mistake in a configuration: where it stands, what it is, what to do.
//!
//! A problem names keys, lines and what would be right. It never repeats a value: whatever was typed there may be a
//! password in the wrong place.

use std::fmt;

use crate::say::{Language, Said};

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named to us.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The key's path, such as `endpoint[2].auth.token_url` (counted from 1); empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub what: Said,
    /// What to do about it.
    pub hint: Said,
}

impl Problem {
    /// Two lines for people: the place and what is wrong, then the hint.
    pub fn in_language(&self, language: Language) -> String {
        let Problem { file, line, key, .. } = self;
        let (what, hint) = (self.what.in_language(language), self.hint.in_language(language));
        let key = if key.is_empty() {
            String::new()
        } else {
            format!("{key}: ")
        };
        format!("{file}:{line}: {key}{what}\n    → {hint}")
    }
}

/// As at a Vietnamese site: the language setting may be the very thing that cannot be read.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_language(Language::Vi))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said;

    #[test]
    fn a_problem_names_the_place_the_mistake_and_the_way_out() {
        let mut problem = Problem {
            file: "site.toml".to_owned(),
            line: 7,
            key: "site.facility".to_owned(),
            what: said!("thiếu khóa này", "this key is missing"),
            hint: said!("thêm vào", "add it"),
        };
        assert_eq!(
            problem.to_string(),
            "site.toml:7: site.facility: thiếu khóa này (this key is missing)\n    → thêm vào (add it)"
        );
        problem.key.clear();
        assert_eq!(
            problem.in_language(Language::En),
            "site.toml:7: this key is missing\n    → add it"
        );
    }
}
