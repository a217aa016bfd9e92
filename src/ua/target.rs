//! What a person dials, made into a Request-URI. Pure: the engine checks with it before it posts a `Dial`.

use super::api::UaError;
use super::hop::transport_of;
use crate::proto::sip::{NameAddr, Scheme, Transport, Uri};
use core::net::{IpAddr, SocketAddr};

/// Longest text that is looked at.
const MAX_TARGET: usize = 1024;

/// Makes a Request-URI out of `sip:` URI, `"name" <uri>`, `tel:` number, `user@host`, an address, or a bare number or
/// user name that `account_domain` completes (a host, with port if it isn't 5060; an IPv6 address in brackets).
///
/// `Err(Target)`: no target; `Err(NotSupported)`: a scheme or a transport that there is no way for.
pub fn parse_target(text: &str, account_domain: Option<&str>) -> Result<String, UaError> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_TARGET || text.chars().any(char::is_control) {
        return Err(UaError::Target);
    }
    if text.contains('<') {
        let address = NameAddr::parse(text).map_err(|_| UaError::Target)?;
        return from_uri(&address.uri_text, account_domain);
    }
    if has_scheme(text) {
        return from_uri(text, account_domain);
    }
    if let Some(host) = literal(text) {
        return Ok(format!("sip:{host}"));
    }
    if text.contains('@') {
        return from_uri(&format!("sip:{text}"), account_domain);
    }
    let domain = account_domain.ok_or(UaError::Target)?;
    from_uri(&format!("sip:{}@{domain}", escape_user(text)?), account_domain)
}

/// `192.0.2.1`, `192.0.2.1:5062`, `[2001:db8::1]:5062`, `2001:db8::1`.
fn literal(text: &str) -> Option<String> {
    if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Some(match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
    }
    text.parse::<SocketAddr>().ok().map(|a| a.to_string())
}

fn has_scheme(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, _)) => ["sip", "sips", "tel"].iter().any(|s| scheme.eq_ignore_ascii_case(s)),
        None => false,
    }
}

fn from_uri(text: &str, account_domain: Option<&str>) -> Result<String, UaError> {
    let uri = Uri::parse(text).map_err(|_| UaError::Target)?;
    match uri.scheme {
        Scheme::Sip | Scheme::Sips => {
            transport_of(&uri, Transport::Udp).ok_or(UaError::NotSupported)?;
            // Headers don't belong into a Request-URI (RFC 3261 section 19.1.1, table 1).
            let end = if uri.headers.is_some() { text.rfind('?').unwrap_or(text.len()) } else { text.len() };
            Ok(text[..end].to_owned())
        }
        Scheme::Tel => {
            let domain = account_domain.ok_or(UaError::Target)?;
            let number = uri.opaque.as_deref().unwrap_or_default();
            let number = number.split(';').next().unwrap_or_default();
            let number: String = number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect();
            if number.is_empty() {
                return Err(UaError::Target);
            }
            Ok(format!("sip:{}@{domain};user=phone", escape_user(&number)?))
        }
        Scheme::Other(_) => Err(UaError::NotSupported),
    }
}

/// A user part with all escaped that the grammar wants escaped (RFC 3261 section 25.1); `%` as it is.
fn escape_user(user: &str) -> Result<String, UaError> {
    const PLAIN: &str = "-_.!~*'()&=+$,;?/%";
    if user.chars().any(char::is_whitespace) {
        return Err(UaError::Target);
    }
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || PLAIN.as_bytes().contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, UaError> {
        parse_target(text, Some("pbx.example.com"))
    }

    #[test]
    fn what_people_dial_becomes_a_request_uri() {
        assert_eq!(parsed("200").unwrap(), "sip:200@pbx.example.com");
        assert_eq!(parsed("*21#").unwrap(), "sip:*21%23@pbx.example.com");
        assert_eq!(parsed(" bob@example.net ").unwrap(), "sip:bob@example.net");
        assert_eq!(parsed("sip:bob@192.0.2.1:5062").unwrap(), "sip:bob@192.0.2.1:5062");
        assert_eq!(parsed("\"Bob\" <sip:bob@example.net;lr>").unwrap(), "sip:bob@example.net;lr");
        assert_eq!(parsed("tel:+1-201-555-0123").unwrap(), "sip:+12015550123@pbx.example.com;user=phone");
        assert_eq!(parsed("192.0.2.1:5062").unwrap(), "sip:192.0.2.1:5062");
        assert_eq!(parsed("[2001:db8::1]:5062").unwrap(), "sip:[2001:db8::1]:5062");
        assert_eq!(parsed("sip:bob@example.net?Subject=x").unwrap(), "sip:bob@example.net");
    }

    #[test]
    fn what_is_no_target_is_refused() {
        assert_eq!(parsed(""), Err(UaError::Target));
        assert_eq!(parsed("5 5 5"), Err(UaError::Target));
        assert_eq!(parsed("sip:"), Err(UaError::Target));
        assert_eq!(parsed("a@b\r\nX: y"), Err(UaError::Target));
        assert_eq!(parse_target("200", None), Err(UaError::Target));
        assert_eq!(parsed("sip:bob@example.net;transport=ws"), Err(UaError::NotSupported));
        assert_eq!(parsed("sips:bob@example.net;transport=udp"), Err(UaError::NotSupported));
        let sips = "sips:bob@example.net".to_owned();
        let secure = if crate::ua::hop::HAS_TLS { Ok(sips) } else { Err(UaError::NotSupported) };
        assert_eq!(parsed("sips:bob@example.net"), secure);
    }
}
