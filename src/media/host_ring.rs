//! The two rings between a session and its host: received audio one way, audio to send the other.
//!
//! Each is wait-free with one producer and one consumer, and counts in frames of the host's rate. The
//! producer of a ring can't take the oldest frames back, so the bound on latency is kept by the consumer:
//! when received audio had to be thrown away since the ring was full, the ring is marked stale, and the
//! reader forgets what is in it before it reads on. A host that comes back from a pause hears what is said
//! now, not what was said then. That mark is the flag of the session's side; the count of the host's side says up to which
//! count of written frames everything is to be forgotten.
//!
//! A host that wants to know where the audio stands in the stream's time has stamps beside it: see
//! [`super::stamps`].

use super::ring::{ring_pair, RingReader, RingWriter, Room};
use super::stamps::{stamps, StampReader, StampWriter};
use core::sync::atomic::Ordering;

/// The host's two ends.
#[derive(Debug)]
pub struct HostAudio {
    pub reader: AudioReader,
    pub writer: AudioWriter,
}

/// The session's two ends.
#[derive(Debug)]
pub struct SessionAudio {
    received: RingWriter,
    to_send: RingReader,
    /// Frames taken out of `to_send` since the start; of these, forgotten instead of sent.
    taken: u64,
    forgotten: u64,
    /// What was forgotten last: after this many written frames, up to that many.
    cut: Option<(u64, u64)>,
    stamps: Option<Box<StampWriter>>,
}

/// What there is always memory for: a host that reads is two packets of 20 ms behind at most, one that writes keeps up to
/// three ready.
const NEAR_READ_MS: usize = 60;
const NEAR_WRITE_MS: usize = 80;

/// Both rings, for a host of this rate, with the capacities in frames.
pub fn host_rings(host_rate: u32, read_frames: usize, write_frames: usize) -> (SessionAudio, HostAudio) {
    let room = |capacity, near_ms| Room { capacity, near: host_rate as usize * near_ms / 1000 };
    let (read, write) = (room(read_frames, NEAR_READ_MS), room(write_frames, NEAR_WRITE_MS));
    let [(received, reader), (writer, to_send)] = ring_pair(read, write);
    let session = SessionAudio { received, to_send, taken: 0, forgotten: 0, cut: None, stamps: None };
    let reader = AudioReader { ring: reader, stamps: None };
    let writer = AudioWriter { ring: writer, written: 0 };
    (session, HostAudio { reader, writer })
}

/// From now on received audio carries its RTP timestamps: [`AudioReader::read_timed`].
pub fn add_stamps(session: &mut SessionAudio, reader: &mut AudioReader, host_rate: u32) {
    let (writer, stamps) = stamps(host_rate);
    session.stamps = Some(Box::new(writer));
    reader.stamps = Some(Box::new(stamps));
}

/// Received audio, for the host.
#[derive(Debug)]
pub struct AudioReader {
    ring: RingReader,
    stamps: Option<Box<StampReader>>,
}

impl AudioReader {
    /// Where the memory of both rings is.
    pub fn memory(&self) -> usize {
        self.ring.memory()
    }
    /// For a read from a ring that is at its front, as it is as a rule. Changes nothing but time.
    #[inline]
    pub fn prefetch(memory: usize) {
        RingReader::prefetch_front(memory);
    }

    #[inline]
    fn forget_stale(&mut self) {
        let stale = &self.ring.marks().flag;
        if stale.load(Ordering::Relaxed) && stale.swap(false, Ordering::Acquire) {
            self.clear();
        }
    }

    /// Takes up to `out.len()` frames; how many. Empty is empty: nothing is made up.
    #[inline]
    pub fn read(&mut self, out: &mut [i16]) -> usize {
        self.forget_stale();
        self.take(out)
    }
    #[inline]
    fn take(&mut self, out: &mut [i16]) -> usize {
        let n = self.ring.pop(out);
        self.passed(n);
        n
    }
    #[inline]
    fn passed(&mut self, frames: usize) {
        if let Some(stamps) = &mut self.stamps {
            stamps.passed(frames);
        }
    }
    /// The RTP timestamp of the next frame (None: nothing is there, or nobody has stamped it), and how many frames
    /// can be read that follow it without a jump.
    pub fn next_timed(&mut self) -> (Option<u32>, usize) {
        let available = self.available();
        match &mut self.stamps {
            Some(stamps) => {
                let (timestamp, follow) = stamps.now();
                (timestamp.filter(|_| available > 0), available.min(follow))
            }
            None => (None, available),
        }
    }
    /// As `read`, with the timestamp of the first frame; ends where the timestamps jump.
    pub fn read_timed(&mut self, out: &mut [i16]) -> (usize, Option<u32>) {
        let (timestamp, follow) = self.next_timed();
        let most = out.len().min(follow);
        (self.read(&mut out[..most]), timestamp)
    }
    /// Frames that a read would give.
    pub fn available(&mut self) -> usize {
        self.forget_stale();
        self.ring.available()
    }
    /// Forgets everything received so far; how many frames that were.
    pub fn clear(&mut self) -> usize {
        let n = self.ring.skip(usize::MAX);
        self.passed(n);
        n
    }
    /// The session is gone: what is available is all there will be.
    pub fn is_closed(&self) -> bool {
        self.ring.is_abandoned()
    }
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

/// Audio to send, from the host.
#[derive(Debug)]
pub struct AudioWriter {
    ring: RingWriter,
    written: u64,
}

impl AudioWriter {
    /// As for the reader; memory that is written to need not be there at once.
    #[inline]
    pub fn prefetch(memory: usize) {
        RingReader::prefetch_words(memory);
    }
    /// Gives up to `frames.len()` frames; how many were taken.
    #[inline]
    pub fn write(&mut self, frames: &[i16]) -> usize {
        let n = self.ring.push(frames);
        self.written += n as u64;
        n
    }
    pub fn space(&self) -> usize {
        self.ring.space()
    }
    /// Frames written since the start.
    pub fn written(&self) -> u64 {
        self.written
    }
    /// Frames written that the session has not taken.
    pub fn pending(&self) -> usize {
        self.capacity() - self.ring.space()
    }
    /// Forgets what was written and not sent. What is written after this call stays. The space comes back
    /// with the session's next tick.
    pub fn flush(&mut self) {
        self.ring.marks().count.store(self.written, Ordering::Release);
    }
    pub fn is_closed(&self) -> bool {
        self.ring.is_abandoned()
    }
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

impl SessionAudio {
    /// Has at hand what leads to the memory of either way.
    #[inline]
    pub fn prefetch_words(&self) {
        self.received.prefetch_words();
    }
    /// The memory of the next `count` frames either way, if the words are at hand.
    pub fn prefetch(&self, count: usize) {
        self.received.prefetch(count);
        self.to_send.prefetch(count);
    }
    /// Hands received frames to the host; how many had to be thrown away.
    pub fn deliver(&mut self, frames: &[i16]) -> usize {
        let stamped = self.stamps.as_mut().is_none_or(|s| s.publish());
        let pushed = stamped && self.received.push_all(frames);
        if let Some(stamps) = &mut self.stamps {
            stamps.passed(frames.len(), pushed);
        }
        if pushed {
            return 0;
        }
        self.received.marks().flag.store(true, Ordering::Release);
        frames.len()
    }

