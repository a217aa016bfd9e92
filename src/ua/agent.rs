//! The agent: one place where messages, commands and time meet.
//!
//! Owns the calls and the accounts, finds whom an event concerns, and lends it the [`Base`]. Calls are found by id (for
//! the host), by our tag (for the peer) and by key (for transactions and timers), each in O(1).

use super::account::{is_usable_proxy, Accounts};
use super::api::*;
use super::base::{Alarm, Asker, Base, Cx, Owner, Queued};
use super::call::incoming::Invitation;
use super::call::media::{MediaError, Offer};
use super::call::{acknowledge_and_end, end, is_secure, Call, Order};
use super::ended::Ended;
use super::hop::transport_of;
use super::message::{self, Messages};
use super::registration::NoResponse;
use super::request::{self, answer_outside, check_header, retry_later};
use super::target::parse_target;
use super::trace;
use super::way::Way;
use crate::proto::sdp::{Direction, SrtpMode};
use crate::proto::sip::transaction::{ClientKey, Effect, ServerKey};
use crate::proto::sip::{Flow, HeaderName, Message, Method, Peer, Transport, Uri};
use crate::util::{IdMap, Key, Rng, Slab, Time};
use core::net::SocketAddr;
use std::collections::HashMap;
use std::sync::Arc;

/// User part of our Contact where there is no account.
const NO_USER: &str = "voip";

pub struct Agent {
    base: Base,
    calls: Slab<Call>,
    by_id: IdMap<CallId, Key>,
    by_tag: HashMap<Box<str>, Key>,
    /// INVITE server transactions of calls without a final response.
    invites: IdMap<ServerKey, Key>,
    accounts: Accounts,
    messages: Messages,
    /// Tags of our calls that are over: a 2xx may still come for them.
    ended: Ended,
    next_call: u64,
    accept_calls: bool,
    stopping: Option<Time>,
    stopped: bool,
    /// The instant of the last event, for what becomes due when outputs are polled.
    now: Time,
}

impl Agent {
    pub fn new(config: AgentConfig, rng: Box<dyn Rng>, route: RouteFn) -> Agent {
        Agent {
            accept_calls: config.accept_calls,
            base: Base::new(config, rng, route),
            calls: Slab::new(),
            by_id: IdMap::default(),
            by_tag: HashMap::new(),
            invites: IdMap::default(),
            accounts: Accounts::default(),
            messages: Messages::default(),
            ended: Ended::default(),
            next_call: 1,
            stopping: None,
            stopped: false,
            now: Time::ZERO,
        }
    }

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

