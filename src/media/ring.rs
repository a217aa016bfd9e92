//! Wait-free queues of samples between a session and its host, each with one producer and one consumer; two of them, one
//! either way, in one piece of memory.
//!
//! An ordinary ring walks through all of its memory however little is in it: two seconds of room cost a call 64 KiB
//! that are cold in every cache. So a queue is a near ring of a few packets, and a list of segments for what does not fit
//! in there: each is made when the producer gets to it and goes when it was read, or back to the producer. The producer goes
//! back to the near ring, when that is free, as soon as that holds all there is, or else at the end of a segment, in the place
//! of the next one. The near ring begins at its front again whenever the producer finds it empty. All words that one side
//! of a pair writes lie in one cache line.

use super::ring_memory::{Segment, Shared, Side, HEAD_BYTES, LINE_SAMPLES, OPEN, SEGMENT};
use crate::util::{prefetch_bytes, prefetch_lines};
use core::ptr::null_mut;
use core::sync::atomic::Ordering;

pub use super::ring_memory::Marks;

/// 20 ms at 8,000 Hz.
const PACKET_LINES: usize = 160 / LINE_SAMPLES;

/// How large a queue is, in samples.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// It never holds more; at least 1, at most 2^28.
    pub capacity: usize,
    /// For so many there is always memory.
    pub near: usize,
}

/// One end of a queue. Positions count samples modulo 2^32.
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
    tail: u32,
    /// Where the next sample goes in the segment or ring that we are in.
    at: u32,
    /// Null: in the near ring.
    block: *mut Segment,
    /// No sample before this position is in the near ring; behind it, unless we are there, neither.
    near_from: u32,
    near_to: u32,
}

/// The reading end.
#[derive(Debug)]
pub struct RingReader {
    end: End,
    head: u32,
    /// Where the sample at `head` is or will be, or in what comes next. Null: the near ring.
    block: *mut Segment,
}

