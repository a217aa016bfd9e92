//! Offer and answer of one call: what was said, what holds, which version comes next (RFC 3264).

use super::super::api::*;
use super::super::base::Base;
use crate::proto::sdp::{
    self, accept_answer, answer, offer, Direction, Keying, LocalMedia, NegotiateError, Negotiated,
    SessionDescription, SrtpMode,
};
use core::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Why a description can't be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::ua) enum MediaError {
    /// No SDP at all.
    Unreadable,
    Negotiate(NegotiateError),
}

impl MediaError {
    /// What refuses an offer like that.
    pub fn status(self) -> u16 {
        match self {
            MediaError::Unreadable => 400,
            MediaError::Negotiate(_) => 488,
        }
    }
    pub fn cause(self) -> EndCause {
        match self {
            MediaError::Unreadable | MediaError::Negotiate(NegotiateError::BadAnswer) => EndCause::Protocol,
            MediaError::Negotiate(_) => EndCause::NoCodec,
        }
    }
}

/// An offer of the peer's, read once.
pub(in crate::ua) struct Offer {
    text: Arc<[u8]>,
    description: SessionDescription,
}

impl Offer {
    pub fn read(text: &[u8]) -> Result<Offer, MediaError> {
        let description = SessionDescription::parse(text).map_err(|_| MediaError::Unreadable)?;
        Ok(Offer { text: text.into(), description })
    }

    /// Would we find something in common? Asked before there is a stream, so with any address. Where it wants its
    /// packets.
    pub fn check(&self, base: &mut Base, srtp: SrtpMode) -> Result<Option<IpAddr>, MediaError> {
        let local = LocalMedia {
            address: SocketAddr::from(([127, 0, 0, 1], 9)),
            codecs: base.codecs.clone(),
            ptime_ms: base.config.ptime_ms,
            direction: Direction::SendRecv,
            session_id: 0,
            version: 0,
            keying: Keying::generate(srtp, &base.config.srtp_suites, base.rng.as_mut()),
            ssrc: None,
            rtcp_mux: base.config.rtcp_mux,
        };
        let remote = sdp::check_offer(&local, &self.description).map_err(MediaError::Negotiate)?;
        Ok(remote.map(|r| r.ip()))
    }
}

/// The media of a call as its signalling sees them.
pub(super) struct Media {
    session_id: u64,
    local: Option<SocketAddr>,
    ssrc: Option<u32>,
    srtp: SrtpMode,
    /// Ours for SRTP: made on first need, new ones after the stream has been plain.
    keying: Option<Keying>,
    /// What the host wants, seen from us.
    pub want: Direction,
    /// What our last description was written for.
    said: Direction,
    /// What the last completed exchange was written for.
    agreed: Direction,
    /// Our last description, offer or answer, as it was written: the next one counts on from it.
    ours: Option<Arc<[u8]>>,
    /// The version of that one.
    version: u64,
    /// Our offer that waits for its answer.
    offered: Option<Box<SessionDescription>>,
    theirs_text: Arc<[u8]>,
    stream: Option<Arc<StreamConfig>>,
    held_by_peer: bool,
    told: Option<(Arc<StreamConfig>, bool, bool)>,
    /// The stream is closed; a description may still come, for an exchange that was under way.
    closed: bool,
}

impl Media {
    pub fn new(base: &mut Base, srtp: SrtpMode) -> Media {
        Media {
            // RFC 8866 section 5.2: a number that fits 63 bits everywhere.
            session_id: base.rng.next_u64() >> 2,
            local: None,
            ssrc: None,
            srtp,
            keying: None,
            want: Direction::SendRecv,
            said: Direction::SendRecv,
            agreed: Direction::SendRecv,
            ours: None,
            version: 1,
            offered: None,
            theirs_text: Arc::from(&[][..]),
            stream: None,
            held_by_peer: false,
            told: None,
            closed: false,
        }
    }

    pub fn open(&mut self, local: SocketAddr, ssrc: Option<u32>) {
        self.local = Some(local);
        self.ssrc = ssrc;
    }
    pub fn close(&mut self) {
        self.closed = true;
    }
    pub fn is_agreed(&self) -> bool {
        self.stream.is_some()
    }
    pub fn has_pending_offer(&self) -> bool {
        self.offered.is_some()
    }
    /// Does our last description say what the host wants now?
    pub fn is_current(&self) -> bool {
        self.said == self.want
    }

    fn local_media(&mut self, base: &mut Base) -> Option<LocalMedia> {
        let generate = || Keying::generate(self.srtp, &base.config.srtp_suites, base.rng.as_mut());
        let keying = self.keying.get_or_insert_with(generate).clone();
        Some(LocalMedia {
            keying,
            rtcp_mux: base.config.rtcp_mux,
            address: self.local?,
            codecs: base.codecs.clone(),
            ptime_ms: base.config.ptime_ms,
            direction: self.want,
            session_id: self.session_id,
            version: self.version,
            ssrc: self.ssrc,
        })
    }

