//! Offer and answer of descriptions by themselves (RFC 3264).

use super::alone;
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::sdp::{ip, voip_sdp};
use super::sized::{self, SizeFirst};
use super::strings;
use super::types::*;
use crate::proto::sdp::formats::formats_of_list;
use crate::proto::sdp::{
    accept_answer, answer, offer, Direction, Keying, LocalMedia, NegotiateError, Negotiated,
    SessionDescription,
};
use crate::util::Rng;
use std::ffi::c_char;
use std::mem::size_of;
use std::net::SocketAddr;

/// What this side can do. Begin with `VOIP_SDP_LOCAL_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_sdp_local {
    /// sizeof(voip_sdp_local).
    pub size: usize,
    /// IPv4 or IPv6 address for the audio.
    pub address: *const c_char,
    /// Port for the audio.
    pub port: i32,
    /// By preference, `name` or `name/rate` or `name/rate/channels`: `PCMU,PCMA,opus/48000/2,telephone-event`.
    pub codecs: *const c_char,
    /// 0: 20.
    pub ptime_ms: u32,
    /// A `voip_media_direction`.
    pub direction: i32,
    /// Of the `o=` line; 0: a fresh one.
    pub session_id: u64,
    /// Of the `o=` line.
    pub version: u64,
}

// SAFETY: the size is first, zero is a valid value of all members.
unsafe impl SizeFirst for voip_sdp_local {
    const NAME: &'static str = "voip_sdp_local";
}

/// What offer and answer agreed on. Begin with `VOIP_SDP_AGREED_INIT`. Longer texts are cut.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_sdp_agreed {
    /// sizeof(voip_sdp_agreed).
    pub size: usize,
    /// Which `m=` line.
    pub media_index: usize,
    /// The way of the audio, a `voip_media_direction`.
    pub direction: i32,
    pub ptime_ms: u32,
    /// What is sent: payload type of the first codec in common.
    pub payload_type: i32,
    /// What is received for it.
    pub receive_payload_type: i32,
    /// Of the RTP timestamp, in Hz.
    pub clock_rate: u32,
    /// Of the samples, in Hz.
    pub audio_rate: u32,
    pub channels: u32,
    /// Codecs in common.
    pub codec_count: u32,
    /// Payload type for keys that are sent, -1: none.
    pub telephone_event: i32,
    /// Payload type for keys that come, -1: none.
    pub telephone_event_receive: i32,
    /// Of the other side; 0 while there is none (hold of the old kind).
    pub remote_port: i32,
    pub remote_rtcp_port: i32,
    pub remote_address: [c_char; 64],
    pub remote_rtcp_address: [c_char; 64],
    /// Encoding name of the first codec.
    pub name: [c_char; 64],
    /// Its `a=fmtp` of the other side.
    pub fmtp: [c_char; 256],
}

// SAFETY: the size is first, all members are numbers and arrays of them.
unsafe impl SizeFirst for voip_sdp_agreed {
    const NAME: &'static str = "voip_sdp_agreed";
}

/// Makes an offer of one audio stream (RFC 3264 section 5).
///
/// @param local what this side can do.
/// @param previous the description that is in force, for an offer within a session; NULL for the first.
/// @param out gets the handle; free it with `voip_sdp_free`.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _HANDLE, _BUSY, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_offer(
    local: *const voip_sdp_local,
    previous: *mut voip_sdp,
    out: *mut *mut voip_sdp,
) -> voip_status {
    guard(|| {
        let make = || {
            let local = unsafe { read_local(local) }?;
            match previous.is_null() {
                true => Ok(offer(&local, None)),
                false => alone::with(previous, |before| Ok(offer(&local, Some(before)))),
            }
        };
        unsafe { alone::make(out, make) }
    })
}

/// Answers an offer (RFC 3264 section 6): the codecs in common in the order of the offer; other media are refused.
///
/// @param offer_sdp the offer.
/// @param local what this side can do.
/// @param agreed gets what was agreed; may be NULL.
/// @param out gets the answer; free it with `voip_sdp_free`.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _NO_CODEC (nothing in common: 488), _BUSY, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_negotiate(
    offer_sdp: *mut voip_sdp,
    local: *const voip_sdp_local,
    agreed: *mut voip_sdp_agreed,
    out: *mut *mut voip_sdp,
) -> voip_status {
    guard(|| {
        let make = || {
            let local = unsafe { read_local(local) }?;
            let (sdp, outcome) = alone::with(offer_sdp, |offer| answer(&local, offer).map_err(disagreed))?;
            unsafe { write_agreed(agreed, &outcome) }?;
            Ok(sdp)
        };
        unsafe { alone::make(out, make) }
    })
}

