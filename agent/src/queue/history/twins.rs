//! What the claims of ended records said, and where they arrived: told from a new one for as long as receipts are kept.

use serde::{Deserialize, Serialize};
use vhr_core::id::{EndpointId, ExportId, RecordId};
use vhr_core::twin::Amounts;

use super::{Ended, Error, History, RecordRow, Short};

/// What an ended record said. Its own row goes when its export is let go; this stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::queue) struct Claimed {
    pub(in crate::queue) visit: [u8; 16],
    pub(in crate::queue) order: u64,
    pub(in crate::queue) export: ExportId,
    pub(in crate::queue) seq: u32,
    pub(in crate::queue) record: RecordId,
    pub(in crate::queue) amounts: Amounts,
    /// Where it arrived.
    pub(in crate::queue) at: Vec<EndpointId>,
}

impl History {
    /// Remembers what a record said that has ended, and where it stands now.
    pub(in crate::queue) fn put_claimed(&self, ended: &Ended) -> Result<(), Error> {
        let Some(twin) = &ended.row.twin else { return Ok(()) };
        let arrived = ended.deliveries.iter();
        let arrived = arrived.filter(|(_, state, _)| matches!(state, Short::Delivered { .. }));
        let claimed = Claimed {
            visit: ended.row.visit,
            order: ended.order,
            export: ended.export,
            seq: ended.row.seq,
            record: ended.row.record,
            amounts: twin.amounts,
            at: arrived.map(|(endpoint, ..)| endpoint.clone()).collect(),
        };
        let new = self.twins.put(&key(&ended.row, &twin.same), &claimed)?;
        self.more(3, new);
        Ok(())
    }

    /// Forgets what a record said.
    pub(in crate::queue) fn remove_claimed(&self, row: &RecordRow) -> Result<(), Error> {
        let Some(twin) = &row.twin else { return Ok(()) };
        let there = self.twins.remove(&key(row, &twin.same))?;
        self.less(3, there);
        Ok(())
    }

    /// All that said this.
    pub(in crate::queue) fn claimed(&self, same: &[u8; 16]) -> impl Iterator<Item = Result<Claimed, Error>> + use<> {
        self.twins.iter(same).map(|item| Ok(postcard::from_bytes(&item?.1)?))
    }
}

fn key(row: &RecordRow, same: &[u8; 16]) -> Vec<u8> {
    [&same[..], row.record.as_bytes()].concat()
}
