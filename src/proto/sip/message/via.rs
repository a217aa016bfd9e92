//! One Via value: transport, sent-by, parameters (RFC 3261 section 20.42, RFC 3581).

use super::ParseError;
use crate::proto::sip::text::{self, error};
use crate::proto::sip::uri::{self, Host};
use core::fmt;

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
        let params_at = text::find_outside(value, b';').unwrap_or(value.len());
        let (transport, sent_by) = sent_protocol(&value[..params_at])?;
        let at = text::offset_in(value, sent_by);
        let (host, port) = uri::parse_host_port(sent_by).map_err(|e| e.shifted(at))?;
        let params = text::parse_params(&value[params_at..]).map_err(|e| e.shifted(params_at))?;
        Ok(Via { transport: transport.into(), host, port, params })
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

/// `SIP / 2.0 / UDP host`: white space may stand around the slashes (RFC 4475 section 3.1.1.1).
fn sent_protocol(text: &str) -> Result<(&str, &str), ParseError> {
    let mut pieces = text.splitn(3, '/');
    let name = text::trim(pieces.next().unwrap_or(""));
    let version = text::trim(pieces.next().unwrap_or(""));
    if !name.eq_ignore_ascii_case("SIP") || !text::is_token(version) {
        return Err(error(0, "SIP/2.0 and a transport"));
    }
    let rest = pieces.next().unwrap_or("").trim_start_matches(text::is_lws);
    let at = text::offset_in(text, rest);
    let Some((transport, sent_by)) = rest.split_once(text::is_lws) else {
        return Err(error(at, "a transport and a host"));
    };
    match text::is_token(transport) {
        true => Ok((transport, sent_by)),
        false => Err(error(at, "a transport")),
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
