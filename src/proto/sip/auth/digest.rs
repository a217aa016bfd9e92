//! The arithmetic of RFC 7616 section 3.4: HA1, HA2 and the response.

use super::{Algorithm, Qop};
use sha2::{Digest, Sha256, Sha512_256};
use zeroize::Zeroizing;

/// Lower-case hex of the algorithm's hash over the parts joined by colons.
fn hash(algorithm: Algorithm, parts: &[&[u8]]) -> Zeroizing<String> {
    let mut joined = Zeroizing::new(Vec::with_capacity(parts.iter().map(|p| p.len() + 1).sum()));
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            joined.push(b':');
        }
        joined.extend_from_slice(part);
    }
    Zeroizing::new(match algorithm.base() {
        Algorithm::Sha256 => hex(&Sha256::digest(joined.as_slice())),
        Algorithm::Sha512_256 => hex(&Sha512_256::digest(joined.as_slice())),
        _ => hex(&md5::compute(joined.as_slice()).0),
    })
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}

/// `H(user:realm:password)` in hex: what may be stored instead of a password.
pub fn ha1(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> Zeroizing<String> {
    hash(algorithm, &[user.as_bytes(), realm.as_bytes(), password.as_bytes()])
}

/// `H(user:realm)` of RFC 7616 section 3.4.4.
pub fn user_hash(algorithm: Algorithm, user: &str, realm: &str) -> String {
    hash(algorithm, &[user.as_bytes(), realm.as_bytes()]).to_string()
}

/// What one answer to a challenge is made of, beside the secret.
pub(super) struct Answer<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) nonce: &'a str,
    pub(super) qop: Option<Qop>,
    pub(super) nc: u32,
    pub(super) cnonce: &'a str,
    pub(super) body: &'a [u8],
}

impl Answer<'_> {
    /// The response by an HA1 that is made of user, realm and password only.
    pub(super) fn response(&self, ha1: &str) -> String {
        let (nonce, cnonce) = (self.nonce.as_bytes(), self.cnonce.as_bytes());
        let session = self.algorithm.is_session();
        let keyed = session.then(|| hash(self.algorithm, &[ha1.as_bytes(), nonce, cnonce]));
        let ha1 = keyed.as_ref().map_or(ha1, |keyed| keyed.as_str());
        let ha2 = self.ha2();
        match self.qop {
            Some(qop) => {
                let nc = format!("{:08x}", self.nc);
                let qop = qop.as_str().as_bytes();
                hash(self.algorithm, &[ha1.as_bytes(), nonce, nc.as_bytes(), cnonce, qop, ha2.as_bytes()])
            }
            // RFC 2069.
            None => hash(self.algorithm, &[ha1.as_bytes(), nonce, ha2.as_bytes()]),
        }
        .to_string()
    }

    fn ha2(&self) -> Zeroizing<String> {
        let (method, uri) = (self.method.as_bytes(), self.uri.as_bytes());
        match self.qop {
            Some(Qop::AuthInt) => {
                let body = hash(self.algorithm, &[self.body]);
                hash(self.algorithm, &[method, uri, body.as_bytes()])
            }
            _ => hash(self.algorithm, &[method, uri]),
        }
    }
}

/// The response value by itself (RFC 7616 section 3.4.1).
#[allow(clippy::too_many_arguments)]
pub fn digest_response(
    algorithm: Algorithm,
    user: &str,
    realm: &str,
    password: &str,
    method: &str,
    uri: &str,
    nonce: &str,
    qop: Option<Qop>,
    nc: u32,
    cnonce: &str,
    body: &[u8],
) -> String {
    let answer = Answer { algorithm, method, uri, nonce, qop, nc, cnonce, body };
    answer.response(&ha1(algorithm, user, realm, password))
}
