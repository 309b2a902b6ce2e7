//! What a person at the hospital should know about a record: problems that do not stop it, and those that do.

use crate::Issue;

/// The problems found so far. Messages are Vietnamese first, English second, and never repeat a value of the record.
#[derive(Debug, Default)]
pub struct Issues {
    found: Vec<Issue>,
}

impl Issues {
    /// An issue by itself; `severity` is `error`, `warning` or `information`.
    pub fn issue(severity: &str, code: &str, source_path: &str, vietnamese: &str, english: &str) -> Issue {
        Issue {
            severity: severity.to_owned(),
            code: code.to_owned(),
            source_path: source_path.to_owned(),
            target_path: None,
            message: format!("{vietnamese} ({english})"),
            ext: Vec::new(),
        }
    }

    /// Something was wrong and part of the record was left out; the rest goes on.
    pub fn warning(&mut self, code: &str, source_path: &str, vietnamese: &str, english: &str) {
        self.found
            .push(Self::issue("warning", code, source_path, vietnamese, english));
    }

    /// Worth knowing, nothing was lost.
    pub fn information(&mut self, code: &str, source_path: &str, vietnamese: &str, english: &str) {
        self.found
            .push(Self::issue("information", code, source_path, vietnamese, english));
    }

    /// Everything found, in order.
    pub fn into_vec(self) -> Vec<Issue> {
        self.found
    }
}