    /// Writes an offer; the same one again (session refresh) when nothing has changed.
    pub fn make_offer(&mut self, base: &mut Base) -> Option<String> {
        let local = self.local_media(base)?;
        let description = offer(&local, self.previous().as_ref());
        let text = self.say(&description);
        self.offered = Some(Box::new(description));
        Some(text)
    }
    /// Our last description, which is read again: few calls write a second one, and all would keep it.
    fn previous(&self) -> Option<SessionDescription> {
        self.ours.as_deref().and_then(|text| SessionDescription::parse(text).ok())
    }
    fn say(&mut self, description: &SessionDescription) -> String {
        let text = description.write();
        self.ours = Some(text.as_bytes().into());
        self.version = description.origin.version;
        self.said = self.want;
        text
    }
    /// The offer came to nothing: what was agreed before still holds (RFC 3261 section 14.1).
    pub fn withdraw_offer(&mut self) {
        self.offered = None;
        self.want = self.agreed;
        self.said = self.agreed;
    }
    /// The offer met one of the peer's (491) and is made again later.
    pub fn postpone_offer(&mut self) {
        self.offered = None;
        self.said = self.agreed;
    }

    /// The peer's answer to our offer. The offer stays open for another fork's answer until [`Self::settle`].
    pub fn take_answer(&mut self, base: &mut Base, body: &[u8]) -> Result<(), MediaError> {
        let local = self.local_media(base).ok_or(MediaError::Unreadable)?;
        let theirs = SessionDescription::parse(body).map_err(|_| MediaError::Unreadable)?;
        let offered = self.offered.as_deref().ok_or(MediaError::Negotiate(NegotiateError::BadAnswer))?;
        let outcome = accept_answer(&local, offered, &theirs).map_err(MediaError::Negotiate)?;
        self.adopt(outcome, &theirs, body.into());
        Ok(())
    }
    pub fn settle(&mut self) {
        self.offered = None;
        self.agreed = self.said;
    }

    /// Answers the peer's offer.
    pub fn make_answer(&mut self, base: &mut Base, offer: &Offer) -> Result<String, MediaError> {
        let local = self.local_media(base).ok_or(MediaError::Unreadable)?;
        let (mut description, outcome) = answer(&local, &offer.description).map_err(MediaError::Negotiate)?;
        if let Some(previous) = self.previous() {
            description.follow_version(&previous);
        }
        let text = self.say(&description);
        self.agreed = self.want;
        self.adopt(outcome, &offer.description, offer.text.clone());
        Ok(text)
    }

    fn adopt(&mut self, outcome: Negotiated, theirs: &SessionDescription, text: Arc<[u8]>) {
        // A key stream must not begin anew: keys that were in use and are not any more never come back.
        if outcome.keys.is_none() && self.stream.as_ref().is_some_and(|s| s.srtp.is_some()) {
            self.keying = None;
        }
        self.held_by_peer = outcome.remote.is_none() || !theirs.direction(outcome.media_index).receives();
        self.stream = stream_of(outcome).map(Arc::new);
        self.theirs_text = text;
    }

    /// Tells the host once more what holds: a change that it asked for was refused.
    pub fn tell_again(&mut self, base: &mut Base, call: CallId) {
        if let Some((_, held_by_peer, _)) = &mut self.told {
            *held_by_peer = !*held_by_peer;
        }
        self.announce(base, call);
    }

    /// Tells the media worker and the host what holds now, if that is news.
    pub fn announce(&mut self, base: &mut Base, call: CallId) {
        let Some(stream) = self.stream.clone().filter(|_| !self.closed) else { return };
        let news = (stream.clone(), self.held_by_peer, !self.want.receives());
        if self.told.as_ref() == Some(&news) {
            return;
        }
        if self.told.as_ref().map(|t| &t.0) != Some(&stream) {
            base.media(MediaCommand::Configure { call, stream: StreamConfig::clone(&stream) });
        }
        base.event(Event::CallMedia {
            call,
            direction: stream.direction,
            held_by_peer: news.1,
            held_by_us: news.2,
            codec: stream.codec.name.clone(),
            srtp: stream.srtp.as_ref().map(|keys| keys.send.profile()),
            remote: stream.remote,
            sdp: self.theirs_text.clone(),
            own_sdp: self.ours.clone().unwrap_or_default(),
        });
        self.told = Some(news);
    }
}

/// None: nothing but telephone-event and comfort noise in common.
fn stream_of(outcome: Negotiated) -> Option<StreamConfig> {
    let codec = outcome.codecs.iter().find(|c| !is_auxiliary(&c.name))?.clone();
    Some(StreamConfig {
        remote: outcome.remote,
        remote_rtcp: outcome.remote_rtcp,
        codec,
        receive: outcome.receive,
        telephone_event: outcome.telephone_event,
        telephone_event_receive: outcome.telephone_event_receive,
        ptime_ms: outcome.ptime_ms,
        direction: outcome.direction,
        srtp: outcome.keys,
        remote_ssrc: outcome.remote_ssrc,
        rtcp_mux: outcome.rtcp_mux,
    })
}

fn is_auxiliary(name: &str) -> bool {
    name.eq_ignore_ascii_case("telephone-event") || name.eq_ignore_ascii_case("CN")
}
