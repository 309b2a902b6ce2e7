//! Files as hospitals really send them: odd but readable, and a few that are broken on purpose.

use vhr_core::spoiled::Encoding;

use super::envelope::{self, Shape};
use super::story::{Sign, Wish};
use super::table::Style;
use super::{ExpectedVisit, Fate, Options, Table, Visit};

/// A way in which a readable file differs from the textbook. All its visits must arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// Three visits in one file, counted rightly.
    ManyRecords,
    /// Two visits in a file that says it holds one.
    WrongCount,
    /// Tables as nested XML instead of base64.
    Inline,
    /// The summary table comes last.
    OtherOrder,
    /// Byte-order marks before the file and inside the base64.
    ByteOrderMark,
    /// Free text in CDATA sections.
    Cdata,
    /// Windows line ends, inside and outside.
    Crlf,
    /// The file in UTF-16 with a byte-order mark.
    Utf16,
    /// Base64 in lines of 76 characters.
    WrappedBase64,
    /// A table nobody has described yet.
    UnknownTable,
    /// Of the birth date only the year is known.
    YearOnlyBirth,
    /// A facility signature around one visit: must be forwarded byte for byte.
    Signed,
    /// A facility signature around two visits.
    SignedMany,
    /// Free text in TCVN3.
    Tcvn3,
    /// Free text in VNI.
    Vni,
    /// Free text that is UTF-8, read as windows-1252 and written again.
    Mojibake,
    /// Free text with its marks apart.
    Decomposed,
    /// Three visits of people with HIV: one tells by diagnosis, drugs and XML6, one by Z21 alone, one by its drugs alone.
    Hiv,
    /// The sums of XML1 are not those of the lines: FHIR takes the visit, its claim has to wait for a person.
    WrongSum,
    /// Free text in VISCII.
    Viscii,
    /// Free text in windows-1258.
    Windows1258,
    /// As [`Self::Mojibake`], and that twice.
    MojibakeTwice,
    /// Three times.
    MojibakeThrice,
    /// Two visits of other classes than HIV, by their further diagnoses: one of the mind, one of what is passed on in intimacy.
    OtherClasses,
    /// Two visits whose claims say the same: the second claim has to wait for a person.
    Twins,
    /// One visit twice in a file: the newer version says more.
    NewerVersion,
    /// A referral with the names that XML13 had by QĐ 4750.
    OlderNames,
}

/// A file that is broken on purpose, and must cost no more than the visit it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    /// The middle one of three visits has bad base64 in XML2.
    BadBase64,
    /// A table is cut off inside its base64.
    BrokenTable,
    /// The file ends in the middle of its last visit.
    Truncated,
    /// The file declares an entity.
    Doctype,
    /// No bytes at all.
    Empty,
    /// No table says which visit it belongs to.
    NoKey,
}

