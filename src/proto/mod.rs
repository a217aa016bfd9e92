//! Protocols without I/O: bytes and times in, bytes and decisions out.

pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod sip;
pub mod srtp;
pub mod stun;
