//! Many RTP sessions on one UDP socket.

use super::callbacks::voip_destroy_fn;
use super::error::{voip_status, Fail, FfiResult};
use super::handle::{self, Kind, Ref, Table};
use super::objects::kind;
use super::panic::{guard, in_host, not_in_callback};
use super::rtp_packet;
use super::rtp_session::{self, milliseconds, session, voip_rtp_session};
use super::rtp_session_options;
use super::sized::{self, SizeFirst};
use super::strings;
use crate::engine::{OtherSink, RtpMux};
use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// A socket for many sessions. The host frees it with `voip_rtp_mux_free`.
pub struct voip_rtp_mux {
    _private: (),
}

/// Gets a datagram that is neither RTP nor RTCP, on the thread that drives the mux: STUN, DTLS and others (RFC 7983).
///
/// @param mux the mux.
/// @param kind a `voip_packet_kind`.
/// @param data the datagram; the host's until the function returns.
/// @param len its bytes.
/// @param address,port where it came from.
/// @param user the options' `user`.
pub type voip_rtp_mux_other_fn = Option<
    unsafe extern "C" fn(
        mux: *mut voip_rtp_mux,
        kind: i32,
        data: *const u8,
        len: usize,
        address: *const c_char,
        port: i32,
        user: *mut c_void,
    ),
>;

/// What a mux is told. Begin with `VOIP_RTP_MUX_OPTIONS_INIT`; what is left zero has the value that its line says.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_rtp_mux_options {
    /// sizeof(voip_rtp_mux_options).
    pub size: usize,
    /// Local address, IPv4 or IPv6; NULL: 0.0.0.0.
    pub local_address: *const c_char,
    /// 0: any.
    pub port: i32,
    /// Not 0: no thread; the host calls `voip_rtp_mux_poll`.
    pub driven: i32,
    /// How many sessions at most, up to 65536; 0: 1024.
    pub max_sessions: u32,
    /// Gets what is neither RTP nor RTCP; NULL: it is only counted.
    pub on_other: voip_rtp_mux_other_fn,
    /// Handed to it.
    pub user: *mut c_void,
    /// Called once with `user` when the mux is gone; may be NULL. Not called when the mux could not be made.
    pub destroy: voip_destroy_fn,
}

// SAFETY: the size is first, zero is a valid value of all members.
unsafe impl SizeFirst for voip_rtp_mux_options {
    const NAME: &'static str = "voip_rtp_mux_options";
}

/// Datagrams of a mux since it was made, by what became of them. Begin with `VOIP_RTP_MUX_STATS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_rtp_mux_stats {
    /// sizeof(voip_rtp_mux_stats).
    pub size: usize,
    /// Registered now.
    pub sessions: u64,
    /// RTP and RTCP of a session.
    pub routed: u64,
    /// Of these, such that told a session a new address or SSRC.
    pub learned: u64,
    /// RTP and RTCP of nobody.
    pub unrouted: u64,
    /// STUN.
    pub stun: u64,
    /// DTLS.
    pub dtls: u64,
    /// Anything else.
    pub other: u64,
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_rtp_mux_stats {
    const NAME: &'static str = "voip_rtp_mux_stats";
}

pub(crate) struct Mux {
    engine: RtpMux,
    user: Arc<rtp_session::User>,
}

kind!(Mux, voip_rtp_mux, b'x', "RTP mux");

fn mux(handle: *const voip_rtp_mux) -> FfiResult<Ref<Mux>> {
    handle::get::<Mux>(handle)
}

fn other_sink(function: voip_rtp_mux_other_fn, user: Arc<rtp_session::User>) -> Option<OtherSink> {
    let function = function?;
    Some(Box::new(move |kind, from, datagram| {
        let handle = user.handle.load(Ordering::Acquire) as *mut voip_rtp_mux;
        // Before `voip_rtp_mux_new` has returned nobody could make use of it.
        if handle.is_null() {
            return;
        }
        let kind = rtp_packet::kind_of(kind) as i32;
        let address = super::alone::array::<64>(&from.ip().to_string());
        let (data, len, port) = (datagram.as_ptr(), datagram.len(), i32::from(from.port()));
        // SAFETY: the host's function, with what its signature says; data and address live until it returns.
        in_host(|| unsafe { function(handle, kind, data, len, address.as_ptr(), port, user.pointer) });
    }))
}

/// Opens a socket for many sessions and runs them: on one thread for all, or when the host polls.
///
/// A datagram finds its session by the address that it comes from and the SSRC of its sender, or by either alone where that is
/// unambiguous; sessions without an address take who comes first. RTCP shares the port (RFC 5761).
/// @param options NULL: all that `VOIP_RTP_MUX_OPTIONS_INIT` says. Copied.
/// @param out gets the handle; free it with `voip_rtp_mux_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _ADDRESS_IN_USE, _SYSTEM, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_mux_new(
    options: *const voip_rtp_mux_options,
    out: *mut *mut voip_rtp_mux,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        let told: voip_rtp_mux_options = match options.is_null() {
            // SAFETY: zero is a valid value of all members.
            true => unsafe { std::mem::zeroed() },
            false => unsafe { sized::read(options) }?,
        };
        let ip = unsafe { rtp_session_options::local(told.local_address) }?;
        let bind = SocketAddr::new(ip, strings::port(told.port, "port")?);
        let limit = if told.max_sessions == 0 { 1024 } else { told.max_sessions };
        let limit = strings::within(limit, 1, 65_536, "number of sessions", "")? as usize;
        let user = rtp_session::User::new(told.user, told.destroy);
        let other = other_sink(told.on_other, user.clone());
        let engine = RtpMux::new(bind, limit, told.driven != 0, other)?;
        let (token, made) = Mux::table().insert(|token| {
            user.handle.store(token, Ordering::Release);
            Mux { engine, user }
        })?;
        made.user.arm(token);
        unsafe { strings::write(out, "out", token as *mut _) }
    })
}

