//! The local socket between command line and service, both ends: sled allows one process, so the command line asks.
//!
//! One line of JSON each way. Whoever can reach the socket may ask: it lies in the state folder, which is the service
//! account's own. Nothing here is reachable from the network.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::watch as signal;
use vhr_core::control::{Reply, Request};

use crate::pipeline::{Agent, Error};
use crate::{clock, desk, status};

/// A request is a line; more is not ours.
const MAX_REQUEST: u64 = 1024 * 1024;
/// Lists can be long.
const MAX_REPLY: u64 = 256 * 1024 * 1024;
/// When the socket cannot be opened, it is tried again after this time.
const AGAIN: Duration = Duration::from_secs(5);
/// Nobody waits longer for the other end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Reading everything that is kept takes its time.
const VERIFYING: Duration = Duration::from_secs(6 * 3600);

/// Where the last status is written for when the service does not run.
pub fn snapshot_path(dir: &Path) -> PathBuf {
    dir.join("status.json")
}

/// Writes the status down. What goes wrong here must not stop anything: the next one comes soon.
pub fn write_snapshot(agent: &Agent, running: bool) {
    let status = status::of_agent(agent, running, clock::now());
    let path = snapshot_path(&agent.config.storage.dir);
    let temporary = path.with_extension("json.tmp");
    let text = serde_json::to_vec_pretty(&status).unwrap_or_default();
    if let Err(e) = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, &path)) {
        tracing::warn!(why = %e, "the status could not be written down");
    }
}

/// Answers until the service stops.
///
/// # Errors
/// None: a connection that fails is given up.
pub async fn serve(agent: Arc<Agent>, mut stop: signal::Receiver<bool>) -> Result<(), Error> {
    let listener = tokio::select! {
        listener = listen(&agent.config.storage.dir) => listener,
        _ = stop.changed() => return Ok(()),
    };
    loop {
        tokio::select! {
            stream = listener.accept() => {
                let Ok(stream) = stream else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let agent = Arc::clone(&agent);
                tokio::spawn(async move {
                    // A client that goes away in the middle is its own matter.
                    let _ = talk(stream, &agent).await;
                });
            }
            _ = stop.changed() => return Ok(()),
        }
    }
}

