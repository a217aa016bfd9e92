//! The caller's side until the 2xx (RFC 3261 sections 8.1, 9.1, 13.2): target, tries, early dialogs, CANCEL.
//!
//! Tries: the addresses of the next hop in order on time-out, transport error or 503 (RFC 3263 section 4.3);
//! challenges; the contacts of a 3xx by their q, each URI once and at most [`MAX_REDIRECTS`] in all.

use super::super::api::*;
use super::super::base::{quoted, sip_uri, Asker, Base, CallTimer, Cx, Sent, SDP};
use super::super::hop::{hop_of, transport_of};
use super::super::target::parse_target;
use super::ends::refused;
use super::in_dialog::Talking;
use super::reach::{Act, Named};
use super::*;
use crate::proto::sdp::SrtpMode;
use crate::proto::sip::dialog::Dialog;
use crate::proto::sip::{Transport, Uri};
use std::collections::VecDeque;

/// Early dialogs (forks) of one INVITE that are kept; further ones still ring.
const MAX_EARLY: usize = 12;
/// Targets that one call follows 3xx to.
const MAX_REDIRECTS: usize = 5;
/// Addresses tried of one name.
const MAX_ADDRESSES: usize = 8;

/// What is to be called, as whom, and by which way.
pub(in crate::ua) struct Order {
    pub id: CallId,
    pub account: Option<AccountId>,
    /// Request-URI.
    pub target: String,
    /// `<sip:proxy;lr>`
    pub route: Option<String>,
    /// URI of the next hop.
    pub hop: String,
    /// Where the hop names none.
    pub transport: Transport,
    /// URI for From; None: ours, once we know our address.
    pub from: Option<String>,
    pub display: String,
    /// User part of our Contact.
    pub user: String,
    pub options: DialOptions,
}

pub(super) struct Calling {
    target: String,
    route: Option<String>,
    hop: String,
    transport: Transport,
    from: Option<String>,
    to: String,
    display: String,
    options: DialOptions,
    /// Of the name that is looked up or being tried.
    name: Option<Named>,
    /// How the hop is reached.
    by: Transport,
    addresses: VecDeque<SocketAddr>,
    cseq: u32,
    client: Option<ClientKey>,
    /// As last sent.
    invite: Option<Message>,
    early: Vec<Dialog>,
    /// The fork whose answer came early.
    media_from: Option<Box<str>>,
    /// CANCEL is wanted or sent: how the call will end.
    cancel: Option<EndInfo>,
    challenges: u8,
    visited: Vec<String>,
    candidates: VecDeque<String>,
}

impl Call {
    pub fn outgoing(base: &mut Base, order: Order, srtp: SrtpMode) -> Call {
        let is_secure = is_secure(&order.target);
        let calling = Calling {
            to: order.target.clone(),
            visited: vec![order.target.clone()],
            target: order.target,
            route: order.route,
            hop: order.hop,
            transport: order.transport,
            by: order.transport,
            from: order.from,
            display: order.display,
            options: order.options,
            name: None,
            addresses: VecDeque::new(),
            // RFC 3261 section 8.1.1.5: below 2^31, with room to count.
            cseq: base.rng.next_u32() >> 2 | 1,
            client: None,
            invite: None,
            early: Vec::new(),
            media_from: None,
            cancel: None,
            challenges: 0,
            candidates: VecDeque::new(),
        };
        Call {
            key: Key::from_u64(0),
            id: order.id,
            account: order.account,
            local_tag: base.tag(),
            sip_call_id: base.rng.token(24).into(),
            contact_user: order.user.into(),
            is_secure,
            phase: Phase::Calling(Box::new(calling)),
            reported: CallState::Dialing,
            announced: true,
            stream: StreamState::None,
            media: Media::new(base, srtp),
            auth: Session::new(),
            reach: Reach::default(),
            deadlines: [None; CallTimer::COUNT],
        }
    }

    fn calling(&mut self) -> Option<&mut Calling> {
        match &mut self.phase {
            Phase::Calling(calling) => Some(calling),
            _ => None,
        }
    }

    // The way to the callee.

