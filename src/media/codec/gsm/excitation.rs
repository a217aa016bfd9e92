//! What drives the filter: the pitch of the last 120 samples, and thirteen pulses on a grid (GSM 06.10 sections 5.2.11 to
//! 5.2.18 and 5.3.1).

use super::fixed::{add, magnitude, mult, mult_r, norm, saturate, sub};
use super::frame::Quarter;
use super::QUARTER;

/// The longest and the shortest pitch.
const MAX_LAG: usize = 120;
const MIN_LAG: usize = 40;
const PULSES: usize = 13;
/// Table 5.3a and b: the levels that decide on the gain, and the gains.
const GAIN_LIMITS: [i16; 3] = [6554, 16384, 26214];
const GAINS: [i16; 4] = [3277, 11469, 21299, 32767];
/// Table 5.4: the weighting filter's impulse response.
const WEIGHTS: [i32; 11] = [-134, -374, 0, 2054, 5741, 8192, 5741, 2054, 0, -374, -134];
/// Table 5.5 and 5.6: 1/mantissa, and mantissa, of the block's maximum.
const INVERSE_MANTISSAS: [i16; 8] = [29128, 26215, 23832, 21846, 20165, 18725, 17476, 16384];
const MANTISSAS: [i16; 8] = [18431, 20479, 22527, 24575, 26623, 28671, 30719, 32767];

/// What was reconstructed last, which pitch repeats. Both ends hold the same.
#[derive(Clone, Debug)]
pub struct Excitation {
    past: [i16; MAX_LAG],
    /// The last lag that was one: the receiver goes on with it when a frame says none.
    lag: usize,
}

impl Default for Excitation {
    fn default() -> Excitation {
        Excitation { past: [0; MAX_LAG], lag: MIN_LAG }
    }
}

impl Excitation {
    /// Codes a quarter of what the filter could not foretell.
    pub fn encode(&mut self, residual: &[i16; QUARTER]) -> Quarter {
        let (lag, gain) = self.find_pitch(residual);
        let repeated = self.repeat(lag, gain);
        let rest: [i16; QUARTER] = core::array::from_fn(|k| sub(residual[k], repeated[k]));
        let (grid, mut values) = select_grid(&weigh(&rest));
        let block_max = quantize(&mut values);
        let pulses = values.map(|v| v as u16);
        let quarter = Quarter { lag: lag as u16, gain: gain as u16, grid: grid as u16, block_max, pulses };
        self.keep(&quarter, &repeated);
        quarter
    }

    pub fn decode(&mut self, quarter: &Quarter) -> [i16; QUARTER] {
        if (MIN_LAG..=MAX_LAG).contains(&usize::from(quarter.lag)) {
            self.lag = usize::from(quarter.lag);
        }
        let repeated = self.repeat(self.lag, usize::from(quarter.gain & 3));
        self.keep(quarter, &repeated)
    }

    /// The past that comes again. The lag is from 40 to 120.
    fn repeat(&self, lag: usize, gain: usize) -> [i16; QUARTER] {
        let from = MAX_LAG - lag;
        core::array::from_fn(|k| mult_r(GAINS[gain], self.past[from + k]))
    }

    /// Adds the pulses, and remembers the sum.
    fn keep(&mut self, quarter: &Quarter, repeated: &[i16; QUARTER]) -> [i16; QUARTER] {
        let pulses = pulses_of(quarter);
        let sum: [i16; QUARTER] = core::array::from_fn(|k| add(pulses[k], repeated[k]));
        self.past.copy_within(QUARTER.., 0);
        self.past[MAX_LAG - QUARTER..].copy_from_slice(&sum);
        sum
    }

