//! Keys, MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, FINGERPRINT and USERHASH (RFC 8489 sections 9
//! and 14.4 to 14.7).
//!
//! User names, realms and passwords are taken as they are: who has characters outside of ASCII prepares
//! them with the OpaqueString profile (RFC 8265) first.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::attribute::{AttributeType, PasswordAlgorithm};
use super::message::{Attribute, StunMessage};
use super::HEADER_BYTES;

/// A key for message integrity; wiped when dropped, never shown.
#[derive(Clone)]
pub struct Key(Zeroizing<Vec<u8>>);

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Short-term credentials: the password itself (section 9.1.1).
    pub fn short_term(password: &str) -> Key {
        Key(Zeroizing::new(password.as_bytes().to_vec()))
    }

    /// Long-term credentials: a hash of `user:realm:password` (section 9.2.2).
    pub fn long_term(algorithm: PasswordAlgorithm, user: &str, realm: &str, password: &str) -> Key {
        let text = Zeroizing::new(format!("{user}:{realm}:{password}"));
        Key(Zeroizing::new(match algorithm {
            PasswordAlgorithm::Md5 => md5::compute(text.as_bytes()).0.to_vec(),
            PasswordAlgorithm::Sha256 => Sha256::digest(text.as_bytes()).to_vec(),
        }))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// USERHASH: who is hidden from the wire (section 14.4).
pub fn userhash(user: &str, realm: &str) -> [u8; 32] {
    Sha256::digest(format!("{user}:{realm}").as_bytes()).into()
}

/// HMAC-SHA1 over a message up to an attribute, with the length that includes that attribute.
pub(super) fn sha1(key: &Key, before: &[u8], attribute_bytes: usize) -> [u8; 20] {
    // invariant: HMAC takes keys of any length.
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(key.bytes()).expect("any key length");
    feed(before, attribute_bytes, |bytes| mac.update(bytes));
    mac.finalize().into_bytes().into()
}

pub(super) fn sha256(key: &Key, before: &[u8], attribute_bytes: usize) -> [u8; 32] {
    // invariant: HMAC takes keys of any length.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.bytes()).expect("any key length");
    feed(before, attribute_bytes, |bytes| mac.update(bytes));
    mac.finalize().into_bytes().into()
}

/// CRC-32 over a message up to the fingerprint, whose eight bytes the length includes.
pub(super) fn fingerprint(before: &[u8]) -> u32 {
    let mut crc = Crc32::new();
    feed(before, 8, |bytes| crc.update(bytes));
    crc.finish() ^ 0x5354_554e
}

/// The message up to here, as if it ended after an attribute of that size.
fn feed(before: &[u8], attribute_bytes: usize, mut update: impl FnMut(&[u8])) {
    let length = (before.len() + attribute_bytes).saturating_sub(HEADER_BYTES);
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    update(before.get(..2).unwrap_or(&[]));
    update(&length);
    update(before.get(4..).unwrap_or(&[]));
}

pub(super) fn fingerprint_fits(message: &StunMessage) -> bool {
    let Some((attribute, before)) = found(message, AttributeType::FINGERPRINT) else { return false };
    attribute.value == fingerprint(before).to_be_bytes()
}

pub(super) fn sha1_fits(message: &StunMessage, key: &Key) -> bool {
    let Some((attribute, before)) = found(message, AttributeType::MESSAGE_INTEGRITY) else { return false };
    sha1(key, before, 24).ct_eq(attribute.value).into()
}

pub(super) fn sha256_fits(message: &StunMessage, key: &Key) -> bool {
    let Some((attribute, before)) = found(message, AttributeType::MESSAGE_INTEGRITY_SHA256) else {
        return false;
    };
    let length = attribute.value.len();
    // Section 14.6: at least 16, at most 32, a multiple of four.
    if !(16..=32).contains(&length) || length % 4 != 0 {
        return false;
    }
    let whole = sha256(key, before, 4 + length);
    whole.get(..length).is_some_and(|start| start.ct_eq(attribute.value).into())
}

/// An attribute that counts and the bytes in front of it.
fn found<'a>(message: &StunMessage<'a>, kind: AttributeType) -> Option<(Attribute<'a>, &'a [u8])> {
    let attribute = message.attribute(kind)?;
    Some((attribute, message.bytes().get(..attribute.offset)?))
}

/// CRC-32 of ITU V.42, reflected, by table.
struct Crc32(u32);

const CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut value = i as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[i] = value;
        i += 1;
    }
    table
}

impl Crc32 {
    fn new() -> Crc32 {
        Crc32(u32::MAX)
    }
    fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            // invariant: the index is a byte, the table has 256 entries.
            self.0 = self.0 >> 8 ^ CRC_TABLE[usize::from(self.0 as u8 ^ byte)];
        }
    }
    fn finish(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_of_the_nine_digits_is_the_published_one() {
        let mut crc = Crc32::new();
        crc.update(b"123456789");
        assert_eq!(crc.finish(), 0xcbf4_3926);
    }

    #[test]
    fn a_key_does_not_show_itself() {
        assert_eq!(format!("{:?}", Key::short_term("hunter2")), "Key(…)");
    }
}
