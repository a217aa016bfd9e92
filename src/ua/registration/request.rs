//! One REGISTER as it goes out: everything but the Via, which is the agent's.

use core::net::{IpAddr, Ipv6Addr};

use crate::proto::sip::{HeaderName, Host, Method, ParseError, RequestBuilder, Transport, Uri};
use crate::ua::api::AccountConfig;
use crate::ua::hop::transport_of;

/// Where a request is sent: to be resolved by the agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hop {
    /// Name or address, without brackets.
    pub host: Box<str>,
    /// 0: the default of the transport.
    pub port: u16,
    pub transport: Transport,
}

impl Hop {
    /// Where a SIP URI points to; its transport parameter overrides `transport`.
    /// None: there is no such transport, or TLS was asked for and this isn't.
    pub fn of_uri(uri: &Uri, transport: Transport) -> Option<Hop> {
        let transport = transport_of(uri, transport)?;
        let host = match &uri.host {
            Host::Name(name) => name.clone(),
            Host::Ip(ip) => ip.to_string().into(),
        };
        Some(Hop { host, port: uri.port.unwrap_or(0), transport })
    }

    /// The outbound proxy if there is one that can be read, otherwise the registrar.
    pub fn of_account(config: &AccountConfig) -> Hop {
        let proxy = config.outbound_proxy.as_deref().and_then(|text| Uri::parse(proxy_uri(text)).ok());
        match proxy.and_then(|uri| Hop::of_uri(&uri, config.transport)) {
            Some(hop) => hop,
            None => Hop {
                host: config.server.trim_matches(['[', ']']).into(),
                port: config.port,
                transport: config.transport,
            },
        }
    }
}

/// `sip:proxy;lr` out of `<sip:proxy;lr>` or itself.
fn proxy_uri(text: &str) -> &str {
    text.trim().trim_start_matches('<').trim_end_matches('>')
}

/// The Route value for the outbound proxy of an account.
pub fn outbound_route(config: &AccountConfig) -> Option<String> {
    let uri = proxy_uri(config.outbound_proxy.as_deref()?);
    Some(format!("<{uri}>"))
}

/// The domain of the account as it stands in a URI: IPv6 in brackets.
fn domain(config: &AccountConfig) -> String {
    let host = config.server.trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => bracketed(ip),
        _ => host.to_owned(),
    }
}

fn bracketed(ip: Ipv6Addr) -> String {
    format!("[{ip}]")
}

/// `sip:user@server`, the address of record.
pub fn address_of_record(config: &AccountConfig) -> String {
    format!("sip:{}@{}", escape_user(&config.user), domain(config))
}

/// `"Display" <sip:user@server>`, without a tag.
pub fn party(config: &AccountConfig) -> String {
    let aor = address_of_record(config);
    match config.display_name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => {
            let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{quoted}\" <{aor}>")
        }
        None => format!("<{aor}>"),
    }
}

/// The Request-URI of a REGISTER: the domain, no user part (RFC 3261 section 10.2).
pub fn registrar_uri(config: &AccountConfig) -> String {
    let mut uri = format!("sip:{}", domain(config));
    if config.port != 0 {
        uri.push_str(&format!(":{}", config.port));
    }
    if config.transport != Transport::Udp {
        uri.push_str(&format!(";transport={}", config.transport.as_str().to_ascii_lowercase()));
    }
    uri
}

/// Percent-escapes what may not stand in the user part of a SIP URI (RFC 3261 section 25.1); escapes
/// that are there stay.
fn escape_user(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b if b"-_.!~*'()&=+$,;?/%".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

/// A REGISTER without its Via.
#[derive(Clone, Debug)]
pub struct RegisterRequest {
    pub hop: Hop,
    pub uri: String,
    pub cseq: u32,
    pub headers: Vec<(HeaderName, String)>,
}

impl RegisterRequest {
    /// The bytes with the given Via in front and User-Agent at the end (if not empty).
    pub fn build(&self, via: &str, user_agent: &str) -> Result<Vec<u8>, ParseError> {
        let mut builder = RequestBuilder::new(&Method::Register, &self.uri).header(HeaderName::Via, via);
        for (name, value) in &self.headers {
            builder = builder.header(*name, value);
        }
        if !user_agent.is_empty() {
            builder = builder.header(HeaderName::UserAgent, user_agent);
        }
        builder.build()
    }
}
