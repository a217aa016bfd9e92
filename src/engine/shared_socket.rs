//! A socket that many streams share: whose datagram is it, and what waits to be sent.

use super::receiver::Receiver;
use super::send_batch::{Flushed, SendBatch};
use super::udp;
use crate::proto::rtp::{sender_ssrc, Demux, Route};
use crate::util::{Key, Rng, Time};
use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// Datagrams that one read takes. With UDP_GRO each of them may be a run of many.
const BATCH: usize = 16;
/// The longest datagram, and lines beyond it: rooms that begin a power of two apart would push each other out of the cache.
const DATAGRAM_BYTES: usize = 65_536 + 5 * 64;
/// Datagrams that nobody was known for and that may be somebody's soon: an answer may be overtaken by the first packets.
const EARLY: usize = 64;
const EARLY_BYTES: usize = 512;
const EARLY_AGE: Duration = Duration::from_millis(500);

pub struct SharedSocket {
    socket: UdpSocket,
    ipv6: bool,
    /// Nothing that is sent needs fragments, so far.
    whole: bool,
    demux: Demux,
    batch: SendBatch,
    early: VecDeque<Early>,
}

struct Early {
    at: Time,
    from: SocketAddr,
    bytes: Vec<u8>,
}

/// Room for reading, one for all shared sockets of a worker.
pub fn shared_receiver() -> Receiver {
    Receiver::new(BATCH, DATAGRAM_BYTES)
}

impl SharedSocket {
    pub fn new(socket: UdpSocket, limit: usize, rng: &mut dyn Rng) -> SharedSocket {
        let ipv6 = socket.local_addr().is_ok_and(|a| a.is_ipv6());
        udp::stamp_arrivals(socket.as_raw_fd());
        udp::take_runs(socket.as_raw_fd());
        if !ipv6 {
            udp::never_fragment(socket.as_raw_fd());
        }
        let demux = Demux::new(limit, rng);
        SharedSocket {
            socket,
            ipv6,
            whole: !ipv6,
            demux,
            batch: SendBatch::default(),
            early: VecDeque::new(),
        }
    }
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// One of the streams sends packets that not every path carries whole.
    pub fn allow_fragments(&mut self) {
        if std::mem::take(&mut self.whole) {
            udp::fragment_again(self.socket.as_raw_fd());
        }
    }

    /// A stream's peer as signalling says it, now or anew. A stream without a peer hears nobody.
    pub fn set_peer(&mut self, key: Key, remote: Option<SocketAddr>, ssrc: Option<u32>) {
        let (key, remote) = (key.to_u64(), remote.filter(|r| r.port() != 0));
        match self.demux.get(key) {
            None if remote.is_some() => {
                self.demux.insert(key, remote, ssrc);
            }
            // A stream on hold keeps its peer: the same one will come back.
            Some((known, known_ssrc)) if remote.is_some() => {
                if known != remote {
                    self.demux.set_remote(key, remote);
                }
                if ssrc.is_some() && known_ssrc != ssrc {
                    self.demux.set_ssrc(key, ssrc);
                }
            }
            _ => {}
        }
    }
    /// Gives back what a crowd of streams needed.
    pub fn shrink(&mut self) {
        self.demux.shrink();
        self.early = VecDeque::new();
        self.batch.shrink();
    }
    pub fn remove(&mut self, key: Key) {
        self.demux.remove(key.to_u64());
    }

    pub fn route(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<Key> {
        match self.demux.route(from, sender_ssrc(datagram)) {
            Route::Known(key) | Route::Learned(key) => Some(Key::from_u64(key)),
            Route::Unknown => None,
        }
    }

    /// Nobody's yet. The oldest go when there are too many.
    pub fn keep_early(&mut self, at: Time, from: SocketAddr, datagram: &[u8]) {
        if datagram.len() > EARLY_BYTES {
            return;
        }
        let mut bytes = match self.early.len() >= EARLY {
            true => self.early.pop_front().map(|early| early.bytes).unwrap_or_default(),
            false => Vec::with_capacity(EARLY_BYTES),
        };
        bytes.clear();
        bytes.extend_from_slice(datagram);
        self.early.push_back(Early { at, from, bytes });
    }

    /// What came before its stream had a peer, for a stream that has one now.
    pub fn take_early(&mut self, now: Time, key: Key, mut each: impl FnMut(Time, SocketAddr, &mut [u8])) {
        for _ in 0..self.early.len() {
            let Some(mut early) = self.early.pop_front() else { return };
            if now.since(early.at) > EARLY_AGE {
                continue;
            }
            match self.route(early.from, &early.bytes) {
                Some(owner) if owner == key => each(early.at, early.from, &mut early.bytes),
                Some(_) => {}
                None => self.early.push_back(early),
            }
        }
    }

    /// Waits for `flush`; only what a full batch pushed out is reported.
    pub fn send(&mut self, to: SocketAddr, datagram: &[u8]) -> Flushed {
        let flushed = match self.batch.is_full(datagram.len()) {
            true => self.flush(),
            false => Flushed::default(),
        };
        self.batch.push(udp::for_family(to, self.ipv6), datagram);
        flushed
    }
    pub fn flush(&mut self) -> Flushed {
        match self.batch.is_empty() {
            true => Flushed::default(),
            false => self.batch.flush(self.socket.as_raw_fd()),
        }
    }
}
