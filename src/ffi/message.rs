//! Page-mode messages (RFC 3428). Those from outside come through `on_message`.

use super::error::{voip_status, Fail, FfiResult};
use super::objects::{self, PhoneObject};
use super::panic::guard;
use super::strings;
use super::types::*;
use crate::ua::AccountId;
use std::ffi::{c_char, c_void};

const UTF8_TEXT: &str = "text/plain;charset=UTF-8";

/// Sends a message outside of any call (MESSAGE, RFC 3428). `on_message_result` tells what became of it.
///
/// @param account through which one; NULL: the default account if there is one.
/// @param target `sip:bob@192.0.2.1:5062`, `bob@example.com`, or with an account just `bob` or a number.
/// @param content_type of the body; NULL: `text/plain;charset=UTF-8`.
/// @param body the bytes; copied. May be NULL if len is 0.
/// @param len how many, at most 1300 (RFC 3428 section 8). What is too large for a datagram with its headers goes over
///   TCP (RFC 3261 section 18.1.1).
/// @param id gets the number that `on_message_result` names, before that can come; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE (too long), _STATE (not running), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_send_message(
    phone: *mut voip_phone,
    account: *mut voip_account,
    target: *const c_char,
    content_type: *const c_char,
    body: *const c_void,
    len: usize,
    id: *mut u64,
) -> voip_status {
    guard(|| {
        unsafe { tell(id, 0) };
        let object = objects::phone(phone)?;
        let account = account_of(&object, account)?;
        let target = unsafe { strings::filled(target, "target") }?;
        let kind = unsafe { strings::optional(content_type, "content type") }?.unwrap_or(UTF8_TEXT);
        let body = unsafe { bytes(body, len) }?;
        let number = object.engine.new_message_id();
        unsafe { tell(id, number) };
        object.engine.send_message(number, account, target, kind, body).map_err(|error| {
            unsafe { tell(id, 0) };
            Fail::from(error)
        })
    })
}

unsafe fn tell(id: *mut u64, number: u64) {
    if !id.is_null() {
        // SAFETY: the host's place for a number.
        unsafe { id.write_unaligned(number) };
    }
}

fn account_of(phone: &PhoneObject, account: *mut voip_account) -> FfiResult<Option<AccountId>> {
    if account.is_null() {
        return Ok(phone.engine.default_account());
    }
    let (account, owner) = objects::account(account)?;
    match std::ptr::eq(phone, &*owner) {
        true => Ok(Some(account.id)),
        false => Err(Fail::argument("the account is another phone's")),
    }
}

unsafe fn bytes<'a>(body: *const c_void, len: usize) -> FfiResult<&'a [u8]> {
    match (body.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Fail::null("body")),
        (false, _) if isize::try_from(len).is_err() => Err(Fail::range(format!("a message of {len} bytes"))),
        // SAFETY: the host promises that so many bytes are there.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(body.cast(), len) }),
    }
}
