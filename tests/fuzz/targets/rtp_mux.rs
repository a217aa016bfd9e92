//! Bytes cut into datagrams, peers and time: streams behind a demultiplexer keep their contract.
#![no_main]

#[path = "../../drivers/bytes.rs"]
mod bytes;
#[path = "../../drivers/rtp_mux.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| driver::run(bytes));
