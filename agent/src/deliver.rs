//! One loop per endpoint: due? send, learn the outcome, write it down.
//!
//! A silent endpoint delays no other: each has its own loop, its own connections, its own breaker and ramp. Between intake and here
//! passes a wake-up, never data: whatever it loses, the queue finds again.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;
use vhr_core::believe::Clocks;
use vhr_core::config::{self, Signed};
use vhr_core::delivery::{InDoubt, ReasonKind, State};
use vhr_core::id::{DeliveryId, EndpointId, ExportId};
use vhr_core::line::{Allowed, Line};
use vhr_core::outage::{Kind, What};
use vhr_core::record::{ClaimForm, Record};
use vhr_core::retry::{Failure, FailureKind, Outcome, RetryPolicy};
use vhr_core::said;
use vhr_core::say::Said;
use vhr_core::schedule::Schedule;
use vhr_core::time::Timestamp;

use crate::clock;
use crate::endpoint::{Parcel, Takes, Wire, again};
use crate::journal::Sync;
use crate::outages::Outages;
use crate::queue::{self, Queue, RecordPlace, Taken};
use crate::report;
use crate::spool::{self, Batch, Spool};

mod full;
mod shared;

use full::Full;
use shared::Shared;

/// However long nothing is due, the clock is looked at again after this: it may have been set, or the machine have slept.
const NAP: Duration = Duration::from_secs(60);
/// When stopping, what is on its way is given this long to come back.
const DRAIN: Duration = Duration::from_secs(20);
/// `--once` waits so long for a delivery that is to be tried again soon.
const PATIENCE: Duration = Duration::from_secs(6);
/// A person's wish to have it tried again counts once in this time: many wishes are one, and wrong passwords lock accounts.
const ASKED: Duration = Duration::from_secs(60);
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
    /// How much the endpoint is trusted with.
    pub line: Line,
    /// Why the last attempt failed, while it is the last.
    pub trouble: Option<String>,
}

/// The deliveries of one endpoint.
#[derive(Debug)]
pub struct Courier {
    endpoint: EndpointId,
    wire: Wire,
    in_doubt: InDoubt,
    policy: RetryPolicy,
    schedule: Schedule,
    signed: Signed,
    queue: Arc<Queue>,
    spool: Spool,
    outages: Arc<Outages>,
    /// The batch read last, and when: deliveries of one export follow each other.
    open_batch: Mutex<Option<(ExportId, u64, Batch)>>,
    pulse: Mutex<Pulse>,
}

/// Attempts under way. An outcome is missing when the record could not be read, and all is over when nothing can be
/// written down any more.
type Attempts = JoinSet<(Taken, Result<Result<Outcome, spool::Error>, queue::Error>)>;

