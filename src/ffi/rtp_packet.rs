//! RTP packets by themselves: a view of the host's bytes, and written into the host's buffer (RFC 3550 section 5,
//! RFC 8285, RFC 7983). Nothing is allocated, no handle is needed.

use super::alone;
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use crate::proto::rtp::extension::write_element;
use crate::proto::rtp::{
    classify, ExtensionElements, PacketError, PacketKind, RtpBuilder, RtpHeader, RtpPacket, MAX_CSRCS,
};
use std::ffi::c_char;
use std::mem::size_of;
use std::ptr::null;

/// What a datagram is by its first bytes (RFC 7983, RFC 5761).
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_packet_kind {
    /// Empty, or a first byte that no protocol owns.
    VOIP_PACKET_UNKNOWN = 0,
    VOIP_PACKET_STUN = 1,
    VOIP_PACKET_ZRTP = 2,
    VOIP_PACKET_DTLS = 3,
    VOIP_PACKET_TURN_CHANNEL = 4,
    VOIP_PACKET_RTP = 5,
    VOIP_PACKET_RTCP = 6,
}

/// An RTP packet: a view of parsed bytes, or what is to be written. Begin with `VOIP_RTP_PACKET_INIT`.
///
/// After a parse the pointers point into the parsed bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_rtp_packet {
    /// sizeof(voip_rtp_packet).
    pub size: usize,
    /// 2. Not looked at when it is written.
    pub version: u8,
    /// Not 0: the marker bit.
    pub marker: u8,
    /// 0 to 127.
    pub payload_type: u8,
    /// 0 to 15.
    pub csrc_count: u8,
    pub sequence: u16,
    /// Not 0: there is a header extension, perhaps an empty one.
    pub has_extension: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Contributing sources, `csrc_count` of them.
    pub csrc: [u32; 15],
    /// "Defined by profile"; 0xBEDE and 0x1000 to 0x100F are those of RFC 8285.
    pub extension_profile: u32,
    /// Body of the extension.
    pub extension: *const u8,
    /// Bytes of it, a multiple of four.
    pub extension_len: usize,
    /// Without header, extension and padding.
    pub payload: *const u8,
    pub payload_len: usize,
    /// The padding with its count; NULL when written: zeros.
    pub padding: *const u8,
    /// 0 without padding, else up to 255.
    pub padding_len: usize,
    /// The whole packet. Not looked at when it is written.
    pub raw: *const u8,
    pub raw_len: usize,
}

// SAFETY: the size is first, zero is a valid value of all members.
unsafe impl SizeFirst for voip_rtp_packet {
    const NAME: &'static str = "voip_rtp_packet";
}

/// Tells what a datagram on a media port is.
///
/// @param data the datagram; NULL is unknown.
/// @param len bytes of it; two are enough.
/// @return a `voip_packet_kind`.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_packet_classify(data: *const u8, len: usize) -> i32 {
    if data.is_null() || len == 0 {
        return voip_packet_kind::VOIP_PACKET_UNKNOWN as i32;
    }
    // SAFETY: not NULL, `len` bytes are readable by the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(data, len.min(2)) };
    kind_of(classify(bytes)) as i32
}

pub(crate) fn kind_of(kind: PacketKind) -> voip_packet_kind {
    match kind {
        PacketKind::Stun => voip_packet_kind::VOIP_PACKET_STUN,
        PacketKind::Zrtp => voip_packet_kind::VOIP_PACKET_ZRTP,
        PacketKind::Dtls => voip_packet_kind::VOIP_PACKET_DTLS,
        PacketKind::TurnChannel => voip_packet_kind::VOIP_PACKET_TURN_CHANNEL,
        PacketKind::Rtp => voip_packet_kind::VOIP_PACKET_RTP,
        PacketKind::Rtcp => voip_packet_kind::VOIP_PACKET_RTCP,
        PacketKind::Unknown => voip_packet_kind::VOIP_PACKET_UNKNOWN,
    }
}

