//! Statistics of calls and phones.

use super::error::{voip_status, Fail};
use super::objects;
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use super::types::*;
use crate::engine::PhoneStats;
use crate::media::MediaStats;
use std::mem::size_of;
use std::time::Duration;

/// Counters of a call's audio since it began. Begin with `VOIP_CALL_STATS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_call_stats {
    /// sizeof(voip_call_stats).
    pub size: usize,
    /// Packets accepted.
    pub rx_packets: u64,
    /// Bytes of audio accepted.
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
    /// Bytes of audio sent.
    pub tx_bytes: u64,
    /// Frames of silence sent since the host had written nothing.
    pub tx_underrun_frames: u64,
    /// Packets that the system did not take.
    pub send_errors: u64,
    /// Interarrival jitter in microseconds (RFC 3550 section 6.4.1).
    pub rx_jitter_us: u32,
    /// Delay of the receive buffer.
    pub rx_buffer_ms: u32,
    /// Worst lateness of a send instant, in microseconds.
    pub tx_late_max_us: u32,
    /// SSRC of the other side, 0 before its first packet.
    pub remote_ssrc: u32,
    /// SSRC of this side.
    pub local_ssrc: u32,
    /// Packets whose authentication failed: forged, under another key, or plain in a protected call.
    pub rx_srtp_auth: u64,
    /// Protected packets that came twice or are older than the replay window.
    pub rx_srtp_replay: u64,
    /// RTCP packets sent and received; 0 without RTCP (`voip_config_set_rtcp`).
    pub rtcp_sent: u64,
    pub rtcp_received: u64,
    /// Packets of ours that never reached the other side, as its last report tells.
    pub remote_lost: u64,
    /// Of 1000 packets sent between its last two reports, so many did not reach it.
    pub remote_loss_permille: u32,
    /// Interarrival jitter at the other side, in microseconds.
    pub remote_jitter_us: u32,
    /// Round trip in microseconds, as reports tell it (RFC 3550 section 6.4.1); 0: not known.
    pub rtt_us: u32,
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_call_stats {
    const NAME: &'static str = "voip_call_stats";
}

/// Counters of a phone since it started. Begin with `VOIP_PHONE_STATS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_phone_stats {
    /// sizeof(voip_phone_stats).
    pub size: usize,
    /// Calls that live.
    pub calls: u64,
    /// Accounts.
    pub accounts: u64,
    /// SIP transactions that this side began.
    pub client_transactions: u64,
    /// SIP transactions that others began.
    pub server_transactions: u64,
    /// Datagrams on the SIP port.
    pub sip_received: u64,
    /// Of these, no SIP.
    pub sip_unparsable: u64,
    /// Of these, dropped for another reason.
    pub sip_dropped: u64,
    /// Messages sent that are too large for UDP (RFC 3261 section 18.1.1).
    pub sip_oversize: u64,
    /// Datagrams sent from the SIP port.
    pub sip_sent: u64,
    /// Datagrams that the system did not take.
    pub sip_send_errors: u64,
    /// Events in the queue.
    pub events_waiting: u64,
    /// Events that found the queue full.
    pub events_dropped: u64,
    /// Audio packets received, all calls.
    pub media_received: u64,
    /// Audio packets sent, all calls.
    pub media_sent: u64,
    /// Audio packets that the system did not take.
    pub media_send_errors: u64,
    /// Wake-ups of the control thread.
    pub control_wakeups: u64,
    /// Wake-ups of all media threads.
    pub media_wakeups: u64,
    /// Commands of the host that found the queue full.
    pub commands_refused: u64,
    /// Calls that found no RTP port.
    pub no_ports: u64,
    /// RTP ports held by calls and reservations.
    pub ports_in_use: u64,
    /// Faults that were stopped inside.
    pub panics: u64,
    /// Half of the runs of the media threads were at most so late, in microseconds. Deadlines are taken in slots of
    /// 500 microseconds; what counts is the end of the slot.
    pub media_late_p50_us: u32,
    /// 99 of 100 were.
    pub media_late_p99_us: u32,
    /// All were.
    pub media_late_max_us: u32,
    /// Reads of media sockets; `media_received` by this is the size of a batch.
    pub media_batches: u64,
    /// Most datagrams that one wake-up of a media thread found.
    pub media_batch_max: u64,
    /// Most datagrams that one wake-up of the control thread found.
    pub control_batch_max: u64,
    /// Datagrams to shared sockets that belonged to no call.
    pub media_unrouted: u64,
    /// Reports of media threads about calls that found the queue full.
    pub media_reports_dropped: u64,
    /// Commands of the host that wait for the control thread.
    pub commands_waiting: u64,
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_phone_stats {
    const NAME: &'static str = "voip_phone_stats";
}