    /// Finds the address of the next hop; everything follows from there.
    pub fn start(&mut self, cx: &mut Cx<'_>) {
        let Some(calling) = self.calling() else { return };
        let Ok(uri) = Uri::parse(&calling.hop) else {
            return self.unreachable(cx, "next hop is no sip uri");
        };
        let Some(transport) = transport_of(&uri, calling.transport) else {
            return self.unreachable(cx, "no way to the next hop that is as secure");
        };
        calling.by = transport;
        match hop_of(&uri, transport) {
            (Ok(address), _) => {
                calling.name = None;
                self.on_addresses(cx, vec![address]);
            }
            (Err(name), port) => {
                let query = cx.base.resolve(Asker::Call(self.key), &name, port);
                if let Some(calling) = self.calling() {
                    calling.name = Some(Named { name, port, transport });
                }
                self.reach.wait_for(query);
            }
        }
    }
    pub(super) fn on_calling_resolved(&mut self, cx: &mut Cx<'_>, addresses: Result<Vec<SocketAddr>, ()>) {
        match addresses {
            Ok(addresses) if !addresses.is_empty() => self.on_addresses(cx, addresses),
            _ => self.unreachable(cx, "host name not found"),
        }
    }
    fn on_addresses(&mut self, cx: &mut Cx<'_>, addresses: Vec<SocketAddr>) {
        let mut usable =
            addresses.into_iter().filter(|a| a.port() != 0 && cx.base.local_towards(a.ip()).is_some());
        let Some(first) = usable.next() else { return self.unreachable(cx, "no route to host") };
        // The media address was or will be chosen for one family.
        let rest = usable.filter(|a| a.is_ipv4() == first.is_ipv4()).take(MAX_ADDRESSES - 1);
        let queue: VecDeque<SocketAddr> = core::iter::once(first).chain(rest).collect();
        if let Some(calling) = self.calling() {
            calling.addresses = queue;
        }
        self.try_next_address(cx);
    }
    /// False: none left.
    fn try_next_address(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(calling) = self.calling() else { return false };
        let Some(address) = calling.addresses.pop_front() else { return false };
        let name = calling.name.clone();
        let peer = cx.base.flows.peer(calling.by, address, name.as_ref().map(|n| &*n.name));
        self.reach.set(peer, name);
        match self.stream {
            StreamState::None => {
                self.stream = StreamState::Opening;
                cx.base.open_stream(self.id, Some(address.ip()));
            }
            StreamState::Opening => {}
            StreamState::Open | StreamState::Closed => self.send_invite(cx),
        }
        true
    }
    /// The next contact of a 3xx, if there is one.
    fn try_next_candidate(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(calling) = self.calling() else { return false };
        let Some(target) = calling.candidates.pop_front() else { return false };
        if calling.route.is_none() {
            calling.hop = target.clone();
        }
        calling.target = target;
        calling.cseq += 1;
        calling.challenges = 0;
        calling.early.clear();
        self.start(cx);
        true
    }
    fn unreachable(&mut self, cx: &mut Cx<'_>, why: &str) {
        if !self.try_next_candidate(cx) {
            let reason = why.into();
            self.finish(cx, EndInfo { reason, ..end(EndCause::Unreachable, EndedBy::Engine) });
        }
    }
    pub(super) fn on_calling_stream(&mut self, cx: &mut Cx<'_>, failed: Option<u16>) {
        match failed {
            None => self.send_invite(cx),
            Some(sip_code) => {
                let reason = "no media port".into();
                self.finish(cx, EndInfo { sip_code, reason, ..end(EndCause::LocalError, EndedBy::Engine) });
            }
        }
    }

    // The INVITE.

