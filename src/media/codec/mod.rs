//! Codecs. Each is one arm of [`CodecKind`], which knows sizes and rates, and of [`Encoder`] and
//! [`Decoder`], which hold the state. PCM is mono `i16` at the codec's audio rate; the RTP clock may
//! differ from it (G.722).

pub mod g711;

use crate::proto::rtp::PayloadFormat;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodecKind {
    Pcmu,
    Pcma,
}

/// A codec with its rates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Codec {
    pub kind: CodecKind,
    /// Ticks of the RTP timestamp a second.
    pub clock_rate: u32,
    /// Samples a second.
    pub audio_rate: u32,
    pub channels: u8,
}

impl Codec {
    /// None: no implementation of this format.
    pub fn from_format(format: &PayloadFormat) -> Option<Codec> {
        let kind = if format.is("PCMU") && format.clock_rate == 8000 && format.channels == 1 {
            CodecKind::Pcmu
        } else if format.is("PCMA") && format.clock_rate == 8000 && format.channels == 1 {
            CodecKind::Pcma
        } else {
            return None;
        };
        Some(Codec {
            kind,
            clock_rate: format.clock_rate,
            audio_rate: format.audio_rate(),
            channels: format.channels,
        })
    }

    /// Bytes of a payload with so many samples of each channel.
    pub fn payload_bytes(&self, samples: usize) -> usize {
        match self.kind {
            CodecKind::Pcmu | CodecKind::Pcma => samples,
        }
    }
    /// Samples of each channel in a payload.
    pub fn samples_in(&self, payload_bytes: usize) -> usize {
        match self.kind {
            CodecKind::Pcmu | CodecKind::Pcma => payload_bytes,
        }
    }
    /// Samples of each channel in so many ticks of the RTP clock.
    pub fn ticks_to_samples(&self, ticks: u32) -> u32 {
        (u64::from(ticks) * u64::from(self.audio_rate) / u64::from(self.clock_rate)) as u32
    }
    pub fn samples_to_ticks(&self, samples: usize) -> u32 {
        (samples as u64 * u64::from(self.clock_rate) / u64::from(self.audio_rate)) as u32
    }
}

/// One direction's state.
#[derive(Clone, Debug)]
pub enum Encoder {
    Pcmu,
    Pcma,
}

impl Encoder {
    pub fn new(codec: &Codec) -> Encoder {
        match codec.kind {
            CodecKind::Pcmu => Encoder::Pcmu,
            CodecKind::Pcma => Encoder::Pcma,
        }
    }
    /// One packet's worth of mono samples; bytes written. `out` holds at least `payload_bytes`.
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        match self {
            Encoder::Pcmu => g711::ulaw_encode(pcm, out),
            Encoder::Pcma => g711::alaw_encode(pcm, out),
        }
    }
}

#[derive(Clone, Debug)]
pub enum Decoder {
    Pcmu,
    Pcma,
}

impl Decoder {
    pub fn new(codec: &Codec) -> Decoder {
        match codec.kind {
            CodecKind::Pcmu => Decoder::Pcmu,
            CodecKind::Pcma => Decoder::Pcma,
        }
    }
    /// One packet's payload; mono samples written. What `out` can't hold is left away.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        match self {
            Decoder::Pcmu => g711::ulaw_decode(payload, out),
            Decoder::Pcma => g711::alaw_decode(payload, out),
        }
    }
}
