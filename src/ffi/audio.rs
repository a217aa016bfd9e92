//! Audio of a call: frames in and out of the host's buffers.

use super::callbacks::voip_destroy_fn;
use super::config_media::audio_format;
use super::error::{report_timeout, voip_status, Fail, FfiResult};
use super::held::{Fate, Held};
use super::objects::{self, CallObject};
use super::panic::{at_once, guard, in_host, not_in_callback};
use super::strings;
use super::types::*;
use crate::engine::{SampleFormat, TapFrames, TapSink};
use std::ffi::c_void;

/// Gets frames of the phone's format on the media thread; `sent` is 0 for what was heard, 1 for what was sent.
pub type voip_audio_tap_fn = Option<
    unsafe extern "C" fn(
        call: *mut voip_call,
        sent: i32,
        pcm: *const c_void,
        frames: usize,
        user: *mut c_void,
    ),
>;

/// More frames than any buffer of the library holds.
const MAX_FRAMES: usize = 1 << 26;

/// Reads what was heard. A frame is one sample of each channel in the phone's format
/// (`voip_config_set_audio_format`).
///
/// Waits until `frames` are there, the time is over or the call ends; gives what is there. Silence that the
/// other side sent is audio.
/// @param pcm gets the frames.
/// @param frames how many fit.
/// @param timeout_ms 0 never blocks, -1 waits for ever.
/// @param got gets how many were written; may be less than `frames`.
///
/// Thread: any.
/// Callback: yes with timeout_ms 0.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _TIMEOUT (nothing there), _CALL_ENDED (over and all read),
///   _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_read_audio(
    call: *mut voip_call,
    pcm: *mut c_void,
    frames: usize,
    timeout_ms: i32,
    got: *mut usize,
) -> voip_status {
    if timeout_ms == 0 && is_ordinary(pcm, frames) && !got.is_null() {
        if let Some(status) = at_once(|| unsafe { read_now(call, pcm, frames, got) }) {
            return status;
        }
    }
    guard(|| {
        unsafe { strings::write(got, "got", 0) }?;
        let timeout = strings::timeout(timeout_ms)?;
        if timeout_ms != 0 {
            not_in_callback("voip_call_read_audio with a time-out")?;
        }
        let call = objects::call(call)?;
        let pcm = unsafe { output(&call, pcm, frames) }?;
        let read = call.engine.read_audio(pcm, timeout)?;
        unsafe { strings::write(got, "got", read) }
    })
}

/// Fills the whole buffer at once: what was heard, then silence of the format. A frame is one sample of each
/// channel in the phone's format (`voip_config_set_audio_format`).
///
/// @param pcm gets the frames.
/// @param frames how many fit; all are filled.
/// @param got gets how many were real; may be NULL. After the end all is silence.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_read_audio_padded(
    call: *mut voip_call,
    pcm: *mut c_void,
    frames: usize,
    got: *mut usize,
) -> voip_status {
    guard(|| {
        if !got.is_null() {
            unsafe { got.write_unaligned(0) };
        }
        let call = objects::call(call)?;
        let pcm = unsafe { output(&call, pcm, frames) }?;
        let read = call.engine.read_audio_padded(pcm)?;
        if !got.is_null() {
            unsafe { got.write_unaligned(read) };
        }
        Ok(())
    })
}

/// Writes what shall be sent; it goes out at its pace. A frame is one sample of each channel in the phone's
/// format (`voip_config_set_audio_format`).
///
/// Before the answer it is kept and sent then.
/// @param pcm the frames; copied.
/// @param frames how many there are.
/// @param timeout_ms how long to wait for room: 0 never blocks, -1 for ever.
/// @param put gets how many were taken; may be NULL.
///
/// Thread: any.
/// Callback: yes with timeout_ms 0.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _TIMEOUT (no room), _CALL_ENDED, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_write_audio(
    call: *mut voip_call,
    pcm: *const c_void,
    frames: usize,
    timeout_ms: i32,
    put: *mut usize,
) -> voip_status {
    if timeout_ms == 0 && is_ordinary(pcm, frames) {
        if let Some(status) = at_once(|| unsafe { write_now(call, pcm, frames, put) }) {
            return status;
        }
    }
    guard(|| {
        if !put.is_null() {
            unsafe { put.write_unaligned(0) };
        }
        let timeout = strings::timeout(timeout_ms)?;
        if timeout_ms != 0 {
            not_in_callback("voip_call_write_audio with a time-out")?;
        }
        let call = objects::call(call)?;
        let pcm = unsafe { input(&call, pcm, frames) }?;
        let written = call.engine.write_audio(pcm, timeout)?;
        if !put.is_null() {
            unsafe { put.write_unaligned(written) };
        }
        Ok(())
    })
}