/// Parses one packet into a view of the host's bytes (RFC 3550 section 5.1). Version, CSRC list, extension and padding are
/// checked against the length.
///
/// @param data the packet; it must stay while the view is used.
/// @param len bytes of it.
/// @param packet gets the view.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _PARSE (the sentence says the byte and what is wrong there).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_packet_parse(
    data: *const u8,
    len: usize,
    packet: *mut voip_rtp_packet,
) -> voip_status {
    guard(|| {
        let bytes = unsafe { alone::bytes(data, len, "data") }?;
        let parsed = RtpPacket::parse(bytes).map_err(|e| parse_fail(e, bytes))?;
        unsafe { sized::write(packet, &view(&parsed)) }
    })
}

/// Writes a packet. What was parsed is written back byte by byte.
///
/// @param packet what to write; `version`, `raw` and `raw_len` are not looked at.
/// @param buf gets the packet; it must not overlap what the pointers of `packet` point to.
/// @param len bytes of buf.
/// @param written gets how many bytes the packet has, also when buf is too small.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE (a field beyond its bits), _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_packet_write(
    packet: *const voip_rtp_packet,
    buf: *mut u8,
    len: usize,
    written: *mut usize,
) -> voip_status {
    guard(|| {
        let packet = unsafe { sized::read(packet) }?;
        let out = unsafe { alone::buffer(buf, len, "buf") }?;
        let builder = unsafe { builder(&packet) }?;
        unsafe { strings::write(written, "written", builder.len()) }?;
        let total = builder.write(out).map_err(fail)?;
        if let (false, Some(end)) = (packet.padding.is_null(), total.checked_sub(1)) {
            let padding = unsafe { alone::bytes(packet.padding, packet.padding_len, "padding") }?;
            // The count itself was written: only what stands before it is taken over.
            let before = padding.split_last().map_or(&[][..], |(_, before)| before);
            if let Some(place) = out.get_mut(end.saturating_sub(before.len())..end) {
                place.copy_from_slice(before);
            }
        }
        Ok(())
    })
}

/// Walks the elements of a header extension (RFC 8285, one-byte and two-byte form).
///
/// @param packet what `voip_rtp_packet_parse` gave.
/// @param cursor begins at 0; moved on.
/// @param id gets the identifier.
/// @param data gets where its bytes are; may be NULL.
/// @param len gets how many.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE (there are no more).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_packet_next_element(
    packet: *const voip_rtp_packet,
    cursor: *mut usize,
    id: *mut u8,
    data: *mut *const u8,
    len: *mut usize,
) -> voip_status {
    guard(|| {
        let packet = unsafe { sized::read(packet) }?;
        if cursor.is_null() {
            return Err(Fail::new(voip_status::VOIP_ERR_NULL, "cursor is NULL"));
        }
        let at = unsafe { cursor.read_unaligned() };
        let body = unsafe { alone::bytes(packet.extension, packet.extension_len, "extension") }?;
        let profile = u16::try_from(packet.extension_profile).unwrap_or(0);
        let mut elements = ExtensionElements::new(profile, body.get(at..).unwrap_or(&[]));
        let found = elements.next();
        unsafe { cursor.write_unaligned(body.len() - elements.remaining()) };
        let Some(element) = found else {
            return Err(Fail::range("there are no more elements"));
        };
        unsafe { strings::write(id, "id", element.id) }?;
        unsafe { strings::write(len, "len", element.data.len()) }?;
        if !data.is_null() {
            unsafe { data.write_unaligned(element.data.as_ptr()) };
        }
        Ok(())
    })
}

/// Appends an element to the body of a header extension in the making (RFC 8285), with zeros up to the next word.
///
/// @param profile 0xBEDE: one-byte form (id 1 to 14, 1 to 16 bytes); 0x1000: two-byte form (id 1 to 255, 0 to 255 bytes).
/// @param id of the element.
/// @param data of the element.
/// @param data_len bytes of it.
/// @param body where the extension grows.
/// @param body_len bytes there are for it.
/// @param used begins at 0; moved on. The extension's length is this, rounded up to a multiple of four.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _RANGE (it does not fit the form, or the body).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_extension_add(
    profile: u32,
    id: u8,
    data: *const u8,
    data_len: usize,
    body: *mut u8,
    body_len: usize,
    used: *mut usize,
) -> voip_status {
    guard(|| {
        let data = unsafe { alone::bytes(data, data_len, "data") }?;
        let body = unsafe { alone::buffer(body, body_len, "body") }?;
        if used.is_null() {
            return Err(Fail::new(voip_status::VOIP_ERR_NULL, "used is NULL"));
        }
        let profile = u16::try_from(profile).unwrap_or(0);
        let at = unsafe { used.read_unaligned() };
        let Some(end) = write_element(profile, id, data, body, at) else {
            return Err(Fail::range("the element does not fit the form or the body"));
        };
        unsafe { used.write_unaligned(end) };
        Ok(())
    })
}

