//! The tables of live transactions: matching, bounds, and the drive of the machines.
//!
//! Here is what both sides have; the requests of this agent are in [`client`], those that it answers in [`server`].

mod client;
mod server;

use super::super::{Flow, HeaderName, Message, Peer};
use super::linger::Lingering;
use super::{derive, Counters, Effect, Owner, ServerKey, TimerName, TimerQueue, Timers};
use crate::util::{Key, Slab, Time};
use client::Client;
use server::Server;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// All transactions of one agent.
pub struct Layer {
    timers: Timers,
    /// Of client and of server transactions each that are under way.
    max_transactions: usize,
    lingering: Lingering,
    clients: Slab<Client>,
    client_ids: HashMap<Arc<str>, Key>,
    /// Clients that still send, by where to: what an ICMP error concerns.
    sending: BTreeSet<(Peer, Key)>,
    servers: Slab<Server>,
    server_ids: HashMap<Arc<str>, Key>,
    merge_ids: HashMap<Arc<str>, Key>,
    queue: TimerQueue,
    secret: [u8; 32],
    /// Responses of others pass through here.
    forwarding: bool,
    counters: Counters,
    /// Room for the identity that is looked up.
    scratch: String,
}

macro_rules! turn {
    ($layer:ident, $now:expr, $owner:expr, $peer:expr, $silent:expr, $alarms:expr, $out:expr) => {
        Turn {
            now: $now,
            owner: $owner,
            peer: $peer,
            silent: $silent,
            timers: &$layer.timers,
            queue: &mut $layer.queue,
            alarms: $alarms,
            out: $out,
        }
    };
}

use turn;

impl Layer {
    pub fn new(timers: Timers, max_transactions: usize) -> Layer {
        Layer {
            timers,
            max_transactions,
            lingering: Lingering::new(max_transactions),
            clients: Slab::new(),
            client_ids: HashMap::new(),
            sending: BTreeSet::new(),
            servers: Slab::new(),
            server_ids: HashMap::new(),
            merge_ids: HashMap::new(),
            queue: TimerQueue::default(),
            secret: [0; 32],
            forwarding: false,
            counters: Counters::default(),
            scratch: String::new(),
        }
    }

    /// The secret behind the To tags of responses that the layer sends by itself.
    pub fn set_secret(&mut self, secret: [u8; 32]) {
        self.secret = secret;
    }

    /// For a proxy: responses with more than one Via are its business too.
    pub fn set_forwarding(&mut self, forwarding: bool) {
        self.forwarding = forwarding;
    }

