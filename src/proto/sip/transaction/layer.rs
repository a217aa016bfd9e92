//! The tables of live transactions: matching, bounds, and the drive of the machines.

use super::super::{Flow, HeaderName, Message, Method, Peer};
use super::client_invite::ClientInvite;
use super::client_non_invite::ClientNonInvite;
use super::linger::Lingering;
use super::server_invite::ServerInvite;
use super::server_non_invite::ServerNonInvite;
use super::{derive, identity, Alarms, ClientKey, Counters, Effect, Owner, ServerKey, Step, TimerName};
use super::{TimerQueue, Timers, Turn};
use crate::util::{Key, Slab, Time};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

struct Client {
    id: Arc<str>,
    to: Peer,
    /// The layer's own CANCEL.
    silent: bool,
    /// It was sent again over a second connection.
    resent: bool,
    /// How it goes if it can't go like that.
    fallback: Option<Box<(Peer, Arc<[u8]>)>>,
    lingers: bool,
    alarms: Alarms,
    machine: ClientMachine,
}

enum ClientMachine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

impl ClientMachine {
    /// Sends the request again, `as_bytes` from now on.
    fn send_again(&mut self, turn: &mut Turn<'_>, as_bytes: Option<Arc<[u8]>>) {
        match self {
            ClientMachine::Invite(m) => m.send_again(turn, as_bytes),
            ClientMachine::NonInvite(m) => m.send_again(turn, as_bytes),
        }
    }
    /// Does it still send requests?
    fn is_sending(&self) -> bool {
        match self {
            ClientMachine::Invite(m) => m.awaits_first_response(),
            ClientMachine::NonInvite(m) => m.is_sending(),
        }
    }
    fn is_finished(&self) -> bool {
        match self {
            ClientMachine::Invite(m) => m.is_finished(),
            ClientMachine::NonInvite(m) => !m.is_sending(),
        }
    }
}

struct Server {
    id: Arc<str>,
    source: Peer,
    /// Where the responses go.
    to: Peer,
    merge_id: Option<Arc<str>>,
    /// Another live transaction got the same request over another path.
    merged: bool,
    lingers: bool,
    alarms: Alarms,
    machine: ServerMachine,
}

enum ServerMachine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

