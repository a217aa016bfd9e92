//! What an RTP session is told at its start.

use super::alone;
use super::callbacks::voip_destroy_fn;
use super::error::{voip_status, Fail, FfiResult};
use super::rtp_session::voip_rtp_dtmf_fn;
use super::sized::{self, SizeFirst};
use super::strings;
use crate::engine::{AudioFormat, RtpSessionConfig, SampleFormat};
use crate::media::resample::RATES;
use crate::proto::rtp::{PayloadError, PayloadFormat};
use std::ffi::{c_char, c_void};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// More than payload types there are.
const MAX_PAYLOADS: usize = 128;

/// One line of a payload map.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_rtp_payload {
    /// 0 to 127.
    pub payload_type: i32,
    /// Of the RTP timestamp, in Hz; 0: 8000, or the static type's.
    pub clock_rate: u32,
    /// 0: 1.
    pub channels: u32,
    /// `PCMU`, `PCMA`, `G722`, `L16`, `DVI4`, `CN`, `telephone-event`; NULL: what the static type says.
    pub name: *const c_char,
}

/// What a session is told. Begin with `VOIP_RTP_SESSION_OPTIONS_INIT`; what is left zero has the value that its line says.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_rtp_session_options {
    /// sizeof(voip_rtp_session_options).
    pub size: usize,
    /// Of this side: IPv4 or IPv6; NULL: 0.0.0.0.
    pub local_address: *const c_char,
    /// 0: any even one.
    pub rtp_port: i32,
    /// 0: the one above RTP's.
    pub rtcp_port: i32,
    /// Of the other side; NULL: nowhere until somebody sends, then there.
    pub remote_address: *const c_char,
    /// Of RTP, 1 to 65535; 0 without an address.
    pub remote_port: i32,
    /// 0: the one above RTP's.
    pub remote_rtcp_port: i32,
    /// Not 0: RTCP on the port of RTP (RFC 5761).
    pub rtcp_mux: i32,
    /// A `voip_media_direction`, seen from this side.
    pub direction: i32,
    /// What may come; the first one that is audio is what is sent, telephone-event goes both ways. NULL: PCMU as 0, PCMA as 8,
    /// telephone-event as 101.
    pub payloads: *const voip_rtp_payload,
    /// How many lines it has.
    pub payload_count: usize,
    /// 10 to 60; 0: 20.
    pub ptime_ms: u32,
    /// A `voip_sample_format`: form of the samples that the host reads and writes, one channel.
    pub sample_format: i32,
    /// Rate of the host's frames in Hz: 8000, 11025, 16000, 22050, 24000, 32000, 44100 or 48000; 0: 8000.
    pub rate: u32,
    /// Bounds of the receive buffer's delay.
    pub jitter_min_ms: u32,
    /// At most 10000; 0: 200.
    pub jitter_max_ms: u32,
    /// Audio kept for the host to read, and to send; 20 to 60000, 0: 2000.
    pub buffer_ms: u32,
    /// Not 0: no thread; the host calls `voip_rtp_session_poll`.
    pub driven: i32,
    /// -1: no reports are sent; 0: each 5 s or so, else 100 to 60000 (RFC 3550 section 6.2).
    pub report_interval_ms: i32,
    /// Name of this side in reports, at most 255 bytes; NULL: at random (RFC 7022).
    pub cname: *const c_char,
    /// This side's; NULL: at random, as RFC 3550 wants it.
    pub ssrc: *const u32,
    /// The other side's, when it said it in advance (RFC 5576); for sessions on a mux. NULL: not known.
    pub remote_ssrc: *const u32,
    /// NULL: at random.
    pub first_sequence: *const u16,
    /// NULL: at random.
    pub first_timestamp: *const u32,
    /// Called for keys of the other side; NULL: they are only kept for `voip_rtp_session_read_dtmf`.
    pub on_dtmf: voip_rtp_dtmf_fn,
    /// Handed to it.
    pub user: *mut c_void,
    /// Called once with `user` when the session is gone; may be NULL. Not called when the session could not be made.
    pub destroy: voip_destroy_fn,
}

