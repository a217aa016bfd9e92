//! Session descriptions by themselves: parse, walk, change, write (RFC 8866).

use super::alone::{self, alone};
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::sdp_negotiate::direction_number;
use super::sized::{self, SizeFirst};
use super::strings;
use crate::proto::sdp::formats::payload_formats;
use crate::proto::sdp::{Attribute, Connection, Media, SessionDescription};
use std::ffi::c_char;
use std::mem::size_of;
use std::net::IpAddr;

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

pub(crate) fn ip(text: &str) -> FfiResult<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| Fail::argument(format!("address \"{text}\" is no IPv4 or IPv6 address")))
}
