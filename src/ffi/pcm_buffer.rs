//! Sound placed by its RTP timestamp and read in order.

use super::alone::{self, alone};
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use super::types::*;
use crate::media::pcm_buffer::PcmBuffer;
use std::mem::size_of;

/// A buffer of sound by timestamps. The host frees it with `voip_pcm_buffer_free`.
pub struct voip_pcm_buffer {
    _private: (),
}

/// A buffer and the bytes of one frame.
pub(crate) struct Sound {
    buffer: PcmBuffer,
    frame_bytes: usize,
}

alone!(Sound, voip_pcm_buffer, b'b', "PCM buffer");

/// Counters of a buffer, in frames. Begin with `VOIP_PCM_BUFFER_STATS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_pcm_buffer_stats {
    /// sizeof(voip_pcm_buffer_stats).
    pub size: usize,
    /// Waiting to be read, holes included.
    pub available: u64,
    /// Taken in.
    pub written: u64,
    /// Of these, over others that were there.
    pub overwritten: u64,
    /// Not taken in: their place was read already.
    pub late: u64,
    /// Thrown away unread since newer ones needed the room.
    pub dropped: u64,
    /// Read, and real.
    pub read: u64,
    /// Silence read for holes between real ones.
    pub holes: u64,
    /// Silence read behind the last real one.
    pub padded: u64,
    /// How often a jump back started over.
    pub restarts: u64,
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_pcm_buffer_stats {
    const NAME: &'static str = "voip_pcm_buffer_stats";
}

/// Makes a buffer.
///
/// @param format a `voip_sample_format`; it says what silence is.
/// @param channels 1 to 8.
/// @param capacity frames that it holds; older ones go when newer ones come. At most 64 MiB in all.
/// @param out gets the handle; free it with `voip_pcm_buffer_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_pcm_buffer_new(
    format: i32,
    channels: u32,
    capacity: usize,
    out: *mut *mut voip_pcm_buffer,
) -> voip_status {
    guard(|| {
        let make = || {
            let (bytes, silence) = match format {
                f if f == voip_sample_format::VOIP_FORMAT_S16 as i32 => (2, 0),
                f if f == voip_sample_format::VOIP_FORMAT_U8 as i32 => (1, 0x80),
                other => return Err(Fail::argument(format!("sample format {other} is unknown"))),
            };
            let frame_bytes = bytes * strings::within(channels, 1, 8, "channels", "")? as usize;
            let buffer = PcmBuffer::new(frame_bytes, silence, capacity);
            let large = || Fail::range(format!("capacity {capacity} is 0 or takes more than 64 MiB"));
            Ok(Sound { buffer: buffer.ok_or_else(large)?, frame_bytes })
        };
        unsafe { alone::make(out, make) }
    })
}

/// Frees a buffer.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_pcm_buffer_free(buffer: *mut voip_pcm_buffer) -> voip_status {
    guard(|| alone::free::<Sound>(buffer))
}

/// Sets how far a timestamp must jump back behind the next frame to read to mean a new beginning.
///
/// @param frames 1 to 2147483647; 100000 if not set.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _RANGE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_pcm_buffer_set_rewind(
    buffer: *mut voip_pcm_buffer,
    frames: u32,
) -> voip_status {
    guard(|| {
        let frames = strings::within(frames, 1, i32::MAX as u32, "rewind", " frames")?;
        alone::with(buffer, |sound: &mut Sound| {
            sound.buffer.set_rewind(frames);
            Ok(())
        })
    })
}

/// Puts frames at an RTP timestamp, one tick a frame; the wrap at 2^32 is nothing special. What lies before the next frame
/// to read is late and left away, what was there is written over.
///
/// @param timestamp of the first frame.
/// @param pcm the frames in the format of the buffer.
/// @param frames how many.
/// @param taken gets how many were not late; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_pcm_buffer_write(
    buffer: *mut voip_pcm_buffer,
    timestamp: u32,
    pcm: *const std::ffi::c_void,
    frames: usize,
    taken: *mut usize,
) -> voip_status {
    guard(|| {
        let count = alone::with(buffer, |sound: &mut Sound| {
            let bytes = unsafe { alone::bytes(pcm.cast(), sound.bytes_of(frames)?, "pcm") }?;
            Ok(sound.buffer.write(timestamp, bytes))
        })?;
        if !taken.is_null() {
            unsafe { taken.write_unaligned(count) };
        }
        Ok(())
    })
}

/// Takes the next frames; always fills all of `pcm`, holes and what is not there yet with silence.
///
/// @param pcm gets the frames.
/// @param frames how many.
/// @param real gets how many of them were written by somebody; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_pcm_buffer_read(
    buffer: *mut voip_pcm_buffer,
    pcm: *mut std::ffi::c_void,
    frames: usize,
    real: *mut usize,
) -> voip_status {
    guard(|| {
        let count = alone::with(buffer, |sound: &mut Sound| {
            let bytes = unsafe { alone::buffer(pcm.cast::<u8>(), sound.bytes_of(frames)?, "pcm") }?;
            Ok(sound.buffer.read(bytes))
        })?;
        if !real.is_null() {
            unsafe { real.write_unaligned(count) };
        }
        Ok(())
    })
}

/// Tells the RTP timestamp of the next frame to read.
///
/// @param timestamp gets it.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _STATE (nothing was written yet), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_pcm_buffer_get_timestamp(
    buffer: *mut voip_pcm_buffer,
    timestamp: *mut u32,
) -> voip_status {
    guard(|| {
        let next = alone::with(buffer, |sound: &mut Sound| Ok(sound.buffer.timestamp()))?;
        let next = next.ok_or_else(|| Fail::state("nothing was written yet"))?;
        unsafe { strings::write(timestamp, "timestamp", next) }
    })
}

/// Forgets all frames; the counters stay.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_pcm_buffer_reset(buffer: *mut voip_pcm_buffer) -> voip_status {
    guard(|| {
        alone::with(buffer, |sound: &mut Sound| {
            sound.buffer.reset();
            Ok(())
        })
    })
}

/// Tells the counters.
///
/// @param stats gets them.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_pcm_buffer_get_stats(
    buffer: *mut voip_pcm_buffer,
    stats: *mut voip_pcm_buffer_stats,
) -> voip_status {
    guard(|| {
        let (available, s) =
            alone::with(buffer, |sound: &mut Sound| Ok((sound.buffer.available(), sound.buffer.stats())))?;
        let told = voip_pcm_buffer_stats {
            size: size_of::<voip_pcm_buffer_stats>(),
            available: available as u64,
            written: s.written,
            overwritten: s.overwritten,
            late: s.late,
            dropped: s.dropped,
            read: s.read,
            holes: s.holes,
            padded: s.padded,
            restarts: s.restarts,
        };
        unsafe { sized::write(stats, &told) }
    })
}

impl Sound {
    fn bytes_of(&self, frames: usize) -> FfiResult<usize> {
        let bytes = frames.checked_mul(self.frame_bytes);
        bytes.ok_or_else(|| Fail::range("more frames than the address space holds"))
    }
}
