//! Asking a STUN server for this side's public address.

use super::alone;
use super::error::{voip_status, Fail, FfiResult};
use super::panic::{guard, not_in_callback};
use super::sized::{self, SizeFirst};
use super::strings;
use crate::engine::{stun_query, StunOptions};
use std::ffi::c_char;
use std::mem::size_of;
use std::net::SocketAddr;

/// How a STUN server is asked. Begin with `VOIP_STUN_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_stun_options {
    /// sizeof(voip_stun_options).
    pub size: usize,
    /// Not 0: over TCP instead of UDP.
    pub tcp: i32,
    /// Local address with port, like `192.0.2.7:0` or `[::]:4000`; NULL: any.
    pub bind: *const c_char,
    /// User for servers that want long-term credentials; NULL: none.
    pub user: *const c_char,
    /// Password for it.
    pub password: *const c_char,
}

// SAFETY: the size is first, zero is a valid value of all members.
unsafe impl SizeFirst for voip_stun_options {
    const NAME: &'static str = "voip_stun_options";
}

/// What a STUN server said. Begin with `VOIP_STUN_ANSWER_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_stun_answer {
    /// sizeof(voip_stun_answer).
    pub size: usize,
    /// This side's port as the server saw it.
    pub port: i32,
    /// The port it was asked from.
    pub local_port: i32,
    /// Of the exchange in microseconds, -1 when the request was sent more than once.
    pub round_trip_us: i64,
    /// This side's address as the server saw it.
    pub address: [c_char; 64],
    /// The address it was asked from.
    pub local_address: [c_char; 64],
}

// SAFETY: the size is first, all members are numbers and arrays of them.
unsafe impl SizeFirst for voip_stun_answer {
    const NAME: &'static str = "voip_stun_answer";
}

/// Asks a STUN server for this side's public address, over IPv4 or IPv6. Over UDP the request is sent seven times at most,
/// as RFC 8489 section 6.2.1 says; an alternate server is followed.
///
/// @param server `host`, `host:port`, an address, or `[v6]:port`; port 3478 if none is said.
/// @param options NULL: UDP without credentials.
/// @param timeout_ms longest wait; -1: the 39.5 s of the RFC. A name is looked up by the system, which takes its own time.
/// @param answer gets the address.
///
/// Thread: any.
/// Callback: no.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _TIMEOUT, _DNS, _UNREACHABLE, _REJECTED (an error response), _AUTH, _PROTOCOL, _SYSTEM,
///   _ADDRESS_IN_USE, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_query(
    server: *const c_char,
    options: *const voip_stun_options,
    timeout_ms: i32,
    answer: *mut voip_stun_answer,
) -> voip_status {
    guard(|| {
        not_in_callback("voip_stun_query")?;
        let server = unsafe { strings::filled(server, "server") }?;
        let timeout = strings::timeout(timeout_ms)?;
        if answer.is_null() {
            return Err(Fail::null("answer"));
        }
        let options = match options.is_null() {
            true => StunOptions::default(),
            false => unsafe { read(options) }?,
        };
        let found = stun_query(server, &options, timeout)?;
        let told = voip_stun_answer {
            size: size_of::<voip_stun_answer>(),
            port: i32::from(found.mapped.port()),
            local_port: i32::from(found.local.port()),
            round_trip_us: found.round_trip.map_or(-1, |t| i64::try_from(t.as_micros()).unwrap_or(i64::MAX)),
            address: alone::array(&found.mapped.ip().to_string()),
            local_address: alone::array(&found.local.ip().to_string()),
        };
        unsafe { sized::write(answer, &told) }
    })
}

unsafe fn read(options: *const voip_stun_options) -> FfiResult<StunOptions> {
    let options = unsafe { sized::read(options) }?;
    let bind = unsafe { strings::optional(options.bind, "bind") }?;
    let bind = bind.map(|text| {
        text.parse::<SocketAddr>()
            .map_err(|_| Fail::argument(format!("bind \"{text}\" is no address with a port")))
    });
    let user = unsafe { strings::optional(options.user, "user") }?;
    let credentials = match user {
        Some(user) => Some((user.into(), unsafe { strings::text(options.password, "password") }?.into())),
        None => None,
    };
    Ok(StunOptions { tcp: options.tcp != 0, bind: bind.transpose()?, credentials, rto: None })
}
