//! Eight times as much takes about eight times as long, also where rows ask of other tables, and where a pack is read.

use std::time::{Duration, Instant};

use super::packs::HEAD;
use super::*;

/// Eight times the length may take so many times as long: caches are left behind, and a table grows. Its square would be 64.
const RATIO: u32 = 30;

/// Shorter times say nothing.
const LEAST: Duration = Duration::from_millis(5);

fn linear(what: &str, short: usize, work: impl Fn(usize)) {
    let time = |length| {
        let began = Instant::now();
        work(length);
        began.elapsed()
    };
    // The machine is not ours alone: one time of a few is enough.
    let mut tries = (0..3).map(|_| (time(short).max(LEAST), time(short * 8)));
    let well = |(short, long): &(Duration, Duration)| *long < *short * RATIO;
    let mut worst = None;
    let found = tries.find(|times| {
        worst = Some(*times);
        well(times)
    });
    assert!(found.is_some(), "{what}: short and long took {worst:?}");
}

fn own(rows: &str) -> Rules {
    let text = format!("{HEAD}{rows}");
    let pack = Pack {
        rules: vec![File {
            name: "own.csv",
            text: &text,
        }],
        codes: Vec::new(),
    };
    Rules::read(&[pack]).unwrap()
}

#[test]
fn totals_of_many_rows_are_worked_out_once() {
    let rules = Rules::national();
    linear("sums", 400, |rows| {
        let mut visit = Visit::new();
        for _ in 0..rows {
            visit.row("XML1", [("T_BHTT", "1"), ("T_BNTT", "2"), ("T_VTYT", "3")]);
            visit.row("XML3", [("T_BHTT", "1"), ("MA_NHOM", "10"), ("THANH_TIEN_BV", "2")]);
        }
        assert!(!check(&rules, &visit, NEWEST).is_empty());
    });
}

#[test]
fn conditions_on_other_tables_are_looked_at_once() {
    for (what, rule, rows) in [
        (
            "of any row",
            "A-1,warn,,,XML2,MA_THUOC,need,,XML3.MA_NHOM in 99,v,e,",
            1000,
        ),
        (
            "of a long list",
            "A-2,warn,,,XML2,MA_THUOC,need,,XML1.MA_THE_BHYT starts QN,v,e,",
            2000,
        ),
        // Rows that ask for a sum over rows that ask for any row.
        (
            "in a sum",
            "A-3,warn,,,XML2,STT,equal,sum(XML3.STT where XML4.MA_DICH_VU in 7),,v,e,",
            100,
        ),
    ] {
        let rules = own(rule);
        linear(what, rows, |rows| {
            let cards = "DN4;".repeat(rows);
            let mut visit = Visit::new();
            visit.row("XML1", [("MA_THE_BHYT", cards.as_str())]);
            for _ in 0..rows {
                visit.row("XML2", [("STT", "1")]);
                visit.row("XML3", [("STT", "1"), ("MA_NHOM", "10")]);
                visit.row("XML4", [("MA_DICH_VU", "8")]);
            }
            let found = check(&rules, &visit, NEWEST);
            assert_eq!(found.is_empty(), what != "in a sum", "{found:?}");
        });
    }
}

#[test]
fn a_long_list_of_another_table_is_read_once() {
    let rules = own("A-1,warn,,,XML2,NGAY_YL,not-before,XML1.NGAY_VAO,,v,e,\n\
         A-2,warn,,,XML2,NGAY_YL,aligned,XML1.NGAY_VAO,,v,e,\n");
    linear("lists", 3000, |rows| {
        let days = vec!["20260101"; rows].join(";");
        let mut visit = Visit::new();
        visit.row("XML1", [("NGAY_VAO", days.as_str())]);
        for _ in 0..rows {
            visit.row("XML2", [("NGAY_YL", "20260102")]);
        }
        let found = check(&rules, &visit, NEWEST);
        assert!(found.iter().all(|found| found.rule == "A-2"), "{found:?}");
    });
}

#[test]
fn a_pack_is_read_in_linear_time() {
    let rows = |row: String| format!("{HEAD}{row}\n");
    let unknown = |n: usize| rows(format!("A-1,warn,,,XML1,{},size,5,,v,e,", "HO_TEN KHONG_CO ".repeat(n)));
    let codes = |n: usize| {
        let (fields, codes) = ("HO_TEN ".repeat(n), "K01 ".repeat(n));
        rows(format!("A-1,warn,,,XML1,{fields},code,{codes},HO_TEN in {codes},v,e,"))
    };
    let tables = |n: usize| {
        let (tables, fields) = ("XML1 ".repeat(n), "HO_TEN ".repeat(n));
        rows(format!("A-1,warn,,,{tables},{fields},size,5,,v,e,"))
    };
    let read = |rules: &str, codes: &str| {
        let file = |name, text| vec![File { name, text }];
        Rules::read(&[Pack {
            rules: file("own.csv", rules),
            codes: file("khoa.csv", codes),
        }])
    };
    linear("unknown names", 1000, |n| assert!(read(&unknown(n), "").is_err()));
    linear("codes", 200, |n| assert!(read(&codes(n), "").is_err()));
    linear("tables", 200, |n| assert!(read(&tables(n), "").is_err()));
    linear("lines of a list of codes", 1500, |n| {
        let codes = "#\n".repeat(n) + "code,from\n" + &"K01,2020-01-01\n".repeat(n);
        assert!(read(&rows("A-1,warn,,,XML1,MA_KHOA,code,file khoa,,v,e,".to_owned()), &codes).is_ok());
    });
}
