//! A peer written down by the test, message by message: what it gets is kept, what it sends is said.

use super::network::Packet;
use super::world::Node;
use std::net::SocketAddr;
use voip::proto::sip::{HeaderName, Message, Method, ResponseBuilder};
use voip::util::Time;

/// What it sends at once for a message that it gets.
pub type Reflex = Box<dyn FnMut(&Message, SocketAddr) -> Vec<Vec<u8>>>;

pub struct Wire {
    pub address: SocketAddr,
    pub inbox: Vec<(Time, Message)>,
    outbox: Vec<(SocketAddr, Vec<u8>)>,
    reflex: Reflex,
}

impl Wire {
    pub fn new(address: SocketAddr, reflex: Reflex) -> Wire {
        Wire { address, inbox: Vec::new(), outbox: Vec::new(), reflex }
    }
    /// Does nothing by itself.
    pub fn silent(address: SocketAddr) -> Wire {
        Wire::new(address, Box::new(|_, _| Vec::new()))
    }
    pub fn send(&mut self, to: SocketAddr, bytes: impl Into<Vec<u8>>) {
        self.outbox.push((to, bytes.into()));
    }
    /// `INVITE`, `200 INVITE` … in order.
    pub fn words(&self) -> Vec<String> {
        self.inbox.iter().map(|(_, m)| word(m)).collect()
    }
    pub fn count(&self, what: &str) -> usize {
        self.inbox.iter().filter(|(_, m)| word(m) == what).count()
    }
    pub fn last(&self, what: &str) -> &Message {
        let found = self.inbox.iter().rev().find(|(_, m)| word(m) == what);
        &found.unwrap_or_else(|| panic!("no {what} among {:?}", self.words())).1
    }
}

pub fn word(message: &Message) -> String {
    if message.is_request() {
        message.method().to_string()
    } else {
        format!("{} {}", message.status(), message.method())
    }
}

pub fn sdp(address: SocketAddr, direction: &str) -> String {
    let ip = address.ip();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=ptime:20\r\na={direction}\r\n"
    )
}

/// A response of a user agent at `contact`, with or without SDP.
pub fn answer(request: &Message, status: u16, tag: &str, contact: SocketAddr, with_sdp: bool) -> Vec<u8> {
    let mut builder = ResponseBuilder::new(request, status, None, contact);
    if status > 100 {
        builder = builder.to_tag(tag);
    }
    builder = builder.copy_record_route().header(HeaderName::Contact, &format!("<sip:wire@{contact}>"));
    if with_sdp {
        builder = builder.body("application/sdp", sdp(contact, "sendrecv").as_bytes());
    }
    builder.build().expect("nothing forbidden in it")
}

/// A request outside or inside of a dialog; `to_tag` may be empty.
pub struct Ask<'a> {
    pub method: &'a Method,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub branch: &'a str,
    pub call_id: &'a str,
    pub cseq: u32,
    pub to_tag: &'a str,
    pub sdp: Option<&'a str>,
    pub extra: &'a str,
}

impl Ask<'_> {
    pub fn text(&self) -> String {
        let Ask { method, from, to, branch, call_id, cseq, .. } = self;
        let tag = if self.to_tag.is_empty() { String::new() } else { format!(";tag={}", self.to_tag) };
        let body = self.sdp.unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:host@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:wire@{from}>;tag=wire\r\nTo: <sip:host@{to}>{tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:wire@{from}>\r\n{}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            self.extra,
            body.len()
        )
    }
}

impl Node for Wire {
    fn address(&self) -> SocketAddr {
        self.address
    }
    fn receive(&mut self, now: Time, from: SocketAddr, bytes: &[u8], out: &mut Vec<Packet>) {
        let message = Message::parse(bytes).expect("an agent sends what can be parsed");
        for bytes in (self.reflex)(&message, from) {
            out.push(Packet { from: self.address, to: from, bytes });
        }
        self.inbox.push((now, message));
    }
    fn deadline(&mut self) -> Option<Time> {
        (!self.outbox.is_empty()).then_some(Time::ZERO)
    }
    fn wake(&mut self, _now: Time, out: &mut Vec<Packet>) {
        let from = self.address;
        out.extend(self.outbox.drain(..).map(|(to, bytes)| Packet { from, to, bytes }));
    }
}
