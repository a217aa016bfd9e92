//! What the host and the driver of an RTP session share: audio, keys, counters, and whether it is over.

use super::call::{lock, timed_out, Timeout};
use super::call_audio::{to_host, AudioEnds};
use super::error::{Error, ErrorKind, Result};
use super::signal::Signal;
use crate::media::{MediaEvent, MediaStats, RtcpStats, RtpStream, SyncPoint};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;

/// Received keys that are kept; later ones are lost.
const MAX_KEYS: usize = 1024;
/// Frames that are converted at once, on the stack.
const CHUNK: usize = 480;

/// Told of keys on the driver's thread: the key, its length in ms so far, and whether that is final.
pub type KeySink = Box<dyn Fn(char, u32, bool) + Send + Sync>;

/// What a host can ask of a session at any time.
#[derive(Clone, Copy, Default, Debug)]
pub struct RtpSessionStats {
    pub media: MediaStats,
    pub rtcp: RtcpStats,
    /// The clock of the stream that is heard.
    pub clock_rate: u32,
    pub destination: Option<SocketAddr>,
    pub sync: Option<SyncPoint>,
}

pub(super) struct SessionShared {
    pub audio: AudioEnds,
    pub signal: Signal,
    keys: Mutex<VecDeque<u8>>,
    published: Mutex<RtpSessionStats>,
    drained: AtomicBool,
    over: AtomicBool,
    on_key: Option<KeySink>,
}

pub(super) fn over() -> Error {
    Error::new(ErrorKind::State, "the session was stopped")
}

impl SessionShared {
    pub fn new(audio: AudioEnds, on_key: Option<KeySink>) -> SessionShared {
        SessionShared {
            audio,
            signal: Signal::new(),
            keys: Mutex::new(VecDeque::with_capacity(64)),
            published: Mutex::default(),
            drained: AtomicBool::new(true),
            over: AtomicBool::new(false),
            on_key,
        }
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.signal.notify();
    }
    pub fn stats(&self) -> RtpSessionStats {
        *lock(&self.published)
    }

    /// By the driver after anything was done. A host that reads the counters right now keeps the old ones a
    /// moment longer: the driver never waits for it.
    pub fn publish(&self, stream: &mut RtpStream) {
        if let Ok(mut published) = self.published.try_lock() {
            *published = snapshot(stream);
        }
        let wake = stream.take_wake();
        let drained = stream.is_drained();
        let changed = self.drained.swap(drained, Ordering::AcqRel) != drained;
        if wake.readable || wake.writable || wake.drained || changed {
            self.signal.notify();
        }
    }
    pub fn publish_final(&self, stream: &RtpStream) {
        *lock(&self.published) = snapshot(stream);
    }

    pub fn event(&self, event: &MediaEvent) {
        let MediaEvent::Dtmf { digit, duration_ms, end } = *event else { return };
        if !end {
            let mut keys = lock(&self.keys);
            if keys.len() < MAX_KEYS && digit.is_ascii() {
                keys.push_back(digit as u8);
            }
        }
        self.signal.notify();
        if let Some(sink) = &self.on_key {
            sink(digit, duration_ms, end);
        }
    }

    /// As `Call::read_audio`.
    pub fn read(&self, pcm: &mut [u8], timeout: Timeout) -> Result<usize> {
        let wanted = self.audio.frames_of(pcm.len())?;
        let mut got = 0;
        let outcome = self.signal.wait_for(timeout, || {
            let ended = self.is_over();
            got += self.audio.read_into(&mut self.audio.reader.lock(), self.audio.after(pcm, got));
            if got >= wanted {
                return Some(Ok(()));
            }
            ended.then(|| Err(over()))
        });
        answer(got, outcome)
    }

    /// Always fills `pcm`; how many frames were real.
    pub fn read_padded(&self, pcm: &mut [u8]) -> Result<usize> {
        self.audio.frames_of(pcm.len())?;
        let got = match self.audio.reader.try_lock() {
            Some(mut reader) => self.audio.read_into(&mut reader, pcm),
            None => 0,
        };
        self.audio.after(pcm, got).fill(self.audio.format().silence_byte());
        Ok(got)
    }

