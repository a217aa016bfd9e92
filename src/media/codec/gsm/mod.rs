//! GSM 06.10 full-rate speech: 13 kbit/s, 33 octets for each 160 samples (ETSI EN 300 961; RFC 3551 section 4.5.8).
//!
//! A filter of eight coefficients gives the spectrum, the repeated past the pitch, thirteen pulses a quarter of a frame
//! what is left. Everything is defined in 16 bit arithmetic, so that both directions are bit-exact.

mod excitation;
mod fixed;
mod frame;
mod short_term;

use excitation::Excitation;
use fixed::{add, mult_r};
use frame::Frame;
use short_term::{analyse, Analysis, Synthesis};

pub use frame::BYTES;
/// Samples of a frame, and of a quarter of it.
pub const SAMPLES: usize = 160;
const QUARTER: usize = SAMPLES / 4;
/// What emphasis keeps of the sample before (GSM 06.10 sections 5.2.3 and 5.3.5).
const EMPHASIS: i16 = 28_180;
/// The offset's notch: 1 - 2^-10, nearly.
const NOTCH: i32 = 32_735;

/// The sending side's state.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    /// The notch for the offset: the last sample, and its output with 15 more bits.
    last: i16,
    smooth: i32,
    /// The last sample before emphasis.
    plain: i16,
    analysis: Analysis,
    excitation: Excitation,
}

impl Encoder {
    /// Frames of 160 samples, the last one with silence behind it where samples are missing; as many as `out` holds.
    /// Octets written.
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let mut written = 0;
        for (part, octets) in pcm.chunks(SAMPLES).zip(out.chunks_exact_mut(BYTES)) {
            let mut samples = [0; SAMPLES];
            samples[..part.len()].copy_from_slice(part);
            let mut coded = [0; BYTES];
            self.frame(&mut samples).write(&mut coded);
            octets.copy_from_slice(&coded);
            written += BYTES;
        }
        written
    }

    fn frame(&mut self, samples: &mut [i16; SAMPLES]) -> Frame {
        for sample in samples.iter_mut() {
            *sample = self.prepare(*sample);
        }
        let ratios = analyse(samples);
        self.analysis.filter(&ratios, samples);
        let quarters = core::array::from_fn(|i| {
            let residual = core::array::from_fn(|k| samples[i * QUARTER + k]);
            self.excitation.encode(&residual)
        });
        Frame { ratios, quarters }
    }

    /// 13 bits, without offset, with emphasis (sections 5.2.1 to 5.2.3).
    fn prepare(&mut self, sample: i16) -> i16 {
        let scaled = (sample >> 3) << 2;
        let change = i32::from(scaled) - i32::from(self.last);
        self.last = scaled;
        let high = self.smooth >> 15;
        let low = (self.smooth - (high << 15)) as i16;
        let fed = (change << 15) + i32::from(mult_r(low, NOTCH as i16));
        self.smooth = (high * NOTCH).saturating_add(fed);
        let plain = (self.smooth.saturating_add(16_384) >> 15) as i16;
        let emphasized = add(plain, mult_r(self.plain, -EMPHASIS));
        self.plain = plain;
        emphasized
    }
}

/// The receiving side's state.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    excitation: Excitation,
    synthesis: Synthesis,
    /// The last sample after emphasis was taken away.
    last: i16,
}

impl Decoder {
    /// 160 samples for each whole frame, as many as both sides hold; samples written. At the first frame without the
    /// signature it ends.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        let mut written = 0;
        for (octets, place) in payload.chunks_exact(BYTES).zip(out.chunks_exact_mut(SAMPLES)) {
            let Some(frame) = octets.try_into().ok().and_then(Frame::read) else { break };
            place.copy_from_slice(&self.frame(&frame));
            written += SAMPLES;
        }
        written
    }

    fn frame(&mut self, frame: &Frame) -> [i16; SAMPLES] {
        let mut samples = [0; SAMPLES];
        for (quarter, place) in frame.quarters.iter().zip(samples.chunks_exact_mut(QUARTER)) {
            place.copy_from_slice(&self.excitation.decode(quarter));
        }
        self.synthesis.filter(&frame.ratios, &mut samples);
        for sample in &mut samples {
            self.last = add(*sample, mult_r(self.last, EMPHASIS));
            // Twice the value, without the three bits that the format has not.
            *sample = add(self.last, self.last) & !7;
        }
        samples
    }
}
