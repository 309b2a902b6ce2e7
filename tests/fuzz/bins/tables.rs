//! The fuzzer of [`vhr_fuzz::tables`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vhr_fuzz::tables::run(bytes));
