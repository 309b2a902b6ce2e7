//! The gateway's promises: what it takes, what it refuses, and that its ledger tells the truth.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::super::*;
use super::{FORM, escaped, post, send};
use crate::demo::exports;

fn code(answer: &Option<(u16, String)>) -> String {
    let (status, body) = answer.as_ref().unwrap();
    assert_eq!(*status, 200, "business answers are always HTTP 200");
    serde_json::from_str::<Value>(body).unwrap()["maKetQua"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A facility's side of the gateway.
struct Caller<'a> {
    gateway: &'a Gateway,
    ca: Option<&'a Ca>,
    access: String,
    id: String,
}

/// MD5 of the default password.
const PASSWORD: &str = "mat-khau-mau";

impl<'a> Caller<'a> {
    async fn log_in(gateway: &'a Gateway, ca: Option<&'a Ca>) -> Self {
        let answer = Self::token(gateway, ca, PASSWORD).await;
        assert_eq!(code(&answer), "200");
        let key = serde_json::from_str::<Value>(&answer.unwrap().1).unwrap()["APIKey"].take();
        let text = |name: &str| key[name].as_str().unwrap().to_owned();
        assert!(text("expires_in").ends_with('Z') && text("username") == "79999_BV");
        Self {
            gateway,
            ca,
            access: text("access_token"),
            id: text("id_token"),
        }
    }

    async fn token(gateway: &Gateway, ca: Option<&Ca>, password: &str) -> Option<(u16, String)> {
        let form = format!("username=79999%5FBV&password={}", hash(password));
        send(&gateway.url(), post("/api/token/take", &[FORM], &form), ca).await
    }

    async fn deliver(&self, file: &[u8]) -> Option<(u16, String)> {
        self.deliver_form("79", "79999", "130", &escaped(&BASE64.encode(file)))
            .await
    }

    async fn deliver_form(&self, province: &str, facility: &str, kind: &str, file: &str) -> Option<(u16, String)> {
        let form =
            format!("username=79999_BV&loaiHoSo={kind}&maTinh={province}&maCSKCB={facility}&fileHSBase64={file}");
        let hash = hash(PASSWORD);
        let headers = [
            FORM,
            ("accessToken", &*self.access),
            ("tokenId", &*self.id),
            ("passwordHash", &*hash),
        ];
        send(
            &self.gateway.url(),
            post("/api/qd130/guiHoSoXmlQD3176", &headers, &form),
            self.ca,
        )
        .await
    }
}

fn hash(password: &str) -> String {
    use md5::Digest;
    hex(&md5::Md5::digest(password)).to_uppercase()
}

fn one_visit() -> (String, Vec<u8>) {
    let file = exports::generate(&exports::Options::plain(1, 1)).next().unwrap();
    (file.visits[0].key.clone().unwrap(), file.bytes)
}

#[tokio::test]
async fn over_tls_a_file_is_taken_once_and_stands_in_the_ledger() {
    let ca = Ca::new().unwrap();
    let gateway = start_gateway(Some(&ca), GatewayOptions::default()).await.unwrap();
    assert!(gateway.url().starts_with("https://127.0.0.1:"));
    let (key, file) = one_visit();
    let caller = Caller::log_in(&gateway, Some(&ca)).await;
    let answer = caller.deliver(&file).await;
    let body: Value = serde_json::from_str(&answer.unwrap().1).unwrap();
    assert_eq!(body["maKetQua"], "200");
    assert_eq!(body["thongDiep"], "Tiếp nhận thành công");
    assert_eq!(body["thoiGianTiepNhan"].as_str().unwrap().len(), 14);
    let accepted = gateway.accepted();
    assert_eq!(
        (accepted.len(), &accepted[0].key, accepted[0].standard),
        (1, &key, "3176")
    );
    assert_eq!(body["maGiaoDich"], accepted[0].transaction);
    assert!(gateway.times_taken().values().all(|times| *times == 1));
    caller.deliver(&file).await;
    assert_eq!(gateway.times_taken().values().collect::<Vec<_>>(), [&2]);
    let address = gateway.url().split_once("://").unwrap().1.to_owned();
    gateway.stop().await;
    assert!(TcpStream::connect(address).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn the_gateway_refuses_wrong_accounts_old_tokens_and_wrong_parameters() {
    let gateway = start_gateway(None, GatewayOptions::default()).await.unwrap();
    assert_eq!(code(&Caller::token(&gateway, None, "falsch").await), "401");
    let (key, file) = one_visit();
    let encoded = escaped(&BASE64.encode(&file));
    let caller = Caller::log_in(&gateway, None).await;
    assert_eq!(code(&caller.deliver_form("01", "79999", "130", &encoded).await), "205");
    assert_eq!(code(&caller.deliver_form("79", "79998", "130", &encoded).await), "205");
    assert_eq!(code(&caller.deliver_form("79", "79999", "0", &encoded).await), "205");
    // The plus sign of base64, not escaped, is a space on the other side.
    assert_eq!(
        code(&caller.deliver_form("79", "79999", "130", "PD94bWw+").await),
        "205"
    );
    assert_eq!(code(&caller.deliver(b"<GIAMDINHHS>").await), "123");
    gateway.refuse([key]);
    assert_eq!(code(&caller.deliver(&file).await), "701");
    gateway.invalidate_tokens();
    assert_eq!(code(&caller.deliver(&file).await), "401");
    let again = Caller::log_in(&gateway, None).await;
    assert_eq!(code(&again.deliver(b"").await), "123");
    assert_eq!((gateway.accepted_count(), gateway.tokens_issued()), (0, 2));
    let refused = gateway.refused();
    assert_eq!(
        (refused["205"], refused["401"], refused["123"], refused["701"]),
        (4, 2, 2, 1)
    );
}

#[tokio::test]
async fn a_token_dies_at_its_hour_and_a_large_body_is_refused_without_being_held() {
    let options = GatewayOptions {
        token_life: Duration::ZERO,
        max_body: 1_000,
        ..GatewayOptions::default()
    };
    let gateway = start_gateway(None, options).await.unwrap();
    let caller = Caller::log_in(&gateway, None).await;
    assert_eq!(code(&caller.deliver(b"<x/>").await), "401");
    assert_eq!(code(&caller.deliver(&[b'x'; 2_000]).await), "1001");
}

#[tokio::test]
async fn the_gateway_takes_what_a_signed_export_is_and_refuses_several_visits_in_one_file() {
    use exports::{Oddity, Options, generate};
    let gateway = start_gateway(None, GatewayOptions::default()).await.unwrap();
    let caller = Caller::log_in(&gateway, None).await;
    for (oddity, expected) in [
        (Oddity::Signed, "200"),
        (Oddity::Utf16, "200"),
        (Oddity::ByteOrderMark, "200"),
        (Oddity::UnknownTable, "200"),
        (Oddity::SignedMany, "205"),
        (Oddity::WrongCount, "205"),
        (Oddity::WrappedBase64, "123"),
        (Oddity::Inline, "123"),
    ] {
        let options = Options {
            oddities: vec![oddity],
            ..Options::plain(2, 3)
        };
        let file = generate(&options)
            .find(|file| file.kind == exports::Kind::Odd(oddity))
            .unwrap();
        assert_eq!(code(&caller.deliver(&file.bytes).await), expected, "{oddity:?}");
    }
}

#[tokio::test]
async fn scripted_answers_come_first_and_say_truly_whether_the_file_was_stored() {
    let gateway = start_gateway(None, GatewayOptions::default()).await.unwrap();
    let (_, file) = one_visit();
    let caller = Caller::log_in(&gateway, None).await;
    gateway.script([
        Answer::Status(503, vec![("Retry-After".into(), "7".into())], "later".into()),
        Answer::Html,
        Answer::DropBeforeReading,
        Answer::DropAfterCommit,
        Answer::CutAfterCommit,
        Answer::Stall(Duration::from_millis(1)),
        Answer::StallAfterCommit(Duration::from_millis(1)),
        Answer::Normal,
    ]);
    let mut seen = Vec::new();
    for _ in 0..9 {
        let answer = caller.deliver(&file).await;
        seen.push((answer.map(|(status, _)| status), gateway.accepted_count()));
    }
    let expected = [
        (Some(503), 0),
        (Some(200), 0),
        (None, 0),
        (None, 1),
        (None, 2),
        (Some(200), 3),
        (Some(200), 4),
        (Some(200), 5),
        (Some(200), 6),
    ];
    assert_eq!(seen, expected);
}
