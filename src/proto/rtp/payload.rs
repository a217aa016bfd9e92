//! Payload types and formats (RFC 3551 table 4 and 5, rtpmap).

/// One payload format with the payload type that stands for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayloadFormat {
    pub payload_type: u8,
    /// Encoding name, `PCMU`; compared without case.
    pub name: Box<str>,
    /// RTP clock rate in Hz (8000 for G722, RFC 3551 section 4.5.2).
    pub clock_rate: u32,
    pub channels: u8,
    /// The text of `a=fmtp`, if any.
    pub fmtp: Option<Box<str>>,
}
