//! The next hop of a request: host, port and transport of a URI (RFC 3263 section 4.1), and the connection to it.
//!
//! What was to go over TLS never goes over anything less: a URI that asks for it leads nowhere.

use crate::proto::sip::{Flow, Host, Peer, Scheme, Transport, Uri};
use core::net::SocketAddr;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Host names of TLS servers that are kept; the oldest one gives way.
const MAX_NAMES: usize = 4096;
/// Connections of others that are remembered as alive; the engine has fewer.
const MAX_ACCEPTED: usize = 1 << 20;
/// Is TLS compiled in?
pub(super) const HAS_TLS: bool = cfg!(feature = "tls");

/// The transport that a URI asks for, `preferred` where it asks for none. None: one that we haven't, or less than the
/// TLS that is preferred.
pub(super) fn transport_of(uri: &Uri, preferred: Transport) -> Option<Transport> {
    let named = match uri.param("transport") {
        Some(name) => Some(Transport::from_name(name)?),
        None => None,
    };
    let wanted = match (&uri.scheme, named) {
        // RFC 3261 section 26.2.2: `sips` with TCP is TLS over TCP.
        (Scheme::Sips, None | Some(Transport::Tcp | Transport::Tls)) => Transport::Tls,
        (Scheme::Sips, _) => return None,
        (_, named) => named.unwrap_or(preferred),
    };
    let less = preferred == Transport::Tls && wanted != Transport::Tls;
    let known = match wanted {
        Transport::Udp | Transport::Tcp => true,
        Transport::Tls => HAS_TLS,
        Transport::Ws | Transport::Wss => false,
    };
    (known && !less).then_some(wanted)
}

/// Host and port of a URI: an address, or a name to look up.
pub(super) fn hop_of(uri: &Uri, transport: Transport) -> (Result<SocketAddr, Box<str>>, u16) {
    let port = uri.port.unwrap_or(transport.default_port());
    // RFC 3261 section 19.1.1: maddr overrides the host.
    if let Some(Ok(ip)) = uri.param("maddr").map(str::parse) {
        return (Ok(SocketAddr::new(ip, port)), port);
    }
    match &uri.host {
        Host::Ip(ip) => (Ok(SocketAddr::new(*ip, port)), port),
        Host::Name(name) => (Err(name.clone()), port),
    }
}

/// What connections are about: the names that TLS servers have to prove, and those of others that still live.
#[derive(Default)]
pub(super) struct Flows {
    names: HashMap<u32, Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
    order: VecDeque<u32>,
    made: u32,
    accepted: HashSet<Peer>,
}

impl Flows {
    /// Where a message for that host goes. `name`: what was looked up, None for an address.
    pub fn peer(&mut self, transport: Transport, address: SocketAddr, name: Option<&str>) -> Peer {
        let flow = match name {
            Some(name) if transport == Transport::Tls => Flow::Name(self.id(name)),
            _ => Flow::Address,
        };
        Peer { flow, ..Peer::new(transport, address) }
    }
    /// Never reused: a connection that proved one name must not be taken for another.
    fn id(&mut self, name: &str) -> u32 {
        let name: Arc<str> = name.trim_end_matches('.').to_ascii_lowercase().into();
        if let Some(id) = self.ids.get(&name) {
            return *id;
        }
        if self.order.len() >= MAX_NAMES {
            let oldest = self.order.pop_front().and_then(|id| self.names.remove(&id));
            oldest.and_then(|name| self.ids.remove(&name));
        }
        self.made = self.made.wrapping_add(1);
        self.names.insert(self.made, name.clone());
        self.ids.insert(name, self.made);
        self.order.push_back(self.made);
        self.made
    }
    pub fn name(&self, id: u32) -> Option<Arc<str>> {
        self.names.get(&id).cloned()
    }

    /// A message came over a connection that its peer made.
    pub fn heard(&mut self, source: Peer) {
        if source.flow == Flow::Accepted && self.accepted.len() < MAX_ACCEPTED {
            self.accepted.insert(source);
        }
    }
    pub fn lost(&mut self, peer: Peer) {
        self.accepted.remove(&peer);
    }
    /// Can it still be sent to? Connections of ours are made anew.
    pub fn is_usable(&self, peer: Peer) -> bool {
        peer.flow != Flow::Accepted || self.accepted.contains(&peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, preferred: Transport) -> Option<Transport> {
        transport_of(&Uri::parse(text).expect("a uri"), preferred)
    }

    #[test]
    fn a_uri_says_its_transport_and_tls_is_never_given_up() {
        use Transport::{Tcp, Tls, Udp};
        let tls = HAS_TLS.then_some(Tls);
        assert_eq!(of("sip:a", Udp), Some(Udp));
        assert_eq!(of("sip:a", Tcp), Some(Tcp));
        assert_eq!(of("sip:a;transport=TCP", Udp), Some(Tcp));
        assert_eq!(of("sip:a;transport=udp", Tcp), Some(Udp));
        assert_eq!(of("sip:a;transport=tls", Udp), tls);
        assert_eq!(of("sips:a", Udp), tls);
        assert_eq!(of("sips:a;transport=tcp", Udp), tls);
        assert_eq!(of("sips:a;transport=udp", Udp), None);
        assert_eq!(of("sip:a;transport=ws", Udp), None);
        assert_eq!(of("sip:a;transport=carrier-pigeon", Udp), None);
        assert_eq!(of("sip:a", Tls), tls);
        assert_eq!(of("sip:a;transport=udp", Tls), None);
        assert_eq!(of("sip:a;transport=tcp", Tls), None);
    }

    #[test]
    fn a_name_keeps_its_number_and_numbers_are_not_used_again() {
        let mut flows = Flows::default();
        let at = SocketAddr::from(([192, 0, 2, 1], 5061));
        let first = flows.peer(Transport::Tls, at, Some("A.example."));
        assert_eq!(flows.peer(Transport::Tls, at, Some("a.example")), first);
        assert_ne!(flows.peer(Transport::Tls, at, Some("b.example")), first);
        assert_eq!(flows.peer(Transport::Tcp, at, Some("a.example")).flow, Flow::Address);
        let Flow::Name(id) = first.flow else { panic!("{first:?}") };
        assert_eq!(flows.name(id).as_deref(), Some("a.example"));
        for n in 0..MAX_NAMES {
            flows.peer(Transport::Tls, at, Some(&format!("n{n}.example")));
        }
        assert_eq!(flows.name(id), None);
        assert_ne!(flows.peer(Transport::Tls, at, Some("a.example")), first);
        assert!(flows.names.len() <= MAX_NAMES && flows.ids.len() <= MAX_NAMES);
    }
}
