//! A wait-free ring of samples with one producer and one consumer, that keeps to the front of its memory.
//!
//! An ordinary ring walks through all of its memory however little is in it: two seconds of room cost a call 64 KiB
//! that are cold in every cache. This one goes back to its first sample whenever the producer finds it empty, so that
//! only what was ever filled at once is touched at all. The memory is not cleared beforehand for the same reason.

use crate::util::prefetch;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

/// The first ring of a pair begins so many samples before its end.
const FRONT: usize = 1024;

/// Positions count samples modulo 2^32. The sample at position `p` lies at `(p + shift) & mask`.
#[derive(Debug)]
struct Shared {
    /// Written by the producer: the position behind the newest sample (low half) and the shift (high half), in one
    /// word so that the consumer never sees one without the other.
    written: AtomicU64,
    /// Written by the consumer: the position of the oldest sample.
    read: AtomicU32,
    capacity: u32,
    mask: u32,
    /// Where in `memory` this ring's samples are: `room` of them from `start`; the first one used is `front`.
    start: usize,
    room: usize,
    front: u32,
    memory: Arc<[MaybeUninit<UnsafeCell<i16>>]>,
}

// SAFETY: a sample between `read` and `written` is touched by the consumer only, all others by the producer only; the
// release of either word and its acquire on the other side order the accesses.
unsafe impl Sync for Shared {}
// SAFETY: as above; the memory that two rings share is divided between them for good.
unsafe impl Send for Shared {}

/// The writing end.
#[derive(Debug)]
pub struct RingWriter {
    ring: Arc<Shared>,
    tail: u32,
    shift: u32,
}

/// The reading end.
#[derive(Debug)]
pub struct RingReader {
    ring: Arc<Shared>,
    head: u32,
}

/// Two rings in one piece of memory, for up to so many samples (at least 1, at most 2^29) each. The first begins near its
/// end and the second at its beginning, so that together they touch little more than one page.
pub fn ring_pair(first: usize, second: usize) -> [(RingWriter, RingReader); 2] {
    let [first, second] = [first, second].map(|capacity| capacity.clamp(1, 1 << 29));
    let rooms = [first.next_power_of_two(), second.next_power_of_two()];
    let memory: Arc<[_]> = Arc::new_uninit_slice(rooms[0] + rooms[1]);
    let front = rooms[0].saturating_sub(FRONT) as u32;
    [ring_in(&memory, 0, rooms[0], first, front), ring_in(&memory, rooms[0], rooms[1], second, 0)]
}

fn ring_in(
    memory: &Arc<[MaybeUninit<UnsafeCell<i16>>]>,
    start: usize,
    room: usize,
    capacity: usize,
    front: u32,
) -> (RingWriter, RingReader) {
    let ring = Arc::new(Shared {
        written: AtomicU64::new(u64::from(front) << 32),
        read: AtomicU32::new(0),
        capacity: capacity as u32,
        mask: room as u32 - 1,
        start,
        room,
        front,
        memory: memory.clone(),
    });
    (RingWriter { ring: ring.clone(), tail: 0, shift: front }, RingReader { ring, head: 0 })
}

impl Shared {
    /// The two pieces of memory that `count` samples from position `at` lie in.
    fn pieces(&self, at: u32, shift: u32, count: u32) -> [(*mut i16, usize); 2] {
        let first = (at.wrapping_add(shift) & self.mask) as usize;
        let count = count as usize;
        let before_end = count.min(self.room - first);
        let base = self.memory.as_ptr().wrapping_add(self.start);
        // invariant: `first` lies within the samples.
        [
            (base.wrapping_add(first).cast_mut().cast(), before_end),
            (base.cast_mut().cast(), count - before_end),
        ]
    }
}

impl Shared {
    fn prefetch(&self, at: u32, shift: u32, count: usize) {
        let first = (at.wrapping_add(shift) & self.mask) as usize;
        let end = (first + count).min(self.room);
        prefetch(&self.memory[self.start + first..self.start + end]);
    }
}

impl RingWriter {
    fn used(&self) -> u32 {
        self.tail.wrapping_sub(self.ring.read.load(Ordering::Acquire))
    }
    /// Samples that a push would take.
    pub fn space(&self) -> usize {
        (self.ring.capacity - self.used()) as usize
    }
    pub fn capacity(&self) -> usize {
        self.ring.capacity as usize
    }
    /// The other end is gone.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.ring) < 2
    }

    /// Where the next `count` samples will go, and what is asked about the other end.
    pub fn prefetch(&self, deep: bool, count: usize) {
        prefetch(&*self.ring);
        if deep {
            self.ring.prefetch(self.tail, self.shift, count);
        }
    }

    /// Takes as many as there is room for; how many.
    pub fn push(&mut self, samples: &[i16]) -> usize {
        let used = self.used();
        if used == 0 {
            // Nothing is in it: the next sample goes to the front.
            self.shift = self.ring.front.wrapping_sub(self.tail);
        }
        let n = samples.len().min((self.ring.capacity - used) as usize);
        let mut at = 0;
        for (to, len) in self.ring.pieces(self.tail, self.shift, n as u32) {
            // SAFETY: the piece lies in the free part of the ring, which only the producer touches.
            unsafe { core::ptr::copy_nonoverlapping(samples[at..at + len].as_ptr(), to, len) };
            at += len;
        }
        self.tail = self.tail.wrapping_add(n as u32);
        self.ring.written.store(u64::from(self.shift) << 32 | u64::from(self.tail), Ordering::Release);
        n
    }

    /// Takes all or, if there is no room for all, nothing.
    pub fn push_all(&mut self, samples: &[i16]) -> bool {
        samples.len() <= self.space() && self.push(samples) == samples.len()
    }
}

