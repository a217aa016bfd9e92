//! Sleep on a word of memory until somebody wakes those who do.

use super::clock;
use crate::util::Time;
use std::sync::atomic::AtomicU32;

/// Sleeps while the word is `seen`; may end early. None: without a deadline.
pub fn wait(word: &AtomicU32, seen: u32, deadline: Option<Time>) {
    let until = deadline.map(clock::timespec);
    let timeout = until.as_ref().map_or(std::ptr::null(), |t| t as *const libc::timespec);
    // SAFETY: the address is that of a live, aligned u32; the timespec lives until the call returns.
    unsafe {
        // WAIT_BITSET takes an absolute CLOCK_MONOTONIC deadline, WAIT would take a duration.
        let op = libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG;
        let null = std::ptr::null::<u32>();
        libc::syscall(libc::SYS_futex, word.as_ptr(), op, seen, timeout, null, u32::MAX);
    }
}

/// Wakes up to `count` of them.
pub fn wake(word: &AtomicU32, count: i32) {
    // SAFETY: the address is that of a live, aligned u32; waking changes nothing of it.
    unsafe {
        let op = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        libc::syscall(libc::SYS_futex, word.as_ptr(), op, count);
    }
}
