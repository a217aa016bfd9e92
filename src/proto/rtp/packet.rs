//! RTP packets: a view that borrows, a writer into the caller's buffer.

/// Why bytes are no RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketError {
    TooShort,
    Version,
    CsrcTruncated,
    ExtensionTruncated,
    Padding,
}

#[derive(Clone, Copy, Debug)]
pub struct RtpPacket<'a> {
    bytes: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    pub fn parse(_bytes: &'a [u8]) -> Result<RtpPacket<'a>, PacketError> {
        todo!()
    }
    pub fn payload(&self) -> &'a [u8] {
        self.bytes
    }
}

/// What a sender puts before a payload.
#[derive(Clone, Copy, Debug)]
pub struct RtpHeader {
    pub payload_type: u8,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}
