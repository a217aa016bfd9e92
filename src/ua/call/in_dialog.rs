//! Our own part in an answered call: ACK, BYE, re-INVITE, INFO, REFER, and the 2xx that waits for its ACK
//! (RFC 3261 sections 12.2.1, 13.3.1.4, 14.1, 15.1.1).

use super::super::api::*;
use super::super::base::{CallTimer, Cx, Sent, DTMF_RELAY, SDP};
use super::reach::Act;
use super::*;
use crate::proto::sdp::Direction;
use crate::proto::sip::dialog::Dialog;
use crate::proto::sip::transaction::{response_target, ServerKey};
use std::sync::Arc;

pub(super) struct Talking {
    pub dialog: Dialog,
    /// Our 2xx that waits for its ACK.
    pub answer: Option<Answer>,
    /// The ACK that the peer's last 2xx got, for each copy of that 2xx.
    ack: Option<Ack>,
    /// Our re-INVITE under way.
    pub own: Option<ClientKey>,
    /// The call is to end like that: BYE is sent, or waits for an ACK.
    pub leaving: Option<EndInfo>,
    bye_sent: bool,
    challenges: u8,
    /// A REFER of ours is accepted and its NOTIFYs are awaited.
    pub transferring: bool,
}

/// A 2xx of ours.
pub(super) struct Answer {
    to: Peer,
    bytes: Arc<[u8]>,
    pub cseq: u32,
    interval: Duration,
    /// It carries our offer: the ACK brings the answer.
    pub offers: bool,
}

struct Ack {
    cseq: u32,
    body: Option<String>,
    sent: Option<(Peer, Arc<[u8]>)>,
}

impl Talking {
    pub fn caller(dialog: Dialog, cseq: u32, ack_body: Option<String>) -> Talking {
        let ack = Some(Ack { cseq, body: ack_body, sent: None });
        Talking { ack, ..Talking::new(dialog, None) }
    }
    pub fn callee(dialog: Dialog, answer: Answer) -> Talking {
        Talking::new(dialog, Some(answer))
    }
    fn new(dialog: Dialog, answer: Option<Answer>) -> Talking {
        Talking {
            dialog,
            answer,
            ack: None,
            own: None,
            leaving: None,
            bye_sent: false,
            challenges: 0,
            transferring: false,
        }
    }
}

impl Call {
    pub(super) fn talking(&mut self) -> Option<&mut Talking> {
        match &mut self.phase {
            Phase::Talking(talking) => Some(talking),
            _ => None,
        }
    }

    // Commands.

