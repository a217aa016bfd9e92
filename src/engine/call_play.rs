//! Playing into a call and recording it.

use super::call::Call;
use super::call_audio::from_host;
use super::error::{Error, ErrorKind, Result};
use super::recorder::{busy, Recording, WavFile};
use super::worker::MediaOp;
use crate::media::wav::WavView;
use crate::media::{record_tap, PlaySource};
use std::io::Read;

/// Files up to this size are played; they are read as a whole on the thread that asks.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Seconds of audio between a session and the file thread.
const RECORD_RING_SECONDS: u32 = 3;
/// Peak of a played tone: -10 dBm0 or so, a comfortable level.
const TONE_LEVEL: i16 = 8000;

impl Call {
    /// Queues a WAV file. `MediaEvent::PlayFinished` with this number follows.
    pub fn play_file(&self, path: &str) -> Result<u64> {
        self.require_live()?;
        let bytes = read_bounded(path)?;
        let (samples, rate) = decode_wav(path, &bytes)?;
        self.play(PlaySource::pcm(samples.into(), rate))
    }

    /// Queues PCM in the phone's format.
    pub fn play_pcm(&self, pcm: &[u8]) -> Result<u64> {
        self.require_live()?;
        let format = self.audio_format();
        let size = format.bytes_per_frame().max(1);
        if pcm.len() % size != 0 || pcm.is_empty() {
            let message = format!("{} bytes are not a whole number of {size}-byte frames", pcm.len());
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let mut samples = vec![0; pcm.len() / size];
        from_host(format.sample, pcm, &mut samples);
        self.play(PlaySource::pcm(samples.into(), format.rate))
    }

    /// `ms` 0: until stopped.
    pub fn play_tone(&self, hz: u32, ms: u32) -> Result<u64> {
        self.require_live()?;
        let rate = self.audio_format().rate;
        if hz == 0 || hz > rate / 2 {
            return Err(Error::new(ErrorKind::Range, format!("a tone of {hz} Hz at {rate} Hz")));
        }
        let frames = if ms == 0 { u64::MAX } else { u64::from(ms) * u64::from(rate) / 1000 };
        self.play(PlaySource::Tone { hz, level: TONE_LEVEL, frames })
    }

    fn play(&self, source: PlaySource) -> Result<u64> {
        let id = self.link().next_id();
        self.shared().job_begun();
        let posted = self.media(MediaOp::Play { source, id });
        self.begun(id, posted)
    }

    /// What is queued gets its `PlayFinished`, not completed.
    pub fn play_stop(&self) -> Result<()> {
        self.media(MediaOp::PlayStop)
    }

    /// `channels` 1: what is heard; 2: left heard, right sent. The file is created here, so errors are immediate;
    /// `MediaEvent::RecordFinished` follows when it is closed.
    pub fn record_start(&self, path: &str, channels: u8) -> Result<u64> {
        if !(1..=2).contains(&channels) {
            return Err(Error::new(ErrorKind::Range, format!("{channels} channels, 1 or 2 are possible")));
        }
        self.require_live()?;
        let rate = self.audio_format().rate;
        let file = WavFile::create(path, rate, channels)?;
        let jobs = self.link().recorder.sender(self.link())?;
        if jobs.is_full() {
            return Err(busy());
        }
        let id = self.link().next_id();
        let (tap, drain) = record_tap((rate * RECORD_RING_SECONDS) as usize, channels);
        self.media(MediaOp::Record(tap))?;
        // A queue that filled in this instant drops the drain, and the recording ends as not written.
        let job = Box::new(Recording { call: self.id(), id, drain, file });
        jobs.try_send(job).map_err(|_| busy())?;
        Ok(id)
    }

    pub fn record_stop(&self) -> Result<()> {
        self.media(MediaOp::RecordStop)
    }
}

pub(super) fn read_bounded(path: &str) -> Result<Vec<u8>> {
    let what = || format!("reading {path}");
    let file = std::fs::File::open(path).map_err(|e| Error::system(&what(), &e))?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|e| Error::system(&what(), &e))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let message = format!("{path} is larger than {} MiB", MAX_FILE_BYTES >> 20);
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(bytes)
}

fn decode_wav(path: &str, bytes: &[u8]) -> Result<(Vec<i16>, u32)> {
    let wav = WavView::parse(bytes)
        .map_err(|e| Error::new(ErrorKind::Codec, format!("{path} is no WAV file: {e}")))?;
    Ok((wav.to_mono(), wav.format.rate))
}
