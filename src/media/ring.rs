//! Wait-free queues of samples between a session and its host, each with one producer and one consumer; two of them, one
//! either way, in one piece of memory.
//!
//! An ordinary ring walks through all of its memory however little is in it: two seconds of room cost a call 64 KiB
//! that are cold in every cache. So a queue is two rings: a near one of a few packets, and a far one that is used only while
//! the near one is full, and has no memory before it is used for the first time. Either goes back to its first sample whenever the producer finds it
//! empty. All words that one side of a pair writes lie in one cache line.

use crate::util::{prefetch, prefetch_bytes};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Samples of a near ring; more for a queue of very many.
const NEAR_ROOM: usize = 1024;
const NEAR_PART: usize = 16;
const NEAR: usize = 0;
const FAR: usize = 1;

const LINE_SAMPLES: usize = 32;

/// A cache line of samples. Not cleared beforehand, so that it is not touched.
#[repr(align(64))]
struct Line(#[allow(dead_code)] [MaybeUninit<UnsafeCell<i16>>; LINE_SAMPLES]);

/// What two sides share.
struct Pair {
    sides: [Side; 2],
    /// The near rings; only reached by the ends' pointers into it.
    _near: Box<[MaybeUninit<Line>]>,
    /// The far ring of each queue, by the number of its producer's side.
    far: [OnceLock<Box<[MaybeUninit<Line>]>>; 2],
}

/// What one side writes, as the producer of one queue and the consumer of the other.
#[derive(Default, Debug)]
#[repr(align(64))]
struct Side {
    /// As the producer: the position behind the newest sample (low half) and the shift (high half), in one word so that
    /// the consumer never sees one without the other.
    written: [AtomicU64; 2],
    /// As the consumer: the position of the oldest sample.
    read: [AtomicU32; 2],
    /// One of its ends is.
    gone: AtomicBool,
    marks: Marks,
}

/// Two words of a side for whoever uses the queues.
#[derive(Default, Debug)]
pub struct Marks {
    pub flag: AtomicBool,
    pub count: AtomicU64,
}

// SAFETY: a sample between `read` and `written` is touched by the consumer only, all others by the producer only; the
// release of either word and its acquire on the other side order the accesses.
unsafe impl Sync for Pair {}
// SAFETY: as above; the rings divide the memory for good.
unsafe impl Send for Pair {}

/// One end of a queue. Positions count samples modulo 2^32; that at position `p` lies at `(p + shift) & (room - 1)` of its
/// ring.
struct End {
    pair: Arc<Pair>,
    /// Which one is ours.
    side: usize,
    capacity: u32,
    rings: [Ring; 2],
}

/// The memory of one ring: a power of two of samples, or none. Null: not there yet, or not known yet.
#[derive(Clone, Copy, Debug)]
struct Ring {
    at: *mut i16,
    room: u32,
}

// SAFETY: the pointers lead into the memory of the pair that is held, which is shared as said there.
unsafe impl Send for End {}
// SAFETY: as above; a shared end only reads the words.
unsafe impl Sync for End {}

/// The writing end.
#[derive(Debug)]
pub struct RingWriter {
    end: End,
    tail: [u32; 2],
    shift: [u32; 2],
}

/// The reading end.
#[derive(Debug)]
pub struct RingReader {
    end: End,
    head: [u32; 2],
}

/// Two queues for up to so many samples (at least 1, at most 2^28) each. Who writes the first one reads the second one.
pub fn ring_pair(first: usize, second: usize) -> [(RingWriter, RingReader); 2] {
    let capacities = [first, second].map(|capacity| capacity.clamp(1, 1 << 28));
    let near = capacities.map(|c| (c / NEAR_PART).next_power_of_two().max(NEAR_ROOM));
    let far = [0, 1].map(|n| if capacities[n] > near[n] { capacities[n].next_power_of_two() } else { 0 });
    let mut memory = lines(near[0] + near[1]);
    let base: *mut i16 = memory.as_mut_ptr().cast();
    let pair = Arc::new(Pair { sides: Default::default(), _near: memory, far: Default::default() });
    let starts = [0, near[0]];
    [0, 1].map(|n| {
        let ring = |at: *mut i16, room: usize| Ring { at, room: room as u32 };
        let rings = [ring(base.wrapping_add(starts[n]), near[n]), ring(core::ptr::null_mut(), far[n])];
        let capacity = capacities[n] as u32;
        let end = |side| End { pair: pair.clone(), side, capacity, rings };
        let writer = RingWriter { end: end(n), tail: [0; 2], shift: [0; 2] };
        (writer, RingReader { end: end(1 - n), head: [0; 2] })
    })
}

fn lines(samples: usize) -> Box<[MaybeUninit<Line>]> {
    Box::new_uninit_slice(samples.div_ceil(LINE_SAMPLES))
}

impl Ring {
    /// The two pieces that `count` samples from position `at` lie in.
    fn pieces(&self, at: u32, shift: u32, count: usize) -> [(*mut i16, usize); 2] {
        let first = (at.wrapping_add(shift) & self.room.wrapping_sub(1)) as usize;
        let before_end = count.min(self.room as usize - first);
        // invariant: `first` lies within the ring, which is one since `count` is not 0.
        [(self.at.wrapping_add(first), before_end), (self.at, count - before_end)]
    }

    fn prefetch(&self, at: u32, shift: u32, count: usize) {
        let first = (at.wrapping_add(shift) & self.room.wrapping_sub(1)) as usize;
        let count = count.min(self.room as usize - first);
        prefetch_bytes(self.at.wrapping_add(first).cast_const().cast(), 2 * count);
    }
}

impl End {
    fn own(&self) -> &Side {
        &self.pair.sides[self.side]
    }
    fn other(&self) -> &Side {
        &self.pair.sides[1 - self.side]
    }
    /// A ring that something is written to or read from. The producer makes the far one before anything is in it.
    fn ring(&mut self, ring: usize, producer: usize) -> Ring {
        if self.rings[ring].at.is_null() {
            let far = self.pair.far[producer].get_or_init(|| lines(self.rings[FAR].room as usize));
            self.rings[ring].at = far.as_ptr().cast::<i16>().cast_mut();
        }
        self.rings[ring]
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.own().gone.store(true, Ordering::Release);
    }
}

impl core::fmt::Debug for End {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("End").field("side", &self.side).field("sides", &self.pair.sides).finish()
    }
}

