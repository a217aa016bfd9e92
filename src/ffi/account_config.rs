//! Settings of one account: the server, the identity, the credentials. Checked at once, kept until used.

use super::error::{voip_status, Fail, FfiResult};
use super::handle::{self, Kind};
use super::objects::{lock, AccountSettings};
use super::panic::guard;
use super::strings;
use super::types::*;
use crate::proto::sdp::SrtpMode;
use crate::proto::sip::auth::{Algorithm, Algorithms, Credentials, Secret};
use crate::proto::sip::{Transport, Uri};
use crate::ua::AccountConfig;
use std::ffi::c_char;
use std::sync::Mutex;
use std::time::Duration;
use zeroize::Zeroizing;

/// More realms than anybody has; bounds what a challenge is compared with.
const MAX_REALMS: usize = 32;

/// An account as far as the host has described it.
#[derive(Clone)]
pub(crate) struct AccountDraft {
    server: Option<(String, u16)>,
    user: Option<String>,
    credentials: Vec<Credentials>,
    /// None: all.
    algorithms: Option<Algorithms>,
    pub transport: Transport,
    pub display_name: Option<String>,
    pub expires: u32,
    pub register: bool,
    outbound_proxy: Option<String>,
    pub retry: (Duration, Duration),
    /// None: as the phone.
    pub srtp: Option<SrtpMode>,
}

impl Default for AccountDraft {
    fn default() -> AccountDraft {
        AccountDraft {
            server: None,
            user: None,
            credentials: Vec::new(),
            algorithms: None,
            transport: Transport::Udp,
            display_name: None,
            expires: 300,
            register: true,
            outbound_proxy: None,
            retry: (Duration::from_secs(2), Duration::from_secs(300)),
            srtp: None,
        }
    }
}

impl AccountDraft {
    /// The account, if a server was named; an error when the server has no user.
    pub fn finish(&self) -> FfiResult<Option<AccountConfig>> {
        let Some((server, port)) = &self.server else {
            if self.user.is_some() {
                return Err(Fail::argument("credentials are set but no server"));
            }
            return Ok(None);
        };
        let Some(user) = &self.user else {
            return Err(Fail::argument(format!("server {server} is set but no user (set_credentials)")));
        };
        Ok(Some(AccountConfig {
            server: server.clone(),
            port: *port,
            transport: self.transport,
            user: user.clone(),
            display_name: self.display_name.clone(),
            credentials: self.allowed_credentials(),
            register: self.register,
            expires: self.expires,
            outbound_proxy: self.outbound_proxy.clone(),
            retry_min: self.retry.0,
            retry_max: self.retry.1,
            srtp: self.srtp,
        }))
    }

    /// The credentials, for the algorithms that may be used.
    fn allowed_credentials(&self) -> Vec<Credentials> {
        let Some(algorithms) = self.algorithms else { return self.credentials.clone() };
        let limit = |mut credentials: Credentials| {
            credentials.secret = match credentials.secret {
                Secret::Password(password) => Secret::PasswordFor { algorithms, password },
                Secret::Ha1 { algorithm, .. } if !algorithms.contains(algorithm) => return None,
                other => other,
            };
            Some(credentials)
        };
        self.credentials.iter().cloned().filter_map(limit).collect()
    }

    pub fn set_algorithms(&mut self, names: Option<&str>) -> FfiResult {
        let Some(names) = names else {
            self.algorithms = None;
            return Ok(());
        };
        let mut algorithms = Algorithms::NONE;
        for name in names.split(',').map(str::trim) {
            let known = Algorithm::from_token(name);
            let known =
                known.ok_or_else(|| Fail::argument(format!("digest algorithm \"{name}\" is unknown")))?;
            algorithms = algorithms.with(known);
        }
        self.algorithms = Some(algorithms);
        Ok(())
    }

    pub fn set_server(&mut self, host: &str, port: i32) -> FfiResult {
        let port = strings::port(port, "server port")?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let literal = bare.parse::<std::net::IpAddr>().is_ok();
        let name = bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-' || b == b'_');
        if !literal && !name {
            return Err(Fail::argument(format!("server \"{host}\" is no host name and no address")));
        }
        self.server = Some((bare.to_owned(), port));
        Ok(())
    }

    pub fn set_credentials(
        &mut self,
        user: &str,
        auth_user: Option<&str>,
        password: Option<&str>,
    ) -> FfiResult {
        if user.bytes().any(|b| b == b'@' || b == b' ' || b == b'<' || b == b'>') {
            return Err(Fail::argument(format!("user \"{user}\": only the part before the @")));
        }
        self.user = Some(user.to_owned());
        self.credentials.retain(|c| c.realm.is_some());
        if let Some(password) = password {
            let user = auth_user.filter(|name| !name.is_empty()).unwrap_or(user);
            let secret = Secret::Password(Zeroizing::new(password.to_owned()));
            self.credentials.push(Credentials { realm: None, user: user.into(), secret });
        }
        Ok(())
    }

