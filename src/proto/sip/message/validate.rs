//! What a UAS checks before it processes (RFC 3261 sections 8.2 and 16.3; the cases of RFC 4475).

use super::name_addr::NameAddrRef;
use super::via::ViaRef;
use super::{CSeqState, Framing, HeaderName, Message, Method};
use crate::proto::sip::text::{self, List};
use crate::proto::sip::uri::UriRef;

type Verdict = Result<(), (u16, &'static str)>;

const fn bad(reason: &'static str) -> Verdict {
    Err((400, reason))
}

pub(super) fn validate(message: &Message) -> Verdict {
    if !message.version().eq_ignore_ascii_case("SIP/2.0") {
        return Err((505, "Version Not Supported"));
    }
    mandatory(message)?;
    cseq(message)?;
    if message.is_request() {
        request_uri(message)?;
    }
    vias(message)?;
    parties(message)?;
    contacts(message)?;
    match message.framing {
        Framing::Fits => {}
        Framing::Malformed => return bad("Bad Content-Length"),
        Framing::TooLong => return bad("Content-Length too large"),
        Framing::Twice => return bad("Multiple Content-Length headers"),
    }
    scalars(message)
}

/// Each of these stands there exactly once (Via: at least once).
fn mandatory(message: &Message) -> Verdict {
    const ONCE: [(HeaderName, &str, &str); 4] = [
        (HeaderName::From, "Missing From header", "Multiple From headers"),
        (HeaderName::To, "Missing To header", "Multiple To headers"),
        (HeaderName::CallId, "Missing Call-ID header", "Multiple Call-ID headers"),
        (HeaderName::CSeq, "Missing CSeq header", "Multiple CSeq headers"),
    ];
    if message.header(HeaderName::Via).is_none() {
        return bad("Missing Via header");
    }
    for (name, missing, multiple) in ONCE {
        match count(message, name) {
            0 => return bad(missing),
            1 => {}
            _ => return bad(multiple),
        }
    }
    match count(message, HeaderName::MaxForwards) {
        0 | 1 => Ok(()),
        _ => bad("Multiple Max-Forwards headers"),
    }
}

fn count(message: &Message, name: HeaderName) -> usize {
    message.lines.iter().filter(|line| line.name == name).count()
}

fn cseq(message: &Message) -> Verdict {
    match message.cseq {
        CSeqState::Missing => bad("Missing CSeq header"),
        CSeqState::Malformed => bad("Bad CSeq header"),
        CSeqState::Fine(_) => Ok(()),
        // RFC 4475 section 3.1.2.18 prefers 501 for a method that nobody knows.
        CSeqState::OtherMethod(_) if matches!(message.method, Method::Other(_)) => {
            Err((501, "Not Implemented"))
        }
        CSeqState::OtherMethod(_) => bad("CSeq method does not match"),
    }
}

/// Headers in a Request-URI are forbidden (RFC 3261 section 19.1.1); they never become headers.
fn request_uri(message: &Message) -> Verdict {
    match UriRef::parse(message.request_uri_text()) {
        Err(_) => bad("Bad Request-URI"),
        Ok(uri) if uri.headers.is_some() => bad("Headers in Request-URI"),
        Ok(_) => Ok(()),
    }
}

fn vias(message: &Message) -> Verdict {
    let mut count = 0;
    for value in message.headers(HeaderName::Via).flat_map(List::new) {
        let parsed =
            if count == 0 && !value.is_empty() { message.top_via_ref() } else { ViaRef::parse(value) };
        let Ok(via) = parsed else { return bad("Bad Via header") };
        // The cookie alone would be the same transaction for everybody (RFC 4475 section 3.2.1).
        if count == 0 && via.branch().is_some_and(|b| b.is_empty() || b.eq_ignore_ascii_case("z9hG4bK")) {
            return bad("Bad Via branch");
        }
        count += 1;
    }
    // RFC 3261 section 8.1.3.3: such a response wasn't meant for us.
    match message.is_request() || count == 1 {
        true => Ok(()),
        false => bad("More than one Via in a response"),
    }
}

fn parties(message: &Message) -> Verdict {
    let is_bad = |name| NameAddrRef::parse(message.header(name).unwrap_or_default()).is_err();
    if is_bad(HeaderName::From) {
        return bad("Bad From header");
    }
    if is_bad(HeaderName::To) {
        return bad("Bad To header");
    }
    match message.call_id().is_empty() {
        true => bad("Empty Call-ID header"),
        false => Ok(()),
    }
}

fn contacts(message: &Message) -> Verdict {
    for value in message.headers(HeaderName::Contact).flat_map(List::new) {
        if value != "*" && NameAddrRef::parse(value).is_err() {
            return bad("Bad Contact header");
        }
    }
    Ok(())
}

fn scalars(message: &Message) -> Verdict {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if message.header(HeaderName::MaxForwards).is_some_and(|value| !digits(value)) {
        return bad("Bad Max-Forwards header");
    }
    // RFC 3261 section 20.17: a SIP date is always GMT.
    if message.header(HeaderName::Date).is_some_and(|date| !text::trim(date).ends_with("GMT")) {
        return bad("Bad Date header");
    }
    Ok(())
}
