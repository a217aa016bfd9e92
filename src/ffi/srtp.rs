//! SRTP and SRTCP by themselves (RFC 3711, RFC 6188, RFC 7714), and their keys in SDES (RFC 4568).

use super::alone::{self, alone};
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::strings;
use crate::proto::srtp::{Crypto, MasterKey, Profile, Protector, SrtpError, Unprotector};
use std::ffi::{c_char, CStr};

/// One direction of SRTP and SRTCP with one master key. The host frees it with `voip_srtp_free`, which wipes the keys.
pub struct voip_srtp {
    _private: (),
}

/// Protection profiles. RTCP always has the long tag.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_srtp_profile {
    /// AES_CM_128_HMAC_SHA1_80: key 16 bytes, salt 14.
    VOIP_SRTP_AES_CM_128_HMAC_SHA1_80 = 1,
    /// AES_CM_128_HMAC_SHA1_32: key 16 bytes, salt 14.
    VOIP_SRTP_AES_CM_128_HMAC_SHA1_32 = 2,
    /// AES_192_CM_HMAC_SHA1_80: key 24 bytes, salt 14.
    VOIP_SRTP_AES_192_CM_HMAC_SHA1_80 = 3,
    /// AES_192_CM_HMAC_SHA1_32: key 24 bytes, salt 14.
    VOIP_SRTP_AES_192_CM_HMAC_SHA1_32 = 4,
    /// AES_256_CM_HMAC_SHA1_80: key 32 bytes, salt 14.
    VOIP_SRTP_AES_256_CM_HMAC_SHA1_80 = 5,
    /// AES_256_CM_HMAC_SHA1_32: key 32 bytes, salt 14.
    VOIP_SRTP_AES_256_CM_HMAC_SHA1_32 = 6,
    /// NULL_HMAC_SHA1_80, authentic but not secret: key 16 bytes, salt 14.
    VOIP_SRTP_NULL_HMAC_SHA1_80 = 7,
    /// NULL_HMAC_SHA1_32, authentic but not secret: key 16 bytes, salt 14.
    VOIP_SRTP_NULL_HMAC_SHA1_32 = 8,
    /// AEAD_AES_128_GCM: key 16 bytes, salt 12.
    VOIP_SRTP_AEAD_AES_128_GCM = 9,
    /// AEAD_AES_256_GCM: key 32 bytes, salt 12.
    VOIP_SRTP_AEAD_AES_256_GCM = 10,
}

/// Which way the packets go.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_srtp_direction {
    /// Protects what this side sends.
    VOIP_SRTP_SEND = 0,
    /// Checks and opens what comes.
    VOIP_SRTP_RECEIVE = 1,
}

use voip_srtp_profile::*;

static PROFILES: &[(voip_srtp_profile, Profile, &CStr)] = &[
    (VOIP_SRTP_AES_CM_128_HMAC_SHA1_80, Profile::AesCm128HmacSha1_80, c"AES_CM_128_HMAC_SHA1_80"),
    (VOIP_SRTP_AES_CM_128_HMAC_SHA1_32, Profile::AesCm128HmacSha1_32, c"AES_CM_128_HMAC_SHA1_32"),
    (VOIP_SRTP_AES_192_CM_HMAC_SHA1_80, Profile::AesCm192HmacSha1_80, c"AES_192_CM_HMAC_SHA1_80"),
    (VOIP_SRTP_AES_192_CM_HMAC_SHA1_32, Profile::AesCm192HmacSha1_32, c"AES_192_CM_HMAC_SHA1_32"),
    (VOIP_SRTP_AES_256_CM_HMAC_SHA1_80, Profile::AesCm256HmacSha1_80, c"AES_256_CM_HMAC_SHA1_80"),
    (VOIP_SRTP_AES_256_CM_HMAC_SHA1_32, Profile::AesCm256HmacSha1_32, c"AES_256_CM_HMAC_SHA1_32"),
    (VOIP_SRTP_NULL_HMAC_SHA1_80, Profile::NullHmacSha1_80, c"NULL_HMAC_SHA1_80"),
    (VOIP_SRTP_NULL_HMAC_SHA1_32, Profile::NullHmacSha1_32, c"NULL_HMAC_SHA1_32"),
    (VOIP_SRTP_AEAD_AES_128_GCM, Profile::AeadAes128Gcm, c"AEAD_AES_128_GCM"),
    (VOIP_SRTP_AEAD_AES_256_GCM, Profile::AeadAes256Gcm, c"AEAD_AES_256_GCM"),
];