// SAFETY: a segment that an end is in is there until both have left it.
unsafe impl Send for RingWriter {}
// SAFETY: as above; a shared one only reads the words.
unsafe impl Sync for RingWriter {}
// SAFETY: as for the writer.
unsafe impl Send for RingReader {}
// SAFETY: as for the writer.
unsafe impl Sync for RingReader {}

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
        let block = null_mut();
        let writer = RingWriter { end: end(n as u32), tail: 0, at: 0, block, near_from: 0, near_to: 0 };
        (writer, RingReader { end: end(1 - n as u32), head: 0, block })
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
    fn read(&self) -> u32 {
        self.end.other().read.load(Ordering::Acquire)
    }
    /// Samples that a push would take.
    #[inline]
    pub fn space(&self) -> usize {
        (self.end.capacity - self.tail.wrapping_sub(self.read())) as usize
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

    /// The words of both queues.
    #[inline]
    pub fn prefetch_words(&self) {
        prefetch_lines::<2>(core::ptr::from_ref(self.end.pair.sides()).cast());
    }
    /// Where the next `count` samples will go, if the words are at hand.
    pub fn prefetch(&self, count: usize) {
        let is_empty = self.end.other().read.load(Ordering::Relaxed) == self.tail;
        let at = if is_empty || !self.block.is_null() { 0 } else { self.at };
        self.end.prefetch(at, count);
    }

    /// Takes as many as there is room for; how many.
    #[inline]
    pub fn push(&mut self, samples: &[i16]) -> usize {
        let read = self.read();
        let space = self.end.capacity - self.tail.wrapping_sub(read);
        let n = samples.len().min(space as usize);
        self.put(&samples[..n], read);
        n
    }

    /// Takes all or, if there is no room for all, nothing.
    #[inline]
    pub fn push_all(&mut self, samples: &[i16]) -> bool {
        let read = self.read();
        let fits = samples.len() <= (self.end.capacity - self.tail.wrapping_sub(read)) as usize;
        if fits {
            self.put(samples, read);
        }
        fits
    }

    #[inline]
    fn put(&mut self, samples: &[i16], read: u32) {
        if samples.is_empty() {
            return;
        }
        if !self.block.is_null() && self.is_small(samples.len(), read) {
            self.go_home();
        }
        let mut far = samples;
        if self.block.is_null() {
            if is_behind(self.near_from, read) {
                self.near_from = read;
            }
            let used = self.tail.wrapping_sub(self.near_from);
            let (near, rest) = samples.split_at(samples.len().min((self.end.room - used) as usize));
            self.put_near(near, used == 0);
            far = rest;
        }
        if !far.is_empty() {
            self.put_far(far, read);
        }
        self.end.own().written.store(self.word(), Ordering::Release);
    }

    #[inline]
    fn word(&self) -> u64 {
        u64::from(self.at) << 32 | u64::from(self.tail)
    }

    #[inline]
    fn put_near(&mut self, samples: &[i16], is_empty: bool) {
        let start = if is_empty { 0 } else { self.at };
        let [(to, first), (front, rest)] = self.end.pieces(start, samples.len());
        let (before, after) = samples.split_at(first);
        // SAFETY: the piece lies in the free part of the ring, which only the producer touches.
        unsafe { core::ptr::copy_nonoverlapping(before.as_ptr(), to, first) };
        if rest > 0 {
            // SAFETY: so does this one.
            unsafe { core::ptr::copy_nonoverlapping(after.as_ptr(), front, rest) };
        }
        let at = start + samples.len() as u32;
        self.at = if at >= self.end.room { at - self.end.room } else { at };
        self.tail = self.tail.wrapping_add(samples.len() as u32);
    }

    /// From where the near ring is full, or in a segment.
    #[cold]
    fn put_far(&mut self, samples: &[i16], read: u32) {
        let mut left = samples;
        while !left.is_empty() {
            if self.block.is_null() {
                self.near_to = self.tail;
                self.next_segment();
            } else if self.at as usize == SEGMENT && self.is_near_free(read) {
                self.go_home();
                let (near, rest) = left.split_at(left.len().min(self.end.room as usize));
                self.put_near(near, true);
                left = rest;
                continue;
            } else if self.at as usize == SEGMENT {
                self.next_segment();
            }
            let (now, later) = left.split_at(left.len().min(SEGMENT - self.at as usize));
            // SAFETY: the segment is there while the producer is in it, and what is not written is the producer's.
            unsafe {
                let to = Segment::samples(self.block).add(self.at as usize);
                core::ptr::copy_nonoverlapping(now.as_ptr(), to, now.len());
            }
            self.at += now.len() as u32;
            self.tail = self.tail.wrapping_add(now.len() as u32);
            left = later;
        }
    }

    fn next_segment(&mut self) {
        let (list, word) = (&self.end.own().list, self.word());
        let next = list.take();
        // SAFETY: we are in `block`; the next one is no ring.
        unsafe { list.go_on(self.block, word, next) };
        (self.block, self.at) = (next, 0);
    }

    /// The consumer has left the near ring, and that has room for all that waits and so many more.
    #[cold]
    fn is_small(&mut self, count: usize, read: u32) -> bool {
        self.is_near_free(read) && self.tail.wrapping_sub(read) as usize + count <= self.end.room as usize
    }

    /// The consumer has left the near ring, and so have we.
    fn is_near_free(&mut self, read: u32) -> bool {
        let is_free = read != self.near_to && is_behind(self.near_to, read);
        if is_free {
            // So that it stays comparable however long this lasts.
            self.near_to = read.wrapping_sub(1);
        }
        is_free
    }

    /// To the near ring.
    #[cold]
    fn go_home(&mut self) {
        // SAFETY: we are in `block`, and the consumer has read what was written after the near ring was left.
        unsafe { self.end.own().list.go_on(self.block, self.word(), null_mut()) };
        (self.block, self.at, self.near_from) = (null_mut(), 0, self.tail);
    }
}

/// Position `a` is before `b` or the same.
#[inline]
fn is_behind(a: u32, b: u32) -> bool {
    b.wrapping_sub(a) as i32 >= 0
}

