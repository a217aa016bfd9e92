//! Codecs. Each is one arm of [`CodecKind`], which knows sizes and rates, and of [`Encoder`] and
//! [`Decoder`], which hold the state. PCM is `i16` at the codec's audio rate, channels interleaved (calls
//! have one); the RTP clock may differ from that rate (G.722).
//!
//! Driven by a [`super::Session`] or by whoever takes a codec alone. Nothing here allocates. RFC 3551
//! section 4.5, RFC 3389.

pub mod cn;
pub mod dvi4;
pub mod g711;
pub mod g722;
pub mod gsm;
pub mod l16;

use super::meter::Level;
use crate::proto::rtp::PayloadFormat;
use g711::Law;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodecKind {
    Pcmu,
    Pcma,
    G722,
    L16,
    Dvi4,
    Gsm,
    /// Comfort noise: describes silence beside another codec, and is no stream of its own.
    Cn,
}

/// One row of [`codec_list`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodecInfo {
    pub name: &'static str,
    pub kind: CodecKind,
    /// Ticks of the RTP timestamp a second.
    pub clock_rate: u32,
    /// Samples a second of each channel.
    pub audio_rate: u32,
    pub channels: u8,
    /// RFC 3551's payload type; None: one of 96 to 127, as the session says.
    pub payload_type: Option<u8>,
}

const fn row(name: &'static str, kind: CodecKind, rate: u32, payload_type: Option<u8>) -> CodecInfo {
    CodecInfo { name, kind, clock_rate: rate, audio_rate: rate, channels: 1, payload_type }
}
const fn stereo(rate: u32, payload_type: Option<u8>) -> CodecInfo {
    CodecInfo { channels: 2, ..row("L16", CodecKind::L16, rate, payload_type) }
}

/// In each name's rows the first is what the name alone means.
static CODECS: [CodecInfo; 26] = [
    row("PCMU", CodecKind::Pcmu, 8000, Some(0)),
    row("PCMA", CodecKind::Pcma, 8000, Some(8)),
    CodecInfo { audio_rate: 16_000, ..row("G722", CodecKind::G722, 8000, Some(9)) },
    row("L16", CodecKind::L16, 44_100, Some(11)),
    row("L16", CodecKind::L16, 8000, None),
    row("L16", CodecKind::L16, 11_025, None),
    row("L16", CodecKind::L16, 16_000, None),
    row("L16", CodecKind::L16, 22_050, None),
    row("L16", CodecKind::L16, 24_000, None),
    row("L16", CodecKind::L16, 32_000, None),
    row("L16", CodecKind::L16, 48_000, None),
    stereo(44_100, Some(10)),
    stereo(8000, None),
    stereo(11_025, None),
    stereo(16_000, None),
    stereo(22_050, None),
    stereo(24_000, None),
    stereo(32_000, None),
    stereo(48_000, None),
    row("DVI4", CodecKind::Dvi4, 8000, Some(5)),
    row("DVI4", CodecKind::Dvi4, 11_025, Some(16)),
    row("DVI4", CodecKind::Dvi4, 16_000, Some(6)),
    row("DVI4", CodecKind::Dvi4, 22_050, Some(17)),
    row("GSM", CodecKind::Gsm, 8000, Some(3)),
    row("CN", CodecKind::Cn, 8000, Some(13)),
    row("CN", CodecKind::Cn, 16_000, None),
];

/// Every codec there is, with each of its rates.
pub fn codec_list() -> &'static [CodecInfo] {
    &CODECS
}

