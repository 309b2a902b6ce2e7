//! The largest records one after the other need the memory of one.
//!
//! By itself in its process: what is measured is the most that the process ever had.
#![cfg(target_os = "linux")]

use std::io::{Cursor, Read};

use vhr_agent::frame::{self, Limits};
use vhr_core::rules::Rules;

/// The most memory this process had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("Linux tells");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

#[test]
fn records_of_a_hundred_thousand_rows_need_the_memory_of_one() {
    const RECORDS: usize = 6;
    let (rules, limits) = (Rules::national(), Limits::default());
    let row = "<CHI_TIET_DVKT><MA_LK>LK1</MA_LK><STT>1</STT></CHI_TIET_DVKT>";
    let record = format!(
        "<HOSO><FILEHOSO><LOAIHOSO>XML3</LOAIHOSO><NOIDUNGFILE><X><Y>{}</Y></X></NOIDUNGFILE></FILEHOSO></HOSO>",
        row.repeat(100_000)
    );
    let mut file: Box<dyn Read> = Box::new(Cursor::new(&b"<GIAMDINHHS><DANHSACHHOSO>"[..]));
    for _ in 0..RECORDS {
        file = Box::new(file.chain(record.as_bytes()));
    }
    file = Box::new(file.chain(&b"</DANHSACHHOSO></GIAMDINHHS>"[..]));
    let before = peak();
    let mut peaks = Vec::new();
    for cut in frame::records(file, &limits) {
        let opened = frame::open(&cut.unwrap(), &limits).unwrap();
        assert_eq!(opened.rows("XML3").count(), 100_000);
        assert!(!vhr_agent::check::check(&rules, &opened).issues.is_empty());
        assert!(!opened.view_json().is_empty());
        peaks.push(peak() - before);
    }
    assert_eq!(peaks.len(), RECORDS);
    println!("a record of {} bytes: {peaks:?}", record.len());
    // What the allocator keeps settles with the second.
    assert!(peaks[RECORDS - 1] < peaks[1] + record.len(), "{peaks:?}");
    assert!(peaks[0] < 8 * record.len(), "{peaks:?}");
}
