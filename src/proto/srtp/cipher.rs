//! The transforms over a session key: AES in counter mode, HMAC-SHA1, AES-GCM.

use super::keys::SessionKeys;
use super::profile::Profile;
use super::sha1::HmacSha1;
use super::SrtpError;
use aes::cipher::{
    BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper,
};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::AeadInOut;
use aes_gcm::AesGcm;
use ctr::flavors::Ctr128BE;
use ctr::CtrCore;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// AES of any of the three key lengths.
pub(super) enum Block {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
}

fn keystream<C>(cipher: &C, iv: &[u8; 16], data: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = aes::cipher::consts::U16>,
{
    let core = CtrCore::<&C, Ctr128BE>::inner_iv_init(cipher, iv.into());
    StreamCipherCoreWrapper::from_core(core).apply_keystream(data);
}

impl Block {
    pub fn new(key: &[u8]) -> Result<Block, SrtpError> {
        let made = match key.len() {
            16 => Aes128::new_from_slice(key).map(Block::Aes128),
            24 => Aes192::new_from_slice(key).map(Block::Aes192),
            _ => Aes256::new_from_slice(key).map(Block::Aes256),
        };
        made.map_err(|_| SrtpError::Key)
    }

    /// XORs the counter-mode key stream onto `data` (RFC 3711 section 4.1.1).
    pub fn apply(&self, iv: &[u8; 16], data: &mut [u8]) {
        match self {
            Block::Aes128(c) => keystream(c, iv, data),
            Block::Aes192(c) => keystream(c, iv, data),
            Block::Aes256(c) => keystream(c, iv, data),
        }
    }
}

enum Gcm {
    Aes128(AesGcm<Aes128, U12>),
    Aes256(AesGcm<Aes256, U12>),
}

enum Kind {
    /// Counter mode and HMAC; no cipher for the NULL suites.
    CounterMode {
        block: Option<Block>,
        mac: HmacSha1,
    },
    Gcm(Gcm),
}

/// One direction's transform of RTP or of RTCP.
pub(super) struct Transform {
    kind: Box<Kind>,
    salt: [u8; 14],
    tag_bytes: usize,
}

impl Transform {
    pub fn new(profile: Profile, keys: &SessionKeys, tag_bytes: usize) -> Result<Transform, SrtpError> {
        let kind = match profile {
            Profile::AeadAes128Gcm => {
                Kind::Gcm(Gcm::Aes128(AesGcm::new_from_slice(&keys.cipher).map_err(|_| SrtpError::Key)?))
            }
            Profile::AeadAes256Gcm => {
                Kind::Gcm(Gcm::Aes256(AesGcm::new_from_slice(&keys.cipher).map_err(|_| SrtpError::Key)?))
            }
            _ => Kind::CounterMode {
                block: if profile.encrypts() { Some(Block::new(&keys.cipher)?) } else { None },
                mac: HmacSha1::new(&keys.auth),
            },
        };
        Ok(Transform { kind: Box::new(kind), salt: keys.salt, tag_bytes })
    }

    pub fn is_aead(&self) -> bool {
        matches!(*self.kind, Kind::Gcm(_))
    }
    pub fn tag_bytes(&self) -> usize {
        self.tag_bytes
    }

    /// Counter mode over `data`; nothing for the NULL suites.
    pub fn apply_keystream(&self, ssrc: u32, index: u64, data: &mut [u8]) {
        let Kind::CounterMode { block: Some(block), .. } = &*self.kind else { return };
        // IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        xor(&mut iv[4..8], &ssrc.to_be_bytes());
        xor(&mut iv[8..14], &index.to_be_bytes()[2..]);
        block.apply(&iv, data);
    }

    /// HMAC-SHA1 over both parts, of which the second has at most four bytes; the tag is its first bytes.
    pub fn mac(&self, [data, tail]: [&[u8]; 2]) -> [u8; 20] {
        match &*self.kind {
            Kind::CounterMode { mac, .. } => mac.mac(data, tail),
            Kind::Gcm(_) => [0; 20],
        }
    }

    pub fn mac_fits(&self, parts: [&[u8]; 2], tag: &[u8]) -> bool {
        let whole = self.mac(parts);
        // Tags of 80 and of 32 bits, compared as numbers: without a branch, and without a loop over bytes.
        match *tag {
            [a, b, c, d, e, f, g, h, i, j] => {
                let number = |n: &[u8; 20]| {
                    let [a, b, c, d, e, f, g, h, i, j, ..] = *n;
                    u128::from_ne_bytes([a, b, c, d, e, f, g, h, i, j, 0, 0, 0, 0, 0, 0])
                };
                let tag = u128::from_ne_bytes([a, b, c, d, e, f, g, h, i, j, 0, 0, 0, 0, 0, 0]);
                number(&whole).ct_eq(&tag).into()
            }
            [a, b, c, d] => {
                let [e, f, g, h, ..] = whole;
                u32::from_ne_bytes([a, b, c, d]).ct_eq(&u32::from_ne_bytes([e, f, g, h])).into()
            }
            _ => whole.get(..tag.len()).is_some_and(|expected| expected.ct_eq(tag).into()),
        }
    }

    /// RFC 7714 section 8.1 (RTP: `low` is ROC and SEQ) and 9.1 (RTCP: the index).
    fn nonce(&self, ssrc: u32, low: u64) -> [u8; 12] {
        let mut iv = [0; 12];
        iv.copy_from_slice(&self.salt[..12]);
        xor(&mut iv[2..6], &ssrc.to_be_bytes());
        xor(&mut iv[6..12], &low.to_be_bytes()[2..]);
        iv
    }

    /// Encrypts `data` in place and gives the tag.
    pub fn seal(&self, ssrc: u32, low: u64, aad: &[u8], data: &mut [u8]) -> Result<[u8; 16], SrtpError> {
        let nonce = self.nonce(ssrc, low);
        let tag = match &*self.kind {
            Kind::Gcm(Gcm::Aes128(c)) => c.encrypt_inout_detached(&nonce.into(), aad, data.into()),
            Kind::Gcm(Gcm::Aes256(c)) => c.encrypt_inout_detached(&nonce.into(), aad, data.into()),
            Kind::CounterMode { .. } => return Err(SrtpError::Key),
        };
        tag.map(Into::into).map_err(|_| SrtpError::Packet)
    }

    /// Checks the tag and decrypts in place; `data` is untouched when the tag doesn't fit.
    pub fn open(
        &self,
        ssrc: u32,
        low: u64,
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), SrtpError> {
        let nonce = self.nonce(ssrc, low);
        let done = match &*self.kind {
            Kind::Gcm(Gcm::Aes128(c)) => {
                c.decrypt_inout_detached(&nonce.into(), aad, data.into(), tag.into())
            }
            Kind::Gcm(Gcm::Aes256(c)) => {
                c.decrypt_inout_detached(&nonce.into(), aad, data.into(), tag.into())
            }
            Kind::CounterMode { .. } => return Err(SrtpError::Key),
        };
        done.map_err(|_| SrtpError::Auth)
    }
}

/// The ciphers and the HMAC wipe their keys themselves.
impl Drop for Transform {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

fn xor(to: &mut [u8], with: &[u8]) {
    for (a, b) in to.iter_mut().zip(with) {
        *a ^= b;
    }
}
