//! Messages that the layer makes out of others: ACK, CANCEL, and responses of its own.

use super::super::{HeaderName, Message, Method, Peer, RequestBuilder, ResponseBuilder};
use core::net::SocketAddr;
use std::sync::Arc;

/// RFC 3261 section 8.1.1.6.
const MAX_FORWARDS: &str = "70";
/// RFC 3261 section 18.2.2: where the sent-by names no port.
const DEFAULT_PORT: u16 = 5060;

/// Where the responses to `request` go (RFC 3261 section 18.2.2, RFC 3581): back the connection, to the
/// source port when `rport` was asked for, otherwise to the port of the sent-by. The address is always
/// the one it came from; `maddr` isn't followed, since a stranger could aim our answers with it.
pub fn response_target(request: &Message, source: Peer) -> Peer {
    if source.transport.is_reliable() {
        return source;
    }
    match request.top_via_ref() {
        Ok(via) if !via.has_param("rport") => {
            let port = via.port.filter(|&p| p != 0).unwrap_or(DEFAULT_PORT);
            Peer { address: SocketAddr::new(source.address.ip(), port), ..source }
        }
        _ => source,
    }
}

/// Where a response goes when the connection of its request is gone (RFC 3261 section 18.2.2): to the address that it
/// came from and the port of the sent-by.
pub(super) fn late_target(request: &Message, source: Peer) -> Peer {
    let port = request.top_via().ok().and_then(|via| via.port).filter(|&p| p != 0);
    let port = port.unwrap_or(source.transport.default_port());
    Peer::new(source.transport, SocketAddr::new(source.address.ip(), port))
}

/// The ACK for a non-2xx (RFC 3261 section 17.1.1.3): the INVITE's top Via, routes and Call-ID, the To of
/// the response.
pub(super) fn ack(invite: &[u8], response: &Message) -> Option<Arc<[u8]>> {
    let invite = Message::parse(invite).ok()?;
    let to = response.header(HeaderName::To).or_else(|| invite.header(HeaderName::To))?;
    Some(hop_request(&invite, &Method::Ack, to)?.into())
}

/// The CANCEL for an INVITE (RFC 3261 section 9.1).
pub(super) fn cancel(invite: &[u8]) -> Option<Vec<u8>> {
    let invite = Message::parse(invite).ok()?;
    let to = invite.header(HeaderName::To)?;
    hop_request(&invite, &Method::Cancel, to)
}

/// A request that travels like `invite`, to its next hop only.
fn hop_request(invite: &Message, method: &Method, to: &str) -> Option<Vec<u8>> {
    let cseq = format!("{} {method}", invite.cseq());
    let mut request = RequestBuilder::new(method, invite.request_uri_text())
        .header(HeaderName::Via, invite.values(HeaderName::Via).next()?);
    for route in invite.headers(HeaderName::Route) {
        request = request.header(HeaderName::Route, route);
    }
    request
        .header(HeaderName::MaxForwards, MAX_FORWARDS)
        .header(HeaderName::From, invite.header(HeaderName::From)?)
        .header(HeaderName::To, to)
        .header(HeaderName::CallId, invite.call_id())
        .header(HeaderName::CSeq, &cseq)
        .build()
        .ok()
}

/// 100 (RFC 3261 section 8.2.6.1: without a To tag).
pub(super) fn trying(invite: &Message, source: SocketAddr) -> Option<Arc<[u8]>> {
    Some(ResponseBuilder::new(invite, 100, None, source).build().ok()?.into())
}

/// Any other response that the layer sends by itself.
pub(super) fn plain_response(
    request: &Message,
    status: u16,
    tag: &str,
    source: SocketAddr,
) -> Option<Arc<[u8]>> {
    let mut response = ResponseBuilder::new(request, status, None, source).to_tag(tag);
    if status == 503 {
        response = response.header(HeaderName::RetryAfter, "5");
    }
    Some(response.build().ok()?.into())
}
