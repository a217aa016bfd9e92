//! The table of callbacks, what each is told, and how the host's table is kept and called.

use super::objects::PhoneShared;
use super::panic::in_host;
use super::sized::SizeFirst;
use super::stats::voip_call_stats;
use super::types::*;
use std::ffi::{c_char, c_void};
use std::sync::{Arc, PoisonError};

/// Ends the life of a user pointer. Called exactly once, when the pointer was replaced or its owner freed,
/// and never while a callback with that pointer runs. It may run on any thread and counts
/// as a callback: what may wait is refused inside.
pub type voip_destroy_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// How a phone is now.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_phone_status_info {
    pub size: usize,
    pub status: voip_phone_status,
}

/// How an account is now.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_account_status_info {
    pub size: usize,
    pub status: voip_account_status,
    /// Last final SIP status of REGISTER, 0 if there was none.
    pub sip_code: i32,
    /// Its phrase, or what happened instead. Never NULL.
    pub reason: *const c_char,
    /// Seconds that the registrar granted; 0 without a binding.
    pub expires_s: u32,
    /// When the next attempt is due, in ms; -1: none.
    pub retry_in_ms: i64,
}

/// A new call from outside.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_incoming_call_info {
    pub size: usize,
    /// The account that it came for; NULL if it came without one.
    pub account: *mut voip_account,
    /// The caller's URI. Never NULL.
    pub remote_uri: *const c_char,
    /// The caller's display name, without quotes; empty if none.
    pub remote_name: *const c_char,
    /// Who was called.
    pub local_uri: *const c_char,
    /// The Call-ID.
    pub call_id: *const c_char,
}

/// Where a call is now; in the last one of a call, why it ended.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_call_state_info {
    pub size: usize,
    pub state: voip_call_state,
    /// The SIP status behind it, 0 if none (BYE).
    pub sip_code: i32,
    /// Its phrase, or what happened. Never NULL.
    pub reason: *const c_char,
    /// With ENDED: why. Else NONE.
    pub cause: voip_end_cause,
    /// With ENDED: who. Else NOBODY.
    pub by: voip_ended_by,
    /// With ENDED: the Reason header (RFC 3326), NULL if there was none.
    pub reason_header: *const c_char,
}

/// What happened to the audio of a call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_call_media_info {
    pub size: usize,
    pub event: voip_media_event,
    /// Which way audio may flow, seen from this side.
    pub direction: voip_media_direction,
    /// 1: this side holds the other.
    pub held_by_us: i32,
    /// 1: the other side holds this one.
    pub held_by_peer: i32,
    /// Name of the codec, like `PCMU`; empty before the first negotiation.
    pub codec: *const c_char,
    /// `address:port` of the other side's audio; empty if not known.
    pub remote: *const c_char,
}

/// A key of the other side.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_dtmf_info {
    pub size: usize,
    /// One of 0-9 * # A-D.
    pub digit: c_char,
    /// How long it was pressed; 0 in `on_dtmf_begin`, where that is not known yet.
    pub duration_ms: u32,
    pub method: voip_dtmf_method,
}

/// How a transfer goes on (RFC 3515).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_transfer_info {
    pub size: usize,
    /// What the new call of the other side has got: 100, 180, 200, 486 ….
    pub sip_code: i32,
    pub reason: *const c_char,
    /// 1: this was the last word.
    pub finished: i32,
}

/// Something that was played, or keys that were sent, came to their end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_play_info {
    pub size: usize,
    /// Which one: what `voip_call_get_play_id` gave.
    pub play_id: u64,
    /// 1: sent to its last frame; 0: stopped before.
    pub completed: i32,
}

/// A recording came to its end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_record_info {
    pub size: usize,
    /// Frames in the file.
    pub frames: u64,
    /// 1: the file is whole; 0: writing failed.
    pub ok: i32,
}

