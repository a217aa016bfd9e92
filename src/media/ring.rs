//! Wait-free queues of samples between a session and its host, each with one producer and one consumer; two of them, one
//! either way, in one piece of memory.
//!
//! An ordinary ring walks through all of its memory however little is in it: two seconds of room cost a call 64 KiB
//! that are cold in every cache. So a queue is a near ring of a few packets, and a list of segments for what waits behind
//! that: each is made when the producer gets to it and goes when it was read, or back to the producer. Behind what is in the
//! segments nothing goes into the near ring, which is read first. The near ring begins at its front again whenever the
//! producer finds it empty. All words that one side of a pair writes lie in one cache line.

use super::ring_memory::{Segment, Shared, Side, LINE_SAMPLES, SEGMENT};
use crate::util::{prefetch, prefetch_bytes};
use core::ptr::null_mut;
use core::sync::atomic::Ordering;

pub use super::ring_memory::Marks;

const NEAR: usize = 0;
const FAR: usize = 1;

/// How large a queue is, in samples.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// It never holds more; at least 1, at most 2^28.
    pub capacity: usize,
    /// For so many there is always memory.
    pub near: usize,
}

/// One end of a queue. Positions count samples modulo 2^32, in the near ring and in the segments each.
///
/// A sample between `read` and `written` is touched by the consumer only, all others by the producer only; the release of
/// either word and its acquire on the other side order the accesses.
struct End {
    pair: Shared,
    /// The near ring: where it is behind the head of the pair, and its samples.
    start: u32,
    room: u32,
    capacity: u32,
    /// Which one is ours.
    side: u32,
}

/// The writing end.
#[derive(Debug)]
pub struct RingWriter {
    end: End,
    tail: [u32; 2],
    /// Where the next one goes: in the near ring, in the last segment.
    at: [u32; 2],
    /// Null: there are no segments, and nothing is in them.
    last: *mut Segment,
}

/// The reading end.
#[derive(Debug)]
pub struct RingReader {
    end: End,
    head: [u32; 2],
}

// SAFETY: what `last` points to is the producer's until it gives it away.
unsafe impl Send for RingWriter {}
// SAFETY: as above; a shared one only reads the words.
unsafe impl Sync for RingWriter {}

/// Two queues. Who writes the first one reads the second one.
pub fn ring_pair(first: Room, second: Room) -> [(RingWriter, RingReader); 2] {
    let capacity = [first, second].map(|room| room.capacity.clamp(1, 1 << 28));
    let near = [first.near.clamp(1, capacity[0]), second.near.clamp(1, capacity[1])];
    let starts = [0, near[0].next_multiple_of(LINE_SAMPLES)];
    let pair = Shared::new(starts[1] + near[1]);
    [0, 1].map(|n| {
        let end = |side| End {
            pair: pair.clone(),
            start: starts[n] as u32,
            room: near[n] as u32,
            capacity: capacity[n] as u32,
            side,
        };
        let writer = RingWriter { end: end(n as u32), tail: [0; 2], at: [0; 2], last: null_mut() };
        (writer, RingReader { end: end(1 - n as u32), head: [0; 2] })
    })
}

impl End {
    #[inline]
    fn own(&self) -> &Side {
        &self.pair.sides()[self.side as usize & 1]
    }
    #[inline]
    fn other(&self) -> &Side {
        &self.pair.sides()[1 - (self.side as usize & 1)]
    }
    #[inline]
    fn near(&self) -> *mut i16 {
        self.pair.samples().wrapping_add(self.start as usize)
    }
    /// The two pieces of the near ring that `count` samples from `at` on lie in.
    #[inline]
    fn pieces(&self, at: u32, count: usize) -> [(*mut i16, usize); 2] {
        let before_end = count.min((self.room - at) as usize);
        [(self.near().wrapping_add(at as usize), before_end), (self.near(), count - before_end)]
    }
    fn prefetch(&self, at: u32, count: usize) {
        let (start, count) = self.pieces(at, count)[0];
        prefetch_bytes(start.cast_const().cast(), 2 * count);
    }
    /// As many samples before `at` in the near ring.
    #[inline]
    fn before(&self, at: u32, count: u32) -> u32 {
        if count <= at {
            at - count
        } else {
            at + self.room - count
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.own().gone.store(true, Ordering::Release);
    }
}

impl core::fmt::Debug for End {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("End").field("side", &self.side).field("sides", self.pair.sides()).finish()
    }
}

