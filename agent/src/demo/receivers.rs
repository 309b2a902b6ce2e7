//! The two receivers of the demonstration, on loopback: a stand-in for the insurance gateway and one for a FHIR server.
//!
//! Strict where the field is strict, and with a ledger that can say *exactly once*. Tests and benches use the same two;
//! a script of answers lets them misbehave on purpose. Never reachable from outside: they bind 127.0.0.1 only.
//! What they do not do: check signatures or profiles, keep anything after they stop.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;

mod claim;
mod fhir;
mod gateway;
mod tls;

pub use fhir::{ClientCredentials, Fhir, FhirOptions, start_fhir};
pub use gateway::{Accepted, Gateway, GatewayOptions, start_gateway};
pub use tls::Ca;

/// Why a receiver could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket.
    #[error(
        "could not listen on 127.0.0.1 for the demonstration's receiver; check that loopback networking is allowed"
    )]
    Listen(#[source] io::Error),
    /// No certificate.
    #[error("could not make a throw-away certificate for the demonstration's receiver")]
    Certificate(#[source] rcgen::Error),
    /// The TLS library refused the certificate.
    #[error("could not set up TLS for the demonstration's receiver")]
    Tls(#[source] rustls::Error),
}

/// What a receiver does with the next send, in place of what it normally does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// As without a script.
    Normal,
    /// Stores nothing and answers this status, these headers, this body.
    Status(u16, Vec<(String, String)>, String),
    /// Stores, and answers this status, these headers, this body all the same.
    StatusAfterCommit(u16, Vec<(String, String)>, String),
    /// Cuts the connection before anything is read.
    DropBeforeReading,
    /// Stores, then cuts the connection without an answer.
    DropAfterCommit,
    /// Stores, answers half of the body, then cuts the connection.
    CutAfterCommit,
    /// Waits so long before reading anything, then goes on as normal.
    Stall(Duration),
    /// Stores, then waits so long with the answer.
    StallAfterCommit(Duration),
    /// Stores, then answers one byte at a time with so long before each.
    Drip(Duration),
    /// What a captive portal or a proxy in between would say: 200 and a web page. Stores nothing.
    Html,
}

/// Answers waiting to be given, one per send.
#[derive(Debug, Default)]
struct Script(Mutex<VecDeque<Answer>>);

impl Script {
    fn add(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.0).extend(answers);
    }

    /// Plays the next answer around `work`, which reads the request, stores and replies.
    async fn play(&self, work: impl Future<Output = Response<Reply>>) -> Result<Response<Reply>, Cut> {
        let answer = lock(&self.0).pop_front().unwrap_or(Answer::Normal);
        match answer {
            Answer::Normal => Ok(work.await),
            Answer::Status(status, headers, body) => Ok(scripted(status, headers, body)),
            Answer::StatusAfterCommit(status, headers, body) => {
                work.await;
                Ok(scripted(status, headers, body))
            }
            Answer::Html => Ok(reply(StatusCode::OK, "text/html; charset=utf-8", CAPTIVE_PORTAL)),
            Answer::DropBeforeReading => Err(Cut),
            Answer::DropAfterCommit => {
                work.await;
                Err(Cut)
            }
            Answer::CutAfterCommit => Ok(work.await.map(Reply::cut_in_half)),
            Answer::Stall(time) => {
                tokio::time::sleep(time).await;
                Ok(work.await)
            }
            Answer::StallAfterCommit(time) => {
                let done = work.await;
                tokio::time::sleep(time).await;
                Ok(done)
            }
            Answer::Drip(pause) => Ok(work.await.map(|reply| reply.dripping(pause))),
        }
    }
}

/// One of the two receivers, as the server below sees it.
trait Receiver: Send + Sync + 'static {
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Result<Response<Reply>, Cut>> + Send;
}

