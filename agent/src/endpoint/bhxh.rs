//! Kind `bhxh`: the insurance gateway. A token, then one claim file, or one check-in, per request, form-encoded and in base64.
//!
//! The gateway answers HTTP 200 to business refusals too: what counts is `maKetQua`. Its 200 says *received*, not *accepted*:
//! its checks run later and are not told here.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use md5::{Digest, Md5};
use serde_json::Value;
use vhr_core::answer::Code;
use vhr_core::config::{self, Lane, SecretSource, Standard};
use vhr_core::delivery::{Receipt, Standing};
use vhr_core::retry::{FailureKind, Outcome};
use vhr_core::said;
use vhr_core::say::Said;
use vhr_core::time::Timestamp;

use super::form::{form, with_file};
use super::token::{Held, Tokens};
use super::{Answer, Call, Error, Parcel, again, call, failure, nothing_delivered, trouble, words};
use crate::clock;
use crate::digest::sha256_hex;
use crate::secret::{self, Secret};

/// Whatever `expires_in` says, a token is not used longer: its life is not documented.
const LONGEST: Duration = Duration::from_secs(50 * 60);
const MARGIN: Duration = Duration::from_secs(60);
const RESULTS: &str = include_str!("../../../configs/codes/bhxh-results.csv");

/// The gateway.
#[derive(Debug)]
pub struct Bhxh {
    client: reqwest::Client,
    token_url: String,
    send_url: String,
    check_in_url: String,
    username: String,
    /// Upper-case MD5 of the password: it is as good as the password itself.
    password: Secret,
    tokens: Tokens<Token>,
    results: BTreeMap<String, (Meaning, String)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Token {
    access: Secret,
    id: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Received,
    Renew,
    Later,
    Refused,
    TooLarge,
    Unclear,
}

/// The paths of what is called there. The decision's number stands in each, `qd130` in all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Functions<'a> {
    claims: &'a str,
    check_ins: &'a str,
}

impl<'a> Functions<'a> {
    /// As the standard has them; a configured path for check-ins takes the place of its own.
    pub(super) fn of(standard: Standard, check_ins: Option<&'a str>) -> Self {
        let (claims, standard_check_ins) = match standard {
            Standard::Qd130 => ("/api/qd130/guiHoSoXmlQD130", "/api/qd130/checkInKcbQd130"),
            Standard::Qd4750 => ("/api/qd130/guiHoSoXmlQD4750", "/api/qd130/checkInKcbQd4750"),
            Standard::Qd3176 => ("/api/qd130/guiHoSoXmlQD3176", "/api/qd130/checkInKcbQd3176"),
        };
        Self {
            claims,
            check_ins: check_ins.unwrap_or(standard_check_ins),
        }
    }
}

impl Bhxh {
    pub(super) fn new(
        client: reqwest::Client,
        endpoint: &config::Endpoint,
        username: &str,
        password: &SecretSource,
        functions: &Functions<'_>,
    ) -> Result<Self, Error> {
        let password = secret::read(password).map_err(|source| Error::Secret {
            endpoint: endpoint.name.clone(),
            source,
        })?;
        let base = endpoint.url.as_str().trim_end_matches('/');
        Ok(Self {
            client,
            token_url: format!("{base}/api/token/take"),
            send_url: format!("{base}{}", functions.claims),
            check_in_url: format!("{base}{}", functions.check_ins),
            username: username.to_owned(),
            password: Secret::new(md5_upper(password.reveal())),
            tokens: Tokens::none(),
            results: results(RESULTS),
        })
    }

    pub(super) async fn send(&self, parcel: &Parcel, lane: Lane) -> Outcome {
        let Some(file) = &parcel.content else {
            return Outcome::Refused(None, "the record holds no file for the gateway".into());
        };
        let (url, kind) = match lane {
            Lane::Claims => (&self.send_url, "130"),
            Lane::CheckIns => (&self.check_in_url, "0"),
        };
        let province: String = parcel.facility.chars().take(2).collect();
        let fields = form([
            ("username", self.username.as_str()),
            ("loaiHoSo", kind),
            ("maTinh", &province),
            ("maCSKCB", &parcel.facility),
            ("fileHSBase64", ""),
        ]);
        let body = Bytes::from(with_file(fields, file));
        let mut renewed = false;
        loop {
            let Held { token, fresh } = match self.tokens.get(async || self.ask().await).await {
                Ok(held) => held,
                Err(outcome) => return outcome,
            };
            let request = self
                .client
                .post(url)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .header("accessToken", token.access.reveal())
                .header("tokenId", token.id.reveal())
                .header("passwordHash", self.password.reveal())
                .header("Idempotency-Key", parcel.delivery.idempotency_key().to_string())
                .body(body.clone());
            let called = call(request).await;
            let refused_token = match &called {
                Call::Answered(answer) => answer.status == 401 || self.meaning(answer) == Some(Meaning::Renew),
                _ => false,
            };
            if refused_token {
                self.tokens.forget(&token).await;
                // It may have been revoked before its time. One just given is not: then it is the account's matter.
                if !renewed && !fresh {
                    renewed = true;
                    continue;
                }
            }
            return match trouble(called) {
                Ok(answer) => self.outcome(&answer, file, parcel.note.as_deref()),
                Err(outcome) => outcome,
            };
        }
    }

