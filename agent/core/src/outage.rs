//! When what was out of reach: the evidence of a site that had to send late.
//!
//! What stays true: of one thing at most one outage is open at a time; it begins with the first attempt that failed and ends
//! with the first good answer after which all stayed well for some minutes; a line that comes and goes is one outage, not
//! hundreds. Nothing here waits for a clock: the times are those of the attempts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::retry::FailureKind;
use crate::said;
use crate::say::Said;
use crate::time::Timestamp;

/// A time during which something was out of reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// What sort of thing.
    #[serde(rename = "thing")]
    pub what: What,
    /// Which of them, as configured.
    pub name: String,
    /// The first attempt that failed.
    pub from: Timestamp,
    /// The first good answer; none while it goes on.
    pub to: Option<Timestamp>,
    /// How it showed, in the order in which it did.
    pub kinds: Vec<Kind>,
    /// Attempts that failed.
    pub attempts: u64,
    /// Deliveries that were waiting when it ended; none where nothing waits for such a thing.
    pub waiting: Option<u64>,
}

/// What was out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A receiver.
    Endpoint,
    /// A watched folder.
    Source,
    /// The agent itself.
    Agent,
    /// Room on the disk of the state folder.
    Disk,
}

/// How an outage showed itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// No connection: name, network, refused, TLS.
    NoConnection,
    /// The answer did not come, or not whole.
    NoAnswer,
    /// The endpoint said that it is ill or busy.
    Busy,
    /// Our account was not let in.
    NotLetIn,
    /// What answered was not the endpoint.
    NotTheInterface,
    /// The folder could not be looked through.
    Folder,
    /// The folder did not answer.
    FolderSilent,
    /// The agent was stopped in order.
    Stopped,
    /// The agent ended without being stopped: a power cut, or it was killed.
    Cut,
    /// The disk was full.
    DiskFull,
}

/// What is out of reach at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Open(
    /// With `to`, it has been well since then, but not yet for long.
    Vec<Outage>,
);

/// Outages read back from what was written down, in its order: each at its begin, and once more at its end.
#[derive(Debug, Clone, Default)]
pub struct Book {
    ended: Vec<Outage>,
    /// Without an end so far, and the first good answer that something else tells of.
    open: Vec<(Outage, Option<Timestamp>)>,
}

/// What fails again within this time after a good answer was never well.
const MERGE: Duration = Duration::from_secs(5 * 60);
/// The agent tells every half minute that it lives: a shorter silence is none.
const SHORTEST: Duration = Duration::from_secs(60);
/// A longer one is no silence but a clock that was wrong.
const LONGEST: Duration = Duration::from_secs(2 * 366 * 86_400);

impl Open {
    /// So many attempts failed. Gives what is to be written down: nothing while an outage goes on.
    pub fn failed(&mut self, what: What, name: &str, kind: Kind, attempts: u64, at: Timestamp) -> Vec<Outage> {
        let mut told = Vec::new();
        if let Some(place) = self.place(what, name) {
            let outage = &mut self.0[place];
            if outage.to.is_none_or(|well_since| at.since(well_since) < MERGE) {
                // The clock may have been put back meanwhile.
                outage.from = outage.from.min(at);
                outage.to = None;
                outage.attempts += attempts;
                if !outage.kinds.contains(&kind) {
                    outage.kinds.push(kind);
                }
                return told;
            }
            told.push(self.0.remove(place));
        }
        let begun = Outage {
            what,
            name: name.to_owned(),
            from: at,
            to: None,
            kinds: vec![kind],
            attempts,
            waiting: None,
        };
        self.0.push(begun.clone());
        told.push(begun);
        told
    }

    /// It gave a good answer. `waiting`: deliveries that wait for it now. Says whether that is news.
    pub fn answered(&mut self, what: What, name: &str, waiting: impl FnOnce() -> Option<u64>, at: Timestamp) -> bool {
        let Some(place) = self.place(what, name) else {
            return false;
        };
        let outage = &mut self.0[place];
        let news = outage.to.is_none();
        if news {
            outage.from = outage.from.min(at);
            outage.to = Some(at);
            outage.waiting = waiting();
        }
        news
    }

    /// What has been well for long enough, to be written down.
    pub fn ended(&mut self, now: Timestamp) -> Vec<Outage> {
        let over = |outage: &mut Outage| {
            outage
                .to
                .is_some_and(|well_since| now < well_since || now.since(well_since) >= MERGE)
        };
        self.0.extract_if(.., over).collect()
    }

    /// Ends what nobody watches any more at the time it was last seen, to be written down.
    pub fn forget(&mut self, watched: impl Fn(What, &str) -> bool, seen: Timestamp) -> Vec<Outage> {
        let gone = |outage: &mut Outage| !watched(outage.what, &outage.name);
        let mut gone: Vec<Outage> = self.0.extract_if(.., gone).collect();
        for outage in &mut gone {
            outage.to.get_or_insert(seen.max(outage.from));
        }
        gone
    }

    /// Since when it is out of reach, if it is.
    pub fn since(&self, what: What, name: &str) -> Option<Timestamp> {
        let outage = &self.0[self.place(what, name)?];
        outage.to.is_none().then_some(outage.from)
    }

    fn place(&self, what: What, name: &str) -> Option<usize> {
        self.0
            .iter()
            .position(|outage| outage.what == what && outage.name == name)
    }
}

