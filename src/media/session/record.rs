//! A recording in the session: what is heard is queued until the send tick, whose grid is the recording's
//! clock. So both channels stay aligned, and where nothing is heard there is silence.

use crate::media::recorder::RecordTap;
use crate::media::resample::Resampler;
use std::collections::VecDeque;

/// What is heard may run ahead of the send tick so far.
const HEARD_MS: usize = 250;
const BLOCK: usize = 240;

pub struct Recording {
    tap: RecordTap,
    host_rate: u32,
    heard: VecDeque<i16>,
    capacity: usize,
    /// The queue has enough for the ticks to come at either side of each other.
    primed: bool,
    last_push: usize,
    to_host: Option<Resampler>,
    codec_rate: u32,
}

impl Recording {
    pub fn new(tap: RecordTap, host_rate: u32, codec_rate: u32) -> Recording {
        let capacity = host_rate as usize * HEARD_MS / 1000;
        let mut this = Recording {
            tap,
            host_rate,
            heard: VecDeque::with_capacity(capacity),
            capacity,
            primed: false,
            last_push: 0,
            to_host: None,
            codec_rate: 0,
        };
        this.set_codec_rate(codec_rate);
        this
    }

    pub fn set_codec_rate(&mut self, rate: u32) {
        if rate != self.codec_rate {
            self.codec_rate = rate;
            self.to_host = Resampler::between(rate, self.host_rate);
        }
    }

    /// Frames at the host's rate, as the host hears them.
    pub fn heard(&mut self, frames: &[i16]) {
        self.last_push = frames.len();
        let excess = (self.heard.len() + frames.len()).saturating_sub(self.capacity);
        self.heard.drain(..excess.min(self.heard.len()));
        let room = self.capacity - self.heard.len();
        self.heard.extend(frames[frames.len().saturating_sub(room)..].iter().copied());
    }

    /// One send tick, with what is sent at the codec's rate.
    pub fn said(&mut self, frames: &[i16]) {
        let mut at_host = [0; BLOCK * 6 + 8];
        let mut begun = false;
        for block in frames.chunks(BLOCK) {
            let n = match &mut self.to_host {
                Some(r) => r.process(block, &mut at_host),
                None => {
                    at_host[..block.len()].copy_from_slice(block);
                    block.len()
                }
            };
            if !begun {
                begun = true;
                let tick = n * frames.len() / block.len().max(1);
                self.primed = self.primed || self.heard.len() >= tick + self.last_push.max(tick);
            }
            for part in at_host[..n].chunks(BLOCK) {
                self.write(part);
            }
        }
    }

    fn next_heard(&mut self) -> i16 {
        if !self.primed {
            return 0;
        }
        let Some(frame) = self.heard.pop_front() else {
            self.primed = false;
            return 0;
        };
        frame
    }

    fn write(&mut self, said: &[i16]) {
        let mut out = [0; BLOCK * 2];
        let len = said.len() * usize::from(self.tap.channels());
        if self.tap.channels() == 1 {
            for o in &mut out[..len] {
                *o = self.next_heard();
            }
        } else {
            for (o, &s) in out[..len].chunks_exact_mut(2).zip(said) {
                o[0] = self.next_heard();
                o[1] = s;
            }
        }
        self.tap.push(&out[..len]);
    }

    /// What was heard and still waits, with silence beside it.
    pub fn finish(&mut self) {
        self.primed = true;
        while !self.heard.is_empty() {
            let n = self.heard.len().min(BLOCK);
            self.write(&[0; BLOCK][..n]);
        }
    }
}