impl RingWriter {
    #[inline]
    fn used(&self) -> [u32; 2] {
        let used =
            |ring: usize| self.tail[ring].wrapping_sub(self.end.other().read[ring].load(Ordering::Acquire));
        [used(NEAR), if self.last.is_null() { 0 } else { used(FAR) }]
    }
    /// Samples that a push would take.
    #[inline]
    pub fn space(&self) -> usize {
        let [near, far] = self.used();
        (self.end.capacity - near - far) as usize
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

    /// Where the next `count` samples will go, if the words are at hand, or (not `deep`) the words of both queues.
    pub fn prefetch(&self, deep: bool, count: usize) {
        if deep {
            let is_empty = self.end.other().read[NEAR].load(Ordering::Relaxed) == self.tail[NEAR];
            self.end.prefetch(if is_empty { 0 } else { self.at[NEAR] }, count);
        } else {
            prefetch(self.end.pair.sides());
        }
    }

    /// Takes as many as there is room for; how many.
    #[inline]
    pub fn push(&mut self, samples: &[i16]) -> usize {
        self.push_within(samples, self.used())
    }

    /// Takes all or, if there is no room for all, nothing.
    #[inline]
    pub fn push_all(&mut self, samples: &[i16]) -> bool {
        let used = self.used();
        let all = samples.len() <= (self.end.capacity - used[NEAR] - used[FAR]) as usize;
        all && self.push_within(samples, used) == samples.len()
    }

    #[inline]
    fn push_within(&mut self, samples: &[i16], used: [u32; 2]) -> usize {
        let n = samples.len().min((self.end.capacity - used[NEAR] - used[FAR]) as usize);
        let room = if used[FAR] == 0 { (self.end.room - used[NEAR]) as usize } else { 0 };
        let near = n.min(room);
        self.put_near(&samples[..near], used[NEAR]);
        if n > near {
            self.put_far(&samples[near..n], used[FAR]);
        } else if used[FAR] == 0 && !self.last.is_null() {
            self.end_segments();
        }
        n
    }

    #[inline]
    fn put_near(&mut self, samples: &[i16], used: u32) {
        if samples.is_empty() {
            return;
        }
        let start = if used == 0 { 0 } else { self.at[NEAR] };
        let [(to, first), (front, rest)] = self.end.pieces(start, samples.len());
        let (before, after) = samples.split_at(first);
        // SAFETY: the piece lies in the free part of the ring, which only the producer touches.
        unsafe { core::ptr::copy_nonoverlapping(before.as_ptr(), to, first) };
        if rest > 0 {
            // SAFETY: so does this one.
            unsafe { core::ptr::copy_nonoverlapping(after.as_ptr(), front, rest) };
        }
        let at = start + samples.len() as u32;
        self.at[NEAR] = if at >= self.end.room { at - self.end.room } else { at };
        self.publish(NEAR, samples.len());
    }

    #[cold]
    fn put_far(&mut self, samples: &[i16], used: u32) {
        let mut left = samples;
        if used == 0 {
            self.begin_segments();
        }
        while !left.is_empty() {
            let at = self.at[FAR] as usize;
            let (now, later) = left.split_at(left.len().min(SEGMENT - at));
            // SAFETY: the last segment is there until the producer ends it, and what is not written is the producer's.
            unsafe {
                let to = Segment::samples(self.last).add(at);
                core::ptr::copy_nonoverlapping(now.as_ptr(), to, now.len());
            }
            self.at[FAR] = (at + now.len()) as u32;
            if at + now.len() == SEGMENT {
                self.next_segment();
            }
            left = later;
        }
        self.publish(FAR, samples.len());
    }

    #[inline]
    fn publish(&mut self, ring: usize, samples: usize) {
        self.tail[ring] = self.tail[ring].wrapping_add(samples as u32);
        let word = u64::from(self.at[ring]) << 32 | u64::from(self.tail[ring]);
        self.end.own().written[ring].store(word, Ordering::Release);
    }

    /// Nothing is in them: the next sample is the first one of a segment that both sides take for the first one.
    fn begin_segments(&mut self) {
        self.at[FAR] = 0;
        if self.last.is_null() {
            let segments = &self.end.own().segments;
            let segment = segments.take();
            segments.first.store(segment, Ordering::Relaxed);
            self.last = segment;
        }
    }

    /// The last one is full. It gets its successor before the consumer can have read it, so that there always is one to go
    /// on to.
    fn next_segment(&mut self) {
        let next = self.end.own().segments.take();
        // SAFETY: the last segment lives, see `put_far`.
        unsafe { (*self.last).next.store(next, Ordering::Release) };
        self.last = next;
        self.at[FAR] = 0;
    }

    #[cold]
    fn end_segments(&mut self) {
        let last = core::mem::replace(&mut self.last, null_mut());
        // SAFETY: all that was in them has been read, and the consumer is with the last one.
        unsafe { self.end.own().segments.end(last) };
    }
}

impl RingReader {
    /// How many samples wait in the near ring and in the segments, and where the one behind them will go. The segments are
    /// looked at first: what is in the near ring by then is older.
    #[inline]
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
    #[inline]
    pub fn marks(&self) -> &Marks {
        &self.end.other().marks
    }

