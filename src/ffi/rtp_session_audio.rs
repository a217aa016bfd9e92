//! Audio and keys of an RTP session.

use super::error::{voip_status, Fail, FfiResult};
use super::panic::{guard, not_in_callback};
use super::rtp_session::{session, voip_rtp_session, Session};
use super::strings;
use std::ffi::{c_char, c_void};

/// More frames than any buffer of the library holds.
const MAX_FRAMES: usize = 1 << 26;
/// Lengths of a key and of the pause after it, unless the host says otherwise.
const DURATION_MS: u32 = 120;
const GAP_MS: u32 = 80;

/// Reads what was heard. A frame is one sample in the format of the options.
///
/// Waits until `frames` are there, the time is over or the session is stopped; gives what is there. Silence that the other
/// side sent is audio. In a driven session somebody else must poll meanwhile.
/// @param pcm gets the frames.
/// @param frames how many fit.
/// @param timeout_ms 0 never blocks, -1 waits for ever.
/// @param got gets how many were written; may be less than `frames`.
///
/// Thread: any.
/// Callback: yes with timeout_ms 0.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _TIMEOUT (nothing there), _STATE (stopped and all read), _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_read(
    session: *mut voip_rtp_session,
    pcm: *mut c_void,
    frames: usize,
    timeout_ms: i32,
    got: *mut usize,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(got, "got", 0) }?;
        let timeout = waiting(timeout_ms, "voip_rtp_session_read with a time-out")?;
        let session = self::session(session)?;
        let pcm = unsafe { output(&session, pcm, frames) }?;
        let read = session.engine.read(pcm, timeout)?;
        unsafe { strings::write(got, "got", read) }
    })
}

/// Reads what was heard together with its RTP timestamp: the frames of one read follow each other in the time of the stream,
/// it ends where the timestamps jump.
///
/// What `voip_rtp_ntp_of` turns into the sender's wall clock.
/// @param pcm gets the frames, one sample each in the format of the options.
/// @param frames how many fit.
/// @param timeout_ms how long to wait for all of them; 0 never blocks, -1 for ever.
/// @param got gets how many were written; may be less than `frames`.
/// @param timestamp gets that of the first frame, on the clock of the payload (`clock_rate` in `voip_rtp_sync`).
///
/// Thread: any.
/// Callback: yes with timeout_ms 0.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _TIMEOUT (nothing there), _STATE (stopped and all read), _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_read_timed(
    session: *mut voip_rtp_session,
    pcm: *mut c_void,
    frames: usize,
    timeout_ms: i32,
    got: *mut usize,
    timestamp: *mut u32,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(got, "got", 0) }?;
        unsafe { strings::write(timestamp, "timestamp", 0) }?;
        let timeout = waiting(timeout_ms, "voip_rtp_session_read_timed with a time-out")?;
        let session = self::session(session)?;
        let pcm = unsafe { output(&session, pcm, frames) }?;
        let (read, first) = session.engine.read_timed(pcm, timeout)?;
        unsafe { strings::write(timestamp, "timestamp", first) }?;
        unsafe { strings::write(got, "got", read) }
    })
}

/// Fills the whole buffer at once: what was heard, then silence of the format.
///
/// @param pcm gets the frames, one sample each in the format of the options.
/// @param frames how many fit; all are filled.
/// @param got gets how many were real; may be NULL.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_read_padded(
    session: *mut voip_rtp_session,
    pcm: *mut c_void,
    frames: usize,
    got: *mut usize,
) -> voip_status {
    guard(|| {
        let session = self::session(session)?;
        let pcm = unsafe { output(&session, pcm, frames) }?;
        let read = session.engine.read_padded(pcm)?;
        if !got.is_null() {
            unsafe { got.write_unaligned(read) };
        }
        Ok(())
    })
}

/// Writes what shall be sent; it goes out at its pace, what is written before the start goes out then.
///
/// @param pcm the frames, one sample each in the format of the options; copied.
/// @param frames how many there are.
/// @param timeout_ms how long to wait for room: 0 never blocks, -1 for ever.
/// @param put gets how many were taken; may be NULL.
///
/// Thread: any.
/// Callback: yes with timeout_ms 0.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _TIMEOUT (no room), _STATE (stopped), _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_write(
    session: *mut voip_rtp_session,
    pcm: *const c_void,
    frames: usize,
    timeout_ms: i32,
    put: *mut usize,
) -> voip_status {
    guard(|| {
        if !put.is_null() {
            unsafe { put.write_unaligned(0) };
        }
        let timeout = waiting(timeout_ms, "voip_rtp_session_write with a time-out")?;
        let session = self::session(session)?;
        let bytes = frame_bytes(&session, pcm.is_null(), frames)?;
        // SAFETY: the host promises that so many frames are there.
        let pcm = unsafe { std::slice::from_raw_parts(pcm.cast::<u8>(), bytes) };
        let written = session.engine.write(pcm, timeout)?;
        if !put.is_null() {
            unsafe { put.write_unaligned(written) };
        }
        Ok(())
    })
}

