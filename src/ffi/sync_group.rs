//! Several RTP streams on one clock.

use super::alone::{self, alone};
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use crate::engine;
use crate::media::sync::{
    StreamId, StreamOptions, SyncError, SyncGroup, SyncOptions, LONGEST_DELAY, MAX_DELAY, MAX_STREAMS,
    STREAMS,
};
use crate::proto::rtcp::NtpTime;
use crate::proto::rtp::Timestamp;
use crate::util::{Duration, Time};
use std::ffi::c_char;
use std::mem::size_of;

/// A group of streams that are played together. The host frees it with `voip_sync_group_free`.
///
/// Group time is nanoseconds that run like the senders' wall clock. Where a function takes a time of the host's clock, it is
/// nanoseconds of any clock that never goes back, the same one always; 0 takes CLOCK_MONOTONIC as it is now, which is the
/// clock that the library's other times of arrival are of.
pub struct voip_sync_group {
    _private: (),
}

alone!(SyncGroup, voip_sync_group, b'y', "sync group");

/// A stream of a group as it stands. Begin with `VOIP_SYNC_STATS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_sync_stats {
    /// sizeof(voip_sync_stats).
    pub size: usize,
    /// Packets that were placed.
    pub packets: u64,
    /// Sender reports that were used.
    pub reports: u64,
    /// Sender reports that were far off, or of another clock, and not used.
    pub reports_refused: u64,
    /// How often a report moved the stream at once: the first one, and when its clock was set.
    pub moves: u64,
    /// How often the sender's timestamps began anew.
    pub restarts: u64,
    /// Frames of sound taken in.
    pub written: u64,
    /// Frames that came after their instant.
    pub late: u64,
    /// Frames pushed out by newer ones before they were read.
    pub dropped: u64,
    /// Frames read that are real.
    pub read: u64,
    /// Frames of silence read since nothing was there.
    pub missing: u64,
    /// By arrival: how much later than the fastest stream's its packets come, in nanoseconds.
    pub skew_before_ns: i64,
    /// What is left of it, as the last report showed, in nanoseconds; 0 before the first.
    pub skew_after_ns: i64,
    /// How long its fastest packets wait, in nanoseconds.
    pub waits_ns: u64,
    /// How much faster than the sender's wall clock its RTP clock runs, in thousandths of a millionth.
    pub drift_ppb: i64,
    /// Not 0: a report has come; the stream is placed by its sender's clock.
    pub aligned: u8,
    /// Not 0: its clock is another one; it is placed by arrival.
    pub foreign: u8,
    /// Not 0: it takes longer than the group waits, and is not heard.
    pub too_slow: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

// SAFETY: the size is first, all members are numbers and arrays of them.
unsafe impl SizeFirst for voip_sync_stats {
    const NAME: &'static str = "voip_sync_stats";
}

/// Makes a group.
///
/// @param max_delay_ms how far behind the fastest stream the playout instant may be, 10 to 10000; 0: 1000. A stream that
///   takes longer is not heard.
/// @param max_streams 1 to 256; 0: 32.
/// @param out gets the handle; free it with `voip_sync_group_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _RANGE, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_new(
    max_delay_ms: u32,
    max_streams: u32,
    out: *mut *mut voip_sync_group,
) -> voip_status {
    guard(|| {
        let make = || {
            let or = |value: u32, default: u32| if value == 0 { default } else { value };
            let delay = or(max_delay_ms, MAX_DELAY.as_millis() as u32);
            let delay = strings::within(delay, 10, LONGEST_DELAY.as_millis() as u32, "max_delay_ms", " ms")?;
            let streams = or(max_streams, STREAMS as u32);
            let streams = strings::within(streams, 1, MAX_STREAMS as u32, "max_streams", "")?;
            Ok(SyncGroup::new(SyncOptions {
                max_delay: Duration::from_millis(delay.into()),
                max_streams: streams as usize,
                take_others: false,
            }))
        };
        unsafe { alone::make(out, make) }
    })
}

/// Frees a group.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_free(group: *mut voip_sync_group) -> voip_status {
    guard(|| alone::free::<SyncGroup>(group))
}

