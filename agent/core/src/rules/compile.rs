//! Packs of rules become [`Rules`], or all their mistakes at once.
//!
//! Within a pack a row that names its fields takes the place of one that means a whole kind of them (`needed`, `number`, …);
//! a later pack takes the place of what an earlier one says under the same id, whatever the days.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kind::Check;
use super::pack::Pack;
use super::read::{Reader, Spec};
use super::tables::ALL;
use super::value::Made;
use super::{FieldRules, Problem, Rule, Rules, TableRules};
use crate::said;
use crate::say::Said;

/// No pack needs more; a generated one that has more is a mistake.
const MOST: usize = 50_000;

pub(super) fn compile(packs: &[Pack<'_>]) -> Result<Rules, Vec<Problem>> {
    let mut reader = Reader::default();
    let mut held: BTreeMap<String, Vec<Spec<'_>>> = BTreeMap::new();
    // A later list takes the place of the one of its name, for the rules of all packs.
    for file in packs.iter().flat_map(|pack| &pack.codes) {
        reader.codes(file);
    }
    for pack in packs {
        let mut here: BTreeMap<String, Vec<Spec<'_>>> = BTreeMap::new();
        for file in &pack.rules {
            for (id, spec) in reader.rules(file) {
                here.entry(id).or_default().push(spec);
            }
        }
        for (id, mut specs) in here {
            if specs.iter().any(|spec| spec.explicit) {
                specs.retain(|spec| spec.explicit);
            }
            report_doubles(&reader, &id, &specs);
            held.insert(id, specs);
        }
    }
    if held.values().map(Vec::len).sum::<usize>() > MOST {
        reader.report(
            "",
            0,
            "",
            said!("quá {MOST} quy tắc", "more than {MOST} rules"),
            said!("bớt tệp trong thư mục", "take files out of the folder"),
        );
    }
    let (mut problems, words) = reader.end();
    if !problems.is_empty() {
        problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        return Err(problems);
    }
    Ok(assemble(held, words))
}

fn assemble(held: BTreeMap<String, Vec<Spec<'_>>>, words: Vec<Said>) -> Rules {
    let tables = ALL.iter().map(|table| TableRules {
        values: table.fields.iter().map(|_| FieldRules::default()).collect(),
        needs: Vec::new(),
        whole: Vec::new(),
    });
    let mut rules = Rules {
        rules: Vec::new(),
        words,
        tables: tables.collect(),
        by_id: BTreeMap::new(),
    };
    for (id, specs) in held {
        let mut places = Vec::new();
        for spec in specs {
            let Some(severity) = spec.severity else { continue };
            let place = u32::try_from(rules.rules.len()).expect("there are fewer than MOST");
            places.push(place);
            rules.rules.push(Rule {
                id: id.as_str().into(),
                severity,
                from: spec.from,
                to: spec.to,
                when: spec.when,
                words: spec.words,
                off: false,
            });
            let table = &mut rules.tables[usize::from(spec.table)];
            match spec.field {
                Some(field) if spec.check.is_of_a_value() => table.values[usize::from(field)].add(place, spec.check),
                Some(field) if matches!(*spec.check, Check::Need) => table.needs.push((field, place)),
                _ => table.whole.push((place, spec.check)),
            }
        }
        // A rule that is only there to be off still has a name.
        rules.by_id.insert(id.into(), places);
    }
    for table in &mut rules.tables {
        table.needs.sort_by_key(|(field, _)| *field);
    }
    rules
}

impl Default for FieldRules {
    fn default() -> Self {
        Self {
            checks: Vec::new(),
            most: usize::MAX,
            left: Default::default(),
        }
    }
}

impl FieldRules {
    fn add(&mut self, rule: u32, check: Arc<Check>) {
        if let Check::Size(most) = *check {
            self.most = self.most.min(most);
        }
        for (made, left) in Made::ALL.into_iter().zip(&mut self.left) {
            if !check.is_kept_by(made) {
                left.push((rule, Arc::clone(&check)));
            }
        }
        self.checks.push((rule, check));
    }
}

/// One id, one field, one day: one rule.
fn report_doubles(reader: &Reader, id: &str, specs: &[Spec<'_>]) {
    let mut sorted: Vec<&Spec<'_>> = specs.iter().collect();
    sorted.sort_by_key(|spec| (spec.table, spec.field, spec.from));
    for pair in sorted.windows(2) {
        let same_place = (pair[0].table, pair[0].field) == (pair[1].table, pair[1].field);
        if same_place && pair[1].from <= pair[0].to {
            let (file, line) = (pair[0].file, pair[0].line);
            reader.report(
                pair[1].file,
                pair[1].line,
                "id",
                said!(
                    "mã `{id}` đã có ở {file}:{line}, cùng thời gian",
                    "the id `{id}` is taken by {file}:{line} for the same days"
                ),
                said!("đổi mã, hoặc ngày `from` và `to`", "change the id, or the days"),
            );
        }
    }
}
