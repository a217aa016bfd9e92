//! Text across the border: in as checked UTF-8 that is copied, out into the caller's buffer.

use super::error::{voip_status, Fail, FfiResult};
use std::ffi::{c_char, CStr};
use std::time::Duration;

/// Longer texts are refused: nothing in SIP needs them, and a missing NUL shows here.
const MAX_TEXT: usize = 64 * 1024;

/// A text that must be there: UTF-8, without CR and LF.
///
/// # Safety
/// `text` is NULL or NUL-terminated.
pub(crate) unsafe fn text<'a>(text: *const c_char, name: &str) -> FfiResult<&'a str> {
    if text.is_null() {
        return Err(Fail::null(name));
    }
    // SAFETY: not NULL, NUL-terminated by the caller's promise.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    if bytes.len() > MAX_TEXT {
        return Err(Fail::argument(format!("{name} has {} bytes, more than {MAX_TEXT}", bytes.len())));
    }
    if let Some(at) = bytes.iter().position(|b| *b == b'\r' || *b == b'\n') {
        return Err(Fail::argument(format!("{name} has a line break at byte {at}")));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(e) => Err(Fail::argument(format!("{name} is not UTF-8 at byte {}", e.valid_up_to()))),
    }
}

/// A text that may be NULL.
///
/// # Safety
/// As `text`.
pub(crate) unsafe fn optional<'a>(value: *const c_char, name: &str) -> FfiResult<Option<&'a str>> {
    if value.is_null() {
        return Ok(None);
    }
    // SAFETY: as promised to this function.
    unsafe { text(value, name) }.map(Some)
}

/// A text that must be there and not be empty.
///
/// # Safety
/// As `text`.
pub(crate) unsafe fn filled<'a>(value: *const c_char, name: &str) -> FfiResult<&'a str> {
    // SAFETY: as promised to this function.
    let value = unsafe { text(value, name) }?;
    if value.is_empty() {
        return Err(Fail::argument(format!("{name} is empty")));
    }
    Ok(value)
}

/// Writes `value` and a NUL into the caller's buffer; `*needed` becomes the size with the NUL.
///
/// # Safety
/// `buf` is NULL or has room for `len` bytes; `needed` is NULL or can be written.
pub(crate) unsafe fn put(value: &[u8], buf: *mut c_char, len: usize, needed: *mut usize) -> FfiResult {
    let size = value.len() + 1;
    if !needed.is_null() {
        // SAFETY: not NULL, writable by the caller's promise.
        unsafe { needed.write_unaligned(size) };
    }
    if buf.is_null() {
        return if needed.is_null() { Err(Fail::null("buf")) } else { Ok(()) };
    }
    if len < size {
        let text = format!("the buffer has {len} bytes, {size} are needed");
        return Err(Fail::new(voip_status::VOIP_ERR_BUFFER_TOO_SMALL, text));
    }
    // SAFETY: `len` bytes are writable and at least `size`.
    unsafe {
        std::ptr::copy_nonoverlapping(value.as_ptr(), buf.cast::<u8>(), value.len());
        buf.add(value.len()).write(0);
    }
    Ok(())
}

/// Writes a value through a pointer that must not be NULL.
///
/// # Safety
/// `out` is NULL or can be written.
pub(crate) unsafe fn write<T>(out: *mut T, name: &str, value: T) -> FfiResult {
    if out.is_null() {
        return Err(Fail::null(name));
    }
    // SAFETY: not NULL, writable by the caller's promise.
    unsafe { out.write_unaligned(value) };
    Ok(())
}

/// Milliseconds of a waiting function: 0 never blocks, -1 waits for ever.
pub(crate) fn timeout(ms: i32) -> FfiResult<Option<Duration>> {
    match u64::try_from(ms) {
        Ok(ms) => Ok(Some(Duration::from_millis(ms))),
        Err(_) if ms == -1 => Ok(None),
        Err(_) => Err(Fail::argument(format!("time-out {ms} ms: only -1 may be negative"))),
    }
}

/// A number of a range, or the sentence that names it.
pub(crate) fn within<T>(value: T, low: T, high: T, name: &str, unit: &str) -> FfiResult<T>
where
    T: PartialOrd + std::fmt::Display,
{
    if value < low || value > high {
        let text = format!("{name} {value}{unit} is outside {low} to {high}{unit}");
        return Err(Fail::range(text));
    }
    Ok(value)
}

/// A port: 0 to 65535, given as a plain number so that nothing is cut off on the way.
pub(crate) fn port(value: i32, name: &str) -> FfiResult<u16> {
    u16::try_from(value).map_err(|_| Fail::range(format!("{name} {value} is outside 0 to 65535")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_buffer_is_left_alone_and_told_its_size() {
        let mut buf = [7 as c_char; 4];
        let mut needed = 0;
        let fail = unsafe { put(b"four", buf.as_mut_ptr(), 4, &mut needed) }.err().unwrap();
        assert_eq!((fail.status, needed, buf[0]), (voip_status::VOIP_ERR_BUFFER_TOO_SMALL, 5, 7));
        assert!(unsafe { put(b"few", buf.as_mut_ptr(), 4, std::ptr::null_mut()) }.is_ok());
        assert_eq!(buf[3], 0);
    }

    #[test]
    fn a_line_break_is_refused_with_its_place() {
        let fail = unsafe { text(c"ab\r\nX: y".as_ptr(), "display name") }.err().unwrap();
        assert_eq!(fail.message, "display name has a line break at byte 2");
    }

    #[test]
    fn only_minus_one_waits_for_ever() {
        assert_eq!(timeout(-1).ok(), Some(None));
        assert_eq!(timeout(0).ok(), Some(Some(Duration::ZERO)));
        assert!(timeout(-2).is_err());
    }
}
