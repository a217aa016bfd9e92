//! STUN (RFC 8489): messages, their protection, and a client's transactions.
//!
//! [`message`] is a view of a message's bytes, [`attribute`] gives its attributes types,
//! [`builder`] writes messages, [`integrity`] holds keys, MESSAGE-INTEGRITY, FINGERPRINT and
//! USERHASH, [`client`] runs one request with retransmission and credentials. The attributes of ICE
//! (RFC 8445) and TURN (RFC 8656) can be read and written as raw values. Driven by the engine's STUN
//! query, by ICE and by the stand-alone tools; no I/O, no allocation in parsing.

pub mod attribute;
pub mod builder;
pub mod client;
pub mod integrity;
pub mod message;

pub use crate::proto::sip::ParseError;
pub use attribute::{AttributeType, ErrorCode, PasswordAlgorithm};
pub use builder::StunBuilder;
pub use client::{Client, ClientConfig, Credentials, Failure, Outcome};
pub use integrity::Key;
pub use message::{Attribute, Class, Method, StunMessage, TransactionId};

/// The fixed value of bytes 4 to 8 (RFC 8489 section 5).
pub const MAGIC_COOKIE: u32 = 0x2112_A442;
/// Type, length, cookie, transaction id.
pub const HEADER_BYTES: usize = 20;
/// Default port over UDP and TCP.
pub const PORT: u16 = 3478;
/// Default port over TLS and DTLS.
pub const TLS_PORT: u16 = 5349;
