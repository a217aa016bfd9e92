//! G.711 µ-law and A-law, exact to the ITU-T's reference over all 65,536 values.
//!
//! Encoding is arithmetic without branches: the segment of a value is the exponent of the value as a
//! float, so that blocks compile to vector instructions. Decoding goes the other way, for single samples by a table.

#[cfg(target_arch = "x86_64")]
mod avx2;

use crate::media::meter::{Level, Meter};

/// The codeword of no signal.
pub const ULAW_SILENCE: u8 = 0xff;
pub const ALAW_SILENCE: u8 = 0xd5;

/// (127 + 5) << 4: the exponent of the smallest µ-law value, 33, is 5.
const ULAW_OFFSET: u32 = (127 + 5) << 4;
/// (127 + 3) << 4: A-law's segment 1 begins at 16, whose exponent is 4.
const ALAW_OFFSET: u32 = (127 + 3) << 4;
/// Segment and mantissa lie below the exponent of 2^7, half a step above the mantissa's lower end.
const DECODE_OFFSET: u32 = ((127 + 7) << 23) | (1 << 18);
/// Added to a whole float below it, its lower bits are the integer.
const TWO_POW_23: f32 = 8_388_608.0;

/// One sample. G.711 codes the 14 upper bits; negative values are taken by one's complement.
#[inline]
pub fn ulaw_encode_sample(sample: i16) -> u8 {
    let x = i32::from(sample);
    let sign = x >> 31;
    let magnitude = (((x ^ sign) >> 2) + 33).min(0x1fff);
    let code = ((magnitude as f32).to_bits() >> 19).wrapping_sub(ULAW_OFFSET);
    (!code & 0x7f | !sign as u32 & 0x80) as u8
}

/// One sample. G.711 codes the 13 upper bits (12 of magnitude).
#[inline]
pub fn alaw_encode_sample(sample: i16) -> u8 {
    let x = i32::from(sample);
    let sign = x >> 31;
    let magnitude = ((x ^ sign) >> 4) as u32;
    let log = ((magnitude as i32 as f32).to_bits() >> 19).wrapping_sub(ALAW_OFFSET);
    let code = if magnitude < 16 { magnitude } else { log };
    ((code | !sign as u32 & 0x80) ^ 0x55) as u8
}

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Law {
    Mu,
    A,
}

impl Law {
    /// Codes as many samples as both sides hold; how many, and how loud they are.
    pub fn encode(self, pcm: &[i16], out: &mut [u8]) -> (usize, Level) {
        let count = pcm.len().min(out.len());
        let (pcm, out) = (&pcm[..count], &mut out[..count]);
        let mut meter = Meter::default();
        let done = self.encode_blocks(pcm, out, &mut meter);
        let (pcm, out) = (&pcm[done..], &mut out[done..]);
        if !pcm.is_empty() {
            match self {
                Law::Mu => ulaw_encode(pcm, out),
                Law::A => alaw_encode(pcm, out),
            };
            meter.hear(pcm);
        }
        (count, meter.level())
    }

    /// Decodes as many codes as both sides hold; how many, and how loud they are.
    pub fn decode(self, codes: &[u8], out: &mut [i16]) -> (usize, Level) {
        let count = codes.len().min(out.len());
        let (codes, out) = (&codes[..count], &mut out[..count]);
        let mut meter = Meter::default();
        let done = self.decode_blocks(codes, out, &mut meter);
        let (codes, out) = (&codes[done..], &mut out[done..]);
        if !codes.is_empty() {
            match self {
                Law::Mu => ulaw_decode(codes, out),
                Law::A => alaw_decode(codes, out),
            };
            meter.hear(out);
        }
        (count, meter.level())
    }

    #[cfg(target_arch = "x86_64")]
    fn encode_blocks(self, pcm: &[i16], out: &mut [u8], meter: &mut Meter) -> usize {
        if !is_x86_feature_detected!("avx2") {
            return 0;
        }
        // SAFETY: the processor has what the function is compiled for.
        unsafe { avx2::encode(self, pcm, out, meter) }
    }
    #[cfg(target_arch = "x86_64")]
    fn decode_blocks(self, codes: &[u8], out: &mut [i16], meter: &mut Meter) -> usize {
        if !is_x86_feature_detected!("avx2") {
            return 0;
        }
        // SAFETY: the processor has what the function is compiled for.
        unsafe { avx2::decode(self, codes, out, meter) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    fn encode_blocks(self, _: &[i16], _: &mut [u8], _: &mut Meter) -> usize {
        0
    }
    #[cfg(not(target_arch = "x86_64"))]
    fn decode_blocks(self, _: &[u8], _: &mut [i16], _: &mut Meter) -> usize {
        0
    }
}

/// Codes as many samples as both sides hold; how many.
pub fn ulaw_encode(pcm: &[i16], out: &mut [u8]) -> usize {
    for (o, &s) in out.iter_mut().zip(pcm) {
        *o = ulaw_encode_sample(s);
    }
    pcm.len().min(out.len())
}

pub fn alaw_encode(pcm: &[i16], out: &mut [u8]) -> usize {
    for (o, &s) in out.iter_mut().zip(pcm) {
        *o = alaw_encode_sample(s);
    }
    pcm.len().min(out.len())
}

/// (33 + 2 * mantissa) << (segment + 2).
#[inline(always)]
fn expand(magnitude: u32) -> i32 {
    let value = f32::from_bits((magnitude << 19) + DECODE_OFFSET);
    ((value + TWO_POW_23).to_bits() & 0x7f_ffff) as i32
}

pub fn ulaw_decode(data: &[u8], out: &mut [i16]) -> usize {
    for (o, &c) in out.iter_mut().zip(data) {
        let code = u32::from(!c);
        let sign = -((code >> 7) as i32);
        *o = (((expand(code & 0x7f) - 132) ^ sign) - sign) as i16;
    }
    data.len().min(out.len())
}

pub fn alaw_decode(data: &[u8], out: &mut [i16]) -> usize {
    for (o, &c) in out.iter_mut().zip(data) {
        let code = u32::from(c ^ 0x55);
        let sign = (code >> 7) as i32 - 1;
        let magnitude = code & 0x7f;
        let low = (magnitude << 4) as i32 + 8;
        let value = if magnitude < 16 { low } else { expand(magnitude) };
        *o = ((value ^ sign) - sign) as i16;
    }
    data.len().min(out.len())
}

#[inline]
pub fn ulaw_decode_sample(code: u8) -> i16 {
    ULAW_TABLE[usize::from(code)]
}
#[inline]
pub fn alaw_decode_sample(code: u8) -> i16 {
    ALAW_TABLE[usize::from(code)]
}

static ULAW_TABLE: [i16; 256] = ulaw_table();
static ALAW_TABLE: [i16; 256] = alaw_table();

const fn ulaw_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let code = !(i as u8);
        let segment = code >> 4 & 7;
        let mantissa = (code & 15) as i32;
        // 33 is G.711's bias at 14 bits, 132 at 16.
        let magnitude = ((mantissa * 8 + 132) << segment) - 132;
        table[i] = if code & 0x80 != 0 { -magnitude } else { magnitude } as i16;
        i += 1;
    }
    table
}