    fn send_invite(&mut self, cx: &mut Cx<'_>) {
        if self.try_send_invite(cx).is_none() && !self.is_over() {
            self.finish(cx, end(EndCause::LocalError, EndedBy::Engine));
        }
    }
    fn try_send_invite(&mut self, cx: &mut Cx<'_>) -> Option<()> {
        let (peer, local) = self.local(cx)?;
        let contact = self.contact(cx, local);
        let via = cx.base.via(peer.transport, local);
        let delayed = self.calling()?.options.delayed_offer;
        let sdp = if delayed { None } else { Some(self.media.make_offer(cx.base)?) };
        let Phase::Calling(calling) = &mut self.phase else { return None };
        let from = match &calling.from {
            Some(from) => from.clone(),
            None => {
                let own = cx.base.contact_address(local, peer.address.ip());
                sip_uri(&self.contact_user, &own.to_string())
            }
        };
        let mut b = RequestBuilder::new(&Method::Invite, &calling.target).header(HeaderName::Via, &via);
        if let Some(route) = &calling.route {
            b = b.header(HeaderName::Route, route);
        }
        b = b
            .header(HeaderName::From, &format!("{}<{from}>;tag={}", quoted(&calling.display), self.local_tag))
            .header(HeaderName::To, &format!("<{}>", calling.to))
            .header(HeaderName::CallId, &self.sip_call_id)
            .header(HeaderName::CSeq, &format!("{} INVITE", calling.cseq))
            .header(HeaderName::Contact, &contact)
            .header(HeaderName::Allow, cx.base.allow());
        b = cx.base.finish_request(b);
        let body = sdp.as_deref().unwrap_or_default().as_bytes();
        b = cx.authorize(&mut self.auth, &Method::Invite, &calling.target, body, b);
        for (name, value) in &calling.options.headers {
            b = b.header_named(name, value);
        }
        if sdp.is_some() {
            b = b.body(SDP, body);
        }
        let bytes = b.build().ok()?;
        let first = calling.invite.is_none();
        calling.invite = Some(Message::parse(&bytes).ok()?);
        calling.media_from = None;
        let to = calling.to.clone();
        let owner = Owner::Call { call: self.key, sent: Sent::Invite };
        if first {
            self.tell_outgoing(cx, &from, &to, &bytes);
        }
        let client = cx.base.send(cx.now, peer, bytes, owner, false)?;
        self.calling()?.client = Some(client);
        Some(())
    }
    fn tell_outgoing(&mut self, cx: &mut Cx<'_>, from: &str, to: &str, bytes: &[u8]) {
        let info = CallInfo {
            direction: CallDirection::Outgoing,
            account: self.account,
            remote_name: "".into(),
            remote_uri: to.into(),
            local_uri: from.into(),
            sip_call_id: self.sip_call_id.clone(),
            invite: bytes.into(),
        };
        cx.base.event(Event::OutgoingCall { call: self.id, info });
        let (state, reason) = (CallState::Dialing, "".into());
        cx.base.event(Event::CallState { call: self.id, state, sip_code: 0, reason });
        let limit = cx.base.config.answer_timeout;
        if !limit.is_zero() {
            self.arm(cx, CallTimer::Answer, limit);
        }
    }

    // What comes back.

    pub(super) fn on_invite_response(&mut self, cx: &mut Cx<'_>, response: Message) {
        match (&self.phase, response.status()) {
            (Phase::Calling(_), ..=199) => self.on_provisional(cx, &response),
            (Phase::Calling(_), 200..=299) => self.on_success(cx, &response),
            (Phase::Calling(_), _) => self.on_failure(cx, &response),
            (Phase::Talking(_), 200..=299) => self.on_success_again(cx, &response),
            _ => {}
        }
    }

    /// RFC 3261 section 13.2.2.1.
    fn on_provisional(&mut self, cx: &mut Cx<'_>, response: &Message) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        let status = response.status();
        if status == 100 || calling.cancel.is_some() {
            return;
        }
        let tag = response.to_tag().unwrap_or_default();
        let known = calling.early.iter().any(|d| *d.remote_tag == *tag);
        if !tag.is_empty() && !known && calling.early.len() < MAX_EARLY {
            let dialog = calling.invite.as_ref().and_then(|i| Dialog::from_response(i, response));
            calling.early.extend(dialog);
        }
        let mut early_media = false;
        if let (false, Some(sdp)) = (calling.options.delayed_offer, sdp_of(response)) {
            early_media = self.media.take_answer(cx.base, sdp).is_ok();
            if early_media {
                calling.media_from = Some(tag.into());
            }
        }
        if early_media {
            self.announce_media(cx);
        }
        if status == 180 {
            self.report(cx, CallState::Ringing, status, response.reason());
        }
        if early_media || status == 183 {
            self.report(cx, CallState::Progress, status, response.reason());
        }
    }

