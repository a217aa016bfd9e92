//! The SIP socket of the control thread, and where our packets leave the machine.

use super::clock;
use super::counters::Counters;
use super::error::{Error, Result};
use super::receiver::Receiver;
use super::udp;
use crate::util::Time;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// Datagrams that one system call takes, and batches that one wake-up takes.
const BATCH: usize = 32;
pub const BATCHES: usize = 4;
/// The largest UDP payload.
const DATAGRAM_BYTES: usize = 65_535;
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// Errors of the queue that one wake-up looks at.
const ERRORS: usize = 64;
const MAX_ROUTES: usize = 1024;
/// Routes change when networks do.
const ROUTE_AGE: Duration = Duration::from_secs(5);

pub struct SipIo {
    socket: UdpSocket,
    local: SocketAddr,
    receiver: Receiver,
    outgoing: Vec<(SocketAddr, Arc<[u8]>)>,
}

impl SipIo {
    pub fn open(bind: SocketAddr) -> Result<SipIo> {
        let what = format!("binding {bind}");
        let socket = udp::open(bind, SOCKET_BUFFER_BYTES).map_err(|e| Error::system(&what, &e))?;
        udp::report_errors(&socket, bind);
        let local = socket.local_addr().map_err(|e| Error::system(&what, &e))?;
        let receiver = Receiver::new(BATCH, DATAGRAM_BYTES);
        Ok(SipIo { socket, local, receiver, outgoing: Vec::new() })
    }
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// How many came; true if there may be more.
    pub fn receive(&mut self) -> (usize, bool) {
        match self.receiver.receive(self.socket.as_raw_fd()) {
            Ok(n) => (n, n == self.receiver.capacity()),
            // An ICMP error is reported here once as well; the queue tells about whom.
            Err(e) => (0, !matches!(e.kind(), std::io::ErrorKind::WouldBlock)),
        }
    }
    /// A copy, so that the agent may be asked while the batch stays.
    pub fn datagram(&mut self, index: usize) -> Option<(Vec<u8>, SocketAddr)> {
        self.receiver.datagram(index).map(|datagram| (datagram.bytes.to_vec(), datagram.from))
    }

    /// Gives back what batches have touched of the room for the largest datagrams. For when no batch is being looked at.
    pub fn shrink(&mut self) {
        self.receiver.shrink();
        self.outgoing.shrink_to_fit();
    }

    pub fn queue(&mut self, to: SocketAddr, bytes: Arc<[u8]>) {
        self.outgoing.push((udp::for_family(to, self.local.is_ipv6()), bytes));
    }

    /// Sends what is queued. The destinations that the system refused come back.
    pub fn flush(&mut self, counters: &Counters) -> Vec<SocketAddr> {
        let mut failed = Vec::new();
        let mut rest: &[(SocketAddr, Arc<[u8]>)] = &self.outgoing;
        // An error may be the echo of an earlier datagram's: such a one gets a second chance.
        let mut tried_again = false;
        while !rest.is_empty() {
            let (sent, error) = udp::send_batch(self.socket.as_raw_fd(), rest);
            counters.sip_out.add(sent as u64);
            rest = rest.get(sent..).unwrap_or_default();
            tried_again &= sent == 0;
            let Some(error) = error else { break };
            if is_echo(&error) && !tried_again {
                tried_again = true;
                continue;
            }
            counters.sip_send_errors.add(1);
            if let Some(((to, _), others)) = rest.split_first() {
                log::debug!(target: "voip::sip", "sending to {to}: {error}");
                // A full socket buffer is no news about the peer: SIP will send again.
                if error.kind() != std::io::ErrorKind::WouldBlock {
                    failed.push(canonical(*to));
                }
                rest = others;
            }
            tried_again = false;
        }
        self.outgoing.clear();
        failed
    }

    /// Destinations that ICMP says can't be reached.
    pub fn unreachable(&mut self) -> Vec<SocketAddr> {
        let fd = self.socket.as_raw_fd();
        let mut found: Vec<SocketAddr> = Vec::new();
        for _ in 0..ERRORS {
            let Some((about, errno)) = udp::next_error(fd) else { break };
            let hard = matches!(errno, libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH);
            if let Some(address) = about.filter(|a| hard && !found.contains(a)) {
                found.push(address);
            }
        }
        found
    }
}

impl AsRawFd for SipIo {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn is_echo(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH))
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Our address towards a peer, remembered for a while.
pub struct Routes {
    bound: SocketAddr,
    known: HashMap<IpAddr, (Option<IpAddr>, Time)>,
}

impl Routes {
    pub fn new(bound: SocketAddr) -> Routes {
        Routes { bound, known: HashMap::new() }
    }

    /// None: no way there from where we are bound.
    pub fn towards(&mut self, peer: IpAddr) -> Option<IpAddr> {
        let bound = self.bound.ip().to_canonical();
        if !bound.is_unspecified() {
            return (bound.is_ipv4() == peer.is_ipv4()).then_some(bound);
        }
        if bound.is_ipv4() && peer.is_ipv6() {
            return None;
        }
        let now = clock::now();
        if let Some((found, at)) = self.known.get(&peer) {
            if now.since(*at) < ROUTE_AGE {
                return *found;
            }
        }
        if self.known.len() >= MAX_ROUTES {
            self.known.clear();
        }
        let found = udp::local_address_towards(peer);
        self.known.insert(peer, (found, now));
        found
    }

    /// Where a stream is bound, and the address that the peer shall see (without port).
    pub fn for_stream(&mut self, hint: Option<IpAddr>) -> Option<(IpAddr, IpAddr)> {
        // Without a hint any way out will do; this address is for documentation and never sent to.
        let peer = hint.unwrap_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))).to_canonical();
        let seen = match self.towards(peer) {
            Some(ip) => ip,
            None if hint.is_none() => self.fallback(),
            None => return None,
        };
        let bound = self.bound.ip().to_canonical();
        let any = if seen.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { self.bound.ip() };
        Some((if bound.is_unspecified() { any } else { bound }, seen))
    }

    fn fallback(&self) -> IpAddr {
        match self.bound.ip().to_canonical() {
            ip if !ip.is_unspecified() => ip,
            _ => Ipv4Addr::LOCALHOST.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_address_is_our_address_and_other_families_have_no_route() {
        let mut routes = Routes::new("127.0.0.1:5060".parse().unwrap());
        let home: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(routes.towards("10.0.0.1".parse().unwrap()), Some(home));
        assert_eq!(routes.towards("::1".parse().unwrap()), None);
        assert_eq!(routes.for_stream(None), Some((home, home)));
    }

    #[test]
    fn bound_to_all_the_route_decides() {
        let mut routes = Routes::new("0.0.0.0:5060".parse().unwrap());
        let (bind, seen) = routes.for_stream(Some("127.0.0.9".parse().unwrap())).unwrap();
        assert!(bind.is_unspecified() && seen.is_loopback());
    }
}
