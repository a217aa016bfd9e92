//! The callee's side until our final response (RFC 3261 sections 13.3, 9.2).
//!
//! The host is told of a call once its offer was found acceptable and its media port is open. A 180 follows by itself
//! unless the host has answered or rejected the call before it polled the next output.

use super::super::api::*;
use super::super::base::{sip_uri, Base, CallTimer, Cx, Queued, SDP};
use super::ends::cause_of;
use super::in_dialog::Talking;
use super::media::Offer;
use super::*;
use crate::proto::sdp::SrtpMode;
use crate::proto::sip::dialog::Dialog;
use crate::proto::sip::transaction::ServerKey;
use crate::proto::sip::ResponseBuilder;

pub(super) struct Offered {
    server: ServerKey,
    pub dialog: Dialog,
    info: Option<CallInfo>,
    /// None: the caller wants ours.
    offer: Option<Arc<Offer>>,
    /// Our answer, once it was said in a 183.
    answer: Option<String>,
    rung: bool,
}

/// An INVITE that was found fit to become a call.
pub(in crate::ua) struct Invitation<'a> {
    pub id: CallId,
    pub account: Option<AccountId>,
    pub server: ServerKey,
    pub message: &'a Message,
    pub offer: Option<Offer>,
    pub source: Peer,
    pub srtp: SrtpMode,
}

impl Call {
    /// None: no dialog can be made of it (400).
    pub fn incoming(base: &mut Base, invitation: Invitation<'_>) -> Option<Call> {
        let message = invitation.message;
        let local_tag = base.tag();
        let dialog = Dialog::from_request(message, &local_tag)?;
        let reach = Reach::back(invitation.source, message);
        let to = message.request_uri_ref().ok();
        let sip_call_id: Arc<str> = message.call_id().into();
        let offered = Offered {
            server: invitation.server,
            dialog,
            info: Some(describe(&invitation, sip_call_id.clone())),
            offer: invitation.offer.map(Arc::new),
            answer: None,
            rung: false,
        };
        Some(Call {
            key: Key::from_u64(0),
            id: invitation.id,
            account: invitation.account,
            local_tag,
            sip_call_id,
            is_secure: to.as_ref().is_some_and(|uri| uri.scheme == Scheme::Sips),
            contact_user: to.and_then(|uri| uri.user).unwrap_or_default().into(),
            phase: Phase::Offered(Box::new(offered)),
            reported: CallState::Ringing,
            announced: false,
            stream: StreamState::Opening,
            media: Media::new(base, invitation.srtp),
            auth: Session::new(),
            reach,
            deadlines: [None; CallTimer::COUNT],
        })
    }

    fn offered(&mut self) -> Option<&mut Offered> {
        match &mut self.phase {
            Phase::Offered(offered) => Some(offered),
            _ => None,
        }
    }

    pub(super) fn on_offered_stream(&mut self, cx: &mut Cx<'_>, failed: Option<u16>) {
        let Some(offered) = self.offered() else { return };
        if let Some(code) = failed {
            self.reply(cx, code, None, |b| b.header(HeaderName::RetryAfter, "10"));
            return self.finish(cx, end(EndCause::LocalError, EndedBy::Engine));
        }
        let Some(info) = offered.info.take() else { return };
        self.announced = true;
        cx.base.event(Event::IncomingCall { call: self.id, info });
        cx.base.out.push_back(Queued::AutoRing(self.key));
        let limit = cx.base.config.ring_timeout;
        if !limit.is_zero() {
            self.arm(cx, CallTimer::Ring, limit);
        }
    }

    // Commands.

    /// 180, once.
    pub fn command_ring(&mut self, cx: &mut Cx<'_>) -> Result<(), UaError> {
        if !self.announced {
            return Err(UaError::State);
        }
        let offered = self.offered().ok_or(UaError::State)?;
        if offered.rung {
            return Ok(());
        }
        offered.rung = true;
        self.provisional(cx, 180, None)
    }
    /// 183 with our answer; without one when the caller wants our offer, which an unreliable response can't carry.
    pub fn command_progress(&mut self, cx: &mut Cx<'_>) -> Result<(), UaError> {
        if !self.announced {
            return Err(UaError::State);
        }
        let offered = self.offered().ok_or(UaError::State)?;
        offered.rung = true;
        let sdp = match (offered.answer.clone(), offered.offer.clone()) {
            (Some(sdp), _) => Some(sdp),
            (None, Some(offer)) => Some(self.media.make_answer(cx.base, &offer).map_err(|_| UaError::State)?),
            (None, None) => None,
        };
        self.provisional(cx, 183, sdp.as_deref())?;
        if let Some(offered) = self.offered() {
            offered.answer = sdp;
        }
        self.announce_media(cx);
        self.report(cx, CallState::Progress, 183, "");
        Ok(())
    }
    fn provisional(&mut self, cx: &mut Cx<'_>, status: u16, sdp: Option<&str>) -> Result<(), UaError> {
        let (_, local) = self.local(cx).ok_or(UaError::State)?;
        let contact = self.contact(cx, local);
        let taken = self.reply(cx, status, None, |b| {
            let b = b.copy_record_route().header(HeaderName::Contact, &contact);
            match sdp {
                Some(sdp) => b.body(SDP, sdp.as_bytes()),
                None => b,
            }
        });
        if taken {
            Ok(())
        } else {
            Err(UaError::State)
        }
    }

