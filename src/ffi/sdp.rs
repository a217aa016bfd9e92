//! Session descriptions by themselves: parse, walk, change, write, negotiate (RFC 8866, RFC 3264).

use super::alone::{self, alone};
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use super::types::*;
use crate::proto::sdp::formats::{formats_of_list, payload_formats};
use crate::proto::sdp::{
    accept_answer, answer, offer, Attribute, Connection, Direction, Keying, LocalMedia, Media,
    NegotiateError, Negotiated, SessionDescription,
};
use crate::util::Rng;
use std::ffi::c_char;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr};

/// A session description. The host frees it with `voip_sdp_free`.
pub struct voip_sdp {
    _private: (),
}

alone!(SessionDescription, voip_sdp, b'd', "SDP");

/// One `m=` line and what holds for it. Begin with `VOIP_SDP_MEDIA_INIT`. Longer texts are cut.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_sdp_media {
    /// sizeof(voip_sdp_media).
    pub size: usize,
    /// 0: refused or closed.
    pub port: i32,
    /// How many ports, 1 as a rule.
    pub port_count: i32,
    /// A `voip_media_direction`, of the media or else of the session, seen from the describing side.
    pub direction: i32,
    /// A `voip_rtp_protocol`, -1 for one that is not known.
    pub protocol: i32,
    /// Formats in the line.
    pub format_count: usize,
    /// Attribute lines of this media.
    pub attribute_count: usize,
    /// `audio`, `video`, …
    pub kind: [c_char; 32],
    /// The transport as written, `RTP/AVP`.
    pub protocol_name: [c_char; 64],
    /// The address of `c=` of the media or else of the session, empty without one.
    pub address: [c_char; 64],
}

// SAFETY: the size is first, all members are numbers and arrays of them.
unsafe impl SizeFirst for voip_sdp_media {
    const NAME: &'static str = "voip_sdp_media";
}

/// One payload format of a media. Begin with `VOIP_SDP_FORMAT_INIT`. Longer texts are cut.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_sdp_format {
    /// sizeof(voip_sdp_format).
    pub size: usize,
    pub payload_type: i32,
    /// Of the RTP timestamp, in Hz.
    pub clock_rate: u32,
    /// Of the samples, in Hz (G722: 16000).
    pub audio_rate: u32,
    pub channels: u32,
    /// Encoding name.
    pub name: [c_char; 64],
    /// The text of `a=fmtp`, empty without one.
    pub fmtp: [c_char; 256],
}

// SAFETY: the size is first, all members are numbers and arrays of them.
unsafe impl SizeFirst for voip_sdp_format {
    const NAME: &'static str = "voip_sdp_format";
}

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

/// Parses a session description; lines may end with LF alone.
///
/// @param data the text.
/// @param len bytes of it.
/// @param out gets the handle; free it with `voip_sdp_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _PARSE (the sentence says the byte and what was expected there), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_parse(data: *const u8, len: usize, out: *mut *mut voip_sdp) -> voip_status {
    guard(|| {
        let parse = || {
            let bytes = unsafe { alone::bytes(data, len, "data") }?;
            SessionDescription::parse(bytes).map_err(|e| alone::parse_error("SDP", &e))
        };
        unsafe { alone::make(out, parse) }
    })
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

/// Frees a description.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_free(sdp: *mut voip_sdp) -> voip_status {
    guard(|| alone::free::<SessionDescription>(sdp))
}

/// Counts the `m=` lines.
///
/// @param count gets the number.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_count_media(sdp: *mut voip_sdp, count: *mut usize) -> voip_status {
    guard(|| {
        let n = alone::with(sdp, |s: &mut SessionDescription| Ok(s.media.len()))?;
        unsafe { strings::write(count, "count", n) }
    })
}

/// Tells one `m=` line.
///
/// @param index from 0.
/// @param media gets it.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE (no such media), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_get_media(
    sdp: *mut voip_sdp,
    index: usize,
    media: *mut voip_sdp_media,
) -> voip_status {
    guard(|| {
        let told = alone::with(sdp, |s: &mut SessionDescription| tell_media(s, index))?;
        unsafe { sized::write(media, &told) }
    })
}

/// Tells one payload format of a media: rtpmap and fmtp, or RFC 3551 for a static type.
///
/// @param media index of the `m=` line.
/// @param index from 0; formats that are no payload types or have no meaning are skipped.
/// @param format gets it.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE (no such media or format), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_get_format(
    sdp: *mut voip_sdp,
    media: usize,
    index: usize,
    format: *mut voip_sdp_format,
) -> voip_status {
    guard(|| {
        let formats = alone::with(sdp, |s: &mut SessionDescription| Ok(payload_formats(find(s, media)?)))?;
        let Some(found) = formats.get(index) else {
            return Err(Fail::range(format!("media {media} has {} formats, not {index}", formats.len())));
        };
        let told = voip_sdp_format {
            size: size_of::<voip_sdp_format>(),
            payload_type: i32::from(found.payload_type),
            clock_rate: found.clock_rate,
            audio_rate: found.audio_rate(),
            channels: u32::from(found.channels),
            name: alone::array(&found.name),
            fmtp: alone::array(found.fmtp.as_deref().unwrap_or("")),
        };
        unsafe { sized::write(format, &told) }
    })
}

