//! Where the requests of a dialog go: the next hop's address, looked up when it is a name.
//!
//! Requests that become due during a look-up wait in order. A name that can't be found is reached at the address that
//! the peer's messages come from.

use super::super::api::QueryId;
use super::super::base::{Asker, Cx};
use super::Call;
use crate::proto::sip::{Host, Peer, Uri};
use core::net::SocketAddr;

pub(in crate::ua) const DEFAULT_PORT: u16 = 5060;
/// Requests that wait for one look-up.
const MAX_WAITING: usize = 16;

/// Something that the dialog sends.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Ack,
    Bye,
    Reinvite,
    Info { digit: char, duration_ms: u32 },
    Refer { target: Box<str> },
}

#[derive(Default)]
pub(super) struct Reach {
    peer: Option<Peer>,
    /// The name that `peer` stands for.
    name: Option<(Box<str>, u16)>,
    query: Option<QueryId>,
    waiting: Vec<Act>,
    /// Our address towards `peer`.
    local: Option<(Peer, SocketAddr)>,
}

impl Reach {
    pub fn set(&mut self, peer: Peer, name: Option<(Box<str>, u16)>) {
        self.peer = Some(peer);
        self.name = name;
    }
    pub fn peer(&self) -> Option<Peer> {
        self.peer
    }
    pub fn wait_for(&mut self, query: QueryId) {
        self.query = Some(query);
    }
    pub fn is_waiting_for(&self, query: QueryId) -> bool {
        self.query == Some(query)
    }
    pub fn answered(&mut self) {
        self.query = None;
    }
    pub fn forget(&mut self) -> Option<QueryId> {
        self.waiting.clear();
        self.query.take()
    }
    /// Keeps an act back while a look-up runs.
    pub fn defer(&mut self, act: Act) -> bool {
        let wait = self.query.is_some();
        if wait && self.waiting.len() < MAX_WAITING {
            self.waiting.push(act);
        }
        wait
    }
}

/// Host and port of a URI: an address, or a name to look up.
pub(in crate::ua) fn hop_of(uri: &Uri) -> (Result<SocketAddr, Box<str>>, u16) {
    let port = uri.port.unwrap_or(DEFAULT_PORT);
    // RFC 3261 section 19.1.1: maddr overrides the host.
    if let Some(Ok(ip)) = uri.param("maddr").map(str::parse) {
        return (Ok(SocketAddr::new(ip, port)), port);
    }
    match &uri.host {
        Host::Ip(ip) => (Ok(SocketAddr::new(*ip, port)), port),
        Host::Name(name) => (Err(name.clone()), port),
    }
}

impl Call {
    /// Our own address towards the next hop.
    pub(super) fn local(&mut self, cx: &mut Cx<'_>) -> Option<(Peer, SocketAddr)> {
        let peer = self.reach.peer?;
        if let Some((known, local)) = self.reach.local {
            if known.address.ip() == peer.address.ip() {
                return Some((peer, local));
            }
        }
        let local = cx.base.local_towards(peer.address.ip())?;
        self.reach.local = Some((peer, local));
        Some((peer, local))
    }

    /// Follows the dialog's next hop after its route set or remote target may have changed.
    pub(super) fn follow_hop(&mut self, cx: &mut Cx<'_>, uri: Option<Uri>) {
        let (Some(uri), Some(current)) = (uri, self.reach.peer) else { return };
        match hop_of(&uri) {
            (Ok(address), _) => self.reach.set(Peer { address, ..current }, None),
            (Err(name), port) => {
                let wanted = Some((name.clone(), port));
                if self.reach.name != wanted {
                    let query = cx.base.resolve(Asker::Call(self.key), &name, port);
                    self.reach.name = wanted;
                    self.reach.wait_for(query);
                }
            }
        }
    }

    pub fn on_resolved(&mut self, cx: &mut Cx<'_>, query: QueryId, addresses: Result<Vec<SocketAddr>, ()>) {
        if !self.reach.is_waiting_for(query) {
            return;
        }
        self.reach.answered();
        if matches!(self.phase, super::Phase::Calling(_)) {
            return self.on_calling_resolved(cx, addresses);
        }
        let usable =
            addresses.unwrap_or_default().into_iter().find(|a| cx.base.local_towards(a.ip()).is_some());
        if let (Some(address), Some(current)) = (usable, self.reach.peer) {
            self.reach.peer = Some(Peer { address, ..current });
        }
        for act in core::mem::take(&mut self.reach.waiting) {
            self.act(cx, act);
        }
    }
}
