//! TLS of SIP connections (RFC 3261 section 26.3.1, RFC 5922) by rustls: TLS 1.2 and 1.3, nothing older, no way back.
//!
//! Owned by the control thread, driven by readiness: a handshake never waits. Names: the domain that was dialled stands
//! in the server's certificate as a `sip` URI or as a DNS name. Against RFC 5922 section 7.2 a wildcard counts, since
//! many providers' certificates consist of nothing else.

use super::error::{Error, ErrorKind, Result};
use super::tls_key::private_key;
use mio::net::TcpStream;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, ClientConfig, ClientConnection, Connection, DigitallySignedStruct};
use rustls::{RootCertStore, ServerConfig, ServerConnection, SignatureScheme};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;

/// Longest file that is read.
const MAX_PEM_BYTES: u64 = 4 << 20;

/// What a phone trusts and what it shows. Kept as checked.
#[derive(Clone)]
pub struct TlsSettings {
    /// None: what the system trusts.
    roots: Option<Arc<[CertificateDer<'static>]>>,
    identity: Option<Arc<CertifiedKey>>,
    /// Is the server's certificate checked at all, and for its name?
    verify: bool,
    check_name: bool,
}

impl Default for TlsSettings {
    fn default() -> TlsSettings {
        TlsSettings { roots: None, identity: None, verify: true, check_name: true }
    }
}

impl TlsSettings {
    pub fn trust_system(&mut self) {
        self.roots = None;
    }
    pub fn trust_file(&mut self, path: &str) -> Result<()> {
        self.trust(&read_file(path)?).map_err(|e| Error::new(e.kind, format!("{path}: {}", e.message)))
    }
    /// Trusts these instead of what the system trusts. A server's own certificate among them is trusted as it is.
    pub fn trust(&mut self, pem: &[u8]) -> Result<()> {
        self.roots = Some(certificates(pem)?.into());
        Ok(())
    }
    pub fn no_certificate(&mut self) {
        self.identity = None;
    }
    /// Chain and key of our own, the leaf first.
    pub fn set_certificate(&mut self, chain: &str, key: &str, password: Option<&str>) -> Result<()> {
        let certificates = certificates(&read_file(chain)?)
            .map_err(|e| Error::new(e.kind, format!("{chain}: {}", e.message)))?;
        let private = private_key(&read_file(key)?, password)
            .map_err(|e| Error::new(e.kind, format!("{key}: {}", e.message)))?;
        let certified = CertifiedKey::from_der(certificates, private, &provider());
        let certified =
            certified.map_err(|e| Error::new(ErrorKind::Parse, format!("{chain} and {key}: {e}")))?;
        self.identity = Some(Arc::new(certified));
        Ok(())
    }
    pub fn set_verify(&mut self, verify: bool, check_name: bool) {
        self.verify = verify;
        self.check_name = check_name;
    }
}

fn read_file(path: &str) -> Result<Vec<u8>> {
    let opened = std::fs::File::open(path).map_err(|e| Error::system(path, &e))?;
    let mut bytes = Vec::new();
    opened.take(MAX_PEM_BYTES).read_to_end(&mut bytes).map_err(|e| Error::system(path, &e))?;
    Ok(bytes)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|e| Error::new(ErrorKind::Parse, format!("no certificates in PEM: {e}")))?;
    let checked = found.iter().all(|c| ParsedCertificate::try_from(c).is_ok());
    match checked && !found.is_empty() {
        true => Ok(found),
        false => Err(Error::new(ErrorKind::Parse, "no certificates in PEM that can be read")),
    }
}

fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

/// The settings as rustls wants them, made when they are first needed.
pub struct Context {
    settings: TlsSettings,
    client: Option<Arc<ClientConfig>>,
    server: Option<Arc<ServerConfig>>,
}

impl Context {
    pub fn new(settings: &TlsSettings) -> Context {
        Context { settings: settings.clone(), client: None, server: None }
    }

    /// A session with a server that has to prove `name`, or its address where there is none.
    pub fn client(&mut self, ip: IpAddr, name: Option<&str>) -> std::result::Result<Session, String> {
        let server = match name {
            Some(name) => ServerName::try_from(name.to_owned()).map_err(|e| format!("{name}: {e}"))?,
            None => ServerName::IpAddress(ip.into()),
        };
        let config = match &self.client {
            Some(config) => config.clone(),
            None => {
                let made = Arc::new(client_config(&self.settings).map_err(|e| e.to_string())?);
                self.client.insert(made).clone()
            }
        };
        let connection = ClientConnection::new(config, server).map_err(|e| e.to_string())?;
        Ok(Session(Box::new(connection.into())))
    }
    /// None: without a certificate nobody can be answered.
    pub fn server(&mut self) -> Option<Session> {
        let identity = self.settings.identity.clone()?;
        let config = match &self.server {
            Some(config) => config.clone(),
            None => self.server.insert(Arc::new(server_config(identity).ok()?)).clone(),
        };
        Some(Session(Box::new(ServerConnection::new(config).ok()?.into())))
    }
}

