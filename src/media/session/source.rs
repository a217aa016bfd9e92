//! The source that is heard: its numbers, and its jitter as RFC 3550 has it.

use crate::proto::rtp::{SequenceTracker, Timestamp};
use crate::util::Time;

/// One SSRC.
#[repr(C)]
pub struct Source {
    // What is seldom needed comes first: what every packet changes ends with a cache line of the receiver's.
    pub tracker: SequenceTracker,
    pub ssrc: u32,
    pub clock_rate: u32,
    pub highest: u64,
    /// RFC 3550 A.8: transit in ticks, jitter in 1/16 ticks.
    pub transit: Option<u32>,
    pub jitter_q4: u32,
}

impl Source {
    pub fn new(ssrc: u32, clock_rate: u32) -> Source {
        let tracker = SequenceTracker::new(1);
        Source { ssrc, tracker, highest: 0, transit: None, jitter_q4: 0, clock_rate }
    }

    pub fn measure(&mut self, now: Time, timestamp: Timestamp) {
        let (seconds, ns) = (now.as_nanos() / 1_000_000_000, now.as_nanos() % 1_000_000_000);
        let part = ns * u64::from(self.clock_rate) / 1_000_000_000;
        let arrival = seconds.wrapping_mul(u64::from(self.clock_rate)).wrapping_add(part);
        let transit = (arrival as u32).wrapping_sub(timestamp.0);
        if let Some(before) = self.transit.replace(transit) {
            let d = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // A jump of the sender's clock is no jitter.
            if d < self.clock_rate {
                self.jitter_q4 = self.jitter_q4 + d - ((self.jitter_q4 + 8) >> 4);
            }
        }
    }

    pub fn jitter_ns(&self) -> u64 {
        u64::from(self.jitter_q4 >> 4) * 1_000_000_000 / u64::from(self.clock_rate.max(1))
    }
}

pub fn jitter_of(source: &Option<Source>) -> u64 {
    source.as_ref().map_or(0, Source::jitter_ns)
}
