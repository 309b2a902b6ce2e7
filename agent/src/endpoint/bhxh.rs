//! Kind `bhxh`: the insurance gateway. A token, then one claim file per request, form-encoded and in base64.
//!
//! The gateway answers HTTP 200 to business refusals too: what counts is `maKetQua`. Its 200 says *received*, not *accepted*:
//! its checks run later and are not told here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest, Md5};
use serde_json::Value;
use tokio::sync::Mutex;
use vhr_core::config::{self, SecretSource, Standard};
use vhr_core::delivery::{Receipt, Standing};
use vhr_core::retry::{FailureKind, Outcome};
use vhr_core::time::Timestamp;

use super::{Answer, Call, Error, Parcel, again, call, failure, trouble};
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
    username: String,
    /// Upper-case MD5 of the password: it is as good as the password itself.
    password: Secret,
    token: Mutex<Option<Token>>,
    results: BTreeMap<String, (Meaning, String)>,
}

#[derive(Debug, Clone)]
struct Token {
    access: Secret,
    id: Secret,
    until: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Received,
    Renew,
    Later,
    Refused,
    Ask,
}

impl Bhxh {
    pub(super) fn new(
        client: reqwest::Client,
        endpoint: &config::Endpoint,
        username: &str,
        password: &SecretSource,
        standard: Standard,
    ) -> Result<Self, Error> {
        let password = secret::read(password).map_err(|source| Error::Secret {
            endpoint: endpoint.name.clone(),
            source,
        })?;
        let function = match standard {
            Standard::Qd130 => "guiHoSoXmlQD130",
            Standard::Qd4750 => "guiHoSoXmlQD4750",
            Standard::Qd3176 => "guiHoSoXmlQD3176",
        };
        let base = endpoint.url.as_str().trim_end_matches('/');
        Ok(Self {
            client,
            token_url: format!("{base}/api/token/take"),
            send_url: format!("{base}/api/qd130/{function}"),
            username: username.to_owned(),
            password: Secret::new(md5_upper(password.reveal())),
            token: Mutex::new(None),
            results: results(RESULTS),
        })
    }

    pub(super) async fn send(&self, parcel: &Parcel) -> Outcome {
        let Some(file) = &parcel.content else {
            return Outcome::Refused("the record holds no claim file for the gateway".into());
        };
        let province: String = parcel.facility.chars().take(2).collect();
        let fields = form([
            ("username", self.username.as_str()),
            ("loaiHoSo", "130"),
            ("maTinh", &province),
            ("maCSKCB", &parcel.facility),
            ("fileHSBase64", ""),
        ]);
        let body = Bytes::from(with_file(fields, file));
        let mut renewed = false;
        loop {
            let token = match self.token().await {
                Ok(token) => token,
                Err(outcome) => return outcome,
            };
            let request = self
                .client
                .post(&self.send_url)
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
            if refused_token && !renewed {
                renewed = true;
                self.forget(&token).await;
                continue;
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
            let text = format!("HTTP {} with an answer that is not the gateway's", answer.status);
            return match answer.status {
                200..=299 => Outcome::Unclear(failure(FailureKind::NotTheInterface, text)),
                413 => Outcome::Refused(text),
                _ => again(FailureKind::NotTheInterface, answer.retry_after, text),
            };
        };
        let code = plain(&json["maKetQua"]);
        let message = json["thongDiep"].as_str().unwrap_or_default();
        let known = self.results.get(&code);
        let text = known.map(|(_, text)| text.as_str()).unwrap_or_default();
        let words = format!("maKetQua {code}: {message} {text}");
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
            Some(Meaning::Ask) => Outcome::Unclear(failure(FailureKind::Busy, words)),
            Some(Meaning::Refused) => Outcome::Refused(words),
            None if code.is_empty() => Outcome::Unclear(failure(
                FailureKind::NotTheInterface,
                format!("HTTP {} without maKetQua", answer.status),
            )),
            None => Outcome::Refused(words),
        }
    }

    fn meaning(&self, answer: &Answer) -> Option<Meaning> {
        let code = plain(&answer.json()?["maKetQua"]);
        self.results.get(&code).map(|(meaning, _)| *meaning)
    }

