//! What the host itself does with a mapped visit, step by step: the Bundle, the seal, its digest and its compression.
//!
//! `cargo bench -p vhr-core --bench bundle`. The invented visit is the national plugin's golden one: 39 resources, 31 KB of
//! FHIR. `as given` has its fields in FHIR's own order, as plugins write them; `sorted` has them as the Bundle will.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;
use sha2::{Digest, Sha256};
use vhr_core::bundle::{self, Bundle, Resource, Scope};
use vhr_core::id::{ExportId, PluginRef};
use vhr_core::record::{ClaimForm, Head, Record, VisitKey};

const GOLDEN: &str = include_str!("../../../plugins/qd3176/golden/visit.r4.json");
/// FHIR's order of the fields that a visit has most of; all others come after them.
const FIRST: &[&str] = &[
    "resourceType",
    "identifier",
    "use",
    "type",
    "status",
    "system",
    "code",
    "value",
    "display",
];

criterion_group!(benches, build, seal);
criterion_main!(benches);

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    for (name, write) in [("as given", as_given as fn(&Value, &mut String)), ("sorted", sorted)] {
        let visit = visit(write);
        let size: usize = visit.iter().map(|resource| resource.json.len()).sum();
        group.throughput(Throughput::Bytes(u64::try_from(size).expect("a visit is small")));
        group.bench_function(name, |b| {
            b.iter(|| made(black_box(&visit)));
        });
    }
    group.finish();
}

fn made(visit: &[Resource]) -> Bundle {
    bundle::build("79999", "LK1", visit, |_| None).expect("the golden visit makes a Bundle")
}

fn seal(criterion: &mut Criterion) {
    let record = record();
    let (_, body) = record.seal();
    let mut group = criterion.benchmark_group("seal");
    group.bench_function(format!("seal, {} KB", body.len() / 1024), |b| {
        b.iter(|| black_box(&record).seal())
    });
    group.bench_function("head alone", |b| {
        b.iter(|| serde_json::to_vec(&black_box(&record).head))
    });
    let part = &body[..23 * 1024];
    group.bench_function("sha256, 23 KB", |b| b.iter(|| Sha256::digest(black_box(part))));
    let part = &body[..25 * 1024];
    group.bench_function("zstd level 1, 25 KB", |b| {
        b.iter(|| zstd::bulk::compress(black_box(part), 1))
    });
    let mut kept = zstd::bulk::Compressor::new(1).expect("level 1 is a level");
    group.bench_function("zstd level 1, 25 KB, compressor kept", |b| {
        b.iter(|| kept.compress(black_box(part)))
    });
    group.finish();
}

fn record() -> Record {
    let bundle = made(&visit(as_given));
    Record {
        head: Head {
            export: ExportId::from_bytes([7; 32]),
            seq: 2,
            locator: "HOSO[2] line 40".into(),
            key: VisitKey {
                facility: "79999".into(),
                visit: "LK1".into(),
            },
            ended: Some("2026-01-05T20:00:00+07:00".into()),
            classes: Vec::new(),
            content: "ab".repeat(32),
            written: None,
            plugin: PluginRef {
                id: "vn.qd3176".into(),
                version: "0.1.0".into(),
                sha256: "cd".repeat(32),
            },
            signed: false,
            signature: None,
            claim: ClaimForm::AsReceived,
            issues: Vec::new(),
            held: None,
            no_bundle: BTreeMap::new(),
            department: None,
        },
        bundles: BTreeMap::from([("r4".into(), bundle.json)]),
        envelope: None,
    }
}

fn visit(write: fn(&Value, &mut String)) -> Vec<Resource> {
    let golden: Value = serde_json::from_str(GOLDEN).expect("the golden file is JSON");
    let text = |value: &Value| value.as_str().expect("the golden file has a text here").to_owned();
    let resources = golden["resources"].as_array().expect("the golden file has resources");
    resources
        .iter()
        .map(|resource| {
            let mut json = String::new();
            write(&resource["resource"], &mut json);
            Resource {
                kind: text(&resource["type"]),
                key: text(&resource["key"]),
                scope: match resource["ext"]["scope"].as_str() {
                    Some("facility") => Scope::Facility,
                    Some("shared") => Scope::Shared {
                        identifier: text(&resource["ext"]["match"]),
                    },
                    _ => Scope::Visit,
                },
                json,
            }
        })
        .collect()
}

fn sorted(value: &Value, out: &mut String) {
    out.push_str(&value.to_string());
}

fn as_given(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
            for (at, (name, value)) in fields.into_iter().enumerate() {
                out.push(if at == 0 { '{' } else { ',' });
                out.push_str(&format!("\"{name}\":"));
                as_given(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                out.push(if at == 0 { '[' } else { ',' });
                as_given(item, out);
            }
            out.push(']');
        }
        plain => sorted(plain, out),
    }
}
