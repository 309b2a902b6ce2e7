//! The fuzzer of [`vhr_fuzz::frame`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vhr_fuzz::frame::run(bytes));
