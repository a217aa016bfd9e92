//! Bytes cut into packets, deadlines and what a host does: the media session keeps its contract.
#![no_main]

#[path = "../../drivers/bytes.rs"]
mod bytes;
#[path = "../../drivers/session.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| driver::run(bytes));
