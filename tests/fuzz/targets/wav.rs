//! Any bytes as a WAV file.
#![no_main]

#[path = "../../drivers/wav.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    driver::run(input);
});
