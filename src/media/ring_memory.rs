//! What two sides of a pair of queues share: the words that each of them writes, the near rings behind these in the same
//! piece of memory, and the segments that a queue has while it holds more than its near ring.

use crate::util::pool::{Block, Quarter, QUARTER};
use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::{null_mut, NonNull};
use core::sync::atomic::{fence, AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Samples of a segment: with its header a quarter of a page.
pub(super) const SEGMENT: usize = (QUARTER - size_of::<Link>()) / 2;
pub(super) const LINE_SAMPLES: usize = 32;

/// What one side writes, as the producer of one queue and the consumer of the other. One cache line.
#[derive(Default, Debug)]
#[repr(C, align(64))]
pub(super) struct Side {
    /// As the producer: the position behind the newest sample (low half) and where in its ring or segment the next one goes
    /// (high half), in one word so that the consumer never sees one without the other.
    pub written: AtomicU64,
    /// As the producer.
    pub list: List,
    pub marks: Marks,
    /// As the consumer: the position of the oldest sample.
    pub read: AtomicU32,
    /// One of its ends is.
    pub gone: AtomicBool,
}

/// Two words of a side for whoever uses the queues.
#[derive(Default, Debug)]
pub struct Marks {
    pub flag: AtomicBool,
    pub count: AtomicU64,
}

/// Of a ring or segment that the producer is in.
pub(super) const OPEN: u64 = u64::MAX;

/// Where a ring or segment ends, and what comes then.
#[derive(Debug)]
pub(super) struct Link {
    /// `written` as it was when the producer went on to the next one; `OPEN` before.
    closed: AtomicU64,
    /// Null: the near ring.
    next: AtomicPtr<Segment>,
}

#[repr(C)]
pub(super) struct Segment {
    link: Link,
    samples: [MaybeUninit<i16>; SEGMENT],
}

/// What a queue consists of: the near ring and segments, in the order in which they were written, each at most once.
#[derive(Default, Debug)]
pub(super) struct List {
    near: Link,
    /// A segment that was read to its end, for the producer.
    spare: AtomicPtr<Segment>,
    /// Where the consumer was when it went.
    left_at: AtomicPtr<Segment>,
}

impl Default for Link {
    fn default() -> Link {
        Link { closed: AtomicU64::new(OPEN), next: AtomicPtr::new(null_mut()) }
    }
}

impl Link {
    #[inline]
    pub fn closed(&self) -> u64 {
        self.closed.load(Ordering::Acquire)
    }
}

#[cfg(test)]
thread_local! {
    /// Segments that this thread has made and not freed.
    pub(super) static LIVE: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

impl Segment {
    fn made() -> *mut Segment {
        let segment = Quarter::new().into_raw().cast::<Segment>();
        // SAFETY: the memory is ours. The samples need no value.
        unsafe { (&raw mut (*segment).link).write(Link::default()) };
        #[cfg(test)]
        LIVE.set(LIVE.get() + 1);
        segment
    }
    /// # Safety
    /// `segment` is null or one of ours that nobody will touch any more.
    unsafe fn free(segment: *mut Segment) {
        if !segment.is_null() {
            #[cfg(test)]
            LIVE.set(LIVE.get() - 1);
            // SAFETY: it was made by `made`.
            drop(unsafe { Quarter::from_raw(segment.cast()) });
        }
    }
    /// # Safety
    /// `segment` lives.
    pub unsafe fn samples(segment: *mut Segment) -> *mut i16 {
        // SAFETY: as promised.
        unsafe { (&raw mut (*segment).samples).cast() }
    }
}

impl List {
    /// Of the near ring (null) or a segment.
    ///
    /// # Safety
    /// It lives: the producer is in it, or the consumer has not left it.
    #[inline]
    pub unsafe fn link(&self, block: *mut Segment) -> &Link {
        if block.is_null() {
            return &self.near;
        }
        // SAFETY: as promised.
        unsafe { &(*block).link }
    }

    /// For the producer: a segment that nobody else knows.
    pub fn take(&self) -> *mut Segment {
        let spare = self.spare.swap(null_mut(), Ordering::Acquire);
        if spare.is_null() {
            return Segment::made();
        }
        // SAFETY: the consumer is done with a spare one and has it here by a release.
        unsafe { (&raw mut (*spare).link).write(Link::default()) };
        spare
    }
    /// For the producer: from here on to `next`, null for the near ring.
    ///
    /// # Safety
    /// The producer is in `block`, and the consumer has left the near ring if that is what comes.
    pub unsafe fn go_on(&self, block: *mut Segment, word: u64, next: *mut Segment) {
        if next.is_null() {
            self.near.closed.store(OPEN, Ordering::Relaxed);
        }
        // SAFETY: as promised.
        let link = unsafe { self.link(block) };
        link.next.store(next, Ordering::Relaxed);
        link.closed.store(word, Ordering::Release);
    }
    /// For the consumer: from here, where all was read and which is closed, to the next one.
    ///
    /// # Safety
    /// Only then.
    pub unsafe fn pass(&self, block: *mut Segment) -> *mut Segment {
        // SAFETY: the consumer has not left it.
        let next = unsafe { self.link(block) }.next.load(Ordering::Relaxed);
        let before = match (block.is_null(), next.is_null()) {
            (true, _) => null_mut(),
            // In the near ring, as is the producer, who needs no other one soon.
            (false, true) if self.near.closed() == OPEN => {
                self.drop_spare();
                block
            }
            (false, _) => self.spare.swap(block, Ordering::AcqRel),
        };
        // SAFETY: both ends have left it.
        unsafe { Segment::free(before) };
        next
    }
    /// For the consumer that has read all there was.
    pub fn drop_spare(&self) {
        // SAFETY: out of its place it is ours alone.
        unsafe { Segment::free(self.spare.swap(null_mut(), Ordering::Acquire)) };
    }
    pub fn leave(&self, block: *mut Segment) {
        self.left_at.store(block, Ordering::Relaxed);
    }
    /// Both ends are gone.
    fn free_all(&self) {
        self.drop_spare();
        let mut block = self.left_at.load(Ordering::Relaxed);
        loop {
            // SAFETY: from where the consumer was on all are there.
            let link = unsafe { self.link(block) };
            let (is_last, next) = (link.closed() == OPEN, link.next.load(Ordering::Relaxed));
            // SAFETY: each is in the list once.
            unsafe { Segment::free(block) };
            if is_last {
                return;
            }
            block = next;
        }
    }
}

const _: () = assert!(size_of::<Side>() == 64 && size_of::<Segment>() == QUARTER);

#[repr(C, align(64))]
struct Head {
    sides: [Side; 2],
    refs: AtomicUsize,
    memory: Block,
}

pub(super) const HEAD_BYTES: usize = size_of::<Head>();

/// Counted; the near rings lie behind it.
pub(super) struct Shared(NonNull<Head>);

// SAFETY: the words are atomics; who may touch which samples is said in `ring`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// With room for so many samples, which are not cleared, so that they are not touched.
    pub fn new(samples: usize) -> Shared {
        let bytes = size_of::<Head>() + 2 * samples.next_multiple_of(LINE_SAMPLES);
        // invariant: at most some GiB.
        let layout = Layout::from_size_align(bytes, align_of::<Head>()).expect("a size");
        let memory = Block::new(layout);
        let head = memory.as_ptr().cast::<Head>();
        // SAFETY: it has room for the head and is aligned for it.
        unsafe { head.write(Head { sides: Default::default(), refs: AtomicUsize::new(1), memory }) };
        // SAFETY: a block is somewhere.
        Shared(unsafe { NonNull::new_unchecked(head) })
    }
    fn head(&self) -> &Head {
        // SAFETY: it lives as long as somebody has a reference.
        unsafe { self.0.as_ref() }
    }
    #[inline]
    pub fn sides(&self) -> &[Side; 2] {
        &self.head().sides
    }
    pub fn address(&self) -> usize {
        self.0.addr().get()
    }
    #[inline]
    pub fn samples(&self) -> *mut i16 {
        self.0.as_ptr().wrapping_add(1).cast()
    }
}

impl Clone for Shared {
    fn clone(&self) -> Shared {
        self.head().refs.fetch_add(1, Ordering::Relaxed);
        Shared(self.0)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.head().refs.fetch_sub(1, Ordering::Release) > 1 {
            return;
        }
        fence(Ordering::Acquire);
        // SAFETY: it was the last reference, and all that others did came before.
        let head = unsafe { self.0.as_ref() };
        head.sides.iter().for_each(|side| side.list.free_all());
        // SAFETY: nothing else in the head has a destructor, and it is not looked at again.
        drop(unsafe { core::ptr::read(&raw const (*self.0.as_ptr()).memory) });
    }
}