/// A listening receiver; stops when dropped.
#[derive(Debug)]
struct Server {
    address: SocketAddr,
    scheme: &'static str,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(tls: Option<&Ca>, connections: usize, receiver: Arc<impl Receiver>) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Listen)?;
        let acceptor = tls.map(Ca::acceptor).transpose()?;
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let task = tokio::spawn(accept(
            listener,
            acceptor,
            Arc::new(Semaphore::new(connections)),
            receiver,
        ));
        Ok(Self { address, scheme, task })
    }

    fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Cuts all connections and frees the port.
    async fn stop(mut self) {
        self.task.abort();
        // The only way this task ends is being aborted, which is what was just done.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes connections as long as there is room; the rest wait in the system's own queue.
async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    room: Arc<Semaphore>,
    receiver: Arc<impl Receiver>,
) {
    // Dropped with this task, and every connection with it.
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        let Ok(place) = room.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, usually: trying again at once would only burn a core.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (acceptor, receiver) = (acceptor.clone(), receiver.clone());
        open.spawn(async move {
            connection(stream, acceptor, receiver).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, receiver: Arc<impl Receiver>) {
    // Answers are small; waiting to fill a packet would only add 40 ms to each.
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => requests(stream, receiver).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                requests(stream, receiver).await;
            }
        }
    }
}

async fn requests(stream: impl AsyncRead + AsyncWrite + Unpin + Send, receiver: Arc<impl Receiver>) {
    let service = hyper::service::service_fn(|request| receiver.answer(request));
    // A cut connection is either scripted or the client's own doing.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The connection is to be cut without a further word.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
struct Cut;

/// The body of an answer, which may break off.
#[derive(Debug)]
struct Reply {
    left: Option<Bytes>,
    cut: bool,
    drip: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Reply {
    fn dripping(self, pause: Duration) -> Self {
        let drip = Some((pause, Box::pin(tokio::time::sleep(pause))));
        Self { drip, ..self }
    }

    fn cut_in_half(self) -> Self {
        let left = self.left.map(|body| body.slice(..body.len() / 2));
        Self {
            left,
            cut: true,
            drip: None,
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Self { left, drip, .. } = &mut *self;
        if let (Some(body), Some((pause, nap))) = (left.as_mut(), drip) {
            std::task::ready!(nap.as_mut().poll(context));
            nap.as_mut().reset(Instant::now() + *pause);
            let byte = body.split_to(1);
            if body.is_empty() {
                *left = None;
            }
            return Poll::Ready(Some(Ok(Frame::data(byte))));
        }
        match self.left.take() {
            Some(body) => Poll::Ready(Some(Ok(Frame::data(body)))),
            None if self.cut => Poll::Ready(Some(Err(Cut))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_none() && !self.cut
    }

    fn size_hint(&self) -> SizeHint {
        // Of a body that will be cut no length is promised: it goes out in chunks, and the last one never comes.
        match &self.left {
            _ if self.cut => SizeHint::default(),
            left => SizeHint::with_exact(left.as_ref().map_or(0, |body| body.len() as u64)),
        }
    }
}

/// Why a request's body could not be taken in.
#[derive(Debug)]
enum BodyError {
    TooLarge,
    Broken,
}

async fn read_body(body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Broken),
    }
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Reply> {
    let body = body.into();
    let mut response = Response::new(Reply {
        left: (!body.is_empty()).then_some(body),
        cut: false,
        drip: None,
    });
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// What a test wrote into its script; a header or status HTTP does not allow is left out.
fn scripted(status: u16, headers: Vec<(String, String)>, body: String) -> Response<Reply> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = reply(status, "text/plain; charset=utf-8", body);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The fields of an `application/x-www-form-urlencoded` body or a query; the first of a name counts.
fn form_field(form: &str, name: &str) -> Option<String> {
    form.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decoded(key)? == name)
            .then(|| percent_decoded(value))
            .flatten()
    })
}

/// `None` for a broken escape or bytes that are not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match first {
            b'+' => (b' ', after),
            b'%' => {
                let digits = std::str::from_utf8(after.get(..2)?).ok()?;
                (u8::from_str_radix(digits, 16).ok()?, &after[2..])
            }
            other => (other, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn is_form(request: &Request<Incoming>) -> bool {
    media_type(request) == "application/x-www-form-urlencoded"
}

fn media_type(request: &Request<Incoming>) -> String {
    let header = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A panic elsewhere in a test must not hide behind a second one here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const CAPTIVE_PORTAL: &str = "<!DOCTYPE html><html><head><title>Đăng nhập mạng</title></head>\
    <body><p>Vui lòng đăng nhập để sử dụng Internet. Please log in.</p></body></html>";

#[cfg(test)]
mod tests;
