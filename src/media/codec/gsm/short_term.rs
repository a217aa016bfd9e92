//! The filter that shapes the spectrum: its eight reflection coefficients as log area ratios, and the lattice in both
//! directions (GSM 06.10 sections 5.2.4 to 5.2.10 and 5.3.2).

use super::fixed::{add, fraction, magnitude, mult, mult_r, norm, sub};
use super::SAMPLES;

const ORDER: usize = 8;

/// Table 5.1: how a ratio is quantized, and the most and the least that its code says.
const A: [i16; ORDER] = [20480, 20480, 20480, 20480, 13964, 15360, 8534, 9036];
const B: [i16; ORDER] = [0, 0, 2048, -2560, 94, -1792, -341, -1144];
const LEAST: [i16; ORDER] = [-32, -32, -16, -16, -8, -8, -4, -4];
const MOST: [i16; ORDER] = [31, 31, 15, 15, 7, 7, 3, 3];
/// Table 5.2: 1/A.
const INVERSE_A: [i16; ORDER] = [13107, 13107, 13107, 13107, 19223, 17476, 31454, 29708];

/// The ratios of the frame before, which the first 40 samples of a frame blend with.
#[derive(Clone, Debug, Default)]
pub struct Ratios {
    last: [i16; ORDER],
}

impl Ratios {
    /// Reflection coefficients for the stretches of a frame, each with where it ends.
    pub fn coefficients(&mut self, codes: &[u16; ORDER]) -> [(usize, [i16; ORDER]); 4] {
        let old = self.last;
        let new: [i16; ORDER] = core::array::from_fn(|i| decode_ratio(i, codes[i]));
        self.last = new;
        let blend = |of: fn(i16, i16) -> i16| core::array::from_fn(|i| reflection(of(old[i], new[i])));
        [
            (13, blend(|old, new| add(add(old >> 2, new >> 2), old >> 1))),
            (27, blend(|old, new| add(old >> 1, new >> 1))),
            (40, blend(|old, new| add(add(old >> 2, new >> 2), new >> 1))),
            (SAMPLES, blend(|_, new| new)),
        ]
    }
}

fn decode_ratio(i: usize, code: u16) -> i16 {
    let scaled = add(code as i16, LEAST[i]) << 10;
    let ratio = mult_r(INVERSE_A[i], sub(scaled, B[i] << 1));
    add(ratio, ratio)
}

/// From a log area ratio back: three straight pieces.
fn reflection(ratio: i16) -> i16 {
    let size = match magnitude(ratio) {
        size if size < 11_059 => size << 1,
        size if size < 20_070 => add(size, 11_059),
        size => add(size >> 2, 26_112),
    };
    if ratio < 0 {
        -size
    } else {
        size
    }
}

/// The codes of the filter that fits these samples best. The samples lose the bits that a loud frame has too many of.
pub fn analyse(samples: &mut [i16; SAMPLES]) -> [u16; ORDER] {
    let reflections = schur(&autocorrelation(samples));
    core::array::from_fn(|i| code_ratio(i, log_area(reflections[i])))
}

fn autocorrelation(samples: &mut [i16; SAMPLES]) -> [i32; ORDER + 1] {
    let peak = samples.iter().map(|&s| magnitude(s)).max().unwrap_or(0);
    let room = if peak == 0 { 4 } else { norm(i32::from(peak) << 16) };
    let shift = 4u32.saturating_sub(room);
    if shift > 0 {
        let factor = 16_384 >> (shift - 1);
        samples.iter_mut().for_each(|s| *s = mult_r(*s, factor));
    }
    let sums = core::array::from_fn(|lag| {
        let pairs = samples[lag..].iter().zip(samples.iter());
        pairs.map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>() << 1
    });
    samples.iter_mut().for_each(|s| *s <<= shift);
    sums
}

/// Schur's recursion: reflection coefficients from the autocorrelation.
fn schur(sums: &[i32; ORDER + 1]) -> [i16; ORDER] {
    let mut reflections = [0; ORDER];
    if sums[0] == 0 {
        return reflections;
    }
    let shift = norm(sums[0]);
    let mut p: [i16; ORDER + 1] = sums.map(|s| ((s << shift) >> 16) as i16);
    let mut k = p;
    for (n, reflection) in reflections.iter_mut().enumerate() {
        let size = magnitude(p[1]);
        if p[0] < size {
            break;
        }
        let r = fraction(size, p[0]);
        let r = if p[1] > 0 { -r } else { r };
        *reflection = r;
        p[0] = add(p[0], mult_r(p[1], r));
        for m in 1..ORDER - n {
            let next = p[m + 1];
            p[m] = add(next, mult_r(k[m], r));
            k[m] = add(k[m], mult_r(next, r));
        }
    }
    reflections
}

fn log_area(reflection: i16) -> i16 {
    let size = match magnitude(reflection) {
        size if size < 22_118 => size >> 1,
        size if size < 31_130 => size - 11_059,
        size => (size - 26_112) << 2,
    };
    if reflection < 0 {
        -size
    } else {
        size
    }
}

fn code_ratio(i: usize, ratio: i16) -> u16 {
    let level = add(add(mult(A[i], ratio), B[i]), 256) >> 9;
    (level.clamp(LEAST[i], MOST[i]) - LEAST[i]) as u16
}

/// The sender's lattice: what the filter can't foretell stays.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    ratios: Ratios,
    memory: [i16; ORDER],
}

impl Analysis {
    pub fn filter(&mut self, codes: &[u16; ORDER], samples: &mut [i16; SAMPLES]) {
        let mut at = 0;
        for (end, coefficients) in self.ratios.coefficients(codes) {
            for sample in &mut samples[at..end] {
                *sample = self.step(&coefficients, *sample);
            }
            at = end;
        }
    }

    fn step(&mut self, coefficients: &[i16; ORDER], sample: i16) -> i16 {
        let (mut forward, mut backward) = (sample, sample);
        for (&r, memory) in coefficients.iter().zip(&mut self.memory) {
            let before = *memory;
            *memory = backward;
            backward = add(before, mult_r(r, forward));
            forward = add(forward, mult_r(r, before));
        }
        forward
    }
}

/// The receiver's lattice: the shape comes back.
#[derive(Clone, Debug, Default)]
pub struct Synthesis {
    ratios: Ratios,
    memory: [i16; ORDER + 1],
}

impl Synthesis {
    pub fn filter(&mut self, codes: &[u16; ORDER], samples: &mut [i16; SAMPLES]) {
        let mut at = 0;
        for (end, coefficients) in self.ratios.coefficients(codes) {
            for sample in &mut samples[at..end] {
                *sample = self.step(&coefficients, *sample);
            }
            at = end;
        }
    }

    fn step(&mut self, coefficients: &[i16; ORDER], excitation: i16) -> i16 {
        let mut sample = excitation;
        for (i, &r) in coefficients.iter().enumerate().rev() {
            sample = sub(sample, mult_r(r, self.memory[i]));
            self.memory[i + 1] = add(self.memory[i], mult_r(r, sample));
        }
        self.memory[0] = sample;
        sample
    }
}
