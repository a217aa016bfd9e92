//! One RTP and RTCP stream over UDP by itself: no phone, no signalling.

use super::callbacks::voip_destroy_fn;
use super::error::{voip_status, Fail, FfiResult};
use super::handle::{self, Kind, Ref, Table};
use super::objects::kind;
use super::panic::{guard, in_host, not_in_callback};
use super::rtp_session_options::{self, voip_rtp_session_options};
use super::strings;
use crate::engine::{KeySink, RtpSession};
use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

/// A stream of RTP and RTCP. The host frees it with `voip_rtp_session_free`.
pub struct voip_rtp_session {
    _private: (),
}

/// Tells of a key of the other side, on the thread that drives the session: once when it begins and once when it is over.
///
/// @param session the session.
/// @param key ASCII: 0-9 * # A-D.
/// @param duration_ms how long it has been held.
/// @param end 0: it begins; 1: it is over and the duration is final.
/// @param user the options' `user`.
pub type voip_rtp_dtmf_fn = Option<
    unsafe extern "C" fn(
        session: *mut voip_rtp_session,
        key: c_char,
        duration_ms: u32,
        end: i32,
        user: *mut c_void,
    ),
>;

pub(crate) struct Session {
    pub engine: RtpSession,
    user: Arc<User>,
}

kind!(Session, voip_rtp_session, b'r', "RTP session");

/// The host's pointer: given back once nobody uses it any more.
pub(crate) struct User {
    pub pointer: *mut c_void,
    pub destroy: voip_destroy_fn,
    /// The handle as a number: it is a token and nothing that could dangle.
    pub handle: AtomicUsize,
    /// The function that took the pointer succeeded.
    pub armed: AtomicBool,
}

// SAFETY: the library only hands the pointer back; the host promised that its callbacks run on any thread.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

impl User {
    pub fn new(pointer: *mut c_void, destroy: voip_destroy_fn) -> Arc<User> {
        Arc::new(User { pointer, destroy, handle: AtomicUsize::new(0), armed: AtomicBool::new(false) })
    }
    pub fn arm(&self, handle: usize) {
        self.handle.store(handle, Ordering::Release);
        self.armed.store(true, Ordering::Release);
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy.filter(|_| self.armed.load(Ordering::Acquire)) {
            // SAFETY: the host gave this function for this pointer, and this is its only call.
            in_host(|| unsafe { destroy(self.pointer) });
        }
    }
}

pub(crate) fn session(handle: *const voip_rtp_session) -> FfiResult<Ref<Session>> {
    handle::get::<Session>(handle)
}

fn key_sink(function: voip_rtp_dtmf_fn, user: Arc<User>) -> Option<KeySink> {
    let function = function?;
    Some(Box::new(move |key, duration_ms, end| {
        let handle = user.handle.load(Ordering::Acquire) as *mut voip_rtp_session;
        let (key, end) = (key as u32 as c_char, i32::from(end));
        // SAFETY: the host's function, with what its signature says.
        in_host(|| unsafe { function(handle, key, duration_ms, end, user.pointer) });
    }))
}

/// Makes a session. No socket is opened yet: `voip_rtp_session_start` does it, or `voip_rtp_session_bind` before that, or the
/// session is registered at a `voip_rtp_mux`.
///
/// RFC 3550, 3551, 4733, 4961 (symmetric RTP), 5761 (rtcp-mux).
/// @param options NULL: all that `VOIP_RTP_SESSION_OPTIONS_INIT` says. Copied.
/// @param out gets the handle; free it with `voip_rtp_session_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _NO_CODEC, _DYNAMIC_PAYLOAD (a payload type of 96 to 127 without a name), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_new(
    options: *const voip_rtp_session_options,
    out: *mut *mut voip_rtp_session,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        let told = unsafe { rtp_session_options::read(options) }?;
        let user = User::new(told.user, told.destroy);
        let engine = RtpSession::new(told.config, key_sink(told.on_dtmf, user.clone()))?;
        let (token, made) = Session::table().insert(|_| Session { engine, user })?;
        made.user.arm(token);
        unsafe { strings::write(out, "out", token as *mut _) }
    })
}

/// Ends and frees a session. Its callbacks have run when this returns, and waiting functions end with VOIP_ERR_STATE.
///
/// Thread: any.
/// Callback: no.
/// Blocks: for as long as a callback of the session takes; in a driven one, while another thread polls it.
/// Errors: VOIP_ERR_HANDLE, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_free(session: *mut voip_rtp_session) -> voip_status {
    guard(|| {
        not_in_callback("voip_rtp_session_free")?;
        let taken = Session::table().remove(session as usize)?;
        taken.engine.stop();
        Ok(())
    })
}

