//! What every part of the agent works with: transactions, randomness, outputs, deadlines, counters.
//!
//! Owned by [`super::Agent`], lent to calls and accounts while they act. Whatever the transaction layer wants sent
//! goes straight to the outputs; whatever it reports waits in `pending` until the agent dispatches it.

use super::api::*;
use super::hop::Flows;
use super::trace;
use crate::proto::rtp::PayloadFormat;
use crate::proto::sip::transaction::{ClientKey, Effect, Layer, ServerKey};
use crate::proto::sip::{HeaderName, Message, Method, Peer, RequestBuilder, ResponseBuilder, Transport};
use crate::util::{IdMap, Key, Rng, Time};
use core::cmp::Reverse;
use core::net::{IpAddr, SocketAddr};
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

/// Datagrams waiting for a driver that doesn't drain; more are dropped and counted.
const MAX_QUEUED_TRANSMITS: usize = 65_536;
/// Stale entries of the heap of deadlines that are tolerated before it is rebuilt.
const DEADLINE_SLACK: usize = 4_096;
/// How the Via of a request of ours begins.
const VIA_UDP: &[u8] = b"\r\nVia: SIP/2.0/UDP ";
/// RFC 3261 section 8.1.1.6.
pub(super) const MAX_FORWARDS: &str = "70";
/// What we can process inside or outside of dialogs.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY";
const ALLOW_WITH_MESSAGE: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY, MESSAGE";
pub(super) const SDP: &str = "application/sdp";
pub(super) const DTMF_RELAY: &str = "application/dtmf-relay";

/// What a client transaction was started for.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    Invite,
    Bye,
    Reinvite,
    Info { digit: char, duration_ms: u32 },
    Refer { target: Box<str> },
}

/// Whose client transaction it is.
#[derive(Clone, Debug)]
pub(super) enum Owner {
    Call {
        call: Key,
        sent: Sent,
    },
    Account(AccountId),
    Message(MessageId),
    /// BYE of a fork that nobody waits for.
    Orphan,
}

/// A client transaction under way; the request as sent is kept where a challenge could ask for it again.
pub(super) struct Owned {
    pub owner: Owner,
    pub request: Option<Arc<[u8]>>,
}

/// Who asked for a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    Call(Key),
    Account(AccountId),
    Message(MessageId),
}

/// A deadline of a call. At most one of each kind runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum CallTimer {
    /// Retransmission of our 2xx.
    Retransmit,
    /// The 2xx is given up (64*T1).
    AckWait,
    Ring,
    Answer,
    /// Next try of a re-INVITE after 491.
    Glare,
}