/// Opens the socket. What sends and takes in does not wait for it: on a full disk it may not be possible at once.
async fn listen(dir: &Path) -> Listener {
    let mut told = false;
    loop {
        match Listener::bind(dir) {
            Ok(listener) => return listener,
            Err(e) if !std::mem::replace(&mut told, true) => {
                tracing::warn!(why = %e, "the control socket cannot be opened; it is tried again");
            }
            Err(_) => {}
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin, agent: &Arc<Agent>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    in_time(PATIENCE, (&mut stream).take(MAX_REQUEST).read_line(&mut line)).await?;
    let reply = match serde_json::from_str(&line) {
        Ok(Request::Status) => Reply::Status {
            status: Box::new(status::of_agent(agent, true, clock::now())),
        },
        Ok(request) => {
            let (agent, asked) = (Arc::clone(agent), request.clone());
            // It goes on to its end though nobody waits for it any more: what is written down must be known here, too.
            let answering = tokio::spawn(async move { desk::answer(&agent.desk(), asked).await });
            in_time(patience(&request), async { answering.await.map_err(io::Error::other) }).await?
        }
        Err(e) => Reply::Failed {
            why: format!("the request does not read: {e}"),
        },
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    let answer = async {
        stream.write_all(&text).await?;
        stream.flush().await
    };
    in_time(PATIENCE, answer).await
}

/// How long an answer may take.
fn patience(request: &Request) -> Duration {
    match request {
        Request::Verify => VERIFYING,
        _ => PATIENCE,
    }
}

async fn in_time<T>(patience: Duration, act: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(patience, act)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Asks the service of this state folder; none when no service runs, or when it ended while it was asked.
///
/// # Errors
/// When it runs and does not answer.
pub async fn ask(dir: &Path, request: &Request) -> io::Result<Option<Reply>> {
    let exchange = async {
        let Some(stream) = connect(dir).await? else {
            return Ok(None);
        };
        let mut stream = BufReader::new(stream);
        let mut text = serde_json::to_vec(request)?;
        text.push(b'\n');
        stream.write_all(&text).await?;
        stream.flush().await?;
        let mut line = String::new();
        stream.take(MAX_REPLY).read_line(&mut line).await?;
        let reply = if line.is_empty() {
            None
        } else {
            Some(serde_json::from_str(&line)?)
        };
        Ok::<_, io::Error>(reply)
    };
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    match in_time(patience(request), exchange).await {
        Err(e) if matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset) => Ok(None),
        answered => answered,
    }
}

#[cfg(unix)]
mod system {
    use super::{Path, PathBuf, io};
    use tokio::net::{UnixListener, UnixStream};

    /// The service's end.
    #[derive(Debug)]
    pub struct Listener {
        listener: UnixListener,
        path: PathBuf,
    }

    impl Listener {
        /// Opens the socket of this state folder. A socket that nobody listens at any more is taken away.
        ///
        /// # Errors
        /// When it cannot be opened.
        pub fn bind(dir: &Path) -> io::Result<Self> {
            let path = socket(dir);
            if path.exists() {
                std::fs::remove_file(&path)?;
            }
            Ok(Self {
                listener: UnixListener::bind(&path)?,
                path,
            })
        }

        pub(super) async fn accept(&self) -> io::Result<UnixStream> {
            Ok(self.listener.accept().await?.0)
        }
    }

    impl Drop for Listener {
        fn drop(&mut self) {
            // Left behind, it is taken away at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    pub(super) async fn connect(dir: &Path) -> io::Result<Option<UnixStream>> {
        match UnixStream::connect(socket(dir)).await {
            Ok(stream) => Ok(Some(stream)),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Socket paths may be some hundred bytes long at most: where the state folder lies deeper, the socket lies in the
    /// system's temporary folder under a digest of it.
    fn socket(dir: &Path) -> PathBuf {
        let path = dir.join("control.sock");
        if path.as_os_str().len() <= 100 {
            return path;
        }
        let digest = crate::digest::sha256_hex(dir.as_os_str().as_encoded_bytes());
        std::env::temp_dir().join(format!("vhr-agent-{}.sock", &digest[..16]))
    }
}

#[cfg(windows)]
mod system {
    use super::{Path, io};
    use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};

    /// The service's end.
    #[derive(Debug)]
    pub struct Listener {
        name: String,
        next: tokio::sync::Mutex<NamedPipeServer>,
    }

    impl Listener {
        /// Opens the pipe of this state folder.
        ///
        /// # Errors
        /// When it cannot be opened, or another service has it.
        pub fn bind(dir: &Path) -> io::Result<Self> {
            let name = pipe(dir);
            let first = ServerOptions::new()
                .first_pipe_instance(true)
                .reject_remote_clients(true)
                .create(&name)?;
            Ok(Self {
                name,
                next: tokio::sync::Mutex::new(first),
            })
        }

        pub(super) async fn accept(&self) -> io::Result<NamedPipeServer> {
            let mut next = self.next.lock().await;
            next.connect().await?;
            let fresh = ServerOptions::new().reject_remote_clients(true).create(&self.name)?;
            Ok(std::mem::replace(&mut *next, fresh))
        }
    }

    pub(super) async fn connect(dir: &Path) -> io::Result<Option<NamedPipeClient>> {
        match ClientOptions::new().open(pipe(dir)) {
            Ok(client) => Ok(Some(client)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn pipe(dir: &Path) -> String {
        let digest = crate::digest::sha256_hex(dir.as_os_str().as_encoded_bytes());
        format!(r"\\.\pipe\vhr-agent-{}", &digest[..16])
    }
}

pub use system::Listener;
use system::connect;
