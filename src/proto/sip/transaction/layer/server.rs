//! The server side: requests of others, and the responses to them.

use super::super::super::{Message, Method, Peer};
use super::super::server_invite::ServerInvite;
use super::super::server_non_invite::ServerNonInvite;
use super::super::{derive, identity, Alarms, Effect, Owner, ServerKey, Step, TimerName, Turn};
use super::{turn, Layer};
use crate::util::{Key, Time};
use std::sync::Arc;

pub(super) struct Server {
    pub id: Arc<str>,
    pub source: Peer,
    /// Where the responses go.
    pub to: Peer,
    pub merge_id: Option<Arc<str>>,
    /// Another live transaction got the same request over another path.
    pub merged: bool,
    pub lingers: bool,
    pub alarms: Alarms,
    pub machine: ServerMachine,
}

pub(super) enum ServerMachine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

impl ServerMachine {
    pub fn is_finished(&self) -> bool {
        match self {
            ServerMachine::Invite(m) => m.is_finished(),
            ServerMachine::NonInvite(m) => m.is_finished(),
        }
    }
}

impl Layer {
    pub(super) fn receive_request(
        &mut self,
        now: Time,
        source: Peer,
        message: Message,
        out: &mut Vec<Effect>,
    ) {
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

    pub(super) fn after_server(&mut self, key: Key, step: &Step, out: &mut Vec<Effect>) {
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

    pub(super) fn end_server(&mut self, key: Key, out: &mut Vec<Effect>) {
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

    pub(super) fn server_timer(&mut self, now: Time, key: Key, name: TimerName, out: &mut Vec<Effect>) {
        let Some(server) = self.servers.get_mut(key) else { return };
        let mut turn = turn!(self, now, Owner::Server(key), server.to, false, &mut server.alarms, out);
        let step = match &mut server.machine {
            ServerMachine::Invite(m) => m.on_timer(&mut turn, name),
            ServerMachine::NonInvite(m) => m.on_timer(),
        };
        self.after_server(key, &step, out);
    }
    pub fn server_count(&self) -> usize {
        self.servers.len()
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
