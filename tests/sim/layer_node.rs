//! A node that is nothing but a transaction layer: sends requests, answers those of others.

use super::network::Packet;
use super::world::Node;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use voip::proto::sip::transaction::{ClientKey, Effect, Layer, ServerKey, TimerName, Timers};
use voip::proto::sip::{Message, Method, Peer, ResponseBuilder};
use voip::util::{Duration, Rng, SeededRng, Time};

/// What became of a request.
#[derive(Clone, Default, Debug)]
pub struct Outcome {
    pub finals: Vec<u16>,
    pub timeout: Option<TimerName>,
    pub ended: u32,
}

pub struct LayerNode {
    pub layer: Layer,
    pub address: SocketAddr,
    pub outcomes: BTreeMap<ClientKey, Outcome>,
    /// Requests that came up, by Call-ID and method: each once, however often it was sent.
    pub arrived: BTreeMap<String, u32>,
    pub ack_timeouts: u32,
    pub servers_ended: u32,
    /// The status for an INVITE; other requests get 200.
    pub invite_status: u16,
    pub fired: std::collections::BTreeSet<TimerName>,
    answers: BTreeMap<(Time, ServerKey), u16>,
    to_send: Vec<(SocketAddr, Vec<u8>)>,
    rng: SeededRng,
    made: u64,
}

impl LayerNode {
    pub fn new(address: SocketAddr, seed: u64) -> LayerNode {
        LayerNode {
            layer: Layer::new(Timers::default(), 100_000),
            address,
            outcomes: BTreeMap::new(),
            arrived: BTreeMap::new(),
            ack_timeouts: 0,
            servers_ended: 0,
            invite_status: 486,
            fired: Default::default(),
            answers: BTreeMap::new(),
            to_send: Vec::new(),
            rng: SeededRng::new(seed),
            made: 0,
        }
    }

    /// Sends a new request as soon as the world goes on.
    pub fn request(&mut self, to: SocketAddr, method: &Method) {
        self.made += 1;
        let (branch, call_id) = (self.rng.token(12), format!("{}@{}", self.made, self.address));
        let text = format!(
            "{method} sip:x@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:y@{}>;tag=f\r\nTo: <sip:x@{to}>\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\
             Content-Length: 0\r\n\r\n",
            self.address, self.address
        );
        self.to_send.push((to, text.into_bytes()));
    }

    fn take(&mut self, now: Time, effects: Vec<Effect>, out: &mut Vec<Packet>) {
        for effect in effects {
            match effect {
                Effect::Transmit { to, bytes } => {
                    out.push(Packet { from: self.address, to: to.address, bytes: bytes.to_vec() });
                }
                Effect::Response { key, message } if message.status() >= 200 => {
                    self.outcomes.entry(key).or_default().finals.push(message.status());
                }
                Effect::Timeout { key, timer } => {
                    self.outcomes.entry(key).or_default().timeout = Some(timer);
                }
                Effect::ClientEnded { key } => self.outcomes.entry(key).or_default().ended += 1,
                Effect::Request { key, message, .. } => {
                    let id = format!("{} {}", message.method(), message.call_id());
                    *self.arrived.entry(id).or_default() += 1;
                    let status = if *message.method() == Method::Invite { self.invite_status } else { 200 };
                    let wait = Duration::from_millis(self.rng.below(3000));
                    self.answers.insert((now + wait, key), status);
                }
                Effect::AckTimeout { .. } => self.ack_timeouts += 1,
                Effect::ServerEnded { .. } => self.servers_ended += 1,
                _ => {}
            }
        }
    }

    fn answer_due(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some((&(at, key), &status)) = self.answers.first_key_value() {
            if at > now {
                break;
            }
            self.answers.pop_first();
            let Some((request, source)) = self.layer.server_request(key) else { continue };
            let response = ResponseBuilder::new(request, status, None, source.address).to_tag("t");
            let response = response.build().expect("nothing forbidden in it");
            self.layer.respond(now, key, status, response, effects);
        }
    }
}

impl Node for LayerNode {
    fn address(&self) -> SocketAddr {
        self.address
    }
    fn receive(&mut self, now: Time, from: SocketAddr, bytes: &[u8], out: &mut Vec<Packet>) {
        let message = Message::parse(bytes).expect("only our own messages are on this network");
        let mut effects = Vec::new();
        self.layer.receive(now, Peer::udp(from), message, &mut effects);
        self.take(now, effects, out);
    }
    fn deadline(&mut self) -> Option<Time> {
        if !self.to_send.is_empty() {
            return Some(Time::ZERO);
        }
        let answer = self.answers.keys().next().map(|&(at, _)| at);
        answer.into_iter().chain(self.layer.next_deadline().map(|(at, _)| at)).min()
    }
    fn wake(&mut self, now: Time, out: &mut Vec<Packet>) {
        let mut effects = Vec::new();
        for (to, bytes) in std::mem::take(&mut self.to_send) {
            let to = Peer::udp(to);
            let key = self.layer.send_request(now, to, bytes, &mut effects).expect("there is room");
            self.outcomes.insert(key, Outcome::default());
        }
        self.answer_due(now, &mut effects);
        if let Some((at, name)) = self.layer.next_deadline() {
            if at <= now {
                self.fired.insert(name);
            }
        }
        self.layer.handle_timeout(now, &mut effects);
        self.take(now, effects, out);
    }
}
