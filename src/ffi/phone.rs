//! A phone: made from settings, started, stopped, freed; its events; the calls that it places and gets.

use super::call_srtp;
use super::callbacks::{voip_callbacks, voip_destroy_fn, CallbackSet, User};
use super::config_media::audio_format;
use super::dispatch;
use super::error::{voip_status, Fail, FfiResult};
use super::handle::{self, Kind};
use super::objects::{self, lock, Config, Keep, PhoneObject, PhoneShared};
use super::panic::{guard, not_in_callback};
use super::types::*;
use super::{sized, strings};
use crate::engine::{AudioFormat, Phone, PhoneConfig};
use crate::ua::{AccountId, DialOptions};
use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// Makes a phone from settings, which are copied. No socket is opened and no thread started yet.
///
/// @param config may be freed or changed afterwards.
/// @param out gets the handle; free it with `voip_phone_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _NOT_SUPPORTED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_new(
    config: *const voip_config,
    out: *mut *mut voip_phone,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        let draft = lock(&handle::get::<Config>(config)?.0).clone();
        let config = PhoneConfig { account: draft.account.finish()?, ..draft.phone };
        let token = make_phone(config)?;
        unsafe { strings::write(out, "out", token as *mut voip_phone) }
    })
}

/// Ends everything of a phone and frees it: calls are hung up, registrations taken back, threads joined.
///
/// After it returned no callback runs, `destroy` of the callbacks was called, and the handles of the phone,
/// its accounts and its calls are stale, except calls that the host retained: they stay, ended, until
/// `voip_call_release`.
///
/// Thread: any.
/// Callback: no.
/// Blocks: until all threads have ended, at most some seconds.
/// Errors: VOIP_ERR_HANDLE, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_free(phone: *mut voip_phone) -> voip_status {
    guard(|| {
        not_in_callback("voip_phone_free")?;
        let object = objects::phone(phone)?;
        if object.freeing.swap(true, Ordering::AcqRel) {
            return Err(Fail::new(
                voip_status::VOIP_ERR_HANDLE,
                "the phone is being freed by another thread",
            ));
        }
        let ended = object.engine.shutdown();
        PhoneObject::table().remove(phone as usize)?;
        object.shared.replace_callbacks(None);
        object.shared.clear();
        ended.map_err(Fail::from)
    })
}

/// Sets the callbacks, before or after the start; from the next event on the new table is used.
///
/// @param callbacks copied; NULL: none. Setting `on_incoming_call` opens the phone for calls,
///   `on_message` for messages.
/// @param user handed to every callback.
/// @param destroy may be NULL; called once with `user` when the table was replaced or the phone freed. Not
///   called if this function fails.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT (struct size).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_set_callbacks(
    phone: *mut voip_phone,
    callbacks: *const voip_callbacks,
    user: *mut c_void,
    destroy: voip_destroy_fn,
) -> voip_status {
    guard(|| {
        let object = objects::phone(phone)?;
        let table = match callbacks.is_null() {
            true => None,
            false => Some(unsafe { sized::read(callbacks) }?),
        };
        let listens = table.is_some_and(|table| table.on_incoming_call.is_some());
        let reads = table.is_some_and(|table| table.on_message.is_some());
        let user = User { pointer: user, destroy };
        let set = table.map(|table| Arc::new(CallbackSet { table, user }));
        object.shared.replace_callbacks(set);
        object.engine.accept_messages(reads);
        object.engine.accept_calls(listens || object.shared.waits.load(Ordering::Acquire));
        Ok(())
    })
}

/// Opens the sockets, starts the threads and begins to register.
///
/// The outcome of the registration comes as `on_account_status` or through `voip_phone_wait_registered`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE (started before), _ADDRESS_IN_USE, _SYSTEM, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_start(phone: *mut voip_phone) -> voip_status {
    guard(|| objects::phone(phone)?.engine.start().map_err(Fail::from))
}

/// Begins to end: hangs up all calls, takes registrations back, closes. Does not wait.
///
/// @param deadline_ms after that much time what is not done is left; 0 to 3600000.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE, _STATE (not running).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_stop(phone: *mut voip_phone, deadline_ms: i32) -> voip_status {
    guard(|| {
        let ms = strings::within(deadline_ms, 0, 3_600_000, "deadline", " ms")?;
        let deadline = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        objects::phone(phone)?.engine.stop(deadline).map_err(Fail::from)
    })
}

/// Waits until a stop is complete.
///
/// @param timeout_ms 0 never blocks, -1 waits for ever.
///
/// Thread: any.
/// Callback: no.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _TIMEOUT, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_wait_stopped(phone: *mut voip_phone, timeout_ms: i32) -> voip_status {
    guard(|| {
        not_in_callback("voip_phone_wait_stopped")?;
        let timeout = strings::timeout(timeout_ms)?;
        objects::phone(phone)?.engine.wait_stopped(timeout).map_err(Fail::from)
    })
}

/// Waits until the default account is registered.
///
/// @param timeout_ms 0 never blocks, -1 waits for ever.
///
/// Thread: any.
/// Callback: no.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _STATE (no account), _TIMEOUT, _AUTH, _UNREACHABLE, _REJECTED,
///   _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_wait_registered(phone: *mut voip_phone, timeout_ms: i32) -> voip_status {
    guard(|| {
        not_in_callback("voip_phone_wait_registered")?;
        let timeout = strings::timeout(timeout_ms)?;
        objects::phone(phone)?.engine.wait_registered(timeout).map_err(Fail::from)
    })
}

