//! How fast a visit becomes FHIR, on one core: framing, the national plugin natively and in the sandbox, and all together.
//!
//! `cargo bench -p vhr-e2e --bench mapping`. All steps see the same invented visits in batches of 64. The table at the end
//! takes turns between the steps and counts processor time, not the clock: its figures are those of one core, whatever else
//! the machine does. (Criterion's are by the clock.) Its last rows are the same component without the meters that make it
//! safe to run: what fuel and the deadline cost, and what is left is WebAssembly itself and the values copied in and out.

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use vhr_agent::check;
use vhr_agent::demo::exports;
use vhr_agent::digest::Keyed;
use vhr_agent::frame::{self, Survey};
use vhr_agent::map::{Known, Made, Mapper, profiles};
use vhr_agent::plugin::{Context, Host, Outcome, Payload, Plugin, SourceRecord, build};
use vhr_agent::signature::Signatures;
use vhr_core::id::ExportId;
use vhr_core::time::Timestamp;
use vhr_core::tree::Tree;
use vhr_plugin_qd3176 as native;

use meters::Metered;

mod meters;

const BATCH: u64 = 64;
const BATCHES: usize = 16;
/// Turns of the table at the end.
const TURNS: usize = 9;
const PROFILE: &str = "moh-ehealth-1.0";
const FACILITY: &str = "79999";
const RECEIVED_AT: &str = "2026-01-05T20:00:00+07:00";

fn main() {
    let bench = Bench::new();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("mapping");
    group.throughput(Throughput::Elements(BATCH));
    for (name, step) in STEPS {
        let mut turn = 0;
        group.bench_function(*name, |b| {
            b.iter(|| {
                turn += 1;
                step(&bench, &bench.batches[turn % BATCHES])
            })
        });
    }
    group.finish();
    criterion.final_summary();
    if !std::env::args().any(|argument| argument == "--profile-time") {
        bench.compare();
    }
}

type Step = fn(&Bench, &Batch);

const STEPS: &[(&str, Step)] = &[
    ("frame", |bench, batch| drop(black_box(bench.frame(&batch.file)))),
    ("native", |bench, batch| drop(black_box(bench.native(batch)))),
    ("sandbox", |bench, batch| drop(black_box(bench.sandbox(&batch.records)))),
    ("frame and sandbox", |bench, batch| {
        let records = bench.frame(&batch.file);
        drop(black_box(bench.sandbox(&records)));
    }),
    ("frame, sandbox, bundle", |bench, batch| {
        whole(&bench.mapper, &bench.plugin, batch);
    }),
    ("all checks", |bench, batch| bench.checks(batch)),
    ("reading the resources", |_, batch| {
        for json in &batch.resources {
            black_box(Tree::read(json).expect("a resource is JSON"));
        }
    }),
    ("sandbox, no deadline", |bench, batch| bench.metered(0, batch)),
    ("sandbox, no fuel", |bench, batch| bench.metered(1, batch)),
    ("sandbox, neither", |bench, batch| bench.metered(2, batch)),
];

/// Sixty-four visits, as each step takes them.
struct Batch {
    file: Vec<u8>,
    survey: Survey,
    records: Vec<SourceRecord>,
    native: Vec<vhr_plugin_sdk::Record>,
    /// What the national rules see, and what the structure is checked of.
    opened: Vec<frame::Opened>,
    resources: Vec<String>,
}

struct Bench {
    plugin: Plugin,
    mapper: Mapper,
    context: Context,
    native: vhr_plugin_sdk::Context,
    metered: [Metered; 3],
    batches: Vec<Batch>,
}

