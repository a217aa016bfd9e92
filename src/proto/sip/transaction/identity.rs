//! Which transaction a message belongs to (RFC 3261 sections 17.1.3 and 17.2.3).

use super::super::message::ViaRef;
use super::super::uri::HostRef;
use super::super::{HeaderName, Message, Method};
use core::fmt::Write;

/// RFC 3261 section 8.1.1.7.
const MAGIC_COOKIE: &str = "z9hG4bK";

/// The identity of a client transaction: branch of the top Via and method of the CSeq.
pub(super) fn client_id(into: &mut String, branch: &str, method: &Method) {
    into.clear();
    into.push_str(branch);
    into.push('\n');
    into.push_str(method.as_str());
}

/// Does the branch come from an element that follows RFC 3261?
pub(super) fn has_cookie(via: &ViaRef<'_>) -> bool {
    let prefix = via.branch().and_then(|b| b.get(..MAGIC_COOKIE.len()));
    prefix.is_some_and(|p| p.eq_ignore_ascii_case(MAGIC_COOKIE))
        && via.branch().is_some_and(|b| b.len() > MAGIC_COOKIE.len())
}

/// The identity of the server transaction that `request` belongs to, as if its method were `method`
/// (an ACK and a CANCEL are looked up under INVITE).
pub(super) fn server_id(into: &mut String, request: &Message, via: &ViaRef<'_>, method: &Method) {
    into.clear();
    if has_cookie(via) {
        into.push_str(via.branch().unwrap_or_default());
        into.push('\n');
        push_sent_by(into, via);
    } else {
        push_rfc2543(into, request);
    }
    into.push('\n');
    into.push_str(method.as_str());
}

fn push_sent_by(into: &mut String, via: &ViaRef<'_>) {
    match via.host {
        HostRef::Name(name) => into.extend(name.chars().map(|c| c.to_ascii_lowercase())),
        HostRef::Ip(ip) => {
            // Writing to a String can't fail.
            let _ = write!(into, "{ip}");
        }
    }
    if let Some(port) = via.port {
        let _ = write!(into, ":{port}");
    }
}

/// Without the cookie the branch isn't unique: Request-URI, From tag, Call-ID, CSeq number and the whole
/// top Via say which transaction it is. The To tag is left out, since the ACK carries that of the response.
fn push_rfc2543(into: &mut String, request: &Message) {
    let _ = write!(into, "\r{}\n", request.cseq());
    for part in [
        request.request_uri_text(),
        request.from_tag().unwrap_or_default(),
        request.call_id(),
        request.values(HeaderName::Via).next().unwrap_or_default(),
    ] {
        into.push_str(part);
        into.push('\n');
    }
}

/// What two copies of one request have in common that came over different paths (RFC 3261 section 8.2.2.2).
/// None for a request inside a dialog.
pub(super) fn merge_id(into: &mut String, request: &Message) -> bool {
    if request.to_tag().is_some() {
        return false;
    }
    into.clear();
    let _ = writeln!(into, "{} {}", request.cseq(), request.method().as_str());
    into.push_str(request.call_id());
    into.push('\n');
    into.push_str(request.from_tag().unwrap_or_default());
    true
}
