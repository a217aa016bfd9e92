//! Structs that grow: the first member says how large the caller's header believes them to be.

use super::error::{Fail, FfiResult};
use std::mem::size_of;

/// A struct of C whose first member is `size_t size` and for which all zero bytes are a valid value.
///
/// # Safety
/// Both must be true, and the struct must be `Copy` and `repr(C)`.
pub(crate) unsafe trait SizeFirst: Copy {
    const NAME: &'static str;
}

/// Reads a struct of an older or newer host: what is missing is zero, what is unknown must be zero.
///
/// # Safety
/// `from` is NULL or points to as many bytes as its first member says.
pub(crate) unsafe fn read<T: SizeFirst>(from: *const T) -> FfiResult<T> {
    // SAFETY: the caller's promise.
    let size = unsafe { told_size(from) }?;
    // SAFETY: all zero is valid for T.
    let mut value: T = unsafe { std::mem::zeroed() };
    let bytes = from.cast::<u8>();
    // SAFETY: min(size, sizeof T) bytes are readable there and writable here.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes, (&raw mut value).cast::<u8>(), size.min(size_of::<T>()));
    }
    for at in size_of::<T>()..size {
        // SAFETY: below the size that the caller told.
        if unsafe { bytes.add(at).read() } != 0 {
            let text = format!("{} has an unknown member at byte {at}: the host is newer", T::NAME);
            return Err(Fail::argument(text));
        }
    }
    Ok(value)
}

/// Writes as much of a struct as the caller's has room for; the caller's `size` stays.
///
/// # Safety
/// `to` is NULL or points to as many writable bytes as its first member says.
pub(crate) unsafe fn write<T: SizeFirst>(to: *mut T, value: &T) -> FfiResult {
    // SAFETY: the caller's promise.
    let size = unsafe { told_size(to) }?;
    let head = size_of::<usize>();
    let known = size.min(size_of::<T>());
    let (from, to) = (std::ptr::from_ref(value).cast::<u8>(), to.cast::<u8>());
    // SAFETY: `known` bytes are readable in T, `size` bytes are writable at `to`; `head` is at most both.
    unsafe {
        std::ptr::copy_nonoverlapping(from.add(head), to.add(head), known - head);
        std::ptr::write_bytes(to.add(known), 0, size - known);
    }
    Ok(())
}

/// More than any struct will ever have: a larger number is garbage.
const MAX_SIZE: usize = 64 * 1024;

unsafe fn told_size<T: SizeFirst>(from: *const T) -> FfiResult<usize> {
    if from.is_null() {
        return Err(Fail::null(T::NAME));
    }
    // SAFETY: not NULL; the first member is the size.
    let size = unsafe { from.cast::<usize>().read_unaligned() };
    if !(size_of::<usize>()..=MAX_SIZE).contains(&size) {
        return Err(Fail::argument(format!("{} has size {size}: use its _INIT macro", T::NAME)));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Two {
        size: usize,
        a: usize,
        b: usize,
    }
    unsafe impl SizeFirst for Two {
        const NAME: &'static str = "two";
    }

    #[test]
    fn an_older_host_gets_zero_for_what_it_does_not_know() {
        let two = Two { size: 16, a: 5, b: 9 };
        let read = unsafe { read(&two) }.ok().unwrap();
        assert_eq!((read.a, read.b), (5, 0));
        let mut out = two;
        assert!(unsafe { write(&mut out, &Two { size: 24, a: 1, b: 2 }) }.is_ok());
        assert_eq!((out.size, out.a, out.b), (16, 1, 9));
    }

    #[test]
    fn a_newer_host_is_accepted_while_it_uses_nothing_new() {
        let mut wide = [32usize, 1, 2, 0];
        assert!(unsafe { read(wide.as_ptr().cast::<Two>()) }.is_ok());
        wide[3] = 1;
        assert!(unsafe { read(wide.as_ptr().cast::<Two>()) }.is_err());
    }

    #[test]
    fn a_size_of_zero_is_refused() {
        assert!(unsafe { read(&Two { size: 0, a: 0, b: 0 }) }.is_err());
        assert!(unsafe { read(std::ptr::null::<Two>()) }.is_err());
    }
}
