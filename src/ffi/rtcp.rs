//! RTCP by itself: a datagram is checked, then walked as views of the host's bytes (RFC 3550 section 6, RFC 3611, RFC 4585,
//! RFC 5506). Building is in `rtcp_write`. Nothing is allocated, no handle is needed.

use super::alone;
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use crate::proto::rtcp::compound::Rule;
use crate::proto::rtcp::time::round_trip;
use crate::proto::rtcp::{Compound, DlrrItem, NtpTime, Packet, ReportBlock, VoipMetrics, Xr, XrBlock};
use std::ffi::c_char;
use std::mem::{size_of, zeroed};

/// Packet types (RFC 3550 section 12.1, RFC 4585, RFC 3611).
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_rtcp_type {
    VOIP_RTCP_SR = 200,
    VOIP_RTCP_RR = 201,
    VOIP_RTCP_SDES = 202,
    VOIP_RTCP_BYE = 203,
    VOIP_RTCP_APP = 204,
    /// Transport layer feedback.
    VOIP_RTCP_RTPFB = 205,
    /// Payload-specific feedback.
    VOIP_RTCP_PSFB = 206,
    VOIP_RTCP_XR = 207,
}

/// Items of a source description (RFC 3550 section 6.5).
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_rtcp_item_kind {
    VOIP_RTCP_CNAME = 1,
    VOIP_RTCP_NAME = 2,
    VOIP_RTCP_EMAIL = 3,
    VOIP_RTCP_PHONE = 4,
    VOIP_RTCP_LOC = 5,
    VOIP_RTCP_TOOL = 6,
    VOIP_RTCP_NOTE = 7,
    VOIP_RTCP_PRIV = 8,
}

/// A view of one RTCP packet of a datagram. Begin with `VOIP_RTCP_PACKET_INIT`. Which members mean something depends on
/// the type; the others are 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_rtcp_packet {
    /// sizeof(voip_rtcp_packet).
    pub size: usize,
    /// A `voip_rtcp_type`, or another one.
    pub packet_type: i32,
    /// Report blocks, chunks of a source description, sources of a BYE, or blocks of an extended report; the subtype of an
    /// APP, the format of feedback.
    pub count: i32,
    /// Who sends (SR, RR, APP, feedback, XR).
    pub ssrc: u32,
    /// Whom feedback is about.
    pub media_ssrc: u32,
    /// SR: when it was sent, in seconds since 1900 …
    pub ntp_seconds: u32,
    /// … and 2^-32 s.
    pub ntp_fraction: u32,
    /// SR: the same instant on the clock of the stream.
    pub rtp_timestamp: u32,
    /// SR: packets sent.
    pub packets: u32,
    /// SR: bytes of payload sent.
    pub octets: u32,
    /// APP: its name; four bytes and a NUL.
    pub name: [c_char; 8],
    /// SR, RR: the profile's extension; BYE: the reason; APP: its data; feedback: its information; unknown: all.
    pub data: *const u8,
    pub data_len: usize,
    /// The whole packet with padding.
    pub raw: *const u8,
    pub raw_len: usize,
}

// SAFETY: the size is first, zero is a valid value of all members.
unsafe impl SizeFirst for voip_rtcp_packet {
    const NAME: &'static str = "voip_rtcp_packet";
}

/// What one receiver says about one source (RFC 3550 section 6.4.1).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_rtcp_report {
    /// Whom it is about.
    pub ssrc: u32,
    /// Lost since the last report, in 256ths.
    pub fraction_lost: u32,
    /// Lost since the beginning, 24 bits with a sign.
    pub cumulative_lost: i32,
    /// Cycles and highest sequence number.
    pub highest_sequence: u32,
    /// In ticks of the RTP clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0: none came.
    pub last_sr: u32,
    /// Since that one, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// One item of a source description.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_rtcp_item {
    /// Whom it describes.
    pub ssrc: u32,
    /// A `voip_rtcp_item_kind`, or another one.
    pub kind: i32,
    /// As it stands, without a NUL.
    pub text: *const c_char,
    /// Bytes of it, at most 255.
    pub text_len: usize,
}