    pub fn handle_command(&mut self, now: Time, command: Command) -> Result<(), UaError> {
        self.now = now;
        if self.stopped {
            return Err(UaError::State);
        }
        let result = self.command(now, command);
        self.work(now);
        result
    }
    fn command(&mut self, now: Time, command: Command) -> Result<(), UaError> {
        match command {
            Command::AddAccount { account, config } => self.add_account(now, account, config),
            Command::RemoveAccount { account } => self.accounts.remove(&mut self.base, now, account),
            Command::Register { account } => self.accounts.register(&mut self.base, now, account),
            Command::Unregister { account } => self.accounts.unregister(&mut self.base, now, account),
            Command::Dial { call, account, target, options } => {
                self.dial(now, call, account, &target, options)
            }
            Command::Ring { call } => self.on_call(now, call, Call::command_ring),
            Command::Progress { call } => self.on_call(now, call, Call::command_progress),
            Command::Answer { call } => self.on_call(now, call, Call::command_answer),
            Command::Reject { call, code, reason } => {
                self.on_call(now, call, |c, cx| c.command_reject(cx, code, reason.as_deref()))
            }
            Command::Redirect { call, target } => {
                let target = self.target_for(call, &target)?;
                self.on_call(now, call, |c, cx| c.command_redirect(cx, &target))
            }
            Command::Hangup { call } => self.on_call(now, call, Call::command_hangup),
            Command::Hold { call } => self.direct(now, call, |d| match d {
                Direction::RecvOnly | Direction::Inactive => Direction::Inactive,
                _ => Direction::SendOnly,
            }),
            Command::Resume { call } => self.direct(now, call, |_| Direction::SendRecv),
            Command::SetDirection { call, direction } => self.direct(now, call, |_| direction),
            Command::SendInfoDtmf { call, digit, duration_ms } => {
                self.on_call(now, call, |c, cx| c.command_info(cx, digit, duration_ms))
            }
            Command::Transfer { call, target } => {
                let target = self.target_for(call, &target)?;
                self.on_call(now, call, |c, cx| c.command_transfer(cx, target))
            }
            Command::TransferTo { call, other } => {
                let target = self.replacement_of(call, other)?;
                self.on_call(now, call, |c, cx| c.command_transfer(cx, target))
            }
            Command::SetPublicAddress(address) => {
                self.base.config.public_address = address;
                self.accounts.contacts_changed(&mut self.base, now);
                Ok(())
            }
            Command::AcceptCalls(yes) => {
                self.accept_calls = yes;
                Ok(())
            }
            Command::SendMessage { message, account, target, text } => {
                self.send_message(now, message, account, &target, text)
            }
            Command::AcceptMessages(yes) => {
                self.base.accept_messages = yes;
                Ok(())
            }
            Command::Stop { deadline } => self.stop(now, deadline),
        }
    }
    fn direct(
        &mut self,
        now: Time,
        id: CallId,
        change: impl FnOnce(Direction) -> Direction,
    ) -> Result<(), UaError> {
        self.on_call(now, id, |c, cx| c.command_direction(cx, change))
    }

