//! Which of our addresses others are told, and how the outside sees us.

use super::config::{address, change};
use super::error::{voip_status, Fail, FfiResult};
use super::objects;
use super::panic::guard;
use super::strings;
use super::types::*;
use crate::ua::Network;
use std::ffi::c_char;

/// Networks that one list may have.
const MAX_NETWORKS: usize = 64;

/// Sets which networks are inside: who is there is told our own address, others the public one.
///
/// Without a public address (`voip_config_set_public_address`) all are told our own. The address that a request goes to decides;
/// a registrar given by name counts as outside until its address was used.
/// @param networks separated by commas, like `10.0.0.0/8,192.168.0.0/16,fd00::/8`; an address alone is itself. At most 64. NULL:
///   none (the default).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_local_networks(
    config: *mut voip_config,
    networks: *const c_char,
) -> voip_status {
    guard(|| {
        let text = unsafe { strings::optional(networks, "local networks") }?.unwrap_or_default();
        let networks = network_list(text)?;
        change(config, |draft| {
            draft.phone.local_networks = networks;
            Ok(())
        })
    })
}

fn network_list(text: &str) -> FfiResult<Vec<Network>> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.len() > MAX_NETWORKS {
        let text = format!("{} networks, more than {MAX_NETWORKS}", parts.len());
        return Err(Fail::new(voip_status::VOIP_ERR_LIMIT, text));
    }
    parts.into_iter().map(network).collect()
}

fn network(text: &str) -> FfiResult<Network> {
    let (host, bits) = text.split_once('/').map_or((text, None), |(host, bits)| (host, Some(bits)));
    let address = address(host, "local network")?;
    let size = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => Some(size),
        Some(digits) => digits.parse().ok().filter(|bits| *bits <= size),
    };
    let bits =
        bits.ok_or_else(|| Fail::argument(format!("local network \"{text}\" has no 0 to {size} bits")))?;
    Ok(Network { address, bits })
}

/// Changes the address that others are told from now on, in Contact and SDP: after `on_public_address_changed`, or after a
/// `voip_stun_query` has found another one. Bindings at registrars that name the old one are made anew; calls that have media
/// keep theirs.
///
/// @param addr IPv4 or IPv6; NULL: none, our own is told. Also before the start, and it stays through a stop.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_phone_set_public_address(
    phone: *mut voip_phone,
    addr: *const c_char,
) -> voip_status {
    guard(|| {
        let object = objects::phone(phone)?;
        let addr = unsafe { strings::optional(addr, "public address") }?;
        let addr = addr.map(|text| address(text, "public address")).transpose()?;
        object.engine.set_public_address(addr).map_err(Fail::from)
    })
}
