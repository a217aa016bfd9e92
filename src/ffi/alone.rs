//! What the stand-alone tools share: handles for one thread at a time, bytes in and out.

use super::error::{voip_status, Fail, FfiResult};
use super::handle::Kind;
use super::strings;
use crate::engine::OsRng;
use crate::util::Rng;
use std::cell::UnsafeCell;

/// The thing behind a stand-alone handle. Only `with` gets at it.
pub(crate) struct Alone<T>(UnsafeCell<T>);

// SAFETY: `with` touches it, for which the table lets in one thread at a time, after all that the one before did.
unsafe impl<T: Send> Sync for Alone<T> {}

/// Declares the handle of a stand-alone thing.
macro_rules! alone {
    ($value:ty, $opaque:ty, $tag:literal, $noun:literal) => {
        impl $crate::ffi::handle::Kind for $crate::ffi::alone::Alone<$value> {
            type Opaque = $opaque;
            const TAG: u8 = $tag | 0x80;
            const NOUN: &'static str = $noun;
            fn table() -> &'static $crate::ffi::handle::Table<Self> {
                static TABLE: $crate::ffi::handle::Table<$crate::ffi::alone::Alone<$value>> =
                    $crate::ffi::handle::Table::new();
                &TABLE
            }
        }
    };
}
pub(crate) use alone;

/// Works with what the handle names; a second thread at the same time gets `VOIP_ERR_BUSY`.
#[inline]
pub(crate) fn with<T, R>(
    handle: *const <Alone<T> as Kind>::Opaque,
    work: impl FnOnce(&mut T) -> FfiResult<R>,
) -> FfiResult<R>
where
    Alone<T>: Kind,
{
    let object = Alone::<T>::table().get_alone(handle as usize)?;
    // SAFETY: the only user until `object` is dropped, also by a panic in the middle of a change: the thing is whole enough
    // to be looked at and freed.
    work(unsafe { &mut *object.0.get() })
}

/// Makes the thing, then its handle; `*out` is NULL until both are there.
///
/// # Safety
/// `out` is NULL or can be written.
pub(crate) unsafe fn make<T>(
    out: *mut *mut <Alone<T> as Kind>::Opaque,
    value: impl FnOnce() -> FfiResult<T>,
) -> FfiResult
where
    Alone<T>: Kind,
{
    // SAFETY: the caller's promise.
    unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
    let value = value()?;
    let (token, _) = Alone::<T>::table().insert(|_| Alone(UnsafeCell::new(value)))?;
    // SAFETY: the caller's promise.
    unsafe { strings::write(out, "out", token as *mut _) }
}

/// The handle is stale from now on; who works with the thing right now finishes first.
pub(crate) fn free<T>(handle: *const <Alone<T> as Kind>::Opaque) -> FfiResult
where
    Alone<T>: Kind,
{
    Alone::<T>::table().remove(handle as usize).map(drop)
}

/// The host's bytes; NULL only with a length of 0.
///
/// # Safety
/// `data` is NULL or has `len` readable bytes that nobody changes before the function returns.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize, name: &'static str) -> FfiResult<&'a [u8]> {
    match (data.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Fail::null(name)),
        (false, len) if len > isize::MAX as usize => {
            Err(Fail::range(format!("{name} is longer than the address space")))
        }
        // SAFETY: not NULL, readable by the caller's promise.
        (false, len) => Ok(unsafe { std::slice::from_raw_parts(data, len) }),
    }
}

/// The host's buffer to be filled; NULL only with a length of 0.
///
/// # Safety
/// `buf` is NULL or has `len` bytes that are readable, writable and nobody else's before the function returns.
pub(crate) unsafe fn buffer<'a, T>(buf: *mut T, len: usize, name: &'static str) -> FfiResult<&'a mut [T]> {
    match (buf.is_null(), len) {
        (_, 0) => Ok(&mut []),
        (true, _) => Err(Fail::null(name)),
        (false, len) if len > isize::MAX as usize / size_of::<T>().max(1) => {
            Err(Fail::range(format!("{name} is longer than the address space")))
        }
        // SAFETY: not NULL, writable by the caller's promise.
        (false, len) => Ok(unsafe { std::slice::from_raw_parts_mut(buf, len) }),
    }
}