impl CallTimer {
    pub const COUNT: usize = 5;
    pub const fn index(self) -> usize {
        self as usize
    }
    const fn reason(self) -> Reason {
        match self {
            CallTimer::Retransmit | CallTimer::AckWait => Reason::AckWait,
            CallTimer::Ring => Reason::RingTimeout,
            CallTimer::Answer => Reason::AnswerTimeout,
            CallTimer::Glare => Reason::Other,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Alarm {
    Call(Key, CallTimer),
    Account(AccountId),
    Stop,
}

impl Alarm {
    pub const fn reason(self) -> Reason {
        match self {
            Alarm::Call(_, timer) => timer.reason(),
            Alarm::Account(_) => Reason::Registration,
            Alarm::Stop => Reason::Stop,
        }
    }
}

/// One heap for all deadlines of the agent, with lazy deletion: who owns an alarm knows whether it still holds.
#[derive(Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Time, Alarm)>>,
}

impl Deadlines {
    pub fn push(&mut self, at: Time, alarm: Alarm) {
        self.heap.push(Reverse((at, alarm)));
    }
    pub fn peek(&self) -> Option<(Time, Alarm)> {
        self.heap.peek().map(|Reverse(entry)| *entry)
    }
    pub fn pop(&mut self) -> Option<(Time, Alarm)> {
        self.heap.pop().map(|Reverse(entry)| entry)
    }
    /// Worth a rebuild when far more entries wait than `live` owners could have.
    pub fn is_bloated(&self, live: usize) -> bool {
        self.heap.len() > live.saturating_mul(2 * CallTimer::COUNT) + DEADLINE_SLACK
    }
    pub fn retain(&mut self, mut holds: impl FnMut(Time, Alarm) -> bool) {
        self.heap.retain(|Reverse((at, alarm))| holds(*at, *alarm));
        self.heap.shrink_to_fit();
    }
}

/// An output, or something that becomes one only if it is still due when it is polled.
pub(super) enum Queued {
    Output(Output),
    /// 180 for a call that the host has been told of.
    AutoRing(Key),
}

pub(super) struct Base {
    pub config: AgentConfig,
    /// `config.codecs` with telephone-event at the end.
    pub codecs: Arc<[PayloadFormat]>,
    /// The host listens for MESSAGE.
    pub accept_messages: bool,
    pub rng: Box<dyn Rng>,
    route: RouteFn,
    pub flows: Flows,
    pub layer: Layer,
    scratch: Vec<Effect>,
    pub pending: VecDeque<Effect>,
    pub out: VecDeque<Queued>,
    pub owners: IdMap<ClientKey, Owned>,
    pub queries: IdMap<QueryId, Asker>,
    next_query: u64,
    pub deadlines: Deadlines,
    pub stats: AgentStats,
}

impl Base {
    pub fn new(config: AgentConfig, mut rng: Box<dyn Rng>, route: RouteFn) -> Base {
        let mut layer = Layer::new(config.timers, config.max_transactions);
        let mut secret = [0; 32];
        rng.fill(&mut secret);
        layer.set_secret(secret);
        let mut codecs = config.codecs.clone();
        if !codecs.iter().any(|c| c.name.eq_ignore_ascii_case("telephone-event")) {
            codecs.push(PayloadFormat {
                payload_type: 101,
                name: "telephone-event".into(),
                clock_rate: 8000,
                channels: 1,
                fmtp: Some("0-16".into()),
            });
        }
        Base {
            layer,
            config,
            codecs: codecs.into(),
            accept_messages: false,
            rng,
            route,
            flows: Flows::default(),
            scratch: Vec::new(),
            pending: VecDeque::new(),
            out: VecDeque::new(),
            owners: IdMap::default(),
            queries: IdMap::default(),
            next_query: 1,
            deadlines: Deadlines::default(),
            stats: AgentStats::default(),
        }
    }

    /// Gives back the room of what is gone.
    pub fn shrink(&mut self) {
        self.layer.shrink();
        // Not to nothing: as with `Slab::shrink`.
        self.scratch.shrink_to(1);
        self.pending.shrink_to(1);
        self.out.shrink_to(1);
        self.owners.shrink_to_fit();
        self.queries.shrink_to_fit();
    }

    // Outputs.

    pub fn event(&mut self, event: Event) {
        self.out.push_back(Queued::Output(Output::Event(event)));
    }
    pub fn media(&mut self, command: MediaCommand) {
        self.out.push_back(Queued::Output(Output::Media(command)));
    }
    pub fn open_stream(&mut self, call: CallId, remote_hint: Option<IpAddr>) {
        self.out.push_back(Queued::Output(Output::OpenStream { call, remote_hint }));
    }
    pub fn transmit(&mut self, to: Peer, bytes: Arc<[u8]>) {
        if self.out.len() >= MAX_QUEUED_TRANSMITS {
            self.stats.dropped += 1;
            return;
        }
        // RFC 3261 section 18.1.1: what may not fit the path wants TCP.
        if to.transport == Transport::Udp && bytes.len() > self.config.mtu_limit {
            self.stats.oversize += 1;
            log::warn!(target: "voip::sip", "a message of {} bytes to {} exceeds the limit of {} for UDP",
                bytes.len(), to.address, self.config.mtu_limit);
        }
        trace::sent(to, &bytes);
        self.out.push_back(Queued::Output(Output::Transmit { to, bytes }));
    }
    pub fn resolve(&mut self, asker: Asker, host: &str, port: u16) -> QueryId {
        let query = QueryId(self.next_query);
        self.next_query += 1;
        self.queries.insert(query, asker);
        self.out.push_back(Queued::Output(Output::Resolve { query, host: host.into(), port }));
        query
    }

    // Transactions.

    /// Hands a parsed message to the transaction layer.
    pub fn receive(&mut self, now: Time, source: Peer, message: Message) {
        self.layer.receive(now, source, message, &mut self.scratch);
        self.absorb();
    }
    pub fn connection_lost(&mut self, now: Time, peer: Peer) {
        self.flows.lost(peer);
        self.layer.connection_lost(now, peer, &mut self.scratch);
        self.absorb();
    }
    pub fn transport_failed(&mut self, now: Time, to: Peer) {
        self.layer.transport_failed(now, to, &mut self.scratch);
        self.absorb();
    }
    pub fn transaction_timeouts(&mut self, now: Time) {
        self.layer.handle_timeout(now, &mut self.scratch);
        self.absorb();
    }
    /// Starts a client transaction. None: the table is full.
    pub fn send(
        &mut self,
        now: Time,
        to: Peer,
        request: Vec<u8>,
        owner: Owner,
        keep: bool,
    ) -> Option<ClientKey> {
        let kept = keep.then(|| Arc::from(request.as_slice()));
        let key = match self.over_tcp(to, &request) {
            Some(switched) => {
                let large = Peer::new(Transport::Tcp, to.address);
                // RFC 3428 section 8 has no way back for what a person wrote.
                let fallback = match owner {
                    Owner::Message(_) => None,
                    _ => Some((to, request)),
                };
                self.layer.send_request_or(now, large, switched, fallback, &mut self.scratch)
            }
            None => self.layer.send_request(now, to, request, &mut self.scratch),
        };
        self.absorb();
        match key {
            Some(key) => {
                self.owners.insert(key, Owned { owner, request: kept });
            }
            None => self.stats.dropped += 1,
        }
        key
    }
    /// A request that may be too large for UDP, as it goes over TCP (RFC 3261 section 18.1.1). None: it may stay.
    fn over_tcp(&self, to: Peer, request: &[u8]) -> Option<Vec<u8>> {
        if to.transport != Transport::Udp || request.len() <= self.config.mtu_limit || wants_udp(request) {
            return None;
        }
        // Ours is the first Via, and the first header.
        let place = memchr::memmem::find(request, VIA_UDP)?;
        let mut switched = request.to_vec();
        let name = switched.get_mut(place + VIA_UDP.len() - 4..place + VIA_UDP.len() - 1)?;
        name.copy_from_slice(b"TCP");
        Some(switched)
    }
    /// Answers a request whose transaction the layer still holds. False: it doesn't, or the response can't be written.
    pub fn reply(
        &mut self,
        now: Time,
        key: ServerKey,
        status: u16,
        reason: Option<&str>,
        tag: &str,
        fill: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
    ) -> bool {
        match self.build_reply(key, status, reason, tag, fill) {
            Some(bytes) => self.respond(now, key, status, bytes),
            None => false,
        }
    }
    pub fn build_reply(
        &self,
        key: ServerKey,
        status: u16,
        reason: Option<&str>,
        tag: &str,
        fill: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
    ) -> Option<Vec<u8>> {
        let (request, source) = self.layer.server_request(key)?;
        let builder = ResponseBuilder::new(request, status, reason, source.address).to_tag(tag);
        let builder = fill(builder).header(HeaderName::Server, &self.config.user_agent);
        builder.build().ok()
    }
    pub fn respond(&mut self, now: Time, key: ServerKey, status: u16, bytes: Vec<u8>) -> bool {
        let taken = self.layer.respond(now, key, status, bytes, &mut self.scratch);
        self.absorb();
        taken
    }
    /// The same answer to each copy of a request, without a transaction.
    pub fn reply_statelessly(&mut self, source: Peer, request: &Message, status: u16) {
        self.layer.answer_statelessly(source, request, status, &mut self.scratch);
        self.absorb();
    }
    /// CANCELs an INVITE, at once or as soon as a provisional response allows it (RFC 3261 section 9.1).
    pub fn cancel(&mut self, now: Time, key: ClientKey) -> bool {
        let taken = self.layer.cancel(now, key, &mut self.scratch);
        self.absorb();
        taken
    }
    fn absorb(&mut self) {
        let mut effects = core::mem::take(&mut self.scratch);
        for effect in effects.drain(..) {
            match effect {
                Effect::Transmit { to, bytes } => self.transmit(to, bytes),
                other => self.pending.push_back(other),
            }
        }
        self.scratch = effects;
    }

    /// What we can process now (RFC 3261 section 20.5).
    pub fn allow(&self) -> &'static str {
        if self.accept_messages {
            ALLOW_WITH_MESSAGE
        } else {
            ALLOW
        }
    }

    // Identity.

    pub fn tag(&mut self) -> Box<str> {
        self.rng.token(16).into()
    }
    pub fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.rng.token(20))
    }
    /// Our own address towards a peer; None: no route.
    pub fn local_towards(&mut self, remote: IpAddr) -> Option<SocketAddr> {
        (self.route)(remote)
    }
    /// What `peer` is told in Contact and SDP: the public address if one is set for that family, but in our
    /// own networks.
    pub fn contact_address(&self, local: SocketAddr, peer: IpAddr) -> SocketAddr {
        let inside = || self.config.local_networks.iter().any(|n| n.contains(peer));
        match self.config.public_address {
            Some(ip) if ip.is_ipv4() == local.is_ipv4() && !inside() => SocketAddr::new(ip, local.port()),
            _ => local,
        }
    }
    /// `secure`: with `sips`.
    pub fn contact(
        &self,
        user: &str,
        local: SocketAddr,
        peer: IpAddr,
        transport: Transport,
        secure: bool,
    ) -> String {
        let uri = sip_uri(user, &self.contact_address(local, peer).to_string());
        match (secure, transport) {
            (true, _) => format!("<sips:{}>", uri.trim_start_matches("sip:")),
            (false, Transport::Udp) => format!("<{uri}>"),
            _ => format!("<{uri};transport={}>", transport.as_str().to_ascii_lowercase()),
        }
    }
    /// A Via with a new branch; `rport` asks for the answer along the same way (RFC 3581), `alias` for requests along
    /// our connection (RFC 5923).
    pub fn via(&mut self, transport: Transport, local: SocketAddr) -> String {
        let alias = if transport.is_reliable() { ";alias" } else { "" };
        format!("SIP/2.0/{} {local};branch={};rport{alias}", transport.as_str(), self.branch())
    }
    /// What each request outside of ACK and CANCEL carries.
    pub fn finish_request(&self, builder: RequestBuilder) -> RequestBuilder {
        builder
            .header(HeaderName::MaxForwards, MAX_FORWARDS)
            .header(HeaderName::UserAgent, &self.config.user_agent)
    }
}

