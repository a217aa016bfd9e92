//! The payload types of RFC 3551, tables 4 and 5.

use super::alone;
use super::error::{voip_status, Fail, FfiResult};
use super::objects;
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use super::types::*;
use crate::media::codec::Codec;
use crate::proto::rtp::{MediaKind, PayloadError, StaticPayload};
use std::ffi::c_char;
use std::mem::size_of;

/// What a payload type carries.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_media_kind {
    VOIP_KIND_AUDIO = 0,
    VOIP_KIND_VIDEO = 1,
    /// MP2T carries both.
    VOIP_KIND_AUDIO_VIDEO = 2,
}

/// Payload types by name: those of RFC 3551, and what two dynamic ones are as a rule.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_payload_type {
    VOIP_PAYLOAD_PCMU = 0,
    VOIP_PAYLOAD_GSM = 3,
    VOIP_PAYLOAD_G723 = 4,
    VOIP_PAYLOAD_DVI4_8000 = 5,
    VOIP_PAYLOAD_DVI4_16000 = 6,
    VOIP_PAYLOAD_LPC = 7,
    VOIP_PAYLOAD_PCMA = 8,
    VOIP_PAYLOAD_G722 = 9,
    VOIP_PAYLOAD_L16_STEREO = 10,
    VOIP_PAYLOAD_L16 = 11,
    VOIP_PAYLOAD_QCELP = 12,
    VOIP_PAYLOAD_CN = 13,
    VOIP_PAYLOAD_MPA = 14,
    VOIP_PAYLOAD_G728 = 15,
    VOIP_PAYLOAD_DVI4_11025 = 16,
    VOIP_PAYLOAD_DVI4_22050 = 17,
    VOIP_PAYLOAD_G729 = 18,
    VOIP_PAYLOAD_CELB = 25,
    VOIP_PAYLOAD_JPEG = 26,
    VOIP_PAYLOAD_NV = 28,
    VOIP_PAYLOAD_H261 = 31,
    VOIP_PAYLOAD_MPV = 32,
    VOIP_PAYLOAD_MP2T = 33,
    VOIP_PAYLOAD_H263 = 34,
    /// Dynamic, and this by habit (RFC 4733); a description says what it is.
    VOIP_PAYLOAD_TELEPHONE_EVENT = 101,
    /// Dynamic, and this by habit (RFC 7587); a description says what it is.
    VOIP_PAYLOAD_OPUS = 111,
}

/// One static payload type. Begin with `VOIP_PAYLOAD_ENTRY_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_payload_entry {
    /// sizeof(voip_payload_entry).
    pub size: usize,
    pub payload_type: i32,
    /// A `voip_media_kind`.
    pub kind: i32,
    /// Of the RTP timestamp, in Hz (G722: 8000, RFC 3551 section 4.5.2).
    pub clock_rate: u32,
    /// Of the samples, in Hz (G722: 16000); 0 for video and where the payload says it (MPA).
    pub audio_rate: u32,
    /// 0 for video and where the payload says it (MPA).
    pub channels: u32,
    /// Encoding name.
    pub name: [c_char; 16],
}

// SAFETY: the size is first, all members are numbers and arrays of them.
unsafe impl SizeFirst for voip_payload_entry {
    const NAME: &'static str = "voip_payload_entry";
}

/// Tells what a static payload type is.
///
/// @param payload_type 0 to 127.
/// @param entry gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE (not assigned, reserved against RTCP, or no payload type), _DYNAMIC_PAYLOAD
///   (96 to 127).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_payload_info(payload_type: i32, entry: *mut voip_payload_entry) -> voip_status {
    guard(|| {
        let number = u8::try_from(payload_type);
        let number = number.map_err(|_| Fail::range(format!("payload type {payload_type} is beyond 127")))?;
        let row = StaticPayload::get(number).map_err(|e| {
            let status = match e {
                PayloadError::Dynamic(_) => voip_status::VOIP_ERR_DYNAMIC_PAYLOAD,
                _ => voip_status::VOIP_ERR_RANGE,
            };
            Fail::new(status, e.to_string())
        })?;
        unsafe { put(entry, row) }
    })
}

