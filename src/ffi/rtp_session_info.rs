//! What an RTP session can tell: counters, its address, the clock of the other side.

use super::error::{voip_status, Fail};
use super::panic::guard;
use super::rtp_session::{session, voip_rtp_session};
use super::sized::{self, SizeFirst};
use super::strings;
use crate::engine::RtpSessionStats;
use crate::media::SyncPoint;
use crate::proto::rtcp::NtpTime;
use crate::util::Time;
use std::ffi::c_char;
use std::mem::size_of;

/// Counters of a session since its start. Begin with `VOIP_RTP_SESSION_STATS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_rtp_session_stats {
    /// sizeof(voip_rtp_session_stats).
    pub size: usize,
    /// Packets accepted.
    pub rx_packets: u64,
    /// Bytes of them.
    pub rx_bytes: u64,
    /// Packets that never came.
    pub rx_lost: u64,
    /// Packets that came too late to be heard.
    pub rx_late: u64,
    /// Packets that came twice.
    pub rx_duplicate: u64,
    /// Packets that came out of order and in time.
    pub rx_reordered: u64,
    /// Not RTP, from a wrong source, or of an unknown payload type.
    pub rx_discarded: u64,
    /// Frames that were made up for lost ones.
    pub rx_concealed_frames: u64,
    /// Frames thrown away since the host did not read.
    pub rx_overrun_frames: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes of them.
    pub tx_bytes: u64,
    /// Frames of silence sent since the host had written nothing.
    pub tx_underrun_frames: u64,
    /// Packets that the system did not take.
    pub send_errors: u64,
    /// RTCP packets sent.
    pub reports_sent: u64,
    /// RTCP packets received.
    pub reports_received: u64,
    /// Of these, with a sender report.
    pub sender_reports_received: u64,
    /// Broken RTCP, and RTCP from elsewhere.
    pub reports_discarded: u64,
    /// Reports of the other side about this side's stream.
    pub reports_about_us: u64,
    /// BYE packets received.
    pub byes_received: u64,
    /// Round trip in microseconds as the last of these reports tells it; -1: not known (RFC 3550 section 6.4.1).
    pub round_trip_us: i64,
    /// Packets of this side that the other one missed; negative when it got some twice.
    pub remote_lost: i32,
    /// Of these since its report before, in 1/256.
    pub remote_fraction_lost: u32,
    /// Interarrival jitter at the other side, in ticks of this side's RTP clock.
    pub remote_jitter: u32,
    /// Interarrival jitter here, in microseconds.
    pub rx_jitter_us: u32,
    /// Delay of the receive buffer.
    pub rx_buffer_ms: u32,
    /// Worst lateness of a send instant, in microseconds.
    pub tx_late_max_us: u32,
    /// SSRC of the other side, 0 before its first packet.
    pub remote_ssrc: u32,
    /// SSRC of this side.
    pub local_ssrc: u32,
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_rtp_session_stats {
    const NAME: &'static str = "voip_rtp_session_stats";
}

/// One instant on two clocks of the other side, out of its latest sender report. Begin with `VOIP_RTP_SYNC_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_rtp_sync {
    /// sizeof(voip_rtp_sync).
    pub size: usize,
    /// The sender's wall clock: seconds since 1900 above, 1/2^32 s below.
    pub ntp: u64,
    /// This side's wall clock, in the same form, when the report came.
    pub arrival_ntp: u64,
    /// CLOCK_MONOTONIC then, in nanoseconds.
    pub arrival_ns: u64,
    /// The stream's clock at `ntp`.
    pub rtp_timestamp: u32,
    /// Its ticks a second.
    pub clock_rate: u32,
    /// Whose report it was.
    pub ssrc: u32,
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_rtp_sync {
    const NAME: &'static str = "voip_rtp_sync";
}

impl From<&RtpSessionStats> for voip_rtp_session_stats {
    fn from(stats: &RtpSessionStats) -> voip_rtp_session_stats {
        let (media, rtcp) = (&stats.media, &stats.rtcp);
        let micros = |d: std::time::Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        voip_rtp_session_stats {
            size: size_of::<voip_rtp_session_stats>(),
            rx_packets: media.rx_packets,
            rx_bytes: media.rx_bytes,
            rx_lost: media.rx_lost,
            rx_late: media.rx_late,
            rx_duplicate: media.rx_duplicate,
            rx_reordered: media.rx_reordered,
            rx_discarded: media.rx_discarded,
            rx_concealed_frames: media.rx_concealed_frames,
            rx_overrun_frames: media.rx_overrun_frames,
            tx_packets: media.tx_packets,
            tx_bytes: media.tx_bytes,
            tx_underrun_frames: media.tx_underrun_frames,
            send_errors: media.send_errors,
            reports_sent: rtcp.sent,
            reports_received: rtcp.received,
            sender_reports_received: rtcp.sender_reports,
            reports_discarded: rtcp.discarded,
            reports_about_us: rtcp.reports_about_us,
            byes_received: rtcp.byes,
            round_trip_us: rtcp.round_trip.map_or(-1, micros),
            remote_lost: rtcp.cumulative_lost,
            remote_fraction_lost: rtcp.fraction_lost.into(),
            remote_jitter: rtcp.jitter,
            rx_jitter_us: media.rx_jitter_us,
            rx_buffer_ms: media.rx_buffer_ms,
            tx_late_max_us: media.tx_late_max_us,
            remote_ssrc: media.remote_ssrc,
            local_ssrc: media.local_ssrc,
        }
    }
}

