//! What a call plays: files, PCM, tones. They queue behind each other.

use super::audio;
use super::error::{voip_status, Fail, FfiResult};
use super::objects::{self, CallObject};
use super::panic::guard;
use super::strings;
use super::types::*;
use std::ffi::{c_char, c_void};
use std::sync::atomic::Ordering;

/// Plays a WAV file to the other side; returns at once, `on_play_finished` and `voip_call_drain_audio` tell
/// the end.
///
/// What plays already is finished first. The file is read now, whatever rate it has.
/// @param path of a WAV file (PCM 8 or 16 bit, A-law, µ-law; mono or stereo).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: for the reading of the file.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _SYSTEM (cannot be opened), _PARSE (no WAV), _CODEC, _LIMIT,
///   _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_play_file(call: *mut voip_call, path: *const c_char) -> voip_status {
    guard(|| {
        let path = unsafe { strings::filled(path, "path") }?;
        let call = objects::call(call)?;
        let id = call.engine.play_file(path)?;
        keep(&call, id)
    })
}

/// Plays frames of the phone's format to the other side; they are copied.
///
/// @param pcm the frames.
/// @param frames how many there are.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _LIMIT, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_play_pcm(
    call: *mut voip_call,
    pcm: *const c_void,
    frames: usize,
) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        let pcm = unsafe { audio::input(&call, pcm, frames) }?;
        let id = call.engine.play_pcm(pcm)?;
        keep(&call, id)
    })
}

/// Plays a tone to the other side.
///
/// @param hz 20 to 20000.
/// @param ms up to 3600000; 0: until `voip_call_play_stop`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE, _LIMIT, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_play_tone(call: *mut voip_call, hz: u32, ms: u32) -> voip_status {
    guard(|| {
        let hz = strings::within(hz, 20, 20_000, "tone", " Hz")?;
        let ms = strings::within(ms, 0, 3_600_000, "tone", " ms")?;
        let call = objects::call(call)?;
        let id = call.engine.play_tone(hz, ms)?;
        keep(&call, id)
    })
}

/// Stops what plays and forgets what waits to be played.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_play_stop(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.engine.play_stop().map_err(Fail::from))
}

/// Tells the number of what was last given to the player or to `voip_call_send_dtmf`; `on_play_finished` and
/// `on_dtmf_sent` name it.
///
/// @param id gets it, 0 before the first.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_play_id(call: *mut voip_call, id: *mut u64) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        unsafe { strings::write(id, "id", call.last_play.load(Ordering::Acquire)) }
    })
}

fn keep(call: &CallObject, id: u64) -> FfiResult {
    call.last_play.store(id, Ordering::Release);
    Ok(())
}
