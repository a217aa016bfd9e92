//! What a phone tells, its own event loop, its RTP ports.

use super::error::{voip_status, Fail};
use super::objects::{self, user_data, Keep};
use super::panic::{guard, not_in_callback};
use super::stats::voip_phone_stats;
use super::types::*;
use super::{sized, strings};
use crate::engine::PhoneStatus;
use std::ffi::{c_char, c_void};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

pub(crate) const fn phone_status(status: PhoneStatus) -> voip_phone_status {
    match status {
        PhoneStatus::Inactive => voip_phone_status::VOIP_PHONE_INACTIVE,
        PhoneStatus::Starting => voip_phone_status::VOIP_PHONE_STARTING,
        PhoneStatus::Running => voip_phone_status::VOIP_PHONE_RUNNING,
        PhoneStatus::Stopping => voip_phone_status::VOIP_PHONE_STOPPING,
        PhoneStatus::Stopped => voip_phone_status::VOIP_PHONE_STOPPED,
        PhoneStatus::Failed => voip_phone_status::VOIP_PHONE_FAILED,
    }
}

/// Tells how the phone is.
///
/// @param out gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_get_status(
    phone: *mut voip_phone,
    out: *mut voip_phone_status,
) -> voip_status {
    guard(|| {
        let object = objects::phone(phone)?;
        unsafe { strings::write(out, "out", phone_status(object.engine.status())) }
    })
}

/// Tells the address and port that SIP is bound to, like `127.0.0.1:5060` or `[::1]:5060`.
///
/// @param buf gets the text with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (not started), _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_get_local_address(
    phone: *mut voip_phone,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let object = objects::phone(phone)?;
        let Some(address) = object.engine.local_address() else {
            return Err(Fail::state("the phone has no socket: it is not started"));
        };
        unsafe { strings::put(address.to_string().as_bytes(), buf, len, needed) }
    })
}

/// Gives the account that the settings described.
///
/// @param out gets the handle; it belongs to the phone.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (no account).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_get_default_account(
    phone: *mut voip_phone,
    out: *mut *mut voip_account,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        let object = objects::phone(phone)?;
        let Some(id) = object.engine.default_account() else {
            return Err(Fail::state("the phone's settings name no server: there is no default account"));
        };
        let account = object.shared.account_handle(id)?;
        unsafe { strings::write(out, "out", account) }
    })
}

/// Lists the calls that live, each retained for the host: let each go with `voip_call_release`.
///
/// @param calls gets up to `max` handles; NULL with max 0 asks for the number only.
/// @param max how many fit.
/// @param count gets how many were written, or with max 0 how many there are.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_list_calls(
    phone: *mut voip_phone,
    calls: *mut *mut voip_call,
    max: usize,
    count: *mut usize,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(count, "count", 0) }?;
        let object = objects::phone(phone)?;
        let list = object.engine.calls();
        if max == 0 {
            return unsafe { strings::write(count, "count", list.len()) };
        }
        if calls.is_null() {
            return Err(Fail::null("calls"));
        }
        let mut written = 0;
        for engine in list.iter().take(max) {
            let call = object.shared.adopt(engine, Keep::Host)?;
            unsafe { calls.add(written).write(call.handle()) };
            written += 1;
            unsafe { count.write_unaligned(written) };
        }
        Ok(())
    })
}

/// Tells the phone's counters.
///
/// @param stats begins with `VOIP_PHONE_STATS_INIT`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (struct size).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_get_stats(
    phone: *mut voip_phone,
    stats: *mut voip_phone_stats,
) -> voip_status {
    guard(|| {
        let object = objects::phone(phone)?;
        let value = voip_phone_stats::from(&object.engine.stats());
        unsafe { sized::write(stats, &value) }
    })
}

/// Gives the descriptor that is readable while events wait (VOIP_EVENTS_HOST). Poll it; don't read or close
/// it.
///
/// @param fd gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (events come on the library's thread).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_get_event_fd(phone: *mut voip_phone, fd: *mut i32) -> voip_status {
    guard(|| {
        unsafe { strings::write(fd, "fd", -1) }?;
        let object = objects::phone(phone)?;
        match object.engine.event_fd() {
            number if number >= 0 => unsafe { strings::write(fd, "fd", number) },
            _ => {
                Err(Fail::state("events are delivered by the library's thread (voip_config_set_event_mode)"))
            }
        }
    })
}

