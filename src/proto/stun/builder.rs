//! Writes STUN messages; the header's length is right after every step.

use core::net::SocketAddr;

use super::attribute::{self, AttributeType, ErrorCode, PasswordAlgorithm};
use super::integrity::{self, Key};
use super::message::{encode_type, padded, Class, Method, TransactionId};
use super::{HEADER_BYTES, MAGIC_COOKIE};

/// Longest message: its length field has 16 bits and is a multiple of four.
const MAX_ATTRIBUTE_BYTES: usize = 0xfffc;

/// A message that grows attribute by attribute. Integrity and fingerprint come last, in this order.
#[derive(Clone, Debug)]
pub struct StunBuilder {
    bytes: Vec<u8>,
    overflow: bool,
}

impl StunBuilder {
    pub fn new(class: Class, method: Method, id: TransactionId) -> StunBuilder {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&encode_type(method, class).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
        bytes.extend_from_slice(&id.0);
        StunBuilder { bytes, overflow: false }
    }

    /// A value as it is, padded with zeros.
    pub fn raw(mut self, kind: AttributeType, value: &[u8]) -> StunBuilder {
        let total = self.bytes.len() - HEADER_BYTES + 4 + padded(value.len());
        let (Ok(length), true) = (u16::try_from(value.len()), total <= MAX_ATTRIBUTE_BYTES) else {
            self.overflow = true;
            return self;
        };
        self.bytes.extend_from_slice(&kind.0.to_be_bytes());
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(HEADER_BYTES + total, 0);
        // invariant: the header is there; `total` fits after the check above.
        self.bytes[2..4].copy_from_slice(&(total as u16).to_be_bytes());
        self
    }

    pub fn text(self, kind: AttributeType, value: &str) -> StunBuilder {
        self.raw(kind, value.as_bytes())
    }
    pub fn u32(self, kind: AttributeType, value: u32) -> StunBuilder {
        self.raw(kind, &value.to_be_bytes())
    }
    pub fn u64(self, kind: AttributeType, value: u64) -> StunBuilder {
        self.raw(kind, &value.to_be_bytes())
    }
    pub fn address(self, kind: AttributeType, address: SocketAddr) -> StunBuilder {
        let (value, length) = attribute::encode_address(address);
        self.raw(kind, &value[..length])
    }
    pub fn xor_address(self, kind: AttributeType, address: SocketAddr) -> StunBuilder {
        let id = self.transaction_id();
        self.address(kind, attribute::xor_address(address, &id))
    }

    /// ERROR-CODE; a code outside of 300 to 699 makes `build` fail.
    pub fn error_code(mut self, code: u16, reason: &str) -> StunBuilder {
        let Some(head) = ErrorCode::encode(code) else {
            self.overflow = true;
            return self;
        };
        let mut value = head.to_vec();
        value.extend_from_slice(reason.as_bytes());
        self.raw(AttributeType::ERROR_CODE, &value)
    }
    pub fn unknown_attributes(self, kinds: &[AttributeType]) -> StunBuilder {
        let value: Vec<u8> = kinds.iter().flat_map(|kind| kind.0.to_be_bytes()).collect();
        self.raw(AttributeType::UNKNOWN_ATTRIBUTES, &value)
    }
    /// PASSWORD-ALGORITHMS, without parameters.
    pub fn password_algorithms(self, algorithms: &[PasswordAlgorithm]) -> StunBuilder {
        let value: Vec<u8> = algorithms.iter().flat_map(|a| [0, a.number() as u8, 0, 0]).collect();
        self.raw(AttributeType::PASSWORD_ALGORITHMS, &value)
    }
    pub fn password_algorithm(self, algorithm: PasswordAlgorithm) -> StunBuilder {
        self.raw(AttributeType::PASSWORD_ALGORITHM, &[0, algorithm.number() as u8, 0, 0])
    }
    pub fn userhash(self, user: &str, realm: &str) -> StunBuilder {
        self.raw(AttributeType::USERHASH, &integrity::userhash(user, realm))
    }

    /// MESSAGE-INTEGRITY over what is there.
    pub fn integrity(self, key: &Key) -> StunBuilder {
        let value = integrity::sha1(key, &self.bytes, 24);
        self.raw(AttributeType::MESSAGE_INTEGRITY, &value)
    }
    /// MESSAGE-INTEGRITY-SHA256 over what is there.
    pub fn integrity_sha256(self, key: &Key) -> StunBuilder {
        let value = integrity::sha256(key, &self.bytes, 36);
        self.raw(AttributeType::MESSAGE_INTEGRITY_SHA256, &value)
    }
    /// FINGERPRINT over what is there: the last attribute.
    pub fn fingerprint(self) -> StunBuilder {
        let value = integrity::fingerprint(&self.bytes);
        self.u32(AttributeType::FINGERPRINT, value)
    }

    /// The message; None when a value was too long or out of range.
    pub fn build(self) -> Option<Vec<u8>> {
        (!self.overflow).then_some(self.bytes)
    }

    fn transaction_id(&self) -> TransactionId {
        let mut id = [0; 12];
        // invariant: `new` wrote the whole header.
        id.copy_from_slice(&self.bytes[8..HEADER_BYTES]);
        TransactionId(id)
    }
}
