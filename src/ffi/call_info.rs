//! What a call tells: state, end, peer, headers, SDP.

use super::error::{voip_status, Fail};
use super::objects::{self, CallObject};
use super::panic::{guard, not_in_callback};
use super::sized::{self, SizeFirst};
use super::strings;
use super::types::*;
use crate::proto::sdp::Direction;
use crate::ua::{CallDirection, CallState};
use std::ffi::{c_char, c_void};
use std::time::Duration;

/// A call at one glance. Begin with `VOIP_CALL_INFO_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_call_info {
    /// sizeof(voip_call_info).
    pub size: usize,
    /// A number that no other call of the phone has.
    pub number: u64,
    pub state: voip_call_state,
    pub direction: voip_call_direction,
    /// Which way audio may flow, seen from this side.
    pub media_direction: voip_media_direction,
    /// 1: this side holds the other.
    pub held_by_us: i32,
    /// 1: the other side holds this one.
    pub held_by_peer: i32,
    /// 1: muted.
    pub muted: i32,
    /// Last SIP status of the INVITE, 0 before any.
    pub sip_code: i32,
    /// Since the call was made, in ms; stops at its end.
    pub age_ms: u64,
    /// Since it was answered, in ms; 0 if it was not.
    pub talk_ms: u64,
}

// SAFETY: the size is first; zero is read only for structs that the host gives, which this is not.
unsafe impl SizeFirst for voip_call_info {
    const NAME: &'static str = "voip_call_info";
}

pub(crate) const fn call_state(state: CallState) -> voip_call_state {
    match state {
        CallState::Dialing => voip_call_state::VOIP_CALL_DIALING,
        CallState::Ringing => voip_call_state::VOIP_CALL_RINGING,
        CallState::Progress => voip_call_state::VOIP_CALL_PROGRESS,
        CallState::Answered => voip_call_state::VOIP_CALL_ANSWERED,
        CallState::Terminating => voip_call_state::VOIP_CALL_TERMINATING,
        CallState::Ended => voip_call_state::VOIP_CALL_ENDED,
    }
}

pub(crate) const fn media_direction(direction: Direction) -> voip_media_direction {
    match direction {
        Direction::SendRecv => voip_media_direction::VOIP_MEDIA_SENDRECV,
        Direction::SendOnly => voip_media_direction::VOIP_MEDIA_SENDONLY,
        Direction::RecvOnly => voip_media_direction::VOIP_MEDIA_RECVONLY,
        Direction::Inactive => voip_media_direction::VOIP_MEDIA_INACTIVE,
    }
}

/// Tells where the call is in its life.
///
/// @param out gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_state(call: *mut voip_call, out: *mut voip_call_state) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        unsafe { strings::write(out, "out", call_state(call.engine.state())) }
    })
}

/// Waits until the call has reached a state or is beyond it.
///
/// @param state a `voip_call_state`.
/// @param timeout_ms 0 never blocks, -1 waits for ever; waiting ends with the call (VOIP_ERR_CALL_ENDED
///   unless ENDED was waited for).
///
/// Thread: any.
/// Callback: no.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _TIMEOUT, _CALL_ENDED, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_wait_state(
    call: *mut voip_call,
    state: i32,
    timeout_ms: i32,
) -> voip_status {
    guard(|| {
        not_in_callback("voip_call_wait_state")?;
        let timeout = strings::timeout(timeout_ms)?;
        let state = state_of(state)?;
        objects::call(call)?.engine.wait_state(state, timeout).map_err(Fail::from)
    })
}

/// Tells a call at one glance.
///
/// @param info begins with `VOIP_CALL_INFO_INIT`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (struct size).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_info(call: *mut voip_call, info: *mut voip_call_info) -> voip_status {
    guard(|| {
        let value = info_of(&*objects::call(call)?);
        unsafe { sized::write(info, &value) }
    })
}

/// Tells the URI of the other side.
///
/// @param buf gets the text with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_remote_uri(
    call: *mut voip_call,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        unsafe { strings::put(call.engine.remote_uri().as_bytes(), buf, len, needed) }
    })
}

/// Tells the display name of the other side, without quotes; empty if it has none.
///
/// @param buf gets the text with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_remote_name(
    call: *mut voip_call,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        unsafe { strings::put(call.engine.remote_name().as_bytes(), buf, len, needed) }
    })
}

/// Tells the URI of this side: who was called, or who calls.
///
/// @param buf gets the text with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_local_uri(
    call: *mut voip_call,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        unsafe { strings::put(call.engine.local_uri().as_bytes(), buf, len, needed) }
    })
}

/// Tells the Call-ID (RFC 3261 section 8.1.1.4).
///
/// @param buf gets the text with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_id(
    call: *mut voip_call,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        unsafe { strings::put(call.engine.sip_call_id().as_bytes(), buf, len, needed) }
    })
}

/// Tells a header of the INVITE, as it was received or first sent.
///
/// @param name without case, compact forms are known.
/// @param index 0 for the first of that name.
/// @param buf gets the value with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (no such header), _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_header(
    call: *mut voip_call,
    name: *const c_char,
    index: usize,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let name = unsafe { strings::filled(name, "name") }?;
        let call = objects::call(call)?;
        let Some(value) = call.engine.header(name, index) else {
            return Err(Fail::argument(format!("the INVITE has no header {name} number {index}")));
        };
        unsafe { strings::put(value.as_bytes(), buf, len, needed) }
    })
}

