//! A stand-in for the insurance gateway: a session token, record files and check-ins, and a ledger of what came.
//!
//! As in the field, every business answer has HTTP status 200 and its verdict in `maKetQua`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use md5::{Digest, Md5};
use serde_json::json;
use sha2::Sha256;

use super::claim::{self, PARAMETER, Refusal, refuse};
use super::{Answer, BodyError, Ca, Cut, Error, Receiver, Reply, Script, Server};
use super::{form_field, hex, is_form, lock, read_body, reply};
use crate::demo::exports::Day;

/// How the gateway behaves.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// The facility's account.
    pub username: String,
    /// Its password, in the clear; what travels is its MD5.
    pub password: String,
    /// How long a token lives.
    pub token_life: Duration,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Connections served at the same time; more have to wait.
    pub max_connections: usize,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            username: "79999_BV".to_owned(),
            password: "mat-khau-mau".to_owned(),
            token_life: Duration::from_secs(50 * 60),
            max_body: 20 * 1024 * 1024,
            max_connections: 64,
        }
    }
}

/// One file the gateway has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// `MA_LK`.
    pub key: String,
    /// SHA-256 of the decoded file, in hex.
    pub sha256: String,
    /// `maGiaoDich`.
    pub transaction: String,
    /// `130`, `4750` or `3176`.
    pub standard: &'static str,
    /// A check-in rather than a record file.
    pub check_in: bool,
}

/// A running gateway; stops when dropped.
#[derive(Debug)]
pub struct Gateway {
    server: Server,
    desk: Arc<Desk>,
}

/// Starts a gateway on a free port of 127.0.0.1, with TLS where an authority is given.
pub async fn start_gateway(tls: Option<&Ca>, options: GatewayOptions) -> Result<Gateway, Error> {
    let connections = options.max_connections;
    let password_hash = hex(&Md5::digest(&options.password)).to_uppercase();
    let desk = Arc::new(Desk {
        options,
        password_hash,
        script: Script::default(),
        token_script: Script::default(),
        ledger: Mutex::default(),
    });
    Ok(Gateway {
        server: Server::start(tls, connections, desk.clone()).await?,
        desk,
    })
}

impl Gateway {
    /// Where it listens, without a path.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Cuts all connections and frees the port.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    /// Answers for the next sends.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.desk.script.add(answers);
    }

    /// Answers for the next requests for a token.
    pub fn script_tokens(&self, answers: impl IntoIterator<Item = Answer>) {
        self.desk.token_script.add(answers);
    }

    /// From now on refuses files of these visits.
    pub fn refuse(&self, keys: impl IntoIterator<Item = String>) {
        lock(&self.desk.ledger).unwelcome.extend(keys);
    }

    /// Forgets every token, as after a restart on the other side.
    pub fn invalidate_tokens(&self) {
        lock(&self.desk.ledger).tokens.clear();
    }

    /// Every file taken, oldest first.
    pub fn accepted(&self) -> Vec<Accepted> {
        lock(&self.desk.ledger).accepted.clone()
    }

    /// How many files were taken.
    pub fn accepted_count(&self) -> usize {
        lock(&self.desk.ledger).accepted.len()
    }

    /// How often each pair of file digest and `MA_LK` was taken: all ones means *exactly once*.
    pub fn times_taken(&self) -> HashMap<(String, String), u32> {
        let mut times = HashMap::new();
        for accepted in &lock(&self.desk.ledger).accepted {
            *times
                .entry((accepted.sha256.clone(), accepted.key.clone()))
                .or_insert(0) += 1;
        }
        times
    }

    /// How many requests were refused, by `maKetQua`.
    pub fn refused(&self) -> BTreeMap<String, u64> {
        lock(&self.desk.ledger).refused.clone()
    }

    /// How many tokens were given out.
    pub fn tokens_issued(&self) -> u64 {
        lock(&self.desk.ledger).tokens_issued
    }
}

#[derive(Debug)]
struct Desk {
    options: GatewayOptions,
    password_hash: String,
    script: Script,
    token_script: Script,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// By access token: the id token and the moment of expiry.
    tokens: HashMap<String, (String, Instant)>,
    tokens_issued: u64,
    accepted: Vec<Accepted>,
    refused: BTreeMap<String, u64>,
    unwelcome: HashSet<String>,
}

impl Receiver for Desk {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Reply>, Cut> {
        let service = match request.uri().path() {
            "/api/token/take" if request.method() == Method::POST => {
                return self.token_script.play(self.take_token(request)).await;
            }
            "/api/qd130/guiHoSoXmlQD130" => ("130", false),
            "/api/qd130/guiHoSoXmlQD4750" => ("4750", false),
            "/api/qd130/guiHoSoXmlQD3176" => ("3176", false),
            "/api/qd130/checkInKcbQd130" => ("130", true),
            "/api/qd130/checkInKcbQd4750" => ("4750", true),
            "/api/qd130/checkInKcbQd3176" => ("3176", true),
            _ => {
                return Ok(reply(StatusCode::NOT_FOUND, "text/html; charset=utf-8", "<h1>404</h1>"));
            }
        };
        if request.method() != Method::POST {
            return Ok(reply(
                StatusCode::METHOD_NOT_ALLOWED,
                "text/html; charset=utf-8",
                "<h1>405</h1>",
            ));
        }
        self.script.play(self.take_file(request, service)).await
    }
}

