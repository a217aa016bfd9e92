//! STUN messages by themselves: a view of the host's bytes (RFC 8489; the attributes of RFC 5780, 8445 and 8656 as values).
//! Building is in `stun_builder`, asking a server in `stun_query`.

use super::alone;
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use crate::proto::stun::{AttributeType, Class, Key, PasswordAlgorithm, StunMessage};
use std::ffi::c_char;
use std::mem::size_of;
use std::net::SocketAddr;

/// Class of a STUN message.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_stun_class {
    VOIP_STUN_REQUEST = 0,
    VOIP_STUN_INDICATION = 1,
    VOIP_STUN_SUCCESS = 2,
    VOIP_STUN_ERROR = 3,
}

/// Methods (RFC 8489, RFC 8656).
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_stun_method {
    VOIP_STUN_BINDING = 1,
    VOIP_STUN_ALLOCATE = 3,
    VOIP_STUN_REFRESH = 4,
    VOIP_STUN_SEND = 6,
    VOIP_STUN_DATA = 7,
    VOIP_STUN_CREATE_PERMISSION = 8,
    VOIP_STUN_CHANNEL_BIND = 9,
}

/// Types of attributes (RFC 8489 section 18.3, RFC 8445 section 20).
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_stun_attribute {
    VOIP_STUN_MAPPED_ADDRESS = 0x0001,
    VOIP_STUN_USERNAME = 0x0006,
    VOIP_STUN_MESSAGE_INTEGRITY = 0x0008,
    VOIP_STUN_ERROR_CODE = 0x0009,
    VOIP_STUN_UNKNOWN_ATTRIBUTES = 0x000a,
    VOIP_STUN_REALM = 0x0014,
    VOIP_STUN_NONCE = 0x0015,
    VOIP_STUN_MESSAGE_INTEGRITY_SHA256 = 0x001c,
    VOIP_STUN_PASSWORD_ALGORITHM = 0x001d,
    VOIP_STUN_USERHASH = 0x001e,
    VOIP_STUN_XOR_MAPPED_ADDRESS = 0x0020,
    VOIP_STUN_PRIORITY = 0x0024,
    VOIP_STUN_USE_CANDIDATE = 0x0025,
    VOIP_STUN_PASSWORD_ALGORITHMS = 0x8002,
    VOIP_STUN_ALTERNATE_DOMAIN = 0x8003,
    VOIP_STUN_SOFTWARE = 0x8022,
    VOIP_STUN_ALTERNATE_SERVER = 0x8023,
    VOIP_STUN_FINGERPRINT = 0x8028,
    VOIP_STUN_ICE_CONTROLLED = 0x8029,
    VOIP_STUN_ICE_CONTROLLING = 0x802a,
}

/// How a password becomes a key (RFC 8489 section 18.5).
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_stun_password {
    /// The password itself (short-term credentials, ICE); the realm is not looked at.
    VOIP_STUN_SHORT_TERM = 0,
    /// MD5 of user:realm:password.
    VOIP_STUN_LONG_TERM_MD5 = 1,
    /// SHA-256 of user:realm:password.
    VOIP_STUN_LONG_TERM_SHA256 = 2,
}

/// A view of a STUN message whose framing was checked. Begin with `VOIP_STUN_MESSAGE_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_stun_message {
    /// sizeof(voip_stun_message).
    pub size: usize,
    /// A `voip_stun_class`.
    pub message_class: i32,
    /// A `voip_stun_method`, or another one of 12 bits.
    pub method: i32,
    pub transaction_id: [u8; 12],
    /// Attributes.
    pub attribute_count: u32,
    /// The whole message: the bytes that were parsed.
    pub raw: *const u8,
    pub raw_len: usize,
}

// SAFETY: the size is first, zero is a valid value of all members.
unsafe impl SizeFirst for voip_stun_message {
    const NAME: &'static str = "voip_stun_message";
}