/// Tells the last session description of the other side (RFC 4566).
///
/// @param buf gets the text with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (none yet), _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_sdp(
    call: *mut voip_call,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let Some(sdp) = objects::call(call)?.engine.remote_sdp() else {
            return Err(Fail::state("the other side has not described its media yet"));
        };
        unsafe { strings::put(&sdp, buf, len, needed) }
    })
}

/// Tells this side's session description as it was agreed last (RFC 4566); `voip_sdp_parse` takes it apart.
///
/// @param buf gets the text with its NUL; NULL asks for the size. Keys of SRTP in it are secrets.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (none was agreed yet), _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_local_sdp(
    call: *mut voip_call,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let Some(sdp) = objects::call(call)?.engine.local_sdp() else {
            return Err(Fail::state("no media were agreed yet"));
        };
        unsafe { strings::put(&sdp, buf, len, needed) }
    })
}

/// Tells the codec that audio is sent with, like `PCMU`; empty before it was agreed.
///
/// @param buf gets the text with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_codec(
    call: *mut voip_call,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let media = objects::call(call)?.engine.media_info();
        unsafe { strings::put(media.codec.as_bytes(), buf, len, needed) }
    })
}

/// Tells the audio's addresses, `local remote`, each `address:port`, `-` if not known.
///
/// @param buf gets the text with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_media_address(
    call: *mut voip_call,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let media = objects::call(call)?.engine.media_info();
        let text = |address: Option<std::net::SocketAddr>| address.map_or("-".to_owned(), |a| a.to_string());
        let text = format!("{} {}", text(media.local), text(media.remote));
        unsafe { strings::put(text.as_bytes(), buf, len, needed) }
    })
}

/// Tells which way audio may flow, seen from this side. Who began the call is in `voip_call_get_info`.
///
/// @param out gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_direction(
    call: *mut voip_call,
    out: *mut voip_media_direction,
) -> voip_status {
    guard(|| {
        let media = objects::call(call)?.engine.media_info();
        unsafe { strings::write(out, "out", media_direction(media.direction)) }
    })
}

/// Gives the phone of the call.
///
/// @param out gets the handle.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE (also when the phone was freed), _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_phone(call: *mut voip_call, out: *mut *mut voip_phone) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        let phone = objects::call(call)?.phone.handle();
        objects::phone(phone)?;
        unsafe { strings::write(out, "out", phone) }
    })
}

/// Gives the account of the call.
///
/// @param out gets the handle; NULL if the call has none.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE (also when the phone was freed), _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_account(
    call: *mut voip_call,
    out: *mut *mut voip_account,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        let call = objects::call(call)?;
        objects::phone(call.phone.handle())?;
        match call.engine.account() {
            Some(id) => unsafe { strings::write(out, "out", call.phone.account_handle(id)?) },
            None => Ok(()),
        }
    })
}

/// Attaches a pointer of the host to the call.
///
/// @param user any value; the library only keeps it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_set_user_data(call: *mut voip_call, user: *mut c_void) -> voip_status {
    guard(|| {
        objects::call(call)?.engine.set_user_data(user as usize);
        Ok(())
    })
}

/// Gives what `voip_call_set_user_data` or the options of the dial attached, NULL before.
///
/// @param user gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_user_data(
    call: *mut voip_call,
    user: *mut *mut c_void,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(user, "user", std::ptr::null_mut()) }?;
        let call = objects::call(call)?;
        unsafe { strings::write(user, "user", call.engine.user_data() as *mut c_void) }
    })
}

/// Gives the name of a call's state, like `answered`.
///
/// @param state a `voip_call_state`.
/// @return a static string, `unknown` for a number that is none.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_call_state_name(state: i32) -> *const c_char {
    let name = match state {
        1 => c"dialing",
        2 => c"ringing",
        3 => c"progress",
        4 => c"answered",
        5 => c"terminating",
        6 => c"ended",
        _ => c"unknown",
    };
    name.as_ptr()
}

/// Gives a direction as SDP writes it, like `sendrecv`.
///
/// @param direction a `voip_media_direction`.
/// @return a static string, `unknown` for a number that is none.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_media_direction_name(direction: i32) -> *const c_char {
    let name = match direction {
        0 => c"sendrecv",
        1 => c"sendonly",
        2 => c"recvonly",
        3 => c"inactive",
        _ => c"unknown",
    };
    name.as_ptr()
}

fn state_of(state: i32) -> Result<CallState, Fail> {
    Ok(match state {
        1 => CallState::Dialing,
        2 => CallState::Ringing,
        3 => CallState::Progress,
        4 => CallState::Answered,
        5 => CallState::Terminating,
        6 => CallState::Ended,
        other => return Err(Fail::argument(format!("call state {other} is unknown"))),
    })
}

fn info_of(call: &CallObject) -> voip_call_info {
    let media = call.engine.media_info();
    let (age, talk) = call.engine.durations();
    voip_call_info {
        size: std::mem::size_of::<voip_call_info>(),
        number: call.engine.id().0,
        state: call_state(call.engine.state()),
        direction: match call.engine.direction() {
            CallDirection::Incoming => voip_call_direction::VOIP_CALL_INCOMING,
            CallDirection::Outgoing => voip_call_direction::VOIP_CALL_OUTGOING,
        },
        media_direction: media_direction(media.direction),
        held_by_us: i32::from(media.held_by_us),
        held_by_peer: i32::from(media.held_by_peer),
        muted: i32::from(call.engine.is_muted()),
        sip_code: i32::from(call.engine.last_sip_code()),
        age_ms: millis(age),
        talk_ms: talk.map_or(0, millis),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