/// A capture came to its end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_capture_info {
    pub size: usize,
    /// Packets in the file.
    pub packets: u64,
    /// Packets that passed and are not in the file: the disk was too slow.
    pub lost: u64,
    /// 1: the file is whole but for those; 0: writing failed.
    pub ok: i32,
}

/// A message from outside (RFC 3428).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_message_info {
    pub size: usize,
    /// The account that it came for; NULL if it came without one.
    pub account: *mut voip_account,
    /// The sender's URI. Never NULL.
    pub from_uri: *const c_char,
    /// The sender's display name, without quotes; empty if none.
    pub from_name: *const c_char,
    /// Like `text/plain;charset=UTF-8`. Never NULL.
    pub content_type: *const c_char,
    /// The bytes as they came, without a NUL behind them.
    pub body: *const u8,
    pub body_len: usize,
}

/// What became of a message of this side.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_message_result_info {
    pub size: usize,
    /// Which one: what `voip_phone_send_message` gave.
    pub message_id: u64,
    /// The final SIP status: 2xx means that it was taken. 408 and 503 also stand for silence and transport
    /// errors, 513 for a request that is too large for UDP, 0 for one that could not be sent at all.
    pub sip_code: i32,
    /// Its phrase, or what happened. Never NULL.
    pub reason: *const c_char,
}

/// An account's server sees us at another address than before.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_public_address_info {
    pub size: usize,
    pub account: *mut voip_account,
    /// `address:port` of this phone as the server sees it. Never NULL.
    pub address: *const c_char,
    /// What it saw before; at first our own address and port. Never NULL.
    pub previous: *const c_char,
}

/// The other side has begun or ended to speak.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_voice_info {
    pub size: usize,
    /// 1: it begins; 0: it has ended.
    pub speaking: i32,
    /// RMS (0 to 32767) of the beginning; of the whole utterance at its end.
    pub level_rms: u32,
    /// RMS of what is taken for noise.
    pub noise_rms: u32,
    /// At the end: how long it spoke, in ms, without the silence that made the end.
    pub voice_ms: u32,
}

/// A mark of the playback was reached.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_playback_mark_info {
    pub size: usize,
    /// What `voip_call_play_mark` was given.
    pub mark: u64,
    /// 1: all that was queued before it was sent; 0: some of it was cleared, or the call ended before.
    pub reached: i32,
}

