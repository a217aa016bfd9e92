//! RTP (RFC 3550), payload formats (RFC 3551), telephone-event (RFC 4733), first-byte
//! demultiplexing (RFC 7983, RFC 5761).
//!
//! Views borrow the caller's bytes, writers fill the caller's buffer; nothing here allocates but the
//! names inside [`PayloadFormat`]. Driven by `media` and by the stand-alone tools of `ffi`.

pub mod classify;
pub mod demux;
pub mod extension;
mod keyed;
pub mod packet;
pub mod payload;
pub mod sequence;
pub mod telephone_event;

pub use classify::{classify, PacketKind};
pub use demux::{sender_ssrc, Demux, Route};
pub use extension::{ExtensionElement, ExtensionElements};
pub use packet::{PacketError, RtpBuilder, RtpHeader, RtpPacket, MAX_CSRCS};
pub use payload::{MediaKind, PayloadError, PayloadFormat, StaticPayload};
pub use sequence::{ExtendedSequence, SequenceNumber, SequenceTracker, Timestamp, Verdict};
pub use telephone_event::TelephoneEvent;