    pub fn add_password(&mut self, realm: &str, user: &str, password: &str) -> FfiResult {
        let secret = Secret::Password(Zeroizing::new(password.to_owned()));
        self.add(Credentials { realm: Some(realm.into()), user: user.into(), secret })
    }

    pub fn add_ha1(&mut self, realm: &str, user: &str, algorithm: i32, ha1: &str) -> FfiResult {
        let (algorithm, digits) = match algorithm {
            0 => (Algorithm::Md5, 32),
            1 => (Algorithm::Sha256, 64),
            2 => (Algorithm::Sha512_256, 64),
            other => return Err(Fail::argument(format!("digest algorithm {other} is unknown"))),
        };
        if ha1.len() != digits || !ha1.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Fail::argument(format!("ha1 must be {digits} hexadecimal digits")));
        }
        let secret = Secret::Ha1 { algorithm, hex: Zeroizing::new(ha1.to_ascii_lowercase()) };
        self.add(Credentials { realm: Some(realm.into()), user: user.into(), secret })
    }

    /// Credentials of a realm stand before those for every realm: the first that fits is used.
    fn add(&mut self, credentials: Credentials) -> FfiResult {
        let same = |c: &Credentials| match (&c.secret, &credentials.secret) {
            (Secret::Ha1 { algorithm: a, .. }, Secret::Ha1 { algorithm: b, .. }) => a == b,
            (Secret::Password(_), Secret::Password(_)) => true,
            _ => false,
        };
        self.credentials.retain(|c| c.realm != credentials.realm || !same(c));
        if self.credentials.len() > MAX_REALMS {
            let text = format!("more than {MAX_REALMS} credentials");
            return Err(Fail::new(voip_status::VOIP_ERR_LIMIT, text));
        }
        self.credentials.insert(0, credentials);
        Ok(())
    }

    pub fn set_proxy(&mut self, uri: Option<&str>) -> FfiResult {
        if let Some(text) = uri.filter(|text| Uri::parse(text).is_err()) {
            let text = format!("outbound proxy \"{text}\" is no SIP URI");
            return Err(Fail::new(voip_status::VOIP_ERR_PARSE, text));
        }
        self.outbound_proxy = uri.map(str::to_owned);
        Ok(())
    }
}

pub(crate) fn transport(value: i32) -> FfiResult<Transport> {
    match value {
        0 => Ok(Transport::Udp),
        1 => Ok(Transport::Tcp),
        2 if cfg!(feature = "tls") => Ok(Transport::Tls),
        2 => Err(Fail::new(voip_status::VOIP_ERR_NOT_SUPPORTED, "this build has no TLS")),
        other => Err(Fail::argument(format!("transport {other} is unknown"))),
    }
}

/// Changes a copy and keeps it only if the change is good.
pub(crate) fn change(
    config: *const voip_account_config,
    f: impl FnOnce(&mut AccountDraft) -> FfiResult,
) -> FfiResult {
    let settings = handle::get::<AccountSettings>(config)?;
    let mut draft = lock(&settings.0);
    let mut copy = draft.clone();
    f(&mut copy)?;
    *draft = copy;
    Ok(())
}

/// Makes settings of an account, to be filled and given to `voip_account_add`.
///
/// @param out gets the handle; free it with `voip_account_config_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_new(out: *mut *mut voip_account_config) -> voip_status {
    guard(|| {
        unsafe { strings::write(out, "out", std::ptr::null_mut()) }?;
        let make = |_| AccountSettings(Mutex::new(AccountDraft::default()));
        let (token, _) = AccountSettings::table().insert(make)?;
        unsafe { strings::write(out, "out", token as *mut voip_account_config) }
    })
}

/// Frees settings of an account. Accounts that were made from them stay.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_free(config: *mut voip_account_config) -> voip_status {
    guard(|| AccountSettings::table().remove(config as usize).map(drop))
}

/// Says where the account lives: the registrar or proxy, which is also the domain of its address.
///
/// @param host a host name or an address (IPv6 with or without brackets).
/// @param port 1 to 65535, 0: the default of the transport (5060, with TLS 5061).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_set_server(
    config: *mut voip_account_config,
    host: *const c_char,
    port: i32,
) -> voip_status {
    guard(|| {
        let host = unsafe { strings::filled(host, "host") }?;
        change(config, |draft| draft.set_server(host, port))
    })
}

/// Says who the account is: the user part of its address, and what it proves it with in every realm.
///
/// @param user like `alice` or `+4930123`.
/// @param auth_user the name for authentication, NULL: the same.
/// @param password NULL: none (a server that asks for one gets VOIP_ERR_AUTH). Replaces credentials given
///   before.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_set_credentials(
    config: *mut voip_account_config,
    user: *const c_char,
    auth_user: *const c_char,
    password: *const c_char,
) -> voip_status {
    guard(|| {
        let user = unsafe { strings::filled(user, "user") }?;
        let auth_user = unsafe { strings::optional(auth_user, "auth_user") }?;
        let password = unsafe { strings::optional(password, "password") }?;
        change(config, |draft| draft.set_credentials(user, auth_user, password))
    })
}

