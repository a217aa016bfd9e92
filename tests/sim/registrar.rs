//! A registrar: digest, expiry as it likes, 423, 503, and a memory that can be lost.

use super::network::Packet;
use super::world::Node;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use voip::proto::sip::transaction::{Effect, Layer, ServerKey, Timers};
use voip::proto::sip::{HeaderName, Message, Method, Peer, ResponseBuilder};
use voip::util::{Duration, Rng, SeededRng, Time};

pub const REALM: &str = "sim";

/// An answer out of the ordinary, for one REGISTER.
#[derive(Clone, Debug)]
pub enum Mood {
    /// Status and Retry-After.
    Refuse(u16, Option<u32>),
    /// No answer at all.
    Silent,
}

pub struct Registrar {
    pub address: SocketAddr,
    pub password: String,
    /// None: nobody is asked who it is.
    pub challenge: bool,
    pub granted: u32,
    pub min_expires: u32,
    /// A nonce is good for so many requests, then stale.
    pub nonce_uses: u32,
    /// Binding by user: contact and until when.
    pub bindings: BTreeMap<String, (String, Time)>,
    pub moods: VecDeque<Mood>,
    /// Bindings that were renewed too late.
    pub lapses: u32,
    /// What each REGISTER was answered.
    pub log: Vec<(Time, u16)>,
    nonces: BTreeMap<String, u32>,
    layer: Layer,
    rng: SeededRng,
}

impl Registrar {
    pub fn new(address: SocketAddr, seed: u64, password: &str) -> Registrar {
        Registrar {
            address,
            password: password.into(),
            challenge: true,
            granted: 300,
            min_expires: 60,
            nonce_uses: 1000,
            bindings: BTreeMap::new(),
            moods: VecDeque::new(),
            lapses: 0,
            log: Vec::new(),
            nonces: BTreeMap::new(),
            layer: Layer::new(Timers::default(), 10_000),
            rng: SeededRng::new(seed),
        }
    }

    pub fn is_bound(&self, now: Time, user: &str) -> bool {
        self.bindings.get(user).is_some_and(|(_, until)| *until > now)
    }

    pub fn answered(&self, status: u16) -> usize {
        self.log.iter().filter(|(_, s)| *s == status).count()
    }

    fn take(&mut self, now: Time, effects: Vec<Effect>, out: &mut Vec<Packet>) {
        for effect in effects {
            match effect {
                Effect::Transmit { to, bytes } => {
                    out.push(Packet { from: self.address, to: to.address, bytes: bytes.to_vec() });
                }
                Effect::Request { key, message, source } => {
                    let more = self.on_request(now, key, &message, source);
                    self.take(now, more, out);
                }
                _ => {}
            }
        }
    }

