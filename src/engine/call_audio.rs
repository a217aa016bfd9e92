//! The host's side of a call's audio: frames in the host's format, blocking and not, from any thread.

use super::call::{call_ended, timed_out, Call, Timeout};
use super::config::{AudioFormat, SampleFormat};
use super::door::Door;
use super::error::{Error, ErrorKind, Result};
use super::link::ToControl;
use super::worker::MediaOp;
use crate::media::host_ring::host_rings;
use crate::media::{AudioReader, AudioWriter, HostAudio, TapFn, VadConfig};
use crate::util::prefetch_lines;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Each end behind its own door, which nobody holds while waiting. What a read or a write looks at is one cache line each.
#[repr(C, align(64))]
pub struct AudioEnds {
    pub(super) writer: Door<AudioWriter>,
    pub(super) reader: Door<AudioReader>,
    format: FormatCell,
}

const _: () = assert!(size_of::<AudioEnds>() == 128 && std::mem::offset_of!(AudioEnds, reader) == 64);

/// A format that is read without a lock: it is one word.
struct FormatCell(AtomicU64);

impl FormatCell {
    fn new(format: AudioFormat) -> FormatCell {
        let cell = FormatCell(AtomicU64::new(0));
        cell.set(format);
        cell
    }
    fn set(&self, format: AudioFormat) {
        let eight = u64::from(format.sample == SampleFormat::U8);
        let word = u64::from(format.rate) | (u64::from(format.channels) << 32) | (eight << 40);
        self.0.store(word, Ordering::Release);
    }
    fn get(&self) -> AudioFormat {
        let word = self.0.load(Ordering::Acquire);
        let sample = if (word >> 40) & 1 == 1 { SampleFormat::U8 } else { SampleFormat::S16 };
        AudioFormat { sample, rate: word as u32, channels: (word >> 32) as u8 }
    }
}

fn is_eight(format: AudioFormat) -> bool {
    format.sample == SampleFormat::U8
}

/// Frames that are converted at once, on the stack.
const CHUNK: usize = 480;

impl AudioEnds {
    pub fn new(format: AudioFormat, audio: HostAudio) -> AudioEnds {
        AudioEnds {
            writer: Door::new(audio.writer, is_eight(format)),
            reader: Door::new(audio.reader, is_eight(format)),
            format: FormatCell::new(format),
        }
    }

    pub fn format(&self) -> AudioFormat {
        self.format.get()
    }
    pub(super) fn end(&self) {
        self.writer.end();
        self.reader.end();
    }
    pub(super) fn is_over(&self) -> bool {
        self.reader.is_over()
    }
    /// What is in the rings before is forgotten with them.
    fn replace(&self, format: AudioFormat, audio: Option<HostAudio>) {
        self.format.set(format);
        self.reader.set_eight(is_eight(format));
        self.writer.set_eight(is_eight(format));
        if let Some(audio) = audio {
            *self.reader.lock() = audio.reader;
            *self.writer.lock() = audio.writer;
        }
    }

    pub(super) fn frames_of(&self, bytes: usize) -> Result<usize> {
        let size = self.format().bytes_per_frame().max(1);
        // The usual sizes without a division, which takes as long as all the rest.
        let (frames, rest) = match size {
            1 => (bytes, 0),
            2 => (bytes / 2, bytes % 2),
            _ => (bytes / size, bytes % size),
        };
        if rest != 0 {
            let message = format!("{bytes} bytes are not a whole number of {size}-byte frames");
            return Err(Error::new(ErrorKind::Argument, message));
        }
        Ok(frames)
    }

