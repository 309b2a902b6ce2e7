//! Days and minutes as the national tables write them, computed from numbers alone: no clock, no locale, no time
//! zone data, so that the same seed gives the same bytes on every machine.

/// One calendar day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

/// One minute of local time. Vietnam has no daylight saving, so adding minutes is all the arithmetic there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(i64);

const MINUTES_A_DAY: i64 = 24 * 60;

impl Day {
    /// The day with this date, or `None` where the calendar has no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let made = Self(days_from_civil(year.into(), month.into(), day.into()));
        (made.civil() == (year.into(), month.into(), day.into())).then_some(made)
    }

    /// The day this many days after 1 January 1970.
    pub fn from_unix_days(days: i64) -> Self {
        Self(days)
    }

    /// So many days later (earlier, when negative).
    pub fn plus(self, days: i64) -> Self {
        Self(self.0 + days)
    }

    /// How many days it is later.
    pub fn days_since(self, other: Self) -> i64 {
        self.0 - other.0
    }

    /// This time on this day.
    pub fn at(self, hour: u32, minute: u32) -> Minute {
        Minute(self.0 * MINUTES_A_DAY + i64::from(hour) * 60 + i64::from(minute))
    }

    /// Year, month and day.
    pub fn civil(self) -> (i64, i64, i64) {
        civil_from_days(self.0)
    }

    /// `yyyyMMdd`.
    pub fn compact(self) -> String {
        let (year, month, day) = self.civil();
        format!("{year:04}{month:02}{day:02}")
    }
}

impl Minute {
    /// So many minutes later.
    pub fn plus(self, minutes: i64) -> Self {
        Self(self.0 + minutes)
    }

    /// The day it belongs to.
    pub fn day(self) -> Day {
        Day(self.0.div_euclid(MINUTES_A_DAY))
    }

    /// `yyyyMMddHHmm`.
    pub fn compact(self) -> String {
        let minute = self.0.rem_euclid(MINUTES_A_DAY);
        format!("{}{:02}{:02}", self.day().compact(), minute / 60, minute % 60)
    }
}

/// Days since 1 January 1970 in the Gregorian calendar; years are counted from March so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_roll_over_months_years_and_leap_days() {
        let day = |y, m, d| Day::new(y, m, d).unwrap();
        assert_eq!(day(2024, 2, 28).plus(1).compact(), "20240229");
        assert_eq!(day(2025, 2, 28).plus(1).compact(), "20250301");
        assert_eq!(day(2025, 12, 31).plus(1).compact(), "20260101");
        assert_eq!(day(2026, 1, 1).plus(-1).compact(), "20251231");
        assert_eq!(Day::from_unix_days(0).compact(), "19700101");
        assert_eq!(Day::new(2025, 2, 29), None);
        assert_eq!(Day::new(2025, 13, 1), None);
    }

    #[test]
    fn minutes_roll_over_midnight() {
        let evening = Day::new(2026, 1, 31).unwrap().at(23, 50);
        assert_eq!(evening.compact(), "202601312350");
        assert_eq!(evening.plus(15).compact(), "202602010005");
    }
}
