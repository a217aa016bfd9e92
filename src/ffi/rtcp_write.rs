//! RTCP packets written one behind the other into the host's buffer (RFC 3550 section 6, RFC 3611, RFC 4585).

use super::alone;
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::rtcp::{voip_rtcp_dlrr, voip_rtcp_item, voip_rtcp_metrics, voip_rtcp_packet, voip_rtcp_report};
use super::sized;
use super::strings;
use crate::proto::rtcp::report::MAX_BLOCKS;
use crate::proto::rtcp::{DlrrItem, NtpTime, ReportBlock, RtcpWriter, SdesItem, SenderInfo, WriteError};
use std::ffi::c_char;

/// More items than a source description can sensibly have.
const MAX_ITEMS: usize = 64;
/// Items of a DLRR block.
const MAX_DLRR: usize = 64;

/// Appends a sender report (RFC 3550 section 6.4.1).
///
/// @param buf where the datagram grows.
/// @param len bytes of buf.
/// @param used begins at 0, a multiple of four; moved on. Stays as it is after a failure.
/// @param sender `ssrc`, `ntp_seconds`, `ntp_fraction`, `rtp_timestamp`, `packets` and `octets` are looked at.
/// @param reports blocks about other sources; NULL with report_count 0.
/// @param report_count at most 31.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_write_sr(
    buf: *mut u8,
    len: usize,
    used: *mut usize,
    sender: *const voip_rtcp_packet,
    reports: *const voip_rtcp_report,
    report_count: usize,
) -> voip_status {
    guard(|| {
        let s = unsafe { sized::read(sender) }?;
        let info = SenderInfo {
            ssrc: s.ssrc,
            ntp: NtpTime::from_parts(s.ntp_seconds, s.ntp_fraction),
            rtp_timestamp: s.rtp_timestamp,
            packets: s.packets,
            octets: s.octets,
        };
        let reports = unsafe { alone::list(reports, report_count, "reports") }?;
        let mut blocks = [ReportBlock::default(); MAX_BLOCKS];
        let blocks = convert(reports, &mut blocks)?;
        unsafe { append(buf, len, used, |w| w.sender_report(&info, blocks)) }
    })
}

/// Appends a receiver report (RFC 3550 section 6.4.2).
///
/// @param buf,len,used as `voip_rtcp_write_sr`.
/// @param ssrc who reports.
/// @param reports blocks about other sources; NULL with report_count 0.
/// @param report_count at most 31.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_write_rr(
    buf: *mut u8,
    len: usize,
    used: *mut usize,
    ssrc: u32,
    reports: *const voip_rtcp_report,
    report_count: usize,
) -> voip_status {
    guard(|| {
        let reports = unsafe { alone::list(reports, report_count, "reports") }?;
        let mut blocks = [ReportBlock::default(); MAX_BLOCKS];
        let blocks = convert(reports, &mut blocks)?;
        unsafe { append(buf, len, used, |w| w.receiver_report(ssrc, blocks)) }
    })
}

/// Appends a source description of one source (RFC 3550 section 6.5).
///
/// @param buf,len,used as `voip_rtcp_write_sr`.
/// @param ssrc whom it describes; the `ssrc` of the items is not looked at.
/// @param items what is said, CNAME first.
/// @param item_count at most 64.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE (a text beyond 255 bytes, kind 0), _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_write_sdes(
    buf: *mut u8,
    len: usize,
    used: *mut usize,
    ssrc: u32,
    items: *const voip_rtcp_item,
    item_count: usize,
) -> voip_status {
    guard(|| {
        let items = unsafe { alone::list(items, item_count, "items") }?;
        let mut converted = [SdesItem { kind: 0, value: &[] }; MAX_ITEMS];
        let Some(places) = converted.get_mut(..items.len()) else {
            return Err(Fail::range("more than 64 items"));
        };
        for (place, item) in places.iter_mut().zip(items) {
            let kind =
                u8::try_from(item.kind).map_err(|_| Fail::range("the kind of an item is beyond 255"))?;
            let value = unsafe { alone::bytes(item.text.cast(), item.text_len, "text") }?;
            *place = SdesItem { kind, value };
        }
        unsafe { append(buf, len, used, |w| w.sdes(&[(ssrc, places)])) }
    })
}

/// Appends a BYE (RFC 3550 section 6.6).
///
/// @param buf,len,used as `voip_rtcp_write_sr`.
/// @param sources who leaves.
/// @param source_count at most 31.
/// @param reason at most 255 bytes; NULL: none.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_write_bye(
    buf: *mut u8,
    len: usize,
    used: *mut usize,
    sources: *const u32,
    source_count: usize,
    reason: *const c_char,
) -> voip_status {
    guard(|| {
        let sources = unsafe { alone::list(sources, source_count, "sources") }?;
        let reason = unsafe { strings::optional(reason, "reason") }?;
        unsafe { append(buf, len, used, |w| w.bye(sources, reason.map(str::as_bytes))) }
    })
}

/// Appends an APP packet (RFC 3550 section 6.7).
///
/// @param buf,len,used as `voip_rtcp_write_sr`.
/// @param subtype 0 to 31.
/// @param ssrc who sends.
/// @param name four characters of ASCII.
/// @param data a multiple of four bytes; NULL with data_len 0.
/// @param data_len bytes of it.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_write_app(
    buf: *mut u8,
    len: usize,
    used: *mut usize,
    subtype: u8,
    ssrc: u32,
    name: *const c_char,
    data: *const u8,
    data_len: usize,
) -> voip_status {
    guard(|| {
        let text = unsafe { strings::text(name, "name") }?;
        let name = <[u8; 4]>::try_from(text.as_bytes());
        let name = name.map_err(|_| Fail::argument("the name of an APP has four characters"))?;
        let data = unsafe { alone::bytes(data, data_len, "data") }?;
        unsafe { append(buf, len, used, |w| w.app(subtype, ssrc, name, data)) }
    })
}

