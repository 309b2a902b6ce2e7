//! Some days in a row, and as many before them.

use chrono::{Days, NaiveDate};

/// No report is about more days than this.
pub const LONGEST: u64 = 366;

/// From one day up to and with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    from: NaiveDate,
    to: NaiveDate,
}

impl Period {
    /// From two days written `yyyy-MM-dd`; none where one is no day, they are the wrong way round, or too far apart.
    pub fn read(from: &str, to: &str) -> Option<Self> {
        let day = |text: &str| {
            NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()
                .filter(|day| day.to_string() == text)
        };
        let period = Self {
            from: day(from)?,
            to: day(to)?,
        };
        (period.from <= period.to && period.length() <= LONGEST).then_some(period)
    }

    /// As many days, right before these.
    pub fn before(&self) -> Self {
        let back = |day: NaiveDate| day.checked_sub_days(Days::new(self.length())).unwrap_or(NaiveDate::MIN);
        Self {
            from: back(self.from),
            to: back(self.to),
        }
    }

    /// Whether a day, `yyyy-MM-dd`, is one of them.
    pub fn holds(&self, day: &str) -> bool {
        (self.first().as_str()..=self.last().as_str()).contains(&day)
    }

    /// All of them.
    pub fn days(&self) -> impl Iterator<Item = String> + use<> {
        let to = self.to;
        self.from
            .iter_days()
            .take_while(move |day| *day <= to)
            .map(|day| day.to_string())
    }

    /// The first.
    pub fn first(&self) -> String {
        self.from.to_string()
    }

    /// The last.
    pub fn last(&self) -> String {
        self.to.to_string()
    }

    fn length(&self) -> u64 {
        u64::try_from((self.to - self.from).num_days()).map_or(u64::MAX, |days| days + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_before_is_as_long_and_ends_the_day_before() {
        let march = Period::read("2026-03-01", "2026-03-31").unwrap();
        assert_eq!(march.before(), Period::read("2026-01-29", "2026-02-28").unwrap());
        let day = Period::read("2026-01-01", "2026-01-01").unwrap();
        assert_eq!(day.before().first(), "2025-12-31");
        assert_eq!(day.before().days().collect::<Vec<_>>(), ["2025-12-31"]);
        assert!(march.holds("2026-03-01") && march.holds("2026-03-31"));
        assert!(!march.holds("2026-02-28") && !march.holds("2026-04-01"));
    }

    #[test]
    fn what_is_no_period_is_none() {
        for (from, to) in [
            ("2026-03-02", "2026-03-01"),
            ("2026-02-30", "2026-03-01"),
            ("2026-3-1", "2026-03-01"),
            ("01/03/2026", "2026-03-01"),
            ("2024-01-01", "2025-01-01"),
        ] {
            assert_eq!(Period::read(from, to), None, "{from} {to}");
        }
        assert!(Period::read("2024-01-01", "2024-12-31").is_some());
    }
}