impl Oddity {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::ManyRecords,
        Self::WrongCount,
        Self::Inline,
        Self::OtherOrder,
        Self::ByteOrderMark,
        Self::Cdata,
        Self::Crlf,
        Self::Utf16,
        Self::WrappedBase64,
        Self::UnknownTable,
        Self::YearOnlyBirth,
        Self::Signed,
        Self::SignedMany,
        Self::Tcvn3,
        Self::Vni,
        Self::Mojibake,
        Self::Decomposed,
        Self::Hiv,
        Self::WrongSum,
        Self::Viscii,
        Self::Windows1258,
        Self::MojibakeTwice,
        Self::MojibakeThrice,
        Self::OtherClasses,
        Self::Twins,
        Self::NewerVersion,
        Self::OlderNames,
    ];

    /// Those that change nothing but the wrapping: what comes in every day, and what the demonstration shows.
    pub const USUAL: &[Self] = Self::ALL.split_at(13).0;

    pub(super) fn note(self) -> &'static str {
        match self {
            Self::ManyRecords => "three visits in one file",
            Self::WrongCount => "two visits, SOLUONGHOSO says 1",
            Self::Inline => "tables as nested XML, not base64",
            Self::OtherOrder => "XML1 comes last",
            Self::ByteOrderMark => "byte-order marks outside and inside the base64",
            Self::Cdata => "free text in CDATA",
            Self::Crlf => "CRLF line ends",
            Self::Utf16 => "UTF-16 with byte-order mark",
            Self::WrappedBase64 => "base64 wrapped in lines",
            Self::UnknownTable => "unknown table XML16",
            Self::YearOnlyBirth => "only the year of birth is known",
            Self::Signed => "signed, one visit",
            Self::SignedMany => "signed, two visits",
            Self::Tcvn3 => "text in TCVN3",
            Self::Vni => "text in VNI",
            Self::Mojibake => "text read as windows-1252",
            Self::Decomposed => "marks apart from their letters",
            Self::Hiv => "three people with HIV",
            Self::WrongSum => "the sums are not those of the lines",
            Self::Viscii => "text in VISCII",
            Self::Windows1258 => "text in windows-1258",
            Self::MojibakeTwice => "text read as windows-1252 twice",
            Self::MojibakeThrice => "text read as windows-1252 three times",
            Self::OtherClasses => "an illness of the mind, and one passed on in intimacy",
            Self::Twins => "two visits whose claims say the same",
            Self::NewerVersion => "one visit in two versions",
            Self::OlderNames => "names of QĐ 4750 in XML13",
        }
    }

    /// How many visits it is about: of one that comes in two versions, one.
    pub(super) fn visits(self) -> usize {
        match self {
            Self::ManyRecords | Self::Hiv => 3,
            Self::WrongCount | Self::SignedMany | Self::OtherClasses | Self::Twins => 2,
            _ => 1,
        }
    }

    /// The file, from the visits with these numbers.
    pub(super) fn write(self, options: &Options, numbers: std::ops::Range<u64>) -> (Vec<u8>, Vec<ExpectedVisit>) {
        let style = Style {
            cdata: self == Self::Cdata,
            crlf: self == Self::Crlf,
            spoiled: self.encoding(),
        };
        let first = numbers.start;
        let mut visits: Vec<Visit> = numbers
            .map(|number| {
                let wish = match (self, number - first) {
                    (Self::Hiv, 0) => Wish::Hiv(Sign::Care),
                    (Self::Hiv, 1) => Wish::Hiv(Sign::FurtherCode),
                    (Self::Hiv, _) => Wish::Hiv(Sign::Drugs),
                    // Their subject is what only a claim has.
                    (Self::WrongSum | Self::OtherOrder | Self::Twins, _) => Wish::Five,
                    (Self::OlderNames, _) => Wish::Referred,
                    _ => options.wish(),
                };
                Visit::tweaked(options, number, wish, style, |course| {
                    if self == Self::YearOnlyBirth {
                        course.person.birth_year_only = true;
                    }
                })
            })
            .collect();
        match self {
            Self::OtherOrder => visits.iter_mut().for_each(|visit| visit.tables.reverse()),
            Self::UnknownTable => visits.iter_mut().for_each(add_unknown_table),
            Self::WrongSum => visits.iter_mut().for_each(add_to_the_sums),
            Self::OtherClasses => {
                add_diagnosis(&mut visits[0], "F32.1");
                add_diagnosis(&mut visits[1], "A51.0");
            }
            Self::Twins => visits[1].tables = said_of(&visits[0], &visits[1].key),
            Self::NewerVersion => {
                let mut newer = visits[0].clone();
                replace_in(&mut newer, "XML1", "<GHI_CHU>", "<GHI_CHU>Đã thanh toán. ");
                visits.push(newer);
            }
            Self::OlderNames => visits.iter_mut().for_each(name_as_before),
            _ => {}
        }
        let shape = Shape {
            count: (self == Self::WrongCount).then_some(1),
            inline: self == Self::Inline,
            bom: self == Self::ByteOrderMark,
            crlf: self == Self::Crlf,
            wrapped: self == Self::WrappedBase64,
            utf16: self == Self::Utf16,
            signed: matches!(self, Self::Signed | Self::SignedMany),
        };
        let expected = visits.iter().map(|visit| ExpectedVisit::whole(&visit.key)).collect();
        (
            envelope::file(shape, &options.facility, options.first_day, &visits),
            expected,
        )
    }
}

impl Oddity {
    /// How its text is spoiled, and how many times over.
    fn encoding(self) -> Option<(Encoding, usize)> {
        match self {
            Self::Tcvn3 => Some((Encoding::Tcvn3, 1)),
            Self::Vni => Some((Encoding::Vni, 1)),
            Self::Viscii => Some((Encoding::Viscii, 1)),
            Self::Windows1258 => Some((Encoding::Windows1258, 1)),
            Self::Mojibake => Some((Encoding::Mojibake, 1)),
            Self::MojibakeTwice => Some((Encoding::Mojibake, 2)),
            Self::MojibakeThrice => Some((Encoding::Mojibake, 3)),
            Self::Decomposed => Some((Encoding::Decomposed, 1)),
            _ => None,
        }
    }
}

