//! Memory for what every call has and every packet interval touches, kept together.
//!
//! A thousand calls on an ordinary heap lie on many thousand pages, and a processor knows the addresses of far fewer: at each
//! interval it would have to look most of them up anew. So their blocks come out of chunks of 2 MiB, each of which the
//! system can keep as one page. The first blocks come from the heap: whoever has few calls has no chunk, and what looks for
//! mistakes in the use of memory sees them. A chunk in which nothing is left goes back to the system at once.
//!
//! Where chunks come from is said by whoever may ask the system ([`install`]); without one everything comes from the heap.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::sync::atomic::{fence, AtomicUsize, Ordering};
use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Bytes of a chunk, and what its address is a multiple of.
pub const CHUNK: usize = 2 << 20;
/// A chunk is divided into leaves, whose blocks are all of one size.
const LEAF: usize = 32 << 10;
const LEAVES: usize = CHUNK / LEAF;
/// Sizes are multiples of this, up to the largest; larger blocks come from the heap.
const GRAIN: usize = 256;
const LARGEST: usize = 4096;
const SIZES: usize = LARGEST / GRAIN;
/// So many blocks come from the heap before there is a chunk.
const FIRST: usize = 128;
/// A chunk with so many leaves in use is worth one large page.
const DENSE: usize = LEAVES / 2;

/// How to get chunks.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// A chunk of zeroes.
    pub map: fn() -> Option<NonNull<u8>>,
    /// Gives back a chunk of `map`.
    pub unmap: fn(NonNull<u8>),
    /// A chunk of `map` is full enough to be kept as one page.
    pub join: fn(NonNull<u8>),
}

static SOURCE: OnceLock<Source> = OnceLock::new();
static POOL: Mutex<Pool> = Mutex::new(Pool::new());

/// From now on there are chunks. The first source stays.
pub fn install(source: Source) {
    let _ = SOURCE.set(source);
}

struct Pool {
    /// By address.
    chunks: Vec<Chunk>,
    /// Blocks that came from the heap and are in use.
    on_heap: usize,
    /// Leaves of each size that may have room: chunk's address, leaf.
    partial: [Vec<(usize, usize)>; SIZES],
}

struct Chunk {
    at: NonNull<u8>,
    leaves: Box<[Leaf; LEAVES]>,
    used: usize,
    joined: bool,
}

// SAFETY: the address leads to memory that the chunk owns.
unsafe impl Send for Chunk {}

#[derive(Clone, Copy, Default)]
struct Leaf {
    /// A bit for each block in use.
    used: u128,
    /// Bytes of a block; 0: the leaf is free.
    size: usize,
}

impl Leaf {
    fn blocks(self) -> usize {
        LEAF / self.size
    }
    fn room(self) -> Option<usize> {
        let free = (!self.used).trailing_zeros() as usize;
        (self.size > 0 && free < self.blocks()).then_some(free)
    }
}

impl Pool {
    const fn new() -> Pool {
        Pool { chunks: Vec::new(), on_heap: 0, partial: [const { Vec::new() }; SIZES] }
    }

    fn find(&self, chunk: usize) -> Option<usize> {
        self.chunks.binary_search_by_key(&chunk, |c| c.at.as_ptr() as usize).ok()
    }

    /// A block of the size with this number; None: there is no chunk to be had.
    fn take(&mut self, number: usize, source: &Source) -> Option<NonNull<u8>> {
        while let Some(&(chunk, leaf)) = self.partial[number].last() {
            let size = (number + 1) * GRAIN;
            let chunk = self.find(chunk).map(|n| &mut self.chunks[n]);
            // A leaf may have become another's, or have gone, since it was noted.
            let found = chunk.filter(|c| c.leaves[leaf].size == size).and_then(|c| c.block(leaf));
            if found.is_some() {
                return found;
            }
            self.partial[number].pop();
        }
        let n = match self.chunks.iter().position(|c| c.used < LEAVES) {
            Some(n) => n,
            None => self.add(source)?,
        };
        let chunk = &mut self.chunks[n];
        let leaf = chunk.leaves.iter().position(|l| l.size == 0)?;
        chunk.leaves[leaf].size = (number + 1) * GRAIN;
        chunk.used += 1;
        self.partial[number].push((chunk.at.as_ptr() as usize, leaf));
        if chunk.used >= DENSE && !core::mem::replace(&mut chunk.joined, true) {
            (source.join)(chunk.at);
        }
        chunk.block(leaf)
    }

    fn add(&mut self, source: &Source) -> Option<usize> {
        let at = (source.map)()?;
        let chunk = Chunk { at, leaves: Box::new([Leaf::default(); LEAVES]), used: 0, joined: false };
        let n = self.chunks.partition_point(|c| c.at < at);
        self.chunks.insert(n, chunk);
        Some(n)
    }

