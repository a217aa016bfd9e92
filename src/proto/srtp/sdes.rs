//! `a=crypto` (RFC 4568): parse and write.

use super::keys::MasterKey;
use super::profile::Profile;
use super::{SrtpError, MAX_MKI};
use crate::proto::sip::ParseError;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, Engine};
use zeroize::Zeroizing;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Bounds of one attribute.
const MAX_KEYS: usize = 8;
const MAX_PARAMS: usize = 16;
/// Digits of the greatest number of 128 bytes.
const MAX_MKI_DIGITS: usize = 309;

/// One key parameter: `inline:base64|lifetime|mki:length`.
#[derive(Clone)]
pub struct CryptoKey {
    /// Key and salt in one.
    pub key_and_salt: Zeroizing<Vec<u8>>,
    /// In packets; None where it isn't said.
    pub lifetime: Option<u64>,
    /// The master key identifier as it stands in packets.
    pub mki: Option<Box<[u8]>>,
}

impl core::fmt::Debug for CryptoKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CryptoKey")
            .field("lifetime", &self.lifetime)
            .field("mki", &self.mki)
            .finish_non_exhaustive()
    }
}

/// One crypto attribute.
#[derive(Clone, Debug)]
pub struct Crypto {
    pub tag: u32,
    /// As written; `profile()` tells whether we know it.
    pub suite: Box<str>,
    pub keys: Vec<CryptoKey>,
    /// Session parameters as written.
    pub params: Vec<Box<str>>,
}

fn error(text: &str, part: &str, expected: &'static str) -> ParseError {
    let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
    ParseError { offset, expected }
}

impl Crypto {
    /// Parses the attribute's value, with or without `a=crypto:` before it.
    pub fn parse(text: &str) -> Result<Crypto, ParseError> {
        let value = text.strip_prefix("a=").unwrap_or(text);
        let value = value.strip_prefix("crypto:").unwrap_or(value).trim();
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().unwrap_or(&value[..0]);
        // 1*9DIGIT without leading zeros (RFC 4568 section 9.1)
        let digits = !tag.is_empty() && tag.len() <= 9 && tag.bytes().all(|b| b.is_ascii_digit());
        if !digits || (tag.len() > 1 && tag.starts_with('0')) {
            return Err(error(text, tag, "a tag of one to nine digits"));
        }
        let tag = tag.parse().map_err(|_| error(text, tag, "a tag of one to nine digits"))?;
        let suite = words.next().ok_or(error(text, value, "a crypto suite"))?;
        let methods = words.next().ok_or(error(text, suite, "key parameters"))?;
        if methods.split(';').count() > MAX_KEYS {
            return Err(error(text, methods, "at most eight keys"));
        }
        let keys = methods.split(';').map(|m| parse_key(text, m)).collect::<Result<Vec<_>, _>>()?;
        let params: Vec<Box<str>> = words.by_ref().take(MAX_PARAMS).map(Into::into).collect();
        if let Some(more) = words.next() {
            return Err(error(text, more, "at most sixteen session parameters"));
        }
        Ok(Crypto { tag, suite: suite.into(), keys, params })
    }

    /// The attribute for a key of ours.
    pub fn of(tag: u32, master: &MasterKey) -> Crypto {
        let mki = master.mki();
        Crypto {
            tag,
            suite: master.profile().name().into(),
            keys: vec![CryptoKey {
                key_and_salt: master.key_and_salt(),
                lifetime: None,
                mki: (!mki.is_empty()).then(|| mki.into()),
            }],
            params: Vec::new(),
        }
    }

    pub fn profile(&self) -> Option<Profile> {
        Profile::from_name(&self.suite)
    }

    /// The first key as a master key: the one to send with. Err for unknown suites and wrong lengths.
    pub fn master_key(&self) -> Result<MasterKey, SrtpError> {
        self.master(self.keys.first().ok_or(SrtpError::Key)?)
    }

    /// All of them: what a receiver needs.
    pub fn master_keys(&self) -> Result<Vec<MasterKey>, SrtpError> {
        self.keys.iter().map(|key| self.master(key)).collect()
    }

