//! SIP messages by themselves: parse, walk, change, write (RFC 3261 sections 7, 20 and 25).

use super::alone::{self, alone};
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::strings;
use crate::proto::sip::message::Draft;
use crate::proto::sip::{Message, ResponseBuilder};
use crate::util::Rng;
use std::ffi::c_char;
use std::net::SocketAddr;

/// A SIP message. The host frees it with `voip_sip_message_free`.
pub struct voip_sip_message {
    _private: (),
}

alone!(Message, voip_sip_message, b'm', "SIP message");

/// Parses one message, as it stands in a datagram. Line ends before it are skipped, folded lines unfolded, bytes behind
/// the body that Content-Length announces cut off.
///
/// @param data the message.
/// @param len bytes of it, at most 65535.
/// @param out gets the handle; free it with `voip_sip_message_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _PARSE (the sentence says the byte and what was expected there), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_parse(
    data: *const u8,
    len: usize,
    out: *mut *mut voip_sip_message,
) -> voip_status {
    guard(|| {
        let parse = || {
            let bytes = unsafe { alone::bytes(data, len, "data") }?;
            Message::parse(bytes).map_err(|e| alone::parse_error("SIP message", &e))
        };
        unsafe { alone::make(out, parse) }
    })
}

/// Makes a request without headers; `voip_sip_message_set_header` adds them.
///
/// @param method like `OPTIONS`.
/// @param uri the Request-URI.
/// @param out gets the handle; free it with `voip_sip_message_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_new_request(
    method: *const c_char,
    uri: *const c_char,
    out: *mut *mut voip_sip_message,
) -> voip_status {
    guard(|| {
        let make = || {
            let (method, uri) = unsafe { (strings::filled(method, "method")?, strings::filled(uri, "uri")?) };
            let draft = Draft::request(method, uri).map_err(|e| alone::refused("request", &e))?;
            finish(&draft)
        };
        unsafe { alone::make(out, make) }
    })
}

/// Makes the response to a request: Via (with `received` and `rport`, RFC 3581), From, To, Call-ID and CSeq are copied; a To
/// without a tag gets a fresh one unless the code is 100.
///
/// @param request what is answered.
/// @param code 100 to 699.
/// @param reason NULL: the usual phrase.
/// @param source where the request came from, like `192.0.2.1:5060` or `[2001:db8::1]:5060`.
/// @param out gets the handle; free it with `voip_sip_message_free`.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _STATE (it is no request), _BUSY, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_new_response(
    request: *mut voip_sip_message,
    code: i32,
    reason: *const c_char,
    source: *const c_char,
    out: *mut *mut voip_sip_message,
) -> voip_status {
    guard(|| {
        let make = || {
            let code = strings::within(code, 100, 699, "SIP status", "")?;
            let reason = unsafe { strings::optional(reason, "reason") }?;
            let source = unsafe { strings::filled(source, "source") }?;
            alone::with(request, |request| respond(request, code.unsigned_abs() as u16, reason, source))
        };
        unsafe { alone::make(out, make) }
    })
}

/// Frees a message.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_free(message: *mut voip_sip_message) -> voip_status {
    guard(|| alone::free::<Message>(message))
}

/// Tells whether it is a request.
///
/// @param request gets 1 for a request, 0 for a response.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_is_request(
    message: *mut voip_sip_message,
    request: *mut i32,
) -> voip_status {
    guard(|| {
        let is = alone::with(message, |m: &mut Message| Ok(m.is_request()))?;
        unsafe { strings::write(request, "request", i32::from(is)) }
    })
}

/// Tells what a UAS owes a request before anything else (RFC 3261 sections 8.2 and 16.3): mandatory headers, CSeq, version.
///
/// @param code gets 0 if nothing is wrong, else the status of the response that is due, like 400 or 505.
/// @param buf gets the reason with its NUL, empty if nothing is wrong; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_check(
    message: *mut voip_sip_message,
    code: *mut i32,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let (due, reason) =
            alone::with(message, |m: &mut Message| Ok(m.validate().err().unwrap_or((0, ""))))?;
        unsafe { strings::write(code, "code", i32::from(due)) }?;
        unsafe { optional_text(reason, buf, len, needed) }
    })
}

