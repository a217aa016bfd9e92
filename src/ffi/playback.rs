//! What is on its way to the other side, played or written, as one queue: clearing it, marks in it, its position.

use super::error::{voip_status, Fail};
use super::objects;
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::types::*;
use std::mem::size_of;

/// How far the playback of a call is. Begin with `VOIP_PLAYBACK_INFO_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_playback_info {
    /// sizeof(voip_playback_info).
    pub size: usize,
    /// What plays now, as `voip_call_get_play_id` gave it; 0: nothing.
    pub play_id: u64,
    /// How much of it was sent, in ms.
    pub position_ms: u64,
    /// How many things wait to be played behind it.
    pub waiting: u32,
    /// Frames that were taken by `voip_call_write_audio` since the call began.
    pub written_frames: u64,
    /// Of these, how many were sent. What was cleared is in neither the sent nor the waiting ones.
    pub sent_frames: u64,
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_playback_info {
    const NAME: &'static str = "voip_playback_info";
}

/// Stops what plays, and forgets what waits to be played and what was written and not sent: the other side hears one more
/// frame at most. What was heard and not read stays.
///
/// Plays end with `on_play_finished`, marks with `on_playback_mark`, both not completed. What is written or played after this
/// call is sent.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _CALL_ENDED, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_clear_playback(call: *mut voip_call) -> voip_status {
    guard(|| objects::call(call)?.engine.clear_playback().map_err(Fail::from))
}

/// Sets a mark behind all that was written and queued to be played so far; `on_playback_mark` tells when it was sent.
///
/// At most 64 marks wait; one more comes back at once as not reached. A call that ends without ever having had media tells none.
/// @param mark any number; it comes back.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _CALL_ENDED, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_play_mark(call: *mut voip_call, mark: u64) -> voip_status {
    guard(|| objects::call(call)?.engine.play_mark(mark).map_err(Fail::from))
}

/// Tells how far the playback is; as it was at the last packet sent.
///
/// @param info gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_playback(
    call: *mut voip_call,
    info: *mut voip_playback_info,
) -> voip_status {
    guard(|| {
        let now = objects::call(call)?.engine.playback();
        let value = voip_playback_info {
            size: size_of::<voip_playback_info>(),
            play_id: now.play_id,
            position_ms: now.play_ms,
            waiting: now.waiting,
            written_frames: now.written,
            sent_frames: now.sent,
        };
        unsafe { sized::write(info, &value) }
    })
}
