//! One call: identity, phase, media, and how it ends.
//!
//! Driven by [`super::Agent`], which finds the call by its local tag or by the owner of a transaction and lends it a
//! [`Cx`]. The phase carries the data of its part of life: [`outgoing`] (UAC until the 2xx), [`incoming`] (UAS until
//! its final response), [`in_dialog`] (both afterwards, RFC 3261 sections 12 to 15).

mod ends;
mod in_dialog;
pub(in crate::ua) mod incoming;
pub(in crate::ua) mod media;
mod orphan;
mod outgoing;
mod peer_requests;
pub(in crate::ua) mod reach;

pub(super) use orphan::acknowledge_and_end;
pub(super) use outgoing::{is_secure, Order};

use super::api::*;
use super::base::{Alarm, CallTimer, Cx, Owner, Sent};
use crate::proto::sip::auth::Session;
use crate::proto::sip::transaction::{ClientKey, TimerName};
use crate::proto::sip::{HeaderName, Message, Method, Peer, RequestBuilder, Scheme, Transport};
use crate::util::{Duration, Key, Time};
use core::net::{IpAddr, SocketAddr};
use in_dialog::Talking;
use incoming::Offered;
use media::Media;
use outgoing::Calling;
use reach::Reach;
use std::sync::Arc;

/// Challenges answered for one request: a proxy and a registrar each, and a stale nonce.
const MAX_CHALLENGES: u8 = 4;

enum Phase {
    /// We called; no 2xx yet.
    Calling(Box<Calling>),
    /// We are called; no final response from us yet.
    Offered(Box<Offered>),
    /// The INVITE has its 2xx. Also while the BYE is under way.
    Talking(Box<Talking>),
    Over,
}

/// Our port for media.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum StreamState {
    None,
    Opening,
    Open,
    Closed,
}

pub(super) struct Call {
    pub key: Key,
    pub id: CallId,
    pub account: Option<AccountId>,
    /// Our tag: what the agent finds us by.
    pub local_tag: Box<str>,
    sip_call_id: Arc<str>,
    /// User part of our Contact.
    contact_user: Box<str>,
    /// The Request-URI is a `sips` one, so our Contact has to be (RFC 3261 section 12.1).
    is_secure: bool,
    phase: Phase,
    /// The last state that the host was told.
    reported: CallState,
    /// The host knows the call, so it is owed an end.
    announced: bool,
    stream: StreamState,
    media: Media,
    auth: Session,
    reach: Reach,
    deadlines: [Option<Time>; CallTimer::COUNT],
}