/// Sets what happens to streams of another clock: another CNAME, or reports that can't be of the same clock.
///
/// @param take 0: they are refused, as it is without this call; else they are taken in, marked `foreign`, and placed by
///   their arrival.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_set_take_others(
    group: *mut voip_sync_group,
    take: i32,
) -> voip_status {
    guard(|| {
        with(group, |g| {
            g.set_take_others(take != 0);
            Ok(())
        })
    })
}

/// Adds a stream.
///
/// @param clock_rate of its RTP timestamps, 1000 to 1000000 Hz.
/// @param audio_rate of its sound, 1000 to 384000 Hz (G.722: 16000 at a clock of 8000); 0: no sound is kept, the group only
///   tells instants (video).
/// @param channels 1 to 8; not looked at without sound.
/// @param cname whose clock it is (RFC 3550 section 6.5.1), at most 255 bytes; NULL: not known yet. The first name is the
///   group's.
/// @param stream gets its number, which is not used again.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _LIMIT, _PROTOCOL (another CNAME than the group's), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_add(
    group: *mut voip_sync_group,
    clock_rate: u32,
    audio_rate: u32,
    channels: u32,
    cname: *const c_char,
    stream: *mut u32,
) -> voip_status {
    guard(|| {
        let cname = unsafe { strings::optional(cname, "cname") }?.unwrap_or("");
        let channels = if audio_rate == 0 { 1 } else { strings::within(channels, 1, 8, "channels", "")? };
        unsafe { strings::write(stream, "stream", 0) }?;
        let options = StreamOptions { clock_rate, audio_rate, channels: channels as u8, cname };
        let id = with(group, |g| g.add(&options))?;
        unsafe { strings::write(stream, "stream", id.0) }
    })
}

/// Removes a stream.
///
/// @param stream of `voip_sync_group_add`.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT (no such stream), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_remove(group: *mut voip_sync_group, stream: u32) -> voip_status {
    guard(|| with(group, |g| g.remove(StreamId(stream))))
}

/// Sets the CNAME of a stream that was added without, when a source description has told it. A refused name changes nothing.
///
/// @param stream of `voip_sync_group_add`.
/// @param cname at most 255 bytes.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _RANGE, _PROTOCOL (another CNAME than the group's), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_set_cname(
    group: *mut voip_sync_group,
    stream: u32,
    cname: *const c_char,
) -> voip_status {
    guard(|| {
        let cname = unsafe { strings::filled(cname, "cname") }?;
        with(group, |g| g.set_cname(StreamId(stream), cname))
    })
}

/// Takes a sender report: from `voip_rtcp_parse`, or `ntp`, `rtp_timestamp` and `arrival_ns` of a session's
/// `voip_rtp_session_get_sync`. The same one again does nothing. One that is far off the ones before is used only when a
/// second one says the same (RFC 3550 section 6.4.1).
///
/// @param stream of `voip_sync_group_add`.
/// @param ntp the sender's wall clock: seconds since 1900 in the upper half, 1/2^32 s in the lower.
/// @param rtp_timestamp of the same instant.
/// @param arrival_ns of the host's clock; 0: now.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _PROTOCOL (the report can't be of the group's clock, or its sender has none), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_report(
    group: *mut voip_sync_group,
    stream: u32,
    ntp: u64,
    rtp_timestamp: u32,
    arrival_ns: u64,
) -> voip_status {
    guard(|| {
        let (ntp, timestamp) = (NtpTime(ntp), Timestamp(rtp_timestamp));
        with(group, |g| g.report(StreamId(stream), ntp, timestamp, host_time(arrival_ns))).map(drop)
    })
}

/// Takes the arrival of a packet whose sound or picture the host keeps itself.
///
/// @param stream of `voip_sync_group_add`.
/// @param rtp_timestamp of the packet.
/// @param arrival_ns of the host's clock; 0: now.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY). Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_packet(
    group: *mut voip_sync_group,
    stream: u32,
    rtp_timestamp: u32,
    arrival_ns: u64,
) -> voip_status {
    guard(|| {
        let arrival = host_time(arrival_ns);
        with(group, |g| g.packet(StreamId(stream), Timestamp(rtp_timestamp), arrival)).map(drop)
    })
}

