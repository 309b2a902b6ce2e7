//! Every way in which an endpoint or the way to it can be sick, against a server of raw bytes: what the attempt comes to,
//! and what the person is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use vhr_core::delivery::Standing;
use vhr_core::id::{EndpointId, RecordId};

use super::*;

mod lines;

/// What the server does with the next request.
#[derive(Debug, Clone)]
enum Play {
    /// Says this and goes on listening.
    Say(String),
    /// Says this and closes.
    SayAndClose(String),
    /// Closes without a word, having read everything.
    Close,
    /// Says this, one byte at a time, with so long in between.
    Drip(String, Duration),
}

/// A server that does as it is told, request by request. A request for a token gets one.
struct Door {
    url: String,
    plays: Arc<Mutex<VecDeque<Play>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Door {
    async fn open(plays: impl IntoIterator<Item = Play>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            plays: Arc::new(Mutex::new(plays.into_iter().collect())),
            seen: Arc::default(),
        };
        let (plays, seen) = (Arc::clone(&door.plays), Arc::clone(&door.seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&plays), Arc::clone(&seen)));
            }
        });
        door
    }

    /// The first lines of the requests that came.
    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn logins(&self) -> usize {
        self.seen().iter().filter(|line| line.contains("/token")).count()
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    plays: Arc<Mutex<VecDeque<Play>>>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    while let Some(line) = request(&mut stream).await {
        let token = line.contains("/token");
        seen.lock().unwrap().push(line);
        let play = if token {
            Play::Say(json(
                200,
                r#"{"maKetQua":"200","access_token":"t","APIKey":{"access_token":"a","id_token":"i"}}"#,
            ))
        } else {
            plays.lock().unwrap().pop_front().unwrap_or(Play::Close)
        };
        let said = match play {
            Play::Say(words) => stream.write_all(words.as_bytes()).await,
            Play::SayAndClose(words) => {
                let _ = stream.write_all(words.as_bytes()).await;
                return;
            }
            Play::Close => return,
            Play::Drip(words, pause) => {
                for byte in words.bytes() {
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
                Ok(())
            }
        };
        if said.is_err() {
            return;
        }
    }
}

/// The first line of the next request, which is read whole.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let length = text
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next());
    let whole = head + length.map_or(0, |length| length.parse::<usize>().unwrap());
    while bytes.len() < whole {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    text.lines().next().map(str::to_owned)
}

