//! Gain in fixed point.

use crate::media::params::MediaError;

const ONE: i32 = 1 << 12;
const MAX_PERCENT: u32 = 800;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gain(i32);

impl Default for Gain {
    fn default() -> Gain {
        Gain(ONE)
    }
}

impl Gain {
    pub fn from_percent(percent: u32) -> Result<Gain, MediaError> {
        if percent > MAX_PERCENT {
            return Err(MediaError::Range);
        }
        Ok(Gain((percent as i32 * ONE + 50) / 100))
    }

    pub fn is_one(self) -> bool {
        self.0 == ONE
    }
    pub fn apply(self, frames: &mut [i16]) {
        if self.0 == ONE {
            return;
        }
        for f in frames {
            let v = (i32::from(*f) * self.0) >> 12;
            *f = v.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_scales_and_saturates() {
        let mut frames = [100, -100, 30_000, i16::MIN];
        Gain::from_percent(200).expect("in range").apply(&mut frames);
        assert_eq!(frames, [200, -200, i16::MAX, i16::MIN]);
        Gain::from_percent(0).expect("in range").apply(&mut frames);
        assert_eq!(frames, [0; 4]);
        assert_eq!(Gain::from_percent(801), Err(MediaError::Range));
    }
}