    /// The part of `pcm` from frame `from` on.
    pub(super) fn after<'a>(&self, pcm: &'a mut [u8], from: usize) -> &'a mut [u8] {
        pcm.get_mut(from * self.format().bytes_per_frame()..).unwrap_or_default()
    }

    pub(super) fn read_into(&self, reader: &mut AudioReader, pcm: &mut [u8]) -> usize {
        if self.format().sample == SampleFormat::S16 {
            // SAFETY: every pattern of bits is an i16.
            if let ([], samples, []) = unsafe { pcm.align_to_mut::<i16>() } {
                return reader.read(samples);
            }
        }
        let size = self.format().bytes_per_frame().max(1);
        let mut samples = [0i16; CHUNK];
        let mut total = 0;
        for chunk in pcm.chunks_mut(CHUNK * size) {
            let want = chunk.len() / size;
            let got = reader.read(samples.get_mut(..want).unwrap_or_default());
            let real = samples.get(..got).unwrap_or_default();
            to_host(self.format().sample, real, chunk);
            total += got;
            if got < want {
                break;
            }
        }
        total
    }

    pub(super) fn write_from(&self, writer: &mut AudioWriter, pcm: &[u8]) -> usize {
        if self.format().sample == SampleFormat::S16 {
            // SAFETY: every pattern of bits is an i16.
            if let ([], samples, []) = unsafe { pcm.align_to::<i16>() } {
                return writer.write(samples);
            }
        }
        let size = self.format().bytes_per_frame().max(1);
        let mut samples = [0i16; CHUNK];
        let mut total = 0;
        for chunk in pcm.chunks(CHUNK * size) {
            let want = chunk.len() / size;
            let part = samples.get_mut(..want).unwrap_or_default();
            from_host(self.format().sample, chunk, part);
            let put = writer.write(part);
            total += put;
            if put < want {
                break;
            }
        }
        total
    }
}

/// 16 bit samples into the host's bytes.
pub fn to_host(format: SampleFormat, samples: &[i16], out: &mut [u8]) {
    match format {
        SampleFormat::S16 => {
            for (sample, bytes) in samples.iter().zip(out.chunks_exact_mut(2)) {
                bytes.copy_from_slice(&sample.to_ne_bytes());
            }
        }
        SampleFormat::U8 => {
            for (sample, byte) in samples.iter().zip(out) {
                *byte = ((sample >> 8) as u8) ^ 0x80;
            }
        }
    }
}

/// The host's bytes into 16 bit samples.
pub fn from_host(format: SampleFormat, bytes: &[u8], out: &mut [i16]) {
    match format {
        SampleFormat::S16 => {
            for (bytes, sample) in bytes.chunks_exact(2).zip(out) {
                if let &[a, b] = bytes {
                    *sample = i16::from_ne_bytes([a, b]);
                }
            }
        }
        SampleFormat::U8 => {
            for (byte, sample) in bytes.iter().zip(out) {
                *sample = i16::from(*byte ^ 0x80) << 8;
            }
        }
    }
}

/// The ordinary case of the doors: samples of 16 bits, nobody else at the same end, no wait.
impl Call {
    #[inline]
    pub fn reads_16_bits(&self) -> bool {
        !self.shared().audio.reader.is_eight()
    }
    #[inline]
    pub fn writes_16_bits(&self) -> bool {
        !self.shared().audio.writer.is_eight()
    }
    /// Frames that were there, up to all of `pcm`; 0: nothing yet. None: not the ordinary case, `read_audio` tells.
    #[inline]
    pub fn read_now(&self, pcm: &mut [i16]) -> Option<usize> {
        let door = &self.shared().audio.reader;
        // Asked before the ring: what came before the end is read after it.
        let over = door.is_over();
        let got = door.try_lock()?.read(pcm);
        (got > 0 || !over).then_some(got)
    }
    /// Frames taken; 0: no room yet. None: as above.
    #[inline]
    pub fn write_now(&self, pcm: &[i16]) -> Option<usize> {
        let door = &self.shared().audio.writer;
        let mut writer = door.try_lock().filter(|_| !door.is_over())?;
        Some(writer.write(pcm))
    }
    /// Asks for the memory of a read, where it is as a rule: one wait for all of it, instead of one after the other. `ring` is
    /// what `audio_memory` said.
    #[inline]
    pub fn prefetch_read(&self, ring: usize) {
        prefetch_lines::<2>(std::ptr::from_ref(&self.shared().audio).cast());
        AudioReader::prefetch(ring);
    }
    #[inline]
    pub fn prefetch_write(&self, ring: usize) {
        prefetch_lines::<1>(std::ptr::from_ref(&self.shared().audio).cast());
        AudioWriter::prefetch(ring);
    }
    /// Where its rings are; another format puts them elsewhere.
    pub fn audio_memory(&self) -> usize {
        self.shared().audio.reader.lock().memory()
    }
}

