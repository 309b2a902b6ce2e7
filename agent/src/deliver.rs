//! One loop per endpoint: due? send, learn the outcome, write it down.
//!
//! A silent endpoint delays no other: each has its own loop, its own connections, its own breaker. Between intake and here
//! passes a wake-up, never data: whatever it loses, the queue finds again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;
use vhr_core::config;
use vhr_core::delivery::{InDoubt, ReasonKind, State};
use vhr_core::id::{DeliveryId, EndpointId, ExportId};
use vhr_core::record::{ClaimForm, Record};
use vhr_core::retry::{Allowed, Breaker, FailureKind, Outcome, RetryPolicy};
use vhr_core::time::Timestamp;

use crate::clock;
use crate::endpoint::{Parcel, Takes, Wire, again};
use crate::journal::Sync;
use crate::queue::{self, Queue, RecordPlace, Taken};
use crate::report;
use crate::spool::{self, Batch, Spool};

/// However long nothing is due, the clock is looked at again after this: it may have been set, or the machine have slept.
const NAP: Duration = Duration::from_secs(60);
/// When stopping, what is on its way is given this long to come back.
const DRAIN: Duration = Duration::from_secs(20);
/// `--once` waits so long for a delivery that is to be tried again soon.
const PATIENCE: Duration = Duration::from_secs(6);
/// Steps being written down side by side; they share each sync.
const SETTLING: usize = 256;

/// Records on their way to one endpoint are together no larger than this, in bytes, unless a single one is.
const MEMORY: u64 = 32 * 1024 * 1024;

/// How long the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// It is told to stop.
    Stopped,
    /// Nothing is due any more. With `at_once`, what waits for a window is sent too.
    Idle {
        /// Whatever the schedule says.
        at_once: bool,
    },
}

/// What the status shows of a loop.
#[derive(Debug, Clone)]
pub struct Pulse {
    /// The breaker.
    pub breaker: Breaker,
    /// Why the last attempt failed, while it is the last.
    pub trouble: Option<String>,
}

/// The deliveries of one endpoint.
#[derive(Debug)]
pub struct Courier {
    endpoint: EndpointId,
    wire: Wire,
    in_flight: usize,
    in_doubt: InDoubt,
    policy: RetryPolicy,
    queue: Arc<Queue>,
    spool: Spool,
    /// The batch read last: deliveries of one export follow each other.
    open_batch: Mutex<Option<(ExportId, Batch)>>,
    pulse: Mutex<Pulse>,
}

/// Attempts under way. An outcome is missing when the record could not be read, and all is over when nothing can be
/// written down any more.
type Attempts = JoinSet<(Taken, Result<Result<Outcome, spool::Error>, queue::Error>)>;

/// What of the resources that visits share is on its way, and what is known to be there.
#[derive(Debug, Default)]
struct Shared {
    flying: HashSet<u64>,
    there: HashSet<u64>,
    /// What the records on their way come to.
    bytes: u64,
}

impl Courier {
    /// For the endpoint as configured.
    pub fn new(endpoint: &config::Endpoint, wire: Wire, queue: Arc<Queue>, spool: Spool) -> Self {
        Self {
            endpoint: EndpointId::new(&endpoint.name),
            wire,
            in_flight: usize::try_from(endpoint.in_flight).unwrap_or(1).max(1),
            in_doubt: endpoint.in_doubt,
            policy: RetryPolicy::default(),
            queue,
            spool,
            open_batch: Mutex::new(None),
            pulse: Mutex::new(Pulse {
                breaker: Breaker::closed(),
                trouble: None,
            }),
        }
    }

    /// The endpoint's name.
    pub fn endpoint(&self) -> &EndpointId {
        &self.endpoint
    }

    /// How it goes.
    pub fn pulse(&self) -> Pulse {
        self.lock_pulse().clone()
    }

