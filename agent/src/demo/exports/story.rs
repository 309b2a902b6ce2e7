//! What else a visit may be about: what the tables XML6 to XML15 and the rarer fields of the others are for.
//!
//! Drawn from a generator of its own, so that the visits of a hospital without all this are the same bytes.

use fastrand::Rng;

use super::calendar::{Day, Minute};
use super::catalogue::{BIRTH, Case, HERBAL, HIV, LOSS, REST, SURGERY, TUBERCULOSIS};
use super::people::{Person, name, pick};
use super::visit::Course;

/// Which tables a hospital's visits have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// XML1 to XML5.
    Five,
    /// All sixteen, each where the visit calls for it.
    All,
    /// XML1 to XML5, of a person with HIV.
    Hiv(Sign),
    /// All sixteen, of somebody who is sent on to another hospital.
    Referred,
}

/// By what a record tells of HIV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// The main diagnosis, the drugs and XML6.
    Care,
    /// Z21 among the further diagnoses.
    FurtherCode,
    /// The drugs only.
    Drugs,
}

/// What the visit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    Usual,
    /// Somebody came in, and nothing else is known yet: XML0, and nothing else.
    CheckIn,
    /// Before a board: XML12, which the check-in goes with.
    Board,
    Birth,
    /// A pregnancy that needs rest.
    Rest,
    /// A pregnancy that ended early.
    Loss,
    Hiv(Sign),
    Tuberculosis {
        with_hiv: bool,
    },
    Surgery,
    Herbal,
}

/// What is known of such a visit beyond its course.
#[derive(Debug, Clone)]
pub(super) struct More {
    pub(super) story: Story,
    /// Numbers of papers.
    pub(super) paper: u32,
    pub(super) years: i64,
    pub(super) father: String,
    pub(super) mother: String,
    pub(super) doctor: String,
    /// The hospital the person came from, with its paper.
    pub(super) from: Option<&'static str>,
    pub(super) to: Option<&'static str>,
    pub(super) appointment: bool,
    /// Days off work after it.
    pub(super) leave: i64,
    /// What may differ between two such visits.
    pub(super) turn: u32,
}

/// `MA_TTDV`, who signs for the hospital.
pub(super) const HEAD: &str = "7999990001";

/// The hospital that people are referred to, and the one they come from.
const NEXT: &str = "79998";
const BEFORE: &str = "79997";

impl More {
    /// None where the visit is one of five tables.
    pub(super) fn invent(wish: Wish, rng: &mut Rng, person: &Person, today: Day) -> Option<Self> {
        let years = person.years(today);
        let story = match wish {
            Wish::Five => return None,
            Wish::Hiv(sign) => Story::Hiv(sign),
            Wish::Referred => Story::Usual,
            Wish::All => draw(rng, person, years),
        };
        let care = matches!(story, Story::Usual | Story::Surgery | Story::Herbal);
        let drawn = wish == Wish::All && matches!(story, Story::Usual | Story::Herbal) && rng.u32(0..5) == 0;
        let to = (drawn || wish == Wish::Referred).then_some(NEXT);
        Some(Self {
            story,
            paper: rng.u32(1..10_000),
            years,
            father: name(rng, false),
            mother: name(rng, true),
            doctor: name(rng, true),
            from: (care && rng.u32(0..4) == 0).then_some(BEFORE),
            to,
            appointment: wish == Wish::All && to.is_none() && rng.bool(),
            leave: if years < 60 && to.is_none() && (story == Story::Rest || rng.bool()) {
                rng.i64(2..15)
            } else {
                0
            },
            turn: rng.u32(0..60),
        })
    }

    /// A child's papers name its parents.
    pub(super) fn parents(&self) -> (&str, &str) {
        if self.years < 16 {
            (&self.father, &self.mother)
        } else {
            ("", "")
        }
    }

    /// What a child has until its card is printed.
    pub(super) fn temporary_card(&self) -> String {
        match self.years {
            0..6 => format!("TE1799999{:06}", self.paper),
            _ => String::new(),
        }
    }

    pub(super) fn employer(&self) -> &'static str {
        match self.years {
            ..18 => "Trường Tiểu học Mẫu",
            18..60 => "Công ty TNHH Mẫu & Cộng sự",
            _ => "",
        }
    }
}