    /// Changes what the host wants to do with the media; the peer hears it as soon as nothing else is under way.
    pub fn command_direction(
        &mut self,
        cx: &mut Cx<'_>,
        change: impl FnOnce(Direction) -> Direction,
    ) -> Result<(), UaError> {
        match &self.phase {
            Phase::Talking(talking) if talking.leaving.is_none() => {}
            _ => return Err(UaError::State),
        }
        self.media.want = change(self.media.want);
        self.sync_media(cx);
        Ok(())
    }
    pub fn command_info(&mut self, cx: &mut Cx<'_>, digit: char, duration_ms: u32) -> Result<(), UaError> {
        self.check_talking()?;
        if !matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d') {
            return Err(UaError::Range);
        }
        self.act(cx, Act::Info { digit: digit.to_ascii_uppercase(), duration_ms });
        Ok(())
    }
    pub fn command_transfer(&mut self, cx: &mut Cx<'_>, target: String) -> Result<(), UaError> {
        self.check_talking()?;
        self.act(cx, Act::Refer { target: target.into() });
        Ok(())
    }
    /// The peer's URI with a Replaces header that names this dialog as the peer knows it (RFC 3891 section 3).
    pub fn replacement(&self) -> Option<String> {
        let Phase::Talking(talking) = &self.phase else { return None };
        if talking.leaving.is_some() {
            return None;
        }
        let Dialog { call_id, local_tag, remote_tag, remote_target, .. } = &talking.dialog;
        // RFC 3891 section 3: a peer of RFC 2543 without a tag is named with 0.
        let remote_tag = if remote_tag.is_empty() { "0" } else { remote_tag };
        let replaces = format!("{call_id};to-tag={remote_tag};from-tag={local_tag}");
        let mark = if remote_target.contains('?') { '&' } else { '?' };
        Some(format!("{remote_target}{mark}Replaces={}", escape_header(&replaces)))
    }
    fn check_talking(&self) -> Result<(), UaError> {
        match &self.phase {
            Phase::Talking(talking) if talking.leaving.is_none() => Ok(()),
            _ => Err(UaError::State),
        }
    }
    /// BYE; for a callee not before the ACK or its time-out (RFC 3261 section 15).
    pub(super) fn leave(&mut self, cx: &mut Cx<'_>, why: EndInfo) -> Result<(), UaError> {
        self.disarm(CallTimer::Glare);
        let talking = self.talking().ok_or(UaError::State)?;
        if talking.leaving.is_some() {
            return Err(UaError::State);
        }
        talking.leaving = Some(why);
        let wait = talking.answer.is_some();
        self.report(cx, CallState::Terminating, 0, "");
        if !wait {
            self.act(cx, Act::Bye);
        }
        Ok(())
    }

    // Sending.

    pub(super) fn act(&mut self, cx: &mut Cx<'_>, act: Act) {
        self.leave_lost_connection(cx);
        if self.reach.defer(act.clone()) {
            return;
        }
        match act {
            Act::Ack => drop(self.send_ack(cx)),
            Act::Bye => self.send_bye(cx),
            Act::Reinvite => {
                if self.send_reinvite(cx).is_none() {
                    self.media.withdraw_offer();
                }
            }
            Act::Info { digit, duration_ms } => drop(self.send_info(cx, digit, duration_ms)),
            Act::Refer { target } => drop(self.send_refer(cx, target)),
        }
    }
    /// The ACK of the peer's last 2xx, the same one for each copy (RFC 3261 section 13.2.2.4).
    fn send_ack(&mut self, cx: &mut Cx<'_>) -> Option<()> {
        let (peer, local) = self.local(cx)?;
        let via = cx.base.via(peer.transport, local);
        let Phase::Talking(talking) = &mut self.phase else { return None };
        let ack = talking.ack.as_mut()?;
        if let Some((to, bytes)) = &ack.sent {
            cx.base.transmit(*to, bytes.clone());
            return Some(());
        }
        let builder = talking.dialog.request(&Method::Ack, Some(ack.cseq)).header(HeaderName::Via, &via);
        let builder = cx.base.finish_request(builder);
        let builder = match &ack.body {
            Some(sdp) => builder.body(SDP, sdp.as_bytes()),
            None => builder,
        };
        let bytes: Arc<[u8]> = builder.build().ok()?.into();
        ack.sent = Some((peer, bytes.clone()));
        cx.base.transmit(peer, bytes);
        Some(())
    }
    fn send_bye(&mut self, cx: &mut Cx<'_>) {
        self.close_media(cx);
        if let Some(talking) = self.talking() {
            talking.bye_sent = true;
        }
        if self.request(cx, Method::Bye, Sent::Bye, &[], None).is_none() {
            self.finish_leaving(cx);
        }
    }
    fn finish_leaving(&mut self, cx: &mut Cx<'_>) {
        let why = self.talking().and_then(|t| t.leaving.take());
        self.finish(cx, why.unwrap_or(end(EndCause::Hangup, EndedBy::Local)));
    }
    fn send_reinvite(&mut self, cx: &mut Cx<'_>) -> Option<()> {
        let sdp = self.media.make_offer(cx.base)?;
        let (_, local) = self.local(cx)?;
        let contact = self.contact(cx, local);
        let headers = [(HeaderName::Contact, &*contact), (HeaderName::Allow, cx.base.allow())];
        let body = Some((SDP, sdp.as_bytes()));
        let key = self.request(cx, Method::Invite, Sent::Reinvite, &headers, body)?;
        self.talking()?.own = Some(key);
        Some(())
    }
    fn send_info(&mut self, cx: &mut Cx<'_>, digit: char, duration_ms: u32) -> Option<()> {
        let body = format!("Signal={digit}\r\nDuration={duration_ms}\r\n");
        let sent = Sent::Info { digit, duration_ms };
        self.request(cx, Method::Info, sent, &[], Some((DTMF_RELAY, body.as_bytes()))).map(drop)
    }
    fn send_refer(&mut self, cx: &mut Cx<'_>, target: Box<str>) -> Option<()> {
        let (_, local) = self.local(cx)?;
        let contact = self.contact(cx, local);
        let refer_to = format!("<{target}>");
        let by = self.talking()?.dialog.local_party.clone();
        let headers = [
            (HeaderName::Contact, &*contact),
            (HeaderName::ReferTo, &*refer_to),
            (HeaderName::ReferredBy, &*by),
        ];
        self.request(cx, Method::Refer, Sent::Refer { target }, &headers, None).map(drop)
    }
    /// The next request in the dialog.
    fn request(
        &mut self,
        cx: &mut Cx<'_>,
        method: Method,
        sent: Sent,
        headers: &[(HeaderName, &str)],
        body: Option<(&str, &[u8])>,
    ) -> Option<ClientKey> {
        let (peer, local) = self.local(cx)?;
        let via = cx.base.via(peer.transport, local);
        let Phase::Talking(talking) = &mut self.phase else { return None };
        let builder = talking.dialog.request(&method, None).header(HeaderName::Via, &via);
        let builder = cx.base.finish_request(builder);
        let uri = talking.dialog.remote_target.clone();
        let content = body.map_or(&b""[..], |(_, content)| content);
        let builder = cx.authorize(&mut self.auth, &method, &uri, content, builder);
        let builder = headers.iter().fold(builder, |b, (name, value)| b.header(*name, value));
        let builder = match body {
            Some((kind, content)) => builder.body(kind, content),
            None => builder,
        };
        self.send(cx, peer, builder, sent)
    }

    // What came back.

    pub(super) fn on_request_response(
        &mut self,
        cx: &mut Cx<'_>,
        sent: Sent,
        answered: Option<&[u8]>,
        response: Message,
    ) {
        let status = response.status();
        if status < 200 {
            return;
        }
        let again = is_challenge(status) && self.take_in_dialog_challenge(cx, &response, answered);
        match sent {
            _ if again => self.act(cx, repeat(sent)),
            Sent::Bye => self.finish_leaving(cx),
            Sent::Refer { .. } => self.on_refer_response(cx, &response),
            _ if is_gone(status) => self.on_gone(cx, &response),
            _ => {}
        }
    }
    fn take_in_dialog_challenge(
        &mut self,
        cx: &mut Cx<'_>,
        response: &Message,
        answered: Option<&[u8]>,
    ) -> bool {
        let Some(answered) = answered.and_then(|bytes| Message::parse(bytes).ok()) else { return false };
        let Some(tries) = self.talking().map(|t| t.challenges) else { return false };
        if !self.take_challenge(cx, response, &answered, tries) {
            return false;
        }
        if let Some(talking) = self.talking() {
            talking.challenges += 1;
        }
        true
    }
    fn on_refer_response(&mut self, cx: &mut Cx<'_>, response: &Message) {
        let sip_code = response.status();
        let accepted = sip_code < 300;
        if let Some(talking) = self.talking() {
            talking.transferring |= accepted;
            talking.challenges = 0;
        }
        let reason = response.reason().into();
        cx.base.event(Event::Transfer { call: self.id, sip_code, reason, finished: !accepted });
        if is_gone(sip_code) {
            self.on_gone(cx, response);
        }
    }

    pub(super) fn on_reinvite_response(
        &mut self,
        cx: &mut Cx<'_>,
        answered: Option<&[u8]>,
        response: Message,
    ) {
        let status = response.status();
        let Some(talking) = self.talking().filter(|_| status >= 200) else { return };
        if talking.own.is_none() {
            // A copy of the 2xx: the ACK was lost.
            let same = talking.ack.as_ref().is_some_and(|a| a.cseq == response.cseq());
            if same && status < 300 {
                self.act(cx, Act::Ack);
            }
            return;
        }
        talking.own = None;
        match status {
            200..=299 => return self.on_reinvited(cx, &response),
            // RFC 3261 section 14.1: our offer met the peer's.
            491 => {
                self.media.postpone_offer();
                let wait = self.glare_wait(cx);
                return self.arm(cx, CallTimer::Glare, wait);
            }
            _ => {}
        }
        if is_challenge(status) {
            self.media.postpone_offer();
            if self.take_in_dialog_challenge(cx, &response, answered) {
                return self.act(cx, Act::Reinvite);
            }
        }
        self.media.withdraw_offer();
        if is_gone(status) {
            return self.on_gone(cx, &response);
        }
        if self.stream == StreamState::Open {
            self.media.tell_again(cx.base, self.id);
        }
    }
    fn on_reinvited(&mut self, cx: &mut Cx<'_>, response: &Message) {
        let Some(talking) = self.talking() else { return };
        talking.dialog.refresh_target(response);
        talking.challenges = 0;
        talking.ack = Some(Ack { cseq: response.cseq(), body: None, sent: None });
        let hop = talking.dialog.next_hop();
        self.follow_hop(cx, hop);
        self.act(cx, Act::Ack);
        let taken = match sdp_of(response) {
            Some(sdp) => self.media.take_answer(cx.base, sdp),
            None => Err(media::MediaError::Unreadable),
        };
        match taken {
            Ok(()) => {
                self.media.settle();
                self.announce_media(cx);
                self.sync_media(cx);
            }
            Err(error) => {
                self.media.withdraw_offer();
                let _ = self.leave(cx, end(error.cause(), EndedBy::Engine));
            }
        }
    }
    /// Each further 2xx: a copy gets the same ACK, another fork an ACK and a BYE (RFC 3261 section 13.2.2.4).
    pub(super) fn on_success_again(&mut self, cx: &mut Cx<'_>, response: &Message) {
        let Some(talking) = self.talking() else { return };
        if response.to_tag().unwrap_or_default() != &*talking.dialog.remote_tag {
            let source = self.reach.peer();
            return acknowledge_and_end(cx.base, cx.now, response, source);
        }
        if talking.ack.as_ref().is_some_and(|a| a.cseq == response.cseq()) {
            self.act(cx, Act::Ack);
        }
    }

    pub(super) fn on_no_response(&mut self, cx: &mut Cx<'_>, sent: Sent, cause: EndCause) {
        match sent {
            Sent::Bye => return self.finish_leaving(cx),
            Sent::Refer { .. } => {
                let (sip_code, reason) = (408, "no response".into());
                cx.base.event(Event::Transfer { call: self.id, sip_code, reason, finished: true });
            }
            Sent::Reinvite => {
                self.media.withdraw_offer();
                if let Some(talking) = self.talking() {
                    talking.own = None;
                }
            }
            _ => {}
        }
        // RFC 3261 section 12.2.1.2: no response counts as 408, and that ends the dialog.
        let cause = if cause == EndCause::NoAnswer { EndCause::Unreachable } else { cause };
        let _ = self.leave(cx, EndInfo { sip_code: 408, ..end(cause, EndedBy::Engine) });
    }
    /// 481 and 408 (RFC 3261 section 12.2.1.2).
    fn on_gone(&mut self, cx: &mut Cx<'_>, response: &Message) {
        let (sip_code, reason) = (response.status(), response.reason().into());
        if sip_code == 408 {
            let why = EndInfo { sip_code, reason, ..end(EndCause::Unreachable, EndedBy::Engine) };
            let _ = self.leave(cx, why);
        } else if self.talking().is_some_and(|t| t.leaving.is_some()) {
            // Our BYE was faster than something else of ours: the call ends as it was meant to.
            self.finish_leaving(cx);
        } else {
            self.finish(cx, EndInfo { sip_code, reason, ..end(EndCause::Hangup, EndedBy::Remote) });
        }
    }

    /// Offers again when the host wants something else than what was said last, and nothing is in the way.
    pub(super) fn sync_media(&mut self, cx: &mut Cx<'_>) {
        let Phase::Talking(talking) = &self.phase else { return };
        let busy = talking.own.is_some() || talking.answer.is_some() || talking.leaving.is_some();
        let waits = self.deadlines[CallTimer::Glare.index()].is_some();
        if busy || waits || self.media.has_pending_offer() || self.media.is_current() {
            return;
        }
        self.act(cx, Act::Reinvite);
    }
    /// RFC 3261 section 14.1: the owner of the Call-ID waits longer.
    fn glare_wait(&self, cx: &mut Cx<'_>) -> Duration {
        let tens = match self.id.is_outgoing() {
            true => 210 + cx.base.rng.below(191),
            false => cx.base.rng.below(201),
        };
        Duration::from_millis(tens * 10)
    }

    // Our 2xx and its ACK.

    /// Sends a 2xx with `sdp` to an INVITE and again until its ACK comes. False: the transaction is gone.
    pub(super) fn answer_invite(
        &mut self,
        cx: &mut Cx<'_>,
        key: ServerKey,
        sdp: &str,
        offers: bool,
    ) -> Option<Answer> {
        let (request, source) = cx.base.layer.server_request(key)?;
        let (to, cseq) = (response_target(request, source), request.cseq());
        let (_, local) = self.local(cx)?;
        let contact = self.contact(cx, local);
        let allow = cx.base.allow();
        let bytes = cx.base.build_reply(key, 200, None, &self.local_tag, |b| {
            b.copy_record_route()
                .header(HeaderName::Contact, &contact)
                .header(HeaderName::Allow, allow)
                .body(SDP, sdp.as_bytes())
        })?;
        let kept: Arc<[u8]> = bytes.as_slice().into();
        if !cx.base.respond(cx.now, key, 200, bytes) {
            return None;
        }
        let timers = cx.base.config.timers;
        self.arm(cx, CallTimer::Retransmit, timers.t1);
        self.arm(cx, CallTimer::AckWait, timers.t1_64());
        Some(Answer { to, bytes: kept, cseq, interval: timers.t1, offers })
    }
    pub(super) fn retransmit_answer(&mut self, cx: &mut Cx<'_>) {
        let t2 = cx.base.config.timers.t2;
        let Some(answer) = self.talking().and_then(|t| t.answer.as_mut()) else { return };
        answer.interval = answer.interval.saturating_mul(2).min(t2);
        let next = answer.interval;
        cx.base.transmit(answer.to, answer.bytes.clone());
        self.arm(cx, CallTimer::Retransmit, next);
    }
    pub(super) fn on_no_ack(&mut self, cx: &mut Cx<'_>) {
        self.disarm(CallTimer::Retransmit);
        let Some(talking) = self.talking() else { return };
        talking.answer = None;
        if talking.leaving.is_some() {
            self.act(cx, Act::Bye);
        } else {
            let _ = self.leave(cx, end(EndCause::NoAck, EndedBy::Engine));
        }
    }
    pub fn on_ack(&mut self, cx: &mut Cx<'_>, message: &Message) {
        let Some(talking) = self.talking() else { return };
        if !talking.dialog.matches(message)
            || talking.answer.as_ref().is_none_or(|a| a.cseq != message.cseq())
        {
            return;
        }
        let offered = talking.answer.take().is_some_and(|a| a.offers);
        let leaving = talking.leaving.is_some();
        self.disarm(CallTimer::Retransmit);
        self.disarm(CallTimer::AckWait);
        if leaving {
            return self.act(cx, Act::Bye);
        }
        if offered {
            let taken = match sdp_of(message) {
                Some(sdp) => self.media.take_answer(cx.base, sdp),
                None => Err(media::MediaError::Unreadable),
            };
            self.media.settle();
            if let Err(error) = taken {
                let _ = self.leave(cx, end(error.cause(), EndedBy::Engine));
                return;
            }
            self.announce_media(cx);
        }
        self.sync_media(cx);
    }
    /// The peer hung up.
    pub(super) fn on_bye(&mut self, cx: &mut Cx<'_>, reason_header: Option<Box<str>>) {
        let Some(talking) = self.talking() else { return };
        match talking.leaving.take() {
            Some(why) => self.finish(cx, why),
            None => self.finish(cx, EndInfo { reason_header, ..end(EndCause::Hangup, EndedBy::Remote) }),
        }
    }
}

/// The value of a header in a URI: what is neither unreserved nor allowed there is escaped (RFC 3261 section 25.1).
fn escape_header(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 16);
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// RFC 3261 section 12.2.1.2.
fn is_gone(status: u16) -> bool {
    matches!(status, 408 | 481)
}

fn repeat(sent: Sent) -> Act {
    match sent {
        Sent::Bye => Act::Bye,
        Sent::Info { digit, duration_ms } => Act::Info { digit, duration_ms },
        Sent::Refer { target } => Act::Refer { target },
        Sent::Invite | Sent::Reinvite => Act::Reinvite,
    }
}
