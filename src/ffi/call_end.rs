//! How a call ended: cause, who, SIP status and reasons.

use super::error::{voip_status, Fail};
use super::objects;
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::types::*;
use crate::ua::{EndCause, EndInfo, EndedBy};
use std::ffi::c_char;

/// How a call ended. Begin with `VOIP_CALL_END_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_call_end {
    /// sizeof(voip_call_end).
    pub size: usize,
    pub cause: voip_end_cause,
    pub by: voip_ended_by,
    /// The final SIP status, 0 if there was none (BYE).
    pub sip_code: i32,
    /// Its phrase or what happened, cut to fit, with its NUL.
    pub reason: [c_char; 128],
    /// The Reason header (RFC 3326), cut to fit, with its NUL; empty if none.
    pub reason_header: [c_char; 128],
}

// SAFETY: as above.
unsafe impl SizeFirst for voip_call_end {
    const NAME: &'static str = "voip_call_end";
}

pub(crate) const fn end_cause(cause: EndCause) -> voip_end_cause {
    match cause {
        EndCause::Hangup => voip_end_cause::VOIP_END_HANGUP,
        EndCause::Busy => voip_end_cause::VOIP_END_BUSY,
        EndCause::Rejected => voip_end_cause::VOIP_END_REJECTED,
        EndCause::Cancelled => voip_end_cause::VOIP_END_CANCELLED,
        EndCause::NoAnswer => voip_end_cause::VOIP_END_NO_ANSWER,
        EndCause::Unreachable => voip_end_cause::VOIP_END_UNREACHABLE,
        EndCause::NoCodec => voip_end_cause::VOIP_END_NO_CODEC,
        EndCause::Auth => voip_end_cause::VOIP_END_AUTH,
        EndCause::NoAck => voip_end_cause::VOIP_END_NO_ACK,
        EndCause::MediaTimeout => voip_end_cause::VOIP_END_MEDIA_TIMEOUT,
        EndCause::Shutdown => voip_end_cause::VOIP_END_SHUTDOWN,
        EndCause::LocalError => voip_end_cause::VOIP_END_LOCAL_ERROR,
        EndCause::Protocol => voip_end_cause::VOIP_END_PROTOCOL,
        EndCause::NotFound => voip_end_cause::VOIP_END_NOT_FOUND,
    }
}

pub(crate) const fn ended_by(by: EndedBy) -> voip_ended_by {
    match by {
        EndedBy::Local => voip_ended_by::VOIP_BY_LOCAL,
        EndedBy::Remote => voip_ended_by::VOIP_BY_REMOTE,
        EndedBy::Engine => voip_ended_by::VOIP_BY_ENGINE,
    }
}

/// Tells why and by whom a call ended.
///
/// @param end begins with `VOIP_CALL_END_INIT`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (struct size), _STATE (it has not ended).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_end(call: *mut voip_call, end: *mut voip_call_end) -> voip_status {
    guard(|| {
        let Some(info) = objects::call(call)?.engine.end_info() else {
            return Err(Fail::state("the call has not ended"));
        };
        unsafe { sized::write(end, &end_of(&info)) }
    })
}

/// Gives the name of the cause of an end, like `busy`.
///
/// @param cause a `voip_end_cause`.
/// @return a static string, `unknown` for a number that is none.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_end_cause_name(cause: i32) -> *const c_char {
    let name = match cause {
        0 => c"none",
        1 => c"hangup",
        2 => c"busy",
        3 => c"rejected",
        4 => c"cancelled",
        5 => c"no-answer",
        6 => c"unreachable",
        7 => c"no-codec",
        8 => c"auth",
        9 => c"no-ack",
        10 => c"media-timeout",
        11 => c"shutdown",
        12 => c"local-error",
        13 => c"protocol",
        14 => c"not-found",
        _ => c"unknown",
    };
    name.as_ptr()
}

fn end_of(info: &EndInfo) -> voip_call_end {
    voip_call_end {
        size: std::mem::size_of::<voip_call_end>(),
        cause: end_cause(info.cause),
        by: ended_by(info.by),
        sip_code: i32::from(info.sip_code),
        reason: cut(&info.reason),
        reason_header: cut(info.reason_header.as_deref().unwrap_or("")),
    }
}

/// As much of a text as fits, cut between characters, with a NUL.
fn cut<const N: usize>(text: &str) -> [c_char; N] {
    let mut out = [0; N];
    let mut end = text.len().min(N.saturating_sub(1));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    for (to, from) in out.iter_mut().zip(text.bytes().take(end)) {
        *to = from as c_char;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let out: [c_char; 4] = cut("aaéé");
        assert_eq!(out.map(|c| c as u8), [b'a', b'a', 0, 0]);
    }
}
