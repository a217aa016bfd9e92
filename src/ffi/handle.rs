//! Handles are tokens: kind, index and generation in the shape of a pointer, never dereferenced.
//!
//! One table per kind. A slot is a word of state and the value itself, in pages that are never moved or freed; a look-up
//! is one atomic step in and one out, whatever other threads do, and takes no lock. Tokens have their kind in the top
//! byte, so that they are no canonical addresses: a host that follows one by mistake faults at once instead of reading
//! something.
//!
//! # Why it is right
//!
//! The state of a slot is one of (G: generation, n: users):
//!
//! | state        | who changes it, to what                                                                          |
//! |--------------|--------------------------------------------------------------------------------------------------|
//! | free G       | who took the slot off the free list, alone: writes the value, then `live G, 1` (`insert`)          |
//! | live G, n    | anybody with the token: `live G, n + 1` (`get`); a user: `live G, n - 1`; `gone G, n + 1` (`remove`) |
//! | gone G, n > 1 | a user: `gone G, n - 1`                                                                           |
//! | gone G, 1    | its only user, alone: drops the value, then `free G + 1`, and puts the slot on the free list       |
//!
//! - **A user has the value of its token.** Each way in compares the whole word, so it is taken from `live G` only, and G of
//!   a slot never comes back. The value is there: it was written before the release store of `live G, 1`, and every later
//!   state of that life was made by a read-modify-write from it, so that the acquire of a way in sees the value.
//! - **It lives until the last user leaves.** It is dropped in `gone G, 1` by its one user. Nobody enters `gone`, so that n
//!   only falls there, and one user only sees itself as the last. What the others did came before: each left by a release,
//!   all steps since are read-modify-writes (one release sequence), and the last user's fence acquires it.
//! - **A freed slot is nobody's but one's.** After `free G + 1` its index goes through the free list's lock to one taker, who
//!   therefore sees the drop. Late users of old tokens fail their comparison and change nothing.
//! - **Users one at a time** (`get_alone`) come from `live G, 0` only: the acquire sees the release of whoever left before.

use super::error::{voip_status, Fail, FfiResult};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr::null_mut;
use std::sync::atomic::{fence, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("handles need pointers of 64 bits");

const TAG_SHIFT: u32 = 56;
const INDEX_SHIFT: u32 = 32;
const MAX_INDEX: usize = (1 << 24) - 1;
/// Slots of the first page; each further one has twice as many.
const FIRST: usize = 16;
/// Enough for `MAX_INDEX`.
const PAGES: usize = 21;

/// The state of a slot: generation, this bit, number of users.
const LIVE: u64 = 1 << 31;
const USERS: u64 = LIVE - 1;

/// What kind of thing a handle names, and where its table is: a static of its own.
pub(crate) trait Kind: Send + Sync + Sized + 'static {
    /// The type that C sees.
    type Opaque;
    const TAG: u8;
    const NOUN: &'static str;
    fn table() -> &'static Table<Self>;
}

/// For the sentence about a handle of another kind.
const NOUNS: &[(u8, &str)] = &[
    (b'c' | 0x80, "config"),
    (b'a' | 0x80, "account config"),
    (b'P' | 0x80, "phone"),
    (b'A' | 0x80, "account"),
    (b'C' | 0x80, "call"),
    (b'm' | 0x80, "SIP message"),
    (b'd' | 0x80, "SDP"),
    (b's' | 0x80, "SRTP"),
    (b'u' | 0x80, "STUN builder"),
    (b'k' | 0x80, "codec"),
    (b'b' | 0x80, "PCM buffer"),
    (b'w' | 0x80, "WAV"),
    (b'r' | 0x80, "RTP session"),
    (b'x' | 0x80, "RTP mux"),
    (b'y' | 0x80, "sync group"),
    (b't' | 0x80, "DTMF detector"),
];

pub(crate) struct Table<T> {
    pages: [AtomicPtr<Slot<T>>; PAGES],
    free: Mutex<Free>,
}

/// Slots that can be taken. The last one freed goes first: it is warm.
struct Free {
    list: Vec<u32>,
    /// Slots below this were taken at least once.
    made: usize,
}

