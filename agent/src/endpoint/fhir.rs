//! Kind `fhir`: a transaction Bundle by POST, and its answer read entry by entry.
//! (FHIR R4, <https://hl7.org/fhir/R4/http.html#transaction-response>.)

use serde_json::Value;
use vhr_core::answer::Code;
use vhr_core::config;
use vhr_core::delivery::{Receipt, Standing};
use vhr_core::retry::{FailureKind, Outcome};
use vhr_core::said;

use super::auth::Auth;
use super::{Answer, Call, Error, Parcel, again, call, failure, trouble, words};
use crate::clock;
use crate::digest::sha256_hex;

const JSON: &str = "application/fhir+json";
/// A refusal's words are kept up to this length.
const MAX_WORDS: usize = 4000;

/// A FHIR server.
#[derive(Debug)]
pub struct Fhir {
    client: reqwest::Client,
    url: String,
    profile: String,
    auth: Auth,
}

impl Fhir {
    pub(super) fn new(
        client: reqwest::Client,
        endpoint: &config::Endpoint,
        profile: &str,
        auth: &config::Auth,
    ) -> Result<Self, Error> {
        let auth = Auth::new(auth, client.clone(), &endpoint.name)?;
        Ok(Self {
            client,
            url: endpoint.url.as_str().trim_end_matches('/').to_owned(),
            profile: profile.to_owned(),
            auth,
        })
    }

    pub(super) fn profile(&self) -> &str {
        &self.profile
    }

    pub(super) async fn send(&self, parcel: &Parcel) -> Outcome {
        let Some(bundle) = &parcel.content else {
            let text = format!(
                "the record was mapped without profile {:?}; it has to be mapped again",
                self.profile
            );
            return Outcome::Refused(None, text);
        };
        let mut renewed = false;
        loop {
            let request = self
                .client
                .post(&self.url)
                .header("Content-Type", JSON)
                .header("Accept", JSON)
                // The answer need not bring back what we know.
                .header("Prefer", "return=minimal")
                .header("Idempotency-Key", parcel.delivery.idempotency_key().to_string())
                .body(bundle.clone());
            let (request, held) = match self.auth.sign(request).await {
                Ok(signed) => signed,
                Err(outcome) => return outcome,
            };
            let called = call(request).await;
            if let (Call::Answered(Answer { status: 401, .. }), Some(held)) = (&called, held) {
                self.auth.forget(&held.token).await;
                // It may have been revoked before its time. One just given is not: then it is the account's matter.
                if !renewed && !held.fresh {
                    renewed = true;
                    continue;
                }
            }
            return match trouble(called) {
                Ok(answer) => outcome(&answer, bundle),
                Err(outcome) => outcome,
            };
        }
    }
}

/// What a FHIR server's answer to a transaction means.
fn outcome(answer: &Answer, sent: &[u8]) -> Outcome {
    let json = answer.json();
    let kind = json
        .as_ref()
        .and_then(|json| json["resourceType"].as_str())
        .unwrap_or_default();
    match (answer.status, kind) {
        (200..=299, "Bundle") => read_entries(answer, json.as_ref().unwrap_or(&Value::Null), sent),
        (200..=299, "OperationOutcome") if json.as_ref().is_some_and(has_error) => {
            let said = json.as_ref().unwrap_or(&Value::Null);
            not_done(is_passing(said), answer.status, answer.status, &operation_outcome(said))
        }
        (200..=299, _) => Outcome::Unclear(failure(
            FailureKind::NotTheInterface,
            words::with(
                &said!(
                    "trả lời không phải của một giao dịch FHIR: kiểm tra url",
                    "the answer is not that to a FHIR transaction: check url"
                ),
                &format!("HTTP {} without a Bundle", answer.status),
            ),
        )),
        (409, _) => again(
            FailureKind::Busy,
            answer.retry_after,
            "HTTP 409: another write at the same time".into(),
        ),
        (400 | 404 | 410 | 412 | 422, "OperationOutcome") | (400 | 412 | 422, _) => {
            let words = json.as_ref().map(operation_outcome).unwrap_or_default();
            let status = answer.status;
            Outcome::Refused(Some(Code::Http(status)), clip(format!("HTTP {status}: {words}")))
        }
        _ => again(
            FailureKind::NotTheInterface,
            answer.retry_after,
            words::of_status(answer),
        ),
    }
}

