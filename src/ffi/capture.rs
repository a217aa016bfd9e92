//! Capture of a call into a pcapng file, for Wireshark.

use super::error::{voip_status, Fail};
use super::objects;
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use super::types::*;
use std::ffi::c_char;

/// What to capture. Begin with `VOIP_CAPTURE_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_capture_options {
    /// sizeof(voip_capture_options).
    pub size: usize,
    /// 0: SIP, RTP and RTCP; 1: SIP alone.
    pub signalling_only: u32,
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_capture_options {
    const NAME: &'static str = "voip_capture_options";
}

/// Writes the packets of the call into a pcapng file from now on: its SIP messages (by Call-ID) and its RTP and RTCP, both
/// ways. Wireshark shows it as a call with its audio, without being told what is RTP. A capture that runs already is ended
/// first.
///
/// The packets are IP packets (link type RAW) with the addresses and ports that they have on the wire, right checksums
/// and the instants at which they came or went, in nanoseconds. What was said before the start is not kept: if there was
/// something, the file begins with the INVITE and its answer with the descriptions that count now, each with a comment that
/// says so. SIP over TCP or TLS is written in the clear, one message a datagram, with a comment that names its transport.
/// RTP under SRTP is written as it is on the wire, encrypted. The file holds what the messages hold: answers to
/// challenges, and with SDES the keys of the media.
///
/// The file is written by a thread of its own; what it has no room for while the disk is slow is lost and counted.
/// @param path is made or overwritten.
/// @param options NULL: everything.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: for the opening of the file.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _SYSTEM, _BUSY (too many files wait to be written),
///   _CALL_ENDED, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_capture_start(
    call: *mut voip_call,
    path: *const c_char,
    options: *const voip_capture_options,
) -> voip_status {
    guard(|| {
        let path = unsafe { strings::filled(path, "path") }?;
        let only = match options.is_null() {
            true => 0,
            false => unsafe { sized::read(options) }?.signalling_only,
        };
        let only = strings::within(only, 0, 1, "signalling_only", "")?;
        objects::call(call)?.engine.capture_start(path, only == 0).map(drop).map_err(Fail::from)
    })
}

/// Ends the capture; `on_capture_finished` tells when the file is whole. The end of the call does the same, with the last
/// message of the call in it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _CALL_ENDED, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_capture_stop(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.engine.capture_stop().map_err(Fail::from))
}
