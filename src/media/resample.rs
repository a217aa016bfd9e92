//! Change of sample rate: windowed-sinc polyphase filter, exact ratio, nothing allocated after `new`.
//!
//! For rates in the ratio L/M the prototype low-pass is cut into L phases of T taps; each output frame is
//! one dot product. Sixteen-bit taps with a 32-bit sum let the compiler use multiply-add instructions.
//! The delay is T/2 input frames: 1.5 ms for 8000 Hz upwards.

use core::f64::consts::PI;

/// Taps per phase at a ratio of 1 or more; stretched when the rate goes down.
const TAPS: usize = 24;
/// Kaiser window: about 70 dB.
const BETA: f64 = 7.0;
/// The pass band ends here, as a part of the lower Nyquist frequency.
const CUTOFF: f64 = 0.93;
/// The sum of 16-bit products stays inside 32 bits: taps have 14 bits and their magnitudes sum up to
/// less than 4.
const TAP_BITS: u32 = 14;
/// 11025 to 32000 Hz is 1280/441.
const MAX_RATIO: usize = 1280;
/// Input frames per inner round.
const BLOCK: usize = 160;
/// Input frames that may stay behind when `out` was full.
const SPARE: usize = 8;

/// Rates that a session takes.
pub const RATES: [u32; 8] = [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

#[derive(Clone, Debug)]
pub struct Resampler {
    /// Output over input, in lowest terms.
    up: usize,
    down: usize,
    taps: usize,
    /// `up` phases of `taps`.
    filter: Box<[i16]>,
    /// `taps` old frames, some that stayed behind, then room for one block.
    buffer: Box<[i16]>,
    /// Frames in `buffer`.
    filled: usize,
    /// Where the next output begins in `buffer`, and its phase.
    at: usize,
    phase: usize,
}

impl Resampler {
    /// None when a rate is 0 or the ratio is beyond what telephony has.
    pub fn new(from: u32, to: u32) -> Option<Resampler> {
        if from == 0 || to == 0 {
            return None;
        }
        let g = gcd(from, to);
        let (up, down) = ((to / g) as usize, (from / g) as usize);
        if up > MAX_RATIO || down > MAX_RATIO || down > 12 * up {
            return None;
        }
        let stretch = down.div_ceil(up).max(1);
        let taps = TAPS * stretch;
        let buffer = vec![0; taps + SPARE + BLOCK].into();
        let filter = make_filter(up, down, taps);
        let mut this = Resampler { up, down, taps, filter, buffer, filled: 0, at: 0, phase: 0 };
        this.reset();
        Some(this)
    }

    /// None also where there is nothing to do: a filter is not made in vain.
    pub fn between(from: u32, to: u32) -> Option<Resampler> {
        if from == to {
            return None;
        }
        Resampler::new(from, to)
    }

    pub fn reset(&mut self) {
        self.buffer.fill(0);
        self.filled = self.taps - 1;
        self.at = 0;
        self.phase = 0;
    }

    /// Delay in input frames.
    pub fn delay(&self) -> usize {
        self.taps / 2
    }
    pub fn heap_bytes(&self) -> usize {
        2 * (self.filter.len() + self.buffer.len())
    }

    /// Input frames to give for exactly `frames` of output.
    pub fn input_for(&self, frames: usize) -> usize {
        if frames == 0 {
            return 0;
        }
        let last = self.at + (self.phase + (frames - 1) * self.down) / self.up;
        (last + self.taps).saturating_sub(self.filled)
    }
    /// Output frames that so many of input can give at most.
    pub fn output_for(&self, frames: usize) -> usize {
        (frames + 1) * self.up / self.down + 1
    }

    /// Consumes all of `input`; how many frames of `out` were written. `out` needs `output_for(input.len())`,
    /// or the frames that `input` was counted for with `input_for`: then the rest comes next time.
    pub fn process(&mut self, input: &[i16], out: &mut [i16]) -> usize {
        let mut written = 0;
        for block in input.chunks(BLOCK) {
            self.make_room(block.len());
            self.buffer[self.filled..self.filled + block.len()].copy_from_slice(block);
            self.filled += block.len();
            written += self.produce(out.get_mut(written..).unwrap_or_default());
        }
        written
    }

    fn make_room(&mut self, n: usize) {
        if self.filled + n > self.buffer.len() {
            let drop = self.at.min(self.filled);
            self.buffer.copy_within(drop..self.filled, 0);
            self.filled -= drop;
            self.at -= drop;
        }
        // A caller whose `out` was far too small loses the oldest frames.
        let excess = (self.filled + n).saturating_sub(self.buffer.len());
        self.buffer.copy_within(excess..self.filled, 0);
        self.filled -= excess;
    }

    fn produce(&mut self, out: &mut [i16]) -> usize {
        let mut n = 0;
        while self.at + self.taps <= self.filled && n < out.len() {
            let frames = &self.buffer[self.at..self.at + self.taps];
            let taps = &self.filter[self.phase * self.taps..(self.phase + 1) * self.taps];
            out[n] = dot(frames, taps);
            n += 1;
            self.phase += self.down;
            self.at += self.phase / self.up;
            self.phase %= self.up;
        }
        n
    }
}

#[inline]
fn dot(frames: &[i16], taps: &[i16]) -> i16 {
    let mut sum = 1i32 << (TAP_BITS - 1);
    for (&f, &t) in frames.iter().zip(taps) {
        sum += i32::from(f) * i32::from(t);
    }
    (sum >> TAP_BITS).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

fn make_filter(up: usize, down: usize, taps: usize) -> Box<[i16]> {
    // In units of input frames: the pass band is that of the lower rate.
    let cutoff = CUTOFF * (up as f64 / down as f64).min(1.0);
    let half = taps as f64 / 2.0;
    let mut filter = vec![0i16; up * taps];
    for phase in 0..up {
        let row = &mut filter[phase * taps..(phase + 1) * taps];
        let mut ideal = vec![0.0; taps];
        for (k, v) in ideal.iter_mut().enumerate() {
            let x = k as f64 - half + 1.0 - phase as f64 / up as f64;
            *v = cutoff * sinc(cutoff * x) * kaiser(x / half);
        }
        // Each phase passes a constant unchanged, or the phases would be heard as a tone.
        let gain: f64 = ideal.iter().sum();
        let mut error = 0.0;
        for (tap, v) in row.iter_mut().zip(&ideal) {
            let want = v / gain * f64::from(1 << TAP_BITS) + error;
            *tap = want.round() as i16;
            error = want - f64::from(*tap);
        }
    }
    filter.into()
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        1.0
    } else {
        libm::sin(PI * x) / (PI * x)
    }
}

/// Kaiser's window on -1..=1.
fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 {
        return 0.0;
    }
    bessel(BETA * (1.0 - x * x).sqrt()) / bessel(BETA)
}

