//! Every `[[endpoint]]`: where to, in which language, as whom, when.

use std::time::Duration;

use chrono_tz::Tz;

use super::reader::{Table, Value};
use super::sections::{each_named, unique_name};
use super::{Algorithm, Auth, Endpoint, InDoubt, Kind, Lane, Signed, Standard, Tls, values};
use crate::said;
use crate::schedule::Schedule;
use crate::spread;

/// What only one kind of endpoint has.
const FHIR_ONLY: [&str; 2] = ["profile", "auth"];
const BHXH_ONLY: [&str; 5] = ["username", "password", "standard", "signed", "check_in_path"];

const MOST_IN_FLIGHT: u32 = 64;

/// Over so long windows are spread where nothing is said.
const SPREAD: Duration = Duration::from_secs(10 * 60);
const LONGEST_SPREAD: Duration = Duration::from_secs(12 * 3600);

/// All endpoints of a facility; schedules are on the clocks of `zone`.
pub(super) fn endpoints(sections: Vec<Value<'_>>, facility: &str, zone: Tz) -> Option<Vec<Endpoint>> {
    each_named(sections, |section, earlier| {
        endpoint(section.table()?, earlier, facility, zone)
    })
}

fn endpoint(mut table: Table<'_>, earlier: &mut Vec<String>, facility: &str, zone: Tz) -> Option<Endpoint> {
    let name = table.required("name", r#"name = "vhr""#, |value| unique_name(value, earlier));
    let url = table.required("url", r#"url = "https://vhr.example.vn/fhir""#, |value| {
        values::address(value, true)
    });
    let kind = kind(&mut table);
    let schedule = table.optional("schedule", |value| values::schedule(value, zone));
    let spread = table.optional("spread", |value| spread_of(value, schedule.as_ref()));
    let exclude = table.optional("exclude", |value| value.list(values::name));
    let in_doubt = table.optional("in_doubt", |value| {
        value.choice(&[("resend", InDoubt::Resend), ("ask", InDoubt::Ask)])
    });
    let tls = table.optional("tls", |value| tls(value.table()?));
    let in_flight = table.optional("in_flight", in_flight);
    let (shortest, longest) = (Duration::from_secs(1), Duration::from_secs(3600));
    let timeout = table.optional("timeout", |value| values::duration(value, shortest, longest));
    let proxy = table.optional("proxy", values::proxy);
    table.end();
    let (kind, name) = (kind?, name?);
    let seed = spread::seed(&[facility, &name]);
    Some(Endpoint {
        name,
        url: url?,
        schedule: schedule
            .unwrap_or(Schedule::Immediate)
            .spread(spread.unwrap_or(SPREAD), seed),
        seed,
        exclude: exclude.unwrap_or_default(),
        in_doubt: in_doubt.unwrap_or(match kind {
            Kind::Fhir { .. } => InDoubt::Resend,
            Kind::Bhxh { .. } => InDoubt::Ask,
        }),
        kind,
        tls: tls.unwrap_or_default(),
        in_flight: in_flight.unwrap_or(4),
        timeout: timeout.unwrap_or(Duration::from_secs(60)),
        proxy,
    })
}

fn spread_of(value: &Value<'_>, schedule: Option<&Schedule>) -> Option<Duration> {
    let spread = values::duration(value, Duration::ZERO, LONGEST_SPREAD)?;
    if spread.is_zero() || matches!(schedule, Some(Schedule::Cron(_))) {
        return Some(spread);
    }
    value.wrong(
        said!(
            "chỉ dãn được giờ gửi khi có lịch",
            "only what goes by a schedule can be spread"
        ),
        said!(
            "ghi schedule (ví dụ \"0 0 20 * * *\"), hoặc xóa spread",
            "write a schedule (such as \"0 0 20 * * *\"), or remove spread"
        ),
    )
}

#[derive(Clone, Copy)]
enum Spoken {
    Fhir,
    Bhxh,
}

