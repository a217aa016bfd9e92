//! A tick of the playout clock: what waits is decoded, what is missing made up, and the host hears it.

use super::super::decoding::Decoding;
use super::super::source::jitter_of;
use super::super::HostSide;
use super::formats::Format;
use super::{push_key, Receive, LARGE};
use crate::media::jitter::Next;
use crate::media::meter::Level;
use crate::media::params::MediaEvent;
use crate::util::Time;

/// Frames made up in a row before the stream counts as silent.
const MAX_MADE_UP: u32 = 3;
/// Ticks that one wake-up runs at most.
const MAX_TICKS: usize = 4;
/// Samples of one decoded packet: the common case, and others.
const USUAL: usize = 160;
const SMALL: usize = 480;
/// Frames of the host's rate that leave the resampler at a time.
const HOST_BLOCK: usize = 1024;

impl Receive {
    /// All that is due.
    pub fn run(&mut self, side: &mut HostSide, now: Time) {
        push_key(&mut side.events, self.keys.timeout(now));
        if self.timeout_at() <= now {
            self.timed_out = true;
            self.peer_is_silent = false;
            side.events.push(MediaEvent::Timeout);
        }
        for _ in 0..MAX_TICKS {
            let Some(tick) = self.playout.due(now, self.frame_ns) else { return };
            self.tick(side, tick);
        }
    }

    fn tick(&mut self, side: &mut HostSide, tick: Time) {
        self.hold_to_the_bound();
        if self.jitter.waiting() == 0 {
            return self.starve(side, tick);
        }
        match self.jitter.next(self.frame_ticks) {
            Next::Packet(slot) => self.play(side, tick, slot),
            Next::Lost => {
                self.make_up(side);
                self.playout.advance(self.frame_ns);
            }
            Next::Hold | Next::Empty => self.playout.advance(self.frame_ns),
        }
    }

    /// More than the largest delay waits, or the clock has found a frame too many: the oldest goes.
    fn hold_to_the_bound(&mut self) {
        let bound = self.playout.max_ns() + self.frame_ns;
        while self.frame_ns * self.jitter.waiting() as u64 > bound && self.jitter.waiting() > 1 {
            self.jitter.drop_next(self.frame_ticks);
        }
        if self.playout.take_leave_out() && self.jitter.waiting() > 1 {
            self.jitter.drop_next(self.frame_ticks);
        }
    }

    fn starve(&mut self, side: &mut HostSide, tick: Time) {
        if self.peer_is_silent {
            return self.comfort(side);
        }
        // A peer that sends a key sends no audio: nothing is missing.
        if self.keys.deadline().is_some() || self.made_up >= MAX_MADE_UP {
            self.made_up = 0;
            return self.flush();
        }
        if self.playout.wait(tick, self.frame_ns) {
            return;
        }
        self.jitter.next(self.frame_ticks);
        self.make_up(side);
        self.playout.advance(self.frame_ns);
    }

    fn play(&mut self, side: &mut HostSide, tick: Time, slot: usize) {
        let pt = self.jitter.payload_type(slot);
        let len = self.jitter.payload(slot).len();
        if self.decoding.as_ref().is_none_or(|d| d.payload_type != pt) {
            let Some((_, Format::Audio(codec))) = self.formats.iter().find(|(p, _)| *p == pt) else {
                self.jitter.release(slot, self.frame_ticks);
                return;
            };
            self.decoding = Some(Decoding::new(pt, *codec, self.host_rate));
        }
        let Some(decoding) = &mut self.decoding else { return };
        let codec = decoding.codec;
        let samples = match decoding.measured {
            (bytes, samples) if usize::from(bytes) == len => usize::from(samples),
            _ => {
                let samples = codec.samples_in(len).max(1);
                // invariant: a payload has 1500 bytes at most.
                decoding.measured = (len as u16, samples as u16);
                self.frame_ticks = codec.samples_to_ticks(samples).max(1);
                self.frame_ns = samples as u64 * 1_000_000_000 / u64::from(codec.audio_rate.max(1));
                samples
            }
        };
        if side.audio.is_stamped() {
            side.audio.stamp(self.stamp_of(slot), codec.clock_rate);
        }
        match samples {
            n if n <= USUAL => self.decode::<USUAL>(side, slot),
            n if n <= SMALL => self.decode::<SMALL>(side, slot),
            _ => self.decode::<LARGE>(side, slot),
        }
        let arrival = self.jitter.arrival(slot);
        self.playout.played(tick, arrival, || jitter_of(&self.source), self.frame_ns);
        self.jitter.release(slot, self.frame_ticks);
        self.playout.advance(self.frame_ns);
        self.made_up = 0;
    }