    fn on_request(&mut self, now: Time, key: ServerKey, request: &Message, source: Peer) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some((status, headers)) = self.decide(now, request) else { return effects };
        self.log.push((now, status));
        let tag = self.rng.token(8);
        let mut response = ResponseBuilder::new(request, status, None, source.address).to_tag(&tag);
        for (name, value) in headers {
            response = response.header(name, &value);
        }
        let response = response.build().expect("nothing forbidden in it");
        self.layer.respond(now, key, status, response, &mut effects);
        effects
    }

    fn decide(&mut self, now: Time, request: &Message) -> Option<(u16, Vec<(HeaderName, String)>)> {
        if *request.method() != Method::Register {
            return Some((405, vec![(HeaderName::Allow, "REGISTER".into())]));
        }
        match self.moods.pop_front() {
            Some(Mood::Silent) => return None,
            Some(Mood::Refuse(status, wait)) => {
                let wait = wait.map(|s| (HeaderName::RetryAfter, s.to_string()));
                return Some((status, wait.into_iter().collect()));
            }
            None => {}
        }
        let user = request.to().ok()?.uri.user?.to_string();
        if self.challenge {
            match self.check(&user, request) {
                Credentials::Right => {}
                Credentials::Wrong => return Some((403, Vec::new())),
                missing => return Some((401, vec![self.new_challenge(missing == Credentials::Stale)])),
            }
        }
        Some(self.bind(now, user, request))
    }

    fn new_challenge(&mut self, stale: bool) -> (HeaderName, String) {
        let nonce = self.rng.token(16);
        self.nonces.insert(nonce.clone(), 0);
        let stale = if stale { ", stale=true" } else { "" };
        let value =
            format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\"{stale}");
        (HeaderName::WwwAuthenticate, value)
    }

    fn check(&mut self, user: &str, request: &Message) -> Credentials {
        let Some(value) = request.header(HeaderName::Authorization) else { return Credentials::Missing };
        let get = |name: &str| param(value, name);
        let Some(uses) = self.nonces.get_mut(&get("nonce")) else { return Credentials::Stale };
        *uses += 1;
        if *uses > self.nonce_uses {
            self.nonces.remove(&get("nonce"));
            return Credentials::Stale;
        }
        let nc = u32::from_str_radix(&get("nc"), 16).unwrap_or(0);
        let ha1 = md5_hex(&format!("{user}:{REALM}:{}", self.password));
        let ha2 = md5_hex(&format!("REGISTER:{}", get("uri")));
        let all = [ha1, get("nonce"), get("nc"), get("cnonce"), get("qop"), ha2].join(":");
        // A count that was used already is a replay.
        match md5_hex(&all) == get("response") && nc >= 1 {
            true => Credentials::Right,
            false => Credentials::Wrong,
        }
    }

    fn bind(&mut self, now: Time, user: String, request: &Message) -> (u16, Vec<(HeaderName, String)>) {
        let contact = request.contacts().into_iter().next();
        let param = contact.as_ref().and_then(|c| c.param("expires")?.parse().ok());
        let asked: u32 = param.or(request.expires()).unwrap_or(3600);
        if asked == 0 {
            self.bindings.remove(&user);
            return (200, Vec::new());
        }
        if asked < self.min_expires {
            return (423, vec![(HeaderName::MinExpires, self.min_expires.to_string())]);
        }
        let Some(contact) = contact else { return (400, Vec::new()) };
        let granted = asked.min(self.granted.max(self.min_expires));
        let until = now + Duration::from_secs(granted.into());
        let before = self.bindings.insert(user, (contact.uri_text.to_string(), until));
        self.lapses += u32::from(before.is_some_and(|(_, until)| until < now));
        (200, vec![(HeaderName::Contact, format!("<{}>;expires={granted}", contact.uri_text))])
    }
}

#[derive(PartialEq)]
enum Credentials {
    Right,
    Wrong,
    Missing,
    Stale,
}

/// A parameter of an Authorization value, without its quotes.
fn param(value: &str, name: &str) -> String {
    let params = value.trim_start_matches("Digest ").split(',');
    let found = params.filter_map(|p| p.trim().split_once('=')).find(|(n, _)| n.eq_ignore_ascii_case(name));
    found.map(|(_, v)| v.trim_matches('"').to_owned()).unwrap_or_default()
}

fn md5_hex(text: &str) -> String {
    format!("{:x}", md5::compute(text))
}

impl Node for Registrar {
    fn address(&self) -> SocketAddr {
        self.address
    }
    fn receive(&mut self, now: Time, from: SocketAddr, bytes: &[u8], out: &mut Vec<Packet>) {
        let Ok(message) = Message::parse(bytes) else { return };
        let mut effects = Vec::new();
        self.layer.receive(now, Peer::udp(from), message, &mut effects);
        self.take(now, effects, out);
    }
    fn deadline(&mut self) -> Option<Time> {
        self.layer.next_deadline().map(|(at, _)| at)
    }
    fn wake(&mut self, now: Time, out: &mut Vec<Packet>) {
        let mut effects = Vec::new();
        self.layer.handle_timeout(now, &mut effects);
        self.take(now, effects, out);
    }
}
