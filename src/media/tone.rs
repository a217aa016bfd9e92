//! Sine tones. The phase is an integer, so that nothing drifts however long a tone lasts.

use core::f64::consts::TAU;

/// A sine that goes on from block to block.
#[derive(Clone, Debug)]
pub struct Tone {
    hz: u32,
    level: i16,
    rate: u32,
    /// In 1/rate of a turn: exact for ever.
    phase: u32,
}

impl Tone {
    /// `level` is the peak. A frequency above half the rate is silence.
    pub fn new(hz: u32, level: i16, rate: u32) -> Tone {
        let rate = rate.max(1);
        Tone { hz: if hz > rate / 2 { 0 } else { hz }, level, rate, phase: 0 }
    }

    pub fn set_rate(&mut self, rate: u32) {
        *self = Tone::new(self.hz, self.level, rate);
    }

    pub fn fill(&mut self, out: &mut [i16]) {
        let turn = TAU / f64::from(self.rate);
        for o in out {
            *o = (libm::sin(f64::from(self.phase) * turn) * f64::from(self.level)).round() as i16;
            self.phase += self.hz;
            if self.phase >= self.rate {
                self.phase -= self.rate;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_crosses_zero_as_often_as_its_frequency_says() {
        let mut t = Tone::new(440, 10_000, 8000);
        let mut out = [0; 8000];
        for block in out.chunks_mut(160) {
            t.fill(block);
        }
        let rises = out.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        assert!((439..=440).contains(&rises), "{rises}");
        assert_eq!(out.iter().max(), Some(&10_000));
    }
}
