//! Concealment of lost frames: the last pitch period is repeated and faded out.
//!
//! A better one (WSOLA, a codec's own) takes this place behind the same three functions: `heard` after each
//! real frame, `conceal` for each lost one, `smooth` on the first real frame after a loss. Where the last packets can be
//! decoded once more, `heard` may wait for the loss, and `recovered` takes its place.

use crate::util::prefetch;

mod pitch;

/// Full level for so long, then a linear fade.
const HOLD_MS: u32 = 10;
const FADE_MS: u32 = 50;
/// Cross-fade from the made-up signal back to the real one.
const SMOOTH_MS: u32 = 4;

#[derive(Clone, Debug)]
#[repr(C)]
pub struct Concealer {
    /// While concealing: the period being repeated (it lies at the end of `history`), and how many frames
    /// were made up.
    period: usize,
    made_up: u32,
    rate: u32,
    /// The last frames heard, two maximal periods and more (nothing before the first): a circle whose oldest frame is at `at`. While concealing
    /// it is laid straight, the newest at the end.
    history: Box<[i16]>,
    at: usize,
    /// Difference at the joint, faded out over the first frames.
    step: i32,
}

impl Concealer {
    /// All its room is made here: losses come to many calls at once, and a busy thread has no time to look for memory.
    pub fn new(rate: u32) -> Concealer {
        let mut concealer =
            Concealer { rate, history: Box::default(), at: 0, period: 0, made_up: 0, step: 0 };
        concealer.history = vec![0; concealer.memory()].into();
        concealer
    }

    pub fn reset(&mut self) {
        self.history.fill(0);
        self.period = 0;
        self.made_up = 0;
    }

    /// Frames that it remembers.
    pub fn memory(&self) -> usize {
        self.frames(pitch::MEMORY_MS)
    }
    /// Has the room of the next frame at hand.
    pub fn prefetch(&self) {
        if let Some(room) = self.history.get(self.at..) {
            prefetch(&room[..self.frames(20).min(room.len())]);
        }
    }
    pub fn heap_bytes(&self) -> usize {
        core::mem::size_of_val(&*self.history)
    }

    fn frames(&self, ms: u32) -> usize {
        (self.rate * ms / 1000) as usize
    }

    /// A loss is over; of the real frames behind it nothing is remembered yet.
    pub fn recovered(&mut self) {
        self.period = 0;
        self.made_up = 0;
    }

    /// Remembers real frames. After a loss call `smooth` on them first.
    pub fn heard(&mut self, frames: &[i16]) {
        self.recovered();
        let len = self.history.len();
        let frames = &frames[frames.len().saturating_sub(len)..];
        let (to_end, rest) = frames.split_at(frames.len().min(len - self.at));
        self.history[self.at..self.at + to_end.len()].copy_from_slice(to_end);
        self.history[..rest.len()].copy_from_slice(rest);
        self.at = (self.at + frames.len()) % len;
    }

    pub fn is_concealing(&self) -> bool {
        self.period > 0
    }

    /// Fills `out` with a continuation of what was heard; fades to silence 60 ms after the last real frame.
    pub fn conceal(&mut self, out: &mut [i16]) {
        if self.period == 0 {
            self.history.rotate_left(self.at);
            self.at = 0;
            self.period = pitch::period(&self.history, self.rate);
            let len = self.history.len();
            self.step = i32::from(self.history[len - 1]) - i32::from(self.history[len - 1 - self.period]);
        }
        let heard_until = self.frames(HOLD_MS + FADE_MS);
        let left = heard_until.saturating_sub(self.made_up as usize);
        let (out, silence) = out.split_at_mut(left.min(out.len()));
        silence.fill(0);
        self.repeat(out);
        self.join(out);
        self.fade(out);
        self.made_up += out.len() as u32;
    }

    /// The period over and over. Its last quarter glides into what came before the period, so that the next round
    /// joins without a step.
    fn repeat(&self, out: &mut [i16]) {
        let start = self.history.len() - self.period;
        let quarter = self.period / 4;
        let glide = if start >= self.period { self.period - quarter } else { self.period };
        let mut at = self.made_up as usize % self.period;
        let mut rest = out;
        while !rest.is_empty() {
            let end = if at < glide { glide } else { self.period };
            let (now, later) = rest.split_at_mut((end - at).min(rest.len()));
            now.copy_from_slice(&self.history[start + at..][..now.len()]);
            if at >= glide {
                let before = &self.history[start + at - self.period..];
                let mut share = Share::new(at - glide, quarter);
                for (o, &b) in now.iter_mut().zip(before) {
                    *o = narrow(i32::from(*o) + share.of(i32::from(b) - i32::from(*o)));
                    share.grow();
                }
            }
            at = (at + now.len()) % self.period;
            rest = later;
        }
    }