    /// The RTP timestamp of the first frame that the host gets of this packet: the resampler holds some back.
    fn stamp_of(&self, slot: usize) -> u32 {
        let delay = self.decoding.as_ref().map_or(0, |d| {
            let frames = d.to_host.as_ref().map_or(0, |r| r.delay());
            d.codec.samples_to_ticks(frames)
        });
        self.jitter.timestamp(slot).0.wrapping_sub(delay)
    }

    fn decode<const N: usize>(&mut self, side: &mut HostSide, slot: usize) {
        let plain = side.hears_plainly() && !self.goes_the_long_way();
        let Some(d) = &mut self.decoding else { return };
        let mut pcm = [0i16; N];
        let payload = self.jitter.payload(slot);
        if let Some(law) = d.law().filter(|_| plain) {
            // The level is known on the way.
            let (n, level) = law.decode(payload, &mut pcm);
            side.levels.received = level;
            return hand_over(side, &pcm[..n]);
        }
        let n = d.decoder.decode(payload, &mut pcm);
        let pcm = &mut pcm[..n];
        d.concealer.smooth(pcm);
        match d.decoder.is_stateless() {
            true => d.concealer.recovered(),
            false => d.concealer.heard(pcm),
        }
        deliver(side, d, pcm);
    }

    /// A frame of what the peer's silence sounds like.
    fn comfort(&mut self, side: &mut HostSide) {
        self.made_up = 0;
        self.playout.advance(self.frame_ns);
        let (Some(noise), Some(d)) = (&mut self.noise, &mut self.decoding) else { return };
        let mut left = d.codec.ticks_to_samples(self.frame_ticks) as usize;
        while left > 0 {
            let mut pcm = [0i16; SMALL];
            let n = left.min(SMALL);
            noise.fill(&mut pcm[..n]);
            deliver(side, d, &mut pcm[..n]);
            left -= n;
        }
    }

    fn make_up(&mut self, side: &mut HostSide) {
        let Some(d) = &mut self.decoding else { return };
        d.remember(&self.jitter);
        self.made_up += 1;
        let mut left = d.codec.ticks_to_samples(self.frame_ticks) as usize;
        while left > 0 {
            let mut pcm = [0i16; SMALL];
            let n = left.min(SMALL);
            d.concealer.conceal(&mut pcm[..n]);
            let frames = deliver(side, d, &mut pcm[..n]);
            side.stats.rx_concealed_frames += frames as u64;
            left -= n;
        }
    }
}

/// From the codec's rate to the host's ear; how many frames of the host's rate.
fn deliver(side: &mut HostSide, d: &mut Decoding, pcm: &mut [i16]) -> usize {
    if let Some(voice) = &mut side.voice {
        voice.heard(pcm, d.codec.audio_rate, &mut side.events);
    }
    side.receive_gain.apply(pcm);
    side.levels.received = Level::of(pcm);
    let Some(to_host) = &mut d.to_host else {
        hand_over(side, pcm);
        return pcm.len();
    };
    let mut total = 0;
    let piece = (HOST_BLOCK - 8) * d.codec.audio_rate as usize / side.config.host_rate as usize;
    for part in pcm.chunks(piece.max(1)) {
        let mut out = [0; HOST_BLOCK];
        let n = to_host.process(part, &mut out);
        hand_over(side, &out[..n]);
        total += n;
    }
    total
}

fn hand_over(side: &mut HostSide, frames: &[i16]) {
    if let Some(recording) = &mut side.recording {
        recording.heard(frames);
    }
    if let Some(tap) = &mut side.tap {
        tap.heard(frames);
    }
    // What is seldom counted lies in another cache line.
    let lost = side.audio.deliver(frames);
    if lost > 0 {
        side.stats.rx_overrun_frames += lost as u64;
    }
    side.wake.readable = true;
}
