//! The sandbox against plugins that mean no good: at call time one guest with many modes (`plugins/hostile`), before
//! that WebAssembly text.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use super::*;

/// Built once per test process, by the same `build` that vendors use.
static HOSTILE: LazyLock<Plugin> = LazyLock::new(|| {
    let out = tempfile::tempdir().unwrap();
    let built = build::build(&here().join("../plugins/hostile"), Some(out.path())).unwrap();
    assert_eq!(built.path.file_name().unwrap(), "vn.vhr.hostile-0.1.0.wasm");
    let plugin = Host::new().unwrap().load_file(&built.path).unwrap();
    assert_eq!(plugin.sha256(), built.sha256);
    assert_eq!(plugin.manifest(), &built.manifest);
    plugin
});

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn context() -> Context {
    Context {
        config_json: "{}".to_owned(),
        received_at: "2026-11-23T08:00:00+07:00".to_owned(),
        facility: "79999".to_owned(),
        profile: "moh-ehealth-1.0".to_owned(),
        ext: Vec::new(),
    }
}

fn records(texts: &[&str]) -> Vec<SourceRecord> {
    let record = |(at, text): (usize, &&str)| SourceRecord {
        seq: at as u32 + 1,
        locator: format!("line {}", at + 1),
        payload: Payload::Text((*text).to_owned()),
        ext: Vec::new(),
    };
    texts.iter().enumerate().map(record).collect()
}

/// For each answer its one resource, or the code of its one issue.
fn told(answers: &[Answer]) -> Vec<&str> {
    assert!(
        answers.iter().map(|a| a.seq).eq(1..=answers.len() as u32),
        "answers come in order"
    );
    fn told(answer: &Answer) -> &str {
        match &answer.outcome {
            Outcome::Mapped(mapped) => &mapped.resources[0].json,
            Outcome::Rejected(issues) => &issues[0].code,
            Outcome::Skipped(issue) => &issue.code,
        }
    }
    answers.iter().map(told).collect()
}

#[track_caller]
fn check(texts: &[&str], expected: &[&str]) -> Mapped {
    let mapped = HOSTILE.map(&context(), &records(texts));
    assert_eq!(told(&mapped.answers), expected);
    mapped
}

#[test]
fn a_record_that_fails_is_refused_with_its_reason_and_the_others_are_mapped() {
    for (mode, code) in [
        ("loop", "PLUGIN-FUEL"),
        ("log for ever", "PLUGIN-FUEL"),
        ("translate for ever", "PLUGIN-FUEL"),
        ("recurse", "PLUGIN-TRAP"),
        ("panic", "PLUGIN-TRAP"),
        ("grow", "PLUGIN-MEMORY"),
        ("huge", "PLUGIN-MEMORY"),
        ("fail", "PLUGIN-FAILURE"),
        ("not UTF-8", "PLUGIN-PROTOCOL"),
        ("missing", "PLUGIN-PROTOCOL"),
        ("twice", "PLUGIN-PROTOCOL"),
        ("foreign", "PLUGIN-PROTOCOL"),
        ("late and twice", "PLUGIN-PROTOCOL"),
    ] {
        check(&[mode], &[code]);
        check(&["a", mode, "b", "c", "d"], &["a", code, "b", "c", "d"]);
    }
}

#[test]
fn answers_do_not_depend_on_where_a_batch_begins_and_ends() {
    let texts = [
        "a",
        "late",
        "panic",
        "b",
        "hoard",
        "hoard",
        "missing",
        "c",
        "hoard",
        "hoard",
        "loop",
        "fail",
        "late",
        "d",
        "twice",
        "late, before the others",
    ];
    let whole = HOSTILE.map(&context(), &records(&texts));
    for size in [1, 2, 3, 7] {
        let parts: Vec<_> = records(&texts)
            .chunks(size)
            .flat_map(|part| HOSTILE.map(&context(), part).answers)
            .collect();
        assert_eq!(told(&parts), told(&whole.answers), "in parts of {size}");
        assert!(parts == whole.answers, "in parts of {size}");
    }
    assert_eq!(told(&whole.answers)[9], "hoard", "each fits alone, not all together");
}

#[test]
fn fuel_is_the_same_each_time() {
    let used = |_| HOSTILE.map(&context(), &records(&["a", "b", "translate"])).fuel_used;
    let used: Vec<_> = (0..3).map(used).collect();
    assert!(used[0] > 0 && used.iter().all(|u| *u == used[0]), "{used:?}");
}

#[test]
fn what_the_host_does_for_a_plugin_is_paid_for_too() {
    let fuel = |text| HOSTILE.map(&context(), &records(&[text])).fuel_used;
    assert!(fuel("translate") > fuel("a") + 10_000, "two calls, one of each import");
    assert!(fuel("log much") > fuel("a") + 1_000_000, "a hundred thousand bytes");
}

