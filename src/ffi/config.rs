//! Settings of a phone: addresses, ports, the default account, threads. Media settings: `config_media`.

use super::account_config::{transport, AccountDraft};
use super::callbacks::{voip_destroy_fn, User};
use super::error::{voip_status, Fail, FfiResult};
use super::handle::{self, Kind};
use super::objects::{lock, Config};
use super::panic::{guard, in_host};
use super::strings;
use super::types::*;
use crate::engine::{EventMode, PhoneConfig, MAX_MEDIA_SOCKETS};
use std::ffi::{c_char, c_void, CString};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A phone as far as the host has described it.
#[derive(Clone, Default)]
pub(crate) struct Draft {
    pub phone: PhoneConfig,
    pub account: AccountDraft,
}

/// Called on a thread of the library when it begins (1) and ends (0); `name` is borrowed.
pub type voip_thread_fn = Option<unsafe extern "C" fn(name: *const c_char, begins: i32, user: *mut c_void)>;

/// Changes a copy and keeps it only if the change is good.
pub(crate) fn change(config: *const voip_config, f: impl FnOnce(&mut Draft) -> FfiResult) -> FfiResult {
    let settings = handle::get::<Config>(config)?;
    let mut draft = lock(&settings.0);
    let mut copy = draft.clone();
    f(&mut copy)?;
    let old = std::mem::replace(&mut *draft, copy);
    drop(draft);
    // Outside the lock: the last thread hook may call the host's destroy.
    drop(old);
    Ok(())
}

fn change_account(config: *const voip_config, f: impl FnOnce(&mut AccountDraft) -> FfiResult) -> FfiResult {
    change(config, |draft| f(&mut draft.account))
}

pub(super) fn address(text: &str, name: &str) -> FfiResult<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| Fail::argument(format!("{name} \"{text}\" is no IPv4 or IPv6 address")))
}

/// Makes settings with their defaults: UDP on 0.0.0.0:5060, RTP ports 10000 to 20000, PCMU and PCMA, 20 ms
/// packets, the host's audio as S16 at 8000 Hz mono, up to 64 calls, events on the library's thread, no
/// account.
///
/// @param out gets the handle; free it with `voip_config_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_new(out: *mut *mut voip_config) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        let (token, _) = Config::table().insert(|_| Config(Mutex::new(Draft::default())))?;
        unsafe { strings::write(out, "out", token as *mut voip_config) }
    })
}

/// Frees settings. Phones that were made from them stay.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_free(config: *mut voip_config) -> voip_status {
    guard(|| Config::table().remove(config as usize).map(drop))
}

/// Sets the local address and port of SIP; audio uses the same address.
///
/// @param addr IPv4 or IPv6 (`0.0.0.0` and `::` are every address); NULL keeps it.
/// @param port 0 to 65535, 0 takes a free one (see `voip_phone_get_local_address`).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_bind(
    config: *mut voip_config,
    addr: *const c_char,
    port: i32,
) -> voip_status {
    guard(|| {
        let addr = unsafe { strings::optional(addr, "bind address") }?;
        let addr = addr.map(|text| address(text, "bind address")).transpose()?;
        let port = strings::port(port, "bind port")?;
        change(config, |draft| {
            draft.phone.bind = SocketAddr::new(addr.unwrap_or(draft.phone.bind.ip()), port);
            Ok(())
        })
    })
}

/// Sets the address that others are told in Contact and SDP (a NAT with fixed forwarding); but those in
/// `voip_config_set_local_networks`. `voip_phone_set_public_address` changes it later.
///
/// @param addr IPv4 or IPv6; NULL: what the route says (the default).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_public_address(
    config: *mut voip_config,
    addr: *const c_char,
) -> voip_status {
    guard(|| {
        let addr = unsafe { strings::optional(addr, "public address") }?;
        let addr = addr.map(|text| address(text, "public address")).transpose()?;
        change(config, |draft| {
            draft.phone.public_address = addr;
            Ok(())
        })
    })
}

