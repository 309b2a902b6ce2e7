//! What did not read is told here, and goes on when it was made anew.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;

use vhr_core::delivery::{ReasonKind, State};
use vhr_core::id::{ExportId, RecordId};
use vhr_core::time::Timestamp;

use super::{Error, Queue, step};
use crate::journal::{Entry, Sync};
use crate::spool::RecordRow;

impl Queue {
    /// Something of an export did not read: it is to be mended.
    pub fn hurt(&self, export: ExportId) {
        self.hurt
            .lock()
            .expect("nothing panics while holding it")
            .insert(export);
        self.hurt_bell.notify_one();
    }

    /// Whether an export that is not known may have been sent all the same: the journal that would tell is damaged.
    /// `has_copy`: there is a copy of it, as of one that was accepted.
    pub fn may_have_been_sent(&self, export: ExportId, has_copy: bool) -> bool {
        self.lock_lost().contains(&export) || (has_copy && self.lock_damage().journal > 0)
    }

    /// What is to be mended.
    pub fn take_hurt(&self) -> BTreeSet<ExportId> {
        std::mem::take(&mut self.hurt.lock().expect("nothing panics while holding it"))
    }

    /// The batch of an export was made anew. What was parked because it did not read is sent again; a record that the plugin
    /// makes otherwise now takes the place of the one it was. One that is on its way stays the one it is until its answer is there:
    /// where it is to be sent once more, it does not read, and is made anew then.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn moved(&self, export: ExportId, rows: &[RecordRow], now: Timestamp) -> Result<(), Error> {
        let _one_at_a_time = self.steps.lock().await;
        let by_seq: HashMap<u32, &RecordRow> = rows.iter().map(|row| (row.seq, row)).collect();
        let on_their_way: HashSet<RecordId> = self.lock_busy().iter().map(|id| id.record).collect();
        let mut moved = Vec::new();
        for old in self.live_rows(export) {
            if let Some(new) = by_seq.get(&old.seq)
                && (new.record == old.record || !on_their_way.contains(&old.record))
            {
                moved.push((old.record, (*new).clone()));
            }
        }
        if moved.is_empty() {
            return Ok(());
        }
        let entry = Entry::Moved {
            export,
            at: now,
            rows: moved,
            order: self.order.load(Ordering::Relaxed),
        };
        self.write(vec![entry], Sync::Now).await
    }

    /// Deliveries of an export that were parked because something did not read may be tried again.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn mended(&self, export: ExportId, now: Timestamp) -> Result<usize, Error> {
        let _one_at_a_time = self.steps.lock().await;
        let mut entries = Vec::new();
        for (id, row) in self.live_of(export) {
            if matches!(&row.state, State::Parked(reason) if reason.kind == ReasonKind::Damaged)
                && self.newer(&id)?.is_none()
            {
                entries.push(step(&id, now, &State::new(now)));
            }
        }
        let mended = entries.len();
        self.write(entries, Sync::Now).await?;
        self.wake.notify_waiters();
        Ok(mended)
    }
}
