//! The agent: one place where messages, commands and time meet.
//!
//! Owns the calls and the accounts, finds whom an event concerns, and lends it the [`Base`]. Calls are found by id (for
//! the host), by our tag (for the peer) and by key (for transactions and timers), each in O(1).

mod arrivals;
mod commands;
mod stop;

use super::account::Accounts;
use super::api::*;
use super::base::{Alarm, Asker, Base, Cx, Queued};
use super::call::Call;
use super::ended::Ended;
use super::message::Messages;
use crate::proto::sip::transaction::ServerKey;
use crate::proto::sip::{Flow, Peer};
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
    /// Lends a message what it needs to act.
    fn on_message(&mut self, now: Time, id: MessageId, act: impl FnOnce(&mut Messages, &mut Cx<'_>)) {
        let account = self.messages.account(id).and_then(|id| self.accounts.get(id)).map(|a| &a.config);
        act(&mut self.messages, &mut Cx { now, base: &mut self.base, account });
    }

    // What the transactions say.

    fn work(&mut self, now: Time) {
        while let Some(effect) = self.base.pending.pop_front() {
            self.dispatch(now, effect);
        }
        self.check_stopped();
    }
}
