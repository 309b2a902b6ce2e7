//! Steps that come neither of an attempt nor of an export: what a wrong clock left behind is brought back, an attempt that never
//! began is let go, an outage is written down, and a person's wish to have an endpoint tried is passed on.

use vhr_core::believe;
use vhr_core::id::{DeliveryId, EndpointId};
use vhr_core::outage::Outage;
use vhr_core::retry::RetryPolicy;
use vhr_core::time::Timestamp;

use super::{DeliveryRow, Error, Queue, step};
use crate::journal::{self, Entry, Sync};

impl Queue {
    /// Brings back what waits for longer than the rules allow: it was decided under a clock that was wrong. `window` is the
    /// endpoint's next one. Asked at start, and when the clock was put back.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn reclock(
        &self,
        endpoint: &EndpointId,
        policy: &RetryPolicy,
        window: Timestamp,
        now: Timestamp,
    ) -> Result<usize, Error> {
        let _one_at_a_time = self.steps.lock().await;
        let mut entries = Vec::new();
        let is_far = |row: &DeliveryRow| believe::brought_back(&row.state, policy, window, now).is_some();
        for (id, row) in self.open_at(endpoint, is_far) {
            if self.lock_busy().contains(&id) {
                continue;
            }
            // The words of the last failure are in the journal only.
            let state = self.full_state(&id, &row);
            if let Some(state) = believe::brought_back(&state, policy, window, now) {
                entries.push(step(&id, now, &state));
            }
        }
        let brought = entries.len();
        self.write(entries, Sync::Now).await?;
        Ok(brought)
    }

    /// Lets go of a chosen delivery whose attempt never began: it waits as before.
    pub fn release(&self, id: &DeliveryId) {
        self.lock_busy().remove(id);
        self.wake.notify_waiters();
    }

    /// Writes down that outages began or ended.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn outages(&self, outages: Vec<Outage>) -> Result<(), Error> {
        self.write(outages.into_iter().map(Entry::Outage).collect(), Sync::Now)
            .await
    }

    /// Whether a person asked for another try at this endpoint since this was last asked.
    pub fn take_asked(&self, endpoint: &EndpointId) -> bool {
        self.asked
            .lock()
            .expect("nothing panics while holding it")
            .remove(endpoint)
    }
}

#[cfg(test)]
impl Queue {
    /// As if the disk were full, or not.
    pub(crate) fn set_full(&self, full: bool) {
        self.journal.full.store(full, std::sync::atomic::Ordering::SeqCst);
    }

    /// All that was written down.
    pub(crate) fn told_entries(&self) -> Vec<Entry> {
        let entries = self.journal.entries(journal::Position::default()).unwrap();
        entries.map(|placed| placed.unwrap().entry).collect()
    }
}

impl Error {
    /// The disk is full: nothing was written, and it may be tried again.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Journal(journal::Error::Full))
    }
}