/// Parses exactly one message (RFC 8489 section 5): cookie, lengths and the bounds of every attribute are checked.
///
/// @param data the message; it must stay while the view is used.
/// @param len bytes of it.
/// @param message gets the view.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _PARSE (the sentence says the byte and what was expected there).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_parse(
    data: *const u8,
    len: usize,
    message: *mut voip_stun_message,
) -> voip_status {
    guard(|| {
        let bytes = unsafe { alone::bytes(data, len, "data") }?;
        let parsed = parse(bytes)?;
        let told = voip_stun_message {
            size: size_of::<voip_stun_message>(),
            message_class: class_number(parsed.class()),
            method: i32::from(parsed.method().value()),
            transaction_id: parsed.transaction_id().0,
            attribute_count: parsed.all_attributes().count() as u32,
            raw: bytes.as_ptr(),
            raw_len: bytes.len(),
        };
        unsafe { sized::write(message, &told) }
    })
}

/// Walks the attributes as they stand.
///
/// @param message what `voip_stun_parse` gave.
/// @param index from 0 to `attribute_count` - 1.
/// @param type_ gets its type, a `voip_stun_attribute` or another one.
/// @param value gets where the value is, without padding; may be NULL.
/// @param len gets how many bytes it has.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _PARSE, _RANGE (there are no more).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_get_attribute(
    message: *const voip_stun_message,
    index: usize,
    type_: *mut i32,
    value: *mut *const u8,
    len: *mut usize,
) -> voip_status {
    guard(|| {
        let message = unsafe { read(message) }?;
        let Some(found) = message.all_attributes().nth(index) else {
            return Err(Fail::range(format!("the message has no attribute {index}")));
        };
        unsafe { strings::write(type_, "type_", i32::from(found.kind.0)) }?;
        unsafe { put_value(found.value, value, len) }
    })
}

/// Finds the first attribute of a type that counts: what stands behind an integrity attribute does not (RFC 8489 section
/// 14.5).
///
/// @param message what `voip_stun_parse` gave.
/// @param type_ a `voip_stun_attribute` or another one of 16 bits.
/// @param value gets where the value is, without padding; may be NULL.
/// @param len gets how many bytes it has.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT (there is none), _PARSE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_find_attribute(
    message: *const voip_stun_message,
    type_: i32,
    value: *mut *const u8,
    len: *mut usize,
) -> voip_status {
    guard(|| {
        let message = unsafe { read(message) }?;
        let kind = kind(type_)?;
        let found = message.attribute(kind).ok_or_else(|| missing(kind))?;
        unsafe { put_value(found.value, value, len) }
    })
}

/// Tells the address in an attribute, of either family; those whose name begins with XOR are cleared.
///
/// @param message what `voip_stun_parse` gave.
/// @param type_ a `voip_stun_attribute`; 0: XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS of old servers.
/// @param buf gets the address with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
/// @param port gets the port.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT (there is none), _PARSE (it is no address), _RANGE, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_get_address(
    message: *const voip_stun_message,
    type_: i32,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
    port: *mut i32,
) -> voip_status {
    guard(|| {
        let message = unsafe { read(message) }?;
        let address = address(&message, type_)?;
        unsafe { strings::write(port, "port", i32::from(address.port())) }?;
        unsafe { strings::put(address.ip().to_string().as_bytes(), buf, len, needed) }
    })
}

/// Tells the code and reason of ERROR-CODE.
///
/// @param message what `voip_stun_parse` gave.
/// @param code gets 300 to 699.
/// @param buf gets the reason with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT (there is none), _PARSE, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_get_error(
    message: *const voip_stun_message,
    code: *mut i32,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let message = unsafe { read(message) }?;
        let error = message.error_code().ok_or_else(|| missing(AttributeType::ERROR_CODE))?;
        unsafe { strings::write(code, "code", i32::from(error.code)) }?;
        unsafe { strings::put(error.reason.as_bytes(), buf, len, needed) }
    })
}

/// Checks FINGERPRINT (RFC 8489 section 14.7).
///
/// @param message what `voip_stun_parse` gave.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _PARSE (missing or wrong).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_check_fingerprint(message: *const voip_stun_message) -> voip_status {
    guard(|| match unsafe { read(message) }?.fingerprint_fits() {
        true => Ok(()),
        false => Err(Fail::new(voip_status::VOIP_ERR_PARSE, "the fingerprint is missing or wrong")),
    })
}

