//! The pitch of what was heard last: the lag with the best normalised correlation of the last frames with themselves.
//! When a router fails, all calls of a host ask for it in the same 20 ms, so it is a search in few and wide steps:
//! frames of 13 bits, whose products are summed 64 at a time in 32 bits. Integers only: the same bits on every machine.

/// Pitch is sought between 2.5 ms (400 Hz) and 15 ms (67 Hz).
const MIN_PERIOD_US: u32 = 2_500;
const MAX_PERIOD_MS: u32 = 15;
const WINDOW_MS: u32 = 16;
/// Two maximal periods and a window.
pub(super) const MEMORY_MS: u32 = 2 * MAX_PERIOD_MS + WINDOW_MS;

/// Frames that the first search compares, and those in a row that holds all it looks at. It goes in steps of at least
/// 1/16,000 s.
const WINDOW: usize = 4 * WINDOW_MS as usize;
const ROW: usize = WINDOW + 8 * MAX_PERIOD_MS as usize;
/// A frame's bits beside its sign.
const BITS: u32 = 12;

/// Period in frames of the end of `history`, which holds `MEMORY_MS`.
pub(super) fn period(history: &[i16], rate: u32) -> usize {
    let shift = shift_of(history);
    let step = (rate / 8000).max(1) as usize;
    let min = (u64::from(rate) * u64::from(MIN_PERIOD_US) / 1_000_000) as usize;
    let max = (rate * MAX_PERIOD_MS / 1000) as usize;
    let rough = (rough_lag(history, step, shift, min / step, max / step) * step).clamp(min, max);
    if step == 1 {
        return rough;
    }
    let window = (rate * WINDOW_MS / 1000) as usize;
    let before = |lag: usize| history[history.len() - window - lag..][..window].chunks(WINDOW);
    let mut best = Best::at(rough);
    for lag in (rough - (step - 1)).max(min)..=(rough + step - 1).min(max) {
        let (mut cross, mut energy) = (0, 0);
        for (recent, earlier) in before(0).zip(before(lag)) {
            let (recent, earlier) = (scaled(recent, shift), scaled(earlier, shift));
            cross += i64::from(dot(&recent, &earlier));
            energy += i64::from(dot(&earlier, &earlier));
        }
        best.offer(lag, cross, energy);
    }
    best.lag
}

/// Best lag in steps of about 1/8000 s; the frames that are compared lie two steps apart.
fn rough_lag(history: &[i16], step: usize, shift: u32, min: usize, max: usize) -> usize {
    // The newest frames at the end of the first row, those a step older in the second.
    let mut rows = [[0; ROW]; 2];
    let [first, second] = &mut rows;
    for ((f, s), pair) in
        first.iter_mut().rev().zip(second.iter_mut().rev()).zip(history.rchunks_exact(2 * step))
    {
        (*s, *f) = (pair[step - 1] >> shift, pair[2 * step - 1] >> shift);
    }
    let window = |lag: usize| -> &[i16; WINDOW] {
        let row = &rows[lag % 2];
        row[ROW - WINDOW - lag / 2..].first_chunk().expect("a row holds a window before its largest lag")
    };
    let recent = window(0);
    let square = |frame: i16| i32::from(frame) * i32::from(frame);
    let mut energies = [0, 1].map(|odd| dot(window(min + odd), window(min + odd)));
    let mut best = Best::at(max);
    for lag in min..=max {
        let earlier = window(lag);
        let energy = &mut energies[(lag - min) % 2];
        if lag > min + 1 {
            let left = window(lag - 2)[WINDOW - 1];
            *energy += square(earlier[0]) - square(left);
        }
        best.offer(lag, i64::from(dot(recent, earlier)), i64::from(*energy));
    }
    best.lag
}

/// The lag whose cross²/energy is the largest: compared without dividing.
struct Best {
    lag: usize,
    score: u128,
    energy: u128,
}

impl Best {
    fn at(lag: usize) -> Best {
        Best { lag, score: 0, energy: 1 }
    }
    fn offer(&mut self, lag: usize, cross: i64, energy: i64) {
        if cross <= 0 {
            return;
        }
        let (cross, energy) = (cross.unsigned_abs(), u128::from(energy.unsigned_abs()));
        let score = u128::from(cross) * u128::from(cross);
        if score * self.energy > self.score * energy {
            *self = Best { lag, score, energy };
        }
    }
}