impl Bench {
    fn new() -> Self {
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/qd3176");
        let built = build::build(sources.as_ref(), Some(env!("CARGO_TARGET_TMPDIR").as_ref()));
        let file = built.expect("the plugin builds").path;
        let plugin = Host::new().and_then(|host| host.load_file(&file));
        let component = std::fs::read(&file).expect("it was just written");
        let set = profiles::read(PROFILE, Some("Bệnh viện Ví Dụ"), None).expect("a shipped profile set");
        let config = set.config_json.clone();
        let mut bench = Self {
            plugin: plugin.expect("the plugin loads"),
            mapper: Mapper {
                facility: FACILITY.into(),
                profiles: [(PROFILE.to_owned(), set)].into(),
                keyed: Keyed::new(b"bench"),
                limits: frame::Limits::default(),
                rules: std::sync::Arc::new(vhr_core::rules::Rules::national()),
                signatures: Signatures::default(),
            },
            context: Context {
                config_json: config.clone(),
                received_at: RECEIVED_AT.into(),
                facility: FACILITY.into(),
                profile: PROFILE.into(),
                ext: Vec::new(),
            },
            native: vhr_plugin_sdk::Context {
                config_json: config,
                received_at: RECEIVED_AT.into(),
                facility: FACILITY.into(),
                profile: PROFILE.into(),
                ext: Vec::new(),
            },
            metered: [(true, false), (false, true), (false, false)]
                .map(|(fuel, deadline)| Metered::new(&component, fuel, deadline)),
            batches: Vec::new(),
        };
        bench.batches = (0..BATCHES as u64).map(|seed| bench.batch(seed)).collect();
        bench.check();
        bench
    }

    fn batch(&self, seed: u64) -> Batch {
        let mut file = Vec::new();
        exports::write_one_file(&mut file, seed, BATCH).expect("writing into memory does not fail");
        let records = self.frame(&file);
        let native = records.iter().map(|record| {
            let Payload::Json(json) = &record.payload else {
                unreachable!("framed as JSON")
            };
            vhr_plugin_sdk::record(record.seq, &record.locator, json.clone())
        });
        let native: Vec<_> = native.collect();
        let answers = native::map_batch(&self.native, &native).expect("the context is good");
        let mapped = answers.into_iter().flat_map(|answer| match answer.outcome {
            vhr_plugin_sdk::Outcome::Mapped(mapped) => mapped.resources,
            _ => panic!("a visit was not mapped"),
        });
        let limits = &self.mapper.limits;
        let cuts = frame::records(file.as_slice(), limits).map(|cut| cut.expect("a whole file"));
        Batch {
            opened: cuts
                .map(|cut| frame::open(&cut, limits).expect("a whole record"))
                .collect(),
            resources: mapped.map(|resource| resource.json).collect(),
            survey: frame::survey(file.as_slice(), &self.mapper.limits).expect("a whole file"),
            native,
            records,
            file,
        }
    }

    /// The bytes of a file, cut, opened, as the plugin sees them.
    fn frame(&self, file: &[u8]) -> Vec<SourceRecord> {
        let limits = &self.mapper.limits;
        let record = |cut: frame::Cut| SourceRecord {
            seq: cut.seq,
            locator: cut.locator.clone(),
            payload: Payload::Json(frame::open(&cut, limits).expect("a whole record").view_json()),
            ext: Vec::new(),
        };
        let cuts = frame::records(file, limits).map(|cut| cut.expect("a whole file"));
        cuts.map(record).collect()
    }

    fn native(&self, batch: &Batch) -> Vec<vhr_plugin_sdk::Answer> {
        native::map_batch(&self.native, &batch.native).expect("the context is good")
    }

    fn sandbox(&self, records: &[SourceRecord]) -> vhr_agent::plugin::Mapped {
        self.plugin.map(&self.context, records)
    }

    fn metered(&self, which: usize, batch: &Batch) {
        assert_eq!(
            self.metered[which].map(&self.context, &batch.records),
            batch.records.len()
        );
    }

    /// The national rules over each record, and R4 and the profiles over each resource.
    fn checks(&self, batch: &Batch) {
        for opened in &batch.opened {
            black_box(check::check(&self.mapper.rules, opened));
        }
        let structure = &self.mapper.profiles[PROFILE].structure;
        for json in &batch.resources {
            let tree = Tree::read(json).expect("a resource is JSON");
            assert_eq!(structure.check(&tree).faults, []);
        }
    }