/// What was not done under a status that says it was: for a reason that passes, or for what it is. `within`: the status that the part
/// has which was not done.
fn not_done(passing: bool, status: u16, within: u16, words: &str) -> Outcome {
    let text = clip(format!("HTTP {status}, but {words}"));
    if passing {
        // Some of it may have been done all the same.
        return Outcome::Unclear(failure(FailureKind::Busy, text));
    }
    Outcome::Refused(Some(Code::Http(within)), text)
}

fn read_entries(answer: &Answer, bundle: &Value, sent: &[u8]) -> Outcome {
    let none = Vec::new();
    let entries = bundle["entry"].as_array().unwrap_or(&none);
    let asked = sent_entries(sent);
    if entries.len() != asked {
        return Outcome::Unclear(failure(
            FailureKind::NotTheInterface,
            format!("{} entries were sent and {} answered", asked, entries.len()),
        ));
    }
    let mut refused = Vec::new();
    let mut within = None;
    let mut passing = true;
    let mut reference = None;
    for (at, entry) in (1..).zip(entries) {
        let response = &entry["response"];
        let status = response["status"].as_str().unwrap_or_default();
        // Not modified: it is there already, as we sent it.
        let done = status.starts_with('2') || status.starts_with("304");
        if !done || has_error(&response["outcome"]) {
            passing &= status.starts_with("409") || status.starts_with("429") || status.starts_with('5');
            let told = status.get(..3).and_then(|digits| digits.parse().ok());
            within = within.or(told);
            refused.push(format!(
                "entry {at}: {status} {}",
                operation_outcome(&response["outcome"])
            ));
        }
        if let Some(location) = response["location"].as_str()
            && (reference.is_none() || location.contains("Encounter/"))
        {
            reference = Some(location.to_owned());
        }
    }
    if !refused.is_empty() {
        return not_done(
            passing,
            answer.status,
            within.unwrap_or(answer.status),
            &refused.join("; "),
        );
    }
    Outcome::Accepted(Receipt {
        at: clock::now(),
        standing: Standing::Accepted,
        reference,
        sent_sha256: sha256_hex(sent),
        answer_sha256: sha256_hex(&answer.body),
        note: None,
    })
}

/// How many entries our own canonical Bundle has: each has exactly one fullUrl key, which no resource has.
fn sent_entries(bundle: &[u8]) -> usize {
    memchr::memmem::find_iter(bundle, b"\"fullUrl\":").count()
}

fn has_error(outcome: &Value) -> bool {
    let severe = |issue: &Value| matches!(issue["severity"].as_str(), Some("error" | "fatal"));
    outcome["issue"]
        .as_array()
        .is_some_and(|issues| issues.iter().any(severe))
}

/// Whether all its errors are of the kind that passes (<https://hl7.org/fhir/R4/valueset-issue-type.html>, `transient`).
fn is_passing(outcome: &Value) -> bool {
    const PASSING: [&str; 7] = [
        "transient",
        "lock-error",
        "no-store",
        "exception",
        "timeout",
        "incomplete",
        "throttled",
    ];
    let none = Vec::new();
    let issues = outcome["issue"].as_array().unwrap_or(&none);
    let mut errors = issues
        .iter()
        .filter(|issue| matches!(issue["severity"].as_str(), Some("error" | "fatal")));
    errors.all(|issue| issue["code"].as_str().is_some_and(|code| PASSING.contains(&code)))
}

/// The issues of an OperationOutcome in one line: where, how bad, what.
fn operation_outcome(outcome: &Value) -> String {
    let none = Vec::new();
    let issues = outcome["issue"].as_array().unwrap_or(&none);
    let words = issues.iter().map(|issue| {
        let place = issue["expression"]
            .as_array()
            .or(issue["location"].as_array())
            .unwrap_or(&none);
        let place = place.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
        let text = issue["diagnostics"]
            .as_str()
            .or(issue["details"]["text"].as_str())
            .unwrap_or_default();
        let (severity, code) = (
            issue["severity"].as_str().unwrap_or("?"),
            issue["code"].as_str().unwrap_or("?"),
        );
        format!("{place} ({severity}, {code}) {text}").trim_start().to_owned()
    });
    words.collect::<Vec<_>>().join("; ")
}