fn kind(table: &mut Table<'_>) -> Option<Kind> {
    let spoken = table.required("kind", r#"kind = "fhir""#, |value| {
        value.choice(&[("fhir", Spoken::Fhir), ("bhxh", Spoken::Bhxh)])
    });
    match spoken {
        Some(Spoken::Fhir) => {
            let profile = table.optional("profile", values::identifier);
            let auth = table.optional("auth", |value| auth(value.table()?));
            refuse_keys_of(table, "bhxh", &BHXH_ONLY);
            Some(Kind::Fhir {
                profile: profile.unwrap_or_else(|| "r4".to_owned()),
                auth: auth.unwrap_or_default(),
            })
        }
        Some(Spoken::Bhxh) => {
            let username = table.required("username", r#"username = "79999_BV""#, values::line);
            let password = table.required("password", r#"password = { credential = "bhxh" }"#, values::secret);
            let standard = table.optional("standard", |value| {
                value.choice(&[
                    ("130", Standard::Qd130),
                    ("4750", Standard::Qd4750),
                    ("3176", Standard::Qd3176),
                ])
            });
            let signed = table.optional("signed", |value| {
                value.choice(&[("any", Signed::Any), ("warn", Signed::Warn), ("only", Signed::Only)])
            });
            let check_in_path = table.optional("check_in_path", values::url_path);
            refuse_keys_of(table, "fhir", &FHIR_ONLY);
            Some(Kind::Bhxh {
                username: username?,
                password: password?,
                standard: standard.unwrap_or_default(),
                signed: signed.unwrap_or_default(),
                check_in_path,
                lane: Lane::Claims,
            })
        }
        None => {
            table.pass_over(&FHIR_ONLY);
            table.pass_over(&BHXH_ONLY);
            None
        }
    }
}

fn refuse_keys_of(table: &mut Table<'_>, other: &str, keys: &[&'static str]) {
    table.refuse(
        keys,
        &said!(
            r#"khóa này chỉ dùng với kind = "{other}""#,
            r#"this key is only for kind = "{other}""#
        ),
        &said!("xóa khóa này, hoặc sửa kind", "remove the key, or change kind"),
    );
}

#[derive(Clone, Copy)]
enum Shown {
    None,
    Basic,
    Bearer,
    OAuth2Client,
    SmartBackend,
}

fn auth(mut table: Table<'_>) -> Option<Auth> {
    let shown = table.required("kind", r#"kind = "oauth2-client""#, |value| {
        value.choice(&[
            ("none", Shown::None),
            ("basic", Shown::Basic),
            ("bearer", Shown::Bearer),
            ("oauth2-client", Shown::OAuth2Client),
            ("smart-backend", Shown::SmartBackend),
        ])
    })?;
    let auth = match shown {
        Shown::None => Some(Auth::None),
        Shown::Basic => {
            let username = table.required("username", r#"username = "vhr""#, values::line);
            let password = table.required("password", r#"password = { credential = "vhr" }"#, values::secret);
            username
                .zip(password)
                .map(|(username, password)| Auth::Basic { username, password })
        }
        Shown::Bearer => {
            let token = table.required("token", r#"token = { credential = "vhr" }"#, values::secret);
            token.map(|token| Auth::Bearer { token })
        }
        Shown::OAuth2Client => oauth2_client(&mut table),
        Shown::SmartBackend => smart_backend(&mut table),
    };
    table.end();
    auth
}

fn oauth2_client(table: &mut Table<'_>) -> Option<Auth> {
    let (token_url, client_id) = token_url_and_client(table);
    let example = r#"client_secret = { credential = "vhr" }"#;
    let client_secret = table.required("client_secret", example, values::secret);
    let scope = table.optional("scope", values::line);
    Some(Auth::OAuth2Client {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        scope,
    })
}

fn smart_backend(table: &mut Table<'_>) -> Option<Auth> {
    let (token_url, client_id) = token_url_and_client(table);
    let example = r#"private_key = { file = "/etc/vhr-agent/smart.pem" }"#;
    let private_key = table.required("private_key", example, values::secret);
    let key_id = table.required("key_id", r#"key_id = "2026-01""#, values::line);
    let algorithm = table.optional("algorithm", |value| {
        value.choice(&[("ES384", Algorithm::Es384), ("RS384", Algorithm::Rs384)])
    });
    let scope = table.required("scope", r#"scope = "system/*.cruds""#, values::line);
    Some(Auth::SmartBackend {
        token_url: token_url?,
        client_id: client_id?,
        private_key: private_key?,
        key_id: key_id?,
        algorithm: algorithm.unwrap_or_default(),
        scope: scope?,
    })
}

fn token_url_and_client(table: &mut Table<'_>) -> (Option<super::Url>, Option<String>) {
    let example = r#"token_url = "https://login.example.vn/token""#;
    let token_url = table.required("token_url", example, |value| values::address(value, false));
    (
        token_url,
        table.required("client_id", r#"client_id = "bv-79999""#, values::line),
    )
}

fn tls(mut table: Table<'_>) -> Option<Tls> {
    let ca = table.optional("ca", values::path);
    let cert = table.optional("cert", values::path);
    let key = table.optional("key", values::path);
    if table.has("cert") != table.has("key") {
        table.wrong::<()>(
            said!("cert và key phải đi cùng nhau", "cert and key go together"),
            said!("ghi cả hai, hoặc không ghi cái nào", "write both, or neither"),
        );
    }
    table.end();
    Some(Tls { ca, cert, key })
}

fn in_flight(value: &Value<'_>) -> Option<u32> {
    let number = value.whole_number()?;
    match u32::try_from(number) {
        Ok(number @ 1..=MOST_IN_FLIGHT) => Some(number),
        _ => value.wrong(
            said!(
                "số yêu cầu cùng lúc không hợp lệ",
                "this many requests at once are not possible"
            ),
            said!("từ 1 đến {MOST_IN_FLIGHT}", "from 1 to {MOST_IN_FLIGHT}"),
        ),
    }
}
