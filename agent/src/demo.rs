//! demo
pub mod exports;
pub mod receivers;
