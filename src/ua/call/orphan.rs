//! A 2xx that no call wants: a second fork, or one that came after everybody had gone (RFC 3261 section 13.2.2.4).

use super::super::base::{Base, Owner, MAX_FORWARDS};
use super::super::hop::{hop_of, transport_of};
use crate::proto::sip::dialog::Dialog;
use crate::proto::sip::{HeaderName, Message, Method, Peer, RequestBuilder, Transport};
use crate::util::Time;

/// ACKs it and ends its dialog with a BYE. `source`: where to when the next hop is a name.
pub(in crate::ua) fn acknowledge_and_end(
    base: &mut Base,
    now: Time,
    response: &Message,
    source: Option<Peer>,
) {
    // A 2xx for a caller that isn't us, or without what an answer needs, gets none.
    let _ = try_acknowledge_and_end(base, now, response, source);
}

fn try_acknowledge_and_end(
    base: &mut Base,
    now: Time,
    response: &Message,
    source: Option<Peer>,
) -> Option<()> {
    let invite = likely_invite(response)?;
    let mut dialog = Dialog::from_response(&invite, response)?;
    dialog.confirm(response);
    let hop = dialog.next_hop().and_then(|uri| {
        let transport = transport_of(&uri, source.map_or(Transport::Udp, |s| s.transport))?;
        Some(Peer::new(transport, hop_of(&uri, transport).0.ok()?))
    });
    let to = match (hop, source) {
        (Some(hop), Some(source)) if source.is_same_place(&hop) => source,
        (hop, source) => hop.or(source)?,
    };
    let local = base.local_towards(to.address.ip())?;
    let ack = dialog
        .request(&Method::Ack, Some(response.cseq()))
        .header(HeaderName::Via, &base.via(to.transport, local))
        .header(HeaderName::MaxForwards, MAX_FORWARDS)
        .build()
        .ok()?;
    base.transmit(to, ack.into());
    let via = base.via(to.transport, local);
    let bye = dialog.request(&Method::Bye, None).header(HeaderName::Via, &via);
    let bye = base.finish_request(bye).build().ok()?;
    base.send(now, to, bye, Owner::Orphan, false).map(drop)
}

/// The INVITE that this is a response to, as far as a dialog needs it.
fn likely_invite(response: &Message) -> Option<Message> {
    let uri = response.contacts().first().map(|c| c.uri_text.clone())?;
    let to = response.header(HeaderName::To)?;
    let to = match to.rfind(";tag=") {
        Some(at) => &to[..at],
        None => to,
    };
    let invite = RequestBuilder::new(&Method::Invite, &uri)
        .header(HeaderName::Via, response.values(HeaderName::Via).next()?)
        .header(HeaderName::From, response.header(HeaderName::From)?)
        .header(HeaderName::To, to)
        .header(HeaderName::CallId, response.call_id())
        .header(HeaderName::CSeq, &format!("{} INVITE", response.cseq()))
        .header(HeaderName::MaxForwards, MAX_FORWARDS)
        .build()
        .ok()?;
    Message::parse(&invite).ok()
}
