//! The index: sled =0.34.7, small values, no patient data. Everything here can be rebuilt from spool and journal.
//!
//! sled is opened guarded and never trusted: what it holds is brought up to date from the journal at each start, and when it
//! does not open it is moved to `quarantine/` and built anew.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vhr_core::delivery::State;
use vhr_core::id::{DeliveryId, EndpointId, ExportId, PluginRef, RecordId};
use vhr_core::time::Timestamp;

use super::rows;
use crate::journal::{Counts, Position};
use crate::spool::RecordRow;

/// Changed when the layout of the trees changes: an index of another version is built anew.
const VERSION: &str = "4";

/// What the index knows of an export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportRow {
    /// By which `[[source]]`.
    pub source: String,
    /// When it was accepted.
    pub at: Timestamp,
    /// What it was mapped by.
    pub plugin: Option<PluginRef>,
    /// What was in it.
    pub counts: Counts,
    /// Of what was set aside or refused, what a person has dealt with: its place, and the journal entry that says why.
    pub closed: BTreeMap<u32, Position>,
}

/// What the index knows of a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// Where it stands; texts and receipts are in the journal at `position`, not here.
    #[serde(with = "rows")]
    pub state: State,
    /// Accept order over the whole agent.
    pub order: u64,
    /// When its export was accepted.
    pub accepted_at: Timestamp,
    /// Keyed digest of the visit.
    pub visit: [u8; 16],
    /// The journal entry that made this state.
    pub position: Position,
}

/// What the index knows of a record that is delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordPlace {
    /// In which batch.
    pub export: ExportId,
    /// Where in it.
    pub row: RecordRow,
}

