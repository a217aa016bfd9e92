//! Keys: sent, received, collected.

use super::error::{voip_status, Fail};
use super::objects;
use super::panic::{guard, not_in_callback};
use super::strings;
use super::types::*;
use crate::engine::Gather;
use std::ffi::c_char;
use std::sync::atomic::Ordering;

/// Lengths of a key and of the pause after it, unless the host says otherwise (RFC 4733 leaves them open; ITU-T
/// Q.24 receivers want 40 ms of each).
const DURATION_MS: u32 = 120;
const GAP_MS: u32 = 80;
/// More keys than anybody dials; bounds what one call of a function queues.
const MAX_DIGITS: usize = 256;

/// Sends keys one after the other, in the order of the calls; returns at once, `on_dtmf_sent` tells when all
/// are sent.
///
/// @param digits of 0-9 * # A-D, `w` waits half a second, `,` two seconds; at most 256.
/// @param duration_ms 40 to 5000, 0: 120.
/// @param gap_ms pause after each, 20 to 5000, 0: 80.
/// @param method a `voip_dtmf_method`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _STATE, _LIMIT (queue full), _CALL_ENDED,
///   _NOT_SUPPORTED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_send_dtmf(
    call: *mut voip_call,
    digits: *const c_char,
    duration_ms: u32,
    gap_ms: u32,
    method: i32,
) -> voip_status {
    guard(|| {
        let digits = unsafe { strings::filled(digits, "digits") }?;
        check_digits(digits)?;
        let duration = strings::within(default(duration_ms, DURATION_MS), 40, 5000, "duration", " ms")?;
        let gap = strings::within(default(gap_ms, GAP_MS), 20, 5000, "gap", " ms")?;
        let info = match method {
            0 => false,
            1 => true,
            other => return Err(Fail::argument(format!("DTMF method {other} is unknown"))),
        };
        let call = objects::call(call)?;
        let id = call.engine.send_dtmf(digits, duration, gap, info)?;
        call.last_play.store(id, Ordering::Release);
        Ok(())
    })
}

/// Takes keys of the other side from their queue, oldest first, all that are there; waits for the first.
///
/// Keys are kept from early media on, in RTP or INFO.
/// @param digits gets them with a NUL.
/// @param len bytes of the buffer, at least 2: `len - 1` keys at most.
/// @param timeout_ms 0 never blocks, -1 waits for ever.
/// @param count gets how many; may be NULL.
///
/// Thread: any.
/// Callback: yes with timeout_ms 0.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _BUFFER_TOO_SMALL, _TIMEOUT (none), _CALL_ENDED (over and all
///   taken), _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_read_dtmf(
    call: *mut voip_call,
    digits: *mut c_char,
    len: usize,
    timeout_ms: i32,
    count: *mut usize,
) -> voip_status {
    guard(|| {
        let digits = unsafe { key_buffer(digits, len, count) }?;
        let timeout = strings::timeout(timeout_ms)?;
        if timeout_ms != 0 {
            not_in_callback("voip_call_read_dtmf with a time-out")?;
        }
        let Some((_, keys)) = digits.split_last_mut() else {
            return Err(Fail::null("digits"));
        };
        let read = objects::call(call)?.engine.read_dtmf(keys, timeout)?;
        unsafe { end_keys(digits, read, count) }
    })
}

/// Tells how many keys wait to be read.
///
/// @param count gets the number.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_pending_dtmf(call: *mut voip_call, count: *mut usize) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        unsafe { strings::write(count, "count", call.engine.pending_dtmf()) }
    })
}

/// Forgets the keys that wait to be read.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_clear_dtmf(call: *mut voip_call) -> voip_status {
    guard(|| {
        objects::call(call)?.engine.clear_dtmf();
        Ok(())
    })
}