    fn master(&self, key: &CryptoKey) -> Result<MasterKey, SrtpError> {
        let profile = self.profile().ok_or(SrtpError::Key)?;
        if key.key_and_salt.len() != profile.key_bytes() + profile.salt_bytes() {
            return Err(SrtpError::Key);
        }
        let (master, salt) = key.key_and_salt.split_at(profile.key_bytes());
        MasterKey::new(profile, master, salt, key.mki.as_deref().unwrap_or_default())
    }

    /// The value behind `a=crypto:`.
    pub fn write(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(format!("{} {} ", self.tag, self.suite));
        for (i, key) in self.keys.iter().enumerate() {
            if i > 0 {
                out.push(';');
            }
            out.push_str("inline:");
            let text = Zeroizing::new(STANDARD.encode(&key.key_and_salt[..]));
            out.push_str(&text);
            if let Some(lifetime) = key.lifetime {
                match lifetime.is_power_of_two() {
                    true => out.push_str(&format!("|2^{}", lifetime.trailing_zeros())),
                    false => out.push_str(&format!("|{lifetime}")),
                }
            }
            if let Some(mki) = &key.mki {
                out.push_str(&format!("|{}:{}", decimal_of(mki), mki.len()));
            }
        }
        for param in &self.params {
            out.push(' ');
            out.push_str(param);
        }
        out
    }
}

fn parse_key(text: &str, method: &str) -> Result<CryptoKey, ParseError> {
    let inline = method.get(..7).filter(|p| p.eq_ignore_ascii_case("inline:"));
    inline.ok_or(error(text, method, "inline:"))?;
    let mut parts = method[7..].split('|');
    let encoded = parts.next().unwrap_or_default();
    let bytes = LENIENT.decode(encoded).map_err(|_| error(text, encoded, "base64"))?;
    let mut key = CryptoKey { key_and_salt: Zeroizing::new(bytes), lifetime: None, mki: None };
    if key.key_and_salt.is_empty() {
        return Err(error(text, encoded, "a key"));
    }
    for part in parts {
        if let Some((number, length)) = part.split_once(':') {
            let length: usize = length.parse().map_err(|_| error(text, part, "an MKI as number:length"))?;
            if key.mki.is_some() || length == 0 || length > MAX_MKI {
                return Err(error(text, part, "one MKI of 1 to 128 bytes"));
            }
            let mki = bytes_of(number, length).ok_or(error(text, part, "an MKI that fits its length"))?;
            key.mki = Some(mki);
        } else {
            if key.lifetime.is_some() || key.mki.is_some() {
                return Err(error(text, part, "a lifetime before the MKI"));
            }
            key.lifetime = Some(parse_lifetime(part).ok_or(error(text, part, "a lifetime"))?);
        }
    }
    Ok(key)
}

/// A decimal number of any size as that many bytes; None when it has other characters or doesn't fit.
fn bytes_of(number: &str, length: usize) -> Option<Box<[u8]>> {
    let mut bytes = vec![0; length].into_boxed_slice();
    if number.len() > MAX_MKI_DIGITS {
        return None;
    }
    for digit in number.chars() {
        let mut carry = digit.to_digit(10)?;
        for byte in bytes.iter_mut().rev() {
            let value = u32::from(*byte) * 10 + carry;
            (*byte, carry) = (value as u8, value >> 8);
        }
        if carry > 0 {
            return None;
        }
    }
    (!number.is_empty()).then_some(bytes)
}

/// The bytes as one decimal number.
fn decimal_of(bytes: &[u8]) -> String {
    let mut rest = bytes.to_vec();
    let mut digits = Vec::new();
    while digits.is_empty() || rest.iter().any(|b| *b > 0) {
        let mut left = 0;
        for byte in &mut rest {
            let value = left << 8 | u32::from(*byte);
            (*byte, left) = ((value / 10) as u8, value % 10);
        }
        digits.push(char::from(b'0' + left as u8));
    }
    digits.iter().rev().collect()
}

/// A number, or a power of two as `2^20`; never 0.
fn parse_lifetime(text: &str) -> Option<u64> {
    let value = match text.strip_prefix("2^") {
        Some(power) => 1u64.checked_shl(power.parse().ok()?)?,
        None => text.parse().ok()?,
    };
    (value > 0).then_some(value)
}
