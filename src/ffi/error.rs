//! Status codes (one table), and the sentence that the last failure of a thread left behind.

use crate::engine::error::{Error, ErrorKind};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::ffi::{c_char, CStr};
use std::io::Write;

/// What a function says: `VOIP_OK` is 0, every error is negative. The number of a status never changes.
///
/// -1 to -19 usage, -20 to -39 system, -40 to -59 SIP, -60 to -79 media, -80 to -98 parsing.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_status {
    /// It worked.
    VOIP_OK = 0,
    /// An argument has no meaning here (bad text, bad struct size, unknown constant).
    VOIP_ERR_ARGUMENT = -1,
    /// A pointer that must not be NULL is NULL.
    VOIP_ERR_NULL = -2,
    /// The handle is NULL, stale, freed before, or of another kind.
    VOIP_ERR_HANDLE = -3,
    /// The call, account or phone is not in a state that allows it.
    VOIP_ERR_STATE = -4,
    /// A number is outside its range.
    VOIP_ERR_RANGE = -5,
    /// Not allowed inside a callback (it would wait for itself).
    VOIP_ERR_IN_CALLBACK = -6,
    /// The buffer is too small; `*needed` says how large it must be.
    VOIP_ERR_BUFFER_TOO_SMALL = -7,
    /// The call is over (and nothing is left to read).
    VOIP_ERR_CALL_ENDED = -8,
    /// Somebody else does this right now, or the other side is busy.
    VOIP_ERR_BUSY = -9,
    /// It did not happen within the time-out.
    VOIP_ERR_TIMEOUT = -10,
    /// A limit of the configuration is reached.
    VOIP_ERR_LIMIT = -11,
    /// This build or this version cannot do it.
    VOIP_ERR_NOT_SUPPORTED = -12,
    /// The operating system refused; `voip_last_error_errno` has its number.
    VOIP_ERR_SYSTEM = -20,
    /// No memory.
    VOIP_ERR_NO_MEMORY = -21,
    /// No free RTP port in the configured range.
    VOIP_ERR_NO_PORTS = -22,
    /// The SIP address is in use by another socket.
    VOIP_ERR_ADDRESS_IN_USE = -23,
    /// A host name could not be found.
    VOIP_ERR_DNS = -24,
    /// The credentials were refused.
    VOIP_ERR_AUTH = -40,
    /// The other side said no.
    VOIP_ERR_REJECTED = -41,
    /// The message could not be sent.
    VOIP_ERR_TRANSPORT = -42,
    /// The other side broke the protocol.
    VOIP_ERR_PROTOCOL = -43,
    /// The account is not registered.
    VOIP_ERR_NOT_REGISTERED = -44,
    /// Nobody answers there.
    VOIP_ERR_UNREACHABLE = -45,
    /// No codec in common.
    VOIP_ERR_NO_CODEC = -60,
    /// The file or the codec's data cannot be used.
    VOIP_ERR_CODEC = -61,
    /// SRTP: the packet is not authentic.
    VOIP_ERR_SRTP_AUTH = -62,
    /// SRTP: the packet was seen before.
    VOIP_ERR_SRTP_REPLAY = -63,
    /// A dynamic payload type (96 to 127) has no fixed meaning.
    VOIP_ERR_DYNAMIC_PAYLOAD = -64,
    /// The text or the bytes are not what they should be.
    VOIP_ERR_PARSE = -80,
    /// A bug in the library; it was stopped at the border, please report it.
    VOIP_ERR_PANIC = -99,
}

use voip_status::*;

