//! One HTTPS client; [`fhir`] and [`bhxh`] turn an answer, or its absence, into an Outcome.
//!
//! What stays true: TLS is always verified; no answer larger than a limit is read; whether a request may have reached the
//! endpoint is told apart from whether it certainly did not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use vhr_core::answer::Code;
use vhr_core::config::{self, Lane};
use vhr_core::id::DeliveryId;
use vhr_core::retry::{Failure, FailureKind, Outcome};
use vhr_core::time::Timestamp;

use crate::clock;
use crate::secret;

pub mod auth;
pub mod bhxh;
pub mod fhir;
mod form;
#[cfg(test)]
mod tests;
mod token;
mod words;

pub(crate) use words::of_code;

/// No answer of these interfaces is larger.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Our connections are given up before a server's usual time-out ends them: a request on a connection that is just being
/// closed would be lost, and the delivery in doubt.
const IDLE: Duration = Duration::from_secs(2);

/// Why an endpoint cannot be used at all. Told by `check` and at start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A credential is not there.
    #[error("endpoint {endpoint}: a credential is missing")]
    Secret {
        /// Which endpoint.
        endpoint: String,
        /// Why.
        source: secret::Error,
    },
    /// A certificate or key file does not read.
    #[error("endpoint {endpoint}: {path} does not read as PEM")]
    Pem {
        /// Which endpoint.
        endpoint: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate file without a certificate.
    #[error("endpoint {endpoint}: there is no certificate in {path}")]
    NoCertificate {
        /// Which endpoint.
        endpoint: String,
        /// The file.
        path: PathBuf,
    },
    /// The certificates do not make a TLS client.
    #[error("endpoint {endpoint}: no TLS client can be made of its certificates")]
    Tls {
        /// Which endpoint.
        endpoint: String,
        /// Why.
        source: rustls::Error,
    },
    /// The client cannot be built.
    #[error("endpoint {endpoint}: no HTTP client can be made of its settings")]
    Client {
        /// Which endpoint.
        endpoint: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The private key for signing does not read.
    #[error("endpoint {endpoint}: the private key does not sign: {why}")]
    SigningKey {
        /// Which endpoint.
        endpoint: String,
        /// Why.
        why: String,
    },
}

/// What is to be sent in one attempt.
#[derive(Debug)]
pub struct Parcel {
    /// The delivery; every attempt carries its key.
    pub delivery: DeliveryId,
    /// `MACSKCB` of the facility where the visit was.
    pub facility: String,
    /// What the endpoint takes of the record ([`Wire::takes`]); none where the record does not hold it.
    pub content: Option<Bytes>,
    /// Why a claim file is not the one received; none: it is.
    pub note: Option<String>,
}

/// What an endpoint takes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes<'a> {
    /// The Bundle of this profile set.
    Bundle(&'a str),
    /// The claim file.
    Claim,
    /// The document of a check-in.
    CheckIn,
}

/// An endpoint's interface.
#[derive(Debug)]
pub enum Wire {
    /// HL7 FHIR.
    Fhir(Box<fhir::Fhir>),
    /// The insurance gateway.
    Bhxh(Arc<bhxh::Bhxh>, Lane),
}

impl Wire {
    /// The endpoint as configured; reads its credentials and certificates.
    ///
    /// # Errors
    /// When a credential or certificate is missing or of no use.
    pub fn new(endpoint: &config::Endpoint) -> Result<Self, Error> {
        let client = client(endpoint)?;
        Ok(match &endpoint.kind {
            config::Kind::Fhir { profile, auth } => {
                Self::Fhir(Box::new(fhir::Fhir::new(client, endpoint, profile, auth)?))
            }
            config::Kind::Bhxh {
                username,
                password,
                standard,
                signed: _,
                check_in_path,
                lane,
            } => {
                let functions = bhxh::Functions::of(*standard, check_in_path.as_deref());
                let gateway = bhxh::Bhxh::new(client, endpoint, username, password, &functions)?;
                Self::Bhxh(Arc::new(gateway), *lane)
            }
        })
    }

    /// The line for check-ins to the same gateway, where this is one: in the same session, for a second login may end the
    /// first.
    pub fn check_ins(&self) -> Option<Self> {
        match self {
            Self::Fhir(_) => None,
            Self::Bhxh(gateway, _) => Some(Self::Bhxh(Arc::clone(gateway), Lane::CheckIns)),
        }
    }

    /// All that keeps an endpoint from being used, for `check`.
    pub fn problems(endpoint: &config::Endpoint) -> Vec<Error> {
        let unread = |source| Error::Secret {
            endpoint: endpoint.name.clone(),
            source,
        };
        let secret = needed_secret(&endpoint.kind).and_then(|source| secret::read(source).err());
        let mut problems: Vec<Error> = secret.map(unread).into_iter().chain(client(endpoint).err()).collect();
        if problems.is_empty() {
            problems.extend(Self::new(endpoint).err());
        }
        problems
    }

    /// What of a record is sent there.
    pub fn takes(&self) -> Takes<'_> {
        match self {
            Self::Fhir(fhir) => Takes::Bundle(fhir.profile()),
            Self::Bhxh(_, Lane::Claims) => Takes::Claim,
            Self::Bhxh(_, Lane::CheckIns) => Takes::CheckIn,
        }
    }

    /// One attempt.
    pub async fn send(&self, parcel: &Parcel) -> Outcome {
        match self {
            Self::Fhir(fhir) => fhir.send(parcel).await,
            Self::Bhxh(bhxh, lane) => bhxh.send(parcel, *lane).await,
        }
    }
}

