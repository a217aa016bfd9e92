//! Blocks of a few sizes in chunks: each leaf of a chunk has blocks of one size, and a bit for each of them.

use super::{Source, CHUNK};
use core::ptr::NonNull;

/// A chunk is divided into leaves, whose blocks are all of one size.
const LEAF: usize = 32 << 10;
const LEAVES: usize = CHUNK / LEAF;
/// Sizes are multiples of this, up to the largest; larger blocks come from the heap.
pub(super) const GRAIN: usize = 256;
pub(super) const LARGEST: usize = 4096;
const SIZES: usize = LARGEST / GRAIN;
/// A chunk with so many leaves in use is worth one large page.
const DENSE: usize = LEAVES / 2;

#[derive(Debug)]
pub(super) struct Pool {
    /// By address.
    chunks: Vec<Chunk>,
    /// Blocks that came from the heap and are in use.
    pub on_heap: usize,
    /// Leaves of each size that may have room: chunk's address, leaf.
    partial: [Vec<(usize, usize)>; SIZES],
}

#[derive(Debug)]
struct Chunk {
    at: NonNull<u8>,
    leaves: Box<[Leaf; LEAVES]>,
    used: usize,
    joined: bool,
}

// SAFETY: the address leads to memory that the chunk owns.
unsafe impl Send for Chunk {}

#[derive(Clone, Copy, Default, Debug)]
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
    pub const fn new() -> Pool {
        Pool { chunks: Vec::new(), on_heap: 0, partial: [const { Vec::new() }; SIZES] }
    }

    fn find(&self, chunk: usize) -> Option<usize> {
        self.chunks.binary_search_by_key(&chunk, |c| c.at.as_ptr() as usize).ok()
    }

    /// A block of the size with this number; None: there is no chunk to be had.
    pub fn take(&mut self, number: usize, source: &Source) -> Option<NonNull<u8>> {
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
    pub fn give(&mut self, block: NonNull<u8>, source: &Source) {
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

#[cfg(test)]
#[path = "chunks_tests.rs"]
mod tests;
