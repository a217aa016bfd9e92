//! Keys as tones in the sound, by themselves (ITU-T Q.23 and Q.24).

use super::alone::{self, alone};
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::strings;
use crate::media::dtmf::detector::{ToneDetector, ToneKey, ToneLimits};
use crate::media::dtmf::tones::{frequencies, KeyTone, LEAST_RATE, MOST_RATE};
use std::ffi::c_char;

/// A detector of keys in sound. The host frees it with `voip_dtmf_detector_free`.
pub struct voip_dtmf_detector {
    _private: (),
}

/// Keys that wait to be taken, and that `voip_dtmf_tone_write` makes at once.
const MAX_KEYS: usize = 256;
/// Of each of the two tones, unless the host says otherwise: -10 dB of full scale.
const LEVEL: i32 = 10_362;
const MS: u32 = 10_000;

/// A detector, its setting, and what it has found.
pub(crate) struct Detecting {
    detector: ToneDetector,
    rate: u32,
    found: Vec<u8>,
    dropped: u64,
    last: Option<ToneKey>,
}

alone!(Detecting, voip_dtmf_detector, b't', "DTMF detector");

/// Makes a detector of one channel's keys.
///
/// @param rate of the sound, 8000 to 48000 Hz.
/// @param least_ms the shortest tone, 40 to 10000; 0: 40. What lasts less than 24 ms is never a key.
/// @param out gets the handle; free it with `voip_dtmf_detector_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _RANGE, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_dtmf_detector_new(
    rate: u32,
    least_ms: u32,
    out: *mut *mut voip_dtmf_detector,
) -> voip_status {
    guard(|| {
        let make = || {
            let rate = strings::within(rate, LEAST_RATE, MOST_RATE, "rate", " Hz")?;
            let least_ms =
                strings::within(if least_ms == 0 { 40 } else { least_ms }, 40, MS, "least_ms", " ms")?;
            let limits = ToneLimits { least_ms, ..ToneLimits::default() };
            let detector = ToneDetector::new(rate, limits);
            Ok(Detecting { detector, rate, found: Vec::with_capacity(MAX_KEYS), dropped: 0, last: None })
        };
        unsafe { alone::make(out, make) }
    })
}

/// Frees a detector.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_dtmf_detector_free(detector: *mut voip_dtmf_detector) -> voip_status {
    guard(|| alone::free::<Detecting>(detector))
}

/// Looks at the next frames, in pieces of any length. A key is told once, when it has lasted long enough; the frequencies may
/// be off by 1.5 %, the high tone 6 dB above and 8 dB below the low one. Keys that do not fit wait for the next call, 256 at
/// most.
///
/// @param pcm signed 16 bit, one channel.
/// @param frames how many; 0 only takes keys that wait.
/// @param keys gets 0-9 * # A-D and a NUL.
/// @param len bytes of keys, 2 or more.
/// @param count gets how many keys; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY). Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _BUFFER_TOO_SMALL (len is below 2), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_dtmf_detector_process(
    detector: *mut voip_dtmf_detector,
    pcm: *const i16,
    frames: usize,
    keys: *mut c_char,
    len: usize,
    count: *mut usize,
) -> voip_status {
    guard(|| {
        if len < 2 {
            let text = format!("{len} bytes hold no key and its NUL");
            return Err(Fail::new(voip_status::VOIP_ERR_BUFFER_TOO_SMALL, text));
        }
        let pcm = unsafe { alone::list(pcm, frames, "pcm") }?;
        let out = unsafe { alone::buffer(keys, len, "keys") }?;
        let taken = alone::with(detector, |d: &mut Detecting| {
            d.process(pcm);
            Ok(d.take(out))
        })?;
        if !count.is_null() {
            unsafe { count.write_unaligned(taken) };
        }
        Ok(())
    })
}