/// Waits until all that was written and all keys have been sent.
///
/// @param timeout_ms 0 never blocks, -1 waits for ever.
///
/// Thread: any.
/// Callback: no.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _TIMEOUT, _STATE (stopped), _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_drain(
    session: *mut voip_rtp_session,
    timeout_ms: i32,
) -> voip_status {
    guard(|| {
        not_in_callback("voip_rtp_session_drain")?;
        let timeout = strings::timeout(timeout_ms)?;
        self::session(session)?.engine.drain(timeout).map_err(Fail::from)
    })
}

/// Forgets what was heard and not read, and what was written and not sent.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE (stopped), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_flush(session: *mut voip_rtp_session) -> voip_status {
    guard(|| self::session(session)?.engine.flush().map_err(Fail::from))
}

/// Sends keys one after the other as telephone-event (RFC 4733); returns at once.
///
/// @param digits of 0-9 * # A-D, `w` waits half a second, `,` two seconds; at most 256.
/// @param duration_ms 40 to 5000, 0: 120.
/// @param gap_ms pause after each, 20 to 5000, 0: 80.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _STATE (not started, stopped), _NOT_SUPPORTED (no telephone-event in the
///   payload map), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_send_dtmf(
    session: *mut voip_rtp_session,
    digits: *const c_char,
    duration_ms: u32,
    gap_ms: u32,
) -> voip_status {
    guard(|| {
        let digits = unsafe { strings::filled(digits, "digits") }?;
        let duration = if duration_ms == 0 { DURATION_MS } else { duration_ms };
        let gap = if gap_ms == 0 { GAP_MS } else { gap_ms };
        self::session(session)?.engine.send_dtmf(digits, duration, gap).map_err(Fail::from)
    })
}

/// Takes keys of the other side, oldest first, all that are there; waits for the first.
///
/// @param digits gets them with a NUL.
/// @param len bytes of the buffer, at least 2: `len - 1` keys at most.
/// @param timeout_ms 0 never blocks, -1 waits for ever.
/// @param count gets how many; may be NULL.
///
/// Thread: any.
/// Callback: yes with timeout_ms 0.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _BUFFER_TOO_SMALL, _TIMEOUT (none), _STATE (stopped and all taken), _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_read_dtmf(
    session: *mut voip_rtp_session,
    digits: *mut c_char,
    len: usize,
    timeout_ms: i32,
    count: *mut usize,
) -> voip_status {
    guard(|| {
        let timeout = waiting(timeout_ms, "voip_rtp_session_read_dtmf with a time-out")?;
        if !digits.is_null() && len < 2 {
            let text = format!("{len} bytes hold no key and its NUL");
            return Err(Fail::new(voip_status::VOIP_ERR_BUFFER_TOO_SMALL, text));
        }
        let session = self::session(session)?;
        let mut keys = [0; 256];
        let room = keys.get_mut(..len.saturating_sub(1).min(256)).unwrap_or_default();
        if digits.is_null() {
            return Err(Fail::null("digits"));
        }
        let read = session.engine.read_dtmf(room, timeout)?;
        let taken = room.get(..read).unwrap_or_default();
        unsafe { strings::put(taken, digits, len, std::ptr::null_mut()) }?;
        if !count.is_null() {
            unsafe { count.write_unaligned(read) };
        }
        Ok(())
    })
}

fn waiting(timeout_ms: i32, function: &str) -> FfiResult<Option<std::time::Duration>> {
    if timeout_ms != 0 {
        not_in_callback(function)?;
    }
    strings::timeout(timeout_ms)
}

/// The host's buffer as bytes, for as long as the call into the library lasts.
unsafe fn output<'a>(session: &Session, pcm: *mut c_void, frames: usize) -> FfiResult<&'a mut [u8]> {
    let bytes = frame_bytes(session, pcm.is_null(), frames)?;
    // SAFETY: the host promises that so many frames fit.
    Ok(unsafe { std::slice::from_raw_parts_mut(pcm.cast(), bytes) })
}

fn frame_bytes(session: &Session, null: bool, frames: usize) -> FfiResult<usize> {
    if frames > MAX_FRAMES {
        return Err(Fail::range(format!("{frames} frames, more than {MAX_FRAMES}")));
    }
    if null {
        return Err(Fail::null("pcm"));
    }
    Ok(frames * session.engine.audio_format().bytes_per_frame())
}