/// Delay since the last receiver reference time (RFC 3611 section 4.5).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_rtcp_dlrr {
    pub ssrc: u32,
    /// Middle 32 bits of the reference time; 0: none came.
    pub last_rr: u32,
    /// Since that one, in 1/65536 s.
    pub delay: u32,
}

/// How a call sounds (RFC 3611 section 4.7). 127 means unknown for levels, factors and scores.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_rtcp_metrics {
    pub ssrc: u32,
    /// Lost, in 256ths.
    pub loss_rate: u8,
    /// Thrown away by the jitter buffer, in 256ths.
    pub discard_rate: u8,
    pub burst_density: u8,
    pub gap_density: u8,
    pub burst_duration_ms: u16,
    pub gap_duration_ms: u16,
    pub round_trip_delay_ms: u16,
    pub end_system_delay_ms: u16,
    /// dBm0.
    pub signal_level: i8,
    /// dBm0.
    pub noise_level: i8,
    pub residual_echo_return_loss: u8,
    pub gmin: u8,
    pub r_factor: u8,
    pub external_r_factor: u8,
    /// In tenths.
    pub mos_lq: u8,
    /// In tenths.
    pub mos_cq: u8,
    pub receiver_config: u8,
    /// Zero.
    pub reserved: u8,
    pub jitter_buffer_nominal_ms: u16,
    pub jitter_buffer_maximum_ms: u16,
    pub jitter_buffer_absolute_maximum_ms: u16,
}

/// Checks a whole datagram and counts its packets.
///
/// @param data the datagram.
/// @param len bytes of it.
/// @param reduced_size not 0: any packet may be the first (RFC 5506); 0: a report must be (RFC 3550 section 6.1).
/// @param count gets the number of packets; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _PARSE (the sentence says the byte and what was expected there).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_parse(
    data: *const u8,
    len: usize,
    reduced_size: i32,
    count: *mut usize,
) -> voip_status {
    guard(|| {
        let bytes = unsafe { alone::bytes(data, len, "data") }?;
        let rule = if reduced_size != 0 { Rule::ReducedSize } else { Rule::Compound };
        let compound = Compound::parse(bytes, rule).map_err(|e| alone::parse_error("RTCP", &e))?;
        if !count.is_null() {
            unsafe { count.write_unaligned(compound.packets().count()) };
        }
        Ok(())
    })
}

/// Walks the packets of a datagram. Each is checked by itself.
///
/// @param data the datagram; it must stay while the view is used.
/// @param len bytes of it.
/// @param cursor begins at 0; moved on.
/// @param packet gets the view.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE (there are no more), _PARSE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_next(
    data: *const u8,
    len: usize,
    cursor: *mut usize,
    packet: *mut voip_rtcp_packet,
) -> voip_status {
    guard(|| {
        let bytes = unsafe { alone::bytes(data, len, "data") }?;
        if cursor.is_null() {
            return Err(Fail::null("cursor"));
        }
        let at = unsafe { cursor.read_unaligned() };
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or_else(|| Fail::range("there are no more packets"))?;
        let length = match rest {
            [_, _, high, low, ..] => 4 * (usize::from(u16::from_be_bytes([*high, *low])) + 1),
            _ => rest.len(),
        };
        let raw = rest.get(..length).unwrap_or(rest);
        let told = view(raw)?;
        unsafe { sized::write(packet, &told) }?;
        unsafe { cursor.write_unaligned(at + raw.len()) };
        Ok(())
    })
}

