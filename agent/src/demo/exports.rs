//! Invented QĐ 3176 exports: what a hospital's system would write, about people who do not exist.
//!
//! Five tables a visit or, by a switch, all sixteen. For training, tests and benches. The same options give the same
//! bytes on every machine and in every year: nothing here reads a clock, a locale or a random source. A visit's content
//! depends on the seed and its number only, and its `MA_LK` holds both, so no two visits ever share one.

use std::io::{self, Write};

use fastrand::Rng;

mod alone;
mod calendar;
mod catalogue;
mod envelope;
mod odd;
mod papers;
mod people;
mod programmes;
mod referral;
mod story;
mod table;
mod tables;
mod visit;

pub use calendar::{Day, Minute};
pub use odd::{Breakage, Oddity};

use envelope::Shape;
use story::Wish;
use table::Style;
use visit::Course;

/// What to invent.
#[derive(Debug, Clone)]
pub struct Options {
    /// Same seed, same people, same bytes.
    pub seed: u64,
    /// How many visits must arrive. Visits broken on purpose come on top of these.
    pub visits: usize,
    /// The day of the first visits.
    pub first_day: Day,
    /// `MACSKCB`, five characters.
    pub facility: String,
    /// All sixteen national tables, each where a visit calls for it; else XML1 to XML5 only.
    pub all_tables: bool,
    /// Adds one file for each [`Breakage`].
    pub broken: bool,
    /// Adds one file for each of these, while `visits` leaves room for it.
    pub oddities: Vec<Oddity>,
}

/// One file, ready to be put into the watched folder.
#[derive(Debug, Clone)]
pub struct ExportFile {
    /// File name; says nothing about any person.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
    /// What is in it, in file order.
    pub visits: Vec<ExpectedVisit>,
    /// What is special about it.
    pub kind: Kind,
    /// The same in words; empty for a textbook file.
    pub note: &'static str,
}

/// What is special about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: one visit, as in the textbook.
    Plain,
    /// Odd but readable.
    Odd(Oddity),
    /// Broken on purpose.
    Broken(Breakage),
}

/// One visit in a file, and what should become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedVisit {
    /// `MA_LK`; `None` where the file does not say.
    pub key: Option<String>,
    /// Whether it can be read.
    pub fate: Fate,
}

/// What should become of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It must arrive.
    Ok,
    /// It must be set aside, for this reason.
    Broken(&'static str),
}

/// One visit as the documents its tables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// `MA_LK`.
    pub key: String,
    /// `XML1` first; a check-in has none.
    pub tables: Vec<Table>,
}

/// One table of a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// `XML1`, `XML2`, ...
    pub name: &'static str,
    /// The whole document, with its declaration.
    pub xml: String,
}

/// The files, in the order a hospital would write them.
pub fn generate(options: &Options) -> impl Iterator<Item = ExportFile> + '_ {
    let mut next = 0;
    plan(options).into_iter().enumerate().map(move |(nth, kind)| {
        let numbers = next..next + kind.visits() as u64;
        next = numbers.end;
        let (bytes, visits) = match kind {
            Kind::Odd(oddity) => oddity.write(options, numbers),
            Kind::Broken(breakage) => breakage.write(options, numbers),
            Kind::Plain => {
                let visit = Visit::invent(options, numbers.start);
                let expected = vec![ExpectedVisit::whole(&visit.key)];
                (
                    envelope::file(Shape::default(), &options.facility, options.first_day, &[visit]),
                    expected,
                )
            }
        };
        let name = format!(
            "{}_{}_{:05}.xml",
            options.facility,
            options.first_day.compact(),
            nth + 1
        );
        ExportFile {
            name,
            bytes,
            visits,
            kind,
            note: kind.note(),
        }
    })
}

/// Visits of five tables without any wrapping: the fast path for benches.
pub fn many(seed: u64, visits: u64) -> impl Iterator<Item = Visit> {
    (0..visits).map(nth(Options::plain(seed, 0)))
}

/// Visits of all sixteen tables, without any wrapping.
pub fn many_of_all_tables(seed: u64, visits: u64) -> impl Iterator<Item = Visit> {
    (0..visits).map(nth(Options::all_tables(seed, 0)))
}

fn nth(options: Options) -> impl Fn(u64) -> Visit {
    move |number| Visit::invent(&options, number)
}

/// One large file of so many visits, written as it is made: memory stays flat.
pub fn write_one_file(out: &mut impl Write, seed: u64, visits: u64) -> io::Result<()> {
    let options = Options::plain(seed, 0);
    let shape = Shape::default();
    envelope::head(out, shape, &options.facility, options.first_day, visits as usize)?;
    for visit in many(seed, visits) {
        envelope::record(out, shape, &visit)?;
    }
    envelope::foot(out, shape)
}

impl Options {
    /// Textbook files only, one visit each.
    pub fn plain(seed: u64, visits: usize) -> Self {
        Self {
            seed,
            visits,
            first_day: Day::new(2026, 1, 5).expect("5 January 2026 is a day"),
            facility: "79999".to_owned(),
            all_tables: false,
            broken: false,
            oddities: Vec::new(),
        }
    }

    /// Textbook files of all sixteen tables, one visit each.
    pub fn all_tables(seed: u64, visits: usize) -> Self {
        Self {
            all_tables: true,
            ..Self::plain(seed, visits)
        }
    }

    fn wish(&self) -> Wish {
        if self.all_tables { Wish::All } else { Wish::Five }
    }

    /// What the demonstration shows: every oddity and every breakage among textbook files.
    pub fn demo() -> Self {
        Self {
            broken: true,
            oddities: Oddity::USUAL.to_vec(),
            ..Self::plain(3176, 40)
        }
    }
}

impl Visit {
    fn invent(options: &Options, number: u64) -> Self {
        Self::tweaked(options, number, options.wish(), Style::default(), |_| {})
    }

    fn tweaked(options: &Options, number: u64, wish: Wish, style: Style, tweak: impl FnOnce(&mut Course)) -> Self {
        let mut course = Course::invent(options.seed, number, options.first_day, &options.facility, wish);
        tweak(&mut course);
        let tables = tables::write(&course, style)
            .into_iter()
            .map(|(name, xml)| Table { name, xml })
            .collect();
        Self {
            key: course.key,
            tables,
        }
    }
}

impl Kind {
    fn note(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Odd(oddity) => oddity.note(),
            Self::Broken(breakage) => breakage.note(),
        }
    }

    fn visits(self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Odd(oddity) => oddity.visits(),
            Self::Broken(breakage) => breakage.visits().0,
        }
    }

    fn whole_visits(self) -> usize {
        match self {
            Self::Broken(breakage) => breakage.visits().1,
            other => other.visits(),
        }
    }
}

impl ExpectedVisit {
    fn whole(key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            fate: Fate::Ok,
        }
    }
}

/// Special files as far as the number of visits allows, textbook files for the rest, in an order the seed decides.
fn plan(options: &Options) -> Vec<Kind> {
    let broken = if options.broken { Breakage::ALL.as_slice() } else { &[] };
    let special = options
        .oddities
        .iter()
        .map(|&odd| Kind::Odd(odd))
        .chain(broken.iter().map(|&b| Kind::Broken(b)));
    let mut left = options.visits;
    let mut kinds = Vec::new();
    for kind in special {
        if let Some(rest) = left.checked_sub(kind.whole_visits()) {
            left = rest;
            kinds.push(kind);
        }
    }
    kinds.extend(std::iter::repeat_n(Kind::Plain, left));
    Rng::with_seed(options.seed).shuffle(&mut kinds);
    kinds
}

#[cfg(test)]
mod tests;