    /// A To tag for a response without state: the same for the same request, and only for it
    /// (RFC 3261 section 8.2.7).
    pub fn stateless_tag(&self, request: &Message) -> String {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        let via = request.values(HeaderName::Via).next().unwrap_or_default();
        for part in [via, request.call_id(), request.from_tag().unwrap_or_default()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect()
    }

    /// From here on it doesn't count as one under way. Where too many have come so far, the oldest goes.
    fn look_whether_finished(&mut self, owner: Owner, out: &mut Vec<Effect>) {
        let begun = match owner {
            Owner::Client(key) => {
                self.clients.get_mut(key).map(|c| (c.machine.is_finished(), &mut c.lingers))
            }
            Owner::Server(key) => {
                self.servers.get_mut(key).map(|s| (s.machine.is_finished(), &mut s.lingers))
            }
        };
        let Some((true, lingers @ false)) = begun else { return };
        *lingers = true;
        self.lingering.begun(owner);
        let (clients, servers) = (&self.clients, &self.servers);
        let oldest = self.lingering.surplus(|owner| match owner {
            Owner::Client(key) => clients.contains(key),
            Owner::Server(key) => servers.contains(key),
        });
        match oldest {
            Some(Owner::Client(key)) => self.end_client(key, out),
            Some(Owner::Server(key)) => self.end_server(key, out),
            None => {}
        }
    }

    /// One parsed message from the wire.
    pub fn receive(&mut self, now: Time, source: Peer, message: Message, out: &mut Vec<Effect>) {
        if message.top_via_ref().is_err() {
            self.counters.malformed += 1;
        } else if message.is_request() {
            self.receive_request(now, source, message, out);
        } else {
            self.receive_response(now, source, message, out);
        }
    }

    /// Sends a response without any transaction: the same answer to each copy of the request.
    pub fn answer_statelessly(
        &mut self,
        source: Peer,
        request: &Message,
        status: u16,
        out: &mut Vec<Effect>,
    ) {
        let tag = self.stateless_tag(request);
        if let Some(bytes) = derive::plain_response(request, status, &tag, source.address) {
            out.push(Effect::Transmit { to: derive::response_target(request, source), bytes });
        }
    }

    /// What was sent there didn't arrive: ends the client transactions that still send to it.
    pub fn transport_failed(&mut self, now: Time, to: Peer, out: &mut Vec<Effect>) {
        for key in self.sending_to(to) {
            self.fail_client(now, key, out);
        }
    }

    /// A connection that was there is gone: nobody knows whether the requests on it arrived. Each is sent once more,
    /// over a new one, which the same transaction of the server takes for a copy; responses that are still due go
    /// to where the request's Via says (RFC 3261 section 18.2.2).
    pub fn connection_lost(&mut self, now: Time, peer: Peer, out: &mut Vec<Effect>) {
        let accepted = peer.flow == Flow::Accepted;
        for key in self.sending_to(peer) {
            match self.clients.get_mut(key).filter(|c| !c.resent && !accepted) {
                Some(client) => {
                    client.resent = true;
                    self.move_client(now, key, peer, None, out);
                }
                None => self.fail_client(now, key, out),
            }
        }
        if !accepted {
            return;
        }
        for key in self.servers.keys() {
            if self.servers.get(key).is_some_and(|s| s.to == peer) {
                let to =
                    self.server_request(ServerKey(key)).map(|(r, source)| derive::late_target(r, source));
                if let (Some(server), Some(to)) = (self.servers.get_mut(key), to) {
                    server.to = to;
                }
            }
        }
    }
    /// Does a transaction wait for something from there, or owe it something?
    pub fn uses(&self, peer: Peer) -> bool {
        let owes = |key: &Key| self.servers.get(*key).is_some_and(|s| s.to == peer);
        self.clients.iter().any(|(_, c)| c.to == peer) || self.servers.keys().iter().any(owes)
    }

    pub fn handle_timeout(&mut self, now: Time, out: &mut Vec<Effect>) {
        while let Some((owner, name)) = self.queue.pop_due(now) {
            match owner {
                Owner::Client(key) => self.client_timer(now, key, name, out),
                Owner::Server(key) => self.server_timer(now, key, name, out),
            }
        }
    }

    pub fn next_deadline(&self) -> Option<(Time, TimerName)> {
        self.queue.first()
    }
    pub fn timer_count(&self) -> usize {
        self.queue.len()
    }
    pub fn counters(&self) -> Counters {
        self.counters
    }
    /// Gives back the room of those that are gone.
    pub fn shrink(&mut self) {
        let (clients, servers) = (&self.clients, &self.servers);
        self.lingering.shrink(|owner| match owner {
            Owner::Client(key) => clients.contains(key),
            Owner::Server(key) => servers.contains(key),
        });
        self.clients.shrink();
        self.servers.shrink();
        self.client_ids.shrink_to_fit();
        self.server_ids.shrink_to_fit();
        self.merge_ids.shrink_to_fit();
    }
    /// Forgets every transaction, without an effect: the agent has stopped.
    pub fn clear(&mut self) {
        let Layer { timers, max_transactions, secret, forwarding, counters, .. } = *self;
        *self = Layer { secret, forwarding, counters, ..Layer::new(timers, max_transactions) };
    }
}