/// Checks MESSAGE-INTEGRITY-SHA256 if there is one, else MESSAGE-INTEGRITY (RFC 8489 sections 14.5 and 14.6).
///
/// @param message what `voip_stun_parse` gave.
/// @param how a `voip_stun_password`.
/// @param user,realm for long-term credentials; else NULL.
/// @param password the secret.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _PARSE, _AUTH (missing or made with another key).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_check_integrity(
    message: *const voip_stun_message,
    how: i32,
    user: *const c_char,
    realm: *const c_char,
    password: *const c_char,
) -> voip_status {
    guard(|| {
        let key = unsafe { key(how, user, realm, password) }?;
        let message = unsafe { read(message) }?;
        let fits = match message.attribute(AttributeType::MESSAGE_INTEGRITY_SHA256) {
            Some(_) => message.integrity_sha256_fits(&key),
            None => message.integrity_fits(&key),
        };
        match fits {
            true => Ok(()),
            false => Err(Fail::new(voip_status::VOIP_ERR_AUTH, "the integrity is missing or wrong")),
        }
    })
}

pub(crate) const CLASSES: [Class; 4] = [Class::Request, Class::Indication, Class::Success, Class::Error];

fn class_number(class: Class) -> i32 {
    (match class {
        Class::Request => voip_stun_class::VOIP_STUN_REQUEST,
        Class::Indication => voip_stun_class::VOIP_STUN_INDICATION,
        Class::Success => voip_stun_class::VOIP_STUN_SUCCESS,
        Class::Error => voip_stun_class::VOIP_STUN_ERROR,
    }) as i32
}

pub(crate) fn class(number: i32) -> FfiResult<Class> {
    let found = CLASSES.into_iter().find(|c| class_number(*c) == number);
    found.ok_or_else(|| Fail::argument(format!("STUN class {number} is unknown")))
}

pub(crate) fn kind(number: i32) -> FfiResult<AttributeType> {
    let number16 = u16::try_from(number);
    number16.map(AttributeType).map_err(|_| Fail::range(format!("attribute type {number} is beyond 16 bits")))
}

/// The key of the credentials.
pub(crate) unsafe fn key(
    how: i32,
    user: *const c_char,
    realm: *const c_char,
    password: *const c_char,
) -> FfiResult<Key> {
    let password = unsafe { strings::text(password, "password") }?;
    let algorithm = match how {
        0 => return Ok(Key::short_term(password)),
        1 => PasswordAlgorithm::Md5,
        2 => PasswordAlgorithm::Sha256,
        other => return Err(Fail::argument(format!("kind of password {other} is unknown"))),
    };
    let (user, realm) = unsafe { (strings::text(user, "user")?, strings::text(realm, "realm")?) };
    Ok(Key::long_term(algorithm, user, realm, password))
}

fn parse(bytes: &[u8]) -> FfiResult<StunMessage<'_>> {
    StunMessage::parse(bytes).map_err(|e| alone::parse_error("STUN message", &e))
}

/// The message of a view: its bytes are parsed again, so that nothing in the struct need be believed.
unsafe fn read<'a>(message: *const voip_stun_message) -> FfiResult<StunMessage<'a>> {
    let message = unsafe { sized::read(message) }?;
    parse(unsafe { alone::bytes(message.raw, message.raw_len, "raw") }?)
}

fn missing(kind: AttributeType) -> Fail {
    match kind.name() {
        Some(name) => Fail::argument(format!("the message has no {name}")),
        None => Fail::argument(format!("the message has no attribute {:#06x}", kind.0)),
    }
}

fn address(message: &StunMessage<'_>, type_: i32) -> FfiResult<SocketAddr> {
    let kind = kind(type_)?;
    let (found, kind) = match kind.0 {
        0 => (message.mapped_address(), AttributeType::XOR_MAPPED_ADDRESS),
        _ if kind.name().is_some_and(|name| name.starts_with("XOR-")) => (message.xor_address(kind), kind),
        _ => (message.address(kind), kind),
    };
    found.ok_or_else(|| match message.attribute(kind) {
        Some(_) => Fail::new(voip_status::VOIP_ERR_PARSE, "the attribute holds no address"),
        None => missing(kind),
    })
}

unsafe fn put_value(bytes: &[u8], value: *mut *const u8, len: *mut usize) -> FfiResult {
    unsafe { strings::write(len, "len", bytes.len()) }?;
    if !value.is_null() {
        unsafe { value.write_unaligned(bytes.as_ptr()) };
    }
    Ok(())
}
