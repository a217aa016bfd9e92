//! Memory for what every call has and every packet interval touches, kept together; and for what few calls need, apart.
//!
//! A thousand calls on an ordinary heap lie on many thousand pages, and a processor knows the addresses of far fewer: at each
//! interval it would have to look most of them up anew. So their blocks come out of chunks of 2 MiB, each of which the
//! system can keep as one page ([`chunks`]). What calls need only while they lag behind comes in quarters of ordinary pages, which
//! go back one by one ([`quarters`]). The first blocks of either come from the heap: whoever has few calls has no chunk, and what
//! looks for mistakes in the use of memory sees them. A chunk in which nothing is left goes back to the system at once.
//!
//! Where chunks come from is said by whoever may ask the system ([`install`]); without one everything comes from the heap.

mod chunks;
mod quarters;
mod values;

pub use quarters::{trim, Quarter, QUARTER};
pub use values::{Counted, Pooled, Row};

use chunks::{Pool, GRAIN, LARGEST};
use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Bytes of a chunk, and what its address is a multiple of.
pub const CHUNK: usize = 2 << 20;
/// So many blocks come from the heap before there is a chunk.
const FIRST: usize = 128;

/// How to get chunks.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// A chunk of zeroes.
    pub map: fn() -> Option<NonNull<u8>>,
    /// Gives back a chunk of `map`.
    pub unmap: fn(NonNull<u8>),
    /// A chunk of `map` is full enough to be kept as one page.
    pub join: fn(NonNull<u8>),
    /// Of a chunk of `map` the system is to keep those pages only that are touched.
    pub scatter: fn(NonNull<u8>),
    /// What is in so many bytes from there, a number of [`quarters`]' pages, is not needed any more. They stay usable.
    pub forget: fn(NonNull<u8>, usize),
}

static SOURCE: OnceLock<Source> = OnceLock::new();
static POOL: Mutex<Pool> = Mutex::new(Pool::new());

/// From now on there are chunks. The first source stays.
pub fn install(source: Source) {
    let _ = SOURCE.set(source);
}

/// A block of uninitialised memory, which goes back when this is dropped.
#[derive(Debug)]
pub struct Block {
    at: NonNull<u8>,
    // The layout, in few bytes.
    size: u32,
    align_log2: u8,
    pooled: bool,
}

// SAFETY: the block is its owner's alone.
unsafe impl Send for Block {}
// SAFETY: as above; a shared one only says where it is.
unsafe impl Sync for Block {}

impl Block {
    /// Of 1 to 2^32 - 1 bytes.
    pub fn new(layout: Layout) -> Block {
        assert!(layout.size() > 0 && u32::try_from(layout.size()).is_ok());
        let (size, align_log2) = (layout.size() as u32, layout.align().trailing_zeros() as u8);
        if let Some(at) = Block::from_chunk(layout) {
            return Block { at, size, align_log2, pooled: true };
        }
        // SAFETY: the size is not 0.
        let Some(at) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        Block { at, size, align_log2, pooled: false }
    }

    fn layout(&self) -> Layout {
        // SAFETY: it is the one of `new`.
        unsafe { Layout::from_size_align_unchecked(self.size as usize, 1 << self.align_log2) }
    }

    fn from_chunk(layout: Layout) -> Option<NonNull<u8>> {
        let source = SOURCE.get().filter(|_| fits(layout))?;
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match pool.on_heap < FIRST {
            true => None,
            false => pool.take(layout.size().div_ceil(GRAIN) - 1, source),
        };
        pool.on_heap += usize::from(found.is_none());
        found
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.at.as_ptr()
    }
}

/// Whether blocks like this one come from chunks, once there are enough of them.
fn fits(layout: Layout) -> bool {
    layout.size() <= LARGEST && layout.align() <= GRAIN
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(source) = SOURCE.get().filter(|_| fits(self.layout())) {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            match self.pooled {
                true => return pool.give(self.at, source),
                // Those from before there was a source were not counted.
                false => pool.on_heap = pool.on_heap.saturating_sub(1),
            }
        }
        // SAFETY: it came from there with this layout.
        unsafe { dealloc(self.at.as_ptr(), self.layout()) };
    }
}
