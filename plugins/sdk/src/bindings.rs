//! What `wit-bindgen` makes of `wit/v1`: the types of the contract, and the door through which the agent calls.
//!
//! Nothing is written by hand here. The generated code is the only unsafe code of a plugin.
#![allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]

wit_bindgen::generate!({
    world: "mapper",
    path: "../../wit/v1",
    pub_export_macro: true,
    default_bindings_module: "vhr_plugin_sdk::glue",
    additional_derives: [PartialEq, Eq],
});