    /// Delivers until told, or until nothing is due.
    ///
    /// # Errors
    /// When the queue can no longer be written; nothing more is sent then.
    pub async fn run(self: Arc<Self>, until: Until, mut stop: watch::Receiver<bool>) -> Result<(), queue::Error> {
        let began = clock::now();
        let recovered = self
            .queue
            .recover(&self.endpoint, self.in_doubt, &self.policy, began)
            .await?;
        if recovered > 0 {
            tracing::warn!(endpoint = %self.endpoint, recovered, "deliveries were on their way at the last stop");
        }
        let at_once = (until == Until::Idle { at_once: true }).then_some(began);
        let mut attempts = Attempts::new();
        let mut settling: JoinSet<Result<(), queue::Error>> = JoinSet::new();
        let mut shared = Shared::default();
        let mut last_pass = Timestamp::from_millis(0);
        loop {
            let woken = self.queue.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let now = clock::now();
            if attempts.is_empty() {
                shared.bytes = 0; // an attempt that panicked left its own behind
            }
            let allowed = self.lock_pulse().breaker.allows(now);
            let room = match allowed {
                Allowed::All => self.in_flight.saturating_sub(attempts.len()),
                Allowed::One => 1usize.saturating_sub(attempts.len()),
                Allowed::NoneBefore(_) => 0,
            };
            let taken = if room > 0 && settling.len() < SETTLING && !*stop.borrow() {
                // A record that finds no room holds back those behind it: else it might wait for ever.
                let mut full = false;
                let takes_claims = self.wire.takes() == Takes::Claim;
                let may_go = |place: &RecordPlace| {
                    let size = u64::from(place.row.size);
                    full |= shared.bytes > 0 && shared.bytes + size > MEMORY;
                    let goes = !full && (takes_claims || shared.reserve(&place.row.shares));
                    if goes {
                        shared.bytes += size;
                    }
                    goes
                };
                self.queue.choose(&self.endpoint, now, at_once, room, may_go).await?
            } else {
                Vec::new()
            };
            let took = taken.len();
            for taken in taken {
                if allowed == Allowed::One {
                    self.lock_pulse().breaker.probe_started();
                }
                let courier = Arc::clone(&self);
                attempts.spawn(async move {
                    let outcome = courier.attempt(&taken).await;
                    (taken, outcome)
                });
            }
            if took > 0 && took == room {
                continue;
            }
            if attempts.is_empty() && settling.is_empty() && took == 0 {
                if *stop.borrow() {
                    return Ok(());
                }
                if let Until::Idle { .. } = until {
                    let next = match allowed {
                        Allowed::NoneBefore(until) => Some(until),
                        _ => self.queue.next_due(&self.endpoint)?,
                    };
                    if next.is_none_or(|next| next > clock::now().plus(PATIENCE)) {
                        return Ok(());
                    }
                }
            }
            let nap = self.nap(now, allowed, attempts.len() + settling.len() > 0)?;
            tokio::select! {
                Some(ended) = attempts.join_next() => {
                    // A panic in an attempt is a bug of ours; the delivery stays Sending and is in doubt at the next start.
                    let Ok((taken, outcome)) = ended else { continue };
                    let outcome = outcome?;
                    self.release(&taken, &outcome, &mut shared);
                    if matches!(outcome, Ok(Outcome::Accepted(_))) {
                        last_pass = clock::now();
                    }
                    let courier = Arc::clone(&self);
                    settling.spawn(async move { courier.settle(taken, outcome, last_pass).await });
                }
                Some(settled) = settling.join_next() => {
                    if let Ok(settled) = settled {
                        settled?;
                    }
                }
                () = woken => {}
                () = tokio::time::sleep(nap) => {}
                _ = stop.changed() => self.drain(&mut attempts, &mut settling, &mut shared, last_pass).await?,
            }
        }
    }

    /// One attempt: that it begins is written down, what to send is read from the spool, sent, and the answer read.
    async fn attempt(&self, taken: &Taken) -> Result<Result<Outcome, spool::Error>, queue::Error> {
        // Where doubt means asking a person, that we are about to send must be on disk before we do.
        let sync = if self.in_doubt == InDoubt::Ask {
            Sync::Now
        } else {
            Sync::Later
        };
        self.queue.start(taken, sync, clock::now()).await?;
        Ok(match self.parcel(taken) {
            Ok(parcel) => Ok(self.wire.send(&parcel).await),
            Err(e) if e.may_pass() => Ok(again(FailureKind::OurSide, None, report::chain(&e))),
            Err(e) => Err(e),
        })
    }

