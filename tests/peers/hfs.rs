//! The real helios-hfs as a process.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;

use serde_json::Value;

use crate::harness::eventually;

/// A running server on a free port, with an empty store in memory; killed when dropped.
#[derive(Debug)]
pub(super) struct Hfs {
    child: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Hfs {
    /// One that checks whatever it is sent. None where it is not installed.
    pub(super) fn start() -> Option<Self> {
        Self::started("enforce")
    }

    /// One that checks only what it is asked about.
    pub(super) fn asked_only() -> Option<Self> {
        Self::started("off")
    }

    fn started(validation: &str) -> Option<Self> {
        let Some((program, parameters)) = installed() else {
            static SAID: Once = Once::new();
            // Not by a print macro: those are shown of failed tests only.
            SAID.call_once(|| {
                let _ = writeln!(
                    std::io::stderr(),
                    "peers: helios-hfs is not installed, skipped (`.ci/run` installs it into ~/.cache/vhr-agent-peers; \
                     VHR_HFS names another one)"
                );
            });
            return None;
        };
        let data = tempfile::tempdir().expect("there is a temporary folder");
        fs::copy(parameters, data.path().join("search-parameters-r4.json")).expect("it can be copied");
        let free = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = free.local_addr().expect("it is bound").to_string();
        drop(free);
        let (_, port) = address.rsplit_once(':').expect("an address has a port");
        let child = Command::new(program)
            .env_clear()
            .current_dir(data.path())
            .args(["--port", port, "--host", "127.0.0.1", "--log-level", "warn"])
            .args(["--base-url", &format!("http://{address}"), "--database-url", ":memory:"])
            .arg("--data-dir")
            .arg(data.path())
            .env("HFS_VALIDATION_MODE", validation)
            // It copies so much that handing memory back and asking for it again is a sixth of its time.
            .env(
                "GLIBC_TUNABLES",
                "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=4294967296",
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it is a program");
        let server = Self {
            child,
            address,
            _data: data,
        };
        eventually("the FHIR server answers", || server.get("/metadata").is_some());
        Some(server)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it answers, as JSON; none when it does not, or does not say 200.
    pub(super) fn get(&self, path: &str) -> Option<Value> {
        let (status, answer) = self.ask("GET", path, "")?;
        (status == 200).then_some(answer)
    }

    /// The status of its answer, and what it says; none when it does not answer, or not in JSON.
    pub(super) fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        // Of this version every server closes the connection at the end and sends nothing in chunks.
        let (host, length) = (&self.address, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/fhir+json\r\n\
             Content-Type: application/fhir+json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).ok()?))
    }

    /// How many resources it finds.
    pub(super) fn count(&self, search: &str) -> u64 {
        let found = self.get(search).unwrap_or_else(|| panic!("no answer to {search}"));
        let entries = found["entry"].as_array().map_or(0, |entries| entries.len() as u64);
        found["total"].as_u64().unwrap_or(entries)
    }
}

impl Drop for Hfs {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server and the search parameters it needs.
fn installed() -> Option<(PathBuf, PathBuf)> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let program = std::env::var_os("VHR_HFS").map_or(home.join(".cache/vhr-agent-peers/bin/hfs"), PathBuf::from);
    let parameters = program
        .parent()
        .and_then(Path::parent)?
        .join("data/search-parameters-r4.json");
    (program.is_file() && parameters.is_file()).then_some((program, parameters))
}
