//! Calls over 127.0.0.1 with the codecs beyond G.711, at a host rate of 16 kHz: what is above 4 kHz arrives where the codec carries it.

mod engine_support;

use engine_support::*;
use std::f64::consts::TAU;
use std::time::Instant;
use voip::engine::{AudioFormat, PhoneConfig};

const RATE: f64 = 16_000.0;

fn wide(codecs: &str) -> PhoneConfig {
    PhoneConfig {
        codecs: codecs.split(',').map(str::to_owned).collect(),
        audio: AudioFormat { rate: 16_000, ..AudioFormat::default() },
        ..config()
    }
}

/// The engine's helpers count in 8000 Hz: at twice that rate a tone looks like half of its frequency.
fn hear_wide(call: &voip::engine::call::Call, hz: f64) {
    hear_tone(call, hz / 2.0);
}

fn tone_is_found_again(codecs: &str, name: &str, hz: f64) {
    let (a, b) = (Party::start(wide(codecs)), Party::listening(wide(codecs)));
    let (out, inc) = answered(&a, &b);
    let pcm: Vec<u8> = (0..16_000)
        .map(|i| ((f64::from(i) * hz * TAU / RATE).sin() * 8000.0) as i16)
        .flat_map(i16::to_ne_bytes)
        .collect();
    let started = Instant::now();
    let mut written = 0;
    while written < pcm.len() {
        written += 2 * out.write_audio(&pcm[written..], soon()).unwrap();
        assert!(started.elapsed() < PATIENCE);
    }
    hear_wide(&inc, hz);
    assert!(out.media_info().codec.eq_ignore_ascii_case(name), "{:?}", out.media_info());
    out.hangup().unwrap();
    b.ended(&inc);
}

#[test]
fn g722_carries_a_tone_of_5_khz() {
    tone_is_found_again("G722,PCMU", "G722", 5000.0);
}

#[test]
fn l16_at_16_khz_carries_a_tone_of_5_khz() {
    tone_is_found_again("L16/16000", "L16", 5000.0);
}

#[test]
fn dvi4_at_16_khz_carries_a_tone_of_5_khz() {
    tone_is_found_again("DVI4/16000", "DVI4", 5000.0);
}

/// 8 kHz: only what a GSM phone would carry.
#[test]
fn gsm_carries_a_tone_of_600_hz() {
    tone_is_found_again("GSM,PCMU", "GSM", 600.0);
}