/// Takes the sound of a packet, in any order: what `voip_codec_decode` or a session's `voip_rtp_session_read_timed` gave.
///
/// @param stream of `voip_sync_group_add`.
/// @param rtp_timestamp of the first frame.
/// @param pcm signed 16 bit at the stream's audio rate, all channels of a frame one after the other.
/// @param frames how many.
/// @param arrival_ns of the packet on the host's clock; 0: now.
/// @param taken gets how many were not too late; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY). Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _ARGUMENT, _STATE (a stream without sound), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_write(
    group: *mut voip_sync_group,
    stream: u32,
    rtp_timestamp: u32,
    pcm: *const i16,
    frames: usize,
    arrival_ns: u64,
    taken: *mut usize,
) -> voip_status {
    guard(|| {
        let arrival = host_time(arrival_ns);
        let placed = alone::with(group, |g: &mut SyncGroup| {
            let pcm = unsafe { alone::list(pcm, samples(g, stream, frames)?, "pcm") }?;
            g.write(StreamId(stream), Timestamp(rtp_timestamp), pcm, arrival).map_err(fail)
        })?;
        if !taken.is_null() {
            unsafe { taken.write_unaligned(placed.taken as usize) };
        }
        Ok(())
    })
}

/// Reads a stream's sound from an instant of group time on: read every stream at the same instant, and what is heard was
/// captured together. All of `pcm` is filled, with silence where nothing is. Reads that follow each other join without a
/// seam: the stream's drift is taken out by resampling. What was read isn't given again.
///
/// @param stream of `voip_sync_group_add`.
/// @param time_ns group time, of `voip_sync_group_now`.
/// @param pcm gets signed 16 bit at the stream's audio rate, all channels of a frame one after the other.
/// @param frames how many.
/// @param real gets how many of them are not silence for want of sound; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY). Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _ARGUMENT, _STATE (a stream without sound), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_read(
    group: *mut voip_sync_group,
    stream: u32,
    time_ns: u64,
    pcm: *mut i16,
    frames: usize,
    real: *mut usize,
) -> voip_status {
    guard(|| {
        let count = alone::with(group, |g: &mut SyncGroup| {
            let out = unsafe { alone::buffer(pcm, samples(g, stream, frames)?, "pcm") }?;
            g.read(StreamId(stream), Time::from_nanos(time_ns), out).map_err(fail)
        })?;
        if !real.is_null() {
            unsafe { real.write_unaligned(count) };
        }
        Ok(())
    })
}

/// Tells the instant of group time that is to be played now: as far behind as the slowest stream needs, within the bound.
/// It never goes back; when the delay has to grow it stands still.
///
/// @param local_ns of the host's clock; 0: now.
/// @param time_ns gets group time.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY). Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_now(
    group: *mut voip_sync_group,
    local_ns: u64,
    time_ns: *mut u64,
) -> voip_status {
    guard(|| {
        let time = with(group, |g| Ok(g.now(host_time(local_ns))))?;
        unsafe { strings::write(time_ns, "time_ns", time.as_nanos()) }
    })
}

/// Tells when a timestamp of a stream was captured and when it is to be played: for sound and pictures that the host keeps.
///
/// @param stream of `voip_sync_group_add`.
/// @param rtp_timestamp of it.
/// @param time_ns gets group time; may be NULL.
/// @param local_ns gets the host's clock; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _STATE (nothing has come of the stream), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_get_time(
    group: *mut voip_sync_group,
    stream: u32,
    rtp_timestamp: u32,
    time_ns: *mut u64,
    local_ns: *mut u64,
) -> voip_status {
    guard(|| {
        let (time, local) = alone::with(group, |g: &mut SyncGroup| {
            let time = g.time_of(StreamId(stream), Timestamp(rtp_timestamp)).map_err(fail)?;
            let time = time.ok_or_else(|| nothing_yet(stream))?;
            Ok((time, g.local_of(time)))
        })?;
        for (out, value) in [(time_ns, time), (local_ns, local)] {
            if !out.is_null() {
                unsafe { out.write_unaligned(value.as_nanos()) };
            }
        }
        Ok(())
    })
}

/// Tells which timestamp a stream has at an instant of group time.
///
/// @param stream of `voip_sync_group_add`.
/// @param time_ns group time.
/// @param rtp_timestamp gets it.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _STATE (nothing has come of the stream), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_get_timestamp(
    group: *mut voip_sync_group,
    stream: u32,
    time_ns: u64,
    rtp_timestamp: *mut u32,
) -> voip_status {
    guard(|| {
        let found = with(group, |g| g.timestamp_at(StreamId(stream), Time::from_nanos(time_ns)))?;
        let found = found.ok_or_else(|| nothing_yet(stream))?;
        unsafe { strings::write(rtp_timestamp, "rtp_timestamp", found.0) }
    })
}