    fn parcel(&self, taken: &Taken) -> Result<Parcel, spool::Error> {
        let place = &taken.place;
        let mut record = self.record(place)?;
        let (content, note) = match (self.wire.takes(), record.head.claim) {
            (Takes::Bundle(profile), _) => (record.bundles.remove(profile).map(String::into_bytes), None),
            (Takes::Claim, ClaimForm::AsReceived) => (Some(self.spool.export_bytes(place.export)?), None),
            (Takes::Claim, ClaimForm::Envelope { why }) => (record.envelope, Some(why)),
            (Takes::Claim, ClaimForm::SignedSeveral | ClaimForm::None) => (None, None),
        };
        Ok(Parcel {
            delivery: taken.id.clone(),
            facility: record.head.key.facility,
            content: content.map(Bytes::from),
            note,
        })
    }

    fn record(&self, place: &RecordPlace) -> Result<Record, spool::Error> {
        let mut open = self.open_batch.lock().expect("nothing panics while holding it");
        let batch = match open.as_mut() {
            Some((export, batch)) if *export == place.export => batch,
            _ => &mut open.insert((place.export, self.spool.batch(place.export)?)).1,
        };
        batch.record(place.row.record, place.row.offset, place.row.length)
    }

    /// Lets go of what the attempt had reserved, and tells the breaker how it went.
    fn release(&self, taken: &Taken, outcome: &Result<Outcome, spool::Error>, shared: &mut Shared) {
        shared.release(&taken.place.row.shares, matches!(outcome, Ok(Outcome::Accepted(_))));
        shared.bytes = shared.bytes.saturating_sub(taken.place.row.size.into());
        let mut pulse = self.lock_pulse();
        match outcome {
            Err(_) => pulse.breaker.not_told(),
            Ok(Outcome::Accepted(_)) => {
                pulse.breaker.answered();
                pulse.trouble = None;
            }
            Ok(Outcome::Refused(_)) => pulse.breaker.answered(),
            Ok(Outcome::TryAgain { failure, .. } | Outcome::Unclear(failure)) => {
                match failure.kind {
                    FailureKind::OurSide => pulse.breaker.not_told(),
                    _ => pulse.breaker.failed(clock::now()),
                }
                pulse.trouble = Some(failure.text.clone());
            }
        }
    }

    async fn settle(
        &self,
        taken: Taken,
        outcome: Result<Outcome, spool::Error>,
        last_pass: Timestamp,
    ) -> Result<(), queue::Error> {
        let now = clock::now();
        let others_pass = matches!(taken.state, State::Sending { since, .. } if last_pass > since);
        let policy = RetryPolicy {
            seed: seed(&taken.id),
            ..self.policy.clone()
        };
        let state = match outcome {
            Ok(outcome) => taken
                .state
                .after_attempt(outcome, self.in_doubt, &policy, others_pass, now)
                .map_err(|e| queue::Error::Step(taken.id.clone(), e))?,
            Err(e @ spool::Error::TooLarge { .. }) => State::park(ReasonKind::TooLarge, report::chain(&e), now),
            Err(e) => {
                tracing::error!(
                    delivery = taken.id.short(),
                    why = report::chain(&e),
                    "a sealed record does not read"
                );
                State::park(ReasonKind::Damaged, report::chain(&e), now)
            }
        };
        let (arrived, name) = (matches!(state, State::Delivered(_)), state.name());
        self.queue.settle(&taken.id, state, now).await?;
        // Said once it is on disk, not before.
        match arrived {
            true => tracing::debug!(delivery = taken.id.short(), "delivered"),
            false => tracing::info!(delivery = taken.id.short(), state = name, "not delivered"),
        }
        Ok(())
    }