// SAFETY: the size is first, zero is a valid value of all members.
unsafe impl SizeFirst for voip_rtp_session_options {
    const NAME: &'static str = "voip_rtp_session_options";
}

pub(crate) struct Told {
    pub config: RtpSessionConfig,
    pub on_dtmf: voip_rtp_dtmf_fn,
    pub user: *mut c_void,
    pub destroy: voip_destroy_fn,
}

/// # Safety
/// `options` is NULL or points to the struct, whose pointers are NULL or as its lines say.
pub(crate) unsafe fn read(options: *const voip_rtp_session_options) -> FfiResult<Told> {
    let o = match options.is_null() {
        // SAFETY: zero is a valid value of all members.
        true => unsafe { std::mem::zeroed() },
        false => unsafe { sized::read(options) }?,
    };
    let (remote, remote_rtcp) = unsafe { self::remote(o.remote_address, o.remote_port, o.remote_rtcp_port) }?;
    let (sending, receiving) = direction(o.direction)?;
    let jitter_max = strings::within(or(o.jitter_max_ms, 200), 1, 10_000, "longest receive buffer", " ms")?;
    let jitter_min = strings::within(o.jitter_min_ms, 0, jitter_max, "shortest receive buffer", " ms")?;
    let milliseconds = |ms: u32| Duration::from_millis(ms.into());
    let cname = unsafe { strings::optional(o.cname, "cname") }?.unwrap_or("");
    strings::within(cname.len(), 0, 255, "cname", " bytes")?;
    let config = RtpSessionConfig {
        local: unsafe { local(o.local_address) }?,
        rtp_port: strings::port(o.rtp_port, "RTP port")?,
        rtcp_port: strings::port(o.rtcp_port, "RTCP port")?,
        remote,
        remote_rtcp,
        rtcp_mux: o.rtcp_mux != 0,
        sending,
        receiving,
        payloads: unsafe { payloads(o.payloads, o.payload_count) }?,
        ptime_ms: strings::within(or(o.ptime_ms, 20), 10, 60, "ptime", " ms")?,
        audio: audio(o.sample_format, or(o.rate, 8000))?,
        jitter: (milliseconds(jitter_min), milliseconds(jitter_max)),
        buffer_ms: strings::within(or(o.buffer_ms, 2000), 20, 60_000, "audio buffer", " ms")?,
        ssrc: unsafe { given(o.ssrc) },
        remote_ssrc: unsafe { given(o.remote_ssrc) },
        first_sequence: unsafe { given(o.first_sequence) },
        first_timestamp: unsafe { given(o.first_timestamp) },
        cname: cname.into(),
        report_interval: interval(o.report_interval_ms)?,
        driven: o.driven != 0,
    };
    Ok(Told { config, on_dtmf: o.on_dtmf, user: o.user, destroy: o.destroy })
}

fn or(value: u32, default: u32) -> u32 {
    if value == 0 {
        default
    } else {
        value
    }
}

/// # Safety
/// `value` is NULL or can be read.
unsafe fn given<T>(value: *const T) -> Option<T> {
    // SAFETY: the caller's promise.
    (!value.is_null()).then(|| unsafe { value.read_unaligned() })
}

/// # Safety
/// `address` is NULL or a text.
pub(crate) unsafe fn local(address: *const c_char) -> FfiResult<IpAddr> {
    let text = unsafe { strings::optional(address, "local address") }?;
    text.map_or(Ok(Ipv4Addr::UNSPECIFIED.into()), |t| ip(t, "local address"))
}

fn ip(text: &str, name: &str) -> FfiResult<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| Fail::argument(format!("{name} \"{text}\" is no IP address")))
}

