//! Requests as such: what every one of them is checked for (RFC 3261 section 8.2), and those that are no call's.

use super::api::UaError;
use super::base::{Base, DTMF_RELAY, SDP};
use crate::proto::sip::transaction::ServerKey;
use crate::proto::sip::{HeaderName, Message, Method, Scheme};
use crate::util::Time;

/// The answer that a request gets instead of being processed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    pub status: u16,
    pub header: Option<(HeaderName, String)>,
}

impl Refusal {
    fn plain(status: u16) -> Refusal {
        Refusal { status, header: None }
    }
    fn with(status: u16, name: HeaderName, value: &str) -> Refusal {
        Refusal { status, header: Some((name, value.to_owned())) }
    }
}

/// Method, Request-URI, Require, body; in the order of RFC 3261 section 8.2.
pub(super) fn check(base: &Base, message: &Message) -> Result<(), Refusal> {
    check_method(base, message.method())?;
    check_scheme(message)?;
    check_require(message)?;
    check_body(message)
}

/// RFC 3261 section 8.2.1: a method that we don't do, known to others or not, is 405 with what we do.
fn check_method(base: &Base, method: &Method) -> Result<(), Refusal> {
    match method {
        Method::Message if base.accept_messages => Ok(()),
        Method::Other(_) | Method::Register | Method::Publish | Method::Message => {
            Err(Refusal::with(405, HeaderName::Allow, base.allow()))
        }
        _ => Ok(()),
    }
}

/// RFC 3261 section 8.2.2.1.
fn check_scheme(message: &Message) -> Result<(), Refusal> {
    match message.request_uri().map(|uri| uri.scheme) {
        Ok(Scheme::Sip | Scheme::Sips | Scheme::Tel) => Ok(()),
        Ok(Scheme::Other(_)) => Err(Refusal::plain(416)),
        Err(_) => Err(Refusal::plain(400)),
    }
}

/// RFC 3261 section 8.2.2.3: we support no extension that could be required.
fn check_require(message: &Message) -> Result<(), Refusal> {
    let wanted: Vec<&str> =
        message.values(HeaderName::Require).map(str::trim).filter(|tag| !tag.is_empty()).take(16).collect();
    match wanted.is_empty() {
        true => Ok(()),
        false => Err(Refusal::with(420, HeaderName::Unsupported, &wanted.join(", "))),
    }
}

/// RFC 3261 section 8.2.3; INFO and NOTIFY judge their bodies by themselves.
fn check_body(message: &Message) -> Result<(), Refusal> {
    let judged = matches!(message.method(), Method::Invite | Method::Update | Method::Ack);
    if !judged || message.body().is_empty() {
        return Ok(());
    }
    let optional = message.header(HeaderName::ContentDisposition).is_some_and(|d| {
        let d = d.to_ascii_lowercase();
        d.replace(' ', "").contains("handling=optional")
    });
    if let Some(encoding) = message.header(HeaderName::ContentEncoding) {
        if !encoding.eq_ignore_ascii_case("identity") && !optional {
            return Err(Refusal::with(415, HeaderName::AcceptEncoding, "identity"));
        }
    }
    let kind = message.header(HeaderName::ContentType).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.eq_ignore_ascii_case(SDP) || optional {
        true => Ok(()),
        false => Err(Refusal::with(415, HeaderName::Accept, SDP)),
    }
}

pub(super) fn refuse(base: &mut Base, now: Time, key: ServerKey, refusal: &Refusal) {
    let tag = base.tag();
    base.reply(now, key, refusal.status, None, &tag, |b| match &refusal.header {
        Some((name, value)) => b.header(*name, value),
        None => b,
    });
}

/// 500 or 503 with a random Retry-After of up to ten seconds (RFC 3261 section 14.2).
pub(super) fn retry_later(base: &mut Base, now: Time, key: ServerKey, status: u16, tag: &str) {
    let after = base.rng.below(11).to_string();
    base.reply(now, key, status, None, tag, |b| b.header(HeaderName::RetryAfter, &after));
}

/// RFC 3261 section 11.2.
pub(super) fn answer_options(base: &mut Base, now: Time, key: ServerKey, tag: &str) {
    let allow = base.allow();
    let accept = format!("{SDP}, {DTMF_RELAY}, application/dtmf");
    base.reply(now, key, 200, None, tag, |b| {
        b.header(HeaderName::Allow, allow)
            .header(HeaderName::Accept, &accept)
            .header(HeaderName::AcceptEncoding, "identity")
            .header(HeaderName::AcceptLanguage, "en")
            .header(HeaderName::Supported, "")
    });
}

/// A request outside of any dialog that isn't an INVITE. Nothing of it reaches the host.
pub(super) fn answer_outside(base: &mut Base, now: Time, key: ServerKey, message: &Message) {
    let tag = base.tag();
    let status = match message.method() {
        Method::Options => return answer_options(base, now, key, &tag),
        // Message-waiting indications come unasked from many servers; all else was not subscribed to.
        Method::Notify if is_event(message, "message-summary") => 200,
        Method::Notify => 481,
        Method::Subscribe => 489,
        Method::Bye | Method::Cancel | Method::Info | Method::Update | Method::Prack => 481,
        _ => 405,
    };
    let allow = base.allow();
    base.reply(now, key, status, None, &tag, |b| match status {
        405 => b.header(HeaderName::Allow, allow),
        _ => b,
    });
}

fn is_event(message: &Message, package: &str) -> bool {
    let event = message.header(HeaderName::Event).unwrap_or_default();
    event.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(package))
}

/// A header that the host may add: a token as its name, one line as its value, none that the engine writes.
pub(super) fn check_header(name: &str, value: &str) -> Result<(), UaError> {
    const OURS: [&str; 22] = [
        "via",
        "v",
        "from",
        "f",
        "to",
        "t",
        "call-id",
        "i",
        "cseq",
        "contact",
        "m",
        "max-forwards",
        "route",
        "record-route",
        "content-length",
        "l",
        "content-type",
        "c",
        "authorization",
        "proxy-authorization",
        "allow",
        "user-agent",
    ];
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\n', '\0']) {
        return Err(UaError::Range);
    }
    match OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
        true => Err(UaError::NotSupported),
        false => Ok(()),
    }
}