impl From<&MediaStats> for voip_call_stats {
    fn from(stats: &MediaStats) -> voip_call_stats {
        voip_call_stats {
            size: size_of::<voip_call_stats>(),
            rx_packets: stats.rx_packets,
            rx_bytes: stats.rx_bytes,
            rx_lost: stats.rx_lost,
            rx_late: stats.rx_late,
            rx_duplicate: stats.rx_duplicate,
            rx_reordered: stats.rx_reordered,
            rx_discarded: stats.rx_discarded,
            rx_concealed_frames: stats.rx_concealed_frames,
            rx_overrun_frames: stats.rx_overrun_frames,
            tx_packets: stats.tx_packets,
            tx_bytes: stats.tx_bytes,
            tx_underrun_frames: stats.tx_underrun_frames,
            send_errors: stats.send_errors,
            rx_jitter_us: stats.rx_jitter_us,
            rx_buffer_ms: stats.rx_buffer_ms,
            tx_late_max_us: stats.tx_late_max_us,
            remote_ssrc: stats.remote_ssrc,
            local_ssrc: stats.local_ssrc,
            rx_srtp_auth: stats.rx_srtp_auth,
            rx_srtp_replay: stats.rx_srtp_replay,
            rtcp_sent: stats.rtcp_sent,
            rtcp_received: stats.rtcp_received,
            remote_lost: stats.remote_lost,
            remote_loss_permille: stats.remote_loss_permille,
            remote_jitter_us: stats.remote_jitter_us,
            rtt_us: stats.rtt_us,
        }
    }
}

impl From<&PhoneStats> for voip_phone_stats {
    fn from(stats: &PhoneStats) -> voip_phone_stats {
        voip_phone_stats {
            size: size_of::<voip_phone_stats>(),
            calls: stats.agent.calls as u64,
            accounts: stats.agent.accounts as u64,
            client_transactions: stats.agent.client_transactions as u64,
            server_transactions: stats.agent.server_transactions as u64,
            sip_received: stats.agent.datagrams,
            sip_unparsable: stats.agent.unparsable,
            sip_dropped: stats.agent.dropped,
            sip_oversize: stats.agent.oversize,
            sip_sent: stats.sip_datagrams_out,
            sip_send_errors: stats.sip_send_errors,
            events_waiting: stats.events_waiting as u64,
            events_dropped: stats.events_dropped,
            media_received: stats.media_packets_in,
            media_sent: stats.media_packets_out,
            media_send_errors: stats.media_send_errors,
            control_wakeups: stats.control_wakeups,
            media_wakeups: stats.media_wakeups,
            commands_refused: stats.commands_refused,
            no_ports: stats.no_ports,
            ports_in_use: stats.ports_in_use as u64,
            panics: stats.panics,
            media_late_p50_us: stats.media_late_p50_us,
            media_late_p99_us: stats.media_late_p99_us,
            media_late_max_us: stats.media_late_max_us,
            media_batches: stats.media_batches,
            media_batch_max: stats.media_batch_max,
            control_batch_max: stats.control_batch_max,
            media_unrouted: stats.media_unrouted,
            media_reports_dropped: stats.media_reports_dropped,
            commands_waiting: stats.commands_waiting as u64,
        }
    }
}

/// Tells the counters of a call's audio; also after its end while the handle lives.
///
/// @param stats begins with `VOIP_CALL_STATS_INIT`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT (struct size).
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_get_stats(
    call: *mut voip_call,
    stats: *mut voip_call_stats,
) -> voip_status {
    guard(|| {
        let value = voip_call_stats::from(&objects::call(call)?.engine.stats());
        unsafe { sized::write(stats, &value) }
    })
}

/// Has `on_call_stats` called regularly.
///
/// @param every_ms 100 to 3600000, 0: never.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE, _CALL_ENDED.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_set_stats_interval(call: *mut voip_call, every_ms: u32) -> voip_status {
    guard(|| {
        if every_ms != 0 {
            strings::within(every_ms, 100, 3_600_000, "interval", " ms")?;
        }
        let every = Duration::from_millis(every_ms.into());
        objects::call(call)?.engine.set_stats_interval(every).map_err(Fail::from)
    })
}
