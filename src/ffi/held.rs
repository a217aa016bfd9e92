//! A pointer of the host that a function on a media thread is given, and when its life ends.

use super::callbacks::voip_destroy_fn;
use super::panic::in_host;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;

/// The host's pointer between two threads: the one that hands it over, and the worker that lets go of it. Whoever
/// comes second calls destroy; if it could not be handed over, nobody does.
pub(crate) struct Fate {
    user: *mut c_void,
    destroy: voip_destroy_fn,
    state: AtomicU8,
}

const PENDING: u8 = 0;
const COMMITTED: u8 = 1;
const RELEASED: u8 = 2;

// SAFETY: the library only hands the pointer back; the host promised that its callbacks run on any thread.
unsafe impl Send for Fate {}
// SAFETY: as above.
unsafe impl Sync for Fate {}

impl Fate {
    pub fn new(user: *mut c_void, destroy: voip_destroy_fn) -> Arc<Fate> {
        Arc::new(Fate { user, destroy, state: AtomicU8::new(PENDING) })
    }
    /// It was handed over.
    pub fn commit(&self) {
        if self.state.swap(COMMITTED, Ordering::AcqRel) == RELEASED {
            self.end();
        }
    }
    fn end(&self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the host gave this function for this pointer, and this is its only call.
            in_host(|| unsafe { destroy(self.user) });
        }
    }
}

/// The worker's hold on the pointer.
pub(crate) struct Held(Arc<Fate>);

impl Held {
    pub fn new(fate: &Arc<Fate>) -> Held {
        Held(fate.clone())
    }
    pub fn user(&self) -> *mut c_void {
        self.0.user
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.state.swap(RELEASED, Ordering::AcqRel) == COMMITTED {
            self.0.end();
        }
    }
}
