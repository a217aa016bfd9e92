//! The transforms over a session key: AES in counter mode, HMAC-SHA1, AES-GCM.

use super::keys::SessionKeys;
use super::profile::Profile;
use super::sha1::HmacSha1;
use super::SrtpError;
use aes::cipher::consts::U16;
use aes::cipher::typenum::Unsigned;
use aes::cipher::{
    Block as CipherBlock, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser,
    KeyInit, ParBlocks,
};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::AeadInOut;
use aes_gcm::AesGcm;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// AES of any of the three key lengths.
pub(super) enum Block {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
}

/// Counter mode over `data`, many blocks at a time. (The `ctr` crate's is 40 cycles a voice packet slower: its counters go
/// through memory by halves, for which the vectors that read them wait.)
struct Stream<'a> {
    iv: &'a [u8; 16],
    data: &'a mut [u8],
}

impl BlockSizeUser for Stream<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Stream<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let mut counter = 0u16;
        let mut groups = self.data.chunks_exact_mut(16 * B::ParBlocksSize::USIZE);
        for group in &mut groups {
            let mut blocks = ParBlocks::<B>::default();
            for block in &mut blocks {
                block.0 = counter_block(self.iv, counter);
                counter = counter.wrapping_add(1);
            }
            backend.encrypt_par_blocks((&mut blocks).into());
            group.chunks_exact_mut(16).zip(&blocks).for_each(|(piece, block)| xor(piece, &block.0));
        }
        for piece in groups.into_remainder().chunks_mut(16) {
            let mut block: CipherBlock<B> = counter_block(self.iv, counter).into();
            counter = counter.wrapping_add(1);
            backend.encrypt_block((&mut block).into());
            xor(piece, &block.0);
        }
    }
}

/// The IV with the counter in its last 16 bits, in one piece.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn counter_block(iv: &[u8; 16], counter: u16) -> [u8; 16] {
    use core::arch::x86_64::{__m128i, _mm_insert_epi16};
    let counter = i32::from(counter.swap_bytes());
    // SAFETY: all x86-64 have SSE2; both types are 16 bytes that may be anything.
    unsafe {
        let iv = core::mem::transmute::<[u8; 16], __m128i>(*iv);
        core::mem::transmute::<__m128i, [u8; 16]>(_mm_insert_epi16::<7>(iv, counter))
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn counter_block(iv: &[u8; 16], counter: u16) -> [u8; 16] {
    let mut block = *iv;
    block[14..].copy_from_slice(&counter.to_be_bytes());
    block
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

    /// XORs the counter-mode key stream onto `data`, of which there is at most 1 MiB (RFC 3711 section 4.1.1). The last two
    /// bytes of the IV are those that count, from 0.
    pub fn apply(&self, iv: &[u8; 16], data: &mut [u8]) {
        let stream = Stream { iv, data };
        match self {
            Block::Aes128(c) => c.encrypt_with_backend(stream),
            Block::Aes192(c) => c.encrypt_with_backend(stream),
            Block::Aes256(c) => c.encrypt_with_backend(stream),
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

#[inline]
fn xor(to: &mut [u8], with: &[u8]) {
    match (<&mut [u8; 16]>::try_from(&mut *to), <&[u8; 16]>::try_from(with)) {
        (Ok(to), Ok(with)) => *to = (u128::from_ne_bytes(*to) ^ u128::from_ne_bytes(*with)).to_ne_bytes(),
        _ => to.iter_mut().zip(with).for_each(|(a, b)| *a ^= b),
    }
}
