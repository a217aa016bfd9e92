//! Any bytes as one packet on a media port.
#![no_main]

#[path = "../../drivers/rtp.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    driver::run(bytes);
});
