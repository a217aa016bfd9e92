//! Names of transports and directions in session descriptions (RFC 8866 section 8.2.4, RFC 3264).

use super::error::{voip_status, Fail};
use super::panic::guard;
use super::strings;
use crate::proto::sdp::Direction;
use std::ffi::{c_char, CStr};

/// Transport of an `m=` line.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_rtp_protocol {
    /// `udp`: no RTP.
    VOIP_RTP_UDP = 0,
    /// `RTP/AVP` (RFC 3551).
    VOIP_RTP_AVP = 1,
    /// `RTP/SAVP` (RFC 3711).
    VOIP_RTP_SAVP = 2,
    /// `RTP/AVPF` (RFC 4585).
    VOIP_RTP_AVPF = 3,
    /// `RTP/SAVPF` (RFC 5124).
    VOIP_RTP_SAVPF = 4,
    /// `UDP/TLS/RTP/SAVP` (RFC 5764).
    VOIP_RTP_DTLS_SAVP = 5,
    /// `UDP/TLS/RTP/SAVPF` (RFC 5764).
    VOIP_RTP_DTLS_SAVPF = 6,
}

use voip_rtp_protocol::*;

static NAMES: &[(voip_rtp_protocol, &CStr)] = &[
    (VOIP_RTP_UDP, c"udp"),
    (VOIP_RTP_AVP, c"RTP/AVP"),
    (VOIP_RTP_SAVP, c"RTP/SAVP"),
    (VOIP_RTP_AVPF, c"RTP/AVPF"),
    (VOIP_RTP_SAVPF, c"RTP/SAVPF"),
    (VOIP_RTP_DTLS_SAVP, c"UDP/TLS/RTP/SAVP"),
    (VOIP_RTP_DTLS_SAVPF, c"UDP/TLS/RTP/SAVPF"),
];

/// The number of a transport, without case.
pub(crate) fn number(name: &str) -> Option<i32> {
    let same = |row: &&(voip_rtp_protocol, &CStr)| row.1.to_bytes().eq_ignore_ascii_case(name.as_bytes());
    NAMES.iter().find(same).map(|row| row.0 as i32)
}

/// Gives the name of a transport as it stands in an `m=` line, like `RTP/AVP`.
///
/// @param protocol a `voip_rtp_protocol`.
/// @return a static string, empty for another number, never NULL.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_rtp_protocol_name(protocol: i32) -> *const c_char {
    NAMES.iter().find(|row| row.0 as i32 == protocol).map_or(c"", |row| row.1).as_ptr()
}

/// Finds a transport by its name.
///
/// @param name without case.
/// @param protocol gets a `voip_rtp_protocol`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_protocol_from_name(name: *const c_char, protocol: *mut i32) -> voip_status {
    guard(|| {
        let name = unsafe { strings::text(name, "name") }?;
        let found = number(name).ok_or_else(|| Fail::argument(format!("transport \"{name}\" is unknown")))?;
        unsafe { strings::write(protocol, "protocol", found) }
    })
}

/// Finds a direction by its attribute: `sendrecv`, `sendonly`, `recvonly` or `inactive`. `voip_media_direction_name`
/// goes the other way.
///
/// @param name without case.
/// @param direction gets a `voip_media_direction`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_media_direction_from_name(
    name: *const c_char,
    direction: *mut i32,
) -> voip_status {
    guard(|| {
        let name = unsafe { strings::text(name, "name") }?;
        let Some(found) = Direction::from_name(name) else {
            return Err(Fail::argument(format!("direction \"{name}\" is unknown")));
        };
        unsafe { strings::write(direction, "direction", super::sdp_negotiate::direction_number(found)) }
    })
}
