//! Packets that come before the answer that describes them: a callee talks as soon as it has sent its 200, and the first
//! packets may overtake it (RFC 3264 section 5.1). The last few wait for the description, so that no first syllable is
//! cut off; what is older than that would only be delay.

use crate::util::{Duration, Time};
use core::net::SocketAddr;
use std::collections::VecDeque;

/// Packets kept.
const MAX_PACKETS: usize = 4;
/// Longer datagrams are no frame of speech.
const MAX_BYTES: usize = 1500;
/// Older packets are not heard any more.
const MAX_AGE: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct Early {
    packets: VecDeque<(Time, SocketAddr, Box<[u8]>)>,
}

impl Early {
    /// Keeps a packet; how many are given up for it.
    pub fn keep(&mut self, now: Time, source: SocketAddr, datagram: &[u8]) -> u64 {
        if datagram.len() > MAX_BYTES {
            return 1;
        }
        let full = self.packets.len() == MAX_PACKETS;
        if full {
            self.packets.pop_front();
        }
        self.packets.push_back((now, source, datagram.into()));
        u64::from(full)
    }

    /// Those that are worth hearing, oldest first, and how many are not.
    pub fn take(self, now: Time) -> (impl Iterator<Item = (SocketAddr, Box<[u8]>)>, u64) {
        let all = self.packets.len();
        let fresh: Vec<_> = self.packets.into_iter().filter(|(at, ..)| now.since(*at) <= MAX_AGE).collect();
        let stale = (all - fresh.len()) as u64;
        (fresh.into_iter().map(|(_, source, datagram)| (source, datagram)), stale)
    }
}
