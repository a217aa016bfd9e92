//! telephone-event payloads by themselves (RFC 4733).

use super::alone;
use super::error::{voip_status, Fail};
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use crate::proto::rtp::TelephoneEvent;
use std::ffi::c_char;
use std::mem::size_of;

/// One report of an event. Begin with `VOIP_TELEPHONE_EVENT_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_telephone_event {
    /// sizeof(voip_telephone_event).
    pub size: usize,
    /// 0 to 255; 0 to 15 are the keys, 16 is the flash hook.
    pub event: u8,
    /// Not 0: the event is over.
    pub end: u8,
    /// Power below 0 dBm0, 0 to 63.
    pub volume: u8,
    /// `0` to `9`, `*`, `#`, `A` to `D`, `!` for the flash hook; 0 for other events. Not looked at when it is written.
    pub key: c_char,
    /// Since the packet's timestamp, in ticks of the RTP clock.
    pub duration: u16,
    /// Zero.
    pub reserved: u16,
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_telephone_event {
    const NAME: &'static str = "voip_telephone_event";
}

/// Parses the payload of a telephone-event packet (RFC 4733 section 2.3).
///
/// @param payload of the RTP packet.
/// @param len bytes of it, at least 4.
/// @param event gets the report.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _PARSE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_telephone_event_parse(
    payload: *const u8,
    len: usize,
    event: *mut voip_telephone_event,
) -> voip_status {
    guard(|| {
        let bytes = unsafe { alone::bytes(payload, len, "payload") }?;
        let Some(found) = TelephoneEvent::parse(bytes) else {
            return Err(Fail::new(voip_status::VOIP_ERR_PARSE, "an event has four bytes"));
        };
        let told = voip_telephone_event {
            size: size_of::<voip_telephone_event>(),
            event: found.event,
            end: u8::from(found.end),
            volume: found.volume,
            key: TelephoneEvent::key(found.event).map_or(0, |key| key as u8 as c_char),
            duration: found.duration,
            reserved: 0,
        };
        unsafe { sized::write(event, &told) }
    })
}

/// Writes the payload of a telephone-event packet: four bytes.
///
/// @param event the report; `key` is not looked at.
/// @param buf gets them.
/// @param len bytes of buf.
/// @param written gets 4; may be NULL.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE (the volume is beyond 63), _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_telephone_event_write(
    event: *const voip_telephone_event,
    buf: *mut u8,
    len: usize,
    written: *mut usize,
) -> voip_status {
    guard(|| {
        let event = unsafe { sized::read(event) }?;
        if event.volume > 63 {
            return Err(Fail::range("the volume is beyond 63"));
        }
        let out = unsafe { alone::buffer(buf, len, "buf") }?;
        let Some(place) = out.get_mut(..TelephoneEvent::LEN) else {
            return Err(Fail::new(voip_status::VOIP_ERR_BUFFER_TOO_SMALL, "an event needs four bytes"));
        };
        let report = TelephoneEvent {
            event: event.event,
            end: event.end != 0,
            volume: event.volume,
            duration: event.duration,
        };
        place.copy_from_slice(&report.to_bytes());
        match written.is_null() {
            true => Ok(()),
            false => unsafe { strings::write(written, "written", TelephoneEvent::LEN) },
        }
    })
}

/// Finds the event of a key.
///
/// @param key `0` to `9`, `*`, `#`, `A` to `D` in either case, `!` for the flash hook.
/// @param event gets the number.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_telephone_event_from_key(key: c_char, event: *mut u8) -> voip_status {
    guard(|| {
        let letter = char::from(key as u8);
        let Some(found) = TelephoneEvent::from_key(letter) else {
            return Err(Fail::argument(format!("{letter:?} is no key")));
        };
        unsafe { strings::write(event, "event", found) }
    })
}
