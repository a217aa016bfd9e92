//! Quarters of ordinary pages, for what calls need only while they lag behind.
//!
//! After a stall of the machine thousands of calls want some, and give them back a second later, from other threads than
//! those that took them. A heap would stay as large as it was then. Here the lowest place is taken first, so that pages
//! become empty, and empty pages go back to the system but for a few.

use super::{Source, CHUNK, SOURCE};
use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a quarter, and what its address is a multiple of if it is in a chunk.
pub const QUARTER: usize = 1024;
const PAGE: usize = 4 * QUARTER;
const PAGES: usize = CHUNK / PAGE;
/// All four of a page.
const FULL: u8 = 0b1111;
/// So many come from the heap before there is a chunk.
const FIRST: usize = 64;
/// With more than so many empty pages some go back, until there are so many.
const MOST_KEPT: usize = 64;
const KEPT: usize = 32;
const LAYOUT: Layout = match Layout::from_size_align(QUARTER, 16) {
    Ok(layout) => layout,
    Err(_) => unreachable!(),
};

static QUARTERS: Mutex<Quarters> = Mutex::new(Quarters::new());

fn lock(quarters: &Mutex<Quarters>) -> MutexGuard<'_, Quarters> {
    quarters.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Uninitialised memory, which goes back when this is dropped.
#[derive(Debug)]
pub struct Quarter(NonNull<u8>);

// SAFETY: the memory is its owner's alone.
unsafe impl Send for Quarter {}

impl Quarter {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Quarter {
        if let Some(source) = SOURCE.get() {
            if let Some(at) = lock(&QUARTERS).take_or_count(source) {
                return Quarter(at);
            }
        }
        // SAFETY: the size is not 0.
        let Some(at) = NonNull::new(unsafe { alloc(LAYOUT) }) else { handle_alloc_error(LAYOUT) };
        Quarter(at)
    }
    pub fn into_raw(self) -> *mut u8 {
        core::mem::ManuallyDrop::new(self).0.as_ptr()
    }
    /// # Safety
    /// Once for what `into_raw` gave.
    pub unsafe fn from_raw(at: *mut u8) -> Quarter {
        // SAFETY: `into_raw` gives no null.
        Quarter(unsafe { NonNull::new_unchecked(at) })
    }
}

impl Drop for Quarter {
    fn drop(&mut self) {
        let Some(source) = SOURCE.get() else { return free(self.0) };
        let mut quarters = lock(&QUARTERS);
        if !quarters.give(self.0) {
            // Those from before there was a source were not counted.
            quarters.on_heap = quarters.on_heap.saturating_sub(1);
            drop(quarters);
            return free(self.0);
        }
        if quarters.kept > MOST_KEPT {
            drop(quarters);
            send_back(&QUARTERS, source, KEPT);
        }
    }
}

fn free(at: NonNull<u8>) {
    // SAFETY: it came from there with this layout.
    unsafe { dealloc(at.as_ptr(), LAYOUT) };
}

/// Gives back the empty pages that were kept, too.
pub fn trim() {
    if let Some(source) = SOURCE.get() {
        send_back(&QUARTERS, source, 0);
    }
}

/// Of the pages that are kept empty all but `rest` go. Nobody has to wait while the system takes them.
fn send_back(quarters: &Mutex<Quarters>, source: &Source, rest: usize) {
    loop {
        let Some(run) = lock(quarters).retire(rest) else { return };
        run.forget(source);
        lock(quarters).retired(run, source);
    }
}

#[derive(Debug)]
struct Quarters {
    /// By address.
    chunks: Vec<Chunk>,
    on_heap: usize,
    /// Pages of all chunks that are empty and still there.
    kept: usize,
}

#[derive(Debug)]
struct Chunk {
    at: NonNull<u8>,
    pages: Box<[Page; PAGES]>,
    /// So many at the beginning are full.
    full: usize,
    /// How many are partly in use, and how many in each other state.
    partial: usize,
    kept: usize,
    gone: usize,
}

// SAFETY: the address leads to memory that the chunk owns.
unsafe impl Send for Chunk {}

/// A bit for each quarter in use; or without any of these one of the following.
type Page = u8;
/// Empty and still there.
const STAYS: Page = 0x10;
/// The system has it.
const GONE: Page = 0x20;
/// On its way there.
const GOES: Page = 0x40;

/// Pages that follow each other.
#[derive(Debug)]
struct Run {
    chunk: NonNull<u8>,
    first: usize,
    count: usize,
}

impl Run {
    fn forget(&self, source: &Source) {
        // SAFETY: within the chunk.
        (source.forget)(unsafe { self.chunk.add(self.first * PAGE) }, self.count * PAGE);
    }
}

impl Quarters {
    const fn new() -> Quarters {
        Quarters { chunks: Vec::new(), on_heap: 0, kept: 0 }
    }

