//! Digest access authentication, client side (RFC 3261 section 22, RFC 7616, RFC 8760; RFC 2617 and
//! RFC 2069 for servers that speak them).
//!
//! A `Session` remembers the challenges of one account's or call's realms and writes the
//! Authorization values; the user agent drives it with responses and asks it before each request.

mod challenge;
mod digest;
mod session;

pub use challenge::{parameter, Challenge};
pub use digest::{digest_response, ha1, user_hash};
pub use session::Session;

use core::fmt;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    Md5,
    Md5Sess,
    Sha256,
    Sha256Sess,
    Sha512_256,
    Sha512_256Sess,
}

impl Algorithm {
    pub const ALL: [Algorithm; 6] = [
        Algorithm::Md5,
        Algorithm::Md5Sess,
        Algorithm::Sha256,
        Algorithm::Sha256Sess,
        Algorithm::Sha512_256,
        Algorithm::Sha512_256Sess,
    ];

    /// As it stands in a challenge.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Md5Sess => "MD5-sess",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha256Sess => "SHA-256-sess",
            Algorithm::Sha512_256 => "SHA-512-256",
            Algorithm::Sha512_256Sess => "SHA-512-256-sess",
        }
    }
    pub fn from_token(token: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|a| a.as_str().eq_ignore_ascii_case(token))
    }
    /// The nonce and the cnonce go into HA1.
    pub const fn is_session(self) -> bool {
        matches!(self, Algorithm::Md5Sess | Algorithm::Sha256Sess | Algorithm::Sha512_256Sess)
    }
    /// Without `-sess`: what an HA1 is made with.
    pub const fn base(self) -> Algorithm {
        match self {
            Algorithm::Md5 | Algorithm::Md5Sess => Algorithm::Md5,
            Algorithm::Sha256 | Algorithm::Sha256Sess => Algorithm::Sha256,
            Algorithm::Sha512_256 | Algorithm::Sha512_256Sess => Algorithm::Sha512_256,
        }
    }
}

/// Some algorithms, each with its `-sess` form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Algorithms(u8);

impl Algorithms {
    pub const NONE: Algorithms = Algorithms(0);

    pub const fn with(self, algorithm: Algorithm) -> Algorithms {
        Algorithms(self.0 | Algorithms::bit(algorithm))
    }
    pub const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & Algorithms::bit(algorithm) != 0
    }
    const fn bit(algorithm: Algorithm) -> u8 {
        1 << algorithm.base() as u8
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Qop {
    Auth,
    AuthInt,
}

impl Qop {
    pub const fn as_str(self) -> &'static str {
        match self {
            Qop::Auth => "auth",
            Qop::AuthInt => "auth-int",
        }
    }
}

/// What a user knows of itself in a realm. Debug hides the secret; it is wiped on drop.
#[derive(Clone)]
pub struct Credentials {
    /// None: any realm.
    pub realm: Option<Box<str>>,
    pub user: Box<str>,
    pub secret: Secret,
}

impl Credentials {
    /// Can these answer that challenge?
    fn fit(&self, challenge: &Challenge) -> bool {
        let realm = match &self.realm {
            Some(realm) => *realm == challenge.realm,
            None => true,
        };
        realm
            && match &self.secret {
                Secret::Password(_) => true,
                Secret::PasswordFor { algorithms, .. } => algorithms.contains(challenge.algorithm),
                Secret::Ha1 { algorithm, .. } => algorithm.base() == challenge.algorithm.base(),
            }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("realm", &self.realm)
            .field("user", &self.user)
            .field("secret", &self.secret)
            .finish()
    }
}

#[derive(Clone)]
pub enum Secret {
    Password(zeroize::Zeroizing<String>),
    /// A password that may be hashed with some algorithms only: other challenges are not answered.
    PasswordFor {
        algorithms: Algorithms,
        password: zeroize::Zeroizing<String>,
    },
    /// Hex HA1 per algorithm (as made from user:realm:password).
    Ha1 {
        algorithm: Algorithm,
        hex: zeroize::Zeroizing<String>,
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Secret::Password(_) | Secret::PasswordFor { .. } => "Password(***)",
            Secret::Ha1 { .. } => "Ha1(***)",
        })
    }
}

/// Why no authorization could be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthError {
    NoCredentials,
    NoUsableChallenge,
    /// The same credentials were refused (a second challenge without stale=true).
    Refused,
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AuthError::NoCredentials => "no credentials for the realm of the challenge",
            AuthError::NoUsableChallenge => "no challenge with a scheme and an algorithm that we know",
            AuthError::Refused => "the credentials were refused",
        })
    }
}

impl std::error::Error for AuthError {}

#[cfg(test)]
mod tests;