impl Story {
    pub(super) fn case(self) -> Option<&'static Case> {
        match self {
            Self::Usual | Self::CheckIn | Self::Board | Self::Hiv(Sign::FurtherCode | Sign::Drugs) => None,
            Self::Birth => Some(BIRTH),
            Self::Rest => Some(REST),
            Self::Loss => Some(LOSS),
            Self::Hiv(Sign::Care) => Some(HIV),
            Self::Tuberculosis { .. } => Some(TUBERCULOSIS),
            Self::Surgery => Some(SURGERY),
            Self::Herbal => Some(HERBAL),
        }
    }

    /// Whether nobody goes home the same day.
    pub(super) fn stays(self) -> bool {
        matches!(self, Self::Birth | Self::Surgery)
    }

    /// `MA_BENH_YHCT`.
    pub(super) fn traditional(self) -> &'static str {
        if self == Self::Herbal { "U62.392;U58.041" } else { "" }
    }

    pub(super) fn stage(self) -> &'static str {
        match self {
            Self::Tuberculosis { .. } => "Giai đoạn tấn công",
            Self::Birth => "Giai đoạn 1 của chuyển dạ",
            Self::Surgery => "Trước mổ",
            _ => "",
        }
    }

    pub(super) fn consultation(self) -> &'static str {
        match self {
            Self::Surgery => "Hội chẩn ngoại: chỉ định mổ nội soi cấp cứu; người bệnh & gia đình đồng ý.",
            _ => "",
        }
    }

    pub(super) fn operation(self) -> &'static str {
        match self {
            Self::Surgery => "Nội soi 3 trocar, ruột thừa sung huyết < 8mm, cắt & cầm máu, đặt lưới vùng bẹn.",
            _ => "",
        }
    }
}

impl Course {
    pub(super) fn story(&self) -> Story {
        self.more.as_ref().map_or(Story::Usual, |more| more.story)
    }

    /// Something of `More`, or the word's empty value.
    pub(super) fn more<'a, T: Default>(&'a self, of: impl FnOnce(&'a More) -> T) -> T {
        self.more.as_ref().map(of).unwrap_or_default()
    }

    /// `MA_BENH_KT`.
    pub(super) fn further_codes(&self) -> String {
        let mut codes = self.case.others.join(";");
        match self.story() {
            Story::Hiv(Sign::FurtherCode) => codes.push_str(";Z21"),
            Story::Tuberculosis { with_hiv: true } => codes.push_str(";B20.0"),
            _ => {}
        }
        codes.trim_start_matches(';').to_owned()
    }

    /// The district, in a system that has not yet let it go.
    pub(super) fn district(&self) -> &'static str {
        if self.more(|more| more.turn.is_multiple_of(5)) {
            "760"
        } else {
            ""
        }
    }

    /// `MA_KHUVUC`.
    pub(super) fn area(&self) -> &'static str {
        match self.more(|more| more.turn) {
            3..6 if self.benefit.is_some() => "K2",
            _ => "",
        }
    }

    /// The day since which nothing has to be paid, after five years of insurance.
    pub(super) fn exempt_since(&self) -> Option<Day> {
        let exempt = self.benefit.is_some() && self.more(|more| (6..12).contains(&more.turn));
        exempt.then(|| self.arrived.day().plus(-2))
    }

    /// The number of the paper with which the hospital before sent the person.
    pub(super) fn referral_it_came_with(&self) -> String {
        self.more(|more| {
            more.from
                .map(|from| format!("{:05}/{from}", more.paper))
                .unwrap_or_default()
        })
    }

    /// A veteran's wound that came back.
    pub(super) fn old_wound(&self) -> &'static str {
        if self.story() == Story::Herbal && self.more(|more| more.years >= 60) {
            "1"
        } else {
            ""
        }
    }

    /// In grams.
    pub(super) fn newborn_weight(&self) -> Option<u32> {
        let weight = self.more(|more| 2_600 + more.turn * 20);
        (self.story() == Story::Birth).then_some(weight)
    }

    /// The day of the next visit.
    pub(super) fn next_visit(&self) -> Option<Day> {
        let planned = match &self.more {
            Some(more) => more.appointment,
            None => self.admitted.is_some(),
        };
        planned.then(|| self.left.day().plus(14))
    }

    /// First and last day off work.
    pub(super) fn off_work(&self) -> Option<(Day, Day)> {
        let leave = self.more(|more| more.leave);
        let first = self.left.day().plus(i64::from(self.admitted.is_some()));
        (leave > 0).then(|| (first, first.plus(leave - 1)))
    }

    /// When the child came, or the pregnancy ended.
    pub(super) fn delivery(&self) -> Minute {
        self.arrived.plus(200)
    }

    /// The number of social insurance: the end of the card's, where there is one.
    pub(super) fn social_number(&self) -> String {
        let serial = &self.person.code[self.person.code.len() - 6..];
        format!("9999{serial}")
    }
}

/// Stories that suit the person, each as likely.
fn draw(rng: &mut Rng, person: &Person, years: i64) -> Story {
    let papers = !person.citizen_id.is_empty();
    let mut stories = vec![Story::Usual, Story::Usual, Story::Usual, Story::CheckIn, Story::Herbal];
    if years >= 18 {
        stories.extend([
            Story::Surgery,
            Story::Hiv(Sign::Care),
            Story::Tuberculosis { with_hiv: false },
            Story::Tuberculosis { with_hiv: true },
        ]);
        if papers {
            stories.push(Story::Board);
        }
    }
    if person.female && (18..45).contains(&years) && papers {
        stories.extend([
            Story::Birth,
            Story::Birth,
            Story::Birth,
            Story::Rest,
            Story::Rest,
            Story::Rest,
            Story::Loss,
            Story::Loss,
        ]);
    }
    pick(rng, &stories)
}
