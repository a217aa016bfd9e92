//! Page-mode messages (RFC 3428): MESSAGE requests outside of any call, each a transaction or a few of its own.
//!
//! Owned by [`super::Agent`]. Tries: the addresses of the next hop in order on time-out, transport error or 503
//! (RFC 3263 section 4.3), and challenges. Each message ends in exactly one `Event::MessageResult`.

use super::api::*;
use super::base::{quoted, sip_uri, wants_udp, Asker, Base, Cx, Owner};
use super::hop::{hop_of, transport_of};
use super::way::Way;
use crate::proto::sip::auth::Session;
use crate::proto::sip::transaction::ServerKey;
use crate::proto::sip::{HeaderName, Message, Method, Peer, RequestBuilder, Transport, Uri};
use crate::util::Time;
use core::net::SocketAddr;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Messages that may wait for their answers.
const MAX_WAITING: usize = 4096;
/// Addresses tried of one name.
const MAX_ADDRESSES: usize = 8;
const MAX_CHALLENGES: u8 = 3;
/// What is taken when nothing is said.
const PLAIN: &str = "text/plain";
/// What a host can be expected to make something of.
const ACCEPT: &str = "text/*, application/*, message/*";

struct Outgoing {
    account: Option<AccountId>,
    way: Way,
    content_type: String,
    body: Arc<[u8]>,
    call_id: String,
    tag: Box<str>,
    cseq: u32,
    query: Option<QueryId>,
    /// The name that the addresses are of.
    name: Option<Box<str>>,
    addresses: VecDeque<SocketAddr>,
    /// The one in use.
    address: Option<SocketAddr>,
    auth: Session,
    challenges: u8,
}

/// The messages without a result.
#[derive(Default)]
pub(super) struct Messages {
    by_id: BTreeMap<MessageId, Outgoing>,
}

impl Messages {
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
    pub fn account(&self, id: MessageId) -> Option<AccountId> {
        self.by_id.get(&id)?.account
    }

    pub fn send(
        &mut self,
        cx: &mut Cx<'_>,
        id: MessageId,
        account: Option<AccountId>,
        way: Way,
        text: Text,
    ) -> Result<(), UaError> {
        if self.by_id.len() >= MAX_WAITING {
            return Err(UaError::Limit);
        }
        if self.by_id.contains_key(&id) {
            return Err(UaError::State);
        }
        let hop = Uri::parse(&way.hop).map_err(|_| UaError::Target)?;
        let transport = transport_of(&hop, way.transport).ok_or(UaError::NotSupported)?;
        let way = Way { transport, ..way };
        let outgoing = Outgoing {
            account,
            way,
            content_type: text.content_type,
            body: text.body,
            call_id: cx.base.rng.token(24),
            tag: cx.base.tag(),
            // RFC 3261 section 8.1.1.5: below 2^31, with room to count.
            cseq: cx.base.rng.next_u32() >> 2 | 1,
            query: None,
            name: None,
            addresses: VecDeque::new(),
            address: None,
            auth: Session::new(),
            challenges: 0,
        };
        let outgoing = self.by_id.entry(id).or_insert(outgoing);
        match hop_of(&hop, transport) {
            (Ok(address), _) => self.on_addresses(cx, id, vec![address]),
            (Err(name), port) => {
                outgoing.query = Some(cx.base.resolve(Asker::Message(id), &name, port));
                outgoing.name = Some(name);
            }
        }
        Ok(())
    }

    pub fn on_resolved(
        &mut self,
        cx: &mut Cx<'_>,
        id: MessageId,
        query: QueryId,
        addresses: Result<Vec<SocketAddr>, ()>,
    ) {
        let waits = self.by_id.get_mut(&id).and_then(|m| m.query.take_if(|q| *q == query));
        if waits.is_some() {
            self.on_addresses(cx, id, addresses.unwrap_or_default());
        }
    }
    fn on_addresses(&mut self, cx: &mut Cx<'_>, id: MessageId, addresses: Vec<SocketAddr>) {
        let usable =
            addresses.into_iter().filter(|a| a.port() != 0 && cx.base.local_towards(a.ip()).is_some());
        let usable: VecDeque<SocketAddr> = usable.take(MAX_ADDRESSES).collect();
        if let Some(message) = self.by_id.get_mut(&id) {
            message.addresses = usable;
        }
        if !self.try_next_address(cx, id) {
            self.finish(cx.base, id, 0, "no address to send to");
        }
    }
    /// False: none left.
    fn try_next_address(&mut self, cx: &mut Cx<'_>, id: MessageId) -> bool {
        let Some(message) = self.by_id.get_mut(&id) else { return false };
        let Some(address) = message.addresses.pop_front() else { return false };
        message.address = Some(address);
        self.transmit(cx, id);
        true
    }
    fn transmit(&mut self, cx: &mut Cx<'_>, id: MessageId) {
        let Some(message) = self.by_id.get_mut(&id) else { return };
        let Some((peer, bytes)) = message.build(cx) else {
            return self.finish(cx.base, id, 0, "the message can't be written");
        };
        // RFC 3428 section 8: a large one only over a transport with congestion control.
        if peer.transport == Transport::Udp && bytes.len() > cx.base.config.mtu_limit && wants_udp(&bytes) {
            return self.finish(cx.base, id, 513, "too large for UDP with its headers");
        }
        if cx.base.send(cx.now, peer, bytes, Owner::Message(id), true).is_none() {
            self.finish(cx.base, id, 0, "too many transactions");
        }
    }

