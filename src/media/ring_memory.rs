//! What two sides of a pair of queues share: the words that each of them writes, the near rings behind these in the same
//! piece of memory, and the segments that a queue has while it holds more than its near ring.

use core::mem::MaybeUninit;
use core::ptr::{null_mut, NonNull};
use core::sync::atomic::{fence, AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::alloc::{alloc, dealloc, handle_alloc_error, Layout};

/// Samples of a segment: with its header the largest piece that the C library's fastest lists keep. A power of two.
pub(super) const SEGMENT: usize = 512;
pub(super) const LINE_SAMPLES: usize = 32;

/// What one side writes, as the producer of one queue and the consumer of the other. One cache line.
#[derive(Default, Debug)]
#[repr(C, align(64))]
pub(super) struct Side {
    /// As the producer, of the near ring and of the segments: the position behind the newest sample (low half) and where in
    /// the ring or the segment the next one goes (high half), in one word so that the consumer never sees one without the
    /// other.
    pub written: [AtomicU64; 2],
    /// As the consumer: the position of the oldest sample.
    pub read: [AtomicU32; 2],
    pub segments: Segments,
    pub marks: Marks,
    /// One of its ends is.
    pub gone: AtomicBool,
}

/// Two words of a side for whoever uses the queues.
#[derive(Default, Debug)]
pub struct Marks {
    pub flag: AtomicBool,
    pub count: AtomicU64,
}

/// The segments of the queue that this side writes.
#[derive(Default, Debug)]
pub(super) struct Segments {
    /// The one that the oldest sample is or will be in; each leads to the next, the last one is the producer's. The producer
    /// writes it while nothing is in them, the consumer while something is.
    pub first: AtomicPtr<Segment>,
    /// One that was read to its end, for the producer.
    spare: AtomicPtr<Segment>,
}

#[repr(C)]
pub(super) struct Segment {
    pub next: AtomicPtr<Segment>,
    samples: [MaybeUninit<i16>; SEGMENT],
}

#[cfg(test)]
thread_local! {
    /// Segments that this thread has made and not freed.
    pub(super) static LIVE: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

impl Segment {
    fn boxed() -> *mut Segment {
        let mut segment = Box::<Segment>::new_uninit();
        let at = segment.as_mut_ptr();
        // SAFETY: the memory is ours. The samples need no value.
        unsafe { (&raw mut (*at).next).write(AtomicPtr::new(null_mut())) };
        #[cfg(test)]
        LIVE.set(LIVE.get() + 1);
        Box::into_raw(segment).cast()
    }
    /// # Safety
    /// `segment` is null or one of ours that nobody will touch any more.
    unsafe fn free(segment: *mut Segment) {
        if !segment.is_null() {
            #[cfg(test)]
            LIVE.set(LIVE.get() - 1);
            // SAFETY: it was made by `boxed`.
            drop(unsafe { Box::from_raw(segment.cast::<MaybeUninit<Segment>>()) });
        }
    }
    /// # Safety
    /// `segment` lives.
    pub unsafe fn samples(segment: *mut Segment) -> *mut i16 {
        // SAFETY: as promised.
        unsafe { (&raw mut (*segment).samples).cast() }
    }
}

impl Segments {
    /// For the producer: a segment that nobody else knows.
    pub fn take(&self) -> *mut Segment {
        let spare = self.spare.swap(null_mut(), Ordering::Acquire);
        if spare.is_null() {
            return Segment::boxed();
        }
        // SAFETY: the consumer is done with a spare one and has it here by a release.
        unsafe { (*spare).next.store(null_mut(), Ordering::Relaxed) };
        spare
    }
    /// For the consumer: the first one is read to its end.
    ///
    /// # Safety
    /// Only from there, with `first` as it is now and a next one behind it.
    pub unsafe fn pass(&self, first: *mut Segment) -> *mut Segment {
        // SAFETY: it lives until here; the producer linked it before it published the last sample in it.
        let next = unsafe { (*first).next.load(Ordering::Acquire) };
        self.first.store(next, Ordering::Relaxed);
        let before = self.spare.swap(first, Ordering::AcqRel);
        // SAFETY: out of the list and not taken by the producer.
        unsafe { Segment::free(before) };
        next
    }
    /// For the consumer that has read all there was: the producer hardly needs another one soon.
    pub fn drop_spare(&self) {
        // SAFETY: out of the slot it is ours alone.
        unsafe { Segment::free(self.spare.swap(null_mut(), Ordering::Acquire)) };
    }
    /// For the producer that finds them all read: nothing is left of them.
    ///
    /// # Safety
    /// Only then, with the last one.
    pub unsafe fn end(&self, last: *mut Segment) {
        self.first.store(null_mut(), Ordering::Relaxed);
        self.drop_spare();
        // SAFETY: the consumer does not look at it before something is in the segments again.
        unsafe { Segment::free(last) };
    }
    fn free_all(&mut self) {
        let mut segment = core::mem::replace(self.first.get_mut(), null_mut());
        while !segment.is_null() {
            // SAFETY: both ends are gone; each segment is in the list once.
            let next = unsafe { (*segment).next.load(Ordering::Relaxed) };
            // SAFETY: as above.
            unsafe { Segment::free(segment) };
            segment = next;
        }
        // SAFETY: as above; the spare one is not in the list.
        unsafe { Segment::free(core::mem::replace(self.spare.get_mut(), null_mut())) };
    }
    /// How many there are. Only while nobody is at work.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        let mut count = usize::from(!self.spare.load(Ordering::Acquire).is_null());
        let mut segment = self.first.load(Ordering::Acquire);
        while !segment.is_null() {
            count += 1;
            // SAFETY: it lives while it is in the list.
            segment = unsafe { (*segment).next.load(Ordering::Acquire) };
        }
        count
    }
}

#[repr(C, align(64))]
struct Head {
    sides: [Side; 2],
    refs: AtomicUsize,
    layout: Layout,
}

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
        // SAFETY: the size is not 0.
        let Some(memory) = NonNull::new(unsafe { alloc(layout) }.cast::<Head>()) else {
            handle_alloc_error(layout)
        };
        // SAFETY: it has room for the head and is aligned for it.
        unsafe { memory.write(Head { sides: Default::default(), refs: AtomicUsize::new(1), layout }) };
        Shared(memory)
    }
    fn head(&self) -> &Head {
        // SAFETY: it lives as long as somebody has a reference.
        unsafe { self.0.as_ref() }
    }
    #[inline]
    pub fn sides(&self) -> &[Side; 2] {
        &self.head().sides
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
        let head = unsafe { self.0.as_mut() };
        head.sides.iter_mut().for_each(|side| side.segments.free_all());
        // SAFETY: made with this layout; nothing in the head has a destructor.
        unsafe { dealloc(self.0.as_ptr().cast(), head.layout) };
    }
}
