//! RTP packets (RFC 3550 section 5.1): a view that borrows, a writer into the caller's buffer.

use super::extension::ExtensionElements;
use super::sequence::{SequenceNumber, Timestamp};
use core::fmt;

/// The CC field has four bits.
pub const MAX_CSRCS: usize = 15;
const FIXED_BYTES: usize = 12;

/// Why bytes are no RTP packet, or why one can't be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketError {
    TooShort,
    Version,
    CsrcTruncated,
    ExtensionTruncated,
    /// The P bit with a count of 0, or of more bytes than there are.
    Padding,
    /// Writing: a field is beyond its bits.
    Field,
    /// Writing: the buffer is too small.
    Buffer,
}

impl PacketError {
    /// Where in the packet the error was seen.
    pub fn offset(self, bytes: &[u8]) -> usize {
        match self {
            PacketError::TooShort => bytes.len(),
            PacketError::CsrcTruncated => FIXED_BYTES,
            PacketError::ExtensionTruncated => {
                FIXED_BYTES + 4 * usize::from(bytes.first().copied().unwrap_or(0) & 15)
            }
            PacketError::Padding => bytes.len().saturating_sub(1),
            PacketError::Version | PacketError::Field | PacketError::Buffer => 0,
        }
    }
}

impl PacketError {
    pub const fn as_str(self) -> &'static str {
        match self {
            PacketError::TooShort => "shorter than the 12 bytes of an RTP header",
            PacketError::Version => "the version is not 2",
            PacketError::CsrcTruncated => "the CSRC list is longer than the packet",
            PacketError::ExtensionTruncated => "the header extension is longer than the packet",
            PacketError::Padding => "the padding count is 0 or more than there is",
            PacketError::Field => "a field is beyond its bits",
            PacketError::Buffer => "the buffer is too small",
        }
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for PacketError {}

/// A checked view of one packet.
#[derive(Clone, Copy, Debug)]
pub struct RtpPacket<'a> {
    bytes: &'a [u8],
    payload_start: u32,
    payload_end: u32,
}

impl<'a> RtpPacket<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<RtpPacket<'a>, PacketError> {
        let start = Self::header_len_of(bytes)?;
        let mut end = bytes.len();
        if bytes[0] & 0x20 != 0 {
            let count = usize::from(bytes[end - 1]);
            if count == 0 || count > end - start {
                return Err(PacketError::Padding);
            }
            end -= count;
        }
        Ok(RtpPacket { bytes, payload_start: start as u32, payload_end: end as u32 })
    }

    /// Bytes of header, CSRC list and extension, of a packet whose padding can't be read yet (SRTP).
    pub fn header_len_of(bytes: &[u8]) -> Result<usize, PacketError> {
        let [first, rest @ ..] = bytes else { return Err(PacketError::TooShort) };
        if first >> 6 != 2 {
            return Err(PacketError::Version);
        }
        if rest.len() < FIXED_BYTES - 1 {
            return Err(PacketError::TooShort);
        }
        let mut start = FIXED_BYTES + 4 * usize::from(first & 0x0f);
        if start > bytes.len() {
            return Err(PacketError::CsrcTruncated);
        }
        if first & 0x10 != 0 {
            let [_, _, hi, lo, ..] = bytes[start..] else { return Err(PacketError::ExtensionTruncated) };
            start += 4 + 4 * usize::from(u16::from_be_bytes([hi, lo]));
            if start > bytes.len() {
                return Err(PacketError::ExtensionTruncated);
            }
        }
        Ok(start)
    }

    /// Bytes before the payload.
    pub fn header_len(&self) -> usize {
        self.payload_start as usize
    }

    fn u32_at(&self, at: usize) -> u32 {
        let b = &self.bytes[at..at + 4];
        u32::from_be_bytes([b[0], b[1], b[2], b[3]])
    }

    pub fn version(&self) -> u8 {
        self.bytes[0] >> 6
    }
    pub fn has_padding(&self) -> bool {
        self.bytes[0] & 0x20 != 0
    }
    /// Bytes of padding with the count itself; 0 without padding.
    pub fn padding_len(&self) -> usize {
        self.bytes.len() - self.payload_end as usize
    }
    pub fn has_extension(&self) -> bool {
        self.bytes[0] & 0x10 != 0
    }
    pub fn csrc_count(&self) -> usize {
        usize::from(self.bytes[0] & 0x0f)
    }
    pub fn csrc(&self, index: usize) -> Option<u32> {
        (index < self.csrc_count()).then(|| self.u32_at(FIXED_BYTES + 4 * index))
    }
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + 'a {
        let list = &self.bytes[FIXED_BYTES..FIXED_BYTES + 4 * self.csrc_count()];
        list.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }
    pub fn marker(&self) -> bool {
        self.bytes[1] & 0x80 != 0
    }
    pub fn payload_type(&self) -> u8 {
        self.bytes[1] & 0x7f
    }
    pub fn sequence(&self) -> SequenceNumber {
        SequenceNumber(u16::from_be_bytes([self.bytes[2], self.bytes[3]]))
    }
    pub fn timestamp(&self) -> Timestamp {
        Timestamp(self.u32_at(4))
    }
    pub fn ssrc(&self) -> u32 {
        self.u32_at(8)
    }
    /// "Defined by profile" and the body behind the length word.
    pub fn extension(&self) -> Option<(u16, &'a [u8])> {
        if !self.has_extension() {
            return None;
        }
        let at = FIXED_BYTES + 4 * self.csrc_count();
        let profile = u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]);
        Some((profile, &self.bytes[at + 4..self.payload_start as usize]))
    }
    /// The elements by RFC 8285; none when the extension is of another profile.
    pub fn extension_elements(&self) -> ExtensionElements<'a> {
        let (profile, body) = self.extension().unwrap_or((0, &[]));
        ExtensionElements::new(profile, body)
    }
    /// Without header, extension and padding.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[self.payload_start as usize..self.payload_end as usize]
    }
    pub fn payload_range(&self) -> core::ops::Range<usize> {
        self.payload_start as usize..self.payload_end as usize
    }
    pub fn raw(&self) -> &'a [u8] {
        self.bytes
    }
    pub fn header(&self) -> RtpHeader {
        RtpHeader {
            payload_type: self.payload_type(),
            marker: self.marker(),
            sequence: self.sequence().0,
            timestamp: self.timestamp().0,
            ssrc: self.ssrc(),
        }
    }
}

