//! SRTP in calls: what a phone, an account or a call insists on, and what was agreed.

use super::account_config;
use super::alone;
use super::config::change;
use super::error::{voip_status, Fail, FfiResult};
use super::objects;
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::srtp;
use super::strings;
use super::types::*;
use crate::proto::sdp::SrtpMode;
use crate::proto::srtp::Profile;
use std::ffi::c_char;
use std::mem::size_of;

/// How much calls insist on SRTP with keys in the session description (SDES, RFC 4568). Who can read the SIP
/// messages can read these keys: without TLS they keep nobody out who sees the signalling.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_srtp_mode {
    /// A call: as its account; an account: as the phone; the phone: off.
    VOIP_SRTP_MODE_DEFAULT = 0,
    /// Plain RTP; calls that are offered under SRTP only are refused with 488.
    VOIP_SRTP_MODE_OFF = 1,
    /// Offers RTP/AVP with keys beside it, as phones do that take either; accepts SRTP and plain RTP.
    VOIP_SRTP_MODE_OPTIONAL = 2,
    /// Offers RTP/SAVP; refuses plain RTP with 488, or hangs up when an answer asks for it.
    VOIP_SRTP_MODE_MANDATORY = 3,
}

/// What protects the audio of a call. Begin with `VOIP_CALL_SRTP_INFO_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_call_srtp_info {
    /// sizeof(voip_call_srtp_info).
    pub size: usize,
    /// 1: what is sent is protected.
    pub sending: i32,
    /// 1: nothing is heard but what is protected and authentic.
    pub receiving: i32,
    /// A `voip_srtp_profile`; 0 for plain RTP.
    pub profile: i32,
    /// Its name as in `a=crypto`; empty for plain RTP.
    pub suite: [c_char; 32],
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_call_srtp_info {
    const NAME: &'static str = "voip_call_srtp_info";
}

/// Sets how much the phone's calls insist on SRTP. An account and a call can say otherwise
/// (`voip_account_config_set_srtp`, `voip_call_options.srtp`).
///
/// The keys travel in the SIP messages (RFC 4568): use it over TLS, or on a network whose signalling nobody
/// else reads. The log shows no keys.
///
/// @param mode a `voip_srtp_mode`; off if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_srtp(config: *mut voip_config, mode: i32) -> voip_status {
    guard(|| {
        let mode = self::mode(mode)?.unwrap_or(SrtpMode::Off);
        change(config, |draft| {
            draft.phone.srtp = mode;
            Ok(())
        })
    })
}

/// Sets which crypto suites calls offer and accept, by preference. Of an offer the first line with one of them is taken.
///
/// @param names separated by commas, without case, as in `a=crypto`:
///   `AES_CM_128_HMAC_SHA1_80,AES_256_CM_HMAC_SHA1_80,AES_CM_128_HMAC_SHA1_32` if not set; also the forms of
///   AES_192_CM and AES_256_CM, `AEAD_AES_128_GCM`, `AEAD_AES_256_GCM`. Suites without encryption are refused.
///   Each adds about 90 bytes to an INVITE, which over UDP should stay below 1300.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_srtp_suites(
    config: *mut voip_config,
    names: *const c_char,
) -> voip_status {
    guard(|| {
        let suites = suite_list(unsafe { strings::text(names, "suites") }?)?;
        change(config, |draft| {
            draft.phone.srtp_suites = suites;
            Ok(())
        })
    })
}

/// Sets how much the account's calls insist on SRTP, incoming and outgoing.
///
/// @param mode a `voip_srtp_mode`; as the phone if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_account_config_set_srtp(
    config: *mut voip_account_config,
    mode: i32,
) -> voip_status {
    guard(|| {
        let mode = self::mode(mode)?;
        account_config::change(config, |draft| {
            draft.srtp = mode;
            Ok(())
        })
    })
}

/// Tells what protects the audio of a call, as negotiated last. Plain and protected packets are never mixed.
///
/// @param info begins with `VOIP_CALL_SRTP_INFO_INIT`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (struct size).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_srtp_info(
    call: *mut voip_call,
    info: *mut voip_call_srtp_info,
) -> voip_status {
    guard(|| {
        let suite = objects::call(call)?.engine.media_info().srtp;
        let on = i32::from(suite.is_some());
        let value = voip_call_srtp_info {
            size: size_of::<voip_call_srtp_info>(),
            sending: on,
            receiving: on,
            profile: suite.map_or(0, srtp::number),
            suite: alone::array(suite.map_or("", Profile::name)),
        };
        unsafe { sized::write(info, &value) }
    })
}

/// None: the default.
pub(crate) fn mode(number: i32) -> FfiResult<Option<SrtpMode>> {
    match number {
        0 => Ok(None),
        1 => Ok(Some(SrtpMode::Off)),
        2 => Ok(Some(SrtpMode::Optional)),
        3 => Ok(Some(SrtpMode::Mandatory)),
        other => Err(Fail::argument(format!("SRTP mode {other} is unknown"))),
    }
}

fn suite_list(names: &str) -> FfiResult<Vec<Profile>> {
    let mut list = Vec::new();
    for name in names.split(',').map(str::trim) {
        let suite = Profile::from_name(name);
        let suite = suite.ok_or_else(|| Fail::argument(format!("crypto suite \"{name}\" is unknown")))?;
        if !suite.encrypts() {
            return Err(Fail::argument(format!("crypto suite \"{name}\" encrypts nothing")));
        }
        if list.contains(&suite) {
            return Err(Fail::argument(format!("crypto suite \"{name}\" is named twice")));
        }
        list.push(suite);
    }
    Ok(list)
}
