//! What it costs to check the resources of one visit against R4, and against the Ministry's profiles as well.
//!
//! `cargo bench -p vhr-core --bench structure`. `read` is the JSON being read, which all of them contain;
//! `bundle` is their Bundle being made, without a check.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;
use vhr_core::bundle::{self, Resource, Scope};
use vhr_core::structure::Structure;
use vhr_core::tree::Tree;

const MAPPED: &str = include_str!("../../../plugins/qd3176/golden/visit.moh-ehealth-1.0.json");
const DEFINITIONS: &str = include_str!("../../../configs/profiles/moh-ehealth-1.0.definitions.json");
const CLAIMS: &str = include_str!("../../../configs/profiles/moh-ehealth-1.0.claims.json");

criterion_group!(benches, check, read);
criterion_main!(benches);

fn moh() -> Structure {
    let claims: BTreeMap<_, _> = serde_json::from_str(CLAIMS).expect("the shipped claims read");
    Structure::read(DEFINITIONS, claims).expect("the shipped definitions read")
}

fn resources() -> Vec<Resource> {
    let mapped: Value = serde_json::from_str(MAPPED).expect("a golden file is JSON");
    let resources = mapped["resources"].as_array().expect("a golden file has resources");
    let resource = |of: &Value| Resource {
        kind: of["resource"]["resourceType"].as_str().unwrap_or_default().to_owned(),
        key: of["key"].as_str().unwrap_or_default().to_owned(),
        scope: Scope::Visit,
        json: of["resource"].to_string(),
    };
    resources.iter().map(resource).collect()
}

fn check(criterion: &mut Criterion) {
    let resources = resources();
    let mut group = criterion.benchmark_group("structure");
    let bytes = resources.iter().map(|resource| resource.json.len() as u64).sum();
    group.throughput(Throughput::Bytes(bytes));
    for (name, structure) in [("r4", Structure::r4()), ("moh", moh())] {
        group.bench_function(name, |b| {
            b.iter(|| {
                for resource in &resources {
                    let tree = Tree::read(black_box(&resource.json)).expect("it is JSON");
                    let checked = structure.check(&tree);
                    assert_eq!((checked.faults, checked.missed), (vec![], None));
                }
            });
        });
    }
    group.bench_function("read", |b| {
        b.iter(|| {
            for resource in &resources {
                black_box(Tree::read(black_box(&resource.json)).expect("it is JSON"));
            }
        });
    });
    group.bench_function("bundle", |b| {
        b.iter(|| bundle::build("79999", "LK1", black_box(&resources), |_| None).expect("a whole visit"));
    });
    group.finish();
}

fn read(criterion: &mut Criterion) {
    criterion.bench_function("read the definitions", |b| b.iter(moh));
}
