//! Accounts of a phone: added, removed, registered, asked.

use super::account_config::AccountDraft;
use super::error::{voip_status, Fail};
use super::handle;
use super::objects::{self, lock, user_data, AccountSettings};
use super::panic::{guard, not_in_callback};
use super::types::*;
use super::{phone, strings};
use crate::engine::ErrorKind;
use crate::ua::AccountStatus;
use std::ffi::{c_char, c_void};
use std::sync::atomic::Ordering;

pub(crate) const fn account_status(status: AccountStatus) -> voip_account_status {
    match status {
        AccountStatus::Inactive => voip_account_status::VOIP_ACCOUNT_INACTIVE,
        AccountStatus::Registering => voip_account_status::VOIP_ACCOUNT_REGISTERING,
        AccountStatus::Registered => voip_account_status::VOIP_ACCOUNT_REGISTERED,
        AccountStatus::Deregistering => voip_account_status::VOIP_ACCOUNT_DEREGISTERING,
        AccountStatus::Failed => voip_account_status::VOIP_ACCOUNT_FAILED,
    }
}

/// Adds an account to a phone; it registers at once if its settings say so and the phone runs.
///
/// @param config copied.
/// @param out gets the handle; it belongs to the phone and is stale once the account was removed.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _STATE, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_add(
    phone: *mut voip_phone,
    config: *const voip_account_config,
    out: *mut *mut voip_account,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        let object = objects::phone(phone)?;
        let draft: AccountDraft = lock(&handle::get::<AccountSettings>(config)?.0).clone();
        let Some(config) = draft.finish()? else {
            return Err(Fail::argument("the account's settings name no server"));
        };
        let id = object.engine.add_account(config)?;
        let account = object.shared.account_handle(id)?;
        unsafe { strings::write(out, "out", account) }
    })
}

/// Takes an account off its phone: un-registers, then its handle is stale. Calls of it go on.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_remove(account: *mut voip_account) -> voip_status {
    guard(|| {
        let (account, phone) = objects::account(account)?;
        phone.engine.remove_account(account.id).map_err(Fail::from)
    })
}

/// Registers now, also after a failure that was final.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_register(account: *mut voip_account) -> voip_status {
    guard(|| {
        let (account, phone) = objects::account(account)?;
        phone.engine.register(account.id).map_err(Fail::from)
    })
}

/// Takes the registration back (REGISTER with Expires 0).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_unregister(account: *mut voip_account) -> voip_status {
    guard(|| {
        let (account, phone) = objects::account(account)?;
        phone.engine.unregister(account.id).map_err(Fail::from)
    })
}

/// Waits until the account is registered.
///
/// @param timeout_ms 0 never blocks, -1 waits for ever.
///
/// Thread: any.
/// Callback: no.
/// Blocks: up to timeout_ms.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _TIMEOUT, _AUTH, _REJECTED, _UNREACHABLE, _STATE, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_wait_registered(
    account: *mut voip_account,
    timeout_ms: i32,
) -> voip_status {
    guard(|| {
        not_in_callback("voip_account_wait_registered")?;
        let timeout = strings::timeout(timeout_ms)?;
        let (account, phone) = objects::account(account)?;
        match phone.engine.wait_account(account.id, timeout)? {
            AccountStatus::Registered => Ok(()),
            AccountStatus::Failed => Err(failed(&phone.engine.account_info(account.id)?)),
            status => Err(Fail::state(format!("the account is {status:?}"))),
        }
    })
}

/// Places a call through an account.
///
/// Arguments as `voip_phone_dial`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _STATE, _LIMIT, _NO_PORTS.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_dial(
    account: *mut voip_account,
    target: *const c_char,
    options: *const voip_call_options,
    out: *mut *mut voip_call,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        let (account, object) = objects::account(account)?;
        unsafe { phone::dial(&object, Some(account.id), target, options, out) }
    })
}

/// Tells how the account is.
///
/// @param out gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_get_status(
    account: *mut voip_account,
    out: *mut voip_account_status,
) -> voip_status {
    guard(|| {
        let (account, phone) = objects::account(account)?;
        let info = phone.engine.account_info(account.id)?;
        unsafe { strings::write(out, "out", account_status(info.status)) }
    })
}

/// Tells in how many seconds the registration runs out; 0 without one. It is refreshed before.
///
/// @param seconds gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_get_expiry(
    account: *mut voip_account,
    seconds: *mut u32,
) -> voip_status {
    guard(|| {
        let (account, phone) = objects::account(account)?;
        let info = phone.engine.account_info(account.id)?;
        unsafe { strings::write(seconds, "seconds", info.expires_in) }
    })
}

/// Tells the last final status of REGISTER, 0 if there was none.
///
/// @param code gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_get_last_sip_code(
    account: *mut voip_account,
    code: *mut i32,
) -> voip_status {
    guard(|| {
        let (account, phone) = objects::account(account)?;
        let info = phone.engine.account_info(account.id)?;
        unsafe { strings::write(code, "code", i32::from(info.last_sip_code)) }
    })
}

/// Tells the account's address, like `sip:alice@example.com`.
///
/// @param buf gets the text with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_get_uri(
    account: *mut voip_account,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let (account, phone) = objects::account(account)?;
        let info = phone.engine.account_info(account.id)?;
        unsafe { strings::put(info.uri.as_bytes(), buf, len, needed) }
    })
}

/// Gives the phone of the account.
///
/// @param out gets the handle.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_get_phone(
    account: *mut voip_account,
    out: *mut *mut voip_phone,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        let (_, phone) = objects::account(account)?;
        unsafe { strings::write(out, "out", phone.shared.handle()) }
    })
}

/// Attaches a pointer of the host to the account.
///
/// @param user any value; the library only keeps it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_set_user_data(
    account: *mut voip_account,
    user: *mut c_void,
) -> voip_status {
    guard(|| {
        objects::account(account)?.0.user_data.store(user as usize, Ordering::Release);
        Ok(())
    })
}

/// Gives what `voip_account_set_user_data` attached, NULL before.
///
/// @param user gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_get_user_data(
    account: *mut voip_account,
    user: *mut *mut c_void,
) -> voip_status {
    guard(|| {
        unsafe { strings::write(user, "user", std::ptr::null_mut()) }?;
        let (account, _) = objects::account(account)?;
        unsafe { strings::write(user, "user", user_data(&account.user_data)) }
    })
}

/// Gives the name of an account's status, like `registered`.
///
/// @param status a `voip_account_status`.
/// @return a static string, `unknown` for a number that is none.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_account_status_name(status: i32) -> *const c_char {
    let name = match status {
        0 => c"inactive",
        1 => c"registering",
        2 => c"registered",
        3 => c"deregistering",
        4 => c"failed",
        _ => c"unknown",
    };
    name.as_ptr()
}

/// The error that stands for a failed registration.
fn failed(info: &crate::engine::AccountInfo) -> Fail {
    let kind = match info.last_sip_code {
        401 | 403 | 407 => ErrorKind::Auth,
        0 | 408 => ErrorKind::Unreachable,
        _ => ErrorKind::Rejected,
    };
    let text = format!("registration of {} failed: {} {}", info.uri, info.last_sip_code, info.reason);
    crate::engine::Error::new(kind, text).into()
}
