//! Comfort noise (RFC 3389): the level of background noise and, if wanted, its spectrum as reflection
//! coefficients of an all-pole model. [`Noise::measure`] takes both from PCM, [`Generator`] makes noise
//! like it.
//!
//! The coefficients are those of Levinson's recursion with `k1 = -r(1)/r(0)`: noise with more low than high
//! frequencies has a negative first one.

/// Coefficients that are kept. The RFC leaves the order open and lets a receiver ignore the higher ones.
pub const MAX_ORDER: usize = 16;
/// Most octets of a payload that is written.
pub const MAX_PAYLOAD: usize = 1 + MAX_ORDER;
/// The quietest level.
pub const MIN_LEVEL_DB: u8 = 127;
/// The code of a coefficient of 0; 255 is reserved.
const ZERO: u8 = 127;
const RESERVED: u8 = 255;

/// What a comfort noise payload says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    level_db: u8,
    order: u8,
    codes: [u8; MAX_ORDER],
}

impl Noise {
    /// White noise of `-level_db` dBov: 0 is a square wave at the limits of 16 bits, 127 the quietest.
    pub fn white(level_db: u8) -> Noise {
        Noise { level_db: level_db.min(MIN_LEVEL_DB), order: 0, codes: [ZERO; MAX_ORDER] }
    }

    /// None: an empty payload. The level's unused bit is ignored, and so is what follows the first
    /// reserved code.
    pub fn parse(payload: &[u8]) -> Option<Noise> {
        let (&level, codes) = payload.split_first()?;
        let mut noise = Noise::white(level & 0x7f);
        for (own, &code) in noise.codes.iter_mut().zip(codes.iter().take_while(|&&c| c != RESERVED)) {
            *own = code;
            noise.order += 1;
        }
        Some(noise)
    }

    /// Octets written; coefficients that `out` can't hold are left away.
    pub fn write(&self, out: &mut [u8]) -> usize {
        let Some((level, rest)) = out.split_first_mut() else { return 0 };
        *level = self.level_db;
        let codes = &self.codes[..self.order()];
        for (octet, code) in rest.iter_mut().zip(codes) {
            *octet = *code;
        }
        1 + rest.len().min(codes.len())
    }

    /// Level and spectrum of a run of samples, with so many coefficients (`MAX_ORDER` at most).
    pub fn measure(pcm: &[i16], order: usize) -> Noise {
        let order = order.min(MAX_ORDER).min(pcm.len().saturating_sub(1));
        let mut correlation = [0.0; MAX_ORDER + 1];
        for (lag, value) in correlation.iter_mut().enumerate().take(order + 1) {
            *value = correlate(pcm, lag);
        }
        let mut noise = Noise::white(level_of(correlation[0], pcm.len()));
        if correlation[0] > 0.0 {
            noise.order = order as u8;
            let reflections = levinson(&correlation, order);
            for (code, k) in noise.codes.iter_mut().zip(reflections).take(order) {
                *code = quantize(k);
            }
        }
        noise
    }

    /// Decibels below overload.
    pub fn level_db(&self) -> u8 {
        self.level_db
    }
    /// How many coefficients there are.
    pub fn order(&self) -> usize {
        usize::from(self.order)
    }
    /// The coefficients as they go over the wire.
    pub fn codes(&self) -> &[u8] {
        &self.codes[..self.order()]
    }
    /// One coefficient, between -1 and 1; 0 beyond the order.
    pub fn reflection(&self, i: usize) -> f32 {
        self.codes.get(i).map_or(0.0, |&code| reflection(code))
    }
    /// Root mean square of the noise as samples of 16 bits.
    pub fn rms(&self) -> f32 {
        FULL_SCALE * libm::powf(10.0, f32::from(self.level_db) / -20.0)
    }
}

/// Overload: a square wave of this amplitude has 0 dBov.
const FULL_SCALE: f32 = 32_768.0;