/// The number of a profile.
pub(crate) fn number(profile: Profile) -> i32 {
    PROFILES.iter().find(|row| row.1 == profile).map_or(0, |row| row.0 as i32)
}

/// A context and the key that `voip_srtp_get_sdes` writes.
pub(crate) struct Context {
    master: MasterKey,
    way: Way,
}

enum Way {
    Send(Box<Protector>),
    Receive(Box<Unprotector>),
}

alone!(Context, voip_srtp, b's', "SRTP");

/// Gives the name of a profile as in `a=crypto`.
///
/// @param profile a `voip_srtp_profile`.
/// @return a static string, empty for another number, never NULL.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_srtp_profile_name(profile: i32) -> *const c_char {
    PROFILES.iter().find(|row| row.0 as i32 == profile).map_or(c"", |row| row.2).as_ptr()
}

/// Makes a context from a master key.
///
/// @param profile a `voip_srtp_profile`; it says how long key and salt are.
/// @param direction a `voip_srtp_direction`.
/// @param key the master key.
/// @param key_len bytes of it.
/// @param salt the master salt.
/// @param salt_len bytes of it.
/// @param mki the master key identifier that every packet carries; NULL with mki_len 0 for none.
/// @param mki_len bytes of it, at most 128.
/// @param out gets the handle; free it with `voip_srtp_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE (a wrong length), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_srtp_new(
    profile: i32,
    direction: i32,
    key: *const u8,
    key_len: usize,
    salt: *const u8,
    salt_len: usize,
    mki: *const u8,
    mki_len: usize,
    out: *mut *mut voip_srtp,
) -> voip_status {
    guard(|| {
        let make = || {
            let profile = self::profile(profile)?;
            let key = unsafe { alone::bytes(key, key_len, "key") }?;
            let salt = unsafe { alone::bytes(salt, salt_len, "salt") }?;
            let mki = unsafe { alone::bytes(mki, mki_len, "mki") }?;
            let master = MasterKey::new(profile, key, salt, mki).map_err(fail)?;
            context(master, direction)
        };
        unsafe { alone::make(out, make) }
    })
}

/// Makes a context for sending with a fresh key; `voip_srtp_get_sdes` tells the key to the other side.
///
/// @param profile a `voip_srtp_profile`.
/// @param out gets the handle; free it with `voip_srtp_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_srtp_generate(profile: i32, out: *mut *mut voip_srtp) -> voip_status {
    guard(|| {
        let make = || {
            let master = MasterKey::generate(self::profile(profile)?, &mut alone::rng());
            context(master, voip_srtp_direction::VOIP_SRTP_SEND as i32)
        };
        unsafe { alone::make(out, make) }
    })
}

/// Makes a context from an SDES attribute (RFC 4568): its keys, and UNENCRYPTED_SRTP and UNENCRYPTED_SRTCP. Of several keys
/// the first one sends; a receiver takes what comes under any of them, as the master key identifier in each packet says.
/// Their lifetimes are not watched.
///
/// @param attribute with or without `a=crypto:` before it.
/// @param direction a `voip_srtp_direction`: what the other side described is received.
/// @param out gets the handle; free it with `voip_srtp_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT (several keys, but not each with an identifier of its own, all of one length), _PARSE,
///   _RANGE (key of a wrong length), _NOT_SUPPORTED (unknown suite), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_srtp_from_sdes(
    attribute: *const c_char,
    direction: i32,
    out: *mut *mut voip_srtp,
) -> voip_status {
    guard(|| {
        let make = || {
            let text = unsafe { strings::filled(attribute, "attribute") }?;
            let crypto = Crypto::parse(text).map_err(|e| alone::parse_error("crypto attribute", &e))?;
            if crypto.profile().is_none() {
                let text = format!("crypto suite \"{}\" is unknown", crypto.suite);
                return Err(Fail::new(voip_status::VOIP_ERR_NOT_SUPPORTED, text));
            }
            let mut context = context(crypto.master_key().map_err(fail)?, direction)?;
            if let (Way::Receive(unprotector), 2..) = (&mut context.way, crypto.keys.len()) {
                let keys = crypto.master_keys().map_err(fail)?;
                **unprotector = Unprotector::with_keys(&keys).map_err(fail)?;
            }
            let said = |name: &str| crypto.params.iter().any(|p| p.eq_ignore_ascii_case(name));
            let (rtp, rtcp) = (!said("UNENCRYPTED_SRTP"), !said("UNENCRYPTED_SRTCP"));
            match &mut context.way {
                Way::Send(protector) => protector.set_encryption(rtp, rtcp),
                // Whether an SRTCP packet is encrypted is said in it.
                Way::Receive(unprotector) => unprotector.set_encryption(rtp),
            }
            Ok(context)
        };
        unsafe { alone::make(out, make) }
    })
}