    /// Takes a block back; nothing of it is touched.
    fn give(&mut self, block: NonNull<u8>, source: &Source) {
        let address = block.as_ptr() as usize;
        let (base, offset) = (address & !(CHUNK - 1), address & (CHUNK - 1));
        let Some(n) = self.find(base) else { return };
        let chunk = &mut self.chunks[n];
        let (number, leaf) = (offset / LEAF, &mut chunk.leaves[offset / LEAF]);
        let was_full = leaf.room().is_none();
        leaf.used &= !(1 << (offset % LEAF / leaf.size));
        if leaf.used != 0 {
            if was_full {
                let size = leaf.size;
                self.partial[size / GRAIN - 1].push((base, number));
            }
            return;
        }
        *leaf = Leaf::default();
        chunk.used -= 1;
        if chunk.used == 0 {
            let chunk = self.chunks.remove(n);
            (source.unmap)(chunk.at);
        }
        if self.chunks.is_empty() {
            self.chunks = Vec::new();
            self.partial = [const { Vec::new() }; SIZES];
        }
    }
}

impl Chunk {
    fn block(&mut self, leaf: usize) -> Option<NonNull<u8>> {
        let at = self.leaves[leaf].room()?;
        self.leaves[leaf].used |= 1 << at;
        let offset = leaf * LEAF + at * self.leaves[leaf].size;
        // SAFETY: within the chunk.
        Some(unsafe { self.at.add(offset) })
    }
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

/// A value in a block of its own: a box.
#[derive(Debug)]
pub struct Pooled<T> {
    block: Block,
    owns: PhantomData<T>,
}

// SAFETY: as a box.
unsafe impl<T: Send> Send for Pooled<T> {}
// SAFETY: as a box.
unsafe impl<T: Sync> Sync for Pooled<T> {}

impl<T> Pooled<T> {
    pub fn new(value: T) -> Pooled<T> {
        let block = Block::new(Layout::new::<T>());
        // SAFETY: the block has the layout of a T.
        unsafe { block.as_ptr().cast::<T>().write(value) };
        Pooled { block, owns: PhantomData }
    }
    pub fn into_inner(self) -> T {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: the value is read once and not dropped here; the block is read once, too, and dropped.
        unsafe {
            let value = this.block.as_ptr().cast::<T>().read();
            drop(core::ptr::read(&this.block));
            value
        }
    }
}

impl<T> Deref for Pooled<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it holds a T while it lives.
        unsafe { &*self.block.as_ptr().cast::<T>() }
    }
}

impl<T> DerefMut for Pooled<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and it is ours alone.
        unsafe { &mut *self.block.as_ptr().cast::<T>() }
    }
}

impl<T> Drop for Pooled<T> {
    fn drop(&mut self) {
        // SAFETY: it holds a T, which nobody uses any more.
        unsafe { self.block.as_ptr().cast::<T>().drop_in_place() };
    }
}

/// Values in a block of their own: a boxed slice.
#[derive(Debug)]
pub struct Row<T> {
    first: Pooled<T>,
    count: usize,
}

impl<T: Copy> Row<T> {
    /// `count` (at least 1) times this value.
    pub fn of(value: T, count: usize) -> Row<T> {
        let layout = Layout::array::<T>(count).expect("a size");
        let block = Block::new(layout);
        for n in 0..count {
            // SAFETY: the block has room for so many.
            unsafe { block.as_ptr().cast::<T>().add(n).write(value) };
        }
        // What is Copy has nothing to drop, so that it does not matter that there is more than the first.
        Row { first: Pooled { block, owns: PhantomData }, count }
    }
}

impl<T> Deref for Row<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: there are so many.
        unsafe { core::slice::from_raw_parts(self.first.block.as_ptr().cast(), self.count) }
    }
}

impl<T> DerefMut for Row<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and they are ours alone.
        unsafe { core::slice::from_raw_parts_mut(self.first.block.as_ptr().cast(), self.count) }
    }
}

/// A counted value in a block of its own: an `Arc` without weak references.
#[derive(Debug)]
pub struct Counted<T> {
    at: NonNull<Inner<T>>,
}

#[repr(C)]
struct Inner<T> {
    value: T,
    count: AtomicUsize,
    block: Block,
}

// SAFETY: as an `Arc`.
unsafe impl<T: Send + Sync> Send for Counted<T> {}
// SAFETY: as an `Arc`.
unsafe impl<T: Send + Sync> Sync for Counted<T> {}

impl<T> Counted<T> {
    pub fn new(value: T) -> Counted<T> {
        let block = Block::new(Layout::new::<Inner<T>>());
        let at = block.at.cast::<Inner<T>>();
        // SAFETY: the block has the layout of an Inner.
        unsafe { at.write(Inner { value, count: AtomicUsize::new(1), block }) };
        Counted { at }
    }
}

impl<T> Clone for Counted<T> {
    fn clone(&self) -> Counted<T> {
        // SAFETY: it lives while somebody has a reference.
        unsafe { self.at.as_ref() }.count.fetch_add(1, Ordering::Relaxed);
        Counted { at: self.at }
    }
}

impl<T> Deref for Counted<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it lives while somebody has a reference.
        unsafe { &self.at.as_ref().value }
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        // SAFETY: it lives until the last reference goes.
        if unsafe { self.at.as_ref() }.count.fetch_sub(1, Ordering::Release) > 1 {
            return;
        }
        fence(Ordering::Acquire);
        // SAFETY: it was the last reference, and all that others did came before. The block outlives what lies in it.
        unsafe {
            let block = core::ptr::read(&raw const (*self.at.as_ptr()).block);
            (&raw mut (*self.at.as_ptr()).value).drop_in_place();
            drop(block);
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