/// All zeros: free, never used.
#[repr(align(64))]
struct Slot<T> {
    state: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is written and dropped by one thread alone and shared in between, see above.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

/// The use of what a handle names. The last one drops a thing that was taken out of its table.
pub(crate) struct Ref<T: Kind> {
    slot: &'static Slot<T>,
    index: u32,
}

impl<T: Kind> Table<T> {
    pub const fn new() -> Table<T> {
        Table {
            pages: [const { AtomicPtr::new(null_mut()) }; PAGES],
            free: Mutex::new(Free { list: Vec::new(), made: 0 }),
        }
    }

    /// Puts in what `make` builds around its own token.
    pub fn insert(&'static self, make: impl FnOnce(usize) -> T) -> FfiResult<(usize, Ref<T>)> {
        let index = self.take_slot()?;
        let Some(slot) = self.slot(index) else {
            return Err(Fail::new(voip_status::VOIP_ERR_PANIC, "handle table out of step"));
        };
        // Generations begin with 1.
        let generation = (slot.state.load(Ordering::Relaxed) >> 32).max(1);
        let token = token::<T>(index, generation);
        let value = make(token);
        // SAFETY: the slot was on the free list, nobody else looks at its value.
        unsafe { (*slot.value.get()).write(value) };
        slot.state.store((generation << 32) | LIVE | 1, Ordering::Release);
        Ok((token, Ref { slot, index: index as u32 }))
    }

    /// The thing that a handle names, or the sentence why there is none.
    #[inline]
    pub fn get(&'static self, token: usize) -> FfiResult<Ref<T>> {
        self.enter(token, one_more).map_err(|no| no.sentence::<T>(token))
    }

    /// The same without a sentence.
    #[inline]
    pub fn find(&'static self, token: usize) -> Option<Ref<T>> {
        self.enter(token, one_more).ok()
    }

    /// The same for a thing that has one user at a time.
    #[inline]
    pub fn get_alone(&'static self, token: usize) -> FfiResult<Ref<T>> {
        self.enter(token, |seen| (seen & USERS == 0).then_some(seen + 1))
            .map_err(|no| no.sentence::<T>(token))
    }

    /// Takes it out: the token is stale from now on. Who uses it finishes.
    pub fn remove(&'static self, token: usize) -> FfiResult<Ref<T>> {
        self.enter(token, |seen| one_more(seen).map(|next| next & !LIVE))
            .map_err(|no| no.sentence::<T>(token))
    }

    /// Replaces the state as `step` says, as long as the token is not stale.
    #[inline]
    fn enter(&'static self, token: usize, step: impl Fn(u64) -> Option<u64>) -> Result<Ref<T>, No> {
        let (tag, index, generation) = split(token);
        if tag != T::TAG {
            return Err(No::Kind);
        }
        let Some(slot) = self.slot(index) else { return Err(No::Stale) };
        let live = (generation << 32) | LIVE;
        // At first as if nobody used it: so it is as a rule.
        let mut seen = live;
        loop {
            let next = step(seen).ok_or(No::Busy)?;
            match slot.state.compare_exchange(seen, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(Ref { slot, index: index as u32 }),
                Err(now) if now & !USERS != live => return Err(No::Stale),
                Err(now) => seen = now,
            }
        }
    }

    #[inline]
    fn slot(&self, index: usize) -> Option<&'static Slot<T>> {
        let (page, at) = place(index);
        let first = self.pages.get(page)?.load(Ordering::Acquire);
        // SAFETY: a page that is there has `FIRST << page` slots, more than `at`, for good.
        (!first.is_null()).then(|| unsafe { &*first.add(at) })
    }