impl RingWriter {
    fn used(&self, ring: usize) -> u32 {
        self.tail[ring].wrapping_sub(self.end.other().read[ring].load(Ordering::Acquire))
    }
    /// Samples that a push would take.
    pub fn space(&self) -> usize {
        (self.end.capacity - self.used(NEAR) - self.used(FAR)) as usize
    }
    pub fn capacity(&self) -> usize {
        self.end.capacity as usize
    }
    /// The other side is gone.
    pub fn is_abandoned(&self) -> bool {
        self.end.other().gone.load(Ordering::Acquire)
    }
    /// Those of this side.
    pub fn marks(&self) -> &Marks {
        &self.end.own().marks
    }

    /// Where the next `count` samples will go, or (not `deep`) the words of both queues.
    pub fn prefetch(&self, deep: bool, count: usize) {
        if deep {
            self.end.rings[NEAR].prefetch(self.tail[NEAR], self.shift[NEAR], count);
        } else {
            prefetch(&self.end.pair.sides);
        }
    }

    /// Takes as many as there is room for; how many.
    pub fn push(&mut self, samples: &[i16]) -> usize {
        let used = [self.used(NEAR), self.used(FAR)];
        let n = samples.len().min((self.end.capacity - used[NEAR] - used[FAR]) as usize);
        // Behind what is in the far ring nothing may go into the near one, which is read first.
        let room = if used[FAR] == 0 { self.end.rings[NEAR].room - used[NEAR] } else { 0 };
        let (near, far) = samples[..n].split_at(n.min(room as usize));
        self.put(NEAR, near, used[NEAR]);
        self.put(FAR, far, used[FAR]);
        n
    }

    fn put(&mut self, ring: usize, samples: &[i16], used: u32) {
        if samples.is_empty() {
            return;
        }
        if used == 0 {
            // Nothing is in it: the next sample goes to the front.
            self.shift[ring] = self.tail[ring].wrapping_neg();
        }
        let (tail, shift) = (self.tail[ring], self.shift[ring]);
        let mut at = 0;
        let memory = self.end.ring(ring, self.end.side);
        for (to, len) in memory.pieces(tail, shift, samples.len()) {
            // SAFETY: the piece lies in the free part of the ring, which only the producer touches.
            unsafe { core::ptr::copy_nonoverlapping(samples[at..at + len].as_ptr(), to, len) };
            at += len;
        }
        let tail = tail.wrapping_add(samples.len() as u32);
        self.tail[ring] = tail;
        self.end.own().written[ring].store(u64::from(shift) << 32 | u64::from(tail), Ordering::Release);
    }