    /// What the gateway's answer means.
    fn outcome(&self, answer: &Answer, file: &[u8], note: Option<&str>) -> Outcome {
        let Some(json) = answer.json().filter(Value::is_object) else {
            let text = words::of_status(answer);
            return match answer.status {
                200..=299 => Outcome::Unclear(failure(FailureKind::NotTheInterface, text)),
                _ => again(FailureKind::NotTheInterface, answer.retry_after, text),
            };
        };
        let code = plain(&json["maKetQua"]);
        let message = json["thongDiep"].as_str().unwrap_or_default();
        let known = self.results.get(&code);
        let text = known.map(|(_, text)| text.as_str()).unwrap_or_default();
        let words = format!("maKetQua {code}: {message} {text}");
        // Where it is no such number, nobody knows what it holds.
        let number = code.parse().ok().map(Code::MaKetQua);
        match known.map(|(meaning, _)| *meaning) {
            Some(Meaning::Received) => Outcome::Accepted(Receipt {
                at: clock::now(),
                standing: Standing::Received,
                reference: Some(plain(&json["maGiaoDich"])).filter(|reference| !reference.is_empty()),
                sent_sha256: sha256_hex(file),
                answer_sha256: sha256_hex(&answer.body),
                note: note.map(str::to_owned),
            }),
            Some(Meaning::Renew) => again(FailureKind::NotLetIn, answer.retry_after, words),
            Some(Meaning::Later) => again(FailureKind::Busy, answer.retry_after, words),
            Some(Meaning::Unclear) => Outcome::Unclear(failure(FailureKind::Busy, words)),
            Some(Meaning::Refused) => Outcome::Refused(number, words),
            Some(Meaning::TooLarge) => Outcome::TooLarge(number, words),
            None if code.is_empty() => Outcome::Unclear(failure(
                FailureKind::NotTheInterface,
                format!("HTTP {} without maKetQua", answer.status),
            )),
            None => Outcome::Refused(number, words),
        }
    }

    fn meaning(&self, answer: &Answer) -> Option<Meaning> {
        let code = plain(&answer.json()?["maKetQua"]);
        self.results.get(&code).map(|(meaning, _)| *meaning)
    }

