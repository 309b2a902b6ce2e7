//! Instants and durations as the agent writes them: in the journal, in messages, in the configuration.
//!
//! A [`Timestamp`] always lies between the years 0000 and 9999, so it can always be written as RFC 3339 and read back
//! unchanged. Arithmetic saturates at those ends; nothing here panics and nothing here asks a clock.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// An instant: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first instant of the year 0000.
    pub const MIN: Timestamp = Timestamp(-62_167_219_200_000);
    /// The last instant of the year 9999; stands for "never".
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999);

    /// The instant this many milliseconds after the Unix epoch, or the nearest one that can be written.
    pub fn from_millis(millis: i64) -> Timestamp {
        Timestamp(millis.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Milliseconds since the Unix epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// This much later, at most [`Timestamp::MAX`].
    pub fn plus(self, duration: Duration) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_add(whole_millis(duration)))
    }

    /// This much earlier, at least [`Timestamp::MIN`].
    pub fn minus(self, duration: Duration) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_sub(whole_millis(duration)))
    }

    /// The time that has passed since `earlier`; zero where `earlier` is in fact later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// `2026-08-01T13:00:00Z`, with milliseconds only where there are any.
    pub fn to_rfc3339(self) -> String {
        let format = if self.0 % 1000 == 0 {
            SecondsFormat::Secs
        } else {
            SecondsFormat::Millis
        };
        self.utc().to_rfc3339_opts(format, true)
    }

    /// Reads an RFC 3339 instant with any offset; what is finer than a millisecond is cut off.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        let millis = DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis();
        (Self::MIN.0..=Self::MAX.0)
            .contains(&millis)
            .then_some(Timestamp(millis))
    }

    /// Reads an instant as HTTP headers write it: `Sat, 01 Aug 2026 13:00:00 GMT`.
    pub fn parse_http_date(text: &str) -> Option<Timestamp> {
        let millis = DateTime::parse_from_rfc2822(text.trim()).ok()?.timestamp_millis();
        (Self::MIN.0..=Self::MAX.0)
            .contains(&millis)
            .then_some(Timestamp(millis))
    }

    /// `2026-08-01 20:00:00` on the clocks of this zone, for people.
    pub fn in_zone(self, zone: Tz) -> String {
        self.utc().with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string()
    }

    pub(crate) fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).expect("years 0000 to 9999 are within what chrono can hold")
    }
}

impl From<i64> for Timestamp {
    fn from(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }
}

impl From<Timestamp> for i64 {
    fn from(timestamp: Timestamp) -> i64 {
        timestamp.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// The units a duration is written in, longest first, with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest duration that can be written: ten years, far from where arithmetic would overflow.
pub const LONGEST: Duration = Duration::from_millis(3650 * 86_400_000);

/// Reads `500ms`, `2s`, `15m`, `12h` or `30d`: one whole number, one unit, at most [`LONGEST`].
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, unit_millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let duration = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(*unit_millis)?);
    (duration <= LONGEST).then_some(duration)
}

/// Writes a duration the way [`parse_duration`] reads it, in the longest unit that fits; cuts off below a millisecond.
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let (unit, unit_millis) = UNITS
        .iter()
        .find(|(_, unit)| millis.is_multiple_of(u128::from(*unit)))
        .expect("one millisecond divides all");
    format!("{}{unit}", millis / u128::from(*unit_millis))
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_instant_is_written_in_utc_with_milliseconds_only_where_there_are_any() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(
            Timestamp::from_millis(1_785_589_200_000).to_string(),
            "2026-08-01T13:00:00Z"
        );
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn an_instant_is_read_as_http_writes_it() {
        assert_eq!(
            Timestamp::parse_http_date("Sat, 01 Aug 2026 13:00:00 GMT"),
            Timestamp::parse_rfc3339("2026-08-01T13:00:00Z")
        );
        for wrong in ["", "120", "tomorrow", "Sat, 32 Aug 2026 13:00:00 GMT"] {
            assert_eq!(Timestamp::parse_http_date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_instant_is_shown_to_people_on_the_clocks_of_their_site() {
        let evening = Timestamp::parse_rfc3339("2026-08-01T20:00:00+07:00").unwrap();
        assert_eq!(evening.in_zone(chrono_tz::Asia::Ho_Chi_Minh), "2026-08-01 20:00:00");
        assert_eq!(evening.in_zone(chrono_tz::UTC), "2026-08-01 13:00:00");
    }

    #[test]
    fn the_ends_of_time_can_be_written_and_are_never_passed() {
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::MIN.to_string(), "0000-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_millis(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.minus(Duration::MAX), Timestamp::MIN);
        assert_eq!(Timestamp::parse_rfc3339("9999-12-31T23:59:59-23:00"), None);
    }

    #[test]
    fn time_since_something_later_is_zero() {
        let (early, late) = (Timestamp::from_millis(1_000), Timestamp::from_millis(3_500));
        assert_eq!(late.since(early), Duration::from_millis(2_500));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.minus(Duration::from_millis(2_500)), early);
        assert_eq!(
            Timestamp::MAX.since(Timestamp::MIN),
            Duration::from_millis(315_569_519_999_999)
        );
    }

    #[test]
    fn an_instant_is_stored_as_a_number() {
        assert_eq!(serde_json::to_string(&Timestamp::from_millis(42)).unwrap(), "42");
        assert_eq!(
            serde_json::from_str::<Timestamp>("42").unwrap(),
            Timestamp::from_millis(42)
        );
    }

    #[test]
    fn a_duration_is_one_whole_number_and_one_unit() {
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("2s"), Some(Duration::from_secs(2)));
        assert_eq!(parse_duration("15m"), Some(Duration::from_secs(900)));
        assert_eq!(parse_duration("12h"), Some(Duration::from_secs(43_200)));
        assert_eq!(parse_duration("30d"), Some(Duration::from_secs(2_592_000)));
        for wrong in [
            "",
            "5",
            "s",
            "-5s",
            "+5s",
            "1.5h",
            "5 s",
            "5S",
            "1h30m",
            "5ngày",
            "99999999999999999999d",
            "3651d",
        ] {
            assert_eq!(parse_duration(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_duration_is_shown_in_the_longest_unit_that_fits() {
        assert_eq!(show_duration(Duration::from_secs(86_400)), "1d");
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
        assert_eq!(show_duration(Duration::from_millis(1_500)), "1500ms");
        assert_eq!(show_duration(Duration::ZERO), "0s");
    }

    proptest! {
        #[test]
        fn a_written_instant_reads_back_the_same(millis in any::<i64>(), near in -4_000_000_000_000_i64..4_000_000_000_000) {
            for instant in [Timestamp::from_millis(millis), Timestamp::from_millis(near)] {
                prop_assert_eq!(Timestamp::parse_rfc3339(&instant.to_rfc3339()), Some(instant));
            }
        }

        #[test]
        fn a_written_duration_reads_back_the_same(millis in 0..=3650 * 86_400_000_u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Some(duration));
        }

        #[test]
        fn reading_a_duration_or_an_instant_never_panics(text in "\\PC*") {
            let _ = (parse_duration(&text), Timestamp::parse_rfc3339(&text));
        }

        #[test]
        fn later_and_back_is_the_same_instant(millis in -1_000_000_000_000_i64..1_000_000_000_000, by in 0..1_000_000_000_000_u64) {
            let (instant, by) = (Timestamp::from_millis(millis), Duration::from_millis(by));
            prop_assert_eq!(instant.plus(by).minus(by), instant);
            prop_assert_eq!(instant.plus(by).since(instant), by);
        }
    }
}