/// Sets how SIP travels: to the account's server, and to targets of calls without an account that name no
/// transport. The phone takes what comes over UDP and TCP (over TLS if it has a certificate) in any case, at the same
/// port. A request of more than 1300 bytes goes over TCP instead of UDP where the target doesn't ask for UDP (RFC
/// 3261 section 18.1.1). With TLS nothing of the account or the call ever goes over anything else.
///
/// @param transport a `voip_transport`; UDP if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _NOT_SUPPORTED (TLS in a build without it).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_transport(config: *mut voip_config, transport: i32) -> voip_status {
    guard(|| {
        let transport = self::transport(transport)?;
        change(config, |draft| {
            draft.phone.transport = transport;
            draft.account.transport = transport;
            Ok(())
        })
    })
}

/// Says where the account lives: the registrar or proxy, which is also the domain of its address.
///
/// @param host a host name or an address (IPv6 with or without brackets).
/// @param port 1 to 65535, 0: the default of the transport (5060, with TLS 5061).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_server(
    config: *mut voip_config,
    host: *const c_char,
    port: i32,
) -> voip_status {
    guard(|| {
        let host = unsafe { strings::filled(host, "host") }?;
        change_account(config, |draft| draft.set_server(host, port))
    })
}

/// Says who the account is: the user part of its address, and what it proves it with in every realm.
///
/// @param user like `alice` or `+4930123`.
/// @param auth_user the name for authentication, NULL: the same.
/// @param password NULL: none (a server that asks for one gets VOIP_ERR_AUTH). Replaces credentials given
///   before.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_credentials(
    config: *mut voip_config,
    user: *const c_char,
    auth_user: *const c_char,
    password: *const c_char,
) -> voip_status {
    guard(|| {
        let user = unsafe { strings::filled(user, "user") }?;
        let auth_user = unsafe { strings::optional(auth_user, "auth_user") }?;
        let password = unsafe { strings::optional(password, "password") }?;
        change_account(config, |draft| draft.set_credentials(user, auth_user, password))
    })
}

/// Adds a name and a password for one realm (RFC 7616); more specific than `_set_credentials`.
///
/// @param realm as the server's challenge names it; at most 32 realms.
/// @param user the name for authentication there.
/// @param password may be empty.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_add_credentials(
    config: *mut voip_config,
    realm: *const c_char,
    user: *const c_char,
    password: *const c_char,
) -> voip_status {
    guard(|| {
        let realm = unsafe { strings::text(realm, "realm") }?;
        let user = unsafe { strings::filled(user, "user") }?;
        let password = unsafe { strings::text(password, "password") }?;
        change_account(config, |draft| draft.add_password(realm, user, password))
    })
}

/// Adds credentials as a hash, so that the program never sees the password: HA1 = H(user:realm:password).
///
/// @param realm as the server's challenge names it; at most 32 realms.
/// @param user the name for authentication there, as it went into the hash.
/// @param algorithm a `voip_digest_algorithm`.
/// @param ha1 hexadecimal: 32 digits for MD5, 64 for the others.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_add_ha1(
    config: *mut voip_config,
    realm: *const c_char,
    user: *const c_char,
    algorithm: i32,
    ha1: *const c_char,
) -> voip_status {
    guard(|| {
        let realm = unsafe { strings::text(realm, "realm") }?;
        let user = unsafe { strings::filled(user, "user") }?;
        let ha1 = unsafe { strings::text(ha1, "ha1") }?;
        change_account(config, |draft| draft.add_ha1(realm, user, algorithm, ha1))
    })
}

/// Says which digest algorithms are answered. A server that offers none of them gets no answer, and the registration
/// or call fails with VOIP_ERR_AUTH. Of several the strongest is used.
///
/// @param algorithms names with commas between them, of `MD5`, `SHA-256` and `SHA-512-256`, like `SHA-256,SHA-512-256`;
///   each stands for its `-sess` form too. NULL: all, which is the default.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT (an unknown name, or none).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_auth_algorithms(
    config: *mut voip_config,
    algorithms: *const c_char,
) -> voip_status {
    guard(|| {
        let algorithms = unsafe { strings::optional(algorithms, "algorithms") }?;
        change_account(config, |draft| draft.set_algorithms(algorithms))
    })
}

