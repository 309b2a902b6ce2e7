//! When deliveries may leave: at once, or from the windows of a cron expression on the clocks of the site.
//!
//! Windows are instants, whole seconds: every instant at which the site's clocks show a matching time. So where clocks are
//! put back, a time that comes twice opens twice; where they are put forward, what was planned for the hour that does
//! not exist opens at its end. A window that was missed is caught up, because what waits for it keeps its past instant.
//! Each site opens its windows a little later than written, always by the same time of its own: else all would open at once.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

use crate::said;
use crate::say::Said;
use crate::spread;
use crate::time::{Timestamp, show_duration};

/// When deliveries to an endpoint may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// As soon as there is something to send.
    Immediate,
    /// From the next window on.
    Cron(Windows),
}

impl Schedule {
    /// Reads `immediate` or six cron fields, to be understood on the clocks of `zone`.
    ///
    /// # Errors
    /// Says what is wrong with the expression; also for one that would never open, such as 30 February.
    pub fn parse(text: &str, zone: Tz) -> Result<Schedule, Said> {
        if text == "immediate" {
            return Ok(Schedule::Immediate);
        }
        Windows::parse(text, zone).map(Schedule::Cron)
    }

    /// The same windows, each later by a time within `[0, over)` that the seed decides, in whole seconds.
    #[must_use]
    pub fn spread(self, over: Duration, seed: u64) -> Schedule {
        match self {
            Schedule::Immediate => Schedule::Immediate,
            Schedule::Cron(windows) => Schedule::Cron(Windows {
                later: Duration::from_secs(spread::within(over, seed).as_secs()),
                ..windows
            }),
        }
    }

    /// The first window at or after the instant something was accepted: it is not sent before.
    /// [`Timestamp::MAX`] after the year 2100, where cron expressions end.
    pub fn next_window(&self, accepted_at: Timestamp) -> Timestamp {
        match self {
            Schedule::Immediate => accepted_at,
            Schedule::Cron(windows) => windows.opening(accepted_at).unwrap_or(Timestamp::MAX),
        }
    }

    /// The next window after now, to be shown; none where nothing waits for windows.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Schedule::Immediate => None,
            Schedule::Cron(windows) => windows.opening(Timestamp::from_millis(now.millis() + 1)),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Immediate => f.write_str("immediate"),
            Schedule::Cron(windows) if windows.later.is_zero() => f.write_str(windows.cron.source()),
            Schedule::Cron(windows) => write!(f, "{} + {}", windows.cron.source(), show_duration(windows.later)),
        }
    }
}

/// The windows of a cron expression in a time zone. There is always a first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    cron: Box<cron::Schedule>,
    zone: Tz,
    /// Whole seconds.
    later: Duration,
}

impl Windows {
    fn parse(text: &str, zone: Tz) -> Result<Windows, Said> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let &[_, _, _, _, _, weekdays] = &fields[..] else {
            let found = fields.len();
            return Err(said!(
                "lịch cần 6 trường, ở đây có {found}",
                "a schedule has 6 fields, here are {found}"
            ));
        };
        // Some programs count weekdays from Sunday = 0, others from Sunday = 1: a number would be a day off at some site.
        if weekdays.bytes().any(|b| b.is_ascii_digit()) {
            return Err(said!(
                "ngày trong tuần phải ghi bằng tên (MON, TUE … SUN), không ghi bằng số",
                "weekdays are written by name (MON, TUE … SUN), not as numbers"
            ));
        }
        let cron: cron::Schedule = fields
            .join(" ")
            .parse()
            .map_err(|_| said!("không đọc được lịch này", "this schedule cannot be read"))?;
        let windows = Windows {
            cron: Box::new(cron),
            zone,
            later: Duration::ZERO,
        };
        match windows.at_or_after(Timestamp::from_millis(0)) {
            Some(_) => Ok(windows),
            None => Err(said!("lịch này không bao giờ tới", "this schedule never comes")),
        }
    }

    /// The first instant at or after this one at which a window opens for us.
    fn opening(&self, instant: Timestamp) -> Option<Timestamp> {
        Some(self.at_or_after(instant.minus(self.later))?.plus(self.later))
    }

    /// The first window as written.
    fn at_or_after(&self, instant: Timestamp) -> Option<Timestamp> {
        // The years a cron expression knows are 1970 to 2100; before them the first window is the next.
        let whole_second = instant.millis().max(0).checked_add(999)?.div_euclid(1000);
        let start = self
            .zone
            .from_utc_datetime(&DateTime::from_timestamp(whole_second, 0)?.naive_utc());
        let local = start.naive_local();

        if self.opens_because_clocks_went_forward(&start) {
            return Some(timestamp(&start));
        }
        let ahead = self
            .local_times(local)
            .find_map(|time| self.first_showing(time, &start));
        let again = self.clocks_going_back_by(&start).and_then(|repeated| {
            self.local_times(local - repeated)
                .take_while(|time| *time < local)
                .find_map(|time| {
                    let second = self.zone.from_local_datetime(&time).latest()?;
                    (second >= start).then_some(second)
                })
        });
        ahead.into_iter().chain(again).min().map(|window| timestamp(&window))
    }

    /// Times on a clock that match, from this one on.
    fn local_times(&self, from: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        self.cron
            .after_owned((from - TimeDelta::seconds(1)).and_utc())
            .map(|time: DateTime<Utc>| time.naive_utc())
    }

    /// The first instant from `start` on at which clocks show this time, or at which they have jumped over it.
    fn first_showing(&self, time: NaiveDateTime, start: &DateTime<Tz>) -> Option<DateTime<Tz>> {
        let showing = self.zone.from_local_datetime(&time);
        match (showing.earliest(), showing.latest()) {
            (Some(first), _) if first >= *start => Some(first),
            (_, Some(second)) => (second >= *start).then_some(second),
            (_, None) => GapInfo::new(&time, &self.zone)?.end,
        }
    }

    /// Whether clocks jumped to exactly this instant, over a time that matches.
    fn opens_because_clocks_went_forward(&self, start: &DateTime<Tz>) -> bool {
        let just_before = start.naive_local() - TimeDelta::seconds(1);
        let Some(GapInfo {
            begin: Some((begin, _)),
            end: Some(end),
        }) = GapInfo::new(&just_before, &self.zone)
        else {
            return false;
        };
        end == *start && self.local_times(begin).next().is_some_and(|time| time <= just_before)
    }

    /// Where clocks will soon show this very time again: by how much they are put back.
    fn clocks_going_back_by(&self, start: &DateTime<Tz>) -> Option<TimeDelta> {
        let second = self.zone.from_local_datetime(&start.naive_local()).latest()?;
        (second > *start).then(|| second.signed_duration_since(*start))
    }
}

fn timestamp(instant: &DateTime<Tz>) -> Timestamp {
    Timestamp::from_millis(instant.timestamp_millis())
}

#[cfg(test)]
mod tests;