fn client_config(settings: &TlsSettings) -> std::result::Result<ClientConfig, rustls::Error> {
    if !settings.verify {
        log::warn!(target: "voip::sip", "certificates of TLS servers are not checked: anybody may be in between");
    } else if !settings.check_name {
        log::warn!(target: "voip::sip", "names in certificates of TLS servers are not checked");
    }
    let provider = Arc::new(provider());
    let verifier = Verifier {
        roots: roots(settings),
        pinned: settings.roots.clone().unwrap_or_default(),
        verify: settings.verify,
        check_name: settings.check_name,
        provider: provider.clone(),
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(match &settings.identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.clone())))
        }
        None => builder.with_no_client_auth(),
    })
}

fn server_config(identity: Arc<CertifiedKey>) -> std::result::Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    Ok(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity))))
}

fn roots(settings: &TlsSettings) -> RootCertStore {
    let mut store = RootCertStore::empty();
    if !settings.verify {
        return store;
    }
    match &settings.roots {
        Some(own) => drop(store.add_parsable_certificates(own.iter().cloned())),
        None => {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                log::warn!(target: "voip::sip", "the system's certificates: {error}");
            }
            store.add_parsable_certificates(found.certs);
        }
    }
    if store.is_empty() {
        log::error!(target: "voip::sip", "no certificate authority is known: no TLS server can be trusted");
    }
    store
}

/// Checks servers' certificates: the chain, then the name.
#[derive(Debug)]
struct Verifier {
    roots: RootCertStore,
    pinned: Arc<[CertificateDer<'static>]>,
    verify: bool,
    check_name: bool,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn check_chain(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> std::result::Result<(), rustls::Error> {
        // Named by the host itself, often self-signed: no authority could say more.
        if self.pinned.iter().any(|pinned| pinned == leaf) {
            return Ok(());
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(leaf)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, others, now, algorithms)
    }
}

/// RFC 5922 section 7.1: a `sip` URI without a user, or a DNS name (or the address).
fn check_server_name(
    leaf: &CertificateDer<'_>,
    name: &ServerName<'_>,
) -> std::result::Result<(), rustls::Error> {
    let parsed = ParsedCertificate::try_from(leaf)?;
    let Err(error) = verify_server_name(&parsed, name) else { return Ok(()) };
    let ServerName::DnsName(name) = name else { return Err(error) };
    let bad = |_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
    let certificate = webpki::EndEntityCert::try_from(leaf).map_err(bad)?;
    let mut domains = certificate.valid_uri_names().filter_map(|uri| uri.strip_prefix("sip:"));
    match domains.any(|domain| domain.eq_ignore_ascii_case(name.as_ref())) {
        true => Ok(()),
        false => Err(error),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if self.verify {
            self.check_chain(leaf, others, now)?;
            if self.check_name {
                check_server_name(leaf, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// One connection's TLS, over a socket that never blocks.
pub struct Session(Box<Connection>);

impl Session {
    pub fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }
    /// As a socket's read: 0 is the end, an end without notice an error.
    pub fn read(&mut self, stream: &mut TcpStream, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.reader().read(into) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if self.0.read_tls(stream)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Err(error) = self.0.process_new_packets() {
                // The alert that says why; the connection ends in any case.
                let _ = self.0.write_tls(stream);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
    /// As a socket's write; nothing is taken before the handshake is over.
    pub fn write(&mut self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
        self.flush(stream)?;
        if self.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = self.0.writer().write(bytes)?;
        match self.flush(stream) {
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => Err(e),
            _ => Ok(taken),
        }
    }
    pub fn flush(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        while self.0.wants_write() {
            self.0.write_tls(stream)?;
        }
        Ok(())
    }
    pub fn close(&mut self, stream: &mut TcpStream) {
        self.0.send_close_notify();
        let _ = self.flush(stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sip_uri_in_the_certificate_names_a_domain_and_one_with_a_user_does_not() {
        let pem = include_bytes!("../../tests/data/tls/uri.pem");
        let leaf = certificates(pem).unwrap().remove(0);
        let check = |name: &str| check_server_name(&leaf, &ServerName::try_from(name.to_owned()).unwrap());
        assert!(check("URI.example").is_ok());
        assert!(check("other.example").is_err() && check("wrong.example").is_err());
    }
}
