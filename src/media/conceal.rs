//! Concealment of lost frames: the last pitch period is repeated and faded out.
//!
//! A better one (WSOLA, a codec's own) takes this place behind the same three functions: `heard` after each
//! real frame, `conceal` for each lost one, `smooth` on the first real frame after a loss. Where the last packets can be
//! decoded once more, `heard` may wait for the loss, and `recovered` takes its place.

use crate::util::prefetch;

/// Full level for so long, then a linear fade.
const HOLD_MS: u32 = 10;
const FADE_MS: u32 = 50;
/// Pitch is sought between 2.5 ms (400 Hz) and 15 ms (67 Hz).
const MIN_PERIOD_US: u32 = 2_500;
const MAX_PERIOD_MS: u32 = 15;
const WINDOW_MS: u32 = 15;
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
        self.frames(MAX_PERIOD_MS * 2 + WINDOW_MS)
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
            self.period = self.find_period();
            let len = self.history.len();
            self.step = i32::from(self.history[len - 1]) - i32::from(self.history[len - 1 - self.period]);
        }
        for o in out {
            *o = self.next_made_up();
        }
    }

    fn next_made_up(&mut self) -> i16 {
        let hold = self.rate * HOLD_MS / 1000;
        let fade = (self.rate * FADE_MS / 1000) as i32;
        let n = self.made_up;
        let past = n.saturating_sub(hold) as i32;
        if past >= fade {
            return 0;
        }
        self.made_up = n + 1;
        let start = self.history.len() - self.period;
        let at = n as usize % self.period;
        let mut value = i32::from(self.history[start + at]);
        // The last quarter of the period glides into what came before the period, so that the next round
        // joins without a step.
        let quarter = self.period / 4;
        let into = (at + quarter).saturating_sub(self.period) as i32;
        if into > 0 && start >= self.period {
            let before = i32::from(self.history[start + at - self.period]);
            value += (before - value) * into / quarter.max(1) as i32;
        }
        let ramp = (self.rate / 500) as i32;
        if (n as i32) < ramp {
            value += self.step * (ramp - n as i32) / ramp;
        }
        if past > 0 {
            value = value * (fade - past) / fade;
        }
        value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
    }

    /// The lag with the best normalised correlation of the last frames with themselves, first in
    /// steps of 1/8000 s over every n-th frame (4000 Hz), then refined. Integers only: the same bits on every machine.
    fn find_period(&self) -> usize {
        let coarse = (self.rate / 8000).max(1) as usize;
        let sparse = (self.rate / 4000).max(1) as usize;
        let min = (u64::from(self.rate) * u64::from(MIN_PERIOD_US) / 1_000_000) as usize;
        let max = self.frames(MAX_PERIOD_MS);
        let rough = self.best_lag(min, max, coarse, sparse);
        let low = rough.saturating_sub(coarse - 1).max(min);
        self.best_lag(low, (rough + coarse - 1).min(max), 1, 1)
    }

    fn best_lag(&self, min: usize, max: usize, lag_step: usize, frame_step: usize) -> usize {
        let len = self.history.len();
        let window = self.frames(WINDOW_MS);
        let recent = &self.history[len - window..];
        let mut best = (0i128, 1i128, max);
        for lag in (min..=max).step_by(lag_step) {
            let earlier = &self.history[len - window - lag..len - lag];
            let (mut cross, mut energy) = (0i64, 1i64);
            for (&a, &b) in recent.iter().zip(earlier).step_by(frame_step) {
                cross += i64::from(a) * i64::from(b);
                energy += i64::from(b) * i64::from(b);
            }
            if cross <= 0 {
                continue;
            }
            // cross²/energy, compared without dividing.
            let score = i128::from(cross) * i128::from(cross);
            if score * best.1 > best.0 * i128::from(energy) {
                best = (score, i128::from(energy), lag);
            }
        }
        best.2
    }

    /// Cross-fades the beginning of the first real frames after a loss with the made-up signal.
    pub fn smooth(&mut self, frames: &mut [i16]) {
        if self.period == 0 {
            return;
        }
        let n = self.frames(SMOOTH_MS).min(frames.len());
        for (i, f) in frames[..n].iter_mut().enumerate() {
            let made_up = i32::from(self.next_made_up());
            let real = i32::from(*f);
            *f = (made_up + (real - made_up) * (i as i32 + 1) / (n as i32 + 1)) as i16;
        }
    }
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
