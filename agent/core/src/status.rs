//! The shape of `status --json`, schema 1. Keys are only ever added.

use serde::{Deserialize, Serialize};

/// What the agent tells about itself. No patient data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// 1.
    pub schema: u32,
    /// The agent's version.
    pub version: String,
    /// Whether the service runs; false when this was read from its last snapshot.
    pub running: bool,
    /// Since when it runs, RFC 3339.
    pub since: String,
    /// When this was gathered, RFC 3339.
    pub at: String,
    /// `MACSKCB`.
    pub site: String,
    /// The watched folders.
    pub sources: Vec<Source>,
    /// The receivers.
    pub endpoints: Vec<Endpoint>,
    /// The plugins in use.
    pub plugins: Vec<Plugin>,
    /// The state folder.
    pub storage: Storage,
}

/// A watched folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Files seen since the start of the service that are exports by their name.
    pub seen: u64,
    /// Files accepted, ever.
    pub accepted: u64,
    /// Records and whole files that could not be read.
    pub set_aside: u64,
    /// Records mapped.
    pub records: u64,
    /// Records refused by the plugin.
    pub refused: u64,
    /// Of what was set aside or refused, what a person has dealt with (`queue drop`).
    pub closed: u64,
    /// Of the records, those known already with the same content: not sent again.
    pub known: u64,
    /// When the last file was accepted, RFC 3339.
    pub last_accepted: Option<String>,
    /// What is wrong with the folder at the moment, if anything.
    pub trouble: Option<String>,
}

/// A receiver.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// `fhir` or `bhxh`; empty for one that is no longer configured.
    pub kind: String,
    /// Deliveries to be sent.
    pub waiting: u64,
    /// On their way.
    pub sending: u64,
    /// Arrived, with a receipt.
    pub delivered: u64,
    /// Waiting for a person.
    pub parked: u64,
    /// Overtaken by a newer version.
    pub superseded: u64,
    /// Given up by a person.
    pub dropped: u64,
    /// Seconds since the oldest waiting one was accepted.
    pub oldest_waiting_s: Option<u64>,
    /// The next delivery window, RFC 3339; none for `immediate`.
    pub next_window: Option<String>,
    /// `closed`, `open` or `half-open`.
    pub breaker: String,
    /// Why the last attempt failed, while it is the last.
    pub trouble: Option<String>,
    /// Since when no attempt was answered well, RFC 3339; none while they are.
    pub unreachable_since: Option<String>,
}

/// A plugin in use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plugin {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The digest of its bytes, hex.
    pub sha256: String,
}

/// The state folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storage {
    /// Free on its disk; 0 when it cannot be told.
    pub free_bytes: u64,
    /// Used by exports and batches.
    pub used_bytes: u64,
    /// Used by the journal.
    pub journal_bytes: u64,
    /// When the index was built anew at the last start, RFC 3339.
    pub index_rebuilt: Option<String>,
    /// Why nothing is taken in, while the disk is full.
    pub input_paused: Option<String>,
    /// How many things lie in the quarantine.
    pub quarantined: u64,
    /// What was found damaged at the last start and mended, for people.
    pub damage: Vec<String>,
}

impl Status {
    /// Whether somebody has to look: something is parked, set aside or refused and not dealt with, a folder, an endpoint or the
    /// disk is in trouble.
    pub fn needs_a_person(&self) -> bool {
        self.storage.input_paused.is_some()
            || self
                .sources
                .iter()
                .any(|source| source.set_aside + source.refused > source.closed || source.trouble.is_some())
            || self
                .endpoints
                .iter()
                .any(|endpoint| endpoint.parked > 0 || endpoint.breaker == "open")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_schema_1_are_all_there() {
        let status = Status {
            schema: 1,
            version: String::new(),
            running: true,
            since: String::new(),
            at: String::new(),
            site: "79999".into(),
            sources: vec![Source::default()],
            endpoints: vec![Endpoint::default()],
            plugins: vec![Plugin::default()],
            storage: Storage::default(),
        };
        let json = serde_json::to_value(&status).unwrap();
        for key in [
            "schema",
            "version",
            "running",
            "since",
            "site",
            "sources",
            "endpoints",
            "plugins",
            "storage",
        ] {
            assert!(json.get(key).is_some(), "{key}");
        }
        for key in [
            "name",
            "seen",
            "accepted",
            "set_aside",
            "records",
            "refused",
            "last_accepted",
        ] {
            assert!(json["sources"][0].get(key).is_some(), "{key}");
        }
        for key in [
            "name",
            "kind",
            "waiting",
            "sending",
            "delivered",
            "parked",
            "superseded",
            "oldest_waiting_s",
            "next_window",
            "breaker",
            "unreachable_since",
        ] {
            assert!(json["endpoints"][0].get(key).is_some(), "{key}");
        }
        for key in ["free_bytes", "used_bytes", "index_rebuilt"] {
            assert!(json["storage"].get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn a_status_of_a_newer_agent_still_reads() {
        let text = r#"{"schema":1,"version":"9","running":true,"since":"","at":"","site":"79999","new":1,
            "sources":[{"name":"his","newer":2}],"endpoints":[],"plugins":[],"storage":{}}"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert_eq!(status.sources[0].name, "his");
    }
}
