//! Codecs by themselves: encode, decode, conceal.

use super::alone::{self, alone};
use super::error::{voip_status, Fail, FfiResult};
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use crate::media::codec::{codec_list, Codec, CodecInfo, Decoder, Encoder};
use crate::media::conceal::Concealer;
use std::ffi::c_char;
use std::mem::size_of;

/// A codec with the state of both directions. The host frees it with `voip_codec_free`.
pub struct voip_codec {
    _private: (),
}

/// Both directions of one codec.
pub(crate) struct Coder {
    codec: Codec,
    encoder: Encoder,
    decoder: Decoder,
    concealer: Concealer,
}

alone!(Coder, voip_codec, b'k', "codec");

/// A codec of this build. Begin with `VOIP_CODEC_ENTRY_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_codec_entry {
    /// sizeof(voip_codec_entry).
    pub size: usize,
    /// Static payload type; -1: the session chooses a dynamic one.
    pub payload_type: i32,
    /// Of the RTP timestamp, in Hz.
    pub clock_rate: u32,
    /// Of the samples, in Hz.
    pub audio_rate: u32,
    pub channels: u32,
    /// Encoding name.
    pub name: [c_char; 16],
}

// SAFETY: the size is first, all members are numbers and arrays of them.
unsafe impl SizeFirst for voip_codec_entry {
    const NAME: &'static str = "voip_codec_entry";
}

/// Counts the codecs of this build.
///
/// @return how many `voip_codec_info` tells.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_codec_count() -> usize {
    codec_list().len()
}

/// Tells a codec of this build.
///
/// @param index from 0 to `voip_codec_count` - 1.
/// @param entry gets it.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_codec_info(index: usize, entry: *mut voip_codec_entry) -> voip_status {
    guard(|| {
        let row = codec_list().get(index).ok_or_else(|| Fail::range(format!("there is no codec {index}")))?;
        let told = voip_codec_entry {
            size: size_of::<voip_codec_entry>(),
            payload_type: row.payload_type.map_or(-1, i32::from),
            clock_rate: row.clock_rate,
            audio_rate: row.audio_rate,
            channels: u32::from(row.channels),
            name: alone::array(row.name),
        };
        unsafe { sized::write(entry, &told) }
    })
}

/// Makes a codec with fresh state.
///
/// @param name like `PCMU`, without case.
/// @param clock_rate of the RTP timestamp in Hz; 0: the first that the codec has.
/// @param channels 0: the first that the codec has.
/// @param out gets the handle; free it with `voip_codec_free`.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _NO_CODEC (not in this build), _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_codec_new(
    name: *const c_char,
    clock_rate: u32,
    channels: u32,
    out: *mut *mut voip_codec,
) -> voip_status {
    guard(|| {
        let make = || {
            let name = unsafe { strings::filled(name, "name") }?;
            let fits = |row: &&CodecInfo| {
                row.name.eq_ignore_ascii_case(name)
                    && (clock_rate == 0 || row.clock_rate == clock_rate)
                    && (channels == 0 || u32::from(row.channels) == channels)
            };
            let Some(row) = codec_list().iter().find(fits) else {
                let text = format!("there is no codec {name}/{clock_rate}/{channels} in this build");
                return Err(Fail::new(voip_status::VOIP_ERR_NO_CODEC, text));
            };
            Ok(Coder::new(row.codec()))
        };
        unsafe { alone::make(out, make) }
    })
}

/// Frees a codec.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_codec_free(codec: *mut voip_codec) -> voip_status {
    guard(|| alone::free::<Coder>(codec))
}

/// Puts both directions back to their beginning.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_codec_reset(codec: *mut voip_codec) -> voip_status {
    guard(|| {
        alone::with(codec, |coder: &mut Coder| {
            *coder = Coder::new(coder.codec);
            Ok(())
        })
    })
}

/// Tells how many bytes so many frames become, and how many frames are in so many bytes. For CN it is the most bytes that
/// encoding writes, and 0 frames: its payloads do not say for how long they are.
///
/// @param frames gives; 0 is allowed.
/// @param bytes gets the size of their payload; may be NULL.
/// @param payload_len gives; 0 is allowed.
/// @param payload_frames gets the frames in a payload of that size; may be NULL.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_codec_get_sizes(
    codec: *mut voip_codec,
    frames: usize,
    bytes: *mut usize,
    payload_len: usize,
    payload_frames: *mut usize,
) -> voip_status {
    guard(|| {
        let (size, count) = alone::with(codec, |c: &mut Coder| {
            Ok((c.codec.payload_bytes(frames), c.codec.samples_in(payload_len)))
        })?;
        if !bytes.is_null() {
            unsafe { bytes.write_unaligned(size) };
        }
        if !payload_frames.is_null() {
            unsafe { payload_frames.write_unaligned(count) };
        }
        Ok(())
    })
}