impl RingReader {
    #[inline]
    fn written(&self) -> u64 {
        self.end.other().written.load(Ordering::Acquire)
    }
    /// Samples that a pop would give.
    pub fn available(&self) -> usize {
        (self.written() as u32).wrapping_sub(self.head) as usize
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

    /// Where the memory of the pair is.
    pub fn memory(&self) -> usize {
        self.end.pair.address()
    }
    /// The words of both queues of a pair that is there.
    #[inline]
    pub fn prefetch_words(memory: usize) {
        prefetch_lines::<2>(memory as *const u8);
    }
    /// And a packet at the front of the first one.
    #[inline]
    pub fn prefetch_front(memory: usize) {
        RingReader::prefetch_words(memory);
        prefetch_lines::<PACKET_LINES>((memory as *const u8).wrapping_add(HEAD_BYTES));
    }

    /// What the next `count` samples come from, if the words are at hand.
    pub fn prefetch(&self, count: usize) {
        let word = self.end.other().written.load(Ordering::Relaxed);
        let waiting = (word as u32).wrapping_sub(self.head);
        if self.block.is_null() && waiting <= self.end.room {
            self.end.prefetch(self.end.before((word >> 32) as u32, waiting), count);
        }
    }

    /// Gives as many as there are and fit; how many.
    #[inline]
    pub fn pop(&mut self, out: &mut [i16]) -> usize {
        let word = self.written();
        let waiting = (word as u32).wrapping_sub(self.head);
        let n = out.len().min(waiting as usize);
        if n == 0 {
            return 0;
        }
        if self.is_near() {
            self.get_near(&mut out[..n], self.end.before((word >> 32) as u32, waiting));
            self.head = self.head.wrapping_add(n as u32);
        } else {
            self.walk(word, n, Some(out));
        }
        self.publish();
        n
    }

    /// All that was written up to the word that was just looked at is in the near ring: a producer that leaves it says so
    /// before it writes more.
    #[inline]
    fn is_near(&self) -> bool {
        // SAFETY: the near ring is always there.
        self.block.is_null() && unsafe { self.end.other().list.link(null_mut()) }.closed() == OPEN
    }

    #[inline]
    fn get_near(&self, out: &mut [i16], at: u32) {
        let [(from, first), (front, rest)] = self.end.pieces(at, out.len());
        let (before, after) = out.split_at_mut(first);
        // SAFETY: the piece was filled by the producer, which leaves it alone until `read` moves on.
        unsafe { core::ptr::copy_nonoverlapping(from.cast_const(), before.as_mut_ptr(), first) };
        if rest > 0 {
            // SAFETY: so was this one.
            unsafe { core::ptr::copy_nonoverlapping(front.cast_const(), after.as_mut_ptr(), rest) };
        }
    }

    /// Goes past `count` samples, of those before `word`, and copies them if there is a place to.
    #[cold]
    fn walk(&mut self, word: u64, count: usize, mut out: Option<&mut [i16]>) {
        let list = &self.end.other().list;
        let mut passed = 0;
        loop {
            // SAFETY: we have not left it.
            let closed = unsafe { list.link(self.block) }.closed();
            let end = if closed == OPEN { word } else { closed };
            let here = (end as u32).wrapping_sub(self.head);
            let n = (count - passed).min(here as usize);
            if let Some(out) = out.as_mut().map(|out| &mut out[passed..passed + n]).filter(|_| n > 0) {
                self.get((end >> 32) as u32, here, out);
            }
            passed += n;
            self.head = self.head.wrapping_add(n as u32);
            if n == here as usize && closed != OPEN {
                // SAFETY: closed and read to its end.
                self.block = unsafe { list.pass(self.block) };
            }
            if passed == count {
                break;
            }
        }
        if self.head == word as u32 {
            list.drop_spare();
        }
    }

    /// The first of the `here` samples before `end` in the block that we are in.
    fn get(&self, end: u32, here: u32, out: &mut [i16]) {
        if self.block.is_null() {
            return self.get_near(out, self.end.before(end, here));
        }
        // SAFETY: the producer has written them and leaves them alone; the segment is there until both have left it.
        unsafe {
            let from = Segment::samples(self.block).add((end - here) as usize);
            core::ptr::copy_nonoverlapping(from.cast_const(), out.as_mut_ptr(), out.len());
        }
    }

    /// Forgets up to `count` samples; how many.
    pub fn skip(&mut self, count: usize) -> usize {
        let word = self.written();
        let n = count.min((word as u32).wrapping_sub(self.head) as usize);
        if n > 0 {
            self.walk(word, n, None);
            self.publish();
        }
        n
    }

    #[inline]
    fn publish(&self) {
        self.end.own().read.store(self.head, Ordering::Release);
    }
}

impl Drop for RingReader {
    fn drop(&mut self) {
        self.end.other().list.leave(self.block);
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