/// Sets the name that people see beside the address.
///
/// @param name UTF-8 without quotes around it; NULL or empty: none.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_display_name(
    config: *mut voip_config,
    name: *const c_char,
) -> voip_status {
    guard(|| {
        let name = unsafe { strings::optional(name, "display name") }?;
        change_account(config, |draft| {
            draft.display_name = name.filter(|name| !name.is_empty()).map(str::to_owned);
            Ok(())
        })
    })
}

/// Sets how long a registration is asked for (the registrar decides, RFC 3261 section 10.2.1.1).
///
/// @param seconds 10 to 86400; 300 if not set. It is refreshed before it runs out.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_expires(config: *mut voip_config, seconds: u32) -> voip_status {
    guard(|| {
        let seconds = strings::within(seconds, 10, 86_400, "expiry", " s")?;
        change_account(config, |draft| {
            draft.expires = seconds;
            Ok(())
        })
    })
}

/// Says whether to register at all; calls through the server work without it too.
///
/// @param yes 0: no; anything else: yes (the default).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_register(config: *mut voip_config, yes: i32) -> voip_status {
    guard(|| {
        change_account(config, |draft| {
            draft.register = yes != 0;
            Ok(())
        })
    })
}

/// Sends everything through a proxy first (RFC 3261 section 8.1.2, loose routing).
///
/// @param uri like `sip:proxy.example.com:5060;lr`; NULL: none.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _PARSE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_outbound_proxy(
    config: *mut voip_config,
    uri: *const c_char,
) -> voip_status {
    guard(|| {
        let uri = unsafe { strings::optional(uri, "outbound proxy") }?;
        change_account(config, |draft| draft.set_proxy(uri))
    })
}

/// Sets the pause after a failed registration; it doubles, with jitter, up to the longest.
///
/// @param first_ms 100 to 3600000.
/// @param longest_ms first_ms to 86400000. Refused credentials are never tried again.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_retry(
    config: *mut voip_config,
    first_ms: u32,
    longest_ms: u32,
) -> voip_status {
    guard(|| {
        let first = strings::within(first_ms, 100, 3_600_000, "first pause", " ms")?;
        let longest = strings::within(longest_ms, first, 86_400_000, "longest pause", " ms")?;
        change_account(config, |draft| {
            draft.retry = (Duration::from_millis(first.into()), Duration::from_millis(longest.into()));
            Ok(())
        })
    })
}

/// Sets the User-Agent and Server header.
///
/// @param text like `myphone/2.1`; empty: no such header.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_user_agent(
    config: *mut voip_config,
    text: *const c_char,
) -> voip_status {
    guard(|| {
        let text = unsafe { strings::text(text, "user agent") }?;
        change(config, |draft| {
            draft.phone.user_agent = text.to_owned();
            Ok(())
        })
    })
}

/// Bounds how many calls may live at once; a further caller gets 486, a further dial VOIP_ERR_LIMIT.
///
/// @param calls 1 to 1000000; 64 if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_max_calls(config: *mut voip_config, calls: u32) -> voip_status {
    guard(|| {
        let calls = strings::within(calls, 1, 1_000_000, "number of calls", "")?;
        change(config, |draft| {
            draft.phone.max_calls = calls as usize;
            Ok(())
        })
    })
}

/// Sets how many threads share the audio of all calls.
///
/// @param threads 1 to 64; 1 if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_media_threads(
    config: *mut voip_config,
    threads: u32,
) -> voip_status {
    guard(|| {
        let threads = strings::within(threads, 1, 64, "number of media threads", "")?;
        change(config, |draft| {
            draft.phone.media_threads = threads as usize;
            Ok(())
        })
    })
}

/// Sets how many sockets the calls of a media thread share for their audio.
///
/// Without shared sockets each call has a socket and a port of its own, which every peer and every firewall
/// understands. Shared ones cost less: many packets go in and out by one system call. Calls are told apart by the
/// peer's address, then by its SSRC, which the description announces (`a=ssrc`, RFC 5576). A peer whose packets come
/// from an address that it did not announce, as behind a NAT, is only recognised if it announced its SSRC too.
///
/// A call's own socket is connected to its peer once that alone was heard for a while and the thread has many calls,
/// which costs less, too: packets of others are not seen then. It hears everybody again when the peer is silent for
/// 60 ms or the call is described anew.
///
/// @param sockets 0 to 64 for each media thread; 0, a socket for each call, if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_media_sockets(
    config: *mut voip_config,
    sockets: u32,
) -> voip_status {
    guard(|| {
        let sockets = strings::within(sockets, 0, MAX_MEDIA_SOCKETS as u32, "number of media sockets", "")?;
        change(config, |draft| {
            draft.phone.media_sockets = sockets as usize;
            Ok(())
        })
    })
}

