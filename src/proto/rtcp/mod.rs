//! RTCP (RFC 3550 section 6): reports, source descriptions, goodbyes and application packets; extended
//! reports (RFC 3611), compound and reduced-size packets (RFC 5506), feedback packets as raw values
//! (RFC 4585).
//!
//! [`compound`] checks a datagram once and walks its packets, [`report`], [`sdes`] and [`xr`] are views
//! of them, [`writer`] fills the caller's buffer, [`time`] holds NTP times, round trips and the interval
//! of reports. Nothing here allocates. Driven by media sessions and the stand-alone tools.

pub mod compound;
pub mod report;
pub mod sdes;
pub mod time;
pub mod writer;
pub mod xr;

pub use compound::{App, Bye, Compound, Feedback, Packet, Rule};
pub use report::{ReceiverReport, ReportBlock, SenderInfo, SenderReport};
pub use sdes::{Sdes, SdesItem};
pub use time::NtpTime;
pub use writer::{RtcpWriter, WriteError};
pub use xr::{DlrrItem, VoipMetrics, Xr, XrBlock};

pub use crate::proto::sip::ParseError;

/// Packet types (RFC 3550 section 12.1, RFC 4585, RFC 3611).
pub mod packet_type {
    pub const SENDER_REPORT: u8 = 200;
    pub const RECEIVER_REPORT: u8 = 201;
    pub const SDES: u8 = 202;
    pub const BYE: u8 = 203;
    pub const APP: u8 = 204;
    pub const TRANSPORT_FEEDBACK: u8 = 205;
    pub const PAYLOAD_FEEDBACK: u8 = 206;
    pub const XR: u8 = 207;
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let pair = bytes.get(offset..offset.checked_add(2)?)?;
    Some(u16::from_be_bytes(pair.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let four = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}