impl Call {
    pub fn with_key(self, key: Key) -> Call {
        Call { key, ..self }
    }
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }
    pub fn holds(&self, timer: CallTimer, at: Time) -> bool {
        self.deadlines[timer.index()] == Some(at)
    }

    // Commands.

    pub fn command_hangup(&mut self, cx: &mut Cx<'_>) -> Result<(), UaError> {
        self.hang_up(cx, end(EndCause::Hangup, EndedBy::Local))
    }
    /// Ends the call in the way that its phase asks for; `why` is what an answered call ends with.
    pub fn hang_up(&mut self, cx: &mut Cx<'_>, why: EndInfo) -> Result<(), UaError> {
        match &mut self.phase {
            Phase::Calling(_) => self.cancel(cx, why),
            Phase::Offered(_) => self.decline(cx, why),
            Phase::Talking(_) => self.leave(cx, why),
            Phase::Over => Err(UaError::State),
        }
    }

    // Timers.

    pub fn on_timer(&mut self, cx: &mut Cx<'_>, timer: CallTimer) {
        self.deadlines[timer.index()] = None;
        match timer {
            CallTimer::Retransmit => self.retransmit_answer(cx),
            CallTimer::AckWait => self.on_no_ack(cx),
            CallTimer::Ring => self.on_ring_timeout(cx),
            CallTimer::Answer => {
                let _ = self.cancel(cx, end(EndCause::NoAnswer, EndedBy::Engine));
            }
            CallTimer::Glare => self.sync_media(cx),
        }
    }
    fn arm(&mut self, cx: &mut Cx<'_>, timer: CallTimer, after: Duration) {
        let at = cx.now + after;
        self.deadlines[timer.index()] = Some(at);
        cx.base.deadlines.push(at, Alarm::Call(self.key, timer));
    }
    fn disarm(&mut self, timer: CallTimer) {
        self.deadlines[timer.index()] = None;
    }

    // What came for our requests.

    pub fn on_response(&mut self, cx: &mut Cx<'_>, sent: Sent, answered: Option<&[u8]>, response: Message) {
        match sent {
            Sent::Invite => self.on_invite_response(cx, response),
            Sent::Reinvite => self.on_reinvite_response(cx, answered, response),
            other => self.on_request_response(cx, other, answered, response),
        }
    }
    pub fn on_timeout(&mut self, cx: &mut Cx<'_>, key: ClientKey, sent: Sent, timer: TimerName) {
        match sent {
            Sent::Invite => self.on_invite_timeout(cx, key, timer),
            other => self.on_no_response(cx, other, EndCause::NoAnswer),
        }
    }
    pub fn on_transport_error(&mut self, cx: &mut Cx<'_>, key: ClientKey, sent: Sent) {
        match sent {
            Sent::Invite => self.on_invite_unsent(cx, key),
            other => self.on_no_response(cx, other, EndCause::Unreachable),
        }
    }

    // Media.

    pub fn on_stream(&mut self, cx: &mut Cx<'_>, opened: Result<StreamOpened, u16>) {
        if self.stream != StreamState::Opening {
            return;
        }
        match opened {
            Ok(StreamOpened { local, ssrc }) => {
                self.stream = StreamState::Open;
                self.media.open(cx.base.contact_address(local, self.peer_ip(local)), ssrc);
            }
            Err(_) => self.stream = StreamState::None,
        }
        match &self.phase {
            Phase::Calling(_) => self.on_calling_stream(cx, opened.err()),
            Phase::Offered(_) => self.on_offered_stream(cx, opened.err()),
            Phase::Talking(_) | Phase::Over => {}
        }
    }
    pub fn on_media_timeout(&mut self, cx: &mut Cx<'_>) {
        let _ = self.hang_up(cx, end(EndCause::MediaTimeout, EndedBy::Engine));
    }
    /// Nothing once the stream is closed: answers that come while the BYE is under way change no media.
    fn announce_media(&mut self, cx: &mut Cx<'_>) {
        if self.stream == StreamState::Open {
            self.media.announce(cx.base, self.id);
        }
    }
    fn close_media(&mut self, cx: &mut Cx<'_>) {
        if self.stream == StreamState::Open {
            cx.base.media(MediaCommand::Close { call: self.id });
        }
        self.stream = StreamState::Closed;
        self.media.close();
    }

    // What the host hears.

    /// States only go forward; a later 180 after 183 is not told again.
    fn report(&mut self, cx: &mut Cx<'_>, state: CallState, sip_code: u16, reason: &str) {
        if state > self.reported && self.announced {
            self.reported = state;
            cx.base.event(Event::CallState { call: self.id, state, sip_code, reason: reason.into() });
        }
    }
    /// The end of the call: nothing of it stays but transactions that the layer finishes.
    pub fn finish(&mut self, cx: &mut Cx<'_>, end: EndInfo) {
        if self.is_over() {
            return;
        }
        self.close_media(cx);
        self.phase = Phase::Over;
        self.deadlines = [None; CallTimer::COUNT];
        if let Some(query) = self.reach.forget() {
            cx.base.queries.remove(&query);
        }
        if self.announced {
            log::info!(target: "voip::sip", "call {} ended: {:?} by {:?} {}", self.sip_call_id, end.cause, end.by,
                end.sip_code);
            cx.base.event(Event::CallEnded { call: self.id, end });
        }
    }

    // Requests.

    /// Adds what all requests of this call carry, writes and sends. None: it couldn't be written, or no room.
    fn send(&mut self, cx: &mut Cx<'_>, to: Peer, builder: RequestBuilder, sent: Sent) -> Option<ClientKey> {
        let bytes = builder.build().ok()?;
        let keep = cx.has_credentials();
        cx.base.send(cx.now, to, bytes, Owner::Call { call: self.key, sent }, keep)
    }
    /// Where our messages go to.
    pub fn peer(&self) -> Option<Peer> {
        self.reach.peer()
    }
    /// What stands in the To of a dialog's first request once it is answered.
    pub fn callee_tag(&self) -> Option<Box<str>> {
        match &self.phase {
            _ if !self.id.is_outgoing() => Some(self.local_tag.clone()),
            Phase::Talking(talking) => Some(talking.dialog.remote_tag.clone()),
            _ => None,
        }
    }
    /// Who hears what we say, for the choice of the address that we name.
    fn peer_ip(&self, local: SocketAddr) -> IpAddr {
        self.reach.peer().map_or(local.ip(), |peer| peer.address.ip())
    }
    fn contact(&self, cx: &Cx<'_>, local: SocketAddr) -> String {
        let transport = self.reach.peer().map_or(Transport::Udp, |peer| peer.transport);
        cx.base.contact(&self.contact_user, local, self.peer_ip(local), transport, self.is_secure)
    }
    /// Can a 401 or 407 be answered? `answered` is the request that was challenged, as sent.
    fn take_challenge(&mut self, cx: &mut Cx<'_>, response: &Message, answered: &Message, tries: u8) -> bool {
        let Some(account) = cx.account else { return false };
        if tries >= MAX_CHALLENGES || account.credentials.is_empty() {
            return false;
        }
        self.auth.challenged(response, answered, &account.credentials).is_ok()
    }
}

/// An end without a SIP status.
pub(super) fn end(cause: EndCause, by: EndedBy) -> EndInfo {
    EndInfo { cause, by, sip_code: 0, reason: "".into(), reason_header: None }
}

fn reason_header(message: &Message) -> Option<Box<str>> {
    message.header(HeaderName::Reason).map(Box::from)
}

/// Does the body hold a session description? None: no body.
fn sdp_of(message: &Message) -> Option<&[u8]> {
    let body = message.body();
    let is_sdp = message.header(HeaderName::ContentType).is_some_and(|t| {
        t.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(super::base::SDP))
    });
    (is_sdp && !body.is_empty()).then_some(body)
}

fn is_challenge(status: u16) -> bool {
    status == 401 || status == 407
}