/// A list of the host's; NULL only with a count of 0.
///
/// # Safety
/// `list` is NULL or has `count` readable elements.
pub(crate) unsafe fn list<'a, T>(list: *const T, count: usize, name: &'static str) -> FfiResult<&'a [T]> {
    match (list.is_null(), count) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Fail::null(name)),
        (false, n) if n > isize::MAX as usize / size_of::<T>().max(1) => {
            Err(Fail::range(format!("{name} is longer than the address space")))
        }
        // SAFETY: not NULL, readable by the caller's promise.
        (false, count) => Ok(unsafe { std::slice::from_raw_parts(list, count) }),
    }
}

/// Copies bytes (no NUL behind them) into the caller's buffer; `*needed` becomes their number.
///
/// # Safety
/// `buf` is NULL or has room for `len` bytes; `needed` is NULL or can be written.
pub(crate) unsafe fn put_bytes(value: &[u8], buf: *mut u8, len: usize, needed: *mut usize) -> FfiResult {
    if !needed.is_null() {
        // SAFETY: not NULL, writable by the caller's promise.
        unsafe { needed.write_unaligned(value.len()) };
    }
    if buf.is_null() {
        return if needed.is_null() { Err(Fail::null("buf")) } else { Ok(()) };
    }
    if len < value.len() {
        let text = format!("the buffer has {len} bytes, {} are needed", value.len());
        return Err(Fail::new(voip_status::VOIP_ERR_BUFFER_TOO_SMALL, text));
    }
    // SAFETY: `len` bytes are writable and at least as many as the value has.
    unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), buf, value.len()) };
    Ok(())
}

/// What a parser says, with its place.
pub(crate) fn parse_error(what: &str, error: &crate::proto::sip::ParseError) -> Fail {
    Fail::new(voip_status::VOIP_ERR_PARSE, format!("{what}: {error}"))
}

/// What was wrong with an argument of the host's.
pub(crate) fn refused(what: &str, error: &crate::proto::sip::ParseError) -> Fail {
    Fail::argument(format!("{what}: {error}"))
}

/// A text cut to an array of C, always with its NUL.
pub(crate) fn array<const N: usize>(text: &str) -> [std::ffi::c_char; N] {
    let mut out = [0; N];
    let mut end = text.len().min(N.saturating_sub(1));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    for (place, byte) in out.iter_mut().zip(text.bytes().take(end)) {
        *place = byte as std::ffi::c_char;
    }
    out
}

/// Randomness for tags, branches, transaction ids and keys.
pub(crate) fn rng() -> impl Rng {
    OsRng::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_keeps_its_nul() {
        assert_eq!(array::<4>("añb").map(|c| c as u8), [b'a', 0xc3, 0xb1, 0]);
        assert_eq!(array::<3>("añb").map(|c| c as u8), [b'a', 0, 0]);
    }

    alone!(Box<u32>, u8, b'q', "thing");

    #[test]
    fn a_second_user_is_told_that_it_is_busy_and_a_panic_lets_the_next_one_in() {
        let mut thing: *mut u8 = std::ptr::null_mut();
        // SAFETY: `thing` can be written.
        assert!(unsafe { make(&mut thing, || Ok(Box::new(1u32))) }.is_ok());
        let again = || with(thing, |value: &mut Box<u32>| Ok(**value));
        let inside = with(thing, |_: &mut Box<u32>| Ok(again().err().map(|f| f.status)));
        assert_eq!(inside.ok().flatten(), Some(voip_status::VOIP_ERR_BUSY));
        let panics = || with(thing, |_: &mut Box<u32>| -> FfiResult { panic!("in the middle") });
        assert!(std::panic::catch_unwind(panics).is_err());
        assert_eq!(again().ok(), Some(1));
        assert!(free::<Box<u32>>(thing).is_ok());
        assert_eq!(again().err().map(|f| f.status), Some(voip_status::VOIP_ERR_HANDLE));
    }

    #[test]
    fn what_is_freed_in_use_lives_until_the_use_is_over() {
        let mut thing: *mut u8 = std::ptr::null_mut();
        // SAFETY: `thing` can be written.
        assert!(unsafe { make(&mut thing, || Ok(Box::new(7u32))) }.is_ok());
        let after = with(thing, |value: &mut Box<u32>| {
            free::<Box<u32>>(thing)?;
            **value += 1;
            Ok(**value)
        });
        assert_eq!(after.ok(), Some(8));
        assert_eq!(free::<Box<u32>>(thing).err().map(|f| f.status), Some(voip_status::VOIP_ERR_HANDLE));
    }
}
