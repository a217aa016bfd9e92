//! How many frames of 20 ms a second each codec encodes and decodes on one core. A call needs 50 of each.

use std::hint::black_box;
use std::time::{Duration, Instant};
use voip::media::codec::{codec_list, CodecInfo, Decoder, Encoder};

const RUNS: usize = 9;

fn main() {
    println!("frames of 20 ms a second on one core, median of {RUNS} runs");
    println!("{:22} {:>12} {:>12}", "codec", "encode", "decode");
    for info in codec_list() {
        let (encode, decode) = rates(info);
        let name = format!("{}/{}/{}", info.name, info.clock_rate, info.channels);
        println!("{name:22} {encode:12.0} {decode:12.0}");
    }
}

fn rates(info: &CodecInfo) -> (f64, f64) {
    let codec = info.codec();
    let samples = codec.frame_samples(20);
    let pcm = speech_like(samples * usize::from(codec.channels));
    let mut wire = vec![0; codec.payload_bytes(samples)];
    let mut out = vec![0i16; pcm.len()];
    let (mut encoder, mut decoder) = (Encoder::new(&codec), Decoder::new(&codec));
    let encode = median(|| encoder.encode(black_box(&pcm), &mut wire));
    let decode = median(|| decoder.decode(black_box(&wire), &mut out));
    (1e9 / encode, 1e9 / decode)
}

/// Loud and quiet, high and low: a fixed pseudo-random walk.
fn speech_like(samples: usize) -> Vec<i16> {
    let mut random = 1u32;
    let mut value = 0i32;
    let mut step = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        value = value * 15 / 16 + (random >> 16) as i32 % 4096 - 2048;
        value.clamp(-32_768, 32_767) as i16
    };
    (0..samples).map(|_| step()).collect()
}

/// Nanoseconds of one `work`, the median of several runs of about 20 ms each.
fn median<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut figures: Vec<f64> = (0..RUNS).map(|_| figure(&mut work)).collect();
    figures.sort_by(f64::total_cmp);
    figures[RUNS / 2]
}

fn figure<T>(work: &mut impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    let mut done = 0u32;
    while start.elapsed() < Duration::from_millis(20) {
        for _ in 0..16 {
            black_box(work());
        }
        done += 16;
    }
    start.elapsed().as_nanos() as f64 / f64::from(done)
}