#[test]
fn a_larger_record_has_more_fuel() {
    let limits = Limits {
        fuel_per_record: 100_000,
        fuel_per_byte: 0,
        ..HOSTILE.limits().clone()
    };
    let large = "x".repeat(200_000);
    let strict = HOSTILE.clone().with_limits(limits.clone());
    let answers = strict.map(&context(), &records(&["a", &large])).answers;
    assert!(told(&answers) == ["a", "PLUGIN-FUEL"]);
    let fair = HOSTILE.clone().with_limits(Limits {
        fuel_per_byte: 100,
        ..limits
    });
    let answers = fair.map(&context(), &records(&["a", &large])).answers;
    assert!(told(&answers) == ["a", &large]);
}

#[test]
fn an_answer_is_bounded_even_where_memory_is_not() {
    let limits = Limits {
        memory: 512 << 20,
        ..HOSTILE.limits().clone()
    };
    let mapped = HOSTILE.clone().with_limits(limits).map(&context(), &records(&["huge"]));
    assert!(told(&mapped.answers) == ["PLUGIN-MEMORY"]);
}

#[test]
fn the_clock_stops_what_fuel_would_not() {
    let limits = Limits {
        fuel_per_record: u64::MAX,
        deadline: Duration::from_millis(20),
        ..HOSTILE.limits().clone()
    };
    let plugin = HOSTILE.clone().with_limits(limits);
    let answers = plugin.map(&context(), &records(&["a", "loop"])).answers;
    assert_eq!(told(&answers), ["a", "PLUGIN-DEADLINE"]);
}

#[test]
fn a_plugin_that_does_not_open_refuses_every_record() {
    for (config, code) in [("open: fail", "PLUGIN-FAILURE"), ("open: loop", "PLUGIN-FUEL")] {
        let context = Context {
            config_json: config.to_owned(),
            ..context()
        };
        let mapped = HOSTILE.map(&context, &records(&["a", "b", "c"]));
        assert_eq!(told(&mapped.answers), [code; 3]);
    }
    assert!(HOSTILE.map(&context(), &[]).answers.is_empty());
}

#[test]
fn a_refusal_says_where_and_why_in_both_languages() {
    let mapped = check(&["fail"], &["PLUGIN-FAILURE"]);
    let Outcome::Rejected(issues) = &mapped.answers[0].outcome else {
        panic!("{mapped:?}")
    };
    assert_eq!(issues[0].source_path, "line 1");
    assert_eq!(issues[0].severity, "error");
    assert_eq!(
        issues[0].message,
        "plugin báo không xử lý được hồ sơ này (the plugin reported that it cannot map this record): \
         NO-TABLE: \\u{1b}[2Jthe table is missing"
    );
}

#[test]
fn logs_are_bounded_harmless_and_said_once() {
    let mapped = check(&["flood", "panic"], &["flood", "PLUGIN-TRAP"]);
    assert_eq!(mapped.logs.len(), log::LINES + 1);
    assert_eq!(mapped.logs[199].text, r"\u{1b}[31mline 199");
    assert!(
        mapped.logs[200].text.contains("300 more lines"),
        "{:?}",
        mapped.logs[200]
    );

    let mapped = check(&["log much"], &["log much"]);
    assert!(mapped.logs[0].text.len() < log::LINE_BYTES + 10);

    let mapped = check(&["translate", "panic"], &["translate", "PLUGIN-TRAP"]);
    assert_eq!(
        mapped.logs.len(),
        1,
        "a repeated record does not repeat its lines: {:?}",
        mapped.logs
    );
    assert_eq!(mapped.logs[0].text, "[None, None] seq=1");
    assert_eq!(mapped.logs[0].level, tracing::Level::DEBUG);
}

/// A plugin around this core module, with everything `transform` needs; `parts` may redefine what comes before it.
fn plugin_of(parts: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(here().join("../wit/v1")).unwrap();
    let world = resolve.select_world(&[package], Some("mapper")).unwrap();
    let memory = if parts.contains(r#"(export "memory")"#) {
        ""
    } else {
        r#"(memory (export "memory") 1)"#
    };
    let realloc = if parts.contains("cabi_realloc") {
        ""
    } else {
        r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)"#
    };
    // At 0 lies a result that says Ok with an empty list.
    let text = format!(
        r#"(module {memory} {realloc} {parts}
            (func (export "vhr:mapper/transform@1.0.0#open") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                i32.const 0)
            (func (export "vhr:mapper/transform@1.0.0#map-batch") (param i32 i32) (result i32) i32.const 0)
            (func (export "vhr:mapper/transform@1.0.0#finish") (result i32) i32.const 0))"#
    );
    let mut module = wat::parse_str(text).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8).unwrap();
    with_manifest(build::encode(&module).unwrap())
}

fn with_manifest(mut component: Vec<u8>) -> Vec<u8> {
    let manifest = std::fs::read(here().join("../plugins/hostile/plugin.toml")).unwrap();
    build::append_section(&mut component, SECTION, &manifest);
    component
}

#[track_caller]
fn check_static(parts: &str, code: &str) {
    let plugin = Host::new().unwrap().load(plugin_of(parts)).unwrap();
    let mapped = plugin.map(&context(), &records(&["a", "b"]));
    assert_eq!(told(&mapped.answers), [code; 2], "{:?}", mapped.answers);
}