    fn take_slot(&self) -> FfiResult<usize> {
        let mut free = self.free();
        if let Some(index) = free.list.pop() {
            return Ok(index as usize);
        }
        let index = free.made;
        if index > MAX_INDEX {
            let text = format!("more than {MAX_INDEX} {} handles", T::NOUN);
            return Err(Fail::new(voip_status::VOIP_ERR_LIMIT, text));
        }
        let (page, _) = place(index);
        if let Some(first) = self.pages.get(page).filter(|first| first.load(Ordering::Relaxed).is_null()) {
            // The free list has room for all of them: to give one back allocates nothing.
            free.list.reserve(index + (FIRST << page));
            first.store(new_page(FIRST << page), Ordering::Release);
        }
        free.made = index + 1;
        Ok(index)
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many slots that are all free. Memory that nobody has touched yet costs nothing.
fn new_page<T>(slots: usize) -> *mut Slot<T> {
    let align = align_of::<Slot<T>>();
    let memory = vec![0u8; size_of::<Slot<T>>() * slots + align].leak().as_mut_ptr();
    memory.wrapping_add(memory.align_offset(align)).cast()
}

#[inline]
fn place(index: usize) -> (usize, usize) {
    let n = index + FIRST;
    let page = (n.ilog2() - FIRST.ilog2()) as usize;
    (page, n - (FIRST << page))
}

impl<T: Kind> Deref for Ref<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: a slot with a user has its value, and nobody changes it.
        unsafe { (*self.slot.value.get()).assume_init_ref() }
    }
}

impl<T: Kind> Drop for Ref<T> {
    #[inline]
    fn drop(&mut self) {
        let before = self.slot.state.fetch_sub(1, Ordering::Release);
        if before & (LIVE | USERS) == 1 {
            self.last();
        }
    }
}

impl<T: Kind> Ref<T> {
    /// It was the last user of what has been taken out.
    #[cold]
    fn last(&mut self) {
        fence(Ordering::Acquire);
        // SAFETY: nobody else is in and nobody can enter: the value is there and ours.
        unsafe { (*self.slot.value.get()).assume_init_drop() };
        let generation = self.slot.state.load(Ordering::Relaxed) >> 32;
        // A slot whose generations are used up stays out of use: no token ever comes back.
        if generation < u64::from(u32::MAX) {
            self.slot.state.store((generation + 1) << 32, Ordering::Relaxed);
            T::table().free().list.push(self.index);
        }
    }
}

/// Looks a handle of C up.
#[inline]
pub(crate) fn get<T: Kind>(handle: *const T::Opaque) -> FfiResult<Ref<T>> {
    T::table().get(handle as usize)
}

/// Why a token leads nowhere.
enum No {
    Kind,
    Stale,
    Busy,
}

impl No {
    #[cold]
    fn sentence<T: Kind>(self, token: usize) -> Fail {
        match self {
            No::Kind => wrong_kind::<T>(token),
            No::Stale => stale::<T>(token),
            No::Busy => busy::<T>(),
        }
    }
}

#[inline]
fn one_more(seen: u64) -> Option<u64> {
    (seen & USERS != USERS).then_some(seen + 1)
}

fn token<T: Kind>(index: usize, generation: u64) -> usize {
    (usize::from(T::TAG) << TAG_SHIFT) | (index << INDEX_SHIFT) | generation as usize
}

#[inline]
fn split(token: usize) -> (u8, usize, u64) {
    ((token >> TAG_SHIFT) as u8, (token >> INDEX_SHIFT) & MAX_INDEX, (token & 0xffff_ffff) as u64)
}

fn wrong_kind<T: Kind>(token: usize) -> Fail {
    let tag = (token >> TAG_SHIFT) as u8;
    let text = match NOUNS.iter().find(|(t, _)| *t == tag) {
        _ if token == 0 => format!("the {} handle is NULL", T::NOUN),
        Some((_, noun)) => format!("{token:#x} is a handle of another kind ({noun}, not {})", T::NOUN),
        None => format!("{token:#x} is no {} handle", T::NOUN),
    };
    Fail::new(voip_status::VOIP_ERR_HANDLE, text)
}

fn stale<T: Kind>(token: usize) -> Fail {
    let text = format!("{} handle {token:#x} is stale: what it named was freed", T::NOUN);
    Fail::new(voip_status::VOIP_ERR_HANDLE, text)
}

fn busy<T: Kind>() -> Fail {
    let text = format!("another thread uses the {} right now", T::NOUN);
    Fail::new(voip_status::VOIP_ERR_BUSY, text)
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