/// Addresses of RTP and of RTCP, the latter only when its port is named.
///
/// # Safety
/// `address` is NULL or a text.
pub(crate) unsafe fn remote(
    address: *const c_char,
    port: i32,
    rtcp_port: i32,
) -> FfiResult<(Option<SocketAddr>, Option<SocketAddr>)> {
    let (port, rtcp_port) =
        (strings::port(port, "remote port")?, strings::port(rtcp_port, "remote RTCP port")?);
    let Some(text) = unsafe { strings::optional(address, "remote address") }? else {
        return match (port, rtcp_port) {
            (0, 0) => Ok((None, None)),
            _ => Err(Fail::argument("a remote port without an address")),
        };
    };
    let ip = ip(text, "remote address")?;
    if port == 0 {
        return Err(Fail::range("remote port 0 is nowhere"));
    }
    let rtcp = (rtcp_port != 0).then(|| SocketAddr::new(ip, rtcp_port));
    Ok((Some(SocketAddr::new(ip, port)), rtcp))
}

/// Whether to send, whether to receive.
pub(crate) fn direction(direction: i32) -> FfiResult<(bool, bool)> {
    match direction {
        0 => Ok((true, true)),
        1 => Ok((true, false)),
        2 => Ok((false, true)),
        3 => Ok((false, false)),
        other => Err(Fail::argument(format!("direction {other} is unknown"))),
    }
}

fn audio(sample: i32, rate: u32) -> FfiResult<AudioFormat> {
    let sample = match sample {
        0 => SampleFormat::S16,
        1 => SampleFormat::U8,
        other => return Err(Fail::argument(format!("sample format {other} is unknown"))),
    };
    if !RATES.contains(&rate) {
        return Err(Fail::range(format!("audio rate {rate} Hz is none of {RATES:?}")));
    }
    Ok(AudioFormat { sample, rate, channels: 1 })
}

fn interval(ms: i32) -> FfiResult<Option<Duration>> {
    match ms {
        -1 => Ok(None),
        0 => Ok(Some(Duration::from_secs(5))),
        ms => {
            let ms = strings::within(ms, 100, 60_000, "interval of reports", " ms")?;
            Ok(Some(Duration::from_millis(ms.unsigned_abs().into())))
        }
    }
}

/// # Safety
/// `list` is NULL or has `count` readable elements.
unsafe fn payloads(list: *const voip_rtp_payload, count: usize) -> FfiResult<Vec<PayloadFormat>> {
    if list.is_null() && count == 0 {
        let statics = [0, 8].into_iter().filter_map(|pt| PayloadFormat::static_format(pt).ok());
        return Ok(statics.chain([PayloadFormat::telephone_event(101, 8000)]).collect());
    }
    strings::within(count, 1, MAX_PAYLOADS, "number of payloads", "")?;
    let mut formats: Vec<PayloadFormat> = Vec::new();
    for line in unsafe { alone::list(list, count, "payloads") }? {
        let format = unsafe { payload(line) }?;
        if formats.iter().any(|f| f.payload_type == format.payload_type) {
            return Err(Fail::argument(format!("payload type {} is there twice", format.payload_type)));
        }
        formats.push(format);
    }
    Ok(formats)
}

unsafe fn payload(line: &voip_rtp_payload) -> FfiResult<PayloadFormat> {
    let number = u8::try_from(line.payload_type).ok().filter(|pt| *pt <= 127);
    let wrong = || Fail::range(format!("payload type {} is outside 0 to 127", line.payload_type));
    let number = number.ok_or_else(wrong)?;
    let Some(name) = unsafe { strings::optional(line.name, "payload name") }? else {
        return PayloadFormat::static_format(number).map_err(|e| {
            let status = match e {
                PayloadError::Dynamic(_) => voip_status::VOIP_ERR_DYNAMIC_PAYLOAD,
                _ => voip_status::VOIP_ERR_RANGE,
            };
            Fail::new(status, e.to_string())
        });
    };
    let channels = strings::within(or(line.channels, 1), 1, 8, "number of channels", "")?;
    let default = PayloadFormat::static_format(number).map_or(8000, |f| f.clock_rate);
    Ok(PayloadFormat::new(number, name, or(line.clock_rate, default), channels as u8))
}
