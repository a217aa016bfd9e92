//! Library threads: named, all signals blocked, announced to the host's hook, panics caught.

use super::config::ThreadHook;
use super::error::{Error, Result};
use std::any::Any;
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

static PANICS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// How many `caught` are on this thread's stack.
    static CATCHING: Cell<u32> = const { Cell::new(0) };
}

/// Panics caught since the library was loaded.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Runs `work`; a panic becomes its text.
pub fn caught<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    CATCHING.with(|c| c.set(c.get() + 1));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CATCHING.with(|c| c.set(c.get().saturating_sub(1)));
    outcome.map_err(|payload| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        panic_text(&*payload).to_owned()
    })
}

/// What a panic said.
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a text"
    }
}

/// For a panic hook: writes the panic to the log and answers true if this thread runs under `caught`; answers
/// false (and does nothing) for the host's own threads, whose previous hook then has its turn.
pub fn log_panic(info: &PanicHookInfo<'_>) -> bool {
    if CATCHING.with(Cell::get) == 0 {
        return false;
    }
    let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
    log::error!(target: "voip::engine", "panic at {place}: {}", panic_text(info.payload()));
    true
}

/// Starts a library thread. The signal mask is inherited, so it is set here before and put back after.
pub fn spawn(
    name: &str,
    hook: Option<ThreadHook>,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>> {
    let label = name.to_owned();
    let mask = SignalMask::block_all();
    let handle = std::thread::Builder::new().name(label.clone()).spawn(move || {
        if let Some(hook) = &hook {
            let _ = caught(|| hook(&label, true));
        }
        if let Err(text) = caught(body) {
            log::error!(target: "voip::engine", "thread {label} ended by a panic: {text}");
        }
        if let Some(hook) = &hook {
            let _ = caught(|| hook(&label, false));
        }
    });
    drop(mask);
    handle.map_err(|e| Error::system("starting a thread", &e))
}

/// All signals blocked on this thread until it is dropped.
struct SignalMask(libc::sigset_t);

impl SignalMask {
    fn block_all() -> SignalMask {
        // SAFETY: both sets are plain data that the calls fill; an error leaves the old mask in place.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut old: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut old);
            SignalMask(old)
        }
    }
}

impl Drop for SignalMask {
    fn drop(&mut self) {
        // SAFETY: the set was filled by pthread_sigmask.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn a_thread_is_announced_with_its_name_and_blocks_all_signals() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let hook: ThreadHook = Arc::new(move |name, start| {
            if let Ok(mut log) = log.lock() {
                log.push((name.to_owned(), start));
            }
        });
        let blocked = Arc::new(Mutex::new(false));
        let answer = blocked.clone();
        let handle = spawn("voip-test", Some(hook), move || {
            // SAFETY: asks only.
            let member = unsafe {
                let mut now: libc::sigset_t = std::mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut now);
                libc::sigismember(&now, libc::SIGINT)
            };
            *answer.lock().unwrap() = member == 1;
        });
        handle.unwrap().join().unwrap();
        assert!(*blocked.lock().unwrap());
        assert_eq!(*seen.lock().unwrap(), [("voip-test".to_owned(), true), ("voip-test".to_owned(), false)]);
    }

    #[test]
    fn a_panic_becomes_a_text() {
        assert_eq!(caught(|| -> u8 { panic!("number {}", 7) }), Err("number 7".to_owned()));
        assert_eq!(caught(|| 7), Ok(7));
    }
}
