//! The fuzzer of [`vhr_fuzz::signature`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vhr_fuzz::signature::run(bytes));
