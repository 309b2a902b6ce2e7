//! Contract v1 (`wit/v1/mapper.wit`) on the host's side: its types, and the two interfaces a plugin may import.
//!
//! What stays true: an import gives a plugin nothing but what it was handed. Each call is bounded and paid for in fuel,
//! because the engine itself does not count the time spent here.

use wasmtime::component::Linker;
use wasmtime::{StoreContextMut, Trap};

use super::session::State;
use bindings::vhr::mapper::terminology::Concept;

pub(super) use bindings::exports::vhr::mapper::transform::Guest as Transform;
pub(super) use bindings::vhr::mapper::types::Failure;
pub use bindings::vhr::mapper::types::{
    Answer, Claim, Context, FhirResource, Issue, Kv, Mapped, Outcome, Payload, SourceRecord, Table, Visit,
};
pub(super) use bindings::{Mapper, MapperPre};

mod bindings {
    #![allow(missing_docs, unreachable_pub, reason = "generated from the contract")]
    wasmtime::component::bindgen!({
        path: "../wit/v1",
        world: "mapper",
        additional_derives: [Clone, PartialEq, Eq],
    });
}

/// Fuel for one call of an import, whatever it carries.
const FUEL_PER_CALL: u64 = 5_000;
/// Fuel for each byte handed to an import.
const FUEL_PER_BYTE: u64 = 10;
/// Fuel for each code to be translated.
const FUEL_PER_CODE: u64 = 500;

/// Gives the linker what contract v1 promises to plugins.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    // Only types, but a component imports them by name all the same.
    linker.instance("vhr:mapper/types@1.0.0")?;

    linker.instance("vhr:mapper/host@1.0.0")?.func_wrap(
        "log",
        |mut store: StoreContextMut<'_, State>, (level, message, fields): (String, String, Vec<Kv>)| {
            let carried = fields.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
            pay(&mut store, message.len() + carried, 0)?;
            store.data_mut().log.add(&level, &message, &fields);
            Ok(())
        },
    )?;

    linker.instance("vhr:mapper/terminology@1.0.0")?.func_wrap(
        "translate",
        |mut store: StoreContextMut<'_, State>, (map, codes): (String, Vec<String>)| {
            let carried = map.len() + codes.iter().map(String::len).sum::<usize>();
            pay(&mut store, carried, codes.len())?;
            // No concept map is shipped with the agent yet: every code is unknown, which a plugin must be ready for.
            Ok((vec![None::<Concept>; codes.len()],))
        },
    )
}

/// Takes the fuel for one call of an import; without enough of it the call ends like any other that ran out.
fn pay(store: &mut StoreContextMut<'_, State>, bytes: usize, codes: usize) -> wasmtime::Result<()> {
    let price = FUEL_PER_CALL + FUEL_PER_BYTE * bytes as u64 + FUEL_PER_CODE * codes as u64;
    let left = store.get_fuel()?.checked_sub(price);
    store.set_fuel(left.unwrap_or(0))?;
    left.map(drop).ok_or_else(|| Trap::OutOfFuel.into())
}
