//! Level meters.

/// Peak and root mean square of a run of frames, 0..=32768.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Level {
    pub peak: u16,
    pub rms: u16,
}

impl Level {
    pub fn of(frames: &[i16]) -> Level {
        if frames.is_empty() {
            return Level::default();
        }
        let (peak, energy) = peak_and_energy(frames);
        level(peak, energy, frames.len())
    }
}

fn level(peak: u16, energy: u64, frames: usize) -> Level {
    // The usual number is worth a multiplication in place of a division.
    let mean = if frames == 160 { energy / 160 } else { energy / frames.max(1) as u64 };
    // Exact: below 2^53, and the square root of IEEE 754 is rounded correctly.
    Level { peak, rms: (mean as f64).sqrt() as u16 }
}

/// What a level is made of, for runs of frames that are metered on their way.
#[derive(Clone, Copy, Default, Debug)]
pub struct Meter {
    peak: u16,
    energy: u64,
    frames: usize,
}

impl Meter {
    /// A run whose peak and sum of squares are known.
    pub fn add(&mut self, peak: u16, energy: u64, frames: usize) {
        self.peak = self.peak.max(peak);
        self.energy += energy;
        self.frames += frames;
    }
    pub fn hear(&mut self, frames: &[i16]) {
        let (peak, energy) = peak_and_energy(frames);
        self.add(peak, energy, frames.len());
    }
    pub fn level(&self) -> Level {
        level(self.peak, self.energy, self.frames)
    }
}

#[cfg(target_arch = "x86_64")]
fn peak_and_energy(frames: &[i16]) -> (u16, u64) {
    let blocks = frames.chunks_exact(8);
    let (mut peak, mut energy) = scalar(blocks.remainder());
    let (most, least, sum) = wide(blocks);
    peak = peak.max(most.unsigned_abs()).max(least.unsigned_abs());
    energy += sum;
    (peak, energy)
}

/// Largest, smallest and sum of squares of blocks of eight, with what every x86-64 has.
#[cfg(target_arch = "x86_64")]
fn wide(blocks: core::slice::ChunksExact<'_, i16>) -> (i16, i16, u64) {
    use core::arch::x86_64::*;
    let (mut most, mut least, mut sums) = ([0i16; 8], [0i16; 8], [0u64; 2]);
    // SAFETY: SSE2 is part of x86-64; each block has the 16 bytes that are loaded, each array those that are stored.
    unsafe {
        let zero = _mm_setzero_si128();
        let (mut high, mut low, mut sum) = (zero, zero, zero);
        for block in blocks {
            let x = _mm_loadu_si128(block.as_ptr().cast());
            high = _mm_max_epi16(high, x);
            low = _mm_min_epi16(low, x);
            // Two squares together reach 2^31: right as unsigned numbers.
            let squares = _mm_madd_epi16(x, x);
            let halves = (_mm_unpacklo_epi32(squares, zero), _mm_unpackhi_epi32(squares, zero));
            sum = _mm_add_epi64(sum, _mm_add_epi64(halves.0, halves.1));
        }
        _mm_storeu_si128(most.as_mut_ptr().cast(), high);
        _mm_storeu_si128(least.as_mut_ptr().cast(), low);
        _mm_storeu_si128(sums.as_mut_ptr().cast(), sum);
    }
    let most = most.into_iter().max().unwrap_or(0);
    (most, least.into_iter().min().unwrap_or(0), sums[0] + sums[1])
}

#[cfg(not(target_arch = "x86_64"))]
fn peak_and_energy(frames: &[i16]) -> (u16, u64) {
    scalar(frames)
}

fn scalar(frames: &[i16]) -> (u16, u64) {
    let square = |s: i16| u64::from(u32::from(s.unsigned_abs()).pow(2));
    let peak = frames.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
    (peak, frames.iter().map(|&s| square(s)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wide_meter_says_what_the_plain_one_says() {
        use crate::util::{Rng, SeededRng};
        let mut rng = SeededRng::new(5);
        for len in 0..200 {
            let shift = rng.below(16) as u32;
            let frames: Vec<i16> = (0..len).map(|_| rng.next_u32() as i16 >> shift).collect();
            assert_eq!(peak_and_energy(&frames), scalar(&frames), "{len} frames");
        }
        assert_eq!(peak_and_energy(&[i16::MIN; 160]), (32768, 160 << 30));
    }

    #[test]
    fn full_scale_and_silence_are_the_ends_of_the_meter() {
        assert_eq!(Level::of(&[i16::MIN; 160]), Level { peak: 32768, rms: 32768 });
        assert_eq!(Level::of(&[0; 160]), Level::default());
        assert_eq!(Level::of(&[]), Level::default());
        assert_eq!(Level::of(&[300, -400, 300, -400]), Level { peak: 400, rms: 353 });
    }
}
