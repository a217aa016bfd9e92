//! An event counter that hosts wait on: the notifier never takes a lock, and enters the kernel only when somebody waits.

use super::call::Timeout;
use super::clock;
use super::futex;
use crate::util::Time;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Waits are for a condition elsewhere; `notify` follows each change of it.
#[derive(Debug, Default)]
pub struct Signal {
    sequence: AtomicU32,
    waiters: AtomicU32,
}

impl Signal {
    pub const fn new() -> Signal {
        Signal { sequence: AtomicU32::new(0), waiters: AtomicU32::new(0) }
    }

    pub fn notify(&self) {
        self.sequence.fetch_add(1, Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) > 0 {
            futex::wake(&self.sequence, i32::MAX);
        }
    }

    /// As `wait`, for a time that begins now. Nothing but the condition is looked at when it answers at once or may not wait.
    #[inline]
    pub fn wait_for<T>(&self, timeout: Timeout, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
        let answer = condition();
        if answer.is_some() || timeout == Some(Duration::ZERO) {
            return answer;
        }
        self.wait(clock::deadline(timeout), condition)
    }

    /// Asks `condition` until it answers, at first at once, then after each `notify`; None once the deadline is over.
    pub fn wait<T>(&self, deadline: Option<Time>, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            // Read before the condition: a change in between makes the kernel return at once.
            let seen = self.sequence.load(Ordering::SeqCst);
            if let Some(value) = condition() {
                return Some(value);
            }
            if deadline.is_some_and(|d| clock::now() >= d) {
                return None;
            }
            self.waiters.fetch_add(1, Ordering::SeqCst);
            futex::wait(&self.sequence, seen, deadline);
            self.waiters.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_wait_ends_with_the_change_or_with_its_deadline() {
        let signal = Arc::new(Signal::new());
        assert_eq!(signal.wait(Some(clock::now() + Duration::from_millis(5)), || None::<()>), None);
        let value = Arc::new(AtomicU32::new(0));
        let (s, v) = (signal.clone(), value.clone());
        let other = std::thread::spawn(move || {
            let read = || Some(v.load(Ordering::Acquire)).filter(|v| *v == 1000);
            s.wait(Some(clock::now() + Duration::from_secs(20)), read)
        });
        for _ in 0..1000 {
            value.fetch_add(1, Ordering::Release);
            signal.notify();
        }
        assert_eq!(other.join().unwrap(), Some(1000));
        assert_eq!(signal.waiters.load(Ordering::SeqCst), 0);
    }
}