    /// RFC 3261 section 13.2.2.4: the first 2xx makes the call, its ACK goes out whatever follows.
    fn on_success(&mut self, cx: &mut Cx<'_>, response: &Message) {
        self.disarm(CallTimer::Answer);
        let Phase::Calling(calling) = &mut self.phase else { return };
        let tag = response.to_tag().unwrap_or_default();
        let early =
            calling.early.iter().position(|d| *d.remote_tag == *tag).map(|i| calling.early.swap_remove(i));
        let dialog = match early {
            Some(mut dialog) => {
                dialog.confirm(response);
                Some(dialog)
            }
            None => calling.invite.as_ref().and_then(|i| Dialog::from_response(i, response)),
        };
        let (cseq, cancelled) = (calling.cseq, calling.cancel.take());
        let Some(dialog) = dialog else {
            acknowledge_and_end(cx.base, cx.now, response, self.reach.peer());
            return self.finish(cx, cancelled.unwrap_or(end(EndCause::Protocol, EndedBy::Engine)));
        };
        let media = match cancelled {
            Some(_) => Ok(None),
            None => self.conclude_offer(cx, response, tag),
        };
        let hop = dialog.next_hop();
        let ack_body = media.as_ref().ok().and_then(|sdp| sdp.clone());
        self.phase = Phase::Talking(Box::new(Talking::caller(dialog, cseq, ack_body)));
        self.follow_hop(cx, hop);
        self.act(cx, Act::Ack);
        match (cancelled, media) {
            (Some(why), _) => {
                let _ = self.leave(cx, why);
            }
            (None, Err(error)) => {
                let why = EndInfo { sip_code: response.status(), ..end(error.cause(), EndedBy::Engine) };
                let _ = self.leave(cx, why);
            }
            (None, Ok(_)) => {
                self.announce_media(cx);
                self.report(cx, CallState::Answered, response.status(), response.reason());
                self.sync_media(cx);
            }
        }
    }
    /// Ends the first exchange of descriptions; Some: our answer for the ACK.
    fn conclude_offer(
        &mut self,
        cx: &mut Cx<'_>,
        response: &Message,
        tag: &str,
    ) -> Result<Option<String>, media::MediaError> {
        let Phase::Calling(calling) = &self.phase else { return Ok(None) };
        let answered_early = calling.media_from.as_deref() == Some(tag);
        match (calling.options.delayed_offer, sdp_of(response)) {
            (true, Some(sdp)) => {
                let offer = media::Offer::read(sdp)?;
                return self.media.make_answer(cx.base, &offer).map(Some);
            }
            (false, Some(sdp)) => self.media.take_answer(cx.base, sdp)?,
            // The answer of an unreliable 183 counts for peers that don't repeat it.
            (false, None) if answered_early && self.media.is_agreed() => {}
            _ => return Err(media::MediaError::Unreadable),
        }
        self.media.settle();
        Ok(None)
    }

