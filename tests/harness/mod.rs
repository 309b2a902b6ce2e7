//! The fake world around the real binary.

mod agent;
mod files;
mod wait;
mod world;

pub(crate) use agent::{Done, Service, build_plugin};
pub(crate) use files::{age, changed, odd, one_visit, plain, whole_keys};
pub(crate) use wait::eventually;
pub(crate) use world::{TELLING, Wish, World, files_below};
