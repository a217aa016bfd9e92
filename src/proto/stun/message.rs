//! A STUN message as a view of its bytes (RFC 8489 section 5).

use core::net::SocketAddr;

use super::attribute::{self, AttributeType, ErrorCode};
use super::integrity::{self, Key};
use super::{ParseError, HEADER_BYTES, MAGIC_COOKIE};

/// What kind of message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// The 12 bits of a method; those of TURN by name too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Method(u16);

impl Method {
    pub const BINDING: Method = Method(0x001);
    pub const ALLOCATE: Method = Method(0x003);
    pub const REFRESH: Method = Method(0x004);
    pub const SEND: Method = Method(0x006);
    pub const DATA: Method = Method(0x007);
    pub const CREATE_PERMISSION: Method = Method(0x008);
    pub const CHANNEL_BIND: Method = Method(0x009);

    /// None above 12 bits.
    pub const fn new(value: u16) -> Option<Method> {
        match value {
            0..=0xfff => Some(Method(value)),
            _ => None,
        }
    }
    pub const fn value(self) -> u16 {
        self.0
    }
}

/// Method and class interleaved in 14 bits (RFC 8489 figure 3).
pub(super) fn encode_type(method: Method, class: Class) -> u16 {
    let m = method.0;
    let class = match class {
        Class::Request => 0x000,
        Class::Indication => 0x010,
        Class::Success => 0x100,
        Class::Error => 0x110,
    };
    (m & 0x00f) | (m & 0x070) << 1 | (m & 0xf80) << 2 | class
}

fn decode_type(value: u16) -> (Method, Class) {
    let method = Method((value & 0x000f) | (value & 0x00e0) >> 1 | (value & 0x3e00) >> 2);
    let class = match (value & 0x100 != 0, value & 0x010 != 0) {
        (false, false) => Class::Request,
        (false, true) => Class::Indication,
        (true, false) => Class::Success,
        (true, true) => Class::Error,
    };
    (method, class)
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TransactionId(pub [u8; 12]);

/// One attribute: its type and its value without padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    pub kind: AttributeType,
    pub value: &'a [u8],
    /// Offset of the attribute's header in the message.
    pub offset: usize,
}

/// A message whose framing was checked: cookie, lengths and every attribute's bounds.
#[derive(Clone, Copy, Debug)]
pub struct StunMessage<'a> {
    bytes: &'a [u8],
}

/// How long the message is that begins here, for streams; None until its header is there.
pub fn frame_length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..HEADER_BYTES)?;
    Some(HEADER_BYTES + usize::from(u16_at(header, 2)?))
}

