//! Voice activity: who speaks, told from the level of what is heard.
//!
//! The level of each 10 ms is held against a floor that follows the noise of the line: down within a fraction of a
//! second, up slowly and, while somebody speaks, not at all unless the level has been steady for long, which speech never
//! is. Voice begins when enough of the last windows are loud and ends after a hangover. Integers only; no clock: time is
//! counted in samples, and what did not come is told by `silence`.

/// Windows a second.
const WINDOWS: u32 = 100;

/// What the detector is to be like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VadConfig {
    /// RMS from which a window is loud, 1..=32767; 0: the floor decides.
    pub threshold: u16,
    /// How far above the floor a window is loud, in dB.
    pub margin_db: u32,
    /// How much voice makes a beginning, and how much silence an end, in ms.
    pub begin_ms: u32,
    pub hangover_ms: u32,
}

impl Default for VadConfig {
    fn default() -> VadConfig {
        VadConfig { threshold: 0, margin_db: 9, begin_ms: 50, hangover_ms: 400 }
    }
}

/// What has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VoiceChange {
    /// It begins, else it has ended.
    pub speaking: bool,
    /// RMS of the windows that made the beginning; of the whole utterance at its end.
    pub level: u16,
    /// What is taken for noise, as RMS.
    pub floor: u16,
    /// With the end: from the beginning to the last loud window.
    pub voice_ms: u32,
}

/// Windows of which at least half must be loud for a beginning: as many as there are bits.
const RECENT: u32 = u32::BITS;
/// A line quieter than this has no floor that says anything: -66 dBov or so.
const QUIETEST: u32 = 16;
/// Nothing below this is voice by itself: -54 dBov or so.
const SOFTEST: u32 = 60;
/// The floor of a new line is the softest of its first windows, and this at most.
const FIRST_WINDOWS: u32 = 20;
const FIRST_FLOOR: u32 = 1000;
/// Levels between which a steady noise stays, loudest to softest: 6 dB.
const STEADY: u32 = 2;
/// For so many windows a level must be steady to be noise although it is loud: speech has gaps before.
const STEADY_WINDOWS: u32 = 150;

#[derive(Clone, Debug)]
pub struct Vad {
    config: VadConfig,
    /// Samples of a window, and of the one that is being gathered.
    window: usize,
    energy: u64,
    gathered: usize,
    /// RMS in 1/16.
    floor: u32,
    /// Of the windows that settle the first floor.
    first: u32,
    /// Bits: which of the last windows were loud.
    recent: u32,
    recent_level: u32,
    steady: Steady,
    speaking: bool,
    /// While speaking: windows since the beginning, of these after the last loud one, and the energy of either.
    windows: u32,
    quiet: u32,
    total: u64,
    quiet_total: u64,
}

/// Whether the level has stayed within narrow bounds.
#[derive(Clone, Copy, Default, Debug)]
struct Steady {
    low: u32,
    high: u32,
    windows: u32,
}

impl Steady {
    fn note(&mut self, rms: u32) {
        let (low, high) = (self.low.min(rms), self.high.max(rms));
        if self.windows > 0 && high <= low.max(1) * STEADY {
            (self.low, self.high) = (low, high);
            self.windows = self.windows.saturating_add(1);
        } else {
            *self = Steady { low: rms, high: rms, windows: 1 };
        }
    }
}

impl Vad {
    pub fn new(config: VadConfig, rate: u32) -> Vad {
        Vad {
            config,
            window: (rate / WINDOWS).max(1) as usize,
            energy: 0,
            gathered: 0,
            floor: FIRST_FLOOR << 4,
            first: FIRST_WINDOWS,
            recent: 0,
            recent_level: 0,
            steady: Steady::default(),
            speaking: false,
            windows: 0,
            quiet: 0,
            total: 0,
            quiet_total: 0,
        }
    }

    /// The sound goes on at another rate.
    pub fn set_rate(&mut self, rate: u32) {
        self.window = (rate / WINDOWS).max(1) as usize;
        (self.energy, self.gathered) = (0, 0);
    }

    pub fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// What is heard; `changed` is told what changes inside.
    pub fn heard(&mut self, frames: &[i16], changed: &mut dyn FnMut(VoiceChange)) {
        let mut rest = frames;
        while !rest.is_empty() {
            let n = rest.len().min(self.window - self.gathered);
            let (part, more) = rest.split_at(n);
            self.energy += part.iter().map(|&s| u64::from(s.unsigned_abs()).pow(2)).sum::<u64>();
            self.gathered += n;
            rest = more;
            if self.gathered == self.window {
                let rms = (self.energy / self.window as u64).isqrt() as u32;
                (self.energy, self.gathered) = (0, 0);
                self.look(rms, changed);
            }
        }
    }