impl Call {
    /// Frames read: waits until `pcm` is full, the time is over or the audio ends, and gives what is there then.
    /// 0 with a time-out: Err(Timeout); after the end and when drained: Err(CallEnded).
    pub fn read_audio(&self, pcm: &mut [u8], timeout: Timeout) -> Result<usize> {
        let shared = self.shared();
        let wanted = shared.audio.frames_of(pcm.len())?;
        let mut got = 0;
        let outcome = shared.signal().wait_for(timeout, || {
            // Asked before the ring: what came before the end is read after it.
            let over = shared.media_is_over();
            let rest = shared.audio.after(pcm, got);
            got += shared.audio.read_into(&mut shared.audio.reader.lock(), rest);
            if got >= wanted {
                return Some(Ok(()));
            }
            over.then(|| Err(call_ended()))
        });
        match (got, outcome) {
            (0, None) => Err(timed_out()),
            (0, Some(Err(error))) => Err(error),
            (got, _) => Ok(got),
        }
    }

    /// Always fills `pcm`; says how many frames were real. Never blocks.
    pub fn read_audio_padded(&self, pcm: &mut [u8]) -> Result<usize> {
        let audio = &self.shared().audio;
        audio.frames_of(pcm.len())?;
        // Another thread that reads right now gets what is there.
        let got = match audio.reader.try_lock() {
            Some(mut reader) => audio.read_into(&mut reader, pcm),
            None => 0,
        };
        audio.after(pcm, got).fill(audio.format().silence_byte());
        Ok(got)
    }

    /// Frames taken. Waits for space up to the time-out; legal before the answer.
    pub fn write_audio(&self, pcm: &[u8], timeout: Timeout) -> Result<usize> {
        let shared = self.shared();
        let wanted = shared.audio.frames_of(pcm.len())?;
        let size = shared.audio.format().bytes_per_frame();
        let mut put = 0;
        let outcome = shared.signal().wait_for(timeout, || {
            if shared.media_is_over() {
                return Some(Err(call_ended()));
            }
            let rest = pcm.get(put * size..).unwrap_or_default();
            put += shared.audio.write_from(&mut shared.audio.writer.lock(), rest);
            (put >= wanted).then_some(Ok(()))
        });
        match (put, outcome) {
            (0, None) => Err(timed_out()),
            (0, Some(Err(error))) => Err(error),
            (put, _) => Ok(put),
        }
    }

    /// Frames that can be read at once.
    pub fn read_available(&self) -> Result<usize> {
        Ok(self.shared().audio.reader.lock().available())
    }
    pub fn write_space(&self) -> Result<usize> {
        if self.shared().media_is_over() {
            return Err(call_ended());
        }
        Ok(self.shared().audio.writer.lock().space())
    }

    /// Another format of what is read, written and played from now on. Only before media were negotiated.
    pub fn set_audio_format(&self, format: AudioFormat) -> Result<()> {
        format.check()?;
        self.require_live()?;
        if !self.media_info().codec.is_empty() {
            return Err(Error::new(ErrorKind::State, "media were negotiated: the audio format is settled"));
        }
        let shared = self.shared();
        let before = shared.audio.format();
        if format.rate == before.rate {
            shared.audio.replace(format, None);
            return Ok(());
        }
        let scaled = |frames: usize| frames * format.rate as usize / before.rate.max(1) as usize;
        let read = scaled(shared.audio.reader.lock().capacity());
        let write = scaled(shared.audio.writer.lock().capacity());
        let (session, host) = host_rings(format.rate, read, write);
        let rate = format.rate;
        self.media(MediaOp::Session(Box::new(move |s, _| s.set_host(rate, session))))?;
        shared.audio.replace(format, Some(host));
        Ok(())
    }

    /// Forgets what was received and not read, and written and not sent.
    pub fn flush_audio(&self) -> Result<()> {
        self.shared().audio.reader.lock().clear();
        self.require_live()?;
        self.shared().audio.writer.lock().flush();
        Ok(())
    }