    fn find(&self, chunk: usize) -> Result<usize, usize> {
        self.chunks.binary_search_by_key(&chunk, |c| c.at.as_ptr() as usize)
    }

    /// None, and counted: it is to come from the heap.
    fn take_or_count(&mut self, source: &Source) -> Option<NonNull<u8>> {
        let found = if self.on_heap < FIRST { None } else { self.take(source) };
        self.on_heap += usize::from(found.is_none());
        found
    }

    /// The lowest one of a page that is in use, or else of one that is still there, or else of any. None: there is no chunk
    /// to be had.
    fn take(&mut self, source: &Source) -> Option<NonNull<u8>> {
        let lowest = |has: fn(&Chunk) -> bool| self.chunks.iter().position(has);
        let wanted =
            [(lowest(|c| c.partial > 0), 0), (lowest(|c| c.kept > 0), STAYS), (lowest(|c| c.gone > 0), GONE)];
        let (n, state) = match wanted.into_iter().find_map(|(n, state)| n.map(|n| (n, state))) {
            Some(found) => found,
            None => (self.add(source)?, GONE),
        };
        self.kept -= usize::from(state == STAYS);
        self.chunks[n].take(state)
    }

    fn add(&mut self, source: &Source) -> Option<usize> {
        let at = (source.map)()?;
        (source.scatter)(at);
        let n = self.find(at.as_ptr() as usize).unwrap_or_else(|n| n);
        let pages = Box::new([GONE; PAGES]);
        self.chunks.insert(n, Chunk { at, pages, full: 0, partial: 0, kept: 0, gone: PAGES });
        Some(n)
    }

    /// Takes one back; nothing of it is touched. False: it is not one of ours.
    fn give(&mut self, at: NonNull<u8>) -> bool {
        let (chunk, offset) = (at.as_ptr() as usize & !(CHUNK - 1), at.as_ptr() as usize & (CHUNK - 1));
        let Ok(n) = self.find(chunk) else { return false };
        self.kept += usize::from(self.chunks[n].give(offset));
        true
    }

    /// The highest pages that are kept empty, of those that are more than `rest`, for the system.
    fn retire(&mut self, rest: usize) -> Option<Run> {
        let most = self.kept.checked_sub(rest).filter(|most| *most > 0)?;
        let chunk = self.chunks.iter_mut().rfind(|c| c.kept > 0)?;
        let run = chunk.retire(most)?;
        self.kept -= run.count;
        Some(run)
    }

    /// The system has them now. A chunk of which it has all goes.
    fn retired(&mut self, run: Run, source: &Source) {
        let Ok(n) = self.find(run.chunk.as_ptr() as usize) else { return };
        let chunk = &mut self.chunks[n];
        chunk.pages[run.first..run.first + run.count].fill(GONE);
        chunk.gone += run.count;
        if chunk.gone == PAGES {
            (source.unmap)(self.chunks.remove(n).at);
        }
        if self.chunks.is_empty() {
            self.chunks = Vec::new();
        }
    }
}

fn is_partial(page: Page) -> bool {
    page > 0 && page < FULL
}

impl Chunk {
    /// Out of the lowest page in this state; 0: of those partly in use.
    fn take(&mut self, state: Page) -> Option<NonNull<u8>> {
        let is_wanted = |page: &Page| if state == 0 { is_partial(*page) } else { *page == state };
        let number = self.full + self.pages[self.full..].iter().position(is_wanted)?;
        let page = &mut self.pages[number];
        match state {
            STAYS => self.kept -= 1,
            GONE => self.gone -= 1,
            _ => self.partial -= 1,
        }
        let used = *page & FULL;
        let quarter = (!used).trailing_zeros() as usize;
        *page = used | 1 << quarter;
        if *page != FULL {
            self.partial += 1;
        } else if number == self.full {
            self.full += 1;
        }
        // SAFETY: within the chunk.
        Some(unsafe { self.at.add(number * PAGE + quarter * QUARTER) })
    }

    /// True: its page is kept empty now.
    fn give(&mut self, offset: usize) -> bool {
        let page = &mut self.pages[offset / PAGE];
        self.full = self.full.min(offset / PAGE);
        self.partial -= usize::from(*page != FULL);
        *page &= !(1 << (offset % PAGE / QUARTER));
        let is_empty = *page == 0;
        if is_empty {
            *page = STAYS;
            self.kept += 1;
        } else {
            self.partial += 1;
        }
        is_empty
    }

    /// The highest run of pages that are kept empty, and at most so many of it.
    fn retire(&mut self, most: usize) -> Option<Run> {
        let end = self.pages.iter().rposition(|page| *page == STAYS)? + 1;
        let count = self.pages[..end].iter().rev().take(most).take_while(|page| **page == STAYS).count();
        let first = end - count;
        self.pages[first..end].fill(GOES);
        self.kept -= count;
        Some(Run { chunk: self.at, first, count })
    }
}

#[cfg(test)]
#[path = "quarters_tests.rs"]
mod tests;
