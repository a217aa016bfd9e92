//! Readiness for a media worker: epoll with edges, 64-bit tokens and time-outs in nanoseconds.
//!
//! The control thread uses mio, whose poll counts in whole milliseconds; a worker's deadlines are finer, and arming a
//! timer descriptor for each would cost two system calls a wake-up.

use super::clock;
use super::error::{Error, Result};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Kernels before 5.11 have no epoll_pwait2: milliseconds must do then.
static COARSE: AtomicBool = AtomicBool::new(false);

#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

/// What one wait found.
pub struct Ready {
    events: Vec<libc::epoll_event>,
    count: usize,
}

impl Ready {
    pub fn new(capacity: usize) -> Ready {
        Ready { events: vec![libc::epoll_event { events: 0, u64: 0 }; capacity.max(1)], count: 0 }
    }
    pub fn tokens(&self) -> impl Iterator<Item = u64> + '_ {
        self.events.iter().take(self.count).map(|event| event.u64)
    }
    pub fn len(&self) -> usize {
        self.count
    }
}

impl Epoll {
    pub fn new() -> Result<Epoll> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(Error::system("epoll", &io::Error::last_os_error()));
        }
        // SAFETY: the kernel just made this descriptor and nobody else knows it.
        Ok(Epoll { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Tells once each time that something to read has come; what is left unread is not told again.
    pub fn add(&self, fd: RawFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token)
    }
    /// What is there already is told anew.
    pub fn look_again(&self, fd: RawFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token)
    }
    /// Tells nothing of it any more. A socket that nobody watches is cheaper for each packet, also for those that it sends:
    /// the kernel wakes whoever watches, whatever he waits for.
    pub fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0)
    }

    fn control(&self, operation: libc::c_int, fd: RawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: token };
        // SAFETY: the event lives until the call returns.
        let rc = unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), operation, fd, &mut event) };
        if rc < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Waits until something is ready or the time is over (None: for ever).
    pub fn wait(&self, ready: &mut Ready, timeout: Option<Duration>) -> io::Result<()> {
        ready.count = 0;
        let n = match timeout {
            Some(t) if !t.is_zero() && !COARSE.load(Ordering::Relaxed) => self.wait_fine(ready, t),
            other => self.wait_coarse(ready, other),
        };
        match usize::try_from(n) {
            Ok(n) => ready.count = n.min(ready.events.len()),
            Err(_) => {
                let error = io::Error::last_os_error();
                match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::ENOSYS | libc::EPERM) => COARSE.store(true, Ordering::Relaxed),
                    _ => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn wait_fine(&self, ready: &mut Ready, timeout: Duration) -> i64 {
        let spec = clock::timespec(crate::util::Time::from_nanos(timeout.as_nanos() as u64));
        let (room, fd) = (ready.events.len() as libc::c_int, self.fd.as_raw_fd());
        let (none, mask_bytes) = (std::ptr::null::<libc::sigset_t>(), 8usize);
        // SAFETY: the events have room for `room`, the timespec lives until the call returns, no mask is given.
        unsafe {
            let at = ready.events.as_mut_ptr();
            libc::syscall(libc::SYS_epoll_pwait2, fd, at, room, &spec, none, mask_bytes)
        }
    }

    fn wait_coarse(&self, ready: &mut Ready, timeout: Option<Duration>) -> i64 {
        let ms =
            timeout.map_or(-1, |t| t.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as libc::c_int);
        let room = ready.events.len() as libc::c_int;
        // SAFETY: the events have room for `room`.
        i64::from(unsafe { libc::epoll_wait(self.fd.as_raw_fd(), ready.events.as_mut_ptr(), room, ms) })
    }
}

/// Readable while something is ready: for a host's loop.
impl AsRawFd for Epoll {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// The calling thread's time-outs end within a microsecond of their time instead of within 50.
pub fn exact_timeouts() {
    // SAFETY: takes no pointers.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000usize, 0usize, 0usize, 0usize) };
}

#[cfg(test)]
mod tests {
    use super::super::fd::EventFd;
    use super::*;

    #[test]
    fn an_edge_is_told_once_and_a_wait_ends_with_its_time() {
        let (epoll, event, mut ready) = (Epoll::new().unwrap(), EventFd::new().unwrap(), Ready::new(8));
        epoll.add(event.as_raw_fd(), u64::MAX - 3).unwrap();
        epoll.wait(&mut ready, Some(Duration::from_micros(300))).unwrap();
        assert_eq!(ready.len(), 0);
        event.set();
        epoll.wait(&mut ready, None).unwrap();
        assert_eq!(ready.tokens().collect::<Vec<_>>(), [u64::MAX - 3]);
        epoll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert_eq!(ready.len(), 0);
        event.set();
        epoll.wait(&mut ready, Some(Duration::from_secs(5))).unwrap();
        assert_eq!(ready.len(), 1);
        epoll.look_again(event.as_raw_fd(), 6).unwrap();
        epoll.wait(&mut ready, Some(Duration::from_secs(5))).unwrap();
        assert_eq!(ready.tokens().collect::<Vec<_>>(), [6]);
        epoll.remove(event.as_raw_fd()).unwrap();
        event.set();
        epoll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert_eq!(ready.len(), 0);
        epoll.add(event.as_raw_fd(), 7).unwrap();
        epoll.wait(&mut ready, Some(Duration::from_secs(5))).unwrap();
        assert_eq!(ready.tokens().collect::<Vec<_>>(), [7]);
    }
}
