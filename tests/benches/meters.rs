//! The same component in engines that meter less than the agent's, to see what metering costs. Nothing stops a plugin there.

use vhr_agent::plugin::{Context, Payload, SourceRecord};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

use bindings::vhr::mapper::types;

mod bindings {
    wasmtime::component::bindgen!({ path: "../wit/v1", world: "mapper" });
}

/// A component in an engine of its own.
pub(crate) struct Metered {
    code: bindings::MapperPre<()>,
    fuel: bool,
}

impl Metered {
    /// Else as the agent's engine (`agent/src/plugin.rs`).
    pub(crate) fn new(component: &[u8], fuel: bool, epoch: bool) -> Self {
        let mut config = Config::new();
        config
            .cranelift_nan_canonicalization(true)
            .consume_fuel(fuel)
            .epoch_interruption(epoch)
            .concurrency_support(false);
        let engine = Engine::new(&config).expect("an engine");
        let component = Component::new(&engine, component).expect("it compiled in the agent's engine");
        let mut linker = Linker::new(&engine);
        linker
            .define_unknown_imports_as_traps(&component)
            .expect("the contract's imports");
        let code = linker.instantiate_pre(&component).and_then(bindings::MapperPre::new);
        Self {
            code: code.expect("it fits the contract"),
            fuel,
        }
    }

    /// A fresh instance, one call for each record: as in the agent. Gives the number of answers.
    pub(crate) fn map(&self, context: &Context, records: &[SourceRecord]) -> usize {
        let mut store = Store::new(self.code.engine(), ());
        store.set_epoch_deadline(1_000_000);
        if self.fuel {
            store.set_fuel(u64::MAX).expect("it counts fuel");
        }
        let guest = self.code.instantiate(&mut store).expect("it starts");
        let transform = guest.vhr_mapper_transform();
        let opened = transform.call_open(&mut store, &ours(context)).expect("it opens");
        opened.expect("the context is good");
        let answers = records.iter().map(|record| {
            let answers = transform.call_map_batch(&mut store, &[own(record)]).expect("it runs");
            answers.expect("a good batch").len()
        });
        let answers: usize = answers.sum();
        let late = transform.call_finish(&mut store).expect("it ends");
        answers + late.expect("nothing is held back").len()
    }
}

fn ours(context: &Context) -> types::Context {
    types::Context {
        config_json: context.config_json.clone(),
        received_at: context.received_at.clone(),
        facility: context.facility.clone(),
        profile: context.profile.clone(),
        ext: Vec::new(),
    }
}

fn own(record: &SourceRecord) -> types::SourceRecord {
    let Payload::Json(json) = &record.payload else {
        unreachable!("framed as JSON")
    };
    types::SourceRecord {
        seq: record.seq,
        locator: record.locator.clone(),
        payload: types::Payload::Json(json.clone()),
        ext: Vec::new(),
    }
}