/// Takes the answer to an offer of this side.
///
/// @param offer_sdp what `voip_sdp_offer` made.
/// @param answer_sdp what came back.
/// @param local what the offer was made of.
/// @param agreed gets what was agreed.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _NO_CODEC, _PROTOCOL (it does not fit the offer), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_accept_answer(
    offer_sdp: *mut voip_sdp,
    answer_sdp: *mut voip_sdp,
    local: *const voip_sdp_local,
    agreed: *mut voip_sdp_agreed,
) -> voip_status {
    guard(|| {
        let local = unsafe { read_local(local) }?;
        let answer = alone::with(answer_sdp, |answer: &mut SessionDescription| Ok(answer.clone()))?;
        let outcome =
            alone::with(offer_sdp, |offer| accept_answer(&local, offer, &answer).map_err(disagreed))?;
        if agreed.is_null() {
            return Err(Fail::null("agreed"));
        }
        unsafe { write_agreed(agreed, &outcome) }
    })
}

const DIRECTIONS: [Direction; 4] =
    [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];

pub(crate) fn direction_number(direction: Direction) -> i32 {
    (match direction {
        Direction::SendRecv => voip_media_direction::VOIP_MEDIA_SENDRECV,
        Direction::SendOnly => voip_media_direction::VOIP_MEDIA_SENDONLY,
        Direction::RecvOnly => voip_media_direction::VOIP_MEDIA_RECVONLY,
        Direction::Inactive => voip_media_direction::VOIP_MEDIA_INACTIVE,
    }) as i32
}

unsafe fn read_local(local: *const voip_sdp_local) -> FfiResult<LocalMedia> {
    let local = unsafe { sized::read(local) }?;
    let address = ip(unsafe { strings::filled(local.address, "address") }?)?;
    let codecs = unsafe { strings::filled(local.codecs, "codecs") }?;
    let direction = DIRECTIONS.into_iter().find(|d| direction_number(*d) == local.direction);
    let direction =
        direction.ok_or_else(|| Fail::argument(format!("direction {} is unknown", local.direction)))?;
    let ptime_ms = if local.ptime_ms == 0 { 20 } else { local.ptime_ms };
    Ok(LocalMedia {
        address: SocketAddr::new(address, strings::port(local.port, "port")?),
        codecs: formats_of_list(codecs).map_err(|e| alone::refused("codecs", &e))?.into(),
        ptime_ms: strings::within(ptime_ms, 5, 200, "ptime", " ms")?,
        direction,
        // 62 bits: some peers read the number as a signed one.
        session_id: match local.session_id {
            0 => alone::rng().next_u64() >> 2,
            id => id,
        },
        version: local.version,
        // What is negotiated by itself has no keys.
        keying: Keying::default(),
        ssrc: None,
        rtcp_mux: false,
    })
}

fn disagreed(error: NegotiateError) -> Fail {
    let (status, text) = match error {
        NegotiateError::NoCommonCodec => (voip_status::VOIP_ERR_NO_CODEC, "no codec in common"),
        NegotiateError::NoAudio => {
            (voip_status::VOIP_ERR_NO_CODEC, "no audio over RTP/AVP that is not refused")
        }
        NegotiateError::NoSecurity => (voip_status::VOIP_ERR_NO_CODEC, "no audio that is not under SRTP"),
        NegotiateError::BadAnswer => (voip_status::VOIP_ERR_PROTOCOL, "the answer does not fit the offer"),
    };
    Fail::new(status, text)
}

unsafe fn write_agreed(agreed: *mut voip_sdp_agreed, outcome: &Negotiated) -> FfiResult {
    if agreed.is_null() {
        return Ok(());
    }
    let Some(first) = outcome.codecs.first() else {
        return Err(disagreed(NegotiateError::NoCommonCodec));
    };
    let receive = outcome.receive.first().unwrap_or(first);
    let port = |a: Option<SocketAddr>| a.map_or(0, |a| i32::from(a.port()));
    let host = |a: Option<SocketAddr>| alone::array(&a.map(|a| a.ip().to_string()).unwrap_or_default());
    let told = voip_sdp_agreed {
        size: size_of::<voip_sdp_agreed>(),
        media_index: outcome.media_index,
        direction: direction_number(outcome.direction),
        ptime_ms: outcome.ptime_ms,
        payload_type: i32::from(first.payload_type),
        receive_payload_type: i32::from(receive.payload_type),
        clock_rate: first.clock_rate,
        audio_rate: first.audio_rate(),
        channels: u32::from(first.channels),
        codec_count: outcome.codecs.len() as u32,
        telephone_event: outcome.telephone_event.map_or(-1, i32::from),
        telephone_event_receive: outcome.telephone_event_receive.map_or(-1, i32::from),
        remote_port: port(outcome.remote),
        remote_rtcp_port: port(outcome.remote_rtcp),
        remote_address: host(outcome.remote),
        remote_rtcp_address: host(outcome.remote_rtcp),
        name: alone::array(&first.name),
        fmtp: alone::array(first.fmtp.as_deref().unwrap_or("")),
    };
    unsafe { sized::write(agreed, &told) }
}
