use super::*;
use crate::util::{Rng, SeededRng};
use core::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

#[derive(Default)]
struct System {
    chunks: HashSet<usize>,
    /// Pages that were touched and not forgotten since.
    there: HashSet<usize>,
    forgotten: usize,
}

thread_local! {
    static SYSTEM: RefCell<System> = RefCell::default();
}

fn chunk_layout() -> Layout {
    Layout::from_size_align(CHUNK, CHUNK).unwrap()
}

const TEST: Source = Source {
    map: || {
        // SAFETY: the size is not 0.
        let at = NonNull::new(unsafe { std::alloc::alloc_zeroed(chunk_layout()) })?;
        SYSTEM.with_borrow_mut(|s| s.chunks.insert(at.as_ptr() as usize));
        Some(at)
    },
    unmap: |at| {
        let address = at.as_ptr() as usize;
        SYSTEM.with_borrow_mut(|s| {
            assert!(s.chunks.remove(&address));
            assert!(s.there.iter().all(|page| page & !(CHUNK - 1) != address), "it is not empty");
        });
        // SAFETY: made by `map`.
        unsafe { dealloc(at.as_ptr(), chunk_layout()) };
    },
    join: |_| panic!("these are not joined"),
    scatter: |at| assert!(SYSTEM.with_borrow(|s| s.chunks.contains(&(at.as_ptr() as usize)))),
    forget: |at, bytes| {
        // SAFETY: within a chunk.
        unsafe { at.as_ptr().write_bytes(0, bytes) };
        SYSTEM.with_borrow_mut(|s| {
            s.forgotten += 1;
            (0..bytes).step_by(PAGE).for_each(|n| assert!(s.there.remove(&(at.as_ptr() as usize + n))));
        });
    },
};

fn chunks() -> usize {
    SYSTEM.with_borrow(|s| s.chunks.len())
}
fn pages() -> usize {
    SYSTEM.with_borrow(|s| s.there.len())
}

/// Quarters in use, each with a number in it.
struct Host {
    quarters: Mutex<Quarters>,
    held: Vec<(usize, u64)>,
    next: u64,
}

impl Host {
    fn new() -> Host {
        Host { quarters: Mutex::new(Quarters::new()), held: Vec::new(), next: 1 }
    }
    fn take(&mut self) {
        let at = lock(&self.quarters).take(&TEST).unwrap();
        self.next += 1;
        // SAFETY: the quarter is ours and aligned.
        unsafe { at.cast::<[u64; QUARTER / 8]>().write([self.next; QUARTER / 8]) };
        self.held.push((at.as_ptr() as usize, self.next));
        SYSTEM.with_borrow_mut(|s| s.there.insert(at.as_ptr() as usize & !(PAGE - 1)));
    }
    fn give(&mut self, n: usize) {
        let (at, number) = self.held.swap_remove(n);
        let at = NonNull::new(at as *mut u8).unwrap();
        // SAFETY: as above.
        assert_eq!(unsafe { at.cast::<[u64; QUARTER / 8]>().read() }, [number; QUARTER / 8]);
        assert!(lock(&self.quarters).give(at));
        if lock(&self.quarters).kept > MOST_KEPT {
            send_back(&self.quarters, &TEST, KEPT);
        }
    }
}

#[test]
fn quarters_never_overlap_nor_lose_what_is_in_them_and_empty_pages_go_back() {
    let (mut host, mut rng) = (Host::new(), SeededRng::new(7));
    for round in 0..8 {
        let most = [50, 3000, 200, 9000, 10, 0, 700, 0][round];
        for _ in 0..20_000 {
            if host.held.len() < most && rng.below(3) > 0 {
                host.take();
            } else if !host.held.is_empty() {
                host.give(rng.below(host.held.len() as u64) as usize);
            }
        }
        let mut in_page = BTreeMap::new();
        for (at, _) in &host.held {
            assert_eq!(at % QUARTER, 0);
            *in_page.entry(at & !(PAGE - 1)).or_insert(0) += 1;
        }
        assert!(in_page.values().all(|n| *n <= 4));
        assert!(pages() <= in_page.len() + MOST_KEPT, "round {round}: {} and {}", pages(), in_page.len());
        // Among many that come and go the lowest ones are used.
        assert!(host.held.len() < 600 || in_page.len() * 4 < host.held.len() * 2, "round {round}");
    }
    assert_eq!((host.held.len(), chunks()), (0, 1));
    send_back(&host.quarters, &TEST, 0);
    assert_eq!((chunks(), pages()), (0, 0));
    let quarters = lock(&host.quarters);
    assert!(quarters.chunks.is_empty() && quarters.kept == 0);
}

#[test]
fn what_a_stall_took_goes_back_without_a_rest_of_it_in_every_page() {
    let mut host = Host::new();
    (0..20_000).for_each(|_| host.take());
    assert_eq!((pages(), chunks()), (5000, 10));
    // A call that stays behind, here and there; the others come and go.
    let mut rng = SeededRng::new(3);
    (0..19_900).for_each(|_| host.give(rng.below(host.held.len() as u64) as usize));
    assert!(pages() <= 100 + MOST_KEPT);
    for _ in 0..2000 {
        host.give(rng.below(100) as usize);
        host.take();
    }
    send_back(&host.quarters, &TEST, 0);
    assert!(pages() <= 40, "{}", pages());
}

#[test]
fn steady_use_asks_the_system_for_nothing() {
    let mut host = Host::new();
    (0..100).for_each(|_| host.take());
    for _ in 0..1000 {
        (0..60).for_each(|_| host.give(0));
        (0..60).for_each(|_| host.take());
    }
    assert_eq!((SYSTEM.with_borrow(|s| s.forgotten), pages(), chunks()), (0, 25, 1));
}

#[test]
fn without_a_chunk_to_be_had_there_is_none_and_what_is_not_ours_is_not_taken() {
    let none = Source { map: || None, ..TEST };
    let mut quarters = Quarters::new();
    assert!(quarters.take(&none).is_none());
    assert!(!quarters.give(Quarter::new().0));
}

#[test]
fn without_a_source_they_come_from_the_heap() {
    let quarter = Quarter::new();
    let raw = quarter.into_raw();
    // SAFETY: `QUARTER` bytes of ours.
    unsafe { raw.write_bytes(7, QUARTER) };
    // SAFETY: just from `into_raw`.
    drop(unsafe { Quarter::from_raw(raw) });
}