/// The newest version of a visit that goes to an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Latest {
    /// Which record.
    pub record: RecordId,
    /// Keyed digest of its content.
    pub content: [u8; 16],
    /// Whether it came signed.
    pub signed: bool,
}

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// sled's word.
    #[error("the index failed")]
    Sled(#[from] sled::Error),
    /// A value that does not read.
    #[error("a value in the index does not read")]
    Value(#[from] postcard::Error),
    /// It cannot be moved out of the way.
    #[error("could not move the damaged index {path} to quarantine")]
    Quarantine {
        /// The index folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error("the state folder {path} is in use by another vhr-agent")]
    InUse {
        /// The index folder.
        path: PathBuf,
    },
}

/// The trees.
#[derive(Debug, Clone)]
pub(super) struct Index {
    db: sled::Db,
    exports: sled::Tree,
    records: sled::Tree,
    deliveries: sled::Tree,
    due: sled::Tree,
    open: sled::Tree,
    latest: sled::Tree,
    seen: sled::Tree,
    meta: sled::Tree,
}

impl Index {
    /// Opens the index of the state folder; the flag says that it is empty and has to be built.
    pub(super) fn open(state: &Path, now: Timestamp) -> Result<(Self, bool), Error> {
        let path = state.join("index");
        let existed = path.exists();
        match catch_unwind(AssertUnwindSafe(|| Self::try_open(&path))) {
            Ok(Ok(index)) => {
                if index.text("version")?.as_deref() == Some(VERSION) {
                    return Ok((index, false));
                }
                index.clear()?;
                Ok((index, true))
            }
            Ok(Err(Error::Sled(sled::Error::Io(e)))) if is_locked(&e) => Err(Error::InUse { path }),
            failure => {
                let why = match failure {
                    Ok(Err(e)) => crate::report::chain(&e),
                    _ => "it panicked".to_owned(),
                };
                tracing::warn!(why, "the index does not open; it is set aside and built anew");
                if existed {
                    let aside = state.join("quarantine");
                    fs::create_dir_all(&aside)
                        .and_then(|()| fs::rename(&path, aside.join(format!("index-{}", now.millis()))))
                        .map_err(|source| Error::Quarantine {
                            path: path.clone(),
                            source,
                        })?;
                }
                let index = Self::try_open(&path)?;
                index.clear()?;
                Ok((index, true))
            }
        }
    }

    fn try_open(path: &Path) -> Result<Self, Error> {
        let db = sled::Config::new()
            .path(path)
            .cache_capacity(8 * 1024 * 1024)
            .flush_every_ms(Some(500))
            .open()?;
        Ok(Self {
            exports: db.open_tree("exports")?,
            records: db.open_tree("records")?,
            deliveries: db.open_tree("deliveries")?,
            due: db.open_tree("due")?,
            open: db.open_tree("open")?,
            latest: db.open_tree("latest")?,
            seen: db.open_tree("seen")?,
            meta: db.open_tree("meta")?,
            db,
        })
    }

    fn clear(&self) -> Result<(), Error> {
        for tree in [
            &self.exports,
            &self.records,
            &self.deliveries,
            &self.due,
            &self.open,
            &self.latest,
            &self.seen,
            &self.meta,
        ] {
            tree.clear()?;
        }
        self.set_text("version", VERSION)
    }

    pub(super) fn flush(&self) -> Result<(), Error> {
        self.db.flush()?;
        Ok(())
    }

    // --- single values ---

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(self
            .meta
            .get(name)?
            .map(|value| String::from_utf8_lossy(&value).into_owned()))
    }

    pub(super) fn set_text(&self, name: &str, value: &str) -> Result<(), Error> {
        self.meta.insert(name, value)?;
        Ok(())
    }

    /// Up to where the journal is known to be applied.
    pub(super) fn applied(&self) -> Result<Option<Position>, Error> {
        get(&self.meta, b"applied")
    }

    pub(super) fn set_applied(&self, position: Position) -> Result<(), Error> {
        put(&self.meta, b"applied", &position)
    }

    /// What was last seen under a path (its keyed digest): size, time, export.
    pub(super) fn seen(&self, path: &[u8; 16]) -> Result<Option<(u64, i64, ExportId)>, Error> {
        get(&self.seen, path)
    }

    pub(super) fn set_seen(&self, path: &[u8; 16], seen: (u64, i64, ExportId)) -> Result<(), Error> {
        put(&self.seen, path, &seen)
    }

    // --- exports, records, visits ---

    pub(super) fn export(&self, export: ExportId) -> Result<Option<ExportRow>, Error> {
        get(&self.exports, export.as_bytes())
    }

    pub(super) fn put_export(&self, export: ExportId, row: &ExportRow) -> Result<(), Error> {
        put(&self.exports, export.as_bytes(), row)
    }

    pub(super) fn exports(&self) -> impl Iterator<Item = Result<(ExportId, ExportRow), Error>> + use<> {
        self.exports.iter().map(|item| {
            let (key, value) = item?;
            let mut id = [0; 32];
            id.copy_from_slice(&key);
            Ok((ExportId::from_bytes(id), postcard::from_bytes(&value)?))
        })
    }

    pub(super) fn record(&self, record: RecordId) -> Result<Option<RecordPlace>, Error> {
        get(&self.records, record.as_bytes())
    }

    pub(super) fn put_record(&self, place: &RecordPlace) -> Result<(), Error> {
        put(&self.records, place.row.record.as_bytes(), place)
    }

    /// The newest version of a visit that goes to an endpoint.
    pub(super) fn latest(&self, endpoint: &EndpointId, visit: &[u8; 16]) -> Result<Option<Latest>, Error> {
        get(&self.latest, &visit_key(endpoint, visit))
    }

    pub(super) fn put_latest(&self, endpoint: &EndpointId, visit: &[u8; 16], latest: &Latest) -> Result<(), Error> {
        put(&self.latest, &visit_key(endpoint, visit), latest)
    }

    // --- deliveries ---

    pub(super) fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryRow>, Error> {
        get(&self.deliveries, &delivery_key(id))
    }

    /// Writes a delivery's state and keeps the two orders (what is due, what is open for a visit) in step with it.
    pub(super) fn put_delivery(
        &self,
        id: &DeliveryId,
        old: Option<&DeliveryRow>,
        new: &DeliveryRow,
    ) -> Result<(), Error> {
        if let Some(State::Waiting { not_before, .. }) = old.map(|row| &row.state) {
            self.due.remove(due_key(&id.endpoint, *not_before, new.order))?;
        }
        if let State::Waiting { not_before, .. } = &new.state {
            self.due
                .insert(due_key(&id.endpoint, *not_before, new.order), &id.record.as_bytes()[..])?;
        }
        let open = open_key(&id.endpoint, &new.visit, new.order);
        if !new.state.is_final() {
            self.open.insert(open, &id.record.as_bytes()[..])?;
        } else {
            self.open.remove(open)?;
        }
        put(&self.deliveries, &delivery_key(id), new)
    }

    /// Deliveries waiting for an endpoint in the order in which they come due: when, and which record.
    pub(super) fn due(
        &self,
        endpoint: &EndpointId,
    ) -> impl Iterator<Item = Result<(Timestamp, RecordId), Error>> + use<> {
        let prefix = endpoint_prefix(endpoint);
        let length = prefix.len();
        self.due.scan_prefix(prefix).map(move |item| {
            let (key, value) = item?;
            let mut time = [0; 8];
            time.copy_from_slice(&key[length..length + 8]);
            Ok((Timestamp::from_millis(i64::from_be_bytes(time)), record_id(&value)))
        })
    }

    /// Records of a visit whose delivery to an endpoint has not come to its end, oldest first.
    pub(super) fn open_for(
        &self,
        endpoint: &EndpointId,
        visit: &[u8; 16],
    ) -> impl Iterator<Item = Result<RecordId, Error>> + use<> {
        self.open
            .scan_prefix(visit_key(endpoint, visit))
            .map(|item| Ok(record_id(&item?.1)))
    }

    /// All whose delivery to an endpoint has not come to its end.
    pub(super) fn open_at(&self, endpoint: &EndpointId) -> impl Iterator<Item = Result<RecordId, Error>> + use<> {
        self.open
            .scan_prefix(endpoint_prefix(endpoint))
            .map(|item| Ok(record_id(&item?.1)))
    }

    /// All deliveries.
    pub(super) fn deliveries(&self) -> impl Iterator<Item = Result<(DeliveryId, DeliveryRow), Error>> + use<> {
        self.deliveries.iter().map(|item| {
            let (key, value) = item?;
            let cut = key.iter().position(|byte| *byte == 0).unwrap_or(0);
            let endpoint = EndpointId::new(String::from_utf8_lossy(&key[..cut]));
            let id = DeliveryId {
                record: record_id(&key[(cut + 1).min(key.len())..]),
                endpoint,
            };
            Ok((id, postcard::from_bytes(&value)?))
        })
    }
}

fn get<T: DeserializeOwned>(tree: &sled::Tree, key: &[u8]) -> Result<Option<T>, Error> {
    Ok(tree.get(key)?.map(|value| postcard::from_bytes(&value)).transpose()?)
}

fn put<T: Serialize>(tree: &sled::Tree, key: &[u8], value: &T) -> Result<(), Error> {
    tree.insert(key, postcard::to_allocvec(value)?)?;
    Ok(())
}

/// Names hold no NUL (the configuration allows `a-z0-9-` only), so it ends them.
fn endpoint_prefix(endpoint: &EndpointId) -> Vec<u8> {
    let mut key = endpoint.as_str().as_bytes().to_vec();
    key.push(0);
    key
}

fn delivery_key(id: &DeliveryId) -> Vec<u8> {
    let mut key = endpoint_prefix(&id.endpoint);
    key.extend_from_slice(id.record.as_bytes());
    key
}

/// Times before 1970 do not occur: an accepted export is newer.
fn due_key(endpoint: &EndpointId, not_before: Timestamp, order: u64) -> Vec<u8> {
    let mut key = endpoint_prefix(endpoint);
    key.extend_from_slice(&not_before.millis().max(0).to_be_bytes());
    key.extend_from_slice(&order.to_be_bytes());
    key
}

fn visit_key(endpoint: &EndpointId, visit: &[u8; 16]) -> Vec<u8> {
    let mut key = endpoint_prefix(endpoint);
    key.extend_from_slice(visit);
    key
}

fn open_key(endpoint: &EndpointId, visit: &[u8; 16], order: u64) -> Vec<u8> {
    let mut key = visit_key(endpoint, visit);
    key.extend_from_slice(&order.to_be_bytes());
    key
}

fn record_id(bytes: &[u8]) -> RecordId {
    let mut id = [0; 16];
    let length = bytes.len().min(16);
    id[..length].copy_from_slice(&bytes[..length]);
    RecordId::from_bytes(id)
}

/// sled reports a taken lock as an I/O error of kind Other or WouldBlock, with this text.
fn is_locked(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock || error.to_string().contains("could not acquire lock")
}
