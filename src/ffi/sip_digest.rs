//! Digest access authentication by itself (RFC 3261 section 22, RFC 7616, RFC 8760).

use super::alone;
use super::error::{voip_status, Fail};
use super::panic::guard;
use super::strings;
use crate::proto::sip::auth::{parameter, Challenge};
use crate::util::Rng;
use std::ffi::c_char;

/// Makes the value of Authorization or Proxy-Authorization for a challenge: MD5, SHA-256, SHA-512-256 and their `-sess`
/// forms, with `auth`, `auth-int` or no qop.
///
/// @param challenge the value of WWW-Authenticate or Proxy-Authenticate, from `Digest` on.
/// @param method of the request.
/// @param uri of the request.
/// @param user,password the credentials for the realm of the challenge.
/// @param body of the request (only `auth-int` needs it); NULL with body_len 0.
/// @param body_len bytes of it.
/// @param count how often the nonce was used with this use: 1, 2, …
/// @param cnonce NULL: a fresh one.
/// @param buf gets the value with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _PARSE (the challenge, or an algorithm that is not known), _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_digest_response(
    challenge: *const c_char,
    method: *const c_char,
    uri: *const c_char,
    user: *const c_char,
    password: *const c_char,
    body: *const u8,
    body_len: usize,
    count: u32,
    cnonce: *const c_char,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let challenge = unsafe { strings::filled(challenge, "challenge") }?;
        let challenge =
            Challenge::parse(challenge, false).map_err(|e| alone::parse_error("challenge", &e))?;
        let (method, uri) = unsafe { (strings::filled(method, "method")?, strings::filled(uri, "uri")?) };
        let user = unsafe { strings::text(user, "user") }?;
        let password = unsafe { strings::text(password, "password") }?;
        let body = unsafe { alone::bytes(body, body_len, "body") }?;
        let count = strings::within(count, 1, u32::MAX, "count", "")?;
        let cnonce = match unsafe { strings::optional(cnonce, "cnonce") }? {
            Some(cnonce) => cnonce.to_owned(),
            None => alone::rng().token(16),
        };
        let value = challenge.answer(method, uri, body, (user, password), count, &cnonce);
        unsafe { strings::put(value.as_bytes(), buf, len, needed) }
    })
}

/// Tells one parameter of an authentication header: of WWW-Authenticate, Proxy-Authenticate, Authorization and
/// Proxy-Authorization (RFC 3261 section 20.7).
///
/// @param value the header's value, from the scheme on, as `voip_sip_message_get_header` gives it.
/// @param name like `realm`, without case.
/// @param buf gets the parameter without quotes and with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT (there is none of that name), _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_get_auth_param(
    value: *const c_char,
    name: *const c_char,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let value = unsafe { strings::filled(value, "value") }?;
        let name = unsafe { strings::filled(name, "name") }?;
        let Some(found) = parameter(value, name) else {
            return Err(Fail::argument(format!("the header has no parameter {name}")));
        };
        unsafe { strings::put(found.as_bytes(), buf, len, needed) }
    })
}