    fn on_failure(&mut self, cx: &mut Cx<'_>, response: &Message) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        let status = response.status();
        calling.client = None;
        self.media.postpone_offer();
        if let Some(why) = calling.cancel.take() {
            let refusal = refused(response);
            let meant = refusal.cause == EndCause::Cancelled;
            let (sip_code, reason) = (refusal.sip_code, refusal.reason.clone());
            return self.finish(cx, if meant { EndInfo { sip_code, reason, ..why } } else { refusal });
        }
        if is_challenge(status) {
            let (invite, tries) = (calling.invite.clone(), calling.challenges);
            if invite.is_some_and(|invite| self.take_challenge(cx, response, &invite, tries)) {
                if let Some(calling) = self.calling() {
                    calling.cseq += 1;
                    calling.challenges += 1;
                    calling.early.clear();
                }
                return self.send_invite(cx);
            }
            return self.finish(cx, refused(response));
        }
        if status == 503 && self.try_next_address(cx) {
            return;
        }
        if (300..400).contains(&status) {
            self.collect_contacts(response);
        }
        // RFC 3261 section 8.1.3.4: 6xx speaks for all contacts.
        if status >= 600 || !self.try_next_candidate(cx) {
            self.finish(cx, refused(response));
        }
    }
    fn collect_contacts(&mut self, response: &Message) {
        let Some(calling) = self.calling() else { return };
        let preferred = calling.transport;
        let mut contacts: Vec<(u32, String)> = response
            .contacts()
            .iter()
            // RFC 3261 section 8.1.3.4: from a secure target to secure ones only.
            .filter(|c| transport_of(&c.uri, preferred).is_some())
            .filter_map(|c| Some((quality(c.param("q")), parse_target(&c.uri_text, None).ok()?)))
            .collect();
        contacts.sort_by_key(|(q, _)| core::cmp::Reverse(*q));
        for (_, target) in contacts {
            let new = !calling.visited.contains(&target);
            if new && calling.visited.len() <= MAX_REDIRECTS {
                calling.visited.push(target.clone());
                calling.candidates.push_back(target);
            }
        }
    }

    pub(super) fn on_invite_timeout(&mut self, cx: &mut Cx<'_>, key: ClientKey, timer: TimerName) {
        let Some(calling) = self.calling().filter(|c| c.client == Some(key)) else { return };
        calling.client = None;
        if let Some(why) = calling.cancel.take() {
            return self.finish(cx, why);
        }
        if timer != TimerName::B {
            return self.finish(cx, EndInfo { sip_code: 408, ..end(EndCause::NoAnswer, EndedBy::Engine) });
        }
        self.media.postpone_offer();
        if !self.try_next_address(cx) {
            self.unreachable(cx, "no response");
        }
    }
    pub(super) fn on_invite_unsent(&mut self, cx: &mut Cx<'_>, key: ClientKey) {
        let Some(calling) = self.calling().filter(|c| c.client == Some(key)) else { return };
        calling.client = None;
        if let Some(why) = calling.cancel.take() {
            return self.finish(cx, why);
        }
        self.media.postpone_offer();
        if !self.try_next_address(cx) {
            self.unreachable(cx, "transport error");
        }
    }

    // The host has changed its mind.

    pub(super) fn cancel(&mut self, cx: &mut Cx<'_>, why: EndInfo) -> Result<(), UaError> {
        let why = match why.cause {
            EndCause::Hangup => EndInfo { cause: EndCause::Cancelled, ..why },
            _ => why,
        };
        let calling = self.calling().ok_or(UaError::State)?;
        if calling.cancel.is_some() {
            return Err(UaError::State);
        }
        self.disarm(CallTimer::Answer);
        let client = self.calling().and_then(|c| c.client);
        // Nothing is on the wire yet, or nothing is any more.
        if !client.is_some_and(|key| cx.base.cancel(cx.now, key)) {
            self.finish(cx, why);
            return Ok(());
        }
        if let Some(calling) = self.calling() {
            calling.cancel = Some(why);
        }
        self.report(cx, CallState::Terminating, 0, "");
        Ok(())
    }

    /// The early dialog that a request of the peer belongs to.
    pub(super) fn early_dialog(&mut self, request: &Message) -> Option<&mut Dialog> {
        self.calling()?.early.iter_mut().find(|d| d.matches(request))
    }
}

/// `sips:`, which means TLS on every hop.
pub(in crate::ua) fn is_secure(uri: &str) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.scheme == Scheme::Sips)
}

/// A q-value in thousandths (RFC 3261 section 20.10; 1 when it isn't there).
fn quality(text: Option<&str>) -> u32 {
    let Some(text) = text else { return 1000 };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.bytes().chain(core::iter::repeat(b'0')).take(3);
    let thousandths = fraction.fold(0, |n, d| n * 10 + u32::from(d.wrapping_sub(b'0') % 10));
    if whole.trim() == "1" {
        1000
    } else {
        thousandths
    }
}