/// The modified Bessel function of the first kind, order 0, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, rate: u32, n: usize) -> Vec<i16> {
        let w = core::f64::consts::TAU * hz / f64::from(rate);
        (0..n).map(|i| ((i as f64 * w).sin() * 16_000.0).round() as i16).collect()
    }

    /// Signal to noise in dB against the best-fitting sine of that frequency.
    fn snr(frames: &[i16], hz: f64, rate: u32) -> f64 {
        let w = core::f64::consts::TAU * hz / f64::from(rate);
        let n = frames.len() as f64;
        let (mut s, mut c, mut e) = (0.0, 0.0, 0.0);
        for (i, &f) in frames.iter().enumerate() {
            let f = f64::from(f);
            s += f * (i as f64 * w).sin();
            c += f * (i as f64 * w).cos();
            e += f * f;
        }
        let signal = 2.0 * (s * s + c * c) / n;
        10.0 * (signal / (e - signal).max(1e-9)).log10()
    }

    #[test]
    fn a_tone_keeps_its_pitch_and_purity_between_all_rates() {
        for from in RATES {
            for to in RATES {
                if from == to {
                    continue;
                }
                let mut r = Resampler::new(from, to).expect("a ratio of the table");
                let input = sine(1000.0, from, from as usize);
                let mut out = vec![0; to as usize + 100];
                let n = r.process(&input, &mut out);
                assert!(n.abs_diff(to as usize) <= 1, "{from} to {to}: {n}");
                let settled = &out[to as usize / 10..to as usize * 9 / 10];
                let snr = snr(settled, 1000.0, to);
                assert!(snr > 60.0, "{from} to {to}: {snr} dB");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_removed() {
        let mut r = Resampler::new(48_000, 8000).expect("a ratio of the table");
        let mut out = vec![0; 9000];
        let n = r.process(&sine(6000.0, 48_000, 48_000), &mut out);
        let worst = out[200..n].iter().map(|s| s.unsigned_abs()).max();
        assert!(worst < Some(30), "{worst:?}");
    }

    #[test]
    fn pieces_of_any_size_give_the_same_frames_as_the_whole() {
        let input = sine(700.0, 44_100, 20_000);
        let mut whole = vec![0; 5000];
        let mut r = Resampler::new(44_100, 8000).expect("a ratio of the table");
        let n = r.process(&input, &mut whole);
        r.reset();
        let mut pieces = Vec::new();
        for (i, _) in input.iter().enumerate().step_by(77) {
            let part = &input[i..(i + 77).min(input.len())];
            let mut out = vec![0; r.output_for(part.len())];
            let n = r.process(part, &mut out);
            pieces.extend_from_slice(&out[..n]);
        }
        assert_eq!(pieces, whole[..n]);
    }

    #[test]
    fn asking_for_an_exact_number_of_frames_gives_it() {
        for (from, to) in [(48_000, 8000), (8000, 44_100), (44_100, 16_000), (11_025, 8000)] {
            let mut r = Resampler::new(from, to).expect("a ratio of the table");
            let mut out = [0; 2000];
            for round in 0..500 {
                let want = 100 + round % 70;
                let input = vec![1000; r.input_for(want)];
                assert_eq!(r.process(&input, &mut out[..want]), want, "{from} to {to}");
            }
            assert!((999..=1001).contains(&out[20]));
        }
    }

    #[test]
    fn an_output_that_is_too_small_loses_frames_and_nothing_else() {
        let mut r = Resampler::new(8000, 48_000).expect("a ratio of the table");
        for _ in 0..100 {
            assert_eq!(r.process(&[5; 480], &mut [0; 10]), 10);
        }
        assert_eq!(r.process(&[5; 480], &mut []), 0);
    }

    #[test]
    fn rates_beyond_reason_are_refused() {
        assert!(Resampler::new(0, 8000).is_none());
        assert!(Resampler::new(8000, 0).is_none());
        assert!(Resampler::new(8000, 8001).is_none());
    }
}
