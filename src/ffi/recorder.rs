//! Recording of a call into a WAV file.

use super::error::{voip_status, Fail};
use super::objects;
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use super::types::*;
use std::ffi::c_char;

/// How to record. Begin with `VOIP_RECORD_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_record_options {
    /// sizeof(voip_record_options).
    pub size: usize,
    /// 0 or 1: what is heard, mono; 2: heard on the left, sent on the right.
    pub channels: u32,
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_record_options {
    const NAME: &'static str = "voip_record_options";
}

/// Records the call into a WAV file (PCM, 16 bit), from now or from the answer on. A recording that runs
/// already is ended first.
///
/// @param path is made or overwritten.
/// @param options NULL: what is heard, mono.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: for the opening of the file.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _SYSTEM, _BUSY (too many files wait to be written),
///   _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_record_start(
    call: *mut voip_call,
    path: *const c_char,
    options: *const voip_record_options,
) -> voip_status {
    guard(|| {
        let path = unsafe { strings::filled(path, "path") }?;
        let channels = match options.is_null() {
            true => 1,
            false => unsafe { sized::read(options) }?.channels.max(1),
        };
        let channels = strings::within(channels, 1, 2, "number of channels", "")?;
        let channels = u8::try_from(channels).unwrap_or(1);
        objects::call(call)?.engine.record_start(path, channels).map(drop).map_err(Fail::from)
    })
}

/// Ends the recording; `on_record_finished` tells when the file is whole. The end of the call does the same.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_record_stop(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.engine.record_stop().map_err(Fail::from))
}
