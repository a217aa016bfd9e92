//! The peer's requests in a dialog (RFC 3261 section 12.2.2): BYE, re-INVITE, UPDATE, INFO, NOTIFY, REFER.

use super::super::api::*;
use super::super::base::{Cx, DTMF_RELAY, SDP};
use super::super::message;
use super::super::request::{answer_options, retry_later};
use super::media::Offer;
use super::*;
use crate::proto::sip::transaction::ServerKey;

impl Call {
    /// A request with our tag in To. False: it belongs to no dialog of this call (481 is due).
    pub fn on_request(&mut self, cx: &mut Cx<'_>, key: ServerKey, message: &Message) -> bool {
        let dialog = match &mut self.phase {
            Phase::Calling(_) => self.early_dialog(message),
            Phase::Offered(offered) => Some(&mut offered.dialog),
            Phase::Talking(talking) => Some(&mut talking.dialog),
            Phase::Over => None,
        };
        let Some(dialog) = dialog.filter(|d| d.matches(message)) else { return false };
        if !dialog.accept_cseq(message.cseq()) {
            retry_later(cx.base, cx.now, key, 500, &self.local_tag);
            return true;
        }
        match message.method() {
            Method::Bye => self.on_peer_bye(cx, key, message),
            Method::Invite => self.on_peer_invite(cx, key, message),
            Method::Update => self.on_peer_update(cx, key, message),
            Method::Info => self.on_peer_info(cx, key, message),
            Method::Notify => self.on_peer_notify(cx, key, message),
            Method::Options => answer_options(cx.base, cx.now, key, &self.local_tag),
            // A call that lets itself be sent elsewhere by its peer is a later feature.
            Method::Refer => self.plain(cx, key, 603),
            Method::Subscribe => self.plain(cx, key, 489),
            Method::Prack => self.plain(cx, key, 481),
            Method::Message => {
                message::receive(cx.base, cx.now, key, message, self.account, &self.local_tag);
            }
            _ => {
                let allow = cx.base.allow();
                let tag = &self.local_tag;
                cx.base.reply(cx.now, key, 405, None, tag, |b| b.header(HeaderName::Allow, allow));
            }
        }
        true
    }
    fn plain(&self, cx: &mut Cx<'_>, key: ServerKey, status: u16) {
        cx.base.reply(cx.now, key, status, None, &self.local_tag, |b| b);
    }

    /// RFC 3261 section 15.1.2.
    fn on_peer_bye(&mut self, cx: &mut Cx<'_>, key: ServerKey, message: &Message) {
        match &self.phase {
            Phase::Talking(_) => {
                self.plain(cx, key, 200);
                self.on_bye(cx, reason_header(message));
            }
            Phase::Offered(_) => {
                self.plain(cx, key, 200);
                self.on_cancelled(cx, message);
            }
            // A callee may not end an early dialog with BYE: it has final responses for that.
            Phase::Calling(_) | Phase::Over => self.plain(cx, key, 481),
        }
    }

    /// RFC 3261 section 14.2.
    fn on_peer_invite(&mut self, cx: &mut Cx<'_>, key: ServerKey, message: &Message) {
        let Phase::Talking(talking) = &self.phase else {
            return retry_later(cx.base, cx.now, key, 500, &self.local_tag);
        };
        if talking.leaving.is_some() {
            return self.plain(cx, key, 481);
        }
        if talking.own.is_some() || self.media.has_pending_offer() {
            return self.plain(cx, key, 491);
        }
        let offers = sdp_of(message).is_none();
        let sdp = match sdp_of(message) {
            Some(offer) => Offer::read(offer).and_then(|offer| self.media.make_answer(cx.base, &offer)),
            None => self.media.make_offer(cx.base).ok_or(media::MediaError::Unreadable),
        };
        let sdp = match sdp {
            Ok(sdp) => sdp,
            Err(error) => return self.refuse_offer(cx, key, error),
        };
        self.refresh(cx, message);
        let answer = self.answer_invite(cx, key, &sdp, offers);
        if let Some(talking) = self.talking() {
            talking.answer = answer;
        }
        if !offers {
            self.announce_media(cx);
        }
    }
    fn refuse_offer(&self, cx: &mut Cx<'_>, key: ServerKey, error: media::MediaError) {
        cx.base.reply(cx.now, key, error.status(), None, &self.local_tag, |b| b);
    }
    fn refresh(&mut self, cx: &mut Cx<'_>, message: &Message) {
        let Some(talking) = self.talking() else { return };
        talking.dialog.refresh_target(message);
        let hop = talking.dialog.next_hop();
        self.follow_hop(cx, hop);
    }

    /// RFC 3311 section 5.2.
    fn on_peer_update(&mut self, cx: &mut Cx<'_>, key: ServerKey, message: &Message) {
        let sdp = match (&self.phase, sdp_of(message)) {
            (Phase::Over, _) => return self.plain(cx, key, 481),
            (_, None) => None,
            // The offer of the INVITE has no final answer yet.
            (Phase::Calling(_), Some(_)) => return self.plain(cx, key, 491),
            (Phase::Offered(_), Some(_)) => return retry_later(cx.base, cx.now, key, 500, &self.local_tag),
            (Phase::Talking(talking), Some(_)) if talking.own.is_some() || self.media.has_pending_offer() => {
                return self.plain(cx, key, 491);
            }
            (Phase::Talking(talking), Some(_)) if talking.leaving.is_some() => {
                return self.plain(cx, key, 481)
            }
            (Phase::Talking(_), Some(offer)) => {
                let answer = Offer::read(offer).and_then(|offer| self.media.make_answer(cx.base, &offer));
                match answer {
                    Ok(sdp) => Some(sdp),
                    Err(error) => return self.refuse_offer(cx, key, error),
                }
            }
        };
        self.refresh(cx, message);
        let contact = self.local(cx).map(|(_, local)| self.contact(cx, local)).unwrap_or_default();
        let allow = cx.base.allow();
        cx.base.reply(cx.now, key, 200, None, &self.local_tag, |b| {
            let b = b.header(HeaderName::Contact, &contact).header(HeaderName::Allow, allow);
            match &sdp {
                Some(sdp) => b.body(SDP, sdp.as_bytes()),
                None => b,
            }
        });
        if sdp.is_some() {
            self.announce_media(cx);
        }
    }