/// The one table: status, name, text.
pub(crate) static STATUSES: &[(voip_status, &CStr, &CStr)] = &[
    (VOIP_OK, c"VOIP_OK", c"it worked"),
    (VOIP_ERR_ARGUMENT, c"VOIP_ERR_ARGUMENT", c"an argument has no meaning here"),
    (VOIP_ERR_NULL, c"VOIP_ERR_NULL", c"a pointer must not be NULL"),
    (VOIP_ERR_HANDLE, c"VOIP_ERR_HANDLE", c"the handle is NULL, stale, freed before, or of another kind"),
    (VOIP_ERR_STATE, c"VOIP_ERR_STATE", c"the state does not allow it"),
    (VOIP_ERR_RANGE, c"VOIP_ERR_RANGE", c"a number is outside its range"),
    (VOIP_ERR_IN_CALLBACK, c"VOIP_ERR_IN_CALLBACK", c"not allowed inside a callback"),
    (VOIP_ERR_BUFFER_TOO_SMALL, c"VOIP_ERR_BUFFER_TOO_SMALL", c"the buffer is too small"),
    (VOIP_ERR_CALL_ENDED, c"VOIP_ERR_CALL_ENDED", c"the call is over"),
    (VOIP_ERR_BUSY, c"VOIP_ERR_BUSY", c"busy"),
    (VOIP_ERR_TIMEOUT, c"VOIP_ERR_TIMEOUT", c"it did not happen in time"),
    (VOIP_ERR_LIMIT, c"VOIP_ERR_LIMIT", c"a limit of the configuration is reached"),
    (VOIP_ERR_NOT_SUPPORTED, c"VOIP_ERR_NOT_SUPPORTED", c"this build cannot do it"),
    (VOIP_ERR_SYSTEM, c"VOIP_ERR_SYSTEM", c"the operating system refused"),
    (VOIP_ERR_NO_MEMORY, c"VOIP_ERR_NO_MEMORY", c"no memory"),
    (VOIP_ERR_NO_PORTS, c"VOIP_ERR_NO_PORTS", c"no free RTP port in the configured range"),
    (VOIP_ERR_ADDRESS_IN_USE, c"VOIP_ERR_ADDRESS_IN_USE", c"the address is in use"),
    (VOIP_ERR_DNS, c"VOIP_ERR_DNS", c"the host name could not be found"),
    (VOIP_ERR_AUTH, c"VOIP_ERR_AUTH", c"the credentials were refused"),
    (VOIP_ERR_REJECTED, c"VOIP_ERR_REJECTED", c"the other side said no"),
    (VOIP_ERR_TRANSPORT, c"VOIP_ERR_TRANSPORT", c"the message could not be sent"),
    (VOIP_ERR_PROTOCOL, c"VOIP_ERR_PROTOCOL", c"the other side broke the protocol"),
    (VOIP_ERR_NOT_REGISTERED, c"VOIP_ERR_NOT_REGISTERED", c"the account is not registered"),
    (VOIP_ERR_UNREACHABLE, c"VOIP_ERR_UNREACHABLE", c"nobody answers there"),
    (VOIP_ERR_NO_CODEC, c"VOIP_ERR_NO_CODEC", c"no codec in common"),
    (VOIP_ERR_CODEC, c"VOIP_ERR_CODEC", c"the audio data cannot be used"),
    (VOIP_ERR_SRTP_AUTH, c"VOIP_ERR_SRTP_AUTH", c"the packet is not authentic"),
    (VOIP_ERR_SRTP_REPLAY, c"VOIP_ERR_SRTP_REPLAY", c"the packet was seen before"),
    (VOIP_ERR_DYNAMIC_PAYLOAD, c"VOIP_ERR_DYNAMIC_PAYLOAD", c"a dynamic payload type has no fixed meaning"),
    (VOIP_ERR_PARSE, c"VOIP_ERR_PARSE", c"the input cannot be parsed"),
    (VOIP_ERR_PANIC, c"VOIP_ERR_PANIC", c"a bug in the library was stopped at its border"),
];

/// Why an entry point refuses: the status and a sentence that names the value.
#[derive(Debug)]
pub(crate) struct Fail {
    pub status: voip_status,
    pub message: Cow<'static, str>,
    /// The byte of the input that the sentence is about; said behind it.
    pub at: Option<usize>,
    pub errno: i32,
}

pub(crate) type FfiResult<T = ()> = Result<T, Fail>;