/// Ends its sessions and frees a mux. Their callbacks have run when this returns; their handles stay the host's to free.
///
/// Thread: any.
/// Callback: no.
/// Blocks: for as long as a callback takes; in a driven one, while another thread polls it.
/// Errors: VOIP_ERR_HANDLE, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_mux_free(mux: *mut voip_rtp_mux) -> voip_status {
    guard(|| {
        not_in_callback("voip_rtp_mux_free")?;
        Mux::table().remove(mux as usize)?.engine.close();
        Ok(())
    })
}

/// Puts a session that has no socket yet on the mux. `voip_rtp_session_start` begins it then.
///
/// Its own ports and `driven` of its options count no more, RTCP is on the port of RTP. The session's `remote_ssrc` helps to
/// find its peer behind a NAT.
/// @param session not bound and not started.
/// @param address where it sends to and where its datagrams come from; NULL: that of its options, or who comes first.
/// @param port of it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _RANGE, _STATE, _LIMIT (max_sessions).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_mux_register(
    mux: *mut voip_rtp_mux,
    session: *mut voip_rtp_session,
    address: *const c_char,
    port: i32,
) -> voip_status {
    guard(|| {
        let (remote, _) = unsafe { rtp_session_options::remote(address, port, 0) }?;
        let (mux, session) = (self::mux(mux)?, self::session(session)?);
        mux.engine.register(&session.engine, remote).map_err(Fail::from)
    })
}

/// Stops a session and takes it off the mux, as `voip_rtp_session_stop` and `voip_rtp_session_free` do, too.
///
/// @param session on this mux.
///
/// Thread: any.
/// Callback: no.
/// Blocks: for as long as a callback of the session takes; in a driven one, while another thread polls it.
/// Errors: VOIP_ERR_HANDLE, _STATE (not on this mux), _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_mux_unregister(
    mux: *mut voip_rtp_mux,
    session: *mut voip_rtp_session,
) -> voip_status {
    guard(|| {
        not_in_callback("voip_rtp_mux_unregister")?;
        let (mux, session) = (self::mux(mux)?, self::session(session)?);
        mux.engine.unregister(&session.engine).map_err(Fail::from)
    })
}

/// Tells the local address and port.
///
/// @param address gets the address with a NUL; NULL only asks.
/// @param len its bytes; 46 are always enough.
/// @param needed gets how many are needed, with the NUL; may be NULL.
/// @param port gets the port; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_mux_get_local_address(
    mux: *mut voip_rtp_mux,
    address: *mut c_char,
    len: usize,
    needed: *mut usize,
    port: *mut i32,
) -> voip_status {
    guard(|| {
        let local = self::mux(mux)?.engine.local();
        if !port.is_null() {
            unsafe { port.write_unaligned(local.port().into()) };
        }
        if address.is_null() && needed.is_null() {
            return Ok(());
        }
        unsafe { strings::put(local.ip().to_string().as_bytes(), address, len, needed) }
    })
}

/// Tells the counters.
///
/// @param stats begins with `VOIP_RTP_MUX_STATS_INIT`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (struct size).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_mux_get_stats(
    mux: *mut voip_rtp_mux,
    stats: *mut voip_rtp_mux_stats,
) -> voip_status {
    guard(|| {
        let told = self::mux(mux)?.engine.stats();
        let value = voip_rtp_mux_stats {
            size: size_of::<voip_rtp_mux_stats>(),
            sessions: told.sessions as u64,
            routed: told.routed,
            learned: told.learned,
            unrouted: told.unrouted,
            stun: told.stun,
            dtls: told.dtls,
            other: told.other,
        };
        unsafe { sized::write(stats, &value) }
    })
}

/// Drives a mux that the host drives (`driven`): waits for something to do, and does it. Callbacks run in here.
///
/// @param timeout_ms how long to wait; 0 never blocks, -1 for ever.
///
/// Thread: any, one at a time (else VOIP_ERR_BUSY).
/// Callback: no.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _STATE (not driven by the host), _BUSY, _SYSTEM, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_mux_poll(mux: *mut voip_rtp_mux, timeout_ms: i32) -> voip_status {
    guard(|| {
        not_in_callback("voip_rtp_mux_poll")?;
        let timeout = strings::timeout(timeout_ms)?;
        self::mux(mux)?.engine.poll(timeout).map_err(Fail::from)
    })
}

/// Tells the descriptor that is readable when `voip_rtp_mux_poll` would find something to do, timers included.
///
/// @param fd gets it; it is the library's to close.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (not driven by the host).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_mux_get_fd(mux: *mut voip_rtp_mux, fd: *mut i32) -> voip_status {
    guard(|| {
        let descriptor = self::mux(mux)?.engine.descriptor()?;
        unsafe { strings::write(fd, "fd", descriptor) }
    })
}

/// Tells how long until something of a driven mux is due, for loops that have no descriptors.
///
/// @param timeout_ms gets it, rounded up; -1 when nothing is.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (not driven by the host).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_mux_get_timeout(
    mux: *mut voip_rtp_mux,
    timeout_ms: *mut i32,
) -> voip_status {
    guard(|| {
        let due = self::mux(mux)?.engine.due_in()?;
        unsafe { strings::write(timeout_ms, "timeout_ms", milliseconds(due)) }
    })
}
