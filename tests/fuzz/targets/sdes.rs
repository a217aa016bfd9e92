//! Any text as a crypto attribute.
#![no_main]

#[path = "../../drivers/sdes.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|input: &str| {
    driver::run(input);
});