    fn nap(&self, now: Timestamp, allowed: Allowed, busy: bool) -> Result<Duration, queue::Error> {
        let next = match allowed {
            Allowed::NoneBefore(until) => Some(until),
            // What is due already and not taken waits for something that is on its way.
            _ => self.queue.next_due(&self.endpoint)?.filter(|next| *next > now || !busy),
        };
        Ok(next
            .map_or(NAP, |next| next.since(now))
            .clamp(Duration::from_millis(20), NAP))
    }

    /// Nothing new is begun; what is on its way may come back, up to the deadline. What does not is in doubt at the next start.
    async fn drain(
        self: &Arc<Self>,
        attempts: &mut Attempts,
        settling: &mut JoinSet<Result<(), queue::Error>>,
        shared: &mut Shared,
        last_pass: Timestamp,
    ) -> Result<(), queue::Error> {
        let all_back = async {
            while let Some(ended) = attempts.join_next().await {
                if let Ok((taken, outcome)) = ended {
                    let outcome = outcome?;
                    self.release(&taken, &outcome, shared);
                    self.settle(taken, outcome, last_pass).await?;
                }
            }
            while let Some(settled) = settling.join_next().await {
                if let Ok(settled) = settled {
                    settled?;
                }
            }
            Ok(())
        };
        match tokio::time::timeout(DRAIN, all_back).await {
            Ok(drained) => drained,
            Err(_) => {
                attempts.shutdown().await;
                Ok(())
            }
        }
    }

    fn lock_pulse(&self) -> std::sync::MutexGuard<'_, Pulse> {
        self.pulse.lock().expect("nothing panics while holding it")
    }
}

impl Shared {
    /// Reserves what a record shares with others, if nobody else on his way writes it too. What is only made when absent, and
    /// is known to be there, needs no reserving. (The lowest bit of a share says that each Bundle changes it.)
    fn reserve(&mut self, shares: &[u64]) -> bool {
        let needed = |share: &&u64| *share & 1 == 1 || !self.there.contains(*share);
        let needed: Vec<u64> = shares.iter().filter(needed).copied().collect();
        if needed.iter().any(|share| self.flying.contains(share)) {
            return false;
        }
        self.flying.extend(needed);
        true
    }

    fn release(&mut self, shares: &[u64], arrived: bool) {
        // Bounded: forgetting only means to be careful once more.
        if self.there.len() > 100_000 {
            self.there.clear();
        }
        for share in shares {
            self.flying.remove(share);
            if arrived && share & 1 == 0 {
                self.there.insert(*share);
            }
        }
    }
}

fn seed(id: &DeliveryId) -> u64 {
    u64::from_le_bytes(id.record.as_bytes()[..8].try_into().expect("eight of sixteen bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: u64 = 0x11;
    const ORGANIZATION: u64 = 0x20;

    #[test]
    fn two_visits_of_one_patient_are_never_on_their_way_together() {
        let mut shared = Shared::default();
        assert!(shared.reserve(&[PATIENT]));
        assert!(!shared.reserve(&[PATIENT]));
        shared.release(&[PATIENT], true);
        assert!(shared.reserve(&[PATIENT]));
        assert!(!shared.reserve(&[PATIENT]));
    }

    #[test]
    fn the_first_visit_that_brings_an_organization_goes_alone_and_all_others_after_it() {
        let mut shared = Shared::default();
        assert!(shared.reserve(&[ORGANIZATION, PATIENT]));
        assert!(!shared.reserve(&[ORGANIZATION, 0x33]));
        shared.release(&[ORGANIZATION, PATIENT], true);
        assert!(shared.reserve(&[ORGANIZATION, PATIENT]));
        assert!(shared.reserve(&[ORGANIZATION, 0x33]));
    }

    #[test]
    fn an_organization_whose_first_visit_failed_is_brought_by_one_alone_again() {
        let mut shared = Shared::default();
        assert!(shared.reserve(&[ORGANIZATION]));
        shared.release(&[ORGANIZATION], false);
        assert!(shared.reserve(&[ORGANIZATION]));
        assert!(!shared.reserve(&[ORGANIZATION]));
    }
}
