//! One sub-band's adaptive predictor and scale factor (G.722 section 6.2.1.3 to 6.2.1.4, 6.2.2.2 to
//! 6.2.2.3): two poles, six zeros, both moved by the signs of what was just decoded. Sender and receiver
//! run the same steps on the same values, in 16-bit saturating arithmetic.

use super::tables::ANTILOG;

/// What differs between the two bands' scale factors.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Largest logarithm of the scale factor.
    max_log: i32,
    /// Its integer part at which the antilogarithm is not shifted.
    unit: i32,
}

pub const LOW: Scale = Scale { max_log: 18_432, unit: 8 };
pub const HIGH: Scale = Scale { max_log: 22_528, unit: 10 };

#[derive(Clone, Debug)]
pub struct Band {
    /// The predicted sample.
    pub predicted: i32,
    /// Step of the quantizers.
    pub step: i32,
    log: i32,
    zeros_predicted: i32,
    poles: [i32; 2],
    zeros: [i32; 6],
    /// The last two reconstructed samples and partial reconstructions, newest first.
    samples: [i32; 2],
    partial: [i32; 2],
    /// The last six quantized differences, newest first.
    differences: [i32; 6],
}

impl Band {
    pub fn low() -> Band {
        Band::new(32)
    }
    pub fn high() -> Band {
        Band::new(8)
    }
    fn new(step: i32) -> Band {
        Band {
            predicted: 0,
            step,
            log: 0,
            zeros_predicted: 0,
            poles: [0; 2],
            zeros: [0; 6],
            samples: [0; 2],
            partial: [0; 2],
            differences: [0; 6],
        }
    }

    /// An output level of an inverse quantizer at the present step.
    #[inline]
    pub fn level(&self, table: i16) -> i32 {
        (self.step * i32::from(table)) >> 15
    }

    /// LOGSCL, SCALEL and their sisters of the high band.
    #[inline]
    pub fn scale(&mut self, multiplier: i16, scale: Scale) {
        self.log = (((self.log * 127) >> 7) + i32::from(multiplier)).clamp(0, scale.max_log);
        let mantissa = i32::from(ANTILOG[(self.log >> 6 & 31) as usize]);
        let shift = scale.unit - (self.log >> 11);
        self.step = if shift < 0 { mantissa << -shift } else { mantissa >> shift } << 2;
    }

    /// Moves the predictor by the quantized difference and predicts the next sample.
    #[inline]
    pub fn adapt(&mut self, difference: i32) {
        let sample = sat(self.predicted + difference);
        let partial = sat(self.zeros_predicted + difference);
        self.adapt_poles(partial);
        self.adapt_zeros(difference);
        self.samples = [sample, self.samples[0]];
        self.partial = [partial, self.partial[0]];
        self.predict();
    }

    /// UPPOL2, then UPPOL1, whose bound is the new second pole.
    #[inline]
    fn adapt_poles(&mut self, partial: i32) {
        let same = |past: i32| (partial ^ past) >= 0;
        let first = sat(self.poles[0] * 4);
        let turned = sat(if same(self.partial[0]) { -first } else { first });
        let lean = if same(self.partial[1]) { 128 } else { -128 };
        let second = ((turned >> 7) + lean + ((self.poles[1] * 32_512) >> 15)).clamp(-12_288, 12_288);
        let push = if same(self.partial[0]) { 192 } else { -192 };
        let bound = 15_360 - second;
        self.poles = [(push + ((self.poles[0] * 32_640) >> 15)).clamp(-bound, bound), second];
    }

    /// UPZERO, with the shift of the differences.
    #[inline]
    fn adapt_zeros(&mut self, difference: i32) {
        let push = if difference == 0 { 0 } else { 128 };
        for (zero, past) in self.zeros.iter_mut().zip(&self.differences) {
            // All ones when the signs differ: the push is negated.
            let sign = (difference ^ past) >> 31;
            *zero = ((push ^ sign) - sign) + ((*zero * 32_640) >> 15);
        }
        self.differences.copy_within(0..5, 1);
        self.differences[0] = difference;
    }

    /// FILTEP, FILTEZ and PREDIC.
    #[inline]
    fn predict(&mut self) {
        let by_poles = sat(product(self.poles[0], self.samples[0]) + product(self.poles[1], self.samples[1]));
        let mut by_zeros = 0;
        for (zero, difference) in self.zeros.iter().zip(&self.differences).rev() {
            by_zeros = sat(by_zeros + product(*zero, *difference));
        }
        self.zeros_predicted = by_zeros;
        self.predicted = sat(by_poles + by_zeros);
    }
}

/// A coefficient (times 2^14) and a sample: doubled with saturation, then the upper half.
#[inline]
fn product(coefficient: i32, sample: i32) -> i32 {
    (coefficient * sat(sample * 2)) >> 15
}

/// To the 16 bits that every variable of the Recommendation has.
#[inline]
pub fn sat(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}