impl Fail {
    pub fn new(status: voip_status, message: impl Into<Cow<'static, str>>) -> Fail {
        Fail { status, message: message.into(), at: None, errno: 0 }
    }
    pub fn argument(message: impl Into<Cow<'static, str>>) -> Fail {
        Fail::new(VOIP_ERR_ARGUMENT, message)
    }
    pub fn range(message: impl Into<Cow<'static, str>>) -> Fail {
        Fail::new(VOIP_ERR_RANGE, message)
    }
    pub fn state(message: impl Into<Cow<'static, str>>) -> Fail {
        Fail::new(VOIP_ERR_STATE, message)
    }
    pub fn null(name: &str) -> Fail {
        Fail::new(VOIP_ERR_NULL, format!("{name} is NULL"))
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Fail {
        let errno = if let ErrorKind::System(errno) = error.kind { errno } else { 0 };
        Fail { status: status_of(error.kind), message: error.message, at: None, errno }
    }
}

const fn status_of(kind: ErrorKind) -> voip_status {
    match kind {
        ErrorKind::Argument => VOIP_ERR_ARGUMENT,
        ErrorKind::Handle => VOIP_ERR_HANDLE,
        ErrorKind::State => VOIP_ERR_STATE,
        ErrorKind::Range => VOIP_ERR_RANGE,
        ErrorKind::InCallback => VOIP_ERR_IN_CALLBACK,
        ErrorKind::BufferTooSmall => VOIP_ERR_BUFFER_TOO_SMALL,
        ErrorKind::CallEnded => VOIP_ERR_CALL_ENDED,
        ErrorKind::Busy => VOIP_ERR_BUSY,
        ErrorKind::Timeout => VOIP_ERR_TIMEOUT,
        ErrorKind::Limit => VOIP_ERR_LIMIT,
        ErrorKind::NotSupported => VOIP_ERR_NOT_SUPPORTED,
        ErrorKind::System(_) => VOIP_ERR_SYSTEM,
        ErrorKind::NoMemory => VOIP_ERR_NO_MEMORY,
        ErrorKind::NoPorts => VOIP_ERR_NO_PORTS,
        ErrorKind::AddressInUse => VOIP_ERR_ADDRESS_IN_USE,
        ErrorKind::Dns => VOIP_ERR_DNS,
        ErrorKind::Auth => VOIP_ERR_AUTH,
        ErrorKind::Rejected => VOIP_ERR_REJECTED,
        ErrorKind::Transport => VOIP_ERR_TRANSPORT,
        ErrorKind::Protocol => VOIP_ERR_PROTOCOL,
        ErrorKind::NotRegistered => VOIP_ERR_NOT_REGISTERED,
        ErrorKind::Unreachable => VOIP_ERR_UNREACHABLE,
        ErrorKind::NoCodec => VOIP_ERR_NO_CODEC,
        ErrorKind::Codec => VOIP_ERR_CODEC,
        ErrorKind::Parse => VOIP_ERR_PARSE,
        ErrorKind::Panic => VOIP_ERR_PANIC,
    }
}

thread_local! {
    /// With its NUL. Kept between failures, so that one on a real-time thread allocates nothing as a rule.
    static LAST_MESSAGE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static LAST: Cell<Last> = const { Cell::new(Last { fixed: None, errno: 0 }) };
}

#[derive(Clone, Copy)]
struct Last {
    /// The sentence, if it is always the same; None: it is in `LAST_MESSAGE`.
    fixed: Option<&'static CStr>,
    errno: i32,
}

/// Room for most sentences.
const MESSAGE_BYTES: usize = 256;

/// Keeps the sentence for `voip_last_error_message` and gives the status to return.
pub(crate) fn report(fail: Fail) -> voip_status {
    // A thread that is ending has no thread-locals any more; then the status alone must do.
    let _ = LAST_MESSAGE.try_with(|cell| {
        let mut text = cell.borrow_mut();
        text.clear();
        text.reserve(MESSAGE_BYTES);
        match fail.message.as_bytes() {
            whole if !whole.contains(&0) => text.extend_from_slice(whole),
            broken => text.extend(broken.iter().filter(|b| **b != 0)),
        }
        if let Some(at) = fail.at {
            // Into a Vec with room: cannot fail, allocates nothing as a rule.
            let _ = write!(text, " at byte {at}");
        }
        text.push(0);
    });
    let _ = LAST.try_with(|cell| cell.set(Last { fixed: None, errno: fail.errno }));
    fail.status
}

/// `VOIP_ERR_TIMEOUT` with the sentence that `engine` has for it, for a host that looks often whether something is there.
#[inline]
pub(crate) fn report_timeout() -> voip_status {
    let _ = LAST.try_with(|cell| cell.set(Last { fixed: Some(c"the time is over"), errno: 0 }));
    VOIP_ERR_TIMEOUT
}

fn row(status: i32) -> Option<&'static (voip_status, &'static CStr, &'static CStr)> {
    STATUSES.iter().find(|row| row.0 as i32 == status)
}

