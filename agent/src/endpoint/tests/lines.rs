//! The way to the endpoint: no connection is no doubt; a request that may have arrived is.

use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// An address where nobody listens.
async fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let url = format!("http://{}", dead().await);
    for wire in [fhir(&url), gateway(&url)] {
        again_with(
            &wire.send(&parcel()).await,
            FailureKind::NoConnection,
            "không nhận kết nối",
        );
    }
}

#[tokio::test]
async fn a_name_that_nobody_knows_was_sent_nothing() {
    let outcome = fhir("https://khong-co-that.invalid/fhir").send(&parcel()).await;
    again_with(&outcome, FailureKind::NoConnection, "kiểm tra");
}

#[tokio::test]
async fn a_server_that_takes_no_connection_in_time_was_sent_nothing() {
    // A full queue of connections: further ones are neither taken nor refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address)).await
    {
        waiting.push(stream);
        assert!(waiting.len() < 100, "this system's queue has no end");
    }
    let outcome = fhir(&format!("http://{address}/fhir")).send(&parcel()).await;
    again_with(&outcome, FailureKind::NoConnection, "trong thời hạn");
}

#[tokio::test]
async fn a_cut_before_the_whole_answer_leaves_doubt() {
    let half = json(200, RECEIVED)[..60].to_owned();
    for play in [
        Play::Close,
        Play::SayAndClose(half),
        Play::SayAndClose("HTTP/1.1 200 OK\r\n".into()),
    ] {
        for outcome in both(play).await {
            unclear_with(&outcome, "đường truyền đứt");
        }
    }
}

#[tokio::test]
async fn an_answer_that_drips_ends_with_the_endpoints_time() {
    let began = Instant::now();
    for outcome in both(Play::Drip(json(200, RECEIVED), Duration::from_millis(100))).await {
        unclear_with(&outcome, "trong thời hạn");
    }
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let long = say(200, "Content-Type: application/json\r\n", &"a".repeat(MAX_ANSWER + 1));
    for outcome in both(Play::Say(long)).await {
        unclear_with(&outcome, "dài bất thường");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_lay_idle_is_replaced_without_doubt() {
    // Closed after the answer without having said so: the client finds out on its own.
    let door = Door::open((0..20).map(|_| Play::SayAndClose(json(200, RECEIVED)))).await;
    let wire = gateway(&door.url);
    for _ in 0..10 {
        assert!(matches!(wire.send(&parcel()).await, Outcome::Accepted(_)));
        // The news of the closing is on its way to us meanwhile.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(door.seen().len(), 11);
}

#[tokio::test]
async fn a_proxy_that_does_not_let_through_was_given_nothing_to_pass_on() {
    let through = async |plays: Vec<Play>| {
        let proxy = Door::open(plays).await;
        let more = format!("proxy = \"{}\"", proxy.url);
        let wire = Wire::new(&endpoint("fhir", "https://vhr.example.vn/fhir", &more)).unwrap();
        let outcome = wire.send(&parcel()).await;
        assert!(
            proxy
                .seen()
                .iter()
                .all(|line| line.starts_with("connect vhr.example.vn:443"))
        );
        outcome
    };
    for status in [403, 407, 502, 503] {
        let outcome = through(vec![Play::Say(html(status))]).await;
        again_with(&outcome, FailureKind::NoConnection, "proxy");
    }
    again_with(&through(vec![Play::Close]).await, FailureKind::NoConnection, "proxy");
    let more = format!("proxy = \"http://{}\"", dead().await);
    let wire = Wire::new(&endpoint("fhir", "https://vhr.example.vn/fhir", &more)).unwrap();
    again_with(&wire.send(&parcel()).await, FailureKind::NoConnection, "proxy");
}

/// A TLS server with a certificate made so; the authority's own, as PEM in a folder.
async fn tls_server(make: impl FnOnce(&mut CertificateParams)) -> (String, tempfile::TempDir) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), issuer.as_ref().pem()).unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    make(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/fhir", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                let plays = Arc::new(Mutex::new(VecDeque::from([Play::Say(json(200, DONE))])));
                converse(stream, plays, Arc::default()).await;
            }
        }
    });
    (url, folder)
}

#[tokio::test]
async fn a_certificate_that_is_not_right_was_sent_nothing_and_is_told_for_what_it_is() {
    let attempt = async |url: &str, ca: Option<&tempfile::TempDir>| {
        let ca = ca.map_or_else(String::new, |folder| {
            format!("tls = {{ ca = \"{}\" }}", folder.path().join("ca.pem").display())
        });
        Wire::new(&endpoint("fhir", url, &ca)).unwrap().send(&parcel()).await
    };
    let (url, ca) = tls_server(|_| ()).await;
    let well = attempt(&url, Some(&ca)).await;
    assert!(matches!(well, Outcome::Accepted(_)), "{well:?}");
    let (_, stranger) = tls_server(|_| ()).await;
    for outcome in [attempt(&url, Some(&stranger)).await, attempt(&url, None).await] {
        again_with(&outcome, FailureKind::NoConnection, "tls.ca");
    }
    let (url, ca) = tls_server(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1)).await;
    again_with(&attempt(&url, Some(&ca)).await, FailureKind::NoConnection, "hết hạn");
    let (url, ca) = tls_server(|params| params.not_before = rcgen::date_time_ymd(2999, 1, 1)).await;
    again_with(
        &attempt(&url, Some(&ca)).await,
        FailureKind::NoConnection,
        "chưa có hiệu lực",
    );
    let (url, ca) = tls_server(|params| params.subject_alt_names.clear()).await;
    again_with(
        &attempt(&url, Some(&ca)).await,
        FailureKind::NoConnection,
        "máy chủ khác",
    );
    // A server without TLS where TLS is due.
    let plain = Door::open([Play::Close]).await;
    let outcome = attempt(&plain.url.replace("http:", "https:"), Some(&ca)).await;
    again_with(&outcome, FailureKind::NoConnection, "");
}