/// Sets the format of the frames that are read, written, played and recorded in this call, instead of the phone's. For an
/// incoming call: before its answer or `voip_call_progress`, and before anything else is done with its audio. Calls that
/// are dialled have it in `voip_call_options`.
///
/// @param sample a `voip_sample_format`.
/// @param rate 8000, 16000, 24000, 32000, 44100 or 48000 Hz.
/// @param channels 1.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _RANGE, _STATE (media were negotiated), _CALL_ENDED, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_set_audio_format(
    call: *mut voip_call,
    sample: i32,
    rate: u32,
    channels: u32,
) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        let format = audio_format(sample, rate, channels)?;
        call.engine.set_audio_format(format).map_err(Fail::from)
    })
}

/// Tells the format of the frames that are read and written.
///
/// @param sample gets a `voip_sample_format`.
/// @param rate gets Hz.
/// @param channels gets the number. Each may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_audio_format(
    call: *mut voip_call,
    sample: *mut voip_sample_format,
    rate: *mut u32,
    channels: *mut u32,
) -> voip_status {
    guard(|| {
        let format = objects::call(call)?.engine.audio_format();
        let kind = match format.sample {
            SampleFormat::S16 => voip_sample_format::VOIP_FORMAT_S16,
            SampleFormat::U8 => voip_sample_format::VOIP_FORMAT_U8,
        };
        if !sample.is_null() {
            unsafe { sample.write_unaligned(kind) };
        }
        if !rate.is_null() {
            unsafe { rate.write_unaligned(format.rate) };
        }
        if !channels.is_null() {
            unsafe { channels.write_unaligned(format.channels.into()) };
        }
        Ok(())
    })
}

/// Tells how many frames can be read at once.
///
/// @param frames gets the number.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_read_available(
    call: *mut voip_call,
    frames: *mut usize,
) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        unsafe { strings::write(frames, "frames", call.engine.read_available()?) }
    })
}

/// Tells how many frames can be written without waiting.
///
/// @param frames gets the number.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_write_space(call: *mut voip_call, frames: *mut usize) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        unsafe { strings::write(frames, "frames", call.engine.write_space()?) }
    })
}

/// Forgets what was heard and not read, and what was written and not sent.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_flush_audio(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.engine.flush_audio().map_err(Fail::from))
}

/// Waits until all that was written and played has been sent.
///
/// @param timeout_ms 0 never blocks, -1 waits for ever; ends with the call.
///
/// Thread: any.
/// Callback: no.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _TIMEOUT, _CALL_ENDED, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_drain_audio(call: *mut voip_call, timeout_ms: i32) -> voip_status {
    guard(|| {
        not_in_callback("voip_call_drain_audio")?;
        let timeout = strings::timeout(timeout_ms)?;
        objects::call(call)?.engine.drain_audio(timeout).map_err(Fail::from)
    })
}

/// Tells how loud the last 20 ms were, each 0 to 32767.
///
/// @param heard_peak,heard_rms what came.
/// @param sent_peak,sent_rms what went. Each may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_audio_levels(
    call: *mut voip_call,
    heard_peak: *mut i32,
    heard_rms: *mut i32,
    sent_peak: *mut i32,
    sent_rms: *mut i32,
) -> voip_status {
    guard(|| {
        let (heard, sent) = objects::call(call)?.engine.audio_levels();
        for (out, value) in
            [(heard_peak, heard.0), (heard_rms, heard.1), (sent_peak, sent.0), (sent_rms, sent.1)]
        {
            if !out.is_null() {
                unsafe { out.write_unaligned(value) };
            }
        }
        Ok(())
    })
}

/// Makes what is heard and what is sent louder or softer.
///
/// @param heard_percent,sent_percent 0 to 800; 100 changes nothing.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_set_gain(
    call: *mut voip_call,
    heard_percent: u32,
    sent_percent: u32,
) -> voip_status {
    guard(|| {
        let heard = strings::within(heard_percent, 0, 800, "gain", " %")?;
        let sent = strings::within(sent_percent, 0, 800, "gain", " %")?;
        objects::call(call)?.engine.set_gain(heard, sent).map_err(Fail::from)
    })
}