/// Delivers events on the calling thread (VOIP_EVENTS_HOST).
///
/// @param max at most so many events; 0: all that wait.
/// @param timeout_ms how long to wait for the first: 0 never, -1 for ever.
/// @param count gets how many were delivered; may be NULL. No event in time is no error: count is 0.
///
/// Thread: any.
/// Callback: no.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _STATE, _BUSY (another thread delivers), _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_process_events(
    phone: *mut voip_phone,
    max: u32,
    timeout_ms: i32,
    count: *mut u32,
) -> voip_status {
    guard(|| {
        if !count.is_null() {
            unsafe { count.write_unaligned(0) };
        }
        not_in_callback("voip_phone_process_events")?;
        let timeout = strings::timeout(timeout_ms)?;
        let max = if max == 0 { usize::MAX } else { max as usize };
        let done = match objects::phone(phone)?.engine.process_events(max, timeout) {
            Err(error) if error.kind == crate::engine::ErrorKind::Timeout => 0,
            done => done?,
        };
        if !count.is_null() {
            unsafe { count.write_unaligned(u32::try_from(done).unwrap_or(u32::MAX)) };
        }
        Ok(())
    })
}

/// Attaches a pointer of the host to the phone.
///
/// @param user any value; the library only keeps it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_set_user_data(phone: *mut voip_phone, user: *mut c_void) -> voip_status {
    guard(|| {
        objects::phone(phone)?.shared.user_data.store(user as usize, Ordering::Release);
        Ok(())
    })
}

/// Gives what `voip_phone_set_user_data` attached, NULL before.
///
/// @param user gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_get_user_data(
    phone: *mut voip_phone,
    user: *mut *mut c_void,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(user, "user", std::ptr::null_mut()) }?;
        let object = objects::phone(phone)?;
        unsafe { strings::write(user, "user", user_data(&object.shared.user_data)) }
    })
}

/// Takes an RTP port out of the configured range for a use of the host's own; the library will not bind it.
///
/// @param timeout_ms how long to wait for one to become free: 0 never blocks, -1 for ever.
/// @param port gets an even number.
///
/// Thread: any.
/// Callback: yes with timeout_ms 0.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _NO_PORTS, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_reserve_port(
    phone: *mut voip_phone,
    timeout_ms: i32,
    port: *mut u16,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(port, "port", 0) }?;
        if timeout_ms != 0 {
            not_in_callback("voip_phone_reserve_port")?;
        }
        let timeout = strings::timeout(timeout_ms)?;
        let object = objects::phone(phone)?;
        let reserved = reserve(&object, timeout)?;
        unsafe { strings::write(port, "port", reserved) }
    })
}

/// Gives a port back that `voip_phone_reserve_port` took.
///
/// @param port as it was given.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE, _ARGUMENT (not reserved).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_release_port(phone: *mut voip_phone, port: i32) -> voip_status {
    guard(|| {
        let port = strings::port(port, "port")?;
        let object = objects::phone(phone)?;
        object.engine.release_port(port)?;
        object.shared.port_freed();
        Ok(())
    })
}

/// Tells how many RTP ports calls and reservations hold.
///
/// @param count gets the number.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_ports_in_use(phone: *mut voip_phone, count: *mut usize) -> voip_status {
    guard(|| {
        let object = objects::phone(phone)?;
        unsafe { strings::write(count, "count", object.engine.ports_in_use()) }
    })
}

/// Gives the name of a phone's status, like `running`.
///
/// @param status a `voip_phone_status`.
/// @return a static string, `unknown` for a number that is none.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_phone_status_name(status: i32) -> *const c_char {
    let name = match status {
        0 => c"inactive",
        1 => c"starting",
        2 => c"running",
        3 => c"stopping",
        4 => c"stopped",
        5 => c"failed",
        _ => c"unknown",
    };
    name.as_ptr()
}

/// A call's port comes back a moment after its last event: the longest that a waiter overlooks it.
const PORT_RECHECK: Duration = Duration::from_millis(100);

fn reserve(object: &objects::PhoneObject, timeout: Option<Duration>) -> Result<u16, Fail> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let (count, changed) = &object.shared.ports_freed;
    loop {
        let before = *objects::lock(count);
        let error = match object.engine.reserve_port() {
            Err(error) if error.kind == crate::engine::ErrorKind::NoPorts => error,
            reserved => return reserved.map_err(Fail::from),
        };
        let left = deadline.map_or(PORT_RECHECK, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() || object.shared.closed.load(Ordering::Acquire) {
            return Err(error.into());
        }
        let waiting = objects::lock(count);
        // Woken, or not: the range is looked at again either way.
        let _ = changed.wait_timeout_while(waiting, left.min(PORT_RECHECK), |now| *now == before);
    }
}
