//! What the agent says to people: always in Vietnamese and in English, shown by the language of the site.
//!
//! Both texts are made where the fact is known, so neither can be forgotten. A [`Said`] never holds patient data or a
//! secret: it may be shown, logged and sent to support.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One message in both languages. Made with [`said!`](crate::said).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Said {
    /// The Vietnamese text.
    pub vi: String,
    /// The English text.
    pub en: String,
}

impl Said {
    /// As shown at a site of this language: Vietnamese first and English in parentheses, or English alone.
    pub fn in_language(&self, language: Language) -> String {
        match language {
            Language::Vi if self.vi == self.en => self.vi.clone(),
            Language::Vi => format!("{} ({})", self.vi, self.en),
            Language::En => self.en.clone(),
        }
    }
}

/// Where the language of the site is not known (yet), as at a Vietnamese site: everyone can read it.
impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_language(Language::Vi))
    }
}

/// The language of messages for people at a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Vietnamese, with the English text beside it.
    #[default]
    Vi,
    /// English.
    En,
}

/// `said!("còn {n} hồ sơ", "{n} records left")`: one [`Said`](crate::say::Said) from two `format!` texts, Vietnamese
/// first; arguments after them are used by both.
#[macro_export]
macro_rules! said {
    ($vi:literal, $en:literal $(, $($arg:tt)*)?) => {
        $crate::say::Said { vi: ::std::format!($vi $(, $($arg)*)?), en: ::std::format!($en $(, $($arg)*)?) }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vietnamese_site_reads_vietnamese_first_and_english_in_parentheses() {
        let left = 3;
        let said = said!("còn {left} hồ sơ", "{left} records left");
        assert_eq!(said.in_language(Language::Vi), "còn 3 hồ sơ (3 records left)");
        assert_eq!(said.in_language(Language::En), "3 records left");
        assert_eq!(said.to_string(), said.in_language(Language::Vi));
    }

    #[test]
    fn what_is_the_same_in_both_languages_is_said_once() {
        assert_eq!(said!("{}", "{}", "FHIR").in_language(Language::Vi), "FHIR");
    }

    #[test]
    fn a_message_is_stored_with_both_texts() {
        let said = said!("một", "one");
        let stored = serde_json::to_string(&said).unwrap();
        assert_eq!(stored, r#"{"vi":"một","en":"one"}"#);
        assert_eq!(serde_json::from_str::<Said>(&stored).unwrap(), said);
    }
}
