//! Where the requests of a dialog go: the next hop's address, looked up when it is a name, or the connection that the
//! dialog began on.
//!
//! Requests that become due during a look-up wait in order. A name that can't be found is reached at the address that
//! the peer's messages come from.

use super::super::api::QueryId;
use super::super::base::{Asker, Cx};
use super::super::hop::{hop_of, transport_of};
use super::{Call, Phase};
use crate::proto::sip::{Flow, HeaderName, Message, Peer, Transport, Uri};
use core::net::SocketAddr;

/// Requests that wait for one look-up.
const MAX_WAITING: usize = 16;

/// A name as the next hop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Named {
    pub name: Box<str>,
    pub port: u16,
    pub transport: Transport,
}

/// What the connection that an INVITE came over is good for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Kept {
    #[default]
    No,
    /// It leads to the caller itself: for all that follows.
    Direct,
    /// It leads to a proxy that wants to stay in the way: for what goes to that host.
    Proxy,
}

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
    name: Option<Named>,
    kept: Kept,
    query: Option<QueryId>,
    waiting: Vec<Act>,
    /// Our address towards `peer`.
    local: Option<(Peer, SocketAddr)>,
}

impl Reach {
    /// The way back to where an INVITE came from. A connection that leads to the caller itself, or to a proxy that
    /// recorded its route, is kept: the addresses that they name may be behind a NAT.
    pub fn back(source: Peer, invite: &Message) -> Reach {
        let recorded = invite.header(HeaderName::RecordRoute).is_some();
        let kept = match source.transport.is_reliable() {
            false => Kept::No,
            true if recorded => Kept::Proxy,
            true if invite.values(HeaderName::Via).nth(1).is_none() => Kept::Direct,
            true => Kept::No,
        };
        Reach { peer: Some(source), kept, ..Reach::default() }
    }
    pub fn set(&mut self, peer: Peer, name: Option<Named>) {
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

    /// Follows the dialog's next hop after its route set or remote target may have changed. A hop that would take a
    /// call off TLS isn't followed.
    pub(super) fn follow_hop(&mut self, cx: &mut Cx<'_>, uri: Option<Uri>) {
        let (Some(uri), Some(current)) = (uri, self.reach.peer) else { return };
        let Some(transport) = transport_of(&uri, current.transport) else { return };
        if self.reach.kept == Kept::Direct && cx.base.flows.is_usable(current) {
            return;
        }
        match hop_of(&uri, transport) {
            (Ok(address), _) => self.follow_address(cx, current, Peer::new(transport, address)),
            (Err(name), port) => {
                let wanted = Named { name, port, transport };
                if self.reach.name.as_ref() != Some(&wanted) {
                    let query = cx.base.resolve(Asker::Call(self.key), &wanted.name, port);
                    self.reach.name = Some(wanted);
                    self.reach.wait_for(query);
                }
            }
        }
    }
    fn follow_address(&mut self, cx: &mut Cx<'_>, current: Peer, next: Peer) {
        // The host at that address has proved its name already (RFC 5923).
        let same = current.is_same_place(&next);
        let kept = self.reach.kept == Kept::Proxy
            && current.flow == Flow::Accepted
            && current.address.ip() == next.address.ip()
            && cx.base.flows.is_usable(current);
        if !same && !kept {
            self.reach.set(next, None);
        }
    }
    /// A connection that the peer made and that is gone gives way to what the dialog says.
    pub(super) fn leave_lost_connection(&mut self, cx: &mut Cx<'_>) {
        let lost = self.reach.peer.is_some_and(|peer| !cx.base.flows.is_usable(peer));
        if let (true, Phase::Talking(talking)) = (lost, &self.phase) {
            let hop = talking.dialog.next_hop();
            self.reach.kept = Kept::No;
            self.follow_hop(cx, hop);
        }
    }
    /// Does the call go through that connection?
    pub fn uses(&self, peer: Peer) -> bool {
        self.reach.peer == Some(peer)
    }

    pub fn on_resolved(&mut self, cx: &mut Cx<'_>, query: QueryId, addresses: Result<Vec<SocketAddr>, ()>) {
        if !self.reach.is_waiting_for(query) {
            return;
        }
        self.reach.answered();
        if matches!(self.phase, Phase::Calling(_)) {
            return self.on_calling_resolved(cx, addresses);
        }
        let usable =
            addresses.unwrap_or_default().into_iter().find(|a| cx.base.local_towards(a.ip()).is_some());
        if let (Some(address), Some(named)) = (usable, &self.reach.name) {
            self.reach.peer = Some(cx.base.flows.peer(named.transport, address, Some(&named.name)));
        }
        for act in core::mem::take(&mut self.reach.waiting) {
            self.act(cx, act);
        }
    }
}
