//! The report of a period: every figure of it is what went in and what the receivers hold, in each form.

use std::collections::BTreeMap;
use std::fs;

use vhr_agent::demo::exports::{Breakage, ExportFile, Kind, Oddity, Options, generate};

use crate::harness::{Wish, World, files_below, odd, plain, whole_keys};

/// The rows of the sheets of `report --format csv`, by their sheet, without their heads.
#[derive(Debug)]
struct Sheets {
    rows: BTreeMap<String, Vec<Vec<String>>>,
    text: String,
}

impl Sheets {
    fn read(text: &str) -> Self {
        let mut rows: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        let mut heads = Vec::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            let mut cells = cells(line);
            let sheet = cells.remove(0);
            let is_table = !["title", "note", "sheet", "definition"].contains(&sheet.as_str());
            if is_table && !heads.contains(&sheet) {
                heads.push(sheet);
            } else {
                rows.entry(sheet).or_default().push(cells);
            }
        }
        Self {
            rows,
            text: text.to_owned(),
        }
    }

    /// The cells behind the first one that ends so.
    #[track_caller]
    fn row(&self, sheet: &str, of: &str) -> Vec<&str> {
        let row = self.rows[sheet]
            .iter()
            .find(|row| row[0] == of || row[0].ends_with(&format!("({of})")));
        let row = row.unwrap_or_else(|| panic!("{sheet} {of}: {}", self.text));
        row[1..].iter().map(String::as_str).collect()
    }

    /// Counts and shares of this period alone.
    #[track_caller]
    fn total(&self, of: &str) -> &str {
        self.row("totals", of)[0]
    }
}

/// One line of CSV.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

/// The day on which the journal says that the only files came, and which is thus the one to ask for.
fn day(world: &World) -> String {
    let receipts = world.receipts();
    receipts
        .iter()
        .map(|row| row[0][..10].to_owned())
        .min()
        .expect("something was delivered")
}

fn report(world: &World, day: &str, format: &str) -> String {
    world
        .run(&["report", "--from", day, "--to", day, "--format", format])
        .with(0)
        .out
}

/// Whole visits, one whose sums are wrong, and each kind of broken file.
fn files() -> Vec<ExportFile> {
    let broken = Options {
        broken: true,
        ..Options::plain(911, 2)
    };
    let broken = generate(&broken).filter(|file| {
        let told = [Breakage::BadBase64, Breakage::NoKey, Breakage::Empty, Breakage::Doctype];
        matches!(file.kind, Kind::Broken(kind) if told.contains(&kind))
    });
    let mut files: Vec<ExportFile> = plain(912, 5)
        .into_iter()
        .chain(broken)
        .chain([odd(913, Oddity::WrongSum)])
        .collect();
    for (nth, file) in files.iter_mut().enumerate() {
        file.name = format!("{nth:02}.xml");
    }
    files
}

/// What `map` says of each record: its department is not told there, its remarks are.
fn remarks(world: &World, files: &[ExportFile]) -> (u64, BTreeMap<String, u64>) {
    let plugin = world.path("plugins").join("vn.qd3176.wasm");
    let folder = world.path("looked-at");
    fs::create_dir(&folder).unwrap();
    let mut arguments = vec![
        "map".to_owned(),
        "--plugin".into(),
        plugin.display().to_string(),
        "--facility".into(),
        "79999".into(),
        "--json".into(),
    ];
    for file in files {
        let path = folder.join(&file.name);
        fs::write(&path, &file.bytes).unwrap();
        arguments.push(path.display().to_string());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = crate::harness::Service::start(&arguments, &world.path("tmp")).finish();
    let (mut clean, mut rules) = (0, BTreeMap::new());
    for line in done.out.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["outcome"] != "mapped" {
            continue;
        }
        let issues = line["issues"].as_array().unwrap().iter();
        let mut codes: Vec<String> = issues
            .filter(|issue| issue["severity"] != "information")
            .map(|issue| issue["code"].as_str().unwrap().to_owned())
            .collect();
        codes.sort();
        codes.dedup();
        clean += u64::from(codes.is_empty());
        codes.into_iter().for_each(|code| *rules.entry(code).or_insert(0) += 1);
    }
    (clean, rules)
}

/// So many of so many, as a whole percent that is never rounded up.
fn percent(part: u64, of: u64) -> String {
    format!("{}%", part * 100 / of)
}

