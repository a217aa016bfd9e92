//! Asks the processor for memory that is needed soon. A batch knows what comes next, so it need not wait for it.

const LINE: usize = 64;

/// All lines of a value. Changes nothing but time.
#[inline]
pub fn prefetch<T: ?Sized>(value: &T) {
    prefetch_bytes(core::ptr::from_ref(value).cast::<u8>(), size_of_val(value));
}

/// The line that a value begins in.
#[inline]
pub fn prefetch_line<T>(value: &T) {
    touch(core::ptr::from_ref(value).cast());
}

/// All lines by address; whether anything is there or not.
#[inline]
pub fn prefetch_bytes(start: *const u8, len: usize) {
    let offset = start as usize % LINE;
    for line in 0..(offset + len).div_ceil(LINE) {
        touch(start.wrapping_add(line * LINE));
    }
}

/// `LINES` lines from `start` on, which lies at the beginning of one.
#[inline]
pub fn prefetch_lines<const LINES: usize>(start: *const u8) {
    for line in 0..LINES {
        touch(start.wrapping_add(line * LINE));
    }
}

#[inline]
#[cfg(target_arch = "x86_64")]
fn touch(at: *const u8) {
    use core::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
}

#[inline]
#[cfg(not(target_arch = "x86_64"))]
fn touch(_at: *const u8) {}
