//! The tap through which a session hands what is heard (and said) to whoever writes the file.

use core::sync::atomic::{AtomicU64, Ordering};
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;

/// The session's end; drop it (`Session::record_stop`) to end the recording.
#[derive(Debug)]
pub struct RecordTap {
    ring: Producer<i16>,
    channels: u8,
    lost: Arc<AtomicU64>,
}

/// The writer's end.
#[derive(Debug)]
pub struct RecordDrain {
    ring: Consumer<i16>,
    channels: u8,
    lost: Arc<AtomicU64>,
}

/// `channels` 1: what is heard; 2: left heard, right sent, interleaved. At the host's rate.
pub fn record_tap(capacity_frames: usize, channels: u8) -> (RecordTap, RecordDrain) {
    let channels = channels.clamp(1, 2);
    let (producer, consumer) = RingBuffer::new(capacity_frames.max(1) * usize::from(channels));
    let lost = Arc::new(AtomicU64::new(0));
    (
        RecordTap { ring: producer, channels, lost: lost.clone() },
        RecordDrain { ring: consumer, channels, lost },
    )
}

impl RecordTap {
    pub fn channels(&self) -> u8 {
        self.channels
    }

    /// Whole frames, interleaved. What does not fit is lost and counted.
    pub fn push(&mut self, interleaved: &[i16]) {
        if self.ring.push_entire_slice(interleaved).is_err() {
            let frames = interleaved.len() / usize::from(self.channels);
            self.lost.fetch_add(frames as u64, Ordering::Relaxed);
        }
    }
}

impl RecordDrain {
    pub fn channels(&self) -> u8 {
        self.channels
    }
    /// Takes interleaved samples; how many.
    pub fn read(&mut self, out: &mut [i16]) -> usize {
        self.ring.pop_partial_slice(out).0.len()
    }
    /// The session has let go and everything was read.
    pub fn is_finished(&self) -> bool {
        // In this order: what was pushed before the end is seen after it.
        self.ring.is_abandoned() && self.ring.is_empty()
    }
    /// Frames that found no room.
    pub fn lost_frames(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
