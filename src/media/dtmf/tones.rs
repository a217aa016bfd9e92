//! Keys as tones in the sound (ITU-T Q.23): their frequencies, and how they are made.

use core::f64::consts::TAU;

/// Q.23: the low and the high group.
pub const LOW_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
pub const HIGH_HZ: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
pub(super) const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// The rates that both sides work at.
pub const LEAST_RATE: u32 = 8000;
pub const MOST_RATE: u32 = 48_000;

/// The key of a pair of frequencies, in ASCII; None for others than 0-9 * # A-D.
pub fn frequencies(key: char) -> Option<(f64, f64)> {
    let key = key.to_ascii_uppercase();
    let at = |row: usize| KEYS[row].iter().position(|&k| k == key);
    (0..4).find_map(|row| at(row).map(|column| (LOW_HZ[row], HIGH_HZ[column])))
}

/// The sound of one key, block after block.
#[derive(Clone, Debug)]
pub struct KeyTone {
    /// Turns a frame.
    steps: [f64; 2],
    phases: [f64; 2],
    level: f64,
    frames: u64,
    done: u64,
    /// Frames of rise and of fall, so that it does not click.
    ramp: u64,
}

impl KeyTone {
    /// `level` is the peak of each of the two tones.
    pub fn new(key: char, level: i16, rate: u32, frames: u64) -> Option<KeyTone> {
        let (low, high) = frequencies(key)?;
        let rate = f64::from(rate.max(1));
        let ramp = ((rate / 1000.0) as u64).min(frames / 4);
        Some(KeyTone {
            steps: [low / rate, high / rate],
            phases: [0.0; 2],
            level: f64::from(level),
            frames,
            done: 0,
            ramp,
        })
    }

    /// Goes on by as many frames as fit and are left; how many.
    pub fn fill(&mut self, out: &mut [i16]) -> usize {
        let count = (out.len() as u64).min(self.frames - self.done) as usize;
        for sample in &mut out[..count] {
            let sum: f64 = self.phases.iter().map(|phase| libm::sin(phase * TAU)).sum();
            *sample = (sum * self.level * self.envelope()).round().clamp(-32_768.0, 32_767.0) as i16;
            for (phase, step) in self.phases.iter_mut().zip(self.steps) {
                *phase = (*phase + step).fract();
            }
            self.done += 1;
        }
        count
    }

    fn envelope(&self) -> f64 {
        let edge = self.done.min(self.frames - 1 - self.done);
        if edge < self.ramp {
            (edge + 1) as f64 / (self.ramp + 1) as f64
        } else {
            1.0
        }
    }
}