/// Appends a feedback packet (RFC 4585 section 6.1).
///
/// @param buf,len,used as `voip_rtcp_write_sr`.
/// @param packet_type VOIP_RTCP_RTPFB or VOIP_RTCP_PSFB.
/// @param format 0 to 31.
/// @param ssrc who sends.
/// @param media_ssrc whom it is about.
/// @param data the control information, a multiple of four bytes; NULL with data_len 0.
/// @param data_len bytes of it.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _RANGE, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_write_feedback(
    buf: *mut u8,
    len: usize,
    used: *mut usize,
    packet_type: i32,
    format: u8,
    ssrc: u32,
    media_ssrc: u32,
    data: *const u8,
    data_len: usize,
) -> voip_status {
    guard(|| {
        let kind = u8::try_from(packet_type).map_err(|_| Fail::range("the type is no feedback"))?;
        let data = unsafe { alone::bytes(data, data_len, "data") }?;
        unsafe { append(buf, len, used, |w| w.feedback(kind, format, ssrc, media_ssrc, data)) }
    })
}

/// Appends an extended report with a receiver reference time (RFC 3611 section 4.4).
///
/// @param buf,len,used as `voip_rtcp_write_sr`.
/// @param ssrc who reports.
/// @param ntp_seconds since 1900.
/// @param ntp_fraction in 2^-32 s.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _RANGE, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_write_reference_time(
    buf: *mut u8,
    len: usize,
    used: *mut usize,
    ssrc: u32,
    ntp_seconds: u32,
    ntp_fraction: u32,
) -> voip_status {
    guard(|| {
        let ntp = NtpTime::from_parts(ntp_seconds, ntp_fraction);
        unsafe { append(buf, len, used, |w| w.xr(ssrc, |xr| xr.receiver_reference_time(ntp))) }
    })
}

/// Appends an extended report with delays since reference times (RFC 3611 section 4.5).
///
/// @param buf,len,used as `voip_rtcp_write_sr`.
/// @param ssrc who reports.
/// @param items one per receiver.
/// @param item_count at most 64.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _RANGE, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_write_dlrr(
    buf: *mut u8,
    len: usize,
    used: *mut usize,
    ssrc: u32,
    items: *const voip_rtcp_dlrr,
    item_count: usize,
) -> voip_status {
    guard(|| {
        let items = unsafe { alone::list(items, item_count, "items") }?;
        let mut converted = [DlrrItem::default(); MAX_DLRR];
        let Some(places) = converted.get_mut(..items.len()) else {
            return Err(Fail::range("more than 64 items"));
        };
        for (place, item) in places.iter_mut().zip(items) {
            *place = DlrrItem { ssrc: item.ssrc, last_rr: item.last_rr, delay: item.delay };
        }
        unsafe { append(buf, len, used, |w| w.xr(ssrc, |xr| xr.dlrr(places))) }
    })
}

/// Appends an extended report with VoIP metrics (RFC 3611 section 4.7).
///
/// @param buf,len,used as `voip_rtcp_write_sr`.
/// @param ssrc who reports.
/// @param metrics how it sounds here.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _RANGE, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_write_metrics(
    buf: *mut u8,
    len: usize,
    used: *mut usize,
    ssrc: u32,
    metrics: *const voip_rtcp_metrics,
) -> voip_status {
    guard(|| {
        let metrics = unsafe { alone::list(metrics, 1, "metrics") }?;
        let Some(metrics) = metrics.first().map(voip_rtcp_metrics::metrics) else {
            return Err(Fail::null("metrics"));
        };
        unsafe { append(buf, len, used, |w| w.xr(ssrc, |xr| xr.voip_metrics(&metrics))) }
    })
}

fn convert<'a>(
    reports: &[voip_rtcp_report],
    blocks: &'a mut [ReportBlock; MAX_BLOCKS],
) -> FfiResult<&'a [ReportBlock]> {
    let Some(places) = blocks.get_mut(..reports.len()) else {
        return Err(Fail::range("more than 31 report blocks"));
    };
    for (place, report) in places.iter_mut().zip(reports) {
        *place = report.block()?;
    }
    Ok(places)
}

/// Writes one packet behind the `*used` bytes that are there.
unsafe fn append(
    buf: *mut u8,
    len: usize,
    used: *mut usize,
    write: impl FnOnce(&mut RtcpWriter<'_>) -> Result<(), WriteError>,
) -> FfiResult {
    if used.is_null() {
        return Err(Fail::new(voip_status::VOIP_ERR_NULL, "used is NULL"));
    }
    let at = unsafe { used.read_unaligned() };
    let buf = unsafe { alone::buffer(buf, len, "buf") }?;
    if at % 4 != 0 {
        return Err(Fail::range("used is no multiple of four"));
    }
    let Some(room) = buf.get_mut(at..) else {
        return Err(Fail::range("used is beyond the buffer"));
    };
    let mut writer = RtcpWriter::new(room);
    write(&mut writer).map_err(|e| match e {
        WriteError::Space => {
            Fail::new(voip_status::VOIP_ERR_BUFFER_TOO_SMALL, "the buffer has no room for the packet")
        }
        WriteError::Range => Fail::range("too many of something, or a value that has no place in its field"),
    })?;
    let end = at + writer.len();
    unsafe { used.write_unaligned(end) };
    Ok(())
}