    /// Waits until everything written and played was sent. Err(CallEnded) when the call ends before.
    pub fn drain_audio(&self, timeout: Timeout) -> Result<()> {
        if timeout != Some(Duration::ZERO) {
            self.link().dispatcher.refuse_in_callback()?;
        }
        let shared = self.shared();
        let empty = || shared.audio.writer.lock().pending() == 0 && shared.is_idle();
        let outcome = shared.signal().wait_for(timeout, || {
            if shared.media_is_over() {
                return Some(Err(call_ended()));
            }
            empty().then_some(Ok(()))
        });
        outcome.unwrap_or_else(|| Err(timed_out()))
    }

    /// Peak and RMS of the last frames (received, sent), 0..=32767.
    pub fn audio_levels(&self) -> ((i32, i32), (i32, i32)) {
        let levels = self.levels();
        let pair = |l: crate::media::Level| (i32::from(l.peak).min(32767), i32::from(l.rms).min(32767));
        (pair(levels.received), pair(levels.sent))
    }

    /// In percent, 0..=800: (what is heard, what is sent).
    pub fn set_gain(&self, receive: u32, send: u32) -> Result<()> {
        if receive > 800 || send > 800 {
            let message = format!("gains of {receive} and {send} percent are not within 0 to 800");
            return Err(Error::new(ErrorKind::Range, message));
        }
        self.media(MediaOp::Gain { receive, send })
    }

    /// Sends silence instead of what is written and played.
    pub fn mute(&self, muted: bool) -> Result<()> {
        self.media(MediaOp::Mute(muted))?;
        self.remember_muted(muted);
        Ok(())
    }

    /// `MediaEvent::Voice` tells who speaks from now on, or no longer.
    pub fn set_vad(&self, config: Option<VadConfig>) -> Result<()> {
        self.media(MediaOp::Session(Box::new(move |session, _| session.set_vad(config))))
    }

    /// An event with the counters every so often; zero: none.
    pub fn set_stats_interval(&self, every: Duration) -> Result<()> {
        if !every.is_zero() && every < Duration::from_millis(20) {
            return Err(Error::new(ErrorKind::Range, "an interval below 20 ms"));
        }
        self.media(MediaOp::StatsEvery(every))
    }

    /// To the call's stream, now or once it is open.
    pub(super) fn media(&self, op: MediaOp) -> Result<()> {
        self.require_live()?;
        self.link().post(ToControl::Media { call: self.id(), op })
    }
}

/// What a tap is given: frames of the phone's format.
pub enum TapFrames<'a> {
    S16(&'a [i16]),
    U8(&'a [u8]),
}

/// True: sent. Runs on the media worker: must not block.
pub type TapSink = Box<dyn FnMut(bool, TapFrames<'_>) + Send>;

impl Call {
    /// Another tap or none, as soon as the worker gets to it. The old one is dropped there and runs no more.
    pub fn set_tap(&self, sink: Option<TapSink>) -> Result<()> {
        let call = self.clone();
        let tap = sink.map(|mut sink| -> TapFn {
            Box::new(move |sent, frames| match call.audio_format().sample {
                SampleFormat::S16 => sink(sent, TapFrames::S16(frames)),
                sample @ SampleFormat::U8 => {
                    let mut bytes = [0; CHUNK];
                    for part in frames.chunks(CHUNK) {
                        let out = bytes.get_mut(..part.len()).unwrap_or_default();
                        to_host(sample, part, out);
                        sink(sent, TapFrames::U8(out));
                    }
                }
            })
        });
        self.media(MediaOp::Tap(tap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bit_silence_is_0x80_and_full_scale_keeps_its_sign() {
        let mut bytes = [0; 5];
        to_host(SampleFormat::U8, &[0, 255, 256, i16::MAX, i16::MIN], &mut bytes);
        assert_eq!(bytes, [0x80, 0x80, 0x81, 0xff, 0]);
        let mut samples = [1; 4];
        from_host(SampleFormat::U8, &[0x80, 0x81, 0xff, 0], &mut samples);
        assert_eq!(samples, [0, 256, 0x7f00, i16::MIN]);
    }

    #[test]
    fn sixteen_bit_samples_survive_the_way_through_the_hosts_bytes() {
        let mut bytes = [0; 6];
        to_host(SampleFormat::S16, &[1, -2, i16::MIN], &mut bytes);
        let mut back = [0; 3];
        from_host(SampleFormat::S16, &bytes, &mut back);
        assert_eq!(back, [1, -2, i16::MIN]);
    }
}