/// Waits for the next call from outside; opens the phone for calls.
///
/// Calls that came since the last wait are given first. The call rings (180) and waits for the host.
/// @param timeout_ms 0 never blocks, -1 waits for ever; ends also with the phone.
/// @param out gets the call, retained: let go with `voip_call_release`.
///
/// Thread: any.
/// Callback: no.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _TIMEOUT, _STATE (not running), _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_wait_call(
    phone: *mut voip_phone,
    timeout_ms: i32,
    out: *mut *mut voip_call,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        not_in_callback("voip_phone_wait_call")?;
        let timeout = strings::timeout(timeout_ms)?;
        let object = objects::phone(phone)?;
        object.shared.waits.store(true, Ordering::Release);
        let engine = object.engine.wait_call(timeout)?;
        let call = object.shared.adopt(&engine, Keep::Host)?;
        unsafe { strings::write(out, "out", call.handle()) }
    })
}

/// Places a call, through the default account if there is one.
///
/// @param target `sip:bob@192.0.2.1:5062`, `bob@example.com`, or with an account just `bob` or a number.
/// @param options NULL: none.
/// @param out gets the call, retained: let go with `voip_call_release`; written before the first event. NULL
///   is not allowed.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _STATE (not running), _LIMIT, _NO_PORTS.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_dial(
    phone: *mut voip_phone,
    target: *const c_char,
    options: *const voip_call_options,
    out: *mut *mut voip_call,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        let object = objects::phone(phone)?;
        let account = object.engine.default_account();
        unsafe { dial(&object, account, target, options, out) }
    })
}

fn make_phone(config: PhoneConfig) -> FfiResult<usize> {
    let engine = Phone::new(config)?;
    let make = |token| {
        let shared = Arc::new(PhoneShared::new(token));
        PhoneObject { engine, shared, freeing: AtomicBool::new(false) }
    };
    let (token, object) = PhoneObject::table().insert(make)?;
    object.engine.set_handle(token as u64);
    if let Err(error) = object.engine.set_event_sink(dispatch::sink(object.shared.clone())) {
        let _ = PhoneObject::table().remove(token);
        return Err(error.into());
    }
    Ok(token)
}

/// Dials: the handle goes to `*out` and the user data into the call before anything is sent.
pub(crate) unsafe fn dial(
    object: &PhoneObject,
    account: Option<AccountId>,
    target: *const c_char,
    options: *const voip_call_options,
    out: *mut *mut voip_call,
) -> FfiResult {
    let target = unsafe { strings::filled(target, "target") }?;
    let format = unsafe { dial_format(options) }?.unwrap_or(object.engine.audio_format());
    let (options, user_data) = unsafe { dial_options(options) }?;
    let mut adopted = Ok(None);
    let dialled = object.engine.dial_in(format, account, target, options, &mut |engine| {
        engine.set_user_data(user_data as usize);
        adopted = object.shared.adopt(engine, Keep::Fresh).map(Some);
        if let Ok(Some(call)) = &adopted {
            // SAFETY: `out` was checked and written before.
            unsafe { out.write_unaligned(call.handle()) };
        }
    });
    let call = adopted?;
    match (dialled, call) {
        (Ok(_), _) => Ok(()),
        (Err(error), call) => {
            unsafe { out.write_unaligned(std::ptr::null_mut()) };
            if let Some(call) = call {
                call.library_lets_go();
                call.release()?;
            }
            Err(error.into())
        }
    }
}

/// More extra headers than fit a sensible INVITE.
const MAX_HEADERS: usize = 32;

unsafe fn dial_format(options: *const voip_call_options) -> FfiResult<Option<AudioFormat>> {
    if options.is_null() {
        return Ok(None);
    }
    let given = unsafe { sized::read(options) }?;
    match given.audio_rate {
        0 => Ok(None),
        rate => audio_format(given.audio_sample, rate, 1).map(Some),
    }
}

unsafe fn dial_options(options: *const voip_call_options) -> FfiResult<(DialOptions, *mut c_void)> {
    if options.is_null() {
        return Ok((DialOptions::default(), std::ptr::null_mut()));
    }
    let given = unsafe { sized::read(options) }?;
    if given.header_count > MAX_HEADERS {
        return Err(Fail::range(format!("{} extra headers, more than {MAX_HEADERS}", given.header_count)));
    }
    if given.header_count > 0 && given.headers.is_null() {
        return Err(Fail::null("headers"));
    }
    let mut headers = Vec::with_capacity(given.header_count);
    for at in 0..given.header_count {
        let line = unsafe { strings::filled(given.headers.add(at).read(), "header") }?;
        headers.push(header_line(line)?);
    }
    let name = unsafe { strings::optional(given.display_name, "display name") }?;
    let options = DialOptions {
        headers,
        display_name: name.map(str::to_owned),
        delayed_offer: given.delayed_offer != 0,
        srtp: call_srtp::mode(given.srtp)?,
    };
    Ok((options, given.user_data))
}

fn header_line(line: &str) -> FfiResult<(String, String)> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    match line.split_once(':') {
        Some((name, value)) if !name.is_empty() && name.bytes().all(token) => {
            Ok((name.to_owned(), value.trim().to_owned()))
        }
        _ => Err(Fail::argument(format!("header \"{line}\" is not of the form Name: value"))),
    }
}
