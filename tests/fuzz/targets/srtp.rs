//! Bytes cut into packets and what a stranger does to them between a sender and a receiver of SRTP.
#![no_main]

#[path = "../../drivers/bytes.rs"]
mod bytes;
#[path = "../../drivers/srtp.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| driver::run(bytes));
