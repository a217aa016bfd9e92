//! WAV files by themselves: read in the forms people have, written as 16 bit PCM.

use super::alone::{self, alone};
use super::error::{voip_status, Fail, FfiResult};
use super::panic::{guard, not_in_callback};
use super::sized::{self, SizeFirst};
use super::strings;
use crate::engine::{WavFile, WavSource};
use crate::media::wav::Encoding;
use std::ffi::c_char;
use std::mem::size_of;

/// A WAV file that is read or written. The host closes it with `voip_wav_close`.
pub struct voip_wav {
    _private: (),
}

/// One file.
pub(crate) enum Wav {
    Read(WavSource),
    Write { file: WavFile, rate: u32, channels: u32 },
}

alone!(Wav, voip_wav, b'w', "WAV");

/// How the samples stand in a file.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_wav_encoding {
    VOIP_WAV_PCM = 0,
    VOIP_WAV_FLOAT = 1,
    VOIP_WAV_ALAW = 2,
    VOIP_WAV_ULAW = 3,
}

/// What a file is. Begin with `VOIP_WAV_INFO_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_wav_info {
    /// sizeof(voip_wav_info).
    pub size: usize,
    /// A `voip_wav_encoding`.
    pub encoding: i32,
    /// In Hz.
    pub rate: u32,
    pub channels: u32,
    /// Of one sample in the file.
    pub bits: u32,
    /// In the file; written so far.
    pub frames: u64,
    /// The next one to read or write.
    pub position: u64,
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_wav_info {
    const NAME: &'static str = "voip_wav_info";
}

/// Opens a file for reading: PCM of 8 to 32 bit, float of 32 and 64 bit, A-law and mu-law, plain and extensible. Sizes that
/// lie are taken as what is there. All of it is read at once.
///
/// @param path of the file.
/// @param out gets the handle; close it with `voip_wav_close`.
///
/// Thread: any.
/// Callback: no.
/// Blocks: on the disk.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _SYSTEM, _CODEC (no WAV file, or a form that is not known), _LIMIT (too large),
///   _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_wav_open(path: *const c_char, out: *mut *mut voip_wav) -> voip_status {
    guard(|| {
        not_in_callback("voip_wav_open")?;
        let open = || Ok(Wav::Read(WavSource::open(unsafe { strings::filled(path, "path") }?)?));
        unsafe { alone::make(out, open) }
    })
}

/// Creates a file of 16 bit PCM, or writes over one that is there.
///
/// @param path of the file.
/// @param rate 1 to 768000 Hz.
/// @param channels 1 to 8.
/// @param out gets the handle; close it with `voip_wav_close`.
///
/// Thread: any.
/// Callback: no.
/// Blocks: on the disk.
/// Errors: VOIP_ERR_NULL, _ARGUMENT, _RANGE, _SYSTEM, _LIMIT, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_wav_create(
    path: *const c_char,
    rate: u32,
    channels: u32,
    out: *mut *mut voip_wav,
) -> voip_status {
    guard(|| {
        not_in_callback("voip_wav_create")?;
        let create = || {
            let path = unsafe { strings::filled(path, "path") }?;
            let rate = strings::within(rate, 1, 768_000, "rate", " Hz")?;
            let channels = strings::within(channels, 1, 8, "channels", "")?;
            let file = WavFile::create(path, rate, channels as u8)?;
            Ok(Wav::Write { file, rate, channels })
        };
        unsafe { alone::make(out, create) }
    })
}

/// Tells what the file is.
///
/// @param info gets it.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _ARGUMENT, _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_wav_get_info(wav: *mut voip_wav, info: *mut voip_wav_info) -> voip_status {
    guard(|| {
        let told = alone::with(wav, |wav: &mut Wav| Ok(tell(wav)))?;
        unsafe { sized::write(info, &told) }
    })
}

/// Sets the next frame to read.
///
/// @param frame from 0; beyond the end is the end.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _STATE (a file that is written), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_wav_seek(wav: *mut voip_wav, frame: u64) -> voip_status {
    guard(|| {
        alone::with(wav, |wav: &mut Wav| {
            let Wav::Read(source) = wav else { return Err(written()) };
            source.seek(usize::try_from(frame).unwrap_or(usize::MAX));
            Ok(())
        })
    })
}

