use super::*;
use crate::util::{Rng, SeededRng};
use core::alloc::Layout;
use core::cell::RefCell;
use std::alloc::{alloc, dealloc};

thread_local! {
    /// Chunks that this thread has, and how many were joined.
    static MADE: RefCell<(Vec<usize>, usize)> = const { RefCell::new((Vec::new(), 0)) };
}

fn chunk_layout() -> Layout {
    Layout::from_size_align(CHUNK, CHUNK).unwrap()
}

const TEST: Source = Source {
    map: || {
        // SAFETY: the size is not 0.
        let at = NonNull::new(unsafe { alloc(chunk_layout()) })?;
        MADE.with_borrow_mut(|m| m.0.push(at.as_ptr() as usize));
        Some(at)
    },
    unmap: |at| {
        MADE.with_borrow_mut(|m| m.0.retain(|c| *c != at.as_ptr() as usize));
        // SAFETY: made by `map`.
        unsafe { dealloc(at.as_ptr(), chunk_layout()) };
    },
    join: |_| MADE.with_borrow_mut(|m| m.1 += 1),
    scatter: |_| panic!("these stay together"),
    forget: |_, _| panic!("nor do their pages go one by one"),
};

fn chunks() -> usize {
    MADE.with_borrow(|m| m.0.len())
}

#[test]
fn blocks_of_all_sizes_never_overlap_and_chunks_go_when_they_are_empty() {
    let (mut pool, mut rng) = (Pool::new(), SeededRng::new(7));
    let mut held: Vec<(usize, usize)> = Vec::new();
    for round in 0..6 {
        let most = [50, 3000, 200, 9000, 10, 0][round];
        for _ in 0..20_000 {
            let grow = held.len() < most && rng.next_u32() % 3 > 0;
            if grow {
                let number = rng.next_u32() as usize % SIZES;
                let at = pool.take(number, &TEST).unwrap().as_ptr() as usize;
                let (size, base) = ((number + 1) * GRAIN, at & !(CHUNK - 1));
                assert!(at % GRAIN == 0 && at + size <= base + CHUNK);
                assert!(MADE.with_borrow(|m| m.0.contains(&base)));
                held.push((at, size));
            } else if !held.is_empty() {
                let (at, _) = held.swap_remove(rng.next_u32() as usize % held.len());
                pool.give(NonNull::new(at as *mut u8).unwrap(), &TEST);
            }
        }
        let mut sorted = held.clone();
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|w| w[0].0 + w[0].1 <= w[1].0), "round {round}");
        let bytes: usize = held.iter().map(|(_, size)| size).sum();
        assert!(chunks() * CHUNK >= bytes);
    }
    for (at, _) in held.drain(..) {
        pool.give(NonNull::new(at as *mut u8).unwrap(), &TEST);
    }
    assert_eq!(chunks(), 0);
    assert!(MADE.with_borrow(|m| m.1) > 0, "some chunk was full");
    assert!(pool.chunks.is_empty() && pool.partial.iter().all(Vec::is_empty));
}

#[test]
fn a_thousand_equal_blocks_lie_side_by_side() {
    let mut pool = Pool::new();
    let blocks: Vec<_> = (0..1024).map(|_| pool.take(7, &TEST).unwrap()).collect();
    assert_eq!(chunks(), 1);
    blocks.into_iter().for_each(|block| pool.give(block, &TEST));
    assert_eq!(chunks(), 0);
}

#[test]
fn without_a_chunk_to_be_had_there_is_no_block() {
    let none = Source { map: || None, ..TEST };
    assert!(Pool::new().take(0, &none).is_none());
}