/// Tells the value of an attribute, empty for a flag like `sendonly`.
///
/// @param media index of the `m=` line, -1: of the session.
/// @param name like `rtpmap`, without case.
/// @param index 0 for the first of that name.
/// @param buf gets the value with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (no such attribute), _RANGE, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_get_attribute(
    sdp: *mut voip_sdp,
    media: i32,
    name: *const c_char,
    index: usize,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let name = unsafe { strings::filled(name, "name") }?;
        alone::with(sdp, |s: &mut SessionDescription| {
            let list = attributes(s, media)?;
            let found = list.iter().filter(|a| a.name.eq_ignore_ascii_case(name)).nth(index);
            let Some(attribute) = found else {
                return Err(Fail::argument(format!("there is no attribute {name} number {index}")));
            };
            let value = attribute.value.as_deref().unwrap_or("");
            unsafe { strings::put(value.as_bytes(), buf, len, needed) }
        })
    })
}

/// Adds an attribute as the last one.
///
/// @param media index of the `m=` line, -1: of the session.
/// @param name of the attribute.
/// @param value NULL: a flag without a value.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (CR or LF), _RANGE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_add_attribute(
    sdp: *mut voip_sdp,
    media: i32,
    name: *const c_char,
    value: *const c_char,
) -> voip_status {
    guard(|| {
        let name = unsafe { strings::filled(name, "name") }?;
        if name.contains(':') {
            return Err(Fail::argument(format!("attribute name \"{name}\" has a colon")));
        }
        let attribute = match unsafe { strings::optional(value, "value") }? {
            Some(value) => Attribute::new(name, value),
            None => Attribute::flag(name),
        };
        alone::with(sdp, |s: &mut SessionDescription| {
            attributes(s, media)?.push(attribute);
            Ok(())
        })
    })
}

/// Takes away all attributes of a name.
///
/// @param media index of the `m=` line, -1: of the session.
/// @param name without case.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (there is none), _RANGE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_remove_attribute(
    sdp: *mut voip_sdp,
    media: i32,
    name: *const c_char,
) -> voip_status {
    guard(|| {
        let name = unsafe { strings::filled(name, "name") }?;
        alone::with(sdp, |s: &mut SessionDescription| {
            let list = attributes(s, media)?;
            let before = list.len();
            list.retain(|a| !a.name.eq_ignore_ascii_case(name));
            match list.len() == before {
                true => Err(Fail::argument(format!("there is no attribute {name}"))),
                false => Ok(()),
            }
        })
    })
}

/// Moves a media to another address: its `c=` line and its port.
///
/// @param media index of the `m=` line.
/// @param address IPv4 or IPv6; NULL keeps it.
/// @param port 0 refuses or closes the media; -1 keeps it.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _RANGE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_set_address(
    sdp: *mut voip_sdp,
    media: usize,
    address: *const c_char,
    port: i32,
) -> voip_status {
    guard(|| {
        let address = unsafe { strings::optional(address, "address") }?.map(ip).transpose()?;
        let port = if port == -1 { None } else { Some(strings::port(port, "port")?) };
        alone::with(sdp, |s: &mut SessionDescription| {
            let count = s.media.len();
            let media = s.media.get_mut(media).ok_or_else(|| no_media(media, count))?;
            if let Some(ip) = address {
                media.connection = Some(Connection::new(ip));
            }
            media.port = port.unwrap_or(media.port);
            Ok(())
        })
    })
}

/// Tells in a few lines what the description says, for people: the session, then each media with its address, direction,
/// formats and what else matters. Keys are left out.
///
/// @param buf gets the text with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_get_summary(
    sdp: *mut voip_sdp,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        alone::with(sdp, |s: &mut SessionDescription| unsafe {
            strings::put(s.summary().as_bytes(), buf, len, needed)
        })
    })
}

/// Writes the description with CRLF line ends.
///
/// @param buf gets the text with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sdp_write(
    sdp: *mut voip_sdp,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        alone::with(sdp, |s: &mut SessionDescription| {
            s.check().map_err(|e| alone::refused("SDP", &e))?;
            unsafe { strings::put(s.write().as_bytes(), buf, len, needed) }
        })
    })
}

fn no_media(index: usize, count: usize) -> Fail {
    Fail::range(format!("the description has {count} media, not {index}"))
}

fn find(sdp: &SessionDescription, index: usize) -> FfiResult<&Media> {
    sdp.media.get(index).ok_or_else(|| no_media(index, sdp.media.len()))
}

fn attributes(sdp: &mut SessionDescription, media: i32) -> FfiResult<&mut Vec<Attribute>> {
    let Ok(index) = usize::try_from(media) else {
        return match media {
            -1 => Ok(&mut sdp.attributes),
            other => Err(Fail::range(format!("media {other}: only -1 may be negative"))),
        };
    };
    let count = sdp.media.len();
    sdp.media.get_mut(index).map(|m| &mut m.attributes).ok_or_else(|| no_media(index, count))
}

fn tell_media(sdp: &SessionDescription, index: usize) -> FfiResult<voip_sdp_media> {
    let media = find(sdp, index)?;
    Ok(voip_sdp_media {
        size: size_of::<voip_sdp_media>(),
        port: i32::from(media.port),
        port_count: i32::from(media.port_count),
        direction: direction_number(sdp.direction(index)),
        protocol: super::rtp_protocol::number(&media.protocol).unwrap_or(-1),
        format_count: media.formats.len(),
        attribute_count: media.attributes.len(),
        kind: alone::array(&media.kind),
        protocol_name: alone::array(&media.protocol),
        address: alone::array(sdp.connection_of(index).map_or("", |c| &c.address)),
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

fn ip(text: &str) -> FfiResult<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| Fail::argument(format!("address \"{text}\" is no IPv4 or IPv6 address")))
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
