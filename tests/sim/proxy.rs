//! A proxy that keeps transactions, forks, and record-routes, loosely or strictly.

use super::network::Packet;
use super::world::Node;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use voip::proto::sip::transaction::{ClientKey, Effect, Layer, ServerKey, Timers};
use voip::proto::sip::{
    HeaderName, Host, Message, Method, NameAddr, Peer, RequestBuilder, ResponseBuilder, Uri,
};
use voip::util::{Rng, SeededRng, Time};

struct Fork {
    clients: Vec<ClientKey>,
    pending: usize,
    answered: bool,
    /// The best non-2xx so far.
    best: Option<(u16, Vec<u8>)>,
}

pub struct Proxy {
    pub address: SocketAddr,
    /// RFC 2543: no `lr` in Record-Route.
    pub strict: bool,
    /// When one branch answers, the others are cancelled.
    pub cancel_others: bool,
    /// Where the calls of a user go.
    pub users: BTreeMap<String, Vec<SocketAddr>>,
    /// Requests that went through, by method.
    pub forwarded: BTreeMap<String, u32>,
    layer: Layer,
    forks: BTreeMap<ServerKey, Fork>,
    of_client: BTreeMap<ClientKey, ServerKey>,
    rng: SeededRng,
}

impl Proxy {
    pub fn new(address: SocketAddr, seed: u64) -> Proxy {
        let mut layer = Layer::new(Timers::default(), 100_000);
        layer.set_forwarding(true);
        Proxy {
            address,
            strict: false,
            cancel_others: true,
            users: BTreeMap::new(),
            forwarded: BTreeMap::new(),
            layer,
            forks: BTreeMap::new(),
            of_client: BTreeMap::new(),
            rng: SeededRng::new(seed),
        }
    }

    fn take(&mut self, now: Time, effects: Vec<Effect>, out: &mut Vec<Packet>) {
        for effect in effects {
            let mut more = Vec::new();
            match effect {
                Effect::Transmit { to, bytes } => self.send(to.address, bytes.to_vec(), out),
                Effect::Request { key, message, source } => {
                    self.on_request(now, key, &message, source, &mut more);
                }
                Effect::Ack { message, .. } => {
                    for (to, bytes) in self.forward(&message) {
                        self.send(to, bytes, out);
                    }
                }
                Effect::Response { key, message } => self.on_response(now, key, &message, out, &mut more),
                Effect::Timeout { key, .. } => self.branch_failed(now, key, 408, None, &mut more),
                Effect::Cancelled { key, .. } => self.cancel_all(now, key, None, &mut more),
                Effect::StrayResponse { message, .. } => self.pass_back(&message, out),
                Effect::ServerEnded { key } => drop(self.forks.remove(&key)),
                Effect::ClientEnded { key } => drop(self.of_client.remove(&key)),
                Effect::TransportError { .. } | Effect::AckTimeout { .. } => {}
            }
            self.take(now, more, out);
        }
    }

    fn send(&self, to: SocketAddr, bytes: Vec<u8>, out: &mut Vec<Packet>) {
        out.push(Packet { from: self.address, to, bytes });
    }

    fn on_request(
        &mut self,
        now: Time,
        key: ServerKey,
        request: &Message,
        source: Peer,
        effects: &mut Vec<Effect>,
    ) {
        let mut clients = Vec::new();
        for (to, bytes) in self.forward(request) {
            let to = Peer::udp(to);
            clients.extend(self.layer.send_request(now, to, bytes, effects));
        }
        if clients.is_empty() {
            let response = ResponseBuilder::new(request, 404, None, source.address).to_tag("proxy");
            let response = response.build().expect("nothing forbidden in it");
            self.layer.respond(now, key, 404, response, effects);
            return;
        }
        self.of_client.extend(clients.iter().map(|c| (*c, key)));
        let pending = clients.len();
        self.forks.insert(key, Fork { clients, pending, answered: false, best: None });
    }

    /// The copies of a request with where they go (RFC 3261 section 16.4 to 16.6).
    fn forward(&mut self, request: &Message) -> Vec<(SocketAddr, Vec<u8>)> {
        *self.forwarded.entry(request.method().to_string()).or_default() += 1;
        let mut routes: Vec<String> = request.values(HeaderName::Route).map(str::to_owned).collect();
        let mut uri = request.request_uri_text().to_owned();
        let is_initial = request.to_tag().is_none();
        let own = request.request_uri().is_ok_and(|u| self.is_me(&u));
        // Without lr we are a strict router of RFC 2543: the next Route is the Request-URI and the next hop.
        let strictly = own && !routes.is_empty() && self.strict;
        if strictly {
            uri = route_uri(&routes.remove(0)).map(|(text, _)| text).unwrap_or_default();
        } else if own && !is_initial {
            // 16.4: a strict router before us put the target into the last Route.
            uri = routes.pop().and_then(|r| route_uri(&r)).map(|(text, _)| text).unwrap_or_default();
        }
        if !strictly && routes.first().and_then(|r| route_uri(r)).is_some_and(|(_, u)| self.is_me(&u)) {
            routes.remove(0);
        }
        let targets = match Uri::parse(&uri) {
            Ok(target) if self.is_me(&target) => {
                let user = target.user.as_deref().unwrap_or_default();
                let found = self.users.get(user).cloned().unwrap_or_default();
                found.into_iter().map(|a| (format!("sip:{user}@{a}"), a)).collect()
            }
            Ok(target) if strictly => Vec::from_iter(address_of(&target).map(|a| (uri, a))),
            _ => Vec::from_iter(next_hop(uri, &mut routes)),
        };
        let copies =
            targets.into_iter().map(|(uri, to)| (to, self.rewrite(request, &uri, &routes, is_initial)));
        copies.collect()
    }

