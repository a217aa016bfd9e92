//! Calls: what the host does with them. What they tell: `call_info`.

use super::error::{voip_status, Fail};
use super::objects;
use super::panic::guard;
use super::strings;
use super::types::*;
use crate::proto::sdp::Direction;
use std::ffi::c_char;

/// Tells the caller that it rings here (180). The library does so by itself when the call comes.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_ring(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.engine.ring().map_err(Fail::from))
}

/// Opens early media (183 with SDP): audio flows both ways before the answer.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE, _CALL_ENDED, _NO_CODEC.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_progress(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.engine.progress().map_err(Fail::from))
}

/// Answers a call that rings (200).
///
/// ANSWERED follows as `on_call_state`; audio may be written at once.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE, _CALL_ENDED, _NO_CODEC.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_answer(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.engine.answer().map_err(Fail::from))
}

/// Denies a call that rings: the caller hears busy (486).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_deny(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.engine.reject(486, None).map_err(Fail::from))
}

/// Rejects a call that rings.
///
/// @param code 400 to 699, see `voip_sip_status_phrase`.
/// @param reason instead of the usual phrase; NULL: that one.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE, _CALL_ENDED, _RANGE, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_reject(
    call: *mut voip_call,
    code: i32,
    reason: *const c_char,
) -> voip_status {
    guard(|| {
        let code = strings::within(code, 400, 699, "SIP code", "")?;
        let reason = unsafe { strings::optional(reason, "reason") }?;
        let code = u16::try_from(code).unwrap_or(486);
        objects::call(call)?.engine.reject(code, reason).map_err(Fail::from)
    })
}

/// Sends a call that rings elsewhere (302).
///
/// @param target a SIP URI.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE, _CALL_ENDED, _NULL, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_redirect(call: *mut voip_call, target: *const c_char) -> voip_status {
    guard(|| {
        let target = unsafe { strings::filled(target, "target") }?;
        objects::call(call)?.engine.redirect(target).map_err(Fail::from)
    })
}

/// Ends a call in whatever state it is: CANCEL, 603 or BYE is chosen. ENDED follows.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_hangup(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.engine.hangup().map_err(Fail::from))
}

/// Puts the other side on hold (re-INVITE with sendonly). `on_call_media` tells when it is so.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE, _CALL_ENDED, _NOT_SUPPORTED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_hold(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.engine.hold().map_err(Fail::from))
}

/// Takes the other side back from hold.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE, _CALL_ENDED, _NOT_SUPPORTED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_resume(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.engine.resume().map_err(Fail::from))
}

/// Sends silence instead of what is written, played and recorded, or no longer.
///
/// @param yes 0: no.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_mute(call: *mut voip_call, yes: i32) -> voip_status {
    guard(|| objects::call(call)?.engine.mute(yes != 0).map_err(Fail::from))
}

/// Asks for another direction of the audio (re-INVITE, RFC 3264 section 8.4).
///
/// @param direction a `voip_media_direction`, seen from this side.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE, _CALL_ENDED, _ARGUMENT, _NOT_SUPPORTED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_set_direction(call: *mut voip_call, direction: i32) -> voip_status {
    guard(|| {
        let direction = match direction {
            0 => Direction::SendRecv,
            1 => Direction::SendOnly,
            2 => Direction::RecvOnly,
            3 => Direction::Inactive,
            other => return Err(Fail::argument(format!("media direction {other} is unknown"))),
        };
        objects::call(call)?.engine.set_media_direction(direction).map_err(Fail::from)
    })
}

/// Asks the other side to call somebody else (REFER, RFC 3515). `on_transfer` tells how it goes.
///
/// @param target a SIP URI, or a number with an account.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE, _CALL_ENDED, _NULL, _ARGUMENT, _NOT_SUPPORTED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_transfer(call: *mut voip_call, target: *const c_char) -> voip_status {
    guard(|| {
        let target = unsafe { strings::filled(target, "target") }?;
        objects::call(call)?.engine.transfer(target).map_err(Fail::from)
    })
}

/// Connects the other sides of two calls: the one of `call` is asked to take this side's place in `other` (attended
/// transfer: REFER with Replaces, RFC 5589 and RFC 3891).
///
/// `on_transfer` of `call` tells how it goes. When it worked, the other side of `other` hangs up; `call` ends when
/// either side hangs up, as after a blind transfer.
/// @param other an answered call of the same phone; on hold or not.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE (one of them is not answered), _CALL_ENDED, _ARGUMENT (another phone's, the same
///   call), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_transfer_to(call: *mut voip_call, other: *mut voip_call) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        call.engine.transfer_to(&objects::call(other)?.engine).map_err(Fail::from)
    })
}

/// Keeps the handle for the host beyond the call's ENDED; each retain needs one `voip_call_release`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_retain(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.retain())
}

/// Lets go of a handle that `voip_phone_dial`, `voip_phone_wait_call`, `voip_phone_list_calls` or
/// `voip_call_retain` gave.
///
/// The call itself goes on; hang up first to end it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE (also when released more often than retained).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_release(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.release())
}