    /// The lag at which the past is most like this, and how much of it there is: an index of [`GAINS`].
    fn find_pitch(&self, residual: &[i16; QUARTER]) -> (usize, usize) {
        let peak = residual.iter().map(|&s| magnitude(s)).max().unwrap_or(0);
        let room = if peak == 0 { 0 } else { norm(i32::from(peak) << 16) };
        let shift = 6u32.saturating_sub(room);
        let scaled = residual.map(|s| i32::from(s >> shift));
        let (mut lag, mut best) = (MIN_LAG, 0);
        for candidate in MIN_LAG..=MAX_LAG {
            let past = &self.past[MAX_LAG - candidate..];
            let likeness = scaled.iter().zip(past).map(|(&a, &b)| a * i32::from(b)).sum();
            if likeness > best {
                (lag, best) = (candidate, likeness);
            }
        }
        let likeness = (best << 1) >> (6 - shift);
        let past = &self.past[MAX_LAG - lag..][..QUARTER];
        let power: i32 = past.iter().map(|&p| i32::from(p >> 3).pow(2)).sum::<i32>() << 1;
        (lag, gain_of(likeness, power))
    }
}

fn gain_of(likeness: i32, power: i32) -> usize {
    if likeness <= 0 {
        return 0;
    }
    if likeness >= power {
        return 3;
    }
    let shift = norm(power);
    let (likeness, power) = (((likeness << shift) >> 16) as i16, ((power << shift) >> 16) as i16);
    GAIN_LIMITS.iter().position(|&limit| likeness <= mult(power, limit)).unwrap_or(3)
}

fn weigh(rest: &[i16; QUARTER]) -> [i16; QUARTER] {
    const SIDE: usize = WEIGHTS.len() / 2;
    let mut padded = [0; QUARTER + 2 * SIDE];
    for (place, &value) in padded[SIDE..].iter_mut().zip(rest) {
        *place = i32::from(value);
    }
    core::array::from_fn(|k| {
        let sum: i32 = padded[k..].iter().zip(WEIGHTS).map(|(&e, h)| e * h).sum();
        saturate((sum + 4096) >> 13)
    })
}

/// Every third value, from where they carry most.
fn select_grid(values: &[i16; QUARTER]) -> (usize, [i16; PULSES]) {
    let on = |grid: usize| -> [i16; PULSES] { core::array::from_fn(|i| values[grid + 3 * i]) };
    let (mut best, mut most) = (0, 0);
    for grid in 0..4 {
        let energy = on(grid).iter().map(|&x| i32::from(x >> 2).pow(2)).sum::<i32>();
        if energy > most {
            (best, most) = (grid, energy);
        }
    }
    (best, on(best))
}

/// The values become codes of three bits; the block's maximum as coded.
fn quantize(values: &mut [i16; PULSES]) -> u16 {
    let peak = values.iter().map(|&x| magnitude(x)).max().unwrap_or(0);
    let exponent = (16 - (peak >> 9).leading_zeros()).min(6);
    let block_max = add(peak >> (exponent + 5), (exponent << 3) as i16) as u16;
    let (exponent, mantissa) = split(block_max);
    for value in values {
        *value = (mult(*value << (6 - exponent), INVERSE_MANTISSAS[mantissa]) >> 12) + 4;
    }
    block_max
}

/// The exponent (-4 to 6) and the index of the mantissa of a block's maximum as coded.
fn split(block_max: u16) -> (i32, usize) {
    let mut exponent = if block_max > 15 { i32::from(block_max >> 3) - 1 } else { 0 };
    let mut mantissa = i32::from(block_max) - (exponent << 3);
    if mantissa == 0 {
        return (-4, 7);
    }
    while mantissa <= 7 {
        mantissa = mantissa << 1 | 1;
        exponent -= 1;
    }
    (exponent, (mantissa - 8) as usize & 7)
}

/// The pulses on their grid, silence between.
fn pulses_of(quarter: &Quarter) -> [i16; QUARTER] {
    let (exponent, mantissa) = split(quarter.block_max & 63);
    let shift = (6 - exponent) as u32;
    let rounding = if shift == 0 { 0 } else { 1 << (shift - 1) };
    let mut out = [0; QUARTER];
    for (&code, place) in
        quarter.pulses.iter().zip(out[usize::from(quarter.grid & 3)..].iter_mut().step_by(3))
    {
        let level = ((code as i16 & 7) << 1) - 7;
        *place = add(mult_r(MANTISSAS[mantissa], level << 12), rounding) >> shift;
    }
    out
}