/// Tells the counters; also after the stop while the handle lives.
///
/// @param stats begins with `VOIP_RTP_SESSION_STATS_INIT`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (struct size).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_get_stats(
    session: *mut voip_rtp_session,
    stats: *mut voip_rtp_session_stats,
) -> voip_status {
    guard(|| {
        let value = voip_rtp_session_stats::from(&self::session(session)?.engine.stats());
        unsafe { sized::write(stats, &value) }
    })
}

/// Tells where the clock of the other side's stream stands, as its latest sender report says (RFC 3550 section 6.4.1).
///
/// @param sync gets it; begins with `VOIP_RTP_SYNC_INIT`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (struct size), _STATE (no sender report yet).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_get_sync(
    session: *mut voip_rtp_session,
    sync: *mut voip_rtp_sync,
) -> voip_status {
    guard(|| {
        let stats = self::session(session)?.engine.stats();
        let point = stats.sync.ok_or_else(|| Fail::state("no sender report has come yet"))?;
        let told = voip_rtp_sync {
            size: size_of::<voip_rtp_sync>(),
            ntp: point.ntp.0,
            arrival_ntp: point.arrival_ntp.0,
            arrival_ns: point.arrival.as_nanos(),
            rtp_timestamp: point.rtp_timestamp,
            clock_rate: stats.clock_rate,
            ssrc: point.ssrc,
        };
        unsafe { sized::write(sync, &told) }
    })
}

/// Turns an RTP timestamp into the sender's wall clock.
///
/// @param sync what `voip_rtp_session_get_sync` told, or a host's own out of a sender report: `ntp`, `rtp_timestamp` and
///   `clock_rate` count.
/// @param timestamp within 2^31 ticks of the report's, to either side; the wrap at 2^32 is nothing special.
/// @param ntp gets it: seconds since 1900 above, 1/2^32 s below.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT (struct size), _RANGE (clock rate 0).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_ntp_of(
    sync: *const voip_rtp_sync,
    timestamp: u32,
    ntp: *mut u64,
) -> voip_status {
    guard(|| {
        let told = unsafe { sized::read(sync) }?;
        if told.clock_rate == 0 {
            return Err(Fail::range("a clock of 0 ticks a second"));
        }
        let point = SyncPoint {
            ssrc: told.ssrc,
            ntp: NtpTime(told.ntp),
            rtp_timestamp: told.rtp_timestamp,
            arrival: Time::from_nanos(told.arrival_ns),
            arrival_ntp: NtpTime(told.arrival_ntp),
        };
        unsafe { strings::write(ntp, "ntp", point.ntp_of(timestamp, told.clock_rate).0) }
    })
}

/// Tells the local address and ports, for the SDP of whoever signals.
///
/// @param address gets the address with a NUL; NULL only asks.
/// @param len its bytes; 46 are always enough.
/// @param needed gets how many are needed, with the NUL; may be NULL.
/// @param rtp_port gets the port of RTP; may be NULL.
/// @param rtcp_port gets that of RTCP, which is the same with rtcp-mux; may be NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUFFER_TOO_SMALL, _STATE (no socket yet, or stopped).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_rtp_session_get_local_address(
    session: *mut voip_rtp_session,
    address: *mut c_char,
    len: usize,
    needed: *mut usize,
    rtp_port: *mut i32,
    rtcp_port: *mut i32,
) -> voip_status {
    guard(|| {
        let local = self::session(session)?.engine.local()?;
        for (out, port) in [(rtp_port, local.rtp.port()), (rtcp_port, local.rtcp_port)] {
            if !out.is_null() {
                unsafe { out.write_unaligned(port.into()) };
            }
        }
        if address.is_null() && needed.is_null() {
            return Ok(());
        }
        unsafe { strings::put(local.rtp.ip().to_string().as_bytes(), address, len, needed) }
    })
}