/// Sets who delivers events.
///
/// @param mode a `voip_event_mode`; with VOIP_EVENTS_HOST poll `voip_phone_get_event_fd` and call
///   `voip_phone_process_events`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_event_mode(config: *mut voip_config, mode: i32) -> voip_status {
    guard(|| {
        let mode = match mode {
            0 => EventMode::Thread,
            1 => EventMode::Host,
            other => return Err(Fail::argument(format!("event mode {other} is unknown"))),
        };
        change(config, |draft| {
            draft.phone.event_mode = mode;
            Ok(())
        })
    })
}

/// Bounds the queue of events that wait for the host. Beyond it, media and statistics events are dropped and
/// counted; state events never are.
///
/// @param events 16 to 10000000; 4096 if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_max_events(config: *mut voip_config, events: u32) -> voip_status {
    guard(|| {
        let events = strings::within(events, 16, 10_000_000, "number of events", "")?;
        change(config, |draft| {
            draft.phone.max_events = events as usize;
            Ok(())
        })
    })
}

/// Sets what callers hear when nobody listens for calls.
///
/// @param sip_code 400 to 699; 486 (busy) if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_unhandled_call(
    config: *mut voip_config,
    sip_code: i32,
) -> voip_status {
    guard(|| {
        let code = strings::within(sip_code, 400, 699, "SIP code", "")?;
        change(config, |draft| {
            draft.phone.unhandled_call = u16::try_from(code).unwrap_or(486);
            Ok(())
        })
    })
}

/// Sets a time.
///
/// @param which a `voip_timer`.
/// @param ms 1 to 86400000, for RING, ANSWER and RTP also 0 (never).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_timer(config: *mut voip_config, which: i32, ms: u32) -> voip_status {
    guard(|| {
        let low = u32::from(which < 16);
        let ms = strings::within(ms, low, 86_400_000, "time", " ms")?;
        change(config, |draft| set_timer(&mut draft.phone, which, Duration::from_millis(ms.into())))
    })
}

/// Has a function called at the beginning and the end of every thread of the library (priorities, profilers,
/// language runtimes).
///
/// @param hook NULL: none.
/// @param user handed to it.
/// @param destroy called once when the hook is not needed any more; may be NULL. Not called if this function
///   fails.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_thread_hooks(
    config: *mut voip_config,
    hook: voip_thread_fn,
    user: *mut c_void,
    destroy: voip_destroy_fn,
) -> voip_status {
    guard(|| {
        handle::get::<Config>(config)?;
        let user = User { pointer: user, destroy };
        let hook = hook.map(|hook| thread_hook(hook, user));
        change(config, |draft| {
            draft.phone.thread_hook = hook;
            Ok(())
        })
    })
}

fn set_timer(config: &mut PhoneConfig, which: i32, time: Duration) -> FfiResult {
    let place = match which {
        1 => &mut config.timers.t1,
        2 => &mut config.timers.t2,
        3 => &mut config.timers.t4,
        4 => &mut config.timers.c,
        5 => &mut config.timers.d,
        16 => &mut config.ring_timeout,
        17 => &mut config.answer_timeout,
        18 => &mut config.rtp_timeout,
        other => return Err(Fail::argument(format!("timer {other} is unknown"))),
    };
    *place = time;
    Ok(())
}

fn thread_hook(
    hook: unsafe extern "C" fn(*const c_char, i32, *mut c_void),
    user: User,
) -> crate::engine::ThreadHook {
    Arc::new(move |name: &str, begins: bool| {
        let user = &user;
        let name = CString::new(name).unwrap_or_default();
        // SAFETY: the host gave this function and this pointer for each other.
        in_host(|| unsafe { hook(name.as_ptr(), i32::from(begins), user.pointer) });
    })
}