const fn alaw_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let code = i as u8 ^ 0x55;
        let segment = code >> 4 & 7;
        let mantissa = (code & 15) as i32;
        // The middle of the interval.
        let magnitude = if segment == 0 { mantissa * 16 + 8 } else { (mantissa * 16 + 264) << (segment - 1) };
        table[i] = if code & 0x80 != 0 { magnitude } else { -magnitude } as i16;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codeword_survives_decoding_and_coding() {
        for c in 0..=255u8 {
            assert_eq!(alaw_encode_sample(alaw_decode_sample(c)), c);
            // µ-law has a negative zero, which comes back as the positive one.
            let want = if c == 0x7f { 0xff } else { c };
            assert_eq!(ulaw_encode_sample(ulaw_decode_sample(c)), want);
        }
    }

    #[test]
    fn blocks_decode_to_what_the_tables_say() {
        let codes: Vec<u8> = (0..=255).collect();
        let mut pcm = [0i16; 256];
        assert_eq!((ulaw_decode(&codes, &mut pcm), pcm), (256, ULAW_TABLE));
        assert_eq!((alaw_decode(&codes, &mut pcm), pcm), (256, ALAW_TABLE));
    }

    #[test]
    fn metered_blocks_of_every_value_and_length_are_what_single_samples_are() {
        let pcm: Vec<i16> = (0..=u16::MAX).map(|n| n.wrapping_mul(40_503) as i16).collect();
        for law in [Law::Mu, Law::A] {
            let encode = |s| if law == Law::Mu { ulaw_encode_sample(s) } else { alaw_encode_sample(s) };
            let decode = |c| if law == Law::Mu { ulaw_decode_sample(c) } else { alaw_decode_sample(c) };
            for (n, part) in pcm.chunks(160).chain((0..100).map(|n| &pcm[n..2 * n])).enumerate() {
                let (mut codes, mut heard) = (vec![0; part.len()], vec![0; part.len()]);
                assert_eq!(law.encode(part, &mut codes), (part.len(), Level::of(part)), "{law:?}, part {n}");
                assert_eq!(codes, part.iter().map(|s| encode(*s)).collect::<Vec<_>>(), "{law:?}, part {n}");
                let (count, level) = law.decode(&codes, &mut heard);
                assert_eq!((count, level), (part.len(), Level::of(&heard)), "{law:?}, part {n}");
                assert_eq!(heard, codes.iter().map(|c| decode(*c)).collect::<Vec<_>>(), "{law:?}, part {n}");
            }
            let codes: Vec<u8> = (0..=255).collect();
            let mut heard = [0; 256];
            assert_eq!(law.decode(&codes, &mut heard).0, 256);
            assert_eq!(heard, core::array::from_fn(|n| decode(n as u8)));
            assert_eq!(law.decode(&codes[..20], &mut heard[..17]).0, 17);
            assert_eq!(law.encode(&[-32768; 32], &mut [0; 18]), (18, Level { peak: 32768, rms: 32768 }));
        }
    }

    #[test]
    fn silence_has_the_codeword_of_its_law() {
        assert_eq!(ulaw_encode_sample(0), ULAW_SILENCE);
        assert_eq!(alaw_encode_sample(0), ALAW_SILENCE);
        assert_eq!(ulaw_decode_sample(ULAW_SILENCE), 0);
        assert_eq!(alaw_decode_sample(ALAW_SILENCE), 8);
    }

    #[test]
    fn block_functions_stop_at_the_shorter_side() {
        let mut out = [0u8; 3];
        assert_eq!(ulaw_encode(&[0; 5], &mut out), 3);
        let mut pcm = [0i16; 5];
        assert_eq!(alaw_decode(&out, &mut pcm), 3);
    }
}