    /// Takes the step from the last real frame out of the first 2 ms.
    fn join(&self, out: &mut [i16]) {
        let ramp = self.frames(2);
        let joint = ramp.saturating_sub(self.made_up as usize).min(out.len());
        let mut share = Share::new(self.made_up as usize, ramp);
        for o in &mut out[..joint] {
            *o = narrow(i32::from(*o) + self.step - share.of(self.step));
            share.grow();
        }
    }

    fn fade(&self, out: &mut [i16]) {
        let hold = self.frames(HOLD_MS);
        let made_up = self.made_up as usize;
        let fading = out.len().min(hold.saturating_sub(made_up));
        let mut share = Share::new(made_up.saturating_sub(hold), self.frames(FADE_MS));
        for o in &mut out[fading..] {
            *o -= share.of(i32::from(*o)) as i16;
            share.grow();
        }
    }

    /// Cross-fades the beginning of the first real frames after a loss with the made-up signal.
    pub fn smooth(&mut self, frames: &mut [i16]) {
        if self.period == 0 {
            return;
        }
        let n = self.frames(SMOOTH_MS).min(frames.len());
        let (mut share, mut made_up) = (Share::new(1, n + 1), [0; 32]);
        for some in frames[..n].chunks_mut(made_up.len()) {
            let made_up = &mut made_up[..some.len()];
            self.conceal(made_up);
            for (real, &m) in some.iter_mut().zip(&*made_up) {
                *real = narrow(i32::from(m) + share.of(i32::from(*real) - i32::from(m)));
                share.grow();
            }
        }
    }
}

/// A share that grows by one part a frame, from nothing to the whole: without a division a frame.
struct Share {
    now: i64,
    part: i64,
}

impl Share {
    const WHOLE: i64 = 1 << 30;

    fn new(parts: usize, of: usize) -> Share {
        let part = Share::WHOLE / of.max(1) as i64;
        Share { now: part * parts as i64, part }
    }
    fn grow(&mut self) {
        self.now += self.part;
    }
    fn of(&self, value: i32) -> i32 {
        ((i64::from(value) * self.now + Share::WHOLE / 2) >> 30) as i32
    }
}

fn narrow(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, rate: u32, from: usize, n: usize) -> Vec<i16> {
        let w = core::f64::consts::TAU * hz / f64::from(rate);
        (from..from + n).map(|i| ((i as f64 * w).sin() * 10_000.0) as i16).collect()
    }

    #[test]
    fn a_lost_frame_of_a_tone_continues_the_tone() {
        for (rate, hz) in [(8000, 200.0), (8000, 440.0), (16_000, 310.0), (48_000, 150.0)] {
            let frame = rate as usize / 50;
            let mut c = Concealer::new(rate);
            for i in 0..4 {
                c.heard(&sine(hz, rate, i * frame, frame));
            }
            let mut out = vec![0; frame];
            c.conceal(&mut out);
            let want = sine(hz, rate, 4 * frame, frame);
            // Before the fade begins the error stays below a tenth of the amplitude.
            let hold = frame / 2;
            let worst = (0..hold).map(|i| (i32::from(out[i]) - i32::from(want[i])).abs()).max();
            assert!(worst < Some(2_000), "{rate} Hz, tone {hz}: {worst:?}");
        }
    }

    #[test]
    fn a_long_loss_fades_to_silence() {
        let mut c = Concealer::new(8000);
        c.heard(&sine(300.0, 8000, 0, 400));
        let mut out = [0; 640];
        c.conceal(&mut out);
        assert!(out[..80].iter().any(|&s| s > 8000));
        assert_eq!(out[480..], [0; 160]);
    }

    #[test]
    fn nothing_heard_conceals_as_silence() {
        let mut c = Concealer::new(8000);
        let mut out = [1; 160];
        c.conceal(&mut out);
        assert_eq!(out, [0; 160]);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut c = Concealer::new(8000);
        let square: Vec<i16> = (0..400).map(|i| if i / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        c.heard(&square);
        let mut out = [0; 320];
        c.conceal(&mut out);
        c.smooth(&mut [i16::MIN; 160]);
    }
}
