//! The engine's errors; `ffi::status` maps each to one `voip_status`.

use crate::ua::UaError;
use std::borrow::Cow;

/// What went wrong, with a sentence that names the value (lower case, no full stop).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    pub kind: ErrorKind,
    pub message: Cow<'static, str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    Argument,
    Handle,
    State,
    Range,
    InCallback,
    BufferTooSmall,
    CallEnded,
    Busy,
    Timeout,
    Limit,
    NotSupported,
    /// errno
    System(i32),
    NoMemory,
    NoPorts,
    AddressInUse,
    Dns,
    Auth,
    Rejected,
    Transport,
    Protocol,
    NotRegistered,
    Unreachable,
    NoCodec,
    Codec,
    Parse,
    Panic,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
        Error { kind, message: message.into() }
    }
}

impl Error {
    /// The errno of the last system call, with what was tried.
    pub fn system(what: &str, error: &std::io::Error) -> Error {
        let kind = match error.raw_os_error() {
            Some(libc::EADDRINUSE) => ErrorKind::AddressInUse,
            Some(libc::ENOMEM) => ErrorKind::NoMemory,
            Some(errno) => ErrorKind::System(errno),
            None => ErrorKind::System(0),
        };
        Error::new(kind, format!("{what}: {error}"))
    }
}

impl From<UaError> for Error {
    fn from(error: UaError) -> Error {
        let (kind, message) = match error {
            UaError::Unknown => (ErrorKind::Handle, "no such call or account (any more)"),
            UaError::State => (ErrorKind::State, "the state doesn't allow it"),
            UaError::Target => (ErrorKind::Argument, "the text is no target"),
            UaError::Range => (ErrorKind::Range, "a value is out of its range"),
            UaError::Limit => (ErrorKind::Limit, "a limit is reached"),
            UaError::NotSupported => (ErrorKind::NotSupported, "not supported"),
        };
        Error::new(kind, message)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

pub type Result<T> = core::result::Result<T, Error>;