    pub fn is_stamped(&self) -> bool {
        self.stamps.is_some()
    }
    /// The next frame delivered has this RTP timestamp, on a clock of so many ticks a second.
    pub fn stamp(&mut self, timestamp: u32, clock_rate: u32) {
        if let Some(stamps) = &mut self.stamps {
            stamps.set(timestamp, clock_rate);
        }
    }

    /// Takes up to `out.len()` frames of what the host wrote; how many.
    pub fn take(&mut self, out: &mut [i16]) -> usize {
        self.forget_flushed();
        let n = self.to_send.pop(out);
        self.taken += n as u64;
        n
    }

    fn forget_flushed(&mut self) {
        let flush_to = self.to_send.marks().count.load(Ordering::Acquire);
        let Some(behind) = flush_to.checked_sub(self.taken).filter(|&n| n > 0) else { return };
        self.forget(usize::try_from(behind).unwrap_or(usize::MAX));
    }

    fn forget(&mut self, most: usize) {
        let n = self.to_send.skip(most) as u64;
        let before = self.taken;
        self.taken += n;
        self.forgotten += n;
        self.cut = Some((before, self.taken)).filter(|_| n > 0).or(self.cut);
    }

    /// Forgets what the host wrote so far.
    pub fn flush_to_send(&mut self) {
        self.forget(usize::MAX);
    }

    /// Frames gone from the ring since the start.
    pub fn taken(&self) -> u64 {
        self.taken
    }
    /// Of these, frames that were there to be sent.
    pub fn sent(&self) -> u64 {
        self.taken - self.forgotten
    }
    /// What was forgotten since the last look: written frames after the first count, up to the second.
    pub fn take_cut(&mut self) -> Option<(u64, u64)> {
        self.cut.take()
    }
    /// Frames the host has written and the session not taken.
    pub fn pending(&mut self) -> usize {
        self.forget_flushed();
        self.to_send.available()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_empty_and_silence_is_audio() {
        let (mut session, mut host) = host_rings(8000, 320, 320);
        let mut out = [7i16; 160];
        assert_eq!(host.reader.read(&mut out), 0);
        session.deliver(&[0; 80]);
        assert_eq!(host.reader.read(&mut out), 80);
        assert_eq!(out[..80], [0; 80]);
    }

    #[test]
    fn after_an_overrun_the_reader_hears_only_what_comes_now() {
        let (mut session, mut host) = host_rings(8000, 320, 320);
        assert_eq!(session.deliver(&[1; 160]), 0);
        assert_eq!(session.deliver(&[2; 160]), 0);
        assert_eq!(session.deliver(&[3; 160]), 160);
        let mut out = [0i16; 320];
        assert_eq!(host.reader.read(&mut out), 0);
        assert_eq!(session.deliver(&[4; 160]), 0);
        assert_eq!(host.reader.read(&mut out), 160);
        assert_eq!(out[0], 4);
    }

    #[test]
    fn a_flush_forgets_what_was_written_before_and_keeps_what_comes_after() {
        let (mut session, mut host) = host_rings(8000, 320, 320);
        host.writer.write(&[1; 200]);
        host.writer.flush();
        host.writer.write(&[2; 100]);
        let mut out = [0i16; 320];
        assert_eq!(session.take(&mut out), 100);
        assert!(out[..100].iter().all(|&s| s == 2));
        assert_eq!(host.writer.space(), 320);
    }

    #[test]
    fn each_end_sees_when_the_other_is_gone() {
        let (session, host) = host_rings(8000, 10, 10);
        assert!(!host.reader.is_closed());
        drop(session);
        assert!(host.reader.is_closed() && host.writer.is_closed());
    }
}