#[test]
fn every_figure_of_a_days_report_is_what_came_and_what_arrived_in_every_form_of_it() {
    let world = World::new();
    let files = files();
    let keys = whole_keys(&files);
    // Five plain visits, two around the one with bad base64, one with wrong sums.
    assert_eq!(keys.len(), 8);
    world.gateway.refuse([keys[0].clone()]);
    world.drop_all(&files);
    world.run(&["run", "--once", "--now"]).with(65);
    let (clean, rules) = remarks(&world, &files);
    let day = day(&world);
    let text = report(&world, &day, "csv");
    let sheets = Sheets::read(&text);

    // Seen: those, the one with bad base64, the one without a key. The empty one and the one with a DTD do not read at all.
    assert_eq!((sheets.total("files"), sheets.total("files set aside")), ("10", "2"));
    assert_eq!((sheets.total("seen"), sheets.total("accepted")), ("10", "8"));
    assert_eq!((sheets.total("refused"), sheets.total("set aside")), ("1", "1"));
    assert_eq!((sheets.total("known already"), sheets.total("complete")), ("0", "80%"));
    assert_eq!(sheets.total("clean records"), clean.to_string());
    assert_eq!(sheets.total("clean"), percent(clean, 8));
    assert_eq!(sheets.total("not known any more"), "0");
    assert_eq!(sheets.row("totals", "seen"), ["10", "0", "10"]);

    // due, sent, waiting, refused there, held by us, stuck, given up, superseded, sent of due.
    let vhr = sheets.row("endpoints", "vhr");
    assert_eq!(vhr[..9], ["8", "8", "0", "0", "0", "0", "0", "0", "100%"]);
    let gateway = sheets.row("endpoints", "insurance");
    assert_eq!(gateway[..9], ["8", "6", "0", "1", "1", "0", "0", "0", "75%"]);
    assert_eq!((world.encounters().len(), world.claims().len()), (8, 6));
    // All of them left the hospital long ago: end known, within 24 h, live.
    assert_eq!(vhr[11..14], ["8", "0", "0%"]);

    assert_eq!(sheets.rows["days"].len(), 1);
    let by_day = sheets.row("days", &day);
    assert_eq!(by_day[..3], ["10", "8", "80%"]);
    // insurance comes first: due, sent, share, each.
    assert_eq!(by_day[4..], ["8", "6", "75%", "8", "8", "100%"]);

    let departments = &sheets.rows["departments"];
    let sum = |column: usize| {
        departments
            .iter()
            .map(|row| row[column].parse::<u64>().unwrap())
            .sum::<u64>()
    };
    // accepted, clean, set aside or refused; due, sent, refused there, held by us, of each endpoint.
    let sums = [sum(1), sum(2), sum(4), sum(5), sum(6), sum(7), sum(8), sum(9), sum(10)];
    assert_eq!(sums, [8, clean, 2, 8, 6, 1, 1, 8, 8]);
    for row in departments {
        assert!(
            ["K01", "K02", "không ghi (not told)"].contains(&row[0].as_str()),
            "{row:?}"
        );
    }
    // What does not read tells no department; what has no key still does.
    assert_eq!(sheets.row("departments", "not told")[3], "1");

    let mut reasons: Vec<(String, String)> = sheets.rows["reasons"]
        .iter()
        .map(|row| (row[1].clone(), format!("{} {}", row[2], row[4])))
        .collect();
    reasons.sort();
    let reasons: Vec<(&str, &str)> = reasons.iter().map(|(code, rest)| (&**code, &**rest)).collect();
    assert_eq!(
        reasons,
        [
            ("FRAME-BASE64", " 1"),
            ("QD3176-MISSING", " 1"),
            ("refused", "insurance 1"),
            ("rules", "insurance 1"),
        ]
    );

    let told: BTreeMap<String, u64> = sheets.rows["rules"]
        .iter()
        .map(|row| (row[0].clone(), row[2].parse().unwrap()))
        .collect();
    assert_eq!(told.len(), rules.len().min(10));
    for (code, records) in &told {
        assert_eq!(rules.get(code), Some(records), "{code}");
        assert!(rules.values().filter(|more| *more > records).count() < 10);
    }
    let held = sheets.rows["rules"].iter().find(|row| row[1] == "lỗi (error)");
    assert!(held.is_some_and(|row| row[4].contains(" / ")), "{text}");

    the_other_forms_say_the_same(&world, &day, &sheets);
    // Nobody is named, and no visit.
    for word in keys.iter().map(String::as_str).chain(["GD", "Nguyễn"]) {
        assert!(!text.contains(word), "{word}");
    }
    // The same while the service runs.
    let service = world.service();
    let running = report(&world, &day, "csv");
    let without_time = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with("note,"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(without_time(&running), without_time(&text));
    service.terminate().with(0);
    world
        .run(&["report", "--from", "2026-02-30", "--to", "2026-03-01"])
        .with(2);
}

/// Each cell of a sheet that is no share stands in each other form, in the order of the CSV.
fn the_other_forms_say_the_same(world: &World, day: &str, sheets: &Sheets) {
    let page = report(world, day, "html");
    let console = report(world, day, "text");
    let file = world.path("bao-cao.xlsx");
    let out = file.display().to_string();
    world
        .run(&["report", "--from", day, "--to", day, "--format", "xlsx", "--out", &out])
        .with(0);
    // Its parts are stored as they are.
    let workbook = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
    assert!(workbook.starts_with("PK"));
    for row in &sheets.rows["totals"] {
        let is_share = row[1].ends_with('%');
        let line = console
            .lines()
            .find(|line| line.starts_with(&row[0]))
            .unwrap_or_else(|| panic!("{row:?}: {console}"));
        let (label, now) = (&row[0], &row[1]);
        let shown = line[label.len()..].split_whitespace().next().unwrap();
        let whole = shown.split(',').next().unwrap();
        assert_eq!(whole, now.trim_end_matches('%'), "{line}");
        let cell = if is_share { format!("{shown} %") } else { now.clone() };
        assert!(
            page.contains(&format!("<td>{label}</td><td class=\"n\">{cell}</td>")),
            "{label} {cell}"
        );
        let number = if is_share {
            let tenths: u64 = shown.replace(',', "").parse().unwrap();
            format!("<c s=\"2\"><v>{}.{:03}</v>", tenths / 1000, tenths % 1000)
        } else {
            format!("<c s=\"0\"><v>{now}</v>")
        };
        let cell = format!("{label}</t></is></c>{number}");
        assert!(workbook.contains(&cell), "{cell}");
    }
}

#[test]
fn a_refusal_is_told_by_the_receivers_number_and_our_words_in_every_form() {
    let world = World::new();
    let files = plain(915, 3);
    let keys = whole_keys(&files);
    world.gateway.refuse([keys[0].clone()]);
    world.fhir.refuse([keys[1].clone()]);
    world.drop_all(&files);
    world.run(&["run", "--once", "--now"]).with(65);
    let day = day(&world);
    let text = report(&world, &day, "csv");
    let sheets = Sheets::read(&text);
    let mut told: Vec<[&str; 4]> = sheets.rows["reasons"]
        .iter()
        .map(|row| [&*row[1], &*row[2], &*row[4], &*row[5]])
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ["refused", "insurance", "1", "maKetQua 701"],
            ["refused", "vhr", "1", "HTTP 422"],
        ]
    );
    let words = "Ngoài thời gian nhận hoặc kỳ đã quyết toán";
    let (page, console) = (report(&world, &day, "html"), report(&world, &day, "text"));
    let file = world.path("bao-cao.xlsx");
    let out = file.display().to_string();
    world
        .run(&[
            "report", "--from", &day, "--to", &day, "--format", "xlsx", "--out", &out,
        ])
        .with(0);
    let workbook = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
    for form in [&text, &page, &console, &workbook] {
        for told in [words, "maKetQua 701", "HTTP 422", "nơi nhận không nhận nội dung này"] {
            assert!(form.contains(told), "{told}: {form}");
        }
        // What the receivers said may hold anything.
        assert!(!form.contains("Hồ sơ đã quyết toán") && keys.iter().all(|key| !form.contains(key)));
    }
}