    /// Asks for a token, and says until when it may be used.
    async fn ask(&self) -> Result<(Token, Timestamp), Outcome> {
        let body = form([
            ("username", self.username.as_str()),
            ("password", self.password.reveal()),
        ]);
        let request = self
            .client
            .post(&self.token_url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = trouble(call(request).await).map_err(nothing_delivered)?;
        read_token(&answer, clock::now())
    }
}

fn read_token(answer: &Answer, now: Timestamp) -> Result<(Token, Timestamp), Outcome> {
    let json = answer.json().unwrap_or_default();
    let code = plain(&json["maKetQua"]);
    let key = &json["APIKey"];
    match (code.as_str(), key["access_token"].as_str(), key["id_token"].as_str()) {
        ("200", Some(access), Some(id)) if !access.is_empty() => {
            let told = key["expires_in"].as_str().and_then(expiry);
            let until = told.unwrap_or(Timestamp::MAX).min(now.plus(LONGEST)).minus(MARGIN);
            let token = Token {
                access: Secret::new(access),
                id: Secret::new(id),
            };
            Ok((token, until))
        }
        // An outage shows itself as success with an empty token.
        ("200" | "", ..) => Err(again(
            FailureKind::Busy,
            answer.retry_after,
            words::with(
                &said!(
                    "cổng chưa cấp phiên làm việc; tự thử lại sau",
                    "the gateway gives no session at the moment; it is tried again later"
                ),
                &format!("token: HTTP {} without a token", answer.status),
            ),
        )),
        ("500" | "408", ..) => Err(again(
            FailureKind::Busy,
            answer.retry_after,
            words::with(
                &said!(
                    "cổng báo lỗi khi đăng nhập; tự thử lại sau",
                    "the gateway failed at the login; it is tried again later"
                ),
                &format!("token: maKetQua {code}"),
            ),
        )),
        _ => Err(again(
            FailureKind::NotLetIn,
            answer.retry_after,
            words::with(
                &said!(
                    "cổng không nhận tài khoản: kiểm tra username và password rồi khởi động lại dịch vụ; chỉ thử lại thưa để không bị khóa",
                    "the gateway does not let our account in: check username and password, then restart the service; tried rarely, so that it is not locked"
                ),
                &format!("token: maKetQua {code}"),
            ),
        )),
    }
}

/// `expires_in` is a date-time in UTC, with or without a zone mark.
fn expiry(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    Timestamp::parse_rfc3339(text).or_else(|| Timestamp::parse_rfc3339(&format!("{text}Z")))
}

/// A code may come as a string or as a number.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn md5_upper(text: &str) -> String {
    Md5::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

/// What the gateway means by a code, as our table has it; none where it does not.
pub(super) fn meaning_of(code: u16) -> Option<Said> {
    let (_, text) = results(RESULTS).remove(&code.to_string())?;
    let (vi, en) = text.split_once(" / ")?;
    Some(Said {
        vi: vi.to_owned(),
        en: en.to_owned(),
    })
}

fn results(table: &str) -> BTreeMap<String, (Meaning, String)> {
    let rows = table.lines().filter(|line| !line.starts_with('#')).skip(1);
    rows.filter_map(|row| {
        let mut cells = row.splitn(3, ',');
        let (code, meaning, text) = (cells.next()?, cells.next()?, cells.next()?);
        let meaning = match meaning {
            "received" => Meaning::Received,
            "renew" => Meaning::Renew,
            "later" => Meaning::Later,
            "unclear" => Meaning::Unclear,
            "too-large" => Meaning::TooLarge,
            _ => Meaning::Refused,
        };
        Some((code.to_owned(), (meaning, text.to_owned())))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> Bhxh {
        Bhxh {
            client: reqwest::Client::builder()
                .tls_backend_preconfigured(tls())
                .build()
                .unwrap(),
            token_url: String::new(),
            send_url: String::new(),
            check_in_url: String::new(),
            username: String::new(),
            password: Secret::new(""),
            tokens: Tokens::none(),
            results: results(RESULTS),
        }
    }

    fn tls() -> rustls::ClientConfig {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    }

    fn outcome(status: u16, body: &str) -> Outcome {
        let answer = Answer {
            status,
            retry_after: None,
            location: None,
            content_type: String::new(),
            body: body.as_bytes().to_vec(),
        };
        match trouble(Call::Answered(answer)) {
            Ok(answer) => gateway().outcome(&answer, b"<x/>", Some("split")),
            Err(outcome) => outcome,
        }
    }

    fn token(body: &str, now: Timestamp) -> Result<(Token, Timestamp), Outcome> {
        let answer = Answer {
            status: 200,
            retry_after: None,
            location: None,
            content_type: String::new(),
            body: body.as_bytes().to_vec(),
        };
        read_token(&answer, now)
    }

    #[test]
    fn received_is_kept_apart_from_accepted_and_the_receipt_says_what_was_done_to_the_file() {
        let body = r#"{"maKetQua":"200","maGiaoDich":"GD7","thongDiep":"Tiếp nhận thành công"}"#;
        let Outcome::Accepted(receipt) = outcome(200, body) else {
            panic!("not received")
        };
        assert_eq!(receipt.standing, Standing::Received);
        assert_eq!(
            (receipt.reference.as_deref(), receipt.note.as_deref()),
            (Some("GD7"), Some("split"))
        );
        assert_eq!(receipt.sent_sha256, sha256_hex(b"<x/>"));
    }

    #[test]
    fn a_refusal_under_http_200_is_a_refusal() {
        for (code, number) in [
            ("\"205\"", Some(205)),
            ("205", Some(205)),
            ("123", Some(123)),
            ("\"9999\"", Some(9999)),
            ("\"GD4790123456789\"", None),
            ("7901234567890", None),
        ] {
            let said = outcome(200, &format!(r#"{{"maKetQua":{code},"thongDiep":"sai"}}"#));
            let Outcome::Refused(told, words) = said else {
                panic!("{code}: {said:?}")
            };
            assert_eq!(told, number.map(Code::MaKetQua));
            assert!(words.contains("sai"), "{words}");
        }
    }

    #[test]
    fn a_file_too_large_for_the_gateway_is_told_as_such() {
        for (status, body) in [
            (200, r#"{"maKetQua":"1001","thongDiep":"quá lớn"}"#),
            (413, "<html>413 Request Entity Too Large</html>"),
        ] {
            let said = outcome(status, body);
            assert!(matches!(said, Outcome::TooLarge(Some(_), _)), "{said:?}");
        }
    }

    #[test]
    fn an_answer_that_leaves_doubt_is_unclear_and_one_that_cannot_be_the_gateways_is_not() {
        assert!(matches!(outcome(200, r#"{"maKetQua":"20"#), Outcome::Unclear(_)));
        assert!(matches!(outcome(500, ""), Outcome::Unclear(_)));
        for status in [500, 502, 504] {
            let said = outcome(status, "<html>Bad Gateway</html>");
            assert!(
                matches!(said, Outcome::Unclear(_)),
                "a page of the proxy in front: {said:?}"
            );
        }
        assert!(matches!(outcome(200, "<html>log in</html>"), Outcome::TryAgain { .. }));
        assert!(matches!(outcome(503, ""), Outcome::TryAgain { .. }));
        // Nothing says whether the gateway failed before it stored the claim, or after.
        for code in [500, 408, 124] {
            let said = outcome(200, &format!(r#"{{"maKetQua":"{code}"}}"#));
            assert!(matches!(said, Outcome::Unclear(_)), "{code}: {said:?}");
        }
        assert!(matches!(
            outcome(200, r#"{"maKetQua":"403"}"#),
            Outcome::TryAgain { .. }
        ));
    }

    #[test]
    fn the_path_of_check_ins_is_the_standards_unless_another_is_configured() {
        let path = |standard, own| Functions::of(standard, own).check_ins;
        assert_eq!(path(Standard::Qd130, None), "/api/qd130/checkInKcbQd130");
        assert_eq!(path(Standard::Qd4750, None), "/api/qd130/checkInKcbQd4750");
        assert_eq!(path(Standard::Qd3176, None), "/api/qd130/checkInKcbQd3176");
        assert_eq!(path(Standard::Qd3176, Some("/api/other")), "/api/other");
        assert_eq!(
            Functions::of(Standard::Qd3176, Some("/api/other")).claims,
            "/api/qd130/guiHoSoXmlQD3176"
        );
    }

    #[test]
    fn every_line_of_the_table_says_one_of_the_meanings() {
        let rows: Vec<&str> = RESULTS.lines().filter(|line| !line.starts_with('#')).skip(1).collect();
        assert_eq!(
            results(RESULTS).len(),
            rows.len(),
            "a code stands there twice, or a line does not read"
        );
        let words = ["received", "renew", "later", "unclear", "refused", "too-large"];
        for row in rows {
            assert!(words.contains(&row.split(',').nth(1).unwrap()), "{row}");
            // Whatever may be told in a report is told in both languages.
            let code: u16 = row.split(',').next().unwrap().parse().unwrap();
            assert!(meaning_of(code).is_some() || row.contains("received"), "{row}");
        }
    }

    #[test]
    fn a_token_lasts_as_long_as_the_gateway_says_and_never_more_than_fifty_minutes() {
        let now = Timestamp::parse_rfc3339("2026-03-01T08:00:00Z").unwrap();
        let body = |until: &str| {
            format!(r#"{{"maKetQua":"200","APIKey":{{"access_token":"a","id_token":"i","expires_in":"{until}"}}}}"#)
        };
        let minutes = |until: &str| token(&body(until), now).unwrap().1.since(now).as_secs() / 60;
        assert_eq!(minutes("2026-03-01T08:10:00Z"), 9);
        assert_eq!(minutes("2026-03-01T08:10:00"), 9);
        assert_eq!(minutes("2026-03-01T20:00:00Z"), 49);
        assert_eq!(minutes("soon"), 49);
    }

    #[test]
    fn no_token_in_a_good_answer_is_an_outage_and_a_wrong_account_is_told_as_such() {
        let kind = |body| match token(body, clock::now()) {
            Err(Outcome::TryAgain { failure, .. }) => failure.kind,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            kind(r#"{"maKetQua":"200","APIKey":{"access_token":"","id_token":""}}"#),
            FailureKind::Busy
        );
        assert_eq!(kind(r#"{"maKetQua":"401"}"#), FailureKind::NotLetIn);
    }

    #[test]
    fn the_password_travels_as_upper_case_md5() {
        assert_eq!(md5_upper("password"), "5F4DCC3B5AA765D61D8327DEB882CF99");
    }
}
