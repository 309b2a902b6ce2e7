//! Nothing lost, nothing twice, after a kill or a power cut at any point: three ways to cut, one way to judge. And after damage.
//!
//! Judged from the outside only: what the program says, what is left in the source folder, and the receivers' own ledgers.
//! No file of the state folder is ever read here, so its formats may change freely. The same code runs small in
//! `cargo test` and large in `cargo bench -p vhr-e2e --bench survival`.

pub(crate) mod damage;
pub(crate) mod ext4;
mod judge;
pub(crate) mod kill;
pub(crate) mod power;
mod recording;
mod told;
mod tools;

use std::fmt;

pub(crate) use judge::Judge;

/// What a run found: one row of the table. All but the last must be zero.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// What was done to it.
    pub(crate) what: String,
    /// How often it was cut or killed.
    pub(crate) cuts: usize,
    /// It did not start by itself, or did not end well.
    pub(crate) would_not_start: usize,
    /// Accepted, and not there any more.
    pub(crate) accepted_lost: usize,
    /// Told as proof, and not there any more, or not the same.
    pub(crate) receipts_lost: usize,
    /// Sent, or about to be sent, although it was known to have arrived.
    pub(crate) sent_again: usize,
    /// Damaged, and not told.
    pub(crate) not_told: usize,
    /// Sent, no answer seen, a person is asked: told, and allowed.
    pub(crate) in_doubt: usize,
    /// Why nothing could be tried on this machine.
    pub(crate) not_possible: Option<String>,
}

/// What is wrong, by the column it counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    WouldNotStart,
    AcceptedLost,
    ReceiptsLost,
    SentAgain,
    NotTold,
}

impl Tally {
    pub(crate) fn of(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ..Self::default()
        }
    }

    /// Counts it, and says what it was.
    pub(crate) fn found(&mut self, wrong: Wrong, what: &str) {
        eprintln!("FOUND {wrong:?} ({}): {what}", self.what);
        *match wrong {
            Wrong::WouldNotStart => &mut self.would_not_start,
            Wrong::AcceptedLost => &mut self.accepted_lost,
            Wrong::ReceiptsLost => &mut self.receipts_lost,
            Wrong::SentAgain => &mut self.sent_again,
            Wrong::NotTold => &mut self.not_told,
        } += 1;
    }

    /// Whether all that must be zero is.
    pub(crate) fn is_clean(&self) -> bool {
        self.would_not_start + self.accepted_lost + self.receipts_lost + self.sent_again + self.not_told == 0
    }

    /// The head of the table.
    pub(crate) const HEAD: &str = "| what | cuts, kills, damages | would not start | accepted lost | receipts lost | \
         sent again after confirmation | damage not told | in doubt (told) |\n|---|---|---|---|---|---|---|---|";
}

/// The row.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.not_possible {
            return write!(f, "| {} | not possible here: {why} | | | | | | |", self.what);
        }
        write!(
            f,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            self.what,
            self.cuts,
            self.would_not_start,
            self.accepted_lost,
            self.receipts_lost,
            self.sent_again,
            self.not_told,
            self.in_doubt
        )
    }
}