impl Courier {
    /// For the endpoint as configured.
    pub fn new(
        endpoint: &config::Endpoint,
        wire: Wire,
        queue: Arc<Queue>,
        spool: Spool,
        outages: Arc<Outages>,
    ) -> Self {
        Self {
            endpoint: EndpointId::new(&endpoint.name),
            wire,
            in_doubt: endpoint.in_doubt,
            policy: RetryPolicy::default(),
            schedule: endpoint.schedule.clone(),
            signed: endpoint.signed(),
            queue,
            spool,
            outages,
            open_batch: Mutex::new(None),
            pulse: Mutex::new(Pulse {
                line: Line::new(usize::try_from(endpoint.in_flight).unwrap_or(1), endpoint.seed),
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
        let mut disk = Full::default();
        while let Err(e) = self.put_in_order(began).await {
            if !e.is_full() || until != Until::Stopped {
                return Err(e);
            }
            self.disk_full(&mut disk);
            tokio::select! {
                () = tokio::time::sleep(disk.nap()) => {}
                _ = stop.changed() => return Ok(()),
            }
        }
        let mut clocks = Clocks::new(began, Duration::ZERO);
        let (steady, mut asked) = (Instant::now(), None::<Instant>);
        let (mut put_back, patience) = (false, (until != Until::Stopped).then_some(DRAIN));
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
            put_back |= clocks.put_back(now, steady.elapsed());
            if put_back {
                put_back = self.reclock(now).await?;
            }
            if self.queue.take_asked(&self.endpoint) && asked.is_none_or(|at| at.elapsed() >= ASKED) {
                asked = Some(Instant::now());
                self.lock_pulse().line.try_now();
            }
            let allowed = self.lock_pulse().line.allows(now);
            let room = match allowed {
                _ if disk.lasts(Instant::now()) => 0,
                Allowed::UpTo(at_once) => at_once.saturating_sub(attempts.len()),
                Allowed::One => 1usize.saturating_sub(attempts.len()),
                Allowed::NoneBefore(_) => 0,
            };
            let taken = if room > 0 && settling.len() < SETTLING && !*stop.borrow() {
                // A record that finds no room holds back those behind it: else it might wait for ever.
                let mut full = false;
                let shares = matches!(self.wire.takes(), Takes::Bundle(_));
                let may_go = |place: &RecordPlace| {
                    let size = u64::from(place.row.size);
                    full |= shared.bytes > 0 && shared.bytes + size > MEMORY;
                    let goes = !full && (!shares || shared.reserve(&place.row.shares));
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
                    self.lock_pulse().line.probe_started();
                }
                let courier = Arc::clone(&self);
                attempts.spawn(courier.attempt_alone(taken));
            }
            if took > 0 && took == room {
                continue;
            }
            if attempts.is_empty() && settling.is_empty() && took == 0 {
                if *stop.borrow() {
                    return Ok(());
                }
                if let Until::Idle { .. } = until {
                    if disk.nap() > PATIENCE {
                        return Ok(());
                    }
                    let next = match allowed {
                        Allowed::NoneBefore(until) => Some(until),
                        _ => self.queue.next_due(&self.endpoint),
                    };
                    if next.is_none_or(|next| next > clock::now().plus(PATIENCE)) {
                        return Ok(());
                    }
                }
            }
            let nap = match disk.lasts(Instant::now()) {
                true => disk.nap(),
                false => self.nap(now, allowed, attempts.len() + settling.len() > 0),
            };
            tokio::select! {
                Some(ended) = attempts.join_next() => {
                    let Ok((taken, outcome)) = ended else { continue };
                    let outcome = match outcome {
                        Err(e) if e.is_full() => {
                            self.not_begun(&taken, &mut shared);
                            self.disk_full(&mut disk);
                            continue;
                        }
                        outcome => outcome?,
                    };
                    if disk.over() {
                        self.outages.answered(What::Disk, "journal");
                    }
                    self.release(&taken, &outcome, &mut shared);
                    if matches!(outcome, Ok(Outcome::Accepted(_))) {
                        last_pass = clock::now();
                    }
                    let courier = Arc::clone(&self);
                    settling.spawn(async move { courier.settle(taken, outcome, last_pass, patience).await });
                }
                Some(settled) = settling.join_next() => {
                    settled.unwrap_or(Err(queue::Error::Panic))?;
                }
                () = woken => {}
                () = tokio::time::sleep(nap) => {}
                _ = stop.changed() => self.drain(&mut attempts, &mut settling, &mut shared, last_pass).await?,
            }
        }
    }

    /// What a stop or a wrong clock left behind.
    async fn put_in_order(&self, now: Timestamp) -> Result<(), queue::Error> {
        let recovered = self
            .queue
            .recover(&self.endpoint, self.in_doubt, &self.policy, now)
            .await?;
        if recovered > 0 {
            tracing::warn!(endpoint = %self.endpoint, recovered, "deliveries were on their way at the last stop");
        }
        self.bring_back(now).await
    }

    async fn bring_back(&self, now: Timestamp) -> Result<(), queue::Error> {
        let window = self.schedule.next_window(now);
        let brought = self.queue.reclock(&self.endpoint, &self.policy, window, now).await?;
        if brought > 0 {
            tracing::warn!(endpoint = %self.endpoint, brought, "deliveries waited by a clock that was wrong; they are due by the present one");
        }
        Ok(())
    }

    /// The clock was put back. Says whether that is still to be dealt with.
    async fn reclock(&self, now: Timestamp) -> Result<bool, queue::Error> {
        match self.bring_back(now).await {
            Err(e) if e.is_full() => Ok(true),
            done => done.map(|()| false),
        }
    }

    /// An attempt on a task of its own: one that panics is a bug of ours, and leaves doubt whether it was sent.
    async fn attempt_alone(
        self: Arc<Self>,
        taken: Taken,
    ) -> (Taken, Result<Result<Outcome, spool::Error>, queue::Error>) {
        // Dropped with this one, it is stopped.
        let mut alone = JoinSet::new();
        let attempted = taken.clone();
        alone.spawn(async move { self.attempt(&attempted).await });
        let outcome = match alone.join_next().await {
            Some(Ok(outcome)) => outcome,
            _ => Ok(Ok(Outcome::Unclear(Failure {
                kind: FailureKind::OurSide,
                at: clock::now(),
                text: panicked(),
            }))),
        };
        (taken, outcome)
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
            Ok(Ok(parcel)) => Ok(self.wire.send(&parcel).await),
            Ok(Err((kind, why))) => Ok(Outcome::Withheld(kind, why.to_string())),
            Err(e) if e.may_pass() => Ok(again(FailureKind::OurSide, None, report::chain(&e))),
            Err(e) => Err(e),
        })
    }