fn clip(mut text: String) -> String {
    if text.len() > MAX_WORDS {
        let cut = (0..=MAX_WORDS).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = r#"{"entry":[{"fullUrl":"urn:uuid:1"},{"fullUrl":"urn:uuid:2"}]}"#;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            retry_after: None,
            location: None,
            content_type: JSON.into(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_transaction_whose_entries_all_went_well_is_accepted_under_the_encounters_location() {
        let body = r#"{"resourceType":"Bundle","type":"transaction-response","entry":[
            {"response":{"status":"201 Created","location":"Patient/1/_history/1"}},
            {"response":{"status":"200 OK","location":"Encounter/2/_history/3"}}]}"#;
        let Outcome::Accepted(receipt) = outcome(&answer(200, body), SENT.as_bytes()) else {
            panic!("not accepted")
        };
        assert_eq!(receipt.reference.as_deref(), Some("Encounter/2/_history/3"));
        assert_eq!(receipt.sent_sha256, sha256_hex(SENT.as_bytes()));
    }

    #[test]
    fn a_200_with_an_error_inside_is_a_refusal() {
        let body = r#"{"resourceType":"Bundle","entry":[{"response":{"status":"201 Created"}},
            {"response":{"status":"200 OK","outcome":{"resourceType":"OperationOutcome","issue":[
              {"severity":"error","code":"invalid","expression":["Encounter.status"],"diagnostics":"not a code"}]}}}]}"#;
        let Outcome::Refused(Some(Code::Http(200)), words) = outcome(&answer(200, body), SENT.as_bytes()) else {
            panic!("not refused")
        };
        assert!(
            words.contains("entry 2") && words.contains("Encounter.status (error, invalid) not a code"),
            "{words}"
        );
    }

    #[test]
    fn an_error_told_under_200_is_a_refusal_and_one_that_passes_is_tried_again() {
        let told = |code: &str| {
            let issue = format!(r#"{{"severity":"error","code":"{code}","diagnostics":"words"}}"#);
            let body = format!(r#"{{"resourceType":"OperationOutcome","issue":[{issue}]}}"#);
            outcome(&answer(200, &body), SENT.as_bytes())
        };
        assert!(matches!(told("invalid"), Outcome::Refused(Some(Code::Http(200)), words) if words.contains("words")));
        assert!(matches!(told("lock-error"), Outcome::Unclear(_)));
        let entries = |status: &str| {
            let one = r#"{"response":{"status":"201 Created"}}"#;
            let body = format!(r#"{{"resourceType":"Bundle","entry":[{one},{{"response":{{"status":"{status}"}}}}]}}"#);
            outcome(&answer(200, &body), SENT.as_bytes())
        };
        let refused = entries("422 Unprocessable");
        assert!(
            matches!(&refused, Outcome::Refused(Some(Code::Http(422)), words) if words.contains("entry 2: 422")),
            "{refused:?}"
        );
        assert!(matches!(entries("503"), Outcome::Unclear(_)));
        assert!(matches!(entries("304 Not Modified"), Outcome::Accepted(_)));
    }

    #[test]
    fn an_answer_to_fewer_entries_than_were_sent_proves_nothing() {
        let body = r#"{"resourceType":"Bundle","entry":[{"response":{"status":"201 Created"}}]}"#;
        assert!(matches!(
            outcome(&answer(200, body), SENT.as_bytes()),
            Outcome::Unclear(_)
        ));
        assert!(matches!(
            outcome(&answer(200, ""), SENT.as_bytes()),
            Outcome::Unclear(_)
        ));
    }

    #[test]
    fn what_the_server_calls_invalid_is_refused_with_its_words() {
        let body = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"structure","details":{"text":"no status"}}]}"#;
        for status in [400, 404, 412, 422] {
            let Outcome::Refused(code, words) = outcome(&answer(status, body), SENT.as_bytes()) else {
                panic!("{status} not refused")
            };
            assert_eq!(code, Some(Code::Http(status)));
            assert!(words.contains("no status"), "{words}");
        }
    }

    #[test]
    fn a_wrong_address_is_the_endpoints_trouble_and_not_the_records() {
        assert!(matches!(
            outcome(&answer(404, "{}"), SENT.as_bytes()),
            Outcome::TryAgain { .. }
        ));
        assert!(matches!(
            outcome(&answer(301, ""), SENT.as_bytes()),
            Outcome::TryAgain { .. }
        ));
    }

    #[test]
    fn long_words_are_clipped_at_a_letter() {
        assert!(clip("ế".repeat(5000)).len() <= MAX_WORDS + '…'.len_utf8());
    }
}
