//! The engine's errors; `ffi::status` maps each to one `voip_status`.

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

pub type Result<T> = core::result::Result<T, Error>;