fn say(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

fn json(status: u16, body: &str) -> String {
    say(status, "Content-Type: application/json\r\n", body)
}

fn html(status: u16) -> String {
    say(
        status,
        "Content-Type: text/html\r\n",
        "<html><body>Bad Gateway</body></html>",
    )
}

const RECEIVED: &str = r#"{"maKetQua":"200","maGiaoDich":"GD1"}"#;
const DONE: &str =
    r#"{"resourceType":"Bundle","entry":[{"response":{"status":"201 Created","location":"Encounter/1"}}]}"#;

/// An endpoint of this kind at this address; attempts are short.
fn endpoint(kind: &str, url: &str, more: &str) -> config::Endpoint {
    let text = format!(
        "[site]\nfacility = \"79999\"\nname = \"Bệnh viện Ví Dụ\"\n[storage]\ndir = \"/var/lib/vhr-agent\"\n\
         [[source]]\nname = \"his\"\npath = \"/srv/his\"\nplugin = \"vn.qd3176\"\n\
         [[endpoint]]\nname = \"there\"\nkind = \"{kind}\"\nurl = \"{url}\"\n{more}\n"
    );
    let mut config = config::parse(&text, "test.toml").unwrap_or_else(|problems| panic!("{problems:#?}"));
    config::Endpoint {
        timeout: Duration::from_millis(1500),
        ..config.endpoints.remove(0)
    }
}

fn fhir(url: &str) -> Wire {
    Wire::new(&endpoint("fhir", url, "")).unwrap()
}

fn gateway(url: &str) -> Wire {
    // Any file does for a password.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let more = format!("username = \"79999_BV\"\npassword = {{ file = \"{file}\" }}");
    Wire::new(&endpoint("bhxh", url, &more)).unwrap()
}

fn parcel() -> Parcel {
    Parcel {
        delivery: DeliveryId {
            record: RecordId::of(b"record"),
            endpoint: EndpointId::new("there"),
        },
        facility: "79999".into(),
        content: Some(Bytes::from_static(br#"{"entry":[{"fullUrl":"urn:uuid:1"}]}"#)),
        note: None,
    }
}

/// What one attempt against such a server comes to, at the FHIR endpoint and at the gateway.
async fn both(play: Play) -> [Outcome; 2] {
    let (one, other) = (Door::open([play.clone()]).await, Door::open([play]).await);
    let (parcel, fhir, gateway) = (parcel(), fhir(&one.url), gateway(&other.url));
    let (fhir, gateway) = tokio::join!(fhir.send(&parcel), gateway.send(&parcel));
    [fhir, gateway]
}

#[track_caller]
fn again_with(outcome: &Outcome, kind: FailureKind, words: &str) -> Option<Duration> {
    let Outcome::TryAgain { failure, after } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(failure.kind, kind, "{outcome:?}");
    assert!(failure.text.contains(words), "{outcome:?}");
    *after
}

#[track_caller]
fn unclear_with(outcome: &Outcome, words: &str) {
    let Outcome::Unclear(failure) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(failure.text.contains(words), "{outcome:?}");
}

#[tokio::test]
async fn a_page_of_a_proxy_says_nothing_was_done_unless_it_words_an_error_behind_it() {
    for outcome in both(Play::Say(html(200))).await {
        again_with(&outcome, FailureKind::NotTheInterface, "trang web");
    }
    for status in [500, 502, 504] {
        for outcome in both(Play::Say(html(status))).await {
            unclear_with(&outcome, "lỗi máy chủ");
        }
    }
    for outcome in both(Play::Say(html(404))).await {
        again_with(&outcome, FailureKind::NotTheInterface, "url");
    }
}

#[tokio::test]
async fn a_wish_to_be_left_alone_is_read_as_seconds_and_as_a_date_on_the_endpoints_own_clock() {
    let wish = async |status, headers: &str| {
        let outcomes = both(Play::Say(say(status, headers, ""))).await;
        outcomes.map(|outcome| again_with(&outcome, FailureKind::Busy, "tự gửi lại sau"))
    };
    for status in [429, 503] {
        assert_eq!(wish(status, "").await, [None; 2]);
        let two_minutes = [Some(Duration::from_secs(120)); 2];
        assert_eq!(wish(status, "Retry-After: 120\r\n").await, two_minutes);
        let dates = "Date: Sat, 01 Aug 2020 13:00:00 GMT\r\nRetry-After: Sat, 01 Aug 2020 13:02:00 GMT\r\n";
        assert_eq!(wish(status, dates).await, two_minutes);
        assert_eq!(
            wish(status, "Retry-After: soon\r\n").await,
            [Some(Duration::from_secs(60)); 2]
        );
        // Huge: what it is cut down to is decided elsewhere.
        let huge = wish(status, "Retry-After: 99999999999\r\n").await;
        assert_eq!(huge, [Some(Duration::from_secs(99_999_999_999)); 2]);
    }
}

#[tokio::test]
async fn what_is_too_large_is_told_as_such_whoever_says_it() {
    for answer in [html(413), json(413, "{}"), say(413, "", "")] {
        for outcome in both(Play::SayAndClose(answer.clone())).await {
            assert!(
                matches!(&outcome, Outcome::TooLarge(Some(Code::Http(413)), words) if words.contains("mỗi hồ sơ một tệp")),
                "{outcome:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_redirection_is_told_and_never_followed() {
    let elsewhere = Door::open([]).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}/secret?session=1\r\n", elsewhere.url);
        for outcome in both(Play::Say(say(status, &location, "<html>moved</html>"))).await {
            again_with(&outcome, FailureKind::NotTheInterface, "127.0.0.1");
            let Outcome::TryAgain { failure, .. } = &outcome else {
                unreachable!()
            };
            assert!(!failure.text.contains("secret"), "{}", failure.text);
        }
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn an_account_that_is_not_let_in_is_tried_with_one_new_login_at_most() {
    let refused = || Play::Say(json(401, r#"{"maKetQua":"401"}"#));
    let door = Door::open((0..20).map(|_| refused())).await;
    let wire = gateway(&door.url);
    for attempt in 1..=3 {
        again_with(&wire.send(&parcel()).await, FailureKind::NotLetIn, "tài khoản");
        assert_eq!(door.logins(), attempt, "one for each attempt");
    }
    // A session that was good for a while and is refused later is renewed once, and nobody notices.
    let door = Door::open([
        Play::Say(json(200, RECEIVED)),
        refused(),
        Play::Say(json(200, RECEIVED)),
    ])
    .await;
    let wire = gateway(&door.url);
    for _ in 0..2 {
        assert!(matches!(wire.send(&parcel()).await, Outcome::Accepted(_)));
    }
    assert_eq!(door.logins(), 2);
    // Without a token to renew there is nothing to try again with.
    let door = Door::open((0..5).map(|_| refused())).await;
    again_with(
        &fhir(&door.url).send(&parcel()).await,
        FailureKind::NotLetIn,
        "tài khoản",
    );
    assert_eq!(door.seen().len(), 1);
}

#[tokio::test]
async fn a_whole_answer_is_read_as_it_is() {
    let door = Door::open([Play::Say(json(200, DONE))]).await;
    let Outcome::Accepted(receipt) = fhir(&door.url).send(&parcel()).await else {
        panic!("not accepted")
    };
    assert_eq!(receipt.reference.as_deref(), Some("Encounter/1"));
    let door = Door::open([Play::Say(json(200, RECEIVED))]).await;
    let Outcome::Accepted(receipt) = gateway(&door.url).send(&parcel()).await else {
        panic!("not accepted")
    };
    assert_eq!(receipt.standing, Standing::Received);
}

#[tokio::test]
async fn an_answer_that_is_no_answer_of_the_interface_leaves_doubt_under_200() {
    for body in ["", "{}", "[]", "null", "{\"maKetQua\":\"20", "\u{1}\u{2}"] {
        for outcome in both(Play::Say(json(200, body))).await {
            assert!(matches!(outcome, Outcome::Unclear(_)), "{body:?}: {outcome:?}");
        }
    }
}
