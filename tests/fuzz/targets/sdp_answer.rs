//! Bytes as the wishes of two sides that negotiate, and what happens to their descriptions on the way.
#![no_main]

#[path = "../../drivers/bytes.rs"]
mod bytes;
#[path = "../../drivers/sdp_answer.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    driver::run(input);
});
