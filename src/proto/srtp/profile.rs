//! Crypto suites: cipher, tag lengths, names.

/// A protection profile; RTCP always keeps the long tag (RFC 3711 section 5.2, RFC 5764 section 4.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(non_camel_case_types)]
pub enum Profile {
    AesCm128HmacSha1_80,
    AesCm128HmacSha1_32,
    AesCm192HmacSha1_80,
    AesCm192HmacSha1_32,
    AesCm256HmacSha1_80,
    AesCm256HmacSha1_32,
    NullHmacSha1_80,
    NullHmacSha1_32,
    AeadAes128Gcm,
    AeadAes256Gcm,
}

impl Profile {
    /// By preference: what we offer and choose first comes first.
    pub const ALL: [Profile; 10] = [
        Profile::AeadAes256Gcm,
        Profile::AeadAes128Gcm,
        Profile::AesCm256HmacSha1_80,
        Profile::AesCm128HmacSha1_80,
        Profile::AesCm192HmacSha1_80,
        Profile::AesCm256HmacSha1_32,
        Profile::AesCm128HmacSha1_32,
        Profile::AesCm192HmacSha1_32,
        Profile::NullHmacSha1_80,
        Profile::NullHmacSha1_32,
    ];

    /// As in `a=crypto` (RFC 4568 section 6.2, RFC 6188 section 5, RFC 7714 section 14.1).
    pub const fn name(self) -> &'static str {
        match self {
            Profile::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Profile::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Profile::AesCm192HmacSha1_80 => "AES_192_CM_HMAC_SHA1_80",
            Profile::AesCm192HmacSha1_32 => "AES_192_CM_HMAC_SHA1_32",
            Profile::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Profile::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Profile::NullHmacSha1_80 => "NULL_HMAC_SHA1_80",
            Profile::NullHmacSha1_32 => "NULL_HMAC_SHA1_32",
            Profile::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Profile::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// By name without case; also in the word order `AES_CM_256_HMAC_SHA1_80` that some peers write.
    pub fn from_name(name: &str) -> Option<Profile> {
        let known = Profile::ALL.into_iter().find(|p| p.name().eq_ignore_ascii_case(name));
        known.or_else(|| {
            let aliases = [
                ("AES_CM_256_HMAC_SHA1_80", Profile::AesCm256HmacSha1_80),
                ("AES_CM_256_HMAC_SHA1_32", Profile::AesCm256HmacSha1_32),
                ("AES_CM_192_HMAC_SHA1_80", Profile::AesCm192HmacSha1_80),
                ("AES_CM_192_HMAC_SHA1_32", Profile::AesCm192HmacSha1_32),
            ];
            aliases.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, p)| p)
        })
    }

    pub const fn is_aead(self) -> bool {
        matches!(self, Profile::AeadAes128Gcm | Profile::AeadAes256Gcm)
    }
    pub const fn key_bytes(self) -> usize {
        match self {
            Profile::AesCm192HmacSha1_80 | Profile::AesCm192HmacSha1_32 => 24,
            Profile::AesCm256HmacSha1_80 | Profile::AesCm256HmacSha1_32 | Profile::AeadAes256Gcm => 32,
            _ => 16,
        }
    }
    pub const fn salt_bytes(self) -> usize {
        if self.is_aead() {
            12
        } else {
            14
        }
    }
    pub const fn rtp_tag_bytes(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 16,
            Profile::AesCm128HmacSha1_32
            | Profile::AesCm192HmacSha1_32
            | Profile::AesCm256HmacSha1_32
            | Profile::NullHmacSha1_32 => 4,
            _ => 10,
        }
    }
    pub const fn rtcp_tag_bytes(self) -> usize {
        if self.is_aead() {
            16
        } else {
            10
        }
    }
    /// False for the NULL suites, which only authenticate.
    pub const fn encrypts(self) -> bool {
        !matches!(self, Profile::NullHmacSha1_80 | Profile::NullHmacSha1_32)
    }
}
