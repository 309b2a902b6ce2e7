//! How a period went, as figures: complete, clean, live, against the period before; and what was broken most often.
//!
//! What is counted belongs to the day on which its file was accepted, whatever happens to it later: the figures of a day
//! change until all of it has come to its end. What stays true: the parts add up (found = accepted + refused + set aside; due =
//! all that its states count), the period is the sum of its days, and what is not known any more is counted as that and never
//! as clean, live or of no department. No value of any visit comes in here, and no words that a plugin or a receiver chose.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::answer::Code;
use crate::delivery::{ReasonKind, State};
use crate::time::Timestamp;

mod period;

pub use period::{LONGEST, Period};

/// What is delivered within this time of the visit's end is live.
pub const LIVE: Duration = Duration::from_secs(24 * 3600);

/// A share of a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// So many.
    pub part: u64,
    /// Of so many.
    pub of: u64,
}

/// The figures of a day, or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Files that were accepted.
    pub files: u64,
    /// Of these, files with something wrong as a whole: unreadable, or without an end.
    pub files_set_aside: u64,
    /// Records found in them.
    pub seen: u64,
    /// Records that were mapped.
    pub accepted: u64,
    /// Of these, records that say what is known already: nothing is sent for them.
    pub known: u64,
    /// Records whose data allowed no mapping.
    pub refused: u64,
    /// Records that could not be read.
    pub set_aside: u64,
    /// Of the accepted, those whose remarks can still be read.
    pub looked_at: u64,
    /// Of these, those without a warning and without an error.
    pub clean: u64,
    /// By endpoint.
    pub endpoints: BTreeMap<String, Sent>,
}

/// What became of the deliveries to one endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// With a receipt.
    pub delivered: u64,
    /// Neither arrived nor given up yet, and nobody has to do anything.
    pub open: u64,
    /// The receiver refused it.
    pub refused: u64,
    /// We held it back: the rules, a signature that is asked for, no Bundle to send.
    pub held: u64,
    /// It waits for a person for another reason: in doubt, too large, fails again and again, damaged.
    pub stuck: u64,
    /// A person gave it up.
    pub dropped: u64,
    /// A newer version of the visit took its place before it left: not due any more.
    pub superseded: u64,
    /// Of those due, the ones whose visit's end is known.
    pub timed: u64,
    /// Of these, delivered within [`LIVE`] of that end.
    pub live: u64,
}

/// Where a delivery stands, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// Waiting or on its way.
    Open,
    /// Arrived, at that time.
    Delivered(Timestamp),
    /// A newer version took its place.
    Superseded,
    /// For a person, or given up by one; by which number, where the receiver refused it by one.
    Parked(ReasonKind, Option<Code>),
}

/// Which department a record is counted under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Department {
    /// Its code.
    Code(String),
    /// The record names none.
    Unnamed,
    /// The record is not kept any more.
    Forgotten,
}

/// What became of the records of one department.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfDepartment {
    /// Records that were mapped.
    pub accepted: u64,
    /// Of these, whose remarks can still be read.
    pub looked_at: u64,
    /// Of these, without a warning and without an error.
    pub clean: u64,
    /// Refused or set aside.
    pub aside: u64,
    /// By endpoint.
    pub endpoints: BTreeMap<String, Sent>,
}

/// Who said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// It could not be read.
    SetAside,
    /// Its data allowed no mapping.
    Mapping,
    /// We held it back from an endpoint.
    Us,
    /// The receiver.
    Receiver,
    /// A person.
    Person,
}

/// Why something did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// Who said so.
    pub by: By,
    /// For programs; empty: not known any more.
    pub code: String,
    /// To which endpoint; empty: to none.
    pub endpoint: String,
    /// Whose.
    pub department: Department,
    /// By which number the receiver refused it, where that is known.
    pub answer: Option<Code>,
}

/// A remark on a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remark<'a> {
    /// `error`, `warning`, or less.
    pub severity: &'a str,
    /// Its rule.
    pub code: &'a str,
    /// What the rule says, where that may be shown.
    pub text: &'a str,
}

/// A rule that was broken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Broken {
    /// By so many records.
    pub records: u64,
    /// At least once it was an error.
    pub is_error: bool,
    /// What it says; empty where that may not be shown.
    pub text: String,
}

/// All that is counted for a period and the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    /// Which period.
    pub period: Period,
    /// By day, each day of it.
    pub days: BTreeMap<String, Figures>,
    /// The period before it, as long.
    pub before: Figures,
    /// By department.
    pub departments: BTreeMap<Department, OfDepartment>,
    /// By reason.
    pub reasons: BTreeMap<Reason, u64>,
    rules: BTreeMap<String, Broken>,
}