/// Has a function called with all that is heard and sent, on the media thread, from now on; also before the answer.
///
/// The thread runs other calls too and keeps real time: the function must not block, wait for a lock that is held for
/// long, or call what may wait. What is heard comes as it is played out, what is sent once a packet.
/// @param tap gets the frames; replaces the one before. NULL: none.
/// @param user handed to it.
/// @param destroy called once with `user` when the tap is not used any more: replaced, removed, or its call ended. No
///   tap with that pointer runs then or later. May be NULL. Not called if this function fails.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _CALL_ENDED, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_set_audio_tap(
    call: *mut voip_call,
    tap: voip_audio_tap_fn,
    user: *mut c_void,
    destroy: voip_destroy_fn,
) -> voip_status {
    guard(|| {
        let object = objects::call(call)?;
        let fate = Fate::new(user, destroy);
        let held = Held::new(&fate);
        // The handle goes as a number: it is a token and nothing that could dangle.
        let handle = object.handle() as usize;
        let sink = tap.map(|tap| -> TapSink {
            Box::new(move |sent, frames| {
                let (pcm, count): (*const c_void, usize) = match frames {
                    TapFrames::S16(frames) => (frames.as_ptr().cast(), frames.len()),
                    TapFrames::U8(frames) => (frames.as_ptr().cast(), frames.len()),
                };
                let (handle, sent, user) = (handle as *mut voip_call, i32::from(sent), held.user());
                // SAFETY: the host's function, with what its signature says; the frames live until it returns.
                in_host(|| unsafe { tap(handle, sent, pcm, count, user) });
            })
        });
        object.engine.set_tap(sink)?;
        fate.commit();
        Ok(())
    })
}

/// Fills a buffer with a format's silence.
///
/// @param sample a `voip_sample_format`.
/// @param pcm gets it.
/// @param samples how many samples (frames times channels): 2 bytes each for S16, 1 for U8.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_format_silence(sample: i32, pcm: *mut c_void, samples: usize) -> voip_status {
    guard(|| {
        let (byte, width) = match sample {
            0 => (0, 2),
            1 => (0x80, 1),
            other => return Err(Fail::argument(format!("sample format {other} is unknown"))),
        };
        if pcm.is_null() {
            return Err(Fail::null("pcm"));
        }
        let bytes = samples.checked_mul(width).filter(|bytes| isize::try_from(*bytes).is_ok());
        let bytes = bytes.ok_or_else(|| Fail::range(format!("{samples} samples")))?;
        unsafe { std::ptr::write_bytes(pcm.cast::<u8>(), byte, bytes) };
        Ok(())
    })
}

/// A buffer that can be taken as it is.
#[inline]
fn is_ordinary(pcm: *const c_void, frames: usize) -> bool {
    !pcm.is_null() && pcm.cast::<i16>().is_aligned() && (1..=MAX_FRAMES).contains(&frames)
}

/// None: nothing was done, and it is not the ordinary case.
#[inline]
unsafe fn read_now(
    call: *mut voip_call,
    pcm: *mut c_void,
    frames: usize,
    got: *mut usize,
) -> Option<voip_status> {
    let call = objects::call_to_read(call)?;
    if !call.engine.reads_16_bits() {
        return None;
    }
    // SAFETY: the host promises that so many frames fit.
    let read = call.engine.read_now(unsafe { std::slice::from_raw_parts_mut(pcm.cast(), frames) })?;
    // SAFETY: not NULL, writable by the caller's promise.
    unsafe { got.write_unaligned(read) };
    Some(if read > 0 { voip_status::VOIP_OK } else { report_timeout() })
}

/// The same.
#[inline]
unsafe fn write_now(
    call: *mut voip_call,
    pcm: *const c_void,
    frames: usize,
    put: *mut usize,
) -> Option<voip_status> {
    let call = objects::call_to_write(call)?;
    if !call.engine.writes_16_bits() {
        return None;
    }
    // SAFETY: the host promises that so many frames are there.
    let written = call.engine.write_now(unsafe { std::slice::from_raw_parts(pcm.cast(), frames) })?;
    if !put.is_null() {
        // SAFETY: not NULL, writable by the caller's promise.
        unsafe { put.write_unaligned(written) };
    }
    Some(if written > 0 { voip_status::VOIP_OK } else { report_timeout() })
}

fn bytes_of(call: &CallObject, frames: usize) -> FfiResult<usize> {
    if frames > MAX_FRAMES {
        return Err(Fail::range(format!("{frames} frames, more than {MAX_FRAMES}")));
    }
    Ok(frames * call.engine.audio_format().bytes_per_frame())
}

/// The host's buffer as bytes, for as long as the call into the library lasts.
unsafe fn output<'a>(call: &CallObject, pcm: *mut c_void, frames: usize) -> FfiResult<&'a mut [u8]> {
    let bytes = bytes_of(call, frames)?;
    if pcm.is_null() {
        return Err(Fail::null("pcm"));
    }
    // SAFETY: the host promises that so many frames fit.
    Ok(unsafe { std::slice::from_raw_parts_mut(pcm.cast(), bytes) })
}

pub(crate) unsafe fn input<'a>(call: &CallObject, pcm: *const c_void, frames: usize) -> FfiResult<&'a [u8]> {
    let bytes = bytes_of(call, frames)?;
    if pcm.is_null() {
        return Err(Fail::null("pcm"));
    }
    // SAFETY: the host promises that so many frames are there.
    Ok(unsafe { std::slice::from_raw_parts(pcm.cast(), bytes) })
}
