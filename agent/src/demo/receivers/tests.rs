//! Both receivers over real sockets, asked by a client that knows as little HTTP as possible.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::*;

mod fhir;
mod gateway;

/// Status and body of an answer; `None` when the connection was cut before the answer was complete.
async fn send(url: &str, request: String, ca: Option<&Ca>) -> Option<(u16, String)> {
    let address = url.split_once("://").unwrap().1;
    let stream = TcpStream::connect(address).await.unwrap();
    let bytes = match ca {
        None => exchange(stream, &request).await,
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap())
                .unwrap();
            let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let name = ServerName::try_from("127.0.0.1").unwrap();
            exchange(
                TlsConnector::from(Arc::new(config))
                    .connect(name, stream)
                    .await
                    .unwrap(),
                &request,
            )
            .await
        }
    };
    complete(&String::from_utf8(bytes).unwrap())
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A cut connection shows as an error here or there; what counts is what arrived.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

fn complete(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let whole = if head.contains("chunked") {
        body.ends_with("0\r\n\r\n")
    } else {
        length == Some(body.len())
    };
    whole.then(|| (status, body.to_owned()))
}

fn post(path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// Every byte that is not plain is escaped.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

#[test]
fn forms_are_decoded_as_browsers_write_them() {
    assert_eq!(form_field("a=1&b=x+y%2Bz&b=2", "b").as_deref(), Some("x y+z"));
    assert_eq!(form_field("a=%C3%A2", "a").as_deref(), Some("â"));
    assert_eq!(form_field("a=%zz", "a"), None);
    assert_eq!(form_field("a=%4", "a"), None);
    assert_eq!(form_field("a", "a").as_deref(), Some(""));
}