    /// What the next `count` samples come from, if the words are at hand.
    pub fn prefetch(&self, count: usize) {
        let word = self.end.other().written[NEAR].load(Ordering::Relaxed);
        let waiting = (word as u32).wrapping_sub(self.head[NEAR]);
        self.end.prefetch(self.end.before((word >> 32) as u32, waiting), count);
    }

    /// Gives as many as there are and fit; how many.
    #[inline]
    pub fn pop(&mut self, out: &mut [i16]) -> usize {
        let [(near, at), far] = self.waiting();
        let n = out.len().min(near as usize);
        if n > 0 {
            self.get_near(&mut out[..n], self.end.before(at, near));
        }
        if far.0 == 0 || n == out.len() {
            return n;
        }
        n + self.walk_far(far, out.len() - n, Some(&mut out[n..]))
    }

    #[inline]
    fn get_near(&mut self, out: &mut [i16], at: u32) {
        let [(from, first), (front, rest)] = self.end.pieces(at, out.len());
        let (before, after) = out.split_at_mut(first);
        // SAFETY: the piece was filled by the producer, which leaves it alone until `read` moves on.
        unsafe { core::ptr::copy_nonoverlapping(from.cast_const(), before.as_mut_ptr(), first) };
        if rest > 0 {
            // SAFETY: so was this one.
            unsafe { core::ptr::copy_nonoverlapping(front.cast_const(), after.as_mut_ptr(), rest) };
        }
        self.advance(NEAR, out.len());
    }

    /// Goes past up to `most` samples in the segments and copies them, if there is a place to; how many.
    #[cold]
    fn walk_far(&mut self, (waiting, end): (u32, u32), most: usize, mut out: Option<&mut [i16]>) -> usize {
        let count = most.min(waiting as usize);
        let segments = &self.end.other().segments;
        let mut segment = segments.first.load(Ordering::Relaxed);
        let mut at = end.wrapping_sub(waiting) as usize & (SEGMENT - 1);
        let mut passed = 0;
        while passed < count {
            let n = (count - passed).min(SEGMENT - at);
            if let Some(out) = &mut out {
                let to = out[passed..passed + n].as_mut_ptr();
                // SAFETY: the first segment with something in it lives until the consumer passes it.
                unsafe { core::ptr::copy_nonoverlapping(Segment::samples(segment).add(at), to, n) };
            }
            passed += n;
            at += n;
            if at == SEGMENT {
                // SAFETY: read to its end; the producer linked the next one before it published the last sample.
                segment = unsafe { segments.pass(segment) };
                at = 0;
            }
        }
        if passed == waiting as usize {
            segments.drop_spare();
        }
        self.advance(FAR, count);
        count
    }

    /// Forgets up to `count` samples; how many.
    pub fn skip(&mut self, count: usize) -> usize {
        let [(near, _), far] = self.waiting();
        let n = count.min(near as usize);
        if n > 0 {
            self.advance(NEAR, n);
        }
        if far.0 == 0 || n == count {
            return n;
        }
        n + self.walk_far(far, count - n, None)
    }

    #[inline]
    fn advance(&mut self, ring: usize, n: usize) {
        self.head[ring] = self.head[ring].wrapping_add(n as u32);
        self.end.own().read[ring].store(self.head[ring], Ordering::Release);
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
