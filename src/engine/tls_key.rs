//! Private keys out of PEM: PKCS#8, PKCS#1 and SEC1 as they are, PKCS#8 under a password (RFC 5958) with PBES2.

use super::error::{Error, ErrorKind, Result};
use base64::Engine;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
/// The old form of OpenSSL, whose key is an MD5 of the password.
const OLD: &str = "Proc-Type: 4,ENCRYPTED";

/// The first key. A password that isn't needed does no harm.
pub(super) fn private_key(pem: &[u8], password: Option<&str>) -> Result<PrivateKeyDer<'static>> {
    let text = String::from_utf8_lossy(pem);
    if text.contains(OLD) {
        let message = "its form of encryption is not supported: convert it by openssl pkcs8 -topk8";
        return Err(Error::new(ErrorKind::NotSupported, message));
    }
    let Some((_, rest)) = text.split_once(BEGIN) else {
        let key = PrivateKeyDer::from_pem_slice(pem);
        return key.map_err(|e| Error::new(ErrorKind::Parse, format!("no private key in PEM: {e}")));
    };
    let password = password.ok_or(Error::new(ErrorKind::Auth, "the key wants a password"))?;
    let bad = || Error::new(ErrorKind::Parse, "no encrypted private key that can be read");
    let (body, _) = rest.split_once(END).ok_or_else(bad)?;
    let body: String = body.split_ascii_whitespace().collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).map_err(|_| bad())?;
    decrypt(&der, password)
}

fn decrypt(der: &[u8], password: &str) -> Result<PrivateKeyDer<'static>> {
    let bad = |e: &dyn std::fmt::Display| Error::new(ErrorKind::Parse, format!("encrypted private key: {e}"));
    let info = pkcs8::EncryptedPrivateKeyInfoRef::try_from(der).map_err(|e| bad(&e))?;
    let plain = info.decrypt(password).map_err(|_| Error::new(ErrorKind::Auth, "the password is wrong"))?;
    let plain = Zeroizing::new(plain.as_bytes().to_vec());
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(plain.to_vec())))
}
