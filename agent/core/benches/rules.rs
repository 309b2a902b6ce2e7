//! What checking costs: one visit over all tables, of 19 rows and more than six hundred values, by all national rules.
//!
//! `cargo bench -p vhr-core --bench rules`. `see` puts the values at their places, `check` runs the rules over them, `both` is
//! what a record costs, `a broken one` has a finding in each of its tables. Mapping one visit takes about a hundred µs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use vhr_core::rules::{self, Rules, Visit};

const GOOD: &str = include_str!("../../../configs/rules/cases/good.csv");

criterion_group!(benches, check, read);
criterion_main!(benches);

/// Rows of a table, each a list of fields.
type Row = (&'static str, Vec<(&'static str, &'static str)>);

fn claim() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut before = ("", "");
    for line in GOOD.lines().filter(|line| line.starts_with("claim,")) {
        let mut cells = line.splitn(5, ',').skip(1);
        let mut cell = || cells.next().expect("a case has five cells");
        let (table, row, field, value) = (cell(), cell(), cell(), cell());
        if before != (table, row) {
            rows.push((table, Vec::new()));
            before = (table, row);
        }
        rows.last_mut().expect("one was just put in").1.push((field, value));
    }
    rows
}

fn see<'a>(rows: &[Row]) -> Visit<'a> {
    let mut visit = Visit::new();
    for (table, fields) in rows {
        visit.row(table, fields.iter().copied());
    }
    visit
}

fn check(criterion: &mut Criterion) {
    let rules = Rules::national();
    let rows = claim();
    let visit = see(&rows);
    assert_eq!(rules::check(&rules, &visit, visit.day()), []);
    let broken: Vec<Row> = rows
        .iter()
        .map(|(table, fields)| (*table, fields[1..].to_vec()))
        .collect();
    criterion.bench_function("see", |b| b.iter(|| see(black_box(&rows))));
    criterion.bench_function("check", |b| {
        b.iter(|| rules::check(&rules, black_box(&visit), visit.day()))
    });
    for (name, rows) in [("both", &rows), ("a broken one", &broken)] {
        criterion.bench_function(name, |b| {
            b.iter(|| {
                let visit = see(black_box(rows));
                rules::check(&rules, &visit, visit.day())
            });
        });
    }
}

fn read(criterion: &mut Criterion) {
    criterion.bench_function("read the packs", |b| b.iter(Rules::national));
}