impl ServerMachine {
    fn is_finished(&self) -> bool {
        match self {
            ServerMachine::Invite(m) => m.is_finished(),
            ServerMachine::NonInvite(m) => m.is_finished(),
        }
    }
}

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

    // ---- client side ----

    /// Starts a client transaction (not for ACK). The top Via's branch and the CSeq method are its
    /// identity. None when it can't be read, is in use, or the table is full.
    pub fn send_request(
        &mut self,
        now: Time,
        to: Peer,
        request: Vec<u8>,
        out: &mut Vec<Effect>,
    ) -> Option<ClientKey> {
        self.send_request_or(now, to, request, None, out)
    }

    /// As `send_request`; when that transport fails, the transaction goes on with `fallback`, the same request
    /// for another transport (RFC 3261 section 18.1.1).
    pub fn send_request_or(
        &mut self,
        now: Time,
        to: Peer,
        request: Vec<u8>,
        fallback: Option<(Peer, Vec<u8>)>,
        out: &mut Vec<Effect>,
    ) -> Option<ClientKey> {
        if self.clients.len() - self.lingering.clients >= self.max_transactions {
            return None;
        }
        let key = self.start_client(now, to, request, false, out)?;
        if let Some(client) = self.clients.get_mut(key.0) {
            client.fallback = fallback.map(|(peer, bytes)| Box::new((peer, bytes.into())));
        }
        Some(key)
    }

    fn start_client(
        &mut self,
        now: Time,
        to: Peer,
        request: Vec<u8>,
        silent: bool,
        out: &mut Vec<Effect>,
    ) -> Option<ClientKey> {
        let message = Message::parse(&request).ok()?;
        if !message.is_request() || *message.method() == Method::Ack {
            return None;
        }
        identity::client_id(&mut self.scratch, message.top_via_ref().ok()?.branch()?, message.method());
        if self.client_ids.contains_key(self.scratch.as_str()) {
            return None;
        }
        let id: Arc<str> = self.scratch.as_str().into();
        let bytes: Arc<[u8]> = request.into();
        let key = self.clients.insert_with(|key| {
            let mut alarms = Alarms::default();
            let mut turn = turn!(self, now, Owner::Client(key), to, silent, &mut alarms, out);
            let machine = match message.method() {
                Method::Invite => ClientMachine::Invite(ClientInvite::start(&mut turn, bytes)),
                _ => ClientMachine::NonInvite(ClientNonInvite::start(&mut turn, bytes)),
            };
            let (id, resent, fallback, lingers) = (id.clone(), false, None, false);
            Client { id, to, silent, resent, fallback, lingers, alarms, machine }
        });
        self.client_ids.insert(id, key);
        self.sending.insert((to, key));
        Some(ClientKey(key))
    }

    /// Cancels an INVITE (RFC 3261 section 9.1): CANCEL goes out now, or as soon as a provisional response
    /// has come. The outcome is the INVITE's own: 487, a 2xx that was faster, or `Timeout` 64*T1 later.
    /// False when it has a final response or isn't there.
    pub fn cancel(&mut self, now: Time, key: ClientKey, out: &mut Vec<Effect>) -> bool {
        let Some(client) = self.clients.get_mut(key.0) else { return false };
        let ClientMachine::Invite(invite) = &mut client.machine else { return false };
        if !invite.is_pending() {
            return false;
        }
        let mut turn =
            turn!(self, now, Owner::Client(key.0), client.to, client.silent, &mut client.alarms, out);
        let step = invite.cancel(&mut turn);
        self.after_client(now, key.0, step, out);
        true
    }

    fn after_client(&mut self, now: Time, key: Key, step: Step, out: &mut Vec<Effect>) {
        let Some(client) = self.clients.get(key) else { return };
        let to = client.to;
        if !client.machine.is_sending() {
            self.sending.remove(&(to, key));
        }
        match step {
            Step::Stay => self.look_whether_finished(Owner::Client(key), out),
            Step::End => self.end_client(key, out),
            Step::Cancel(bytes) => {
                // Beyond the bound: one for each INVITE at most.
                self.start_client(now, to, bytes, true, out);
            }
        }
    }

    fn end_client(&mut self, key: Key, out: &mut Vec<Effect>) {
        let Some(mut client) = self.clients.remove(key) else { return };
        if client.lingers {
            self.lingering.ended(Owner::Client(key));
        }
        self.client_ids.remove(&client.id);
        self.sending.remove(&(client.to, key));
        self.queue.disarm(Owner::Client(key), &mut client.alarms.retransmit);
        self.queue.disarm(Owner::Client(key), &mut client.alarms.end);
        if !client.silent {
            out.push(Effect::ClientEnded { key: ClientKey(key) });
        }
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

    // ---- from the wire ----

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

    fn receive_response(&mut self, now: Time, source: Peer, message: Message, out: &mut Vec<Effect>) {
        // 8.1.3.3: more than one Via, and it was meant for somebody behind us.
        if !self.forwarding && message.values(HeaderName::Via).nth(1).is_some() {
            self.counters.malformed += 1;
            return;
        }
        identity::client_id(&mut self.scratch, message.branch().unwrap_or_default(), message.method());
        let key = self.client_ids.get(self.scratch.as_str()).copied();
        let Some((key, client)) = key.and_then(|key| Some((key, self.clients.get_mut(key)?))) else {
            return self.stray_response(source, message, out);
        };
        let mut turn =
            turn!(self, now, Owner::Client(key), client.to, client.silent, &mut client.alarms, out);
        let result = match &mut client.machine {
            ClientMachine::Invite(m) => m.on_response(&mut turn, message),
            ClientMachine::NonInvite(m) => Ok(m.on_response(&mut turn, message)),
        };
        match result {
            Ok(step) => self.after_client(now, key, step, out),
            Err(message) => self.stray_response(source, message, out),
        }
    }

    fn stray_response(&mut self, source: Peer, message: Message, out: &mut Vec<Effect>) {
        self.counters.stray += 1;
        if *message.method() == Method::Invite && (200..300).contains(&message.status()) {
            out.push(Effect::StrayResponse { message, source });
        }
    }

    fn receive_request(&mut self, now: Time, source: Peer, message: Message, out: &mut Vec<Effect>) {
        let looked_up = match message.method() {
            Method::Ack => &Method::Invite,
            other => other,
        };
        let Ok(via) = message.top_via_ref() else { return };
        identity::server_id(&mut self.scratch, &message, &via, looked_up);
        let key = self.server_ids.get(self.scratch.as_str()).copied();
        if *message.method() == Method::Ack {
            return self.receive_ack(now, source, key, message, out);
        }
        if let Some((key, server)) = key.and_then(|key| Some((key, self.servers.get_mut(key)?))) {
            self.counters.retransmissions += 1;
            let mut turn = turn!(self, now, Owner::Server(key), server.to, false, &mut server.alarms, out);
            match &server.machine {
                ServerMachine::Invite(m) => m.on_retransmission(&mut turn),
                ServerMachine::NonInvite(m) => m.on_retransmission(&mut turn),
            }
            return;
        }
        if *message.method() == Method::Cancel {
            return self.receive_cancel(now, source, message, out);
        }
        if self.is_full_of_servers() {
            self.counters.refused += 1;
            return self.answer_statelessly(source, &message, 503, out);
        }
        let message = Arc::new(message);
        let key = self.start_server(now, source, &message, out);
        out.push(Effect::Request { key: ServerKey(key), message, source });
    }

    fn is_full_of_servers(&self) -> bool {
        self.servers.len() - self.lingering.servers >= self.max_transactions
    }

    /// Inserts under the identity in `scratch`.
    fn start_server(
        &mut self,
        now: Time,
        source: Peer,
        message: &Arc<Message>,
        out: &mut Vec<Effect>,
    ) -> Key {
        let id: Arc<str> = self.scratch.as_str().into();
        let to = derive::response_target(message, source);
        let merge_id = identity::merge_id(&mut self.scratch, message).then(|| self.scratch.as_str().into());
        let merged = merge_id.as_ref().is_some_and(|id: &Arc<str>| self.merge_ids.contains_key(id));
        let request = message.clone();
        let key = self.servers.insert_with(|key| {
            let mut alarms = Alarms::default();
            let mut turn = turn!(self, now, Owner::Server(key), to, false, &mut alarms, out);
            let machine = match message.method() {
                Method::Invite => {
                    ServerMachine::Invite(ServerInvite::start(&mut turn, request, source.address))
                }
                _ => ServerMachine::NonInvite(ServerNonInvite::start(&mut turn, request)),
            };
            let (id, merge_id) = (id.clone(), merge_id.clone());
            Server { id, source, to, merge_id, merged, lingers: false, alarms, machine }
        });
        self.server_ids.insert(id, key);
        if let (Some(merge_id), false) = (merge_id, merged) {
            self.merge_ids.insert(merge_id, key);
        }
        key
    }

    fn receive_ack(
        &mut self,
        now: Time,
        source: Peer,
        key: Option<Key>,
        message: Message,
        out: &mut Vec<Effect>,
    ) {
        let server = key.and_then(|key| Some((key, self.servers.get_mut(key)?)));
        let Some((key, Server { machine: ServerMachine::Invite(machine), alarms, to, .. })) = server else {
            out.push(Effect::Ack { message, source });
            return;
        };
        // 17.2.3: without the cookie, the To tag has to be that of the response.
        let has_cookie = message.top_via_ref().is_ok_and(|via| identity::has_cookie(&via));
        if !has_cookie && !acknowledges(&message, machine) {
            out.push(Effect::Ack { message, source });
            return;
        }
        let mut turn = turn!(self, now, Owner::Server(key), *to, false, alarms, out);
        let (for_dialog, step) = machine.on_ack(&mut turn);
        if for_dialog {
            out.push(Effect::Ack { message, source });
        }
        self.after_server(key, &step, out);
    }

    fn after_server(&mut self, key: Key, step: &Step, out: &mut Vec<Effect>) {
        match step {
            Step::End => self.end_server(key, out),
            _ => self.look_whether_finished(Owner::Server(key), out),
        }
    }

    /// 9.2: 200 when the INVITE is there, whatever has become of it; 481 otherwise.
    fn receive_cancel(&mut self, now: Time, source: Peer, message: Message, out: &mut Vec<Effect>) {
        let message = Arc::new(message);
        let Ok(via) = message.top_via_ref() else { return };
        identity::server_id(&mut self.scratch, &message, &via, &Method::Invite);
        let invite = self.server_ids.get(self.scratch.as_str()).copied();
        let (status, tag, first) = match invite.and_then(|key| self.servers.get_mut(key)) {
            Some(Server { machine: ServerMachine::Invite(machine), .. }) => {
                let tag = machine.last_response().and_then(|b| to_tag(b));
                (200, tag, machine.on_cancel())
            }
            _ => (481, None, false),
        };
        let tag = tag.unwrap_or_else(|| self.stateless_tag(&message));
        let response = derive::plain_response(&message, status, &tag, source.address);
        if !self.is_full_of_servers() {
            identity::server_id(&mut self.scratch, &message, &via, &Method::Cancel);
            let key = self.start_server(now, source, &message, out);
            if let Some(bytes) = response {
                self.finish_silently(now, key, status, bytes, out);
            }
        } else if let Some(bytes) = response {
            let to = derive::response_target(&message, source);
            out.push(Effect::Transmit { to, bytes });
        }
        if let (Some(key), true) = (invite, first) {
            out.push(Effect::Cancelled { key: ServerKey(key), message: message.clone() });
        }
    }

    /// Answers a transaction that the user hasn't heard of.
    fn finish_silently(&mut self, now: Time, key: Key, status: u16, bytes: Arc<[u8]>, out: &mut Vec<Effect>) {
        let Some(server) = self.servers.get_mut(key) else { return };
        let mut turn = turn!(self, now, Owner::Server(key), server.to, false, &mut server.alarms, out);
        let ServerMachine::NonInvite(machine) = &mut server.machine else { return };
        if let Some(step) = machine.respond(&mut turn, status, bytes) {
            self.after_server(key, &step, out);
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

    // ---- server side ----

    /// Sends a response of a server transaction. 2xx to INVITE: the layer keeps absorbing INVITE
    /// retransmissions (RFC 6026 Accepted) and the *user* retransmits the 2xx until the ACK.
    /// False when the key is dead, a final response was given, or RFC 4320 forbids the status.
    pub fn respond(
        &mut self,
        now: Time,
        key: ServerKey,
        status: u16,
        response: Vec<u8>,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(server) = self.servers.get_mut(key.0) else { return false };
        let mut turn = turn!(self, now, Owner::Server(key.0), server.to, false, &mut server.alarms, out);
        let step = match &mut server.machine {
            ServerMachine::Invite(m) => m.respond(&mut turn, status, response),
            ServerMachine::NonInvite(m) => m.respond(&mut turn, status, response.into()),
        };
        if let Some(step) = &step {
            self.after_server(key.0, step, out);
        }
        step.is_some()
    }

    fn end_server(&mut self, key: Key, out: &mut Vec<Effect>) {
        let Some(mut server) = self.servers.remove(key) else { return };
        if server.lingers {
            self.lingering.ended(Owner::Server(key));
        }
        self.server_ids.remove(&server.id);
        if let (Some(id), false) = (&server.merge_id, server.merged) {
            self.merge_ids.remove(id);
        }
        self.queue.disarm(Owner::Server(key), &mut server.alarms.retransmit);
        self.queue.disarm(Owner::Server(key), &mut server.alarms.end);
        out.push(Effect::ServerEnded { key: ServerKey(key) });
    }

    /// The request and where it came from, until the final response was given.
    pub fn server_request(&self, key: ServerKey) -> Option<(&Message, Peer)> {
        let server = self.servers.get(key.0)?;
        let request = match &server.machine {
            ServerMachine::Invite(m) => m.request(),
            ServerMachine::NonInvite(m) => m.request(),
        };
        Some((request?, server.source))
    }

    /// Did the same request come over another path, in a transaction that still lives (482 is due,
    /// RFC 3261 section 8.2.2.2)?
    pub fn is_merged(&self, key: ServerKey) -> bool {
        self.servers.get(key.0).is_some_and(|s| s.merged)
    }

    // ---- transport and time ----

    /// What was sent there didn't arrive: ends the client transactions that still send to it.
    pub fn transport_failed(&mut self, now: Time, to: Peer, out: &mut Vec<Effect>) {
        for key in self.sending_to(to) {
            self.fail_client(now, key, out);
        }
    }
    fn fail_client(&mut self, now: Time, key: Key, out: &mut Vec<Effect>) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if let Some((peer, bytes)) = client.fallback.take().map(|f| *f) {
            return self.move_client(now, key, peer, Some(bytes), out);
        }
        if !client.silent {
            out.push(Effect::TransportError { key: ClientKey(key) });
        }
        self.end_client(key, out);
    }
    fn sending_to(&self, to: Peer) -> Vec<Key> {
        self.sending.range((to, Key::from_u64(0))..).take_while(|e| e.0 == to).map(|e| e.1).collect()
    }
    /// Sends a request again, over a new connection or another transport.
    fn move_client(
        &mut self,
        now: Time,
        key: Key,
        to: Peer,
        bytes: Option<Arc<[u8]>>,
        out: &mut Vec<Effect>,
    ) {
        let Some(client) = self.clients.get_mut(key) else { return };
        self.sending.remove(&(client.to, key));
        self.sending.insert((to, key));
        client.to = to;
        let mut turn = turn!(self, now, Owner::Client(key), to, client.silent, &mut client.alarms, out);
        client.machine.send_again(&mut turn, bytes);
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

    fn client_timer(&mut self, now: Time, key: Key, name: TimerName, out: &mut Vec<Effect>) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let mut turn =
            turn!(self, now, Owner::Client(key), client.to, client.silent, &mut client.alarms, out);
        let step = match &mut client.machine {
            ClientMachine::Invite(m) => m.on_timer(&mut turn, name),
            ClientMachine::NonInvite(m) => m.on_timer(&mut turn, name),
        };
        self.after_client(now, key, step, out);
    }

    fn server_timer(&mut self, now: Time, key: Key, name: TimerName, out: &mut Vec<Effect>) {
        let Some(server) = self.servers.get_mut(key) else { return };
        let mut turn = turn!(self, now, Owner::Server(key), server.to, false, &mut server.alarms, out);
        let step = match &mut server.machine {
            ServerMachine::Invite(m) => m.on_timer(&mut turn, name),
            ServerMachine::NonInvite(m) => m.on_timer(),
        };
        self.after_server(key, &step, out);
    }

    pub fn next_deadline(&self) -> Option<(Time, TimerName)> {
        self.queue.first()
    }

    // ---- figures ----

    pub fn client_count(&self) -> usize {
        self.clients.len()
    }
    pub fn server_count(&self) -> usize {
        self.servers.len()
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

/// Does the ACK carry the To tag of the response that the INVITE got?
fn acknowledges(ack: &Message, invite: &ServerInvite) -> bool {
    match invite.last_response() {
        Some(bytes) => to_tag(bytes).as_deref() == ack.to_tag(),
        None => true,
    }
}

fn to_tag(response: &[u8]) -> Option<String> {
    Some(Message::parse(response).ok()?.to_tag()?.to_owned())
}
