//! Writing responses (RFC 3261 section 8.2.6, 18.2.1; RFC 3581).

use super::build::Writer;
use super::{HeaderName, Message, ParseError, ViaRef};
use crate::proto::sip::status::status_phrase;
use crate::proto::sip::text::{self, List};
use crate::proto::sip::uri::HostRef;
use core::net::{IpAddr, SocketAddr};

/// Writes a response to a request: copies Via, From, To, Call-ID, CSeq (and Record-Route when asked).
#[derive(Debug)]
pub struct ResponseBuilder {
    writer: Writer,
    /// Where a tag can be put behind the To; None when there is one, or no To.
    to_end: Option<usize>,
    record_route: Vec<String>,
}

impl ResponseBuilder {
    /// Also adds `received` and `rport` to the top Via (RFC 3261 section 18.2.1, RFC 3581).
    pub fn new(request: &Message, status: u16, reason: Option<&str>, source: SocketAddr) -> Self {
        let mut writer = Writer::new();
        let reason = reason.unwrap_or_else(|| status_phrase(status));
        writer.check(reason, |b| matches!(b, b'\r' | b'\n' | 0), "a reason without CR, LF and NUL");
        if !(100..700).contains(&status) {
            writer.refuse("a status from 100 to 699");
        }
        writer.push("SIP/2.0 ");
        writer.number(u32::from(status));
        writer.raw_line(&[" ", reason]);
        let mut vias = request.headers(HeaderName::Via);
        if let Some(first) = vias.next() {
            top_via(&mut writer, request, first, source);
        }
        for via in vias {
            writer.raw_line(&["Via: ", via]);
        }
        let mut to_end = None;
        for name in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
            let Some(value) = request.header(name) else { continue };
            let end = writer.raw_line(&[name.as_str(), ": ", value]);
            if name == HeaderName::To && request.to_tag().is_none() {
                to_end = Some(end);
            }
        }
        // RFC 3261 section 8.2.6.1: a 100 carries the request's Timestamp.
        if let (100, Some(value)) = (status, request.header(HeaderName::Timestamp)) {
            writer.raw_line(&["Timestamp: ", value]);
        }
        let record_route = request.headers(HeaderName::RecordRoute).map(str::to_owned).collect();
        ResponseBuilder { writer, to_end, record_route }
    }
    /// The To tag to add when the request had none.
    pub fn to_tag(mut self, tag: &str) -> Self {
        match self.to_end.take() {
            _ if !text::is_token(tag) => self.writer.refuse("a tag"),
            Some(at) => self.writer.insert(at, &[";tag=", tag]),
            None => {}
        }
        self
    }
    pub fn copy_record_route(mut self) -> Self {
        for value in core::mem::take(&mut self.record_route) {
            self.writer.raw_line(&["Record-Route: ", &value]);
        }
        self
    }
    /// Appends a header line; order is kept.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.writer.header(name, value);
        self
    }
    pub fn header_named(mut self, name: &str, value: &str) -> Self {
        self.writer.header_named(name, value);
        self
    }
    /// Sets Content-Type and the body. Content-Length is always written.
    pub fn body(mut self, content_type: &str, body: &[u8]) -> Self {
        self.writer.body(content_type, body);
        self
    }
    pub fn build(self) -> Result<Vec<u8>, ParseError> {
        self.writer.finish()
    }
}

/// The first Via line with `received` and `rport` in its first value; one that can't be read is left alone.
fn top_via(out: &mut Writer, request: &Message, line: &str, source: SocketAddr) {
    let (first, rest) = List::first_only(line);
    let parsed = if first.is_empty() { ViaRef::parse(first) } else { request.top_via_ref() };
    let Ok(via) = parsed else {
        out.raw_line(&["Via: ", line]);
        return;
    };
    let end = text::find_outside(first, b';').unwrap_or(first.len());
    out.push("Via: ");
    out.push(text::trim(&first[..end]));
    let mut asked = false;
    for param in text::raw_params(first) {
        // What the client says of these two is not for it to say; the rest goes back as it came.
        let name = text::trim(param.split('=').next().unwrap_or(""));
        let is_port = name.eq_ignore_ascii_case("rport");
        asked |= is_port;
        if !is_port && !name.eq_ignore_ascii_case("received") {
            out.push(";");
            out.push(param);
        }
    }
    let ip = source.ip().to_canonical();
    if asked || !is_same_host(via.host, ip) {
        out.push(";received=");
        out.address(ip);
    }
    if asked {
        out.push(";rport=");
        out.number(u32::from(source.port()));
    }
    match rest {
        Some(rest) => out.raw_line(&[",", rest]),
        None => out.raw_line(&[]),
    };
}

fn is_same_host(host: HostRef<'_>, ip: IpAddr) -> bool {
    matches!(host, HostRef::Ip(sent_by) if sent_by.to_canonical() == ip)
}
