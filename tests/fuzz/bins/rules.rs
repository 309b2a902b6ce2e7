//! The fuzzer of [`vhr_fuzz::rules`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vhr_fuzz::rules::run(bytes));
