//! The library's log, handed to the host: one callback, a level, and the SIP messages if wanted.

use super::callbacks::{voip_destroy_fn, User};
use super::error::{voip_status, Fail, FfiResult};
use super::panic::{guard, in_host};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::cell::Cell;
use std::ffi::{c_char, c_void, CString};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How much is said.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_log_level {
    VOIP_LOG_OFF = 0,
    /// The user must act.
    VOIP_LOG_ERROR = 1,
    /// The other side misbehaved.
    VOIP_LOG_WARN = 2,
    /// Changes of state.
    VOIP_LOG_INFO = 3,
    /// Messages.
    VOIP_LOG_DEBUG = 4,
    /// Packets.
    VOIP_LOG_TRACE = 5,
}

/// Gets one line of the log. `target` is like `voip::sip`; both texts are borrowed and UTF-8. May run on any
/// thread and on several at once.
pub type voip_log_fn = Option<
    unsafe extern "C" fn(
        level: voip_log_level,
        target: *const c_char,
        message: *const c_char,
        user: *mut c_void,
    ),
>;

/// Where the SIP messages themselves go, at DEBUG.
const TRACE_TARGET: &str = "voip::sip";

struct Sink {
    callback: unsafe extern "C" fn(voip_log_level, *const c_char, *const c_char, *mut c_void),
    user: User,
}

struct Logger {
    sink: Mutex<Option<Arc<Sink>>>,
    level: AtomicI32,
    sip_trace: AtomicBool,
}

static LOGGER: Logger = Logger {
    sink: Mutex::new(None),
    level: AtomicI32::new(voip_log_level::VOIP_LOG_INFO as i32),
    sip_trace: AtomicBool::new(false),
};

thread_local! {
    /// Inside the host's log callback: what the library says meanwhile is not logged again.
    static LOGGING: Cell<bool> = const { Cell::new(false) };
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        if target == TRACE_TARGET
            && metadata.level() == Level::Debug
            && self.sip_trace.load(Ordering::Relaxed)
        {
            return true;
        }
        // Other crates are held at WARN: rustls at TRACE would log whole handshakes.
        let ours = target == "voip" || target.starts_with("voip::");
        let most = if ours { LevelFilter::Trace } else { LevelFilter::Warn };
        metadata.level() <= most && metadata.level() <= filter(self.level.load(Ordering::Relaxed))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) || LOGGING.try_with(Cell::get).unwrap_or(true) {
            return;
        }
        let sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(sink) = sink else { return };
        let text = |bytes: String| CString::new(bytes.replace('\0', "\u{fffd}")).unwrap_or_default();
        let (target, message) = (text(record.target().to_owned()), text(record.args().to_string()));
        let _ = LOGGING.try_with(|flag| flag.set(true));
        // SAFETY: the host gave this function and this pointer for each other.
        in_host(|| unsafe {
            (sink.callback)(level_of(record.level()), target.as_ptr(), message.as_ptr(), sink.user.pointer);
        });
        let _ = LOGGING.try_with(|flag| flag.set(false));
    }

    fn flush(&self) {}
}

/// Sets where the log goes; without a callback there is none.
///
/// @param callback NULL: none.
/// @param user handed to it.
/// @param destroy called once with `user` when the callback was replaced and does not run any more; may be
///   NULL. Not called if this function fails.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_BUSY (the program has a Rust logger of its own).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_log_set_callback(
    callback: voip_log_fn,
    user: *mut c_void,
    destroy: voip_destroy_fn,
) -> voip_status {
    guard(|| {
        install()?;
        let user = User { pointer: user, destroy };
        let sink = callback.map(|callback| Arc::new(Sink { callback, user }));
        let old = {
            let mut place = LOGGER.sink.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, sink)
        };
        apply_level();
        // Outside the lock: dropping calls the host's destroy.
        drop(old);
        Ok(())
    })
}

/// Sets how much is logged.
///
/// @param level a `voip_log_level`; INFO if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_log_set_level(level: i32) -> voip_status {
    guard(|| {
        if !(0..=5).contains(&level) {
            return Err(Fail::argument(format!("log level {level} is outside 0 to 5")));
        }
        LOGGER.level.store(level, Ordering::Relaxed);
        apply_level();
        Ok(())
    })
}

/// Logs every SIP message as it is sent and received (target `voip::sip`, DEBUG), whatever the level is,
/// with credentials masked.
///
/// @param on 0: no (the default).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_log_set_sip_trace(on: i32) -> voip_status {
    guard(|| {
        LOGGER.sip_trace.store(on != 0, Ordering::Relaxed);
        apply_level();
        Ok(())
    })
}

/// Once: a process has one logger, and a host written in Rust may have set it.
fn install() -> FfiResult {
    static OURS: OnceLock<bool> = OnceLock::new();
    if *OURS.get_or_init(|| log::set_logger(&LOGGER).is_ok()) {
        return Ok(());
    }
    Err(Fail::new(voip_status::VOIP_ERR_BUSY, "the process has another logger already"))
}

/// The facade's own gate: closed while nobody listens, so that a log statement costs one comparison.
fn apply_level() {
    let listens = LOGGER.sink.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    let level = filter(LOGGER.level.load(Ordering::Relaxed));
    let trace = LOGGER.sip_trace.load(Ordering::Relaxed);
    let most = if trace { level.max(LevelFilter::Debug) } else { level };
    if listens {
        log::set_max_level(most);
    }
}

const fn filter(level: i32) -> LevelFilter {
    match level {
        1 => LevelFilter::Error,
        2 => LevelFilter::Warn,
        3 => LevelFilter::Info,
        4 => LevelFilter::Debug,
        5 => LevelFilter::Trace,
        _ => LevelFilter::Off,
    }
}

const fn level_of(level: Level) -> voip_log_level {
    match level {
        Level::Error => voip_log_level::VOIP_LOG_ERROR,
        Level::Warn => voip_log_level::VOIP_LOG_WARN,
        Level::Info => voip_log_level::VOIP_LOG_INFO,
        Level::Debug => voip_log_level::VOIP_LOG_DEBUG,
        Level::Trace => voip_log_level::VOIP_LOG_TRACE,
    }
}
