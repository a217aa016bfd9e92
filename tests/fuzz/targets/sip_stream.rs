//! Any bytes as a stream of SIP messages.
#![no_main]

#[path = "../../drivers/stream.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    driver::run(bytes);
});