/// Encodes frames into one payload. CN describes the frames as noise: its level and its spectrum (RFC 3389).
///
/// @param pcm signed 16 bit at the codec's audio rate, all channels of a frame one after the other.
/// @param frames how many. GSM codes 160 at a time: silence is put behind a last part.
/// @param buf gets the payload.
/// @param len bytes of buf; `voip_codec_get_sizes` says how many are needed.
/// @param written gets the bytes of the payload.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_codec_encode(
    codec: *mut voip_codec,
    pcm: *const i16,
    frames: usize,
    buf: *mut u8,
    len: usize,
    written: *mut usize,
) -> voip_status {
    guard(|| {
        let count = alone::with(codec, |c: &mut Coder| {
            let pcm = unsafe { alone::list(pcm, c.samples(frames)?, "pcm") }?;
            let out = unsafe { alone::buffer(buf, len, "buf") }?;
            let needed = c.codec.payload_bytes(frames);
            if len < needed {
                let text = format!("the buffer has {len} bytes, {needed} are needed");
                return Err(Fail::new(voip_status::VOIP_ERR_BUFFER_TOO_SMALL, text));
            }
            Ok(c.encoder.encode(pcm, out))
        })?;
        unsafe { strings::write(written, "written", count) }
    })
}

/// Decodes one payload. CN fills all of pcm with noise as described; an empty payload goes on with the last description.
///
/// @param payload of an RTP packet.
/// @param payload_len bytes of it.
/// @param pcm gets signed 16 bit at the codec's audio rate, all channels of a frame one after the other.
/// @param frames that pcm has room for.
/// @param got gets how many frames came out.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _BUSY, _BUFFER_TOO_SMALL.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_codec_decode(
    codec: *mut voip_codec,
    payload: *const u8,
    payload_len: usize,
    pcm: *mut i16,
    frames: usize,
    got: *mut usize,
) -> voip_status {
    guard(|| {
        let count = alone::with(codec, |c: &mut Coder| {
            let payload = unsafe { alone::bytes(payload, payload_len, "payload") }?;
            let out = unsafe { alone::buffer(pcm, c.samples(frames)?, "pcm") }?;
            let needed = c.codec.samples_in(payload_len);
            if frames < needed {
                let text = format!("pcm has room for {frames} frames, {needed} are needed");
                return Err(Fail::new(voip_status::VOIP_ERR_BUFFER_TOO_SMALL, text));
            }
            let samples = c.decoder.decode(payload, out);
            if let (1, Some(heard)) = (c.codec.channels, out.get_mut(..samples)) {
                if c.concealer.is_concealing() {
                    c.concealer.smooth(heard);
                }
                c.concealer.heard(heard);
            }
            Ok(samples / usize::from(c.codec.channels.max(1)))
        })?;
        unsafe { strings::write(got, "got", count) }
    })
}

/// Makes up frames for a lost packet from what was decoded last; it fades to silence within some 60 ms. With more than one
/// channel it is silence.
///
/// @param pcm gets the frames.
/// @param frames how many.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_codec_conceal(
    codec: *mut voip_codec,
    pcm: *mut i16,
    frames: usize,
) -> voip_status {
    guard(|| {
        alone::with(codec, |c: &mut Coder| {
            let out = unsafe { alone::buffer(pcm, c.samples(frames)?, "pcm") }?;
            match c.codec.channels {
                1 => c.concealer.conceal(out),
                _ => out.fill(0),
            }
            Ok(())
        })
    })
}

impl Coder {
    fn new(codec: Codec) -> Coder {
        Coder {
            encoder: Encoder::new(&codec),
            decoder: Decoder::new(&codec),
            concealer: Concealer::new(codec.audio_rate),
            codec,
        }
    }

    fn samples(&self, frames: usize) -> FfiResult<usize> {
        let samples = frames.checked_mul(usize::from(self.codec.channels.max(1)));
        samples.ok_or_else(|| Fail::range("more frames than the address space holds"))
    }
}