/// Tells how far a stream is from the others, before and after it was aligned.
///
/// @param stream of `voip_sync_group_add`.
/// @param before_ns gets by how much its packets come later than the fastest stream's; may be NULL.
/// @param after_ns gets what is left, as the last sender report showed; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _STATE (no sender report was used yet), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_get_skew(
    group: *mut voip_sync_group,
    stream: u32,
    before_ns: *mut i64,
    after_ns: *mut i64,
) -> voip_status {
    guard(|| {
        let skew = with(group, |g| g.skew(StreamId(stream)))?;
        if !before_ns.is_null() {
            unsafe { before_ns.write_unaligned(skew.before) };
        }
        if !skew.aligned {
            return Err(Fail::state(format!("no sender report of stream {stream} was used yet")));
        }
        if !after_ns.is_null() {
            unsafe { after_ns.write_unaligned(skew.after) };
        }
        Ok(())
    })
}

/// Tells how a stream stands.
///
/// @param stream of `voip_sync_group_add`.
/// @param stats gets it.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_sync_group_get_stats(
    group: *mut voip_sync_group,
    stream: u32,
    stats: *mut voip_sync_stats,
) -> voip_status {
    guard(|| {
        let s = with(group, |g| g.state(StreamId(stream)))?;
        let told = voip_sync_stats {
            size: size_of::<voip_sync_stats>(),
            packets: s.counts.packets,
            reports: s.counts.reports,
            reports_refused: s.counts.reports_refused,
            moves: s.counts.moves,
            restarts: s.counts.restarts,
            written: s.counts.written,
            late: s.counts.late,
            dropped: s.counts.dropped,
            read: s.counts.read,
            missing: s.counts.missing,
            skew_before_ns: s.skew.before,
            skew_after_ns: s.skew.after,
            waits_ns: s.waits.as_nanos() as u64,
            drift_ppb: (s.drift_ppm * 1000.0) as i64,
            aligned: s.skew.aligned.into(),
            foreign: s.foreign.into(),
            too_slow: s.too_slow.into(),
            reserved: [0; 5],
        };
        unsafe { sized::write(stats, &told) }
    })
}

fn with<R>(
    group: *mut voip_sync_group,
    work: impl FnOnce(&mut SyncGroup) -> Result<R, SyncError>,
) -> FfiResult<R> {
    alone::with(group, |g: &mut SyncGroup| work(g).map_err(fail))
}

fn host_time(ns: u64) -> Time {
    if ns == 0 {
        engine::now()
    } else {
        Time::from_nanos(ns)
    }
}

fn samples(group: &SyncGroup, stream: u32, frames: usize) -> FfiResult<usize> {
    let channels = group.channels(StreamId(stream)).map_err(fail)?;
    frames.checked_mul(channels).ok_or_else(|| Fail::range("more frames than the address space holds"))
}

fn nothing_yet(stream: u32) -> Fail {
    Fail::state(format!("nothing has come of stream {stream} yet"))
}

fn fail(error: SyncError) -> Fail {
    match error {
        SyncError::Unknown(id) => Fail::argument(format!("there is no stream {} in the group", id.0)),
        SyncError::Full(most) => {
            Fail::new(voip_status::VOIP_ERR_LIMIT, format!("the group has its {most} streams already"))
        }
        SyncError::Range(what) => Fail::range(format!("the {what} is out of range")),
        SyncError::OtherName { group, stream } => {
            let text = format!("CNAME {stream} is another clock than the group's, which is {group}");
            Fail::new(voip_status::VOIP_ERR_PROTOCOL, text)
        }
        SyncError::OtherClock { apart } => {
            let seconds = apart.as_secs_f64();
            let text = format!("the report is {seconds:.3} s from the group's clock: it must be another one");
            Fail::new(voip_status::VOIP_ERR_PROTOCOL, text)
        }
        SyncError::NoClock => {
            let text = "the report's NTP time is 0: its sender has no wall clock";
            Fail::new(voip_status::VOIP_ERR_PROTOCOL, text)
        }
        SyncError::Silent => Fail::state("the stream was added without sound"),
    }
}
