//! Keys found as tones in the sound (ITU-T Q.24).
//!
//! Every 3.25 ms the last 26 ms are looked at under Hann's window, by Goertzel's recurrence at the eight frequencies. A window
//! is a key's when one pair of tones has nearly all of its energy, neither is much louder than the other, and both are where
//! they belong: the phase from window to window says how far off they are. So many windows in a row are a key; speech has its
//! energy elsewhere. No I/O; after it was made nothing is allocated.

use super::tones::{HIGH_HZ, KEYS, LOW_HZ};
use core::f64::consts::{PI, TAU};

/// A window, and the step from one to the next, in parts of a second.
const WINDOW_S: f64 = 0.026;
const STEPS: usize = 8;
/// The pair's share of the window's energy. A tone that fills only a part of it has no more than that part.
const LEAST_SHARE: f64 = 0.80;
/// Between the 1.5 % that must be taken and the 3.5 % that must not.
const MOST_OFF: f64 = 0.025;
/// Windows in a row that a tone of 40 ms has and one of 24 ms has not.
const LEAST_WINDOWS: u32 = 6;
const LEAST_MS: u32 = 40;
/// Windows without it that end a key: a break of 10 ms does not, a pause of 30 ms does.
const GAP_WINDOWS: u32 = 7;

/// What counts as a key.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ToneLimits {
    /// Shortest tone, in ms: 40 or more.
    pub least_ms: u32,
    /// How far the high tone may be above the low one, and the low one above the high one, in dB.
    pub high_above_low_db: f64,
    pub low_above_high_db: f64,
    /// Peak of the quieter tone, of 32767.
    pub least_peak: f64,
}

impl Default for ToneLimits {
    fn default() -> ToneLimits {
        ToneLimits { least_ms: LEAST_MS, high_above_low_db: 6.0, low_above_high_db: 8.0, least_peak: 200.0 }
    }
}

/// A key that was found: told once when it has lasted long enough and once when it is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ToneKey {
    pub key: char,
    /// Frames since the detector was made at which it began, and up to which it has lasted; to within a few ms.
    pub began: u64,
    pub ended: u64,
    pub end: bool,
}

/// One of the eight frequencies.
#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    hz: f64,
    /// Cosine and sine of its angle a frame, and its turn from window to window.
    cos: f64,
    sin: f64,
    turn: f64,
    phase: f64,
    power: f64,
    /// How far the tone is off, in Hz: in this window, and in the one before.
    off: f64,
    off_before: f64,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    key: char,
    windows: u32,
    gap: u32,
    began: u64,
    ended: u64,
    told: bool,
}

#[derive(Clone, Debug)]
pub struct ToneDetector {
    limits: ToneLimits,
    least_windows: u32,
    rate: f64,
    /// The last sound, oldest first, and the window over it.
    sound: Box<[f64]>,
    window: Box<[f64]>,
    window_sum: f64,
    step: usize,
    /// Frames that have come since the last window.
    fresh: usize,
    frames: u64,
    low: [Bin; 4],
    high: [Bin; 4],
    run: Option<Run>,
}

impl ToneDetector {
    /// `rate` is from 8000 to 48000.
    pub fn new(rate: u32, limits: ToneLimits) -> ToneDetector {
        let rate = f64::from(rate.clamp(super::tones::LEAST_RATE, super::tones::MOST_RATE));
        let step = (WINDOW_S * rate / STEPS as f64).round() as usize;
        let len = step * STEPS;
        let window: Box<[f64]> =
            (0..len).map(|i| 0.5 - 0.5 * libm::cos(TAU * (i as f64 + 0.5) / len as f64)).collect();
        let longer = f64::from(limits.least_ms.saturating_sub(LEAST_MS)) / 1000.0 * rate / step as f64;
        let bin = |hz: f64| {
            let angle = TAU * hz / rate;
            let turn = (angle * step as f64).rem_euclid(TAU);
            Bin { hz, cos: libm::cos(angle), sin: libm::sin(angle), turn, ..Bin::default() }
        };
        ToneDetector {
            limits,
            least_windows: LEAST_WINDOWS + longer.ceil() as u32,
            rate,
            sound: vec![0.0; len].into(),
            window_sum: window.iter().sum(),
            window,
            step,
            fresh: 0,
            frames: 0,
            low: LOW_HZ.map(bin),
            high: HIGH_HZ.map(bin),
            run: None,
        }
    }

    /// Looks at the next frames.
    pub fn process(&mut self, pcm: &[i16], found: &mut dyn FnMut(ToneKey)) {
        let mut rest = pcm;
        while !rest.is_empty() {
            let take = rest.len().min(self.step - self.fresh);
            let at = self.sound.len() - self.step + self.fresh;
            for (place, &sample) in self.sound[at..].iter_mut().zip(&rest[..take]) {
                *place = f64::from(sample);
            }
            self.fresh += take;
            self.frames += take as u64;
            rest = &rest[take..];
            if self.fresh == self.step {
                self.look(found);
                self.sound.copy_within(self.step.., 0);
                self.fresh = 0;
            }
        }
    }

