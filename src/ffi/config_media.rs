//! Settings of a phone that concern its audio: ports, codecs, formats, buffers.

use super::config::change;
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::strings;
use super::types::*;
use crate::engine::{AudioFormat, SampleFormat};
use crate::media::codec::CodecInfo;
use std::ffi::c_char;
use std::time::Duration;

/// Sets the range of local ports for audio; even ones are used (RFC 3550 section 11).
///
/// @param low,high 1 to 65535, low not above high, at least one even port between. 10000 to 20000 if not
///   set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_rtp_ports(
    config: *mut voip_config,
    low: i32,
    high: i32,
) -> voip_status {
    guard(|| {
        let (low, high) = (strings::port(low, "low RTP port")?, strings::port(high, "high RTP port")?);
        if low == 0 || low > high {
            return Err(Fail::range(format!("RTP ports {low} to {high} are no range")));
        }
        if low == high && low % 2 == 1 {
            return Err(Fail::range(format!("RTP ports {low} to {high} hold no even port")));
        }
        change(config, |draft| {
            draft.phone.rtp_ports = (low, high);
            Ok(())
        })
    })
}

/// Sets which codecs are offered and accepted, by preference.
///
/// @param names separated by commas, without case: `PCMU`, `PCMA`, `G722`, `L16`, `DVI4`, `GSM`; L16 and DVI4
///   with a rate if need be (`L16/16000`). `CN` beside them lets others send comfort noise instead of silence (RFC 3389),
///   which is played. Keys (telephone-event) are always offered.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _NO_CODEC.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_codecs(
    config: *mut voip_config,
    names: *const c_char,
) -> voip_status {
    guard(|| {
        let names = unsafe { strings::text(names, "codecs") }?;
        let codecs = codec_list(names)?;
        change(config, |draft| {
            draft.phone.codecs = codecs;
            Ok(())
        })
    })
}

/// Sets how much audio goes into one packet unless the other side wants it otherwise (RFC 4566 `ptime`).
///
/// @param ms 10, 20, … 200; 20 if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_ptime(config: *mut voip_config, ms: u32) -> voip_status {
    guard(|| {
        let ms = strings::within(ms, 10, 200, "ptime", " ms")?;
        if ms % 10 != 0 {
            return Err(Fail::range(format!("ptime {ms} ms is no multiple of 10 ms")));
        }
        change(config, |draft| {
            draft.phone.ptime_ms = ms;
            Ok(())
        })
    })
}

/// Sets the form of the audio that the host reads and writes; the library converts.
///
/// @param sample a `voip_sample_format`.
/// @param rate 8000, 16000, 24000, 32000, 44100 or 48000 Hz.
/// @param channels 1.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_audio_format(
    config: *mut voip_config,
    sample: i32,
    rate: u32,
    channels: u32,
) -> voip_status {
    guard(|| {
        let format = audio_format(sample, rate, channels)?;
        change(config, |draft| {
            draft.phone.audio = format;
            Ok(())
        })
    })
}

pub(crate) fn audio_format(sample: i32, rate: u32, channels: u32) -> FfiResult<AudioFormat> {
    let sample = match sample {
        0 => SampleFormat::S16,
        1 => SampleFormat::U8,
        other => return Err(Fail::argument(format!("sample format {other} is unknown"))),
    };
    if !AudioFormat::RATES.contains(&rate) {
        return Err(Fail::range(format!("audio rate {rate} Hz is none of {:?}", AudioFormat::RATES)));
    }
    strings::within(channels, 1, 1, "number of channels", "")?;
    Ok(AudioFormat { sample, rate, channels: 1 })
}

/// Bounds the receive buffer, which trades delay for lost packets.
///
/// @param min_ms 0 to max_ms.
/// @param max_ms at most 10000. 40 to 200 if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_jitter(
    config: *mut voip_config,
    min_ms: u32,
    max_ms: u32,
) -> voip_status {
    guard(|| {
        let max = strings::within(max_ms, 0, 10_000, "longest receive buffer", " ms")?;
        let min = strings::within(min_ms, 0, max, "shortest receive buffer", " ms")?;
        change(config, |draft| {
            draft.phone.jitter = (Duration::from_millis(min.into()), Duration::from_millis(max.into()));
            Ok(())
        })
    })
}

/// Sets how much audio a call keeps for the host to read and to send.
///
/// What is not read in time is overwritten by newer audio and counted (`rx_overrun_frames`).
/// @param read_ms,write_ms 20 to 60000; 2000 if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_audio_buffers(
    config: *mut voip_config,
    read_ms: u32,
    write_ms: u32,
) -> voip_status {
    guard(|| {
        let read = strings::within(read_ms, 20, 60_000, "read buffer", " ms")?;
        let write = strings::within(write_ms, 20, 60_000, "write buffer", " ms")?;
        change(config, |draft| {
            draft.phone.read_buffer_ms = read;
            draft.phone.write_buffer_ms = write;
            Ok(())
        })
    })
}

/// Sets whether calls do RTCP: reports about every five seconds (RFC 3550 section 6), from which `voip_call_stats` has the
/// round trip and what the other side lost. Under SRTP it is SRTCP.
///
/// @param mode a `voip_rtcp_mode`; VOIP_RTCP_MUX if not set.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_rtcp(config: *mut voip_config, mode: i32) -> voip_status {
    guard(|| {
        let mux = match mode {
            0 => false,
            1 => true,
            other => return Err(Fail::argument(format!("RTCP mode {other} is unknown"))),
        };
        change(config, |draft| {
            draft.phone.rtcp_mux = mux;
            Ok(())
        })
    })
}

/// Sets when silence of the other side's packets is told, and whether the call ends then.
///
/// @param ms 0 (never) to 86400000; 30000 if not set.
/// @param hangup 0: only `on_call_media` tells; else the call ends with VOIP_END_MEDIA_TIMEOUT.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_config_set_rtp_timeout(
    config: *mut voip_config,
    ms: u32,
    hangup: i32,
) -> voip_status {
    guard(|| {
        let ms = strings::within(ms, 0, 86_400_000, "RTP time-out", " ms")?;
        change(config, |draft| {
            draft.phone.rtp_timeout = Duration::from_millis(ms.into());
            draft.phone.hangup_on_rtp_timeout = hangup != 0;
            Ok(())
        })
    })
}

fn codec_list(names: &str) -> Result<Vec<String>, Fail> {
    let mut list: Vec<String> = Vec::new();
    for name in names.split(',').map(str::trim) {
        if name.eq_ignore_ascii_case(CodecInfo::COMFORT_NOISE)
            && !list.iter().any(|known| known == CodecInfo::COMFORT_NOISE)
        {
            list.push(CodecInfo::COMFORT_NOISE.to_owned());
            continue;
        }
        let Some(info) = CodecInfo::for_calls(name) else {
            let text = format!("codec \"{name}\" is unknown, there are PCMU, PCMA, G722, L16, DVI4, GSM");
            return Err(Fail::new(voip_status::VOIP_ERR_NO_CODEC, text));
        };
        let known = format!("{}/{}", info.name, info.clock_rate);
        if list.contains(&known) {
            return Err(Fail::argument(format!("codec \"{name}\" is named twice")));
        }
        list.push(known);
    }
    if list.iter().all(|name| name == CodecInfo::COMFORT_NOISE) {
        return Err(Fail::new(
            voip_status::VOIP_ERR_NO_CODEC,
            "comfort noise is no codec: name one beside it",
        ));
    }
    Ok(list)
}
