//! The RTP packets of a call: seeing, changing, dropping those that pass, and sending one's own.

use super::alone;
use super::callbacks::voip_destroy_fn;
use super::error::{voip_status, Fail};
use super::held::{Fate, Held};
use super::objects;
use super::panic::{guard, in_host};
use super::types::*;
use crate::engine::RtpFilter;
use std::ffi::c_void;

/// Sees one RTP packet on the media thread: RFC 3550, never encrypted. `sent` is 0 for a packet that came, 1 for one that
/// goes. The packet lies in `packet[0..*len]`; it may be changed in place, and grow up to `capacity` (2048) bytes or shrink by
/// writing `*len`. What is left must be an RTP packet. Gives 0 to let it pass, else it is dropped.
pub type voip_rtp_filter_fn = Option<
    unsafe extern "C" fn(
        call: *mut voip_call,
        sent: i32,
        packet: *mut u8,
        len: *mut usize,
        capacity: usize,
        user: *mut c_void,
    ) -> i32,
>;

/// Has a function called with each RTP packet of the call, in both directions, from now on; also before the answer.
///
/// A packet that came is shown before anything looks at it, wherever it came from; one that goes, as it is complete. A filter
/// that changes nothing and gives 0 is a tap. A packet that goes and is dropped leaves its sequence number unused, so that
/// the other side counts it as lost. What is no RTP packet any more is dropped, and counted in `rx_discarded` or
/// `send_errors`. RTCP and the packets of `voip_call_send_rtp` are not shown.
///
/// The thread runs other calls too and keeps real time: the function must not block, wait for a lock that is held for
/// long, or call what may wait.
/// @param filter gets the packets; replaces the one before. NULL: none.
/// @param user handed to it.
/// @param destroy called once with `user` when the filter is not used any more: replaced, removed, or its call ended. No
///   filter with that pointer runs then or later. May be NULL. Not called if this function fails.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _CALL_ENDED, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_set_rtp_filter(
    call: *mut voip_call,
    filter: voip_rtp_filter_fn,
    user: *mut c_void,
    destroy: voip_destroy_fn,
) -> voip_status {
    guard(|| {
        let object = objects::call(call)?;
        let fate = Fate::new(user, destroy);
        let held = Held::new(&fate);
        // The handle goes as a number: it is a token and nothing that could dangle.
        let handle = object.handle() as usize;
        let sink = filter.map(|filter| -> RtpFilter {
            Box::new(move |sent, room, mut len| {
                let (handle, sent, user) = (handle as *mut voip_call, i32::from(sent), held.user());
                let (packet, capacity) = (room.as_mut_ptr(), room.len());
                // SAFETY: the host's function, with what its signature says; the room lives until it returns.
                let verdict = in_host(|| unsafe { filter(handle, sent, packet, &mut len, capacity, user) });
                (verdict == 0).then_some(len)
            })
        });
        object.engine.set_rtp_filter(sink)?;
        fate.commit();
        Ok(())
    })
}

/// Sends an RTP packet of the program's own making from the call's socket to where its audio goes, at once.
///
/// The packet goes as it is, past the filter, and encrypted if the call's audio is. The library goes on with its own stream:
/// use another SSRC, or stop that one with `voip_call_set_direction` or a filter that drops it.
/// @param packet RTP (RFC 3550), as `voip_rtp_packet_write` makes it; copied.
/// @param len its bytes, at most 2048. More than 1400 may not get through.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _PARSE (no RTP packet), _STATE (no media was negotiated), _CALL_ENDED, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_send_rtp(
    call: *mut voip_call,
    packet: *const u8,
    len: usize,
) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        let packet = unsafe { alone::bytes(packet, len, "packet") }?;
        call.engine.send_rtp(packet).map_err(Fail::from)
    })
}
