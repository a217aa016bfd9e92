//! A media worker's sockets that many streams share: batches in, each datagram to its stream, batches out.

use super::clock;
use super::receiver::Receiver;
use super::shared_socket::{shared_receiver, SharedSocket};
use super::worker_loop::Worker;
use crate::ua::CallId;
use crate::util::Key;
use std::net::{SocketAddr, UdpSocket};

/// The token of shared socket 0; the others count down from it.
pub const FIRST_TOKEN: u64 = u64::MAX - 1;
/// Batches that one turn reads of one shared socket.
const BATCHES: usize = 8;

#[derive(Default)]
pub struct SharedSockets {
    pub sockets: Vec<SharedSocket>,
    /// Room to read into, once there are any.
    receiver: Receiver,
    /// Those that have something to read.
    pub ready: Vec<usize>,
    /// Whose each datagram of a batch is that can't wait; empty between batches.
    routed: Vec<Routed>,
}

/// One datagram of a batch: whose, and where in the batch it lies.
struct Routed {
    key: Key,
    index: usize,
    start: usize,
    end: usize,
}

impl SharedSockets {
    /// Each stream has a socket of its own.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }
    /// Notes what a token says, if it is that of a shared socket.
    pub fn is_ready(&mut self, token: u64) -> bool {
        let index = match FIRST_TOKEN.checked_sub(token) {
            Some(index) if (index as usize) < self.sockets.len() => index as usize,
            _ => return false,
        };
        if !self.ready.contains(&index) {
            self.ready.push(index);
        }
        true
    }
    fn allow_fragments(&mut self, index: usize) {
        if let Some(socket) = self.get_mut(index) {
            socket.allow_fragments();
        }
    }
    /// Gives back what a crowd of streams needed.
    pub fn shrink(&mut self) {
        self.sockets.iter_mut().for_each(SharedSocket::shrink);
        self.receiver.shrink();
        self.routed = Vec::new();
    }
    pub fn get_mut(&mut self, index: usize) -> Option<&mut SharedSocket> {
        self.sockets.get_mut(index)
    }
}

impl Worker {
    pub(super) fn share(&mut self, socket: UdpSocket) {
        let limit = self.link.max_calls.saturating_mul(2);
        let socket = SharedSocket::new(socket, limit, &mut clock::OsRng::new());
        if let Err(error) = self.epoll.add(socket.fd(), FIRST_TOKEN - self.shared.sockets.len() as u64) {
            log::error!(target: "voip::engine", "epoll: {error}");
        }
        if self.shared.sockets.is_empty() {
            self.shared.receiver = shared_receiver();
        }
        self.shared.sockets.push(socket);
    }

    /// A description named a stream's peer. Some of its packets may be here already.
    pub(super) fn set_peer(&mut self, call: CallId, remote: Option<SocketAddr>, ssrc: Option<u32>) {
        let Some(key) = self.keys.get(&call).copied() else { return };
        let Some(stream) = self.streams.get(key) else { return };
        let Some(index) = stream.shared_socket() else { return };
        if stream.may_need_fragments() {
            self.shared.allow_fragments(index);
        }
        let (mut shared, now) = (std::mem::take(&mut self.shared), self.stamps.now());
        if let Some(socket) = shared.get_mut(index) {
            socket.set_peer(key, remote, ssrc);
            self.guarded(key, |stream| {
                socket.take_early(now, key, |at, from, bytes| stream.arrived(at, from, bytes));
            });
        }
        self.shared = shared;
        self.settle_stream(key, true);
    }

    pub(super) fn read_shared(&mut self) {
        for index in std::mem::take(&mut self.shared.ready) {
            if self.read_one(index) {
                self.shared.ready.push(index);
            }
        }
    }

    /// True: there is more.
    fn read_one(&mut self, index: usize) -> bool {
        for _ in 0..BATCHES {
            let Some(fd) = self.shared.sockets.get(index).map(SharedSocket::fd) else { return false };
            let Ok(count) = self.shared.receiver.receive(fd) else { return false };
            self.route_batch(index, count);
            self.hand_out();
            if count < self.shared.receiver.capacity() {
                return false;
            }
        }
        true
    }

    /// Finds out of all datagrams whose they are. Most wait for their stream's turn; of the others the memory of the next
    /// ones can be fetched meanwhile.
    fn route_batch(&mut self, index: usize, count: usize) {
        let SharedSockets { sockets, receiver, routed, .. } = &mut self.shared;
        let Some(socket) = sockets.get_mut(index) else { return };
        let mut packets = 0;
        for at in 0..count {
            let Some(datagram) = receiver.datagram(at) else { continue };
            let segment = datagram.segment.unwrap_or(datagram.bytes.len()).max(1);
            self.tally.bytes_in += datagram.bytes.len() as u64;
            let (from, arrival) = (datagram.from, self.stamps.arrival(datagram.stamp));
            for (n, bytes) in datagram.bytes.chunks(segment).enumerate() {
                packets += 1;
                let (start, end) = (n * segment, n * segment + bytes.len());
                match socket.route(from, bytes) {
                    Some(key) if self.pending.keep(key, arrival, from, bytes) => {}
                    Some(key) => routed.push(Routed { key, index: at, start, end }),
                    None => {
                        self.link.counters.media_unrouted.add(1);
                        socket.keep_early(arrival, from, bytes);
                    }
                }
            }
        }
        self.tally.packets_in += packets;
        self.tally.batches += 1;
        self.tally.largest = self.tally.largest.max(packets);
    }

    fn hand_out(&mut self) {
        let routed = std::mem::take(&mut self.shared.routed);
        let mut receiver = std::mem::take(&mut self.shared.receiver);
        let stamps = self.stamps;
        for (n, Routed { key, index, start, end }) in routed.iter().enumerate() {
            let later = |ahead: usize| routed.get(n + ahead).and_then(|r| self.streams.get(r.key));
            for (step, ahead) in [(0, 4), (1, 2)] {
                if let Some(stream) = later(ahead) {
                    stream.prefetch(step);
                }
            }
            let Some(datagram) = receiver.datagram(*index) else { continue };
            let Some(bytes) = datagram.bytes.get_mut(*start..*end) else { continue };
            let arrival = stamps.arrival(datagram.stamp);
            let mut pending = std::mem::take(&mut self.pending);
            self.guarded(*key, |stream| {
                pending.take(*key, |at, from, bytes| stream.arrived(at, from, bytes));
                stream.arrived(arrival, datagram.from, bytes);
            });
            self.pending = pending;
            self.settle_stream(*key, false);
        }
        self.shared.receiver = receiver;
        self.shared.routed = routed;
        self.shared.routed.clear();
    }

    pub(super) fn flush_shared(&mut self) {
        for socket in &mut self.shared.sockets {
            self.tally.sent.count(socket.flush());
        }
    }
}