    /// A key that lasts ends here.
    pub fn finish(&mut self, found: &mut dyn FnMut(ToneKey)) {
        if let Some(run) = self.run.take().filter(|run| run.told) {
            found(run.event(true));
        }
    }

    fn look(&mut self, found: &mut dyn FnMut(ToneKey)) {
        let energy: f64 = self.sound.iter().zip(&self.window).map(|(x, w)| w * x * x).sum();
        let (sound, window, per_turn) = (&self.sound, &self.window, self.rate / (TAU * self.step as f64));
        for bin in self.low.iter_mut().chain(&mut self.high) {
            bin.measure(sound, window, per_turn);
        }
        let key = self.key_of(energy);
        self.count(key, found);
    }

    /// The key whose tones the window holds, and nothing else.
    fn key_of(&self, energy: f64) -> Option<char> {
        let (row, low) = loudest(&self.low);
        let (column, high) = loudest(&self.high);
        let resolution = self.rate / self.sound.len() as f64;
        let off = |bin: &Bin| (bin.off + bin.off_before) / 2.0;
        if [low, high].iter().any(|bin| off(bin).abs() > MOST_OFF * bin.hz) {
            return None;
        }
        let power = |bin: &Bin| bin.power / response(off(bin) / resolution).powi(2);
        let (low, high) = (power(low), power(high));
        // A tone of peak p has p²/4 of the square of the window's sum.
        let peak = |power: f64| 2.0 * power.sqrt() / self.window_sum;
        if peak(low.min(high)) < self.limits.least_peak {
            return None;
        }
        if 2.0 * (low + high) < LEAST_SHARE * self.window_sum * energy {
            return None;
        }
        let twist_db = 10.0 * libm::log10(high / low);
        let fits = twist_db <= self.limits.high_above_low_db && -twist_db <= self.limits.low_above_high_db;
        fits.then(|| KEYS[row][column])
    }

    fn count(&mut self, key: Option<char>, found: &mut dyn FnMut(ToneKey)) {
        let half = self.sound.len() as u64 / 4;
        let centre = self.frames.saturating_sub(self.sound.len() as u64 / 2);
        match (&mut self.run, key) {
            (Some(run), Some(key)) if run.key == key => {
                run.windows += 1;
                run.gap = 0;
                run.ended = centre + half;
                if run.windows >= self.least_windows && !run.told {
                    run.told = true;
                    found(run.event(false));
                }
            }
            (Some(run), _) if run.told && run.gap + 1 < GAP_WINDOWS => run.gap += 1,
            (run, key) => {
                if let Some(over) = run.take().filter(|run| run.told) {
                    found(over.event(true));
                }
                let began = centre.saturating_sub(half);
                *run =
                    key.map(|key| Run { key, windows: 1, gap: 0, began, ended: centre + half, told: false });
            }
        }
    }
}

impl Run {
    fn event(&self, end: bool) -> ToneKey {
        ToneKey { key: self.key, began: self.began, ended: self.ended, end }
    }
}

impl Bin {
    /// Goertzel: the window's sound at this frequency, and how its phase went on since the window before.
    fn measure(&mut self, sound: &[f64], window: &[f64], hz_per_radian: f64) {
        let (mut before, mut last) = (0.0, 0.0);
        for (x, w) in sound.iter().zip(window) {
            let next = x * w + 2.0 * self.cos * last - before;
            (before, last) = (last, next);
        }
        let (re, im) = (last - self.cos * before, self.sin * before);
        let phase = libm::atan2(im, re);
        let more = phase - self.phase - self.turn;
        self.phase = phase;
        self.power = re * re + im * im;
        self.off_before = self.off;
        self.off = ((more + PI).rem_euclid(TAU) - PI) * hz_per_radian;
    }
}

fn loudest(bins: &[Bin; 4]) -> (usize, &Bin) {
    let mut best = 0;
    for (i, bin) in bins.iter().enumerate() {
        if bin.power > bins[best].power {
            best = i;
        }
    }
    (best, &bins[best])
}

/// What Hann's window leaves of a tone that is so many parts of its resolution off.
fn response(off: f64) -> f64 {
    let off = off.abs().min(1.5);
    if off < 1e-6 {
        return 1.0;
    }
    let wide = (1.0 - off * off).abs();
    if wide < 1e-6 {
        0.5
    } else {
        libm::sin(PI * off).abs() / (PI * off) / wide
    }
}
