//! SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714) and their keying by SDES (RFC 4568).
//!
//! One [`Protector`] for what we send and one [`Unprotector`] for what arrives, each with its own
//! master key. Both work in place on the caller's buffer and allocate nothing per packet. Driven by a
//! media session or by the stand-alone C API; keys are wiped on drop.

mod cipher;
mod keys;
mod profile;
mod protect;
mod replay;
pub mod sdes;
mod sha1;
mod stream;
mod unprotect;

pub use keys::{MasterKey, StreamKeys};
pub use profile::Profile;
pub use protect::Protector;
pub use sdes::{Crypto, CryptoKey};
pub use unprotect::Unprotector;

/// Most bytes that protection adds to a packet, without the MKI: a GCM tag and the SRTCP index.
pub const MAX_OVERHEAD: usize = 16 + 4;
/// Synchronisation sources that one context follows; RFC 3711 keeps state per SSRC.
pub const MAX_STREAMS: usize = 64;
/// Longest MKI (RFC 4568 section 6.1).
pub const MAX_MKI: usize = 128;

/// Why a packet was refused. Nothing of it has been given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SrtpError {
    /// No RTP or RTCP packet, or too short for tag and index.
    Packet,
    /// The authentication tag or the MKI doesn't fit.
    Auth,
    /// The index was seen before or is older than the window.
    Replay,
    /// The buffer has no room for the tag.
    Buffer,
    /// Key or salt have the wrong length for the profile.
    Key,
    /// Several keys, not each with an identifier of its own and of one length.
    Mki,
    /// 2^48 RTP or 2^31 RTCP packets were sent with this key (RFC 3711 section 9.2).
    KeyExhausted,
    /// More sources than `MAX_STREAMS`.
    Streams,
}

impl SrtpError {
    pub const fn as_str(self) -> &'static str {
        match self {
            SrtpError::Packet => "not an RTP or RTCP packet of the profile's least length",
            SrtpError::Auth => "the authentication tag does not fit",
            SrtpError::Replay => "the packet was seen before or is older than the replay window",
            SrtpError::Buffer => "the buffer has no room for the authentication tag",
            SrtpError::Key => "master key or salt have the wrong length for the profile",
            SrtpError::Mki => "several keys need an identifier each, all of one length",
            SrtpError::KeyExhausted => "the master key has protected as many packets as it may",
            SrtpError::Streams => "too many synchronisation sources",
        }
    }
}

impl core::fmt::Display for SrtpError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for SrtpError {}

#[cfg(test)]
mod tests;