fn shift_of(frames: &[i16]) -> u32 {
    let loudest = frames.iter().fold(0, |bits, &f| bits | (f ^ (f >> 15)));
    (i16::BITS - loudest.leading_zeros()).saturating_sub(BITS)
}

fn scaled(frames: &[i16], shift: u32) -> [i16; WINDOW] {
    let mut scaled = [0; WINDOW];
    for (s, &f) in scaled.iter_mut().zip(frames) {
        *s = f >> shift;
    }
    scaled
}

fn dot(a: &[i16; WINDOW], b: &[i16; WINDOW]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u32; 8] = [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

    fn memory(rate: u32) -> usize {
        (rate * MEMORY_MS / 1000) as usize
    }

    /// Pulses that ring, as a voice does, with some noise; never the same period twice.
    fn voice(rate: u32, hz: f64, level: f64) -> Vec<i16> {
        let (mut random, mut phase) = (1u32, 0.0);
        (0..memory(rate))
            .map(|_| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                phase = (phase + hz / f64::from(rate)) % 1.0;
                let ring = (-6.0 * phase).exp() * (700.0 / hz * phase * core::f64::consts::TAU).sin();
                (level * (ring + 0.05 * (f64::from(random >> 16) / 32_768.0 - 1.0))) as i16
            })
            .collect()
    }

    /// The search as one writes it down: every lag, every frame, in full.
    fn likeness(history: &[i16], rate: u32, lag: usize) -> f64 {
        let window = (rate * WINDOW_MS / 1000) as usize;
        let end = history.len() - window;
        let pairs =
            || history[end..].iter().zip(&history[end - lag..]).map(|(&a, &b)| (f64::from(a), f64::from(b)));
        let cross: f64 = pairs().map(|(a, b)| a * b).sum();
        let energies = pairs().fold((0.0, 0.0), |(x, y), (a, b)| (x + a * a, y + b * b));
        cross / (energies.0 * energies.1).sqrt()
    }

    #[test]
    fn what_it_finds_is_nearly_as_like_as_the_best() {
        for rate in RATES {
            for hz in [70.0, 95.5, 110.0, 143.0, 201.0, 260.0, 390.0] {
                for level in [120.0, 3_000.0, 30_000.0] {
                    let history = voice(rate, hz, level);
                    let lags = rate as usize / 400..=rate as usize * 15 / 1000;
                    let found = period(&history, rate);
                    assert!(lags.contains(&found), "{rate} Hz, voice of {hz} Hz: {found}");
                    let best = lags.map(|lag| likeness(&history, rate, lag)).fold(0.0, f64::max);
                    let like = likeness(&history, rate, found);
                    assert!(like > best - 0.05, "{rate} Hz, voice of {hz} Hz at {level}: {like} of {best}");
                }
            }
        }
    }

    #[test]
    fn the_faintest_sound_has_a_pitch_and_silence_the_longest() {
        for rate in RATES {
            let (least, most) = (rate as usize / 400, rate as usize * 15 / 1000);
            let ticks: Vec<i16> = (0..memory(rate))
                .map(|i| i16::from(i % (rate as usize / 100) < rate as usize / 200))
                .collect();
            let found = period(&ticks, rate);
            assert!(found.abs_diff(rate as usize / 100) <= 1, "{rate} Hz: {found}");
            let silence = period(&vec![0; memory(rate)], rate);
            assert!(
                (least..=most).contains(&silence) && most - silence < (rate / 8000) as usize,
                "{rate} Hz: {silence}"
            );
        }
    }

    #[test]
    fn the_loudest_sounds_fit() {
        for rate in RATES {
            for tick in [1, 2, 7, 40] {
                let square: Vec<i16> =
                    (0..memory(rate)).map(|i| if i / tick % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
                assert!(period(&square, rate) >= rate as usize / 400);
                assert!(period(&vec![i16::MIN; memory(rate)], rate) >= rate as usize / 400);
            }
        }
    }
}
