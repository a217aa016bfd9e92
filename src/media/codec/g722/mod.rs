//! G.722: 7 kHz audio in 64 kbit/s (ITU-T G.722 of 09/2012; RFC 3551 section 4.5.2).
//!
//! 16 kHz PCM is split into two bands of 8 kHz each; 6 bits a pair of samples go to the low band, 2 to the
//! high one. Bit-exact to the ITU-T's test sequences. The RTP clock ticks at 8000 Hz: one octet a tick.

mod band;
mod tables;

use band::{sat, Band, HIGH, LOW};
use tables::{DECISIONS, HIGH_MULTIPLIERS, LOW_MULTIPLIERS, QM2, QM4, QM5, QM6, QMF};

/// Pairs of samples that are worked on at a time.
const BLOCK: usize = 80;
/// Pairs of samples that the filters remember.
const MEMORY: usize = QMF.len() - 1;

/// How many bits of the low band's codeword count: the others carry data of the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// 64 kbit/s, all six: mode 1, and all that RTP knows.
    #[default]
    Kbit64,
    /// Mode 2, five.
    Kbit56,
    /// Mode 3, four.
    Kbit48,
}

/// The sending side's state.
#[derive(Clone, Debug)]
pub struct Encoder {
    low: Band,
    high: Band,
    /// The last samples at even and at odd places.
    even: [i32; MEMORY],
    odd: [i32; MEMORY],
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { low: Band::low(), high: Band::high(), even: [0; MEMORY], odd: [0; MEMORY] }
    }
}

impl Encoder {
    /// One octet for each two samples, as many as both sides hold; octets written.
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let pairs = (pcm.len() / 2).min(out.len());
        for (pcm, out) in pcm[..2 * pairs].chunks(2 * BLOCK).zip(out[..pairs].chunks_mut(BLOCK)) {
            self.encode_block(pcm, out);
        }
        pairs
    }

    fn encode_block(&mut self, pcm: &[i16], out: &mut [u8]) {
        let mut even = [0; MEMORY + BLOCK];
        let mut odd = [0; MEMORY + BLOCK];
        even[..MEMORY].copy_from_slice(&self.even);
        odd[..MEMORY].copy_from_slice(&self.odd);
        for (i, pair) in pcm.chunks_exact(2).enumerate() {
            even[MEMORY + i] = i32::from(pair[0]);
            odd[MEMORY + i] = i32::from(pair[1]);
        }
        for (i, code) in out.iter_mut().enumerate() {
            let (a, b) = (filter(&even[i..], &QMF), filter_reversed(&odd[i..], &QMF));
            *code = self.encode_bands(half(a + b), half(b - a));
        }
        self.even.copy_from_slice(&even[out.len()..][..MEMORY]);
        self.odd.copy_from_slice(&odd[out.len()..][..MEMORY]);
    }

    /// Codes one sample of each band (15 bits, behind the filter), as the Recommendation's digital test
    /// sequences do.
    #[inline]
    pub fn encode_bands(&mut self, low: i16, high: i16) -> u8 {
        self.encode_high(i32::from(high)) << 6 | self.encode_low(i32::from(low))
    }

    #[inline]
    fn encode_low(&mut self, sample: i32) -> u8 {
        let difference = sat(sample - self.low.predicted);
        // QUANTL: how many decision levels the magnitude has reached.
        let magnitude = (difference ^ difference >> 31) as u16;
        let step = self.low.step as u32;
        let reached: u16 =
            DECISIONS.iter().map(|&d| u16::from(((u32::from(d) * step) >> 16) as u16 <= magnitude)).sum();
        let reached = reached.min(29) as u8;
        let code = match (difference < 0, reached) {
            (false, _) => 61 - reached,
            (true, 0..=1) => 63 - reached,
            (true, _) => 33 - reached,
        };
        let coarse = usize::from(code >> 2);
        let quantized = self.low.level(QM4[coarse]);
        self.low.scale(LOW_MULTIPLIERS[coarse], LOW);
        self.low.adapt(quantized);
        code
    }

    #[inline]
    fn encode_high(&mut self, sample: i32) -> u8 {
        let difference = sat(sample - self.high.predicted);
        let magnitude = difference ^ difference >> 31;
        // QUANTH: one decision level; the inner interval has the odd code.
        let inner = u8::from(magnitude < (564 * self.high.step) >> 12);
        let code = if difference < 0 { inner } else { 2 + inner };
        let quantized = self.high.level(QM2[usize::from(code)]);
        self.high.scale(HIGH_MULTIPLIERS[usize::from(code)], HIGH);
        self.high.adapt(quantized);
        code
    }
}

