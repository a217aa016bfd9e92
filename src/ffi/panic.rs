//! The border that no panic crosses, and the mark of threads that are inside a callback of the host.

use super::error::{report, voip_status, Fail, FfiResult};
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;
use std::thread::LocalKey;

thread_local! {
    /// How deep this thread is inside entry points of the library.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
    /// How deep this thread is inside callbacks of the host.
    static CALLBACKS: Cell<u32> = const { Cell::new(0) };
}

/// Runs the body of an entry point: a panic becomes `VOIP_ERR_PANIC`, a failure leaves its sentence.
#[inline]
pub(crate) fn guard(body: impl FnOnce() -> FfiResult) -> voip_status {
    install_hook();
    let _depth = Depth::enter(&INSIDE);
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => voip_status::VOIP_OK,
        Ok(Err(fail)) => report(fail),
        Err(payload) => panicked(payload),
    }
}

/// Runs what an entry point can do at once, with things of a handle; None: the rest is for `guard`. Marks nothing, which is
/// half of the work: a panic is known by its place.
#[inline]
pub(crate) fn at_once(body: impl FnOnce() -> Option<voip_status>) -> Option<voip_status> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Some(panicked(payload)))
}

#[cold]
fn panicked(payload: Box<dyn std::any::Any + Send>) -> voip_status {
    let text = payload_text(payload.as_ref()).to_owned();
    // The payload's own Drop may panic: keep it rather than let it through the border.
    std::mem::forget(payload);
    report(Fail::new(voip_status::VOIP_ERR_PANIC, format!("panic inside the library: {text}")))
}

/// Runs a callback of the host with the mark set.
pub(crate) fn in_host<T>(callback: impl FnOnce() -> T) -> T {
    let _depth = Depth::enter(&CALLBACKS);
    callback()
}

/// Refuses what would wait for itself.
pub(crate) fn not_in_callback(function: &str) -> FfiResult {
    if CALLBACKS.try_with(Cell::get).unwrap_or(0) > 0 {
        let text = format!("{function} may wait and must not be called inside a callback");
        return Err(Fail::new(voip_status::VOIP_ERR_IN_CALLBACK, text));
    }
    Ok(())
}

/// Remembers where the cell is: in a shared object it takes a call to find it.
struct Depth(*const Cell<u32>);

impl Depth {
    #[inline]
    fn enter(key: &'static LocalKey<Cell<u32>>) -> Depth {
        // A cell without a destructor is there as long as its thread.
        let cell = key.try_with(std::ptr::from_ref).unwrap_or(std::ptr::null());
        let depth = Depth(cell);
        depth.add(1);
        depth
    }
    #[inline]
    fn add(&self, step: i32) {
        // SAFETY: NULL or a cell of this thread, which the guard does not leave.
        if let Some(cell) = unsafe { self.0.as_ref() } {
            cell.set(cell.get().wrapping_add_signed(step));
        }
    }
}

impl Drop for Depth {
    #[inline]
    fn drop(&mut self) {
        self.add(-1);
    }
}

/// Once: panics of ours go to the log; those of a host written in Rust keep the host's hook.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if crate::engine::log_panic(info) {
                return;
            }
            // In our own unit tests all is ours, and whoever reads of a failed one looks at what the hook prints.
            let ours = !cfg!(test) && info.location().is_some_and(|at| is_ours(at.file()));
            if ours || INSIDE.try_with(Cell::get).unwrap_or(0) > 0 {
                log::error!(target: "voip::engine", "panic: {info}");
            } else {
                before(info);
            }
        }));
    });
}

/// A file of this crate, named as the compiler names this one.
fn is_ours(file: &str) -> bool {
    let source = file!().strip_suffix("ffi/panic.rs");
    source.is_some_and(|source| file.starts_with(source))
}

fn payload_text(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status() {
        assert_eq!(guard(|| panic!("seven")), voip_status::VOIP_ERR_PANIC);
        assert_eq!(at_once(|| panic!("seven")), Some(voip_status::VOIP_ERR_PANIC));
        let text = unsafe { std::ffi::CStr::from_ptr(super::super::error::voip_last_error_message()) };
        assert_eq!(text.to_str().unwrap(), "panic inside the library: seven");
    }

    #[test]
    fn a_panic_of_this_crate_is_known_by_its_file() {
        let here = std::panic::Location::caller().file();
        let elsewhere = here.replace("ffi/panic.rs", "media/ring.rs");
        assert!(is_ours(here) && is_ours(&elsewhere), "{here}");
        assert!(!is_ours("tests/loopback.rs") && !is_ours("/elsewhere/src/main.rs"));
    }

    #[test]
    fn the_callback_mark_is_taken_away_again_after_a_panic() {
        let _ = catch_unwind(|| in_host(|| panic!("host")));
        assert!(not_in_callback("f").is_ok());
        assert!(in_host(|| not_in_callback("f")).is_err());
    }
}
