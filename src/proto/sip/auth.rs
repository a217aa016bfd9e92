//! Digest access authentication, client side (RFC 3261 section 22, RFC 7616, RFC 8760).

use super::{Message, Method, ParseError};
use crate::util::Rng;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    Md5,
    Md5Sess,
    Sha256,
    Sha256Sess,
    Sha512_256,
    Sha512_256Sess,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Qop {
    Auth,
    AuthInt,
}

/// One WWW-Authenticate or Proxy-Authenticate value.
#[derive(Clone, Debug)]
pub struct Challenge {
    pub realm: Box<str>,
    pub nonce: Box<str>,
    pub opaque: Option<Box<str>>,
    pub algorithm: Algorithm,
    /// Empty: RFC 2069 form, no qop.
    pub qop: Vec<Qop>,
    pub stale: bool,
    /// From Proxy-Authenticate.
    pub proxy: bool,
}

impl Challenge {
    /// Err for other schemes than Digest and for unknown algorithms (which are then skipped).
    pub fn parse(_value: &str, _proxy: bool) -> Result<Challenge, ParseError> {
        todo!()
    }
    /// All usable challenges of a 401 or 407, in the order of preference (SHA-512-256, SHA-256, MD5; then order of the message).
    pub fn all_of(_response: &Message) -> Vec<Challenge> {
        todo!()
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

#[derive(Clone)]
pub enum Secret {
    Password(zeroize::Zeroizing<String>),
    /// Hex HA1 per algorithm (as made from user:realm:password).
    Ha1 {
        algorithm: Algorithm,
        hex: zeroize::Zeroizing<String>,
    },
}

/// Nonce counters per realm and nonce; remembers challenges so that later requests are sent with credentials at once.
#[derive(Default)]
pub struct Session {
    _private: (),
}

/// Why no authorization could be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthError {
    NoCredentials,
    NoUsableChallenge,
    /// The same credentials were refused (a second challenge without stale=true).
    Refused,
}

impl Session {
    pub fn new() -> Session {
        Session::default()
    }
    /// Takes the challenges of a 401/407. `Err(Refused)` when the request that was answered (`answered`, as sent)
    /// already carried credentials for that realm and the challenge isn't stale.
    pub fn challenged(
        &mut self,
        _response: &Message,
        _answered: &Message,
        _credentials: &[Credentials],
    ) -> Result<(), AuthError> {
        todo!()
    }
    /// The Authorization / Proxy-Authorization header values for a request, by what is remembered: (is_proxy, value).
    pub fn authorize(
        &mut self,
        _rng: &mut dyn Rng,
        _method: &Method,
        _uri: &str,
        _body: &[u8],
        _credentials: &[Credentials],
    ) -> Vec<(bool, String)> {
        todo!()
    }
    /// Authentication-Info nextnonce.
    pub fn succeeded(&mut self, _response: &Message) {
        todo!()
    }
}

/// The response value by itself (RFC 7616 section 3.4.1).
#[allow(clippy::too_many_arguments)]
pub fn digest_response(
    _algorithm: Algorithm,
    _user: &str,
    _realm: &str,
    _password: &str,
    _method: &str,
    _uri: &str,
    _nonce: &str,
    _qop: Option<Qop>,
    _nc: u32,
    _cnonce: &str,
    _body: &[u8],
) -> String {
    todo!()
}