/// Tells the key that was found last, and when it was heard.
///
/// @param key gets it, in ASCII; may be NULL.
/// @param began_ms gets when it began, in ms of sound since the detector was made; may be NULL.
/// @param duration_ms gets how long it has lasted, to within a few ms; may be NULL.
/// @param over gets 0 while it lasts; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE (none was found yet), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_dtmf_detector_get_last(
    detector: *mut voip_dtmf_detector,
    key: *mut c_char,
    began_ms: *mut u64,
    duration_ms: *mut u32,
    over: *mut i32,
) -> voip_status {
    guard(|| {
        let (found, rate) = alone::with(detector, |d: &mut Detecting| {
            Ok((d.last.ok_or_else(|| Fail::state("no key was found yet"))?, u64::from(d.rate)))
        })?;
        let lasted = found.ended.saturating_sub(found.began) * 1000 / rate;
        if !key.is_null() {
            unsafe { key.write(found.key as u8 as c_char) };
        }
        if !began_ms.is_null() {
            unsafe { began_ms.write_unaligned(found.began * 1000 / rate) };
        }
        if !duration_ms.is_null() {
            unsafe { duration_ms.write_unaligned(u32::try_from(lasted).unwrap_or(u32::MAX)) };
        }
        if !over.is_null() {
            unsafe { over.write_unaligned(found.end.into()) };
        }
        Ok(())
    })
}

/// Makes keys as tones: each with silence behind it.
///
/// @param keys 0-9 * # A-D, at most 256.
/// @param rate of the sound, 8000 to 48000 Hz.
/// @param tone_ms of each, 1 to 10000; 0: 100.
/// @param gap_ms behind each, 1 to 10000; 0: 80.
/// @param level peak of each of the two tones, 1 to 16383; 0: 10362, which is -10 dB of full scale.
/// @param pcm gets signed 16 bit, one channel; NULL asks how many frames it takes.
/// @param frames that pcm has room for.
/// @param needed gets how many frames they are; may be NULL if pcm is not.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_dtmf_tone_write(
    keys: *const c_char,
    rate: u32,
    tone_ms: u32,
    gap_ms: u32,
    level: i32,
    pcm: *mut i16,
    frames: usize,
    needed: *mut usize,
) -> voip_status {
    guard(|| {
        let keys = unsafe { strings::filled(keys, "keys") }?;
        let rate = strings::within(rate, LEAST_RATE, MOST_RATE, "rate", " Hz")?;
        let ms = |value: u32, default: u32, name| {
            strings::within(if value == 0 { default } else { value }, 1, MS, name, " ms")
        };
        let frames_of = |ms: u32| u64::from(ms) * u64::from(rate) / 1000;
        let tone = frames_of(ms(tone_ms, 100, "tone_ms")?);
        let gap = frames_of(ms(gap_ms, 80, "gap_ms")?);
        let level = if level == 0 { LEVEL } else { level };
        let level = strings::within(u32::try_from(level).unwrap_or(0), 1, 16_383, "level", "")?;
        let total = count(keys)? * (tone + gap) as usize;
        if !needed.is_null() {
            unsafe { needed.write_unaligned(total) };
        }
        if pcm.is_null() {
            return if needed.is_null() { Err(Fail::null("pcm")) } else { Ok(()) };
        }
        if frames < total {
            let text = format!("pcm has room for {frames} frames, {total} are needed");
            return Err(Fail::new(voip_status::VOIP_ERR_BUFFER_TOO_SMALL, text));
        }
        let out = unsafe { alone::buffer(pcm, total, "pcm") }?;
        for (key, part) in keys.chars().zip(out.chunks_mut((tone + gap) as usize)) {
            part.fill(0);
            if let Some(mut sound) = KeyTone::new(key, level as i16, rate, tone) {
                sound.fill(part);
            }
        }
        Ok(())
    })
}

fn count(keys: &str) -> FfiResult<usize> {
    if let Some(wrong) = keys.chars().find(|&key| frequencies(key).is_none()) {
        return Err(Fail::argument(format!("\"{wrong}\" is no key of 0-9 * # A-D")));
    }
    if keys.len() > MAX_KEYS {
        return Err(Fail::range(format!("{} keys are more than {MAX_KEYS}", keys.len())));
    }
    Ok(keys.len())
}

impl Detecting {
    fn process(&mut self, pcm: &[i16]) {
        let (found, last, dropped) = (&mut self.found, &mut self.last, &mut self.dropped);
        self.detector.process(pcm, &mut |key| {
            *last = Some(key);
            if !key.end && found.len() < MAX_KEYS {
                found.push(key.key as u8);
            } else if !key.end {
                *dropped += 1;
            }
        });
    }

    /// As many as fit, and a NUL behind them.
    fn take(&mut self, out: &mut [c_char]) -> usize {
        let fit = self.found.len().min(out.len().saturating_sub(1));
        for (place, key) in out.iter_mut().zip(self.found.drain(..fit).chain([0])) {
            *place = key as c_char;
        }
        fit
    }
}