    /// As `read`, with the RTP timestamp of the first frame. Ends where the timestamps jump.
    pub fn read_timed(&self, pcm: &mut [u8], timeout: Timeout) -> Result<(usize, u32)> {
        let wanted = self.audio.frames_of(pcm.len())?;
        let mut timestamp = 0;
        let mut got = 0;
        let mut last_try = false;
        let mut attempt = |at_least: usize| {
            let mut reader = self.audio.reader.lock();
            let (first, follow) = reader.next_timed();
            let jump = follow < reader.available();
            let Some(first) = first.filter(|_| follow >= at_least || jump) else { return false };
            timestamp = first;
            let size = self.audio.format().bytes_per_frame().max(1);
            let most = follow.min(wanted);
            for chunk in pcm.get_mut(..most * size).unwrap_or_default().chunks_mut(CHUNK * size) {
                let mut samples = [0i16; CHUNK];
                let n = reader.read(samples.get_mut(..chunk.len() / size).unwrap_or_default());
                to_host(self.audio.format().sample, samples.get(..n).unwrap_or_default(), chunk);
                got += n;
            }
            true
        };
        // More than the ring holds would never be there at once.
        let enough = wanted.min(self.audio.reader.lock().capacity() / 2).max(1);
        let outcome = self.signal.wait_for(timeout, || {
            let ended = self.is_over();
            if attempt(if ended { 1 } else { enough }) {
                return Some(Ok(()));
            }
            ended.then(|| Err(over()))
        });
        if outcome.is_none() {
            last_try = attempt(1);
        }
        let outcome = outcome.or(last_try.then_some(Ok(())));
        answer(got, outcome).map(|got| (got, timestamp))
    }

    pub fn write(&self, pcm: &[u8], timeout: Timeout) -> Result<usize> {
        let wanted = self.audio.frames_of(pcm.len())?;
        let size = self.audio.format().bytes_per_frame();
        let mut put = 0;
        let outcome = self.signal.wait_for(timeout, || {
            if self.is_over() {
                return Some(Err(over()));
            }
            let rest = pcm.get(put * size..).unwrap_or_default();
            put += self.audio.write_from(&mut self.audio.writer.lock(), rest);
            (put >= wanted).then_some(Ok(()))
        });
        answer(put, outcome)
    }

    /// Waits until all that was written and keyed has been sent.
    pub fn drain(&self, timeout: Timeout) -> Result<()> {
        let empty = || self.audio.writer.lock().pending() == 0 && self.drained.load(Ordering::Acquire);
        let outcome = self.signal.wait_for(timeout, || {
            if self.is_over() {
                return Some(Err(over()));
            }
            empty().then_some(Ok(()))
        });
        outcome.unwrap_or_else(|| Err(timed_out()))
    }
    /// Keys were queued: nothing is drained until the driver says so.
    pub fn keys_queued(&self) {
        self.drained.store(false, Ordering::Release);
    }

    pub fn read_keys(&self, buf: &mut [u8], timeout: Timeout) -> Result<usize> {
        let taken = self.signal.wait_for(timeout, || {
            let ended = self.is_over();
            let mut keys = lock(&self.keys);
            let n = keys.len().min(buf.len());
            buf.iter_mut().zip(keys.drain(..n)).for_each(|(place, key)| *place = key);
            if n > 0 {
                return Some(Ok(n));
            }
            ended.then(|| Err(over()))
        });
        taken.unwrap_or_else(|| Err(timed_out()))
    }
}

fn snapshot(stream: &RtpStream) -> RtpSessionStats {
    let (media, rtcp) = stream.stats();
    RtpSessionStats {
        media,
        rtcp,
        clock_rate: stream.heard_clock_rate(),
        destination: stream.destination(),
        sync: stream.sync(),
    }
}

/// What was moved counts; nothing: why not.
fn answer(count: usize, outcome: Option<Result<()>>) -> Result<usize> {
    match (count, outcome) {
        (0, None) => Err(timed_out()),
        (0, Some(Err(error))) => Err(error),
        (count, _) => Ok(count),
    }
}