/// Tells a block of a sender or receiver report.
///
/// @param packet what `voip_rtcp_next` gave.
/// @param index from 0 to `count` - 1.
/// @param report gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE (there are no more), _PARSE, _STATE (a packet of another type).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_get_report(
    packet: *const voip_rtcp_packet,
    index: usize,
    report: *mut voip_rtcp_report,
) -> voip_status {
    guard(|| {
        let block = match unsafe { read(packet) }? {
            Packet::SenderReport(sr) => sr.blocks().nth(index),
            Packet::ReceiverReport(rr) => rr.blocks().nth(index),
            _ => return Err(Fail::state("the packet is no report")),
        };
        let b = block.ok_or_else(|| Fail::range(format!("the packet has no report block {index}")))?;
        let told = voip_rtcp_report {
            ssrc: b.ssrc,
            fraction_lost: u32::from(b.fraction_lost),
            cumulative_lost: b.cumulative_lost,
            highest_sequence: b.highest_sequence,
            jitter: b.jitter,
            last_sr: b.last_sr,
            delay_since_last_sr: b.delay_since_last_sr,
        };
        unsafe { strings::write(report, "report", told) }
    })
}

/// Tells the round trip that a report block shows (RFC 3550 section 6.4.1): arrival - LSR - DLSR.
///
/// @param report what `voip_rtcp_get_report` gave, about a stream of this side.
/// @param ntp_seconds when it arrived, in seconds since 1900 on the clock of this side's sender reports …
/// @param ntp_fraction … and 2^-32 s.
/// @param us gets the time in microseconds.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _STATE (the other side has not had a sender report yet), _RANGE (the clocks make it negative).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_get_round_trip(
    report: *const voip_rtcp_report,
    ntp_seconds: u32,
    ntp_fraction: u32,
    us: *mut i64,
) -> voip_status {
    guard(|| {
        if report.is_null() {
            return Err(Fail::null("report"));
        }
        // SAFETY: not NULL, readable by the caller's promise.
        let report = unsafe { report.read_unaligned() };
        if report.last_sr == 0 {
            return Err(Fail::state("the report tells of no sender report"));
        }
        let arrival = NtpTime::from_parts(ntp_seconds, ntp_fraction);
        let Some(time) = round_trip(arrival, report.last_sr, report.delay_since_last_sr) else {
            return Err(Fail::range("the clocks make the round trip negative"));
        };
        unsafe { strings::write(us, "us", time.as_micros() as i64) }
    })
}

/// Tells a source that leaves.
///
/// @param packet a BYE that `voip_rtcp_next` gave.
/// @param index from 0 to `count` - 1.
/// @param ssrc gets the source.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE (there are no more), _PARSE, _STATE (a packet of another type).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_get_source(
    packet: *const voip_rtcp_packet,
    index: usize,
    ssrc: *mut u32,
) -> voip_status {
    guard(|| {
        let Packet::Bye(bye) = unsafe { read(packet) }? else {
            return Err(Fail::state("the packet is no BYE"));
        };
        let found = bye.sources().nth(index);
        let found = found.ok_or_else(|| Fail::range(format!("the packet has no source {index}")))?;
        unsafe { strings::write(ssrc, "ssrc", found) }
    })
}

/// Tells an item of a source description; all chunks count on.
///
/// @param packet an SDES that `voip_rtcp_next` gave.
/// @param index from 0.
/// @param item gets it; the text stays in the datagram.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE (there are no more), _PARSE, _STATE (a packet of another type).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_get_item(
    packet: *const voip_rtcp_packet,
    index: usize,
    item: *mut voip_rtcp_item,
) -> voip_status {
    guard(|| {
        let Packet::Sdes(sdes) = unsafe { read(packet) }? else {
            return Err(Fail::state("the packet is no source description"));
        };
        let mut items = sdes.chunks().flat_map(|chunk| chunk.items().map(move |i| (chunk.ssrc, i)));
        let found = items.nth(index);
        let (ssrc, i) = found.ok_or_else(|| Fail::range(format!("the packet has no item {index}")))?;
        let (text, text_len) = (i.value.as_ptr().cast(), i.value.len());
        let told = voip_rtcp_item { ssrc, kind: i32::from(i.kind), text, text_len };
        unsafe { strings::write(item, "item", told) }
    })
}

