//! The fuzzer of [`vhr_fuzz::structure`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vhr_fuzz::structure::run(bytes));
