//! Bytes cut into datagrams, live messages, commands and time: the whole agent keeps its contract.
#![no_main]

#[path = "../../agents/mod.rs"]
mod agents;
#[path = "../../drivers/bytes.rs"]
mod bytes;
#[path = "../../drivers/agent.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| driver::run(bytes));
