//! The straight line between a stream's RTP timestamps and its group's time, and the sender reports that it is drawn through.

/// Reports that are looked at: at one in 5 s those of the last 80 s.
const KEPT: usize = 16;
const PAIRS: usize = KEPT * (KEPT - 1) / 2;
/// A report this far off the line is not believed by itself, and more when the line's slope is still a guess.
const OFF_NS: f64 = 30e6;
const OFF_SHARE: f64 = 500e-6;
/// Two that are off alike to within this confirm each other.
const ALIKE_NS: f64 = 20e6;
/// Clocks of crystals: that they are off by this is no surprise, and by that is not believed.
const USUAL_DRIFT: f64 = 200e-6;
const MOST_DRIFT: f64 = 1000e-6;
/// What a report's two clocks may be apart, beside the rounding to a tick.
const REPORT_NOISE_NS: f64 = 60e3;

/// Instants are kept within this, some 36 years either way, so that their sums and differences fit.
pub const FAR_NS: i64 = 1 << 60;

/// At `ticks` (extended, never wrapping) the time is `ns`; from there it goes on by a slope.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Line {
    pub ticks: i64,
    pub ns: i64,
    pub ns_per_tick: f64,
}

impl Line {
    pub fn nominal(ticks: i64, ns: i64, clock_rate: u32) -> Line {
        Line { ticks, ns, ns_per_tick: 1e9 / f64::from(clock_rate.max(1)) }
    }
    pub fn ns_at(&self, ticks: i64) -> i64 {
        let later = ((ticks - self.ticks) as f64 * self.ns_per_tick).round() as i64;
        self.ns.saturating_add(later).clamp(-FAR_NS, FAR_NS)
    }
    pub fn ticks_at(&self, ns: i64) -> f64 {
        self.ticks as f64 + (ns - self.ns) as f64 / self.ns_per_tick
    }
}

/// One report: the stream's clock and the group's at the same instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair {
    pub ticks: i64,
    pub ns: i64,
}

/// What a report turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The first one: there is a line now.
    First,
    /// On the line, but for so much.
    Good { error_ns: i64 },
    /// Older than one before, or the same again.
    Stale,
    /// Far off: kept for the next one to confirm.
    Suspect,
    /// The second one that is far off by the same: the clock was set.
    Jump { by_ns: i64 },
}

#[derive(Clone, Debug)]
pub struct Reports {
    kept: [Pair; KEPT],
    count: usize,
    at: usize,
    suspect: Option<Pair>,
    clock_rate: u32,
}

impl Reports {
    pub fn new(clock_rate: u32) -> Reports {
        Reports { kept: [Pair { ticks: 0, ns: 0 }; KEPT], count: 0, at: 0, suspect: None, clock_rate }
    }
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn latest(&self) -> Option<Pair> {
        (self.count > 0).then(|| self.kept[(self.at + KEPT - 1) % KEPT])
    }

    /// How far a report is off the line; None before there is one.
    pub fn error(&self, pair: Pair) -> Option<i64> {
        self.line().map(|line| line.ns_at(pair.ticks) - pair.ns)
    }

    /// Looks at a report; only a good one is kept. After a jump the caller says what it means: [`Self::start_over`] or
    /// nothing.
    pub fn add(&mut self, pair: Pair) -> Verdict {
        let (Some(latest), Some(error)) = (self.latest(), self.error(pair)) else {
            self.keep(pair);
            return Verdict::First;
        };
        if pair.ns == latest.ns || pair.ticks == latest.ticks {
            return Verdict::Stale;
        }
        let elapsed = (pair.ticks - latest.ticks) as f64 * 1e9 / f64::from(self.clock_rate.max(1));
        if (error as f64).abs() <= OFF_NS + elapsed.abs() * OFF_SHARE {
            if elapsed < 0.0 {
                return Verdict::Stale;
            }
            self.suspect = None;
            self.keep(pair);
            return Verdict::Good { error_ns: error };
        }
        let before = self.suspect.replace(pair).and_then(|s| self.error(s));
        match before {
            Some(before) if ((before - error) as f64).abs() <= ALIKE_NS => Verdict::Jump { by_ns: -error },
            _ => Verdict::Suspect,
        }
    }

    /// The reports before are of a clock that is no more: this one is the first.
    pub fn start_over(&mut self, pair: Pair) {
        *self = Reports::new(self.clock_rate);
        self.keep(pair);
    }

    fn keep(&mut self, pair: Pair) {
        self.kept[self.at] = pair;
        self.at = (self.at + 1) % KEPT;
        self.count = (self.count + 1).min(KEPT);
    }

    fn pairs(&self) -> &[Pair] {
        &self.kept[..self.count]
    }

    /// Theil and Sen's line: the median of the slopes of all pairs, and of what is left then. A third of the reports may be
    /// wild without moving it.
    pub fn line(&self) -> Option<Line> {
        let latest = self.latest()?;
        let nominal = 1e9 / f64::from(self.clock_rate.max(1));
        let ns_per_tick = nominal * (1.0 + self.drift(nominal));
        let mut rests = [0.0; KEPT];
        for (rest, pair) in rests.iter_mut().zip(self.pairs()) {
            *rest = (pair.ns - latest.ns) as f64 - (pair.ticks - latest.ticks) as f64 * ns_per_tick;
        }
        let rest = median(&mut rests[..self.count]);
        Some(Line { ticks: latest.ticks, ns: latest.ns + rest.round() as i64, ns_per_tick })
    }

    /// How much longer than nominal a tick is. What few reports over a short time say counts less: they are rounded to ticks.
    fn drift(&self, nominal: f64) -> f64 {
        let mut slopes = [0.0; PAIRS];
        let mut count = 0;
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for (i, a) in self.pairs().iter().enumerate() {
            (first, last) = (first.min(a.ns), last.max(a.ns));
            for b in &self.pairs()[..i] {
                let ticks = (a.ticks - b.ticks) as f64;
                if ticks != 0.0 {
                    slopes[count] = (a.ns - b.ns) as f64 / ticks / nominal - 1.0;
                    count += 1;
                }
            }
        }
        if count == 0 {
            return 0.0;
        }
        let measured = median(&mut slopes[..count]);
        let noise = (REPORT_NOISE_NS + nominal / 3.0) / ((last - first) as f64).max(1.0);
        let trust = 1.0 / (1.0 + (noise / USUAL_DRIFT).powi(2));
        (measured * trust).clamp(-MOST_DRIFT, MOST_DRIFT)
    }

    /// How much faster than nominal the stream's clock runs, in millionths.
    pub fn drift_ppm(&self) -> f64 {
        let nominal = 1e9 / f64::from(self.clock_rate.max(1));
        -1e6 * self.drift(nominal)
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[half],
        _ => (values[half - 1] + values[half]) / 2.0,
    }
}