    /// What to send, or why nothing is sent.
    fn parcel(&self, taken: &Taken) -> Result<Result<Parcel, (ReasonKind, Said)>, spool::Error> {
        let place = &taken.place;
        let mut record = self.record(place)?;
        if let Some(why) = self.signed.withholds(&record.head) {
            return Ok(Err((ReasonKind::Unsigned, why)));
        }
        if let Takes::Bundle(profile) = self.wire.takes()
            && let Some(why) = record.head.no_bundle.remove(profile)
        {
            return Ok(Err((ReasonKind::NoBundle, why)));
        }
        let (content, note) = match (self.wire.takes(), record.head.claim) {
            (Takes::Bundle(profile), _) => (record.bundles.remove(profile).map(String::into_bytes), None),
            (Takes::Claim, ClaimForm::AsReceived) => (Some(self.spool.export_bytes(place.export)?), None),
            (Takes::Claim, ClaimForm::Envelope { why }) => (record.envelope, Some(why)),
            (Takes::CheckIn, ClaimForm::CheckIn { why: None }) => (Some(self.spool.export_bytes(place.export)?), None),
            (Takes::CheckIn, ClaimForm::CheckIn { why }) => (record.envelope, why),
            (Takes::Claim | Takes::CheckIn, _) => (None, None),
        };
        Ok(Ok(Parcel {
            delivery: taken.id.clone(),
            facility: record.head.key.facility,
            content: content.map(Bytes::from),
            note,
        }))
    }

    fn record(&self, place: &RecordPlace) -> Result<Record, spool::Error> {
        let mut open = self.open_batch.lock().expect("nothing panics while holding it");
        let generation = self.spool.generation();
        let batch = match open.as_mut() {
            Some((export, opened, batch)) if *export == place.export && *opened == generation => batch,
            _ => {
                &mut open
                    .insert((place.export, generation, self.spool.batch(place.export)?))
                    .2
            }
        };
        batch.record(place.row.record, place.row.offset, place.row.length)
    }

    /// The attempt could not even begin.
    fn not_begun(&self, taken: &Taken, shared: &mut Shared) {
        shared.release(&taken.place.row.shares, false);
        shared.bytes = shared.bytes.saturating_sub(taken.place.row.size.into());
        self.lock_pulse().line.not_told();
        self.queue.release(&taken.id);
    }

    fn disk_full(&self, full: &mut Full) {
        if full.again(Instant::now()) {
            tracing::error!(endpoint = %self.endpoint, "the disk is full; nothing is sent until there is room");
        }
        self.lock_pulse().trouble = Some(full_disk());
        self.outages.failed(What::Disk, "journal", Kind::DiskFull, 1);
    }

    /// Lets go of what the attempt had reserved, and tells the breaker how it went.
    fn release(&self, taken: &Taken, outcome: &Result<Outcome, spool::Error>, shared: &mut Shared) {
        shared.release(&taken.place.row.shares, matches!(outcome, Ok(Outcome::Accepted(_))));
        shared.bytes = shared.bytes.saturating_sub(taken.place.row.size.into());
        let failed = match outcome {
            Ok(Outcome::TryAgain { failure, .. } | Outcome::Unclear(failure)) => Kind::of(failure.kind),
            Ok(Outcome::Withheld(..)) | Err(_) => None,
            Ok(_) => {
                self.outages.answered(What::Endpoint, self.endpoint.as_str());
                None
            }
        };
        if let Some(kind) = failed {
            self.outages.failed(What::Endpoint, self.endpoint.as_str(), kind, 1);
        }
        let mut pulse = self.lock_pulse();
        match outcome {
            Ok(Outcome::Withheld(..)) | Err(_) => pulse.line.not_told(),
            Ok(Outcome::Accepted(_) | Outcome::Refused(..) | Outcome::TooLarge(..)) => {
                pulse.line.answered();
                pulse.trouble = None;
            }
            Ok(Outcome::TryAgain { failure, after }) => pulse.failed(failure, *after),
            Ok(Outcome::Unclear(failure)) => pulse.failed(failure, None),
        }
    }