    pub fn command_answer(&mut self, cx: &mut Cx<'_>) -> Result<(), UaError> {
        if !self.announced {
            return Err(UaError::State);
        }
        let offered = self.offered().ok_or(UaError::State)?;
        let server = offered.server;
        let (said, offer) = (offered.answer.take(), offered.offer.clone());
        let offers = said.is_none() && offer.is_none();
        let sdp = match (said, offer) {
            (Some(sdp), _) => Some(sdp),
            (None, Some(offer)) => self.media.make_answer(cx.base, &offer).ok(),
            (None, None) => self.media.make_offer(cx.base),
        };
        let sdp = sdp.ok_or(UaError::State)?;
        let answer = self.answer_invite(cx, server, &sdp, offers).ok_or(UaError::State)?;
        self.disarm(CallTimer::Ring);
        let Phase::Offered(offered) = core::mem::replace(&mut self.phase, Phase::Over) else {
            return Err(UaError::State);
        };
        let mut dialog = offered.dialog;
        dialog.early = false;
        let hop = dialog.next_hop();
        self.phase = Phase::Talking(Box::new(Talking::callee(dialog, answer)));
        self.follow_hop(cx, hop);
        self.announce_media(cx);
        self.report(cx, CallState::Answered, 200, "OK");
        Ok(())
    }

    pub fn command_reject(
        &mut self,
        cx: &mut Cx<'_>,
        code: u16,
        reason: Option<&str>,
    ) -> Result<(), UaError> {
        if !(400..=699).contains(&code) || code == 401 || code == 407 {
            return Err(UaError::Range);
        }
        self.refuse(cx, code, reason, EndedBy::Local, |b| b)
    }
    pub fn command_redirect(&mut self, cx: &mut Cx<'_>, target: &str) -> Result<(), UaError> {
        let contact = format!("<{target}>");
        self.refuse(cx, 302, None, EndedBy::Local, |b| b.header(HeaderName::Contact, &contact))
    }
    /// Ends an unanswered incoming call: 603 for the host, 480 for the engine's own reasons.
    pub(super) fn decline(&mut self, cx: &mut Cx<'_>, why: EndInfo) -> Result<(), UaError> {
        match why.by {
            EndedBy::Local if why.cause == EndCause::Hangup => {
                self.refuse(cx, 603, None, EndedBy::Local, |b| b)
            }
            _ => {
                self.reply(cx, 480, None, |b| b);
                self.finish(cx, EndInfo { sip_code: 480, ..why });
                Ok(())
            }
        }
    }
    fn refuse(
        &mut self,
        cx: &mut Cx<'_>,
        code: u16,
        reason: Option<&str>,
        by: EndedBy,
        fill: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
    ) -> Result<(), UaError> {
        if !self.announced || self.offered().is_none() || !self.reply(cx, code, reason, fill) {
            return Err(UaError::State);
        }
        let reason = reason.unwrap_or_default().into();
        self.finish(cx, EndInfo { sip_code: code, reason, ..end(cause_of(code), by) });
        Ok(())
    }
    /// Responds to the INVITE.
    fn reply(
        &mut self,
        cx: &mut Cx<'_>,
        status: u16,
        reason: Option<&str>,
        fill: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
    ) -> bool {
        let Phase::Offered(offered) = &self.phase else { return false };
        cx.base.reply(cx.now, offered.server, status, reason, &self.local_tag, fill)
    }

    // What ends it from outside.

    pub(super) fn on_ring_timeout(&mut self, cx: &mut Cx<'_>) {
        let _ = self.refuse(cx, 480, None, EndedBy::Engine, |b| b);
    }
    /// CANCEL, or a BYE of a caller that doesn't wait for the answer (RFC 3261 sections 9.2, 15.1.2).
    pub fn on_cancelled(&mut self, cx: &mut Cx<'_>, request: &Message) {
        if self.offered().is_none() {
            return;
        }
        self.reply(cx, 487, None, |b| b);
        let reason_header = reason_header(request);
        self.finish(
            cx,
            EndInfo { sip_code: 487, reason_header, ..end(EndCause::Cancelled, EndedBy::Remote) },
        );
    }
}

fn describe(invitation: &Invitation<'_>, sip_call_id: Arc<str>) -> CallInfo {
    let message = invitation.message;
    let from = message.party(HeaderName::From);
    let to = message.party(HeaderName::To);
    let uri = from.as_ref().map(|f| f.uri_text.into()).unwrap_or_default();
    CallInfo {
        direction: CallDirection::Incoming,
        account: invitation.account,
        remote_name: from.and_then(|f| f.display()).unwrap_or_default().into(),
        remote_uri: uri,
        local_uri: to.map(|t| t.uri_text.into()).unwrap_or_else(|| sip_uri("", "invalid").into()),
        sip_call_id,
        invite: message.raw().into(),
    }
}