/// The secret an endpoint needs, if any.
fn needed_secret(kind: &config::Kind) -> Option<&config::SecretSource> {
    match kind {
        config::Kind::Bhxh { password, .. } => Some(password),
        config::Kind::Fhir { auth, .. } => match auth {
            config::Auth::None => None,
            config::Auth::Basic { password, .. } => Some(password),
            config::Auth::Bearer { token } => Some(token),
            config::Auth::OAuth2Client { client_secret, .. } => Some(client_secret),
            config::Auth::SmartBackend { private_key, .. } => Some(private_key),
        },
    }
}

/// How a request went, before anybody reads what the answer says.
#[derive(Debug)]
pub(crate) enum Call {
    /// An answer came, whole.
    Answered(Answer),
    /// It certainly did not reach the endpoint.
    NotSent(String),
    /// It may have.
    Lost(String),
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// The host a redirection points to.
    pub(crate) location: Option<String>,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The answer as JSON, if it is.
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(crate) fn is_html(&self) -> bool {
        self.content_type.contains("html") || self.body.trim_ascii_start().starts_with(b"<")
    }
}

/// Sends a request and reads its answer.
pub(crate) async fn call(request: reqwest::RequestBuilder) -> Call {
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(e) if words::never_left(&e) => return Call::NotSent(words::not_sent(e.without_url())),
        Err(e) => return Call::Lost(words::no_answer(e.without_url())),
    };
    let mut answer = Answer {
        status: response.status().as_u16(),
        retry_after: retry_after(response.headers(), clock::now()),
        location: host(response.headers()),
        content_type: text(response.headers().get(reqwest::header::CONTENT_TYPE)).to_ascii_lowercase(),
        body: Vec::new(),
    };
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if answer.body.len() + chunk.len() > MAX_ANSWER => {
                return Call::Lost(words::too_long(MAX_ANSWER));
            }
            Ok(Some(chunk)) => answer.body.extend_from_slice(&chunk),
            Ok(None) => return Call::Answered(answer),
            Err(e) => return Call::Lost(words::no_answer(e.without_url())),
        }
    }
}

/// What both interfaces make of an answer that is not theirs to read: none, or a plain HTTP refusal.
pub(crate) fn trouble(call: Call) -> Result<Answer, Outcome> {
    let answer = match call {
        Call::Answered(answer) => answer,
        Call::NotSent(text) => return Err(again(FailureKind::NoConnection, None, text)),
        Call::Lost(text) => return Err(Outcome::Unclear(failure(FailureKind::NoAnswer, text))),
    };
    let said = || words::of_status(&answer);
    match answer.status {
        413 => Err(Outcome::TooLarge(Some(Code::Http(413)), said())),
        408 | 425 | 429 | 503 => Err(again(FailureKind::Busy, answer.retry_after, said())),
        401 | 403 | 407 => Err(again(FailureKind::NotLetIn, answer.retry_after, said())),
        // The work may have been done before the error, also where a proxy in front words it as a web page.
        500 | 502 | 504.. => Err(Outcome::Unclear(failure(FailureKind::Busy, said()))),
        300..=399 => Err(again(FailureKind::NotTheInterface, answer.retry_after, said())),
        _ if answer.is_html() => Err(again(FailureKind::NotTheInterface, answer.retry_after, said())),
        _ => Ok(answer),
    }
}