impl RingReader {
    /// How many samples wait, and the shift that they lie at.
    fn waiting(&self) -> (u32, u32) {
        let written = self.ring.written.load(Ordering::Acquire);
        ((written as u32).wrapping_sub(self.head), (written >> 32) as u32)
    }
    /// Samples that a pop would give.
    pub fn available(&self) -> usize {
        self.waiting().0 as usize
    }
    pub fn capacity(&self) -> usize {
        self.ring.capacity as usize
    }
    /// The other end is gone.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.ring) < 2
    }

    /// What the next `count` samples come from.
    pub fn prefetch(&self, deep: bool, count: usize) {
        prefetch(&*self.ring);
        if deep {
            let written = self.ring.written.load(Ordering::Relaxed);
            self.ring.prefetch(self.head, (written >> 32) as u32, count);
        }
    }

    /// Gives as many as there are and fit; how many.
    pub fn pop(&mut self, out: &mut [i16]) -> usize {
        let (waiting, shift) = self.waiting();
        let n = out.len().min(waiting as usize);
        let mut at = 0;
        for (from, len) in self.ring.pieces(self.head, shift, n as u32) {
            // SAFETY: the piece was filled by the producer, which leaves it alone until `read` moves on.
            unsafe { core::ptr::copy_nonoverlapping(from.cast_const(), out[at..at + len].as_mut_ptr(), len) };
            at += len;
        }
        self.advance(n as u32);
        n
    }

    /// Forgets up to `count` samples; how many.
    pub fn skip(&mut self, count: usize) -> usize {
        let n = count.min(self.available());
        self.advance(n as u32);
        n
    }

    fn advance(&mut self, n: u32) {
        self.head = self.head.wrapping_add(n);
        self.ring.read.store(self.head, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn ring(capacity: usize) -> (RingWriter, RingReader) {
        ring_pair(capacity, 7).into_iter().next().expect("two rings")
    }
    use crate::util::{Rng, SeededRng};
    use std::collections::VecDeque;

    #[test]
    fn it_holds_what_it_promises_and_no_more() {
        let (mut w, mut r) = ring(10);
        assert_eq!(w.push(&[1; 7]), 7);
        assert!(!w.push_all(&[2; 4]));
        assert_eq!(w.push(&[2; 4]), 3);
        assert_eq!((w.space(), r.available()), (0, 10));
        let mut out = [0; 16];
        assert_eq!(r.pop(&mut out), 10);
        assert_eq!(out[..10], [1, 1, 1, 1, 1, 1, 1, 2, 2, 2]);
        assert_eq!(r.pop(&mut out), 0);
    }

    #[test]
    fn the_rings_of_a_pair_never_meet() {
        let [(mut a, mut ar), (mut b, mut br)] = ring_pair(2000, 3000);
        for n in 0..500usize {
            let (x, y) = (vec![n as i16; 1 + n * 7 % 1900], vec![!(n as i16); 1 + n * 5 % 2900]);
            assert_eq!((a.push(&x), b.push(&y)), (x.len(), y.len()));
            let (mut out, mut other) = (vec![0; x.len()], vec![0; y.len()]);
            assert_eq!((ar.pop(&mut out), br.pop(&mut other)), (x.len(), y.len()));
            assert_eq!((out, other), (x, y));
        }
    }

    #[test]
    fn an_emptied_ring_begins_at_its_front_again() {
        let (mut w, mut r) = ring(16_000);
        for n in 0..10_000 {
            w.push(&[n as i16; 160]);
            let mut out = [0; 160];
            assert_eq!(r.pop(&mut out), 160);
            assert_eq!(out, [n as i16; 160]);
            assert_eq!(w.tail.wrapping_add(w.shift) & w.ring.mask, 16_384 - 1024 + 160);
        }
    }

    #[test]
    fn any_pushes_and_pops_are_a_queue_also_past_the_wrap_of_the_positions() {
        for seed in 0..100 {
            let mut rng = SeededRng::new(seed);
            let (mut w, mut r) = ring(1 + rng.below(300) as usize);
            w.tail = u32::MAX - 5_000;
            r.head = w.tail;
            w.ring.read.store(r.head, Ordering::Relaxed);
            w.shift = 0;
            w.ring.written.store(u64::from(w.tail), Ordering::Relaxed);
            let (mut model, mut next) = (VecDeque::new(), 0i16);
            for _ in 0..500 {
                let samples: Vec<i16> = (0..rng.below(80)).map(|i| next.wrapping_add(i as i16)).collect();
                let n = w.push(&samples);
                next = next.wrapping_add(n as i16);
                model.extend(&samples[..n]);
                let mut out = vec![0; rng.below(90) as usize];
                let n = r.pop(&mut out);
                let want: Vec<i16> = model.drain(..n).collect();
                assert_eq!(out[..n], want, "seed {seed}");
                let skipped = if rng.below(10) == 0 { r.skip(7) } else { 0 };
                model.drain(..skipped);
                assert_eq!(
                    (r.available(), w.space()),
                    (model.len(), w.capacity() - model.len()),
                    "seed {seed}"
                );
            }
        }
    }
}