/// Tells in one line what the packet is, for people.
///
/// @param packet what `voip_rtp_packet_parse` gave.
/// @param buf gets the line with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _PARSE, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_packet_get_summary(
    packet: *const voip_rtp_packet,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let packet = unsafe { sized::read(packet) }?;
        let bytes = unsafe { alone::bytes(packet.raw, packet.raw_len, "raw") }?;
        let text = RtpPacket::parse(bytes).map_err(|e| parse_fail(e, bytes))?.to_string();
        unsafe { strings::put(text.as_bytes(), buf, len, needed) }
    })
}

/// As `fail`, with the byte of the packet at which it was seen.
fn parse_fail(error: PacketError, bytes: &[u8]) -> Fail {
    Fail { at: Some(error.offset(bytes)), ..fail(error) }
}

/// Without an allocation: the sentence is a static one.
fn fail(error: PacketError) -> Fail {
    let status = match error {
        PacketError::Field => voip_status::VOIP_ERR_RANGE,
        PacketError::Buffer => voip_status::VOIP_ERR_BUFFER_TOO_SMALL,
        _ => voip_status::VOIP_ERR_PARSE,
    };
    Fail::new(status, error.as_str())
}

fn view(packet: &RtpPacket<'_>) -> voip_rtp_packet {
    let mut csrc = [0; 15];
    for (place, source) in csrc.iter_mut().zip(packet.csrcs()) {
        *place = source;
    }
    let (profile, extension) = packet.extension().unwrap_or((0, &[]));
    let (raw, payload) = (packet.raw(), packet.payload());
    let padding = raw.get(raw.len() - packet.padding_len()..).filter(|p| !p.is_empty());
    voip_rtp_packet {
        size: size_of::<voip_rtp_packet>(),
        version: packet.version(),
        marker: u8::from(packet.marker()),
        payload_type: packet.payload_type(),
        csrc_count: packet.csrc_count() as u8,
        sequence: packet.sequence().0,
        has_extension: u16::from(packet.has_extension()),
        timestamp: packet.timestamp().0,
        ssrc: packet.ssrc(),
        csrc,
        extension_profile: u32::from(profile),
        extension: if packet.has_extension() { extension.as_ptr() } else { null() },
        extension_len: extension.len(),
        payload: payload.as_ptr(),
        payload_len: payload.len(),
        padding: padding.map_or(null(), <[u8]>::as_ptr),
        padding_len: packet.padding_len(),
        raw: raw.as_ptr(),
        raw_len: raw.len(),
    }
}

unsafe fn builder(packet: &voip_rtp_packet) -> FfiResult<RtpBuilder<'_>> {
    let count = usize::from(packet.csrc_count);
    let csrcs = packet.csrc.get(..count).filter(|_| count <= MAX_CSRCS);
    let csrcs = csrcs.ok_or(Fail::new(voip_status::VOIP_ERR_RANGE, "csrc_count is beyond 15"))?;
    let header = RtpHeader {
        payload_type: packet.payload_type,
        marker: packet.marker != 0,
        sequence: packet.sequence,
        timestamp: packet.timestamp,
        ssrc: packet.ssrc,
    };
    let payload = unsafe { alone::bytes(packet.payload, packet.payload_len, "payload") }?;
    let mut builder = RtpBuilder::new(header, payload);
    builder.csrcs = csrcs;
    if packet.has_extension != 0 {
        let body = unsafe { alone::bytes(packet.extension, packet.extension_len, "extension") }?;
        let profile = u16::try_from(packet.extension_profile);
        let profile = profile.map_err(|_| Fail::range("extension_profile is beyond 16 bits"))?;
        builder.extension = Some((profile, body));
    }
    builder.padding =
        u8::try_from(packet.padding_len).map_err(|_| Fail::range("padding_len is beyond 255"))?;
    Ok(builder)
}
