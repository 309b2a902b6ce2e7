//! `configs/rules/cases/cases.csv`: each rule that names its fields, kept and broken.

use super::good::{DAY, Draft, good_with, rows};
use super::*;

const CASES: &str = include_str!("../../../../../configs/rules/cases/cases.csv");

/// Rules, by their places, that a visit was seen to keep, and those that one was seen to break.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) kept: std::collections::BTreeSet<u32>,
    pub(super) broken: std::collections::BTreeSet<u32>,
}

/// The ids that have cases of their own.
pub(super) fn ids() -> std::collections::BTreeSet<String> {
    rows(CASES).map(|cells| cells[0].clone()).collect()
}

/// Runs every case.
pub(super) fn run(rules: &Rules, seen: &mut Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    for cells in rows(CASES) {
        let [id, day, pass, fail] = <[String; 4]>::try_from(cells).unwrap();
        let day: Day = if day.is_empty() { DAY } else { day.parse().unwrap() };
        let table = id.split('-').next().unwrap();
        let in_force =
            |place: &&u32| (rules.rules[**place as usize].from..=rules.rules[**place as usize].to).contains(&day);
        let place = rules
            .by_id
            .get(id.as_str())
            .and_then(|places| places.iter().find(in_force))
            .copied();
        let breaks = |draft: &Draft| {
            draft
                .findings(rules, day)
                .iter()
                .any(|found| found.rule == id && found.table == table)
        };
        if breaks(&good_with(table).change(&pass)) {
            wrong.push(format!("{id} {day}: is broken by `{pass}`"));
        } else {
            seen.kept.extend(place);
        }
        match (fail.is_empty(), breaks(&good_with(table).change(&fail))) {
            (true, _) => {}
            (false, true) => seen.broken.extend(place),
            (false, false) => wrong.push(format!("{id} {day}: is not broken by `{fail}`")),
        }
    }
    wrong
}

#[test]
fn every_rule_has_a_case_that_keeps_it_and_one_that_breaks_it_and_both_go_as_they_say() {
    let rules = Rules::national();
    let mut seen = Seen::default();
    let wrong = [run(&rules, &mut seen), oracle::run(&rules, &mut seen)].concat();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    let lacks: Vec<String> = (0u32..)
        .zip(&rules.rules)
        .filter(|(place, _)| !seen.kept.contains(place) || !seen.broken.contains(place))
        .map(|(_, rule)| format!("{} {}-{}", rule.id, rule.from, rule.to))
        .collect();
    assert!(lacks.is_empty(), "{} rules:\n{}", lacks.len(), lacks.join("\n"));
    assert!(rules.len() >= 1000, "{} rules", rules.len());
}