    pub fn handle_resolved(&mut self, now: Time, query: QueryId, addresses: Result<Vec<SocketAddr>, ()>) {
        self.now = now;
        match self.base.queries.remove(&query) {
            Some(Asker::Call(key)) => self.tell(now, key, |c, cx| c.on_resolved(cx, query, addresses)),
            Some(Asker::Account(id)) => self.accounts.on_resolved(&mut self.base, now, id, query, addresses),
            Some(Asker::Message(id)) => {
                self.on_message(now, id, |m, cx| m.on_resolved(cx, id, query, addresses));
            }
            None => {}
        }
        self.work(now);
    }
    /// The local end of the stream, or the code to fail the call with (503 for no ports).
    pub fn handle_stream_opened(&mut self, now: Time, call: CallId, opened: Result<StreamOpened, u16>) {
        self.now = now;
        match self.by_id.get(&call).copied() {
            Some(key) => self.tell(now, key, |c, cx| c.on_stream(cx, opened)),
            // The call ended in the meantime.
            None if opened.is_ok() => self.base.media(MediaCommand::Close { call }),
            None => {}
        }
        self.work(now);
    }
    /// A datagram could not be sent, or ICMP said unreachable.
    pub fn handle_transmit_failed(&mut self, now: Time, to: Peer) {
        self.now = now;
        self.base.transport_failed(now, to);
        self.work(now);
    }
    /// A connection that was there is gone. What waits for a response is sent once more, over a new one.
    pub fn handle_connection_lost(&mut self, now: Time, peer: Peer) {
        self.now = now;
        self.base.connection_lost(now, peer);
        self.accounts.on_connection_lost(&mut self.base, now, peer);
        self.work(now);
    }
    /// Is there still something for which a connection has to stay?
    pub fn uses(&self, peer: Peer) -> bool {
        let calls = || self.calls.iter().any(|(_, call)| call.uses(peer));
        self.base.layer.uses(peer) || self.accounts.uses(peer) || calls()
    }
    /// The name that the other end of a TLS connection has to prove (RFC 5922); None: its address.
    pub fn server_name(&self, peer: Peer) -> Option<Arc<str>> {
        match peer.flow {
            Flow::Name(id) => self.base.flows.name(id),
            Flow::Address | Flow::Accepted => None,
        }
    }
    /// Where the messages of a call go to.
    pub fn peer_of(&self, call: CallId) -> Option<Peer> {
        self.call(call)?.peer()
    }
    /// The tag that an answered call's callee goes by, or would.
    pub fn tag_of(&self, call: CallId) -> Option<Box<str>> {
        self.call(call)?.callee_tag()
    }
    fn call(&self, id: CallId) -> Option<&Call> {
        self.by_id.get(&id).and_then(|key| self.calls.get(*key))
    }
    pub fn handle_media_timeout(&mut self, now: Time, call: CallId) {
        self.now = now;
        if self.base.config.hangup_on_media_timeout {
            if let Some(key) = self.by_id.get(&call).copied() {
                self.with_call(now, key, Call::on_media_timeout);
            }
        }
        self.work(now);
    }
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = now;
        self.base.transaction_timeouts(now);
        self.work(now);
        while let Some((at, alarm)) = self.base.deadlines.peek().filter(|(at, _)| *at <= now) {
            self.base.deadlines.pop();
            if self.holds(at, alarm) {
                self.ring_alarm(now, alarm);
                self.work(now);
            }
        }
    }
    fn ring_alarm(&mut self, now: Time, alarm: Alarm) {
        match alarm {
            Alarm::Call(key, timer) => self.tell(now, key, |c, cx| c.on_timer(cx, timer)),
            Alarm::Account(id) => self.accounts.on_alarm(&mut self.base, now, id),
            Alarm::Stop => self.end_all(now),
        }
    }
    /// Is the alarm still somebody's?
    fn holds(&self, at: Time, alarm: Alarm) -> bool {
        match alarm {
            Alarm::Call(key, timer) => self.calls.get(key).is_some_and(|c| c.holds(timer, at)),
            Alarm::Account(id) => self.accounts.holds(id, at),
            Alarm::Stop => self.stopping == Some(at) && !self.stopped,
        }
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            match self.base.out.pop_front()? {
                Queued::Output(output) => return Some(output),
                Queued::AutoRing(key) => {
                    let now = self.now;
                    self.with_call(now, key, |c, cx| {
                        let _ = c.command_ring(cx);
                    });
                }
            }
        }
    }
    pub fn poll_timeout(&mut self) -> Option<(Time, Reason)> {
        self.prune();
        let transaction = self.base.layer.next_deadline().map(|(at, name)| (at, Reason::Transaction(name)));
        let own = self.base.deadlines.peek().map(|(at, alarm)| (at, alarm.reason()));
        match (transaction, own) {
            (Some(t), Some(o)) => Some(if o.0 < t.0 { o } else { t }),
            (t, o) => t.or(o),
        }
    }
    /// Drops deadlines that nobody waits for any more: those on top, and all when they pile up.
    fn prune(&mut self) {
        let mut deadlines = core::mem::take(&mut self.base.deadlines);
        while deadlines.peek().is_some_and(|(at, alarm)| !self.holds(at, alarm)) {
            deadlines.pop();
        }
        if deadlines.is_bloated(self.calls.len() + self.accounts.len()) {
            deadlines.retain(|at, alarm| self.holds(at, alarm));
        }
        self.base.deadlines = deadlines;
    }
    /// Gives back the room that many calls needed and few do not. Takes a while: when a crowd has gone.
    pub fn shrink(&mut self) {
        let mut deadlines = core::mem::take(&mut self.base.deadlines);
        deadlines.retain(|at, alarm| self.holds(at, alarm));
        self.base.deadlines = deadlines;
        self.base.shrink();
        self.calls.shrink();
        self.by_id.shrink_to_fit();
        self.by_tag.shrink_to_fit();
        self.invites.shrink_to_fit();
    }
    pub fn stats(&self) -> AgentStats {
        AgentStats {
            calls: self.calls.len(),
            accounts: self.accounts.len(),
            client_transactions: self.base.layer.client_count(),
            server_transactions: self.base.layer.server_count(),
            ..self.base.stats
        }
    }

    // Calls.

    /// Lends a call what it needs to act; removes it when it is over.
    fn with_call<R>(
        &mut self,
        now: Time,
        key: Key,
        act: impl FnOnce(&mut Call, &mut Cx<'_>) -> R,
    ) -> Option<R> {
        let call = self.calls.get_mut(key)?;
        let account = call.account.and_then(|id| self.accounts.get(id)).map(|a| &a.config);
        let result = act(call, &mut Cx { now, base: &mut self.base, account });
        if call.is_over() {
            self.by_id.remove(&call.id);
            self.by_tag.remove(&call.local_tag);
            if let Some(call) = self.calls.remove(key).filter(|c| c.id.is_outgoing()) {
                self.ended.insert(now, call.local_tag);
            }
        }
        Some(result)
    }
    fn tell(&mut self, now: Time, key: Key, act: impl FnOnce(&mut Call, &mut Cx<'_>)) {
        let _ = self.with_call(now, key, act);
    }
    fn on_call(
        &mut self,
        now: Time,
        id: CallId,
        act: impl FnOnce(&mut Call, &mut Cx<'_>) -> Result<(), UaError>,
    ) -> Result<(), UaError> {
        let key = self.by_id.get(&id).copied().ok_or(UaError::Unknown)?;
        self.with_call(now, key, act).unwrap_or(Err(UaError::Unknown))
    }
    /// A target said to a call, completed with its account's domain.
    fn target_for(&self, call: CallId, text: &str) -> Result<String, UaError> {
        let key = self.by_id.get(&call).ok_or(UaError::Unknown)?;
        let account = self.calls.get(*key).and_then(|c| c.account).and_then(|id| self.accounts.get(id));
        parse_target(text, account.map(|a| a.domain()).as_deref())
    }

    /// What the peer of `call` has to call to take our place in `other`.
    fn replacement_of(&self, call: CallId, other: CallId) -> Result<String, UaError> {
        let key = self.by_id.get(&other).ok_or(UaError::Unknown)?;
        let replaced = self.calls.get(*key).ok_or(UaError::Unknown)?;
        if call == other {
            return Err(UaError::State);
        }
        replaced.replacement().ok_or(UaError::State)
    }

    fn dial(
        &mut self,
        now: Time,
        id: CallId,
        account: Option<AccountId>,
        target: &str,
        options: DialOptions,
    ) -> Result<(), UaError> {
        if self.stopping.is_some() || self.by_id.contains_key(&id) {
            return Err(UaError::State);
        }
        if self.calls.len() >= self.base.config.max_calls {
            return Err(UaError::Limit);
        }
        options.headers.iter().try_for_each(|(name, value)| check_header(name, value))?;
        let srtp = options.srtp.unwrap_or(self.srtp_of(account));
        let order = self.order(id, account, target, options)?;
        let call = Call::outgoing(&mut self.base, order, srtp);
        let tag = call.local_tag.clone();
        let key = self.calls.insert_with(|key| call.with_key(key));
        self.by_id.insert(id, key);
        self.by_tag.insert(tag, key);
        self.with_call(now, key, Call::start);
        Ok(())
    }
    /// How much a call of that account insists on SRTP.
    fn srtp_of(&self, account: Option<AccountId>) -> SrtpMode {
        let own = account.and_then(|id| self.accounts.get(id)).and_then(|a| a.config.srtp);
        own.unwrap_or(self.base.config.srtp)
    }
    fn order(
        &self,
        id: CallId,
        account: Option<AccountId>,
        target: &str,
        options: DialOptions,
    ) -> Result<Order, UaError> {
        let way = self.way(account, target, options.display_name.clone())?;
        let Way { target, route, hop, transport, from, display, user } = way;
        Ok(Order { id, account, target, route, hop, transport, from, display, user, options })
    }
    fn way(&self, account: Option<AccountId>, target: &str, display: Option<String>) -> Result<Way, UaError> {
        let known = match account {
            Some(id) => Some(self.accounts.get(id).filter(|a| !a.is_removing()).ok_or(UaError::Unknown)?),
            None => None,
        };
        let target = parse_target(target, known.map(|a| a.domain()).as_deref())?;
        let (hop, route) = known.map_or((target.clone(), None), |a| a.way());
        let transport = known.map_or(self.base.config.transport, |a| a.config.transport);
        let by = Uri::parse(&hop).ok().and_then(|uri| transport_of(&uri, transport));
        let by = by.ok_or(UaError::NotSupported)?;
        let secure = is_secure(&target);
        // RFC 3261 section 26.2.1: TLS on every hop, or not at all.
        if secure && by != Transport::Tls {
            return Err(UaError::NotSupported);
        }
        let display = display.or_else(|| known.and_then(|a| a.config.display_name.clone()));
        Ok(Way {
            target,
            route,
            hop,
            transport: if secure { Transport::Tls } else { transport },
            from: known.map(|a| a.address_of_record()),
            display: display.unwrap_or_default(),
            user: known.map_or(NO_USER.to_owned(), |a| a.config.user.clone()),
        })
    }

    // Messages.

    fn send_message(
        &mut self,
        now: Time,
        id: MessageId,
        account: Option<AccountId>,
        target: &str,
        text: Text,
    ) -> Result<(), UaError> {
        if self.stopping.is_some() {
            return Err(UaError::State);
        }
        let way = self.way(account, target, None)?;
        let config = account.and_then(|id| self.accounts.get(id)).map(|a| &a.config);
        let mut cx = Cx { now, base: &mut self.base, account: config };
        self.messages.send(&mut cx, id, account, way, text)
    }
    /// Lends a message what it needs to act.
    fn on_message(&mut self, now: Time, id: MessageId, act: impl FnOnce(&mut Messages, &mut Cx<'_>)) {
        let account = self.messages.account(id).and_then(|id| self.accounts.get(id)).map(|a| &a.config);
        act(&mut self.messages, &mut Cx { now, base: &mut self.base, account });
    }

    // Accounts.

    fn add_account(&mut self, now: Time, id: AccountId, config: AccountConfig) -> Result<(), UaError> {
        if self.stopping.is_some() {
            return Err(UaError::State);
        }
        if config.outbound_proxy.as_deref().is_some_and(|proxy| !is_usable_proxy(proxy)) {
            return Err(UaError::Target);
        }
        let register = config.register;
        self.accounts.add(&mut self.base, id, config)?;
        if register {
            self.accounts.register(&mut self.base, now, id)?;
        }
        Ok(())
    }

    // What the transactions say.

    fn work(&mut self, now: Time) {
        while let Some(effect) = self.base.pending.pop_front() {
            self.dispatch(now, effect);
        }
        self.check_stopped();
    }
    fn dispatch(&mut self, now: Time, effect: Effect) {
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

    // The end.

    fn stop(&mut self, now: Time, deadline: Time) -> Result<(), UaError> {
        if self.stopping.is_some() {
            return Err(UaError::State);
        }
        self.stopping = Some(deadline);
        self.base.deadlines.push(deadline, Alarm::Stop);
        for key in self.calls.keys() {
            self.with_call(now, key, |c, cx| {
                let _ = c.hang_up(cx, end(EndCause::Shutdown, EndedBy::Local));
            });
        }
        for id in self.accounts.ids() {
            let _ = self.accounts.leave(&mut self.base, now, id, deadline);
        }
        if deadline <= now {
            self.end_all(now);
        }
        Ok(())
    }
    fn check_stopped(&mut self) {
        if self.stopping.is_none() || self.stopped {
            return;
        }
        if self.calls.is_empty() && self.messages.is_empty() && self.accounts.are_quiet() {
            self.finish_stop();
        }
    }
    /// The deadline: what hasn't ended yet ends now.
    fn end_all(&mut self, now: Time) {
        for key in self.calls.keys() {
            self.with_call(now, key, |c, cx| c.finish(cx, end(EndCause::Shutdown, EndedBy::Local)));
        }
        self.finish_stop();
    }
    fn finish_stop(&mut self) {
        self.stopped = true;
        self.messages.abandon(&mut self.base);
        self.base.layer.clear();
        self.base.owners.clear();
        self.base.queries.clear();
        self.invites.clear();
        self.base.event(Event::Stopped);
    }
}

fn is_sdp(message: &Message) -> bool {
    let kind = message.header(HeaderName::ContentType).unwrap_or_default();
    kind.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(super::base::SDP))
}
