//! Bytes cut into telephone-events, audio and time.
#![no_main]

#[path = "../../drivers/bytes.rs"]
mod bytes;
#[path = "../../drivers/dtmf.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| driver::run(bytes));