    /// Nothing came for so long: what was spoken is over when that lasts.
    pub fn silence(&mut self, ms: u32, changed: &mut dyn FnMut(VoiceChange)) {
        (self.energy, self.gathered) = (0, 0);
        for _ in 0..(ms / 10).min(1000) {
            self.count(0, false, changed);
        }
    }

    /// The voice that goes on ends here, with the stream.
    pub fn finish(&mut self, changed: &mut dyn FnMut(VoiceChange)) {
        if self.speaking {
            self.end(changed);
        }
    }

    fn look(&mut self, rms: u32, changed: &mut dyn FnMut(VoiceChange)) {
        self.steady.note(rms);
        if self.first > 0 {
            self.first -= 1;
            self.floor = self.floor.min(rms.max(QUIETEST) << 4);
        }
        let loud = rms >= self.threshold();
        self.follow(rms, loud);
        self.count(rms, loud, changed);
    }

    /// RMS from which a window counts as voice now.
    fn threshold(&self) -> u32 {
        match self.config.threshold {
            0 => (((self.floor >> 4) * ratio_q8(self.config.margin_db)) >> 8).max(SOFTEST),
            fixed => u32::from(fixed),
        }
    }

    /// The floor falls to what is softer within some 100 ms. It rises by a decibel in some 300 ms while nobody
    /// speaks, and to a level that has been steady for so long that it can't be speech.
    fn follow(&mut self, rms: u32, loud: bool) {
        let level = rms.max(QUIETEST) << 4;
        if level < self.floor {
            self.floor -= (self.floor - level) >> 3;
        } else if self.steady.windows >= STEADY_WINDOWS {
            self.floor = self.steady.high.max(QUIETEST) << 4;
        } else if !loud && !self.speaking {
            self.floor += ((level - self.floor) >> 4).min(self.floor >> 8).max(1);
        }
    }

    fn count(&mut self, rms: u32, loud: bool, changed: &mut dyn FnMut(VoiceChange)) {
        self.recent = (self.recent << 1) | u32::from(loud);
        if loud {
            self.recent_level = if self.recent_level == 0 { rms } else { (self.recent_level * 3 + rms) / 4 };
        }
        if self.speaking {
            self.windows = self.windows.saturating_add(1);
            self.quiet += 1;
            self.quiet_total += u64::from(rms).pow(2);
            if loud {
                self.quiet = 0;
                self.total += core::mem::take(&mut self.quiet_total);
            }
            if self.quiet * 10 >= self.config.hangover_ms.max(10) {
                self.end(changed);
            }
        } else if self.recent_loud() >= self.needed() {
            self.begin(changed);
        } else if self.recent == 0 {
            self.recent_level = 0;
        }
    }

    /// Loud windows among twice as many that make a beginning. A click is one or two.
    fn needed(&self) -> u32 {
        self.config.begin_ms.div_ceil(10).clamp(1, RECENT / 2)
    }
    fn recent_loud(&self) -> u32 {
        let looked_at = u32::MAX >> (RECENT - 2 * self.needed());
        (self.recent & looked_at).count_ones()
    }

    fn begin(&mut self, changed: &mut dyn FnMut(VoiceChange)) {
        self.speaking = true;
        (self.windows, self.quiet, self.quiet_total) = (self.needed(), 0, 0);
        self.total = u64::from(self.recent_level).pow(2) * u64::from(self.windows);
        changed(self.change(self.recent_level, 0));
    }

    fn end(&mut self, changed: &mut dyn FnMut(VoiceChange)) {
        let voice = self.windows.saturating_sub(self.quiet);
        let level = (self.total / u64::from(voice.max(1))).isqrt() as u32;
        self.speaking = false;
        (self.recent, self.recent_level) = (0, 0);
        changed(self.change(level, voice.saturating_mul(10)));
    }

    fn change(&self, level: u32, voice_ms: u32) -> VoiceChange {
        let narrow = |rms: u32| rms.min(32_767) as u16;
        VoiceChange {
            speaking: self.speaking,
            level: narrow(level),
            floor: narrow(self.floor >> 4),
            voice_ms,
        }
    }
}

/// An amplitude's ratio for so many dB, in 1/256: 20 dB are ten times, every dB in between 1.122.
fn ratio_q8(db: u32) -> u32 {
    let mut ratio = 256u32;
    for _ in 0..db.min(40) {
        ratio = (ratio * 4596) >> 12;
    }
    ratio
}