    /// Writes down what became of an attempt. What is known is not forgotten because the disk is full: it is tried again, for as
    /// long as there is patience.
    async fn settle(
        &self,
        taken: Taken,
        outcome: Result<Outcome, spool::Error>,
        last_pass: Timestamp,
        patience: Option<Duration>,
    ) -> Result<(), queue::Error> {
        let now = clock::now();
        // Those that went before it count too: with one at a time none goes beside it. An outage is longer than that.
        let lately = last_pass.plus(self.policy.longest);
        let others_pass = matches!(taken.state, State::Sending { since, .. } if lately > since);
        let policy = RetryPolicy {
            seed: seed(&taken.id),
            ..self.policy.clone()
        };
        let mut hurt = false;
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
                hurt = true;
                State::park(ReasonKind::Damaged, report::chain(&e), now)
            }
        };
        let name = state.name();
        let (mut full, began) = (Full::default(), Instant::now());
        while let Err(e) = self.queue.settle(&taken.id, state.clone(), now).await {
            if !e.is_full() || patience.is_some_and(|patience| began.elapsed() > patience) {
                return Err(e);
            }
            self.disk_full(&mut full);
            tokio::time::sleep(full.nap()).await;
        }
        if full.over() {
            self.outages.answered(What::Disk, "journal");
        }
        match name {
            "delivered" => tracing::debug!(delivery = taken.id.short(), "delivered"),
            other => tracing::info!(delivery = taken.id.short(), state = other, "not delivered"),
        }
        if hurt {
            self.queue.hurt(taken.place.export);
        }
        Ok(())
    }

    fn nap(&self, now: Timestamp, allowed: Allowed, busy: bool) -> Duration {
        let next = match allowed {
            Allowed::NoneBefore(until) => Some(until),
            // What is due already and not taken waits for something that is on its way.
            _ => self.queue.next_due(&self.endpoint).filter(|next| *next > now || !busy),
        };
        next.map_or(NAP, |next| next.since(now))
            .clamp(Duration::from_millis(20), NAP)
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
                let Ok((taken, outcome)) = ended else { continue };
                match outcome {
                    Err(e) if e.is_full() => self.not_begun(&taken, shared),
                    outcome => {
                        let outcome = outcome?;
                        self.release(&taken, &outcome, shared);
                        let courier = Arc::clone(self);
                        settling.spawn(async move { courier.settle(taken, outcome, last_pass, None).await });
                    }
                }
            }
            while let Some(settled) = settling.join_next().await {
                settled.unwrap_or(Err(queue::Error::Panic))?;
            }
            Ok(())
        };
        match tokio::time::timeout(DRAIN, all_back).await {
            Ok(drained) => drained,
            Err(_) => {
                attempts.shutdown().await;
                settling.shutdown().await;
                Ok(())
            }
        }
    }

    fn lock_pulse(&self) -> std::sync::MutexGuard<'_, Pulse> {
        self.pulse.lock().expect("nothing panics while holding it")
    }
}

impl Pulse {
    fn failed(&mut self, failure: &Failure, wish: Option<Duration>) {
        match failure.kind {
            FailureKind::OurSide => self.line.not_told(),
            _ => self.line.failed(failure, wish, clock::now()),
        }
        self.trouble = Some(failure.text.clone());
    }
}

fn seed(id: &DeliveryId) -> u64 {
    u64::from_le_bytes(id.record.as_bytes()[..8].try_into().expect("eight of sixteen bytes"))
}

fn panicked() -> String {
    said!(
        "chương trình bị lỗi khi gửi hồ sơ này: hãy báo cho nhóm phát triển",
        "the agent failed while it sent this record: please report it"
    )
    .to_string()
}

fn full_disk() -> String {
    said!(
        "ổ đĩa đầy, không gửi được vì không ghi được nhật ký: giải phóng chỗ trên ổ đĩa, chương trình tự làm tiếp",
        "the disk is full and nothing is sent, for it could not be written down: make room on the disk, and all goes on by itself"
    )
    .to_string()
}

#[cfg(test)]
mod tests;