/// The host's callbacks; each may be NULL. Begin with `VOIP_CALLBACKS_INIT`.
///
/// Events of one phone come one at a time and in order, on the library's thread or in
/// `voip_phone_process_events`. Pointers in an info are borrowed until the callback returns. A callback may
/// call every function whose documentation says `Callback: yes`. No lock is held while one runs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_callbacks {
    /// sizeof(voip_callbacks).
    pub size: usize,
    /// The phone's status changed.
    pub on_phone_status: Option<
        unsafe extern "C" fn(phone: *mut voip_phone, info: *const voip_phone_status_info, user: *mut c_void),
    >,
    /// An account's status changed.
    pub on_account_status: Option<
        unsafe extern "C" fn(
            account: *mut voip_account,
            info: *const voip_account_status_info,
            user: *mut c_void,
        ),
    >,
    /// Somebody calls. Answer, deny, reject, redirect here or later. Without this callback and without
    /// `voip_phone_wait_call`, callers hear busy (486).
    pub on_incoming_call: Option<
        unsafe extern "C" fn(
            phone: *mut voip_phone,
            call: *mut voip_call,
            info: *const voip_incoming_call_info,
            user: *mut c_void,
        ),
    >,
    /// A call's state changed. ENDED comes exactly once and is the last event of a call.
    pub on_call_state: Option<
        unsafe extern "C" fn(call: *mut voip_call, info: *const voip_call_state_info, user: *mut c_void),
    >,
    /// Audio was negotiated, started, stopped coming.
    pub on_call_media: Option<
        unsafe extern "C" fn(call: *mut voip_call, info: *const voip_call_media_info, user: *mut c_void),
    >,
    /// A key was pressed and let go; once per key.
    pub on_dtmf:
        Option<unsafe extern "C" fn(call: *mut voip_call, info: *const voip_dtmf_info, user: *mut c_void)>,
    /// A key went down (RFC 4733 only); `on_dtmf` follows.
    pub on_dtmf_begin:
        Option<unsafe extern "C" fn(call: *mut voip_call, info: *const voip_dtmf_info, user: *mut c_void)>,
    /// All keys of one `voip_call_send_dtmf` were sent.
    pub on_dtmf_sent:
        Option<unsafe extern "C" fn(call: *mut voip_call, info: *const voip_play_info, user: *mut c_void)>,
    /// News of a transfer that this side asked for.
    pub on_transfer: Option<
        unsafe extern "C" fn(call: *mut voip_call, info: *const voip_transfer_info, user: *mut c_void),
    >,
    /// What was played was sent to its end, or stopped.
    pub on_play_finished:
        Option<unsafe extern "C" fn(call: *mut voip_call, info: *const voip_play_info, user: *mut c_void)>,
    /// A recording is closed.
    pub on_record_finished:
        Option<unsafe extern "C" fn(call: *mut voip_call, info: *const voip_record_info, user: *mut c_void)>,
    /// Statistics, as often as `voip_call_set_stats_interval` asked for.
    pub on_call_stats:
        Option<unsafe extern "C" fn(call: *mut voip_call, stats: *const voip_call_stats, user: *mut c_void)>,
    /// Somebody sent a message; it was answered with 200. Without this callback senders hear 405.
    pub on_message: Option<
        unsafe extern "C" fn(phone: *mut voip_phone, info: *const voip_message_info, user: *mut c_void),
    >,
    /// What became of a message; exactly once for each `voip_phone_send_message` that succeeded.
    pub on_message_result: Option<
        unsafe extern "C" fn(
            phone: *mut voip_phone,
            info: *const voip_message_result_info,
            user: *mut c_void,
        ),
    >,
    /// A server sees us at another address: at first, if it is not our own (a NAT is between), and at each change (RFC 3581).
    pub on_public_address_changed: Option<
        unsafe extern "C" fn(
            phone: *mut voip_phone,
            info: *const voip_public_address_info,
            user: *mut c_void,
        ),
    >,
    /// The other side begins or ends to speak; asked for with `voip_call_set_vad`.
    pub on_voice_activity:
        Option<unsafe extern "C" fn(call: *mut voip_call, info: *const voip_voice_info, user: *mut c_void)>,
    /// What was queued before a mark of `voip_call_play_mark` was sent, or will not be.
    pub on_playback_mark: Option<
        unsafe extern "C" fn(call: *mut voip_call, info: *const voip_playback_mark_info, user: *mut c_void),
    >,
    /// A capture is closed.
    pub on_capture_finished:
        Option<unsafe extern "C" fn(call: *mut voip_call, info: *const voip_capture_info, user: *mut c_void)>,
}

unsafe impl SizeFirst for voip_callbacks {
    const NAME: &'static str = "voip_callbacks";
}

/// A pointer of the host, with what ends its life. Dropped exactly once.
pub(crate) struct User {
    pub pointer: *mut c_void,
    pub destroy: voip_destroy_fn,
}

// SAFETY: the library only hands the pointer back; the host promised that its callbacks run on any thread.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the host gave this function for this pointer, and this is its only call.
            in_host(|| unsafe { destroy(self.pointer) });
        }
    }
}

/// One table with its user pointer, shared by the phone and the callback that runs.
pub(crate) struct CallbackSet {
    pub table: voip_callbacks,
    pub user: User,
}

impl PhoneShared {
    /// The table as it is between two events.
    pub fn callbacks(&self) -> Option<Arc<CallbackSet>> {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another table from the next event on; the old one goes when no callback runs in it any more.
    pub fn replace_callbacks(&self, set: Option<Arc<CallbackSet>>) {
        let old = {
            let mut place = self.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, set)
        };
        // Outside the lock: dropping may call the host's destroy.
        drop(old);
    }
}
