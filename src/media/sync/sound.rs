//! The sound of one stream by its place, read at any place between its samples: the reader's rate follows the sender's.

use core::f64::consts::PI;

/// Samples that each one read is made from, and places between two samples that are worked out beforehand.
const TAPS: usize = 16;
const PHASES: usize = 64;
const HALF: i64 = TAPS as i64 / 2;

/// A ring of frames with their places; older ones go when newer ones come.
#[derive(Clone, Debug)]
pub struct Sound {
    channels: usize,
    capacity: i64,
    samples: Box<[i16]>,
    filled: Box<[bool]>,
    /// Behind the newest frame; what is a ring's length before is gone.
    end: Option<i64>,
    kernel: Box<[[f32; TAPS]]>,
}

impl Sound {
    pub fn new(channels: usize, capacity: usize) -> Sound {
        Sound {
            channels,
            capacity: capacity as i64,
            samples: vec![0; channels * capacity].into(),
            filled: vec![false; capacity].into(),
            end: None,
            kernel: (0..=PHASES).map(kernel).collect(),
        }
    }

    pub fn capacity(&self) -> i64 {
        self.capacity
    }

    pub fn clear(&mut self) {
        self.filled.fill(false);
        self.end = None;
    }

    /// Puts frames at their place; how many of them pushed out older ones that nobody can have read: those from `unread` on.
    pub fn write(&mut self, place: i64, pcm: &[i16], unread: Option<i64>) -> u64 {
        let frames = (pcm.len() / self.channels) as i64;
        let end = self.end.unwrap_or(place);
        let new_end = end.max(place + frames);
        let oldest = new_end - self.capacity;
        let dropped = unread.map_or(0, |from| (oldest - from.max(end - self.capacity)).max(0));
        let dropped = dropped.min(self.capacity) as u64;
        for at in (end..new_end).take(self.capacity as usize) {
            let slot = self.slot(at);
            self.filled[slot] = false;
        }
        for (at, frame) in (place..).zip(pcm.chunks_exact(self.channels)) {
            if at >= oldest {
                let slot = self.slot(at);
                self.samples[slot * self.channels..][..self.channels].copy_from_slice(frame);
                self.filled[slot] = true;
            }
        }
        self.end = Some(new_end);
        dropped
    }

    /// Fills `out` with frames from `begin` on, `step` apart; before `from` and in holes there is silence. How many are real.
    pub fn read(&self, begin: f64, step: f64, from: f64, out: &mut [i16]) -> usize {
        let mut real = 0;
        for (k, frame) in out.chunks_exact_mut(self.channels).enumerate() {
            let place = begin + k as f64 * step;
            let whole = place.floor();
            let nearest = place.round() as i64;
            if place < from || !self.has(nearest) {
                frame.fill(0);
                continue;
            }
            real += 1;
            self.between(whole as i64, (place - whole) as f32, frame);
        }
        real
    }

    fn between(&self, whole: i64, fraction: f32, frame: &mut [i16]) {
        let phase = fraction * PHASES as f32;
        let low = (phase as usize).min(PHASES - 1);
        let share = phase - low as f32;
        let (below, above) = (&self.kernel[low], &self.kernel[low + 1]);
        for (channel, out) in frame.iter_mut().enumerate() {
            let mut sum = 0.0;
            for tap in 0..TAPS {
                let weight = below[tap] + share * (above[tap] - below[tap]);
                sum += weight * f32::from(self.sample(whole + tap as i64 + 1 - HALF, channel));
            }
            *out = sum.round().clamp(-32_768.0, 32_767.0) as i16;
        }
    }

    fn sample(&self, at: i64, channel: usize) -> i16 {
        if self.has(at) {
            self.samples[self.slot(at) * self.channels + channel]
        } else {
            0
        }
    }

    fn has(&self, at: i64) -> bool {
        let inside = self.end.is_some_and(|end| at < end && at >= end - self.capacity);
        inside && self.filled[self.slot(at)]
    }

    /// invariant: below the capacity, for which both boxes were made.
    fn slot(&self, at: i64) -> usize {
        at.rem_euclid(self.capacity.max(1)) as usize
    }
}

/// A sine cardinal under Hann's window, shifted by `phase`; its weights add up to 1.
fn kernel(phase: usize) -> [f32; TAPS] {
    let shift = phase as f64 / PHASES as f64;
    let weights: [f64; TAPS] = core::array::from_fn(|tap| {
        let x = (tap as i64 + 1 - HALF) as f64 - shift;
        let window = 0.5 + 0.5 * libm::cos(PI * x / HALF as f64);
        if x.abs() < 1e-12 {
            1.0
        } else {
            libm::sin(PI * x) / (PI * x) * window
        }
    });
    let sum: f64 = weights.iter().sum();
    weights.map(|w| (w / sum) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_places_give_the_samples_themselves_and_holes_silence() {
        let mut sound = Sound::new(2, 100);
        sound.write(1000, &[1, -1, 2, -2, 3, -3], None);
        sound.write(1005, &[6, -6], None);
        let mut out = [9; 14];
        assert_eq!(sound.read(1000.0, 1.0, 0.0, &mut out), 4);
        assert_eq!(out, [1, -1, 2, -2, 3, -3, 0, 0, 0, 0, 6, -6, 0, 0]);
        assert_eq!(sound.read(1000.0, 1.0, 1001.0, &mut out[..4]), 1);
        assert_eq!(out[..4], [0, 0, 2, -2]);
    }

    #[test]
    fn between_samples_a_tone_is_what_it_would_be_there() {
        let mut sound = Sound::new(1, 2000);
        let tone = |place: f64| 10_000.0 * (place * 2.0 * PI * 1000.0 / 8000.0).sin();
        let pcm: Vec<i16> = (0..1000).map(|i| tone(f64::from(i)).round() as i16).collect();
        sound.write(0, &pcm, None);
        let mut out = [0; 400];
        assert_eq!(sound.read(100.3, 1.0003, 0.0, &mut out), 400);
        for (k, &value) in out.iter().enumerate() {
            let want = tone(100.3 + k as f64 * 1.0003);
            assert!((f64::from(value) - want).abs() < 60.0, "{k}: {value} for {want}");
        }
    }

    #[test]
    fn newer_frames_push_older_ones_out_and_a_far_one_leaves_no_ghosts() {
        let mut sound = Sound::new(1, 4);
        assert_eq!(sound.write(0, &[1, 2, 3, 4], Some(0)), 0);
        assert_eq!(sound.write(4, &[5, 6], Some(0)), 2);
        let mut out = [9; 6];
        assert_eq!(sound.read(0.0, 1.0, 0.0, &mut out), 4);
        assert_eq!(out, [0, 0, 3, 4, 5, 6]);
        sound.write(1_000_002, &[7], None);
        assert_eq!(sound.read(999_999.0, 1.0, 0.0, &mut out), 1);
        assert_eq!(out, [0, 0, 0, 7, 0, 0]);
        sound.write(0, &[8], None);
        assert_eq!(sound.read(0.0, 1.0, 0.0, &mut out), 0);
    }
}
