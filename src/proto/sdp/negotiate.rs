//! Offer and answer (RFC 3264) for one audio stream; other media are refused with port 0.

use super::{Direction, SessionDescription};
use crate::proto::rtp::PayloadFormat;
use core::net::{IpAddr, SocketAddr};

/// What we bring to the table.
#[derive(Clone, Debug)]
pub struct LocalMedia {
    /// Address and RTP port that the peer shall send to.
    pub address: SocketAddr,
    /// By preference, telephone-event among them. Dynamic payload types are ours as offerer.
    pub codecs: Vec<PayloadFormat>,
    pub ptime_ms: u32,
    pub direction: Direction,
    /// `o=` line: the id stays for the whole call, the version counts changes (RFC 3264 section 8).
    pub session_id: u64,
    pub version: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NegotiateError {
    /// 488.
    NoCommonCodec,
    /// The description has no acceptable audio stream.
    NoAudio,
    /// The answer doesn't fit the offer.
    BadAnswer,
}

/// The outcome for our audio stream.
#[derive(Clone, Debug)]
pub struct Negotiated {
    /// Index of the m= line.
    pub media_index: usize,
    /// Where to send RTP; None while the peer holds with 0.0.0.0 or port 0.
    pub remote: Option<SocketAddr>,
    /// RTCP if announced apart (RFC 3605), otherwise port + 1.
    pub remote_rtcp: Option<SocketAddr>,
    /// First is what we send; all of them may arrive. With the payload types to *send* with.
    pub codecs: Vec<PayloadFormat>,
    /// Payload types under which the peer sends to us (may differ from `codecs` if both chose dynamic types).
    pub receive: Vec<PayloadFormat>,
    /// Payload type for telephone-event that we send with, if agreed.
    pub telephone_event: Option<u8>,
    /// Payload types under which events may arrive.
    pub telephone_event_receive: Option<u8>,
    /// What we send in a packet, after the peer's ptime and maxptime.
    pub ptime_ms: u32,
    /// Seen from us.
    pub direction: Direction,
}

/// Writes an offer. `previous` keeps the m= lines of the last description of the session in place.
pub fn offer(_local: &LocalMedia, _previous: Option<&SessionDescription>) -> SessionDescription {
    todo!()
}

/// Answers an offer: as many m= lines as it has, in their order, the unknown ones with port 0.
pub fn answer(
    _local: &LocalMedia,
    _offer: &SessionDescription,
) -> Result<(SessionDescription, Negotiated), NegotiateError> {
    todo!()
}

/// Takes the peer's answer to our offer.
pub fn accept_answer(
    _local: &LocalMedia,
    _offer: &SessionDescription,
    _answer: &SessionDescription,
) -> Result<Negotiated, NegotiateError> {
    todo!()
}

/// Address family of our `c=` line follows this.
pub fn is_unspecified(ip: IpAddr) -> bool {
    ip.is_unspecified()
}
