//! Whether a stream's own socket is connected to its peer, and when it may be.
//!
//! A connected socket costs the kernel less: it looks up no route for what is sent. But it also hears nobody else, not even
//! a peer that has moved, and on a host with several addresses it may hear nothing at all. So only a stream is connected
//! that has heard its peer alone for a while, and it is let go again as soon as the peer is silent or anything else changes.

use super::udp;
use crate::util::Time;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Duration;

/// Packets in a row from where packets go to, before a socket is connected for the first time.
const ENOUGH: u16 = 50;
/// With RTCP on the same port: more than come between two reports (RFC 3550 section 6.2), which may come from elsewhere.
const ENOUGH_WITH_REPORTS: u16 = 500;
/// What a peer that is often silent has to show at last.
const MOST: u16 = 6400;
/// Longer nobody waits for a silent peer.
const SILENCE: Duration = Duration::from_millis(60);

/// What a stream knows of its peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Calm {
    /// So many packets came in a row from where packets go to, and so many are needed.
    Watching { heard: u16, needed: u16 },
    /// `heard`: when its last packet was read, or when it was connected while there was not `any`.
    Connected { peer: SocketAddr, heard: Time, any: bool, needed: u16 },
    /// It heard nothing while it was connected. Once is enough.
    Never,
}

impl Default for Calm {
    fn default() -> Calm {
        Calm::Watching { heard: 0, needed: ENOUGH }
    }
}

impl Calm {
    #[inline]
    pub fn peer(&self) -> Option<SocketAddr> {
        match self {
            Calm::Connected { peer, .. } => Some(*peer),
            _ => None,
        }
    }

    /// A packet from there was read; packets go to `to`.
    #[inline]
    pub fn heard(&mut self, now: Time, from: SocketAddr, to: impl FnOnce() -> Option<SocketAddr>) {
        match self {
            Calm::Connected { heard, any, .. } => (*heard, *any) = (now, true),
            Calm::Watching { heard, .. } if Some(from) == to() => *heard = heard.saturating_add(1),
            Calm::Watching { heard, .. } => *heard = 0,
            Calm::Never => {}
        }
    }
    pub fn is_ready(&self, reports: bool) -> bool {
        let least = if reports { ENOUGH_WITH_REPORTS } else { ENOUGH };
        matches!(self, Calm::Watching { heard, needed } if *heard >= least.max(*needed))
    }

    /// What came before may be from others: it has to be read by name still.
    pub fn connect(&mut self, now: Time, fd: RawFd, peer: SocketAddr, ipv6: bool) {
        let Calm::Watching { needed, .. } = *self else { return };
        *self = match udp::connect(fd, udp::for_family(peer, ipv6)) {
            Ok(()) => Calm::Connected { peer, heard: now, any: false, needed },
            Err(_) => Calm::Never,
        };
    }
    /// Nothing was there to be read. True: it is time to listen to others, too.
    pub fn is_silent(&self, now: Time) -> bool {
        matches!(self, Calm::Connected { heard, .. } if now.since(*heard) >= SILENCE)
    }
    /// Listens to everybody again.
    pub fn let_go(&mut self, fd: RawFd) {
        let Calm::Connected { any, needed, .. } = *self else { return };
        udp::disconnect(fd);
        *self = match any {
            true => Calm::Watching { heard: 0, needed: needed.saturating_mul(2).min(MOST) },
            false => Calm::Never,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    const START: Time = Time::from_secs(100);

    fn sockets() -> (UdpSocket, SocketAddr, UdpSocket) {
        let (ours, peer) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let at = peer.local_addr().unwrap();
        (ours, at, peer)
    }
    fn hears(calm: &mut Calm, from: SocketAddr, times: u16) {
        (0..times).for_each(|_| calm.heard(START, from, || Some(from)));
    }

    #[test]
    fn only_a_peer_that_was_heard_alone_for_a_while_is_connected_to() {
        let (mut calm, peer, other) =
            (Calm::default(), "192.0.2.1:4000".parse().unwrap(), "192.0.2.2:4000".parse().unwrap());
        hears(&mut calm, peer, ENOUGH - 1);
        assert!(!calm.is_ready(false));
        calm.heard(START, other, || Some(peer));
        hears(&mut calm, peer, ENOUGH - 1);
        assert!(!calm.is_ready(false));
        hears(&mut calm, peer, 1);
        assert!(calm.is_ready(false) && !calm.is_ready(true));
        hears(&mut calm, peer, ENOUGH_WITH_REPORTS);
        assert!(calm.is_ready(true));
    }

    #[test]
    fn a_peer_that_falls_silent_is_let_go_and_has_to_show_more_the_next_time() {
        let (ours, at, _peer) = sockets();
        let (mut calm, fd) = (Calm::default(), ours.as_raw_fd());
        for round in 0..12 {
            let needed = (ENOUGH << round.min(8)).min(MOST);
            hears(&mut calm, at, needed - 1);
            assert!(!calm.is_ready(false), "round {round}");
            hears(&mut calm, at, 1);
            calm.connect(START, fd, at, false);
            assert_eq!((calm.peer(), ours.peer_addr().unwrap()), (Some(at), at));
            hears(&mut calm, at, 1);
            assert!(!calm.is_silent(START + SILENCE / 2) && calm.is_silent(START + SILENCE));
            calm.let_go(fd);
            assert!(calm.peer().is_none() && ours.peer_addr().is_err());
        }
    }

    #[test]
    fn a_stream_that_heard_nothing_while_it_was_connected_never_is_again() {
        let (ours, at, _peer) = sockets();
        let (mut calm, fd) = (Calm::default(), ours.as_raw_fd());
        hears(&mut calm, at, ENOUGH);
        calm.connect(START, fd, at, false);
        calm.let_go(fd);
        hears(&mut calm, at, u16::MAX);
        calm.connect(START, fd, at, false);
        assert!(!calm.is_ready(false) && ours.peer_addr().is_err());
    }
}