/// Tells the method of a request, or that of the CSeq of a response.
///
/// @param buf gets it with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_get_method(
    message: *mut voip_sip_message,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| alone::with(message, |m: &mut Message| unsafe { put(m.method().as_str(), buf, len, needed) }))
}

/// Tells the Request-URI; empty for a response.
///
/// Arguments as `voip_sip_message_get_method`.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_get_uri(
    message: *mut voip_sip_message,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| alone::with(message, |m: &mut Message| unsafe { put(m.request_uri_text(), buf, len, needed) }))
}

/// Tells the status code of a response.
///
/// @param code gets it; 0 for a request.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_get_status(
    message: *mut voip_sip_message,
    code: *mut i32,
) -> voip_status {
    guard(|| {
        let status = alone::with(message, |m: &mut Message| Ok(m.status()))?;
        unsafe { strings::write(code, "code", i32::from(status)) }
    })
}

/// Tells the reason phrase of a response; empty for a request.
///
/// Arguments as `voip_sip_message_get_method`.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_get_reason(
    message: *mut voip_sip_message,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| alone::with(message, |m: &mut Message| unsafe { put(m.reason(), buf, len, needed) }))
}

/// Tells one header line's value, unfolded and without white space around it.
///
/// @param name without case; compact forms are known.
/// @param index 0 for the first line of that name.
/// @param buf gets the value with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (no such header), _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_get_header(
    message: *mut voip_sip_message,
    name: *const c_char,
    index: usize,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let name = unsafe { strings::filled(name, "name") }?;
        alone::with(message, |m: &mut Message| match m.header_named(name, index) {
            Some(value) => unsafe { put(value, buf, len, needed) },
            None => Err(Fail::argument(format!("the message has no header {name} number {index}"))),
        })
    })
}

/// Counts header lines.
///
/// @param name of which name, without case; NULL: all.
/// @param count gets the number.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_count_headers(
    message: *mut voip_sip_message,
    name: *const c_char,
    count: *mut usize,
) -> voip_status {
    guard(|| {
        let name = unsafe { strings::optional(name, "name") }?;
        let found = alone::with(message, |m: &mut Message| {
            Ok(match name {
                Some(name) => (0..).take_while(|i| m.header_named(name, *i).is_some()).count(),
                None => m.all_headers().count(),
            })
        })?;
        unsafe { strings::write(count, "count", found) }
    })
}

/// Tells a whole header line as `Name: value`, by its place.
///
/// @param index from 0 in the order of the message.
/// @param buf gets the line with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE (no such line), _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_get_line(
    message: *mut voip_sip_message,
    index: usize,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        alone::with(message, |m: &mut Message| match m.all_headers().nth(index) {
            Some((_, name, value)) => unsafe { put(&format!("{name}: {value}"), buf, len, needed) },
            None => Err(Fail::range(format!("the message has no header line {index}"))),
        })
    })
}

/// Gives the body as it is, without a NUL.
///
/// @param buf gets the bytes; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets their number; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_get_body(
    message: *mut voip_sip_message,
    buf: *mut u8,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| alone::with(message, |m: &mut Message| unsafe { alone::put_bytes(m.body(), buf, len, needed) }))
}

/// Tells in a few lines what the message is, for people; credentials are left out.
///
/// Arguments as `voip_sip_message_get_method`.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_get_summary(
    message: *mut voip_sip_message,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| alone::with(message, |m: &mut Message| unsafe { put(&m.summary(), buf, len, needed) }))
}

/// Gives a header one value: the first line of that name gets it, others of that name go; a new one comes last.
///
/// @param name long or compact form; not Content-Length, which is always made.
/// @param value without line breaks.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (CR or LF in the value, a name that is none), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_set_header(
    message: *mut voip_sip_message,
    name: *const c_char,
    value: *const c_char,
) -> voip_status {
    guard(|| {
        let (name, value) = unsafe { (strings::filled(name, "name")?, strings::text(value, "value")?) };
        change(message, |draft| draft.set(name, value).map_err(|e| alone::refused(name, &e)))
    })
}

/// Adds a header line behind those of the same name, else as the last one.
///
/// Arguments as `voip_sip_message_set_header`.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_add_header(
    message: *mut voip_sip_message,
    name: *const c_char,
    value: *const c_char,
) -> voip_status {
    guard(|| {
        let (name, value) = unsafe { (strings::filled(name, "name")?, strings::text(value, "value")?) };
        change(message, |draft| draft.add(name, value).map_err(|e| alone::refused(name, &e)))
    })
}

