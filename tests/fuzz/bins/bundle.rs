//! The fuzzer of [`vhr_fuzz::bundle`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vhr_fuzz::bundle::run(bytes));