/// Tells the type of a block of an extended report.
///
/// @param packet an XR that `voip_rtcp_next` gave.
/// @param index from 0 to `count` - 1.
/// @param kind gets the block's type: 4 receiver reference time, 5 DLRR, 7 VoIP metrics, or another one.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE (there are no more), _PARSE, _STATE (a packet of another type).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_get_xr_kind(
    packet: *const voip_rtcp_packet,
    index: usize,
    kind: *mut i32,
) -> voip_status {
    guard(|| {
        let number = match unsafe { xr_block(packet, index) }? {
            XrBlock::ReceiverReferenceTime(_) => 4,
            XrBlock::Dlrr(_) => 5,
            XrBlock::VoipMetrics(_) => 7,
            XrBlock::Unknown { kind, .. } => i32::from(kind),
        };
        unsafe { strings::write(kind, "kind", number) }
    })
}

/// Tells the receiver reference time of an extended report (RFC 3611 section 4.4).
///
/// @param packet an XR that `voip_rtcp_next` gave.
/// @param index of the block.
/// @param ntp_seconds gets seconds since 1900.
/// @param ntp_fraction gets 2^-32 s.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _PARSE, _STATE (another packet or block).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_get_reference_time(
    packet: *const voip_rtcp_packet,
    index: usize,
    ntp_seconds: *mut u32,
    ntp_fraction: *mut u32,
) -> voip_status {
    guard(|| {
        let XrBlock::ReceiverReferenceTime(ntp) = unsafe { xr_block(packet, index) }? else {
            return Err(Fail::state("the block is no receiver reference time"));
        };
        unsafe { strings::write(ntp_seconds, "ntp_seconds", ntp.seconds()) }?;
        unsafe { strings::write(ntp_fraction, "ntp_fraction", ntp.fraction()) }
    })
}

/// Tells an item of a DLRR block (RFC 3611 section 4.5).
///
/// @param packet an XR that `voip_rtcp_next` gave.
/// @param index of the block.
/// @param number of the item, from 0.
/// @param dlrr gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE (there are no more), _PARSE, _STATE (another packet or block).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_get_dlrr(
    packet: *const voip_rtcp_packet,
    index: usize,
    number: usize,
    dlrr: *mut voip_rtcp_dlrr,
) -> voip_status {
    guard(|| {
        let XrBlock::Dlrr(block) = unsafe { xr_block(packet, index) }? else {
            return Err(Fail::state("the block is no DLRR"));
        };
        let found = block.items().nth(number);
        let DlrrItem { ssrc, last_rr, delay } =
            found.ok_or_else(|| Fail::range(format!("the block has no item {number}")))?;
        unsafe { strings::write(dlrr, "dlrr", voip_rtcp_dlrr { ssrc, last_rr, delay }) }
    })
}

/// Tells the VoIP metrics of an extended report (RFC 3611 section 4.7).
///
/// @param packet an XR that `voip_rtcp_next` gave.
/// @param index of the block.
/// @param metrics gets them.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _PARSE, _STATE (another packet or block).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtcp_get_metrics(
    packet: *const voip_rtcp_packet,
    index: usize,
    metrics: *mut voip_rtcp_metrics,
) -> voip_status {
    guard(|| {
        let XrBlock::VoipMetrics(found) = unsafe { xr_block(packet, index) }? else {
            return Err(Fail::state("the block is no VoIP metrics"));
        };
        unsafe { strings::write(metrics, "metrics", voip_rtcp_metrics::of(&found)) }
    })
}

macro_rules! same_members {
    ($($member:ident)*) => {
        impl voip_rtcp_metrics {
            pub(crate) fn of(m: &VoipMetrics) -> voip_rtcp_metrics {
                voip_rtcp_metrics { reserved: 0, $($member: m.$member),* }
            }
            pub(crate) fn metrics(&self) -> VoipMetrics {
                VoipMetrics { $($member: self.$member),* }
            }
        }
    };
}

