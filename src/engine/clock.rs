//! The clock (CLOCK_MONOTONIC as `Time`) and the CSPRNG that the layers below are handed.

use super::call::Timeout;
use crate::proto::rtcp::NtpTime;
use crate::util::{Rng, Time};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds of CLOCK_MONOTONIC: the same origin that timerfd and futex deadlines count from.
pub fn now() -> Time {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the struct; CLOCK_MONOTONIC exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
    let seconds = u64::try_from(ts.tv_sec).unwrap_or(0);
    Time::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(ts.tv_nsec as u64))
}

/// The wall clock, as RTCP carries it.
pub fn wall() -> NtpTime {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    NtpTime::from_unix(since_epoch)
}

/// Turns the kernel's stamps of arrivals, which are in CLOCK_REALTIME, into instants of ours.
#[derive(Clone, Copy, Debug)]
pub struct Stamps {
    now: Time,
    wall_ns: u64,
}

/// A stamp that is older was taken by a wall clock that has been set since.
const OLDEST_STAMP_NS: u64 = 500_000_000;

impl Stamps {
    /// Good for stamps until about now.
    pub fn take() -> Stamps {
        let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call fills the struct; CLOCK_REALTIME exists everywhere.
        unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut ts) };
        let seconds = u64::try_from(ts.tv_sec).unwrap_or(0);
        Stamps {
            now: now(),
            wall_ns: seconds.saturating_mul(1_000_000_000).saturating_add(ts.tv_nsec as u64),
        }
    }
    pub fn now(&self) -> Time {
        self.now
    }
    /// When it came; without a stamp or with one that can't be, now.
    pub fn arrival(&self, stamp: Option<u64>) -> Time {
        let age =
            stamp.and_then(|stamp| self.wall_ns.checked_sub(stamp)).filter(|age| *age <= OLDEST_STAMP_NS);
        Time::from_nanos(self.now.as_nanos().saturating_sub(age.unwrap_or(0)))
    }
}

/// When a time-out that begins now is over; None for one that never is.
pub fn deadline(timeout: Timeout) -> Option<Time> {
    timeout.map(|t| now() + t)
}

pub fn timespec(at: Time) -> libc::timespec {
    let ns = at.as_nanos();
    let seconds = (ns / 1_000_000_000).min(i64::MAX as u64);
    libc::timespec { tv_sec: seconds as libc::time_t, tv_nsec: (ns % 1_000_000_000) as libc::c_long }
}

/// ChaCha12 seeded by the kernel.
pub struct OsRng(StdRng);

impl OsRng {
    pub fn new() -> OsRng {
        OsRng(StdRng::from_os_rng())
    }
}

impl Default for OsRng {
    fn default() -> OsRng {
        OsRng::new()
    }
}

impl Rng for OsRng {
    fn fill(&mut self, buf: &mut [u8]) {
        self.0.fill_bytes(buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_stamp_is_as_old_as_it_says_unless_the_wall_clock_was_set() {
        let stamps = Stamps { now: Time::from_secs(100), wall_ns: 5_000_000_000 };
        assert_eq!(stamps.arrival(Some(4_999_000_000)), Time::from_secs(100) - Duration::from_millis(1));
        for strange in [None, Some(5_000_000_001), Some(3_000_000_000)] {
            assert_eq!(stamps.arrival(strange), Time::from_secs(100));
        }
    }

    #[test]
    fn time_never_goes_backwards_and_random_bytes_differ() {
        let first = now();
        assert!(now() >= first);
        let (mut a, mut b) = (OsRng::new(), OsRng::new());
        assert_ne!(a.next_u64(), b.next_u64());
    }
}