    /// Both ways give the same resources, and every visit is mapped: else the figures would compare nothing.
    fn check(&self) {
        let (mut visits, mut xml, mut json) = (0, 0, 0);
        for (seed, batch) in self.batches.iter().enumerate() {
            let invented = exports::many(seed as u64, BATCH);
            xml += invented
                .flat_map(|visit| visit.tables)
                .map(|table| table.xml.len())
                .sum::<usize>();
            let (native, sandbox) = (self.native(batch), self.sandbox(&batch.records).answers);
            assert_eq!((native.len(), sandbox.len()), (BATCH as usize, BATCH as usize));
            for (native, sandbox) in native.iter().zip(&sandbox) {
                let (vhr_plugin_sdk::Outcome::Mapped(native), Outcome::Mapped(sandbox)) =
                    (&native.outcome, &sandbox.outcome)
                else {
                    panic!("a visit was not mapped")
                };
                let native = native.resources.iter().map(|resource| &resource.json);
                assert!(native.eq(sandbox.resources.iter().map(|resource| &resource.json)));
                visits += 1;
                json += sandbox
                    .resources
                    .iter()
                    .map(|resource| resource.json.len())
                    .sum::<usize>();
            }
        }
        println!(
            "{visits} visits, on average {} bytes of XML and {} bytes of FHIR",
            xml / visits,
            json / visits
        );
    }

    /// The steps in turns, all batches each; of each step the middle rate, the lowest and the highest.
    fn compare(&self) {
        let mut rates = vec![Vec::with_capacity(TURNS); STEPS.len()];
        for _ in 0..TURNS {
            for ((_, step), rates) in STEPS.iter().zip(&mut rates) {
                let began = processor_time();
                for batch in &self.batches {
                    step(self, batch);
                }
                let took = processor_time() - began;
                rates.push((BATCHES as u64 * BATCH) as f64 / took.as_secs_f64());
            }
        }
        println!("\nvisits a second of processor time, one core, {TURNS} turns: middle (lowest to highest)");
        let mut middle = Vec::new();
        for ((name, _), mut rates) in STEPS.iter().zip(rates) {
            rates.sort_unstable_by(f64::total_cmp);
            println!(
                "{name:24} {:8.0} ({:.0} to {:.0})",
                rates[TURNS / 2],
                rates[0],
                rates[TURNS - 1]
            );
            middle.push(rates[TURNS / 2]);
        }
        let [_, native, sandbox, framed, _, checks, reading, ..] = middle[..] else {
            return;
        };
        println!("\nsandbox / native         {:8.2} (at least 0.80)", sandbox / native);
        println!("frame and sandbox        {framed:8.0} visits/s (at least 5000)");
        println!(
            "all checks / mapping     {:8.2} of its time (at most 1.00); {:.2} beside the reading, which the Bundle needs as well",
            sandbox / checks,
            sandbox / checks - sandbox / reading
        );
        println!(
            "framing to Bundle        {:8.0} visits/s by the clock, on two threads",
            self.on_two_threads()
        );
    }

    /// All that a visit goes through, checks and Bundle too, on both cores; the middle rate.
    fn on_two_threads(&self) -> f64 {
        let mut rates: Vec<f64> = (0..TURNS)
            .map(|_| {
                let began = Instant::now();
                std::thread::scope(|scope| {
                    for half in self.batches.chunks(BATCHES / 2) {
                        let (mapper, plugin) = (&self.mapper, &self.plugin);
                        scope.spawn(move || half.iter().for_each(|batch| whole(mapper, plugin, batch)));
                    }
                });
                (BATCHES as u64 * BATCH) as f64 / began.elapsed().as_secs_f64()
            })
            .collect();
        rates.sort_unstable_by(f64::total_cmp);
        rates[TURNS / 2]
    }
}

/// A file of visits, from its bytes to its records.
fn whole(mapper: &Mapper, plugin: &Plugin, batch: &Batch) {
    let made = |made: Made| drop(black_box(made));
    let (signatures, at) = (&mapper.signatures, Timestamp::from_millis(0));
    let judge = signatures.judge(&batch.survey, || Ok(batch.file.as_slice()), at);
    let known = Known {
        survey: &batch.survey,
        judge: &judge.expect("memory reads"),
    };
    let export = ExportId::from_bytes([0; 32]);
    mapper
        .each(export, batch.file.as_slice(), known, plugin, RECEIVED_AT, made)
        .expect("memory reads");
}

/// What this thread has had of a core, so that other programs do not count. By the clock where Linux is not there to ask.
fn processor_time() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    // Linux counts at each tick and whenever a thread steps aside: so it does.
    std::thread::yield_now();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|told| told.split_whitespace().next()?.parse().ok());
    nanoseconds.map_or_else(|| BEGAN.elapsed(), Duration::from_nanos)
}
