//! The fuzzer of [`vhr_fuzz::packs`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vhr_fuzz::packs::run(bytes));
