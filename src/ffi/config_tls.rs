//! Settings of a phone that concern its connections: TLS certificates and their checks, how many, how long.

use super::alone;
use super::config::change;
use super::error::voip_status;
use super::panic::guard;
use super::strings;
use super::types::*;
use std::ffi::c_char;
use std::time::Duration;

/// Says which certificate authorities are trusted, by a file. A server's own certificate in it is trusted as it is,
/// which is the way to a server whose certificate no authority signed.
///
/// @param path PEM, one or more certificates, instead of those of the system; read at once. NULL: the system's,
///   which is the default.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no longer than reading the file takes.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _SYSTEM (the file can't be read), _PARSE (it holds no certificate),
///   _NOT_SUPPORTED (this build has no TLS).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_tls_ca_file(
    config: *mut voip_config,
    path: *const c_char,
) -> voip_status {
    guard(|| {
        let path = unsafe { strings::optional(path, "path") }?;
        change(config, |draft| {
            match path {
                Some(path) => draft.phone.tls.trust_file(path)?,
                None => draft.phone.tls.trust_system(),
            }
            Ok(())
        })
    })
}

/// As `voip_config_set_tls_ca_file`, from memory.
///
/// @param pem the text, copied; it needs no NUL at its end.
/// @param len its bytes.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _PARSE (no certificate), _NOT_SUPPORTED (this build has no TLS).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_tls_ca(
    config: *mut voip_config,
    pem: *const u8,
    len: usize,
) -> voip_status {
    guard(|| {
        let pem = unsafe { alone::bytes(pem, len, "pem") }?;
        change(config, |draft| Ok(draft.phone.tls.trust(pem)?))
    })
}

/// Gives the phone a certificate of its own: to servers that ask for one, and to callers that connect by TLS, which
/// can't be taken without it.
///
/// @param cert_file PEM, the phone's certificate first, then those that lead to an authority; read at once. NULL:
///   none, which is the default, and the other two are not looked at.
/// @param key_file PEM, its private key: PKCS#8, PKCS#1 or SEC1, RSA or ECDSA or Ed25519; may be the same file.
/// @param key_password for a key in encrypted PKCS#8 (`BEGIN ENCRYPTED PRIVATE KEY`), NULL: none. OpenSSL's older
///   encryption (`Proc-Type: 4,ENCRYPTED`) is VOIP_ERR_NOT_SUPPORTED.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no longer than reading the files and deriving a key from the password takes.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _SYSTEM (a file can't be read), _PARSE (no certificate or key, or they
///   don't belong together), _AUTH (no password or a wrong one), _NOT_SUPPORTED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_tls_certificate(
    config: *mut voip_config,
    cert_file: *const c_char,
    key_file: *const c_char,
    key_password: *const c_char,
) -> voip_status {
    guard(|| {
        let Some(cert) = (unsafe { strings::optional(cert_file, "cert_file") })? else {
            return change(config, |draft| {
                draft.phone.tls.no_certificate();
                Ok(())
            });
        };
        let key = unsafe { strings::filled(key_file, "key_file") }?;
        let password = unsafe { strings::optional(key_password, "key_password") }?;
        change(config, |draft| Ok(draft.phone.tls.set_certificate(cert, key, password)?))
    })
}

/// Says what is checked of a server's certificate. Whatever is checked, what was to go over TLS never goes over
/// anything less.
///
/// @param verify 0: nothing, so that anybody may be in between, and a warning is logged; anything else: that a trusted
///   authority vouches for it and that it holds (the default).
/// @param check_host 0: any certificate of a trusted authority will do; anything else: it has to be for the domain that
///   was asked for (RFC 5922; the default). Without `verify` there is no such check.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_tls_verify(
    config: *mut voip_config,
    verify: i32,
    check_host: i32,
) -> voip_status {
    guard(|| {
        change(config, |draft| {
            draft.phone.tls.set_verify(verify != 0, check_host != 0);
            Ok(())
        })
    })
}

/// Bounds the SIP connections over TCP and TLS.
///
/// @param connections 1 to 1000000 at once, 1024 if not set; those that others make take three quarters at most.
/// @param idle_ms 1000 to 3600000, 120000 if not set: a connection on which nothing came or went for so long is closed,
///   or kept alive by a line end (RFC 5626 section 4.4.1) if a registration or a call needs it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_connections(
    config: *mut voip_config,
    connections: u32,
    idle_ms: u32,
) -> voip_status {
    guard(|| {
        let connections = strings::within(connections, 1, 1_000_000, "connections", "")?;
        let idle = strings::within(idle_ms, 1000, 3_600_000, "idle time", " ms")?;
        change(config, |draft| {
            draft.phone.max_connections = connections as usize;
            draft.phone.connection_idle = Duration::from_millis(idle.into());
            Ok(())
        })
    })
}
