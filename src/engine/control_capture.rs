//! Calls that are being captured, as the control thread sees them: which messages are theirs, and what was said before.

use super::call::Call;
use super::capture::{Message as Seen, SipTap, Start};
use super::clock;
use super::control::Control;
use super::worker::MediaOp;
use crate::proto::sip::message::Draft;
use crate::proto::sip::{HeaderName, Message, Peer, ResponseBuilder};
use crate::ua::{CallDirection, CallId, CallState};
use crate::util::Time;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

const SDP: &str = "application/sdp";
const BEFORE: &str = "from before the capture";
const MADE_UP: &str = "from before the capture, put together from what the call knows";

/// The signalling of the calls that are captured; mostly empty.
#[derive(Default)]
pub struct Captures(HashMap<CallId, SipTap>);

impl Control {
    pub(super) fn capture_start(&mut self, start: Start) {
        let Start { call: id, at, sip, media } = start;
        // Dropping what is left ends the file.
        let Some(call) = self.calls.capture_begun(id) else { return };
        for (message, sent, note) in said_before(&call, self.agent.tag_of(id)) {
            if let Some(peer) = self.agent.peer_of(id) {
                self.tell_tap(&sip, at, peer, sent, &message, note);
            }
        }
        self.captures.0.insert(id, sip);
        self.media_op(id, MediaOp::Capture(media));
    }

    pub(super) fn capture_stop(&mut self, id: CallId) {
        if self.captures.0.remove(&id).is_some() {
            self.media_op(id, MediaOp::Capture(None));
        }
    }

    /// The signalling of calls that are over ends with all that was said about it, the media with their streams.
    pub(super) fn end_captures(&mut self) {
        if !self.captures.0.is_empty() {
            let calls = &self.calls;
            self.captures.0.retain(|id, _| !calls.is_silent(*id));
        }
    }

    /// A message as it goes or comes; those of captured calls are kept.
    pub(super) fn note_message(&mut self, sent: bool, peer: Peer, bytes: &[u8]) {
        if self.captures.0.is_empty() {
            return;
        }
        let Ok(message) = Message::parse(bytes) else { return };
        let bytes: Arc<[u8]> = bytes.into();
        for (id, tap) in &self.captures.0 {
            if self.calls.has_sip_id(*id, message.call_id()) {
                self.tell_tap(tap, clock::now(), peer, sent, &bytes, "");
            }
        }
    }

    fn tell_tap(
        &self,
        tap: &SipTap,
        at: Time,
        peer: Peer,
        sent: bool,
        bytes: &Arc<[u8]>,
        note: &'static str,
    ) {
        let (local, bytes) = (self.local_towards(peer), bytes.clone());
        tap.message(Seen { at, sent, local, peer, bytes, note });
    }

    /// Where our messages to a peer come from.
    fn local_towards(&self, peer: Peer) -> SocketAddr {
        if let Some(local) = self.connections.local_of(peer) {
            return local;
        }
        let mut routes = super::call::lock(&self.routes);
        let ip = routes.towards(peer.address.ip().to_canonical());
        SocketAddr::new(ip.unwrap_or(self.io.local().ip()), self.io.local().port())
    }
}

/// The INVITE and its answer, with the descriptions that count now: without them nobody could tell the call's RTP from
/// anything else.
fn said_before(call: &Call, tag: Option<Box<str>>) -> Vec<(Arc<[u8]>, bool, &'static str)> {
    let Some(invite) = call.invite() else { return Vec::new() };
    let outgoing = call.direction() == CallDirection::Outgoing;
    let (ours, theirs) = (call.local_sdp(), call.remote_sdp());
    let (offer, answer) = if outgoing { (ours, theirs) } else { (theirs, ours) };
    let mut said = Vec::with_capacity(2);
    let request = match offer.and_then(|sdp| with_body(&invite, &sdp)) {
        Some(other) => (other, outgoing, MADE_UP),
        None => (invite.clone(), outgoing, BEFORE),
    };
    said.push(request);
    let response = answer.and_then(|sdp| {
        let request = Message::parse(&invite).ok()?;
        let early = matches!(call.state(), CallState::Dialing | CallState::Ringing | CallState::Progress);
        let source = SocketAddr::from(([0, 0, 0, 0], 0));
        let response = ResponseBuilder::new(&request, if early { 183 } else { 200 }, None, source);
        response.to_tag(tag.as_deref().unwrap_or("-")).body(SDP, &sdp).build().ok()
    });
    said.extend(response.map(|bytes| (bytes.into(), !outgoing, MADE_UP)));
    said
}

/// The same request with another body; None: it is the same, or can't be.
fn with_body(invite: &[u8], sdp: &[u8]) -> Option<Arc<[u8]>> {
    let message = Message::parse(invite).ok()?;
    let kind = message.header(HeaderName::ContentType).unwrap_or_default();
    if message.body() == sdp || !(kind.is_empty() || kind.eq_ignore_ascii_case(SDP)) {
        return None;
    }
    let mut draft = Draft::of(&message);
    draft.set_body(SDP, sdp).ok()?;
    draft.write().ok().map(Arc::from)
}