/// The agent's own silence, from its last sign of life to its start; none when it was too short to tell.
pub fn silence(name: &str, last_sign: Timestamp, stopped: bool, started: Timestamp, waiting: u64) -> Option<Outage> {
    let long = (SHORTEST..LONGEST).contains(&started.since(last_sign));
    long.then(|| Outage {
        what: What::Agent,
        name: name.to_owned(),
        from: last_sign,
        to: Some(started),
        kinds: vec![if stopped { Kind::Stopped } else { Kind::Cut }],
        attempts: 0,
        waiting: Some(waiting),
    })
}

impl Book {
    /// The next that was written down.
    pub fn told(&mut self, outage: Outage) {
        let same = |(open, _): &(Outage, _)| open.what == outage.what && open.name == outage.name;
        if let Some(place) = self.open.iter().position(same) {
            let (mut before, well_since) = self.open.remove(place);
            // The end of an outage tells its begin, too. A second begin: the end of the first got lost.
            if outage.to.is_none() {
                before.to = Some(well_since.unwrap_or(outage.from).max(before.from));
                self.ended.push(before);
            }
        }
        match outage.to {
            Some(_) => self.ended.push(outage),
            None => self.open.push((outage, None)),
        }
    }

    /// A receipt of an endpoint: it was well at that time, whatever became of the end that should have been written down.
    pub fn arrived(&mut self, endpoint: &str, at: Timestamp) {
        let here = |(open, _): &&mut (Outage, _)| open.what == What::Endpoint && open.name == endpoint;
        if let Some((_, well_since)) = self.open.iter_mut().find(here) {
            well_since.get_or_insert(at);
        }
    }

    /// All of them, in the order in which they began; `open` is what the agent knew last of those that have not ended.
    pub fn list(self, open: Option<&Open>) -> Vec<Outage> {
        let mut list = self.ended;
        for (mut outage, well_since) in self.open {
            let known = open.map(|open| (open, open.place(outage.what, &outage.name)));
            match known {
                Some((open, Some(place))) => outage = open.0[place].clone(),
                _ => outage.to = well_since.map(|at| at.max(outage.from)),
            }
            list.push(outage);
        }
        list.sort_by_key(|outage| outage.from);
        // Carried on from an old file of the journal, it may be told twice.
        list.dedup();
        let mut merged: Vec<Outage> = Vec::with_capacity(list.len());
        for outage in list {
            let same = |other: &&mut Outage| other.what == outage.what && other.name == outage.name;
            match merged.iter_mut().rev().find(same) {
                Some(last) if last.to.is_some_and(|to| outage.from.since(to) < MERGE) => last.take_in(outage),
                _ => merged.push(outage),
            }
        }
        merged
    }
}

impl Outage {
    /// How long it was, or has been by now.
    pub fn length(&self, now: Timestamp) -> Duration {
        self.to.unwrap_or(now).since(self.from)
    }

    fn take_in(&mut self, later: Self) {
        self.to = later.to.map(|to| to.max(self.to.unwrap_or(to)));
        self.attempts += later.attempts;
        self.waiting = later.waiting;
        for kind in later.kinds {
            if !self.kinds.contains(&kind) {
                self.kinds.push(kind);
            }
        }
    }
}

impl What {
    /// In words.
    pub fn said(self) -> Said {
        match self {
            Self::Endpoint => said!("nơi nhận", "endpoint"),
            Self::Source => said!("thư mục nguồn", "source folder"),
            Self::Agent => said!("chương trình", "the agent itself"),
            Self::Disk => said!("ổ đĩa", "disk"),
        }
    }
}

impl Kind {
    /// Of a failed attempt; none where it says nothing about the endpoint.
    pub fn of(failure: FailureKind) -> Option<Self> {
        match failure {
            FailureKind::NoConnection => Some(Self::NoConnection),
            FailureKind::NoAnswer => Some(Self::NoAnswer),
            FailureKind::Busy => Some(Self::Busy),
            FailureKind::NotLetIn => Some(Self::NotLetIn),
            FailureKind::NotTheInterface => Some(Self::NotTheInterface),
            FailureKind::Stopped | FailureKind::OurSide => None,
        }
    }

    /// In words. They hold nothing of any visit.
    pub fn said(self) -> Said {
        match self {
            Self::NoConnection => said!("không kết nối được", "no connection"),
            Self::NoAnswer => said!("không có trả lời", "no answer"),
            Self::Busy => said!(
                "nơi nhận báo lỗi hoặc quá tải",
                "the endpoint reported an error or too much load"
            ),
            Self::NotLetIn => said!("nơi nhận không nhận tài khoản", "the account was not let in"),
            Self::NotTheInterface => said!(
                "trả lời không phải của nơi nhận (proxy, trang đăng nhập)",
                "the answer was not the endpoint's (a proxy, a login page)"
            ),
            Self::Folder => said!("không xem được thư mục", "the folder could not be looked through"),
            Self::FolderSilent => said!("thư mục không trả lời", "the folder did not answer"),
            Self::Stopped => said!("dịch vụ bị dừng", "the service was stopped"),
            Self::Cut => said!(
                "dịch vụ tắt đột ngột (mất điện hoặc bị ngắt)",
                "the service ended all at once (a power cut, or it was killed)"
            ),
            Self::DiskFull => said!("ổ đĩa đầy", "the disk was full"),
        }
    }
}

#[cfg(test)]
mod tests;