/// Opens the sockets, so that `voip_rtp_session_get_local_address` tells the ports before the start. Once is enough.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ADDRESS_IN_USE, _SYSTEM, _STATE (stopped).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_bind(session: *mut voip_rtp_session) -> voip_status {
    guard(|| self::session(session)?.engine.bind().map_err(Fail::from))
}

/// Begins to send, to receive and to report.
///
/// A packet goes out each `ptime` at its instant, silence when nothing was written, as the direction allows; audio that was
/// written before goes out now.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ADDRESS_IN_USE, _SYSTEM, _STATE (started or stopped before), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_start(session: *mut voip_rtp_session) -> voip_status {
    guard(|| self::session(session)?.engine.start().map_err(Fail::from))
}

/// Says goodbye to the other side (RTCP BYE), closes the sockets. What was heard can still be read; it can't be started again.
///
/// Thread: any.
/// Callback: no.
/// Blocks: for as long as a callback of the session takes; in a driven one, while another thread polls it.
/// Errors: VOIP_ERR_HANDLE, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_stop(session: *mut voip_rtp_session) -> voip_status {
    guard(|| {
        not_in_callback("voip_rtp_session_stop")?;
        self::session(session)?.engine.stop();
        Ok(())
    })
}

/// Sets where the stream goes to and may come from.
///
/// @param address IPv4 or IPv6; NULL: nowhere until somebody sends, then there.
/// @param port of RTP, 1 to 65535.
/// @param rtcp_port 0: the one above, and RTP's with rtcp-mux.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _RANGE, _STATE (stopped), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_set_remote(
    session: *mut voip_rtp_session,
    address: *const c_char,
    port: i32,
    rtcp_port: i32,
) -> voip_status {
    guard(|| {
        let (remote, rtcp) = unsafe { rtp_session_options::remote(address, port, rtcp_port) }?;
        self::session(session)?.engine.set_remote(remote, rtcp).map_err(Fail::from)
    })
}

/// Sets whether audio is sent and received. Keys are sent whatever it is.
///
/// @param direction a `voip_media_direction`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _STATE (stopped), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_set_direction(
    session: *mut voip_rtp_session,
    direction: i32,
) -> voip_status {
    guard(|| {
        let (sending, receiving) = rtp_session_options::direction(direction)?;
        self::session(session)?.engine.set_direction(sending, receiving).map_err(Fail::from)
    })
}

/// Drives a session that the host drives (`driven`): waits for something to do, and does it. Callbacks run in here.
///
/// @param timeout_ms how long to wait; 0 never blocks, -1 for ever.
///
/// Thread: any, one at a time (else VOIP_ERR_BUSY).
/// Callback: no.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _STATE (not driven by the host, not started, stopped, on a mux), _BUSY, _SYSTEM,
///   _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_poll(
    session: *mut voip_rtp_session,
    timeout_ms: i32,
) -> voip_status {
    guard(|| {
        not_in_callback("voip_rtp_session_poll")?;
        let timeout = strings::timeout(timeout_ms)?;
        self::session(session)?.engine.poll(timeout).map_err(Fail::from)
    })
}

/// Tells the descriptor that is readable when `voip_rtp_session_poll` would find something to do, timers included. For poll,
/// select and epoll of the host; it is the library's to close.
///
/// @param fd gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (as for `voip_rtp_session_poll`).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_get_fd(
    session: *mut voip_rtp_session,
    fd: *mut i32,
) -> voip_status {
    guard(|| {
        let descriptor = self::session(session)?.engine.descriptor()?;
        unsafe { strings::write(fd, "fd", descriptor) }
    })
}

/// Tells how long until something of a driven session is due, for loops that have no descriptors.
///
/// @param timeout_ms gets it, rounded up; -1 when nothing is.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (as for `voip_rtp_session_poll`).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_get_timeout(
    session: *mut voip_rtp_session,
    timeout_ms: *mut i32,
) -> voip_status {
    guard(|| {
        let due = self::session(session)?.engine.due_in()?;
        unsafe { strings::write(timeout_ms, "timeout_ms", milliseconds(due)) }
    })
}

pub(crate) fn milliseconds(due: Option<std::time::Duration>) -> i32 {
    let up = |d: std::time::Duration| i32::try_from(d.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
    due.map_or(-1, up)
}
