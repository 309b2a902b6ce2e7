//! One instance of a plugin: made for one batch, thrown away after it.
//!
//! What stays true: the deadline is armed and the fuel given before each entry into the plugin, its start code included;
//! and what has failed once is never entered again.

use wasmtime::{Engine, Store};

use super::TICK;
use super::fault::{Fault, Kind};
use super::limits::{Limits, Meter};
use super::log::Log;
use super::v1::{Answer, Context, Failure, Mapper, MapperPre, Payload, SourceRecord, Transform};

/// Bytes a plugin may hand to the host in one call: one answer, or one call of an import.
const ANSWER_BYTES: usize = 32 << 20;

/// What the engine keeps for us beside an instance.
pub(super) struct State {
    pub(super) log: Log,
    meter: Meter,
}

/// How a batch went.
pub(super) struct Attempt {
    pub(super) result: Result<Vec<Answer>, Failed>,
    pub(super) fuel_used: u64,
    pub(super) log: Log,
}

/// A batch that came to no end.
pub(super) struct Failed {
    /// The record it failed at, by position. None: before any record was seen.
    pub(super) at: Option<usize>,
    pub(super) fault: Fault,
}

/// Runs the records through a fresh instance. One `map-batch` call each, so that each has its own fuel and a failure
/// its place; what a plugin holds back until `finish` is found missing or out of order only there, and then the blame
/// falls on the middle of the batch: halving finds the culprit.
pub(super) fn run(plugin: &MapperPre<State>, limits: &Limits, context: &Context, records: &[SourceRecord]) -> Attempt {
    let mut session = Session::new(plugin.engine(), limits);
    let result = session.batch(plugin, context, records);
    Attempt {
        result,
        fuel_used: session.fuel_used,
        log: std::mem::take(&mut session.store.data_mut().log),
    }
}

struct Session<'a> {
    store: Store<State>,
    limits: &'a Limits,
    fuel_used: u64,
}

impl<'a> Session<'a> {
    fn new(engine: &Engine, limits: &'a Limits) -> Self {
        let state = State {
            log: Log::default(),
            meter: Meter::new(limits.memory),
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(ANSWER_BYTES);
        Self {
            store,
            limits,
            fuel_used: 0,
        }
    }

    fn batch(
        &mut self,
        plugin: &MapperPre<State>,
        context: &Context,
        records: &[SourceRecord],
    ) -> Result<Vec<Answer>, Failed> {
        let guest = self.open(plugin, context).map_err(|fault| Failed { at: None, fault })?;
        let transform = guest.vhr_mapper_transform();

        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(records.len());
        for (at, record) in records.iter().enumerate() {
            let answer = self
                .map_one(transform, record)
                .map_err(|fault| Failed { at: Some(at), fault })?;
            answers.push(answer);
        }

        let held_back = records
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| answer.is_none())
            .map(|(record, _)| record);
        let late = self.finish(transform, held_back).map_err(|fault| Failed {
            at: Some(records.len() / 2),
            fault,
        })?;
        let mut late = late.into_iter();
        Ok(answers
            .into_iter()
            .filter_map(|answer| answer.or_else(|| late.next()))
            .collect())
    }

    fn open(&mut self, plugin: &MapperPre<State>, context: &Context) -> Result<Mapper, Fault> {
        let budget = self.limits.fuel(context.config_json.len());
        self.call(budget, |store| {
            let guest = plugin.instantiate(&mut *store)?;
            let opened = guest.vhr_mapper_transform().call_open(store, context)?;
            Ok(opened.map(|()| guest))
        })
    }

    /// The answer for this record, or none if the plugin keeps it for `finish`.
    fn map_one(&mut self, transform: &Transform, record: &SourceRecord) -> Result<Option<Answer>, Fault> {
        let budget = self.limits.fuel(payload_bytes(record));
        let mut answers = self.call(budget, |store| {
            transform.call_map_batch(store, std::slice::from_ref(record))
        })?;
        match answers.pop() {
            Some(answer) if answers.is_empty() && answer.seq == record.seq => Ok(Some(answer)),
            None => Ok(None),
            Some(_) => Err(Fault::new(
                Kind::Protocol,
                "map-batch: more than one answer for a record, or one for a record not given",
            )),
        }
    }

    fn finish<'r>(
        &mut self,
        transform: &Transform,
        held_back: impl Iterator<Item = &'r SourceRecord> + Clone,
    ) -> Result<Vec<Answer>, Fault> {
        let budget = held_back
            .clone()
            .map(|record| self.limits.fuel(payload_bytes(record)))
            .fold(self.limits.fuel(0), u64::saturating_add);
        let late = self.call(budget, |store| transform.call_finish(store))?;
        if late
            .iter()
            .map(|answer| answer.seq)
            .eq(held_back.map(|record| record.seq))
        {
            return Ok(late);
        }
        Err(Fault::new(
            Kind::Protocol,
            "finish: not exactly one answer for each record still open, in order",
        ))
    }

    /// Enters the plugin once, with this much fuel.
    fn call<R>(
        &mut self,
        budget: u64,
        enter: impl FnOnce(&mut Store<State>) -> wasmtime::Result<Result<R, Failure>>,
    ) -> Result<R, Fault> {
        let ticks = self.limits.deadline.as_millis() / TICK.as_millis();
        self.store.set_epoch_deadline(ticks as u64 + 1);
        let entered = self.store.set_fuel(budget).and_then(|()| enter(&mut self.store));
        self.fuel_used += budget - self.store.get_fuel().unwrap_or(0).min(budget);
        match entered {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(failure)) => Err(Fault::reported(&failure)),
            Err(error) => Err(Fault::of(&error, self.store.data().meter.denied)),
        }
    }
}

fn payload_bytes(record: &SourceRecord) -> usize {
    match &record.payload {
        Payload::Json(text) | Payload::Text(text) => text.len(),
        Payload::Bytes(bytes) => bytes.len(),
    }
}