/// Takes away all header lines of a name.
///
/// @param name long or compact form.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (there is none), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_remove_header(
    message: *mut voip_sip_message,
    name: *const c_char,
) -> voip_status {
    guard(|| {
        let name = unsafe { strings::filled(name, "name") }?;
        change(message, |draft| match draft.remove(name) {
            0 => Err(Fail::argument(format!("the message has no header {name}"))),
            _ => Ok(()),
        })
    })
}

/// Sets the body and Content-Type.
///
/// @param content_type like `application/sdp`; NULL takes Content-Type away.
/// @param data the body; NULL with len 0 for none.
/// @param len bytes of it.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_set_body(
    message: *mut voip_sip_message,
    content_type: *const c_char,
    data: *const u8,
    len: usize,
) -> voip_status {
    guard(|| {
        let kind = unsafe { strings::optional(content_type, "content type") }?.unwrap_or("");
        let body = unsafe { alone::bytes(data, len, "data") }?;
        change(message, |draft| draft.set_body(kind, body).map_err(|e| alone::refused("content type", &e)))
    })
}

/// Writes the message as it goes on the wire. Content-Length is made anew; all else stands as it was parsed or set.
///
/// @param buf gets the bytes, without a NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets their number; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_message_write(
    message: *mut voip_sip_message,
    buf: *mut u8,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        alone::with(message, |m: &mut Message| {
            let bytes = Draft::of(m).write().map_err(|e| alone::refused("message", &e))?;
            unsafe { alone::put_bytes(&bytes, buf, len, needed) }
        })
    })
}

/// Makes a tag for From or To: about 80 unpredictable bits.
///
/// @param buf gets it with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_new_tag(buf: *mut c_char, len: usize, needed: *mut usize) -> voip_status {
    guard(|| unsafe { put(&alone::rng().token(16), buf, len, needed) })
}

/// Makes a Call-ID: about 120 unpredictable bits, no address in it.
///
/// Arguments as `voip_sip_new_tag`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_new_call_id(
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| unsafe { put(&alone::rng().token(24), buf, len, needed) })
}

/// Makes a branch for Via, with the cookie of RFC 3261 section 8.1.1.7.
///
/// Arguments as `voip_sip_new_tag`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sip_new_branch(
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let branch = format!("z9hG4bK{}", alone::rng().token(20));
        unsafe { put(&branch, buf, len, needed) }
    })
}

unsafe fn put(text: &str, buf: *mut c_char, len: usize, needed: *mut usize) -> FfiResult {
    unsafe { strings::put(text.as_bytes(), buf, len, needed) }
}

/// As `put`, for a text that the host may not want at all.
unsafe fn optional_text(text: &str, buf: *mut c_char, len: usize, needed: *mut usize) -> FfiResult {
    match buf.is_null() && needed.is_null() {
        true => Ok(()),
        false => unsafe { put(text, buf, len, needed) },
    }
}

/// Changes a copy and keeps it only if it is a message still.
fn change(handle: *const voip_sip_message, edit: impl FnOnce(&mut Draft) -> FfiResult) -> FfiResult {
    alone::with(handle, |message: &mut Message| {
        let mut draft = Draft::of(message);
        edit(&mut draft)?;
        *message = finish(&draft)?;
        Ok(())
    })
}

fn finish(draft: &Draft) -> FfiResult<Message> {
    let bytes = draft.write().map_err(|e| alone::refused("message", &e))?;
    Message::parse(&bytes).map_err(|e| alone::refused("message", &e))
}

fn respond(request: &Message, code: u16, reason: Option<&str>, source: &str) -> FfiResult<Message> {
    if !request.is_request() {
        return Err(Fail::state("the message is a response: only requests are answered"));
    }
    let address: SocketAddr = source
        .parse()
        .map_err(|_| Fail::argument(format!("source \"{source}\" is no address with a port")))?;
    let mut builder = ResponseBuilder::new(request, code, reason, address);
    if code != 100 {
        builder = builder.to_tag(&alone::rng().token(16));
    }
    let bytes = builder.build().map_err(|e| alone::refused("response", &e))?;
    Message::parse(&bytes).map_err(|e| alone::refused("response", &e))
}
