//! Seeded runs of what works without a phone: WAV files, codecs, buffers, SRTP and its keys, keypads, negotiation, streams
//! on one clock. The stable toolchain's share of the fuzz targets of the same names.
//!
//! `LIBVOIP_MUTATIONS` sets how many of each, `LIBVOIP_SEED` where they begin.

#[path = "drivers/bytes.rs"]
mod bytes;
#[path = "drivers/codec.rs"]
mod drive_codec;
#[path = "drivers/dtmf.rs"]
mod drive_dtmf;
#[path = "drivers/pcm_buffer.rs"]
mod drive_pcm_buffer;
#[path = "drivers/sdes.rs"]
mod drive_sdes;
#[path = "drivers/sdp_answer.rs"]
mod drive_sdp_answer;
#[path = "drivers/srtp.rs"]
mod drive_srtp;
#[path = "drivers/sync_group.rs"]
mod drive_sync_group;
#[path = "drivers/wav.rs"]
mod drive_wav;

use voip::media::wav::{Encoding, Format};
use voip::util::{Rng, SeededRng};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Runs `check` with a generator for each seed, says how many it took, and names the seed of a panic.
fn run(name: &str, default: u64, check: impl Fn(&mut SeededRng) -> bool) {
    let (count, first) =
        (number("LIBVOIP_MUTATIONS").unwrap_or(default), number("LIBVOIP_SEED").unwrap_or(1));
    let mut taken = 0u64;
    for seed in first..first + count {
        let mut rng = SeededRng::new(seed);
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&mut rng))) {
            Ok(was) => taken += u64::from(was),
            Err(_) => panic!("{name}: LIBVOIP_SEED={seed} LIBVOIP_MUTATIONS=1"),
        }
    }
    println!("{name}: {count} seeds from {first}, {taken} taken");
    assert!(count < 100 || taken > count / 100, "{name}: {taken} of {count}");
}

fn noise(rng: &mut SeededRng, most: u64) -> Vec<u8> {
    let mut bytes = vec![0; rng.below(most) as usize];
    rng.fill(&mut bytes);
    bytes
}

fn pick<'a, T>(rng: &mut SeededRng, of: &'a [T]) -> &'a T {
    &of[rng.below(of.len() as u64) as usize]
}

/// Changes up to three places.
fn mutate(rng: &mut SeededRng, bytes: &mut Vec<u8>, spice: &[&[u8]]) {
    for _ in 0..rng.below(4) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        match rng.below(4) {
            0 => bytes.get_mut(at).into_iter().for_each(|b| *b = rng.next_u32() as u8),
            1 => drop(bytes.drain(at..bytes.len().min(at + rng.below(6) as usize))),
            2 => bytes.truncate(at.max(1)),
            _ => drop(bytes.splice(at..at, pick(rng, spice).iter().copied())),
        }
    }
}

#[test]
fn mutated_wav_files_are_refused_or_read_to_their_end() {
    let encodings = [
        (Encoding::Pcm, 8),
        (Encoding::Pcm, 16),
        (Encoding::Pcm, 24),
        (Encoding::Pcm, 32),
        (Encoding::Float, 32),
        (Encoding::Float, 64),
        (Encoding::Alaw, 8),
        (Encoding::Ulaw, 8),
    ];
    let spice: [&[u8]; 5] =
        [b"LIST\x03\0\0\0abc\0", b"data\xff\xff\xff\xff", b"fmt \x10\0\0\0", b"\0\0", b"\xfe\xff"];
    run("wav", 5000, |rng| {
        let &(encoding, bits) = pick(rng, &encodings);
        let format = Format { encoding, channels: 1 + rng.below(3) as u16, rate: 8000, bits };
        let samples = noise(rng, 200);
        let mut file = [format.header(samples.len() as u64), samples].concat();
        mutate(rng, &mut file, &spice);
        drive_wav::run(&file)
    });
}

#[test]
fn mutated_crypto_attributes_are_refused_or_survive_writing() {
    let seeds = [
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4",
        "crypto:2 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|1:1;\
         inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2:1 KDR=1 UNENCRYPTED_SRTCP",
        "a=crypto:3 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
    ];
    let spice: [&[u8]; 8] =
        [b"|", b";", b"inline:", b"2^64", b"2^63", b":128", b" ", b"340282366920938463463374607431768211455"];
    run("sdes", 5000, |rng| {
        let mut text = pick(rng, &seeds).as_bytes().to_vec();
        mutate(rng, &mut text, &spice);
        drive_sdes::run(&String::from_utf8_lossy(&text))
    });
}

#[test]
fn two_sides_with_any_wishes_mean_the_same_by_what_they_agreed() {
    run("sdp_answer", 1000, |rng| drive_sdp_answer::run(&noise(rng, 120)));
}

macro_rules! any_bytes {
    ($($(#[$doc:meta])* $test:ident: $driver:ident, $count:literal, $most:literal;)*) => {
        $(#[test] fn $test() {
            run(stringify!($driver), $count, |rng| {
                $driver::run(&noise(rng, $most));
                true
            });
        })*
    };
}

any_bytes! {
    any_payloads_and_samples_stay_within_the_sizes_of_their_codec: drive_codec, 150, 8000;
    any_writes_and_reads_of_a_buffer_count_every_frame_once: drive_pcm_buffer, 400, 4000;
    any_touch_of_a_protected_packet_is_refused_and_the_packet_itself_is_not: drive_srtp, 500, 3000;
    any_events_begin_before_they_end_and_end_once: drive_dtmf, 2000, 1500;
    any_reports_leave_a_clock_that_never_goes_back: drive_sync_group, 60, 3000;
}
