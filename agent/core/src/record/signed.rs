//! What a sealed record tells of the signature of the file it came in.

use serde::{Deserialize, Serialize};

use super::{ClaimForm, Head};
use crate::said;
use crate::say::Said;
use crate::time::Timestamp;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// How the signature of the file stands for this record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Why it does not hold for this record; none: it holds.
    pub fault: Option<Said>,
    /// Whose it is, as far as that could be read.
    pub certificate: Option<Certificate>,
    /// The elements it covers; empty: the whole document, or it does not hold.
    pub covers: Vec<String>,
    /// When it was made, where that is signed too.
    pub signed_at: Option<Timestamp>,
    /// The certificate was found to be issued by one of those the site trusts. Not checked unless the site names them.
    pub issuer_checked: bool,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Whose it is.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// Its number there, hex.
    pub serial: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid to.
    pub not_after: Timestamp,
}

impl Head {
    /// Why the claim file that leaves carries no signature that holds; none: it carries one.
    pub fn unsigned(&self) -> Option<Said> {
        if self.signed
            && let ClaimForm::Envelope { why } | ClaimForm::CheckIn { why: Some(why) } = &self.claim
        {
            return Some(said!(
                "tệp gửi đi được lập lại nên không còn chữ ký: {why}",
                "the file that is sent is made anew and carries no signature: {why}"
            ));
        }
        match &self.signature {
            _ if !self.signed => Some(said!("tệp chưa ký", "the file is not signed")),
            None => Some(said!("chữ ký chưa được kiểm", "its signature was not checked")),
            Some(signature) => signature.fault.clone(),
        }
    }
}

impl Certificate {
    /// Whole days left at a time; negative: expired so many days ago, and -1 less than a day ago.
    pub fn days_left(&self, at: Timestamp) -> i64 {
        self.not_after.millis().saturating_sub(at.millis()).div_euclid(DAY)
    }

    /// Its last day, by the clocks of Vietnam: `2026-12-31`.
    pub fn last_day(&self) -> String {
        let mut day = self.not_after.in_zone(chrono_tz::Asia::Ho_Chi_Minh);
        day.truncate("2026-12-31".len());
        day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_counts_as_none_left_and_the_next_as_expired() {
        let at = |text| Timestamp::parse_rfc3339(text).unwrap();
        let certificate = Certificate {
            subject: String::new(),
            issuer: String::new(),
            serial: String::new(),
            not_before: at("2026-01-01T00:00:00Z"),
            not_after: at("2026-12-31T12:00:00Z"),
        };
        for (time, days) in [
            ("2026-12-01T12:00:00Z", 30),
            ("2026-12-01T12:00:01Z", 29),
            ("2026-12-31T12:00:00Z", 0),
            ("2026-12-31T12:00:01Z", -1),
            ("2027-01-02T11:00:00Z", -2),
        ] {
            assert_eq!(certificate.days_left(at(time)), days, "{time}");
        }
        assert_eq!(certificate.last_day(), "2026-12-31");
    }
}
