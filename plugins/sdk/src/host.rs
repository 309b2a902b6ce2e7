//! The two things a plugin may ask the agent for while it maps: a line in the log, and a look into a code map.
//!
//! Outside WebAssembly there is no agent: log lines go nowhere and no code is known, so that tests stay pure.

/// A concept the agent found for a code.
pub use crate::bindings::vhr::mapper::terminology::Concept;

/// Writes a line to the agent's log. Never put values of a record into it: field names and counts only.
pub fn log(level: &str, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::vhr::mapper::host::log(level, message, &[]);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (level, message);
}

/// Translates codes by a concept map the agent holds; `None` where it knows no target. Order is kept.
pub fn translate(concept_map: &str, codes: &[String]) -> Vec<Option<Concept>> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::vhr::mapper::terminology::translate(concept_map, codes);
    #[cfg(not(target_arch = "wasm32"))]
    {
        let _ = concept_map;
        vec![None; codes.len()]
    }
}