/// RFC 3389 section 3.2: codes 0..=254 stand for 258 (N - 127) / 32768.
fn reflection(code: u8) -> f32 {
    258.0 * (f32::from(code) - 127.0) / 32_768.0
}

fn quantize(k: f64) -> u8 {
    (k * 32_768.0 / 258.0 + 127.0).round().clamp(0.0, 254.0) as u8
}

fn correlate(pcm: &[i16], lag: usize) -> f64 {
    let late = pcm.get(lag..).unwrap_or_default();
    // Products of two samples need 31 bits: a run of any length fits into 63.
    pcm.iter().zip(late).map(|(&a, &b)| i64::from(i32::from(a) * i32::from(b))).sum::<i64>() as f64
}

fn level_of(energy: f64, samples: usize) -> u8 {
    let full = f64::from(FULL_SCALE) * f64::from(FULL_SCALE) * samples.max(1) as f64;
    if energy <= 0.0 {
        return MIN_LEVEL_DB;
    }
    (-10.0 * libm::log10(energy / full)).round().clamp(0.0, f64::from(MIN_LEVEL_DB)) as u8
}

/// Levinson's recursion. A little white noise keeps a pure tone from reaching 1.
fn levinson(correlation: &[f64; MAX_ORDER + 1], order: usize) -> [f64; MAX_ORDER] {
    let mut reflections = [0.0; MAX_ORDER];
    let mut filter = [0.0; MAX_ORDER + 1];
    filter[0] = 1.0;
    let mut error = correlation[0] * 1.0001;
    for i in 1..=order {
        let sum: f64 = (0..i).map(|j| filter[j] * correlation[i - j]).sum();
        let k = (-sum / error).clamp(-1.0, 1.0);
        let before = filter;
        for j in 1..=i {
            filter[j] = before[j] + k * before[i - j];
        }
        error *= 1.0 - k * k;
        reflections[i - 1] = k;
        if error <= correlation[0] * 1e-9 {
            break;
        }
    }
    reflections
}

/// Makes noise of one description after the other, without a step between them.
#[derive(Clone, Debug)]
pub struct Generator {
    reflections: [f32; MAX_ORDER],
    order: usize,
    gain: f32,
    target: f32,
    memory: [f32; MAX_ORDER],
    random: u32,
}

/// How much of the way to a new level is gone with each sample: a few milliseconds.
const GLIDE: f32 = 1.0 / 64.0;

impl Generator {
    /// Silence until `set`. The same seed makes the same noise.
    pub fn new(seed: u32) -> Generator {
        Generator {
            reflections: [0.0; MAX_ORDER],
            order: 0,
            gain: 0.0,
            target: 0.0,
            memory: [0.0; MAX_ORDER],
            // Xorshift has no way out of 0.
            random: seed | 1,
        }
    }

    pub fn set(&mut self, noise: &Noise) {
        self.order = noise.order();
        // What an all-pole lattice adds to the power of its input.
        let mut rest = 1.0;
        for (i, k) in self.reflections.iter_mut().enumerate() {
            *k = noise.reflection(i);
            rest *= 1.0 - *k * *k;
        }
        // Uniform noise between -1 and 1 has a power of a third.
        self.target = noise.rms() * (3.0 * rest).sqrt();
    }

    /// Fills all of `out`.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            self.gain += (self.target - self.gain) * GLIDE;
            let noise = self.uniform() * self.gain;
            *sample = self.synthesize(noise).round() as i16;
        }
    }

    /// The lattice, from the last stage to the first.
    #[inline]
    fn synthesize(&mut self, input: f32) -> f32 {
        let mut forward = input;
        for i in (0..self.order).rev() {
            let k = self.reflections[i];
            forward -= k * self.memory[i];
            // The last stage's backward output goes nowhere.
            if i + 1 < self.order {
                self.memory[i + 1] = self.memory[i] + k * forward;
            }
        }
        self.memory[0] = forward;
        forward
    }

    #[inline]
    fn uniform(&mut self) -> f32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random as i32 as f32 / 2_147_483_648.0
    }
}
