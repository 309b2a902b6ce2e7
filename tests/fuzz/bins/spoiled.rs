//! The fuzzer of [`vhr_fuzz::spoiled`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vhr_fuzz::spoiled::run(bytes));
