//! STUN messages in the making (RFC 8489).

use super::alone::{self, alone};
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::strings;
use super::stun;
use crate::proto::stun::{AttributeType, Method, StunBuilder, TransactionId};
use crate::util::Rng;
use std::ffi::c_char;
use std::net::{IpAddr, SocketAddr};

/// A STUN message that grows attribute by attribute. The host frees it with `voip_stun_builder_free`.
pub struct voip_stun_builder {
    _private: (),
}

/// What there is so far, and the last attribute if nothing but certain others may follow it.
pub(crate) struct Building {
    builder: StunBuilder,
    sealed: Option<AttributeType>,
}

alone!(Building, voip_stun_builder, b'u', "STUN builder");

/// Begins a message.
///
/// @param message_class a `voip_stun_class`.
/// @param method a `voip_stun_method`, or another one of 12 bits.
/// @param transaction_id twelve bytes, those of the request for a response; NULL: fresh ones.
/// @param out gets the handle; free it with `voip_stun_builder_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_builder_new(
    message_class: i32,
    method: i32,
    transaction_id: *const u8,
    out: *mut *mut voip_stun_builder,
) -> voip_status {
    guard(|| {
        let make = || {
            let class = stun::class(message_class)?;
            let number = u16::try_from(method).ok().and_then(Method::new);
            let method =
                number.ok_or_else(|| Fail::range(format!("STUN method {method} is beyond 12 bits")))?;
            let mut id = [0; 12];
            match transaction_id.is_null() {
                true => alone::rng().fill(&mut id),
                false => id.copy_from_slice(unsafe { alone::bytes(transaction_id, 12, "transaction_id") }?),
            }
            Ok(Building { builder: StunBuilder::new(class, method, TransactionId(id)), sealed: None })
        };
        unsafe { alone::make(out, make) }
    })
}

/// Frees a builder.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_builder_free(builder: *mut voip_stun_builder) -> voip_status {
    guard(|| alone::free::<Building>(builder))
}

/// Adds an attribute with a value as it is: texts, numbers in network order, anything.
///
/// @param builder what `voip_stun_builder_new` gave.
/// @param type_ a `voip_stun_attribute` or another one of 16 bits.
/// @param value its bytes, without padding; NULL with len 0 for none.
/// @param len bytes of it.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE (type or length), _STATE (integrity or fingerprint were added), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_builder_add(
    builder: *mut voip_stun_builder,
    type_: i32,
    value: *const u8,
    len: usize,
) -> voip_status {
    guard(|| {
        let kind = stun::kind(type_)?;
        let value = unsafe { alone::bytes(value, len, "value") }?;
        add(builder, None, |b| b.raw(kind, value))
    })
}

/// Adds an address attribute; one whose name begins with XOR is obfuscated.
///
/// @param builder what `voip_stun_builder_new` gave.
/// @param type_ a `voip_stun_attribute`.
/// @param address IPv4 or IPv6.
/// @param port 0 to 65535.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _STATE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_builder_add_address(
    builder: *mut voip_stun_builder,
    type_: i32,
    address: *const c_char,
    port: i32,
) -> voip_status {
    guard(|| {
        let kind = stun::kind(type_)?;
        let text = unsafe { strings::filled(address, "address") }?;
        let ip: IpAddr = text
            .parse()
            .map_err(|_| Fail::argument(format!("address \"{text}\" is no IPv4 or IPv6 address")))?;
        let address = SocketAddr::new(ip, strings::port(port, "port")?);
        let xor = kind.name().is_some_and(|name| name.starts_with("XOR-"));
        add(builder, None, |b| match xor {
            true => b.xor_address(kind, address),
            false => b.address(kind, address),
        })
    })
}

/// Adds ERROR-CODE.
///
/// @param builder what `voip_stun_builder_new` gave.
/// @param code 300 to 699.
/// @param reason for people; NULL: none.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _RANGE, _STATE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_builder_add_error(
    builder: *mut voip_stun_builder,
    code: i32,
    reason: *const c_char,
) -> voip_status {
    guard(|| {
        let code = strings::within(code, 300, 699, "error code", "")?;
        let reason = unsafe { strings::optional(reason, "reason") }?.unwrap_or("");
        add(builder, None, |b| b.error_code(code.unsigned_abs() as u16, reason))
    })
}

/// Adds MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 over what is there; only FINGERPRINT can follow the latter.
///
/// @param builder what `voip_stun_builder_new` gave.
/// @param type_ VOIP_STUN_MESSAGE_INTEGRITY or VOIP_STUN_MESSAGE_INTEGRITY_SHA256.
/// @param how a `voip_stun_password`.
/// @param user,realm for long-term credentials; else NULL.
/// @param password the secret.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _STATE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_builder_add_integrity(
    builder: *mut voip_stun_builder,
    type_: i32,
    how: i32,
    user: *const c_char,
    realm: *const c_char,
    password: *const c_char,
) -> voip_status {
    guard(|| {
        let key = unsafe { stun::key(how, user, realm, password) }?;
        match stun::kind(type_)? {
            kind @ AttributeType::MESSAGE_INTEGRITY => add(builder, Some(kind), |b| b.integrity(&key)),
            kind @ AttributeType::MESSAGE_INTEGRITY_SHA256 => {
                add(builder, Some(kind), |b| b.integrity_sha256(&key))
            }
            other => Err(Fail::argument(format!("attribute {:#06x} is no integrity", other.0))),
        }
    })
}

/// Adds FINGERPRINT, the last attribute.
///
/// @param builder what `voip_stun_builder_new` gave.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE (there is one), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_builder_add_fingerprint(builder: *mut voip_stun_builder) -> voip_status {
    guard(|| add(builder, Some(AttributeType::FINGERPRINT), StunBuilder::fingerprint))
}

/// Writes the message.
///
/// @param builder what `voip_stun_builder_new` gave.
/// @param buf gets the bytes; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets their number; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_stun_builder_write(
    builder: *mut voip_stun_builder,
    buf: *mut u8,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        alone::with(builder, |b: &mut Building| {
            let bytes = b.builder.clone().build().ok_or_else(too_long)?;
            unsafe { alone::put_bytes(&bytes, buf, len, needed) }
        })
    })
}

fn too_long() -> Fail {
    Fail::range("the attribute is longer than a STUN message can hold")
}

/// Adds to a copy and keeps it only if it fits. What may follow an integrity attribute: RFC 8489 sections 14.5 to 14.7.
fn add(
    handle: *const voip_stun_builder,
    seals: Option<AttributeType>,
    add: impl FnOnce(StunBuilder) -> StunBuilder,
) -> FfiResult {
    alone::with(handle, |building: &mut Building| {
        let fits = match (building.sealed, seals) {
            (None, _) => true,
            (Some(AttributeType::MESSAGE_INTEGRITY), Some(AttributeType::MESSAGE_INTEGRITY_SHA256)) => true,
            (Some(last), Some(AttributeType::FINGERPRINT)) => last != AttributeType::FINGERPRINT,
            _ => false,
        };
        if !fits {
            return Err(Fail::state("this attribute cannot follow an integrity or the fingerprint"));
        }
        let grown = add(building.builder.clone());
        if grown.clone().build().is_none() {
            return Err(too_long());
        }
        building.builder = grown;
        building.sealed = seals.or(building.sealed);
        Ok(())
    })
}