    /// Takes all or, if there is no room for all, nothing.
    pub fn push_all(&mut self, samples: &[i16]) -> bool {
        samples.len() <= self.space() && self.push(samples) == samples.len()
    }
}

impl RingReader {
    /// How many samples wait in each ring, and the shift that they lie at. The far one is looked at first: what is in the near
    /// one by then is older.
    fn waiting(&self) -> [(u32, u32); 2] {
        let written = &self.end.other().written;
        let far = written[FAR].load(Ordering::Acquire);
        let near = written[NEAR].load(Ordering::Acquire);
        let waiting = |word: u64, head: u32| ((word as u32).wrapping_sub(head), (word >> 32) as u32);
        [waiting(near, self.head[NEAR]), waiting(far, self.head[FAR])]
    }
    /// Samples that a pop would give.
    pub fn available(&self) -> usize {
        self.waiting().iter().map(|(n, _)| *n as usize).sum()
    }
    pub fn capacity(&self) -> usize {
        self.end.capacity as usize
    }
    /// The other side is gone.
    pub fn is_abandoned(&self) -> bool {
        self.end.other().gone.load(Ordering::Acquire)
    }
    /// Those of the other side.
    pub fn marks(&self) -> &Marks {
        &self.end.other().marks
    }

    /// What the next `count` samples come from, if the words are at hand.
    pub fn prefetch(&self, count: usize) {
        let written = self.end.other().written[NEAR].load(Ordering::Relaxed);
        self.end.rings[NEAR].prefetch(self.head[NEAR], (written >> 32) as u32, count);
    }

    /// Gives as many as there are and fit; how many.
    pub fn pop(&mut self, out: &mut [i16]) -> usize {
        let mut total = 0;
        for (ring, (waiting, shift)) in self.waiting().into_iter().enumerate() {
            let n = (out.len() - total).min(waiting as usize);
            if n == 0 {
                continue;
            }
            let memory = self.end.ring(ring, 1 - self.end.side);
            for (from, len) in memory.pieces(self.head[ring], shift, n) {
                let to = out[total..total + len].as_mut_ptr();
                // SAFETY: the piece was filled by the producer, which leaves it alone until `read` moves on.
                unsafe { core::ptr::copy_nonoverlapping(from.cast_const(), to, len) };
                total += len;
            }
            self.advance(ring, n as u32);
        }
        total
    }

    /// Forgets up to `count` samples; how many.
    pub fn skip(&mut self, count: usize) -> usize {
        let mut total = 0;
        for (ring, (waiting, _)) in self.waiting().into_iter().enumerate() {
            let n = (count - total).min(waiting as usize);
            self.advance(ring, n as u32);
            total += n;
        }
        total
    }

    fn advance(&mut self, ring: usize, n: u32) {
        if n > 0 {
            self.head[ring] = self.head[ring].wrapping_add(n);
            self.end.own().read[ring].store(self.head[ring], Ordering::Release);
        }
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
            assert_eq!(w.tail[NEAR].wrapping_add(w.shift[NEAR]), 160);
        }
    }

    #[test]
    fn with_a_few_packets_in_it_a_queue_has_no_far_memory() {
        let (mut w, mut r) = ring(16_000);
        w.push(&[7; 480]);
        for _ in 0..10_000 {
            w.push(&[7; 160]);
            assert_eq!(r.pop(&mut [0; 160]), 160);
        }
        assert_eq!((w.tail[FAR], r.available()), (0, 480));
        assert!(w.end.pair.far[0].get().is_none());
    }

    #[test]
    fn any_pushes_and_pops_are_a_queue_also_past_the_wrap_of_the_positions() {
        for seed in 0..100 {
            let mut rng = SeededRng::new(seed);
            let (mut w, mut r) = ring(1 + rng.below(3000) as usize);
            let begin = u32::MAX - 20_000;
            (w.tail, r.head) = ([begin; 2], [begin; 2]);
            for ring in [NEAR, FAR] {
                w.end.other().read[ring].store(begin, Ordering::Relaxed);
                w.end.own().written[ring].store(u64::from(begin), Ordering::Relaxed);
            }
            let (mut model, mut next) = (VecDeque::new(), 0i16);
            for _ in 0..500 {
                let samples: Vec<i16> = (0..rng.below(400)).map(|i| next.wrapping_add(i as i16)).collect();
                let n = w.push(&samples);
                next = next.wrapping_add(n as i16);
                model.extend(&samples[..n]);
                let mut out = vec![0; rng.below(450) as usize];
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
