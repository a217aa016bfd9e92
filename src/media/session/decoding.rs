//! From packets to audio: the codec that is heard, and what hides its losses.

use super::receive::LARGE;
use crate::media::codec::g711::Law;
use crate::media::codec::{Codec, Decoder};
use crate::media::conceal::Concealer;
use crate::media::jitter::JitterBuffer;
use crate::media::resample::Resampler;

/// Packets that are looked at for what was heard before a loss.
const REMEMBERED: usize = 16;

/// What belongs to the codec that is heard.
#[repr(C)]
pub struct Decoding {
    pub payload_type: u8,
    pub codec: Codec,
    /// Bytes and samples of the packet for which the durations hold.
    pub measured: (u16, u16),
    pub decoder: Decoder,
    pub to_host: Option<Box<Resampler>>,
    pub concealer: Concealer,
}

impl Decoding {
    pub fn new(payload_type: u8, codec: Codec, host_rate: u32) -> Decoding {
        let to_host = Resampler::between(codec.audio_rate, host_rate);
        Decoding {
            payload_type,
            codec,
            measured: (0, 0),
            decoder: Decoder::new(&codec),
            concealer: Concealer::new(codec.audio_rate),
            to_host: to_host.map(Box::new),
        }
    }

    /// Of G.711 at the host's rate, while nothing has to be joined to what was made up.
    pub fn law(&self) -> Option<Law> {
        match self.decoder {
            _ if self.to_host.is_some() || self.concealer.is_concealing() => None,
            Decoder::Pcmu => Some(Law::Mu),
            Decoder::Pcma => Some(Law::A),
            _ => None,
        }
    }

    /// Before a loss is made up: what was heard last. Packets that can be decoded once more still lie in the buffer.
    pub fn remember(&mut self, jitter: &JitterBuffer) {
        if !self.decoder.is_stateless() || self.concealer.is_concealing() {
            return;
        }
        let (mut last, mut count, mut samples) = ([0; REMEMBERED], 0, 0);
        for slot in (1..=REMEMBERED as u64).filter_map(|n| jitter.played(n)) {
            if samples >= self.concealer.memory() || jitter.payload_type(slot) != self.payload_type {
                break;
            }
            last[count] = slot;
            count += 1;
            samples += self.codec.samples_in(jitter.payload(slot).len());
        }
        self.concealer.reset();
        for &slot in last[..count].iter().rev() {
            let mut pcm = [0; LARGE];
            let n = self.decoder.decode(jitter.payload(slot), &mut pcm);
            self.concealer.heard(&pcm[..n]);
        }
    }
}