    /// Keys in either of the two customary bodies; an empty INFO is a keep-alive (RFC 2976 section 2.2).
    fn on_peer_info(&mut self, cx: &mut Cx<'_>, key: ServerKey, message: &Message) {
        let kind = message.header(HeaderName::ContentType).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let text = core::str::from_utf8(message.body()).unwrap_or_default();
        let digit = match kind.as_str() {
            _ if message.body().is_empty() => return self.plain(cx, key, 200),
            DTMF_RELAY => relayed_digit(text),
            "application/dtmf" => digit_of(text.trim()).map(|digit| (digit, DEFAULT_DTMF_MS)),
            _ => {
                let accept = format!("{DTMF_RELAY}, application/dtmf");
                cx.base.reply(cx.now, key, 415, None, &self.local_tag, |b| {
                    b.header(HeaderName::Accept, &accept)
                });
                return;
            }
        };
        let Some((digit, duration_ms)) = digit else { return self.plain(cx, key, 400) };
        self.plain(cx, key, 200);
        if self.announced {
            cx.base.event(Event::Dtmf { call: self.id, digit, duration_ms });
        }
    }

    /// Progress of our REFER (RFC 3515 section 2.4.4, RFC 3420).
    fn on_peer_notify(&mut self, cx: &mut Cx<'_>, key: ServerKey, message: &Message) {
        let event = message.header(HeaderName::Event).unwrap_or_default();
        let event = event.split(';').next().unwrap_or_default().trim();
        let awaited = self.talking().is_some_and(|t| t.transferring);
        if !event.eq_ignore_ascii_case("refer") || !awaited {
            return self.plain(cx, key, 481);
        }
        self.plain(cx, key, 200);
        let state = message.header(HeaderName::SubscriptionState).unwrap_or_default();
        let over = state.trim_start().get(..10).is_some_and(|s| s.eq_ignore_ascii_case("terminated"));
        let (sip_code, reason) = status_line(message.body()).unwrap_or((0, ""));
        let finished = over || sip_code >= 200;
        if let Some(talking) = self.talking() {
            talking.transferring = !finished;
        }
        cx.base.event(Event::Transfer { call: self.id, sip_code, reason: reason.into(), finished });
    }
}

/// What a key without a duration counts as.
const DEFAULT_DTMF_MS: u32 = 160;
/// Longest duration that is believed.
const MAX_DTMF_MS: u32 = 60_000;

/// `Signal=5` and `Duration=160`, in any order.
fn relayed_digit(text: &str) -> Option<(char, u32)> {
    let mut digit = None;
    let mut duration = DEFAULT_DTMF_MS;
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        match name.trim() {
            n if n.eq_ignore_ascii_case("signal") => digit = digit_of(value.trim()),
            n if n.eq_ignore_ascii_case("duration") => duration = value.trim().parse().unwrap_or(duration),
            _ => {}
        }
    }
    Some((digit?, duration.min(MAX_DTMF_MS)))
}

/// A key, or its number in RFC 4733 (10 is `*`, 11 is `#`, 12 to 15 are A to D, 16 is a hook flash).
fn digit_of(text: &str) -> Option<char> {
    let mut chars = text.chars();
    match (chars.next()?, chars.next()) {
        (c, None) => {
            matches!(c, '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d').then(|| c.to_ascii_uppercase())
        }
        _ => match text.parse::<u8>().ok()? {
            10 => Some('*'),
            11 => Some('#'),
            n @ 12..=15 => Some((b'A' + n - 12) as char),
            _ => None,
        },
    }
}

/// `SIP/2.0 180 Ringing`
fn status_line(body: &[u8]) -> Option<(u16, &str)> {
    let text = core::str::from_utf8(body).ok()?;
    let line = text.lines().next()?.trim();
    let mut parts = line.splitn(3, ' ');
    if !parts.next()?.eq_ignore_ascii_case("SIP/2.0") {
        return None;
    }
    let code = parts.next()?.parse().ok().filter(|c| (100..700).contains(c))?;
    Some((code, parts.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_both_customary_forms() {
        assert_eq!(relayed_digit("Signal= 5\r\nDuration= 250\r\n"), Some(('5', 250)));
        assert_eq!(relayed_digit("duration=100\nsignal=*"), Some(('*', 100)));
        assert_eq!(relayed_digit("Signal=11"), Some(('#', DEFAULT_DTMF_MS)));
        assert_eq!(relayed_digit("Signal=x"), None);
        assert_eq!(digit_of("c"), Some('C'));
        assert_eq!(digit_of("16"), None);
    }

    #[test]
    fn a_sipfrag_is_read_as_far_as_its_status_line() {
        assert_eq!(status_line(b"SIP/2.0 180 Ringing\r\nX: y"), Some((180, "Ringing")));
        assert_eq!(status_line(b"SIP/2.0 503"), Some((503, "")));
        assert_eq!(status_line(b"HTTP/1.1 200 OK"), None);
        assert_eq!(status_line(b""), None);
    }
}