/// Frees a context and wipes its keys.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_srtp_free(srtp: *mut voip_srtp) -> voip_status {
    guard(|| alone::free::<Context>(srtp))
}

/// Writes the value of `a=crypto:` with the key of the context, the first one of several. It is a secret.
///
/// @param tag 1 to 999999999.
/// @param buf gets the text with its NUL; NULL asks for the size.
/// @param len bytes of buf.
/// @param needed gets the size with the NUL; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_srtp_get_sdes(
    srtp: *mut voip_srtp,
    tag: u32,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let tag = strings::within(tag, 1, 999_999_999, "tag", "")?;
        alone::with(srtp, |c: &mut Context| {
            let text = Crypto::of(tag, &c.master).write();
            unsafe { strings::put(text.as_bytes(), buf, len, needed) }
        })
    })
}

/// Tells by how many bytes protection makes packets longer.
///
/// @param rtp gets it for RTP; may be NULL.
/// @param rtcp gets it for RTCP; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_srtp_get_overhead(
    srtp: *mut voip_srtp,
    rtp: *mut usize,
    rtcp: *mut usize,
) -> voip_status {
    guard(|| {
        let (profile, mki) =
            alone::with(srtp, |c: &mut Context| Ok((c.master.profile(), c.master.mki().len())))?;
        if !rtp.is_null() {
            unsafe { rtp.write_unaligned(profile.rtp_tag_bytes() + mki) };
        }
        if !rtcp.is_null() {
            unsafe { rtcp.write_unaligned(profile.rtcp_tag_bytes() + 4 + mki) };
        }
        Ok(())
    })
}

/// Sets the roll-over counter that the first packet of a source has (late joiners, hand-over).
///
/// @param ssrc the source.
/// @param roc the counter.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _LIMIT (too many sources), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_srtp_set_roc(srtp: *mut voip_srtp, ssrc: u32, roc: u32) -> voip_status {
    guard(|| {
        alone::with(srtp, |c: &mut Context| match &mut c.way {
            Way::Send(protector) => protector.set_roc(ssrc, roc).map_err(fail),
            Way::Receive(unprotector) => unprotector.set_roc(ssrc, roc).map_err(fail),
        })
    })
}

/// Tells the roll-over counter of a source.
///
/// @param ssrc the source.
/// @param roc gets the counter.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (no packet of it was seen), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_srtp_get_roc(srtp: *mut voip_srtp, ssrc: u32, roc: *mut u32) -> voip_status {
    guard(|| {
        let found = alone::with(srtp, |c: &mut Context| {
            Ok(match &c.way {
                Way::Send(protector) => protector.roc(ssrc),
                Way::Receive(unprotector) => unprotector.roc(ssrc),
            })
        })?;
        let found = found.ok_or_else(|| Fail::argument(format!("nothing of source {ssrc:#x} was seen")))?;
        unsafe { strings::write(roc, "roc", found) }
    })
}

/// Protects an RTP packet in place (RFC 3711 section 3.3). A sequence number that was protected before is refused.
///
/// @param buf the packet, with room behind it.
/// @param len bytes of the packet; gets those of the protected one.
/// @param capacity bytes of buf; `voip_srtp_get_overhead` says how much more it takes.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (a context for receiving), _PARSE, _SRTP_REPLAY, _LIMIT (key used up, or too many
///   sources), _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_srtp_protect(
    srtp: *mut voip_srtp,
    buf: *mut u8,
    len: *mut usize,
    capacity: usize,
) -> voip_status {
    guard(|| unsafe {
        in_place(srtp, buf, len, capacity, |c, buf, n| c.sender()?.protect_rtp(buf, n).map_err(fail))
    })
}

/// Checks and opens an SRTP packet in place; after a failure nothing of the content is in buf.
///
/// @param buf the packet.
/// @param len bytes of it; gets those of the RTP packet.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (a context for sending), _PARSE, _SRTP_AUTH, _SRTP_REPLAY, _LIMIT, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_srtp_unprotect(
    srtp: *mut voip_srtp,
    buf: *mut u8,
    len: *mut usize,
) -> voip_status {
    guard(|| unsafe {
        in_place(srtp, buf, len, 0, |c, buf, _| c.receiver()?.unprotect_rtp(buf).map_err(fail))
    })
}