impl Book {
    /// Nothing counted yet.
    pub fn new(period: Period) -> Self {
        Self {
            days: period.days().map(|day| (day, Figures::default())).collect(),
            period,
            before: Figures::default(),
            departments: BTreeMap::new(),
            reasons: BTreeMap::new(),
            rules: BTreeMap::new(),
        }
    }

    /// An accepted file: what was found in it and became of it.
    pub fn file(&mut self, day: &str, counts: &Figures) {
        if let Some((figures, _)) = self.of(day) {
            figures.add(counts);
        }
    }

    /// A mapped record that can still be read.
    pub fn record<'a>(&mut self, day: &str, department: &Department, remarks: impl Iterator<Item = Remark<'a>>) {
        let mut broken: BTreeMap<&str, Broken> = BTreeMap::new();
        for remark in remarks.filter(|remark| matches!(remark.severity, "error" | "warning")) {
            let rule = broken.entry(remark.code).or_default();
            rule.is_error |= remark.severity == "error";
            if rule.text.is_empty() {
                remark.text.clone_into(&mut rule.text);
            }
        }
        let clean = u64::from(broken.is_empty());
        let Some((figures, within)) = self.of(day) else { return };
        figures.looked_at += 1;
        figures.clean += clean;
        if !within {
            return;
        }
        let here = self.departments.entry(department.clone()).or_default();
        here.accepted += 1;
        here.looked_at += 1;
        here.clean += clean;
        for (code, one) in broken {
            let rule = self.rules.entry(code.to_owned()).or_default();
            rule.records += 1;
            rule.is_error |= one.is_error;
            if rule.text.is_empty() {
                rule.text = one.text;
            }
        }
    }

    /// Mapped records that are not kept any more: their remarks and departments are not known.
    pub fn forgotten(&mut self, day: &str, records: u64) {
        if records > 0 && self.period.holds(day) {
            self.departments.entry(Department::Forgotten).or_default().accepted += records;
        }
    }

    /// Records that were refused or set aside, for one reason.
    pub fn aside(&mut self, day: &str, by: By, code: &str, department: &Department, records: u64) {
        if records == 0 || !self.period.holds(day) {
            return;
        }
        self.departments.entry(department.clone()).or_default().aside += records;
        let reason = Reason {
            by,
            code: code.to_owned(),
            endpoint: String::new(),
            department: department.clone(),
            answer: None,
        };
        *self.reasons.entry(reason).or_default() += records;
    }

    /// A delivery, and when its visit ended where that is known.
    pub fn delivery(
        &mut self,
        day: &str,
        endpoint: &str,
        department: &Department,
        stand: Stand,
        ended: Option<Timestamp>,
    ) {
        let Some((figures, within)) = self.of(day) else { return };
        figures
            .endpoints
            .entry(endpoint.to_owned())
            .or_default()
            .count(stand, ended);
        if !within {
            return;
        }
        let here = self.departments.entry(department.clone()).or_default();
        here.endpoints
            .entry(endpoint.to_owned())
            .or_default()
            .count(stand, ended);
        if let Stand::Parked(kind, answer) = stand {
            let reason = Reason {
                by: said_no(kind),
                code: kind_code(kind).to_owned(),
                endpoint: endpoint.to_owned(),
                department: department.clone(),
                answer,
            };
            *self.reasons.entry(reason).or_default() += 1;
        }
    }

    /// The sum of the period's days.
    pub fn sum(&self) -> Figures {
        let mut sum = Figures::default();
        self.days.values().for_each(|day| sum.add(day));
        sum
    }

    /// The rules most often broken, at most so many of them.
    pub fn most_broken(&self, most: usize) -> Vec<(&str, &Broken)> {
        let mut all: Vec<(&str, &Broken)> = self.rules.iter().map(|(code, rule)| (code.as_str(), rule)).collect();
        // Sorted by code already, and this sort keeps that order among equals.
        all.sort_by_key(|(_, rule)| std::cmp::Reverse(rule.records));
        all.truncate(most);
        all
    }

    /// Every endpoint that something went to or was to go to, in either period.
    pub fn endpoints(&self) -> Vec<String> {
        let mut names: Vec<String> = self.sum().endpoints.into_keys().collect();
        names.extend(self.before.endpoints.keys().cloned());
        names.sort();
        names.dedup();
        names
    }

    /// The figures of a day, and whether that is within the period itself.
    fn of(&mut self, day: &str) -> Option<(&mut Figures, bool)> {
        if self.period.holds(day) {
            return self.days.get_mut(day).map(|figures| (figures, true));
        }
        self.period.before().holds(day).then_some((&mut self.before, false))
    }
}

