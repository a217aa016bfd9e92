//! RTP (RFC 3550), payload formats (RFC 3551), telephone-event (RFC 4733).

pub mod packet;
pub mod payload;
pub mod sequence;
pub mod telephone_event;

pub use packet::{PacketError, RtpHeader, RtpPacket};
pub use payload::PayloadFormat;
pub use sequence::{ExtendedSequence, SequenceNumber, Timestamp};
