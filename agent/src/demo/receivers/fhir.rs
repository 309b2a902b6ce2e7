//! A stand-in for a FHIR R4 server: transactions, search by identifier, a token if asked for, and a ledger.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Answer, BodyError, Ca, Cut, Error, Receiver, Reply, Script, Server};
use super::{form_field, hex, is_form, lock, media_type, read_body, reply};

mod rules;
mod store;

use store::{Refused, Store};

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct FhirOptions {
    /// Keeps whole resources; without it only identifiers and counts, so that memory stays flat.
    pub keep: bool,
    /// Asks for a bearer token that `POST /token` gives out for these credentials.
    pub auth: Option<ClientCredentials>,
    /// How long a token lives.
    pub token_life: Duration,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Connections served at the same time; more have to wait.
    pub max_connections: usize,
}

/// What an OAuth2 client proves itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: String,
}

impl Default for FhirOptions {
    fn default() -> Self {
        Self {
            keep: false,
            auth: None,
            token_life: Duration::from_secs(300),
            max_body: 64 * 1024 * 1024,
            max_connections: 64,
        }
    }
}

/// A running FHIR server; stops when dropped.
#[derive(Debug)]
pub struct Fhir {
    server: Server,
    desk: Arc<Desk>,
}

/// Starts a FHIR server on a free port of 127.0.0.1, with TLS where an authority is given.
pub async fn start_fhir(tls: Option<&Ca>, options: FhirOptions) -> Result<Fhir, Error> {
    let connections = options.max_connections;
    let store = Mutex::new(Store::new(options.keep));
    let desk = Arc::new(Desk {
        options,
        script: Script::default(),
        store,
        books: Mutex::default(),
    });
    Ok(Fhir {
        server: Server::start(tls, connections, desk.clone()).await?,
        desk,
    })
}

impl Fhir {
    /// The base URL, without a path.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Cuts all connections and frees the port.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    /// Answers for the next transactions.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.desk.script.add(answers);
    }

    /// From now on refuses transactions with an Encounter that carries one of these identifier values.
    pub fn refuse(&self, encounters: impl IntoIterator<Item = String>) {
        self.unwelcome(encounters, 422);
    }

    /// From now on fails with status 500 over transactions with an Encounter that carries one of these identifier values.
    pub fn fail(&self, encounters: impl IntoIterator<Item = String>) {
        self.unwelcome(encounters, 500);
    }

    fn unwelcome(&self, encounters: impl IntoIterator<Item = String>, status: u16) {
        let encounters = encounters.into_iter().map(|encounter| (encounter, status));
        lock(&self.desk.store).unwelcome.extend(encounters);
    }

    /// Forgets every token, as after a restart on the other side.
    pub fn invalidate_tokens(&self) {
        lock(&self.desk.books).tokens.clear();
    }

    /// How many resources of each type are stored.
    pub fn resources(&self) -> BTreeMap<String, usize> {
        lock(&self.desk.store).counts()
    }

    /// By identifier value, the version of each Encounter that carries it: `[1]` means written exactly once.
    pub fn encounters(&self) -> BTreeMap<String, Vec<u32>> {
        lock(&self.desk.store).encounters()
    }

    /// The stored resources with this identifier (`system|value`).
    pub fn find(&self, resource_type: &str, identifier: &str) -> Vec<Value> {
        lock(&self.desk.store)
            .find(resource_type, identifier)
            .into_iter()
            .map(|(_, resource)| resource)
            .collect()
    }

    /// How many transactions were done.
    pub fn transactions(&self) -> u64 {
        lock(&self.desk.store).transactions
    }

    /// How many requests were refused, by HTTP status.
    pub fn refused(&self) -> BTreeMap<u16, u64> {
        lock(&self.desk.books).refused.clone()
    }

    /// How many tokens were given out.
    pub fn tokens_issued(&self) -> u64 {
        lock(&self.desk.books).tokens_issued
    }
}

#[derive(Debug)]
struct Desk {
    options: FhirOptions,
    script: Script,
    store: Mutex<Store>,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    tokens: HashMap<String, Instant>,
    tokens_issued: u64,
    refused: BTreeMap<u16, u64>,
}

impl Receiver for Desk {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Reply>, Cut> {
        let path = request.uri().path().trim_matches('/').to_owned();
        Ok(match (request.method(), path.as_str()) {
            (&Method::POST, "") => return self.script.play(self.transaction(request)).await,
            (&Method::POST, "token") => self.token(request).await,
            (&Method::GET, "metadata") => fhir_reply(StatusCode::OK, &capabilities()),
            (&Method::GET, _) if self.may(request.headers()) => self.look_up(&path, request.uri().query()),
            (&Method::GET, _) => self.unauthorised(),
            _ => self.refused(
                StatusCode::NOT_FOUND,
                "not-supported",
                "",
                "this server takes transactions only",
            ),
        })
    }
}

