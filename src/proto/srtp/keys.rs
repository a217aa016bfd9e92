//! Master keys and the derivation of session keys (RFC 3711 section 4.3, key derivation rate 0).

use super::cipher::Block;
use super::profile::Profile;
use super::{SrtpError, MAX_MKI};
use crate::util::Rng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Master key, master salt and optional master key identifier. Wiped on drop, never printed.
#[derive(Clone)]
pub struct MasterKey {
    profile: Profile,
    key: Zeroizing<Vec<u8>>,
    salt: Zeroizing<Vec<u8>>,
    mki: Box<[u8]>,
}

impl PartialEq for MasterKey {
    fn eq(&self, other: &MasterKey) -> bool {
        let same = self.key.ct_eq(&other.key) & self.salt.ct_eq(&other.salt);
        self.profile == other.profile && self.mki == other.mki && bool::from(same)
    }
}

impl Eq for MasterKey {}

/// The keys of one protected stream: ours for what we send, the peer's for what arrives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamKeys {
    pub send: MasterKey,
    pub receive: MasterKey,
}

impl core::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MasterKey").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl MasterKey {
    /// `mki` is empty where none is used.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8], mki: &[u8]) -> Result<MasterKey, SrtpError> {
        if key.len() != profile.key_bytes() || salt.len() != profile.salt_bytes() || mki.len() > MAX_MKI {
            return Err(SrtpError::Key);
        }
        Ok(MasterKey { profile, key: key.to_vec().into(), salt: salt.to_vec().into(), mki: mki.into() })
    }

    pub fn generate(profile: Profile, rng: &mut dyn Rng) -> MasterKey {
        let mut key = Zeroizing::new(vec![0; profile.key_bytes()]);
        let mut salt = Zeroizing::new(vec![0; profile.salt_bytes()]);
        rng.fill(&mut key);
        rng.fill(&mut salt);
        MasterKey { profile, key, salt, mki: Box::default() }
    }

    pub fn profile(&self) -> Profile {
        self.profile
    }
    pub fn mki(&self) -> &[u8] {
        &self.mki
    }
    /// Key and salt in one, as SDES and the DTLS exporter carry them.
    pub fn key_and_salt(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([&self.key[..], &self.salt[..]].concat())
    }

    pub(super) fn rtp_keys(&self) -> Result<SessionKeys, SrtpError> {
        self.derive(0)
    }
    pub(super) fn rtcp_keys(&self) -> Result<SessionKeys, SrtpError> {
        self.derive(3)
    }

    /// Labels `first`, `first + 1`, `first + 2`: encryption, authentication, salt.
    fn derive(&self, first: u8) -> Result<SessionKeys, SrtpError> {
        let prf = Block::new(&self.key)?;
        let mut keys = SessionKeys {
            cipher: Zeroizing::new(vec![0; self.profile.key_bytes()]),
            auth: Zeroizing::new([0; 20]),
            salt: [0; 14],
        };
        self.expand(&prf, first, &mut keys.cipher);
        self.expand(&prf, first + 1, &mut keys.auth[..]);
        self.expand(&prf, first + 2, &mut keys.salt[..self.profile.salt_bytes()]);
        Ok(keys)
    }

    /// AES-CM as the PRF; a 96-bit salt is followed by zeros (RFC 7714 section 11).
    fn expand(&self, prf: &Block, label: u8, out: &mut [u8]) {
        let mut iv = [0; 16];
        iv[..self.salt.len()].copy_from_slice(&self.salt);
        iv[7] ^= label;
        prf.apply(&iv, out);
        iv.zeroize();
    }
}

/// What is derived for RTP or for RTCP.
pub(super) struct SessionKeys {
    pub cipher: Zeroizing<Vec<u8>>,
    pub auth: Zeroizing<[u8; 20]>,
    pub salt: [u8; 14],
}

impl Drop for SessionKeys {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}