/// Of a request for a token: whatever became of it, nothing was delivered, and another try is harmless.
pub(crate) fn nothing_delivered(outcome: Outcome) -> Outcome {
    let (after, kind, text) = match outcome {
        Outcome::TryAgain { after, failure } => (after, failure.kind, failure.text),
        Outcome::Unclear(failure) => (None, failure.kind, failure.text),
        Outcome::TooLarge(_, text) | Outcome::Refused(_, text) | Outcome::Withheld(_, text) => {
            (None, FailureKind::NotTheInterface, text)
        }
        accepted @ Outcome::Accepted(_) => return accepted,
    };
    again(kind, after, format!("đăng nhập (login): {text}"))
}

pub(crate) fn again(kind: FailureKind, after: Option<Duration>, text: String) -> Outcome {
    Outcome::TryAgain {
        after,
        failure: failure(kind, text),
    }
}

pub(crate) fn failure(kind: FailureKind, text: String) -> Failure {
    Failure {
        kind,
        at: clock::now(),
        text,
    }
}

/// Retry-After: seconds, or a date on the endpoint's own clock, which its Date header shows.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = text(headers.get(RETRY_AFTER)).trim();
    if value.is_empty() {
        return None;
    }
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let their_now = Timestamp::parse_http_date(text(headers.get(DATE))).unwrap_or(now);
    // What cannot be read is still a wish to be left alone.
    let until = Timestamp::parse_http_date(value).map(|until| until.since(their_now));
    Some(until.unwrap_or(Duration::from_secs(60)))
}

/// Only the host: the rest may hold what should not be told.
fn host(headers: &HeaderMap) -> Option<String> {
    let url = reqwest::Url::parse(text(headers.get(LOCATION))).ok()?;
    url.host_str().map(str::to_owned)
}

fn text(value: Option<&HeaderValue>) -> &str {
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn client(endpoint: &config::Endpoint) -> Result<reqwest::Client, Error> {
    let name = || endpoint.name.clone();
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(endpoint)?)
        .user_agent(concat!("vhr-agent/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .https_only(endpoint.url.as_str().starts_with("https:"))
        // Well before the whole time is over: no connection is no doubt, no answer is.
        .connect_timeout((endpoint.timeout / 2).min(Duration::from_secs(20)))
        .timeout(endpoint.timeout)
        .pool_idle_timeout(IDLE)
        .no_proxy();
    if let Some(proxy) = &endpoint.proxy {
        let proxy = reqwest::Proxy::all(proxy.as_str()).map_err(|source| Error::Client {
            endpoint: name(),
            source,
        })?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|source| Error::Client {
        endpoint: name(),
        source,
    })
}

/// The system's certificate authorities, or only the one configured; our certificate where the endpoint wants one.
fn tls(endpoint: &config::Endpoint) -> Result<rustls::ClientConfig, Error> {
    let name = || endpoint.name.clone();
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = &endpoint.tls.ca {
        for certificate in certificates(path, &endpoint.name)? {
            roots.add(certificate).map_err(|source| Error::Tls {
                endpoint: name(),
                source,
            })?;
        }
    } else {
        // Certificates of the system that do not read are the system's matter; those that do are enough.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::Tls {
            endpoint: name(),
            source,
        })?
        .with_root_certificates(roots);
    match (&endpoint.tls.cert, &endpoint.tls.key) {
        (Some(cert), Some(key)) => {
            let chain = certificates(cert, &endpoint.name)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|source| Error::Pem {
                endpoint: name(),
                path: key.clone(),
                source,
            })?;
            builder.with_client_auth_cert(chain, key).map_err(|source| Error::Tls {
                endpoint: name(),
                source,
            })
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(path: &Path, endpoint: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let failed = |source| Error::Pem {
        endpoint: endpoint.to_owned(),
        path: path.to_owned(),
        source,
    };
    let found = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    if found.is_empty() {
        return Err(Error::NoCertificate {
            endpoint: endpoint.to_owned(),
            path: path.to_owned(),
        });
    }
    Ok(found)
}
