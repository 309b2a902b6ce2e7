//! What the journal writes down.

use serde::{Deserialize, Serialize};
use vhr_core::delivery::State;
use vhr_core::id::{DeliveryId, EndpointId, ExportId, PluginRef, RecordId};
use vhr_core::outage::Outage;
use vhr_core::record::VisitKey;
use vhr_core::time::Timestamp;

use crate::spool::RecordRow;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Entry {
    /// An export was taken in: its copy and its batch are on disk. From here on it will be delivered.
    Accepted(Accepted),
    /// A delivery took a step.
    Step {
        /// Which.
        delivery: DeliveryId,
        /// When.
        at: Timestamp,
        /// Where it stands now.
        state: State,
    },
    /// The batch of an export was damaged and made anew: its records lie there now. A record that is another than it was (the
    /// plugin is newer) takes its place.
    Moved {
        /// Which export.
        export: ExportId,
        /// When.
        at: Timestamp,
        /// Which record it was, and where it lies, or what takes its place.
        rows: Vec<(RecordId, RecordRow)>,
        /// The place in the order of acceptance of the first of them; the others follow it.
        order: u64,
    },
    /// A person has dealt with records of an export that were set aside or refused.
    Closed {
        /// Which export.
        export: ExportId,
        /// Which records, by their place in it; 0 is the file as a whole.
        seqs: Vec<u32>,
        /// When.
        at: Timestamp,
        /// In the person's words.
        reason: String,
    },
    /// How an export stands, whole: written when older files of the journal are to be let go, and when its own files are.
    Standing(Standing),
    /// The source file of an export was archived or deleted, as configured.
    Retired {
        /// Which export.
        export: ExportId,
        /// When.
        at: Timestamp,
    },
    /// Something was out of reach: written when that began, and once more, with its end, when it was over.
    Outage(Outage),
}

/// What is decided when an export is accepted, in one frame: all of it holds, or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// Which export.
    pub export: ExportId,
    /// When.
    pub at: Timestamp,
    /// By which `[[source]]`.
    pub source: String,
    /// Mapped by what; absent when the file could not be read at all.
    pub plugin: Option<PluginRef>,
    /// How many records were found, mapped, refused, set aside.
    pub counts: Counts,
    /// The first state of each delivery that is made of it.
    pub deliveries: Vec<First>,
    /// The records they are of: where each lies, and what the queue decides by.
    pub records: Vec<RecordRow>,
    /// The place in the order of acceptance of the first of them; the others follow it.
    pub order: u64,
    /// Older versions of the same visits that had not left yet.
    pub superseded: Vec<(DeliveryId, RecordId)>,
}

/// All that is known of one export. It takes the place of everything that was told of the export before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Which export.
    pub export: ExportId,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// By which `[[source]]`.
    pub source: String,
    /// Mapped by what.
    pub plugin: Option<PluginRef>,
    /// How many records were found, mapped, refused, set aside.
    pub counts: Counts,
    /// What a person has dealt with of what was set aside or refused: its place, and in what words.
    pub closed: Vec<(u32, String)>,
    /// Its records of which there are deliveries.
    pub records: Vec<Stood>,
    /// Since when all deliveries have ended, if they have.
    pub rests_since: Option<Timestamp>,
    /// When its copy and its batch were let go, if they were. Then this is its last entry: the receipts are kept here.
    pub released: Option<Timestamp>,
}

/// A record and how each of its deliveries stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stood {
    /// Its place in the order of acceptance.
    pub order: u64,
    /// Where it lies, or lay.
    pub row: RecordRow,
    /// Whose visit: told when the record itself is let go, for the receipts.
    pub key: Option<VisitKey>,
    /// Where each delivery of it stands, with all words and receipts.
    pub deliveries: Vec<(EndpointId, State)>,
}

/// Records in = mapped + refused + set aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records in the file.
    pub found: u32,
    /// Mapped, those known already included.
    pub mapped: u32,
    /// Refused by the plugin.
    pub refused: u32,
    /// Unreadable; for a file that could not be read at all, 0 found and 1 file.
    pub set_aside: u32,
    /// Of the mapped, those whose visit is known with exactly this content: nothing is sent for them.
    pub known: u32,
    /// 1 when the file as a whole was set aside.
    pub files_set_aside: u32,
}

/// The deliveries of one endpoint that begin in one state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct First {
    /// Where to.
    pub endpoint: EndpointId,
    /// Which records, by their place in the export.
    pub seqs: Vec<u32>,
    /// Waiting for a window, or parked from the start.
    pub state: State,
}
