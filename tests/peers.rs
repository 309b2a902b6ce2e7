//! A FHIR server that nobody here wrote takes what we send: the real helios-hfs, checking everything it can check.
//!
//! It is not part of this repository; where it is not installed these tests say so and pass. `.ci/run` installs it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;

use serde_json::Value;
use vhr_agent::demo::exports::{Oddity, Options, generate};

use crate::harness::{Wish, World, eventually, one_visit, whole_keys};

/// A running server on a free port, with an empty store in memory; killed when dropped.
#[derive(Debug)]
struct Hfs {
    child: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Hfs {
    /// None where it is not installed.
    fn start() -> Option<Self> {
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
            .env("HFS_VALIDATION_MODE", "enforce")
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

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it answers, as JSON; none when it does not, or does not say 200.
    fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        // Of this version every server closes the connection at the end and sends nothing in chunks.
        let host = &self.address;
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/fhir+json\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.lines()
            .next()?
            .contains(" 200")
            .then(|| serde_json::from_str(body).ok())?
    }

    /// How many resources it finds.
    fn count(&self, search: &str) -> u64 {
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

fn at(server: &Hfs, profile: &str) -> Wish {
    Wish {
        fhir: Some(format!("profile = \"{profile}\"")),
        fhir_url: Some(server.url()),
        gateway: None,
        ..Wish::default()
    }
}

/// The identifier system of visits in a profile set.
fn visit_system(profile: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../configs/profiles/{profile}.json"));
    let set: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    set["identifiers"]["visit"]["system"].as_str().unwrap().to_owned()
}

fn everything_is_taken_and_sending_it_again_changes_no_count(profile: &str) {
    let Some(server) = Hfs::start() else { return };
    let world = World::with(at(&server, profile));
    let files: Vec<_> = generate(&Options {
        seed: 601,
        visits: 30,
        oddities: Oddity::ALL.to_vec(),
        ..Options::plain(601, 30)
    })
    .collect();
    let keys = whole_keys(&files);
    assert_eq!(keys.len(), 30);
    world.drop_all(&files);
    world.once().with(0);
    assert_eq!(world.receipts().len(), 30);
    let kinds = [
        "Patient",
        "Organization",
        "Practitioner",
        "Condition",
        "Observation",
        "Procedure",
    ];
    let counts = || kinds.map(|kind| server.count(&format!("/{kind}?_summary=count")));
    let before = counts();
    assert!(
        before[0] > 0 && before[0] < 30,
        "people who came twice are one Patient: {before:?}"
    );

    // As after a disk was lost: all of it again, from a machine that remembers nothing.
    fs::remove_dir_all(world.path("state")).unwrap();
    world.once().with(0);
    let system = visit_system(profile).replace(':', "%3A").replace('/', "%2F");
    for key in &keys {
        assert_eq!(
            server.count(&format!("/Encounter?identifier={system}%7C{key}")),
            1,
            "{key}"
        );
    }
    assert_eq!(server.count("/Encounter?_summary=count"), 30);
    assert_eq!(counts(), before);
}

#[test]
fn a_real_fhir_server_takes_every_visit_in_plain_r4_and_sending_again_makes_no_second() {
    everything_is_taken_and_sending_it_again_changes_no_count("r4");
}

#[test]
fn a_real_fhir_server_takes_every_visit_in_the_national_profile_and_sending_again_makes_no_second() {
    everything_is_taken_and_sending_it_again_changes_no_count("moh-ehealth-1.0");
}

#[test]
fn what_a_real_fhir_server_refuses_is_parked_with_its_own_words() {
    let Some(server) = Hfs::start() else { return };
    let world = World::with(at(&server, "bad"));
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/profiles");
    let mut set: Value = serde_json::from_slice(&fs::read(profiles.join("r4.json")).unwrap()).unwrap();
    set["name"] = "bad".into();
    // What the agent itself does not check: an invariant of R4.
    let backwards = serde_json::json!([{"url": "urn:x", "valuePeriod": {"start": "2026-02-01", "end": "2026-01-01"}}]);
    set["fixed"]["organization_type"]["extension"] = backwards;
    fs::create_dir(world.path("plugins").join("profiles")).unwrap();
    fs::write(world.path("plugins").join("profiles/bad.json"), set.to_string()).unwrap();
    world.drop_in("a.xml", &one_visit(602).bytes);
    world.once().with(65);
    let parked = world.listed("parked");
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0]["detail"]["kind"], "refused");
    let words = parked[0]["detail"]["text"].as_str().unwrap();
    assert!(
        words.contains("per-1") || words.contains("Organization.type"),
        "{words}"
    );
    assert_eq!(server.count("/Encounter?_summary=count"), 0);
    assert_eq!(
        server.count("/Patient?_summary=count"),
        0,
        "what came with it is not there either"
    );
}