/// Protects an RTCP packet in place (RFC 3711 section 3.4).
///
/// Arguments as `voip_srtp_protect`.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (a context for receiving), _PARSE, _LIMIT, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_srtp_protect_rtcp(
    srtp: *mut voip_srtp,
    buf: *mut u8,
    len: *mut usize,
    capacity: usize,
) -> voip_status {
    guard(|| unsafe {
        in_place(srtp, buf, len, capacity, |c, buf, n| c.sender()?.protect_rtcp(buf, n).map_err(fail))
    })
}

/// Checks and opens an SRTCP packet in place; after a failure nothing of the content is in buf.
///
/// Arguments as `voip_srtp_unprotect`.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (a context for sending), _PARSE, _SRTP_AUTH, _SRTP_REPLAY, _LIMIT, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_srtp_unprotect_rtcp(
    srtp: *mut voip_srtp,
    buf: *mut u8,
    len: *mut usize,
) -> voip_status {
    guard(|| unsafe {
        in_place(srtp, buf, len, 0, |c, buf, _| c.receiver()?.unprotect_rtcp(buf).map_err(fail))
    })
}

impl Context {
    fn sender(&mut self) -> FfiResult<&mut Protector> {
        match &mut self.way {
            Way::Send(protector) => Ok(protector),
            Way::Receive(_) => Err(Fail::state("the context is for receiving")),
        }
    }
    fn receiver(&mut self) -> FfiResult<&mut Unprotector> {
        match &mut self.way {
            Way::Receive(unprotector) => Ok(unprotector),
            Way::Send(_) => Err(Fail::state("the context is for sending")),
        }
    }
}

fn profile(number: i32) -> FfiResult<Profile> {
    let row = PROFILES.iter().find(|row| row.0 as i32 == number);
    row.map(|row| row.1).ok_or_else(|| Fail::argument(format!("SRTP profile {number} is unknown")))
}

fn context(master: MasterKey, direction: i32) -> FfiResult<Context> {
    let way = match direction {
        0 => Way::Send(Box::new(Protector::new(&master).map_err(fail)?)),
        1 => Way::Receive(Box::new(Unprotector::new(&master).map_err(fail)?)),
        other => return Err(Fail::argument(format!("SRTP direction {other} is unknown"))),
    };
    Ok(Context { master, way })
}

/// Works on `*len` bytes of `buf`, which has `capacity` of them (0: just `*len`), and writes the new length back.
unsafe fn in_place(
    srtp: *mut voip_srtp,
    buf: *mut u8,
    len: *mut usize,
    capacity: usize,
    work: impl FnOnce(&mut Context, &mut [u8], usize) -> FfiResult<usize>,
) -> FfiResult {
    if len.is_null() {
        return Err(Fail::new(voip_status::VOIP_ERR_NULL, "len is NULL"));
    }
    let used = unsafe { len.read_unaligned() };
    let capacity = if capacity == 0 { used } else { capacity };
    if capacity < used {
        return Err(Fail::range("the capacity is below the length of the packet"));
    }
    let bytes = unsafe { alone::buffer(buf, capacity, "buf") }?;
    let done = alone::with(srtp, |context| work(context, bytes, used))?;
    unsafe { len.write_unaligned(done) };
    Ok(())
}

/// Without an allocation: the sentence is a static one.
fn fail(error: SrtpError) -> Fail {
    let status = match error {
        SrtpError::Packet => voip_status::VOIP_ERR_PARSE,
        SrtpError::Auth => voip_status::VOIP_ERR_SRTP_AUTH,
        SrtpError::Replay => voip_status::VOIP_ERR_SRTP_REPLAY,
        SrtpError::Buffer => voip_status::VOIP_ERR_BUFFER_TOO_SMALL,
        SrtpError::Key => voip_status::VOIP_ERR_RANGE,
        SrtpError::Mki => voip_status::VOIP_ERR_ARGUMENT,
        SrtpError::KeyExhausted | SrtpError::Streams => voip_status::VOIP_ERR_LIMIT,
    };
    Fail::new(status, error.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_has_its_own_number_and_the_name_of_its_suite() {
        assert_eq!(PROFILES.len(), Profile::ALL.len());
        for (number, profile, name) in PROFILES {
            assert_eq!(name.to_str(), Ok(profile.name()));
            assert_eq!(self::profile(*number as i32).ok(), Some(*profile));
        }
    }
}
