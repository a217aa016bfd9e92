//! One Via value: transport, sent-by, parameters (RFC 3261 section 20.42, RFC 3581).

use super::{ParseError, Span};
use crate::proto::sip::text::{self, error};
use crate::proto::sip::uri::{self, Host, HostRef};
use core::fmt;
use core::net::IpAddr;

#[derive(Clone, Debug)]
pub struct Via {
    /// As written: `UDP`, or anything else.
    pub transport: Box<str>,
    pub host: Host,
    pub port: Option<u16>,
    pub params: Vec<(Box<str>, Option<Box<str>>)>,
}

impl Via {
    pub fn parse(value: &str) -> Result<Via, ParseError> {
        let ViaRef { transport, host, port, params, .. } = ViaRef::parse(value)?;
        Ok(Via { transport: transport.into(), host: host.own(), port, params: text::parse_params(params)? })
    }
    pub fn branch(&self) -> Option<&str> {
        self.param("branch")
    }
    pub fn param(&self, name: &str) -> Option<&str> {
        text::find_param(&self.params, name)?.as_deref()
    }
    pub fn has_param(&self, name: &str) -> bool {
        text::find_param(&self.params, name).is_some()
    }
    /// `received`, with or without the brackets that RFC 5118 section 4.5 asks to bear with.
    pub fn received(&self) -> Option<core::net::IpAddr> {
        self.param("received")?.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

/// A checked Via value as pieces of its text: nothing is copied.
pub(crate) struct ViaRef<'a> {
    transport: &'a str,
    pub host: HostRef<'a>,
    pub port: Option<u16>,
    /// With the semicolon before the first.
    params: &'a str,
    /// With its quotes, should it have them.
    branch: Option<&'a str>,
}

impl<'a> ViaRef<'a> {
    pub fn parse(value: &'a str) -> Result<ViaRef<'a>, ParseError> {
        let params_at = text::find_outside(value, b';').unwrap_or(value.len());
        let (transport, sent_by) = sent_protocol(&value[..params_at])?;
        let at = text::offset_in(value, sent_by);
        let (host, port) = uri::parse_host_port(sent_by).map_err(|e| e.shifted(at))?;
        let params = &value[params_at..];
        let branch = text::check_params_for(params, "branch").map_err(|e| e.shifted(params_at))?;
        Ok(ViaRef { transport, host, port, params, branch })
    }
    /// Without its quotes, should it have them.
    pub fn branch(&self) -> Option<&'a str> {
        self.branch.map(|b| b.strip_prefix('"').and_then(|b| b.strip_suffix('"')).unwrap_or(b))
    }
    pub fn has_param(&self, name: &str) -> bool {
        text::has_raw_param(self.params, name)
    }
}

/// A Via value of a message, checked once: where its pieces are.
#[derive(Clone, Copy, Debug)]
pub(super) struct ViaSpans {
    transport: Span,
    host: Sender,
    port: Option<u16>,
    params: Span,
    branch: Option<Span>,
}

#[derive(Clone, Copy, Debug)]
enum Sender {
    Name(Span),
    Ip(IpAddr),
}

impl ViaSpans {
    pub fn new(via: &ViaRef<'_>, span: impl Fn(&str) -> Span) -> ViaSpans {
        ViaSpans {
            transport: span(via.transport),
            host: match via.host {
                HostRef::Name(name) => Sender::Name(span(name)),
                HostRef::Ip(ip) => Sender::Ip(ip),
            },
            port: via.port,
            params: span(via.params),
            branch: via.branch.map(span),
        }
    }
    pub fn branch(&self) -> Option<Span> {
        self.branch
    }
    pub fn read<'a>(&self, text: impl Fn(Span) -> &'a str) -> ViaRef<'a> {
        ViaRef {
            transport: text(self.transport),
            host: match self.host {
                Sender::Name(name) => HostRef::Name(text(name)),
                Sender::Ip(ip) => HostRef::Ip(ip),
            },
            port: self.port,
            params: text(self.params),
            branch: self.branch.map(text),
        }
    }
}

/// `SIP / 2.0 / UDP host`: white space may stand around the slashes (RFC 4475 section 3.1.1.1).
fn sent_protocol(text: &str) -> Result<(&str, &str), ParseError> {
    // As nearly everybody writes it.
    if let Some((transport, sent_by)) = text.strip_prefix("SIP/2.0/").and_then(|rest| rest.split_once(' ')) {
        if text::is_token(transport) {
            return Ok((transport, sent_by));
        }
    }
    let (name, rest) = split_slash(text);
    let (version, rest) = split_slash(rest);
    let (name, version) = (text::trim(name), text::trim(version));
    if !name.eq_ignore_ascii_case("SIP") || !text::is_token(version) {
        return Err(error(0, "SIP/2.0 and a transport"));
    }
    let rest = text::trim(rest);
    let at = text::offset_in(text, rest);
    let Some(space) = rest.bytes().position(|b| text::is_lws(char::from(b))) else {
        return Err(error(at, "a transport and a host"));
    };
    let (transport, sent_by) = (&rest[..space], &rest[space + 1..]);
    match text::is_token(transport) {
        true => Ok((transport, sent_by)),
        false => Err(error(at, "a transport")),
    }
}

fn split_slash(text: &str) -> (&str, &str) {
    match memchr::memchr(b'/', text.as_bytes()) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

/// The branch of a Via value, without a Via being built.
pub(super) fn branch_of(value: &str) -> Option<&str> {
    text::raw_param(value, "branch")
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = format!("SIP/2.0/{} {}", self.transport, self.host);
        if let Some(port) = self.port {
            out.push_str(&format!(":{port}"));
        }
        for (name, value) in &self.params {
            text::push_param(&mut out, name, value.as_deref());
        }
        f.write_str(&out)
    }
}