/// One line for people.
impl fmt::Display for RtpPacket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RTP pt={} seq={} ts={} ssrc=0x{:08x}{} payload={}",
            self.payload_type(),
            self.sequence().0,
            self.timestamp().0,
            self.ssrc(),
            if self.marker() { " marker" } else { "" },
            self.payload().len()
        )?;
        if self.csrc_count() > 0 {
            write!(f, " csrcs={}", self.csrc_count())?;
        }
        if let Some((profile, body)) = self.extension() {
            write!(f, " ext=0x{profile:04x}/{}", body.len())?;
        }
        if self.has_padding() {
            write!(f, " padding={}", self.padding_len())?;
        }
        Ok(())
    }
}

/// What a sender puts before a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtpHeader {
    pub payload_type: u8,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

impl RtpHeader {
    pub const LEN: usize = FIXED_BYTES;

    /// The fixed header without CSRCs, extension or padding: the one of every packet a session sends.
    pub fn to_bytes(&self) -> [u8; FIXED_BYTES] {
        let mut out = [0; FIXED_BYTES];
        out[0] = 0x80;
        out[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        out
    }
}

/// A whole packet to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtpBuilder<'a> {
    pub header: RtpHeader,
    pub csrcs: &'a [u32],
    /// Profile and body; the body's length is a multiple of four.
    pub extension: Option<(u16, &'a [u8])>,
    pub payload: &'a [u8],
    /// Bytes of padding with their count; 0 leaves the P bit away.
    pub padding: u8,
}

impl<'a> RtpBuilder<'a> {
    pub fn new(header: RtpHeader, payload: &'a [u8]) -> RtpBuilder<'a> {
        RtpBuilder { header, csrcs: &[], extension: None, payload, padding: 0 }
    }

    pub fn len(&self) -> usize {
        FIXED_BYTES
            + 4 * self.csrcs.len()
            + self.extension.map_or(0, |(_, body)| 4 + body.len())
            + self.payload.len()
            + usize::from(self.padding)
    }
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Writes the packet to the start of `out` and says how long it is.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, PacketError> {
        let body_len = self.extension.map_or(0, |(_, body)| body.len());
        if self.header.payload_type > 127
            || self.csrcs.len() > MAX_CSRCS
            || body_len % 4 != 0
            || body_len / 4 > 0xffff
        {
            return Err(PacketError::Field);
        }
        let len = self.len();
        let out = out.get_mut(..len).ok_or(PacketError::Buffer)?;
        out[..FIXED_BYTES].copy_from_slice(&self.header.to_bytes());
        out[0] |= u8::from(self.padding > 0) << 5
            | u8::from(self.extension.is_some()) << 4
            | self.csrcs.len() as u8;
        let mut at = FIXED_BYTES;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        for csrc in self.csrcs {
            put(&csrc.to_be_bytes());
        }
        if let Some((profile, body)) = self.extension {
            put(&profile.to_be_bytes());
            put(&((body.len() / 4) as u16).to_be_bytes());
            put(body);
        }
        put(self.payload);
        if self.padding > 0 {
            out[at..].fill(0);
            out[len - 1] = self.padding;
        }
        Ok(len)
    }
}