/// Counts the static payload types.
///
/// @return how many there are.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_payload_count() -> usize {
    StaticPayload::table().len()
}

/// Tells the static payload type at a place of the table, in the order of the numbers.
///
/// @param index from 0 to `voip_payload_count` - 1.
/// @param entry gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_payload_at(index: usize, entry: *mut voip_payload_entry) -> voip_status {
    guard(|| match StaticPayload::table().get(index) {
        Some(row) => unsafe { put(entry, row) },
        None => Err(Fail::range(format!("the table has no row {index}"))),
    })
}

/// Finds a static payload type by its encoding name.
///
/// @param name without case, like `L16`.
/// @param clock_rate of the RTP timestamp in Hz; 0: any.
/// @param channels 0: any.
/// @param entry gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT (no static type of that name, rate and number of channels), _DYNAMIC_PAYLOAD (a name
///   that always has a dynamic type, like `telephone-event` or `opus`).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_payload_from_name(
    name: *const c_char,
    clock_rate: u32,
    channels: u32,
    entry: *mut voip_payload_entry,
) -> voip_status {
    guard(|| {
        let name = unsafe { strings::filled(name, "name") }?;
        let wanted = u8::try_from(channels).unwrap_or(u8::MAX);
        if let Some(row) = StaticPayload::by_name(name, clock_rate, wanted) {
            return unsafe { put(entry, row) };
        }
        match DYNAMIC.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            true => {
                let text = format!("{name} has no static payload type: it is given one of 96 to 127");
                Err(Fail::new(voip_status::VOIP_ERR_DYNAMIC_PAYLOAD, text))
            }
            false => Err(Fail::argument(format!("no static type is {name}/{clock_rate}/{channels}"))),
        }
    })
}

/// Tells what a payload type means in a call: what was negotiated last, also for dynamic types.
///
/// @param payload_type 0 to 127, as it comes; what only goes is found too.
/// @param entry gets it; for keys (`telephone-event`) the audio rate is 0.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE (not negotiated, or nothing was negotiated yet).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_payload_info(
    call: *mut voip_call,
    payload_type: i32,
    entry: *mut voip_payload_entry,
) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        let format = u8::try_from(payload_type).ok().and_then(|pt| call.engine.payload(pt));
        let format = format.ok_or_else(|| {
            Fail::range(format!("payload type {payload_type} was not negotiated in this call"))
        })?;
        let told = voip_payload_entry {
            size: size_of::<voip_payload_entry>(),
            payload_type,
            kind: voip_media_kind::VOIP_KIND_AUDIO as i32,
            clock_rate: format.clock_rate,
            audio_rate: Codec::from_format(&format).map_or(0, |codec| codec.audio_rate),
            channels: u32::from(format.channels),
            name: alone::array(&format.name),
        };
        unsafe { sized::write(entry, &told) }
    })
}

/// Names in use that never have a static type.
const DYNAMIC: &[&str] =
    &["telephone-event", "tone", "opus", "red", "iLBC", "speex", "G726-32", "AMR", "AMR-WB", "H264", "VP8"];

unsafe fn put(entry: *mut voip_payload_entry, row: &StaticPayload) -> FfiResult {
    let kind = match row.kind {
        MediaKind::Audio => voip_media_kind::VOIP_KIND_AUDIO,
        MediaKind::Video => voip_media_kind::VOIP_KIND_VIDEO,
        MediaKind::AudioVideo => voip_media_kind::VOIP_KIND_AUDIO_VIDEO,
    };
    let told = voip_payload_entry {
        size: size_of::<voip_payload_entry>(),
        payload_type: i32::from(row.payload_type),
        kind: kind as i32,
        clock_rate: row.clock_rate,
        audio_rate: row.audio_rate,
        channels: u32::from(row.channels),
        name: alone::array(row.name),
    };
    unsafe { sized::write(entry, &told) }
}