    pub fn on_response(&mut self, cx: &mut Cx<'_>, id: MessageId, sent: Option<&[u8]>, response: &Message) {
        let status = response.status();
        if status < 200 {
            return;
        }
        if matches!(status, 401 | 407) && self.take_challenge(cx, id, sent, response) {
            return self.transmit(cx, id);
        }
        if status == 503 && self.try_next_address(cx, id) {
            return;
        }
        self.finish(cx.base, id, status, response.reason());
    }
    fn take_challenge(
        &mut self,
        cx: &mut Cx<'_>,
        id: MessageId,
        sent: Option<&[u8]>,
        response: &Message,
    ) -> bool {
        let (Some(message), Some(account)) = (self.by_id.get_mut(&id), cx.account) else { return false };
        let Some(sent) = sent.and_then(|bytes| Message::parse(bytes).ok()) else { return false };
        message.challenges += 1;
        message.challenges <= MAX_CHALLENGES
            && message.auth.challenged(response, &sent, &account.credentials).is_ok()
    }
    /// Silence and transport errors count as 408 and 503 (RFC 3261 section 8.1.3.1).
    pub fn on_no_response(&mut self, cx: &mut Cx<'_>, id: MessageId, status: u16, why: &str) {
        if !self.try_next_address(cx, id) {
            self.finish(cx.base, id, status, why);
        }
    }

    fn finish(&mut self, base: &mut Base, id: MessageId, sip_code: u16, reason: &str) {
        let Some(message) = self.by_id.remove(&id) else { return };
        if let Some(query) = message.query {
            base.queries.remove(&query);
        }
        base.event(Event::MessageResult { message: id, sip_code, reason: reason.into() });
    }
    /// The phone stops: nobody will hear what becomes of them.
    pub fn abandon(&mut self, base: &mut Base) {
        while let Some((id, _)) = self.by_id.first_key_value() {
            self.finish(base, *id, 0, "the phone was stopped");
        }
    }
}

impl Outgoing {
    /// The next try, with a sequence number of its own.
    fn build(&mut self, cx: &mut Cx<'_>) -> Option<(Peer, Vec<u8>)> {
        let (way, address) = (&self.way, self.address?);
        let local = cx.base.local_towards(address.ip())?;
        let from = match &way.from {
            Some(from) => from.clone(),
            None => sip_uri(&way.user, &cx.base.contact_address(local, address.ip()).to_string()),
        };
        self.cseq += 1;
        let via = cx.base.via(way.transport, local);
        let mut b = RequestBuilder::new(&Method::Message, &way.target).header(HeaderName::Via, &via);
        if let Some(route) = &way.route {
            b = b.header(HeaderName::Route, route);
        }
        // RFC 3428 section 4: no Contact.
        b = b
            .header(HeaderName::From, &format!("{}<{from}>;tag={}", quoted(&way.display), self.tag))
            .header(HeaderName::To, &format!("<{}>", way.target))
            .header(HeaderName::CallId, &self.call_id)
            .header(HeaderName::CSeq, &format!("{} MESSAGE", self.cseq));
        b = cx.base.finish_request(b);
        b = cx.authorize(&mut self.auth, &Method::Message, &way.target, &self.body, b);
        let bytes = b.body(&self.content_type, &self.body).build().ok()?;
        Some((cx.base.flows.peer(self.way.transport, address, self.name.as_deref()), bytes))
    }
}

/// Somebody's MESSAGE; `request::check` has seen that the host wants them.
pub(super) fn receive(
    base: &mut Base,
    now: Time,
    key: ServerKey,
    message: &Message,
    account: Option<AccountId>,
    tag: &str,
) {
    let encoding = message.header(HeaderName::ContentEncoding).unwrap_or("identity").trim();
    if !encoding.eq_ignore_ascii_case("identity") {
        base.reply(now, key, 415, None, tag, |b| b.header(HeaderName::AcceptEncoding, "identity"));
        return;
    }
    let content_type = message.header(HeaderName::ContentType).unwrap_or(PLAIN).trim();
    if !is_readable(content_type) {
        base.reply(now, key, 415, None, tag, |b| b.header(HeaderName::Accept, ACCEPT));
        return;
    }
    let Ok(from) = message.from() else {
        base.reply(now, key, 400, None, tag, |b| b);
        return;
    };
    if base.reply(now, key, 200, None, tag, |b| b) {
        base.event(Event::Message {
            account,
            from_name: from.display.unwrap_or_default(),
            from_uri: from.uri_text,
            content_type: content_type.into(),
            body: message.body().into(),
        });
    }
}

fn is_readable(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let Some((kind, subtype)) = kind.split_once('/') else { return false };
    let known = ["text", "application", "message"].iter().any(|k| kind.trim().eq_ignore_ascii_case(k));
    known && !subtype.trim().is_empty()
}