    async fn token(&self) -> Result<Token, Outcome> {
        let mut held = self.token.lock().await;
        let now = clock::now();
        if let Some(token) = held.as_ref()
            && now < token.until
        {
            return Ok(token.clone());
        }
        let body = form([
            ("username", self.username.as_str()),
            ("password", self.password.reveal()),
        ]);
        let request = self
            .client
            .post(&self.token_url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        // Whatever becomes of a token request, no claim was sent: another try is harmless.
        let answer = match trouble(call(request).await) {
            Ok(answer) => answer,
            Err(Outcome::Unclear(failure)) => return Err(Outcome::TryAgain { after: None, failure }),
            Err(outcome) => return Err(outcome),
        };
        let token = read_token(&answer, now)?;
        *held = Some(token.clone());
        Ok(token)
    }

    /// Forgets a token, unless another one has taken its place meanwhile.
    async fn forget(&self, token: &Token) {
        let mut held = self.token.lock().await;
        if held.as_ref().is_some_and(|held| held.access == token.access) {
            *held = None;
        }
    }
}

fn read_token(answer: &Answer, now: Timestamp) -> Result<Token, Outcome> {
    let json = answer.json().unwrap_or_default();
    let code = plain(&json["maKetQua"]);
    let key = &json["APIKey"];
    match (code.as_str(), key["access_token"].as_str(), key["id_token"].as_str()) {
        ("200", Some(access), Some(id)) if !access.is_empty() => {
            let told = key["expires_in"].as_str().and_then(expiry);
            let until = told.unwrap_or(Timestamp::MAX).min(now.plus(LONGEST)).minus(MARGIN);
            Ok(Token {
                access: Secret::new(access),
                id: Secret::new(id),
                until,
            })
        }
        // An outage shows itself as success with an empty token.
        ("200" | "", ..) => Err(again(
            FailureKind::Busy,
            answer.retry_after,
            format!("token: HTTP {} without a token", answer.status),
        )),
        ("500" | "408", ..) => Err(again(
            FailureKind::Busy,
            answer.retry_after,
            format!("token: maKetQua {code}"),
        )),
        _ => Err(again(
            FailureKind::NotLetIn,
            answer.retry_after,
            format!("token: maKetQua {code}: wrong account?"),
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

/// A form body (application/x-www-form-urlencoded). Everything but letters and digits is escaped: `+` above all, of which
/// base64 is full.
pub(super) fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        if !body.is_empty() {
            body.push('&');
        }
        body.push_str(name);
        body.push('=');
        escape(&mut body, value);
    }
    body
}

/// The form with the file in base64 as the value of its last field. Piece by piece: a file may be large.
fn with_file(mut body: String, file: &[u8]) -> String {
    const PIECE: usize = 3 * 4096; // of three, so that no padding stands within
    body.reserve(file.len() / 3 * 4 + file.len() / 16 + 64);
    let mut piece = String::with_capacity(PIECE / 3 * 4);
    for bytes in file.chunks(PIECE) {
        piece.clear();
        STANDARD.encode_string(bytes, &mut piece);
        escape(&mut body, &piece);
    }
    body
}

fn escape(body: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() {
            body.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(body, "%{byte:02X}");
        }
    }
}

fn md5_upper(text: &str) -> String {
    Md5::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
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
            "ask" => Meaning::Ask,
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
            username: String::new(),
            password: Secret::new(""),
            token: Mutex::new(None),
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
            content_type: String::new(),
            body: body.as_bytes().to_vec(),
        };
        match trouble(Call::Answered(answer)) {
            Ok(answer) => gateway().outcome(&answer, b"<x/>", Some("split")),
            Err(outcome) => outcome,
        }
    }

    fn token(body: &str, now: Timestamp) -> Result<Token, Outcome> {
        let answer = Answer {
            status: 200,
            retry_after: None,
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
        for code in ["\"205\"", "205", "123", "1001", "\"9999\""] {
            let said = outcome(200, &format!(r#"{{"maKetQua":{code},"thongDiep":"sai"}}"#));
            assert!(
                matches!(said, Outcome::Refused(ref words) if words.contains("sai")),
                "{code}: {said:?}"
            );
        }
    }

    #[test]
    fn an_answer_that_leaves_doubt_is_unclear_and_one_that_cannot_be_the_gateways_is_not() {
        assert!(matches!(outcome(200, r#"{"maKetQua":"20"#), Outcome::Unclear(_)));
        assert!(matches!(outcome(500, ""), Outcome::Unclear(_)));
        assert!(matches!(outcome(200, "<html>log in</html>"), Outcome::TryAgain { .. }));
        assert!(matches!(outcome(503, ""), Outcome::TryAgain { .. }));
        assert!(matches!(
            outcome(200, r#"{"maKetQua":"500"}"#),
            Outcome::TryAgain { .. }
        ));
    }

    #[test]
    fn a_token_lasts_as_long_as_the_gateway_says_and_never_more_than_fifty_minutes() {
        let now = Timestamp::parse_rfc3339("2026-03-01T08:00:00Z").unwrap();
        let body = |until: &str| {
            format!(r#"{{"maKetQua":"200","APIKey":{{"access_token":"a","id_token":"i","expires_in":"{until}"}}}}"#)
        };
        let minutes = |until: &str| token(&body(until), now).unwrap().until.since(now).as_secs() / 60;
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
    fn the_password_travels_as_upper_case_md5_and_base64_keeps_its_plus() {
        assert_eq!(md5_upper("password"), "5F4DCC3B5AA765D61D8327DEB882CF99");
        assert_eq!(form([("a", "x+/="), ("b", "1 ế")]), "a=x%2B%2F%3D&b=1%20%E1%BA%BF");
        let file: Vec<u8> = (0..100_000_u32).map(|n| ((n * 31) >> 3) as u8).collect();
        let whole = form([("a", "1"), ("file", &STANDARD.encode(&file))]);
        assert_eq!(with_file(form([("a", "1"), ("file", "")]), &file), whole);
    }
}