/// Gives the name of a status, like `VOIP_ERR_STATE`; `VOIP_ERR_UNKNOWN` for a number that is none.
///
/// @param status any number.
/// @return a static string, never NULL.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_status_name(status: i32) -> *const c_char {
    row(status).map_or(c"VOIP_ERR_UNKNOWN", |row| row.1).as_ptr()
}

/// Says in a few English words what a status means.
///
/// @param status any number.
/// @return a static string, never NULL.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_status_text(status: i32) -> *const c_char {
    row(status).map_or(c"unknown status", |row| row.2).as_ptr()
}

/// Gives the sentence of the last failure on the calling thread; it names the value that was wrong.
///
/// A success leaves it as it is; before the first failure it is empty. UTF-8.
/// @return never NULL; valid until the next failure on this thread or the thread's end.
///
/// Thread: any; each thread has its own.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_last_error_message() -> *const c_char {
    if let Some(fixed) = LAST.try_with(Cell::get).ok().and_then(|last| last.fixed) {
        return fixed.as_ptr();
    }
    let text = |cell: &RefCell<Vec<u8>>| {
        let text = cell.borrow();
        (!text.is_empty()).then_some(text.as_ptr().cast())
    };
    LAST_MESSAGE.try_with(text).ok().flatten().unwrap_or(c"".as_ptr())
}

/// Gives the `errno` of the last failure on the calling thread when that was `VOIP_ERR_SYSTEM`, else 0.
///
/// Thread: any; each thread has its own.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_last_error_errno() -> i32 {
    LAST.try_with(Cell::get).map_or(0, |last| last.errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_row_with_its_own_name() {
        for (i, row) in STATUSES.iter().enumerate() {
            assert_eq!(format!("{:?}", row.0), row.1.to_str().unwrap());
            assert!(STATUSES[..i].iter().all(|other| other.0 != row.0));
        }
        assert_eq!(STATUSES.len(), 31);
    }

    #[test]
    fn the_last_failure_is_the_one_that_is_told() {
        let told = || unsafe { CStr::from_ptr(voip_last_error_message()) }.to_str().unwrap().to_owned();
        let failed = crate::engine::error::Error::new(ErrorKind::System(5), "seven");
        assert_eq!(
            (report(failed.into()), told(), voip_last_error_errno()),
            (VOIP_ERR_SYSTEM, "seven".into(), 5)
        );
        assert_eq!((report_timeout(), voip_last_error_errno()), (VOIP_ERR_TIMEOUT, 0));
        assert_eq!(told(), "the time is over");
        report(Fail::range("eight"));
        assert_eq!(told(), "eight");
    }

    #[test]
    fn an_unknown_number_has_a_name_too() {
        let name = unsafe { CStr::from_ptr(voip_status_name(-7777)) };
        assert_eq!(name, c"VOIP_ERR_UNKNOWN");
    }
}