impl Breakage {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::BadBase64,
        Self::BrokenTable,
        Self::Truncated,
        Self::Doctype,
        Self::Empty,
        Self::NoKey,
    ];

    pub(super) fn note(self) -> &'static str {
        match self {
            Self::BadBase64 => "bad base64 in XML2 of the middle visit",
            Self::BrokenTable => "XML2 is cut off inside its base64",
            Self::Truncated => "the file ends inside its last visit",
            Self::Doctype => "the file declares an entity",
            Self::Empty => "the file is empty",
            Self::NoKey => "MA_LK is missing",
        }
    }

    /// Visits in the file, and how many of them are whole.
    pub(super) fn visits(self) -> (usize, usize) {
        match self {
            Self::BadBase64 | Self::Truncated => (3, 2),
            Self::BrokenTable | Self::Doctype | Self::NoKey => (1, 0),
            Self::Empty => (0, 0),
        }
    }

    pub(super) fn write(self, options: &Options, numbers: std::ops::Range<u64>) -> (Vec<u8>, Vec<ExpectedVisit>) {
        let mut visits: Vec<Visit> = numbers
            .map(|number| Visit::tweaked(options, number, Wish::Five, Style::default(), |_| {}))
            .collect();
        let mut expected: Vec<_> = visits.iter().map(|visit| ExpectedVisit::whole(&visit.key)).collect();
        let broken = match self {
            Self::BadBase64 => Some(1),
            Self::Truncated => Some(2),
            Self::BrokenTable | Self::Doctype | Self::NoKey => Some(0),
            Self::Empty => None,
        };
        if let Some(visit) = broken {
            expected[visit].fate = Fate::Broken(self.note());
        }
        if self == Self::BrokenTable {
            cut_table(&mut visits[0], "XML2");
        } else if self == Self::NoKey {
            expected[0].key = None;
            remove_key(&mut visits[0]);
        }
        let mut bytes = envelope::file(Shape::default(), &options.facility, options.first_day, &visits);
        match self {
            Self::BadBase64 => spoil_base64(&mut bytes, 1, "XML2"),
            Self::Truncated => {
                let last = nth_record(&bytes, 2);
                bytes.truncate(last + (bytes.len() - last) / 2);
            }
            Self::Doctype => declare_entity(&mut bytes, &options.facility),
            Self::Empty => bytes.clear(),
            Self::BrokenTable | Self::NoKey => {}
        }
        (bytes, expected)
    }
}

fn add_unknown_table(visit: &mut Visit) {
    let key = &visit.key;
    let xml = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BANG_MOI>\n<MA_LK>{key}</MA_LK>\n</BANG_MOI>\n");
    visit.tables.push(Table { name: "XML16", xml });
}

fn replace_in(visit: &mut Visit, table: &str, what: &str, by: &str) {
    for table in visit.tables.iter_mut().filter(|one| one.name == table) {
        table.xml = table.xml.replace(what, by);
    }
}

/// A digit before each sum: ten times as much, or more.
fn add_to_the_sums(visit: &mut Visit) {
    for name in ["T_TONGCHI_BV", "T_TONGCHI_BH", "T_BHTT"] {
        replace_in(visit, "XML1", &format!("<{name}>"), &format!("<{name}>1"));
    }
}

/// One more among the further diagnoses.
fn add_diagnosis(visit: &mut Visit, code: &str) {
    replace_in(visit, "XML1", "<MA_BENH_KT>", &format!("<MA_BENH_KT>{code};"));
    replace_in(visit, "XML1", ";</MA_BENH_KT>", "</MA_BENH_KT>");
}

/// What one visit says, said of another.
fn said_of(visit: &Visit, key: &str) -> Vec<Table> {
    let tables = visit.tables.iter().map(|table| Table {
        name: table.name,
        xml: table.xml.replace(&visit.key, key),
    });
    tables.collect()
}

/// XML13 as its fields were called before QĐ 3176.
fn name_as_before(visit: &mut Visit) {
    for (now, before) in [
        ("MA_CSKCB_DI", "MA_NOI_DI"),
        ("MA_CSKCB_DEN", "MA_NOI_DEN"),
        ("PP_DIEUTRI", "PP_DIEU_TRI"),
    ] {
        replace_in(visit, "XML13", &format!("<{now}>"), &format!("<{before}>"));
        replace_in(visit, "XML13", &format!("</{now}>"), &format!("</{before}>"));
    }
}

fn cut_table(visit: &mut Visit, name: &str) {
    for table in visit.tables.iter_mut().filter(|table| table.name == name) {
        let mut half = table.xml.len() / 2;
        while !table.xml.is_char_boundary(half) {
            half += 1;
        }
        table.xml.truncate(half);
    }
}

fn remove_key(visit: &mut Visit) {
    let element = format!("<MA_LK>{}</MA_LK>\n", visit.key);
    for table in &mut visit.tables {
        table.xml = table.xml.replace(&element, "");
    }
}

/// Puts characters that base64 does not know into the named table of one record.
fn spoil_base64(bytes: &mut [u8], record: usize, table: &str) {
    let record = nth_record(bytes, record);
    let marker = format!("<LOAIHOSO>{table}</LOAIHOSO>\n<NOIDUNGFILE>");
    if let Some(at) = find(&bytes[record..], marker.as_bytes()) {
        let content = record + at + marker.len();
        bytes[content + 40..content + 44].copy_from_slice(b"#?#?");
    }
}

fn declare_entity(bytes: &mut Vec<u8>, facility: &str) {
    let text = String::from_utf8_lossy(bytes)
        .replacen(
            "<GIAMDINHHS",
            &format!("<!DOCTYPE GIAMDINHHS [<!ENTITY ma \"{facility}\">]>\n<GIAMDINHHS"),
            1,
        )
        .replacen(&format!("<MACSKCB>{facility}<"), "<MACSKCB>&ma;<", 1);
    *bytes = text.into_bytes();
}

fn nth_record(bytes: &[u8], nth: usize) -> usize {
    let mut from = 0;
    for _ in 0..=nth {
        from += find(&bytes[from..], b"<HOSO>").map_or(0, |at| at + 1);
    }
    from - 1
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}
