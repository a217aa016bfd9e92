//! What a session plays to the peer instead of, or mixed with, what the host writes.

use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;

/// Something to play, mono.
#[derive(Debug)]
pub enum PlaySource {
    /// Samples that are all there.
    Pcm { samples: Arc<[i16]>, rate: u32 },
    /// Samples that a feeding thread brings piece by piece (a long file).
    Feed { ring: Consumer<i16>, rate: u32 },
    /// A sine of `hz`, `frames` long at the host's rate (`u64::MAX`: until stopped).
    Tone { hz: u32, level: i16, frames: u64 },
}

impl PlaySource {
    pub fn pcm(samples: Arc<[i16]>, rate: u32) -> PlaySource {
        PlaySource::Pcm { samples, rate }
    }

    /// A source and the end that feeds it. Dropping the feed says that the last sample was pushed; an empty
    /// ring before that is silence, not the end.
    pub fn feed(capacity_frames: usize, rate: u32) -> (PlayFeed, PlaySource) {
        let (producer, ring) = RingBuffer::new(capacity_frames.max(1));
        (PlayFeed { producer }, PlaySource::Feed { ring, rate })
    }
}

/// The feeding thread's end.
#[derive(Debug)]
pub struct PlayFeed {
    producer: Producer<i16>,
}

impl PlayFeed {
    /// How many samples were taken.
    pub fn push(&mut self, samples: &[i16]) -> usize {
        self.producer.push_partial_slice(samples).0.len()
    }
    pub fn space(&self) -> usize {
        self.producer.slots()
    }
    /// The session has stopped playing: no need to read on.
    pub fn is_closed(&self) -> bool {
        self.producer.is_abandoned()
    }
}
