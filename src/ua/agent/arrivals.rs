//! What comes: messages from the wire, and what the transactions make of them.

use super::super::api::*;
use super::super::base::Owner;
use super::super::call::incoming::Invitation;
use super::super::call::media::{MediaError, Offer};
use super::super::call::{acknowledge_and_end, Call};
use super::super::message;
use super::super::registration::NoResponse;
use super::super::request::{self, answer_outside, retry_later};
use super::super::trace;
use super::Agent;
use crate::proto::sip::transaction::{ClientKey, Effect, ServerKey};
use crate::proto::sip::{HeaderName, Message, Method, Peer};
use crate::util::{Key, Time};

impl Agent {
    pub fn handle_datagram(&mut self, now: Time, source: Peer, bytes: &[u8]) {
        self.now = now;
        self.base.stats.datagrams += 1;
        // Keep-alives of NATs (RFC 5626 section 3.5.1) and empty datagrams say nothing.
        if self.stopped || bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | b' ' | 0)) {
            return;
        }
        trace::received(source, bytes);
        self.base.flows.heard(source);
        let Ok(message) = Message::parse(bytes) else {
            self.base.stats.unparsable += 1;
            return;
        };
        if let Err((status, reason)) = message.validate() {
            self.refuse_invalid(source, &message, status, reason);
        } else {
            self.base.receive(now, source, message);
        }
        self.work(now);
    }
    /// A message that breaks the rules: a request hears so, unless it is an ACK.
    fn refuse_invalid(&mut self, source: Peer, message: &Message, status: u16, reason: &str) {
        self.base.stats.unparsable += 1;
        log::warn!(target: "voip::sip", "invalid message from {}: {reason}", source.address);
        if message.is_request() && *message.method() != Method::Ack && message.top_via().is_ok() {
            self.base.reply_statelessly(source, message, status);
        }
    }
    pub(super) fn dispatch(&mut self, now: Time, effect: Effect) {
        match effect {
            // Sent where the layer said so.
            Effect::Transmit { to, bytes } => self.base.transmit(to, bytes),
            Effect::Response { key, message } => self.on_response(now, key, message),
            Effect::Timeout { key, timer } => match self.base.owners.get(&key).map(|o| o.owner.clone()) {
                Some(Owner::Call { call, sent }) => {
                    self.with_call(now, call, |c, cx| c.on_timeout(cx, key, sent, timer));
                }
                Some(Owner::Account(id)) => {
                    self.accounts.on_no_response(&mut self.base, now, id, NoResponse::Timeout);
                }
                Some(Owner::Message(id)) => {
                    self.on_message(now, id, |m, cx| m.on_no_response(cx, id, 408, "no response"));
                }
                Some(Owner::Orphan) | None => {}
            },
            Effect::TransportError { key } => match self.base.owners.get(&key).map(|o| o.owner.clone()) {
                Some(Owner::Call { call, sent }) => {
                    self.with_call(now, call, |c, cx| c.on_transport_error(cx, key, sent));
                }
                Some(Owner::Account(id)) => {
                    self.accounts.on_no_response(&mut self.base, now, id, NoResponse::Transport);
                }
                Some(Owner::Message(id)) => {
                    self.on_message(now, id, |m, cx| m.on_no_response(cx, id, 503, "transport error"));
                }
                Some(Owner::Orphan) | None => {}
            },
            Effect::ClientEnded { key } => drop(self.base.owners.remove(&key)),
            Effect::Request { key, message, source } => self.on_request(now, key, &message, source),
            Effect::Cancelled { key, message } => {
                if let Some(call) = self.invites.get(&key).copied() {
                    self.with_call(now, call, |c, cx| c.on_cancelled(cx, &message));
                }
            }
            Effect::Ack { message, .. } => {
                if let Some(call) = self.call_of(&message) {
                    self.with_call(now, call, |c, cx| c.on_ack(cx, &message));
                }
            }
            // Without the look at the tag, a stranger could have us send to where it likes.
            Effect::StrayResponse { message, source } => {
                let tag = message.from_tag().unwrap_or_default();
                if self.by_tag.contains_key(tag) || self.ended.contains(tag) {
                    acknowledge_and_end(&mut self.base, now, &message, Some(source));
                }
            }
            Effect::AckTimeout { .. } => {}
            Effect::ServerEnded { key } => drop(self.invites.remove(&key)),
        }
    }
    fn on_response(&mut self, now: Time, key: ClientKey, message: Message) {
        let Some(owned) = self.base.owners.get(&key) else { return };
        let (owner, request) = (owned.owner.clone(), owned.request.clone());
        match owner {
            Owner::Call { call, .. } if !self.calls.contains(call) => {
                let is_2xx = (200..300).contains(&message.status());
                if is_2xx && *message.method() == Method::Invite {
                    acknowledge_and_end(&mut self.base, now, &message, None);
                }
            }
            Owner::Call { call, sent } => {
                self.with_call(now, call, |c, cx| c.on_response(cx, sent, request.as_deref(), message));
            }
            Owner::Account(id) => self.accounts.on_response(&mut self.base, now, id, &message),
            Owner::Message(id) => {
                self.on_message(now, id, |m, cx| m.on_response(cx, id, request.as_deref(), &message));
            }
            Owner::Orphan => {}
        }
    }
    /// The call whose tag the To of a request carries.
    fn call_of(&self, message: &Message) -> Option<Key> {
        self.by_tag.get(message.to_tag()?).copied()
    }

    // Requests of others.

    fn on_request(&mut self, now: Time, key: ServerKey, message: &Message, source: Peer) {
        if let Err(refusal) = request::check(&self.base, message) {
            return request::refuse(&mut self.base, now, key, &refusal);
        }
        if message.to_tag().is_some() {
            return self.on_dialog_request(now, key, message);
        }
        // RFC 3261 section 8.2.2.2.
        if self.base.layer.is_merged(key) {
            return self.refuse(now, key, 482);
        }
        match message.method() {
            Method::Invite => self.on_invite(now, key, message, source),
            Method::Message => {
                let (account, tag) = (self.accounts.for_request(message), self.base.tag());
                message::receive(&mut self.base, now, key, message, account, &tag);
            }
            _ => answer_outside(&mut self.base, now, key, message),
        }
    }
    fn refuse(&mut self, now: Time, key: ServerKey, status: u16) {
        let tag = self.base.tag();
        self.base.reply(now, key, status, None, &tag, |b| b);
    }
    fn on_dialog_request(&mut self, now: Time, key: ServerKey, message: &Message) {
        let call = self.call_of(message);
        let taken = call.and_then(|call| self.with_call(now, call, |c, cx| c.on_request(cx, key, message)));
        if taken != Some(true) {
            self.refuse(now, key, 481);
        }
    }
    fn on_invite(&mut self, now: Time, key: ServerKey, message: &Message, source: Peer) {
        if self.stopping.is_some() {
            let tag = self.base.tag();
            return retry_later(&mut self.base, now, key, 503, &tag);
        }
        if !self.accept_calls {
            return self.refuse(now, key, self.base.config.unhandled_call);
        }
        if self.calls.len() >= self.base.config.max_calls {
            self.base.stats.dropped += 1;
            return self.refuse(now, key, 486);
        }
        let account = self.accounts.for_request(message);
        let srtp = self.srtp_of(account);
        let has_offer = !message.body().is_empty() && is_sdp(message);
        let offer = has_offer.then(|| {
            let offer = Offer::read(message.body())?;
            offer.check(&mut self.base, srtp).map(|hint| (offer, hint))
        });
        let (offer, media_hint) = match offer.transpose() {
            Ok(offer) => offer.map_or((None, None), |(offer, hint)| (Some(offer), hint)),
            Err(error) => return self.refuse_offer(now, key, error),
        };
        let id = CallId(self.next_call);
        let invitation = Invitation { id, account, server: key, message, offer, source, srtp };
        self.add_incoming(now, invitation, media_hint);
    }
    fn refuse_offer(&mut self, now: Time, key: ServerKey, error: MediaError) {
        let tag = self.base.tag();
        let agent = if self.base.config.user_agent.is_empty() { "voip" } else { "phone" };
        let warning = format!("305 {agent} \"Incompatible media format\"");
        self.base.reply(now, key, error.status(), None, &tag, |b| b.header(HeaderName::Warning, &warning));
    }
    fn add_incoming(&mut self, now: Time, invitation: Invitation<'_>, media_hint: Option<core::net::IpAddr>) {
        let Invitation { id, server, source, .. } = invitation;
        let Some(call) = Call::incoming(&mut self.base, invitation) else {
            return self.refuse(now, server, 400);
        };
        let tag = call.local_tag.clone();
        let key = self.calls.insert_with(|key| call.with_key(key));
        self.next_call += 1;
        self.by_id.insert(id, key);
        self.by_tag.insert(tag, key);
        self.invites.insert(server, key);
        self.base.open_stream(id, media_hint.or(Some(source.address.ip())));
    }
}

fn is_sdp(message: &Message) -> bool {
    let kind = message.header(HeaderName::ContentType).unwrap_or_default();
    kind.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(super::super::base::SDP))
}