#[test]
fn what_was_let_go_is_still_counted_and_told_as_not_known_any_more() {
    let world = World::with(Wish {
        gateway: None,
        ..Wish::default()
    });
    world.drop_all(&plain(914, 3));
    world.run(&["run", "--once", "--now"]).with(0);
    let day = day(&world);
    let kept = Sheets::read(&report(&world, &day, "csv"));
    assert_eq!((kept.total("accepted"), kept.total("not known any more")), ("3", "0"));
    world.configure(&Wish {
        gateway: None,
        storage: "keep = \"0s\"",
        ..Wish::default()
    });
    let service = world.service();
    crate::harness::eventually("the batches are let go", || {
        !files_below(&world.path("state").join("spool/out"))
            .iter()
            .any(|path| path.is_file())
    });
    service.terminate().with(0);
    let sheets = Sheets::read(&report(&world, &day, "csv"));
    assert_eq!((sheets.total("seen"), sheets.total("accepted")), ("3", "3"));
    assert_eq!((sheets.total("clean"), sheets.total("not known any more")), ("", "3"));
    assert_eq!(sheets.row("endpoints", "vhr")[..3], ["3", "3", "0"]);
    assert_eq!(sheets.rows["departments"].len(), 1);
    assert_eq!(sheets.row("departments", "not known any more")[0], "3");
    let notes = &sheets.rows["note"];
    assert!(
        notes
            .iter()
            .any(|note| note[0].contains("3 records are not known any more")),
        "{notes:?}"
    );
}