/// Reads the next frames as signed 16 bit, all channels of a frame one after the other.
///
/// @param pcm gets them.
/// @param frames that pcm has room for.
/// @param got gets how many came; 0 at the end.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _STATE (a file that is written), _BUSY.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_wav_read(
    wav: *mut voip_wav,
    pcm: *mut i16,
    frames: usize,
    got: *mut usize,
) -> voip_status {
    guard(|| {
        let count = alone::with(wav, |wav: &mut Wav| {
            let Wav::Read(source) = wav else { return Err(written()) };
            let samples = samples(frames, u32::from(source.format().channels))?;
            Ok(source.read(unsafe { alone::buffer(pcm, samples, "pcm") }?))
        })?;
        unsafe { strings::write(got, "got", count) }
    })
}

/// Appends frames of signed 16 bit, all channels of a frame one after the other. A disk that fails is told by
/// `voip_wav_close`.
///
/// @param pcm the frames.
/// @param frames how many.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: no.
/// Blocks: on the disk.
/// Errors: VOIP_ERR_HANDLE, _NULL, _RANGE, _STATE (a file that is read), _BUSY, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_wav_write(wav: *mut voip_wav, pcm: *const i16, frames: usize) -> voip_status {
    guard(|| {
        not_in_callback("voip_wav_write")?;
        alone::with(wav, |wav: &mut Wav| {
            let Wav::Write { file, channels, .. } = wav else {
                return Err(Fail::state("the file is open for reading"));
            };
            let samples = samples(frames, *channels)?;
            file.write(unsafe { alone::list(pcm, samples, "pcm") }?);
            Ok(())
        })
    })
}

/// Closes a file; one that was written gets its sizes. The handle is stale afterwards, whatever is returned.
///
/// Thread: any, one at a time per handle (else VOIP_ERR_BUSY).
/// Callback: no.
/// Blocks: on the disk.
/// Errors: VOIP_ERR_HANDLE, _SYSTEM (not all of it could be written), _BUSY, _IN_CALLBACK.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_wav_close(wav: *mut voip_wav) -> voip_status {
    guard(|| {
        not_in_callback("voip_wav_close")?;
        let whole = alone::with(wav, |wav: &mut Wav| {
            Ok(match wav {
                Wav::Write { file, .. } => file.finish(),
                Wav::Read(_) => true,
            })
        })?;
        alone::free::<Wav>(wav)?;
        match whole {
            true => Ok(()),
            false => Err(Fail::new(voip_status::VOIP_ERR_SYSTEM, "not all of the file could be written")),
        }
    })
}

fn written() -> Fail {
    Fail::state("the file is open for writing")
}

fn samples(frames: usize, channels: u32) -> FfiResult<usize> {
    let samples = frames.checked_mul(channels as usize);
    samples.ok_or_else(|| Fail::range("more frames than the address space holds"))
}

fn tell(wav: &Wav) -> voip_wav_info {
    let size = size_of::<voip_wav_info>();
    match wav {
        Wav::Read(source) => {
            let format = source.format();
            let encoding = match format.encoding {
                Encoding::Pcm => voip_wav_encoding::VOIP_WAV_PCM,
                Encoding::Float => voip_wav_encoding::VOIP_WAV_FLOAT,
                Encoding::Alaw => voip_wav_encoding::VOIP_WAV_ALAW,
                Encoding::Ulaw => voip_wav_encoding::VOIP_WAV_ULAW,
            };
            voip_wav_info {
                size,
                encoding: encoding as i32,
                rate: format.rate,
                channels: u32::from(format.channels),
                bits: u32::from(format.bits),
                frames: source.frames() as u64,
                position: source.position() as u64,
            }
        }
        Wav::Write { file, rate, channels } => voip_wav_info {
            size,
            encoding: voip_wav_encoding::VOIP_WAV_PCM as i32,
            rate: *rate,
            channels: *channels,
            bits: 16,
            frames: file.frames(),
            position: file.frames(),
        },
    }
}