same_members! {
    ssrc loss_rate discard_rate burst_density gap_density burst_duration_ms gap_duration_ms round_trip_delay_ms
    end_system_delay_ms signal_level noise_level residual_echo_return_loss gmin r_factor external_r_factor mos_lq mos_cq
    receiver_config jitter_buffer_nominal_ms jitter_buffer_maximum_ms jitter_buffer_absolute_maximum_ms
}

impl voip_rtcp_report {
    pub(crate) fn block(&self) -> FfiResult<ReportBlock> {
        Ok(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: strings::within(self.fraction_lost, 0, 255, "fraction_lost", "")? as u8,
            cumulative_lost: self.cumulative_lost,
            highest_sequence: self.highest_sequence,
            jitter: self.jitter,
            last_sr: self.last_sr,
            delay_since_last_sr: self.delay_since_last_sr,
        })
    }
}

fn one(raw: &[u8]) -> FfiResult<Packet<'_>> {
    let compound =
        Compound::parse(raw, Rule::ReducedSize).map_err(|e| alone::parse_error("RTCP packet", &e))?;
    let none = || Fail::new(voip_status::VOIP_ERR_PARSE, "there is no RTCP packet");
    compound.packets().next().ok_or_else(none)
}

/// The packet of a view: its bytes are parsed again, so that nothing in the struct need be believed.
unsafe fn read<'a>(packet: *const voip_rtcp_packet) -> FfiResult<Packet<'a>> {
    let packet = unsafe { sized::read(packet) }?;
    one(unsafe { alone::bytes(packet.raw, packet.raw_len, "raw") }?)
}

unsafe fn xr_block<'a>(packet: *const voip_rtcp_packet, index: usize) -> FfiResult<XrBlock<'a>> {
    let Packet::Xr(xr) = unsafe { read(packet) }? else {
        return Err(Fail::state("the packet is no extended report"));
    };
    xr.blocks().nth(index).ok_or_else(|| Fail::range(format!("the packet has no block {index}")))
}

fn view(raw: &[u8]) -> FfiResult<voip_rtcp_packet> {
    let packet = one(raw)?;
    // SAFETY: zero is a valid value of all members.
    let mut told: voip_rtcp_packet = unsafe { zeroed() };
    told.size = size_of::<voip_rtcp_packet>();
    told.count = raw.first().map_or(0, |b| i32::from(b & 0x1f));
    told.packet_type = raw.get(1).map_or(0, |b| i32::from(*b));
    (told.raw, told.raw_len) = (raw.as_ptr(), raw.len());
    let mut data: &[u8] = &[];
    match packet {
        Packet::SenderReport(sr) => {
            let s = sr.sender;
            (told.ssrc, told.rtp_timestamp, told.packets, told.octets) =
                (s.ssrc, s.rtp_timestamp, s.packets, s.octets);
            (told.ntp_seconds, told.ntp_fraction) = parts(s.ntp);
            data = sr.extension;
        }
        Packet::ReceiverReport(rr) => (told.ssrc, data) = (rr.ssrc, rr.extension),
        Packet::Sdes(_) => {}
        Packet::Bye(bye) => data = bye.reason.unwrap_or(&[]),
        Packet::App(app) => {
            (told.ssrc, data) = (app.ssrc, app.data);
            for (place, byte) in told.name.iter_mut().zip(app.name) {
                *place = byte as c_char;
            }
        }
        Packet::Feedback(f) => {
            (told.ssrc, told.media_ssrc, data) = (f.sender_ssrc, f.media_ssrc, f.information)
        }
        Packet::Xr(xr) => (told.ssrc, told.count) = (xr.ssrc, count_blocks(&xr)),
        Packet::Unknown { body, .. } => data = body,
    }
    (told.data, told.data_len) = (data.as_ptr(), data.len());
    Ok(told)
}

fn parts(ntp: NtpTime) -> (u32, u32) {
    (ntp.seconds(), ntp.fraction())
}

fn count_blocks(xr: &Xr<'_>) -> i32 {
    xr.blocks().count() as i32
}
