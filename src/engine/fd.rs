//! Descriptors that threads wake each other with (eventfd), and how many of all kinds there may be.

use super::clock;
use super::error::{Error, Result};
use crate::util::Time;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

fn owned(fd: RawFd, what: &str) -> Result<OwnedFd> {
    if fd < 0 {
        return Err(Error::system(what, &io::Error::last_os_error()));
    }
    // SAFETY: the kernel just made this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Readable from `set` until `clear`.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    pub fn new() -> Result<EventFd> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        owned(fd, "eventfd").map(EventFd)
    }
    pub fn set(&self) {
        let one = 1u64;
        // SAFETY: eight readable bytes. A full counter stays readable, which is all that counts.
        unsafe { libc::write(self.0.as_raw_fd(), (&one as *const u64).cast(), 8) };
    }
    pub fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: eight writable bytes.
        unsafe { libc::read(self.0.as_raw_fd(), (&mut count as *mut u64).cast(), 8) };
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Wakes a thread that polls for edges; many wakes before it looks cost one write, and looking costs nothing.
#[derive(Debug)]
pub struct Wake {
    fd: EventFd,
    pending: AtomicBool,
}

impl Wake {
    pub fn new() -> Result<Wake> {
        Ok(Wake { fd: EventFd::new()?, pending: AtomicBool::new(false) })
    }
    pub fn wake(&self) {
        if !self.pending.swap(true, Ordering::SeqCst) {
            self.fd.set();
        }
    }
    /// To be called before the queues are read, so that what comes later wakes again. The descriptor stays readable:
    /// each write is an edge of its own, and the sum of all that will ever be written fits.
    pub fn clear(&self) {
        self.pending.store(false, Ordering::SeqCst);
    }
}

impl AsRawFd for Wake {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Readable once an instant is over. (A poll's own time-out counts in whole milliseconds.)
#[derive(Debug)]
pub struct TimerFd {
    fd: OwnedFd,
    armed: Option<Time>,
}

impl TimerFd {
    pub fn new() -> Result<TimerFd> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
        Ok(TimerFd { fd: owned(fd, "timerfd")?, armed: None })
    }
    /// Does nothing if it is set so already.
    pub fn arm(&mut self, at: Option<Time>) {
        if self.armed == at {
            return;
        }
        self.armed = at;
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // An instant of zero would disarm; instants that are over fire at once.
        let value = at.map_or(zero, |t| clock::timespec(t.max(Time::from_nanos(1))));
        let spec = libc::itimerspec { it_interval: zero, it_value: value };
        // SAFETY: the struct lives until the call returns; the old value isn't asked for.
        unsafe {
            let flags = libc::TFD_TIMER_ABSTIME;
            libc::timerfd_settime(self.fd.as_raw_fd(), flags, &spec, std::ptr::null_mut());
        }
    }
    /// To be called when it was readable.
    pub fn clear(&mut self) {
        let mut count = 0u64;
        // SAFETY: eight writable bytes.
        unsafe { libc::read(self.fd.as_raw_fd(), (&mut count as *mut u64).cast(), 8) };
        self.armed = None;
    }
}

impl AsRawFd for TimerFd {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Descriptors that this process may open, and how many are open by a rough count.
pub fn descriptor_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call fills the struct.
    let rc = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    if rc == 0 {
        limit.rlim_cur
    } else {
        u64::MAX
    }
}

#[cfg(test)]
pub fn readable(fd: RawFd, timeout_ms: i32) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd.
    unsafe { libc::poll(&mut poll, 1, timeout_ms) == 1 }
}

#[cfg(test)]
mod tests {
    use super::super::epoll::{Epoll, Ready};
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_timer_is_exact_below_a_millisecond_and_never_early() {
        let mut timer = TimerFd::new().unwrap();
        let at = clock::now() + Duration::from_micros(300);
        timer.arm(Some(at));
        assert!(readable(timer.as_raw_fd(), 5000));
        assert!(clock::now() >= at);
        timer.clear();
        assert!(!readable(timer.as_raw_fd(), 0));
    }

    #[test]
    fn a_wake_is_an_edge_of_its_own_after_each_look_and_none_before() {
        let (wake, epoll, mut ready) = (Wake::new().unwrap(), Epoll::new().unwrap(), Ready::new(4));
        epoll.add(wake.as_raw_fd(), 7).unwrap();
        let mut edges = || {
            epoll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
            ready.len()
        };
        assert_eq!(edges(), 0);
        for _ in 0..3 {
            wake.wake();
            wake.wake();
            assert_eq!((edges(), edges()), (1, 0));
            wake.wake();
            assert_eq!(edges(), 0, "it was woken already and has not looked");
            wake.clear();
        }
    }
}