impl Desk {
    async fn take_token(&self, request: Request<Incoming>) -> Response<Reply> {
        let form = match self.form(request).await {
            Ok((_, form)) => form,
            Err(refusal) => return self.refused(refusal),
        };
        let field = |name| form_field(&form, name).unwrap_or_default();
        if field("username") != self.options.username || field("password") != self.password_hash {
            return self.refused(Refusal {
                code: "401",
                text: "Sai tài khoản hoặc mật khẩu".to_owned(),
            });
        }
        let mut ledger = lock(&self.ledger);
        ledger.tokens_issued += 1;
        let number = ledger.tokens_issued;
        // The server side of a demonstration on loopback: a token has to be different, not unguessable.
        let access = hex(&Sha256::digest(format!("access {number} {}", self.password_hash)));
        let id = hex(&Sha256::digest(format!("id {number} {}", self.password_hash)));
        ledger
            .tokens
            .insert(access.clone(), (id.clone(), Instant::now() + self.options.token_life));
        json_reply(&json!({
            "maKetQua": "200",
            "APIKey": {
                "access_token": access,
                "id_token": id,
                "token_type": "bearer",
                "username": self.options.username,
                "expires_in": utc(since_1970() + self.options.token_life),
            }
        }))
    }

    async fn take_file(&self, request: Request<Incoming>, service: (&'static str, bool)) -> Response<Reply> {
        let (headers, form) = match self.form(request).await {
            Ok(read) => read,
            Err(refusal) => return self.refused(refusal),
        };
        match self.checked(&headers, &form, service.1) {
            Ok((key, sha256)) => self.taken(key, sha256, service),
            Err(refusal) => self.refused(refusal),
        }
    }

    async fn form(&self, request: Request<Incoming>) -> Result<(HeaderMap, String), Refusal> {
        let is_form = is_form(&request);
        let (head, body) = request.into_parts();
        let body = match read_body(body, self.options.max_body).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => return refuse("1001", "Tệp quá lớn"),
            Err(BodyError::Broken) => return refuse("204", "Không đọc được nội dung"),
        };
        match String::from_utf8(body.to_vec()) {
            Ok(form) if is_form => Ok((head.headers, form)),
            _ => refuse(PARAMETER, "Nội dung phải là application/x-www-form-urlencoded"),
        }
    }

    /// `MA_LK` and digest of the file, once everything about the call is right.
    fn checked(&self, headers: &HeaderMap, form: &str, check_in: bool) -> Result<(String, String), Refusal> {
        let header = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let field = |name| form_field(form, name).unwrap_or_default();
        let known = match lock(&self.ledger).tokens.get(header("accessToken")) {
            Some((id, expires)) => id == header("tokenId") && Instant::now() < *expires,
            None => false,
        };
        if !known || header("passwordHash") != self.password_hash || field("username") != self.options.username {
            return refuse("401", "Phiên làm việc không hợp lệ hoặc đã hết hạn");
        }
        let facility = field("maCSKCB");
        if facility.chars().count() != 5 || !facility.starts_with(&field("maTinh")) || field("maTinh").len() != 2 {
            return refuse(PARAMETER, "maCSKCB phải có 5 ký tự, maTinh là 2 ký tự đầu của maCSKCB");
        }
        if field("loaiHoSo") != if check_in { "0" } else { "130" } {
            return refuse(PARAMETER, "loaiHoSo không đúng");
        }
        // A plus sign that was not percent-encoded has become a space here, and is refused like any other stray one.
        let Ok(file) = BASE64.decode(field("fileHSBase64")) else {
            return refuse(PARAMETER, "fileHSBase64 không phải base64");
        };
        let key = if check_in {
            claim::check_in(&file, &facility)?
        } else {
            claim::record_file(&file, &facility)?
        };
        if lock(&self.ledger).unwelcome.contains(&key) {
            return refuse("701", "Hồ sơ đã quyết toán");
        }
        Ok((key, hex(&Sha256::digest(&file))))
    }

    fn taken(&self, key: String, sha256: String, (standard, check_in): (&'static str, bool)) -> Response<Reply> {
        let mut ledger = lock(&self.ledger);
        let transaction = format!("MAU{:010}", ledger.accepted.len() + 1);
        let answer = json!({
            "maKetQua": "200",
            "maGiaoDich": transaction,
            "thoiGianTiepNhan": local(since_1970()),
            "thongDiep": "Tiếp nhận thành công",
        });
        ledger.accepted.push(Accepted {
            key,
            sha256,
            transaction,
            standard,
            check_in,
        });
        json_reply(&answer)
    }

    fn refused(&self, refusal: Refusal) -> Response<Reply> {
        *lock(&self.ledger).refused.entry(refusal.code.to_owned()).or_default() += 1;
        json_reply(&json!({
            "maKetQua": refusal.code,
            "maGiaoDich": "",
            "thoiGianTiepNhan": local(since_1970()),
            "thongDiep": refusal.text,
        }))
    }
}

fn json_reply(answer: &serde_json::Value) -> Response<Reply> {
    reply(StatusCode::OK, "application/json; charset=utf-8", answer.to_string())
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// `yyyy-MM-ddTHH:mm:ssZ`
fn utc(since_1970: Duration) -> String {
    let ((year, month, day), second) = split(since_1970);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// `yyyyMMddHHmmss` in Vietnam, seven hours ahead of UTC all year.
fn local(since_1970: Duration) -> String {
    let ((year, month, day), second) = split(since_1970 + Duration::from_secs(7 * 3600));
    format!(
        "{year:04}{month:02}{day:02}{:02}{:02}{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

fn split(since_1970: Duration) -> ((i64, i64, i64), u64) {
    let seconds = since_1970.as_secs();
    (Day::from_unix_days((seconds / 86_400) as i64).civil(), seconds % 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_gateway_writes_them() {
        let moment = Duration::from_secs(1_767_549_599);
        assert_eq!(utc(moment), "2026-01-04T17:59:59Z");
        assert_eq!(local(moment), "20260105005959");
    }
}