impl CodecInfo {
    /// The row of that name (without regard to case), clock rate and number of channels (0: the first).
    pub fn find(name: &str, clock_rate: u32, channels: u8) -> Option<&'static CodecInfo> {
        CODECS.iter().find(|row| {
            row.name.eq_ignore_ascii_case(name)
                && (clock_rate == 0 || row.clock_rate == clock_rate)
                && (channels == 0 || row.channels == channels)
        })
    }

    /// No codec by itself, but named beside them: that peers may say what their silence sounds like.
    pub const COMFORT_NOISE: &'static str = "CN";

    /// What a call can use, by the text of a codec list: `G722`, or with the clock's rate where there are
    /// several, `L16/16000`.
    pub fn for_calls(text: &str) -> Option<&'static CodecInfo> {
        let (name, rate) = match text.split_once('/') {
            Some((name, rate)) => (name, rate.parse().ok().filter(|&rate| rate > 0)?),
            None => (text, 0),
        };
        CodecInfo::find(name, rate, 1).filter(|info| info.fits_calls())
    }

    pub fn codec(&self) -> Codec {
        Codec {
            kind: self.kind,
            clock_rate: self.clock_rate,
            audio_rate: self.audio_rate,
            channels: self.channels,
        }
    }

    /// A call can be held with it.
    pub fn fits_calls(&self) -> bool {
        self.channels == 1 && self.kind != CodecKind::Cn
    }
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
    /// What a call can use. None: no implementation of this format, or not one of mono audio.
    pub fn from_format(format: &PayloadFormat) -> Option<Codec> {
        let row = CodecInfo::find(&format.name, format.clock_rate, format.channels)?;
        row.fits_calls().then(|| row.codec())
    }

    /// Samples of each channel in a packet of that duration, as [`Self::whole_samples`] has them.
    pub fn frame_samples(&self, ptime_ms: u32) -> usize {
        let samples = u64::from(self.audio_rate) * u64::from(ptime_ms) / 1000;
        self.whole_samples(samples as usize)
    }

    /// So many samples, or fewer, that a payload holds without a rest, but at least the fewest that it can hold: G.722 and
    /// DVI4 put two into an octet, GSM 160 into a frame.
    pub fn whole_samples(&self, samples: usize) -> usize {
        match self.kind {
            CodecKind::Gsm => (samples - samples % gsm::SAMPLES).max(gsm::SAMPLES),
            _ => (samples & !1).max(2),
        }
    }

    /// Octets of a payload with so many samples of each channel. Comfort noise has as many whatever it
    /// describes: this is the most.
    pub fn payload_bytes(&self, samples: usize) -> usize {
        match self.kind {
            CodecKind::Pcmu | CodecKind::Pcma => samples,
            CodecKind::G722 => samples / 2,
            CodecKind::L16 => samples * 2 * usize::from(self.channels),
            CodecKind::Dvi4 => dvi4::HEADER_BYTES + samples.div_ceil(2),
            CodecKind::Gsm => samples.div_ceil(gsm::SAMPLES) * gsm::BYTES,
            CodecKind::Cn => 1 + NOISE_ORDER,
        }
    }
    /// Samples of each channel in a payload. Comfort noise doesn't say for how long it is: 0.
    pub fn samples_in(&self, payload_bytes: usize) -> usize {
        match self.kind {
            CodecKind::Pcmu | CodecKind::Pcma => payload_bytes,
            CodecKind::G722 => payload_bytes * 2,
            CodecKind::L16 => payload_bytes / 2 / usize::from(self.channels.max(1)),
            CodecKind::Dvi4 => payload_bytes.saturating_sub(dvi4::HEADER_BYTES) * 2,
            CodecKind::Gsm => payload_bytes / gsm::BYTES * gsm::SAMPLES,
            CodecKind::Cn => 0,
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

/// Coefficients that our comfort noise packets carry.
const NOISE_ORDER: usize = 10;

/// One direction's state.
#[derive(Clone, Debug)]
pub enum Encoder {
    Pcmu,
    Pcma,
    /// Boxed: a G.711 session, of which there are thousands, need not be as large.
    G722(Box<g722::Encoder>),
    L16,
    Dvi4(dvi4::State),
    Gsm(Box<gsm::Encoder>),
    Cn,
}

impl Encoder {
    pub fn new(codec: &Codec) -> Encoder {
        match codec.kind {
            CodecKind::Pcmu => Encoder::Pcmu,
            CodecKind::Pcma => Encoder::Pcma,
            CodecKind::G722 => Encoder::G722(Box::default()),
            CodecKind::L16 => Encoder::L16,
            CodecKind::Dvi4 => Encoder::Dvi4(dvi4::State::default()),
            CodecKind::Gsm => Encoder::Gsm(Box::default()),
            CodecKind::Cn => Encoder::Cn,
        }
    }
    /// One packet's worth of samples; bytes written. `out` holds at least `payload_bytes`.
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        match self {
            Encoder::Pcmu => Law::Mu.encode(pcm, out).0,
            Encoder::Pcma => Law::A.encode(pcm, out).0,
            Encoder::G722(state) => state.encode(pcm, out),
            Encoder::L16 => l16::encode(pcm, out),
            Encoder::Dvi4(state) => state.encode(pcm, out),
            Encoder::Gsm(state) => state.encode(pcm, out),
            Encoder::Cn => cn::Noise::measure(pcm, NOISE_ORDER).write(out),
        }
    }
}

impl Encoder {
    /// As `encode`, and how loud the samples are.
    pub fn encode_metered(&mut self, pcm: &[i16], out: &mut [u8]) -> (usize, Level) {
        match self {
            Encoder::Pcmu => Law::Mu.encode(pcm, out),
            Encoder::Pcma => Law::A.encode(pcm, out),
            _ => (self.encode(pcm, out), Level::of(pcm)),
        }
    }
}

#[derive(Clone, Debug)]
pub enum Decoder {
    Pcmu,
    Pcma,
    G722(Box<g722::Decoder>),
    L16,
    Dvi4(dvi4::State),
    Gsm(Box<gsm::Decoder>),
    Cn(Box<cn::Generator>),
}

impl Decoder {
    pub fn new(codec: &Codec) -> Decoder {
        match codec.kind {
            CodecKind::Pcmu => Decoder::Pcmu,
            CodecKind::Pcma => Decoder::Pcma,
            CodecKind::G722 => Decoder::G722(Box::default()),
            CodecKind::L16 => Decoder::L16,
            CodecKind::Dvi4 => Decoder::Dvi4(dvi4::State::default()),
            CodecKind::Gsm => Decoder::Gsm(Box::default()),
            CodecKind::Cn => Decoder::Cn(Box::new(cn::Generator::new(1))),
        }
    }
    /// A payload decodes to the same whenever and however often it is decoded.
    pub fn is_stateless(&self) -> bool {
        matches!(self, Decoder::Pcmu | Decoder::Pcma | Decoder::L16)
    }
    /// One packet's payload; samples written. What `out` can't hold is left away. Comfort noise fills all
    /// of `out`, also with an empty payload, which goes on with the last description.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        match self {
            Decoder::Pcmu => Law::Mu.decode(payload, out).0,
            Decoder::Pcma => Law::A.decode(payload, out).0,
            Decoder::G722(state) => state.decode(payload, out),
            Decoder::L16 => l16::decode(payload, out),
            Decoder::Dvi4(state) => state.decode(payload, out),
            Decoder::Gsm(state) => state.decode(payload, out),
            Decoder::Cn(generator) => {
                if let Some(noise) = cn::Noise::parse(payload) {
                    generator.set(&noise);
                }
                generator.fill(out);
                out.len()
            }
        }
    }
}

#[cfg(test)]
mod tests;