/// Adds a name and a password for one realm (RFC 7616); more specific than `_set_credentials`.
///
/// @param realm as the server's challenge names it; at most 32 realms.
/// @param user the name for authentication there.
/// @param password may be empty.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_add_credentials(
    config: *mut voip_account_config,
    realm: *const c_char,
    user: *const c_char,
    password: *const c_char,
) -> voip_status {
    guard(|| {
        let realm = unsafe { strings::text(realm, "realm") }?;
        let user = unsafe { strings::filled(user, "user") }?;
        let password = unsafe { strings::text(password, "password") }?;
        change(config, |draft| draft.add_password(realm, user, password))
    })
}

/// Adds credentials as a hash, so that the program never sees the password: HA1 = H(user:realm:password).
///
/// @param realm as the server's challenge names it; at most 32 realms.
/// @param user the name for authentication there, as it went into the hash.
/// @param algorithm a `voip_digest_algorithm`.
/// @param ha1 hexadecimal: 32 digits for MD5, 64 for the others.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_add_ha1(
    config: *mut voip_account_config,
    realm: *const c_char,
    user: *const c_char,
    algorithm: i32,
    ha1: *const c_char,
) -> voip_status {
    guard(|| {
        let realm = unsafe { strings::text(realm, "realm") }?;
        let user = unsafe { strings::filled(user, "user") }?;
        let ha1 = unsafe { strings::text(ha1, "ha1") }?;
        change(config, |draft| draft.add_ha1(realm, user, algorithm, ha1))
    })
}

/// Says which digest algorithms are answered. A server that offers none of them gets no answer, and the registration
/// or call fails with VOIP_ERR_AUTH. Of several the strongest is used.
///
/// @param algorithms names with commas between them, of `MD5`, `SHA-256` and `SHA-512-256`, like `SHA-256,SHA-512-256`;
///   each stands for its `-sess` form too. NULL: all, which is the default.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT (an unknown name, or none).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_set_auth_algorithms(
    config: *mut voip_account_config,
    algorithms: *const c_char,
) -> voip_status {
    guard(|| {
        let algorithms = unsafe { strings::optional(algorithms, "algorithms") }?;
        change(config, |draft| draft.set_algorithms(algorithms))
    })
}

/// Sets the name that people see beside the address.
///
/// @param name UTF-8 without quotes around it; NULL or empty: none.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_set_display_name(
    config: *mut voip_account_config,
    name: *const c_char,
) -> voip_status {
    guard(|| {
        let name = unsafe { strings::optional(name, "display name") }?;
        change(config, |draft| {
            draft.display_name = name.filter(|name| !name.is_empty()).map(str::to_owned);
            Ok(())
        })
    })
}

/// Sets how long a registration is asked for (the registrar decides, RFC 3261 section 10.2.1.1).
///
/// @param seconds 10 to 86400; 300 if not set. It is refreshed before it runs out.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_set_expires(
    config: *mut voip_account_config,
    seconds: u32,
) -> voip_status {
    guard(|| {
        let seconds = strings::within(seconds, 10, 86_400, "expiry", " s")?;
        change(config, |draft| {
            draft.expires = seconds;
            Ok(())
        })
    })
}

/// Says whether to register at all; calls through the server work without it too.
///
/// @param yes 0: no; anything else: yes (the default).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_set_register(
    config: *mut voip_account_config,
    yes: i32,
) -> voip_status {
    guard(|| {
        change(config, |draft| {
            draft.register = yes != 0;
            Ok(())
        })
    })
}

/// Sends everything through a proxy first (RFC 3261 section 8.1.2, loose routing).
///
/// @param uri like `sip:proxy.example.com:5060;lr`; NULL: none.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _PARSE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_set_outbound_proxy(
    config: *mut voip_account_config,
    uri: *const c_char,
) -> voip_status {
    guard(|| {
        let uri = unsafe { strings::optional(uri, "outbound proxy") }?;
        change(config, |draft| draft.set_proxy(uri))
    })
}

/// Sets the pause after a failed registration; it doubles, with jitter, up to the longest.
///
/// @param first_ms 100 to 3600000.
/// @param longest_ms first_ms to 86400000. Refused credentials are never tried again.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_set_retry(
    config: *mut voip_account_config,
    first_ms: u32,
    longest_ms: u32,
) -> voip_status {
    guard(|| {
        let first = strings::within(first_ms, 100, 3_600_000, "first pause", " ms")?;
        let longest = strings::within(longest_ms, first, 86_400_000, "longest pause", " ms")?;
        change(config, |draft| {
            draft.retry = (Duration::from_millis(first.into()), Duration::from_millis(longest.into()));
            Ok(())
        })
    })
}

/// Sets how SIP travels to the server: UDP if not set. An account over TLS uses nothing else, whatever a server or a
/// peer names.
///
/// @param transport a `voip_transport`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _NOT_SUPPORTED (TLS in a build without it).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_set_transport(
    config: *mut voip_account_config,
    transport: i32,
) -> voip_status {
    guard(|| {
        let transport = self::transport(transport)?;
        change(config, |draft| {
            draft.transport = transport;
            Ok(())
        })
    })
}
