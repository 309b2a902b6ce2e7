//! Any file: cut, opened, and written again.
//!
//! Both passes agree; what is read says the same however its bytes come in; the file that is written of a record says what the record said.

use std::io::Read;

use vhr_agent::frame::{self, Cut, FileFault, Limits, Opened, Survey};

/// Tags, and what opens and closes what hides them.
pub const WORDS: &[&str] = &[
    "<HOSO>",
    "</HOSO>",
    "<FILEHOSO>",
    "</FILEHOSO>",
    "<LOAIHOSO>",
    "</LOAIHOSO>",
    "<NOIDUNGFILE>",
    "</NOIDUNGFILE>",
    "XML0",
    "XML1",
    "XML15",
    "XML99",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<!DOCTYPE a>",
    "<GIAMDINHHS>",
    "</GIAMDINHHS>",
    "<DANHSACHHOSO>",
    "</DANHSACHHOSO>",
    "<CHUKYDONVI>",
    "</CHUKYDONVI>",
    "<SOLUONGHOSO>",
    "<Signature>",
    "<n:",
    " xmlns:n=\"a\"",
    "&amp;",
    "&#13;",
    "&#xD;",
    "&a;",
    "\0",
    "\u{FEFF}",
    "<CHI_TIEU_TRANG_THAI_KCB>",
    "</CHI_TIEU_TRANG_THAI_KCB>",
    "<A/>",
    "<A>1</A>",
    "encoding=\"utf-16\"",
    "encoding=\"windows-1258\"",
    "PFg+MTwvWD4=",
];

/// Small enough that every limit is met.
fn limits() -> Limits {
    Limits {
        record_bytes: 64 * 1024,
        table_bytes: 48 * 1024,
        depth: 8,
        fields: 4000,
        value_bytes: 8 * 1024,
    }
}

/// Exports of every kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = crate::invented::files();
    seeds.push(
        b"<GIAMDINHHS><HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE><X><A>1</A></X></NOIDUNGFILE></FILEHOSO></HOSO></GIAMDINHHS>"
            .to_vec(),
    );
    seeds
}

/// Any file.
pub fn run(bytes: &[u8]) {
    let limits = limits();
    let survey = frame::survey(bytes, &limits);
    let found = all(bytes, &limits);
    match (&survey, &found) {
        (Ok(survey), Ok(cuts)) => assert_eq!(survey.records as usize, cuts.len(), "both passes find the same"),
        (Err(FileFault::Refused(one)), Err(other)) => assert_eq!(one.code, *other),
        (survey, found) => panic!("the passes differ: {survey:?}, {found:?}"),
    }
    if bytes.len() < 2048 {
        assert_eq!(all(Single(bytes), &limits), found, "byte by byte");
    }
    let (Ok(survey), Ok(cuts)) = (survey, found) else {
        return;
    };
    let mut line = 0;
    for (cut, seq) in cuts.iter().zip(1..) {
        // As UTF-8 it may be larger than it stood there, and a damaged one by what was read ahead.
        let most = 3 * (limits.record_bytes + 256 * 1024);
        assert!(cut.seq == seq && cut.line >= line && cut.hoso.len() <= most);
        line = cut.line;
        match frame::open(cut, &limits) {
            Ok(opened) => says_the_same(&survey, cut, &opened, &limits),
            Err(fault) => assert!(!fault.vi.is_empty() && !fault.en.is_empty()),
        }
    }
}

fn all(input: impl Read, limits: &Limits) -> Result<Vec<Cut>, &'static str> {
    let cuts = frame::records(input, limits).map(|cut| match cut {
        Ok(cut) => Ok(cut),
        Err(FileFault::Refused(fault)) => Err(fault.code),
        Err(FileFault::Read(e)) => panic!("memory does not fail: {e}"),
    });
    cuts.collect()
}

/// What is written of a record reads as the record did.
fn says_the_same(survey: &Survey, cut: &Cut, opened: &Opened, limits: &Limits) {
    let view = opened.view_json();
    serde_json::from_str::<serde_json::Value>(&view).expect("a view is JSON");
    let limits = Limits {
        record_bytes: limits.record_bytes * 8,
        table_bytes: limits.table_bytes * 2,
        ..limits.clone()
    };
    let file = frame::envelope(survey, cut, opened);
    let anew = frame::survey(&file[..], &limits).expect("what is written reads");
    assert!(anew.records == 1 && anew.complete && !anew.signed, "{anew:?}");
    let cuts = all(&file[..], &limits).expect("what is written reads");
    // A record without any table that holds something has no form of its own.
    let again = match frame::open(&cuts[0], &limits) {
        Ok(again) => again,
        Err(fault) => {
            assert!(view == "{}" || view.ends_with(":[]}"), "{fault} of {view}");
            return;
        }
    };
    // What a table that nobody knows holds is passed on as it came.
    assert!(again.in_form || !again.unknown.is_empty(), "what is written is in form");
    assert_eq!(again.view_json(), view);
    assert_eq!(again.digest(), opened.digest());
    assert!(again.passes_on_the_same(opened));
    if let Some(document) = frame::check_in(survey, cut, opened) {
        let cuts = all(&document[..], &limits);
        let alone = cuts.ok().and_then(|cuts| frame::open(cuts.first()?, &limits).ok());
        let rows = |opened: &Opened| opened.rows("XML0").map(|row| row.fields().count()).collect::<Vec<_>>();
        if let Some(alone) = alone {
            assert_eq!(rows(&alone), rows(opened), "a check-in by itself");
        }
    }
}

/// Gives one byte per call.
struct Single<'a>(&'a [u8]);

impl Read for Single<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = buf.len().min(1);
        self.0.read(&mut buf[..n])
    }
}
