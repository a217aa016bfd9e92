//! The client side: requests of this agent, and what becomes of them.

use super::super::super::{HeaderName, Message, Method, Peer};
use super::super::client_invite::ClientInvite;
use super::super::client_non_invite::ClientNonInvite;
use super::super::{identity, Alarms, ClientKey, Effect, Owner, Step, TimerName, Turn};
use super::{turn, Layer};
use crate::util::{Key, Time};
use std::sync::Arc;

pub(super) struct Client {
    pub id: Arc<str>,
    pub to: Peer,
    /// The layer's own CANCEL.
    pub silent: bool,
    /// It was sent again over a second connection.
    pub resent: bool,
    /// How it goes if it can't go like that.
    pub fallback: Option<Box<(Peer, Arc<[u8]>)>>,
    pub lingers: bool,
    pub alarms: Alarms,
    pub machine: ClientMachine,
}

pub(super) enum ClientMachine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

impl ClientMachine {
    /// Sends the request again, `as_bytes` from now on.
    pub fn send_again(&mut self, turn: &mut Turn<'_>, as_bytes: Option<Arc<[u8]>>) {
        match self {
            ClientMachine::Invite(m) => m.send_again(turn, as_bytes),
            ClientMachine::NonInvite(m) => m.send_again(turn, as_bytes),
        }
    }
    /// Does it still send requests?
    pub fn is_sending(&self) -> bool {
        match self {
            ClientMachine::Invite(m) => m.awaits_first_response(),
            ClientMachine::NonInvite(m) => m.is_sending(),
        }
    }
    pub fn is_finished(&self) -> bool {
        match self {
            ClientMachine::Invite(m) => m.is_finished(),
            ClientMachine::NonInvite(m) => !m.is_sending(),
        }
    }
}

impl Layer {
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

    pub(super) fn start_client(
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

    pub(super) fn after_client(&mut self, now: Time, key: Key, step: Step, out: &mut Vec<Effect>) {
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

    pub(super) fn end_client(&mut self, key: Key, out: &mut Vec<Effect>) {
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

    pub(super) fn receive_response(
        &mut self,
        now: Time,
        source: Peer,
        message: Message,
        out: &mut Vec<Effect>,
    ) {
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
    pub(super) fn fail_client(&mut self, now: Time, key: Key, out: &mut Vec<Effect>) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if let Some((peer, bytes)) = client.fallback.take().map(|f| *f) {
            return self.move_client(now, key, peer, Some(bytes), out);
        }
        if !client.silent {
            out.push(Effect::TransportError { key: ClientKey(key) });
        }
        self.end_client(key, out);
    }
    pub(super) fn sending_to(&self, to: Peer) -> Vec<Key> {
        self.sending.range((to, Key::from_u64(0))..).take_while(|e| e.0 == to).map(|e| e.1).collect()
    }
    /// Sends a request again, over a new connection or another transport.
    pub(super) fn move_client(
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

    pub(super) fn client_timer(&mut self, now: Time, key: Key, name: TimerName, out: &mut Vec<Effect>) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let mut turn =
            turn!(self, now, Owner::Client(key), client.to, client.silent, &mut client.alarms, out);
        let step = match &mut client.machine {
            ClientMachine::Invite(m) => m.on_timer(&mut turn, name),
            ClientMachine::NonInvite(m) => m.on_timer(&mut turn, name),
        };
        self.after_client(now, key, step, out);
    }

    pub fn client_count(&self) -> usize {
        self.clients.len()
    }
}
