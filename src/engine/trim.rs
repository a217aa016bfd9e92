//! Gives memory back after a crowd of calls has gone. The C library keeps what was freed, for good if need be; a phone
//! that has had its peak should be as small as before.

use super::config::ThreadHook;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use super::pages;
use super::thread;
use crate::util::{pool, Time};
use std::time::Duration;

/// Below so many calls there is nothing worth the search.
const CROWD: usize = 64;
/// When the last call has ended, and when its transactions are over too (64 T1, RFC 3261 section 17).
const LOOKS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(33)];

#[derive(Default)]
pub struct Trim {
    peak: usize,
    looks: usize,
    at: Option<Time>,
}

impl Trim {
    /// So many calls live now.
    pub fn calls(&mut self, now: Time, calls: usize) {
        self.peak = self.peak.max(calls);
        if calls > 0 {
            self.at = None;
        } else if self.peak >= CROWD && self.at.is_none() {
            self.looks = 0;
            self.plan(now);
        }
    }
    pub fn next_deadline(&self) -> Option<Time> {
        self.at
    }

    /// True: now.
    pub fn is_due(&mut self, now: Time) -> bool {
        if self.at.is_none_or(|at| at > now) {
            return false;
        }
        self.looks += 1;
        self.plan(now);
        true
    }

    fn plan(&mut self, now: Time) {
        self.at = LOOKS.get(self.looks).map(|after| now + *after);
        if self.at.is_none() {
            self.peak = 0;
        }
    }
}

/// Hands freed memory back to the system: that of all threads, but for what the others keep for themselves. So each
/// thread that had to do with the crowd calls it. Takes some milliseconds.
pub fn give_back(hook: Option<ThreadHook>) {
    pool::trim();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        empty_cache(hook);
        trim_all();
        empty_end();
        trim_all();
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    drop(hook);
}

/// The C library keeps some freed blocks of each small size for the thread that freed them. After a crowd they lie
/// anywhere, and each holds a page. There is no call that gives them up; a thread that ends does.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn empty_cache(hook: Option<ThreadHook>) {
    /// The sizes, and how many of each, that glibc keeps.
    const LARGEST: usize = 1032;
    const STEP: usize = 16;
    const EACH: usize = 7;
    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(EACH * (LARGEST / STEP + 1));
    for size in (24..=LARGEST).step_by(STEP) {
        kept.extend((0..EACH).map(|_| Vec::with_capacity(size)));
    }
    if let Ok(thread) = thread::spawn("voip-trim", hook, move || drop(std::hint::black_box(kept))) {
        let _ = thread.join();
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim_all() {
    // SAFETY: takes no pointers, and may be called at any time from any thread.
    unsafe { libc::malloc_trim(0) };
}

/// Of the heap that a thread has for itself `malloc_trim` leaves the end alone, what lies behind the last block. Here all
/// that is free is taken in large blocks until the heap has to grow for one: then they were its end, too.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn empty_end() {
    /// Smaller than what the C library maps by itself.
    const BLOCK: usize = 64 << 10;
    const MOST: usize = 256;
    /// Between two looks at its size, each of which goes through all that is free.
    const LOOK: usize = 4;
    // SAFETY: takes no pointers.
    let size = || unsafe { libc::mallinfo() }.arena;
    let (before, mut blocks) = (size(), Vec::with_capacity(MOST));
    while blocks.len() < MOST {
        let mut block = Vec::<u8>::with_capacity(BLOCK);
        if let Some(room) = std::ptr::NonNull::new(block.as_mut_ptr()) {
            // SAFETY: the room of a vector without elements.
            unsafe { pages::forget(room, BLOCK) };
        }
        blocks.push(block);
        if blocks.len() % LOOK == 0 && size() != before {
            break;
        }
    }
    std::hint::black_box(blocks);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of these addresses lie in pages that are in memory.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn resident(places: &[usize]) -> usize {
        // SAFETY: takes no pointers.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
        let is = |at: &&usize| {
            let mut state = 0u8;
            // SAFETY: one page, of a mapping of the C library's or of none; a byte for its state.
            let done = unsafe { libc::mincore((**at / page * page) as *mut _, 1, (&raw mut state).cast()) };
            done == 0 && state & 1 == 1
        };
        places.iter().filter(is).count()
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn the_end_of_a_threads_heap_is_given_back_though_the_c_library_leaves_it() {
        let done = std::thread::spawn(|| {
            // After something this large it gives back less by itself.
            drop(std::hint::black_box(vec![1u8; 8 << 20]));
            drop((0..200).map(|_| vec![7; 1500]).collect::<Vec<Vec<u8>>>());
            let left = |places: &mut Vec<usize>| {
                // What comes next lies there, and nobody has touched it.
                let next: Vec<Vec<u8>> = (0..4).map(|_| Vec::with_capacity(60_000)).collect();
                places.extend(next.iter().flat_map(|v| (1..14).map(|n| v.as_ptr() as usize + n * 4096)));
                resident(places)
            };
            let mut places = Vec::with_capacity(100);
            trim_all();
            let before = left(&mut places);
            empty_end();
            places.clear();
            (before, left(&mut places))
        });
        let (before, after) = done.join().unwrap();
        // The page in which each block begins stays.
        assert!(before == 52 && after <= 8, "of 52 pages {before}, then {after} were there");
    }

    #[test]
    fn a_crowd_that_has_gone_is_looked_after_twice_and_a_few_calls_never() {
        let (mut trim, at) = (Trim::default(), Time::from_secs);
        trim.calls(at(1), 63);
        trim.calls(at(2), 0);
        assert_eq!(trim.next_deadline(), None);
        trim.calls(at(3), 64);
        trim.calls(at(4), 0);
        assert!(!trim.is_due(at(4)));
        assert!(trim.is_due(at(5)));
        assert_eq!(trim.next_deadline(), Some(at(38)));
        assert!(trim.is_due(at(38)));
        assert_eq!(trim.next_deadline(), None);
        trim.calls(at(50), 0);
        assert_eq!(trim.next_deadline(), None);
    }

    #[test]
    fn a_call_that_comes_meanwhile_puts_it_off() {
        let (mut trim, at) = (Trim::default(), Time::from_secs);
        trim.calls(at(1), 100);
        trim.calls(at(2), 0);
        trim.calls(at(2), 1);
        assert_eq!(trim.next_deadline(), None);
        trim.calls(at(9), 0);
        assert_eq!(trim.next_deadline(), Some(at(10)));
    }
}