impl Desk {
    async fn transaction(&self, request: Request<Incoming>) -> Response<Reply> {
        let (media_type, allowed) = (media_type(&request), self.may(request.headers()));
        let encoded = request.headers().contains_key("content-encoding");
        let body = match read_body(request.into_body(), self.options.max_body).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => {
                return self.refused(StatusCode::PAYLOAD_TOO_LARGE, "too-long", "", "the body is too large");
            }
            Err(BodyError::Broken) => {
                return self.refused(StatusCode::BAD_REQUEST, "incomplete", "", "the body broke off");
            }
        };
        if !allowed {
            return self.unauthorised();
        }
        if encoded || !matches!(media_type.as_str(), "application/fhir+json" | "application/json") {
            let text = "send application/fhir+json, not compressed";
            return self.refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", "", text);
        }
        let Ok(bundle) = serde_json::from_slice::<Value>(&body) else {
            return self.refused(StatusCode::BAD_REQUEST, "structure", "", "the body is not JSON");
        };
        // The store is locked only for the change itself, not for reading and checking what came.
        let done = store::entries(bundle).and_then(|entries| lock(&self.store).transact(entries));
        match done {
            Ok(answer) => fhir_reply(StatusCode::OK, &answer),
            Err(Refused { status, at, text }) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
                self.refused(status, "invalid", &at, &text)
            }
        }
    }

    /// OAuth2 client credentials, in the form or as basic authorisation.
    async fn token(&self, request: Request<Incoming>) -> Response<Reply> {
        let (is_form, basic) = (is_form(&request), basic_credentials(request.headers()));
        let body = read_body(request.into_body(), self.options.max_body)
            .await
            .unwrap_or_default();
        let form = String::from_utf8_lossy(&body);
        let field = |name| form_field(&form, name);
        let given = basic.or_else(|| {
            Some(ClientCredentials {
                id: field("client_id")?,
                secret: field("client_secret")?,
            })
        });
        let problem = match () {
            () if !is_form || field("grant_type").as_deref() != Some("client_credentials") => "unsupported_grant_type",
            () if self.options.auth.is_some() && given != self.options.auth => "invalid_client",
            () => {
                let mut books = lock(&self.books);
                books.tokens_issued += 1;
                // A token has to be different here, not unguessable: this server lives on loopback.
                let token = hex(&Sha256::digest(format!("token {}", books.tokens_issued)));
                books
                    .tokens
                    .insert(token.clone(), Instant::now() + self.options.token_life);
                let answer = json!({
                    "access_token": token,
                    "token_type": "Bearer",
                    "expires_in": self.options.token_life.as_secs(),
                });
                return reply(StatusCode::OK, "application/json", answer.to_string());
            }
        };
        let status = if problem == "invalid_client" {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::BAD_REQUEST
        };
        self.count(status);
        reply(status, "application/json", json!({"error": problem}).to_string())
    }

    /// `GET Type?identifier=` and `GET Type/id`.
    fn look_up(&self, path: &str, query: Option<&str>) -> Response<Reply> {
        let (name, id) = path.split_once('/').map_or((path, None), |(name, id)| (name, Some(id)));
        let Some(kind) = rules::known_type(name) else {
            return self.refused(StatusCode::NOT_FOUND, "not-supported", "", "unknown resource type");
        };
        let store = lock(&self.store);
        match (id, query.map(store::search)) {
            (Some(id), None) => match store.read(kind, id) {
                Some(resource) => fhir_reply(StatusCode::OK, &resource),
                None => self.refused(StatusCode::NOT_FOUND, "not-found", "", "no such resource"),
            },
            (None, Some(Ok(search))) => {
                let found = store.find(kind, &search);
                let entry = |(id, resource)| json!({"fullUrl": format!("{kind}/{id}"), "resource": resource});
                let total = found.len();
                let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": total});
                if total > 0 {
                    bundle["entry"] = found.into_iter().map(entry).collect();
                }
                fhir_reply(StatusCode::OK, &bundle)
            }
            _ => {
                let text = "this server searches by identifier=system|value only";
                self.refused(StatusCode::BAD_REQUEST, "not-supported", "", text)
            }
        }
    }

    fn may(&self, headers: &HeaderMap) -> bool {
        let header = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let expires = header
            .strip_prefix("Bearer ")
            .and_then(|token| lock(&self.books).tokens.get(token).copied());
        self.options.auth.is_none() || expires.is_some_and(|expires| Instant::now() < expires)
    }

    fn unauthorised(&self) -> Response<Reply> {
        let mut response = self.refused(StatusCode::UNAUTHORIZED, "login", "", "no valid bearer token");
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        response
    }

    fn refused(&self, status: StatusCode, code: &str, at: &str, text: &str) -> Response<Reply> {
        self.count(status);
        let mut issue = json!({"severity": "error", "code": code, "diagnostics": text});
        if !at.is_empty() {
            issue["diagnostics"] = json!(format!("{at}: {text}"));
            issue["expression"] = json!([at]);
        }
        fhir_reply(status, &json!({"resourceType": "OperationOutcome", "issue": [issue]}))
    }

    fn count(&self, status: StatusCode) {
        *lock(&self.books).refused.entry(status.as_u16()).or_default() += 1;
    }
}

fn basic_credentials(headers: &HeaderMap) -> Option<ClientCredentials> {
    let encoded = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some(ClientCredentials {
        id: id.to_owned(),
        secret: secret.to_owned(),
    })
}

fn fhir_reply(status: StatusCode, body: &Value) -> Response<Reply> {
    reply(status, "application/fhir+json; charset=utf-8", body.to_string())
}

fn capabilities() -> Value {
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "implementation": {"description": "VHR Agent demonstration receiver, loopback only"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{"mode": "server", "interaction": [{"code": "transaction"}]}],
    })
}