/// Is UDP what the URI of the next hop asks for?
pub(super) fn wants_udp(request: &[u8]) -> bool {
    let Ok(message) = Message::parse(request) else { return false };
    let hop = message.values(HeaderName::Route).next().unwrap_or(message.request_uri_text());
    hop.to_ascii_lowercase().contains("transport=udp")
}

/// `sip:user@host`, or `sip:host` for an empty user.
pub(super) fn sip_uri(user: &str, host: &str) -> String {
    if user.is_empty() {
        format!("sip:{host}")
    } else {
        format!("sip:{user}@{host}")
    }
}

/// `"display" ` with what must be escaped escaped, or nothing.
pub(super) fn quoted(display: &str) -> String {
    if display.is_empty() {
        return String::new();
    }
    let mut out = String::with_capacity(display.len() + 3);
    out.push('"');
    for c in display.chars().filter(|c| !c.is_control()) {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push_str("\" ");
    out
}

/// The context in which a call or an account acts.
pub(super) struct Cx<'a> {
    pub now: Time,
    pub base: &'a mut Base,
    pub account: Option<&'a AccountConfig>,
}

impl Cx<'_> {
    /// Is `method` one that carries our credentials? (never ACK by itself and CANCEL, RFC 3261 section 22.1)
    pub fn has_credentials(&self) -> bool {
        self.account.is_some_and(|a| !a.credentials.is_empty())
    }
    pub fn authorize(
        &mut self,
        session: &mut crate::proto::sip::auth::Session,
        method: &Method,
        uri: &str,
        body: &[u8],
        builder: RequestBuilder,
    ) -> RequestBuilder {
        let Some(account) = self.account else { return builder };
        if account.credentials.is_empty() {
            return builder;
        }
        let headers = session.authorize(self.base.rng.as_mut(), method, uri, body, &account.credentials);
        headers.into_iter().fold(builder, |builder, (proxy, value)| {
            let name = if proxy { HeaderName::ProxyAuthorization } else { HeaderName::Authorization };
            builder.header(name, &value)
        })
    }
}
