//! The national rules before sending: what is wrong with a visit's tables, told before the gateway tells it.
//!
//! The rules are data (`configs/rules`): [`Rules::read`] makes of packs of CSV files what [`check`] runs over a [`Visit`].
//! What stays true: which rules hold is decided by the day of discharge; a rule that cannot be decided is silent; a message
//! names fields and what to do, never a value; the time is linear in what the tables hold.
//!
//! Nearly every value is right, so a value's checks run first, and only where one fails is it asked whether its rule holds
//! that day and under that condition.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::said;
use crate::say::Said;

mod amount;
mod asked;
mod check;
mod compile;
mod condition;
mod csv;
mod date;
mod kind;
mod line;
mod pack;
mod read;
mod shape;
mod tables;
mod value;
mod visit;

#[cfg(test)]
mod tests;

pub use crate::config::Problem;
pub use check::check;
pub use pack::{File, Pack, shipped};
pub use tables::field_name;
pub use visit::Visit;

use condition::Clause;
use kind::Check;

/// A pack that is larger was chosen by mistake.
pub const LARGEST: usize = 1024 * 1024;

/// What a broken rule means for the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The claim is held back.
    Block,
    /// Told, and sent.
    Warn,
}

/// A day as a number, `yyyymmdd`.
pub type Day = u32;

/// Later than any rule: what a visit is checked by that does not say when it ended.
pub const NEWEST: Day = 99_991_231;

/// A rule that a visit breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id, such as `XML2-SO_LUONG-NUMBER`.
    pub rule: String,
    /// What it means for the claim.
    pub severity: Severity,
    /// `XML2`.
    pub table: &'static str,
    /// From 1; 0: the table as a whole.
    pub row: u32,
    /// Empty: the row as a whole.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub said: Said,
}

impl Finding {
    /// `XML2[3]/SO_LUONG`, `XML1/NGAY_RA`, `XML13`.
    pub fn place(&self) -> String {
        let mut place = self.table.to_owned();
        if self.row > 0 && self.table != "XML1" {
            place.push_str(&format!("[{}]", self.row));
        }
        if !self.field.is_empty() {
            place.push('/');
            place.push_str(self.field);
        }
        place
    }
}

/// Checked and ready to run.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    /// What the rules say, `vi` and `en`; one for all the rules of a row.
    words: Vec<Said>,
    /// By table, as numbered in [`tables`].
    tables: Vec<TableRules>,
    /// How the ids are found.
    by_id: BTreeMap<Box<str>, Vec<u32>>,
}

/// What is checked in one table.
#[derive(Debug, Default)]
struct TableRules {
    /// For each field: what its value must be like.
    values: Vec<FieldRules>,
    /// Fields, and the rules by which they may not be missing; in the order of the fields.
    needs: Vec<(u16, u32)>,
    /// The table as a whole.
    whole: Vec<(u32, Arc<Check>)>,
}

/// What is checked in the values of one field.
#[derive(Debug)]
struct FieldRules {
    checks: Vec<(u32, Arc<Check>)>,
    /// The least of the sizes, in bytes.
    most: usize,
    /// Those of the checks that a value of no more bytes may break, by what it is made of: see [`value::Made`].
    left: [Vec<(u32, Arc<Check>)>; 3],
}

/// When a rule holds, and what it says.
#[derive(Debug)]
struct Rule {
    id: Box<str>,
    severity: Severity,
    from: Day,
    to: Day,
    when: Arc<[Clause]>,
    words: u32,
    off: bool,
}

impl Rules {
    /// The checked rules of these packs; a later pack takes the place of what an earlier one says under the same id.
    ///
    /// # Errors
    /// Every mistake in them, by file and line.
    pub fn read(packs: &[Pack<'_>]) -> Result<Self, Vec<Problem>> {
        compile::compile(packs)
    }

    /// The rules that come with the agent.
    ///
    /// # Panics
    /// Never: a test reads them.
    pub fn national() -> Self {
        Self::read(&[shipped()]).expect("the shipped rules read; a test says so")
    }

    /// Switches rules off: by id, or all whose id begins with what stands before a final `*`. Gives back what no rule is
    /// called.
    pub fn switch_off<'o>(&mut self, off: &'o [String]) -> Vec<&'o str> {
        let mut unknown = Vec::new();
        for given in off {
            let rules: Vec<u32> = match given.strip_suffix('*') {
                Some(start) => {
                    let named = self.by_id.iter().filter(|(id, _)| id.starts_with(start));
                    named.flat_map(|(_, rules)| rules.iter().copied()).collect()
                }
                None => self.by_id.get(given.as_str()).cloned().unwrap_or_default(),
            };
            if rules.is_empty() {
                unknown.push(given.as_str());
            }
            for rule in rules {
                self.rules[rule as usize].off = true;
            }
        }
        unknown
    }

    /// How many rules there are, by id.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// All ids.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(|id| &**id)
    }
}

/// The first blocking findings, in one line for whoever has to put them right; none: nothing holds the claim back.
pub fn held(findings: &[Finding]) -> Option<Said> {
    const TOLD: usize = 3;
    let blocking: Vec<&Finding> = findings.iter().filter(|f| f.severity == Severity::Block).collect();
    let first = |text: fn(&Finding) -> &str| {
        let told = blocking.iter().take(TOLD);
        let told = told.map(|f| format!("[{}] {}: {}", f.rule, f.place(), text(f)));
        told.collect::<Vec<_>>().join("; ")
    };
    let (vi, en) = (first(|f| &f.said.vi), first(|f| &f.said.en));
    let more = blocking.len().saturating_sub(TOLD);
    match (blocking.len(), more) {
        (0, _) => None,
        (_, 0) => Some(Said { vi, en }),
        _ => Some(said!("{vi}; và {more} lỗi khác", "{en}; and {more} more")),
    }
}
