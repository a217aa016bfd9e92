//! Bytes cut into payloads and samples, through every codec.
#![no_main]

#[path = "../../drivers/bytes.rs"]
mod bytes;
#[path = "../../drivers/codec.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| driver::run(bytes));