    fn rewrite(&mut self, request: &Message, uri: &str, routes: &[String], is_initial: bool) -> Vec<u8> {
        let branch = self.rng.token(12);
        let via = format!("SIP/2.0/UDP {};branch=z9hG4bK{branch}", self.address);
        let mut builder = RequestBuilder::new(request.method(), uri).header(HeaderName::Via, &via);
        for route in routes {
            builder = builder.header(HeaderName::Route, route);
        }
        if is_initial && *request.method() == Method::Invite {
            let lr = if self.strict { "" } else { ";lr" };
            builder = builder.header(HeaderName::RecordRoute, &format!("<sip:{}{lr}>", self.address));
        }
        for (name, text, value) in request.all_headers() {
            match name {
                HeaderName::Route | HeaderName::ContentLength | HeaderName::ContentType => {}
                HeaderName::MaxForwards => {
                    let left = value.parse::<u8>().unwrap_or(70).saturating_sub(1);
                    builder = builder.header(name, &left.to_string());
                }
                _ => builder = builder.header_named(text, value),
            }
        }
        if let Some(kind) = request.header(HeaderName::ContentType) {
            builder = builder.body(kind, request.body());
        }
        builder.build().expect("nothing forbidden in it")
    }

    fn on_response(
        &mut self,
        now: Time,
        key: ClientKey,
        response: &Message,
        out: &mut Vec<Packet>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(&server) = self.of_client.get(&key) else { return };
        let status = response.status();
        let bytes = without_top_via(response);
        match status {
            100 => {}
            101..=199 => drop(self.layer.respond(now, server, status, bytes, effects)),
            200..=299 => {
                if !self.layer.respond(now, server, status, bytes, effects) {
                    self.pass_back(response, out);
                }
                if let Some(fork) = self.forks.get_mut(&server) {
                    fork.answered = true;
                }
                if self.cancel_others {
                    self.cancel_all(now, server, Some(key), effects);
                }
            }
            _ => self.branch_failed(now, key, status, Some(bytes), effects),
        }
    }

    fn branch_failed(
        &mut self,
        now: Time,
        key: ClientKey,
        status: u16,
        bytes: Option<Vec<u8>>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(&server) = self.of_client.get(&key) else { return };
        let Some(fork) = self.forks.get_mut(&server) else { return };
        fork.pending = fork.pending.saturating_sub(1);
        if let Some(bytes) = bytes {
            if fork.best.as_ref().is_none_or(|(best, _)| status < *best) {
                fork.best = Some((status, bytes));
            }
        }
        if fork.pending > 0 || fork.answered {
            return;
        }
        let own = self.layer.server_request(server).and_then(|(request, source)| {
            ResponseBuilder::new(request, 408, None, source.address).to_tag("proxy").build().ok()
        });
        if let Some((status, bytes)) = fork.best.take().or(own.map(|bytes| (408, bytes))) {
            self.layer.respond(now, server, status, bytes, effects);
        }
    }

    fn cancel_all(
        &mut self,
        now: Time,
        server: ServerKey,
        but: Option<ClientKey>,
        effects: &mut Vec<Effect>,
    ) {
        let clients = self.forks.get(&server).map(|f| f.clients.clone()).unwrap_or_default();
        for key in clients.into_iter().filter(|key| Some(*key) != but) {
            self.layer.cancel(now, key, effects);
        }
    }

    /// Without state: to whom the next Via names.
    fn pass_back(&self, response: &Message, out: &mut Vec<Packet>) {
        let bytes = without_top_via(response);
        let Ok(stripped) = Message::parse(&bytes) else { return };
        let Ok(via) = stripped.top_via() else { return };
        if let (Host::Ip(ip), Some(port)) = (&via.host, via.port) {
            self.send(SocketAddr::new(*ip, port), bytes, out);
        }
    }

    fn is_me(&self, uri: &Uri) -> bool {
        address_of(uri) == Some(self.address)
    }
}

/// Request-URI and next hop; a strict router ahead gets the one for the other (16.6, step 6).
fn next_hop(uri: String, routes: &mut Vec<String>) -> Option<(String, SocketAddr)> {
    let Some((text, route)) = routes.first().and_then(|r| route_uri(r)) else {
        return Some((uri.clone(), address_of(&Uri::parse(&uri).ok()?)?));
    };
    let next = address_of(&route)?;
    if route.has_param("lr") {
        return Some((uri, next));
    }
    routes.remove(0);
    routes.push(format!("<{uri}>"));
    Some((text, next))
}

fn route_uri(value: &str) -> Option<(String, Uri)> {
    let name = NameAddr::parse(value).ok()?;
    Some((name.uri_text.to_string(), name.uri))
}

fn address_of(uri: &Uri) -> Option<SocketAddr> {
    match uri.host {
        Host::Ip(ip) => Some(SocketAddr::new(ip, uri.port.unwrap_or(5060))),
        Host::Name(_) => None,
    }
}

fn without_top_via(response: &Message) -> Vec<u8> {
    let text = String::from_utf8_lossy(response.raw()).into_owned();
    let Some(start) = text.find("\r\nVia: ") else { return text.into_bytes() };
    let end = text[start + 2..].find("\r\n").map_or(text.len(), |at| start + 2 + at);
    format!("{}{}", &text[..start], &text[end..]).into_bytes()
}

impl Node for Proxy {
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