impl Figures {
    /// More of the same.
    pub fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.files_set_aside += other.files_set_aside;
        self.seen += other.seen;
        self.accepted += other.accepted;
        self.known += other.known;
        self.refused += other.refused;
        self.set_aside += other.set_aside;
        self.looked_at += other.looked_at;
        self.clean += other.clean;
        for (endpoint, sent) in &other.endpoints {
            self.endpoints.entry(endpoint.clone()).or_default().add(sent);
        }
    }

    /// How much of what was found could be used.
    pub fn complete(&self) -> Share {
        Share {
            part: self.accepted,
            of: self.seen,
        }
    }

    /// How much of what can still be looked at has nothing remarked on it.
    pub fn clean(&self) -> Share {
        Share {
            part: self.clean,
            of: self.looked_at,
        }
    }

    /// Accepted records that are not kept any more.
    pub fn forgotten(&self) -> u64 {
        self.accepted.saturating_sub(self.looked_at)
    }
}

impl Sent {
    /// Deliveries that were to arrive.
    pub fn due(&self) -> u64 {
        self.delivered + self.open + self.refused + self.held + self.stuck + self.dropped
    }

    /// How many of these did.
    pub fn arrived(&self) -> Share {
        Share {
            part: self.delivered,
            of: self.due(),
        }
    }

    /// How many did within a day of the visit's end.
    pub fn live(&self) -> Share {
        Share {
            part: self.live,
            of: self.timed,
        }
    }

    fn count(&mut self, stand: Stand, ended: Option<Timestamp>) {
        let place = match stand {
            Stand::Open => &mut self.open,
            Stand::Delivered(_) => &mut self.delivered,
            Stand::Superseded => &mut self.superseded,
            Stand::Parked(ReasonKind::Refused, _) => &mut self.refused,
            Stand::Parked(
                ReasonKind::Rules
                | ReasonKind::Twice
                | ReasonKind::Unsigned
                | ReasonKind::SignedSeveral
                | ReasonKind::NoBundle,
                _,
            ) => &mut self.held,
            Stand::Parked(
                ReasonKind::InDoubt | ReasonKind::KeepsFailing | ReasonKind::TooLarge | ReasonKind::Damaged,
                _,
            ) => &mut self.stuck,
            Stand::Parked(ReasonKind::Dropped, _) => &mut self.dropped,
        };
        *place += 1;
        if let (Some(ended), true) = (ended, stand != Stand::Superseded) {
            self.timed += 1;
            self.live += u64::from(matches!(stand, Stand::Delivered(at) if at.since(ended) <= LIVE));
        }
    }

    fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.open += other.open;
        self.refused += other.refused;
        self.held += other.held;
        self.stuck += other.stuck;
        self.dropped += other.dropped;
        self.superseded += other.superseded;
        self.timed += other.timed;
        self.live += other.live;
    }
}

impl Stand {
    /// Of a delivery's state.
    pub fn of(state: &State) -> Self {
        match state {
            State::Waiting { .. } | State::Sending { .. } => Self::Open,
            State::Delivered(receipt) => Self::Delivered(receipt.at),
            State::Superseded { .. } => Self::Superseded,
            State::Parked(reason) => Self::Parked(reason.kind, reason.code),
        }
    }
}

impl Share {
    /// In tenths of a percent, cut off: what is not all is never told as all. None of nothing.
    pub fn permille(self) -> Option<u64> {
        (self.part * 1000).checked_div(self.of)
    }

    /// How many tenths of a percentage point more than before.
    pub fn since(self, before: Self) -> Option<i64> {
        let tenths = |share: Self| i64::try_from(share.permille()?).ok();
        Some(tenths(self)? - tenths(before)?)
    }
}

/// Who says no by this kind of trouble.
fn said_no(kind: ReasonKind) -> By {
    match kind {
        ReasonKind::Refused | ReasonKind::InDoubt | ReasonKind::KeepsFailing | ReasonKind::TooLarge => By::Receiver,
        ReasonKind::Rules
        | ReasonKind::Twice
        | ReasonKind::Unsigned
        | ReasonKind::SignedSeveral
        | ReasonKind::NoBundle
        | ReasonKind::Damaged => By::Us,
        ReasonKind::Dropped => By::Person,
    }
}

/// As the journal writes it.
fn kind_code(kind: ReasonKind) -> &'static str {
    match kind {
        ReasonKind::Refused => "refused",
        ReasonKind::InDoubt => "in-doubt",
        ReasonKind::SignedSeveral => "signed-several",
        ReasonKind::KeepsFailing => "keeps-failing",
        ReasonKind::TooLarge => "too-large",
        ReasonKind::Damaged => "damaged",
        ReasonKind::Dropped => "dropped",
        ReasonKind::Rules => "rules",
        ReasonKind::Unsigned => "unsigned",
        ReasonKind::NoBundle => "no-bundle",
        ReasonKind::Twice => "twice",
    }
}

#[cfg(test)]
mod tests;
