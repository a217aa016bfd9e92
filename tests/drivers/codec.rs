//! Any bytes as payloads and as samples, through every codec that there is: sizes are as said, nothing is written
//! beyond them, and what is lossless comes back.

use super::bytes::Bytes;
use voip::media::codec::{codec_list, Codec, CodecInfo, CodecKind, Decoder, Encoder};
use voip::media::conceal::Concealer;

/// What stands behind the place of an output and must stay.
const GUARD: usize = 8;
const MOST_FRAMES: usize = 2000;

pub fn run(input: &[u8]) {
    let mut input = Bytes(input);
    let list = codec_list();
    let row: &CodecInfo = &list[usize::from(input.byte()) % list.len()];
    let mut both = Both::new(row.codec());
    for _ in 0..64 {
        if input.is_empty() {
            return;
        }
        match input.byte() % 4 {
            0 | 1 => drop(both.decode(input.piece(), usize::from(input.byte()))),
            2 => both.encode(input.piece()),
            _ => both.conceal(usize::from(input.word()) % MOST_FRAMES),
        }
    }
}

struct Both {
    codec: Codec,
    encoder: Encoder,
    decoder: Decoder,
    concealer: Concealer,
}

impl Both {
    fn new(codec: Codec) -> Both {
        let (encoder, decoder) = (Encoder::new(&codec), Decoder::new(&codec));
        Both { codec, encoder, decoder, concealer: Concealer::new(codec.audio_rate) }
    }

    /// Into as much room as the payload needs, but for so many samples.
    fn decode(&mut self, payload: &[u8], less: usize) -> Vec<i16> {
        let channels = usize::from(self.codec.channels);
        let samples = match self.codec.kind {
            CodecKind::Cn => 160,
            _ => self.codec.samples_in(payload.len()) * channels,
        };
        let room = samples.saturating_sub(less / 64);
        let mut out = vec![0x5a5a; room + GUARD];
        let count = self.decoder.decode(payload, &mut out[..room]);
        assert!(count <= room && out[room..] == [0x5a5a; GUARD]);
        // What doesn't fit is left away, by pairs or frames; a GSM frame without its signature ends it earlier.
        let whole = room == samples && self.codec.kind != CodecKind::Gsm;
        assert!(count == room || !whole, "{count} of {room}");
        out.truncate(count);
        if self.codec.channels == 1 {
            if self.concealer.is_concealing() {
                self.concealer.smooth(&mut out.clone());
            }
            self.concealer.heard(&out);
        }
        out
    }

    fn encode(&mut self, samples: &[u8]) {
        let channels = usize::from(self.codec.channels);
        let mut pcm: Vec<i16> = samples.chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]])).collect();
        pcm.truncate(pcm.len() / channels * channels);
        let most = self.codec.payload_bytes(pcm.len() / channels);
        let mut out = vec![0xa5; most + GUARD];
        let count = self.encoder.encode(&pcm, &mut out[..most]);
        assert!(count <= most && out[most..] == [0xa5; GUARD]);
        assert!(count == most || self.codec.kind == CodecKind::Cn, "{count} of {most}");
        let heard = self.decode(&out[..count], 0);
        match self.codec.kind {
            CodecKind::L16 => assert_eq!(heard, pcm),
            CodecKind::Pcmu | CodecKind::Pcma => {
                // What was coded once has all of its values among those of the codec.
                let mut again = vec![0; count];
                Encoder::new(&self.codec).encode(&heard, &mut again);
                let mut twice = vec![0; count];
                Decoder::new(&self.codec).decode(&again, &mut twice);
                assert_eq!(twice, heard);
            }
            _ => {}
        }
    }

    fn conceal(&mut self, frames: usize) {
        if self.codec.channels == 1 {
            self.concealer.conceal(&mut vec![0; frames]);
        }
    }
}