impl<'a> StunMessage<'a> {
    /// Exactly one message.
    pub fn parse(bytes: &'a [u8]) -> Result<StunMessage<'a>, ParseError> {
        let error = |offset, expected| Err(ParseError { offset, expected });
        if bytes.len() < HEADER_BYTES {
            return error(bytes.len(), "20 bytes of header");
        }
        if bytes.first().is_some_and(|b| b & 0xc0 != 0) {
            return error(0, "two zero bits in front");
        }
        if u32_at(bytes, 4) != Some(MAGIC_COOKIE) {
            return error(4, "the magic cookie");
        }
        let length = usize::from(u16_at(bytes, 2).unwrap_or(0));
        if length % 4 != 0 {
            return error(2, "a length that is a multiple of four");
        }
        if length != bytes.len() - HEADER_BYTES {
            return error(2, "the length of the attributes");
        }
        let message = StunMessage { bytes };
        let mut end = HEADER_BYTES;
        for attribute in message.all_attributes() {
            end = attribute.offset + 4 + padded(attribute.value.len());
        }
        if end != bytes.len() {
            return error(end, "an attribute within the message");
        }
        message.check_fingerprint_is_last()?;
        Ok(message)
    }

    fn check_fingerprint_is_last(&self) -> Result<(), ParseError> {
        let fingerprint = self.all_attributes().find(|a| a.kind == AttributeType::FINGERPRINT);
        match fingerprint {
            Some(a) if a.value.len() != 4 || a.offset + 8 != self.bytes.len() => {
                Err(ParseError { offset: a.offset, expected: "a fingerprint of four bytes at the end" })
            }
            _ => Ok(()),
        }
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
    pub fn class(&self) -> Class {
        decode_type(u16_at(self.bytes, 0).unwrap_or(0)).1
    }
    pub fn method(&self) -> Method {
        decode_type(u16_at(self.bytes, 0).unwrap_or(0)).0
    }
    pub fn transaction_id(&self) -> TransactionId {
        let mut id = [0; 12];
        if let Some(bytes) = self.bytes.get(8..HEADER_BYTES) {
            id.copy_from_slice(bytes);
        }
        TransactionId(id)
    }

    /// All attributes as they stand.
    pub fn all_attributes(&self) -> Attributes<'a> {
        Attributes { bytes: self.bytes, offset: HEADER_BYTES }
    }

    /// Attributes that count: what follows an integrity attribute is ignored, but for another integrity
    /// and the fingerprint (RFC 8489 sections 14.5 and 14.6).
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> {
        let (mut sha1, mut sha256) = (false, false);
        self.all_attributes().filter(move |a| {
            let counts = match a.kind {
                AttributeType::FINGERPRINT => true,
                AttributeType::MESSAGE_INTEGRITY_SHA256 => !sha256,
                _ => !sha1 && !sha256,
            };
            sha1 |= a.kind == AttributeType::MESSAGE_INTEGRITY;
            sha256 |= a.kind == AttributeType::MESSAGE_INTEGRITY_SHA256;
            counts
        })
    }

    /// The first attribute of that type that counts.
    pub fn attribute(&self, kind: AttributeType) -> Option<Attribute<'a>> {
        self.attributes().find(|a| a.kind == kind)
    }
    /// Its value as text; None when missing or not UTF-8.
    pub fn text(&self, kind: AttributeType) -> Option<&'a str> {
        core::str::from_utf8(self.attribute(kind)?.value).ok()
    }
    /// Our address as the server saw it: XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS (of RFC 3489 servers).
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        self.xor_address(AttributeType::XOR_MAPPED_ADDRESS)
            .or_else(|| self.address(AttributeType::MAPPED_ADDRESS))
    }
    /// A plain address: MAPPED-ADDRESS, ALTERNATE-SERVER, RESPONSE-ORIGIN …
    pub fn address(&self, kind: AttributeType) -> Option<SocketAddr> {
        attribute::decode_address(self.attribute(kind)?.value)
    }
    /// An obfuscated address: XOR-MAPPED-ADDRESS and those of TURN.
    pub fn xor_address(&self, kind: AttributeType) -> Option<SocketAddr> {
        let plain = attribute::decode_address(self.attribute(kind)?.value)?;
        Some(attribute::xor_address(plain, &self.transaction_id()))
    }
    pub fn error_code(&self) -> Option<ErrorCode<'a>> {
        ErrorCode::decode(self.attribute(AttributeType::ERROR_CODE)?.value)
    }
    /// Types of UNKNOWN-ATTRIBUTES.
    pub fn unknown_attributes(&self) -> impl Iterator<Item = AttributeType> + 'a {
        let value = self.attribute(AttributeType::UNKNOWN_ATTRIBUTES).map_or(&[][..], |a| a.value);
        value.chunks_exact(2).filter_map(|pair| u16_at(pair, 0)).map(AttributeType)
    }
    /// Attributes that must be understood (type below 0x8000) and that this module doesn't name: a request
    /// with any is answered 420, a response with any is a failure.
    pub fn not_understood(&self) -> impl Iterator<Item = AttributeType> + 'a {
        self.attributes().map(|a| a.kind).filter(|kind| kind.must_be_understood() && kind.name().is_none())
    }

    /// The fingerprint is there and right.
    pub fn fingerprint_fits(&self) -> bool {
        integrity::fingerprint_fits(self)
    }
    /// MESSAGE-INTEGRITY is there and made with the key.
    pub fn integrity_fits(&self, key: &Key) -> bool {
        integrity::sha1_fits(self, key)
    }
    /// MESSAGE-INTEGRITY-SHA256 is there and made with the key; a truncated one of 16 bytes or more counts.
    pub fn integrity_sha256_fits(&self, key: &Key) -> bool {
        integrity::sha256_fits(self, key)
    }
}

/// Iterator over attributes; ends where the bytes don't hold a whole one.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;
    fn next(&mut self) -> Option<Attribute<'a>> {
        let offset = self.offset;
        let kind = AttributeType(u16_at(self.bytes, offset)?);
        let length = usize::from(u16_at(self.bytes, offset + 2)?);
        let value = self.bytes.get(offset + 4..offset + 4 + length)?;
        // The padding must be there, too.
        let end = offset + 4 + padded(length);
        self.bytes.get(..end)?;
        self.offset = end;
        Some(Attribute { kind, value, offset })
    }
}

pub(super) const fn padded(length: usize) -> usize {
    (length + 3) & !3
}

pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let pair = bytes.get(offset..offset + 2)?;
    Some(u16::from_be_bytes(pair.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let four = bytes.get(offset..offset + 4)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}
