//! Memory from the system, in chunks for [`crate::util::pool`], and back to it.

use crate::util::pool::{self, Source, CHUNK};
use std::ptr::{null_mut, NonNull};

/// Linux 6.1; not in every C library's header.
const MADV_COLLAPSE: libc::c_int = 25;

/// From now on many calls have their memory together.
pub fn use_chunks() {
    // SAFETY: the pool forgets what it has in its chunks and nobody uses.
    let forget = |from, bytes| unsafe { forget(from, bytes) };
    pool::install(Source { map, unmap, join, scatter, forget });
}

/// Whole chunks begin at multiples of their size: as much again is asked for, and what is around goes back.
fn map() -> Option<NonNull<u8>> {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, of whose place nothing is said.
    let start = unsafe { libc::mmap(null_mut(), 2 * CHUNK, access, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return None;
    }
    let before = (start as usize).next_multiple_of(CHUNK) - start as usize;
    let chunk = start.wrapping_byte_add(before);
    if before > 0 {
        // SAFETY: the part of the new mapping before the chunk.
        unsafe { libc::munmap(start, before) };
    }
    // SAFETY: the part of the new mapping behind the chunk.
    unsafe { libc::munmap(chunk.wrapping_byte_add(CHUNK), CHUNK - before) };
    NonNull::new(chunk.cast())
}

fn unmap(chunk: NonNull<u8>) {
    // SAFETY: a mapping of `map` in which nothing is used any more.
    unsafe { libc::munmap(chunk.as_ptr().cast(), CHUNK) };
}

/// One page, now where the system can do that, or by and by, or never: all is well then, too.
fn join(chunk: NonNull<u8>) {
    for advice in [libc::MADV_HUGEPAGE, MADV_COLLAPSE] {
        // SAFETY: advice about a mapping of ours, whose contents stay.
        unsafe { libc::madvise(chunk.as_ptr().cast(), CHUNK, advice) };
    }
}

/// Pages of the usual size, also where the system is told to make all of them large.
fn scatter(chunk: NonNull<u8>) {
    // SAFETY: as above.
    unsafe { libc::madvise(chunk.as_ptr().cast(), CHUNK, libc::MADV_NOHUGEPAGE) };
}

/// So many bytes from there are zero or as they were from now on: as far as they are whole pages the system takes these until
/// they are touched.
///
/// # Safety
/// They are of the caller's, from a heap or from `map`, and their values do not matter.
pub unsafe fn forget(from: NonNull<u8>, bytes: usize) {
    // SAFETY: takes no pointers.
    let Ok(page) = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }) else { return };
    let Some(before) = from.addr().get().checked_next_multiple_of(page) else { return };
    let before = before - from.addr().get();
    let whole = bytes.saturating_sub(before) / page.max(1) * page;
    if whole > 0 {
        // SAFETY: whole pages of those; memory without a file stays usable and is zero.
        unsafe { libc::madvise(from.as_ptr().wrapping_add(before).cast(), whole, libc::MADV_DONTNEED) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_begins_at_a_multiple_of_its_size_and_keeps_what_is_in_it_when_it_is_joined() {
        let chunks = [map().unwrap(), map().unwrap(), map().unwrap()];
        for (n, chunk) in chunks.iter().enumerate() {
            assert_eq!(chunk.as_ptr() as usize % CHUNK, 0);
            // SAFETY: the chunk is ours and has so many bytes.
            let bytes = unsafe { std::slice::from_raw_parts_mut(chunk.as_ptr(), CHUNK) };
            assert!(bytes.iter().all(|b| *b == 0));
            bytes.fill(n as u8 + 1);
            join(*chunk);
            assert!(bytes.iter().all(|b| *b == n as u8 + 1));
        }
        chunks.into_iter().for_each(unmap);
    }

    #[test]
    fn pages_that_are_forgotten_are_empty_and_their_neighbours_are_not() {
        let chunk = map().unwrap();
        scatter(chunk);
        // SAFETY: the chunk is ours and has so many bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(chunk.as_ptr(), CHUNK) };
        bytes.fill(7);
        let (from, count) = (64 << 10, 128 << 10);
        // SAFETY: within the chunk.
        unsafe { forget(chunk.add(from), count) };
        assert!(bytes[from..from + count].iter().all(|b| *b == 0));
        assert!(bytes[..from].iter().chain(&bytes[from + count..]).all(|b| *b == 7));
        // Half a page is none.
        // SAFETY: within the chunk.
        unsafe { forget(chunk.add(512), 1024) };
        assert!(bytes[..from].iter().all(|b| *b == 7));
        unmap(chunk);
    }
}