/// The receiving side's state.
#[derive(Clone, Debug)]
pub struct Decoder {
    mode: Mode,
    low: Band,
    high: Band,
    /// The last sums and differences of the two bands.
    sums: [i32; MEMORY],
    differences: [i32; MEMORY],
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new(Mode::Kbit64)
    }
}

impl Decoder {
    pub fn new(mode: Mode) -> Decoder {
        Decoder { mode, low: Band::low(), high: Band::high(), sums: [0; MEMORY], differences: [0; MEMORY] }
    }

    /// Two samples for each octet, as many as both sides hold; samples written.
    pub fn decode(&mut self, data: &[u8], out: &mut [i16]) -> usize {
        let pairs = data.len().min(out.len() / 2);
        for (data, out) in data[..pairs].chunks(BLOCK).zip(out[..2 * pairs].chunks_mut(2 * BLOCK)) {
            self.decode_block(data, out);
        }
        2 * pairs
    }

    fn decode_block(&mut self, data: &[u8], out: &mut [i16]) {
        let mut sums = [0; MEMORY + BLOCK];
        let mut differences = [0; MEMORY + BLOCK];
        sums[..MEMORY].copy_from_slice(&self.sums);
        differences[..MEMORY].copy_from_slice(&self.differences);
        for (i, &code) in data.iter().enumerate() {
            let (low, high) = self.decode_bands(code);
            let (low, high) = (i32::from(low), i32::from(high));
            sums[MEMORY + i] = low + high;
            differences[MEMORY + i] = low - high;
        }
        for (i, pair) in out.chunks_exact_mut(2).enumerate() {
            pair[0] = sat(filter_reversed(&differences[i..], &QMF) >> 11) as i16;
            pair[1] = sat(filter(&sums[i..], &QMF) >> 11) as i16;
        }
        self.sums.copy_from_slice(&sums[data.len()..][..MEMORY]);
        self.differences.copy_from_slice(&differences[data.len()..][..MEMORY]);
    }

    /// One sample of each band (15 bits, before the filter): the Recommendation's digital test sequences.
    #[inline]
    pub fn decode_bands(&mut self, code: u8) -> (i16, i16) {
        (self.decode_low(code & 0x3f), self.decode_high(code >> 6))
    }

    #[inline]
    fn decode_low(&mut self, code: u8) -> i16 {
        let coarse = usize::from(code >> 2);
        let level = match self.mode {
            Mode::Kbit64 => QM6[usize::from(code)],
            Mode::Kbit56 => QM5[usize::from(code >> 1)],
            Mode::Kbit48 => QM4[coarse],
        };
        let sample = limit(self.low.predicted + self.low.level(level));
        // The predictor follows the four bits that every mode has.
        let quantized = self.low.level(QM4[coarse]);
        self.low.scale(LOW_MULTIPLIERS[coarse], LOW);
        self.low.adapt(quantized);
        sample
    }

    #[inline]
    fn decode_high(&mut self, code: u8) -> i16 {
        let code = usize::from(code);
        let quantized = self.high.level(QM2[code]);
        let sample = limit(self.high.predicted + quantized);
        self.high.scale(HIGH_MULTIPLIERS[code], HIGH);
        self.high.adapt(quantized);
        sample
    }
}

/// Twelve taps over as many samples, oldest first.
#[inline]
fn filter(samples: &[i32], taps: &[i32; 12]) -> i32 {
    samples.iter().zip(taps).map(|(s, t)| s * t).sum()
}

#[inline]
fn filter_reversed(samples: &[i32], taps: &[i32; 12]) -> i32 {
    samples.iter().zip(taps.iter().rev()).map(|(s, t)| s * t).sum()
}

/// A band's sample from the filter's sum: the taps' sum is 2^13, and a band has 15 bits.
#[inline]
fn half(sum: i32) -> i16 {
    (sum >> 14).clamp(-16_384, 16_383) as i16
}

/// LIMIT: the reconstructed signal has 15 bits.
#[inline]
fn limit(sample: i32) -> i16 {
    sample.clamp(-16_384, 16_383) as i16
}
