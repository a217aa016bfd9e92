//! One direction of a host's audio: an end of a ring behind a lock of one word, and what a read or a write must know
//! besides. What is behind a door is held for plain moves of data only.

use super::clock;
use super::futex;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::time::Duration;

/// How long a waiter sleeps that nobody wakes, see `Open::drop`.
const NAP: Duration = Duration::from_millis(1);

#[repr(C)]
pub struct Door<T> {
    /// 1: somebody is in.
    held: AtomicU32,
    waiters: AtomicU16,
    /// Nothing will come or go any more.
    over: AtomicBool,
    /// The host's samples are of 8 bits.
    eight: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: who has set `held` has the value alone.
unsafe impl<T: Send> Sync for Door<T> {}

/// The value, for one user.
pub struct Open<'a, T>(&'a Door<T>);

impl<T> Door<T> {
    pub fn new(value: T, eight: bool) -> Door<T> {
        Door {
            held: AtomicU32::new(0),
            waiters: AtomicU16::new(0),
            over: AtomicBool::new(false),
            eight: AtomicBool::new(eight),
            value: UnsafeCell::new(value),
        }
    }
    #[inline]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
    }
    #[inline]
    pub fn is_eight(&self) -> bool {
        self.eight.load(Ordering::Acquire)
    }
    pub fn set_eight(&self, eight: bool) {
        self.eight.store(eight, Ordering::Release);
    }

    /// None: another thread is in.
    #[inline]
    pub fn try_lock(&self) -> Option<Open<'_, T>> {
        let entered = self.held.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        // Made only then: one that is dropped gives the value free.
        entered.is_ok().then(|| Open(self))
    }
    #[inline]
    pub fn lock(&self) -> Open<'_, T> {
        self.try_lock().unwrap_or_else(|| self.wait())
    }
    #[cold]
    fn wait(&self) -> Open<'_, T> {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let open = loop {
            if let Some(open) = self.try_lock() {
                break open;
            }
            futex::wait(&self.held, 1, Some(clock::now() + NAP));
        };
        self.waiters.fetch_sub(1, Ordering::Relaxed);
        open
    }
}

impl<T> Deref for Open<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: nobody else is in.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Open<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: nobody else is in.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Open<'_, T> {
    /// A plain store: that two threads meet here is rare. The look at the waiters may come before it is seen; a waiter that
    /// goes to sleep just then is not woken, and wakes by itself.
    #[inline]
    fn drop(&mut self) {
        self.0.held.store(0, Ordering::Release);
        if self.0.waiters.load(Ordering::Relaxed) > 0 {
            futex::wake(&self.0.held, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_meet_at_a_door_go_through_it_one_at_a_time() {
        let door = Door::new((0u64, 0u64), false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let mut open = door.lock();
                        let pair = &mut *open;
                        pair.0 += 1;
                        assert_eq!(pair.0, pair.1 + 1);
                        pair.1 += 1;
                    }
                });
            }
        });
        let open = door.try_lock().expect("nobody is in");
        assert_eq!(*open, (80_000, 80_000));
        assert!(door.try_lock().is_none());
        assert_eq!(door.waiters.load(Ordering::SeqCst), 0);
    }
}