#[test]
fn what_runs_before_any_record_is_held_as_well() {
    check_static("", "PLUGIN-PROTOCOL"); // well behaved, but without a single answer
    check_static("(func $spin (loop (br 0))) (start $spin)", "PLUGIN-FUEL");
    let realloc = r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)"#;
    check_static(&format!("{realloc} (loop (br 0)) unreachable)"), "PLUGIN-FUEL");
    check_static(&format!("{realloc} i32.const -8)"), "PLUGIN-PROTOCOL");
}

#[test]
fn memory_and_tables_beyond_the_limit_are_not_given() {
    check_static(r#"(memory (export "memory") 65536)"#, "PLUGIN-MEMORY");
    check_static("(table 100000000 funcref)", "PLUGIN-MEMORY");
    let grow = "(drop (memory.grow (i32.const 2000))) unreachable";
    check_static(&format!("(func $bomb {grow}) (start $bomb)"), "PLUGIN-MEMORY");
    let grow = "(drop (table.grow (ref.null func) (i32.const 30000))) unreachable";
    check_static(
        &format!("(table 0 funcref) (func $bomb {grow}) (start $bomb)"),
        "PLUGIN-MEMORY",
    );
    check_static(&"(memory 1) ".repeat(9), "PLUGIN-MEMORY");
}

/// What refuses this file, with all its causes.
#[track_caller]
fn refused(bytes: Vec<u8>) -> String {
    let Err(error) = Host::new().unwrap().load(bytes) else {
        panic!("it was accepted")
    };
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        said = format!("{said}: {next}");
        cause = next.source();
    }
    said
}

#[test]
fn imports_of_anything_but_the_contract_are_refused_by_name() {
    let wasi = r#"(component (import "wasi:cli/environment@0.2.6" (instance)))"#;
    let said = refused(with_manifest(wat::parse_str(wasi).unwrap()));
    assert!(
        said.contains("wasi:cli/environment@0.2.6") && said.contains("wasm32-wasip2?"),
        "{said}"
    );

    let other =
        r#"(component (import "vhr:mapper/host@2.0.0" (instance)) (import "vhr:mapper/types@1.0.0" (instance)))"#;
    let said = refused(with_manifest(wat::parse_str(other).unwrap()));
    assert!(said.ends_with("does not offer): vhr:mapper/host@2.0.0"), "{said}");
}

#[test]
fn what_is_no_plugin_is_refused_with_the_reason() {
    let bytes = |text: &str| wat::parse_str(text).unwrap();
    assert!(refused(bytes("(module)")).contains("core WebAssembly module"));
    assert!(refused(bytes("(component)")).contains("does not export `vhr:mapper/transform@1`"));
    assert!(refused(b"MZ\x90\0".to_vec()).contains("not valid WebAssembly"));
    assert!(refused(Vec::new()).contains("not valid WebAssembly"));
    assert!(refused(vec![0; lint::MAX_BYTES as usize + 1]).contains("32 MiB"));

    let whole = plugin_of("");
    assert!(refused(whole[..whole.len() / 2].to_vec()).contains("not valid WebAssembly"));
    let twice = refused(with_manifest(whole));
    assert!(twice.contains("carries no plugin.toml"), "{twice}");

    let mut bad = bytes(r#"(component (instance $i) (export "vhr:mapper/transform@1.0.0" (instance $i)))"#);
    assert!(refused(with_manifest(bad.clone())).contains("does not fit the contract"));
    build::append_section(&mut bad, SECTION, b"id = 1");
    assert!(refused(bad).contains("plugin.toml has mistakes"));
}

#[test]
fn machine_code_is_never_accepted() {
    let compiled = the_engine().unwrap().precompile_component(&plugin_of("")).unwrap();
    assert!(refused(compiled).contains("precompiled machine code"));
}

#[test]
fn proposals_that_are_switched_off_are_refused() {
    for core in [
        "(memory i64 1)",
        "(memory 1 1 shared)",
        "(tag)",
        "(type (struct))",
        "(func (result v128) (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))",
    ] {
        let text = format!("(component (core module {core}))");
        let said = refused(wat::parse_str(text).unwrap());
        assert!(said.contains("not valid WebAssembly"), "{core}: {said}");
    }
}

#[test]
fn a_crate_without_a_good_manifest_is_not_built() {
    let dir = tempfile::tempdir().unwrap();
    let error = build::build(dir.path(), None).unwrap_err();
    assert!(
        matches!(error, build::Error::Read { ref path, .. } if path.ends_with("plugin.toml")),
        "{error}"
    );
    std::fs::write(dir.path().join("plugin.toml"), "id = 1").unwrap();
    let error = build::build(dir.path(), None).unwrap_err();
    assert!(matches!(error, build::Error::Manifest { .. }), "{error}");
}

#[test]
fn a_plugin_that_reads_what_the_agent_cannot_cut_is_told_so_before_anything_runs() {
    let refused = crate::map::can_feed(&HOSTILE).unwrap_err();
    assert!(refused.to_string().contains("vn.vhr.hostile"), "{refused}");
}