/// Collects keys: until `max` of them, a terminator, or a time-out. What was pressed before counts too
/// (`voip_call_clear_dtmf` forgets it).
///
/// @param max 1 to 255 keys.
/// @param terminators keys that end the input, like `#`; NULL: none.
/// @param first_ms how long the first key may take; -1: for ever.
/// @param between_ms how long each later one may take; -1: for ever.
/// @param barge_in not 0: the first key stops what is being played.
/// @param digits gets the keys with a NUL, without the terminator.
/// @param len bytes of it, more than `max`.
/// @param count gets how many; may be NULL.
/// @param terminator gets the key that ended it, 0 if none did; may be NULL.
///
/// A time-out after the first key is no error: the keys that came are given.
///
/// Thread: any.
/// Callback: no.
/// Blocks: up to first_ms and between_ms for each further key.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _BUFFER_TOO_SMALL, _TIMEOUT (no key at all),
///   _CALL_ENDED, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_gather(
    call: *mut voip_call,
    max: u32,
    terminators: *const c_char,
    first_ms: i32,
    between_ms: i32,
    barge_in: i32,
    digits: *mut c_char,
    len: usize,
    count: *mut usize,
    terminator: *mut c_char,
) -> voip_status {
    guard(|| {
        let digits = unsafe { key_buffer(digits, len, count) }?;
        if !terminator.is_null() {
            unsafe { terminator.write(0) };
        }
        not_in_callback("voip_call_gather")?;
        let max = strings::within(max, 1, 255, "number of keys", "")? as usize;
        if len <= max {
            let text = format!("the buffer has {len} bytes, {} are needed", max + 1);
            return Err(Fail::new(voip_status::VOIP_ERR_BUFFER_TOO_SMALL, text));
        }
        let terminators = unsafe { strings::optional(terminators, "terminators") }?.unwrap_or("");
        let (first, between) = (strings::timeout(first_ms)?, strings::timeout(between_ms)?);
        let how =
            Gather { max, terminators: terminators.as_bytes(), first, between, barge_in: barge_in != 0 };
        let keys = digits.get_mut(..max).ok_or_else(|| Fail::null("digits"))?;
        let (read, ended) = objects::call(call)?.engine.gather_dtmf(keys, &how)?;
        if let (Some(key), false) = (ended, terminator.is_null()) {
            unsafe { terminator.write(key as c_char) };
        }
        unsafe { end_keys(digits, read, count) }
    })
}

const fn default(value: u32, instead: u32) -> u32 {
    if value == 0 {
        instead
    } else {
        value
    }
}

fn check_digits(digits: &str) -> Result<(), Fail> {
    if digits.len() > MAX_DIGITS {
        return Err(Fail::argument(format!("{} digits, more than {MAX_DIGITS}", digits.len())));
    }
    let known = |c: char| c.is_ascii_digit() || "*#ABCDabcdwW,".contains(c);
    match digits.chars().find(|c| !known(*c)) {
        Some(c) => Err(Fail::argument(format!("\"{c}\" in \"{digits}\" is no key"))),
        None => Ok(()),
    }
}

/// The host's buffer, emptied; it must hold one key and the NUL.
unsafe fn key_buffer<'a>(digits: *mut c_char, len: usize, count: *mut usize) -> Result<&'a mut [u8], Fail> {
    if !count.is_null() {
        unsafe { count.write_unaligned(0) };
    }
    if digits.is_null() {
        return Err(Fail::null("digits"));
    }
    if len < 2 {
        let text = format!("the buffer has {len} bytes, 2 are the least");
        return Err(Fail::new(voip_status::VOIP_ERR_BUFFER_TOO_SMALL, text));
    }
    let len = len.min(MAX_DIGITS + 1);
    // SAFETY: the host promises `len` bytes; zeroed before they are seen as a slice.
    unsafe {
        std::ptr::write_bytes(digits, 0, len);
        Ok(std::slice::from_raw_parts_mut(digits.cast(), len))
    }
}

unsafe fn end_keys(digits: &mut [u8], read: usize, count: *mut usize) -> Result<(), Fail> {
    if let Some(end) = digits.get_mut(read) {
        *end = 0;
    }
    if !count.is_null() {
        unsafe { count.write_unaligned(read) };
    }
    Ok(())
}
